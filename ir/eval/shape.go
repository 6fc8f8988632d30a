package eval

import (
	"nimbus/internal/tensor"
)

// shapeOps move elements and compute nothing; each serves nn and fx.
var shapeOps = map[string]func(*step) error{
	"nn.split_heads": splitHeads, "fx.split_heads": splitHeads,
	"nn.merge_heads": mergeHeads, "fx.merge_heads": mergeHeads,
	"nn.transpose": transpose, "fx.transpose": transpose,
	"nn.split": split, "fx.split": split,
	"nn.slice": slice, "fx.slice": slice,
	"fx.gather":  gather,
	"nn.reshape": identity, "fx.reshape": identity,
	"io.share": identity, "io.reveal": identity,
	"nn.concat": concat, "fx.concat": concat,
}

// move applies one of two instances of a generic function to argument 0.
func (s *step) move(real func([]float64) []float64, ring func([]uint64) []uint64) error {
	if s.in[0].Real != nil {
		s.real(real(s.in[0].Real))
	} else {
		s.ring(ring(s.in[0].Ring))
	}
	return nil
}

func identity(s *step) error {
	s.out = append(s.out, Value{Real: s.in[0].Real, Ring: s.in[0].Ring})
	return nil
}

func splitHeads(s *step) error {
	h := s.op.Attrs.Int("heads", 1)
	return s.move(
		func(v []float64) []float64 { v, _ = tensor.SplitHeads(v, s.shape(0), h); return v },
		func(v []uint64) []uint64 { v, _ = tensor.SplitHeads(v, s.shape(0), h); return v })
}

func mergeHeads(s *step) error {
	return s.move(
		func(v []float64) []float64 { v, _ = tensor.MergeHeads(v, s.shape(0)); return v },
		func(v []uint64) []uint64 { v, _ = tensor.MergeHeads(v, s.shape(0)); return v })
}

func transpose(s *step) error {
	perm := s.op.Attrs.Ints("perm")
	return s.move(
		func(v []float64) []float64 { return tensor.Transpose(v, s.shape(0), perm) },
		func(v []uint64) []uint64 { return tensor.Transpose(v, s.shape(0), perm) })
}

func slice(s *step) error {
	axis, start, n := s.op.Axis(), s.op.Attrs.Int("start", 0), s.op.Attrs.Int("len", 0)
	return s.move(
		func(v []float64) []float64 { v, _ = tensor.Slice(v, s.shape(0), axis, start, n); return v },
		func(v []uint64) []uint64 { v, _ = tensor.Slice(v, s.shape(0), axis, start, n); return v })
}

func gather(s *step) error {
	var parts [][]uint64
	var shapes [][]int
	for i, v := range s.in {
		parts, shapes = append(parts, v.Ring), append(shapes, s.shape(i))
	}
	v, _ := tensor.Gather(parts, shapes, s.op.Attrs.Ints("index"))
	s.ring(v)
	return nil
}

func split(s *step) error {
	axis, n := s.op.Axis(), len(s.op.Results)
	if s.in[0].Real != nil {
		parts, _ := tensor.Split(s.in[0].Real, s.shape(0), axis, n)
		for _, v := range parts {
			s.real(v)
		}
		return nil
	}
	parts, _ := tensor.Split(s.in[0].Ring, s.shape(0), axis, n)
	for _, v := range parts {
		s.ring(v)
	}
	return nil
}

func concat(s *step) error {
	var reals [][]float64
	var rings [][]uint64
	var shapes [][]int
	for i, v := range s.in {
		reals, rings, shapes = append(reals, v.Real), append(rings, v.Ring), append(shapes, s.shape(i))
	}
	return s.move(
		func([]float64) []float64 { v, _ := tensor.Concat(reals, shapes, s.op.Axis()); return v },
		func([]uint64) []uint64 { v, _ := tensor.Concat(rings, shapes, s.op.Axis()); return v })
}
