package workflow

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/receipt"
	"vanthu/internal/sqldb"
)

// ErrNoReceipt: no receipt has that code.
var ErrNoReceipt = fault.New(fault.NotFound, fault.Text{
	EN: "there is no receipt with this code", VI: "không có biên nhận mang mã này",
})

const (
	receiptTick  = time.Second // how often RunReceipts looks for new events
	receiptBatch = 200         // events of one transaction
	shownHead    = 40          // hex digits of the chain's head in a header field, which must not be folded
)

// Receipts says how receipts are made.
type Receipts struct {
	Key    *journal.Signer // signs them; nil: none are made
	Server string          // who signs, as the receipts name it
}

// RunReceipts makes the receipts of what has happened until ctx ends, and
// returns nil then. Up to where they are made is recorded together with them: a
// crash neither loses nor repeats one.
func (w *Workflow) RunReceipts(ctx context.Context) error {
	if w.opt.Receipts.Key == nil {
		return nil
	}
	tick := time.NewTicker(receiptTick)
	defer tick.Stop()
	for {
		more, err := w.MakeReceipts(ctx)
		if err != nil && ctx.Err() == nil {
			w.opt.Log.ErrorContext(ctx, "receipts not made", "err", err)
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// cursor is how far receipts are made.
type cursor struct {
	document docstore.DocumentID
	event    int64
}

// evidence is one receipt to be made.
type evidence struct {
	kind  receipt.Kind
	doc   docstore.Document
	d     docstore.Dispatch    // zero ID: of the whole document
	ev    docstore.StatusEvent // zero ID: of the whole document
	files []docstore.File
	sent  []docstore.Dispatch // of the whole document
}

// MakeReceipts makes some receipts, in one transaction, and reports whether
// there may be more.
func (w *Workflow) MakeReceipts(ctx context.Context) (more bool, err error) {
	units := w.dir.Snapshot()
	var at cursor
	var list []evidence
	var chain receipt.Chain
	err = w.db.View(ctx, func(r sqldb.Reader) error {
		g := witness{r: r, units: units, docs: map[docstore.DocumentID]docstore.Document{}}
		var err error
		if at, more, err = g.look(ctx); err != nil || len(g.list) == 0 {
			return err
		}
		list = g.list
		seq, head, err := journal.Head(ctx, r)
		chain = receipt.Chain{Seq: seq, Head: head.String()}
		return err
	})
	if err != nil || at == (cursor{}) {
		return false, err
	}
	letters := make([]letterOf, len(list))
	defer func() {
		for _, l := range letters {
			if l.body != nil {
				err = errors.Join(err, l.body.Release())
			}
		}
	}()
	for i, e := range list {
		if letters[i], err = w.certify(units, e, chain); err != nil {
			return false, err
		}
	}
	return more, w.db.Update(ctx, func(tx *sqldb.Tx) error {
		for i, l := range letters {
			if err := w.file(ctx, tx, list[i], l); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, qSetReceiptCursor, int64(at.document), at.event); err != nil {
			return fmt.Errorf("record how far receipts are made: %w", err)
		}
		return nil
	})
}

// letterOf is a receipt with its message.
type letterOf struct {
	signed receipt.Signed
	body   *mailstore.Finished
}

// file stores a receipt and puts its message into the sender's folder.
func (w *Workflow) file(ctx context.Context, tx *sqldb.Tx, e evidence, l letterOf) error {
	now := w.opt.Now()
	if _, err := tx.Exec(ctx, qInsertReceipt, string(l.signed.Code), string(e.kind), int64(e.doc.ID), int64(e.d.ID), e.ev.ID,
		sqldb.Micros(now), l.signed.Content); err != nil {
		return fmt.Errorf("record a receipt: %w", err)
	}
	folder, err := w.boxes.Role(ctx, tx, e.doc.Issuer, mailstore.RoleReceipts)
	if errors.Is(err, mailstore.ErrNoMailbox) {
		return nil // it is kept all the same
	}
	if err != nil {
		return err
	}
	_, err = w.put(ctx, tx, l.body, folder, now)
	return err
}

// witness looks for what receipts are to be made of.
type witness struct {
	r     sqldb.Reader
	units *directory.Snapshot
	rules map[directory.UnitID]docstore.TimeRules
	docs  map[docstore.DocumentID]docstore.Document
	list  []evidence
}

// look collects what came after the cursor, and gives where it stands then; the
// zero cursor when there is nothing new.
func (g *witness) look(ctx context.Context) (at cursor, more bool, err error) {
	if err := g.r.QueryRow(ctx, qReceiptCursor).Scan(&at.document, &at.event); err != nil {
		return at, false, fmt.Errorf("read how far receipts are made: %w", err)
	}
	docs, err := docstore.DocumentsSince(ctx, g.r, at.document, receiptBatch/4)
	if err != nil {
		return at, false, err
	}
	events, err := docstore.EventsSince(ctx, g.r, at.event, receiptBatch)
	if err != nil || len(docs)+len(events) == 0 {
		return cursor{}, false, err
	}
	if g.rules, err = docstore.AllTimeRules(ctx, g.r); err != nil {
		return at, false, err
	}
	for _, doc := range docs {
		at.document = doc.ID
		e := evidence{kind: receipt.Accepted, doc: doc}
		if e.sent, err = docstore.Dispatches(ctx, g.r, doc.ID); err != nil {
			return at, false, err
		}
		if err := g.add(ctx, e); err != nil {
			return at, false, err
		}
	}
	for _, ev := range events {
		at.event = ev.ID
		if err := g.event(ctx, ev); err != nil {
			return at, false, err
		}
	}
	return at, len(docs) == receiptBatch/4 || len(events) == receiptBatch, nil
}

func (g *witness) event(ctx context.Context, ev docstore.StatusEvent) error {
	kind := kindOf(ev.Status)
	if kind == "" {
		return nil
	}
	d, err := docstore.DispatchByID(ctx, g.r, ev.Dispatch)
	if err != nil {
		return err
	}
	doc, ok := g.docs[d.Document]
	if !ok {
		if doc, err = docstore.DocumentByID(ctx, g.r, d.Document); err != nil {
			return err
		}
		g.docs[d.Document] = doc
	}
	if err := g.add(ctx, evidence{kind: kind, doc: doc, d: d, ev: ev}); err != nil {
		return err
	}
	if kind == receipt.ChangeAccepted && d.State == docstore.StateRecalled && d.To != 0 {
		return g.add(ctx, evidence{kind: receipt.Destroyed, doc: doc, d: d, ev: ev})
	}
	return nil
}

// add keeps a receipt that the sender's unit wants.
func (g *witness) add(ctx context.Context, e evidence) (err error) {
	if e.doc.Issuer == 0 || !wanted(g.rules[e.doc.Issuer].Receipts, e.kind) {
		return nil
	}
	if e.files, err = docstore.Files(ctx, g.r, e.doc.ID); err != nil {
		return err
	}
	g.list = append(g.list, e)
	return nil
}

// wanted reports whether a unit gets receipts of a kind.
func wanted(own []string, k receipt.Kind) bool {
	switch {
	case slices.Contains(own, "-"+string(k)):
		return false
	case slices.Contains(own, string(k)):
		return true
	}
	return k.Usual()
}

// kindOf gives the kind of receipt of a status, "" for none.
func kindOf(s edoc.Status) receipt.Kind {
	switch s {
	case edoc.StatusArrived:
		return receipt.Arrived
	case edoc.StatusRefused:
		return receipt.Declined
	case edoc.StatusRegistered:
		return receipt.Registered
	case edoc.StatusAssigned:
		return receipt.Assigned
	case edoc.StatusProcessing:
		return receipt.Processing
	case edoc.StatusCompleted:
		return receipt.Completed
	case edoc.StatusRecallRequested, docstore.StatusUpdateAsked, docstore.StatusReplaceAsked:
		return receipt.RecallRequested
	case edoc.StatusChangeAccepted:
		return receipt.ChangeAccepted
	case edoc.StatusChangeRefused:
		return receipt.ChangeRefused
	case docstore.StatusHeld:
		return receipt.Held
	case docstore.StatusNoNews:
		return receipt.NoNews
	case docstore.StatusFailed:
		return receipt.Undelivered
	case docstore.StatusExpired:
		return receipt.Expired
	}
	return ""
}

// certify signs a receipt and writes its message.
func (w *Workflow) certify(units *directory.Snapshot, e evidence, chain receipt.Chain) (l letterOf, err error) {
	rec := e.receipt(units)
	rec.Chain, rec.Server = chain, w.opt.Receipts.Server
	if l.signed, err = receipt.Sign(rec, w.opt.Receipts.Key); err != nil {
		return l, err
	}
	to := senderBox(units, e.doc)
	from := w.author(to.Addr)
	b := mail.Builder{
		From: from, To: []mail.Mailbox{to}, Subject: oneLine(fmt.Sprintf("[%s %s] %s", e.kind.Name(), label(e.doc), e.parties(units))),
		Date: w.opt.Now().In(vietnam), MessageID: mail.NewMessageID(from.Addr.Domain), AutoSubmitted: "auto-replied", Language: "vi",
		Extra: []mail.ExtraField{
			{Name: "X-VB-Document", Value: string(e.doc.ULID)}, {Name: "X-VB-Ma-Kiem-Tra", Value: l.signed.Code.String()},
			{Name: "X-VB-Nhat-Ky", Value: strconv.FormatInt(chain.Seq, 10) + " " + chain.Head[:shownHead]},
		},
		Text:  e.text(units, l.signed.Code),
		Files: []mail.File{{Name: receipt.File, Type: "application/json", Content: l.signed.Content}},
	}
	if e.d.ID != 0 {
		b.Extra = append(b.Extra, mail.ExtraField{Name: "X-VB-Dispatch", Value: string(e.d.ULID)})
	}
	if e.ev.Status.Valid() {
		if edxml := e.status(units); edxml != nil {
			b.Files = append(b.Files, mail.File{Name: "trang-thai.edxml", Type: "application/xml", Content: edxml})
		}
	}
	inThread(&b, e.doc)
	l.body, err = w.compose(b)
	return l, err
}

// receipt makes what is signed.
func (e evidence) receipt(units *directory.Snapshot) receipt.Receipt {
	from, _ := units.Unit(e.doc.Issuer)
	r := receipt.Receipt{
		At: e.ev.At, Kind: e.kind, Dispatch: string(e.d.ULID), Journal: e.ev.Journal,
		From: receipt.Party{Name: e.doc.IssuerName, Code: from.Code, Address: from.Address.String()},
		Document: receipt.Document{
			ID: string(e.doc.ULID), Code: e.doc.Code, Abstract: e.doc.Abstract, Message: hex.EncodeToString(e.doc.BodySHA256[:]), Files: []receipt.Digest{},
		},
		To: []receipt.Party{},
	}
	if !e.doc.Issued.IsZero() {
		r.Document.Issued = e.doc.Issued.In(vietnam).Format(time.DateOnly)
	}
	for _, f := range e.files {
		r.Document.Files = append(r.Document.Files, receipt.Digest{Name: f.Name, SHA256: hex.EncodeToString(f.SHA256[:])})
	}
	if e.d.ID == 0 {
		r.At = e.doc.Created
		for _, d := range e.sent {
			p := party(units, d)
			p.Dispatch = string(d.ULID)
			if d.To != 0 && !d.Arrived.IsZero() {
				p.Status = string(edoc.StatusArrived)
			}
			r.To = append(r.To, p)
		}
		return r
	}
	r.To = append(r.To, party(units, e.d))
	r.Note, r.Reason, r.Status = e.ev.Note, string(e.ev.Reason), string(e.ev.Status)
	if e.ev.Status == edoc.StatusRegistered {
		r.Number, r.Year = e.d.ArrivalNumber, e.d.ArrivalYear
	}
	return r
}

func party(units *directory.Snapshot, d docstore.Dispatch) receipt.Party {
	unit, _ := units.Unit(d.To)
	return receipt.Party{Name: unitName(units, d), Code: unit.Code, Address: d.Address}
}

// parties names the recipients in a few words.
func (e evidence) parties(units *directory.Snapshot) string {
	switch {
	case e.d.ID != 0:
		return unitName(units, e.d)
	case len(e.sent) == 1:
		return unitName(units, e.sent[0])
	}
	return fmt.Sprintf("%d đơn vị", len(e.sent))
}

// text says in at most twelve lines what, which document, from whom to whom,
// when, the number, what to do, and the code. edoc.md §4.9.
func (e evidence) text(units *directory.Snapshot, code receipt.Code) string {
	var s strings.Builder
	s.WriteString(e.kind.Name() + "\n\n")
	fact(&s, "Văn bản", join(join(e.doc.Type.Name, label(e.doc)), e.doc.Abstract))
	fact(&s, "Bên gửi", e.doc.IssuerName)
	fact(&s, "Bên nhận", e.parties(units))
	at := e.ev.At
	if e.d.ID == 0 {
		at = e.doc.Created
	}
	fact(&s, "Lúc", clock(at)+" (+07:00)")
	switch {
	case e.d.ID == 0:
		for _, f := range e.files {
			fact(&s, "Tệp chính", fmt.Sprintf("%s, SHA-256 %x", f.Name, f.SHA256))
			break
		}
	case e.kind == receipt.Registered:
		if e.d.ArrivalNumber != 0 { // it may have been taken back since
			fact(&s, "Số đến", fmt.Sprintf("%d/%d", e.d.ArrivalNumber, e.d.ArrivalYear))
		}
		if !e.d.Due.IsZero() {
			fact(&s, "Hạn xử lý", clock(e.d.Due)+" (+07:00)")
		}
	case e.kind == receipt.Declined:
		fact(&s, "Lý do", join(e.ev.Reason.Vi(), e.ev.Note))
		fact(&s, "Việc cần làm", nextStep(e.ev.Reason))
	case e.kind == receipt.Destroyed:
		fact(&s, "Đã hủy", fmt.Sprintf("bản điện tử, SHA-256 %x", e.doc.BodySHA256))
		s.WriteString(honest + "\n")
	default:
		fact(&s, "Ghi chú", join(e.ev.Reason.Vi(), e.ev.Note))
	}
	fact(&s, "Mã kiểm tra", code.String())
	return s.String()
}

// status makes the status message of edXML, nil where one of the sides has no
// code to be named by.
func (e evidence) status(units *directory.Snapshot) []byte {
	from, _ := units.Unit(e.doc.Issuer)
	to, _ := units.Unit(e.d.To)
	if from.Code == "" || to.Code == "" {
		return nil
	}
	organ := func(u directory.Unit) edoc.Organization {
		return edoc.Organization{OrganID: u.Code, Name: u.Name, Email: u.Address.String()}
	}
	id := e.doc.EdXMLID
	if id == "" {
		id = string(e.doc.ULID)
	}
	m := edoc.NewStatusMessage(e.ev.Status, edoc.Dispatch{
		Sender: organ(from), Recipient: organ(to),
		Document: edoc.DocumentRef{Code: e.doc.Code, Issued: e.doc.Issued, DocumentID: id},
	}, e.ev.At)
	if m.Description = strings.TrimSpace(e.ev.Reason.Vi() + " " + e.ev.Note); m.Description == "" {
		m.Description = e.ev.Status.Name()
	}
	text, err := m.Encode()
	if err != nil { // what cannot be said in edXML stands in the receipt
		return nil
	}
	return text
}

// ReceiptFile gives the file of a receipt by its code, and [ErrNoReceipt].
func ReceiptFile(ctx context.Context, r sqldb.Reader, code receipt.Code) (content []byte, err error) {
	err = r.QueryRow(ctx, qReceipt, string(code)).Scan(&content)
	if sqldb.NoRows(err) {
		return nil, ErrNoReceipt
	}
	if err != nil {
		return nil, fmt.Errorf("read a receipt: %w", err)
	}
	return content, nil
}

const (
	qReceiptCursor    = `SELECT document_id, event_id FROM receipt_cursor WHERE id = 1`
	qSetReceiptCursor = `UPDATE receipt_cursor SET document_id = $1, event_id = $2 WHERE id = 1`
	qInsertReceipt    = `
INSERT INTO receipt (code, kind, document_id, dispatch_id, event_id, at_us, content) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	qReceipt = `SELECT content FROM receipt WHERE code = $1`
)
