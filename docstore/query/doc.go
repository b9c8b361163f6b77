// Package query is the language in which people ask for documents:
//
//	so:123 kyhieu:QĐ-UBND cq:soyte ngay:2026-01..2026-06 "giải ngân" -dự thảo
//
// It only reads: what a unit's name means, and how documents are found, is
// decided by who has them. docs/formats/search.md describes the language for
// those who type it.
package query

import (
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/mail"
	"vanthu/internal/worktime"
)

// vietnam is the one time zone of the legal rules: UTC+7, without summer time.
var vietnam = worktime.Zone

// A Node is a part of a query: [And], [Or], [Not], [Text], [Cond].
type Node interface{ node() }

// And wants all of its parts; an empty one is true of every document.
// Conditions about a recipient that stand in one And are about one recipient.
type And []Node

// Or wants one of its parts.
type Or []Node

// Not wants what its part does not.
type Not struct{ Node Node }

// Text wants words, one right after another, whole, whatever stands between
// them but letters and digits.
type Text struct {
	Scope  Scope
	Words  []string // as [Words] gives them; at least one
	Prefix bool     // the last word may go on
	Exact  string   // as typed, NFC in lower case, when it has diacritics; else ""
	Quoted bool
}

// Cond wants a value of a field.
type Cond struct {
	Field Field
	// From and To bound a number, both ends included.
	From, To int64
	// Begin and End bound a time, the end excluded; zero is no bound.
	Begin, End time.Time
	Name       string // of a unit as typed, or the value of a field that has names
	// Units are those that Name means, filled in by who knows them.
	Units []int64
}

func (And) node()   {}
func (Or) node()    {}
func (Not) node()   {}
func (*Text) node() {}
func (*Cond) node() {}

// Scope is where words are looked for.
type Scope uint8

// The scopes. Each but the first two is one column of what is known of a
// document.
const (
	ScopeAll      Scope = iota // every column, and the content
	ScopeContent               // text of the message and of its files
	ScopeCode                  // number and symbol
	ScopeAbstract              // trích yếu
	ScopeType                  // tên loại
	ScopeIssuer                // cơ quan ban hành
	ScopeSigner                // người ký
	ScopeFile                  // names of files
)

// HasContent tells whether the content counts for s.
func (s Scope) HasContent() bool { return s <= ScopeContent }

// HasColumns tells whether columns count for s.
func (s Scope) HasColumns() bool { return s != ScopeContent }

// Field is what a condition is about.
type Field uint8

// The fields of conditions.
const (
	FieldNumber   Field = iota + 1 // số
	FieldYear                      // of the number
	FieldIssued                    // date the document bears
	FieldAccepted                  // when this server took it in
	FieldDue                       // hạn, of a recipient
	FieldUrgency                   // 0 to 4
	FieldIssuer                    // Name: a unit
	FieldTo                        // Name: a recipient unit
	FieldState                     // Name: a state of a dispatch
	FieldArrival                   // số đến
	FieldArrived                   // ngày đến
	FieldKind                      // Name: chinh, de_biet
)

// OfRecipient tells whether the field belongs to a recipient, not to the
// document as a whole.
func (f Field) OfRecipient() bool {
	switch f {
	case FieldDue, FieldTo, FieldState, FieldArrival, FieldArrived, FieldKind:
		return true
	}
	return false
}

// Words gives the words of a text as they are compared: folded, without
// anything but letters and digits.
func Words(s string) []string {
	return strings.FieldsFunc(mail.Fold(s), func(r rune) bool { return !IsWord(r) })
}

// IsWord tells whether r belongs to a word.
func IsWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// exact gives the form in which texts with diacritics are compared.
func exact(s string) string {
	if s = strings.ToLower(norm.NFC.String(strings.TrimSpace(s))); mail.Fold(s) == s {
		return ""
	}
	return s
}

// Texts gives all Text parts of n in their order, and whether each is wanted
// or unwanted.
func Texts(n Node, fn func(t *Text, wanted bool)) { texts(n, true, fn) }

func texts(n Node, wanted bool, fn func(*Text, bool)) {
	switch n := n.(type) {
	case And:
		for _, c := range n {
			texts(c, wanted, fn)
		}
	case Or:
		for _, c := range n {
			texts(c, wanted, fn)
		}
	case Not:
		texts(n.Node, !wanted, fn)
	case *Text:
		fn(n, wanted)
	}
}
