package query

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// Limits of a query.
const (
	maxQuery = 2000 // characters
	maxParts = 64   // words, phrases and conditions
	maxDepth = 10   // parentheses in parentheses
)

// A Query is one that was understood.
type Query struct {
	Root  And
	Codes []edoc.Code // numbers with symbols that are asked for: "123/QĐ-UBND"
}

// Parse reads a query. now is what "homnay" refers to. Errors are of kind
// fault.Invalid; they say where and what would be possible.
func Parse(s string, now time.Time) (Query, error) {
	if !utf8.ValidString(s) {
		return Query{}, fault.New(fault.Invalid, fault.Text{EN: "the query is not UTF-8", VI: "câu tra cứu không phải UTF-8"})
	}
	runes := []rune(norm.NFC.String(s))
	if len(runes) > maxQuery {
		return Query{}, fault.New(fault.Invalid, fault.Text{
			EN: fmt.Sprintf("the query is longer than %d characters", maxQuery), VI: fmt.Sprintf("câu tra cứu dài quá %d ký tự", maxQuery),
		})
	}
	p := parser{in: runes, now: now}
	root, err := p.all()
	if err != nil {
		return Query{}, err
	}
	if p.at < len(p.in) {
		return Query{}, p.wrong(p.at, "this parenthesis closes nothing", "dấu đóng ngoặc thừa")
	}
	if p.parts == 0 {
		return Query{}, p.wrong(0, "nothing is asked for; type words or "+example, "chưa có gì để tìm; hãy gõ từ cần tìm hoặc "+example)
	}
	return Query{Root: root, Codes: p.codes}, nil
}

const example = `so:123, kyhieu:QĐ-UBND, ngay:2026-01..2026-06, "giải ngân"`

type parser struct {
	in    []rune
	at    int
	now   time.Time
	parts int
	depth int
	codes []edoc.Code
}

// wrong makes the error about what stands at a place, counted from 1.
func (p *parser) wrong(at int, en, vi string) error {
	rest := []rune(strings.TrimSpace(string(p.in[min(at, len(p.in)):])))
	near := string(rest[:min(len(rest), 20)])
	where := fault.Text{EN: fmt.Sprintf("at character %d", at+1), VI: fmt.Sprintf("tại ký tự %d", at+1)}
	if near != "" {
		where.EN, where.VI = where.EN+" (“"+near+"”)", where.VI+" (“"+near+"”)"
	}
	return fault.New(fault.Invalid, fault.Text{EN: where.EN + ": " + en, VI: where.VI + ": " + vi})
}

func (p *parser) blanks() {
	for p.at < len(p.in) && unicode.IsSpace(p.in[p.at]) {
		p.at++
	}
}

// all reads parts up to the end or a closing parenthesis. OR binds its two
// neighbours: "a b OR c" is a and one of b, c.
func (p *parser) all() (And, error) {
	var out And
	for {
		p.blanks()
		if p.at == len(p.in) || p.in[p.at] == ')' {
			return out, nil
		}
		begin := p.at
		if p.or() {
			return nil, p.wrong(begin, "OR stands between two parts", "OR (HOẶC) phải đứng giữa hai phần")
		}
		n, err := p.part()
		if err != nil {
			return nil, err
		}
		either := Or{}
		if n != nil {
			either = Or{n}
		}
		for {
			at := p.at
			p.blanks()
			begin = p.at
			if !p.or() {
				p.at = at
				break
			}
			p.blanks()
			if p.at == len(p.in) || p.in[p.at] == ')' || p.looksLikeOr() {
				return nil, p.wrong(begin, "OR stands between two parts", "OR (HOẶC) phải đứng giữa hai phần")
			}
			next, err := p.part()
			if err != nil {
				return nil, err
			}
			if next != nil {
				either = append(either, next)
			}
		}
		switch len(either) {
		case 0:
		case 1:
			out = append(out, either[0])
		default:
			out = append(out, either)
		}
	}
}

// or takes OR, HOẶC or | when it is there.
func (p *parser) or() bool {
	if p.at < len(p.in) && p.in[p.at] == '|' {
		p.at++
		return true
	}
	end := p.at
	for end < len(p.in) && unicode.IsLetter(p.in[end]) {
		end++
	}
	if w := string(p.in[p.at:end]); (w == "OR" || w == "HOẶC") && (end == len(p.in) || p.in[end] != ':') {
		p.at = end
		return true
	}
	return false
}

func (p *parser) looksLikeOr() bool {
	at := p.at
	is := p.or()
	p.at = at
	return is
}

// part reads one word, phrase, condition or parenthesis; nil for what asks for
// nothing, such as a single dash.
func (p *parser) part() (Node, error) {
	begin := p.at
	if p.in[p.at] == '-' && p.at+1 < len(p.in) && !unicode.IsSpace(p.in[p.at+1]) && p.in[p.at+1] != ')' {
		p.at++
		if p.in[p.at] == '-' {
			return nil, p.wrong(begin, "two dashes in a row", "hai dấu trừ liền nhau")
		}
		n, err := p.part()
		if n == nil || err != nil {
			return nil, err
		}
		return Not{n}, nil
	}
	if p.in[p.at] == '(' {
		return p.parenthesis()
	}
	if p.parts++; p.parts > maxParts {
		return nil, p.wrong(begin, fmt.Sprintf("more than %d parts", maxParts), fmt.Sprintf("quá %d phần", maxParts))
	}
	if k, ok, err := p.key(); err != nil {
		return nil, err
	} else if ok {
		return p.condition(k)
	}
	value, quoted, err := p.value()
	if err != nil {
		return nil, err
	}
	n := p.text(ScopeAll, value, quoted)
	if n == nil {
		p.parts--
	}
	return n, nil
}

func (p *parser) parenthesis() (Node, error) {
	begin := p.at
	if p.depth++; p.depth > maxDepth {
		return nil, p.wrong(begin, "too many parentheses in one another", "quá nhiều ngoặc lồng nhau")
	}
	p.at++
	n, err := p.all()
	if err != nil {
		return nil, err
	}
	if p.at == len(p.in) {
		return nil, p.wrong(begin, "a parenthesis is not closed", "thiếu dấu đóng ngoặc")
	}
	p.at++
	p.depth--
	if len(n) == 0 {
		return nil, nil //nolint:nilnil // empty parentheses ask for nothing
	}
	return n, nil
}

// key takes "name:" when it is there. A word with a colon that is no field is
// an error: it is most often a field that was misspelt.
func (p *parser) key() (key, bool, error) {
	end := p.at
	for end < len(p.in) && unicode.IsLetter(p.in[end]) {
		end++
	}
	if end == p.at || end == len(p.in) || p.in[end] != ':' {
		return key{}, false, nil
	}
	if end+1 < len(p.in) && p.in[end+1] == '/' { // https://…
		return key{}, false, nil
	}
	name := string(p.in[p.at:end])
	k, ok := findKey(name)
	if !ok {
		list := strings.Join(Names(), ", ")
		return key{}, false, p.wrong(p.at,
			"there is no field "+name+"; there are "+list+"; to look for the text itself put it in quotes",
			"không có trường "+name+"; có các trường: "+list+"; nếu muốn tìm nguyên văn thì đặt trong ngoặc kép")
	}
	p.at = end + 1
	return k, true, nil
}

// condition reads the value of a field.
func (p *parser) condition(k key) (Node, error) {
	begin := p.at
	value, quoted, err := p.value()
	if err != nil {
		return nil, err
	}
	if k.field == 0 {
		n := p.text(k.scope, value, quoted)
		if n == nil {
			return nil, p.wrong(begin, "the value of "+k.names[0]+" is missing", "thiếu giá trị của "+k.names[0])
		}
		return n, nil
	}
	c, bad := k.read(k.field, value, p.now)
	if bad.is() {
		return nil, p.wrong(begin, k.names[0]+" "+bad.en, k.names[0]+" "+bad.vi)
	}
	return c, nil
}

// value takes a phrase in quotes, or everything up to a blank or parenthesis.
func (p *parser) value() (value string, quoted bool, err error) {
	begin := p.at
	if p.at < len(p.in) {
		if closing, ok := quotes(p.in[p.at]); ok {
			for p.at++; p.at < len(p.in); p.at++ {
				if c := p.in[p.at]; c == '"' || c == closing {
					p.at++
					return string(p.in[begin+1 : p.at-1]), true, nil
				}
			}
			p.at = begin
			return "", false, p.wrong(begin, "a quotation mark is not closed", "thiếu dấu đóng ngoặc kép")
		}
	}
	for p.at < len(p.in) && !unicode.IsSpace(p.in[p.at]) && p.in[p.at] != ')' && p.in[p.at] != '|' {
		if _, ok := quotes(p.in[p.at]); ok {
			break
		}
		p.at++
	}
	if p.at == begin && p.at < len(p.in) && (p.in[p.at] == '|' || p.in[p.at] == ')') {
		return "", false, nil
	}
	return string(p.in[begin:p.at]), false, nil
}

// quotes gives what closes a phrase that r opens.
func quotes(r rune) (closing rune, ok bool) {
	switch r {
	case '"':
		return '"', true
	case '“', '„', '”':
		return '”', true
	case '«':
		return '»', true
	}
	return 0, false
}

// text makes the part that wants value; nil when it has no letter or digit. A
// number with symbol is noted, so that the very document comes first.
func (p *parser) text(scope Scope, value string, quoted bool) Node {
	words := Words(value)
	if len(words) == 0 {
		return nil
	}
	t := &Text{Scope: scope, Words: words, Exact: exact(value), Quoted: quoted}
	if rest, ok := strings.CutSuffix(strings.TrimSpace(value), "*"); ok && rest != "" && Words(rest) != nil {
		last, _ := utf8.DecodeLastRuneInString(rest)
		t.Prefix, t.Exact = IsWord(last) || unicode.Is(unicode.Mn, last), exact(rest)
	}
	if scope == ScopeAll || scope == ScopeCode {
		if c, err := edoc.ParseCode(value); err == nil && !c.Ask {
			p.codes = append(p.codes, c)
			t.Words, t.Exact = CodeWords(c), ""
		}
	}
	return t
}

// CodeWords gives the words of a code in the one form in which codes are
// kept: without leading zeros.
func CodeWords(c edoc.Code) []string {
	return Words(fmt.Sprintf("%d%s %s", c.Number, c.Suffix, mail.Fold(c.Symbol)))
}
