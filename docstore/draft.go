package docstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// DraftID is the key of a draft.
type DraftID int64

// A Draft (dự thảo) is mail that asks for comments on the draft of a document.
// It is no document: it is in no register, and goes on no dispatch.
type Draft struct {
	ID       DraftID
	ULID     ULID
	Author   directory.AccountID
	Name     string           // of the author
	Unit     directory.UnitID // of the author, 0 for none
	Code     string           // "" when it has none yet
	Abstract string
	Due      time.Time // until when comments are wanted; zero: not said
	MailID   MailID
	Message  MessageRef // it may be gone: a draft is the mail of those who have it
	Created  time.Time
}

// A DraftComment is a reply to a draft that its author has received.
type DraftComment struct {
	Draft   DraftID
	Ordinal int
	Author  directory.AccountID // 0: from outside
	Name    string
	Unit    directory.UnitID // of its author, 0 for none
	Vote    Vote             // "" when it says none
	Text    string
	Files   int // attached
	MailID  MailID
	Message MessageRef
	At      time.Time
}

// ErrNoDraft: there is no such draft.
var ErrNoDraft = fault.New(fault.NotFound, fault.Text{EN: "there is no such draft", VI: "không có dự thảo này"})

// AddDraft records a draft that was sent. One whose Message-ID is known changes nothing.
func (s *Store) AddDraft(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, d Draft) error {
	if d.MailID == "" {
		return nil // no reply can name it
	}
	var err error
	d.Created = s.time()
	if d.ULID, err = s.ulid(d.Created); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, qInsertDraft, string(d.ULID), int64(d.Author), d.Name, int64(d.Unit), d.Code, d.Abstract, sqldb.Micros(d.Due),
		string(d.MailID), int64(d.Message), sqldb.Micros(d.Created))
	if err != nil {
		return fmt.Errorf("record a draft: %w", err)
	}
	if n == 0 {
		return nil
	}
	return s.recordDraft(ctx, tx, actor, d, "draft.sent")
}

// AddComment records a reply to a draft. One whose Message-ID is known changes nothing.
func (s *Store) AddComment(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, d Draft, c DraftComment) error {
	var err error
	if c.Text, err = opinionText(strings.ToValidUTF8(c.Text, "\uFFFD")); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, qInsertComment, int64(d.ID), int64(c.Author), c.Name, int64(c.Unit), string(c.Vote), c.Text, c.Files,
		string(c.MailID), int64(c.Message), sqldb.Micros(s.time()), int64(d.ID), string(c.MailID), string(c.MailID))
	if err != nil {
		return fmt.Errorf("record a comment: %w", err)
	}
	if n == 0 {
		return nil
	}
	return s.recordDraft(ctx, tx, actor, d, "draft.commented")
}

func (s *Store) recordDraft(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, d Draft, event string) error {
	_, err := journal.Append(ctx, tx, journal.Event{
		At: s.time(), Type: event, Actor: actor, Subject: string(d.ULID), Unit: int64(d.Unit), Data: draftData{d.MailID},
	})
	if err != nil {
		return errJournal(err)
	}
	return nil
}

// draftData is the evidence of a draft and of a comment: no text.
type draftData struct {
	Mail MailID `json:"message_id"`
}

// DraftByMail returns the draft that one of these messages was, the nearest
// first, or [ErrNoDraft].
func DraftByMail(ctx context.Context, r sqldb.Reader, ids []MailID) (Draft, error) {
	if len(ids) == 0 {
		return Draft{}, ErrNoDraft
	}
	args := make([]any, len(ids))
	marks := make([]string, len(ids))
	for i, id := range ids {
		args[i], marks[i] = string(id), "$"+strconv.Itoa(i+1)
	}
	found, err := collect(ctx, r, scanDraft, qDraftsByMail+strings.Join(marks, ", ")+")", args...)
	if err != nil {
		return Draft{}, err
	}
	for _, id := range ids {
		for _, d := range found {
			if d.MailID == id {
				return d, nil
			}
		}
	}
	return Draft{}, ErrNoDraft
}

// DraftByULID returns a draft, or [ErrNoDraft].
func DraftByULID(ctx context.Context, r sqldb.Reader, id ULID) (Draft, error) {
	d, err := scanDraft(r.QueryRow(ctx, qDraftByULID, strings.ToUpper(string(id))))
	if sqldb.NoRows(err) {
		return d, ErrNoDraft
	}
	return d, err
}

// DraftFilter narrows [Drafts]; zero fields do not count.
type DraftFilter struct {
	Unit   directory.UnitID
	Author directory.AccountID
}

// Drafts lists drafts, the newest first.
func Drafts(ctx context.Context, r sqldb.Reader, f DraftFilter, limit int) ([]Draft, error) {
	if limit <= 0 {
		limit = 100
	}
	return collect(ctx, r, scanDraft, qDrafts, int64(f.Unit), int64(f.Unit), int64(f.Author), int64(f.Author), limit)
}

// Comments returns the replies to a draft in order.
func Comments(ctx context.Context, r sqldb.Reader, id DraftID) ([]DraftComment, error) {
	list, err := collect(ctx, r, scanComment, qComments, int64(id))
	return slices.Clip(list), err
}

func scanDraft(r row) (d Draft, err error) {
	var due, created int64
	err = r.Scan(&d.ID, &d.ULID, &d.Author, &d.Name, &d.Unit, &d.Code, &d.Abstract, &due, &d.MailID, &d.Message, &created)
	d.Due, d.Created = sqldb.Time(due), sqldb.Time(created)
	return d, err
}

func scanComment(r row) (c DraftComment, err error) {
	var at int64
	err = r.Scan(&c.Draft, &c.Ordinal, &c.Author, &c.Name, &c.Unit, &c.Vote, &c.Text, &c.Files, &c.MailID, &c.Message, &at)
	c.At = sqldb.Time(at)
	return c, err
}

const draftColumns = `id, ulid, account_id, name, unit_id, code, abstract, due_us, mail_id, message_id, created_us`

const (
	qInsertDraft = `
INSERT INTO draft (ulid, account_id, name, unit_id, code, abstract, due_us, mail_id, message_id, created_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (mail_id) DO NOTHING`
	qDraftsByMail = `SELECT ` + draftColumns + ` FROM draft WHERE mail_id IN (`
	qDraftByULID  = `SELECT ` + draftColumns + ` FROM draft WHERE ulid = $1`
	qDrafts       = `
SELECT ` + draftColumns + ` FROM draft WHERE ($1 = 0 OR unit_id = $2) AND ($3 = 0 OR account_id = $4) ORDER BY id DESC LIMIT $5`
	qInsertComment = `
INSERT INTO draft_comment (draft_id, ordinal, account_id, name, unit_id, vote, text, files, mail_id, message_id, at_us)
SELECT $1, (SELECT COALESCE(MAX(ordinal), 0) + 1 FROM draft_comment WHERE draft_id = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10
WHERE NOT EXISTS (SELECT 1 FROM draft_comment WHERE draft_id = $11 AND mail_id = $12 AND $13 <> '')`
	qComments = `
SELECT draft_id, ordinal, account_id, name, unit_id, vote, text, files, mail_id, message_id, at_us FROM draft_comment
WHERE draft_id = $1 ORDER BY ordinal`
)
