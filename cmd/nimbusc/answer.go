package main

import (
	"fmt"
	"strings"

	"nimbus/frontend/bundle"
)

// withLogits prints an answer and, of a classifier, the logits behind it.
func withLogits(a *bundle.Answer) string {
	if a.Classes == nil {
		return a.String()
	}
	logits := make([]string, len(a.Logits))
	for i, x := range a.Logits {
		logits[i] = fmt.Sprintf("%.4f", x)
	}
	return strings.TrimSuffix(a.String(), ")") + "; logits " + strings.Join(logits, " ") + ")"
}
