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

// What a factor magnifies, the next step must drop more of.
func TestFollowingDrops(t *testing.T) {
	for _, c := range []struct {
		steps string
		want  int
	}{
		{"%r = fx.trunc %a {bits = 10} : tensor<8x8xfx24.10>", 10},
		{"%s = fx.shl %a {bits = 4} : tensor<8x8xfx30.24>\n%r = fx.trunc %s {bits = 10} : tensor<8x8xfx24.14>", 6},
		{"%s = fx.mul_const %a {value = 0.25, frac = 2} : tensor<8x8xfx30.22>\n%r = fx.trunc %s {bits = 10} : tensor<8x8xfx24.12>", 10},
		{"%s = fx.mul_const %a {value = -0.75, frac = 2} : tensor<8x8xfx30.22>\n%r = fx.trunc %s {bits = 10} : tensor<8x8xfx24.12>", 8},
		{"%s = fx.mul_const %a {value = 5.0} : tensor<8x8xfx30.20>\n%r = fx.trunc %s {bits = 2} : tensor<8x8xfx24.18>", 0},
	} {
		m, err := parser.Parse("drops", `module @drops attributes {stage = fx} {
  weight @w : tensor<8x8xfx30.10>
  func @main(%x: tensor<8x8xfx30.10>) -> tensor<8x8xfx24.10> {
    %a = fx.matmul %x, @w : tensor<8x8xfx30.20>
    `+c.steps+`
    %y = fx.square %r : tensor<8x8xfx24.20>
    return %y
  }
}
`)
		if err != nil {
			t.Fatal(err)
		}
		f := m.Func("main")
		if got := followingDrops(f)[f.Body[0]]; got != c.want {
			t.Errorf("%s: %d bits of the product are dropped, want %d", c.steps, got, c.want)
		}
	}
}

// What runs ahead is what can, with what was chosen for it anyway; of its cost, ciphertexts go before the input.
func TestLowerAhead(t *testing.T) {
	const text = `module @m attributes {stage = fx} {
  weight @w : tensor<64x64xfx37.12>

  func @main(%x: tensor<8x64xfx37.12>) -> tensor<8x64xfx25.12> {
    %a = fx.matmul %x, @w : tensor<8x64xfx37.24>
    %p = fx.shrink %a {bits = 12} : tensor<8x64xfx25.12>
    return %p
  }
}
`
	var accounts [2]*Account
	for i, ahead := range []bool{false, true} {
		m, err := parser.Parse("t", text)
		if err != nil {
			t.Fatal(err)
		}
		if err := Lower(m, Options{Ahead: ahead}); err != nil {
			t.Fatal(err)
		}
		if accounts[i], err = AccountOf(m); err != nil {
			t.Fatal(err)
		}
	}
	once, later := accounts[0], accounts[1]
	sent := int64(8*64*37+7) / 8 // x - r
	if got, want := later.Online.C2S, once.Online.C2S-later.Online.AheadC2S+sent; got != want || later.Online.AheadC2S == 0 {
		t.Errorf("%d bytes online and %d ahead, %d at once", got, later.Online.AheadC2S, once.Online.C2S)
	}
	if got, want := later.Offline.C2S-once.Offline.C2S, later.Online.AheadC2S; got != want {
		t.Errorf("%d bytes more offline, want %d", got, want)
	}
	if later.Online.Setup != once.Online.Setup || later.Online.Chain != once.Online.Chain || later.Memory() == 0 {
		t.Errorf("%v with %d bytes of setup, expected %v with %d", later.Online, later.Online.Setup, once.Online, once.Online.Setup)
	}
}
