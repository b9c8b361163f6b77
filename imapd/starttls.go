package imapd

import (
	"errors"
	"time"

	"vanthu/internal/wire"
)

// runStartTLS answers STARTTLS (RFC 9051, section 6.2.1). Octets that came in the clear behind the command end the connection: they
// must not be taken for protected input.
func (s *session) runStartTLS(cmd *command) result {
	if !cmd.args.end() {
		return syntax("STARTTLS takes no arguments")
	}
	if !s.c.mayStartTLS() {
		return syntax("STARTTLS is not available")
	}
	if len(s.c.Buffered()) > 0 {
		return hangUp("Input after STARTTLS")
	}
	s.c.reply(cmd.tag, ok("Begin TLS negotiation now"))
	if err := s.c.StartTLS(s.srv.opt.TLS, handshakeTime); err != nil {
		if !errors.Is(err, wire.ErrTimeout) {
			s.log.Debug("starttls", "err", err)
		}
		return hangUp("TLS negotiation failed")
	}
	s.c.Phase(wire.Pace{Until: time.Now().Add(loginTime)})
	s.c.bads = 0
	return result{done: true}
}
