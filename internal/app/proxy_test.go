package app

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vanthu/config"
)

// A client behind a listed proxy is known by its own address: limits, logs and trace fields are about it.
func TestClientsBehindAProxy(t *testing.T) {
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.Domains = []config.Domain{"p.test"}
	cfg.Server.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	const free = config.Listen("127.0.0.1:0")
	cfg.SMTP.Relay, cfg.SMTP.Submission, cfg.SMTP.Submissions, cfg.SMTP.LMTP = free, "", "", ""
	cfg.IMAP.IMAP, cfg.IMAP.IMAPS, cfg.HTTP.HTTP, cfg.HTTP.HTTPS = free, "", "", ""
	cfg.SMTP.RelayConnectionsPerAddress = 1
	cfg.Limits.MinFree = 0
	rooms, err := Open(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer rooms.Close()
	srv, err := NewServer(t.Context(), rooms)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	greeting := func(addr, client string) string {
		t.Helper()
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(c, "PROXY TCP4 %s 192.0.2.1 4660 25\r\n", client)
		line, _ := bufio.NewReader(c).ReadString('\n')
		return line
	}
	for _, tt := range []struct{ addr, client, want string }{
		{srv.Addresses().Relay, "203.0.113.7", "220 "},
		{srv.Addresses().Relay, "203.0.113.7", "421 4.7.0 Too many connections from your address"},
		{srv.Addresses().Relay, "203.0.113.8", "220 "},
		{srv.Addresses().IMAP, "203.0.113.7", "* OK"},
	} {
		if got := greeting(tt.addr, tt.client); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s from %s: %q, want %q", tt.addr, tt.client, got, tt.want)
		}
	}
}
