package runtime

import (
	"strings"
	"testing"

	"nimbus/runtime/transport/mem"
)

func TestHello(t *testing.T) {
	d := func(b byte) Digest { return Digest{b, 1, 2} }
	client := hello{Version: ProtocolVersion, Party: 0, Mode: ModeInfer, Plan: d(1), Params: d(2), Key: d(3), Binding: d(4)}
	server := client
	server.Party = 1
	tests := []struct {
		name   string
		change func(h *hello)
		want   string // in both errors; empty: accepted
	}{
		{"equal", func(h *hello) {}, ""},
		{"version", func(h *hello) { h.Version = 9 }, "protocol version"},
		{"role", func(h *hello) { h.Party = 0 }, "role"},
		{"mode", func(h *hello) { h.Mode = ModeSetup }, "mode"},
		{"plan", func(h *hello) { h.Plan = d(9) }, "plan digest: this party has"},
		{"params", func(h *hello) { h.Params = d(9) }, "parameter digest"},
		{"key", func(h *hello) { h.Key = d(9) }, "weight key"},
		{"no key", func(h *hello) { h.Key = Digest{} }, "none"},
		{"relay", func(h *hello) { h.Binding = d(9) }, "one connection"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			a, b := mem.Pipe()
			mine := server
			tc.change(&mine)
			done := make(chan error, 1)
			go func() {
				peer, err := awaitHello(b)
				if err == nil {
					err = answerHello(b, mine, peer)
				}
				done <- err
			}()
			_, err := greet(a, client)
			serr := <-done
			if tc.want == "" {
				if err != nil || serr != nil {
					t.Fatalf("client %v, server %v", err, serr)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("client: %v, want %q", err, tc.want)
			}
			if tc.name == "version" {
				return // the server's own code does not check its own version
			}
			if serr == nil || !strings.Contains(serr.Error(), tc.want) {
				t.Errorf("server: %v, want %q", serr, tc.want)
			}
		})
	}
}

func FuzzParseHello(f *testing.F) {
	f.Add(hello{Version: ProtocolVersion, Mode: ModeSetup}.marshal())
	f.Add([]byte("nimbus\x02\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHello(b)
		if err == nil && string(h.marshal()) != string(b) {
			t.Errorf("%x reads as %+v", b, h)
		}
	})
}

func FuzzParseOffer(f *testing.F) {
	o := &offer{Size: [itemCount]uint64{1, 2, 3}}
	f.Add(o.marshal()[1:])
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseOffer(b)
		if err == nil && string(o.marshal()[1:]) != string(b) {
			t.Errorf("%x does not read back", b)
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	f.Add(marshalRequest(itemPlan, 3, 4))
	f.Add(marshalRequest(itemArtefact, 1<<63, 1<<20))
	o := &offer{Size: [itemCount]uint64{10, 1 << 20, 1 << 40}}
	f.Fuzz(func(t *testing.T, b []byte) {
		item, at, n, done, err := parseRequest(b, o)
		if err == nil && !done && (n < 1 || n > pieceLen || at+uint64(n) > o.Size[item]) {
			t.Errorf("%x: %d bytes at %d of item %d", b, n, at, item)
		}
	})
}

func FuzzParseBundle(f *testing.F) {
	b, err := Bundle{"vocab.txt": []byte("a\nb\n"), "labels.json": []byte("[]")}.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{1, 0, 0, 0, 2, '.', '.', 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		bundle, err := ParseBundle(b)
		if err != nil {
			return
		}
		back, err := bundle.Marshal()
		if err != nil || string(back) != string(b) {
			t.Errorf("%x reads as %v, %v", b, bundle, err)
		}
	})
}
