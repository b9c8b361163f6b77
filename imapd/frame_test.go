package imapd

import (
	"bytes"
	"io"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"vanthu/internal/wire"
)

// memory is a source that reads from a string and records what was written.
type memory struct {
	in  *strings.Reader
	out bytes.Buffer
}

func (m *memory) ReadLine(max int) ([]byte, error) {
	var b []byte
	for {
		ch, err := m.in.ReadByte()
		if err != nil {
			return nil, io.EOF
		}
		if b = append(b, ch); ch == '\n' {
			return b, nil
		}
		if len(b) >= max {
			return nil, wire.ErrLineTooLong
		}
	}
}

func (m *memory) ReadBlock(p []byte) (int, error)   { return io.ReadFull(m.in, p) }
func (m *memory) WriteString(s string) (int, error) { return m.out.WriteString(s) }
func (m *memory) left() string                      { b, _ := io.ReadAll(m.in); return string(b) }

func TestFramer(t *testing.T) {
	tests := []struct {
		name, in string
		early    bool
		want     string // tag|verb|args, or the refusal
		left     string
	}{
		{"plain", "a NOOP\r\n", false, "a|NOOP|", ""},
		{"bare line feed", "a noop\nrest", false, "a|NOOP|", "rest"},
		{"uid", "a uid fetch 1 UID\r\n", false, "a|UID FETCH| 1 UID", ""},
		{"literals", "a LOGIN {2+}\r\nme {3}\r\np\"w\r\nx", false, `a|LOGIN| "me" "p\"w"`, "x"},
		{"empty literal", "a SELECT {0+}\r\n\r\n", false, `a|SELECT| ""`, ""},
		{"brace in quotes is no literal", "a SELECT \"{5}\"\r\n", false, `a|SELECT| "{5}"`, ""},
		{"brace in the middle", "a CREATE {3+} x\r\n", false, "a|CREATE| {3+} x", ""},
		{"append keeps its message", "a APPEND {5+}\r\nINBOX (\\Seen) {3+}\r\nabc\r\n", false, `a|APPEND| "INBOX" (\Seen) +lit3`, "abc\r\n"},
		{"append literal8", "a APPEND INBOX ~{3}\r\n", false, "a|APPEND| INBOX ~+lit3", ""},
		{"empty", "\r\nx", false, "BAD Empty command", "x"},
		{"lone literal", "{5}\r\nx", false, "BAD Invalid tag", "x"},
		{"lone literal that comes anyway", "{2+}\r\nab\r\nx", false, "BAD Invalid tag", "x"},
		{"plus in the tag", "a+ NOOP\r\n", false, "BAD Invalid tag", ""},
		{"bracket in the tag", "a] NOOP\r\n", false, "BAD Invalid tag", ""},
		{"NUL", "a NOOP \x00\r\n", false, "BAD NUL or CR within a command", ""},
		{"CR within", "a NOOP \rx\r\n", false, "BAD NUL or CR within a command", ""},
		{"unbalanced quotes", "a LIST \"\r\nx", false, "BAD Unbalanced quotes", "x"},
		{"unbalanced with a literal waiting", "a LIST \"{5}\r\nx", false, "BAD Unbalanced quotes", "x"},
		{"unbalanced with a literal coming", "a LIST \"{5+}\r\nx", false, "BYE Unbalanced quotes", "x"},
		{"unknown verb, literal skipped", "a XFOO {3+}\r\nabc more {2+}\r\nde\r\nx", false, "BAD Unknown command", "x"},
		{"unknown verb, literal refused", "a XFOO {3}\r\nx", false, "BAD Unknown command", "x"},
		{"synchronising literal too big", "a SEARCH TEXT {70000}\r\nx", false, "NO Literal too large for this command", "x"},
		{"too big before login", "a LOGIN {5000}\r\nx", true, "NO Literal too large for this command", "x"},
		{"number beyond all bounds", "a LOGIN {99999999999999999999999}\r\nx", true, "NO Literal too large for this command", "x"},
		{"not synchronising and too big", "a SEARCH TEXT {4097+}\r\nx", false, "BYE Non-synchronizing literals are limited to 4096 octets", "x"},
		{"not synchronising beyond all bounds", "a SEARCH TEXT {18446744073709551617+}\r\nx", false, "BYE Non-synchronizing literals are limited to 4096 octets", "x"},
		{"negative size is no literal", "a SELECT {-1}\r\nx", false, "a|SELECT| {-1}", "x"},
		{"line too long", "a " + strings.Repeat("x", maxLine) + "\r\n", false, "BYE Command line too long", ""},
		{"many literals", "a SEARCH" + strings.Repeat(" TEXT {4000+}\r\n"+strings.Repeat("y", 4000), 70) + "\r\n", false, "BYE Non-synchronizing literals are limited to 4096 octets", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &memory{in: strings.NewReader(tt.in)}
			f := framer{in: m, early: tt.early, admit: func(verb string, args []byte) (bool, refusal) {
				if verb == "XFOO" {
					return false, badSyntax("Unknown command")
				}
				return verb == "APPEND" && len(bytes.TrimLeft(args, " ")) > 0, refusal{}
			}}
			cmd, ref, err := f.next()
			if err != nil && tt.name != "many literals" {
				t.Fatal(err)
			}
			if cmd.verb == "XFOO" && !ref.given() {
				ref = badSyntax("Unknown command") // without a literal the caller asks the table
			}
			got := cmd.tag + "|" + cmd.verb + "|" + string(cmd.args.b)
			if cmd.lit != nil {
				got += "+lit" + strconv.FormatInt(cmd.lit.size, 10)
			}
			if ref.bye {
				got = "BYE " + ref.text
			} else if ref.given() {
				got = ref.typ + " " + ref.text
			}
			if got != tt.want {
				t.Errorf("got %.200q, want %q", got, tt.want)
			}
			if left := m.left(); left != tt.left && tt.left != "" {
				t.Errorf("left %.100q, want %q", left, tt.left)
			}
		})
	}
}

// oracle knows nothing of the framer: it says from RFC 9051 and 7888 alone what a line announces.
var literalAtEnd = regexp.MustCompile(`\{([0-9]+)(\+?)\}\r?\n$`)

// desync plays a client that sends arbitrary bytes but obeys RFC 7888: it sends a synchronising literal only when asked to, and
// everything it announced otherwise. It returns why the server fell out of step, "" if it did not.
func desync(c *client, input []byte) string {
	line := func() []byte {
		i := bytes.IndexByte(input, '\n')
		if i < 0 {
			l := append(bytes.Clone(input), "\r\n"...)
			input = nil
			return l
		}
		l := input[:i+1]
		input = input[i+1:]
		return l
	}
	take := func(n int) []byte {
		b := bytes.Repeat([]byte{'x'}, n)
		input = input[copy(b, input):]
		return b
	}
	for n := 0; len(input) > 0; n++ {
		var sent []byte
		answers := 0
		fatal := false
		for more := true; more; {
			more = false
			l := line()
			sent = append(sent, l...)
			c.send(string(l))
			m := literalAtEnd.FindSubmatch(l)
			if m == nil {
				continue
			}
			size, err := strconv.ParseUint(string(m[1]), 10, 63)
			if len(m[2]) > 0 {
				if err != nil || size > 4096 {
					fatal = true
					continue
				}
				c.send(string(take(int(size))))
				more = true
				continue
			}
			s := c.line()
			for strings.HasPrefix(s, "* ") && !strings.HasPrefix(s, "* BAD") && !strings.HasPrefix(s, "* BYE") {
				s = c.line()
			}
			switch {
			case strings.HasPrefix(s, "+"):
				if err != nil || size > 60<<20 {
					return "asked for a literal of " + string(m[1])
				}
				c.send(string(take(int(size))))
				more = true
			case s == "" || strings.HasPrefix(s, "* BYE"):
				return ""
			default:
				answers++
			}
		}
		probe := "zz" + strconv.Itoa(n)
		c.send(probe + " NOOP\r\n")
		for {
			s := c.whole()
			if s == "" {
				return "closed without BYE after " + strconv.Quote(string(sent))
			}
			if strings.HasPrefix(s, "* BYE") {
				return ""
			}
			if strings.HasPrefix(s, "+") { // AUTHENTICATE and IDLE wait for a line, and took our NOOP for it
				n++
				probe = "zz" + strconv.Itoa(n)
				c.send(probe + " NOOP\r\n")
				continue
			}
			if s == probe+" OK NOOP completed" {
				break
			}
			if strings.HasPrefix(s, "* BAD") || !strings.HasPrefix(s, "* ") {
				answers++
			}
		}
		if fatal {
			return "went on after an oversized literal " + strconv.Quote(string(sent[:min(len(sent), 100)]))
		}
		if answers != 1 {
			return strconv.Itoa(answers) + " answers to " + strconv.Quote(string(sent[:min(len(sent), 200)]))
		}
	}
	return ""
}

// hostile are the inputs of imap-engine.md 2.1 and mailservers.md 6.1 that make imapserver run message text as commands, fall out of
// step, or hang.
var hostile = []string{
	"a APPEND INBOX {200000000+}\r\nSubject: CREATE pwned\r\n",
	"a APPEND INBOX {5000+}\r\n" + strings.Repeat("x CREATE pwned\r\n", 400),
	"a APPEND INBOX (\\Foo) {20+}\r\nx CREATE pwned......\r\n",
	"a APPEND INBOX \"31-Feb-2026 00:00:00 +0000\" {16+}\r\nx CREATE pwned\r\n\r\n",
	"a APPEND INBOX WAT {16+}\r\nx CREATE pwned\r\n\r\n",
	"a APPEND nowhere {16+}\r\nx CREATE pwned\r\n\r\n",
	"a APPEND INBOX {3+}\r\nabc junk\r\n",
	"a APPEND INBOX {3+}\r\nabc {16+}\r\nx CREATE pwned\r\n\r\n",
	"a APPEND INBOX {3+}\r\nabc (\\Seen) {5}\r\n",
	"a APPEND INBOX {0}\r\n", "a APPEND INBOX {0+}\r\n\r\n", "a APPEND INBOX {3}\r\nabc\r\n", "a APPEND {5+}\r\nINBOX {3}\r\nabc\r\n",
	"a SEARCH TEXT {5000+}\r\nx CREATE pwned\r\n", "a SEARCH TEXT {4096+}\r\n" + strings.Repeat("x", 4096) + "\r\n",
	"a SEARCH TEXT {70000}\r\n", "a SELECT {6+}\r\nx LOGO\r\n", "a LOGIN {2+}\r\nme {3+}\r\nabc\r\n",
	"a CREATE {3+} \r\n", "a STATUS \"x\r\nb CREATE allowed\r\n", "a XYZ \"a\r\nb CREATE allowed\"\r\n",
	"a NOOP " + strings.Repeat("x", 60000) + "\r\n", "\r\n\r\n", "] NOOP\r\n", "{5}\r\n", "{5+}\r\nabcde\r\n", "a\r\n", "a \r\n", "a UID\r\n",
	"a IDLE\r\nDONE\r\n", "a IDLE\r\nnonsense\r\n", "a IDLE x\r\n", "a AUTHENTICATE PLAIN\r\n*\r\n", "a AUTHENTICATE PLAIN !!!\r\n",
	"a LIST (SUBSCRIBED {3+}\r\nabc) \"\" *\r\n", "a FETCH 1 (BODY[HEADER.FIELDS ({4+}\r\nFrom)])\r\n", "a \x80 \xff {3+}\r\nabc\r\n",
	"a ENABLE {9+}\r\nIMAP4rev2\r\n", "a ID ({4+}\r\nname {1+}\r\nx)\r\n", "a STARTTLS\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}

func TestDefect_FramingStaysInStep(t *testing.T) {
	w := plain(t)
	for _, in := range hostile {
		for _, who := range []string{"", "canbo"} {
			c := w.dial()
			if who != "" {
				c.ok("LOGIN canbo@x.test " + w.pass[who])
				c.ok("SELECT INBOX")
			}
			if why := desync(c, []byte(in)); why != "" {
				t.Errorf("login %q, input %.80q: %s", who, in, why)
			}
			c.c.Close()
		}
	}
	for _, line := range w.login("canbo").ok(`LIST "" *`) {
		if strings.Contains(line, "pwned") {
			t.Errorf("message text was run as a command: %s", line)
		}
	}
}

func TestFramingRandom(t *testing.T) {
	w := plain(t)
	seeds := append([]string{
		"a SELECT INBOX\r\n", "a FETCH 1:* (FLAGS UID BODY.PEEK[HEADER.FIELDS (From To)])\r\n", "a STORE 1 +FLAGS (\\Seen $x)\r\n",
		"a COPY 1 Trash\r\n", "a UID MOVE 1:* Trash\r\n", "a SEARCH RETURN (COUNT) OR FROM x NOT SEEN\r\n", "a STATUS INBOX (MESSAGES)\r\n",
		"a RENAME \"a b\" {3+}\r\nabc\r\n", "a CREATE x (USE (\\Sent))\r\n",
	}, hostile...)
	rnd := rand.New(rand.NewPCG(7, 11))
	n := 1500
	if testing.Short() {
		n = 200
	}
	for range n {
		var in []byte
		for range 1 + rnd.IntN(3) {
			in = append(in, seeds[rnd.IntN(len(seeds))]...)
		}
		if len(in) > 20000 {
			in = in[:20000]
		}
		for range rnd.IntN(4) {
			i := rnd.IntN(len(in))
			switch rnd.IntN(4) {
			case 0:
				in[i] = byte(rnd.IntN(256))
			case 1:
				in = append(in[:i], in[i+1:]...)
			case 2:
				in = append(in[:i], append([]byte{"\"{}+() \\\r\n*%0"[rnd.IntN(13)]}, in[i:]...)...)
			default:
				in[i] = "\"{}+() \\\r\n*%0"[rnd.IntN(13)]
			}
			if len(in) == 0 {
				in = []byte("x")
			}
		}
		c := w.dial()
		if rnd.IntN(4) > 0 {
			c.ok("LOGIN canbo@x.test " + w.pass["canbo"])
		}
		if why := desync(c, bytes.Clone(in)); why != "" {
			t.Fatalf("input %q: %s", in, why)
		}
		c.c.Close()
	}
}

func FuzzFraming(f *testing.F) {
	w := newWorld(f, Options{AllowInsecureAuthOnLoopback: true, SessionsPerUser: 1000, AppendLimit: 64 << 10}, nil)
	for _, in := range hostile {
		if len(in) < 10_000 {
			f.Add(in, true)
			f.Add(in, false)
		}
	}
	f.Fuzz(func(t *testing.T, in string, login bool) {
		if len(in) > 20_000 {
			t.Skip()
		}
		w.t = t
		c := w.dial()
		defer c.c.Close()
		if login {
			c.ok("LOGIN canbo@x.test " + w.pass["canbo"])
		}
		if why := desync(c, []byte(in)); why != "" {
			t.Error(why)
		}
	})
}
