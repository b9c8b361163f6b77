package testkit_test

import (
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/report"
	"vanthu/internal/testkit"
)

// jump moves the clock to a local time of the next such weekday, which is in the
// future: the server's certificate is of the present.
func (c *clock) jump(day time.Weekday, hour int) (at time.Time) {
	zone := time.FixedZone("", 7*3600)
	now := time.Now().In(zone)
	at = time.Date(now.Year(), now.Month(), now.Day()+1, hour, 0, 0, 0, zone)
	for at.Weekday() != day {
		at = at.AddDate(0, 0, 1)
	}
	c.move(time.Until(at))
	return at
}

// A unit that has ended: its mail goes to who took over, its senders are told
// once a day, its book can still be printed.
func TestOracle15_ClosedUnit(t *testing.T) {
	t.Parallel()
	var at clock
	s := testkit.Start(t, testkit.Options{Now: at.now, TrackingInterval: time.Hour})
	year := at.jump(time.Tuesday, 9).Year()
	send(t, s, document("[30/QĐ-UBND] V/v trước khi giải thể", "o15a", xa01), xa01)
	actBy(t, s, clerk1, control.DocumentAct{DocumentNamed: control.DocumentNamed{Code: "30/QĐ-UBND"}, Act: docstore.EventRegister})
	call := func(name string, req, resp any) {
		t.Helper()
		if err := s.Rooms.Control().Call(t.Context(), name, req, resp, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	call(control.CallUnitClose, control.UnitClose{Unit: "XA01", At: at.now(), Successors: []string{"XA02"}}, nil)

	send(t, s, document("[31/QĐ-UBND] V/v sau khi giải thể", "o15b", xa01), xa01)
	at.move(time.Hour)
	send(t, s, document("[32/QĐ-UBND] V/v cùng ngày", "o15c", xa01), xa01)
	for _, code := range []string{"31/QĐ-UBND", "32/QĐ-UBND"} {
		v := show(t, s, code)
		if len(v.Dispatches) != 1 || v.Dispatches[0].Unit != testkit.Address("xa02") || v.Dispatches[0].Status != "01" {
			t.Errorf("%s went to %+v, want to the successor", code, v.Dispatches)
		}
	}
	told := func(n int) {
		t.Helper()
		found := 0
		for _, m := range awaitMail(t, s, issuer, "unit closed", n) {
			if strings.Contains(m, "Auto-Submitted: auto-") {
				found++
			}
		}
		if found != n {
			t.Errorf("%d answers, want %d", found, n)
		}
	}
	told(1)
	at.move(24 * time.Hour)
	send(t, s, document("[33/QĐ-UBND] V/v ngày hôm sau", "o15d", xa01), xa01)
	told(2)

	var book report.Register
	call(control.CallRegisterShow, control.RegisterShow{Unit: "H18.101", Year: year}, &book)
	if len(book.Rows) != 1 {
		t.Errorf("the old book has %d rows, want 1", len(book.Rows))
	}
}

// What comes on Friday at 20:00: the server takes it at once, an urgent document
// alarms its clerk at once, an ordinary one is to be registered by the end of Monday.
func TestOracle16_FridayNight(t *testing.T) {
	t.Parallel()
	var at clock
	s := testkit.Start(t, testkit.Options{Now: at.now, TrackingInterval: time.Hour})
	friday := at.jump(time.Friday, 20)
	send(t, s, document("[40/CĐ-UBND][Khẩn] V/v phòng chống bão", "o16a", xa01), xa01)
	send(t, s, document("[41/QĐ-UBND] V/v việc thường", "o16b", xa01), xa01)

	urgent, ordinary := show(t, s, "40/CĐ-UBND"), show(t, s, "41/QĐ-UBND")
	for _, v := range []docstore.View{urgent, ordinary} {
		if d := v.Dispatches[0]; d.Status != "01" || len(d.Events) != 1 || d.Events[0].At.Sub(v.Accepted) != 0 {
			t.Errorf("%s: status %s, events %+v; want 01 at once", v.Code, d.Status, d.Events)
		}
	}
	awaitMail(t, s, clerk1, "40/", 1)
	awaitMail(t, s, clerk1, "41/", 0)
	monday := friday.Add(2*24*time.Hour + 21*time.Hour) // 17:00
	if got := ordinary.Dispatches[0].RegisterBy; !got.Equal(monday) {
		t.Errorf("to be registered by %v, want %v", got, monday)
	}
	silent := func() int {
		t.Helper()
		var sheet report.Sheet
		if err := s.Rooms.Control().Call(t.Context(), control.CallReport, control.ReportMake{Name: report.Silent}, &sheet, nil); err != nil {
			t.Fatal(err)
		}
		return len(sheet.Rows)
	}
	at.move(2*24*time.Hour + 20*time.Hour) // Monday 16:00
	if n := silent(); n != 0 {
		t.Errorf("%d lines of silent units on Monday at 16:00, want none", n)
	}
	at.move(2 * time.Hour)
	if n := silent(); n != 2 {
		t.Errorf("%d lines of silent units on Monday at 18:00, want both documents", n)
	}
}
