package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"

	"nimbus/backend"
	"nimbus/backend/cost"
)

// linkFlags say between which machines, and over what, a plan runs.
type linkFlags struct {
	link    cost.Link
	given   bool // -link or -profile
	profile string
}

func (f *linkFlags) flags(fs *flag.FlagSet, usage string) {
	fs.Func("link", usage+": "+cost.LinkNames, func(s string) error {
		f.given = true
		return f.link.Set(s)
	})
	fs.Func("profile", "take the times of steps from `FILE`, as nimbus-run bench -profile writes it (default: those of one core of an AMD EPYC)", func(s string) error {
		f.given, f.profile = true, s
		return nil
	})
}

// machine is the profile asked for.
func (f *linkFlags) machine() (*cost.Profile, error) {
	if f.profile == "" {
		return cost.DefaultProfile(), nil
	}
	data, err := os.ReadFile(f.profile)
	if err != nil {
		return nil, fileError(err)
	}
	p, err := cost.ParseProfile(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.profile, err)
	}
	return p, nil
}

// objective is what to minimise: time over the link, or bytes if no link is
// given.
func (f *linkFlags) objective(minimise string) (backend.Objective, error) {
	byDefault := "bytes"
	if f.given {
		byDefault = "online"
	}
	minimise = cmp.Or(minimise, byDefault)
	if !f.given && minimise != byDefault {
		return backend.Objective{}, usagef("-minimise %s goes with -link: without a link, plans take the fewest bytes", minimise)
	}
	p, err := f.machine()
	if err != nil {
		return backend.Objective{}, err
	}
	o, err := backend.Minimising(minimise, p, f.link)
	if err != nil {
		return o, usagef("-minimise: %v", err)
	}
	return o, nil
}
