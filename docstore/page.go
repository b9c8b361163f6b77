package docstore

import (
	"context"
	"fmt"

	"vanthu/internal/sqldb"
)

// A BookPage is an entry of a register whose message has to be made anew.
type BookPage struct {
	Book
	Entry Entry
	Place Place // of the message that shows it now; zero: none
	dirty int64
}

// StalePages returns entries of registers that no message shows as they are, at
// most limit of them.
func StalePages(ctx context.Context, r sqldb.Reader, limit int) ([]BookPage, error) {
	type key struct {
		book    BookID
		ordinal int
		place   Place
		dirty   int64
	}
	keys, err := collect(ctx, r, func(r row) (k key, err error) {
		err = r.Scan(&k.book, &k.ordinal, &k.place.Mailbox, &k.place.UID, &k.dirty)
		return k, err
	}, qStalePages, limit)
	if err != nil {
		return nil, err
	}
	list := make([]BookPage, 0, len(keys))
	books := map[BookID]Book{}
	for _, k := range keys {
		b, known := books[k.book]
		if !known {
			if b, err = scanBook(r.QueryRow(ctx, qBookByID, int64(k.book))); err != nil {
				return nil, fmt.Errorf("read a register: %w", err)
			}
			books[k.book] = b
		}
		e, err := scanEntry(r.QueryRow(ctx, qEntryByOrdinal, int64(k.book), k.ordinal))
		if err != nil {
			return nil, fmt.Errorf("read a register entry: %w", err)
		}
		list = append(list, BookPage{Book: b, Entry: e, Place: k.place, dirty: k.dirty})
	}
	return list, nil
}

// SetPage records the message that shows an entry as it was when p was read.
// When it has changed since, it is out of date again at once.
func (s *Store) SetPage(ctx context.Context, tx *sqldb.Tx, p BookPage, at Place) error {
	if _, err := tx.Exec(ctx, qSetPage, at.Mailbox, at.UID, p.dirty, int64(p.ID), p.Entry.Ordinal); err != nil {
		return fmt.Errorf("record the message of a register entry: %w", err)
	}
	return nil
}

// Pages are looked for by who writes the messages; nobody is told.
const (
	qStalePages = `
SELECT book_id, ordinal, mailbox_id, uid, dirty FROM register_page WHERE dirty <> 0 ORDER BY book_id, ordinal LIMIT $1`
	qEntryByOrdinal = `SELECT ` + entryColumns + `
FROM register_entry e JOIN register_book b ON b.id = e.book_id WHERE e.book_id = $1 AND e.ordinal = $2`
	qSetPage = `
UPDATE register_page SET mailbox_id = $1, uid = $2, dirty = CASE WHEN dirty = $3 THEN 0 ELSE dirty END
WHERE book_id = $4 AND ordinal = $5`
	qAddPage      = `INSERT INTO register_page (book_id, ordinal, dirty, mailbox_id, uid) VALUES ($1, $2, 1, 0, 0)`
	qTouchPagesOf = `UPDATE register_page SET dirty = dirty + 1
WHERE (book_id, ordinal) IN (SELECT book_id, ordinal FROM register_entry WHERE dispatch_id = $1 AND dispatch_id <> 0)`
	qTouchPage = `UPDATE register_page SET dirty = dirty + 1
WHERE (book_id, ordinal) IN (SELECT book_id, ordinal FROM register_entry WHERE book_id = $1 AND (ordinal = $2 OR corrects = $2))`
)

// touchPagesOf has the messages of the entries of a dispatch made anew.
func touchPagesOf(ctx context.Context, tx *sqldb.Tx, d DispatchID) error {
	if _, err := tx.Exec(ctx, qTouchPagesOf, int64(d)); err != nil {
		return fmt.Errorf("mark the messages of register entries: %w", err)
	}
	return nil
}
