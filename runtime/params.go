package runtime

import (
	"crypto/sha256"
	"fmt"

	"nimbus/internal/otparams"
	"nimbus/internal/rlweparams"
)

// otParams names what the OT protocols of this release agree on beyond the
// plan and the table of extensions. It is part of the parameter digest: changing
// it keeps old and new releases from talking past each other.
const otParams = "base OT 128; 1-of-2^b keys over GF(2^128); crh fixed-key aes"

// paramDigest hashes every cryptographic parameter that both parties must
// share: the RLWE table, the table of OT extensions with their LPN sets, and the
// rest of the OT configuration.
func paramDigest() Digest {
	h := sha256.New()
	fmt.Fprintf(h, "nimbus parameters, protocol %d\n", ProtocolVersion)
	for _, s := range rlweparams.All() {
		fmt.Fprintf(h, "rlwe %s n=2^%d q=%x response=%d\n", s.Name, s.LogN, s.Q, s.Resp)
	}
	for _, e := range otparams.Extensions() {
		fmt.Fprintf(h, "extension %s k=%d t=%d 2^%d 2^%d weight %d\n", e.Name, e.Field, e.LPN.Trees, e.LPN.LogSecret, e.LPN.Depth, otparams.CodeWeight)
	}
	fmt.Fprintf(h, "ot %s\n", otParams)
	return Digest(h.Sum(nil))
}
