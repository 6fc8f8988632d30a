package bundle

import "testing"

func TestAnswer(t *testing.T) {
	a, err := ClassesOf([]float64{-1, 1, 0}, []string{"no", "yes"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.String(), "yes (no 0.0900, yes 0.6652, class 2 0.2447)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := ClassesOf(nil, nil); err == nil {
		t.Error("no logits are an answer")
	}
}
