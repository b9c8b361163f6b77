package filter

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The two test files that every scanner knows. They are put together here so
// that no scanner finds them in this source.
var (
	eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`
	gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
)

// needs skips the test unless "make filters" runs it.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("VANTHU_TEST_FILTERS") == "" {
		t.Skip("make filters runs this")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatal(err)
		}
	}
}

// run starts a program until the test ends; its output is shown when that fails.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(name)+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		done := make(chan struct{})
		go func() {
			_ = cmd.Wait()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("%s:\n%s", name, text)
		}
	})
}

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// reached waits until somebody listens.
func reached(t *testing.T, network, addr string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if c, err := net.Dial(network, addr); err == nil {
			_ = c.Close()
			return
		}
	}
	t.Fatalf("nobody listens on %s", addr)
}

func letter(parts ...string) *Mail {
	m := message("")
	m.Fields = []Field{
		{"From", " <a@p.test>"}, {"To", " <b@p.test>"}, {"Subject", " Họp giao ban"}, {"Date", " " + time.Now().Format(time.RFC1123Z)},
		{"Message-ID", " <1@p.test>"}, {"MIME-Version", " 1.0"}, {"Content-Type", " multipart/mixed; boundary=xx"},
	}
	body := "--xx\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nKính gửi các đơn vị, họp lúc 8 giờ.\r\n"
	for _, p := range parts {
		body += "--xx\r\n" + p + "\r\n"
	}
	body += "--xx--\r\n"
	m.Body, m.Size = func() io.Reader { return strings.NewReader(body) }, int64(len(body))
	return m
}

func TestRealClamAV(t *testing.T) {
	needs(t, "clamd", "clamav-milter")
	dir := t.TempDir()
	db := filepath.Join(dir, "db")
	if err := os.Mkdir(db, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(db, "eicar.hdb"), "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test-File\n")
	clamd, sock := filepath.Join(dir, "clamd.ctl"), filepath.Join(dir, "milter.ctl")
	run(t, "clamd", "--foreground", "--config-file", write(t, filepath.Join(dir, "clamd.conf"),
		"LocalSocket "+clamd+"\nDatabaseDirectory "+db+"\nTemporaryDirectory "+dir+"\n"))
	reached(t, "unix", clamd)
	run(t, "clamav-milter", "--config-file", write(t, filepath.Join(dir, "milter.conf"),
		"Foreground yes\nMilterSocket unix:"+sock+"\nClamdSocket unix:"+clamd+"\nOnInfected Reject\nRejectMsg Virus found: %v\nAddHeader Replace\nTemporaryDirectory "+dir+"\n"))
	reached(t, "unix", sock)
	m := NewMilter(MilterOptions{Name: "clamav", Network: "unix", Address: sock})

	a := m.Ask(t.Context(), letter())
	if a.Failed != nil || a.Decision.Action != Pass {
		t.Errorf("clean mail: %+v", a)
	}
	t.Logf("clean mail: %v, adds %q", a.Decision.Action, a.Changes.Add)
	if len(a.Changes.Add) == 0 {
		t.Error("no X-Virus field for clean mail")
	}
	a = m.Ask(t.Context(), letter("Content-Type: application/octet-stream; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"+
		base64.StdEncoding.EncodeToString([]byte(eicar))))
	if a.Failed != nil || a.Decision.Action != Refuse || !strings.Contains(a.Decision.Text.EN, "Eicar") {
		t.Errorf("EICAR: %+v", a)
	}
	t.Logf("EICAR: %v, %s", a.Decision.Action, a.Decision.Text.EN)
	if !a.Changes.None() {
		t.Errorf("changes to a refused message: %+v", a.Changes)
	}
}

func TestRealRspamd(t *testing.T) {
	needs(t, "rspamd")
	dir := t.TempDir()
	if out, err := exec.Command("cp", "-r", "/etc/rspamd/.", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	local := filepath.Join(dir, "local.d")
	if err := os.MkdirAll(local, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"options.inc":           "disable_hyperscan = true;\ndns { nameserver = [\"127.0.0.1:9\"]; timeout = 0.1s; retransmits = 1; }\n",
		"worker-proxy.inc":      fmt.Sprintf("bind_socket = %q;\nmilter = yes;\ntimeout = 60s;\nupstream \"local\" { default = yes; self_scan = yes; }\n", addr),
		"worker-normal.inc":     "enabled = false;\n",
		"worker-controller.inc": "enabled = false;\n",
		"worker-fuzzy.inc":      "enabled = false;\n",
	} {
		write(t, filepath.Join(local, name), text)
	}
	args := []string{"-f", "-i", "-c", filepath.Join(dir, "rspamd.conf")}
	for _, v := range []string{"CONFDIR", "LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR"} {
		args = append(args, "--var", v+"="+dir)
	}
	run(t, "rspamd", args...)
	reached(t, "tcp", addr)
	m := NewMilter(MilterOptions{Name: "rspamd", Network: "tcp", Address: addr})

	a := m.Ask(t.Context(), letter())
	if a.Failed != nil || a.Decision.Action != Pass {
		t.Errorf("clean mail: %+v", a)
	}
	t.Logf("clean mail: %v, adds %q", a.Decision.Action, a.Changes.Add)
	a = m.Ask(t.Context(), letter("Content-Type: text/plain\r\n\r\n"+gtube))
	if a.Failed != nil || a.Decision.Action != Refuse || !strings.Contains(a.Decision.Text.EN, "Gtube") {
		t.Errorf("GTUBE: %+v", a)
	}
	t.Logf("GTUBE: %v, %s", a.Decision.Action, a.Decision.Text.EN)
}
