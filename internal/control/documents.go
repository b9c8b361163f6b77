package control

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/report"
	"vanthu/internal/sqldb"
	"vanthu/internal/workflow"
	"vanthu/internal/worktime"
)

// Calls about documents, registers and mailboxes.
const (
	CallDocumentList   = "doc.list"      // DocumentList → []DocumentRow
	CallDocumentShow   = "doc.show"      // DocumentNamed → docstore.View
	CallDocumentAct    = "doc.act"       // DocumentAct → docstore.DispatchView
	CallDocumentRecall = "doc.recall"    // DocumentRecall → []docstore.DispatchView
	CallRegisterShow   = "register.show" // RegisterShow → report.Register
	CallMailboxList    = "mailbox.list"  // MailboxList → []Mailbox
)

// DocumentList narrows a listing.
type DocumentList struct {
	Unit  string `json:"unit,omitempty"`  // sent or received by it
	State string `json:"state,omitempty"` // of at least one dispatch
	Due   string `json:"due,omitempty"`   // overdue or soon: of a dispatch to it, or to any unit; not together with State
	Limit int    `json:"limit,omitempty"` // 0 means 100
}

// DocumentRow is one document in a list.
type DocumentRow struct {
	ID         docstore.ULID          `json:"id"`
	Code       string                 `json:"code"`
	Issuer     string                 `json:"issuer"`
	Subject    string                 `json:"subject"`
	Type       string                 `json:"type"`
	Accepted   time.Time              `json:"accepted"`
	Dispatches int                    `json:"dispatches"`
	States     map[docstore.State]int `json:"states"`
}

// DocumentNamed names a document by its code or by its ULID.
type DocumentNamed struct {
	Code   string `json:"code"`
	Issuer string `json:"issuer,omitempty"` // unit, when several issuers have the code
}

// DocumentAct acts on the dispatch of a document to one unit.
type DocumentAct struct {
	DocumentNamed
	Unit   string            `json:"unit,omitempty"` // recipient; "" is the unit of the actor
	As     string            `json:"as"`             // login of the actor
	Act    docstore.Event    `json:"act"`
	Reason edoc.RefuseReason `json:"reason,omitempty"`
	Note   string            `json:"note,omitempty"`
	Assign []Assignee        `json:"assign,omitempty"` // of assign and reassign
	Due    time.Time         `json:"due,omitzero"`     // of assign, reassign and extend
}

// Assignee is somebody to whom a dispatch is given.
type Assignee struct {
	Login string                `json:"login"`
	Role  docstore.AssigneeRole `json:"role"`
}

// DocumentRecall asks for a document back, or withdraws it.
type DocumentRecall struct {
	DocumentNamed
	As     string   `json:"as"`              // login of a clerk of the issuing unit
	Reason string   `json:"reason"`          // compulsory
	Units  []string `json:"units,omitempty"` // only from these
}

// RegisterShow names a register of incoming documents, or a part of it.
type RegisterShow struct {
	Unit      string             `json:"unit"`
	Direction docstore.Direction `json:"direction,omitempty"` // "" is that of incoming documents
	Series    docstore.Series    `json:"series,omitempty"`    // "" is the default one
	Year      int                `json:"year,omitempty"`      // 0 is the present one, by Vietnam local date
	AsOf      time.Time          `json:"as_of,omitzero"`      // as it stood then; zero is now
	From      int                `json:"from,omitempty"`      // first number
	To        int                `json:"to,omitempty"`        // last number
	As        string             `json:"as,omitempty"`        // login of who reads it; "" is the administrator at the command line
	Format    report.Format      `json:"format,omitempty"`    // of the file that is made of it, which the journal keeps; "" for none
}

// MailboxList names whose mailboxes: a login or a unit.
type MailboxList struct {
	Account string `json:"account,omitempty"`
	Unit    string `json:"unit,omitempty"`
}

// Mailbox is a mailbox with its counters.
type Mailbox struct {
	Name     string `json:"name"`
	Use      string `json:"use,omitempty"`
	Role     string `json:"role,omitempty"`
	Messages int64  `json:"messages"`
	Unseen   int64  `json:"unseen"`
	Octets   int64  `json:"octets"`
	Seen     string `json:"seen"` // shared, per-user; then unseen counts for who has not read anything
}

func (s *Service) documentList(ctx context.Context, req DocumentList, _ Progress) (any, error) {
	f := docstore.Filter{State: docstore.State(req.State)}
	if req.State != "" && !f.State.Valid() {
		return nil, fault.Newf(fault.Invalid, "no dispatch is ever in state %q", req.State)
	}
	if req.Unit != "" {
		u, err := s.unit(req.Unit)
		if err != nil {
			return nil, err
		}
		f.Party = u.ID
	}
	units := s.Directory.Snapshot()
	rows := []DocumentRow{}
	err := s.DB.View(ctx, func(r sqldb.Reader) error {
		var docs []docstore.Document
		var err error
		if req.Due != "" {
			docs, err = s.documentsDue(ctx, r, req, f.Party)
		} else {
			docs, err = docstore.Documents(ctx, r, f, docstore.Page{Limit: req.Limit})
		}
		if err != nil {
			return err
		}
		for _, d := range docs {
			row := DocumentRow{
				ID: d.ULID, Code: d.Code, Issuer: d.IssuerName, Subject: d.Abstract, Type: d.Type.Name,
				Accepted: d.Created, States: map[docstore.State]int{},
			}
			if u, ok := units.Unit(d.Issuer); ok {
				row.Issuer = u.Address.String()
			}
			sent, err := docstore.Dispatches(ctx, r, d.ID)
			if err != nil {
				return err
			}
			row.Dispatches = len(sent)
			for _, x := range sent {
				row.States[x.State]++
			}
			rows = append(rows, row)
		}
		return nil
	})
	return rows, err
}

// document finds the one document that req names.
func (s *Service) document(ctx context.Context, r sqldb.Reader, req DocumentNamed) (docstore.Document, error) {
	if d, err := docstore.DocumentByULID(ctx, r, docstore.ULID(req.Code)); err == nil || !errors.Is(err, docstore.ErrNoDocument) {
		return d, err
	}
	code, err := edoc.ParseCode(req.Code)
	if err != nil {
		return docstore.Document{}, err
	}
	docs, err := docstore.DocumentsByCode(ctx, r, code)
	if err != nil {
		return docstore.Document{}, err
	}
	if req.Issuer != "" {
		u, err := s.unit(req.Issuer)
		if err != nil {
			return docstore.Document{}, err
		}
		kept := docs[:0]
		for _, d := range docs {
			if d.Issuer == u.ID {
				kept = append(kept, d)
			}
		}
		docs = kept
	}
	issuers := map[directory.UnitID]bool{}
	for _, d := range docs {
		issuers[d.Issuer] = true
	}
	switch {
	case len(docs) == 0:
		return docstore.Document{}, docstore.ErrNoDocument
	case len(issuers) > 1:
		return docstore.Document{}, fault.New(fault.Conflict, fault.Text{
			EN: "several units have issued a document " + req.Code + ": name the issuer too",
			VI: "có nhiều đơn vị ban hành văn bản " + req.Code + ": hãy ghi thêm đơn vị ban hành",
		})
	}
	return docs[len(docs)-1], nil // the newest; an earlier one with the same number is named by its ULID
}

func (s *Service) documentShow(ctx context.Context, req DocumentNamed, _ Progress) (any, error) {
	var v docstore.View
	err := s.DB.View(ctx, func(r sqldb.Reader) error {
		doc, err := s.document(ctx, r, req)
		if err != nil {
			return err
		}
		if v, err = docstore.Show(ctx, r, s.Directory.Snapshot(), doc); err != nil {
			return err
		}
		list, err := docstore.Dispatches(ctx, r, doc.ID)
		if err != nil {
			return err
		}
		return s.addDue(ctx, r, list, v.Dispatches)
	})
	return v, err
}

func (s *Service) documentAct(ctx context.Context, req DocumentAct, _ Progress) (any, error) {
	who, err := s.account(req.As)
	if err != nil {
		return nil, err
	}
	var to docstore.Dispatch
	err = s.DB.View(ctx, func(r sqldb.Reader) error {
		doc, err := s.document(ctx, r, req.DocumentNamed)
		if err != nil {
			return err
		}
		to, err = s.dispatchOf(ctx, r, doc, req.Unit, who)
		return err
	})
	if err != nil {
		return nil, err
	}
	act := workflow.Act{Event: req.Act, Reason: req.Reason, Note: req.Note, Due: req.Due}
	for _, a := range req.Assign {
		account, err := s.account(a.Login)
		if err != nil {
			return nil, err
		}
		act.Assign = append(act.Assign, docstore.Assignee{Account: account.ID, Role: a.Role})
	}
	done, err := s.Workflow.Do(ctx, who.ID, docstore.SourceCLI, to.ID, act)
	if err != nil {
		return nil, err
	}
	views, err := s.dispatchViews(ctx, done)
	if err != nil {
		return nil, err
	}
	return views[0], nil
}

func (s *Service) dispatchViews(ctx context.Context, list ...docstore.Dispatch) (views []docstore.DispatchView, err error) {
	units := s.Directory.Snapshot()
	err = s.DB.View(ctx, func(r sqldb.Reader) error {
		views = make([]docstore.DispatchView, len(list))
		for i, d := range list {
			if views[i], err = docstore.ViewOf(ctx, r, units, d); err != nil {
				return err
			}
		}
		return s.addDue(ctx, r, list, views)
	})
	return views, err
}

func (s *Service) documentRecall(ctx context.Context, req DocumentRecall, _ Progress) (any, error) {
	who, err := s.account(req.As)
	if err != nil {
		return nil, err
	}
	r := workflow.Recall{Reason: req.Reason}
	for _, name := range req.Units {
		u, err := s.unit(name)
		if err != nil {
			return nil, err
		}
		r.Units = append(r.Units, u.ID)
	}
	var doc docstore.Document
	err = s.DB.View(ctx, func(rd sqldb.Reader) (err error) {
		doc, err = s.document(ctx, rd, req.DocumentNamed)
		return err
	})
	if err != nil {
		return nil, err
	}
	done, err := s.Workflow.Recall(ctx, who.ID, docstore.SourceCLI, doc.ID, r)
	if err != nil {
		return nil, err
	}
	return s.dispatchViews(ctx, done...)
}

// dispatchOf finds the dispatch to the named unit, or to the only unit of
// who's that received the document.
func (s *Service) dispatchOf(
	ctx context.Context, r sqldb.Reader, doc docstore.Document, unit string, who directory.Account,
) (docstore.Dispatch, error) {
	mine := map[directory.UnitID]bool{}
	if unit != "" {
		u, err := s.unit(unit)
		if err != nil {
			return docstore.Dispatch{}, err
		}
		mine[u.ID] = true
	} else {
		for _, role := range who.Roles {
			mine[role.Unit] = true
		}
	}
	all, err := docstore.Dispatches(ctx, r, doc.ID)
	if err != nil {
		return docstore.Dispatch{}, err
	}
	var found []docstore.Dispatch
	for _, d := range all {
		if mine[d.To] {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return docstore.Dispatch{}, docstore.ErrNoDispatch
	case 1:
		return found[0], nil
	}
	return docstore.Dispatch{}, fault.New(fault.Conflict, fault.Text{
		EN: "several of your units have received this document: name the unit",
		VI: "nhiều đơn vị của bạn đã nhận văn bản này: hãy ghi rõ đơn vị",
	})
}

func (s *Service) registerShow(ctx context.Context, req RegisterShow, _ Progress) (any, error) {
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	who, err := s.reader(req.As, u.ID)
	if err != nil {
		return nil, err
	}
	if req.Year == 0 {
		req.Year = s.opt.Now().In(vietnam).Year()
	}
	q := report.Query{Unit: u, Parent: s.parentOf(u), Direction: req.Direction, Series: req.Series, Year: req.Year, AsOf: req.AsOf, From: req.From, To: req.To}
	if q.Direction != "" && q.Direction != docstore.DirectionIn && q.Direction != docstore.DirectionOut {
		return nil, fault.Newf(fault.Invalid, "the direction of a register is %q or %q", docstore.DirectionIn, docstore.DirectionOut)
	}
	var book report.Register
	err = s.DB.View(ctx, func(r sqldb.Reader) (err error) {
		book, err = report.Read(ctx, r, q)
		return err
	})
	if errors.Is(err, docstore.ErrNoBook) { // nothing registered yet: an empty book
		book, err = report.Empty(q), nil
	}
	if err == nil && req.Format != "" {
		err = s.recordExport(ctx, who, u.ID, exportData{
			Report: "register", Direction: req.Direction, Year: req.Year, AsOf: req.AsOf, Format: req.Format,
			Rows: len(book.Rows), Head: hex.EncodeToString(book.Head[:]),
		})
	}
	return book, err
}

// vietnam is the zone of all local dates of the product.
var vietnam = worktime.Zone

func (s *Service) mailboxList(ctx context.Context, req MailboxList, _ Progress) (any, error) {
	owner, err := s.owner(req.Account, req.Unit)
	if err != nil {
		return nil, err
	}
	boxes, err := s.Mail.List(ctx, owner)
	if err != nil {
		return nil, err
	}
	out := []Mailbox{}
	for _, m := range boxes {
		if m.Selectable {
			out = append(out, Mailbox{
				Name: m.Name, Use: string(m.Use), Role: string(m.Role), Messages: m.Messages, Unseen: m.Unseen, Octets: m.Octets,
				Seen: mailstore.SeenMode(m.PerUser).String(),
			})
		}
	}
	return out, nil
}
