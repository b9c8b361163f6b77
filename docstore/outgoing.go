package docstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// An outgoing document on its way into its unit's register.
type issue struct {
	store *Store
	tx    *sqldb.Tx
	in    In
	doc   Document
	code  edoc.Code // zero when it bears none
	now   time.Time
}

// enterOutgoing enters what a unit of ours sends into its register of outgoing
// documents: NĐ 30/2020, article 15 and Phụ lục IV. A document that is sent to
// further units gets a line below its own. What asks for a document back, or
// brings its update, is none by itself.
func (s *Store) enterOutgoing(ctx context.Context, tx *sqldb.Tx, in In, doc Document, again bool, now time.Time) error {
	if doc.Issuer == 0 || in.Recognition.Op == edoc.OpRecall || in.Recognition.Op == edoc.OpUpdate {
		return nil
	}
	if in.Recognition.Op == edoc.OpConsult && in.Recognition.Code == nil {
		return nil // what has no number yet is not issued
	}
	is := issue{store: s, tx: tx, in: in, doc: doc, now: now}
	if c := in.Recognition.Code; c != nil && !c.Ask {
		is.code = *c
	}
	if again {
		return is.further(ctx)
	}
	return is.enter(ctx)
}

// enter writes the document's own line.
func (is *issue) enter(ctx context.Context) error {
	n, err := NumberingOf(ctx, is.tx, is.doc.Issuer)
	if err != nil {
		return err
	}
	series := SeriesDefault
	if !is.code.IsZero() {
		series = n.Scheme.Series(is.code)
	}
	b, err := openBook(ctx, is.tx, Book{Unit: is.doc.Issuer, Direction: DirectionOut, Year: is.doc.Year, Series: series})
	if err != nil {
		return err
	}
	e := Entry{Number: is.code.Number, Suffix: is.code.Suffix, Document: is.doc.ID, Entered: is.now, By: is.in.Actor.ID}
	col := is.columns()
	if n.Mode == ModeManaged {
		err = is.claim(ctx, &b, &e, &col)
	} else {
		b.Last = max(b.Last, e.Number)
	}
	if err != nil {
		return err
	}
	return is.add(ctx, b, e, col)
}

// claim checks the number against those that this server gives, and takes it.
// A document that bears the number of an earlier one with the same symbol is
// that one, sent again after a refusal: its line stands below the first.
func (is *issue) claim(ctx context.Context, b *Book, e *Entry, col *OutColumns) error {
	thisYear := b.Year == is.now.In(vietnam).Year()
	if e.Number != 0 && e.Suffix == "" {
		if thisYear && e.Number == b.Last+1 {
			b.take()
			return nil
		}
		v, err := scanReservation(is.tx.QueryRow(ctx, qReservationAt, int64(b.ID), e.Number))
		if err == nil {
			return settle(ctx, is.tx, v.ID, ReservationUsed, is.now)
		}
		if !sqldb.NoRows(err) {
			return fmt.Errorf("look for a reserved number: %w", err)
		}
		earlier, err := collect(ctx, is.tx, scanEntry, qEntriesAt, int64(b.ID), e.Number, e.Suffix)
		if err != nil {
			return err
		}
		for _, x := range earlier {
			c, err := edoc.ParseCode(x.Out.Code)
			if x.Corrects == 0 && x.State == EntryValid && err == nil && c.Key() == is.code.Key() {
				e.Corrects = x.Ordinal
				col.Remark = joinText("Gửi lại", col.Remark)
				return nil
			}
		}
	}
	if is.in.Source == SourceSystem { // found in a file when it had long been sent
		e.Number, e.Suffix = 0, ""
		col.Remark = joinText("Số không do hệ thống cấp", col.Remark)
		return nil
	}
	return is.errNumber(*b, thisYear)
}

// errNumber tells which number was expected.
func (is *issue) errNumber(b Book, thisYear bool) error {
	if is.code.IsZero() {
		return fault.New(fault.Conflict, fault.Text{
			EN: fmt.Sprintf("the document bears no number; the next one of this series is %d: write [?/SYMBOL] in the subject to be given it", b.Last+1),
			VI: fmt.Sprintf("văn bản chưa có số; số kế tiếp của sổ là %d: ghi [?/KÝ-HIỆU] ở tiêu đề để được cấp số", b.Last+1),
		})
	}
	next, ask := is.code, is.code
	next.Number, next.Suffix, ask.Ask = b.Last+1, "", true
	if !thisYear {
		return fault.New(fault.Conflict, fault.Text{
			EN: fmt.Sprintf("number %s was not given for %d, and that year's book takes no new one", is.code, b.Year),
			VI: fmt.Sprintf("số %s không được cấp trong năm %d, sổ năm đó không cấp số mới", is.code, b.Year),
		})
	}
	return fault.New(fault.Conflict, fault.Text{
		EN: fmt.Sprintf("number %s is neither the next one nor reserved: the next one is %s; or write [%s] to be given it", is.code, next, ask),
		VI: fmt.Sprintf("số %s không phải số kế tiếp, cũng không phải số dự trữ: số kế tiếp là %s; hoặc ghi [%s] để được cấp số", is.code, next, ask),
	})
}

// further writes that the document went to further units, below its line.
func (is *issue) further(ctx context.Context) error {
	own, err := scanEntry(is.tx.QueryRow(ctx, qEntryOfDocument, int64(is.doc.ID)))
	if sqldb.NoRows(err) {
		return nil // sent before this server kept registers of outgoing documents
	}
	if err != nil {
		return fmt.Errorf("look for the line of a document: %w", err)
	}
	b, err := bookByID(ctx, is.tx, own.Book)
	if err != nil {
		return err
	}
	col := is.columns()
	col.Code, col.Remark = own.Out.Code, "Gửi bổ sung"
	return is.add(ctx, b, Entry{
		Number: own.Number, Suffix: own.Suffix, Corrects: own.original(), Document: is.doc.ID, Entered: is.now, By: is.in.Actor.ID,
	}, col)
}

func (is *issue) add(ctx context.Context, b Book, e Entry, col OutColumns) error {
	if _, err := journal.Append(ctx, is.tx, journal.Event{
		At: is.now, Type: "doc.issued", Actor: is.in.Actor, Subject: string(is.doc.ULID), Unit: int64(b.Unit),
		Data: issuedData{is.doc.ULID, col.Code, b.Year, b.Series, e.Number, b.Lines + 1, is.in.Source},
	}); err != nil {
		return errJournal(err)
	}
	return b.add(ctx, is.tx, e, col)
}

// issuedData is the evidence of an entry: names and numbers, no content.
type issuedData struct {
	Document ULID   `json:"document"`
	Code     string `json:"code"`
	Year     int    `json:"year"`
	Series   Series `json:"series"`
	Number   int    `json:"number"`
	Line     int    `json:"line"`
	Source   Source `json:"source"`
}

// columns makes the snapshot of the ten legal columns.
func (is *issue) columns() OutColumns {
	col := OutColumns{
		Code: is.doc.Code, Issued: day(is.doc.Issued), Title: title(is.doc), Signer: signerName(is.in.Recognition.Signer),
		Recipients: is.in.recipientNames(), Keeper: "Văn thư", Copies: len(is.in.Recipients) + len(is.in.Outside), Handed: day(is.now),
	}
	if is.code.IsZero() {
		col.Code = ""
	}
	if is.doc.DuplicateOf != 0 {
		col.Remark = "Trùng số, ký hiệu với văn bản đã gửi trước"
	}
	return col
}

// signerName is "KT. GIÁM ĐỐC, Phó Giám đốc, Nguyễn Văn A" as far as it is known.
func signerName(s edoc.Signer) string {
	parts := slices.DeleteFunc([]string{s.Competence, s.Position, s.FullName}, func(p string) bool { return p == "" })
	return strings.Join(parts, ", ")
}

// manyUnits is from how many units of a group on the register names the group.
const manyUnits = 4

// recipientNames is the column "Nơi nhận": units by name, those of a large
// group by the group's address.
func (in *In) recipientNames() string {
	members := map[string]int{}
	for _, r := range in.Recipients {
		if r.Named != r.Address.String() {
			members[r.Named]++
		}
	}
	var names []string
	for _, r := range in.Recipients {
		name := r.Name
		if name == "" {
			name = r.Address.String()
		}
		if n := members[r.Named]; r.Named != "" && n >= manyUnits {
			name = fmt.Sprintf("%s (%d đơn vị)", r.Named, n)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, o := range in.Outside {
		names = append(names, o.Address.String())
	}
	return strings.Join(names, "; ")
}

func bookByID(ctx context.Context, r sqldb.Reader, id BookID) (Book, error) {
	b, err := scanBook(r.QueryRow(ctx, qBookByID, int64(id)))
	if err != nil {
		return Book{}, fmt.Errorf("read a register: %w", err)
	}
	return b, nil
}

const (
	qBookByID  = `SELECT ` + bookColumns + ` FROM register_book WHERE id = $1`
	qEntriesAt = `SELECT ` + entryColumns + `
FROM register_entry e JOIN register_book b ON b.id = e.book_id
WHERE e.book_id = $1 AND e.number = $2 AND e.suffix = $3 ORDER BY e.ordinal`
	qEntryOfDocument = `SELECT ` + entryColumns + `
FROM register_entry e JOIN register_book b ON b.id = e.book_id
WHERE e.document_id = $1 AND e.document_id <> 0 AND e.dispatch_id = 0 ORDER BY e.ordinal LIMIT 1`
)
