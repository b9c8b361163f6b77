package docstore

import (
	"context"
	"fmt"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// ReservationTime is the working time for which a number is kept for who asked
// for it. edoc.md §4.10.
const ReservationTime = 24 * time.Hour

// ReservationState says what became of a number that was given in advance.
type ReservationState string

// The states of a reservation.
const (
	ReservationOpen   ReservationState = "reserved"
	ReservationUsed   ReservationState = "used"
	ReservationVoided ReservationState = "voided" // struck through in the book
)

// A Reservation is a number that was given before the document goes out.
type Reservation struct {
	ID       int64            `json:"id"`
	Unit     directory.UnitID `json:"unit"`
	Year     int              `json:"year"` // of the book
	Series   Series           `json:"series"`
	Number   int              `json:"number"`
	Code     string           `json:"code"` // "12/QĐ-SYT"
	Abstract string           `json:"abstract,omitempty"`
	By       int64            `json:"by"` // account that asked
	ByName   string           `json:"by_name"`
	Draft    string           `json:"draft,omitempty"`
	Made     time.Time        `json:"made"`
	Expires  time.Time        `json:"expires"`
	State    ReservationState `json:"state"`
	Settled  time.Time        `json:"settled,omitzero"` // zero while reserved

	book BookID
}

// A NumberRequest asks for the next number of a unit.
type NumberRequest struct {
	Unit     directory.UnitID
	Symbol   string // "QĐ-SYT"; the series follows from it
	Legal    bool   // a legal norm, whose code carries the year
	Abstract string // what it is for, may be ""
	// Draft names what the number is for; asking again for the same draft in
	// the same year gives the same number. "" is always a new request.
	Draft  string
	Source Source
}

// maxOpenReservations bounds how many numbers of a book wait to be used.
const maxOpenReservations = 5000

// Reserve gives the next number of the unit's series, by Vietnam local date,
// and keeps it for [ReservationTime]. Whether actor may ask is the caller's to
// check. It fails with fault.Conflict where numbers are given elsewhere, and
// fault.Invalid for what is no symbol.
func (s *Store) Reserve(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, req NumberRequest) (Reservation, error) {
	now := s.time()
	year := now.In(vietnam).Year()
	code := edoc.Code{Number: 1, Symbol: req.Symbol}
	if req.Legal {
		code.Year = year
	}
	parsed, err := edoc.ParseCode(code.String())
	if err != nil || parsed.Party {
		return Reservation{}, fault.New(fault.Invalid, fault.Text{
			EN: fmt.Sprintf("%q is no symbol such as QĐ-UBND", req.Symbol),
			VI: fmt.Sprintf("%q không phải ký hiệu văn bản (ví dụ QĐ-UBND)", req.Symbol),
		})
	}
	code = parsed
	n, err := NumberingOf(ctx, tx, req.Unit)
	if err != nil {
		return Reservation{}, err
	}
	if n.Mode != ModeManaged {
		return Reservation{}, ErrNotManaged
	}
	if req.Draft != "" {
		old, err := scanReservation(tx.QueryRow(ctx, qReservationOfDraft, req.Draft, int64(req.Unit), year))
		if err == nil || !sqldb.NoRows(err) {
			return old, err
		}
	}
	b, err := openBook(ctx, tx, Book{Unit: req.Unit, Direction: DirectionOut, Year: year, Series: n.Scheme.Series(code)})
	if err != nil {
		return Reservation{}, err
	}
	open := 0
	if err := tx.QueryRow(ctx, qCountOpen, int64(b.ID)).Scan(&open); err != nil {
		return Reservation{}, fmt.Errorf("count reserved numbers: %w", err)
	}
	if open >= maxOpenReservations {
		return Reservation{}, fault.New(fault.Exhausted, fault.Text{
			EN: "too many numbers are reserved and not used", VI: "quá nhiều số dự trữ chưa dùng",
		})
	}
	cal, err := s.Calendar(ctx, tx, req.Unit)
	if err != nil {
		return Reservation{}, err
	}
	b.take()
	code.Number = b.Last
	v := Reservation{
		Unit: req.Unit, Year: year, Series: b.Series, Number: b.Last, Code: code.String(), Abstract: req.Abstract,
		By: actor.ID, ByName: actor.Name, Draft: req.Draft, Made: now, Expires: cal.Add(now, ReservationTime).UTC(),
		State: ReservationOpen, book: b.ID,
	}
	seq, err := journal.Append(ctx, tx, journal.Event{
		At: now, Type: "number.reserved", Actor: actor, Subject: v.Code, Unit: int64(v.Unit),
		Data: reservedData{v.Year, v.Series, v.Number, v.Expires, req.Source},
	})
	if err != nil {
		return Reservation{}, errJournal(err)
	}
	if err := b.save(ctx, tx); err != nil {
		return Reservation{}, err
	}
	if err := tx.QueryRow(ctx, qInsertReservation, int64(v.book), v.Number, v.Code, v.Abstract, v.By, v.ByName, v.Draft,
		sqldb.Micros(v.Made), sqldb.Micros(v.Expires), seq).Scan(&v.ID); err != nil {
		return Reservation{}, fmt.Errorf("record a reserved number: %w", err)
	}
	return v, nil
}

// take gives the next number.
func (b *Book) take() {
	b.Last++
	if b.ManagedFrom == 0 {
		b.ManagedFrom = b.Last
	}
}

// ErrNotManaged: this server does not give the unit's numbers.
var ErrNotManaged = fault.New(fault.Conflict, fault.Text{
	EN: "the numbers of this unit are given elsewhere: write the number yourself, such as [123/QĐ-UBND], " +
		"or have the administrator let this server give them (vanthu unit numbering)",
	VI: "số văn bản đi của đơn vị này được cấp ở nơi khác: hãy tự ghi số, ví dụ [123/QĐ-UBND], " +
		"hoặc đề nghị quản trị viên để hệ thống cấp số (vanthu unit numbering)",
})

// reservedData is the evidence of a reservation.
type reservedData struct {
	Year    int       `json:"year"`
	Series  Series    `json:"series"`
	Number  int       `json:"number"`
	Expires time.Time `json:"expires"`
	Source  Source    `json:"source"`
}

// ReasonUnused is why a number is struck through that nobody used in time.
const ReasonUnused = "số dự trữ không dùng"

// ExpireNumbers strikes the reserved numbers through whose time is over: at
// most limit of them. It returns how many there were.
func (s *Store) ExpireNumbers(ctx context.Context, tx *sqldb.Tx, limit int) (int, error) {
	now := s.time()
	list, err := collect(ctx, tx, scanReservation, qExpired, sqldb.Micros(now), limit)
	if err != nil {
		return 0, err
	}
	for _, v := range list {
		if err := s.voidReservation(ctx, tx, journal.System("timer"), v, ReasonUnused, now); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// HasExpired tells whether there is something for ExpireNumbers to do at now.
func HasExpired(ctx context.Context, r sqldb.Reader, now time.Time) (bool, error) {
	list, err := collect(ctx, r, scanReservation, qExpired, sqldb.Micros(now), 1)
	return len(list) > 0, err
}

// voidReservation enters the number, which nobody will use, as a line that is
// struck through.
func (s *Store) voidReservation(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, v Reservation, reason string, now time.Time) error {
	b, err := openBook(ctx, tx, Book{Unit: v.Unit, Direction: DirectionOut, Year: v.Year, Series: v.Series})
	if err != nil {
		return err
	}
	e := Entry{Number: v.Number, Entered: now, By: actor.ID}
	if err := b.add(ctx, tx, e, OutColumns{
		Code: v.Code, Title: v.Abstract, Remark: "Số dự trữ ngày " + v.Made.In(vietnam).Format("02/01/2006") + " cho " + v.ByName,
	}); err != nil {
		return err
	}
	e.Ordinal, e.Book = b.Lines, b.ID
	if err := settle(ctx, tx, v.ID, ReservationVoided, now); err != nil {
		return err
	}
	return s.strike(ctx, tx, actor, b, e, reason, now)
}

// settle says what became of a reserved number.
func settle(ctx context.Context, tx *sqldb.Tx, id int64, state ReservationState, now time.Time) error {
	if _, err := tx.Exec(ctx, qSettle, string(state), sqldb.Micros(now), id); err != nil {
		return fmt.Errorf("settle a reserved number: %w", err)
	}
	return nil
}

// Reservations lists the numbers of a unit that are reserved and not used, the
// first to expire first. With all, those that were used or voided are listed too.
func Reservations(ctx context.Context, r sqldb.Reader, unit directory.UnitID, all bool) ([]Reservation, error) {
	q := qOpenReservations
	if all {
		q = qReservations
	}
	return collect(ctx, r, scanReservation, q, int64(unit))
}

// BookReservations lists all reservations of a book by their numbers.
func BookReservations(ctx context.Context, r sqldb.Reader, book BookID) ([]Reservation, error) {
	return collect(ctx, r, scanReservation, qBookReservations, int64(book))
}

// OpenAt tells whether the number was given and not used at that time; zero
// means now.
func (v Reservation) OpenAt(t time.Time) bool {
	if t.IsZero() {
		return v.State == ReservationOpen
	}
	return !v.Made.After(t) && (v.Settled.IsZero() || v.Settled.After(t))
}

func scanReservation(r row) (v Reservation, err error) {
	var made, expires, settled int64
	err = r.Scan(&v.ID, &v.book, &v.Unit, &v.Year, &v.Series, &v.Number, &v.Code, &v.Abstract, &v.By, &v.ByName, &v.Draft,
		&made, &expires, &v.State, &settled)
	v.Made, v.Expires, v.Settled = sqldb.Time(made), sqldb.Time(expires), sqldb.Time(settled)
	return v, err
}

const reservationColumns = `v.id, v.book_id, b.unit_id, b.year, b.series, v.number, v.code, v.abstract, v.by_account, v.by_name,
  v.draft, v.made_us, v.expires_us, v.state, v.settled_us
FROM register_reservation v JOIN register_book b ON b.id = v.book_id`

const (
	qReservationOfDraft = `SELECT ` + reservationColumns + `
WHERE v.draft = $1 AND v.draft <> '' AND b.unit_id = $2 AND b.year = $3 AND v.state <> 'voided' ORDER BY v.id LIMIT 1`
	qBookReservations = `SELECT ` + reservationColumns + ` WHERE v.book_id = $1 ORDER BY v.number`
	qReservationAt    = `SELECT ` + reservationColumns + ` WHERE v.book_id = $1 AND v.number = $2 AND v.state = 'reserved'`
	qExpired          = `SELECT ` + reservationColumns + `
WHERE v.state = 'reserved' AND v.expires_us <= $1 ORDER BY v.expires_us, v.id LIMIT $2`
	qOpenReservations = `SELECT ` + reservationColumns + `
WHERE b.unit_id = $1 AND v.state = 'reserved' ORDER BY v.expires_us, v.id`
	qReservations = `SELECT ` + reservationColumns + ` WHERE b.unit_id = $1 ORDER BY v.id`
	qCountOpen    = `SELECT count(*) FROM register_reservation WHERE book_id = $1 AND state = 'reserved'`

	qInsertReservation = `
INSERT INTO register_reservation (book_id, number, code, abstract, by_account, by_name, draft, made_us, expires_us, state,
  settled_us, journal_seq)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'reserved', 0, $10)
RETURNING id`
	qSettle = `UPDATE register_reservation SET state = $1, settled_us = $2 WHERE id = $3 AND state = 'reserved'`
)
