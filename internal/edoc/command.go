package edoc

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Verb is what a line of a reply asks for.
type Verb string

// The verbs of reply commands. edoc.md §4.5.
const (
	VerbAssign   Verb = "assign"   // @tên chủ trì | phối hợp | để biết
	VerbDue      Verb = "due"      // hạn 30/11
	VerbRegister Verb = "register" // vào sổ
	VerbRefuse   Verb = "refuse"   // từ chối: lý do
	VerbStart    Verb = "start"    // bắt đầu
	VerbComplete Verb = "complete" // hoàn thành: kết quả
	VerbReturn   Verb = "return"   // trả lại: lý do
	VerbExtend   Verb = "extend"   // gia hạn 30/11: lý do
	VerbReopen   Verb = "reopen"   // mở lại: lý do
	VerbAgree    Verb = "agree"    // đồng ý
	VerbDisagree Verb = "disagree" // không đồng ý: lý do
	VerbOther    Verb = "other"    // ý kiến khác: …
)

// Part is what somebody is to do, by a line "@tên chủ trì".
type Part string

// The parts.
const (
	PartLead   Part = "chu_tri"
	PartAssist Part = "phoi_hop"
	PartFYI    Part = "de_biet"
)

// A Command is one line of a reply that asks for something.
type Command struct {
	Verb Verb
	Who  string    // of VerbAssign: name, unit or login, as written
	Part Part      // of VerbAssign
	Due  time.Time // of VerbDue and VerbExtend; zero when the line names no day that there is
	Text string    // what follows ':', or the whole line where the verb has no ':'
	Line string    // as written, for the answer
}

// A Reply is what the answer to a document's message asks for.
type Reply struct {
	Commands []Command
	Rest     string // the other lines, NFC; kept as ý kiến chỉ đạo
}

// maxReplyBytes and maxReplyLines bound what is read of a reply; maxCommands how
// many of its lines count.
const (
	maxReplyBytes = 32 << 10
	maxReplyLines = 60
	maxCommands   = 40
)

// The forms of command lines, on folded text (see [Fold]).
var (
	reAssign = regexp.MustCompile(`^@\s*(.+?)[\s,:;-]+(chu tri|phoi hop|de biet)\s*[.;,]?$`)
	reHan    = regexp.MustCompile(`^han(?:\s+xu ly)?\s*:?\s*` + replyDay + `\s*[.;,]?$`)
	reExtend = regexp.MustCompile(`^gia han(?:\s+den)?\s*:?\s*` + replyDay + `\s*(?:[:;,.-]\s*(.*))?$`)
	rePlain  = regexp.MustCompile(`^(vao so|dang ky|bat dau|hoan thanh|dong y|khong dong y|tra lai|chuyen lai|tu choi|mo lai|y kien khac)\s*(?:[:;.,!-]\s*(.*))?$`)
	reQuoted = regexp.MustCompile(`^(on .{3,80} wrote:|vao .{3,120} (da )?viet:|-{2,}\s*(original message|thu goc|forwarded message|tin nhan goc)|(from|tu|sent|da gui)\s*:\s*.*|_{10,}.*)$`)
)

// replyDay is a day, with an hour before it or not, and a year or not.
const replyDay = `(?:([0-9]{1,2})\s*(?:gio|h|:)\s*([0-9]{2})?\s*,?\s*)?(?:ngay\s*)?([0-9]{1,2})\s*[/.-]\s*([0-9]{1,2})(?:\s*[/.-]\s*(20[0-9]{2}))?`

// ParseReply reads the first lines of a reply, up to what it quotes or its
// signature. Diacritics, case and Unicode form do not matter. now tells the year
// of a day that is written without one: the day that comes next.
//
// Only lines that say nothing else are commands: "hoàn thành sớm nhé" is text.
func ParseReply(text string, now time.Time) Reply {
	var out Reply
	var rest []string
	for i, line := range replyLines(text) {
		line = strings.Join(strings.Fields(tidy(line)), " ")
		folded := plainSpace(Fold(clean(line)))
		if i >= maxReplyLines || endsReply(line, folded) {
			break
		}
		if c, ok := parseCommand(line, folded, now); ok && len(out.Commands) < maxCommands {
			c.Line = line
			out.Commands = append(out.Commands, c)
		} else {
			rest = append(rest, line)
		}
	}
	out.Rest = strings.TrimSpace(strings.Join(rest, "\n"))
	return out
}

// OwnLines gives the lines of a reply that its author wrote, as ParseReply reads
// them: without what it quotes and without the signature.
func OwnLines(text string) string {
	var own []string
	for i, line := range replyLines(text) {
		line = strings.Join(strings.Fields(tidy(line)), " ")
		if i >= maxReplyLines || endsReply(line, plainSpace(Fold(clean(line)))) {
			break
		}
		own = append(own, line)
	}
	return strings.TrimSpace(strings.Join(own, "\n"))
}

func replyLines(text string) []string {
	if len(text) > maxReplyBytes {
		text = text[:maxReplyBytes]
		for len(text) > 0 && !utf8.ValidString(text[len(text)-min(4, len(text)):]) {
			if r, n := utf8.DecodeLastRuneInString(text); r == utf8.RuneError && n <= 1 {
				text = text[:len(text)-n]
				continue
			}
			break
		}
	}
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")
	return strings.Split(norm.NFC.String(text), "\n")
}

func plainSpace(s string) string { return strings.Join(strings.Fields(s), " ") }

// endsReply tells where the writer's own text ends: at what is quoted, and at a
// signature (RFC 3676, section 4.3).
func endsReply(line, folded string) bool {
	return strings.HasPrefix(line, ">") || line == "--" || reQuoted.MatchString(folded)
}

func parseCommand(line, folded string, now time.Time) (Command, bool) {
	switch {
	case folded == "":
		return Command{}, false
	case folded[0] == '@':
		return parseAssign(line, folded)
	}
	if m := reHan.FindStringSubmatch(folded); m != nil {
		return Command{Verb: VerbDue, Due: replyTime(m[1:], now), Text: line}, true
	}
	if m := reExtend.FindStringSubmatch(folded); m != nil {
		return Command{Verb: VerbExtend, Due: replyTime(m[1:], now), Text: lineEnd(line, folded, m[6])}, true
	}
	m := rePlain.FindStringSubmatch(folded)
	if m == nil {
		return Command{}, false
	}
	return Command{Verb: plainVerb(m[1]), Text: lineEnd(line, folded, m[2])}, true
}

func plainVerb(words string) Verb {
	switch words {
	case "vao so", "dang ky":
		return VerbRegister
	case "bat dau":
		return VerbStart
	case "hoan thanh":
		return VerbComplete
	case "dong y":
		return VerbAgree
	case "khong dong y":
		return VerbDisagree
	case "tra lai", "chuyen lai":
		return VerbReturn
	case "tu choi":
		return VerbRefuse
	case "mo lai":
		return VerbReopen
	}
	return VerbOther
}

func parseAssign(line, folded string) (Command, bool) {
	m := reAssign.FindStringSubmatch(folded)
	if m == nil {
		return Command{}, false
	}
	part := map[string]Part{"chu tri": PartLead, "phoi hop": PartAssist, "de biet": PartFYI}[m[2]]
	// Folding keeps the number of letters, so the name is found by its length.
	written := []rune(strings.TrimSpace(strings.TrimPrefix(line, "@")))
	n := min(utf8.RuneCountInString(m[1]), len(written))
	who := strings.Trim(string(written[:n]), " ,:;-")
	return Command{Verb: VerbAssign, Who: who, Part: part}, who != ""
}

// lineEnd gives the end of line that became the end of folded.
func lineEnd(line, folded, end string) string {
	if end == "" || !strings.HasSuffix(folded, end) {
		return ""
	}
	letters := []rune(line)
	return strings.TrimSpace(string(letters[max(0, len(letters)-utf8.RuneCountInString(end)):]))
}

// replyTime gives the time of a day: without an hour its last second, without a
// year the next one that comes. Zero when there is no such day.
func replyTime(m []string, now time.Time) time.Time {
	hour, minute, second := dueHour, dueMinute, dueSecond
	if m[0] != "" {
		hour, _ = strconv.Atoi(m[0]) // digits by the pattern, as below
		minute, _ = strconv.Atoi("0" + m[1])
		second = 0
	}
	day, _ := strconv.Atoi(m[2])
	month, _ := strconv.Atoi(m[3])
	years := []int{now.In(vietnam).Year(), now.In(vietnam).Year() + 1}
	if m[4] != "" {
		y, _ := strconv.Atoi(m[4])
		years = []int{y}
	}
	for i, y := range years {
		t := time.Date(y, time.Month(month), day, hour, minute, second, 0, vietnam)
		if hour > 23 || minute > 59 || t.Day() != day || int(t.Month()) != month {
			continue
		}
		if i < len(years)-1 && t.Before(now) {
			continue
		}
		return t
	}
	return time.Time{}
}

// A Named is somebody whom a reply may name.
type Named struct {
	Name  string   // "Nguyễn Thị Lan"
	Login string   // "lan@xa01.test"
	Also  []string // names and short names of units that stand for the person
}

// FindNamed gives the indices of those in list whom words may mean: by login, by
// whole name, by a unit's name, else by the last words of the name, as people
// are called ("Lan", "Thị Lan"). Several mean that the name is ambiguous.
func FindNamed(words string, list []Named) (found []int) {
	w := plainSpace(Fold(clean(words)))
	if w == "" {
		return nil
	}
	tests := []func(n Named) bool{
		func(n Named) bool {
			login := Fold(n.Login)
			local, _, _ := strings.Cut(login, "@")
			return w == login || w == local
		},
		func(n Named) bool { return plainSpace(Fold(clean(n.Name))) == w },
		func(n Named) bool {
			return slices.ContainsFunc(n.Also, func(s string) bool { return plainSpace(Fold(clean(s))) == w })
		},
		func(n Named) bool { return strings.HasSuffix(plainSpace(Fold(clean(n.Name))), " "+w) },
	}
	for _, fits := range tests {
		for i, n := range list {
			if fits(n) {
				found = append(found, i)
			}
		}
		if len(found) > 0 {
			// Of several with one folded name, the one spelt exactly so is meant.
			exact := slices.DeleteFunc(slices.Clone(found), func(i int) bool {
				return norm.NFC.String(strings.ToLower(strings.TrimSpace(words))) != norm.NFC.String(strings.ToLower(list[i].Name))
			})
			if len(exact) == 1 {
				return exact
			}
			return found
		}
	}
	return nil
}
