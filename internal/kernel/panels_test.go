package kernel

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSetStream compares with crypto/cipher, part by part.
func TestSetStream(t *testing.T) {
	runLevels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 5))
		for _, q := range []uint64{0x3ffffffffc001, 0xffffffffff001, 1<<60 - 1} {
			const rows, cols, skip = 5, 192, 1 << 16
			mod := NewModulus(q)
			mask := ^uint64(0) >> bits.LeadingZeros64(q)
			p, want := NewPanels(rows, cols), NewPanels(rows, cols)
			for k := range rows {
				var key [32]byte
				for i := range key {
					key[i] = byte(r.Uint32())
				}
				block, err := aes.NewCipher(key[:])
				if err != nil {
					t.Fatal(err)
				}
				stream, row := make([]byte, 8*(skip+cols)), make([]uint64, cols)
				cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(stream, stream)
				from := k % 2 * skip
				for j := range row {
					row[j] = binary.LittleEndian.Uint64(stream[8*(from+j):]) & mask
				}
				want.SetRow(k, 0, row)
				var w Words
				w.Set(&key)
				for _, c := range [][2]int{{64, 128}, {0, 64}} {
					if !p.SetStream(k, c[0], c[1], &w, from+c[0], mod) {
						t.Fatalf("q = %#x: refused words below it", q)
					}
				}
				// A word that is the modulus itself, anywhere.
				low := Modulus{Q: row[r.IntN(cols)]}
				if bits.Len64(low.Q) == bits.Len64(q) && NewPanels(rows, cols).SetStream(k, 0, cols, &w, from, low) {
					t.Fatalf("q = %#x: took a word that is q", low.Q)
				}
			}
			if !slices.Equal(p.data, want.data) {
				t.Fatalf("q = %#x: other elements than SetRow writes", q)
			}
		}
	})
}

func TestSetStored(t *testing.T) {
	runLevels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 6))
		qs := []uint64{0x3ffffffffc001, 0x3fffffffcc001}
		product := new(big.Int).Mul(new(big.Int).SetUint64(qs[0]), new(big.Int).SetUint64(qs[1]))
		limit := new(big.Int).Sub(product, big.NewInt(1))
		word := new(big.Int).SetUint64(^uint64(0))
		lo, hi := new(big.Int).And(limit, word).Uint64(), new(big.Int).Rsh(limit, 64).Uint64()
		forms := 0
		for drop := range 60 {
			s, ok := NewStored([]Modulus{NewModulus(qs[0]), NewModulus(qs[1])}, lo, hi, drop)
			if !ok {
				continue
			}
			forms++
			const n = 24
			low, high := make([]byte, 8*n), make([]byte, n/8*s.High)
			want := make([][]uint64, len(qs))
			for j := range n {
				v := new(big.Int).SetUint64(r.Uint64())
				v.Add(v.Lsh(v, 64), new(big.Int).SetUint64(r.Uint64())).Mod(v, product)
				switch j {
				case 3:
					v.SetInt64(0)
				case 4: // just below the top
					v.Sub(new(big.Int).Lsh(new(big.Int).SetUint64(s.top), uint(s.length)), big.NewInt(1))
				}
				v.Rsh(v, uint(drop))
				binary.LittleEndian.PutUint64(low[8*j:], new(big.Int).And(v, word).Uint64())
				h := new(big.Int).Rsh(v, 64).Uint64()
				for b := range s.High {
					at := j*s.High + b
					high[at/8] |= byte(h>>b&1) << (at % 8)
				}
				v.Add(v.Lsh(v, uint(drop)), new(big.Int).Lsh(big.NewInt(1), uint(drop-1)))
				for i, q := range qs {
					want[i] = append(want[i], new(big.Int).Mod(v, new(big.Int).SetUint64(q)).Uint64())
				}
			}
			for i := range qs {
				p, w := NewPanels(3, n), NewPanels(3, n)
				w.SetRow(1, 0, want[i])
				for _, c := range [][2]int{{8, 16}, {0, 8}} {
					if !p.SetStored(1, c[0], c[1], low[8*c[0]:], high[c[0]/8*s.High:], s, i) {
						t.Fatalf("drop %d: refused numbers below the limit", drop)
					}
				}
				if !slices.Equal(p.data, w.data) {
					t.Fatalf("drop %d, prime %d: wrong residues", drop, i)
				}
				top := slices.Clone(high)
				for j := range s.High {
					top[j] = 0xff // eight numbers with all high bits
				}
				all := slices.Clone(low)
				for j := range 64 {
					all[j] = 0xff
				}
				if p.SetStored(1, 0, n, all, top, s, i) {
					t.Fatalf("drop %d: took numbers above the limit", drop)
				}
			}
		}
		if forms < 20 {
			t.Errorf("only %d numbers of dropped bits are served", forms)
		}
	})
}
