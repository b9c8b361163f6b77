package edxdrop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// errNoContent: the message of a document is gone.
var errNoContent = fault.New(fault.NotFound, fault.Text{
	EN: "the content of this document is not here any more", VI: "nội dung văn bản không còn trong hệ thống",
})

// Files gives everything that a document was sent with: what is attached to its
// message, edXML packages too, and what is packed in these. A file that is
// there twice is given once. The package is nil when there is none.
func Files(ctx context.Context, boxes *mailstore.Store, doc docstore.Document) (files []edoc.PackageFile, p *edoc.Package, err error) {
	c, err := boxes.Content(ctx, mailstore.MessageID(doc.Message))
	if errors.Is(err, mailstore.ErrNoMessage) {
		return nil, nil, errNoContent
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	known := map[[sha256.Size]byte]bool{}
	add := func(f edoc.PackageFile) {
		if sum := sha256.Sum256(f.Data); !known[sum] {
			known[sum] = true
			files = append(files, f)
		}
	}
	for _, a := range c.Structure.Root().Attachments() {
		data, err := io.ReadAll(a.Part.Decoder(c.Body()))
		if err != nil {
			return nil, nil, fmt.Errorf("read an attachment: %w", err)
		}
		add(edoc.PackageFile{Name: a.Name, Type: a.Type, Data: data})
		if !edoc.IsEdXMLName(a.Name) || p != nil {
			continue
		}
		p, _, err = edoc.ReadEdXML(bytes.NewReader(data), edoc.Limits{})
		if err != nil && fault.KindOf(err) != fault.Invalid {
			return nil, nil, err
		}
	}
	if p != nil {
		for _, f := range p.Files {
			add(f)
		}
	}
	if len(files) == 0 { // what it says stands in the mail itself
		text, err := bodyText(c)
		if err != nil {
			return nil, nil, err
		}
		add(edoc.PackageFile{Name: "noi-dung.txt", Type: "text/plain", Description: "Nội dung thư", Data: text})
	}
	return files, p, nil
}

// contents gives the files that go into a package of a document: all but the
// package that it came in.
func (d *Drop) contents(ctx context.Context, doc docstore.Document) ([]edoc.PackageFile, *edoc.Package, error) {
	files, p, err := Files(ctx, d.stores.Mail, doc)
	if p != nil {
		files = slices.DeleteFunc(files, func(f edoc.PackageFile) bool { return edoc.IsEdXMLName(f.Name) })
	}
	return files, p, err
}

// maxBody is how much of a text part becomes a file.
const maxBody = 1 << 20

// bodyText gives the first plain text of a message.
func bodyText(c *mailstore.Content) ([]byte, error) {
	var found *mail.Part
	var walk func(p *mail.Part)
	walk = func(p *mail.Part) {
		if found == nil && p.Type == "text" && p.Subtype == "plain" {
			found = p
		}
		for _, k := range p.Children {
			walk(k)
		}
	}
	if walk(c.Structure.Root()); found == nil {
		return []byte{}, nil
	}
	text, err := io.ReadAll(io.LimitReader(found.Decoder(c.Body()), maxBody))
	if err != nil {
		return nil, fmt.Errorf("read the text of a message: %w", err)
	}
	return text, nil
}

// facts is what a package is made of beside the files.
type facts struct {
	doc       docstore.Document
	signer    edoc.Signer
	relations []docstore.RelationView
	to        []docstore.Dispatch
	all       bool // to is all there are
	former    []former
}

// former is a dispatch in whose place one of the document comes.
type former struct {
	doc      docstore.Document
	dispatch docstore.Dispatch
	next     docstore.DispatchID
}

func readFacts(ctx context.Context, r sqldb.Reader, doc docstore.Document) (f facts, err error) {
	f.doc = doc
	rec, err := docstore.RecognitionOf(ctx, r, doc)
	if err != nil {
		return f, err
	}
	f.signer = rec.Signer
	if f.relations, err = docstore.Relations(ctx, r, doc.ID); err != nil {
		return f, err
	}
	if f.to, err = docstore.Dispatches(ctx, r, doc.ID); err != nil {
		return f, err
	}
	for _, x := range f.to {
		if x.ChangeOf == 0 {
			continue
		}
		old, err := docstore.DispatchByID(ctx, r, x.ChangeOf)
		if err != nil {
			return f, err
		}
		one := former{dispatch: old, next: x.ID}
		if one.doc, err = docstore.DocumentByID(ctx, r, old.Document); err != nil {
			return f, err
		}
		f.former = append(f.former, one)
	}
	return f, nil
}

// packageFor makes the file of a document for the organisations that still wait
// for it.
func (d *Drop) packageFor(ctx context.Context, o outgoing) (text []byte, sent []docstore.Dispatch, err error) {
	var f facts
	err = d.stores.DB.View(ctx, func(r sqldb.Reader) error {
		doc, err := docstore.DocumentByID(ctx, r, o.document)
		if err != nil {
			return err
		}
		f, err = readFacts(ctx, r, doc)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, x := range f.to {
		if _, axis := docstore.AxisOrgan(x.Peer); axis && x.To == 0 && x.Transfer == o.transfer && x.State == docstore.StateQueued {
			sent = append(sent, x)
		}
	}
	if len(sent) == 0 {
		return nil, nil, nil
	}
	f.to = sent
	files, original, err := d.contents(ctx, f.doc)
	if err != nil {
		return nil, sent, err
	}
	p := d.build(f, original, files)
	p.Trace = append(p.Trace, edoc.TraceHeader{OrganID: p.Header.From.OrganID, At: o.made})
	text, err = p.Encode()
	return text, sent, err
}

// Scope chooses whom an exported package names.
type Scope uint8

// The scopes.
const (
	ToAll     Scope = iota
	ToOutside       // only recipients outside of this server
)

// Export gives a document as an edXML package with all its files.
func (d *Drop) Export(ctx context.Context, doc docstore.Document, scope Scope) ([]byte, error) {
	var f facts
	err := d.stores.DB.View(ctx, func(r sqldb.Reader) (err error) {
		f, err = readFacts(ctx, r, doc)
		return err
	})
	if err != nil {
		return nil, err
	}
	f.all = scope == ToAll
	if scope == ToOutside {
		all := f.to
		f.to = nil
		for _, x := range all {
			if x.To == 0 {
				f.to = append(f.to, x)
			}
		}
		if len(f.to) == 0 {
			return nil, fault.New(fault.NotFound, fault.Text{
				EN: "the document has no recipient outside", VI: "văn bản không có nơi nhận ngoài hệ thống",
			})
		}
	}
	files, original, err := d.contents(ctx, doc)
	if err != nil {
		return nil, err
	}
	return d.build(f, original, files).Encode()
}

// Status gives the present state of a dispatch as an edXML status message; nil
// when nothing has been told of it yet.
func (d *Drop) Status(doc docstore.Document, x docstore.Dispatch, at time.Time) ([]byte, error) {
	if !x.Status.Valid() {
		return nil, nil
	}
	units := d.stores.Directory.Snapshot()
	s := edoc.NewStatusMessage(x.Status, edoc.Dispatch{
		Sender: d.issuer(units, doc), Recipient: d.recipient(units, x),
		Document: edoc.DocumentRef{Code: doc.Code, Issued: doc.Issued, DocumentID: d.DocumentID(doc)},
	}, at)
	s.Description = x.Status.Name()
	if x.ArrivalNumber > 0 {
		s.Description += ", số đến " + strconv.Itoa(x.ArrivalNumber)
	}
	return s.Encode()
}

// build makes a package: of the one that the document came in, with all that
// its header says, else of what is known of the document.
func (d *Drop) build(f facts, original *edoc.Package, files []edoc.PackageFile) *edoc.Package {
	units := d.stores.Directory.Snapshot()
	p := &edoc.Package{}
	if original != nil {
		p = &edoc.Package{Header: original.Header, Trace: original.Trace, Business: original.Business}
	} else {
		p.Header = d.header(units, f)
		p.Business = d.business(units, f)
	}
	p.Header.To = d.addressees(units, f, original)
	for i, file := range files {
		file.ContentID = "cid:" + strconv.Itoa(i+1)
		if file.Name == "" {
			file.Name = "tep-" + strconv.Itoa(i+1)
		}
		if file.Description == "" && i == 0 {
			file.Description = "Văn bản chính"
		}
		p.Files = append(p.Files, file)
	}
	return p
}

// business says what the package is for: a new document, or one that comes in
// the place of others. QCVN 102:2016, Bussiness types 0, 2 and 3.
func (d *Drop) business(units *directory.Snapshot, f facts) edoc.Business {
	b := edoc.Business{Reason: "Văn bản điện tử mới"}
	for _, old := range f.former {
		if !slices.ContainsFunc(f.to, func(x docstore.Dispatch) bool { return x.ID == old.next }) {
			continue
		}
		id, organ := d.DocumentID(old.doc), d.recipient(units, old.dispatch).OrganID
		if old.dispatch.Overlay == docstore.OverlayUpdate {
			return edoc.Business{Op: edoc.OpUpdate, Reason: "Cập nhật văn bản " + old.doc.Code, DocumentID: id, ContentChanged: true}
		}
		b.Op, b.Reason = edoc.OpReplace, "Thay thế văn bản "+old.doc.Code
		if i := slices.IndexFunc(b.Replaces, func(r edoc.Replacement) bool { return r.DocumentID == id }); i >= 0 {
			b.Replaces[i].OrganIDs = append(b.Replaces[i].OrganIDs, organ)
		} else {
			b.Replaces = append(b.Replaces, edoc.Replacement{DocumentID: id, OrganIDs: []string{organ}})
		}
	}
	return b
}

// addressees gives the recipients that a package names. What the original says
// of one is kept; so are, unless only some are wanted, those that did not get it
// here.
func (d *Drop) addressees(units *directory.Snapshot, f facts, original *edoc.Package) (list []edoc.Organization) {
	known := map[string]int{} // canonical code → index in original.Header.To
	canonical := func(code string) string {
		if u, ok := units.UnitByCode(code); ok {
			return u.Code
		}
		return d.organ(Code(code)).code()
	}
	seen := map[string]bool{}
	add := func(o edoc.Organization) {
		if c := canonical(o.OrganID); !seen[c] {
			seen[c] = true
			list = append(list, o)
		}
	}
	if original != nil {
		for i, o := range original.Header.To {
			known[canonical(o.OrganID)] = i
			if f.all {
				add(o)
			}
		}
	}
	for _, x := range f.to {
		o := d.recipient(units, x)
		if i, ok := known[canonical(o.OrganID)]; ok {
			o = original.Header.To[i]
		}
		add(o)
	}
	return list
}

func (d *Drop) header(units *directory.Snapshot, f facts) edoc.MessageHeader {
	doc := f.doc
	h := edoc.MessageHeader{
		From: d.issuer(units, doc), DocumentID: d.DocumentID(doc), Issued: issued(doc), Subject: clip(doc.Abstract, 500),
		Signer: f.signer, Due: doc.Due, Other: edoc.OtherInfo{Urgency: doc.Urgency},
	}
	code := codeOf(doc)
	h.SetCode(code)
	t := edoc.TypeForCode(code)
	if named, ok := edoc.TypeForName(doc.Type.Name); ok && t.Class != edoc.ClassLegal {
		t = named
	}
	if t.Name == "" {
		t.Name = doc.Type.Name
	}
	if t.Class == 0 {
		t.Class = edoc.ClassAdministrative
	}
	if h.SetDocType(t); h.TypeName == "" {
		h.TypeName = "Văn bản khác"
	}
	for _, r := range f.relations {
		if r.Kind == edoc.RelationReplies {
			h.ResponseFor = append(h.ResponseFor, edoc.DocumentRef{Code: r.Code})
		}
	}
	return h
}

// issuer is the organisation that a document is from.
func (d *Drop) issuer(units *directory.Snapshot, doc docstore.Document) edoc.Organization {
	u, ok := units.Unit(doc.Issuer)
	if !ok {
		return edoc.Organization{OrganID: "Z99", Name: doc.IssuerName} // outside, unknown: a code of "other bodies", QĐ 20/2020
	}
	o := organization(u)
	if parent, ok := units.Unit(u.Parent); ok {
		o.InCharge = parent.Name
	}
	return o
}

func organization(u directory.Unit) edoc.Organization {
	return edoc.Organization{OrganID: u.Code, Name: u.Name, Email: u.Address.String()}
}

// recipient is the organisation that a dispatch goes to. An address at another
// server has no code that is known here: it stands for itself.
func (d *Drop) recipient(units *directory.Snapshot, x docstore.Dispatch) edoc.Organization {
	if u, ok := units.Unit(x.To); ok {
		return organization(u)
	}
	if code, axis := docstore.AxisOrgan(x.Peer); axis {
		o := d.organ(Code(code))
		return edoc.Organization{OrganID: o.code(), Name: firstOf(o.Name, o.code()), Email: x.Address}
	}
	return edoc.Organization{OrganID: x.Address, Name: x.Address, Email: x.Address}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// clip shortens a text to so many characters.
func clip(s string, n int) string {
	r := []rune(strings.TrimSpace(s))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}
