package imapd

import (
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"vanthu/internal/mailstore"
)

const small = "Subject: x\r\n\r\n" // 14 octets

// appendAll sends an APPEND whose messages are synchronising literals and gives the tagged answer.
func (c *client) appendAll(cmd string, messages ...string) string {
	c.t.Helper()
	c.seq++
	tag := "t" + strconv.Itoa(c.seq)
	c.send(tag + " " + cmd)
	for _, m := range messages {
		c.send(" {" + strconv.Itoa(len(m)) + "}\r\n")
		if got := c.line(); !strings.HasPrefix(got, "+ ") {
			return strings.TrimPrefix(got, tag+" ")
		}
		c.send(m)
	}
	c.send("\r\n")
	_, tagged := c.answer(tag)
	return tagged
}

func (w *world) count(login, name string) int64 { return w.box(login, name).Messages }

func TestMultiAppendWaitsForEachMessage(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	big := "Subject: big\r\n\r\n" + strings.Repeat("0123456789\r\n", 20<<10)
	got := c.appendAll("APPEND INBOX", small, big, small)
	if want := "OK [APPENDUID " + strconv.Itoa(int(w.box("canbo", "INBOX").UIDValidity)) + " 1:3] APPEND completed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c.ok("SELECT INBOX")
	if got := c.ok("FETCH 1:* RFC822.SIZE"); len(got) != 3 || !strings.Contains(got[1], strconv.Itoa(len(big))) {
		t.Errorf("got %q", got)
	}
	c.alive()
}

func TestMultiAppendCutStoresNothing(t *testing.T) {
	for name, text := range map[string]string{
		"behind the first":      "a APPEND INBOX {14+}\r\n" + small,
		"before the end":        "a APPEND INBOX {14+}\r\n" + small + " {14+}\r\n" + small,
		"within the second":     "a APPEND INBOX {14+}\r\n" + small + " {14+}\r\nSubj",
		"within a part":         "a APPEND INBOX {14+}\r\n" + small + " CATENATE (TEXT {14+}\r\n" + small + " TEXT {5+}\r\nab",
		"within a replacement":  "a REPLACE 1 INBOX {14+}\r\nSub",
		"behind a replacement":  "a UID REPLACE 1 INBOX {14+}\r\n" + small,
		"in front of the paren": "a APPEND INBOX CATENATE (TEXT {14+}\r\n" + small,
	} {
		t.Run(name, func(t *testing.T) {
			w := plain(t)
			w.put(w.box("canbo", "INBOX").ID, small, mailstore.Flags{})
			c := w.login("canbo")
			c.ok("SELECT INBOX")
			c.send(text)
			check(t, c.c.(*net.TCPConn).CloseWrite())
			if rest, err := io.ReadAll(c.r); err != nil || strings.Contains(string(rest), "OK") {
				t.Errorf("got %q, %v", rest, err)
			}
			if got := w.box("canbo", "INBOX"); got.Messages != 1 || got.UIDNext != 2 {
				t.Errorf("%d messages, next UID %d", got.Messages, got.UIDNext)
			}
		})
	}
}

func TestAppendLimits(t *testing.T) {
	w := newWorld(t, Options{AllowInsecureAuthOnLoopback: true, AppendLimit: 4000}, nil)
	c := w.login("canbo")
	if got := c.appendAll("APPEND INBOX", small, strings.Repeat("x", 4001)); !strings.HasPrefix(got, "NO [TOOBIG]") {
		t.Errorf("second message too large: %q", got)
	}
	part := " TEXT {3000+}\r\n" + strings.Repeat("x\r\n", 1000)
	c.refused("APPEND INBOX CATENATE ("+part[1:]+part+")", "NO [TOOBIG]")
	many := strings.Repeat(" {14+}\r\n"+small, maxAppended)
	c.ok("APPEND INBOX" + many)
	c.refused("APPEND INBOX"+many+" {14+}\r\n"+small, "NO [LIMIT]")
	c.refused("APPEND INBOX {14+}\r\n"+small+" {7+}\r\nnu\x00l\r\n\r\n", "NO [CANNOT]")
	c.ok("APPEND INBOX {14+}\r\n" + small + " ~{7+}\r\nnu\x00l\r\n\r\n")
	c.refused("APPEND INBOX {14+}\r\n"+small+" \"nu\x00l\"", "BAD")
	c.alive()
	c.refused("APPEND INBOX CATENATE (URL {5000}", "NO [TOOBIG]")
	c.alive()
	if got := w.count("canbo", "INBOX"); got != maxAppended+2 {
		t.Errorf("%d messages", got)
	}
	c.send("z APPEND INBOX {14+}\r\n" + small + " {5000+}\r\n")
	if got := c.line(); !strings.HasPrefix(got, "z NO [TOOBIG]") && !strings.HasPrefix(got, "z BAD [TOOBIG]") {
		t.Errorf("got %q", got)
	}
	if got := c.line(); !strings.HasPrefix(got, "* BYE") {
		t.Errorf("got %q, want BYE", got)
	}
}

// Above a bound, messages of one command wait in files, and none is left of those that were not stored.
func TestMultiAppendOfManyLargeMessages(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	messages := make([]string, 130)
	for i := range messages {
		messages[i] = "Subject: " + strconv.Itoa(i) + "\r\n\r\n" + strings.Repeat("0123456789abcde\r\n", 5<<10)
	}
	if got := c.appendAll("APPEND INBOX", messages...); !strings.HasPrefix(got, "OK ") {
		t.Fatalf("got %q", got)
	}
	c.ok("SELECT INBOX")
	for _, i := range []int{0, 65, 129} {
		got := c.ok("FETCH " + strconv.Itoa(i+1) + " BODY.PEEK[]")
		if len(got) != 1 || !strings.Contains(got[0], messages[i]) {
			t.Errorf("message %d is not what was sent", i)
		}
	}
}

func TestReplaceSeenByOthers(t *testing.T) {
	w := plain(t)
	box := w.box("canbo", "Drafts").ID
	w.put(box, small, mailstore.Flags{})
	w.put(box, small, mailstore.Flags{})
	a, b := w.login("canbo"), w.login("canbo")
	a.ok("SELECT Drafts")
	b.ok("SELECT Drafts")
	b.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
	b.ok("EXPUNGE")
	got := a.refused("REPLACE 1 Drafts {14+}\r\n"+small, "NO [EXPUNGEISSUED]")
	if len(got) != 0 {
		t.Errorf("got %q", got)
	}
	a.ok("REPLACE 2 Drafts {14+}\r\n" + small)
	if got := strings.Join(b.ok("NOOP"), "|"); got != "* 1 EXPUNGE|* 1 EXISTS" {
		t.Errorf("got %q", got)
	}
}

func TestReplaceKeepsWorkflowFolders(t *testing.T) {
	w := plain(t)
	w.put(w.unitBox(mailstore.RoleIncoming).ID, small, mailstore.Flags{})
	w.put(w.unitBox(mailstore.RoleUnitInbox).ID, small, mailstore.Flags{})
	c := w.login("vanthu")
	c.ok("ENABLE UTF8=ACCEPT")
	c.ok(`SELECT "` + sharedPrefix + "SYT/" + w.unitBox(mailstore.RoleIncoming).Name + `"`)
	c.refused("REPLACE 1 INBOX {14}", "NO [CANNOT]")
	c.ok(`SELECT "` + sharedPrefix + "SYT/" + w.unitBox(mailstore.RoleUnitInbox).Name + `"`)
	c.ok("REPLACE 1 INBOX {14+}\r\n" + small)
	l := w.login("lanhdao")
	l.ok("ENABLE UTF8=ACCEPT")
	l.ok(`SELECT "` + sharedPrefix + "SYT/" + w.unitBox(mailstore.RoleIncoming).Name + `"`)
	l.refused("REPLACE 1 INBOX {14}", "NO")
	if got := w.unitBox(mailstore.RoleIncoming).Messages; got != 1 {
		t.Errorf("%d messages left", got)
	}
}

func TestParseURL(t *testing.T) {
	for _, tc := range []struct {
		url   string
		valid bool
		box   string
		label string
	}{
		{"/INBOX/;UID=20", true, "INBOX", "BODY[] "},
		{"/INBOX;UIDVALIDITY=7/;uid=20/;section=1.5.9.MIME", true, "INBOX", "BODY[1.5.9.MIME] "},
		{"/a/b%2Fc/;UID=1/;PARTIAL=1024", true, "a/b/c", "BODY[] "},
		{"/a%3B/;UID=1/;SECTION=HEADER.FIELDS%20(TO)/;PARTIAL=0.5", true, "a;", "BODY[HEADER.FIELDS (TO)] "},
		{"/INBOX", false, "", ""},
		{"/INBOX/;UID=0", false, "", ""},
		{"/INBOX/;UID=4294967296", false, "", ""},
		{"/INBOX;UIDVALIDITY=x/;UID=1", false, "", ""},
		{"//host/INBOX/;UID=1/;SECTION=1]", false, "", ""},
		{"INBOX/;UID=1", false, "", ""},
		{"/%ff/;UID=1", false, "", ""},
		{"/%00/;UID=1", false, "", ""},
		{"/%zz/;UID=1", false, "", ""},
		{"/x/;UID=1/;SECTION=1]<1.2>", false, "", ""},
		{"/x/;UID=1/;PARTIAL=1.0", false, "", ""},
		{"/đ/;UID=1", false, "", ""},
		{"/" + strings.Repeat("x", maxURL) + "/;UID=1", false, "", ""},
	} {
		u, valid := parseURL(tc.url)
		if valid != tc.valid || valid && (u.mailbox != tc.box || u.item.label != tc.label) {
			t.Errorf("parseURL(%.60q) = %+v, %v", tc.url, u, valid)
		}
	}
}

func FuzzURL(f *testing.F) {
	f.Add("/INBOX;UIDVALIDITY=7/;uid=20/;section=1.5.9.MIME/;PARTIAL=1.2")
	f.Fuzz(func(t *testing.T, s string) {
		if u, valid := parseURL(s); valid && (u.uid == 0 || u.mailbox == "" || u.item.kind != fetchSection || u.item.sets) {
			t.Errorf("%q: %+v", s, u)
		}
	})
}

// FuzzAppend sends arguments of APPEND and REPLACE and then closes: the server must end as well, without trouble of its own.
func FuzzAppend(f *testing.F) {
	f.Add("APPEND INBOX (\\Seen) \" 7-Feb-2026 21:52:25 +0700\" {2+}\r\nab {1+}\r\nc\r\n")
	f.Add("APPEND INBOX CATENATE (TEXT {2+}\r\nab URL {16+}\r\n/INBOX/;UID=1/;S URL \"/INBOX/;UID=1\") UTF8 (~{1+}\r\nx)\r\n")
	f.Add("UID REPLACE 1 INBOX ~{1+}\r\nc\r\n")
	w := newWorld(f, Options{AllowInsecureAuthOnLoopback: true, SessionsPerUser: 1000, AppendLimit: 1000}, nil)
	w.put(w.box("canbo", "INBOX").ID, small, mailstore.Flags{})
	f.Fuzz(func(t *testing.T, s string) {
		c, err := net.Dial("tcp", w.addr)
		check(t, err)
		defer c.Close()
		check(t, c.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = io.WriteString(c, "l LOGIN canbo@x.test "+w.pass["canbo"]+"\r\ns SELECT INBOX\r\na "+s)
		check(t, err)
		check(t, c.(*net.TCPConn).CloseWrite())
		out, err := io.ReadAll(c)
		if err != nil || !strings.Contains(string(out), "s OK") || strings.Contains(string(out), "SERVERBUG") {
			t.Errorf("%q: %q, %v", s, out, err)
		}
	})
}
