package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

const (
	qAddDomain   = `INSERT INTO domain (name) VALUES ($1)`
	qCountDomain = `SELECT count(*) FROM domain`
	qHasDomain   = `SELECT count(*) FROM domain WHERE name = $1`
)

func addDomain(ctx context.Context, tx *sqldb.Tx, name string) error {
	_, err := tx.Exec(ctx, qAddDomain, name)
	return err
}

func count(t *testing.T, db *sqldb.DB) (n int) {
	t.Helper()
	if err := db.View(t.Context(), func(r sqldb.Reader) error {
		return r.QueryRow(t.Context(), qCountDomain).Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestUpdateSeesItselfAndEarlierOnes(t *testing.T) {
	db := sqldbtest.Open(t)
	ctx := t.Context()
	for i := range 3 {
		err := db.Update(ctx, func(tx *sqldb.Tx) error {
			if err := addDomain(ctx, tx, fmt.Sprintf("d%d.test", i)); err != nil {
				return err
			}
			var n int
			if err := tx.QueryRow(ctx, qCountDomain).Scan(&n); err != nil {
				return err
			}
			if n != i+1 {
				t.Errorf("inside update %d: %d rows, want %d", i, n, i+1)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := count(t, db); got != i+1 {
			t.Errorf("after update %d: %d rows, want %d", i, got, i+1)
		}
	}
}

// A function that fails inside a group is undone alone. The gate holds the
// writer until all functions wait, so that they do share one group.
func TestFailureInGroupIsUndoneAlone(t *testing.T) {
	db := sqldbtest.Open(t)
	ctx := t.Context()
	gate, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := db.Update(ctx, func(*sqldb.Tx) error { close(held); <-gate; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-held
	refused := errors.New("refused")
	committed := make(chan int, 100)
	var begun sync.WaitGroup
	for i := range 100 {
		begun.Add(1)
		wg.Go(func() {
			begun.Done()
			err := db.Update(ctx, func(tx *sqldb.Tx) error {
				tx.OnCommit(func() { committed <- i })
				if err := addDomain(ctx, tx, fmt.Sprintf("d%d.test", i)); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return refused
				case 2:
					panic("programmer's mistake")
				}
				return nil
			})
			switch i % 4 {
			case 1:
				if !errors.Is(err, refused) {
					t.Errorf("update %d: %v, want its own error", i, err)
				}
			case 2:
				if err == nil || !strings.Contains(err.Error(), "panic") {
					t.Errorf("update %d: %v, want the panic as an error", i, err)
				}
			default:
				if err != nil {
					t.Errorf("update %d: %v", i, err)
				}
			}
		})
	}
	begun.Wait()
	close(gate)
	wg.Wait()
	if got := count(t, db); got != 50 {
		t.Errorf("%d rows, want the 50 of the functions that succeeded", got)
	}
	close(committed)
	for i := range committed {
		if i%4 == 1 || i%4 == 2 {
			t.Errorf("OnCommit of update %d ran although it failed", i)
		}
	}
}

// A failure alone in its group has no savepoint: the whole transaction is undone.
func TestFailureAloneIsUndone(t *testing.T) {
	db := sqldbtest.Open(t)
	ctx := t.Context()
	refused := errors.New("refused")
	for i, fails := range []bool{false, true, true, false} {
		err := db.Update(ctx, func(tx *sqldb.Tx) error {
			if err := addDomain(ctx, tx, fmt.Sprintf("d%d.test", i)); err != nil {
				return err
			}
			if fails {
				return refused
			}
			return nil
		})
		if fails != errors.Is(err, refused) || !fails && err != nil {
			t.Errorf("update %d: %v", i, err)
		}
	}
	if got := count(t, db); got != 2 {
		t.Errorf("%d rows, want the 2 of the functions that succeeded", got)
	}
}

func TestOnCommitRunsBeforeUpdateReturnsAndInOrder(t *testing.T) {
	db := sqldbtest.Open(t)
	ctx := t.Context()
	var order []int // only the writer's goroutine appends, Update's return publishes
	for i := range 10 {
		if err := db.Update(ctx, func(tx *sqldb.Tx) error {
			tx.OnCommit(func() { order = append(order, 2*i) })
			tx.OnCommit(func() { order = append(order, 2*i+1) })
			return addDomain(ctx, tx, fmt.Sprintf("d%d.test", i))
		}); err != nil {
			t.Fatal(err)
		}
		if len(order) != 2*i+2 {
			t.Fatalf("after update %d: %d hooks have run, want %d", i, len(order), 2*i+2)
		}
	}
	for i, got := range order {
		if got != i {
			t.Fatalf("hooks ran as %v", order)
		}
	}
}

// Once a function has begun, a cancelled context must not leave its outcome
// in doubt (mailservers.md R7, R8).
func TestCancelDoesNotHideTheOutcome(t *testing.T) {
	db := sqldbtest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Update(ctx, func(tx *sqldb.Tx) error {
		cancel()
		return addDomain(ctx, tx, "kept.test")
	})
	if err != nil {
		t.Errorf("Update = %v, want nil: the row was committed", err)
	}
	if got := count(t, db); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
	if err := db.Update(ctx, func(tx *sqldb.Tx) error { return addDomain(ctx, tx, "late.test") }); !errors.Is(err, context.Canceled) {
		t.Errorf("Update on an ended context = %v, want context.Canceled", err)
	}
}

func TestViewIsOneSnapshot(t *testing.T) {
	db := sqldbtest.Open(t)
	ctx := t.Context()
	err := db.View(ctx, func(r sqldb.Reader) error {
		var before, after int
		if err := r.QueryRow(ctx, qCountDomain).Scan(&before); err != nil {
			return err
		}
		if err := db.Update(ctx, func(tx *sqldb.Tx) error { return addDomain(ctx, tx, "new.test") }); err != nil {
			return err
		}
		if err := r.QueryRow(ctx, qCountDomain).Scan(&after); err != nil {
			return err
		}
		if before != after {
			t.Errorf("one view counted %d, then %d", before, after)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestViewCannotWrite(t *testing.T) {
	db := sqldbtest.Open(t)
	err := db.View(t.Context(), func(r sqldb.Reader) error {
		var name string
		return r.QueryRow(t.Context(), `INSERT INTO domain (name) VALUES ('x.test') RETURNING name`).Scan(&name)
	})
	if err == nil {
		t.Error("a view wrote a row")
	}
}

func TestUniqueIsRecognised(t *testing.T) {
	db := sqldbtest.Open(t)
	ctx := t.Context()
	add := func(tx *sqldb.Tx) error { return addDomain(ctx, tx, "twice.test") }
	if err := db.Update(ctx, add); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(ctx, add); !sqldb.IsUnique(err) {
		t.Errorf("second insert: %v, want IsUnique", err)
	}
}

// TestDefect_D1_SynchronousFull: the driver opens WAL with synchronous=NORMAL,
// which may lose acknowledged mail when the power fails.
func TestDefect_D1_SynchronousFull(t *testing.T) {
	db := sqldbtest.Open(t)
	ctx := t.Context()
	err := db.Update(ctx, func(tx *sqldb.Tx) error {
		for pragma, want := range map[string]string{
			"PRAGMA synchronous": "2", "PRAGMA journal_mode": "wal", "PRAGMA foreign_keys": "1", "PRAGMA wal_autocheckpoint": "4096",
		} {
			var got string
			if err := tx.QueryRow(ctx, pragma).Scan(&got); err != nil {
				return err
			}
			if got != want {
				t.Errorf("%s = %s, want %s", pragma, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqldb.Open(t.Context(), sqldb.Options{Dir: dir})
	if !errors.Is(err, sqldb.ErrLocked) {
		t.Errorf("second Open = %v, want ErrLocked", err)
	}
	if want := fmt.Sprintf("pid %d", os.Getpid()); !strings.Contains(fault.Sentence(err).EN, want) {
		t.Errorf("sentence %q does not name the holder, want %q", fault.Sentence(err).EN, want)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err = sqldb.Open(t.Context(), sqldb.Options{Dir: dir})
	if err != nil {
		t.Fatalf("Open after Close: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNewerSchemaIsRefusedUntouched(t *testing.T) {
	dir := t.TempDir()
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, sqldb.File))
	if err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{false, true} {
		_, err = sqldb.Open(t.Context(), sqldb.Options{Dir: dir, ReadOnly: readOnly})
		if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "9999") {
			t.Errorf("Open(ReadOnly: %v) of a newer schema = %v", readOnly, err)
		}
	}
	after, err := os.ReadFile(filepath.Join(dir, sqldb.File))
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Error("refusing the schema changed the file")
	}
}

func TestReadOnlyLeavesNoTrace(t *testing.T) {
	dir := t.TempDir()
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx *sqldb.Tx) error { return addDomain(t.Context(), tx, "a.test") }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	list := func() string {
		out, err := exec.CommandContext(t.Context(), "find", dir, "-printf", "%p %s %T@\n").Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	before := list()
	ro, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := ro.View(t.Context(), func(r sqldb.Reader) error {
		return r.QueryRow(t.Context(), qHasDomain, "a.test").Scan(&n)
	}); err != nil || n != 1 {
		t.Errorf("read %d rows, %v", n, err)
	}
	if err := ro.Update(t.Context(), func(*sqldb.Tx) error { return nil }); fault.KindOf(err) != fault.Denied {
		t.Errorf("Update on a read-only database = %v", err)
	}
	if err := ro.Close(); err != nil {
		t.Fatal(err)
	}
	if after := list(); before != after {
		t.Errorf("files before:\n%s\nafter:\n%s", before, after)
	}
	if _, err := sqldb.Open(t.Context(), sqldb.Options{Dir: t.TempDir(), ReadOnly: true}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("read-only Open of an empty folder = %v, want not found", err)
	}
}

func TestManyWritersAndReaders(t *testing.T) {
	db := sqldbtest.Open(t)
	ctx := t.Context()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for j := range 25 {
				if err := db.Update(ctx, func(tx *sqldb.Tx) error {
					return addDomain(ctx, tx, fmt.Sprintf("d%d-%d.test", i, j))
				}); err != nil {
					t.Error(err)
				}
				if err := db.View(ctx, func(r sqldb.Reader) error {
					var n int
					return r.QueryRow(ctx, qHasDomain, fmt.Sprintf("d%d-%d.test", i, j)).Scan(&n)
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := count(t, db); got != 500 {
		t.Errorf("%d rows, want 500", got)
	}
}

func TestViewStopsWaitingWithItsContext(t *testing.T) {
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: t.TempDir(), Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(sqldb.Reader) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		return db.View(ctx, func(sqldb.Reader) error { return nil })
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("View without a free connection = %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(*sqldb.Tx) error { return nil }); !errors.Is(err, sqldb.ErrBroken) {
		t.Errorf("Update after Close = %v, want ErrBroken", err)
	}
}

// A full database must fail the update with ErrFull, keep what was there, and
// work again once there is room (reliability.md T129).
func TestFullDatabaseHeals(t *testing.T) {
	db := sqldbtest.Open(t)
	ctx := t.Context()
	var pages int
	limit := func(q string) {
		t.Helper()
		if err := db.Update(ctx, func(tx *sqldb.Tx) error { return tx.QueryRow(ctx, q).Scan(&pages) }); err != nil {
			t.Fatal(err)
		}
	}
	limit("PRAGMA page_count")
	limit(fmt.Sprintf("PRAGMA max_page_count = %d", pages+8))
	err := db.Update(ctx, func(tx *sqldb.Tx) error {
		return addDomain(ctx, tx, strings.Repeat("x", 1<<20))
	})
	if !errors.Is(err, sqldb.ErrFull) || fault.KindOf(err) != fault.Exhausted {
		t.Errorf("Update on a full database = %v, want ErrFull", err)
	}
	if err := db.Update(ctx, func(tx *sqldb.Tx) error { return addDomain(ctx, tx, "small.test") }); err != nil {
		t.Errorf("a small update after it: %v", err)
	}
	limit("PRAGMA max_page_count = 1000000")
	if err := db.Update(ctx, func(tx *sqldb.Tx) error {
		return addDomain(ctx, tx, strings.Repeat("x", 1<<20))
	}); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if got := count(t, db); got != 2 {
		t.Errorf("%d rows, want 2", got)
	}
}

func TestTimes(t *testing.T) {
	if got := sqldb.Micros(time.Time{}); got != 0 {
		t.Errorf("Micros(zero) = %d", got)
	}
	if !sqldb.Time(0).IsZero() {
		t.Error("Time(0) is not zero")
	}
	at := time.Date(2026, 11, 24, 1, 2, 3, 456789000, time.UTC)
	if got := sqldb.Time(sqldb.Micros(at)); !got.Equal(at) {
		t.Errorf("%v became %v", at, got)
	}
}

func BenchmarkUpdateSerial(b *testing.B) {
	db := sqldbtest.Open(b)
	ctx := b.Context()
	i := 0
	for b.Loop() {
		i++
		if err := db.Update(ctx, func(tx *sqldb.Tx) error { return addDomain(ctx, tx, fmt.Sprint(i)) }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdate20Writers(b *testing.B) {
	db := sqldbtest.Open(b)
	ctx := b.Context()
	b.SetParallelism(10)
	var mu sync.Mutex
	i := 0
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.Lock()
			i++
			n := i
			mu.Unlock()
			if err := db.Update(ctx, func(tx *sqldb.Tx) error { return addDomain(ctx, tx, fmt.Sprint(n)) }); err != nil {
				b.Error(err)
			}
		}
	})
}
