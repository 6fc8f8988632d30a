package main

import (
	"math"
	"slices"
)

// A metric compares predictions with what is wanted, element by element.
type metric struct {
	name    string
	percent bool // people read it in percent
	of      func(got, want []float64, labels []string) float64
}

var (
	byAccuracy = metric{"accuracy", true, accuracy}
	byF1       = metric{"f1", false, f1}
	byMatthews = metric{"matthews", false, matthews}
	byPearson  = metric{"pearson", false, func(got, want []float64, _ []string) float64 { return pearson(got, want) }}
	bySpearman = metric{"spearman", false, func(got, want []float64, _ []string) float64 { return pearson(ranks(got), ranks(want)) }}
)

// accuracy is the share of equal classes.
func accuracy(got, want []float64, _ []string) float64 {
	n := 0.0
	for i := range got {
		if got[i] == want[i] {
			n++
		}
	}
	return n / float64(len(got))
}

// outside is the label of a word that is part of nothing.
const outside = "O"

// f1 is the harmonic mean of precision and recall in finding what is not in the
// negative class: "O" where there is such a label, the first of two otherwise.
func f1(got, want []float64, labels []string) float64 {
	negative := float64(max(0, slices.Index(labels, outside)))
	hits, found := 0.0, 0.0
	for i := range got {
		if got[i] == want[i] && got[i] != negative {
			hits++
		}
		for _, class := range []float64{got[i], want[i]} {
			if class != negative {
				found++
			}
		}
	}
	return quotient(2*hits, found)
}

// matthews is the correlation coefficient of classes, for more than two as in
// J. Gorodkin, "Comparing two K-category assignments by a K-category correlation
// coefficient", 2004: the covariance of the indicators of the classes over
// the root of the product of their variances.
func matthews(got, want []float64, labels []string) float64 {
	n := float64(len(got))
	equal := accuracy(got, want, labels) * n
	p, t := make([]float64, len(labels)), make([]float64, len(labels))
	for i := range got {
		p[int(got[i])]++
		t[int(want[i])]++
	}
	both, pp, tt := 0.0, 0.0, 0.0
	for k := range labels {
		both, pp, tt = both+p[k]*t[k], pp+p[k]*p[k], tt+t[k]*t[k]
	}
	return quotient(equal*n-both, math.Sqrt((n*n-pp)*(n*n-tt)))
}

// pearson is the linear correlation of two lists.
func pearson(a, b []float64) float64 {
	ma, mb := mean(a), mean(b)
	ab, aa, bb := 0.0, 0.0, 0.0
	for i := range a {
		x, y := a[i]-ma, b[i]-mb
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return quotient(ab, math.Sqrt(aa*bb))
}

// ranks numbers the elements by size; equal ones share their mean rank.
func ranks(v []float64) []float64 {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		switch {
		case v[i] < v[j]:
			return -1
		case v[i] > v[j]:
			return 1
		}
		return 0
	})
	out := make([]float64, len(v))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && v[order[j]] == v[order[i]] {
			j++
		}
		for _, at := range order[i:j] {
			out[at] = float64(i+j-1) / 2
		}
		i = j
	}
	return out
}

// cosine is that of the angle between two embeddings.
func cosine(a, b []float64) float64 {
	ab, aa, bb := 0.0, 0.0, 0.0
	for i := range a {
		ab, aa, bb = ab+a[i]*b[i], aa+a[i]*a[i], bb+b[i]*b[i]
	}
	return quotient(ab, math.Sqrt(aa*bb))
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// quotient is 0 where it is not defined, as of predictions that are all equal.
func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
