package auth

import (
	"context"

	"vanthu/internal/directory"
)

// external is EXTERNAL, RFC 4422, appendix A: the client has proved itself to TLS by a certificate. Its account is the one whose login
// is an rfc822Name among the subject's alternative names (RFC 5280, section 4.2.1.6); names and addresses in the subject itself do not count.
// Where several accounts fit, the client says which it wants; it can say no other.
type external struct {
	m     *Mechanisms
	ch    Channel
	grant directory.Grant
}

// certified tells whether the client has shown a certificate that TLS has verified against the configured authorities.
func certified(ch Channel) bool { return ch.TLS != nil && len(ch.TLS.VerifiedChains) > 0 }

func (x *external) Next(ctx context.Context, message []byte) (answer []byte, done bool, err error) {
	if len(message) > maxIdentity {
		return nil, false, directory.ErrMalformed
	}
	var names []directory.Login
	for _, a := range x.ch.TLS.VerifiedChains[0][0].EmailAddresses {
		names = append(names, directory.Login(a))
	}
	x.grant, err = x.m.dir.Vouch(ctx, directory.Voucher{
		By: directory.ByCertificate, Names: names, As: directory.Login(message), Remote: x.ch.Remote, Protocol: x.ch.Protocol,
	})
	return nil, err == nil, err
}

func (x *external) Grant() directory.Grant { return x.grant }

func (x *external) Login() string {
	names := x.ch.TLS.VerifiedChains[0][0].EmailAddresses
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

const maxIdentity = 254 // octets of an authorization identity, as an address
