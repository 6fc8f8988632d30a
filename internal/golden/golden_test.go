package golden

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := "testdata"
	if d := os.Getenv("GOLDEN_TEST_DIR"); d != "" {
		dir = d
	}
	Run(t, filepath.Join(dir, "*.txtar"), func(t *testing.T, c *Case) {
		if !strings.HasPrefix(c.Comment, "Letters") || c.Has("no.txt") || !slices.Equal(c.Names(), []string{"in.txt", "out.txt"}) {
			t.Errorf("%q %q", c.Comment, c.Names())
		}
		c.Check("out.txt", strings.ToUpper(c.Text("in.txt")))
	})
	if dir != "testdata" {
		File(t, filepath.Join(dir, "single"), "text\n")
	}
}

// TestUpdate runs this test's binary on a wrong golden file: it fails, then
// repairs the file under -update, then passes.
func TestUpdate(t *testing.T) {
	if os.Getenv("GOLDEN_TEST_DIR") != "" {
		t.Skip("inside itself")
	}
	dir := t.TempDir()
	right, err := os.ReadFile("testdata/upper.txtar")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "upper.txtar")
	if err := os.WriteFile(path, []byte(strings.Replace(string(right), "THREE", "four", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		cmd := exec.Command(os.Args[0], append([]string{"-test.run=^TestRun$"}, args...)...)
		cmd.Env = append(os.Environ(), "GOLDEN_TEST_DIR="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(); err == nil || !strings.Contains(out, "-want +got") || !strings.Contains(out, "THREE") {
		t.Errorf("a wrong golden file passes: %s", out)
	}
	if out, err := run("-update"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := run(); err != nil {
		t.Errorf("after -update: %v: %s", err, out)
	}
	if got, _ := os.ReadFile(path); string(got) != string(right) {
		t.Errorf("-update wrote %s", got)
	}
}
