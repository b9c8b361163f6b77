package imapd

import (
	"strings"
	"sync/atomic"
	"testing"

	"vanthu/internal/mailstore"
)

// Rights are taken away after a command was checked and before its transaction: it changes nothing.
func TestRightsAreCheckedInTheTransaction(t *testing.T) {
	var revoke atomic.Pointer[func()]
	w := newWorld(t, Options{AllowInsecureAuthOnLoopback: true, beforeChange: func() {
		if fn := revoke.Swap(nil); fn != nil {
			(*fn)()
		}
	}}, nil)
	inbox := w.box("canbo", "INBOX")
	w.fill(inbox.ID, 3)
	share := func(r mailstore.Rights) {
		_, _, err := w.store.ChangeRights(t.Context(), testActor(), w.dir.Snapshot(), inbox.ID, mailstore.RightsChange{
			Grantee: mailstore.Grantee{Account: w.ids["khac"]}, Rights: r,
		})
		check(t, err)
	}
	name := `"` + string(encodeUTF7("Người khác/canbo@x.test/INBOX")) + `"`
	for _, tt := range []struct{ cmd, without string }{
		{`STORE 1 +FLAGS (\Flagged)`, "w"},
		{`STORE 1 FLAGS (\Seen)`, "s"},
		{`UID STORE 1 +FLAGS.SILENT (\Deleted)`, "t"},
		{"EXPUNGE", "e"},
		{"MOVE 2 INBOX", "e"},
		{"COPY 2 INBOX", "r"},
		{"COPY 2 " + name, "i"},
		{"APPEND " + name + " {14+}\r\nSubject: x\r\n\r\n", "i"},
		{"REPLACE 2 INBOX {14+}\r\nSubject: x\r\n\r\n", "t"},
	} {
		t.Run(tt.cmd, func(t *testing.T) {
			share(mailstore.AllRights)
			c := w.login("khac")
			c.t = t
			c.ok("SELECT " + name)
			before := modseqOf(t, w, inbox.ID)
			lost, _ := mailstore.ParseRights(tt.without)
			fn := func() { share(mailstore.AllRights &^ lost) }
			revoke.Store(&fn)
			if _, tagged := c.do(tt.cmd); !strings.HasPrefix(tagged, "NO [NOPERM]") {
				t.Errorf("got %q, want NO [NOPERM]", tagged)
			}
			if revoke.Load() != nil {
				t.Error("the command has changed nothing in a transaction")
			}
			if after := modseqOf(t, w, inbox.ID); after != before {
				t.Errorf("the mailbox is at mod-sequence %d, want %d", after, before)
			}
		})
	}
	t.Run("FETCH sets no flag", func(t *testing.T) {
		share(mailstore.AllRights)
		c := w.login("khac")
		c.t = t
		c.ok("SELECT " + name)
		before := modseqOf(t, w, inbox.ID)
		fn := func() { share(mailstore.RightLookup | mailstore.RightRead) }
		revoke.Store(&fn)
		c.ok("FETCH 1 BODY[]")
		if after := modseqOf(t, w, inbox.ID); after != before {
			t.Errorf("the mailbox is at mod-sequence %d, want %d", after, before)
		}
	})
}

func modseqOf(t *testing.T, w *world, id mailstore.MailboxID) mailstore.ModSeq {
	t.Helper()
	m, err := w.store.Mailbox(t.Context(), id)
	check(t, err)
	return m.ModSeq
}
