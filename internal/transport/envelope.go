package transport

import (
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"vanthu/internal/mail"
	"vanthu/internal/queue"
)

// hop is what the next server can do.
type hop struct {
	offers func(ext string) (ok bool, param string)
	tls    bool // TLS is up, and the certificate was checked
}

func (h hop) has(ext string) bool {
	ok, _ := h.offers(ext)
	return ok
}

// refuse says why a message must not, or cannot, go to the next server; the
// zero Result when it may. What one server lacks, it will lack tomorrow: such
// results are final, and the sender is told what to do about it.
func (h hop) refuse(env mail.Envelope, group []queue.Item, now time.Time) queue.Result {
	switch {
	case env.By.Mode == mail.ByReturn && !now.Before(env.By.Deadline): // RFC 2852, section 4.1.3
		return tooLate()
	case env.RequireTLS && (!h.tls || !h.has("REQUIRETLS")): // RFC 8689, section 4.2.1
		return queue.Result{Code: 550, Text: "5.7.30 REQUIRETLS support required: the next server does not offer it"}
	case !h.has("SMTPUTF8") && (!senderASCII(env) || anyUTF8(group)): // RFC 6531, section 3.2
		return queue.Result{Code: 553, Text: "5.6.7 the next server does not take addresses beyond ASCII"}
	case !h.has("SMTPUTF8") && env.UTF8:
		return queue.Result{Code: 554, Text: "5.6.9 the next server does not take headers beyond ASCII"}
	case env.Body == mail.BodyBinaryMIME && (!h.has("BINARYMIME") || !h.has("CHUNKING")):
		// Converting would break signatures and hashes that documents live by. RFC 3030, section 3.
		return queue.Result{Code: 554, Text: "5.6.3 the next server takes no binary message, and we do not convert: send it in base64"}
	case env.Body == mail.Body8BitMIME && !h.has("8BITMIME"): // RFC 6152, section 3
		return queue.Result{Code: 554, Text: "5.6.3 the next server takes no 8-bit message, and we do not convert: send it in base64"}
	}
	return queue.Result{}
}

func tooLate() queue.Result {
	return queue.Result{Code: 554, Text: "5.4.7 the time by which the sender wanted it delivered has passed"}
}

func senderASCII(env mail.Envelope) bool { return env.From.Null || isASCII(env.From.Address.String()) }

// mailParams gives the parameters of MAIL, each with a blank before it.
func (h hop) mailParams(env mail.Envelope, group []queue.Item, size int64, now time.Time) string {
	var b strings.Builder
	if h.has("SIZE") {
		fmt.Fprintf(&b, " SIZE=%d", size)
	}
	if env.Body != mail.Body7Bit { // refuse has seen to it that the server can
		b.WriteString(" BODY=" + env.Body.String())
	}
	if h.has("SMTPUTF8") && (env.UTF8 || !senderASCII(env) || anyUTF8(group)) {
		b.WriteString(" SMTPUTF8")
	}
	if h.has("DSN") {
		if env.Ret != mail.ReturnDefault {
			b.WriteString(" RET=" + env.Ret.String())
		}
		if env.ID != "" {
			b.WriteString(" ENVID=" + mail.EncodeXtext(env.ID))
		}
	}
	if env.RequireTLS {
		b.WriteString(" REQUIRETLS")
	}
	if env.Priority != 0 && h.has("MT-PRIORITY") {
		fmt.Fprintf(&b, " MT-PRIORITY=%d", env.Priority)
	}
	if !env.By.Deadline.IsZero() && h.has("DELIVERBY") {
		left := int64(env.By.Deadline.Sub(now) / time.Second)
		if env.By.Mode == mail.ByReturn {
			left = max(left, 1) // the last second
		}
		fmt.Fprintf(&b, " BY=%d;%s", left, env.By.Mode)
		if env.By.Trace {
			b.WriteByte('T')
		}
	}
	if b.Len() == 0 {
		return " " // so that the library's own do not stay
	}
	return b.String()
}

// rcptOptions gives the parameters of RCPT.
func rcptOptions(to mail.Recipient) *smtp.RcptOptions {
	opts := &smtp.RcptOptions{}
	for word := range strings.SplitSeq(to.Notify.String(), ",") {
		if word != "" {
			opts.Notify = append(opts.Notify, smtp.DSNNotify(word))
		}
	}
	switch to.OriginalType {
	case mail.AddressRFC822:
		opts.OriginalRecipientType, opts.OriginalRecipient = smtp.DSNAddressTypeRFC822, to.Original
	case mail.AddressUTF8:
		opts.OriginalRecipientType, opts.OriginalRecipient = smtp.DSNAddressTypeUTF8, to.Original
	}
	return opts
}
