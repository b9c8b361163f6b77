package transport

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// maxHosts is how many mail hosts of a domain are tried, and maxAddresses how
// many addresses in all: a stranger's DNS must not keep a worker busy.
const (
	maxHosts     = 10
	maxAddresses = 12
)

// mxHosts finds the servers for a domain, each with what its protection
// demands: DANE where DNSSEC proves it (RFC 7672), else MTA-STS where the
// domain has a policy (RFC 8461), else TLS when it can be had.
func (r *Runner) mxHosts(ctx context.Context, w way) ([]Route, error) {
	list, authentic, err := r.opt.Resolver.mx(ctx, w.mx)
	switch {
	case errors.Is(err, errNoName):
		return nil, errPermanent{550, "5.1.2 the domain " + w.mx + " does not exist"}
	case err != nil:
		return nil, err
	case len(list) == 1 && list[0].host == "":
		return nil, errPermanent{556, "5.1.10 the domain " + w.mx + " takes no mail"} // RFC 7505
	}
	policy, err := r.sts.policy(ctx, r.opt.Resolver, w.mx)
	if err != nil {
		return nil, err
	}
	var hosts []Route
	var failed error
	unknown := true
	for _, m := range list[:min(len(list), maxHosts)] {
		if m.host == r.opt.Hostname {
			return nil, errPermanent{554, "5.4.6 the mail of " + w.mx + " would come back to this server"}
		}
		found, err := r.mxHost(ctx, w, m.host, authentic, policy)
		if err != nil {
			failed = errors.Join(failed, err)
			unknown = unknown && (errors.Is(err, errNoName) || errors.Is(err, errNoData))
			continue
		}
		hosts = append(hosts, found...)
	}
	if len(hosts) > 0 {
		return hosts[:min(len(hosts), maxAddresses)], nil
	}
	if unknown {
		return nil, errPermanent{550, "5.1.2 no mail server of the domain " + w.mx + " has an address"}
	}
	return nil, failed
}

// mxHost gives one way for each address of a mail host.
func (r *Runner) mxHost(ctx context.Context, w way, host string, authentic bool, policy *stsPolicy) ([]Route, error) {
	addrs, hostAuthentic, err := r.opt.Resolver.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	rt := w.policy
	if rt.Mode == "" {
		rt.Mode = TLSOpportunistic
	}
	rt.Port = r.opt.MXPort
	rt.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, InsecureSkipVerify: true} //nolint:gosec // opportunistic, RFC 7435
	var records []dns.TLSA
	if authentic && hostAuthentic {
		if records, err = r.opt.Resolver.tlsa(ctx, host, r.opt.MXPort); err != nil {
			// Somebody may be hiding the records. RFC 7672, section 2.1.1.
			return nil, fmt.Errorf("DANE records of %s: %w", host, err)
		}
	}
	switch {
	case len(records) > 0:
		rt.Mode, rt.TLS = TLSStart, daneTLS(host, records, r.opt.Now)
	case policy.enforced():
		if !policy.allows(host) {
			return nil, fmt.Errorf("the MTA-STS policy of %s does not name its mail host %s", w.mx, host)
		}
		rt.Mode, rt.TLS = TLSStart, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: r.sts.roots}
	}
	var out []Route
	for _, a := range addrs {
		if !r.opt.Permit(a) {
			err = errors.Join(err, fmt.Errorf("%s has the address %s, which is not of the public network", host, a))
			continue
		}
		at := rt
		at.Host = a.String()
		out = append(out, at)
	}
	if len(out) == 0 {
		return nil, err
	}
	return out, nil
}

// daneTLS demands TLS with a certificate that the records name. Records that
// cannot be used still demand TLS. RFC 7672, sections 2.2 and 3.1.
func daneTLS(host string, records []dns.TLSA, now func() time.Time) *tls.Config {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, InsecureSkipVerify: true} //nolint:gosec // VerifyConnection below checks the records
	var usable []dns.TLSA
	for _, t := range records {
		if (t.Usage == 2 || t.Usage == 3) && t.Selector <= 1 && t.MatchingType <= 2 {
			usable = append(usable, t)
		}
	}
	if len(usable) > 0 {
		conf.VerifyConnection = func(cs tls.ConnectionState) error { return checkDANE(cs.PeerCertificates, host, usable, now()) }
	}
	return conf
}

var errDANE = errors.New("no DANE record fits the server's certificate")

func checkDANE(chain []*x509.Certificate, host string, records []dns.TLSA, now time.Time) error {
	if len(chain) == 0 {
		return errDANE
	}
	for _, t := range records {
		if t.Usage == 3 { // DANE-EE: neither names nor dates count. RFC 7672, section 3.1.1.
			if tlsaFits(t, chain[0]) {
				return nil
			}
			continue
		}
		for i, c := range chain[1:] {
			if !tlsaFits(t, c) {
				continue
			}
			roots, between := x509.NewCertPool(), x509.NewCertPool()
			roots.AddCert(c)
			for _, b := range chain[1 : i+1] {
				between.AddCert(b)
			}
			if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: host, CurrentTime: now}); err == nil {
				return nil
			}
		}
	}
	return errDANE
}

func tlsaFits(t dns.TLSA, c *x509.Certificate) bool {
	data := c.Raw
	if t.Selector == 1 {
		data = c.RawSubjectPublicKeyInfo
	}
	switch t.MatchingType {
	case 1:
		h := sha256.Sum256(data)
		data = h[:]
	case 2:
		h := sha512.Sum512(data)
		data = h[:]
	}
	want, err := hex.DecodeString(t.Certificate)
	return err == nil && string(want) == string(data)
}
