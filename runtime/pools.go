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

// short tells whether the pools must be filled before an op is entered: because
// less is left than it consumes, or, for an op that does not say what, because
// one is half empty and the run will consume more than is left. Both parties come
// to the same decision: it rests on the plan and on counts that they share.
func (s *Session) short(needs [2]int, said bool) bool {
	left := s.left()
	rest, pool := s.rest(), s.poolSizes()
	for p := range left {
		need := needs[p]
		if !said {
			need = min(rest[p], pool[p]/2)
		}
		if left[p] < need {
			return true
		}
	}
	return false
}

// fillPools fills the pools with what the rest of a run consumes or with as much
// as is kept ahead, and with what the next op consumes at least.
func (s *Session) fillPools(needs [2]int) error {
	rest, pool := s.rest(), s.poolSizes()
	want := func(p int) int { return max(needs[p], min(rest[p], pool[p])) }
	m := measure(s.conn)
	err := s.c.Prefill(want(s.party), want(1-s.party))
	s.refill = s.refill.Add(m.phase())
	return err
}

// left is what the pools hold, by the party that sends; so are the next ones.
func (s *Session) left() (n [2]int) {
	n[s.party], n[1-s.party] = s.c.Left()
	return n
}

// rest is what the plan's run will still consume. What an op has laid aside
// counts as consumed.
func (s *Session) rest() (n [2]int) {
	client, server := s.taken()
	n[share.Client] = max(0, s.prog.ClientSends-int(client-s.used[share.Client]))
	n[share.Server] = max(0, s.prog.ServerSends-int(server-s.used[share.Server]))
	return n
}

func (s *Session) poolSizes() [2]int {
	client, server := s.prog.pools()
	return [2]int{client, server}
}
