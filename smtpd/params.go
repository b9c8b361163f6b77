package smtpd

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"vanthu/internal/mail"
)

// offer is what of the extensions with parameters of MAIL depends on the session.
type offer struct {
	maxSize    int64
	auth       bool          // AUTH=<>, RFC 4954
	requireTLS bool          // REQUIRETLS, RFC 8689: never in the clear
	hold       time.Duration // longest FUTURERELEASE, RFC 4865; 0 when not offered
	now        time.Time
}

// offer tells what the session may use now.
func (c *conn) offer() offer {
	opt := &c.server.opt
	of := offer{maxSize: opt.MaxMessage, auth: c.service.authenticates(), requireTLS: c.IsTLS(), now: opt.Now()}
	if c.service.authenticates() && c.session.account != 0 {
		of.hold = opt.MaxHold
	}
	return of
}

// A paramSet notes which parameters a command has had: each may be there once. RFC 5321, section 4.1.1.11.
type paramSet map[string]bool

// once tells whether key is new.
func (s paramSet) once(key string) bool {
	was := s[key]
	s[key] = true
	return !was
}

// mailParams reads the parameters of MAIL; the reply says what is wrong with them.
func mailParams(params []byte, of offer) (env mail.Envelope, why string) {
	var seen paramSet
	for _, p := range bytes.Fields(params) {
		key, value, hasValue := strings.Cut(string(p), "=")
		key = strings.ToUpper(key)
		if seen == nil {
			seen = make(paramSet)
		}
		if !seen.once(key) {
			return env, replyBadParam
		}
		if why := mailParam(&env, key, value, hasValue, of); why != "" {
			return env, why
		}
	}
	if seen["HOLDFOR"] && seen["HOLDUNTIL"] { // RFC 4865, section 4
		return env, replyBadParam
	}
	if !env.HoldUntil.IsZero() && !env.By.Deadline.IsZero() && !env.By.Deadline.After(env.HoldUntil) {
		return env, replyHoldBeyondBy // both wishes cannot come true
	}
	return env, ""
}

// mailParam reads one parameter of MAIL into env.
func mailParam(env *mail.Envelope, key, value string, hasValue bool, of offer) (why string) {
	ok := true
	switch {
	case key == "SIZE": // RFC 1870
		if value == "" || len(value) > 20 || strings.Trim(value, "0123456789") != "" {
			return replyBadParam
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n > of.maxSize {
			return replyTooBig
		}
		env.Size = n
	case key == "BODY": // RFC 6152, RFC 3030
		env.Body, ok = bodyType(value)
	case key == "SMTPUTF8": // RFC 6531
		env.UTF8, ok = true, !hasValue
	case key == "RET": // RFC 3461, section 4.3
		switch strings.ToUpper(value) {
		case "FULL":
			env.Ret = mail.ReturnFull
		case "HDRS":
			env.Ret = mail.ReturnHeaders
		default:
			return replyBadParam
		}
	case key == "ENVID": // RFC 3461, section 4.4
		env.ID, ok = mail.DecodeXtext(value)
		ok = ok && value != "" && len(value) <= maxEnvID && isPrintable(env.ID)
	case key == "BY": // RFC 2852
		env.By, ok = deliverBy(value, of.now)
	case key == "MT-PRIORITY": // RFC 6710, section 5
		env.Priority, ok = priority(value)
	case key == "REQUIRETLS" && of.requireTLS: // RFC 8689, section 2
		env.RequireTLS, ok = true, !hasValue
	case (key == "HOLDFOR" || key == "HOLDUNTIL") && of.hold > 0:
		env.HoldUntil, ok = holdUntil(key, value, of.now)
		if ok && (env.HoldUntil.Sub(of.now) > of.hold || env.HoldUntil.Before(of.now)) {
			return replyHoldTooLong
		}
	case key == "AUTH" && of.auth && value == "<>":
		// RFC 4954, section 5, must be taken; the empty one claims nothing. Nobody may speak for another.
	default:
		return replyUnknownParam
	}
	if !ok {
		return replyBadParam
	}
	return ""
}

const (
	maxEnvID  = 100 // RFC 3461, section 4.4
	maxOrcpt  = 500 // RFC 3461, section 4.2
	maxByTime = 999_999_999
)

func bodyType(value string) (mail.BodyType, bool) {
	for _, b := range []mail.BodyType{mail.Body7Bit, mail.Body8BitMIME, mail.BodyBinaryMIME} {
		if strings.EqualFold(value, b.String()) {
			return b, true
		}
	}
	return 0, false
}

// deliverBy reads the value of BY: seconds from now, and what then. RFC 2852, section 4.
func deliverBy(value string, now time.Time) (mail.DeliverBy, bool) {
	seconds, mode, ok := strings.Cut(value, ";")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if !ok || err != nil || n < -maxByTime || n > maxByTime {
		return mail.DeliverBy{}, false
	}
	by := mail.DeliverBy{Deadline: now.Add(time.Duration(n) * time.Second)}
	switch strings.ToUpper(mode) {
	case "R", "RT":
		by.Mode = mail.ByReturn
	case "N", "NT":
		by.Mode = mail.ByNotify
	default:
		return mail.DeliverBy{}, false
	}
	by.Trace = len(mode) == 2
	return by, by.Mode == mail.ByNotify || n > 0 // to give up at once is no wish
}

// priority reads the value of MT-PRIORITY.
func priority(value string) (mail.Priority, bool) {
	digits := strings.TrimPrefix(value, "-")
	if len(digits) != 1 || digits[0] < '0' || digits[0] > '9' || value == "-0" {
		return 0, false
	}
	p := mail.Priority(digits[0] - '0')
	if digits != value {
		p = -p
	}
	return p, true
}

// holdUntil reads HOLDFOR, seconds from now, and HOLDUNTIL, a moment. RFC 4865, section 4.
func holdUntil(key, value string, now time.Time) (time.Time, bool) {
	if key == "HOLDFOR" {
		n, err := strconv.ParseUint(value, 10, 32)
		return now.Add(time.Duration(n) * time.Second), err == nil && n > 0 && len(value) <= 9 && value[0] != '+' //nolint:gosec // 32 bits
	}
	at, err := time.Parse(time.RFC3339, value)
	return at, err == nil
}

// rcptParams reads the parameters of RCPT; the reply says what is wrong with them.
func rcptParams(params []byte, utf8 bool) (to mail.Recipient, why string) {
	var notify, orcpt bool
	for _, p := range bytes.Fields(params) {
		key, value, _ := strings.Cut(string(p), "=")
		switch strings.ToUpper(key) {
		case "NOTIFY": // RFC 3461, section 4.1
			var ok bool
			if to.Notify, ok = notifySet(value); !ok || notify {
				return to, replyBadParam
			}
			notify = true
		case "ORCPT": // RFC 3461, section 4.2
			if orcpt {
				return to, replyBadParam
			}
			orcpt = true
			var ok bool
			if to.OriginalType, to.Original, ok = originalRecipient(value, utf8); !ok {
				return to, replyPathInParam
			}
		default:
			return to, replyUnknownParam
		}
	}
	return to, ""
}

// notifySet reads the value of NOTIFY.
func notifySet(value string) (set mail.Notify, ok bool) {
	if strings.EqualFold(value, "NEVER") {
		return mail.NotifyNever, true
	}
	for word := range strings.SplitSeq(strings.ToUpper(value), ",") {
		var n mail.Notify
		switch word {
		case "SUCCESS":
			n = mail.NotifySuccess
		case "FAILURE":
			n = mail.NotifyFailure
		case "DELAY":
			n = mail.NotifyDelay
		default:
			return 0, false
		}
		if set&n != 0 {
			return 0, false
		}
		set |= n
	}
	return set, true
}

// originalRecipient reads the value of ORCPT.
func originalRecipient(value string, utf8 bool) (typ mail.AddressType, addr string, ok bool) {
	kind, coded, ok := strings.Cut(value, ";")
	if !ok || coded == "" || len(value) > maxOrcpt || !isAtom(kind) {
		return "", "", false
	}
	typ = mail.AddressType(strings.ToLower(kind))
	if typ == mail.AddressUTF8 { // RFC 6533, section 3
		if !utf8 && !isASCII(coded) {
			return "", "", false
		}
		addr, ok = mail.DecodeUTF8Address(coded)
		return typ, addr, ok
	}
	addr, ok = mail.DecodeXtext(coded)
	return typ, addr, ok && isPrintable(addr)
}

// isAtom tells whether s is a type of address: letters, digits, hyphens.
func isAtom(s string) bool {
	return s != "" && len(s) <= 32 &&
		strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// isPrintable tells whether s is printable ASCII and blanks.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > 0x7e {
			return false
		}
	}
	return true
}
