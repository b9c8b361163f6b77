package imapd

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"vanthu/internal/mail"
)

// fetchKind is a data item of FETCH (RFC 9051, section 6.4.5).
type fetchKind uint8

const (
	fetchUID fetchKind = iota
	fetchFlags
	fetchInternalDate
	fetchSize
	fetchModSeq
	fetchEmailID
	fetchThreadID
	fetchSaveDate
	fetchPreview
	fetchEnvelope
	fetchBodyStructure
	fetchBody // BODYSTRUCTURE without extension data
	fetchSection
	fetchBinary
	fetchBinarySize
)

// sectionWhat is which octets of a part a section names.
type sectionWhat uint8

const (
	sectionAll sectionWhat = iota
	sectionHeader
	sectionText
	sectionMIME
	sectionFields
	sectionFieldsNot
)

// Limits of one FETCH.
const (
	maxSections    = 50 // sections with content: output stays within 50 times the message
	maxHeaderNames = 1000
	maxPathDepth   = 100
)

// fetchItem is one data item, ready to be answered.
type fetchItem struct {
	kind    fetchKind
	label   string // as the answer names it, with the blank behind: "BODY[1.MIME]<0> "
	path    []int
	what    sectionWhat
	filter  *mail.HeaderFilter // of sectionFields and sectionFieldsNot
	partial bool
	from    int64 // of partial
	count   int64
	sets    bool // fetching it sets \Seen
	lazy    bool // of PREVIEW: not when it takes time
}

// content tells whether the item needs the message's octets.
func (it *fetchItem) content() bool { return it.kind >= fetchSection }

// onlyHeader tells whether the item asks for the header of the whole message, or fields of it.
func (it *fetchItem) onlyHeader() bool {
	return it.kind == fetchSection && len(it.path) == 0 && it.what != sectionAll && it.what != sectionText
}

// parseFetchItems reads the items of a FETCH, a macro or one item or a list, up to the end of the arguments.
func parseFetchItems(l *lexer) ([]fetchItem, bool) {
	var items []fetchItem
	add := func(it fetchItem) bool {
		if !slices.ContainsFunc(items, func(o fetchItem) bool { return o.kind == it.kind && o.label == it.label && o.sets == it.sets }) {
			items = append(items, it)
		}
		sections := 0
		for i := range items {
			if items[i].content() {
				sections++
			}
		}
		return sections <= maxSections
	}
	one := func() bool {
		it, ok := parseFetchItem(l)
		return ok && add(it)
	}
	if l.peek() == '(' {
		return items, l.list(one) && len(items) > 0
	}
	at := l.i
	name, _ := l.word()
	if kinds := macro(name); kinds != nil {
		for _, k := range kinds {
			add(fetchItem{kind: k})
		}
		return items, true
	}
	l.i = at
	return items, one()
}

func macro(name string) []fetchKind {
	switch name {
	case "FAST":
		return []fetchKind{fetchFlags, fetchInternalDate, fetchSize}
	case "ALL":
		return []fetchKind{fetchFlags, fetchInternalDate, fetchSize, fetchEnvelope}
	case "FULL":
		return []fetchKind{fetchFlags, fetchInternalDate, fetchSize, fetchEnvelope, fetchBody}
	}
	return nil
}

func parseFetchItem(l *lexer) (fetchItem, bool) {
	b, _ := l.take(func(ch byte) bool { return ch != '[' && ch != '<' && isAtomChar(ch) })
	name := strings.ToUpper(string(b))
	if l.peek() == '[' {
		return parseSectionItem(l, name)
	}
	switch name {
	case "UID":
		return fetchItem{kind: fetchUID}, true
	case "FLAGS":
		return fetchItem{kind: fetchFlags}, true
	case "INTERNALDATE":
		return fetchItem{kind: fetchInternalDate}, true
	case "RFC822.SIZE":
		return fetchItem{kind: fetchSize}, true
	case "MODSEQ":
		return fetchItem{kind: fetchModSeq}, true
	case "EMAILID":
		return fetchItem{kind: fetchEmailID}, true
	case "THREADID":
		return fetchItem{kind: fetchThreadID}, true
	case "SAVEDATE":
		return fetchItem{kind: fetchSaveDate}, true
	case "PREVIEW":
		it := fetchItem{kind: fetchPreview}
		if at := l.i; l.sp() { // a parenthesis may also begin the modifiers of FETCH
			if it.lazy = l.special('(') && l.keyword("LAZY") && l.special(')'); !it.lazy {
				l.i = at
			}
		}
		return it, true
	case "ENVELOPE":
		return fetchItem{kind: fetchEnvelope}, true
	case "BODYSTRUCTURE":
		return fetchItem{kind: fetchBodyStructure}, true
	case "BODY":
		return fetchItem{kind: fetchBody}, true
	case "RFC822":
		return fetchItem{kind: fetchSection, label: "RFC822 ", sets: true}, true
	case "RFC822.PEEK": // never a standard, but Outlook asks for it
		return fetchItem{kind: fetchSection, label: "RFC822 "}, true
	case "RFC822.HEADER":
		return fetchItem{kind: fetchSection, label: "RFC822.HEADER ", what: sectionHeader}, true
	case "RFC822.TEXT":
		return fetchItem{kind: fetchSection, label: "RFC822.TEXT ", what: sectionText, sets: true}, true
	}
	return fetchItem{}, false
}

func parseSectionItem(l *lexer, name string) (it fetchItem, ok bool) {
	label := "BODY["
	switch name {
	case "BODY":
		it = fetchItem{kind: fetchSection, sets: true}
	case "BODY.PEEK":
		it = fetchItem{kind: fetchSection}
	case "BINARY":
		it, label = fetchItem{kind: fetchBinary, sets: true}, "BINARY["
	case "BINARY.PEEK":
		it, label = fetchItem{kind: fetchBinary}, "BINARY["
	case "BINARY.SIZE":
		it, label = fetchItem{kind: fetchBinarySize}, "BINARY.SIZE["
	default:
		return it, false
	}
	l.i++ // the bracket
	if it.path, ok = parsePath(l); !ok {
		return it, false
	}
	out := []byte(label)
	for i, n := range it.path {
		if i > 0 {
			out = append(out, '.')
		}
		out = strconv.AppendInt(out, int64(n), 10)
	}
	if l.peek() != ']' {
		if it.kind != fetchSection {
			return it, false
		}
		if len(it.path) > 0 {
			if !l.special('.') {
				return it, false
			}
			out = append(out, '.')
		}
		if out, ok = parseSectionText(l, &it, out); !ok {
			return it, false
		}
	}
	if !l.special(']') {
		return it, false
	}
	out = append(out, ']')
	if l.special('<') {
		if it.kind == fetchBinarySize || !parsePartial(l, &it) {
			return it, false
		}
		out = append(out, '<')
		out = strconv.AppendInt(out, it.from, 10)
		out = append(out, '>')
	}
	it.label = string(append(out, ' '))
	return it, true
}

// parsePath reads part numbers; it stops in front of a dot that is followed by something else.
func parsePath(l *lexer) ([]int, bool) {
	var path []int
	for {
		at := l.i
		if len(path) > 0 && !l.special('.') {
			return path, true
		}
		if ch := l.peek(); ch < '0' || ch > '9' {
			l.i = at
			return path, true
		}
		n, ok := l.number(math.MaxInt32)
		if !ok || n == 0 || len(path) == maxPathDepth {
			return nil, false
		}
		path = append(path, int(n))
	}
}

func parseSectionText(l *lexer, it *fetchItem, out []byte) ([]byte, bool) {
	word, _ := l.word()
	out = append(out, word...)
	switch word {
	case "HEADER":
		it.what = sectionHeader
	case "TEXT":
		it.what = sectionText
	case "MIME":
		it.what = sectionMIME
		return out, len(it.path) > 0
	case "HEADER.FIELDS", "HEADER.FIELDS.NOT":
		it.what = sectionFields
		if word == "HEADER.FIELDS.NOT" {
			it.what = sectionFieldsNot
		}
		if !l.sp() {
			return out, false
		}
		out = append(out, " ("...)
		var names []string
		ok := l.list(func() bool {
			name, ok := l.astring()
			if !ok || !fieldName(name) || len(names) == maxHeaderNames {
				return false
			}
			if len(names) > 0 {
				out = append(out, ' ')
			}
			out = appendAString(out, name, false)
			names = append(names, name)
			return true
		})
		it.filter = mail.NewHeaderFilter(names, it.what == sectionFieldsNot)
		return append(out, ')'), ok && len(names) > 0
	default:
		return out, false
	}
	return out, true
}

// fieldName tells whether s may name a header field (RFC 5322, section 3.6.8).
func fieldName(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e || s[i] == ':' {
			return false
		}
	}
	return s != ""
}

func parsePartial(l *lexer, it *fetchItem) bool {
	from, ok := l.number(math.MaxInt64)
	if !ok || !l.special('.') {
		return false
	}
	count, ok := l.number(math.MaxInt64)
	if !ok || count == 0 || !l.special('>') {
		return false
	}
	it.partial, it.from, it.count = true, int64(from), int64(count)
	return true
}

// clip cuts a section of n octets to the partial asked for.
func (it *fetchItem) clip(n int64) (from, count int64) {
	if !it.partial {
		return 0, n
	}
	from = min(it.from, n)
	return from, min(it.count, n-from)
}
