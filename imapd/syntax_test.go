package imapd

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseNumSet(t *testing.T) {
	tests := []struct {
		name, in string
		last     uint32
		want     string // resolved; "-" for refused
	}{
		{"one", "7", 9, "7"},
		{"list", "1,3:5,7", 9, "1,3:5,7"},
		{"star", "*", 9, "9"},
		{"star in an empty mailbox", "*", 0, ""},
		{"open range", "5:*", 9, "5:9"},
		{"open range beyond the end holds the last", "12:*", 9, "9:12"},
		{"star first", "*:5", 9, "5:9"},
		{"backwards", "9:7", 9, "7:9"},
		{"overlap", "1:5,3:8,9", 9, "1:9"},
		{"unsorted", "9,1,2", 9, "1:2,9"},
		{"highest", "4294967295", 9, "4294967295"},
		{"all", "1:4294967295", 9, "1:4294967295"},
		{"saved", "$", 9, ""},
		{"zero", "0", 9, "-"},
		{"negative", "-1", 9, "-"},
		{"above 32 bits", "4294967296", 9, "-"},
		{"far above", "10000000000000000000000", 9, "-"},
		{"doubled colon", "1:2:3", 9, "-"},
		{"doubled star", "1:*:*", 9, "-"},
		{"empty", "", 9, "-"},
		{"empty part", "1,,2", 9, "-"},
		{"open end", "1:", 9, "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, ok := parseNumSet([]byte(tt.in))
			got := "-"
			if ok {
				got = string(appendRanges(nil, s.resolve(tt.last)))
			}
			if got != tt.want {
				t.Errorf("parseNumSet(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestContains(t *testing.T) {
	rs := []numRange{{2, 4}, {7, 7}, {9, 12}}
	for n := range uint32(15) {
		want := n >= 2 && n <= 4 || n == 7 || n >= 9 && n <= 12
		if got := contains(rs, n); got != want {
			t.Errorf("contains(%d) = %v, want %v", n, got, want)
		}
	}
}

// I8 (reliability) and "set 1:4294967295": a client's set is never spelt out.
func TestDefect_I8_HugeSetCostsNothing(t *testing.T) {
	s, ok := parseNumSet([]byte("1:4294967295," + strings.Repeat("1:*,", 8000) + "5"))
	if !ok {
		t.Fatal("set refused")
	}
	begin := time.Now()
	if got := s.resolve(10); len(got) != 1 {
		t.Errorf("resolve = %v, want one range", got)
	}
	if d := time.Since(begin); d > time.Minute {
		t.Errorf("resolve took %v", d)
	}
}

func TestUTF7(t *testing.T) {
	tests := []struct{ name, wire, want string }{
		{"ascii", "INBOX/x", "INBOX/x"},
		{"ampersand", "R&-D", "R&D"},
		{"unit", "&ARABoQ-n v&Hss-", "Đơn vị"},
		{"beyond the plane", "&2D3eAA-", "😀"},
		{"two shifts apart", "&AOk-x&AOk-", "éxé"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeUTF7(tt.wire)
			if err != nil || got != tt.want {
				t.Errorf("decode = %q, %v, want %q", got, err, tt.want)
			}
			if got := string(encodeUTF7(tt.want)); got != tt.wire {
				t.Errorf("encode = %q, want %q", got, tt.wire)
			}
		})
	}
	for _, wrong := range []string{"&", "&AOk", "&AGE-", "&AOk-&AOk-", "&2D0-", "&3gA-", "&A-", "&AOl=-", "é", "a\x00b", "&AAAA-", "&AOm-", "a\rb"} {
		if got, err := decodeUTF7(wrong); err == nil && wrong != "&AAAA-" {
			t.Errorf("decode(%q) = %q, want an error", wrong, got)
		}
	}
}

func FuzzUTF7(f *testing.F) {
	f.Add("R&-D&ARA-")
	f.Add("Đơn vị & 😀")
	f.Fuzz(func(t *testing.T, s string) {
		if name, err := decodeUTF7(s); err == nil {
			if back := string(encodeUTF7(name)); back != s {
				t.Errorf("%q decodes to %q, which encodes to %q", s, name, back)
			}
		}
		if utf8.ValidString(s) && !strings.ContainsAny(s, "\u007f") && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 }) {
			if got, err := decodeUTF7(string(encodeUTF7(s))); err != nil || got != s {
				t.Errorf("%q comes back as %q, %v", s, got, err)
			}
		}
	})
}

func TestDates(t *testing.T) {
	zone := time.FixedZone("", 7*3600)
	in := time.Date(2026, 2, 3, 20, 4, 5, 0, time.UTC)
	if got := string(appendDateTime(nil, in, zone)); got != `" 4-Feb-2026 03:04:05 +0700"` {
		t.Errorf("appendDateTime = %s", got)
	}
	for _, s := range []string{" 4-Feb-2026 03:04:05 +0700", "04-Feb-2026 03:04:05 +0700"} {
		if got, ok := parseDateTime(s); !ok || !got.Equal(in) {
			t.Errorf("parseDateTime(%q) = %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "4-Feb-2026 03:04:05 +0700", "31-Feb-2026 03:04:05 +0700", "04-Feb-2026 25:04:05 +0700", "04-Feb-2026T03:04:05 +0700", strings.Repeat("1", 26)} {
		if got, ok := parseDateTime(s); ok {
			t.Errorf("parseDateTime(%q) = %v, want refusal", s, got)
		}
	}
	for s, want := range map[string]bool{"1-Feb-1994": true, "01-Feb-1994": true, "30-Feb-1994": false, "1-Feb-94": false, "1-Foo-1994": false, "": false} {
		if _, ok := parseDate(s); ok != want {
			t.Errorf("parseDate(%q) = %v, want %v", s, ok, want)
		}
	}
}

func TestPattern(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b/c", true},
		{"%", "a", true},
		{"%", "a/b", false},
		{"a/%", "a/b", true},
		{"a/%", "a/b/c", false},
		{"%/%", "a/b", true},
		{"*b", "a/b", true},
		{"a*c", "abbbc", true},
		{"a*c", "abbb", false},
		{"", "", true},
		{"inbox", "INBOX", true},
		{"InB%", "INBOX", true},
		{"inbox", "Inboxes", false},
		{"Đơn vị/%", "Đơn vị/SYT", true},
		{"%*%", "a/b", true},
		{"a%b*c%", "axb/c", true},
		{"a%b*c%", "ax/b/c", false},
	}
	for _, tt := range tests {
		p, ok := newPattern(tt.pattern)
		if !ok {
			t.Fatalf("pattern %q refused", tt.pattern)
		}
		if got := p.match(tt.name); got != tt.want {
			t.Errorf("%q on %q = %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
	}
	for _, s := range []string{strings.Repeat("a", maxPattern+1), strings.Repeat("*a", maxWildcards+1)} {
		if _, ok := newPattern(s); ok {
			t.Errorf("pattern of %d octets accepted", len(s))
		}
	}
}

// Patterns agree with the obvious regular expression on random input.
func TestPatternAgainstRegexp(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(alphabet string, n int) string {
		b := make([]byte, rnd.IntN(n))
		for i := range b {
			b[i] = alphabet[rnd.IntN(len(alphabet))]
		}
		return string(b)
	}
	for range 20_000 {
		pat, name := pick("ab/%*", 8), pick("ab/", 10)
		re := strings.NewReplacer("*", ".*", "%", "[^/]*").Replace(pat)
		want := regexp.MustCompile("^" + re + "$").MatchString(name)
		p, _ := newPattern(pat)
		if got := p.match(name); got != want {
			t.Fatalf("%q on %q = %v, want %v", pat, name, got, want)
		}
	}
}

// I7 (reliability): MatchList needs minutes for this.
func TestDefect_I7_StarsAreLinear(t *testing.T) {
	begin := time.Now()
	p, ok := newPattern(strings.Repeat("*a", maxWildcards) + "b")
	if !ok {
		t.Fatal("refused")
	}
	name := strings.Repeat("a", 255)
	for range 1000 {
		if p.match(name) {
			t.Fatal("matched")
		}
	}
	if d := time.Since(begin); d > time.Minute {
		t.Errorf("1,000 names took %v", d)
	}
}

func TestLexer(t *testing.T) {
	l := lexer{b: []byte(` "a\"b" atom] (\Seen $x) NIL "" "open`)}
	if s, ok := "", l.sp(); !ok {
		t.Error(s)
	}
	if s, ok := l.astring(); !ok || s != `a"b` {
		t.Errorf("quoted = %q, %v", s, ok)
	}
	l.sp()
	if s, ok := l.astring(); !ok || s != "atom]" {
		t.Errorf("astring = %q, %v", s, ok)
	}
	l.sp()
	var flags []string
	if ok := l.list(func() bool { f, ok := l.flag(); flags = append(flags, f); return ok }); !ok || !slices.Equal(flags, []string{`\Seen`, "$x"}) {
		t.Errorf("list = %q, %v", flags, ok)
	}
	l.sp()
	if !l.keyword("NIL") || !l.sp() {
		t.Error("no NIL")
	}
	if s, ok := l.quoted(); !ok || s != "" {
		t.Errorf("empty string = %q, %v", s, ok)
	}
	l.sp()
	if s, ok := l.astring(); ok {
		t.Errorf("unbalanced string = %q", s)
	}
}

func TestAppendString(t *testing.T) {
	tests := []struct {
		in   string
		wide bool
		want string
	}{
		{"a b", false, `"a b"`},
		{`a"\`, false, `"a\"\\"`},
		{"", false, `""`},
		{"é", false, "{2}\r\né"},
		{"é", true, `"é"`},
		{"a\r\nb", true, "{4}\r\na\r\nb"},
		{strings.Repeat("x", 1001), false, "{1001}\r\n" + strings.Repeat("x", 1001)},
	}
	for _, tt := range tests {
		if got := string(appendString(nil, tt.in, tt.wide)); got != tt.want {
			t.Errorf("appendString(%.20q, %v) = %.40q, want %.40q", tt.in, tt.wide, got, tt.want)
		}
	}
	if got := string(appendMailbox(nil, "Đơn vị/R&D", false)); got != `"&ARABoQ-n v&Hss-/R&-D"` {
		t.Errorf("appendMailbox = %s", got)
	}
	if got := string(appendMailbox(nil, "Đơn vị/R&D", true)); got != `"Đơn vị/R&D"` {
		t.Errorf("appendMailbox wide = %s", got)
	}
}

func TestParseFetchItems(t *testing.T) {
	tests := []struct{ in, want string }{
		{"FAST", "FLAGS INTERNALDATE RFC822.SIZE"},
		{"(FLAGS UID)", "FLAGS UID"},
		{"(MODSEQ)", "MODSEQ"},
		{"BODY[]", "section:BODY[] +"},
		{"body.peek[header.fields (from \"to\")]", "section:BODY[HEADER.FIELDS (from to)] "},
		{"BODY[1.2.MIME]<0.10>", "section:BODY[1.2.MIME]<0> +"},
		{"(BODY BODYSTRUCTURE)", "BODY BODYSTRUCTURE"},
		{"RFC822.HEADER", "section:RFC822.HEADER "},
		{"RFC822", "section:RFC822 +"},
		{"BINARY.SIZE[1]", "size:BINARY.SIZE[1] "},
		{"(FLAGS FLAGS)", "FLAGS"},
		{"BODY[0]", "-"},
		{"BODY[MIME]", "-"},
		{"BODY[1", "-"},
		{"BODY[]<0.0>", "-"},
		{"BODY[]<1.9223372036854775808>", "-"},
		{"BODY[HEADER.FIELDS ()]", "-"},
		{"BODY[" + strings.Repeat("1.", 3000) + "1]", "-"},
		{"BINARY[HEADER]", "-"},
		{"(FAST)", "-"},
		{"()", "-"},
		{"NONSENSE", "-"},
	}
	names := map[fetchKind]string{
		fetchUID: "UID", fetchFlags: "FLAGS", fetchInternalDate: "INTERNALDATE", fetchSize: "RFC822.SIZE", fetchModSeq: "MODSEQ",
		fetchBody: "BODY", fetchBodyStructure: "BODYSTRUCTURE", fetchSection: "section", fetchBinarySize: "size",
	}
	for _, tt := range tests {
		l := lexer{b: []byte(tt.in)}
		items, ok := parseFetchItems(&l)
		var parts []string
		for _, it := range items {
			s := names[it.kind]
			if it.label != "" {
				s += ":" + it.label
			}
			if it.sets {
				s += "+"
			}
			parts = append(parts, s)
		}
		got := strings.Join(parts, " ")
		if !ok || !l.end() {
			got = "-"
		}
		if got != tt.want {
			t.Errorf("%.60s = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestClip(t *testing.T) {
	it := fetchItem{partial: true, from: 1, count: 1<<63 - 1}
	if from, n := it.clip(10); from != 1 || n != 9 {
		t.Errorf("clip = %d, %d", from, n)
	}
	it.from = 1<<63 - 1
	if from, n := it.clip(10); from != 10 || n != 0 {
		t.Errorf("clip beyond the end = %d, %d", from, n)
	}
}

func TestAppendNumbers(t *testing.T) {
	var hits []target
	for _, n := range []int{1, 2, 4, 5, 8, 7, 6, 9, 10} {
		hits = append(hits, target{seq: n})
	}
	r := searchRequest{}
	if got := string(r.appendNumbers(nil, hits)); got != "1:2,4:5,8,7,6,9:10" {
		t.Errorf("numbers = %s", got)
	}
}
