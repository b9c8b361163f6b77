package edoc

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A FileText is what was taken out of an attached file.
type FileText struct {
	Name string
	// Pages are the texts of its first and last pages, in order; of a file
	// without pages, such as DOCX, the one text.
	Pages []string
	// Property gives a value that the file says of itself: title, subject,
	// keywords, or an X-VB-* field; nil when it says nothing.
	Property func(name string) string
}

// maxLayoutBytes bounds the text that ReadLayout looks at.
const maxLayoutBytes = 200 << 10

// Signals are the marks of an official document that its first and last pages
// show: NĐ 30/2020, Phụ lục I, Mục IV.
type Signals uint8

const (
	SignalMotto      Signals = 1 << iota // Quốc hiệu, Tiêu ngữ
	SignalNumber                         // "Số:" with a number and symbol
	SignalDate                           // "…, ngày … tháng … năm …"
	SignalType                           // the name of a type on a line of its own, or V/v
	SignalRecipients                     // Nơi nhận, Kính gửi
	SignalSignature                      // TM. KT. TL. TUQ. with a position
)

// Count gives the number of signals.
func (s Signals) Count() int {
	n := 0
	for ; s != 0; s &= s - 1 {
		n++
	}
	return n
}

// A Relation is a mention of another document, with the word that says why.
type Relation struct {
	Kind RelationKind
	Code Code
}

// RelationKind says what one document has to do with another.
type RelationKind string

const (
	RelationReplies  RelationKind = "replies"  // trả lời, phúc đáp
	RelationReplaces RelationKind = "replaces" // thay thế
	RelationCorrects RelationKind = "corrects" // đính chính
	RelationAmends   RelationKind = "amends"   // sửa đổi, bổ sung
	RelationRepeals  RelationKind = "repeals"  // bãi bỏ, hủy bỏ
	RelationCites    RelationKind = "cites"    // căn cứ, theo, thực hiện
)

// A Layout is what a document's own text says of it. Zero fields were not found.
type Layout struct {
	Signals   Signals
	Code      Code
	Issued    time.Time // day in Vietnam
	Type      DocType
	Abstract  string
	Urgency   Urgency
	Due       time.Time
	Issuer    string // upper-case lines of the head's left side
	Signer    Signer
	Addressee []string // Kính gửi
	Copies    []string // Nơi nhận, without "Như trên" and the archive
	Relations []Relation
	Secret    SecretLevel

	codeRaw, issuedRaw, typeRaw string // as the text has them
}

// ReadLayout looks for the boxes of the legal form in a document's text. It
// never fails: text of another form shows few signals. Text layers with blanks
// inside words, NFD and every dash are understood.
func ReadLayout(t FileText) Layout {
	var l Layout
	lines, head := layoutLines(t.Pages)
	l.head(lines[:head])
	l.title(lines[:head])
	l.tail(lines)
	for _, x := range lines {
		l.Secret = max(l.Secret, secretLine(x.text))
	}
	l.relations(lines)
	return l
}

// A layoutLine is one line in the two forms that are matched.
type layoutLine struct {
	text string // tidied, with single blanks, plain dashes and slashes
	bare string // folded, without blanks, for keywords: text layers break words
}

// layoutLines gives the lines of all pages that are not empty, and how many
// of them may belong to the head: those of the first page, 60 at most.
func layoutLines(pages []string) (lines []layoutLine, head int) {
	const maxHead = 60
	left := maxLayoutBytes
	for i, page := range pages {
		if len(page) > left {
			page = strings.ToValidUTF8(page[:left], "")
		}
		left -= len(page)
		for raw := range strings.SplitSeq(page, "\n") {
			if text := strings.Map(eth, clean(oneLine(raw))); text != "" {
				lines = append(lines, layoutLine{text, strings.ReplaceAll(Fold(text), " ", "")})
			}
		}
		if i == 0 {
			head = min(len(lines), maxHead)
		}
	}
	return lines, head
}

// Text layers break words and symbols: blanks are allowed wherever they occur.
var (
	reOwnLabel = regexp.MustCompile(`(?i)(?:^|(?:19|20)[0-9]{2}\s)s\s?ố\s*[.:]?\s*([0-9])`) // a line's beginning, or after the day on its left
	reAnyCode  = regexp.MustCompile(`[0-9]{1,3}\.[0-9]{3}[a-z]?\s?/\s?` + symbolPart + `|[0-9]{1,6}[a-z]?\s?/\s?` + symbolPart + `|[0-9]{1,5}\s?-\s?\p{Lu}\pL{0,4}\s?/\s?\p{Lu}[\pL0-9]*(?:\s?[-.]\s?\p{Lu}[\pL0-9]*)*`)
	reBareDay  = regexp.MustCompile(`ngay([0-9]{1,2})thang([0-9]{1,2})nam((?:19|20)[0-9]{2})(?:so:.*)?$`) // at a line's end: in running text it is another day
	rePlaceDay = regexp.MustCompile(`(?i)(?:^|\s)\S+(?:\s\S+){0,4},\s*ng\s?ày\s`)
)

const symbolPart = `(?:(?:19|20)[0-9]{2}\s?/\s?)?\p{Lu}[\pL0-9]*(?:\s?[-&]\s?\p{Lu}[\pL0-9]*|\.\p{Lu}[\pL0-9]*)*`

// bodyStarts begin the text proper, folded and without blanks; softStarts do too,
// but an abstract may begin with the same words.
var (
	bodyStarts = [...]string{"kinhgui", "cancu", "dieu1", "trencoso", "noinhan", "phani", "chuongi", "---", "___"}
	softStarts = [...]string{"theo", "thuchien", "thihanh", "xet", "dethuchien", "detrienkhai", "nham"}
)

func startsBody(x layoutLine) bool {
	for _, w := range bodyStarts {
		if strings.HasPrefix(x.bare, w) {
			return true
		}
	}
	return reItem.MatchString(x.text)
}

func mayStartBody(x layoutLine) bool {
	for _, w := range softStarts {
		if strings.HasPrefix(x.bare, w) {
			return true
		}
	}
	return false
}

// reItem is a numbered or marked paragraph.
var reItem = regexp.MustCompile(`^(?:[IVX]{1,4}\.|[0-9]{1,2}\.|[-+*•])\s`)

// head reads the boxes above the body: motto, issuer, number, day, degree of
// urgency.
func (l *Layout) head(lines []layoutLine) {
	var issuer []string
	for _, x := range lines {
		if strings.HasPrefix(x.bare, "kinhgui") || strings.HasPrefix(x.bare, "cancu") {
			break // what follows cites others
		}
		if strings.Contains(x.bare, "conghoaxahoichunghia") || strings.Contains(x.bare, "doclap-tudo-hanhphuc") || strings.Contains(x.bare, "dangcongsanvietnam") {
			l.Signals |= SignalMotto
		}
		if u, ok := urgencyWords(Fold(x.text)); ok && l.Urgency == UrgencyNormal && isUpper(x.text) {
			l.Urgency = u
			continue
		}
		if l.Code.IsZero() {
			l.ownCode(x)
		}
		if _, isType := typeLine(x); l.Code.IsZero() && !isType {
			if s := cutMotto(x.text); isUpper(s) && !strings.ContainsAny(s, "0123456789") {
				issuer = append(issuer, s)
			}
		}
		l.day(x)
	}
	if l.Code.IsZero() {
		return // upper-case lines of some other text
	}
	l.Issuer = strings.Join(issuer, " ")
}

// ownCode reads the document's own number and symbol after "Số:".
func (l *Layout) ownCode(x layoutLine) {
	m := reOwnLabel.FindStringSubmatchIndex(x.text)
	if m == nil {
		return
	}
	rest := x.text[m[2]:]
	at := reAnyCode.FindStringIndex(rest)
	if at == nil || at[0] != 0 {
		return
	}
	if code, err := ParseCode(rest[:at[1]]); err == nil {
		l.Code, l.codeRaw = code, rest[:at[1]]
		l.Signals |= SignalNumber
	}
}

// day reads the day of issue.
func (l *Layout) day(x layoutLine) {
	m := reBareDay.FindStringSubmatch(x.bare)
	if m == nil || !l.Issued.IsZero() {
		return
	}
	day, _ := strconv.Atoi(m[1]) // digits by the pattern, as below
	month, _ := strconv.Atoi(m[2])
	year, _ := strconv.Atoi(m[3])
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, vietnam)
	if t.Day() == day && int(t.Month()) == month {
		l.Issued, l.issuedRaw = t, x.text
		l.Signals |= SignalDate
	}
}

// title reads type and abstract: a type on a line of its own with the abstract
// under it, or "V/v …" under the number.
func (l *Layout) title(lines []layoutLine) {
	for i, x := range lines {
		if t, ok := typeLine(x); ok {
			l.Type, l.typeRaw = t, x.text
			l.Signals |= SignalType
			l.Abstract = abstractFrom("", lines[i+1:])
			return
		}
		if strings.HasPrefix(x.bare, "v/v") {
			l.Signals |= SignalType
			l.Abstract = trimAbout(abstractFrom(x.text, lines[i+1:]))
			return
		}
		if startsBody(x) {
			return
		}
	}
}

// typeLine reports whether a line is nothing but the name of a type in
// capitals.
func typeLine(x layoutLine) (DocType, bool) {
	if len(x.bare) > 24 || !isUpper(x.text) {
		return DocType{}, false
	}
	for _, list := range [...][]DocType{docTypes[:], legalTypes[:]} {
		for _, t := range list {
			if x.bare == strings.ReplaceAll(Fold(t.Name), " ", "") {
				return t, true
			}
		}
	}
	return DocType{}, false
}

// abstractFrom joins the lines of an abstract, of which first is a part.
func abstractFrom(first string, lines []layoutLine) string {
	const (
		maxLines = 6
		fullLine = 95 // letters: a line of the body is as wide as the page, one of the abstract is not
	)
	text := cutPlaceDay(first)
	for i, x := range lines {
		long := utf8.RuneCountInString(x.text) > fullLine
		if i == maxLines || startsBody(x) || mayStartBody(x) && (text != "" || long) || text != "" && (isUpper(x.text) || long) || reBareDay.MatchString(x.bare) {
			break
		}
		text += " " + x.text
	}
	text = strings.TrimSpace(text)
	if utf8.RuneCountInString(text) > maxAbstractRunes {
		return ""
	}
	return text
}

// cutPlaceDay removes place and day, which stand on the right of the same line.
func cutPlaceDay(s string) string {
	if at := rePlaceDay.FindStringIndex(s); at != nil {
		return strings.TrimSpace(s[:at[0]])
	}
	return s
}

// cutMotto removes the right side of the head, which text layers put on the
// same line.
func cutMotto(s string) string {
	for _, words := range [...]string{"CỘNG HÒA", "CỘNG HOÀ", "ĐẢNG CỘNG SẢN", "Độc lập", "Độc Lập"} {
		if head, _, found := strings.Cut(s, words); found {
			s = head
		}
	}
	return strings.TrimSpace(s)
}

// isUpper reports whether s has letters, none of them small.
func isUpper(s string) bool {
	upper := false
	for _, r := range s {
		if unicode.IsLower(r) {
			return false
		}
		upper = upper || unicode.IsUpper(r)
	}
	return upper
}
