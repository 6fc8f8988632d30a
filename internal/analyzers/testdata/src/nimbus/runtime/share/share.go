package share

import "fmt"

type Arith struct {
	Width int
	Shape []int
	V     []uint64
}

type Bool struct {
	Shape []int
	V     []uint8
}

// The owner may do what it must.
func own(a Arith) string {
	if a.V[0] > 1 {
		return fmt.Sprint(a.V)
	}
	return ""
}
