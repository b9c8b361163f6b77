package imapd

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// envelopes are fields that go-message drops or changes, with what the client must see of them.
func TestDefect_Q13_Q14_EnvelopesAreComplete(t *testing.T) {
	tests := []struct{ name, field, want string }{
		{"group", "To: undisclosed-recipients:;", `((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))`},
		{"group with members", "To: Ban chi dao: a@x.test, b@x.test;", `((NIL NIL "Ban chi dao" NIL)(NIL NIL "a" "x.test")(NIL NIL "b" "x.test")(NIL NIL NIL NIL))`},
		{"semicolon between addresses", "To: a@x.test; c@x.test", `"a" "x.test"`},
		{"message id without brackets", "Message-ID: 1@x.test", `1@x.test`},
		{"text in In-Reply-To", "In-Reply-To: your message of Monday <7@x.test>", `<7@x.test>`},
	}
	w := plain(t)
	c := w.login("canbo")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			uid := w.put(w.box("canbo", "INBOX").ID, "From: x@x.test\r\n"+tt.field+"\r\nSubject: s\r\n\r\nx\r\n", mailstore.Flags{})
			c.ok("SELECT INBOX")
			got := c.ok(fmt.Sprintf("UID FETCH %d ENVELOPE", uid))
			if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("got %q, want %s in it", got, tt.want)
			}
		})
	}
}

// R15: INTERNALDATE is never NIL, R17: BODYSTRUCTURE has all its extension data.
func TestDefect_R15_R17_FetchIsComplete(t *testing.T) {
	w := plain(t)
	w.put(w.box("canbo", "INBOX").ID, "\r\n", mailstore.Flags{})
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	got := c.ok("FETCH 1 (INTERNALDATE BODYSTRUCTURE)")
	want := `* 1 FETCH (INTERNALDATE "24-Nov-2026 15:30:00 +0700" BODYSTRUCTURE ("text" "plain" NIL NIL NIL "7bit" 0 0 NIL NIL NIL NIL))`
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// Q16: when a client goes away in IDLE, nothing of its session is left running.
func TestDefect_Q16_IdleEndsWithItsConnection(t *testing.T) {
	w := plain(t)
	before := runtime.NumGoroutine()
	for range 20 {
		c := w.login("canbo")
		c.ok("SELECT INBOX")
		c.do("IDLE")
		c.c.Close()
	}
	w.fill(w.box("canbo", "INBOX").ID, 3)
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+2 {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}

// A change between the last command and IDLE is told when IDLE begins: it will not wake anybody any more.
func TestDefect_LostWakeUpBeforeIdle(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	w.fill(w.box("canbo", "INBOX").ID, 2)
	c.do("IDLE")
	if got := c.line(); got != "* 2 EXISTS" {
		t.Errorf("got %q, want * 2 EXISTS", got)
	}
}

// R12: the same message may be in a mailbox many times.
func TestDefect_R12_SameMessageTwice(t *testing.T) {
	w := plain(t)
	w.put(w.box("canbo", "INBOX").ID, "Subject: x\r\n\r\nbody", mailstore.Flags{})
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	c.ok("COPY 1 INBOX")
	c.ok("COPY 1:2 INBOX")
	got := c.ok("FETCH 1:* (UID BODY.PEEK[TEXT] ENVELOPE)")
	if len(got) != 4 {
		t.Fatalf("%d answers, want 4", len(got))
	}
	for i, s := range got {
		if !strings.HasPrefix(s, fmt.Sprintf("* %d FETCH (UID %d BODY[TEXT] {body} ENVELOPE (", i+1, i+1)) {
			t.Errorf("answer %d: %q", i+1, s)
		}
	}
	if got := c.ok("SEARCH BODY body"); len(got) != 1 || got[0] != "* SEARCH 1 2 3 4" {
		t.Errorf("SEARCH: %q", got)
	}
}

// T075: one FETCH cannot ask for the same message without end.
func TestDefect_T075_RepeatedSections(t *testing.T) {
	w := plain(t)
	w.put(w.box("canbo", "INBOX").ID, "Subject: x\r\n\r\nbody", mailstore.Flags{})
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	if got := c.ok("FETCH 1 (" + strings.TrimSpace(strings.Repeat("BODY.PEEK[] ", 2000)) + ")"); len(got) != 1 || len(got[0]) > 100 {
		t.Errorf("same section 2,000 times: %.200q", got)
	}
	var different []string
	for i := range 2000 {
		different = append(different, fmt.Sprintf("BODY.PEEK[]<%d.99999>", i))
	}
	c.refused("FETCH 1 ("+strings.Join(different, " ")+")", "BAD")
}

// T076: keys without end are refused, and the stream stays in step.
func TestDefect_T076_SearchBombs(t *testing.T) {
	c := plain(t).login("canbo")
	c.ok("SELECT INBOX")
	for _, keys := range []string{
		strings.Repeat("NOT ", 10_000) + "ALL", strings.Repeat("(", 10_000) + "ALL" + strings.Repeat(")", 10_000), strings.Repeat("OR ", 6000) + "ALL",
		strings.TrimSpace(strings.Repeat("ALL ", 3000)), strings.Repeat("NOT ", maxSearchDepth) + "ALL",
	} {
		c.refused("SEARCH "+keys, "BAD")
		c.alive()
	}
}

// T077: what looks like a query of some database is plain text.
func TestDefect_T077_QueriesAreText(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 3)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	for _, text := range []string{`' OR 1=1 --`, `%`, `*`, `x NEAR y`, `\"`, `a\\b`, `AND`, `:memory:`, `') ; DROP TABLE message; --`, "_", "^", "sub*", "{", "NOT"} {
		for _, key := range []string{"TEXT", "BODY", "SUBJECT", "FROM"} {
			if got := c.ok(`SEARCH ` + key + ` "` + text + `"`); len(got) != 1 || got[0] == "* SEARCH 1 2 3" && text != "_" && text != "*" {
				t.Errorf("%s %q: %q", key, text, got)
			}
		}
	}
}

// A damaged message is never served, and hides no other.
func TestDamagedMessageIsPassedOver(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 40)
	check(t, w.db.Update(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE message SET body = $1 WHERE id = (SELECT message_id FROM entry WHERE uid = 2 ORDER BY mailbox_id LIMIT 1)`, []byte("x"))
		return err
	}))
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	untagged, tagged := c.do("FETCH 1:* BODY.PEEK[TEXT]")
	if len(untagged) != 39 || !strings.HasPrefix(tagged, "NO [UNAVAILABLE]") {
		t.Errorf("%d answers, %q; want 39 and NO", len(untagged), tagged)
	}
	for _, s := range untagged {
		if strings.HasPrefix(s, "* 2 ") {
			t.Errorf("the damaged message was served: %s", s)
		}
	}
	if got := c.ok("SEARCH 1:4 BODY gui"); len(got) != 1 || got[0] != "* SEARCH 1 3 4" {
		t.Errorf("SEARCH: %q", got)
	}
	c.ok("FETCH 1:* (FLAGS ENVELOPE)")
}

// Disk trouble: what cannot be marked as seen is still read (P9).
func TestReadingGoesOnWithoutWriting(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 1)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	check(t, w.db.Update(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), `CREATE TRIGGER broken BEFORE UPDATE ON entry BEGIN SELECT RAISE(FAIL, 'disk trouble'); END`)
		return err
	}))
	if got := c.ok("FETCH 1 BODY[TEXT]"); len(got) != 1 || !strings.Contains(got[0], "Kính gửi") {
		t.Errorf("got %q", got)
	}
	c.refused(`STORE 1 +FLAGS (\Seen)`, "NO [UNAVAILABLE]")
	c.alive()
}
