package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

// A file is an assembly file in the making.
type file struct {
	*build.Context
}

func newFile() *file {
	f := &file{build.NewContext()}
	f.ConstraintExpr("amd64,!purego")
	f.Package("nimbus/internal/kernel")
	return f
}

// function begins the function that package kernel declares.
func (f *file) function(name string) {
	f.Implement(name)
	f.Attributes(attr.NOSPLIT)
}

// address is where an argument lies.
func (f *file) address(name string) operand.Mem {
	b, err := f.Param(name).Resolve()
	if err != nil {
		panic(fmt.Sprintf("argument %s: %v", name, err))
	}
	return b.Addr
}

// argument loads an argument.
func (f *file) argument(name string) reg.GPVirtual {
	r := f.GP64()
	f.Load(f.Param(name), r)
	return r
}

// everywhere loads an argument of 64 bits into all lanes of a vector.
func (f *file) everywhere(name string, v reg.VecVirtual) reg.VecVirtual {
	f.VPBROADCASTQ(f.address(name), v)
	return v
}

// vectors returns n new registers of one kind.
func vectors(n int, kind func() reg.VecVirtual) []reg.VecVirtual {
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = kind()
	}
	return v
}

// at is the memory disp bytes behind where base points.
func at(base reg.Register, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

// move loads, stores or copies a vector.
func (f *file) move(from, to operand.Op) {
	for _, op := range []operand.Op{from, to} {
		if r, ok := op.(reg.VecVirtual); ok && r.Size() == 64 {
			f.VMOVDQU64(from, to)
			return
		}
	}
	f.VMOVDQU(from, to)
}

// xor sets to to a ⊕ b; a may be in memory.
func (f *file) xor(a operand.Op, b, to reg.VecVirtual) {
	if to.Size() == 64 {
		f.VPXORQ(a, b, to)
	} else {
		f.VPXOR(a, b, to)
	}
}

// bytes is a constant of 64 bytes.
func (f *file) bytes(name string, at func(i int) int) operand.Mem {
	g := f.StaticGlobal(name)
	f.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := range 64 {
		f.AddDatum(i, operand.U8(at(i)))
	}
	return g
}

// words is a constant of eight words of 64 bits.
func (f *file) words(name string, at func(i int) int) operand.Mem {
	g := f.StaticGlobal(name)
	f.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := range 8 {
		f.AddDatum(8*i, operand.I64(at(i)))
	}
	return g
}

// zero clears a vector.
func (f *file) zero(v reg.VecVirtual) {
	if v.Size() < 64 {
		f.VPXOR(v, v, v)
		return
	}
	i, err := x86.VPXORQ(v, v, v)
	if err != nil {
		panic(err)
	}
	i.CancellingInputs = true // avo knows that of VPXOR alone
	f.Instruction(i)
}

// loop repeats body n times, n > 0.
func (f *file) loop(label string, n reg.Register, body func()) {
	f.Label(label)
	body()
	f.DECQ(n)
	f.JNZ(operand.LabelRef(label))
}

// end leaves a function that used wide vectors.
func (f *file) end() {
	f.VZEROUPPER()
	f.RET()
}
