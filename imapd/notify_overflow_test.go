package imapd

import (
	"strings"
	"testing"

	"vanthu/internal/mailstore"
)

// When there is more to watch than the limit, NOTIFY is refused and nothing is watched (RFC 5465, section 5.8).
func TestNotifyOverflowAtOnce(t *testing.T) {
	w := newWorld(t, Options{AllowInsecureAuthOnLoopback: true, maxWatched: 8}, nil)
	c := w.login("canbo")
	c.ok("CREATE a")
	c.ok("NOTIFY SET (personal (MessageNew MessageExpunge))") // seven of every account, and one more
	c.ok("CREATE b")
	c.c.Close()
	c = w.login("canbo")
	c.refused("NOTIFY SET STATUS (personal (MessageNew MessageExpunge))", "NO [NOTIFICATIONOVERFLOW]")
	w.put(w.box("canbo", "INBOX").ID, small, mailstore.Flags{})
	c.alive()
	c.ok("NOTIFY SET (mailboxes INBOX (MessageNew MessageExpunge))")
	w.put(w.box("canbo", "INBOX").ID, small, mailstore.Flags{})
	if got := c.line(); !strings.HasPrefix(got, "* STATUS INBOX (MESSAGES 2 ") {
		t.Errorf("got %q", got)
	}
}

// When it becomes too much later, the client is told that its notifications have ended, once, and hears nothing more until it asks again.
func TestNotifyOverflowLater(t *testing.T) {
	w := newWorld(t, Options{AllowInsecureAuthOnLoopback: true, maxWatched: 8}, nil)
	c, other := w.login("canbo"), w.login("canbo")
	c.ok("NOTIFY SET (personal (MessageNew MessageExpunge MailboxName))")
	other.ok("CREATE a")
	if got := c.line(); got != `* LIST (\HasNoChildren) "/" a` {
		t.Errorf("got %q", got)
	}
	other.ok("CREATE b")
	if got := c.line(); !strings.HasPrefix(got, "* OK [NOTIFICATIONOVERFLOW]") {
		t.Errorf("got %q, want to be told that notifications end", got)
	}
	other.ok("CREATE d")
	w.put(w.box("canbo", "INBOX").ID, small, mailstore.Flags{})
	c.alive()
	other.ok("DELETE b")
	other.ok("DELETE d")
	c.ok("NOTIFY SET (personal (MessageNew MessageExpunge MailboxName))")
	other.ok("DELETE a")
	if got := c.line(); got != `* LIST (\NonExistent) "/" a` {
		t.Errorf("got %q", got)
	}
}
