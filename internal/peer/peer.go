// Package peer knows the other vanthu servers: whose mail goes where, by which
// certificate and key they are known, what they have handed over, and which
// statuses of documents they have sent.
//
// It owns tables peer, peer_transfer and peer_status. What is signed and how:
// docs/formats/peer-status.md; why: docs/adr/0007-peers.md.
package peer

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// Name is the host name of a server, by which it is known to its peers.
type Name string

// Peer is another vanthu server.
type Peer struct {
	Name    Name
	Domains []string // lower case; whose mail goes there
	Hosts   []string // "host:port", tried in their order
	Pin     Pin      // of its certificate, or of the authority that signs it
	Key     ed25519.PublicKey
	Added   time.Time
}

// ErrNoPeer: there is no peer of that name.
var ErrNoPeer = fault.New(fault.NotFound, fault.Text{
	EN: "there is no such peer; see: vanthu peer list", VI: "không có máy chủ ngang hàng này; xem: vanthu peer list",
})

// Options of a Registry.
type Options struct {
	Self Card   // what we tell others; without a key we cannot sign
	Key  Signer // signs our statuses; nil means none are sent
	Now  func() time.Time
}

// Registry is the table of peers with a copy in memory. Its methods may be
// called concurrently.
type Registry struct {
	db  *sqldb.DB
	opt Options
	now atomic.Pointer[snapshot]
}

type snapshot struct {
	all      []Peer
	byDomain map[string]int
}

// Open reads the table of peers.
func Open(ctx context.Context, db *sqldb.DB, opt Options) (*Registry, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	r := &Registry{db: db, opt: opt}
	return r, r.load(ctx)
}

// Self is our own name.
func (r *Registry) Self() Name { return r.opt.Self.Name }

const (
	qPeers  = `SELECT name, domains, hosts, pin, public_key, added_us FROM peer ORDER BY name`
	qPut    = `INSERT INTO peer (name, domains, hosts, pin, public_key, added_us) VALUES ($1, $2, $3, $4, $5, $6)`
	qRemove = `DELETE FROM peer WHERE name = $1`
)

func (r *Registry) load(ctx context.Context) error {
	var s snapshot
	err := r.db.View(ctx, func(rd sqldb.Reader) (err error) {
		s, err = read(ctx, rd)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the peers: %w", err)
	}
	r.now.Store(&s)
	return nil
}

func read(ctx context.Context, rd sqldb.Reader) (s snapshot, err error) {
	s.byDomain = map[string]int{}
	rows, err := rd.Query(ctx, qPeers)
	if err != nil {
		return s, err
	}
	defer func() {
		if cerr := rows.Close(); err == nil {
			err = cerr
		}
	}()
	for rows.Next() {
		var p Peer
		var domains, hosts, pin, key string
		var added int64
		if err := rows.Scan(&p.Name, &domains, &hosts, &pin, &key, &added); err != nil {
			return s, err
		}
		if err := json.Unmarshal([]byte(domains), &p.Domains); err != nil {
			return s, fmt.Errorf("domains of peer %s: %w", p.Name, err)
		}
		if err := json.Unmarshal([]byte(hosts), &p.Hosts); err != nil {
			return s, fmt.Errorf("hosts of peer %s: %w", p.Name, err)
		}
		if p.Pin, err = ParsePin(pin); err != nil {
			return s, fmt.Errorf("pin of peer %s: %w", p.Name, err)
		}
		if p.Key, err = base64.StdEncoding.DecodeString(key); err != nil {
			return s, fmt.Errorf("key of peer %s: %w", p.Name, err)
		}
		p.Added = sqldb.Time(added)
		for _, d := range p.Domains {
			s.byDomain[d] = len(s.all)
		}
		s.all = append(s.all, p)
	}
	return s, rows.Err()
}

// List gives all peers by name.
func (r *Registry) List() []Peer { return slices.Clone(r.now.Load().all) }

// ByDomain gives the peer that mail for a domain goes to.
func (r *Registry) ByDomain(domain string) (Peer, bool) {
	s := r.now.Load()
	i, ok := s.byDomain[strings.ToLower(domain)]
	if !ok {
		return Peer{}, false
	}
	return s.all[i], true
}

// ByName gives the peer of that name.
func (r *Registry) ByName(n Name) (Peer, bool) {
	for _, p := range r.now.Load().all {
		if p.Name == n {
			return p, true
		}
	}
	return Peer{}, false
}

// Has tells whether mail of a domain is that peer's.
func (p Peer) Has(domain string) bool { return slices.Contains(p.Domains, strings.ToLower(domain)) }

// Add takes a peer into the table. isLocal tells our own domains, which no peer
// may claim. It fails with kind Invalid for a card that is not whole, and
// Conflict for a name or domain that is taken.
func (r *Registry) Add(ctx context.Context, actor journal.Actor, c Card, isLocal func(domain string) bool) (Peer, error) {
	p, err := c.peer()
	if err != nil {
		return Peer{}, err
	}
	if p.Name == r.Self() {
		return Peer{}, fault.New(fault.Conflict, fault.Text{EN: "this is the card of this very server", VI: "đây là thẻ của chính máy chủ này"})
	}
	if _, ok := r.ByName(p.Name); ok {
		return Peer{}, fault.Newf(fault.Conflict, "peer %s is there already: remove it first, then add its new card", p.Name)
	}
	for _, d := range p.Domains {
		if isLocal(d) {
			return Peer{}, fault.Newf(fault.Conflict, "%s is a domain of this server", d)
		}
		if other, ok := r.ByDomain(d); ok {
			return Peer{}, fault.Newf(fault.Conflict, "%s belongs to peer %s already", d, other.Name)
		}
	}
	p.Added = r.opt.Now()
	domains, err := json.Marshal(p.Domains)
	if err != nil {
		return Peer{}, err
	}
	hosts, err := json.Marshal(p.Hosts)
	if err != nil {
		return Peer{}, err
	}
	err = r.db.Update(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qPut, string(p.Name), string(domains), string(hosts), p.Pin.String(),
			base64.StdEncoding.EncodeToString(p.Key), sqldb.Micros(p.Added)); err != nil {
			return fmt.Errorf("add a peer: %w", err)
		}
		return r.changed(ctx, tx, actor, "peer.added", p)
	})
	return p, err
}

// Remove takes a peer out. Mail that waits for it stays in the queue.
func (r *Registry) Remove(ctx context.Context, actor journal.Actor, n Name) error {
	p, ok := r.ByName(n)
	if !ok {
		return ErrNoPeer
	}
	return r.db.Update(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qRemove, string(n)); err != nil {
			return fmt.Errorf("remove a peer: %w", err)
		}
		return r.changed(ctx, tx, actor, "peer.removed", p)
	})
}

// changed writes the journal and renews the copy in memory with the commit.
func (r *Registry) changed(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, event string, p Peer) error {
	if _, err := journal.Append(ctx, tx, journal.Event{
		At: r.opt.Now(), Type: event, Actor: actor, Subject: "peer/" + string(p.Name),
		Data: map[string]any{"domains": len(p.Domains), "hosts": p.Hosts, "pin": p.Pin.String(), "key": Fingerprint(p.Key)},
	}); err != nil {
		return err
	}
	s, err := read(ctx, tx)
	if err != nil {
		return fmt.Errorf("read the peers: %w", err)
	}
	tx.OnCommit(func() { r.now.Store(&s) })
	return nil
}

// hostPort completes a host of a card: port 25 when it names none.
func hostPort(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.Trim(s, "[]"), "25"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" || strings.ContainsAny(host, " /@") {
		return "", fault.Newf(fault.Invalid, "%q is not a host with a port, such as mail.bo.example:25", s)
	}
	return net.JoinHostPort(host, port), nil
}

// domainOf brings a domain into the form that addresses have.
func domainOf(s string) (string, error) {
	a, err := mail.ParseAddress("x@"+s, true)
	if err != nil {
		return "", fault.Newf(fault.Invalid, "%q is not a domain", s)
	}
	return strings.ToLower(a.Domain), nil
}
