package smtpd

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"vanthu/internal/fault"
)

// TestReplyForEveryKind covers every kind in every phase, bare, wrapped, and without a kind.
func TestReplyForEveryKind(t *testing.T) {
	want := map[fault.Kind][4]string{ // AUTH, MAIL, RCPT, DATA
		fault.Temporary: {"454 4.7.0", "451 4.3.0", "451 4.3.0", "451 4.3.0"},
		fault.Invalid:   {"501 5.5.2", "501 5.1.7", "501 5.1.3", "554 5.6.0"},
		fault.NotFound:  {"535 5.7.8", "550 5.1.0", "550 5.1.1", "550 5.1.1"},
		fault.Conflict:  {"454 4.7.0", "450 4.5.0", "450 4.5.0", "554 5.4.6"},
		fault.Denied:    {"535 5.7.8", "553 5.7.1", "550 5.7.1", "550 5.7.1"},
		fault.Exhausted: {"454 4.7.0", "452 4.3.1", "452 4.2.2", "452 4.3.1"},
	}
	for k := fault.Temporary; !strings.HasPrefix(k.String(), "kind "); k++ {
		codes, ok := want[k]
		if !ok {
			t.Errorf("kind %v has no line in this table", k)
		}
		for p := phaseAuth; p <= phaseData; p++ {
			cause := errors.New("secret cause")
			err := fault.Wrap(k, cause, fault.Text{EN: "a sentence", VI: "một câu"})
			for _, e := range []error{err, fmt.Errorf("while testing: %w", err)} {
				if got := line(reply(p, e, false)); got != codes[p]+" a sentence\r\n" {
					t.Errorf("%v at %v: got %q, want %s", k, p, got, codes[p])
				}
			}
			if got := line(reply(p, err, true)); got != codes[p]+" a sentence / một câu\r\n" {
				t.Errorf("%v at %v with SMTPUTF8: got %q", k, p, got)
			}
		}
	}
	for p, code := range [4]string{"454 4.7.0", "451 4.3.0", "451 4.3.0", "451 4.3.0"} {
		got := line(reply(phase(p), errors.New("open /secret"), false))
		if !strings.HasPrefix(got, code) || strings.Contains(got, "secret") {
			t.Errorf("no kind at %v: %q", phase(p), got)
		}
	}
}

func TestReplyTextIsOneCleanLine(t *testing.T) {
	err := fault.New(fault.Invalid, fault.Text{
		EN: "bad\r\n250 Ok\x00\x1b[31m đ " + strings.Repeat("x", 600), VI: strings.Repeat("ữ", 600),
	})
	for _, utf8 := range []bool{false, true} {
		got := line(reply(phaseData, err, utf8))
		if len(got) > 512 || strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\x00\x1b") {
			t.Errorf("utf8=%v: %d octets: %q", utf8, len(got), got)
		}
		if !strings.HasPrefix(got, "554 5.6.0 bad  250 Ok[31m ? xxx") {
			t.Errorf("utf8=%v: %q", utf8, got)
		}
	}
	long := line(reply(phaseData, fault.New(fault.Invalid, fault.Text{EN: "x", VI: strings.Repeat("ữ", 600)}), true))
	if len(long) > 512 || strings.ContainsRune(long, '\ufffd') {
		t.Errorf("cut within a letter: %q", long[len(long)-10:])
	}
}

// TestFixedReplies reads the constants of reply.go: form, length, and that the enhanced code's class is the code's.
func TestFixedReplies(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reply.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^([245])\d\d ([245])\.\d{1,3}\.\d{1,3} [ -~]+\r\n$`)
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		lit, ok := node.(*ast.BasicLit)
		if !ok || !strings.HasSuffix(lit.Value, `\r\n"`) || lit.Value == `"\r\n"` {
			return true
		}
		s, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		n++
		if strings.HasPrefix(s, "354 ") {
			return true // RFC 2034, section 4: no enhanced code
		}
		m := form.FindStringSubmatch(s)
		if m == nil || m[1] != m[2] || len(s) > 512 {
			t.Errorf("bad reply %q", s)
			return true
		}
		if got := line(smtpError(s)); got != s {
			t.Errorf("smtpError(%q) gives %q", s, got)
		}
		return true
	})
	if n < 40 {
		t.Errorf("found %d replies", n)
	}
}
