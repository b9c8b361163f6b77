package workflow

import (
	"context"
	"errors"
	"io"
	"slices"
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

var (
	errNoUnit = fault.New(fault.Conflict, fault.Text{
		EN: "you have no role in a unit that has clerks", VI: "tài khoản chưa thuộc đơn vị nào có văn thư",
	})
	errNotReceived = fault.New(fault.Conflict, fault.Text{
		EN: "only received mail of your own is handed to the clerks", VI: "chỉ chuyển văn thư được thư do chính bạn nhận",
	})
	errHasIt = fault.New(fault.Conflict, fault.Text{
		EN: "your unit has this document already", VI: "đơn vị đã có văn bản này rồi",
	})
	errSecret = fault.New(fault.Denied, fault.Text{
		EN: "the message bears a state secrecy mark", VI: "thư có dấu chỉ độ mật, không được chuyển qua hệ thống này",
	})
)

// letterIn is a received message that its reader hands to the clerks.
type letterIn struct {
	uid      mailstore.UID
	message  mailstore.MessageID
	arrived  time.Time
	mailID   docstore.MailID
	sha      [32]byte
	author   string
	rec      edoc.Recognition
	files    []docstore.File
	readable bool // has files whose text is worth reading
}

// handOver makes documents of messages that an account received: each goes to
// "1 Chờ tiếp nhận" of its unit with the time at which it first came, and stays
// in the account's folder as what was handed over. A message that is refused
// stays where it was. NĐ 30/2020, article 21.1.b.
func (w *Workflow) handOver(
	ctx context.Context, actor directory.AccountID, from mailstore.MailboxID, uids []mailstore.UID, target box, move bool,
) (moved map[mailstore.UID]mailstore.UID, handled bool, err error) {
	by, err := w.deed(actor, docstore.SourceIMAP)
	if err != nil {
		return nil, true, err
	}
	source, err := w.boxes.Mailbox(ctx, from)
	if err != nil {
		return nil, true, err
	}
	if target.Owner.Account != actor || source.Owner.Account != actor {
		return nil, true, errNotReceived
	}
	unit, err := by.handsTo()
	if err != nil {
		return nil, true, err
	}
	var refused []error
	var letters []letterIn
	for _, uid := range uids {
		l, err := w.readLetter(ctx, by.units, from, uid)
		switch {
		case err == nil:
			letters = append(letters, l)
		case isRefusal(err):
			refused = append(refused, err)
		default:
			return nil, true, err
		}
	}
	slices.SortStableFunc(letters, func(a, b letterIn) int { return a.arrived.Compare(b.arrived) })
	moved = map[mailstore.UID]mailstore.UID{}
	for _, l := range letters {
		err := w.db.Update(ctx, func(tx *sqldb.Tx) error {
			uid, err := by.handOne(ctx, tx, unit, l, transfer{from, target.ID, move})
			if err == nil {
				moved[l.uid] = uid
			}
			return err
		})
		if err != nil && !isRefusal(err) && fault.KindOf(err) != fault.Exhausted {
			return moved, true, err
		}
		if err != nil {
			refused = append(refused, err)
		}
	}
	return moved, true, summary(refused, len(uids))
}

// transfer is a move, or a copy, from one mailbox to another.
type transfer struct {
	from, to mailstore.MailboxID
	move     bool
}

// handsTo gives the unit whose clerks get what the actor hands over: of several
// the one where he is leader, else staff, else clerk, the oldest of these.
func (b *deed) handsTo() (directory.Unit, error) {
	now := b.w.opt.Now()
	for _, role := range []directory.Role{directory.RoleLeader, directory.RoleStaff, directory.RoleClerk} {
		var found directory.Unit
		for _, r := range b.actor.Roles {
			u, ok := b.units.Unit(r.Unit)
			if ok && r.Role == role && u.Exists(now) && len(b.units.ClerksOf(u.ID)) > 0 && (found.ID == 0 || u.ID < found.ID) {
				found = u
			}
		}
		if found.ID != 0 {
			return found, nil
		}
	}
	return directory.Unit{}, errNoUnit
}

// readLetter reads all of a message that makes a document of it; it takes time
// and changes nothing.
func (w *Workflow) readLetter(
	ctx context.Context, units *directory.Snapshot, from mailstore.MailboxID, uid mailstore.UID,
) (l letterIn, err error) {
	var entry mailstore.Entry
	if err := w.db.View(ctx, func(r sqldb.Reader) (err error) {
		entry, err = w.boxes.Entry(ctx, r, from, uid)
		return err
	}); err != nil {
		if errors.Is(err, mailstore.ErrNoMessage) {
			return l, errGone
		}
		return l, err
	}
	content, err := w.boxes.Content(ctx, entry.Message)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	if len(content.Prefix) == 0 { // put there by its reader, not delivered
		return l, errNotReceived
	}
	fields := content.Structure.Fields()
	l = letterIn{
		uid: uid, message: entry.Message, arrived: content.Received, mailID: docstore.MailID(fields.MessageID), sha: content.SHA256,
	}
	if len(fields.From) > 0 {
		if l.author = fields.From[0].Name; l.author == "" {
			l.author = fields.From[0].Addr
		}
		if a, err := mail.ParseAddress(fields.From[0].Addr, true); err == nil {
			if u, ok := units.UnitByAddress(a); ok {
				l.author = u.Name
			}
		}
	}
	atts := content.Structure.Root().Attachments()
	in := edoc.Input{Subject: fields.Subject, Now: l.arrived}
	for _, a := range atts {
		in.Files = append(in.Files, edoc.File{
			Name: a.Name, Type: a.Type, Size: a.Part.BodyLen, Open: func() (io.Reader, error) { return a.Part.Decoder(content.Body()), nil },
		})
		l.readable = l.readable || w.opt.Reads != nil && w.opt.Reads(extract.File{Media: a.Type, Name: a.Name})
	}
	l.rec = edoc.Recognize(in)
	switch {
	case l.rec.Err != nil:
		return l, l.rec.Err
	case l.rec.Secret != edoc.SecretNone:
		return l, errSecret
	case !l.rec.IsDocument() || l.rec.Invalid():
		s := edoc.ParseSubject(fields.Subject)
		l.rec = edoc.Recognition{Level: edoc.L3, Abstract: s.Abstract, Urgency: s.Urgency, Due: s.Due}
		if l.rec.Abstract == "" {
			l.rec.Abstract = "(không có tiêu đề)"
		}
	}
	if l.files, err = docstore.Describe(atts, content.Body()); err != nil {
		return l, err
	}
	return l, nil
}

// handOne makes a document of one message, or refuses.
func (b *deed) handOne(ctx context.Context, tx *sqldb.Tx, unit directory.Unit, l letterIn, t transfer) (mailstore.UID, error) {
	entry, err := b.w.boxes.Entry(ctx, tx, t.from, l.uid)
	if errors.Is(err, mailstore.ErrNoMessage) || err == nil && entry.Message != l.message {
		return 0, errGone
	}
	if err != nil {
		return 0, err
	}
	if err := hasNot(ctx, tx, unit.ID, l); err != nil {
		return 0, err
	}
	act := b.w.boxes.Copy
	if t.move {
		act = b.w.boxes.Move
	}
	kept, err := act(ctx, tx, t.from, mailstore.UIDs(l.uid), t.to)
	if err != nil {
		return 0, err
	}
	if len(kept.To) != 1 {
		return 0, errGone
	}
	waiting, err := b.w.boxes.Role(ctx, tx, unit.ID, mailstore.RoleIncoming)
	if err != nil {
		return 0, err
	}
	uid, err := b.w.boxes.Deliver(ctx, tx, waiting, l.message, 0, l.arrived)
	if err != nil {
		return 0, err
	}
	at := docstore.Recipient{Unit: unit.ID, Address: unit.Address, Name: unit.Name, Place: place(waiting, uid)}
	made, err := b.w.docs.Intake(ctx, tx, docstore.In{
		Recognition: l.rec, IssuerName: l.author, MailID: l.mailID, Message: docstore.MessageRef(l.message), BodySHA256: l.sha,
		Files: l.files, Recipients: []docstore.Recipient{at}, Arrived: l.arrived,
		Actor: b.journalActor(unit.ID, directory.RoleStaff), Source: b.src,
	})
	if err != nil {
		return 0, err
	}
	for _, d := range made.Dispatches {
		if err := b.w.arrived(ctx, tx, made.Document, d); err != nil {
			return 0, err
		}
	}
	if !l.readable {
		return kept.To[0], nil
	}
	return kept.To[0], b.w.docs.WantCheck(ctx, tx, docstore.Check{
		Message: docstore.MessageRef(l.message), Accepted: l.arrived, Units: []docstore.Recipient{at},
	})
}

// hasNot refuses a message that the unit has as a document already.
func hasNot(ctx context.Context, r sqldb.Reader, unit directory.UnitID, l letterIn) error {
	var known []docstore.Document
	doc, err := docstore.DocumentByMessage(ctx, r, docstore.MessageRef(l.message))
	if err == nil {
		known = append(known, doc)
	} else if !errors.Is(err, docstore.ErrNoDocument) {
		return err
	}
	if l.mailID != "" {
		more, err := docstore.DocumentsByMail(ctx, r, l.mailID)
		if err != nil {
			return err
		}
		known = append(known, more...)
	}
	for _, doc := range known {
		if doc.Issuer == unit {
			return errHasIt
		}
		_, err := docstore.DispatchTo(ctx, r, doc.ID, unit)
		if err == nil {
			return errHasIt
		}
		if !errors.Is(err, docstore.ErrNoDispatch) {
			return err
		}
	}
	return nil
}
