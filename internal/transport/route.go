package transport

import (
	"crypto/tls"
	"net"
	"strconv"
	"strings"

	"vanthu/internal/peer"
	"vanthu/internal/queue"
)

// TLSMode says how a route is protected.
type TLSMode string

// The modes. TLSNone is for loopback and test networks only.
const (
	TLSStart         TLSMode = "starttls" // STARTTLS, and no mail without it
	TLSImplicit      TLSMode = "implicit" // TLS from the first octet
	TLSOpportunistic TLSMode = "opportunistic"
	TLSNone          TLSMode = "none"
)

// AuthMethod is how a route logs in.
type AuthMethod string

// The methods. AuthAny takes the strongest that the server offers.
const (
	AuthAny   AuthMethod = ""
	AuthPlain AuthMethod = "plain"
	AuthLogin AuthMethod = "login"
	AuthSCRAM AuthMethod = "scram-sha-256"
)

// Route is the way to the mail of a domain.
type Route struct {
	Domain   string      // "peer.test", ".peer.test" for what is below it, or "*"; the route's name too
	Host     string      // name or address of the next server; "" finds it by the MX records of the recipients' domain
	Port     int         // 0 means 25, or 465 with TLSImplicit
	Mode     TLSMode     // "" means TLSStart; with MX records DANE and MTA-STS decide, else TLSOpportunistic
	TLS      *tls.Config // trust roots or pinned certificate; nil means the system's roots
	Auth     AuthMethod
	Username string // log in when not empty
	Password string
	Units    []string // only mail of these units may go: codes, addresses or short names; empty means all
}

func (rt Route) addr() string {
	port := rt.Port
	switch {
	case port != 0:
	case rt.Mode == TLSImplicit:
		port = 465
	default:
		port = 25
	}
	return net.JoinHostPort(rt.Host, strconv.Itoa(port))
}

func (rt Route) tls() *tls.Config {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if rt.TLS != nil {
		conf = rt.TLS.Clone()
	}
	if conf.ServerName == "" {
		conf.ServerName = rt.Host
	}
	return conf
}

// way is a way out as one lane takes it.
type way struct {
	key    string // lanes with the same key share connections
	name   string // as people know it
	hosts  []Route
	mx     string    // domain whose MX records name the hosts
	policy Route     // what holds for every host of mx
	peer   peer.Name // "" for what is no vanthu server
}

// HasRoute tells whether mail for a domain has a way out.
func (r *Runner) HasRoute(domain string) bool {
	_, ok := r.way(queue.Lane(domain))
	return ok
}

// RouteUnits gives the units that may send by the way to a domain; an empty
// list means all.
func (r *Runner) RouteUnits(domain string) []string {
	if r.opt.Peers != nil {
		if _, ok := r.opt.Peers.ByDomain(domain); ok {
			return nil
		}
	}
	rt, _ := r.route(domain)
	return rt.Units
}

// way finds the way of a lane: the one that an administrator chose, else the
// peer that has the domain, else the configured route.
func (r *Runner) way(l queue.Lane) (way, bool) {
	if name, ok := l.Route(); ok {
		return r.named(name)
	}
	domain := l.Domain()
	if r.opt.Peers != nil {
		if p, ok := r.opt.Peers.ByDomain(domain); ok {
			return r.peerWay(p), true
		}
	}
	rt, ok := r.route(domain)
	if !ok {
		return way{}, false
	}
	return routeWay(rt, domain), true
}

// named finds a way by the name that an administrator gives: a peer's, or the
// domain of a configured route.
func (r *Runner) named(name string) (way, bool) {
	if r.opt.Peers != nil {
		if p, ok := r.opt.Peers.ByName(peer.Name(name)); ok {
			return r.peerWay(p), true
		}
	}
	for _, rt := range r.opt.Routes {
		if rt.Domain == name && rt.Host != "" { // MX records belong to the recipients' own domain
			return routeWay(rt, name), true
		}
	}
	return way{}, false
}

// RouteNames lists what items may be routed to.
func (r *Runner) RouteNames() (names []string) {
	if r.opt.Peers != nil {
		for _, p := range r.opt.Peers.List() {
			names = append(names, string(p.Name))
		}
	}
	for _, rt := range r.opt.Routes {
		if rt.Host != "" {
			names = append(names, rt.Domain)
		}
	}
	return names
}

func routeWay(rt Route, domain string) way {
	if rt.Host == "" {
		return way{key: "mx " + domain, name: "MX " + domain, mx: domain, policy: rt}
	}
	// The route is in the key: another one to the same host may ask for more, such as another certificate.
	return way{key: "route " + rt.Domain + " " + rt.addr(), name: rt.addr(), hosts: []Route{rt}}
}

func (r *Runner) peerWay(p peer.Peer) way {
	w := way{key: "peer " + string(p.Name), name: string(p.Name), peer: p.Name}
	for _, h := range p.Hosts {
		host, port, err := net.SplitHostPort(h)
		if err != nil {
			continue // the registry keeps only complete ones
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			continue
		}
		w.hosts = append(w.hosts, Route{Host: host, Port: n, Mode: TLSStart, TLS: r.peerTLS(p)})
	}
	return w
}

// peerTLS trusts the peer's pin and nothing else, and shows our certificate.
func (r *Runner) peerTLS(p peer.Peer) *tls.Config {
	conf := Pinned(p.Pin, r.opt.Now)
	if r.opt.Certificate != nil {
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return r.opt.Certificate() }
	}
	return conf
}

// route finds the most specific route for a domain: its own, that of a parent
// (".peer.test"), or the one for all ("*").
func (r *Runner) route(domain string) (Route, bool) {
	best, length := -1, -1
	for i, rt := range r.opt.Routes {
		n := -1
		switch {
		case rt.Domain == domain:
			n = len(domain) + 1
		case strings.HasPrefix(rt.Domain, ".") && strings.HasSuffix(domain, rt.Domain):
			n = len(rt.Domain)
		case rt.Domain == "*":
			n = 0
		}
		if n > length {
			best, length = i, n
		}
	}
	if best < 0 {
		return Route{}, false
	}
	return r.opt.Routes[best], true
}
