package main

import (
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
	switch {
	case minimise != "" && !f.given:
		return backend.Objective{}, usagef("-minimise goes with -link: without a link, plans take the fewest bytes")
	case minimise != "" && minimise != "online" && minimise != "all":
		return backend.Objective{}, usagef("-minimise is online or all, got %q", minimise)
	case !f.given:
		return backend.Objective{}, nil
	}
	p, err := f.machine()
	return backend.Objective{Profile: p, Link: f.link, All: minimise == "all"}, err
}
