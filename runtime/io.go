package runtime

import (
	"fmt"

	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/runtime/share"
)

// ioShare splits a private value: the owner keeps a uniform r and sends x - r.
// For bits, both are xor.
//
//	owner                       peer
//	r ← Z_2^l
//	x - r            ─────▶     its share
//	its share: r
func ioShare(s *step, o *ir.Op) error {
	v, err := s.clear(o, 0)
	if err != nil {
		return err
	}
	// Z_2 is the ring of width 1, where minus is xor.
	width, n := v.Type.Elem.Width, v.Type.NumElems()
	x := share.NewArith(width, v.Type.Shape...)
	if v.Type.Party == partyName(s.party) {
		if v.V == nil {
			return fmt.Errorf("argument %s has no value", o.Args[0])
		}
		s.rng.Fill(x.V, width)
		masked := make([]uint64, n)
		z2k.Sub(masked, v.V, x.V, width)
		if err := sendNow(s.conn, z2k.Pack(nil, masked, width)); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	} else {
		msg, err := s.conn.Recv(z2k.PackedLen(n, width))
		if err != nil {
			return err
		}
		if err := z2k.Unpack(x.V, msg, width); err != nil {
			return fmt.Errorf("recv: %w", err)
		}
	}
	return s.putNumbersOrBits(o, 0, x, len(o.Results) > 0 && o.Results[0].Type.Kind == ir.BShare)
}

// ioReveal opens a shared value to the party in the attribute "to", or to
// both. It is the only place in the runtime that does.
//
//	to = client:  server ── x1 ──▶ client,  which adds x0
func ioReveal(s *step, o *ir.Op) error {
	if len(o.Args) != 1 || len(o.Results) != 1 {
		return fmt.Errorf("%d arguments and %d results, expected one each", len(o.Args), len(o.Results))
	}
	to := o.Attrs.Ident("to", "")
	mine := to == "both" || to == partyName(s.party)
	peers := to == "both" || to == partyName(1-s.party)
	if !mine && !peers {
		return fmt.Errorf("attribute to = %q, expected client, server or both", to)
	}
	x, _, err := s.numbersOrBits(o, 0)
	if err != nil {
		return err
	}
	if peers {
		if err := sendNow(s.conn, z2k.Pack(nil, x.V, x.Width)); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	out := vector{Type: o.Results[0].Type}
	if mine {
		msg, err := s.conn.Recv(z2k.PackedLen(x.Len(), x.Width))
		if err != nil {
			return err
		}
		other := make([]uint64, x.Len())
		if err := z2k.Unpack(other, msg, x.Width); err != nil {
			return fmt.Errorf("recv: %w", err)
		}
		out.V = make([]uint64, x.Len())
		z2k.Add(out.V, x.V, other, x.Width)
	}
	return s.put(o, 0, out)
}

func partyName(p int) string {
	if p == share.Client {
		return ir.Client
	}
	return ir.Server
}
