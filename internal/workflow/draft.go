package workflow

import (
	"context"
	"slices"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// A Draft is a message in a unit's folder of documents that wait for a number.
type Draft struct {
	Unit    directory.UnitID
	Mailbox mailstore.MailboxID
	UID     mailstore.UID
	Message mailstore.MessageID
	By      directory.AccountID // the clerk who deals with it
	Source  docstore.Source
}

// Issuer numbers drafts and sends them; delivery does.
type Issuer interface {
	// NumberDraft gives the draft's number, always the same one.
	NumberDraft(ctx context.Context, d Draft) (code string, err error)
	// IssueDraft sends the draft under its number, removes it from its folder,
	// and tells where the unit's own copy lies: all in one transaction.
	IssueDraft(ctx context.Context, d Draft) (own docstore.Place, code string, err error)
}

// Waiting is a draft as lists show it.
type Waiting struct {
	UID     mailstore.UID `json:"uid"`
	From    string        `json:"from"`
	Subject string        `json:"subject"`
	Code    string        `json:"code"` // that it bears or asks for, "" for none
	Since   time.Time     `json:"since"`
}

// Drafts lists what waits for a number in a unit, in the order it came.
func (w *Workflow) Drafts(ctx context.Context, unit directory.UnitID) ([]Waiting, error) {
	hot, _, err := w.waitingRoom(ctx, unit)
	if err != nil {
		return nil, err
	}
	defer hot.Release()
	list := []Waiting{}
	for _, row := range hot.Version().Rows(1, hot.Version().Len()) {
		m, err := w.boxes.Meta(ctx, row.Message)
		if err != nil {
			return nil, err
		}
		f := m.Structure.Fields()
		x := Waiting{UID: row.UID, Subject: f.Subject, Since: m.Received}
		if len(f.From) > 0 {
			x.From = f.From[0].Addr
		}
		if s := edoc.ParseSubject(f.Subject); s.Code != nil {
			x.Code = s.Code.String()
		}
		list = append(list, x)
	}
	return list, nil
}

func (w *Workflow) waitingRoom(ctx context.Context, unit directory.UnitID) (hot *mailstore.Hot, id mailstore.MailboxID, err error) {
	if err := w.db.View(ctx, func(r sqldb.Reader) (err error) {
		id, err = w.boxes.Role(ctx, r, unit, mailstore.RoleNumbering)
		return err
	}); err != nil {
		return nil, 0, err
	}
	hot, err = w.boxes.Hot(ctx, id)
	return hot, id, err
}

// draft finds a draft for a clerk of its unit.
func (w *Workflow) draft(
	ctx context.Context, actor directory.AccountID, src docstore.Source, unit directory.UnitID, uid mailstore.UID,
) (Draft, error) {
	by, err := w.deed(actor, src)
	if err != nil {
		return Draft{}, err
	}
	if err := by.mustBeClerk(unit, fault.Text{EN: "number and issue documents", VI: "cấp số và phát hành văn bản"}); err != nil {
		return Draft{}, err
	}
	if w.opt.Issuer == nil {
		return Draft{}, ErrServerOnly
	}
	hot, id, err := w.waitingRoom(ctx, unit)
	if err != nil {
		return Draft{}, err
	}
	defer hot.Release()
	v := hot.Version()
	seq, ok := v.Seq(uid)
	if !ok {
		return Draft{}, errGone
	}
	row := v.At(seq)
	return Draft{Unit: unit, Mailbox: id, UID: uid, Message: row.Message, By: actor, Source: src}, nil
}

// NumberDraft gives a waiting draft its number and does not send it yet. It
// fails with fault.Denied to all but clerks of the unit.
func (w *Workflow) NumberDraft(
	ctx context.Context, actor directory.AccountID, src docstore.Source, unit directory.UnitID, uid mailstore.UID,
) (string, error) {
	d, err := w.draft(ctx, actor, src, unit, uid)
	if err != nil {
		return "", err
	}
	return w.opt.Issuer.NumberDraft(ctx, d)
}

// IssueDraft numbers a waiting draft and sends it. It fails with fault.Denied
// to all but clerks of the unit.
func (w *Workflow) IssueDraft(
	ctx context.Context, actor directory.AccountID, src docstore.Source, unit directory.UnitID, uid mailstore.UID,
) (own docstore.Place, code string, err error) {
	d, err := w.draft(ctx, actor, src, unit, uid)
	if err != nil {
		return own, "", err
	}
	return w.opt.Issuer.IssueDraft(ctx, d)
}

// issueDrafts is a move of drafts to the folder of what was issued, each by
// itself and in the order they came.
func (w *Workflow) issueDrafts(
	ctx context.Context, actor directory.AccountID, source box, uids []mailstore.UID, target box,
) (moved map[mailstore.UID]mailstore.UID, handled bool, err error) {
	if source.Owner.Unit != target.Owner.Unit {
		return nil, true, errOtherUnit
	}
	moved = make(map[mailstore.UID]mailstore.UID, len(uids))
	var refused []error
	for _, uid := range sortedUIDs(uids) {
		own, _, err := w.IssueDraft(ctx, actor, docstore.SourceIMAP, source.Owner.Unit, uid)
		switch {
		case err == nil && own.Mailbox == int64(target.ID):
			moved[uid] = mailstore.UID(own.UID)
		case err == nil: // the folder was made anew meanwhile: it is there under another number
		case isRefusal(err):
			refused = append(refused, err)
		default:
			return moved, true, err
		}
	}
	return moved, true, summary(refused, len(uids))
}

// sortedUIDs gives each UID once, in the order of arrival.
func sortedUIDs(uids []mailstore.UID) []mailstore.UID {
	return slices.Compact(slices.Sorted(slices.Values(uids)))
}
