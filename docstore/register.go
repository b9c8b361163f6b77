package docstore

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// Direction tells the two registers of a unit apart.
type Direction string

// The directions.
const (
	DirectionIn  Direction = "den" // sổ đăng ký văn bản đến
	DirectionOut Direction = "di"  // sổ đăng ký văn bản đi
)

// defaultSeries is the one series of numbers that paper and electronic
// documents share; NĐ 30/2020, article 22.
const defaultSeries = "default"

// A Book is the register of one unit for one direction and year.
type Book struct {
	ID        BookID
	Unit      directory.UnitID
	Direction Direction
	Year      int // by Vietnam local date of registration
	Series    string
	Last      int      // highest number given
	Head      [32]byte // hash of the newest entry
}

// EntryState says whether an entry counts.
type EntryState string

// The states of an entry.
const (
	EntryValid  EntryState = "valid"
	EntryVoided EntryState = "voided" // struck through; its number stays its own
)

// An Entry is a line of a register. Only its state ever changes.
type Entry struct {
	Book       BookID
	Number     int
	Document   DocumentID
	Dispatch   DispatchID
	Entered    time.Time
	By         int64 // account
	Columns    Columns
	State      EntryState
	VoidReason string
	VoidedBy   int64
	Voided     time.Time
	Prev       [32]byte
	Hash       [32]byte

	snapshot string // columns as stored, which the hash covers
}

// Columns are the ten columns of the register of incoming documents as they
// were when the entry was made: NĐ 30/2020, Phụ lục IV. Dates are Vietnam
// local, YYYY-MM-DD, "" when not known.
type Columns struct {
	Arrived   string `json:"ngay_den"`
	Number    int    `json:"so_den"`
	Issuer    string `json:"tac_gia"`
	Code      string `json:"so_ky_hieu"`
	Issued    string `json:"ngay_thang_van_ban"`
	Title     string `json:"ten_loai_va_trich_yeu"`
	Recipient string `json:"don_vi_hoac_nguoi_nhan"`
	Handed    string `json:"ngay_chuyen"`
	Signed    string `json:"ky_nhan"`
	Remark    string `json:"ghi_chu"`
}

// ErrNoBook: the unit has not registered anything that year.
var ErrNoBook = fault.New(fault.NotFound, fault.Text{
	EN: "there is no such register", VI: "không có sổ đăng ký này",
})

// ReadBook returns a register with its entries in the order of their numbers,
// voided ones included, or [ErrNoBook].
func ReadBook(
	ctx context.Context, r sqldb.Reader, unit directory.UnitID, dir Direction, year int,
) (Book, []Entry, error) {
	b, err := scanBook(r.QueryRow(ctx, qBook, int64(unit), string(dir), year, defaultSeries))
	if sqldb.NoRows(err) {
		return Book{}, nil, ErrNoBook
	}
	if err != nil {
		return Book{}, nil, fmt.Errorf("read a register: %w", err)
	}
	entries, err := collect(ctx, r, scanEntry, qEntries, int64(b.ID))
	return b, entries, err
}

// Books returns all registers.
func Books(ctx context.Context, r sqldb.Reader) ([]Book, error) {
	return collect(ctx, r, scanBook, qBooks)
}

// register gives the dispatch its arrival number in the book of the day's
// year. A dispatch whose registration was taken back in the same book gets its
// own number back.
func (c *change) register(ctx context.Context, d *Dispatch) error {
	year := c.now.In(vietnam).Year()
	number, err := c.revalidate(ctx, *d, year)
	if err != nil {
		return err
	}
	if number == 0 {
		if number, err = c.enter(ctx, *d, year); err != nil {
			return err
		}
	}
	d.ArrivalYear, d.ArrivalNumber, d.Registered = year, number, c.now
	return nil
}

// revalidate makes the voided entry of d in that year's book valid again and
// returns its number, 0 when there is none.
func (c *change) revalidate(ctx context.Context, d Dispatch, year int) (number int, err error) {
	err = c.tx.QueryRow(ctx, qRevalidate, int64(d.ID), int64(d.To), string(DirectionIn), year).Scan(&number)
	if sqldb.NoRows(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("make a register entry valid again: %w", err)
	}
	return number, nil
}

// enter takes the next number and writes the entry.
func (c *change) enter(ctx context.Context, d Dispatch, year int) (int, error) {
	b := Book{Unit: d.To, Direction: DirectionIn, Year: year, Series: defaultSeries}
	var head []byte
	err := c.tx.QueryRow(ctx, qTakeNumber, int64(b.Unit), string(b.Direction), b.Year, b.Series,
		make([]byte, sha256.Size)).Scan(&b.ID, &b.Last, &head)
	if err == nil {
		b.Head, err = digest(head)
	}
	if err != nil {
		return 0, fmt.Errorf("take an arrival number: %w", err)
	}
	e := Entry{
		Book: b.ID, Number: b.Last, Document: d.Document, Dispatch: d.ID, Entered: c.now, By: c.actor.ID,
		Columns: c.columns(d, b.Last), State: EntryValid, Prev: b.Head,
	}
	columns, err := json.Marshal(e.Columns)
	if err != nil {
		return 0, fmt.Errorf("encode register columns: %w", err)
	}
	e.snapshot = string(columns)
	e.Hash = entryHash(b, e)
	if _, err := c.tx.Exec(ctx, qInsertEntry, int64(e.Book), e.Number, int64(e.Document), int64(e.Dispatch),
		sqldb.Micros(e.Entered), e.By, e.snapshot, string(e.State), e.Prev[:], e.Hash[:]); err != nil {
		return 0, fmt.Errorf("write a register entry: %w", err)
	}
	if _, err := c.tx.Exec(ctx, qSetHead, e.Hash[:], int64(b.ID)); err != nil {
		return 0, fmt.Errorf("write a register's head: %w", err)
	}
	return e.Number, nil
}

// columns makes the snapshot of the ten legal columns.
func (c *change) columns(d Dispatch, number int) Columns {
	col := Columns{
		Arrived: day(d.Arrived), Number: number, Issuer: c.doc.IssuerName, Code: c.doc.Code,
		Issued: day(c.doc.Issued), Title: title(c.doc), Recipient: c.act.Recipient, Remark: c.act.Note,
	}
	if col.Recipient != "" {
		col.Handed = day(c.now)
	}
	if c.doc.DuplicateOf != 0 {
		col.Remark = joinText("Trùng số, ký hiệu với văn bản đã gửi trước", col.Remark)
	}
	return col
}

// title is "tên loại và trích yếu": a Công văn is known by its abstract alone.
func title(doc Document) string {
	if doc.Type.Abbr == "" {
		return doc.Abstract
	}
	return joinText(doc.Type.Name, doc.Abstract)
}

func joinText(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + "; " + b
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(vietnam).Format(time.DateOnly)
}

// void strikes the entry of a registered dispatch through.
func (c *change) void(ctx context.Context, d Dispatch) error {
	n, err := c.tx.Exec(ctx, qVoid, c.act.Note, c.actor.ID, sqldb.Micros(c.now), int64(d.ID), d.ArrivalNumber)
	if err != nil {
		return fmt.Errorf("void a register entry: %w", err)
	}
	if n != 1 {
		return fmt.Errorf("void a register entry: dispatch %d has %d valid ones", d.ID, n)
	}
	return nil
}

// hashedEntry is what the hash of an entry covers, besides the hash before it.
type hashedEntry struct {
	Unit      int64  `json:"unit"`
	Direction string `json:"direction"`
	Year      int    `json:"year"`
	Series    string `json:"series"`
	Number    int    `json:"number"`
	Document  int64  `json:"document"`
	Dispatch  int64  `json:"dispatch"`
	EnteredUS int64  `json:"entered_us"`
	EnteredBy int64  `json:"entered_by"`
	Columns   string `json:"columns"` // as stored
}

// entryHash chains an entry to the one before it: SHA-256 of the previous hash
// and of the entry's JSON. Whether the entry was voided is not covered: that
// is proved by the status events and their journal.
func entryHash(b Book, e Entry) [32]byte {
	body, err := json.Marshal(hashedEntry{
		Unit: int64(b.Unit), Direction: string(b.Direction), Year: b.Year, Series: b.Series, Number: e.Number,
		Document: int64(e.Document), Dispatch: int64(e.Dispatch),
		EnteredUS: sqldb.Micros(e.Entered), EnteredBy: e.By, Columns: e.snapshot,
	})
	if err != nil {
		panic(err) // numbers and strings always encode
	}
	h := sha256.New()
	h.Write(e.Prev[:])
	h.Write(body)
	return [32]byte(h.Sum(nil))
}

func scanBook(r row) (Book, error) {
	var b Book
	var head []byte
	if err := r.Scan(&b.ID, &b.Unit, &b.Direction, &b.Year, &b.Series, &b.Last, &head); err != nil {
		return Book{}, err
	}
	var err error
	b.Head, err = digest(head)
	return b, err
}

func scanEntry(r row) (Entry, error) {
	var e Entry
	var entered, voided int64
	var prev, hash []byte
	if err := r.Scan(&e.Book, &e.Number, &e.Document, &e.Dispatch, &entered, &e.By, &e.snapshot, &e.State,
		&e.VoidReason, &e.VoidedBy, &voided, &prev, &hash); err != nil {
		return Entry{}, err
	}
	e.Entered, e.Voided = sqldb.Time(entered), sqldb.Time(voided)
	if err := json.Unmarshal([]byte(e.snapshot), &e.Columns); err != nil {
		return Entry{}, fmt.Errorf("decode columns of register entry %d: %w", e.Number, err)
	}
	var err1, err2 error
	e.Prev, err1 = digest(prev)
	e.Hash, err2 = digest(hash)
	return e, errors.Join(err1, err2)
}

const bookColumns = `id, unit_id, direction, year, series, last_number, head_hash`

const (
	qBook = `SELECT ` + bookColumns + `
FROM register_book WHERE unit_id = $1 AND direction = $2 AND year = $3 AND series = $4`
	qBooks   = `SELECT ` + bookColumns + ` FROM register_book ORDER BY unit_id, direction, year, series`
	qEntries = `
SELECT book_id, number, document_id, dispatch_id, entered_us, entered_by, columns, state, void_reason, voided_by,
  voided_us, prev_hash, hash
FROM register_entry WHERE book_id = $1 ORDER BY number`
)

// The book of a year opens with its first entry.
const qTakeNumber = `
INSERT INTO register_book (unit_id, direction, year, series, last_number, head_hash) VALUES ($1, $2, $3, $4, 1, $5)
ON CONFLICT (unit_id, direction, year, series) DO UPDATE SET last_number = register_book.last_number + 1
RETURNING id, last_number, head_hash`

const qInsertEntry = `
INSERT INTO register_entry (book_id, number, document_id, dispatch_id, entered_us, entered_by, columns, state,
  void_reason, voided_by, voided_us, prev_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', 0, 0, $9, $10)`

const qSetHead = `UPDATE register_book SET head_hash = $1 WHERE id = $2`

const qVoid = `
UPDATE register_entry SET state = 'voided', void_reason = $1, voided_by = $2, voided_us = $3
WHERE dispatch_id = $4 AND dispatch_id <> 0 AND number = $5 AND state = 'valid'`

const qRevalidate = `
UPDATE register_entry SET state = 'valid', void_reason = '', voided_by = 0, voided_us = 0
WHERE dispatch_id = $1 AND dispatch_id <> 0 AND state = 'voided'
  AND book_id IN (SELECT id FROM register_book WHERE unit_id = $2 AND direction = $3 AND year = $4)
RETURNING number`
