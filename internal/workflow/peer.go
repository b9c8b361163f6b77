package workflow

import (
	"context"

	"vanthu/docstore"
	"vanthu/internal/edoc"
	"vanthu/internal/sqldb"
)

// tellPeer reports an act on a document that came from another server to that
// server.
func (w *Workflow) tellPeer(ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch, ev docstore.StatusEvent) error {
	if d.Peer == "" || d.To == 0 || w.opt.Peers == nil {
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
	d, ev, moved, err := w.docs.Report(ctx, tx, rep)
	if err != nil {
		return err
	}
	if moved && rep.Status == edoc.StatusRefused {
		return w.tellRefusal(ctx, tx, w.dir.Snapshot(), d, ev)
	}
	return nil
}
