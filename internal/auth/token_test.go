package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
)

// provider is an OpenID Connect provider in this process.
type provider struct {
	*httptest.Server
	key     *ecdsa.PrivateKey
	fetched atomic.Int64 // times the keys were
	down    atomic.Bool
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	p := &provider{key: key}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		if p.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token",
			"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		p.fetched.Add(1)
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	})
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Close)
	return p
}

// sign makes a token of claims.
func sign(t *testing.T, key any, alg jose.SignatureAlgorithm, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	check(t, err)
	text, err := json.Marshal(claims)
	check(t, err)
	obj, err := s.Sign(text)
	check(t, err)
	token, err := obj.CompactSerialize()
	check(t, err)
	return token
}

func (p *provider) claims(change map[string]any) map[string]any {
	c := map[string]any{
		"iss": p.URL, "aud": "vanthu", "sub": "1", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "email": "vanthu@x.test",
	}
	for k, v := range change {
		c[k] = v
		if v == nil {
			delete(c, k)
		}
	}
	return c
}

func TestTokens(t *testing.T) {
	p := newProvider(t)
	tokens, err := NewTokens(TokenOptions{Issuer: p.URL, Audience: "vanthu", Client: p.Client()})
	check(t, err)
	d := people(t, directory.Options{})
	m := New(d, Options{Tokens: tokens})
	ch := Channel{Remote: remote, Protocol: directory.SMTP, TLS: &tls.ConnectionState{}}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	good := sign(t, p.key, jose.ES256, p.claims(nil))
	none := "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + "."
	for _, tt := range []struct {
		name  string
		token string
		as    string // of OAUTHBEARER; XOAUTH2 always names one
		want  bool
	}{
		{"good", good, "", true},
		{"as itself", good, "VanThu@x.test", true},
		{"as another", good, "khac@x.test", false},
		{"capitals in the claim", sign(t, p.key, jose.ES256, p.claims(map[string]any{"email": "VanThu@X.test"})), "", true},
		{"expired", sign(t, p.key, jose.ES256, p.claims(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})), "", false},
		{"not yet", sign(t, p.key, jose.ES256, p.claims(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()})), "", false},
		{"no expiry", sign(t, p.key, jose.ES256, p.claims(map[string]any{"exp": nil})), "", false},
		{"of another issuer", sign(t, p.key, jose.ES256, p.claims(map[string]any{"iss": "https://other.example"})), "", false},
		{"for somebody else", sign(t, p.key, jose.ES256, p.claims(map[string]any{"aud": []string{"webmail"}})), "", false},
		{"for several", sign(t, p.key, jose.ES256, p.claims(map[string]any{"aud": []string{"webmail", "vanthu"}})), "", true},
		{"another key", sign(t, other, jose.ES256, p.claims(nil)), "", false},
		{"shared key", sign(t, []byte(strings.Repeat("k", 32)), jose.HS256, p.claims(nil)), "", false},
		{"not signed", none, "", false},
		{"no account", sign(t, p.key, jose.ES256, p.claims(map[string]any{"email": "ai@x.test"})), "", false},
		{"no claim", sign(t, p.key, jose.ES256, p.claims(map[string]any{"email": nil})), "", false},
		{"claim is no text", sign(t, p.key, jose.ES256, p.claims(map[string]any{"email": 7})), "", false},
		{"address not verified", sign(t, p.key, jose.ES256, p.claims(map[string]any{"email_verified": false})), "", false},
		{"address verified", sign(t, p.key, jose.ES256, p.claims(map[string]any{"email_verified": true})), "", true},
		{"no token at all", "abc", "", false},
	} {
		for mech, message := range map[string]string{
			Bearer:  "n," + map[bool]string{true: "a=" + tt.as}[tt.as != ""] + ",\x01host=mail.x.test\x01port=993\x01auth=Bearer " + tt.token + "\x01\x01",
			XOAuth2: "user=" + map[bool]string{true: tt.as, false: "vanthu@x.test"}[tt.as != ""] + "\x01auth=bearer " + tt.token + "\x01\x01",
		} {
			t.Run(tt.name+" "+mech, func(t *testing.T) {
				from := ch
				from.Remote = from.Remote.Next()
				ch.Remote = from.Remote // no brake between the cases
				x, ok := m.Begin(mech, from)
				if !ok {
					t.Fatal("not offered")
				}
				answer, done, err := x.Next(t.Context(), []byte(message))
				check(t, err)
				if done != tt.want {
					t.Fatalf("done %v, %q", done, answer)
				}
				if done {
					if g := x.Grant(); g.Login.String() != "vanthu@x.test" || g.By != directory.ByToken {
						t.Errorf("granted %+v", g)
					}
					return
				}
				var told map[string]string
				if err := json.Unmarshal(answer, &told); err != nil || told["status"] == "" {
					t.Errorf("the client is told %q, %v", answer, err)
				}
				_, done, err = x.Next(t.Context(), []byte("\x01"))
				if done || x.Grant().ID != 0 {
					t.Error("granted after all")
				}
				wantKind(t, err, fault.Denied)
			})
		}
	}
	if n := p.fetched.Load(); n > 20 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

// A provider that does not answer is no bad token, and when it answers again all is well.
func TestProviderIsDown(t *testing.T) {
	p := newProvider(t)
	tokens, err := NewTokens(TokenOptions{Issuer: p.URL, Audience: "vanthu", Client: p.Client()})
	check(t, err)
	m := New(people(t, directory.Options{}), Options{Tokens: tokens})
	errRefused := errors.New("refused")
	try := func() error {
		x, ok := m.Begin(Bearer, Channel{Remote: remote, TLS: &tls.ConnectionState{}})
		if !ok {
			t.Fatal("not offered")
		}
		_, done, err := x.Next(t.Context(), []byte("n,,\x01auth=Bearer "+sign(t, p.key, jose.ES256, p.claims(nil))+"\x01\x01"))
		if err == nil && !done {
			return errRefused
		}
		return err
	}
	// comes tries some times: the library hands a request that has just ended to
	// who asks in that moment, with its answer of before.
	comes := func(want func(error) bool) {
		t.Helper()
		var err error
		for range 5 {
			if err = try(); want(err) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("after several tries: %v", err)
	}
	good := func(err error) bool { return err == nil }
	down := func(err error) bool {
		return err != nil && !errors.Is(err, errRefused) && fault.KindOf(err) == fault.Temporary
	}
	p.down.Store(true)
	comes(down)
	p.down.Store(false)
	comes(good)
	// A new key, and nobody to tell of it.
	p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	p.down.Store(true)
	comes(down)
	p.down.Store(false)
	comes(good)
	fetched := p.fetched.Load()
	check(t, try())
	if p.fetched.Load() != fetched {
		t.Error("the keys are not kept")
	}
}

func TestTokensNeedTLS(t *testing.T) {
	tokens, err := NewTokens(TokenOptions{Issuer: "https://x.example", Audience: "vanthu"})
	check(t, err)
	m := New(people(t, directory.Options{}), Options{Tokens: tokens})
	if got := strings.Join(m.Offered(Channel{Remote: remote}), " "); got != "SCRAM-SHA-256" {
		t.Errorf("offered without TLS: %s", got)
	}
	if _, ok := m.Begin(Bearer, Channel{Remote: remote}); ok {
		t.Error("begun without TLS")
	}
	for _, opt := range []TokenOptions{{}, {Issuer: "https://x.example"}, {Audience: "vanthu"}} {
		if _, err := NewTokens(opt); err == nil {
			t.Errorf("%+v is taken", opt)
		}
	}
}

func TestBearerMessages(t *testing.T) {
	tests := []struct {
		message string
		x       bool
		as      directory.Login
		ok      bool
	}{
		{"n,,\x01auth=Bearer abc\x01\x01", false, "", true},
		{"n,a=user@x.test,\x01host=h\x01port=143\x01auth=Bearer abc\x01\x01", false, "user@x.test", true},
		{"y,,\x01auth=Bearer abc\x01\x01", false, "", true},
		{"p=tls-exporter,,\x01auth=Bearer abc\x01\x01", false, "", false},
		{"n,\x01auth=Bearer abc\x01\x01", false, "", false},
		{"n,b=x,\x01auth=Bearer abc\x01\x01", false, "", false},
		{"n,,\x01auth=Basic abc\x01\x01", false, "", false},
		{"n,,\x01auth=Bearer \x01\x01", false, "", false},
		{"n,,\x01auth=Bearer a b\x01\x01", false, "", false},
		{"n,,\x01auth=Bearer abc\x01", false, "", false},
		{"n,,\x01auth=Bearer abc\x01auth=Bearer abd\x01\x01", false, "", false},
		{"n,,\x01nonsense\x01\x01", false, "", false},
		{"", false, "", false},
		{"user=a@x.test\x01auth=Bearer abc\x01\x01", true, "a@x.test", true},
		{"auth=Bearer abc\x01\x01", true, "", false},
		{"user=a@x.test\x01\x01", true, "", false},
	}
	for _, tt := range tests {
		parse := parseBearer
		if tt.x {
			parse = parseXOAuth2
		}
		as, token, ok := parse(tt.message)
		if ok != tt.ok || ok && (as != tt.as || token != "abc") {
			t.Errorf("%q: %q, %q, %v", tt.message, as, token, ok)
		}
	}
	x := &bearer{}
	if _, _, err := x.Next(t.Context(), make([]byte, maxToken+1)); !errors.Is(err, directory.ErrMalformed) {
		t.Errorf("long message: %v", err)
	}
}
