package analyzers

import (
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
)

func TestAnalyzers(t *testing.T) {
	if err := analysis.Validate(All()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		analyzer *analysis.Analyzer
		packages []string
	}{
		{SecretFmt, []string{"nimbus/leaks", "nimbus/runtime/share", "nimbus/runtime/ot"}},
		{NoRandom, []string{"nimbus/runtime/drawn", "nimbus/runtime/share", "nimbus/internal/prg", "nimbus/passes"}},
		{LattigoImport, []string{"nimbus/runtime/lattice", "nimbus/runtime/he"}},
	} {
		t.Run(c.analyzer.Name, func(t *testing.T) {
			analysistest.Run(t, analysistest.TestData(), c.analyzer, c.packages...)
		})
	}
}
