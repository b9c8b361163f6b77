package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// testModel lets several writers change a few mailboxes at random while
// readers hold versions, load mailboxes and forget them again. Three things
// must hold: the index in memory equals what a fresh load gives; a client that
// applies every difference knows the mailbox; and the store verifies clean.
func testModel(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{HotMessages: 2000}) // so few that mailboxes are forgotten all the time
	var boxes []mailstore.MailboxID
	for _, name := range []string{"INBOX", "Sent", "Archive"} {
		boxes = append(boxes, box(t, rig, first, name))
	}
	boxes = append(boxes, box(t, rig, second, "INBOX"))
	for i, id := range boxes {
		fill(t, rig, id, 100+200*i)
	}
	const writers, steps = 4, 60
	var running atomic.Int32
	running.Store(writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			defer running.Add(-1)
			m := mutator{t: t, rig: rig, boxes: boxes, rnd: rand.New(rand.NewPCG(uint64(w), 2026))}
			for range steps {
				m.look()
				if err := rig.Store.Update(t.Context(), m.step); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i, id := range boxes {
		wg.Go(func() {
			c := client{t: t, rig: rig, id: id, rnd: rand.New(rand.NewPCG(uint64(i), 7))}
			for running.Load() > 0 && !t.Failed() {
				c.poll()
			}
			c.poll()
		})
	}
	wg.Wait()
	for _, id := range boxes {
		hot := version(t, rig, id)
		fresh := fresh(t, rig, id)
		if diff := differ(hot, fresh); diff != "" {
			t.Errorf("mailbox %d in memory and in the database: %s", id, diff)
		}
	}
	clean(t, rig)
}

// mutator makes random transactions of one to three changes.
type mutator struct {
	t     *testing.T
	rig   Rig
	boxes []mailstore.MailboxID
	rnd   *rand.Rand
	seen  map[mailstore.MailboxID]*mailstore.Version // before the transaction, so a little old
}

// look takes the versions that the next step aims at.
func (m *mutator) look() {
	m.seen = map[mailstore.MailboxID]*mailstore.Version{}
	for _, id := range m.boxes {
		h, err := m.rig.Store.Hot(m.t.Context(), id)
		if err != nil {
			m.t.Error(err)
			return
		}
		m.seen[id] = h.Version()
		h.Release()
	}
}

func (m *mutator) box() mailstore.MailboxID { return m.boxes[m.rnd.IntN(len(m.boxes))] }

func (m *mutator) set(id mailstore.MailboxID) mailstore.UIDSet {
	next := max(m.seen[id].UIDNext, 2)
	var ranges []mailstore.UIDRange
	for range 1 + m.rnd.IntN(3) {
		first := mailstore.UID(m.rnd.Uint32N(uint32(next)))
		ranges = append(ranges, mailstore.UIDRange{First: first, Last: first + mailstore.UID(m.rnd.Uint32N(30))})
	}
	return mailstore.MakeUIDSet(ranges...)
}

func (m *mutator) step(tx *sqldb.Tx) error {
	for range 1 + m.rnd.IntN(3) {
		if err := m.act(tx); err != nil {
			return err
		}
	}
	return nil
}

func (m *mutator) act(tx *sqldb.Tx) error {
	ctx, s, id := m.t.Context(), m.rig.Store, m.box()
	switch m.rnd.IntN(10) {
	case 0, 1, 2:
		f, err := body(m.rig, text(fmt.Sprint(m.rnd.Uint64()), 300))
		if err != nil {
			return err
		}
		msg, err := s.Store(ctx, tx, f, nil, time.Time{})
		for range 1 + m.rnd.IntN(10) {
			if err == nil {
				_, err = s.Deliver(ctx, tx, id, msg, mailstore.FlagSet(m.rnd.Uint64())&mailstore.SystemFlags, time.Time{})
			}
		}
		return err
	case 3, 4, 5, 6:
		ch := mailstore.FlagChange{Op: mailstore.FlagOp(m.rnd.IntN(3)), Flags: mailstore.Flags{System: mailstore.FlagSet(m.rnd.Uint64())}}
		if m.rnd.IntN(3) == 0 {
			ch.Flags.Keywords = []string{fmt.Sprintf("k%d", m.rnd.IntN(12))}
		}
		if m.rnd.IntN(4) == 0 {
			v := m.seen[id]
			ch.Conditional, ch.UnchangedSince = true, v.ModSeq-min(v.ModSeq, mailstore.ModSeq(m.rnd.IntN(10)))
		}
		_, err := s.SetFlags(ctx, tx, id, m.set(id), ch)
		return err
	case 7:
		_, err := s.Move(ctx, tx, id, m.set(id), m.box())
		return err
	case 8:
		_, err := s.Copy(ctx, tx, id, m.set(id), m.box())
		return err
	default:
		_, err := s.Expunge(ctx, tx, id, m.set(id))
		return err
	}
}

// body makes a finished message on a goroutine that may not end the test.
func body(rig Rig, msg []byte) (*mailstore.Finished, error) {
	b := rig.Store.NewBody()
	if _, err := b.Write(msg); err != nil {
		b.Abort()
		return nil, err
	}
	return b.Finish()
}

// client believes only what differences tell it.
type client struct {
	t     *testing.T
	rig   Rig
	id    mailstore.MailboxID
	rnd   *rand.Rand
	known *mailstore.Version
	rows  []mailstore.Row
}

func (c *client) poll() {
	h, err := c.rig.Store.Hot(c.t.Context(), c.id)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer h.Release()
	for range 1 + c.rnd.IntN(20) {
		now := h.Version()
		next := now
		if c.known != nil && c.rnd.IntN(3) == 0 {
			next = mailstore.Hold(c.known, now)
			if d := mailstore.Compare(c.known, next); len(d.Gone) > 0 {
				c.t.Errorf("mailbox %d: a held version lost %d messages", c.id, len(d.Gone))
			}
		}
		c.tell(next)
	}
}

// tell applies the difference to next and compares.
func (c *client) tell(next *mailstore.Version) {
	d := mailstore.Compare(c.known, next)
	for _, g := range slices.Backward(d.Gone) {
		if c.rows[g.Seq-1].UID != g.UID {
			c.t.Errorf("mailbox %d: gone %+v, but the client has uid %d there", c.id, g, c.rows[g.Seq-1].UID)
			return
		}
		c.rows = slices.Delete(c.rows, g.Seq-1, g.Seq)
	}
	for _, a := range d.Added {
		if a.Seq != len(c.rows)+1 {
			c.t.Errorf("mailbox %d: added %+v after %d messages", c.id, a, len(c.rows))
			return
		}
		c.rows = append(c.rows, next.At(a.Seq))
	}
	for _, ch := range d.Changed {
		if c.rows[ch.Seq-1].UID != ch.UID {
			c.t.Errorf("mailbox %d: changed %+v, but the client has uid %d there", c.id, ch, c.rows[ch.Seq-1].UID)
			return
		}
		c.rows[ch.Seq-1] = next.At(ch.Seq)
	}
	c.known = next
	if got := slices.Collect(rows(next)); !slices.Equal(got, c.rows) {
		c.t.Errorf("mailbox %d: the client knows %d messages, the version has %d, or they differ", c.id, len(c.rows), len(got))
	}
}

func rows(v *mailstore.Version) func(func(mailstore.Row) bool) {
	return func(yield func(mailstore.Row) bool) {
		for _, r := range v.Rows(1, v.Len()) {
			if !yield(r) {
				return
			}
		}
	}
}

// fresh loads a mailbox's index from the database with a store of its own.
func fresh(t testing.TB, rig Rig, id mailstore.MailboxID) *mailstore.Version {
	t.Helper()
	s, err := mailstore.Open(t.Context(), rig.DB, rig.Blobs, mailstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return version(t, Rig{Store: s}, id)
}

// differ says how two versions differ, "" if they do not.
func differ(a, b *mailstore.Version) string {
	head := func(v *mailstore.Version) string {
		return fmt.Sprint(v.Len(), v.UIDValidity, v.UIDNext, v.ModSeq, v.Keywords, v.Unseen, v.Deleted, v.Octets, v.Last())
	}
	if head(a) != head(b) {
		return head(a) + " and " + head(b)
	}
	for seq, r := range a.Rows(1, a.Len()) {
		if other := b.At(seq); r != other {
			return fmt.Sprintf("message %d: %+v and %+v", seq, r, other)
		}
		if got, ok := a.Seq(r.UID); !ok || got != seq {
			return fmt.Sprintf("uid %d is found at %d, not %d", r.UID, got, seq)
		}
	}
	for since := b.ModSeq - min(b.ModSeq, 50); since <= b.ModSeq; since++ {
		var x, y []mailstore.UID
		for _, r := range a.ChangedSince(since) {
			x = append(x, r.UID)
		}
		for _, r := range b.Rows(1, b.Len()) {
			if r.ModSeq > since {
				y = append(y, r.UID)
			}
		}
		if !slices.Equal(x, y) {
			return fmt.Sprintf("changed since %d: %v and %v", since, x, y)
		}
	}
	return ""
}
