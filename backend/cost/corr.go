package cost

import "nimbus/internal/otparams"

// COTBytes is what making the first n correlated OTs of a session in one direction puts
// on the wire after the start, by direction with respect to them: they are made 128 at a
// time. SoftSpoken's receiver sends 128/k - 1 correction bits for each (Roy, CRYPTO 2022);
// Ferret's sender 16 bytes for each level of each tree (Yang, Weng, Lan, Zhang and Wang, CCS
// 2020; Guo et al., EUROCRYPT 2023).
func COTBytes(n int64, e otparams.Extension) (receiverToSender, senderToReceiver int64) {
	n = (n + 127) / 128 * 128
	if e.Silent() {
		return 0, e.LPN.Bytes(n)
	}
	return n * int64(128/e.Field-1) / 8, 0
}

// StartBytes is what a session puts on the wire in each direction before it makes its first
// correlated OT, and in how many half-rounds: a salt, 128 requests and 128 replies of the base OT,
// the two corrections of each tree level; for Ferret the first reserve.
func StartBytes(e otparams.Extension, b otparams.Base) (bytes int64, depth int) {
	size := baseBytes[b]
	bytes, depth = 16+128*size.request+128*size.reply+128*2*16, 2
	if !e.Silent() {
		return bytes, depth
	}
	first, nested := e.LPN.Start()
	if nested {
		bytes, depth = bytes+first.Bytes(int64(e.LPN.Reserve())), depth+1
	} else {
		first = e.LPN
	}
	corrections, _ := COTBytes(int64(first.Reserve()), otparams.Extension{Field: e.Field})
	return bytes + corrections, depth + 1
}

// baseBytes is what one base OT takes: two elements of the group each way, or two vectors of 768
// numbers of 12 bits with a seed, and two ciphertexts of ML-KEM-768.
var baseBytes = map[otparams.Base]struct{ request, reply int64 }{
	otparams.Ristretto: {2 * 32, 2 * 32},
	otparams.MLKEM:     {2*768*12/8 + 32, 2 * 1088},
}

// Offline is what a session does before the input is known: base OTs and the extension's
// start, the swap of public keys for products of shares, the COTs that online will take, and
// the products that run ahead.
func Offline(online Cost, e otparams.Extension, b otparams.Base, sets ...string) (Cost, error) {
	keys, err := SessionKeysCost(sets...)
	if err != nil {
		return Cost{}, err
	}
	if len(sets) == 0 {
		keys = Cost{}
	}
	start, depth := StartBytes(e, b)
	c := Cost{C2S: start, S2C: start}
	for range depth {
		c.Chain = c.Chain.Then(crossing)
	}
	up, down := MakingBytes(online, e)
	c = c.Add(keys).Add(Cost{C2S: up, S2C: down, Chain: crossing})
	return c.Add(Cost{C2S: online.AheadC2S, S2C: online.AheadS2C, Chain: online.AheadChain}), nil
}

// MakingBytes is what making the COTs of a cost puts on the wire, to the server and to the
// client, whichever of the two sends them.
func MakingBytes(c Cost, e otparams.Extension) (up, down int64) {
	toServer, fromServer := COTBytes(c.COTServerSends, e)
	toClient, fromClient := COTBytes(c.COTClientSends, e)
	return toServer + fromClient, toClient + fromServer
}

// StartTime is how long a session's start takes, see [StartBytes]: base OTs themselves, some
// milliseconds, not counted.
func (p *Profile) StartTime(l Link, e otparams.Extension, b otparams.Base) float64 {
	bytes, depth := StartBytes(e, b)
	var work Counts
	if e.Silent() {
		first, nested := e.LPN.Start()
		if nested {
			work[extensionStep[otparams.Smallest().Name]] = 2 * int64(e.LPN.Reserve())
		} else {
			first = e.LPN
		}
		work[COT8] = 2 * int64(first.Reserve())
	}
	work[Message] = int64(depth)
	return p.Seconds(work) + l.seconds(bytes, depth)
}
