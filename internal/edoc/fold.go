package edoc

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/worktime"
)

// vietnam is the one time zone of the legal rules: UTC+7, without summer time.
var vietnam = worktime.Zone

// Fold gives the comparison form of s used for search and keywords: NFD
// without combining marks, lower case, đ as d. Hỏa, hoả and HOA fold alike.
func Fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFD.String(s) {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		if r = unicode.ToLower(r); r == 'đ' {
			r = 'd'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// clean gives the form of s that the parsers read: what tidy gives, with every
// kind of dash as '-' and every slash as '/'. Text copied from word processors
// and PDF files holds all of these.
func clean(s string) string {
	if isPrintableASCII(s) {
		return s
	}
	return strings.Map(plainSeparator, tidy(s))
}

func plainSeparator(r rune) rune {
	switch {
	case r == 0x2044, r == 0x2215, r == 0xFF0F: // fraction slash, division slash, full-width slash
		return '/'
	case r >= 0x2010 && r <= 0x2015, r == 0x2212, r == 0xFE58, r == 0xFE63, r == 0xFF0D: // hyphens, dashes, minus
		return '-'
	}
	return r
}

// tidy gives the form of s that is kept: NFC, every kind of blank and control
// character as a space, and nothing invisible.
func tidy(s string) string {
	if isPrintableASCII(s) {
		return s
	}
	return norm.NFC.String(strings.Map(visible, s))
}

func visible(r rune) rune {
	switch {
	case r >= 0x21 && r <= 0x7E:
		return r
	case r == 0x00AD, r == 0x034F, r == 0x061C, r == 0x180E, // soft hyphen, grapheme joiner, marks without width
		r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E, // zero width, direction
		r >= 0x2060 && r <= 0x2069, r == 0xFEFF:
		return -1
	case unicode.IsSpace(r), unicode.IsControl(r):
		return ' '
	}
	return r
}

// eth maps the letter eth, which old Vietnamese keyboards and fonts produce
// for the look-alike Đ, to Đ itself.
func eth(r rune) rune {
	switch r {
	case 'Ð', 'Ɖ':
		return 'Đ'
	case 'ð':
		return 'đ'
	}
	return r
}

// oneLine tidies s and joins its words with single spaces.
func oneLine(s string) string {
	s = tidy(s)
	if !strings.Contains(s, "  ") && !strings.HasPrefix(s, " ") && !strings.HasSuffix(s, " ") {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
