package mailstore_test

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"vanthu/internal/directory"
	"vanthu/internal/journal"
	"vanthu/internal/mailstore"
	"vanthu/internal/mailstore/storetest"
	"vanthu/internal/sqldb"
)

const (
	clerk  directory.AccountID = 11
	leader directory.AccountID = 12
	staff  directory.AccountID = 13
)

// seenModel is what three accounts must see in two mailboxes of a unit, and in one of an account.
type seenModel struct {
	t     *testing.T
	rig   storetest.Rig
	boxes []mailstore.Mailbox
	own   map[mailstore.MailboxID]bool
	want  map[mailstore.MailboxID]map[mailstore.UID]map[directory.AccountID]bool
	rnd   *rand.Rand
}

func viewers() []directory.AccountID { return []directory.AccountID{clerk, leader, staff} }

func (m *seenModel) update(fn func(tx *sqldb.Tx) error) {
	m.t.Helper()
	if err := m.rig.DB.Update(m.t.Context(), fn); err != nil {
		m.t.Fatal(err)
	}
}

func (m *seenModel) body() *mailstore.Finished {
	m.t.Helper()
	b := m.rig.Store.NewBody()
	if _, err := io.WriteString(b, "Subject: x\r\n\r\nx\r\n"); err != nil {
		m.t.Fatal(err)
	}
	f, err := b.Finish()
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { f.Release() })
	return f
}

func everyone(seen bool) map[directory.AccountID]bool {
	return map[directory.AccountID]bool{clerk: seen, leader: seen, staff: seen}
}

// pick gives some of the UIDs of a mailbox, ascending.
func (m *seenModel) pick(id mailstore.MailboxID) []mailstore.UID {
	all := slices.Sorted(maps.Keys(m.want[id]))
	if len(all) == 0 {
		return nil
	}
	from := m.rnd.IntN(len(all))
	return all[from:min(len(all), from+1+m.rnd.IntN(4))]
}

func (m *seenModel) append() {
	box := m.boxes[m.rnd.IntN(len(m.boxes))]
	by := append(viewers(), 0)[m.rnd.IntN(4)]
	seen := m.rnd.IntN(2) == 0
	it := mailstore.Item{Body: m.body(), By: by}
	if seen {
		it.Flags.System = mailstore.Seen
	}
	uids, err := m.rig.Store.Append(m.t.Context(), box.ID, it)
	if err != nil {
		m.t.Fatal(err)
	}
	w := everyone(seen)
	if m.own[box.ID] && by != 0 {
		w = everyone(false)
		w[by] = seen
	}
	m.want[box.ID][uids[0]] = w
}

func (m *seenModel) store() {
	box := m.boxes[m.rnd.IntN(len(m.boxes))]
	uids := m.pick(box.ID)
	if uids == nil {
		return
	}
	by := viewers()[m.rnd.IntN(3)]
	ch := mailstore.FlagChange{Op: mailstore.FlagOp(m.rnd.IntN(3)), By: by}
	if m.rnd.IntN(3) > 0 {
		ch.Flags.System |= mailstore.Seen
	}
	if m.rnd.IntN(2) > 0 {
		ch.Flags.System |= mailstore.Flagged
	}
	m.update(func(tx *sqldb.Tx) error {
		_, err := m.rig.Store.SetFlags(m.t.Context(), tx, box.ID, mailstore.UIDs(uids...), ch)
		return err
	})
	for _, u := range uids {
		w := m.want[box.ID][u]
		now := w[by]
		switch has := ch.Flags.System&mailstore.Seen != 0; {
		case ch.Op == mailstore.ReplaceFlags:
			now = has
		case has:
			now = ch.Op == mailstore.AddFlags
		}
		if m.own[box.ID] {
			w[by] = now
		} else {
			m.want[box.ID][u] = everyone(now)
		}
	}
}

func (m *seenModel) transfer() {
	from, to := m.boxes[m.rnd.IntN(len(m.boxes))], m.boxes[m.rnd.IntN(len(m.boxes))]
	uids := m.pick(from.ID)
	if uids == nil {
		return
	}
	by := append(viewers(), 0)[m.rnd.IntN(4)]
	move := m.rnd.IntN(2) == 0
	var res mailstore.Copied
	m.update(func(tx *sqldb.Tx) (err error) {
		act := m.rig.Store.CopyAs
		if move {
			act = m.rig.Store.MoveAs
		}
		res, err = act(m.t.Context(), tx, from.ID, mailstore.UIDs(uids...), to.ID, mailstore.Carry{By: by})
		return err
	})
	for i, u := range res.From {
		old := m.want[from.ID][u]
		w := maps.Clone(old)
		anybody := old[clerk] || old[leader] || old[staff]
		switch {
		case !m.own[to.ID] && by != 0:
			w = everyone(old[by])
		case !m.own[to.ID]:
			w = everyone(anybody)
		case from.Owner != to.Owner:
			w = everyone(false)
			if by != 0 {
				w[by] = old[by]
			}
		}
		if move {
			delete(m.want[from.ID], u)
		}
		m.want[to.ID][res.To[i]] = w
	}
}

func (m *seenModel) remove() {
	box := m.boxes[m.rnd.IntN(len(m.boxes))]
	uids := m.pick(box.ID)
	m.update(func(tx *sqldb.Tx) error {
		_, err := m.rig.Store.Remove(m.t.Context(), tx, box.ID, mailstore.UIDs(uids...))
		return err
	})
	for _, u := range uids {
		delete(m.want[box.ID], u)
	}
}

func (m *seenModel) turn() {
	box := m.boxes[m.rnd.IntN(len(m.boxes))]
	mode := mailstore.SeenMode(m.rnd.IntN(2) == 0)
	changed, err := m.rig.Store.SetSeenMode(m.t.Context(), journal.System("test"), box.Owner, box.Name, mode)
	if err != nil {
		m.t.Fatal(err)
	}
	if (len(changed) == 1) != (m.own[box.ID] != bool(mode)) {
		m.t.Errorf("SetSeenMode changed %d mailboxes", len(changed))
	}
	if m.own[box.ID] && mode == mailstore.SeenShared {
		for u, w := range m.want[box.ID] {
			m.want[box.ID][u] = everyone(w[clerk] || w[leader] || w[staff])
		}
	}
	m.own[box.ID] = bool(mode)
}

// check compares a store, as it is in memory or freshly opened, with the model.
func (m *seenModel) check(s *mailstore.Store, step string) {
	m.t.Helper()
	for _, box := range m.boxes {
		h, err := s.Hot(m.t.Context(), box.ID)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, a := range viewers() {
			v := h.Version().As(a)
			unseen := int64(0)
			if v.Len() != len(m.want[box.ID]) {
				m.t.Fatalf("%s: mailbox %d has %d messages, want %d", step, box.ID, v.Len(), len(m.want[box.ID]))
			}
			for _, row := range v.Rows(1, v.Len()) {
				want := m.want[box.ID][row.UID][a]
				if got := row.Flags&mailstore.Seen != 0; got != want {
					m.t.Fatalf("%s: mailbox %d uid %d: account %d has seen it: %v, want %v", step, box.ID, row.UID, a, got, want)
				}
				if !want {
					unseen++
				}
			}
			if v.Unseen != unseen {
				m.t.Fatalf("%s: mailbox %d account %d: unseen %d in the version, want %d", step, box.ID, a, v.Unseen, unseen)
			}
			b, err := s.LookupFor(m.t.Context(), box.Owner, box.Name, a)
			if err != nil {
				m.t.Fatal(err)
			}
			if b.Unseen != unseen || b.Visible > b.ModSeq {
				m.t.Fatalf("%s: mailbox %d account %d: unseen %d, visible %d of %d, want %d", step, box.ID, a, b.Unseen, b.Visible, b.ModSeq, unseen)
			}
		}
		h.Release()
	}
}

func TestOwnSeenModel(t *testing.T) {
	rounds, steps := 3, 150
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			rig := open(t, mailstore.Options{})
			m := &seenModel{
				t: t, rig: rig, rnd: rand.New(rand.NewPCG(7, uint64(round))), own: map[mailstore.MailboxID]bool{},
				want: map[mailstore.MailboxID]map[mailstore.UID]map[directory.AccountID]bool{},
			}
			unit := mailstore.Owner{Unit: 1}
			for _, o := range []struct {
				owner mailstore.Owner
				name  string
			}{{unit, "A"}, {unit, "B"}, {mailstore.Owner{Account: clerk}, "C"}} {
				b, err := rig.Store.CreateMailbox(t.Context(), o.owner, o.name, mailstore.UseNone)
				if err != nil {
					t.Fatal(err)
				}
				m.boxes = append(m.boxes, b)
				m.want[b.ID] = map[mailstore.UID]map[directory.AccountID]bool{}
				h, err := rig.Store.Hot(t.Context(), b.ID) // hot all the time
				if err != nil {
					t.Fatal(err)
				}
				defer h.Release()
			}
			for step := range steps {
				name := "append"
				switch m.rnd.IntN(12) {
				case 0, 1, 2:
					m.append()
				case 3, 4, 5, 6:
					name = "store"
					m.store()
				case 7, 8:
					name = "transfer"
					m.transfer()
				case 9:
					name = "remove"
					m.remove()
				case 10:
					name = "turn"
					m.turn()
				default:
					m.append()
				}
				m.check(rig.Store, fmt.Sprintf("step %d %s", step, name))
			}
			fresh, err := mailstore.Open(t.Context(), rig.DB, rig.Blobs, mailstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			m.check(fresh, "opened again")
			check := func(r sqldb.Reader) error {
				rep, err := mailstore.Verify(t.Context(), r, rig.Blobs, mailstore.VerifyOptions{Each: func(w mailstore.Wrong) { t.Errorf("verify: %+v", w) }})
				if rep.Wrongs > 0 {
					t.Errorf("%d things are wrong", rep.Wrongs)
				}
				return err
			}
			if err := rig.DB.View(t.Context(), check); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Bits over many parts, and what is written of them.
func TestOwnSeenOverManyParts(t *testing.T) {
	rig := open(t, mailstore.Options{})
	m := &seenModel{t: t, rig: rig}
	box, err := rig.Store.CreateMailbox(t.Context(), mailstore.Owner{Unit: 1}, "A", mailstore.UseNone)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rig.Store.SetSeenMode(t.Context(), journal.System("test"), box.Owner, "", mailstore.SeenPerUser); err != nil {
		t.Fatal(err)
	}
	var msg mailstore.MessageID
	const n = 5000
	m.update(func(tx *sqldb.Tx) (err error) {
		if msg, err = rig.Store.Store(t.Context(), tx, m.body(), nil, box.Created); err != nil {
			return err
		}
		for range n {
			if _, err := rig.Store.Deliver(t.Context(), tx, box.ID, msg, 0, box.Created); err != nil {
				return err
			}
		}
		return nil
	})
	m.update(func(tx *sqldb.Tx) error {
		_, err := rig.Store.SetFlags(t.Context(), tx, box.ID, mailstore.AllUIDs(), mailstore.FlagChange{
			Op: mailstore.AddFlags, Flags: mailstore.Flags{System: mailstore.Seen}, By: clerk,
		})
		return err
	})
	m.update(func(tx *sqldb.Tx) error {
		_, err := rig.Store.Remove(t.Context(), tx, box.ID, mailstore.MakeUIDSet(mailstore.UIDRange{First: 2000, Last: 4200}))
		return err
	})
	for a, want := range map[directory.AccountID]int64{clerk: 0, leader: n - 2201} {
		b, err := rig.Store.LookupFor(t.Context(), box.Owner, "A", a)
		if err != nil {
			t.Fatal(err)
		}
		if b.Unseen != want {
			t.Errorf("account %d: %d unseen, want %d", a, b.Unseen, want)
		}
	}
	h, err := rig.Store.Hot(t.Context(), box.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if got := h.Version().As(clerk).FirstWithout(mailstore.Seen); got != 0 {
		t.Errorf("first unseen of the clerk = %d, want none", got)
	}
	if got := h.Version().As(leader).FirstWithout(mailstore.Seen); got != 1 {
		t.Errorf("first unseen of the leader = %d, want 1", got)
	}
}
