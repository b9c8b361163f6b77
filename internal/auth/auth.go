// Package auth knows the ways to log in beyond sending a password: which SASL
// mechanisms a connection may be offered, and the server's side of each. The
// protocol servers carry its messages and keep PLAIN and LOGIN themselves, which
// have hardly any of their own; accounts, passwords and the brake on guessing
// are the directory's.
package auth

import (
	"context"
	"crypto/tls"
	"net/netip"

	"vanthu/internal/directory"
)

// Names of SASL mechanisms.
const (
	ScramPlus = "SCRAM-SHA-256-PLUS" // RFC 7677, bound to the TLS connection by RFC 9266
	Scram     = "SCRAM-SHA-256"      // RFC 7677
	External  = "EXTERNAL"           // RFC 4422, appendix A: by the certificate of the client
	Bearer    = "OAUTHBEARER"        // RFC 7628
	XOAuth2   = "XOAUTH2"            // what clients had before it
)

// Channel is the connection that somebody logs in over.
type Channel struct {
	Remote   netip.Addr
	Protocol directory.Protocol
	TLS      *tls.ConnectionState // nil without TLS
}

// Exchange is the server's side of one SASL exchange. In all mechanisms here
// the client speaks first.
type Exchange interface {
	// Next takes a message of the client. done says that the client has
	// proved who it is; otherwise answer goes to it, which may be empty. Errors are
	// those of [directory.Scram.Next]; after one the exchange is over.
	Next(ctx context.Context, message []byte) (answer []byte, done bool, err error)
	// Grant gives what the exchange has allowed, once it is done.
	Grant() directory.Grant
	// Login gives the login that the client has named, for the log; "" when it is none.
	Login() string
}

// Options tunes Mechanisms; the zero value works.
type Options struct {
	// NoScram leaves SCRAM out: for when passwords are checked by another
	// directory, which needs to see them. A client chooses its mechanism before it
	// says who it is, so that this holds for all accounts.
	NoScram bool
	Tokens  *Tokens       // nil offers neither OAUTHBEARER nor XOAUTH2
	Nonce   func() string // see directory.ScramOptions
}

// Mechanisms offers exchanges. Its methods may be called concurrently.
type Mechanisms struct {
	dir *directory.Directory
	opt Options
}

// New returns the mechanisms for the accounts of d.
func New(d *directory.Directory, opt Options) *Mechanisms { return &Mechanisms{dir: d, opt: opt} }

// Offered lists the mechanisms that may be announced to ch, the strongest first.
func (m *Mechanisms) Offered(ch Channel) []string {
	var list []string
	if certified(ch) {
		list = append(list, External)
	}
	if !m.opt.NoScram {
		if binding(ch) != nil {
			list = append(list, ScramPlus)
		}
		list = append(list, Scram)
	}
	if m.tokens(ch) {
		list = append(list, Bearer, XOAuth2)
	}
	return list
}

// tokens tells whether tokens are taken: whoever has read one can use it, so never without TLS.
func (m *Mechanisms) tokens(ch Channel) bool { return m.opt.Tokens != nil && ch.TLS != nil }

// Holds tells whether a session that g opened may go on.
func (m *Mechanisms) Holds(g directory.Grant) bool { return m.dir.Snapshot().StillValid(g) }

// Begin begins an exchange; false when the mechanism, by its name in capitals, is not offered to ch.
func (m *Mechanisms) Begin(name string, ch Channel) (Exchange, bool) {
	if name == External && certified(ch) {
		return &external{m: m, ch: ch}, true
	}
	if (name == Bearer || name == XOAuth2) && m.tokens(ch) {
		return &bearer{m: m, ch: ch, x: name == XOAuth2}, true
	}
	bind := binding(ch)
	if m.opt.NoScram {
		return nil, false
	}
	if name == Scram || name == ScramPlus && bind != nil {
		return m.dir.Scram(directory.ScramOptions{
			Remote: ch.Remote, Protocol: ch.Protocol, Binding: bind, Plus: name == ScramPlus, Nonce: m.opt.Nonce,
		}), true
	}
	return nil, false
}

// binding gives the tls-exporter value of RFC 9266, section 4: there is one with TLS 1.3, and with TLS 1.2 when client and server have
// agreed on the extended master secret (RFC 7627). tls-unique is never offered: it does not hold without the latter.
// tls-server-end-point is not either: it would tell apart servers, not connections.
func binding(ch Channel) []byte {
	if ch.TLS == nil {
		return nil
	}
	value, err := ch.TLS.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	if err != nil {
		return nil
	}
	return value
}

var (
	_ Exchange = (*directory.Scram)(nil)
	_ Exchange = (*external)(nil)
	_ Exchange = (*bearer)(nil)
)
