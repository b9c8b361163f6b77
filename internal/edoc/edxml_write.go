package edoc

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strconv"
	"time"
)

// edxmlNamespace is the namespace of QCVN 102:2016/BTTTT.
const edxmlNamespace = "http://www.mic.gov.vn/TBT/QCVN_102_2016"

// Encode writes the package: one envelope, attachments in plain base64. Equal
// packages give equal bytes. It returns an error of kind fault.Invalid when a
// compulsory element is missing.
func (p *Package) Encode() ([]byte, error) {
	if problems := p.Header.missing(); len(problems) > 0 {
		return nil, fmt.Errorf("encode edXML: %w", problems[0].Err())
	}
	size := 4096
	for i := range p.Files {
		size += base64.StdEncoding.EncodedLen(len(p.Files[i].Data)) + 1024
	}
	w := newXMLWriter(size)
	w.open("edXMLHeader")
	w.header(&p.Header)
	w.raw(`<edXML:TraceHeaderList Id="1" Version="1.0">`)
	for _, t := range p.Trace {
		w.open("TraceHeader")
		w.leaf("OrganId", t.OrganID)
		w.leaf("Timestamp", edxmlTime(t.At))
		w.close("TraceHeader")
	}
	w.business(&p.Business)
	w.close("TraceHeaderList")
	w.close("edXMLHeader")

	w.raw("\n<edXML:edXMLBody>")
	w.raw(`<edXML:edXMLManifest version="1.0">`)
	for i := range p.Files {
		f := &p.Files[i]
		w.open("Reference")
		w.leaf("ContentId", f.contentID(i))
		w.leaf("ContentType", f.Sniff())
		w.leaf("Description", f.Description)
		w.leaf("AttachmentName", f.Name)
		w.close("Reference")
	}
	w.close("edXMLManifest")
	w.close("edXMLBody")
	w.close("edXMLEnvelope")
	if len(p.Files) > 0 {
		w.raw("\n<AttachmentEncoded>")
		for i := range p.Files {
			w.file(&p.Files[i], i)
		}
		w.raw("</AttachmentEncoded>")
	}
	return w.end(), nil
}

// contentID gives the id that ties the attachment to the manifest; i is its
// position.
func (f *PackageFile) contentID(i int) string {
	if f.ContentID != "" {
		return f.ContentID
	}
	return "cid:" + strconv.Itoa(i+1)
}

// Encode writes the status message. It returns an error of kind fault.Invalid
// for an unknown code or missing parties.
func (s *StatusMessage) Encode() ([]byte, error) {
	if problems := s.missing(); len(problems) > 0 {
		return nil, fmt.Errorf("encode edXML status: %w", problems[0].Err())
	}
	w := newXMLWriter(2048)
	w.open("edXMLHeader")
	w.open("MessageHeader")
	w.organization("From", &s.From)
	w.reference(&s.ResponseFor)
	w.staff(&s.Staff)
	w.leaf("StatusCode", string(s.Code))
	w.leaf("Description", s.Description)
	w.leaf("Timestamp", edxmlTime(s.At))
	w.close("MessageHeader")
	w.close("edXMLHeader")
	w.close("edXMLEnvelope")
	return w.end(), nil
}

// An xmlWriter writes elements with the edXML prefix.
type xmlWriter struct{ b bytes.Buffer }

func newXMLWriter(size int) *xmlWriter {
	w := &xmlWriter{}
	w.b.Grow(size)
	w.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	w.raw(`<edXML xmlns="` + edxmlNamespace + `"><edXML:edXMLEnvelope xmlns:edXML="` + edxmlNamespace + `">` + "\n")
	return w
}

func (w *xmlWriter) end() []byte {
	w.raw("</edXML>\n")
	return w.b.Bytes()
}

func (w *xmlWriter) raw(markup string) { w.b.WriteString(markup) }

func (w *xmlWriter) open(tag string) { w.raw("<edXML:" + tag + ">") }

func (w *xmlWriter) close(tag string) { w.raw("</edXML:" + tag + ">") }

// text escapes s; what XML cannot hold becomes U+FFFD.
func (w *xmlWriter) text(s string) {
	// EscapeText fails only when its writer does, and a Buffer never does.
	_ = xml.EscapeText(&w.b, []byte(s))
}

func (w *xmlWriter) leaf(tag, text string) {
	w.open(tag)
	w.text(text)
	w.close(tag)
}

// opt writes the element only when it has text.
func (w *xmlWriter) opt(tag, text string) {
	if text != "" {
		w.leaf(tag, text)
	}
}

// optNumber writes the element only when n is not zero.
func (w *xmlWriter) optNumber(tag string, n int) {
	if n != 0 {
		w.leaf(tag, strconv.Itoa(n))
	}
}

func (w *xmlWriter) flag(tag string, set bool) {
	if set {
		w.leaf(tag, "1")
	} else {
		w.leaf(tag, "0")
	}
}

func (w *xmlWriter) header(h *MessageHeader) {
	w.open("MessageHeader")
	w.organization("From", &h.From)
	for i := range h.To {
		w.organization("To", &h.To[i])
	}
	w.leaf("DocumentId", h.DocumentID)
	w.open("Code")
	w.leaf("CodeNumber", h.CodeNumber)
	w.leaf("CodeNotation", h.CodeNotation)
	w.close("Code")
	w.open("PromulgationInfo")
	w.opt("Place", h.Place)
	w.leaf("PromulgationDate", edxmlDay(h.Issued))
	w.close("PromulgationInfo")
	w.open("DocumentType")
	w.leaf("Type", strconv.Itoa(int(h.Class)))
	w.optNumber("TypeDetail", h.TypeDetail)
	w.leaf("TypeName", h.TypeName)
	w.close("DocumentType")
	w.leaf("Subject", h.Subject)
	w.leaf("Content", h.Content)
	w.open("SignerInfo")
	w.opt("Competence", h.Signer.Competence)
	w.opt("Position", h.Signer.Position)
	w.opt("FullName", h.Signer.FullName)
	w.close("SignerInfo")
	if !h.Due.IsZero() {
		w.leaf("DueDate", edxmlDay(h.Due))
	}
	w.list("ToPlaces", "Place", h.ToPlaces)
	w.other(&h.Other)
	for i := range h.ResponseFor {
		w.reference(&h.ResponseFor[i])
	}
	w.optNumber("SteeringType", h.Steering)
	w.list("ResponseForTask", "TaskCode", h.TaskCodes)
	w.opt("ApplicationType", h.Application)
	w.close("MessageHeader")
}

func (w *xmlWriter) other(o *OtherInfo) {
	w.open("OtherInfo")
	w.leaf("Priority", strconv.Itoa(int(o.Urgency)))
	w.opt("SphereOfPromulgation", o.Sphere)
	w.opt("TyperNotation", o.TyperNotation)
	w.optNumber("PromulgationAmount", o.Copies)
	w.optNumber("PageAmount", o.Pages)
	if o.Direction {
		w.leaf("Direction", "true")
	}
	for _, s := range o.ReplyFors {
		w.leaf("ReplyFors", s)
	}
	for _, s := range o.ReferenceCodes {
		w.leaf("ReferenceCodes", s)
	}
	w.list("Appendixes", "Appendix", o.Appendixes)
	w.close("OtherInfo")
}

func (w *xmlWriter) list(tag, item string, texts []string) {
	if len(texts) == 0 {
		return
	}
	w.open(tag)
	for _, s := range texts {
		w.leaf(item, s)
	}
	w.close(tag)
}

func (w *xmlWriter) organization(tag string, o *Organization) {
	w.open(tag)
	w.leaf("OrganId", o.OrganID)
	w.opt("OrganizationInCharge", o.InCharge)
	w.leaf("OrganName", o.Name)
	w.opt("OrganAdd", o.Address)
	w.opt("Email", o.Email)
	w.opt("Telephone", o.Phone)
	w.opt("Fax", o.Fax)
	w.opt("Website", o.Website)
	w.close(tag)
}

func (w *xmlWriter) reference(r *DocumentRef) {
	w.open("ResponseFor")
	w.leaf("OrganId", r.OrganID)
	w.leaf("Code", r.Code)
	w.opt("PromulgationDate", edxmlDay(r.Issued))
	w.opt("DocumentId", r.DocumentID)
	w.close("ResponseFor")
}

func (w *xmlWriter) staff(s *StaffInfo) {
	if *s == (StaffInfo{}) {
		return
	}
	w.open("StaffInfo")
	w.opt("Department", s.Department)
	w.opt("DepartmentId", s.DepartmentID)
	w.opt("Staff", s.Staff)
	w.opt("StaffId", s.StaffID)
	w.opt("Email", s.Email)
	w.opt("Mobile", s.Mobile)
	w.close("StaffInfo")
}

func (w *xmlWriter) business(b *Business) {
	w.open("Bussiness")
	w.leaf("BussinessDocType", strconv.Itoa(edxmlOp(b.Op)))
	w.leaf("BussinessDocReason", b.Reason)
	w.flag("Paper", b.Paper)
	w.opt("DocumentId", b.DocumentID)
	if b.Op == OpUpdate {
		w.open("BussinessDocumentInfo")
		w.flag("DocumentInfo", b.ContentChanged)
		w.flag("DocumentReceiver", b.ReceiversChanged)
		if len(b.Receivers) > 0 {
			w.open("ReceiverList")
			for _, r := range b.Receivers {
				w.open("Receiver")
				w.leaf("OrganId", r.OrganID)
				w.flag("ReceiverType", r.Added)
				w.close("Receiver")
			}
			w.close("ReceiverList")
		}
		w.close("BussinessDocumentInfo")
	}
	if len(b.Replaces) > 0 {
		w.open("ReplacementInfoList")
		for _, r := range b.Replaces {
			w.open("ReplacementInfo")
			w.leaf("DocumentId", r.DocumentID)
			w.list("OrganIdList", "OrganId", r.OrganIDs)
			w.close("ReplacementInfo")
		}
		w.close("ReplacementInfoList")
	}
	w.staff(&b.Staff)
	w.close("Bussiness")
}

func (w *xmlWriter) file(f *PackageFile, i int) {
	plain := func(tag, text string) {
		w.raw("<" + tag + ">")
		w.text(text)
		w.raw("</" + tag + ">")
	}
	w.raw("<Attachment>")
	plain("ContentId", f.contentID(i))
	plain("AttachmentName", f.Name)
	plain("Description", f.Description)
	plain("ContentType", f.Sniff())
	w.raw(`<edXML:ContentTransferEncoded xmlns:edXML="` + edxmlNamespace + `">`)
	buf := w.b.AvailableBuffer()
	w.b.Write(base64.StdEncoding.AppendEncode(buf, f.Data))
	w.raw("</edXML:ContentTransferEncoded></Attachment>")
}

// edxmlOp gives BussinessDocType; acts the format does not know are a new
// document.
func edxmlOp(o Op) int {
	switch o {
	case OpRecall:
		return 1
	case OpUpdate:
		return 2
	case OpReplace:
		return 3
	case OpNew, OpCorrect, OpReply, OpNumber, OpConsult, OpFYI, OpDraft, OpSearch:
	}
	return 0
}

func edxmlDay(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(vietnam).Format("2006/01/02")
}

func edxmlTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(vietnam).Format("2006/01/02 15:04:05")
}
