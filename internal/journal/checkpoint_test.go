package journal_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

func TestInitKeepsWhatIsThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	key := journal.Key{File: filepath.Join(t.TempDir(), "elsewhere")}
	if err := journal.Init(dir, key, "dienbien.test", at); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(key.File)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", st.Mode(), err)
	}
	if err := journal.Init(dir, key, "dienbien.test", at); fault.KindOf(err) != fault.Conflict {
		t.Errorf("Init again = %v, want conflict", err)
	}
	keys, err := key.Public()
	if err != nil || len(keys) != 1 || !strings.HasPrefix(keys[0], "dienbien.test+") {
		t.Errorf("Public = %v, %v", keys, err)
	}
	rep, err := journal.VerifyCheckpoints(dir, keys)
	if err != nil || rep.First != nil || len(rep.Checkpoints) != 1 || rep.Checkpoints[0].Seq != 0 {
		t.Errorf("VerifyCheckpoints = %+v, %v", rep, err)
	}
	if err := journal.Init(t.TempDir(), journal.KeyIn(t.TempDir()), "two words", at); fault.KindOf(err) != fault.Invalid {
		t.Errorf("Init with a bad name = %v, want invalid", err)
	}
}

// TestCheckpointFileEdits: whatever is done to the file is said.
func TestCheckpointFileEdits(t *testing.T) {
	db := sqldbtest.Open(t)
	dir := filepath.Join(t.TempDir(), "journal")
	c := newCheckpointer(t, db, dir)
	for range 4 {
		appendEvents(t, db, some(10)...)
		if err := c.Sign(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, journal.CheckpointFile)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	records := bytes.SplitAfter(whole, []byte("=\n\n")) // each ends with a Base64 signature of 68 octets
	if len(records) != 6 || len(records[5]) != 0 {
		t.Fatalf("%d records", len(records))
	}
	records = records[:5]
	other := filepath.Join(t.TempDir(), "journal")
	if err := journal.Init(other, journal.KeyIn(other), "dienbien.test", at); err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(filepath.Join(other, journal.CheckpointFile))
	if err != nil {
		t.Fatal(err)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	tests := []struct {
		name string
		file []byte
		key  int64  // -1: nothing wrong
		says string // part of what was found
	}{
		{"untouched", whole, -1, ""},
		{"one lost", join(records[0], records[1], records[3], records[4]), 30, "lost or replaced"},
		{"first lost", join(records[1:]...), 10, "lost or replaced"},
		{"swapped", join(records[0], records[2], records[1], records[3], records[4]), 20, "lost or replaced"},
		{"doubled", join(records[0], records[1], records[1], records[2]), 10, "lost or replaced"},
		{"entry changed", bytes.Replace(whole, []byte("\n20\n"), []byte("\n21\n"), 1), 10, "forged or changed"},
		{"time changed", bytes.Replace(whole, []byte("2026"), []byte("2027"), 1), 0, "forged or changed"},
		{"signed by another key", join(records[0], foreign), 0, "forged or changed"},
		{"something written between", join(records[0], []byte("x\n\ny\n\n"), records[1]), 0, "forged or changed"},
		{"emptied", nil, 0, "an empty file"},
		{"torn at the end", join(whole, records[1][:50]), -1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, tt.file, 0o600); err != nil {
				t.Fatal(err)
			}
			rep := verifyFile(t, dir)
			switch {
			case tt.key < 0 && rep.First != nil:
				t.Errorf("found %v", rep.First)
			case tt.key >= 0 && rep.First == nil:
				t.Error("not found")
			case tt.key >= 0 && (rep.First.Kind != journal.WrongCheckpoint || rep.First.Key != tt.key || !strings.Contains(rep.First.Found, tt.says)):
				t.Errorf("found %+v, want key %d, %q", rep.First, tt.key, tt.says)
			}
		})
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if rep := verifyFile(t, dir); rep.First == nil || !strings.Contains(rep.First.Found, "no file") {
		t.Errorf("file removed: %+v", rep)
	}
}

func TestCheckpointerMendsATornFile(t *testing.T) {
	db := sqldbtest.Open(t)
	dir := filepath.Join(t.TempDir(), "journal")
	c := newCheckpointer(t, db, dir)
	appendEvents(t, db, some(10)...)
	if err := errors.Join(c.Sign(t.Context()), c.Close()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, journal.CheckpointFile)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) - 1 {
		torn := append(bytes.Clone(whole), whole[:cut]...)
		if bytes.HasSuffix(torn, []byte("\n\n")) && bytes.Count(whole[:cut], []byte("\n\n")) == 2 {
			break // a whole record again: no tear
		}
		if err := os.WriteFile(file, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		if rep := verifyFile(t, dir); rep.First != nil || rep.Torn != cut {
			t.Fatalf("torn after %d octets: %+v", cut, rep)
		}
	}
	c = newCheckpointer(t, db, dir)
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("file is not mended: %d octets, want %d, %v", len(got), len(whole), err)
	}
	appendEvents(t, db, some(1)...)
	if err := c.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rep := verifyFile(t, dir); rep.First != nil || len(rep.Checkpoints) != 3 || rep.Torn != 0 {
		t.Errorf("after mending: %+v", rep)
	}
}

// TestRewoundJournal: T163. A database put back to yesterday's state is
// noticed at the start.
func TestRewoundJournal(t *testing.T) {
	tests := []struct {
		name string
		edit string
	}{
		{"earlier state", `DELETE FROM journal WHERE seq > 5`},
		{"empty", `DELETE FROM journal`},
		{"rewritten", `UPDATE journal SET hash = zeroblob(32) WHERE seq = 10`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db := sqldbtest.Open(t)
			dir := filepath.Join(t.TempDir(), "journal")
			c := newCheckpointer(t, db, dir)
			appendEvents(t, db, some(10)...)
			if err := c.Sign(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
				_, err := tx.Exec(t.Context(), tt.edit)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := journal.NewCheckpointer(t.Context(), db, journal.CheckpointOptions{Dir: dir}); !errors.Is(err, journal.ErrRewound) {
				t.Errorf("NewCheckpointer = %v, want %v", err, journal.ErrRewound)
			}
		})
	}
}

func TestRunSignsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := sqldbtest.Open(t)
		dir := filepath.Join(t.TempDir(), "journal")
		if err := journal.Init(dir, journal.KeyIn(dir), "dienbien.test", time.Now()); err != nil {
			t.Fatal(err)
		}
		c, err := journal.NewCheckpointer(t.Context(), db, journal.CheckpointOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- c.Run(ctx) }()
		want := func(when string, seqs ...int64) {
			t.Helper()
			rep := verifyFile(t, dir)
			var got []int64
			for _, c := range rep.Checkpoints {
				got = append(got, c.Seq)
			}
			if rep.First != nil || len(got) != len(seqs) || got[len(got)-1] != seqs[len(seqs)-1] {
				t.Errorf("%s: checkpoints %v, want %v; %v", when, got, seqs, rep.First)
			}
		}
		appendEvents(t, db, some(5)...)
		time.Sleep(50 * time.Second)
		want("before a minute", 0)
		time.Sleep(12 * time.Second)
		want("after a minute", 0, 5)
		time.Sleep(time.Hour)
		want("nothing new", 0, 5)
		appendEvents(t, db, some(1)...)
		time.Sleep(2 * time.Second)
		want("news after a long rest", 0, 5, 6)
		appendEvents(t, db, some(1000)...)
		time.Sleep(2 * time.Second)
		want("1,000 entries", 0, 5, 6, 1006)
		appendEvents(t, db, some(1)...)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		want("at the end", 0, 5, 6, 1006, 1007)
	})
}

func FuzzVerifyCheckpoints(f *testing.F) {
	dir := f.TempDir()
	if err := journal.Init(dir, journal.KeyIn(dir), "dienbien.test", at); err != nil {
		f.Fatal(err)
	}
	keys, err := journal.KeyIn(dir).Public()
	if err != nil {
		f.Fatal(err)
	}
	file := filepath.Join(dir, journal.CheckpointFile)
	first, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first)
	f.Add([]byte("vanthu journal checkpoint v1\n1\nAA==\nprev -\n\n— a AAAA\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		rep, err := journal.VerifyCheckpoints(dir, keys)
		if err != nil {
			t.Fatal(err)
		}
		if rep.First == nil && !bytes.HasPrefix(data, first) {
			t.Errorf("%q passes as genuine", data)
		}
	})
}
