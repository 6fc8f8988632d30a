package corr

import (
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"sync"

	"nimbus/internal/kernel"
)

// A reader reads kept COTs ahead of those who take them, in the order in which
// they were written. It stops where enough wait to be taken, unless somebody
// waits for more: so steps may take in any order, and none waits for ever.
type reader struct {
	from    io.ReadCloser
	batches []*batch // in order
	ahead   int      // at most so many COTs wait to be taken

	mu      sync.Mutex
	changed sync.Cond
	waiting int   // COTs that were read and not taken
	wanted  int   // batches that were asked for
	err     error // the first: what was not read by then never will
}

// readAhead COTs are 64 MiB.
const readAhead = 4 << 20

// A batch is COTs that were written together.
type batch struct {
	n      int
	chosen bool // those that this party receives

	of     *reader
	order  int
	there  chan struct{} // closed when it has been read, or will never be
	keys   []Block
	choice []byte
}

// bytes is what it takes on the disk.
func (b *batch) bytes() int {
	n := b.n * kernel.BlockBytes
	if b.chosen {
		n += (b.n + 7) / 8
	}
	return n
}

var errClosed = errors.New("corr: kept COTs are closed")

func newReader(from io.ReadCloser, batches []*batch) *reader {
	r := &reader{from: from, batches: batches, ahead: readAhead}
	r.changed.L = &r.mu
	for i, b := range batches {
		b.of, b.order, b.there = r, i, make(chan struct{})
	}
	return r
}

// run reads. It lets others compute after each batch: they have a peer that waits
// for them.
func (r *reader) run() {
	defer r.from.Close()
	buf := make([]byte, keptBatch*kernel.BlockBytes+keptBatch/8)
	for i, b := range r.batches {
		if r.due(i) {
			if err := b.read(r.from, buf); err != nil {
				r.stop(err)
			}
		}
		close(b.there)
		runtime.Gosched()
	}
}

// due waits until batch i shall be read; false: it shall not.
func (r *reader) due(i int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.err == nil && r.waiting >= r.ahead && i >= r.wanted {
		r.changed.Wait()
	}
	r.waiting += r.batches[i].n
	return r.err == nil
}

// stop ends the reading with an error, if it is the first.
func (r *reader) stop(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.changed.Signal()
}

// read reads the batch through buf.
func (b *batch) read(from io.Reader, buf []byte) error {
	buf = buf[:b.bytes()]
	if _, err := io.ReadFull(from, buf); err != nil {
		return err
	}
	keys := make([]Block, b.n)
	for i := range keys {
		keys[i] = Block{binary.LittleEndian.Uint64(buf[16*i:]), binary.LittleEndian.Uint64(buf[16*i+8:])}
	}
	b.keys = keys
	if b.chosen {
		b.choice = append([]byte(nil), buf[b.n*kernel.BlockBytes:]...)
	}
	return nil
}

// wait returns all of the batch when it is there, for one who takes n COTs of it.
func (b *batch) wait(n int) ([]Block, []byte, error) {
	r := b.of
	r.mu.Lock()
	r.wanted = max(r.wanted, b.order+1)
	r.changed.Signal()
	r.mu.Unlock()
	<-b.there
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting -= n
	r.changed.Signal()
	if r.err != nil {
		return nil, nil, r.err
	}
	return b.keys, b.choice, nil
}
