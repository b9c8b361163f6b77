// Package delivery accepts messages: it decides who may send what to whom,
// and puts an accepted message where it belongs in one transaction — the
// stored message, an entry in every local mailbox, the document with a
// dispatch per unit, the queue for other servers, and the journal.
//
// When [Incoming.Commit] returns nil, all of that is on disk; when it returns an
// error, nothing of it is. So a document is never delivered without being
// registered as a dispatch, nor the reverse.
package delivery

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/extract"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/peer"
	"vanthu/internal/queue"
	"vanthu/internal/rules"
	"vanthu/internal/sqldb"
)

// Stores are the rooms that an accepted message goes to.
type Stores struct {
	DB        *sqldb.DB
	Directory *directory.Directory
	Mail      *mailstore.Store
	Documents *docstore.Store
	Queue     *queue.Queue
	Rules     *rules.Store // nil: nobody has any
}

// Options tunes a Delivery; the zero value works but for Hostname.
type Options struct {
	Hostname string // our name in Received fields
	// HasRoute tells whether mail for a foreign domain has a way out. Nil means
	// none has: by default mail stays inside.
	HasRoute func(domain string) bool
	// RouteUnits gives the units whose people may use the way to a domain, by
	// code, address or short name; an empty list, or nil, means all.
	RouteUnits func(domain string) []string
	// Peers are other vanthu servers; nil means none.
	Peers *peer.Registry
	// Issued does in tx what an accepted document means for others: what it
	// replaces or answers. nil does nothing.
	Issued func(ctx context.Context, tx *sqldb.Tx, doc docstore.Issued) error
	// ConsultDays is how many working days units have to say their opinion when
	// nobody says until when; 0 means 5.
	ConsultDays int
	// Replied does in tx what a message of somebody of ours asks for by its
	// text. Its error undoes that, never the message. nil does nothing.
	Replied func(ctx context.Context, tx *sqldb.Tx, m docstore.Replied) error
	// Reported takes a status that a peer reports into tx; needed with Peers.
	Reported func(ctx context.Context, tx *sqldb.Tx, rep docstore.Reported) error
	// Axis is the exchange by edXML files; nil means none.
	Axis Axis
	// DedupeWindow is how long an identical message of the same sender to the
	// same recipients counts as sent again; 0 means 24 hours, less means never.
	DedupeWindow time.Duration
	// Room says why nothing new can be taken, when the disk has too little
	// room left: reading and deleting must still be possible. Nil means there
	// always is. It is asked for every message and must be quick.
	Room func() error
	// Rate bounds what an account may send, ClerkRate what one may that has the
	// role of a clerk in some unit. Zero means no limit.
	Rate, ClerkRate Rate
	// RawHeaders takes headers with 8-bit text without SMTPUTF8, as old
	// programs and scanners send them.
	RawHeaders bool
	// Screen is what messages go through before they are accepted.
	Screen Screen
	// Reads tells which attached files of mail to units are read after
	// acceptance. Nil means none.
	Reads func(extract.File) bool
	// LookUp gives the text of the answer to a query that one of our people
	// sent to the +tracuu of their unit. Nil means that such mail is ordinary.
	LookUp func(ctx context.Context, q LookUp) (string, error)
	Now    func() time.Time // nil means time.Now
	Log    *slog.Logger     // nil discards
}

// Delivery accepts messages. Its methods may be called concurrently.
type Delivery struct {
	stores Stores
	opt    Options
	recent *recent
	rates  *rates
	stats  Stats
}

// Stats counts what happened since the start.
type Stats struct {
	Accepted   atomic.Int64 // messages
	Copies     atomic.Int64 // entries in local mailboxes
	Documents  atomic.Int64 // documents recognised
	Dispatches atomic.Int64
	Queued     atomic.Int64 // recipients handed to the queue
	Refused    atomic.Int64 // messages refused by policy after their body was read
	Held       atomic.Int64 // messages accepted into quarantine
	Deferred   atomic.Int64 // messages accepted for a later time
}

// New returns a Delivery over stores.
func New(stores Stores, opt Options) *Delivery {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Room == nil {
		opt.Room = func() error { return nil }
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Screen.HoldTime <= 0 {
		opt.Screen.HoldTime = defaultHoldTime
	}
	if opt.DedupeWindow == 0 {
		opt.DedupeWindow = 24 * time.Hour
	}
	return &Delivery{stores: stores, opt: opt, recent: newRecent(opt.DedupeWindow), rates: newRates()}
}

// Stats gives the counters.
func (d *Delivery) Stats() *Stats { return &d.stats }

// Origin is where a message comes from.
type Origin struct {
	Session  string              // session id, for the log
	Remote   netip.AddrPort      // the client
	Helo     string              // what the client calls itself, already checked for control characters
	Protocol string              // "with" keyword of the Received field: ESMTP, ESMTPS, ESMTPA, ESMTPSA, LMTP. RFC 3848.
	TLS      string              // version and cipher for the Received field, "" in clear
	Account  directory.AccountID // who has logged in; 0 for nobody
	Peer     peer.Name           // the vanthu server that showed its certificate, "" for none
	Package  *Package            `json:",omitempty"` // what the message was made of, when it came by edXML
}

// CheckSender says whether o may send with the reverse-path from.
//
// An account may use its own addresses and those it was granted; somebody who
// has not logged in may not use one of ours. RFC 6409, section 6.1.
func (d *Delivery) CheckSender(_ context.Context, o Origin, from mail.Path) error {
	snap := d.stores.Directory.Snapshot()
	switch {
	case from.Null:
		return nil
	case o.Account != 0:
		if !snap.MaySendAs(o.Account, from.Address) {
			return errNotYours(from.Address)
		}
		return d.rates.take(o.Account, d.rateOf(o.Account), 0, d.opt.Now())
	case snap.IsLocal(from.Address.Domain) && !o.trusted():
		return fault.New(fault.Denied, fault.Text{
			EN: "senders of this domain must log in", VI: "người gửi thuộc tên miền này phải đăng nhập",
		})
	}
	return d.checkPeerDomain(o, from)
}

// writer gives the account that writes: who has logged in, or the one whose
// address a trusted relay names.
func (o Origin) writer(snap *directory.Snapshot, from mail.Path) directory.AccountID {
	if o.Account != 0 || from.Null || !o.trusted() {
		return o.Account
	}
	base, _ := from.Address.Split()
	a, _ := snap.AccountByLogin(base)
	return a.ID
}

// trusted tells whether o is a filter or relay on our own site that speaks LMTP:
// it hands on what our own people wrote.
func (o Origin) trusted() bool { return o.Protocol == "LMTP" || o.Protocol == "UTF8LMTP" }

func errNotYours(a mail.Address) error {
	return fault.New(fault.Denied, fault.Text{
		EN: "the address " + a.String() + " is not one that you may send as",
		VI: "bạn không được gửi thư bằng địa chỉ " + a.String(),
	})
}

// CheckRecipient says whether o may send to the address. Unknown local
// addresses are of kind NotFound; another domain is Denied unless o has logged
// in and there is a route. A group is Denied to those who may not post to it.
func (d *Delivery) CheckRecipient(_ context.Context, o Origin, from mail.Path, to mail.Address) error {
	snap := d.stores.Directory.Snapshot()
	t, err := snap.Resolve(to)
	if err != nil {
		return err
	}
	switch t.Kind {
	case directory.TargetExternal:
		if o.Account == 0 {
			return fault.New(fault.Denied, fault.Text{EN: "relaying is not allowed", VI: "không được chuyển tiếp thư ra ngoài"})
		}
		if d.serves(to.Domain) {
			return d.checkOrgan(to)
		}
		if err := d.checkRoute(to.Domain); err != nil {
			return err
		}
		return d.checkUnits(o.Account, to.Domain)
	case directory.TargetAlias:
		if d.serves(t.Addr.Domain) {
			return d.checkOrgan(t.Addr)
		}
		return d.checkRoute(t.Addr.Domain)
	case directory.TargetGroup:
		if !snap.MayPost(t.Group, o.writer(snap, from)) {
			return fault.New(fault.Denied, fault.Text{
				EN: "you may not send to the group " + to.String() + "; ask your administrator who may",
				VI: "bạn không được gửi thư tới nhóm " + to.String() + "; hãy hỏi quản trị viên",
			})
		}
	}
	return nil
}

func (d *Delivery) checkRoute(domain string) error {
	if d.opt.HasRoute != nil && d.opt.HasRoute(domain) {
		return nil
	}
	return fault.New(fault.Denied, fault.Text{
		EN: "this server sends mail only inside the organisation; there is no route to " + domain,
		VI: "máy chủ chỉ gửi thư trong nội bộ; không có đường tới " + domain,
	})
}
