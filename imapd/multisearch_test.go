package imapd

import (
	"slices"
	"strings"
	"testing"

	"vanthu/internal/mailstore"
)

// ESEARCH looks into the folders of units, and only for those who may.
func TestMultiSearchRights(t *testing.T) {
	w := plain(t)
	m := w.unitBox(mailstore.RoleIncoming)
	w.put(m.ID, "Subject: x\r\n\r\n", mailstore.Flags{})
	above := "Đơn vị/SYT/" + m.Name
	above = above[:strings.LastIndexByte(above, '/')]
	for who, want := range map[string]int{"vanthu": 1, "lanhdao": 1, "khac": 0} {
		c := w.login(who)
		c.ok("ENABLE UTF8=ACCEPT")
		for _, from := range []string{`(mailboxes "Đơn vị/SYT/` + m.Name + `")`, `(subtree "Đơn vị")`, `(subtree-one "` + above + `")`} {
			got := c.ok("ESEARCH IN " + from + " RETURN (COUNT) ALL")
			if len(got) != want || want > 0 && !strings.HasSuffix(got[0], " UID COUNT 1") {
				t.Errorf("%s in %s: %q, want %d lines", who, from, got, want)
			}
		}
		if got := c.ok("ESEARCH IN (personal) RETURN (COUNT) ALL"); len(got) > 0 {
			t.Errorf("%s: a unit's folder is personal: %q", who, got)
		}
	}
}

// The selected mailbox is searched as the client knows it; the others as they are.
func TestMultiSearchOfSelected(t *testing.T) {
	w := plain(t)
	inbox := w.box("canbo", "INBOX").ID
	w.put(inbox, "Subject: a\r\n\r\n", mailstore.Flags{})
	a, b := w.login("canbo"), w.login("canbo")
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	a.ok(`STORE 1 +FLAGS.SILENT (\Deleted)`)
	a.ok("EXPUNGE")
	w.put(inbox, "Subject: a\r\n\r\n", mailstore.Flags{})
	count := func(lines []string) int {
		return len(slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return !strings.HasPrefix(s, "* ESEARCH") || !strings.HasSuffix(s, " ALL 1") }))
	}
	if got := b.ok("ESEARCH IN (selected) ALL"); count(got) != 1 {
		t.Errorf("first: %q, want UID 1 alone", got)
	}
	if got := b.ok("ESEARCH IN (selected) ALL"); count(got) != 0 || len(got) != 1 || !strings.HasSuffix(got[0], " ALL 2") {
		t.Errorf("after the poll: %q, want UID 2 alone", got)
	}
}
