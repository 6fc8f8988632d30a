package main

import (
	"context"
	"flag"
	"fmt"
)

var keygenCommand = &command{
	Name:  "keygen",
	Args:  "[-out DIR]",
	Short: "make an identity for mutual TLS and print its fingerprint",
	Long: `
The identity is an Ed25519 key with a self-signed certificate, in DIR/identity.pem,
readable by you alone. Give the printed fingerprint to the other party, who passes
it as -trust. DIR is what serve, setup and infer take as -state. Where DIR has an
identity already, it is kept and its fingerprint printed.`,
	Setup: func(fs *flag.FlagSet) func(context.Context, []string) error {
		out := fs.String("out", "", "state folder `DIR` of the party (default client in NIMBUS_HOME)")
		return func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return usagef("unexpected argument %q", args[0])
			}
			dir, err := stateDir(*out, "client")
			if err != nil {
				return err
			}
			id, err := makeIdentity(dir)
			if err != nil {
				return err
			}
			fmt.Println(id.Fingerprint())
			return nil
		}
	},
}
