package edoc

import (
	"strings"
	"time"
	"unicode/utf8"
)

// declaredPrefix begins the names of the fields by which scripts and templates
// declare a document.
const declaredPrefix = "X-VB-"

// Fields that a sender may set.
const (
	headerNumber   = "X-VB-So"
	headerSymbol   = "X-VB-Ky-Hieu"
	headerIssued   = "X-VB-Ngay"
	headerType     = "X-VB-Loai"
	headerAbstract = "X-VB-Trich-Yeu"
	headerUrgency  = "X-VB-Do-Khan"
	headerDue      = "X-VB-Han"
	headerDocID    = "X-VB-Ma-Van-Ban"
	headerOp       = "X-VB-Nghiep-Vu"
	headerReply    = "X-VB-Tra-Loi"
	headerFYI      = "X-VB-De-Biet"
)

// DeclaredHeaders returns the X-VB-* fields that a sender may set.
func DeclaredHeaders() []string {
	return []string{
		headerNumber, headerSymbol, headerIssued, headerType, headerAbstract, headerUrgency,
		headerDue, headerDocID, headerOp, headerReply, headerFYI,
	}
}

// ServerHeaders returns the X-VB-* fields that only the server writes: they
// are taken out of what is submitted and added on delivery.
func ServerHeaders() []string {
	return []string{
		"X-VB-Dispatch", "X-VB-Trang-Thai", "X-VB-So-Den", "X-VB-Don-Vi-Gui",
		"X-VB-Kiem-Tra", "X-VB-Nhat-Ky", "X-VB-Nhan-Dien", "X-VB-Cap-So",
	}
}

// IsDeclaredField reports whether a header field of that name declares a
// document. It is cheap enough for every field of every message.
func IsDeclaredField(name string) bool {
	if len(name) < len(declaredPrefix) || !strings.EqualFold(name[:len(declaredPrefix)], declaredPrefix) {
		return false
	}
	for _, h := range [...]string{
		headerNumber, headerSymbol, headerIssued, headerType, headerAbstract, headerUrgency,
		headerDue, headerDocID, headerOp, headerReply, headerFYI,
	} {
		if strings.EqualFold(name, h) {
			return true
		}
	}
	return false
}

func headerPlace(name string) place {
	labels := map[string]string{
		headerNumber:   "số văn bản",
		headerSymbol:   "ký hiệu văn bản",
		headerIssued:   "ngày ban hành (dạng 2026-11-23)",
		headerType:     "loại văn bản",
		headerAbstract: "trích yếu",
		headerUrgency:  "độ khẩn (0–4)",
		headerDue:      "hạn xử lý (dạng 2026-11-30)",
		headerDocID:    "mã định danh văn bản",
		headerOp:       "nghiệp vụ (moi, thu-hoi, cap-nhat, thay-the)",
		headerReply:    "số ký hiệu văn bản được trả lời",
		headerFYI:      "nơi nhận để biết",
	}
	return place{name, labels[name]}
}

// fromHeaders adds what the X-VB-* fields say, and reports whether there are
// any. What is wrong with them goes to problems.
func (c *claims) fromHeaders(get func(string) string, now time.Time, problems *[]Problem) bool {
	found := false
	value := func(name string) string {
		v := oneLine(get(name))
		found = found || v != ""
		return v
	}
	wrong := func(p Problem) { *problems = append(*problems, p) }

	c.headerCode(value(headerNumber), value(headerSymbol), wrong)

	if v := value(headerIssued); v != "" {
		switch day, ok := parseDay(v); {
		case !ok:
			wrong(headerPlace(headerIssued).malformed())
		case !now.IsZero() && day.After(now):
			wrong(headerPlace(headerIssued).outOfRange())
		default:
			c.addIssued(SourceHeader, day, v)
		}
	}
	if v := value(headerType); v != "" {
		if t, ok := TypeForName(v); ok {
			c.addType(SourceHeader, SourceHeader.weight(), t, v)
		} else {
			wrong(headerPlace(headerType).outOfRange())
		}
	}
	if v := value(headerAbstract); v != "" {
		if utf8.RuneCountInString(v) > maxAbstractRunes {
			wrong(headerPlace(headerAbstract).outOfRange())
		}
		c.addAbstract(SourceHeader, SourceHeader.weight(), v)
	}
	if v := value(headerUrgency); v != "" {
		if len(v) == 1 && v[0] >= '0' && v[0] <= '4' {
			c.addUrgency(SourceHeader, Urgency(v[0]-'0'))
		} else {
			wrong(headerPlace(headerUrgency).outOfRange())
		}
	}
	if v := value(headerDue); v != "" {
		due, ok := parseMoment(v)
		if ok && !strings.ContainsAny(v, "T ") {
			due = endOfDay(due)
		}
		if ok {
			c.addDue(SourceHeader, due, v)
		} else {
			wrong(headerPlace(headerDue).malformed())
		}
	}
	if v := value(headerDocID); v != "" {
		if utf8.RuneCountInString(v) > maxDocIDRunes {
			wrong(headerPlace(headerDocID).outOfRange())
		} else {
			c.addDocID(SourceHeader, v)
		}
	}
	if v := value(headerOp); v != "" {
		switch strings.ReplaceAll(Fold(v), " ", "-") {
		case "moi":
			c.addOp(SourceHeader, OpNew)
		case "thu-hoi":
			c.addOp(SourceHeader, OpRecall)
		case "cap-nhat":
			c.addOp(SourceHeader, OpUpdate)
		case "thay-the":
			c.addOp(SourceHeader, OpReplace)
		default:
			wrong(headerPlace(headerOp).outOfRange())
		}
	}
	for v := range strings.FieldsFuncSeq(value(headerReply), isListSep) {
		if code, err := ParseCode(v); err == nil && !code.Ask {
			c.ops = append(c.ops, OpRef{Op: OpReply, Code: &code})
		} else {
			wrong(headerPlace(headerReply).malformed())
		}
	}
	switch v := value(headerFYI); Fold(v) {
	case "", "0", "false", "khong":
	case "1", "true", "co":
		c.addOp(SourceHeader, OpFYI)
	default:
		for one := range strings.FieldsFuncSeq(v, isListSep) {
			c.fyi = append(c.fyi, strings.TrimSpace(one))
		}
	}
	return found
}

// Limits of values that are stored. edXML: Subject; DocumentId is an agency
// code, a date and a number of which none exceeds its own limit.
const (
	maxAbstractRunes = 500
	maxDocIDRunes    = 100
)

// headerCode reads number and symbol, each from its own field, or both from
// the number's.
func (c *claims) headerCode(number, symbol string, wrong func(Problem)) {
	if number == "" && symbol == "" {
		return
	}
	if code, err := ParseCode(number); err == nil && symbol == "" {
		c.addCode(SourceHeader, code, number)
		return
	}
	switch {
	case number == "":
		wrong(headerPlace(headerNumber).missing())
	case symbol == "":
		wrong(headerPlace(headerSymbol).missing())
	default:
		for _, sep := range [...]string{"/", "-"} { // "-" for the Party's 12 and CV/TU
			if code, err := ParseCode(number + sep + symbol); err == nil {
				c.addCode(SourceHeader, code, number+sep+symbol)
				return
			}
		}
		wrong(headerPlace(headerNumber).malformed())
	}
}

func isListSep(r rune) bool { return r == ',' || r == ';' }
