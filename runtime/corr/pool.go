package corr

import (
	"encoding/binary"
	"slices"
)

// A pool keeps COTs of one direction in the order in which they were made, and
// hands each out once.
type pool struct {
	segments []segment
	len      int
}

// A segment is a run of n COTs. choice is nil at the sender; it has 8 bits per
// byte from the low end, of which the first skip belong to keys taken before.
type segment struct {
	n      int
	keys   []Block
	choice []byte
	skip   int // 0..7

	// Not nil: they are those of a batch from at on, which may still be on the disk.
	late *batch
	at   int
}

// segmentColumns bounds a segment, so that memory is released as COTs are used.
const segmentColumns = 1 << 19

func (p *pool) put(s segment) {
	p.segments = append(p.segments, s)
	p.len += s.n
}

// take removes the oldest n COTs, n <= p.len. It returns their keys, without
// copying when they lie in one segment, and their choice bits, one per byte
// (nil at the sender). An error is one of reading what was kept.
func (p *pool) take(n int) (keys []Block, choice []uint8, err error) {
	if n == 0 {
		return []Block{}, []uint8{}, nil
	}
	for have := 0; have < n; have = len(keys) {
		s := &p.segments[0]
		if err := s.arrive(); err != nil {
			return nil, nil, err
		}
		if have == 0 && s.choice != nil {
			choice = make([]uint8, n)
		}
		m := min(n-have, s.n)
		if m == n {
			keys = s.keys[:n:n]
		} else {
			keys = append(slices.Grow(keys, n-have), s.keys[:m]...)
		}
		var bits []uint8
		if choice != nil {
			bits = choice[have : have+m]
		}
		p.drop(m, bits)
	}
	p.len -= n
	return keys, choice, nil
}

// split removes the oldest n COTs, n <= p.len, as a pool of their own, without
// copying.
func (p *pool) split(n int) pool {
	out := pool{len: n}
	p.len -= n
	for n > 0 {
		s := &p.segments[0]
		m := min(n, s.n)
		part := segment{n: m, skip: s.skip, late: s.late, at: s.at}
		if s.late == nil {
			part.keys = s.keys[:m:m]
		}
		if s.choice != nil {
			end := (s.skip + m + 7) / 8
			part.choice = s.choice[:end:end]
		}
		out.segments = append(out.segments, part)
		p.drop(m, nil)
		n -= m
	}
	return out
}

// drop removes the first n COTs of the first segment and unpacks as many of their
// choice bits as choice has room for.
func (p *pool) drop(n int, choice []uint8) {
	s := &p.segments[0]
	unpackBits(choice, s.choice, s.skip)
	if s.choice != nil {
		s.choice = s.choice[(s.skip+n)/8:]
		s.skip = (s.skip + n) % 8
	}
	if s.late != nil {
		s.at += n
	} else {
		s.keys = s.keys[n:]
	}
	if s.n -= n; s.n == 0 {
		*s = segment{}
		p.segments = p.segments[1:]
	}
}

// arrive waits until the segment's COTs have been read.
func (s *segment) arrive() error {
	if s.late == nil {
		return nil
	}
	keys, choice, err := s.late.wait(s.n)
	if err != nil {
		return err
	}
	s.keys = keys[s.at : s.at+s.n]
	if choice != nil {
		s.choice, s.skip = choice[s.at/8:], s.at%8
	}
	s.late = nil
	return nil
}

// unpackBits sets dst to the bits of src from bit skip < 8 on, one per byte.
func unpackBits(dst []uint8, src []byte, skip int) {
	for len(dst) >= 8 {
		b := src[0] >> skip
		if skip > 0 {
			b |= src[1] << (8 - skip)
		}
		// Byte i keeps bit i; adding 127 moves it to the byte's top.
		const low = 0x0101010101010101
		x := uint64(b) * low & 0x8040201008040201
		binary.LittleEndian.PutUint64(dst, (x+127*low)>>7&low)
		dst, src = dst[8:], src[1:]
	}
	for j := range dst {
		bit := skip + j
		dst[j] = src[bit/8] >> (bit % 8) & 1
	}
}
