package auth

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

const slapdConf = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/pid
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=search,dc=x,dc=test" read by * none
database mdb
suffix "dc=x,dc=test"
rootdn "cn=admin,dc=x,dc=test"
directory %[1]s/db
`

const slapdEntries = `dn: dc=x,dc=test
objectClass: dcObject
objectClass: organization
dc: x
o: tinh

dn: cn=search,dc=x,dc=test
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: search
userPassword: search password

dn: ou=people,dc=x,dc=test
objectClass: organizationalUnit
ou: people

dn: uid=vanthu,ou=people,dc=x,dc=test
objectClass: inetOrgPerson
uid: vanthu
cn: Van thu
sn: Van thu
mail: vanthu@x.test
userPassword: password there

dn: uid=khach,ou=people,dc=x,dc=test
objectClass: inetOrgPerson
uid: khach
cn: Khach
sn: Khach
mail: khach@x.test
userPassword: password there
`

// slapd runs OpenLDAP's server; it gives the addresses for LDAP and LDAPS.
func slapd(t *testing.T, certPEM, keyPEM []byte) (plain, secure string) {
	t.Helper()
	program, err := exec.LookPath("slapd")
	if err != nil {
		program = "/usr/sbin/slapd" // not in everybody's path
	}
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("VANTHU_TEST_REQUIRE_CLIENTS") != "" {
			t.Fatal("slapd is not installed: run .ci/clients")
		}
		t.Skip("slapd is not installed: run .ci/clients to test with it")
	}
	dir := t.TempDir()
	check(t, os.Mkdir(filepath.Join(dir, "db"), 0o700))
	for name, text := range map[string]string{
		"cert.pem": string(certPEM), "key.pem": string(keyPEM), "slapd.conf": fmt.Sprintf(slapdConf, dir), "entries.ldif": slapdEntries,
	} {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	add := exec.CommandContext(t.Context(), program, "-T", "add", "-f", filepath.Join(dir, "slapd.conf"), "-l", filepath.Join(dir, "entries.ldif"))
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	plain, secure = "ldap://"+freeAddr(t), "ldaps://"+freeAddr(t)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, "-d", "0", "-f", filepath.Join(dir, "slapd.conf"), "-h", plain+" "+secure)
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	deadline := time.Now().Add(10 * time.Second)
	for {
		conn, err := net.Dial("tcp", strings.TrimPrefix(secure, "ldaps://"))
		if err == nil {
			check(t, conn.Close())
			return plain, secure
		}
		if time.Now().After(deadline) {
			t.Fatal("slapd does not listen")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	check(t, l.Close())
	return l.Addr().String()
}

func TestLDAP(t *testing.T) {
	_, roots, certPEM, keyPEM := localCert(t)
	plain, secure := slapd(t, certPEM, keyPEM)
	trust := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	const dn = "uid={local},ou=people,dc=x,dc=test"
	search := LDAPOptions{
		URL: secure, TLS: trust, SearchBase: "dc=x,dc=test", SearchFilter: "(mail={login})", SearchDN: "cn=search,dc=x,dc=test", SearchPassword: "search password",
	}
	lost := search
	lost.SearchPassword = "wrong"
	tests := []struct {
		name  string
		opt   LDAPOptions
		login mail.Address
		pass  directory.Password
		want  bool
		fails bool
	}{
		{"LDAPS", LDAPOptions{URL: secure, TLS: trust, BindDN: dn}, mail.Address{Local: "vanthu", Domain: "x.test"}, "password there", true, false},
		{"StartTLS", LDAPOptions{URL: plain, StartTLS: true, TLS: trust, BindDN: dn}, mail.Address{Local: "vanthu", Domain: "x.test"}, "password there", true, false},
		{"wrong password", LDAPOptions{URL: secure, TLS: trust, BindDN: dn}, mail.Address{Local: "vanthu", Domain: "x.test"}, "wrong", false, false},
		{"empty password", LDAPOptions{URL: secure, TLS: trust, BindDN: dn}, mail.Address{Local: "vanthu", Domain: "x.test"}, "", false, false},
		{"nobody", LDAPOptions{URL: secure, TLS: trust, BindDN: dn}, mail.Address{Local: "ai", Domain: "x.test"}, "password there", false, false},
		{"another entry by its DN", LDAPOptions{URL: secure, TLS: trust, BindDN: dn}, mail.Address{Local: "vanthu,ou=people", Domain: "x.test"}, "password there", false, false},
		{"searched", search, mail.Address{Local: "vanthu", Domain: "x.test"}, "password there", true, false},
		{"searched, wrong password", search, mail.Address{Local: "vanthu", Domain: "x.test"}, "wrong", false, false},
		{"searched, nobody", search, mail.Address{Local: "ai", Domain: "x.test"}, "password there", false, false},
		{"star", search, mail.Address{Local: "*", Domain: "x.test"}, "password there", false, false},
		{"filter", search, mail.Address{Local: "vanthu@x.test)(uid=*", Domain: "x.test"}, "password there", false, false},
		{"cannot search", lost, mail.Address{Local: "vanthu", Domain: "x.test"}, "password there", false, true},
		{"certificate of nobody we know", LDAPOptions{URL: secure, BindDN: dn}, mail.Address{Local: "vanthu", Domain: "x.test"}, "password there", false, true},
		{"StartTLS, certificate of nobody we know", LDAPOptions{URL: plain, StartTLS: true, BindDN: dn}, mail.Address{Local: "vanthu", Domain: "x.test"}, "password there", false, true},
		{"nobody listens", LDAPOptions{URL: "ldaps://" + freeAddr(t), TLS: trust, BindDN: dn}, mail.Address{Local: "vanthu", Domain: "x.test"}, "password there", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := NewLDAP(tt.opt)
			check(t, err)
			got, err := l.Verify(t.Context(), tt.login, tt.pass)
			if tt.fails {
				wantKind(t, err, fault.Temporary)
			} else {
				check(t, err)
			}
			if got != tt.want {
				t.Errorf("verified %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("logins", func(t *testing.T) { ldapLogins(t, LDAPOptions{URL: secure, TLS: trust, BindDN: dn}) })
}

// ldapLogins: what the directory makes of it.
func ldapLogins(t *testing.T, opt LDAPOptions) {
	l, err := NewLDAP(opt)
	check(t, err)
	d := people(t, directory.Options{Verifier: l})
	login := func(who directory.Login, p directory.Password) error {
		g, err := d.Authenticate(t.Context(), directory.Attempt{Login: who, Password: p, Remote: remote, Protocol: directory.IMAP})
		if err == nil && g.By != directory.ByVerifier {
			t.Errorf("by %s", g.By)
		}
		return err
	}
	check(t, login("vanthu@x.test", "password there"))
	wantKind(t, login("vanthu@x.test", "mật khẩu ở đây"), fault.Denied) // the one here counts no longer
	wantKind(t, login("khac@x.test", "mật khẩu ở đây"), fault.Denied)   // has an account, but is not there
	wantKind(t, login("khach@x.test", "password there"), fault.Denied)  // is there, but has no account
	m := New(d, Options{NoScram: true})
	if got := m.Offered(Channel{Remote: remote}); len(got) > 0 {
		t.Errorf("offered %v", got)
	}
	if _, ok := m.Begin(Scram, Channel{Remote: remote}); ok {
		t.Error("SCRAM begins")
	}
}

// A directory that says nothing is no wrong password, and does not hold the log-in up for longer than the time-out.
func TestLDAPTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
		}
	}()
	v, err := NewLDAP(LDAPOptions{URL: "ldap://" + l.Addr().String(), BindDN: "uid={local}", Timeout: 200 * time.Millisecond})
	check(t, err)
	d := people(t, directory.Options{Verifier: v})
	begin := time.Now()
	_, err = d.Authenticate(t.Context(), directory.Attempt{Login: "vanthu@x.test", Password: "password there", Remote: remote, Protocol: directory.IMAP})
	wantKind(t, err, fault.Temporary)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	for range 30 { // no failures of the client's: the brake stays off
		_, err = d.Authenticate(t.Context(), directory.Attempt{Login: "vanthu@x.test", Password: "", Remote: remote, Protocol: directory.IMAP})
		if fault.KindOf(err) == fault.Exhausted {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Verify(ctx, mail.Address{Local: "vanthu", Domain: "x.test"}, "x"); err == nil {
		t.Error("verified after the end of the context")
	}
}

func TestNewLDAPRefuses(t *testing.T) {
	for name, opt := range map[string]LDAPOptions{
		"no URL":              {BindDN: "{login}"},
		"http":                {URL: "http://x", BindDN: "{login}"},
		"nothing to bind as":  {URL: "ldap://x"},
		"both":                {URL: "ldap://x", BindDN: "{login}", SearchBase: "dc=x", SearchFilter: "(mail={login})"},
		"filter for everyone": {URL: "ldap://x", SearchBase: "dc=x", SearchFilter: "(mail=*)"},
	} {
		if _, err := NewLDAP(opt); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	l, err := NewLDAP(LDAPOptions{URL: "ldap://x", BindDN: "{login}", Domains: []string{"x.test"}})
	check(t, err)
	if !l.Covers(mail.Address{Local: "a", Domain: "x.test"}) || l.Covers(mail.Address{Local: "a", Domain: "y.test"}) {
		t.Error("covers other domains than it should")
	}
}
