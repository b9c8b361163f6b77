package mailstore_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"vanthu/internal/blob"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// killDir tells the test program to be the victim of TestKill.
const killDir = "VANTHU_TEST_KILL_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		err := victim(context.Background(), dir, os.Stdout)
		fmt.Fprintln(os.Stderr, "victim:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func openFolder(ctx context.Context, dir string) (*sqldb.DB, *blob.Store, *mailstore.Store, error) {
	db, err := sqldb.Open(ctx, sqldb.Options{Dir: dir})
	if err != nil {
		return nil, nil, nil, err
	}
	blobs, err := blob.Open(blob.Options{Dir: filepath.Join(dir, "blobs")})
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := mailstore.Open(ctx, db, blobs, mailstore.Options{InlineLimit: 4000})
	return db, blobs, s, err
}

// victim appends, moves and expunges from several goroutines until it is
// killed, and prints the number of each message once it is durable.
func victim(ctx context.Context, dir string, out io.Writer) error {
	_, _, s, err := openFolder(ctx, dir)
	if err != nil {
		return err
	}
	if err := s.Update(ctx, func(tx *sqldb.Tx) error { return s.EnsureAccount(ctx, tx, 1) }); err != nil {
		return err
	}
	inbox, err := s.Lookup(ctx, mailstore.Owner{Account: 1}, "INBOX")
	if err != nil {
		return err
	}
	archive, err := s.Lookup(ctx, mailstore.Owner{Account: 1}, "Archive")
	if err != nil {
		return err
	}
	failed := make(chan error)
	var mu sync.Mutex
	for w := range 4 {
		go func() {
			for n := 0; ; n++ {
				msg := fmt.Appendf(nil, "Subject: %d-%d-%d\r\n\r\n%s", os.Getpid(), w, n, message(500+n%2*8000))
				uid, err := appendOne(ctx, s, inbox.ID, msg)
				if err == nil && n%3 == 0 {
					err = s.Update(ctx, func(tx *sqldb.Tx) error {
						_, err := s.MoveEntry(ctx, tx, inbox.ID, uid, archive.ID)
						return err
					})
				}
				if err != nil {
					failed <- err
					return
				}
				mu.Lock()
				fmt.Fprintf(out, "%d-%d-%d\n", os.Getpid(), w, n)
				mu.Unlock()
			}
		}()
	}
	return <-failed
}

func appendOne(ctx context.Context, s *mailstore.Store, id mailstore.MailboxID, msg []byte) (mailstore.UID, error) {
	b := s.NewBody()
	defer b.Abort()
	if _, err := b.Write(msg); err != nil {
		return 0, err
	}
	f, err := b.Finish()
	if err != nil {
		return 0, err
	}
	uids, err := s.Append(ctx, id, mailstore.Item{Body: f})
	if err != nil {
		return 0, err
	}
	return uids[0], f.Release()
}

// Whatever was acknowledged is there after a kill, everything that is there is
// whole, and it is in exactly one mailbox. Promises P1 and P2, T125.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for round := range 4 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$") //nolint:gosec // ourselves
		cmd.Env = append(os.Environ(), killDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			acknowledged[lines.Text()] = true
			if n == 60+23*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the victim was not killed")
		}
		found := look(t, dir)
		for name := range acknowledged {
			if found[name] != 1 {
				t.Errorf("round %d: acknowledged message %s is there %d times, want once", round, name, found[name])
			}
		}
	}
	if len(acknowledged) < 300 {
		t.Errorf("only %d messages were acknowledged in all", len(acknowledged))
	}
}

// look verifies the store and counts its messages by their subject.
func look(t *testing.T, dir string) map[string]int {
	t.Helper()
	db, blobs, s, err := openFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	err = s.View(t.Context(), func(r sqldb.Reader) error {
		rep, err := mailstore.Verify(t.Context(), r, blobs, mailstore.VerifyOptions{})
		if rep.First != nil {
			t.Errorf("after the kill: %+v", *rep.First)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, name := range []string{"INBOX", "Archive"} {
		m, err := s.Lookup(t.Context(), mailstore.Owner{Account: 1}, name)
		if err != nil {
			t.Fatal(err)
		}
		h, err := s.Hot(t.Context(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		var ids []mailstore.MessageID
		for _, row := range h.Version().Rows(1, h.Version().Len()) {
			ids = append(ids, row.Message)
		}
		h.Release()
		err = s.Contents(t.Context(), ids, func(c *mailstore.Content) error {
			found[c.Structure.Subject()]++
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	return found
}
