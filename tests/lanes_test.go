package tests

import (
	"fmt"
	"strings"
	"testing"

	"nimbus/backend"
	"nimbus/ir/eval"
)

// chains is a plan of n chains, each of two squares, whose results are added.
func chains(n int) string {
	var b strings.Builder
	b.WriteString("module @chains attributes {stage = plan} {\n  func @f(%x: ashare<4xfx24.0>) -> ashare<4xfx24.0> {\n")
	last := ""
	for i := range n {
		fmt.Fprintf(&b, "    %%a%d = ot.square %%x : ashare<4xfx24.0>\n    %%b%d = ot.square %%a%d : ashare<4xfx24.0>\n", i, i, i)
		sum := fmt.Sprintf("%%b%d", i)
		if last != "" {
			sum = fmt.Sprintf("%%s%d", i)
			fmt.Fprintf(&b, "    %s = ss.add %s, %%b%d : ashare<4xfx24.0>\n", sum, last, i)
		}
		last = sum
	}
	fmt.Fprintf(&b, "    return %s\n  }\n}\n", last)
	return b.String()
}

// TestLanesOverlap: ops that do not depend on each other take the rounds of one of
// them, however many there are, and more than run at the same time.
func TestLanesOverlap(t *testing.T) {
	depths := map[int]float64{}
	for _, n := range []int{1, 2, 20} {
		m := opPlan(t, "chains", chains(n))
		account, err := backend.AccountOf(m)
		if err != nil {
			t.Fatal(err)
		}
		d, err := deploy(t.TempDir(), m, zeros(m))
		if err != nil {
			t.Fatal(err)
		}
		session := d.start(t, options{})
		for range 2 {
			_, client, server := session.run(map[string][]uint64{"x": {1, 2, 3, 4}})
			checkAccount(t, account, client, server)
			depths[n] = client.Online.Rounds
		}
		session.stop()
	}
	if depths[1] == 0 || depths[2] != depths[1] || depths[20] != depths[1] {
		t.Errorf("rounds of 1, 2 and 20 chains side by side: %g, %g, %g", depths[1], depths[2], depths[20])
	}
}

// TestRandomGraphs runs random graphs of exact ops several times in a session:
// the twin's result each time, and the bytes and rounds of the account.
func TestRandomGraphs(t *testing.T) {
	rng := newRand(t, 3)
	graphs, runs := 6, 4
	if testing.Short() {
		graphs, runs = 2, 2
	}
	for g := range graphs {
		const typ = "ashare<4xfx24.0>"
		var b strings.Builder
		b.WriteString("module @graph attributes {stage = plan} {\n  func @f(%v0: " + typ + ", %v1: " + typ + ") -> " + typ + ", " + typ + " {\n")
		n := 12 + rng.IntN(30)
		for i := 2; i < n; i++ {
			x, y := rng.IntN(i), rng.IntN(i)
			text := []string{"ot.square %%v%d", "ot.mul_ss %%v%d, %%v%d", "ss.sub %%v%d, %%v%d", "ss.add %%v%d, %%v%d"}[rng.IntN(4)]
			args := []any{x, y}[:strings.Count(text, "%d")]
			fmt.Fprintf(&b, "    %%v%d = "+text+" : "+typ+"\n", append([]any{i}, args...)...)
		}
		fmt.Fprintf(&b, "    return %%v%d, %%v%d\n  }\n}\n", n-1, rng.IntN(n))
		m := opPlan(t, fmt.Sprintf("graph %d", g), b.String())
		account, err := backend.AccountOf(m)
		if err != nil {
			t.Fatal(err)
		}
		d, err := deploy(t.TempDir(), m, zeros(m))
		if err != nil {
			t.Fatal(err)
		}
		session := d.start(t, options{lan: g%2 == 1})
		for range runs {
			in := map[string][]uint64{}
			for _, p := range m.Func("main").Params {
				in[p.Name] = []uint64{rng.Uint64N(1 << 24), rng.Uint64N(1 << 24), rng.Uint64N(1 << 24), rng.Uint64N(1 << 24)}
			}
			want, err := eval.Run(m, "main", clearInputs(in), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, client, server := session.run(in)
			for k, w := range want {
				for i := range w.Ring {
					if got[k][i] != w.Ring[i] {
						t.Fatalf("graph %d: result %d element %d is %d, the twin says %d\n%s", g, k, i, got[k][i], w.Ring[i], b.String())
					}
				}
			}
			checkAccount(t, account, client, server)
		}
		session.stop()
	}
}
