//go:build amd64 && !purego

package kernel

// bestAES is the fastest unit of this machine.
var bestAES = findAES()

func findAES() aesUnit {
	top, _, _, _ := cpuid(0, 0)
	_, _, c, _ := cpuid(1, 0)
	const aes, osxsave = 1 << 25, 1 << 27
	if c&aes == 0 {
		return plainAES
	}
	// The system saves SSE, AVX and all AVX-512 state.
	if top < 7 || c&osxsave == 0 || xgetbv()&0xe6 != 0xe6 {
		return narrowAES
	}
	_, b, c, _ := cpuid(7, 0)
	const f, vaes = 1 << 16, 1 << 9
	if b&f == 0 || c&vaes == 0 {
		return narrowAES
	}
	return wideAES
}

// newSchedule returns the round keys of key, or nothing where they are not used.
func newSchedule(key Block) (s schedule) {
	if bestAES != plainAES {
		expandKey(&s, &key)
	}
	return s
}

// encrypt returns AES of b.
func (s *schedule) encrypt(b Block) Block {
	encryptBlock(&b, s)
	return b
}

// encryptBlock encrypts b in place.
//
//go:noescape
func encryptBlock(b *Block, s *schedule)

// expandKey sets s to the round keys of key.
//
//go:noescape
func expandKey(s *schedule, key *Block)

// hash8 hashes n times 8 blocks, n > 0; lane i of batch j has the tweak
// offset[i][0] + tweak + j·step.
//
//go:noescape
func hash8(dst, src *Block, n int, s *schedule, offset *[16]Block, tweak, step uint64)

// hash16 is hash8 for batches of 16, with 512-bit AES instructions.
//
//go:noescape
func hash16(dst, src *Block, n int, s *schedule, offset *[16]Block, tweak, step uint64)

// hashUnit hashes blocks of one epoch as [hashEpoch] does.
func hashUnit(unit aesUnit, dst, src []Block, group int, tweak uint64, key Block) {
	if unit == plainAES {
		hashEpoch(dst, src, group, tweak, newAES(key))
		return
	}
	lanes, hash := 8, hash8
	if unit == wideAES {
		lanes, hash = 16, hash16
	}
	var s schedule
	expandKey(&s, &key)
	var offset [16]Block
	switch {
	case lanes%group == 0: // every batch holds the same number of groups
		for i := range lanes {
			offset[i][0] = uint64(i / group)
		}
		if n := len(src) / lanes; n > 0 {
			step := uint64(lanes / group)
			hash(&dst[0], &src[0], n, &s, &offset, tweak, step)
			dst, src = dst[n*lanes:], src[n*lanes:]
			tweak += uint64(n) * step
		}
	case group%lanes == 0:
		for ; len(src) > 0; tweak++ {
			hash(&dst[0], &src[0], group/lanes, &s, &offset, tweak, 0)
			dst, src = dst[group:], src[group:]
		}
	default:
		at := 0 // the place of src[0] in its group
		for len(src) >= lanes {
			for i := range lanes {
				offset[i][0] = uint64((at + i) / group)
			}
			hash(&dst[0], &src[0], 1, &s, &offset, tweak, 0)
			dst, src = dst[lanes:], src[lanes:]
			tweak += uint64((at + lanes) / group)
			at = (at + lanes) % group
		}
		for i := range lanes {
			offset[i][0] = uint64((at + i) / group)
		}
	}
	if len(src) > 0 {
		var rest [16]Block
		copy(rest[:], src)
		hash(&rest[0], &rest[0], 1, &s, &offset, tweak, 0)
		copy(dst, rest[:])
	}
}
