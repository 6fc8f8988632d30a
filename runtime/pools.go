package runtime

import "nimbus/runtime/share"

// maxPool bounds the correlated OTs that are kept ahead, both directions
// together: 1 GiB of keys. A plan that consumes more refills its pools between
// ops.
const maxPool = 64 << 20

// pools are the sizes that the pools are filled to, by the party that sends: all
// that a run consumes, or a share of maxPool that stands to the other as the
// plan's consumption does.
func (p *Program) pools() (clientSends, serverSends int) {
	total := p.ClientSends + p.ServerSends
	if total <= p.pool {
		return p.ClientSends, p.ServerSends
	}
	part := func(n int) int { return int(int64(n) * int64(p.pool) / int64(total)) }
	return part(p.ClientSends), part(p.ServerSends)
}

// fillPools fills the pools when one of them is half empty and the run will
// consume more than is left. Both parties come to the same decision: it rests on
// the plan and on counts that they share.
func (s *Session) fillPools() error {
	if s.c == nil {
		return nil
	}
	st := s.c.Stats()
	send, receive := st.AsSender.Made-st.AsSender.Taken, st.AsReceiver.Made-st.AsReceiver.Taken
	if s.party == share.Server {
		send, receive = receive, send
	}
	client, server := s.taken()
	poolClient, poolServer := s.prog.pools()
	wantClient, shortClient := wanted(int64(s.prog.ClientSends)-(client-s.used[share.Client]), send, int64(poolClient))
	wantServer, shortServer := wanted(int64(s.prog.ServerSends)-(server-s.used[share.Server]), receive, int64(poolServer))
	if !shortClient && !shortServer {
		return nil
	}
	if s.party == share.Server {
		wantClient, wantServer = wantServer, wantClient
	}
	m := measure(s.conn)
	err := s.c.Prefill(int(wantClient), int(wantServer))
	s.refill = s.refill.Add(m.phase())
	return err
}

// wanted is how full a pool should be that has have COTs in it and of which the
// rest of a run takes rest, and whether it is time to fill it.
func wanted(rest, have, pool int64) (want int64, short bool) {
	rest = max(rest, 0)
	return min(rest, pool), have < min(rest, pool/2)
}
