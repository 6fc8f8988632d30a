package ir

import (
	"slices"
	"strings"
)

// setAttr names a row of the RLWE parameter table.
var setAttr = AttrSpec{Name: "set", Kind: Word, Required: true, Doc: "RLWE parameter set"}

var responseAttrs = []AttrSpec{
	{Name: "drop_c0", Kind: Whole, Doc: "low bits dropped from the first polynomial of a response; default 0"},
	{Name: "drop_c1", Kind: Whole, Doc: "low bits dropped from the second; default 0"},
}

// aheadAttr is for the products that can run on masks before their input is known.
var aheadAttr = AttrSpec{Name: "ahead", Kind: Flag, Doc: "the product of masks is made before the input is known; of the run is left what differs from them"}

// storedAttr is for the ops that read what setup has stored.
var storedAttr = AttrSpec{Name: "drop_stored", Kind: Whole, Doc: "low bits dropped from the stored ciphertexts of a weight; default 0"}

var inputsAttr = AttrSpec{Name: "drop_in", Kind: Whole, Doc: "low bits dropped from the encrypted inputs; default 0"}

// dropAttr is for products whose low bits nobody reads.
var dropAttr = AttrSpec{Name: "drop", Kind: Whole, Doc: "low bits that are rounded away, for readers that drop more; default 0"}

// reserved are the attributes of ops that consume correlated OTs.
func reserved(name string) []AttrSpec {
	if !strings.HasPrefix(name, "ot.") {
		return nil
	}
	specs := []AttrSpec{{Name: "cots", Kind: Wholes, Doc: "[sent by the client, sent by the server]: the correlated OTs that the op consumes; without it nothing runs beside the op"}}
	if doc := layouts[name]; doc != "" {
		specs = append(specs, AttrSpec{Name: "layout", Kind: Wholes, Doc: doc})
	}
	return specs
}

// layouts says how the ops that compare state how they cut their work.
var layouts = map[string]string{
	"ot.cmp":       cmpLayout,
	"ot.piecewise": cmpLayout,
	"ot.max":       "for each level [the size of groups, number of digits, how they are joined], joined by 0 a tree, 1 a table, 2 the selection of the winner; default pairs, digits of at most 4 bits, a tree",
	"ot.recip":     inverseLayout,
	"ot.rsqrt":     inverseLayout,
}

const (
	cmpLayout     = "[number of digits, how they are joined: 0 by a tree, 1 by a table]; default digits of at most 4 bits, a tree"
	inverseLayout = "that of the comparison, which 2, the selection that normalises, may join too; that of the spline's; 1 if a piece is selected and shifted at once"
)

// planRows is what two parties execute. A plan op computes what its fx twin
// computes, on shares; the dialect says how it talks: ss not at all, he by
// RLWE, ot by oblivious transfer, io to open and to share.
var planRows = []Row{
	plan("he.select", "fx.select", "ids and segments are the client's, the tables the server's; one response per token", fxTables,
		append([]AttrSpec{setAttr, storedAttr}, responseAttrs...),
		example("plan", "%ids: private<client, 3xi32>, %types: private<client, 3xi32>",
			"@word: private<server, 5x4xfx20.10>, @type: private<server, 2x4xfx20.10>",
			"he.select %ids, %types, @word, @type {set = n4096}", "ashare<3x4xfx20.10>")),
	plan("he.matmul", "fx.matmul", "share times the server's weight; the product's low bits may be wrong by the error the parameter set states",
		[]Sig{{{Name: "x", Is: Number}, {Name: "w", Is: AWeight}}},
		append([]AttrSpec{setAttr, {Name: "tile", Kind: Whole, Doc: "token rows packed into one response; default 1"}, storedAttr, aheadAttr}, responseAttrs...),
		example("plan", "%x: ashare<2x4xfx30.8>", "@w: private<server, 4x3xfx30.10>", "he.matmul %x, @w {set = n4096}", "ashare<2x3xfx30.18>")),
	plan("he.matmul_ss", "fx.matmul", "share times share, batched", binary,
		append([]AttrSpec{setAttr, {Name: "tile", Kind: Wholes, Required: true, Doc: "[rows, inner, columns, 1 if the first operand is encrypted]: the block that one polynomial product computes"}, inputsAttr, aheadAttr}, responseAttrs...),
		example("plan", "%a: ashare<2x3x4xfx25.8>, %b: ashare<2x4x3xfx25.8>", "", "he.matmul_ss %a, %b {set = n2048, tile = [3, 4, 3, 0]}", "ashare<2x3x3xfx25.16>")),

	{
		Name: "ss.select",
		Doc: `rows of public tables, which the client looks up by itself

The client's share is the sum of its rows and the server's is zero: both know the tables, and nobody sends anything.`,
		Args: fxTables,
		Twin: "fx.select",
		Example: example("plan", "%ids: private<client, 3xi32>, %types: private<client, 3xi32>",
			"@word: public<5x4xfx20.10>, @type: public<2x4xfx20.10>",
			"ss.select %ids, %types, @word, @type", "ashare<3x4xfx20.10>"),
		infer: inferPublicSelect,
	},
	twin("ss.add_bias"), twin("ss.add"), twin("ss.sub"), twin("ss.add_const"), twin("ss.mul_const"), twin("ss.shl"),
	twin("ss.sum"), twin("ss.number"), twin("ss.low"), twin("ss.split"), twin("ss.split_heads"), twin("ss.merge_heads"), twin("ss.transpose"),
	twin("ss.slice"), twin("ss.gather"), twin("ss.concat"), twin("ss.reshape"), twin("ss.shrink"), twin("ss.reduce"), twin("ss.add_mask"), twin("ss.xor"), twin("ss.not"),

	twin("ot.trunc"), twin("ot.extend"), twin("ot.max"), twin("ot.cmp"), twin("ot.mux"), twin("ot.and"), twin("ot.square"),
	plan("ot.mul_ss", "fx.mul", "share times share; the bits of one are the choices", binary, []AttrSpec{dropAttr},
		example("plan", "%a: ashare<2x4xfx24.8>, %b: ashare<2x1xfx24.8>", "", "ot.mul_ss %a, %b", "ashare<2x4xfx24.16>")),
	plan("ot.mul", "fx.mul", "share times the server's vector; its bits are the choices, so its width is the price",
		[]Sig{{{Name: "x", Is: Number}, {Name: "g", Is: AWeight}}}, nil,
		example("plan", "%x: ashare<2x4xfx24.8>", "@g: private<server, 4xfx12.8>", "ot.mul %x, @g", "ashare<2x4xfx24.16>")),
	twin("ot.piecewise"), twin("ot.recip"), twin("ot.rsqrt"),

	{
		Name:    "io.share",
		Doc:     "split a private value into shares: its owner keeps value minus a random mask and sends the mask, or a seed of it where that is shorter",
		Args:    []Sig{{{Name: "x", Is: Own}}},
		Example: example("plan", "%x: private<client, 2x4xfx24.8>", "", "io.share %x", "ashare<2x4xfx24.8>"),
		infer:   inferShare,
	},
	{
		Name: "io.reveal",
		Doc: `open a shared value to a party or to both

The only op that opens anything.`,
		Args: []Sig{{{Name: "x", Is: Shared}}},
		Attrs: []AttrSpec{
			{Name: "to", Kind: Word, Required: true, OneOf: []string{Client, Server, "both"}, Doc: "who learns it"},
			{Name: "undropped", Kind: Flag, Doc: "the value may be a product under encryption with all its bits, whose errors tell of the key"},
		},
		Example: example("plan", "%x: ashare<2x4xfx24.8>", "", "io.reveal %x {to = client}", "private<client, 2x4xfx24.8>"),
		infer:   inferReveal,
	},
}

// fxRow finds the fx row a plan row copies; tables are initialised in
// dependency order, so fxRows is ready.
func fxRow(name string) Row {
	for _, r := range fxRows {
		if r.Name == name {
			return r
		}
	}
	panic("ir: internal error: no row " + name)
}

// twin derives the plan row that differs from its fx twin in nothing but the
// kinds of its arguments.
func twin(name string) Row {
	_, op, _ := strings.Cut(name, ".")
	r := fxRow("fx." + op)
	r.Example = planExample(r.Example, r.Name, name)
	r.Twin, r.Name = r.Name, name
	r.Attrs = append(r.Attrs[:len(r.Attrs):len(r.Attrs)], reserved(name)...)
	return r
}

// plan makes a row of its own that computes what twin computes.
func plan(name, twin, doc string, args []Sig, attrs []AttrSpec, example string) Row {
	r := fxRow(twin)
	return Row{Name: name, Doc: r.Title() + "\n\n" + doc + ".", Args: args, Attrs: slices.Concat(attrs, r.Attrs, reserved(name)),
		Stated: r.Stated, Twin: twin, Example: example, infer: r.infer}
}

// planExample turns an fx example into shares: weights become the server's,
// the mask the client's, all else shares.
func planExample(text, from, to string) string {
	text = strings.Replace(text, "stage = fx", "stage = plan", 1)
	text = strings.ReplaceAll(text, from+" ", to+" ")
	var out []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, "weight @") {
			line = strings.ReplaceAll(line, "tensor<", "private<server, ")
		}
		line = strings.ReplaceAll(line, "%m: tensor<", "%m: private<client, ")
		for {
			before, after, ok := strings.Cut(line, "tensor<")
			if !ok {
				break
			}
			kind := "ashare<"
			if body, _, _ := strings.Cut(after, ">"); strings.HasSuffix(body, "xi1") {
				kind = "bshare<"
			}
			line = before + kind + after
		}
		out = append(out, line)
	}
	return strings.Join(out, "")
}
