// Package filter looks into a message before it is accepted: its attachments,
// by an allow-list and by what their octets are, and whatever programs of the
// milter protocol (virus and spam scanners) say about it.
//
// It decides nothing about mail by itself: it gives a [Decision], and what a
// program wants changed, to internal/delivery. Everything here runs in the
// goroutine of the session that brings the message, never in the database's.
package filter

import "vanthu/internal/fault"

// Action is what is to be done with a message, weakest first.
type Action uint8

// The actions.
const (
	Pass   Action = iota
	Hold          // accept, but keep for an administrator's decision
	Later         // refuse for now
	Refuse        // refuse
)

// String gives the action's name as configuration and log have it.
func (a Action) String() string {
	switch a {
	case Hold:
		return "hold"
	case Later:
		return "later"
	case Refuse:
		return "refuse"
	case Pass:
	}
	return "pass"
}

// Decision is an action with its reason.
type Decision struct {
	Action Action
	Code   Code
	File   string     // the attachment it is about, "" for none
	Text   fault.Text // what is wrong and what to do, for the sender
}

// Code names a reason in listings and the journal.
type Code string

// The reasons.
const (
	CodeType     Code = "attachment-type" // not in the allow-list
	CodeDisguise Code = "disguise"        // the octets are not what name or type say
	CodeMacro    Code = "macro"           // office document with a program in it
	CodeArchive  Code = "archive"         // an archive that cannot be looked into, or holds what is not allowed
	CodeMilter   Code = "filter"          // a milter program said so
)

// worse gives the stronger of two decisions, the first when they are equal.
func worse(a, b Decision) Decision {
	if b.Action > a.Action {
		return b
	}
	return a
}
