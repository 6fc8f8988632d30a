package ir_test

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nimbus/ir"
	"nimbus/ir/parser"
)

var quotedRE = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

var wantRE = regexp.MustCompile(`// want((?: "(?:[^"\\]|\\.)*")+)\s*$`)

// wants reads the comments `// want "regexp" "regexp"` of a file by line.
func wants(text string) map[int][]*regexp.Regexp {
	out := map[int][]*regexp.Regexp{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		m := wantRE.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		for _, q := range quotedRE.FindAllString(m[1], -1) {
			out[n] = append(out[n], regexp.MustCompile(strings.Trim(q, `"`)))
		}
	}
	return out
}

// TestVerify holds the diagnostics of testdata/verify to their want comments:
// every one is expected, and every expected one is given, in order.
func TestVerify(t *testing.T) {
	files, err := filepath.Glob("testdata/verify/*.ir")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, err := parser.Parse(file, string(text))
			if err != nil {
				t.Fatal(err)
			}
			want, last := wants(string(text)), 0
			for _, err := range ir.Verify(m) {
				var d ir.Diagnostic
				if !errors.As(err, &d) {
					t.Fatalf("not a diagnostic: %v", err)
				}
				if d.Pos.Line < last {
					t.Errorf("out of order: %v", err)
				}
				last = d.Pos.Line
				found := false
				for i, re := range want[d.Pos.Line] {
					if re != nil && re.MatchString(d.Msg) {
						want[d.Pos.Line][i], found = nil, true
						break
					}
				}
				if !found {
					t.Errorf("unexpected: %v", err)
				}
			}
			for line, list := range want {
				for _, re := range list {
					if re != nil {
						t.Errorf("%s:%d: nothing matches %q", file, line, re)
					}
				}
			}
		})
	}
}

// TestEveryOpIsRefused wants a refusal of every nn and fx op among the files
// above, and of every plan op that is more than its twin.
func TestEveryOpIsRefused(t *testing.T) {
	refused := map[string]bool{}
	for _, stage := range []string{"nn", "fx", "plan"} {
		text, err := os.ReadFile("testdata/verify/" + stage + ".ir")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`= ([a-z]+\.[a-z0-9_]+) .*// want`).FindAllStringSubmatch(string(text), -1) {
			refused[m[1]] = true
		}
	}
	for _, r := range ir.Rows() {
		_, op, _ := strings.Cut(r.Name, ".")
		if !refused[r.Name] && r.Twin != "fx."+op {
			t.Errorf("no line of testdata/verify refuses %s", r.Name)
		}
	}
}

// TestMessage is the whole of a message, once.
func TestMessage(t *testing.T) {
	m, err := parser.Parse("bert.ir", "module @m attributes {stage = fx} {\n  func @f(%x: tensor<2xfx20.8>) -> tensor<2xfx12.0> {\n    %y = fx.shrink %x {bits = 9} : tensor<2xfx12.0>\n    return %y\n  }\n}")
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Verify().Error(); got != "bert.ir:3:5: @f: fx.shrink: bits = 9 must be 0..8" {
		t.Errorf("got %s", got)
	}
}
