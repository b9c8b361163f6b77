package smtpd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"vanthu/internal/auth"
	"vanthu/internal/wire"
)

// A Service is one kind of SMTP service; each listener has one.
type Service uint8

// The services.
const (
	Submission  Service = iota // port 587: STARTTLS, AUTH required. RFC 6409
	Submissions                // port 465: the same inside TLS from the start. RFC 8314
	Relay                      // port 25: recipients of ours only, no AUTH. RFC 5321
	LMTP                       // a local port: one reply for each recipient after the data. RFC 2033
)

// String gives the service's name as logs and configuration have it.
func (s Service) String() string {
	switch s {
	case Submission:
		return "submission"
	case Submissions:
		return "submissions"
	case Relay:
		return "relay"
	case LMTP:
		return "lmtp"
	}
	return "service"
}

// authenticates tells whether users log in on the service, and must before they send.
func (s Service) authenticates() bool { return s == Submission || s == Submissions }

// Options tunes a Server. The zero value works but for Hostname and Domain, which default to "localhost".
type Options struct {
	Hostname string // our name in the greeting and the EHLO reply; "" means "localhost"
	Domain   string // the primary mail domain, to which RCPT TO:<postmaster> goes; "" means Hostname

	// TLS has the certificates. Without it STARTTLS is not offered, Submissions cannot be served, and nobody can log in but on loopback
	// with AllowInsecureAuthOnLoopback. Versions below 1.2 are refused whatever it says; on Relay session tickets are off, because
	// Microsoft's senders fail with them (golang/go#70232).
	TLS *tls.Config
	// AskCertificate tells whether clients of the relay port are asked for a
	// certificate; they need not have one. Nil means never.
	AskCertificate func() bool

	// AllowInsecureAuthOnLoopback lets clients on a loopback address log in without TLS: for the demo, for benchmarks, and for a proxy
	// on the same machine. Clear-text passwords never cross a network.
	AllowInsecureAuthOnLoopback bool

	// ClientCAs are the authorities that vouch for people's certificates: with them Submission and Submissions ask clients for one, and
	// one that does not hold ends the handshake. nil asks for none.
	ClientCAs *x509.CertPool

	// Auth offers ways to log in besides PLAIN and LOGIN; nil means none.
	Auth *auth.Mechanisms

	LMTPPeers []netip.Prefix // hosts besides loopback that may use LMTP, which is not authenticated

	Gate      *wire.Gate // limits connections of Submission and Submissions; imapd may share it. nil means one of its own: 100 per address
	RelayGate *wire.Gate // limits connections of Relay; nil means one of its own: 50 per address

	MaxMessage    int64 // octets of a message; 0 means 50 MiB
	MaxRecipients int   // of one message; 0 means 1,000
	MaxLine       int   // octets of a command with its CRLF; 0 means 2,048
	MaxTextLine   int   // octets of a line of a message; 0 means 1 MiB

	// MaxHold is how far in the future a logged-in sender may have a message released (FUTURERELEASE, RFC 4865); 0 means the extension is
	// not offered.
	MaxHold time.Duration

	MaxRefused      int // refused recipients of one connection; 0 means 20. From the 5th on each costs a second
	MaxBadCommands  int // commands of one connection that fail for their form; 0 means 10
	MaxIdleCommands int // NOOP, RSET, VRFY, EHLO … without a message between; 0 means 100
	MaxAuthFailures int // failed logins of one connection; 0 means 3

	LoginTime     time.Duration // greeting to a successful login; 0 means 60s
	CommandTime   time.Duration // longest wait for a command; 0 means 5m. RFC 5321, section 4.5.3.2.7
	SessionTime   time.Duration // longest session; 0 means 30m. A message under way is still taken
	DataIdle      time.Duration // longest pause within a message; 0 means 3m
	DataTime      time.Duration // longest time for one message; 0 means 10m
	DataRate      int64         // octets per second, on average, from DataIdle on; 0 means 500
	WriteTime     time.Duration // longest time for the client to take a reply; 0 means 60s
	HandshakeTime time.Duration // longest TLS handshake; 0 means 30s

	// GreetDelay is how long Relay listens before it greets: who talks first is no mail server and is refused. 0 means 100ms, negative
	// means no wait.
	GreetDelay time.Duration

	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil means none
}

const (
	maxAuthLine   = 12288           // octets of an AUTH command or answer. RFC 4954, section 4
	maxSkip       = 1 << 20         // octets of an over-long command that are skipped before the connection is given up
	maxLongLines  = 3               // over-long commands of one connection
	slowRefusals  = 5               // refused recipients from which on each costs refusalDelay
	refusalDelay  = time.Second     //
	lingerTime    = 2 * time.Second // for taking what a client still sends when we close
	lingerOctets  = 8 << 20         //
	shutdownGrace = 30 * time.Second
	maxHold       = 999_999_999 * time.Second // RFC 4865, section 4: nine digits
)

// defaulted returns o with zero values replaced, or what is wrong with it.
func (o Options) defaulted() (Options, error) {
	if o.MaxMessage < 0 || o.MaxRecipients < 0 || o.MaxLine < 0 || o.MaxTextLine < 0 {
		return o, errors.New("smtpd: a negative limit")
	}
	if o.Hostname == "" {
		o.Hostname = "localhost"
	}
	if o.Domain == "" {
		o.Domain = o.Hostname
	}
	for _, d := range []struct {
		n   *int
		def int
	}{
		{&o.MaxRecipients, 1000}, {&o.MaxLine, 2048}, {&o.MaxTextLine, 1 << 20}, {&o.MaxRefused, 20},
		{&o.MaxBadCommands, 10}, {&o.MaxIdleCommands, 100}, {&o.MaxAuthFailures, 3},
	} {
		if *d.n == 0 {
			*d.n = d.def
		}
	}
	for _, d := range []struct {
		t   *time.Duration
		def time.Duration
	}{
		{&o.LoginTime, time.Minute}, {&o.CommandTime, 5 * time.Minute}, {&o.SessionTime, 30 * time.Minute},
		{&o.DataIdle, 3 * time.Minute}, {&o.DataTime, 10 * time.Minute}, {&o.WriteTime, time.Minute},
		{&o.HandshakeTime, 30 * time.Second}, {&o.GreetDelay, 100 * time.Millisecond},
	} {
		if *d.t == 0 {
			*d.t = d.def
		}
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = 50 << 20
	}
	if o.DataRate == 0 {
		o.DataRate = 500
	}
	if o.MaxLine > maxAuthLine {
		return o, errors.New("smtpd: MaxLine above 12288 octets")
	}
	if o.MaxHold < 0 || o.MaxHold > maxHold {
		return o, errors.New("smtpd: MaxHold below 0 or above 999,999,999 s")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Gate == nil {
		o.Gate = wire.NewGate(wire.GateOptions{})
	}
	if o.RelayGate == nil {
		o.RelayGate = wire.NewGate(wire.GateOptions{PerAddr: 50})
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}
