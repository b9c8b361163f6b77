package imapd

import (
	"errors"
	"strings"
	"unicode"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/text/unicode/norm"

	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
)

// status is a status response of RFC 9051, section 7.1, without its tag.
type status struct {
	typ  string // OK, NO or BAD; "" for none
	code string // what stands in brackets, "" for none
	text string
}

func ok(text string) status           { return status{typ: "OK", text: text} }
func bad(text string) status          { return status{typ: "BAD", text: text} }
func no(code, text string) status     { return status{typ: "NO", code: code, text: text} }
func okCode(code, text string) status { return status{typ: "OK", code: code, text: text} }

// line gives the response line; an empty tag gives an untagged one.
func (s status) line(tag string) []byte {
	if tag == "" {
		tag = "*"
	}
	dst := append([]byte(nil), tag...)
	dst = append(dst, ' ')
	dst = append(dst, s.typ...)
	dst = append(dst, ' ')
	if s.code != "" {
		dst = append(dst, '[')
		dst = append(dst, s.code...)
		dst = append(dst, "] "...)
	}
	dst = append(dst, oneLine(s.text)...)
	return append(dst, "\r\n"...)
}

// asError gives the response to imapserver, which writes any *imap.Error verbatim, one of type OK too.
func (s status) asError() error {
	return &imap.Error{Type: imap.StatusResponseType(s.typ), Code: imap.ResponseCode(s.code), Text: oneLine(s.text)}
}

// doing is what a command was about when it failed; some kinds of fault get another code by it.
type doing uint8

const (
	doingOther  doing = iota
	doingLogin        // LOGIN, AUTHENTICATE
	doingTarget       // APPEND, COPY, MOVE into a mailbox
	doingName         // CREATE, RENAME
)

// replyFor is the one table from faults to replies. Kinds are fault's; codes are those of RFC 9051, section 7.1, and RFC 5530.
//
//	kind       reply  code               at login                  into a mailbox  of a new name
//	Temporary  NO     UNAVAILABLE        =                         =               =
//	Invalid    NO     CANNOT             AUTHENTICATIONFAILED      =               =
//	NotFound   NO     NONEXISTENT        AUTHENTICATIONFAILED      TRYCREATE       =
//	Conflict   NO     CANNOT             UNAVAILABLE               =               ALREADYEXISTS
//	Denied     NO     NOPERM             AUTHENTICATIONFAILED      =               =
//	Exhausted  NO     LIMIT              UNAVAILABLE               OVERQUOTA       =
func replyFor(err error, at doing, wide bool) status {
	var own *replyError
	if errors.As(err, &own) {
		return own.status
	}
	kind := fault.KindOf(err)
	code := "UNAVAILABLE"
	switch kind {
	case fault.Temporary:
	case fault.Invalid:
		code = "CANNOT"
		if at == doingLogin {
			code = "AUTHENTICATIONFAILED"
		}
	case fault.NotFound:
		code = "NONEXISTENT"
		if at == doingLogin {
			code = "AUTHENTICATIONFAILED"
		} else if at == doingTarget {
			code = "TRYCREATE"
		}
	case fault.Conflict:
		code = "CANNOT"
		if at == doingLogin {
			code = "UNAVAILABLE"
		} else if at == doingName {
			code = "ALREADYEXISTS"
		}
	case fault.Denied:
		code = "NOPERM"
		if at == doingLogin {
			code = "AUTHENTICATIONFAILED"
		}
	case fault.Exhausted:
		code = "LIMIT"
		if at == doingLogin {
			code = "UNAVAILABLE"
		} else if at == doingTarget && !errors.Is(err, mailstore.ErrTooManyKeywords) {
			code = "OVERQUOTA" // RFC 9208, section 4.3.1
		}
	}
	return no(code, sentence(err, wide))
}

// sentence gives a fault's sentence as the client can show it: Vietnamese when there is one, without its diacritics for clients that
// have not enabled UTF-8 (response text is ASCII in RFC 3501).
func sentence(err error, wide bool) string {
	t := fault.Sentence(err)
	switch {
	case t.VI == "":
		return toASCII(t.EN)
	case wide:
		return t.VI
	}
	return toASCII(t.VI)
}

// toASCII drops diacritics, keeping case; what has no ASCII form becomes "?".
func toASCII(s string) string {
	ascii := true
	for i := range len(s) {
		if s[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		return s
	}
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r):
		case r == 'đ':
			b.WriteByte('d')
		case r == 'Đ':
			b.WriteByte('D')
		case r == '“' || r == '”':
			b.WriteByte('"')
		case r == '‘' || r == '’':
			b.WriteByte('\'')
		case r == '–' || r == '—':
			b.WriteByte('-')
		case r == '…':
			b.WriteString("...")
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// oneLine makes text fit into one response line.
func oneLine(text string) string {
	if text == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// replyError carries a ready reply through code that returns errors.
type replyError struct{ status }

func (e *replyError) Error() string { return e.typ + " [" + e.code + "] " + e.text }

func refuse(code, text string) error { return &replyError{no(code, text)} }
