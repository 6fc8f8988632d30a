package otparams

import (
	"fmt"
	"slices"
	"strings"
)

// An Extension makes COTs from base OTs: SoftSpoken (Roy, CRYPTO 2022), or Ferret
// (Yang, Weng, Lan, Zhang and Wang, CCS 2020), which starts from some that SoftSpoken
// made.
type Extension struct {
	Name  string
	Field int // SoftSpoken's k: a digit of Δ is an element of F_{2^k}; of Ferret, at its start
	LPN   LPN // zero for SoftSpoken
}

// Silent tells Ferret from SoftSpoken.
func (e Extension) Silent() bool { return e.LPN != (LPN{}) }

// An LPN is a set of parameters of primal LPN over F_2 with regular noise and a local
// code: Trees·2^Depth samples of a secret of 2^LogSecret bits, [CodeWeight] secret bits
// in each, noise of one bit in every 2^Depth.
//
// The table holds all that may be used. Its sets are those of emp-ot
// (emp-ot/tuning.h, May 2026), chosen with the estimator of Yu, Yang, Wang, Wang, Wang,
// Liu, Hao, Dong and Li (lpnestimator.com, 2025) such that every known attack on LPN
// with regular noise takes 2^128 operations: information set decoding and statistical
// decoding (Liu, Wang, Yang and Yu, ePrint 2022/712), regular information set decoding
// (Esser and Santini, ePrint 2023/1568), algebraic (Briaud and Øygarden, EUROCRYPT 2023;
// ePrint 2025/1476) and hybrid attacks (ePrint 2025/1284). docs/threat-model.md has what the
// estimator says of each set. The sets of the Ferret paper are not in the table.
//
// An iteration of Ferret that is cut short gives an attacker a part of the samples and is
// no weaker.
type LPN struct {
	Trees     int // t: noise bits, each in a block of its own
	LogSecret int // log2 of k, the bits of the secret
	Depth     int // log2 of the length of a block
}

// CodeWeight is the number of secret bits that a sample adds up, drawn with replacement.
const CodeWeight = 10

// blockBytes is the size of a key on the wire.
const blockBytes = 16

var extensions = []Extension{
	{Name: "softspoken2", Field: 2},
	{Name: "softspoken4", Field: 4},
	{Name: "softspoken8", Field: 8},
	{Name: "ferret10", Field: 8, LPN: LPN{850, 16, 10}},
	{Name: "ferret11", Field: 8, LPN: LPN{1170, 17, 11}},
	{Name: "ferret12", Field: 8, LPN: LPN{1520, 18, 12}},
	{Name: "ferret13", Field: 8, LPN: LPN{1900, 19, 13}},
}

// DefaultExtension is what a plan that names none uses.
const DefaultExtension = "softspoken4"

// Extensions lists the table, by falling bytes per COT.
func Extensions() []Extension { return slices.Clone(extensions) }

// Names lists the names of the extensions.
func Names() []string {
	var out []string
	for _, e := range extensions {
		out = append(out, e.Name)
	}
	return out
}

// Find returns the extension of a name.
func Find(name string) (Extension, error) {
	for _, e := range extensions {
		if e.Name == name {
			return e, nil
		}
	}
	return Extension{}, fmt.Errorf("no OT extension is called %q; there are %s", name, strings.Join(Names(), ", "))
}

// Check refuses a set that is not in the table.
func (s LPN) Check() error {
	for _, e := range extensions {
		if e.Silent() && e.LPN == s {
			return nil
		}
	}
	return fmt.Errorf("LPN with %d noise bits, a secret of 2^%d bits and blocks of 2^%d is not in the table of secure parameters", s.Trees, s.LogSecret, s.Depth)
}

// Secret is the length of the secret in bits, and in COTs.
func (s LPN) Secret() int { return 1 << s.LogSecret }

// Leaves is the length of a block, which is what one tree makes.
func (s LPN) Leaves() int { return 1 << s.Depth }

// Reserve is the number of COTs that an iteration consumes: the secret, and one per level
// of each tree.
func (s LPN) Reserve() int { return s.Secret() + s.Trees*s.Depth }

// Refill is the number of trees, the last of an iteration, that make the next one's
// reserve.
func (s LPN) Refill() int { return (s.Reserve() + s.Leaves() - 1) / s.Leaves() }

// Usable is the number of trees of an iteration whose COTs are handed out.
func (s LPN) Usable() int { return s.Trees - s.Refill() }

// TreesFor is the number of trees that the first n COTs of a session take, those of the
// refills between them included. A refill is made when the next COT needs it.
func (s LPN) TreesFor(n int64) int64 {
	trees := (n + int64(s.Leaves()) - 1) / int64(s.Leaves())
	if trees == 0 {
		return 0
	}
	return trees + (trees-1)/int64(s.Usable())*int64(s.Refill())
}

// Bytes is what the sender puts on the wire for the first n COTs of a session: one key
// for each level of each tree. The receiver is silent.
func (s LPN) Bytes(n int64) int64 { return s.TreesFor(n) * int64(s.Depth) * blockBytes }

// Start is the set whose first iteration makes the first reserve of s: the smallest one,
// since what SoftSpoken makes is the larger part of a session's start. ok is false for
// that set itself, which starts from SoftSpoken.
func (s LPN) Start() (start LPN, ok bool) {
	start = Smallest().LPN
	return start, s != start
}

// Smallest is Ferret with the smallest set.
func Smallest() Extension { return extensions[slices.IndexFunc(extensions, Extension.Silent)] }

// A Base is a base OT, by its name in a plan.
type Base string

// The base OTs, both the endemic OT of Masny and Rindal (CCS 2019).
const (
	Ristretto Base = "ristretto" // Diffie-Hellman over ristretto255
	MLKEM     Base = "mlkem"     // ML-KEM-768: no known quantum attack
)

// Bases lists the base OTs.
func Bases() []Base { return []Base{Ristretto, MLKEM} }

// FindBase returns the base OT of a name.
func FindBase(name string) (Base, error) {
	if b := Base(name); slices.Contains(Bases(), b) {
		return b, nil
	}
	return "", fmt.Errorf("no base OT is called %q; there are %s and %s", name, Ristretto, MLKEM)
}
