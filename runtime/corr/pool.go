package corr

import "encoding/binary"

// A pool keeps COTs of one direction in the order in which they were made, and
// hands each out once.
type pool struct {
	segments []segment
	len      int
}

// A segment is a run of COTs. choice is nil at the sender; it has 8 bits per
// byte from the low end, of which the first skip belong to keys taken before.
type segment struct {
	keys   []Block
	choice []byte
	skip   int // 0..7
}

// segmentColumns bounds a segment, so that memory is released as COTs are used.
const segmentColumns = 1 << 19

func (p *pool) put(s segment) {
	p.segments = append(p.segments, s)
	p.len += len(s.keys)
}

// take removes the oldest n COTs, n <= p.len. It returns their keys, without
// copying when they lie in one segment, and their choice bits, one per byte
// (nil at the sender).
func (p *pool) take(n int) (keys []Block, choice []uint8) {
	p.len -= n
	if n == 0 {
		return []Block{}, []uint8{}
	}
	if s := &p.segments[0]; n <= len(s.keys) {
		keys = s.keys[:n:n]
		if s.choice != nil {
			choice = make([]uint8, n)
		}
		p.drop(n, choice)
		return keys, choice
	}
	keys = make([]Block, 0, n)
	if p.segments[0].choice != nil {
		choice = make([]uint8, n)
	}
	for len(keys) < n {
		have := len(keys)
		s := &p.segments[0]
		m := min(n-have, len(s.keys))
		keys = append(keys, s.keys[:m]...)
		var bits []uint8
		if choice != nil {
			bits = choice[have : have+m]
		}
		p.drop(m, bits)
	}
	return keys, choice
}

// split removes the oldest n COTs, n <= p.len, as a pool of their own, without
// copying.
func (p *pool) split(n int) pool {
	out := pool{len: n}
	p.len -= n
	for n > 0 {
		s := &p.segments[0]
		m := min(n, len(s.keys))
		part := segment{keys: s.keys[:m:m], skip: s.skip}
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
	s.keys = s.keys[n:]
	if len(s.keys) == 0 {
		*s = segment{}
		p.segments = p.segments[1:]
	}
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
