// Package corrtest deals correlated OTs to both parties of a test, without a
// connection and without cryptography: the trusted third party that the real
// protocol replaces.
//
// The package must not be imported outside tests: whoever knows the seed knows
// all keys.
//
// Read first: [Dealer].
package corrtest

import (
	"fmt"

	"nimbus/internal/kernel"
	"nimbus/internal/prg"
	"nimbus/runtime/corr"
	"nimbus/runtime/transport"
)

// Dealer returns two ends of a session whose COTs are dealt from seed. They
// never run dry, send no message, and may be used from two goroutines. Counts,
// tweaks and the hash are those of a real session.
func Dealer(seed prg.Seed) (client, server *corr.Corr) {
	var ends [2]*corr.Corr
	for party := range ends {
		c, err := corr.Setup(nil, party, corr.Config{Ext: dealer{seed}}, nil)
		if err != nil {
			panic(fmt.Sprintf("corrtest: internal error: %v", err))
		}
		ends[party] = c
	}
	return ends[0], ends[1]
}

// dealer is an extension whose two parties compute from one seed.
type dealer struct {
	seed prg.Seed
}

func (dealer) String() string                    { return "dealer" }
func (dealer) Check() error                      { return nil }
func (dealer) SetupBytes() (int64, int64)        { return 0, 0 }
func (dealer) Bytes(int) (toSender, toRec int64) { return 0, 0 }

// Setup gives both parties the same streams for each direction.
func (d dealer) Setup(_ transport.Conn, party int, _ *prg.PRG) (*corr.Ends, error) {
	root := prg.New(d.seed)
	salt := block(root)
	directions := [2]*direction{newDirection(root), newDirection(root)} // by the party that sends
	return &corr.Ends{
		Sender:   sender{directions[party]},
		Receiver: receiver{directions[1-party]},
		Salt:     salt,
	}, nil
}

type direction struct {
	delta         kernel.Block
	keys, choices *prg.PRG
}

func newDirection(root *prg.PRG) *direction {
	return &direction{block(root), root.Child("keys"), root.Child("choices")}
}

func block(p *prg.PRG) kernel.Block { return kernel.Block{p.Uint64(), p.Uint64()} }

type sender struct{ d *direction }

func (s sender) Delta() kernel.Block { return s.d.delta }

func (s sender) Extend(k0 []kernel.Block) error {
	for j := range k0 {
		k0[j] = block(s.d.keys)
	}
	return nil
}

type receiver struct{ d *direction }

func (r receiver) Extend(keys []kernel.Block, choice []byte) error {
	r.d.choices.Read(choice)
	for j := range keys {
		keys[j] = block(r.d.keys)
		if choice[j/8]>>(j%8)&1 == 1 {
			keys[j] = keys[j].Xor(r.d.delta)
		}
	}
	return nil
}
