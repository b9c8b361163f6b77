package wire

import "time"

// A Pace says how fast a peer must be during one phase of a session (waiting for a command, taking a body). The zero value sets no
// limit at all. Times are judged by progress: a slow but steady sender is never cut off by Idle, and one that trickles is by MinRate.
type Pace struct {
	Idle    time.Duration // longest wait for the next octet; 0 means no limit
	Total   time.Duration // longest phase, from Phase on; 0 means no limit
	MinRate int64         // octets per second, on average over the phase; 0 means no limit
	Grace   time.Duration // how long a phase may last before MinRate counts
	Until   time.Time     // absolute end, whatever the phase (a whole session's limit); zero means none

	// Busy says that something is under way that a shutdown should let finish: Interrupt takes effect only in the next phase that is
	// not Busy.
	Busy bool
}

// deadline gives the latest moment for the next octet when got octets came since start; zero means there is no limit.
func (p Pace) deadline(now, start time.Time, got int64) time.Time {
	d := p.Until
	earlier := func(t time.Time) {
		if d.IsZero() || t.Before(d) {
			d = t
		}
	}
	if p.Idle > 0 {
		earlier(now.Add(p.Idle))
	}
	if p.Total > 0 {
		earlier(start.Add(p.Total))
	}
	if p.MinRate > 0 {
		// Whole seconds first, or a 50 MiB body would overflow nothing but a very long one could.
		due := time.Duration(got/p.MinRate)*time.Second + time.Duration(got%p.MinRate)*time.Second/time.Duration(p.MinRate)
		earlier(start.Add(p.Grace + due))
	}
	return d
}
