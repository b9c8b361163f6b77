package delivery

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"vanthu/internal/queue"
)

// maxRecent bounds the memory of recent acceptances, about 15 MB.
const maxRecent = 100_000

// dedupeKey names a message by its sender, its recipients and all its octets.
type dedupeKey [sha256.Size]byte

// recent remembers what was accepted, so that a client that did not hear our
// 250 and sends the same octets again does not double the message. It is a
// memory only: after a restart a retry may arrive twice, which RFC 5321,
// section 6.1 allows. A Message-ID alone never counts: its sender chooses it.
type recent struct {
	mu     sync.Mutex
	window time.Duration
	byKey  map[dedupeKey]acceptance
	busy   map[dedupeKey]chan struct{} // being accepted now; closed when that has ended
	order  []dedupeKey                 // oldest first, from head on
	head   int
}

type acceptance struct {
	id queue.ID
	at time.Time
}

func newRecent(window time.Duration) *recent {
	return &recent{window: window, byKey: map[dedupeKey]acceptance{}, busy: map[dedupeKey]chan struct{}{}}
}

// begin gives what was accepted before. Otherwise the caller is the one who
// accepts it, and must call end; whoever brings the same meanwhile waits.
func (r *recent) begin(ctx context.Context, k dedupeKey, now time.Time) (id queue.ID, before bool, err error) {
	for {
		r.mu.Lock()
		a, ok := r.byKey[k]
		other, taken := r.busy[k]
		found := ok && now.Sub(a.at) < r.window
		if !found && !taken {
			r.busy[k] = make(chan struct{})
		}
		r.mu.Unlock()
		if found || !taken {
			return a.id, found, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return "", false, ctx.Err()
		}
	}
}

// end lets those go on who wait for the outcome.
func (r *recent) end(k dedupeKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.busy[k])
	delete(r.busy, k)
}

func (r *recent) add(k dedupeKey, id queue.ID, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.byKey[k]; !ok {
		r.order = append(r.order, k)
	}
	r.byKey[k] = acceptance{id, now}
	for r.head < len(r.order) {
		oldest := r.order[r.head]
		if len(r.byKey) <= maxRecent && now.Sub(r.byKey[oldest].at) < r.window {
			break
		}
		delete(r.byKey, oldest)
		r.head++
	}
	if r.head > len(r.order)/2 && r.head > 1024 {
		r.order = append(r.order[:0:0], r.order[r.head:]...)
		r.head = 0
	}
}

// dedupeKey hashes what makes in the same submission as another one.
func (in *Incoming) dedupeKey(body [sha256.Size]byte) dedupeKey {
	h := sha256.New()
	h.Write(body[:])
	h.Write([]byte(in.env.From.String()))
	for _, r := range in.env.To {
		h.Write([]byte{0})
		h.Write([]byte(r.Addr.String()))
	}
	var k dedupeKey
	h.Sum(k[:0])
	return k
}
