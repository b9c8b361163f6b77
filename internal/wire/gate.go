package wire

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// GateOptions tunes a Gate; the zero value works.
type GateOptions struct {
	Total    int            // connections at the same time; 0 means 10,000
	Reserved int            // part of Total kept for addresses that have authenticated lately; 0 means 500, negative means none
	PerAddr  int            // unauthenticated connections of one address (IPv6: one /64) at the same time; 0 means 100
	Exempt   []netip.Prefix // addresses without PerAddr limit, such as an office behind one address
	Now      func() time.Time
}

// A Gate limits connections, in all and by address. Connections that have authenticated leave the limit of their address, because a
// whole office may stand behind one; their address may also use the reserved share for a day. Listeners may share a Gate.
type Gate struct {
	opt GateOptions

	mu    sync.Mutex
	total int
	addrs map[netip.Addr]*addrState

	accepted, refusedTotal, refusedAddr atomic.Int64
}

// addrState is what the Gate knows of one address; it is dropped when nothing is open and the address is no longer known.
type addrState struct {
	strangers int       // open connections that have not authenticated
	members   int       // open ones that have
	known     time.Time // when one last did
}

const (
	knownFor  = 24 * time.Hour // how long an address may use the reserved share after a login
	maxKnown  = 65536          // addresses remembered; beyond it those without a connection are forgotten
	ipv6Share = 64             // prefix that counts as one address
)

// NewGate returns a Gate with nothing open.
func NewGate(opt GateOptions) *Gate {
	if opt.Total == 0 {
		opt.Total = 10_000
	}
	if opt.Reserved == 0 {
		opt.Reserved = min(500, opt.Total/20)
	}
	opt.Reserved = max(opt.Reserved, 0)
	if opt.PerAddr == 0 {
		opt.PerAddr = 100
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Gate{opt: opt, addrs: make(map[netip.Addr]*addrState)}
}

// Counts of a Gate or a Listener at one moment.
type Counts struct {
	Open            int   // connections open now
	Accepted        int64 // let in so far
	RefusedByTotal  int64 // turned away because too many were open
	RefusedByAddr   int64 // turned away because too many of their address were
	AddressesOnFile int   // addresses with a connection or a login of the last day
}

// Counts returns the Gate's figures.
func (g *Gate) Counts() Counts {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Counts{
		Open: g.total, Accepted: g.accepted.Load(), RefusedByTotal: g.refusedTotal.Load(),
		RefusedByAddr: g.refusedAddr.Load(), AddressesOnFile: len(g.addrs),
	}
}

// A Refusal says why a connection was not let in.
type Refusal uint8

// Refusals; Admitted is none.
const (
	Admitted      Refusal = iota
	RefusedTotal          // the server is full: SMTP 421 4.3.2
	RefusedByAddr         // this address has too many: SMTP 421 4.7.0
)

// enter counts a connection from a in, unless a limit stands against it.
func (g *Gate) enter(a netip.Addr) Refusal {
	a = g.key(a)
	now := g.opt.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.addrs[a]
	known := s != nil && (s.members > 0 || now.Sub(s.known) < knownFor)
	if g.total >= g.opt.Total || !known && g.total >= g.opt.Total-g.opt.Reserved {
		g.refusedTotal.Add(1)
		return RefusedTotal
	}
	if s != nil && s.strangers >= g.opt.PerAddr && !g.exempt(a) {
		g.refusedAddr.Add(1)
		return RefusedByAddr
	}
	if s == nil {
		s = new(addrState)
		g.addrs[a] = s
	}
	s.strangers++
	g.total++
	g.accepted.Add(1)
	return Admitted
}

// promote moves a connection from a from the strangers to the members.
func (g *Gate) promote(a netip.Addr) {
	a = g.key(a)
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.addrs[a]
	s.strangers--
	s.members++
	s.known = g.opt.Now()
}

// leave counts a connection from a out.
func (g *Gate) leave(a netip.Addr, member bool) {
	a = g.key(a)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	s := g.addrs[a]
	if member {
		s.members--
	} else {
		s.strangers--
	}
	if s.strangers == 0 && s.members == 0 && (s.known.IsZero() || len(g.addrs) > maxKnown) {
		delete(g.addrs, a)
	}
}

// key is what counts as one address.
func (g *Gate) key(a netip.Addr) netip.Addr {
	if a.Is6() {
		p, err := a.WithZone("").Prefix(ipv6Share)
		if err == nil {
			return p.Addr()
		}
	}
	return a
}

func (g *Gate) exempt(a netip.Addr) bool {
	for _, p := range g.opt.Exempt {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
