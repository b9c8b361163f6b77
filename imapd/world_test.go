package imapd

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vanthu/internal/auth"
	"vanthu/internal/blob"
	"vanthu/internal/directory"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

// serverNonce is the server's part of every nonce of SCRAM in tests, so that transcripts can have the exchange.
const serverNonce = "3rfcNHYJY1ZVvWVs7j"

// start is the stores' clock in tests.
var start = time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)

// world is a server on real stores with a few accounts: vanthu (clerk of SYT), lanhdao (its leader), canbo (no role at all),
// khac (neither), quantri (administrator of the province).
type world struct {
	*Server
	t     testing.TB
	db    *sqldb.DB
	dir   *directory.Directory
	store *mailstore.Store
	unit  directory.Unit
	ids   map[string]directory.AccountID
	pass  map[string]string
	addr  string
	tls   *tls.Config  // of a client
	later atomic.Int64 // nanoseconds after start
}

func newWorld(t testing.TB, opt Options, flow func(*world) Workflow) *world {
	t.Helper()
	w := &world{t: t, db: sqldbtest.Open(t), ids: map[string]directory.AccountID{}, pass: map[string]string{}}
	blobs, err := blob.Open(blob.Options{Dir: t.TempDir()})
	check(t, err)
	now := func() time.Time { return start.Add(time.Duration(w.later.Load())) }
	w.store, err = mailstore.Open(t.Context(), w.db, blobs, mailstore.Options{Now: now, Quota: func(o mailstore.Owner) int64 {
		a, _ := w.dir.Snapshot().Account(o.Account)
		return a.QuotaMiB << 20
	}, QuotaMessages: func(o mailstore.Owner) int64 {
		a, _ := w.dir.Snapshot().Account(o.Account)
		return a.QuotaMessages
	}})
	check(t, err)
	w.dir, err = directory.Open(t.Context(), w.db, directory.Options{Secret: []byte("test"), Now: now})
	check(t, err)
	admin := journal.Actor{Kind: journal.ActorSystem, Name: "test"}
	check(t, w.dir.AddDomain(t.Context(), admin, "x.test"))
	w.unit, err = w.dir.CreateUnit(t.Context(), admin, directory.Unit{
		Code: "H18.26", Name: "Sở Y tế", ShortName: "SYT", Kind: "sở", Address: mail.Address{Local: "soyte", Domain: "x.test"},
	})
	check(t, err)
	for login, role := range map[string]directory.Role{"vanthu": directory.RoleClerk, "lanhdao": directory.RoleLeader, "canbo": "", "khac": "", "quantri": directory.RoleAdmin} {
		a := directory.Account{Login: mail.Address{Local: login, Domain: "x.test"}, Name: login}
		if role != "" {
			a.Roles = []directory.Assignment{{Unit: w.unit.ID, Role: role}}
		}
		if role == directory.RoleAdmin {
			a.Roles[0].Unit = 0 // of the whole province
		}
		a, password, err := w.dir.CreateAccount(t.Context(), admin, a, "")
		check(t, err)
		w.ids[login], w.pass[login] = a.ID, password.Reveal()
	}
	check(t, w.db.Update(t.Context(), func(tx *sqldb.Tx) error {
		for _, id := range w.ids {
			if err := w.store.EnsureAccount(t.Context(), tx, id); err != nil {
				return err
			}
		}
		return w.store.EnsureUnit(t.Context(), tx, w.unit.ID)
	}))
	be := Backend{Directory: w.dir, Store: w.store, Auth: auth.New(w.dir, auth.Options{Nonce: func() string { return serverNonce }})}
	if flow != nil {
		be.Workflow = flow(w)
	}
	if opt.Now == nil {
		opt.Now = now
	}
	if opt.Zone == nil {
		opt.Zone = time.FixedZone("", 7*3600)
	}
	w.Server, err = New(be, opt)
	check(t, err)
	w.addr = w.listen(false)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = w.Shutdown(ctx) // tests that shut down themselves come second here
	})
	return w
}

// plain is a world whose clients need no TLS.
func plain(t testing.TB) *world {
	t.Helper()
	return newWorld(t, Options{AllowInsecureAuthOnLoopback: true, SessionsPerUser: 1000}, nil)
}

func (w *world) listen(implicit bool) string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(w.t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Serve(context.Background(), l, implicit); err != nil {
			w.t.Errorf("Serve: %v", err)
		}
	}()
	w.t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) box(login, name string) mailstore.Mailbox {
	w.t.Helper()
	m, err := w.store.Lookup(w.t.Context(), mailstore.Owner{Account: w.ids[login]}, name)
	check(w.t, err)
	return m
}

func (w *world) unitBox(role mailstore.FolderRole) mailstore.Mailbox {
	w.t.Helper()
	var id mailstore.MailboxID
	check(w.t, w.db.View(w.t.Context(), func(r sqldb.Reader) (err error) {
		id, err = w.store.Role(w.t.Context(), r, w.unit.ID, role)
		return err
	}))
	m, err := w.store.Mailbox(w.t.Context(), id)
	check(w.t, err)
	return m
}

// put stores a message and gives its UID.
func (w *world) put(id mailstore.MailboxID, text string, f mailstore.Flags) mailstore.UID {
	w.t.Helper()
	b := w.store.NewBody()
	_, err := io.WriteString(b, text)
	check(w.t, err)
	done, err := b.Finish()
	check(w.t, err)
	defer done.Release()
	uids, err := w.store.Append(w.t.Context(), id, mailstore.Item{Body: done, Flags: f})
	check(w.t, err)
	return uids[0]
}

// fill puts n small messages into a mailbox in few transactions.
func (w *world) fill(id mailstore.MailboxID, n int) {
	w.t.Helper()
	for from := 0; from < n; from += 500 {
		var items []mailstore.Item
		for i := from; i < min(n, from+500); i++ {
			b := w.store.NewBody()
			fmt.Fprintf(b, "From: Van thu <vanthu@x.test>\r\nTo: canbo@x.test\r\nSubject: =?UTF-8?Q?C=C3=B4ng_v=C4=83n?= %d\r\nDate: Tue, 24 Nov 2026 08:30:00 +0700\r\n"+
				"Message-ID: <%d@x.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nKính gửi số %d\r\n", i, i, i)
			done, err := b.Finish()
			check(w.t, err)
			defer done.Release()
			items = append(items, mailstore.Item{Body: done})
		}
		_, err := w.store.Append(w.t.Context(), id, items...)
		check(w.t, err)
	}
}

// answerTime is how long a client waits after what it has sent.
const answerTime = 30 * time.Second

// client is a raw IMAP client: it sends lines and reads lines.
type client struct {
	t   testing.TB
	c   net.Conn
	r   *bufio.Reader
	seq int

	gives time.Duration // gives up after so long, as if the connection were closed; 0 means that answerTime ends the test

	last  string // tag of the last command of a transcript
	ended bool   // the connection is closed
}

func (w *world) dial() *client {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	check(w.t, err)
	return w.client(c)
}

func (w *world) client(c net.Conn) *client {
	w.t.Helper()
	w.t.Cleanup(func() { c.Close() })
	check(w.t, c.SetDeadline(time.Now().Add(answerTime)))
	cl := &client{t: w.t, c: c, r: bufio.NewReaderSize(c, 64<<10)}
	if got := cl.line(); !strings.HasPrefix(got, "* OK [CAPABILITY ") {
		w.t.Fatalf("greeting = %q", got)
	}
	return cl
}

// login dials and logs in.
func (w *world) login(who string) *client {
	w.t.Helper()
	cl := w.dial()
	cl.ok("LOGIN " + who + "@x.test " + w.pass[who])
	return cl
}

func (c *client) send(s string) {
	c.t.Helper()
	_ = c.c.SetDeadline(time.Now().Add(answerTime)) // a closed connection shows in the next line
	if _, err := io.WriteString(c.c, s); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// line reads one line; "" at the end of the connection.
func (c *client) line() string {
	c.t.Helper()
	_ = c.c.SetDeadline(time.Now().Add(cmp.Or(c.gives, answerTime))) // what is pushed is waited for as long
	s, err := c.r.ReadString('\n')
	if err != nil && s == "" {
		if ne, isNet := err.(net.Error); isNet && ne.Timeout() && c.gives == 0 {
			c.t.Fatal("no answer in time")
		}
		c.ended = true
		return ""
	}
	return strings.TrimRight(s, "\r\n")
}

// whole reads a response with its literals, each put into its line in braces.
func (c *client) whole() string {
	c.t.Helper()
	s := c.line()
	for {
		lit, at, is := announced([]byte(s))
		if !is || !strings.HasPrefix(s, "* ") {
			return s
		}
		raw := make([]byte, lit.size)
		if _, err := io.ReadFull(c.r, raw); err != nil {
			c.t.Fatalf("read literal: %v", err)
		}
		s = s[:at] + "{" + string(raw) + "}" + c.line()
	}
}

// do sends a command and gives the untagged lines and the tagged answer without its tag; literals are put into their lines.
func (c *client) do(cmd string) (untagged []string, tagged string) {
	c.t.Helper()
	c.seq++
	tag := "t" + strconv.Itoa(c.seq)
	c.send(tag + " " + cmd + "\r\n")
	return c.answer(tag)
}

func (c *client) answer(tag string) (untagged []string, tagged string) {
	c.t.Helper()
	for {
		s := c.whole()
		if s == "" {
			return untagged, "closed"
		}
		if rest, mine := strings.CutPrefix(s, tag+" "); mine {
			return untagged, rest
		}
		untagged = append(untagged, s)
		if strings.HasPrefix(s, "+") {
			return untagged, "+"
		}
	}
}

// ok sends a command that must succeed and gives its untagged lines.
func (c *client) ok(cmd string) []string {
	c.t.Helper()
	untagged, tagged := c.do(cmd)
	if !strings.HasPrefix(tagged, "OK") {
		c.t.Fatalf("%.200s: got %q, want OK", cmd, tagged)
	}
	return untagged
}

// refused sends a command that must be answered by an answer that begins so.
func (c *client) refused(cmd, want string) []string {
	c.t.Helper()
	untagged, tagged := c.do(cmd)
	if !strings.HasPrefix(tagged, want) {
		c.t.Errorf("%.200s: got %q, want %s", cmd, tagged, want)
	}
	return untagged
}

// alive checks that the stream is in step: a NOOP is answered by exactly its own answer.
func (c *client) alive() {
	c.t.Helper()
	if untagged, tagged := c.do("NOOP"); tagged != "OK NOOP completed" || len(untagged) > 0 {
		c.t.Errorf("NOOP: got %q %q, want nothing but OK", untagged, tagged)
	}
}

func testTLS(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	check(t, err)
	leaf, err := x509.ParseCertificate(der)
	check(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}},
		&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "localhost"}
}

func testActor() journal.Actor { return journal.Actor{Kind: journal.ActorSystem, Name: "test"} }
