package transport_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vanthu/internal/delivery"
	"vanthu/internal/mail"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
	"vanthu/internal/transport"
)

// wireServer is a server that offers what it is told to and notes what it is sent.
type wireServer struct {
	addr   *net.TCPAddr
	offers []string

	mu    sync.Mutex
	lines []string // MAIL and RCPT as they came
	body  string
}

func startWire(t *testing.T, offers ...string) *wireServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &wireServer{addr: l.Addr().(*net.TCPAddr), offers: offers}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.serve(c)
		}
	}()
	return s
}

func (s *wireServer) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	fmt.Fprint(c, "220 peer.test\r\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\r\n")
		verb, _, _ := strings.Cut(line, " ")
		switch verb {
		case "EHLO":
			fmt.Fprint(c, "250-peer.test\r\n")
			for _, o := range s.offers {
				fmt.Fprintf(c, "250-%s\r\n", o)
			}
			fmt.Fprint(c, "250 HELP\r\n")
		case "MAIL", "RCPT":
			s.mu.Lock()
			s.lines = append(s.lines, line)
			s.mu.Unlock()
			fmt.Fprint(c, "250 ok\r\n")
		case "DATA":
			fmt.Fprint(c, "354 go\r\n")
			var b strings.Builder
			for {
				l, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(l, "."))
			}
			s.take(b.String())
			fmt.Fprint(c, "250 taken\r\n")
		case "BDAT":
			n, err := strconv.Atoi(strings.Fields(line)[1])
			if err != nil {
				return
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(in, b); err != nil {
				return
			}
			s.take(string(b))
			fmt.Fprint(c, "250 taken\r\n")
		case "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "500 what\r\n")
		}
	}
}

func (s *wireServer) take(body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body = body
}

func (s *wireServer) route() transport.Route {
	return transport.Route{Domain: "peer.test", Host: "127.0.0.1", Port: s.addr.Port, Mode: transport.TLSNone}
}

func (w *world) queueWith(t *testing.T, env mail.Envelope, to mail.Recipient) {
	t.Helper()
	if err := w.db.Update(t.Context(), func(tx *sqldb.Tx) error {
		return w.queue.Enqueue(t.Context(), tx, "Q1", 1, env, []mail.Recipient{to})
	}); err != nil {
		t.Fatal(err)
	}
}

func parse(t *testing.T, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s, true)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What the sender asked for goes to the next server in the words of each RFC, and only what that server offers.
func TestWishesArePassedOn(t *testing.T) {
	all := []string{"SIZE", "8BITMIME", "SMTPUTF8", "DSN", "MT-PRIORITY", "DELIVERBY", "CHUNKING", "BINARYMIME"}
	env := mail.Envelope{
		From: mail.Path{Address: parse(t, "van.thu@p.test")}, ID: "a+b", Ret: mail.ReturnHeaders, Priority: 6,
		By: mail.DeliverBy{Deadline: time.Now().Add(time.Hour), Mode: mail.ByNotify, Trace: true},
	}
	to := mail.Recipient{Addr: parse(t, "x@peer.test"), Notify: mail.NotifySuccess | mail.NotifyFailure, Original: "a+b@p.test", OriginalType: mail.AddressRFC822}
	tests := []struct {
		name   string
		offers []string
		body   mail.BodyType
		mail   string // with ? for what time makes of it
		rcpt   string
	}{
		{"all", all, mail.Body8BitMIME, "MAIL FROM:<van.thu@p.test> SIZE=25 BODY=8BITMIME RET=HDRS ENVID=a+2Bb MT-PRIORITY=6 BY=?;NT", "RCPT TO:<x@peer.test> NOTIFY=SUCCESS,FAILURE ORCPT=RFC822;a+2Bb@p.test"},
		{"nothing", nil, mail.Body7Bit, "MAIL FROM:<van.thu@p.test> ", "RCPT TO:<x@peer.test>"},
		{"binary", all, mail.BodyBinaryMIME, "MAIL FROM:<van.thu@p.test> SIZE=25 BODY=BINARYMIME RET=HDRS ENVID=a+2Bb MT-PRIORITY=6 BY=?;NT", "RCPT TO:<x@peer.test> NOTIFY=SUCCESS,FAILURE ORCPT=RFC822;a+2Bb@p.test"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startWire(t, tt.offers...)
			w := run(t, s.route())
			e := env
			e.Body = tt.body
			w.queueWith(t, e, to)
			if it := w.settled(t)["x@peer.test"]; it.State != queue.Done {
				t.Fatalf("%s: %s", it.State, it.LastText)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.lines) != 2 || s.lines[1] != tt.rcpt {
				t.Fatalf("sent %q, want %q", s.lines, tt.rcpt)
			}
			head, tail, _ := strings.Cut(tt.mail, "?")
			if !strings.HasPrefix(s.lines[0], head) || !strings.HasSuffix(s.lines[0], tail) {
				t.Errorf("sent %q, want %q", s.lines[0], tt.mail)
			}
			if s.body != message {
				t.Errorf("body %q, want %q", s.body, message)
			}
		})
	}
}

// What the next server cannot take fails at once, with the code that tells the sender why.
func TestWhatTheNextServerLacks(t *testing.T) {
	from := mail.Path{Address: parse(t, "van.thu@p.test")}
	past := mail.DeliverBy{Deadline: time.Now().Add(-time.Second), Mode: mail.ByReturn}
	tests := []struct {
		name   string
		env    mail.Envelope
		to     string
		offers []string
		status string
	}{
		{"address beyond ASCII", mail.Envelope{From: from}, "phòng@peer.test", []string{"8BITMIME"}, "5.6.7"},
		{"sender beyond ASCII", mail.Envelope{From: mail.Path{Address: parse(t, "phòng@p.test")}}, "x@peer.test", []string{"8BITMIME"}, "5.6.7"},
		{"header beyond ASCII", mail.Envelope{From: from, UTF8: true, Body: mail.Body8BitMIME}, "x@peer.test", []string{"8BITMIME"}, "5.6.9"},
		{"binary", mail.Envelope{From: from, Body: mail.BodyBinaryMIME}, "x@peer.test", []string{"CHUNKING", "8BITMIME"}, "5.6.3"},
		{"8-bit", mail.Envelope{From: from, Body: mail.Body8BitMIME}, "x@peer.test", nil, "5.6.3"},
		{"REQUIRETLS in the clear", mail.Envelope{From: from, RequireTLS: true}, "x@peer.test", []string{"REQUIRETLS"}, "5.7.30"},
		{"late", mail.Envelope{From: from, By: past}, "x@peer.test", []string{"DELIVERBY"}, "5.4.7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startWire(t, tt.offers...)
			w := run(t, s.route())
			w.queueWith(t, tt.env, mail.Recipient{Addr: parse(t, tt.to)})
			if it := w.settled(t)[tt.to]; it.State != queue.Failed || it.Attempts > 1 {
				t.Errorf("%s after %d attempts: %s", it.State, it.Attempts, it.LastText)
			}
			got := w.reports.list()
			if len(got) != 1 || got[0].Recipients[0].Status != tt.status || string(got[0].Original) != message {
				t.Errorf("reports %+v, want one with %s", got, tt.status)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.lines) != 0 {
				t.Errorf("the server was sent %q", s.lines)
			}
		})
	}
}

// RFC 3461, section 5.2.2: who knows DSN reports itself; for who does not, we say that it was relayed.
func TestRelayedIsReported(t *testing.T) {
	by := mail.DeliverBy{Deadline: time.Now().Add(time.Hour), Mode: mail.ByNotify, Trace: true}
	tests := []struct {
		name   string
		offers []string
		notify mail.Notify
		by     mail.DeliverBy
		want   bool
	}{
		{"next server knows DSN", []string{"DSN"}, mail.NotifySuccess, mail.DeliverBy{}, false},
		{"next server does not", nil, mail.NotifySuccess, mail.DeliverBy{}, true},
		{"nobody asked", nil, 0, mail.DeliverBy{}, false},
		{"trace", []string{"DSN", "DELIVERBY"}, 0, by, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startWire(t, tt.offers...)
			w := run(t, s.route())
			w.queueWith(t, mail.Envelope{From: mail.Path{Address: parse(t, "van.thu@p.test")}, By: tt.by},
				mail.Recipient{Addr: parse(t, "x@peer.test"), Notify: tt.notify})
			w.settled(t)
			got := w.reports.list()
			if (len(got) == 1) != tt.want {
				t.Fatalf("reports %+v, want one: %v", got, tt.want)
			}
			if tt.want && got[0].Recipients[0].Action != delivery.Relayed {
				t.Errorf("action %s, want relayed", got[0].Recipients[0].Action)
			}
		})
	}
}

// T041: what a server says in the clear behind its consent to TLS is nobody's word. RFC 3207, section 6.
func TestRepliesInjectedBeforeTLS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	more := make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(c)
			fmt.Fprint(c, "220 peer.test\r\n")
			if _, err := in.ReadString('\n'); err == nil {
				fmt.Fprint(c, "250-peer.test\r\n250 STARTTLS\r\n")
			}
			if _, err := in.ReadString('\n'); err == nil {
				fmt.Fprint(c, "220 go\r\n250 peer.test\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")
			}
			if line, err := in.ReadString('\n'); err == nil {
				more <- line
			}
			c.Close()
		}
	}()
	rt := transport.Route{Domain: "peer.test", Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Mode: transport.TLSStart}
	w := run(t, rt)
	w.enqueue(t, "vanthu@p.test", "x@peer.test")
	if it := w.settled(t)["x@peer.test"]; it.State != queue.Failed {
		t.Errorf("%s: %s", it.State, it.LastText)
	}
	select {
	case line := <-more:
		t.Errorf("the server was sent %q in the clear", line)
	default:
	}
}
