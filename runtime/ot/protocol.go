package ot

import (
	"fmt"

	"nimbus/internal/fixed"
	"nimbus/internal/kernel"
	"nimbus/internal/prg"
	"nimbus/internal/tensor"
	"nimbus/internal/z2k"
	"nimbus/runtime/corr"
	"nimbus/runtime/share"
	"nimbus/runtime/transport"
)

// CmpOpts says which bits of a difference a comparison looks at; the zero value
// means all of them.
type CmpOpts = fixed.CmpOpts

// Protocol runs protocols over one connection, in step with the peer: both
// parties call the same methods in the same order. It is not safe for
// concurrent use. After the first error of an exchange it is dead: every later
// call returns that error, and no correlation is used again.
type Protocol struct {
	conn  transport.Conn
	party int
	corr  *corr.Corr
	hash  hasher
	work  [2]scratch
	msg   []byte  // messages being made, reused
	bits  []uint8 // the peer's corrections, reused
	err   error
}

// hasher is kernel.CRH; view tests put a constant in its place to show that
// they would notice.
type hasher interface {
	HashBlocks(dst, src []kernel.Block, tweak0 uint64)
	HashGroups(dst, src []kernel.Block, group int, tweak0 uint64)
}

// New returns the protocols of a party (share.Client or share.Server) with
// correlations from c. All masks are hashes of the correlations' keys, so the
// generator is not used today.
func New(conn transport.Conn, party int, c *corr.Corr, _ *prg.PRG) *Protocol {
	if party != share.Client && party != share.Server {
		panic(fmt.Sprintf("ot: internal error: party %d is neither client nor server", party))
	}
	return &Protocol{conn: conn, party: party, corr: c, hash: c.Hash()}
}

// Use points p to another connection and other correlations of the same session,
// of which it takes only what c holds. Its working memory stays.
func (p *Protocol) Use(conn transport.Conn, c *corr.Corr) {
	p.conn, p.corr, p.hash, p.err = conn, c, c.Hash(), nil
}

const redacted = "ot.Protocol(redacted)"

// Format hides keys and masks whatever the verb.
func (p *Protocol) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// server says whether this party is the server.
func (p *Protocol) server() bool { return p.party == share.Server }

// serverSends sorts sets that the server sends into what this party receives
// and what it sends.
func (p *Protocol) serverSends(s ...ots) (recv, send []ots) {
	if p.server() {
		return nil, s
	}
	return s, nil
}

// check validates a share that came in as an argument.
func check(op string, x share.Arith) error {
	if x.Width < 1 || x.Width > 64 || len(x.V) != tensor.NumElems(x.Shape) {
		return fmt.Errorf("%s: argument %v holds %d elements: want a width of 1..64 and as many as its shape", op, x, len(x.V))
	}
	return nil
}

// like returns a share with the shape of x and the given values, reduced.
func like(x share.Arith, width int, v []uint64) share.Arith {
	z2k.Reduce(v, v, width)
	return share.Arith{Width: width, Shape: append([]int(nil), x.Shape...), V: v}
}

func reduce(v []uint64, width int) { z2k.Reduce(v, v, width) }
