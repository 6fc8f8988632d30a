package tests

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"nimbus/ir"
)

// randomForm draws a form of an op, "" for an op that has none beyond its
// example.
func randomForm(rng *rand.Rand, op string) string {
	between := func(lo, hi int) int { return lo + rng.IntN(hi-lo+1) }
	s, d := between(1, 5), between(1, 9)
	l := between(4, 64)
	f := between(0, min(l-2, 12))
	fx := func(kind string, shape string, l, f int) string {
		return fmt.Sprintf("%s<%sxfx%d.%d>", kind, shape, l, f)
	}
	sd := fmt.Sprintf("%dx%d", s, d)
	x := fx("ashare", sd, l, f)
	ahead := []string{"", ", ahead"}[rng.IntN(2)]
	switch op {
	case "ss.add":
		return function("%a: "+x+", %b: "+x, "", "ss.add %a, %b", x)
	case "ss.sub":
		y := x
		if rng.IntN(2) == 0 {
			y = fx("ashare", fmt.Sprintf("%dx1", s), l, f)
		}
		return function("%a: "+x+", %b: "+y, "", "ss.sub %a, %b", x)
	case "ss.sum":
		return function("%a: "+x, "", "ss.sum %a", fx("ashare", fmt.Sprintf("%dx1", s), l, f))
	case "ss.add_bias":
		return function("%a: "+x, "@b : "+fx("private", "server, "+fmt.Sprint(d), l, f), "ss.add_bias %a, @b", x)
	case "ss.shrink":
		bits := between(1, l-3)
		f := max(f, bits)
		if f > l-2 {
			f = l - 2
		}
		bits = min(bits, f)
		return function("%a: "+fx("ashare", sd, l, f), "", fmt.Sprintf("ss.shrink %%a {bits = %d}", bits), fx("ashare", sd, l-bits, f-bits))
	case "ss.reduce":
		to := between(2, l)
		f := min(f, to-2)
		return function("%a: "+fx("ashare", sd, l, f), "", "ss.reduce %a", fx("ashare", sd, to, f))
	case "ot.mux":
		return function("%b: bshare<"+sd+"xi1>, %x: "+x, "", "ot.mux %b, %x", x)
	case "ot.and":
		b := "bshare<" + sd + "xi1>"
		return function("%a: "+b+", %b: "+b, "", "ot.and %a, %b", b)
	case "ss.gather":
		var index []string
		for range between(1, 12) {
			index = append(index, fmt.Sprint(rng.IntN(s+2)))
		}
		return function("%a: "+x+", %b: "+fx("ashare", fmt.Sprintf("2x%d", d), l, f), "",
			"ss.gather %a, %b {index = ["+strings.Join(index, ", ")+"]}", fx("ashare", fmt.Sprintf("%dx%d", len(index), d), l, f))
	case "ss.concat":
		n := between(1, 5)
		return function("%a: "+x+", %b: "+fx("ashare", fmt.Sprintf("%dx%d", s, n), l, f), "",
			"ss.concat %a, %b {axis = 1}", fx("ashare", fmt.Sprintf("%dx%d", s, d+n), l, f))
	case "ot.square":
		to := between(2, l)
		f := min(f, (to-2)/2)
		return function("%x: "+fx("ashare", sd, l, f), "", "ot.square %x"+within(rng, l, ""), fx("ashare", sd, l, 2*f))
	case "ot.trunc":
		l := max(l, 6)
		bits := between(1, l-3)
		f := between(bits, l-2)
		to := between(max(2, f-bits+2), 64)
		return function("%x: "+fx("ashare", sd, l, f), "", fmt.Sprintf("ot.trunc %%x {bits = %d}", bits), fx("ashare", sd, to, f-bits))
	case "ot.extend":
		return function("%x: "+x, "", "ot.extend %x", fx("ashare", sd, between(l, 64), f))
	case "ot.mul_ss":
		f := min(f, (l-2)/2)
		a, y := fx("ashare", sd, l, f), fx("ashare", sd, l, f)
		if rng.IntN(2) == 0 {
			y = fx("ashare", fmt.Sprintf("%dx1", s), l, f)
		}
		return function("%a: "+a+", %b: "+y, "", "ot.mul_ss %a, %b"+within(rng, l, fmt.Sprintf("drop = %d", rng.IntN(3))), fx("ashare", sd, l, 2*f))
	case "ot.mul":
		v := between(2, l)
		g := between(0, min(v-2, l-2-f))
		return function("%x: "+x, "@g : "+fx("private", "server, "+fmt.Sprint(d), v, g), "ot.mul %x, @g", fx("ashare", sd, l, f+g))
	case "ot.cmp":
		cuts := slices.Sorted(slices.Values([]int{rng.IntN(1 << min(l-3, 20)), -1 - rng.IntN(1<<min(l-3, 20))}))[:between(1, 2)]
		drop := rng.IntN(min(l-2, 5))
		list := strings.ReplaceAll(fmt.Sprint(cuts), " ", ", ")
		return function("%x: "+x, "", fmt.Sprintf("ot.cmp %%x {cuts = %s, keep = %d, drop = %d}", list, l-drop, drop), fmt.Sprintf("bshare<%sx%dxi1>", sd, len(cuts)))
	case "ot.max":
		drop := rng.IntN(min(l-2, 4))
		return function("%x: "+x, "", fmt.Sprintf("ot.max %%x {keep = %d, drop = %d}", between(3, l-drop), drop), fx("ashare", fmt.Sprintf("%dx1", s), l, f))
	case "ot.piecewise": // those of the embedded model
		forms := []string{
			`ot.piecewise %x {fn = gelu, cuts = [-224, 0, 224], pieces = [[0], [14, 3064, -16238], [14, 5128, -16238], [1, 0]], keep = 9, drop = 3, width_acc = 24, frac_acc = 20, mid_frac = 10, width_lin = 24}`,
			`ot.piecewise %x {fn = exp, cuts = [-548, -228, -96], pieces = [[0], [7, 7659, 2095072], [39, 22252, 3758861], [87, 31313, 4186269]], nonpositive, keep = 11, drop = 3, width_acc = 24, frac_acc = 22, mid_frac = 12}`,
		}
		form := forms[rng.IntN(len(forms))]
		out := 10 + rng.IntN(3)
		if strings.Contains(form, "mid_frac = 12") {
			out = 12
		}
		return function("%x: "+fx("ashare", sd, 26, 7), "", form, fx("ashare", sd, between(24, 40), out))
	case "ot.recip":
		lo := between(4, 10)
		return function("%x: "+fx("ashare", sd, 27, 12), "", fmt.Sprintf("ot.recip %%x {lo = %d, hi = %d}", lo, between(lo+2, 18)), fx("ashare", sd, 30, 12))
	case "ot.rsqrt":
		lo := between(4, 12)
		return function("%x: "+fx("ashare", sd, 26, 17), "", fmt.Sprintf("ot.rsqrt %%x {lo = %d, hi = %d}", lo, between(lo+2, 22)), fx("ashare", sd, 27, 8))
	case "io.share":
		owner := []string{ir.Client, ir.Server}[rng.IntN(2)]
		return function("%x: "+fx("private", owner+", "+sd, l, f), "", "io.share %x", x)
	case "io.reveal":
		return function("%x: "+x, "", "io.reveal %x {to = client}", fx("private", "client, "+sd, l, f))
	case "he.matmul":
		l := between(20, 44)
		fa, fw := between(0, 8), between(0, 8)
		k, n, m := between(1, 6), between(1, 40), between(1, 5)
		return function("%x: "+fx("ashare", fmt.Sprintf("%dx%d", m, k), l, fa), "@w : "+fx("private", fmt.Sprintf("server, %dx%d", k, n), l, fw),
			fmt.Sprintf("he.matmul %%x, @w {set = n4096, tile = %d, drop_c0 = %d, drop_c1 = %d%s}", between(1, m), rng.IntN(15), rng.IntN(10), ahead),
			fx("ashare", fmt.Sprintf("%dx%d", m, n), l, fa+fw))
	case "he.select":
		cols, rows, tokens := between(1, 40), between(2, 30), between(1, 4)
		typ, types, arg := "", "", ""
		if rng.IntN(2) == 0 {
			typ, types, arg = fmt.Sprintf("; @type : private<server, 2x%dxfx25.13>", cols), fmt.Sprintf(", %%types: private<client, %dxi32>", tokens), "%types, "
		}
		op := "he.select %ids, " + arg + "@word" + map[bool]string{true: ", @type"}[typ != ""]
		return function(fmt.Sprintf("%%ids: private<client, %dxi32>", tokens)+types, fmt.Sprintf("@word : private<server, %dx%dxfx25.13>", rows, cols)+typ,
			op+fmt.Sprintf(" {set = n2048, drop_c0 = %d, drop_c1 = %d}", rng.IntN(10), rng.IntN(8)), fmt.Sprintf("ashare<%dx%dxfx25.13>", tokens, cols))
	case "he.matmul_ss":
		l := between(10, 25)
		h, m, k, n := between(1, 3), between(1, 6), between(1, 6), between(1, 6)
		return function(fmt.Sprintf("%%a: ashare<%dx%dx%dxfx%d.2>, %%b: ashare<%dx%dx%dxfx%d.3>", h, m, k, l, h, k, n, l), "",
			fmt.Sprintf("he.matmul_ss %%a, %%b {set = n2048, tile = [%d, %d, %d, %d], drop_c0 = %d, drop_c1 = %d%s}",
				between(1, m), between(1, k), between(1, n), rng.IntN(2), rng.IntN(8), rng.IntN(8), ahead),
			fmt.Sprintf("ashare<%dx%dx%dxfx%d.5>", h, m, n, l))
	}
	return ""
}

// within is the attributes of a product in a ring of l bits: those given, and
// sometimes a bound of the last argument.
func within(rng *rand.Rand, l int, attrs string) string {
	if k := rng.IntN(l-2) - 1; k >= 3 {
		lo := uniform(rng, -1<<k, 1<<k-8)
		attrs = fmt.Sprintf("within = [%d, %d], ", lo, lo+uniform(rng, 7, 1<<k)) + attrs
	}
	return " {" + strings.TrimSuffix(attrs, ", ") + "}"
}
