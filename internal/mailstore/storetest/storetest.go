// Package storetest is what every engine under a mailstore must pass.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vanthu/internal/blob"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// Rig is an open store with what lies under it.
type Rig struct {
	Store *mailstore.Store
	DB    *sqldb.DB
	Blobs *blob.Store
	Dir   string // of the blobs
}

// Open opens an empty store for one test.
type Open func(t testing.TB, opt mailstore.Options) Rig

// Run runs the suite.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, tt := range []struct {
		name string
		fn   func(*testing.T, Open)
	}{
		{"deliver and read", testDeliver},
		{"large body", testLarge},
		{"many mailboxes", testMany},
		{"quota", testQuota},
		{"append is all or none", testAppend},
		{"default folders", testFolders},
		{"tree of mailboxes", testTree},
		{"rename INBOX", testRenameInbox},
		{"flags", testFlags},
		{"keywords", testKeywords},
		{"copy and move", testMove},
		{"expunge", testExpunge},
		{"listeners", testListen},
		{"undone transaction", testUndone},
		{"collect", testCollect},
		{"model", testModel},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.fn(t, open) })
	}
}

// Owners that the tests give mailboxes to; never assigned to.
var (
	first  = mailstore.Owner{Account: 1}
	second = mailstore.Owner{Account: 2}
	office = mailstore.Owner{Unit: 7}
)

// start opens a store with the default folders of three owners.
func start(t testing.TB, open Open, opt mailstore.Options) Rig {
	t.Helper()
	rig := open(t, opt)
	update(t, rig, func(tx *sqldb.Tx) error {
		for _, o := range []mailstore.Owner{first, second} {
			if err := rig.Store.EnsureAccount(t.Context(), tx, o.Account); err != nil {
				return err
			}
		}
		return rig.Store.EnsureUnit(t.Context(), tx, office.Unit)
	})
	return rig
}

func update(t testing.TB, rig Rig, fn func(tx *sqldb.Tx) error) {
	t.Helper()
	if err := rig.DB.Update(context.WithoutCancel(t.Context()), fn); err != nil {
		t.Fatal(err)
	}
}

// must is for calls that give one value and an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// text gives a message of about n octets with a subject.
func text(subject string, n int) []byte {
	head := fmt.Sprintf("From: van.thu@so.example\r\nTo: a@so.example\r\nSubject: %s\r\nMessage-ID: <%s@so.example>\r\n\r\n",
		subject, strings.ReplaceAll(subject, " ", "."))
	line := strings.Repeat("0123456789", 7) + "\r\n"
	return []byte(head + strings.Repeat(line, max(n-len(head), 0)/len(line)))
}

func finish(t testing.TB, rig Rig, msg []byte) *mailstore.Finished {
	t.Helper()
	b := rig.Store.NewBody()
	defer b.Abort()
	for part := range slices.Chunk(msg, 4000) {
		if _, err := b.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	f, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Release(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func box(t testing.TB, rig Rig, o mailstore.Owner, name string) mailstore.MailboxID {
	t.Helper()
	return must(rig.Store.Lookup(t.Context(), o, name))(t).ID
}

// put appends a message without flags and gives its UID.
func put(t testing.TB, rig Rig, id mailstore.MailboxID, msg []byte) mailstore.UID {
	t.Helper()
	uids, err := rig.Store.Append(t.Context(), id, mailstore.Item{Body: finish(t, rig, msg)})
	if err != nil {
		t.Fatal(err)
	}
	return uids[0]
}

// version gives the newest index of a mailbox.
func version(t testing.TB, rig Rig, id mailstore.MailboxID) *mailstore.Version {
	t.Helper()
	h, err := rig.Store.Hot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	return h.Version()
}

// clean fails when the store's own verifier finds anything wrong.
func clean(t testing.TB, rig Rig) {
	t.Helper()
	err := rig.DB.View(context.WithoutCancel(t.Context()), func(r sqldb.Reader) error {
		rep, err := mailstore.Verify(context.WithoutCancel(t.Context()), r, rig.Blobs, mailstore.VerifyOptions{})
		if rep.First != nil {
			t.Errorf("verify: %+v", *rep.First)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// clock is a time that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }
