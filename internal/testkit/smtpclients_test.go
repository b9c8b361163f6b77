package testkit_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vanthu/internal/testkit"
)

// Mail clients that only send, each as people set them up.

func testMsmtp(t *testing.T, d *testkit.Demo) {
	msmtp := client(t, "msmtp")
	from, to := testkit.Login("chuyenvien1", "soyte"), testkit.Login("chuyenvien2", "sonoivu")
	host, port, err := net.SplitHostPort(d.Submission)
	if err != nil {
		t.Fatal(err)
	}
	rc := filepath.Join(t.TempDir(), "msmtprc")
	text := fmt.Sprintf("account default\nhost %s\nport %s\ntls on\ntls_starttls on\ntls_trust_file %s\nauth plain\nuser %s\npassword %s\nfrom %s\ndsn_notify failure,delay,success\ndsn_return headers\n",
		host, port, d.CA, from, d.Password(t, from), from)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b := testkit.Message(from, "Gửi bằng msmtp", "msmtp", to)
	cmd := exec.CommandContext(t.Context(), msmtp, "--file="+rc, to)
	cmd.Stdin = strings.NewReader(string(b.Bytes()))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("msmtp: %v\n%s", err, out)
	}
	if uids, err := demoIMAP(t, d, to).In("INBOX"); err != nil || len(uids) != 1 {
		t.Errorf("INBOX has %v, %v; want the message", uids, err)
	}
	// NOTIFY=SUCCESS: the sender is told that it is in the mailbox.
	c := demoIMAP(t, d, from)
	uids, err := c.In("INBOX")
	if err != nil || len(uids) != 1 {
		t.Errorf("the sender's INBOX has %v, %v; want the receipt", uids, err)
	}
}

func testSNail(t *testing.T, d *testkit.Demo) {
	snail := client(t, "s-nail")
	from, to := testkit.Login("chuyenvien1", "xa05"), testkit.Login("chuyenvien1", "xa06")
	_, port, err := net.SplitHostPort(d.Submissions) // it compares names only, not addresses
	if err != nil {
		t.Fatal(err)
	}
	url := "submissions://" + strings.ReplaceAll(from, "@", "%40") + ":" + d.Password(t, from) + "@localhost:" + port
	cmd := exec.CommandContext(t.Context(), snail, "-:/", "-v", "-Sv15-compat", "-Smta="+url, "-Ssmtp-auth=plain", "-Stls-ca-file="+d.CA, "-Stls-verify=strict",
		"-Sfrom="+from, "-Sttycharset=utf-8", "-Ssendcharsets=utf-8", "-Ssendwait", "-s", "Gửi bằng s-nail", to)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "HOME="+t.TempDir())
	cmd.Stdin = strings.NewReader("Kính gửi.\n.hai\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("s-nail: %v\n%s", err, out)
	}
	if uids, err := demoIMAP(t, d, to).In("INBOX"); err != nil || len(uids) != 1 {
		t.Errorf("INBOX has %v, %v; want the message", uids, err)
	}
}

// smtp-source of Postfix: ten sessions, pipelined or not, to the relay port.
func testSMTPSource(t *testing.T, d *testkit.Demo) {
	source := client(t, "smtp-source")
	to := testkit.Login("chuyenvien1", "xa07")
	mustRun(t, source, "-s", "10", "-m", "200", "-l", "4096", "-f", "load@out.test", "-t", to, d.SMTP)
	mustRun(t, source, "-s", "4", "-m", "20", "-r", "1", "-d", "-f", "load@out.test", "-t", to, d.SMTP)
	if uids, err := demoIMAP(t, d, to).In("INBOX"); err != nil || len(uids) != 220 {
		t.Errorf("INBOX has %d messages, %v; want 220", len(uids), err)
	}
}

// Python's smtplib, 8-bit and with parameters of DSN.
func testSMTPLib(t *testing.T, d *testkit.Demo) {
	python := client(t, "python3")
	from, to := testkit.Login("chuyenvien1", "xa09"), testkit.Login("chuyenvien1", "xa10")
	mustRun(t, python, filepath.Join("testdata", "smtplib_client.py"), d.Submission, d.CA, from, d.Password(t, from), to)
	if uids, err := demoIMAP(t, d, to).In("INBOX"); err != nil || len(uids) != 3 {
		t.Errorf("INBOX has %v, %v; want 3 messages", uids, err)
	}
}
