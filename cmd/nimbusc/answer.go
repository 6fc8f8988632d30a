package main

import (
	"fmt"
	"strings"

	"nimbus/frontend/bundle"
	"nimbus/ir/eval"
)

// newAnswer reads the logits, which are a module's first result.
func newAnswer(out []eval.Value, labels []string) (*bundle.Answer, error) {
	if len(out) == 0 {
		return nil, fmt.Errorf("the model has no result")
	}
	return bundle.NewAnswer(out[0].Reals(), labels)
}

// withLogits prints an answer and the logits behind it.
func withLogits(a *bundle.Answer) string {
	logits := make([]string, len(a.Logits))
	for i, x := range a.Logits {
		logits[i] = fmt.Sprintf("%.4f", x)
	}
	return strings.TrimSuffix(a.String(), ")") + "; logits " + strings.Join(logits, " ") + ")"
}
