package edoc

import (
	"regexp"
	"slices"
	"strings"
)

var (
	reCompetence = regexp.MustCompile(`(?:^|\s)((?:TM|KT|TL|TUQ|Q)\s?\.\s?\p{Lu}[\p{Lu}, -]*\p{Lu})`)
	rePosition   = regexp.MustCompile(`(?:^|\s)((?:QUYỀN |PHÓ |THỨ )?(?:TỔNG |CHI |CỤC )?(?:CHỦ TỊCH|GIÁM ĐỐC|CHÁNH VĂN PHÒNG|CHÁNH THANH TRA|TRƯỞNG PHÒNG|TRƯỞNG BAN|HIỆU TRƯỞNG|CỤC TRƯỞNG|VỤ TRƯỞNG|BỘ TRƯỞNG|THỦ TƯỚNG|BÍ THƯ|THỦ TRƯỞNG|TRƯỞNG)(?: [\p{Lu}, ]*\p{Lu})?)$`)
	reWholeName  = regexp.MustCompile(`^(\p{Lu}\p{Ll}*(?: \p{Lu}\p{Ll}*){1,5})$`)
	reNameAtEnd  = regexp.MustCompile(`[;.:)]\s(\p{Lu}\p{Ll}+(?: \p{Lu}\p{Ll}+){1,5})$`)
)

// tail reads what stands around and under the body: addressees, recipients,
// who signed, and the due day.
func (l *Layout) tail(lines []layoutLine) {
	l.signer(lines)
	var text strings.Builder
	for i, x := range lines {
		text.WriteString(x.text + "\n")
		switch {
		case strings.HasPrefix(x.bare, "kinhgui") && l.Addressee == nil:
			l.Signals |= SignalRecipients
			_, after, _ := strings.Cut(x.text, ":")
			l.Addressee = listed(after, lines[i+1:])
		case strings.HasPrefix(x.bare, "noinhan") && l.Copies == nil:
			l.Signals |= SignalRecipients
			l.Copies = slices.DeleteFunc(listed("", lines[i+1:]), func(s string) bool {
				folded := Fold(s)
				return strings.HasPrefix(folded, "nhu ") || strings.HasPrefix(folded, "luu")
			})
		}
	}
	if due, ok := ParseDue(text.String()); ok {
		l.Due = due
	}
}

// listed gives the items of a list of recipients: what is on its first line,
// and the lines after it that begin with a dash. An item ends at its
// semicolon: what follows is the other column.
func listed(first string, lines []layoutLine) []string {
	const most = 100
	var list []string
	add := func(s string) {
		s, _, _ = strings.Cut(s, ";")
		if s = strings.Trim(s, " .,-+•"); s != "" {
			list = append(list, s)
		}
	}
	for s := range strings.SplitSeq(first, ";") {
		add(s)
	}
	for _, x := range lines {
		if !strings.HasPrefix(x.text, "-") && !strings.HasPrefix(x.text, "+") && !strings.HasPrefix(x.text, "•") || len(list) >= most {
			break
		}
		add(x.text)
	}
	return list
}

// signer reads boxes 7a and 7b. The left column, Nơi nhận, may stand on the
// same lines.
func (l *Layout) signer(lines []layoutLine) {
	at := -1
	for i, x := range lines {
		if m := reCompetence.FindStringSubmatch(x.text); m != nil {
			l.Signer.Competence, at = m[1], i+1
			break
		}
	}
	if at < 0 { // a head who signs for himself: the last position that stands in capitals
		for i := len(lines) - 1; i >= 0; i-- {
			if m := rePosition.FindStringSubmatch(lines[i].text); m != nil && isUpper(m[1]) {
				at = i
				break
			}
		}
	}
	if at < 0 {
		return
	}
	l.Signals |= SignalSignature
	for i := at; i < min(at+4, len(lines)); i++ {
		if m := rePosition.FindStringSubmatch(lines[i].text); m != nil {
			l.Signer.Position, at = m[1], i+1
			break
		}
	}
	rest := lines[at:min(at+14, len(lines))]
	for _, re := range [...]*regexp.Regexp{reWholeName, reNameAtEnd} {
		for _, x := range rest {
			if m := re.FindStringSubmatch(x.text); m != nil {
				l.Signer.FullName = m[1]
				return
			}
		}
	}
}

// relationWords say what a code that follows them is there for, folded and
// without blanks.
var relationWords = [...]struct {
	word string
	kind RelationKind
}{
	{"traloi", RelationReplies}, {"phucdap", RelationReplies}, {"thaythe", RelationReplaces}, {"dinhchinh", RelationCorrects},
	{"suadoi", RelationAmends}, {"bosung", RelationAmends}, {"baibo", RelationRepeals}, {"huybo", RelationRepeals},
	{"cancu", RelationCites}, {"theo", RelationCites}, {"thuchien", RelationCites}, {"tai", RelationCites}, {"thihanh", RelationCites},
}

// relations reads which other documents are named, and why. One whose reason
// is not said, after a comma or "và", has that of the one before it.
func (l *Layout) relations(lines []layoutLine) {
	const (
		most   = 50
		window = 160 // octets before a code in which its reason stands
		near   = 12  // octets, folded, between two codes of one list
	)
	var b strings.Builder
	for _, x := range lines {
		b.WriteString(x.text + " ")
	}
	text := b.String()
	end, last := 0, RelationKind("")
	for _, at := range reAnyCode.FindAllStringIndex(text, -1) {
		code, err := ParseCode(text[at[0]:at[1]])
		if err != nil || code.Key() == l.Code.Key() && code.Year == l.Code.Year {
			end, last = at[1], ""
			continue
		}
		from := max(end, at[0]-window)
		before := strings.ReplaceAll(Fold(strings.ToValidUTF8(text[from:at[0]], "")), " ", "")
		end = at[1]
		kind, place := RelationKind(""), -1
		for _, w := range relationWords {
			if i := strings.LastIndex(before, w.word); i > place {
				kind, place = w.kind, i
			}
		}
		if kind == "" && len(before) <= near {
			kind = last
		}
		last = kind
		r := Relation{kind, code}
		if kind == "" || slices.Contains(l.Relations, r) {
			continue
		}
		if l.Relations = append(l.Relations, r); len(l.Relations) == most {
			return
		}
	}
}
