package imapd

import (
	"fmt"
	"strings"
	"testing"

	"vanthu/internal/mailstore"
)

func TestMetadataLimits(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	long := strings.Repeat("x", mailstore.MaxAnnotation)
	set := func(entry, value string) string {
		t.Helper()
		_, tagged := c.do(fmt.Sprintf("SETMETADATA INBOX (%s {%d+}\r\n%s)", entry, len(value), value))
		return tagged
	}
	if got := set("/private/comment", long); !strings.HasPrefix(got, "OK") {
		t.Errorf("longest value: %q", got)
	}
	if got := c.ok("GETMETADATA INBOX /private/comment"); len(got) != 1 || !strings.Contains(got[0], "{"+long+"}") {
		t.Errorf("longest value comes back as %.60q", got)
	}
	c.refused(fmt.Sprintf(`SETMETADATA INBOX (/private/comment "%s")`, long+"x"), "NO [METADATA MAXSIZE 4096]")
	for i := range mailstore.MaxAnnotations - 1 {
		if got := set(fmt.Sprintf("/private/vendor/x/n%d", i), "v"); !strings.HasPrefix(got, "OK") {
			t.Fatalf("annotation %d: %q", i, got)
		}
	}
	c.refused(`SETMETADATA INBOX (/private/comment NIL /private/vendor/x/a "v" /private/vendor/x/b "v")`, "NO [METADATA TOOMANY]")
	if got := c.ok("GETMETADATA (MAXSIZE 10) INBOX /private/comment"); len(got) != 0 {
		t.Errorf("all or none: the comment should still be too long to show, got %.60q", got)
	}
	c.ok(`SETMETADATA INBOX (/shared/comment "others are counted apart")`)
	c.refused("GETMETADATA INBOX (/shared/"+strings.Repeat("a", 300)+")", "BAD")
	var many strings.Builder
	for i := range 60 {
		fmt.Fprintf(&many, " /shared/e%d", i)
	}
	c.refused("GETMETADATA INBOX ("+many.String()[1:]+")", "BAD")
	c.alive()
}

// P7: notes on somebody else's mailbox answer like those on none, and private ones never show in another account.
func TestForeignMetadataIsHidden(t *testing.T) {
	w := plain(t)
	owner, c := w.login("canbo"), w.login("khac")
	owner.ok(`SETMETADATA INBOX (/shared/comment "s" /private/comment "p")`)
	for _, cmd := range []string{
		"GETMETADATA % /shared/comment", "GETMETADATA (DEPTH infinity) % (/shared /private)", `SETMETADATA % (/private/comment "x")`,
		`SETMETADATA % (/shared/comment NIL)`,
	} {
		_, a := c.do(naming(cmd, other("canbo", "INBOX")))
		_, b := c.do(naming(cmd, other("nobody", "INBOX")))
		if a != b || !strings.HasPrefix(a, "NO [NONEXISTENT]") {
			t.Errorf("%s: %q for a mailbox, %q for none", cmd, a, b)
		}
	}
	owner.ok("SETACL INBOX khac@x.test lrw")
	got := strings.Join(c.ok("GETMETADATA (DEPTH infinity) "+other("canbo", "INBOX")+" (/shared /private)"), "")
	if !strings.Contains(got, "/shared/comment") || strings.Contains(got, "/private") {
		t.Errorf("got %q, want the shared note alone", got)
	}
}
