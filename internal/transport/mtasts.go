package transport

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// PolicyFetch gets the text of a domain's MTA-STS policy.
type PolicyFetch func(ctx context.Context, domain string) ([]byte, error)

// stsPolicy is what a domain says of its mail servers. RFC 8461, section 3.2.
type stsPolicy struct {
	id     string
	mode   string // enforce, testing, none
	mx     []string
	until  time.Time
	checks time.Time // when the record is looked at next
}

func (p *stsPolicy) enforced() bool { return p != nil && p.mode == "enforce" }

// allows tells whether a host is one of the policy's: by name, or by one
// leftmost label under "*.". RFC 8461, section 4.1.
func (p *stsPolicy) allows(host string) bool {
	for _, pattern := range p.mx {
		if pattern == host {
			return true
		}
		if parent, ok := strings.CutPrefix(pattern, "*."); ok {
			if _, rest, found := strings.Cut(host, "."); found && rest == parent {
				return true
			}
		}
	}
	return false
}

const (
	maxPolicy   = 64 << 10
	maxPolicies = 10_000
	maxPolicyMX = 100
	// recheck is how long a policy serves without a look at its record.
	recheck = 10 * time.Minute
)

// stsCache keeps policies in memory for as long as they say. After a restart
// they are fetched anew.
type stsCache struct {
	fetch PolicyFetch
	now   func() time.Time
	roots *x509.CertPool // nil: the system's

	mu       sync.Mutex
	byDomain map[string]*stsPolicy
}

func newSTSCache(fetch PolicyFetch, now func() time.Time) *stsCache {
	if fetch == nil {
		fetch = fetchPolicy
	}
	return &stsCache{fetch: fetch, now: now, byDomain: map[string]*stsPolicy{}}
}

// policy gives a domain's policy, nil when it has none. What cannot be found
// out now never replaces a policy that still holds (RFC 8461, section 5.1);
// without one the domain counts as having none.
func (c *stsCache) policy(ctx context.Context, r *Resolver, domain string) (*stsPolicy, error) {
	now := c.now()
	c.mu.Lock()
	old := c.byDomain[domain]
	c.mu.Unlock()
	if old != nil && !now.Before(old.until) {
		old = nil
	}
	if old != nil && now.Before(old.checks) {
		return old, nil
	}
	id, ok := stsRecord(ctx, r, domain)
	if !ok || old != nil && old.id == id {
		if old != nil {
			c.keep(domain, old, now)
		}
		return old, ctx.Err()
	}
	text, err := c.fetch(ctx, domain)
	if err != nil {
		return old, ctx.Err()
	}
	fresh, err := parsePolicy(text, now)
	if err != nil {
		return old, nil
	}
	fresh.id = id
	c.keep(domain, fresh, now)
	return fresh, nil
}

func (c *stsCache) keep(domain string, p *stsPolicy, now time.Time) {
	kept := *p
	kept.checks = now.Add(recheck)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byDomain) >= maxPolicies {
		for d := range c.byDomain { // any one: the cache only saves look-ups
			delete(c.byDomain, d)
			break
		}
	}
	c.byDomain[domain] = &kept
}

// stsRecord gives the id of the policy in force. RFC 8461, section 3.1.
func stsRecord(ctx context.Context, r *Resolver, domain string) (id string, ok bool) {
	list, err := r.txt(ctx, "_mta-sts."+domain)
	if err != nil {
		return "", false
	}
	for _, t := range list {
		fields := strings.Split(t, ";")
		if strings.TrimSpace(fields[0]) != "v=STSv1" {
			continue
		}
		if ok { // more than one record is none
			return "", false
		}
		for _, f := range fields[1:] {
			if name, v, found := strings.Cut(strings.TrimSpace(f), "="); found && strings.TrimSpace(name) == "id" {
				id, ok = strings.TrimSpace(v), true
			}
		}
	}
	return id, ok
}

// fetchPolicy gets a policy over HTTPS, with the machine's trusted authorities
// and without following redirections. RFC 8461, section 3.3.
func fetchPolicy(ctx context.Context, domain string) (_ []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://mta-sts."+domain+"/.well-known/mta-sts.txt", nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the policy's server answers %s", resp.Status)
	}
	if typ, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || typ != "text/plain" {
		return nil, errors.New("the policy is not of type text/plain")
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxPolicy+1))
	if err == nil && len(text) > maxPolicy {
		return nil, errors.New("the policy is too long")
	}
	return text, err
}

var errPolicy = errors.New("this is no MTA-STS policy")

// parsePolicy reads the text of a policy.
func parsePolicy(text []byte, now time.Time) (*stsPolicy, error) {
	p := &stsPolicy{}
	version := ""
	age := int64(-1)
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(name) {
		case "version":
			version = value
		case "mode":
			if p.mode == "" {
				p.mode = value
			}
		case "mx":
			p.mx = append(p.mx, hostName(value))
		case "max_age":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 || n > 31_557_600 {
				return nil, errPolicy
			}
			age = n
		}
	}
	switch {
	case version != "STSv1", age < 0, len(p.mx) > maxPolicyMX:
		return nil, errPolicy
	case p.mode != "enforce" && p.mode != "testing" && p.mode != "none":
		return nil, errPolicy
	case p.mode != "none" && len(p.mx) == 0:
		return nil, errPolicy
	}
	p.until = now.Add(time.Duration(age) * time.Second)
	return p, nil
}
