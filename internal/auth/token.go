package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
)

// TokenOptions says whose tokens are taken.
type TokenOptions struct {
	Issuer   string           // URL of the provider, exactly as its tokens have it
	Audience string           // that the token must be for: our name at the provider
	Claim    string           // that holds the login; "" means "email"
	Client   *http.Client     // nil means one with a time-out of 10s
	Now      func() time.Time // nil means time.Now
}

// Tokens verifies tokens of an OpenID Connect provider: JWTs whose signature,
// issuer, audience and time must be right. The provider's keys are fetched at
// the first use and kept; they are fetched anew when a token has another.
type Tokens struct {
	opt TokenOptions

	mu     sync.Mutex
	verify *oidc.IDTokenVerifier
}

// NewTokens returns a Tokens.
func NewTokens(opt TokenOptions) (*Tokens, error) {
	if opt.Issuer == "" || opt.Audience == "" {
		return nil, errors.New("tokens: issuer and audience are needed")
	}
	if opt.Claim == "" {
		opt.Claim = "email"
	}
	if opt.Client == nil {
		opt.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Tokens{opt: opt}, nil
}

// errNoProvider is of kind fault.Temporary: nobody can tell whether a token is good.
func errNoProvider(err error) error {
	return fault.Wrap(fault.Temporary, err, fault.Text{
		EN: "the identity provider does not answer, please try again later",
		VI: "máy chủ định danh không trả lời, xin thử lại sau",
	})
}

// verifier finds the provider's keys, once.
func (t *Tokens) verifier(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.verify != nil {
		return t.verify, nil
	}
	ctx = oidc.ClientContext(ctx, t.opt.Client)
	p, err := oidc.NewProvider(ctx, t.opt.Issuer)
	if err != nil {
		return nil, errNoProvider(err)
	}
	var about struct {
		Keys string   `json:"jwks_uri"`
		Algs []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := p.Claims(&about); err != nil {
		return nil, errNoProvider(err)
	}
	// The keys outlive this log-in.
	keys := keySet{oidc.NewRemoteKeySet(oidc.ClientContext(context.WithoutCancel(ctx), t.opt.Client), about.Keys)}
	t.verify = oidc.NewVerifier(t.opt.Issuer, keys, &oidc.Config{
		ClientID: t.opt.Audience, SupportedSigningAlgs: signed(about.Algs), Now: t.opt.Now,
	})
	return t.verify, nil
}

// signed leaves of the provider's algorithms those with a public key: "none", and those whose key we would share, prove nothing.
func signed(algs []string) []string {
	var out []string
	for _, a := range algs {
		switch a {
		case oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA:
			out = append(out, a)
		}
	}
	return out
}

// keySet notes when the keys could not be had: the library's error does not tell that from a wrong signature.
type keySet struct{ *oidc.RemoteKeySet }

type unreachable struct{ err error }

type unreachableKey struct{}

func (k keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.RemoteKeySet.VerifySignature(ctx, jwt)
	if note, ok := ctx.Value(unreachableKey{}).(*unreachable); ok && err != nil && strings.HasPrefix(err.Error(), "fetching keys ") {
		note.err = err
	}
	return payload, err
}

// login gives the login that the token names. An error without the kind fault.Temporary says why the token is not good.
func (t *Tokens) login(ctx context.Context, token string) (directory.Login, error) {
	v, err := t.verifier(ctx)
	if err != nil {
		return "", err
	}
	note := &unreachable{}
	id, err := v.Verify(context.WithValue(ctx, unreachableKey{}, note), token)
	if note.err != nil {
		return "", errNoProvider(note.err)
	}
	if err != nil {
		return "", fault.Wrap(fault.Denied, err, fault.Text{EN: "the token is not good", VI: "mã truy cập không hợp lệ"})
	}
	claims := map[string]json.RawMessage{}
	if err := id.Claims(&claims); err != nil {
		return "", fault.Wrap(fault.Denied, err, fault.Text{EN: "the token is not good", VI: "mã truy cập không hợp lệ"})
	}
	var login string
	var unverified bool
	if raw, ok := claims["email_verified"]; ok && t.opt.Claim == "email" {
		unverified = string(raw) != "true" && string(raw) != `"true"`
	}
	if err := json.Unmarshal(claims[t.opt.Claim], &login); err != nil || login == "" || unverified {
		return "", fault.New(fault.Denied, fault.Text{
			EN: fmt.Sprintf("the token does not say whose it is (%s)", t.opt.Claim), VI: "mã truy cập không nêu tài khoản",
		})
	}
	return directory.Login(login), nil
}

// maxToken bounds a message: providers with many groups make tokens of several KiB.
const maxToken = 8 << 10

// bearer is OAUTHBEARER (RFC 7628) or XOAUTH2, what providers and clients had before it.
type bearer struct {
	m      *Mechanisms
	ch     Channel
	x      bool // XOAUTH2
	grant  directory.Grant
	name   string
	failed error // why, once the client has been told
}

func (b *bearer) Grant() directory.Grant { return b.grant }
func (b *bearer) Login() string          { return b.name }

func (b *bearer) Next(ctx context.Context, message []byte) (answer []byte, done bool, err error) {
	if b.failed != nil { // whatever the client says to that: RFC 7628, section 3.2.3
		return nil, false, b.failed
	}
	if len(message) > maxToken {
		return nil, false, directory.ErrMalformed
	}
	parse := parseBearer
	if b.x {
		parse = parseXOAuth2
	}
	as, token, ok := parse(string(message))
	if !ok {
		return nil, false, directory.ErrMalformed
	}
	if err := b.m.dir.MayTry(b.ch.Remote, as); err != nil {
		return nil, false, err
	}
	login, err := b.m.opt.Tokens.login(ctx, token)
	if err == nil {
		b.name = string(login)
		b.grant, err = b.m.dir.Vouch(ctx, directory.Voucher{
			By: directory.ByToken, Names: []directory.Login{login}, As: as, Remote: b.ch.Remote, Protocol: b.ch.Protocol,
		})
	} else if fault.KindOf(err) == fault.Denied {
		err = errors.Join(b.m.dir.Refuse(b.ch.Remote, as), err)
	}
	switch {
	case err == nil:
		return nil, true, nil
	case fault.KindOf(err) == fault.Temporary:
		return nil, false, err
	}
	b.failed = err
	return b.complaint(), false, nil
}

// complaint is the error that goes to the client before it is refused. RFC 7628, section 3.2.2.
func (b *bearer) complaint() []byte {
	var v any = struct {
		Status string `json:"status"`
		Config string `json:"openid-configuration"`
	}{"invalid_token", strings.TrimSuffix(b.m.opt.Tokens.opt.Issuer, "/") + "/.well-known/openid-configuration"}
	if b.x {
		v = struct {
			Status  string `json:"status"`
			Schemes string `json:"schemes"`
		}{"401", "bearer"}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}

// parseBearer reads the message of OAUTHBEARER: RFC 7628, section 3.1.
func parseBearer(message string) (as directory.Login, token string, ok bool) {
	head, rest, ok := strings.Cut(message, "\x01")
	flag, identity, ok1 := strings.Cut(head, ",")
	identity, tail, ok2 := strings.Cut(identity, ",")
	if !ok || !ok1 || !ok2 || tail != "" || flag != "n" && flag != "y" {
		return "", "", false
	}
	if identity != "" {
		name, is := strings.CutPrefix(identity, "a=")
		if !is || name == "" {
			return "", "", false
		}
		as = directory.Login(strings.NewReplacer("=2C", ",", "=3D", "=").Replace(name))
	}
	_, token, ok = parsePairs(rest)
	return as, token, ok
}

// parseXOAuth2 reads the message of XOAUTH2: "user=…^Aauth=Bearer …^A^A".
func parseXOAuth2(message string) (as directory.Login, token string, ok bool) {
	user, token, ok := parsePairs(message)
	return directory.Login(user), token, ok && user != ""
}

// parsePairs reads key=value pairs, each ending in ^A, with one more at the end.
func parsePairs(s string) (user, token string, ok bool) {
	s, ok = strings.CutSuffix(s, "\x01\x01")
	if !ok {
		return "", "", false
	}
	for pair := range strings.SplitSeq(s, "\x01") {
		key, value, isPair := strings.Cut(pair, "=")
		if !isPair {
			return "", "", false
		}
		switch key {
		case "user":
			user = value
		case "auth":
			scheme, rest, _ := strings.Cut(value, " ")
			if !strings.EqualFold(scheme, "Bearer") || token != "" {
				return "", "", false
			}
			token = strings.TrimSpace(rest)
		}
	}
	return user, token, token != "" && strings.Trim(token, tokenChars) == ""
}

// tokenChars are those of a bearer token: RFC 6750, section 2.1.
const tokenChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
