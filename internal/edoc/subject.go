package edoc

import (
	"strings"
	"time"
)

// maxSubjectBytes bounds the part of a subject that is parsed; the rest is
// ignored. A header line of 998 octets decodes to less.
const maxSubjectBytes = 8 << 10

// A Subject is what the tags of a mail subject say, and the text after them.
type Subject struct {
	Code     *Code       // the document's own number and symbol, or nil
	Codes    []Code      // every code that stands alone in a tag, in order; Code is the first
	Urgency  Urgency     // UrgencyNormal when no tag says otherwise
	Due      time.Time   // zero when no tag gives one
	Ops      []OpRef     // acts, in order
	Abstract string      // trích yếu: the text without tags and "V/v", NFC, single spaces
	Secret   SecretLevel // mark found anywhere in the subject
}

// ParseSubject reads a decoded subject line:
//
//	subject  = *( "[" tag "]" *WSP ) [ ("V/v" / "Về việc") [":"] ] text
//	tag      = sokyhieu / urgency / due / op
//
// Diacritics, case and Unicode form do not matter. Tags stand at the front: a
// reply ("Re: [123/QĐ-UBND] …") is not tagged. A bracketed group that is no
// tag, such as a mailing list's, does not end the tags and stays in the text.
func ParseSubject(decoded string) Subject {
	if len(decoded) > maxSubjectBytes {
		decoded = decoded[:maxSubjectBytes]
	}
	var s Subject
	s.Secret = CheckSecret(decoded)

	rest := oneLine(decoded)
	var unknown strings.Builder
	for strings.HasPrefix(rest, "[") {
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			break
		}
		if !s.addTag(strings.TrimSpace(clean(rest[1:end]))) {
			unknown.WriteString(rest[:end+1])
			unknown.WriteByte(' ')
		}
		rest = strings.TrimLeft(rest[end+1:], " ")
	}
	if len(s.Codes) > 0 {
		s.Code = &s.Codes[0]
	}
	s.Abstract = strings.TrimSpace(unknown.String() + trimAbout(rest))
	return s
}

// addTag reads one tag, cleaned and without its brackets, into s.
func (s *Subject) addTag(tag string) bool {
	if tag == "" {
		return false
	}
	if c := tag[0]; c >= '0' && c <= '9' || c == '?' || c|0x20 == 's' { // a number, a request, "Số:"
		if code, err := ParseCode(tag); err == nil {
			s.Codes = append(s.Codes, code)
			return true
		}
	}
	folded := Fold(tag)
	if secretMark(tag, true) != SecretNone {
		return true
	}
	if u, ok := urgencyWords(folded); ok {
		s.Urgency = max(s.Urgency, u)
		return true
	}
	if rest, ok := strings.CutPrefix(folded, "hoa toc hen gio"); ok {
		// The fixed time itself: [HỎA TỐC HẸN GIỜ 15h30 25/11/2026].
		due, ok := dueMatch(reDueOnly, strings.TrimLeft(rest, " :,"))
		if ok {
			s.Urgency, s.Due = UrgencyTimed, due
		}
		return ok
	}
	if strings.HasPrefix(folded, "han") {
		if due, ok := dueMatch(reDueTag, folded); ok {
			s.Due = due
			return true
		}
	}
	if op, ok := parseOp(tag, folded); ok {
		s.Ops = append(s.Ops, op)
		return true
	}
	return false
}

// urgencyWords reads a folded name of a degree of urgency.
func urgencyWords(folded string) (Urgency, bool) {
	switch folded {
	case "khan":
		return UrgencyUrgent, true
	case "thuong khan":
		return UrgencyHigh, true
	case "hoa toc":
		return UrgencyFlash, true
	case "hoa toc hen gio":
		return UrgencyTimed, true
	}
	return UrgencyNormal, false
}

// opTag is the spelling of an act in a subject tag.
type opTag struct {
	words string // folded
	op    Op
	takes opArgument
}

type opArgument uint8

const (
	takesNothing opArgument = iota
	takesCode
	takesType
)

var opTags = [...]opTag{
	{"thu hoi", OpRecall, takesCode},
	{"thay the", OpReplace, takesCode},
	{"cap nhat", OpUpdate, takesCode},
	{"dinh chinh", OpCorrect, takesCode},
	{"tra loi", OpReply, takesCode},
	{"xin so", OpNumber, takesType},
	{"lay y kien", OpConsult, takesNothing},
	{"de biet", OpFYI, takesNothing},
	{"du thao", OpDraft, takesNothing},
}

// parseOp reads an act and what it is about from a tag and its folded form. An
// act on another document needs that document's code: "[Cập nhật] phần mềm" is
// ordinary text.
func parseOp(tag, folded string) (OpRef, bool) {
	for _, t := range &opTags {
		if !strings.HasPrefix(folded, t.words) {
			continue
		}
		rest, ok := cutWords(tag, t.words)
		if !ok {
			continue
		}
		rest = strings.TrimLeft(rest, " :")
		switch t.takes {
		case takesCode:
			code, err := ParseCode(rest)
			if err != nil || code.Ask {
				return OpRef{}, false
			}
			return OpRef{Op: t.op, Code: &code}, true
		case takesType:
			if rest == "" {
				return OpRef{Op: t.op}, true
			}
			dt, ok := TypeForName(rest)
			return OpRef{Op: t.op, Arg: dt.Name}, ok
		case takesNothing:
			return OpRef{Op: t.op}, rest == ""
		}
	}
	return OpRef{}, false
}

// cutWords removes words, which are folded and separated by single spaces,
// from the front of s, which has single spaces too.
func cutWords(s, words string) (rest string, ok bool) {
	end := 0
	for range strings.Count(words, " ") + 1 {
		if end < len(s) && s[end] == ' ' {
			end++
		}
		if i := strings.IndexAny(s[end:], " :"); i >= 0 {
			end += i
		} else {
			end = len(s)
		}
	}
	if Fold(s[:end]) != words {
		return s, false
	}
	return s[end:], true
}

// trimAbout removes "V/v" or "Về việc" from the front of an abstract.
func trimAbout(s string) string {
	if s == "" || s[0]|0x20 != 'v' {
		return s
	}
	rest, ok := cutWords(s, "ve viec")
	if !ok {
		// "V/v", "v / v" and "V/v:"; "V/vn" is another word.
		rest, ok = cutLetter(s, 'v')
		if ok {
			rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " "), "/")
		}
		if ok {
			rest, ok = cutLetter(strings.TrimLeft(rest, " "), 'v')
		}
		if !ok || rest != "" && rest[0] != ' ' && rest[0] != ':' {
			return s
		}
	}
	return strings.TrimLeft(rest, " :")
}

// cutLetter removes the ASCII letter, given in lower case, in either case.
func cutLetter(s string, letter byte) (rest string, ok bool) {
	if s == "" || s[0]|0x20 != letter {
		return s, false
	}
	return s[1:], true
}
