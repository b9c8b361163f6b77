package sieve_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"vanthu/internal/fault"
	"vanthu/internal/sieve"
)

// refused are scripts that must not compile. Those that are ours are refused
// here only: Pigeonhole knows more.
var refused = []struct {
	name, script string
	line         int
	ours         bool
}{
	{"no semicolon", "keep", 1, false},
	{"unknown command", "# a\nnonsense;", 2, false},
	{"unknown test", "if\nnonsense { }", 2, false},
	{"if without test", "if { keep; }", 1, false},
	{"if without block", "if true;", 1, false},
	{"if with two tests", "if (true, true) { }", 1, false},
	{"else alone", "keep;\nelse { }", 2, false},
	{"else twice", "if true { } else { }\nelse { }", 2, false},
	{"elsif after else", "if true { } else { } elsif true { }", 1, false},
	{"block not closed", "if true {\nkeep;\n", 3, false},
	{"block closed twice", "if true { } }", 1, false},
	{"string not closed", "\nredirect \"a;", 2, false},
	{"comment not closed", "keep; /* x", 1, false},
	{"text not closed", "require \"vacation\";\nvacation text:\nx\n", 2, false},
	{"text on the same line", "redirect text: a;", 1, false},
	{"require in the middle", "keep;\nrequire \"fileinto\";", 2, false},
	{"unknown extension", "require \"nonsense\";", 1, false},
	{"fileinto without require", "\n\nfileinto \"A\";", 3, false},
	{"copy without require", "redirect :copy \"a@b.test\";", 1, false},
	{"envelope without require", "if envelope \"from\" \"a\" { }", 1, false},
	{"flags without require", "addflag \"a\";", 1, false},
	{"relational without require", "if header :count \"eq\" \"a\" \"1\" { }", 1, false},
	{"variables without require", "set \"a\" \"b\";", 1, false},
	{"vacation without require", "vacation \"a\";", 1, false},
	{"subaddress without require", "if address :user \"to\" \"a\" { }", 1, false},
	{"comparator without require", "if header :comparator \"i;ascii-numeric\" \"a\" \"1\" { }", 1, false},
	{"unknown comparator", "if header :comparator \"i;nonsense\" \"a\" \"1\" { }", 1, false},
	{"unknown tag", "if header :nonsense \"a\" \"b\" { }", 1, false},
	{"two match types", "if header :is :contains \"a\" \"b\" { }", 1, false},
	{"a tag twice", "if header :is :is \"a\" \"b\" { }", 1, false},
	{"two parts", "if address :domain :localpart \"to\" \"b\" { }", 1, false},
	{"tag after a string", "if header \"a\" :is \"b\" { }", 1, true},
	{"too few arguments", "if header \"a\" { }", 1, false},
	{"too many arguments", "redirect \"a@b.test\" \"c\";", 1, false},
	{"number for a string", "redirect 5;", 1, false},
	{"list for a string", "redirect [\"a@b.test\"];", 1, false},
	{"empty list", "if header [] \"a\" { }", 1, false},
	{"list not closed", "if header [\"a\" \"b\" { }", 1, false},
	{"number too large", "if size :over 99999999999999999999 { }", 1, false},
	{"number with a letter", "if size :over 5X { }", 1, false},
	{"size without tag", "if size 5 { }", 1, false},
	{"size with both", "if size :over 5 :under 6 { }", 1, false},
	{"redirect to nobody", "redirect \"nobody\";", 1, false},
	{"bad relation", "require \"relational\";\nif header :count \"xx\" \"a\" \"1\" { }", 2, false},
	{"numbers do not contain", "require \"comparator-i;ascii-numeric\";\nif header :contains :comparator \"i;ascii-numeric\" \"a\" \"1\" { }", 2, false},
	{"bad name of a variable", "require \"variables\";\nset \"1a\" \"b\";", 2, false},
	{"two modifiers of one rank", "require \"variables\";\nset :lower :upper \"a\" \"b\";", 2, false},
	{"unknown namespace", "require [\"variables\",\"fileinto\"];\nfileinto \"${a.b}\";", 2, true},
	{"keep with a block", "keep { }", 1, false},
	{"keep with a test", "keep true;", 1, false},
	{"junk", "keep; %", 1, false},
	{"include", "require \"include\";", 1, true},
	{"regex", "require \"regex\";", 1, true},
	{"reject", "require \"reject\";", 1, true},
	{"answer of any shape", "require \"vacation\";\nvacation :mime \"x\";", 2, true},
	{"envelope part", "require \"envelope\";\nif envelope \"auth\" \"a\" { }", 2, true},
	{"too deep", strings.Repeat("if not not not true { ", 40), 1, true},
	{"too long", "#" + strings.Repeat("x", sieve.MaxScript), 1, true},
	{"too many strings", "if header [\"a\"" + strings.Repeat(",\"a\"", 600) + "] \"b\" { }", 1, true},
	{"not utf-8", "redirect \"a\xff@b.test\";", 1, true},
	{"no character", "require [\"encoded-character\",\"fileinto\"];\nfileinto \"${unicode:d800}\";", 2, false},
}

func TestRefused(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			_, err := sieve.Compile(tt.script)
			var e *sieve.Error
			if !errors.As(err, &e) || fault.KindOf(err) != fault.Invalid {
				t.Fatalf("Compile: %v, want an error with its line", err)
			}
			if e.Line != tt.line {
				t.Errorf("line %d (%v), want %d", e.Line, e, tt.line)
			}
			if e.What.EN == "" || e.What.VI == "" || strings.Contains(e.What.EN+e.What.VI, "%!") {
				t.Errorf("the sentences are %+v", e.What)
			}
		})
	}
}

// TestRunFails: whatever goes wrong in a run ends in keeping the message, and
// in nothing else.
func TestRunFails(t *testing.T) {
	long := strings.Repeat("a", 900_000)
	tests := []struct{ name, script, says string }{
		{"too many redirects", many(`redirect "a%d@y.test";`, 6), "more than 5 addresses"},
		{"too many actions", required + many(`fileinto :copy "a%d";`, 40), "more than 32 actions"},
		{"too many variables", required + many(`set "a%d" "x";`, 200), "128 variables"},
		{"redirect to a variable that is no address", required + `set "a" "x"; redirect "${a}";`, `"x" is not a mail address`},
		{"empty folder", required + `fileinto "${none}";`, "empty"},
		{"two answers", required + `vacation "a"; vacation "b";`, "once only"},
		{"budget", required + many(`if header :matches "x-large" "*b*b*b%d" { }`, 200), "too much to do"},
		{"budget of variables", required + `set "a" "x";` + many(`set "a" "${a}${a}";#%d`+"\n", 2000), "too much to do"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := input(t, "Subject: x\nX-Large: "+long+"\n\nbody")
			r := sieve.Run(in, compile(t, tt.script))
			if len(r.Actions) != 1 || r.Actions[0].Kind != sieve.Keep || r.Vacation != nil {
				t.Errorf("outcome %+v, want nothing but keep", r)
			}
			if r.Err == nil || !strings.Contains(r.Err.Error(), tt.says) {
				t.Errorf("error %v, want %q", r.Err, tt.says)
			}
		})
	}
}

func many(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestOurs covers what other implementations do not have.
func TestOurs(t *testing.T) {
	require := `require ["fileinto", "variables", "special-use", "vnd.vanthu.document", "comparator-vnd.vanthu.fold"];`
	doc := &sieve.Document{State: []string{"arrived"}, Type: []string{"Quyết định", "QĐ"}, Urgency: []string{"hỏa tốc", "flash"}, Code: []string{"12/QĐ-UBND"}}
	tests := []struct {
		name, test string
		doc        *sieve.Document
		want       bool
	}{
		{"fold is", `header :comparator "vnd.vanthu.fold" "subject" "van ban khan"`, nil, true},
		{"fold contains", `header :contains :comparator "vnd.vanthu.fold" "subject" "BẢN khan"`, nil, true},
		{"fold matches", `header :matches :comparator "vnd.vanthu.fold" "subject" "van b?n*"`, nil, true},
		{"fold keeps what it matched", `allof (header :matches :comparator "vnd.vanthu.fold" "subject" "van * *", string "${1}|${2}" "bản|khẩn")`, nil, true},
		{"fold of decomposed letters", `string :matches :comparator "vnd.vanthu.fold" "Va` + "\u0306" + `n x" "v?n *"`, nil, true},
		{"a question mark is a letter", `header :matches "subject" "V?n b?n kh?n"`, nil, true},
		{"an octet is not", `header :matches :comparator "i;octet" "subject" "V?n b?n kh?n"`, nil, false},
		{"document", `document`, doc, true},
		{"no document", `document`, nil, false},
		{"type by abbreviation", `document :type "qd"`, doc, true},
		{"type by name", `document :type ["Công văn", "quyet dinh"]`, doc, true},
		{"type of no document", `document :type :contains ""`, nil, false},
		{"urgency", `document :urgency "hoa toc"`, doc, true},
		{"state", `document :state "arrived"`, doc, true},
		{"other state", `document :state "refused"`, doc, false},
		{"code", `document :code :matches "*/QĐ-*"`, doc, true},
		{"use", `specialuse_exists "\\Junk"`, nil, true},
		{"no use", `specialuse_exists ["\\Junk", "\\Archive"]`, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := input(t, messages["viet"])
			in.Document = tt.doc
			in.Use = func(use string) bool { return use == `\Junk` }
			r := sieve.Run(in, compile(t, require+"if "+tt.test+` { fileinto :specialuse "\\Junk" "Rác"; }`))
			got := r.Actions[0].Kind == sieve.File && r.Actions[0].Use == `\Junk`
			if got != tt.want || r.Err != nil {
				t.Errorf("%s: %+v, %v; want %v", tt.test, r.Actions, r.Err, tt.want)
			}
		})
	}
}

// TestSeveral: scripts run one after another and share what they have done.
func TestSeveral(t *testing.T) {
	first := compile(t, required+`if header :contains "subject" "bao cao" { fileinto "A"; } set "v" "x";`)
	stops := compile(t, required+`if header :contains "subject" "bao cao" { fileinto "A"; stop; }`)
	second := compile(t, required+`fileinto "B${v}";`)
	in := input(t, messages["plain"])
	if got := render(sieve.Run(in, first, second)); fmt.Sprint(got) != "[file A file B]" {
		t.Errorf("two scripts: %q", got)
	}
	if got := render(sieve.Run(in, stops, second)); fmt.Sprint(got) != "[file A]" {
		t.Errorf("the first stops: %q", got)
	}
	if got := render(sieve.Run(in)); fmt.Sprint(got) != "[keep]" {
		t.Errorf("no script: %q", got)
	}
}
