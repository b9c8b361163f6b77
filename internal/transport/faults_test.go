package transport_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/foxcpp/go-mockdns"
	"github.com/miekg/dns"

	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/peer"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
	"vanthu/internal/transport"
)

// certificate makes one that signs itself.
func certificate(t *testing.T, until time.Time, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: until.Add(-48 * time.Hour), NotAfter: until, DNSNames: names,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// secure is a peer with STARTTLS.
func secure(t *testing.T, cert tls.Certificate) *peer2 {
	t.Helper()
	p := &peer2{server: &server{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().(*net.TCPAddr)
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		if st, ok := c.TLSConnectionState(); ok {
			p.shown.Store(int64(len(st.PeerCertificates)))
		}
		return &peerSession{p: p.server}, nil
	}))
	s.Domain, s.EnableSMTPUTF8 = "peer.test", true
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return p
}

type peer2 struct {
	*server
	shown atomic.Int64 // certificates that the client showed
}

// runWith starts a runner with options of a test.
func runWith(t *testing.T, opt transport.Options, q queue.Options) *world {
	t.Helper()
	w := &world{db: sqldbtest.Open(t), reports: &reports{}}
	w.queue = queue.New(w.db, q)
	opt.Hostname = "mail.p.test"
	if opt.Timeout == 0 {
		opt.Timeout = 5 * time.Second
	}
	r := transport.New(w.db, w.queue, bodies{}, w.reports, opt)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

var quick = queue.Options{Schedule: []time.Duration{50 * time.Millisecond}, Lifetime: 500 * time.Millisecond}

// A pinned certificate is the only one that is trusted; without TLS, and with
// another or an expired one, nothing is handed over, whatever the machine trusts.
func TestT158PinnedCertificate(t *testing.T) {
	good := certificate(t, time.Now().Add(time.Hour), "peer.test")
	for _, tt := range []struct {
		name string
		cert tls.Certificate
		pin  peer.Pin
		ok   bool
		says string
	}{
		{"right", good, peer.PinOf(good.Leaf), true, ""},
		{"wrong pin", certificate(t, time.Now().Add(time.Hour)), peer.PinOf(good.Leaf), false, "not the pinned one"},
		{"expired", certificate(t, time.Now().Add(-time.Hour)), peer.Pin{}, false, "expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := secure(t, tt.cert)
			if tt.pin == (peer.Pin{}) {
				tt.pin = peer.PinOf(tt.cert.Leaf)
			}
			rt := p.route()
			rt.Mode, rt.TLS = transport.TLSStart, transport.Pinned(tt.pin, time.Now)
			w := runWith(t, transport.Options{Routes: []transport.Route{rt}}, quick)
			w.enqueue(t, "vanthu@p.test", "a@peer.test")
			it := w.settled(t)["a@peer.test"]
			if (it.State == queue.Done) != tt.ok || !strings.Contains(it.LastText, tt.says) {
				t.Errorf("%s: %q", it.State, it.LastText)
			}
			if got := len(p.messages()); (got == 1) != tt.ok {
				t.Errorf("the server got %d messages", got)
			}
		})
	}
}

// A peer is reached over mutual TLS, and the message bears the queue id.
func TestPeerSeesOurCertificateAndQueueID(t *testing.T) {
	theirs, ours := certificate(t, time.Now().Add(time.Hour)), certificate(t, time.Now().Add(time.Hour))
	p := secure(t, theirs)
	db := sqldbtest.Open(t)
	reg, err := peer.Open(t.Context(), db, peer.Options{Self: peer.Card{Name: "mail.p.test"}})
	if err != nil {
		t.Fatal(err)
	}
	pem, err := peer.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	key, err := peer.ParseSigner(pem)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Add(t.Context(), sysActor(), peer.Card{
		Format: peer.CardFormat, Name: "mail.peer.test", Domains: []string{"peer.test"}, Hosts: []string{p.addr.String()},
		Pin: peer.PinOf(theirs.Leaf).String(), Key: peer.PublicText(key),
	}, func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	w := runWith(t, transport.Options{Peers: reg, Certificate: func() (*tls.Certificate, error) { return &ours, nil }}, quick)
	w.enqueue(t, "vanthu@p.test", "a@peer.test")
	if it := w.settled(t)["a@peer.test"]; it.State != queue.Done {
		t.Fatalf("%s: %s", it.State, it.LastText)
	}
	got := p.messages()
	if len(got) != 1 || !strings.HasSuffix(got[0], ": "+peer.TransferField+": Q1\r\n"+message) {
		t.Errorf("the peer got %q", got)
	}
	if p.shown.Load() != 1 {
		t.Errorf("we showed %d certificates, want 1", p.shown.Load())
	}
}

// Servers that misbehave in every way: each costs a bounded time, says why, and
// the others are served meanwhile.
func TestT156T158BadServersHoldUpNobody(t *testing.T) {
	alive := startPeer(t)
	raw := func(serve func(c net.Conn)) int {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					serve(c)
				}()
			}
		}()
		return l.Addr().(*net.TCPAddr).Port
	}
	hang := func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); time.Sleep(time.Second) }
	bad := map[string]int{
		"silent.test":  raw(hang),
		"closing.test": raw(func(net.Conn) {}),
		"refusing.test": raw(func(c net.Conn) {
			fmt.Fprint(c, "554 5.7.1 go away\r\n")
			hang(c)
		}),
		"busy.test": raw(func(c net.Conn) { fmt.Fprint(c, "421 4.3.2 too busy\r\n") }),
		"dribbling.test": raw(func(c net.Conn) {
			for range 100 {
				if _, err := fmt.Fprint(c, "2"); err != nil {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		}),
		"halfclosed.test": raw(func(c net.Conn) { // stops talking in the middle of DATA
			fmt.Fprint(c, "220 x\r\n")
			in := bufio.NewReader(c)
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if strings.HasPrefix(line, "DATA") {
					fmt.Fprint(c, "354 go\r\n")
					_ = c.(*net.TCPConn).CloseWrite()
					hang(c)
					return
				}
				fmt.Fprint(c, "250 ok\r\n")
			}
		}),
	}
	routes := []transport.Route{alive.route()}
	for d, port := range bad {
		routes = append(routes, transport.Route{Domain: d, Host: "127.0.0.1", Port: port, Mode: transport.TLSNone})
	}
	// A black hole: nobody answers at an address for documentation.
	routes = append(routes, transport.Route{Domain: "blackhole.test", Host: "192.0.2.1", Port: 25, Mode: transport.TLSNone})
	w := runWith(t, transport.Options{
		Routes: routes, Workers: 4, ConnectTimeout: 500 * time.Millisecond, Timeout: 300 * time.Millisecond, MessageTime: time.Second,
	}, queue.Options{Schedule: []time.Duration{200 * time.Millisecond}, Lifetime: 3 * time.Second})
	n := 0
	for d := range bad {
		for i := range 5 {
			w.enqueueAs(t, queue.ID(fmt.Sprint("B", n)), "vanthu@p.test", fmt.Sprintf("u%d@%s", i, d))
			n++
		}
	}
	w.enqueueAs(t, "H", "vanthu@p.test", "u@blackhole.test")
	begun := time.Now()
	for i := range 20 {
		w.enqueueAs(t, queue.ID(fmt.Sprint("G", i)), "vanthu@p.test", fmt.Sprintf("g%d@peer.test", i))
	}
	for len(alive.messages()) < 20 {
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("only %d of 20 messages reached the living server", len(alive.messages()))
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("20 messages reached the living server in %v", time.Since(begun))
	for rcpt, it := range w.settled(t) {
		want := queue.Failed
		if strings.HasSuffix(rcpt, "@peer.test") {
			want = queue.Done
		}
		if it.State != want || want == queue.Failed && it.LastText == "" {
			t.Errorf("%s: %s %q, want %s", rcpt, it.State, it.LastText, want)
		}
	}
	if got := len(w.reports.list()); got != n+1 {
		t.Errorf("%d reports, want one for each of %d messages", got, n+1)
	}
}

// Messages to one server share connections.
func TestConnectionsAreReused(t *testing.T) {
	p := startPeer(t)
	w := runWith(t, transport.Options{Routes: []transport.Route{p.route()}, PerDestination: 1}, quick)
	for i := range 30 {
		w.enqueueAs(t, queue.ID(fmt.Sprint("Q", i)), "vanthu@p.test", fmt.Sprintf("u%d@peer.test", i))
	}
	w.settled(t)
	if got := len(p.messages()); got != 30 {
		t.Errorf("%d messages, want 30", got)
	}
	if got := p.conns.Load(); got > 15 { // the first goes before the others are queued
		t.Errorf("30 messages took %d connections", got)
	}
}

// zoneServer answers like a validating resolver.
func zoneServer(t *testing.T, zones map[string]mockdns.Zone) *transport.Resolver {
	t.Helper()
	s, err := mockdns.NewServerWithLogger(zones, quietLog{}, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return transport.NewResolver(s.LocalAddr().String())
}

type quietLog struct{}

func (quietLog) Printf(string, ...interface{}) {}

// Mail by MX records: protection as the domain demands it, and no way into our
// own network. T157.
func TestT157MailByMX(t *testing.T) {
	cert := certificate(t, time.Now().Add(time.Hour), "mx.peer.test")
	p := secure(t, cert)
	plain := startPeer(t)
	tlsa := func(hash string) map[dns.Type][]dns.RR {
		return map[dns.Type][]dns.RR{dns.Type(dns.TypeTLSA): {&dns.TLSA{
			Hdr:   dns.RR_Header{Name: fmt.Sprintf("_%d._tcp.mx.peer.test.", p.addr.Port), Rrtype: dns.TypeTLSA, Class: dns.ClassINET, Ttl: 60},
			Usage: 3, Selector: 0, MatchingType: 1, Certificate: hash,
		}}}
	}
	mxAt := []net.MX{{Host: "mx.peer.test.", Pref: 10}}
	sts := "version: STSv1\nmode: enforce\nmx: other.peer.test\nmax_age: 86400\n"
	for _, tt := range []struct {
		name  string
		zones map[string]mockdns.Zone
		port  int
		allow bool
		sts   string
		state queue.State
		says  string
	}{
		{"opportunistic", map[string]mockdns.Zone{"peer.test.": {MX: mxAt}, "mx.peer.test.": {A: []string{"127.0.0.1"}}}, p.addr.Port, true, "", queue.Done, ""},
		{"in clear when there is no TLS", map[string]mockdns.Zone{"peer.test.": {MX: mxAt}, "mx.peer.test.": {A: []string{"127.0.0.1"}}}, plain.addr.Port, true, "", queue.Done, ""},
		{"DANE fits", map[string]mockdns.Zone{
			"peer.test.": {AD: true, MX: mxAt}, "mx.peer.test.": {AD: true, A: []string{"127.0.0.1"}},
			fmt.Sprintf("_%d._tcp.mx.peer.test.", p.addr.Port): {AD: true, Misc: tlsa(peer.PinOf(cert.Leaf).String())},
		}, p.addr.Port, true, "", queue.Done, ""},
		{"DANE does not fit", map[string]mockdns.Zone{
			"peer.test.": {AD: true, MX: mxAt}, "mx.peer.test.": {AD: true, A: []string{"127.0.0.1"}},
			fmt.Sprintf("_%d._tcp.mx.peer.test.", p.addr.Port): {AD: true, Misc: tlsa(strings.Repeat("00", 32))},
		}, p.addr.Port, true, "", queue.Failed, "DANE"},
		{"MTA-STS names other hosts", map[string]mockdns.Zone{
			"peer.test.": {MX: mxAt}, "mx.peer.test.": {A: []string{"127.0.0.1"}}, "_mta-sts.peer.test.": {TXT: []string{"v=STSv1; id=1;"}},
		}, p.addr.Port, true, sts, queue.Failed, "MTA-STS"},
		{"MTA-STS wants a certificate that is trusted", map[string]mockdns.Zone{
			"peer.test.": {MX: mxAt}, "mx.peer.test.": {A: []string{"127.0.0.1"}}, "_mta-sts.peer.test.": {TXT: []string{"v=STSv1; id=1;"}},
		}, p.addr.Port, true, strings.Replace(sts, "other.", "*.", 1), queue.Failed, "certificate"},
		{"no such domain", map[string]mockdns.Zone{"x.test.": {}}, p.addr.Port, true, "", queue.Failed, "5.1.2"},
		{"takes no mail", map[string]mockdns.Zone{"peer.test.": {MX: []net.MX{{Host: ".", Pref: 0}}}}, p.addr.Port, true, "", queue.Failed, "5.1.10"},
		{"leads to ourselves", map[string]mockdns.Zone{"peer.test.": {MX: []net.MX{{Host: "mail.p.test.", Pref: 0}}}}, p.addr.Port, true, "", queue.Failed, "5.4.6"},
		{"leads into our network", map[string]mockdns.Zone{"peer.test.": {MX: mxAt}, "mx.peer.test.": {A: []string{"127.0.0.1"}}}, p.addr.Port, false, "", queue.Failed, "public network"},
		{"the resolver fails", map[string]mockdns.Zone{"peer.test.": {Err: errors.New("broken")}}, p.addr.Port, true, "", queue.Failed, "SERVFAIL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opt := transport.Options{
				Routes: []transport.Route{{Domain: "*"}}, Resolver: zoneServer(t, tt.zones), MXPort: tt.port,
				Fetcher: func(context.Context, string) ([]byte, error) { return []byte(tt.sts), nil },
			}
			if tt.allow {
				opt.Permit = func(netip.Addr) bool { return true }
			}
			w := runWith(t, opt, quick)
			w.enqueue(t, "vanthu@p.test", "a@peer.test")
			if it := w.settled(t)["a@peer.test"]; it.State != tt.state || !strings.Contains(it.LastText, tt.says) {
				t.Errorf("%s: %q, want %s with %q", it.State, it.LastText, tt.state, tt.says)
			}
		})
	}
}

func sysActor() journal.Actor { return journal.System("test") }

// enqueueAs queues a message under a name of its own.
func (w *world) enqueueAs(t *testing.T, id queue.ID, from string, to ...string) {
	t.Helper()
	var rcpts []mail.Recipient
	for _, r := range to {
		rcpts = append(rcpts, mail.Recipient{Addr: parse(t, r)})
	}
	if err := w.db.Update(t.Context(), func(tx *sqldb.Tx) error {
		return w.queue.Enqueue(t.Context(), tx, id, 1, mail.Envelope{From: mail.Path{Address: parse(t, from)}}, rcpts)
	}); err != nil {
		t.Fatal(err)
	}
}
