package edoc

import (
	"archive/zip"
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"

	"vanthu/internal/fault"
)

// ErrKind is what ParseEdXML returns for a status message and ParseStatus for
// a document package.
var ErrKind = fault.New(fault.Invalid, fault.Text{
	EN: "the edXML file is of the other kind (document or status)",
	VI: "tệp edXML không đúng loại (văn bản hoặc trạng thái)",
})

// ParseEdXML reads a document package. It is tolerant: elements are found by
// name in any order and namespace, attachments are unwrapped from their ZIP,
// and wrong values become problems that Validate reports.
//
// It returns ErrNotEdXML, ErrTooLarge, ErrDTD, ErrKind, or the reader's error.
func ParseEdXML(r io.Reader, lim Limits) (*Package, error) {
	p, s, err := ReadEdXML(r, lim)
	if err == nil && s != nil {
		err = ErrKind
	}
	return p, err
}

// ParseStatus reads a status message, with the errors of ParseEdXML. A code
// outside the nine is an error of kind fault.Invalid: such codes are private
// to a vendor.
func ParseStatus(r io.Reader, lim Limits) (*StatusMessage, error) {
	p, s, err := ReadEdXML(r, lim)
	if err == nil && p != nil {
		err = ErrKind
	}
	return s, err
}

// ReadEdXML reads an edXML file of either kind; one of the results is nil.
// Errors are those of ParseEdXML and ParseStatus.
func ReadEdXML(r io.Reader, lim Limits) (*Package, *StatusMessage, error) {
	lim = lim.withDefaults()
	text, parts, err := splitSOAP(r, lim)
	if err != nil {
		return nil, nil, err
	}
	root, err := readTree(text, lim)
	if err != nil {
		return nil, nil, err
	}
	// Two headers would let one be checked and the other be shown.
	headers := root.find("messageheader")
	if len(headers) != 1 {
		return nil, nil, ErrNotEdXML
	}
	if headers[0].kid("statuscode") != nil {
		s, err := statusFrom(headers[0])
		return nil, s, err
	}
	p := &Package{}
	in := scanner{problems: &p.problems}
	p.Header = in.header(headers[0])
	if trace := root.find("traceheaderlist"); len(trace) > 0 {
		for _, t := range trace[0].all("traceheader") {
			p.Trace = append(p.Trace, TraceHeader{
				OrganID: t.str("organid"),
				At:      in.moment(t, "timestamp", place{"TraceHeader/Timestamp", "thời gian"}),
			})
		}
	}
	p.Business = in.business(root)
	if p.Files, err = in.files(root, lim); err != nil {
		return nil, nil, err
	}
	if len(parts) > 0 {
		attached, err := in.soapFiles(root, parts, lim)
		if err != nil {
			return nil, nil, err
		}
		p.Files = append(p.Files, attached...)
	}
	p.Signatures = signatures(root)
	return p, nil, nil
}

// A scanner turns elements into values and collects what is wrong with them.
type scanner struct{ problems *[]Problem }

func (in scanner) add(p Problem) { *in.problems = append(*in.problems, p) }

func (in scanner) header(n *node) MessageHeader {
	in.single(n, "from", "documentid", "code", "promulgationinfo", "documenttype", "subject", "signerinfo", "duedate", "otherinfo")
	h := MessageHeader{
		From:        organization(n.kid("from")),
		DocumentID:  n.str("documentid"),
		Subject:     n.str("subject"),
		Content:     n.str("content"),
		Due:         endOfDay(in.day(n, "duedate", placeDue)),
		ToPlaces:    n.leaves("toplaces"),
		Steering:    in.number(n, "steeringtype", placeSteering),
		TaskCodes:   n.kid("responsefortask").leaves("taskcode"),
		Application: n.str("applicationtype"),
	}
	for _, to := range n.all("to") {
		// One To per receiver, or one To with several organizations inside.
		if orgs := to.all("organization"); len(orgs) > 0 && to.kid("organid") == nil {
			for _, o := range orgs {
				h.To = append(h.To, organization(o))
			}
			continue
		}
		h.To = append(h.To, organization(to))
	}
	code := n.kid("code")
	h.CodeNumber, h.CodeNotation = code.str("codenumber"), code.str("codenotation")

	issued := n.kid("promulgationinfo")
	h.Place = issued.str("place")
	h.Issued = in.day(issued, "promulgationdate", placeIssued)

	dt := n.kid("documenttype")
	h.Class = in.class(dt)
	h.TypeDetail = in.number(dt, "typedetail", placeTypeDetail)
	h.TypeName = dt.str("typename")

	signer := n.kid("signerinfo")
	h.Signer = Signer{signer.str("competence"), signer.str("position"), signer.str("fullname")}

	other := n.kid("otherinfo")
	h.Other = OtherInfo{
		Sphere:         other.str("sphereofpromulgation"),
		TyperNotation:  other.str("typernotation"),
		Copies:         in.number(other, "promulgationamount", placeCopies),
		Pages:          in.number(other, "pageamount", placePages),
		Direction:      truth(other.str("direction")),
		ReplyFors:      other.leaves("replyfors"),
		ReferenceCodes: other.leaves("referencecodes"),
		Appendixes:     other.leaves("appendixes"),
	}
	if u := in.number(other, "priority", placePriority); u <= int(UrgencyTimed) {
		h.Other.Urgency = Urgency(u)
	} else {
		in.add(placePriority.outOfRange())
	}
	for _, r := range n.all("responsefor") {
		h.ResponseFor = append(h.ResponseFor, in.reference(r))
	}
	return h
}

// single reports elements that must not be repeated and are.
func (in scanner) single(n *node, names ...string) {
	for _, name := range names {
		if len(n.all(name)) > 1 {
			in.add(place{"MessageHeader/" + name, "thành phần bị lặp"}.malformed())
		}
	}
}

// class reads DocumentType/Type. Some emitters put the number of the type
// itself there, which in the administrative list begins at 3.
func (in scanner) class(dt *node) TypeClass {
	switch n := in.number(dt, "type", placeType); {
	case n == int(ClassLegal):
		return ClassLegal
	case n == 0:
		return 0
	}
	return ClassAdministrative
}

func (in scanner) reference(n *node) DocumentRef {
	ref := DocumentRef{
		OrganID:    n.str("organid"),
		Code:       n.str("code"),
		Issued:     in.day(n, "promulgationdate", place{"ResponseFor/PromulgationDate", "ngày ban hành"}),
		DocumentID: n.str("documentid"),
	}
	if c := n.kid("code"); c.kid("codenumber") != nil {
		ref.Code = c.str("codenumber") + "/" + c.str("codenotation")
	}
	return ref
}

func (in scanner) business(root *node) Business {
	found := root.find("bussiness") // as the standard spells it
	if len(found) == 0 {
		found = root.find("business")
	}
	if len(found) == 0 {
		return Business{}
	}
	if len(found) > 1 {
		in.add(placeBusiness.malformed())
	}
	n := found[0]
	b := Business{
		Reason:     n.str("bussinessdocreason"),
		Paper:      truth(n.str("paper")),
		DocumentID: n.str("documentid"),
		Staff:      staff(n.kid("staffinfo")),
	}
	switch t := in.number(n, "bussinessdoctype", placeBusiness); t {
	case 0:
		b.Op = OpNew
	case 1:
		b.Op = OpRecall
	case 2:
		b.Op = OpUpdate
	case 3:
		b.Op = OpReplace
	default:
		in.add(placeBusiness.outOfRange())
	}
	if info := n.kid("bussinessdocumentinfo"); info != nil {
		b.ContentChanged = truth(info.str("documentinfo"))
		b.ReceiversChanged = truth(info.str("documentreceiver"))
		for _, r := range info.kid("receiverlist").all("receiver") {
			b.Receivers = append(b.Receivers, ReceiverChange{r.str("organid"), truth(r.str("receivertype"))})
		}
	}
	for _, r := range n.kid("replacementinfolist").all("replacementinfo") {
		b.Replaces = append(b.Replaces, Replacement{r.str("documentid"), r.kid("organidlist").leaves("organid")})
	}
	return b
}

func organization(n *node) Organization {
	return Organization{
		OrganID:  n.str("organid"),
		InCharge: n.str("organizationincharge"),
		Name:     n.str("organname"),
		Address:  n.str("organadd"),
		Email:    n.str("email"),
		Phone:    n.str("telephone"),
		Fax:      n.str("fax"),
		Website:  n.str("website"),
	}
}

func staff(n *node) StaffInfo {
	return StaffInfo{
		Department:   n.str("department"),
		DepartmentID: n.str("departmentid"),
		Staff:        n.str("staff"),
		StaffID:      n.str("staffid"),
		Email:        n.str("email"),
		Mobile:       n.str("mobile"),
	}
}

// files decodes and unwraps the attachments and completes them from the
// manifest.
func (in scanner) files(root *node, lim Limits) ([]PackageFile, error) {
	manifest := make(map[string]*node)
	for _, ref := range manifestReferences(root) {
		manifest[first(ref.str("contentid"), ref.href)] = ref
	}
	var files []PackageFile
	room := lim.MaxContent
	for _, list := range root.find("attachmentencoded") {
		for _, a := range list.all("attachment") {
			if len(files) == lim.MaxFiles {
				return nil, ErrTooLarge
			}
			f := PackageFile{
				ContentID:   a.str("contentid"),
				Name:        a.str("attachmentname"),
				Description: a.str("description"),
				Type:        a.str("contenttype"),
			}
			if ref := manifest[f.ContentID]; ref != nil {
				f.Name = first(f.Name, ref.str("attachmentname"))
				f.Description = first(f.Description, ref.str("description"))
				f.Type = first(f.Type, ref.str("contenttype"))
			}
			content := a.kid("contenttransferencoded")
			if content == nil {
				in.add(placeContent.missing())
				files = append(files, f)
				continue
			}
			data, whole := content.content.finish()
			if !whole {
				in.add(placeContent.malformed())
			}
			data, err := unwrap(data, f.Name, room)
			if err != nil {
				return nil, err
			}
			if room -= int64(len(data)); room < 0 {
				return nil, ErrTooLarge
			}
			f.Data = data
			files = append(files, f)
		}
	}
	return files, nil
}

// signatures reads by which algorithms the package is signed. Whether the
// signatures are right is not checked here.
func signatures(root *node) (list []PackageSignature) {
	for _, s := range root.find("signature") {
		info := s.kid("signedinfo")
		one := PackageSignature{Method: info.kid("signaturemethod").algo()}
		for _, ref := range info.all("reference") {
			one.Digest = first(one.Digest, ref.kid("digestmethod").algo())
		}
		list = append(list, one)
	}
	return list
}

// unwrap returns the file inside a ZIP that the national SDK put around an
// attachment: a single entry whose name is not the attachment's. Other data is
// returned as it is. A sender's own .zip is only unwrapped when it holds the
// SDK's "<uuid>.edxml".
func unwrap(data []byte, name string, limit int64) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		return data, nil
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil || len(z.File) != 1 {
		return data, nil //nolint:nilerr // a broken or ordinary ZIP is passed on untouched
	}
	entry := z.File[0]
	if entry.Name == name || entry.FileInfo().IsDir() ||
		hasSuffixFold(name, ".zip") && !hasSuffixFold(entry.Name, ".edxml") {
		return data, nil
	}
	r, err := entry.Open()
	if err != nil {
		return data, nil //nolint:nilerr // encrypted or an unknown method: the person opens it
	}
	defer r.Close() //nolint:errcheck // reading only
	inner, err := io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(inner)) > limit {
		return nil, ErrTooLarge
	}
	if err != nil {
		return data, nil //nolint:nilerr // as above
	}
	return inner, nil
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func truth(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

// number reads a number ≥ 0, 0 when the element is absent or empty.
func (in scanner) number(n *node, name string, where place) int {
	s := n.str(name)
	if s == "" {
		return 0
	}
	v, err := strconv.Atoi(s)
	switch {
	case err != nil:
		in.add(where.wrongType())
		return 0
	case v < 0 || v > 1_000_000:
		in.add(where.outOfRange())
		return 0
	}
	return v
}

// day reads a date; zero when the element is absent, empty or malformed.
func (in scanner) day(n *node, name string, where place) time.Time {
	s := n.str(name)
	if s == "" {
		return time.Time{}
	}
	t, ok := parseDay(s)
	if !ok {
		in.add(where.malformed())
	}
	return t
}

func (in scanner) moment(n *node, name string, where place) time.Time {
	s := n.str(name)
	if s == "" {
		return time.Time{}
	}
	t, ok := parseMoment(s)
	if !ok {
		in.add(where.malformed())
	}
	return t
}

// parseDay reads a day in Vietnam; a time after it is ignored.
func parseDay(s string) (time.Time, bool) {
	if i := strings.IndexAny(s, "T "); i > 0 {
		s = s[:i]
	}
	for _, layout := range [...]string{"2006/1/2", "2006-1-2", "2/1/2006", "2-1-2006"} {
		if t, err := time.ParseInLocation(layout, s, vietnam); err == nil && t.Year() >= 1900 {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseMoment reads a time, Vietnam's unless it names a zone; a day alone is
// its beginning. The result is in Vietnam's zone.
func parseMoment(s string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil && t.Year() >= 1900 {
		return t.In(vietnam), true
	}
	date, clock, found := strings.Cut(strings.Replace(s, "T", " ", 1), " ")
	t, ok := parseDay(date)
	if !ok || !found {
		return t, ok
	}
	for _, layout := range [...]string{"15:04:05", "15:04"} {
		if c, err := time.Parse(layout, strings.TrimSpace(clock)); err == nil {
			return time.Date(t.Year(), t.Month(), t.Day(), c.Hour(), c.Minute(), c.Second(), c.Nanosecond(), vietnam), true
		}
	}
	return time.Time{}, false
}

// endOfDay gives the last second of t's day, zero for zero.
func endOfDay(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.Date(t.Year(), t.Month(), t.Day(), dueHour, dueMinute, dueSecond, 0, vietnam)
}
