package runtime

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"nimbus/runtime/transport"
)

// Phase is the account of a part of a session as one party measured it. Bytes
// are payload; rounds are round trips on the longest chain of messages that
// wait for each other.
type Phase struct {
	Seconds       float64 `json:"seconds"`
	BytesSent     int64   `json:"bytes_sent"`
	BytesReceived int64   `json:"bytes_received"`
	Rounds        float64 `json:"rounds"`
}

// Bytes is the traffic of both directions.
func (p Phase) Bytes() int64 { return p.BytesSent + p.BytesReceived }

// Add returns the sum of two phases that followed each other.
func (p Phase) Add(q Phase) Phase {
	return Phase{p.Seconds + q.Seconds, p.BytesSent + q.BytesSent, p.BytesReceived + q.BytesReceived, p.Rounds + q.Rounds}
}

// Sub returns what is left of a phase without a part of it.
func (p Phase) Sub(q Phase) Phase {
	return Phase{p.Seconds - q.Seconds, p.BytesSent - q.BytesSent, p.BytesReceived - q.BytesReceived, p.Rounds - q.Rounds}
}

// OpCount is what one op of the plan took in one run. It holds names and
// shapes, no values.
type OpCount struct {
	Name   string `json:"op"`
	Result string `json:"result,omitempty"`
	Type   string `json:"type,omitempty"`
	Pos    string `json:"pos,omitempty"`
	// Start counts from the start of the run.
	Start float64 `json:"start_seconds"`
	Phase
	// Correlated OTs consumed, by the party that sends them.
	COTClientSends int64 `json:"cot_client_sends,omitempty"`
	COTServerSends int64 `json:"cot_server_sends,omitempty"`
	// Predicted is what the plan's account says of the op, where whoever reads
	// the report fills it in: this package knows no prices.
	Predicted *Prediction `json:"predicted,omitempty"`
}

// Prediction is an op's cost as it is computed before any run. Bytes and OTs
// are exact; rounds count the op by itself, from a fresh start; seconds are a
// machine's profile's, over a link.
type Prediction struct {
	BytesSent      int64   `json:"bytes_sent"`
	BytesReceived  int64   `json:"bytes_received"`
	Rounds         float64 `json:"rounds"`
	COTClientSends int64   `json:"cot_client_sends,omitempty"`
	COTServerSends int64   `json:"cot_server_sends,omitempty"`
	Seconds        float64 `json:"seconds"`
}

// Report is one run of a plan as one party saw it.
type Report struct {
	Party string `json:"party"`
	Plan  string `json:"plan"`
	// Offline is what happened before the input was known: base OTs, key
	// exchange, prefilling. Zero for a run that found everything ready.
	Offline Phase `json:"offline"`
	Online  Phase `json:"online"`
	// Refill is the part of Online, between ops, in which correlations were made
	// because a run consumes more of them than are kept ahead.
	Refill Phase `json:"refill"`
	// Prepared says where what the run consumed came from; nil for a party that
	// keeps nothing across sessions.
	Prepared *Kept     `json:"prepared,omitempty"`
	Ops      []OpCount `json:"ops"`
	// PeakRSS is the process's largest resident memory so far, in bytes; zero
	// where the system does not tell.
	PeakRSS int64 `json:"peak_rss_bytes"`
}

// Kept is what a run had of earlier sessions.
type Kept struct {
	// Item is the number of what the run consumed; 0: it was made in the run's own
	// session.
	Item uint64 `json:"item,omitempty"`
	// Left is for how many runs there is more.
	Left int `json:"left"`
	// Problem says why some of it was dropped, or could not be used.
	Problem string `json:"problem,omitempty"`
}

// meter measures phases by the differences of a connection's counters.
type meter struct {
	conn  transport.Conn
	start time.Time
	stats transport.Stats
}

func measure(conn transport.Conn) meter {
	return meter{conn, time.Now(), conn.Stats()}
}

func (m meter) phase() Phase {
	now := m.conn.Stats()
	return Phase{
		Seconds:       time.Since(m.start).Seconds(),
		BytesSent:     now.BytesSent - m.stats.BytesSent,
		BytesReceived: now.BytesReceived - m.stats.BytesReceived,
		Rounds:        float64(now.Depth-m.stats.Depth) / 2,
	}
}

// WriteReports writes reports as {"runs": [...]} with indentation.
func WriteReports(w io.Writer, reports []*Report) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Runs []*Report `json:"runs"`
	}{reports})
}

// WriteTrace writes runs in Chrome's trace format, which chrome://tracing and
// Perfetto open: one complete event per op, one thread per run.
func WriteTrace(w io.Writer, reports []*Report) error {
	type event struct {
		Name string         `json:"name"`
		Cat  string         `json:"cat"`
		Ph   string         `json:"ph"`
		Ts   float64        `json:"ts"`
		Dur  float64        `json:"dur"`
		Pid  int            `json:"pid"`
		Tid  int            `json:"tid"`
		Args map[string]any `json:"args"`
	}
	events := []event{}
	for run, r := range reports {
		for _, o := range r.Ops {
			cat, _, _ := strings.Cut(o.Name, ".")
			events = append(events, event{
				Name: o.Name, Cat: cat, Ph: "X", Ts: o.Start * 1e6, Dur: o.Seconds * 1e6, Pid: 1, Tid: run + 1,
				Args: map[string]any{
					"result": o.Result, "type": o.Type, "party": r.Party,
					"bytes_sent": o.BytesSent, "bytes_received": o.BytesReceived, "rounds": o.Rounds,
				},
			})
		}
	}
	return json.NewEncoder(w).Encode(map[string]any{"traceEvents": events, "displayTimeUnit": "ms"})
}

// PeakRSS returns the largest resident memory that this process has had, in
// bytes, or zero where the system does not tell.
func PeakRSS() int64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err == nil {
				return kb << 10
			}
		}
	}
	return 0
}

// FormatBytes prints a byte count for people: 1.23 MB, decimal units.
func FormatBytes(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
