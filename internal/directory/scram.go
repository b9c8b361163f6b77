package directory

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"strings"

	"github.com/xdg-go/scram"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// Errors of exchanges beside a wrong name or password.
var (
	// ErrMalformed is of kind fault.Invalid: the client's message is none of the mechanism.
	ErrMalformed = fault.New(fault.Invalid, fault.Text{EN: "malformed log-in message", VI: "thông điệp đăng nhập sai dạng"})
	// ErrAuthorization is of kind fault.Denied: somebody wants to act for another account.
	ErrAuthorization = fault.New(fault.Denied, fault.Text{
		EN: "you cannot act for another account", VI: "không được thay mặt tài khoản khác",
	})
	errBinding = fault.New(fault.Denied, fault.Text{
		EN: "this is not the secure connection that the client has made", VI: "kết nối bảo mật không phải của chính máy khách",
	})
)

// ScramOptions says what an exchange is part of.
type ScramOptions struct {
	Remote   netip.Addr
	Protocol Protocol
	// Binding is the connection's tls-exporter value (RFC 9266); nil without
	// TLS. With it SCRAM-SHA-256-PLUS was announced, and a client that says it
	// was not is refused: somebody has taken it out of the list.
	Binding []byte
	Plus    bool          // the client has chosen SCRAM-SHA-256-PLUS
	Nonce   func() string // the server's part of the nonce: printable ASCII without comma; nil makes a random one
}

// Scram is the server's side of one exchange of SCRAM-SHA-256 or
// SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677). A client that says a login that
// does not exist, or an account whose password has no keys, is led through the same
// steps and refused at the end like one with a wrong password.
//
// An account has several passwords when it has app passwords. All have one
// salt, so one conversation is held for each, with the same nonce, and the one
// whose proof fits counts.
type Scram struct {
	d     *Directory
	opt   ScramOptions
	step  int
	who   pair
	grant Grant
	convs []scramConv
}

type scramConv struct {
	*scram.ServerConversation
	by  Means // "" when nobody's: such a conversation never ends well
	app AppPasswordID
}

// maxScramMessage bounds what a client may send in one step: a login of 254 octets twice, a nonce, and room.
const maxScramMessage = 2048

// Scram begins an exchange.
func (d *Directory) Scram(opt ScramOptions) *Scram {
	if opt.Nonce == nil {
		opt.Nonce = rand.Text
	}
	return &Scram{d: d, opt: opt}
}

// Next takes the client's next message and gives the server's; done, together with
// none, says that the client has proved itself, see [Scram.Grant]. Errors
// are those of [Directory.Authenticate], ErrMalformed and ErrAuthorization; after
// one the exchange is over.
func (x *Scram) Next(ctx context.Context, message []byte) (answer []byte, done bool, err error) {
	if len(message) > maxScramMessage {
		return nil, false, ErrMalformed
	}
	x.step++
	switch {
	case x.step == 1:
		answer, err = x.first(string(message))
	case x.step == 2:
		answer, err = x.final(ctx, string(message))
	case x.step == 3 && len(message) == 0 && x.grant.ID != 0:
		return nil, true, nil
	default:
		return nil, false, ErrMalformed
	}
	if err != nil {
		x.grant, x.step = Grant{}, 3 // no way back into it
	}
	return answer, false, err
}

// Grant gives what the exchange has allowed, once it is done.
func (x *Scram) Grant() Grant { return x.grant }

// Login gives the login that the client has named, for the log; "" when none
// can have this name.
func (x *Scram) Login() string { return x.who.login }

// first answers client-first-message.
func (x *Scram) first(message string) ([]byte, error) {
	bind := message[:strings.IndexByte(message+",", ',')]
	if wantsBinding := strings.HasPrefix(bind, "p="); wantsBinding != x.opt.Plus {
		if bind == "y" || bind == "n" || wantsBinding {
			return nil, errBinding
		}
		return nil, ErrMalformed
	}
	if x.opt.Plus && len(x.opt.Binding) == 0 {
		return nil, errBinding
	}
	now := x.d.now()
	// A look at the message before anything is looked up: it names the login.
	probe, err := x.converse(scramKeys{}, mail.Address{}, "")
	if err != nil {
		return nil, err
	}
	if answer, err := probe.Step(message); err != nil {
		if strings.HasPrefix(answer, "e=") && strings.Contains(answer, "channel-binding") {
			x.d.log.Warn("log-in refused for its channel binding", "remote", x.opt.Remote, "err", err)
			return nil, errBinding
		}
		return nil, ErrMalformed
	}
	login, other := Login(probe.Username()), Login(probe.AuthzID())
	id, ok := login.parse()
	if other != "" {
		if as, valid := other.parse(); !valid || !ok || as != id {
			return nil, ErrAuthorization
		}
	}
	if !hasNonce(message) {
		return nil, ErrMalformed
	}
	x.who = newPair(x.opt.Remote, id, ok)
	if !x.d.login.brake.admits(x.who, now) {
		return nil, errBraked
	}
	s := x.d.Snapshot()
	account, c := Account{}, credential{}
	if ok {
		account, c = s.lookup(id)
	} else {
		id = mail.Address{Local: string(login)} // a salt for this one, too
	}
	x.grant = Grant{Account: account, At: now, Remote: x.who.addr, Protocol: x.opt.Protocol}
	return x.answerFirst(message, id, c, s.apps[account.ID])
}

// hasNonce tells whether the client's nonce is there and made of what RFC 5802, section 7 allows; the library does not look.
func hasNonce(message string) bool {
	for i, f := range strings.Split(message, ",") {
		if r, is := strings.CutPrefix(f, "r="); is && i == 3 {
			return r != "" && strings.Trim(r, printable) == ""
		}
	}
	return false
}

// printable are the characters of a nonce: visible ASCII but the comma.
const printable = "!\"#$%&'()*+-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

// answerFirst begins a conversation for each password that the client may have, and gives their one answer.
func (x *Scram) answerFirst(message string, id mail.Address, c credential, apps []appPassword) ([]byte, error) {
	nonce := x.opt.Nonce()
	begin := func(k scramKeys, by Means, app AppPasswordID) (string, error) {
		conv, err := x.converse(k, id, nonce)
		if err != nil {
			return "", err
		}
		answer, err := conv.Step(message)
		if err != nil {
			return "", fault.Wrap(fault.Invalid, err, fault.Sentence(ErrMalformed))
		}
		x.convs = append(x.convs, scramConv{conv, by, app})
		return answer, nil
	}
	var nobody scramKeys
	_, _ = rand.Read(nobody[:]) // see makePassword
	answer, err := begin(nobody, "", 0)
	if err != nil {
		return nil, err
	}
	if k, ok := x.d.seals.open(x.grant.ID, c.scram); ok && !x.d.covers(id) {
		if _, err := begin(k, ByPassword, 0); err != nil {
			return nil, err
		}
	}
	for _, p := range apps {
		if k, ok := x.d.seals.open(x.grant.ID, p.scram); ok && p.fits(x.opt.Protocol) {
			if _, err := begin(k, ByAppPassword, p.id); err != nil {
				return nil, err
			}
		}
	}
	return []byte(answer), nil
}

// converse makes a conversation about one pair of keys.
func (x *Scram) converse(k scramKeys, id mail.Address, nonce string) (*scram.ServerConversation, error) {
	srv, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		return scram.StoredCredentials{KeyFactors: x.d.seals.factors(id), StoredKey: k[:sha256.Size], ServerKey: k[sha256.Size:]}, nil
	})
	if err != nil {
		return nil, err
	}
	srv.WithNonceGenerator(func() string { return nonce })
	bind := scram.ChannelBinding{}
	if len(x.opt.Binding) > 0 {
		bind = scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: x.opt.Binding}
	}
	return srv.NewConversationWithChannelBinding(bind), nil
}

// final answers client-final-message with the server's own proof.
func (x *Scram) final(ctx context.Context, message string) ([]byte, error) {
	// Guesses on many connections at once have all passed the brake before
	// the first of them failed: ask it again.
	if !x.d.login.brake.admits(x.who, x.d.now()) {
		return nil, errBraked
	}
	var answer string
	for _, c := range x.convs {
		text, err := c.Step(message)
		switch {
		case err == nil && c.by != "":
			answer, x.grant.By, x.grant.App = text, c.by, c.app
		case err != nil && text == "":
			return nil, ErrMalformed
		case text == scram.ErrChannelBindingsDontMatch:
			x.d.log.Warn("log-in refused for its channel binding", "remote", x.opt.Remote, "account", x.who.login)
		}
	}
	if x.grant.By == "" || x.grant.State != Active {
		return nil, x.d.refuse(x.who)
	}
	x.d.allow(ctx, x.who, x.grant)
	return []byte(answer), nil
}
