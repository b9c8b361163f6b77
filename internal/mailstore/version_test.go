package mailstore

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// reference is a mailbox index as simple as can be.
type reference struct {
	rows []Row
	next UID
}

func (r *reference) random(rnd *rand.Rand, modseq ModSeq) *change {
	c := &change{modseq: modseq, uidNext: r.next}
	for range 1 + rnd.IntN(4) {
		switch k := rnd.IntN(10); {
		case k < 4 || len(r.rows) == 0:
			for range 1 + rnd.IntN(200) {
				row := Row{UID: r.next, Flags: FlagSet(rnd.Uint64()) & SystemFlags, ModSeq: modseq, Message: MessageID(r.next), Size: rnd.Int64N(5000), date: rnd.Int64()}
				r.next += 1 + UID(rnd.IntN(2))
				r.rows = append(r.rows, row)
				c.add(row)
			}
			c.uidNext = r.next
		case k < 8:
			for range 1 + rnd.IntN(20) {
				i := rnd.IntN(len(r.rows))
				r.rows[i].Flags, r.rows[i].ModSeq = FlagSet(rnd.Uint64())&SystemFlags, modseq
				c.reflag(r.rows[i].UID, r.rows[i].Flags)
			}
		default:
			first := rnd.IntN(len(r.rows))
			last := min(first+rnd.IntN(400), len(r.rows))
			for _, row := range r.rows[first:last] {
				c.remove(row.UID)
			}
			r.rows = slices.Delete(r.rows, first, last)
		}
	}
	return c
}

// Every version must stay what it was when it was made, however many come
// after it and share its columns.
func TestVersionsAgainstReference(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		ref := reference{next: 1}
		v := &Version{}
		type moment struct {
			v    *Version
			rows []Row
		}
		past := []moment{{v, nil}}
		for step := range 120 {
			v = v.with(ref.random(rnd, ModSeq(step+2)))
			past = append(past, moment{v, slices.Clone(ref.rows)})
		}
		for i, m := range past {
			got := make([]Row, 0, m.v.Len())
			var d delta
			for seq, r := range m.v.Rows(1, m.v.Len()) {
				if seq != len(got)+1 || m.v.At(seq) != r || m.v.SeqFrom(r.UID) != seq {
					t.Fatalf("seed %d, version %d: message %d is not found by its numbers", seed, i, seq)
				}
				got = append(got, r)
				d.count(1, r.Flags, r.Size)
			}
			if !slices.Equal(got, m.rows) {
				t.Fatalf("seed %d, version %d: rows changed after it was made", seed, i)
			}
			if d.unseen != m.v.Unseen || d.deleted != m.v.Deleted || d.octets != m.v.Octets {
				t.Fatalf("seed %d, version %d: counters %d %d %d, want %+v", seed, i, m.v.Unseen, m.v.Deleted, m.v.Octets, d)
			}
			if n := len(m.v.chunks); n > 2+m.v.Len()/(chunkLen/8) {
				t.Errorf("seed %d, version %d: %d chunks for %d rows", seed, i, n, m.v.Len())
			}
		}
		for range 60 {
			a, b := past[rnd.IntN(len(past))], past[rnd.IntN(len(past))]
			if a.v.ModSeq > b.v.ModSeq {
				a, b = b, a
			}
			checkCompare(t, a.v, b.v)
			held := Hold(a.v, b.v)
			checkCompare(t, a.v, held)
			checkCompare(t, held, b.v)
			if d := Compare(a.v, held); len(d.Gone) > 0 {
				t.Fatalf("seed %d: a held version lost %d messages", seed, len(d.Gone))
			}
		}
	}
}

// checkCompare compares by brute force.
func checkCompare(t *testing.T, a, b *Version) {
	t.Helper()
	var want Difference
	for seq, r := range a.Rows(1, a.Len()) {
		if _, ok := b.Seq(r.UID); !ok {
			want.Gone = append(want.Gone, Ref{seq, r.UID})
		}
	}
	for seq, r := range b.Rows(1, b.Len()) {
		old, ok := a.Seq(r.UID)
		switch {
		case !ok:
			want.Added = append(want.Added, Ref{seq, r.UID})
		case a.At(old).ModSeq != r.ModSeq:
			want.Changed = append(want.Changed, Ref{seq, r.UID})
		}
	}
	got := Compare(a, b)
	if !slices.Equal(got.Gone, want.Gone) || !slices.Equal(got.Added, want.Added) || !slices.Equal(got.Changed, want.Changed) {
		t.Fatalf("Compare = %d gone, %d added, %d changed; want %d, %d, %d",
			len(got.Gone), len(got.Added), len(got.Changed), len(want.Gone), len(want.Added), len(want.Changed))
	}
}

func TestEmptyVersion(t *testing.T) {
	v := &Version{}
	if _, ok := v.Seq(1); ok || v.SeqFrom(1) != 1 || v.Last() != 0 || v.FirstWithout(Seen) != 0 {
		t.Error("an empty version finds something")
	}
	for range v.Rows(1, 10) {
		t.Error("an empty version has rows")
	}
	for range v.InUIDs(AllUIDs()) {
		t.Error("an empty version has UIDs")
	}
}

// A commit that the snapshot saw already must not be applied again, one that
// it did not see must.
func TestChangesWhileLoading(t *testing.T) {
	var s hotSet
	s.init(1000)
	h, first := s.acquire(5)
	if !first {
		t.Fatal("nobody loads the mailbox")
	}
	row := func(u UID, m ModSeq) Row { return Row{UID: u, ModSeq: m} }
	seen, unseen := &change{mailbox: 5, modseq: 7, uidNext: 2}, &change{mailbox: 5, modseq: 8, uidNext: 3}
	seen.add(row(1, 7))
	unseen.add(row(2, 8))
	s.apply(seen)
	s.apply(unseen)
	loaded := (&Version{Mailbox: 5, ModSeq: 6}).with(seen)
	s.loadedWith(h, loaded, nil)
	if v := h.Version(); v.Len() != 2 || v.ModSeq != 8 || v.UIDNext != 3 {
		t.Errorf("%d messages at %d, want 2 at 8", v.Len(), v.ModSeq)
	}
}

func TestHotForgetsLongestUnused(t *testing.T) {
	var s hotSet
	s.init(10)
	load := func(id MailboxID, n int) *Hot {
		h, first := s.acquire(id)
		if first {
			c := &change{mailbox: id, modseq: 2}
			for i := range n {
				c.add(Row{UID: UID(i + 1)})
			}
			s.loadedWith(h, (&Version{}).with(c), nil)
		}
		return h
	}
	inUse := load(1, 100) // far over the limit, but somebody has it open
	load(2, 4).Release()
	if _, kept := s.boxes[2]; kept || s.boxes[1] != inUse {
		t.Error("over the limit the unused mailbox should be forgotten, the used one kept")
	}
	inUse.Release()
	if len(s.boxes) != 0 || s.rows != 0 {
		t.Errorf("%d mailboxes, %d rows left, want none", len(s.boxes), s.rows)
	}
	load(3, 4).Release()
	load(4, 4).Release()
	load(3, 0).Release() // used again
	load(5, 4).Release()
	if s.boxes[4] != nil || s.boxes[3] == nil || s.boxes[5] == nil || s.rows != 8 {
		t.Errorf("kept %v with %d rows, want 3 and 5", s.boxes, s.rows)
	}
}
