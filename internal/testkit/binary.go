package testkit

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"vanthu/internal/control"
)

// Binary is the real program, built once for all tests of a process that
// share it.
type Binary struct {
	once sync.Once
	dir  string
	err  error
}

// Path gives the program's file.
func (b *Binary) Path(t testing.TB) string {
	t.Helper()
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "vanthu-binary-"); b.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-buildvcs=false", "-tags=sqlite_fts5", "-o", filepath.Join(b.dir, "vanthu"), "vanthu/cmd/vanthu")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("build the program: %w\n%s", err, out)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return filepath.Join(b.dir, "vanthu")
}

// Remove deletes the program's file.
func (b *Binary) Remove() error {
	if b.dir == "" {
		return nil
	}
	return os.RemoveAll(b.dir)
}

// Run runs a command of the program to its end and gives its exit code.
func (b *Binary) Run(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	// Not the test's context: a clean-up runs commands too.
	cmd := exec.CommandContext(context.Background(), b.Path(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run vanthu %q: %v", args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Process is the program running as a server.
type Process struct {
	cmd   *exec.Cmd
	out   logBuffer
	ended chan struct{}
	err   error // of Wait, valid when ended is closed
}

// Start begins a command of the program that goes on until it is stopped. When
// the test ends before that, it is killed.
func (b *Binary) Start(t testing.TB, args ...string) *Process {
	t.Helper()
	p := &Process{cmd: exec.Command(b.Path(t), args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start vanthu %q: %v", args, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.Kill)
	return p
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the process as a power cut would, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.ended
}

// Stop asks the process to end and checks that it does so in order.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("stop the server: %v\n%s", err, p.out.tail())
		return
	}
	select {
	case <-p.ended:
		if p.err != nil {
			t.Errorf("the server ended with: %v\n%s", p.err, p.out.tail())
		}
	case <-time.After(40 * time.Second):
		t.Errorf("the server does not stop within 40 s\n%s", p.out.tail())
	}
}

// wait waits until ready says so, the process ends, or a minute is over.
func (p *Process) wait(t testing.TB, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ready(); {
		select {
		case <-p.ended:
			t.Fatalf("the server ended at once: %v\n%s", p.err, p.out.tail())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server is not ready within a minute\n%s", p.out.tail())
		}
	}
}

// WaitServing waits until the process serves the data in a folder: its control
// socket is the last that it opens, and nobody else can be behind it.
func (p *Process) WaitServing(t testing.TB, dataDir string) {
	t.Helper()
	p.wait(t, func() bool {
		_, ok, err := control.Dial(context.Background(), dataDir)
		return ok && err == nil
	})
}

// Demo is a running training province, as its demo.json describes it.
type Demo struct {
	PID         int
	SMTP        string
	Submission  string
	Submissions string
	LMTP        string
	IMAP        string
	IMAPS       string
	HTTP        string
	HTTPS       string
	CA          string
	Config      string
	Accounts    []struct{ Login, Password, Unit, Name string }

	Process *Process    `json:"-"`
	TLS     *tls.Config `json:"-"`
}

// StartDemo runs the training province of the real program until the test
// ends, and waits until its story is told.
func (b *Binary) StartDemo(t testing.TB) *Demo {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demo")
	p := b.Start(t, "demo", "--dir", dir, "--port-base", strconv.Itoa(FreePortBase(t)), "--lang", "en")
	d := &Demo{Process: p}
	p.wait(t, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "demo.json"))
		return err == nil && json.Unmarshal(text, d) == nil
	})
	var err error
	if d.TLS, err = trust(d.CA); err != nil {
		t.Fatal(err)
	}
	if d.PID != p.PID() {
		t.Errorf("demo.json has pid %d, want %d", d.PID, p.PID())
	}
	t.Cleanup(func() {
		p.Stop(t)
		log, err := os.ReadFile(filepath.Join(dir, "vanthu.log"))
		if err != nil {
			t.Error(err)
		}
		if line := badLine.Find(log); line != nil {
			t.Errorf("the log has: %s", line)
		}
		if out, _, code := b.Run(t, "--config", d.Config, "audit", "verify"); code != 0 {
			t.Errorf("audit verify: exit code %d\n%s", code, out)
		}
	})
	return d
}

// Password gives the password of an account.
func (d *Demo) Password(t testing.TB, login string) string {
	t.Helper()
	for _, a := range d.Accounts {
		if a.Login == login {
			return a.Password
		}
	}
	t.Fatalf("the demo has no account %s", login)
	return ""
}

// FreePortBase finds a number to which every port of the demo can be added.
func FreePortBase(t testing.TB) int {
	t.Helper()
	free := func(base int) bool {
		for _, p := range []int{24, 25, 80, 143, 443, 465, 587, 993} {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(base+p)))
			if err != nil || l.Close() != nil {
				return false
			}
		}
		return true
	}
	for range 100 {
		// Below the ports that the system gives to outgoing connections.
		if base := 10_000 + rand.IntN(21_000); free(base) {
			return base
		}
	}
	t.Fatal("no free ports for a demo")
	return 0
}
