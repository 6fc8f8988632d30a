package leaks

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"slices"
	"strconv"

	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

type holder struct{ x share.Arith }

func prints(a share.Arith, b *share.Bool, h holder, p *prg.PRG) error {
	fmt.Println(a.V)                              // want `a secret is printed by fmt.Println`
	fmt.Println(a, b, a.Width, len(a.V), a.Shape) // a share prints as its shape
	log.Printf("%d", b.V[0])                      // want `a secret is printed by log.Printf`
	slog.Info("x", "v", h.x.V[1:2])               // want `a secret is printed by slog.Info`
	slog.Default().Info("x", "v", h.x.V)          // want `a secret is printed by slog.Default\(\).Info`
	_ = strconv.FormatUint(a.V[0]+1, 10)          // want `a secret is printed by strconv.FormatUint`
	s := p.Seed()
	fmt.Println(s)               // a seed prints as a constant
	fmt.Printf("%x", s[:])       // want `a secret is printed by fmt.Printf`
	fmt.Println([32]byte(s))     // want `a secret is printed by fmt.Println`
	fmt.Println([]any{len(a.V)}) // a number of elements
	if len(a.V) == 0 {
		panic(a.V[0]) // want `a secret is printed by panic`
	}
	return errors.New(string(b.V)) // want `a secret is printed by errors.New`
}

func follows(a share.Arith) {
	v := a.V
	w := v[1:]
	x := int64(w[0]) * 3
	fmt.Println(x) // want `a secret is printed by fmt.Println`
	var sum uint64
	for i, e := range a.V {
		sum += e
		fmt.Println(i)
	}
	fmt.Println(sum) // want `a secret is printed by fmt.Println`
	signed := z2k.Signed(a.V[0], a.Width)
	if signed < 0 { // want `a secret is compared`
		return
	}
	out := make([]uint64, len(a.V))
	z2k.Add(out, a.V, a.V, a.Width)
	fmt.Println(len(out), out) // want `a secret is printed by fmt.Println`
	packed := z2k.Pack(nil, a.V, a.Width)
	fmt.Print(packed) // want `a secret is printed by fmt.Print`
	if err := z2k.Unpack(a.V, packed, a.Width); err != nil {
		fmt.Println(err) // an error of the package that owns the format
	}
	n := copy(out, a.V)
	fmt.Println(n)
}

func decides(a share.Arith, b share.Bool, table []int) int {
	if a.V == nil || len(a.V) > 3 {
		return 0
	}
	for a.V[0] > 3 { // want `a secret is compared`
	}
	switch b.V[0] { // want `a branch depends on a secret`
	case 1:
	}
	for range a.V[0] { // want `a loop depends on a secret`
	}
	if slices.Equal(a.V, a.V) || bytes.Equal(b.V, nil) { // want `a secret is compared by slices.Equal` `a secret is compared by bytes.Equal`
		return 1
	}
	_ = slices.MaxFunc(a.V, nil) // want `a secret is compared by slices.MaxFunc`
	_ = a.V[:b.V[0]]             // want `a secret is used as an index`
	return table[b.V[0]]         // want `a secret is used as an index`
}

func revealed(a share.Arith, table []int) int {
	if a.V[0] > 3 { // nimbus:public the value was revealed to both
		return 0
	}
	// nimbus:public
	if a.V[0] > 3 { // want `a secret is compared`
		return 0
	}
	// nimbus:public so was this one
	opened := a.V
	fmt.Println(opened[0])
	// nimbus:public and this
	return table[a.V[0]]
}
