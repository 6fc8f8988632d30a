package analyzers

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// SecretFmt reports secrets that decide or leave.
var SecretFmt = &analysis.Analyzer{
	Name: "secretfmt",
	Doc: `report secrets that are printed, compared, branched on or used as an index

Secret are the contents of share.Arith.V and share.Bool.V and the bytes of a
prg.Seed. Outside the packages that own them (runtime/share, runtime/ot,
runtime/he, runtime/corr, runtime/ideal, internal/prg) and outside tests, no
function may pass them, or what it computes from them, to fmt, log, log/slog,
strconv, errors or panic, compare them, branch on them, or index with them.
Their number, len(x.V), is public, and so is x.V == nil.

The check looks at one function at a time and follows assignments, arithmetic
and the numeric results of calls. Where a value has been revealed on purpose, a
comment at the end of the line, or on the line before, says why:

	if opened[0] > limit { // nimbus:public revealed to the client`,
	Run: runSecretFmt,
}

var secretOwners = []string{"runtime/share", "runtime/ot", "runtime/he", "runtime/corr", "runtime/ideal", "internal/prg"}

// printers are packages all of whose functions show their arguments.
var printers = []string{"fmt", "log", "log/slog", "strconv", "errors", "encoding/json", "encoding/hex", "encoding/base64"}

// comparers are functions whose result or time depends on their arguments.
var comparers = map[string][]string{
	"bytes":   {"Equal", "Compare", "Contains", "Index", "IndexByte", "HasPrefix", "HasSuffix"},
	"reflect": {"DeepEqual"},
	"slices":  {"Equal", "Compare", "Contains", "Index", "Max", "Min", "Sort", "BinarySearch"},
	"sort":    {"Slice", "Sort"},
	"maps":    {"Equal"},
}

const publicMark = "nimbus:public"

func runSecretFmt(pass *analysis.Pass) (any, error) {
	if inside(pass.Pkg.Path(), secretOwners...) {
		return nil, nil
	}
	for _, file := range pass.Files {
		if isTest(pass, file.Pos()) {
			continue
		}
		marked := markedLines(pass, file)
		for _, decl := range file.Decls {
			s := &secrets{pass: pass, info: pass.TypesInfo, tainted: map[types.Object]bool{}, marked: marked}
			s.follow(decl)
			ast.Inspect(decl, s.sinks)
		}
	}
	return nil, nil
}

// secrets follows the secrets of one function.
type secrets struct {
	pass    *analysis.Pass
	info    *types.Info
	tainted map[types.Object]bool // variables that hold a secret
	marked  map[int]bool          // lines where a secret is declared public
}

// follow marks variables until nothing changes.
func (s *secrets) follow(root ast.Node) {
	for before := -1; before != len(s.tainted); {
		before = len(s.tainted)
		ast.Inspect(root, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if s.public(n.Pos()) {
					return true
				}
				for i, left := range n.Lhs {
					right := n.Rhs[min(i, len(n.Rhs)-1)]
					if s.secret(right) || n.Tok != token.ASSIGN && n.Tok != token.DEFINE && s.secret(left) {
						s.mark(left)
					}
				}
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if len(n.Values) > 0 && s.secret(n.Values[min(i, len(n.Values)-1)]) {
						s.mark(name)
					}
				}
			case *ast.RangeStmt:
				if n.Value != nil && s.secret(n.X) {
					s.mark(n.Value)
				}
			case *ast.CallExpr:
				// dst-first functions of z2k and copy write what they read.
				if len(n.Args) > 1 && (s.callee(n, module+"internal/z2k") || s.builtin(n, "copy")) &&
					slices.ContainsFunc(n.Args[1:], s.secret) {
					s.mark(n.Args[0])
				}
			}
			return true
		})
	}
}

// mark makes the variable behind e a holder of secrets, if its type can hold
// numbers.
func (s *secrets) mark(e ast.Expr) {
	for {
		switch x := ast.Unparen(e).(type) {
		case *ast.IndexExpr:
			e = x.X
			continue
		case *ast.SliceExpr:
			e = x.X
			continue
		case *ast.StarExpr:
			e = x.X
			continue
		case *ast.Ident:
			obj := s.info.ObjectOf(x)
			if v, ok := obj.(*types.Var); ok && holdsNumbers(v.Type()) {
				s.tainted[obj] = true
			}
		}
		return
	}
}

// secret says whether e holds a secret.
func (s *secrets) secret(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return s.tainted[s.info.ObjectOf(e)]
	case *ast.SelectorExpr:
		return e.Sel.Name == "V" && (s.is(e.X, "runtime/share", "Arith") || s.is(e.X, "runtime/share", "Bool"))
	case *ast.IndexExpr:
		return s.secret(e.X) || s.is(e.X, "internal/prg", "Seed")
	case *ast.SliceExpr:
		return s.secret(e.X) || s.is(e.X, "internal/prg", "Seed")
	case *ast.StarExpr:
		return s.secret(e.X)
	case *ast.UnaryExpr:
		return s.secret(e.X)
	case *ast.BinaryExpr:
		return !isComparison(e.Op) && (s.secret(e.X) || s.secret(e.Y))
	case *ast.CompositeLit:
		return holdsNumbers(s.info.TypeOf(e)) && slices.ContainsFunc(e.Elts, func(x ast.Expr) bool {
			if kv, ok := x.(*ast.KeyValueExpr); ok {
				x = kv.Value
			}
			return s.secret(x)
		})
	case *ast.CallExpr:
		if tv := s.info.Types[e.Fun]; tv.IsType() {
			return s.secret(e.Args[0]) || s.is(e.Args[0], "internal/prg", "Seed") && !s.is(e, "internal/prg", "Seed")
		}
		if s.builtin(e, "len") || s.builtin(e, "cap") || s.builtin(e, "copy") || s.builtin(e, "make") {
			return false
		}
		t := s.info.TypeOf(e)
		if t == nil || !holdsNumbers(t) {
			tuple, ok := t.(*types.Tuple)
			if !ok || tuple.Len() == 0 || !holdsNumbers(tuple.At(0).Type()) {
				return false
			}
		}
		return slices.ContainsFunc(e.Args, s.secret)
	}
	return false
}

// sinks reports every place in n where a secret must not be.
func (s *secrets) sinks(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		if !slices.ContainsFunc(n.Args, s.secret) {
			break
		}
		name := calleeName(n)
		switch {
		case s.callee(n, printers...) || s.builtin(n, "panic") || s.builtin(n, "print") || s.builtin(n, "println"):
			s.report(n, "a secret is printed by "+name)
		case s.compares(n):
			s.report(n, "a secret is compared by "+name)
		}
	case *ast.BinaryExpr:
		if isComparison(n.Op) && (s.secret(n.X) || s.secret(n.Y)) && !s.isNil(n.X) && !s.isNil(n.Y) {
			s.report(n, "a secret is compared")
		}
	case *ast.SwitchStmt:
		if n.Tag != nil && s.secret(n.Tag) {
			s.report(n.Tag, "a branch depends on a secret")
		}
	case *ast.RangeStmt:
		if t := s.info.TypeOf(n.X); t != nil && isInteger(t) && s.secret(n.X) {
			s.report(n.X, "a loop depends on a secret")
		}
	case *ast.IndexExpr:
		if s.secret(n.Index) {
			s.report(n.Index, "a secret is used as an index")
		}
	case *ast.SliceExpr:
		for _, i := range []ast.Expr{n.Low, n.High, n.Max} {
			if i != nil && s.secret(i) {
				s.report(i, "a secret is used as an index")
			}
		}
	}
	return true
}

func (s *secrets) report(n ast.Node, msg string) {
	if !s.public(n.Pos()) {
		s.pass.Report(analysis.Diagnostic{Pos: n.Pos(), End: n.End(), Message: msg})
	}
}

// public says whether a comment declares the line's secrets public.
func (s *secrets) public(pos token.Pos) bool {
	return s.marked[s.pass.Fset.Position(pos).Line]
}

// is says whether e's type, or what it points to, is the named type of one of
// this module's packages.
func (s *secrets) is(e ast.Expr, pkg, name string) bool {
	t := s.info.TypeOf(e)
	if t == nil {
		return false
	}
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	return named.Obj().Name() == name && named.Obj().Pkg().Path() == module+pkg
}

// callee says whether the call goes to a function or method of one of pkgs.
func (s *secrets) callee(call *ast.CallExpr, pkgs ...string) bool {
	obj := s.calleeObject(call)
	return obj != nil && obj.Pkg() != nil && slices.Contains(pkgs, obj.Pkg().Path())
}

func (s *secrets) compares(call *ast.CallExpr) bool {
	obj := s.calleeObject(call)
	if obj == nil || obj.Pkg() == nil {
		return false
	}
	return slices.ContainsFunc(comparers[obj.Pkg().Path()], func(name string) bool {
		return obj.Name() == name || obj.Name() == name+"Func"
	})
}

func (s *secrets) calleeObject(call *ast.CallExpr) types.Object {
	fun := ast.Unparen(call.Fun)
	if i, ok := fun.(*ast.IndexExpr); ok { // an instantiated generic function
		fun = i.X
	}
	switch f := fun.(type) {
	case *ast.Ident:
		return s.info.Uses[f]
	case *ast.SelectorExpr:
		return s.info.Uses[f.Sel]
	}
	return nil
}

func (s *secrets) builtin(call *ast.CallExpr, name string) bool {
	b, ok := s.calleeObject(call).(*types.Builtin)
	return ok && b.Name() == name
}

func (s *secrets) isNil(e ast.Expr) bool { return s.info.Types[e].IsNil() }

func isComparison(op token.Token) bool {
	switch op {
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
		return true
	}
	return false
}

func isInteger(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsInteger != 0
}

// holdsNumbers says whether t is a number, a string, or made of them.
func holdsNumbers(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Info()&(types.IsNumeric|types.IsString) != 0
	case *types.Slice:
		return holdsNumbers(u.Elem())
	case *types.Array:
		return holdsNumbers(u.Elem())
	case *types.Pointer:
		return holdsNumbers(u.Elem())
	}
	return false
}

func calleeName(call *ast.CallExpr) string { return types.ExprString(call.Fun) }

// markedLines returns the lines whose secrets a comment declares public.
func markedLines(pass *analysis.Pass, file *ast.File) map[int]bool {
	lines := map[int]bool{}
	for _, group := range file.Comments {
		for _, c := range group.List {
			text := strings.TrimSpace(strings.TrimPrefix(c.Text, "//"))
			// The mark wants a reason.
			if why, ok := strings.CutPrefix(text, publicMark+" "); !ok || strings.TrimSpace(why) == "" {
				continue
			}
			lines[pass.Fset.Position(c.Pos()).Line] = true
			lines[pass.Fset.Position(group.End()).Line+1] = true
		}
	}
	return lines
}

func isTest(pass *analysis.Pass, pos token.Pos) bool {
	return strings.HasSuffix(pass.Fset.Position(pos).Filename, "_test.go")
}
