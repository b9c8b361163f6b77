package mail

import (
	"strings"
)

// maxAddresses is how many addresses of one field are read.
const maxAddresses = 2000

// maxPhrase is how many words of one address are looked at.
const maxPhrase = 1000

// maxListWord is the length up to which an encoded word in a name may hold
// characters that part addresses.
const maxListWord = 2048

// listEntry is an address of an address list as the header has it: not decoded,
// without quotes and comments.
type listEntry struct {
	name, route, local, domain string
	hasName                    bool
	group                      Group
}

// addressList reads an address list of RFC 5322, section 3.4 tolerantly: a
// semicolon outside a group parts addresses like a comma, a name needs no
// quotes, the domain may be missing, a comment serves for a name. It is linear
// in the length of its input.
func addressList(list []listEntry, s string) []listEntry {
	p := listParser{s: s, out: list}
	p.run()
	return p.out
}

// span is a word of the phrase under construction: s[begin:end].
type span struct {
	begin, end int
	quoted     bool
}

type listParser struct {
	s       string
	i       int
	out     []listEntry
	inGroup bool

	words      []span
	comment    string
	angle      string
	hasAngle   bool
	hasAt      bool // an unquoted word holds "@"
	noAngleEnd bool // no ">" is left
	noBracket  bool // no "]" is left
}

func (p *listParser) run() {
	s := p.s
	for p.i < len(s) && len(p.out) < maxAddresses {
		switch c := s[p.i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			p.i++
		case c == ',':
			p.i++
			p.finish()
		case c == ';':
			p.i++
			p.finish()
			p.endGroup()
		case c == '(':
			n := commentLen(s[p.i:])
			if p.comment == "" {
				p.comment = commentText(s[p.i : p.i+n])
			}
			p.i += n
		case c == '"':
			_, rest := unquote(s[p.i:])
			end := len(s) - len(rest)
			p.addWord(span{p.i, end, true})
			p.i = end
		case c == '<':
			p.readAngle()
		case c == ':' && !p.hasAngle && !p.inGroup && !p.hasAt:
			p.i++
			p.inGroup = true
			p.out = append(p.out, listEntry{name: p.phrase(p.words), hasName: true, group: GroupStart})
			p.clear()
		default:
			p.readAtom()
		}
	}
	if len(p.out) < maxAddresses {
		p.finish()
	}
	p.endGroup()
}

func (p *listParser) endGroup() {
	if p.inGroup {
		p.inGroup = false
		p.out = append(p.out, listEntry{group: GroupEnd})
	}
}

func (p *listParser) clear() {
	p.words, p.comment, p.angle, p.hasAngle, p.hasAt = p.words[:0], "", "", false, false
}

// readAtom takes a run of characters that part nothing, or an encoded word.
func (p *listParser) readAtom() {
	s, begin := p.s, p.i
	if strings.HasPrefix(s[p.i:], "=?") {
		_, n := lexWord(s[p.i:min(len(s), p.i+maxListWord)])
		if n > 0 && strings.IndexByte(s[p.i:p.i+n], '<') < 0 {
			p.i += n
			p.addWord(span{begin, p.i, false})
			return
		}
	}
	if s[p.i] == '[' && !p.noBracket {
		end := strings.IndexByte(s[p.i:], ']')
		if end < 0 {
			p.noBracket = true
		} else {
			p.i += end
		}
	}
	if s[p.i] == '@' {
		p.hasAt = true
	}
	p.i++
loop:
	for ; p.i < len(s); p.i++ {
		switch s[p.i] {
		case ' ', '\t', '\r', '\n', ',', ';', '(', '"', '<', '[':
			break loop
		case ':':
			if !p.hasAt && !p.inGroup {
				break loop
			}
		case '@':
			p.hasAt = true
		}
	}
	p.addWord(span{begin, p.i, false})
}

func (p *listParser) addWord(w span) {
	if len(p.words) < maxPhrase {
		p.words = append(p.words, w)
	}
}

// readAngle takes "<…>"; without ">" it reaches to the next comma.
func (p *listParser) readAngle() {
	for p.i+1 < len(p.s) && p.s[p.i+1] == '<' {
		p.i++
	}
	rest := p.s[p.i+1:]
	end := -1
	if !p.noAngleEnd {
		end, p.noAngleEnd = angleEnd(rest)
	}
	next := end + 1
	if end < 0 {
		if end = strings.IndexAny(rest, ",;"); end < 0 {
			end = len(rest)
		}
		next = end
	}
	if !p.hasAngle {
		p.angle, p.hasAngle = strings.Trim(rest[:end], " \t\r\n"), true
	}
	p.i += 1 + next
}

// angleEnd finds the ">" outside of quotes, -1 when a "<" comes first or none
// is left. Quotes count only as far as an address may reach.
func angleEnd(s string) (end int, none bool) {
	quoted := false
	for i := 0; i < min(len(s), 1024); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case '>':
			if !quoted {
				return i, false
			}
		case '<':
			if !quoted {
				return -1, false
			}
		}
	}
	end = strings.IndexByte(s, '>') // long, or the quotes are broken
	return end, end < 0
}

// finish ends an address.
func (p *listParser) finish() {
	defer p.clear()
	if p.hasAngle {
		if p.angle == "" && len(p.words) == 0 {
			return
		}
		e := listEntry{}
		spec := p.angle
		if strings.HasPrefix(spec, "@") {
			if route, rest, ok := strings.Cut(spec, ":"); ok {
				e.route, spec = route, rest
			}
		}
		e.local, e.domain = splitSpec(spec)
		p.setName(&e, p.words)
		p.out = append(p.out, e)
		return
	}
	if len(p.words) == 0 {
		return
	}
	e := listEntry{}
	at := -1
	if p.hasAt {
		for i := len(p.words) - 1; i >= 0; i-- {
			if w := p.words[i]; !w.quoted && strings.IndexByte(p.s[w.begin:w.end], '@') >= 0 {
				at = i
				break
			}
		}
	}
	if at < 0 {
		e.local = p.phrase(p.words)
		p.setName(&e, nil)
		p.out = append(p.out, e)
		return
	}
	first, last := at, at
	for first > 0 && p.joined(first-1, first) {
		first--
	}
	for last+1 < len(p.words) && p.joined(last, last+1) {
		last++
	}
	var b strings.Builder
	for _, w := range p.words[first : last+1] {
		b.WriteString(p.s[w.begin:w.end])
	}
	e.local, e.domain = splitSpec(b.String())
	p.setName(&e, append(p.words[:first:first], p.words[last+1:]...))
	p.out = append(p.out, e)
}

// joined tells whether words i and j=i+1 belong to one addr-spec: they touch,
// or an "@" or dot stands at their blank (obsolete syntax, RFC 5322, section 4.4).
func (p *listParser) joined(i, j int) bool {
	a, b := p.words[i], p.words[j]
	if a.end == b.begin {
		return true
	}
	l, r := p.s[a.end-1], p.s[b.begin]
	return !a.quoted && (l == '@' || l == '.') || !b.quoted && (r == '@' || r == '.')
}

func (p *listParser) setName(e *listEntry, words []span) {
	e.name = p.phrase(words)
	e.hasName = e.name != ""
	if !e.hasName && p.comment != "" {
		e.name, e.hasName = p.comment, true
	}
}

// phrase gives the text of words, without quotes, a blank where there was some.
func (p *listParser) phrase(words []span) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return p.wordText(words[0])
	}
	allPlain := true
	for i, w := range words {
		if w.quoted || i > 0 && w.begin > words[i-1].end+1 {
			allPlain = false
		}
	}
	if allPlain {
		return p.s[words[0].begin:words[len(words)-1].end]
	}
	var b strings.Builder
	for i, w := range words {
		if i > 0 && w.begin > words[i-1].end {
			b.WriteByte(' ')
		}
		b.WriteString(p.wordText(w))
	}
	return b.String()
}

func (p *listParser) wordText(w span) string {
	if !w.quoted {
		return p.s[w.begin:w.end]
	}
	v, _ := unquote(p.s[w.begin:w.end])
	return v
}

// splitSpec parts an addr-spec at its last "@" outside of quotes; blanks and
// comments outside of quotes are dropped, the local part loses its quotes.
func splitSpec(s string) (local, domain string) {
	if strings.ContainsAny(s, "\" \t(") {
		return splitOddSpec(s)
	}
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		return s[:at], s[at+1:]
	}
	return s, ""
}

func splitOddSpec(s string) (local, domain string) {
	b := make([]byte, 0, len(s))
	at := -1
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '"':
			v, rest := unquote(s[i:])
			b = append(b, v...)
			i = len(s) - len(rest)
			continue
		case '(':
			i += commentLen(s[i:])
			continue
		case ' ', '\t':
			i++
			continue
		case '@':
			at = len(b)
		}
		b = append(b, s[i])
		i++
	}
	if at < 0 {
		return string(b), ""
	}
	return string(b[:at]), string(b[at+1:])
}

// commentText gives the content of a comment without its outer parentheses.
func commentText(s string) string {
	s = strings.TrimPrefix(s, "(")
	s = strings.TrimSuffix(s, ")")
	return strings.Trim(strings.ReplaceAll(s, `\`, ""), " \t\r\n")
}

// headerAddress decodes e.
func (e listEntry) headerAddress() HeaderAddress {
	h := HeaderAddress{Name: DecodeHeader(cutRunes(e.name, maxShown)), Group: e.group}
	if e.group != GroupNone {
		return h
	}
	local := cutRunes(e.local, maxShown)
	if local != "" && !isDotString(local) && !strings.ContainsAny(local, "\r\n\x00") {
		local = quote(local)
	}
	h.Addr = local
	if e.domain != "" {
		h.Addr += "@" + cutRunes(e.domain, maxShown)
	}
	h.Addr = stripControls(decodeIfHigh(h.Addr))
	return h
}

// decodeIfHigh makes header text with octets above 127 valid UTF-8.
func decodeIfHigh(s string) string {
	if isASCII(s) {
		return s
	}
	return DecodeText([]byte(s), "")
}

// ParseAddressList reads the raw value of an address field (From, To …) as
// tolerantly as the ENVELOPE does, groups with their marks; at most 2,000 entries.
func ParseAddressList(raw string) []HeaderAddress {
	list := addressList(nil, raw)
	out := make([]HeaderAddress, 0, len(list))
	for _, e := range list {
		out = append(out, e.headerAddress())
	}
	return out
}

// Address gives the address in canonical form. Errors are those of ParseAddress.
func (h HeaderAddress) Address() (Address, error) { return ParseAddress(h.Addr, true) }
