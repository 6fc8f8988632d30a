package analyzers

import (
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// NoRandom keeps randomness behind one door.
var NoRandom = &analysis.Analyzer{
	Name: "norandom",
	Doc: `report randomness that does not come through internal/prg

Outside tests, runtime/ and internal/ may not import math/rand or math/rand/v2,
whose output an opponent can predict, and only internal/prg and
runtime/transport/tls (certificates) may import crypto/rand: everything else is
given a generator, so that a fixed seed freezes what it sends.`,
	Run: func(pass *analysis.Pass) (any, error) {
		if !inside(pass.Pkg.Path(), "runtime", "internal") {
			return nil, nil
		}
		eachImport(pass, func(path string) string {
			switch path {
			case "math/rand", "math/rand/v2":
				return "must not import " + path + ": take a *prg.PRG"
			case "crypto/rand":
				if !inside(pass.Pkg.Path(), "internal/prg", "runtime/transport/tls") {
					return "must not import " + path + ": take a *prg.PRG"
				}
			}
			return ""
		})
		return nil, nil
	},
}

// LattigoImport keeps lattigo in one package.
var LattigoImport = &analysis.Analyzer{
	Name: "lattigoimport",
	Doc: `report imports of lattigo outside runtime/he

Everything that touches RLWE ciphertexts goes through runtime/he, which checks
parameters, sizes and residues first.`,
	Run: func(pass *analysis.Pass) (any, error) {
		if inside(pass.Pkg.Path(), "runtime/he") {
			return nil, nil
		}
		eachImport(pass, func(path string) string {
			if strings.HasPrefix(path, "github.com/tuneinsight/lattigo/") {
				return "must not import lattigo: only runtime/he may"
			}
			return ""
		})
		return nil, nil
	},
}

// eachImport reports, outside tests, the complaint about an import, if any.
func eachImport(pass *analysis.Pass, complaint func(path string) string) {
	for _, file := range pass.Files {
		if isTest(pass, file.Pos()) {
			continue
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue
			}
			if msg := complaint(path); msg != "" {
				pass.Report(analysis.Diagnostic{Pos: spec.Pos(), End: spec.End(), Message: msg})
			}
		}
	}
}
