package imapd

import (
	"strings"
	"testing"
)

// What comes and goes while a client of QRESYNC idles is told by EXISTS and VANISHED, though the client never heard of its UID.
func TestIdleTellsWhatCameAndWent(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 1)
	c, other := w.login("canbo"), w.login("canbo")
	c.ok("ENABLE QRESYNC")
	c.ok("SELECT INBOX")
	other.ok("SELECT INBOX")
	c.do("IDLE")
	for _, step := range []struct{ do, want string }{
		{"APPEND INBOX (\\Deleted) {12+}\r\nSubject: x\r\n", "* 2 EXISTS"}, {"EXPUNGE", "* VANISHED 2"},
		{"STORE 1 +FLAGS (\\Seen)", "* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ ("}, {"APPEND INBOX {12+}\r\nSubject: x\r\n", "* 2 EXISTS"},
	} {
		other.ok(step.do)
		if got := c.line(); !strings.HasPrefix(got, step.want) {
			t.Errorf("after %q: got %q, want %q", step.do, got, step.want)
		}
	}
}
