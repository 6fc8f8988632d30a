package main

import (
	"os"
	goruntime "runtime"
	"strconv"
)

// holder holds two processes to cores of their own.
type holder struct {
	cores  int   // of each party; 0: whatever there is
	cpus   []int // those of this process before
	procs  int
	pinned bool // each party has CPUs to itself
}

// holdTo prepares to hold both parties to n cores each; where the machine has
// fewer than 2n they share them, and only the number of running threads is held.
func holdTo(n int) *holder {
	h := &holder{cores: n, cpus: availableCPUs(), procs: goruntime.GOMAXPROCS(0)}
	h.pinned = n > 0 && len(h.cpus) >= 2*n
	return h
}

// threads is how many threads run Go code on n cores: at least two, so that one
// can wait for the network while the other computes. With one, the scheduler
// looks for what has arrived every ten milliseconds only.
func threads(n int) int { return max(n, 2) }

// threads is a party's number, which holds it to its cores where nothing else
// does.
func (h *holder) threads() int {
	if h.pinned {
		return threads(h.cores)
	}
	return h.cores
}

// peer makes what is started next the other party, held to the last cores.
func (h *holder) peer() error {
	if h.cores == 0 {
		return nil
	}
	os.Setenv("GOMAXPROCS", strconv.Itoa(h.threads()))
	if !h.pinned {
		return nil
	}
	return pin(h.cpus[len(h.cpus)-h.cores:])
}

// self holds this process to the first cores.
func (h *holder) self() error {
	if h.cores == 0 {
		return nil
	}
	goruntime.GOMAXPROCS(h.threads())
	if !h.pinned {
		return nil
	}
	return pin(h.cpus[:h.cores])
}

// release lets this process run everywhere again.
func (h *holder) release() {
	if h.cores == 0 {
		return
	}
	os.Unsetenv("GOMAXPROCS")
	goruntime.GOMAXPROCS(h.procs)
	if h.pinned {
		pin(h.cpus)
	}
}
