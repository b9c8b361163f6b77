package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// readText finds what a message is by its text, before the transaction.
func (in *Incoming) readText(ctx context.Context) (err error) {
	if in.replied, err = in.ownReply(in.fin); err == nil {
		in.drafts, err = in.ownDraft(ctx, in.fin)
	}
	return err
}

// ownReply finds what a message of our own people asks for by its first lines
// or by a tag, see [docstore.Replied]; nil for nothing. It reads the text, so it
// belongs before the transaction. An automatic message asks for nothing.
func (in *Incoming) ownReply(fin *mailstore.Finished) (*docstore.Replied, error) {
	m := fin.Scan
	if in.d.opt.Replied == nil || in.origin.Account == 0 || in.origin.Package != nil || isAutomatic(m) {
		return nil, nil //nolint:nilnil // most messages
	}
	r := docstore.Replied{
		By: in.origin.Account, MailID: docstore.MailID(m.Envelope.MessageID), Answers: answered(m), Recalls: in.rec.Op == edoc.OpRecall,
		FromUnit: in.fromUnit(m), Document: in.rec.IsDocument(), Files: len(m.Attachments()),
	}
	for _, op := range in.rec.Ops {
		if op.Op == edoc.OpReply && op.Code != nil {
			r.Codes = append(r.Codes, *op.Code)
		}
	}
	snap := in.d.stores.Directory.Snapshot()
	for _, x := range in.local {
		if x.Kind == directory.ToUnit && !slices.Contains(r.Units, x.Unit) {
			r.Units = append(r.Units, x.Unit)
		}
		if x.Kind == directory.ToAccount {
			r.People = append(r.People, x.Account)
		}
	}
	for _, to := range in.env.To {
		r.ToServer = r.ToServer || strings.EqualFold(to.Addr.Local, "postmaster") && snap.IsLocal(to.Addr.Domain)
	}
	if !r.Recalls && len(r.Answers)+len(r.Codes) == 0 {
		return nil, nil //nolint:nilnil // as above
	}
	text, err := mailstore.OwnText(m.Root, fin)
	if err != nil {
		return nil, fmt.Errorf("read the text: %w", err)
	}
	r.Reply = edoc.ParseReply(text, in.d.opt.Now())
	if r.Document || len(r.Units) == 0 && !r.ToServer { // of a document, and of what people write to each other, only opinions count
		r.Reply.Commands = slices.DeleteFunc(r.Reply.Commands, func(c edoc.Command) bool { return docstore.VoteFor(c.Verb) == "" })
	}
	if !r.Recalls {
		if len(r.Reply.Commands) == 0 {
			return nil, nil //nolint:nilnil // as above
		}
		return &r, nil
	}
	s := edoc.ParseSubject(m.Envelope.Subject)
	r.Code, r.Reason = in.rec.Code, s.Abstract
	for _, op := range s.Ops {
		if op.Op == edoc.OpRecall {
			r.Code = op.Code
		}
	}
	if r.Reason == "" {
		r.Reason = r.Reply.Rest
	}
	return &r, nil
}

// isAutomatic tells whether a message was written by a program; RFC 3834, section 5.
func isAutomatic(m *mail.Message) bool {
	return m.Header.Has("Auto-Submitted") && !strings.EqualFold(strings.TrimSpace(m.Header.Get("Auto-Submitted")), "no")
}

// replyFailed is an error of what a message asks for, after which its
// transaction cannot be kept.
type replyFailed struct{ cause error }

// Error tells that a request was not carried out.
func (e replyFailed) Error() string { return "do what a message asks for: " + e.cause.Error() }

// Unwrap gives why.
func (e replyFailed) Unwrap() error { return e.cause }

// obey has done within tx what the message asks for.
func (in *Incoming) obey(ctx context.Context, tx *sqldb.Tx, msg mailstore.MessageID) error {
	if in.replied == nil {
		return nil
	}
	in.replied.Message = docstore.MessageRef(msg)
	if err := in.d.opt.Replied(ctx, tx, *in.replied); err != nil {
		return replyFailed{err}
	}
	return nil
}

// update runs the transaction that takes the message in. The message is taken
// in as well when what it asks for cannot be done: its author is told then.
func (in *Incoming) update(ctx context.Context, fn func(tx *sqldb.Tx) error) error {
	err := in.d.stores.DB.Update(ctx, fn)
	failed, ok := errors.AsType[replyFailed](err)
	if !ok || ctx.Err() != nil {
		return err
	}
	in.d.opt.Log.ErrorContext(ctx, "a message was accepted, what it asks for is not done", "queue_id", string(in.id), "err", failed.cause)
	in.replied.Failed = failed.cause
	if err = in.d.stores.DB.Update(ctx, fn); err == nil {
		return nil
	}
	if _, again := errors.AsType[replyFailed](err); !again {
		return err
	}
	in.replied = nil // not even the answer
	return in.d.stores.DB.Update(ctx, fn)
}
