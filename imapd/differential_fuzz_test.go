package imapd

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// peerMail are messages that go-message reads as we do; where it does not is in defects_test.go.
var peerMail = []string{
	"From: an@x.test\r\nTo: binh@x.test\r\nSubject: one\r\nDate: Tue, 24 Nov 2026 08:30:00 +0700\r\nMessage-ID: <1@x.test>\r\n\r\nfirst body\r\n",
	"From: binh@x.test\r\nTo: an@x.test\r\nCc: chi@x.test\r\nSubject: two\r\nDate: Mon, 23 Nov 2026 08:30:00 +0700\r\nMessage-ID: <2@x.test>\r\n\r\nsecond body\r\nof two lines\r\n",
	"From: chi@x.test\r\nSubject: three\r\nDate: Sun, 22 Nov 2026 08:30:00 +0700\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\npart one\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>part two\r\n--b--\r\n",
}

// peers are our server and imapserver with its own store in memory, both with the same mail.
type peers struct {
	ours   *client
	theirs *client

	selected string
	readOnly bool
	messages int
}

func newPeers(t testing.TB, control *client) *peers {
	t.Helper()
	user := imapmemserver.NewUser("canbo@x.test", "secret")
	for _, name := range []string{"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash", "Chuyển văn thư"} {
		check(t, user.Create(name, nil))
		check(t, user.Subscribe(name))
	}
	p := &peers{ours: control}
	mem := imapmemserver.New()
	mem.AddUser(user)
	lib := imapserver.New(&imapserver.Options{
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}}, InsecureAuth: true, Logger: libraryLog{discard},
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return mem.NewSession(), nil, nil
		},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	done := make(chan struct{})
	go func() { defer close(done); _ = lib.Serve(l) }()
	t.Cleanup(func() { _ = lib.Close(); <-done })
	conn, err := net.Dial("tcp", l.Addr().String())
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	p.theirs = &client{t: t, c: conn, r: bufio.NewReader(conn), gives: 2 * time.Second}
	p.theirs.line()
	p.theirs.ok("LOGIN canbo@x.test secret")
	p.ours.ok("SUBSCRIBE Trash") // an earlier script may have changed that
	p.ours.ok("UNSUBSCRIBE W")
	for _, cmd := range []string{"CREATE W", "CREATE T"} { // fresh on both: the same UIDs
		p.ours.ok(cmd)
		p.theirs.ok(cmd)
	}
	for _, text := range peerMail {
		cmd := fmt.Sprintf("APPEND W {%d+}\r\n%s", len(text), text)
		p.ours.ok(cmd)
		p.theirs.ok(cmd)
	}
	ours, _ := p.both("SELECT W")
	p.note("SELECT W", ours)
	return p
}

// both gives the two answers to a command, made comparable.
func (p *peers) both(cmd string) (ours, theirs []string) {
	return alike(p.ours.do(cmd)), alike(p.theirs.do(cmd))
}

var (
	sectionLabel = regexp.MustCompile(`BODY\[[^\]]*\]`)
	anyRecent    = regexp.MustCompile(` ?\\Recent`)
	flagsList    = regexp.MustCompile(`FLAGS \(([^)]*)\)`)
	dateItem     = regexp.MustCompile(`INTERNALDATE "[^"]*"`)
	validity     = regexp.MustCompile(`\b(UIDVALIDITY|APPENDUID|COPYUID) \d+`)
	childAttr    = regexp.MustCompile(`\\(HasChildren|HasNoChildren|Subscribed|Archive|Drafts|Junk|Sent|Trash)\b`)
)

// alike drops from an answer in what the servers may differ: texts, dates of arrival, validity, the order of items in FETCH, of flags and
// of the lines about different messages, attributes that imapmemserver does not know, and lines that only one of them must send.
func alike(untagged []string, tagged string) []string {
	class, _, _ := strings.Cut(tagged, " ")
	if class == "BAD" {
		class = "NO" // imapserver says NO [SERVERBUG] where BAD is meant (reliability.md, I16)
	}
	out := []string{class}
	for _, s := range untagged {
		s = validity.ReplaceAllString(s, "$1 v")
		s = anyRecent.ReplaceAllString(s, "")
		s = flagsList.ReplaceAllStringFunc(s, func(f string) string {
			return "FLAGS (" + strings.ToLower(sortFlags(strings.TrimSuffix(strings.TrimPrefix(f, "FLAGS ("), ")"))) + ")"
		})
		s = strings.TrimPrefix(s, "* ")
		word, rest, _ := strings.Cut(s, " ")
		switch {
		case word == "OK" || word == "FLAGS" || word == "CAPABILITY" || strings.HasSuffix(s, " RECENT") || s == "0 EXPUNGE":
			continue // free text and codes that the transcripts have; EXPUNGE 0 is imapmemserver's for MOVE
		case word == "LIST" || word == "LSUB":
			s = word + " " + strings.Join(strings.Fields(strings.ReplaceAll(childAttr.ReplaceAllString(rest, ""), "( ", "(")), " ")
			s = strings.ReplaceAll(strings.ReplaceAll(s, `"`, ""), "( ) ", "() ")
		case strings.HasPrefix(rest, "FETCH ("):
			s = word + " FETCH " + items(strings.TrimSuffix(strings.TrimPrefix(rest, "FETCH ("), ")"))
		case word == "STATUS":
			name, list, _ := strings.Cut(rest, " (")
			s = "STATUS " + strings.Trim(name, `"`) + " " + pairsSorted(strings.TrimSuffix(list, ")"))
		case word == "ESEARCH":
			continue // tags differ; the plain form is compared
		}
		out = append(out, s)
	}
	slices.Sort(out[1:])
	return out
}

func pairsSorted(s string) string {
	f := strings.Fields(s)
	var pairs []string
	for i := 0; i+1 < len(f); i += 2 {
		pairs = append(pairs, f[i]+" "+f[i+1])
	}
	slices.Sort(pairs)
	return strings.Join(pairs, " ")
}

// items sorts the items of a FETCH line. UID is dropped: each of the two tells it in places where the other does not.
func items(s string) string {
	p := &strict{b: []byte(unfold(dateItem.ReplaceAllString(s, `INTERNALDATE "d"`)))}
	var all []string
	for p.i < len(p.b) {
		start := p.i
		for p.i < len(p.b) && p.b[p.i] != ' ' && p.b[p.i] != '[' {
			p.i++
		}
		if p.have("[") {
			p.section()
			p.want("]")
			for p.i < len(p.b) && p.b[p.i] != ' ' {
				p.i++
			}
		}
		p.want(" ")
		p.value()
		if item := string(p.b[start:p.i]); !strings.HasPrefix(item, "UID ") {
			all = append(all, strings.ReplaceAll(sectionLabel.ReplaceAllStringFunc(item, strings.ToUpper), `"`, ""))
		}
		p.have(" ")
	}
	slices.Sort(all)
	return strings.Join(all, " | ")
}

// unfold makes literals, which client.whole puts into braces, quoted strings again.
func unfold(s string) string {
	var b strings.Builder
	for {
		open := strings.IndexByte(s, '{')
		if open < 0 {
			b.WriteString(s)
			return b.String()
		}
		end := strings.Index(s[open:], "}")
		if end < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:open])
		b.WriteString(fmt.Sprintf("%q", strings.ReplaceAll(strings.ReplaceAll(s[open+1:open+end], "\r", ""), "\n", "/")))
		s = s[open+end+1:]
	}
}

// script turns bytes into commands of the base protocol, those that imapserver and imapmemserver carry out themselves.
type script struct{ b []byte }

func (s *script) pick(n int) int {
	if len(s.b) == 0 {
		return 0
	}
	k := int(s.b[0]) % n
	s.b = s.b[1:]
	return k
}

func (s *script) one(list ...string) string { return list[s.pick(len(list))] }

func (s *script) set() string {
	return s.one("1", "2", "1:2", "1:*", "2:*", "*", "1,3", "3:1", "4", "2:9", "*:1", "1:1,2")
}

func (s *script) flags() string {
	return "(" + s.one(`\Seen`, `\Flagged`, `\Deleted`, `\Answered \Draft`, "$x", `\seen $x $y`, "") + ")"
}

func (s *script) box() string {
	return s.one("T", "W", `"T"`, "nowhere", "new")
}

func (s *script) key() string {
	return s.one("ALL", "SEEN", "UNSEEN", "FLAGGED", "DELETED", "UNDELETED", "ANSWERED", "KEYWORD $x", "UNKEYWORD $x", "FROM an", "TO an", "SUBJECT two",
		"BODY second", "TEXT first", `HEADER Message-ID "<1@x.test>"`, "LARGER 150", "SMALLER 200", "SENTON 23-Nov-2026", "SENTSINCE 23-Nov-2026",
		"SENTBEFORE 24-Nov-2026", "UID 2", "1:2", "DRAFT", "NOT SEEN", "OR SEEN FLAGGED", "(SEEN FLAGGED)", "SUBJECT nothing", "2:*")
}

// next gives a command, "" at the end.
func (s *script) next() string {
	if len(s.b) == 0 {
		return ""
	}
	uid := s.one("", "UID ")
	switch s.pick(14) {
	case 0:
		return uid + "FETCH " + s.set() + " " + s.one("FLAGS", "(UID FLAGS)", "RFC822.SIZE", "(FLAGS RFC822.SIZE)", "BODY.PEEK[]", "BODY[]", "BODY.PEEK[HEADER]",
			"BODY.PEEK[TEXT]", "BODY.PEEK[1]", "BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)]", "BODY.PEEK[]<0.10>", "BODY.PEEK[]<5.7>", "(FLAGS BODY[TEXT])", "FAST",
			"BODY.PEEK[HEADER.FIELDS.NOT (FROM)]", "ENVELOPE", "(FLAGS INTERNALDATE)")
	case 1, 2:
		return uid + "STORE " + s.set() + " " + s.one("", "+", "-") + "FLAGS" + s.one("", ".SILENT") + " " + s.flags()
	case 3:
		return uid + "SEARCH " + s.key() + s.one("", " "+s.key())
	case 4:
		return uid + "COPY " + s.set() + " " + s.box()
	case 5:
		return uid + "MOVE " + s.set() + " " + s.box()
	case 6:
		return "EXPUNGE"
	case 7:
		return "UID EXPUNGE " + s.set()
	case 8:
		return "STATUS " + s.box() + " (MESSAGES UIDNEXT UNSEEN)"
	case 9:
		return s.one("LIST", "LSUB") + ` "" ` + s.one(`"*"`, `"%"`, `"A%"`, `"n*"`, "INBOX", "Trash", "W")
	case 10:
		return s.one("CREATE new", "CREATE newer", "DELETE new", "DELETE newer", "DELETE nowhere", "UNSUBSCRIBE Trash", "SUBSCRIBE Trash", "SUBSCRIBE W", "UNSUBSCRIBE W")
	case 11:
		return s.one("SELECT", "SELECT", "EXAMINE") + " " + s.box()
	case 12:
		return "APPEND " + s.box() + " " + s.flags() + " {53+}\r\nSubject: x\r\nDate: Tue, 24 Nov 2026 08:30:00 +0700\r\n\r\n"
	}
	return s.one("NOOP", "CHECK", "CLOSE", "UNSELECT")
}

// pointless tells commands that are not compared, because imapserver or imapmemserver is known to be wrong there.
func (p *peers) pointless(cmd string) bool {
	verb := strings.TrimPrefix(cmd, "UID ")
	switch {
	case p.readOnly && changes.MatchString(verb):
		return true // EXAMINE is not enforced (reliability.md 5.2, I13)
	case intoBox.MatchString(verb) && strings.Trim(verb[strings.LastIndexByte(verb, ' ')+1:], `"`) == p.selected:
		return true // imapmemserver refuses to copy into the same mailbox
	case verb == "CHECK" && p.selected == "":
		return true // imapserver lets it pass
	case verb == "DELETE "+p.selected:
		return true // what becomes of the selection is open (RFC 9051, section 6.3.5)
	}
	return false
}

var (
	changes      = regexp.MustCompile(`^(STORE|EXPUNGE|MOVE|CLOSE|FETCH [^ ]* \(?(FLAGS )?BODY\[)`)
	intoBox      = regexp.MustCompile(`^(COPY|MOVE) `)
	flagsItemEnd = regexp.MustCompile(`( \|)? FLAGS \([^)]*\)$`)
	empty        = regexp.MustCompile(`^UID (COPY|MOVE) `)
)

// excuse says why the peers may answer a command differently, "" when they may not. Each line is a freedom of the RFC, or a defect. apart
// tells that the two are not in the same state any more.
func (p *peers) excuse(cmd string, ours, theirs []string) (why string, apart bool) {
	switch {
	case ours[0] == "NO" && theirs[0] == "OK" && p.beyond(strings.TrimPrefix(cmd, "UID SEARCH ")):
		return "imapmemserver passes over numbers that no message has; RFC 9051, section 6.4.5, wants BAD", true
	case ours[0] == "OK" && theirs[0] == "NO" && len(ours) == 1 && empty.MatchString(cmd):
		return "nothing to copy: whether the target is looked at is open", false
	case strings.Contains(cmd, "MOVE ") && ours[0] == theirs[0] && len(theirs) >= len(ours):
		return "imapmemserver tells a MOVE twice, once with wrong numbers; later commands compare what is left", false
	case strings.HasPrefix(cmd, "UID EXPUNGE ") && strings.Contains(cmd, "*"):
		return "imapmemserver does not know what * is in UID EXPUNGE; later commands compare what is left", true
	case strings.HasPrefix(cmd, "UID ") && strings.Contains(cmd, "*") && ours[0] == "OK" && len(ours) == 2 && len(theirs) == 1:
		return "imapmemserver leaves the last message out of * and of n:* with n above it; RFC 9051, section 9 (seq-range), has it in", true
	case strings.Contains(cmd, "BODY[") && slices.Equal(withoutFlags(ours), withoutFlags(theirs)):
		return "flags that FETCH has set may stand with the rest, or in a line of their own (R20)", false
	}
	return "", false
}

// withoutFlags drops the flags from FETCH lines.
func withoutFlags(lines []string) (out []string) {
	for _, l := range lines {
		if l = flagsItemEnd.ReplaceAllString(l, ""); !strings.HasSuffix(l, " FETCH") {
			out = append(out, l)
		}
	}
	return out
}

// note keeps what is selected.
func (p *peers) note(cmd string, ours []string) {
	verb, name, _ := strings.Cut(cmd, " ")
	switch verb {
	case "SELECT", "EXAMINE":
		p.selected, p.readOnly = "", false
		if ours[0] == "OK" {
			p.selected, p.readOnly = strings.Trim(name, `"`), verb == "EXAMINE"
		}
	case "CLOSE", "UNSELECT":
		if ours[0] == "OK" {
			p.selected, p.readOnly = "", false
		}
	}
	for _, line := range ours[1:] {
		var n int
		if _, err := fmt.Sscanf(line, "%d EXISTS", &n); err == nil && strings.HasSuffix(line, "EXISTS") {
			p.messages = n
		} else if strings.HasSuffix(line, " EXPUNGE") {
			p.messages--
		}
	}
}

// beyond tells whether a set of sequence numbers names messages that are not there.
func (p *peers) beyond(cmd string) bool {
	f := strings.Fields(cmd)
	if strings.HasPrefix(cmd, "UID ") || len(f) == 0 {
		return false
	}
	set := f[min(1, len(f)-1)] // behind the verb; a key of UID SEARCH stands alone
	for _, n := range regexp.MustCompile(`[0-9]+|\*`).FindAllString(set, -1) {
		if k, _ := strconv.Atoi(n); k > p.messages || n == "*" && p.messages == 0 {
			return true
		}
	}
	return false
}

// testPeers plays a script on both and compares.
func testPeers(t *testing.T, w *world, control *client, in []byte) {
	w.t, control.t = t, t
	w.furnish(control)
	control.do("UNSELECT")
	p := newPeers(t, control)
	s := &script{b: in}
	var done []string
	refused := 0
	defer func() {
		if t.Failed() {
			t.Logf("the script was %q", done)
		}
	}()
	for range 40 {
		cmd := s.next()
		if cmd == "" {
			break
		}
		if p.pointless(cmd) {
			continue
		}
		done = append(done, cmd)
		ours, theirs := p.both(cmd)
		if refused++; ours[0] == "OK" {
			refused = 0
		}
		if refused == maxBad-5 {
			return // some more bad commands in a row would end the connection, which only ours does
		}
		p.note(cmd, ours)
		if p.theirs.ended {
			return // imapmemserver has locked itself up, or imapserver has hung up
		}
		if slices.Equal(ours, theirs) {
			continue
		}
		if why, apart := p.excuse(cmd, ours, theirs); apart {
			return
		} else if why != "" {
			continue
		}
		t.Fatalf("after %q\n ours  %q\ntheirs %q", done, ours, theirs)
	}
}

// FuzzAgainstImapserver plays random commands of the base protocol on our server and on imapserver with its own store in memory, and
// compares what the two answer.
func FuzzAgainstImapserver(f *testing.F) {
	w, control := fuzzWorld(f)
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		b := make([]byte, 60)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) { testPeers(t, w, control, in) })
}
