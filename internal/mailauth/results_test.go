package mailauth

import (
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/authres"

	"vanthu/internal/mail"
)

func TestAuthority(t *testing.T) {
	tests := []struct {
		value, want string
		ok          bool
	}{
		{"mail.p.test; none", "mail.p.test", true},
		{"MAIL.P.test 1; dkim=pass", "mail.p.test", true},
		{` (a (nested \) comment)) mail.p.test (x) 1 (y) ; spf=pass`, "mail.p.test", true},
		{"\"mail.p.test\"\r\n ; spf=pass", "mail.p.test", true},
		{`"mail\.p.test"; spf=pass`, "mail.p.test", true},
		{"mail.p.test", "mail.p.test", true},
		{"mail.p.test(c);x=y", "mail.p.test", true},
		{"", "", false},
		{"; dkim=pass", "", false},
		{"mail.p.test dkim=pass", "", false},
		{"(open mail.p.test; dkim=pass", "", false},
		{`"open; dkim=pass`, "", false},
	}
	for _, tt := range tests {
		if got, ok := Authority(tt.value); ok != tt.ok || ok && got != tt.want {
			t.Errorf("Authority(%q) = %q, %v, want %q, %v", tt.value, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzAuthority(f *testing.F) {
	for _, s := range []string{"mail.p.test; none", `(\)) "a\"b" 1;`, "a(", "\"", "x 1 (", "a;b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, ok := Authority(s)
		if ok && (name == "" || name != strings.ToLower(name)) {
			t.Errorf("%q: %q", s, name)
		}
		if _, again := Authority(" " + s); again != ok {
			t.Errorf("%q: a blank before it changes the answer", s)
		}
	})
}

// FuzzResults: whatever strangers put into their fields, ours stays one field
// with the results we gave.
func FuzzResults(f *testing.F) {
	f.Add("p.test", "sel", "rsa-sha256", "AbC=", "mx.x.test")
	f.Add("x\r\nFrom: evil", "\"; dkim=pass", "\\", ")(", "a b")
	f.Fuzz(func(t *testing.T, domain, selector, algorithm, tag, helo string) {
		v := Verdict{
			DKIM: []Signature{{Result: ResultFail, Domain: Domain(domain), Selector: Selector(selector), Algorithm: algorithm, Tag: tag, Reason: tag}},
			SPF:  ResultFail, DMARC: ResultFail, Author: Domain(domain), client: Session{Helo: helo, From: mail.Path{Null: true}},
		}
		field := string(v.AppendResults(nil, "mail.p.test"))
		for line := range strings.SplitAfterSeq(strings.TrimSuffix(field, "\r\n"), "\r\n") {
			if strings.ContainsAny(strings.TrimSuffix(line, "\r\n"), "\r\n\x00") {
				t.Fatalf("a line end inside of %q", line)
			}
			if !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "Authentication-Results: mail.p.test") {
				t.Fatalf("a field of its own: %q", line)
			}
		}
		if strings.Count(field, "=pass")-strings.Count(domain+selector+algorithm+tag+tag+helo+domain, "=pass") > 0 {
			t.Errorf("passes: %q", field)
		}
		if name, ok := Authority(strings.TrimPrefix(field, "Authentication-Results:")); !ok || name != "mail.p.test" {
			t.Errorf("the field names %q", name)
		}
	})
}

// TestResultsRead: the library's reader understands what we write.
func TestResultsRead(t *testing.T) {
	v := Verdict{
		Author: "peer.test", SPF: ResultPass, DMARC: ResultPass, client: session(t, "a@peer.test"),
		DKIM: []Signature{{Result: ResultPass, Domain: "peer.test", Selector: "s", Algorithm: "ed25519-sha256", Tag: "abcd"}},
	}
	field := strings.TrimPrefix(string(v.AppendResults(nil, "mail.p.test")), "Authentication-Results:")
	name, list, err := authres.Parse(strings.ReplaceAll(strings.TrimSpace(field), "\r\n", ""))
	if err != nil || name != "mail.p.test" || len(list) != 3 {
		t.Fatalf("%q: %q %v %v", field, name, list, err)
	}
	if d, ok := list[0].(*authres.DKIMResult); !ok || d.Value != authres.ResultPass || d.Domain != "peer.test" {
		t.Errorf("got %+v", list[0])
	}
}
