package workflow

import (
	"context"
	"slices"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// supersedes asks our units to take a document that came by edXML in the place
// of earlier ones of the same organisation: those that it says it replaces, or
// the same document before it was updated. QCVN 102:2016, Bussiness types 2 and
// 3; edoc.md §1.4.2 and §4.11.
func (w *Workflow) supersedes(ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, doc docstore.Issued) error {
	b := doc.Recognition.EdXML.Business
	var ids []string
	var event docstore.Event
	switch b.Op {
	case edoc.OpUpdate:
		event, ids = docstore.EventUpdate, []string{doc.Document.EdXMLID}
		if b.DocumentID != "" && b.DocumentID != doc.Document.EdXMLID {
			ids = append(ids, b.DocumentID)
		}
	case edoc.OpReplace:
		event = docstore.EventReplace
		for _, r := range b.Replaces {
			ids = append(ids, r.DocumentID)
		}
	default:
		return nil
	}
	for _, id := range ids {
		known, err := docstore.DocumentsByEdXML(ctx, tx, id)
		if err != nil {
			return err
		}
		known = slices.DeleteFunc(known, func(k docstore.Document) bool { return k.ID >= doc.Document.ID })
		if len(known) == 0 {
			continue
		}
		if err := w.supersede(ctx, tx, units, doc, known[len(known)-1], event); err != nil {
			return err
		}
	}
	return nil
}

// supersede asks for one earlier document. Only who sent that one may.
func (w *Workflow) supersede(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, doc docstore.Issued, old docstore.Document, e docstore.Event,
) error {
	had, err := docstore.Dispatches(ctx, tx, old.ID)
	if err != nil {
		return err
	}
	for _, now := range doc.Dispatches {
		i := slices.IndexFunc(had, func(d docstore.Dispatch) bool { return d.To == now.To && d.To != 0 })
		if i < 0 || now.Peer == "" || had[i].Peer != now.Peer || !had[i].State.Open() {
			continue
		}
		if err := w.docs.Replaces(ctx, tx, now.ID, had[i].ID); err != nil {
			return err
		}
		_, err := w.carry(ctx, tx, units, had[i], docstore.Act{
			Event: e, Source: docstore.SourceEdXML, Note: "bằng văn bản " + label(doc.Document),
		}, journal.Actor{Kind: journal.ActorExternal, Name: now.Peer})
		if isRefusal(err) {
			err = w.docs.Replaces(ctx, tx, now.ID, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
