package imapd

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// casemap gives the form of s in which texts are compared by SORT and THREAD: i;unicode-casemap of RFC 5051, which RFC 5256 asks for.
// Every character is put into title case, then decomposed; the results compare octet by octet. Unlike mail.Fold it keeps diacritics.
func casemap(s string) string {
	ascii := true
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToUpper(s)
	}
	return norm.NFKD.String(strings.ToTitle(s))
}
