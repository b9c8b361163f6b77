package transport_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/xdg-go/scram"

	"vanthu/internal/mail"
	"vanthu/internal/queue"
	"vanthu/internal/transport"
)

const (
	routeUser     = "tinh"
	routePassword = "mật khẩu"
)

// keeper is a next server that takes mail only after a log-in.
type keeper struct {
	server
	offers []string
	creds  scram.StoredCredentials

	mu   sync.Mutex
	used []string // mechanisms, in the order of their use
}

func startKeeper(t *testing.T, offers []string) *keeper {
	t.Helper()
	k := &keeper{offers: offers}
	c, err := scram.SHA256.NewClient(routeUser, routePassword, "")
	if err != nil {
		t.Fatal(err)
	}
	if k.creds, err = c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789abcdef", Iters: 4096}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.addr = l.Addr().(*net.TCPAddr)
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &keeperSession{peerSession: peerSession{p: &k.server}, k: k}, nil
	}))
	s.Domain, s.AllowInsecureAuth = "peer.test", true
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-done); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	return k
}

type keeperSession struct {
	peerSession
	k  *keeper
	in bool
}

func (s *keeperSession) AuthMechanisms() []string { return s.k.offers }

func (s *keeperSession) Mail(from string, opt *smtp.MailOptions) error {
	if !s.in {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "log in first"}
	}
	return s.peerSession.Mail(from, opt)
}

func (s *keeperSession) check(user, password string) error {
	if s.in = user == routeUser && password == routePassword; !s.in {
		return smtp.ErrAuthFailed
	}
	return nil
}

func (s *keeperSession) Auth(mech string) (sasl.Server, error) {
	if !slices.Contains(s.k.offers, mech) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	s.k.mu.Lock()
	s.k.used = append(s.k.used, mech)
	s.k.mu.Unlock()
	switch mech {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return s.check(user, password) }), nil
	case sasl.Login:
		return &loginServer{s: s}, nil
	default:
		srv, err := scram.SHA256.NewServer(func(user string) (scram.StoredCredentials, error) {
			if user != routeUser {
				return scram.StoredCredentials{}, errors.New("nobody is called so")
			}
			return s.k.creds, nil
		})
		if err != nil {
			return nil, err
		}
		return &scramServer{s: s, conv: srv.NewConversation()}, nil
	}
}

// loginServer asks for name and password one after the other.
type loginServer struct {
	s     *keeperSession
	asked int
	user  string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil && l.asked == 0 { // the name came with the command
		l.asked = 1
	}
	l.asked++
	switch l.asked {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	default:
		return nil, true, l.s.check(l.user, string(response))
	}
}

type scramServer struct {
	s    *keeperSession
	conv *scram.ServerConversation
}

func (c *scramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if c.conv.Done() { // the client's empty answer to the server's signature
		c.s.in = true
		return nil, true, nil
	}
	answer, err := c.conv.Step(string(response))
	if err != nil {
		return nil, false, smtp.ErrAuthFailed
	}
	return []byte(answer), false, nil
}

// A route logs in by the method it is told, else by the strongest that both
// know; who is not let in loses no mail, and the sender hears of it in the end.
func TestRouteLogsIn(t *testing.T) {
	all := []string{"LOGIN", "PLAIN", "SCRAM-SHA-256"}
	tests := []struct {
		name     string
		offers   []string
		auth     transport.AuthMethod
		password string
		want     string // the mechanism; "" for none
		says     string // "" when the mail goes out
	}{
		{"strongest", all, transport.AuthAny, routePassword, "SCRAM-SHA-256", ""},
		{"strongest of two", []string{"LOGIN", "PLAIN"}, transport.AuthAny, routePassword, "PLAIN", ""},
		{"the only one", []string{"LOGIN"}, transport.AuthAny, routePassword, "LOGIN", ""},
		{"SCRAM as told", all, transport.AuthSCRAM, routePassword, "SCRAM-SHA-256", ""},
		{"PLAIN as told", all, transport.AuthPlain, routePassword, "PLAIN", ""},
		{"LOGIN as told", all, transport.AuthLogin, routePassword, "LOGIN", ""},
		{"SCRAM, wrong password", all, transport.AuthSCRAM, "sai", "SCRAM-SHA-256", "535"},
		{"PLAIN, wrong password", all, transport.AuthPlain, "sai", "PLAIN", "535"},
		{"LOGIN, wrong password", all, transport.AuthLogin, "sai", "LOGIN", "535"},
		{"told what is not offered", []string{"PLAIN"}, transport.AuthSCRAM, routePassword, "", "log in to the next server"},
		{"nothing known", []string{"X-OWN"}, transport.AuthAny, routePassword, "", "no log-in that is known here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := startKeeper(t, tt.offers)
			rt := k.route()
			rt.Auth, rt.Username, rt.Password = tt.auth, routeUser, tt.password
			w := runWith(t, transport.Options{Routes: []transport.Route{rt}}, quick)
			w.queueWith(t, mail.Envelope{From: mail.Path{Address: parse(t, "a@p.test")}}, mail.Recipient{Addr: parse(t, "b@peer.test")})
			it := w.settled(t)["b@peer.test"]
			if got := len(k.messages()); (got == 1) != (tt.says == "") {
				t.Errorf("%d messages arrived; want one: %v", got, tt.says == "")
			}
			want, told := queue.Done, 0
			if tt.says != "" {
				want, told = queue.Failed, 1
			}
			if it.State != want || !strings.Contains(it.LastText, tt.says) {
				t.Errorf("ends as %s with %q, want %s with %q", it.State, it.LastText, want, tt.says)
			}
			if strings.Contains(it.LastText, tt.password) {
				t.Errorf("the password is in %q", it.LastText)
			}
			if got := len(w.reports.list()); got != told {
				t.Errorf("%d reports, want %d", got, told)
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			if tt.want == "" && len(k.used) > 0 || tt.want != "" && (len(k.used) == 0 || slices.ContainsFunc(k.used, func(m string) bool { return m != tt.want })) {
				t.Errorf("logged in by %v, want %q", k.used, tt.want)
			}
		})
	}
}

// RouteUnits tells who may send by the most specific route.
func TestRouteUnits(t *testing.T) {
	r := transport.New(nil, nil, nil, nil, transport.Options{Routes: []transport.Route{
		{Domain: "*", Units: []string{"H18"}},
		{Domain: ".bo.test", Host: "h.test", Units: []string{"UBND", "syt@p.test"}},
		{Domain: "mo.bo.test", Host: "h.test"},
	}})
	for _, tt := range []struct{ domain, want string }{
		{"world.test", "H18"}, {"a.bo.test", "UBND syt@p.test"}, {"bo.test", "H18"}, {"mo.bo.test", ""},
	} {
		if got := strings.Join(r.RouteUnits(tt.domain), " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.domain, got, tt.want)
		}
	}
}
