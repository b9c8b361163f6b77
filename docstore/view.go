package docstore

import (
	"context"
	"encoding/hex"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/sqldb"
)

// View is a document as `vanthu doc show --json` prints it. The field names
// are a fixed surface; fields may be added.
type View struct {
	ID          ULID          `json:"id"`
	Code        string        `json:"code"`
	Issuer      string        `json:"issuer"` // public address of the unit, or the name of one outside
	Subject     string        `json:"subject"`
	Type        string        `json:"type"`
	Issued      string        `json:"issued"` // YYYY-MM-DD, Vietnam local; "" when not known
	Accepted    time.Time     `json:"accepted"`
	State       DocumentState `json:"state"`
	Due         time.Time     `json:"due,omitzero"`
	DuplicateOf ULID          `json:"duplicate_of,omitempty"`
	Signer      *edoc.Signer  `json:"signer,omitempty"`
	// Evidence says of each field where its value comes from and how sure it is.
	Evidence   map[edoc.Field]edoc.Evidence `json:"evidence,omitempty"`
	Warnings   []WarningView                `json:"warnings,omitempty"`
	Relations  []RelationView               `json:"relations,omitempty"`
	Files      []FileView                   `json:"files"`
	Dispatches []DispatchView               `json:"dispatches"`
}

// WarningView is something that should be known of a document.
type WarningView struct {
	Code string `json:"code"`
	EN   string `json:"en"`
	VI   string `json:"vi"`
}

// FileView is a file of a document.
type FileView struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// DispatchView is how far a document got at one unit.
type DispatchView struct {
	ID            ULID           `json:"id"`
	Unit          string         `json:"unit"` // public address
	State         State          `json:"state"`
	Status        edoc.Status    `json:"status"`
	ArrivalNumber int            `json:"arrival_number"`    // 0 while not registered
	Request       Overlay        `json:"request,omitempty"` // what the sender asks, until it is answered
	Due           time.Time      `json:"due,omitzero"`
	DueState      DueState       `json:"due_state,omitempty"`  // filled in by who knows the time
	RegisterBy    time.Time      `json:"register_by,omitzero"` // the same, while it waits to be registered
	Assignees     []AssigneeView `json:"assignees,omitempty"`
	Events        []EventView    `json:"events"`
}

// AssigneeView is somebody who works on a dispatch.
type AssigneeView struct {
	Login string       `json:"login"`
	Role  AssigneeRole `json:"role"`
	Due   time.Time    `json:"due,omitzero"`
	Note  string       `json:"note,omitempty"`
}

// ViewOf makes the view of one dispatch, with what it has become so far.
func ViewOf(ctx context.Context, r sqldb.Reader, units *directory.Snapshot, d Dispatch) (DispatchView, error) {
	v := DispatchView{
		ID: d.ULID, Unit: d.Address, State: d.State, Status: d.Status, ArrivalNumber: d.ArrivalNumber,
		Request: d.Overlay, Due: d.Due, Events: []EventView{},
	}
	if u, ok := units.Unit(d.To); ok {
		v.Unit = u.Address.String()
	}
	people, err := Assignees(ctx, r, d.ID)
	for _, p := range people {
		a, _ := units.Account(p.Account)
		v.Assignees = append(v.Assignees, AssigneeView{Login: a.Login.String(), Role: p.Role, Due: p.Due, Note: p.Note})
	}
	return v, err
}

// EventView is one step of a dispatch.
type EventView struct {
	Status edoc.Status       `json:"status"`
	At     time.Time         `json:"at"` // UTC
	Actor  string            `json:"actor"`
	Source Source            `json:"source"`
	Reason edoc.RefuseReason `json:"reason"`
	Note   string            `json:"note,omitempty"`
}

// Show makes the view of a document; units names the units as they are now.
func Show(ctx context.Context, r sqldb.Reader, units *directory.Snapshot, doc Document) (View, error) {
	v := View{
		ID: doc.ULID, Code: doc.Code, Issuer: doc.IssuerName, Subject: doc.Abstract, Type: doc.Type.Name,
		Issued: day(doc.Issued), Accepted: doc.Created, State: doc.State, Due: doc.Due, Files: []FileView{}, Dispatches: []DispatchView{},
	}
	if u, ok := units.Unit(doc.Issuer); ok {
		v.Issuer = u.Address.String()
	}
	dup, err := duplicateOf(ctx, r, doc)
	if err != nil {
		return View{}, err
	}
	if dup != nil {
		v.DuplicateOf = dup.ULID
	}
	rec, err := RecognitionOf(ctx, r, doc)
	if err != nil {
		return View{}, err
	}
	if v.Evidence = rec.Evidence; rec.Signer != (edoc.Signer{}) {
		v.Signer = &rec.Signer
	}
	warnings, err := Warnings(ctx, r, doc.ID)
	if err != nil {
		return View{}, err
	}
	for _, w := range warnings {
		v.Warnings = append(v.Warnings, WarningView{w.Code, w.Text.EN, w.Text.VI})
	}
	if v.Relations, err = Relations(ctx, r, doc.ID); err != nil {
		return View{}, err
	}
	files, err := Files(ctx, r, doc.ID)
	if err != nil {
		return View{}, err
	}
	for _, f := range files {
		v.Files = append(v.Files, FileView{Name: f.Name, SHA256: hex.EncodeToString(f.SHA256[:]), Size: f.Size})
	}
	dispatches, err := Dispatches(ctx, r, doc.ID)
	if err != nil {
		return View{}, err
	}
	events, err := DocumentEvents(ctx, r, doc.ID)
	if err != nil {
		return View{}, err
	}
	steps := make(map[DispatchID][]EventView, len(dispatches))
	for _, e := range events {
		steps[e.Dispatch] = append(steps[e.Dispatch], EventView{
			Status: e.Status, At: e.At, Actor: e.Actor.Name, Source: e.Source, Reason: e.Reason, Note: e.Note,
		})
	}
	for _, d := range dispatches {
		dv, err := ViewOf(ctx, r, units, d)
		if err != nil {
			return View{}, err
		}
		if steps[d.ID] != nil {
			dv.Events = steps[d.ID]
		}
		v.Dispatches = append(v.Dispatches, dv)
	}
	return v, nil
}
