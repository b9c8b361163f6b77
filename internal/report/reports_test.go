package report

import (
	"bytes"
	"context"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

// office is three units that send each other documents.
type office struct {
	t     *testing.T
	db    *sqldb.DB
	dir   *directory.Directory
	docs  *docstore.Store
	now   time.Time
	units []directory.Unit // tỉnh, sở, xã
}

func local(day string, hour int) time.Time {
	at, err := time.ParseInLocation(time.DateOnly, day, vietnam)
	if err != nil {
		panic(err)
	}
	return at.Add(time.Duration(hour) * time.Hour)
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, db: sqldbtest.Open(t), now: local("2026-03-02", 8)}
	clock := func() time.Time { return o.now }
	var err error
	if o.dir, err = directory.Open(t.Context(), o.db, directory.Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	o.docs = docstore.New(docstore.Options{Now: clock})
	if err := o.dir.AddDomain(t.Context(), journal.System("test"), "dienbien.test"); err != nil {
		t.Fatal(err)
	}
	for _, u := range []directory.Unit{
		{Code: "H18", Name: "Ủy ban nhân dân tỉnh Điện Biên", ShortName: "UBND", Kind: "tỉnh", Address: mail.Address{Local: "ubnd", Domain: "dienbien.test"}},
		{Code: "H18.26", Name: "Sở Y tế", ShortName: "SYT", Kind: "sở", Address: mail.Address{Local: "soyte", Domain: "dienbien.test"}},
		{Code: "H18.40", Name: "Ủy ban nhân dân xã Mường Phăng", ShortName: "XMP", Kind: "xã", Address: mail.Address{Local: "mp", Domain: "dienbien.test"}},
	} {
		u.From = local("2025-07-01", 0)
		if u, err = o.dir.CreateUnit(t.Context(), journal.System("test"), u); err != nil {
			t.Fatal(err)
		}
		o.units = append(o.units, u)
	}
	return o
}

// send lets a unit issue a document to others at the present time and gives
// its dispatches.
func (o *office) send(from int, code, abstract string, due time.Time, to ...int) []docstore.DispatchID {
	o.t.Helper()
	c, err := edoc.ParseCode(code)
	if err != nil {
		o.t.Fatal(err)
	}
	in := docstore.In{
		Recognition: edoc.Recognition{Level: edoc.L1, Code: &c, Type: edoc.TypeForCode(c), Abstract: abstract, Issued: o.now, Year: 2026, Due: due},
		Issuer:      o.units[from].ID, IssuerName: o.units[from].Name, From: 900, MailID: docstore.MailID("<" + code + ">"), Message: 1,
		BodySHA256: [32]byte{1}, QueueID: "q", Actor: person(7), Source: docstore.SourceSMTP,
	}
	for _, i := range to {
		in.Recipients = append(in.Recipients, docstore.Recipient{Unit: o.units[i].ID, Address: o.units[i].Address})
	}
	var ids []docstore.DispatchID
	o.update(func(ctx context.Context, tx *sqldb.Tx) error {
		res, err := o.docs.Intake(ctx, tx, in)
		for _, d := range res.Dispatches {
			ids = append(ids, d.ID)
		}
		return err
	})
	return ids
}

func person(id int64) journal.Actor {
	return journal.Actor{Kind: journal.ActorAccount, ID: id, Name: "vanthu@dienbien.test"}
}

func (o *office) update(fn func(ctx context.Context, tx *sqldb.Tx) error) {
	o.t.Helper()
	if err := o.db.Update(o.t.Context(), func(tx *sqldb.Tx) error { return fn(o.t.Context(), tx) }); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) act(at time.Time, id docstore.DispatchID, act docstore.Act) {
	o.t.Helper()
	o.now, act.Source = at, docstore.SourceCLI
	o.update(func(ctx context.Context, tx *sqldb.Tx) error {
		_, _, err := o.docs.Transition(ctx, tx, person(7), id, act)
		return err
	})
}

func (o *office) make(name string, p Params) (s Sheet, err error) {
	p.Units, p.Since, p.Before = o.dir.Snapshot(), local("2026-01-01", 0), local("2027-01-01", 0)
	err = o.db.View(o.t.Context(), func(r sqldb.Reader) error {
		s, err = Make(o.t.Context(), r, name, p)
		return err
	})
	return s, err
}

// spring is a story of some weeks.
func spring(t *testing.T) *office {
	o := newOffice(t)
	a := o.send(0, "12/QĐ-UBND", "ban hành kế hoạch kiểm tra", local("2026-03-06", 17), 1, 2)
	o.act(local("2026-03-02", 10), a[0], docstore.Act{Event: docstore.EventRegister, Recipient: "Sở Y tế"})
	o.act(local("2026-03-02", 12), a[1], docstore.Act{Event: docstore.EventRegister, Recipient: "UBND xã Mường Phăng"})
	o.act(local("2026-03-05", 10), a[0], docstore.Act{Event: docstore.EventComplete, Note: "đã báo cáo"})
	o.now = local("2026-03-09", 8)
	b := o.send(0, "13/TB-UBND", "kết luận cuộc họp", local("2026-03-10", 17), 1, 2)
	o.act(local("2026-03-09", 9), b[0], docstore.Act{Event: docstore.EventRefuse, Reason: edoc.ReasonWrongAddressee})
	o.act(local("2026-03-09", 9), b[1], docstore.Act{Event: docstore.EventRegister})
	o.act(local("2026-03-16", 9), b[1], docstore.Act{Event: docstore.EventComplete, Note: "xong"})
	o.now = local("2026-04-01", 8)
	o.send(1, "7/SYT-NVY", "V/v tiêm chủng mở rộng", time.Time{}, 2)
	o.act(local("2026-05-04", 9), a[1], docstore.Act{Event: docstore.EventComplete, Note: "quá hạn nhưng xong"})
	return o
}

func TestReports(t *testing.T) {
	o := spring(t)
	for _, i := range Reports() {
		for _, asOf := range []string{"2026-03-12", "2026-12-31"} {
			t.Run(i.Name+" "+asOf, func(t *testing.T) {
				p := Params{AsOf: local(asOf, 24).Add(-time.Microsecond)}
				if i.Unit {
					p.Unit, p.Parent = o.units[2], o.units[0].Name
				}
				s, err := o.make(i.Name, p)
				if err != nil {
					t.Fatal(err)
				}
				var text bytes.Buffer
				if err := s.WriteText(&text, TextOptions{}); err != nil {
					t.Fatal(err)
				}
				golden(t, "report-"+i.Name+"-"+asOf+".txt", text.Bytes())
			})
		}
	}
}

// What happens later does not change the report of a past day.
func TestReportOfPastDay(t *testing.T) {
	o := spring(t)
	p := Params{AsOf: local("2026-06-30", 24).Add(-time.Microsecond), Unit: o.units[2], Parent: "UBND tỉnh"}
	all := func() map[string][]byte {
		out := map[string][]byte{}
		for _, i := range Reports() {
			for _, by := range []Group{ByUnit, ByType, ByMonth} {
				if p.By = by; by != ByUnit && !i.Group {
					continue
				}
				s, err := o.make(i.Name, p)
				if err != nil {
					t.Fatal(err)
				}
				out[i.Name+string(by)] = written(t, s, FormatJSON)
			}
		}
		return out
	}
	before := all()
	o.now = local("2026-07-15", 8)
	c := o.send(0, "99/QĐ-UBND", "sau ngày tính", time.Time{}, 2)
	o.act(local("2026-07-15", 9), c[0], docstore.Act{Event: docstore.EventRegister})
	o.update(func(ctx context.Context, tx *sqldb.Tx) error { // the silent one of April
		d, err := docstore.Follow(ctx, tx, docstore.FollowFilter{Issuer: o.units[1].ID})
		if err != nil {
			return err
		}
		_, _, err = o.docs.Transition(ctx, tx, person(7), d[0].Dispatch.ID, docstore.Act{Event: docstore.EventRefuse, Reason: edoc.ReasonDuplicate, Source: docstore.SourceCLI})
		return err
	})
	for name, want := range all() {
		if !bytes.Equal(before[name], want) {
			t.Errorf("%s of a past day has changed", name)
		}
	}
}

// A register that was forged is found by comparing it with what its senders were told.
func TestCrossCheckFindsDifference(t *testing.T) {
	o := spring(t)
	o.update(func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE register_entry SET state = 'voided' WHERE number = 1`)
		return err
	})
	s, err := o.make(CrossCheck, Params{AsOf: o.now})
	if err != nil {
		t.Fatal(err)
	}
	sum := s.Rows[len(s.Rows)-1]
	if got := sum.Cells[8]; got != "2" {
		t.Errorf("%s differences, want 2", got)
	}
	if got := s.Rows[1].Cells[9]; got != "12/QĐ-UBND" {
		t.Errorf("the difference is in %q", got)
	}
}

func TestReportsThatCannotBe(t *testing.T) {
	o := newOffice(t)
	for name, p := range map[string]Params{"nothing": {}, FollowUp: {}, Silent: {By: ByMonth}, HandlingIn: {By: "person"}} {
		if _, err := o.make(name, p); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		in   []time.Duration
		want string
	}{{nil, ""}, {[]time.Duration{time.Hour}, "60"}, {[]time.Duration{3 * time.Hour, time.Hour}, "120"}, {[]time.Duration{9 * time.Hour, time.Minute, 2 * time.Minute}, "2"}} {
		if got := median(tt.in); got != tt.want {
			t.Errorf("median(%v) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
