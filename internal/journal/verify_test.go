package journal_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

// some gives n events of different length.
func some(n int) []journal.Event {
	evs := make([]journal.Event, n)
	for i := range evs {
		evs[i] = journal.Event{
			At: at.Add(time.Duration(i) * time.Second), Type: [...]string{"mail.accepted", "doc.registered", "login.failed"}[i%3],
			Actor:   journal.Actor{Kind: journal.ActorAccount, ID: int64(i % 7), Name: "vanthu@soyte.dienbien.test"},
			Subject: fmt.Sprintf("01J%d", i), Unit: int64(i % 5), Data: map[string]any{"n": i, "ten": strings.Repeat("ế", i%9)},
		}
	}
	return evs
}

func verify(t testing.TB, r sqldb.Reader, checkpoints []journal.Checkpoint) journal.Report {
	t.Helper()
	rep, err := journal.Verify(t.Context(), r, journal.VerifyOptions{Checkpoints: checkpoints})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// errUndo ends a transaction whose changes are not to be kept.
var errUndo = errors.New("undo")

// tamper runs edit on the journal, verifies it as edited, and undoes the edit.
func tamper(t testing.TB, db *sqldb.DB, checkpoints []journal.Checkpoint, edit func(exec func(q string, args ...any), tx *sqldb.Tx)) journal.Report {
	t.Helper()
	var rep journal.Report
	err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
		edit(func(q string, args ...any) {
			if _, err := tx.Exec(t.Context(), q, args...); err != nil {
				panic(err) // comes out of Update
			}
		}, tx)
		var err error
		if rep, err = journal.Verify(t.Context(), tx, journal.VerifyOptions{Checkpoints: checkpoints}); err != nil {
			return err
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		t.Fatal(err)
	}
	return rep
}

type row struct{ body, hash []byte }

func readRow(t testing.TB, tx *sqldb.Tx, seq int64) (r row) {
	t.Helper()
	if err := tx.QueryRow(t.Context(), `SELECT body, hash FROM journal WHERE seq = $1`, seq).Scan(&r.body, &r.hash); err != nil {
		panic(err)
	}
	return r
}

const (
	qCopy  = `INSERT INTO journal SELECT $1, at_us, type, ref, unit, body, hash FROM journal WHERE seq = $2`
	qAway  = `UPDATE journal SET seq = -seq - 1 WHERE seq > $1`
	qBack  = `UPDATE journal SET seq = -seq WHERE seq < 0`
	qBody  = `UPDATE journal SET body = $1 WHERE seq = $2`
	qWhole = `UPDATE journal SET body = $1, hash = $2 WHERE seq = $3`
)

// TestVerifyNamesEveryEdit: T161, T162, oracle 12.
func TestVerifyNamesEveryEdit(t *testing.T) {
	const n = 200
	edits := 1000
	if testing.Short() {
		edits = 100
	}
	db := sqldbtest.Open(t)
	checkpoints := signedEvery(t, db, some(n), 50) // 50, 100, 150, 200
	if rep := verify(t, asReader(t, db), checkpoints); rep.First != nil || rep.Entries != n || rep.Checkpoints != 5 || rep.Unsigned != 0 {
		t.Fatalf("untouched: %+v", rep)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	kinds := []struct {
		name string
		// edit changes something at or after entry k < n and tells which key must be named.
		edit func(k int64, exec func(string, ...any), tx *sqldb.Tx) (kind string, key int64)
	}{
		{"octet of the body", func(k int64, exec func(string, ...any), tx *sqldb.Tx) (string, int64) {
			b := readRow(t, tx, k).body
			b[rnd.IntN(len(b))] ^= byte(1 + rnd.IntN(255))
			exec(qBody, b, k)
			return journal.WrongEntry, k
		}},
		{"octet of the hash", func(k int64, exec func(string, ...any), tx *sqldb.Tx) (string, int64) {
			h := readRow(t, tx, k).hash
			h[rnd.IntN(len(h))] ^= byte(1 + rnd.IntN(255))
			exec(`UPDATE journal SET hash = $1 WHERE seq = $2`, h, k)
			return journal.WrongEntry, k
		}},
		{"hash cut short", func(k int64, exec func(string, ...any), tx *sqldb.Tx) (string, int64) {
			exec(`UPDATE journal SET hash = $1 WHERE seq = $2`, readRow(t, tx, k).hash[:31], k)
			return journal.WrongEntry, k
		}},
		{"body longer", func(k int64, exec func(string, ...any), tx *sqldb.Tx) (string, int64) {
			exec(qBody, append(readRow(t, tx, k).body, ' '), k)
			return journal.WrongEntry, k
		}},
		{"column", func(k int64, exec func(string, ...any), _ *sqldb.Tx) (string, int64) {
			exec([]string{
				`UPDATE journal SET at_us = at_us + 1 WHERE seq = $1`, `UPDATE journal SET type = type || 'x' WHERE seq = $1`,
				`UPDATE journal SET ref = ref || '"' WHERE seq = $1`, `UPDATE journal SET unit = unit + 10 WHERE seq = $1`,
				`UPDATE journal SET unit = unit / 10 - 1 WHERE seq = $1`,
			}[rnd.IntN(5)], k)
			return journal.WrongEntry, k
		}},
		{"removed", func(k int64, exec func(string, ...any), _ *sqldb.Tx) (string, int64) {
			exec(`DELETE FROM journal WHERE seq = $1`, k)
			return journal.WrongEntry, k
		}},
		{"removed and closed up", func(k int64, exec func(string, ...any), _ *sqldb.Tx) (string, int64) {
			exec(`DELETE FROM journal WHERE seq = $1`, k)
			exec(`UPDATE journal SET seq = -seq + 1 WHERE seq > $1`, k)
			exec(qBack)
			return journal.WrongEntry, k
		}},
		{"cut off", func(k int64, exec func(string, ...any), _ *sqldb.Tx) (string, int64) {
			exec(`DELETE FROM journal WHERE seq >= $1`, k)
			return journal.WrongEntry, k
		}},
		{"doubled in place", func(k int64, exec func(string, ...any), _ *sqldb.Tx) (string, int64) {
			exec(qAway, k)
			exec(qBack)
			exec(qCopy, k+1, k)
			return journal.WrongEntry, k + 1
		}},
		{"another inserted", func(k int64, exec func(string, ...any), _ *sqldb.Tx) (string, int64) {
			exec(qAway, k)
			exec(qBack)
			exec(qCopy, k+1, 1+(k+50)%n)
			return journal.WrongEntry, k + 1
		}},
		{"one before the first", func(k int64, exec func(string, ...any), _ *sqldb.Tx) (string, int64) {
			exec(qCopy, -k, k)
			return journal.WrongEntry, -k
		}},
		{"swapped with a later one", func(k int64, exec func(string, ...any), tx *sqldb.Tx) (string, int64) {
			j := k + 1 + rnd.Int64N(n-k)
			a, b := readRow(t, tx, k), readRow(t, tx, j)
			exec(qWhole, b.body, b.hash, k)
			exec(qWhole, a.body, a.hash, j)
			return journal.WrongEntry, k
		}},
		{"numbers swapped", func(k int64, exec func(string, ...any), _ *sqldb.Tx) (string, int64) {
			j := k + 1 + rnd.Int64N(n-k)
			exec(`UPDATE journal SET seq = 0 WHERE seq = $1`, k)
			exec(`UPDATE journal SET seq = $1 WHERE seq = $2`, k, j)
			exec(`UPDATE journal SET seq = $1 WHERE seq = 0`, j)
			return journal.WrongEntry, k
		}},
		{"rewritten with its own hash", func(k int64, exec func(string, ...any), tx *sqldb.Tx) (string, int64) {
			forge(t, tx, exec, k, k)
			if k%50 == 0 {
				return journal.WrongCheckpoint, k
			}
			return journal.WrongEntry, k + 1 // the first that no longer follows
		}},
		{"rewritten with all later hashes", func(k int64, exec func(string, ...any), tx *sqldb.Tx) (string, int64) {
			forge(t, tx, exec, k, n)
			return journal.WrongCheckpoint, (k + 49) / 50 * 50
		}},
	}
	for i := range edits {
		kind, k := kinds[i%len(kinds)], 1+rnd.Int64N(n-1)
		var what string
		var key int64
		rep := tamper(t, db, checkpoints, func(exec func(string, ...any), tx *sqldb.Tx) { what, key = kind.edit(k, exec, tx) })
		switch {
		case rep.First == nil:
			t.Errorf("%s at %d: not found", kind.name, k)
		case rep.First.Kind != what || rep.First.Key != key || rep.First.Expected == "" || rep.First.Found == "":
			t.Errorf("%s at %d: found %+v, want %s %d", kind.name, k, rep.First, what, key)
		}
	}
	if rep := verify(t, asReader(t, db), checkpoints); rep.First != nil {
		t.Errorf("after all edits were undone: %v", rep.First)
	}
}

// forge changes the body of entry k and computes the hashes from there to the
// entry last anew, as somebody with the database and this file could.
func forge(t testing.TB, tx *sqldb.Tx, exec func(string, ...any), k, last int64) {
	t.Helper()
	prev := journal.Genesis()
	if k > 1 {
		prev = journal.Hash(readRow(t, tx, k-1).hash)
	}
	for seq := k; seq <= last; seq++ {
		b := readRow(t, tx, seq).body
		if seq == k {
			b = []byte(strings.Replace(string(b), "vanthu@", "lanhdao@", 1))
		}
		prev = sha256.Sum256(append(prev[:], b...))
		exec(qWhole, b, prev[:], seq)
	}
}

// asReader gives a Reader of its own transaction for the length of the test.
func asReader(t testing.TB, db *sqldb.DB) sqldb.Reader {
	t.Helper()
	got, done, end := make(chan sqldb.Reader), make(chan struct{}), make(chan error)
	go func() {
		end <- db.View(context.Background(), func(r sqldb.Reader) error {
			got <- r
			<-done
			return nil
		})
	}()
	t.Cleanup(func() {
		close(done)
		if err := <-end; err != nil {
			t.Error(err)
		}
	})
	return <-got
}

func TestVerifyReportIsJSON(t *testing.T) {
	db := sqldbtest.Open(t)
	appendEvents(t, db, some(3)...)
	rep := verify(t, asReader(t, db), nil)
	if rep.Unsigned != 3 {
		t.Errorf("unsigned = %d, want 3", rep.Unsigned)
	}
	rep.First = &journal.Wrong{Kind: journal.WrongEntry, Key: 4, Expected: "a", Found: "b"}
	got, err := json.Marshal(rep)
	want := fmt.Sprintf(`{"entries":3,"head":"%v","checkpoints":0,"unsigned":3,"wrong":{"kind":"journal","key":4,"expected":"a","found":"b"}}`, rep.Head)
	if err != nil || string(got) != want {
		t.Errorf("JSON = %s, %v\nwant %s", got, err, want)
	}
}

func TestVerifyWritesNothing(t *testing.T) {
	dir := t.TempDir()
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	appendEvents(t, db, some(20)...)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	state := func() string {
		var b strings.Builder
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), "-shm") {
				continue // shared memory of SQLite, where readers mark their place
			}
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %x\n", e.Name(), sha256.Sum256(data))
		}
		return b.String()
	}
	before := state()
	ro, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	err = ro.View(t.Context(), func(r sqldb.Reader) error {
		if rep := verify(t, r, nil); rep.Entries != 20 || rep.First != nil {
			t.Errorf("report = %+v", rep)
		}
		return nil
	})
	if err := errors.Join(err, ro.Close()); err != nil {
		t.Fatal(err)
	}
	if after := state(); after != before {
		t.Errorf("files before\n%safter\n%s", before, after)
	}
}

func BenchmarkVerify(b *testing.B) {
	db := sqldbtest.Open(b)
	const n = 50_000
	for evs := some(n); len(evs) > 0; evs = evs[min(1000, len(evs)):] {
		appendEvents(b, db, evs[:min(1000, len(evs))]...)
	}
	r := asReader(b, db)
	start, rounds := time.Now(), 0
	for b.Loop() {
		if rep := verify(b, r, nil); rep.Entries != n || rep.First != nil {
			b.Fatal(rep)
		}
		rounds++
	}
	b.ReportMetric(float64(n*rounds)/time.Since(start).Seconds(), "entries/s")
}

// signedEvery appends evs, with a checkpoint after each step of them, and
// returns the checkpoints as the file has them.
func signedEvery(t testing.TB, db *sqldb.DB, evs []journal.Event, step int) []journal.Checkpoint {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	c := newCheckpointer(t, db, dir)
	for len(evs) > 0 {
		n := min(step, len(evs))
		appendEvents(t, db, evs[:n]...)
		evs = evs[n:]
		if err := c.Sign(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	rep := verifyFile(t, dir)
	if rep.First != nil {
		t.Fatal(rep.First)
	}
	return rep.Checkpoints
}

func newCheckpointer(t testing.TB, db *sqldb.DB, dir string) *journal.Checkpointer {
	t.Helper()
	if err := journal.Init(dir, journal.KeyIn(dir), "dienbien.test", at); err != nil && fault.KindOf(err) != fault.Conflict {
		t.Fatal(err)
	}
	c, err := journal.NewCheckpointer(t.Context(), db, journal.CheckpointOptions{Dir: dir, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func verifyFile(t testing.TB, dir string) journal.CheckpointReport {
	t.Helper()
	keys, err := journal.KeyIn(dir).Public()
	if err != nil {
		t.Fatal(err)
	}
	rep, err := journal.VerifyCheckpoints(dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}
