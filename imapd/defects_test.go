package imapd

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"vanthu/internal/mailstore"
)

// The defects of imapserver, go-message and their helpers, each with a test that fails without its fence. "Q" numbers are those of
// mailservers.md 6.1, "I" those of reliability.md 5.2, "M" those of reliability.md 5.3. Framing (I1, I2, I4, Q1, Q2, Q5) has its own
// oracle in frame_test.go, the tracker (I19, Q17) in stress_test.go, patterns and sets (I7, I8) in syntax_test.go.

const pwned = "x CREATE pwned\r\n"

// noPwned checks that no message text became a command.
func noPwned(t *testing.T, w *world) {
	t.Helper()
	if _, err := w.store.Lookup(t.Context(), mailstore.Owner{Account: w.ids["canbo"]}, "pwned"); err == nil {
		t.Error("message text was run as a command")
	}
}

func TestDefect_I1_RefusedLiteralIsSkipped(t *testing.T) {
	w := plain(t)
	for _, verb := range []string{"SELECT", "SEARCH TEXT", "CREATE", "STATUS", "LOGIN", "XFOO", "UNSUBSCRIBE"} {
		c := w.login("canbo")
		c.send("a " + verb + " {5000+}\r\n" + strings.Repeat(pwned, 350))
		var last string
		for s := c.line(); s != ""; s = c.line() {
			last = s
		}
		if !strings.HasPrefix(last, "* BYE") {
			t.Errorf("%s: last line %q, want BYE", verb, last)
		}
		c = w.login("canbo")
		c.send("a " + verb + fmt.Sprintf(" {%d+}\r\n", 3*len(pwned)) + strings.Repeat(pwned, 3) + "\r\n")
		if _, tagged := c.answer("a"); strings.HasPrefix(tagged, "+") {
			t.Errorf("%s: %q", verb, tagged)
		}
		c.alive()
	}
	noPwned(t, w)
}

func TestDefect_I2_RefusedAppendIsSkipped(t *testing.T) {
	w := plain(t)
	n := fmt.Sprintf("{%d+}\r\n", 3*len(pwned))
	for _, args := range []string{"nowhere ", `INBOX (\Foo) `, `INBOX "32-Jan-2026 00:00:00 +0000" `, "INBOX WAT ", "a&b ", `"* " `} {
		c := w.login("canbo")
		c.send("a APPEND " + args + n + strings.Repeat(pwned, 3) + "\r\n")
		if _, tagged := c.answer("a"); strings.HasPrefix(tagged, "OK") {
			t.Errorf("%s: %q", args, tagged)
		}
		c.alive()
	}
	c := w.login("canbo")
	c.send("a APPEND INBOX {200000000+}\r\n" + strings.Repeat(pwned, 3))
	untagged, tagged := c.answer("a")
	if !strings.HasPrefix(tagged, "BAD [TOOBIG]") || len(untagged) > 0 {
		t.Errorf("got %q %q", untagged, tagged)
	}
	if got := c.line(); !strings.HasPrefix(got, "* BYE") {
		t.Errorf("got %q, want BYE", got)
	}
	noPwned(t, w)
}

func TestDefect_I3_BigSynchronisingLiteralIsAnsweredAtOnce(t *testing.T) {
	c := plain(t).login("canbo")
	c.ok("SELECT INBOX")
	c.refused("SEARCH TEXT {70000}", "NO [TOOBIG]")
	if untagged, tagged := c.do("SEARCH TEXT {5000}"); tagged != "+" {
		t.Errorf("got %q %q, want to be asked for the literal", untagged, tagged)
	}
	c.send(strings.Repeat("x", 5000) + "\r\n")
	if _, tagged := c.answer("t4"); !strings.HasPrefix(tagged, "OK") && !strings.HasPrefix(tagged, "NO") {
		t.Errorf("got %q", tagged)
	}
	c.alive()
}

func TestDefect_I3_ExamineThenClose(t *testing.T) {
	w := plain(t)
	id := w.box("canbo", "INBOX").ID
	w.fill(id, 3)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	c.ok(`STORE 1 +FLAGS (\Deleted)`)
	c.ok("EXAMINE INBOX")
	c.ok("CLOSE")
	if got := w.box("canbo", "INBOX").Messages; got != 3 {
		t.Errorf("messages after EXAMINE and CLOSE = %d, want 3", got)
	}
	c.ok("SELECT INBOX")
	c.ok("CLOSE")
	if got := w.box("canbo", "INBOX").Messages; got != 2 {
		t.Errorf("messages after SELECT and CLOSE = %d, want 2", got)
	}
}

func TestDefect_I13_ExamineIsReadOnly(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 2)
	c := w.login("canbo")
	got := c.ok("EXAMINE INBOX")
	if all := strings.Join(got, "\n"); !strings.Contains(all, "[PERMANENTFLAGS ()]") {
		t.Errorf("EXAMINE: %q", got)
	}
	for _, cmd := range []string{`STORE 1 +FLAGS (\Seen)`, `UID STORE 1 FLAGS ()`, "EXPUNGE", "UID EXPUNGE 1", "MOVE 1 Trash", "UID MOVE 1 Trash"} {
		c.refused(cmd, "NO [READ-ONLY]")
	}
	c.ok("FETCH 1 BODY[]")
	if got := c.ok("FETCH 1 FLAGS"); len(got) != 1 || got[0] != "* 1 FETCH (FLAGS ())" {
		t.Errorf("BODY[] after EXAMINE set flags: %q", got)
	}
	c.ok("COPY 1 Trash")
}

func TestDefect_I4_LongLineIsNeverACommand(t *testing.T) {
	w := plain(t)
	for _, n := range []int{60_000, 70_000, 1_000_000} {
		c := w.login("canbo")
		c.send("a NOOP " + strings.Repeat("y", n))
		c.send(" " + pwned)
		first := c.line()
		if !strings.HasPrefix(first, "a BAD") && !strings.HasPrefix(first, "* BAD") {
			t.Errorf("%d: got %q", n, first)
		}
	}
	noPwned(t, w)
}

func TestDefect_I5_CutAppendStoresNothing(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	if _, tagged := c.do("APPEND INBOX {1000}"); tagged != "+" {
		t.Fatalf("got %q", tagged)
	}
	c.send("Subject: half")
	c.c.Close()
	d := w.login("canbo")
	d.ok("SELECT INBOX")
	d.ok("NOOP")
	if got := w.box("canbo", "INBOX").Messages; got != 0 {
		t.Errorf("messages = %d, want 0", got)
	}
}

func TestDefect_I6_OctetsBehindAppendAreAnswered(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	for _, tail := range []string{" junk", ")", " (\\Recent) {3+}\r\nabc", " x {16+}\r\n" + pwned, "{5}"} {
		c.refused("APPEND INBOX {12+}\r\nSubject: x\r\n"+tail, "BAD")
		c.alive()
	}
	if got := w.box("canbo", "INBOX").Messages; got != 0 {
		t.Errorf("messages = %d, want 0", got)
	}
	noPwned(t, w)
}

func TestDefect_I7_ListWithStars(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	for i := range 20 {
		c.ok("CREATE " + strings.Repeat("a", 120) + fmt.Sprint(i))
	}
	begin := time.Now()
	c.ok(`LIST "" ` + strings.Repeat("*a", 20) + "b")
	c.refused(`LIST "" `+strings.Repeat("*a", 4000), "BAD")
	if d := time.Since(begin); d > time.Minute {
		t.Errorf("LIST took %v", d)
	}
}

func TestDefect_I8_HugeSets(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 3)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	begin := time.Now()
	if got := c.ok("UID FETCH 1:4294967295,5:*,1:4294967294 FLAGS"); len(got) != 3 {
		t.Errorf("got %d answers, want 3", len(got))
	}
	c.ok("UID STORE 1:4294967295 +FLAGS.SILENT ($x)")
	c.ok("UID SEARCH UID 1:4294967295")
	c.ok("UID COPY 1:4294967295 Trash")
	c.ok("UID EXPUNGE 1:4294967295")
	for _, set := range []string{"0", "-1", "4294967296", "10000000000000000000000", "1:2:3", "1:*:*", "4", "1:4", "1,"} {
		c.refused("FETCH "+set+" FLAGS", "BAD")
	}
	if d := time.Since(begin); d > time.Minute {
		t.Errorf("took %v", d)
	}
}

func TestDefect_I9_PartialOverflow(t *testing.T) {
	w := plain(t)
	w.put(w.box("canbo", "INBOX").ID, "Subject: x\r\n\r\nbody", mailstore.Flags{})
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	for part, want := range map[string]string{
		"<1.9223372036854775807>":                   "BODY[]<1> {ubject: x\r\n\r\nbody}",
		"<9223372036854775807.9223372036854775807>": "BODY[]<9223372036854775807> {}",
		"<17.5>": "BODY[]<17> {y}",
	} {
		if got := c.ok("FETCH 1 BODY.PEEK[]" + part); len(got) != 1 || got[0] != "* 1 FETCH ("+want+")" {
			t.Errorf("%s: got %q, want %q", part, got, want)
		}
	}
	c.refused("FETCH 1 BODY[]<1.9223372036854775808>", "BAD")
	c.refused("FETCH 1 BODY[]<-1.5>", "BAD")
	c.alive()
}

// poison are messages on which go-message or the Extract helpers fail (I10, I11, I12, Q11, Q13, Q15, M1 to M4).
func poison() map[string]string {
	deep := "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n"
	nested := ""
	for i := range 300 {
		nested += fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	return map[string]string{
		"I10 multipart without parts": "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nno parts here\r\n",
		"I11 deep message/rfc822":     strings.Repeat(deep, 3000) + "Subject: in\r\n\r\nx\r\n",
		"I11 deep multiparts":         nested + "\r\nx\r\n",
		"I12 malformed header line":   "Subject: x\r\nX Foo: bar\r\n>From me\r\nTo: a@x.test\r\n\r\nbody\r\n",
		"Q11 CR CR LF":                "Subject: x\r\r\nTo: a@x.test\r\n\r\nbody\r\n",
		"Q12 bare line feeds":         "Subject: x\nTo: a@x.test\n\nbody\nmore\n",
		"Q13 odd addresses":           "From: a@x.test; b\r\nTo: undisclosed-recipients:;\r\nMessage-ID: no-brackets\r\nSubject: \xb9\xab\xce\xc4\r\n\r\nx\r\n",
		"M1 many tiny fields":         strings.Repeat("a:b\r\n", 20_000) + "\r\nx\r\n",
		"M3 comments in References":   "References: " + strings.Repeat("(", 100_000) + "\r\n\r\nx\r\n",
		"M4 long separator line":      "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("p", 9000) + "\r\n--b\r\nContent-Type: text/plain\r\n\r\nin\r\n--b--\r\n",
		"M7 two Content-Types":        "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx\r\n",
		"no header at all":            "\r\nbody\r\n",
	}
}

// What was stored is what is served, octet by octet, and every client can look at every message.
func TestDefect_I10_I11_I12_PoisonMailIsServed(t *testing.T) {
	w := plain(t)
	id := w.box("canbo", "INBOX").ID
	for name, text := range poison() {
		t.Run(name, func(t *testing.T) {
			uid := w.put(id, text, mailstore.Flags{})
			c := w.login("canbo")
			defer c.c.Close()
			c.ok("SELECT INBOX")
			begin := time.Now()
			got := c.ok(fmt.Sprintf("UID FETCH %d (RFC822.SIZE BODY.PEEK[])", uid))
			if len(got) != 1 || !strings.Contains(got[0], fmt.Sprintf("RFC822.SIZE %d BODY[] {%s}", len(text), text)) {
				t.Errorf("BODY[] is not what was stored: %.200q", got)
			}
			head := c.ok(fmt.Sprintf("UID FETCH %d BODY.PEEK[HEADER]", uid))
			rest := c.ok(fmt.Sprintf("UID FETCH %d BODY.PEEK[TEXT]", uid))
			cut := func(list []string) string {
				_, s, _ := strings.Cut(strings.Join(list, ""), "{")
				return strings.TrimSuffix(s, "})")
			}
			if cut(head)+cut(rest) != text {
				t.Errorf("HEADER and TEXT together are not the message: %.100q + %.100q", cut(head), cut(rest))
			}
			all := c.ok(fmt.Sprintf("UID FETCH %d (ENVELOPE BODYSTRUCTURE BODY)", uid))
			if len(all) != 1 || !strings.Contains(all[0], " ENVELOPE (") || strings.Contains(all[0], "BODYSTRUCTURE ()") {
				t.Errorf("structure: %.200q", all)
			}
			c.ok("UID SEARCH TEXT nonsense")
			c.alive()
			if d := time.Since(begin); d > time.Minute {
				t.Errorf("took %v", d)
			}
		})
	}
}

func TestDefect_I14_FailuresAreCounted(t *testing.T) {
	w := plain(t)
	for _, cmd := range []string{"LOGIN canbo@x.test wrong", "AUTHENTICATE PLAIN AGNhbmJvQHgudGVzdAB3cm9uZw=="} {
		c := w.dial()
		for range maxFailures {
			c.refused(cmd, "NO [AUTHENTICATIONFAILED]")
		}
		if got := c.line(); !strings.HasPrefix(got, "* BYE") {
			t.Errorf("%s: got %q, want BYE", cmd, got)
		}
		if got := c.line(); got != "" {
			t.Errorf("%s: connection goes on: %q", cmd, got)
		}
	}
}

func TestDefect_I15_MailboxNames(t *testing.T) {
	c := plain(t).login("canbo")
	for _, name := range []string{
		`"../x"`, `"a/../b"`, `"&AAA-"`, `"&AA0ACg-"`, "{2+}\r\na\x00", "{3+}\r\na\r\n", `"` + strings.Repeat("a", 5000) + `"`, `"` + strings.Repeat("a/", 800) + `b"`,
		`"a*"`, `"a%"`, `"#news"`, `""`, `"&"`, `"a//b"`,
	} {
		for _, verb := range []string{"CREATE", "SELECT", "SUBSCRIBE", "DELETE"} {
			if _, tagged := c.do(verb + " " + name); strings.HasPrefix(tagged, "OK") {
				t.Errorf("%s %.40q: %s", verb, name, tagged)
			}
		}
		c.alive()
	}
}

func TestDefect_I16_SyntaxIsBad(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	for _, cmd := range []string{
		"FETCH x FLAGS", "SEARCH SINCE 99-Foo-2026", "SEARCH LARGER x", "SEARCH YOUNGER 5 NONSENSE", "SEARCH", "STORE 1 FLAGS", "COPY 1", "STATUS INBOX (NONSENSE)",
		"SELECT INBOX (NONSENSE)", "LIST x", "UID", "UID NOOP", "FETCH 1 (NONSENSE)", "SEARCH OR ALL", "SEARCH ((ALL)", "CREATE", "RENAME x", "NOOP x", "ENABLE", "ID x",
	} {
		c.refused(cmd, "BAD")
		c.alive()
	}
	c.send("\r\n")
	if got := c.line(); !strings.HasPrefix(got, "* BAD") {
		t.Errorf("empty line: %q", got)
	}
	for _, done := range []string{"done", "Done", "DONE"} {
		if _, tagged := c.do("IDLE"); tagged != "+" {
			t.Fatalf("IDLE: %q", tagged)
		}
		c.send(done + "\r\n")
		if _, tagged := c.answer("t" + fmt.Sprint(c.seq)); !strings.HasPrefix(tagged, "OK") {
			t.Errorf("%s: %q", done, tagged)
		}
	}
	c.do("IDLE")
	c.send("rubbish\r\n")
	if _, tagged := c.answer("t" + fmt.Sprint(c.seq)); !strings.HasPrefix(tagged, "BAD") {
		t.Errorf("rubbish instead of DONE: %q", tagged)
	}
	c.alive()
}

func TestDefect_I18_NoAppendBeforeLogin(t *testing.T) {
	w := plain(t)
	c := w.dial()
	c.refused("APPEND INBOX {100000000}", "BAD")
	c.refused("SELECT INBOX", "BAD")
	untagged, tagged := c.do("FETCH 1 FLAGS")
	if !strings.HasPrefix(tagged, "BAD") {
		t.Errorf("got %q %q", untagged, tagged)
	}
	if got := c.line(); !strings.HasPrefix(got, "* BYE") {
		t.Errorf("after three bad commands: %q, want BYE", got)
	}
}

// I20: a client that does not read holds up nobody else.
func TestDefect_I20_SlowReaderBlocksNobody(t *testing.T) {
	w := plain(t)
	id := w.box("canbo", "INBOX").ID
	w.put(id, "Subject: big\r\n\r\n"+strings.Repeat(strings.Repeat("x", 70)+"\r\n", 60_000), mailstore.Flags{})
	for range 4 {
		slow := w.login("canbo")
		slow.ok("SELECT INBOX")
		slow.send(strings.Repeat("s FETCH 1 BODY.PEEK[]\r\n", 20))
	}
	c := w.login("canbo")
	begin := time.Now()
	c.ok("SELECT INBOX")
	c.ok(`STORE 1 +FLAGS (\Flagged)`)
	c.ok("APPEND INBOX {12+}\r\nSubject: x\r\n")
	c.ok("FETCH 1:* FLAGS")
	if d := time.Since(begin); d > time.Minute {
		t.Errorf("took %v beside slow readers", d)
	}
}

// I21: a panic in one command ends neither the connection nor others.
func TestDefect_I21_PanicIsAnswered(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	w.be.Store = new(mailstore.Store) // its every use panics from here on
	c.refused("SELECT INBOX", "NO [SERVERBUG]")
	c.refused("STATUS INBOX (MESSAGES)", "NO [SERVERBUG]")
	c.alive()
}

func TestDefect_Q6_AmpersandInNames(t *testing.T) {
	c := plain(t).login("canbo")
	c.ok(`CREATE "R&-D"`)
	c.ok("ENABLE UTF8=ACCEPT")
	c.ok(`STATUS "R&D" (MESSAGES)`)
	c.ok(`CREATE "Công văn & tờ trình"`)
	got := strings.Join(c.ok(`LIST "" "*&*"`), "\n")
	for _, want := range []string{`"/" R&D`, `"/" "Công văn & tờ trình"`} {
		if !strings.Contains(got, want) {
			t.Errorf("LIST: %q lacks %q", got, want)
		}
	}
	c.ok(`SELECT "R&D"`)
	c.ok(`RENAME "Công văn & tờ trình" "R&D/con"`)
	c.ok(`DELETE "R&D/con"`)
}

func TestDefect_Q8_SmallerSurvivesOtherKeys(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 2)
	c := w.login("canbo")
	c.ok("SELECT INBOX")
	for cmd, want := range map[string]string{
		"SEARCH SMALLER 1 SINCE 1-Jan-2000": "* SEARCH", "SEARCH SMALLER 0": "* SEARCH", "SEARCH SMALLER 100000 LARGER 10": "* SEARCH 1 2",
		"SEARCH NOT SMALLER 1": "* SEARCH 1 2", "SEARCH RETURN () ALL": `* ESEARCH (TAG "t7") ALL 1:2`,
	} {
		got := c.ok(cmd)
		if strings.Contains(want, "TAG") {
			want = strings.Replace(want, "t7", "t"+fmt.Sprint(c.seq), 1)
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", cmd, got, want)
		}
	}
}

// Q10: an answer of many lines is few writes; counted in bytes per read on the client's side it cannot be, so the connection is.
func TestDefect_Q10_AnswersAreCollected(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 2000)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	counted := &countingListener{Listener: l}
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Serve(context.Background(), counted, false) }()
	t.Cleanup(func() { l.Close(); <-done })
	conn, err := net.Dial("tcp", l.Addr().String())
	check(t, err)
	c := w.client(conn)
	c.ok("LOGIN canbo@x.test " + w.pass["canbo"])
	c.ok("SELECT INBOX")
	before := counted.writes.Load()
	if got := c.ok("FETCH 1:* (UID FLAGS)"); len(got) != 2000 {
		t.Fatalf("%d lines", len(got))
	}
	if n := counted.writes.Load() - before; n > 4 {
		t.Errorf("%d writes for 2,000 lines", n)
	}
}
