package frontend

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"nimbus/ir"
)

// An expression's value is an int64, float64, string, bool or []any of
// constants, or an *ir.Value, an *ir.Weight, or []*ir.Value where a block or op
// returns several. poison stands for a value whose mistake is reported already.
type poison struct{}

// constant normalises a value given from outside or checks one computed.
func constant(v any) (any, error) {
	switch v := v.(type) {
	case int64, string, bool:
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%v is not a number", v)
		}
		return v, nil
	case poison, *ir.Value, *ir.Weight, []*ir.Value, nil:
		return nil, fmt.Errorf("want a number, a string or a list, not %s", kindOf(v))
	}
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		return r.Int(), nil
	case r.CanFloat():
		return constant(r.Float())
	case r.Kind() == reflect.Slice:
		list := make([]any, r.Len())
		for i := range list {
			var err error
			if list[i], err = constant(r.Index(i).Interface()); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return nil, fmt.Errorf("want a number, a string or a list, not a %T", v)
}

// kindOf names what v is, for messages.
func kindOf(v any) string {
	switch v := v.(type) {
	case int64:
		return "an integer"
	case float64:
		return "a number"
	case string:
		return "a string"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case *ir.Value:
		return "a " + v.Type.String()
	case *ir.Weight:
		return "weight " + v.Name
	case []*ir.Value:
		return fmt.Sprintf("%d values", len(v))
	}
	return "nothing"
}

// show prints a constant as a description would write it.
func show(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, show(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// showAny is show for constants and kindOf for the rest.
func showAny(v any) string {
	if _, err := constant(v); err == nil {
		return show(v)
	}
	return kindOf(v)
}

// A frame holds the names of one body; up leads to the bodies around it.
type frame struct {
	vars  map[string]any
	up    *frame
	fixed bool // parameters, inputs and block arguments: not to be assigned
	file  bool // the body of the file, not of a block or a repetition
}

func (f *frame) lookup(name string) (any, bool) {
	for ; f != nil; f = f.up {
		if v, ok := f.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// assign updates name where it is known, else adds it here. It returns false
// for a name that is fixed.
func (f *frame) assign(name string, v any) bool {
	for g := f; g != nil; g = g.up {
		if _, ok := g.vars[name]; ok {
			if g.fixed {
				return false
			}
			g.vars[name] = v
			return true
		}
	}
	f.vars[name] = v
	return true
}

// arith computes l op r on constants. Integers stay integers; a division that
// does not come out even gives a number.
func arith(op string, l, r any) (any, error) {
	if a, ok := l.(int64); ok {
		if b, ok := r.(int64); ok {
			return arithInt(op, a, b)
		}
	}
	if list, ok := l.([]any); ok {
		return arithList(op, list, r)
	}
	a, okA := number(l)
	b, okB := number(r)
	if !okA || !okB {
		if s, ok := l.(string); ok && op == "+" {
			if t, ok := r.(string); ok {
				return s + t, nil
			}
		}
		return nil, fmt.Errorf("%s is not defined for %s and %s", op, kindOf(l), kindOf(r))
	}
	var v float64
	switch op {
	case "+":
		v = a + b
	case "-":
		v = a - b
	case "*":
		v = a * b
	case "/":
		v = a / b
	default:
		return nil, fmt.Errorf("%s is defined for integers only", op)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, fmt.Errorf("%s %s %s is not a finite number", show(l), op, show(r))
	}
	return v, nil
}

// arithList joins and repeats lists.
func arithList(op string, l []any, r any) (any, error) {
	switch r := r.(type) {
	case []any:
		if op == "+" {
			return append(l[:len(l):len(l)], r...), nil
		}
	case int64:
		if op == "*" {
			if r < 0 || r*int64(len(l)) > maxOps {
				return nil, fmt.Errorf("a list of %d cannot be repeated %d times: want at most %d elements", len(l), r, maxOps)
			}
			out := make([]any, 0, int(r)*len(l))
			for range r {
				out = append(out, l...)
			}
			return out, nil
		}
	}
	return nil, fmt.Errorf("%s is not defined for %s and %s", op, kindOf(l), kindOf(r))
}

func arithInt(op string, a, b int64) (any, error) {
	const limit = 1 << 31 // so that no product overflows
	if a > limit || a < -limit || b > limit || b < -limit {
		return nil, fmt.Errorf("%d %s %d is out of range", a, op, b)
	}
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	}
	switch {
	case b == 0:
		return nil, fmt.Errorf("division of %d by zero", a)
	case op == "%":
		return a % b, nil
	case a%b == 0:
		return a / b, nil
	}
	return float64(a) / float64(b), nil
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// compare decides l op r: any order of numbers, equality of everything constant.
func compare(op string, l, r any) (bool, error) {
	if a, ok := number(l); ok {
		if b, ok := number(r); ok {
			switch op {
			case "==":
				return a == b, nil
			case "!=":
				return a != b, nil
			case "<":
				return a < b, nil
			case "<=":
				return a <= b, nil
			case ">":
				return a > b, nil
			}
			return a >= b, nil
		}
	}
	if op == "==" || op == "!=" {
		if kindOf(l) == kindOf(r) {
			if _, err := constant(l); err == nil {
				return reflect.DeepEqual(l, r) == (op == "=="), nil
			}
		}
	}
	return false, fmt.Errorf("%s is not defined for %s and %s", op, kindOf(l), kindOf(r))
}
