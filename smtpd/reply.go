package smtpd

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-smtp"

	"vanthu/internal/fault"
)

// Replies with a fixed text. RFC 5321, section 4.2; enhanced codes of RFC 3463 and RFC 5248.
const (
	replyOK       = "250 2.0.0 Ok\r\n"
	replyMailOK   = "250 2.1.0 Ok\r\n"
	replyRcptOK   = "250 2.1.5 Ok\r\n"
	replyGoAhead  = "354 End data with <CR><LF>.<CR><LF>\r\n"
	replyBye      = "221 2.0.0 Bye\r\n"
	replyVerify   = "252 2.5.0 Cannot verify, but will take mail and try\r\n"
	replyHelp     = "214 2.0.0 See RFC 5321\r\n"
	replyLoggedIn = "235 2.7.0 Authentication succeeded\r\n"
	replyStartTLS = "220 2.0.0 Ready to start TLS\r\n"

	replyBusy           = "421 4.3.2 Too many connections, try again later\r\n"
	replyTooManyConns   = "421 4.7.0 Too many connections from your address\r\n"
	replyShutdown       = "421 4.3.2 Shutting down, try again later\r\n"
	replyTimeout        = "421 4.4.2 Too slow, closing connection\r\n"
	replyInternal       = "421 4.3.0 Internal error, closing connection\r\n"
	replyTooManyErrors  = "421 4.7.0 Too many errors, closing connection\r\n"
	replyTooManyIdle    = "421 4.7.0 Too many commands without mail, closing connection\r\n"
	replyTooManyRefused = "421 4.7.0 Too many refused recipients, closing connection\r\n"
	replyTooManyLogins  = "421 4.7.0 Too many failed logins, closing connection\r\n"
	replyHTTP           = "421 4.7.0 This is a mail server, closing connection\r\n"
	replyProxy          = "554 5.7.1 PROXY from a host that is no proxy of ours, closing connection\r\n"
	replyEarly          = "554 5.5.1 You spoke before I did, closing connection\r\n"
	replyNotAllowed     = "554 5.7.1 Not from your address\r\n"
	replyEarlyTLS       = "554 5.5.1 Nothing may follow STARTTLS, closing connection\r\n"

	replyLineTooLong  = "500 5.5.2 Line too long\r\n"
	replyAuthTooLong  = "500 5.5.6 Authentication exchange line is too long\r\n"
	replyUnknown      = "500 5.5.1 Unknown command\r\n"
	replyBareLF       = "500 5.5.2 Lines must end in CRLF\r\n"
	replyControl      = "501 5.5.2 Control characters in command\r\n"
	replyNoArgument   = "501 5.5.4 Takes no argument\r\n"
	replyBadHello     = "501 5.5.4 Needs your host name\r\n"
	replyBadParam     = "501 5.5.4 Bad parameter\r\n"
	replyBadChunk     = "501 5.5.4 Bad chunk size, closing connection\r\n"
	replyNotBase64    = "501 5.5.2 Not base64\r\n"
	replyCancelled    = "501 5.7.0 Authentication cancelled\r\n"
	replySenderSyntax = "501 5.1.7 Bad sender address syntax\r\n"
	replyRcptSyntax   = "501 5.1.3 Bad recipient address syntax\r\n"
	replyNoTLS        = "502 5.5.1 TLS is not available\r\n"
	replyNoAuth       = "502 5.5.1 No login here\r\n"
	replyWrongHello   = "500 5.5.1 Wrong greeting: EHLO is for SMTP, LHLO for LMTP\r\n"
	replySequence     = "503 5.5.1 Bad sequence of commands\r\n"
	replyNoMechanism  = "504 5.5.4 Unknown authentication mechanism\r\n"

	replyPathInParam    = "501 5.1.3 Bad original recipient\r\n"
	replyHoldBeyondBy   = "501 5.5.4 The message is to be held until after it must have arrived: see BY and HOLDFOR\r\n"
	replyHoldTooLong    = "501 5.5.4 Hold too long or in the past: see FUTURERELEASE in the reply to EHLO\r\n"
	replyBinaryByDATA   = "503 5.5.1 BINARYMIME needs BDAT\r\n"
	replyAuthRequired   = "530 5.7.0 Authentication required\r\n"
	replyTLSRequired    = "530 5.7.0 Must issue a STARTTLS command first\r\n"
	replyWrongLogin     = "535 5.7.8 Wrong user name or password\r\n"
	replyNotAnother     = "535 5.7.8 You cannot act for another account\r\n"
	replyAccessChanged  = "535 5.7.8 Your access has changed, please log in again\r\n"
	replyBadCredentials = "501 5.5.2 Malformed credentials\r\n"
	replyEncryption     = "538 5.7.11 Encryption required for authentication\r\n"
	replyTooBig         = "552 5.3.4 Message too big\r\n"
	replySenderUTF8     = "553 5.6.7 Non-ASCII sender needs SMTPUTF8\r\n"
	replyRcptUTF8       = "553 5.6.7 Non-ASCII recipient needs SMTPUTF8\r\n"
	replyUnknownParam   = "555 5.5.4 Unknown parameter\r\n"

	replyBareInData   = "550 5.5.2 Bare CR or LF in message: lines must end in CRLF\r\n"
	replyNULInData    = "550 5.5.2 NUL in message\r\n"
	replyLongTextLine = "554 5.6.0 Line too long in message\r\n"
)

// A phase is where in a transaction the backend said no; the same kind of fault has another code in each.
type phase uint8

const (
	phaseAuth phase = iota
	phaseMail
	phaseRcpt
	phaseData
)

// String gives the command of the phase, for the log.
func (p phase) String() string { return [...]string{"AUTH", "MAIL", "RCPT", "DATA"}[p] }

// status is a reply's code and enhanced code.
type status struct {
	code     int
	enhanced smtp.EnhancedCode
}

// statusOf gives the reply code for a kind of fault in a phase. Temporary is what is not known to be final.
func statusOf(p phase, k fault.Kind) status {
	switch k {
	case fault.Invalid:
		return [...]status{
			{501, smtp.EnhancedCode{5, 5, 2}}, {501, smtp.EnhancedCode{5, 1, 7}}, {501, smtp.EnhancedCode{5, 1, 3}}, {554, smtp.EnhancedCode{5, 6, 0}},
		}[p]
	case fault.NotFound:
		return [...]status{
			{535, smtp.EnhancedCode{5, 7, 8}}, {550, smtp.EnhancedCode{5, 1, 0}}, {550, smtp.EnhancedCode{5, 1, 1}}, {550, smtp.EnhancedCode{5, 1, 1}},
		}[p]
	case fault.Conflict: // with the data: a message that has come by here before
		return [...]status{
			{454, smtp.EnhancedCode{4, 7, 0}}, {450, smtp.EnhancedCode{4, 5, 0}}, {450, smtp.EnhancedCode{4, 5, 0}}, {554, smtp.EnhancedCode{5, 4, 6}},
		}[p]
	case fault.Denied:
		return [...]status{
			{535, smtp.EnhancedCode{5, 7, 8}}, {553, smtp.EnhancedCode{5, 7, 1}}, {550, smtp.EnhancedCode{5, 7, 1}}, {550, smtp.EnhancedCode{5, 7, 1}},
		}[p]
	case fault.Exhausted:
		return [...]status{
			{454, smtp.EnhancedCode{4, 7, 0}}, {452, smtp.EnhancedCode{4, 3, 1}}, {452, smtp.EnhancedCode{4, 2, 2}}, {452, smtp.EnhancedCode{4, 3, 1}},
		}[p]
	case fault.Temporary:
	}
	if p == phaseAuth {
		return status{454, smtp.EnhancedCode{4, 7, 0}}
	}
	return status{451, smtp.EnhancedCode{4, 3, 0}}
}

// reply gives the reply for err; it never shows err's own text, only the sentence meant for people. With utf8 (the client asked for
// SMTPUTF8, RFC 6531 section 3.5) Vietnamese follows the English. The library looks at nothing but the exact type.
func reply(p phase, err error, utf8 bool) *smtp.SMTPError {
	st := statusOf(p, fault.KindOf(err))
	if e, ok := enhanced(fault.StatusOf(err)); ok && e[0] == st.code/100 {
		st.enhanced = e
	}
	say := fault.Sentence(err)
	text := clean(say.EN, false)
	if vi := clean(say.VI, true); utf8 && vi != "" {
		text += " / " + vi
	}
	return &smtp.SMTPError{Code: st.code, EnhancedCode: st.enhanced, Message: shorten(text)}
}

// enhanced reads a status code such as "5.6.7".
func enhanced(text string) (e smtp.EnhancedCode, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != len(e) {
		return e, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return e, false
		}
		e[i] = n
	}
	return e, true
}

// clean makes text fit for one reply line.
func clean(text string, keepUTF8 bool) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7f || r == utf8.RuneError:
			return -1
		case r > 0x7f && !keepUTF8:
			return '?'
		}
		return r
	}, text)
}

// maxText keeps a reply line within the 512 octets of RFC 5321, section 4.5.3.1.5.
const maxText = 480

func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	cut := maxText
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}

// line gives e as the library would write it.
func line(e *smtp.SMTPError) string {
	b := strconv.AppendInt(nil, int64(e.Code), 10)
	for i, n := range e.EnhancedCode {
		b = append(b, " .."[i])
		b = strconv.AppendInt(b, int64(n), 10)
	}
	b = append(b, ' ')
	b = append(b, e.Message...)
	return string(append(b, "\r\n"...))
}

// smtpError gives a fixed reply as the library wants it.
func smtpError(reply string) *smtp.SMTPError {
	codes, text, _ := strings.Cut(strings.TrimSuffix(reply, "\r\n")[4:], " ")
	var e smtp.EnhancedCode
	for i, n := range strings.SplitN(codes, ".", 3) {
		e[i], _ = strconv.Atoi(n) // a constant of ours
	}
	code, _ := strconv.Atoi(reply[:3])
	return &smtp.SMTPError{Code: code, EnhancedCode: e, Message: text}
}
