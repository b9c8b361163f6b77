package imapd

import (
	"slices"
	"strings"
	"testing"

	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// other names a mailbox of another account as clients do.
func other(login, name string) string {
	return string(appendMailbox(nil, othersPrefix+login+"@x.test/"+name, false))
}

// naming puts a mailbox name in the place of % in a command.
func naming(cmd, name string) string {
	words := strings.Split(cmd, " ")
	for i, w := range words {
		if strings.Contains(w, "%") {
			words[i] = `"` + strings.ReplaceAll(w, "%", strings.Trim(name, `"`)) + `"`
		}
	}
	return strings.Join(words, " ")
}

// T080 and P7: another account's mailbox and one that is not there are the same to every command, before and after something else of that
// account is shared.
func TestForeignMailboxIsHidden(t *testing.T) {
	w := plain(t)
	owner, c := w.login("canbo"), w.login("khac")
	owner.ok("CREATE Secret")
	owner.ok("CREATE Shared/Inner")
	owner.ok("APPEND Secret {12+}\r\nSubject: x\r\n")
	w.fill(w.box("khac", "INBOX").ID, 1)
	commands := []string{
		"SELECT %", "EXAMINE %", "STATUS % (MESSAGES)", "STATUS % (DELETED-STORAGE)", "DELETE %", "CREATE %", "CREATE %/x", "RENAME % x", "RENAME Trash %",
		"COPY 1 %", "MOVE 1 %", "APPEND % {1000}", "GETACL %", "SETACL % khac@x.test lr", "DELETEACL % khac@x.test", "LISTRIGHTS % khac@x.test",
		"MYRIGHTS %", "GETQUOTAROOT %", "SUBSCRIBE %", "UNSUBSCRIBE %",
	}
	compare := func(secret, absent string) {
		t.Helper()
		for _, cmd := range commands {
			var got [2]string
			for i, name := range []string{secret, absent} {
				c.ok("SELECT INBOX")
				untagged, tagged := c.do(naming(cmd, name))
				got[i] = strings.ReplaceAll(strings.Join(append(untagged, tagged), "\n"), absent, secret)
			}
			if got[0] != got[1] || !strings.Contains(cmd, "SUBSCRIBE") && !strings.Contains(got[0], "NO [") {
				t.Errorf("%s: %q for a mailbox of another account, %q for none", cmd, got[0], got[1])
			}
		}
		for _, pattern := range []string{"*", string(encodeUTF7(othersPrefix)) + "%", "*ecret*", string(encodeUTF7(othersPrefix)) + "canbo@x.test/%"} {
			if got := strings.Join(c.ok(`LIST "" "`+pattern+`" RETURN (MYRIGHTS STATUS (MESSAGES))`), ""); strings.Contains(got, "ecret") {
				t.Errorf("LIST %s shows %q", pattern, got)
			}
		}
	}
	compare(other("canbo", "Secret"), other("nobody", "Secret"))
	compare(other("canbo", "INBOX"), other("canbo", "nowhere"))
	owner.ok("SETACL Shared/Inner khac@x.test lrik")
	compare(other("canbo", "Secret"), other("canbo", "nowhere"))
	c.ok("SELECT " + other("canbo", "Shared/Inner"))
	// The level above what is shared is shown as a mere level, like one that does not exist.
	want := `* LIST (\Noselect \HasChildren) "/" ` + other("canbo", "Shared")
	if got := c.ok(`LIST "" ` + other("canbo", "%")); len(got) != 1 || got[0] != want {
		t.Errorf("LIST: %q, want %q", got, want)
	}
	c.refused("SELECT "+other("canbo", "Shared"), "NO [NONEXISTENT]")
}

// Spellings of another account's mailbox never reach it (T080).
func TestSpellingsOfForeignMailboxes(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 3)
	c := w.login("khac")
	root := string(encodeUTF7(othersRoot))
	for _, name := range []string{
		root, root + "/", root + "//", root + "/canbo@x.test", root + "/canbo@x.test/", root + "/canbo@x.test//INBOX", root + "/canbo/INBOX",
		root + "/CANBO@X.TEST/INBOX", root + "/canbo@x.test/inbox", root + "/../canbo@x.test/INBOX", root + "/./canbo@x.test/INBOX",
		root + "/khac@x.test/../canbo@x.test/INBOX", root + "/*/INBOX", root + "/%/INBOX", root + "/canbo@x.test/INBOX/../INBOX",
		root + "/khac@x.test/INBOX", "~canbo@x.test/INBOX", "#user/canbo@x.test/INBOX", "user.canbo@x.test", "Other Users/canbo@x.test/INBOX",
		"canbo@x.test/INBOX", "INBOX/../../canbo@x.test/INBOX", root + `\\canbo@x.test\\INBOX`, root + "/canbo+x@x.test/INBOX", root + "/1/INBOX",
		root + "/" + strings.Repeat("a", 5000) + "/INBOX", root + strings.Repeat("/x", 800),
	} {
		for _, cmd := range []string{`SELECT "%"`, `STATUS "%" (MESSAGES UIDNEXT)`, `MYRIGHTS "%"`, `GETACL "%"`, `GETQUOTAROOT "%"`, `DELETE "%"`} {
			untagged, tagged := c.do(strings.ReplaceAll(cmd, "%", name))
			if !strings.HasPrefix(tagged, "NO") && !strings.HasPrefix(tagged, "BAD") || len(untagged) > 0 {
				t.Errorf("%s with %.80q: %q %q", cmd, name, untagged, tagged)
			}
			if tagged == "closed" {
				c = w.login("khac")
			}
		}
	}
}

// Every right is looked at: with all others given, the commands that need it are refused, and with it alone allowed.
func TestRightsAreEnforced(t *testing.T) {
	const all = "lrswikxtea"
	tests := []struct {
		right, cmd string
		with       string // what must be there besides
	}{
		{"r", "STATUS % (MESSAGES)", "l"},
		{"r", "SELECT %", "l"},
		{"s", `STORE 1 +FLAGS (\Seen)`, "lr"},
		{"w", `STORE 1 +FLAGS (\Flagged)`, "lr"},
		{"w", `STORE 1 +FLAGS ($new)`, "lr"},
		{"t", `STORE 1 +FLAGS (\Deleted)`, "lr"},
		{"e", "EXPUNGE", "lr"},
		{"e", "UID EXPUNGE 1", "lr"},
		{"i", "APPEND % {12+}\r\nSubject: x\r\n", "l"},
		{"k", "CREATE %/below", "l"},
		{"x", "RENAME % %2", "lk"},
		{"a", "GETACL %", "l"},
		{"a", "LISTRIGHTS % anyone", "l"},
		{"a", "SETACL % vanthu@x.test l", "l"},
		{"x", "DELETE %", "l"},
	}
	w := plain(t)
	owner := w.login("canbo")
	for _, tt := range tests {
		for _, has := range []bool{false, true} {
			owner.ok("CREATE top/box")
			owner.ok("APPEND top/box {12+}\r\nSubject: x\r\n")
			rights := strings.ReplaceAll(all, tt.right, "")
			if has {
				rights = tt.with + tt.right
			}
			owner.ok("SETACL top khac@x.test lk")
			owner.ok("SETACL top/box khac@x.test " + rights)
			c := w.login("khac")
			if has && strings.Contains(tt.with, "r") || !has && tt.right != "r" {
				c.ok("SELECT " + other("canbo", "top/box"))
			}
			cmd := naming(tt.cmd, other("canbo", "top/box"))
			_, tagged := c.do(cmd)
			if allowed := strings.HasPrefix(tagged, "OK"); allowed != has || !has && !strings.HasPrefix(tagged, "NO [NOPERM]") {
				t.Errorf("%.60q with rights %s: %q", cmd, rights, tagged)
			}
			c.c.Close()
			for _, name := range []string{"top/box/below", "top/box2", "top/box", "top"} {
				owner.do("DELETE " + name)
			}
		}
	}
}

// Without rights FETCH does not set \Seen, APPEND and COPY leave flags out, and CLOSE does not expunge (RFC 4314, section 4).
func TestFlagsWithoutRights(t *testing.T) {
	w := plain(t)
	owner, c := w.login("canbo"), w.login("khac")
	owner.ok("CREATE box")
	owner.ok("SETACL box khac@x.test lrit")
	c.ok("APPEND " + other("canbo", "box") + " (\\Seen \\Flagged \\Deleted $k) {12+}\r\nSubject: x\r\n")
	c.ok("APPEND INBOX (\\Seen \\Draft \\Deleted $k) {12+}\r\nSubject: x\r\n")
	c.ok("SELECT INBOX")
	c.ok("COPY 1 " + other("canbo", "box"))
	c.ok("SELECT " + other("canbo", "box"))
	c.ok("FETCH 1 BODY[]")
	want := []string{`* 1 FETCH (FLAGS (\Deleted))`, `* 2 FETCH (FLAGS (\Deleted))`}
	if got := c.ok("FETCH 1:* FLAGS"); !slices.Equal(got, want) {
		t.Errorf("flags: %q, want %q", got, want)
	}
	c.ok("CLOSE")
	if m := w.box("canbo", "box"); m.Messages != 2 || m.Unseen != 2 {
		t.Errorf("after CLOSE: %d messages, %d unseen, want 2 and 2", m.Messages, m.Unseen)
	}
	// A MOVE between owners keeps what may be kept, and the counters of the source.
	c.ok("SELECT INBOX")
	c.ok("MOVE 1 " + other("canbo", "box"))
	if m := w.box("khac", "INBOX"); m.Messages != 0 || m.Unseen != 0 || m.Deleted != 0 {
		t.Errorf("source: %+v, want it empty", m)
	}
	if m := w.box("canbo", "box"); m.Messages != 3 || m.Unseen != 3 || m.Deleted != 3 {
		t.Errorf("target: %d messages, %d unseen, %d deleted, want 3 of each", m.Messages, m.Unseen, m.Deleted)
	}
	if v, err := w.store.Hot(t.Context(), w.box("canbo", "box").ID); err != nil || len(v.Version().Keywords) != 0 {
		t.Errorf("keywords of the target: %v, %v, want none", v.Version().Keywords, err)
	} else {
		v.Release()
	}
}

// Rights taken away end what an open session may do at its next command, and what an idle one is told.
func TestRightsAreWithdrawn(t *testing.T) {
	w := plain(t)
	owner := w.login("canbo")
	owner.ok("CREATE box")
	owner.ok("SETACL box khac@x.test lrswite")
	reader, idler := w.login("khac"), w.login("khac")
	for _, c := range []*client{reader, idler} {
		c.ok("SELECT " + other("canbo", "box"))
	}
	idler.send("i IDLE\r\n")
	if got := idler.line(); got != "+ idling" {
		t.Fatalf("IDLE: %q", got)
	}
	owner.ok("SETACL box khac@x.test lr")
	want := []string{
		"* OK [READ-ONLY] Your rights have changed", `* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)`, "* OK [PERMANENTFLAGS ()] Flags",
	}
	if got := reader.ok("NOOP"); !slices.Equal(got, want) {
		t.Errorf("NOOP: %q, want %q", got, want)
	}
	owner.ok("DELETEACL box khac@x.test")
	owner.ok("APPEND box {12+}\r\nSubject: x\r\n")
	for got := idler.line(); got != ""; got = idler.line() {
		if strings.Contains(got, "EXISTS") {
			t.Errorf("an idle session was told %q after its rights were gone", got)
		}
	}
	if got, _ := reader.do("FETCH 1 BODY[]"); len(got) != 1 || !strings.HasPrefix(got[0], "* BYE") {
		t.Errorf("got %q, want BYE", got)
	}
	back := w.login("khac")
	back.refused("SELECT "+other("canbo", "box"), "NO [NONEXISTENT]")
	if n := w.entries("mailbox.rights"); n != 3 {
		t.Errorf("journal has %d entries about rights, want 3", n)
	}
}

// Every change of rights is in the journal, one of them nothing happened to is not, and all of it survives a restart.
func TestRightsAreJournaledAndKept(t *testing.T) {
	w := plain(t)
	owner := w.login("canbo")
	owner.ok("CREATE box")
	steps := []struct {
		cmd  string
		more int
	}{
		{"SETACL box khac@x.test lr", 1},
		{"SETACL box khac@x.test +r", 0},
		{"SETACL box khac@x.test -r", 1},
		{"SETACL box anyone l", 1},
		{"CREATE box/below", 2}, // inherited
		{"DELETEACL box anyone", 1},
		{"DELETEACL box anyone", 0},
		{"SETACL box nobody@x.test l", 0},
		{"DELETE box/below", 2},
	}
	n := 0
	for _, st := range steps {
		owner.do(st.cmd)
		n += st.more
		if got := w.entries("mailbox.rights"); got != n {
			t.Errorf("after %s: %d entries, want %d", st.cmd, got, n)
		}
	}
	again, err := mailstore.Open(t.Context(), w.db, nil, mailstore.Options{})
	check(t, err)
	m := w.box("canbo", "box")
	if got, want := again.ACL().Grants(&m), w.store.ACL().Grants(&m); !slices.Equal(got, want) || len(got) != 1 {
		t.Errorf("after a restart: %v, want %v", got, want)
	}
	var rows int
	check(t, w.db.View(t.Context(), func(r sqldb.Reader) error {
		return r.QueryRow(t.Context(), `SELECT count(*) FROM mailbox_right`).Scan(&rows)
	}))
	if rows != 1 {
		t.Errorf("%d rows of rights, want 1", rows)
	}
}

// Rights on a workflow folder never make anybody a clerk: what moves there is the workflow's to decide, by roles (edoc.md, section 4.4).
func TestRightsDoNotReplaceRoles(t *testing.T) {
	w := withFlow(t)
	w.fill(w.unitBox(mailstore.RoleIncoming).ID, 2)
	admin, c := w.login("quantri"), w.login("canbo")
	for _, f := range []string{"Văn bản đến/1 Chờ tiếp nhận", "Văn bản đến/2 Đã vào sổ"} {
		admin.ok("SETACL " + folder(f) + " canbo@x.test lrswikxtea")
	}
	c.ok("SELECT " + folder("Văn bản đến/1 Chờ tiếp nhận"))
	c.refused("MOVE 1 "+folder("Văn bản đến/2 Đã vào sổ"), "NO [NOPERM]")
	c.refused("MOVE 1 INBOX", "NO [")
	c.ok(`STORE 1 +FLAGS (\Deleted)`)
	c.refused("EXPUNGE", "NO [CANNOT]")
	c.refused("DELETE "+folder("Văn bản đến/1 Chờ tiếp nhận"), "NO [NOPERM]")
	c.refused("APPEND "+folder("Văn bản đến/1 Chờ tiếp nhận")+" {1000}", "NO [NOPERM]")
	admin.refused("SELECT "+folder("Văn bản đến/1 Chờ tiếp nhận"), "NO [NONEXISTENT]")
}
