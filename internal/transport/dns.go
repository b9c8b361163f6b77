package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Resolver looks names up. One that was given a server speaks to that server
// itself and believes its AD bit, so the server must validate DNSSEC and the
// way to it must be safe: on this machine. The system's resolver tells nothing
// about DNSSEC, so that DANE is not used with it.
type Resolver struct {
	server string // "host:port", "" for the system's
	client dns.Client
	system *net.Resolver
}

// SystemResolver uses what this machine is set up with.
func SystemResolver() *Resolver { return &Resolver{system: net.DefaultResolver} }

// NewResolver uses one DNS server, "host:port", that validates DNSSEC.
func NewResolver(server string) *Resolver {
	return &Resolver{server: server, client: dns.Client{Timeout: 5 * time.Second}}
}

// Errors of look-ups. Everything else may pass.
var (
	errNoName = errors.New("there is no such name")
	errNoData = errors.New("the name has no such records")
)

const maxNameTries = 3

// query asks for records. authentic is the AD bit.
func (r *Resolver) query(ctx context.Context, name string, typ uint16) (rr []dns.RR, authentic bool, err error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), typ)
	m.SetEdns0(1232, true)
	m.AuthenticatedData = true
	var in *dns.Msg
	for range maxNameTries {
		in, _, err = r.client.ExchangeContext(ctx, m, r.server)
		if err == nil && in.Truncated {
			over := dns.Client{Net: "tcp", Timeout: r.client.Timeout}
			in, _, err = over.ExchangeContext(ctx, m, r.server)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("look up %s: %w", name, err)
	case in.Rcode == dns.RcodeNameError:
		return nil, in.AuthenticatedData, fmt.Errorf("look up %s: %w", name, errNoName)
	case in.Rcode != dns.RcodeSuccess:
		return nil, false, fmt.Errorf("look up %s: the resolver answers %s", name, dns.RcodeToString[in.Rcode])
	}
	for _, a := range in.Answer {
		if a.Header().Rrtype == typ {
			rr = append(rr, a)
		}
	}
	if len(rr) == 0 {
		return nil, in.AuthenticatedData, fmt.Errorf("look up %s: %w", name, errNoData)
	}
	return rr, in.AuthenticatedData, nil
}

// mx is one mail host of a domain.
type mx struct {
	host string // without the final dot, lower case
	pref uint16
}

// MX gives the mail hosts of a domain in their order. A domain without records
// is its own host (RFC 5321, section 5.1).
func (r *Resolver) mx(ctx context.Context, domain string) (list []mx, authentic bool, err error) {
	if r.server == "" {
		found, err := r.system.LookupMX(ctx, domain)
		if err != nil {
			return r.noMX(domain, systemError(domain, err), false)
		}
		for _, m := range found {
			list = append(list, mx{hostName(m.Host), m.Pref})
		}
	} else {
		rr, ad, err := r.query(ctx, domain, dns.TypeMX)
		if err != nil {
			return r.noMX(domain, err, ad)
		}
		authentic = ad
		for _, a := range rr {
			if m, ok := a.(*dns.MX); ok {
				list = append(list, mx{hostName(m.Mx), m.Preference})
			}
		}
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	slices.SortStableFunc(list, func(a, b mx) int { return cmp.Compare(a.pref, b.pref) })
	return list, authentic, nil
}

func (r *Resolver) noMX(domain string, err error, authentic bool) ([]mx, bool, error) {
	if errors.Is(err, errNoData) {
		return []mx{{host: strings.ToLower(domain)}}, authentic, nil
	}
	return nil, false, err
}

func hostName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// systemError tells a name that is not there from a resolver that fails. The
// system does not tell no name from no records; then the address decides.
func systemError(name string, err error) error {
	var de *net.DNSError
	if errors.As(err, &de) && de.IsNotFound {
		return fmt.Errorf("look up %s: %w", name, errNoData)
	}
	return fmt.Errorf("look up %s: %w", name, err)
}

// addresses gives the addresses of a host.
func (r *Resolver) addresses(ctx context.Context, host string) (list []netip.Addr, authentic bool, err error) {
	if r.server == "" {
		list, err = r.system.LookupNetIP(ctx, "ip", host)
		var de *net.DNSError
		if errors.As(err, &de) && de.IsNotFound {
			err = errNoName
		}
		return list, false, err
	}
	authentic = true
	var failed error
	for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
		rr, ad, err := r.query(ctx, host, typ)
		authentic = authentic && ad
		if err != nil {
			if !errors.Is(err, errNoData) {
				failed = err
			}
			continue
		}
		for _, a := range rr {
			switch a := a.(type) {
			case *dns.A:
				if ip, ok := netip.AddrFromSlice(a.A.To4()); ok {
					list = append(list, ip)
				}
			case *dns.AAAA:
				if ip, ok := netip.AddrFromSlice(a.AAAA); ok {
					list = append(list, ip)
				}
			}
		}
	}
	if len(list) > 0 {
		return list, authentic, nil
	}
	if failed == nil {
		failed = fmt.Errorf("look up %s: %w", host, errNoData)
	}
	return nil, false, failed
}

// tlsa gives the records of RFC 6698 for a port of a host. Without DNSSEC they
// are worth nothing, so none are given then.
func (r *Resolver) tlsa(ctx context.Context, host string, port int) ([]dns.TLSA, error) {
	if r.server == "" {
		return nil, nil
	}
	rr, ad, err := r.query(ctx, fmt.Sprintf("_%d._tcp.%s", port, host), dns.TypeTLSA)
	switch {
	case errors.Is(err, errNoName), errors.Is(err, errNoData):
		return nil, nil
	case err != nil:
		return nil, err
	case !ad:
		return nil, nil
	}
	var list []dns.TLSA
	for _, a := range rr {
		if t, ok := a.(*dns.TLSA); ok {
			list = append(list, *t)
		}
	}
	return list, nil
}

// txt gives the text records of a name.
func (r *Resolver) txt(ctx context.Context, name string) (list []string, err error) {
	if r.server == "" {
		list, err = r.system.LookupTXT(ctx, name)
		if err != nil {
			return nil, systemError(name, err)
		}
		return list, nil
	}
	rr, _, err := r.query(ctx, name, dns.TypeTXT)
	if err != nil {
		return nil, err
	}
	for _, a := range rr {
		if t, ok := a.(*dns.TXT); ok {
			list = append(list, strings.Join(t.Txt, ""))
		}
	}
	return list, nil
}

// public allows addresses of the public network only.
func public(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast()
}
