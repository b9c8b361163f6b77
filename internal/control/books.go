package control

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// Calls about registers and the numbers of outgoing documents.
const (
	CallRegisterList  = "register.list"    // RegisterList → []Book
	CallRegisterFix   = "register.correct" // RegisterCorrect → EntryDone
	CallRegisterVoid  = "register.void"    // RegisterVoid → EntryDone
	CallDraftList     = "draft.list"       // NumberList → []workflow.Waiting
	CallDraftAct      = "draft.act"        // DraftAct → DraftDone
	CallNumberReserve = "number.reserve"   // NumberReserve → docstore.Reservation
	CallNumberList    = "number.list"      // NumberList → []docstore.Reservation
	CallNumbering     = "numbering.show"   // NumberList → []Numbering
	CallNumberingSet  = "numbering.set"    // NumberingSet → Numbering
)

// RegisterList narrows a listing of registers.
type RegisterList struct {
	Unit string `json:"unit,omitempty"`
}

// Book is one register in a list.
type Book struct {
	Unit      string             `json:"unit"`
	Direction docstore.Direction `json:"direction"`
	Year      int                `json:"year"`
	Series    docstore.Series    `json:"series"`
	Last      int                `json:"last_number"`
	Lines     int                `json:"lines"`
	Managed   bool               `json:"managed"` // numbers are given by this server
}

// EntryNamed names a line of a register.
type EntryNamed struct {
	Unit      string             `json:"unit"`
	Direction docstore.Direction `json:"direction"`
	Year      int                `json:"year,omitempty"` // 0 is the present one
	Series    docstore.Series    `json:"series,omitempty"`
	Number    string             `json:"number"`         // "12", "15a"
	Line      int                `json:"line,omitempty"` // when the number stands there twice
	As        string             `json:"as"`             // login of the clerk who acts
	Reason    string             `json:"reason"`
}

// RegisterCorrect says what a line should have said.
type RegisterCorrect struct {
	EntryNamed
	Set map[string]string `json:"set"` // column → value
}

// RegisterVoid strikes a line through.
type RegisterVoid struct{ EntryNamed }

// EntryDone tells what was done to a line.
type EntryDone struct {
	Unit   string `json:"unit"`
	Number string `json:"number"`
	State  string `json:"state"` // corrected, voided
}

// NumberReserve asks for the next number of a unit (xin số).
type NumberReserve struct {
	Unit     string `json:"unit"`
	Type     string `json:"type,omitempty"`   // name or abbreviation: QĐ
	Symbol   string `json:"symbol,omitempty"` // QĐ-SYT, instead of the type
	Legal    bool   `json:"legal,omitempty"`  // a legal norm, whose code carries the year
	Abstract string `json:"abstract,omitempty"`
	As       string `json:"as"` // login of who asks
}

// NumberList lists the numbers that wait to be used.
type NumberList struct {
	Unit string `json:"unit"`
	All  bool   `json:"all,omitempty"` // those that were used or voided too
}

// DraftAct numbers a draft that waits in a unit's folder, or issues it.
type DraftAct struct {
	Unit  string        `json:"unit"`
	UID   mailstore.UID `json:"uid"`
	Issue bool          `json:"issue"` // send it, too
	As    string        `json:"as"`    // login of the clerk who acts
}

// DraftDone is what became of a draft.
type DraftDone struct {
	Code   string `json:"code"`
	Issued bool   `json:"issued"`
}

// Numbering is how a unit numbers what it sends.
type Numbering struct {
	Unit   string          `json:"unit"`
	Mode   docstore.Mode   `json:"mode"`
	Scheme docstore.Scheme `json:"scheme"`
}

// NumberingSet changes how a unit numbers what it sends.
type NumberingSet struct {
	Unit   string           `json:"unit"`
	Mode   docstore.Mode    `json:"mode,omitempty"`   // "" leaves it
	Scheme *docstore.Scheme `json:"scheme,omitempty"` // nil leaves it
	Start  int              `json:"start,omitempty"`  // next number of the series, once for each book
	Series docstore.Series  `json:"series,omitempty"` // of Start
	Year   int              `json:"year,omitempty"`   // of Start; 0 is the present one
	As     string           `json:"as,omitempty"`     // who decided, for the journal; "" is the command line
}

func (s *Service) thisYear(year int) int {
	return cmp.Or(year, s.opt.Now().In(vietnam).Year())
}

func (s *Service) registerList(ctx context.Context, req RegisterList, _ Progress) (any, error) {
	var only directory.UnitID
	if req.Unit != "" {
		u, err := s.unit(req.Unit)
		if err != nil {
			return nil, err
		}
		only = u.ID
	}
	units := s.Directory.Snapshot()
	out := []Book{}
	err := s.DB.View(ctx, func(r sqldb.Reader) error {
		books, err := docstore.Books(ctx, r)
		for _, b := range books {
			if only != 0 && b.Unit != only {
				continue
			}
			u, _ := units.Unit(b.Unit)
			out = append(out, Book{
				Unit: u.Code, Direction: b.Direction, Year: b.Year, Series: b.Series, Last: b.Last, Lines: b.Lines,
				Managed: b.ManagedFrom > 0 || b.Direction == docstore.DirectionIn,
			})
		}
		return err
	})
	return out, err
}

// entryKey reads who names which line.
func (s *Service) entryKey(req EntryNamed) (directory.Account, docstore.EntryKey, error) {
	var key docstore.EntryKey
	who, err := s.account(req.As)
	if err != nil {
		return who, key, err
	}
	u, err := s.unit(req.Unit)
	if err != nil {
		return who, key, err
	}
	key = docstore.EntryKey{
		Unit: u.ID, Direction: cmp.Or(req.Direction, docstore.DirectionIn), Year: s.thisYear(req.Year), Series: req.Series, Line: req.Line,
	}
	digits := strings.TrimRightFunc(req.Number, func(r rune) bool { return r < '0' || r > '9' })
	key.Suffix = strings.ToLower(req.Number[len(digits):])
	if key.Number, err = strconv.Atoi(digits); err != nil || len(key.Suffix) > 1 {
		return who, key, fault.New(fault.Invalid, fault.Text{
			EN: strconv.Quote(req.Number) + " is no number of a register, such as 12 or 15a",
			VI: strconv.Quote(req.Number) + " không phải số trong sổ (ví dụ 12, 15a)",
		})
	}
	return who, key, nil
}

func (s *Service) registerCorrect(ctx context.Context, req RegisterCorrect, _ Progress) (any, error) {
	who, key, err := s.entryKey(req.EntryNamed)
	if err != nil {
		return nil, err
	}
	_, err = s.Workflow.CorrectEntry(ctx, who.ID, key, docstore.Correction{Set: req.Set, Reason: req.Reason, Source: docstore.SourceCLI})
	return EntryDone{Unit: req.Unit, Number: req.Number, State: "corrected"}, err
}

func (s *Service) registerVoid(ctx context.Context, req RegisterVoid, _ Progress) (any, error) {
	who, key, err := s.entryKey(req.EntryNamed)
	if err != nil {
		return nil, err
	}
	err = s.Workflow.VoidEntry(ctx, who.ID, docstore.SourceCLI, key, req.Reason)
	return EntryDone{Unit: req.Unit, Number: req.Number, State: string(docstore.EntryVoided)}, err
}

func (s *Service) numberReserve(ctx context.Context, req NumberReserve, _ Progress) (any, error) {
	who, err := s.account(req.As)
	if err != nil {
		return nil, err
	}
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	if req.Symbol == "" {
		t, ok := edoc.TypeForName(req.Type)
		if !ok {
			return nil, fault.New(fault.Invalid, fault.Text{
				EN: "name the symbol, or a type of document such as QĐ, TB or CV",
				VI: "hãy ghi ký hiệu, hoặc loại văn bản (ví dụ QĐ, TB, CV)",
			})
		}
		req.Symbol = edoc.SymbolOf(t, u.ShortName)
	}
	return s.Workflow.ReserveNumber(ctx, who.ID, docstore.NumberRequest{
		Unit: u.ID, Symbol: req.Symbol, Legal: req.Legal, Abstract: req.Abstract, Source: docstore.SourceCLI,
	})
}

func (s *Service) numberList(ctx context.Context, req NumberList, _ Progress) (any, error) {
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	var list []docstore.Reservation
	err = s.DB.View(ctx, func(r sqldb.Reader) (err error) {
		list, err = docstore.Reservations(ctx, r, u.ID, req.All)
		return err
	})
	return listed(list), err
}

func (s *Service) draftList(ctx context.Context, req NumberList, _ Progress) (any, error) {
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	list, err := s.Workflow.Drafts(ctx, u.ID)
	return listed(list), err
}

func (s *Service) draftAct(ctx context.Context, req DraftAct, _ Progress) (any, error) {
	who, err := s.account(req.As)
	if err != nil {
		return nil, err
	}
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	var code string
	if req.Issue {
		_, code, err = s.Workflow.IssueDraft(ctx, who.ID, docstore.SourceCLI, u.ID, req.UID)
	} else {
		code, err = s.Workflow.NumberDraft(ctx, who.ID, docstore.SourceCLI, u.ID, req.UID)
	}
	return DraftDone{Code: code, Issued: req.Issue}, err
}

func (s *Service) numbering(ctx context.Context, req NumberList, _ Progress) (any, error) {
	units := s.Directory.Snapshot().Units()
	if req.Unit != "" {
		u, err := s.unit(req.Unit)
		if err != nil {
			return nil, err
		}
		units = []directory.Unit{u}
	}
	out := []Numbering{}
	err := s.DB.View(ctx, func(r sqldb.Reader) error {
		for _, u := range units {
			n, err := docstore.NumberingOf(ctx, r, u.ID)
			if err != nil {
				return err
			}
			out = append(out, Numbering{u.Code, n.Mode, n.Scheme})
		}
		return nil
	})
	return out, err
}

func (s *Service) numberingSet(ctx context.Context, req NumberingSet, _ Progress) (any, error) {
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	by := actor()
	if req.As != "" {
		who, err := s.account(req.As)
		if err != nil {
			return nil, err
		}
		by = journal.Actor{Kind: journal.ActorAccount, ID: int64(who.ID), Name: who.Login.String()}
	}
	var n docstore.Numbering
	err = s.DB.Update(ctx, func(tx *sqldb.Tx) (err error) {
		if n, err = docstore.NumberingOf(ctx, tx, u.ID); err != nil {
			return err
		}
		if err := s.Mail.EnsureUnit(ctx, tx, u.ID); err != nil { // older units lack the folder of drafts
			return err
		}
		if req.Mode != "" || req.Scheme != nil {
			n.Mode = cmp.Or(req.Mode, n.Mode)
			if req.Scheme != nil {
				n.Scheme = *req.Scheme
			}
			if err := s.Documents.SetNumbering(ctx, tx, by, n); err != nil {
				return err
			}
		}
		if req.Start == 0 {
			return nil
		}
		if n.Mode != docstore.ModeManaged {
			return docstore.ErrNotManaged
		}
		return s.Documents.StartNumber(ctx, tx, by, docstore.EntryKey{
			Unit: u.ID, Year: s.thisYear(req.Year), Series: req.Series, Number: req.Start,
		})
	})
	return Numbering{u.Code, n.Mode, n.Scheme}, err
}
