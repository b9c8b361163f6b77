package docstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// A Book is the register of one unit for one direction, year and series.
type Book struct {
	ID          BookID
	Unit        directory.UnitID
	Direction   Direction
	Year        int // by Vietnam local date of registration
	Series      Series
	Last        int      // highest number given
	Head        [32]byte // hash of the newest entry
	Lines       int      // entries, corrections included
	ManagedFrom int      // di: from this number on they are given here, without a gap; 0: given elsewhere
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
	Ordinal    int    // place in the book: 1, 2, 3, … as they were entered
	Number     int    // printed number, 0 for none
	Suffix     string // letter after the number, "" for none
	Corrects   int    // ordinal of the entry below which it is shown, 0 for an entry of its own
	Document   DocumentID
	Dispatch   DispatchID
	Entered    time.Time
	By         int64      // account
	Columns    Columns    // of an incoming document
	Out        OutColumns // of an outgoing one
	State      EntryState
	VoidReason string
	VoidedBy   int64
	Voided     time.Time
	VoidSeq    int64 // journal entry of the voiding, 0 where a status event has it
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

// ReadBook returns a register of the default series with its entries in the
// order of their numbers, voided ones included, each followed by what corrects
// it; those without a number come last. It fails with [ErrNoBook].
func ReadBook(
	ctx context.Context, r sqldb.Reader, unit directory.UnitID, dir Direction, year int,
) (Book, []Entry, error) {
	return ReadSeries(ctx, r, unit, dir, year, SeriesDefault)
}

// ReadSeries is [ReadBook] for any series.
func ReadSeries(
	ctx context.Context, r sqldb.Reader, unit directory.UnitID, dir Direction, year int, series Series,
) (Book, []Entry, error) {
	b, err := findBook(ctx, r, unit, dir, year, series)
	if err != nil {
		return Book{}, nil, err
	}
	entries, err := collect(ctx, r, scanEntry, qEntries, int64(b.ID))
	if err != nil {
		return Book{}, nil, err
	}
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(
			boolOrder(a.Number == 0, b.Number == 0), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Suffix, b.Suffix),
			cmp.Compare(a.original(), b.original()), // they come in the order of their ordinals
		)
	})
	return b, entries, nil
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// original is the ordinal of the entry that e is or belongs to.
func (e Entry) original() int {
	if e.Corrects != 0 {
		return e.Corrects
	}
	return e.Ordinal
}

func findBook(
	ctx context.Context, r sqldb.Reader, unit directory.UnitID, dir Direction, year int, series Series,
) (Book, error) {
	b, err := scanBook(r.QueryRow(ctx, qBook, int64(unit), string(dir), year, string(series)))
	if sqldb.NoRows(err) {
		return Book{}, ErrNoBook
	}
	if err != nil {
		return Book{}, fmt.Errorf("read a register: %w", err)
	}
	return b, nil
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
	return c.setDefaultDue(ctx, d)
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
	return number, touchPagesOf(ctx, c.tx, d.ID)
}

// enter takes the next number and writes the entry.
func (c *change) enter(ctx context.Context, d Dispatch, year int) (int, error) {
	b, err := openBook(ctx, c.tx, Book{Unit: d.To, Direction: DirectionIn, Year: year, Series: SeriesDefault})
	if err != nil {
		return 0, err
	}
	b.Last++
	return b.Last, b.add(ctx, c.tx, Entry{
		Number: b.Last, Document: d.Document, Dispatch: d.ID, Entered: c.now, By: c.actor.ID,
	}, c.columns(d, b.Last))
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
	var n int
	err := c.tx.QueryRow(ctx, qVoid, c.act.Note, c.actor.ID, sqldb.Micros(c.now), int64(d.ID), d.ArrivalNumber).Scan(&n)
	if sqldb.NoRows(err) {
		return fmt.Errorf("void a register entry: dispatch %d has no valid one", d.ID)
	}
	if err != nil {
		return fmt.Errorf("void a register entry: %w", err)
	}
	return touchPagesOf(ctx, c.tx, d.ID)
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
	Suffix    string `json:"suffix,omitempty"`
	Corrects  int    `json:"corrects,omitempty"`
}

// entryHash chains an entry to the one before it: SHA-256 of the previous hash
// and of the entry's JSON. Whether the entry was voided is not covered: that
// is proved by the status events and their journal.
func entryHash(b Book, e Entry) [32]byte {
	body, err := json.Marshal(hashedEntry{
		Unit: int64(b.Unit), Direction: string(b.Direction), Year: b.Year, Series: string(b.Series), Number: e.Number,
		Document: int64(e.Document), Dispatch: int64(e.Dispatch),
		EnteredUS: sqldb.Micros(e.Entered), EnteredBy: e.By, Columns: e.snapshot,
		Suffix: e.Suffix, Corrects: e.Corrects,
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
	if err := r.Scan(&b.ID, &b.Unit, &b.Direction, &b.Year, &b.Series, &b.Last, &head, &b.Lines, &b.ManagedFrom); err != nil {
		return Book{}, err
	}
	var err error
	b.Head, err = digest(head)
	return b, err
}

func scanEntry(r row) (Entry, error) {
	var e Entry
	var dir Direction
	var entered, voided int64
	var prev, hash []byte
	if err := r.Scan(&dir, &e.Book, &e.Ordinal, &e.Number, &e.Suffix, &e.Corrects, &e.Document, &e.Dispatch, &entered, &e.By,
		&e.snapshot, &e.State, &e.VoidReason, &e.VoidedBy, &voided, &e.VoidSeq, &prev, &hash); err != nil {
		return Entry{}, err
	}
	e.Entered, e.Voided = sqldb.Time(entered), sqldb.Time(voided)
	var columns any = &e.Columns
	if dir == DirectionOut {
		columns = &e.Out
	}
	if err := json.Unmarshal([]byte(e.snapshot), columns); err != nil {
		return Entry{}, fmt.Errorf("decode columns of register entry %d: %w", e.Ordinal, err)
	}
	var err1, err2 error
	e.Prev, err1 = digest(prev)
	e.Hash, err2 = digest(hash)
	return e, errors.Join(err1, err2)
}

const bookColumns = `id, unit_id, direction, year, series, last_number, head_hash, lines, managed_from`

const entryColumns = `b.direction, e.book_id, e.ordinal, e.number, e.suffix, e.corrects, e.document_id, e.dispatch_id, e.entered_us,
  e.entered_by, e.columns, e.state, e.void_reason, e.voided_by, e.voided_us, e.void_seq, e.prev_hash, e.hash`

const (
	qBook = `SELECT ` + bookColumns + `
FROM register_book WHERE unit_id = $1 AND direction = $2 AND year = $3 AND series = $4`
	qBooks   = `SELECT ` + bookColumns + ` FROM register_book ORDER BY unit_id, direction, year, series`
	qEntries = `SELECT ` + entryColumns + `
FROM register_entry e JOIN register_book b ON b.id = e.book_id WHERE e.book_id = $1 ORDER BY e.ordinal`
)

// What corrects an entry is struck through with it, and valid with it.
const qVoid = `
UPDATE register_entry SET state = 'voided', void_reason = $1, voided_by = $2, voided_us = $3
WHERE dispatch_id = $4 AND dispatch_id <> 0 AND number = $5 AND state = 'valid'
RETURNING number`

const qRevalidate = `
UPDATE register_entry SET state = 'valid', void_reason = '', voided_by = 0, voided_us = 0
WHERE dispatch_id = $1 AND dispatch_id <> 0 AND state = 'voided'
  AND book_id IN (SELECT id FROM register_book WHERE unit_id = $2 AND direction = $3 AND year = $4)
RETURNING number`
