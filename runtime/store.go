package runtime

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"nimbus/runtime/vault"
)

// A Store is a client's state folder:
//
//	servers.json                     address -> fingerprint, from earlier setups
//	servers/FINGERPRINT/current      digests of the plans last set up, a line each
//	servers/FINGERPRINT/DIGEST/      plan, tokenizer, weights.nwx, done.json
//	servers/FINGERPRINT/DIGEST/prepared/KEY/   what was prepared for later runs
//	prepared.key                     under which that is encrypted
//
// A file ending in .part is an unfinished download.
type Store struct{ Dir string }

const (
	planFile      = "plan"
	tokenizerFile = "tokenizer"
	artefactFile  = "weights.nwx"
	installedFile = "done.json"
	currentFile   = "current"
)

var itemFiles = [itemCount]string{planFile, tokenizerFile, artefactFile}

// Installed is what one finished setup left behind.
type Installed struct {
	Dir    string
	Server Digest // fingerprint
	Plan   Digest
	Key    Digest
}

// installed is the content of done.json.
type installed struct {
	Plan string            `json:"plan"`
	Key  string            `json:"key"`
	Sums map[string]string `json:"sha256"`
}

// PlanText reads the plan.
func (in *Installed) PlanText() (string, error) {
	b, err := os.ReadFile(filepath.Join(in.Dir, planFile))
	return string(b), err
}

// Bundle reads the tokenizer's files.
func (in *Installed) Bundle() (Bundle, error) {
	b, err := os.ReadFile(filepath.Join(in.Dir, tokenizerFile))
	if err != nil {
		return nil, err
	}
	return ParseBundle(b)
}

// Artefact is the path of the encrypted weights.
func (in *Installed) Artefact() string { return filepath.Join(in.Dir, artefactFile) }

// damaged explains what to do about a file that is not what setup stored.
func (in *Installed) damaged(what string) error {
	return WithHint(fmt.Errorf("stored setup is damaged: %s", what),
		fmt.Sprintf("delete the folder %s and run nimbus-run setup again", in.Dir))
}

func (st *Store) serverDir(fingerprint Digest) string {
	return filepath.Join(st.Dir, "servers", fingerprint.String())
}

// Current returns what was last set up with a server: one plan, or all of a
// server's that has several, in its order.
func (st *Store) Current(fingerprint Digest) ([]*Installed, error) {
	names, err := os.ReadFile(filepath.Join(st.serverDir(fingerprint), currentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, WithHint(fmt.Errorf("no setup with this server in %s", st.Dir), "run nimbus-run setup first")
	}
	if err != nil {
		return nil, err
	}
	var all []*Installed
	for _, name := range strings.Fields(string(names)) {
		in, err := st.Find(fingerprint, name)
		if err != nil {
			return nil, err
		}
		all = append(all, in)
	}
	if len(all) == 0 {
		return nil, WithHint(fmt.Errorf("the list of plans in %s is empty", st.serverDir(fingerprint)), "run nimbus-run setup again")
	}
	return all, nil
}

// list notes that in was set up, as the first of a server's plans or behind
// others.
func (st *Store) list(in *Installed, first bool) error {
	path := filepath.Join(st.serverDir(in.Server), currentFile)
	names := []string{in.Plan.String()}
	if !first {
		old, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if known := strings.Fields(string(old)); !slices.Contains(known, names[0]) {
			names = append(known, names[0])
		} else {
			names = known
		}
	}
	return writeFile(path, []byte(strings.Join(names, "\n")), 0o600)
}

// Find returns the finished setup of a plan with a server and checks the
// plan's and the tokenizer's checksums. The weights have checksums of their
// own, which are checked when they are opened.
func (st *Store) Find(fingerprint Digest, plan string) (*Installed, error) {
	in := &Installed{Dir: filepath.Join(st.serverDir(fingerprint), plan), Server: fingerprint}
	data, err := os.ReadFile(filepath.Join(in.Dir, installedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, WithHint(fmt.Errorf("no finished setup of plan %.16s in %s: %w", plan, st.Dir, err), "run nimbus-run setup first")
	}
	if err != nil {
		return nil, err
	}
	var rec installed
	if err := json.Unmarshal(data, &rec); err != nil {
		return nil, in.damaged(installedFile + ": " + err.Error())
	}
	if rec.Plan != plan || !parseDigest(rec.Plan, &in.Plan) || !parseDigest(rec.Key, &in.Key) {
		return nil, in.damaged(installedFile + " does not name this plan")
	}
	for _, name := range []string{planFile, tokenizerFile} {
		sum, _, err := sumFile(filepath.Join(in.Dir, name))
		if err != nil {
			return nil, in.damaged(err.Error())
		}
		if sum.String() != rec.Sums[name] {
			return nil, in.damaged(fmt.Sprintf("%s has checksum %s, expected %.16s", name, sum.Short(), rec.Sums[name]))
		}
	}
	return in, nil
}

// finish records a completed download.
func (st *Store) finish(in *Installed, o *offer) error {
	rec := installed{Plan: o.Plan.String(), Key: o.Key.String(), Sums: map[string]string{}}
	for i, name := range itemFiles {
		rec.Sums[name] = o.Sum[i].String()
	}
	data, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(in.Dir, installedFile), append(data, '\n'), 0o600)
}

// Remember notes the fingerprint of the server at an address.
func (st *Store) Remember(addr string, fingerprint Digest) error {
	known, err := st.addresses()
	if err != nil {
		return err
	}
	if known[addr] == fingerprint.String() {
		return nil
	}
	known[addr] = fingerprint.String()
	data, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(st.Dir, "servers.json"), append(data, '\n'), 0o600)
}

// Lookup returns the fingerprint that setup noted for an address.
func (st *Store) Lookup(addr string) (Digest, error) {
	var fp Digest
	known, err := st.addresses()
	if err != nil {
		return fp, err
	}
	text, ok := known[addr]
	if !ok {
		return fp, WithHint(fmt.Errorf("no server is known at %s", addr),
			"run nimbus-run setup "+addr+" -trust FINGERPRINT first")
	}
	if !parseDigest(text, &fp) {
		return fp, WithHint(fmt.Errorf("the note about the server at %s is damaged", addr),
			"run nimbus-run setup "+addr+" -trust FINGERPRINT again")
	}
	return fp, nil
}

func (st *Store) addresses() (map[string]string, error) {
	known := map[string]string{}
	path := filepath.Join(st.Dir, "servers.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &known)
	}
	if err != nil {
		return nil, WithHint(fmt.Errorf("read %s: %w", path, err), "delete the file and run nimbus-run setup again")
	}
	return known, nil
}

// writeFile replaces a file as a whole, see [vault.Replace].
func writeFile(path string, data []byte, perm fs.FileMode) error {
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = vault.Replace(path, perm, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		}, nil)
	}
	return diskError(err, path)
}

// diskError adds what to do about a full disk.
func diskError(err error, path string) error {
	if errors.Is(err, syscall.ENOSPC) {
		return WithHint(fmt.Errorf("disk full: %w", err),
			fmt.Sprintf("free space for %s and run the same command again; it goes on where it stopped", filepath.Dir(path)))
	}
	return err
}

// sumFile hashes a file.
func sumFile(path string) (Digest, int64, error) {
	var d Digest
	f, err := os.Open(path)
	if err != nil {
		return d, 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return d, 0, err
	}
	h.Sum(d[:0])
	return d, n, nil
}
