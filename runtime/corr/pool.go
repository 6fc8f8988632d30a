package corr

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

// drop removes the first n COTs of the first segment and unpacks their choice
// bits into choice.
func (p *pool) drop(n int, choice []uint8) {
	s := &p.segments[0]
	for j := range choice {
		bit := s.skip + j
		choice[j] = s.choice[bit/8] >> (bit % 8) & 1
	}
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
