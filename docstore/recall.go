package docstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// settleDocument keeps the state of a document true to its dispatches: it is
// frozen while a recall waits or has succeeded anywhere, recalled when no unit
// has it any more, and issued again when all have declined. NĐ 30/2020, Phụ lục
// VI, part III.8.
func (s *Store) settleDocument(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, doc Document, e Event) error {
	switch e {
	case EventRecall, EventAccept, EventDecline, EventWithdraw, EventReplace:
	default:
		return nil
	}
	next := DocumentReplaced
	if e != EventReplace {
		var asked, recalled, held int
		if err := tx.QueryRow(ctx, qRecallState, int64(doc.ID)).Scan(&asked, &recalled, &held); err != nil {
			return fmt.Errorf("read how far a recall got: %w", err)
		}
		switch {
		case asked > 0 || recalled > 0 && held > 0:
			next = DocumentFrozen
		case recalled > 0:
			next = DocumentRecalled
		default:
			next = DocumentIssued
		}
	}
	if doc.State == DocumentReplaced && next != DocumentRecalled || next == doc.State {
		return nil
	}
	if _, err := tx.Exec(ctx, qSetDocumentState, string(next), int64(doc.ID)); err != nil {
		return fmt.Errorf("record the state of a document: %w", err)
	}
	if next == DocumentRecalled && doc.Issuer == 0 { // its message goes too, see Uses
		if err := s.KeepText(ctx, tx, doc.ID, nil); err != nil {
			return err
		}
	}
	_, err := journal.Append(ctx, tx, journal.Event{
		At: s.time(), Type: "doc.state", Actor: actor, Subject: string(doc.ULID), Unit: int64(doc.Issuer),
		Data: documentStateData{doc.ULID, next},
	})
	if err != nil {
		return errJournal(err)
	}
	return nil
}

type documentStateData struct {
	Document ULID          `json:"document"`
	State    DocumentState `json:"state"`
}

// errFrozen: the document goes nowhere any more.
func errFrozen(doc Document) error {
	return fault.New(fault.Conflict, fault.Text{
		EN: "document " + doc.Code + " has been recalled or replaced; it cannot be sent to further units",
		VI: "văn bản " + doc.Code + " đang thu hồi hoặc đã được thay thế, không gửi thêm được",
	})
}

// Replaces records that dispatch d is to take the place of an earlier one to
// the same unit, when the clerk there agrees.
func (s *Store) Replaces(ctx context.Context, tx *sqldb.Tx, d, old DispatchID) error {
	if _, err := tx.Exec(ctx, qSetChangeOf, int64(old), int64(d)); err != nil {
		return fmt.Errorf("record what a dispatch replaces: %w", err)
	}
	return nil
}

// Ending says that a registered document was taken back or replaced.
type Ending struct {
	State State // recalled or replaced
	At    time.Time
}

// Endings gives, for the entries of a book, what was taken back or replaced by
// a time; the zero time means by now.
func Endings(ctx context.Context, r sqldb.Reader, book BookID, asOf time.Time) (map[DispatchID]Ending, error) {
	until := int64(math.MaxInt64)
	if !asOf.IsZero() {
		until = sqldb.Micros(asOf)
	}
	type recalledRow struct {
		id DispatchID
		Ending
	}
	list, err := collect(ctx, r, func(r row) (x recalledRow, err error) {
		var at int64
		err = r.Scan(&x.id, &x.State, &at)
		x.At = sqldb.Time(at)
		return x, err
	}, qEndings, int64(book), until)
	ended := make(map[DispatchID]Ending, len(list))
	for _, x := range list {
		ended[x.id] = x.Ending
	}
	return ended, err
}

// release lets a dispatch out of quarantine. One that was held for the mark of
// a state secret needs the word of two people: the first one's is kept.
func (c *change) release(ctx context.Context, d Dispatch, r rule) (rule, error) {
	events, err := Events(ctx, c.tx, d.ID)
	if err != nil {
		return r, err
	}
	secret := false
	for _, e := range events {
		if e.Status == StatusHeld {
			secret = e.Reason == edoc.ReasonSecret
		}
	}
	if !secret {
		return r, nil
	}
	var first int64
	err = c.tx.QueryRow(ctx, qApproval, int64(d.ID), string(EventRelease)).Scan(&first)
	switch {
	case err == nil && first == c.actor.ID:
		return r, fault.New(fault.Conflict, fault.Text{
			EN: "a second person must agree to release a document with the mark of a state secret",
			VI: "phải có người thứ hai đồng ý mới giải tỏa được văn bản có dấu chỉ độ mật",
		})
	case err == nil:
		if _, err := c.tx.Exec(ctx, qDeleteApproval, int64(d.ID), string(EventRelease)); err != nil {
			return r, fmt.Errorf("use an approval: %w", err)
		}
		return r, nil
	case !sqldb.NoRows(err):
		return r, fmt.Errorf("look for an approval: %w", err)
	}
	if _, err := c.tx.Exec(ctx, qInsertApproval, int64(d.ID), string(EventRelease), c.actor.ID, sqldb.Micros(c.now)); err != nil {
		return r, fmt.Errorf("record an approval: %w", err)
	}
	for _, r := range rules() {
		if r.status == StatusApproved {
			return r, nil
		}
	}
	return r, nil
}

const (
	qEndings = `
SELECT DISTINCT d.id, d.state, d.updated_us FROM register_entry e JOIN dispatch d ON d.id = e.dispatch_id
WHERE e.book_id = $1 AND e.dispatch_id <> 0 AND d.state IN ('recalled', 'replaced') AND d.updated_us <= $2`
	qRecallState = `
SELECT COALESCE(SUM(CASE WHEN overlay = 'recall_requested' THEN 1 ELSE 0 END), 0),
  COALESCE(SUM(CASE WHEN state = 'recalled' THEN 1 ELSE 0 END), 0),
  COALESCE(SUM(CASE WHEN state IN ('queued', 'sent', 'arrived', 'registered', 'assigned', 'processing', 'completed', 'quarantined') THEN 1 ELSE 0 END), 0)
FROM dispatch WHERE document_id = $1`
	qSetDocumentState = `UPDATE document SET state = $1 WHERE id = $2`
	qSetChangeOf      = `UPDATE dispatch SET change_of = $1 WHERE id = $2`
	qApproval         = `SELECT account_id FROM approval WHERE dispatch_id = $1 AND event = $2`
	qDeleteApproval   = `DELETE FROM approval WHERE dispatch_id = $1 AND event = $2`
	qInsertApproval   = `INSERT INTO approval (dispatch_id, event, account_id, at_us) VALUES ($1, $2, $3, $4)`
)
