package imapd

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"vanthu/internal/wire"
)

// secure is a world with TLS: a listener for STARTTLS at addr and one with implicit TLS at the second result.
func secure(t *testing.T) (*world, string) {
	t.Helper()
	server, client := testTLS(t)
	w := newWorld(t, Options{TLS: server}, nil)
	w.tls = client
	return w, w.listen(true)
}

// go-imap's own client, over the three transports.
func TestGoClient(t *testing.T) {
	w, implicit := secure(t)
	plain := plain(t)
	dials := map[string]func() (*imapclient.Client, error){
		"plain": func() (*imapclient.Client, error) { return imapclient.DialInsecure(plain.addr, nil) },
		"starttls": func() (*imapclient.Client, error) {
			return imapclient.DialStartTLS(w.addr, &imapclient.Options{TLSConfig: w.tls})
		},
		"tls": func() (*imapclient.Client, error) {
			return imapclient.DialTLS(implicit, &imapclient.Options{TLSConfig: w.tls})
		},
	}
	for name, dial := range dials {
		t.Run(name, func(t *testing.T) {
			world := w
			if name == "plain" {
				world = plain
			}
			c, err := dial()
			check(t, err)
			defer c.Close()
			login := "canbo@x.test"
			if name == "tls" {
				check(t, c.Authenticate(sasl.NewPlainClient("", login, world.pass["canbo"])))
			} else {
				check(t, c.Login(login, world.pass["canbo"]).Wait())
			}
			check(t, c.Create("Công văn/Tháng 11 "+name, nil).Wait())
			list, err := c.List("", "*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true}}).Collect()
			check(t, err)
			found := false
			for _, l := range list {
				found = found || l.Mailbox == "Công văn/Tháng 11 "+name && l.Status != nil
			}
			if !found {
				t.Errorf("LIST does not show the new mailbox: %v", list)
			}
			text := "From: a@x.test\r\nSubject: xin chao\r\n\r\n" + strings.Repeat("dong\r\n", 20_000)
			app := c.Append("INBOX", int64(len(text)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}})
			_, err = io.WriteString(app, text)
			check(t, err)
			check(t, app.Close())
			put, err := app.Wait()
			check(t, err)
			sel, err := c.Select("INBOX", nil).Wait()
			check(t, err)
			if sel.NumMessages == 0 || put.UID == 0 {
				t.Fatalf("select %+v, append %+v", sel, put)
			}
			section := &imap.FetchItemBodySection{Peek: true}
			msgs, err := c.Fetch(imap.UIDSetNum(put.UID), &imap.FetchOptions{
				Envelope: true, Flags: true, RFC822Size: true, InternalDate: true, UID: true,
				BodyStructure: &imap.FetchItemBodyStructure{Extended: true}, BodySection: []*imap.FetchItemBodySection{section},
			}).Collect()
			check(t, err)
			if len(msgs) != 1 || msgs[0].Envelope.Subject != "xin chao" || string(msgs[0].FindBodySection(section)) != text {
				t.Errorf("fetch: %d messages", len(msgs))
			}
			found2, err := c.UIDSearch(&imap.SearchCriteria{Body: []string{"dong"}}, nil).Wait()
			check(t, err)
			if len(found2.AllUIDs()) == 0 {
				t.Error("search found nothing")
			}
			moved, err := c.Move(imap.UIDSetNum(put.UID), "Trash").Wait()
			check(t, err)
			if moved.DestUIDs == nil {
				t.Error("no COPYUID")
			}
			idle, err := c.Idle()
			check(t, err)
			check(t, idle.Close())
			check(t, idle.Wait())
			check(t, c.Unselect().Wait())
			check(t, c.Logout().Wait())
		})
	}
}

const imaplibScript = `
import imaplib, ssl, sys
imaplib._MAXLINE = 10000000
how, port, user, password, ca = sys.argv[1:6]
ctx = ssl.create_default_context(cafile=ca) if ca else None
if how == "tls":
    m = imaplib.IMAP4_SSL("localhost", int(port), ssl_context=ctx)
else:
    m = imaplib.IMAP4("localhost", int(port))
if how == "starttls":
    try:
        m.login(user, password); sys.exit("login in the clear was taken")
    except imaplib.IMAP4.error as e:
        assert "PRIVACYREQUIRED" in str(e), e
    m.starttls(ctx)
if how == "plain":
    m.authenticate("PLAIN", lambda c: ("\0" + user + "\0" + password).encode())
else:
    m.login(user, password)
def ok(r):
    assert r[0] == "OK", r
    return r[1]
ok(m.create("py")) if how == "plain" else None
msg = b"Subject: py\r\n\r\n" + b"x" * 5000
ok(m.append("INBOX", "(\\Seen)", imaplib.Time2Internaldate(0), msg))
assert int(ok(m.select())[0]) >= 1
n = ok(m.search(None, "SUBJECT", "py"))[0].split()[-1]
data = ok(m.fetch(n, "(FLAGS BODY[])"))
assert data[0][1] == msg, data
ok(m.store(n, "+FLAGS", "(\\Deleted)"))
ok(m.copy(n, "Trash"))
ok(m.expunge())
ok(m.status("Trash", "(MESSAGES)"))
ok(m.list())
ok(m.lsub())
ok(m.noop()); ok(m.check()); ok(m.namespace()); ok(m.close()); ok(m.enable("UTF8=ACCEPT")); ok(m.list()); m.logout()
print("fine")
`

// Python's imaplib, over the three transports.
func TestImaplib(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	w, implicit := secure(t)
	p := plain(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	cert := w.opt.TLS.Certificates[0].Certificate[0]
	check(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600))
	for _, tt := range []struct {
		how, addr, ca string
		w             *world
	}{{"plain", p.addr, "", p}, {"starttls", w.addr, ca, w}, {"tls", implicit, ca, w}} {
		t.Run(tt.how, func(t *testing.T) {
			_, port, err := net.SplitHostPort(tt.addr)
			check(t, err)
			out, err := exec.CommandContext(t.Context(), python, "-c", imaplibScript, tt.how, port, "canbo@x.test", tt.w.pass["canbo"], tt.ca).CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != "fine" {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func TestPrivacyRequired(t *testing.T) {
	w, _ := secure(t)
	c := w.dial()
	if got := c.ok("CAPABILITY")[0]; !strings.Contains(got, " STARTTLS LOGINDISABLED") || strings.Contains(got, "AUTH=") {
		t.Errorf("in clear: %q", got)
	}
	c.refused("LOGIN canbo@x.test "+w.pass["canbo"], "NO [PRIVACYREQUIRED]")
	c.refused("AUTHENTICATE PLAIN AGEAYg==", "NO [PRIVACYREQUIRED]")
	c.ok("STARTTLS")
	s := tls.Client(c.c, w.tls)
	check(t, s.Handshake())
	c.c = s
	c.r.Reset(s)
	if got := c.ok("CAPABILITY")[0]; strings.Contains(got, "STARTTLS") || !strings.Contains(got, "AUTH=PLAIN AUTH=LOGIN") {
		t.Errorf("under TLS: %q", got)
	}
	c.refused("STARTTLS", "BAD")
	c.ok("LOGIN canbo@x.test " + w.pass["canbo"])
}

// What was sent in the clear behind STARTTLS never counts as protected.
func TestStartTLSInjection(t *testing.T) {
	w, _ := secure(t)
	c := w.dial()
	c.send("a STARTTLS\r\nb NOOP\r\n")
	if got := c.line(); !strings.HasPrefix(got, "* BYE") {
		t.Errorf("got %q, want BYE", got)
	}
	if got := c.line(); got != "" {
		t.Errorf("then %q", got)
	}
}

func TestSessionLimit(t *testing.T) {
	w := newWorld(t, Options{AllowInsecureAuthOnLoopback: true, SessionsPerUser: 2}, nil)
	a, _ := w.login("canbo"), w.login("canbo")
	c := w.dial()
	c.refused("LOGIN canbo@x.test "+w.pass["canbo"], "NO [UNAVAILABLE]")
	a.do("LOGOUT")
	for a.line() != "" {
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		if _, tagged := c.do("LOGIN canbo@x.test " + w.pass["canbo"]); strings.HasPrefix(tagged, "OK") {
			break
		}
		c.c.Close()
		if c = w.dial(); time.Now().After(deadline) {
			t.Fatal("a session that ended still counts")
		}
	}
	w.login("khac") // another account is not concerned
}

// T154: 300 sessions of one account at once: as many as may be are let in, the
// others are told, and other accounts are served.
func TestManySessionsAtOnce(t *testing.T) {
	const at, most = 300, 10
	gate := wire.NewGate(wire.GateOptions{PerAddr: 10 * at})
	w := newWorld(t, Options{AllowInsecureAuthOnLoopback: true, SessionsPerUser: most, Gate: gate}, nil)
	w.login("canbo").do("LOGOUT") // the first log-in of a password takes its time
	answers := make(chan string, at)
	for range at {
		go func() {
			c, err := net.Dial("tcp", w.addr)
			if err != nil {
				answers <- err.Error()
				return
			}
			t.Cleanup(func() { c.Close() })
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
			in := bufio.NewReader(c)
			_, _ = in.ReadString('\n')
			fmt.Fprintf(c, "a LOGIN canbo@x.test %s\r\n", w.pass["canbo"])
			line, _ := in.ReadString('\n')
			answers <- line
		}()
	}
	in, told := 0, 0
	for range at {
		switch s := <-answers; {
		case strings.HasPrefix(s, "a OK"):
			in++
		case strings.HasPrefix(s, "a NO [UNAVAILABLE]"), strings.HasPrefix(s, "* BYE"):
			told++
		default:
			t.Errorf("answered %q", s)
		}
	}
	if in > most || in == 0 || in+told != at {
		t.Errorf("%d were let in and %d told, want at most %d in", in, told, most)
	}
	w.login("khac")
}

func TestBadCommandsEnd(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	for range maxBad - 1 {
		c.refused("NONSENSE", "BAD")
	}
	c.ok("NOOP") // in a row counts
	for range maxBad {
		c.refused("NONSENSE", "BAD")
	}
	if got := c.line(); !strings.HasPrefix(got, "* BYE") {
		t.Errorf("got %q, want BYE", got)
	}
}

// IDLE and COMPRESS answer for themselves; they are good commands as others are.
func TestBadCommandsAreCountedInARow(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	for range 3 {
		for range maxBad - 1 {
			c.refused("NONSENSE", "BAD")
		}
		if _, tagged := c.do("IDLE"); tagged != "+" {
			t.Fatal(tagged)
		}
		c.send("DONE\r\n")
		if _, tagged := c.answer("t" + strconv.Itoa(c.seq)); !strings.HasPrefix(tagged, "OK") {
			t.Fatalf("IDLE: %q", tagged)
		}
	}
	c.ok("NOOP")
}

func TestShutdownSaysBye(t *testing.T) {
	w := plain(t)
	idle, busy := w.login("canbo"), w.login("canbo")
	idle.ok("SELECT INBOX")
	if _, tagged := idle.do("IDLE"); tagged != "+" {
		t.Fatal(tagged)
	}
	if _, tagged := busy.do("APPEND INBOX {12}"); tagged != "+" {
		t.Fatal(tagged)
	}
	done := make(chan error, 1)
	go func() { done <- w.Shutdown(t.Context()) }()
	if got := idle.line(); !strings.HasPrefix(got, "* BYE [UNAVAILABLE]") {
		t.Errorf("idle client: %q, want BYE", got)
	}
	busy.send("Subject: x\r\n\r\n") // what is under way may finish
	if _, tagged := busy.answer("t2"); !strings.HasPrefix(tagged, "OK [APPENDUID") {
		t.Errorf("append under way: %q", tagged)
	}
	if got := busy.line(); !strings.HasPrefix(got, "* BYE") {
		t.Errorf("then %q, want BYE", got)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if n := w.box("canbo", "INBOX").Messages; n != 1 {
		t.Errorf("messages = %d, want 1", n)
	}
}

// A listener that comes after the shutdown, closed by its owner already, is no error.
func TestServeAfterShutdown(t *testing.T) {
	w := plain(t)
	check(t, w.Shutdown(t.Context()))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	check(t, l.Close())
	if err := w.Serve(t.Context(), l, false); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// R14: DONE and the next command in one segment.
func TestPipelinedIdle(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	c.send("a SELECT INBOX\r\nb IDLE\r\nDONE\r\nc NOOP\r\nd IDLE\r\ndone\r\ne LOGOUT\r\n")
	var tagged []string
	for s := c.line(); s != ""; s = c.line() {
		if !strings.HasPrefix(s, "* ") && !strings.HasPrefix(s, "+") {
			tagged = append(tagged, strings.Join(strings.Fields(s)[:2], " "))
		}
	}
	if got := strings.Join(tagged, ", "); got != "a OK, b OK, c OK, d OK, e OK" {
		t.Errorf("answers: %s", got)
	}
}
