package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"nimbus/ir"
	"nimbus/ir/plan"
	"nimbus/runtime"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/tls"
)

var setupCommand = &command{
	Name:  "setup",
	Args:  "ADDR -trust FINGERPRINT [-allow NAMES] [-state DIR]",
	Short: "fetch and check a server's encrypted weights, once",
	Long: `
Downloads the plan, the tokenizer and the weights encrypted for this client, and
keeps them in the state folder, where infer finds them; of a server of several plans,
all of them. An interrupted download
goes on where it stopped; what is there already is not fetched again.

A plan that opens values to the server is refused unless -allow names all of them:
whoever compiled the plan decides what they are, so read it first.`,
	Setup: func(fs *flag.FlagSet) func(context.Context, []string) error {
		c := clientOptions{}
		c.register(fs)
		fs.StringVar(&c.allow, "allow", "", "let the server learn the values of the plan with these `NAMES`, separated by commas")
		return func(ctx context.Context, args []string) error {
			if len(args) != 1 {
				return usagef("%d arguments, expected one, the server's address", len(args))
			}
			bar := newBar(os.Stderr)
			all, err := setup(ctx, c, args[0], bar.update)
			for _, res := range all {
				if res.reused {
					fmt.Printf("setup of plan %s reused, nothing to fetch\n", res.in.Plan.Short())
					continue
				}
				fmt.Printf("setup of plan %s done in %.2f s, %s received\n",
					res.in.Plan.Short(), res.phase.Seconds, runtime.FormatBytes(res.phase.BytesReceived))
			}
			return err
		}
	},
}

// clientOptions are the flags that setup and infer share.
type clientOptions struct {
	trust   fingerprints
	state   string
	allow   string // names of values that the server may learn, of setup
	plan    string // digest or tokens, of infer and prepare
	timeout time.Duration
}

func (c *clientOptions) register(fs *flag.FlagSet) {
	fs.Var(&c.trust, "trust", "the server's `FINGERPRINT` (default: the one that setup noted for ADDR)")
	fs.StringVar(&c.state, "state", "", "state folder `DIR` (default client in NIMBUS_HOME)")
	fs.DurationVar(&c.timeout, "timeout", transport.DefaultTimeout, "give up on a server that is silent for this `DURATION`")
}

// planFlag adds the flag that chooses one of a server's plans.
func (c *clientOptions) planFlag(fs *flag.FlagSet) {
	fs.StringVar(&c.plan, "plan", "", "of a server of several plans take the one for `N` tokens, or whose digest begins so (default: the smallest that holds the input)")
}

// plans are those of what setup has left that -plan allows, for the fewest tokens
// first.
func (c *clientOptions) plans(st *runtime.Store, server tls.Fingerprint) ([]readyPlan, error) {
	all, err := st.Current(runtime.Digest(server))
	if err != nil {
		return nil, err
	}
	var out []readyPlan
	var names []string
	for _, in := range all {
		text, err := in.PlanText()
		if err != nil {
			return nil, err
		}
		prog, err := parsePlan("plan", text)
		if errors.Is(err, plan.ErrVersion) {
			err = runtime.WithHint(err, "run nimbus-run setup again, when the server has a plan of this release")
		}
		if err != nil {
			return nil, err
		}
		names = append(names, fmt.Sprintf("%s for %d tokens", in.Plan.Short(), prog.Seq))
		if c.plan == "" || c.plan == fmt.Sprint(prog.Seq) || len(c.plan) >= 8 && strings.HasPrefix(in.Plan.String(), c.plan) {
			out = append(out, readyPlan{in, prog})
		}
	}
	if len(out) == 0 {
		return nil, usagef("-plan %s is none of the server's: %s", c.plan, strings.Join(names, ", "))
	}
	slices.SortStableFunc(out, func(a, b readyPlan) int { return a.prog.Seq - b.prog.Seq })
	return out, nil
}

// A readyPlan is one that was set up.
type readyPlan struct {
	in   *runtime.Installed
	prog *runtime.Program
}

// open finds the client's store, and its way to the server at addr.
func (c *clientOptions) open(addr string) (*runtime.Store, *route, error) {
	dir, err := stateDir(c.state, "client")
	if err != nil {
		return nil, nil, err
	}
	st, r := &runtime.Store{Dir: dir}, &route{addr: addr, timeout: c.timeout}
	if len(c.trust.list) > 1 {
		return nil, nil, usagef("%d fingerprints given, a server has one", len(c.trust.list))
	}
	if len(c.trust.list) == 1 {
		r.server = c.trust.list[0]
	} else {
		noted, err := st.Lookup(addr)
		if err != nil {
			return nil, nil, err
		}
		r.server = tls.Fingerprint(noted)
	}
	r.id, err = loadIdentity(dir)
	return st, r, err
}

// setupResult is what setup did.
type setupResult struct {
	in     *runtime.Installed
	reused bool
	phase  runtime.Phase
}

// offeredPlan reads a plan that a server offers. The server wrote it, so what it
// opens to the server would be the client's data: such a plan is refused unless
// the client has allowed it by name.
func (c *clientOptions) offeredPlan(text string) (*runtime.Program, error) {
	p, err := parsePlan("plan", text)
	if err != nil {
		return nil, err
	}
	open := p.OpensTo(ir.Server)
	asked := slices.Clone(open)
	for name := range strings.SplitSeq(c.allow, ",") {
		name = "%" + strings.TrimPrefix(strings.TrimSpace(name), "%")
		asked = slices.DeleteFunc(asked, func(v string) bool { return v == name })
	}
	if len(asked) > 0 {
		return nil, runtime.WithHint(fmt.Errorf("it opens %s to the server", strings.Join(asked, ", ")),
			"if the server shall learn that, run setup with -allow "+strings.ReplaceAll(strings.Join(open, ","), "%", "")+"; a plan for private queries opens its result to the client alone")
	}
	return p, nil
}

// maxPlans bounds how many plans a client takes from a server.
const maxPlans = 64

// setup brings the client's store up to what the server at addr offers: all of its
// plans, each over a connection of its own. With an error it returns what was done
// before.
func setup(ctx context.Context, c clientOptions, addr string, progress func(runtime.Progress)) (all []*setupResult, err error) {
	st, r, err := c.open(addr)
	if err != nil {
		return nil, err
	}
	for want := (runtime.Digest{}); ; {
		if len(all) == maxPlans {
			return all, fmt.Errorf("the server has more than %d plans, a client takes no more", maxPlans)
		}
		res, next, err := r.setup(ctx, st, want, c.offeredPlan, progress)
		if err == nil {
			err = st.Remember(addr, runtime.Digest(r.server))
		}
		if err != nil {
			return all, err
		}
		if all = append(all, res); next == (runtime.Digest{}) {
			return all, nil
		}
		want = next
	}
}
