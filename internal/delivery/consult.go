package delivery

import (
	"context"

	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// usualConsultDays is how many working days units have to say their opinion
// when nobody says until when. NĐ 191/2026 gives 2 to 5 at Government level.
const usualConsultDays = 5

// consults tells whether units are asked for their opinion by one of ours.
func (doc *document) consults() bool {
	return doc != nil && doc.issuer.ID != 0 && doc.rec.Op == edoc.OpConsult
}

// checkConsult refuses a question that nobody can answer in time.
func (in *Incoming) checkConsult(doc *document) error {
	if !doc.consults() || doc.rec.Due.IsZero() || doc.rec.Due.After(in.d.opt.Now()) {
		return nil
	}
	return fault.New(fault.Invalid, fault.Text{
		EN: "the deadline for opinions is over already: " + doc.rec.Due.In(vietnam).Format("15:04 02/01/2006"),
		VI: "hạn trả lời ý kiến đã qua: " + doc.rec.Due.In(vietnam).Format("15:04 02/01/2006"),
	})
}

// setConsultDue gives a question without a deadline the usual one.
func (in *Incoming) setConsultDue(ctx context.Context, tx *sqldb.Tx, doc *document) error {
	if !doc.consults() || !doc.rec.Due.IsZero() {
		return nil
	}
	cal, err := in.d.stores.Documents.Calendar(ctx, tx, doc.issuer.ID)
	if err != nil {
		return err
	}
	days := in.d.opt.ConsultDays
	if days <= 0 {
		days = usualConsultDays
	}
	doc.rec.Due = cal.AddDays(in.d.opt.Now(), days)
	return nil
}
