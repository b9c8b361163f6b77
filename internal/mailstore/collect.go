package mailstore

import (
	"context"
	"fmt"
	"time"

	"vanthu/internal/blob"
	"vanthu/internal/sqldb"
)

// minAge is how long a message without entries and a file without rows stay at
// least: a delivery that has its file but not yet its row must never lose it.
const minAge = time.Hour

// CollectOptions tunes [Store.Collect].
type CollectOptions struct {
	OlderThan time.Duration // how long a message has been without entries; less than 1 h means 1 h
	// Keep reports whether somebody else needs a message that no mailbox holds,
	// such as a document. It is asked inside the transaction that would delete
	// it. nil means nobody. Whoever lets a kept message go calls
	// [Store.Orphan].
	Keep func(ctx context.Context, r sqldb.Reader, id MessageID) (bool, error)
	// Thorough also looks for messages that never got an entry and for files
	// without a row, which only a crash or a refusal leaves behind. It reads
	// all message keys and the whole blob folder: once a day is enough.
	Thorough bool
}

// Collected is what a collection removed.
type Collected struct {
	Messages int
	Octets   int64 // of the messages
	Blobs    int
}

const (
	qOldOrphans = `
SELECT message_id FROM message_orphan WHERE message_id > $1 AND since_us < $2 ORDER BY message_id LIMIT 64`
	qStrays = `
SELECT m.id FROM message AS m WHERE m.id > $1 AND m.received_us < $2
  AND NOT EXISTS (SELECT 1 FROM entry AS e WHERE e.message_id = m.id)
  AND NOT EXISTS (SELECT 1 FROM message_orphan AS o WHERE o.message_id = m.id)
ORDER BY m.id LIMIT 64`
	qHasEntry      = `SELECT uid FROM entry WHERE message_id = $1 LIMIT 1`
	qDeleteOrphan  = `DELETE FROM message_orphan WHERE message_id = $1`
	qDeleteMessage = `DELETE FROM message WHERE id = $1 RETURNING size, sha256, in_blob`
	qBlobUsed      = `SELECT id FROM message WHERE in_blob = 1 AND sha256 = $1 LIMIT 1`
	qNoteOrphan    = `
INSERT INTO message_orphan (message_id, since_us) VALUES ($1, $2)
ON CONFLICT (message_id) DO UPDATE SET since_us = excluded.since_us`
)

// Orphan notes that a message may have lost the last one who needed it.
func (s *Store) Orphan(ctx context.Context, tx *sqldb.Tx, id MessageID) error {
	if _, err := tx.Exec(ctx, qNoteOrphan, int64(id), sqldb.Micros(s.opt.Now())); err != nil {
		return fmt.Errorf("note orphan %d: %w", id, err)
	}
	return nil
}

// Collect deletes messages that no mailbox holds any more, and files that no
// message uses any more. It works in small transactions and may be stopped by
// ctx or a crash at any time. What it removed is reported also with an error.
func (s *Store) Collect(ctx context.Context, opt CollectOptions) (done Collected, err error) {
	before := s.opt.Now().Add(-max(opt.OlderThan, minAge))
	queries := []string{qOldOrphans}
	if opt.Thorough {
		queries = append(queries, qStrays)
	}
	for _, q := range queries {
		for last := MessageID(0); ; {
			ids, err := s.candidates(ctx, q, last, before)
			if err != nil {
				return done, err
			}
			if len(ids) == 0 {
				break
			}
			last = ids[len(ids)-1]
			if err := s.collect(ctx, ids, before, opt, &done); err != nil {
				return done, err
			}
		}
	}
	if !opt.Thorough {
		return done, nil
	}
	err = s.blobs.Walk(ctx, func(h blob.Hash, _ int64, committed time.Time) error {
		if !committed.Before(before) {
			return nil
		}
		return s.removeBlob(ctx, h, before, &done)
	})
	return done, err
}

func (s *Store) candidates(ctx context.Context, q string, last MessageID, before time.Time) (ids []MessageID, err error) {
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		ids = nil
		rows, err := r.Query(ctx, q, int64(last), sqldb.Micros(before))
		if err != nil {
			return err
		}
		return scanAll(rows, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			ids = append(ids, MessageID(id))
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("look for orphans: %w", err)
	}
	return ids, nil
}

// collect deletes those of ids that nobody needs, then their files.
func (s *Store) collect(ctx context.Context, ids []MessageID, before time.Time, opt CollectOptions, done *Collected) error {
	var files []blob.Hash
	var removed Collected
	err := s.db.Update(ctx, func(tx *sqldb.Tx) error {
		files, removed = nil, Collected{}
		for _, id := range ids {
			if _, err := tx.Exec(ctx, qDeleteOrphan, int64(id)); err != nil {
				return err
			}
			needed, err := s.needed(ctx, tx, id, opt)
			if err != nil {
				return err
			}
			if needed {
				continue
			}
			var size, inBlob int64
			var sum []byte
			err = tx.QueryRow(ctx, qDeleteMessage, int64(id)).Scan(&size, &sum, &inBlob)
			if sqldb.NoRows(err) {
				continue
			}
			if err != nil {
				return err
			}
			removed.Messages++
			removed.Octets += size
			if inBlob != 0 && len(sum) == len(blob.Hash{}) {
				files = append(files, blob.Hash(sum))
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete orphans: %w", err)
	}
	done.Messages += removed.Messages
	done.Octets += removed.Octets
	for _, id := range ids {
		s.structs.forget(id)
		s.previews.forget(id)
		s.index.texts.forget(id)
	}
	for _, h := range files {
		if err := s.removeBlob(ctx, h, before, done); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) needed(ctx context.Context, tx *sqldb.Tx, id MessageID, opt CollectOptions) (bool, error) {
	var uid int64
	err := tx.QueryRow(ctx, qHasEntry, int64(id)).Scan(&uid)
	if err == nil {
		return true, nil
	}
	if !sqldb.NoRows(err) {
		return false, err
	}
	if opt.Keep == nil {
		return false, nil
	}
	return opt.Keep(ctx, tx, id)
}

// removeBlob deletes a file that no row names. Whoever stores the same content
// now has touched the file before his row appears, and RemoveOlder sees that.
func (s *Store) removeBlob(ctx context.Context, h blob.Hash, before time.Time, done *Collected) error {
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
	gone, err := s.blobs.RemoveOlder(h, before)
	if gone {
		done.Blobs++
	}
	return err
}
