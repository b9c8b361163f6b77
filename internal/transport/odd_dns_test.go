package transport_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vanthu/internal/queue"
	"vanthu/internal/transport"
)

// oddServer is a name server that gives the records of odd; what does not fit
// into a datagram is asked for again by TCP, as name servers do.
func oddServer(t *testing.T, odd map[string][]string) *transport.Resolver {
	t.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	handler := func(byTCP bool) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			ask := q.Question[0]
			for _, text := range odd[fmt.Sprint(dns.TypeToString[ask.Qtype], " ", strings.ToLower(ask.Name))] {
				rr, err := dns.NewRR(text)
				if err != nil {
					t.Error(err)
					return
				}
				m.Answer = append(m.Answer, rr)
			}
			if !byTCP && m.Len() > 1200 {
				m.Answer, m.Truncated = nil, true
			}
			_ = w.WriteMsg(m)
		}
	}
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: handler(false)}, {Listener: tcp, Handler: handler(true)}} {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go func() { _ = s.ActivateAndServe() }()
		<-up
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return transport.NewResolver(udp.LocalAddr().String())
}

// T157: answers of more than 10 KB are read whole, and aliases in a circle end.
func TestT157OddAnswers(t *testing.T) {
	p := startPeer(t)
	crowd := make([]string, 0, 401)
	for i := range 400 {
		crowd = append(crowd, fmt.Sprintf("peer.test. 60 IN MX 20 mx%03d.no-such-host.peer.test.", i))
	}
	crowd = append(crowd, "peer.test. 60 IN MX 10 mx.peer.test.")
	mx := []string{"peer.test. 60 IN MX 10 mx.peer.test."}
	for _, tt := range []struct {
		name  string
		odd   map[string][]string
		state queue.State
	}{
		{"10 KB", map[string][]string{"MX peer.test.": crowd, "A mx.peer.test.": {"mx.peer.test. 60 IN A 127.0.0.1"}}, queue.Done},
		{"an alias", map[string][]string{
			"MX peer.test.": {"peer.test. 60 IN CNAME b.test.", "b.test. 60 IN MX 10 mx.peer.test."}, "A mx.peer.test.": {"mx.peer.test. 60 IN A 127.0.0.1"},
		}, queue.Done},
		{"domains in a circle", map[string][]string{"MX peer.test.": {"peer.test. 60 IN CNAME b.test.", "b.test. 60 IN CNAME peer.test."}}, queue.Failed},
		{"hosts in a circle", map[string][]string{
			"MX peer.test.": mx, "A mx.peer.test.": {"mx.peer.test. 60 IN CNAME b.test.", "b.test. 60 IN CNAME mx.peer.test."},
		}, queue.Failed},
		{"a host that is an alias of itself", map[string][]string{"MX peer.test.": mx, "A mx.peer.test.": {"mx.peer.test. 60 IN CNAME mx.peer.test."}}, queue.Failed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := runWith(t, transport.Options{
				Routes: []transport.Route{{Domain: "*"}}, Resolver: oddServer(t, tt.odd), MXPort: p.addr.Port,
				Permit: func(netip.Addr) bool { return true },
			}, quick)
			begun := time.Now()
			w.enqueue(t, "vanthu@p.test", "a@peer.test")
			it := w.settled(t)["a@peer.test"]
			if it.State != tt.state || it.State == queue.Failed && it.LastText == "" {
				t.Errorf("%s: %q, want %s", it.State, it.LastText, tt.state)
			}
			t.Logf("%v: %s %q", time.Since(begun), it.State, it.LastText)
		})
	}
}
