package share

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"nimbus/internal/tensor"
	"nimbus/internal/z2k"
)

// The two parties.
const (
	Client = 0 // holds the input
	Server = 1 // holds the weights
)

// Arith is one party's half of x = x0 + x1 mod 2^Width.
type Arith struct {
	Width int      // 1..64
	Shape []int    // sizes, row-major; empty for one element
	V     []uint64 // [Shape], each below 2^Width: secret
}

// Bool is one party's half of b = b0 ⊕ b1.
type Bool struct {
	Shape []int
	V     []uint8 // [Shape], each 0 or 1: secret
}

// NewArith returns a zero share.
func NewArith(width int, shape ...int) Arith {
	z2k.Mask(width)
	return Arith{width, slices.Clone(shape), make([]uint64, tensor.NumElems(shape))}
}

// NewBool returns a zero share.
func NewBool(shape ...int) Bool {
	return Bool{slices.Clone(shape), make([]uint8, tensor.NumElems(shape))}
}

// Len returns the number of elements.
func (a Arith) Len() int { return len(a.V) }

// Len returns the number of elements.
func (b Bool) Len() int { return len(b.V) }

// Clone returns a copy that shares no memory with a.
func (a Arith) Clone() Arith {
	return Arith{a.Width, slices.Clone(a.Shape), slices.Clone(a.V)}
}

// Clone returns a copy that shares no memory with b.
func (b Bool) Clone() Bool { return Bool{slices.Clone(b.Shape), slices.Clone(b.V)} }

// String gives shape and width: "ashare<2x3xi37>".
func (a Arith) String() string { return fmt.Sprintf("ashare<%si%d>", dims(a.Shape), a.Width) }

// String gives the shape: "bshare<2x3xi1>".
func (b Bool) String() string { return fmt.Sprintf("bshare<%si1>", dims(b.Shape)) }

// GoString is String: %#v must not show a share.
func (a Arith) GoString() string { return a.String() }

// GoString is String: %#v must not show a share.
func (b Bool) GoString() string { return b.String() }

// Format prints String whatever the verb.
func (a Arith) Format(f fmt.State, _ rune) { io.WriteString(f, a.String()) }

// Format prints String whatever the verb.
func (b Bool) Format(f fmt.State, _ rune) { io.WriteString(f, b.String()) }

// LogValue is String.
func (a Arith) LogValue() slog.Value { return slog.StringValue(a.String()) }

// LogValue is String.
func (b Bool) LogValue() slog.Value { return slog.StringValue(b.String()) }

// MarshalJSON gives String: a share has no JSON form.
func (a Arith) MarshalJSON() ([]byte, error) { return json.Marshal(a.String()) }

// MarshalJSON gives String: a share has no JSON form.
func (b Bool) MarshalJSON() ([]byte, error) { return json.Marshal(b.String()) }

func dims(shape []int) string {
	s := ""
	for _, n := range shape {
		s += fmt.Sprintf("%dx", n)
	}
	return s
}

// fits panics unless a is whole: a width in 1..64 and as many elements as the
// shape says.
func (a Arith) fits() {
	if a.Width < 1 || a.Width > 64 || len(a.V) != tensor.NumElems(a.Shape) {
		panic(fmt.Sprintf("share: internal error: %v holds %d elements", a, len(a.V)))
	}
}

func (b Bool) fits() {
	if len(b.V) != tensor.NumElems(b.Shape) {
		panic(fmt.Sprintf("share: internal error: %v holds %d elements", b, len(b.V)))
	}
}

func party(p int) {
	if p != Client && p != Server {
		panic(fmt.Sprintf("share: internal error: party %d is neither client nor server", p))
	}
}
