package imapd

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"vanthu/internal/mailstore"
)

// Cases of the security programme (design, reliability.md 4.4) that no other test of this package shows; docs/RELIABILITY.md has
// the list of all. Memory is bounded with wide margins, time hardly at all: a machine may be busy.

// flood sends as much of s, n times, as the server takes; it may close at any point.
func (c *client) flood(s string, n int) (ended chan struct{}) {
	c.t.Helper()
	check(c.t, c.c.SetDeadline(time.Now().Add(answerTime)))
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		for range n {
			if _, err := io.WriteString(c.c, s); err != nil {
				return
			}
		}
	}()
	return ended
}

// rest gives what the server says until it closes; a reset of the connection ends it, too.
func (c *client) rest() (lines []string) {
	c.t.Helper()
	for s := c.line(); s != ""; s = c.line() {
		lines = append(lines, s)
	}
	return lines
}

// allocated is what f makes the whole process allocate.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Sizes that no number type of a server holds, or that are none.
var hugeSizes = []string{
	"2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551615",
	"18446744073709551616", "100000000000000000000", "100000000000000000000000",
}

func TestT062_LiteralSizesBeforeLogin(t *testing.T) {
	w := plain(t)
	for _, size := range append(hugeSizes, "-1", "0x10", "1e3", " 5", "+5", "") {
		for _, cmd := range []string{"LOGIN", "APPEND INBOX", "SELECT"} {
			c := w.dial()
			untagged, tagged := c.do(cmd + " {" + size + "}")
			if !strings.HasPrefix(tagged, "BAD") && !strings.HasPrefix(tagged, "NO") && tagged != "closed" {
				t.Errorf("%s {%s}: got %q %q, want it refused", cmd, size, untagged, tagged)
			}
			c.c.Close()
		}
	}
}

func TestT063_LargeLiteralBeforeLogin(t *testing.T) {
	w := plain(t)
	for _, cmd := range []string{"LOGIN", "APPEND INBOX", "NOOP"} {
		c := w.dial()
		block := strings.Repeat(pwned, 1000)
		n := allocated(func() {
			c.send("a " + cmd + " {10485760+}\r\n")
			sent := c.flood(block, 10485760/len(block)+1)
			if got := c.rest(); len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "* BYE") || len(got) > 2 {
				t.Errorf("%s: got %.500q, want BYE at the end", cmd, got)
			}
			c.c.Close()
			<-sent
		})
		if n > 16<<20 {
			t.Errorf("%s: %d octets allocated", cmd, n)
		}
	}
	noPwned(t, w)
}

func TestT067_HugeLiteralsInAppend(t *testing.T) {
	w := plain(t)
	for _, size := range hugeSizes {
		c := w.login("canbo")
		n := allocated(func() {
			for _, cmd := range []string{"APPEND INBOX {", "APPEND INBOX ~{", "APPEND INBOX {1+}\r\nx {", "APPEND INBOX CATENATE (TEXT {"} {
				untagged, tagged := c.do(cmd + size + "}")
				if !strings.HasPrefix(tagged, "NO [TOOBIG]") && !strings.HasPrefix(tagged, "NO [LIMIT]") && !strings.HasPrefix(tagged, "BAD") {
					t.Errorf("%s%s}: got %q %q, want NO", cmd, size, untagged, tagged)
				}
				c.alive()
			}
		})
		if n > 16<<20 {
			t.Errorf("{%s}: %d octets allocated", size, n)
		}
		for _, cmd := range []string{"a APPEND INBOX {", "a APPEND INBOX {1+}\r\nx {"} {
			c := w.login("canbo")
			c.send(cmd + size + "+}\r\n")
			sent := c.flood(pwned, 100)
			if got := c.rest(); len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "* BYE") || len(got) > 2 {
				t.Errorf("%s%s+}: got %.500q, want BYE at the end", cmd, size, got)
			}
			<-sent
			c.c.Close()
		}
		c.c.Close()
	}
	if got := w.box("canbo", "INBOX").Messages; got != 0 {
		t.Errorf("messages = %d, want 0", got)
	}
	noPwned(t, w)
}

// A connection that is cut, reset or half closed anywhere within APPEND stores nothing; a NUL refuses the message, and only it.
func TestT068_T072_AppendCutShort(t *testing.T) {
	w := plain(t)
	for _, tt := range []struct {
		name, send string
		end        func(*net.TCPConn) error
		answer     string // of what is said before the end, when the client can still read
	}{
		{"reset in the literal", "a APPEND INBOX {1000+}\r\nSubject: half", func(c *net.TCPConn) error { return c.SetLinger(0) }, ""},
		{"reset behind the literal", "a APPEND INBOX {12+}\r\nSubject: x\r\n", func(c *net.TCPConn) error { return c.SetLinger(0) }, ""},
		{"half closed in the literal", "a APPEND INBOX {1000+}\r\nSubject: half", (*net.TCPConn).CloseWrite, "closed"},
		{"half closed behind the literal", "a APPEND INBOX {12+}\r\nSubject: x\r\n", (*net.TCPConn).CloseWrite, "closed"},
		{"half closed in the second literal", "a APPEND INBOX {12+}\r\nSubject: x\r\n {1000+}\r\nSubject: half", (*net.TCPConn).CloseWrite, "closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := w.login("canbo")
			c.send(tt.send)
			check(t, tt.end(c.c.(*net.TCPConn)))
			if tt.answer == "" {
				c.c.Close()
			} else if _, got := c.answer("a"); got != tt.answer {
				t.Errorf("got %q, want %s", got, tt.answer)
			}
			d := w.login("canbo")
			d.ok("SELECT INBOX")
			d.ok("NOOP")
			d.c.Close()
		})
	}
	c := w.login("canbo")
	text := "Subject: x\r\n\r\na\x00b\r\n"
	c.refused(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text), text), "NO [CANNOT]")
	c.alive()
	if got := w.box("canbo", "INBOX").Messages; got != 0 {
		t.Errorf("messages = %d, want 0", got)
	}
}

func TestT069_EndlessLine(t *testing.T) {
	w := plain(t)
	block := strings.Repeat("y", 1<<20)
	for _, login := range []bool{false, true} {
		c := w.dial()
		if login {
			c.ok("LOGIN canbo@x.test " + w.pass["canbo"])
		}
		n := allocated(func() {
			c.send("a NOOP ")
			sent := c.flood(block, 100)
			got := c.rest()
			if len(got) == 0 || !strings.Contains(got[0], "BAD [TOOBIG]") || !strings.HasPrefix(got[len(got)-1], "* BYE") {
				t.Errorf("logged in %v: got %.500q, want BAD and BYE", login, got)
			}
			c.c.Close()
			<-sent
		})
		if n > 16<<20 {
			t.Errorf("logged in %v: %d octets allocated", login, n)
		}
	}
	for _, n := range []int{8 << 10, 16 << 10, 64 << 10, 128 << 10, 256 << 10, 1 << 20} {
		c := w.login("canbo")
		c.send("a NOOP ")
		sent := c.flood(strings.Repeat("y", n-len(pwned))+" "+pwned, 1)
		<-sent
		_ = c.c.(*net.TCPConn).CloseWrite() // it may be closed already
		for _, s := range c.rest() {
			if strings.HasPrefix(s, "x ") {
				t.Errorf("line of %d: its tail was a command: %q", n, s)
			}
		}
	}
	noPwned(t, w)
}

// What speaks HTTP is sent away within the bad commands that are allowed before login.
func TestT071_OtherProtocols(t *testing.T) {
	w := plain(t)
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: y\r\nAccept: */*\r\n\r\n", "POST /x HTTP/1.1\r\nContent-Length: 16\r\n\r\n" + pwned + "\r\n\r\n",
		"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", strings.Repeat("a XFOO\r\n", 12),
	} {
		c := w.dial()
		<-c.flood(text, 1)
		got := c.rest()
		if len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "* BYE") || len(got) > 10 {
			t.Errorf("%.20q: got %q, want BYE within 10 lines", text, got)
		}
	}
	noPwned(t, w)
}

// A client that has said all it wants still gets its answer; then both sides are closed.
func TestT072_HalfClosed(t *testing.T) {
	w := plain(t)
	body := "Subject: x\r\n\r\n" + strings.Repeat("0123456789abcde\r\n", 20_000)
	w.put(w.box("canbo", "INBOX").ID, body, mailstore.Flags{})
	for _, cmd := range []string{"FETCH 1 BODY.PEEK[]", "IDLE"} {
		c := w.login("canbo")
		c.ok("SELECT INBOX")
		c.send("a " + cmd + "\r\n")
		check(t, c.c.(*net.TCPConn).CloseWrite())
		untagged, tagged := c.answer("a")
		if cmd == "IDLE" {
			if len(untagged) != 1 || tagged != "+" {
				t.Errorf("%s: got %q %q", cmd, untagged, tagged)
			}
		} else if len(untagged) != 1 || !strings.Contains(untagged[0], body) || !strings.HasPrefix(tagged, "OK") {
			t.Errorf("%s: got %.100q %q, want the whole message", cmd, untagged, tagged)
		}
		for _, s := range c.rest() {
			if !strings.HasPrefix(s, "* BYE") && !strings.HasPrefix(s, "a ") {
				t.Errorf("%s: then %q", cmd, s)
			}
		}
	}
	w.login("canbo").alive()
}

func TestT073_ManyRanges(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 5)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	for _, part := range []string{"1:*,", "*:1,", "2:4,", "5,"} {
		set := strings.Repeat(part, 8000) + "1"
		for _, verb := range []string{"FETCH ", "UID FETCH "} {
			got := c.ok(verb + set + " FLAGS")
			if len(got) > 5 || len(got) < 2 {
				t.Errorf("%s%s × 8,000: %d answers from 5 messages", verb, part, len(got))
			}
		}
		if got := c.ok("UID SEARCH UID " + set); len(got) != 1 || len(got[0]) > 40 {
			t.Errorf("SEARCH %s × 8,000: %.200q", part, got)
		}
	}
	c.alive()
}

func TestT074_DeepSectionsAndManyNames(t *testing.T) {
	w := plain(t)
	w.put(w.box("canbo", "INBOX").ID, "Subject: x\r\n\r\nbody", mailstore.Flags{})
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	for _, item := range []string{
		"BODY.PEEK[" + strings.Repeat("1.", 2999) + "1]", "BODY.PEEK[" + strings.Repeat("1.", 3000) + "TEXT]", "BINARY.PEEK[" + strings.Repeat("1.", 2999) + "1]",
		"BODY.PEEK[0]", "BODY.PEEK[1.0]", "BODY.PEEK[4294967296]", "BODY.PEEK[99999999999999999999]", "BODY.PEEK[2]",
		"BODY.PEEK[HEADER.FIELDS (" + strings.TrimSpace(strings.Repeat("X-A ", 5000)) + ")]", "BODY.PEEK[HEADER.FIELDS ()]",
	} {
		untagged, tagged := c.do("FETCH 1 " + item)
		empty := len(untagged) == 1 && (strings.HasSuffix(untagged[0], "NIL)") || strings.HasSuffix(untagged[0], "{}")) && len(untagged[0]) < 70_000
		if !strings.HasPrefix(tagged, "BAD") && !(strings.HasPrefix(tagged, "OK") && empty) {
			t.Errorf("%.60s: got %.200q %q, want BAD or nothing", item, untagged, tagged)
		}
		c.alive()
	}
	var names []string
	for i := range 5000 {
		names = append(names, "X"+strconv.Itoa(i))
	}
	c.refused("FETCH 1 BODY.PEEK[HEADER.FIELDS ("+strings.Join(names, " ")+")]", "BAD")
	c.alive()
	got := c.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (" + strings.Join(names[:maxHeaderNames-1], " ") + " Subject)]")
	if len(got) != 1 || !strings.HasSuffix(got[0], "{Subject: x\r\n\r\n})") {
		t.Errorf("got %.100q … %q", got, got[len(got)-1][max(0, len(got[len(got)-1])-100):])
	}
}

func TestT076_LongHeaderName(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 3)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	name := strings.Repeat("X", 10<<10)
	for _, keys := range []string{"HEADER " + name + ` ""`, "HEADER " + name + " x", "HEADER " + name + `: ""`, `HEADER "" ""`, "HEADER Subject " + name, "KEYWORD " + name} {
		untagged, tagged := c.do("SEARCH " + keys)
		if strings.HasPrefix(tagged, "OK") && (len(untagged) != 1 || untagged[0] != "* SEARCH") && keys != `HEADER "" ""` || tagged == "closed" {
			t.Errorf("%.30s: got %.200q %q", keys, untagged, tagged)
		}
		c.alive()
	}
}

// The strings of T077; mailstore.TestSearchPlainText shows that each is found where it is.
var queries = []string{
	`' OR 1=1 --`, `'; DROP TABLE message; --`, `" OR "a"="a`, `\' OR 1=1`, `%`, `%%%`, `_`, `a_c`, `*`, `abc*`, `^abc`, `"abc"`,
	`abc AND def`, `abc OR def`, `NOT abc`, `NEAR(abc def, 5)`, `abc NEAR/2 def`, `subject:abc`, `{abc def}: x`, `(abc`, `abc)`, `-abc`,
	`+abc`, `abc + def`, `col : abc`, `[a-z]`, `?`, `\`, `\\`, `$1`, `:name`, `@x`, `/* x */`, `--`, "\t", `' UNION SELECT body FROM message`,
	strings.Repeat("*", 4000), strings.Repeat("(", 3000), `'`, `"`, `;`, `') ; DELETE FROM entry; --`, `sub*`, `AND`, `NEAR`, `{`, `:memory:`,
}

func TestT077_AllQueriesAreText(t *testing.T) {
	w := plain(t)
	for range 3 {
		w.put(w.box("canbo", "INBOX").ID, "Subject: nothing\r\nFrom: nobody\r\n\r\nno more to see\r\n", mailstore.Flags{})
	}
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	for _, text := range queries {
		for _, key := range []string{"BODY", "SUBJECT", "FROM", "TEXT", "HEADER Subject"} {
			got := c.ok(fmt.Sprintf("SEARCH %s {%d+}\r\n%s", key, len(text), text))
			if want := "* SEARCH"; len(got) != 1 || got[0] != want && key != "TEXT" || got[0] == "* SEARCH 1 2 3" && len(text) > 1 {
				t.Errorf("%s %.40q: got %q, want %s", key, text, got, want)
			}
		}
	}
	if got := c.ok("SEARCH SUBJECT nothing"); len(got) != 1 || got[0] != "* SEARCH 1 2 3" {
		t.Errorf("afterwards: %q", got)
	}
}

func TestT078_ImpossibleSearchValues(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 3)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	for _, keys := range []string{"CHARSET X-FOO ALL", "CHARSET UTF-7 TEXT x", "CHARSET ISO-8859-1 TEXT x", "CHARSET KOI8-R ALL"} {
		c.refused("SEARCH "+keys, "NO [BADCHARSET")
		c.alive()
	}
	for _, keys := range []string{
		"CHARSET UTF-8", "CHARSET ALL", "SINCE 31-Feb-2026", "BEFORE 32-Jan-2026", "ON 00-Jan-2026", "ON 1-Foo-2026", "SENTSINCE 29-Feb-2027", "ON 1-Jan-99999", "ON -1-Jan-2026",
		"ON 2026-01-01", "ON 1-Jan-26", "LARGER -1", "SMALLER 18446744073709551616", "LARGER 99999999999999999999999", "LARGER 1.5", "LARGER 0x10", "YOUNGER -5", "OLDER 0",
		"YOUNGER 99999999999999999999", "MODSEQ 9223372036854775808", "MODSEQ -1", "UID 0", "UID -1",
	} {
		c.refused("SEARCH "+keys, "BAD")
		c.alive()
	}
	for _, text := range []string{"\xff\xfe", "\xc3\x28", "\xed\xa0\x80", "\xf5\x80\x80\x80", "abc\xc3"} {
		untagged, tagged := c.do(fmt.Sprintf("SEARCH CHARSET UTF-8 TEXT {%d+}\r\n%s", len(text), text))
		if strings.HasPrefix(tagged, "OK") && (len(untagged) != 1 || untagged[0] != "* SEARCH") || strings.Contains(tagged, "SERVERBUG") || tagged == "closed" {
			t.Errorf("%q: got %q %q, want it refused or not found", text, untagged, tagged)
		}
		c.alive()
	}
}

// Whatever is asked for as a name of a mailbox is refused or is one of this account's plain mailboxes.
func TestT079_MailboxNames(t *testing.T) {
	w := plain(t)
	c, other := w.login("canbo"), w.login("khac")
	before := strings.Join(other.ok(`LIST "" *`), "\n")
	for _, name := range []string{
		`"../x"`, `"../../../../etc/passwd"`, `"a/../b"`, `"/etc/passwd"`, `"/"`, `"//"`, `"./x"`, `"."`, `".."`, `"~"`, `"~root"`, `"~/x"`, `"C:\\x"`, `"\\\\host\\share"`,
		`"&AAA-"`, `"&AA0ACg-"`, `"&AC8-"`, `"&AC4ALgAv-x"`, `"&"`, `"&-"`, `"&Jjo"`, `"&Jjo!-"`, `"&U,BTFw-"`, "{2+}\r\na\x00", "{3+}\r\na\r\n", "{3+}\r\n\xff\xfe\xfd", `"a//b"`, `"a/"`,
		`"` + strings.Repeat("a", 5000) + `"`, `"` + strings.Repeat("a/", 800) + `b"`, `"#shared/x"`, `"%s%n%x"`, `"inbox "`, `"a\rb"`,
	} {
		for _, verb := range []string{"CREATE %", "SELECT %", "EXAMINE %", "SUBSCRIBE %", "STATUS % (MESSAGES UIDNEXT)", "UNSUBSCRIBE %", "DELETE %"} {
			untagged, tagged := c.do(strings.Replace(verb, "%", name, 1))
			if !strings.HasPrefix(tagged, "OK") && !strings.HasPrefix(tagged, "NO") && !strings.HasPrefix(tagged, "BAD") || strings.Contains(tagged, "SERVERBUG") {
				t.Errorf("%s %.40q: got %.200q %q", verb, name, untagged, tagged)
			}
			if strings.HasPrefix(verb, "STATUS") && strings.HasPrefix(tagged, "OK") && (len(untagged) != 1 || !strings.Contains(untagged[0], "(MESSAGES 0 UIDNEXT 1)")) {
				t.Errorf("%s %.40q: %q is no new mailbox", verb, name, untagged)
			}
			if tagged == "closed" {
				t.Fatalf("%s %.40q ended the connection", verb, name)
			}
		}
		c.ok("NOOP") // refusals in a row end a connection
	}
	if after := strings.Join(other.ok(`LIST "" *`), "\n"); after != before {
		t.Errorf("another account sees %q, before %q", after, before)
	}
}

func TestT082_Keywords(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 2)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	for _, list := range []string{
		`(\Recent)`, `(\Foo)`, `\`, `(\)`, "(a", "a)", "((a))", "(a  b)", `("a")`, "()x", "(a\x01)", "(%)", "(*)", "{2+}\r\n(a", "(" + strings.Repeat("k", 9<<10) + ")", strings.Repeat("k", 65),
	} {
		if _, tagged := c.do("STORE 1 +FLAGS " + list); !strings.HasPrefix(tagged, "NO") && !strings.HasPrefix(tagged, "BAD") {
			t.Errorf("+FLAGS %.40q: got %q, want it refused", list, tagged)
		}
		c.alive()
	}
	var names []string
	for i := range 5000 {
		names = append(names, "$k"+strconv.Itoa(i))
	}
	c.refused("STORE 1 +FLAGS ("+strings.Join(names, " ")+")", "BAD")
	stored := 0
	for i := 0; i < len(names); i += 50 {
		_, tagged := c.do("STORE 1:2 +FLAGS.SILENT (" + strings.Join(names[i:i+50], " ") + ")")
		switch {
		case strings.HasPrefix(tagged, "OK"):
			stored += 50
		case !strings.HasPrefix(tagged, "NO [LIMIT]"):
			t.Fatalf("keywords from %d: %q", i, tagged)
		}
	}
	for ; stored < 1000; stored++ { // what room is left takes one by one
		if _, tagged := c.do(fmt.Sprintf("STORE 1 +FLAGS.SILENT ($z%d)", stored)); strings.HasPrefix(tagged, "NO [LIMIT]") {
			break
		} else if !strings.HasPrefix(tagged, "OK") {
			t.Fatalf("keyword %d: %q", stored, tagged)
		}
	}
	if stored > mailstore.MaxKeywords || stored < mailstore.MaxKeywords/2 {
		t.Errorf("%d keywords stored, want at most %d", stored, mailstore.MaxKeywords)
	}
	for _, s := range append(c.ok("SELECT INBOX"), c.ok("FETCH 1 FLAGS")...) {
		if len(s) > 64<<10 {
			t.Errorf("a line of %d octets", len(s))
		}
	}
	c.refused("STORE 1 +FLAGS ($another)", "NO [LIMIT]")
	c.ok(`STORE 1 +FLAGS (\Flagged)`)
}

func TestT084_BadArguments(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 1)
	c := w.login("canbo")
	c.ok("CREATE a")
	c.ok("SELECT INBOX")
	literal := " {12+}\r\nSubject: x\r\n"
	for cmd, want := range map[string]string{
		`APPEND INBOX "31-Feb-2026 00:00:00 +0000"` + literal: "BAD",
		`APPEND INBOX "01-Jan-2026 25:00:00 +0000"` + literal: "BAD",
		`APPEND INBOX "01-Jan-2026 00:00:00 +9999"` + literal: "BAD",
		`APPEND INBOX "01-Jan-2026"` + literal:                "BAD",
		`APPEND INBOX ""` + literal:                           "BAD",
		`APPEND INBOX (\Foo)` + literal:                       "BAD",
		`APPEND INBOX (\Recent)` + literal:                    "BAD",
		`APPEND INBOX (a` + literal:                           "BAD",
		`APPEND INBOX ((a))` + literal:                        "BAD",
		`APPEND nowhere` + literal:                            "NO [TRYCREATE]",
		`APPEND "../x"` + literal:                             "NO",
		`APPEND ""` + literal:                                 "NO",
		"APPEND INBOX":                                        "BAD",
		"COPY 1 nowhere":                                      "NO [TRYCREATE]", "MOVE 1 nowhere": "NO [TRYCREATE]", "UID COPY 1 nowhere": "NO [TRYCREATE]", "UID MOVE 1 nowhere": "NO [TRYCREATE]",
		"COPY 2 a": "BAD", "MOVE 0 a": "BAD", `COPY 1 "../x"`: "NO", `COPY 1 ""`: "NO",
		"RENAME a INBOX": "NO", "RENAME a inbox": "NO", "RENAME nowhere b": "NO [NONEXISTENT]", "RENAME a a/b": "NO", "RENAME a Trash": "NO [ALREADYEXISTS]", `RENAME a ""`: "NO",
		"DELETE INBOX": "NO", "DELETE inbox": "NO", "DELETE nowhere": "NO [NONEXISTENT]", "CREATE INBOX": "NO", "CREATE a": "NO [ALREADYEXISTS]",
	} {
		c.refused(cmd, want)
		c.alive()
	}
	if got := w.box("canbo", "INBOX").Messages; got != 1 {
		t.Errorf("messages = %d, want 1", got)
	}
	w.box("canbo", "a")
}

// Clients that ask for much and take nothing cost the memory of what is under way, not of what they asked for; wire cuts them off
// after their time (TestPeerThatDoesNotReadIsCut there).
func TestT085_SlowReadersCostLittle(t *testing.T) {
	w := plain(t)
	w.put(w.box("canbo", "INBOX").ID, "Subject: big\r\n\r\n"+strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1<<20/72), mailstore.Flags{})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	before := heap()
	for range 8 {
		slow := w.login("canbo")
		slow.ok("SELECT INBOX")
		slow.send(strings.Repeat("s FETCH 1 BODY.PEEK[]\r\n", 200))
	}
	for range 20 { // each answer comes while they wait
		if got := c.ok("FETCH 1 BODY.PEEK[]"); len(got) != 1 || len(got[0]) < 1<<20-100 {
			t.Errorf("%d answers", len(got))
		}
	}
	if after := heap(); after > before+64<<20 {
		t.Errorf("heap grew from %d to %d beside 1,600 answers of 1 MiB that nobody takes", before, after)
	}
	c.alive()
}

func TestT086_PipelinedNoops(t *testing.T) {
	c := plain(t).login("canbo")
	const n = 20_000
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "n%d NOOP\r\n", i)
	}
	sent := c.flood(b.String(), 1)
	for i := range n {
		if got, want := c.line(), fmt.Sprintf("n%d OK NOOP completed", i); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	<-sent
	c.alive()
}
