package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vanthu/internal/control"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vanthu": main})
}

// TestExitCodes separates what was typed wrongly from what went wrong.
func TestExitCodes(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.toml")
	for _, tt := range []struct {
		name string
		args []string
		want int
	}{
		{"help", []string{"--help"}, exitDone},
		{"no command", nil, exitDone},
		{"version", []string{"version"}, exitDone},
		{"sample", []string{"init", "--sample"}, exitDone},
		{"no configuration", []string{"check", "--config", none}, exitFailed},
		{"no data", []string{"unit", "list", "--config", none}, exitFailed},
		{"unknown command", []string{"nonsense"}, exitUsage},
		{"unknown subcommand", []string{"unit", "nonsense"}, exitUsage},
		{"missing subcommand", []string{"unit"}, exitUsage},
		{"unknown flag", []string{"unit", "list", "--nonsense"}, exitUsage},
		{"missing flag", []string{"unit", "add"}, exitUsage},
		{"flag without value", []string{"demo", "--dir"}, exitUsage},
		{"missing argument", []string{"account", "add", "--name", "A"}, exitUsage},
		{"argument too many", []string{"version", "now"}, exitUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if got := run(t.Context(), tt.args, streams{in: bytes.NewReader(nil), out: &out, err: &errs}); got != tt.want {
				t.Errorf("exit code %d, want %d\n%s", got, tt.want, &errs)
			}
			if said := errs.Len() > 0; said != (tt.want != exitDone) {
				t.Errorf("standard error has %q", &errs)
			}
		})
	}
}

// TestScripts plays the command line as an administrator types it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("LANG", "C.UTF-8")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"flip":    scriptFlip,
			"await":   scriptAwait,
			"appears": scriptAppears,
			"taken":   scriptTaken,
		},
	})
}

// scriptFlip turns one bit in every place of a file where a text stands, as a
// failing disk or a forger would: flip FILE TEXT.
func scriptFlip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE TEXT")
	}
	file := ts.MkAbs(args[0])
	content, err := os.ReadFile(file)
	if err != nil {
		ts.Fatalf("%v", err)
	}
	if !bytes.Contains(content, []byte(args[1])) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	other := []byte(args[1])
	other[len(other)-1] ^= 1
	if err := os.WriteFile(file, bytes.ReplaceAll(content, []byte(args[1]), other), 0o600); err != nil {
		ts.Fatalf("%v", err)
	}
}

// scriptAwait waits until a server answers on the control socket of a folder.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FOLDER")
	}
	path := filepath.Join(ts.MkAbs(args[0]), control.Socket)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("unix", path); err == nil {
			ts.Check(conn.Close())
			return
		}
	}
	ts.Fatalf("no server answers in %s", args[0])
}

// scriptAppears waits until a file is there: appears FILE.
func scriptAppears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: appears FILE")
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("%s does not appear", args[0])
}

// scriptTaken takes the SMTP port of a demo until the script ends, and sets
// BASE to the number that the demo would add to its ports, PORT to the port.
func scriptTaken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: taken")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		ts.Fatalf("%v", err)
	}
	ts.Defer(func() { ts.Check(l.Close()) })
	port := l.Addr().(*net.TCPAddr).Port
	ts.Setenv("BASE", strconv.Itoa(port-portRelay))
	ts.Setenv("PORT", strconv.Itoa(port))
}
