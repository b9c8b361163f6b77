package delivery

import (
	"context"
	"fmt"
	"slices"
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

// fieldGiven tells other vanthu servers which number a document was given
// whose subject asked for one.
const fieldGiven = "X-VB-Cap-So"

// numberRequest is what a message asks for that is no document by itself.
type numberRequest struct {
	unit     directory.Unit
	symbol   string
	legal    bool
	abstract string
}

// asksNumber looks whether the message asks for a number of a unit (xin số):
// by the sub-address +xinso, or [XIN SỐ …] or [?/QĐ-UBND] in the subject of a
// message to the unit alone. One that goes to further units with [?/QĐ-UBND] is
// itself the document, and nothing is returned. edoc.md §4.5.
func (in *Incoming) asksNumber(rec *edoc.Recognition, m *mail.Message) (*numberRequest, error) {
	symbol := rec.Code != nil && rec.Code.Ask
	if in.origin.Account == 0 || rec.Op != edoc.OpNumber && !symbol {
		return nil, nil //nolint:nilnil // asks for none
	}
	snap := in.d.stores.Directory.Snapshot()
	mine, others := []directory.Unit{}, len(in.toPeers())
	named := false // by the sub-address
	for _, r := range in.local {
		if r.Kind != directory.ToUnit {
			continue
		}
		u, ok := snap.Unit(r.Unit)
		if !ok || !worksIn(snap, in.origin.Account, r.Unit) {
			others++
			continue
		}
		if isNumberDetail(r.Detail) && !named {
			mine, named = nil, true
		}
		if !named || isNumberDetail(r.Detail) {
			mine = append(mine, u)
		}
	}
	switch {
	case symbol && (others > 0 || len(mine) != 1):
		return nil, nil //nolint:nilnil // the document itself
	case len(mine) == 1:
	case len(mine)+others == 0:
		return nil, nil //nolint:nilnil // to persons only
	default:
		return nil, fault.New(fault.Denied, fault.Text{
			EN: "ask your own unit for a number, and one unit at a time",
			VI: "chỉ xin số của đơn vị mình, mỗi lần một đơn vị",
		})
	}
	req := &numberRequest{unit: mine[0], abstract: rec.Abstract}
	if req.abstract == "" {
		req.abstract = edoc.ParseSubject(m.Envelope.Subject).Abstract
	}
	if symbol {
		req.symbol, req.legal = rec.Code.Symbol, rec.Code.Year != 0
		return req, nil
	}
	kind := edoc.DocType{} // a Công văn, unless it is said otherwise
	for _, op := range rec.Ops {
		if t, ok := edoc.TypeForName(op.Arg); ok && op.Op == edoc.OpNumber && op.Arg != "" {
			kind = t
		}
	}
	req.symbol = edoc.SymbolOf(kind, req.unit.ShortName)
	return req, nil
}

func isNumberDetail(detail string) bool {
	word, _, _ := strings.Cut(edoc.Fold(detail), ".")
	return word == "xinso"
}

// worksIn tells whether an account may ask for numbers of a unit.
func worksIn(snap *directory.Snapshot, account directory.AccountID, unit directory.UnitID) bool {
	return slices.ContainsFunc([]directory.Role{directory.RoleClerk, directory.RoleStaff, directory.RoleLeader}, func(r directory.Role) bool {
		return snap.HasRole(account, unit, r)
	})
}

// reserve gives the number that the message asks for, and tells its sender.
func (in *Incoming) reserve(ctx context.Context, tx *sqldb.Tx, fin *mailstore.Finished) error {
	v, err := in.d.stores.Documents.Reserve(ctx, tx, in.actor(), docstore.NumberRequest{
		Unit: in.request.unit.ID, Symbol: in.request.symbol, Legal: in.request.legal, Abstract: in.request.abstract,
		Draft: draftOf(fin.Scan), Source: docstore.SourceSMTP,
	})
	if err != nil {
		return err
	}
	return in.tellNumber(ctx, tx, fin.Scan, in.request.unit, v, false)
}

// draftOf names a message, so that it gets one number however often it comes.
func draftOf(m *mail.Message) string {
	if m.Envelope.MessageID == "" {
		return ""
	}
	return "mail:" + m.Envelope.MessageID
}

// asks tells whether the document is to get its number from us.
func (doc *document) asks() bool {
	return doc != nil && doc.issuer.ID != 0 && doc.rec.Code != nil && doc.rec.Code.Ask
}

// number gives the document the number that it asks for; its sender is told.
func (in *Incoming) number(ctx context.Context, tx *sqldb.Tx, fin *mailstore.Finished, doc *document) error {
	v, err := in.d.stores.Documents.Reserve(ctx, tx, in.actor(), docstore.NumberRequest{
		Unit: doc.issuer.ID, Symbol: doc.rec.Code.Symbol, Legal: doc.rec.Code.Year != 0, Abstract: doc.rec.Abstract,
		Draft: draftOf(fin.Scan), Source: docstore.SourceSMTP,
	})
	if err != nil {
		return err
	}
	if err := doc.setCode(v.Code); err != nil {
		return err
	}
	doc.rec.Year = v.Year
	if v.State == docstore.ReservationUsed { // sent before, now to further units
		return nil
	}
	return in.tellNumber(ctx, tx, fin.Scan, doc.issuer, v, true)
}

func (doc *document) setCode(text string) error {
	c, err := edoc.ParseCode(text)
	if err != nil {
		return fmt.Errorf("read the number that was given: %w", err)
	}
	doc.rec.Code, doc.given = &c, true
	return nil
}

// takeGiven takes the number that a peer has given to its document.
func (in *Incoming) takeGiven(rec *edoc.Recognition, m *mail.Message) {
	if in.origin.Peer == "" || rec.Code == nil || !rec.Code.Ask {
		return
	}
	if c, err := edoc.ParseCode(m.Header.Text(fieldGiven)); err == nil && !c.Ask && edoc.FoldSymbol(c.Symbol) == edoc.FoldSymbol(rec.Code.Symbol) {
		rec.Code, rec.Op = &c, edoc.OpNew
	}
}

// tellNumber sends the number to whoever asked for it.
func (in *Incoming) tellNumber(ctx context.Context, tx *sqldb.Tx, m *mail.Message, u directory.Unit, v docstore.Reservation, issued bool) error {
	acct, ok := in.d.stores.Directory.Snapshot().Account(in.origin.Account)
	if !ok {
		return nil
	}
	title := "[Đã cấp số " + v.Code + "] " + v.Abstract
	until := v.Expires.In(vietnam).Format("15:04 02/01/2006")
	vi := fmt.Sprintf("Số %s của %s được dự trữ cho bạn đến %s (+07:00).\n\n"+
		"Hãy ghi [%[1]s] ở tiêu đề khi văn thư gửi văn bản. Quá hạn mà chưa dùng, số này bị hủy và không cấp lại.\n", v.Code, u.Name, until)
	en := fmt.Sprintf("Number %s of %s is reserved for you until %s (+07:00).\n"+
		"Write [%[1]s] in the subject when the clerk sends the document. Unused by then, the number is struck through for good.\n", v.Code, u.Name, until)
	if issued {
		title = "[Đã phát hành " + v.Code + "] " + v.Abstract
		vi = fmt.Sprintf("Văn bản của bạn đã được cấp số %s, vào sổ văn bản đi của %s và gửi đi.\n", v.Code, u.Name)
		en = fmt.Sprintf("Your document was given number %s, entered in the register of %s and sent.\n", v.Code, u.Name)
	}
	refs := slices.Clone(m.Envelope.Reference)
	if id := m.Envelope.MessageID; id != "" {
		refs = append(refs, id)
	}
	b := mail.Builder{
		From: mail.Mailbox{Name: "Văn thư điện tử", Addr: mail.Address{Local: "postmaster", Domain: acct.Login.Domain}},
		To:   []mail.Mailbox{{Name: acct.Name, Addr: acct.Login}}, Subject: title, Date: in.d.opt.Now().In(vietnam).Truncate(time.Second),
		MessageID: mail.NewMessageID(in.d.opt.Hostname), InReplyTo: m.Envelope.MessageID, References: refs,
		AutoSubmitted: "auto-replied", Language: "vi", Text: vi + "\n-- English --\n" + en,
	}
	return in.d.inject(ctx, tx, mail.Envelope{From: mail.Path{Null: true}, To: []mail.Recipient{{Addr: acct.Login}}}, b.Bytes())
}
