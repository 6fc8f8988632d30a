package backend

import (
	"testing"

	"nimbus/ir"
	"nimbus/ir/parser"
)

// A weight that two products read has one layout for both, even if what
// follows them differs, and is paid for once.
func TestSharedWeightHasOneLayout(t *testing.T) {
	m, err := parser.Parse("shared.mlir", `module @shared attributes {stage = fx} {
  weight @w : tensor<64x64xfx37.12>

  func @main(%x: tensor<8x64xfx37.12>, %y: tensor<4x64xfx37.12>) -> tensor<8x64xfx25.12>, tensor<4x64xfx32.19> {
    %a = fx.matmul %x, @w : tensor<8x64xfx37.24>
    %b = fx.matmul %y, @w : tensor<4x64xfx37.24>
    %p = fx.shrink %a {bits = 12} : tensor<8x64xfx25.12>
    %q = fx.shrink %b {bits = 5} : tensor<4x64xfx32.19>
    return %p, %q
  }
}
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := Lower(m, Options{}); err != nil {
		t.Fatal(err)
	}
	var first *ir.Op
	for _, op := range m.Func("main").Body {
		if op.Name != "he.matmul" {
			continue
		}
		if first == nil {
			first = op
			continue
		}
		for _, name := range []string{"set", "tile", "drop_stored", "drop_c0", "drop_c1"} {
			a, _ := first.Attrs.Get(name)
			b, _ := op.Attrs.Get(name)
			if a != b {
				t.Errorf("%s is %v and %v", name, a, b)
			}
		}
	}
	account, err := AccountOf(m)
	if err != nil {
		t.Fatal(err)
	}
	var setups []int64
	for _, o := range account.Ops {
		if o.Op.Name == "he.matmul" {
			setups = append(setups, o.Cost.Setup)
		}
	}
	if len(setups) != 2 || setups[0] == 0 || setups[1] != 0 || account.Online.Setup != setups[0] {
		t.Errorf("setup of %v bytes, %d in all", setups, account.Online.Setup)
	}
}
