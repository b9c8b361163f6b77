// Package fault gives errors one of six kinds, so that each surface (SMTP,
// IMAP, HTTP, command line) maps them to a reply in one place.
//
// A fault carries a sentence for a person, in English and Vietnamese, apart
// from its cause: the sentence may be shown to anybody, the cause only goes
// to the log.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of thing went wrong, seen from the caller's side.
type Kind uint8

const (
	// Temporary: the server cannot do it now; trying again later may help.
	// It is the kind of every error that carries none.
	Temporary Kind = iota
	// Invalid: the request itself is wrong; sending it again is useless.
	Invalid
	// NotFound: what the request names does not exist, or may not be seen.
	NotFound
	// Conflict: the request does not fit the present state.
	Conflict
	// Denied: the caller may not do this.
	Denied
	// Exhausted: a limit or quota is used up.
	Exhausted
)

// String gives the kind's name, as logs and JSON show it.
func (k Kind) String() string {
	switch k {
	case Temporary:
		return "temporary"
	case Invalid:
		return "invalid"
	case NotFound:
		return "not found"
	case Conflict:
		return "conflict"
	case Denied:
		return "denied"
	case Exhausted:
		return "exhausted"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Text is one sentence for a person in both languages of the product.
// VI may be empty where no Vietnamese reader ever sees it.
type Text struct {
	EN string // English
	VI string // Vietnamese, with diacritics, NFC
}

// Error is an error with a kind and a sentence for people.
type Error struct {
	Kind   Kind
	Text   Text
	status string // see WithStatus
	cause  error
}

// New returns an error of kind k that says t.
func New(k Kind, t Text) error { return &Error{Kind: k, Text: t} }

// Newf returns an error of kind k with an English sentence only, for places
// that administrators see, such as the command line and configuration.
func Newf(k Kind, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Text: Text{EN: err.Error()}, cause: errors.Unwrap(err)}
}

// Wrap returns an error of kind k that says t and keeps err as its cause.
// It returns nil when err is nil.
func Wrap(k Kind, err error, t Text) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, Text: t, cause: err}
}

// WithStatus returns err with an enhanced status code of mail, such as
// "5.6.7" (RFC 3463), where its kind alone says too little. The surface that
// speaks SMTP uses it when its class fits the reply. err must be a fault.
func WithStatus(err error, status string) error {
	return &Error{Kind: KindOf(err), Text: Sentence(err), status: status, cause: errors.Unwrap(err)}
}

// StatusOf returns the enhanced status code of the outermost fault in err's
// chain, "" when it has none.
func StatusOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.status
	}
	return ""
}

// Error gives the English sentence with its cause, for logs.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.Text.EN
	}
	return e.Text.EN + ": " + e.cause.Error()
}

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// KindOf returns the kind of the outermost fault in err's chain, and
// Temporary when there is none: what nobody foresaw may pass.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Temporary
}

// Sentence returns what may be shown to a person about err: the text of the
// outermost fault in its chain, or a general one that tells nothing of our
// insides.
func Sentence(err error) Text {
	var e *Error
	if errors.As(err, &e) && e.Text.EN != "" {
		return e.Text
	}
	return Text{
		EN: "the server cannot do this now, please try again later",
		VI: "máy chủ tạm thời chưa thực hiện được, xin thử lại sau",
	}
}
