// Package ir is the one data structure of the compiler and the runtime: a
// module of weights and straight-line functions, with one syntax for its three
// stages.
//
//	nn    the model's own vocabulary: real tensors, exact functions
//	fx    exact arithmetic on clear ring elements: every value is (l, f), an
//	      integer of Z_2^l with f fraction bits; every rounding is an op
//	plan  the same on shares: what two parties execute
//
// Read [Module], [Op] and [Row] first. A Row describes an op: its argument
// lists, attributes, documentation, an example and how its result types follow.
// The tables of rows in ops_nn.go, ops_fx.go and ops_plan.go are the only list
// of ops there is, and [Verify] checks modules against them.
//
// # Text
//
// [Module.String] prints canonically; nimbus/ir/parser reads it back.
//
//	module @m attributes {stage = fx} {
//	  weight @w : tensor<4x3xfx30.10> {owner = server, from = ["dense.weight"], transpose}
//
//	  func @main(%x: tensor<2x4xfx30.8> {owner = client}) -> tensor<2x3xfx20.8> {
//	    %p = fx.matmul %x, @w {layer = 0, part = dense} : tensor<2x3xfx30.18>
//	    %y = fx.shrink %p {bits = 10} : tensor<2x3xfx20.8>
//	    return %y
//	  }
//	}
//
// # Types
//
// tensor<…> is a value in the clear (nn, fx); in a plan public<…> is known to
// both, private<client, …> or private<server, …> to one, ashare<…> is additive
// shares, bshare<…> boolean shares. Elements are f32, fxL.F (0 <= F <= L-2) and iL.
//
// # Attributes
//
// Each row lists its own. Any op may also have layer (integer) and part (word),
// which say where in the model it belongs and are inherited by what replaces it
// ([Func.Rewrite]), and range ([lo, hi], real) with bound (proved, clamped or
// calibrated), which say where the result lies. A weight has owner (nn and fx;
// in a plan its type says it) and a recipe: from, axis, mul, transpose, rows.
// Attributes of modules and functions are free.
//
// # Building
//
//	b := ir.NewBuilder(fn)
//	p := b.Op1("fx.matmul", "p", nil, x, w)
//	y := b.Op1("fx.shrink", "y", ir.A("bits", 10), p)
//	z := b.Op1T("fx.extend", "z", nil, y.Type.WithElem(ir.FxElem(30, 8)), y)
//	b.Return(z)
//
// Result types are inferred, except that rows with Stated must be told. A pass
// that replaces ops walks a function with [Func.Rewrite]; [Builder.At] inserts
// at a place. Names are hints for people and never carry meaning.
//
// The package knows no numbers: not the weights', not how a value is encoded,
// computed or shared. It imports nothing of this module.
package ir
