package cost

// A Step is a piece of work that protocols are made of and that takes about the
// same time wherever it occurs. A [Profile] says how long that is on a machine.
type Step uint8

// The steps, in units of which there are many.
const (
	Byte       Step = iota // sent or received
	COTSend                // a correlated OT used by its sender
	COTReceive             // by its receiver
	Value                  // a number masked or unmasked with a correlated OT
	Leaf                   // a word of a 1-of-2^b OT, made by its sender
	MAC                    // a residue of a stored ciphertext times one of a share
	Product                // a multiply-add modulo a power of two, up to 2^52
	Unpack                 // a residue read from a section or message
	Expand                 // a residue drawn from a seed
	NTT                    // a residue through a transform
	WideNTT                // the same modulo a prime of more than 52 bits
	Finish                 // a coefficient of a response masked and packed
	Open                   // one opened
	Encrypt                // a residue of either polynomial of a fresh ciphertext
	Zero                   // a residue of an encryption of zero
	COT2                   // a correlated OT made by SoftSpoken, k = 2
	COT4                   // k = 4
	COT8                   // k = 8
	Ferret10               // by Ferret with the smallest set
	Ferret11
	Ferret12
	Ferret13
	Message // one message: what waiting for it takes besides the link
	steps
)

// stepTable names the steps in profiles, with what one unit is.
var stepTable = [steps]struct{ name, doc string }{
	Byte:       {"byte", "a byte sent or received, encryption of the connection included"},
	COTSend:    {"cot_send", "a correlated OT used by its sender"},
	COTReceive: {"cot_receive", "a correlated OT used by its receiver"},
	Value:      {"value", "a number masked or unmasked with a correlated OT"},
	Leaf:       {"leaf", "a word of a 1-of-2^b OT, at its sender"},
	MAC:        {"mac", "a multiply-add modulo a prime below 2^52"},
	Product:    {"product", "a multiply-add modulo a power of two, up to 2^52"},
	Unpack:     {"unpack", "a residue read from encrypted weights or a message"},
	Expand:     {"expand", "a residue drawn from a public seed"},
	NTT:        {"ntt", "a residue through one number-theoretic transform"},
	WideNTT:    {"wide_ntt", "the same modulo a prime above 2^52"},
	Finish:     {"finish", "a coefficient of a response, masked and packed"},
	Open:       {"open", "a coefficient of a response, decrypted"},
	Encrypt:    {"encrypt", "a residue of either polynomial of a fresh ciphertext"},
	Zero:       {"zero", "a residue of an encryption of zero"},
	COT2:       {"cot_softspoken_2", "a correlated OT made, SoftSpoken k = 2"},
	COT4:       {"cot_softspoken_4", "a correlated OT made, SoftSpoken k = 4"},
	COT8:       {"cot_softspoken_8", "a correlated OT made, SoftSpoken k = 8"},
	Ferret10:   {"cot_ferret_10", "a correlated OT made, Ferret with blocks of 2^10"},
	Ferret11:   {"cot_ferret_11", "a correlated OT made, Ferret with blocks of 2^11"},
	Ferret12:   {"cot_ferret_12", "a correlated OT made, Ferret with blocks of 2^12"},
	Ferret13:   {"cot_ferret_13", "a correlated OT made, Ferret with blocks of 2^13"},
	Message:    {"message", "a message on its way, besides the link"},
}

// String is the step's name in profiles.
func (s Step) String() string { return stepTable[s].name }

// Doc says what one unit is.
func (s Step) Doc() string { return stepTable[s].doc }

// Steps lists all steps.
func Steps() []Step {
	out := make([]Step, steps)
	for i := range out {
		out[i] = Step(i)
	}
	return out
}

// extensionStep is the step that makes a correlated OT with an extension.
var extensionStep = map[string]Step{
	"softspoken2": COT2, "softspoken4": COT4, "softspoken8": COT8,
	"ferret10": Ferret10, "ferret11": Ferret11, "ferret12": Ferret12, "ferret13": Ferret13,
}

// Counts is how often each step occurs.
type Counts [steps]int64

func (a Counts) plus(b Counts) Counts {
	for i, n := range b {
		a[i] += n
	}
	return a
}

// Work is what the parties compute, in steps.
type Work struct {
	// Client and Server are what each party does online. Path is the longest
	// chain of it: work that both do at the same time counts once. Its bytes are
	// those that pass one after the other.
	Client, Server, Path Counts

	Ahead Counts // before the input is known, correlated OTs excepted: of either party, of products its path
	Setup Counts // the server's, once per model
}

func (a Work) plus(b Work) Work {
	return Work{a.Client.plus(b.Client), a.Server.plus(b.Server), a.Path.plus(b.Path), a.Ahead.plus(b.Ahead), a.Setup.plus(b.Setup)}
}

// inTurn is the work of a client and a server that wait for each other, with so
// many bytes between them.
func inTurn(client, server Counts, bytes int64) Work {
	client[Byte] += bytes
	server[Byte] += bytes
	path := client.plus(server)
	path[Byte] = bytes
	return Work{Client: client, Server: server, Path: path}
}

// atOnce is the work of parties that do the same at the same time, each sending
// so many bytes.
func atOnce(each Counts, bytes int64) Work {
	each[Byte] += 2 * bytes
	path := each
	path[Byte] = bytes
	return Work{Client: each, Server: each, Path: path}
}
