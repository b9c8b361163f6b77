package transport

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"vanthu/internal/queue"
)

// destination is one server, or the servers of one domain, that mail goes to.
type destination struct {
	way      way
	lanes    []queue.Lane
	due      time.Time // of its first item
	active   int       // sessions
	failures int       // attempts to reach it that failed in a row
	until    time.Time // not to be tried before, after a failure
	last     string    // why it failed
	served   time.Time // when its last session began
}

// scheduler shares the work out between destinations.
type scheduler struct {
	mu     sync.Mutex
	byKey  map[string]*destination
	active int // sessions of all
	prods  int64
	done   chan struct{} // holds one signal: a session ended, or found more than it can carry alone
}

func newScheduler() scheduler {
	return scheduler{byKey: map[string]*destination{}, done: make(chan struct{}, 1)}
}

func (s *scheduler) signal() {
	select {
	case s.done <- struct{}{}:
	default:
	}
}

// noWay stands for a lane without a way out: its items fail.
func noWay(l queue.Lane) way { return way{key: "none " + string(l)} }

// plan brings the destinations up to date with what waits.
func (r *Runner) plan(lanes []queue.LaneDue) {
	s := &r.state
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.byKey {
		d.lanes, d.due = nil, time.Time{}
	}
	for _, l := range lanes {
		w, ok := r.way(l.Lane)
		if !ok {
			w = noWay(l.Lane)
		}
		d := s.byKey[w.key]
		if d == nil {
			d = &destination{}
			s.byKey[w.key] = d
		}
		d.way = w // peers change while we run
		d.lanes = append(d.lanes, l.Lane)
		if d.due.IsZero() || l.Due.Before(d.due) {
			d.due = l.Due
		}
	}
	for k, d := range s.byKey {
		if len(d.lanes) == 0 && d.active == 0 && d.failures == 0 {
			delete(s.byKey, k)
		}
	}
	if p := r.queue.Prods(); p != s.prods {
		s.prods = p
		for _, d := range s.byKey {
			d.until = time.Time{}
		}
	}
}

// next picks a destination for a session, nil when there is none now; wait is
// then how long at most nothing will change by itself.
//
// The one that was served least lately comes first. A destination that failed
// gets one session, and all that failed together at most half of the
// connections: waiting for the dead must not use up what the living need.
func (r *Runner) next(now time.Time) (d *destination, lanes []queue.Lane, wait time.Duration) {
	s := &r.state
	s.mu.Lock()
	defer s.mu.Unlock()
	wait = r.opt.Poll
	if s.active >= r.opt.Workers {
		return nil, nil, wait
	}
	failing := 0
	for _, x := range s.byKey {
		if x.failures > 0 {
			failing += x.active
		}
	}
	for _, x := range s.byKey {
		if len(x.lanes) == 0 {
			continue
		}
		most := r.opt.PerDestination
		if x.failures > 0 {
			if most = 1; failing >= max(1, r.opt.Workers/2) {
				continue
			}
		}
		if x.active >= most {
			continue
		}
		at := x.due
		if x.until.After(at) {
			at = x.until
		}
		if at.After(now) {
			wait = min(wait, at.Sub(now))
			continue
		}
		if d == nil || cmp.Or(x.served.Compare(d.served), cmp.Compare(x.way.key, d.way.key)) < 0 {
			d = x
		}
	}
	if d == nil {
		return nil, nil, wait
	}
	d.active++
	s.active++
	d.served = now
	// What waits is planned anew once the session has taken its first message.
	lanes, d.lanes = d.lanes, nil
	return d, slices.Clone(lanes), 0
}

// end notes how a session went.
func (r *Runner) end(d *destination, reached bool, failure string) {
	s := &r.state
	s.mu.Lock()
	d.active--
	s.active--
	switch {
	case failure != "":
		d.failures++
		d.until, d.last = r.opt.Now().Add(r.queue.Delay(d.failures)), failure
	case reached:
		d.failures, d.until, d.last = 0, time.Time{}, ""
	}
	s.mu.Unlock()
	s.signal()
}

// crowded tells whether others wait for a connection while all are in use.
func (r *Runner) crowded(d *destination) bool {
	s := &r.state
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active < r.opt.Workers {
		return false
	}
	now := r.opt.Now()
	for _, x := range s.byKey {
		if x != d && x.active < d.active && len(x.lanes) > 0 && !x.due.After(now) && !x.until.After(now) {
			return true
		}
	}
	return false
}

func (s *scheduler) lastError(key, otherwise string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.byKey[key]; d != nil && d.last != "" {
		return d.last
	}
	return otherwise
}

// Destination is how a next server is doing, as an administrator sees it.
type Destination struct {
	Name     string    `json:"name"`
	Active   int       `json:"connections"`
	Failures int       `json:"failures"` // in a row
	Until    time.Time `json:"not_before,omitzero"`
	Last     string    `json:"last_error,omitempty"`
}

// Destinations tells of the servers by the lanes that lead there.
func (r *Runner) Destinations(lanes []queue.Lane) []Destination {
	out := make([]Destination, len(lanes))
	for i, l := range lanes {
		w, ok := r.way(l)
		if !ok {
			out[i] = Destination{Last: "there is no route"}
			continue
		}
		out[i].Name = w.name
		s := &r.state
		s.mu.Lock()
		if d := s.byKey[w.key]; d != nil {
			out[i].Active, out[i].Failures, out[i].Until, out[i].Last = d.active, d.failures, d.until, d.last
		}
		s.mu.Unlock()
	}
	return out
}

// Run attempts due items until ctx ends, then waits for the messages under
// way. It returns nil after a clean stop; an error of the database is logged
// and tried again, since mail that waits is safe.
func (r *Runner) Run(ctx context.Context) error {
	var sessions sync.WaitGroup
	defer sessions.Wait()
	if n, err := r.queue.Recover(ctx); err != nil && ctx.Err() == nil {
		r.opt.Log.Error("cannot take back what was under way", "err", err)
	} else if n > 0 {
		r.opt.Log.Info("took back what was under way when the server ended", "items", n)
	}
	var swept time.Time
	for ctx.Err() == nil {
		if now := r.opt.Now(); now.Sub(swept) >= r.opt.Poll {
			swept = now
			if err := r.sweep(ctx); err != nil && ctx.Err() == nil {
				r.opt.Log.Error("cannot look for expired mail", "err", err)
			}
		}
		wait := r.start(ctx, &sessions)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-r.queue.Wake():
		case <-r.state.done:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// start begins as many sessions as there is work and room for, and gives how
// long nothing will be due.
func (r *Runner) start(ctx context.Context, sessions *sync.WaitGroup) time.Duration {
	lanes, err := r.queue.Lanes(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.opt.Log.Error("cannot read the queue", "err", err)
		}
		return time.Second
	}
	r.plan(lanes)
	for {
		d, lanes, wait := r.next(r.opt.Now())
		if d == nil {
			return max(wait, 10*time.Millisecond)
		}
		w := d.way
		sessions.Go(func() {
			reached, failure := r.session(ctx, d, w, lanes)
			r.end(d, reached, failure)
		})
	}
}
