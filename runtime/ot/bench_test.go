package ot_test

import (
	"fmt"
	"sync"
	"testing"

	"nimbus/backend/cost"
	"nimbus/internal/fixed"
	"nimbus/internal/prg"
	"nimbus/runtime/ot"
	"nimbus/runtime/share"
)

// BenchmarkRows is for OTs whose payload is a row: softmax's division of 12
// heads of 128×128, and a layer norm's scale of 128×768.
func BenchmarkRows(b *testing.B) {
	const width, bits = 20, 8
	rng := prg.New(seed(30))
	fill := func(width int, shape ...int) halves {
		n := shape[0] * shape[1]
		v := make([]uint64, n)
		rng.Fill(v, width)
		return split(rng, v, width, shape...)
	}
	x, y := fill(width, 1536, 128), fill(width, 1536, 1)
	z, gamma := fill(width, 128, 768), make([]uint64, 768)
	rng.Fill(gamma, bits)
	for _, c := range []struct {
		name string
		cost cost.Cost
		run  func(p *ot.Protocol, party int) error
	}{
		{"mul_ss", cost.MulSSCost(1536, 128, width, fixed.ProductOpts{}), func(p *ot.Protocol, party int) error {
			_, err := p.MulSS(x[party], y[party], fixed.ProductOpts{})
			return err
		}},
		{"mul", cost.MulCost(128, 768, width, bits), func(p *ot.Protocol, party int) error {
			_, err := p.Mul(z[party], onlyServer(party, gamma), bits)
			return err
		}},
	} {
		b.Run(fmt.Sprint(c.name), func(b *testing.B) {
			cots := [2]int64{c.cost.COTClientSends, c.cost.COTServerSends}
			for b.Loop() {
				b.StopTimer()
				var ready sync.WaitGroup
				ready.Add(2)
				real(b, 31, func(p *ot.Protocol, party int) error {
					if err := p.Prefill(int(cots[party]), int(cots[1-party])); err != nil {
						return err
					}
					ready.Done()
					ready.Wait()
					if party == share.Client {
						b.StartTimer()
					}
					return c.run(p, party)
				})
			}
			b.ReportMetric(float64(c.cost.COTs()), "COT")
		})
	}
}
