package control

import (
	"context"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// Calls about consultations (lấy ý kiến) and drafts for comment (dự thảo).
const (
	CallConsultList   = "consult.list"   // ConsultList → []Consultation
	CallConsultShow   = "consult.show"   // ConsultNamed → Consultation
	CallConsultAnswer = "consult.answer" // ConsultAnswer → Consultation
	CallConsultExtend = "consult.extend" // ConsultExtend → Consultation
	CallConsultClose  = "consult.close"  // ConsultNamed → Consultation
	CallCommentsList  = "comments.list"  // DraftList → []Draft
	CallCommentsShow  = "comments.show"  // DraftNamed → Draft
)

// ConsultList asks for consultations.
type ConsultList struct {
	Unit  string `json:"unit,omitempty"` // that asks or is asked
	Open  bool   `json:"open,omitempty"` // only those that units may still answer
	Limit int    `json:"limit,omitempty"`
	As    string `json:"as,omitempty"`
}

// ConsultNamed names the document of a consultation.
type ConsultNamed struct {
	DocumentNamed
	As     string `json:"as,omitempty"` // login; needed to change something
	DryRun bool   `json:"dry_run,omitempty"`
}

// ConsultAnswer says the opinion of a unit.
type ConsultAnswer struct {
	ConsultNamed
	Unit string        `json:"unit,omitempty"` // "" is the actor's own that is asked
	Vote docstore.Vote `json:"vote"`
	Text string        `json:"text,omitempty"`
}

// ConsultExtend gives units more time.
type ConsultExtend struct {
	ConsultNamed
	Due time.Time `json:"due"`
}

// Consultation is a consultation and, where it was asked for, what units say.
type Consultation struct {
	ID       docstore.ULID       `json:"id"` // of the document
	Code     string              `json:"code"`
	Issuer   string              `json:"issuer"`
	Subject  string              `json:"subject"`
	Opened   time.Time           `json:"opened"`
	Due      time.Time           `json:"due"`
	Closed   time.Time           `json:"closed,omitzero"` // while units may answer: none
	Ended    docstore.ConsultEnd `json:"ended,omitempty"` // answered, deadline, closed
	Silence  docstore.Silence    `json:"silence"`
	Reminded time.Time           `json:"reminded,omitzero"`
	Asked    int                 `json:"asked"`
	Answered int                 `json:"answered"`
	Agree    int                 `json:"agree"`
	Disagree int                 `json:"disagree"`
	Other    int                 `json:"other"`
	Overdue  int                 `json:"overdue"`
	Units    []UnitOpinion       `json:"units,omitempty"`
}

// UnitOpinion is what one unit says.
type UnitOpinion struct {
	Unit    string    `json:"unit"`
	State   string    `json:"state"` // of its dispatch
	Opinion *Opinion  `json:"opinion,omitempty"`
	Earlier []Opinion `json:"earlier,omitempty"` // that it has replaced
}

// Opinion is one answer.
type Opinion struct {
	Vote   docstore.Vote   `json:"vote"`
	Text   string          `json:"text,omitempty"`
	By     string          `json:"by"`
	At     time.Time       `json:"at"`
	Source docstore.Source `json:"source"`
	MailID docstore.MailID `json:"message_id,omitempty"`
	Files  int             `json:"files,omitempty"`
}

// DraftList asks for drafts.
type DraftList struct {
	Unit  string `json:"unit,omitempty"` // of the author
	Limit int    `json:"limit,omitempty"`
	As    string `json:"as,omitempty"` // whose drafts when Unit is not given; "" is all, for the administrator
}

// DraftNamed names a draft.
type DraftNamed struct {
	ID docstore.ULID `json:"id"`
	As string        `json:"as,omitempty"`
}

// Draft is a draft and, where they were asked for, the comments on it.
type Draft struct {
	ID       docstore.ULID   `json:"id"`
	Author   string          `json:"author"`
	Unit     string          `json:"unit"`
	Code     string          `json:"code,omitempty"`
	Subject  string          `json:"subject"`
	Sent     time.Time       `json:"sent"`
	Due      time.Time       `json:"due,omitzero"`
	MailID   docstore.MailID `json:"message_id"`
	Count    int             `json:"count"`
	Comments []DraftComment  `json:"comments,omitempty"`
}

// DraftComment is a reply to a draft.
type DraftComment struct {
	Ordinal int             `json:"ordinal"`
	Author  string          `json:"author"`
	Unit    string          `json:"unit,omitempty"`
	Vote    docstore.Vote   `json:"vote,omitempty"`
	Text    string          `json:"text"`
	Files   int             `json:"files,omitempty"`
	At      time.Time       `json:"at"`
	MailID  docstore.MailID `json:"message_id"`
}

func (s *Service) consultList(ctx context.Context, req ConsultList, _ Progress) (any, error) {
	f := docstore.ConsultFilter{Open: req.Open}
	if req.Unit != "" {
		u, err := s.unit(req.Unit)
		if err != nil {
			return nil, err
		}
		f.Party = u.ID
	}
	if _, err := s.reader(req.As, f.Party); err != nil {
		return nil, err
	}
	out := []Consultation{}
	err := s.DB.View(ctx, func(r sqldb.Reader) error {
		list, err := docstore.Consultations(ctx, r, f, req.Limit)
		for _, c := range list {
			v, err := s.shownConsult(ctx, r, c)
			if err != nil {
				return err
			}
			v.Units = nil
			out = append(out, v)
		}
		return err
	})
	return out, err
}

func (s *Service) consultShow(ctx context.Context, req ConsultNamed, _ Progress) (any, error) {
	return s.readConsult(ctx, req)
}

func (s *Service) readConsult(ctx context.Context, req ConsultNamed) (out Consultation, err error) {
	err = s.DB.View(ctx, func(r sqldb.Reader) error {
		doc, err := s.document(ctx, r, req.DocumentNamed)
		if err != nil {
			return err
		}
		if _, err := s.reader(req.As, doc.Issuer); err != nil {
			return err
		}
		c, err := docstore.ConsultationOf(ctx, r, doc.ID)
		if err != nil {
			return err
		}
		out, err = s.shownConsult(ctx, r, c)
		return err
	})
	return out, err
}

func (s *Service) shownConsult(ctx context.Context, r sqldb.Reader, c docstore.Consultation) (Consultation, error) {
	doc, err := docstore.DocumentByID(ctx, r, c.Document)
	if err != nil {
		return Consultation{}, err
	}
	t, err := docstore.Count(ctx, r, c)
	if err != nil {
		return Consultation{}, err
	}
	out := Consultation{
		ID: doc.ULID, Code: doc.Code, Issuer: doc.IssuerName, Subject: doc.Abstract, Opened: c.Opened, Due: c.Due, Closed: c.Closed, Ended: c.Ended,
		Silence: c.Silence, Reminded: c.Reminded, Asked: t.Asked, Answered: t.Answered(), Agree: t.Agree, Disagree: t.Disagree, Other: t.Other,
		Overdue: t.Overdue,
	}
	snap := s.Directory.Snapshot()
	for _, u := range t.Units {
		v := UnitOpinion{Unit: u.Dispatch.Address, State: string(u.Dispatch.State)}
		if unit, ok := snap.Unit(u.Dispatch.To); ok {
			v.Unit = unit.Name
		}
		if u.Opinion != nil {
			o := shownOpinion(*u.Opinion)
			v.Opinion = &o
		}
		for _, o := range u.Earlier {
			v.Earlier = append(v.Earlier, shownOpinion(o))
		}
		out.Units = append(out.Units, v)
	}
	return out, nil
}

func shownOpinion(o docstore.Opinion) Opinion {
	return Opinion{Vote: o.Vote, Text: o.Text, By: o.ByName, At: o.At, Source: o.Source, MailID: o.MailID, Files: o.Files}
}

func (s *Service) consultAnswer(ctx context.Context, req ConsultAnswer, _ Progress) (any, error) {
	who, err := s.account(req.As)
	if err != nil {
		return nil, err
	}
	var to docstore.Dispatch
	var doc docstore.Document
	err = s.DB.View(ctx, func(r sqldb.Reader) (err error) {
		if doc, err = s.document(ctx, r, req.DocumentNamed); err != nil {
			return err
		}
		to, err = s.askedOf(ctx, r, doc, req.Unit, who)
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := s.Workflow.Answer(ctx, who.ID, docstore.SourceCLI, to.ID, docstore.Opinion{Vote: req.Vote, Text: req.Text}); err != nil {
		return nil, err
	}
	return s.readConsult(ctx, ConsultNamed{DocumentNamed: DocumentNamed{Code: string(doc.ULID)}})
}

// askedOf finds the dispatch for whose unit somebody speaks: the named one, by
// its address when it is outside, else the only one of the person's own.
func (s *Service) askedOf(
	ctx context.Context, r sqldb.Reader, doc docstore.Document, unit string, who directory.Account,
) (docstore.Dispatch, error) {
	if unit == "" {
		return s.dispatchOf(ctx, r, doc, "", who)
	}
	list, err := docstore.Dispatches(ctx, r, doc.ID)
	if err != nil {
		return docstore.Dispatch{}, err
	}
	for _, d := range list {
		if d.To == 0 && d.Address == unit {
			return d, nil
		}
	}
	return s.dispatchOf(ctx, r, doc, unit, who)
}

func (s *Service) consultExtend(ctx context.Context, req ConsultExtend, _ Progress) (any, error) {
	who, doc, err := s.asker(ctx, req.ConsultNamed)
	if err != nil {
		return nil, err
	}
	if req.Due.IsZero() {
		return nil, fault.New(fault.Invalid, fault.Text{EN: "say until when", VI: "phải ghi hạn mới"})
	}
	if _, err := s.Workflow.ExtendConsultation(ctx, who.ID, docstore.SourceCLI, doc.ID, req.Due); err != nil {
		return nil, err
	}
	return s.readConsult(ctx, ConsultNamed{DocumentNamed: DocumentNamed{Code: string(doc.ULID)}})
}

func (s *Service) consultClose(ctx context.Context, req ConsultNamed, _ Progress) (any, error) {
	who, doc, err := s.asker(ctx, req)
	if err != nil {
		return nil, err
	}
	named := ConsultNamed{DocumentNamed: DocumentNamed{Code: string(doc.ULID)}}
	if req.DryRun {
		return s.readConsult(ctx, named)
	}
	if _, err := s.Workflow.CloseConsultation(ctx, who.ID, docstore.SourceCLI, doc.ID); err != nil {
		return nil, err
	}
	return s.readConsult(ctx, named)
}

func (s *Service) asker(ctx context.Context, req ConsultNamed) (who directory.Account, doc docstore.Document, err error) {
	if who, err = s.account(req.As); err != nil {
		return who, doc, err
	}
	err = s.DB.View(ctx, func(r sqldb.Reader) error {
		doc, err = s.document(ctx, r, req.DocumentNamed)
		return err
	})
	return who, doc, err
}

func (s *Service) commentsList(ctx context.Context, req DraftList, _ Progress) (any, error) {
	var f docstore.DraftFilter
	switch {
	case req.Unit != "":
		u, err := s.unit(req.Unit)
		if err != nil {
			return nil, err
		}
		if _, err := s.reader(req.As, u.ID); err != nil {
			return nil, err
		}
		f.Unit = u.ID
	case req.As != "":
		who, err := s.account(req.As)
		if err != nil {
			return nil, err
		}
		f.Author = who.ID
	}
	out := []Draft{}
	err := s.DB.View(ctx, func(r sqldb.Reader) error {
		list, err := docstore.Drafts(ctx, r, f, req.Limit)
		for _, d := range list {
			v, err := s.shownDraft(ctx, r, d)
			if err != nil {
				return err
			}
			v.Comments = nil
			out = append(out, v)
		}
		return err
	})
	return out, err
}

func (s *Service) commentsShow(ctx context.Context, req DraftNamed, _ Progress) (any, error) {
	var out Draft
	err := s.DB.View(ctx, func(r sqldb.Reader) error {
		d, err := docstore.DraftByULID(ctx, r, req.ID)
		if err != nil {
			return err
		}
		who, err := s.account(req.As)
		if req.As == "" || err != nil || who.ID != d.Author {
			if _, err := s.reader(req.As, d.Unit); err != nil {
				return err
			}
		}
		out, err = s.shownDraft(ctx, r, d)
		return err
	})
	return out, err
}

func (s *Service) shownDraft(ctx context.Context, r sqldb.Reader, d docstore.Draft) (Draft, error) {
	snap := s.Directory.Snapshot()
	unitName := func(id directory.UnitID) string {
		u, _ := snap.Unit(id)
		return u.Name
	}
	out := Draft{
		ID: d.ULID, Author: d.Name, Unit: unitName(d.Unit), Code: d.Code, Subject: d.Abstract, Sent: d.Created, Due: d.Due, MailID: d.MailID,
	}
	list, err := docstore.Comments(ctx, r, d.ID)
	for _, c := range list {
		out.Comments = append(out.Comments, DraftComment{
			Ordinal: c.Ordinal, Author: c.Name, Unit: unitName(c.Unit), Vote: c.Vote, Text: c.Text, Files: c.Files, At: c.At, MailID: c.MailID,
		})
	}
	out.Count = len(list)
	return out, err
}
