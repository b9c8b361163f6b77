package edoc

import (
	"strings"
	"time"
)

// loosePage is the weight of text that is not in the expected form.
const loosePage = 0.60

// evident reports whether a text is a document's beyond doubt: a number and
// symbol of its own, and two more signals. A number is asked for because
// applications, forms and invitations of private people show motto, day and
// addressee too.
func (l *Layout) evident() bool {
	return l.Signals&SignalNumber != 0 && l.Signals.Count() >= 3
}

// fromTexts adds what the text of the main file says: of the one that shows
// most signals, the first of equals.
func (c *claims) fromTexts(texts []FileText, r *Recognition) {
	var main *FileText
	for i := range texts {
		l := ReadLayout(texts[i])
		r.Secret = max(r.Secret, l.Secret)
		if r.Layout == nil || l.Signals.Count() > r.Layout.Signals.Count() {
			r.Layout, main = &l, &texts[i]
		}
	}
	if main == nil {
		return
	}
	c.fromLayout(r.Layout)
	if main.Property != nil {
		c.fromProperties(main.Property)
	}
}

// fromLayout adds what stands in the boxes of the legal form.
func (c *claims) fromLayout(l *Layout) {
	weight := SourceText.weight()
	if l.Signals.Count() < 3 {
		weight = loosePage
	}
	if !l.Code.IsZero() {
		c.code = append(c.code, claim[Code]{SourceText, weight, l.Code, l.Code.Key(), l.codeRaw})
	}
	if !l.Issued.IsZero() {
		c.issued = append(c.issued, claim[time.Time]{SourceText, weight, l.Issued, edxmlDay(l.Issued), l.issuedRaw})
	}
	c.addType(SourceText, weight, l.Type, l.typeRaw)
	c.addAbstract(SourceText, weight, l.Abstract)
	if l.Urgency != UrgencyNormal {
		c.urgency = append(c.urgency, claim[Urgency]{SourceText, weight, l.Urgency, l.Urgency.Name(), l.Urgency.Name()})
	}
	if !l.Due.IsZero() {
		c.due = append(c.due, claim[time.Time]{SourceText, loosePage, l.Due, edxmlDay(l.Due), edxmlTime(l.Due)})
	}
	c.addSigner(SourceText, weight, l.Signer)
}

// fromProperties adds what a file says of itself: X-VB-* fields of its own,
// keywords such as "so=123; kyhieu=QĐ-UBND", and a code in its title.
func (c *claims) fromProperties(get func(name string) string) {
	keywords := make(map[string]string)
	for pair := range strings.FieldsFuncSeq(get("keywords"), func(r rune) bool { return r == ';' || r == ',' || r == '\n' }) {
		if name, value, found := strings.Cut(pair, "="); found {
			keywords[strings.NewReplacer(" ", "", "_", "", "-", "").Replace(Fold(name))] = oneLine(value)
		}
	}
	value := func(header, keyword string) string {
		if v := oneLine(get(header)); v != "" {
			return v
		}
		return keywords[keyword]
	}
	const s = SourceProperty
	if number, symbol := value(headerNumber, "so"), value(headerSymbol, "kyhieu"); number != "" {
		for _, text := range [...]string{number, number + "/" + symbol, number + "-" + symbol} {
			if code, err := ParseCode(text); err == nil {
				c.addCode(s, code, text)
				break
			}
		}
	} else if at := reAnyCode.FindString(clean(get("title"))); at != "" {
		if code, err := ParseCode(at); err == nil {
			c.addCode(s, code, get("title"))
		}
	}
	if day, ok := parseDay(value(headerIssued, "ngay")); ok {
		c.addIssued(s, day, edxmlDay(day))
	}
	if t, ok := TypeForName(value(headerType, "loai")); ok {
		c.addType(s, s.weight(), t, t.Name)
	}
	c.addAbstract(s, s.weight(), value(headerAbstract, "trichyeu"))
	if v := value(headerUrgency, "dokhan"); len(v) == 1 && v[0] > '0' && v[0] <= '4' {
		c.addUrgency(s, Urgency(v[0]-'0'))
	}
	if v := value(headerDue, "han"); v != "" {
		if due, ok := parseMoment(v); ok {
			if !strings.ContainsAny(v, "T ") {
				due = endOfDay(due)
			}
			c.addDue(s, due, v)
		}
	}
}

// namedLikeDocument reports whether a file has the name of a document.
func namedLikeDocument(files []File) bool {
	for i := range files {
		if _, _, ok := parseFileName(files[i].Name); ok {
			return true
		}
	}
	return false
}
