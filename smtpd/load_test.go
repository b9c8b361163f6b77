package smtpd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vanthu/internal/wire"
)

// TestShutdownUnderLoad stops a server while many clients send: every message that was answered 250 is there, once, and whole.
func TestShutdownUnderLoad(t *testing.T) {
	m := new(memory)
	s, addr := serve(t, m, Relay, Options{GreetDelay: -1, RelayGate: wire.NewGate(wire.GateOptions{PerAddr: 1000})})
	const clients = 50
	var answered, started atomic.Int64
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				return // too late
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			in := &lineReader{r: conn}
			answer := func(code string) bool {
				for {
					line, open := in.next()
					if !open || !strings.HasPrefix(line, code) {
						return false
					}
					if line[3] == ' ' {
						return true
					}
				}
			}
			_, _ = io.WriteString(conn, "EHLO load.example\r\n")
			ok := answer("220") && answer("250")
			for i := 0; ok; i++ {
				_, _ = io.WriteString(conn, "MAIL FROM:<a@out.example>\r\nRCPT TO:<a@tinh.example>\r\nDATA\r\n")
				if ok = answer("250") && answer("250") && answer("354"); !ok {
					return
				}
				started.Add(1)
				line := fmt.Sprintf("%d.%d\r\n", n, i)
				_, _ = io.WriteString(conn, strings.Repeat(line, 500)+".\r\n")
				if ok = answer("250"); ok {
					answered.Add(1)
				}
			}
		})
	}
	for started.Load() < 200 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	wg.Wait()
	got := m.got()
	if int64(len(got)) != answered.Load() || started.Load() != answered.Load() {
		t.Errorf("started %d, answered %d, stored %d: a message under way must be finished", started.Load(), answered.Load(), len(got))
	}
	seen := make(map[string]bool)
	for _, g := range got {
		first, _, _ := strings.Cut(g.body, "\n")
		if seen[first] || g.body != strings.Repeat(first+"\n", 500) {
			t.Errorf("message %q is there twice, or mixed with another", first)
		}
		seen[first] = true
	}
	if st := s.Stats(); st.Messages.Load() != int64(len(got)) || st.Connections.Load() == 0 || m.open() != 0 || s.Open() != 0 {
		t.Errorf("counters: %d messages, %d begun and not ended, %d sessions", st.Messages.Load(), m.open(), s.Open())
	}
}

// TestEveryCut cuts a message off at many points: nothing is delivered, and the next session works. T008.
func TestEveryCut(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{GreetDelay: -1})
	text := append(bytes.Repeat([]byte(strings.Repeat("x", 98)+"\r\n"), 1000), ".\r\n"...)
	for cut := 1; cut < len(text); cut += len(text)/60 + 1 {
		for _, reset := range []bool{false, true} {
			c := dial(t, addr)
			c.send("EHLO a\r\nMAIL FROM:<a@out.example>\r\nRCPT TO:<a@tinh.example>\r\nDATA\r\n" + string(text[:cut]))
			if reset {
				_ = c.conn.(*net.TCPConn).SetLinger(0)
			} else {
				_ = c.conn.(*net.TCPConn).CloseWrite()
				for _, code := range []string{"220", "250", "250", "250", "354"} {
					c.want("", code)
				}
				c.wantClosed()
			}
			_ = c.conn.Close()
		}
	}
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO a", "250")
	c.mailTo("a@tinh.example")
	c.want("DATA", "354")
	c.send(string(text))
	c.want("", "250")
	if got := m.got(); len(got) != 1 || len(got[0].body) != len(text)-3 {
		t.Errorf("delivered %d, want the whole one only", len(got))
	}
}
