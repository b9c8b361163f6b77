package mail

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold gives the form of s in which texts are searched: without diacritics, in
// lower case, đ as d. "Công văn ĐI" and "cong van di" fold to the same.
func Fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	b := make([]byte, 0, len(s))
	table := foldTable()
	for _, r := range s {
		if int(r) >= len(table) || table[r] == notAlone {
			return foldSlowly(s)
		}
		b = append(b, table[r]...)
	}
	return string(b)
}

func foldSlowly(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFD.String(s) {
		switch {
		case r < utf8.RuneSelf:
			b.WriteByte(byte(unicode.ToLower(r)))
		case unicode.Is(unicode.Mn, r):
		case r == 'đ' || r == 'Đ':
			b.WriteByte('d')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// notAlone marks a rune in foldTable that may change places with its
// neighbours in NFD and is not dropped: it cannot be folded by itself.
const notAlone = "\xff"

// foldTable is the folds of single runes up to the punctuation marks, which
// all Vietnamese text is made of. NFD works rune by rune but for the order of
// combining marks, and those are dropped.
var foldTable = sync.OnceValue(func() []string {
	table := make([]string, 0x2070)
	for r := range table {
		switch p := norm.NFD.PropertiesString(string(rune(r))); {
		case p.CCC() != 0 && !unicode.Is(unicode.Mn, rune(r)):
			table[r] = notAlone
		default:
			table[r] = foldSlowly(string(rune(r)))
		}
	}
	return table
})
