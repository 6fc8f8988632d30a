package tests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nimbus/backend"
	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/parser"
	"nimbus/ir/plan"
	"nimbus/ir/weights"
	"nimbus/passes"
)

// TestPrivateCuts: cuts in a weight give the bits that the same cuts in the plan
// give, between two parties and in the clear.
func TestPrivateCuts(t *testing.T) {
	const x, bits = "%x: ashare<40xfx20.4>", "bshare<40x3xi1>"
	public := opPlan(t, "public", function(x, "", "ot.cmp %x {cuts = [-19, 7, 100], keep = 12}", bits))
	private := opPlan(t, "private", function(x, "@cuts : private<server, 3xfx20.4>", "ot.cmp %x, @cuts {keep = 12}", bits))
	src := weights.Map{"cuts": {Shape: []int{3}, Data: []float32{-19. / 16, 7. / 16, 100. / 16}}}
	in := map[string][]uint64{"x": make([]uint64, 40)}
	for i := range in["x"] {
		in["x"][i] = z2k.FromInt(int64(i)*4-40, 20)
	}
	copy(in["x"], []uint64{z2k.FromInt(-20, 20), z2k.FromInt(-19, 20), 6, 7, 99, 100})
	want, err := eval.Run(public, "main", clearInputs(in), weights.Map{})
	if err != nil {
		t.Fatal(err)
	}
	clear, err := eval.Run(private, "main", clearInputs(in), src)
	if err != nil {
		t.Fatal(err)
	}
	d, err := deploy(t.TempDir(), private, src)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	s := d.start(t, options{})
	defer s.stop()
	got, client, server := s.run(in)
	for i, w := range want {
		if !slices.Equal(clear[i].Ring, w.Ring) || !slices.Equal(got[i], w.Ring) {
			t.Errorf("result %d differs: public %v, in the clear %v, two parties %v", i, w.Ring, clear[i].Ring, got[i])
		}
	}
	account, err := backend.AccountOf(private)
	if err != nil {
		t.Fatal(err)
	}
	checkAccount(t, account, client, server)
}

// fittedFunctions are functions as quantize leaves them, with a second set of
// numbers of the same form and magnitude.
var fittedFunctions = []struct {
	name, in, out string
	numbers       [2]string // cuts and pieces
	rest          string
	lo, hi        int64 // arguments
}{
	{"gelu", "fx24.7", "fx38.10", [2]string{
		"cuts = [-224, 0, 224], pieces = [[0], [14, 3064, -16211], [14, 5128, -16211], [1, 0]]",
		"cuts = [-240, -16, 216], pieces = [[0], [11, 2479, -38604], [16, 4752, -3514], [1, 0]]",
	}, "keep = 9, drop = 3, width_acc = 24, frac_acc = 20, mid_frac = 10, width_lin = 13", -896, 896},
	{"exp", "fx26.7", "fx27.12", [2]string{
		"cuts = [-620, -292, -124], pieces = [[0], [4, 4950, 1531689], [26, 17722, 3385292], [77, 30473, 4182156]]",
		"cuts = [-564, -256, -112], pieces = [[0], [6, 6760, 1904079], [31, 19592, 3550591], [81, 30858, 4185268]]",
	}, "nonpositive, keep = 11, drop = 3, width_acc = 26, frac_acc = 22, mid_frac = 12", -2048, 0},
	{"tanh", "fx24.7", "fx38.10", [2]string{
		"cuts = [-336, -176, -4, 112, 296], pieces = [[0, -128], [5, 3347, -488395], [21, 8959, 3683], [-17, 8555, 2672], [-9, 5308, 265917], [0, 128]]",
		"cuts = [-328, -184, -8, 104, 304], pieces = [[0, -128], [6, 3340, -480000], [20, 8950, 3600], [-16, 8550, 2600], [-9, 5300, 265000], [0, 128]]",
	}, "keep = 8, drop = 3, width_acc = 24, frac_acc = 20, mid_frac = 10, width_lin = 11", -640, 640},
}

// fittedModule applies a function to a column of n values, as a module of fx.
func fittedModule(t *testing.T, i, set, n int) *ir.Module {
	t.Helper()
	f := fittedFunctions[i]
	m, err := parser.Parse(f.name, fmt.Sprintf(`module @m attributes {stage = fx} {
  func @main(%%x: tensor<%dx1xfx38.7> {owner = client}) -> tensor<%dx1x%s> {
    %%c = fx.cast %%x {range = [%d.0, %d.0]} : tensor<%dx1x%s>
    %%y = fx.piecewise %%c {%s, %s} : tensor<%dx1x%s>
    return %%y
  }
}`, n, n, f.out, f.lo>>7, (f.hi+127)>>7, n, f.in, f.numbers[set], f.rest, n, f.out))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// hide runs the pass, and returns what it tells.
func hide(t *testing.T, m *ir.Module) weights.Map {
	t.Helper()
	src := weights.Map{}
	o := passes.Options{Hidden: func(w *ir.Weight, values []float64) {
		v := weights.Tensor{Shape: w.Type.Shape}
		for _, x := range values {
			v.Data = append(v.Data, float32(x))
		}
		src[w.Name] = v
	}}
	if err := passes.Run(m, []passes.Pass{passes.HideCoefficients, passes.InsertTrunc}, &o, nil); err != nil {
		t.Fatal(err)
	}
	return src
}

// TestHiddenFunctions: a function whose numbers are hidden is the public one but
// for rounding, at every argument in the clear and at many between two parties;
// and the plan is the same text for other numbers.
func TestHiddenFunctions(t *testing.T) {
	for i, f := range fittedFunctions {
		t.Run(f.name, func(t *testing.T) {
			var in []uint64
			for x := f.lo; x <= f.hi; x++ {
				in = append(in, z2k.FromInt(x, 38))
			}
			public := fittedModule(t, i, 0, len(in))
			private := public.Clone()
			src := hide(t, private)
			input := map[string][]uint64{"x": in}
			want, err := eval.Run(public, "main", clearInputs(input), weights.Map{})
			if err != nil {
				t.Fatal(err)
			}
			p, err := eval.New(private, src, eval.Options{Exceeded: func(_ *ir.Func, op *ir.Op, n int) {
				t.Errorf("%s of %%%s meets %d values outside what it assumes", op.Name, op.Results[0].Name, n)
			}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Run("main", clearInputs(input))
			if err != nil {
				t.Fatal(err)
			}
			// Every polynomial in a sum is rounded; between two parties every one by
			// up to an ulp.
			slack := int64(len(src["fitted.0.constants"].Data))
			if d := distance(want[0].Type.Elem, want[0].Ring, got[0].Ring); d > (slack+2)/2 {
				t.Errorf("the hidden function differs by %d units", d)
			}

			if err := backend.Lower(private, backend.Options{}); err != nil {
				t.Fatal(err)
			}
			other := fittedModule(t, i, 1, len(in))
			hide(t, other)
			if err := backend.Lower(other, backend.Options{}); err != nil {
				t.Fatal(err)
			}
			if plan.DigestOf(private) != plan.DigestOf(other) {
				t.Errorf("the plan depends on the numbers:\n%s\n%s", private, other)
			}
			for _, word := range []string{"piecewise", "cuts =", "pieces", "rms", "worst"} {
				if strings.Contains(private.String(), word) {
					t.Errorf("the plan says %q", word)
				}
			}
			d, err := deploy(t.TempDir(), private, src)
			if err != nil {
				t.Fatal(err)
			}
			defer d.close()
			s := d.start(t, options{})
			defer s.stop()
			out, client, server := s.run(input)
			// Within 2^drop above a cut the lower piece may be taken, whose value is near.
			if d := distance(want[0].Type.Elem, want[0].Ring, out[0]); d > slack+blur(want[0].Ring, want[0].Type.Elem) {
				t.Errorf("two parties differ by %d units", d)
			}
			account, err := backend.AccountOf(private)
			if err != nil {
				t.Fatal(err)
			}
			checkAccount(t, account, client, server)
		})
	}
}

// blur is by how much the pieces that meet at a cut differ where either may be
// taken: half the function's steepest change over that stretch.
func blur(y []uint64, e ir.Elem) int64 {
	const reach = 8 // 2^drop
	var most int64
	for i := reach; i < len(y); i++ {
		d := z2k.Signed((y[i]-y[i-reach])&z2k.Mask(e.Width), e.Width)
		most = max(most, d, -d)
	}
	return most / 2
}
