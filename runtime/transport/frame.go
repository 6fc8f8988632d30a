package transport

import (
	"encoding/binary"
	"fmt"
	"io"
)

const headerSize = 8

// appendFrame appends the frame of msg to dst.
func appendFrame(dst, msg []byte, depth int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(msg)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(depth))
	return append(dst, msg...)
}

// readHeader reads a frame's header.
func readHeader(r io.Reader) (length, depth int, err error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, 0, err
	}
	return int(binary.LittleEndian.Uint32(h[:])), int(binary.LittleEndian.Uint32(h[4:])), nil
}

// checkLength says whether a frame of length bytes is what the caller wants:
// exactly want bytes, or at most want if bounded.
func checkLength(length, want int, bounded bool) error {
	switch {
	case bounded && length > want:
		return fmt.Errorf("the peer's message has %d bytes, want at most %d", length, want)
	case !bounded && length != want:
		return fmt.Errorf("the peer's message has %d bytes, want %d: the parties are out of step", length, want)
	}
	return nil
}

// readPayload reads n bytes. Where n is the peer's word (bounded), memory is
// taken as bytes arrive, not in advance.
func readPayload(r io.Reader, n int, bounded bool) ([]byte, error) {
	const step = 1 << 20
	if !bounded || n <= step {
		b := make([]byte, n)
		_, err := io.ReadFull(r, b)
		return b, err
	}
	var b []byte
	for len(b) < n {
		k := min(step, n-len(b))
		b = append(b, make([]byte, k)...)
		if _, err := io.ReadFull(r, b[len(b)-k:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}
