package runtime

// hinted is an error that knows what its reader could do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// WithHint attaches advice to err. The command line, which asks errors for
// a Hint, prints it on a line of its own.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return hinted{err, hint}
}

// Hint is the advice.
func (h hinted) Hint() string { return h.hint }
