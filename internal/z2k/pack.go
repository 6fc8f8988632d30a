package z2k

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// PackedLen returns the bytes that n elements of width bits take: n·width bits
// rounded up to a byte.
func PackedLen(n, width int) int {
	Mask(width)
	// n·width fits an int for every slice that fits memory.
	return (n*width + 7) / 8
}

// Pack appends v to dst, width bits per element, least significant bit first,
// and returns the extended slice. The unused top bits of the last byte are 0.
func Pack(dst []byte, v []uint64, width int) []byte {
	m := Mask(width)
	dst = slices.Grow(dst, PackedLen(len(v), width))
	var acc uint64 // the low n bits wait to be written
	n := 0
	for _, x := range v {
		x &= m
		acc |= x << (n & 63)
		n += width
		if n >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			n -= 64
			acc = x >> (width - n) // 0 if n is 0 and width 64: Go shifts by 64 to 0
		}
	}
	for ; n > 0; n -= 8 {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// Unpack sets dst to the len(dst) elements that src holds in [Pack]'s form. It
// is an error if src has another length than PackedLen(len(dst), width) or if
// an unused bit is set.
func Unpack(dst []uint64, src []byte, width int) error {
	m := Mask(width)
	all := len(dst)
	if want := PackedLen(all, width); len(src) != want {
		return fmt.Errorf("z2k: %d elements of %d bits: got %d bytes, want %d", all, width, len(src), want)
	}
	if width <= 57 {
		// Without branches: an element and the bits before it in its first byte
		// lie in eight bytes. Stops where fewer are left, at a byte's border.
		at, i := 0, 0
		for ; i < len(dst) && at>>3+8 <= len(src); i++ {
			dst[i] = binary.LittleEndian.Uint64(src[at>>3:]) >> (at & 7) & m
			at += width
		}
		for ; at&7 != 0; at -= width {
			i--
		}
		dst, src = dst[i:], src[at>>3:]
	}
	var acc uint64 // the low n bits wait to be taken
	n := 0
	for i := range dst {
		if n >= width {
			dst[i] = acc & m
			acc >>= width
			n -= width
			continue
		}
		var next uint64
		got := 64
		if len(src) >= 8 {
			next = binary.LittleEndian.Uint64(src)
			src = src[8:]
		} else {
			got = 8 * len(src)
			for j, b := range src {
				next |= uint64(b) << (8 * j)
			}
			src = nil
		}
		dst[i] = (acc | next<<n) & m
		acc = next >> (width - n)
		n += got - width
	}
	if acc != 0 {
		return fmt.Errorf("z2k: %d elements of %d bits: an unused bit of the last byte is set", all, width)
	}
	return nil
}

// lowBits has the lowest bit of each byte.
const lowBits = 0x0101010101010101

// PackBits appends bits, each 0 or 1, to dst, eight to a byte, the first in the
// lowest bit.
func PackBits(dst []byte, bits []uint8) []byte {
	dst = slices.Grow(dst, PackedLen(len(bits), 1))
	for len(bits) >= 8 {
		// The product moves bit 8i to 56+i; no other bit gets above 55.
		x := binary.LittleEndian.Uint64(bits) & lowBits
		dst = append(dst, byte(x*0x0102040810204080>>56))
		bits = bits[8:]
	}
	if len(bits) > 0 {
		var x byte
		for i, b := range bits {
			x |= b & 1 << i
		}
		dst = append(dst, x)
	}
	return dst
}

// UnpackBits sets dst to the len(dst) bits that src holds in [PackBits]'s form.
// Errors as in [Unpack] for width 1.
func UnpackBits(dst []uint8, src []byte) error {
	if want := PackedLen(len(dst), 1); len(src) != want {
		return fmt.Errorf("z2k: %d bits: got %d bytes, want %d", len(dst), len(src), want)
	}
	if r := len(dst) % 8; r != 0 && src[len(src)-1]>>r != 0 {
		return fmt.Errorf("z2k: %d bits: an unused bit of the last byte is set", len(dst))
	}
	for len(dst) >= 8 {
		// Byte i keeps bit i; adding 127 moves it to the byte's top.
		x := uint64(src[0]) * lowBits & 0x8040201008040201
		binary.LittleEndian.PutUint64(dst, (x+127*lowBits)>>7&lowBits)
		dst, src = dst[8:], src[1:]
	}
	for i := range dst {
		dst[i] = src[0] >> i & 1
	}
	return nil
}
