package control

import (
	"context"
	"errors"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/report"
	"vanthu/internal/sqldb"
)

// Calls about dossiers.
const (
	CallDossierCreate = "dossier.create" // DossierCreate → Dossier
	CallDossierAct    = "dossier.act"    // DossierAct → Dossier
	CallDossierList   = "dossier.list"   // DossierList → []Dossier
	CallDossierShow   = "dossier.show"   // DossierNamed → Dossier
)

// DossierNamed names a dossier of a unit.
type DossierNamed struct {
	Unit     string `json:"unit"`
	Year     int    `json:"year,omitempty"` // 0 is the present one
	Notation string `json:"notation"`
	As       string `json:"as,omitempty"` // login; needed to change something
}

// DossierCreate opens a dossier.
type DossierCreate struct {
	DossierNamed
	Title       string    `json:"title"`
	Maintenance string    `json:"maintenance,omitempty"`
	Rights      string    `json:"rights,omitempty"`
	Description string    `json:"description,omitempty"`
	Start       time.Time `json:"start,omitzero"` // zero is now
}

// DossierAct puts a document in (add), takes it out (remove) or closes (close).
type DossierAct struct {
	DossierNamed
	Act      string        `json:"act"`
	Document DocumentNamed `json:"document,omitzero"`
	Pages    int           `json:"pages,omitempty"`
	Remark   string        `json:"remark,omitempty"`
	DryRun   bool          `json:"dry_run,omitempty"`
}

// DossierList asks for the dossiers of a unit.
type DossierList struct {
	Unit string `json:"unit"`
	Year int    `json:"year,omitempty"` // 0 is all years
	As   string `json:"as,omitempty"`
}

// Dossier is a dossier and, where they were asked for, its documents.
type Dossier struct {
	ID          docstore.ULID     `json:"id"`
	Code        string            `json:"code"` // unit, year, notation
	Unit        string            `json:"unit"`
	Year        int               `json:"year"`
	Notation    string            `json:"notation"`
	Title       string            `json:"title"`
	Maintenance string            `json:"maintenance"`
	Rights      string            `json:"rights"`
	Description string            `json:"description"`
	Creator     string            `json:"creator"`
	Start       string            `json:"start"` // date
	End         string            `json:"end"`   // date, "" while it is open
	Documents   int               `json:"documents"`
	Items       []DossierDocument `json:"items,omitempty"`
}

// DossierDocument is a document in a dossier.
type DossierDocument struct {
	Ordinal int           `json:"ordinal"`
	ID      docstore.ULID `json:"id"`
	Code    string        `json:"code"`
	Issued  string        `json:"issued"`
	Issuer  string        `json:"issuer"`
	Subject string        `json:"subject"`
	Pages   int           `json:"pages,omitempty"`
	Remark  string        `json:"remark,omitempty"`
	Added   time.Time     `json:"added"`
}

// dossierKey finds the unit and year that a dossier is named by.
func (s *Service) dossierKey(req DossierNamed) (directory.Unit, docstore.DossierKey, error) {
	u, err := s.unit(req.Unit)
	if req.Year == 0 {
		req.Year = s.opt.Now().In(vietnam).Year()
	}
	return u, docstore.DossierKey{Unit: u.ID, Year: req.Year, Notation: req.Notation}, err
}

func (s *Service) dossierCreate(ctx context.Context, req DossierCreate, _ Progress) (any, error) {
	u, key, err := s.dossierKey(req.DossierNamed)
	if err != nil {
		return nil, err
	}
	who, err := s.account(req.As)
	if err != nil {
		return nil, err
	}
	d, err := s.Workflow.CreateDossier(ctx, who.ID, docstore.Dossier{
		Unit: key.Unit, Year: key.Year, Notation: req.Notation, Title: req.Title, Maintenance: req.Maintenance, Rights: req.Rights,
		Description: req.Description, Start: req.Start,
	})
	if err != nil {
		return nil, err
	}
	return shownDossier(u, d), nil
}

// errDryRun ends the transaction of a trial.
var errDryRun = errors.New("dry run")

func (s *Service) dossierAct(ctx context.Context, req DossierAct, _ Progress) (any, error) {
	u, key, err := s.dossierKey(req.DossierNamed)
	if err != nil {
		return nil, err
	}
	who, err := s.account(req.As)
	if err != nil {
		return nil, err
	}
	var out Dossier
	err = s.Workflow.DossierAct(ctx, who.ID, key, func(tx *sqldb.Tx, by journal.Actor, d docstore.Dossier) error {
		var doc docstore.Document
		if req.Act != "close" {
			if doc, err = s.document(ctx, tx, req.Document); err != nil {
				return err
			}
		}
		switch req.Act {
		case "add":
			_, err = s.Documents.AddToDossier(ctx, tx, by, d, doc, docstore.DossierItem{Pages: req.Pages, Remark: req.Remark})
		case "remove":
			err = s.Documents.RemoveFromDossier(ctx, tx, by, d, doc)
		case "close":
			d, err = s.Documents.CloseDossier(ctx, tx, by, d)
		default:
			err = fault.Newf(fault.Invalid, "there is no act %q on a dossier", req.Act)
		}
		if err != nil {
			return err
		}
		if out, err = s.dossierWithItems(ctx, tx, u, d); err == nil && req.DryRun {
			err = errDryRun
		}
		return err
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return out, err
}

func (s *Service) dossierList(ctx context.Context, req DossierList, _ Progress) (any, error) {
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	if err := s.mayReadDossiers(req.As, u.ID); err != nil {
		return nil, err
	}
	out := []Dossier{}
	err = s.DB.View(ctx, func(r sqldb.Reader) error {
		list, err := docstore.Dossiers(ctx, r, u.ID, req.Year)
		for _, d := range list {
			items, err := docstore.DossierItems(ctx, r, d.ID, time.Time{})
			if err != nil {
				return err
			}
			v := shownDossier(u, d)
			v.Documents = len(items)
			out = append(out, v)
		}
		return err
	})
	return out, err
}

func (s *Service) dossierShow(ctx context.Context, req DossierNamed, _ Progress) (any, error) {
	u, key, err := s.dossierKey(req)
	if err != nil {
		return nil, err
	}
	if err := s.mayReadDossiers(req.As, u.ID); err != nil {
		return nil, err
	}
	var out Dossier
	err = s.DB.View(ctx, func(r sqldb.Reader) error {
		d, err := docstore.DossierByKey(ctx, r, key)
		if err != nil {
			return err
		}
		out, err = s.dossierWithItems(ctx, r, u, d)
		return err
	})
	return out, err
}

// mayReadDossiers lets in who reads the unit's registers, and its staff.
func (s *Service) mayReadDossiers(login string, unit directory.UnitID) error {
	if login != "" {
		if who, err := s.account(login); err == nil && s.Directory.Snapshot().HasRole(who.ID, unit, directory.RoleStaff) {
			return nil
		}
	}
	_, err := s.reader(login, unit)
	return err
}

func shownDossier(u directory.Unit, d docstore.Dossier) Dossier {
	return Dossier{
		ID: d.ULID, Code: d.Code(u), Unit: u.Name, Year: d.Year, Notation: d.Notation, Title: d.Title, Maintenance: d.Maintenance, Rights: d.Rights,
		Description: d.Description, Creator: d.CreatorName, Start: dayOf(d.Start), End: dayOf(d.Closed),
	}
}

func dayOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(vietnam).Format(time.DateOnly)
}

func (s *Service) dossierWithItems(ctx context.Context, r sqldb.Reader, u directory.Unit, d docstore.Dossier) (Dossier, error) {
	out := shownDossier(u, d)
	items, err := docstore.DossierItems(ctx, r, d.ID, time.Time{})
	for _, i := range items {
		doc, err := docstore.DocumentByID(ctx, r, i.Document)
		if err != nil {
			return Dossier{}, err
		}
		out.Items = append(out.Items, DossierDocument{
			Ordinal: i.Ordinal, ID: doc.ULID, Code: doc.Code, Issued: dayOf(doc.Issued), Issuer: doc.IssuerName, Subject: doc.Abstract,
			Pages: i.Pages, Remark: i.Remark, Added: i.Added,
		})
	}
	out.Documents = len(items)
	return out, err
}

// dossierSheet makes the two lists of dossiers.
func dossierSheet(ctx context.Context, r sqldb.Reader, req ReportMake, q report.DossierQuery) (report.Sheet, error) {
	if req.Name == report.DossierList {
		return report.ListDossiers(ctx, r, q)
	}
	return report.ListDossier(ctx, r, q, req.Dossier)
}
