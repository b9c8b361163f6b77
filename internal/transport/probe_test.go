package transport_test

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"vanthu/internal/queue"
	"vanthu/internal/sqldb/sqldbtest"
	"vanthu/internal/transport"
)

// Probing tells which next servers would take mail, and why others would not;
// no mail is named to any of them.
func TestProbe(t *testing.T) {
	good := startPeer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port at which nobody answers
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	noTLS := transport.Route{Domain: "tls.test", Host: "127.0.0.1", Port: good.addr.Port, Mode: transport.TLSStart, TLS: &tls.Config{MinVersion: tls.VersionTLS12}}
	db := sqldbtest.Open(t)
	r := transport.New(db, queue.New(db, queue.Options{}), bodies{}, &reports{}, transport.Options{
		Hostname: "mail.p.test", ConnectTimeout: 5 * time.Second,
		Routes: []transport.Route{good.route(), {Domain: "dead.test", Host: "127.0.0.1", Port: dead, Mode: transport.TLSNone}, noTLS, {Domain: "*"}},
	})
	list := r.Probe(t.Context())
	if len(list) != 4 {
		t.Fatalf("%d answers, want 4: %+v", len(list), list)
	}
	for i, want := range []struct {
		name    string
		asked   bool
		problem string
	}{{"peer.test", true, ""}, {"dead.test", true, "connect"}, {"tls.test", true, "does not offer STARTTLS"}, {"*", false, ""}} {
		got := list[i]
		problem := ""
		if got.Err != nil {
			problem = got.Err.Error()
		}
		if got.Name != want.name || got.Asked != want.asked || (problem == "") != (want.problem == "") || !strings.Contains(problem, want.problem) {
			t.Errorf("%s: got %+v, want asked %v and %q", want.name, got, want.asked, want.problem)
		}
	}
	if n := len(good.messages()); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}
