package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"nimbus/runtime/transport/tls"
)

// home is the folder under which default state folders live: NIMBUS_HOME, or
// nimbus in the user's cache folder.
func home() (string, error) {
	if dir := os.Getenv("NIMBUS_HOME"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for keys and weights: %w; set NIMBUS_HOME", err)
	}
	return filepath.Join(dir, "nimbus"), nil
}

// stateDir returns dir, or the default folder of a party when dir is empty.
func stateDir(dir, party string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	h, err := home()
	if err != nil {
		return "", err
	}
	return filepath.Join(h, party), nil
}

// fingerprints is a flag value: fingerprints separated by commas, "@FILE" for
// a file with one a line (# starts a comment); the flag may be repeated.
type fingerprints struct{ list []tls.Fingerprint }

func (f *fingerprints) String() string {
	if f == nil {
		return ""
	}
	parts := make([]string, len(f.list))
	for i, fp := range f.list {
		parts[i] = fp.String()
	}
	return strings.Join(parts, ",")
}

func (f *fingerprints) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if name, ok := strings.CutPrefix(part, "@"); ok {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(data)) {
				line, _, _ = strings.Cut(line, "#")
				if line = strings.TrimSpace(line); line == "" {
					continue
				}
				if err := f.add(line); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			continue
		}
		if err := f.add(part); err != nil {
			return err
		}
	}
	return nil
}

func (f *fingerprints) add(s string) error {
	fp, err := tls.ParseFingerprint(strings.ToLower(s))
	if err != nil {
		return fmt.Errorf("%w, as nimbus-run keygen prints it", err)
	}
	f.list = append(f.list, fp)
	return nil
}
