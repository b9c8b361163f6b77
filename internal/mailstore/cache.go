package mailstore

import (
	"container/list"
	"sync"
)

// messageCache keeps what was last asked for about messages, the longest
// unused first to go. Messages never change, so nothing is ever stale.
type messageCache[V any] struct {
	cost  func(V) int64 // about the octets that a value takes in memory
	mu    sync.Mutex
	limit int64
	used  int64
	m     map[MessageID]*list.Element
	order list.List // of cached[V], the last used in front
}

type cached[V any] struct {
	id MessageID
	v  V
}

func (c *messageCache[V]) init(limit int64, cost func(V) int64) {
	c.limit, c.cost = limit, cost
	c.m = map[MessageID]*list.Element{}
	c.order.Init()
}

// cost is about what a Meta takes in memory.
func (m *Meta) cost() int64 { return 500 + m.octets }

// get gives those of ids that are here to fn, and appends the others to
// missing. fn must be quick and must not use the cache.
func (c *messageCache[V]) get(ids, missing []MessageID, fn func(MessageID, V)) []MessageID {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		e, ok := c.m[id]
		if !ok {
			missing = append(missing, id)
			continue
		}
		c.order.MoveToFront(e)
		if x, ok := e.Value.(cached[V]); ok {
			fn(id, x.v)
		}
	}
	return missing
}

func (c *messageCache[V]) put(id MessageID, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.m[id]; ok {
		return
	}
	c.m[id] = c.order.PushFront(cached[V]{id, v})
	c.used += c.cost(v)
	for c.used > c.limit && c.order.Len() > 1 {
		c.drop(c.order.Back())
	}
}

// forget drops a message that was deleted.
func (c *messageCache[V]) forget(id MessageID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.m[id]; ok {
		c.drop(e)
	}
}

func (c *messageCache[V]) drop(e *list.Element) {
	if old, ok := c.order.Remove(e).(cached[V]); ok {
		delete(c.m, old.id)
		c.used -= c.cost(old.v)
	}
}
