package ot_test

import (
	"fmt"
	"math"
	"testing"

	"nimbus/internal/prg"
	"nimbus/runtime/ot"
)

// bitCounts counts ones, bit by bit, over runs of equally long strings.
type bitCounts struct {
	runs int
	ones []int
}

func (c *bitCounts) add(t *testing.T, bits []uint8) {
	if c.ones == nil {
		c.ones = make([]int, len(bits))
	}
	if len(bits) != len(c.ones) {
		t.Fatalf("a view of %d bits after one of %d", len(bits), len(c.ones))
	}
	c.runs++
	for i, b := range bits {
		c.ones[i] += int(b)
	}
}

// biased returns the bits that are not fair coins, beyond seven standard
// deviations.
func (c *bitCounts) biased() (n int) {
	limit := 3.5 * math.Sqrt(float64(c.runs))
	for _, k := range c.ones {
		if math.Abs(float64(k)-float64(c.runs)/2) > limit {
			n++
		}
	}
	return n
}

func bytesBits(msgs [][]byte) (bits []uint8) {
	for _, m := range msgs {
		for _, b := range m {
			for i := range 8 {
				bits = append(bits, b>>i&1)
			}
		}
	}
	return bits
}

func wordBits(v []uint64, width int) (bits []uint8) {
	for _, x := range v {
		for i := range width {
			bits = append(bits, uint8(x>>i)&1)
		}
	}
	return bits
}

// viewRuns is enough for a constant bit to be 7 deviations away from fair.
const viewRuns = 200

// view runs a case many times with fresh correlations. With fresh halves it
// counts the bits of the results, otherwise those of all received messages.
func view(t *testing.T, c protocolCase, freshHalves, masks bool) (biased, bits int) {
	t.Helper()
	var counts [2]bitCounts
	rng := prg.New(seed(30))
	for r := range viewRuns {
		in, b := c.in, c.bits
		if freshHalves {
			in, b = c.fresh(rng)
		}
		var out [2][]uint8
		m := real(t, 1000+r, func(p *ot.Protocol, party int) error {
			if !masks {
				p.DropMasks()
			}
			v, width, err := c.run(p, party, in, b)
			out[party] = wordBits(v, width)
			return err
		})
		if !freshHalves {
			out[0], out[1] = bytesBits(m.Client.Received()), bytesBits(m.Server.Received())
		}
		counts[0].add(t, out[0])
		counts[1].add(t, out[1])
	}
	return counts[0].biased() + counts[1].biased(), len(counts[0].ones) + len(counts[1].ones)
}

// viewed are the cases that view tests look at: one of each protocol. With
// eight values no message has padding bits.
func viewed() (some []protocolCase) {
	seen := map[string]bool{}
	for _, c := range cases(8, prg.New(seed(31))) {
		var kind string
		fmt.Sscan(c.name, &kind)
		if !seen[kind] && c.cost.COTs() > 0 && c.cost.COTs() < 6000 {
			seen[kind] = true
			some = append(some, c)
		}
	}
	return some
}

// TestViews: with everything secret fixed, whatever a party receives is
// uniform; so is its half of the result. Without masks the test must notice.
func TestViews(t *testing.T) {
	kinds := viewed()
	if len(kinds) < 9 {
		t.Fatalf("only %d protocols", len(kinds))
	}
	for _, c := range kinds {
		t.Run(c.name, func(t *testing.T) {
			if biased, bits := view(t, c, false, true); biased > 0 {
				t.Errorf("%d of %d received bits are not uniform", biased, bits)
			}
			if biased, bits := view(t, c, true, true); biased > 0 {
				t.Errorf("%d of %d bits of the halves are not uniform", biased, bits)
			}
			if biased, _ := view(t, c, false, false); biased == 0 {
				t.Error("messages without masks went unnoticed")
			}
		})
	}
}

// TestFresh: the same call three times in one session sends nothing twice.
func TestFresh(t *testing.T) {
	for _, c := range cases(64, prg.New(seed(32))) {
		m := real(t, 33, func(p *ot.Protocol, party int) error {
			for range 3 {
				if _, _, err := c.run(p, party, c.in, c.bits); err != nil {
					return err
				}
			}
			return nil
		})
		seen := map[string]bool{}
		for _, msgs := range [][][]byte{m.Client.Sent(), m.Server.Sent()} {
			for _, msg := range msgs {
				if seen[string(msg)] {
					t.Errorf("%s: a message of %d bytes was sent twice", c.name, len(msg))
				}
				seen[string(msg)] = true
			}
		}
	}
}
