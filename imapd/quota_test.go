package imapd

import (
	"fmt"
	"strings"
	"testing"

	"vanthu/internal/sqldb"
)

// appendBig sends an APPEND of about n octets, as synchronising literal.
func (c *client) appendBig(box string, n int) (tagged string) {
	c.t.Helper()
	text := "Subject: big\r\n\r\n" + strings.Repeat("x", n)
	c.seq++
	tag := fmt.Sprintf("t%d", c.seq)
	c.send(fmt.Sprintf("%s APPEND %s {%d}\r\n", tag, box, len(text)))
	if _, tagged = c.answer(tag); tagged != "+" {
		return tagged
	}
	c.send(text + "\r\n")
	_, tagged = c.answer(tag)
	return tagged
}

// A full mailbox says OVERQUOTA to APPEND, COPY and MOVE from elsewhere; MOVE within the account and EXPUNGE still work.
func TestOverQuota(t *testing.T) {
	w := plain(t)
	admin, c := w.login("quantri"), w.login("canbo")
	if got, want := admin.ok("SETQUOTA canbo@x.test (STORAGE 1024)"), "* QUOTA canbo@x.test (STORAGE 0 1024)"; len(got) != 1 || got[0] != want {
		t.Fatalf("SETQUOTA: %q, want %q", got, want)
	}
	if got := c.appendBig("INBOX", 700<<10); !strings.HasPrefix(got, "OK [APPENDUID") {
		t.Fatalf("first APPEND: %q", got)
	}
	if got := c.appendBig("INBOX", 700<<10); !strings.HasPrefix(got, "NO [OVERQUOTA]") {
		t.Errorf("second APPEND: %q, want OVERQUOTA", got)
	}
	c.ok("SELECT INBOX")
	c.refused("COPY 1 Trash", "NO [OVERQUOTA]")
	c.ok("MOVE 1 Trash")
	if got, want := c.ok("GETQUOTAROOT Trash"), "* QUOTAROOT Trash canbo@x.test|* QUOTA canbo@x.test (STORAGE 701 1024)"; strings.Join(got, "|") != want {
		t.Errorf("GETQUOTAROOT: %q, want %q", got, want)
	}
	c.ok("SELECT Trash")
	c.ok(`STORE 1 +FLAGS.SILENT (\Deleted)`)
	if got, want := c.ok("STATUS Trash (DELETED-STORAGE)"), "* STATUS Trash (DELETED-STORAGE 701)"; got[0] != want {
		t.Errorf("STATUS: %q, want %q", got, want)
	}
	c.ok("EXPUNGE")
	if got, want := c.ok("GETQUOTA canbo@x.test"), "* QUOTA canbo@x.test (STORAGE 0 1024)"; got[0] != want {
		t.Errorf("after EXPUNGE: %q, want %q", got, want)
	}
	if n := w.entries("account.updated"); n != 1 {
		t.Errorf("journal has %d entries about the quota, want 1", n)
	}
}

// entries counts the journal's entries of a type.
func (w *world) entries(typ string) (n int) {
	w.t.Helper()
	check(w.t, w.db.View(w.t.Context(), func(r sqldb.Reader) error {
		return r.QueryRow(w.t.Context(), `SELECT count(*) FROM journal WHERE type = $1`, typ).Scan(&n)
	}))
	return n
}

// P7: somebody else's quota root and one that is not there are the same.
func TestForeignQuotaIsHidden(t *testing.T) {
	w := plain(t)
	c := w.login("khac")
	for _, cmd := range []string{"GETQUOTA %", "SETQUOTA % (STORAGE 100)", "SETQUOTA % ()"} {
		_, a := c.do(strings.Replace(cmd, "%", "canbo@x.test", 1))
		_, b := c.do(strings.Replace(cmd, "%", "nobody@x.test", 1))
		if a != b || !strings.HasPrefix(a, "NO [NONEXISTENT]") {
			t.Errorf("%s: %q for an account, %q for none", cmd, a, b)
		}
	}
	c.refused("SETQUOTA khac@x.test (STORAGE 100)", "NO [NOPERM]")
	if a, ok := w.dir.Snapshot().Account(w.ids["khac"]); !ok || a.QuotaMiB != 0 {
		t.Errorf("quota = %d MiB, want none", a.QuotaMiB)
	}
}
