package imapd

import (
	"context"
	"slices"
	"strings"
	"testing"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// fakeFlow is the least of a workflow: documents go from waiting to registered to processing, by clerks only, in this order.
type fakeFlow struct{ w *world }

func (f *fakeFlow) MoveMessages(ctx context.Context, actor directory.AccountID, from mailstore.MailboxID, uids []mailstore.UID, to mailstore.MailboxID) (map[mailstore.UID]mailstore.UID, bool, error) {
	source, err := f.w.store.Mailbox(ctx, from)
	if err != nil {
		return nil, false, err
	}
	target, err := f.w.store.Mailbox(ctx, to)
	if err != nil {
		return nil, false, err
	}
	if !f.w.dir.Snapshot().HasRole(actor, f.w.unit.ID, directory.RoleClerk) {
		return nil, true, fault.New(fault.Denied, fault.Text{EN: "only the clerk does that", VI: "chỉ văn thư được thực hiện"})
	}
	allowed := source.Role == mailstore.RoleIncoming && target.Role == mailstore.RoleRegistered ||
		source.Role == mailstore.RoleRegistered && target.Role == mailstore.RoleProcessing
	if !allowed {
		return nil, true, fault.New(fault.Conflict, fault.Text{EN: "not from here to there", VI: "không chuyển được trạng thái này"})
	}
	moved := map[mailstore.UID]mailstore.UID{}
	// In the order opposite to the UIDs, as if they had arrived that way.
	for _, uid := range slices.Backward(uids) {
		err := f.w.db.Update(ctx, func(tx *sqldb.Tx) error {
			to, err := f.w.store.MoveEntry(ctx, tx, from, uid, to)
			moved[uid] = to
			return err
		})
		if err != nil {
			return moved, true, err
		}
	}
	return moved, true, nil
}

func (f *fakeFlow) CopyMessages(ctx context.Context, actor directory.AccountID, from mailstore.MailboxID, uids []mailstore.UID, to mailstore.MailboxID) (map[mailstore.UID]mailstore.UID, bool, error) {
	return f.MoveMessages(ctx, actor, from, uids, to)
}

func (f *fakeFlow) MayAppend(context.Context, mailstore.MailboxID) error {
	return fault.New(fault.Denied, fault.Text{EN: "only the server puts messages here", VI: "chỉ hệ thống mới được đưa thư vào đây"})
}

// Names of the unit's folders as clients send them.
func folder(s string) string {
	return string(appendMailbox(nil, sharedPrefix+"SYT/"+s, false))
}

func withFlow(t *testing.T) *world {
	return newWorld(t, Options{AllowInsecureAuthOnLoopback: true}, func(w *world) Workflow { return &fakeFlow{w: w} })
}

func TestWorkflowMove(t *testing.T) {
	w := withFlow(t)
	w.fill(w.unitBox(mailstore.RoleIncoming).ID, 3)
	clerk, other, leader := w.login("vanthu"), w.login("vanthu"), w.login("lanhdao")
	for _, c := range []*client{clerk, other, leader} {
		c.ok("SELECT " + folder("Văn bản đến/1 Chờ tiếp nhận"))
	}
	// Each document is moved, the targets in another order than the sources: COPYUID pairs them.
	got := clerk.ok("MOVE 1:2 " + folder("Văn bản đến/2 Đã vào sổ"))
	if len(got) != 3 || !strings.HasSuffix(volatile.ReplaceAllString(got[0], "$1 v"), "[COPYUID v 1:2 2,1] Moved") {
		t.Errorf("MOVE: %q", got)
	}
	for _, c := range []*client{other, leader} {
		if got, want := c.ok("NOOP"), []string{"* 2 EXPUNGE", "* 1 EXPUNGE"}; !slices.Equal(got, want) {
			t.Errorf("others: %q, want %q", got, want)
		}
	}
	clerk.refused("MOVE 1 "+folder("Văn bản đến/4 Đang xử lý"), "NO [CANNOT] khong chuyen duoc trang thai nay")
	leader.refused("MOVE 1 "+folder("Văn bản đến/2 Đã vào sổ"), "NO [NOPERM] chi van thu duoc thuc hien")
	leader.ok("ENABLE UTF8=ACCEPT")
	leader.refused("MOVE 1 \""+sharedPrefix+"SYT/Văn bản đến/2 Đã vào sổ\"", "NO [NOPERM] chỉ văn thư được thực hiện")
	// A COPY is a move as well: the source goes.
	got = clerk.ok("COPY 1 " + folder("Văn bản đến/2 Đã vào sổ"))
	if want := []string{"* 1 EXPUNGE"}; !slices.Equal(got, want) {
		t.Errorf("COPY: %q, want %q", got, want)
	}
	// Out of the workflow a copy is a plain one, a move is the workflow's to refuse.
	clerk.ok("SELECT " + folder("Văn bản đến/2 Đã vào sổ"))
	clerk.ok("COPY 1 INBOX")
	clerk.refused("MOVE 1 INBOX", "NO [CANNOT]")
	clerk.ok(`STORE 1 +FLAGS (\Deleted)`)
	clerk.refused("EXPUNGE", "NO [CANNOT]")
	clerk.ok("CLOSE")
	if n := w.unitBox(mailstore.RoleRegistered).Messages; n != 3 {
		t.Errorf("documents after CLOSE = %d, want 3", n)
	}
	clerk.ok("EXAMINE " + folder("Văn bản đến/2 Đã vào sổ"))
	clerk.refused("MOVE 1 "+folder("Văn bản đến/4 Đang xử lý"), "NO [READ-ONLY]")
	clerk.refused("COPY 1 "+folder("Văn bản đến/4 Đang xử lý"), "NO [READ-ONLY]")
}

func TestWorkflowAppendIsRefused(t *testing.T) {
	w := withFlow(t)
	c := w.login("vanthu")
	c.refused("APPEND "+folder("Văn bản đến/1 Chờ tiếp nhận")+" {5+}\r\nx: y\n", "NO [NOPERM]")
	c.alive()
	c.refused("APPEND "+folder("Theo dõi")+" {100}", "NO [NOPERM]")
	c.ok("APPEND " + folder("Thư đến") + " {5+}\r\nx: y\n")
	l := w.login("lanhdao")
	l.refused("APPEND "+folder("Thư đến")+" {100}", "NO [NOPERM]")
}

func TestReadersOfAUnit(t *testing.T) {
	w := withFlow(t)
	w.fill(w.unitBox(mailstore.RoleUnitInbox).ID, 1)
	l := w.login("lanhdao")
	if _, tagged := l.do("SELECT " + folder("Thư đến")); !strings.HasPrefix(tagged, "OK [READ-ONLY]") {
		t.Errorf("SELECT: %q", tagged)
	}
	for _, cmd := range []string{`STORE 1 +FLAGS (\Seen)`, "EXPUNGE", "MOVE 1 INBOX"} {
		l.refused(cmd, "NO [READ-ONLY]")
	}
	l.ok("COPY 1 INBOX")
	l.refused("COPY 1 "+folder("Thư đến"), "NO [NOPERM]")
	c := w.login("vanthu")
	if _, tagged := c.do("SELECT " + folder("Thư đến")); !strings.HasPrefix(tagged, "OK [READ-WRITE]") {
		t.Errorf("SELECT by the clerk: %q", tagged)
	}
	c.ok(`STORE 1 +FLAGS (\Flagged)`)
	if got := l.ok("NOOP"); len(got) != 1 || !strings.Contains(got[0], `\Flagged`) {
		t.Errorf("the leader is not told: %q", got)
	}
	c.refused("CREATE "+folder("Khác"), "NO [NOPERM]")
	c.refused("DELETE "+folder("Thư đến"), "NO [NOPERM]")
	c.refused("RENAME "+folder("Thư đến")+" x", "NO [NOPERM]")
	c.refused("RENAME Trash "+folder("x"), "NO [NOPERM]")
}

// P7: to those without a role, a unit's mailbox and one that is not there are the same.
func TestOthersSeeNothing(t *testing.T) {
	w := withFlow(t)
	w.fill(w.box("canbo", "INBOX").ID, 1)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	if got := strings.Join(c.ok(`LIST "" *`), ""); strings.Contains(got, "SYT") || strings.Contains(got, "&AR") {
		t.Errorf("LIST shows %q", got)
	}
	inside, absent := folder("Thư đến"), strings.Replace(folder("Thư đến"), "SYT", "XYZ", 1)
	for _, cmd := range []string{
		"SELECT %", "EXAMINE %", "STATUS % (MESSAGES)", "DELETE %", "CREATE %", "RENAME % x", "RENAME Trash %", "COPY 1 %", "MOVE 1 %",
		"APPEND % {1000}",
	} {
		c.ok("SELECT INBOX")
		_, a := c.do(strings.Replace(cmd, "%", inside, 1))
		c.ok("SELECT INBOX")
		_, b := c.do(strings.Replace(cmd, "%", absent, 1))
		if a != b || !strings.HasPrefix(a, "NO") {
			t.Errorf("%s: %q for a unit's mailbox, %q for none", cmd, a, b)
		}
	}
	other := w.login("khac")
	for _, name := range []string{`"canbo@x.test/INBOX"`, `"~canbo"`, `"../canbo/INBOX"`, `"#user/canbo"`, `"user/canbo"`, `"Other Users/canbo"`} {
		other.refused("SELECT "+name, "NO")
	}
}

// Losing a role ends the session that uses it.
func TestRoleIsWithdrawn(t *testing.T) {
	w := withFlow(t)
	l := w.login("lanhdao")
	l.ok("SELECT " + folder("Thư đến"))
	check(t, w.dir.SetRoles(t.Context(), testActor(), w.ids["lanhdao"], nil))
	if untagged, _ := l.do("FETCH 1:* FLAGS"); len(untagged) != 1 || !strings.HasPrefix(untagged[0], "* BYE") {
		t.Errorf("got %q, want BYE", untagged)
	}
	c := w.login("canbo")
	check(t, w.dir.SetState(t.Context(), testActor(), w.ids["canbo"], directory.Locked))
	if untagged, _ := c.do("NOOP"); len(untagged) != 1 || !strings.HasPrefix(untagged[0], "* BYE") {
		t.Errorf("got %q, want BYE", untagged)
	}
}
