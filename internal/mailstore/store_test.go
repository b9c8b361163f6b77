package mailstore_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vanthu/internal/blob"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/mailstore/storetest"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

func ensure(t testing.TB, rig storetest.Rig, a directory.AccountID) mailstore.MailboxID {
	t.Helper()
	var id mailstore.MailboxID
	err := rig.Store.Update(t.Context(), func(tx *sqldb.Tx) error {
		if err := rig.Store.EnsureAccount(t.Context(), tx, a); err != nil {
			return err
		}
		var err error
		id, err = rig.Store.Inbox(t.Context(), tx, mailstore.Owner{Account: a})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func appendMessage(t testing.TB, s *mailstore.Store, id mailstore.MailboxID, msg []byte) error {
	t.Helper()
	b := s.NewBody()
	if _, err := b.Write(msg); err != nil {
		return err
	}
	f, err := b.Finish()
	if err != nil {
		return err
	}
	_, err = s.Append(t.Context(), id, mailstore.Item{Body: f})
	return errors.Join(err, f.Release())
}

// An empty folder in the place of the blob store must stop the start, not look
// like mail that is gone. T132.
func TestOpenRefusesForeignBlobFolder(t *testing.T) {
	rig := open(t, mailstore.Options{InlineLimit: 100})
	if err := appendMessage(t, rig.Store, ensure(t, rig, 1), message(5000)); err != nil {
		t.Fatal(err)
	}
	empty, err := blob.Open(blob.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mailstore.Open(t.Context(), rig.DB, empty, mailstore.Options{}); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open with an empty blob folder = %v, want blob.ErrNotFound", err)
	}
}

// A body that cannot be spooled is refused, and says so again when somebody
// goes on with it.
func TestBodyOnReadOnlyBlobs(t *testing.T) {
	dir := t.TempDir()
	blobs, err := blob.Open(blob.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := mailstore.Open(t.Context(), sqldbtest.Open(t), blobs, mailstore.Options{InlineLimit: 10})
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBody()
	if _, err := b.Write(bytes.Repeat([]byte("x"), 11)); !errors.Is(err, blob.ErrReadOnly) {
		t.Errorf("Write = %v, want blob.ErrReadOnly", err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, blob.ErrReadOnly) {
		t.Errorf("next Write = %v, want blob.ErrReadOnly", err)
	}
	if _, err := b.Finish(); !errors.Is(err, blob.ErrReadOnly) {
		t.Errorf("Finish = %v, want blob.ErrReadOnly", err)
	}
	b.Abort()
}

// An aborted large body leaves no file, a finished one whose transaction
// failed leaves one that the collector finds.
func TestAbortedBodyLeavesNothing(t *testing.T) {
	rig := open(t, mailstore.Options{InlineLimit: 10})
	b := rig.Store.NewBody()
	if _, err := b.Write(message(5000)); err != nil {
		t.Fatal(err)
	}
	b.Abort()
	list, err := os.ReadDir(filepath.Join(rig.Dir, "tmp"))
	if err != nil || len(list) != 0 {
		t.Errorf("%d temporary files, %v; want none", len(list), err)
	}
	if _, err := b.Finish(); err == nil {
		t.Error("Finish after Abort succeeded")
	}
}

// What is discarded leaves nothing, but never takes the file of another message
// with the same octets, stored or just arriving.
func TestDiscard(t *testing.T) {
	rig := open(t, mailstore.Options{InlineLimit: 100})
	id := ensure(t, rig, 1)
	msg := message(5000)
	take := func() *mailstore.Finished {
		t.Helper()
		b := rig.Store.NewBody()
		if _, err := b.Write(msg); err != nil {
			t.Fatal(err)
		}
		f, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	discard := func(f *mailstore.Finished) {
		t.Helper()
		if err := rig.Store.Discard(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	alone := take()
	h := blob.Hash(alone.SHA256)
	discard(alone)
	discard(alone)
	if err := rig.Blobs.Verify(t.Context(), h); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("file of a discarded body: %v, want it gone", err)
	}
	secret, arriving := take(), take()
	discard(secret)
	if err := rig.Blobs.Verify(t.Context(), h); err != nil {
		t.Errorf("file of a body just arriving: %v", err)
	}
	if _, err := rig.Store.Append(t.Context(), id, mailstore.Item{Body: arriving}); err != nil {
		t.Fatal(err)
	}
	if err := arriving.Release(); err != nil {
		t.Fatal(err)
	}
	discard(take())
	if err := rig.Blobs.Verify(t.Context(), h); err != nil {
		t.Errorf("file of a stored message: %v", err)
	}
}

// Bodies with the same octets come, are stored or discarded, all at once.
func TestDiscardWhileStoring(t *testing.T) {
	rig := open(t, mailstore.Options{InlineLimit: 100})
	id := ensure(t, rig, 1)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 15 {
				b := rig.Store.NewBody()
				if _, err := b.Write(message(2000 + 72*n)); err != nil {
					t.Error(err)
				}
				f, err := b.Finish()
				if err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					err = rig.Store.Discard(t.Context(), f)
				} else {
					_, err = rig.Store.Append(t.Context(), id, mailstore.Item{Body: f})
					err = errors.Join(err, f.Release())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	err := rig.Store.View(t.Context(), func(r sqldb.Reader) error {
		rep, err := mailstore.Verify(t.Context(), r, rig.Blobs, mailstore.VerifyOptions{})
		if rep.First != nil || rep.Messages != 60 {
			t.Errorf("%d messages, first wrong %+v; want 60 and none", rep.Messages, rep.First)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The quota holds at its edge with 50 writers. T139.
func TestQuotaUnderLoad(t *testing.T) {
	msg := message(1000)
	const fit = 7
	rig := open(t, mailstore.Options{DefaultQuota: int64(fit*len(msg) + 10)})
	id := ensure(t, rig, 1)
	var stored, refused atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			switch err := appendMessage(t, rig.Store, id, msg); {
			case err == nil:
				stored.Add(1)
			case errors.Is(err, mailstore.ErrOverQuota) && fault.KindOf(err) == fault.Exhausted:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if stored.Load() != fit || refused.Load() != 50-fit {
		t.Errorf("%d stored, %d refused; want %d and %d", stored.Load(), refused.Load(), fit, 50-fit)
	}
	u, err := rig.Store.Usage(t.Context(), mailstore.Owner{Account: 1})
	if err != nil || u.Octets != int64(fit*len(msg)) || u.Messages != fit {
		t.Errorf("usage = %+v, %v", u, err)
	}
}

// Deleting one copy of a shared body while others read and store it again.
// T140.
func TestSharedBlobWhileCollecting(t *testing.T) {
	var ahead atomic.Int64 // the collector's clock runs before the files' one
	rig := open(t, mailstore.Options{InlineLimit: 100, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	a, b := ensure(t, rig, 1), ensure(t, rig, 2)
	msg := message(3000)
	if err := appendMessage(t, rig.Store, b, msg); err != nil {
		t.Fatal(err)
	}
	h, err := rig.Store.Hot(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	kept := h.Version().At(1).Message
	ahead.Store(int64(2 * time.Hour))
	var wg sync.WaitGroup
	var stop atomic.Bool
	wg.Go(func() {
		defer stop.Store(true)
		for range 40 {
			if err := appendMessage(t, rig.Store, a, msg); err != nil {
				t.Error(err)
			}
			err := rig.Store.Update(t.Context(), func(tx *sqldb.Tx) error {
				_, err := rig.Store.Remove(t.Context(), tx, a, mailstore.AllUIDs())
				return err
			})
			if err != nil {
				t.Error(err)
			}
			ahead.Add(int64(2 * time.Hour))
		}
	})
	wg.Go(func() {
		for !stop.Load() {
			if _, err := rig.Store.Collect(t.Context(), mailstore.CollectOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for !stop.Load() {
			c, err := rig.Store.Content(t.Context(), kept)
			if err != nil {
				t.Error(err)
				return
			}
			got := make([]byte, c.Size)
			_, err = c.ReadAt(got, 0)
			if err := errors.Join(err, c.Close()); err != nil || !bytes.Equal(got, msg) {
				t.Errorf("read %d octets, %v", len(got), err)
			}
		}
	})
	wg.Wait()
}

// What is in the row or the file is compared with its hash before it is
// served, and one damaged message does not keep others from being read. T133.
func TestDamagedIsNotServed(t *testing.T) {
	rig := open(t, mailstore.Options{InlineLimit: 2000})
	id := ensure(t, rig, 1)
	const n = 100
	for i := range n {
		size := 500
		if i%10 == 3 {
			size = 5000
		}
		if err := appendMessage(t, rig.Store, id, append(message(size), byte('a'+i%26), byte('a'+i/26))); err != nil {
			t.Fatal(err)
		}
	}
	h, err := rig.Store.Hot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	var ids []mailstore.MessageID
	for _, r := range h.Version().Rows(1, n) {
		ids = append(ids, r.Message)
	}
	const (
		qHurt = `UPDATE message SET body = $1 WHERE id = $2`
		qSum  = `SELECT sha256 FROM message WHERE id = $1`
	)
	err = rig.Store.Update(t.Context(), func(tx *sqldb.Tx) error {
		var sum []byte
		if err := tx.QueryRow(t.Context(), qSum, int64(ids[3])).Scan(&sum); err != nil {
			return err
		}
		if err := rig.Blobs.Remove(blob.Hash(sum)); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), qHurt, append(message(500), 'x', 'x'), int64(ids[50]))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{3, 50} {
		if _, err := rig.Store.Content(t.Context(), ids[i]); !errors.Is(err, mailstore.ErrDamaged) {
			t.Errorf("Content of message %d = %v, want ErrDamaged", i, err)
		}
	}
	var got []mailstore.MessageID
	err = rig.Store.Contents(t.Context(), append(ids, ids[0], ids[n-1]+1000), func(c *mailstore.Content) error {
		got = append(got, c.Message)
		whole := make([]byte, c.Size)
		if _, err := c.ReadAt(whole, 0); err != nil || sha256.Sum256(whole) != c.SHA256 {
			t.Errorf("message %d: %v, or other octets than were stored", c.Message, err)
		}
		return nil
	})
	want := append(slices.Delete(slices.Delete(slices.Clone(ids), 50, 51), 3, 4), ids[0])
	if !errors.Is(err, mailstore.ErrDamaged) || !slices.Equal(got, want) {
		t.Errorf("Contents gave %d messages and %v; want %d in order, and ErrDamaged", len(got), err, len(want))
	}
	got = nil
	err = rig.Store.Metas(t.Context(), ids, func(m *mailstore.Meta) error { got = append(got, m.Message); return nil })
	if err != nil || !slices.Equal(got, ids) {
		t.Errorf("Metas gave %d messages, %v; want all %d in order", len(got), err, n)
	}
}

// The verifier names each kind of damage.
func TestVerifyNames(t *testing.T) {
	const (
		qLoseMessage = `UPDATE entry SET size = size + 1 WHERE uid = 1`
		qCount       = `UPDATE mailbox SET unseen = unseen + 1 WHERE name = 'INBOX'`
		qUsage       = `UPDATE usage SET octets = octets + 1`
		qRange       = `UPDATE entry SET modseq = modseq + 100 WHERE uid = 1`
		qTombstone   = `INSERT INTO expunged (mailbox_id, modseq, uid) SELECT mailbox_id, 1, uid FROM entry WHERE uid = 1`
		qBox         = `UPDATE entry SET mailbox_id = 99 WHERE uid = 1`
		qBody        = `UPDATE message SET body = NULL`
		qStructure   = `UPDATE message SET structure = prefix`
	)
	for _, tt := range []struct{ name, q, kind string }{
		{"size", qLoseMessage, "size of entry"},
		{"counter", qCount, "mailbox counters (messages unseen deleted octets)"},
		{"usage", qUsage, "usage (messages octets)"},
		{"mod-sequence", qRange, "uid and mod-sequence of entry"},
		{"tombstone", qTombstone, "expunged entry"},
		{"mailbox", qBox, "entry without mailbox"},
		{"body", qBody, "size of body"},
		{"structure", qStructure, "structure"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rig := open(t, mailstore.Options{})
			if err := appendMessage(t, rig.Store, ensure(t, rig, 1), message(1000)); err != nil {
				t.Fatal(err)
			}
			err := rig.Store.Update(t.Context(), func(tx *sqldb.Tx) error {
				rep, err := mailstore.Verify(t.Context(), tx, rig.Blobs, mailstore.VerifyOptions{})
				if err != nil || rep.Wrongs != 0 || rep.Messages != 1 || rep.Entries != 1 {
					t.Errorf("before the damage: %+v, %v", rep, err)
				}
				if _, err := tx.Exec(t.Context(), tt.q); err != nil {
					return err
				}
				found := map[string]bool{}
				rep, err = mailstore.Verify(t.Context(), tx, rig.Blobs, mailstore.VerifyOptions{Each: func(w mailstore.Wrong) { found[w.Kind] = true }})
				if rep.First == nil || rep.First.Key == "" || !found[tt.kind] {
					t.Errorf("found %v, first %+v; want %q among them", found, rep.First, tt.kind)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
