package runtime

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"nimbus/runtime/transport"
)

// The messages of setup. After the handshake the server sends statuses:
//
//	preparing  u8 0, u32 done, u32 total     any number of them
//	offer      u8 1, offer                   then it serves requests
//	refusal    u8 2, text                    then it closes
//
// and the client requests pieces of the offered items until it is done:
//
//	request    u8 item, u64 offset, u32 length     answered by length bytes
//	done       u8 255, zeros                       answered by nothing

const (
	statusPreparing = 0
	statusOffer     = 1
	statusRefusal   = 2
	statusMax       = 1024
)

// The items of an offer.
const (
	itemPlan     = 0
	itemBundle   = 1
	itemArtefact = 2
	itemCount    = 3

	itemDone   = 255
	requestLen = 1 + 8 + 4

	// pieceLen is the most a request may ask for; window is how many requests
	// a client keeps under way.
	pieceLen = 1 << 20
	window   = 4
)

var itemNames = [itemCount]string{"plan", "tokenizer", "weights"}

// itemMax bounds what a client accepts to download.
var itemMax = [itemCount]uint64{64 << 20, bundleMaxBytes, 1 << 40}

// offer says what the server has for this client.
type offer struct {
	Plan, Key Digest
	Size      [itemCount]uint64
	Sum       [itemCount]Digest // SHA-256 of each item
}

const offerLen = 2*32 + itemCount*(8+32)

func (o *offer) marshal() []byte {
	b := append([]byte{statusOffer}, o.Plan[:]...)
	b = append(b, o.Key[:]...)
	for i := range itemCount {
		b = binary.LittleEndian.AppendUint64(b, o.Size[i])
		b = append(b, o.Sum[i][:]...)
	}
	return b
}

func parseOffer(b []byte) (*offer, error) {
	if len(b) != offerLen {
		return nil, fmt.Errorf("setup: offer has %d bytes, expected %d", len(b), offerLen)
	}
	o := new(offer)
	b = b[copy(o.Plan[:], b):]
	b = b[copy(o.Key[:], b):]
	for i := range itemCount {
		o.Size[i] = binary.LittleEndian.Uint64(b)
		if o.Size[i] == 0 || o.Size[i] > itemMax[i] {
			return nil, fmt.Errorf("setup: the server offers %s of %d bytes, expected 1 to %d", itemNames[i], o.Size[i], itemMax[i])
		}
		b = b[8:]
		b = b[copy(o.Sum[i][:], b):]
	}
	return o, nil
}

// sendStatus tells the client how far the encryption of the weights is.
func sendStatus(conn transport.Conn, done, total int) error {
	b := []byte{statusPreparing}
	b = binary.LittleEndian.AppendUint32(b, uint32(done))
	b = binary.LittleEndian.AppendUint32(b, uint32(total))
	return sendNow(conn, b)
}

// sendRefusal tells the client that there will be no offer.
func sendRefusal(conn transport.Conn, reason string) error {
	if len(reason) > statusMax-1 {
		reason = reason[:statusMax-1]
	}
	return sendNow(conn, append([]byte{statusRefusal}, reason...))
}

// awaitOffer reads statuses until the offer comes.
func awaitOffer(conn transport.Conn, progress func(Progress)) (*offer, error) {
	for {
		b, err := conn.RecvMax(statusMax)
		if err != nil {
			return nil, fmt.Errorf("setup: recv offer: %w", err)
		}
		if len(b) == 0 {
			return nil, errors.New("setup: the server sent an empty status")
		}
		switch kind, body := b[0], b[1:]; kind {
		case statusPreparing:
			if len(body) != 8 {
				return nil, fmt.Errorf("setup: progress has %d bytes, expected 8", len(body))
			}
			done, total := binary.LittleEndian.Uint32(body), binary.LittleEndian.Uint32(body[4:])
			if total == 0 {
				continue // it has not begun
			}
			progress(Progress{Stage: "server encrypts", Done: int64(done), Total: int64(total)})
		case statusOffer:
			return parseOffer(body)
		case statusRefusal:
			return nil, fmt.Errorf("setup: the server refused: %s", printable(string(body)))
		default:
			return nil, fmt.Errorf("setup: unknown status %d", kind)
		}
	}
}

// printable makes the peer's text safe to print.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, s)
}

func marshalRequest(item uint8, offset uint64, length uint32) []byte {
	b := []byte{item}
	b = binary.LittleEndian.AppendUint64(b, offset)
	return binary.LittleEndian.AppendUint32(b, length)
}

// parseRequest reads a request against what is on offer; done is the last
// one.
func parseRequest(b []byte, o *offer) (item int, offset uint64, length int, done bool, err error) {
	if len(b) != requestLen {
		return 0, 0, 0, false, fmt.Errorf("setup: request has %d bytes, expected %d", len(b), requestLen)
	}
	item = int(b[0])
	offset = binary.LittleEndian.Uint64(b[1:])
	n := binary.LittleEndian.Uint32(b[9:])
	if item == itemDone {
		return item, 0, 0, true, nil
	}
	if item >= itemCount {
		return 0, 0, 0, false, fmt.Errorf("setup: request for item %d, there are %d", item, itemCount)
	}
	if n == 0 || n > pieceLen || offset > o.Size[item] || uint64(n) > o.Size[item]-offset {
		return 0, 0, 0, false, fmt.Errorf("setup: request for %d bytes at %d of the %s, which has %d", n, offset, itemNames[item], o.Size[item])
	}
	return item, offset, int(n), false, nil
}

// Progress is how far a long step of setup is.
type Progress struct {
	Stage       string
	Done, Total int64
	Bytes       bool // Done and Total count bytes
}

func sized(b []byte) (uint64, Digest) { return uint64(len(b)), sha256.Sum256(b) }
