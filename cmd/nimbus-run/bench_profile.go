package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"nimbus/backend/cost"
	"nimbus/backend/params"
	"nimbus/internal/fixed"
	"nimbus/internal/otparams"
	"nimbus/internal/packing"
	"nimbus/internal/prg"
	"nimbus/runtime/artifact"
	"nimbus/runtime/corr"
	"nimbus/runtime/he"
	"nimbus/runtime/ot"
	"nimbus/runtime/share"
	"nimbus/runtime/transport"
)

// A trial is a protocol at some size, run between the two parties of a
// benchmark to see how long its steps take. Shares are zeros: no protocol's
// time depends on them.
type trial struct {
	name  string
	steps [2]cost.Counts // of client and server
	ready func() error   // before each run, not timed
	run   func() error
}

// trialRuns is how often each trial is run; the median counts.
const trialRuns = 7

// readProfile reads a machine's profile; without a file it is the one of the
// machine that the documentation's figures come from.
func readProfile(file string) (*cost.Profile, error) {
	if file == "" {
		return cost.DefaultProfile(), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p, err := cost.ParseProfile(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

// benchProfile measures this machine and writes its profile.
func benchProfile(o benchOptions) (*kernelResult, error) {
	if o.cores == 0 {
		o.cores = 1
	}
	r, err := benchPair(o)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := r.profile.Write(&out); err != nil {
		return nil, err
	}
	return r, os.WriteFile(o.plan.profile, out.Bytes(), 0o644)
}

// pairProfile runs all trials. The processors' time counts, so that other work
// on the machine disturbs little.
func pairProfile(conn transport.Conn, party int, r *kernelResult) error {
	var list []trial
	for _, make := range []func(transport.Conn, int) ([]trial, error){byteTrials, cotTrials, otTrials, weightTrials, productTrials} {
		more, err := make(conn, party)
		if err != nil {
			return err
		}
		list = append(list, more...)
	}
	var samples []cost.Sample
	for _, t := range list {
		mine, err := t.measure(conn)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		theirs, err := swapSeconds(conn, mine)
		if err != nil {
			return err
		}
		if party == share.Server {
			mine, theirs = theirs, mine
		}
		samples = append(samples, cost.Sample{Name: t.name, Steps: t.steps[share.Client], Seconds: mine},
			cost.Sample{Name: t.name, Steps: t.steps[share.Server], Seconds: theirs})
	}
	latency, err := messageLatency(conn, party)
	if err != nil || r == nil {
		return err
	}
	samples = slices.DeleteFunc(samples, func(s cost.Sample) bool { return s.Steps == cost.Counts{} })
	p := cost.Fit(cost.Profile{Machine: machineName(r)}, samples)
	p.Nanoseconds[cost.Message] = latency.Seconds() * 1e9
	r.profile, r.samples = p, samples
	for _, s := range cost.Steps() {
		r.Rates = append(r.Rates, newRate(fmt.Sprintf("%s: %s", s, s.Doc()), 1, time.Duration(math.Ceil(p.Nanoseconds[s]))))
		last := &r.Rates[len(r.Rates)-1]
		last.Nanoseconds = p.Nanoseconds[s]
		last.Seconds, last.PerSecond = last.Nanoseconds*1e-9, 1e9/last.Nanoseconds
	}
	return nil
}

func machineName(r *kernelResult) string {
	return fmt.Sprintf("%d CPUs, %s, %s", r.CPUs, r.GOARCH, cpuModel())
}

// measure is the median time that this process computes for a trial.
func (t trial) measure(conn transport.Conn) (float64, error) {
	var times []float64
	for range trialRuns {
		if t.ready != nil {
			if err := t.ready(); err != nil {
				return 0, err
			}
		}
		if err := meet(conn); err != nil {
			return 0, err
		}
		start := computed()
		if err := t.run(); err != nil {
			return 0, err
		}
		times = append(times, (computed() - start).Seconds())
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// swapSeconds tells the peer a time and returns the peer's.
func swapSeconds(conn transport.Conn, mine float64) (float64, error) {
	if err := conn.Send(binary.LittleEndian.AppendUint64(nil, math.Float64bits(mine))); err != nil {
		return 0, err
	}
	msg, err := conn.Recv(8)
	if err != nil {
		return 0, err
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(msg)), nil
}

// messageLatency is how long one small message takes, by the clock.
func messageLatency(conn transport.Conn, party int) (time.Duration, error) {
	const turns = 200
	best := time.Duration(math.MaxInt64)
	for range trialRuns {
		if err := meet(conn); err != nil {
			return 0, err
		}
		start := time.Now()
		for range turns {
			if party == share.Client {
				if err := conn.Send(make([]byte, 64)); err != nil {
					return 0, err
				}
			}
			if _, err := conn.Recv(64); err != nil {
				return 0, err
			}
			if party == share.Server {
				if err := conn.Send(make([]byte, 64)); err != nil {
					return 0, err
				}
			}
		}
		best = min(best, time.Since(start)/(2*turns))
	}
	return best, nil
}

// byteTrials sends bytes there and back.
func byteTrials(conn transport.Conn, party int) ([]trial, error) {
	const size, count = 1 << 20, 16
	var n cost.Counts
	n[cost.Byte] = 2 * size * count
	send := func() error { return conn.Send(make([]byte, size)) }
	receive := func() error { _, err := conn.Recv(size); return err }
	first, second := send, receive
	if party == share.Server {
		first, second = receive, send
	}
	return []trial{{name: "bytes", steps: [2]cost.Counts{n, n}, run: func() error {
		for range count {
			if err := first(); err != nil {
				return err
			}
			if err := second(); err != nil {
				return err
			}
		}
		return nil
	}}}, nil
}

// cotTrials makes correlated OTs with each extension.
func cotTrials(conn transport.Conn, party int) ([]trial, error) {
	const n = 1 << 19
	var out []trial
	for _, e := range otparams.Extensions() {
		c, err := setupCOT(conn, party, e.Name)
		if err != nil {
			return nil, err
		}
		made := cost.Making(n, e)
		out = append(out, trial{name: e.Name, steps: [2]cost.Counts{made, made},
			ready: func() error { return drain(c) },
			run: func() error { // each sends half of them
				return c.Prefill(n/2, n/2)
			}})
	}
	return out, nil
}

// drain takes what is in the pools.
func drain(c *corr.Corr) error {
	st := c.Stats()
	if n := st.AsSender.Made - st.AsSender.Taken; n > 0 {
		if _, _, err := c.SenderTake(int(n)); err != nil {
			return err
		}
	}
	if n := st.AsReceiver.Made - st.AsReceiver.Taken; n > 0 {
		if _, _, err := c.ReceiverTake(int(n)); err != nil {
			return err
		}
	}
	return nil
}

// otTrials runs the protocols over correlated OTs.
func otTrials(conn transport.Conn, party int) ([]trial, error) {
	c, err := corr.Setup(conn, party, corr.Config{Ext: corr.SoftSpoken{K: 4}}, prg.Fresh())
	if err != nil {
		return nil, err
	}
	p := ot.New(conn, party, c, prg.Fresh())
	var out []trial
	add := func(name string, price cost.Cost, run func() error) {
		send, receive := int(price.COTClientSends), int(price.COTServerSends)
		if party == share.Server {
			send, receive = receive, send
		}
		out = append(out, trial{name: name, steps: [2]cost.Counts{price.Work.Client, price.Work.Server},
			ready: func() error { return c.Prefill(send, receive) }, run: run})
	}
	onlyServer := func(v []int64) []int64 {
		if party == share.Client {
			return nil
		}
		return v
	}
	for _, n := range []int{1 << 13, 1 << 16} {
		x, b := share.NewArith(24, n), share.NewBool(n)
		add("mux", cost.MuxCost(n, 24), func() error { _, err := p.Mux(b, x); return err })
		add("and", cost.AndCost(n), func() error { _, err := p.And(b, b); return err })
		add("trunc", cost.TruncCost(n, 24, 4, 24), func() error { _, err := p.Trunc(x, 4, 24); return err })
		add("cmp, two cuts", cost.CmpCost(n, 11, 2, ot.CmpOpts{}.Layout), func() error {
			_, err := p.Cmp(x, onlyServer([]int64{-640, 384}), 2, ot.CmpOpts{Keep: 11, Drop: 3})
			return err
		})
		add("cmp, one cut", cost.CmpCost(n, 20, 1, ot.CmpOpts{}.Layout), func() error {
			_, err := p.Cmp(x, onlyServer([]int64{0}), 1, ot.CmpOpts{Keep: 20})
			return err
		})
	}
	x := share.NewArith(24, 1<<13)
	add("square", cost.SquareCost(1<<13, 24, fixed.Bound{}), func() error { _, err := p.Square(x, 24, fixed.Bound{}); return err })
	rows, factors := share.NewArith(24, 256, 128), share.NewArith(24, 256, 1)
	add("mul_ss, rows", cost.MulSSCost(256, 128, 24, fixed.ProductOpts{}), func() error { _, err := p.MulSS(rows, factors, fixed.ProductOpts{}); return err })
	add("mul_ss, elements", cost.MulSSCost(1<<13, 1, 24, fixed.ProductOpts{}), func() error { _, err := p.MulSS(x, x, fixed.ProductOpts{}); return err })
	v := make([]uint64, 128)
	add("mul", cost.MulCost(256, 128, 24, 10), func() error {
		w := v
		if party == share.Client {
			w = nil
		}
		_, err := p.Mul(rows, w, 10)
		return err
	})
	return out, nil
}

// weightTrials multiplies by encrypted weights, encrypts weights, and makes
// encryptions of zero. Both parties draw the same key, which a benchmark may.
func weightTrials(conn transport.Conn, party int) ([]trial, error) {
	var out []trial
	for _, m := range []he.MatMul{
		{Set: "n4096", M: 32, K: 256, N: 128, T: 1, Width: 37, DropStored: 30, DropC0: 30, DropC1: 20},
		{Set: "n4096", M: 32, K: 256, N: 128, T: 8, Width: 37, DropStored: 28},
		{Set: "n4096", M: 128, K: 256, N: 768, T: 2, Width: 37, DropStored: 30, DropC0: 30, DropC1: 20},
		// Many rows: multiplying takes longer than reading weights.
		{Set: "n4096", M: 128, K: 256, N: 2304, T: 1, Width: 37, DropStored: 30, DropC0: 30, DropC1: 20},
		// Few: the other way round.
		{Set: "n4096", M: 8, K: 256, N: 2304, T: 1, Width: 37, DropStored: 30, DropC0: 30, DropC1: 20},
		{Set: "n4096", M: 1, K: 256, N: 64, T: 1, Width: 37, DropStored: 30, DropC0: 30, DropC1: 20},
		{Set: "n4096", M: 1, K: 256, N: 4096, T: 1, Width: 37, DropStored: 30, DropC0: 30, DropC1: 20},
	} {
		rng := prg.New(prg.Seed{7})
		keys, err := he.NewKeyring([]string{m.Set}, rng)
		if err != nil {
			return nil, err
		}
		key, err := keys.Key(m.Set)
		if err != nil {
			return nil, err
		}
		pooled := keys.Public().Pooled()
		pk, err := pooled.Key(m.Set)
		if err != nil {
			return nil, err
		}
		x, w := make([]uint64, m.M*m.K), make([]uint64, m.K*m.N)
		var data bytes.Buffer
		encrypt := func() error {
			data.Reset()
			return m.Encrypt(&data, key, he.SectionID{}, w, rng, nil)
		}
		info, err := m.Section("w")
		if err != nil {
			return nil, err
		}
		if err := encrypt(); err != nil {
			return nil, err
		}
		need := he.ZeroNeeds{}
		if err := m.AddZeros(need); err != nil {
			return nil, err
		}
		price, err := cost.MatMulCost(m.Set, m.M, m.K, m.N, m.T, m.Width, m.Drops())
		if err != nil {
			return nil, err
		}
		zeros := func() error { return pooled.Prepare(need, rng.Child("zeros")) }
		alone := func(n cost.Counts) [2]cost.Counts { return [2]cost.Counts{n, n} }
		out = append(out, trial{name: "encrypt weights", steps: alone(price.Work.Setup), run: encrypt},
			trial{name: fmt.Sprint(m), steps: [2]cost.Counts{price.Work.Client, price.Work.Server}, ready: zeros, run: func() error {
				if party == share.Server {
					_, err := m.Server(conn, key, x, w)
					return err
				}
				_, err := m.Client(conn, artifact.Section{SectionInfo: info, Data: data.Bytes()}, pk, x, rng.Child("run"))
				return err
			}})
		if m.T == 1 {
			// The last run left an empty pool; each of these empties it anew.
			fresh := keys.Public()
			out = append(out, trial{name: "zeros", steps: alone(price.Work.Ahead),
				ready: func() error { pooled = fresh.Pooled(); return nil }, run: zeros})
		}
	}
	return out, nil
}

// productTrials multiplies shared matrices.
func productTrials(conn transport.Conn, party int) ([]trial, error) {
	var out []trial
	product := packing.Product{Rows: 64, Inner: 64, Cols: 64}
	for _, c := range []struct {
		set         string
		width, drop int
	}{{"n2048", 25, 10}, {"n4096s", 30, 12}, {"n4096", 40, 10}} {
		set, err := params.Lookup(c.set)
		if err != nil {
			return nil, err
		}
		for _, encryptA := range []bool{false, true} {
			m := he.MatMulSS{Set: c.set, Batch: 4, Rows: product.Rows, Inner: product.Inner, Cols: product.Cols, Width: c.width,
				Tile: packing.Tile{Rows: set.N() / 512, Inner: 8, Cols: 64, EncryptA: encryptA}}
			if encryptA {
				m.Tile = packing.Tile{Rows: 64, Inner: set.N() / 512, Cols: 8, EncryptA: true}
			}
			if err := m.Check(); err != nil {
				return nil, err
			}
			keys, err := he.ExchangeKeys(conn, []string{m.Set}, prg.Fresh())
			if err != nil {
				return nil, err
			}
			need := he.ZeroNeeds{}
			if err := m.AddZeros(need); err != nil {
				return nil, err
			}
			price, err := cost.MatMulSSCost(m.Set, m.Batch, m.Width, product, packing.Choice{Tile: m.Tile})
			if err != nil {
				return nil, err
			}
			x, y := make([]uint64, m.Batch*m.Rows*m.Inner), make([]uint64, m.Batch*m.Inner*m.Cols)
			out = append(out, trial{name: fmt.Sprint(m, " ", m.Set), steps: [2]cost.Counts{price.Work.Client, price.Work.Server},
				ready: func() error { return keys.Prepare(need, prg.Fresh()) },
				run:   func() error { _, err := m.Run(conn, keys, x, y, prg.Fresh()); return err }})
		}
	}
	return out, nil
}

// printFit shows how well the profile explains what it was fitted to.
func (r *kernelResult) printFit() {
	fmt.Printf("\n%-40s %12s %12s %8s\n", "trial", "measured ms", "predicted ms", "ratio")
	for _, s := range r.samples {
		got := r.profile.Seconds(s.Steps)
		fmt.Printf("%-40s %12.3f %12.3f %8.2f\n", s.Name, s.Seconds*1e3, got*1e3, got/s.Seconds)
	}
}

var errNoProfile = errors.New("profile wants -profile FILE, where the machine's profile is written")
