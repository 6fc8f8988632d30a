package main

import (
	"fmt"
	"math"
	"strings"

	"nimbus/ir/eval"
)

// An answer is what a classifier says of one text.
type answer struct {
	Label         string    `json:"label"`
	Class         int       `json:"class"`
	Probabilities []float64 `json:"probabilities"`
	Logits        []float64 `json:"logits"`
	Labels        []string  `json:"labels"`
}

// newAnswer reads the logits, which are a module's first result.
func newAnswer(out []eval.Value, labels []string) (*answer, error) {
	if len(out) == 0 {
		return nil, fmt.Errorf("the model has no result")
	}
	a := &answer{Logits: out[0].Reals()}
	if len(a.Logits) == 0 {
		return nil, fmt.Errorf("the model's first result is empty")
	}
	a.Probabilities = softmax(a.Logits)
	for i, p := range a.Probabilities {
		if p > a.Probabilities[a.Class] {
			a.Class = i
		}
		name := fmt.Sprintf("class %d", i)
		if i < len(labels) {
			name = labels[i]
		}
		a.Labels = append(a.Labels, name)
	}
	a.Label = a.Labels[a.Class]
	return a, nil
}

// String is "positive (negative 0.0139, positive 0.9861; logits -2.13 2.13)".
func (a *answer) String() string {
	var probs, logits []string
	for i, name := range a.Labels {
		probs = append(probs, fmt.Sprintf("%s %.4f", name, a.Probabilities[i]))
		logits = append(logits, fmt.Sprintf("%.4f", a.Logits[i]))
	}
	return fmt.Sprintf("%s (%s; logits %s)", a.Label, strings.Join(probs, ", "), strings.Join(logits, " "))
}

func softmax(logits []float64) []float64 {
	top := math.Inf(-1)
	for _, x := range logits {
		top = max(top, x)
	}
	out, sum := make([]float64, len(logits)), 0.0
	for i, x := range logits {
		out[i] = math.Exp(x - top)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}
