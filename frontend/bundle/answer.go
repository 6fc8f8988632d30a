package bundle

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// An Answer is what a classifier says of one input.
type Answer struct {
	Label         string    `json:"label"`
	Class         int       `json:"class"`
	Probabilities []float64 `json:"probabilities"`
	Logits        []float64 `json:"logits"`
	Labels        []string  `json:"labels"`
}

// NewAnswer reads logits, one per class. Classes beyond the labels are named by
// their number.
func NewAnswer(logits []float64, labels []string) (*Answer, error) {
	if len(logits) == 0 {
		return nil, errors.New("the model's first result is empty")
	}
	a := &Answer{Logits: logits, Probabilities: softmax(logits)}
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

// String is "positive (negative 0.0139, positive 0.9861)".
func (a *Answer) String() string {
	parts := make([]string, len(a.Labels))
	for i, name := range a.Labels {
		parts[i] = fmt.Sprintf("%s %.4f", name, a.Probabilities[i])
	}
	return fmt.Sprintf("%s (%s)", a.Label, strings.Join(parts, ", "))
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
