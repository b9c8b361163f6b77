package edoc

import "strings"

// A SecretLevel is the state-secret mark found on something. Only
// SecretNone may be stored or carried: everything else is refused. Luật Bảo vệ
// bí mật nhà nước 117/2025/QH15; QĐ 28/2018/QĐ-TTg, article 1.
type SecretLevel uint8

const (
	SecretNone  SecretLevel = iota
	Secret                  // MẬT
	TopSecret               // TỐI MẬT
	UltraSecret             // TUYỆT MẬT
)

// String gives the mark as it is stamped, "" for none.
func (l SecretLevel) String() string {
	switch l {
	case Secret:
		return "MẬT"
	case TopSecret:
		return "TỐI MẬT"
	case UltraSecret:
		return "TUYỆT MẬT"
	case SecretNone:
	}
	return ""
}

// maxMarkBytes bounds a line that can be a mark: "ĐỘ MẬT : TUYỆT MẬT" is 25
// bytes in NFC and 33 in NFD; the rest is room for blanks.
const maxMarkBytes = 64

// CheckSecret looks for a state-secret mark in a decoded subject and in text,
// which may be given line by line or as whole texts, and returns the highest.
//
// A mark is a tag [MẬT], [TỐI MẬT] or [TUYỆT MẬT] anywhere in the subject, or
// a line that holds nothing else. Ordinary words (bảo mật, bí mật, mật độ)
// are no marks. "Mật" alone must have its diacritics, and capital letters
// unless it stands in a tag or after "Độ mật:"; the two longer marks are known
// in any spelling.
//
// It costs no allocation on lines that are no marks.
func CheckSecret(subject string, lines ...string) SecretLevel {
	level := max(secretTags(subject), secretLine(subject))
	for _, text := range lines {
		for line := range strings.SplitSeq(text, "\n") {
			level = max(level, secretLine(line))
		}
	}
	return level
}

// secretTags looks at every bracketed group of s.
func secretTags(s string) SecretLevel {
	level := SecretNone
	for {
		open := strings.IndexByte(s, '[')
		if open < 0 {
			return level
		}
		s = s[open+1:]
		// The group ends at the next bracket of either kind, so that each
		// byte is read once.
		end := strings.IndexAny(s, "[]")
		if end < 0 {
			return level
		}
		if s[end] == ']' {
			level = max(level, secretMark(s[:end], true))
		}
		s = s[end:]
	}
}

// secretLine looks at a line as a whole.
func secretLine(line string) SecretLevel { return secretMark(line, false) }

// secretMark reads s as nothing but a mark. In a tag "Mật" needs no capitals.
func secretMark(s string, tag bool) SecretLevel {
	if len(s) > 4*maxMarkBytes {
		return SecretNone
	}
	s = strings.TrimSpace(s)
	if s == "" || len(s) > maxMarkBytes || !endsLikeMark(s) {
		return SecretNone
	}
	s = strings.Map(eth, oneLine(s))
	mark := s
	if head, rest, found := strings.Cut(s, ":"); found {
		if Fold(strings.TrimSpace(head)) != "do mat" {
			return SecretNone
		}
		mark, tag = strings.TrimSpace(rest), true
	}
	switch Fold(mark) {
	case "toi mat":
		return TopSecret
	case "tuyet mat":
		return UltraSecret
	case "mat":
		if mark == "MẬT" || tag && strings.EqualFold(mark, "MẬT") {
			return Secret
		}
	}
	return SecretNone
}

// endsLikeMark is the cheap test that nearly every line fails: a mark ends in
// the letter t, or in something invisible outside ASCII.
func endsLikeMark(s string) bool {
	c := s[len(s)-1]
	return c == 't' || c == 'T' || c >= 0x80
}
