package docstore

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// DossierID is the key of a dossier.
type DossierID int64

// A Dossier (hồ sơ) holds the documents of one matter of a unit. A document may
// lie in several. NĐ 30/2020, articles 28 to 31 and Phụ lục VI, part II.
type Dossier struct {
	ID          DossierID
	ULID        ULID
	Unit        directory.UnitID
	Year        int    // FileCatalog: of the list that it is opened in
	Notation    string // FileNotation, at most 20 characters, unique in unit and year
	Title       string // at most 500
	Maintenance string // thời hạn bảo quản: "Vĩnh viễn", "10 năm"; at most 30
	Rights      string // chế độ sử dụng, at most 30
	Description string // at most 500
	Creator     directory.AccountID
	CreatorName string
	Start       time.Time
	Closed      time.Time // zero while documents may be put in and taken out
	Created     time.Time
}

// Code is the whole code of the dossier: identifier of the unit, year,
// notation. Phụ lục VI, part II: FileCode.
func (d Dossier) Code(unit directory.Unit) string {
	return fmt.Sprintf("%s.%d.%s", unit.Code, d.Year, d.Notation)
}

// A DossierItem is a document in a dossier.
type DossierItem struct {
	Dossier  DossierID
	Ordinal  int // in the order in which they were put in, with gaps
	Document DocumentID
	Pages    int // 0: not known
	Remark   string
	Added    time.Time
	Removed  time.Time // zero while it is in
}

// DossierKey names a dossier as people do.
type DossierKey struct {
	Unit     directory.UnitID
	Year     int
	Notation string
}

// Errors of dossiers.
var (
	ErrNoDossier = fault.New(fault.NotFound, fault.Text{EN: "there is no such dossier", VI: "không có hồ sơ này"})
	// ErrDossierClosed: nothing is put in or taken out any more.
	ErrDossierClosed = fault.New(fault.Conflict, fault.Text{EN: "the dossier is closed", VI: "hồ sơ đã đóng"})
	// ErrInDossier and ErrNotInDossier: what was asked for is so already.
	ErrInDossier    = fault.New(fault.Conflict, fault.Text{EN: "the document lies in this dossier already", VI: "văn bản đã có trong hồ sơ này"})
	ErrNotInDossier = fault.New(fault.NotFound, fault.Text{EN: "the document does not lie in this dossier", VI: "văn bản không có trong hồ sơ này"})
)

// DossierByKey finds a dossier, or [ErrNoDossier].
func DossierByKey(ctx context.Context, r sqldb.Reader, k DossierKey) (Dossier, error) {
	d, err := scanDossier(r.QueryRow(ctx, qDossierByKey, int64(k.Unit), k.Year, notationKey(k.Notation)))
	if sqldb.NoRows(err) {
		return Dossier{}, ErrNoDossier
	}
	return d, err
}

// Dossiers returns a unit's dossiers of a year by notation; year 0 is all years.
func Dossiers(ctx context.Context, r sqldb.Reader, unit directory.UnitID, year int) ([]Dossier, error) {
	return collect(ctx, r, scanDossier, qDossiers, int64(unit), year, year)
}

// DossierItems returns what lay in a dossier at a time, in the order in which
// it was put in; the zero time is now.
func DossierItems(ctx context.Context, r sqldb.Reader, id DossierID, at time.Time) ([]DossierItem, error) {
	if at.IsZero() {
		at = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return collect(ctx, r, scanDossierItem, qDossierItems, int64(id), sqldb.Micros(at), sqldb.Micros(at))
}

// CreateDossier opens a dossier. It fails with fault.Invalid when a field is
// missing or too long, and fault.Conflict when the notation is taken.
func (s *Store) CreateDossier(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, d Dossier) (Dossier, error) {
	for _, f := range []struct {
		text     *string
		limit    int
		required bool
		name     fault.Text
	}{
		{&d.Notation, 20, true, fault.Text{EN: "notation", VI: "số, ký hiệu hồ sơ"}}, {&d.Title, 500, true, fault.Text{EN: "title", VI: "tiêu đề hồ sơ"}},
		{&d.Maintenance, 30, false, fault.Text{EN: "period of keeping", VI: "thời hạn bảo quản"}}, {&d.Rights, 30, false, fault.Text{EN: "rights", VI: "chế độ sử dụng"}},
		{&d.Description, 500, false, fault.Text{EN: "description", VI: "chú giải"}},
	} {
		*f.text = strings.TrimSpace(norm.NFC.String(*f.text))
		n := utf8.RuneCountInString(*f.text)
		if n > f.limit || n == 0 && f.required || strings.ContainsFunc(*f.text, unicode.IsControl) || !utf8.ValidString(*f.text) {
			return Dossier{}, fault.New(fault.Invalid, fault.Text{
				EN: fmt.Sprintf("the %s of a dossier has up to %d characters on one line", f.name.EN, f.limit),
				VI: fmt.Sprintf("%s có tối đa %d ký tự trên một dòng", f.name.VI, f.limit),
			})
		}
	}
	now := s.time()
	var err error
	if d.ULID, err = s.ulid(now); err != nil {
		return Dossier{}, err
	}
	if d.Created, d.Closed = now, (time.Time{}); d.Start.IsZero() {
		d.Start = now
	}
	if d.Year == 0 {
		d.Year = d.Start.In(vietnam).Year()
	}
	if _, err := DossierByKey(ctx, tx, DossierKey{d.Unit, d.Year, d.Notation}); err == nil {
		return Dossier{}, fault.New(fault.Conflict, fault.Text{
			EN: fmt.Sprintf("the dossier %s of %d is there already", d.Notation, d.Year), VI: fmt.Sprintf("đã có hồ sơ %s năm %d", d.Notation, d.Year),
		})
	}
	d.Creator, d.CreatorName = directory.AccountID(actor.ID), actor.Name
	err = tx.QueryRow(ctx, qInsertDossier, string(d.ULID), int64(d.Unit), d.Year, d.Notation, notationKey(d.Notation), d.Title, d.Maintenance,
		d.Rights, d.Description, int64(d.Creator), d.CreatorName, sqldb.Micros(d.Start), sqldb.Micros(d.Created)).Scan(&d.ID)
	if err != nil {
		return Dossier{}, fmt.Errorf("open a dossier: %w", err)
	}
	return d, s.recordDossier(ctx, tx, actor, d, "dossier.created", dossierData{})
}

// AddToDossier puts a document into an open dossier of a unit that issued or
// received it.
func (s *Store) AddToDossier(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, d Dossier, doc Document, item DossierItem) (DossierItem, error) {
	if !d.Closed.IsZero() {
		return DossierItem{}, ErrDossierClosed
	}
	if item.Pages < 0 || utf8.RuneCountInString(item.Remark) > MaxNote || !utf8.ValidString(item.Remark) {
		return DossierItem{}, fault.New(fault.Invalid, fault.Text{EN: "the pages or the remark cannot be", VI: "số trang hoặc ghi chú không hợp lệ"})
	}
	var n int
	if err := tx.QueryRow(ctx, qPartyTo, int64(doc.ID), int64(d.Unit), int64(d.Unit)).Scan(&n); err != nil {
		return DossierItem{}, fmt.Errorf("look whose document it is: %w", err)
	}
	if n == 0 {
		return DossierItem{}, fault.New(fault.Denied, fault.Text{
			EN: "the unit has neither sent nor received this document", VI: "đơn vị không gửi, cũng không nhận văn bản này",
		})
	}
	inside, err := DossierItems(ctx, tx, d.ID, time.Time{})
	if err != nil {
		return DossierItem{}, err
	}
	for _, i := range inside {
		if i.Document == doc.ID {
			return DossierItem{}, ErrInDossier
		}
	}
	item.Dossier, item.Document, item.Added, item.Removed = d.ID, doc.ID, s.time(), time.Time{}
	item.Remark = strings.Join(strings.Fields(norm.NFC.String(item.Remark)), " ")
	err = tx.QueryRow(ctx, qInsertItem, int64(d.ID), int64(doc.ID), item.Pages, item.Remark, sqldb.Micros(item.Added), actor.ID).Scan(&item.Ordinal)
	if err != nil {
		return DossierItem{}, fmt.Errorf("put a document into a dossier: %w", err)
	}
	return item, s.recordDossier(ctx, tx, actor, d, "dossier.document_added", dossierData{Document: doc.ULID})
}

// RemoveFromDossier takes a document out of an open dossier; the document
// itself stays as it is.
func (s *Store) RemoveFromDossier(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, d Dossier, doc Document) error {
	if !d.Closed.IsZero() {
		return ErrDossierClosed
	}
	n, err := tx.Exec(ctx, qRemoveItem, sqldb.Micros(s.time()), actor.ID, int64(d.ID), int64(doc.ID))
	if err != nil {
		return fmt.Errorf("take a document out of a dossier: %w", err)
	}
	if n == 0 {
		return ErrNotInDossier
	}
	return s.recordDossier(ctx, tx, actor, d, "dossier.document_removed", dossierData{Document: doc.ULID})
}

// CloseDossier ends the work on a dossier.
func (s *Store) CloseDossier(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, d Dossier) (Dossier, error) {
	if !d.Closed.IsZero() {
		return Dossier{}, ErrDossierClosed
	}
	d.Closed = s.time()
	if _, err := tx.Exec(ctx, qCloseDossier, sqldb.Micros(d.Closed), int64(d.ID)); err != nil {
		return Dossier{}, fmt.Errorf("close a dossier: %w", err)
	}
	return d, s.recordDossier(ctx, tx, actor, d, "dossier.closed", dossierData{})
}

// dossierData is the evidence of an act on a dossier: no free text.
type dossierData struct {
	Year     int    `json:"year"`
	Notation string `json:"notation"`
	Document ULID   `json:"document,omitempty"`
}

func (s *Store) recordDossier(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, d Dossier, event string, data dossierData) error {
	data.Year, data.Notation = d.Year, d.Notation
	_, err := journal.Append(ctx, tx, journal.Event{At: s.time(), Type: event, Actor: actor, Subject: string(d.ULID), Unit: int64(d.Unit), Data: data})
	if err != nil {
		return errJournal(err)
	}
	return nil
}

// notationKey folds what people write alike.
func notationKey(s string) string {
	return strings.ToUpper(strings.Join(strings.Fields(norm.NFC.String(s)), ""))
}

func scanDossier(r row) (d Dossier, err error) {
	var start, closed, created int64
	err = r.Scan(&d.ID, &d.ULID, &d.Unit, &d.Year, &d.Notation, &d.Title, &d.Maintenance, &d.Rights, &d.Description, &d.Creator, &d.CreatorName,
		&start, &closed, &created)
	d.Start, d.Closed, d.Created = sqldb.Time(start), sqldb.Time(closed), sqldb.Time(created)
	return d, err
}

func scanDossierItem(r row) (i DossierItem, err error) {
	var added, removed int64
	err = r.Scan(&i.Dossier, &i.Ordinal, &i.Document, &i.Pages, &i.Remark, &added, &removed)
	i.Added, i.Removed = sqldb.Time(added), sqldb.Time(removed)
	return i, err
}

const dossierColumns = `id, ulid, unit_id, year, notation, title, maintenance, rights, description, creator, creator_name, start_us, closed_us, created_us`

const (
	qDossierByKey  = `SELECT ` + dossierColumns + ` FROM dossier WHERE unit_id = $1 AND year = $2 AND notation_key = $3`
	qDossiers      = `SELECT ` + dossierColumns + ` FROM dossier WHERE unit_id = $1 AND ($2 = 0 OR year = $3) ORDER BY year, notation_key`
	qInsertDossier = `
INSERT INTO dossier (ulid, unit_id, year, notation, notation_key, title, maintenance, rights, description, creator, creator_name, start_us,
  closed_us, created_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13) RETURNING id`
	qCloseDossier = `UPDATE dossier SET closed_us = $1 WHERE id = $2`
	qDossierItems = `
SELECT dossier_id, ordinal, document_id, pages, remark, added_us, removed_us FROM dossier_document
WHERE dossier_id = $1 AND added_us <= $2 AND (removed_us = 0 OR removed_us > $3) ORDER BY ordinal`
	qInsertItem = `
INSERT INTO dossier_document (dossier_id, ordinal, document_id, pages, remark, added_us, added_by, removed_us, removed_by)
SELECT $1, COALESCE(max(ordinal), 0) + 1, $2, $3, $4, $5, $6, 0, 0 FROM dossier_document WHERE dossier_id = $1 RETURNING ordinal`
	qRemoveItem = `
UPDATE dossier_document SET removed_us = $1, removed_by = $2 WHERE dossier_id = $3 AND document_id = $4 AND removed_us = 0`
	qPartyTo = `
SELECT count(*) FROM document d WHERE d.id = $1 AND (d.issuer_unit = $2
  OR EXISTS (SELECT 1 FROM dispatch p WHERE p.document_id = d.id AND p.to_unit = $3))`
)
