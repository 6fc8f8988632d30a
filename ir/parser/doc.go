// Package parser turns the text of the IR into an ir.Module, and nothing else:
// it resolves names but does not verify; call ir.Verify on what it returns.
//
// The grammar (in grammar.go, with participle) is LL(1) and the same for all
// ops, so a new op needs no change here:
//
//	Module  = "module" Symbol [ "attributes" Attrs ] "{" { Weight | Func } "}" .
//	Weight  = "weight" Symbol ":" Type [ Attrs ] .
//	Func    = "func" Symbol "(" [ Param { "," Param } ] ")" [ "->" Type { "," Type } ] [ "attributes" Attrs ] "{" { Op } "}" .
//	Param   = Value ":" Type [ Attrs ] .
//	Op      = [ Value { "," Value } "=" ] ( Call | Plain ) [ Attrs ] [ ":" Type { "," Type } ] .
//	Call    = "call" Symbol "(" [ Value { "," Value } ] ")" .
//	Plain   = ( OpName | "return" ) [ Operand { "," Operand } ] .
//	Operand = Value | Symbol .
//	Attrs   = "{" [ Attr { "," Attr } ] "}" .
//	Attr    = Ident [ "=" Literal ] .                     // a bare name means true
//	Literal = Float | Int | String | Symbol | Ident | "[" [ Literal { "," Literal } ] "]" .
//	Type    = Ident "<" [ Ident "," ] ( Shape | Elem | Ident ) ">" .
//
// Comments run from // to the end of the line and are dropped. Parsing what
// Module.String prints gives an equal module.
package parser
