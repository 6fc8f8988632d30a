package runtime

import (
	"fmt"

	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/runtime/share"
)

// ioShare splits a private value: the peer's share is uniform, the owner's is what is
// left. Of a value of more bits than a seed has, the owner sends a fresh seed, of
// which the peer expands its share; of a shorter one the share itself. For bits,
// minus is xor. Cost: cost.ShareBytes.
//
//	owner                       peer
//	k ← {0,1}^256
//	k, or G(k)       ─────▶     its share: r = G(k)
//	its share: x - r
func ioShare(s *step, o *ir.Op) error {
	v, err := s.clear(o, 0)
	if err != nil {
		return err
	}
	// Z_2 is the ring of width 1, where minus is xor.
	width, n := v.Type.Elem.Width, v.Type.NumElems()
	x := share.NewArith(width, v.Type.Shape...)
	var seed prg.Seed
	long := z2k.PackedLen(n, width) > len(seed)
	if v.Type.Party == partyName(s.party) {
		if v.V == nil {
			return fmt.Errorf("argument %s has no value", o.Args[0])
		}
		s.rng.Read(seed[:])
		prg.New(seed).Fill(x.V, width)
		msg := seed[:]
		if !long {
			msg = z2k.Pack(nil, x.V, width)
		}
		if err := sendNow(s.conn, msg); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		z2k.Sub(x.V, v.V, x.V, width)
	} else if long {
		msg, err := s.conn.Recv(len(seed))
		if err != nil {
			return err
		}
		prg.New(prg.Seed(msg)).Fill(x.V, width)
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
