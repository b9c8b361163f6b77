package testkit_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vanthu/internal/testkit"
)

// binary is the real program, built when the first test needs it.
var binary testkit.Binary

func TestMain(m *testing.M) {
	code := m.Run()
	if err := binary.Remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// client finds a mail client. Where clients are required, in continuous
// integration, a missing one fails the test; else the test is skipped.
func client(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name)
	}
	return path
}

func missing(t *testing.T, name string) {
	t.Helper()
	if os.Getenv("VANTHU_TEST_REQUIRE_CLIENTS") != "" {
		t.Fatalf("%s is not installed: run .ci/clients", name)
	}
	t.Skipf("%s is not installed: run .ci/clients to test with it", name)
}

// runClient runs a client and gives what it said.
func runClient(t *testing.T, name string, args ...string) (out string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

func mustRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := runClient(t, name, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
	}
	return out
}

// TestClients lets ordinary mail clients work with one training province.
func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the real program")
	}
	t.Parallel()
	d := binary.StartDemo(t)
	t.Run("swaks", func(t *testing.T) { testSwaks(t, d) })
	t.Run("curl", func(t *testing.T) { testCurl(t, d) })
	t.Run("mbsync", func(t *testing.T) { testMbsync(t, d) })
	t.Run("python", func(t *testing.T) { testPython(t, d) })
	t.Run("gsasl", func(t *testing.T) { testGsasl(t, d) })
	t.Run("msmtp", func(t *testing.T) { testMsmtp(t, d) })
	t.Run("s-nail", func(t *testing.T) { testSNail(t, d) })
	t.Run("smtp-source", func(t *testing.T) { testSMTPSource(t, d) })
	t.Run("smtplib", func(t *testing.T) { testSMTPLib(t, d) })
	t.Run("mbsync folders", func(t *testing.T) { testMbsyncFolders(t, d) })
	t.Run("offlineimap", func(t *testing.T) { testOfflineimap(t, d) })
	t.Run("neomutt", func(t *testing.T) { testNeomutt(t, d) })
}

func testSwaks(t *testing.T, d *testkit.Demo) {
	swaks := client(t, "swaks")
	from, to := testkit.Login("chuyenvien1", "soyte"), testkit.Login("chuyenvien1", "sonoivu")
	host, port, err := net.SplitHostPort(d.Submission)
	if err != nil {
		t.Fatal(err)
	}
	_, tlsPort, err := net.SplitHostPort(d.Submissions)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"STARTTLS LOGIN", []string{"--port", port, "--tls", "--auth", "LOGIN"}},
		{"STARTTLS PLAIN", []string{"--port", port, "--tls", "--auth", "PLAIN"}},
		{"465 PLAIN", []string{"--port", tlsPort, "--tls-on-connect", "--auth", "PLAIN"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{
				"--server", host, "--from", from, "--to", to, "--auth-user", from, "--auth-password", d.Password(t, from),
				"--tls-verify", "--tls-ca-path", d.CA, "--header", "Subject: swaks " + tt.name, "--body", "Thử nghiệm.",
			}, tt.args...)
			out := mustRun(t, swaks, args...)
			if !strings.Contains(out, "<~  250 ") || !strings.Contains(out, "queued as") {
				t.Errorf("no 250 with a queue id:\n%s", out)
			}
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		out, err := runClient(t, swaks, "--server", host, "--port", port, "--tls", "--auth", "PLAIN",
			"--from", from, "--to", to, "--auth-user", from, "--auth-password", "nothing-like-it")
		if err == nil || !strings.Contains(out, " 535 ") {
			t.Errorf("want 535, got %v\n%s", err, out)
		}
	})
	c := demoIMAP(t, d, to)
	if uids, err := c.In("INBOX"); err != nil || len(uids) != 3 {
		t.Errorf("INBOX has %v, %v; want 3 messages", uids, err)
	}
}

func demoIMAP(t *testing.T, d *testkit.Demo, login string) *testkit.IMAP {
	t.Helper()
	c, err := testkit.DialIMAPS(d.IMAPS, d.TLS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the server may have gone first
	if err := c.Login(login, d.Password(t, login)); err != nil {
		t.Fatal(err)
	}
	return c
}

func testCurl(t *testing.T, d *testkit.Demo) {
	curl := client(t, "curl")
	who := testkit.Login("chuyenvien2", "soyte")
	user := who + ":" + d.Password(t, who)
	b := testkit.Message(who, "Gửi bằng curl: tài liệu họp", "curl", who)
	file := filepath.Join(t.TempDir(), "mail.eml")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, curl, "--silent", "--show-error", "--cacert", d.CA, "--user", user, "--upload-file", file,
		"--mail-from", who, "--mail-rcpt", who, "smtps://"+d.Submissions+"/client.test")

	list := mustRun(t, curl, "--silent", "--show-error", "--cacert", d.CA, "--user", user, "imaps://"+d.IMAPS+"/")
	for _, name := range []string{"INBOX", testkit.ModifiedUTF7(testkit.Shared("syt", testkit.Waiting))} {
		if !strings.Contains(list, name) {
			t.Errorf("the list of mailboxes has no %q:\n%s", name, list)
		}
	}
	got := mustRun(t, curl, "--silent", "--show-error", "--cacert", d.CA, "--user", user, "imaps://"+d.IMAPS+"/INBOX;MAILINDEX=1")
	if !strings.HasSuffix(got, string(b.Bytes())) || !strings.HasPrefix(got, "Return-Path:") {
		t.Errorf("fetched message is not the one sent behind trace fields:\n%s", got)
	}
	if out, err := runClient(t, curl, "--silent", "--show-error", "--user", user, "imaps://"+d.IMAPS+"/"); err == nil {
		t.Errorf("curl trusts a certificate of an unknown authority:\n%s", out)
	}
}

const mbsyncConfig = `
IMAPAccount vanthu
Host %[1]s
Port %[2]s
User %[3]s
Pass %[4]s
SSLType IMAPS
CertificateFile %[5]s

IMAPStore far
Account vanthu

MaildirStore near
Path %[6]s/
Inbox %[6]s/INBOX

Channel inbox
Far :far:
Near :near:
Patterns INBOX
Create Near
Sync All
Expunge Both
SyncState *

Channel unit
Far ":far:%[7]s"
Near ":near:cho"
Create Near
Sync All
Expunge Both
SyncState *
`

// testMbsync synchronises both ways (by name: mbsync compares no addresses
// with a certificate): what changes on one side must come to
// the other.
func testMbsync(t *testing.T, d *testkit.Demo) {
	mbsync := client(t, "mbsync")
	who := testkit.Login("vanthu", "xa07")
	mails := []string{"một", "hai", "ba"}
	sender := &testkit.Sender{Addr: d.Submission, TLS: d.TLS, Login: who, Password: d.Password(t, who)}
	for i, subject := range mails {
		b := testkit.Message(who, "Thư thứ "+subject, fmt.Sprint("mbsync", i), who)
		if _, err := sender.Send(b.Bytes(), who); err != nil {
			t.Fatal(err)
		}
	}
	_, port, err := net.SplitHostPort(d.IMAPS)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "mbsyncrc")
	text := fmt.Sprintf(mbsyncConfig, "localhost", port, who, d.Password(t, who), d.CA, dir, testkit.Shared("xa07", testkit.Waiting))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sync := func() {
		t.Helper()
		mustRun(t, mbsync, "--config", conf, "--all")
	}
	sync()
	inbox := maildir(t, filepath.Join(dir, "INBOX"))
	if len(inbox) != 3 {
		t.Fatalf("INBOX came as %d files, want 3", len(inbox))
	}
	unit := maildir(t, filepath.Join(dir, "cho"))
	if len(unit) != 1 {
		t.Fatalf("the unit's folder came as %d files, want 1", len(unit))
	}
	if body, err := os.ReadFile(unit[0]); err != nil || !bytes.Contains(body, []byte("Subject:")) {
		t.Errorf("the document is not a mail: %v", err)
	}

	// Here: the first is flagged, the second deleted. There: the third read.
	c := demoIMAP(t, d, who)
	if err := c.Select("INBOX"); err != nil {
		t.Fatal(err)
	}
	byMail := func(i int) string {
		t.Helper()
		k := slices.IndexFunc(inbox, func(f string) bool {
			body, err := os.ReadFile(f)
			return err == nil && bytes.Contains(body, fmt.Appendf(nil, "<mbsync%d@client.test>", i))
		})
		if k < 0 {
			t.Fatalf("mail %d is not there", i)
		}
		return inbox[k]
	}
	setFlag(t, byMail(0), "F")
	setFlag(t, byMail(1), "T")
	uids, err := c.Search(`HEADER Message-ID "<mbsync2@client.test>"`)
	if err != nil || len(uids) != 1 {
		t.Fatalf("search finds %v, %v", uids, err)
	}
	if _, _, err := c.Cmd(`UID STORE %s +FLAGS (\Seen)`, uids[0]); err != nil {
		t.Fatal(err)
	}
	sync()

	if uids, err := c.In("INBOX"); err != nil || len(uids) != 2 {
		t.Errorf("after the expunge INBOX has %v, %v; want 2 messages", uids, err)
	}
	if uids, err := c.Search(`FLAGGED HEADER Message-ID "<mbsync0@client.test>"`); err != nil || len(uids) != 1 {
		t.Errorf("flagged here, there %v, %v; want 1 message", uids, err)
	}
	inbox = maildir(t, filepath.Join(dir, "INBOX"))
	if len(inbox) != 2 {
		t.Errorf("after the expunge the Maildir has %d files, want 2", len(inbox))
	}
	if f := byMail(2); !strings.Contains(f[strings.LastIndex(f, ":2,"):], "S") {
		t.Errorf("read there, but here it is %s", filepath.Base(f))
	}

	// The clerk registers by moving; the Maildir copy goes.
	if uids, err = c.In(testkit.Shared("xa07", testkit.Waiting)); err != nil || len(uids) != 1 {
		t.Fatalf("the unit's folder has %v, %v", uids, err)
	}
	if err := c.Move(uids[0], testkit.Shared("xa07", testkit.Registered)); err != nil {
		t.Fatal(err)
	}
	sync()
	if unit = maildir(t, filepath.Join(dir, "cho")); len(unit) != 0 {
		t.Errorf("after registering, the waiting folder still has %v", unit)
	}
}

// maildir lists the messages of a Maildir folder.
func maildir(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	for _, sub := range []string{"cur", "new"} {
		list, err := filepath.Glob(filepath.Join(dir, sub, "*"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	return all
}

// setFlag adds a flag to a Maildir message as a client does: by its name.
func setFlag(t *testing.T, file, flag string) {
	t.Helper()
	base, flags, ok := strings.Cut(filepath.Base(file), ":2,")
	if !ok {
		base, flags = filepath.Base(file), ""
	}
	letters := strings.Split(flags+flag, "")
	slices.Sort(letters)
	to := filepath.Join(filepath.Dir(filepath.Dir(file)), "cur", base+":2,"+strings.Join(letters, ""))
	if err := os.Rename(file, to); err != nil {
		t.Fatal(err)
	}
}

func testPython(t *testing.T, d *testkit.Demo) {
	python := client(t, "python3")
	who := testkit.Login("vanthu", "xa08")
	out := mustRun(t, python, filepath.Join("testdata", "client.py"), d.Submission, d.IMAP, d.CA, who, d.Password(t, who),
		testkit.ModifiedUTF7(testkit.Shared("xa08", testkit.Waiting)), testkit.ModifiedUTF7(testkit.Shared("xa08", testkit.Registered)))
	if !strings.Contains(out, "every step came true") {
		t.Errorf("the script says:\n%s", out)
	}
}

// gsasl is the client of a SASL library that shares nothing with ours.
func testGsasl(t *testing.T, d *testkit.Demo) {
	gsasl := client(t, "gsasl")
	who := testkit.Login("chuyenvien1", "soyte")
	for how, addr := range map[string]string{"--imap": d.IMAP, "--smtp": d.Submission} {
		for _, mech := range []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"} {
			for _, right := range []bool{true, false} {
				t.Run(fmt.Sprint(how, mech, right), func(t *testing.T) {
					password := "wrong password"
					if right {
						password = d.Password(t, who)
					}
					args := []string{
						how, "--connect=" + strings.Replace(addr, "127.0.0.1", "localhost", 1), "--x509-ca-file=" + d.CA,
						"--mechanism=" + mech, "--authentication-id=" + who, "--authorization-id=", "--password=" + password,
					}
					if mech == "SCRAM-SHA-256" {
						args = append(args, "--no-cb") // it refuses to leave out a binding that it could make
					}
					out, err := runClient(t, gsasl, args...)
					if (err == nil) != right {
						t.Errorf("logged in: %v, want %v\n%s", err == nil, right, out)
					}
				})
			}
		}
	}
}
