package imapd

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"vanthu/internal/directory"
	"vanthu/internal/journal"
)

// scramPassword is a password that a person chose, with letters that SASLprep has to look at.
const scramPassword = "Mật khẩu của tôi"

func (w *world) setPassword(who, password string) {
	w.t.Helper()
	_, err := w.dir.SetPassword(w.t.Context(), journal.System("test"), w.ids[who], directory.Password(password))
	check(w.t, err)
	w.pass[who] = password
}

// scramDialogue is a client that does SCRAM on a TLS connection of its own.
type scramDialogue struct {
	t    *testing.T
	conn *tls.Conn
	in   *bufio.Reader
	caps string
}

func (w *world) dialScram(t *testing.T, addr string, version uint16) *scramDialogue {
	t.Helper()
	conf := w.tls.Clone()
	conf.MinVersion, conf.MaxVersion = version, version
	conn, err := tls.Dial("tcp", addr, conf)
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	d := &scramDialogue{t: t, conn: conn, in: bufio.NewReader(conn)}
	d.caps = d.line()
	return d
}

func (d *scramDialogue) line() string {
	d.t.Helper()
	s, err := d.in.ReadString('\n')
	check(d.t, err)
	return strings.TrimSuffix(s, "\r\n")
}

func (d *scramDialogue) send(s string) {
	d.t.Helper()
	_, err := d.conn.Write([]byte(s + "\r\n"))
	check(d.t, err)
}

func (d *scramDialogue) binding() scram.ChannelBinding {
	d.t.Helper()
	st := d.conn.ConnectionState()
	b, err := scram.NewTLSExporterBinding(&st)
	check(d.t, err)
	return b
}

// run does the exchange and gives the tagged answer and whether the server has proved itself to the client.
func (d *scramDialogue) run(mech string, c *scram.ClientConversation, initial bool) (tagged string, proved bool) {
	d.t.Helper()
	message, err := c.Step("")
	check(d.t, err)
	if initial {
		d.send("a AUTHENTICATE " + mech + " " + base64.StdEncoding.EncodeToString([]byte(message)))
	} else {
		d.send("a AUTHENTICATE " + mech)
		if got := d.line(); got != "+ " {
			return got, false
		}
		d.send(base64.StdEncoding.EncodeToString([]byte(message)))
	}
	for {
		got := d.line()
		challenge, more := strings.CutPrefix(got, "+ ")
		if !more {
			return got, c.Valid()
		}
		raw, err := base64.StdEncoding.DecodeString(challenge)
		check(d.t, err)
		message, err := c.Step(string(raw))
		check(d.t, err)
		d.send(base64.StdEncoding.EncodeToString([]byte(message)))
	}
}

func scramClient(t *testing.T, login, password string) *scram.Client {
	t.Helper()
	c, err := scram.SHA256.NewClient(login, password, "")
	check(t, err)
	return c
}

func TestScramOverTLS(t *testing.T) {
	w, addr := secure(t)
	right := scramClient(t, "canbo@x.test", w.pass["canbo"])
	wrong := scramClient(t, "canbo@x.test", "wrong")
	unknown := scramClient(t, "khong@x.test", "wrong")
	const (
		accepted = "a OK [CAPABILITY "
		refused  = "a NO [AUTHENTICATIONFAILED] "
	)
	other := w.dialScram(t, addr, tls.VersionTLS13).binding() // of somebody else's connection
	tests := []struct {
		name  string
		tls   uint16
		mech  string
		begin func(*scramDialogue) *scram.ClientConversation
		want  string
	}{
		{"bound, TLS 1.3", tls.VersionTLS13, "SCRAM-SHA-256-PLUS", func(d *scramDialogue) *scram.ClientConversation {
			return right.NewConversationWithChannelBinding(d.binding())
		}, accepted},
		{"bound, TLS 1.2 with extended master secret", tls.VersionTLS12, "SCRAM-SHA-256-PLUS", func(d *scramDialogue) *scram.ClientConversation {
			return right.NewConversationWithChannelBinding(d.binding())
		}, accepted},
		{"not bound", tls.VersionTLS13, "SCRAM-SHA-256", func(*scramDialogue) *scram.ClientConversation { return right.NewConversation() }, accepted},
		{"in small letters", tls.VersionTLS13, "scram-sha-256", func(*scramDialogue) *scram.ClientConversation { return right.NewConversation() }, accepted},
		{"the announcement was taken out on the way", tls.VersionTLS13, "SCRAM-SHA-256", func(*scramDialogue) *scram.ClientConversation {
			return right.NewConversationAdvertisingChannelBinding()
		}, refused},
		{"bound to another connection", tls.VersionTLS13, "SCRAM-SHA-256-PLUS", func(*scramDialogue) *scram.ClientConversation {
			return right.NewConversationWithChannelBinding(other)
		}, refused},
		{"tls-unique", tls.VersionTLS13, "SCRAM-SHA-256-PLUS", func(*scramDialogue) *scram.ClientConversation {
			return right.NewConversationWithChannelBinding(scram.NewTLSUniqueBinding([]byte("finished")))
		}, refused},
		{"PLUS without binding", tls.VersionTLS13, "SCRAM-SHA-256-PLUS", func(*scramDialogue) *scram.ClientConversation { return right.NewConversation() }, refused},
		{"binding without PLUS", tls.VersionTLS13, "SCRAM-SHA-256", func(d *scramDialogue) *scram.ClientConversation {
			return right.NewConversationWithChannelBinding(d.binding())
		}, refused},
		{"wrong password", tls.VersionTLS13, "SCRAM-SHA-256", func(*scramDialogue) *scram.ClientConversation { return wrong.NewConversation() }, refused},
		{"unknown login", tls.VersionTLS13, "SCRAM-SHA-256", func(*scramDialogue) *scram.ClientConversation { return unknown.NewConversation() }, refused},
	}
	for _, tt := range tests {
		for _, initial := range []bool{true, false} {
			t.Run(tt.name, func(t *testing.T) {
				d := w.dialScram(t, addr, tt.tls)
				if !strings.Contains(d.caps, " AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN") {
					t.Errorf("greeting %q", d.caps)
				}
				got, proved := d.run(tt.mech, tt.begin(d), initial)
				if !strings.HasPrefix(got, tt.want) {
					t.Errorf("answer %q, want %q", got, tt.want)
				}
				if proved != (tt.want == accepted) {
					t.Errorf("the server has proved itself: %v", proved)
				}
			})
		}
	}
}

// T056: a session ends at the next command once what it rests on is revoked; others of the account go on.
func TestRevokedAppPasswordEndsItsSessions(t *testing.T) {
	w := plain(t)
	phone, secret, err := w.dir.AddAppPassword(t.Context(), journal.System("test"), w.ids["canbo"], "điện thoại", nil)
	check(t, err)
	login := func(password string) *client {
		c := w.dial()
		if _, tagged := c.do("LOGIN canbo@x.test " + password); !strings.HasPrefix(tagged, "OK ") {
			t.Fatal(tagged)
		}
		return c
	}
	own, app := login(w.pass["canbo"]), login(secret.Reveal())
	check(t, w.dir.RevokeAppPassword(t.Context(), journal.System("test"), w.ids["canbo"], phone))
	own.alive()
	app.send("a NOOP\r\n")
	if got := app.line(); got != "* BYE Your access has changed, please log in again" {
		t.Errorf("got %q", got)
	}
}

// EXTERNAL: the account is the one in the certificate; nobody else's, and nobody's without one.
func TestExternal(t *testing.T) {
	server, conf := testTLS(t)
	for _, tt := range []struct {
		name, email, command, want string
	}{
		{"own", "canbo@x.test", "AUTHENTICATE EXTERNAL =", "a OK [CAPABILITY "},
		{"named", "canbo@x.test", "AUTHENTICATE EXTERNAL " + base64.StdEncoding.EncodeToString([]byte("CanBo@x.test")), "a OK [CAPABILITY "},
		{"another", "canbo@x.test", "AUTHENTICATE EXTERNAL " + base64.StdEncoding.EncodeToString([]byte("khac@x.test")), "a NO [AUTHORIZATIONFAILED] "},
		{"no account", "ai@out.test", "AUTHENTICATE EXTERNAL =", "a NO [AUTHENTICATIONFAILED] "},
		{"no certificate", "", "AUTHENTICATE EXTERNAL =", "a NO [CANNOT] "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert, roots := clientCert(t, tt.email)
			serverTLS, clientTLS := server.Clone(), conf.Clone()
			serverTLS.ClientCAs, serverTLS.ClientAuth = roots, tls.VerifyClientCertIfGiven
			if tt.email != "" {
				clientTLS.Certificates = []tls.Certificate{cert}
			}
			w := newWorld(t, Options{TLS: serverTLS}, nil)
			w.tls = clientTLS
			d := w.dialScram(t, w.listen(true), tls.VersionTLS13)
			if got := strings.Contains(d.caps, " AUTH=EXTERNAL "); got != (tt.email != "") {
				t.Errorf("greeting %q", d.caps)
			}
			d.send("a " + tt.command)
			if got := d.line(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// clientCert makes a certificate of a person, which is its own authority.
func clientCert(t *testing.T, email string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "person"}, EmailAddresses: []string{email},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	check(t, err)
	leaf, err := x509.ParseCertificate(der)
	check(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
