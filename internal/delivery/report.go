package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailauth"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
)

// Action is what a report says about a recipient. RFC 3464, section 2.3.3.
type Action string

// The actions.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed"  // handed to a server that will not report
	Expanded  Action = "expanded" // handed to the members of a group
)

// Reported is one recipient in a delivery report.
type Reported struct {
	To     mail.Recipient // as it was tried; NOTIFY and ORCPT are the sender's
	Action Action
	Status string     // enhanced status code, "5.1.1"; RFC 3463
	Remote string     // the other server's reply, "" when there was none
	Host   string     // the other server, "" for this one
	Text   fault.Text // what happened, for a person
	Until  time.Time  // when a delayed message is given up; zero when that is not known
	// Deadline: the sender is told unless it asked never to be, because its
	// message was to arrive by a time. RFC 2852, section 4.1.4.
	Deadline bool
}

// wanted tells whether the sender is to be told. RFC 3461, section 4.1.
func (r Reported) wanted() bool {
	if r.Deadline {
		return r.To.Notify&mail.NotifyNever == 0
	}
	switch r.Action {
	case Failed:
		return r.To.Notify.Wants(mail.NotifyFailure)
	case Delayed:
		return r.To.Notify.Wants(mail.NotifyDelay)
	}
	return r.To.Notify.Wants(mail.NotifySuccess)
}

// Report is what a delivery report tells its reader.
type Report struct {
	Queue      queue.ID
	Env        mail.Envelope // From gets the report; ID, Ret and RequireTLS are heeded
	Arrived    time.Time
	Original   []byte // the message, or its header, see MaxReturned; may be nil
	Recipients []Reported
}

// MaxReturned is how many octets of the original a report gives back at most;
// of a larger message its header. So a report always fits into memory and
// into one row, and nobody's mailbox is filled by returned mail.
const MaxReturned = 64 << 10

// Report puts delivery reports (RFC 3464) into the sender's mailbox within
// tx, or into the queue when the sender is elsewhere: one for each kind of
// action, and none for what the sender did not ask for. Reports have the null
// reverse-path, and what came with it is not reported about.
func (d *Delivery) Report(ctx context.Context, tx *sqldb.Tx, r Report) error {
	if r.Env.From.Null {
		return nil
	}
	for _, kind := range [][]Action{{Failed}, {Delayed}, {Delivered, Relayed, Expanded}} {
		some := r
		some.Recipients = nil
		for _, x := range r.Recipients {
			if slices.Contains(kind, x.Action) && x.wanted() {
				some.Recipients = append(some.Recipients, x)
			}
		}
		if len(some.Recipients) == 0 {
			continue
		}
		env := mail.Envelope{From: mail.Path{Null: true}, To: []mail.Recipient{{Addr: r.Env.From.Address}}, RequireTLS: r.Env.RequireTLS}
		if err := d.inject(ctx, tx, env, d.reportMessage(some, kind[0])); err != nil {
			return err
		}
	}
	return nil
}

// reportTexts are the words of a report about one kind of action.
type reportTexts struct{ subject, vi, viEnd, en, enEnd string }

func textsOf(kind Action) reportTexts {
	switch kind {
	case Failed:
		return reportTexts{
			"Không chuyển được thư của bạn (undelivered mail)",
			"không chuyển được tới", "Hệ thống không thử lại nữa. Hãy kiểm tra địa chỉ rồi gửi lại, hoặc hỏi quản trị viên.",
			"could not be delivered to", "It will not be tried again. Check the address and send it again, or ask your administrator.",
		}
	case Delayed:
		return reportTexts{
			"Thư của bạn chưa chuyển được (delayed mail)",
			"chưa chuyển được tới", "Hệ thống vẫn đang thử; bạn không cần gửi lại.",
			"could not be delivered yet to", "It is still being tried; you need not send it again.",
		}
	}
	return reportTexts{
		"Thư của bạn đã được chuyển (delivery receipt)",
		"đã được chuyển tới", "Đây là thông báo bạn đã yêu cầu khi gửi thư.",
		"has been passed on to", "You asked for this receipt when you sent it.",
	}
}

func (d *Delivery) reportMessage(r Report, kind Action) []byte {
	texts := textsOf(kind)
	var vi, en strings.Builder
	for _, x := range r.Recipients {
		fmt.Fprintf(&vi, "- %s: %s\n", x.To.Addr, firstOf(x.Text.VI, x.Text.EN))
		fmt.Fprintf(&en, "- %s: %s\n", x.To.Addr, x.Text.EN)
		if !x.Until.IsZero() {
			fmt.Fprintf(&vi, "  (thử đến %s)\n", localTime(x.Until))
			fmt.Fprintf(&en, "  (until %s)\n", localTime(x.Until))
		}
	}
	headers := len(r.Original) > 0 && !r.full(kind)
	original := r.Original
	if headers {
		original = HeaderOf(original)
	}
	domain := d.opt.Hostname
	if d.stores.Directory.Snapshot().IsLocal(r.Env.From.Domain) {
		domain = r.Env.From.Domain
	}
	b := mail.Builder{
		From:          mail.Mailbox{Name: "Máy chủ thư", Addr: mail.Address{Local: "postmaster", Domain: domain}},
		To:            []mail.Mailbox{{Addr: r.Env.From.Address}},
		Subject:       texts.subject,
		Date:          d.opt.Now(),
		MessageID:     mail.NewMessageID(d.opt.Hostname),
		AutoSubmitted: "auto-replied",
		Text: "Thư bạn gửi lúc " + localTime(r.Arrived) + " (số " + string(r.Queue) + ") " + texts.vi + ":\n\n" + vi.String() + "\n" + texts.viEnd +
			"\n\n-- English --\nYour message (queued as " + string(r.Queue) + ") " + texts.en + ":\n\n" + en.String() + "\n" + texts.enEnd + "\n",
		Report: &mail.Report{Type: "delivery-status", Status: d.statusFields(r), Original: original, Headers: headers},
	}
	return b.Bytes()
}

// full tells whether the report brings the whole message back: only when it
// failed and the sender said so. RFC 3461, section 4.3.
func (r Report) full(kind Action) bool {
	return kind == Failed && r.Env.Ret == mail.ReturnFull && !r.Env.RequireTLS && r.Env.Body != mail.BodyBinaryMIME && len(r.Original) <= MaxReturned
}

// HeaderOf cuts a message after its header, or after MaxReturned octets at a
// line's end.
func HeaderOf(message []byte) []byte {
	if i := bytes.Index(message, []byte("\r\n\r\n")); i >= 0 {
		message = message[:i+2]
	}
	if len(message) > MaxReturned {
		message = message[:bytes.LastIndexByte(message[:MaxReturned], '\n')+1]
	}
	return message
}

// statusFields gives the fields of message/delivery-status. RFC 3464, section 2.
func (d *Delivery) statusFields(r Report) []byte {
	var b bytes.Buffer
	if r.Env.ID != "" {
		fmt.Fprintf(&b, "Original-Envelope-Id: %s\n", oneLine(r.Env.ID))
	}
	fmt.Fprintf(&b, "Reporting-MTA: dns; %s\nX-Queue-ID: %s\nArrival-Date: %s\n",
		d.opt.Hostname, r.Queue, r.Arrived.In(vietnam).Format(time.RFC1123Z))
	if !r.Env.HoldUntil.IsZero() { // RFC 4865
		fmt.Fprintf(&b, "Future-Release-Request: until; %s\n", r.Env.HoldUntil.UTC().Format(time.RFC3339))
	}
	for _, x := range r.Recipients {
		b.WriteByte('\n')
		if x.To.Original != "" {
			orig := x.To.Original
			if x.To.OriginalType == mail.AddressUTF8 {
				orig = mail.EncodeUTF8Address(orig)
			}
			fmt.Fprintf(&b, "Original-Recipient: %s; %s\n", x.To.OriginalType, oneLine(orig))
		}
		kind, addr := mail.AddressRFC822, x.To.Addr.String()
		if !isASCII(addr) { // RFC 6533, section 3
			kind, addr = mail.AddressUTF8, mail.EncodeUTF8Address(addr)
		}
		fmt.Fprintf(&b, "Final-Recipient: %s; %s\nAction: %s\nStatus: %s\n", kind, addr, x.Action, x.Status)
		if x.Host != "" {
			fmt.Fprintf(&b, "Remote-MTA: dns; %s\n", oneLine(x.Host))
		}
		if x.Remote != "" {
			fmt.Fprintf(&b, "Diagnostic-Code: smtp; %s\n", oneLine(x.Remote))
		}
		if !x.Until.IsZero() {
			fmt.Fprintf(&b, "Will-Retry-Until: %s\n", x.Until.In(vietnam).Format(time.RFC1123Z))
		}
	}
	return b.Bytes()
}

func localTime(t time.Time) string { return t.In(vietnam).Format("15:04:05 02/01/2006 (-07:00)") }

// inject delivers a message of our own making with env.
func (d *Delivery) inject(ctx context.Context, tx *sqldb.Tx, env mail.Envelope, message []byte) (err error) {
	now := d.opt.Now()
	in := &Incoming{d: d, id: newQueueID(now), env: env}
	if err := in.expand(d.stores.Directory.Snapshot()); err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return nil // nobody is left to be told
		}
		return err
	}
	body := d.stores.Mail.NewBody()
	if _, err := body.Write(message); err != nil {
		body.Abort()
		return err
	}
	fin, err := body.Finish()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fin.Release()) }()
	in.env.Body, in.env.UTF8 = bodyOf(fin.Scan), needsUTF8(env, fin.Scan)
	if in.fin = fin; len(in.remote) > 0 { // whoever gets it may refuse what is not signed
		if err := in.signFor(mailauth.Author(fin.Scan)); err != nil {
			return err
		}
	}
	msg, err := d.stores.Mail.Store(ctx, tx, fin, append([]byte("Return-Path: <>\r\n"), in.signature...), now)
	if err != nil {
		return err
	}
	drops, err := in.drops(ctx, tx, in.local, nil)
	if err != nil {
		return err
	}
	got, err := d.stores.Mail.DeliverMany(ctx, tx, drops, msg)
	if err != nil {
		return err
	}
	copies := 0
	for _, g := range got { // a full mailbox loses the report: there is nobody left to tell
		if g.Err == nil {
			copies++
		}
	}
	if len(in.remote) > 0 {
		if err := d.stores.Queue.Enqueue(ctx, tx, in.id, queue.MessageRef(msg), in.env, in.remote); err != nil {
			return err
		}
	}
	_, err = journal.Append(ctx, tx, journal.Event{
		At: now, Type: "mail.reported", Actor: journal.System("delivery"), Subject: string(in.id),
		Data: in.acceptedData(fin, copies),
	})
	return err
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// oneLine keeps a foreign text from starting a field of its own.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
