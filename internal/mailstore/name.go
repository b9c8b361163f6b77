package mailstore

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Name brings a mailbox name as a client wrote it (decoded to UTF-8, without
// namespace prefix) into the form that is stored and compared: NFC, no '/' at
// the end, and INBOX in capitals as first level in whatever case it came. All
// rules about INBOX's case are here and nowhere else. It fails with
// [ErrBadName].
func Name(s string) (string, error) {
	s = strings.TrimSuffix(norm.NFC.String(s), "/")
	if s == "" || len(s) > MaxName || !utf8.ValidString(s) {
		return "", ErrBadName
	}
	levels := strings.Split(s, "/")
	if len(levels) > MaxDepth {
		return "", ErrBadName
	}
	for i, l := range levels {
		if l == "" || l == "." || l == ".." || strings.ContainsFunc(l, unfit) {
			return "", ErrBadName
		}
		if i == 0 && len(l) == len(inbox) && strings.EqualFold(l, inbox) {
			levels[0] = inbox
		}
	}
	if levels[0][0] == '#' {
		return "", ErrBadName // RFC 9051, section 5.1.2: a namespace's mark
	}
	return strings.Join(levels, "/"), nil
}

// unfit tells characters that no level may have: control and format
// characters, line and paragraph separators, U+FFFD, and the wildcards of LIST,
// which would make the name impossible to ask for.
func unfit(r rune) bool {
	switch r {
	case '*', '%', utf8.RuneError, '\u2028', '\u2029':
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// parents gives the names of the levels above name, the highest first.
func parents(name string) []string {
	var list []string
	for i := range len(name) {
		if name[i] == '/' {
			list = append(list, name[:i])
		}
	}
	return list
}

// above gives the name of the level above, "" at the top.
func above(name string) string {
	return name[:max(strings.LastIndexByte(name, '/'), 0)]
}

// below reports whether child lies under the level parent.
func below(child, parent string) bool {
	return len(child) > len(parent) && child[len(parent)] == '/' && strings.HasPrefix(child, parent)
}
