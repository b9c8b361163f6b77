package imapd

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// strict reads a server's output as the grammar of RFC 9051, section 9, and of the extensions has it, and not one octet more freely. It
// shares no code with the server. On top of the grammar it wants what clients choke on when it is missing: complete ENVELOPEs and
// BODYSTRUCTUREs, dates, sensible numbers (R13, R15, R17).
type strict struct {
	b    []byte
	i    int
	wide bool // UTF-8 in quoted strings was enabled
}

// val is a value: an atom, a string, or a list.
type val struct {
	kind byte // 'a' atom, 'q' string, '(' list
	s    string
	list []val
}

func (v val) isNil() bool { return v.kind == 'a' && v.s == "NIL" }

// number tells whether v is a number of IMAP; nz: not zero.
func (v val) number(nz bool) bool {
	n, err := strconv.ParseUint(v.s, 10, 63)
	return v.kind == 'a' && err == nil && (v.s == "0" || v.s[0] != '0') && (n > 0 || !nz)
}

func (p *strict) fail(format string, args ...any) {
	from := max(0, p.i-60)
	panic(syntaxError(fmt.Sprintf(format, args...) + fmt.Sprintf(" at octet %d, after %q, before %.60q", p.i, p.b[from:p.i], p.b[p.i:])))
}

type syntaxError string

// checkStream reads a whole stream; an incomplete response at its end is let pass when cut says so.
func checkStream(stream []byte, cut bool) (err error) {
	p := &strict{b: stream}
	start := 0
	defer func() {
		if v := recover(); v != nil {
			why, isOurs := v.(syntaxError)
			if !isOurs {
				panic(v)
			}
			if !cut || p.i < len(p.b) {
				err = fmt.Errorf("%s, in %.300q", why, p.b[start:])
			}
		}
	}()
	for p.i < len(p.b) {
		start = p.i
		p.response()
	}
	return nil
}

func (p *strict) peek() byte {
	if p.i < len(p.b) {
		return p.b[p.i]
	}
	return 0
}

func (p *strict) want(s string) {
	if !p.have(s) {
		p.i = min(p.i+commonPrefix(p.b[p.i:], s), len(p.b))
		p.fail("want %q", s)
	}
}

func commonPrefix(b []byte, s string) int {
	n := 0
	for n < len(b) && n < len(s) && b[n] == s[n] {
		n++
	}
	return n
}

func (p *strict) have(s string) bool {
	if !bytes.HasPrefix(p.b[p.i:], []byte(s)) {
		return false
	}
	p.i += len(s)
	return true
}

func (p *strict) atom(also string) string {
	start := p.i
	for p.i < len(p.b) {
		ch := p.b[p.i]
		if (ch <= 0x20 || ch >= 0x7f || strings.IndexByte("(){%*\"\\]", ch) >= 0) && strings.IndexByte(also, ch) < 0 {
			break
		}
		p.i++
	}
	if p.i == start {
		p.fail("want an atom")
	}
	return string(p.b[start:p.i])
}

func (p *strict) quoted() string {
	p.want(`"`)
	var out []byte
	for {
		switch ch := p.peek(); {
		case p.i == len(p.b):
			p.fail("string does not end")
		case ch == '"':
			p.i++
			return string(out)
		case ch == '\\':
			p.i++
			if ch = p.peek(); ch != '"' && ch != '\\' {
				p.fail("bad escape")
			}
			out = append(out, ch)
			p.i++
		case ch == 0 || ch == '\r' || ch == '\n' || ch >= 0x80 && !p.wide:
			p.fail("bad octet %#x in a quoted string", ch)
		default:
			out = append(out, ch)
			p.i++
		}
	}
}

func (p *strict) literal() string {
	eight := p.have("~")
	p.want("{")
	start := p.i
	for p.peek() >= '0' && p.peek() <= '9' {
		p.i++
	}
	n, err := strconv.Atoi(string(p.b[start:p.i]))
	if err != nil {
		p.fail("literal without a size")
	}
	p.want("}\r\n")
	if p.i+n > len(p.b) {
		p.i = len(p.b)
		p.fail("literal is cut")
	}
	s := string(p.b[p.i : p.i+n])
	if !eight && strings.IndexByte(s, 0) >= 0 {
		p.fail("NUL in a literal")
	}
	p.i += n
	return s
}

// value reads a value. between says what stands between the members of lists: a blank, or for parts and addresses nothing between lists.
func (p *strict) value() val {
	switch ch := p.peek(); {
	case ch == '"':
		return val{kind: 'q', s: p.quoted()}
	case ch == '{' || ch == '~' && bytes.HasPrefix(p.b[p.i:], []byte("~{")):
		return val{kind: 'q', s: p.literal()}
	case ch == '(':
		return p.list()
	case ch == '\\':
		p.i++
		if p.have("*") {
			return val{kind: 'a', s: `\*`}
		}
		return val{kind: 'a', s: `\` + p.atom("")}
	}
	return val{kind: 'a', s: p.atom("]")}
}

func (p *strict) list() val {
	p.want("(")
	v := val{kind: '('}
	for !p.have(")") {
		if len(v.list) > 0 {
			// 1*address, 1*body: lists follow each other without a blank; clients want it so (section 3.3)
			adjacent := p.peek() == '(' && v.list[len(v.list)-1].kind == '('
			if !adjacent {
				p.want(" ")
			}
		}
		v.list = append(v.list, p.value())
	}
	return v
}

// text reads resp-text up to the line's end.
func (p *strict) text() string {
	start := p.i
	for p.i < len(p.b) && p.b[p.i] != '\r' && p.b[p.i] != '\n' {
		if p.b[p.i] == 0 || p.b[p.i] >= 0x80 && !p.wide {
			p.fail("bad octet %#x in text", p.b[p.i])
		}
		p.i++
	}
	s := string(p.b[start:p.i])
	p.want("\r\n")
	return s
}

var strictCode = regexp.MustCompile(`^\[[A-Z0-9-]+( [^\]]*)?\] [^ ]`)

func (p *strict) respText() {
	s := p.text()
	if s == "" || s[0] == '[' && !strictCode.MatchString(s) {
		p.fail("response text %q", s)
	}
}

func (p *strict) response() {
	if p.have("+ ") {
		p.text()
		return
	}
	if !p.have("* ") {
		tag := p.atom("")
		p.want(" ")
		if word := p.atom(""); word != "OK" && word != "NO" && word != "BAD" || strings.Contains(tag, "+") {
			p.fail("tagged answer %q %q", tag, word)
		}
		p.want(" ")
		p.respText()
		return
	}
	word := p.atom("")
	if n, err := strconv.ParseUint(word, 10, 32); err == nil {
		p.want(" ")
		p.numbered(n)
		p.want("\r\n")
		return
	}
	switch word {
	case "OK", "NO", "BAD", "BYE":
		p.want(" ")
		p.respText()
		return
	case "CAPABILITY", "ENABLED":
		p.capabilities(word)
	case "FLAGS":
		p.want(" ")
		p.flags(p.list())
	case "LIST", "LSUB":
		p.listLine(word)
	case "SEARCH", "SORT":
		p.searchLine()
	case "THREAD":
		for first := true; p.peek() == ' ' || p.peek() == '('; first = false {
			if first {
				p.want(" ")
			}
			p.list()
		}
	case "STATUS":
		p.want(" ")
		p.mailbox()
		p.want(" ")
		p.pairs(p.list())
	case "VANISHED":
		p.want(" ")
		if p.have("(EARLIER)") {
			p.want(" ")
		}
		p.numbers()
	case "QUOTA", "QUOTAROOT", "ID", "NAMESPACE", "ESEARCH", "ACL", "LISTRIGHTS", "MYRIGHTS", "METADATA":
		for p.peek() == ' ' {
			p.i++
			p.value()
		}
	default:
		p.fail("unknown response %q", word)
	}
	p.want("\r\n")
}

func (p *strict) capabilities(word string) {
	for p.peek() == ' ' {
		p.i++
		c := p.atom("")
		if word == "ENABLED" && (c == "UTF8=ACCEPT" || strings.EqualFold(c, "IMAP4rev2")) {
			p.wide = true
		}
	}
}

func (p *strict) mailbox() string {
	v := p.value()
	if v.kind == '(' || v.isNil() {
		p.fail("mailbox %v", v)
	}
	return v.s
}

func (p *strict) listLine(word string) {
	p.want(" ")
	attrs := p.list()
	for _, a := range attrs.list {
		if a.kind != 'a' || !strings.HasPrefix(a.s, `\`) {
			p.fail("attribute %q", a.s)
		}
	}
	p.want(` "/" `)
	p.mailbox()
	if word == "LIST" && p.have(" ") {
		p.list()
	}
}

func (p *strict) searchLine() {
	for p.peek() == ' ' {
		p.i++
		if p.peek() == '(' {
			if v := p.list(); len(v.list) != 2 || v.list[0].s != "MODSEQ" || !v.list[1].number(true) {
				p.fail("search tail %v", v)
			}
			return
		}
		if v := p.value(); !v.number(true) {
			p.fail("number %q", v.s)
		}
	}
}

var strictSet = regexp.MustCompile(`^[1-9][0-9]*(:[1-9][0-9]*)?(,[1-9][0-9]*(:[1-9][0-9]*)?)*$`)

func (p *strict) numbers() {
	if s := p.atom(""); !strictSet.MatchString(s) {
		p.fail("set %q", s)
	}
}

func (p *strict) pairs(v val) {
	if len(v.list)%2 != 0 {
		p.fail("odd list %v", v)
	}
	for i := 0; i < len(v.list); i += 2 {
		if ok := v.list[i+1].number(false); !ok && v.list[i].s != "MAILBOXID" {
			p.fail("%q is %v", v.list[i].s, v.list[i+1])
		}
	}
}

func (p *strict) flags(v val) {
	var seen []string
	for _, f := range v.list {
		if f.kind != 'a' || f.s == "" || strings.HasPrefix(f.s, `\`) && !slices.Contains([]string{`\Answered`, `\Flagged`, `\Deleted`, `\Seen`, `\Draft`, `\*`}, f.s) {
			p.fail("flag %q", f.s)
		}
		if slices.Contains(seen, strings.ToLower(f.s)) {
			p.fail("flag %q twice", f.s)
		}
		seen = append(seen, strings.ToLower(f.s))
	}
}

func (p *strict) numbered(n uint64) {
	switch word := p.atom(""); word {
	case "EXISTS", "RECENT":
	case "EXPUNGE":
		if n == 0 {
			p.fail("EXPUNGE 0")
		}
	case "FETCH":
		if n == 0 {
			p.fail("FETCH 0")
		}
		p.want(" (")
		for first := true; !p.have(")"); first = false {
			if !first {
				p.want(" ")
			}
			p.item()
		}
	default:
		p.fail("unknown response %q", word)
	}
}

// item reads one data item of FETCH.
func (p *strict) item() {
	start := p.i
	for p.i < len(p.b) && (p.b[p.i] >= 'A' && p.b[p.i] <= 'Z' || p.b[p.i] >= '0' && p.b[p.i] <= '9' || p.b[p.i] == '.') {
		p.i++
	}
	name := string(p.b[start:p.i])
	if p.have("[") {
		p.section()
		p.want("]")
		if p.have("<") {
			if v := (val{kind: 'a', s: p.atom("")[:0]}); v.s != "" {
				p.fail("partial")
			}
		}
		if p.b[p.i-1] != ']' && p.b[p.i-1] != '>' {
			p.fail("partial")
		}
		p.want(" ")
		if v := p.value(); v.kind == '(' || name == "BINARY.SIZE" && !v.number(false) || name != "BINARY.SIZE" && v.kind == 'a' && !v.isNil() {
			p.fail("%s[] is %v", name, v)
		}
		return
	}
	p.want(" ")
	v := p.value()
	valid := true
	switch name {
	case "UID":
		valid = v.number(true)
	case "FLAGS":
		p.flags(v)
		valid = v.kind == '('
	case "INTERNALDATE":
		valid = v.kind == 'q' && len(v.s) == len("24-Nov-2026 15:30:00 +0700")
	case "SAVEDATE":
		valid = v.isNil() || v.kind == 'q' && len(v.s) == len("24-Nov-2026 15:30:00 +0700")
	case "RFC822.SIZE":
		valid = v.number(false)
	case "MODSEQ":
		valid = v.kind == '(' && len(v.list) == 1 && v.list[0].number(true)
	case "EMAILID", "THREADID":
		valid = v.isNil() || v.kind == '(' && len(v.list) == 1 && v.list[0].kind == 'a'
	case "PREVIEW", "RFC822", "RFC822.HEADER", "RFC822.TEXT":
		valid = v.isNil() || v.kind == 'q'
	case "ENVELOPE":
		p.envelope(v)
	case "BODYSTRUCTURE", "BODY":
		p.structure(v, name == "BODYSTRUCTURE", 0)
	default:
		p.fail("unknown item %q", name)
	}
	if !valid {
		p.fail("%s is %v", name, v)
	}
}

// section reads what stands in the brackets of BODY[].
func (p *strict) section() {
	for p.peek() != ']' {
		switch {
		case p.peek() == ' ':
			p.i++
			p.list()
		default:
			p.atom("")
		}
	}
}

// envelope wants ten fields, and address lists that are NIL or hold addresses; From alone may be missing, then Sender and Reply-To are
// missing too (RFC 9051, section 7.5.2).
func (p *strict) envelope(v val) {
	if v.kind != '(' || len(v.list) != 10 {
		p.fail("ENVELOPE %v", v)
	}
	for i, f := range v.list {
		switch {
		case i < 2 || i > 7:
			if f.kind == '(' || f.kind == 'a' && !f.isNil() {
				p.fail("ENVELOPE field %d is %v", i, f)
			}
		case f.isNil():
			if (i == 3 || i == 4) && !v.list[2].isNil() {
				p.fail("From without its defaults in an ENVELOPE")
			}
		default:
			if f.kind != '(' || len(f.list) == 0 {
				p.fail("ENVELOPE address list %v", f)
			}
			for _, a := range f.list {
				if a.kind != '(' || len(a.list) != 4 || slices.ContainsFunc(a.list, func(s val) bool { return s.kind == '(' || s.kind == 'a' && !s.isNil() }) {
					p.fail("address %v", a)
				}
			}
		}
	}
}

// structure wants all extension data when extended (R17).
func (p *strict) structure(v val, extended bool, depth int) {
	if v.kind != '(' || len(v.list) == 0 || depth > 200 {
		p.fail("body %v", v)
	}
	if v.list[0].kind == '(' { // multipart
		n := 0
		for n < len(v.list) && v.list[n].kind == '(' {
			p.structure(v.list[n], extended, depth+1)
			n++
		}
		rest := v.list[n:]
		if extended && len(rest) != 5 || !extended && len(rest) != 1 || rest[0].kind != 'q' {
			p.fail("multipart %v", rest)
		}
		return
	}
	if len(v.list) < 7 || v.list[0].kind != 'q' || v.list[1].kind != 'q' || v.list[5].kind != 'q' || !v.list[6].number(false) {
		p.fail("body %v", v)
	}
	if f := v.list[2]; !f.isNil() && (f.kind != '(' || len(f.list)%2 != 0 || len(f.list) == 0) {
		p.fail("body parameters %v", f)
	}
	n := 7
	switch typ, sub := strings.ToLower(v.list[0].s), strings.ToLower(v.list[1].s); {
	case typ == "text":
		n++
	case typ == "message" && (sub == "rfc822" || sub == "global"):
		p.envelope(v.list[7])
		p.structure(v.list[8], extended, depth+1)
		n += 3
	}
	if n > 7 && !v.list[n-1].number(false) {
		p.fail("lines of a body %v", v)
	}
	if extended {
		n += 4
	}
	if len(v.list) != n {
		p.fail("body of %d fields, want %d: %v", len(v.list), n, v)
	}
}

func TestStrict(t *testing.T) {
	for in, valid := range map[string]bool{
		"* OK [CAPABILITY IMAP4rev1] x\r\n": true, "a OK x\r\n": true, "a OK\r\n": false, "* OK x\n": false, "a1 MAYBE x\r\n": false,
		"* 1 FETCH (UID 1 FLAGS (\\Seen $x))\r\n": true, "* 1 FETCH (UID 0)\r\n": false, "* 1 FETCH (FLAGS (\\Recent))\r\n": false,
		"* 1 FETCH (FLAGS ()  UID 1)\r\n": false, "* 1 FETCH (INTERNALDATE NIL)\r\n": false, "* 0 EXISTS\r\n": true, "* 0 EXPUNGE\r\n": false,
		"* 1 FETCH (BODY[] {3}\r\nabc)\r\n": true, "* 1 FETCH (BODY[] {4}\r\nabc)\r\n": false, "* 1 FETCH (BODY[1.MIME]<5> NIL)\r\n": true,
		"* 1 FETCH (BODY[HEADER.FIELDS (FROM \"x y\")] {0}\r\n)\r\n":         true,
		"* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL))\r\n": true, "* 1 FETCH (ENVELOPE NIL)\r\n": false,
		"* 1 FETCH (ENVELOPE (NIL NIL ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL NIL NIL))\r\n":      false,
		"* 1 FETCH (ENVELOPE (NIL NIL () NIL NIL NIL NIL NIL NIL NIL))\r\n":                           false,
		"* 1 FETCH (BODYSTRUCTURE (\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 1 NIL NIL NIL NIL))\r\n": true,
		"* 1 FETCH (BODYSTRUCTURE (\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 1))\r\n":                 false,
		"* 1 FETCH (BODY (\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 1))\r\n":                          true,
		"* LIST () \"/\" \"a\x80\"\r\n": false, "* ENABLED UTF8=ACCEPT\r\n* LIST () \"/\" \"\xc3\xa9\"\r\n": true, "* LIST (x) \"/\" a\r\n": false,
		"* SEARCH 1 2 (MODSEQ 5)\r\n": true, "* SEARCH 01\r\n": false, "* VANISHED (EARLIER) 1:2,5\r\n": true, "* VANISHED 1,\r\n": false,
		"* STATUS x (MESSAGES 1 MAILBOXID (F1))\r\n": true, "* STATUS x (MESSAGES)\r\n": false, "* FOO\r\n": false, "a+b OK x\r\n": false,
		"* THREAD (1)(2 (3)(4))\r\n": true, "* ESEARCH (TAG \"a\") UID ALL 1:2\r\n": true, "* OK [X y x\r\n": false,
	} {
		if err := checkStream([]byte(in), false); (err == nil) != valid {
			t.Errorf("%q: %v, want valid %v", in, err, valid)
		}
	}
	if err := checkStream([]byte("* 1 FETCH (BODY[] {4}\r\nab"), true); err != nil {
		t.Errorf("cut stream: %v", err)
	}
}
