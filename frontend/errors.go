package frontend

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"nimbus/ir"
)

// An Error is one mistake in a description.
type Error struct {
	Pos ir.Pos
	Msg string
}

func (e Error) Error() string {
	if !e.Pos.IsValid() {
		return e.Msg
	}
	return e.Pos.String() + ": " + e.Msg
}

// Errors are all mistakes found, in the order of the text.
type Errors []Error

func (e Errors) Error() string {
	var lines []string
	for _, one := range e {
		lines = append(lines, one.Error())
	}
	return strings.Join(lines, "\n")
}

// sorted orders by place and drops what was found twice, as in a repeated body.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Col - b.Pos.Col
	})
	return slices.Compact(e)
}

func place(p lexer.Position) ir.Pos { return ir.Pos{File: p.Filename, Line: p.Line, Col: p.Column} }

// grammarName finds the parser's names of grammar rules, as in itemSyntax.
var grammarName = regexp.MustCompile(`\b([A-Z][a-z]+)Syntax\b`)

// syntaxError turns what the parser reports into Errors. Where the parser knows
// only that no statement begins here, it says what could.
func syntaxError(err error) error {
	var p participle.Error
	if !errors.As(err, &p) {
		return err
	}
	msg := strings.TrimPrefix(p.Message(), "lexer: ")
	msg = grammarName.ReplaceAllStringFunc(msg, func(s string) string {
		return strings.ToLower(strings.TrimSuffix(s, "Syntax"))
	})
	if strings.HasPrefix(msg, "unexpected token") && !strings.Contains(msg, "(expected") {
		if at := p.Position(); at.Line == 1 && at.Column == 1 {
			msg += ` (expected "model" <name>)`
		} else {
			msg += " (expected param, require, input, block, repeat, tag, return, output or <name> =)"
		}
	}
	return Errors{{Pos: place(p.Position()), Msg: msg}}
}

// failure is an Error on its way up through evaluation.
func failure(p lexer.Position, format string, args ...any) error {
	return Error{Pos: place(p), Msg: fmt.Sprintf(format, args...)}
}

// errPoisoned says that a mistake reported before is behind this one.
var errPoisoned = errors.New("poisoned")
