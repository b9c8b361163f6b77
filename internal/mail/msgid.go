package mail

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// maxReferences is how many ids of References are kept.
const maxReferences = 100

// maxMessageID is the longest id kept, in octets.
const maxMessageID = 998

// NewMessageID gives a new unique message id with its angle brackets. RFC 5322,
// section 3.6.4.
func NewMessageID(domain string) string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return "<" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:])) + "@" + domain + ">"
}

// nextID finds the first "<…>" in s and gives it without blanks, and what follows.
func nextID(s string) (id, rest string) {
	for {
		open := strings.IndexByte(s, '<')
		if open < 0 {
			return "", ""
		}
		s = s[open:]
		end := strings.IndexByte(s, '>')
		if end < 0 {
			return "", ""
		}
		if again := strings.LastIndexByte(s[:end], '<'); again > 0 {
			s, end = s[again:], end-again
		}
		id, s = s[:end+1], s[end+1:]
		if strings.ContainsAny(id, " \t\r\n\x00") {
			id = strings.Map(func(r rune) rune {
				if r <= ' ' {
					return -1
				}
				return r
			}, id)
		}
		if len(id) > 2 && len(id) <= maxMessageID {
			return stripControls(decodeIfHigh(id)), s
		}
	}
}

// firstID gives the first message id of a field's value; a single bare word is
// taken for one that lost its brackets.
func firstID(v string) string {
	if v == "" {
		return ""
	}
	if id, _ := nextID(v); id != "" {
		return id
	}
	if v != "" && len(v) < maxMessageID-2 && !strings.ContainsAny(v, " \t<>()\"") {
		return "<" + stripControls(decodeIfHigh(v)) + ">"
	}
	return ""
}

// messageIDs gives the ids of References: all, or when they are too many the
// first, which names the thread, and the last ones, which name the parents.
func messageIDs(v string) []string {
	var out []string
	for v != "" {
		var id string
		id, v = nextID(v)
		if id == "" {
			break
		}
		if len(out) == maxReferences {
			copy(out[1:], out[2:])
			out = out[:maxReferences-1]
		}
		out = append(out, id)
	}
	return out
}
