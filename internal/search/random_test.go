package search_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/docstore/query"
	"vanthu/internal/edoc"
	"vanthu/internal/search"
)

// plain is a document as the naive scan knows it.
type plain struct {
	letter
	name    string // code, which names it in the tests
	columns map[query.Scope]string
	content []string
	state   map[string]string // of each unit
}

func spaced(s string) string { return " " + strings.Join(query.Words(s), " ") + " " }

func (p plain) has(n query.Node, viewer string) bool {
	switch n := n.(type) {
	case query.And:
		// Conditions about a recipient stand together: one must meet them all.
		var of []*query.Cond
		for _, c := range n {
			if cond, ok := c.(*query.Cond); ok && cond.Field.OfRecipient() {
				of = append(of, cond)
			} else if !p.has(c, viewer) {
				return false
			}
		}
		return len(of) == 0 || p.recipient(of, viewer)
	case query.Or:
		return slices.ContainsFunc(n, func(c query.Node) bool { return p.has(c, viewer) })
	case query.Not:
		return !p.has(n.Node, viewer)
	case *query.Text:
		want := " " + strings.Join(n.Words, " ")
		if !n.Prefix {
			want += " "
		}
		for scope, text := range p.columns {
			if (n.Scope == query.ScopeAll || n.Scope == scope) && strings.Contains(text, want) {
				return true
			}
		}
		whole := viewer == "" || p.issuer == viewer || slices.Contains(p.to, viewer)
		return n.Scope.HasContent() && whole && slices.ContainsFunc(p.content, func(s string) bool { return strings.Contains(s, want) })
	case *query.Cond:
		if n.Field.OfRecipient() {
			return p.recipient([]*query.Cond{n}, viewer)
		}
		switch n.Field {
		case query.FieldNumber:
			var number int64
			if _, err := fmt.Sscanf(p.code, "%d", &number); err != nil {
				return false
			}
			return number >= n.From && number <= n.To
		case query.FieldUrgency:
			return int64(p.urgency) >= n.From && int64(p.urgency) <= n.To
		case query.FieldIssuer:
			return p.issuer == n.Name
		case query.FieldIssued:
			if p.issued == "" {
				return false
			}
			day := func(t time.Time) string { return t.Format(time.DateOnly) }
			return (n.Begin.IsZero() || p.issued >= day(n.Begin)) && (n.End.IsZero() || p.issued < day(n.End))
		}
	}
	return false
}

func (p plain) recipient(conds []*query.Cond, viewer string) bool {
	return slices.ContainsFunc(p.to, func(unit string) bool {
		if viewer != "" && viewer != unit && viewer != p.issuer {
			return false
		}
		for _, c := range conds {
			if c.Field == query.FieldTo && c.Name != unit || c.Field == query.FieldState && c.Name != p.state[unit] {
				return false
			}
		}
		return true
	})
}

// TestRandom compares many random queries with a scan that reads everything.
func TestRandom(t *testing.T) {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(18, 5))
	syllables := strings.Fields("giải ngân vốn đầu tư công báo cáo kế hoạch tuý hoả an anh ang đường cao tốc y tế")
	units := []string{"soyte", "sotc", "xa01", "xa02"}
	some := func(n int) string {
		out := make([]string, r.IntN(n)+1)
		for i := range out {
			out[i] = syllables[r.IntN(len(syllables))]
		}
		return strings.Join(out, []string{" ", ", ", "\r\n"}[r.IntN(3)])
	}
	var all []plain
	for i := range 150 {
		p := plain{state: map[string]string{}}
		p.code = fmt.Sprintf("%d/%s", i+1, []string{"QĐ-STC", "BC-SYT", "CV-SYT"}[r.IntN(3)])
		p.abstract, p.body, p.file, p.signer = strings.ReplaceAll(some(6), "\r\n", " "), some(30), some(2)+".pdf", some(3)
		p.issuer = units[r.IntN(2)]
		p.urgency = edoc.Urgency(r.IntN(3))
		if r.IntN(4) > 0 {
			p.issued = fmt.Sprintf("2026-%02d-%02d", r.IntN(12)+1, r.IntN(28)+1)
		}
		for _, u := range units[2:] {
			if r.IntN(2) == 0 {
				p.to = append(p.to, u)
			}
		}
		if len(p.to) == 0 {
			p.to = []string{"xa01"}
		}
		made := w.send(p.letter)
		for j, u := range p.to {
			if p.state[u] = "arrived"; r.IntN(3) == 0 {
				w.do(made.Dispatches[j].ID, docstore.EventRegister)
				p.state[u] = "registered"
			}
		}
		p.name = made.Document.Code
		unit, _ := w.dir.Snapshot().Unit(w.units[p.issuer])
		c, err := edoc.ParseCode(p.code)
		if err != nil {
			t.Fatal(err)
		}
		typ := edoc.TypeForCode(c)
		p.columns = map[query.Scope]string{
			query.ScopeCode: spaced(p.code) + spaced(p.name), query.ScopeAbstract: spaced(p.abstract), query.ScopeType: spaced(typ.Name + " " + typ.Abbr),
			query.ScopeIssuer: spaced(unit.Name), query.ScopeSigner: spaced(p.signer), query.ScopeFile: spaced(p.file),
		}
		p.content = []string{spaced("s"), spaced("v@p.test"), spaced("x@p.test"), spaced(p.body)}
		all = append(all, p)
		if i == 100 {
			if _, err := w.boxes.Index(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}

	var part func(depth int) string
	part = func(depth int) string {
		s := ""
		switch n := r.IntN(12); {
		case n < 4:
			s = syllables[r.IntN(len(syllables))]
		case n == 4:
			s = `"` + some(3) + `"`
		case n == 5:
			s = []string{"so:>", "so:<"}[r.IntN(2)] + fmt.Sprint(r.IntN(150)+1)
		case n == 6:
			s = []string{"noidung:", "trichyeu:", "nguoiky:", "file:", "loai:"}[r.IntN(5)] + syllables[r.IntN(len(syllables))]
		case n == 7:
			s = []string{"den:xa01", "den:xa02", "trangthai:registered", "cq:soyte", "kyhieu:QĐ-STC", "khan:>=1", "ngay:2026-02..2026-09"}[r.IntN(7)]
		case n == 8:
			s = "ho*"
		case n == 9 && depth > 0:
			s = "(" + part(depth-1) + " " + part(depth-1) + ")"
		case n == 10 && depth > 0:
			s = "(" + part(depth-1) + " OR " + part(depth-1) + ")"
		default:
			s = syllables[r.IntN(len(syllables))]
		}
		if r.IntN(5) == 0 {
			s = "-" + s
		}
		return s
	}
	hits := 0
	for i := range 400 {
		q := part(2)
		for range r.IntN(3) {
			q += " " + part(2)
		}
		q = strings.ReplaceAll(q, "\r\n", " ")
		parsed, err := query.Parse(q, w.now)
		if err != nil {
			t.Fatalf("Parse(%q): %v", q, err)
		}
		viewer := []string{"", "", "soyte", "xa02"}[r.IntN(4)]
		var want []string
		for _, p := range all {
			if viewer != "" && p.issuer != viewer && !slices.Contains(p.to, viewer) {
				continue
			}
			if p.has(parsed.Root, viewer) {
				want = append(want, p.name)
			}
		}
		req := search.Request{Query: q, Limit: 1000, Thorough: r.IntN(2) == 0, Sort: docstore.Sorts()[r.IntN(4)]}
		if viewer != "" {
			req.As = w.ids["vanthu."+viewer]
		}
		res := w.search(req)
		got := strings.Fields(codes(res))
		hits += len(got)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || !res.Complete {
			t.Fatalf("%d: Search(%q) of %q, sorted by %s: %d, want %d\n got %v\nwant %v", i, q, viewer, req.Sort, len(got), len(want), got, want)
		}
		if len(got) > 3 { // a page is a part of the whole
			req.Limit, req.Offset = 2, 1
			page := codes(w.search(req))
			if whole := strings.Fields(codes(res)); page != strings.Join(whole[1:3], " ") {
				t.Fatalf("%d: page of %q sorted by %s is %s, want %v", i, q, req.Sort, page, whole[1:3])
			}
		}
	}
	if hits < 2000 {
		t.Errorf("only %d hits: the test tells nothing", hits)
	}
}
