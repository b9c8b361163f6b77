package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// dayBefore is when a due time is near, as long as nothing is known of working days.
func dayBefore(due time.Time) time.Time { return due.Add(-24 * time.Hour) }

// task is what one account sees of a dispatch under "Việc của tôi"; account 0
// stands for the dispatch's own message.
type task struct {
	account directory.AccountID
	place   docstore.Place
	since   int64
	next    int64
}

// settle brings what depends on a dispatch's state and time in line with them:
// the keywords of its message, and the folders of those who work on it.
func (w *Workflow) settle(ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch) error {
	if d.To == 0 {
		return nil
	}
	have, err := tasksOf(ctx, tx, d.ID)
	if err != nil {
		return err
	}
	if err := w.settleOwn(ctx, tx, d, have); err != nil {
		return err
	}
	var people []docstore.Assignee
	if d.State == docstore.StateAssigned || d.State == docstore.StateProcessing {
		if people, err = docstore.Assignees(ctx, tx, d.ID); err != nil {
			return err
		}
	}
	for _, t := range have {
		if t.account == 0 || slices.ContainsFunc(people, func(a docstore.Assignee) bool { return a.Account == t.account }) {
			continue
		}
		if t.place.Mailbox != 0 {
			if _, err := w.boxes.Remove(ctx, tx, mailstore.MailboxID(t.place.Mailbox), mailstore.UIDs(mailstore.UID(t.place.UID))); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, qDeleteTask, int64(d.ID), int64(t.account)); err != nil {
			return fmt.Errorf("take a task away: %w", err)
		}
	}
	for _, a := range people {
		t := task{account: a.Account}
		i := slices.IndexFunc(have, func(t task) bool { return t.account == a.Account })
		if i >= 0 {
			t = have[i]
		}
		if err := w.settleTask(ctx, tx, d, a, t); err != nil {
			return err
		}
	}
	return nil
}

// near gives when the due time is near, and whether it is or has passed by now.
func (w *Workflow) near(due time.Time) (soon time.Time, isSoon, isLate bool) {
	if due.IsZero() {
		return time.Time{}, false, false
	}
	now := w.opt.Now()
	soon = w.opt.DayBefore(due)
	return soon, !now.Before(soon), now.After(due)
}

// next gives when a due time changes something by itself: 0 never.
func (w *Workflow) next(due time.Time) int64 {
	soon, isSoon, isLate := w.near(due)
	switch {
	case due.IsZero() || isLate:
		return 0
	case isSoon:
		return sqldb.Micros(due) + 1
	}
	return sqldb.Micros(soon)
}

// settleTask brings one person's entry to the folder where it belongs. One that
// its reader has deleted comes back only when the document is assigned anew.
func (w *Workflow) settleTask(ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch, a docstore.Assignee, t task) error {
	due := a.Due
	if due.IsZero() {
		due = d.Due
	}
	if a.Role == docstore.RoleNotice {
		due = time.Time{} // who only takes notice is never late
	}
	role := mailstore.RoleTaskWaiting
	_, isSoon, isLate := w.near(due)
	switch {
	case isLate:
		role = mailstore.RoleTaskLate
	case isSoon:
		role = mailstore.RoleTaskSoon
	case d.State == docstore.StateProcessing:
		role = mailstore.RoleTaskWorking
	}
	folder, err := w.boxes.TaskFolder(ctx, tx, a.Account, role)
	if errors.Is(err, mailstore.ErrNoMailbox) {
		return nil // a folder of that name is the person's own
	}
	if err != nil {
		return err
	}
	since := sqldb.Micros(a.Since)
	switch {
	case t.since == 0 || t.since != since && t.place.Mailbox == 0:
		doc, err := docstore.DocumentByID(ctx, tx, d.Document)
		if err != nil {
			return err
		}
		uid, err := w.boxes.Deliver(ctx, tx, folder, mailstore.MessageID(doc.Message), 0, w.opt.Now())
		if errors.Is(err, mailstore.ErrOverQuota) || errors.Is(err, mailstore.ErrNoMessage) {
			w.opt.Log.InfoContext(ctx, "a task is not shown", "doc_id", int64(doc.ID), "account", int64(a.Account), "err", err)
			return nil
		}
		if err != nil {
			return err
		}
		t.place = place(folder, uid)
		if keywords, flagged := docstore.UrgencyMarks(doc.Urgency); len(keywords) > 0 {
			if err := w.keywords(ctx, tx, t.place, marks{add: keywords, flagged: flagged}); err != nil {
				return err
			}
		}
	case t.place.Mailbox != 0 && t.place.Mailbox != int64(folder):
		uid, err := w.boxes.MoveEntry(ctx, tx, mailstore.MailboxID(t.place.Mailbox), mailstore.UID(t.place.UID), folder)
		if err != nil && !errors.Is(err, mailstore.ErrNoMessage) {
			return err
		}
		if t.place = place(folder, uid); err != nil {
			t.place = docstore.Place{}
		}
	}
	if t.place.Mailbox != 0 {
		if err := w.keywords(ctx, tx, t.place, dueMarks(isSoon, isLate)); err != nil {
			return err
		}
	}
	return putTask(ctx, tx, d.ID, task{a.Account, t.place, since, w.next(due)})
}

func dueMarks(isSoon, isLate bool) (m marks) {
	switch {
	case isLate:
		m.add = []string{docstore.KeywordLate, docstore.LabelRed}
	case isSoon:
		m.add = []string{docstore.LabelOrange}
	default:
		m.drop = []string{docstore.KeywordLate}
	}
	return m
}

// settleOwn sets the keywords of the dispatch's own message.
func (w *Workflow) settleOwn(ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch, have []task) error {
	due := d.Due
	if !d.State.Open() || d.State == docstore.StateCompleted {
		due = time.Time{}
	}
	_, isSoon, isLate := w.near(due)
	m := dueMarks(isSoon, isLate)
	if d.Overlay == docstore.OverlayRecall {
		m.add = append(m.add, docstore.KeywordRecall)
	} else {
		m.drop = append(m.drop, docstore.KeywordRecall)
	}
	if d.State != docstore.StateRecalled && d.State != docstore.StateWithdrawn {
		m.add = append(m.add, docstore.KeywordIncoming)
	}
	if d.Place != (docstore.Place{}) {
		if err := w.keywords(ctx, tx, d.Place, m); err != nil {
			return err
		}
	}
	next := w.next(due)
	known := slices.ContainsFunc(have, func(t task) bool { return t.account == 0 })
	if next == 0 && !known {
		return nil
	}
	return putTask(ctx, tx, d.ID, task{next: next})
}

// arrived marks the message of a document that has just come to a unit: urgent,
// or with something about it that needs a look.
func (w *Workflow) arrived(ctx context.Context, tx *sqldb.Tx, doc docstore.Document, d docstore.Dispatch) error {
	if d.Place == (docstore.Place{}) || d.State != docstore.StateArrived {
		return nil
	}
	m := marks{add: []string{docstore.KeywordIncoming}}
	more, flagged := docstore.UrgencyMarks(doc.Urgency)
	m.add, m.flagged = append(m.add, more...), flagged
	warnings, err := docstore.Warnings(ctx, tx, doc.ID)
	if err != nil {
		return err
	}
	if len(warnings) > 0 || doc.DuplicateOf != 0 || doc.Level > edoc.L1 {
		m.add = append(m.add, docstore.LabelLook)
	}
	if err := w.keywords(ctx, tx, d.Place, m); err != nil || d.Due.IsZero() {
		return err
	}
	return putTask(ctx, tx, d.ID, task{next: w.next(d.Due)})
}

// marks are keywords that a message gets and those that it loses.
type marks struct {
	add, drop []string
	flagged   bool
}

// keywords changes the keywords of one message. Where it has gone, or where
// there is no room for another keyword, nothing is changed.
func (w *Workflow) keywords(ctx context.Context, tx *sqldb.Tx, p docstore.Place, m marks) error {
	set := mailstore.UIDs(mailstore.UID(p.UID))
	change := func(op mailstore.FlagOp, f mailstore.Flags) error {
		if f.System == 0 && len(f.Keywords) == 0 {
			return nil
		}
		_, err := w.boxes.SetFlags(ctx, tx, mailstore.MailboxID(p.Mailbox), set, mailstore.FlagChange{Op: op, Flags: f})
		if errors.Is(err, mailstore.ErrNoMailbox) || errors.Is(err, mailstore.ErrTooManyKeywords) {
			return nil
		}
		return err
	}
	on := mailstore.Flags{Keywords: m.add}
	if m.flagged {
		on.System = mailstore.Flagged
	}
	return errors.Join(change(mailstore.AddFlags, on), change(mailstore.RemoveFlags, mailstore.Flags{Keywords: m.drop}))
}

const (
	tasksTick  = 30 * time.Second // how often RunTasks looks
	tasksBatch = 100
)

// RunTasks moves what is due soon, or late, to the folders and keywords that
// say so, until ctx ends; then it returns nil.
func (w *Workflow) RunTasks(ctx context.Context) error {
	return w.again(ctx, tasksTick, "due tasks", w.SettleDue)
}

// SettleDue does once what RunTasks does again and again: for what has become
// due, and what was assigned before there were such folders.
func (w *Workflow) SettleDue(ctx context.Context) error {
	last := docstore.DispatchID(0)
	for {
		var due []docstore.DispatchID
		err := w.db.View(ctx, func(r sqldb.Reader) (err error) {
			due = nil
			rows, err := r.Query(ctx, qDueTasks, int64(last), sqldb.Micros(w.opt.Now()), tasksBatch)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, rows.Close()) }()
			for rows.Next() {
				if err := rows.Scan(&last); err != nil {
					return err
				}
				due = append(due, last)
			}
			return rows.Err()
		})
		if err != nil || len(due) == 0 {
			return err
		}
		for _, id := range due {
			if err := w.db.Update(ctx, func(tx *sqldb.Tx) error {
				d, err := docstore.DispatchByID(ctx, tx, id)
				if err != nil {
					return err
				}
				return w.settle(ctx, tx, d)
			}); err != nil {
				return fmt.Errorf("dispatch %d: %w", id, err)
			}
		}
	}
}

func tasksOf(ctx context.Context, r sqldb.Reader, id docstore.DispatchID) (list []task, err error) {
	rows, err := r.Query(ctx, qTasks, int64(id))
	if err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var t task
		if err := rows.Scan(&t.account, &t.place.Mailbox, &t.place.UID, &t.since, &t.next); err != nil {
			return nil, fmt.Errorf("read tasks: %w", err)
		}
		list = append(list, t)
	}
	return list, rows.Err()
}

func putTask(ctx context.Context, tx *sqldb.Tx, id docstore.DispatchID, t task) error {
	if _, err := tx.Exec(ctx, qPutTask, int64(id), int64(t.account), t.place.Mailbox, t.place.UID, t.since, t.next); err != nil {
		return fmt.Errorf("record a task: %w", err)
	}
	return nil
}

// dispatchByTask gives the dispatch that somebody sees there among his tasks.
func dispatchByTask(ctx context.Context, r sqldb.Reader, p docstore.Place) (docstore.Dispatch, error) {
	var id docstore.DispatchID
	err := r.QueryRow(ctx, qTaskAt, p.Mailbox, p.UID).Scan(&id)
	if sqldb.NoRows(err) {
		return docstore.Dispatch{}, docstore.ErrNoDispatch
	}
	if err != nil {
		return docstore.Dispatch{}, fmt.Errorf("look up a task: %w", err)
	}
	return docstore.DispatchByID(ctx, r, id)
}

const (
	qTasks   = `SELECT account_id, mailbox_id, uid, since_us, next_us FROM task WHERE dispatch_id = $1 ORDER BY account_id`
	qTaskAt  = `SELECT dispatch_id FROM task WHERE mailbox_id = $1 AND uid = $2 AND mailbox_id <> 0`
	qPutTask = `
INSERT INTO task (dispatch_id, account_id, mailbox_id, uid, since_us, next_us) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (dispatch_id, account_id) DO UPDATE SET mailbox_id = excluded.mailbox_id, uid = excluded.uid,
  since_us = excluded.since_us, next_us = excluded.next_us`
	qDeleteTask = `DELETE FROM task WHERE dispatch_id = $1 AND account_id = $2`
	qDueTasks   = `
SELECT id FROM dispatch WHERE id > $1 AND (
  id IN (SELECT dispatch_id FROM task WHERE next_us <> 0 AND next_us <= $2)
  OR state IN ('assigned', 'processing') AND to_unit <> 0 AND id IN (SELECT dispatch_id FROM assignee)
     AND id NOT IN (SELECT dispatch_id FROM task WHERE account_id <> 0)) ORDER BY id LIMIT $3`
)
