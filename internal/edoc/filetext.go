package edoc

import (
	"slices"
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

// AddTexts adds to a recognition what was taken out of the message's files,
// which comes after acceptance: it can make a message evident (L2) or possible
// (L3), adds fields to what is declared, and shows where sources disagree.
// names are those of all attached files; now is the time of reception.
//
// The recognition must be one of [Recognize], or have the values and the
// evidence of one.
func (r *Recognition) AddTexts(texts []FileText, names []string, now time.Time) {
	var c claims
	c.fromRecognition(r)
	c.fromTexts(texts, r)
	if r.Layout == nil {
		return
	}
	if r.Level == LevelNone || r.Level > L2 {
		switch {
		case r.Layout.evident():
			r.Level = L2
		case r.Layout.Signals.Count() >= 2 || slices.ContainsFunc(names, namedLikeDocument):
			r.Level = L3
			return
		default:
			return
		}
	}
	before := r.Evidence
	r.Evidence = nil
	r.Problems = slices.DeleteFunc(r.Problems, Problem.Warning)
	r.fuse(&c)
	r.derive(now)
	for field, ev := range r.Evidence { // the losers of earlier rounds stay on record
		for _, other := range before[field].Others {
			if !slices.Contains(ev.Others, other) {
				ev.Others = append(ev.Others, other)
			}
		}
		ev.Conflict = ev.Conflict || before[field].Conflict
		r.Evidence[field] = ev
	}
}

// fromRecognition adds what an earlier round decided, each as one claim with
// the confidence it had.
func (c *claims) fromRecognition(r *Recognition) {
	at := func(f Field) (Evidence, bool) {
		ev, ok := r.Evidence[f]
		return ev, ok && ev.Source != SourceDerived // what follows from others will follow again
	}
	if ev, ok := at(FieldCode); ok && r.Code != nil {
		c.code = append(c.code, claim[Code]{ev.Source, ev.Confidence, *r.Code, r.Code.Key(), ev.Raw})
	}
	if ev, ok := at(FieldDocID); ok {
		c.docID = append(c.docID, claim[string]{ev.Source, ev.Confidence, r.DocID, r.DocID, ev.Raw})
	}
	if ev, ok := at(FieldType); ok {
		c.addType(ev.Source, ev.Confidence, r.Type, ev.Raw)
	}
	if ev, ok := at(FieldAbstract); ok {
		c.addAbstract(ev.Source, ev.Confidence, r.Abstract)
	}
	if ev, ok := at(FieldIssued); ok {
		c.issued = append(c.issued, claim[time.Time]{ev.Source, ev.Confidence, r.Issued, edxmlDay(r.Issued), ev.Raw})
	}
	if ev, ok := at(FieldUrgency); ok {
		c.urgency = append(c.urgency, claim[Urgency]{ev.Source, ev.Confidence, r.Urgency, r.Urgency.Name(), ev.Raw})
	}
	if ev, ok := at(FieldDue); ok {
		c.due = append(c.due, claim[time.Time]{ev.Source, ev.Confidence, r.Due, edxmlDay(r.Due), ev.Raw})
	}
	if ev, ok := at(FieldOp); ok {
		c.op = append(c.op, claim[Op]{ev.Source, ev.Confidence, r.Op, r.Op.String(), ev.Raw})
	}
	if ev, ok := at(FieldSigner); ok {
		c.addSigner(ev.Source, ev.Confidence, r.Signer)
	}
	c.ops, c.fyi = r.Ops, r.FYI
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
func namedLikeDocument(name string) bool {
	_, _, ok := parseFileName(name)
	return ok
}
