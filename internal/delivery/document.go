package delivery

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// document is what was recognised in a message that is an official document.
type document struct {
	rec        edoc.Recognition
	issuer     directory.Unit // zero ID: from outside
	issuerName string
	files      []docstore.File
	kind       map[string]docstore.Kind // by the key of an address in To or Cc
	units      int                      // dispatches made
	again      bool                     // accepted before, now for further units
	hash       [sha256.Size]byte        // of the message as its sender wrote it
	given      bool                     // the number is ours; the message itself only asks for it
}

// recognize looks whether the message is an official document to a unit, and
// refuses what the rules keep out. It returns nil for ordinary mail.
func (in *Incoming) recognize(ctx context.Context, fin *mailstore.Finished) (*document, error) {
	m := fin.Scan
	input := edoc.Input{Subject: m.Envelope.Subject, Now: in.d.opt.Now()}
	for i := range m.Header {
		if edoc.IsDeclaredField(m.Header[i].Name) {
			input.Header = m.Header.Text
			break
		}
	}
	toUnits := false
	for _, r := range in.local {
		if r.Detail != "" {
			input.Details = append(input.Details, r.Detail)
		}
		toUnits = toUnits || r.Kind == directory.ToUnit
	}
	atts := m.Attachments()
	for i := range atts {
		a := &atts[i]
		input.Files = append(input.Files, edoc.File{
			Name: a.Name, Type: a.Type, Size: a.Part.BodyLen,
			Open: func() (io.Reader, error) { return a.Part.Decoder(fin), nil },
		})
	}
	rec := edoc.Recognize(input)
	in.takeGiven(&rec, m)
	in.rec = rec
	if err := in.d.guardSecrets(ctx, fin, carrier{
		actor: in.actor(), ref: string(in.id), client: in.origin.Remote, session: in.origin.Session, mark: max(rec.Secret, packedSecret(rec.EdXML)),
	}); err != nil {
		return nil, err
	}
	in.raisePriority(rec)
	outside := in.toPeers()
	var err error
	if in.request, err = in.asksNumber(&rec, m); err != nil || in.request != nil {
		return nil, err
	}
	if in.origin.Account != 0 && rec.Code != nil && rec.Code.Ask && rec.Op == edoc.OpNumber {
		rec.Op = edoc.OpNew // it is the document, and gets its number on the way
	}
	if !toUnits && len(outside) == 0 || !rec.IsDocument() {
		if in.toAxis() {
			return nil, errOnlyDocuments()
		}
		return nil, nil //nolint:nilnil // ordinary mail
	}
	doc := &document{rec: rec, hash: fin.SHA256}
	if err := in.setIssuer(doc, m); err != nil {
		if !toUnits && !in.toAxis() { // nobody here knows whether it goes to units there
			return nil, nil //nolint:nilnil // ordinary mail
		}
		return nil, err
	}
	if rec.Invalid() {
		return nil, errDeclaration(rec.Problems)
	}
	if err := in.checkConsult(doc); err != nil {
		return nil, err
	}
	if p := in.origin.Package; p != nil {
		copy(doc.hash[:], p.Hash)
		doc.issuerName = p.Name
	}
	if in.origin.Peer != "" {
		if doc.hash, err = contentHash(fin); err != nil {
			return nil, fmt.Errorf("read the message: %w", err)
		}
	}
	if err := in.setKinds(doc, m); err != nil {
		return nil, err
	}
	if doc.files, err = docstore.Describe(atts, fin); err != nil {
		return nil, err
	}
	return doc, nil
}

// errDeclaration tells the sender what is wrong with the document's data.
func errDeclaration(problems []edoc.Problem) error {
	var en, vi []string
	for _, p := range problems {
		if !p.Warning() {
			en, vi = append(en, p.Code+": "+p.Text.EN), append(vi, p.Code+": "+p.Text.VI)
		}
	}
	return fault.New(fault.Invalid, fault.Text{
		EN: "the document's data are wrong: " + strings.Join(en, "; "),
		VI: "dữ liệu văn bản sai: " + strings.Join(vi, "; "),
	})
}

// setIssuer finds the unit that sends the document. NĐ 30/2020, article 4 and
// 18: documents go out through the unit's clerks. Leaders may ask for opinions
// themselves.
func (in *Incoming) setIssuer(doc *document, m *mail.Message) error {
	snap := in.d.stores.Directory.Snapshot()
	if in.origin.Account == 0 { // another organisation's server; its own rules apply there
		doc.issuerName = in.env.From.String()
		if len(m.Envelope.From) > 0 && m.Envelope.From[0].Name != "" {
			doc.issuerName = m.Envelope.From[0].Name
		}
		return nil
	}
	if in.draft != nil {
		u, _ := snap.Unit(in.draft.Unit)
		doc.issuer, doc.issuerName = u, u.Name
		return nil
	}
	roles := []directory.Role{directory.RoleClerk}
	if doc.rec.Op == edoc.OpConsult {
		roles = append(roles, directory.RoleLeader)
	}
	if len(m.Envelope.From) > 0 {
		if a, err := mail.ParseAddress(m.Envelope.From[0].Addr, true); err == nil {
			u, ok := snap.UnitByAddress(a)
			if ok && slices.ContainsFunc(roles, func(r directory.Role) bool { return snap.HasRole(in.origin.Account, u.ID, r) }) {
				doc.issuer, doc.issuerName = u, u.Name
				return nil
			}
		}
	}
	if acct, ok := snap.Account(in.origin.Account); ok {
		for _, r := range acct.Roles {
			if u, ok := snap.Unit(r.Unit); ok && slices.Contains(roles, r.Role) && u.Exists(in.d.opt.Now()) {
				doc.issuer, doc.issuerName = u, u.Name
				return nil
			}
		}
	}
	return fault.New(fault.Denied, fault.Text{
		EN: "only a clerk (van thu) sends official documents to units; pass it to the clerk of your unit",
		VI: "chỉ văn thư được gửi văn bản tới các đơn vị; hãy chuyển cho văn thư đơn vị mình",
	})
}

// setKinds tells chính (To) from để biết (Cc), and refuses recipients that
// nobody can see: the places of receipt belong to a document. edoc.md §4.5.
func (in *Incoming) setKinds(doc *document, m *mail.Message) error {
	doc.kind = map[string]docstore.Kind{}
	note := func(list []mail.HeaderAddress, k docstore.Kind) {
		for _, a := range list {
			if addr, err := mail.ParseAddress(a.Addr, true); err == nil {
				if _, ok := doc.kind[addr.Key()]; !ok {
					doc.kind[addr.Key()] = k
				}
			}
		}
	}
	note(m.Envelope.To, docstore.KindMain)
	note(m.Envelope.Cc, docstore.KindInfo)
	for _, r := range in.env.To {
		if _, ok := doc.kind[r.Addr.Key()]; !ok {
			return fault.New(fault.Denied, fault.Text{
				EN: "an official document has no blind recipients (Bcc): name " + r.Addr.String() + " in To or Cc",
				VI: "văn bản không được gửi ẩn (Bcc): hãy ghi " + r.Addr.String() + " ở To hoặc Cc",
			})
		}
	}
	return nil
}

// kindOf gives how a final recipient was addressed: by itself or by its group.
func (doc *document) kindOf(r directory.Recipient) docstore.Kind {
	for _, a := range []mail.Address{r.Addr, r.Via} {
		if k, ok := doc.kind[a.Key()]; ok {
			return k
		}
	}
	return docstore.KindMain
}

// intake records the document with a dispatch for each unit that got it.
func (in *Incoming) intake(
	ctx context.Context, tx *sqldb.Tx, fin *mailstore.Finished, doc *document,
	msg mailstore.MessageID, local []directory.Recipient, drops []mailstore.Drop, got []mailstore.Dropped,
) error {
	var to []docstore.Recipient
	snap := in.d.stores.Directory.Snapshot()
	for i, r := range local {
		if r.Kind != directory.ToUnit || r.Unit == doc.issuer.ID || got[i].Err != nil {
			continue
		}
		unit, _ := snap.Unit(r.Unit)
		to = append(to, docstore.Recipient{
			Unit: r.Unit, Address: r.Addr, Kind: doc.kindOf(r), Name: unit.Name,
			Place: docstore.Place{Mailbox: int64(drops[i].Mailbox), UID: int64(got[i].UID)},
			Named: in.named[r.Addr].String(),
		})
	}
	var outside []docstore.Outside
	if doc.issuer.ID != 0 {
		for _, r := range in.toPeers() {
			name, _ := in.d.outsideOf(r)
			outside = append(outside, docstore.Outside{Address: r, Kind: doc.kindOf(directory.Recipient{Addr: r}), Peer: name})
		}
	}
	if len(to)+len(outside) == 0 {
		return nil // only to the issuer itself
	}
	doc.units = len(to) + len(outside)
	if err := in.setConsultDue(ctx, tx, doc); err != nil {
		return err
	}
	from, transfer := in.cameFrom()
	made, err := in.d.stores.Documents.Intake(ctx, tx, docstore.In{
		Recognition: doc.rec,
		Issuer:      doc.issuer.ID, IssuerName: doc.issuerName, From: in.origin.Account,
		MailID: docstore.MailID(fin.Scan.Envelope.MessageID), Message: docstore.MessageRef(msg),
		BodySHA256: doc.hash, QueueID: string(in.id), Files: doc.files, Recipients: to, Outside: outside,
		Peer: from, Transfer: transfer,
		Actor: in.actor(), Source: in.source(),
	})
	if err != nil || made.Resubmitted {
		return err
	}
	if in.toAxis() {
		if err := in.d.opt.Axis.Send(ctx, tx, made.Document, string(in.id)); err != nil {
			return err
		}
	}
	if err := in.tellArrival(ctx, tx, made); err != nil {
		return err
	}
	if w, ok := signatureWarning(doc.rec.EdXML); ok {
		if err := in.d.stores.Documents.AddWarning(ctx, tx, made.Document.ID, w); err != nil {
			return err
		}
	}
	if w, ok := agencyWarning(doc.rec.Code, doc.issuer); ok {
		if err := in.d.stores.Documents.AddWarning(ctx, tx, made.Document.ID, w); err != nil {
			return err
		}
	}
	if in.d.opt.Issued == nil {
		return nil
	}
	return in.d.opt.Issued(ctx, tx, docstore.Issued{
		Result: made, Recognition: doc.rec, By: in.origin.Account, Answers: answered(fin.Scan),
	})
}

// answered names the messages that a message answers, the nearest first.
func answered(m *mail.Message) (list []docstore.MailID) {
	ids := strings.Fields(m.Header.Get("References"))
	slices.Reverse(ids)
	for _, id := range append(strings.Fields(m.Envelope.InReplyTo), ids...) {
		if len(list) < maxAnswered && !slices.Contains(list, docstore.MailID(id)) {
			list = append(list, docstore.MailID(id))
		}
	}
	return list
}

// maxAnswered is how many messages of a thread are looked at.
const maxAnswered = 20

// tellArrival tells the server that a document came from that it has arrived.
func (in *Incoming) tellArrival(ctx context.Context, tx *sqldb.Tx, made docstore.Result) error {
	_, transfer := in.cameFrom()
	if transfer == "" {
		return nil
	}
	for _, x := range made.Dispatches {
		if x.Transfer != transfer {
			continue
		}
		if err := in.d.SendStatus(ctx, tx, made.Document, x, docstore.StatusEvent{Status: x.Status, At: x.Arrived}); err != nil {
			return err
		}
	}
	return nil
}

// cameFrom is the server or organisation that wants to know what becomes of the
// document, and the name under which it sent it; both are "" for none.
func (in *Incoming) cameFrom() (peer, transfer string) {
	switch p := in.origin.Package; {
	case p != nil:
		return docstore.AxisPeer(p.Organ), p.Document
	case in.from != "":
		return string(in.origin.Peer), in.from
	}
	return "", ""
}

func (in *Incoming) source() docstore.Source {
	if in.origin.Package != nil {
		return docstore.SourceEdXML
	}
	return docstore.SourceSMTP
}

// toPeers gives the recipients at other vanthu servers and on the axis, of what
// our own people send.
func (in *Incoming) toPeers() (list []mail.Address) {
	if in.origin.Account == 0 {
		return nil
	}
	for _, r := range in.remote {
		if _, ok := in.d.outsideOf(r.Addr); ok {
			list = append(list, r.Addr)
		}
	}
	return list
}

// appendTrace adds the fields that tell a client program what was recognised.
func (doc *document) appendTrace(b []byte) []byte {
	b = fmt.Appendf(b, "X-VB-Nhan-Dien: %s\r\n", doc.rec.Level)
	if doc.issuer.ID != 0 {
		b = fmt.Appendf(b, "X-VB-Don-Vi-Gui: %s\r\n", doc.issuer.Code)
	}
	if doc.given {
		b = fmt.Appendf(b, "%s: %s\r\n", fieldGiven, mail.EncodeText(doc.rec.Code.String()))
	}
	return b
}
