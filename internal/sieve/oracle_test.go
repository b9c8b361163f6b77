package sieve_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"vanthu/internal/mail"
	"vanthu/internal/sieve"
)

// messages that the cases look at.
var messages = map[string]string{
	"plain": `From: "Van thu, So" (a comment) <Van.Thu+vb@SoYTe.Dienbien.test>
To: ubnd@dienbien.test (so (nested) y te), Group: a@x.test, "quo\"ted"@x.test;, b@y.test
Cc: <c@x.test>
Sender: thu-ky@soyte.dienbien.test
Reply-To: "Tra loi" <tra-loi@soyte.dienbien.test>
Subject: [Bao cao] xxabcabc so 0123 *star* \back
X-Number: 42
X-Number: 7
X-Empty:
X-Long: one
 two
	three
X-Spaces:    around   ` + `
Message-ID: <1@x.test>
Date: Tue, 24 Nov 2026 09:00:00 +0700

Kinh gui UBND tinh,
bao cao quy III.
`,
	"viet": `From: =?utf-8?b?U+G7nyBZIHThur8=?= <soyte@dienbien.test>
To: me@x.test
Subject: =?utf-8?q?V=C4=83n_b=E1=BA=A3n_kh=E1=BA=A9n?=
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

VsSDbiBi4bqjbg==
`,
}

// tests are tests that one message either passes or not: what we say and what
// Pigeonhole says must both be want.
var tests = []struct {
	name, message, test string
	want                bool
}{
	{"true", "plain", `true`, true},
	{"false", "plain", `false`, false},
	{"not", "plain", `not false`, true},
	{"not not", "plain", `not not true`, true},
	{"allof", "plain", `allof (true, not false, true)`, true},
	{"allof fails", "plain", `allof (true, false)`, false},
	{"anyof", "plain", `anyof (false, allof (true, true))`, true},
	{"anyof fails", "plain", `anyof (false, not true)`, false},
	{"comments anywhere", "plain", "allof /* a */ ( # b\n true /* c\n d */ , true )", true},

	{"header is", "plain", `header "sender" "thu-ky@soyte.dienbien.test"`, true},
	{"header is in other case", "plain", `header :is "SENDER" "THU-KY@soyte.dienbien.test"`, true},
	{"header is with octets", "plain", `header :is :comparator "i;octet" "sender" "THU-KY@soyte.dienbien.test"`, false},
	{"header contains", "plain", `header :contains "subject" "BAO CAO"`, true},
	{"header contains nothing", "plain", `header :contains "x-empty" ""`, true},
	{"header that is missing", "plain", `header :contains "x-none" ""`, false},
	{"one of several fields", "plain", `header :is "x-number" "7"`, true},
	{"lists of both", "plain", `header :is ["x-none", "x-number"] ["1", "42"]`, true},
	{"unfolded", "plain", `header :is "x-long" "one two three"`, true},
	{"blanks around a value", "plain", `header :is "x-spaces" "around"`, true},
	{"decoded", "viet", `header :is "subject" "Văn bản khẩn"`, true},
	{"decoded, upper case above ascii", "viet", `header :is "subject" "VĂN BẢN KHẨN"`, false},
	{"decoded name", "viet", `header :contains "from" "Sở Y tế"`, true},

	{"matches all", "plain", `header :matches "sender" "*"`, true},
	{"matches begin", "plain", `header :matches "sender" "thu-*"`, true},
	{"matches end", "plain", `header :matches "sender" "*.test"`, true},
	{"matches middle", "plain", `header :matches "subject" "*abc*"`, true},
	{"matches twice", "plain", `header :matches "subject" "*abc*abc*"`, true},
	{"matches thrice", "plain", `header :matches "subject" "*abc*abc*abc*"`, false},
	{"matches at the end only", "plain", `header :matches "x-long" "*t*e"`, true},
	{"greedy star", "plain", `header :matches "x-long" "one*e"`, true},
	{"star that may be empty", "plain", `header :matches "x-long" "one two three*"`, true},
	{"question mark", "plain", `header :matches "x-number" "?2"`, true},
	{"question mark wants one", "plain", `header :matches "x-number" "?42"`, false},
	{"question marks", "plain", `header :matches "x-number" "??"`, true},
	{"escaped star", "plain", `header :matches "subject" "*\\*star\\**"`, true},
	{"escaped question mark", "plain", `header :matches "x-number" "4\\?"`, false},
	{"escaped backslash", "plain", `header :matches "subject" "*\\\\back"`, true},
	{"empty pattern", "plain", `header :matches "x-empty" ""`, true},
	{"empty pattern, some value", "plain", `header :matches "sender" ""`, false},
	{"matches in other case", "plain", `header :matches "subject" "*BAO cao*"`, true},
	{"matches with octets", "plain", `header :matches :comparator "i;octet" "subject" "*BAO cao*"`, false},

	{"address", "plain", `address "from" "van.thu+vb@soyte.dienbien.test"`, true},
	{"address without comment", "plain", `address :all "from" "a comment"`, false},
	{"comma in a quoted name", "plain", `address :contains "from" "so"`, true},
	{"domain", "plain", `address :domain "from" "soyte.dienbien.test"`, true},
	{"local part", "plain", `address :localpart "from" "van.thu+vb"`, true},
	{"user", "plain", `address :user "from" "van.thu"`, true},
	{"detail", "plain", `address :detail "from" "vb"`, true},
	{"no detail", "plain", `address :detail "sender" ""`, false},
	{"no detail contains", "plain", `address :contains :detail "sender" ""`, false},
	{"nested comment", "plain", `address "to" "ubnd@dienbien.test"`, true},
	{"member of a group", "plain", `address "to" "a@x.test"`, true},
	{"after a group", "plain", `address "to" "b@y.test"`, true},
	{"name of a group is none", "plain", `address :contains "to" "group"`, false},
	{"several headers", "plain", `address :is ["to", "cc"] "c@x.test"`, true},
	{"reply-to", "plain", `address :is "reply-to" "tra-loi@soyte.dienbien.test"`, true},

	{"envelope from", "plain", `envelope "from" "bounce+x@sender.test"`, true},
	{"envelope domain", "plain", `envelope :domain :is "from" "sender.test"`, true},
	{"envelope to detail", "plain", `envelope :detail "to" "viec"`, true},
	{"envelope to user", "plain", `envelope :user "to" "me"`, true},
	{"envelope both", "plain", `envelope :contains ["from", "to"] "x.test"`, true},

	{"exists", "plain", `exists "x-empty"`, true},
	{"exists all", "plain", `exists ["from", "x-number"]`, true},
	{"exists not all", "plain", `exists ["from", "x-none"]`, false},
	{"size over", "plain", `size :over 100`, true},
	{"size over K", "plain", `size :over 1K`, false},
	{"size under M", "plain", `size :under 1M`, true},

	{"count", "plain", `header :count "eq" :comparator "i;ascii-numeric" "x-number" "2"`, true},
	{"count of nothing", "plain", `header :count "eq" :comparator "i;ascii-numeric" "x-none" "0"`, true},
	{"count of addresses", "plain", `address :count "eq" :comparator "i;ascii-numeric" "to" "4"`, true},
	{"count gt", "plain", `address :count "gt" :comparator "i;ascii-numeric" ["to", "cc"] "4"`, true},
	{"value as number", "plain", `header :value "gt" :comparator "i;ascii-numeric" "x-number" "9"`, true},
	{"value as number, all less", "plain", `header :value "lt" :comparator "i;ascii-numeric" "x-number" "7"`, false},
	{"value as text", "plain", `header :value "gt" "x-number" "9"`, false},
	{"leading zeros", "plain", `header :value "eq" :comparator "i;ascii-numeric" "x-number" "0042"`, true},
	{"numbers that are none are equal", "plain", `header :is :comparator "i;ascii-numeric" "sender" "abc"`, true},
	{"no number is above all", "plain", `header :value "gt" :comparator "i;ascii-numeric" "sender" "99999999"`, true},
	{"number with a tail", "plain", `header :is :comparator "i;ascii-numeric" "x-number" "42abc"`, true},
	{"value ne", "plain", `header :value "ne" :comparator "i;ascii-numeric" "x-number" "42"`, true},
	{"value le", "plain", `header :value "le" :comparator "i;ascii-numeric" "x-number" "7"`, true},
	{"value ge", "plain", `header :value "ge" :comparator "i;ascii-numeric" "x-number" "43"`, false},

	{"hex", "plain", `header :is "x-number" "${hex: 34 32}"`, true},
	{"unicode", "viet", `header :contains "subject" "V${unicode:0103}n"`, true},
	{"no code", "plain", `header :is "x-number" "${hex: 4z}"`, false},
	{"body", "plain", `body :contains "quy iii"`, true},
	{"body decoded", "viet", `body :text :contains "Văn bản"`, true},
	{"body without", "plain", `body :contains "subject"`, false},
	{"string", "plain", `string :is "abc" ["x", "abc"]`, true},
	{"string with an unknown variable", "plain", `string :is "${none}" ""`, true},
	{"not the syntax of a variable", "plain", `string :is "${a-b}" "${a-b}"`, true},
	{"string count", "plain", `string :count "eq" :comparator "i;ascii-numeric" ["a", "", "b"] "2"`, true},
	{"no flags yet", "plain", `hasflag "\\Seen"`, false},
	{"mailbox that is missing", "plain", `mailboxexists "Khong co"`, false},
	{"inbox is there", "plain", `mailboxexists "INBOX"`, true},
}

const required = `require ["fileinto", "envelope", "imap4flags", "copy", "relational", "variables", "vacation", "mailbox",
 "subaddress", "encoded-character", "body", "comparator-i;ascii-numeric", "comparator-i;octet"];
`

// scripts are whole scripts over the plain message.
var scripts = []struct {
	name, script string
	want         []string
}{
	{"nothing", ``, []string{"keep"}},
	{"keep", `keep;`, []string{"keep"}},
	{"discard", `discard;`, nil},
	{"discard and keep", `discard; keep;`, []string{"keep"}},
	{"fileinto", `fileinto "A";`, []string{"file A"}},
	{"fileinto inbox", `fileinto "INBOX";`, []string{"keep"}},
	{"two folders", `fileinto "A"; fileinto "B";`, []string{"file A", "file B"}},
	{"a folder twice", `fileinto "A"; fileinto "A";`, []string{"file A"}},
	{"copy", `fileinto :copy "A";`, []string{"file A", "keep"}},
	{"copy, then not", `fileinto :copy "A"; fileinto "B";`, []string{"file A", "file B"}},
	{"copy and discard", `fileinto :copy "A"; discard;`, []string{"file A"}},
	{"create", `fileinto :create "A/B";`, []string{"file A/B create"}},
	{"redirect", `redirect "a@y.test";`, []string{"redirect a@y.test"}},
	{"redirect with name", `redirect "A <a@y.test>";`, []string{"redirect a@y.test"}},
	{"redirect copy", `redirect :copy "a@y.test";`, []string{"keep", "redirect a@y.test"}},
	{"redirect twice", `redirect "a@y.test"; redirect "a@y.test";`, []string{"redirect a@y.test"}},
	{"stop", `stop; discard;`, []string{"keep"}},
	{"stop in a block", `if true { fileinto "A"; stop; } fileinto "B";`, []string{"file A"}},
	{"if", `if true { fileinto "A"; } elsif true { fileinto "B"; } else { fileinto "C"; }`, []string{"file A"}},
	{"elsif", `if false { fileinto "A"; } elsif true { fileinto "B"; } else { fileinto "C"; }`, []string{"file B"}},
	{"else", `if false { fileinto "A"; } elsif false { fileinto "B"; } else { fileinto "C"; }`, []string{"file C"}},
	{"if after if", `if false { } if true { fileinto "A"; }`, []string{"file A"}},
	{"keywords in any case", `IF NOT FALSE { FileInto "A"; }`, []string{"file A"}},
	{"text block", "set \"a\" text: # comment\n..x\ny\n.\n; set :length \"b\" \"${a}\"; fileinto \"${b}\";", []string{"file 7"}},

	{"match variables", `if header :matches "subject" "*a?c*" { fileinto "${1}-${2}-${3}"; }`,
		[]string{"file [Bao cao] xx-b-abc so 0123 *star* \\back"}},
	{"first match takes little", `if header :matches "x-long" "*e*" { fileinto "${1}|${2}"; }`, []string{"file on| two three"}},
	{"whole match", `if header :matches "x-number" "4?" { fileinto "${0}/${1}"; }`, []string{"file 42/2"}},
	{"last match counts", `if allof (header :matches "x-number" "4?", header :matches "sender" "*-*") { fileinto "${1}"; }`, []string{"file thu"}},
	{"a failed match changes nothing", `if header :matches "x-number" "4?" { if header :matches "x-number" "9*" {} fileinto "${1}"; }`, []string{"file 2"}},
	{"set", `set "Name" "v"; fileinto "a${NAME}b${none}c";`, []string{"file avbc"}},
	{"set from itself", `set "a" "x"; set "a" "${a}${a}"; fileinto "${a}";`, []string{"file xx"}},
	{"modifiers", `set :upperfirst :lower "a" "jUMBLE"; set :length "b" "${a}"; fileinto "${a}${b}";`, []string{"file Jumble6"}},
	{"lowerfirst of upper", `set :lowerfirst :upper "a" "juMBLE"; fileinto "${a}";`, []string{"file jUMBLE"}},
	{"quotewildcard", `set :quotewildcard "a" "a*b?c\\"; fileinto "${a}";`, []string{`file a\*b\?c\\`}},
	{"no expansion of values", `set "a" "${b}"; set "b" "x"; set "c" "${a}"; fileinto "z${c}";`, []string{"file z"}},
	{"string test sets matches", `set "a" "one two"; if string :matches "${a}" "* *" { fileinto "${2}"; }`, []string{"file two"}},

	{"addflag", `addflag "\\Seen"; addflag ["\\Flagged", "viec"]; keep;`, []string{`keep \flagged \seen viec`}},
	{"implicit keep has flags", `setflag "\\Seen";`, []string{`keep \seen`}},
	{"setflag", `addflag "a"; setflag "b";`, []string{"keep b"}},
	{"removeflag", `setflag "a b c"; removeflag ["b", "x"];`, []string{"keep a c"}},
	{"flags tag", `setflag "a"; fileinto :flags "b c" "A"; fileinto "B";`, []string{"file A b c", "file B a"}},
	{"hasflag", `setflag "a b"; if hasflag "B" { fileinto "A"; }`, []string{"file A a b"}},
	{"hasflag contains", `setflag "abc"; if hasflag :contains "B" { fileinto "A"; }`, []string{"file A abc"}},
	{"hasflag count", `setflag "a b"; if hasflag :count "ge" :comparator "i;ascii-numeric" "2" { fileinto "A"; }`, []string{"file A a b"}},
	{"flags in a variable", `addflag "v" ["x", "y"]; removeflag "v" "x"; fileinto :flags "${v}" "A";`, []string{"file A y"}},

	{"vacation", `vacation "away";`, []string{"keep", "vacation 7"}},
	{"vacation with days", `vacation :days 3 :subject "S" :addresses ["a@x.test"] :handle "h" text:
away
.
;`, []string{"keep", "vacation 3"}},
	{"vacation and folder", `fileinto "A"; vacation "away";`, []string{"file A", "vacation 7"}},
}

// input makes what a script sees of a message.
func input(t testing.TB, message string) sieve.Input {
	t.Helper()
	raw := strings.ReplaceAll(message, "\n", "\r\n")
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	if strings.Contains(head, "base64") {
		body = "Văn bản"
	}
	return sieve.Input{
		Header: mail.ParseHeader([]byte(raw)), Size: int64(len(raw)),
		From: mail.Path{Address: mail.Address{Local: "bounce+x", Domain: "sender.test"}},
		To:   mail.Address{Local: "me+viec", Domain: "x.test"},
		Text: func() string { return body }, Mailbox: func(name string) bool { return name == "INBOX" },
	}
}

// render gives the outcome in the form of the tables.
func render(r sieve.Result) []string {
	var out []string
	for _, a := range r.Actions {
		s := ""
		switch a.Kind {
		case sieve.Keep:
			s = "keep"
		case sieve.File:
			s = "file " + a.Mailbox
			if a.Create {
				s += " create"
			}
		case sieve.Redirect:
			s = "redirect " + a.To.String()
		}
		out = append(out, strings.Join(append([]string{s}, sorted(a.Flags)...), " "))
	}
	if r.Vacation != nil {
		days := r.Vacation.Days
		if days == 0 {
			days = 7
		}
		out = append(out, fmt.Sprintf("vacation %d", days))
	}
	slices.Sort(out)
	return out
}

func sorted(flags []string) []string {
	out := make([]string, len(flags))
	for i, f := range flags {
		out[i] = strings.ToLower(f)
	}
	slices.Sort(out)
	return out
}

func compile(t testing.TB, script string) *sieve.Script {
	t.Helper()
	s, err := sieve.Compile(script)
	if err != nil {
		t.Fatalf("Compile(%s): %v", script, err)
	}
	return s
}

func TestTests(t *testing.T) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := compile(t, required+"if "+tt.test+" { fileinto \"yes\"; }")
			r := sieve.Run(input(t, messages[tt.message]), s)
			if got := slices.Contains(render(r), "file yes"); got != tt.want || r.Err != nil {
				t.Errorf("%s: %v, %v; want %v", tt.test, got, r.Err, tt.want)
			}
		})
	}
}

func TestScripts(t *testing.T) {
	for _, tt := range scripts {
		t.Run(tt.name, func(t *testing.T) {
			r := sieve.Run(input(t, messages["plain"]), compile(t, required+tt.script))
			if got := render(r); !slices.Equal(got, tt.want) || r.Err != nil {
				t.Errorf("%s: %q, %v; want %q", tt.script, got, r.Err, tt.want)
			}
		})
	}
}

// oracle runs Pigeonhole's sieve-test.
type oracle struct {
	dir, conf string
	cred      *syscall.Credential
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	if _, err := exec.LookPath("sieve-test"); err != nil {
		if os.Getenv("VANTHU_TEST_REQUIRE_CLIENTS") != "" {
			t.Fatal("sieve-test of dovecot-sieve is required and missing")
		}
		t.Skip("sieve-test of dovecot-sieve is not installed")
	}
	dir, err := os.MkdirTemp("", "sieve") // open to the user that root becomes, as t.TempDir is not
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	o := &oracle{dir: dir, conf: filepath.Join(dir, "dovecot.conf")}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 { // sieve-test does not work for root
		uid, gid = 65534, 65534
		o.cred = &syscall.Credential{Uid: 65534, Gid: 65534}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	o.write(t, "dovecot.conf", fmt.Sprintf(`mail_uid = %d
mail_gid = %d
first_valid_uid = %[1]d
first_valid_gid = %[2]d
mail_home = %[3]s
mail_location = maildir:%[3]s/Maildir
ssl = no
plugin {
  sieve_max_redirects = 5
  sieve_max_actions = 0
}
`, uid, gid, dir))
	for name, m := range messages {
		o.write(t, name+".eml", strings.ReplaceAll(m, "\n", "\r\n"))
	}
	return o
}

func (o *oracle) write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil { //nolint:gosec // another user reads it
		t.Fatal(err)
	}
	return path
}

// run gives the actions that Pigeonhole would take, in our form.
func (o *oracle) run(t *testing.T, name, script, message string) (actions []string, err error) {
	t.Helper()
	path := o.write(t, name+".sieve", script)
	cmd := exec.CommandContext(t.Context(), "sieve-test", "-c", o.conf, "-f", "bounce+x@sender.test", "-r", "me+viec@x.test",
		"-a", "me+viec@x.test", path, filepath.Join(o.dir, message+".eml"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: o.cred}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return readActions(string(out)), nil
}

// readActions reads the report of sieve-test.
func readActions(report string) []string {
	var out []string
	inText := false
	for line := range strings.Lines(report) {
		line = strings.TrimRight(line, "\n")
		switch body := strings.TrimSpace(line); {
		case body == "START MESSAGE":
			inText = true
		case body == "END MESSAGE":
			inText = false
		case inText || len(out) == 0 && !strings.HasPrefix(body, "* "):
		case strings.HasPrefix(line, " * store message in folder: "):
			name := strings.TrimPrefix(line, " * store message in folder: ")
			if name == "INBOX" {
				out = append(out, "keep")
			} else {
				out = append(out, "file "+name)
			}
		case strings.HasPrefix(line, " * redirect message to: "):
			out = append(out, "redirect "+strings.Trim(strings.TrimPrefix(line, " * redirect message to: "), "<>"))
		case strings.HasPrefix(line, " * send vacation message"):
			out = append(out, "vacation")
		case strings.HasPrefix(line, " * discard"):
			out = append(out, "discard")
		case strings.HasPrefix(body, "=> seconds"):
			_, n, _ := strings.Cut(body, ": ")
			seconds, _ := strconv.Atoi(n)
			out[len(out)-1] += fmt.Sprintf(" %d", seconds/86400)
		case body == "+ create mailbox if it does not exist":
			out[len(out)-1] += " create"
		case strings.HasPrefix(body, "+ add IMAP flags: "):
			flags := strings.Fields(strings.TrimPrefix(body, "+ add IMAP flags: "))
			out[len(out)-1] = strings.Join(append([]string{out[len(out)-1]}, sorted(flags)...), " ")
		}
	}
	out = slices.DeleteFunc(out, func(s string) bool { return s == "discard" })
	slices.Sort(out)
	return out
}

// TestAgainstPigeonhole runs every case of the tables through Debian's
// dovecot-sieve as well: many tests in one script, each script by itself.
// The one known difference is left out: Pigeonhole's string test compares with
// i;octet when nothing is said, where RFC 5228, section 2.7.3, has
// i;ascii-casemap for all tests.
func TestAgainstPigeonhole(t *testing.T) {
	o := newOracle(t)
	for name := range messages {
		var b strings.Builder
		b.WriteString(required)
		for i, tt := range tests {
			if tt.message == name {
				fmt.Fprintf(&b, "if %s { fileinto :copy \"case%d\"; }\n", tt.test, i)
			}
		}
		got, err := o.run(t, "tests-"+name, b.String(), name)
		if err != nil {
			t.Fatal(err)
		}
		for i, tt := range tests {
			if tt.message == name && slices.Contains(got, fmt.Sprintf("file case%d", i)) != tt.want {
				t.Errorf("%s: %s: Pigeonhole says %v", tt.name, tt.test, !tt.want)
			}
		}
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, 8) // it waits more than it works
	each := func(do func()) {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			do()
		})
	}
	for i, tt := range scripts {
		each(func() { o.checkScript(t, i, tt.name, tt.script, tt.want) })
	}
	for i, bad := range refused {
		if !bad.ours {
			each(func() { o.checkRefused(t, i, bad.name, bad.script) })
		}
	}
	all.Wait()
}

func (o *oracle) checkScript(t *testing.T, i int, name, script string, want []string) {
	got, err := o.run(t, fmt.Sprintf("script%d", i), required+script, "plain")
	if err != nil {
		t.Errorf("%s: %v", name, err)
	} else if !slices.Equal(got, want) {
		t.Errorf("%s: Pigeonhole does %q, want %q", name, got, want)
	}
}

func (o *oracle) checkRefused(t *testing.T, i int, name, script string) {
	got, err := o.run(t, fmt.Sprintf("bad%d", i), script, "plain")
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Errorf("%s: Pigeonhole takes it and does %q", name, got)
	}
}
