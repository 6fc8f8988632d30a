package cost

// COTBytes is what making n correlated OTs with SoftSpoken puts on the wire,
// receiver to sender: they are made 128 at a time, and each takes 128/k - 1
// correction bits (Roy, CRYPTO 2022).
func COTBytes(n int64, k int) int64 {
	n = (n + 127) / 128 * 128
	return n * int64(128/k-1) / 8
}

// BaseOTBytes is what the base OTs of one session put on the wire in each
// direction: a salt, 128 requests and 128 replies of two ristretto255 elements
// each, and the two corrections of each tree level.
const BaseOTBytes = 16 + 2*128*2*32 + 128*2*16

// Offline is what a session does before the input is known: base OTs, the swap
// of public keys for products of shares, and the COTs that online will take.
func Offline(online Cost, k int, sets ...string) (Cost, error) {
	keys, err := SessionKeysCost(sets...)
	if err != nil {
		return Cost{}, err
	}
	if len(sets) == 0 {
		keys = Cost{}
	}
	c := Cost{C2S: BaseOTBytes, S2C: BaseOTBytes, Chain: crossing.Then(crossing)}.Add(keys)
	// The receiver of a COT sends: the client where the server is the sender.
	return c.Add(Cost{C2S: COTBytes(online.COTServerSends, k), S2C: COTBytes(online.COTClientSends, k), Chain: crossing}), nil
}
