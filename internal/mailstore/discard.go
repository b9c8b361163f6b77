package mailstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"vanthu/internal/blob"
	"vanthu/internal/sqldb"
)

// claims counts the finished large bodies by their file, from before the file
// has its name until Release. Who wants to remove a file at once takes the
// lock, so nobody can be between naming a file and claiming it.
type claims struct {
	mu   sync.RWMutex // held for reading while a file gets its name and is claimed
	in   sync.Mutex   // guards held
	held map[blob.Hash]int
}

// commit gives a spooled body its name and claims it.
func (c *claims) commit(w *blob.Writer) (blob.Hash, int64, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	h, size, err := w.Commit()
	if err != nil {
		return blob.Hash{}, 0, err
	}
	c.in.Lock()
	defer c.in.Unlock()
	if c.held == nil {
		c.held = map[blob.Hash]int{}
	}
	c.held[h]++
	return h, size, nil
}

// release ends one claim and gives how many are left.
func (c *claims) release(h blob.Hash) int {
	c.in.Lock()
	defer c.in.Unlock()
	if c.held[h]--; c.held[h] > 0 {
		return c.held[h]
	}
	delete(c.held, h)
	return 0
}

// count gives how many claims there are on a file.
func (c *claims) count(h blob.Hash) int {
	c.in.Lock()
	defer c.in.Unlock()
	return c.held[h]
}

// Discard throws a message away that must leave nothing behind, such as one
// with the mark of a state secret: the file of a large body is removed at once
// instead of by the collector, unless a stored message, or another one that is
// just arriving, has the very same octets. f is released.
func (s *Store) Discard(ctx context.Context, f *Finished) error {
	if !f.large || f.released {
		return f.Release()
	}
	left, err := f.release()
	if err != nil || left > 0 {
		return err
	}
	return s.removeUnused(ctx, blob.Hash(f.SHA256))
}

// removeUnused removes a file at once, unless a stored message, or another one
// that is just arriving, has the very same octets.
func (s *Store) removeUnused(ctx context.Context, h blob.Hash) error {
	s.claims.mu.Lock()
	defer s.claims.mu.Unlock()
	if s.claims.count(h) > 0 {
		return nil
	}
	used := true
	err := s.db.View(ctx, func(r sqldb.Reader) error {
		var id int64
		err := r.QueryRow(ctx, qBlobUsed, h[:]).Scan(&id)
		used = err == nil
		if sqldb.NoRows(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look for users of a file: %w", err)
	}
	if used {
		return nil
	}
	_, err = s.blobs.RemoveOlder(h, time.Time{})
	return err
}
