package control

import (
	"context"

	"vanthu/internal/fault"
	"vanthu/internal/queue"
)

// Calls about the queue.
const (
	CallQueueList = "queue.list" // QueueList → []QueueItem
	CallQueueAct  = "queue.act"  // QueueAct → None
)

// QueueList narrows a listing.
type QueueList struct {
	All     bool     `json:"all,omitempty"` // also what is done or has failed
	QueueID queue.ID `json:"queue_id,omitempty"`
}

// QueueItem is an item with its addresses as text.
type QueueItem struct {
	queue.Item
	From string `json:"from"` // "" is the null reverse-path
	To   string `json:"to"`
}

// QueueAct does something to one item.
type QueueAct struct {
	ID  queue.ItemID `json:"id"`
	Act string       `json:"act"` // hold, release, retry
}

func (s *Service) queueList(ctx context.Context, req QueueList, _ Progress) (any, error) {
	items, err := s.Queue.List(ctx, queue.Filter{All: req.All, Queue: req.QueueID})
	if err != nil {
		return nil, err
	}
	out := make([]QueueItem, len(items))
	for i, it := range items {
		out[i] = QueueItem{Item: it, To: it.Rcpt.String()}
		if !it.Sender.Null {
			out[i].From = it.Sender.Address.String()
		}
	}
	return out, nil
}

func (s *Service) queueAct(ctx context.Context, req QueueAct, _ Progress) (any, error) {
	switch req.Act {
	case "hold":
		return None{}, s.Queue.Hold(ctx, actor(), req.ID)
	case "release":
		return None{}, s.Queue.Release(ctx, actor(), req.ID)
	case "retry":
		return None{}, s.Queue.RetryNow(ctx, actor(), req.ID)
	}
	return nil, fault.Newf(fault.Invalid, "the queue has no act %q: use hold, release or retry", req.Act)
}
