package docstore

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"vanthu/internal/sqldb"
)

// openBook gives the book with b's unit, direction, year and series, for this
// transaction to write in. The book of a year opens with its first number.
func openBook(ctx context.Context, tx *sqldb.Tx, b Book) (Book, error) {
	b, err := scanBook(tx.QueryRow(ctx, qOpenBook, int64(b.Unit), string(b.Direction), b.Year, string(b.Series), make([]byte, sha256.Size)))
	if err != nil {
		return Book{}, fmt.Errorf("open a register: %w", err)
	}
	return b, nil
}

// save writes what a transaction has changed of the book.
func (b *Book) save(ctx context.Context, tx *sqldb.Tx) error {
	if _, err := tx.Exec(ctx, qSaveBook, b.Last, b.Head[:], b.Lines, b.ManagedFrom, int64(b.ID)); err != nil {
		return fmt.Errorf("write a register: %w", err)
	}
	return nil
}

// add writes e as the book's newest entry, with its columns, and the book.
func (b *Book) add(ctx context.Context, tx *sqldb.Tx, e Entry, columns any) error {
	snapshot, err := json.Marshal(columns)
	if err != nil {
		return fmt.Errorf("encode register columns: %w", err)
	}
	b.Lines++
	e.Book, e.Ordinal, e.State, e.Prev, e.snapshot = b.ID, b.Lines, EntryValid, b.Head, string(snapshot)
	e.Hash = entryHash(*b, e)
	if _, err := tx.Exec(ctx, qInsertEntry, int64(e.Book), e.Ordinal, e.Number, e.Suffix, e.Corrects, int64(e.Document),
		int64(e.Dispatch), sqldb.Micros(e.Entered), e.By, e.snapshot, string(e.State), e.Prev[:], e.Hash[:]); err != nil {
		return fmt.Errorf("write a register entry: %w", err)
	}
	if _, err := tx.Exec(ctx, qAddPage, int64(e.Book), e.Ordinal); err != nil {
		return fmt.Errorf("have a register entry shown: %w", err)
	}
	b.Head = e.Hash
	return b.save(ctx, tx)
}

// That it exists already is no reason to leave the row alone: it is returned.
const qOpenBook = `
INSERT INTO register_book (unit_id, direction, year, series, last_number, head_hash, lines, managed_from)
VALUES ($1, $2, $3, $4, 0, $5, 0, 0)
ON CONFLICT (unit_id, direction, year, series) DO UPDATE SET last_number = register_book.last_number
RETURNING ` + bookColumns

const qSaveBook = `
UPDATE register_book SET last_number = $1, head_hash = $2, lines = $3, managed_from = $4 WHERE id = $5`

const qInsertEntry = `
INSERT INTO register_entry (book_id, ordinal, number, suffix, corrects, document_id, dispatch_id, entered_us, entered_by,
  columns, state, void_reason, voided_by, voided_us, void_seq, prev_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '', 0, 0, 0, $12, $13)`
