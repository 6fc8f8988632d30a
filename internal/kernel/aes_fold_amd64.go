//go:build amd64 && !purego

package kernel

import "math/bits"

// wideStreams are the round keys of streams.
type wideStreams []schedule

func newWideStreams(keys []Block) wideStreams {
	w := make(wideStreams, len(keys))
	for i := range keys {
		expandKey(&w[i], &keys[i])
	}
	return w
}

// fold512 sets the 512 bytes at u to the sum of n streams, n > 0, and adds the
// partial sums to the rows: stream j's goes to the row of the trailing zeros of
// first+j+1, at most row top.
//
//go:noescape
func fold512(u, rows *byte, stride int, keys *schedule, first, n, top int, counters *[FoldChunk / BlockBytes]Block)

// foldWide is [Streams.Fold] in chunks of 512 bytes.
func (s *Streams) foldWide(u, rows []byte, stride, n int) {
	var counters [FoldChunk / BlockBytes]Block
	for at := 0; at < n; at += FoldChunk {
		s.counters(&counters)
		fold512(&u[at], &rows[at], stride, &s.wide[0], s.first, len(s.wide), s.k-1, &counters)
		s.advance(min(FoldChunk, n-at) / BlockBytes)
	}
}

// expandWide sets dst, which is zero, to the stream of key at counter 0: the
// fold of one stream, which is its only row as well.
func expandWide(dst []byte, key Block) {
	var s schedule
	expandKey(&s, &key)
	var counters [FoldChunk / BlockBytes]Block
	for block := uint64(0); len(dst) > 0; block += FoldChunk / BlockBytes {
		n := min(FoldChunk, len(dst))
		for i := range (n + BlockBytes - 1) / BlockBytes {
			counters[i][1] = bits.ReverseBytes64(block + uint64(i))
		}
		if n == FoldChunk {
			fold512(&dst[0], &dst[0], 0, &s, 0, 1, 0, &counters)
		} else {
			var last [FoldChunk]byte
			fold512(&last[0], &last[0], 0, &s, 0, 1, 0, &counters)
			copy(dst, last[:])
		}
		dst = dst[n:]
	}
}
