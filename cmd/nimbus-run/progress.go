package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"nimbus/runtime"
)

// bar draws progress on a terminal as one line that is rewritten, and
// elsewhere as a line per stage.
type bar struct {
	w     io.Writer
	tty   bool
	stage string
	drawn time.Time
	width int
}

func newBar(f *os.File) *bar {
	info, err := f.Stat()
	return &bar{w: f, tty: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// update is a runtime.Progress.
func (b *bar) update(p runtime.Progress) {
	finished := p.Done >= p.Total
	if p.Stage == b.stage && !finished && time.Since(b.drawn) < 100*time.Millisecond {
		return
	}
	if p.Stage == b.stage && b.width < 0 {
		return // already shown as finished
	}
	if p.Stage != b.stage {
		if b.tty && b.width > 0 {
			fmt.Fprintln(b.w) // the stage before was not seen to finish
		}
		b.stage, b.width = p.Stage, 0
	}
	b.drawn = time.Now()
	unit := fmt.Sprintf("%d/%d", p.Done, p.Total)
	if p.Bytes {
		unit = fmt.Sprintf("%s of %s", runtime.FormatBytes(p.Done), runtime.FormatBytes(p.Total))
	}
	switch {
	case b.tty:
		const cells = 30
		full := cells
		if p.Total > 0 {
			full = int(cells * min(p.Done, p.Total) / p.Total)
		}
		line := fmt.Sprintf("%-22s [%s%s] %s", p.Stage, strings.Repeat("=", full), strings.Repeat(" ", cells-full), unit)
		fmt.Fprintf(b.w, "\r%-*s", max(b.width, 0), line)
		b.width = len(line)
		if finished {
			fmt.Fprintln(b.w)
			b.width = -1
		}
	case finished:
		fmt.Fprintf(b.w, "%s: %s\n", p.Stage, unit)
		b.width = -1
	}
}
