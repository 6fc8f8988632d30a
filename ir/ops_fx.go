package ir

// widthAttrs describe a comparison: of x-T, known to lie in ±2^(keep+drop-1),
// the lowest drop bits are ignored and the next keep bits compared.
var widthAttrs = []AttrSpec{
	{Name: "keep", Kind: Whole, Required: true, Doc: "bits compared"},
	{Name: "drop", Kind: Whole, Doc: "low bits ignored; default 0"},
}

var piecewiseAttrs = []AttrSpec{
	{Name: "fn", Kind: Word, Doc: "the function it stands for"},
	{Name: "cuts", Kind: Wholes, Required: true, Doc: "ascending raw thresholds, at the argument's fraction bits"},
	{Name: "pieces", Kind: WholeLst, Required: true, Doc: "per piece [0] for zero, [c1, c0] linear, [c2, c1, c0] quadratic, [c2, c1, c0, slope] with slope·x of the linear ones' ring beside it"},
	{Name: "width_acc", Kind: Whole, Doc: "ring of the quadratic pieces"},
	{Name: "frac_acc", Kind: Whole, Doc: "fraction bits of c0 of a quadratic piece"},
	{Name: "mid_frac", Kind: Whole, Doc: "fraction bits the quadratic pieces are shrunk to"},
	{Name: "width_lin", Kind: Whole, Doc: "ring of the linear pieces"},
	{Name: "nonpositive", Kind: Flag, Doc: "the argument never exceeds 0, as a value minus its row's largest"},
	{Name: "rms", Kind: Real, Doc: "root of the expected squared error of the fit"},
	{Name: "worst", Kind: Real, Doc: "its largest error inside the fitted interval"},
	{Name: "keep", Kind: Whole, Doc: "bits compared; absent without cuts"},
	{Name: "drop", Kind: Whole, Doc: "low bits ignored; default 0"},
}

// withinAttr bounds what a product's choices are made of. It does not change what
// is computed, as long as it is true.
var withinAttr = AttrSpec{Name: "within", Kind: Wholes, Doc: "[lo, hi]: where the raw last argument lies, a promise that makes the product cheaper; elsewhere the result is wrong"}

var inverseAttrs = []AttrSpec{
	{Name: "lo", Kind: Whole, Required: true, Doc: "the raw input is at least 2^lo"},
	{Name: "hi", Kind: Whole, Required: true, Doc: "and below 2^hi"},
}

var fxTables = []Sig{
	{{Name: "ids", Is: Indices}, {Name: "types", Is: Indices}, {Name: "word", Is: AWeight}, {Name: "type", Is: AWeight}},
	{{Name: "ids", Is: Indices}, {Name: "word", Is: AWeight}},
}

var bitsSpec = AttrSpec{Name: "bits", Kind: Whole, Required: true, Doc: "how many"}

// fxRows is exact arithmetic on clear ring elements. (l, f) is a value's width
// and fraction bits; internal/fixed is the meaning of every step that rounds.
var fxRows = []Row{
	{
		Name: "fx.select",
		Doc: `rows of the word table, plus rows of the segment table

y[s] = word[ids[s]] + type[types[s]]. Both tables have the element type of the result.`,
		Args: fxTables,
		Example: example("fx", "%ids: tensor<3xi32>, %types: tensor<3xi32>", "@word: tensor<5x4xfx20.10>, @type: tensor<2x4xfx20.10>",
			"fx.select %ids, %types, @word, @type", "tensor<3x4xfx20.10>"),
		infer: inferSelect,
	},
	{
		Name: "fx.matmul",
		Doc: `product with a weight, or of two values

(l, fx)·(l, fw) → (l, fx+fw). With a weight: x [..., in], w [in, out]. Two values: a [..., m, k], b [..., k, n], leading axes equal.`,
		Args: []Sig{
			{{Name: "x", Is: Number}, {Name: "w", Is: AWeight}},
			{{Name: "a", Is: Number}, {Name: "b", Is: Number}},
		},
		Example: example("fx", "%x: tensor<2x4xfx30.8>", "@w: tensor<4x3xfx30.10>", "fx.matmul %x, @w", "tensor<2x3xfx30.18>"),
		infer:   inferMatmul,
	},
	{
		Name:    "fx.add_bias",
		Doc:     "x plus a weight: a vector along the last axis, or x's own shape; (l, f) equal",
		Args:    []Sig{{{Name: "x", Is: Number}, {Name: "b", Is: AWeight}}},
		Example: example("fx", "%x: tensor<2x4xfx30.8>", "@b: tensor<4xfx30.8>", "fx.add_bias %x, @b", "tensor<2x4xfx30.8>"),
		infer:   inferAddBias,
	},
	{
		Name:    "fx.add",
		Doc:     "a + b, shapes and (l, f) equal",
		Args:    binary,
		Example: example("fx", "%a: tensor<2x4xfx30.8>, %b: tensor<2x4xfx30.8>", "", "fx.add %a, %b", "tensor<2x4xfx30.8>"),
		infer:   inferAdd,
	},
	{
		Name:    "fx.sub",
		Doc:     "a - b, (l, f) equal; b has a's shape, or a last axis of one",
		Args:    binary,
		Example: example("fx", "%a: tensor<2x4xfx30.8>, %b: tensor<2x1xfx30.8>", "", "fx.sub %a, %b", "tensor<2x4xfx30.8>"),
		infer:   inferSub,
	},
	{
		Name:    "fx.add_const",
		Doc:     "x plus round(value·2^f)",
		Args:    unary,
		Attrs:   []AttrSpec{{Name: "value", Kind: Real, Required: true, Doc: "the constant, a real number"}},
		Example: example("fx", "%x: tensor<2x4xfx30.8>", "", "fx.add_const %x {value = -2.5}", "tensor<2x4xfx30.8>"),
		infer:   same,
	},
	{
		Name: "fx.mul_const",
		Doc: `x times round(value·2^frac): (l, f) → (l, f+frac)

frac is the constant's own precision: 1/768 needs some 20 bits to be right to a thousandth.`,
		Args: unary,
		Attrs: []AttrSpec{
			{Name: "value", Kind: Real, Required: true, Doc: "the constant, a real number"},
			{Name: "frac", Kind: Whole, Doc: "its fraction bits; default 0"},
		},
		Example: example("fx", "%x: tensor<2x4xfx30.8>", "", "fx.mul_const %x {value = 0.001302083, frac = 18}", "tensor<2x4xfx30.26>"),
		infer:   inferMulConst,
	},
	{
		Name:    "fx.shl",
		Doc:     "exact left shift, value kept: (l, f) → (l, f+bits)",
		Args:    unary,
		Attrs:   []AttrSpec{bitsSpec},
		Example: example("fx", "%x: tensor<2x4xfx30.8>", "", "fx.shl %x {bits = 4}", "tensor<2x4xfx30.12>"),
		infer:   inferShl,
	},
	{
		Name: "fx.number",
		Doc: `make room for low bits and count places from the end in them: (l, f) → (l, f+bits)

y[..., j] = x[..., j]·2^bits + n-1-j raw, n at most 2^(bits-1). Afterwards no two elements of a row are equal, and the largest says where it stood.`,
		Args:    unary,
		Attrs:   []AttrSpec{bitsSpec},
		Example: example("fx", "%x: tensor<2x4xfx30.8>", "", "fx.number %x {bits = 3}", "tensor<2x4xfx30.11>"),
		infer:   inferNumber,
	},
	{
		Name:    "fx.low",
		Doc:     "the low bits alone, as a whole number: (l, f) → (bits, 0)",
		Args:    unary,
		Attrs:   []AttrSpec{bitsSpec},
		Example: example("fx", "%x: tensor<2x1xfx30.11>", "", "fx.low %x {bits = 3}", "tensor<2x1xfx3.0>"),
		infer:   inferLow,
	},
	{
		Name:    "fx.sum",
		Doc:     "sum along the last axis, which stays with length one; (l, f) kept",
		Args:    unary,
		Attrs:   []AttrSpec{axisAttr},
		Example: example("fx", "%x: tensor<2x4xfx30.8>", "", "fx.sum %x", "tensor<2x1xfx30.8>"),
		infer:   reduceLast,
	},
	{
		Name:    "fx.split",
		Doc:     "cut an axis into equal parts, one result each",
		Args:    either,
		Attrs:   []AttrSpec{axisAttr},
		Many:    true,
		Example: example("fx", "%x: tensor<2x4xfx30.8>", "", "fx.split %x {axis = 1}", "tensor<2x2xfx30.8>", "tensor<2x2xfx30.8>"),
		infer:   inferSplit,
	},
	{
		Name:    "fx.split_heads",
		Doc:     "[S, D] to [H, S, D/H]: columns h·D/H … go to head h",
		Args:    unary,
		Attrs:   []AttrSpec{headsAttr},
		Example: example("fx", "%x: tensor<2x4xfx30.8>", "", "fx.split_heads %x {heads = 2}", "tensor<2x2x2xfx30.8>"),
		infer:   inferSplitHeads,
	},
	{
		Name:    "fx.merge_heads",
		Doc:     "[H, S, K] to [S, H·K], undoing split_heads",
		Args:    unary,
		Example: example("fx", "%x: tensor<2x3x2xfx30.8>", "", "fx.merge_heads %x", "tensor<3x4xfx30.8>"),
		infer:   inferMergeHeads,
	},
	{
		Name:    "fx.transpose",
		Doc:     "permute the axes",
		Args:    either,
		Attrs:   []AttrSpec{permAttr},
		Example: example("fx", "%x: tensor<2x3x4xfx30.8>", "", "fx.transpose %x {perm = [0, 2, 1]}", "tensor<2x4x3xfx30.8>"),
		infer:   inferTranspose,
	},
	{
		Name:    "fx.slice",
		Doc:     "a stretch of one axis",
		Args:    either,
		Attrs:   sliceAttr,
		Example: example("fx", "%x: tensor<3x4xfx30.8>", "", "fx.slice %x {axis = 0, start = 1, len = 2}", "tensor<2x4xfx30.8>"),
		infer:   inferSlice,
	},
	{
		Name:    "fx.reshape",
		Doc:     "the same elements in the same order under another shape, which is stated",
		Args:    either,
		Stated:  true,
		Example: example("fx", "%x: tensor<3x4xfx30.8>", "", "fx.reshape %x", "tensor<2x6xfx30.8>"),
		infer:   inferReshape,
	},
	{
		Name: "fx.gather",
		Doc: `slices along the first axis, in any order and as often as wanted

Slice i of the result is slice index[i] of the arguments put one after the other. Indices are public.`,
		Args:    []Sig{{{Name: "x", Is: NumberOrBits, Many: true}}},
		Attrs:   []AttrSpec{{Name: "index", Kind: Wholes, Required: true, Doc: "which slices, counted over all arguments"}},
		Example: example("fx", "%x: tensor<2x4xi1>, %y: tensor<3x4xi1>", "", "fx.gather %x, %y {index = [4, 0, 4]}", "tensor<3x4xi1>"),
		infer:   inferGather,
	},
	{
		Name:    "fx.concat",
		Doc:     "values one after the other along an axis; (l, f) and the other sizes equal",
		Args:    []Sig{{{Name: "x", Is: NumberOrBits, Many: true}}},
		Attrs:   []AttrSpec{axisAttr},
		Example: example("fx", "%x: tensor<3x4xfx30.8>, %y: tensor<1x4xfx30.8>", "", "fx.concat %x, %y {axis = 0}", "tensor<4x4xfx30.8>"),
		infer:   inferConcat,
	},
	{
		Name: "fx.shrink",
		Doc: `drop low bits and as many high ones: (l, f) → (l-bits, f-bits)

The value is kept, rounded to nearest. A plan does it locally; the result of the shares is this or one ulp off.`,
		Args:    unary,
		Attrs:   []AttrSpec{bitsSpec},
		Example: example("fx", "%x: tensor<2x4xfx30.16>", "", "fx.shrink %x {bits = 8}", "tensor<2x4xfx22.8>"),
		infer:   inferShrink,
	},
	{
		Name:    "fx.reduce",
		Doc:     "keep the low bits: (l, f) → (l', f), l' <= l stated; the value must fit",
		Args:    unary,
		Stated:  true,
		Example: example("fx", "%x: tensor<2x4xfx30.8>", "", "fx.reduce %x", "tensor<2x4xfx20.8>"),
		infer:   inferReduce,
	},
	{
		Name: "fx.trunc",
		Doc: `drop low bits into a ring of any width: (l, f) → (l', f-bits), l' stated

Rounded to nearest; the protocol may be one ulp off. |x| < 2^(l-2) - 2^bits is assumed.`,
		Args:    unary,
		Attrs:   []AttrSpec{bitsSpec},
		Stated:  true,
		Example: example("fx", "%x: tensor<2x4xfx30.16>", "", "fx.trunc %x {bits = 8}", "tensor<2x4xfx32.8>"),
		infer:   inferTrunc,
	},
	{
		Name:    "fx.extend",
		Doc:     "sign-extend: (l, f) → (l', f), l' >= l stated; |x| < 2^(l-2) is assumed",
		Args:    unary,
		Stated:  true,
		Example: example("fx", "%x: tensor<2x4xfx20.8>", "", "fx.extend %x", "tensor<2x4xfx30.8>"),
		infer:   inferExtend,
	},
	{
		Name: "fx.cast",
		Doc: `the same value as (l', f'), which is stated

A placeholder that quantize emits where formats meet; insert-trunc replaces it by shrink, trunc, extend, reduce or shl.`,
		Args:    unary,
		Stated:  true,
		Example: example("fx", "%x: tensor<2x4xfx20.8>", "", "fx.cast %x", "tensor<2x4xfx30.12>"),
		infer:   inferConvert,
	},
	{
		Name:    "fx.add_mask",
		Doc:     "s[..., j] + (1 - mask[j])·value, mask [S] of the client's i1, 1 = keep",
		Args:    []Sig{{{Name: "s", Is: Number}, {Name: "mask", Is: MaskBits}}},
		Attrs:   []AttrSpec{{Name: "value", Kind: Real, Required: true, Doc: "added where the mask is 0, a real number"}},
		Example: example("fx", "%s: tensor<2x3x3xfx24.8>, %m: tensor<3xi1>", "", "fx.add_mask %s, %m {value = -32.0}", "tensor<2x3x3xfx24.8>"),
		infer:   inferAddMask,
	},
	{
		Name: "fx.max",
		Doc: `the largest along the last axis, which stays with length one

A tournament of comparisons; with drop > 0 the result may be below the largest by under ceil(log2 n)·2^drop raw units.`,
		Args:    unary,
		Attrs:   append([]AttrSpec{axisAttr}, widthAttrs...),
		Example: example("fx", "%x: tensor<2x4xfx24.8>", "", "fx.max %x {keep = 12, drop = 4}", "tensor<2x1xfx24.8>"),
		infer:   inferMax,
	},
	{
		Name: "fx.cmp",
		Doc: `bits 1{x >= T} for every cut T, in a new last axis

Cuts are raw integers at x's fraction bits, or a weight [cuts] of x's (l, f), which stays with the server. With drop > 0 the protocol may answer 0 for T <= x < T + 2^drop.`,
		Args:    []Sig{{{Name: "x", Is: Number}}, {{Name: "x", Is: Number}, {Name: "cuts", Is: AWeight}}},
		Attrs:   append([]AttrSpec{{Name: "cuts", Kind: Wholes, Doc: "ascending raw thresholds, if no weight has them"}}, widthAttrs...),
		Example: example("fx", "%x: tensor<2x4xfx24.8>", "", "fx.cmp %x {cuts = [-256, 256], keep = 24}", "tensor<2x4x2xi1>"),
		infer:   inferCmp,
	},
	{
		Name:    "fx.mux",
		Doc:     "b ? x : 0, shapes equal",
		Args:    []Sig{{{Name: "b", Is: Bits}, {Name: "x", Is: Number}}},
		Example: example("fx", "%b: tensor<2x4xi1>, %x: tensor<2x4xfx24.8>", "", "fx.mux %b, %x", "tensor<2x4xfx24.8>"),
		infer:   inferMux,
	},
	{
		Name:    "fx.xor",
		Doc:     "exclusive or of bits, shapes equal",
		Args:    []Sig{{{Name: "a", Is: Bits}, {Name: "b", Is: Bits}}},
		Example: example("fx", "%a: tensor<2x4xi1>, %b: tensor<2x4xi1>", "", "fx.xor %a, %b", "tensor<2x4xi1>"),
		infer:   inferXor,
	},
	{
		Name:    "fx.and",
		Doc:     "both bits, shapes equal",
		Args:    []Sig{{{Name: "a", Is: Bits}, {Name: "b", Is: Bits}}},
		Example: example("fx", "%a: tensor<2x4xi1>, %b: tensor<2x4xi1>", "", "fx.and %a, %b", "tensor<2x4xi1>"),
		infer:   inferXor,
	},
	{
		Name:    "fx.not",
		Doc:     "the other bit",
		Args:    []Sig{{{Name: "a", Is: Bits}}},
		Example: example("fx", "%a: tensor<2x4xi1>", "", "fx.not %a", "tensor<2x4xi1>"),
		infer:   same,
	},
	{
		Name:    "fx.square",
		Doc:     "x², in a ring of l' <= l bits, stated: (l, f) → (l', 2f)",
		Args:    unary,
		Attrs:   []AttrSpec{withinAttr},
		Stated:  true,
		Example: example("fx", "%x: tensor<2x4xfx24.8>", "", "fx.square %x", "tensor<2x4xfx24.16>"),
		infer:   inferSquare,
	},
	{
		Name: "fx.mul",
		Doc: `product element by element: (l, fa)·(l, fb) → (l, fa+fb)

Two values: shapes equal, or b with a last axis of one. With a weight: a vector along the last axis, which may be narrower than x.`,
		Args: []Sig{
			{{Name: "a", Is: Number}, {Name: "b", Is: Number}},
			{{Name: "x", Is: Number}, {Name: "g", Is: AWeight}},
		},
		Attrs:   []AttrSpec{withinAttr},
		Example: example("fx", "%x: tensor<2x4xfx24.8>", "@g: tensor<4xfx12.8>", "fx.mul %x, @g", "tensor<2x4xfx24.16>"),
		infer:   inferMul,
	},
	{
		Name: "fx.piecewise",
		Doc: `a function of one value given by polynomials between cuts

The attributes are those of internal/fixed's Piecewise, whose Eval is the meaning; the result's (l', f') is stated.`,
		Args:   unary,
		Attrs:  piecewiseAttrs,
		Stated: true,
		Example: example("fx", "%x: tensor<2x4xfx20.8>", "",
			"fx.piecewise %x {fn = relu, cuts = [0], pieces = [[0], [1, 0]], keep = 20, drop = 0, width_lin = 20}", "tensor<2x4xfx20.8>"),
		infer: inferPiecewise,
	},
	{
		Name: "fx.recip",
		Doc: `1/x for raw x in [2^lo, 2^hi); the result's (l', f') is stated

Normalised by powers of two, then a spline: internal/fixed's Inverse is the meaning.`,
		Args:    unary,
		Attrs:   inverseAttrs,
		Stated:  true,
		Example: example("fx", "%x: tensor<2x1xfx20.8>", "", "fx.recip %x {lo = 7, hi = 16}", "tensor<2x1xfx20.16>"),
		infer:   inferInverse,
	},
	{
		Name:    "fx.rsqrt",
		Doc:     "1/√x for raw x in [2^lo, 2^hi); the result's (l', f') is stated",
		Args:    unary,
		Attrs:   inverseAttrs,
		Stated:  true,
		Example: example("fx", "%x: tensor<2x1xfx20.8>", "", "fx.rsqrt %x {lo = 4, hi = 16}", "tensor<2x1xfx20.12>"),
		infer:   inferInverse,
	},
}
