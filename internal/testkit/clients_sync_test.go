package testkit_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vanthu/internal/testkit"
)

// A two-way synchroniser: it keeps Maildir folders and the server's mailboxes alike.
type synchroniser struct {
	name   string
	dir    string // of the Maildir folders
	sync   func()
	remove func(file string) // deletes a message here
	again  bool              // makes a folder anew there that is still here
}

// login of the account that a synchroniser works for, and the port of IMAPS.
func syncAccount(t *testing.T, d *testkit.Demo, commune string) (who, port string) {
	t.Helper()
	who = testkit.Login("vanthu", commune)
	sender := &testkit.Sender{Addr: d.Submission, TLS: d.TLS, Login: who, Password: d.Password(t, who)}
	for i, subject := range []string{"một", "hai", "ba", "bốn"} {
		b := testkit.Message(who, "Thư thứ "+subject, fmt.Sprint("sync", i), who)
		if _, err := sender.Send(b.Bytes(), who); err != nil {
			t.Fatal(err)
		}
	}
	_, port, err := net.SplitHostPort(d.IMAPS)
	if err != nil {
		t.Fatal(err)
	}
	return who, port
}

const mbsyncAll = `
IMAPAccount vanthu
Host localhost
Port %[1]s
User %[2]s
Pass %[3]s
SSLType IMAPS
CertificateFile %[4]s

IMAPStore far
Account vanthu

MaildirStore near
Path %[5]s/
Inbox %[5]s/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX Moi Duan Duan2
Create Both
Remove Both
Expunge Both
Sync All
SyncState *
`

func testMbsyncFolders(t *testing.T, d *testkit.Demo) {
	mbsync := client(t, "mbsync")
	who, port := syncAccount(t, d, "xa09")
	dir := t.TempDir()
	conf := filepath.Join(t.TempDir(), "mbsyncrc")
	if err := os.WriteFile(conf, fmt.Appendf(nil, mbsyncAll, port, who, d.Password(t, who), d.CA, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	bothWays(t, demoIMAP(t, d, who), synchroniser{
		name: "mbsync", dir: dir, remove: func(file string) { t.Helper(); setFlag(t, file, "T") },
		sync: func() { t.Helper(); mustRun(t, mbsync, "--config", conf, "--all") },
	})
}

const offlineimapConfig = `
[general]
accounts = a
metadata = %[5]s/meta
socktimeout = 30

[Account a]
localrepository = here
remoterepository = there

[Repository here]
type = Maildir
localfolders = %[5]s/mail
sync_deletes = yes

[Repository there]
type = IMAP
remotehost = localhost
remoteport = %[1]s
remoteuser = %[2]s
remotepass = %[3]s
ssl = yes
sslcacertfile = %[4]s
sync_deletes = yes
folderfilter = lambda name: name in ['INBOX', 'Moi', 'Duan', 'Duan2']
`

func testOfflineimap(t *testing.T, d *testkit.Demo) {
	offlineimap := client(t, "offlineimap")
	who, port := syncAccount(t, d, "xa10")
	dir := t.TempDir()
	conf := filepath.Join(dir, "offlineimaprc")
	text := fmt.Sprintf(offlineimapConfig, port, who, strings.ReplaceAll(d.Password(t, who), "%", "%%"), d.CA, dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	bothWays(t, demoIMAP(t, d, who), synchroniser{
		name: "offlineimap", dir: filepath.Join(dir, "mail"), again: true,
		remove: func(file string) {
			t.Helper()
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
		sync: func() { t.Helper(); mustRun(t, offlineimap, "-c", conf, "-o", "-1", "-u", "basic") },
	})
}

// bothWays changes things on both sides and checks both sides after each synchronisation: messages, flags, removals, folders.
func bothWays(t *testing.T, c *testkit.IMAP, s synchroniser) {
	t.Helper()
	here := func(folder string) []string { t.Helper(); return maildir(t, filepath.Join(s.dir, folder)) }
	byMail := func(folder, id string) string {
		t.Helper()
		for _, f := range here(folder) {
			body, err := os.ReadFile(f)
			if err == nil && bytes.Contains(body, []byte("<"+id+"@client.test>")) {
				return f
			}
		}
		return ""
	}
	there := func(folder, keys string, want int) []string {
		t.Helper()
		if err := c.Select(folder); err != nil {
			t.Errorf("%s: select %s: %v", s.name, folder, err)
			return nil
		}
		uids, err := c.Search(keys)
		if err != nil || len(uids) != want {
			t.Errorf("%s: %s has %v for %s, %v; want %d messages", s.name, folder, uids, keys, err, want)
		}
		return uids
	}
	cmd := func(format string, args ...any) {
		t.Helper()
		if _, _, err := c.Cmd(format, args...); err != nil {
			t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
		}
	}
	id := func(n int) string { return fmt.Sprint("sync", n) }
	header := func(n int) string { return fmt.Sprintf(`HEADER Message-ID "<%s@client.test>"`, id(n)) }

	s.sync()
	if got := here("INBOX"); len(got) != 4 {
		t.Fatalf("%s: INBOX came as %d files, want 4", s.name, len(got))
	}

	// Here: one flagged, one deleted, a new folder with a message. There: one read, one expunged, a new folder with a message.
	setFlag(t, byMail("INBOX", id(0)), "F")
	s.remove(byMail("INBOX", id(1)))
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(s.dir, "Moi", sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	mail := "From: a@client.test\r\nSubject: moi\r\nMessage-ID: <moi@client.test>\r\n\r\nTừ máy này.\r\n"
	name := fmt.Sprintf("%d.1.client.test:2,S", time.Now().Unix())
	if err := os.WriteFile(filepath.Join(s.dir, "Moi", "cur", name), []byte(strings.ReplaceAll(mail, "\r\n", "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	uid := there("INBOX", header(2), 1)
	cmd(`UID STORE %s +FLAGS (\Seen)`, uid[0])
	uid = there("INBOX", header(3), 1)
	cmd(`UID STORE %s +FLAGS (\Deleted)`, uid[0])
	cmd("UID EXPUNGE %s", uid[0])
	cmd("CREATE Duan")
	cmd("SUBSCRIBE Duan")
	cmd("APPEND Duan (\\Flagged) {%d}\r\n%s", len(mail), strings.ReplaceAll(mail, "moi@", "duan@"))
	s.sync()
	s.sync() // what the first one made is not always filled by it

	there("INBOX", "FLAGGED "+header(0), 1)
	there("INBOX", header(1), 0)
	there("INBOX", "ALL", 2)
	there("Moi", `SEEN HEADER Message-ID "<moi@client.test>"`, 1)
	if got := here("INBOX"); len(got) != 2 {
		t.Errorf("%s: INBOX has %d files here, want 2", s.name, len(got))
	}
	if f := byMail("INBOX", id(2)); !strings.Contains(filepath.Base(f), "S") {
		t.Errorf("%s: read there, but here it is %q", s.name, filepath.Base(f))
	}
	if f := byMail("Duan", "duan"); !strings.Contains(f[strings.LastIndexByte(f, ':')+1:], "F") {
		t.Errorf("%s: the flagged message of the folder made there is %q here", s.name, f)
	}

	// There: the folder is renamed, a flag goes. Here: the other message is deleted.
	cmd("RENAME Duan Duan2")
	cmd("UNSUBSCRIBE Duan")
	cmd("SUBSCRIBE Duan2")
	uid = there("INBOX", header(0), 1)
	cmd(`UID STORE %s -FLAGS (\Flagged)`, uid[0])
	s.remove(byMail("INBOX", id(2)))
	if s.again { // so whoever renames a folder there removes the old one here
		if err := os.RemoveAll(filepath.Join(s.dir, "Duan")); err != nil {
			t.Fatal(err)
		}
	}
	s.sync()
	s.sync()
	if f := byMail("Duan2", "duan"); f == "" {
		t.Errorf("%s: the renamed folder did not come", s.name)
	}
	if f := byMail("INBOX", id(0)); f == "" || strings.Contains(f[strings.LastIndexByte(f, ':')+1:], "F") {
		t.Errorf("%s: the flag taken away there is here: %q", s.name, filepath.Base(f))
	}
	there("INBOX", "ALL", 1)
	there("Duan2", "ALL", 1)
}

const neomuttConfig = `
set folder = "imaps://localhost:%[1]s/"
set imap_user = "%[2]s"
set imap_pass = "%[3]s"
set smtp_url = "smtps://%[2]s@localhost:%[6]s/"
set smtp_pass = "%[3]s"
set smtp_authenticators = "plain"
set ssl_ca_certificates_file = "%[4]s"
set certificate_file = "%[4]s"
set ssl_usesystemcerts = no
set ssl_force_tls = yes
set from = "%[2]s"
set use_from = yes
set envelope_from = yes
set spoolfile = "+INBOX"
set postponed = "+Drafts"
set trash = ""
set header_cache = ""
set message_cachedir = ""
set wait_key = no
set confirmappend = no
set confirmcreate = no
set delete = yes
set quit = yes
set move = no
set mark_old = no
set resolve = no
set copy = no
set sort = mailbox-order
set sleep_time = 0
set send_charset = "us-ascii:utf-8"
set charset = "utf-8"
`

// testNeomutt lists, opens, flags, moves and deletes with neomutt's keys, and sends.
func testNeomutt(t *testing.T, d *testkit.Demo) {
	neomutt, tty := client(t, "neomutt"), client(t, "script")
	who, port := syncAccount(t, d, "xa11")
	_, smtp, err := net.SplitHostPort(d.Submissions)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "neomuttrc")
	text := fmt.Sprintf(neomuttConfig, port, who, d.Password(t, who), d.CA, dir, smtp)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "TERM=xterm", "HOME="+dir, "LC_ALL=C.UTF-8", "COLUMNS=100", "LINES=40")

	keys := `push "<first-entry><display-message><exit><flag-message><next-entry>` +
		`<save-message>+Archive<enter><next-undeleted><delete-message><sync-mailbox><quit>"`
	rc := filepath.Join(dir, "keys")
	if err := os.WriteFile(rc, []byte(text+keys+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, tty, "-qec", neomutt+" -n -F "+rc, "/dev/null")
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("neomutt: %v\n%q", err, out)
	}
	c := demoIMAP(t, d, who)
	counts := func(folder, keys string, want int) {
		t.Helper()
		if err := c.Select(folder); err != nil {
			t.Fatal(err)
		}
		if uids, err := c.Search(keys); err != nil || len(uids) != want {
			t.Errorf("%s has %v for %s, %v; want %d", folder, uids, keys, err, want)
		}
	}
	counts("INBOX", "ALL", 2)
	counts("INBOX", `FLAGGED SEEN HEADER Message-ID "<sync0@client.test>"`, 1)
	counts("Archive", `HEADER Message-ID "<sync1@client.test>"`, 1)
	counts("INBOX", `HEADER Message-ID "<sync2@client.test>"`, 0)
	counts("INBOX", `UNSEEN UNFLAGGED HEADER Message-ID "<sync3@client.test>"`, 1)

	cmd = exec.CommandContext(ctx, neomutt, "-n", "-F", conf, "-s", "Báo cáo từ neomutt", "--", who)
	cmd.Env, cmd.Stdin = env, strings.NewReader("Kính gửi.\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("neomutt sends: %v\n%s", err, out)
	}
	counts("INBOX", "CHARSET UTF-8 SUBJECT \"neomutt\"", 1)
	body, err := c.Body(slices.Max(must(c.Search("SUBJECT neomutt"))(t)))
	if err != nil || !bytes.Contains(body, []byte("Subject: =?utf-8?B?")) {
		t.Errorf("the message sent is %.300q, %v", body, err)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
