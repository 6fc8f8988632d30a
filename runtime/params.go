package runtime

import (
	"crypto/sha256"
	"fmt"

	"nimbus/internal/rlweparams"
)

// otParams names what the OT protocols of this release agree on beyond the
// plan. It is part of the parameter digest: changing it keeps old and new
// releases from talking past each other.
const otParams = "base OT 128; extension softspoken; 1-of-2^b keys over GF(2^128); crh fixed-key aes"

// paramDigest hashes every cryptographic parameter that both parties must
// share: the RLWE table and the OT configuration.
func paramDigest() Digest {
	h := sha256.New()
	fmt.Fprintf(h, "nimbus parameters, protocol %d\n", ProtocolVersion)
	for _, s := range rlweparams.All() {
		fmt.Fprintf(h, "rlwe %s n=2^%d q=%x response=%d\n", s.Name, s.LogN, s.Q, s.Resp)
	}
	fmt.Fprintf(h, "ot %s\n", otParams)
	return Digest(h.Sum(nil))
}
