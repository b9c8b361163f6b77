package imapd

import (
	"slices"
	"testing"

	"vanthu/internal/mailstore"
)

// An empty list of flags is a list (RFC 9051, section 9): adding or removing none is no question of rights. Found by comparing with imapserver.
func TestStoreOfNoFlags(t *testing.T) {
	w := plain(t)
	w.put(w.box("canbo", "INBOX").ID, small, mailstore.Flags{System: mailstore.Flagged})
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	for _, op := range []string{"+FLAGS", "-FLAGS"} {
		if got, want := c.ok("STORE 1 "+op+" ()"), []string{`* 1 FETCH (UID 1 FLAGS (\Flagged))`}; !slices.Equal(got, want) {
			t.Errorf("%s (): got %q, want %q", op, got, want)
		}
		if got := c.ok("STORE 1 " + op + ".SILENT ()"); len(got) != 0 {
			t.Errorf("%s.SILENT (): got %q", op, got)
		}
	}
	if got, want := c.ok("STORE 1 FLAGS ()"), []string{"* 1 FETCH (UID 1 FLAGS ())"}; !slices.Equal(got, want) {
		t.Errorf("FLAGS (): got %q, want %q", got, want)
	}
	c.ok("EXAMINE INBOX")
	c.refused("STORE 1 +FLAGS ()", "NO [READ-ONLY]")
}
