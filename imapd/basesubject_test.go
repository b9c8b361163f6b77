package imapd

import (
	"strings"
	"testing"
	"time"
)

func TestBaseSubject(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		reply    bool
	}{
		{"", "", false},
		{"Công văn", "Công văn", false},
		{"Re: Công văn", "Công văn", true},
		{"RE:  Công \t văn  ", "Công văn", true},
		{"re : x", "x", true},
		{"Fw: x", "x", true},
		{"FWD: x", "x", true},
		{"Fwx: x", "Fwx: x", false},
		{"Re[2]: x", "x", true},
		{"Re [2] : x", "x", true}, // subj-blob takes the blanks behind it
		{"Re: Re: Fw: x", "x", true},
		{"[list] x", "x", false},
		{"[list] Re: x", "x", true},
		{"[a] [b] Re: [c] x", "x", true},
		{"[a] [b] x", "x", false},
		{"[list]", "[list]", false},
		{"Re: [list]", "[list]", true},
		{"Re:", "", true},
		{"x (fwd)", "x", true},
		{"x(FWD) (fwd) ", "x", true},
		{"(fwd)", "", true},
		{"[Fwd: x]", "x", true},
		{"[fwd: Re: [list] x (fwd)]", "x", true},
		{"[fwd: x", "[fwd: x", false},
		{"[[a] x", "[[a] x", false},
		{"[]x", "x", false},
		{"Trả lời: x", "Trả lời: x", false},
		{"re", "re", false},
		{"Re x", "Re x", false},
		{"[Hỏa tốc] 12/UBND-VX", "12/UBND-VX", false},
	} {
		got, reply := baseSubject(tt.in)
		if got != tt.want || reply != tt.reply {
			t.Errorf("baseSubject(%q) = %q, %v, want %q, %v", tt.in, got, reply, tt.want, tt.reply)
		}
	}
}

// Nothing that a stranger can write takes more than linear time.
func TestBaseSubjectIsLinear(t *testing.T) {
	for _, s := range []string{"[a]", "re:", "[a]re:", "(fwd)", "[fwd:", "[", "[a] ", "re[a]:"} {
		began := time.Now()
		baseSubject(strings.Repeat(s, 256<<10/len(s)))
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%q repeated takes %v", s, took)
		}
	}
}

func TestCasemap(t *testing.T) {
	for in, want := range map[string]string{
		"abc Z":  "ABC Z",
		"đường":  "ĐU\u031bO\u031b\u0300NG",
		"Đường":  "ĐU\u031bO\u031b\u0300NG",
		"ﬁ":      "fi", // no simple title case; decomposed
		"straße": "STRAßE",
	} {
		if got := casemap(in); got != want {
			t.Errorf("casemap(%q) = %q, want %q", in, got, want)
		}
	}
}
