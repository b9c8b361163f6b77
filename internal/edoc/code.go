package edoc

import (
	"strconv"
	"strings"
	"unicode"

	"vanthu/internal/fault"
)

// Limits of a code as text. edXML allows 11 characters of number and 30 of
// symbol (QCVN 102:2016); real symbols of joint documents are longer, so the
// parser is wider than the standard.
const (
	maxCodeBytes   = 256 // bytes of input looked at
	maxSymbolRunes = 60  // characters of a symbol
	maxDigits      = 6   // digits of a number without thousands points
)

// ErrCode is what ParseCode returns for text that is no number and symbol.
var ErrCode = fault.New(fault.Invalid, fault.Text{
	EN: "not a document number and symbol such as 123/QĐ-UBND",
	VI: "không phải số và ký hiệu văn bản (ví dụ 123/QĐ-UBND)",
})

// A Code is the number and symbol of a document: "123/QĐ-UBND". NĐ 30/2020,
// article 15 and Phụ lục I; for Party documents HD 05-HD/VPTW.
type Code struct {
	Number int    // from 1; 0 only when Ask is set
	Suffix string // lower-case letter after the number ("15a"), or ""
	Year   int    // year of a legal-norm document ("09/2025/QĐ-UBND"), 0 if absent
	Symbol string // as written, NFC, without blanks: "QĐ-UBND"; for Party documents "CV/TU"
	Party  bool   // Party form: "12-CV/TU"
	Ask    bool   // "?/QĐ-UBND": asks for the next number of this symbol
}

// ParseCode reads one number and symbol, and nothing else, from s. It accepts
// blanks around the separators, every dash and slash, NFC and NFD, a
// thousands point, a leading zero, a leading "Số:", and small letters; the
// Code it returns is in canonical form. It returns ErrCode for anything else.
func ParseCode(s string) (Code, error) {
	if len(s) > maxCodeBytes {
		return Code{}, ErrCode
	}
	t := strings.TrimSpace(clean(s))
	if !isASCII(t) {
		t = strings.Map(eth, t)
	}
	t = trimNumberLabel(t)

	var c Code
	if rest, ok := strings.CutPrefix(t, "?"); ok {
		c.Ask, t = true, rest
	} else if c.Number, c.Suffix, t, ok = scanNumber(t); !ok {
		return Code{}, ErrCode
	}
	t = strings.TrimLeft(t, " ")

	var ok bool
	switch {
	case strings.HasPrefix(t, "/"):
		t = strings.TrimLeft(t[1:], " ")
		if year, rest, found := scanYear(t); found {
			c.Year, t = year, rest
		}
		c.Symbol, ok = parseSymbol(t)
	case strings.HasPrefix(t, "-") && !c.Ask:
		c.Party = true
		c.Symbol, ok = parsePartySymbol(t[1:])
	}
	if !ok {
		return Code{}, ErrCode
	}
	return c, nil
}

// String gives the code as it is written on the document, the number with a
// leading zero below 10.
func (c Code) String() string {
	b := make([]byte, 0, 16+len(c.Symbol))
	if c.Ask {
		b = append(b, '?')
	} else {
		if c.Number < 10 {
			b = append(b, '0')
		}
		b = strconv.AppendInt(b, int64(c.Number), 10)
		b = append(b, c.Suffix...)
	}
	switch {
	case c.Party:
		b = append(b, '-')
	case c.Year != 0:
		b = append(b, '/')
		b = strconv.AppendInt(b, int64(c.Year), 10)
		b = append(b, '/')
	default:
		b = append(b, '/')
	}
	return string(append(b, c.Symbol...))
}

// NumberText gives the number as written, with its leading zero and suffix:
// "05", "15a".
func (c Code) NumberText() string {
	if c.Ask {
		return "?"
	}
	s := strconv.Itoa(c.Number) + c.Suffix
	if c.Number < 10 {
		s = "0" + s
	}
	return s
}

// Key gives the part of the natural key that is the code's: number, suffix
// and folded symbol, "123|qd-ubnd". Ways of writing one code have one key.
// Issuer and year complete the natural key of a document; they are kept apart
// because the year is often known only from the date.
func (c Code) Key() string {
	n := "?"
	if !c.Ask {
		n = strconv.Itoa(c.Number) + strings.ToLower(c.Suffix)
	}
	return n + "|" + FoldSymbol(c.Symbol)
}

// NamesAgency reports whether the symbol names the agency with that short name
// (viết tắt): "SNV" for 123/QĐ-SNV and 45/SNV-VP. A document whose symbol names
// another agency than its sender's deserves a warning, not a refusal: units
// issue in the name of others.
func (c Code) NamesAgency(shortName string) bool {
	groups := func(s string) string {
		s = strings.NewReplacer(" ", "", "/", "-", "&", "-", ".", "-").Replace(Fold(strings.Map(eth, clean(s))))
		return "-" + s + "-" // a short name may have groups of its own: UBND-VP
	}
	return shortName != "" && strings.Contains(groups(c.Symbol), groups(shortName))
}

// IsZero reports whether c is no code.
func (c Code) IsZero() bool { return c == Code{} }

// FoldSymbol gives the comparison form of a symbol: folded, without blanks
// and points, so that QĐ-UBND, QD-UBND and "qđ – ubnd" are equal.
func FoldSymbol(symbol string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '.' {
			return -1
		}
		return r
	}, Fold(strings.Map(eth, clean(symbol))))
}

// trimNumberLabel drops the word "Số" with its colon or point, as copied from
// a document's head.
func trimNumberLabel(s string) string {
	for _, label := range [...]string{"Số", "số", "SỐ", "So", "so", "SO"} {
		if rest, ok := strings.CutPrefix(s, label); ok {
			return strings.TrimLeft(rest, " .:")
		}
	}
	return s
}

// scanNumber reads "123", "05", "1.234" or "15a" from the front of s.
func scanNumber(s string) (n int, suffix, rest string, ok bool) {
	i := digits(s)
	if i == 0 || i > maxDigits {
		return 0, "", s, false
	}
	n, _ = strconv.Atoi(s[:i]) // at most six digits
	// One thousands group: a document number never needs a second.
	if i <= 3 && len(s) > i && s[i] == '.' && digits(s[i+1:]) == 3 {
		group, _ := strconv.Atoi(s[i+1 : i+4])
		n, i = n*1000+group, i+4
	}
	if n == 0 {
		return 0, "", s, false
	}
	if len(s) > i {
		if c := s[i] | 0x20; c >= 'a' && c <= 'z' {
			suffix, i = string(rune(c)), i+1
		}
	}
	return n, suffix, s[i:], true
}

// scanYear reads "2025/" from the front of s.
func scanYear(s string) (year int, rest string, ok bool) {
	if digits(s) != 4 || (s[:2] != "19" && s[:2] != "20") {
		return 0, s, false
	}
	rest, ok = strings.CutPrefix(strings.TrimLeft(s[4:], " "), "/")
	if !ok {
		return 0, s, false
	}
	year, _ = strconv.Atoi(s[:4])
	return year, strings.TrimLeft(rest, " "), true
}

func digits(s string) int {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}

// parsePartySymbol reads "CV/TU" or "QĐ/TW": a type of one to five letters,
// a slash, and the organ.
func parsePartySymbol(s string) (string, bool) {
	kind, organ, found := strings.Cut(s, "/")
	kind = strings.TrimSpace(kind)
	if !found || kind == "" || len([]rune(kind)) > 5 {
		return "", false
	}
	for _, r := range kind {
		if !unicode.IsLetter(r) {
			return "", false
		}
	}
	organ, ok := joinGroups(strings.TrimSpace(organ))
	if !ok || !hasUpper(kind, 1) || !hasUpper(organ, 1) {
		return "", false
	}
	return kind + "/" + organ, true
}

// parseSymbol reads "QĐ-UBND" and rejects what only looks like a symbol:
// units of measure, months, single words ("60/h", "10/Nov", "3/trang").
func parseSymbol(s string) (string, bool) {
	s, ok := joinGroups(s)
	if !ok {
		return "", false
	}
	if !strings.ContainsAny(s, "-&") {
		return s, hasUpper(s, 2) // "UBND", "QH15"
	}
	if hasUpper(s, 1) {
		return s, true
	}
	for group := range strings.FieldsFuncSeq(s, isSymbolSep) {
		if len([]rune(group)) < 2 {
			return "", false
		}
	}
	return s, true
}

// joinGroups reads groups of letters and digits separated by '-', '&' or '.',
// with blanks around the separators, and returns them without the blanks.
// The first character is a letter.
func joinGroups(s string) (string, bool) {
	var b strings.Builder
	b.Grow(len(s))
	runes := 0
	inGroup, afterGroup := false, false // in a group; past one and its blanks
	for _, r := range s {
		switch {
		case r == ' ':
			afterGroup = afterGroup || inGroup
			inGroup = false
			continue
		case isSymbolSep(r):
			if !inGroup && !afterGroup {
				return "", false // two separators, or one in front
			}
			inGroup, afterGroup = false, false
		case unicode.IsLetter(r), r >= '0' && r <= '9' && runes > 0:
			if afterGroup {
				return "", false // two words
			}
			inGroup = true
		default:
			return "", false
		}
		if runes++; runes > maxSymbolRunes {
			return "", false
		}
		b.WriteRune(r)
	}
	return b.String(), inGroup || afterGroup
}

func isSymbolSep(r rune) bool { return r == '-' || r == '&' || r == '.' }

// hasUpper reports whether s has at least n capital letters.
func hasUpper(s string, n int) bool {
	for _, r := range s {
		if unicode.IsUpper(r) {
			n--
		}
	}
	return n <= 0
}
