package edoc

import (
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"vanthu/internal/fault"
)

var (
	placeOwnCode     = place{"Code", "số và ký hiệu văn bản"}
	placeOwnAbstract = place{"Subject", "trích yếu"}
	placeEdXML       = place{"edXML", "tệp edXML"}
)

// Recognize tells what a message is: a document that its sender declared (L0)
// or tagged (L1), or ordinary mail (L4), and fuses what the sources say about
// it. It opens only files named *.edxml.
//
// Nearly all mail has no '[' in its subject and declares nothing: that costs
// well under a microsecond and no allocation.
//
// Text of the body and of other attachments is not looked at here: the caller
// shows it to CheckSecret, and must refuse what has a mark.
func Recognize(in Input) Recognition {
	r := Recognition{Level: L4}
	if !mayBeDocument(&in) {
		r.Secret = CheckSecret(in.Subject)
		return r
	}

	var c claims
	declared := c.fromEdXML(&in, &r)
	if r.Err != nil {
		return r
	}
	if in.Header != nil && c.fromHeaders(in.Header, in.Now, &r.Problems) {
		declared = true
		r.Secret = max(r.Secret, CheckSecret(in.Header(headerAbstract)))
	}
	if c.fromDetails(in.Details) {
		declared = true
	}
	if !declared && strings.IndexByte(in.Subject, '[') < 0 {
		r.Secret = CheckSecret(in.Subject)
		return r // the details and the X-VB fields were of other kinds
	}
	subject := ParseSubject(in.Subject)
	tagged := c.fromSubject(&subject, in.Subject)
	r.Secret = max(r.Secret, subject.Secret)

	switch {
	case declared:
		r.Level = L0
	case tagged:
		r.Level = L1
	default:
		// Ordinary mail, perhaps one that says it is urgent, a draft, or an answer.
		r.Op, r.Ops, r.Urgency, r.Due = mainOp(subject.Ops), subject.Ops, subject.Urgency, subject.Due
		return r
	}
	if r.Status != nil {
		return r // a report about a document, which has no fields of its own
	}
	c.fromFiles(in.Files)
	r.fuse(&c)
	r.derive(in.Now)
	return r
}

// mayBeDocument is the cheap test in front of everything.
func mayBeDocument(in *Input) bool {
	if in.Header != nil || len(in.Details) > 0 || strings.IndexByte(in.Subject, '[') >= 0 {
		return true
	}
	for i := range in.Files {
		if in.Files[i].isEdXML() {
			return true
		}
	}
	return false
}

// fuse decides every field. The type comes after the code, which implies one.
func (r *Recognition) fuse(c *claims) {
	var code Code
	if fuse(r, FieldCode, &code, c.code); len(c.code) > 0 {
		r.Code = &code
		t := TypeForCode(code)
		weight := r.Evidence[FieldCode].Confidence
		if t == officialLetter {
			weight = min(weight, 0.75) // says only that the symbol names no type
		}
		c.addType(SourceDerived, weight, t, code.Symbol)
	}
	fuse(r, FieldDocID, &r.DocID, c.docID)
	fuse(r, FieldType, &r.Type, c.docType)
	fuse(r, FieldAbstract, &r.Abstract, c.abstract)
	fuse(r, FieldIssued, &r.Issued, c.issued)
	fuse(r, FieldUrgency, &r.Urgency, c.urgency)
	fuse(r, FieldDue, &r.Due, c.due)
	fuse(r, FieldOp, &r.Op, c.op)
	fuse(r, FieldSigner, &r.Signer, c.signer)
	r.Ops, r.FYI = c.ops, c.fyi
}

// derive fills what follows from the fields, and checks what a document
// cannot be without.
func (r *Recognition) derive(now time.Time) {
	year := Evidence{Source: SourceDerived, Confidence: SourceDerived.weight()}
	switch {
	case r.Code != nil && r.Code.Year != 0:
		r.Year = r.Code.Year
		year = r.Evidence[FieldCode]
	case !r.Issued.IsZero():
		r.Year = r.Issued.In(vietnam).Year()
		year = r.Evidence[FieldIssued]
	case !now.IsZero():
		r.Year = now.In(vietnam).Year()
	}
	if r.Year != 0 {
		if r.Evidence == nil {
			r.Evidence = make(map[Field]Evidence, 1)
		}
		r.Evidence[FieldYear] = Evidence{Source: year.Source, Confidence: year.Confidence, Raw: year.Raw}
	}
	if r.EdXML != nil || !r.IsDocument() {
		return // a package has been checked as a whole; the rest needs neither
	}
	if r.Code == nil && r.Op != OpConsult { // what units are asked about may have no number yet
		r.Problems = append(r.Problems, placeOwnCode.missing())
	}
	switch n := utf8.RuneCountInString(r.Abstract); {
	case n == 0:
		r.Problems = append(r.Problems, placeOwnAbstract.missing())
	case n > maxAbstractRunes && r.Evidence[FieldAbstract].Source != SourceHeader:
		r.Problems = append(r.Problems, placeOwnAbstract.outOfRange())
	}
}

// fromSubject adds what the tags say, and reports whether they make the
// message a document: a code of its own, an act on another document, or a
// question to units. A reply tag alone does not: people answer documents in ordinary mail. decoded
// is the subject that s was read from.
func (c *claims) fromSubject(s *Subject, decoded string) bool {
	op := mainOp(s.Ops)
	tagged := s.Code != nil
	switch {
	case s.Code != nil:
		c.addCode(SourceSubject, *s.Code, s.Code.String())
		if s.Code.Ask && op == OpNew {
			op = OpNumber
		}
	case op == OpRecall || op == OpUpdate:
		// The same document is meant, not a new one.
		for _, ref := range s.Ops {
			if ref.Op == op {
				c.addCode(SourceSubject, *ref.Code, ref.Code.String())
				break
			}
		}
		tagged = true
	case op == OpReplace || op == OpCorrect || op == OpConsult:
		tagged = true
	}
	if op != OpNew {
		c.addOp(SourceSubject, op)
	}
	c.ops = append(c.ops, s.Ops...)
	weight := SourceSubject.weight()
	if line := oneLine(decoded); !tagged && trimAbout(line) == line {
		weight = plainSubject
	}
	c.addAbstract(SourceSubject, weight, s.Abstract)
	if s.Urgency != UrgencyNormal {
		c.addUrgency(SourceSubject, s.Urgency)
	}
	c.addDue(SourceSubject, s.Due, edxmlTime(s.Due))
	return tagged
}

// mainOp gives what is to be done: the first act that is more than a relation.
func mainOp(ops []OpRef) Op {
	main := OpNew
	for _, ref := range ops {
		if ref.Op != OpReply {
			return ref.Op
		}
		main = OpReply
	}
	return main
}

// fromDetails adds what sub-addresses say: "vb", "xinso", "xinso.qd",
// "duthao", "ykien", "thuhoi", "tracuu". It reports whether one is known.
func (c *claims) fromDetails(details []string) bool {
	known := false
	for _, d := range details {
		word, arg, _ := strings.Cut(Fold(d), ".")
		switch word {
		case "vb":
		case "xinso":
			c.addOp(SourceAddress, OpNumber)
			if t, ok := TypeForName(arg); ok {
				c.ops = append(c.ops, OpRef{Op: OpNumber, Arg: t.Name})
			}
		case "duthao":
			c.addOp(SourceAddress, OpDraft)
		case "ykien":
			c.addOp(SourceAddress, OpConsult)
		case "thuhoi":
			c.addOp(SourceAddress, OpRecall)
		case "tracuu":
			c.addOp(SourceAddress, OpSearch)
		default:
			continue
		}
		known = true
	}
	return known
}

// fromEdXML reads the attached edXML file, and reports whether there is one. A
// message carries one document or one status; more are a problem.
func (c *claims) fromEdXML(in *Input, r *Recognition) bool {
	found := false
	for i := range in.Files {
		f := &in.Files[i]
		if !f.isEdXML() {
			continue
		}
		if found {
			r.Problems = append(r.Problems, Problem{"M." + placeEdXML.path, fault.Text{
				EN: "the message has more than one edXML file",
				VI: "Thư có nhiều hơn một tệp edXML",
			}})
			return true
		}
		found = true
		p, s, err := openEdXML(f)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				r.Err = err
				return true
			}
			r.Problems = append(r.Problems, Problem{"M." + placeEdXML.path, fault.Sentence(err)})
			continue
		}
		r.EdXML, r.Status = p, s
		if p != nil {
			r.Problems = append(r.Problems, p.Validate(in.Now)...)
			c.fromPackage(p)
			r.Secret = max(r.Secret, CheckSecret(p.Header.Subject))
		}
	}
	return found
}

func openEdXML(f *File) (*Package, *StatusMessage, error) {
	var lim Limits
	if f.Size > lim.withDefaults().MaxBytes {
		return nil, nil, ErrTooLarge
	}
	body, err := f.Open()
	if err != nil {
		return nil, nil, err
	}
	p, s, err := ReadEdXML(body, lim)
	if closer, ok := body.(io.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	return p, s, err
}

// fromPackage adds what an edXML package says.
func (c *claims) fromPackage(p *Package) {
	h := &p.Header
	if code, ok := h.Code(); ok {
		c.addCode(SourceEdXML, code, h.CodeNumber+"/"+h.CodeNotation)
	}
	c.addDocID(SourceEdXML, h.DocumentID)
	c.addType(SourceEdXML, SourceEdXML.weight(), h.DocType(), h.TypeName)
	c.addAbstract(SourceEdXML, SourceEdXML.weight(), h.Subject)
	c.addIssued(SourceEdXML, h.Issued, edxmlDay(h.Issued))
	c.addDue(SourceEdXML, h.Due, edxmlDay(h.Due))
	c.addSigner(SourceEdXML, SourceEdXML.weight(), h.Signer)
	if h.Other.Urgency != UrgencyNormal {
		c.addUrgency(SourceEdXML, h.Other.Urgency)
	}
	if p.Business.Op != OpNew {
		c.addOp(SourceEdXML, p.Business.Op)
	}
	for _, old := range p.Business.Replaces {
		ref := OpRef{Op: OpReplace, DocID: old.DocumentID}
		if doc, ok := ParseDocumentID(old.DocumentID); ok {
			ref.Code = codeOf(doc.Code)
		}
		c.ops = append(c.ops, ref)
	}
	for _, answered := range h.ResponseFor {
		c.ops = append(c.ops, OpRef{Op: OpReply, Code: codeOf(answered.Code), DocID: answered.DocumentID})
	}
}

// codeOf gives the code in s, nil when there is none.
func codeOf(s string) *Code {
	c, err := ParseCode(s)
	if err != nil {
		return nil
	}
	return &c
}

// IsDetail tells whether the detail of a sub-address says what is to be done
// with a message, as "vb" and "xinso.qd" do.
func IsDetail(detail string) bool {
	var c claims
	return c.fromDetails([]string{detail})
}
