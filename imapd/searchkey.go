package imapd

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
)

// Limits of one SEARCH (design, reliability.md section 3).
const (
	maxSearchKeys  = 500
	maxSearchDepth = 100
)

// searchOp is what a search key asks.
type searchOp uint8

const (
	opAll        searchOp = iota
	opAnd                 // of kids
	opOr                  // of kids
	opNot                 // of kids[0]
	opSeq                 // sequence number in set
	opUID                 // UID in set
	opFlag                // system flag or keyword set
	opLarger              // size > n
	opSmaller             // size < n
	opBefore              // internal date before at
	opSince               // internal date at or after at
	opSentBefore          // Date field
	opSentSince
	opOlder       // internal date at or before n seconds ago
	opYounger     // internal date at or after n seconds ago
	opSavedBefore // came into the mailbox before at
	opSavedSince
	opEmailID // object id is n
	opSubject // text is in the field, folded
	opFrom
	opTo
	opCc
	opHeader // field has text; any value when text is ""
	opBody
	opText   // header or body
	opModSeq // mod-sequence >= n
)

// asksText tells the keys that ask for a text from the others.
func (o searchOp) asksText() bool { return o >= opSubject && o <= opText }

// searchKey is a node of a search program.
type searchKey struct {
	op     searchOp
	kids   []*searchKey
	set    numSet
	ranges []numRange // of set, resolved before the search runs
	flag   mailstore.FlagSet
	word   string // keyword
	n      int64
	saved  []int64                     // of opSaved…: for each sequence number when it was saved, microseconds, 0 when it is gone
	fuzzy  bool                        // words in any order will do (RFC 6203)
	scores map[mailstore.MessageID]int // of a fuzzy key, once the store has been asked: 1 to 100
	at     time.Time                   // midnight UTC of the date
	field  string
	text   string // folded
	hits   []bool // of a text key: for each message that was open when the store was asked; nil before
}

// searchParser reads search keys (RFC 9051, section 6.4.4).
type searchParser struct {
	l     *lexer
	keys  int
	depth int
	mods  bool   // there is a MODSEQ key
	why   string // what is wrong, "" for a plain syntax error
}

func (p *searchParser) fail(why string) (*searchKey, bool) {
	if p.why == "" {
		p.why = why
	}
	return nil, false
}

// program reads keys up to the end, or up to the closing parenthesis: all of them must hold.
func (p *searchParser) program(inList bool) (*searchKey, bool) {
	all := &searchKey{op: opAnd}
	for {
		k, ok := p.key()
		if !ok {
			return nil, false
		}
		all.kids = append(all.kids, k)
		if inList && p.l.special(')') || !inList && p.l.end() {
			return all, true
		}
		if !p.l.sp() {
			return p.fail("")
		}
	}
}

func (p *searchParser) key() (*searchKey, bool) {
	if p.keys++; p.keys > maxSearchKeys {
		return p.fail("Too many search keys")
	}
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxSearchDepth {
		return p.fail("Search keys nested too deep")
	}
	if p.l.special('(') {
		return p.program(true)
	}
	if ch := p.l.peek(); ch >= '0' && ch <= '9' || ch == '*' || ch == '$' {
		set, ok := p.l.numSet()
		if !ok {
			return p.fail("Invalid message set")
		}
		if set.saved {
			return &searchKey{op: opUID, set: set}, true
		}
		return &searchKey{op: opSeq, set: set}, true
	}
	word, ok := p.l.word()
	if !ok {
		return p.fail("")
	}
	return p.named(word)
}

func (p *searchParser) named(word string) (*searchKey, bool) {
	if k := flagKey(word); k != nil {
		return k, true
	}
	switch word {
	case "ALL", "OLD": // nothing is \Recent here, so all is old
		return &searchKey{op: opAll}, true
	case "RECENT", "NEW":
		return not(&searchKey{op: opAll}), true
	case "KEYWORD", "UNKEYWORD":
		return p.keyword(word == "UNKEYWORD")
	case "UID":
		if !p.l.sp() {
			return p.fail("")
		}
		set, ok := p.l.numSet()
		if !ok {
			return p.fail("Invalid UID set")
		}
		return &searchKey{op: opUID, set: set}, true
	case "NOT", "OR":
		return p.combined(word == "OR")
	case "LARGER", "SMALLER":
		if !p.l.sp() {
			return p.fail("")
		}
		n, ok := p.l.number(math.MaxInt64)
		if !ok {
			return p.fail("Invalid number")
		}
		if word == "LARGER" {
			return &searchKey{op: opLarger, n: int64(n)}, true
		}
		return &searchKey{op: opSmaller, n: int64(n)}, true
	case "FUZZY":
		return p.fuzzy()
	case "OLDER", "YOUNGER":
		return p.interval(word == "OLDER")
	case "SAVEDATESUPPORTED":
		return &searchKey{op: opAll}, true
	case "EMAILID", "THREADID":
		return p.objectID(word == "EMAILID")
	case "BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE", "SAVEDBEFORE", "SAVEDON", "SAVEDSINCE":
		return p.date(word)
	case "SUBJECT":
		return p.text(opSubject, "")
	case "FROM":
		return p.text(opFrom, "")
	case "TO":
		return p.text(opTo, "")
	case "CC":
		return p.text(opCc, "")
	case "BCC":
		return p.text(opHeader, "bcc")
	case "BODY":
		return p.text(opBody, "")
	case "TEXT":
		return p.text(opText, "")
	case "MODSEQ":
		return p.modseq()
	case "HEADER":
		if !p.l.sp() {
			return p.fail("")
		}
		name, ok := p.l.astring()
		if !ok || !fieldName(name) {
			return p.fail("Invalid field name")
		}
		return p.text(opHeader, strings.ToLower(name))
	}
	return p.fail("Unknown search key")
}

func not(k *searchKey) *searchKey { return &searchKey{op: opNot, kids: []*searchKey{k}} }

func flagKey(word string) *searchKey {
	name, negative := strings.CutPrefix(word, "UN")
	var f mailstore.FlagSet
	switch name {
	case "SEEN":
		f = mailstore.Seen
	case "ANSWERED":
		f = mailstore.Answered
	case "FLAGGED":
		f = mailstore.Flagged
	case "DELETED":
		f = mailstore.Deleted
	case "DRAFT":
		f = mailstore.Draft
	default:
		return nil
	}
	k := &searchKey{op: opFlag, flag: f}
	if negative {
		return not(k)
	}
	return k
}

func (p *searchParser) keyword(negative bool) (*searchKey, bool) {
	if !p.l.sp() {
		return p.fail("")
	}
	word, ok := p.l.flag()
	if !ok || strings.HasPrefix(word, `\`) {
		return p.fail("Invalid keyword")
	}
	k := &searchKey{op: opFlag, word: word}
	if negative {
		return not(k), true
	}
	return k, true
}

// modseq reads the arguments of MODSEQ (RFC 7162, section 3.1.5). The entry name asks for the mod-sequence of one flag, priv or
// shared; there is one for all of a message here.
func (p *searchParser) modseq() (*searchKey, bool) {
	if !p.l.sp() {
		return p.fail("")
	}
	if p.l.peek() == '"' {
		name, ok := p.l.quoted()
		if !ok || !strings.HasPrefix(strings.ToLower(name), "/flags/") || !p.l.sp() {
			return p.fail("Invalid entry name")
		}
		if kind, _ := p.l.word(); kind != "PRIV" && kind != "SHARED" && kind != "ALL" || !p.l.sp() {
			return p.fail("Invalid entry type")
		}
	}
	n, ok := p.l.number(maxModSeq)
	if !ok {
		return p.fail("Invalid mod-sequence")
	}
	p.mods = true
	return &searchKey{op: opModSeq, n: int64(n)}, true
}

func (p *searchParser) combined(or bool) (*searchKey, bool) {
	k := &searchKey{op: opNot}
	n := 1
	if or {
		k.op, n = opOr, 2
	}
	for range n {
		if !p.l.sp() {
			return p.fail("")
		}
		kid, ok := p.key()
		if !ok {
			return nil, false
		}
		k.kids = append(k.kids, kid)
	}
	return k, true
}

func (p *searchParser) date(word string) (*searchKey, bool) {
	if !p.l.sp() {
		return p.fail("")
	}
	s, ok := p.l.astring()
	if !ok {
		return p.fail("")
	}
	at, ok := parseDate(s)
	if !ok {
		return p.fail("Invalid date")
	}
	before, since := opBefore, opSince
	if rest, sent := strings.CutPrefix(word, "SENT"); sent {
		word, before, since = rest, opSentBefore, opSentSince
	} else if rest, saved := strings.CutPrefix(word, "SAVED"); saved {
		word, before, since = rest, opSavedBefore, opSavedSince
	}
	switch word {
	case "BEFORE":
		return &searchKey{op: before, at: at}, true
	case "SINCE":
		return &searchKey{op: since, at: at}, true
	}
	return &searchKey{op: opAnd, kids: []*searchKey{
		{op: since, at: at}, {op: before, at: at.AddDate(0, 0, 1)},
	}}, true
}

// interval reads the seconds of OLDER and YOUNGER (RFC 5032).
func (p *searchParser) interval(older bool) (*searchKey, bool) {
	if !p.l.sp() {
		return p.fail("")
	}
	n, ok := p.l.number(math.MaxUint32)
	if !ok || n == 0 {
		return p.fail("Invalid interval")
	}
	k := &searchKey{op: opYounger, n: int64(n)}
	if older {
		k.op = opOlder
	}
	return k, true
}

// objectID reads the identifier of EMAILID and THREADID (RFC 8474); no message has a thread id.
func (p *searchParser) objectID(email bool) (*searchKey, bool) {
	if !p.l.sp() {
		return p.fail("")
	}
	n, ok := parseObjectID(p.l, 'M')
	switch {
	case !ok:
		return p.fail("Invalid object identifier")
	case !email || n == 0:
		return not(&searchKey{op: opAll}), true
	}
	return &searchKey{op: opEmailID, n: n}, true
}

func (p *searchParser) text(op searchOp, field string) (*searchKey, bool) {
	if !p.l.sp() {
		return p.fail("")
	}
	s, ok := p.l.astring()
	if !ok {
		return p.fail("")
	}
	if !utf8.ValidString(s) {
		return p.fail("Search text is not UTF-8")
	}
	k := &searchKey{op: op, field: field, text: mail.Fold(s)}
	switch {
	case s != "" && k.text == "": // nothing but marks that the comparison drops
		return not(&searchKey{op: opAll}), true
	case s == "" && op != opHeader: // the empty string is in every field, RFC 9051, section 6.4.4
		k.op = opAll
	}
	return k, true
}
