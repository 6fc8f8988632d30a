package ir

// Shorthands for the tables.
var (
	unary  = []Sig{{{Name: "x", Is: Number}}}
	either = []Sig{{{Name: "x", Is: NumberOrBits}}}
	binary = []Sig{{{Name: "a", Is: Number}, {Name: "b", Is: Number}}}
	biased = []Sig{
		{{Name: "a", Is: Number}, {Name: "b", Is: Number}},
		{{Name: "a", Is: Number}, {Name: "b", Is: AWeight}},
	}
	axisAttr  = AttrSpec{Name: "axis", Kind: Whole, Doc: "counts from the end if negative; default -1"}
	headsAttr = AttrSpec{Name: "heads", Kind: Whole, Required: true, Doc: "number of heads H"}
	permAttr  = AttrSpec{Name: "perm", Kind: Wholes, Required: true, Doc: "axis perm[i] of the argument becomes axis i"}
	sliceAttr = []AttrSpec{
		axisAttr,
		{Name: "start", Kind: Whole, Required: true, Doc: "first element"},
		{Name: "len", Kind: Whole, Required: true, Doc: "how many"},
	}
)

// nnRows is the model's own vocabulary: real numbers, exact functions.
var nnRows = []Row{
	{
		Name: "nn.embed",
		Doc: `the sum of a word, a segment and a position row per token

y[s] = word[ids[s]] + type[types[s]] + pos[s + offset]. A model without segments leaves types and type out.
Shapes: ids, types [S]; word [V, D]; type [C, D]; pos [P, D]; y [S, D].`,
		Args: []Sig{
			{{Name: "ids", Is: Indices}, {Name: "types", Is: Indices}, {Name: "word", Is: AWeight}, {Name: "type", Is: AWeight}, {Name: "pos", Is: AWeight}},
			{{Name: "ids", Is: Indices}, {Name: "word", Is: AWeight}, {Name: "pos", Is: AWeight}},
		},
		Attrs: []AttrSpec{{Name: "offset", Kind: Whole, Doc: "position of the first token; default 0"}},
		Example: example("nn", "%ids: tensor<3xi32>, %types: tensor<3xi32>", "@word: tensor<5x4xf32>, @type: tensor<2x4xf32>, @pos: tensor<8x4xf32>",
			"nn.embed %ids, %types, @word, @type, @pos", "tensor<3x4xf32>"),
		infer: inferEmbed,
	},
	{
		Name: "nn.linear",
		Doc: `x·w + b, the bias optional

Shapes: x [..., in]; w [in, out]; b [out]; y [..., out]. Files that hold [out, in] say transpose in the weight's recipe.`,
		Args: []Sig{
			{{Name: "x", Is: Number}, {Name: "w", Is: AWeight}, {Name: "b", Is: AWeight}},
			{{Name: "x", Is: Number}, {Name: "w", Is: AWeight}},
		},
		Example: example("nn", "%x: tensor<2x4xf32>", "@w: tensor<4x3xf32>, @b: tensor<3xf32>", "nn.linear %x, @w, @b", "tensor<2x3xf32>"),
		infer:   inferLinear,
	},
	{
		Name: "nn.matmul",
		Doc: `product of two values, batched over the leading axes

Shapes: a [..., m, k]; b [..., k, n]; y [..., m, n], leading axes equal.`,
		Args:    binary,
		Example: example("nn", "%a: tensor<2x3x4xf32>, %b: tensor<2x4x3xf32>", "", "nn.matmul %a, %b", "tensor<2x3x3xf32>"),
		infer:   inferNNMatmul,
	},
	{
		Name:    "nn.scale",
		Doc:     "x times a constant",
		Args:    unary,
		Attrs:   []AttrSpec{{Name: "by", Kind: Real, Required: true, Doc: "the constant"}},
		Example: example("nn", "%x: tensor<2x4xf32>", "", "nn.scale %x {by = 0.125}", "tensor<2x4xf32>"),
		infer:   same,
	},
	{
		Name:    "nn.add",
		Doc:     "a + b, broadcasting lengths of one, aligned right",
		Args:    biased,
		Example: example("nn", "%a: tensor<2x4xf32>, %b: tensor<2x1xf32>", "", "nn.add %a, %b", "tensor<2x4xf32>"),
		infer:   nnBinary,
	},
	{
		Name:    "nn.sub",
		Doc:     "a - b, broadcasting as nn.add",
		Args:    biased,
		Example: example("nn", "%a: tensor<2x4xf32>, %b: tensor<2x1xf32>", "", "nn.sub %a, %b", "tensor<2x4xf32>"),
		infer:   nnBinary,
	},
	{
		Name:    "nn.mul",
		Doc:     "a times b element by element, broadcasting as nn.add",
		Args:    biased,
		Example: example("nn", "%a: tensor<2x4xf32>", "@g: tensor<4xf32>", "nn.mul %a, @g", "tensor<2x4xf32>"),
		infer:   nnBinary,
	},
	{
		Name: "nn.add_mask",
		Doc: `push masked-out positions of the last axis far down

y[..., j] = s[..., j] + (1 - mask[j])·value. Shapes: s [..., S], mask [S] of i1, 1 = keep.`,
		Args:    []Sig{{{Name: "s", Is: Number}, {Name: "mask", Is: MaskBits}}},
		Attrs:   []AttrSpec{{Name: "value", Kind: Real, Doc: "added where the mask is 0; default -10000"}},
		Example: example("nn", "%s: tensor<2x3x3xf32>, %m: tensor<3xi1>", "", "nn.add_mask %s, %m", "tensor<2x3x3xf32>"),
		infer:   inferAddMask,
	},
	{
		Name:    "nn.softmax",
		Doc:     "exp(x) over its sum along an axis",
		Args:    unary,
		Attrs:   []AttrSpec{axisAttr},
		Example: example("nn", "%x: tensor<2x4xf32>", "", "nn.softmax %x {axis = 1}", "tensor<2x4xf32>"),
		infer:   axiswise,
	},
	{
		Name:    "nn.gelu",
		Doc:     "x·Φ(x), with the error function or its usual tanh form",
		Args:    unary,
		Attrs:   []AttrSpec{{Name: "form", Kind: Word, OneOf: []string{"erf", "tanh"}, Doc: "default erf"}},
		Example: example("nn", "%x: tensor<2x4xf32>", "", "nn.gelu %x {form = tanh}", "tensor<2x4xf32>"),
		infer:   same,
	},
	nnUnary("relu", "max(x, 0)"),
	nnUnary("relu2", "max(x, 0)²"),
	nnUnary("tanh", "the hyperbolic tangent"),
	nnUnary("sigmoid", "1/(1 + exp(-x))"),
	nnUnary("silu", "x/(1 + exp(-x))"),
	nnUnary("exp", "e^x"),
	nnUnary("recip", "1/x"),
	{
		Name:    "nn.rsqrt",
		Doc:     "1/√(x + eps), element by element",
		Args:    unary,
		Attrs:   []AttrSpec{{Name: "eps", Kind: Real, Doc: "default 0"}},
		Example: example("nn", "%x: tensor<2x4xf32>", "", "nn.rsqrt %x {eps = 1e-05}", "tensor<2x4xf32>"),
		infer:   same,
	},
	nnUnary("square", "x²"),
	{
		Name:    "nn.max",
		Doc:     "the largest along an axis, which stays with length one",
		Args:    unary,
		Attrs:   []AttrSpec{axisAttr},
		Example: example("nn", "%x: tensor<2x4xf32>", "", "nn.max %x {axis = -1}", "tensor<2x1xf32>"),
		infer:   reduceTo1,
	},
	{
		Name:    "nn.argmax",
		Doc:     "the place, from 0, of the largest along the last axis, which stays with length one; of equals the first",
		Args:    unary,
		Attrs:   []AttrSpec{axisAttr},
		Example: example("nn", "%x: tensor<2x4xf32>", "", "nn.argmax %x", "tensor<2x1xf32>"),
		infer:   reduceLast,
	},
	{
		Name:    "nn.sum",
		Doc:     "the sum along an axis, which stays with length one",
		Args:    unary,
		Attrs:   []AttrSpec{axisAttr},
		Example: example("nn", "%x: tensor<2x4xf32>", "", "nn.sum %x {axis = 0}", "tensor<1x4xf32>"),
		infer:   reduceTo1,
	},
	{
		Name: "nn.layernorm",
		Doc: `(x - mean)/√(var + eps)·g + b along the last axis

var is the population variance. g, or b, or both may be left out from the right.`,
		Args: []Sig{
			{{Name: "x", Is: Number}, {Name: "g", Is: AWeight}, {Name: "b", Is: AWeight}},
			{{Name: "x", Is: Number}, {Name: "g", Is: AWeight}},
			{{Name: "x", Is: Number}},
		},
		Attrs:   []AttrSpec{{Name: "eps", Kind: Real, Doc: "default 1e-12"}},
		Example: example("nn", "%x: tensor<2x4xf32>", "@g: tensor<4xf32>, @b: tensor<4xf32>", "nn.layernorm %x, @g, @b {eps = 1e-12}", "tensor<2x4xf32>"),
		infer:   inferLayernorm,
	},
	{
		Name:    "nn.split_heads",
		Doc:     "[S, D] to [H, S, D/H]: columns h·D/H … go to head h",
		Args:    unary,
		Attrs:   []AttrSpec{headsAttr},
		Example: example("nn", "%x: tensor<2x4xf32>", "", "nn.split_heads %x {heads = 2}", "tensor<2x2x2xf32>"),
		infer:   inferSplitHeads,
	},
	{
		Name:    "nn.merge_heads",
		Doc:     "[H, S, K] to [S, H·K], undoing split_heads",
		Args:    unary,
		Example: example("nn", "%x: tensor<2x3x2xf32>", "", "nn.merge_heads %x", "tensor<3x4xf32>"),
		infer:   inferMergeHeads,
	},
	{
		Name:    "nn.transpose",
		Doc:     "permute the axes",
		Args:    unary,
		Attrs:   []AttrSpec{permAttr},
		Example: example("nn", "%x: tensor<2x3x4xf32>", "", "nn.transpose %x {perm = [0, 2, 1]}", "tensor<2x4x3xf32>"),
		infer:   inferTranspose,
	},
	{
		Name:    "nn.split",
		Doc:     "cut an axis into equal parts, one result each",
		Args:    unary,
		Attrs:   []AttrSpec{axisAttr},
		Many:    true,
		Example: example("nn", "%x: tensor<2x4xf32>", "", "nn.split %x {axis = 1}", "tensor<2x2xf32>", "tensor<2x2xf32>"),
		infer:   inferSplit,
	},
	{
		Name:    "nn.slice",
		Doc:     "a stretch of one axis",
		Args:    unary,
		Attrs:   sliceAttr,
		Example: example("nn", "%x: tensor<3x4xf32>", "", "nn.slice %x {axis = 0, start = 1, len = 2}", "tensor<2x4xf32>"),
		infer:   inferSlice,
	},
	{
		Name:    "nn.reshape",
		Doc:     "the same elements in the same order under another shape, which is stated",
		Args:    unary,
		Stated:  true,
		Example: example("nn", "%x: tensor<3x4xf32>", "", "nn.reshape %x", "tensor<2x6xf32>"),
		infer:   inferReshape,
	},
	{
		Name:    "nn.concat",
		Doc:     "values one after the other along an axis",
		Args:    []Sig{{{Name: "x", Is: Number, Many: true}}},
		Attrs:   []AttrSpec{axisAttr},
		Example: example("nn", "%x: tensor<3x4xf32>, %y: tensor<1x4xf32>", "", "nn.concat %x, %y {axis = 0}", "tensor<4x4xf32>"),
		infer:   inferConcat,
	},
	{
		Name: "nn.piecewise",
		Doc: `a function given by polynomials between cuts

Piece p applies for cuts[p-1] <= x < cuts[p]; coef[p] lists its coefficients, lowest power first, at most to the cube.`,
		Args: unary,
		Attrs: []AttrSpec{
			{Name: "fn", Kind: Word, Doc: "the function it stands for"},
			{Name: "cuts", Kind: Reals, Required: true, Doc: "ascending"},
			{Name: "coef", Kind: RealLst, Required: true, Doc: "one list per piece: one more than cuts"},
			{Name: "lo", Kind: Real, Doc: "where the fit begins to hold"},
			{Name: "hi", Kind: Real, Doc: "where it ends"},
			{Name: "rms", Kind: Real, Doc: "root of the expected squared error of the fit"},
			{Name: "worst", Kind: Real, Doc: "its largest error between lo and hi"},
			{Name: "outside", Kind: Real, Doc: "share of the calibration inputs outside lo..hi"},
		},
		Example: example("nn", "%x: tensor<2x4xf32>", "", "nn.piecewise %x {fn = relu, cuts = [0.0], coef = [[0.0], [0.0, 1.0]]}", "tensor<2x4xf32>"),
		infer:   inferNNPiecewise,
	},
}

func nnUnary(name, doc string) Row {
	return Row{
		Name:    "nn." + name,
		Doc:     doc + ", element by element",
		Args:    unary,
		Example: example("nn", "%x: tensor<2x4xf32>", "", "nn."+name+" %x", "tensor<2x4xf32>"),
		infer:   same,
	}
}
