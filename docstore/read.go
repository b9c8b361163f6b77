package docstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// ErrNoDocument and ErrNoDispatch: what was asked for is not here.
var (
	ErrNoDocument = fault.New(fault.NotFound, fault.Text{EN: "no such document", VI: "không có văn bản này"})
	ErrNoDispatch = fault.New(fault.NotFound, fault.Text{
		EN: "no such dispatch of a document", VI: "không có lượt gửi văn bản này",
	})
)

const documentColumns = `id, ulid, edxml_id, issuer_unit, issuer_name, number, suffix, symbol, code, year,
  issued_us, type_abbr, type_name, abstract, urgency, due_us, level, duplicate_of,
  message_id, mail_id, body_sha256, queue_id, from_account, created_us, state`

const dispatchColumns = `id, ulid, document_id, to_unit, to_address, kind, state, status, arrival_year, arrival_number,
  arrived_us, registered_us, completed_us, due_us, mailbox_id, uid, updated_us, peer, transfer, named,
  overlay, change_of, due_tier, asked_mailbox_id, asked_uid`

const eventColumns = `id, dispatch_id, status, at_us, actor, source, reason, note, journal_seq`

const (
	qDocumentByID   = `SELECT ` + documentColumns + ` FROM document WHERE id = $1`
	qDocumentByULID = `SELECT ` + documentColumns + ` FROM document WHERE ulid = $1`
	qDocumentsByKey = `SELECT ` + documentColumns + ` FROM document WHERE code_key = $1 ORDER BY id`
	qFiles          = `
SELECT role, name, media_type, size, sha256 FROM document_file WHERE document_id = $1 ORDER BY ordinal`
	qMessageUses = `SELECT (SELECT count(*) FROM document WHERE message_id = $1 AND (issuer_unit <> 0 OR state <> 'recalled'))
  + (SELECT count(*) FROM opinion WHERE message_id = $2)`
	qDispatchByID    = `SELECT ` + dispatchColumns + ` FROM dispatch WHERE id = $1`
	qDispatchByULID  = `SELECT ` + dispatchColumns + ` FROM dispatch WHERE ulid = $1`
	qDispatchByPlace = `SELECT ` + dispatchColumns + ` FROM dispatch WHERE mailbox_id = $1 AND uid = $2 AND mailbox_id <> 0`
	qDispatchByAsked = `SELECT ` + dispatchColumns + ` FROM dispatch
WHERE asked_mailbox_id = $1 AND asked_uid = $2 AND asked_mailbox_id <> 0`
	qDispatchTo      = `SELECT ` + dispatchColumns + ` FROM dispatch WHERE document_id = $1 AND to_unit = $2 AND to_unit <> 0 ORDER BY id LIMIT 1`
	qDocumentsByMail = `SELECT ` + documentColumns + ` FROM document WHERE mail_id = $1 AND mail_id <> '' ORDER BY id`
	qSuccessor       = `SELECT ` + dispatchColumns + ` FROM dispatch WHERE change_of = $1 AND change_of <> 0 ORDER BY id DESC LIMIT 1`
	qDispatches      = `SELECT ` + dispatchColumns + ` FROM dispatch WHERE document_id = $1 ORDER BY id`
	qEvents          = `SELECT ` + eventColumns + ` FROM status_event WHERE dispatch_id = $1 ORDER BY id`
	qDocumentEvents  = `
SELECT e.id, e.dispatch_id, e.status, e.at_us, e.actor, e.source, e.reason, e.note, e.journal_seq
FROM dispatch d JOIN status_event e ON e.dispatch_id = d.id WHERE d.document_id = $1 ORDER BY e.dispatch_id, e.id`
)

// DocumentByID returns one document, or [ErrNoDocument].
func DocumentByID(ctx context.Context, r sqldb.Reader, id DocumentID) (Document, error) {
	return oneDocument(r.QueryRow(ctx, qDocumentByID, int64(id)))
}

// DocumentByULID returns one document, or [ErrNoDocument].
func DocumentByULID(ctx context.Context, r sqldb.Reader, id ULID) (Document, error) {
	return oneDocument(r.QueryRow(ctx, qDocumentByULID, strings.ToUpper(string(id))))
}

// DocumentsByCode returns the documents with that number and symbol, oldest
// first. Case, diacritics and blanks do not count; different issuers and years
// may have the same code, so there may be several. A code with a year matches
// only that year. The list is empty when there is none.
func DocumentsByCode(ctx context.Context, r sqldb.Reader, code edoc.Code) ([]Document, error) {
	docs, err := collect(ctx, r, scanDocument, qDocumentsByKey, code.Key())
	if err != nil || code.Year == 0 {
		return docs, err
	}
	kept := docs[:0]
	for _, d := range docs {
		if d.Year == code.Year {
			kept = append(kept, d)
		}
	}
	return kept, nil
}

// Filter chooses documents; zero fields do not count.
type Filter struct {
	Party  directory.UnitID // issued or received by this unit
	Issuer directory.UnitID
	To     directory.UnitID
	State  State // of at least one dispatch (of the one to To, when To is set)
	Since  time.Time
	Before time.Time
}

// Page chooses a part of a list, newest first.
type Page struct {
	Before DocumentID // only older ones than this; 0 begins with the newest
	Limit  int        // 0 means 100
}

// Documents lists documents by the time of their acceptance, newest first.
func Documents(ctx context.Context, r sqldb.Reader, f Filter, p Page) ([]Document, error) {
	if p.Limit <= 0 {
		p.Limit = 100
	}
	var q strings.Builder
	var args []any
	q.WriteString(`SELECT ` + documentColumns + ` FROM document WHERE id > 0`)
	value := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	if p.Before != 0 {
		q.WriteString(` AND id < ` + value(int64(p.Before)))
	}
	if f.Issuer != 0 {
		q.WriteString(` AND issuer_unit = ` + value(int64(f.Issuer)))
	}
	if !f.Since.IsZero() {
		q.WriteString(` AND created_us >= ` + value(sqldb.Micros(f.Since)))
	}
	if !f.Before.IsZero() {
		q.WriteString(` AND created_us < ` + value(sqldb.Micros(f.Before)))
	}
	if f.Party != 0 {
		n := value(int64(f.Party))
		q.WriteString(` AND (issuer_unit = ` + n +
			` OR id IN (SELECT document_id FROM dispatch WHERE to_unit = ` + n + `))`)
	}
	if f.To != 0 || f.State != "" {
		q.WriteString(` AND id IN (SELECT document_id FROM dispatch WHERE id > 0`)
		if f.To != 0 {
			q.WriteString(` AND to_unit = ` + value(int64(f.To)))
		}
		if f.State != "" {
			q.WriteString(` AND state = ` + value(string(f.State)))
		}
		q.WriteString(`)`)
	}
	q.WriteString(` ORDER BY id DESC LIMIT ` + value(p.Limit))
	return collect(ctx, r, scanDocument, q.String(), args...)
}

// Files returns the files of a document in their order in the message.
func Files(ctx context.Context, r sqldb.Reader, doc DocumentID) ([]File, error) {
	return collect(ctx, r, scanFile, qFiles, int64(doc))
}

// DispatchByID returns one dispatch, or [ErrNoDispatch].
func DispatchByID(ctx context.Context, r sqldb.Reader, id DispatchID) (Dispatch, error) {
	return oneDispatch(r.QueryRow(ctx, qDispatchByID, int64(id)))
}

// DispatchByULID returns one dispatch, or [ErrNoDispatch].
func DispatchByULID(ctx context.Context, r sqldb.Reader, id ULID) (Dispatch, error) {
	return oneDispatch(r.QueryRow(ctx, qDispatchByULID, strings.ToUpper(string(id))))
}

// DispatchByPlace returns the dispatch whose message lies there, or
// [ErrNoDispatch].
func DispatchByPlace(ctx context.Context, r sqldb.Reader, p Place) (Dispatch, error) {
	return oneDispatch(r.QueryRow(ctx, qDispatchByPlace, p.Mailbox, p.UID))
}

// DispatchByAsked returns the dispatch about which its sender asks by the
// message that lies there, or [ErrNoDispatch].
func DispatchByAsked(ctx context.Context, r sqldb.Reader, p Place) (Dispatch, error) {
	return oneDispatch(r.QueryRow(ctx, qDispatchByAsked, p.Mailbox, p.UID))
}

// DispatchTo returns the dispatch of a document to a unit of this server, or
// [ErrNoDispatch].
func DispatchTo(ctx context.Context, r sqldb.Reader, doc DocumentID, unit directory.UnitID) (Dispatch, error) {
	return oneDispatch(r.QueryRow(ctx, qDispatchTo, int64(doc), int64(unit)))
}

// DocumentsByMail returns the documents that came with that Message-ID, oldest
// first: another issuer may have used it too.
func DocumentsByMail(ctx context.Context, r sqldb.Reader, id MailID) ([]Document, error) {
	return collect(ctx, r, scanDocument, qDocumentsByMail, string(id))
}

// Successor returns the dispatch that is to take the place of another one, or
// [ErrNoDispatch].
func Successor(ctx context.Context, r sqldb.Reader, old DispatchID) (Dispatch, error) {
	return oneDispatch(r.QueryRow(ctx, qSuccessor, int64(old)))
}

// Dispatches returns the dispatches of a document in the order of its
// recipients.
func Dispatches(ctx context.Context, r sqldb.Reader, doc DocumentID) ([]Dispatch, error) {
	return collect(ctx, r, scanDispatch, qDispatches, int64(doc))
}

// Events returns the steps of a dispatch, first to last.
func Events(ctx context.Context, r sqldb.Reader, d DispatchID) ([]StatusEvent, error) {
	return collect(ctx, r, scanEvent, qEvents, int64(d))
}

// DocumentEvents returns the steps of all dispatches of a document: by
// dispatch, then first to last.
func DocumentEvents(ctx context.Context, r sqldb.Reader, doc DocumentID) ([]StatusEvent, error) {
	return collect(ctx, r, scanEvent, qDocumentEvents, int64(doc))
}

// Uses reports whether a document refers to the message, so that it must not
// be removed from the mail store with its last mailbox entry: the issued
// document is a record (NĐ 30/2020, article 19). One from outside that every
// unit here gave back is not: it is to be destroyed (Phụ lục VI, part III.8).
// The message of an answer to a consultation is kept too.
func Uses(ctx context.Context, r sqldb.Reader, msg MessageRef) (bool, error) {
	var n int
	if err := r.QueryRow(ctx, qMessageUses, int64(msg), int64(msg)).Scan(&n); err != nil {
		return false, fmt.Errorf("look for the document of a message: %w", err)
	}
	return n > 0, nil
}

// row is what *sql.Row and *sql.Rows have in common.
type row interface{ Scan(dest ...any) error }

// collect reads all rows of a query.
func collect[T any](
	ctx context.Context, r sqldb.Reader, scan func(row) (T, error), q string, args ...any,
) (_ []T, err error) {
	rows, err := r.Query(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	defer func() {
		if cerr := rows.Close(); err == nil {
			err = cerr
		}
	}()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read documents: %w", err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func oneDocument(r *sql.Row) (Document, error) {
	d, err := scanDocument(r)
	if sqldb.NoRows(err) {
		return Document{}, ErrNoDocument
	}
	return d, err
}

func oneDispatch(r *sql.Row) (Dispatch, error) {
	d, err := scanDispatch(r)
	if sqldb.NoRows(err) {
		return Dispatch{}, ErrNoDispatch
	}
	return d, err
}

func scanDocument(r row) (Document, error) {
	var d Document
	var issued, due, created int64
	var hash []byte
	err := r.Scan(&d.ID, &d.ULID, &d.EdXMLID, &d.Issuer, &d.IssuerName, &d.Number, &d.Suffix, &d.Symbol, &d.Code,
		&d.Year, &issued, &d.Type.Abbr, &d.Type.Name, &d.Abstract, &d.Urgency, &due, &d.Level, &d.DuplicateOf,
		&d.Message, &d.MailID, &hash, &d.QueueID, &d.From, &created, &d.State)
	if err != nil {
		return Document{}, err
	}
	d.Issued, d.Due, d.Created = sqldb.Time(issued), sqldb.Time(due), sqldb.Time(created)
	d.BodySHA256, err = digest(hash)
	return d, err
}

func scanFile(r row) (File, error) {
	var f File
	var hash []byte
	if err := r.Scan(&f.Role, &f.Name, &f.MediaType, &f.Size, &hash); err != nil {
		return File{}, err
	}
	var err error
	f.SHA256, err = digest(hash)
	return f, err
}

func scanDispatch(r row) (Dispatch, error) {
	var d Dispatch
	var arrived, registered, completed, due, updated int64
	err := r.Scan(&d.ID, &d.ULID, &d.Document, &d.To, &d.Address, &d.Kind, &d.State, &d.Status, &d.ArrivalYear,
		&d.ArrivalNumber, &arrived, &registered, &completed, &due, &d.Place.Mailbox, &d.Place.UID, &updated,
		&d.Peer, &d.Transfer, &d.Named, &d.Overlay, &d.ChangeOf, &d.DueTier, &d.Asked.Mailbox, &d.Asked.UID)
	d.Arrived, d.Registered, d.Completed = sqldb.Time(arrived), sqldb.Time(registered), sqldb.Time(completed)
	d.Due, d.Updated = sqldb.Time(due), sqldb.Time(updated)
	return d, err
}

func scanEvent(r row) (StatusEvent, error) {
	var e StatusEvent
	var at int64
	var actor string
	if err := r.Scan(&e.ID, &e.Dispatch, &e.Status, &at, &actor, &e.Source, &e.Reason, &e.Note, &e.Journal); err != nil {
		return StatusEvent{}, err
	}
	e.At = sqldb.Time(at)
	if err := json.Unmarshal([]byte(actor), &e.Actor); err != nil {
		return StatusEvent{}, fmt.Errorf("decode actor of status event %d: %w", e.ID, err)
	}
	return e, nil
}

func digest(b []byte) (h [32]byte, err error) {
	if len(b) != len(h) {
		return h, fmt.Errorf("hash of %d octets in the database", len(b))
	}
	return [32]byte(b), nil
}
