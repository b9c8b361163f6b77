package docstore

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// EntryKey names a line of a register as people do.
type EntryKey struct {
	Unit      directory.UnitID
	Direction Direction
	Year      int
	Series    Series // "" means [SeriesDefault]
	Number    int
	Suffix    string
	Line      int // ordinal, needed when the number stands there twice; else 0
}

// FindEntry gives the entry of its own that key names, with its book. It fails
// with [ErrNoBook], a fault.NotFound, or a fault.Conflict when there are
// several and key has no line.
func FindEntry(ctx context.Context, r sqldb.Reader, key EntryKey) (Book, Entry, error) {
	if key.Series == "" {
		key.Series = SeriesDefault
	}
	b, err := findBook(ctx, r, key.Unit, key.Direction, key.Year, key.Series)
	if err != nil {
		return Book{}, Entry{}, err
	}
	all, err := collect(ctx, r, scanEntry, qEntriesAt, int64(b.ID), key.Number, key.Suffix)
	if err != nil {
		return Book{}, Entry{}, err
	}
	var found []Entry
	for _, e := range all {
		if e.Corrects == 0 && (key.Line == 0 || key.Line == e.Ordinal) {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return Book{}, Entry{}, errNoEntry(key)
	case 1:
		return b, found[0], nil
	}
	lines := make([]string, len(found))
	for i, e := range found {
		lines[i] = fmt.Sprint(e.Ordinal)
	}
	return Book{}, Entry{}, fault.New(fault.Conflict, fault.Text{
		EN: fmt.Sprintf("number %d%s stands in the register several times: name the line, one of %s", key.Number, key.Suffix, strings.Join(lines, ", ")),
		VI: fmt.Sprintf("số %d%s có nhiều dòng trong sổ: hãy ghi rõ dòng, một trong %s", key.Number, key.Suffix, strings.Join(lines, ", ")),
	})
}

func errNoEntry(key EntryKey) error {
	return fault.New(fault.NotFound, fault.Text{
		EN: fmt.Sprintf("the register of %d has no number %d%s", key.Year, key.Number, key.Suffix),
		VI: fmt.Sprintf("sổ năm %d không có số %d%s", key.Year, key.Number, key.Suffix),
	})
}

// fields gives the columns that may be corrected, by their names in JSON. The
// number of the book itself is not among them: a wrong one is voided.
func fields(e *Entry, dir Direction) map[string]*string {
	if dir == DirectionOut {
		c := &e.Out
		return map[string]*string{
			"ngay_thang_van_ban": &c.Issued, "ten_loai_va_trich_yeu": &c.Title, "nguoi_ky": &c.Signer, "noi_nhan": &c.Recipients,
			"don_vi_nguoi_nhan_ban_luu": &c.Keeper, "ngay_chuyen": &c.Handed, "ky_nhan": &c.Signed, "ghi_chu": &c.Remark,
		}
	}
	c := &e.Columns
	return map[string]*string{
		"ngay_den": &c.Arrived, "tac_gia": &c.Issuer, "so_ky_hieu": &c.Code, "ngay_thang_van_ban": &c.Issued,
		"ten_loai_va_trich_yeu": &c.Title, "don_vi_hoac_nguoi_nhan": &c.Recipient, "ngay_chuyen": &c.Handed,
		"ky_nhan": &c.Signed, "ghi_chu": &c.Remark,
	}
}

// A Correction is what a line should have said.
type Correction struct {
	Set    map[string]string // new value of a column, by its name in JSON; dates are YYYY-MM-DD
	Reason string
	Source Source
}

// CorrectEntry adds a line below the one that key names, which says what it
// should have said; the line itself stays. Whether actor may is the caller's
// to check. It fails with fault.Invalid, fault.Conflict for a voided line, and
// as [FindEntry]; then nothing was changed.
func (s *Store) CorrectEntry(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, key EntryKey, cor Correction) (Entry, error) {
	if err := checkReason(cor.Reason); err != nil {
		return Entry{}, err
	}
	b, own, err := FindEntry(ctx, tx, key)
	if err != nil {
		return Entry{}, err
	}
	if own.State == EntryVoided {
		return Entry{}, errVoided(own)
	}
	e := own // as the last correction left it
	all, err := collect(ctx, tx, scanEntry, qEntriesAt, int64(b.ID), own.Number, own.Suffix)
	if err != nil {
		return Entry{}, err
	}
	for _, x := range all {
		if x.Corrects == own.Ordinal {
			e = x
		}
	}
	if err := e.set(b.Direction, cor); err != nil {
		return Entry{}, err
	}
	now := s.time()
	e.Corrects, e.Entered, e.By = own.Ordinal, now, actor.ID
	columns := any(e.Columns)
	if b.Direction == DirectionOut {
		columns = e.Out
	}
	if err := b.add(ctx, tx, e, columns); err != nil {
		return Entry{}, err
	}
	e.Ordinal, e.Hash = b.Lines, b.Head
	if _, err := journal.Append(ctx, tx, journal.Event{
		At: now, Type: "register.corrected", Actor: actor, Subject: entryRef(b, own), Unit: int64(b.Unit),
		Data: entryData{b.Direction, b.Year, b.Series, own.Number, own.Ordinal, e.Ordinal, hex.EncodeToString(b.Head[:]), cor.Source},
	}); err != nil {
		return Entry{}, errJournal(err)
	}
	return e, nil
}

// set changes the columns of e as cor says.
func (e *Entry) set(dir Direction, cor Correction) error {
	known := fields(e, dir)
	if len(cor.Set) == 0 {
		return fault.New(fault.Invalid, fault.Text{EN: "say which column is to be corrected", VI: "chưa ghi cột cần đính chính"})
	}
	for name, value := range cor.Set {
		to, ok := known[name]
		if !ok {
			return fault.New(fault.Invalid, fault.Text{
				EN: fmt.Sprintf("%q is no column that can be corrected; a wrong number is voided", name),
				VI: fmt.Sprintf("%q không phải cột đính chính được; số sai thì hủy số", name),
			})
		}
		if !utf8.ValidString(value) || utf8.RuneCountInString(value) > maxColumn {
			return fault.New(fault.Invalid, fault.Text{EN: "the column's text is too long", VI: "nội dung cột quá dài"})
		}
		if strings.HasPrefix(name, "ngay_") && value != "" {
			if _, err := time.Parse(time.DateOnly, value); err != nil {
				return fault.Wrap(fault.Invalid, err, fault.Text{
					EN: fmt.Sprintf("%q is no date such as 2026-11-24", value), VI: fmt.Sprintf("%q không phải ngày dạng 2026-11-24", value),
				})
			}
		}
		*to = value
	}
	remark := known["ghi_chu"]
	*remark = joinText("Đính chính: "+cor.Reason, *remark)
	return nil
}

// maxColumn bounds a column in characters: places of receipt may be many.
const maxColumn = 4000

// VoidEntry strikes a line of outgoing documents through; its number stays its
// own. A number that is only reserved becomes such a line. Whether actor may is
// the caller's to check. Lines of incoming documents are struck through by
// [Store.Transition] with a late undo, since their document comes back.
func (s *Store) VoidEntry(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, key EntryKey, reason string) (Entry, error) {
	if err := checkReason(reason); err != nil {
		return Entry{}, err
	}
	if key.Direction != DirectionOut {
		return Entry{}, fault.New(fault.Invalid, fault.Text{EN: "not a register of outgoing documents", VI: "không phải sổ văn bản đi"})
	}
	if key.Series == "" {
		key.Series = SeriesDefault
	}
	now := s.time()
	b, err := findBook(ctx, tx, key.Unit, key.Direction, key.Year, key.Series)
	if err != nil {
		return Entry{}, err
	}
	if key.Suffix == "" {
		v, err := scanReservation(tx.QueryRow(ctx, qReservationAt, int64(b.ID), key.Number))
		if err == nil {
			if err := s.voidReservation(ctx, tx, actor, v, reason, now); err != nil {
				return Entry{}, err
			}
			_, e, err := FindEntry(ctx, tx, key)
			return e, err
		}
		if !sqldb.NoRows(err) {
			return Entry{}, fmt.Errorf("look for a reserved number: %w", err)
		}
	}
	b, e, err := FindEntry(ctx, tx, key)
	if err != nil {
		return Entry{}, err
	}
	if e.State == EntryVoided {
		return Entry{}, errVoided(e)
	}
	if err := s.strike(ctx, tx, actor, b, e, reason, now); err != nil {
		return Entry{}, err
	}
	e.State, e.VoidReason, e.VoidedBy, e.Voided = EntryVoided, reason, actor.ID, now
	return e, nil
}

// strike voids an entry with what corrects it, and journals that.
func (s *Store) strike(
	ctx context.Context, tx *sqldb.Tx, actor journal.Actor, b Book, e Entry, reason string, now time.Time,
) error {
	seq, err := journal.Append(ctx, tx, journal.Event{
		At: now, Type: "register.voided", Actor: actor, Subject: entryRef(b, e), Unit: int64(b.Unit),
		Data: entryData{Direction: b.Direction, Year: b.Year, Series: b.Series, Number: e.Number, Line: e.Ordinal},
	})
	if err != nil {
		return errJournal(err)
	}
	n, err := tx.Exec(ctx, qStrike, reason, actor.ID, sqldb.Micros(now), seq, int64(b.ID), e.Ordinal)
	if err != nil {
		return fmt.Errorf("void a register entry: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("void a register entry: line %d of book %d is not valid", e.Ordinal, b.ID)
	}
	if _, err := tx.Exec(ctx, qTouchPage, int64(b.ID), e.Ordinal); err != nil {
		return fmt.Errorf("mark the messages of register entries: %w", err)
	}
	return nil
}

// entryRef names a line in the journal: "di/2026/default/12".
func entryRef(b Book, e Entry) string {
	return fmt.Sprintf("%s/%d/%s/%d%s", b.Direction, b.Year, b.Series, e.Number, e.Suffix)
}

// entryData is the evidence of what was done to a line.
type entryData struct {
	Direction Direction `json:"direction"`
	Year      int       `json:"year"`
	Series    Series    `json:"series"`
	Number    int       `json:"number"`
	Line      int       `json:"line"`
	By        int       `json:"corrected_by_line,omitempty"`
	Hash      string    `json:"hash,omitempty"`
	Source    Source    `json:"source,omitempty"`
}

func errVoided(e Entry) error {
	return fault.New(fault.Conflict, fault.Text{
		EN: fmt.Sprintf("number %d%s has been voided: %s", e.Number, e.Suffix, e.VoidReason),
		VI: fmt.Sprintf("số %d%s đã bị hủy: %s", e.Number, e.Suffix, e.VoidReason),
	})
}

// checkReason wants words that a later reader understands.
func checkReason(reason string) error {
	n := utf8.RuneCountInString(strings.TrimSpace(reason))
	if n == 0 || n > MaxNote || !utf8.ValidString(reason) {
		return fault.New(fault.Invalid, fault.Text{
			EN: fmt.Sprintf("a reason of at most %d characters is needed", MaxNote),
			VI: fmt.Sprintf("phải ghi lý do, không quá %d ký tự", MaxNote),
		})
	}
	return nil
}

// StartNumber makes the next number of a unit's book of outgoing documents,
// which this server is to go on with: once for each book, before the first
// number was given here. It fails with fault.Invalid and fault.Conflict.
func (s *Store) StartNumber(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, key EntryKey) error {
	if key.Series == "" {
		key.Series = SeriesDefault
	}
	if key.Number < 1 || key.Number > maxNumber {
		return fault.New(fault.Invalid, fault.Text{EN: "not a number to begin with", VI: "số bắt đầu không hợp lệ"})
	}
	b, err := openBook(ctx, tx, Book{Unit: key.Unit, Direction: DirectionOut, Year: key.Year, Series: key.Series})
	if err != nil {
		return err
	}
	if b.ManagedFrom != 0 || b.Last >= key.Number {
		return fault.New(fault.Conflict, fault.Text{
			EN: fmt.Sprintf("the book has numbers up to %d already; the start can be set once, before this server gives a number", b.Last),
			VI: fmt.Sprintf("sổ đã có số đến %d; số bắt đầu chỉ đặt được một lần, trước khi hệ thống cấp số", b.Last),
		})
	}
	b.Last, b.ManagedFrom = key.Number-1, key.Number
	if err := b.save(ctx, tx); err != nil {
		return err
	}
	if _, err := journal.Append(ctx, tx, journal.Event{
		At: s.time(), Type: "numbering.started", Actor: actor, Unit: int64(b.Unit),
		Data: entryData{Direction: b.Direction, Year: b.Year, Series: b.Series, Number: key.Number},
	}); err != nil {
		return errJournal(err)
	}
	return nil
}

// maxNumber is the highest number that a code can have.
const maxNumber = 999_999

const qStrike = `
UPDATE register_entry SET state = 'voided', void_reason = $1, voided_by = $2, voided_us = $3, void_seq = $4
WHERE book_id = $5 AND (ordinal = $6 OR corrects = $6) AND state = 'valid'`
