package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	headerSize = 8
	laneSize   = 4
	// inLane marks the depth of a frame whose lane's number follows. Frames of
	// lane 0 have neither, so that releases with and without lanes can greet each
	// other.
	inLane = 1 << 31
	// answers marks the depth of a frame whose sender had received a message of its
	// lane before: the depth does not tell where the sender began.
	answers = 1 << 30
)

// header is what comes before a message.
type header struct {
	length, depth int
	lane          uint32
	answers       bool // in a lane but 0
}

// frameSize is how many bytes the frame of a message of n bytes has.
func frameSize(n int, lane uint32) int {
	if lane != 0 {
		return headerSize + laneSize + n
	}
	return headerSize + n
}

// appendFrame appends the frame of msg to dst.
func appendFrame(dst, msg []byte, h header) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(msg)))
	depth := uint32(h.depth)
	if h.lane == 0 {
		dst = binary.LittleEndian.AppendUint32(dst, depth)
		return append(dst, msg...)
	}
	if depth |= inLane; h.answers {
		depth |= answers
	}
	dst = binary.LittleEndian.AppendUint32(dst, depth)
	dst = binary.LittleEndian.AppendUint32(dst, h.lane)
	return append(dst, msg...)
}

// readHeader reads a frame's header. The end of the stream is io.EOF only before
// its first byte.
func readHeader(r io.Reader) (h header, err error) {
	var b [headerSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return h, err
	}
	depth := binary.LittleEndian.Uint32(b[4:])
	h.length, h.depth = int(binary.LittleEndian.Uint32(b[:])), int(depth)
	if depth&inLane == 0 {
		return h, nil
	}
	if _, err := io.ReadFull(r, b[:laneSize]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return h, err
	}
	h.depth, h.answers = int(depth&^(inLane|answers)), depth&answers != 0
	if h.lane = binary.LittleEndian.Uint32(b[:]); h.lane == 0 {
		return h, errors.New("the peer's message has a header of lane 0 in the long form")
	}
	return h, nil
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
