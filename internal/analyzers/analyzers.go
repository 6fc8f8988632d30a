package analyzers

import (
	"strings"

	"golang.org/x/tools/go/analysis"
)

// All returns every check.
func All() []*analysis.Analyzer {
	return []*analysis.Analyzer{SecretFmt, NoRandom, LattigoImport}
}

const module = "nimbus/"

// inside says whether the package at path is one of dirs, given relative to
// the module, or below one.
func inside(path string, dirs ...string) bool {
	// go vet calls a package's test variant "path [path.test]".
	path, _, _ = strings.Cut(path, " ")
	path = strings.TrimSuffix(path, "_test")
	for _, dir := range dirs {
		if path == module+dir || strings.HasPrefix(path, module+dir+"/") {
			return true
		}
	}
	return false
}
