package he

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"

	"nimbus/internal/packing"
	"nimbus/internal/prg"
)

// ZeroKind is a kind of encryption of zero: under the key of a set, over the first limbs, and how many coefficients of
// its first polynomial are kept, from 0 on.
type ZeroKind struct {
	Set         string
	Limbs, Sent int
}

func (k ZeroKind) bytes(p *params) int64 { return int64(8 * k.Limbs * (p.n + k.Sent)) }

// ZeroNeeds counts encryptions of zero, by kind.
type ZeroNeeds map[ZeroKind]int

// Add adds more needs. Counts that no machine could satisfy stay at 2^30.
func (n ZeroNeeds) Add(more ZeroNeeds) {
	for k, count := range more {
		n[k] = min(n[k]+count, 1<<30)
	}
}

// Within returns the needs cut down, all by the same factor, to what takes at most limit bytes of memory.
func (n ZeroNeeds) Within(limit int64) (ZeroNeeds, error) {
	total := int64(0)
	for k, count := range n {
		p, err := load(k.Set)
		if err != nil {
			return nil, err
		}
		total += int64(count) * k.bytes(p)
	}
	if total <= limit {
		return n, nil
	}
	out := ZeroNeeds{}
	for k, count := range n {
		out[k] = int(float64(count) * float64(limit) / float64(total))
	}
	return out, nil
}

// AddZeros adds to need what the client's part of one run takes, all under the server's key.
func (m MatMul) AddZeros(need ZeroNeeds) error {
	l, err := m.setup()
	if err != nil {
		return err
	}
	need[l.zeroKind()] += l.lay.Responses()
	return nil
}

// AddZeros adds to need what the client's part of one run takes, all under the server's key.
func (s Select) AddZeros(need ZeroNeeds) error {
	if err := s.Check(); err != nil {
		return err
	}
	p, err := load(s.Set)
	if err != nil {
		return err
	}
	need[s.zeroKind(p)] += s.Tokens
	return nil
}

// AddZeros adds to need what either party takes in one run, under the other's session key.
func (m MatMulSS) AddZeros(need ZeroNeeds) error {
	p, err := m.setup()
	if err != nil {
		return err
	}
	need[m.zeroKind(p)] += m.Batch * m.Tile.Outputs(packing.Product{Rows: m.Rows, Inner: m.Inner, Cols: m.Cols})
	return nil
}

func (m *linear) zeroKind() ZeroKind {
	at := m.lay.At(0, min(m.T, m.M))
	return ZeroKind{m.Set, m.p.zeroLimbs(len(m.p.limbs), m.Width), at[len(at)-1] + 1}
}

func (s Select) zeroKind(p *params) ZeroKind { return ZeroKind{s.Set, p.Resp, s.Cols} }

// zeroKind keeps all coefficients: results are spread over the ring.
func (m MatMulSS) zeroKind(p *params) ZeroKind {
	return ZeroKind{m.Set, p.zeroLimbs(len(p.limbs), m.Width), p.n}
}

// zeroLimbs is over how many limbs a response that was accumulated over limbs of them takes its encryption of zero.
func (p *params) zeroLimbs(limbs, width int) int {
	if limbs > p.Resp && p.ZeroFirst(width) {
		return limbs
	}
	return p.Resp
}

// encryptedZero is an encryption of zero by coefficients. It hides one response and is then forgotten.
type encryptedZero struct{ z0, z1 poly }

// ZeroPool holds encryptions of zero under one public key that were made ahead: they depend on nothing but the key. Each
// is handed out once. Where it runs short, protocols make their own. A nil pool is empty.
type ZeroPool struct {
	mu    sync.Mutex
	stock map[ZeroKind][]*encryptedZero
}

// Pooled returns a copy of the keys with empty pools, for one session: pools are never shared.
func (r *PublicKeyring) Pooled() *PublicKeyring {
	out := &PublicKeyring{}
	for _, k := range r.keys {
		c := *k
		c.zeros = &ZeroPool{stock: map[ZeroKind][]*encryptedZero{}}
		out.keys = append(out.keys, &c)
	}
	return out
}

// Prepare fills the pools up to what is needed. The keys must come from [PublicKeyring.Pooled]; rng must be fresh for
// this call.
func (r *PublicKeyring) Prepare(need ZeroNeeds, rng *prg.PRG) error {
	kinds := slices.SortedFunc(maps.Keys(need), func(a, b ZeroKind) int { // an order, for tests under a fixed seed
		return cmp.Or(cmp.Compare(a.Set, b.Set), a.Limbs-b.Limbs, a.Sent-b.Sent)
	})
	for _, kind := range kinds {
		k, err := r.Key(kind.Set)
		if err != nil {
			return err
		}
		if k.zeros == nil || kind.Limbs < 1 || kind.Limbs > len(k.p.limbs) || kind.Sent < 0 || kind.Sent > k.p.n {
			return fmt.Errorf("he: key of set %s has no pool for zeros of %d coefficients over %d limbs", kind.Set, kind.Sent, kind.Limbs)
		}
		k.zeros.fill(k, kind, need[kind], rng.Child("he zeros"))
	}
	return nil
}

// Stocked is the number of encryptions of zero in the pools.
func (r *PublicKeyring) Stocked() int {
	n := 0
	for _, k := range r.keys {
		if z := k.zeros; z != nil {
			z.mu.Lock()
			for _, s := range z.stock {
				n += len(s)
			}
			z.mu.Unlock()
		}
	}
	return n
}

// Prepare fills the pools for the peer's keys up to what is needed.
func (k *SessionKeys) Prepare(need ZeroNeeds, rng *prg.PRG) error { return k.peer.Prepare(need, rng) }

// Stocked is the number of encryptions of zero in the pools for the peer's keys.
func (k *SessionKeys) Stocked() int { return k.peer.Stocked() }

// String keeps the contents out of logs.
func (z *ZeroPool) String() string { return "he.ZeroPool(redacted)" }

// Format is String whatever the verb.
func (z *ZeroPool) Format(f fmt.State, _ rune) { fmt.Fprint(f, z.String()) }

// fill makes as many as are missing to n.
func (z *ZeroPool) fill(pk *PublicKey, kind ZeroKind, n int, rng *prg.PRG) {
	z.mu.Lock()
	defer z.mu.Unlock()
	missing := n - len(z.stock[kind])
	if missing <= 0 {
		return
	}
	made := make([]*encryptedZero, missing)
	gens := make([]*prg.PRG, missing)
	for i := range gens {
		gens[i] = rng.Child("zero")
	}
	parallel(missing, func(i int) error {
		z0, z1 := fresh{}.zero(pk, kind.Limbs, gens[i])
		kept := newPoly(kind.Limbs, kind.Sent)
		for j := range kept {
			copy(kept[j], z0[j])
		}
		made[i] = &encryptedZero{kept, z1}
		return nil
	})
	z.stock[kind] = append(z.stock[kind], made...)
}

// take removes up to n and returns a slice of n, nil where there was none left.
func (z *ZeroPool) take(kind ZeroKind, n int) []*encryptedZero {
	out := make([]*encryptedZero, n)
	if z == nil {
		return out
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	s := z.stock[kind]
	got := copy(out, s)
	clear(s[:got])
	z.stock[kind] = s[got:]
	return out
}

// ticket is the randomness of one response: a generator of its own, and an encryption of zero if one was ready.
type ticket struct {
	rng  *prg.PRG
	zero *encryptedZero
}

// tickets draws one ticket per response, in order, so that runs in parallel are as deterministic as runs in sequence.
func tickets(rng *prg.PRG, label string, n int, pk *PublicKey, kind ZeroKind) []ticket {
	parent := rng.Child(label)
	zeros := pk.zeros.take(kind, n)
	out := make([]ticket, n)
	for i := range out {
		out[i] = ticket{parent.Child("response"), zeros[i]}
	}
	return out
}
