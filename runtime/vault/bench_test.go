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
		it, err := v.Open(1)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(it.Section(0, n), data); err != nil {
			b.Fatal(err)
		}
		it.Close()
	}
}
