package imapd

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"vanthu/internal/mailstore"
)

// The same message has one EMAILID in all mailboxes; a mailbox keeps its MAILBOXID through RENAME and never inherits one.
func TestObjectIDs(t *testing.T) {
	w := plain(t)
	inbox := w.box("canbo", "INBOX").ID
	w.put(inbox, "Subject: a\r\n\r\n", mailstore.Flags{})
	w.put(inbox, "Subject: b\r\n\r\n", mailstore.Flags{})
	c := w.login("canbo")
	boxID := func(name string) string {
		t.Helper()
		got := regexp.MustCompile(`MAILBOXID \((F\d+)\)`).FindStringSubmatch(strings.Join(c.ok("STATUS "+name+" (MAILBOXID)"), ""))
		if got == nil {
			t.Fatalf("no MAILBOXID of %s", name)
		}
		return got[1]
	}
	emailIDs := func(box string) []string {
		t.Helper()
		opened := c.ok("SELECT " + box)
		if want := "* OK [MAILBOXID (" + boxID(box) + ")] Mailbox id"; !slices.Contains(opened, want) {
			t.Errorf("SELECT %s = %q, lacks %q", box, opened, want)
		}
		var ids []string
		for _, line := range c.ok("UID FETCH 1:* EMAILID") {
			ids = append(ids, regexp.MustCompile(`EMAILID \((\w+)\)`).FindStringSubmatch(line)[1])
		}
		return ids
	}
	_, created := c.do("CREATE a")
	first := boxID("a")
	if want := "OK [MAILBOXID (" + first + ")] CREATE completed"; created != want {
		t.Errorf("CREATE = %q, want %q", created, want)
	}
	c.ok("RENAME a b")
	if got := boxID("b"); got != first {
		t.Errorf("after RENAME %s, want %s", got, first)
	}
	ids := emailIDs("INBOX")
	if len(ids) != 2 || ids[0] == ids[1] {
		t.Fatalf("EMAILIDs %v", ids)
	}
	c.ok("COPY 1:2 b")
	c.ok("MOVE 1 b")
	if got := emailIDs("b"); !slices.Equal(got, []string{ids[0], ids[1], ids[0]}) {
		t.Errorf("EMAILIDs of the copies %v, want those of %v", got, ids)
	}
	if got := c.ok("SEARCH EMAILID " + ids[0]); !slices.Equal(got, []string{"* SEARCH 1 3"}) {
		t.Errorf("SEARCH EMAILID = %q", got)
	}
	c.ok("DELETE b")
	c.ok("CREATE b")
	if got := boxID("b"); got == first {
		t.Errorf("a new mailbox has the old one's id %s", got)
	}
}
