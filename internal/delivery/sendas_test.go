package delivery_test

import (
	"strings"
	"testing"

	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// T037: who may send for a unit may, and nobody else; the journal names both the
// address that was used and the account that used it. The message stays as it
// came (docs/adr/0008-who-wrote-it.md): no Sender field is added.
func TestSendingForAUnitIsJournaled(t *testing.T) {
	w := newWorld(t)
	msg := letter("snv@p.test", "vanthu@xa1.p.test", "x", "sa1", "x")
	acc, err := w.send(clerk, "snv@p.test", msg, "vanthu@xa1.p.test")
	if err != nil {
		t.Fatal(err)
	}
	var body string
	if err := w.db.View(t.Context(), func(r sqldb.Reader) error {
		return r.QueryRow(t.Context(), `SELECT body FROM journal WHERE type = 'mail.accepted' AND ref = $1`, string(acc.QueueID)).Scan(&body)
	}); err != nil {
		t.Fatal(err)
	}
	wantAll(t, body, `"`+clerk+`"`, `snv@p.test`)
	if got := w.inbox("vanthu@xa1.p.test"); len(got) != 1 || !strings.HasSuffix(got[0], msg) || strings.Contains(got[0], "\nSender:") {
		t.Errorf("delivered %q", got)
	}
	if _, err := w.send("chuyenvien@snv.p.test", "snv@p.test", msg, "vanthu@xa1.p.test"); fault.KindOf(err) != fault.Denied {
		t.Errorf("somebody without the right: %v, want a refusal", err)
	}
}
