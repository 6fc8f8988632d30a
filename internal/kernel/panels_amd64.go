//go:build amd64 && !purego

package kernel

// vectorPanels says whether the processor can spread rows over panels: both vector kinds.
var vectorPanels = vectorKernel && bitVectors

// panelWords is SetWords for groups groups, stride bytes from one to the next; not 0 where a word is not below q.
//
//go:noescape
func panelWords(dst *uint64, stride int, src *byte, groups int, mask, q uint64) uint64

// panelStored is SetStored for groups groups, whose high parts have step bytes each; it returns the largest upper half.
//
//go:noescape
func panelStored(dst *uint64, stride int, lo, high *byte, groups, step int, f *storedConstants) uint64
