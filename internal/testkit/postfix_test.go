package testkit_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vanthu/config"
	"vanthu/internal/app"
	"vanthu/internal/control"
	"vanthu/internal/queue"
	"vanthu/internal/testkit"
)

// What lies behind Postfix: a domain of its own, and those that it relays for
// who has logged in, each with a log-in of another kind.
const (
	postfixDomain = "la.example"
	postfixUser   = "ai.do@" + postfixDomain
	behindPlain   = "plain.example"
	behindLogin   = "login.example"
	behindSCRAM   = "scram.example"
	behindAny     = "any.example"
	behindWrong   = "wrong.example"
	smarthostPass = "mật khẩu của máy chuyển tiếp"
)

// postfix is Debian's Postfix with all its folders in one of the test.
type postfix struct {
	dir         string
	smtp, smart int    // ports: for its own domain; for who logs in
	fingerprint string // of its certificate
	refusals    atomic.Int64
}

// newPostfix finds the programs and the ports; start comes when it is known
// where the mail for our server goes. Only root may start Postfix.
func newPostfix(t *testing.T) *postfix {
	t.Helper()
	for _, name := range []string{"postfix", "sendmail", "saslpasswd2"} {
		client(t, name)
	}
	if found, err := filepath.Glob("/usr/lib/*/sasl2/libscram.so"); err != nil || len(found) == 0 {
		missing(t, "libsasl2-modules")
	}
	if os.Getuid() != 0 {
		t.Skip("Postfix starts as root only")
	}
	p := &postfix{dir: t.TempDir()}
	// Its processes run as a user that has to come in here.
	for _, d := range []string{filepath.Dir(p.dir), p.dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Not those that the system gives out: starting takes a while.
	base := testkit.FreePortBase(t)
	p.smtp, p.smart = base+25, base+587
	p.certificate(t)
	return p
}

func (p *postfix) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// certificate makes one that signs itself.
func (p *postfix) certificate(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail." + postfixDomain},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "tls.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))+
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	sum := sha256.Sum256(der)
	p.fingerprint = hex.EncodeToString(sum[:])
}

// policy answers Postfix about recipients: who is called "later" is told so
// once. SMTPD_POLICY_README of Postfix.
func (p *postfix) policy(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	answer := func(c net.Conn) {
		defer c.Close()
		action := "DUNNO"
		for in := bufio.NewScanner(c); in.Scan(); {
			switch line := in.Text(); {
			case line == "recipient=later@"+postfixDomain && p.refusals.Add(1) == 1:
				action = "450 4.2.1 come back later"
			case line == "":
				if _, err := fmt.Fprintf(c, "action=%s\n\n", action); err != nil {
					return
				}
				action = "DUNNO"
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(c)
		}
	}()
	return l.Addr().String()
}

const postfixMain = `
compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/postfix.log
maillog_file_prefixes = %[1]s
myhostname = mail.la.example
mydomain = la.example
myorigin = la.example
mydestination =
mynetworks = 127.9.9.9/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
smtpd_peername_lookup = no
virtual_mailbox_domains = la.example
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = texthash:%[1]s/mailboxes
virtual_uid_maps = static:%[2]s
virtual_gid_maps = static:%[3]s
transport_maps = texthash:%[1]s/transport
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = check_policy_service inet:%[4]s
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = %[1]s/tls.pem
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = %[1]s/sasl
smtpd_sasl_local_domain = la.example
relayhost = [127.0.0.1]:%[5]s
sender_dependent_relayhost_maps = texthash:%[1]s/relayhosts
smtp_tls_CAfile = %[6]s
smtp_tls_security_level = may
smtp_tls_policy_maps = texthash:%[1]s/tlspolicy
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:%[1]s/passwords
smtp_sasl_security_options = noanonymous
`

const postfixMaster = `
127.0.0.1:%d inet n - n - - smtpd
127.0.0.1:%d inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=yes
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
showq     unix n - n - - showq
error     unix - - n - - error
retry     unix - - n - - error
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`

// start runs Postfix until the test ends. It logs in at our submission port
// for one account, and knows nobody's password at our relay port.
func (p *postfix) start(t *testing.T, s *testkit.Server, account string) {
	t.Helper()
	who, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(who.Uid)
	if err != nil {
		t.Fatal(err)
	}
	_, relay, err := net.SplitHostPort(s.Addr.Relay)
	if err != nil {
		t.Fatal(err)
	}
	_, submission, err := net.SplitHostPort(s.Addr.Submission)
	if err != nil {
		t.Fatal(err)
	}
	authority := filepath.Join(p.dir, "ca.pem")
	ca, err := os.ReadFile(app.AuthorityFile(s.Config))
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "ca.pem", string(ca))
	p.write(t, "main.cf", fmt.Sprintf(postfixMain, p.dir, who.Uid, who.Gid, p.policy(t), relay, authority))
	p.write(t, "master.cf", fmt.Sprintf(postfixMaster, p.smtp, p.smart))
	p.write(t, "relayhosts", account+" [127.0.0.1]:"+submission+"\n")
	p.write(t, "tlspolicy", "[127.0.0.1]:"+submission+" secure match=mail."+testkit.Domain+"\n")
	p.write(t, "passwords", "[127.0.0.1]:"+submission+" "+account+":"+s.Password(account)+"\n")
	var boxes, transports strings.Builder
	for _, a := range []string{postfixUser, "later@" + postfixDomain} {
		fmt.Fprintf(&boxes, "%s %s/\n", a, a)
	}
	for _, d := range []string{behindPlain, behindLogin, behindSCRAM, behindAny, behindWrong} {
		fmt.Fprintf(&boxes, "box@%s box@%[1]s/\n", d)
		fmt.Fprintf(&transports, "%s virtual:\n", d)
	}
	p.write(t, "mailboxes", boxes.String())
	p.write(t, "transport", transports.String())
	db := filepath.Join(p.dir, "sasl", "sasldb2")
	p.write(t, "sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: "+db+"\nmech_list: PLAIN LOGIN SCRAM-SHA-256\n")
	for _, d := range []string{behindPlain, behindLogin, behindSCRAM, behindAny, behindWrong} {
		cmd := exec.CommandContext(t.Context(), "saslpasswd2", "-p", "-c", "-f", db, "-u", postfixDomain, d)
		cmd.Stdin = strings.NewReader(smarthostPass)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("saslpasswd2: %v\n%s", err, out)
		}
	}
	for _, d := range []string{"queue", "data", "mail"} {
		if err := os.Mkdir(filepath.Join(p.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"data", "mail", "sasl/sasldb2"} {
		if err := os.Chown(filepath.Join(p.dir, d), uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(p.dir, "postfix.log")
	t.Cleanup(func() {
		if out, err := exec.Command("postfix", "-c", p.dir, "stop").CombinedOutput(); err != nil {
			t.Errorf("stop Postfix: %v\n%s", err, out)
		}
		if text, err := os.ReadFile(log); t.Failed() {
			t.Logf("Postfix says (%v):\n%s", err, text)
		}
	})
	// Not the test's context, which would end it before it is stopped; its
	// processes keep what they inherit, hence no pipe to wait for.
	cmd := exec.Command("postfix", "-c", p.dir, "start")
	if err := cmd.Run(); err != nil {
		t.Fatalf("start Postfix: %v", err)
	}
	eventually(t, "Postfix listens", func() bool {
		c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", p.smart))
		return err == nil && c.Close() == nil
	})
}

// letter makes a message with 8-bit text and lines that begin with dots.
func letter(from, to, id string) string {
	return strings.Join([]string{
		"From: <" + from + ">", "To: <" + to + ">", "Subject: Postfix " + id, "Date: Tue, 24 Nov 2026 08:00:00 +0700",
		"Message-ID: <" + id + "@client.test>", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit",
		"", "Kính gửi các đơn vị. ", ".", "..hai", "", "",
	}, "\r\n")
}

// sendmail gives Postfix a message, as programs on its machine do.
func (p *postfix) sendmail(t *testing.T, message, from, to string, args ...string) {
	t.Helper()
	args = append([]string{"-C", p.dir, "-i", "-B", "8BITMIME", "-f", from}, append(args, "--", to)...)
	cmd := exec.CommandContext(t.Context(), "sendmail", args...)
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(message, "\r\n", "\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sendmail: %v\n%s", err, out)
	}
}

// arrived waits for the one message in a mailbox of Postfix that holds all of
// some texts, lines ending in LF.
func (p *postfix) arrived(t *testing.T, box string, texts ...string) string {
	t.Helper()
	var found []string
	eventually(t, "arrival in "+box, func() bool {
		found = nil
		for _, f := range maildir(t, filepath.Join(p.dir, "mail", box)) {
			b, err := os.ReadFile(f)
			if err == nil && containsAll(string(b), texts) {
				found = append(found, string(b))
			}
		}
		return len(found) > 0
	})
	if len(found) != 1 {
		t.Errorf("%d messages in %s, want 1", len(found), box)
	}
	return found[0]
}

func containsAll(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// inbox waits for the one message of an account that holds all of some texts.
func inbox(t *testing.T, s *testkit.Server, account string, texts ...string) []byte {
	t.Helper()
	c := s.IMAP(t, account)
	var found [][]byte
	eventually(t, fmt.Sprintf("arrival at %s of %q", account, texts), func() bool {
		found = nil
		uids, err := c.In("INBOX")
		if err != nil {
			t.Fatal(err)
		}
		for _, uid := range uids {
			b, err := c.Body(uid)
			if err != nil {
				t.Fatal(err)
			}
			if containsAll(string(b), texts) {
				found = append(found, b)
			}
		}
		return len(found) > 0
	})
	if len(found) != 1 {
		t.Errorf("%d messages of %s hold %q, want 1", len(found), account, texts)
	}
	return found[0]
}

// submitWith sends a message of an account with parameters of MAIL and RCPT.
func submitWith(t *testing.T, s *testkit.Server, from, to, message, mailParams, rcptParams string) {
	t.Helper()
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + from + "\x00" + s.Password(from)))
	got := dialogue(t, s.Addr.Submission, "EHLO c.example", "AUTH PLAIN "+plain, "MAIL FROM:<"+from+"> BODY=8BITMIME "+mailParams,
		"RCPT TO:<"+to+"> "+rcptParams, "DATA", strings.ReplaceAll(message, "\r\n.", "\r\n..")+".")
	if last := got[len(got)-1]; !strings.HasPrefix(last, "250 ") {
		t.Fatalf("submission: %q", got)
	}
}

func (p *postfix) routes(t *testing.T) (routes []config.Route, wrong string) {
	t.Helper()
	secrets := t.TempDir()
	file := func(name, password string) string {
		f := filepath.Join(secrets, name)
		if err := os.WriteFile(f, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return f
	}
	routes = []config.Route{{Domain: postfixDomain, Host: "127.0.0.1", Port: p.smtp, TLS: config.StartTLS, Fingerprint: p.fingerprint}}
	for domain, auth := range map[string]string{behindPlain: "plain", behindLogin: "login", behindSCRAM: "scram-sha-256", behindAny: "", behindWrong: ""} {
		r := config.Route{
			Domain: domain, Host: "127.0.0.1", Port: p.smart, TLS: config.StartTLS, Fingerprint: p.fingerprint,
			Auth: auth, Username: domain, PasswordFile: file(domain, smarthostPass),
		}
		if domain == behindWrong {
			wrong = file(domain, "another")
		}
		routes = append(routes, r)
	}
	return routes, wrong
}

// TestPostfix lets Debian's Postfix send to us, take mail from us for its own
// domain, and relay for us after a log-in.
func TestPostfix(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Postfix")
	}
	t.Parallel()
	p := newPostfix(t)
	routes, wrong := p.routes(t)
	s := testkit.Start(t, testkit.Options{Change: func(c *config.Config) {
		c.Routes, c.Queue.Retry = routes, []config.Duration{config.Duration(300 * time.Millisecond)}
	}})
	us := testkit.Login("chuyenvien", testkit.Commune(1))
	other := testkit.Login("chuyenvien", testkit.Commune(2))
	p.start(t, s, us)
	lf := func(m string) string { return strings.ReplaceAll(m, "\r\n", "\n") }

	t.Run("client of the submission", func(t *testing.T) {
		m := letter(us, other, "logged-in")
		p.sendmail(t, m, us, other)
		got := inbox(t, s, other, "<logged-in@client.test>")
		if !bytes.HasSuffix(got, []byte(m)) || !bytes.Contains(got, []byte("(Postfix")) {
			t.Errorf("arrived as\n%s", got)
		}
		if !bytes.Contains(got, []byte("with ESMTPSA")) {
			t.Errorf("no ESMTPSA in\n%s", got)
		}
	})
	t.Run("client of the relay", func(t *testing.T) {
		m := letter(postfixUser, other, "stranger")
		p.sendmail(t, m, postfixUser, other, "-N", "success,failure", "-R", "hdrs", "-V", "env+1")
		if got := inbox(t, s, other, "<stranger@client.test>"); !bytes.HasSuffix(got, []byte(m)) {
			t.Errorf("arrived as\n%s", got)
		}
		// Our report of success comes back to Postfix, which delivers it.
		p.arrived(t, postfixUser, "report-type=delivery-status", "Original-Envelope-Id: env+1\n", "Action: delivered\n", "Final-Recipient: rfc822; "+other+"\n")
	})
	t.Run("client that is refused", func(t *testing.T) {
		nobody := "khong.ai@" + testkit.Domain
		p.sendmail(t, letter(postfixUser, nobody, "refused"), postfixUser, nobody)
		got := p.arrived(t, postfixUser, "<refused@client.test>", "Action: failed\n")
		for _, want := range []string{"Status: 5.1.1\n", "Diagnostic-Code: smtp; 550 5.1.1 ", "Final-Recipient: rfc822; " + nobody} {
			if !strings.Contains(got, want) {
				t.Errorf("its report has no %q:\n%s", want, got)
			}
		}
	})
	t.Run("relay target", func(t *testing.T) {
		m := letter(us, postfixUser, "out")
		submitWith(t, s, us, postfixUser, m, "RET=HDRS ENVID=env+2B2", "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@la.example")
		if got := p.arrived(t, postfixUser, "<out@client.test>"); !strings.HasSuffix(got, lf(m)) {
			t.Errorf("arrived as\n%s", got)
		}
		// Postfix reports by the parameters that it got from us.
		got := inbox(t, s, us, "Action: delivered", "(Postfix", "<out@client.test>")
		if !containsAll(string(got), []string{"Original-Envelope-Id: env+2\r\n", "Original-Recipient: RFC822;first@la.example\r\n", "text/rfc822-headers"}) {
			t.Errorf("its report:\n%s", got)
		}
	})
	t.Run("relay target that refuses", func(t *testing.T) {
		nobody := "khong.ai@" + postfixDomain
		submitWith(t, s, us, nobody, letter(us, nobody, "unknown"), "", "")
		got := inbox(t, s, us, "<unknown@client.test>")
		if !containsAll(string(got), []string{"Action: failed\r\n", "Status: 5.1.1\r\n", nobody}) {
			t.Errorf("report:\n%s", got)
		}
	})
	t.Run("relay target that defers", func(t *testing.T) {
		to := "later@" + postfixDomain
		m := letter(us, to, "later")
		submitWith(t, s, us, to, m, "", "")
		if got := p.arrived(t, to); !strings.HasSuffix(got, lf(m)) {
			t.Errorf("arrived as\n%s", got)
		}
		if n := p.refusals.Load(); n != 2 {
			t.Errorf("%d attempts, want 2", n)
		}
	})
	for _, domain := range []string{behindPlain, behindLogin, behindSCRAM, behindAny} {
		t.Run("smarthost "+domain, func(t *testing.T) {
			to := "box@" + domain
			m := letter(us, to, domain)
			submitWith(t, s, us, to, m, "", "")
			if got := p.arrived(t, to); !strings.HasSuffix(got, lf(m)) || !strings.Contains(got, "ESMTPSA") {
				t.Errorf("arrived as\n%s", got)
			}
		})
	}
	t.Run("smarthost that knows another password", func(t *testing.T) {
		to := "box@" + behindWrong
		m := letter(us, to, "wrong")
		submitWith(t, s, us, to, m, "", "")
		waiting := func() []queue.Item {
			list, err := s.Rooms.Queue.List(t.Context(), queue.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		eventually(t, "a refused log-in", func() bool {
			list := waiting()
			return len(list) == 1 && list[0].State == queue.Waiting && list[0].Attempts > 0
		})
		if last := waiting()[0].LastText; !strings.Contains(last, "535") || !strings.Contains(last, "log in") {
			t.Errorf("waits because of %q, want the refused log-in", last)
		}
		// The administrator sets the password right: what waited goes out.
		if err := os.WriteFile(wrong, []byte(smarthostPass), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Restart(t)
		if err := s.Rooms.Control().Call(t.Context(), control.CallQueueAct, control.QueueAct{Selection: queue.Selection{All: true}, Act: "retry"}, nil, nil); err != nil {
			t.Fatal(err)
		}
		if got := p.arrived(t, to); !strings.HasSuffix(got, lf(m)) {
			t.Errorf("arrived as\n%s", got)
		}
	})
	eventually(t, "the queue is empty", func() bool {
		list, err := s.Rooms.Queue.List(t.Context(), queue.Filter{})
		return err == nil && len(list) == 0
	})
	if n := len(maildir(t, filepath.Join(p.dir, "mail", postfixUser))); n != 3 {
		t.Errorf("%d messages came to Postfix's user, want 3", n)
	}
	// A report from Postfix of success, and ours of failure; nothing else.
	if uids, err := s.IMAP(t, us).In("INBOX"); err != nil || len(uids) != 2 {
		t.Errorf("the sender has %d messages, %v; want 2", len(uids), err)
	}
}
