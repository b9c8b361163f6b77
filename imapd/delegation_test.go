package imapd

import (
	"strings"
	"testing"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/mailstore"
)

// Somebody acts as clerk for some time: he sees the unit's mailboxes from its first moment to its last, in sessions that are open.
func TestDelegationInOpenSessions(t *testing.T) {
	w := plain(t)
	w.dir.OnTurn(w.store.WakeAll)
	box := w.unitBox(mailstore.RoleUnitInbox)
	name := `"` + string(encodeUTF7("Đơn vị/SYT/Thư đến")) + `"`
	_, err := w.dir.Delegate(t.Context(), testActor(), directory.Delegation{
		From: w.ids["vanthu"], To: w.ids["khac"], Unit: w.unit.ID, Role: directory.RoleClerk, Start: start.Add(time.Hour), End: start.Add(2 * time.Hour),
	})
	check(t, err)
	c, idle := w.login("khac"), w.login("khac")
	c.refused("SELECT "+name, "NO [NONEXISTENT]")
	w.later.Store(int64(time.Hour)) // nobody has told the journal
	c.ok("SELECT " + name)
	c.ok("APPEND " + name + " {14+}\r\nSubject: x\r\n\r\n")
	idle.ok("SELECT " + name)
	idle.send("i IDLE\r\n")
	if got := idle.line(); got != "+ idling" {
		t.Fatalf("IDLE: %q", got)
	}
	w.later.Store(int64(2*time.Hour) - 1)
	check(t, w.dir.Turn(t.Context()))
	c.ok(`STORE 1 +FLAGS (\Seen)`)
	if got := idle.line(); got != `* 1 FETCH (UID 1 FLAGS (\Seen))` {
		t.Errorf("pushed to the idle session: %q", got)
	}
	w.later.Store(int64(2 * time.Hour))
	if _, tagged := c.do(`STORE 1 +FLAGS (\Flagged)`); tagged != "closed" {
		t.Errorf("after the end: %q, want the connection closed", tagged)
	}
	check(t, w.dir.Turn(t.Context())) // wakes the idle one
	for s := idle.line(); s != ""; s = idle.line() {
		if strings.Contains(s, "FETCH") {
			t.Errorf("told after the end: %s", s)
		}
	}
	w.login("khac").refused("SELECT "+name, "NO [NONEXISTENT]")
	hot, err := w.store.Hot(t.Context(), box.ID)
	check(t, err)
	defer hot.Release()
	if got := hot.Version().At(1).Flags; got != mailstore.Seen {
		t.Errorf("flags = %b, want only Seen", got)
	}
}
