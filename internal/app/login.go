package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"vanthu/config"
	"vanthu/internal/auth"
	"vanthu/internal/directory"
)

// authorities reads a file of certificates; nil without one.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("no certificate in %s", file)
	}
	return pool, nil
}

// verifier is the directory that passwords are checked against; nil when they are all here.
func verifier(cfg *config.Config) (directory.Verifier, error) {
	c := cfg.LDAP
	if c.URL == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	roots, err := authorities(c.CAFile)
	if err != nil {
		return nil, err
	}
	opt := auth.LDAPOptions{
		URL: c.URL, StartTLS: c.StartTLS, TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		BindDN: c.BindDN, SearchBase: c.SearchBase, SearchFilter: c.SearchFilter, SearchDN: c.SearchDN, Timeout: c.Timeout.Std(),
	}
	for _, d := range c.Domains {
		opt.Domains = append(opt.Domains, string(d))
	}
	if c.SearchPasswordFile != "" {
		pw, err := os.ReadFile(c.SearchPasswordFile)
		if err != nil {
			return nil, fmt.Errorf("read the password for searching: %w", err)
		}
		opt.SearchPassword = directory.Password(strings.TrimRight(string(pw), "\r\n"))
	}
	return auth.NewLDAP(opt)
}

// mechanisms are the ways to log in that the configuration allows.
func mechanisms(cfg *config.Config, d *directory.Directory, now func() time.Time) (*auth.Mechanisms, error) {
	opt := auth.Options{NoScram: cfg.LDAP.URL != ""}
	if cfg.OIDC.Issuer != "" {
		roots, err := authorities(cfg.OIDC.CAFile)
		if err != nil {
			return nil, err
		}
		opt.Tokens, err = auth.NewTokens(auth.TokenOptions{
			Issuer: cfg.OIDC.Issuer, Audience: cfg.OIDC.Audience, Claim: cfg.OIDC.Claim, Now: now,
			Client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			}},
		})
		if err != nil {
			return nil, err
		}
	}
	return auth.New(d, opt), nil
}
