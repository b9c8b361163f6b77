package docstore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// A Warning is something the clerks should know about a document that was
// accepted all the same.
type Warning struct {
	Code string // [WarnDuplicate], SAI_CO_QUAN, THIEU_NOI_NHAN, NOI_DUNG_MAT, or "xung_dot." and a field
	Text fault.Text
}

// WarnDuplicate is the code of the warning that NĐ 30/2020, Phụ lục VI, part
// III.1.h makes compulsory.
const WarnDuplicate = "duplicate"

// ErrMailIDReused: the issuer has sent another message under this Message-ID.
var ErrMailIDReused = fault.New(fault.Conflict, fault.Text{
	EN: "a different message with this Message-ID was accepted before; send it again as a new message",
	VI: "đã nhận một thư khác có cùng Message-ID; hãy soạn và gửi lại thành thư mới",
})

// Submission is what tells a message that is sent again from a new one.
type Submission struct {
	Issuer     directory.UnitID
	MailID     MailID
	BodySHA256 [32]byte
}

// FindSubmission looks for the document that sub has made before, so that the
// caller can tell before it delivers anything. It returns false when there is
// none, and [ErrMailIDReused] when the same Message-ID carried other octets.
// A message without Message-ID is always new.
func FindSubmission(ctx context.Context, r sqldb.Reader, sub Submission) (Document, []Dispatch, bool, error) {
	if sub.MailID == "" {
		return Document{}, nil, false, nil
	}
	doc, err := scanDocument(r.QueryRow(ctx, qDocumentBySubmission, int64(sub.Issuer), string(sub.MailID)))
	switch {
	case sqldb.NoRows(err):
		return Document{}, nil, false, nil
	case err != nil:
		return Document{}, nil, false, fmt.Errorf("look for an earlier submission: %w", err)
	case doc.BodySHA256 != sub.BodySHA256:
		return Document{}, nil, false, ErrMailIDReused
	}
	sent, err := Dispatches(ctx, r, doc.ID)
	return doc, sent, err == nil, err
}

// Intake records a document that was accepted, with one dispatch in state
// arrived (status 01) for each recipient unit; NĐ 30/2020, article 21.
//
// The same message of the same issuer again changes nothing and returns what
// is there with Resubmitted; when it names further units, only these are
// added. The same Message-ID with other octets is [ErrMailIDReused]. An
// earlier document of the same issuer, year, number and symbol, or the same
// edXML DocumentId, makes a warning and no refusal.
func (s *Store) Intake(ctx context.Context, tx *sqldb.Tx, in In) (Result, error) {
	if len(in.Recipients)+len(in.Outside) == 0 {
		return Result{}, fault.New(fault.Invalid, fault.Text{
			EN: "the document has no recipient unit", VI: "văn bản không có đơn vị nhận",
		})
	}
	doc, sent, again, err := FindSubmission(ctx, tx, Submission{in.Issuer, in.MailID, in.BodySHA256})
	if err != nil {
		return Result{}, err
	}
	now := s.time()
	var res Result
	if again {
		if res.Duplicate, err = duplicateOf(ctx, tx, doc); err != nil {
			return Result{}, err
		}
	} else {
		if doc, res.Duplicate, err = s.addDocument(ctx, tx, in, now); err != nil {
			return Result{}, err
		}
	}
	res.Document = doc
	res.Warnings = duplicateWarning(res.Duplicate)

	byUnit := make(map[directory.UnitID]Dispatch, len(sent)+len(in.Recipients))
	for _, d := range sent {
		if d.To != 0 {
			byUnit[d.To] = d
		}
	}
	var fresh []Recipient
	for _, to := range in.Recipients {
		if _, ok := byUnit[to.Unit]; !ok {
			byUnit[to.Unit] = Dispatch{} // a unit that is named twice gets one dispatch
			fresh = append(fresh, to)
		}
	}
	leaving := notSentYet(sent, in.Outside)
	res.Resubmitted = again && len(fresh)+len(leaving) == 0
	if again && !res.Resubmitted && doc.State != DocumentIssued {
		return Result{}, errFrozen(doc)
	}
	added, err := s.addDispatches(ctx, tx, in, doc, fresh, now)
	if err != nil {
		return Result{}, err
	}
	if err := s.addOutside(ctx, tx, in, doc, leaving, now); err != nil {
		return Result{}, err
	}
	for _, d := range added {
		byUnit[d.To] = d
	}
	res.Dispatches = make([]Dispatch, len(in.Recipients))
	for i, to := range in.Recipients {
		res.Dispatches[i] = byUnit[to.Unit]
	}
	if res.Resubmitted {
		return res, nil
	}
	fromHere := in
	if fromHere.Outside = leaving; again {
		fromHere.Recipients = fresh
	}
	if err := s.enterOutgoing(ctx, tx, fromHere, doc, again, now); err != nil {
		return Result{}, err
	}
	return res, s.touchTracking(ctx, tx, doc)
}

func (s *Store) addDocument(ctx context.Context, tx *sqldb.Tx, in In, now time.Time) (Document, *Document, error) {
	doc, err := s.newDocument(in, now)
	if err != nil {
		return Document{}, nil, err
	}
	dup, err := findDuplicate(ctx, tx, doc)
	if err != nil {
		return Document{}, nil, err
	}
	if dup != nil {
		doc.DuplicateOf = dup.ID
	}
	evidence, err := json.Marshal(in.Recognition.Evidence)
	if err != nil {
		return Document{}, nil, fmt.Errorf("encode evidence: %w", err)
	}
	signer, err := signerText(in.Recognition.Signer)
	if err != nil {
		return Document{}, nil, err
	}
	if err := insertDocument(ctx, tx, &doc, rowExtras{codeKey(in.Recognition), signer, string(evidence)}); err != nil {
		return Document{}, nil, err
	}
	for i, f := range in.Files {
		if _, err := tx.Exec(ctx, qInsertFile, int64(doc.ID), i, string(f.Role), f.Name, f.MediaType,
			f.Size, f.SHA256[:]); err != nil {
			return Document{}, nil, fmt.Errorf("record a file: %w", err)
		}
	}
	names := make([]string, len(in.Files))
	for i, f := range in.Files {
		names[i] = f.Name
	}
	return doc, dup, addWords(ctx, tx, doc.ID, documentWords(doc, in.Recognition.Signer, names))
}

func (s *Store) newDocument(in In, now time.Time) (Document, error) {
	rec := in.Recognition
	doc := Document{
		EdXMLID: rec.DocID, Issuer: in.Issuer, IssuerName: in.IssuerName,
		Year: rec.Year, Issued: rec.Issued, Type: edoc.DocType{Abbr: rec.Type.Abbr, Name: rec.Type.Name}, Abstract: rec.Abstract,
		Urgency: rec.Urgency, Due: rec.Due, Level: rec.Level,
		Message: in.Message, MailID: in.MailID, BodySHA256: in.BodySHA256, QueueID: in.QueueID,
		From: in.From, Created: now, State: DocumentIssued,
	}
	if c := rec.Code; c != nil {
		doc.Number, doc.Suffix, doc.Symbol, doc.Code = c.Number, c.Suffix, c.Symbol, c.String()
	}
	if doc.Year == 0 {
		doc.Year = now.In(vietnam).Year()
	}
	var err error
	doc.ULID, err = s.ulid(now)
	return doc, err
}

func codeKey(rec edoc.Recognition) string {
	if rec.Code == nil {
		return ""
	}
	return rec.Code.Key()
}

// rowExtras are the columns of a document that [Document] has not.
type rowExtras struct{ codeKey, signer, evidence string }

// signerText is how a signer is stored: "" for none.
func signerText(who edoc.Signer) (string, error) {
	if who == (edoc.Signer{}) {
		return "", nil
	}
	b, err := json.Marshal(who)
	if err != nil {
		return "", fmt.Errorf("encode the signer: %w", err)
	}
	return string(b), nil
}

func insertDocument(ctx context.Context, tx *sqldb.Tx, d *Document, x rowExtras) error {
	err := tx.QueryRow(ctx, qInsertDocument, string(d.ULID), d.EdXMLID, int64(d.Issuer), d.IssuerName,
		d.Number, d.Suffix, d.Symbol, d.Code, x.codeKey, d.Year, sqldb.Micros(d.Issued), d.Type.Abbr, d.Type.Name,
		d.Abstract, x.signer, int(d.Urgency), sqldb.Micros(d.Due), int(d.Level), x.evidence, int64(d.DuplicateOf),
		int64(d.Message), string(d.MailID), d.BodySHA256[:], d.QueueID, int64(d.From),
		sqldb.Micros(d.Created)).Scan(&d.ID)
	if err != nil {
		return fmt.Errorf("record the document: %w", err)
	}
	return nil
}

// addDispatches makes the dispatches of new recipients with their events and
// journal entries. A document goes to a hundred units at once, so rows are
// inserted many at a time.
func (s *Store) addDispatches(
	ctx context.Context, tx *sqldb.Tx, in In, doc Document, to []Recipient, now time.Time,
) ([]Dispatch, error) {
	list := make([]Dispatch, len(to))
	for i, r := range to {
		d := Dispatch{
			Document: doc.ID, To: r.Unit, Address: r.Address.String(), Kind: r.Kind,
			State: StateArrived, Status: edoc.StatusArrived, Arrived: now, Place: r.Place, Updated: now,
			Peer: in.Peer, Transfer: in.Transfer, Named: r.Named,
		}
		if !in.Arrived.IsZero() {
			d.Arrived = in.Arrived.UTC().Truncate(time.Microsecond)
		}
		if d.Kind == "" {
			d.Kind = KindMain
		}
		if d.Kind == KindMain {
			d.Due = doc.Due // who only takes notice has no due date, edoc.md §4.12
			if !d.Due.IsZero() {
				d.DueTier = DueIssuer
			}
		}
		var err error
		if d.ULID, err = s.ulid(now); err != nil {
			return nil, err
		}
		list[i] = d
	}
	for some := range slices.Chunk(list, rowsAtOnce) {
		if err := insertDispatches(ctx, tx, some); err != nil {
			return nil, err
		}
		if err := arrive(ctx, tx, in, doc, some); err != nil {
			return nil, err
		}
	}
	return list, s.urge(ctx, tx, doc, list, now)
}

// rowsAtOnce is how many rows one statement inserts.
const rowsAtOnce = 16

// placeholders gives the values of an INSERT of n rows: "($1, $2), ($3, $4)".
func placeholders(n, columns int) string {
	var b strings.Builder
	for i := range n * columns {
		switch {
		case i == 0:
			b.WriteString("($")
		case i%columns == 0:
			b.WriteString("), ($")
		default:
			b.WriteString(", $")
		}
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteString(")")
	return b.String()
}

// insertDispatches inserts rows and sets their ids.
func insertDispatches(ctx context.Context, tx *sqldb.Tx, list []Dispatch) error {
	const columns = 20
	args := make([]any, 0, columns*len(list))
	index := make(map[ULID]int, len(list))
	for i, d := range list {
		index[d.ULID] = i
		args = append(args, string(d.ULID), int64(d.Document), int64(d.To), d.Address, string(d.Kind),
			string(d.State), string(d.Status), d.ArrivalYear, d.ArrivalNumber, sqldb.Micros(d.Arrived),
			sqldb.Micros(d.Registered), sqldb.Micros(d.Completed), sqldb.Micros(d.Due), d.Place.Mailbox, d.Place.UID,
			sqldb.Micros(d.Updated), d.Peer, d.Transfer, d.Named, string(d.DueTier))
	}
	type made struct {
		id   DispatchID
		ulid ULID
	}
	ids, err := collect(ctx, tx, func(r row) (m made, err error) {
		err = r.Scan(&m.id, &m.ulid)
		return m, err
	}, qInsertDispatches+placeholders(len(list), columns)+qReturningID, args...)
	if err != nil {
		return fmt.Errorf("record dispatches: %w", err)
	}
	for _, m := range ids {
		list[index[m.ulid]].ID = m.id
	}
	return nil
}

// arrive adds the status 01 of new dispatches, each with its journal entry.
func arrive(ctx context.Context, tx *sqldb.Tx, in In, doc Document, list []Dispatch) error {
	const columns = 8
	actor, err := json.Marshal(in.Actor)
	if err != nil {
		return fmt.Errorf("encode actor: %w", err)
	}
	args := make([]any, 0, columns*len(list))
	for _, d := range list {
		seq, err := journal.Append(ctx, tx, journal.Event{
			At: d.Updated, Type: "doc.arrived", Actor: in.Actor, Subject: string(doc.ULID), Unit: int64(d.To),
			Data: arrivedData{
				Document: doc.ULID, Dispatch: d.ULID, Code: doc.Code, Issuer: doc.Issuer, Queue: doc.QueueID,
				Message: hex.EncodeToString(doc.BodySHA256[:]),
			},
		})
		if err != nil {
			return errJournal(err)
		}
		args = append(args, int64(d.ID), string(d.Status), sqldb.Micros(d.Updated), string(actor), string(in.Source),
			"", "", seq)
	}
	if _, err := tx.Exec(ctx, qInsertEvents+placeholders(len(list), columns), args...); err != nil {
		return fmt.Errorf("record status events: %w", err)
	}
	return nil
}

// arrivedData is the evidence of an arrival: names and hashes, no content.
type arrivedData struct {
	Document ULID             `json:"document"`
	Dispatch ULID             `json:"dispatch"`
	Code     string           `json:"code"`
	Issuer   directory.UnitID `json:"issuer"`
	Queue    string           `json:"queue_id"`
	Message  string           `json:"message_sha256"`
}

// findDuplicate returns the first document that doc repeats, nil when there
// is none. A document from outside has no issuer unit; there the name decides.
func findDuplicate(ctx context.Context, r sqldb.Reader, doc Document) (*Document, error) {
	if doc.EdXMLID != "" {
		dup, err := scanDocument(r.QueryRow(ctx, qFirstByEdXML, doc.EdXMLID))
		if err == nil || !sqldb.NoRows(err) {
			return &dup, err
		}
	}
	if doc.Code == "" {
		return nil, nil //nolint:nilnil // no duplicate is the ordinary answer
	}
	key := edoc.Code{Number: doc.Number, Suffix: doc.Suffix, Symbol: doc.Symbol}.Key()
	dup, err := scanDocument(r.QueryRow(ctx, qFirstByCode, int64(doc.Issuer), doc.Year, key, doc.IssuerName))
	if sqldb.NoRows(err) {
		return nil, nil //nolint:nilnil // no duplicate is the ordinary answer
	}
	return &dup, err
}

func duplicateOf(ctx context.Context, r sqldb.Reader, doc Document) (*Document, error) {
	if doc.DuplicateOf == 0 {
		return nil, nil //nolint:nilnil // no duplicate is the ordinary answer
	}
	dup, err := DocumentByID(ctx, r, doc.DuplicateOf)
	return &dup, err
}

func duplicateWarning(dup *Document) []Warning {
	if dup == nil {
		return nil
	}
	day := dup.Created.In(vietnam).Format("02/01/2006")
	return []Warning{{Code: WarnDuplicate, Text: fault.Text{
		EN: fmt.Sprintf("document %s of %s has been sent before, on %s", dup.Code, dup.IssuerName, day),
		VI: fmt.Sprintf("văn bản %s của %s đã được gửi ngày %s", dup.Code, dup.IssuerName, day),
	}}}
}

const qInsertDocument = `
INSERT INTO document (ulid, edxml_id, issuer_unit, issuer_name, number, suffix, symbol, code, code_key, year,
  issued_us, type_abbr, type_name, abstract, signer, urgency, due_us, level, evidence, state, duplicate_of,
  message_id, mail_id, body_sha256, queue_id, from_account, created_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 'issued', $20,
  $21, $22, $23, $24, $25, $26)
RETURNING id`

const qInsertFile = `
INSERT INTO document_file (document_id, ordinal, role, name, media_type, size, sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7)`

const (
	qInsertDispatches = `
INSERT INTO dispatch (ulid, document_id, to_unit, to_address, kind, state, status, arrival_year, arrival_number,
  arrived_us, registered_us, completed_us, due_us, mailbox_id, uid, updated_us, peer, transfer, named, due_tier)
VALUES `
	qReturningID = ` RETURNING id, ulid`
)

const qInsertEvents = `
INSERT INTO status_event (dispatch_id, status, at_us, actor, source, reason, note, journal_seq)
VALUES `

const qDocumentBySubmission = `SELECT ` + documentColumns + `
FROM document WHERE issuer_unit = $1 AND mail_id = $2 AND mail_id <> ''` // else its partial index is not used

const qFirstByEdXML = `SELECT ` + documentColumns + `
FROM document WHERE edxml_id = $1 AND edxml_id <> '' ORDER BY id LIMIT 1`

const qFirstByCode = `SELECT ` + documentColumns + `
FROM document WHERE issuer_unit = $1 AND year = $2 AND code_key = $3 AND (issuer_unit <> 0 OR issuer_name = $4)
ORDER BY id LIMIT 1`
