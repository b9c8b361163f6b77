package control

import (
	"context"
	"slices"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/search"
	"vanthu/internal/sqldb"
)

// Calls about finding documents.
const (
	CallDocumentSearch = "doc.search"       // DocumentSearch → Found
	CallSavedList      = "doc.saved.list"   // SavedNamed → []Saved
	CallSavedRemove    = "doc.saved.remove" // SavedNamed → Saved, what was removed
)

// DocumentSearch asks for documents, docs/formats/search.md.
type DocumentSearch struct {
	Query    string        `json:"query,omitempty"` // "" with Saved
	Saved    string        `json:"saved,omitempty"` // name of a saved search; Query narrows it
	Save     string        `json:"save,omitempty"`  // keep the query under this name
	As       string        `json:"as,omitempty"`    // login whose rights count; "": the administrator at the machine
	Sort     docstore.Sort `json:"sort,omitempty"`
	Columns  []string      `json:"columns,omitempty"` // kept with Save
	Limit    int           `json:"limit,omitempty"`
	Offset   int           `json:"offset,omitempty"`
	Thorough bool          `json:"thorough,omitempty"`
}

// Found is what a search has found.
type Found struct {
	Query   string        `json:"query"`
	Sort    docstore.Sort `json:"sort"`
	Columns []string      `json:"columns,omitempty"` // of the saved search, when it has some
	More    bool          `json:"more"`
	// Complete is false when texts were left unread: --thorough reads them all.
	Complete bool       `json:"complete"`
	Hits     []FoundHit `json:"hits"`
}

// FoundHit is one document that was found.
type FoundHit struct {
	ID       docstore.ULID  `json:"id"`
	Code     string         `json:"code"`
	Number   int            `json:"number"`
	Issuer   string         `json:"issuer"`
	Subject  string         `json:"subject"`
	Type     string         `json:"type"`
	Issued   string         `json:"issued"`
	Signer   string         `json:"signer"`
	Urgency  edoc.Urgency   `json:"urgency"`
	Due      time.Time      `json:"due,omitzero"`
	Accepted time.Time      `json:"accepted"`
	Exact    bool           `json:"exact"`
	Snippet  search.Snippet `json:"snippet"`
	Sent     []FoundSent    `json:"dispatches"`
}

// FoundSent is how a document that was found fares at one recipient.
type FoundSent struct {
	Unit          string         `json:"unit"`
	State         docstore.State `json:"state"`
	ArrivalNumber int            `json:"arrival_number"`
	ArrivalYear   int            `json:"arrival_year"`
}

// SavedNamed names a saved search, or whose are meant.
type SavedNamed struct {
	As     string `json:"as,omitempty"`
	Name   string `json:"name,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
}

// Saved is a saved search.
type Saved struct {
	Name    string        `json:"name"`
	Query   string        `json:"query"`
	Sort    docstore.Sort `json:"sort"`
	Columns []string      `json:"columns,omitempty"`
	Saved   time.Time     `json:"saved"`
}

// searcher gives whose rights count; 0 for the administrator at the machine.
func (s *Service) searcher(login string) (directory.AccountID, error) {
	if login == "" {
		return 0, nil
	}
	a, err := s.account(login)
	return a.ID, err
}

func (s *Service) documentSearch(ctx context.Context, req DocumentSearch, _ Progress) (any, error) {
	who, err := s.searcher(req.As)
	if err != nil {
		return nil, err
	}
	var columns []string
	if req.Saved != "" {
		var saved docstore.SavedSearch
		err := s.DB.View(ctx, func(r sqldb.Reader) (err error) {
			saved, err = docstore.SavedByName(ctx, r, who, req.Saved)
			return err
		})
		if err != nil {
			return nil, err
		}
		columns = saved.Columns
		req.Query = strings.TrimSpace(saved.Query + " " + req.Query)
		if req.Sort == "" {
			req.Sort = saved.Sort
		}
	}
	res, err := s.Search.Search(ctx, search.Request{
		Query: req.Query, As: who, Sort: req.Sort, Limit: req.Limit, Offset: req.Offset, Thorough: req.Thorough,
	})
	if err != nil {
		return nil, err
	}
	if req.Save != "" { // after it was understood
		err := s.DB.Update(ctx, func(tx *sqldb.Tx) error {
			return s.Documents.SaveSearch(ctx, tx, who, docstore.SavedSearch{Name: req.Save, Query: req.Query, Sort: req.Sort, Columns: req.Columns})
		})
		if err != nil {
			return nil, err
		}
	}
	found := Found{Query: req.Query, Sort: req.Sort, Columns: columns, More: res.More, Complete: res.Complete, Hits: []FoundHit{}}
	if found.Sort == "" {
		found.Sort = docstore.SortRank
	}
	units := s.Directory.Snapshot()
	for _, h := range res.Hits {
		found.Hits = append(found.Hits, foundHit(units, h))
	}
	return found, nil
}

func foundHit(units *directory.Snapshot, h search.Hit) FoundHit {
	f := FoundHit{
		ID: h.ULID, Code: h.Code, Number: h.Number, Issuer: h.IssuerName, Subject: h.Abstract, Type: h.Type.Name, Signer: h.Signer,
		Urgency: h.Urgency, Due: h.Due, Accepted: h.Created, Exact: h.Exact, Snippet: h.Snippet, Sent: []FoundSent{},
	}
	if f.Snippet.Marks == nil {
		f.Snippet.Marks = [][2]int{}
	}
	if u, ok := units.Unit(h.Issuer); ok {
		f.Issuer = u.Address.String()
	}
	if !h.Issued.IsZero() {
		f.Issued = h.Issued.In(vietnam).Format(time.DateOnly)
	}
	for _, d := range h.Sent {
		x := FoundSent{Unit: d.Address, State: d.State, ArrivalNumber: d.ArrivalNumber, ArrivalYear: d.ArrivalYear}
		if u, ok := units.Unit(d.To); ok {
			x.Unit = u.Address.String()
		}
		f.Sent = append(f.Sent, x)
	}
	return f
}

func (s *Service) savedList(ctx context.Context, req SavedNamed, _ Progress) (any, error) {
	who, err := s.searcher(req.As)
	if err != nil {
		return nil, err
	}
	out := []Saved{}
	err = s.DB.View(ctx, func(r sqldb.Reader) error {
		list, err := docstore.SavedSearches(ctx, r, who)
		for _, q := range list {
			out = append(out, Saved(q))
		}
		return err
	})
	return out, err
}

func (s *Service) savedRemove(ctx context.Context, req SavedNamed, _ Progress) (any, error) {
	who, err := s.searcher(req.As)
	if err != nil {
		return nil, err
	}
	var saved docstore.SavedSearch
	err = s.DB.Update(ctx, func(tx *sqldb.Tx) (err error) {
		if saved, err = docstore.SavedByName(ctx, tx, who, req.Name); err != nil || req.DryRun {
			return err
		}
		return s.Documents.ForgetSearch(ctx, tx, who, req.Name)
	})
	return Saved(saved), err
}

// SearchColumns are the columns of results that can be chosen.
func SearchColumns() []string {
	return []string{
		"accepted", "code", "number", "issuer", "subject", "type", "issued", "signer", "urgency", "due", "state", "arrival", "units",
		"snippet", "id",
	}
}

// CheckColumns says which column there is none of.
func CheckColumns(columns []string) error {
	for _, c := range columns {
		if !slices.Contains(SearchColumns(), c) {
			return fault.Newf(fault.Invalid, "there is no column %q; there are %s", c, strings.Join(SearchColumns(), ", "))
		}
	}
	return nil
}
