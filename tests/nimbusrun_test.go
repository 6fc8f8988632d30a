package tests

import (
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nimbus/internal/golden"
	"nimbus/models"
	"nimbus/runtime"
	"nimbus/runtime/transport/tls"
	"nimbus/tests/shared"
)

// TestNimbusRun runs the scripts of testdata/script against the program, both
// parties as processes. Besides testscript's commands they have:
//
//	listening ADDR      waits until a server accepts connections at ADDR
//	busy VAR            sets VAR to a TCP address that is in use
//	identity DIR AGE    writes an identity to DIR that is valid until AGE from now (-30m: it has expired)
//	garbage ADDR        connects to ADDR and sends nonsense, several times
//	hex FILE HEX        writes the bytes that the digits stand for
//	flip FILE           flips a bit in the middle of FILE
//	agree A B TOLERANCE makes sure that what eval -json (A) and infer -json (B) print are the same numbers
//	wide FILE NOISE     writes the weights of examples/pass-go: a Monarch matrix and so much noise, relative
//	aspredicted FILE    makes sure that a report's ops took what the plan predicts
//
// and the conditions [embedded], the program holds compiled plans, and [shared],
// there is a shared folder with circuits, which SHARED names.
func TestNimbusRun(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "nimbus/cmd/nimbus-run", "nimbus/cmd/nimbusc", "nimbus/examples/pass-go")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	examples, err := filepath.Abs(filepath.Join("..", "examples"))
	if err != nil {
		t.Fatal(err)
	}
	sharedDir := ""
	t.Run("shared", func(t *testing.T) {
		if sharedDir, err = filepath.Abs(shared.Dir(t)); err != nil {
			t.Fatal(err)
		}
	})
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(4 * time.Minute),
		UpdateScripts:       golden.Updating(),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("EXAMPLES", examples)
			env.Setenv("SHARED", sharedDir)
			env.Setenv("NIMBUS_HOME", filepath.Join(env.WorkDir, "home"))
			// The path of a Unix socket may have about a hundred bytes.
			dir, err := os.MkdirTemp("", "nimbus")
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(dir) })
			env.Setenv("ADDR", "unix:"+filepath.Join(dir, "s"))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "shared" {
				_, err := os.Stat(filepath.Join(sharedDir, "data", "bristol"))
				return sharedDir != "" && err == nil, nil
			}
			if cond != "embedded" {
				return false, nil
			}
			dir, err := models.Open("nimbus-sst2-tiny")
			if err != nil {
				return false, err
			}
			f, err := dir.Open("s32.plan")
			if err != nil {
				return false, nil
			}
			return true, f.Close()
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"listening": listeningCmd,
			"busy":      busyCmd,
			"identity":  identityCmd,
			"garbage":   garbageCmd,
			"flip":      flipCmd,
			"hex":       hexCmd,

			"agree":       agreeCmd,
			"wide":        wideCmd,
			"aspredicted": asPredictedCmd,
		},
	})
}

// asPredictedCmd compares the two sides of every row: bytes each way and OTs are
// equal; a round that two ops share is counted for both by the prediction.
func asPredictedCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: aspredicted FILE")
	}
	var report struct{ Runs []*runtime.Report }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &report))
	rows := 0
	for _, r := range report.Runs {
		for _, o := range r.Ops {
			p := o.Predicted
			if p == nil {
				ts.Fatalf("%s %s has no prediction", o.Name, o.Result)
			}
			got := runtime.Prediction{BytesSent: o.BytesSent, BytesReceived: o.BytesReceived, Rounds: p.Rounds, COTClientSends: o.COTClientSends, COTServerSends: o.COTServerSends, Seconds: p.Seconds}
			if got != *p || o.Rounds > p.Rounds || p.Seconds < 0 || (p.Seconds > 0) != (p.Rounds > 0) {
				ts.Fatalf("%s %s took %+v, predicted was %+v", o.Name, o.Result, o, *p)
			}
			rows++
		}
	}
	if rows == 0 {
		ts.Fatalf("%s: no ops", args[0])
	}
}

// wideCmd writes a 32 by 8192 matrix of 4 by 2 blocks of rank 1, and a bias.
func wideCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: wide FILE NOISE")
	}
	noise, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	const p, q, s, t = 4, 8, 4096, 2
	rng := rand.New(rand.NewPCG(1, 2))
	normal := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = rng.NormFloat64()
		}
		return v
	}
	r, l := normal(p*q*t), normal(t*p*s)
	w := make([][]float32, p*q)
	for i := range w {
		w[i] = make([]float32, s*t)
		for j := range w[i] {
			x := 0.3 * (r[i*t+j%t]*l[(j%t*p+i/q)*s+j/t] + noise*rng.NormFloat64())
			w[i][j] = float32(math.Round(x*1e4) / 1e4)
		}
	}
	text, err := json.Marshal(map[string]any{"w": w, "b": make([]float32, s*t)})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}

// agreeCmd compares the numbers of the first line of infer -json with those of
// eval -json.
func agreeCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 || neg {
		ts.Fatalf("usage: agree A B TOLERANCE")
	}
	tolerance, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	type result struct{ Values []float64 }
	var clear []result
	var private struct {
		Logits  []float64
		Results []result
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &clear))
	ts.Check(json.NewDecoder(strings.NewReader(ts.ReadFile(args[1]))).Decode(&private))
	if private.Logits != nil {
		private.Results = []result{{private.Logits}}
	}
	if len(clear) == 0 || len(clear) != len(private.Results) {
		ts.Fatalf("%d results and %d", len(clear), len(private.Results))
	}
	for i, c := range clear {
		p := private.Results[i]
		if len(c.Values) == 0 || len(c.Values) != len(p.Values) {
			ts.Fatalf("result %d: %d numbers and %d", i, len(c.Values), len(p.Values))
		}
		for j := range c.Values {
			if d := math.Abs(c.Values[j] - p.Values[j]); !(d <= tolerance) {
				ts.Fatalf("result %d, number %d: %g and %g", i, j, c.Values[j], p.Values[j])
			}
		}
	}
}

func dialPlain(addr string) (net.Conn, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return net.Dial("unix", path)
	}
	return net.Dial("tcp", addr)
}

func listeningCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: listening ADDR")
	}
	for range 600 {
		if conn, err := dialPlain(args[0]); err == nil {
			conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("nothing listens on %s", args[0])
}

func busyCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: busy VAR")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

func identityCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: identity DIR AGE")
	}
	age, err := time.ParseDuration(args[1])
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	id, err := tls.Generate("test", age)
	ts.Check(err)
	ts.Check(id.Save(filepath.Join(dir, "identity.pem")))
	ts.Check(os.WriteFile(dir+".fp", []byte(id.Fingerprint().String()+"\n"), 0o600))
}

func garbageCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: garbage ADDR")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 4 {
		conn, err := dialPlain(args[0])
		ts.Check(err)
		b := make([]byte, 1000*i)
		for j := range b {
			b[j] = byte(rng.Uint32())
		}
		conn.Write(b) // the server may have hung up already
		conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		io.Copy(io.Discard, conn)
		conn.Close()
	}
}

func flipCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: flip FILE")
	}
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) != 1 {
		ts.Fatalf("%s: %d files", args[0], len(files))
	}
	data, err := os.ReadFile(files[0])
	ts.Check(err)
	data[len(data)/2] ^= 4
	ts.Check(os.WriteFile(files[0], data, 0o600))
}
