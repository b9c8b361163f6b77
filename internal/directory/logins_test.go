package directory

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// loginEvents gives the journal's entries about log-ins, "type ref data", oldest first.
func (w *world) loginEvents(t *testing.T) (out []string) {
	t.Helper()
	err := w.db.View(t.Context(), func(r sqldb.Reader) error {
		rows, err := r.Query(t.Context(), `SELECT type, ref, body FROM journal WHERE type LIKE 'login.%' ORDER BY seq`)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var typ, ref string
			var body []byte
			if err := rows.Scan(&typ, &ref, &body); err != nil {
				return err
			}
			var e struct{ Data json.RawMessage }
			if err := json.Unmarshal(body, &e); err != nil {
				return err
			}
			out = append(out, strings.TrimSpace(typ+" "+ref)+" "+string(e.Data))
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) flush(t *testing.T) {
	t.Helper()
	if err := w.recordLogins(t.Context(), false); err != nil {
		t.Fatal(err)
	}
}

func TestLoginsAreRecorded(t *testing.T) {
	w := open(t, Options{})
	_, made := w.account(t, "vt@x.test", "")
	login := func(p Password, from string) {
		t.Helper()
		_, err := w.Authenticate(t.Context(), Attempt{Login: "vt@x.test", Password: p, Remote: ip(from), Protocol: IMAP})
		if (err == nil) != (p == made) {
			t.Fatal(err)
		}
	}
	const granted = `login.granted vt@x.test {"remote":"10.0.0.1","protocol":"imap","by":"password","count":%d}`
	login(made, "10.0.0.1")
	login(made, "10.0.0.1")
	w.flush(t)
	want := []string{fmt.Sprintf(granted, 2)}
	// Within the hour only counted; another address is news.
	for range 100 {
		w.clock.advance(30 * time.Second)
		login(made, "10.0.0.1")
		w.flush(t)
	}
	login(made, "10.0.0.2")
	w.flush(t)
	want = append(want, strings.Replace(fmt.Sprintf(granted, 1), "0.0.1", "0.0.2", 1))
	w.clock.advance(15 * time.Minute)
	w.flush(t)
	want = append(want, fmt.Sprintf(granted, 100))
	if got := w.loginEvents(t); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	w.clock.advance(2 * time.Hour)
	w.flush(t)
	if n := len(w.login.record.granted); n != 0 {
		t.Errorf("%d log-ins are kept for nothing", n)
	}
}

// Who guesses from everywhere gets 51 entries a minute, not more.
func TestRefusalsDoNotFloodTheJournal(t *testing.T) {
	w := open(t, Options{})
	for i := range 3000 {
		w.login.record.refuse(pair{"vt@x.test", netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})}, w.clock.now())
	}
	w.flush(t)
	w.flush(t)
	got := w.loginEvents(t)
	if len(got) != maxRefusedKeys+1 {
		t.Fatalf("%d entries", len(got))
	}
	if others := got[len(got)-1]; !strings.HasPrefix(others, `login.refused {"remote":"","count":2950,`) || !strings.HasSuffix(others, `"others":true}`) {
		t.Errorf("the rest: %s", others)
	}
	if err := w.RecordLogins(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := w.loginEvents(t); len(again) != len(got) {
		t.Error("told twice")
	}
}

func TestRunRecords(t *testing.T) {
	w := open(t, Options{})
	_, made := w.account(t, "vt@x.test", "")
	if _, err := w.Authenticate(t.Context(), Attempt{Login: "vt@x.test", Password: made, Remote: ip("10.0.0.1"), Protocol: SMTP}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Authenticate(t.Context(), Attempt{Login: "vt@x.test", Password: "wrong", Remote: ip("10.0.0.1"), Protocol: SMTP})
	wantKind(t, err, fault.Denied)
	if err := w.RecordLogins(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := w.loginEvents(t)
	if len(got) != 2 || !strings.Contains(got[0]+got[1], `"protocol":"smtp"`) || !strings.Contains(got[0]+got[1], `login.refused vt@x.test {"remote":"10.0.0.1","count":1,`) {
		t.Errorf("got %s", got)
	}
}

// The brake by the clock of a bubble: a colleague behind the office's address who has been there before is let in at once while somebody
// guesses from it, and the guesser waits.
func TestBrakeSparesTheOffice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrake()
		office := ip("203.0.113.7")
		regular, newcomer := pair{"vt@x.test", office}, pair{"moi@x.test", office}
		b.succeeded(regular, time.Now())
		guesses := 0
		for range 600 { // ten minutes, one guess a second on changing names
			guess := pair{fmt.Sprint("ten", guesses, "@x.test"), office}
			if b.admits(guess, time.Now()) {
				b.failed(guess, time.Now())
				guesses++
			}
			if !b.admits(regular, time.Now()) {
				t.Fatal("the regular is locked out")
			}
			time.Sleep(time.Second)
		}
		if guesses > 40 {
			t.Errorf("%d guesses were looked at in ten minutes", guesses)
		}
		if !b.admits(newcomer, time.Now().Add(delayMost)) {
			t.Error("a colleague who is new at this address never gets a turn")
		}
		// Guesses without a valid login, from everywhere, stop nobody else.
		for i := range 200 {
			b.failed(pair{"", netIP(i)}, time.Now())
		}
		if !b.admits(pair{"", ip("198.51.100.1")}, time.Now()) {
			t.Error("nobody can try any more")
		}
	})
}

func netIP(i int) netip.Addr { return netip.AddrFrom4([4]byte{172, 16, byte(i), 1}) }
