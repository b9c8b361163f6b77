package control

import (
	"context"
	"slices"
	"strings"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/queue"
)

// Calls about the queue.
const (
	CallQueueList    = "queue.list"    // QueueList → []QueueItem
	CallQueueSummary = "queue.summary" // None → []QueueLane
	CallQueueAct     = "queue.act"     // QueueAct → QueueDone
)

// QueueList narrows a listing.
type QueueList struct {
	All     bool         `json:"all,omitempty"` // also what has ended
	QueueID queue.ID     `json:"queue_id,omitempty"`
	Item    queue.ItemID `json:"item,omitempty"`
	Domain  string       `json:"domain,omitempty"`
	Sender  string       `json:"sender,omitempty"` // "<>" is the null reverse-path
	State   queue.State  `json:"state,omitempty"`
	Limit   int          `json:"limit,omitempty"`
}

// QueueItem is an item with its addresses as text.
type QueueItem struct {
	queue.Item
	From     string `json:"from"` // "" is the null reverse-path
	To       string `json:"to"`
	Priority int    `json:"priority,omitempty"`
	Age      int64  `json:"age_seconds"`
}

// QueueLane is how much waits for one way out, and how that is doing.
type QueueLane struct {
	queue.LaneSummary
	Destination Destination `json:"destination"`
	Age         int64       `json:"oldest_age_seconds"`
}

// Destination is how a next server is doing; without a running server only
// its name is known.
type Destination struct {
	Name      string    `json:"name"` // "" when there is no route
	Active    int       `json:"connections"`
	Failures  int       `json:"failures"` // in a row
	NotBefore time.Time `json:"not_before,omitzero"`
	Last      string    `json:"last_error,omitempty"`
}

// QueueAct does something to all items of a selection.
type QueueAct struct {
	queue.Selection
	Act    string `json:"act"`             // hold, release, retry, route, drop
	Route  string `json:"route,omitempty"` // of route: a peer's name, a configured route's domain, "" for the domain's own way
	Tell   bool   `json:"tell,omitempty"`  // of drop: send delivery reports
	DryRun bool   `json:"dry_run,omitempty"`
}

// QueueDone tells how much an act has done.
type QueueDone struct {
	Items int64 `json:"items"`
	Busy  int   `json:"under_way,omitempty"` // left alone, because an attempt is under way
}

func (s *Service) queueList(ctx context.Context, req QueueList, _ Progress) (any, error) {
	items, err := s.Queue.List(ctx, queue.Filter{
		All: req.All, Queue: req.QueueID, Item: req.Item, Domain: req.Domain, Sender: req.Sender, State: req.State, Limit: req.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := make([]QueueItem, len(items))
	for i, it := range items {
		out[i] = QueueItem{Item: it, To: it.Rcpt.String(), Priority: int(it.Env.Priority), Age: age(s.opt.Now(), it.Created)}
		if !it.Sender.Null {
			out[i].From = it.Sender.Address.String()
		}
	}
	return out, nil
}

func age(now, since time.Time) int64 { return int64(max(0, now.Sub(since)) / time.Second) }

func (s *Service) queueSummary(ctx context.Context, _ None, _ Progress) (any, error) {
	list, err := s.Queue.Summary(ctx)
	if err != nil {
		return nil, err
	}
	lanes := make([]queue.Lane, len(list))
	for i, l := range list {
		lanes[i] = l.Lane
	}
	how := s.Transport.Destinations(lanes)
	out := make([]QueueLane, len(list))
	for i, l := range list {
		h := how[i]
		out[i] = QueueLane{
			LaneSummary: l, Age: age(s.opt.Now(), l.Oldest),
			Destination: Destination{Name: h.Name, Active: h.Active, Failures: h.Failures, NotBefore: h.Until, Last: h.Last},
		}
	}
	return out, nil
}

func (s *Service) queueAct(ctx context.Context, req QueueAct, _ Progress) (any, error) {
	if req.Act == "drop" {
		return s.queueDrop(ctx, req)
	}
	if act := queue.Act(req.Act); act == queue.ActRoute && req.Route != "" {
		if names := s.Transport.RouteNames(); !slices.Contains(names, req.Route) {
			return nil, fault.Newf(fault.NotFound, "there is no route %q; there are: %s", req.Route, strings.Join(names, ", "))
		}
	}
	if req.DryRun {
		there, busy, err := s.Queue.Chosen(ctx, req.Selection)
		return QueueDone{Items: int64(there), Busy: busy}, err
	}
	n, err := s.Queue.Change(ctx, actor(), req.Selection, queue.Act(req.Act), req.Route)
	return QueueDone{Items: n}, err
}

func (s *Service) queueDrop(ctx context.Context, req QueueAct) (any, error) {
	there, busy, err := s.Queue.Chosen(ctx, req.Selection)
	if err != nil || req.DryRun {
		return QueueDone{Items: int64(there), Busy: busy}, err
	}
	n, err := s.Transport.Drop(ctx, actor(), req.Selection, req.Tell)
	return QueueDone{Items: int64(n), Busy: busy}, err
}
