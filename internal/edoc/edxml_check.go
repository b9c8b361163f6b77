package edoc

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Places of a MessageHeader, with their Vietnamese names.
var (
	placeFrom       = place{"MessageHeader/From/OrganId", "mã cơ quan gửi"}
	placeFromName   = place{"MessageHeader/From/OrganName", "tên cơ quan gửi"}
	placeTo         = place{"MessageHeader/To/OrganId", "mã cơ quan nhận"}
	placeDocumentID = place{"MessageHeader/DocumentId", "mã định danh văn bản"}
	placeNumber     = place{"MessageHeader/Code/CodeNumber", "số văn bản"}
	placeNotation   = place{"MessageHeader/Code/CodeNotation", "ký hiệu văn bản"}
	placePlace      = place{"MessageHeader/PromulgationInfo/Place", "địa danh"}
	placeIssued     = place{"MessageHeader/PromulgationInfo/PromulgationDate", "ngày ban hành"}
	placeType       = place{"MessageHeader/DocumentType/Type", "nhóm văn bản"}
	placeTypeDetail = place{"MessageHeader/DocumentType/TypeDetail", "mã loại văn bản"}
	placeTypeName   = place{"MessageHeader/DocumentType/TypeName", "tên loại văn bản"}
	placeSubject    = place{"MessageHeader/Subject", "trích yếu"}
	placeContentTxt = place{"MessageHeader/Content", "nội dung"}
	placeDue        = place{"MessageHeader/DueDate", "hạn trả lời"}
	placePriority   = place{"MessageHeader/OtherInfo/Priority", "độ khẩn"}
	placeCopies     = place{"MessageHeader/OtherInfo/PromulgationAmount", "số bản"}
	placePages      = place{"MessageHeader/OtherInfo/PageAmount", "số trang"}
	placeSteering   = place{"MessageHeader/SteeringType", "loại chỉ đạo"}
	placeBusiness   = place{"Bussiness/BussinessDocType", "nghiệp vụ văn bản"}
	placeReplaced   = place{"Bussiness/ReplacementInfoList", "văn bản bị thay thế"}
	placeContent    = place{"AttachmentEncoded/Attachment/ContentTransferEncoded", "nội dung tệp đính kèm"}
)

// Validate returns what is wrong with the package: missing and over-long
// elements, values out of range, and what could not be read. Days are judged
// by now; a zero now skips that. QCVN 102:2016, as implementers check it.
func (p *Package) Validate(now time.Time) []Problem {
	problems := append([]Problem(nil), p.problems...)
	h := &p.Header
	for _, m := range h.missing() {
		// What is there but could not be read is not missing as well.
		if !slices.ContainsFunc(p.problems, func(q Problem) bool { return q.Code[2:] == m.Code[2:] }) {
			problems = append(problems, m)
		}
	}

	for _, limit := range [...]struct {
		text  string
		runes int
		place place
	}{
		{h.From.Name, 200, placeFromName},
		{h.CodeNumber, 11, placeNumber},
		{h.CodeNotation, 30, placeNotation},
		{h.Place, 50, placePlace},
		{h.TypeName, 100, placeTypeName},
		{h.Subject, 500, placeSubject},
		{h.Content, 500, placeContentTxt},
	} {
		if utf8.RuneCountInString(limit.text) > limit.runes {
			problems = append(problems, limit.place.outOfRange())
		}
	}
	if _, ok := h.Code(); !ok && h.CodeNumber != "" && h.CodeNotation != "" {
		problems = append(problems, placeNumber.malformed())
	}
	if !now.IsZero() && h.Issued.After(now) {
		problems = append(problems, placeIssued.outOfRange())
	}
	if h.Steering > 3 {
		problems = append(problems, placeSteering.outOfRange())
	}
	seen := make(map[string]bool, len(h.To))
	for _, to := range h.To {
		if to.OrganID != "" && seen[to.OrganID] {
			problems = append(problems, placeTo.outOfRange())
			break
		}
		seen[to.OrganID] = true
	}
	if p.Business.Op == OpReplace && len(p.Business.Replaces) == 0 {
		problems = append(problems, placeReplaced.missing())
	}
	return problems
}

// missing lists the compulsory elements that h lacks.
func (h *MessageHeader) missing() []Problem {
	var problems []Problem
	need := func(present bool, where place) {
		if !present {
			problems = append(problems, where.missing())
		}
	}
	need(h.From.OrganID != "", placeFrom)
	need(h.From.Name != "", placeFromName)
	need(len(h.To) > 0, placeTo)
	for _, to := range h.To {
		if to.OrganID == "" {
			need(false, placeTo)
			break
		}
	}
	need(h.DocumentID != "", placeDocumentID)
	need(h.CodeNumber != "", placeNumber)
	need(h.CodeNotation != "", placeNotation)
	need(!h.Issued.IsZero(), placeIssued)
	need(h.Class != 0, placeType)
	need(h.TypeName != "", placeTypeName)
	need(h.Subject != "", placeSubject)
	return problems
}

// Code gives the number and symbol of the header.
func (h *MessageHeader) Code() (Code, bool) {
	whole := "" // some write all of it into one element, and the symbol into the other too
	switch rest, repeated := strings.CutPrefix(h.CodeNotation, h.CodeNumber+"/"); {
	case h.CodeNotation != "" && strings.HasSuffix(h.CodeNumber, "/"+h.CodeNotation):
		whole = h.CodeNumber
	case repeated && h.CodeNumber != "" && len(h.CodeNumber) < 4 && rest != "": // four digits are the year of a legal norm
		whole = h.CodeNotation
	}
	for _, s := range [...]string{
		whole,
		h.CodeNumber + "/" + h.CodeNotation,
		h.CodeNumber + "-" + h.CodeNotation, // Party: 12 and CV/TU
		h.CodeNumber,                        // all of it in one element
		h.CodeNotation,
	} {
		if c, err := ParseCode(s); err == nil && !c.Ask {
			return c, true
		}
	}
	return Code{}, false
}

// SetCode splits c into number and notation. The year of a legal norm goes
// with the notation: "09" and "2025/QĐ-UBND".
func (h *MessageHeader) SetCode(c Code) {
	h.CodeNumber, h.CodeNotation = c.NumberText(), c.Symbol
	if c.Year != 0 {
		h.CodeNotation = strings.TrimPrefix(c.String(), c.NumberText()+"/")
	}
}

// DocType gives the type of the header, by its name, its number, or its code.
func (h *MessageHeader) DocType() DocType {
	c, ok := h.Code()
	if h.Class == ClassLegal {
		if t := TypeForCode(c); t.Class == ClassLegal && t.Name != "" {
			return t
		}
		return DocType{Name: h.TypeName, Class: ClassLegal}
	}
	if t, ok := TypeForName(h.TypeName); ok {
		return t
	}
	if t, ok := typeForEdXML(h.TypeDetail); ok {
		return t
	}
	if h.TypeName == "" && ok {
		return TypeForCode(c)
	}
	return DocType{Name: h.TypeName, Class: ClassAdministrative}
}

// SetDocType fills class, number and name of the type.
func (h *MessageHeader) SetDocType(t DocType) {
	h.Class, h.TypeDetail, h.TypeName = t.Class, t.EdXMLDetail(), t.Name
}

// NewDocumentID gives the identifier of a document that o issued on that day
// in Vietnam: "H18.26,2026/11/23,123/SNV-VP".
func NewDocumentID(o Organization, issued time.Time, c Code) string {
	return o.OrganID + "," + edxmlDay(issued) + "," + c.String()
}

// ParseDocumentID reads an identifier of that form. Others exist; they are
// opaque keys.
func ParseDocumentID(id string) (DocumentRef, bool) {
	organ, rest, ok := strings.Cut(id, ",")
	day, code, ok2 := strings.Cut(rest, ",")
	if !ok || !ok2 || len(organ) < 3 || len(organ) > 35 || code == "" || utf8.RuneCountInString(code) > 45 {
		return DocumentRef{}, false
	}
	for i := range len(organ) {
		if c := organ[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' {
			return DocumentRef{}, false
		}
	}
	issued, err := time.ParseInLocation("2006/01/02", day, vietnam)
	if err != nil {
		return DocumentRef{}, false
	}
	return DocumentRef{OrganID: organ, Code: code, Issued: issued, DocumentID: id}, true
}

// Sniff gives the media type that the content shows, and the declared one
// when the content shows none. Packages are full of wrong types.
func (f *PackageFile) Sniff() string {
	ext := ""
	if i := strings.LastIndexByte(f.Name, '.'); i >= 0 {
		ext = strings.ToLower(f.Name[i+1:])
	}
	switch {
	case hasMagic(f.Data, "%PDF-"):
		return "application/pdf"
	case hasMagic(f.Data, "PK\x03\x04"):
		switch ext {
		case "docx":
			return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
		case "xlsx":
			return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
		case "pptx":
			return "application/vnd.openxmlformats-officedocument.presentationml.presentation"
		case "odt":
			return "application/vnd.oasis.opendocument.text"
		case "ods":
			return "application/vnd.oasis.opendocument.spreadsheet"
		}
		return "application/zip"
	case hasMagic(f.Data, "\xD0\xCF\x11\xE0"):
		switch ext {
		case "xls":
			return "application/vnd.ms-excel"
		case "ppt":
			return "application/vnd.ms-powerpoint"
		}
		return "application/msword"
	case hasMagic(f.Data, "\x89PNG"):
		return "image/png"
	case hasMagic(f.Data, "\xFF\xD8\xFF"):
		return "image/jpeg"
	}
	if f.Type != "" {
		return f.Type
	}
	return "application/octet-stream"
}

func hasMagic(data []byte, magic string) bool {
	return len(data) >= len(magic) && string(data[:len(magic)]) == magic
}
