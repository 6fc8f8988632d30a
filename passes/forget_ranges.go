package passes

import "nimbus/ir"

// ForgetRanges removes what the text says about ranges of values.
var ForgetRanges = Pass{
	Name: "forget-ranges",
	Doc: `remove the ranges of values and what proves them

Once conversions are steps nothing computes with a range: it is there to be read
and checked. It tells of the weights and coefficients it was proved from, and of
the calibration text; so do the errors that widths measured. Widths, which follow from ranges, stay. Not part of the
default pipeline; hiding coefficients needs it.`,
	Run: func(m *ir.Module, _ *Options) error {
		for _, name := range []string{errorAttr, partsAttr} {
			m.Attrs.Del(name)
		}
		for _, f := range m.Funcs {
			for _, op := range f.Body {
				for _, name := range []string{"range", "bound", "proved", "proof"} {
					op.Attrs.Del(name)
				}
			}
		}
		return nil
	},
}
