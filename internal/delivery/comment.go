package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// drafting is what a message has to do with drafts: it is one, or comments on one.
type drafting struct {
	is      bool // a draft for comment
	draft   docstore.Draft
	comment docstore.DraftComment
}

// ownDraft finds out whether a message is a draft for comment ([DỰ THẢO], or to
// +duthao), or a reply that the author of a draft gets. It is ordinary mail all
// the same. It reads the text, so it belongs before the transaction.
func (in *Incoming) ownDraft(ctx context.Context, fin *mailstore.Finished) (*drafting, error) {
	m := fin.Scan
	ids := answered(m)
	tagged := slices.ContainsFunc(edoc.ParseSubject(m.Envelope.Subject).Ops, func(o edoc.OpRef) bool { return o.Op == edoc.OpDraft })
	if in.origin.Package != nil || in.rec.IsDocument() || isAutomatic(m) || len(ids) == 0 && in.rec.Op != edoc.OpDraft {
		return nil, nil //nolint:nilnil // most messages
	}
	if !tagged && len(ids) > 0 { // a reply may go to +duthao as well
		d, err := in.commentOn(ctx, fin, ids)
		if d != nil || err != nil {
			return d, err
		}
	}
	if in.rec.Op != edoc.OpDraft || in.origin.Account == 0 {
		return nil, nil //nolint:nilnil // of outside, or an ordinary reply
	}
	snap := in.d.stores.Directory.Snapshot()
	acct, _ := snap.Account(in.origin.Account)
	d := docstore.Draft{
		Author: acct.ID, Name: acct.Name, Unit: in.writesFor(m), Abstract: in.rec.Abstract, Due: in.rec.Due, MailID: docstore.MailID(m.Envelope.MessageID),
	}
	if d.Abstract == "" {
		d.Abstract = edoc.ParseSubject(m.Envelope.Subject).Abstract
	}
	if in.rec.Code != nil {
		d.Code = in.rec.Code.String()
	}
	return &drafting{is: true, draft: d}, nil
}

// commentOn gives the comment that a reply is, nil for none: its thread is a
// draft's, and the author of that, or the author's unit, gets it.
func (in *Incoming) commentOn(ctx context.Context, fin *mailstore.Finished, ids []docstore.MailID) (*drafting, error) {
	var d docstore.Draft
	err := in.d.stores.DB.View(ctx, func(r sqldb.Reader) (err error) {
		d, err = docstore.DraftByMail(ctx, r, ids)
		return err
	})
	if errors.Is(err, docstore.ErrNoDraft) {
		return nil, nil //nolint:nilnil // of another thread
	}
	if err != nil {
		return nil, err
	}
	if in.origin.Account == d.Author || !slices.ContainsFunc(in.local, func(r directory.Recipient) bool {
		return r.Kind == directory.ToUnit && r.Unit == d.Unit && d.Unit != 0 || r.Kind == directory.ToAccount && r.Account == d.Author
	}) {
		return nil, nil //nolint:nilnil // the author's own, or not for the author
	}
	m := fin.Scan
	text, err := mailstore.OwnText(m.Root, fin)
	if err != nil {
		return nil, fmt.Errorf("read the text: %w", err)
	}
	reply := edoc.ParseReply(text, in.d.opt.Now())
	c := docstore.DraftComment{
		Author: in.origin.Account, Unit: in.writesFor(m), Text: reply.Rest, Files: len(m.Attachments()), MailID: docstore.MailID(m.Envelope.MessageID),
	}
	for _, cmd := range reply.Commands {
		if v := docstore.VoteFor(cmd.Verb); v != "" && c.Vote == "" {
			c.Vote = v
		}
	}
	if len(reply.Commands) > 0 { // as it was written, in its order
		c.Text = edoc.OwnLines(text)
	}
	if a, ok := in.d.stores.Directory.Snapshot().Account(in.origin.Account); ok {
		c.Name = a.Name
	} else if len(m.Envelope.From) > 0 {
		c.Name = m.Envelope.From[0].Name
		if c.Name == "" {
			c.Name = m.Envelope.From[0].Addr
		}
	}
	return &drafting{draft: d, comment: c}, nil
}

// writesFor gives the unit as which, or else in which, the author of a message works.
func (in *Incoming) writesFor(m *mail.Message) directory.UnitID {
	snap := in.d.stores.Directory.Snapshot()
	if u := in.fromUnit(m); u != 0 {
		return u
	}
	a, _ := snap.Account(in.origin.Account)
	for _, r := range a.Roles {
		if u, ok := snap.Unit(r.Unit); ok && u.Exists(in.d.opt.Now()) {
			return r.Unit
		}
	}
	return 0
}

// fromUnit gives the unit whose address stands in From, 0 for none.
func (in *Incoming) fromUnit(m *mail.Message) directory.UnitID {
	if len(m.Envelope.From) == 0 || in.origin.Account == 0 {
		return 0
	}
	a, err := mail.ParseAddress(m.Envelope.From[0].Addr, true)
	if err != nil {
		return 0
	}
	u, _ := in.d.stores.Directory.Snapshot().UnitByAddress(a)
	return u.ID
}

// keepDraft records within tx what the message has to do with drafts.
func (in *Incoming) keepDraft(ctx context.Context, tx *sqldb.Tx, msg mailstore.MessageID) error {
	if in.drafts == nil {
		return nil
	}
	if in.drafts.is {
		in.drafts.draft.Message = docstore.MessageRef(msg)
		return in.d.stores.Documents.AddDraft(ctx, tx, in.actor(), in.drafts.draft)
	}
	in.drafts.comment.Message = docstore.MessageRef(msg)
	return in.d.stores.Documents.AddComment(ctx, tx, in.actor(), in.drafts.draft, in.drafts.comment)
}
