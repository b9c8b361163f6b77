package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
)

// FailedRecipient is somebody who did not get a message, for good.
type FailedRecipient struct {
	Addr   mail.Address
	Status string     // enhanced status code, "5.1.1"; RFC 3463
	Remote string     // the other server's reply, "" when there was none
	Text   fault.Text // what went wrong, for a person
}

// Failure is what a delivery report tells its reader.
type Failure struct {
	Queue      queue.ID
	Sender     mail.Address // who gets the report
	Arrived    time.Time
	Original   []byte // header of the message, may be nil
	Recipients []FailedRecipient
}

// ReportFailure puts a delivery report (RFC 3464) for f into its sender's
// mailbox within tx, or into the queue when the sender is elsewhere. Reports
// have the null reverse-path, so that no report answers a report.
func (d *Delivery) ReportFailure(ctx context.Context, tx *sqldb.Tx, f Failure) error {
	return d.inject(ctx, tx, f.Sender, d.failureReport(f))
}

func (d *Delivery) failureReport(f Failure) []byte {
	var status bytes.Buffer
	fmt.Fprintf(&status, "Reporting-MTA: dns; %s\nX-Queue-ID: %s\nArrival-Date: %s\n",
		d.opt.Hostname, f.Queue, f.Arrived.In(vietnam).Format(time.RFC1123Z))
	var vi, en strings.Builder
	for _, r := range f.Recipients {
		kind := "rfc822"
		if !isASCII(r.Addr.String()) {
			kind = "utf-8" // RFC 6533
		}
		fmt.Fprintf(&status, "\nFinal-Recipient: %s; %s\nAction: failed\nStatus: %s\n", kind, r.Addr, r.Status)
		if r.Remote != "" {
			fmt.Fprintf(&status, "Diagnostic-Code: smtp; %s\n", oneLine(r.Remote))
		}
		fmt.Fprintf(&vi, "- %s: %s\n", r.Addr, firstOf(r.Text.VI, r.Text.EN))
		fmt.Fprintf(&en, "- %s: %s\n", r.Addr, r.Text.EN)
	}
	b := mail.Builder{
		From:          mail.Mailbox{Name: "Máy chủ thư", Addr: mail.Address{Local: "postmaster", Domain: f.Sender.Domain}},
		To:            []mail.Mailbox{{Addr: f.Sender}},
		Subject:       "Không chuyển được thư của bạn (undelivered mail)",
		Date:          d.opt.Now(),
		MessageID:     mail.NewMessageID(d.opt.Hostname),
		AutoSubmitted: "auto-replied",
		Text: "Thư bạn gửi lúc " + f.Arrived.In(vietnam).Format("15:04:05 02/01/2006 (-07:00)") + " (số " + string(f.Queue) +
			") không chuyển được tới:\n\n" + vi.String() + "\nHệ thống không thử lại nữa. Hãy kiểm tra địa chỉ rồi gửi lại, hoặc hỏi quản trị viên.\n\n" +
			"-- English --\nYour message (queued as " + string(f.Queue) + ") could not be delivered to:\n\n" + en.String() +
			"\nIt will not be tried again. Check the address and send it again, or ask your administrator.\n",
		Report: &mail.Report{Type: "delivery-status", Status: status.Bytes(), Original: f.Original, Headers: true},
	}
	return b.Bytes()
}

// inject delivers a message of our own making with the null reverse-path.
func (d *Delivery) inject(ctx context.Context, tx *sqldb.Tx, to mail.Address, message []byte) (err error) {
	now := d.opt.Now()
	in := &Incoming{d: d, id: newQueueID(now), env: mail.Envelope{From: mail.Path{Null: true}, To: []mail.Recipient{{Addr: to}}}}
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
	msg, err := d.stores.Mail.Store(ctx, tx, fin, []byte("Return-Path: <>\r\n"), now)
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
