package kernel

import "testing"

// eachLevel calls do with kernels of every level up to this machine's.
func eachLevel(do func(l level)) {
	have := best
	defer func() { best = have }()
	for best = plain; best <= have; best++ {
		do(best)
	}
}

// runLevels is eachLevel with a subtest of each.
func runLevels(t *testing.T, do func(t *testing.T)) {
	eachLevel(func(l level) { t.Run(l.String(), do) })
}

// benchLevels is eachLevel with a benchmark of each.
func benchLevels(b *testing.B, do func(b *testing.B)) {
	eachLevel(func(l level) { b.Run(l.String(), do) })
}

func TestLevel(t *testing.T) {
	if have := detect(); best != have {
		t.Errorf("kernels of level %v on a machine of level %v", best, have)
	}
	t.Logf("level %v", best)
}
