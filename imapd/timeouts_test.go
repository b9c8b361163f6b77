package imapd

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipe serves one connection of w inside a bubble with its own time and gives the client's end.
func pipe(t *testing.T, w *world, implicit bool) (net.Conn, *bufio.Reader) {
	t.Helper()
	a, b := net.Pipe()
	opt := w.opt
	opt.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	srv, err := New(w.be, opt)
	check(t, err)
	l := &oneConn{c: local{b}, closed: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(context.Background(), l, implicit); err != nil {
			t.Errorf("Serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		a.Close()
		l.Close()
		<-done
		srv.stop()
	})
	r := bufio.NewReader(a)
	if implicit {
		return a, r
	}
	if got, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(got, "* OK ") {
		t.Fatalf("greeting %q, %v", got, err)
	}
	return a, r
}

// local makes a pipe look like a connection from the machine itself.
type local struct{ net.Conn }

func (local) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// I17: our own times hold, whatever imapserver's constants are; trickling octets does not help.
func TestDefect_I17_Times(t *testing.T) {
	w := newWorld(t, Options{AllowInsecureAuthOnLoopback: true}, nil)
	tests := []struct {
		name   string
		send   string        // at once
		drip   time.Duration // between further octets; 0 for none
		within time.Duration // the connection ends not later, and says BYE
		after  time.Duration // and not earlier
	}{
		{"silent before login", "", 0, loginTime, loginTime},
		{"trickling before login", "a LOGIN ", 10 * time.Second, loginTime + time.Second, loginTime},
		{"half a literal before login", "a LOGIN {20}\r\nabc", 0, loginTime, loginTime},
		{"idle after login", "a LOGIN canbo@x.test " + w.pass["canbo"] + "\r\n", 0, idleTime, idleTime},
		{"silent in IDLE", "a LOGIN canbo@x.test " + w.pass["canbo"] + "\r\nb IDLE\r\n", 0, idleTime, idleTime},
		{"busy with nothing before login", strings.Repeat("a NOOP\r\n", 10), 0, loginTime, loginTime},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, r := pipe(t, w, false)
				begin := time.Now()
				var talking sync.WaitGroup
				talking.Go(func() {
					if tt.send == "" {
						return // a pipe passes on even an empty write
					}
					if _, err := io.WriteString(c, tt.send); err != nil {
						return
					}
					for tt.drip > 0 {
						time.Sleep(tt.drip)
						if _, err := io.WriteString(c, "x"); err != nil {
							return // the server has ended the connection
						}
					}
				})
				all, err := io.ReadAll(r)
				ended := time.Since(begin)
				talking.Wait()
				if err != nil {
					t.Errorf("read: %v", err)
				}
				if ended < tt.after || ended > tt.within {
					t.Errorf("ended after %v, want %v to %v", ended, tt.after, tt.within)
				}
				if !strings.Contains(string(all), "* BYE ") {
					t.Errorf("got %q, want BYE", all)
				}
			})
		})
	}
}

func TestDefect_I17_SilentPeerOnImplicitTLS(t *testing.T) {
	server, _ := testTLS(t)
	w := newWorld(t, Options{TLS: server}, nil)
	synctest.Test(t, func(t *testing.T) {
		_, r := pipe(t, w, true)
		begin := time.Now()
		if all, err := io.ReadAll(r); err != nil || len(all) > 0 {
			t.Errorf("got %q, %v", all, err)
		}
		if d := time.Since(begin); d != handshakeTime {
			t.Errorf("ended after %v, want %v", d, handshakeTime)
		}
	})
}
