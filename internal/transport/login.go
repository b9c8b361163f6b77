package transport

import (
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/xdg-go/scram"
)

// login logs in with the route's method, or with the strongest that both know.
// Passwords in clear go only over TLS or to this very machine; the
// configuration sees to that.
func login(c *smtp.Client, rt Route) error {
	_, offered := c.Extension("AUTH")
	has := func(mech string) bool {
		for _, m := range strings.Fields(offered) {
			if strings.EqualFold(m, mech) {
				return true
			}
		}
		return false
	}
	method := rt.Auth
	if method == AuthAny {
		switch {
		case has("SCRAM-SHA-256"):
			method = AuthSCRAM
		case has("PLAIN"):
			method = AuthPlain
		case has("LOGIN"):
			method = AuthLogin
		default:
			return fmt.Errorf("it offers no log-in that is known here, only %q", offered)
		}
	}
	switch method {
	case AuthSCRAM:
		client, err := scram.SHA256.NewClient(rt.Username, rt.Password, "")
		if err != nil {
			return err
		}
		return c.Auth(&scramClient{conv: client.NewConversation()})
	case AuthLogin:
		return c.Auth(sasl.NewLoginClient(rt.Username, rt.Password))
	default:
		return c.Auth(sasl.NewPlainClient("", rt.Username, rt.Password))
	}
}

// scramClient is a SCRAM-SHA-256 conversation (RFC 7677) as the library wants it.
type scramClient struct{ conv *scram.ClientConversation }

func (s *scramClient) Start() (mech string, ir []byte, err error) {
	first, err := s.conv.Step("")
	return "SCRAM-SHA-256", []byte(first), err
}

func (s *scramClient) Next(challenge []byte) ([]byte, error) {
	answer, err := s.conv.Step(string(challenge))
	if err != nil {
		return nil, err
	}
	return []byte(answer), nil
}
