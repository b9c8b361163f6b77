package smtpd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"vanthu/internal/auth"
	"vanthu/internal/directory"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb/sqldbtest"
)

// withDirectory gives mechanisms over a real directory with the account of ourLogin.
func withDirectory(t *testing.T) (*directory.Directory, directory.AccountID, *auth.Mechanisms) {
	t.Helper()
	d, err := directory.Open(t.Context(), sqldbtest.Open(t), directory.Options{Secret: []byte("test")})
	if err == nil {
		err = d.AddDomain(t.Context(), journal.System("test"), ourDomain)
	}
	if err != nil {
		t.Fatal(err)
	}
	a, _, err := d.CreateAccount(t.Context(), journal.System("test"), directory.Account{
		Login: mail.Address{Local: "vanthu", Domain: ourDomain}, Name: "Văn thư",
	}, ourPassword)
	if err != nil {
		t.Fatal(err)
	}
	return d, a.ID, auth.New(d, auth.Options{})
}

// scramAuth lets net/smtp do SCRAM.
type scramAuth struct {
	mech string
	conv *scram.ClientConversation
}

func (a scramAuth) Start(*smtp.ServerInfo) (string, []byte, error) {
	first, err := a.conv.Step("")
	return a.mech, []byte(first), err
}

func (a scramAuth) Next(challenge []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	answer, err := a.conv.Step(string(challenge))
	return []byte(answer), err
}

func dialTLS(t *testing.T, addr string, conf *tls.Config) (*smtp.Client, *tls.Conn) {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, conf)
	if err != nil {
		t.Fatal(err)
	}
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, conn
}

func TestScram(t *testing.T) {
	d, id, mechanisms := withDirectory(t)
	serverTLS, clientTLS := testConfigs(t)
	_, addr := serve(t, new(memory), Submissions, Options{TLS: serverTLS, Auth: mechanisms})
	for _, tt := range []struct {
		name, mech, password string
		plus                 bool
		want                 string
	}{
		{"bound", "SCRAM-SHA-256-PLUS", ourPassword, true, ""},
		{"not bound", "SCRAM-SHA-256", ourPassword, false, ""},
		{"wrong password", "SCRAM-SHA-256-PLUS", "wrong", true, `535 "5.7.8 wrong login name or password"`},
		{"binding without PLUS", "SCRAM-SHA-256", ourPassword, true, `535 "5.7.8 this is not the secure connection that the client has made"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, conn := dialTLS(t, addr, clientTLS)
			if err := c.Hello("client"); err != nil {
				t.Fatal(err)
			}
			if _, list := c.Extension("AUTH"); list != "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN" {
				t.Errorf("offered %q", list)
			}
			client, err := scram.SHA256.NewClient(ourLogin, tt.password, "")
			if err != nil {
				t.Fatal(err)
			}
			conv := client.NewConversation()
			if tt.plus {
				st := conn.ConnectionState()
				binding, err := scram.NewTLSExporterBinding(&st)
				if err != nil {
					t.Fatal(err)
				}
				conv = client.NewConversationWithChannelBinding(binding)
			}
			err = c.Auth(scramAuth{tt.mech, conv})
			if tt.want != "" {
				if err == nil || err.Error() != tt.want {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				return
			}
			if err != nil || !conv.Valid() {
				t.Fatalf("got %v, server proved %v", err, conv.Valid())
			}
			if err := c.Mail(ourLogin); err != nil {
				t.Error(err)
			}
			if err := c.Reset(); err != nil {
				t.Error(err)
			}
			// T056: the session is over at the next MAIL once the password is another.
			if _, err := d.SetPassword(t.Context(), journal.System("test"), id, ourPassword); err != nil {
				t.Fatal(err)
			}
			if err := c.Mail(ourLogin); err == nil || !strings.HasPrefix(err.Error(), `535 "5.7.8 Your access`) {
				t.Errorf("MAIL after the password was changed: %v", err)
			}
		})
	}
}

// T056 for PLAIN, where the backend tells.
func TestAccessThatHoldsNoLonger(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Submission, Options{AllowInsecureAuthOnLoopback: true})
	c, err := smtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Auth(smtp.PlainAuth("", ourLogin, ourPassword, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail(ourLogin); err != nil {
		t.Fatal(err)
	}
	if err := c.Reset(); err != nil {
		t.Fatal(err)
	}
	m.revoked.Store(true)
	if err := c.Mail(ourLogin); err == nil || !strings.HasPrefix(err.Error(), `535 "5.7.8 Your access`) {
		t.Errorf("got %v", err)
	}
}

// authority issues certificates to people.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "people"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) issue(t *testing.T, until time.Time, emails ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: ourLogin}, EmailAddresses: emails,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// EXTERNAL, RFC 4422, appendix A; T047 for certificates that do not hold.
func TestExternal(t *testing.T) {
	d, _, mechanisms := withDirectory(t)
	other, _, err := d.CreateAccount(t.Context(), journal.System("test"), directory.Account{
		Login: mail.Address{Local: "khac", Domain: ourDomain}, Name: "Khác",
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	ca, strangers := newAuthority(t), newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	serverTLS, clientTLS := testConfigs(t)
	_, addr := serve(t, new(memory), Submissions, Options{TLS: serverTLS, ClientCAs: pool, Auth: mechanisms})
	later := time.Now().Add(time.Hour)
	b64 := func(s string) string {
		if s == "" {
			return "="
		}
		return base64.StdEncoding.EncodeToString([]byte(s))
	}
	for _, tt := range []struct {
		name  string
		certs []tls.Certificate
		as    string
		want  string // the reply to AUTH; "" when the handshake fails
	}{
		{"own certificate", []tls.Certificate{ca.issue(t, later, ourLogin)}, "", "235"},
		{"in capitals", []tls.Certificate{ca.issue(t, later, "VanThu@Tinh.Example")}, ourLogin, "235"},
		{"another name on it too", []tls.Certificate{ca.issue(t, later, "a@out.example", ourLogin)}, "", "235"},
		{"two accounts", []tls.Certificate{ca.issue(t, later, ourLogin, other.Login.String())}, "", "535"},
		{"two accounts, one named", []tls.Certificate{ca.issue(t, later, ourLogin, other.Login.String())}, other.Login.String(), "235"},
		{"for somebody else", []tls.Certificate{ca.issue(t, later, ourLogin)}, other.Login.String(), "535"},
		{"nobody here", []tls.Certificate{ca.issue(t, later, "a@out.example")}, "", "535"},
		{"the subject's name only", []tls.Certificate{ca.issue(t, later)}, "", "535"},
		{"no certificate", nil, "", "504"},
		{"expired", []tls.Certificate{ca.issue(t, time.Now().Add(-time.Hour), ourLogin)}, "", ""},
		{"of another authority", []tls.Certificate{strangers.issue(t, later, ourLogin)}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conf := clientTLS.Clone()
			if len(tt.certs) > 0 { // whatever the server asks for
				conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tt.certs[0], nil }
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			conn := tls.Client(raw, conf)
			defer func() { _ = conn.Close() }()
			c, err := smtp.NewClient(conn, "localhost")
			if tt.want == "" {
				if err == nil {
					t.Error("the handshake was taken")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Hello("client"); err != nil {
				t.Fatal(err)
			}
			_, list := c.Extension("AUTH")
			if got := strings.HasPrefix(list, "EXTERNAL "); got != (len(tt.certs) > 0) {
				t.Errorf("offered %q", list)
			}
			if _, err := c.Text.Cmd("AUTH EXTERNAL %s", b64(tt.as)); err != nil {
				t.Fatal(err)
			}
			line, err := c.Text.ReadLine()
			if err != nil || !strings.HasPrefix(line, tt.want) {
				t.Errorf("got %q, %v, want %s", line, err, tt.want)
			}
		})
	}
}
