package edoc

import "time"

// A Dispatch names what a status message is about: the two sides of one
// document on its way.
type Dispatch struct {
	Sender, Recipient Organization
	Document          DocumentRef // OrganID is not looked at
}

// NewStatusMessage returns the message that reports s about d. The rule of
// directions is kept here: the recipient reports to the sender, except that
// the request to take a document back goes from the sender to the recipient.
func NewStatusMessage(s Status, d Dispatch, at time.Time) *StatusMessage {
	m := &StatusMessage{From: d.Recipient, ResponseFor: d.Document, Code: s, At: at}
	m.ResponseFor.OrganID = d.Sender.OrganID
	if s.SentBy() == SideSender {
		m.From, m.ResponseFor.OrganID = d.Sender, d.Recipient.OrganID
	}
	return m
}

// RecipientID gives the organization id of the unit that received the
// document, whichever side reports.
func (s *StatusMessage) RecipientID() string {
	if s.Code.SentBy() == SideSender {
		return s.ResponseFor.OrganID
	}
	return s.From.OrganID
}

// SenderID gives the organization id of the unit that issued the document.
func (s *StatusMessage) SenderID() string {
	if s.Code.SentBy() == SideSender {
		return s.From.OrganID
	}
	return s.ResponseFor.OrganID
}

var (
	placeStatusCode  = place{"MessageHeader/StatusCode", "mã trạng thái"}
	placeStatusOrgan = place{"MessageHeader/ResponseFor/OrganId", "mã cơ quan nhận phản hồi"}
	placeStatusDoc   = place{"MessageHeader/ResponseFor/DocumentId", "mã định danh hoặc số ký hiệu văn bản"}
	placeStatusTime  = place{"MessageHeader/Timestamp", "thời gian"}
)

// missing lists what a status message cannot be without.
func (s *StatusMessage) missing() []Problem {
	var problems []Problem
	if !s.Code.Valid() {
		problems = append(problems, placeStatusCode.outOfRange())
	}
	if s.From.OrganID == "" {
		problems = append(problems, placeFrom.missing())
	}
	if s.ResponseFor.OrganID == "" {
		problems = append(problems, placeStatusOrgan.missing())
	}
	if s.ResponseFor.DocumentID == "" && s.ResponseFor.Code == "" {
		problems = append(problems, placeStatusDoc.missing())
	}
	return problems
}

// statusFrom reads a status message from its header. A missing or malformed
// time is left zero: the time of reception serves.
func statusFrom(n *node) (*StatusMessage, error) {
	var ignored []Problem // of dates; the document is found by its id or code
	in := scanner{&ignored}
	s := &StatusMessage{
		From:        organization(n.kid("from")),
		ResponseFor: in.reference(n.kid("responsefor")),
		Staff:       staff(n.kid("staffinfo")),
		Code:        Status(n.str("statuscode")),
		Description: n.str("description"),
		At:          in.moment(n, "timestamp", placeStatusTime),
	}
	if len(s.Code) == 1 {
		s.Code = "0" + s.Code
	}
	if problems := s.missing(); len(problems) > 0 {
		return nil, problems[0].Err()
	}
	return s, nil
}
