package parser

import (
	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// A shape with its element, 128x768xfx64.18, is one token: everything else is
// then LL(1).
var lex = lexer.MustSimple([]lexer.SimpleRule{
	{Name: "comment", Pattern: `//[^\n]*`},
	{Name: "space", Pattern: `\s+`},
	{Name: "String", Pattern: `"(?:\\.|[^"\\])*"`},
	{Name: "Value", Pattern: `%[A-Za-z0-9_]+`},
	{Name: "Symbol", Pattern: `@[A-Za-z_][A-Za-z0-9_.]*`},
	{Name: "Shape", Pattern: `(?:[0-9]+x)+[a-z]+[0-9]+(?:\.[0-9]+)?`},
	{Name: "Elem", Pattern: `fx[0-9]+\.[0-9]+`},
	{Name: "Float", Pattern: `-?[0-9]+(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)`},
	{Name: "Int", Pattern: `-?[0-9]+`},
	{Name: "OpName", Pattern: `[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*`},
	{Name: "Ident", Pattern: `[A-Za-z_][A-Za-z0-9_]*`},
	{Name: "Arrow", Pattern: `->`},
	{Name: "Punct", Pattern: `[(){}<>\[\],:=]`},
})

type module struct {
	Pos   lexer.Position
	Name  string  `parser:"'module' @Symbol"`
	Attrs *attrs  `parser:"( 'attributes' @@ )?"`
	Decls []*decl `parser:"'{' @@* '}'"`
}

type decl struct {
	Weight *weight `parser:"  @@"`
	Func   *fun    `parser:"| @@"`
}

type weight struct {
	Pos   lexer.Position
	Name  string `parser:"'weight' @Symbol ':'"`
	Type  *typ   `parser:"@@"`
	Attrs *attrs `parser:"@@?"`
}

type fun struct {
	Pos     lexer.Position
	Name    string   `parser:"'func' @Symbol '('"`
	Params  []*param `parser:"( @@ ( ',' @@ )* )? ')'"`
	Results []*typ   `parser:"( '->' @@ ( ',' @@ )* )?"`
	Attrs   *attrs   `parser:"( 'attributes' @@ )?"`
	Body    []*op    `parser:"'{' @@* '}'"`
}

type param struct {
	Pos   lexer.Position
	Name  string `parser:"@Value ':'"`
	Type  *typ   `parser:"@@"`
	Attrs *attrs `parser:"@@?"`
}

type op struct {
	Pos      lexer.Position
	Results  []string `parser:"( @Value ( ',' @Value )* '=' )?"`
	Callee   string   `parser:"( 'call' @Symbol"`
	Args     []string `parser:"    '(' ( @Value ( ',' @Value )* )? ')'"`
	Name     string   `parser:"| @( OpName | 'return' )"`
	Operands []string `parser:"    ( @( Value | Symbol ) ( ',' @( Value | Symbol ) )* )? )"`
	Attrs    *attrs   `parser:"@@?"`
	Types    []*typ   `parser:"( ':' @@ ( ',' @@ )* )?"`
}

type attrs struct {
	List []*attr `parser:"'{' ( @@ ( ',' @@ )* )? '}'"`
}

type attr struct {
	Pos   lexer.Position
	Name  string `parser:"@Ident"`
	Value *lit   `parser:"( '=' @@ )?"`
}

type lit struct {
	Pos   lexer.Position
	Float *string `parser:"  @Float"`
	Int   *string `parser:"| @Int"`
	Str   *string `parser:"| @String"`
	Sym   *string `parser:"| @Symbol"`
	Word  *string `parser:"| @Ident"`
	List  *list   `parser:"| @@"`
}

type list struct {
	Items []*lit `parser:"'[' ( @@ ( ',' @@ )* )? ']'"`
}

type typ struct {
	Pos   lexer.Position
	Kind  string `parser:"@Ident '<'"`
	Party string `parser:"( @Ident ',' )?"`
	Body  string `parser:"@( Shape | Elem | Ident ) '>'"`
}

var grammar = participle.MustBuild[module](
	participle.Lexer(lex),
	participle.Elide("comment", "space"),
	participle.UseLookahead(1),
)
