package frontend

import (
	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// The grammar of a description:
//
//	File    = "model" name ( [ Attrs ] { Item } | "uses" string Attrs ) .
//	Item    = Param | Require | Input | Block | Stmt .
//	Param   = "param" name [ "=" Expr ] .                    // without a default it must be set
//	Require = "require" Expr .                               // a comparison that must hold
//	Input   = "input" name ":" elem "[" Exprs "]" [ "in" "[" Expr "," Expr "]" [ "norm" Expr ] ] "from" party .   // where its values lie, and the length of its rows
//	Block   = "block" name "(" [ name { "," name } ] ")" "{" { Stmt } "}" .
//	Stmt    = Assign | Repeat | Tag | Return | Output .
//	Assign  = name { "," name } "=" Expr .
//	Repeat  = "repeat" name "in" Expr ".." Expr "{" { Stmt } "}" .   // the end is excluded
//	Tag     = "tag" Named { "," Named } .                    // on the ops that follow in this body
//	Return  = "return" Exprs .                               // ends a block
//	Output  = "output" Exprs "to" party .
//	Expr    = Sum [ ( "==" | "!=" | "<=" | ">=" | "<" | ">" ) Sum ] .
//	Sum     = Product { ( "+" | "-" ) Product } .
//	Product = Unary { ( "*" | "/" | "%" ) Unary } .
//	Unary   = [ "-" ] Primary .
//	Primary = float | int | string | name [ "(" [ Arg { "," Arg } ] ")" ] | "[" [ Exprs ] "]" | "(" Expr ")" .
//	Arg     = Named | Expr .
//	Named   = name "=" Expr .                                // an attribute
//	Attrs   = "{" [ Named { "," Named } ] "}" .
//
// The second form of a file is another description with these parameters set.
// if(condition, a, b) is a or b; the other is not evaluated. Lists are joined by
// + and repeated by * with an integer.
//
// In a string {name} stands for the value of name. Comments begin with //.
var lex = lexer.MustSimple([]lexer.SimpleRule{
	{Name: "comment", Pattern: `//[^\n]*`},
	{Name: "space", Pattern: `\s+`},
	{Name: "String", Pattern: `"(?:\\.|[^"\\\n])*"`},
	{Name: "Float", Pattern: `[0-9]+(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)`},
	{Name: "Int", Pattern: `[0-9]+`},
	{Name: "Keyword", Pattern: `(?:model|param|require|input|block|repeat|tag|return|output)\b`},
	{Name: "Name", Pattern: `[A-Za-z_][A-Za-z0-9_]*`},
	{Name: "Punct", Pattern: `\.\.|==|!=|<=|>=|[-+*/%<>=(){}\[\],:]`},
})

type fileSyntax struct {
	Pos   lexer.Position
	Name  string         `parser:"'model' @Name"`
	Uses  *string        `parser:"( 'uses' @String )?"`
	Attrs []*namedSyntax `parser:"( '{' ( @@ ( ',' @@ )* )? '}' )?"`
	Items []*itemSyntax  `parser:"@@*"`
}

type itemSyntax struct {
	Param   *paramSyntax   `parser:"  @@"`
	Require *requireSyntax `parser:"| @@"`
	Input   *inputSyntax   `parser:"| @@"`
	Block   *blockSyntax   `parser:"| @@"`
	Stmt    *stmtSyntax    `parser:"| @@"`
}

type paramSyntax struct {
	Pos     lexer.Position
	Name    string      `parser:"'param' @Name"`
	Default *exprSyntax `parser:"( '=' @@ )?"`
}

type requireSyntax struct {
	Pos  lexer.Position
	Expr *exprSyntax `parser:"'require' @@"`
}

type inputSyntax struct {
	Pos   lexer.Position
	Name  string        `parser:"'input' @Name"`
	Elem  string        `parser:"':' @Name"`
	Shape []*exprSyntax `parser:"'[' @@ ( ',' @@ )* ']'"`
	Range []*exprSyntax `parser:"( 'in' '[' @@ ',' @@ ']' )?"`
	Norm  *exprSyntax   `parser:"( 'norm' @@ )?"`
	Owner string        `parser:"'from' @( 'client' | 'server' )"`
}

type blockSyntax struct {
	Pos    lexer.Position
	Name   string        `parser:"'block' @Name"`
	Params []string      `parser:"'(' ( @Name ( ',' @Name )* )? ')'"`
	Body   []*stmtSyntax `parser:"'{' @@* '}'"`
}

type stmtSyntax struct {
	Repeat *repeatSyntax `parser:"  @@"`
	Tag    *tagSyntax    `parser:"| @@"`
	Return *returnSyntax `parser:"| @@"`
	Output *outputSyntax `parser:"| @@"`
	Assign *assignSyntax `parser:"| @@"`
}

type assignSyntax struct {
	Pos   lexer.Position
	Names []string    `parser:"@Name ( ',' @Name )* '='"`
	Expr  *exprSyntax `parser:"@@"`
}

type repeatSyntax struct {
	Pos  lexer.Position
	Name string        `parser:"'repeat' @Name 'in'"`
	From *exprSyntax   `parser:"@@ '..'"`
	To   *exprSyntax   `parser:"@@"`
	Body []*stmtSyntax `parser:"'{' @@* '}'"`
}

type tagSyntax struct {
	Pos  lexer.Position
	Tags []*namedSyntax `parser:"'tag' @@ ( ',' @@ )*"`
}

type returnSyntax struct {
	Pos   lexer.Position
	Exprs []*exprSyntax `parser:"'return' @@ ( ',' @@ )*"`
}

type outputSyntax struct {
	Pos   lexer.Position
	Exprs []*exprSyntax `parser:"'output' @@ ( ',' @@ )*"`
	To    string        `parser:"'to' @( 'client' | 'server' | 'both' )"`
}

type namedSyntax struct {
	Pos  lexer.Position
	Name string      `parser:"@Name '='"`
	Expr *exprSyntax `parser:"@@"`
}

type argSyntax struct {
	Named *namedSyntax `parser:"  @@"`
	Expr  *exprSyntax  `parser:"| @@"`
}

type exprSyntax struct {
	Pos   lexer.Position
	Left  *sumSyntax `parser:"@@"`
	Op    string     `parser:"( @( '==' | '!=' | '<=' | '>=' | '<' | '>' )"`
	Right *sumSyntax `parser:"@@ )?"`
}

type sumSyntax struct {
	Pos  lexer.Position
	Left *productSyntax `parser:"@@"`
	Rest []*sumRest     `parser:"@@*"`
}

type sumRest struct {
	Pos   lexer.Position
	Op    string         `parser:"@( '+' | '-' )"`
	Right *productSyntax `parser:"@@"`
}

type productSyntax struct {
	Pos  lexer.Position
	Left *unarySyntax   `parser:"@@"`
	Rest []*productRest `parser:"@@*"`
}

type productRest struct {
	Pos   lexer.Position
	Op    string       `parser:"@( '*' | '/' | '%' )"`
	Right *unarySyntax `parser:"@@"`
}

type unarySyntax struct {
	Pos     lexer.Position
	Neg     bool           `parser:"@'-'?"`
	Primary *primarySyntax `parser:"@@"`
}

type primarySyntax struct {
	Pos   lexer.Position
	Float *float64    `parser:"  @Float"`
	Int   *int64      `parser:"| @Int"`
	Str   *string     `parser:"| @String"`
	Call  *callSyntax `parser:"| @@"`
	List  *listSyntax `parser:"| @@"`
	Paren *exprSyntax `parser:"| '(' @@ ')'"`
}

// callSyntax is a name, or a call when Paren is set.
type callSyntax struct {
	Pos   lexer.Position
	Name  string       `parser:"@Name"`
	Paren bool         `parser:"( @'('"`
	Args  []*argSyntax `parser:"( @@ ( ',' @@ )* )? ')' )?"`
}

type listSyntax struct {
	Open  bool          `parser:"@'['"`
	Elems []*exprSyntax `parser:"( @@ ( ',' @@ )* )? ']'"`
}

var fileParser = participle.MustBuild[fileSyntax](
	participle.Lexer(lex),
	participle.Elide("comment", "space"),
	participle.Unquote("String"),
	participle.UseLookahead(2),
)

var exprParser = participle.MustBuild[exprSyntax](
	participle.Lexer(lex),
	participle.Elide("comment", "space"),
	participle.Unquote("String"),
	participle.UseLookahead(2),
)
