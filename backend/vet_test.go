package backend

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"nimbus/backend/cost"
	"nimbus/ir"
	"nimbus/ir/plan"
	"nimbus/models"
)

// TestVet: a plan of the compiler passes, and one that lies about what it consumes
// does not.
func TestVet(t *testing.T) {
	dir, err := models.Open("nimbus-sst2-tiny")
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(dir, "s32.plan")
	if err != nil {
		t.Fatal(err)
	}
	m, err := plan.Parse("s32.plan", string(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Vet(m)
	if err != nil {
		t.Fatal(err)
	}
	a, err := AccountOf(m)
	if err != nil {
		t.Fatal(err)
	}
	var want Traffic
	for _, o := range a.Ops {
		want.Op = [2]int64{max(want.Op[0], o.Cost.C2S), max(want.Op[1], o.Cost.S2C)}
	}
	want.Run = [2]int64{a.Online.C2S + a.Offline.C2S, a.Online.S2C + a.Offline.S2C}
	if got != want {
		t.Errorf("got %v, the account says %v", got, want)
	}

	var op *ir.Op
	for _, o := range m.Func("main").Body {
		if o.Name == "ot.trunc" {
			op = o
		}
	}
	n := op.Attrs.Ints("cots")
	for i := range 2 {
		for _, d := range []int{-1, 1, 1 << 32} {
			lie := [2]int{n[0], n[1]}
			lie[i] = max(lie[i]+d, 0)
			if lie == [2]int(n) {
				continue
			}
			op.Attrs.Set("cots", lie[:])
			if _, err := Vet(m); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("ot.trunc says cots = %v, but consumes %v", lie, strings.ReplaceAll(fmt.Sprint(n), " ", ", "))) {
				t.Errorf("cots %v in place of %v: got %v", lie, n, err)
			}
		}
	}
	op.Attrs.Set("cots", n)
	for _, name := range []string{"cot_client_sends", "cot_server_sends"} {
		c := m.Clone()
		c.Attrs.Set(name, m.Attrs.Int(name, 0)+1)
		if _, err := Vet(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s off by one: got %v", name, err)
		}
	}
}

// TestVetCalls: what a function consumes counts as often as it is called.
func TestVetCalls(t *testing.T) {
	const text = `module @calls attributes {stage = plan, version = 2, cot_client_sends = CLIENT, cot_server_sends = SERVER} {
  func @f(%a: ashare<3xfx20.4>) -> ashare<3xfx20.8> {
    %b = ot.square %a : ashare<3xfx20.8>
    %c = ss.shrink %b {bits = 0} : ashare<3xfx20.8>
    return %c
  }

  func @main(%x: private<client, 3xfx20.4>) -> private<client, 3xfx20.8>, private<client, 3xfx20.8> {
    %s = io.share %x : ashare<3xfx20.4>
    %u = call @f(%s) : ashare<3xfx20.8>
    %v = call @f(%s) : ashare<3xfx20.8>
    %o = io.reveal %u {to = client} : private<client, 3xfx20.8>
    %p = io.reveal %v {to = client} : private<client, 3xfx20.8>
    return %o, %p
  }
}
`
	vet := func(client, server int64) error {
		m, err := plan.Parse("calls", strings.NewReplacer("CLIENT", fmt.Sprint(client), "SERVER", fmt.Sprint(server)).Replace(text))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Vet(m)
		return err
	}
	c, err := plan.Parse("calls", strings.NewReplacer("CLIENT", "0", "SERVER", "0").Replace(text))
	if err != nil {
		t.Fatal(err)
	}
	v := vetter{m: c, runs: map[*ir.Func]cost.Cost{}}
	one, err := v.run(c.Func("f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := vet(2*one.COTClientSends, 2*one.COTServerSends); err != nil {
		t.Error(err)
	}
	if err := vet(one.COTClientSends, one.COTServerSends); err == nil || one.COTs() == 0 {
		t.Errorf("two calls that say they consume what one does: %v", err)
	}
}
