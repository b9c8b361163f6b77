package delivery

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/peer"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
)

// Other vanthu servers: what they hand over twice is taken once, and the
// statuses that they report move our dispatches.

// peerOf gives the peer that a domain belongs to.
func (d *Delivery) peerOf(domain string) (peer.Peer, bool) {
	if d.opt.Peers == nil {
		return peer.Peer{}, false
	}
	return d.opt.Peers.ByDomain(domain)
}

// checkPeerDomain refuses mail in the name of a peer from anybody else.
func (d *Delivery) checkPeerDomain(o Origin, from mail.Path) error {
	p, ok := d.peerOf(from.Address.Domain)
	if !ok || o.Peer == p.Name || o.trusted() {
		return nil
	}
	return fault.New(fault.Denied, fault.Text{
		EN: "mail of " + from.Address.Domain + " is taken only from its own server, which shows its certificate",
		VI: "thư của " + from.Address.Domain + " chỉ được nhận từ chính máy chủ của tên miền đó, có chứng thư",
	})
}

// checkUnits says whether an account may use the way to a domain.
func (d *Delivery) checkUnits(account directory.AccountID, domain string) error {
	if d.opt.RouteUnits == nil {
		return nil
	}
	units := d.opt.RouteUnits(domain)
	if len(units) == 0 {
		return nil
	}
	snap := d.stores.Directory.Snapshot()
	if a, ok := snap.Account(account); ok {
		for _, role := range a.Roles {
			u, ok := snap.Unit(role.Unit)
			for _, name := range units {
				if ok && (strings.EqualFold(name, u.Code) || strings.EqualFold(name, u.Address.String()) || strings.EqualFold(name, u.ShortName)) {
					return nil
				}
			}
		}
	}
	return fault.New(fault.Denied, fault.Text{
		EN: "your unit may not send mail to " + domain + "; ask your administrator",
		VI: "đơn vị của bạn không được gửi thư tới " + domain + "; hãy hỏi quản trị viên",
	})
}

// transfer gives the peer's queue id of a message that a peer hands over.
func (in *Incoming) transfer(m *mail.Message) string {
	if in.origin.Peer == "" {
		return ""
	}
	id := strings.TrimSpace(m.Header.Get(peer.TransferField))
	if len(id) > 64 {
		return ""
	}
	return id
}

// fromPeer deals with what only comes from other vanthu servers: a message that
// was taken before, and statuses. done tells that there is nothing left to do.
func (in *Incoming) fromPeer(ctx context.Context) (acc Accepted, done bool, err error) {
	if in.d.opt.Peers == nil || in.origin.Account != 0 {
		return Accepted{}, false, nil
	}
	if in.from = in.transfer(in.fin.Scan); in.from != "" {
		if first, some, err := in.onlyFresh(ctx); err != nil || !some {
			return Accepted{QueueID: first, Repeated: true}, true, err
		}
	}
	signed, edxml, is, err := statusParts(in.fin)
	if err != nil || !is {
		return Accepted{}, false, err
	}
	acc, err = in.acceptStatus(ctx, in.fin, signed, edxml)
	return acc, true, err
}

// takeTransfers notes what a peer hands over, and leaves out the recipients
// that had it before. first is the name under which it was accepted then.
func (in *Incoming) takeTransfers(ctx context.Context, tx *sqldb.Tx) (first queue.ID, fresh int, err error) {
	for _, r := range in.env.To {
		t := peer.Transfer{Peer: in.origin.Peer, QueueID: in.from, Rcpt: r.Addr.String()}
		before, ok, err := peer.Taken(ctx, tx, t)
		if err != nil {
			return "", 0, err
		}
		if ok {
			first = queue.ID(before)
			continue
		}
		if err := peer.Take(ctx, tx, t, string(in.id), in.d.opt.Now()); err != nil {
			return "", 0, err
		}
		fresh++
	}
	return first, fresh, nil
}

// onlyFresh takes the recipients out that a peer handed over before, and
// reports false when none is left.
func (in *Incoming) onlyFresh(ctx context.Context) (first queue.ID, some bool, err error) {
	var left []mail.Recipient
	err = in.d.stores.DB.View(ctx, func(r sqldb.Reader) error {
		for _, to := range in.env.To {
			before, ok, err := peer.Taken(ctx, r, peer.Transfer{Peer: in.origin.Peer, QueueID: in.from, Rcpt: to.Addr.String()})
			if err != nil {
				return err
			}
			if ok {
				first = queue.ID(before)
			} else {
				left = append(left, to)
			}
		}
		return nil
	})
	if err != nil || len(left) == 0 {
		return first, false, err
	}
	if len(left) < len(in.env.To) {
		in.env.To, in.local, in.remote, in.named = left, nil, nil, nil
		err = in.expand(in.d.stores.Directory.Snapshot())
	}
	return first, true, err
}

// errTwice: the same transfer was accepted by another session meanwhile.
type errTwice struct{ first queue.ID }

func (errTwice) Error() string { return "the transfer was accepted meanwhile" }

// contentHash is the hash of a message without what servers put before it on
// its way: the same document that goes to further units by a second transfer is
// the same document.
func contentHash(fin *mailstore.Finished) (sum [sha256.Size]byte, err error) {
	br := bufio.NewReader(io.NewSectionReader(fin, 0, fin.Size))
	h := sha256.New()
	skipping, trace := true, false
	for {
		line, err := br.ReadString('\n')
		if skipping && line != "" {
			if line[0] != ' ' && line[0] != '\t' { // else it goes on with the field before
				name, _, _ := strings.Cut(line, ":")
				trace = isTrace(name)
			}
			skipping = trace
		}
		if !skipping {
			h.Write([]byte(line))
			if _, err := io.Copy(h, br); err != nil {
				return sum, err
			}
			break
		}
		if err != nil {
			break
		}
	}
	h.Sum(sum[:0])
	return sum, nil
}

func isTrace(field string) bool {
	switch strings.ToLower(strings.TrimSpace(field)) {
	case "return-path", "received", "x-vb-nhan-dien", "x-vb-don-vi-gui", strings.ToLower(fieldGiven), strings.ToLower(peer.TransferField),
		"dkim-signature", "authentication-results", "received-spf", "arc-seal", "arc-message-signature", "arc-authentication-results":
		return true
	}
	return false
}

// statusParts gives the signed status and the edXML in a message, when it is
// one that reports a status.
func statusParts(fin *mailstore.Finished) (signed, edxml []byte, ok bool, err error) {
	for _, a := range fin.Scan.Attachments() {
		limit := int64(0)
		switch {
		case a.Type == peer.StatusType:
			limit, ok = peer.MaxStatus, true
		case strings.EqualFold(a.Name, peer.EdXMLFile):
			limit = 256 << 10
		default:
			continue
		}
		b, err := io.ReadAll(io.LimitReader(a.Part.Decoder(fin), limit+1))
		if err != nil {
			return nil, nil, false, fmt.Errorf("read a status: %w", err)
		}
		if a.Type == peer.StatusType {
			signed = b
		} else {
			edxml = b
		}
	}
	return signed, edxml, ok, nil
}

// acceptStatus takes a reported status: nothing is delivered, the dispatch
// moves. What is wrong with it is refused and, when it bears the name of a
// peer, journaled.
func (in *Incoming) acceptStatus(ctx context.Context, fin *mailstore.Finished, raw, edxml []byte) (Accepted, error) {
	d := in.d
	s, err := peer.ParseStatus(raw)
	if err == nil {
		err = in.checkStatus(s, edxml)
	} else {
		err = fault.Wrap(fault.Denied, err, fault.Text{EN: err.Error()})
	}
	first := queue.ID("")
	if err == nil {
		err = d.stores.DB.Update(ctx, func(tx *sqldb.Tx) error {
			if in.from != "" {
				before, fresh, err := in.takeTransfers(ctx, tx)
				if err != nil {
					return err
				}
				if first = before; fresh == 0 {
					return nil
				}
			}
			first = ""
			return in.applyStatus(ctx, tx, s)
		})
	}
	switch {
	case err == nil && first != "":
		return Accepted{QueueID: first, Repeated: true}, nil
	case err == nil:
		return Accepted{QueueID: in.id}, nil
	case fault.KindOf(err) == fault.Denied:
		return Accepted{}, errors.Join(err, in.noteRefusal(ctx, s, fin, err))
	}
	return Accepted{}, err
}

func (in *Incoming) checkStatus(s peer.Signed, edxml []byte) error {
	if _, err := in.d.opt.Peers.Verify(s); err != nil {
		return err
	}
	if in.origin.Peer != "" && in.origin.Peer != s.From {
		return peer.ErrWrongPeer
	}
	if sha256.Sum256(edxml) != s.EdXML {
		return peer.ErrEdXML
	}
	return nil
}

func (in *Incoming) applyStatus(ctx context.Context, tx *sqldb.Tx, s peer.Signed) error {
	seen, err := peer.Seen(ctx, tx, s.Status)
	if err != nil {
		return err
	}
	if seen {
		return peer.ErrReplay
	}
	err = in.d.opt.Reported(ctx, tx, docstore.Reported{
		Peer: string(s.From), Transfer: s.Transfer, Recipient: s.Recipient, Unit: s.Unit, Status: s.Code, At: s.At,
		Number: s.Number, Year: s.Year, Reason: s.Reason, Note: s.Note, ID: s.ID,
	})
	if errors.Is(err, docstore.ErrNoDispatch) {
		return peer.ErrUnknown
	}
	if err != nil {
		return err
	}
	return peer.See(ctx, tx, s.Status, in.d.opt.Now())
}

// noteRefusal journals a status that was refused. Strangers cannot fill the
// journal so: what does not name a peer goes to the log only.
func (in *Incoming) noteRefusal(ctx context.Context, s peer.Signed, fin *mailstore.Finished, cause error) error {
	d := in.d
	d.opt.Log.Warn("status of a peer refused", "session", in.origin.Session, "remote", in.origin.Remote.String(), "err", cause)
	if _, known := d.opt.Peers.ByName(s.From); !known && in.origin.Peer == "" {
		return nil
	}
	return d.stores.DB.Update(ctx, func(tx *sqldb.Tx) error {
		_, err := journal.Append(ctx, tx, journal.Event{
			At: d.opt.Now(), Type: "peer.status_refused", Actor: journal.Actor{Kind: journal.ActorExternal, Name: string(s.From)},
			Subject: string(in.id), Data: map[string]any{
				"why": fault.Sentence(cause).EN, "id": s.ID, "transfer": s.Transfer, "sha256": fmt.Sprintf("%x", fin.SHA256),
				"client": in.origin.Remote.String(), "session_peer": string(in.origin.Peer),
			},
		})
		return err
	})
}

// SendStatus reports a status of a dispatch that came from a peer to that peer,
// or asks a peer to give back what went there, by a signed message in the queue,
// within tx. A dispatch from elsewhere, and a
// peer that is none any more, are nobody to report to.
func (d *Delivery) SendStatus(
	ctx context.Context, tx *sqldb.Tx, doc docstore.Document, disp docstore.Dispatch, ev docstore.StatusEvent,
) error {
	asks := ev.Status.SentBy() == edoc.SideSender
	if disp.Peer == "" || asks != (disp.To == 0) || !ev.Status.Valid() {
		return nil
	}
	if _, ok := docstore.AxisOrgan(disp.Peer); ok {
		return d.sendStatusAxis(ctx, tx, doc, disp, ev)
	}
	if d.opt.Peers == nil {
		return nil
	}
	p, ok := d.opt.Peers.ByName(peer.Name(disp.Peer))
	if !ok {
		return nil
	}
	id := disp.To
	if asks {
		id = doc.Issuer
	}
	unit, _ := d.stores.Directory.Snapshot().Unit(id)
	ours := edoc.Organization{OrganID: unit.Code, Name: unit.Name, Email: unit.Address.String()}
	sender, recipient, acts := edoc.Organization{OrganID: disp.Peer, Name: doc.IssuerName}, ours, disp.Address
	if asks {
		sender, recipient, acts = ours, edoc.Organization{OrganID: disp.Peer, Name: disp.Address, Email: disp.Address}, unit.Address.String()
	}
	report := edoc.NewStatusMessage(ev.Status, edoc.Dispatch{
		Sender: sender, Recipient: recipient,
		Document: edoc.DocumentRef{Code: doc.Code, Issued: doc.Issued, DocumentID: firstOf(firstOf(doc.EdXMLID, string(doc.MailID)), string(doc.ULID))},
	}, ev.At)
	report.Description = strings.TrimSpace(ev.Reason.Vi() + " " + ev.Note)
	if report.Description == "" {
		report.Description = ev.Status.Name()
	}
	edxml, err := report.Encode()
	if err != nil {
		return fmt.Errorf("write a status: %w", err)
	}
	named := firstOf(disp.Named, disp.Address)
	signed, err := d.opt.Peers.Report(peer.Status{
		To: p.Name, ID: string(newQueueID(ev.At)), Transfer: disp.Transfer, Recipient: named, Unit: acts, UnitName: unit.Name,
		Code: ev.Status, At: ev.At, Number: disp.ArrivalNumber, Year: disp.ArrivalYear, Reason: ev.Reason, Note: ev.Note,
	}, edxml)
	if err != nil {
		return err
	}
	what := doc.Code
	if what == "" {
		what = doc.Abstract
	}
	to := mail.Address{Local: "postmaster", Domain: p.Domains[0]}
	b := mail.Builder{
		From: mail.Mailbox{Name: unit.Name, Addr: unit.Address}, To: []mail.Mailbox{{Addr: to}},
		Subject:   fmt.Sprintf("[Trạng thái %s] %s: %s", ev.Status, what, ev.Status.Name()),
		Date:      d.opt.Now().In(vietnam),
		MessageID: mail.NewMessageID(d.opt.Hostname), AutoSubmitted: "auto-generated", Language: "vi",
		InReplyTo: string(doc.MailID),
		Text: fmt.Sprintf("%s báo trạng thái %s (%s) của văn bản %s.\nThư này do máy chủ gửi cho máy chủ, không cần trả lời.\n\n"+
			"-- English --\n%s reports status %s (%s) of document %s.\nServers exchange this message; no answer is needed.\n",
			unit.Name, ev.Status, ev.Status.Name(), what, unit.Name, ev.Status, ev.Status.NameEN(), what),
		Files: []mail.File{
			{Name: peer.StatusFile, Type: peer.StatusType, Content: signed},
			{Name: peer.EdXMLFile, Type: "application/xml", Content: edxml},
		},
	}
	return d.inject(ctx, tx, mail.Envelope{From: mail.Path{Null: true}, To: []mail.Recipient{{Addr: to, Notify: mail.NotifyNever}}}, b.Bytes())
}
