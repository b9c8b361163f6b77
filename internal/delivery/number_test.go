package delivery_test

import (
	"io"
	"mime"
	netmail "net/mail"
	"strings"
	"testing"

	"vanthu/docstore"
	"vanthu/internal/delivery"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// manage has the numbers of a unit given by this server.
func (w *world) manage(unit string) {
	w.t.Helper()
	store := docstore.New(docstore.Options{})
	if err := w.db.Update(w.t.Context(), func(tx *sqldb.Tx) error {
		return store.SetNumbering(w.t.Context(), tx, journal.System("test"), docstore.Numbering{Unit: w.units[unit], Mode: docstore.ModeManaged})
	}); err != nil {
		w.t.Fatal(err)
	}
}

// subjectOf decodes a message's subject.
func subjectOf(t *testing.T, message string) string {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	s, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func subject(s string) string { return mail.EncodeText(s) }

func TestAskForANumber(t *testing.T) {
	const staff = "chuyenvien@snv.p.test"
	for _, tt := range []struct {
		name, from, subject, to, want string
		kind                          fault.Kind
	}{
		{"sub-address", staff, "Nâng lương", "snv+xinso.qd@p.test", "01/QĐ-SNV", 0},
		{"sub-address without type", clerk, "Nâng lương", "snv+xinso@p.test", "01/SNV", 0},
		{"tag", staff, "[XIN SỐ QĐ] V/v nâng lương", "snv@p.test", "01/QĐ-SNV", 0},
		{"symbol to the own unit", staff, "[?/TB-SNV] V/v nâng lương", "snv@p.test", "01/TB-SNV", 0},
		{"legal norm", clerk, "[?/2026/QĐ-SNV] V/v nâng lương", "snv+xinso@p.test", "01/2026/QĐ-SNV", 0},
		{"another unit's", staff, "x", "xa1+xinso@p.test", "", fault.Denied},
		{"tag to another unit", staff, "[XIN SỐ QĐ] x", "xa1@p.test", "", fault.Denied},
		{"numbers given elsewhere", "chuyenvien@xa1.p.test", "x", "xa1+xinso@p.test", "", fault.Conflict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.manage("snv")
			for range 2 { // sent again, the same number
				_, err := w.send(tt.from, tt.from, letter(tt.from, tt.to, subject(tt.subject), "n", "x"), tt.to)
				if tt.want == "" {
					if err == nil || fault.KindOf(err) != tt.kind {
						t.Fatalf("error = %v, want kind %v", err, tt.kind)
					}
					if n := w.count(`SELECT count(*) FROM message`); n != 0 {
						t.Errorf("%d messages kept", n)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				w.limit(delivery.Rate{}, delivery.Rate{}) // forgets what came before
			}
			if n := w.count(`SELECT count(*) FROM register_reservation WHERE code = $1 AND state = 'reserved'`, tt.want); n != 1 {
				t.Errorf("%d reservations of %s, want 1", n, tt.want)
			}
			if n := w.count(`SELECT count(*) FROM document`); n != 0 {
				t.Errorf("the request made %d documents", n)
			}
			if n := w.in("snv", mailstore.RoleUnitInbox); n == 0 {
				t.Error("the request did not reach the unit")
			}
			got := w.inbox(tt.from)
			if len(got) == 0 {
				t.Fatal("no answer came")
			}
			if s := subjectOf(t, got[0]); !strings.HasPrefix(s, "[Đã cấp số "+tt.want+"]") {
				t.Errorf("the answer's subject is %q, want %s in it", s, tt.want)
			}
		})
	}
}

// [?/QĐ-SNV] to other units is the document: it gets its number and goes out
// under it in one step.
func TestNumberOnTheWay(t *testing.T) {
	w := newWorld(t)
	w.manage("snv")
	msg := letter(clerk, "cac-xa@p.test", subject("[?/QĐ-SNV] V/v nâng lương"), "q1", "x")
	if _, err := w.send(clerk, clerk, msg, "cac-xa@p.test"); err != nil {
		t.Fatal(err)
	}
	doc := w.document("1/QĐ-SNV")
	if doc.Code != "01/QĐ-SNV" || doc.Number != 1 || doc.Issuer != w.units["snv"] {
		t.Errorf("document = %+v", doc)
	}
	if n := w.in("xa1", mailstore.RoleIncoming) + w.in("xa2", mailstore.RoleIncoming); n != 2 {
		t.Errorf("%d copies wait, want 2", n)
	}
	c, err := w.mail.Content(t.Context(), mailstore.MessageID(doc.Message))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
	if err != nil {
		t.Fatal(err)
	}
	trace, ok := strings.CutSuffix(string(stored), msg)
	if !ok || !strings.Contains(trace, "X-VB-Cap-So: "+subject("01/QĐ-SNV")+"\r\n") {
		t.Errorf("the number is not stamped, or the message not kept as it was: %q", trace)
	}
	if n := w.count(`SELECT count(*) FROM register_entry WHERE number = 1 AND document_id = $1`, int64(doc.ID)); n != 1 {
		t.Errorf("%d lines in the register, want 1", n)
	}
	if got := w.inbox(clerk); len(got) != 1 {
		t.Errorf("%d answers, want 1", len(got))
	}

	// The same message to one more unit keeps its number.
	w.limit(delivery.Rate{}, delivery.Rate{}) // forgets what came before
	if _, err := w.send(clerk, clerk, msg, "cac-xa@p.test"); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM register_reservation`); n != 1 {
		t.Errorf("%d numbers were given, want 1", n)
	}

	// Staff may not send documents, so no number is given.
	const staff = "chuyenvien@snv.p.test"
	if _, err := w.send(staff, staff, letter(staff, "xa1@p.test", subject("[?/QĐ-SNV] x"), "q2", "x"), "xa1@p.test"); fault.KindOf(err) != fault.Denied {
		t.Errorf("staff sends: %v", err)
	}
	// A typed number must be the next one.
	if _, err := w.send(clerk, clerk, letter(clerk, "xa1@p.test", subject("[7/QĐ-SNV] x"), "q3", "x"), "xa1@p.test"); fault.KindOf(err) != fault.Conflict ||
		!strings.Contains(fault.Sentence(err).VI, "02/QĐ-SNV") {
		t.Errorf("a number out of order: %v", err)
	}
	if _, err := w.send(clerk, clerk, letter(clerk, "xa1@p.test", subject("[2/QĐ-SNV] x"), "q4", "x"), "xa1@p.test"); err != nil {
		t.Errorf("the next number: %v", err)
	}
	if _, err := w.send("vanthu@xa1.p.test", "vanthu@xa1.p.test", letter("vanthu@xa1.p.test", "xa2@p.test", subject("[9/QĐ-XA1] x"), "q5", "x"), "xa2@p.test"); err != nil {
		t.Errorf("a unit whose numbers are given elsewhere: %v", err)
	}
	w.verifyBooks()
}

func (w *world) verifyBooks() {
	w.t.Helper()
	if err := w.db.View(w.t.Context(), func(r sqldb.Reader) error {
		rep, err := docstore.Verify(w.t.Context(), r)
		if rep.First != nil {
			w.t.Errorf("Verify: %v", rep.First)
		}
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
}
