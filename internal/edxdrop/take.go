package edxdrop

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"vanthu/docstore"
	"vanthu/internal/delivery"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// parcel is a package in a file.
type parcel struct {
	*edoc.Package
	raw  []byte
	name string // of the file
}

// takePackage delivers a package to the units of ours that it names.
func (d *Drop) takePackage(ctx context.Context, in Inlet, p parcel) error {
	if err := d.check(p.Package); err != nil {
		return err
	}
	if p.Business.Op == edoc.OpRecall {
		return d.takeRecall(ctx, in, p)
	}
	units := d.stores.Directory.Snapshot()
	to := recipients(units, p.Header.To)
	if len(to) == 0 {
		return errNobody(p.Header.To)
	}
	sum := p.hash()
	from := d.organ(Code(p.Header.From.OrganID))
	origin := delivery.Origin{
		Session: "edxml", Helo: from.code(), Protocol: "EDXML",
		Package: &delivery.Package{Organ: from.code(), Name: p.Header.From.Name, Document: p.Header.DocumentID, Hash: sum[:]},
	}
	env := mail.Envelope{From: mail.Path{Null: true}}
	for _, u := range to {
		if err := in.Delivery.CheckRecipient(ctx, origin, env.From, u.Addr); err != nil {
			return err
		}
		env.To = append(env.To, mail.Recipient{Addr: u.Addr, Notify: mail.NotifyNever})
	}
	msg, err := in.Delivery.Begin(ctx, origin, env)
	if err != nil {
		return err
	}
	if _, err := msg.Write(d.message(p, to, sum)); err != nil {
		msg.Abort()
		return err
	}
	_, err = msg.Commit(ctx)
	return err
}

// check refuses what breaks the rules of the format.
func (d *Drop) check(p *edoc.Package) error {
	var en, vi []string
	for _, w := range p.Validate(d.opt.Now()) {
		en, vi = append(en, w.Code+": "+w.Text.EN), append(vi, w.Code+": "+w.Text.VI)
	}
	if len(en) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, fault.Text{
		EN: "the data of the package are wrong: " + strings.Join(en, "; "), VI: "dữ liệu gói tin sai: " + strings.Join(vi, "; "),
	})
}

// recipients gives the units of ours among organisations, by either code.
func recipients(units *directory.Snapshot, to []edoc.Organization) (list []mail.Mailbox) {
	seen := map[directory.UnitID]bool{}
	for _, o := range to {
		u, ok := units.UnitByCode(o.OrganID)
		if ok && !seen[u.ID] {
			seen[u.ID] = true
			list = append(list, mail.Mailbox{Name: u.Name, Addr: u.Address})
		}
	}
	return list
}

func errNobody(to []edoc.Organization) error {
	var codes []string
	for _, o := range to[:min(len(to), 20)] {
		codes = append(codes, o.OrganID)
	}
	list := strings.Join(codes, ", ")
	return fault.New(fault.NotFound, fault.Text{
		EN: "none of the recipients is a unit of this server: " + list,
		VI: "không có nơi nhận nào thuộc hệ thống này: " + list,
	})
}

// hash is the package's identity: whatever way it takes, and to whomever of us
// it goes, it is the same document.
func (p parcel) hash() [sha256.Size]byte {
	bare := *p.Package
	bare.Trace = nil
	bare.Header.To = []edoc.Organization{{OrganID: "-"}}
	text, err := bare.Encode()
	if err != nil {
		return sha256.Sum256(p.raw)
	}
	return sha256.Sum256(text)
}

// message makes mail of a package: its files, so that any mail program opens
// them, and the package itself as it came.
func (d *Drop) message(p parcel, to []mail.Mailbox, sum [sha256.Size]byte) []byte {
	h := &p.Header
	author := d.opt.Author
	organ := d.organ(Code(h.From.OrganID))
	if !organ.Address.IsZero() {
		author = organ.Address
	}
	code := h.CodeNumber + "/" + h.CodeNotation
	if c, ok := h.Code(); ok {
		code = c.String()
	}
	b := mail.Builder{
		From: mail.Mailbox{Name: h.From.Name, Addr: author}, To: to, Subject: "[" + code + "] " + h.Subject,
		Date: d.opt.Now().In(vietnam), MessageID: "<edxml-" + hex.EncodeToString(sum[:16]) + "@" + d.opt.Hostname + ">",
		Language: "vi", Text: d.text(p, code),
	}
	if a, err := mail.ParseAddress(h.From.Email, true); err == nil && organ.Address.IsZero() {
		b.ReplyTo = []mail.Mailbox{{Name: h.From.Name, Addr: a}}
	}
	for i := range p.Files {
		f := &p.Files[i]
		b.Files = append(b.Files, mail.File{Name: f.Name, Type: f.Sniff(), Content: f.Data})
	}
	name := p.name
	if !edoc.IsEdXMLName(name) {
		name = strings.TrimSuffix(name, ".xml") + ".edxml"
	}
	b.Files = append(b.Files, mail.File{Name: name, Type: "application/octet-stream", Content: p.raw})
	return b.Bytes()
}

// text says what the package is.
func (d *Drop) text(p parcel, code string) string {
	h := &p.Header
	var b strings.Builder
	line := func(label, value string) {
		if value = strings.TrimSpace(value); value != "" {
			b.WriteString(label + ": " + value + "\n")
		}
	}
	b.WriteString("Văn bản điện tử đến qua trục liên thông (edXML).\n\n")
	line("Cơ quan ban hành", h.From.Name+" ("+h.From.OrganID+")")
	line("Số, ký hiệu", code)
	line("Ngày ban hành", h.Issued.In(vietnam).Format("02/01/2006"))
	line("Loại văn bản", h.TypeName)
	line("Trích yếu", h.Subject)
	line("Nội dung", h.Content)
	line("Người ký", strings.Join(strings.Fields(h.Signer.Competence+" "+h.Signer.Position+" "+h.Signer.FullName), " "))
	if h.Other.Urgency != edoc.UrgencyNormal {
		line("Độ khẩn", h.Other.Urgency.Name())
	}
	if !h.Due.IsZero() {
		line("Hạn trả lời", h.Due.In(vietnam).Format("02/01/2006"))
	}
	line("Nơi nhận", strings.Join(h.ToPlaces, "; "))
	for _, r := range h.ResponseFor {
		line("Trả lời văn bản", r.Code)
	}
	line("Mã định danh", h.DocumentID)
	b.WriteString("\nTệp .edxml là gói tin gốc, giữ nguyên như đã nhận.\n\n-- English --\n")
	fmt.Fprintf(&b, "Document %s of %s came over the document axis (edXML). The .edxml file is the package as it came.\n", code, h.From.OrganID)
	return b.String()
}

// errUnknownDocument: a status is about nothing that was sent from here.
var errUnknownDocument = fault.New(fault.NotFound, fault.Text{
	EN: "it is about a document that was not exchanged between these organisations here",
	VI: "nói về một văn bản chưa từng được gửi giữa các cơ quan này ở đây",
})

// takeStatus moves the dispatch that a status is about. The same status again
// changes nothing.
func (d *Drop) takeStatus(ctx context.Context, in Inlet, s *edoc.StatusMessage) error {
	text, err := s.Encode()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	return d.stores.DB.Update(ctx, func(tx *sqldb.Tx) error {
		first, err := d.note(ctx, tx, sum)
		if err != nil || !first {
			return err
		}
		if s.Code.SentBy() == edoc.SideSender {
			return d.asked(ctx, tx, in, request{
				from: Code(s.SenderID()), to: []string{s.RecipientID()}, document: s.ResponseFor.DocumentID, why: s.Description, at: s.At,
			})
		}
		x, err := d.dispatchOf(ctx, tx, s)
		if err != nil {
			return err
		}
		at := s.At
		if at.IsZero() {
			at = d.opt.Now()
		}
		rep := docstore.Reported{
			Peer: x.Peer, Transfer: x.Transfer, Recipient: x.Address, Unit: x.Address, Status: s.Code, At: at,
			Note: s.Description, ID: hex.EncodeToString(sum[:8]), Source: docstore.SourceEdXML,
		}
		if s.Code == edoc.StatusRefused {
			rep.Reason = reason(s.Description)
		}
		err = in.Reported(ctx, tx, rep)
		if errors.Is(err, docstore.ErrNoDispatch) {
			return errUnknownDocument
		}
		return err
	})
}

// takeRecall takes a package that asks for an earlier one back: edXML's way of
// saying status 13 to several organisations at once.
func (d *Drop) takeRecall(ctx context.Context, in Inlet, p parcel) error {
	var to []string
	for _, o := range p.Header.To {
		to = append(to, o.OrganID)
	}
	return d.stores.DB.Update(ctx, func(tx *sqldb.Tx) error {
		first, err := d.note(ctx, tx, p.hash())
		if err != nil || !first {
			return err
		}
		return d.asked(ctx, tx, in, request{
			from: Code(p.Header.From.OrganID), to: to, document: p.Header.DocumentID, why: p.Business.Reason,
		})
	})
}

// request is a sender's wish to have a document back.
type request struct {
	from     Code
	to       []string // codes of organisations
	document string   // DocumentId
	why      string
	at       time.Time
}

// asked asks our units among those of a request for the document.
func (d *Drop) asked(ctx context.Context, tx *sqldb.Tx, in Inlet, q request) error {
	units := d.stores.Directory.Snapshot()
	some := false
	if utf8.RuneCountInString(q.why) < edoc.MinReasonRunes { // our own rule for reasons; others write less
		q.why = strings.TrimSpace("Cơ quan gửi đề nghị lấy lại văn bản. " + q.why)
	}
	if q.at.IsZero() {
		q.at = d.opt.Now()
	}
	for _, code := range q.to {
		u, ok := units.UnitByCode(code)
		if !ok {
			continue
		}
		err := in.Reported(ctx, tx, docstore.Reported{
			Peer: docstore.AxisPeer(d.organ(q.from).code()), Transfer: q.document, Recipient: u.Address.String(), Unit: u.Address.String(),
			Status: edoc.StatusRecallRequested, At: q.at, Note: clip(q.why, docstore.MaxNote), Source: docstore.SourceEdXML,
		})
		if errors.Is(err, docstore.ErrNoDispatch) {
			continue
		}
		if err != nil {
			return err
		}
		some = true
	}
	if !some {
		return errUnknownDocument
	}
	return nil
}

// reason finds the reason of a refusal in its description, where other systems
// write it in words.
func reason(text string) edoc.RefuseReason {
	folded := edoc.Fold(text)
	for _, r := range edoc.RefuseReasons() {
		if strings.HasPrefix(folded, edoc.Fold(r.Vi())) {
			return r
		}
	}
	return edoc.ReasonOther
}

// note remembers a status, and reports whether it is new.
func (d *Drop) note(ctx context.Context, tx *sqldb.Tx, sum [sha256.Size]byte) (bool, error) {
	n, err := tx.Exec(ctx, qNote, sum[:], sqldb.Micros(d.opt.Now()))
	if err != nil {
		return false, fmt.Errorf("note an edXML status: %w", err)
	}
	return n > 0, nil
}

// dispatchOf finds the dispatch of ours that a status of the recipient's side
// is about: by DocumentId, else by number and symbol; the newest when the
// document went there more than once.
func (d *Drop) dispatchOf(ctx context.Context, r sqldb.Reader, s *edoc.StatusMessage) (docstore.Dispatch, error) {
	peer := docstore.AxisPeer(d.organ(Code(s.RecipientID())).code())
	docs, err := d.sentAs(ctx, r, s.ResponseFor)
	if err != nil {
		return docstore.Dispatch{}, err
	}
	for i := len(docs) - 1; i >= 0; i-- {
		all, err := docstore.Dispatches(ctx, r, docs[i])
		if err != nil {
			return docstore.Dispatch{}, err
		}
		for _, x := range all {
			if x.Peer == peer && x.To == 0 {
				return x, nil
			}
		}
	}
	return docstore.Dispatch{}, errUnknownDocument
}

// sentAs gives the documents that a reference can mean, oldest first.
func (d *Drop) sentAs(ctx context.Context, r sqldb.Reader, ref edoc.DocumentRef) (list []docstore.DocumentID, err error) {
	if ref.DocumentID != "" {
		rows, err := r.Query(ctx, qSentAs, ref.DocumentID)
		if err != nil {
			return nil, fmt.Errorf("look for a document that was sent: %w", err)
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var id docstore.DocumentID
			if err := rows.Scan(&id); err != nil {
				return nil, err
			}
			list = append(list, id)
		}
		if err := rows.Err(); err != nil || len(list) > 0 {
			return list, err
		}
	}
	code, err := edoc.ParseCode(ref.Code)
	if err != nil {
		return nil, nil //nolint:nilerr // no code: nothing more to look for
	}
	docs, err := docstore.DocumentsByCode(ctx, r, code)
	if err != nil {
		return nil, err
	}
	for _, doc := range docs {
		if doc.Issuer != 0 && (ref.Issued.IsZero() || sameDay(ref.Issued, issued(doc))) {
			list = append(list, doc.ID)
		}
	}
	return list, nil
}

func sameDay(a, b time.Time) bool {
	return a.In(vietnam).Format(time.DateOnly) == b.In(vietnam).Format(time.DateOnly)
}

const qNote = `INSERT INTO edxml_in (sha256, at_us) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING`
