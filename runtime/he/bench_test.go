package he

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"nimbus/internal/rlweparams"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

// BenchmarkMatMul runs both parties' parts of a layer's product in one process and reports the set-up of a row and the
// bytes of a run.
func BenchmarkMatMul(b *testing.B) {
	for _, s := range []struct{ k, n, t int }{{128, 384, 2}, {128, 128, 4}, {128, 512, 1}, {512, 128, 2}} {
		m := MatMul{Set: "n4096", M: 32, K: s.k, N: s.n, T: s.t, Width: 37}
		set, _ := rlweparams.Lookup(m.Set)
		m.DropC0, m.DropC1 = set.Drops(func(d0, d1 int) rlweparams.Noise { return set.MatMulNoise(m.K, m.T, m.Width, d0, d1) }, m.T*m.N, m.M*m.N, 12)
		b.Run(fmt.Sprintf("%dx%d_T%d", s.k, s.n, s.t), func(b *testing.B) {
			rng := seeded(1)
			key, _ := NewSecretKey(m.Set, rng)
			w := random(rng, m.K*m.N, m.Width)
			var data bytes.Buffer
			start := time.Now()
			if err := m.Encrypt(&data, key, testID, w, rng, nil); err != nil {
				b.Fatal(err)
			}
			setup := time.Since(start)
			info, _ := m.Section("w")
			x := random(rng, m.M*m.K, m.Width)
			sent := int64(0)
			for b.Loop() {
				res := transporttest.TwoParty(b, func(c transport.Conn) error {
					_, err := m.Client(c, asSection(info, testID, data.Bytes()), key.Public(), x, rng.Child("run"))
					return err
				}, func(c transport.Conn) error {
					_, err := m.Server(c, key, x, w)
					return err
				})
				sent = res.ClientStats.BytesSent
			}
			b.ReportMetric(float64(sent), "bytes/op")
			b.ReportMetric(float64(data.Len()), "section-bytes")
			b.ReportMetric(float64(setup.Microseconds())/float64(m.K), "setup-us/row")
		})
	}
}
