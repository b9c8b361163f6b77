package mailstore

import (
	"context"
	"errors"
	"fmt"

	"vanthu/internal/blob"
	"vanthu/internal/sqldb"
)

const qBodyNamed = `SELECT count(*) FROM message WHERE in_blob = 1 AND sha256 = $1`

// Discard throws a message away that must leave nothing behind: the file of a
// large body is removed at once instead of by the collector, unless a stored
// message has the very same octets. f is released.
func (s *Store) Discard(ctx context.Context, f *Finished) error {
	if err := f.Release(); err != nil {
		return err
	}
	if !f.large {
		return nil
	}
	var n int
	if err := s.db.View(ctx, func(r sqldb.Reader) error {
		return r.QueryRow(ctx, qBodyNamed, f.SHA256[:]).Scan(&n)
	}); err != nil {
		return fmt.Errorf("look whether a body is in use: %w", err)
	}
	if n > 0 {
		return nil
	}
	if err := s.blobs.Remove(blob.Hash(f.SHA256)); err != nil && !errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("remove a body: %w", err)
	}
	return nil
}
