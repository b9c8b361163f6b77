package workflow

import (
	"context"
	"errors"
	"slices"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
	"vanthu/internal/worktime"
)

// OpinionFiles makes the files of a consultation's summary; name gives the unit
// of a dispatch.
type OpinionFiles func(doc docstore.Document, t docstore.Tally, name func(docstore.Dispatch) string) ([]mail.File, error)

// reminderClock is when silent units are reminded, on the working day before
// the deadline.
const reminderClock = 7*time.Hour + 30*time.Minute

// remindAt gives when silent units are reminded: in the morning of the working
// day before the deadline.
func remindAt(cal *worktime.Calendar, due time.Time) time.Time {
	day := due.AddDate(0, 0, -1)
	for range 30 { // no row of holidays is longer
		if cal.IsWorkday(day) {
			break
		}
		day = day.AddDate(0, 0, -1)
	}
	return worktime.At(day, reminderClock)
}

// consultNext gives when something is to be done about a consultation: a
// reminder, when there is time for one, else its end.
func (w *Workflow) consultNext(ctx context.Context, r sqldb.Reader, issuer directory.UnitID, due time.Time) (time.Time, error) {
	cal, err := w.docs.Calendar(ctx, r, issuer)
	if err != nil {
		return due, err
	}
	if at := remindAt(cal, due); at.After(w.opt.Now()) {
		return at, nil
	}
	return due, nil
}

// consulted begins to collect the opinions on a document that asks for them.
func (w *Workflow) consulted(ctx context.Context, tx *sqldb.Tx, doc docstore.Issued) error {
	if doc.Recognition.Op != edoc.OpConsult || doc.Document.Issuer == 0 {
		return nil
	}
	_, err := docstore.ConsultationOf(ctx, tx, doc.Document.ID)
	if !errors.Is(err, docstore.ErrNoConsultation) {
		return err // sent to further units
	}
	due := doc.Document.Due
	if due.IsZero() {
		return nil // from before there were consultations
	}
	next, err := w.consultNext(ctx, tx, doc.Document.Issuer, due)
	if err != nil {
		return err
	}
	actor := journal.System("workflow")
	if a, ok := w.dir.Snapshot().Account(doc.By); ok {
		actor = journal.Actor{Kind: journal.ActorAccount, ID: int64(a.ID), Name: a.Login.String()}
	}
	_, err = w.docs.OpenConsultation(ctx, tx, actor, doc.Document, docstore.Consultation{Due: due, Silence: w.opt.Silence, Next: next})
	return err
}

// speaks gives the role by which the actor may speak for a unit.
func (b *deed) speaks(unit directory.UnitID) (directory.Role, bool) {
	for _, r := range []directory.Role{directory.RoleLeader, directory.RoleClerk} {
		if unit != 0 && b.units.HasRole(b.actor.ID, unit, r) {
			return r, true
		}
	}
	return "", false
}

func (b *deed) errMute(unit directory.UnitID) error {
	name := b.unitName(unit)
	return fault.New(fault.Denied, fault.Text{
		EN: "only a clerk or a leader of " + name + " may say its opinion", VI: "chỉ văn thư hoặc lãnh đạo của " + name + " được trả lời ý kiến của đơn vị",
	})
}

// Answer records the opinion of the unit of a dispatch: Vote and Text of o. It
// fails with fault.Denied when actor is neither clerk nor leader there; for a
// unit outside, the unit that asks records what it was answered.
func (w *Workflow) Answer(
	ctx context.Context, actor directory.AccountID, src docstore.Source, id docstore.DispatchID, o docstore.Opinion,
) (docstore.Opinion, error) {
	by, err := w.deed(actor, src)
	if err != nil {
		return o, err
	}
	err = w.db.Update(ctx, func(tx *sqldb.Tx) error {
		d, err := docstore.DispatchByID(ctx, tx, id)
		if err != nil {
			return err
		}
		o, _, err = by.opine(ctx, tx, d, o)
		return err
	})
	return o, err
}

// opine records an opinion and does what it brings: the dispatch is completed
// (06), and the consultation when it was the last. When it refuses ([isRefusal])
// it has not changed anything.
func (b *deed) opine(ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch, o docstore.Opinion) (docstore.Opinion, docstore.Dispatch, error) {
	doc, err := docstore.DocumentByID(ctx, tx, d.Document)
	if err != nil {
		return o, d, err
	}
	side := d.To
	if side == 0 {
		side = doc.Issuer
	}
	role, ok := b.speaks(side)
	if !ok {
		return o, d, b.errMute(side)
	}
	o.By, o.ByName, o.Source = b.actor.ID, b.actor.Name, b.src
	if o, err = b.w.docs.Answer(ctx, tx, b.journalActor(side, role), d, o); err != nil {
		return o, d, err
	}
	if d, err = b.w.completeAnswered(ctx, tx, b.units, d, o); err != nil {
		return o, d, broken{err}
	}
	c, err := docstore.ConsultationOf(ctx, tx, doc.ID)
	if err != nil {
		return o, d, broken{err}
	}
	t, err := docstore.Count(ctx, tx, c)
	if err == nil && t.Complete() {
		_, err = b.w.closeConsult(ctx, tx, b.units, doc, docstore.EndAnswered, answering())
	}
	if err != nil {
		return o, d, broken{err}
	}
	return o, d, nil
}

// completeAnswered completes the dispatch of a unit that has said its opinion,
// as any answer does (edoc.md §4.3, row 15). One that is not registered yet
// waits for its clerk, see settleOpinion.
func (w *Workflow) completeAnswered(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, d docstore.Dispatch, o docstore.Opinion,
) (docstore.Dispatch, error) {
	switch {
	case d.To == 0 || d.State == docstore.StateArrived || d.State == docstore.StateQuarantined:
		return d, nil
	case docstore.May(d.State, d.Overlay, docstore.EventComplete):
		var err error
		if d, err = w.carry(ctx, tx, units, d, docstore.Act{
			Event: docstore.EventComplete, Source: docstore.SourceSystem, Note: "đã trả lời lấy ý kiến: " + o.Vote.Name(),
		}, answering()); err != nil {
			return d, err
		}
	}
	return d, w.docs.SettleOpinion(ctx, tx, o.ID)
}

// CloseConsultation ends a consultation of the actor's unit.
func (w *Workflow) CloseConsultation(
	ctx context.Context, actor directory.AccountID, src docstore.Source, id docstore.DocumentID,
) (t docstore.Tally, err error) {
	err = w.asking(ctx, actor, src, id, func(tx *sqldb.Tx, b *deed, doc docstore.Document, who journal.Actor) error {
		t, err = w.closeConsult(ctx, tx, b.units, doc, docstore.EndClosed, who)
		return err
	})
	return t, err
}

// ExtendConsultation gives the units that a document asks until another time;
// it opens a consultation again that was closed.
func (w *Workflow) ExtendConsultation(
	ctx context.Context, actor directory.AccountID, src docstore.Source, id docstore.DocumentID, due time.Time,
) (t docstore.Tally, err error) {
	err = w.asking(ctx, actor, src, id, func(tx *sqldb.Tx, _ *deed, doc docstore.Document, who journal.Actor) error {
		next, err := w.consultNext(ctx, tx, doc.Issuer, due)
		if err != nil {
			return err
		}
		c, err := w.docs.ExtendConsultation(ctx, tx, who, id, due, next)
		if err != nil {
			return err
		}
		t, err = docstore.Count(ctx, tx, c)
		return err
	})
	return t, err
}

// asking runs fn in a transaction for somebody who may speak for the unit that
// asks.
func (w *Workflow) asking(
	ctx context.Context, actor directory.AccountID, src docstore.Source, id docstore.DocumentID,
	fn func(tx *sqldb.Tx, b *deed, doc docstore.Document, who journal.Actor) error,
) error {
	by, err := w.deed(actor, src)
	if err != nil {
		return err
	}
	return w.db.Update(ctx, func(tx *sqldb.Tx) error {
		if _, err := docstore.ConsultationOf(ctx, tx, id); err != nil {
			return err
		}
		doc, err := docstore.DocumentByID(ctx, tx, id)
		if err != nil {
			return err
		}
		role, ok := by.speaks(doc.Issuer)
		if !ok {
			name := by.unitName(doc.Issuer)
			return fault.New(fault.Denied, fault.Text{
				EN: "only a clerk or a leader of " + name + ", which asks, may do this", VI: "chỉ văn thư hoặc lãnh đạo của " + name + " (đơn vị lấy ý kiến) được làm việc này",
			})
		}
		return fn(tx, by, doc, by.journalActor(doc.Issuer, role))
	})
}

// closeConsult ends a consultation and sends its summary to who asked.
func (w *Workflow) closeConsult(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, doc docstore.Document, end docstore.ConsultEnd, who journal.Actor,
) (docstore.Tally, error) {
	c, err := w.docs.CloseConsultation(ctx, tx, who, doc.ID, end)
	if err != nil {
		return docstore.Tally{}, err
	}
	t, err := docstore.Count(ctx, tx, c)
	if err != nil {
		return t, broken{err}
	}
	if t.Asked == 0 { // all of it was taken back
		return t, nil
	}
	if err := w.summarize(ctx, tx, units, doc, t); err != nil {
		return t, broken{err}
	}
	return t, nil
}

const (
	consultTick  = 30 * time.Second
	consultBatch = 50
)

// RunConsultations reminds silent units, ends consultations whose time is up,
// and completes what was answered before it was registered, until ctx ends;
// then it returns nil.
func (w *Workflow) RunConsultations(ctx context.Context) error {
	return w.again(ctx, consultTick, "consultations", w.Consultations)
}

// Consultations does once what RunConsultations does again and again.
func (w *Workflow) Consultations(ctx context.Context) error {
	var due []docstore.Consultation
	var unsettled []docstore.Opinion
	err := w.db.View(ctx, func(r sqldb.Reader) (err error) {
		if due, err = docstore.DueConsultations(ctx, r, w.opt.Now(), consultBatch); err == nil {
			unsettled, err = docstore.UnsettledOpinions(ctx, r, consultBatch)
		}
		return err
	})
	if err != nil {
		return err
	}
	units := w.dir.Snapshot()
	var failed []error
	for _, c := range due {
		failed = append(failed, w.db.Update(ctx, func(tx *sqldb.Tx) error { return w.attend(ctx, tx, units, c.Document) }))
	}
	for _, o := range unsettled {
		failed = append(failed, w.db.Update(ctx, func(tx *sqldb.Tx) error { return w.settleOpinion(ctx, tx, units, o) }))
	}
	return errors.Join(failed...)
}

// attend does what is due about a consultation.
func (w *Workflow) attend(ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, id docstore.DocumentID) error {
	now := w.opt.Now()
	c, err := docstore.ConsultationOf(ctx, tx, id)
	if err != nil || !c.Open() || c.Next.After(now) { // somebody was faster
		return err
	}
	doc, err := docstore.DocumentByID(ctx, tx, id)
	if err != nil {
		return err
	}
	if !c.Due.After(now) {
		_, err := w.closeConsult(ctx, tx, units, doc, docstore.EndDeadline, answering())
		return err
	}
	t, err := docstore.Count(ctx, tx, c)
	if err != nil {
		return err
	}
	for _, d := range t.Silent() {
		if err := w.remind(ctx, tx, units, doc, c, d); err != nil {
			return err
		}
	}
	return w.docs.Reminded(ctx, tx, id, c.Due)
}

// settleOpinion completes a dispatch whose opinion came before it was registered, when
// the registration cannot be taken back any more. Once people work on it, it is
// theirs to end.
func (w *Workflow) settleOpinion(ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, o docstore.Opinion) error {
	d, err := docstore.DispatchByID(ctx, tx, o.Dispatch)
	if err != nil {
		return err
	}
	if d.State != docstore.StateRegistered {
		return w.docs.SettleOpinion(ctx, tx, o.ID)
	}
	if d.Overlay == docstore.OverlayRecall || w.opt.Now().Sub(d.Registered) < docstore.UndoLimit {
		return nil
	}
	_, err = w.completeAnswered(ctx, tx, units, d, o)
	return err
}

// voteByMail takes the opinions out of a reply when its thread is a
// consultation's, records them and answers its author. It returns the reply
// that is left.
func (b *deed) voteByMail(ctx context.Context, tx *sqldb.Tx, m docstore.Replied) (docstore.Replied, error) {
	isVote := func(c edoc.Command) bool { return docstore.VoteFor(c.Verb) != "" }
	if !slices.ContainsFunc(m.Reply.Commands, isVote) {
		return m, nil
	}
	doc, err := b.consultMeant(ctx, tx, m)
	if err != nil || doc.ID == 0 {
		return m, err
	}
	all, err := docstore.Dispatches(ctx, tx, doc.ID)
	if err != nil {
		return m, err
	}
	mine := slices.DeleteFunc(all, func(d docstore.Dispatch) bool {
		return d.To == 0 || !slices.Contains(b.units.AccountsOf(d.To), b.actor.ID)
	})
	if len(mine) == 0 {
		return m, nil // says so of something else: whoever asks, or a stranger
	}
	var votes []edoc.Command
	rest := m
	rest.Reply.Commands = nil
	for _, c := range m.Reply.Commands {
		if isVote(c) {
			votes = append(votes, c)
		} else {
			rest.Reply.Commands = append(rest.Reply.Commands, c)
		}
	}
	o := outcome{}
	for _, c := range votes {
		o.lines = append(o.lines, c.Line)
	}
	d, err := b.speaker(mine, m.FromUnit)
	switch {
	case m.Failed != nil:
		o.err = m.Failed
	case err != nil:
		o.err = err
	case slices.ContainsFunc(votes, func(c edoc.Command) bool { return c.Verb != votes[0].Verb }):
		o.err = fault.New(fault.Invalid, fault.Text{
			EN: "the reply says different opinions; write one of them", VI: "thư ghi nhiều ý kiến khác nhau; hãy chỉ ghi một ý kiến",
		})
	default:
		var text string
		for _, c := range votes {
			text = joinLines(text, c.Text)
		}
		_, d, o.err = b.opine(ctx, tx, d, docstore.Opinion{
			Vote: docstore.VoteFor(votes[0].Verb), Text: joinLines(text, m.Reply.Rest), MailID: m.MailID, Message: m.Message, Files: m.Files,
		})
		if o.err != nil && !isRefusal(o.err) {
			return m, o.err
		}
	}
	return rest, b.answerReply(ctx, tx, m, d, []outcome{o})
}

func joinLines(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n" + b
}

// speaker gives the dispatch for whose unit the author of a reply speaks, of
// those to units that the author works in.
func (b *deed) speaker(mine []docstore.Dispatch, as directory.UnitID) (docstore.Dispatch, error) {
	var may []docstore.Dispatch
	for _, d := range mine {
		if _, ok := b.speaks(d.To); !ok {
			continue
		}
		if d.To == as {
			return d, nil
		}
		may = append(may, d)
	}
	switch {
	case len(may) == 0:
		return mine[0], b.errMute(mine[0].To)
	case len(may) > 1:
		return may[0], fault.New(fault.Conflict, fault.Text{
			EN: "you speak for several of the units asked; write from the address of the one that you mean",
			VI: "bạn đại diện cho nhiều đơn vị được hỏi; hãy gửi bằng địa chỉ của đơn vị cần trả lời",
		})
	}
	return may[0], nil
}

// consultMeant finds the consultation that a reply is about: by its thread or
// by the code that it answers. It must go to the unit that asks, to somebody
// there, to the author's own unit or to the server; what people write to each
// other is not counted. The zero Document means none.
func (b *deed) consultMeant(ctx context.Context, r sqldb.Reader, m docstore.Replied) (docstore.Document, error) {
	var known []docstore.Document
	for i, id := range m.Answers {
		if name, ok := dispatchIn(id); ok {
			d, err := docstore.DispatchByULID(ctx, r, name)
			switch {
			case errors.Is(err, docstore.ErrNoDispatch):
			case err != nil:
				return docstore.Document{}, err
			case i == 0 && d.Overlay != docstore.OverlayNone:
				return docstore.Document{}, nil // answers what the sender asks about the document
			default:
				doc, err := docstore.DocumentByID(ctx, r, d.Document)
				if err != nil {
					return doc, err
				}
				known = append(known, doc)
			}
		}
		docs, err := docstore.DocumentsByMail(ctx, r, id)
		if err != nil {
			return docstore.Document{}, err
		}
		known = append(known, docs...)
	}
	for _, code := range m.Codes {
		docs, err := docstore.DocumentsByCode(ctx, r, code)
		if err != nil {
			return docstore.Document{}, err
		}
		slices.Reverse(docs)
		known = append(known, docs...)
	}
	for _, doc := range known {
		_, err := docstore.ConsultationOf(ctx, r, doc.ID)
		if errors.Is(err, docstore.ErrNoConsultation) {
			continue
		}
		if err != nil {
			return docstore.Document{}, err
		}
		if b.addressed(m, doc) {
			return doc, nil
		}
	}
	return docstore.Document{}, nil
}

// addressed reports whether a reply goes to where opinions on doc are taken.
func (b *deed) addressed(m docstore.Replied, doc docstore.Document) bool {
	return m.ToServer ||
		slices.ContainsFunc(m.Units, func(u directory.UnitID) bool {
			return u == doc.Issuer || slices.Contains(b.units.AccountsOf(u), b.actor.ID)
		}) ||
		slices.ContainsFunc(m.People, func(a directory.AccountID) bool {
			return a == doc.From || slices.Contains(b.units.AccountsOf(doc.Issuer), a)
		})
}
