package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// What the envelope asks for besides delivery: bodies and headers beyond
// ASCII, priority, reports.

// checkUTF8 refuses a header with 8-bit octets that came without SMTPUTF8:
// whoever passes it on does not know what it is (RFC 6531, section 3.6; RFC
// 5322, section 2.2). What a filter on our own site hands over has been
// accepted already, and sites with old programs may allow it.
func (in *Incoming) checkUTF8(m *mail.Message) error {
	if m.Defects&mail.DefectHeader8Bit == 0 || in.env.UTF8 || in.d.opt.RawHeaders || in.origin.trusted() {
		return nil
	}
	return fault.WithStatus(fault.New(fault.Invalid, fault.Text{
		EN: "the header has text beyond ASCII without SMTPUTF8: encode it (RFC 2047), or have the program updated",
		VI: "phần đầu thư có chữ chưa mã hóa mà không dùng SMTPUTF8: hãy cập nhật chương trình gửi thư",
	}), "5.6.7")
}

// settleEnvelope makes the envelope say what the message is, not what the
// client declared, for it decides which servers can take it.
func (in *Incoming) settleEnvelope(m *mail.Message) {
	in.env.UTF8, in.env.Body = needsUTF8(in.env, m), bodyOf(m)
	in.env.TLSOptional = !in.env.RequireTLS && strings.EqualFold(m.Header.Get("TLS-Required"), "No") // RFC 8689, section 3
	if in.env.Priority > 0 && !in.mayHurry() {
		in.env.Priority = 0 // RFC 6710, section 5: who may not is treated as usual
	}
}

// bodyOf gives the weakest body type that a message has room in.
func bodyOf(m *mail.Message) mail.BodyType {
	switch {
	case m.Defects&(mail.DefectBareCR|mail.DefectBareLF|mail.DefectNUL) != 0:
		return mail.BodyBinaryMIME
	case m.Defects&(mail.DefectBody8Bit|mail.DefectHeader8Bit) != 0:
		return mail.Body8BitMIME
	}
	return mail.Body7Bit
}

// needsUTF8 tells whether the next hop must know SMTPUTF8, whatever was
// declared. RFC 6531, section 3.4. Recipients are looked at one by one later.
func needsUTF8(env mail.Envelope, m *mail.Message) bool {
	return m.Defects&mail.DefectHeader8Bit != 0 || !env.From.Null && !isASCII(env.From.Address.String())
}

// mayHurry tells whether the sender may ask to be served before others: those
// who issue documents.
func (in *Incoming) mayHurry() bool {
	acct, ok := in.d.stores.Directory.Snapshot().Account(in.origin.Account)
	if !ok {
		return false
	}
	for _, r := range acct.Roles {
		if r.Role == directory.RoleClerk {
			return true
		}
	}
	return false
}

// urgencyPriority gives the priority of each degree of urgency: NĐ 30/2020,
// Phụ lục I, on the scale of RFC 6710.
func urgencyPriority(u edoc.Urgency) mail.Priority {
	switch u {
	case edoc.UrgencyUrgent: // Khẩn
		return 2
	case edoc.UrgencyHigh: // Thượng khẩn
		return 4
	case edoc.UrgencyFlash, edoc.UrgencyTimed: // Hỏa tốc
		return 6
	}
	return 0
}

// raisePriority sends an urgent document before other mail, when its sender
// may issue documents.
func (in *Incoming) raisePriority(rec edoc.Recognition) {
	if p := urgencyPriority(rec.Urgency); rec.IsDocument() && p > in.env.Priority && in.mayHurry() {
		in.env.Priority = p
	}
}

// forwarded is r going on to addr: what the sender asked for stays, and
// reports go on naming the address that it wrote. The members of a group are
// not reported on one by one when they get it: the sender is told once that it
// went to the group. RFC 3461, section 5.2.7.
func forwarded(r mail.Recipient, addr mail.Address, group bool) mail.Recipient {
	if r.Original == "" && addr != r.Addr {
		r.Original, r.OriginalType = r.Addr.String(), mail.AddressRFC822
		if !isASCII(r.Original) {
			r.OriginalType = mail.AddressUTF8
		}
	}
	if group && r.Notify&mail.NotifySuccess != 0 {
		if r.Notify &^= mail.NotifySuccess; r.Notify == 0 {
			r.Notify = mail.NotifyNever
		}
	}
	r.Addr = addr
	return r
}

// wishesFor gives what the sender asked for the recipient of whom r is one.
func (in *Incoming) wishesFor(r directory.Recipient) mail.Recipient {
	named := in.named[r.Addr]
	for _, to := range in.env.To {
		if to.Addr == named {
			all, err := in.d.stores.Directory.Snapshot().Expand(named)
			return forwarded(to, r.Addr, err == nil && len(all) > 1)
		}
	}
	return mail.Recipient{Addr: r.Addr}
}

// outcome tells what became of the message at a recipient of ours that did not
// fail; ok is false when others report on it.
func (in *Incoming) outcome(v *verdict, doc *document) (action Action, text fault.Text, ok bool) {
	inMailbox := fault.Text{EN: "it is in the mailbox", VI: "đã vào hộp thư"}
	switch {
	case v == nil || v.keeps(doc):
		return Delivered, inMailbox, true
	case !v.alias(doc):
		n := len(v.outside) + len(v.inside) + len(v.others)
		if n == 0 { // thrown away by its rules, which are nobody's business
			return Delivered, inMailbox, true
		}
		return Expanded, fault.Text{
			EN: fmt.Sprintf("its recipient has it sent on to %d addresses", n),
			VI: fmt.Sprintf("người nhận đặt chuyển tiếp tới %d địa chỉ", n),
		}, true
	case len(v.inside) == 1:
		return in.outcome(v.inside[0], nil)
	case len(v.others) == 1:
		return Delivered, inMailbox, true
	}
	return "", fault.Text{}, false // the queue tells
}

// Results gives, after Commit, for each recipient of the envelope nil or why
// it alone did not get the message. It is nil unless the client is one that is
// told for each (LMTP, RFC 2033); then nobody else is.
func (in *Incoming) Results() []error { return in.results }

// report tells the sender who did not get the message, and who did when that
// was asked for.
func (in *Incoming) report(ctx context.Context, tx *sqldb.Tx, fin *mailstore.Finished, doc *document, failed []Reported) error {
	success := false
	for _, r := range in.env.To {
		success = success || r.Notify&mail.NotifySuccess != 0
	}
	if len(failed) == 0 && !success {
		return nil
	}
	list, err := in.reported(failed, doc)
	if err != nil || len(list) == 0 || in.env.From.Null {
		return err
	}
	rep := Report{Queue: in.id, Env: in.env, Arrived: in.arrived, Recipients: list}
	if rep.Arrived.IsZero() {
		rep.Arrived = in.d.opt.Now()
	}
	if rep.Original, err = original(fin, fin.Size); err != nil {
		return err
	}
	return in.d.Report(ctx, tx, rep)
}

// reported gives what the sender is told: for each recipient as it wrote it,
// what became of the mailboxes here that stand behind it.
func (in *Incoming) reported(failed []Reported, doc *document) (list []Reported, err error) {
	snap := in.d.stores.Directory.Snapshot()
	why := map[string]*Reported{}
	for i := range failed {
		why[failed[i].To.Addr.Key()] = &failed[i]
	}
	perRecipient := in.origin.trusted()
	if perRecipient {
		in.results = make([]error, len(in.env.To))
	}
	for i, r := range in.env.To {
		targets, err := snap.Expand(r.Addr)
		if err != nil {
			return nil, err
		}
		missed, away := 0, 0
		for _, x := range targets {
			f, bad := why[x.Addr.Key()]
			switch {
			case x.Kind == directory.ToExternal:
				away++
			case bad:
				missed++
				if perRecipient && len(targets) == 1 {
					in.results[i] = fault.WithStatus(fault.New(fault.Exhausted, f.Text), "4.2.2")
					continue
				}
				to := forwarded(r, x.Addr, false)
				list = append(list, Reported{To: to, Action: f.Action, Status: f.Status, Text: f.Text})
			}
		}
		switch {
		case missed > 0 || away == len(targets) && away == 1: // the queue tells what becomes of it
		case len(targets) > 1:
			list = append(list, Reported{To: r, Action: Expanded, Status: "2.0.0", Text: fault.Text{
				EN: fmt.Sprintf("it went to the %d members of this group", len(targets)),
				VI: fmt.Sprintf("đã chuyển tới %d thành viên của nhóm", len(targets)),
			}})
		default:
			if action, text, ok := in.outcome(in.verdicts[ownerOf(targets[0])], doc); ok {
				list = append(list, Reported{To: r, Action: action, Status: "2.0.0", Text: text})
			}
		}
	}
	return list, nil
}

// original reads what a report may give back of a message of size octets.
func original(r io.ReaderAt, size int64) ([]byte, error) {
	b := make([]byte, min(size, MaxReturned+1))
	if _, err := r.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the message for a report: %w", err)
	}
	return b, nil
}
