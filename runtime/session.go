package runtime

import (
	"errors"
	"fmt"
	"time"

	"nimbus/internal/prg"
	"nimbus/ir"
	"nimbus/runtime/corr"
	"nimbus/runtime/he"
	"nimbus/runtime/ot"
	"nimbus/runtime/share"
	"nimbus/runtime/transport"
	"nimbus/runtime/vault"
)

// The client's requests within a session, one byte each.
const (
	requestPrepare = 1 // make what the next run consumes
	requestRun     = 2
	requestBye     = 3
	requestKeep    = 4 // make it for a later session, see kept.go
	requestRestore = 5 // take it from what earlier sessions kept
)

// Weights are the server's weights by declared name, each encoded for the
// ring of its declaration, row-major.
type Weights map[string][]uint64

// String keeps weights out of logs.
func (w Weights) String() string { return fmt.Sprintf("runtime.Weights(%d redacted)", len(w)) }

// GoString is String.
func (w Weights) GoString() string { return w.String() }

// Config says which side of a session this party is.
type Config struct {
	Party   int // share.Client or share.Server
	Program *Program
	Weights Weights     // server
	Keys    *he.Keyring // server: the keys under which it encrypted weights for this client
	Stock   *Stock      // client: the encrypted weights

	// Results, of a server, gets what each run revealed to it, in the order of
	// main's results (nil where a result is not for this party); may be nil.
	Results func([][]uint64)

	// Vault is where a client keeps what is prepared for later sessions with this
	// server; nil: it keeps nothing. A [Server] opens its own.
	Vault *vault.Vault

	// Binding is the secure channel's value, see Peer.
	Binding Digest

	// Random is where all randomness comes from; nil means fresh from the
	// operating system. Only tests set it.
	Random *prg.PRG
}

// Session is one connection's life as client or server, after setup. It is
// not safe for concurrent use. After its first error it is dead: the
// connection is closed and every secret dropped.
type Session struct {
	party   int
	conn    transport.Conn
	prog    *Program
	weights Weights
	rng     *prg.PRG

	c    *corr.Corr // of the next run: own, or what was kept
	own  *corr.Corr // made in this session; nil before that
	he   heState
	kept keeper

	results func([][]uint64) // of a server, told what a run reveals to it

	// observe, in tests, is told of each op that is done.
	observe func(o *ir.Op)

	start     time.Time
	ops       []OpCount // in program order
	nested    int       // calls
	lanes     uint32    // the number of the last one
	deepest   int       // depth of the run's deepest message
	turns     turns
	protocols []*ot.Protocol // not in use, kept for their memory

	used   [2]int64 // COTs consumed before the run, by the party that sends
	refill Phase    // of the run

	ready   bool // the pools hold what a run consumes, and ahead does
	ahead   []prepared
	offline Phase
	err     error
}

// Connect makes a client session: the handshake, nothing else.
func Connect(conn transport.Conn, cfg Config) (*Session, error) {
	s := newSession(conn, cfg)
	mine := hello{
		Version: ProtocolVersion, Party: share.Client, Mode: ModeInfer,
		Plan: cfg.Program.Digest, Params: paramDigest(), Key: cfg.Stock.keyID(), Binding: cfg.Binding,
	}
	if _, err := greet(conn, mine); err != nil {
		return nil, s.fail(err)
	}
	return s, nil
}

// accept makes a server session from a connection whose client has said
// hello: the second half of the handshake, nothing else.
func accept(conn transport.Conn, cfg Config, peer hello) (*Session, error) {
	s := newSession(conn, cfg)
	mine := hello{
		Version: ProtocolVersion, Party: share.Server, Mode: ModeInfer,
		Plan: cfg.Program.Digest, Params: paramDigest(), Key: keyID(cfg.Keys), Binding: cfg.Binding,
	}
	if err := answerHello(conn, mine, peer); err != nil {
		return nil, s.fail(err)
	}
	return s, nil
}

// Accept makes a server session: it waits for the client's hello and answers.
func Accept(conn transport.Conn, cfg Config) (*Session, error) {
	peer, err := awaitHello(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return accept(conn, cfg, peer)
}

func newSession(conn transport.Conn, cfg Config) *Session {
	rng := cfg.Random
	if rng == nil {
		rng = prg.Fresh()
	}
	s := &Session{party: cfg.Party, conn: conn, prog: cfg.Program, weights: cfg.Weights, results: cfg.Results, rng: rng.Child("session")}
	s.he.keys, s.he.stock = cfg.Keys, cfg.Stock
	if cfg.Stock != nil && cfg.Stock.public != nil {
		s.he.public = cfg.Stock.public.Pooled()
	}
	s.kept.vault = cfg.Vault
	if peer := 1 - cfg.Party; cfg.Program.MostRun[peer] > 0 {
		// The peer may have ended a run and prepared the next.
		conn.Bound(max(cfg.Program.MostOp[peer], 1), 2*cfg.Program.MostRun[peer]+earlySmall)
	}
	return s
}

// earlySmall is room for what the bytes of a plan's messages do not say: what each
// counts for besides (runtime/transport), requests, the handshake.
const earlySmall = 64 << 20

// fail ends the session with its first error and drops its secrets.
func (s *Session) fail(err error) error {
	if s.err == nil {
		s.err = err
		s.drop()
		s.conn.Close()
	}
	return err
}

// endRun ends the reading of what was kept for a run.
func (s *Session) endRun() {
	if s.c != nil {
		s.c.Close()
	}
}

func (s *Session) drop() {
	s.endRun()
	s.c, s.own, s.rng, s.protocols, s.ahead = nil, nil, nil, nil, nil
	s.he = heState{}
	s.weights = nil
}

// errClosed is what a session that was closed in peace answers.
var errClosed = errors.New("session is closed")

// Close ends the session. A client says goodbye.
func (s *Session) Close() error {
	if s.err != nil {
		return nil
	}
	var err error
	if s.party == share.Client {
		err = sendNow(s.conn, []byte{requestBye})
	}
	s.err = errClosed
	s.drop()
	// Everything has been said: how the connection goes down, while the peer
	// closes it too, is of no interest.
	s.conn.Close()
	return err
}

// Prepare does everything that can be done before the input is known: base
// OTs and key exchange once, the correlations that one run consumes, and the
// products that its plan wants ahead. The client calls it; the server's Serve
// answers.
func (s *Session) Prepare() (Phase, error) {
	if s.err != nil {
		return Phase{}, s.err
	}
	m := measure(s.conn)
	if err := sendNow(s.conn, []byte{requestPrepare}); err != nil {
		return Phase{}, s.fail(fmt.Errorf("prepare: send: %w", err))
	}
	if err := s.prepare(); err != nil {
		return Phase{}, s.fail(err)
	}
	p := m.phase()
	s.offline = s.offline.Add(p)
	return p, nil
}

// prepare is Prepare's work, the same on both sides.
func (s *Session) prepare() error {
	if s.ready {
		return nil
	}
	if err := s.inOrder(s.openOTs, s.openKeys, s.fillOTs, s.fillZeros, s.prepareAhead); err != nil {
		return err
	}
	s.ready = true
	return nil
}

func (s *Session) inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// openOTs runs the session's base OTs, once.
func (s *Session) openOTs() error {
	if s.own != nil {
		return nil
	}
	var err error
	if s.own, err = corr.Setup(s.conn, s.party, corr.Config{Ext: s.prog.ext}, s.rng.Child("corr")); err != nil {
		return fmt.Errorf("base OT: %w", err)
	}
	return nil
}

// openKeys exchanges the session's keys, once.
func (s *Session) openKeys() error {
	if err := s.he.open(s); err != nil {
		return fmt.Errorf("key exchange: %w", err)
	}
	return nil
}

// fillOTs makes the correlated OTs of a run, or as many as are kept ahead.
func (s *Session) fillOTs() error {
	s.c = s.own
	if err := s.c.Prefill(s.ownFirst(s.prog.pools())); err != nil {
		return fmt.Errorf("prefill: %w", err)
	}
	return nil
}

// ownFirst turns numbers by the party that sends into those that this party
// sends and receives.
func (s *Session) ownFirst(client, server int) (sends, receives int) {
	if s.party == share.Server {
		return server, client
	}
	return client, server
}

// fillZeros makes encryptions of zero for one run.
func (s *Session) fillZeros() error {
	if err := s.he.prepare(s); err != nil {
		return fmt.Errorf("encryptions of zero: %w", err)
	}
	return nil
}

// Run executes the plan once, as the client, on its inputs by parameter name,
// and returns what was revealed to it, in the order of main's results (nil
// where a result is not for this party).
func (s *Session) Run(inputs map[string][]uint64) ([][]uint64, *Report, error) {
	if s.err != nil {
		return nil, nil, s.err
	}
	for _, in := range s.prog.Inputs() {
		if in.Party != share.Client {
			continue
		}
		if err := checkInput(in, inputs[in.Name]); err != nil {
			return nil, nil, fmt.Errorf("input %%%s: %w", in.Name, err) // nothing was sent: the session lives
		}
	}
	if !s.ready {
		if found, err := s.Restore(); err != nil {
			return nil, nil, err
		} else if !found {
			if _, err := s.Prepare(); err != nil {
				return nil, nil, err
			}
		}
	}
	m := measure(s.conn)
	if err := sendNow(s.conn, []byte{requestRun}); err != nil {
		return nil, nil, s.fail(fmt.Errorf("run: send: %w", err))
	}
	out, rep, err := s.run(m, inputs)
	if err != nil {
		return nil, nil, s.fail(err)
	}
	return out, rep, nil
}

// Serve answers the client's requests until it says goodbye. Each finished
// run is handed to done, which may be nil.
func (s *Session) Serve(inputs map[string][]uint64, done func(*Report)) error {
	if s.err != nil {
		return s.err
	}
	for {
		m := measure(s.conn)
		b, err := s.conn.Recv(1)
		if err != nil {
			return s.fail(fmt.Errorf("request: %w", err))
		}
		m.start = time.Now() // the request's bytes count, the wait for it does not
		switch b[0] {
		case requestPrepare, requestKeep, requestRestore:
			answer := map[byte]func() error{requestPrepare: s.prepare, requestKeep: s.answerKeep, requestRestore: s.answerRestore}
			if err := answer[b[0]](); err != nil {
				return s.fail(err)
			}
			s.offline = s.offline.Add(m.phase())
		case requestRun:
			if !s.ready {
				return s.fail(errors.New("request: the peer wants a run that was not prepared"))
			}
			out, rep, err := s.run(m, inputs)
			if err != nil {
				return s.fail(err)
			}
			if s.results != nil {
				s.results(out)
			}
			if done != nil {
				done(rep)
			}
		case requestBye:
			return s.Close()
		default:
			return s.fail(fmt.Errorf("request: unknown request %d", b[0]))
		}
	}
}

// run executes main once; m began when the run was asked for.
func (s *Session) run(m meter, inputs map[string][]uint64) ([][]uint64, *Report, error) {
	s.ready = false
	s.start, s.ops, s.refill = m.start, nil, Phase{}
	// The client's inputs depend on what it received before it asked, the server's
	// on the question.
	asked := s.conn.Stats().Arrived
	before := asked
	if s.party == share.Server {
		before--
	}
	s.deepest = before + 1
	s.used[share.Client], s.used[share.Server] = s.taken()
	args := make([]result, 0, len(s.prog.Main.Params))
	for _, in := range s.prog.Inputs() {
		v := vector{Type: in.Type}
		if in.Party == s.party {
			v.V = inputs[in.Name]
			if err := checkInput(in, v.V); err != nil {
				return nil, nil, fmt.Errorf("input %%%s: %w", in.Name, err)
			}
		}
		args = append(args, result{v, asked})
	}
	results, err := s.call(s.prog.Main, args)
	if err != nil {
		return nil, nil, err
	}
	s.endRun()
	if n := len(s.ahead); n > 0 {
		return nil, nil, fmt.Errorf("@main: %d products that were made ahead are left: internal error", n)
	}
	out := make([][]uint64, len(results))
	for i, r := range results {
		v, ok := r.value.(vector)
		if !ok {
			return nil, nil, fmt.Errorf("@main: result %d is still shared", i)
		}
		out[i] = v.V
	}
	online := m.phase()
	online.Rounds = float64(s.deepest-before)/2 + s.refill.Rounds
	rep := &Report{
		Party: partyName(s.party), Plan: s.prog.Digest.String(),
		Offline: s.offline, Online: online, Refill: s.refill, Ops: s.ops, PeakRSS: PeakRSS(),
		Prepared: s.kept.report(),
	}
	s.ops, s.offline = nil, Phase{}
	return out, rep, nil
}

// taken counts the correlated OTs consumed so far, by the party that sends.
func (s *Session) taken() (client, server int64) {
	if s.c == nil {
		return 0, 0
	}
	st := s.c.Stats()
	client, server = st.AsSender.Taken, st.AsReceiver.Taken
	if s.party == share.Server {
		client, server = server, client
	}
	return client, server
}
