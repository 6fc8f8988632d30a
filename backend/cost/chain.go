package cost

// A Chain says how a step's messages depend on what its parties start from: for
// either party at the start and at the end, how many messages the longest chain
// from one to the other has, in half-rounds. A party gets from its start to its
// own end without a message; where no message leads to the other party the entry
// is zero.
//
// Chains follow each other as in the (max, +) algebra, so that the depth of any
// graph of steps comes out exactly, although a step may let one party go on
// before the other.
type Chain struct {
	CC, CS int // from the client's start, to the client's and the server's end
	SC, SS int // from the server's start
}

// The chains of single steps.
var (
	toServer = Chain{CS: 1}            // the client sends
	toClient = Chain{SC: 1}            // the server sends
	crossing = Chain{CS: 1, SC: 1}     // both send
	asked    = toServer.Then(toClient) // the client sends, the server answers
	asks     = toClient.Then(toServer)
)

// Then is the chain of two steps in sequence.
func (a Chain) Then(b Chain) Chain {
	own := func(ownA, ownB, away, back int) int {
		if away > 0 && back > 0 {
			return max(ownA+ownB, away+back)
		}
		return ownA + ownB
	}
	cross := func(ownA, crossB, crossA, ownB int) int {
		n := 0
		if crossB > 0 {
			n = ownA + crossB
		}
		if crossA > 0 {
			n = max(n, crossA+ownB)
		}
		return n
	}
	return Chain{
		CC: own(a.CC, b.CC, a.CS, b.SC),
		CS: cross(a.CC, b.CS, a.CS, b.SS),
		SC: cross(a.SS, b.SC, a.SC, b.CC),
		SS: own(a.SS, b.SS, a.SC, b.CS),
	}
}

// With is the chain of two steps whose messages travel together.
func (a Chain) With(b Chain) Chain {
	return Chain{max(a.CC, b.CC), max(a.CS, b.CS), max(a.SC, b.SC), max(a.SS, b.SS)}
}

// Depth is the longest chain from a fresh start.
func (a Chain) Depth() int { return max(a.CC, a.CS, a.SC, a.SS) }

// After moves a pair of depths, at which client and server have what the step
// needs, to those at which they have what it makes.
func (a Chain) After(client, server int) (int, int) {
	c, s := client+a.CC, server+a.SS
	if a.SC > 0 {
		c = max(c, server+a.SC)
	}
	if a.CS > 0 {
		s = max(s, client+a.CS)
	}
	return c, s
}
