package main

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// progress counts examples: on a terminal on one line that is rewritten,
// elsewhere with a line for every tenth of them.
type progress struct {
	mu          sync.Mutex
	w           io.Writer
	tty         bool
	done, total int
}

func newProgress(w io.Writer, total int) *progress {
	p := &progress{w: w, total: total}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.tty = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// step says that one more is done. It may be called from several goroutines.
func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	switch {
	case p.tty:
		fmt.Fprintf(p.w, "\r%d of %d examples", p.done, p.total)
	case p.done*10/p.total > (p.done-1)*10/p.total:
		fmt.Fprintf(p.w, "%d of %d examples\n", p.done, p.total)
	}
}

// end ends the line.
func (p *progress) end() {
	if p.tty {
		fmt.Fprintln(p.w)
	}
}
