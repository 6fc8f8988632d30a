package tests

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// rules says which package may import which: "a, b < c" lets c import a and b
// and whatever they may import; a list on its own may import nothing of ours.
// It is a statement of policy, in the notation of Go's own deps_test.go, and is
// not changed to make a build pass.
//
// What it buys: the runtime that faces the network contains no compiler; the
// compiler can be tested without cryptography; ir imports nothing, so nothing
// can be circular through it; a protocol can be tested without an IR. The test
// packages transporttest, corrtest, tests/shared and tests/modeltest are below
// nothing: only tests import them.
const rules = `
internal/golden, internal/prg, internal/tensor, internal/z2k, internal/kernel,
internal/rlweparams, internal/otparams, internal/svg, internal/cli, internal/analyzers, ir, models, frontend/tokenizer, frontend/picture,
tests/shared, runtime/transport;

# Arithmetic that compiler and runtime share.
internal/kernel < internal/z2k;
internal/z2k, internal/tensor < internal/fixed;
internal/tensor, internal/rlweparams < internal/packing;

# The compiler.
ir, internal/tensor < ir/parser, frontend;
ir/parser, internal/fixed < ir/plan;
ir, internal/fixed < ir/weights;
ir/weights, ir/plan, internal/prg < ir/eval;
ir/eval < passes;
ir < frontend/synth, frontend/bristol;
frontend/bristol, ir/eval < frontend/values;
frontend, ir/weights, models < frontend/hf;
frontend/hf, frontend/synth, frontend/tokenizer, frontend/picture, frontend/values < frontend/bundle;

ir/plan, internal/packing, internal/fixed, internal/otparams < backend/cost;
backend/cost < backend/params, backend/rules;
passes, backend/params, backend/rules < backend;

# The runtime.
internal/z2k, internal/tensor < runtime/share;
internal/prg, internal/kernel < runtime/corr/baseot;
runtime/transport, runtime/corr/baseot, internal/otparams < runtime/corr;
runtime/corr < runtime/corr/corrtest;
runtime/transport < runtime/transport/mem, runtime/transport/tls;
runtime/transport/mem < runtime/transport/sim, runtime/transport/transporttest;
runtime/share, runtime/corr, internal/fixed < runtime/ot;
internal/packing < runtime/artifact;
runtime/share, runtime/artifact, runtime/transport, internal/packing, internal/prg, internal/kernel < runtime/he;
runtime/share, internal/fixed, internal/prg < runtime/ideal;
internal/prg < runtime/vault;
ir/plan, ir/weights, runtime/ot, runtime/he, runtime/ideal, runtime/vault < runtime;

# The programs.
internal/analyzers < cmd/nimbus-vet;
frontend/bundle, models, ir/parser, backend, runtime, internal/svg, internal/cli,
runtime/transport/sim, runtime/transport/tls < cmd/nimbusc, cmd/nimbus-run;

# For tests of models.
frontend/bundle, models, backend < tests/modeltest;

# A pass as somebody else would write it: of the compiler, what is exported.
frontend/bundle, backend < examples/pass-go;
`

// owners lists the packages that may import a third-party module, or a part of
// one; what is not here may be imported by tests alone.
var owners = map[string][]string{
	"github.com/tuneinsight/lattigo/v5":   {"runtime/he"},
	"github.com/alecthomas/participle/v2": {"frontend", "ir/parser"},
	"github.com/google/go-cmp":            {"internal/golden"},
	"golang.org/x/tools/txtar":            {"internal/golden"},
	"golang.org/x/tools/go/analysis":      {"internal/analyzers", "cmd/nimbus-vet"},
	"golang.org/x/text":                   {"frontend/tokenizer"},
	"golang.org/x/sys":                    {"runtime/artifact", "cmd/nimbus-run"},
	"filippo.io/edwards25519":             {"runtime/corr/baseot"},
}

const module = "nimbus"

// TestImports reads the source files itself, so that the test cache notices
// every edit.
func TestImports(t *testing.T) {
	may, err := parseRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	complaints, err := check(os.DirFS(".."), may)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range complaints {
		t.Error(c)
	}
}

// parseRules returns for each package what it may import.
func parseRules(text string) (map[string]map[string]bool, error) {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	may := map[string]map[string]bool{}
	for _, rule := range strings.Split(strings.Join(lines, "\n"), ";") {
		var below []string
		for i, level := range strings.Split(rule, "<") {
			names := strings.FieldsFunc(level, func(r rune) bool { return strings.ContainsRune(", \n", r) })
			for _, n := range names {
				if may[n] == nil {
					if i == 0 && strings.Contains(rule, "<") {
						return nil, fmt.Errorf("rule %q: %s has no rule before this one", strings.TrimSpace(rule), n)
					}
					may[n] = map[string]bool{}
				}
				for _, b := range below {
					may[n][b] = true
					for p := range may[b] {
						may[n][p] = true
					}
				}
			}
			below = names
		}
	}
	return may, nil
}

// check walks the repository and returns every breach.
func check(repo fs.FS, may map[string]map[string]bool) (complaints []string, err error) {
	seen := map[string]bool{}
	err = fs.WalkDir(repo, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && name != "." && (base == "testdata" || base[0] == '.' || base[0] == '_') {
			return fs.SkipDir
		}
		if _, err := fs.Stat(repo, path.Join(name, "go.mod")); d.IsDir() && name != "." && err == nil {
			return fs.SkipDir // a module of its own: what is built here cannot import it
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		pkg := path.Dir(name)
		if may[pkg] == nil {
			if !seen[pkg] {
				complaints = append(complaints, pkg+": package is not in the rules")
			}
			seen[pkg] = true
			return nil
		}
		seen[pkg] = true
		src, err := fs.ReadFile(repo, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			first, rest, _ := strings.Cut(imp, "/")
			switch {
			case first == module:
				if !may[pkg][rest] {
					complaints = append(complaints, fmt.Sprintf("%s: must not import %s", name, imp))
				}
			case strings.Contains(first, ".") && !allowed(pkg, imp):
				complaints = append(complaints, fmt.Sprintf("%s: must not import %s", name, imp))
			case imp == "C" || imp == "plugin":
				complaints = append(complaints, fmt.Sprintf("%s: must not import %s: the programs are static", name, imp))
			}
		}
		return nil
	})
	return complaints, err
}

func allowed(pkg, imp string) bool {
	for mod, pkgs := range owners {
		if imp == mod || strings.HasPrefix(imp, mod+"/") {
			return slices.Contains(pkgs, pkg)
		}
	}
	return false
}

// TestImportsNotices runs the check on a small repository with every breach.
func TestImportsNotices(t *testing.T) {
	may, err := parseRules("ir, runtime/he, base;\n# a comment, with < and more\nbase < middle < top;")
	if err != nil {
		t.Fatal(err)
	}
	src := func(imports ...string) *fstest.MapFile {
		text := "package p\n"
		for _, i := range imports {
			text += "import _ " + strconv.Quote(i) + "\n"
		}
		return &fstest.MapFile{Data: []byte(text)}
	}
	repo := fstest.MapFS{
		"base/a.go":             src("fmt", "golang.org/x/sys/unix"),
		"base/a_test.go":        src("nimbus/top", "golang.org/x/sys/unix"),
		"middle/a.go":           src("nimbus/base", "nimbus/top"),
		"top/a.go":              src("nimbus/base", "nimbus/middle", "nimbus/ir"),
		"ir/a.go":               src("github.com/tuneinsight/lattigo/v5/ring", "C"),
		"runtime/he/a.go":       src("github.com/tuneinsight/lattigo/v5/ring", "github.com/tuneinsight/lattigo/v55"),
		"new/a.go":              src(),
		"new/b.go":              src(),
		"ir/testdata/a.go":      src("nimbus/top"),
		".hidden/a.go":          src("nimbus/top"),
		"own/go.mod":            &fstest.MapFile{},
		"own/a/a.go":            src("nimbus/top"),
		"middle/testdata/x/a.x": src(),
	}
	got, err := check(repo, may)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"base/a.go: must not import golang.org/x/sys/unix",
		"ir/a.go: must not import C: the programs are static",
		"ir/a.go: must not import github.com/tuneinsight/lattigo/v5/ring",
		"middle/a.go: must not import nimbus/top",
		"new: package is not in the rules",
		"runtime/he/a.go: must not import github.com/tuneinsight/lattigo/v55",
		"top/a.go: must not import nimbus/ir",
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := parseRules("a < b; c < b"); err == nil {
		t.Error("a package that is only ever below another passes")
	}
}
