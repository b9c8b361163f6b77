package imapd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// go-imap's own client with all that it knows of CONDSTORE.
func TestGoClientCondStore(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 3)
	c, err := imapclient.DialInsecure(w.addr, nil)
	check(t, err)
	defer c.Close()
	check(t, c.Login("canbo@x.test", w.pass["canbo"]).Wait())
	if !c.Caps().Has(imap.CapCondStore) || !c.Caps().Has(imap.CapQResync) {
		t.Fatalf("capabilities %v", c.Caps())
	}
	sel, err := c.Select("INBOX", &imap.SelectOptions{CondStore: true}).Wait()
	check(t, err)
	if sel.HighestModSeq == 0 {
		t.Fatal("no HIGHESTMODSEQ")
	}
	add := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}
	got, err := c.Store(imap.SeqSetNum(2), add, &imap.StoreOptions{UnchangedSince: sel.HighestModSeq}).Collect()
	check(t, err)
	if len(got) != 1 || got[0].ModSeq != sel.HighestModSeq+1 {
		t.Errorf("store: %+v", got)
	}
	changed, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{Flags: true, ModSeq: true, ChangedSince: sel.HighestModSeq}).Collect()
	check(t, err)
	if len(changed) != 1 || changed[0].SeqNum != 2 || !slices.Contains(changed[0].Flags, imap.FlagFlagged) {
		t.Errorf("changed: %+v", changed)
	}
	found, err := c.Search(&imap.SearchCriteria{ModSeq: &imap.SearchCriteriaModSeq{ModSeq: sel.HighestModSeq + 1}}, nil).Wait()
	check(t, err)
	if nums := found.AllSeqNums(); !slices.Equal(nums, []uint32{2}) || found.ModSeq != sel.HighestModSeq+1 {
		t.Errorf("search: %v, mod-sequence %d", nums, found.ModSeq)
	}
	st, err := c.Status("INBOX", &imap.StatusOptions{HighestModSeq: true}).Wait()
	check(t, err)
	if st.HighestModSeq != sel.HighestModSeq+1 {
		t.Errorf("status: %d", st.HighestModSeq)
	}
	check(t, c.Logout().Wait())
}

// mbsync keeps a copy in step: messages, flags and removals in both directions.
func TestMbsync(t *testing.T) {
	mbsync, err := exec.LookPath("mbsync")
	if err != nil {
		t.Skip("no mbsync here")
	}
	w := plain(t)
	id := w.box("canbo", "INBOX").ID
	w.fill(id, 5)
	host, port, err := net.SplitHostPort(w.addr)
	check(t, err)
	dir := t.TempDir()
	conf := filepath.Join(dir, "mbsyncrc")
	check(t, os.Mkdir(filepath.Join(dir, "mail"), 0o700))
	check(t, os.WriteFile(conf, fmt.Appendf(nil, `IMAPStore far
Host %s
Port %s
User canbo@x.test
Pass "%s"
SSLType None
AuthMechs LOGIN

MaildirStore near
Path %[4]s/mail/
Inbox %[4]s/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
Expunge Both
SyncState *
`, host, port, w.pass["canbo"], dir), 0o600))
	sync := func() {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), mbsync, "-c", conf, "all").CombinedOutput()
		if err != nil {
			t.Fatalf("mbsync: %v: %s", err, out)
		}
	}
	copies := func() (names []string) {
		for _, sub := range []string{"cur", "new"} {
			list, err := os.ReadDir(filepath.Join(dir, "mail", "INBOX", sub))
			check(t, err)
			for _, e := range list {
				names = append(names, filepath.Join(dir, "mail", "INBOX", sub, e.Name()))
			}
		}
		return names
	}
	sync()
	if got := copies(); len(got) != 5 {
		t.Fatalf("%d copies, want 5", len(got))
	}
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	c.ok(`STORE 1 +FLAGS.SILENT (\Flagged)`)
	c.ok(`STORE 2 +FLAGS.SILENT (\Deleted)`)
	c.ok("EXPUNGE")
	sync()
	flagged := slices.IndexFunc(copies(), func(n string) bool { return strings.Contains(n[strings.LastIndex(n, ":")+1:], "F") })
	if got := copies(); len(got) != 4 || flagged < 0 {
		t.Fatalf("after the server's changes: %q", got)
	}
	check(t, os.Remove(copies()[flagged]))
	sync()
	if n := w.box("canbo", "INBOX").Messages; n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
}
