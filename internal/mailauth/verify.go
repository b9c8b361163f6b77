package mailauth

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"blitiri.com.ar/go/spf"
	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-msgauth/dmarc"
	"golang.org/x/net/publicsuffix"

	"vanthu/internal/mail"
)

// Limits of what is checked: all of it is in the hands of a stranger.
const (
	maxSignatures   = 5         // verified; further ones are ignored
	maxHeader       = 128 << 10 // octets; the DKIM library joins folds one by one
	maxFields       = 1000
	maxSignedFields = 200              // names in tag h; each is looked for in the whole header
	checkTime       = 20 * time.Second // for all questions to DNS about one message
)

// Resolver asks DNS. *net.Resolver does.
type Resolver interface{ spf.DNSResolver }

// Verifier checks messages that other servers bring. It may be used concurrently.
type Verifier struct {
	keys *Keys
	dns  Resolver
}

// NewVerifier returns a Verifier that knows keys and, unless dns is nil, asks
// dns for what keys does not have. Without dns there is no SPF, and DMARC only
// for the domains of keys.
func NewVerifier(keys *Keys, dns Resolver) *Verifier { return &Verifier{keys: keys, dns: dns} }

// Session is who brings a message.
type Session struct {
	Client netip.Addr
	Helo   string
	From   mail.Path
}

// Result is an outcome as RFC 8601, section 2.7 names it.
type Result string

// The results in use.
const (
	ResultNone      Result = "none"
	ResultPass      Result = "pass"
	ResultFail      Result = "fail"
	ResultPolicy    Result = "policy"
	ResultNeutral   Result = "neutral"
	ResultTempError Result = "temperror"
	ResultPermError Result = "permerror"
)

// Signature is what became of one DKIM signature.
type Signature struct {
	Result    Result
	Domain    Domain
	Selector  Selector
	Algorithm string
	Tag       string // the first octets of the signature, which tell signatures apart. RFC 6008
	Reason    string // "" for a good one
}

// Policy is what the owner of a domain wants done with mail that only claims
// to come from there. RFC 7489, section 6.3.
type Policy string

// The policies.
const (
	PolicyNone       Policy = "none"
	PolicyQuarantine Policy = "quarantine"
	PolicyReject     Policy = "reject"
)

// Verdict is what is known of a message's origin.
type Verdict struct {
	Author Domain // of the one address in the one From field, "" when it is not one
	DKIM   []Signature
	SPF    Result // "" when it was not asked for
	// DMARC compares the author's domain with what signatures and SPF vouch
	// for. A domain whose keys we hold counts as one with policy reject. ""
	// means not asked for, none that the domain has no policy.
	DMARC  Result
	Policy Policy // of the author's domain

	client Session
}

// Check says whom a message comes from. r holds the received octets of m. Only
// a failure to read them is an error.
func (v *Verifier) Check(ctx context.Context, s Session, m *mail.Message, r io.ReaderAt) (Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	out := Verdict{Author: Author(m), client: s}
	var err error
	if out.DKIM, err = v.signatures(ctx, m, r); err != nil {
		return out, err
	}
	if v.dns != nil && s.Client.IsValid() {
		out.SPF = v.spf(ctx, s)
	}
	v.dmarc(ctx, &out)
	return out, nil
}

// Author gives the domain of the From field, when there is exactly one with
// exactly one address. RFC 7489, section 6.6.1.
func Author(m *mail.Message) Domain {
	if m.Header.Count("From") != 1 {
		return ""
	}
	var domain Domain
	for _, a := range m.Envelope.From {
		if a.Group != mail.GroupNone {
			continue
		}
		addr, err := a.Address()
		if err != nil || domain != "" {
			return ""
		}
		domain = Domain(strings.ToLower(addr.Domain))
	}
	return domain
}

func (v *Verifier) signatures(ctx context.Context, m *mail.Message, r io.ReaderAt) ([]Signature, error) {
	raw := m.Header.Values("DKIM-Signature")
	if len(raw) == 0 {
		return nil, nil
	}
	raw = raw[:min(len(raw), maxSignatures)]
	list := make([]Signature, len(raw))
	all := func(res Result, why string) []Signature {
		for i := range list {
			list[i].Result, list[i].Reason = res, why
		}
		return list
	}
	limited := make([]bool, len(raw)) // has the tag l
	for i, s := range raw {
		t, _ := tags(s)
		list[i] = Signature{
			Domain: Domain(strings.ToLower(t["d"])), Selector: Selector(strings.ToLower(t["s"])),
			Algorithm: t["a"], Tag: t["b"][:min(len(t["b"]), 8)],
		}
		_, limited[i] = t["l"]
		if strings.Count(s, ":") > maxSignedFields {
			return all(ResultPolicy, "too many signed fields"), nil
		}
	}
	if m.HeaderLen > maxHeader || len(m.Header) > maxFields || m.Defects&mail.DefectHeaderTooLarge != 0 {
		return all(ResultPolicy, "header too large"), nil
	}
	if m.Header.Count("From") != 1 {
		return all(ResultPolicy, "not exactly one From field"), nil
	}
	read := &remembering{r: io.NewSectionReader(r, 0, m.Size)}
	done, err := dkim.VerifyWithOptions(read, &dkim.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) { return v.key(ctx, name) }, MaxVerifications: maxSignatures,
	})
	if read.err != nil {
		return nil, read.err
	}
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) || len(done) != len(list) {
		return all(ResultPermError, "header cannot be read"), nil
	}
	for i, d := range done {
		list[i].Result, list[i].Reason = outcome(d.Err, limited[i])
		if d.Err != nil && strings.HasSuffix(d.Err.Error(), errUnknownKey.Error()) {
			list[i].Result, list[i].Reason = ResultNeutral, "key not known here"
		}
	}
	return list, nil
}

// outcome sorts the DKIM library's errors. RFC 8601, section 2.7.1.
func outcome(err error, limited bool) (Result, string) {
	switch {
	case err == nil:
		return ResultPass, ""
	case limited: // only a part of the body is signed: anything may follow it
		return ResultPolicy, "signs a part of the body only"
	case dkim.IsTempFail(err):
		return ResultTempError, "key cannot be fetched now"
	case dkim.IsPermFail(err):
		return ResultPermError, strings.TrimPrefix(err.Error(), "dkim: ")
	}
	return ResultFail, "signature does not fit"
}

var errUnknownKey = errors.New("no DNS is asked and the key is not known here")

// key gives the record of a key: our own first.
func (v *Verifier) key(ctx context.Context, name string) ([]string, error) {
	if rec, ok := v.keys.lookup(name); ok {
		return []string{string(rec)}, nil
	}
	if v.dns == nil {
		return nil, errUnknownKey
	}
	return v.dns.LookupTXT(ctx, name)
}

// remembering keeps the error of a reader apart from what a library makes of it.
type remembering struct {
	r   io.Reader
	err error
}

func (r *remembering) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

func (v *Verifier) spf(ctx context.Context, s Session) Result {
	from := ""
	if !s.From.Null {
		from = s.From.Address.String()
	}
	res, _ := spf.CheckHostWithSender(net.IP(s.Client.Unmap().AsSlice()), s.Helo, from,
		spf.WithResolver(v.dns), spf.WithContext(ctx)) // the error only explains the result
	return Result(res)
}

// dmarc finds the policy of the author's domain and whether the message keeps it.
func (v *Verifier) dmarc(ctx context.Context, out *Verdict) {
	if out.Author == "" {
		return
	}
	if v.keys.holds(out.Author) {
		out.Policy = PolicyReject
		out.DMARC = v.aligned(out, dmarc.AlignmentRelaxed, dmarc.AlignmentRelaxed)
		return
	}
	if v.dns == nil {
		return
	}
	rec, org, err := v.policyOf(ctx, out.Author)
	switch {
	case errors.Is(err, dmarc.ErrNoPolicy):
		out.DMARC = ResultNone
		return
	case dmarc.IsTempFail(err):
		out.DMARC = ResultTempError
		return
	case err != nil:
		out.DMARC = ResultPermError
		return
	}
	out.Policy = Policy(rec.Policy)
	if org && rec.SubdomainPolicy != "" {
		out.Policy = Policy(rec.SubdomainPolicy)
	}
	if rec.Percent != nil && *rec.Percent == 0 { // the owner only tries it out
		out.Policy = PolicyNone
	}
	out.DMARC = v.aligned(out, rec.DKIMAlignment, rec.SPFAlignment)
}

// policyOf asks for the policy of a domain, then of the organisation it belongs
// to. RFC 7489, section 6.6.3.
func (v *Verifier) policyOf(ctx context.Context, d Domain) (rec *dmarc.Record, org bool, err error) {
	opt := &dmarc.LookupOptions{LookupTXT: func(name string) ([]string, error) { return v.dns.LookupTXT(ctx, name) }}
	rec, err = dmarc.LookupWithOptions(string(d), opt)
	if o := organisation(d); errors.Is(err, dmarc.ErrNoPolicy) && o != d && o != "" {
		rec, err = dmarc.LookupWithOptions(string(o), opt)
		return rec, true, err
	}
	return rec, false, err
}

// aligned tells whether a good signature, or SPF, vouches for the author's own
// domain. RFC 7489, section 3.1.
func (v *Verifier) aligned(out *Verdict, byDKIM, bySPF dmarc.AlignmentMode) Result {
	retry := false
	for _, s := range out.DKIM {
		if s.Result == ResultPass && fits(s.Domain, out.Author, byDKIM) {
			return ResultPass
		}
		retry = retry || s.Result == ResultTempError && fits(s.Domain, out.Author, byDKIM)
	}
	domain := Domain(strings.ToLower(out.client.From.Address.Domain))
	if out.client.From.Null {
		domain = Domain(strings.ToLower(out.client.Helo))
	}
	if out.SPF == ResultPass && fits(domain, out.Author, bySPF) {
		return ResultPass
	}
	if retry || out.SPF == ResultTempError && fits(domain, out.Author, bySPF) {
		return ResultTempError
	}
	return ResultFail
}

func fits(signer, author Domain, mode dmarc.AlignmentMode) bool {
	if signer == author {
		return signer != ""
	}
	org := organisation(author)
	return mode != dmarc.AlignmentStrict && org != "" && organisation(signer) == org
}

// organisation gives the registered domain above d, "" when d is a public
// suffix itself: nobody may vouch for all of "gov.vn".
func organisation(d Domain) Domain {
	o, err := publicsuffix.EffectiveTLDPlusOne(string(d))
	if err != nil {
		return ""
	}
	return Domain(o)
}

// holds tells whether we have keys that count for mail of d: its own, or those
// of a domain above it.
func (k *Keys) holds(d Domain) bool {
	known := k.now.Load().domains
	for ; d != ""; d = above(d) {
		if known[d] {
			return true
		}
	}
	return false
}
