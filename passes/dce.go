package passes

import "nimbus/ir"

// DCE removes ops whose results nothing reads, and weights nobody reads.
var DCE = Pass{
	Name: "dce",
	Doc: `remove ops whose results nothing reads

One walk from the end is enough: a function is straight-line code, and an op has
no effect but its results. Weights that no op reads go too.`,
	Run: func(m *ir.Module, _ *Options) error {
		for _, f := range m.Funcs {
			f.RemoveDead()
		}
		m.RemoveUnusedWeights()
		return nil
	},
}
