package workflow

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/sqldb"
)

// Issued does within tx what a document that was just accepted means for
// others: what it replaces is asked to be replaced, what it answers is
// completed, and whom it asks may say their opinion. edoc.md §4.3 row 15 and §4.11.
func (w *Workflow) Issued(ctx context.Context, tx *sqldb.Tx, doc docstore.Issued) error {
	units := w.dir.Snapshot()
	for _, d := range doc.Dispatches {
		if err := w.arrived(ctx, tx, doc.Document, d); err != nil {
			return err
		}
	}
	if err := w.consulted(ctx, tx, doc); err != nil {
		return err
	}
	if doc.Document.Issuer == 0 && doc.Recognition.EdXML != nil {
		return w.supersedes(ctx, tx, units, doc)
	}
	for _, op := range doc.Recognition.Ops {
		if op.Code == nil {
			continue
		}
		var err error
		switch op.Op {
		case edoc.OpReplace:
			err = w.replaced(ctx, tx, doc, *op.Code, docstore.EventReplace)
		case edoc.OpUpdate:
			err = w.replaced(ctx, tx, doc, *op.Code, docstore.EventUpdate)
		case edoc.OpReply:
			err = w.answeredByCode(ctx, tx, units, doc, *op.Code)
		}
		if err != nil {
			return err
		}
	}
	return w.answeredByMail(ctx, tx, units, doc)
}

// replaced asks for the replacement of the issuer's newest document with that
// code, of which doc is another version or in whose place it comes.
func (w *Workflow) replaced(ctx context.Context, tx *sqldb.Tx, doc docstore.Issued, code edoc.Code, e docstore.Event) error {
	if doc.By == 0 || doc.Document.Issuer == 0 {
		return nil
	}
	known, err := docstore.DocumentsByCode(ctx, tx, code)
	if err != nil {
		return err
	}
	old := docstore.DocumentID(0)
	for _, k := range known {
		if k.Issuer == doc.Document.Issuer && k.ID < doc.Document.ID {
			old = k.ID
		}
	}
	if old == 0 {
		return nil
	}
	by, err := w.deed(doc.By, docstore.SourceSMTP)
	if err == nil {
		err = by.replace(ctx, tx, change{old, doc.Document.ID, e})
	}
	if isRefusal(err) { // the new document is sent all the same
		w.opt.Log.InfoContext(ctx, "a document replaces nothing", "doc_id", int64(doc.Document.ID), "err", err)
		return nil
	}
	return err
}

// answeredByCode completes what the issuer of doc received under that code:
// several units may have sent such a document, then that of a unit which the
// answer goes to.
func (w *Workflow) answeredByCode(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, doc docstore.Issued, code edoc.Code,
) error {
	known, err := docstore.DocumentsByCode(ctx, tx, code)
	if err != nil {
		return err
	}
	slices.SortStableFunc(known, func(a, b docstore.Document) int { // the likeliest first, of these the newest
		return cmp.Or(cmp.Compare(rank(b, doc), rank(a, doc)), cmp.Compare(b.ID, a.ID))
	})
	for _, k := range known {
		if done, err := w.completeWith(ctx, tx, units, k, doc); done || err != nil {
			return err
		}
	}
	return nil
}

// rank is 1 for a document whose issuer gets the answer, else 0.
func rank(known docstore.Document, answer docstore.Issued) int {
	if slices.ContainsFunc(answer.Dispatches, func(d docstore.Dispatch) bool { return d.To == known.Issuer && d.To != 0 }) {
		return 1
	}
	return 0
}

// answeredByMail completes the document of the nearest message in the thread.
func (w *Workflow) answeredByMail(ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, doc docstore.Issued) error {
	for _, id := range doc.Answers {
		known, err := docstore.DocumentsByMail(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, k := range known {
			if done, err := w.completeWith(ctx, tx, units, k, doc); done || err != nil {
				return err
			}
		}
	}
	return nil
}

// completeWith completes the dispatch of a document to the unit that has issued
// an answer to its sender, when it is registered there and not done yet.
func (w *Workflow) completeWith(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, known docstore.Document, answer docstore.Issued,
) (bool, error) {
	mine := answer.Document.Issuer
	if mine == 0 || known.ID == answer.Document.ID || known.Issuer == mine {
		return false, nil
	}
	d, err := docstore.DispatchTo(ctx, tx, known.ID, mine)
	if errors.Is(err, docstore.ErrNoDispatch) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := w.docs.Answers(ctx, tx, answer.Document.ID, known); err != nil {
		return false, err
	}
	if !docstore.May(d.State, d.Overlay, docstore.EventComplete) {
		return true, nil
	}
	_, err = w.carry(ctx, tx, units, d, docstore.Act{
		Event: docstore.EventComplete, Source: docstore.SourceSystem, Note: "đã trả lời bằng văn bản " + label(answer.Document),
	}, answering())
	return true, err
}
