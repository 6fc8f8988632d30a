package runtime

import (
	"fmt"

	"nimbus/internal/otparams"
	"nimbus/ir"
	"nimbus/ir/plan"
	"nimbus/runtime/corr"
	"nimbus/runtime/he"
	"nimbus/runtime/share"
)

// Program is a verified plan made ready for execution. It is immutable and
// serves any number of sessions at once.
type Program struct {
	Module *ir.Module
	Text   string // canonical print, what the digest is over
	Digest Digest
	Main   *ir.Func

	// Seq is the length in tokens that the plan was compiled for; zero for a
	// plan that does not say.
	Seq int
	// ClientSends and ServerSends are the exact numbers of correlated OTs that
	// one run consumes, by sender.
	ClientSends, ServerSends int
	// Extension and Base name the OT extension and the base OT.
	Extension, Base string

	// MostOp and MostRun bound, by sender, the bytes that the protocol of one op
	// sends, and those of a run with all that a session does before it. A peer
	// that is ahead by more ends the session. Zero is no bound but the
	// connection's own; whoever makes the program knows the costs.
	MostOp, MostRun [2]int64

	ext corr.Extension
	// saysOTs tells whether ClientSends and ServerSends are what the plan says; a
	// plan written by hand need not.
	saysOTs bool
	pool    int // how many COTs are kept ahead, both directions together

	funcs map[string]*ir.Func
	// weights are what setup encrypts.
	weights []heWeight
	// sessionSets are the parameter sets of which each session makes key pairs.
	sessionSets []string
	// zeros are the encryptions of zero that one run consumes: the client's
	// under the server's keys, and either party's under the other's session
	// keys.
	zeros, sessionZeros he.ZeroNeeds
	// reserves are the correlated OTs that ops of one run reserve, by the party
	// that sends them, in program order.
	reserves [][2]int
	// ahead are the ops of one run that run ahead of its input.
	ahead      []*ir.Op
	keysOnline bool // not all products of shares are among them
	// readers counts the arguments that read a value, so that it can be dropped
	// after the last.
	readers map[*ir.Value]int
}

// NewProgram checks that m can be executed here: it is a plan, this release
// knows every op in it, and main's results are opened.
func NewProgram(m *ir.Module) (*Program, error) {
	if err := plan.Check(m); err != nil {
		return nil, err
	}
	p := &Program{
		Module:      m,
		Text:        m.String(),
		Digest:      Digest(plan.DigestOf(m)),
		Seq:         m.Attrs.Int("seq", 0),
		ClientSends: m.Attrs.Int("cot_client_sends", 0),
		ServerSends: m.Attrs.Int("cot_server_sends", 0),
		Extension:   m.Attrs.Ident("extension", otparams.DefaultExtension),
		Base:        m.Attrs.Ident("base", string(otparams.Ristretto)),
		pool:        maxPool,
		funcs:       map[string]*ir.Func{},
		readers:     map[*ir.Value]int{},
	}
	var err error
	if p.ext, err = corr.Named(p.Extension, p.Base); err != nil {
		return nil, fmt.Errorf("plan %s: %w", m.Name, err)
	}
	_, p.saysOTs = m.Attrs.Get("cot_server_sends")
	for _, f := range m.Funcs {
		p.funcs[f.Name] = f
		for _, o := range f.Body {
			for _, a := range o.Args {
				if a.Value != nil {
					p.readers[a.Value]++
				}
			}
			if err := p.checkOp(f, o); err != nil {
				return nil, err
			}
		}
	}
	p.Main = p.funcs["main"]
	for _, v := range p.Main.Params {
		if v.Type.Kind != ir.Private {
			return nil, fmt.Errorf("plan %s: @main: parameter %%%s is %s, expected private", m.Name, v.Name, v.Type)
		}
	}
	if p.weights, err = heWeights(m); err != nil {
		return nil, err
	}
	p.sessionSets, p.keysOnline = sessionSets(m), needsKeys(m)
	if err := p.eachOp(p.Main, 0, func(o *ir.Op) {
		if isAhead(o) {
			p.ahead = append(p.ahead, o)
		}
		if n, said := reserved(o); said {
			p.reserves = append(p.reserves, n)
		}
	}); err != nil {
		return nil, err
	}
	if err := p.countZeros(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Program) checkOp(f *ir.Func, o *ir.Op) error {
	if o.Name == "return" || o.Callee != "" {
		return nil
	}
	if _, ok := dispatch[o.Name]; !ok {
		return WithHint(fmt.Errorf("plan %s: %s: @%s: this release does not know the op %s", p.Module.Name, o.Pos, f.Name, o.Name),
			"the plan was made by another release of nimbusc; compile it again")
	}
	return nil
}

// OpensTo lists the values that a run opens to a party, "client" or "server", by
// name. A client that did not write the plan wants none that go to the server.
func (p *Program) OpensTo(party string) []string {
	var out []string
	for _, f := range p.Module.Funcs {
		for _, o := range f.Body {
			if to := o.Attrs.Ident("to", ""); o.Name == "io.reveal" && (to == party || to == "both") {
				out = append(out, o.Args[0].String())
			}
		}
	}
	return out
}

// Input is one parameter of main: a private vector of one party.
type Input struct {
	Name  string
	Party int
	Type  ir.Type

	// Range and Norm are what the plan's widths rest on, if it says so: where
	// elements lie, and how long a row of the last axis is at most. A party's own
	// input is held against them before it is used; the peer's nobody sees.
	Range []float64
	Norm  float64
}

// Inputs lists main's parameters in order.
func (p *Program) Inputs() []Input {
	var out []Input
	for _, v := range p.Main.Params {
		party := share.Client
		if v.Type.Party == ir.Server {
			party = share.Server
		}
		out = append(out, Input{v.Name, party, v.Type, v.Attrs.Floats("range"), v.Attrs.Float("norm", 0)})
	}
	return out
}
