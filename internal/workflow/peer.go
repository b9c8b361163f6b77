package workflow

import (
	"cmp"
	"context"

	"vanthu/docstore"
	"vanthu/internal/edoc"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// tellPeer reports an act on a document that came from another server to that
// server, and asks the server that a document went to for it back.
func (w *Workflow) tellPeer(ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch, ev docstore.StatusEvent) error {
	if d.Peer == "" || w.opt.Peers == nil || (d.To == 0) != (ev.Status.SentBy() == edoc.SideSender) {
		return nil
	}
	doc, err := docstore.DocumentByID(ctx, tx, d.Document)
	if err != nil {
		return err
	}
	return w.opt.Peers.SendStatus(ctx, tx, doc, d, ev)
}

// Reported takes a status that another server reports, within tx: it moves the
// dispatch as an act here would, its sender's tracking message becomes due, and
// a refusal is told at once. It fails with docstore.ErrNoDispatch when nothing
// of ours went there.
func (w *Workflow) Reported(ctx context.Context, tx *sqldb.Tx, rep docstore.Reported) error {
	if rep.Status.SentBy() == edoc.SideSender {
		return w.recalledBy(ctx, tx, rep)
	}
	d, ev, moved, err := w.docs.Report(ctx, tx, rep)
	if err != nil {
		return err
	}
	if !moved {
		return w.toldLate(ctx, tx, d, ev)
	}
	units := w.dir.Snapshot()
	switch rep.Status {
	case edoc.StatusRefused:
		return w.tellRefusal(ctx, tx, units, d, ev)
	case edoc.StatusChangeAccepted, edoc.StatusChangeRefused:
		doc, err := docstore.DocumentByID(ctx, tx, d.Document)
		if err != nil {
			return err
		}
		return w.tellSender(ctx, tx, units, doc, answer(docstore.OverlayRecall, doc, line{unitName(units, d), d, ev}), ev.At)
	}
	return nil
}

// recalledBy takes another server's wish to have a document back that it sent.
func (w *Workflow) recalledBy(ctx context.Context, tx *sqldb.Tx, rep docstore.Reported) error {
	list, err := docstore.DispatchesFrom(ctx, tx, rep)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return docstore.ErrNoDispatch
	}
	units := w.dir.Snapshot()
	for _, d := range list {
		_, err := w.carry(ctx, tx, units, d, docstore.Act{Event: docstore.EventRecall, Note: rep.Note, Source: cmp.Or(rep.Source, docstore.SourcePeer)},
			journal.Actor{Kind: journal.ActorExternal, Name: rep.Peer})
		if err != nil && !isRefusal(err) {
			return err
		}
	}
	return nil
}
