package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"nimbus/runtime/he"
	"nimbus/runtime/share"
	"nimbus/runtime/transport"
	"nimbus/runtime/vault"
)

// Server is the model owner's side: one plan, its weights, and any number of
// clients, each with a key of its own. Next may be the server of another plan.
type Server struct {
	Program *Program
	Weights Weights
	Bundle  Bundle
	// Inputs are the server's own inputs by parameter name, the same for every
	// run of every client.
	Inputs map[string][]uint64
	// Results gets what each run revealed to the server; may be nil.
	Results func(client Digest, out [][]uint64)
	// Dir is the state folder. Below clients/FINGERPRINT/DIGEST it holds each
	// client's key (mode 0600) and encrypted weights.
	Dir string
	// Next serves another plan to the same clients, such as the model's for longer
	// texts; nil if there is none. Only the first listens: whose plan a client asks
	// for handles it.
	Next *Server
	// MaxKept bounds the bytes that the server keeps of what each client prepared
	// for later runs; 0 keeps nothing.
	MaxKept int64
	// MaxSessions bounds how many clients are served at once; 0 means 64.
	MaxSessions int
	// MaxSession bounds how long one client may stay connected; 0 means 6 hours.
	MaxSession time.Duration
	// Log gets one line per event, without secrets; nil means silence.
	Log func(format string, args ...any)
	// Done gets the report of each finished run; may be nil.
	Done func(*Report)

	mu      sync.Mutex
	clients map[Digest]*clientState
	vaults  map[[2]Digest]*vault.Vault // by client and key
}

// clientState is what the server has for one client. Its fields are set
// before ready is closed.
type clientState struct {
	ready chan struct{}
	err   error
	keys  *he.Keyring
	offer *offer
	path  string // of the artefact

	mu          sync.Mutex
	done, total int // progress of the encryption
}

func (c *clientState) progress(done, total int) {
	c.mu.Lock()
	c.done, c.total = done, total
	c.mu.Unlock()
}

func (sv *Server) logf(format string, args ...any) {
	if sv.Log != nil {
		sv.Log(format, args...)
	}
}

// clientDir is where a client's key and encrypted weights are.
func (sv *Server) clientDir(client Digest) string {
	return filepath.Join(sv.Dir, "clients", client.String(), sv.Program.Digest.String())
}

// Serve accepts clients until ctx ends, each in a goroutine of its own;
// authenticate turns an accepted connection into one whose peer's fingerprint
// is known, or refuses it. A session that fails ends alone. After ctx ends,
// running sessions have grace to finish.
func (sv *Server) Serve(ctx context.Context, l net.Listener, authenticate func(net.Conn) (transport.Conn, Peer, error), grace time.Duration) error {
	limit := sv.MaxSessions
	if limit == 0 {
		limit = 64
	}
	var (
		slots    = make(chan struct{}, limit)
		sessions sync.WaitGroup
		mu       sync.Mutex
		open     = map[net.Conn]bool{}
	)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		raw, err := l.Accept()
		if err != nil {
			if ctx.Err() == nil {
				if ne := net.Error(nil); errors.As(err, &ne) && !errors.Is(err, net.ErrClosed) {
					sv.logf("accept: %v", err)
					select { // out of descriptors, say: it may pass
					case <-time.After(100 * time.Millisecond):
						continue
					case <-ctx.Done():
					}
				} else {
					return fmt.Errorf("accept: %w", err)
				}
			}
			break
		}
		select {
		case slots <- struct{}{}:
		default:
			sv.logf("%s: refused: %d sessions are open", raw.RemoteAddr(), limit)
			raw.Close()
			continue
		}
		mu.Lock()
		open[raw] = true
		mu.Unlock()
		sessions.Add(1)
		go func() {
			defer func() {
				mu.Lock()
				delete(open, raw)
				mu.Unlock()
				raw.Close()
				<-slots
				sessions.Done()
			}()
			sv.welcome(ctx, raw, authenticate)
		}()
	}
	finished := make(chan struct{})
	go func() { sessions.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(grace):
		mu.Lock()
		for raw := range open {
			raw.Close()
		}
		mu.Unlock()
		<-finished
	}
	return nil
}

// welcome serves one accepted connection and logs how it ended.
func (sv *Server) welcome(ctx context.Context, raw net.Conn, authenticate func(net.Conn) (transport.Conn, Peer, error)) {
	who := raw.RemoteAddr().String()
	defer func() {
		if p := recover(); p != nil { // our fault, but the other clients' sessions go on
			sv.logf("%s: %v\n%s", who, p, debug.Stack())
		}
	}()
	conn, peer, err := authenticate(raw)
	if err != nil {
		sv.logf("%s: refused: %v", who, err)
		return
	}
	defer conn.Close()
	longest := sv.MaxSession
	if longest == 0 {
		longest = 6 * time.Hour
	}
	timer := time.AfterFunc(longest, func() { raw.Close() })
	defer timer.Stop()
	who = "client " + peer.Fingerprint.Short()
	if err := sv.Handle(ctx, conn, peer); err != nil {
		sv.logf("%s: session failed: %v", who, err)
	}
}

// Handle serves one connection until the client says goodbye or something
// fails.
func (sv *Server) Handle(ctx context.Context, conn transport.Conn, client Peer) error {
	first, err := awaitHello(conn)
	if err != nil {
		// Answer all the same: the client should learn our version.
		sendNow(conn, hello{Version: ProtocolVersion, Party: share.Server, Mode: ModeInfer, Params: paramDigest()}.marshal())
		conn.Close()
		return err
	}
	sv = sv.serving(first.Plan)
	if first.Mode == ModeSetup {
		return sv.setup(ctx, conn, client, first)
	}
	keys, err := sv.keys(client.Fingerprint)
	if err != nil {
		conn.Close()
		return err
	}
	cfg := Config{Party: share.Server, Program: sv.Program, Weights: sv.Weights, Keys: keys, Binding: client.Binding}
	if sv.Results != nil {
		cfg.Results = func(out [][]uint64) { sv.Results(client.Fingerprint, out) }
	}
	s, err := accept(conn, cfg, first)
	if err != nil {
		return err
	}
	s.kept = sv.keeper(client.Fingerprint, keyID(keys))
	runs := 0
	err = s.Serve(sv.Inputs, func(r *Report) {
		runs++
		sv.logf("client %s: run %d: offline %.2f s, online %.2f s, %s, %g rounds",
			client.Fingerprint.Short(), runs, r.Offline.Seconds, r.Online.Seconds, FormatBytes(r.Offline.Bytes()+r.Online.Bytes()), r.Online.Rounds)
		if sv.Done != nil {
			sv.Done(r)
		}
	})
	return err
}

// serving is the server of a plan, or the first, which tells the client what it has.
func (sv *Server) serving(plan Digest) *Server {
	for s := sv; s != nil; s = s.Next {
		if s.Program.Digest == plan {
			return s
		}
	}
	return sv
}

// keys returns the client's keys, nil when it has not been set up.
func (sv *Server) keys(client Digest) (*he.Keyring, error) {
	sv.mu.Lock()
	c := sv.clients[client]
	sv.mu.Unlock()
	if c != nil {
		select {
		case <-c.ready:
			if c.err == nil {
				return c.keys, nil
			}
		default: // setup is under way elsewhere
		}
	}
	return loadKeys(filepath.Join(sv.clientDir(client), keyFile))
}

// setup is the server's side of a setup session.
func (sv *Server) setup(ctx context.Context, conn transport.Conn, client Peer, first hello) error {
	mine := hello{
		Version: ProtocolVersion, Party: share.Server, Mode: ModeSetup,
		Plan: sv.Program.Digest, Params: paramDigest(), Binding: client.Binding,
	}
	if sv.Next != nil {
		mine.Key = sv.Next.Program.Digest
	}
	if err := answerHello(conn, mine, first); err != nil {
		conn.Close()
		return err
	}
	err := sv.serveSetup(ctx, conn, client.Fingerprint)
	if err != nil {
		err = fmt.Errorf("setup: %w", err)
	}
	conn.Close()
	return err
}

func (sv *Server) serveSetup(ctx context.Context, conn transport.Conn, client Digest) error {
	m := measure(conn)
	c := sv.client(client)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	told := false // the client saw a part of the progress, and shall see its end
wait:
	for {
		select {
		case <-c.ready:
			break wait
		case <-ctx.Done():
			sendRefusal(conn, "the server is stopping; run setup again later")
			return ctx.Err()
		case <-tick.C:
			c.mu.Lock()
			done, total := c.done, c.total
			c.mu.Unlock()
			if err := sendStatus(conn, done, total); err != nil {
				return err
			}
			told = told || total > 0
		}
	}
	if told && c.err == nil {
		c.mu.Lock()
		total := c.total
		c.mu.Unlock()
		if err := sendStatus(conn, total, total); err != nil {
			return err
		}
	}
	if c.err != nil {
		// The reason is the server's own business, but for the kind of it.
		sendRefusal(conn, "it could not make the encrypted weights; its log says why")
		return c.err
	}
	if err := sendNow(conn, c.offer.marshal()); err != nil {
		return err
	}
	text := []byte(sv.Program.Text)
	bundle, err := sv.Bundle.Marshal()
	if err != nil {
		return err
	}
	f, err := os.Open(c.path)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, pieceLen)
	for {
		b, err := conn.Recv(requestLen)
		if err != nil {
			return err
		}
		item, offset, n, done, err := parseRequest(b, c.offer)
		if err != nil {
			return err
		}
		if done {
			p := m.phase()
			sv.logf("client %s: setup done: %.2f s, %s sent", client.Short(), p.Seconds, FormatBytes(p.BytesSent))
			return nil
		}
		if err := conn.Drain(window * pieceLen); err != nil {
			return err
		}
		piece := buf[:n]
		switch item {
		case itemPlan:
			copy(piece, text[offset:])
		case itemBundle:
			copy(piece, bundle[offset:])
		case itemArtefact:
			if _, err := f.ReadAt(piece, int64(offset)); err != nil {
				return fmt.Errorf("read encrypted weights: %w", err)
			}
		}
		if err := sendNow(conn, piece); err != nil {
			return err
		}
	}
}

// client returns the state of a client and starts making it unless that has
// happened. A client that could not be prepared is tried anew next time.
func (sv *Server) client(client Digest) *clientState {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if c := sv.clients[client]; c != nil {
		select {
		case <-c.ready:
			if _, err := os.Stat(c.path); c.err == nil && err == nil {
				return c
			}
		default:
			return c
		}
	}
	c := &clientState{ready: make(chan struct{})}
	if sv.clients == nil {
		sv.clients = map[Digest]*clientState{}
	}
	sv.clients[client] = c
	go func() {
		defer close(c.ready)
		defer func() {
			if p := recover(); p != nil {
				c.err = fmt.Errorf("internal error: %v", p)
				sv.logf("client %s: %v\n%s", client.Short(), p, debug.Stack())
			}
		}()
		c.err = sv.prepareClient(client, c)
	}()
	return c
}

// prepareClient finds or makes the client's key and encrypted weights.
func (sv *Server) prepareClient(client Digest, c *clientState) error {
	dir := sv.clientDir(client)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return diskError(err, dir)
	}
	c.path = filepath.Join(dir, artefactFile)
	keys, err := loadKeys(filepath.Join(dir, keyFile))
	if err != nil {
		return err
	}
	if keys == nil || verifyArtefact(c.path, sv.Program, keyID(keys)) != nil {
		// A new key for every artefact: no seed can ever serve twice.
		start := time.Now()
		if keys, err = encryptWeights(dir, sv.Program, sv.Weights, c.progress); err != nil {
			return err
		}
		sv.logf("client %s: weights encrypted in %.2f s", client.Short(), time.Since(start).Seconds())
	}
	c.keys = keys
	bundle, err := sv.Bundle.Marshal()
	if err != nil {
		return err
	}
	o := &offer{Plan: sv.Program.Digest, Key: keyID(keys)}
	o.Size[itemPlan], o.Sum[itemPlan] = sized([]byte(sv.Program.Text))
	o.Size[itemBundle], o.Sum[itemBundle] = sized(bundle)
	sum, size, err := sumFile(c.path)
	if err != nil {
		return err
	}
	o.Size[itemArtefact], o.Sum[itemArtefact] = uint64(size), sum
	c.offer = o
	return nil
}
