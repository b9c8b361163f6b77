package app

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"vanthu/config"
	"vanthu/docstore"
	"vanthu/internal/delivery"
	"vanthu/internal/directory"
	"vanthu/internal/edxdrop"
	"vanthu/internal/extract"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/peer"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
	"vanthu/internal/transport"
	"vanthu/internal/workflow"
	"vanthu/smtpd"
)

// submission lets SMTP sessions log in and hand over messages.
type submission struct {
	directory *directory.Directory
	delivery  *delivery.Delivery
	peers     *peer.Registry
}

var (
	_ smtpd.Backend       = submission{}
	_ smtpd.PerRecipient  = incoming{}
	_ transport.Source    = messages{}
	_ transport.Reporter  = (*delivery.Delivery)(nil)
	_ transport.Documents = (*docstore.Store)(nil)
)

func (s submission) Authenticate(ctx context.Context, login smtpd.Login, pw smtpd.Password, remote netip.Addr) (smtpd.Access, error) {
	g, err := s.directory.Authenticate(ctx, directory.Attempt{
		Login: directory.Login(login), Password: directory.Password(pw), Remote: remote, Protocol: directory.SMTP,
	})
	return smtpd.Access{
		Account: smtpd.AccountID(g.ID), Holds: func() bool { return s.directory.Snapshot().StillValid(g) },
	}, err
}

func (s submission) CheckSender(ctx context.Context, o smtpd.Origin, from mail.Path) error {
	return s.delivery.CheckSender(ctx, s.origin(o), from)
}

func (s submission) CheckRecipient(ctx context.Context, o smtpd.Origin, from mail.Path, to mail.Address) error {
	return s.delivery.CheckRecipient(ctx, s.origin(o), from, to)
}

func (s submission) Begin(ctx context.Context, o smtpd.Origin, env mail.Envelope) (smtpd.Incoming, error) {
	in, err := s.delivery.Begin(ctx, s.origin(o), env)
	if err != nil {
		return nil, err
	}
	return incoming{in}, nil
}

type incoming struct{ *delivery.Incoming }

func (in incoming) Commit(ctx context.Context) (smtpd.QueueID, error) {
	acc, err := in.Incoming.Commit(ctx)
	return smtpd.QueueID(acc.QueueID), err
}

func (s submission) origin(o smtpd.Origin) delivery.Origin {
	p, _ := s.peers.ByChain(o.Certificates)
	return delivery.Origin{
		Session: o.Session, Remote: o.Remote, Helo: o.Helo, Protocol: o.Protocol, TLS: o.TLS,
		Account: directory.AccountID(o.Account), Peer: p.Name,
	}
}

// withdrawer takes documents out of the queue for those who sent them.
type withdrawer struct {
	queue *queue.Queue
	axis  *edxdrop.Drop
}

var _ workflow.Withdrawer = withdrawer{}

// Withdraw drops what waits for an address under a queue id.
func (w withdrawer) Withdraw(ctx context.Context, tx *sqldb.Tx, transfer, address string) (bool, error) {
	if a, err := mail.ParseAddress(address, true); err == nil && w.axis.Serves(a.Domain) {
		return true, nil // its file is made of what still waits, see edxdrop
	}
	items, err := w.queue.Take(ctx, tx, queue.Selection{Queue: queue.ID(transfer)}, maxItems)
	if err != nil {
		return false, err
	}
	for _, it := range items {
		if it.Rcpt.String() == address {
			return true, w.queue.End(ctx, tx, it, queue.Dropped, queue.Result{Text: "withdrawn by its sender"})
		}
	}
	return false, nil
}

// maxItems is how many recipients one queue id has at most.
const maxItems = 10000

// messages lets the transport read what it carries.
type messages struct{ store *mailstore.Store }

func (m messages) OpenMessage(ctx context.Context, ref queue.MessageRef) (io.ReadCloser, int64, error) {
	c, err := m.store.Content(ctx, mailstore.MessageID(ref))
	if err != nil {
		return nil, 0, err
	}
	out := withoutReturnPath(c, c.Prefix, c.Size)
	return struct {
		io.Reader
		io.Closer
	}{out, c}, out.Size(), nil
}

// routes translates the ways out of the configuration.
func routes(list []config.Route, now func() time.Time) ([]transport.Route, error) {
	out := make([]transport.Route, len(list))
	for i, r := range list {
		out[i] = transport.Route{
			Domain: r.Domain, Host: string(r.Host), Port: r.Port, Mode: transport.TLSMode(r.TLS), Units: r.Units,
			Auth: transport.AuthMethod(r.Auth), Username: r.Username,
		}
		if r.MX && r.TLS == config.StartTLS { // demanded of one server; of all the world's only what they promise
			out[i].Mode = ""
		}
		if r.PasswordFile != "" {
			pw, err := os.ReadFile(r.PasswordFile)
			if err != nil {
				return nil, fmt.Errorf("read the password for route %s: %w", r.Domain, err)
			}
			out[i].Password = strings.TrimRight(string(pw), "\r\n")
		}
		if r.Fingerprint != "" {
			pin, err := peer.ParsePin(r.Fingerprint)
			if err != nil {
				return nil, fmt.Errorf("fingerprint of route %s: %w", r.Domain, err)
			}
			out[i].TLS = transport.Pinned(pin, now)
		}
	}
	return out, nil
}

// attachmentText gives the text of attachments to the search index.
type attachmentText struct{ files *extract.Pool }

var _ mailstore.Extractor = attachmentText{}

func (x attachmentText) Reads(a mailstore.Attachment) bool { return extract.File(a).Reads() }

func (x attachmentText) Text(ctx context.Context, a mailstore.Attachment, body io.Reader, limit int) (string, error) {
	doc, err := x.files.Read(ctx, extract.File(a), body, extract.Want{Octets: limit})
	return doc.Text(), err
}
