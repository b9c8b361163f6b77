package imapd

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"vanthu/internal/mailstore"
)

// recorder keeps what the server sends.
type recorder struct {
	net.Conn
	got bytes.Buffer
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.got.Write(p[:n])
	return n, err
}

// mailboxState is a mailbox's messages by UID: what they are, and their flags.
type mailboxState map[string]struct{ email, flags string }

var stateLine = regexp.MustCompile(`^\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) EMAILID \((\w+)\)\)$`)

// storedBy looks at all mailboxes of the account through a connection of its own.
func storedBy(c *client) map[string]mailboxState {
	c.t.Helper()
	all := map[string]mailboxState{}
	for _, line := range c.ok(`LIST "" "*"`) {
		_, name, _ := strings.Cut(line, `"/" `)
		if strings.Contains(line, `\Noselect`) || strings.Contains(line, `\NonExistent`) {
			continue
		}
		if _, tagged := c.do("EXAMINE " + name); !strings.HasPrefix(tagged, "OK") {
			continue
		}
		box := mailboxState{}
		for _, s := range c.ok("UID FETCH 1:* (UID FLAGS EMAILID)") {
			g := stateLine.FindStringSubmatch(s)
			if g == nil {
				c.t.Fatalf("state: %q", s)
			}
			box[g[1]] = struct{ email, flags string }{g[3], g[2]}
		}
		all[name] = box
	}
	return all
}

// What an OK may have changed; the answers name their commands.
var (
	mayRemove = regexp.MustCompile(`(?m)^[^ *]+ OK (\[[^\]]*\] )?((UID )?(EXPUNGE|MOVE|REPLACE)|CLOSE|DELETE|RENAME) completed`)
	mayMark   = regexp.MustCompile(`(?m)^[^ *]+ (OK|NO) (\[[^\]]*\] )?(UID )?(STORE|FETCH) completed`)
	mayAdd    = regexp.MustCompile(`(?m)^[^ *]+ OK (\[[^\]]*\] )?((UID )?(COPY|MOVE|REPLACE)|APPEND|RENAME) completed`)
)

// unharmed tells what a session did to acknowledged messages without having been told to, "" for nothing.
func unharmed(before, after map[string]mailboxState, said []byte) string {
	remove, add := mayRemove.Match(said), mayAdd.Match(said)
	mark := remove || mayMark.Match(said)
	for name, box := range before {
		now, there := after[name]
		if !there && !remove {
			return "mailbox " + name + " is gone"
		}
		for uid, m := range box {
			is, there := now[uid]
			switch {
			case !there && !remove:
				return fmt.Sprintf("message %s of %s is gone", uid, name)
			case there && is.email != m.email && !remove:
				return fmt.Sprintf("message %s of %s is another one", uid, name)
			case there && is.flags != m.flags && !mark:
				return fmt.Sprintf("message %s of %s had flags %q, has %q", uid, name, m.flags, is.flags)
			}
		}
		for uid := range now {
			if _, old := box[uid]; !old && !add {
				return fmt.Sprintf("message %s of %s came from nowhere", uid, name)
			}
		}
	}
	return ""
}

// fuzzBox is what INBOX holds before every session.
var fuzzBox = []string{
	"From: a@x.test\r\nTo: b@x.test\r\nSubject: one\r\nMessage-ID: <1@x.test>\r\n\r\nfirst body\r\n",
	"From: =?UTF-8?Q?V=C4=83n_th=C6=B0?= <a@x.test>\r\nSubject: two\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n" +
		"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ny\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b--\r\n",
	"Content-Type: multipart/mixed; boundary=b\r\nX Foo: bar\r\n\r\nno parts\r\n",
	"\r\n",
}

// furnish makes the account as it was: INBOX with four messages, and nothing else.
func (w *world) furnish(c *client) {
	w.t.Helper()
	c.do("UNSELECT")
	for name, box := range storedBy(c) {
		switch name {
		case "INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash":
			if len(box) > 0 && (name != "INBOX" || len(box) != len(fuzzBox)) {
				c.ok("SELECT " + name)
				c.ok(`UID STORE 1:* +FLAGS.SILENT (\Deleted)`)
				c.ok("CLOSE")
			}
		default:
			c.do("DELETE " + name)
		}
	}
	for _, name := range []string{"Archive", "Drafts", "Junk", "Sent", "Trash"} {
		c.do("CREATE " + name) // there, but for a session that deleted it
	}
	c.do("DELETEACL INBOX khac@x.test")
	if untagged := c.ok("STATUS INBOX (MESSAGES)"); strings.Contains(untagged[0], "MESSAGES 0") {
		id := w.box("canbo", "INBOX").ID
		for i, text := range fuzzBox {
			w.put(id, text, mailstore.Flags{System: mailstore.FlagSet(i % 2)})
		}
	}
}

// sessionSeeds are whole sessions: all transcripts' commands, client by client, and what is hostile.
func sessionSeeds(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.imap")
	check(t, err)
	var seeds []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		check(t, err)
		by := map[string]*strings.Builder{}
		for line := range strings.SplitSeq(string(text), "\n") {
			kind, n, text := split(line)
			if kind != 'C' || strings.Contains(text, "LOGIN ") || strings.Contains(text, "{#") || strings.Contains(text, "{plain") {
				continue
			}
			if by[n] == nil {
				by[n] = &strings.Builder{}
			}
			if strings.HasPrefix(line, "C"+n+"|") {
				text = strings.TrimPrefix(strings.TrimPrefix(line, "C"+n+"|"), " ")
			}
			by[n].WriteString(text + "\r\n")
		}
		for _, n := range slices.Sorted(maps.Keys(by)) {
			if s := by[n].String(); len(s) < 6000 {
				seeds = append(seeds, s)
			}
		}
	}
	for _, s := range hostile {
		if len(s) < 6000 {
			seeds = append(seeds, s)
		}
	}
	return append(seeds,
		"a FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY BODY.PEEK[] BODY.PEEK[1.MIME] BODY.PEEK[2.HEADER] BINARY.PEEK[3] BINARY.SIZE[3] PREVIEW EMAILID THREADID SAVEDATE MODSEQ)\r\n",
		"a SEARCH RETURN (SAVE) OR FROM a NOT SUBJECT two\r\nb FETCH $ (FLAGS)\r\nc UID SORT (REVERSE DATE) UTF-8 ALL\r\nd THREAD REFS UTF-8 ALL\r\n",
		"a STORE 1:3 +FLAGS ($x \\Deleted)\r\nb EXPUNGE\r\nc UID MOVE 4 Trash\r\nd CLOSE\r\n",
		"a IDLE\r\nDONE\r\nb NOTIFY SET (selected (MessageNew (UID) MessageExpunge FlagChange))\r\nc APPEND INBOX {12+}\r\nSubject: x\r\n\r\n",
		"a ENABLE UTF8=ACCEPT QRESYNC\r\nb SELECT INBOX (QRESYNC (1 1 1:9))\r\nc CREATE \"th\xc6\xb0\"\r\nd LIST \"\" \"*\" RETURN (STATUS (SIZE) MYRIGHTS)\r\n",
	)
}

// testSession plays arbitrary bytes as a logged-in session and checks what must hold whatever they are.
func testSession(t *testing.T, w *world, control *client, in string) {
	w.t, control.t = t, t
	w.furnish(control)
	control.do("UNSELECT")
	before := storedBy(control)
	control.do("UNSELECT")
	idle := runtime.NumGoroutine()
	conn, err := net.Dial("tcp", w.addr)
	check(t, err)
	rec := &recorder{Conn: conn}
	c := w.client(rec)
	c.ok("LOGIN canbo@x.test " + w.pass["canbo"])
	c.ok("SELECT INBOX")
	why := desync(c, []byte(in))
	_ = conn.Close()
	if why != "" {
		t.Error(why)
	}
	said := rec.got.Bytes()
	if err := checkStream(said, true); err != nil {
		t.Error(err)
	}
	if bytes.Contains(said, []byte("SERVERBUG")) {
		t.Errorf("the server broke: %.500q", said)
	}
	for deadline := time.Now().Add(10 * time.Second); w.Open() > 1 || runtime.NumGoroutine() > idle; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections, %d goroutines left; there were %d", w.Open(), runtime.NumGoroutine(), idle)
		}
	}
	if why := unharmed(before, storedBy(control), said); why != "" {
		t.Errorf("%s after %q", why, said)
	}
	if t.Failed() {
		t.Logf("the session was %q", in)
	}
}

func fuzzWorld(t testing.TB) (*world, *client) {
	w := newWorld(t, Options{AllowInsecureAuthOnLoopback: true, SessionsPerUser: 1000, AppendLimit: 64 << 10, NoCompress: true}, nil)
	return w, w.login("canbo")
}

// FuzzServer plays arbitrary sessions against a whole server (reliability.md, T090): it never breaks, answers every command exactly
// once or says BYE, speaks strict IMAP, leaves nothing running, and changes nothing that it was not told to change.
func FuzzServer(f *testing.F) {
	w, control := fuzzWorld(f)
	for _, s := range sessionSeeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 10_000 {
			t.Skip()
		}
		testSession(t, w, control, in)
	})
}
