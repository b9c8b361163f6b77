package delivery

import (
	"context"
	"slices"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/extract"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// wanted is a stored message whose files may have to be read.
type wanted struct {
	msg   mailstore.MessageID
	local []directory.Recipient
	drops []mailstore.Drop
	got   []mailstore.Dropped
	doc   *document // nil for ordinary mail
	at    time.Time
}

// wantCheck has the attached files of mail to units read after acceptance, for
// what they say of the document, or because the mail may be one. edoc.md §4.6.
func (in *Incoming) wantCheck(ctx context.Context, tx *sqldb.Tx, fin *mailstore.Finished, w wanted) error {
	toUnit := func(r directory.Recipient) bool { return r.Kind == directory.ToUnit }
	if in.d.opt.Reads == nil || w.doc == nil && !slices.ContainsFunc(w.local, toUnit) {
		return nil
	}
	if !slices.ContainsFunc(fin.Scan.Attachments(), func(a mail.Attachment) bool {
		return in.d.opt.Reads(extract.File{Media: a.Type, Name: a.Name})
	}) && !in.d.readsPacked(in.rec.EdXML) {
		return nil
	}
	c := docstore.Check{Message: docstore.MessageRef(w.msg), From: in.origin.Account, QueueID: string(in.id), Accepted: w.at}
	for i, r := range w.local {
		if !toUnit(r) || w.got[i].Err != nil {
			continue
		}
		kind := docstore.KindMain
		if w.doc != nil {
			kind = w.doc.kindOf(r)
		}
		c.Units = append(c.Units, docstore.Recipient{
			Unit: r.Unit, Address: r.Addr, Kind: kind,
			Place: docstore.Place{Mailbox: int64(w.drops[i].Mailbox), UID: int64(w.got[i].UID)},
		})
	}
	return in.d.stores.Documents.WantCheck(ctx, tx, c)
}

// WarnAgency is the code of the warning that a symbol names another agency than
// the sender's unit.
const WarnAgency = "SAI_CO_QUAN"

// agencyWarning compares the agency part of the symbol with the unit that
// sends. It warns only: units issue in the name of others. edoc.md §4.6, oracle 19.
func agencyWarning(code *edoc.Code, issuer directory.Unit) (docstore.Warning, bool) {
	if code == nil || issuer.ID == 0 || code.NamesAgency(issuer.ShortName) {
		return docstore.Warning{}, false
	}
	// People's committees and councils of every level write the same letters.
	name := strings.ReplaceAll(edoc.Fold(issuer.Name), " ", "")
	if (strings.HasPrefix(name, "ubnd") || strings.HasPrefix(name, "uybannhandan")) && (code.NamesAgency("UBND") || code.NamesAgency("HĐND")) {
		return docstore.Warning{}, false
	}
	return docstore.Warning{Code: WarnAgency, Text: fault.Text{
		EN: "the symbol " + code.Symbol + " does not name the sending unit (" + issuer.ShortName + ")",
		VI: "ký hiệu " + code.Symbol + " không đúng cơ quan gửi (" + issuer.ShortName + ")",
	}}, true
}
