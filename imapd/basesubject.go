package imapd

import (
	"strings"
)

// baseSubject takes a decoded subject down to what replies and forwards have in common, and tells whether it was one of them
// (RFC 5256, section 2.1; the steps have its numbers).
func baseSubject(s string) (base string, reply bool) {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }), " ") // (1)
	for {
		for { // (2)
			cut := strings.TrimRight(s, " ")
			if t, is := cutSuffixFold(cut, "(fwd)"); is {
				s, reply = t, true
				continue
			}
			s = cut
			break
		}
		for { // (3) to (5)
			if rest, is := cutLeader(s); is {
				s, reply = rest, true
				continue
			}
			if strings.HasPrefix(s, " ") {
				s = s[1:]
				continue
			}
			for { // what is behind these is no leader: it would have been taken off with them
				rest, is := cutBlob(s)
				if !is || rest == "" {
					break
				}
				s = rest
			}
			break
		}
		inner, is := cutPrefixFold(s, "[fwd:") // (6)
		if !is || !strings.HasSuffix(inner, "]") {
			return s, reply
		}
		s, reply = inner[:len(inner)-1], true
	}
}

// cutLeader takes *subj-blob subj-refwd off: "[list] Re [2]: ".
func cutLeader(s string) (string, bool) {
	for {
		rest, is := cutBlob(s)
		if !is {
			break
		}
		s = rest
	}
	rest, is := cutPrefixFold(s, "re")
	if !is {
		if rest, is = cutPrefixFold(s, "fwd"); !is {
			rest, is = cutPrefixFold(s, "fw")
		}
	}
	if !is {
		return "", false
	}
	rest = strings.TrimLeft(rest, " ")
	if after, isBlob := cutBlob(rest); isBlob {
		rest = after
	}
	return strings.CutPrefix(rest, ":")
}

// cutBlob takes subj-blob off: brackets with anything but brackets in them, and the blanks behind.
func cutBlob(s string) (string, bool) {
	if !strings.HasPrefix(s, "[") {
		return "", false
	}
	end := strings.IndexAny(s[1:], "[]")
	if end < 0 || s[1+end] != ']' {
		return "", false
	}
	return strings.TrimLeft(s[end+2:], " "), true
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

func cutSuffixFold(s, suffix string) (string, bool) {
	n := len(s) - len(suffix)
	if n < 0 || !strings.EqualFold(s[n:], suffix) {
		return "", false
	}
	return s[:n], true
}
