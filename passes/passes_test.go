package passes

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nimbus/internal/golden"
	"nimbus/ir"
	"nimbus/ir/parser"
	"nimbus/ir/weights"
)

// parse reads and verifies a module.
func parse(t *testing.T, name, src string) *ir.Module {
	t.Helper()
	m, err := parser.Parse(name, src)
	if err != nil {
		t.Fatal(err)
	}
	if errs := ir.Verify(m); len(errs) > 0 {
		t.Fatal(errs[0])
	}
	return m
}

// TestGolden runs every pass over in.ir of each archive in its folder.
func TestGolden(t *testing.T) {
	for _, p := range All() {
		t.Run(p.Name, func(t *testing.T) {
			golden.Run(t, filepath.Join("testdata", p.Name, "*.txtar"), func(t *testing.T, c *golden.Case) {
				m := parse(t, c.Path, c.Text("in.ir"))
				if err := Run(m, []Pass{p}, options(t, c), nil); err != nil {
					t.Fatal(err)
				}
				c.Check("out.ir", m.String())
			})
		})
	}
}

// options are the defaults but for two parts, and what an archive says of ranges
// and weights.
func options(t *testing.T, c *golden.Case) *Options {
	o := &Options{Parts: 2, Hidden: func(*ir.Weight, []float64) {}}
	if c.Has("range") {
		o.Range = Range(strings.TrimSpace(c.Text("range")))
	}
	if c.Has("weights.json") {
		src := weights.Map{}
		if err := json.Unmarshal([]byte(c.Text("weights.json")), &src); err != nil {
			t.Fatal(err)
		}
		o.Source = src
	}
	return o
}

// TestErrors runs the passes named in the archive and expects the error.
func TestErrors(t *testing.T) {
	golden.Run(t, "testdata/errors/*.txtar", func(t *testing.T, c *golden.Case) {
		ps, err := ByName(strings.TrimSpace(c.Text("passes")))
		if err != nil {
			t.Fatal(err)
		}
		err = Run(parse(t, filepath.Base(c.Path), c.Text("in.ir")), ps, options(t, c), nil)
		if err == nil {
			t.Fatal("no error")
		}
		c.Check("error", err.Error()+"\n")
	})
}

func TestValidate(t *testing.T) {
	if err := Validate(Default(), ir.StageNN); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ list, want string }{
		{"quantize,fold-scale", "wants stage nn"},
		{"approximate,expand", "must run before approximate"},
		{"insert-trunc", "wants stage fx"},
	} {
		ps, err := ByName(c.list)
		if err != nil {
			t.Fatal(err)
		}
		if err := Validate(ps, ir.StageNN); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.list, err, c.want)
		}
	}
	if _, err := ByName("dce,nonesuch"); err == nil {
		t.Error("an unknown pass was accepted")
	}
}

func TestEdit(t *testing.T) {
	for _, c := range []struct{ edits, want string }{
		{"+divide-late", "expand,divide-late,dce"},
		{"-dce, +tidy,+fuse-qkv", "expand,fuse-qkv,tidy"},
		{"-quantize", `edit "-quantize": the pipeline has no such pass`},
		{"dce", `edit "dce": want +name to add a pass or -name to take one out`},
		{"+-dce", `edit "+-dce": want +name to add a pass or -name to take one out`},
		{"+nonesuch", "unknown pass \"nonesuch\"; `nimbusc help passes` lists them"},
	} {
		got := ""
		ps, err := Edit([]Pass{Expand, DCE}, c.edits)
		for i, p := range ps {
			got += strings.Repeat(",", min(i, 1)) + p.Name
		}
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.edits, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	var names []string
	for _, p := range All() {
		title, more, _ := strings.Cut(p.Doc, "\n")
		if p.Name == "" || title == "" || strings.HasSuffix(title, ".") || title != strings.ToLower(title[:1])+title[1:] {
			t.Errorf("pass %q: doc title %q", p.Name, title)
		}
		if strings.TrimSpace(more) == "" {
			t.Errorf("pass %s does not say why it exists", p.Name)
		}
		names = append(names, p.Name)
	}
	for _, c := range order {
		if !slices.Contains(names, c.before) || !slices.Contains(names, c.after) || c.why == "" {
			t.Errorf("order row %v names no pass or gives no reason", c)
		}
	}
}
