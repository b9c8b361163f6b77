package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// LDAPOptions says where passwords are checked, and how an account is found
// there. One of BindDN and SearchBase must be given.
type LDAPOptions struct {
	URL      string // "ldaps://host" or "ldap://host:389"
	StartTLS bool   // demand TLS on ldap://
	TLS      *tls.Config
	// Domains whose accounts have their passwords there; none means all.
	Domains []string
	// BindDN names an account's entry, with {login}, {local} and {domain} for
	// the login and its parts: "uid={local},ou=people,dc=tinh,dc=example", or
	// for Active Directory just "{login}".
	BindDN string
	// SearchBase is where the entry is searched for instead, by SearchFilter,
	// such as "(mail={login})", as SearchDN with SearchPassword.
	SearchBase, SearchFilter string
	SearchDN                 string
	SearchPassword           directory.Password
	Timeout                  time.Duration // for all of one check; 0 means 10s
}

// LDAP checks passwords by binding to a directory server as their owner
// (RFC 4511, section 4.2). It implements [directory.Verifier].
type LDAP struct{ opt LDAPOptions }

// NewLDAP returns an LDAP. It connects only when a password is to be checked.
func NewLDAP(opt LDAPOptions) (*LDAP, error) {
	u, err := url.Parse(opt.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ldap: %w", err)
	case u.Scheme != "ldap" && u.Scheme != "ldaps":
		return nil, fmt.Errorf("ldap: %q is no ldap:// or ldaps:// URL", opt.URL)
	case (opt.BindDN == "") == (opt.SearchBase == ""):
		return nil, errors.New("ldap: exactly one of the DN to bind as and the place to search is needed")
	case opt.SearchBase != "" && !strings.Contains(opt.SearchFilter, "{"):
		return nil, errors.New("ldap: the search filter must contain {login} or {local}")
	}
	if opt.Timeout == 0 {
		opt.Timeout = 10 * time.Second
	}
	if opt.TLS == nil {
		opt.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if opt.TLS.ServerName == "" {
		opt.TLS = opt.TLS.Clone()
		opt.TLS.ServerName = u.Hostname()
	}
	return &LDAP{opt}, nil
}

// Covers tells whether the account's password is in this directory.
func (l *LDAP) Covers(login mail.Address) bool {
	if len(l.opt.Domains) == 0 {
		return true
	}
	for _, d := range l.opt.Domains {
		if d == login.Domain {
			return true
		}
	}
	return false
}

// Verify tells whether p is the password of login. When the directory cannot
// tell, the error is of kind fault.Temporary.
func (l *LDAP) Verify(ctx context.Context, login mail.Address, p directory.Password) (bool, error) {
	if p == "" {
		return false, nil // binding without a password succeeds, as nobody: RFC 4513, section 5.1.2
	}
	right, err := l.verify(ctx, login, p)
	if err != nil {
		return false, fault.Wrap(fault.Temporary, err, fault.Text{
			EN: "passwords cannot be checked at the moment, please try again later",
			VI: "hiện chưa kiểm tra được mật khẩu, xin thử lại sau",
		})
	}
	return right, nil
}

func (l *LDAP) verify(ctx context.Context, login mail.Address, p directory.Password) (bool, error) {
	conn, err := l.dial(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }() // the answer has been had
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	dn := fillIn(l.opt.BindDN, login, escapeFor(l.opt.BindDN))
	if l.opt.SearchBase != "" {
		var found bool
		if dn, found, err = l.find(conn, login); !found || err != nil {
			return false, err
		}
	}
	return bound(conn.Bind(dn, p.Reveal()))
}

// escapeFor gives how parts of a login are written into the template: what is no DN, as Active Directory takes it, has nothing to escape.
func escapeFor(template string) func(string) string {
	if strings.Contains(template, "=") {
		return ldap.EscapeDN
	}
	return func(s string) string { return s }
}

// bound tells a wrong password from a directory that does not answer.
func bound(err error) (bool, error) {
	var e *ldap.Error
	switch {
	case err == nil:
		return true, nil
	case !errors.As(err, &e):
		return false, err
	}
	switch e.ResultCode {
	case ldap.LDAPResultInvalidCredentials, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax,
		ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultInsufficientAccessRights:
		return false, nil
	}
	return false, err
}

// dial connects within the time-out, and secures the connection as configured.
func (l *LDAP) dial(ctx context.Context) (*ldap.Conn, error) {
	deadline := time.Now().Add(l.opt.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	conn, err := ldap.DialURL(l.opt.URL, ldap.DialWithTLSConfig(l.opt.TLS), ldap.DialWithDialer(&net.Dialer{Deadline: deadline}))
	if err != nil {
		return nil, err
	}
	conn.SetTimeout(max(time.Until(deadline), time.Millisecond))
	if l.opt.StartTLS {
		if err := conn.StartTLS(l.opt.TLS); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// find gives the DN of the one entry of login; false when there is none, or more than one.
func (l *LDAP) find(conn *ldap.Conn, login mail.Address) (dn string, found bool, err error) {
	if l.opt.SearchDN != "" {
		if err := conn.Bind(l.opt.SearchDN, l.opt.SearchPassword.Reveal()); err != nil {
			return "", false, fmt.Errorf("log in to search: %w", err)
		}
	}
	res, err := conn.Search(ldap.NewSearchRequest(l.opt.SearchBase, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
		2, int(l.opt.Timeout/time.Second), false, fillIn(l.opt.SearchFilter, login, ldap.EscapeFilter), []string{"1.1"}, nil))
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject), ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("search: %w", err)
	case len(res.Entries) != 1:
		return "", false, nil
	}
	return res.Entries[0].DN, true, nil
}

// fillIn puts the parts of a login into a template.
func fillIn(template string, login mail.Address, escape func(string) string) string {
	return strings.NewReplacer(
		"{login}", escape(login.Local+"@"+login.Domain), "{local}", escape(login.Local), "{domain}", escape(login.Domain),
	).Replace(template)
}

var _ directory.Verifier = (*LDAP)(nil)
