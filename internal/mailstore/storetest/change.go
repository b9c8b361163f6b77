package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// change runs one STORE.
func change(t testing.TB, rig Rig, id mailstore.MailboxID, set mailstore.UIDSet, ch mailstore.FlagChange) (res mailstore.FlagResult) {
	t.Helper()
	update(t, rig, func(tx *sqldb.Tx) (err error) {
		res, err = rig.Store.SetFlags(t.Context(), tx, id, set, ch)
		return err
	})
	return res
}

func fill(t testing.TB, rig Rig, id mailstore.MailboxID, n int) {
	t.Helper()
	f := finish(t, rig, text("fill", 300))
	update(t, rig, func(tx *sqldb.Tx) error {
		msg, err := rig.Store.Store(t.Context(), tx, f, nil, time.Time{})
		for range n {
			if err == nil {
				_, err = rig.Store.Deliver(t.Context(), tx, id, msg, 0, time.Time{})
			}
		}
		return err
	})
}

func testFlags(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{})
	id := box(t, rig, first, "INBOX")
	fill(t, rig, id, 4)
	base := version(t, rig, id).ModSeq
	set := func(f mailstore.FlagSet) mailstore.Flags { return mailstore.Flags{System: f} }

	res := change(t, rig, id, mailstore.UIDs(2, 3, 99), mailstore.FlagChange{Op: mailstore.AddFlags, Flags: set(mailstore.Seen)})
	if len(res.Changed) != 2 || res.ModSeq != base+1 || version(t, rig, id).Unseen != 2 {
		t.Errorf("add \\Seen = %+v, want 2 changed at %d", res, base+1)
	}
	res = change(t, rig, id, mailstore.AllUIDs(), mailstore.FlagChange{Op: mailstore.AddFlags, Flags: set(mailstore.Seen)})
	if len(res.Changed) != 2 || res.ModSeq != base+2 {
		t.Errorf("add \\Seen to all = %+v, want only 2 changed at %d", res, base+2)
	}
	res = change(t, rig, id, mailstore.AllUIDs(), mailstore.FlagChange{Op: mailstore.AddFlags, Flags: set(mailstore.Seen)})
	if len(res.Changed) != 0 || res.ModSeq != 0 || version(t, rig, id).ModSeq != base+2 {
		t.Errorf("no effect = %+v, highest %d; want nothing changed", res, version(t, rig, id).ModSeq)
	}
	res = change(t, rig, id, mailstore.AllUIDs(), mailstore.FlagChange{
		Op: mailstore.ReplaceFlags, Flags: set(mailstore.Deleted), Conditional: true, UnchangedSince: base + 1,
	})
	if fmt.Sprint(res.Failed) != "[{1 1} {4 4}]" || len(res.Changed) != 2 {
		t.Errorf("UNCHANGEDSINCE = %+v, want 1 and 4 failed, 2 and 3 changed", res)
	}
	res = change(t, rig, id, mailstore.AllUIDs(), mailstore.FlagChange{Op: mailstore.AddFlags, Flags: set(mailstore.Draft), Conditional: true})
	if len(res.Changed) != 0 || res.Failed.Len() != 4 {
		t.Errorf("UNCHANGEDSINCE 0 = %+v, want all failed", res)
	}
	change(t, rig, id, mailstore.UIDs(3), mailstore.FlagChange{Op: mailstore.RemoveFlags, Flags: set(mailstore.Deleted)})
	v := version(t, rig, id)
	got := []mailstore.FlagSet{v.At(1).Flags, v.At(2).Flags, v.At(3).Flags, v.At(4).Flags}
	want := []mailstore.FlagSet{mailstore.Seen, mailstore.Deleted, 0, mailstore.Seen}
	if !slices.Equal(got, want) || v.Unseen != 2 || v.Deleted != 1 || v.FirstWithout(mailstore.Seen) != 2 {
		t.Errorf("flags %v, unseen %d, deleted %d; want %v, 2, 1", got, v.Unseen, v.Deleted, want)
	}
	clean(t, rig)
}

func testKeywords(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{})
	id, other := box(t, rig, first, "INBOX"), box(t, rig, first, "Archive")
	fill(t, rig, id, 2)
	add := func(k ...string) error {
		return rig.Store.Update(t.Context(), func(tx *sqldb.Tx) error {
			_, err := rig.Store.SetFlags(t.Context(), tx, id, mailstore.UIDs(1), mailstore.FlagChange{Flags: mailstore.Flags{Keywords: k}})
			return err
		})
	}
	if err := add("$label1", "$Forwarded", "$LABEL1"); err != nil {
		t.Fatal(err)
	}
	v := version(t, rig, id)
	if !slices.Equal(v.Keywords, []string{"$label1", "$Forwarded"}) || !slices.Equal(v.Names(v.At(1).Flags), v.Keywords) {
		t.Errorf("keywords %v, of message 1 %v", v.Keywords, v.Names(v.At(1).Flags))
	}
	for _, k := range []string{"", "a b", "a\r\nb", `\Recent`, `x"`, "a(b", "a)b", "a{", "a%", "a*", "a]", "đỏ", "a\x7f", strings.Repeat("k", 65)} {
		if err := add("good", k); !errors.Is(err, mailstore.ErrBadKeyword) {
			t.Errorf("keyword %q = %v, want ErrBadKeyword", k, err)
		}
	}
	if got := version(t, rig, id).Keywords; len(got) != 2 {
		t.Errorf("keywords after refusals = %v", got)
	}
	// Removing what is not there makes no keyword.
	change(t, rig, id, mailstore.UIDs(1), mailstore.FlagChange{Op: mailstore.RemoveFlags, Flags: mailstore.Flags{Keywords: []string{"nope", "$LABEL1"}}})
	// The other mailbox has its own bits: names go along, not bits.
	update(t, rig, func(tx *sqldb.Tx) error {
		_, err := rig.Store.Copy(t.Context(), tx, id, mailstore.AllUIDs(), other)
		return err
	})
	v = version(t, rig, other)
	if got := v.Names(v.At(1).Flags); !slices.Equal(got, []string{"$Forwarded"}) || !slices.Equal(v.Keywords, got) {
		t.Errorf("copied keywords %v of %v, want $Forwarded alone", got, v.Keywords)
	}
	for i := len(version(t, rig, id).Keywords); i < mailstore.MaxKeywords; i++ {
		if err := add(fmt.Sprintf("k%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := add("onemore"); !errors.Is(err, mailstore.ErrTooManyKeywords) {
		t.Errorf("keyword beyond the limit = %v, want ErrTooManyKeywords", err)
	}
	if v := version(t, rig, id); len(v.Names(v.At(1).Flags)) != mailstore.MaxKeywords-1 {
		t.Errorf("message has %d keywords, want %d", len(v.Names(v.At(1).Flags)), mailstore.MaxKeywords-1)
	}
	clean(t, rig)
}

func testMove(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{})
	a, b, unit := box(t, rig, first, "INBOX"), box(t, rig, first, "Archive"), box(t, rig, office, "Văn bản đến/1 Chờ tiếp nhận")
	fill(t, rig, a, 6)
	change(t, rig, a, mailstore.UIDs(2, 5), mailstore.FlagChange{Flags: mailstore.Flags{System: mailstore.Seen}})
	known := version(t, rig, a)
	var moved, copied mailstore.Copied
	update(t, rig, func(tx *sqldb.Tx) (err error) {
		if copied, err = rig.Store.Copy(t.Context(), tx, a, mailstore.UIDs(1, 77), unit); err != nil {
			return err
		}
		moved, err = rig.Store.Move(t.Context(), tx, a, mailstore.UIDs(5, 2, 3, 99), b)
		return err
	})
	if fmt.Sprint(copied) != "{[1] [1]}" || fmt.Sprint(moved) != "{[2 3 5] [1 2 3]}" {
		t.Errorf("copied %v, moved %v", copied, moved)
	}
	v := version(t, rig, b)
	if v.Len() != 3 || v.At(1).Flags != mailstore.Seen || v.At(2).Flags != 0 || v.At(3).Flags != mailstore.Seen {
		t.Errorf("target has %d messages", v.Len())
	}
	left := version(t, rig, a)
	if d := mailstore.Compare(known, left); len(d.Gone) != 3 || len(d.Changed) != 0 || d.Gone[0] != (mailstore.Ref{Seq: 2, UID: 2}) {
		t.Errorf("difference in the source = %+v", d)
	}
	gone := must(rig.Store.Vanished(t.Context(), a, known.ModSeq, mailstore.AllUIDs()))(t)
	if fmt.Sprint(gone) != "[{2 3} {5 5}]" {
		t.Errorf("vanished = %v, want 2:3,5", gone)
	}
	if gone := must(rig.Store.Vanished(t.Context(), a, left.ModSeq, mailstore.AllUIDs()))(t); gone != nil {
		t.Errorf("vanished since now = %v", gone)
	}
	if gone := must(rig.Store.Vanished(t.Context(), a, 0, mailstore.UIDs(3, 4)))(t); fmt.Sprint(gone) != "[{3 3}]" {
		t.Errorf("vanished of 3:4 = %v", gone)
	}
	update(t, rig, func(tx *sqldb.Tx) error {
		uid, err := rig.Store.MoveEntry(t.Context(), tx, unit, 1, a)
		if err == nil && uid != 7 {
			t.Errorf("moved to uid %d, want 7", uid)
		}
		return err
	})
	err := rig.Store.Update(t.Context(), func(tx *sqldb.Tx) error {
		_, err := rig.Store.MoveEntry(t.Context(), tx, unit, 1, a)
		return err
	})
	if !errors.Is(err, mailstore.ErrNoMessage) {
		t.Errorf("move it again = %v, want ErrNoMessage", err)
	}
	update(t, rig, func(tx *sqldb.Tx) error { // onto itself: new UIDs
		res, err := rig.Store.Move(t.Context(), tx, a, mailstore.AllUIDs(), a)
		if fmt.Sprint(res) != "{[1 4 6 7] [8 9 10 11]}" {
			t.Errorf("moved onto itself: %v", res)
		}
		return err
	})
	if n := version(t, rig, a).Len(); n != 4 {
		t.Errorf("%d messages after moving onto itself, want 4", n)
	}
	clean(t, rig)
}

func testExpunge(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{})
	id := box(t, rig, first, "INBOX")
	fill(t, rig, id, 1000)
	v := version(t, rig, id)
	change(t, rig, id, mailstore.MakeUIDSet(mailstore.UIDRange{First: 10, Last: 700}), mailstore.FlagChange{Flags: mailstore.Flags{System: mailstore.Deleted}})
	var res mailstore.Expunged
	update(t, rig, func(tx *sqldb.Tx) (err error) {
		res, err = rig.Store.Expunge(t.Context(), tx, id, mailstore.MakeUIDSet(mailstore.UIDRange{First: 1, Last: 20}))
		return err
	})
	if fmt.Sprint(res.UIDs) != "[{10 20}]" {
		t.Errorf("UID EXPUNGE 1:20 = %v, want 10:20", res.UIDs)
	}
	update(t, rig, func(tx *sqldb.Tx) (err error) {
		res, err = rig.Store.Expunge(t.Context(), tx, id, mailstore.AllUIDs())
		return err
	})
	now := version(t, rig, id)
	if now.Len() != 309 || res.ModSeq != now.ModSeq || now.Deleted != 0 {
		t.Errorf("after EXPUNGE %d messages, %d deleted, modseq %d; want 309, 0, %d", now.Len(), now.Deleted, now.ModSeq, res.ModSeq)
	}
	held := mailstore.Hold(v, now)
	if held.Len() != 1000 || len(mailstore.Compare(held, now).Gone) != 691 || !emptyDiff(v, held) {
		t.Errorf("held version has %d messages", held.Len())
	}
	update(t, rig, func(tx *sqldb.Tx) (err error) {
		res, err = rig.Store.Expunge(t.Context(), tx, id, mailstore.AllUIDs())
		return err
	})
	if res.UIDs != nil || res.ModSeq != 0 {
		t.Errorf("EXPUNGE of nothing = %+v", res)
	}
	clean(t, rig)
}

func emptyDiff(a, b *mailstore.Version) bool {
	d := mailstore.Compare(a, b)
	return d.Empty()
}

func testListen(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{})
	id, other := box(t, rig, first, "INBOX"), box(t, rig, second, "INBOX")
	woken := make(chan struct{}, 100)
	cancel := rig.Store.Listen(id, func() { woken <- struct{}{} })
	put(t, rig, other, text("not yours", 300))
	put(t, rig, id, text("yours", 300))
	wait(t, woken)
	cancel()
	drain(woken)
	done := make(chan struct{}, 100)
	defer rig.Store.Listen(id, func() { done <- struct{}{} })()
	put(t, rig, id, text("later", 300))
	wait(t, done)
	if len(woken) != 0 {
		t.Error("woken after cancel")
	}
}

func wait(t *testing.T, c <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case <-c:
	case <-ctx.Done():
		t.Fatal("not woken")
	}
}

func drain(c <-chan struct{}) {
	for {
		select {
		case <-c:
		default:
			return
		}
	}
}
