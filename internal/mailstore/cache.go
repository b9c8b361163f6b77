package mailstore

import (
	"container/list"
	"sync"
)

// structCache keeps what was last asked for about messages, the longest unused
// first to go. Messages never change, so nothing is ever stale.
type structCache struct {
	mu    sync.Mutex
	limit int64
	used  int64
	m     map[MessageID]*list.Element
	order list.List // of *Meta, the last used in front
}

func (c *structCache) init(limit int64) {
	c.limit = limit
	c.m = map[MessageID]*list.Element{}
	c.order.Init()
}

// cost is about what a Meta takes in memory.
func (m *Meta) cost() int64 { return 500 + m.octets }

// get puts those of ids that are here into found, and appends the others to
// missing.
func (c *structCache) get(ids []MessageID, found map[MessageID]*Meta, missing []MessageID) []MessageID {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		e, ok := c.m[id]
		if !ok {
			missing = append(missing, id)
			continue
		}
		c.order.MoveToFront(e)
		if m, ok := e.Value.(*Meta); ok {
			found[id] = m
		}
	}
	return missing
}

func (c *structCache) put(m *Meta) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.m[m.Message]; ok {
		return
	}
	c.m[m.Message] = c.order.PushFront(m)
	c.used += m.cost()
	for c.used > c.limit && c.order.Len() > 1 {
		old, ok := c.order.Remove(c.order.Back()).(*Meta)
		if !ok {
			return
		}
		delete(c.m, old.Message)
		c.used -= old.cost()
	}
}

// forget drops a message that was deleted.
func (c *structCache) forget(id MessageID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.m[id]; ok {
		if m, ok := c.order.Remove(e).(*Meta); ok {
			c.used -= m.cost()
		}
		delete(c.m, id)
	}
}
