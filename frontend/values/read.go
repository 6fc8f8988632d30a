package values

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A List is an input as it stands in a file, row-major.
type List struct {
	Shape  []int // of a file that states one, else nil: then the numbers are taken in order
	Nested []int // how JSON lists are nested, nil if unevenly
	Reals  []float64
	Whole  []int64  // the same numbers if all of them are whole, else nil
	Blocks [][]byte // instead of numbers: blocks of bytes, given in hexadecimal
	words  []string // of plain text, which may mean either
}

// maxFile bounds what is read into memory.
const maxFile = 1 << 30

// Lone is the name under which Parse returns the one list of a file that names
// none.
const Lone = ""

// Flags reads what -input flags give: JSON itself, a FILE, NAME=FILE, or NAME=X
// with a number or JSON list X. open reads a file; what is the flag's
// name, for errors.
func Flags(what string, args []string, open func(name string) ([]byte, error)) (map[string]List, error) {
	all := map[string]List{}
	for _, arg := range args {
		got, err := flag(what, arg, open)
		if err != nil {
			return nil, err
		}
		for name, l := range got {
			if _, twice := all[name]; twice {
				return nil, fmt.Errorf("%s: %s is given twice", what, called(name))
			}
			all[name] = l
		}
	}
	return all, nil
}

func called(name string) string {
	if name == Lone {
		return "an input without a name"
	}
	return strconv.Quote(name)
}

func flag(what, arg string, open func(string) ([]byte, error)) (map[string]List, error) {
	if t := strings.TrimSpace(arg); strings.HasPrefix(t, "{") || strings.HasPrefix(t, "[") {
		return Parse(what, []byte(arg))
	}
	name, value, named := strings.Cut(arg, "=")
	if !named {
		data, err := open(arg)
		if err != nil {
			return nil, err
		}
		return Parse(arg, data)
	}
	display, data := what, []byte(value)
	if _, err := strconv.ParseFloat(value, 64); err != nil && !strings.HasPrefix(value, "[") {
		if display = value; value == "" {
			return nil, fmt.Errorf("%s: %s=: a file or a number is expected after the equals sign", what, name)
		}
		if data, err = open(value); err != nil {
			return nil, err
		}
	}
	lists, err := Parse(display, data)
	if err != nil {
		return nil, err
	}
	l, ok := lists[Lone]
	if !ok {
		return nil, fmt.Errorf("%s: %s: a JSON object names its inputs itself; leave %q out", what, display, name+"=")
	}
	return map[string]List{strings.TrimPrefix(name, "%"): l}, nil
}

// Open reads a file, or standard input for "-".
func Open(name string, stdin io.Reader) ([]byte, error) {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, plain(err)
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, plain(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: longer than %d MiB", name, maxFile>>20)
	}
	return data, nil
}

// plain is an operating system's error as "NAME: why".
func plain(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	return err
}

// Parse reads a file: a JSON object of lists by name, or one list (a JSON list,
// a NumPy file, plain text) under the name Lone. display is its name in errors.
func Parse(display string, data []byte) (map[string]List, error) {
	if bytes.HasPrefix(data, []byte(npyMagic)) {
		l, err := parseNPY(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", display, err)
		}
		return map[string]List{Lone: l}, nil
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%s: neither a NumPy file nor UTF-8 text; save numbers as .npy, JSON or text in UTF-8", display)
	}
	text := string(bytes.TrimPrefix(data, []byte("\ufeff")))
	switch first := strings.TrimSpace(text); {
	case first == "":
		return nil, fmt.Errorf("%s: it is empty; an input is numbers", display)
	case strings.ContainsRune("{[", rune(first[0])):
		return parseJSON(display, text)
	}
	l, err := parseText(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", display, err)
	}
	return map[string]List{Lone: l}, nil
}

// parseJSON reads an object of lists, or one list.
func parseJSON(display, text string) (map[string]List, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, jsonError(display, text, dec, err)
	}
	object, ok := v.(map[string]any)
	what := "list"
	if ok {
		what = "object"
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: one JSON %s is expected, and more follows", display, what)
	}
	if !ok {
		l, err := listOf(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", display, err)
		}
		return map[string]List{Lone: l}, nil
	}
	out := map[string]List{}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		l, err := listOf(object[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", display, name, err)
		}
		out[strings.TrimPrefix(name, "%")] = l
	}
	return out, nil
}

// jsonError names the place where the JSON is wrong.
func jsonError(display, text string, dec *json.Decoder, err error) error {
	at := dec.InputOffset()
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		at = max(syntax.Offset-1, 0)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		at, err = int64(len(text)), errors.New("the JSON ends early")
	}
	before := text[:min(int(at), len(text))]
	line := 1 + strings.Count(before, "\n")
	col := len(before) - strings.LastIndex(before, "\n")
	return fmt.Errorf("%s:%d:%d: %w", display, line, col, err)
}

var errList = errors.New("a list of numbers is expected")

// listOf flattens nested JSON lists of numbers, or of blocks in hexadecimal.
func listOf(v any) (List, error) {
	var l List
	var numbers []json.Number
	var walk func(v any) (shape []int, even bool, err error)
	walk = func(v any) ([]int, bool, error) {
		switch v := v.(type) {
		case json.Number:
			numbers = append(numbers, v)
			return nil, true, nil
		case bool:
			n := json.Number("0")
			if v {
				n = "1"
			}
			numbers = append(numbers, n)
			return nil, true, nil
		case string:
			b, err := hex.DecodeString(v)
			if err != nil || len(b) == 0 {
				return nil, false, errList
			}
			l.Blocks = append(l.Blocks, b)
			return nil, true, nil
		case []any:
			shape, even := []int{len(v)}, true
			var first []int
			for i, e := range v {
				s, ok, err := walk(e)
				if err != nil {
					return nil, false, err
				}
				if i == 0 {
					first = s
				}
				even = even && ok && slices.Equal(s, first)
			}
			return append(shape, first...), even, nil
		}
		return nil, false, errList
	}
	shape, even, err := walk(v)
	if err != nil {
		return l, err
	}
	if l.Blocks != nil && numbers != nil {
		return l, errors.New("numbers and hexadecimal blocks are mixed")
	}
	if even {
		l.Nested = shape
	}
	return l, l.numbers(numbers)
}

// numbers sets Reals and Whole.
func (l *List) numbers(numbers []json.Number) error {
	l.Whole = []int64{}
	for i, n := range numbers {
		x, err := n.Float64()
		if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
			return fmt.Errorf("element %d is out of range", i)
		}
		l.Reals = append(l.Reals, x)
		if l.Whole == nil {
			continue
		}
		if w, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
			l.Whole = append(l.Whole, w)
		} else {
			l.Whole = nil
		}
	}
	return nil
}

// parseText reads numbers between blanks, commas and line ends; # begins a
// comment. Words of hexadecimal digits may be blocks of bits: the parameter
// decides.
func parseText(text string) (List, error) {
	var l List
	n := 0
	numeric := true
	var numbers []json.Number
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) }) {
			l.words = append(l.words, word)
			if _, err := strconv.ParseFloat(word, 64); err != nil || strings.ContainsAny(word, "xXpP_iInN") {
				if _, err := hex.DecodeString(word); err != nil {
					return l, fmt.Errorf("%d: %q is no number, nor bytes in hexadecimal", n, abbreviated(word))
				}
				numeric = false
			}
			numbers = append(numbers, json.Number(strings.TrimPrefix(word, "+")))
		}
	}
	if len(l.words) == 0 {
		return l, errors.New(" there is no number in it")
	}
	if !numeric {
		return l, nil
	}
	if err := l.numbers(numbers); err != nil { // digits of a block may be too long for a number
		l.Reals, l.Whole = nil, nil
	}
	return l, nil
}

// abbreviated is enough of a word that is no input to find it.
func abbreviated(word string) string {
	if r := []rune(word); len(r) > 12 {
		return string(r[:12]) + "…"
	}
	return word
}
