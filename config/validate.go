package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// report takes one problem: the key, what is wrong, and what to do.
type report func(path, text, hint string)

// validate checks every key by itself and against the others.
func (c *Config) validate(report report) {
	c.validateIdentity(report)
	c.validateListeners(report)
	c.validateFigures(report)
	c.validateTLS(report)
	c.validateLDAP(report)
	c.validateOIDC(report)
	c.validateEdXML(report)
	c.validateWorktime(report)
	c.validateQueue(report)
	c.validateTrust(report)
	c.validateRoutes(report)
	oneOf(report, "log.format", c.Log.Format, "auto", "text", "json")
	secretFile(report, "journal.key_file", c.Journal.KeyFile, true)
}

func (c *Config) validateIdentity(report report) {
	switch info, err := os.Stat(c.DataDir); {
	case c.DataDir == "":
		report("data_dir", "is empty", `name a folder, such as "/var/lib/vanthu"`)
	case err == nil && !info.IsDir():
		report("data_dir", c.DataDir+" is not a folder", "name a folder; it is made when it does not exist")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		report("data_dir", c.DataDir+" cannot be used: "+reason(err), "")
	}
	if len(c.Domains) == 0 {
		report("domains", "is missing", `name at least one mail domain: domains = ["tinh.example"]`)
	}
	for i, d := range c.Domains {
		if slices.Contains(c.Domains[:i], d) {
			report("domains", fmt.Sprintf("holds %q twice", d), "remove one of the two")
		}
	}
	if strings.ContainsFunc(c.Server.Organisation, func(r rune) bool { return r < ' ' }) {
		report("server.organisation", "holds a control character", "write it on one line")
	}
}

func (c *Config) validateListeners(report report) {
	listeners := []struct {
		path string
		at   Listen
	}{
		{"smtp.relay", c.SMTP.Relay},
		{"smtp.submission", c.SMTP.Submission},
		{"smtp.submissions", c.SMTP.Submissions},
		{"smtp.lmtp", c.SMTP.LMTP},
		{"imap.imap", c.IMAP.IMAP},
		{"imap.imaps", c.IMAP.IMAPS},
		{"http.http", c.HTTP.HTTP},
		{"http.https", c.HTTP.HTTPS},
	}
	for i, l := range listeners {
		for _, other := range listeners[:i] {
			if collide(l.at, other.at) {
				report(l.path, fmt.Sprintf("%s is already taken by %s", l.at, other.path), "give each service a port of its own")
			}
		}
	}
	if l := c.SMTP.LMTP; l.On() && !l.loopback() {
		report("smtp.lmtp", fmt.Sprintf("%s can be reached from other machines, and LMTP asks nobody who they are", l),
			`keep it on this machine, such as "127.0.0.1:24"`)
	}
}

// collide tells whether two addresses cannot be listened on together.
func collide(a, b Listen) bool {
	hostA, portA, errA := net.SplitHostPort(string(a))
	hostB, portB, errB := net.SplitHostPort(string(b))
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || hostA == "" || hostB == ""
}

// loopback tells whether only this machine can reach the address.
func (l Listen) loopback() bool {
	host, _, err := net.SplitHostPort(string(l))
	if err != nil {
		return false
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func (c *Config) validateFigures(report report) {
	within := func(path string, got, low, high int) {
		if got < low || got > high {
			report(path, fmt.Sprintf("%d is not between %d and %d", got, low, high), "")
		}
	}
	lasting := func(path string, got Duration, low, high time.Duration) {
		if got.Std() < low || got.Std() > high {
			report(path, fmt.Sprintf("%s is not between %s and %s", got, Duration(low), Duration(high)), "")
		}
	}
	const day = 24 * time.Hour
	within("smtp.max_message_mib", c.SMTP.MaxMessageMiB, 1, 1024)
	// RFC 5321, section 4.5.3.1.8: at least 100.
	within("smtp.max_recipients", c.SMTP.MaxRecipients, 100, 10_000)
	within("smtp.relay_connections_per_address", c.SMTP.RelayConnectionsPerAddress, 1, 100_000)
	lasting("smtp.session_timeout", c.SMTP.SessionTimeout, time.Minute, day)
	lasting("smtp.max_hold", c.SMTP.MaxHold, 0, 366*day)
	within("imap.sessions_per_account", c.IMAP.SessionsPerAccount, 1, 1000)
	lasting("delivery.dedupe_window", c.Delivery.DedupeWindow, time.Second, 7*day)
	lasting("documents.tracking_interval", c.Documents.TrackingInterval, time.Second, day)
	within("documents.consult_days", c.Documents.ConsultDays, 1, 60)
	lasting("extract.timeout", c.Extract.Timeout, time.Second, 10*time.Minute)
	lasting("extract.idle", c.Extract.Idle, time.Second, day)
	within("queue.workers", c.Queue.Workers, 1, 256)
	within("queue.per_destination", c.Queue.PerDestination, 1, 256)
	lasting("queue.keep", c.Queue.Keep, time.Hour, 365*day)
	within("limits.connections", c.Limits.Connections, 10, 1_000_000)
	within("limits.connections_reserved", c.Limits.ConnectionsReserved, 0, c.Limits.Connections)
	within("limits.connections_per_address", c.Limits.ConnectionsPerAddress, 1, 1_000_000)
	within("limits.web_connections_per_address", c.Limits.WebConnectionsPerAddress, 1, 1_000_000)
	for path, n := range map[string]int{
		"messages_per_hour": c.Limits.MessagesPerHour, "recipients_per_hour": c.Limits.RecipientsPerHour,
		"recipients_per_day": c.Limits.RecipientsPerDay, "clerk_messages_per_hour": c.Limits.ClerkMessagesPerHour,
		"clerk_recipients_per_hour": c.Limits.ClerkRecipientsPerHour, "clerk_recipients_per_day": c.Limits.ClerkRecipientsPerDay,
	} {
		within("limits."+path, n, 0, 1<<30)
	}
	within("limits.quota_mib", c.Limits.QuotaMiB, 0, 1<<30)
	lasting("journal.checkpoint_interval", c.Journal.CheckpointInterval, time.Second, time.Hour)
}

func (c *Config) validateTLS(report report) {
	oneOf(report, "tls.min_version", c.TLS.MinVersion, "1.2", "1.3")
	authorities(report, "tls.client_ca_file", c.TLS.ClientCAFile)
	cert, key := c.TLS.CertFile, c.TLS.KeyFile
	switch {
	case cert == "" && key == "":
		return
	case cert == "":
		report("tls.cert_file", "is missing beside tls.key_file", "give both, or neither to use the server's own authority")
		return
	case key == "":
		report("tls.key_file", "is missing beside tls.cert_file", "give both, or neither to use the server's own authority")
		return
	}
	_, err := os.Stat(cert)
	if err != nil {
		report("tls.cert_file", cert+" cannot be read: "+reason(err), "")
	}
	if !secretFile(report, "tls.key_file", key, false) || err != nil {
		return
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		report("tls.cert_file", "does not make a pair with tls.key_file: "+strings.TrimPrefix(err.Error(), "tls: "),
			"both must be PEM; the first certificate of the chain must be the key's")
	}
}

func (c *Config) validateQueue(report report) {
	q := c.Queue
	if len(q.Retry) == 0 {
		report("queue.retry", "is empty", `give at least one waiting time, such as ["15m"]`)
	}
	for i, d := range q.Retry {
		switch {
		case d.Std() < 10*time.Second:
			report("queue.retry", fmt.Sprintf("%s is too short to wait for another server", d), "wait at least 10s")
		case i > 0 && d < q.Retry[i-1]:
			report("queue.retry", fmt.Sprintf("%s follows the longer %s", d, q.Retry[i-1]), "write waiting times from short to long")
		}
	}
	if q.Resolver != "" {
		if host, port, err := net.SplitHostPort(q.Resolver); err != nil || net.ParseIP(host) == nil || port == "" {
			report("queue.resolver", fmt.Sprintf("%q is not an address with a port", q.Resolver), `write "127.0.0.1:53"`)
		}
	}
	// RFC 5321, section 4.5.4.1 advises four to five days; a day bridges one night.
	if day := 24 * time.Hour; q.Expiry.Std() < day || q.Expiry.Std() > 30*day {
		report("queue.expiry", fmt.Sprintf("%s is not between 1d and 30d", q.Expiry), "")
	}
}

func (c *Config) validateRoutes(report report) {
	seen := make(map[string]int)
	for i, r := range c.Routes {
		at := routePath(i) + "."
		domain, ok := domainName(r.Domain)
		switch {
		case r.Domain == "*":
			domain = "*"
		case r.Domain == "":
			report(at+"domain", "is missing", `name the domain this way leads to, or "*" for all others`)
		case !ok:
			report(at+"domain", fmt.Sprintf("%q is not a domain name", r.Domain), `write "bo.example" without "@", or "*" for all others`)
		case slices.Contains(c.Domains, Domain(domain)):
			report(at+"domain", fmt.Sprintf("%q is a domain of this server: its mail would go round in a circle", domain), "remove the route, or the domain from domains")
		}
		if first, twice := seen[domain]; twice && domain != "" {
			report(at+"domain", fmt.Sprintf("%q has a route already, number %d", domain, first+1), "remove one of the two")
		} else {
			seen[domain] = i
		}
		c.Routes[i].Domain = domain
		switch {
		case r.MX && r.Host != "":
			report(at+"host", "has no meaning with mx = true", "remove one of the two")
		case !r.MX && r.Host == "":
			report(at+"host", "is missing", "name the server that takes the mail, or write mx = true")
		}
		if r.Port < 1 || r.Port > 65535 {
			report(at+"port", fmt.Sprintf("%d is not between 1 and 65535", r.Port), "")
		}
		oneOf(report, at+"tls", string(r.TLS), string(StartTLS), string(ImplicitTLS), string(MaybeTLS), string(NoTLS))
		oneOf(report, at+"auth", r.Auth, "", "plain", "login", "scram-sha-256")
		for _, u := range r.Units {
			if strings.TrimSpace(u) == "" {
				report(at+"units", "holds an empty name", "name units by code, address or short name")
			}
		}
		c.validateRouteTrust(report, at, r)
	}
}

// validateRouteTrust checks log-in and certificate of one route.
func (c *Config) validateRouteTrust(report report, at string, r Route) {
	loopback := r.Host == "localhost" || net.ParseIP(string(r.Host)).IsLoopback()
	switch {
	case r.Username == "" && r.PasswordFile != "":
		report(at+"username", "is missing beside password_file", "give both or neither")
	case r.Username != "" && r.PasswordFile == "":
		report(at+"password_file", "is missing beside username", "give both or neither")
	case r.Username != "" && (r.TLS == NoTLS || r.TLS == MaybeTLS) && !loopback:
		report(at+"tls", fmt.Sprintf("%q may send the password of this route in clear", r.TLS), `use "starttls" or "implicit"`)
	case r.Username != "" && r.MX:
		report(at+"username", "has no meaning with mx = true", "passwords are for one server: name it in host")
	}
	secretFile(report, at+"password_file", r.PasswordFile, false)
	if r.Fingerprint == "" {
		return
	}
	sum, err := hex.DecodeString(r.Fingerprint)
	switch {
	case err != nil || len(sum) != 32:
		report(at+"fingerprint", "is not the SHA-256 of a certificate", "write 64 hex digits, with or without colons")
	case r.TLS == NoTLS || r.TLS == MaybeTLS:
		report(at+"fingerprint", fmt.Sprintf("has no meaning when tls is %q", r.TLS), `use "starttls" or "implicit"`)
	case r.MX:
		report(at+"fingerprint", "has no meaning with mx = true", "remove it, or name one server in host")
	}
}

func (c *Config) validateLDAP(report report) {
	l := c.LDAP
	if l.URL == "" {
		return
	}
	u, err := url.Parse(l.URL)
	switch {
	case err != nil || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.Hostname() == "":
		report("ldap.url", fmt.Sprintf("%q is no address of a directory", l.URL), `write "ldaps://dc1.tinh.example"`)
		return
	case u.Scheme == "ldaps" && l.StartTLS:
		report("ldap.starttls", "has no meaning with ldaps://", "remove it, or write ldap://")
	case u.Scheme == "ldap" && !l.StartTLS && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback():
		report("ldap.url", "would send passwords in clear", `use ldaps://, or set starttls = true`)
	}
	switch {
	case l.BindDN == "" && l.SearchBase == "":
		report("ldap.bind_dn", "is missing", "give it, or search_base")
	case l.BindDN != "" && l.SearchBase != "":
		report("ldap.bind_dn", "stands beside ldap.search_base", "give one of the two")
	case l.BindDN != "" && !strings.Contains(l.BindDN, "{login}") && !strings.Contains(l.BindDN, "{local}"):
		report("ldap.bind_dn", "is the same for all accounts", "it must contain {login} or {local}")
	case l.SearchBase != "" && !strings.Contains(l.SearchFilter, "{login}") && !strings.Contains(l.SearchFilter, "{local}"):
		report("ldap.search_filter", "is the same for all accounts", "it must contain {login} or {local}")
	}
	if (l.SearchDN == "") != (l.SearchPasswordFile == "") {
		report("ldap.search_dn", "and search_password_file belong together", "give both or neither")
	}
	secretFile(report, "ldap.search_password_file", l.SearchPasswordFile, false)
	authorities(report, "ldap.ca_file", l.CAFile)
	if t := l.Timeout.Std(); t < time.Second || t > time.Minute {
		report("ldap.timeout", fmt.Sprintf("%s is not between 1s and 1m", l.Timeout), "")
	}
}

func (c *Config) validateOIDC(report report) {
	o := c.OIDC
	if o.Issuer == "" {
		return
	}
	if u, err := url.Parse(o.Issuer); err != nil || u.Scheme != "https" || u.Host == "" {
		report("oidc.issuer", fmt.Sprintf("%q is no https:// address", o.Issuer), "write it exactly as the provider's tokens have it")
	}
	if o.Audience == "" {
		report("oidc.audience", "is missing", "without it tokens that are meant for others would be taken")
	}
	if o.Claim == "" {
		report("oidc.claim", "is empty", `name the claim that holds the login, such as "email"`)
	}
	authorities(report, "oidc.ca_file", o.CAFile)
}

// authorities checks a file of certificates.
func authorities(report report, path, name string) {
	if name == "" {
		return
	}
	text, err := os.ReadFile(name)
	if err != nil {
		report(path, name+" cannot be read: "+reason(err), "")
	} else if !x509.NewCertPool().AppendCertsFromPEM(text) {
		report(path, name+" holds no certificate", "it must be PEM: -----BEGIN CERTIFICATE-----")
	}
}

func oneOf(report report, path, got string, choices ...string) {
	if !slices.Contains(choices, got) {
		report(path, fmt.Sprintf("%q is not one of %s", got, `"`+strings.Join(choices, `", "`)+`"`), "")
	}
}

// secretFile checks that the file at name is there, unless missing is fine,
// and that not everybody on this machine may read or change it.
func secretFile(report report, path, name string, mayBeMissing bool) bool {
	if name == "" {
		return true
	}
	info, err := os.Stat(name)
	switch {
	case mayBeMissing && errors.Is(err, fs.ErrNotExist):
		return true
	case err != nil:
		report(path, name+" cannot be read: "+reason(err), "")
		return false
	case !info.Mode().IsRegular():
		report(path, name+" is not a file", "")
		return false
	case info.Mode().Perm()&0o007 != 0:
		report(path, fmt.Sprintf("everybody on this machine may open %s (mode %04o)", name, info.Mode().Perm()), "chmod 600 "+name)
		return false
	}
	return true
}
