package runtime

import "errors"

// Hint is the outermost advice attached to err, or "".
func Hint(err error) string {
	var h hinted
	errors.As(err, &h)
	return h.hint
}
