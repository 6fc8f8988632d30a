package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"nimbus/runtime"
	"nimbus/runtime/vault"
)

var prepareCommand = &command{
	Name:  "prepare",
	Args:  "ADDR [-n N] [-state DIR]",
	Short: "make ahead, and keep, what inferences with a server will use",
	Long: `
Makes with the server what N inferences consume before their input is known, and
keeps it on the disk at both parties, encrypted, each for one use: correlated OTs,
and the matrix products of a plan that was compiled with nimbusc compile -offline.
infer uses it and then makes in the session what is missing. Needs a setup with the
same server.

A state folder that is copied or restored from a backup must not be used at both
places: see docs/threat-model.md.`,
	Setup: func(fs *flag.FlagSet) func(context.Context, []string) error {
		c := clientOptions{}
		c.register(fs)
		c.planFlag(fs)
		n := fs.Int("n", 1, "prepare `N` inferences")
		return func(ctx context.Context, args []string) error {
			switch {
			case len(args) != 1:
				return usagef("%d arguments, expected one, the server's address", len(args))
			case *n < 1 || *n > vault.MaxItems:
				return usagef("-n %d, expected 1 to %d", *n, vault.MaxItems)
			}
			return prepare(ctx, c, args[0], *n)
		}
	},
}

func prepare(ctx context.Context, c clientOptions, addr string, n int) error {
	st, way, err := c.open(addr)
	if err != nil {
		return err
	}
	plans, err := c.plans(st, way.server)
	if err != nil {
		return err
	}
	if len(plans) > 1 {
		return usagef("the server has %d plans: -plan says for which to prepare", len(plans))
	}
	in := plans[0].in
	job, err := newJob(in, plans[0].prog, nil, false)
	if err != nil {
		return err
	}
	defer job.close()
	if job.vault, err = st.Vault(in, job.reader.prog); err != nil {
		return err
	}
	start, done := time.Now(), 0
	bar := newBar(os.Stderr)
	err = way.session(ctx, job.config(), func(s *runtime.Session) error {
		for done < n {
			if _, err := s.Keep(); err != nil {
				return err
			}
			done++
			bar.update(runtime.Progress{Stage: "prepare", Done: int64(done), Total: int64(n)})
		}
		return nil
	})
	state, serr := job.vault.State()
	size, zerr := job.vault.Size()
	if bad := errors.Join(serr, zerr); bad != nil {
		return errors.Join(err, bad)
	}
	fmt.Printf("%d prepared in %.2f s; %d are left to use, %s here\n", done, time.Since(start).Seconds(), len(state.Items), runtime.FormatBytes(size))
	var refused runtime.RefusedError
	if errors.As(err, &refused) && refused.Most > 0 {
		err = runtime.WithHint(err, "use some with nimbus-run infer, or ask the server's owner for a larger serve -prepared")
	}
	return err
}
