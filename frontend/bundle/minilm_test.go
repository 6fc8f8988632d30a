package bundle

import (
	"os"
	"testing"
)

// TestMiniLM holds all-MiniLM-L6-v2 against the forward pass of this package.
// NIMBUS_MINILM names its folder, which is in no shared place.
func TestMiniLM(t *testing.T) {
	dir := os.Getenv("NIMBUS_MINILM")
	if dir == "" {
		t.Skip("NIMBUS_MINILM names no folder of all-MiniLM-L6-v2")
	}
	r := newRunner(t, dir)
	for _, text := range []string{"A man is playing a guitar.", "Two sentences; the second one, however, is longer."} {
		e := r.encode(text, "", 20)
		in := textInput{e.IDs, e.Types, e.Mask}
		want := (&net{t, r.src, 1e-12}).sentence(in, 6, 12)[0]
		if d := distance(r.outputs(r.module(20), in), want); d > 1e-9 {
			t.Errorf("%q: off by %g", text, d)
		}
	}
}
