package control

import (
	"context"
	"errors"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/report"
	"vanthu/internal/sqldb"
)

// CallReport makes a report.
const CallReport = "report.make" // ReportMake → report.Sheet

// ReportMake says which report is wanted.
type ReportMake struct {
	Name   string       `json:"name"`            // as report.Reports has them, register-in or register-out
	Unit   string       `json:"unit,omitempty"`  // "" is the whole province, where the report can be of it
	Year   int          `json:"year,omitempty"`  // 0 is the present one, by Vietnam local date
	Since  time.Time    `json:"since,omitzero"`  // instead of Year: documents accepted at this time or later
	Before time.Time    `json:"before,omitzero"` // and before this one
	AsOf   time.Time    `json:"as_of,omitzero"`  // as things stood then; zero is now
	By     report.Group `json:"by,omitempty"`    // what a line sums up
	// Dossier is the notation of the one whose documents are listed.
	Dossier string        `json:"dossier,omitempty"`
	As      string        `json:"as,omitempty"`     // login of who reads it; "" is the administrator at the command line
	Format  report.Format `json:"format,omitempty"` // of the file that is made of it, which the journal keeps; "" for none
}

func (s *Service) reportMake(ctx context.Context, req ReportMake, _ Progress) (any, error) {
	var u directory.Unit
	var err error
	if req.Unit != "" {
		if u, err = s.unit(req.Unit); err != nil {
			return nil, err
		}
	}
	who, err := s.reader(req.As, u.ID)
	if err != nil {
		return nil, err
	}
	now := s.opt.Now().UTC().Truncate(time.Second)
	if req.Year == 0 {
		req.Year = now.In(vietnam).Year()
	}
	if req.Since.IsZero() {
		req.Since = time.Date(req.Year, 1, 1, 0, 0, 0, 0, vietnam)
	}
	if req.Before.IsZero() {
		req.Before = time.Date(req.Year+1, 1, 1, 0, 0, 0, 0, vietnam)
	}
	if !req.Since.Before(req.Before) {
		return nil, fault.New(fault.Invalid, fault.Text{EN: "the time begins after its end", VI: "thời gian bắt đầu sau khi kết thúc"})
	}
	var sheet report.Sheet
	err = s.DB.View(ctx, func(r sqldb.Reader) error {
		sheet, err = s.sheet(ctx, r, req, u, now)
		return err
	})
	if err == nil && req.Format != "" {
		err = s.recordExport(ctx, who, u.ID, exportData{
			Report: req.Name, Year: req.Year, AsOf: sheet.AsOf, Format: req.Format, Rows: len(sheet.Rows), Head: sheet.Head,
		})
	}
	return sheet, err
}

// sheet reads what the report tells.
func (s *Service) sheet(ctx context.Context, r sqldb.Reader, req ReportMake, u directory.Unit, now time.Time) (report.Sheet, error) {
	dir := docstore.DirectionIn
	switch req.Name {
	case report.DossierList, report.DossierDocuments:
		if u.ID == 0 {
			return report.Sheet{}, errOneUnit()
		}
		return dossierSheet(ctx, r, req, report.DossierQuery{Unit: u, Parent: s.parentOf(u), Year: req.Year, AsOf: req.AsOf})
	case "register-out":
		dir = docstore.DirectionOut
		fallthrough
	case "register-in":
		if u.ID == 0 {
			return report.Sheet{}, errOneUnit()
		}
		q := report.Query{Unit: u, Parent: s.parentOf(u), Direction: dir, Year: req.Year, AsOf: req.AsOf}
		book, err := report.Read(ctx, r, q)
		if errors.Is(err, docstore.ErrNoBook) {
			book, err = report.Empty(q), nil
		}
		if err != nil {
			return report.Sheet{}, err
		}
		return book.Sheet()
	}
	if req.AsOf.IsZero() {
		req.AsOf = now
	}
	cals, err := s.Documents.Calendars(ctx, r)
	if err != nil {
		return report.Sheet{}, err
	}
	return report.Make(ctx, r, req.Name, report.Params{
		Time: cals,
		Unit: u, Parent: s.parentOf(u), Units: s.Directory.Snapshot(), Since: req.Since, Before: req.Before, AsOf: req.AsOf, By: req.By,
	})
}

func errOneUnit() error {
	return fault.New(fault.Invalid, fault.Text{EN: "this is of one unit: name it with --unit UNIT", VI: "nội dung này là của một đơn vị: hãy ghi --unit ĐƠN-VỊ"})
}
