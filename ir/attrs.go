package ir

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A Symbol is an attribute value that names a weight or function, without the @.
type Symbol string

// An Ident is an attribute value that is a bare word.
type Ident string

// An Attr is one name and its value: bool (only true), int64, float64, string,
// Symbol, Ident, or []any of these.
type Attr struct {
	Name  string
	Value any
}

// Attrs keeps its order; it is printed as written.
type Attrs []Attr

// A makes attributes from name, value pairs. Any integer, float or slice type
// is accepted and normalised; a false or nil value is left out.
func A(pairs ...any) Attrs {
	if len(pairs)%2 != 0 {
		panic("ir: internal error: A wants name, value pairs")
	}
	var a Attrs
	for i := 0; i < len(pairs); i += 2 {
		a.Set(pairs[i].(string), pairs[i+1])
	}
	return a
}

// normal returns a copy with every value in normal form.
func (a Attrs) normal() Attrs {
	var out Attrs
	for _, at := range a {
		out.Set(at.Name, at.Value)
	}
	return out
}

// Clone copies a, lists included.
func (a Attrs) Clone() Attrs { return a.normal() }

// Get returns the value and whether it is there.
func (a Attrs) Get(name string) (any, bool) {
	for _, at := range a {
		if at.Name == name {
			return at.Value, true
		}
	}
	return nil, false
}

// Has reports whether the attribute is there.
func (a Attrs) Has(name string) bool { _, ok := a.Get(name); return ok }

// Bool is true if the attribute is there and true.
func (a Attrs) Bool(name string) bool { v, _ := a.Get(name); b, _ := v.(bool); return b }

// Int returns an integer attribute, or def if absent or of another type.
func (a Attrs) Int(name string, def int) int {
	if v, ok := a.Get(name); ok {
		if n, ok := v.(int64); ok {
			return int(n)
		}
	}
	return def
}

// Float returns a number, integers included, or def.
func (a Attrs) Float(name string, def float64) float64 {
	if v, ok := a.Get(name); ok {
		if f, ok := toFloat(v); ok {
			return f
		}
	}
	return def
}

// Str returns a string attribute, or def.
func (a Attrs) Str(name, def string) string {
	if v, ok := a.Get(name); ok {
		if s, ok := v.(string); ok {
			return s
		}
	}
	return def
}

// Ident returns a bare word (or symbol or string) as a string, or def.
func (a Attrs) Ident(name, def string) string {
	v, _ := a.Get(name)
	switch v := v.(type) {
	case Ident:
		return string(v)
	case Symbol:
		return string(v)
	case string:
		return v
	}
	return def
}

// Ints returns a list of integers; nil if absent or anything else.
func (a Attrs) Ints(name string) []int { return listOf(a, name, toInt) }

// Int64s is Ints in 64 bits.
func (a Attrs) Int64s(name string) []int64 {
	return listOf(a, name, func(v any) (int64, bool) { n, ok := v.(int64); return n, ok })
}

// Floats returns a list of numbers, integers included; nil if anything else.
func (a Attrs) Floats(name string) []float64 { return listOf(a, name, toFloat) }

// Strs returns a list of strings or words; nil if anything else.
func (a Attrs) Strs(name string) []string { return listOf(a, name, toStr) }

// FloatLists returns a list of lists of numbers; nil if anything else.
func (a Attrs) FloatLists(name string) [][]float64 {
	return listOf(a, name, func(v any) ([]float64, bool) { return asList(v, toFloat) })
}

// Int64Lists returns a list of lists of integers; nil if anything else.
func (a Attrs) Int64Lists(name string) [][]int64 {
	return listOf(a, name, func(v any) ([]int64, bool) {
		return asList(v, func(v any) (int64, bool) { n, ok := v.(int64); return n, ok })
	})
}

// Set adds or replaces in place. False and nil delete.
func (a *Attrs) Set(name string, value any) {
	v := normalValue(value)
	if v == nil || v == any(false) {
		a.Del(name)
		return
	}
	for i := range *a {
		if (*a)[i].Name == name {
			(*a)[i].Value = v
			return
		}
	}
	*a = append(*a, Attr{Name: name, Value: v})
}

// Del removes an attribute if it is there.
func (a *Attrs) Del(name string) {
	*a = slices.DeleteFunc(*a, func(at Attr) bool { return at.Name == name })
}

// With is a copy of a with one attribute set.
func (a Attrs) With(name string, value any) Attrs {
	c := a.Clone()
	c.Set(name, value)
	return c
}

// Only is a copy of a with the named attributes alone.
func (a Attrs) Only(names ...string) Attrs {
	var out Attrs
	for _, at := range a {
		if slices.Contains(names, at.Name) {
			out.Set(at.Name, at.Value)
		}
	}
	return out
}

// Equal compares names, order and values.
func (a Attrs) Equal(b Attrs) bool { return a.String() == b.String() }

// String is {a = 1, b}, empty for no attributes.
func (a Attrs) String() string {
	if len(a) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteByte('{')
	for i, at := range a {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(at.Name)
		if at.Value != any(true) {
			b.WriteString(" = ")
			printValue(&b, at.Value)
		}
	}
	b.WriteByte('}')
	return b.String()
}

func printValue(b *strings.Builder, v any) {
	switch v := v.(type) {
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(formatFloat(v))
	case string:
		b.WriteString(strconv.Quote(v))
	case Symbol:
		b.WriteString("@" + string(v))
	case Ident:
		b.WriteString(string(v))
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			printValue(b, e)
		}
		b.WriteByte(']')
	default:
		fmt.Fprintf(b, "<%T>", v)
	}
}

// formatFloat prints the shortest text that reads back as f and as a float.
func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".eIN") {
		s += ".0"
	}
	return s
}

// checkValue reports an attribute value that has no text.
func checkValue(v any) error {
	switch v := v.(type) {
	case bool, int64, string:
		return nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%v is not a number", v)
		}
		return nil
	case Symbol:
		if symbolName(string(v)) != string(v) {
			return fmt.Errorf("@%s is not a symbol", v)
		}
		return nil
	case Ident:
		if !isIdent(string(v)) {
			return fmt.Errorf("%q is not a word", string(v))
		}
		return nil
	case []any:
		for _, e := range v {
			if err := checkValue(e); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("a %T cannot be an attribute", v)
}

func normalValue(v any) any {
	switch v := v.(type) {
	case nil, bool, int64, float64, string, Symbol, Ident:
		return v
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Bool:
		return r.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int()
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return int64(r.Uint())
	case reflect.Float32, reflect.Float64:
		return r.Float()
	case reflect.String:
		return r.String()
	case reflect.Slice, reflect.Array:
		list := make([]any, r.Len())
		for i := range list {
			list[i] = normalValue(r.Index(i).Interface())
		}
		return list
	}
	panic(fmt.Sprintf("ir: internal error: a %T cannot be an attribute", v))
}

func toFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	}
	return 0, false
}

func toInt(v any) (int, bool) { n, ok := v.(int64); return int(n), ok }

func toStr(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case Ident:
		return string(v), true
	case Symbol:
		return string(v), true
	}
	return "", false
}

func asList[T any](v any, conv func(any) (T, bool)) ([]T, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]T, len(list))
	for i, e := range list {
		if out[i], ok = conv(e); !ok {
			return nil, false
		}
	}
	return out, true
}

func listOf[T any](a Attrs, name string, conv func(any) (T, bool)) []T {
	v, _ := a.Get(name)
	out, _ := asList(v, conv)
	return out
}
