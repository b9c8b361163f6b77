package docstore

import (
	"context"

	"vanthu/internal/sqldb"
)

// EventsSince returns the status events after the one with that ID, in the order
// in which they were committed.
func EventsSince(ctx context.Context, r sqldb.Reader, after int64, limit int) ([]StatusEvent, error) {
	return collect(ctx, r, scanEvent, qEventsSince, after, limit)
}

// DocumentsSince returns the documents after that one, in the order in which
// they were accepted.
func DocumentsSince(ctx context.Context, r sqldb.Reader, after DocumentID, limit int) ([]Document, error) {
	return collect(ctx, r, scanDocument, qDocumentsSince, int64(after), limit)
}

const (
	qEventsSince    = `SELECT ` + eventColumns + ` FROM status_event WHERE id > $1 ORDER BY id LIMIT $2`
	qDocumentsSince = `SELECT ` + documentColumns + ` FROM document WHERE id > $1 ORDER BY id LIMIT $2`
)
