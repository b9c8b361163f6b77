package testkit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vanthu/internal/sqldb"
	"vanthu/internal/testkit"
)

// TestImportTenThousandAccounts holds the program to its promise: ten thousand
// accounts with made passwords in under a minute, and a dry run that changes
// nothing.
func TestImportTenThousandAccounts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the real program")
	}
	t.Parallel()
	const accounts, most = 10_000, time.Minute
	p := testkit.MakeProvince(t, 1)
	var list strings.Builder
	list.WriteString("login,name,unit,roles,password,quota_mib\n")
	for i := range accounts {
		fmt.Fprintf(&list, "cb%05d@soyte.%s,Công chức %d,H18.21,chuyenvien,,\n", i, testkit.Domain, i)
	}
	file := filepath.Join(t.TempDir(), "accounts.csv")
	if err := os.WriteFile(file, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	before := fingerprint(t, p)

	out, errs, code := binary.Run(t, "--config", p.File, "account", "import", file, "--dry-run")
	if code != 0 || out != "" || !strings.Contains(errs, strconv.Itoa(accounts)+" accounts would be added") {
		t.Errorf("dry run: exit code %d\n%.500s\n%.500s", code, out, errs)
	}
	if after := fingerprint(t, p); after != before {
		t.Errorf("the dry run changed the data: %s, before %s", after, before)
	}

	begun := time.Now()
	out, errs, code = binary.Run(t, "--config", p.File, "account", "import", file)
	took := time.Since(begun)
	if code != 0 || !strings.Contains(errs, strconv.Itoa(accounts)+" accounts added") {
		t.Fatalf("import: exit code %d\n%.500s", code, errs)
	}
	t.Logf("%d accounts in %v", accounts, took)
	if took > most {
		t.Errorf("the import took %v, promised are %v", took, most)
	}
	made := map[string]bool{}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, l := range lines {
		_, password, ok := strings.Cut(l, "\t")
		if !ok || len(password) < 26 || made[password] { // 128 bits in base32 have 26 letters
			t.Fatalf("line %q has no password of its own", l)
		}
		made[password] = true
	}
	if len(made) != accounts {
		t.Errorf("%d passwords were printed, want %d", len(made), accounts)
	}
	// The last one's password opens the door.
	login, password, _ := strings.Cut(lines[len(lines)-1], "\t")
	server := binary.Start(t, "--config", p.File, "serve")
	server.WaitServing(t, p.Config.DataDir)
	conf, err := p.TLS()
	if err != nil {
		t.Fatal(err)
	}
	c, err := testkit.DialIMAPS(string(p.Config.IMAP.IMAPS), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(login, password); err != nil {
		t.Errorf("log in as %s: %v", login, err)
	}
	server.Stop(t)
}

// fingerprint sums up what an import would change.
func fingerprint(t *testing.T, p *testkit.Province) (sum string) {
	t.Helper()
	p.View(t, func(ctx context.Context, r sqldb.Reader) error {
		return r.QueryRow(ctx, `
SELECT (SELECT count(*) FROM account) || ' accounts, ' || (SELECT count(*) FROM credential) || ' credentials, ' ||
  (SELECT count(*) FROM mailbox) || ' mailboxes, ' || (SELECT count(*) FROM journal) || ' journal entries'`).Scan(&sum)
	})
	return sum
}

// TestIdleMemory measures the whole training province after its story.
func TestIdleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the real program")
	}
	const mostKiB = 60 << 10
	d := binary.StartDemo(t)
	// Idle is when the server has noticed that nothing happens any more.
	rss := residentKiB(t, d.PID)
	for end := time.Now().Add(90 * time.Second); rss > mostKiB && time.Now().Before(end); rss = residentKiB(t, d.PID) {
		time.Sleep(time.Second)
	}
	t.Logf("the training province takes %d MiB of memory", rss>>10)
	if rss > mostKiB {
		t.Errorf("resident memory is %d KiB, promised are %d", rss, mostKiB)
	}
}

// residentKiB reads the resident memory of a process. proc(5).
func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no VmRSS in the status of the process")
	return 0
}
