package imapd

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"vanthu/internal/mailstore"
)

// modelMessage is what a client believes of a message.
type modelMessage struct {
	uid   uint64 // 0 while not known
	flags string // sorted names; "?" while not known
	mod   uint64 // mod-sequence, 0 while not known
}

// model is a client that believes every response, in order.
type model struct {
	*client
	who  string // login
	box  string // name of the mailbox, as it is sent
	rnd  *rand.Rand
	list []modelMessage
	held bool // EXPUNGE is not allowed now
	sync *resyncer
}

var (
	numberLine = regexp.MustCompile(`(?s)^\* (\d+) (EXISTS|EXPUNGE|FETCH)(?: \((.*)\))?$`)
	uidItem    = regexp.MustCompile(`UID (\d+)`)
	flagsItem  = regexp.MustCompile(`FLAGS \(([^)]*)\)`)
)

func sortFlags(s string) string {
	f := strings.Fields(s)
	slices.Sort(f)
	return strings.Join(f, " ")
}

// hear takes one untagged response.
func (m *model) hear(s string) {
	if m.sync != nil {
		m.hearSync(s)
	}
	g := numberLine.FindStringSubmatch(s)
	if g == nil {
		if strings.HasPrefix(s, "* SEARCH") {
			for _, f := range strings.Fields(s)[2:] {
				if n, _ := strconv.Atoi(f); n < 1 || n > len(m.list) {
					m.t.Errorf("SEARCH names %d of %d", n, len(m.list))
				}
			}
		}
		return
	}
	n, _ := strconv.Atoi(g[1])
	switch g[2] {
	case "EXISTS":
		if n < len(m.list) {
			m.t.Errorf("EXISTS %d below %d", n, len(m.list))
		}
		for len(m.list) < n {
			m.list = append(m.list, modelMessage{flags: "?"})
		}
	case "EXPUNGE":
		if m.held || m.sync != nil {
			m.t.Errorf("EXPUNGE during FETCH, STORE or SEARCH, or to a client that wants VANISHED")
		}
		if n < 1 || n > len(m.list) {
			m.t.Errorf("EXPUNGE %d of %d", n, len(m.list))
			return
		}
		m.list = slices.Delete(m.list, n-1, n)
	case "FETCH":
		if n < 1 || n > len(m.list) {
			m.t.Errorf("FETCH %d of %d", n, len(m.list))
			return
		}
		msg := &m.list[n-1]
		if u := uidItem.FindStringSubmatch(g[3]); u != nil {
			uid, _ := strconv.ParseUint(u[1], 10, 32)
			if msg.uid != 0 && msg.uid != uid {
				m.t.Errorf("message %d has UID %d, was %d", n, uid, msg.uid)
			}
			msg.uid = uid
		}
		if f := flagsItem.FindStringSubmatch(g[3]); f != nil {
			msg.flags = sortFlags(f[1])
		}
		if q := modseqItem.FindStringSubmatch(g[3]); q != nil {
			msg.mod, _ = strconv.ParseUint(q[1], 10, 63)
		}
	}
}

// command sends a command and believes its responses.
func (m *model) command(held bool, cmd string) {
	m.t.Helper()
	m.held = held
	if m.sync != nil {
		m.sync.asked = strings.Contains(cmd, "FETCH ")
	}
	untagged, tagged := m.do(cmd)
	for _, s := range untagged {
		m.hear(s)
	}
	m.held = false
	if !strings.HasPrefix(tagged, "OK") {
		m.t.Errorf("%s: %s", cmd, tagged)
	}
	if m.sync != nil {
		m.settle(tagged)
	}
}

// some picks a range of sequence numbers.
func (m *model) some() (from, to int) {
	from = 1 + m.rnd.IntN(len(m.list))
	return from, min(len(m.list), from+m.rnd.IntN(4))
}

// store sends a STORE; with SILENT the client applies the change to what it believes.
func (m *model) store() {
	from, to := m.some()
	flag := []string{`\Seen`, `\Flagged`, `\Deleted`, `\Answered`, "$x", "$y"}[m.rnd.IntN(6)]
	op := []string{"+", "-", ""}[m.rnd.IntN(3)]
	silent := m.rnd.IntN(2) == 0
	unchanged := ""
	if m.sync != nil && m.rnd.IntN(2) == 0 {
		unchanged = fmt.Sprintf("(UNCHANGEDSINCE %d) ", m.sync.modseq)
	}
	cmd := fmt.Sprintf("STORE %d:%d %s%sFLAGS (%s)", from, to, unchanged, op, flag)
	if silent {
		cmd = fmt.Sprintf("STORE %d:%d %s%sFLAGS.SILENT (%s)", from, to, unchanged, op, flag)
		for i := from - 1; i < to; i++ {
			msg := &m.list[i]
			have := strings.Fields(msg.flags)
			switch {
			case op == "":
				msg.flags = flag
			case msg.flags == "?":
			case op == "+" && !slices.Contains(have, flag):
				msg.flags = sortFlags(msg.flags + " " + flag)
			case op == "-":
				msg.flags = strings.Join(slices.DeleteFunc(have, func(s string) bool { return s == flag }), " ")
			}
		}
	}
	m.command(true, cmd)
}

func (m *model) step() {
	if m.sync != nil && m.rnd.IntN(6) == 0 {
		m.syncStep()
		return
	}
	if len(m.list) < 3 {
		m.command(false, "APPEND "+m.box+" {12+}\r\nSubject: x\r\n")
		return
	}
	switch m.rnd.IntN(14) {
	case 0, 1:
		m.command(false, "APPEND "+m.box+" ("+[]string{`\Flagged`, `\Seen`}[m.rnd.IntN(2)]+") {12+}\r\nSubject: x\r\n")
	case 2, 3, 4:
		m.store()
	case 5:
		m.command(false, "EXPUNGE")
	case 6:
		from, to := m.some()
		m.command(true, fmt.Sprintf("FETCH %d:%d (UID FLAGS)", from, to))
	case 7:
		from, to := m.some()
		m.command(true, fmt.Sprintf("FETCH %d:%d (UID BODY[])", from, to))
	case 8:
		m.command(false, "UID FETCH 1:* (FLAGS)")
	case 9:
		m.command(true, "SEARCH UNSEEN SUBJECT x")
	case 10:
		from, to := m.some()
		m.command(false, fmt.Sprintf("COPY %d:%d %s", from, to, m.box))
	case 11:
		from, to := m.some()
		m.command(false, fmt.Sprintf("MOVE %d:%d Trash", from, to))
	case 12:
		m.idle()
	default:
		m.command(false, "NOOP")
	}
}

// idle sends DONE together with the next command, as iOS does.
func (m *model) idle() {
	m.send("i1 IDLE\r\n")
	for s := m.line(); s != "+ idling"; s = m.line() {
		m.hear(s)
	}
	m.send("DONE\r\ni2 NOOP\r\n")
	for _, tag := range []string{"i1", "i2"} {
		untagged, tagged := m.answer(tag)
		for _, s := range untagged {
			m.hear(s)
		}
		if !strings.HasPrefix(tagged, "OK") {
			m.t.Errorf("%s: %s", tag, tagged)
		}
		if m.sync != nil {
			m.note(tagged)
		}
	}
	if m.sync != nil {
		m.complete()
	}
}

// Several sessions change one mailbox at random; each client believes all that it is told. In the end every client's numbers, UIDs and
// flags must be the store's (imap-engine.md, section 5.4; R9, R10, R20).
func TestStressModelClients(t *testing.T) {
	w := plain(t)
	stress(t, w, w.box("canbo", "INBOX"), []string{"canbo"}, "INBOX")
}

// The same for accounts with a \Seen of their own in the mailbox of a unit.
func TestStressModelClientsOwnSeen(t *testing.T) {
	w := plain(t)
	box := w.unitBox(mailstore.RoleUnitInbox)
	for _, who := range []string{"vanthu", "lanhdao", "canbo"} {
		_, _, err := w.store.ChangeRights(t.Context(), testActor(), w.dir.Snapshot(), box.ID, mailstore.RightsChange{
			Grantee: mailstore.Grantee{Account: w.ids[who]}, Rights: mailstore.AllRights,
		})
		check(t, err)
	}
	_, err := w.store.SetSeenMode(t.Context(), testActor(), box.Owner, "", mailstore.SeenPerUser)
	check(t, err)
	stress(t, w, box, []string{"vanthu", "lanhdao", "canbo"}, `"`+string(encodeUTF7("Đơn vị/SYT/Thư đến"))+`"`)
}

func stress(t *testing.T, w *world, box mailstore.Mailbox, logins []string, name string) {
	t.Helper()
	rounds, sessions, steps := 3, 6, 120
	if testing.Short() {
		rounds, steps = 1, 40
	}
	if s := os.Getenv("VANTHU_TEST_STRESS"); s != "" { // commands in all, by "make stress"
		commands, err := strconv.Atoi(s)
		check(t, err)
		sessions, steps = 10, 200
		rounds = max(1, commands/(sessions*steps))
	}
	for round := range rounds {
		w.fill(box.ID, 10)
		models := make([]*model, sessions)
		var wg sync.WaitGroup
		for i := range models {
			who := logins[(i/2)%len(logins)]
			m := &model{client: w.login(who), who: who, box: name, rnd: rand.New(rand.NewPCG(uint64(round), uint64(i)))}
			if i%2 == 1 {
				m.sync = &resyncer{w: w, validity: box.UIDValidity}
			}
			models[i] = m
			wg.Go(func() {
				if m.sync != nil {
					m.command(false, "ENABLE QRESYNC")
				}
				m.command(false, "SELECT "+m.box)
				for range steps {
					m.step()
				}
			})
		}
		wg.Wait()
		for i, m := range models {
			if m.command(false, "NOOP"); i == 1 {
				m.reconnect()
			}
		}
		hot, err := w.store.Hot(t.Context(), box.ID)
		check(t, err)
		for i, m := range models {
			v := hot.Version().As(w.ids[m.who])
			if len(m.list) != v.Len() {
				t.Errorf("round %d, client %d believes in %d messages, there are %d", round, i, len(m.list), v.Len())
				continue
			}
			for seq, row := range v.Rows(1, v.Len()) {
				got := m.list[seq-1]
				flags := sortFlags(strings.Trim(string(appendFlags(nil, row.Flags, v.Keywords)), "()"))
				if got.uid != 0 && got.uid != uint64(row.UID) || got.flags != "?" && got.flags != flags || m.sync != nil && got.mod != uint64(row.ModSeq) {
					t.Errorf("round %d, client %d, message %d: believes %+v, is %d %s, mod-sequence %d", round, i, seq, got, row.UID, flags, row.ModSeq)
				}
			}
			m.c.Close()
		}
		if round%10 == 9 {
			t.Logf("%d commands, %d messages in the last round", (round+1)*sessions*steps, hot.Version().Len())
		}
		hot.Release()
		tidy := w.login(models[0].who) // rounds are alike: the next one begins with an empty mailbox
		tidy.ok("SELECT " + models[0].box)
		tidy.ok(`UID STORE 1:* +FLAGS.SILENT (\Deleted)`)
		tidy.ok("CLOSE")
		tidy.c.Close()
	}
}

// Mistake 1 of imap-engine.md 5.4: a foreign change below our own SILENT one must be told.
func TestSilentStoreTellsForeignChange(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 2)
	a, b := w.login("canbo"), w.login("canbo")
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	b.ok(`STORE 1 +FLAGS.SILENT (\Flagged)`)
	got := a.ok(`STORE 1:2 +FLAGS.SILENT (\Seen)`)
	if want := []string{`* 1 FETCH (UID 1 FLAGS (\Flagged \Seen))`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Mistake 2: a STORE without effect must not hide the next writer's change.
func TestStoreWithoutEffectHidesNothing(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 1)
	a, b := w.login("canbo"), w.login("canbo")
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	a.ok(`STORE 1 -FLAGS.SILENT (\Seen)`)
	b.ok(`STORE 1 +FLAGS.SILENT (\Answered)`)
	if got, want := a.ok("NOOP"), []string{`* 1 FETCH (UID 1 FLAGS (\Answered))`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Mistake 3: what is no atom never becomes a keyword.
func TestBadKeywordIsRefused(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 1)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	for _, f := range []string{`\Recent`, `\Foo`, `\*`, "x]", strings.Repeat("k", mailstore.MaxKeywordLen+1), `"x"`, "(x", "é"} {
		c.refused("STORE 1 +FLAGS ("+f+")", "BAD")
	}
	c.ok("STORE 1 +FLAGS ($fine)")
	c.ok("SELECT INBOX")
	for i := range mailstore.MaxKeywords - 1 {
		c.ok("STORE 1 +FLAGS.SILENT (k" + strconv.Itoa(i) + ")")
	}
	c.refused("STORE 1 +FLAGS (onemore)", "NO [LIMIT]")
	c.ok("SELECT INBOX")
}

// Expunges are held back from FETCH, STORE and SEARCH, and numbers stay what the client believes.
func TestExpungeIsHeldBack(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 3)
	a, b := w.login("canbo"), w.login("canbo")
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	b.ok(`STORE 1 +FLAGS.SILENT (\Deleted)`)
	b.ok("EXPUNGE")
	for cmd, want := range map[string][]string{
		"FETCH 2 UID":                    {"* 2 FETCH (UID 2)"},
		"STORE 3 +FLAGS (\\Seen)":        {"* 3 FETCH (UID 3 FLAGS (\\Seen))"},
		"SEARCH UID 2":                   {"* SEARCH 2"},
		"FETCH 1 (UID BODY.PEEK[TEXT])":  nil, // checked below: the message may be served or not, but never another one
		"STORE 1 +FLAGS.SILENT (\\Seen)": {},
		"SEARCH RETURN (COUNT) ALL":      nil,
	} {
		got := a.ok(cmd)
		if want != nil && !slices.Equal(got, want) && !(len(got) == 0 && len(want) == 0) {
			t.Errorf("%s: got %q, want %q", cmd, got, want)
		}
		for _, s := range got {
			if strings.HasSuffix(s, "EXPUNGE") {
				t.Errorf("%s: got %s", cmd, s)
			}
		}
	}
	if got := a.ok("NOOP"); !slices.Contains(got, "* 1 EXPUNGE") {
		t.Errorf("NOOP: got %q, want the expunge", got)
	}
	if got := a.ok("FETCH 1 UID"); !slices.Equal(got, []string{"* 1 FETCH (UID 2)"}) {
		t.Errorf("after the expunge: %q", got)
	}
}
