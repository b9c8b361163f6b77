package mailstore

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"vanthu/internal/sqldb"
)

// Hot is a mailbox whose index is in memory. It is shared by all who have it
// open; each of them must Release it.
type Hot struct {
	id      MailboxID
	set     *hotSet
	current atomic.Pointer[Version]

	// Guarded by set.mu.
	refs   int
	lru    *list.Element // in set.idle while refs is 0
	loaded chan struct{} // closed when current is set, or err
	err    error
	early  []*change // committed while the index was being read
	size   int       // rows counted in set.rows
}

// Version gives the newest index. It is never nil.
func (h *Hot) Version() *Version { return h.current.Load() }

// Release tells that the caller does not use h any more.
func (h *Hot) Release() { h.set.release(h) }

// hotSet is the mailboxes in memory and who listens to which.
type hotSet struct {
	mu    sync.Mutex
	limit int
	rows  int // in all loaded mailboxes
	boxes map[MailboxID]*Hot
	idle  *list.List // of *Hot that nobody has open, the longest unused first

	listenMu sync.Mutex
	listen   map[topic]map[*listener]struct{}
	anybody  atomic.Bool        // somebody listens to something
	dirty    map[topic]struct{} // changed since the last round of wake-ups
	waking   bool               // a goroutine is doing the rounds
}

type listener struct{ fn func() }

// topic is what can be listened to: a mailbox, or an owner's list of mailboxes
// and subscriptions.
type topic struct {
	box  MailboxID
	tree Owner
}

func (s *hotSet) init(limit int) {
	s.limit = limit
	s.boxes = map[MailboxID]*Hot{}
	s.idle = list.New()
	s.listen = map[topic]map[*listener]struct{}{}
	s.dirty = map[topic]struct{}{}
}

// Hot gives the mailbox with its index in memory, which it reads if nobody has
// it open. Release it after use. It fails with [ErrNoMailbox].
func (s *Store) Hot(ctx context.Context, id MailboxID) (*Hot, error) {
	h, first := s.hot.acquire(id)
	if first {
		v, err := s.load(context.WithoutCancel(ctx), id)
		s.hot.loadedWith(h, v, err)
	}
	select {
	case <-h.loaded:
	case <-ctx.Done():
		h.Release()
		return nil, ctx.Err()
	}
	if h.err != nil {
		err := h.err
		h.Release()
		return nil, err
	}
	return h, nil
}

// acquire gives the entry of a mailbox; first tells the caller to load it.
func (s *hotSet) acquire(id MailboxID) (h *Hot, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h = s.boxes[id]
	if h == nil {
		h = &Hot{id: id, set: s, loaded: make(chan struct{}), refs: 1}
		s.boxes[id] = h
		return h, true
	}
	h.refs++
	if h.lru != nil {
		s.idle.Remove(h.lru)
		h.lru = nil
	}
	return h, false
}

func (s *hotSet) release(h *Hot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.refs--; h.refs > 0 || s.boxes[h.id] != h {
		return
	}
	h.lru = s.idle.PushBack(h)
	s.shrink()
}

// shrink forgets mailboxes that nobody has open while there are too many rows.
func (s *hotSet) shrink() {
	for s.rows > s.limit && s.idle.Len() > 0 {
		h, ok := s.idle.Remove(s.idle.Front()).(*Hot)
		if !ok {
			return
		}
		h.lru = nil
		s.rows -= h.size
		delete(s.boxes, h.id)
	}
}

// loadedWith ends the loading. A failed entry leaves the set, so that the next
// caller tries again.
func (s *hotSet) loadedWith(h *Hot, v *Version, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		h.err = err
		delete(s.boxes, h.id)
	} else {
		for _, c := range h.early {
			v = v.after(c)
		}
		h.current.Store(v)
		s.count(h, v.rowsOf())
		if v.Dropped {
			delete(s.boxes, h.id)
		}
	}
	h.early = nil
	close(h.loaded)
}

func (s *hotSet) count(h *Hot, n int) {
	s.rows += n - h.size
	h.size = n
}

// after gives the version with c, unless v shows it already: a snapshot sees a
// commit before its turn comes here.
func (v *Version) after(c *change) *Version {
	if !c.dropped && c.modseq <= v.ModSeq {
		return v
	}
	return v.with(c)
}

// apply runs on the writer's goroutine, in the order of commits.
func (s *hotSet) apply(c *change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.boxes[c.mailbox]
	if h == nil {
		return
	}
	v := h.current.Load()
	if v == nil {
		h.early = append(h.early, c)
		return
	}
	v = v.after(c)
	h.current.Store(v)
	s.count(h, v.rowsOf())
	if c.dropped {
		// Who has it open keeps the empty version; the id never comes back.
		s.rows -= h.size
		h.size = 0
		delete(s.boxes, h.id)
		if h.lru != nil {
			s.idle.Remove(h.lru)
			h.lru = nil
		}
	}
}

// Listen has fn called after commits that changed the mailbox, on a goroutine
// that serves all listeners one after another: fn must be quick and never wait.
// Several commits may be told by one call. A round of calls that has begun
// when cancel is called may still call fn once.
func (s *Store) Listen(id MailboxID, fn func()) (cancel func()) {
	return s.hot.subscribe(topic{box: id}, fn)
}

// ListenTree is [Store.Listen] for changes of which mailboxes an owner has,
// what they are called, and what an account is subscribed to.
func (s *Store) ListenTree(o Owner, fn func()) (cancel func()) {
	return s.hot.subscribe(topic{tree: o}, fn)
}

func (s *hotSet) subscribe(id topic, fn func()) (cancel func()) {
	l := &listener{fn: fn}
	s.listenMu.Lock()
	defer s.listenMu.Unlock()
	if s.listen[id] == nil {
		s.listen[id] = map[*listener]struct{}{}
	}
	s.listen[id][l] = struct{}{}
	s.anybody.Store(true)
	return func() {
		s.listenMu.Lock()
		defer s.listenMu.Unlock()
		delete(s.listen[id], l)
		if len(s.listen[id]) == 0 {
			delete(s.listen, id)
		}
		s.anybody.Store(len(s.listen) > 0)
	}
}

// wake marks the mailboxes of a commit for the round of wake-ups, and starts
// one unless it is under way. It runs on the writer's goroutine and only takes
// notes.
func (s *hotSet) wake(p *pending) {
	if !s.anybody.Load() {
		return
	}
	s.listenMu.Lock()
	defer s.listenMu.Unlock()
	mark := func(t topic) {
		if len(s.listen[t]) > 0 {
			s.dirty[t] = struct{}{}
		}
	}
	for id := range p.boxes {
		mark(topic{box: id})
	}
	for o := range p.trees {
		mark(topic{tree: o})
	}
	for id, sh := range p.rights { // sight of a mailbox, and of the owner's others
		mark(topic{box: id})
		mark(topic{tree: sh.owner})
	}
	for id, t := range p.dated {
		mark(topic{box: id})
		mark(topic{tree: t.owner})
	}
	if len(s.dirty) > 0 && !s.waking {
		s.waking = true
		go s.round()
	}
}

// round calls the listeners of all marked mailboxes until none is marked. It
// ends with the burst that started it.
func (s *hotSet) round() {
	for {
		s.listenMu.Lock()
		if len(s.dirty) == 0 {
			s.waking = false
			s.listenMu.Unlock()
			return
		}
		var calls []*listener
		for id := range s.dirty {
			for l := range s.listen[id] {
				calls = append(calls, l)
			}
		}
		clear(s.dirty)
		s.listenMu.Unlock()
		for _, l := range calls {
			l.fn()
		}
	}
}

const qLoad = `
SELECT uid, flags, modseq, message_id, size, internal_us FROM entry WHERE mailbox_id = $1 ORDER BY uid`

// load reads a mailbox's index from the database.
func (s *Store) load(ctx context.Context, id MailboxID) (v *Version, err error) {
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		v, err = loadVersion(ctx, r, id)
		return err
	})
	return v, err
}

func loadVersion(ctx context.Context, r sqldb.Reader, id MailboxID) (*Version, error) {
	m, err := mailboxByID(ctx, r, id)
	if err != nil {
		return nil, err
	}
	if !m.Selectable {
		return nil, ErrNoMailbox
	}
	names, err := keywords(ctx, r, id)
	if err != nil {
		return nil, err
	}
	v := &Version{
		Mailbox: id, UIDValidity: m.UIDValidity, UIDNext: m.UIDNext, ModSeq: m.ModSeq, Keywords: names,
		Unseen: m.Unseen, Deleted: m.Deleted, Octets: m.Octets, PerUser: m.PerUser,
	}
	if m.PerUser {
		if v.seen, err = loadSeen(ctx, r, id); err != nil {
			return nil, err
		}
	}
	rows, err := r.Query(ctx, qLoad, int64(id))
	if err != nil {
		return nil, fmt.Errorf("load mailbox %d: %w", id, err)
	}
	var c *chunk
	var uid, flags, modseq, msg, size, date int64
	dest := []any{&uid, &flags, &modseq, &msg, &size, &date}
	err = scanAll(rows, func(scan func(...any) error) error {
		if err := scan(dest...); err != nil {
			return err
		}
		if c == nil || c.len() == chunkLen {
			c = newChunk()
			v.chunks = append(v.chunks, c)
		}
		c.push(Row{UID: UID(uid), Flags: FlagSet(flags), ModSeq: ModSeq(modseq), Message: MessageID(msg), Size: size, date: date})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load mailbox %d: %w", id, err)
	}
	v.index()
	return v, nil
}

// WakeAll calls all listeners as if everything had changed: rights that others
// keep, such as roles, are other ones now.
func (s *Store) WakeAll() {
	s.hot.listenMu.Lock()
	defer s.hot.listenMu.Unlock()
	for t := range s.hot.listen {
		s.hot.dirty[t] = struct{}{}
	}
	if len(s.hot.dirty) > 0 && !s.hot.waking {
		s.hot.waking = true
		go s.hot.round()
	}
}
