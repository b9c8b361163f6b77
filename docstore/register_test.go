package docstore_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

func (w *world) book(unit directory.UnitID, year int) (b docstore.Book, es []docstore.Entry) {
	w.t.Helper()
	w.view(func(ctx context.Context, r sqldb.Reader) (err error) {
		b, es, err = docstore.ReadBook(ctx, r, unit, docstore.DirectionIn, year)
		return err
	})
	return b, es
}

// inOneBook takes n documents in for unit 1.
func (w *world) inOneBook(n int) (ids []docstore.DispatchID) {
	w.t.Helper()
	in := decision(w.t, 1)
	err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
		for i := range n {
			in.MailID = docstore.MailID("<" + string(rune('A'+i%26)) + time.Duration(i).String() + ">")
			res, err := w.doc.Intake(ctx, tx, in)
			if err != nil {
				return err
			}
			ids = append(ids, res.Dispatches[0].ID)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// Oracle 5: 1,000 registrations at once give the numbers 1 to 1,000.
func TestOracle05ParallelRegistrations(t *testing.T) {
	w := newWorld(t)
	ids := w.inOneBook(1000)
	numbers := make([]int, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			d, err := w.do(clerk(int64(i%7)), id, act(docstore.EventRegister))
			if err != nil {
				t.Error(err)
			}
			numbers[i] = d.ArrivalNumber
		})
	}
	wg.Wait()
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != i+1 {
			t.Fatalf("number %d of the sorted ones is %d, want %d", i, n, i+1)
		}
	}
	b, entries := w.book(1, 2026)
	if b.Last != 1000 || len(entries) != 1000 {
		t.Errorf("book: last %d with %d entries, want 1000", b.Last, len(entries))
	}
	if rep := w.verify(); rep.Entries != 2000 || rep.Books != 2 {
		t.Errorf("report = %+v, want the books of the sender and of the recipient with 1000 entries each", rep)
	}
}

// The ten columns of NĐ 30/2020, Phụ lục IV, as they were on that day.
func TestRegisterColumns(t *testing.T) {
	w := newWorld(t)
	id := w.intake(decision(t, 1)).Dispatches[0].ID
	w.now = w.now.Add(24 * time.Hour)
	w.mustDo(id, docstore.Act{Event: docstore.EventRegister, Recipient: "UBND xã Thanh Nưa", Note: "bản điện tử"})
	_, entries := w.book(1, 2026)
	want := docstore.Columns{
		Arrived: "2026-11-23", Number: 1, Issuer: "UBND tỉnh Điện Biên", Code: "123/QĐ-UBND", Issued: "2026-11-23",
		Title: "Quyết định; V/v giao chỉ tiêu kế hoạch", Recipient: "UBND xã Thanh Nưa", Handed: "2026-11-24",
		Remark: "bản điện tử",
	}
	if len(entries) != 1 || entries[0].Columns != want {
		t.Errorf("entries = %+v, want one with %+v", entries, want)
	}
	if e := entries[0]; e.By != 1 || !e.Entered.Equal(w.now) || e.Dispatch != id || e.State != docstore.EntryValid {
		t.Errorf("entry = %+v, want by 1 at %v for dispatch %d", e, w.now, id)
	}
}

func TestDuplicateIsRemarked(t *testing.T) {
	w := newWorld(t)
	ids := w.inOneBook(2)
	for _, id := range ids {
		w.mustDo(id, act(docstore.EventRegister))
	}
	_, entries := w.book(1, 2026)
	if entries[0].Columns.Remark != "" || entries[1].Columns.Remark == "" {
		t.Errorf("remarks = %q, %q, want only the second", entries[0].Columns.Remark, entries[1].Columns.Remark)
	}
}

// A number belongs to its dispatch for ever: taken back it is voided, given to
// nobody else, and comes back to the same dispatch.
func TestUndoneNumberIsNeverReused(t *testing.T) {
	w := newWorld(t)
	ids := w.inOneBook(3)
	register := func(i int) int { return w.mustDo(ids[i], act(docstore.EventRegister)).ArrivalNumber }
	if got := register(0); got != 1 {
		t.Fatalf("first number = %d, want 1", got)
	}
	w.mustDo(ids[0], docstore.Act{Event: docstore.EventUndo, Note: "kéo nhầm"})
	_, entries := w.book(1, 2026)
	if e := entries[0]; e.State != docstore.EntryVoided || e.VoidReason != "kéo nhầm" || e.VoidedBy != 1 {
		t.Errorf("entry = %+v, want voided by 1", e)
	}
	if got := register(1); got != 2 {
		t.Errorf("number after an undone one = %d, want 2", got)
	}
	if got := register(0); got != 1 {
		t.Errorf("number of the same dispatch again = %d, want 1", got)
	}
	if got := register(2); got != 3 {
		t.Errorf("next number = %d, want 3", got)
	}
	_, entries = w.book(1, 2026)
	if e := entries[0]; len(entries) != 3 || e.State != docstore.EntryValid || e.VoidReason != "" {
		t.Errorf("entries = %+v, want three valid ones", entries)
	}
	w.verify()
}

// The year of the book is Vietnam's, which begins seven hours before UTC's.
func TestRegisterYearIsVietnamLocal(t *testing.T) {
	w := newWorld(t)
	ids := w.inOneBook(4)
	newYear := time.Date(2026, 12, 31, 17, 0, 0, 0, time.UTC)
	steps := []struct {
		now          time.Time
		id           int
		event        docstore.Event
		year, number int
	}{
		{newYear.Add(-2 * time.Minute), 0, docstore.EventRegister, 2026, 1},
		{newYear.Add(-time.Microsecond), 1, docstore.EventRegister, 2026, 2},
		{newYear.Add(-time.Microsecond), 1, docstore.EventUndo, 0, 0},
		{newYear, 2, docstore.EventRegister, 2027, 1},
		// Its number of 2026 stays voided: the year of registration counts.
		{newYear.Add(time.Minute), 1, docstore.EventRegister, 2027, 2},
		{newYear.Add(time.Minute), 3, docstore.EventRegister, 2027, 3},
		// Of its two entries with number 2 only the valid one is voided.
		{newYear.Add(2 * time.Minute), 1, docstore.EventUndo, 0, 0},
	}
	for _, s := range steps {
		w.now = s.now
		d := w.mustDo(ids[s.id], act(s.event))
		if d.ArrivalYear != s.year || d.ArrivalNumber != s.number {
			t.Errorf("%s of %d at %v: %d/%d, want %d/%d", s.event, s.id, s.now, d.ArrivalNumber, d.ArrivalYear, s.number, s.year)
		}
	}
	w.verify()
}

func TestReadBookNotThere(t *testing.T) {
	w := newWorld(t)
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		_, _, err := docstore.ReadBook(ctx, r, 1, docstore.DirectionIn, 1999)
		wantKind(t, err, fault.NotFound)
		return nil
	})
}

// Whatever is changed behind our back, Verify names it.
func TestVerifyFindsTampering(t *testing.T) {
	tests := []struct{ name, change, kind string }{
		{"column of an entry", `UPDATE register_entry SET columns = replace(columns, '123', '124') WHERE number = 2`, "register"},
		{"entry removed", `DELETE FROM register_entry WHERE number = 2`, "register"},
		{"last entry removed", `DELETE FROM register_entry WHERE number = 3`, "register"},
		{"last entry removed and counter set back", `UPDATE register_book SET last_number = 2`, "register"},
		{"head changed", `UPDATE register_book SET head_hash = zeroblob(32)`, "register"},
		{"entry of another dispatch", `UPDATE register_entry SET dispatch_id = 999 WHERE number = 1`, "register"},
		{"entry voided in silence", `UPDATE register_entry SET state = 'voided' WHERE number = 1`, "dispatch"},
		{"state changed", `UPDATE dispatch SET state = 'completed' WHERE arrival_number = 3`, "dispatch"},
		{"number changed", `UPDATE dispatch SET arrival_number = 7 WHERE arrival_number = 3`, "dispatch"},
		{"event removed", `DELETE FROM status_event WHERE status = '03' AND dispatch_id = 2`, "dispatch"},
		{"event without an entry in the journal", `UPDATE status_event SET journal_seq = 9999 WHERE id = 2`, "status event"},
		{"event of another time", `UPDATE status_event SET at_us = at_us + 1 WHERE id = 2`, "status event"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			for _, id := range w.inOneBook(3) {
				w.mustDo(id, act(docstore.EventRegister))
			}
			w.verify()
			if err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, tt.change)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			switch rep := w.report(); {
			case rep.First == nil:
				t.Error("Verify found nothing")
			case rep.First.Kind != tt.kind:
				t.Errorf("Verify = %v, want kind %q", rep.First, tt.kind)
			}
		})
	}
}

// Oracle 6, the part of the store: what was undone took no number.
func TestOracle06FailedTransactionTakesNoNumber(t *testing.T) {
	w := newWorld(t)
	ids := w.inOneBook(2)
	lost := errors.New("power cut")
	err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
		d, _, err := w.doc.Transition(ctx, tx, clerk(1), ids[0], act(docstore.EventRegister))
		if err != nil || d.ArrivalNumber != 1 {
			t.Errorf("number %d, error %v, want 1", d.ArrivalNumber, err)
		}
		return lost
	})
	if !errors.Is(err, lost) {
		t.Fatalf("error = %v, want %v", err, lost)
	}
	w.verify()
	if d := w.mustDo(ids[1], act(docstore.EventRegister)); d.ArrivalNumber != 1 {
		t.Errorf("number after a failed one = %d, want 1", d.ArrivalNumber)
	}
	w.verify()
}
