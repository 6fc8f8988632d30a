// Package runtime executes a plan as one of two parties.
//
// A Session is one connection's life: the handshake in which both parties
// agree on version, plan and parameters, the key exchange and the prefilling
// of correlations, any number of runs of the plan, and the close. dispatch.go
// is the one table from a plan op's name to the protocol that implements it;
// a flow (flow.go) executes a function as a graph of data, each op that talks in
// a lane of its own, so that what does not depend on each other overlaps;
// the protocols themselves live in runtime/share, runtime/ot and runtime/he
// and know nothing of plans.
//
// What a run consumes before its input is known may come from an earlier
// session, which kept it in a vault of either party (kept.go).
//
// Setup is a session of another mode: the server encrypts its weights under a
// key of its own for this client, and the client downloads plan, tokenizer
// and encrypted weights into a Store and keeps them.
//
// The package must not know the compiler, the description of a model, or how
// a connection was made: it is handed a transport.Conn whose peer has already
// been authenticated. It opens a shared value in one place, reveal in io.go.
//
// Read first: Program (a checked plan), Session, Server.
package runtime
