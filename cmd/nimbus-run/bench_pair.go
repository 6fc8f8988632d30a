package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"nimbus/backend/cost"
	"nimbus/internal/fixed"
	"nimbus/internal/otparams"
	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/runtime/corr"
	"nimbus/runtime/ot"
	"nimbus/runtime/share"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/tls"
)

// benchPair measures ot, cmp or steps between two processes, over the kind of
// connection that sessions have. Both are the same party to it.
func benchPair(o benchOptions) (*kernelResult, error) {
	h := holdTo(o.cores)
	defer h.release()
	if err := h.peer(); err != nil {
		return nil, err
	}
	dir, cleanup, err := tempDir()
	if err != nil {
		return nil, err
	}
	defer cleanup()
	id, err := tls.Generate("bench", benchTimeout)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "identity")
	if err := id.Save(file); err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var log tail
	cmd := exec.Command(exe, peerCommand.Name, "-link", o.plan.link.String(), "-identity", file, o.what)
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	if err := h.self(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the other party did not start: %s", log.last())
	}
	raw, err := net.Dial("tcp", line[:len(line)-1])
	if err != nil {
		return nil, err
	}
	conn, err := tls.Client(context.Background(), shape(o.plan.link, raw), tls.Config{Identity: id, Peers: []tls.Fingerprint{id.Fingerprint()}})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r := newKernelResult(o, h)
	if err := pairs[o.what](conn, share.Client, r); err != nil {
		return nil, errors.Join(err, fmt.Errorf("the other party: %s", log.last()))
	}
	return r, nil
}

// pairs are the benchmarks of two parties; the client fills the result.
var pairs = map[string]func(conn transport.Conn, party int, r *kernelResult) error{"ot": pairOT, "cmp": pairCmp, "profile": pairProfile}

// peerCommand is the other party of benchPair.
var peerCommand = &command{
	Name: "bench-peer",
	Args: "ot|cmp|profile",
	Setup: func(fs *flag.FlagSet) func(context.Context, []string) error {
		var l cost.Link
		fs.Var(&l, "link", linkUsage)
		identity := fs.String("identity", "", "")
		return func(ctx context.Context, args []string) error {
			if len(args) != 1 || pairs[args[0]] == nil {
				return usagef("wants ot, cmp or profile")
			}
			id, err := tls.Load(*identity)
			if err != nil {
				return err
			}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			fmt.Println(listener.Addr())
			raw, err := listener.Accept()
			listener.Close()
			if err != nil {
				return err
			}
			conn, err := tls.Server(ctx, shape(l, raw), tls.Config{Identity: id, Peers: []tls.Fingerprint{id.Fingerprint()}})
			if err != nil {
				return err
			}
			defer conn.Close()
			return pairs[args[0]](conn, share.Server, nil)
		}
	},
}

// meet returns when both parties have come here.
func meet(conn transport.Conn) error {
	if err := conn.Send([]byte{0}); err != nil {
		return err
	}
	_, err := conn.Recv(1)
	return err
}

// timed runs f between two meetings and returns how long both took, and the
// bytes of it.
func timed(conn transport.Conn, f func() error) (time.Duration, int64, error) {
	if err := meet(conn); err != nil {
		return 0, 0, err
	}
	start, before := time.Now(), conn.Stats()
	if err := f(); err != nil {
		return 0, 0, err
	}
	d := conn.Stats().Sub(before)
	if err := meet(conn); err != nil {
		return 0, 0, err
	}
	return time.Since(start), d.BytesSent + d.BytesReceived, nil
}

// setupCOT makes ready to make correlated OTs with the named extension.
func setupCOT(conn transport.Conn, party int, name string) (*corr.Corr, error) {
	ext, err := corr.Named(name, string(otparams.Ristretto))
	if err != nil {
		return nil, err
	}
	return corr.Setup(conn, party, corr.Config{Ext: ext}, prg.Fresh())
}

// pairOT makes correlated OTs that the client receives.
func pairOT(conn transport.Conn, party int, r *kernelResult) error {
	const n, runs = 1 << 21, 4 // the first run touches the pools' memory
	for _, name := range otparams.Names() {
		c, err := setupCOT(conn, party, name)
		if err != nil {
			return err
		}
		best := kernelRate{}
		for range runs {
			took, bytes, err := timed(conn, func() error {
				if party == share.Client {
					return c.Prefill(0, n)
				}
				return c.Prefill(n, 0)
			})
			if err != nil {
				return err
			}
			rate := newRate("COT, "+name, n, took)
			if rate.Bytes = bytes; rate.PerSecond > best.PerSecond {
				best = rate
			}
			if err := checkOT(conn, party, c, n); err != nil {
				return err
			}
		}
		if r != nil {
			r.Rates = append(r.Rates, best)
		}
	}
	return nil
}

// checkOT empties the pool and opens the first of the COTs.
func checkOT(conn transport.Conn, party int, c *corr.Corr, n int) error {
	const opened = 1024
	if party == share.Server {
		k0, delta, err := c.SenderTake(n)
		if err != nil {
			return err
		}
		msg := delta.Append(nil)
		for _, k := range k0[:opened] {
			msg = k.Append(msg)
		}
		return conn.Send(msg)
	}
	choice, keys, err := c.ReceiverTake(n)
	if err != nil {
		return err
	}
	msg, err := conn.Recv(16 * (opened + 1))
	if err != nil {
		return err
	}
	var delta corr.Block
	for i := range opened + 1 {
		b := corr.Block{}
		for j, x := range msg[16*i : 16*i+16] {
			b[j/8] |= uint64(x) << (j % 8 * 8)
		}
		if i == 0 {
			delta = b
			continue
		}
		if choice[i-1] == 1 {
			b = b.Xor(delta)
		}
		if b != keys[i-1] {
			return errors.New("ot: a correlated OT is wrong")
		}
	}
	return nil
}

// pairCmp compares shared numbers with two cuts each, 11 bits kept of 14, as
// GELU's comparisons do, with all correlations made ahead.
func pairCmp(conn transport.Conn, party int, r *kernelResult) error {
	const n, width, keep, drop, runs = 1 << 17, 26, 11, 3, 4
	cuts := []int64{-640, 384}
	c, err := corr.Setup(conn, party, corr.Config{Ext: corr.SoftSpoken{K: 2}}, prg.Fresh())
	if err != nil {
		return err
	}
	p := ot.New(conn, party, c, prg.Fresh())
	layout := fixed.CmpLayout{Count: 3, Join: fixed.Table}
	price := cost.CmpCost(n, keep, len(cuts), layout)
	rng := rand.New(rand.NewPCG(3, 4)) // both draw the same numbers
	values, x := make([]int64, n), share.NewArith(width, n)
	for i := range values {
		values[i] = rng.Int64N(1<<12) - 1<<11
		mask := rng.Uint64() & z2k.Mask(width)
		if x.V[i] = mask; party == share.Server {
			x.V[i] = (z2k.FromInt(values[i], width) - mask) & z2k.Mask(width)
		}
	}
	given := cuts
	if party == share.Client {
		given = nil
	}
	best := kernelRate{}
	for range runs {
		sends, receives := int(price.COTClientSends), int(price.COTServerSends)
		if party == share.Server {
			sends, receives = receives, sends
		}
		if err := c.Prefill(sends, receives); err != nil {
			return err
		}
		var b share.Bool
		took, bytes, err := timed(conn, func() (err error) {
			b, err = p.Cmp(x, given, len(cuts), ot.CmpOpts{Keep: keep, Drop: drop, Layout: layout})
			return err
		})
		if err != nil {
			return err
		}
		rate := newRate("value, 11 bits, two cuts", n, took)
		if rate.Bytes = bytes; rate.PerSecond > best.PerSecond {
			best = rate
		}
		if party == share.Server {
			if err := conn.Send(b.V); err != nil {
				return err
			}
			continue
		}
		other, err := conn.Recv(len(b.V))
		if err != nil {
			return err
		}
		for i, bit := range b.V {
			v, cut := values[i/len(cuts)], cuts[i%len(cuts)]
			if got := bit^other[i] == 1; got != (v >= cut) && (v < cut || v >= cut+1<<drop) { // nimbus:public a benchmark opens its random bits
				return errors.New("cmp: a comparison is wrong")
			}
		}
	}
	if r != nil {
		r.Rates = append(r.Rates, best)
	}
	return nil
}
