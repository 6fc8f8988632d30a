//go:build amd64 && !purego

package kernel

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
