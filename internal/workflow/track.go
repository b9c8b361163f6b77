package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

const (
	trackingTick  = time.Second // how often Run looks without being told
	trackingBatch = 100         // tracking messages made before Run looks again
)

// Run keeps the tracking messages up to date until ctx ends, and returns nil
// then. What is due lies in the database, so a restart loses nothing.
func (w *Workflow) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.docs.TrackingChanged():
		case <-timer.C:
		}
		next, err := w.track(ctx)
		if err != nil && ctx.Err() == nil {
			w.opt.Log.ErrorContext(ctx, "tracking messages not made", "err", err)
		}
		timer.Reset(next)
	}
}

// track makes the tracking messages that are due, and says when to look again.
func (w *Workflow) track(ctx context.Context) (next time.Duration, err error) {
	var due []docstore.Tracking
	err = w.db.View(ctx, func(r sqldb.Reader) (err error) {
		due, err = docstore.StaleTracking(ctx, r, w.opt.Now().Add(-w.opt.TrackingInterval), trackingBatch)
		return err
	})
	if err != nil {
		return trackingTick, err
	}
	for _, t := range due {
		switch err := w.trackOne(ctx, t); {
		case err == nil:
		case ctx.Err() != nil:
			return 0, err
		default:
			w.opt.Log.WarnContext(ctx, "tracking message not made", "doc_id", int64(t.Document), "err", err)
			if err := w.delayTracking(ctx, t.Document); err != nil {
				return trackingTick, err
			}
		}
	}
	if len(due) == trackingBatch {
		return 0, nil
	}
	next = trackingTick
	err = w.db.View(ctx, func(r sqldb.Reader) error {
		made, ok, err := docstore.NextTracking(ctx, r)
		if ok {
			next = min(next, max(0, made.Add(w.opt.TrackingInterval).Sub(w.opt.Now())))
		}
		return err
	})
	return next, err
}

func (w *Workflow) delayTracking(ctx context.Context, id docstore.DocumentID) error {
	return w.db.Update(ctx, func(tx *sqldb.Tx) error { return w.docs.DelayTracking(ctx, tx, id) })
}

// progress is a document with how far it got at each unit.
type progress struct {
	doc      docstore.Document
	original *docstore.Document // that it repeats, nil for none
	warnings []docstore.Warning
	lines    []line
	due      []docstore.DueState // of the lines
	upTo     int64               // newest status event in it
	tally    *docstore.Tally     // of what asks for opinions, nil for other documents
	at       time.Time
}

// line is one recipient unit of a progress.
type line struct {
	unit     string
	dispatch docstore.Dispatch
	last     docstore.StatusEvent
}

// dueStates notes how the lines stand with their due times.
func (p *progress) dueStates(cals docstore.Calendars) {
	p.due = make([]docstore.DueState, len(p.lines))
	for i, l := range p.lines {
		if l.dispatch.To != 0 {
			p.due[i] = l.dispatch.DueState(cals.Of(l.dispatch.To), p.at)
		}
	}
}

// trackOne puts a new tracking message of a document in place of the old one.
func (w *Workflow) trackOne(ctx context.Context, t docstore.Tracking) error {
	units := w.dir.Snapshot()
	p := progress{at: w.opt.Now()}
	var to mailstore.MailboxID
	err := w.db.View(ctx, func(r sqldb.Reader) (err error) {
		if err := p.read(ctx, r, units, t.Document); err != nil {
			return err
		}
		cals, err := w.docs.Calendars(ctx, r)
		if err != nil {
			return err
		}
		p.dueStates(cals)
		to, err = w.trackingFolder(ctx, r, p.doc)
		return err
	})
	if err != nil {
		return err
	}
	recipient := senderBox(units, p.doc)
	body, err := w.compose(p.message(w.author(recipient.Addr), recipient))
	if err != nil {
		return err
	}
	err = w.db.Update(ctx, func(tx *sqldb.Tx) error {
		uid, err := w.put(ctx, tx, body, to, p.at)
		if err != nil {
			return err
		}
		if t.Place != (docstore.Place{}) {
			old := mailstore.UIDs(mailstore.UID(t.Place.UID))
			// Its reader may have deleted or moved it: then nothing is removed.
			if _, err := w.boxes.Remove(ctx, tx, mailstore.MailboxID(t.Place.Mailbox), old); err != nil {
				return err
			}
		}
		return w.docs.SetTracking(ctx, tx, docstore.Tracking{
			Document: t.Document, Place: place(to, uid), Made: p.at, Revision: p.revision(),
		}, p.upTo)
	})
	return errors.Join(err, body.Release())
}

func (p *progress) read(
	ctx context.Context, r sqldb.Reader, units *directory.Snapshot, id docstore.DocumentID,
) (err error) {
	if p.doc, err = docstore.DocumentByID(ctx, r, id); err != nil {
		return err
	}
	if p.doc.DuplicateOf != 0 {
		original, err := docstore.DocumentByID(ctx, r, p.doc.DuplicateOf)
		if err != nil {
			return err
		}
		p.original = &original
	}
	if p.warnings, err = docstore.Warnings(ctx, r, id); err != nil {
		return err
	}
	dispatches, err := docstore.Dispatches(ctx, r, id)
	if err != nil {
		return err
	}
	events, err := docstore.DocumentEvents(ctx, r, id)
	if err != nil {
		return err
	}
	last := make(map[docstore.DispatchID]docstore.StatusEvent, len(dispatches))
	for _, e := range events {
		last[e.Dispatch] = e
		p.upTo = max(p.upTo, e.ID)
	}
	for _, d := range dispatches {
		p.lines = append(p.lines, line{unit: unitName(units, d), dispatch: d, last: last[d.ID]})
	}
	return p.readTally(ctx, r)
}

// readTally reads how far a consultation has got.
func (p *progress) readTally(ctx context.Context, r sqldb.Reader) error {
	c, err := docstore.ConsultationOf(ctx, r, p.doc.ID)
	if errors.Is(err, docstore.ErrNoConsultation) {
		return nil
	}
	if err != nil {
		return err
	}
	t, err := docstore.Count(ctx, r, c)
	p.tally = &t
	return err
}

func (p *progress) revision() int {
	if p.tally == nil {
		return 0
	}
	return p.tally.Consultation.Revision
}

func unitName(units *directory.Snapshot, d docstore.Dispatch) string {
	if u, ok := units.Unit(d.To); ok {
		return u.Name
	}
	return d.Address
}

// trackingFolder gives where the tracking message of a document belongs: with
// the sender's unit, else in the sender's INBOX.
func (w *Workflow) trackingFolder(
	ctx context.Context, r sqldb.Reader, doc docstore.Document,
) (mailstore.MailboxID, error) {
	if doc.Issuer != 0 {
		id, err := w.boxes.Role(ctx, r, doc.Issuer, mailstore.RoleTracking)
		if !errors.Is(err, mailstore.ErrNoMailbox) {
			return id, err
		}
	}
	return w.boxes.Inbox(ctx, r, mailstore.Owner{Account: doc.From})
}

// senderBox gives whom the server writes to about a document.
func senderBox(units *directory.Snapshot, doc docstore.Document) mail.Mailbox {
	if u, ok := units.Unit(doc.Issuer); ok {
		return mail.Mailbox{Name: u.Name, Addr: u.Address}
	}
	a, _ := units.Account(doc.From)
	return mail.Mailbox{Name: a.Name, Addr: a.Login}
}

// author gives who the server writes as.
func (w *Workflow) author(to mail.Address) mail.Mailbox {
	from := w.opt.From
	if from.IsZero() {
		from = mail.Address{Local: "postmaster", Domain: to.Domain}
	}
	return mail.Mailbox{Name: "Hệ thống văn bản", Addr: from}
}

// compose scans a message of ours for the mail store.
func (w *Workflow) compose(b mail.Builder) (*mailstore.Finished, error) {
	body := w.boxes.NewBody()
	defer body.Abort()
	if _, err := body.Write(b.Bytes()); err != nil {
		return nil, fmt.Errorf("compose a message: %w", err)
	}
	return body.Finish()
}

// nullSender is the trace field of a message that nobody may answer by an
// automatic reply; RFC 5321, section 4.4.
const nullSender = "Return-Path: <>\r\n"

// put stores a message of ours in one mailbox.
func (w *Workflow) put(
	ctx context.Context, tx *sqldb.Tx, body *mailstore.Finished, to mailstore.MailboxID, at time.Time,
) (mailstore.UID, error) {
	id, err := w.boxes.Store(ctx, tx, body, []byte(nullSender), at)
	if err != nil {
		return 0, err
	}
	return w.boxes.Deliver(ctx, tx, to, id, 0, at)
}

// tellRefusal puts a notice of a refusal into the INBOX of the person who
// sent the document; refusals do not wait for somebody to look at the tracking
// message (edoc.md §4.9).
func (w *Workflow) tellRefusal(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, d docstore.Dispatch, ev docstore.StatusEvent,
) error {
	doc, err := docstore.DocumentByID(ctx, tx, d.Document)
	if err != nil {
		return err
	}
	l := line{unitName(units, d), d, ev}
	return w.tellSender(ctx, tx, units, doc, func(from, to mail.Mailbox) mail.Builder { return refusal(from, to, doc, l) }, ev.At)
}
