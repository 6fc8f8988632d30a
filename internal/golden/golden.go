// Package golden runs golden files: txtar archives under testdata whose comment
// says what should happen and whose files are inputs and expected outputs.
//
// A test that is run with -update rewrites the outputs instead of comparing,
// and the diff is what gets reviewed. The package must not know what the texts
// mean; it is for tests only.
//
// Read first: [Run], [Case.Check], [File].
package golden

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden files instead of comparing with them")

// Updating says whether the test rewrites its golden files.
func Updating() bool { return *update }

// A Case is one archive.
type Case struct {
	Path    string // of the archive
	Comment string // the sentence above the files

	t       *testing.T
	archive *txtar.Archive
	changed bool
}

// Run runs f as a subtest on every archive that matches pattern, such as
// "testdata/*.txtar". It fails if there is none.
func Run(t *testing.T, pattern string, f func(t *testing.T, c *Case)) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatalf("no golden file matches %s", pattern)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		t.Run(name, func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c := &Case{Path: path, Comment: strings.TrimSpace(string(a.Comment)), t: t, archive: a}
			f(t, c)
			if !c.changed || t.Failed() {
				return
			}
			if err := os.WriteFile(path, txtar.Format(a), 0o666); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func (c *Case) find(name string) *txtar.File {
	for i := range c.archive.Files {
		if c.archive.Files[i].Name == name {
			return &c.archive.Files[i]
		}
	}
	return nil
}

// Has says whether the archive has a file of this name.
func (c *Case) Has(name string) bool { return c.find(name) != nil }

// Names returns the names of the files, in order.
func (c *Case) Names() []string {
	var names []string
	for _, f := range c.archive.Files {
		names = append(names, f.Name)
	}
	return names
}

// Text returns the file's text. The test ends if there is none.
func (c *Case) Text(name string) string {
	c.t.Helper()
	f := c.find(name)
	if f == nil {
		c.t.Fatalf("%s has no file %s", c.Path, name)
	}
	return string(f.Data)
}

// Check compares got with the file and fails the test with a diff, or, with
// -update, makes got the file. A last line without newline gets one.
func (c *Case) Check(name, got string) {
	c.t.Helper()
	if got != "" && !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	f := c.find(name)
	switch {
	case *update && f == nil:
		c.archive.Files = append(c.archive.Files, txtar.File{Name: name, Data: []byte(got)})
		c.changed = true
	case *update:
		c.changed = c.changed || string(f.Data) != got
		f.Data = []byte(got)
	case f == nil:
		c.t.Errorf("%s has no file %s: run the test with -update and look at the diff", c.Path, name)
	default:
		if d := cmp.Diff(string(f.Data), got); d != "" {
			c.t.Errorf("%s: %s differs (-want +got):\n%s", c.Path, name, d)
		}
	}
}

// File compares got with the file at path as [Case.Check] does.
func File(t testing.TB, path, got string) {
	t.Helper()
	want, err := os.ReadFile(path)
	if *update {
		if err == nil && bytes.Equal(want, []byte(got)) {
			return
		}
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v: run the test with -update and look at the diff", err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, d)
	}
}
