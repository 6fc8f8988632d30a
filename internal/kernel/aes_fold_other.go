//go:build !amd64 || purego

package kernel

// wideStreams are not used here.
type wideStreams struct{}

func newWideStreams([]Block) wideStreams { return wideStreams{} }

func (s *Streams) foldWide([]byte, []byte, int, int) {}

func expandWide([]byte, Block) {}
