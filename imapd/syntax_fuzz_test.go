package imapd

import (
	"strings"
	"testing"

	"vanthu/internal/mailstore"
)

// FuzzArguments feeds the parsers of arguments with anything; what they take must keep their promises.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{
		"1:*,5,$", "(FLAGS BODY.PEEK[HEADER.FIELDS (From \"To\")]<0.10>)", "BINARY[1.2]", "OR (SEEN FROM x) NOT 1:3", `(\Seen $x)`, `"a\"b" x]`,
		"RETURN (MIN SAVE) CHARSET UTF-8 TEXT x", `" 7-Feb-2026 21:52:25 +0700"`, "(MESSAGES UIDNEXT)", "*a%b*", "(SUBSCRIBED) \"\" (a b) RETURN (STATUS (SIZE))",
		"(/shared/comment /PRIVATE/vendor/x/y)", "(MAXSIZE 10 DEPTH infinity)", "+lrswipkxteacd",
		"(7 9 1:3,9 (1:2 5:6))", `MODSEQ "/flags/\\Seen" all 9`,
		"(REVERSE DATE SUBJECT)", " PARTIAL -1:-10", "M12", "[list] Re[2]: x (fwd)", "[fwd: [a] fw: x]", "FUZZY (OLDER 5 EMAILID M1)",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		lex := func() *lexer { return &lexer{b: []byte(in)} }
		if set, ok := parseNumSet([]byte(in)); ok {
			for _, last := range []uint32{0, 1, 10, 1<<32 - 1} {
				rs := set.resolve(last)
				for i, r := range rs {
					if r.lo == 0 || r.lo > r.hi || i > 0 && uint64(r.lo) <= uint64(rs[i-1].hi)+1 {
						t.Fatalf("resolve(%d) = %v", last, rs)
					}
				}
			}
		}
		if items, ok := parseFetchItems(lex()); ok {
			for _, it := range items {
				if it.content() && (!strings.HasSuffix(it.label, " ") || strings.ContainsAny(it.label, "\r\n\x00")) {
					t.Fatalf("label %q", it.label)
				}
			}
		}
		var r searchRequest
		if st := r.parse(lex()); st == nil && r.program == nil {
			t.Fatal("no program and no answer")
		}
		if flags, ok := parseFlagList(lex()); ok {
			for _, k := range flags.Keywords {
				if !allAtom(k) {
					t.Fatalf("keyword %q", k)
				}
			}
		}
		if s, ok := lex().astring(); ok {
			l := lexer{b: appendAString(nil, s, true)}
			if l.peek() != '{' {
				if back, ok := l.astring(); !ok || back != s {
					t.Fatalf("%q is written as %q and read as %q", s, l.b, back)
				}
			}
		}
		if p, ok := newPattern(in); ok {
			p.match("INBOX/ab")
		}
		if q, ok := parseQResync(lex()); ok && (q.validity == 0 || q.modseq > maxModSeq || q.known.saved) {
			t.Fatalf("%+v", q)
		}
		if name, ok := entryName(lex()); ok && (name != strings.ToLower(name) || !strings.HasPrefix(name, "/") || strings.ContainsAny(name, "*%\r\n \x00")) {
			t.Fatalf("entry %q", name)
		}
		m := metadataRequest{}
		if m.parseEntries(lex()) && len(m.entries) == 0 {
			t.Fatal("no entries")
		}
		m.parseOptions(lex())
		if op, r, ok := parseModRights(in); ok {
			if op2, r2, ok := parseModRights(r.String()); !ok || op2 != mailstore.SetRights || op == mailstore.SetRights && r2&r != r {
				t.Fatalf("rights %q come back as %q", r, r2)
			}
		}
		if keys, ok := parseSortKeys(lex()); ok && (len(keys) == 0 || len(keys) > maxSortKeys) {
			t.Fatalf("%d sort keys", len(keys))
		}
		if w, ok := parseWindow(lex()); ok {
			for _, n := range []int{0, 1, 10} {
				if lo, hi := w.bounds(n); lo < 0 || lo > hi || hi > n {
					t.Fatalf("bounds(%d) = %d, %d", n, lo, hi)
				}
			}
		}
		if n, ok := parseObjectID(lex(), 'M'); ok && n < 0 {
			t.Fatalf("object id %d", n)
		}
		if base, _ := baseSubject(in); len(base) > len(in) {
			t.Fatalf("base subject %q of %q", base, in)
		} else if again, reply := baseSubject(base); again != base || reply {
			t.Fatalf("base subject %q of %q has the base subject %q", base, in, again)
		}
		parseStatusItems(lex())
		parseDateTime(in)
		parseDate(in)
	})
}
