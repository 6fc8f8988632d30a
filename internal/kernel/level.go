package kernel

// A level is a set of instructions that kernels are written for. A kernel that a level does
// not have is that of the level below; all give the same bits.
type level int

const (
	plain  level = iota // Go
	avx2                // AVX2 with FMA, and AES: Intel since Haswell, AMD since Zen
	avx512              // AVX-512 with IFMA, VBMI, GFNI and VAES: Intel since Ice Lake, AMD since Zen 4
)

// best is the level of this machine. Tests lower it.
var best = detect()

func (l level) String() string { return [...]string{"plain", "avx2", "avx512"}[l] }
