package peer

import (
	"context"
	"fmt"
	"time"

	"vanthu/internal/sqldb"
)

// TransferField is the header field that a server puts before what it hands to
// a peer: its queue id. A message that comes again under the same name, because
// the 250 was lost, is the same message.
const TransferField = "X-VB-Chuyen"

// Transfer names what a peer hands over, for one recipient.
type Transfer struct {
	Peer    Name
	QueueID string // the peer's
	Rcpt    string // as the peer wrote it
}

const (
	qTaken  = `SELECT local_id FROM peer_transfer WHERE peer = $1 AND queue_id = $2 AND rcpt = $3`
	qTake   = `INSERT INTO peer_transfer (peer, queue_id, rcpt, local_id, at_us) VALUES ($1, $2, $3, $4, $5)`
	qForget = `DELETE FROM peer_transfer WHERE at_us < $1`
	qSeen   = `SELECT count(*) FROM peer_status WHERE peer = $1 AND id = $2`
	qSee    = `INSERT INTO peer_status (peer, id, at_us) VALUES ($1, $2, $3)`
)

// Taken gives the name under which a transfer was accepted before; ok is false
// when it is new.
func Taken(ctx context.Context, r sqldb.Reader, t Transfer) (localID string, ok bool, err error) {
	err = r.QueryRow(ctx, qTaken, string(t.Peer), t.QueueID, t.Rcpt).Scan(&localID)
	if sqldb.NoRows(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("look for an earlier transfer: %w", err)
	}
	return localID, true, nil
}

// Take notes a transfer as accepted under our queue id.
func Take(ctx context.Context, tx *sqldb.Tx, t Transfer, localID string, at time.Time) error {
	if _, err := tx.Exec(ctx, qTake, string(t.Peer), t.QueueID, t.Rcpt, localID, sqldb.Micros(at)); err != nil {
		return fmt.Errorf("note a transfer: %w", err)
	}
	return nil
}

// Forget drops transfers from before a time: by then no sender tries any more.
func (r *Registry) Forget(ctx context.Context, before time.Time) (n int64, err error) {
	err = r.db.Update(ctx, func(tx *sqldb.Tx) (err error) {
		n, err = tx.Exec(ctx, qForget, sqldb.Micros(before))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("forget old transfers: %w", err)
	}
	return n, nil
}

// Seen tells whether a status was taken before.
func Seen(ctx context.Context, r sqldb.Reader, s Status) (bool, error) {
	var n int
	if err := r.QueryRow(ctx, qSeen, string(s.From), s.ID).Scan(&n); err != nil {
		return false, fmt.Errorf("look for an earlier status: %w", err)
	}
	return n > 0, nil
}

// See notes a status as taken.
func See(ctx context.Context, tx *sqldb.Tx, s Status, at time.Time) error {
	if _, err := tx.Exec(ctx, qSee, string(s.From), s.ID, sqldb.Micros(at)); err != nil {
		return fmt.Errorf("note a status: %w", err)
	}
	return nil
}
