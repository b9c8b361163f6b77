package docstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/sqldb"
)

// A Check is a message to units whose attached files are still to be read. That
// happens after acceptance: mail never waits for it.
type Check struct {
	Message  MessageRef
	From     directory.AccountID // 0: from outside
	QueueID  string
	Accepted time.Time
	Tries    int
	Units    []Recipient // the local units that got it, with the place of their copy then
}

// maxTries is how often the files of a message are tried to be read when that
// fails for a reason of ours.
const maxTries = 5

// WantCheck has the files of a message read soon. A document goes to a hundred
// units at once, so the units are one value of one row.
func (s *Store) WantCheck(ctx context.Context, tx *sqldb.Tx, c Check) error {
	units, err := json.Marshal(c.Units)
	if err != nil {
		return fmt.Errorf("encode the units of a message: %w", err)
	}
	if _, err := tx.Exec(ctx, qInsertCheck, int64(c.Message), string(units), int64(c.From), c.QueueID, sqldb.Micros(c.Accepted)); err != nil {
		return fmt.Errorf("have the files of a message read: %w", err)
	}
	tx.OnCommit(func() {
		select {
		case s.checks <- struct{}{}:
		default: // a signal waits already
		}
	})
	return nil
}

// ChecksWanted returns a channel that receives when files are to be read. It
// holds one signal, for one listener.
func (s *Store) ChecksWanted() <-chan struct{} { return s.checks }

// NextCheck gives the oldest message whose files are to be read, and false
// when there is none.
func NextCheck(ctx context.Context, r sqldb.Reader) (c Check, ok bool, err error) {
	var units string
	var accepted int64
	err = r.QueryRow(ctx, qNextCheck).Scan(&c.Message, &units, &c.From, &c.QueueID, &accepted, &c.Tries)
	if sqldb.NoRows(err) {
		return Check{}, false, nil
	}
	if err == nil {
		c.Accepted = sqldb.Time(accepted)
		err = json.Unmarshal([]byte(units), &c.Units)
	}
	if err != nil {
		return Check{}, false, fmt.Errorf("read which files are to be read: %w", err)
	}
	return c, true, nil
}

// EndCheck records that the files of a message have been dealt with.
func (s *Store) EndCheck(ctx context.Context, tx *sqldb.Tx, m MessageRef) error {
	if _, err := tx.Exec(ctx, qDeleteCheck, int64(m)); err != nil {
		return fmt.Errorf("end the reading of a message's files: %w", err)
	}
	return nil
}

// PutOffCheck has the files of a message read later, after the others; after
// some times they are left unread.
func (s *Store) PutOffCheck(ctx context.Context, tx *sqldb.Tx, c Check) error {
	if c.Tries+1 >= maxTries {
		return s.EndCheck(ctx, tx, c.Message)
	}
	if _, err := tx.Exec(ctx, qPutOffCheck, int64(c.Message)); err != nil {
		return fmt.Errorf("put off the reading of a message's files: %w", err)
	}
	return nil
}

// AddWarning records what should be known of a document; the same code again
// replaces its text.
func (s *Store) AddWarning(ctx context.Context, tx *sqldb.Tx, doc DocumentID, w Warning) error {
	if _, err := tx.Exec(ctx, qInsertWarning, int64(doc), w.Code, w.Text.EN, w.Text.VI, sqldb.Micros(s.time())); err != nil {
		return fmt.Errorf("record a warning: %w", err)
	}
	return nil
}

// Warnings returns what should be known of a document, by code.
func Warnings(ctx context.Context, r sqldb.Reader, doc DocumentID) ([]Warning, error) {
	return collect(ctx, r, func(r row) (w Warning, err error) {
		err = r.Scan(&w.Code, &w.Text.EN, &w.Text.VI)
		return w, err
	}, qWarnings, int64(doc))
}

const (
	qInsertCheck = `
INSERT INTO document_check (message_id, units, from_account, queue_id, accepted_us, tries) VALUES ($1, $2, $3, $4, $5, 0)
ON CONFLICT (message_id) DO NOTHING`
	qNextCheck = `
SELECT message_id, units, from_account, queue_id, accepted_us, tries FROM document_check ORDER BY tries, message_id LIMIT 1`
	qDeleteCheck   = `DELETE FROM document_check WHERE message_id = $1`
	qPutOffCheck   = `UPDATE document_check SET tries = tries + 1 WHERE message_id = $1`
	qInsertWarning = `
INSERT INTO document_warning (document_id, code, text_en, text_vi, at_us) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (document_id, code) DO UPDATE SET text_en = excluded.text_en, text_vi = excluded.text_vi`
	qWarnings = `SELECT code, text_en, text_vi FROM document_warning WHERE document_id = $1 ORDER BY code`
)
