package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/sqldb"
)

// The lists of dossiers. NĐ 30/2020/NĐ-CP, Phụ lục V and Phụ lục VI, V.
const (
	DossierList      = "dossier-list"      // mục lục hồ sơ
	DossierDocuments = "dossier-documents" // mục lục văn bản trong hồ sơ
)

// DossierQuery says whose dossiers.
type DossierQuery struct {
	Unit   directory.Unit
	Parent string
	Year   int
	AsOf   time.Time // what lay in them then; zero is now
}

func (q DossierQuery) sheet(name, title string) Sheet {
	return Sheet{
		Name: name, Title: title, Parent: q.Parent, Unit: q.Unit.Name, Code: q.Unit.Code, AsOf: q.AsOf,
		Signers: []string{"Người lập", "Thủ trưởng cơ quan"},
	}
}

// ListDossiers makes the list of a unit's dossiers of a year (mục lục hồ sơ).
func ListDossiers(ctx context.Context, r sqldb.Reader, q DossierQuery) (Sheet, error) {
	s := q.sheet(DossierList, "MỤC LỤC HỒ SƠ")
	s.Lines = []string{fmt.Sprintf("Năm %d", q.Year)}
	s.Footer = fmt.Sprintf("Mục lục hồ sơ năm %d – %s", q.Year, q.Unit.Name)
	s.Columns = []Column{
		{"ordinal", "Số TT", KindNumber, 12}, {"code", "Số, ký hiệu hồ sơ", KindText, 36}, {"title", "Tiêu đề hồ sơ", KindText, 90},
		{"time", "Thời gian tài liệu", KindText, 34}, {"maintenance", "Thời hạn bảo quản", KindText, 28}, {"documents", "Số văn bản", KindNumber, 16},
		{"pages", "Số trang", KindNumber, 16}, {"creator", "Người lập", KindText, 36}, {"remark", "Ghi chú", KindText, 34},
	}
	list, err := docstore.Dossiers(ctx, r, q.Unit.ID, q.Year)
	if err != nil {
		return Sheet{}, err
	}
	documents := 0
	for _, d := range list {
		if !q.AsOf.IsZero() && d.Created.After(q.AsOf) {
			continue
		}
		items, err := docstore.DossierItems(ctx, r, d.ID, q.AsOf)
		if err != nil {
			return Sheet{}, err
		}
		pages, known := 0, len(items) > 0
		for _, i := range items {
			pages += i.Pages
			known = known && i.Pages > 0
			s.dated(i.Added)
		}
		s.dated(d.Created)
		closed := d.Closed
		if !q.AsOf.IsZero() && closed.After(q.AsOf) {
			closed = time.Time{}
		}
		remark := d.Description
		if closed.IsZero() {
			remark = joinFilled("Chưa đóng", remark)
		} else {
			s.dated(closed)
		}
		documents += len(items)
		s.Rows = append(s.Rows, Line{Cells: []string{
			strconv.Itoa(len(s.Rows) + 1), d.Code(q.Unit), d.Title, date(localDay(d.Start)) + prefixed(" – ", date(localDay(closed))),
			joinFilled(d.Maintenance, d.Rights), strconv.Itoa(len(items)), numberIf(pages, known), d.CreatorName, remark,
		}})
	}
	s.Notes = []string{fmt.Sprintf("Tổng số: %d hồ sơ, %d văn bản.", len(s.Rows), documents)}
	return s, nil
}

// ListDossier makes the list of the documents in a dossier (mục lục văn bản
// trong hồ sơ), in the order of their dates of issue.
func ListDossier(ctx context.Context, r sqldb.Reader, q DossierQuery, notation string) (Sheet, error) {
	d, err := docstore.DossierByKey(ctx, r, docstore.DossierKey{Unit: q.Unit.ID, Year: q.Year, Notation: notation})
	if err != nil {
		return Sheet{}, err
	}
	items, err := docstore.DossierItems(ctx, r, d.ID, q.AsOf)
	if err != nil {
		return Sheet{}, err
	}
	s := q.sheet(DossierDocuments, "MỤC LỤC VĂN BẢN TRONG HỒ SƠ")
	s.Lines = []string{"Hồ sơ số " + d.Code(q.Unit), d.Title}
	if d.Maintenance != "" {
		s.Lines = append(s.Lines, "Thời hạn bảo quản: "+d.Maintenance)
	}
	s.Footer = "Mục lục văn bản trong hồ sơ " + d.Code(q.Unit) + " – " + q.Unit.Name
	s.Columns = []Column{
		{"ordinal", "Số TT", KindNumber, 12}, {"code", "Số, ký hiệu văn bản", KindText, 36}, {"issued", "Ngày tháng năm văn bản", KindDate, 24},
		{"title", "Tên loại và trích yếu nội dung", KindText, 110}, {"issuer", "Tác giả văn bản", KindText, 56}, {"pages", "Số trang", KindNumber, 16},
		{"remark", "Ghi chú", KindText, 40},
	}
	s.dated(d.Created)
	docs := make([]docstore.Document, len(items))
	for i, item := range items {
		if docs[i], err = docstore.DocumentByID(ctx, r, item.Document); err != nil {
			return Sheet{}, err
		}
	}
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(when(docs[a]).Compare(when(docs[b])), cmp.Compare(items[a].Ordinal, items[b].Ordinal))
	})
	for n, i := range order {
		doc, item := docs[i], items[i]
		s.dated(item.Added)
		title := doc.Abstract
		if doc.Type.Abbr != "" {
			title = joinFilled(doc.Type.Name, title)
		}
		s.Rows = append(s.Rows, Line{Cells: []string{
			strconv.Itoa(n + 1), doc.Code, localDay(doc.Issued), title, doc.IssuerName, numberIf(item.Pages, item.Pages > 0), item.Remark,
		}})
	}
	s.Notes = []string{fmt.Sprintf("Tổng số: %d văn bản.", len(items))}
	return s, nil
}

// when is the time of a document in its dossier.
func when(d docstore.Document) time.Time {
	if d.Issued.IsZero() {
		return d.Created
	}
	return d.Issued
}

// dated makes the sheet at least as new as t.
func (s *Sheet) dated(t time.Time) {
	if t.After(s.Dated) {
		s.Dated = t
	}
}

// numberIf is a number that may not be known.
func numberIf(n int, known bool) string {
	if !known {
		return ""
	}
	return strconv.Itoa(n)
}

func joinFilled(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, "; ")
}
