package docstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// manage has the sender's numbers given here.
func (w *world) manage(s docstore.Scheme) {
	w.t.Helper()
	w.numbering(docstore.Numbering{Unit: sender, Mode: docstore.ModeManaged, Scheme: s})
}

func (w *world) numbering(n docstore.Numbering) {
	w.t.Helper()
	if err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
		return w.doc.SetNumbering(ctx, tx, clerk(1), n)
	}); err != nil {
		w.t.Fatal(err)
	}
}

// send takes a document of the sender in; its Message-ID is its code and try.
func (w *world) send(code string, try int) (docstore.Result, error) {
	w.t.Helper()
	in := document(w.t, code, 2)
	in.MailID = docstore.MailID(fmt.Sprintf("<%s.%d@ubnd.dienbien.test>", code, try))
	in.Recognition.Issued = time.Time{}
	in.Recognition.Year = w.now.In(time.FixedZone("", 7*60*60)).Year()
	if y := in.Recognition.Code.Year; y != 0 {
		in.Recognition.Year = y
	}
	return w.tryIntake(in)
}

func (w *world) mustSend(code string, try int) docstore.Result {
	w.t.Helper()
	res, err := w.send(code, try)
	if err != nil {
		w.t.Fatalf("send %s: %v", code, err)
	}
	return res
}

func (w *world) reserve(symbol, draft string) (v docstore.Reservation, err error) {
	w.t.Helper()
	err = w.update(func(ctx context.Context, tx *sqldb.Tx) (err error) {
		v, err = w.doc.Reserve(ctx, tx, clerk(2), docstore.NumberRequest{
			Unit: sender, Symbol: symbol, Abstract: "V/v thử", Draft: draft, Source: docstore.SourceCLI,
		})
		return err
	})
	return v, err
}

func (w *world) mustReserve(symbol, draft string) docstore.Reservation {
	w.t.Helper()
	v, err := w.reserve(symbol, draft)
	if err != nil {
		w.t.Fatalf("reserve for %s: %v", symbol, err)
	}
	return v
}

// outbook gives the lines of a book of outgoing documents as text:
// "12 12/QĐ-UBND", "(12)" for what corrects, "-12" when voided.
func (w *world) outbook(year int, series docstore.Series) (lines []string) {
	w.t.Helper()
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		_, entries, err := docstore.ReadSeries(ctx, r, sender, docstore.DirectionOut, year, series)
		for _, e := range entries {
			s := fmt.Sprintf("%d%s %s", e.Number, e.Suffix, e.Out.Code)
			if e.Corrects != 0 {
				s = "(" + s + ")"
			}
			if e.State == docstore.EntryVoided {
				s = "-" + s
			}
			lines = append(lines, s)
		}
		if errors.Is(err, docstore.ErrNoBook) {
			return nil
		}
		return err
	})
	return lines
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("register = %q, want %q", got, want)
	}
}

func TestRecordedNumbersAsTheyCome(t *testing.T) {
	w := newWorld(t)
	for i, code := range []string{"123/QĐ-UBND", "15a/TB-UBND", "15/TB-UBND", "123/QĐ-UBND"} {
		w.mustSend(code, i)
	}
	wantLines(t, w.outbook(2026, docstore.SeriesDefault), "15 15/TB-UBND", "15a 15a/TB-UBND", "123 123/QĐ-UBND", "123 123/QĐ-UBND")
	w.mustSend("09/2026/QĐ-UBND", 9)
	wantLines(t, w.outbook(2026, "QPPL:QĐ"), "9 09/2026/QĐ-UBND")
	if _, err := w.reserve("QĐ-UBND", ""); !errors.Is(err, docstore.ErrNotManaged) {
		t.Errorf("reserve = %v, want ErrNotManaged", err)
	}
	w.verify()
}

func TestOutgoingColumns(t *testing.T) {
	w := newWorld(t)
	in := decision(t, 6)
	in.Recognition.Signer = edoc.Signer{Competence: "KT. CHỦ TỊCH", Position: "Phó Chủ tịch"}
	for i := range in.Recipients {
		r := &in.Recipients[i]
		if r.Named = r.Address.String(); i < 5 {
			r.Named = "ubnd-xa@dienbien.test"
		} else {
			r.Name = "Sở Y tế"
		}
	}
	w.intake(in)
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		_, entries, err := docstore.ReadBook(ctx, r, sender, docstore.DirectionOut, 2026)
		if err != nil {
			return err
		}
		want := docstore.OutColumns{
			Code: "123/QĐ-UBND", Issued: "2026-11-23", Title: "Quyết định; V/v giao chỉ tiêu kế hoạch",
			Signer: "KT. CHỦ TỊCH, Phó Chủ tịch", Recipients: "ubnd-xa@dienbien.test (5 đơn vị); Sở Y tế", Keeper: "Văn thư", Copies: 6, Handed: "2026-11-23",
		}
		if got := entries[0].Out; got != want {
			t.Errorf("columns = %+v, want %+v", got, want)
		}
		return nil
	})
	w.intake(decision(t, 6)) // the same again: no new line
	more := decision(t, 8)
	w.intake(more) // two further units: a line below
	wantLines(t, w.outbook(2026, docstore.SeriesDefault), "123 123/QĐ-UBND", "(123 123/QĐ-UBND)")
	w.verify()
}

func TestSeries(t *testing.T) {
	scheme := docstore.Scheme{PerType: true, Groups: [][]string{{"QĐ", "CT"}}, Bodies: []string{"HĐKT"}}
	for _, tt := range []struct {
		scheme docstore.Scheme
		code   string
		want   docstore.Series
	}{
		{docstore.Scheme{}, "1/QĐ-UBND", docstore.SeriesDefault},
		{docstore.Scheme{}, "1/UBND-VX", docstore.SeriesDefault},
		{docstore.Scheme{}, "1/2026/QĐ-UBND", "QPPL:QĐ"},
		{docstore.Scheme{}, "1/2026/NQ-HĐND", "QPPL:NQ"},
		{scheme, "1/QĐ-UBND", "type:QĐ+CT"},
		{scheme, "1/qd-ubnd", "type:QĐ+CT"},
		{scheme, "1/CT-UBND", "type:QĐ+CT"},
		{scheme, "1/TB-UBND", "type:TB"},
		{scheme, "1/UBND-VX", "type:CV"},
		{scheme, "1/QĐ-HĐKT", "body:HĐKT"},
		{scheme, "1/2026/QĐ-UBND", "QPPL:QĐ"},
	} {
		c, err := edoc.ParseCode(tt.code)
		if err != nil {
			t.Fatal(err)
		}
		if got := tt.scheme.Series(c); got != tt.want {
			t.Errorf("series of %s in %+v = %s, want %s", tt.code, tt.scheme, got, tt.want)
		}
	}
}

func TestBadNumbering(t *testing.T) {
	w := newWorld(t)
	for name, n := range map[string]docstore.Numbering{
		"mode":  {Unit: sender, Mode: "free"},
		"type":  {Unit: sender, Mode: docstore.ModeManaged, Scheme: docstore.Scheme{Groups: [][]string{{"XYZ"}}}},
		"twice": {Unit: sender, Mode: docstore.ModeManaged, Scheme: docstore.Scheme{Groups: [][]string{{"QĐ"}, {"QĐ", "TB"}}}},
		"empty": {Unit: sender, Mode: docstore.ModeManaged, Scheme: docstore.Scheme{Groups: [][]string{{}}}},
		"body":  {Unit: sender, Mode: docstore.ModeManaged, Scheme: docstore.Scheme{Bodies: []string{"a b/c"}}},
	} {
		err := w.update(func(ctx context.Context, tx *sqldb.Tx) error { return w.doc.SetNumbering(ctx, tx, clerk(1), n) })
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: error = %v, want Invalid", name, err)
		}
	}
}

func TestManagedNumbers(t *testing.T) {
	w := newWorld(t)
	w.manage(docstore.Scheme{})
	w.mustSend("1/QĐ-UBND", 0)
	_, err := w.send("3/QĐ-UBND", 0)
	wantKind(t, err, fault.Conflict)
	if s := fault.Sentence(err); !strings.Contains(s.VI, "02/QĐ-UBND") || !strings.Contains(s.EN, "[?/QĐ-UBND]") {
		t.Errorf("error = %+v, want the expected number", s)
	}
	for _, code := range []string{"2a/QĐ-UBND", "1/TB-UBND"} { // a letter, a number that another symbol has
		_, err := w.send(code, 0)
		wantKind(t, err, fault.Conflict)
	}
	v := w.mustReserve("TB-UBND", "")
	if v.Number != 2 || v.Code != "02/TB-UBND" {
		t.Errorf("reserved %d, %s; want 2, 02/TB-UBND", v.Number, v.Code)
	}
	// Monday 09:14:05 leaves 5 h 45 m 55 s, Tuesday and Wednesday 15 h, Thursday the rest.
	if got := v.Expires.In(time.FixedZone("", 7*60*60)).Format("2 15:04:05"); got != "26 10:44:05" {
		t.Errorf("expires on %s", got)
	}
	w.mustSend("3/QĐ-UBND", 1)
	w.mustSend("2/TB-UBND", 0)
	w.mustSend("1/QĐ-UBND", 1) // sent again, corrected after a refusal
	wantLines(t, w.outbook(2026, docstore.SeriesDefault), "1 01/QĐ-UBND", "(1 01/QĐ-UBND)", "2 02/TB-UBND", "3 03/QĐ-UBND")
	w.verify()

	in := decision(t, 1) // found in a file long after it was sent: never refused
	in.Source, in.MailID = docstore.SourceSystem, "<l2@x>"
	w.intake(in)
	none := document(t, "9/QĐ-UBND", 1)
	none.Recognition.Code, none.MailID = nil, "<none@x>"
	_, err = w.tryIntake(none)
	wantKind(t, err, fault.Conflict)
	wantLines(t, w.outbook(2026, docstore.SeriesDefault), "1 01/QĐ-UBND", "(1 01/QĐ-UBND)", "2 02/TB-UBND", "3 03/QĐ-UBND", "0 123/QĐ-UBND")
	w.verify()
}

func TestReservedForADraft(t *testing.T) {
	w := newWorld(t)
	w.manage(docstore.Scheme{})
	first, again, other := w.mustReserve("QĐ-UBND", "d1"), w.mustReserve("QĐ-UBND", "d1"), w.mustReserve("QĐ-UBND", "d2")
	if first.Number != 1 || again.Number != 1 || other.Number != 2 {
		t.Errorf("numbers %d, %d, %d; want 1, 1, 2", first.Number, again.Number, other.Number)
	}
	w.mustSend("1/QĐ-UBND", 0)
	if used := w.mustReserve("QĐ-UBND", "d1"); used.Number != 1 || used.State != docstore.ReservationUsed {
		t.Errorf("after its use %+v", used)
	}
	for _, bad := range []string{"", "24/24", "CV/TU", "QĐ UBND"} {
		_, err := w.reserve(bad, "")
		wantKind(t, err, fault.Invalid)
	}
	w.verify()
}

func TestUnusedNumbersAreVoided(t *testing.T) {
	w := newWorld(t)
	w.manage(docstore.Scheme{})
	w.mustReserve("QĐ-UBND", "")
	expire := func() (n int) {
		t.Helper()
		if err := w.update(func(ctx context.Context, tx *sqldb.Tx) (err error) {
			n, err = w.doc.ExpireNumbers(ctx, tx, 10)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	w.now = w.now.Add(71 * time.Hour)
	if n := expire(); n != 0 {
		t.Errorf("%d expired early", n)
	}
	w.verify()
	w.now = w.now.Add(3 * time.Hour)
	if n := expire() + expire(); n != 1 {
		t.Errorf("%d expired, want 1", n)
	}
	wantLines(t, w.outbook(2026, docstore.SeriesDefault), "-1 01/QĐ-UBND")
	_, err := w.send("1/QĐ-UBND", 0)
	wantKind(t, err, fault.Conflict)
	w.mustSend("2/QĐ-UBND", 0)
	w.verify()
}

func TestOutgoingTampering(t *testing.T) {
	for _, tt := range []struct{ name, query string }{
		{"column", `UPDATE register_entry SET columns = replace(columns, 'QĐ', 'TB') WHERE ordinal = 1`},
		{"removed", `DELETE FROM register_entry WHERE ordinal = 3`},
		{"number", `UPDATE register_entry SET number = 9 WHERE ordinal = 1`},
		{"voided in silence", `UPDATE register_entry SET state = 'voided' WHERE ordinal = 1`},
		{"void of another", `UPDATE register_entry SET void_seq = 1 WHERE state = 'voided'`},
		{"counter", `UPDATE register_book SET last_number = last_number + 1 WHERE direction = 'di'`},
		{"counter back", `UPDATE register_book SET last_number = 1 WHERE direction = 'di'`},
		{"reservation gone", `DELETE FROM register_reservation WHERE state = 'reserved'`},
		{"document of another", `UPDATE document SET issuer_unit = 5 WHERE id = 1`},
		{"correction moved", `UPDATE register_entry SET corrects = 2 WHERE corrects = 1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.manage(docstore.Scheme{})
			w.mustSend("1/QĐ-UBND", 0)
			w.mustSend("2/QĐ-UBND", 0)
			w.mustReserve("QĐ-UBND", "")
			if _, err := w.correct(docstore.EntryKey{Direction: docstore.DirectionOut, Number: 1}, map[string]string{"nguoi_ky": "Chủ tịch"}); err != nil {
				t.Fatal(err)
			}
			if err := w.void(2); err != nil {
				t.Fatal(err)
			}
			w.verify()
			if err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
				n, err := tx.Exec(ctx, tt.query)
				if n == 0 {
					t.Error("nothing was changed")
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if rep := w.report(); rep.First == nil || !strings.HasPrefix(rep.First.Kind, "register") {
				t.Errorf("Verify found %v", rep.First)
			}
		})
	}
}

func (w *world) void(number int) error {
	w.t.Helper()
	return w.update(func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := w.doc.VoidEntry(ctx, tx, clerk(1), docstore.EntryKey{
			Unit: sender, Direction: docstore.DirectionOut, Year: 2026, Number: number,
		}, "phát hành nhầm")
		return err
	})
}

func (w *world) correct(key docstore.EntryKey, set map[string]string) (e docstore.Entry, err error) {
	w.t.Helper()
	if key.Year = 2026; key.Unit == 0 {
		key.Unit = sender
	}
	err = w.update(func(ctx context.Context, tx *sqldb.Tx) (err error) {
		e, err = w.doc.CorrectEntry(ctx, tx, clerk(1), key, docstore.Correction{Set: set, Reason: "ghi thiếu", Source: docstore.SourceCLI})
		return err
	})
	return e, err
}

func TestCorrections(t *testing.T) {
	w := newWorld(t)
	res := w.mustSend("1/QĐ-UBND", 0)
	out := docstore.EntryKey{Direction: docstore.DirectionOut, Number: 1}
	e, err := w.correct(out, map[string]string{"nguoi_ky": "Chủ tịch", "ngay_thang_van_ban": "2026-11-20"})
	if err != nil || e.Out.Signer != "Chủ tịch" || e.Out.Issued != "2026-11-20" || e.Out.Remark != "Đính chính: ghi thiếu" || e.Corrects != 1 {
		t.Fatalf("correction = %+v, %v", e, err)
	}
	if e, err = w.correct(out, map[string]string{"noi_nhan": "Sở Y tế"}); err != nil || e.Out.Signer != "Chủ tịch" || e.Out.Recipients != "Sở Y tế" {
		t.Fatalf("second correction = %+v, %v", e, err)
	}
	wantLines(t, w.outbook(2026, docstore.SeriesDefault), "1 01/QĐ-UBND", "(1 01/QĐ-UBND)", "(1 01/QĐ-UBND)")
	for name, set := range map[string]map[string]string{
		"nothing": nil, "the number": {"so_ky_hieu": "2/QĐ-UBND"}, "no column": {"x": "y"}, "no date": {"ngay_chuyen": "hôm nay"},
	} {
		if _, err := w.correct(out, set); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Incoming, and its number back after a late void with all that corrects it.
	id := res.Dispatches[0].ID
	unit := res.Dispatches[0].To
	w.mustDo(id, docstore.Act{Event: docstore.EventRegister})
	in := docstore.EntryKey{Unit: unit, Direction: docstore.DirectionIn, Number: 1}
	if e, err = w.correct(in, map[string]string{"don_vi_hoac_nguoi_nhan": "Phòng Tổng hợp"}); err != nil || e.Columns.Recipient != "Phòng Tổng hợp" {
		t.Fatalf("correction of an incoming line = %+v, %v", e, err)
	}
	w.verify()
	w.now = w.now.Add(48 * time.Hour)
	if _, err := w.do(clerk(2), id, docstore.Act{Event: docstore.EventUndo, Late: true}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a late undo without a reason: %v", err)
	}
	if _, err := w.do(clerk(2), id, docstore.Act{Event: docstore.EventUndo, Late: true, Note: "vào nhầm sổ"}); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM register_entry WHERE dispatch_id <> 0 AND state = 'voided'`); n != 2 {
		t.Errorf("%d lines are voided, want 2", n)
	}
	if _, err := w.correct(in, map[string]string{"tac_gia": "x"}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("correction of a voided line: %v", err)
	}
	if d := w.mustDo(id, docstore.Act{Event: docstore.EventRegister}); d.ArrivalNumber != 1 {
		t.Errorf("number %d, want its own", d.ArrivalNumber)
	}
	w.verify()
}

func TestVoidOutgoing(t *testing.T) {
	w := newWorld(t)
	w.manage(docstore.Scheme{})
	w.mustSend("1/QĐ-UBND", 0)
	w.mustReserve("QĐ-UBND", "")
	for _, n := range []int{1, 2} {
		if err := w.void(n); err != nil {
			t.Fatal(err)
		}
		wantKind(t, w.void(n), fault.Conflict)
	}
	wantKind(t, w.void(3), fault.NotFound)
	wantLines(t, w.outbook(2026, docstore.SeriesDefault), "-1 01/QĐ-UBND", "-2 02/QĐ-UBND")
	w.mustSend("3/QĐ-UBND", 0)
	w.verify()

	r := newWorld(t) // a number that stands there twice needs its line
	r.mustSend("5/QĐ-UBND", 0)
	r.mustSend("5/QĐ-UBND", 1)
	wantKind(t, r.void(5), fault.Conflict)
	if _, err := r.correct(docstore.EntryKey{Direction: docstore.DirectionOut, Number: 5, Line: 2}, map[string]string{"ky_nhan": "đã nhận"}); err != nil {
		t.Error(err)
	}
	r.verify()
}

func TestStartNumber(t *testing.T) {
	w := newWorld(t)
	w.mustSend("40/QĐ-UBND", 0)
	w.manage(docstore.Scheme{})
	start := func(n int) error {
		return w.update(func(ctx context.Context, tx *sqldb.Tx) error {
			return w.doc.StartNumber(ctx, tx, clerk(1), docstore.EntryKey{Unit: sender, Year: 2026, Number: n})
		})
	}
	wantKind(t, start(40), fault.Conflict)
	if err := start(57); err != nil {
		t.Fatal(err)
	}
	wantKind(t, start(60), fault.Conflict)
	if v := w.mustReserve("QĐ-UBND", ""); v.Number != 57 {
		t.Errorf("number %d, want 57", v.Number)
	}
	w.verify()
	w.numbering(docstore.Numbering{Unit: sender, Mode: docstore.ModeRecorded})
	w.mustSend("90/QĐ-UBND", 0) // gaps are nobody's business any more
	w.verify()
}

// The year is that of Vietnam: 31/12 23:59 is 16:59 UTC.
func TestYearTurnsAtMidnightInVietnam(t *testing.T) {
	w := newWorld(t)
	w.manage(docstore.Scheme{})
	w.now = time.Date(2026, 12, 31, 16, 59, 0, 0, time.UTC)
	old := w.mustReserve("QĐ-UBND", "d")
	w.mustSend("2/QĐ-UBND", 0)
	w.now = w.now.Add(time.Minute)
	fresh := w.mustReserve("QĐ-UBND", "d")
	w.mustSend("2/QĐ-UBND", 1)
	if old.Year != 2026 || old.Number != 1 || fresh.Year != 2027 || fresh.Number != 1 {
		t.Errorf("reserved %d of %d, then %d of %d", old.Number, old.Year, fresh.Number, fresh.Year)
	}
	wantLines(t, w.outbook(2026, docstore.SeriesDefault), "2 02/QĐ-UBND")
	wantLines(t, w.outbook(2027, docstore.SeriesDefault), "2 02/QĐ-UBND")

	in := document(t, "1/QĐ-UBND", 1) // the one that was reserved last year, with last year's date
	in.MailID, in.Recognition.Issued, in.Recognition.Year = "<late@x>", time.Date(2026, 12, 31, 3, 0, 0, 0, time.UTC), 2026
	w.intake(in)
	wantLines(t, w.outbook(2026, docstore.SeriesDefault), "1 01/QĐ-UBND", "2 02/QĐ-UBND")
	in = document(t, "3/QĐ-UBND", 1)
	in.MailID, in.Recognition.Year = "<toolate@x>", 2026
	_, err := w.tryIntake(in)
	wantKind(t, err, fault.Conflict)
	w.verify()
}

// 1,000 requests at once get 1,000 numbers, one after the other.
func TestParallelReservations(t *testing.T) {
	w := newWorld(t)
	w.manage(docstore.Scheme{})
	const all = 1000
	got := make([]int, all)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			v, err := w.reserve("QĐ-UBND", "")
			if err != nil {
				t.Error(err)
			}
			got[i] = v.Number
		})
	}
	wg.Wait()
	seen := map[int]bool{}
	for _, n := range got {
		if n < 1 || n > all || seen[n] {
			t.Fatalf("number %d given twice or out of range", n)
		}
		seen[n] = true
	}
	w.verify()
}

func TestReservationsOfAnotherUnitAreItsOwn(t *testing.T) {
	w := newWorld(t)
	w.manage(docstore.Scheme{})
	w.mustReserve("QĐ-UBND", "")
	var list []docstore.Reservation
	w.view(func(ctx context.Context, r sqldb.Reader) (err error) {
		list, err = docstore.Reservations(ctx, r, directory.UnitID(5), true)
		return err
	})
	if len(list) != 0 {
		t.Errorf("another unit sees %+v", list)
	}
	w.view(func(ctx context.Context, r sqldb.Reader) (err error) {
		list, err = docstore.Reservations(ctx, r, sender, false)
		return err
	})
	if len(list) != 1 || list[0].ByName != clerk(2).Name {
		t.Errorf("reservations = %+v", list)
	}
}
