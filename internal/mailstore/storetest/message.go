package storetest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vanthu/internal/blob"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

const prefix = "Received: from a by b; Tue, 24 Nov 2026 07:00:00 +0700\r\n"

// whole reads a message as a client sees it.
func whole(t testing.TB, rig Rig, id mailstore.MessageID) []byte {
	t.Helper()
	c, err := rig.Store.Content(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
	if err := errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	return got
}

func testDeliver(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{})
	inbox := box(t, rig, first, "inbox")
	h, err := rig.Store.Hot(t.Context(), inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	msg := text("Lịch họp", 4000)
	date := time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC)
	f := finish(t, rig, msg)
	var uid mailstore.UID
	update(t, rig, func(tx *sqldb.Tx) error {
		id, err := rig.Store.Store(t.Context(), tx, f, []byte(prefix), date)
		if err != nil {
			return err
		}
		uid, err = rig.Store.Deliver(t.Context(), tx, inbox, id, mailstore.Flagged, date)
		return err
	})
	v := h.Version()
	if v.Len() != 1 || v.UIDNext != uid+1 || v.Unseen != 1 {
		t.Fatalf("version after delivery: %d messages, next %d, unseen %d; want 1, %d, 1", v.Len(), v.UIDNext, v.Unseen, uid+1)
	}
	row := v.At(1)
	if row.UID != uid || row.Flags != mailstore.Flagged || !row.Date().Equal(date) || row.ModSeq != v.ModSeq ||
		row.Size != int64(len(prefix)+len(msg)) {
		t.Errorf("row = %+v", row)
	}
	want := append([]byte(prefix), msg...)
	if got := whole(t, rig, row.Message); !bytes.Equal(got, want) {
		t.Errorf("content has %d octets, want the %d of prefix and message", len(got), len(want))
	}
	m := must(rig.Store.Meta(t.Context(), row.Message))(t)
	if m.Structure.Subject() != "Lịch họp" || m.Size != row.Size || !m.Received.Equal(date) || m.Large {
		t.Errorf("meta: subject %q, size %d, received %v, large %v", m.Structure.Subject(), m.Size, m.Received, m.Large)
	}
	if _, err := rig.Store.Meta(t.Context(), row.Message+100); !errors.Is(err, mailstore.ErrNoMessage) {
		t.Errorf("Meta of a missing message = %v, want ErrNoMessage", err)
	}
	err = rig.DB.Update(t.Context(), func(tx *sqldb.Tx) error {
		_, err := rig.Store.Deliver(t.Context(), tx, inbox+1000, row.Message, 0, date)
		return err
	})
	if !errors.Is(err, mailstore.ErrNoMailbox) {
		t.Errorf("Deliver to a missing mailbox = %v, want ErrNoMailbox", err)
	}
	clean(t, rig)
}

func testLarge(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{InlineLimit: 2000})
	inbox := box(t, rig, first, "INBOX")
	msg := text("large", 9000)
	f := finish(t, rig, msg)
	if got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size)); err != nil || !bytes.Equal(got, msg) {
		t.Errorf("body before it is stored: %d octets, %v", len(got), err)
	}
	// A crash now leaves a file without a row, which only the collector sees.
	if err := rig.Blobs.Verify(t.Context(), blob.Hash(f.SHA256)); err != nil {
		t.Fatalf("blob of a finished body: %v", err)
	}
	var id mailstore.MessageID
	update(t, rig, func(tx *sqldb.Tx) (err error) {
		if id, err = rig.Store.Store(t.Context(), tx, f, []byte(prefix), time.Time{}); err != nil {
			return err
		}
		_, err = rig.Store.Deliver(t.Context(), tx, inbox, id, 0, time.Time{})
		return err
	})
	if got := whole(t, rig, id); !bytes.Equal(got, append([]byte(prefix), msg...)) {
		t.Errorf("content has %d octets, want %d", len(got), len(prefix)+len(msg))
	}
	clean(t, rig)

	name := blob.Hash(f.SHA256).String()
	file := filepath.Join(rig.Dir, name[:2], name[2:4], name)
	broken := bytes.Clone(msg)
	broken[5000] ^= 1
	for _, tt := range []struct {
		name string
		hurt func() error
	}{
		{"flipped bit", func() error { return os.WriteFile(file, broken, 0o600) }},
		{"cut short", func() error { return os.WriteFile(file, msg[:100], 0o600) }},
		{"missing", func() error { return os.Remove(file) }},
	} {
		if err := tt.hurt(); err != nil {
			t.Fatal(err)
		}
		c, err := rig.Store.Content(t.Context(), id)
		if !errors.Is(err, mailstore.ErrDamaged) {
			t.Errorf("%s: Content = %v, want ErrDamaged", tt.name, err)
		}
		if err == nil {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		update(t, rig, func(tx *sqldb.Tx) error {
			rep, err := mailstore.Verify(t.Context(), tx, rig.Blobs, mailstore.VerifyOptions{})
			if rep.First == nil {
				t.Errorf("%s: Verify found nothing", tt.name)
			}
			return err
		})
	}
}

func testMany(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{})
	var drops []mailstore.Drop
	for _, o := range []mailstore.Owner{first, second, office} {
		update(t, rig, func(tx *sqldb.Tx) error {
			id, err := rig.Store.Inbox(t.Context(), tx, o)
			drops = append(drops, mailstore.Drop{Mailbox: id})
			return err
		})
	}
	drops = append(drops, mailstore.Drop{Mailbox: 9999}, drops[0]) // the same mailbox twice is two messages
	f := finish(t, rig, text("circular", 3000))
	var got []mailstore.Dropped
	update(t, rig, func(tx *sqldb.Tx) error {
		id, err := rig.Store.Store(t.Context(), tx, f, nil, time.Time{})
		if err != nil {
			return err
		}
		got, err = rig.Store.DeliverMany(t.Context(), tx, drops, id)
		return err
	})
	for i, d := range got {
		want := error(nil)
		if i == 3 {
			want = mailstore.ErrNoMailbox
		}
		if !errors.Is(d.Err, want) || (want == nil) != (d.UID > 0) {
			t.Errorf("drop %d = %+v, want error %v", i, d, want)
		}
	}
	if n := version(t, rig, drops[0].Mailbox).Len(); n != 2 {
		t.Errorf("first inbox has %d messages, want 2", n)
	}
	clean(t, rig)
}

func testQuota(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{DefaultQuota: 5000})
	a, b, unit := box(t, rig, first, "INBOX"), box(t, rig, second, "INBOX"), box(t, rig, office, "Thư đến")
	put(t, rig, a, text("one", 3000))
	before := must(rig.Store.Usage(t.Context(), first))(t)
	f := finish(t, rig, text("two", 3000))
	var got []mailstore.Dropped
	update(t, rig, func(tx *sqldb.Tx) error {
		id, err := rig.Store.Store(t.Context(), tx, f, nil, time.Time{})
		if err != nil {
			return err
		}
		got, err = rig.Store.DeliverMany(t.Context(), tx, []mailstore.Drop{{Mailbox: a}, {Mailbox: b}, {Mailbox: unit}, {Mailbox: unit}}, id)
		return err
	})
	if !errors.Is(got[0].Err, mailstore.ErrOverQuota) || fault.KindOf(got[0].Err) != fault.Exhausted {
		t.Errorf("full account: %v, want ErrOverQuota", got[0].Err)
	}
	for i, d := range got[1:] {
		if d.Err != nil {
			t.Errorf("drop %d: %v", i+1, d.Err)
		}
	}
	if after := must(rig.Store.Usage(t.Context(), first))(t); after != before || after.Quota != 5000 {
		t.Errorf("usage after a refused delivery = %+v, want %+v", after, before)
	}
	for _, o := range []mailstore.Owner{first, second, office} {
		u := must(rig.Store.Usage(t.Context(), o))(t)
		if want := map[mailstore.Owner]int64{first: 1, second: 1, office: 2}[o]; u.Messages != want {
			t.Errorf("usage of %+v = %+v, want %d messages", o, u, want)
		}
	}
	err := rig.DB.Update(t.Context(), func(tx *sqldb.Tx) error {
		_, err := rig.Store.Copy(t.Context(), tx, a, mailstore.AllUIDs(), a)
		return err
	})
	if !errors.Is(err, mailstore.ErrOverQuota) {
		t.Errorf("Copy over the quota = %v, want ErrOverQuota", err)
	}
	update(t, rig, func(tx *sqldb.Tx) error {
		_, err := rig.Store.Move(t.Context(), tx, a, mailstore.AllUIDs(), a) // needs no more room
		return err
	})
	clean(t, rig)
}

func testAppend(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{DefaultQuota: 7000})
	inbox := box(t, rig, first, "INBOX")
	item := func(name string) mailstore.Item {
		return mailstore.Item{Body: finish(t, rig, text(name, 3000)), Flags: mailstore.Flags{System: mailstore.Seen, Keywords: []string{"$Forwarded"}}}
	}
	uids, err := rig.Store.Append(t.Context(), inbox, item("one"), item("two"))
	if err != nil || len(uids) != 2 || uids[1] != uids[0]+1 {
		t.Fatalf("Append = %v, %v; want two UIDs in a row", uids, err)
	}
	if _, err := rig.Store.Append(t.Context(), inbox, mailstore.Item{Body: finish(t, rig, text("small", 200))}, item("three")); !errors.Is(err, mailstore.ErrOverQuota) {
		t.Errorf("Append over the quota = %v, want ErrOverQuota", err)
	}
	v := version(t, rig, inbox)
	if v.Len() != 2 || v.Unseen != 0 || len(v.Names(v.At(1).Flags)) != 1 {
		t.Errorf("%d messages, %d unseen, keywords %v; want 2, 0, [$Forwarded]", v.Len(), v.Unseen, v.Keywords)
	}
	if _, err := rig.Store.Append(t.Context(), box(t, rig, office, "Văn bản đến"), item("four")); !errors.Is(err, mailstore.ErrNoMailbox) {
		t.Errorf("Append to a level = %v, want ErrNoMailbox", err)
	}
	clean(t, rig)
}

func testUndone(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{InlineLimit: 1000})
	inbox := box(t, rig, first, "INBOX")
	put(t, rig, inbox, text("kept", 2000))
	h, err := rig.Store.Hot(t.Context(), inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	before := h.Version()
	f := finish(t, rig, text("undone", 2000))
	boom := errors.New("boom")
	err = rig.DB.Update(t.Context(), func(tx *sqldb.Tx) error {
		id, err := rig.Store.Store(t.Context(), tx, f, nil, time.Time{})
		if err != nil {
			return err
		}
		if _, err := rig.Store.Deliver(t.Context(), tx, inbox, id, 0, time.Time{}); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("Update = %v, want boom", err)
	}
	if h.Version() != before {
		t.Error("an undone transaction changed the version")
	}
	uid := put(t, rig, inbox, text("next", 2000))
	if uid != before.UIDNext || h.Version().Len() != 2 {
		t.Errorf("after the undone one: uid %d, %d messages; want %d, 2", uid, h.Version().Len(), before.UIDNext)
	}
	clean(t, rig)
}

func testCollect(t *testing.T, open Open) {
	now := clock{now: time.Now()}
	rig := start(t, open, mailstore.Options{InlineLimit: 1000, Now: now.Now})
	a, b := box(t, rig, first, "INBOX"), box(t, rig, second, "INBOX")
	shared, small := text("shared", 3000), text("small", 500)
	put(t, rig, a, shared)
	put(t, rig, b, shared) // another message with the same body: one file
	put(t, rig, a, small)
	kept := put(t, rig, a, text("kept by a document", 3000))
	keptID := version(t, rig, a).At(int(kept)).Message
	finish(t, rig, text("never stored", 3000))
	update(t, rig, func(tx *sqldb.Tx) error {
		// Stored, and never delivered.
		_, err := rig.Store.Store(t.Context(), tx, finish(t, rig, text("stray", 3000)), nil, now.now)
		if err != nil {
			return err
		}
		_, err = rig.Store.Remove(t.Context(), tx, a, mailstore.AllUIDs())
		return err
	})
	keep := func(_ testing.TB) mailstore.CollectOptions {
		return mailstore.CollectOptions{Thorough: true, Keep: keeper(keptID)}
	}
	got := must(rig.Store.Collect(t.Context(), keep(t)))(t)
	if got != (mailstore.Collected{}) {
		t.Errorf("collected at once: %+v, want nothing", got)
	}
	now.now = now.now.Add(59 * time.Minute)
	if got = must(rig.Store.Collect(t.Context(), keep(t)))(t); got != (mailstore.Collected{}) {
		t.Errorf("collected after 59 minutes: %+v, want nothing", got)
	}
	now.now = now.now.Add(2 * time.Minute)
	got = must(rig.Store.Collect(t.Context(), keep(t)))(t)
	// shared (first copy), small, stray; the files of stray and of "never stored"
	if got.Messages != 3 || got.Blobs != 2 {
		t.Errorf("collected after 61 minutes: %+v, want 3 messages and 2 files", got)
	}
	if got := whole(t, rig, version(t, rig, b).At(1).Message); !bytes.Equal(got, shared) {
		t.Error("the shared file is gone")
	}
	if _, err := rig.Store.Content(t.Context(), keptID); !errors.Is(err, nil) {
		t.Errorf("kept message: %v", err)
	}
	update(t, rig, func(tx *sqldb.Tx) error {
		if _, err := rig.Store.Remove(t.Context(), tx, b, mailstore.AllUIDs()); err != nil {
			return err
		}
		return rig.Store.Orphan(t.Context(), tx, keptID)
	})
	now.now = now.now.Add(2 * time.Hour)
	got = must(rig.Store.Collect(t.Context(), mailstore.CollectOptions{OlderThan: time.Hour}))(t)
	if got.Messages != 2 || got.Blobs != 2 {
		t.Errorf("collected at last: %+v, want 2 messages and 2 files", got)
	}
	if _, err := rig.Store.Content(t.Context(), keptID); !errors.Is(err, mailstore.ErrNoMessage) {
		t.Errorf("message let go: %v, want ErrNoMessage", err)
	}
	clean(t, rig)
}
