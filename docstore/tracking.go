package docstore

import (
	"context"
	"fmt"
	"time"

	"vanthu/internal/sqldb"
)

// Tracking is the state of a document's living tracking message, which tells
// the sender how far it got. edoc.md §4.9.
type Tracking struct {
	Document DocumentID
	Place    Place     // of the present message; zero: none yet
	Made     time.Time // when it was made
	Revision int       // of the document's consultation that it shows, 0 for none
}

// TrackingChanged returns a channel that receives when tracking messages have
// become out of date. It holds one signal: who listens must look for all of
// them. There is one listener.
func (s *Store) TrackingChanged() <-chan struct{} { return s.tracking }

// touchTracking marks the tracking message of doc as out of date. A document
// from outside has none.
func (s *Store) touchTracking(ctx context.Context, tx *sqldb.Tx, doc Document) error {
	if doc.Issuer == 0 && doc.From == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, qTouchTracking, int64(doc.ID)); err != nil {
		return fmt.Errorf("mark a tracking message: %w", err)
	}
	tx.OnCommit(func() {
		select {
		case s.tracking <- struct{}{}:
		default: // a signal waits already
		}
	})
	return nil
}

// StaleTracking returns the tracking messages that are out of date and whose
// last version was made at or before that time, the oldest first, at most
// limit of them.
func StaleTracking(ctx context.Context, r sqldb.Reader, made time.Time, limit int) ([]Tracking, error) {
	return collect(ctx, r, scanTracking, qStaleTracking, sqldb.Micros(made), limit)
}

// NextTracking returns when the oldest of the tracking messages that are out of
// date was made, and false when all are up to date.
func NextTracking(ctx context.Context, r sqldb.Reader) (made time.Time, ok bool, err error) {
	var us int64
	err = r.QueryRow(ctx, qNextTracking).Scan(&us)
	if sqldb.NoRows(err) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("look for stale tracking messages: %w", err)
	}
	return sqldb.Time(us), true, nil
}

// TrackingOf returns the state of a document's tracking message, and false
// when it has none.
func TrackingOf(ctx context.Context, r sqldb.Reader, doc DocumentID) (t Tracking, ok bool, err error) {
	t, err = scanTracking(r.QueryRow(ctx, qTracking, int64(doc)))
	if sqldb.NoRows(err) {
		return Tracking{}, false, nil
	}
	return t, err == nil, err
}

// SetTracking records a new tracking message, which shows what happened up to
// the status event upTo. When more has happened since, it is out of date again
// at once.
func (s *Store) SetTracking(ctx context.Context, tx *sqldb.Tx, t Tracking, upTo int64) error {
	if _, err := tx.Exec(ctx, qSetTracking, t.Place.Mailbox, t.Place.UID, sqldb.Micros(t.Made),
		int64(t.Document), upTo, int64(t.Document), t.Revision); err != nil {
		return fmt.Errorf("record a tracking message: %w", err)
	}
	return nil
}

// DelayTracking has a tracking message that could not be made tried again as
// if it had been made now.
func (s *Store) DelayTracking(ctx context.Context, tx *sqldb.Tx, doc DocumentID) error {
	if _, err := tx.Exec(ctx, qDelayTracking, sqldb.Micros(s.time()), int64(doc)); err != nil {
		return fmt.Errorf("delay a tracking message: %w", err)
	}
	return nil
}

func scanTracking(r row) (Tracking, error) {
	var t Tracking
	var made int64
	err := r.Scan(&t.Document, &t.Place.Mailbox, &t.Place.UID, &made)
	t.Made = sqldb.Time(made)
	return t, err
}

const qTouchTracking = `
INSERT INTO tracking (document_id, dirty, mailbox_id, uid, made_us) VALUES ($1, 1, 0, 0, 0)
ON CONFLICT (document_id) DO UPDATE SET dirty = 1`

const qStaleTracking = `
SELECT document_id, mailbox_id, uid, made_us FROM tracking
WHERE dirty = 1 AND made_us <= $1 ORDER BY made_us, document_id LIMIT $2`

const qNextTracking = `SELECT made_us FROM tracking WHERE dirty = 1 ORDER BY made_us LIMIT 1`

const qTracking = `SELECT document_id, mailbox_id, uid, made_us FROM tracking WHERE document_id = $1`

const qSetTracking = `
UPDATE tracking SET mailbox_id = $1, uid = $2, made_us = $3, dirty = (
  SELECT count(*) FROM (
    SELECT e.id FROM dispatch d JOIN status_event e ON e.dispatch_id = d.id
    WHERE d.document_id = $4 AND e.id > $5
    UNION ALL SELECT c.document_id FROM consultation c WHERE c.document_id = $6 AND c.revision > $7 LIMIT 1) AS newer)
WHERE document_id = $4`

const qDelayTracking = `UPDATE tracking SET made_us = $1 WHERE document_id = $2`
