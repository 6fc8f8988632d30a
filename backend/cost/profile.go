package cost

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A Profile says how long each step takes on a machine, one core a party.
type Profile struct {
	Machine     string
	Nanoseconds [steps]float64
}

// profileFormat and profileVersion begin a profile's file.
const (
	profileFormat  = "nimbus machine profile"
	profileVersion = 1
)

// profileFile is a profile as it is written.
type profileFile struct {
	Format      string             `json:"format"`
	Version     int                `json:"version"`
	Machine     string             `json:"machine"`
	Nanoseconds map[string]float64 `json:"nanoseconds"`
}

//go:embed default.profile
var defaultProfile []byte

// DefaultProfile is the profile of the machine of docs/performance.md.
func DefaultProfile() *Profile {
	p, err := ParseProfile(defaultProfile)
	if err != nil {
		panic(err) // it is embedded, and a test reads it
	}
	return p
}

// maxProfile bounds the bytes of a profile: a hundred lines.
const maxProfile = 64 << 10

// maxNanoseconds bounds a step's time: a second, where the slowest takes a
// thousandth of that.
const maxNanoseconds = 1e9

// ParseProfile reads what [Profile.Write] wrote. The error says what is wrong
// with the file, and never comes from half of a profile: all steps are there, or
// none.
func ParseProfile(data []byte) (*Profile, error) {
	if len(data) > maxProfile {
		return nil, fmt.Errorf("profile: %d bytes, a profile has at most %d", len(data), maxProfile)
	}
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("profile: not JSON: %w; nimbus-run bench -profile FILE writes one", err)
	}
	if head.Format != profileFormat {
		return nil, fmt.Errorf("profile: format is %q, want %q; nimbus-run bench -profile FILE writes one", head.Format, profileFormat)
	}
	if head.Version != profileVersion {
		return nil, fmt.Errorf("profile: version %d, this program reads version %d; measure the machine anew with nimbus-run bench -profile FILE", head.Version, profileVersion)
	}
	var f profileFile
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	p := &Profile{Machine: f.Machine}
	for _, s := range Steps() {
		ns, ok := f.Nanoseconds[s.String()]
		if !ok {
			return nil, fmt.Errorf("profile: no time for %s (%s)", s, s.Doc())
		}
		if !(ns >= 0 && ns <= maxNanoseconds) {
			return nil, fmt.Errorf("profile: %s takes %g ns, want 0 to %g", s, ns, float64(maxNanoseconds))
		}
		p.Nanoseconds[s] = ns
		delete(f.Nanoseconds, s.String())
	}
	if len(f.Nanoseconds) > 0 {
		return nil, fmt.Errorf("profile: unknown step %s", strings.Join(slices.Sorted(maps.Keys(f.Nanoseconds)), ", "))
	}
	return p, nil
}

// Write writes the profile as text that people can read and change.
func (p *Profile) Write(w io.Writer) error {
	machine, err := json.Marshal(p.Machine)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n  \"format\": %q,\n  \"version\": %d,\n  \"machine\": %s,\n  \"nanoseconds\": {", profileFormat, profileVersion, machine)
	for i, s := range Steps() {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n    %q: %.4g", s, p.Nanoseconds[s])
	}
	b.WriteString("\n  }\n}\n")
	_, err = w.Write(b.Bytes())
	return err
}

// A Sample is how long some steps took.
type Sample struct {
	Name    string // for people
	Steps   Counts
	Seconds float64
}

// Fit finds the times of steps, none negative, that explain the samples best:
// least squares of relative errors. Steps that no sample has keep the time that
// base says.
func Fit(base Profile, samples []Sample) *Profile {
	p := base
	seen := [steps]bool{}
	for _, s := range samples {
		for i, n := range s.Steps {
			if n > 0 && !seen[i] {
				seen[i], p.Nanoseconds[i] = true, 0
			}
		}
	}
	// Coordinate descent: each step in turn takes what is best given the others.
	// The problem is convex, small, and each turn improves it.
	const rounds = 20000
	for range rounds {
		most := 0.0
		for i := range p.Nanoseconds {
			if !seen[i] {
				continue
			}
			var top, bottom float64
			for _, s := range samples {
				if s.Steps[i] == 0 || s.Seconds <= 0 {
					continue
				}
				a := float64(s.Steps[i]) * 1e-9 / s.Seconds
				rest := 1 - p.Seconds(s.Steps)/s.Seconds + a*p.Nanoseconds[i]
				top += a * rest
				bottom += a * a
			}
			if bottom == 0 {
				continue
			}
			ns := max(top/bottom, 0)
			if ns > 0 {
				most = max(most, (ns-p.Nanoseconds[i])/ns, (p.Nanoseconds[i]-ns)/ns)
			}
			p.Nanoseconds[i] = ns
		}
		if most < 1e-9 {
			break
		}
	}
	return &p
}
