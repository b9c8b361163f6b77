package delivery

import (
	"context"
	"fmt"
	"strings"

	"vanthu/docstore"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// Axis is the exchange of documents with other systems by edXML files, such as
// the national document axis. internal/edxdrop implements it.
type Axis interface {
	// Serves tells whether a domain is that of organisations on the axis.
	Serves(domain string) bool
	// Organ gives the code of the organisation that an address stands for.
	Organ(a mail.Address) (code string, ok bool)
	// Send has a document written for the axis, within tx: to those of its
	// dispatches that belong to the transfer.
	Send(ctx context.Context, tx *sqldb.Tx, doc docstore.Document, transfer string) error
	// Report has a status written for the axis, within tx.
	Report(ctx context.Context, tx *sqldb.Tx, s edoc.StatusMessage) error
	// DocumentID gives the DocumentId under which a document of ours leaves.
	DocumentID(doc docstore.Document) string
}

// Package is what came by edXML from another system and is delivered as a
// message made of it.
type Package struct {
	Organ    string // code of who sent it
	Name     string // its name
	Document string // DocumentId
	Hash     []byte // SHA-256 of the package, without whom it goes to
}

// serves tells whether the domain is that of organisations on the axis.
func (d *Delivery) serves(domain string) bool { return d.opt.Axis != nil && d.opt.Axis.Serves(domain) }

// checkOrgan refuses an address of the axis that stands for nobody.
func (d *Delivery) checkOrgan(to mail.Address) error {
	if _, ok := d.opt.Axis.Organ(to); ok {
		return nil
	}
	return fault.New(fault.NotFound, fault.Text{
		EN: "no organisation on the document axis has the address " + to.String() + "; ask your administrator (edxml.organs)",
		VI: "không có cơ quan nào trên trục liên thông có địa chỉ " + to.String() + "; hãy hỏi quản trị viên (edxml.organs)",
	})
}

// outsideOf gives the other server or organisation that an address outside
// belongs to, as dispatches name it; false when nobody there tells statuses.
func (d *Delivery) outsideOf(a mail.Address) (name string, ok bool) {
	if p, ok := d.peerOf(a.Domain); ok {
		return string(p.Name), true
	}
	if d.serves(a.Domain) {
		code, ok := d.opt.Axis.Organ(a)
		return docstore.AxisPeer(code), ok
	}
	return "", false
}

// toAxis tells whether some recipient is an organisation on the axis.
func (in *Incoming) toAxis() bool {
	for _, r := range in.remote {
		if in.d.serves(r.Addr.Domain) {
			return true
		}
	}
	return false
}

// queued gives the recipients that the queue takes to another server: all
// outside but those on the axis, who get a file.
func (in *Incoming) queued() []mail.Recipient {
	if !in.toAxis() {
		return in.remote
	}
	var list []mail.Recipient
	for _, r := range in.remote {
		if !in.d.serves(r.Addr.Domain) {
			list = append(list, r)
		}
	}
	return list
}

// errOnlyDocuments: ordinary mail cannot go over the axis.
func errOnlyDocuments() error {
	return fault.New(fault.Denied, fault.Text{
		EN: "only official documents go to organisations on the document axis: write number and symbol into the subject, such as [123/QĐ-UBND]",
		VI: "chỉ văn bản mới gửi được tới cơ quan trên trục liên thông: hãy ghi số, ký hiệu trong tiêu đề, ví dụ [123/QĐ-UBND]",
	})
}

// sendStatusAxis reports a status of a dispatch that came over the axis, or asks
// who got one over it for the document back.
func (d *Delivery) sendStatusAxis(
	ctx context.Context, tx *sqldb.Tx, doc docstore.Document, disp docstore.Dispatch, ev docstore.StatusEvent,
) error {
	if d.opt.Axis == nil {
		return nil
	}
	code, _ := docstore.AxisOrgan(disp.Peer)
	id, key := disp.To, disp.Transfer
	asks := disp.To == 0
	if asks {
		id, key = doc.Issuer, d.opt.Axis.DocumentID(doc)
	}
	unit, _ := d.stores.Directory.Snapshot().Unit(id)
	ours := edoc.Organization{OrganID: unit.Code, Name: unit.Name, Email: unit.Address.String()}
	theirs := edoc.Organization{OrganID: code, Name: firstOf(doc.IssuerName, code)}
	between := edoc.Dispatch{Sender: theirs, Recipient: ours}
	if asks {
		between = edoc.Dispatch{Sender: ours, Recipient: theirs}
	}
	between.Document = edoc.DocumentRef{Code: doc.Code, Issued: doc.Issued, DocumentID: key}
	s := edoc.NewStatusMessage(ev.Status, between, ev.At)
	s.Staff.Department = unit.Name
	s.Description = strings.TrimSpace(ev.Reason.Vi() + " " + ev.Note)
	if ev.Status == edoc.StatusRegistered && disp.ArrivalNumber > 0 {
		s.Description = strings.TrimSpace(fmt.Sprintf("Số đến %d %s", disp.ArrivalNumber, s.Description))
	}
	if s.Description == "" {
		s.Description = ev.Status.Name()
	}
	return d.opt.Axis.Report(ctx, tx, *s)
}
