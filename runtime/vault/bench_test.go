package vault

import (
	"bytes"
	"io"
	"testing"
)

// BenchmarkRead reads an item of 64 MiB.
func BenchmarkRead(b *testing.B) {
	v := open(b, b.TempDir())
	const n = 64 << 20
	put(b, v, 1, 'x', n)
	data := bytes.Repeat([]byte{'y'}, n)
	b.SetBytes(n)
	for b.Loop() {
		if err := v.Read(1, func(r io.Reader) error {
			_, err := io.ReadFull(r, data)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
}
