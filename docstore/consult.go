package docstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// Vote is what a unit says when it is asked for its opinion.
type Vote string

// The votes. edoc.md §4.2.
const (
	VoteAgree    Vote = "dong_y"
	VoteDisagree Vote = "khong_dong_y"
	VoteOther    Vote = "y_kien_khac"
	VoteOverdue  Vote = "qua_han" // said nothing in time; recorded by the server alone
)

// Valid reports whether a unit may vote so.
func (v Vote) Valid() bool { return v == VoteAgree || v == VoteDisagree || v == VoteOther }

// VoteFor gives the vote that a line of a reply is, "" for none.
func VoteFor(v edoc.Verb) Vote {
	switch v {
	case edoc.VerbAgree:
		return VoteAgree
	case edoc.VerbDisagree:
		return VoteDisagree
	case edoc.VerbOther:
		return VoteOther
	}
	return ""
}

// Name gives the Vietnamese name, as sentences use it; "" for none.
func (v Vote) Name() string {
	switch v {
	case VoteAgree:
		return "đồng ý"
	case VoteDisagree:
		return "không đồng ý"
	case VoteOther:
		return "ý kiến khác"
	case VoteOverdue:
		return "quá hạn"
	}
	return ""
}

// Silence is what it means that a unit has said nothing when time is up.
type Silence string

// The meanings of silence. NĐ 191/2026 takes silence on ballots of the
// Government for agreement; elsewhere nothing says so.
const (
	SilenceNone  Silence = "khong_tra_loi"
	SilenceAgree Silence = "coi_nhu_dong_y"
)

// ConsultEnd says why a consultation was closed.
type ConsultEnd string

// The ends of consultations.
const (
	EndAnswered ConsultEnd = "answered" // every unit has answered
	EndDeadline ConsultEnd = "deadline"
	EndClosed   ConsultEnd = "closed" // by whoever asks
)

// A Consultation (lấy ý kiến) asks the main recipients of a document for their
// opinion until a time.
type Consultation struct {
	Document DocumentID
	Due      time.Time
	Silence  Silence
	Opened   time.Time
	Closed   time.Time // zero while units may answer
	Ended    ConsultEnd
	Reminded time.Time // zero: not yet
	Next     time.Time // when something is to be done about it
	Revision int       // grows with every change
}

// Open reports whether units may still answer.
func (c Consultation) Open() bool { return c.Closed.IsZero() }

// An Opinion is one answer of a unit to a consultation. Answers are only added.
type Opinion struct {
	ID       int64
	Document DocumentID
	Dispatch DispatchID
	Vote     Vote
	Text     string              // at most MaxOpinion characters; the message has it all
	MailID   MailID              // of the message that brought it
	Message  MessageRef          // 0 for none
	Files    int                 // attached to that message
	By       directory.AccountID // 0: the server
	ByName   string
	Source   Source
	At       time.Time
	Current  bool // no later one of the same unit has replaced it
	Journal  int64
}

// MaxOpinion is how much of an opinion's text is kept beside its message, in
// characters.
const MaxOpinion = 4000

// ErrNoConsultation: nobody was asked for an opinion on the document.
var ErrNoConsultation = fault.New(fault.NotFound, fault.Text{
	EN: "nobody was asked for an opinion on this document", VI: "văn bản này không phải văn bản lấy ý kiến",
})

// ConsultationOf returns the consultation of a document, or [ErrNoConsultation].
func ConsultationOf(ctx context.Context, r sqldb.Reader, doc DocumentID) (Consultation, error) {
	c, err := scanConsultation(r.QueryRow(ctx, qConsultation, int64(doc)))
	if sqldb.NoRows(err) {
		return c, ErrNoConsultation
	}
	return c, err
}

// ConsultFilter narrows [Consultations]; zero fields do not count.
type ConsultFilter struct {
	Party directory.UnitID // has asked or is asked
	Open  bool             // units may still answer
}

// Consultations lists consultations, the newest first.
func Consultations(ctx context.Context, r sqldb.Reader, f ConsultFilter, limit int) ([]Consultation, error) {
	if limit <= 0 {
		limit = 100
	}
	open := 0
	if f.Open {
		open = 1
	}
	return collect(ctx, r, scanConsultation, qConsultations, int64(f.Party), int64(f.Party), int64(f.Party), open, limit)
}

// DueConsultations returns open ones about which something is to be done, the
// earliest first.
func DueConsultations(ctx context.Context, r sqldb.Reader, now time.Time, limit int) ([]Consultation, error) {
	return collect(ctx, r, scanConsultation, qDueConsultations, sqldb.Micros(now), limit)
}

// Opinions returns every answer to a consultation in order, those that were
// replaced too.
func Opinions(ctx context.Context, r sqldb.Reader, doc DocumentID) ([]Opinion, error) {
	return collect(ctx, r, scanOpinion, qOpinions, int64(doc))
}

// UnsettledOpinions returns answers that came before their dispatch was
// registered, which it is now.
func UnsettledOpinions(ctx context.Context, r sqldb.Reader, limit int) ([]Opinion, error) {
	return collect(ctx, r, scanOpinion, qUnsettled, limit)
}

// SettleOpinion records that nothing more is to be done about the dispatch of an answer.
func (s *Store) SettleOpinion(ctx context.Context, tx *sqldb.Tx, id int64) error {
	if _, err := tx.Exec(ctx, qSettleOpinion, id); err != nil {
		return fmt.Errorf("settle an opinion: %w", err)
	}
	return nil
}

// OpenConsultation begins to ask the main recipients of doc. Due, Silence and
// Next of c count.
func (s *Store) OpenConsultation(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, doc Document, c Consultation) (Consultation, error) {
	if c.Silence == "" {
		c.Silence = SilenceNone
	}
	c.Document, c.Opened, c.Closed, c.Ended, c.Revision = doc.ID, s.time(), time.Time{}, "", 1
	if _, err := tx.Exec(ctx, qInsertConsultation, int64(doc.ID), sqldb.Micros(c.Due), string(c.Silence), sqldb.Micros(c.Opened),
		sqldb.Micros(c.Next)); err != nil {
		return c, fmt.Errorf("open a consultation: %w", err)
	}
	if _, err := s.recordConsult(ctx, tx, actor, doc, "consult.opened", consultData{Due: dueText(c.Due), Silence: c.Silence}); err != nil {
		return c, err
	}
	return c, s.touchTracking(ctx, tx, doc)
}

// Answer records the opinion of the unit of d, in place of an earlier one. It
// fails with fault.Conflict when the consultation is closed or the unit is not
// asked, and fault.Invalid when the vote is none; nothing was changed then. The
// same answer again changes nothing.
func (s *Store) Answer(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, d Dispatch, o Opinion) (Opinion, error) {
	c, err := ConsultationOf(ctx, tx, d.Document)
	if err != nil {
		return o, err
	}
	doc, err := DocumentByID(ctx, tx, d.Document)
	if err != nil {
		return o, err
	}
	switch {
	case !c.Open():
		at := c.Closed.In(vietnam).Format("15:04 02/01/2006")
		return o, fault.New(fault.Conflict, fault.Text{
			EN: "the consultation was closed at " + at + " (+07:00)", VI: "việc lấy ý kiến đã kết thúc lúc " + at,
		})
	case !o.Vote.Valid():
		return o, fault.New(fault.Invalid, fault.Text{
			EN: "an opinion is one of dong_y, khong_dong_y, y_kien_khac", VI: "ý kiến phải là: đồng ý, không đồng ý hoặc ý kiến khác",
		})
	case !d.Consulted():
		return o, fault.New(fault.Conflict, fault.Text{
			EN: "this unit is not asked for its opinion, or the document was taken back", VI: "đơn vị không thuộc diện lấy ý kiến hoặc văn bản đã được thu hồi",
		})
	}
	if o.Text, err = opinionText(o.Text); err != nil {
		return o, err
	}
	if o.Vote == VoteOther && o.Text == "" && o.Files == 0 {
		return o, fault.New(fault.Invalid, fault.Text{EN: "say what the other opinion is", VI: "ý kiến khác phải ghi nội dung"})
	}
	before, err := currentOpinion(ctx, tx, d.ID)
	if err != nil {
		return o, err
	}
	if before != nil && before.Vote == o.Vote && before.Text == o.Text && before.MailID == o.MailID && before.By == o.By {
		return *before, nil
	}
	o.Document, o.Dispatch, o.At = doc.ID, d.ID, s.time()
	if o, err = s.addOpinion(ctx, tx, actor, doc, d, o, "consult.answered"); err != nil {
		return o, err
	}
	return o, s.touchConsult(ctx, tx, doc)
}

// opinionText gives the text that is kept: NFC, no control characters but line
// ends, not too long.
func opinionText(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", fault.New(fault.Invalid, fault.Text{EN: "the text is not UTF-8", VI: "văn bản không đúng mã UTF-8"})
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7F {
			return ' '
		}
		return r
	}, strings.ReplaceAll(norm.NFC.String(s), "\r\n", "\n"))
	s = strings.TrimSpace(s)
	if letters := []rune(s); len(letters) > MaxOpinion {
		s = string(letters[:MaxOpinion-1]) + "…"
	}
	return s, nil
}

// Consulted reports whether the unit of d is asked when its document is a consultation.
func (d Dispatch) Consulted() bool {
	return d.Kind == KindMain && (d.State.Open() || d.State == StateCompleted)
}

func currentOpinion(ctx context.Context, r sqldb.Reader, d DispatchID) (*Opinion, error) {
	o, err := scanOpinion(r.QueryRow(ctx, qCurrentOpinion, int64(d)))
	if sqldb.NoRows(err) {
		return nil, nil //nolint:nilnil // said nothing yet
	}
	return &o, err
}

// addOpinion writes an answer with its journal entry, in place of the earlier one.
func (s *Store) addOpinion(
	ctx context.Context, tx *sqldb.Tx, actor journal.Actor, doc Document, d Dispatch, o Opinion, event string,
) (Opinion, error) {
	hash := sha256.Sum256([]byte(o.Text))
	seq, err := s.recordConsult(ctx, tx, actor, doc, event, consultData{
		Dispatch: d.ULID, Vote: o.Vote, Text: hex.EncodeToString(hash[:]), Mail: o.MailID, Source: o.Source, unit: d.To, at: o.At,
	})
	if err != nil {
		return o, err
	}
	if _, err := tx.Exec(ctx, qReplaceOpinion, int64(d.ID)); err != nil {
		return o, fmt.Errorf("replace an opinion: %w", err)
	}
	o.Journal, o.Current = seq, true
	unsettled := 0
	if o.Vote != VoteOverdue && d.To != 0 {
		unsettled = 1
	}
	err = tx.QueryRow(ctx, qInsertOpinion, int64(o.Document), int64(o.Dispatch), string(o.Vote), o.Text, string(o.MailID), int64(o.Message),
		o.Files, int64(o.By), o.ByName, string(o.Source), sqldb.Micros(o.At), unsettled, seq).Scan(&o.ID)
	if err != nil {
		return o, fmt.Errorf("record an opinion: %w", err)
	}
	return o, nil
}

// ExtendConsultation gives units until another time, and opens a consultation
// again that was closed: whoever had said nothing may answer. Next of the
// consultation is next.
func (s *Store) ExtendConsultation(
	ctx context.Context, tx *sqldb.Tx, actor journal.Actor, id DocumentID, due, next time.Time,
) (Consultation, error) {
	c, err := ConsultationOf(ctx, tx, id)
	if err != nil {
		return c, err
	}
	doc, err := DocumentByID(ctx, tx, id)
	if err != nil {
		return c, err
	}
	if !due.After(s.time()) {
		return c, fault.New(fault.Invalid, fault.Text{EN: "the new deadline is over already", VI: "hạn mới đã qua"})
	}
	if doc.State != DocumentIssued {
		return c, errFrozen(doc)
	}
	for _, q := range []struct {
		text string
		args []any
	}{
		{qExtendConsultation, []any{sqldb.Micros(due), sqldb.Micros(next), int64(id)}},
		{qForgetOverdue, []any{int64(id)}},
		{qDocumentDue, []any{sqldb.Micros(due), int64(id)}},
		{qConsultedDue, []any{sqldb.Micros(due), int64(id)}},
	} {
		if _, err := tx.Exec(ctx, q.text, q.args...); err != nil {
			return c, fmt.Errorf("extend a consultation: %w", err)
		}
	}
	if _, err := s.recordConsult(ctx, tx, actor, doc, "consult.extended", consultData{Due: dueText(due)}); err != nil {
		return c, err
	}
	c.Due, c.Next, c.Closed, c.Ended, c.Reminded = due, next, time.Time{}, "", time.Time{}
	return c, s.touchConsult(ctx, tx, doc)
}

// CloseConsultation ends it: nobody may answer any more. When the deadline has
// passed, the silence of units is recorded. It fails with fault.Conflict when it
// is closed already.
func (s *Store) CloseConsultation(
	ctx context.Context, tx *sqldb.Tx, actor journal.Actor, id DocumentID, end ConsultEnd,
) (Consultation, error) {
	c, err := ConsultationOf(ctx, tx, id)
	if err != nil {
		return c, err
	}
	if !c.Open() {
		return c, fault.New(fault.Conflict, fault.Text{EN: "the consultation is closed already", VI: "việc lấy ý kiến đã kết thúc"})
	}
	doc, err := DocumentByID(ctx, tx, id)
	if err != nil {
		return c, err
	}
	c.Closed, c.Ended = s.time(), end
	if end == EndDeadline {
		tally, err := Count(ctx, tx, c)
		if err != nil {
			return c, err
		}
		for _, a := range tally.Units {
			if a.Opinion != nil || !a.Dispatch.Consulted() {
				continue
			}
			o := Opinion{Document: id, Dispatch: a.Dispatch.ID, Vote: VoteOverdue, ByName: actor.Name, Source: SourceSystem, At: c.Closed}
			if _, err := s.addOpinion(ctx, tx, actor, doc, a.Dispatch, o, "consult.overdue"); err != nil {
				return c, err
			}
		}
	}
	if _, err := tx.Exec(ctx, qCloseConsultation, sqldb.Micros(c.Closed), string(end), int64(id)); err != nil {
		return c, fmt.Errorf("close a consultation: %w", err)
	}
	if _, err := s.recordConsult(ctx, tx, actor, doc, "consult.closed", consultData{End: end}); err != nil {
		return c, err
	}
	return c, s.touchConsult(ctx, tx, doc)
}

// Reminded records that silent units were reminded; next is when something is
// to be done again.
func (s *Store) Reminded(ctx context.Context, tx *sqldb.Tx, id DocumentID, next time.Time) error {
	if _, err := tx.Exec(ctx, qReminded, sqldb.Micros(s.time()), sqldb.Micros(next), int64(id)); err != nil {
		return fmt.Errorf("record a reminder: %w", err)
	}
	return nil
}

// touchConsult has the tracking message of a consultation renewed.
func (s *Store) touchConsult(ctx context.Context, tx *sqldb.Tx, doc Document) error {
	if _, err := tx.Exec(ctx, qTouchConsultation, int64(doc.ID)); err != nil {
		return fmt.Errorf("mark a consultation: %w", err)
	}
	return s.touchTracking(ctx, tx, doc)
}

// consultData is the evidence of what happens to a consultation: votes and
// hashes, no text.
type consultData struct {
	Document ULID       `json:"document"`
	Code     string     `json:"code,omitempty"`
	Dispatch ULID       `json:"dispatch,omitempty"`
	Vote     Vote       `json:"vote,omitempty"`
	Text     string     `json:"text_sha256,omitempty"`
	Mail     MailID     `json:"message_id,omitempty"`
	Source   Source     `json:"source,omitempty"`
	Due      string     `json:"due,omitempty"`
	Silence  Silence    `json:"silence,omitempty"`
	End      ConsultEnd `json:"end,omitempty"`

	unit directory.UnitID // that it is about; 0: the one that asks
	at   time.Time        // zero: now
}

func (s *Store) recordConsult(
	ctx context.Context, tx *sqldb.Tx, actor journal.Actor, doc Document, event string, data consultData,
) (int64, error) {
	data.Document, data.Code = doc.ULID, doc.Code
	unit := data.unit
	if unit == 0 {
		unit = doc.Issuer
	}
	if data.at.IsZero() {
		data.at = s.time()
	}
	seq, err := journal.Append(ctx, tx, journal.Event{
		At: data.at, Type: event, Actor: actor, Subject: string(doc.ULID), Unit: int64(unit), Data: data,
	})
	if err != nil {
		return 0, errJournal(err)
	}
	return seq, nil
}

// A Tally is how far a consultation has got.
type Tally struct {
	Consultation Consultation
	Units        []UnitOpinion // those asked, in the order of their dispatches
	Asked        int
	Agree        int
	Disagree     int
	Other        int
	Overdue      int // had said nothing when time was up
}

// UnitOpinion is one unit that is asked.
type UnitOpinion struct {
	Dispatch Dispatch
	Opinion  *Opinion // nil: says nothing so far
	Earlier  []Opinion
}

// Answered is how many units have answered.
func (t Tally) Answered() int { return t.Agree + t.Disagree + t.Other }

// Complete reports whether nobody is waited for.
func (t Tally) Complete() bool { return t.Asked > 0 && t.Answered() == t.Asked }

// Count gives how far a consultation has got.
func Count(ctx context.Context, r sqldb.Reader, c Consultation) (Tally, error) {
	t := Tally{Consultation: c}
	list, err := Dispatches(ctx, r, c.Document)
	if err != nil {
		return t, err
	}
	opinions, err := Opinions(ctx, r, c.Document)
	if err != nil {
		return t, err
	}
	for _, d := range list {
		u := UnitOpinion{Dispatch: d}
		for _, o := range opinions {
			switch {
			case o.Dispatch != d.ID:
			case o.Current:
				u.Opinion = &o
			case o.Vote != VoteOverdue:
				u.Earlier = append(u.Earlier, o)
			}
		}
		if u.Opinion == nil && !d.Consulted() {
			continue
		}
		t.add(u)
	}
	return t, nil
}

func (t *Tally) add(u UnitOpinion) {
	t.Units, t.Asked = append(t.Units, u), t.Asked+1
	if u.Opinion == nil {
		return
	}
	switch u.Opinion.Vote {
	case VoteAgree:
		t.Agree++
	case VoteDisagree:
		t.Disagree++
	case VoteOther:
		t.Other++
	case VoteOverdue:
		t.Overdue++
	}
}

// Silent gives the units that have said nothing so far.
func (t Tally) Silent() []Dispatch {
	var list []Dispatch
	for _, u := range t.Units {
		if u.Opinion == nil {
			list = append(list, u.Dispatch)
		}
	}
	return slices.Clip(list)
}

func scanConsultation(r row) (c Consultation, err error) {
	var due, opened, closed, reminded, next int64
	err = r.Scan(&c.Document, &due, &c.Silence, &opened, &closed, &c.Ended, &reminded, &next, &c.Revision)
	c.Due, c.Opened, c.Closed = sqldb.Time(due), sqldb.Time(opened), sqldb.Time(closed)
	c.Reminded, c.Next = sqldb.Time(reminded), sqldb.Time(next)
	return c, err
}

func scanOpinion(r row) (o Opinion, err error) {
	var at int64
	var current int
	err = r.Scan(&o.ID, &o.Document, &o.Dispatch, &o.Vote, &o.Text, &o.MailID, &o.Message, &o.Files, &o.By, &o.ByName, &o.Source, &at,
		&current, &o.Journal)
	o.At, o.Current = sqldb.Time(at), current == 1
	return o, err
}

const (
	consultColumns = `document_id, due_us, silence, opened_us, closed_us, ended, reminded_us, next_us, revision`
	opinionColumns = `id, document_id, dispatch_id, vote, text, mail_id, message_id, files, account_id, name, source, at_us, current, journal_seq`
)

const (
	qConsultation  = `SELECT ` + consultColumns + ` FROM consultation WHERE document_id = $1`
	qConsultations = `
SELECT ` + consultColumns + ` FROM consultation c
WHERE ($1 = 0 OR EXISTS (SELECT 1 FROM document d WHERE d.id = c.document_id AND d.issuer_unit = $2)
  OR EXISTS (SELECT 1 FROM dispatch p WHERE p.document_id = c.document_id AND p.to_unit = $3))
  AND ($4 = 0 OR c.closed_us = 0)
ORDER BY document_id DESC LIMIT $5`
	qDueConsultations = `
SELECT ` + consultColumns + ` FROM consultation WHERE closed_us = 0 AND next_us <= $1 ORDER BY next_us, document_id LIMIT $2`
	qInsertConsultation = `
INSERT INTO consultation (document_id, due_us, silence, opened_us, closed_us, ended, reminded_us, next_us, revision)
VALUES ($1, $2, $3, $4, 0, '', 0, $5, 1)`
	qExtendConsultation = `UPDATE consultation SET due_us = $1, next_us = $2, closed_us = 0, ended = '', reminded_us = 0 WHERE document_id = $3`
	qCloseConsultation  = `UPDATE consultation SET closed_us = $1, ended = $2 WHERE document_id = $3`
	qReminded           = `UPDATE consultation SET reminded_us = $1, next_us = $2 WHERE document_id = $3`
	qTouchConsultation  = `UPDATE consultation SET revision = revision + 1 WHERE document_id = $1`
	qDocumentDue        = `UPDATE document SET due_us = $1 WHERE id = $2`
	qConsultedDue       = `
UPDATE dispatch SET due_us = $1 WHERE document_id = $2 AND kind = 'chinh' AND due_tier = 'issuer'
  AND state IN ('queued', 'sent', 'arrived', 'registered', 'assigned', 'processing')`
	qOpinions       = `SELECT ` + opinionColumns + ` FROM opinion WHERE document_id = $1 ORDER BY id`
	qCurrentOpinion = `SELECT ` + opinionColumns + ` FROM opinion WHERE dispatch_id = $1 AND current = 1`
	qUnsettled      = `
SELECT ` + opinionColumns + ` FROM opinion o WHERE o.unsettled = 1 AND EXISTS (
  SELECT 1 FROM dispatch d WHERE d.id = o.dispatch_id AND d.state NOT IN ('arrived', 'quarantined'))
ORDER BY o.id LIMIT $1`
	qSettleOpinion  = `UPDATE opinion SET unsettled = 0 WHERE id = $1`
	qReplaceOpinion = `UPDATE opinion SET current = 0, unsettled = 0 WHERE dispatch_id = $1 AND current = 1`
	qForgetOverdue  = `UPDATE opinion SET current = 0, unsettled = 0 WHERE document_id = $1 AND vote = 'qua_han' AND current = 1`
	qInsertOpinion  = `
INSERT INTO opinion (document_id, dispatch_id, vote, text, mail_id, message_id, files, account_id, name, source, at_us, current, unsettled,
  journal_seq)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $13) RETURNING id`
	qOpinionWithoutEntry = `
SELECT o.id FROM opinion o
JOIN document c ON c.id = o.document_id
LEFT JOIN dispatch d ON d.id = o.dispatch_id AND d.document_id = o.document_id
LEFT JOIN journal j ON j.seq = o.journal_seq AND j.ref = c.ulid AND j.at_us = o.at_us
WHERE j.seq IS NULL OR d.id IS NULL ORDER BY o.id LIMIT 1`
)
