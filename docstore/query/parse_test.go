package query_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"vanthu/docstore/query"
	"vanthu/internal/fault"
)

var vietnam = time.FixedZone("+07", 7*60*60)

func now() time.Time { return time.Date(2026, 11, 24, 9, 0, 0, 0, vietnam) }

// shown writes a query as the tests compare it.
func shown(n query.Node) string {
	list := func(op string, nodes []query.Node) string {
		parts := make([]string, len(nodes))
		for i, c := range nodes {
			parts[i] = shown(c)
		}
		return "(" + strings.Join(parts, op) + ")"
	}
	switch n := n.(type) {
	case query.And:
		return list(" ", n)
	case query.Or:
		return list("|", n)
	case query.Not:
		return "-" + shown(n.Node)
	case *query.Text:
		s := strings.Join(n.Words, "_")
		if n.Prefix {
			s += "*"
		}
		if n.Exact != "" {
			s += "=" + n.Exact
		}
		return [...]string{"", "content:", "code:", "abstract:", "type:", "issuer:", "signer:", "file:"}[n.Scope] + s
	case *query.Cond:
		day := func(t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return t.Format("2006-01-02")
		}
		s := fmt.Sprintf("%d:", n.Field)
		switch {
		case n.Name != "":
			return s + n.Name
		case !n.Begin.IsZero() || !n.End.IsZero():
			return s + day(n.Begin) + ".." + day(n.End)
		}
		return fmt.Sprintf("%s%d..%d", s, n.From, n.To)
	}
	return "?"
}

func TestParse(t *testing.T) {
	const most = 1 << 40
	tests := []struct{ name, in, want string }{
		{"words", "giai ngan", "(giai ngan)"},
		{"diacritics", "Giải ngân", "(giai=giải ngan=ngân)"},
		{"decomposed", norm.NFD.String("Đầu tư"), "(dau=đầu tu=tư)"},
		{"both ways to write a tone", "hoả hỏa", "(hoa=hoả hoa=hỏa)"},
		{"phrase", `"đầu tư công"`, "(dau_tu_cong=đầu tư công)"},
		{"curly quotes", "“đầu tư”«công»", "(dau_tu=đầu tư cong=công)"},
		{"prefix", "thong*", "(thong*)"},
		{"a lone star is nothing", "a *", "(a)"},
		{"without", "giai -ngan", "(giai -ngan)"},
		{"dash inside", "QĐ-UBND", "(qd_ubnd=qđ-ubnd)"},
		{"dash alone", "a - b", "(a b)"},
		{"or binds its neighbours", "a b OR c d", "(a (b|c) d)"},
		{"three ors", "a OR b HOẶC c | d", "((a|b|c|d))"},
		{"or in small letters is a word", "a or b", "(a or b)"},
		{"parentheses", "a (b OR -(c d))", "(a ((b|-(c d))))"},
		{"empty parentheses", "a () b", "(a b)"},
		{"code", "123/QĐ-UBND", "(123_qd_ubnd)"},
		{"code with a leading zero", "05/BC-SYT", "(5_bc_syt)"},
		{"number", "so:123", fmt.Sprintf("(%d:123..123)", query.FieldNumber)},
		{"number in English", "number:123", fmt.Sprintf("(%d:123..123)", query.FieldNumber)},
		{"range", "so:12..20", fmt.Sprintf("(%d:12..20)", query.FieldNumber)},
		{"open range", "soden:>12", fmt.Sprintf("(%d:13..%d)", query.FieldArrival, most)},
		{"urgency", "khẩn:>=1", fmt.Sprintf("(%d:1..%d)", query.FieldUrgency, most)},
		{"urgency by name", `khan:"hoả tốc"`, fmt.Sprintf("(%d:3..3)", query.FieldUrgency)},
		{"day", "ngay:31/01/2026", fmt.Sprintf("(%d:2026-01-31..2026-02-01)", query.FieldIssued)},
		{"months", "ngày:2026-01..2026-06", fmt.Sprintf("(%d:2026-01-01..2026-07-01)", query.FieldIssued)},
		{"before", "hạn:<2026-12-01", fmt.Sprintf("(%d:..2026-12-01)", query.FieldDue)},
		{"after", "date:>2025", fmt.Sprintf("(%d:2026-01-01..)", query.FieldIssued)},
		{"today", "han:homnay", fmt.Sprintf("(%d:2026-11-24..2026-11-25)", query.FieldDue)},
		{"state", "trangthai:arrived", fmt.Sprintf("(%d:arrived)", query.FieldState)},
		{"state in Vietnamese", `trangthai:"Đã vào sổ"`, fmt.Sprintf("(%d:registered)", query.FieldState)},
		{"state by code", "state:06", fmt.Sprintf("(%d:completed)", query.FieldState)},
		{"units", "cq:soyte den:xa01", fmt.Sprintf("(%d:soyte %d:xa01)", query.FieldIssuer, query.FieldTo)},
		{"text fields", `loai:"Quyết định" nguoiky:"Giám đốc" file:bao-cao.pdf noidung:"giải ngân" kyhieu:QĐ-UBND`,
			"(type:quyet_dinh=quyết định signer:giam_doc=giám đốc file:bao_cao_pdf content:giai_ngan=giải ngân code:qd_ubnd=qđ-ubnd)"},
		{"not of a field", "-trangthai:arrived", fmt.Sprintf("(-%d:arrived)", query.FieldState)},
		{"kind", `vaitro:"để biết"`, fmt.Sprintf("(%d:de_biet)", query.FieldKind)},
		{"address is no field", "https://x.test", "(https_x_test)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, err := query.Parse(tt.in, now())
			if err != nil {
				t.Fatal(err)
			}
			if got := shown(q.Root); got != tt.want {
				t.Errorf("Parse(%q) = %s, want %s", tt.in, got, tt.want)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ name, in, where string }{
		{"nothing", "  ", "at character 1"},
		{"only marks", "- ()", "at character 1"},
		{"unknown field", "giai kihieu:QĐ", "at character 6"},
		{"number", "so:abc", "at character 4"},
		{"missing value", "so:", "at character 4"},
		{"missing text", "noidung: x", "at character 9"},
		{"missing unit", "cq:", "at character 4"},
		{"date", "ngay:2026-13", "at character 6"},
		{"impossible day", "ngay:31/02/2026", "at character 6"},
		{"state", "trangthai:xong", "at character 11"},
		{"open quote", `a "b c`, "at character 3"},
		{"open parenthesis", "a (b", "at character 3"},
		{"closing only", "a ) b", "at character 3"},
		{"or first", "OR a", "at character 1"},
		{"or last", "a OR", "at character 3"},
		{"two ors", "a OR OR b", "at character 3"},
		{"two dashes", "--a", "at character 1"},
		{"deep", strings.Repeat("(", 11) + "a", "at character 11"},
		{"many", strings.Repeat("a ", 65), "at character 129"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := query.Parse(tt.in, now())
			if err == nil || fault.KindOf(err) != fault.Invalid {
				t.Fatalf("Parse(%q) = %v, want an error of kind Invalid", tt.in, err)
			}
			s := fault.Sentence(err)
			if !strings.Contains(s.EN, tt.where+" ") && !strings.Contains(s.EN, tt.where+":") || s.VI == "" {
				t.Errorf("Parse(%q) says %q, want %q", tt.in, s.EN, tt.where)
			}
		})
	}
	for _, in := range []string{"\xff", strings.Repeat("a", 2001)} {
		if _, err := query.Parse(in, now()); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("Parse of %d octets = %v, want Invalid", len(in), err)
		}
	}
}

func TestCodes(t *testing.T) {
	q, err := query.Parse("giải 123/QĐ-UBND kyhieu:05/BC-SYT", now())
	if err != nil {
		t.Fatal(err)
	}
	if len(q.Codes) != 2 || q.Codes[0].Key() != "123|qd-ubnd" || q.Codes[1].Key() != "5|bc-syt" {
		t.Errorf("codes = %v", q.Codes)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`so:123 kyhieu:QĐ-UBND cq:soyte loai:"Quyết định" ngay:2026-01..2026-06 trangthai:arrived hạn:<2026-12-01 khẩn:>=1`,
		`(a OR "b c") -noidung:x* | d`, "- | ( ) : \" “", "a OR -|b", "so:>", "ngay:..",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := query.Parse(s, now())
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("error of kind %v", fault.KindOf(err))
			}
			return
		}
		parts := 0
		query.Texts(q.Root, func(x *query.Text, _ bool) {
			parts++
			if len(x.Words) == 0 {
				t.Error("a text without words")
			}
			for _, w := range x.Words {
				if got := query.Words(w); len(got) != 1 || got[0] != w {
					t.Errorf("word %q is made %q", w, got)
				}
			}
		})
		if parts > 64 {
			t.Errorf("%d parts", parts)
		}
		again, err := query.Parse(s, now())
		if err != nil || shown(again.Root) != shown(q.Root) {
			t.Error("not the same the second time")
		}
	})
}
