package cost

import "nimbus/internal/otparams"

// Time is how long something takes, in seconds.
type Time struct {
	Client float64 `json:"client"` // the client computes online
	Server float64 `json:"server"` // the server does
	Path   float64 `json:"path"`   // the longest chain of both: they compute in turn, but for what they do at once
	Link   float64 `json:"link"`   // bytes and round trips on top of that
	Ahead  float64 `json:"ahead"`  // before the input is known, link included
	Setup  float64 `json:"setup"`  // once per model: the server's work and the download
}

// Online is the time between input and result.
func (t Time) Online() float64 { return t.Path + t.Link }

// Plus is the time of both in sequence.
func (t Time) Plus(u Time) Time {
	return Time{t.Client + u.Client, t.Server + u.Server, t.Path + u.Path, t.Link + u.Link, t.Ahead + u.Ahead, t.Setup + u.Setup}
}

// TimeOf predicts how long a cost takes between two machines of profile p, one
// core a party, over link l, with correlations made by extension e:
//
//	online = Σ steps on the path · ns + half-rounds · message + bytes on the path / rate + half-rounds · RTT/2
//	ahead  = Σ steps ahead · ns + COTs · (ns to make one) + bytes of both / rate + half-rounds of products ahead · RTT/2
//	setup  = Σ the server's steps · ns + bytes / rate
//
// Left out: base OTs and the start of the extension, elements moved or added locally, and what a pipeline hides.
func (p *Profile) TimeOf(c Cost, l Link, e otparams.Extension) Time {
	up, down := MakingBytes(c, e)
	var messages Counts
	messages[Message] = int64(c.Depth())
	return Time{
		Client: p.Seconds(c.Work.Client),
		Server: p.Seconds(c.Work.Server),
		Path:   p.Seconds(c.Work.Path) + p.Seconds(messages),
		Link:   l.seconds(c.Work.Path[Byte], c.Depth()),
		Ahead:  p.Seconds(c.Work.Ahead) + p.Seconds(Making(c.COTs(), e)) + l.seconds(max(up, down)+c.Work.Ahead[Byte], c.AheadChain.Depth()),
		Setup:  p.Seconds(c.Work.Setup) + l.seconds(c.Setup, 0),
	}
}

// PerCOT is how long it takes to make one of many correlated OTs ahead.
func (p *Profile) PerCOT(l Link, e otparams.Extension) float64 {
	const many = 1 << 30
	return p.TimeOf(Cost{COTServerSends: many}, l, e).Ahead / many
}

// Seconds is the time that steps take.
func (p *Profile) Seconds(n Counts) float64 {
	var ns float64
	for s, count := range n {
		ns += float64(count) * p.Nanoseconds[s]
	}
	return ns * 1e-9
}

// Making is the work of making n correlated OTs with an extension, at either party.
func Making(n int64, e otparams.Extension) (c Counts) {
	if step, ok := extensionStep[e.Name]; ok {
		c[step] = n
	}
	return c
}
