package wire

import (
	"bytes"
	"compress/flate"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pair returns a Conn and the peer's end of a loopback TCP connection.
func pair(t testing.TB, opt ConnOptions) (*Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := NewConn(raw, opt)
	t.Cleanup(func() { c.Kill(); peer.Close() })
	return c, peer.(*net.TCPConn)
}

func send(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

func TestReadLine(t *testing.T) {
	long := strings.Repeat("x", 3000)
	tests := []struct {
		name  string
		input string
		max   int
		want  []string
		err   error
	}{
		{"two in one segment", "EHLO a\r\nNOOP\r\n", 512, []string{"EHLO a\r\n", "NOOP\r\n"}, io.EOF},
		{"bare line feed", "NOOP\n", 512, []string{"NOOP\n"}, io.EOF},
		{"longer than the idle buffer", long + "\r\nNOOP\r\n", 4096, []string{long + "\r\n", "NOOP\r\n"}, io.EOF},
		{"exactly the limit", "1234567\n", 8, []string{"1234567\n"}, io.EOF},
		{"one over the limit", "12345678\n", 8, nil, ErrLineTooLong},
		{"no end within the limit", long, 1000, nil, ErrLineTooLong},
		{"cut within a line", "NOO", 512, nil, io.ErrUnexpectedEOF},
		{"cut between lines", "NOOP\r\n", 512, []string{"NOOP\r\n"}, io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, peer := pair(t, ConnOptions{})
			send(t, peer, tt.input)
			peer.CloseWrite()
			for _, want := range tt.want {
				got, err := c.ReadLine(tt.max)
				if string(got) != want || err != nil {
					t.Fatalf("ReadLine = %q, %v, want %q", got, err, want)
				}
			}
			if got, err := c.ReadLine(tt.max); !errors.Is(err, tt.err) {
				t.Errorf("ReadLine at the end = %q, %v, want error %v", got, err, tt.err)
			}
		})
	}
}

func TestSkipLineKeepsTheNextOne(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	go io.WriteString(peer, strings.Repeat("x", 300_000)+"\r\nNOOP\r\n") // a failure shows in what is read
	if _, err := c.ReadLine(2048); !errors.Is(err, ErrLineTooLong) {
		t.Fatalf("ReadLine: %v, want ErrLineTooLong", err)
	}
	if err := c.SkipLine(1 << 20); err != nil {
		t.Fatalf("SkipLine: %v", err)
	}
	if got, err := c.ReadLine(2048); string(got) != "NOOP\r\n" || err != nil {
		t.Errorf("ReadLine = %q, %v, want NOOP", got, err)
	}
}

func TestSkipLineGivesUp(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	go io.WriteString(peer, strings.Repeat("x", 300_000)) // fails when the test ends
	if err := c.SkipLine(100_000); !errors.Is(err, ErrLineTooLong) {
		t.Errorf("SkipLine: %v, want ErrLineTooLong", err)
	}
}

func TestBufferSizesFollowTheLoad(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	body := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	go peer.Write(append(body, "NOOP\r\n"...))
	got := 0
	for got < len(body) {
		if len(c.Buffered()) == 0 {
			if err := c.Fill(); err != nil {
				t.Fatal(err)
			}
		}
		n := min(len(c.Buffered()), len(body)-got)
		if !bytes.Equal(c.Buffered()[:n], body[got:got+n]) {
			t.Fatalf("octets %d to %d differ", got, got+n)
		}
		c.Discard(n)
		got += n
	}
	if len(c.buf) != bulkSize {
		t.Errorf("buffer after 1 MiB = %d, want %d", len(c.buf), bulkSize)
	}
	if line, err := c.ReadLine(100); string(line) != "NOOP\r\n" || err != nil {
		t.Errorf("ReadLine = %q, %v", line, err)
	}
	peer.CloseWrite()
	if _, err := c.ReadLine(100); err != io.EOF {
		t.Errorf("ReadLine = %v, want EOF", err)
	}
	if len(c.buf) != idleSize {
		t.Errorf("buffer when idle = %d, want %d", len(c.buf), idleSize)
	}
}

// countingConn counts the writes that reach the socket.
type countingConn struct {
	net.Conn
	writes *int
}

func (c countingConn) Write(p []byte) (int, error) { *c.writes++; return c.Conn.Write(p) }

func TestOutputIsCollected(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	writes := 0
	c := NewConn(countingConn{b, &writes}, ConnOptions{})
	for range 12 {
		if _, err := c.WriteString("250-LINE\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	if writes != 0 {
		t.Errorf("writes before the reader waits = %d, want 0", writes)
	}
	got := make(chan string)
	go func() {
		p := make([]byte, 120)
		n, _ := io.ReadFull(a, p)
		a.Write([]byte("X\n"))
		got <- string(p[:n])
	}()
	if _, err := c.ReadLine(10); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != strings.Repeat("250-LINE\r\n", 12) || writes != 1 {
		t.Errorf("peer got %d octets in %d writes, want 120 in 1", len(s), writes)
	}
	go io.Copy(io.Discard, a)
	c.Write(make([]byte, 3*flushSize+5))
	if writes != 4 || c.Pending() != 5 {
		t.Errorf("writes = %d, pending = %d, want 4 and 5", writes, c.Pending())
	}
}

func TestPace(t *testing.T) {
	now := time.Unix(1000, 0)
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	tests := []struct {
		name string
		pace Pace
		got  int64
		want time.Time
	}{
		{"none", Pace{}, 0, time.Time{}},
		{"idle counts from now", Pace{Idle: 5 * time.Second}, 0, at(5)},
		{"total counts from the start", Pace{Idle: 50 * time.Second, Total: 20 * time.Second}, 0, at(10)},
		{"until", Pace{Idle: 50 * time.Second, Until: at(3)}, 0, at(3)},
		{"rate, nothing came", Pace{MinRate: 500, Grace: 30 * time.Second}, 0, at(20)},
		{"rate, 10 s worth came", Pace{MinRate: 500, Grace: 30 * time.Second}, 5000, at(30)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.pace.deadline(now, at(-10), tt.got); !got.Equal(tt.want) {
				t.Errorf("deadline = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSlowButSteadyPeerIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		c := NewConn(b, ConnOptions{})
		defer c.Kill()
		c.Phase(Pace{Idle: 5 * time.Second})
		c.SetDeadline(time.Now().Add(time.Second)) // what a library would do
		go func() {
			for range 20 {
				time.Sleep(4 * time.Second)
				a.Write([]byte("x"))
			}
			a.Write([]byte("\n"))
		}()
		if line, err := c.ReadLine(100); len(line) != 21 || err != nil {
			t.Errorf("ReadLine = %q, %v, want 20 x", line, err)
		}
		if _, err := c.ReadLine(100); !errors.Is(err, ErrTimeout) {
			t.Errorf("ReadLine of a silent peer: %v, want ErrTimeout", err)
		}
	})
}

func TestTricklingPeerIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer time.Sleep(2 * time.Second) // the sender notices that the peer is gone
		defer a.Close()
		c := NewConn(b, ConnOptions{})
		defer c.Kill()
		c.Phase(Pace{Idle: time.Minute, MinRate: 500, Grace: 30 * time.Second})
		go func() {
			for {
				if _, err := a.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		start := time.Now()
		for {
			if err := c.Fill(); err != nil {
				if !errors.Is(err, ErrTimeout) {
					t.Errorf("Fill: %v, want ErrTimeout", err)
				}
				break
			}
			c.Discard(len(c.Buffered()))
		}
		if d := time.Since(start); d < 30*time.Second || d > 31*time.Second {
			t.Errorf("cut after %v, want about 30s", d)
		}
	})
}

func TestPeerThatDoesNotReadIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		c := NewConn(b, ConnOptions{WriteTimeout: 7 * time.Second})
		defer c.Kill()
		start := time.Now()
		c.WriteString("250 ok\r\n")
		if err := c.Flush(); !errors.Is(err, ErrTimeout) || time.Since(start) != 7*time.Second {
			t.Errorf("Flush: %v after %v, want ErrTimeout after 7s", err, time.Since(start))
		}
		if _, err := c.WriteString("x"); !errors.Is(err, ErrTimeout) {
			t.Errorf("Write after a failed one: %v, want ErrTimeout", err)
		}
	})
}

func TestInterruptWaitsForBusyPhases(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	c.Phase(Pace{Busy: true})
	c.Interrupt()
	send(t, peer, "data\n")
	if line, err := c.ReadLine(100); string(line) != "data\n" || err != nil {
		t.Fatalf("ReadLine while busy = %q, %v", line, err)
	}
	c.Phase(Pace{})
	if _, err := c.ReadLine(100); !errors.Is(err, ErrInterrupted) {
		t.Errorf("ReadLine = %v, want ErrInterrupted", err)
	}
}

func TestInterruptWakesTheReader(t *testing.T) {
	c, _ := pair(t, ConnOptions{})
	done := make(chan error)
	go func() { _, err := c.ReadLine(100); done <- err }()
	c.Interrupt()
	if err := <-done; !errors.Is(err, ErrInterrupted) {
		t.Errorf("ReadLine = %v, want ErrInterrupted", err)
	}
}

func TestStartTLS(t *testing.T) {
	server, client := testConfigs(t)
	c, peer := pair(t, ConnOptions{})
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			p := make([]byte, 11)
			if _, err := io.ReadFull(peer, p); err != nil {
				return err
			}
			tc := tls.Client(peer, client)
			if _, err := tc.Write([]byte("EHLO tls\r\n")); err != nil {
				return err
			}
			if _, err := io.ReadFull(tc, p[:8]); err != nil || string(p[:8]) != "250 ok\r\n" {
				return errors.New("answer inside TLS: " + string(p[:8]))
			}
			if _, err := tc.Read(p); err != io.EOF {
				return errors.New("no close_notify")
			}
			return nil
		}()
	}()
	c.WriteString("220 begin\r\n")
	if err := c.StartTLS(server, 5*time.Second); err != nil {
		t.Fatalf("StartTLS: %v", err)
	}
	if st, ok := c.TLS(); !ok || st.Version < tls.VersionTLS12 || !c.IsTLS() {
		t.Errorf("TLS() = %v, %v", st.Version, ok)
	}
	if line, err := c.ReadLine(100); string(line) != "EHLO tls\r\n" || err != nil {
		t.Errorf("ReadLine = %q, %v", line, err)
	}
	c.WriteString("250 ok\r\n")
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if c.BytesRead() < 100 || c.BytesWritten() < 500 {
		t.Errorf("counters = %d, %d: they must count the socket's octets", c.BytesRead(), c.BytesWritten())
	}
}

func TestStartTLSRefusesEarlyInput(t *testing.T) {
	server, _ := testConfigs(t)
	c, peer := pair(t, ConnOptions{})
	send(t, peer, "STARTTLS\r\nMAIL FROM:<evil@x>\r\n")
	if _, err := c.ReadLine(100); err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(server, time.Second); !errors.Is(err, ErrEarlyInput) {
		t.Errorf("StartTLS = %v, want ErrEarlyInput", err)
	}
}

func TestFailedHandshakeSilencesTheConn(t *testing.T) {
	server, _ := testConfigs(t)
	c, peer := pair(t, ConnOptions{})
	c.Flush()
	go func() { io.WriteString(peer, "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n") }()
	if err := c.StartTLS(server, time.Second); err == nil {
		t.Fatal("StartTLS with clear text = nil, want an error")
	}
	if _, err := c.WriteString("550 in the clear\r\n"); err == nil {
		t.Error("Write after a failed handshake = nil, want an error")
	}
}

func TestSilentHandshakeEnds(t *testing.T) {
	server, _ := testConfigs(t)
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		c := NewConn(b, ConnOptions{})
		defer c.Kill()
		start := time.Now()
		if err := c.StartTLS(server, 10*time.Second); !errors.Is(err, ErrTimeout) || time.Since(start) != 10*time.Second {
			t.Errorf("StartTLS: %v after %v, want ErrTimeout after 10s", err, time.Since(start))
		}
	})
}

func TestSwitch(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	var z bytes.Buffer
	fw, _ := flate.NewWriter(&z, flate.BestSpeed)
	io.WriteString(fw, "a1 NOOP\r\n")
	fw.Flush()
	send(t, peer, "a0 COMPRESS DEFLATE\r\n"+z.String())
	if _, err := c.ReadLine(100); err != nil {
		t.Fatal(err)
	}
	c.WriteString("a0 OK\r\n")
	err := c.Switch(func(r io.Reader) io.Reader { return flate.NewReader(r) }, func(w io.Writer) io.Writer { return flusher{w} })
	if err != nil {
		t.Fatal(err)
	}
	if line, err := c.ReadLine(100); string(line) != "a1 NOOP\r\n" || err != nil {
		t.Errorf("ReadLine through the inflater = %q, %v", line, err)
	}
	c.WriteString("a1 OK\r\n")
	c.Flush()
	p := make([]byte, 7)
	io.ReadFull(peer, p)
	if string(p) != "a0 OK\r\n" {
		t.Errorf("before the switch: %q, want clear text", p)
	}
	fr := flate.NewReader(peer)
	if _, err := io.ReadFull(fr, p); string(p) != "a1 OK\r\n" {
		t.Errorf("after the switch: %q, %v", p, err)
	}
}

// flusher compresses each Write on its own.
type flusher struct{ w io.Writer }

func (f flusher) Write(p []byte) (int, error) {
	fw, err := flate.NewWriter(f.w, flate.BestSpeed)
	if err != nil {
		return 0, err
	}
	if _, err := fw.Write(p); err != nil {
		return 0, err
	}
	return len(p), fw.Flush()
}

func TestLingerDeliversTheLastAnswer(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	done := make(chan string)
	go func() {
		peer.Write(make([]byte, 1<<20)) // more than the server ever reads
		peer.CloseWrite()
		all, _ := io.ReadAll(peer)
		done <- string(all)
	}()
	if err := c.Fill(); err != nil {
		t.Fatal(err)
	}
	c.WriteString("500 line too long\r\n")
	if err := c.Linger(5*time.Second, 8<<20); err != nil {
		t.Errorf("Linger: %v", err)
	}
	if got := <-done; got != "500 line too long\r\n" {
		t.Errorf("peer got %q", got)
	}
}

func TestAwait(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	if got, err := c.Await(time.Millisecond); got || err != nil {
		t.Errorf("Await of a silent peer = %v, %v", got, err)
	}
	send(t, peer, "EHLO early\r\n")
	if got, err := c.Await(5 * time.Second); !got || err != nil {
		t.Errorf("Await of an early talker = %v, %v", got, err)
	}
	c.Phase(Pace{})
	if line, err := c.ReadLine(100); string(line) != "EHLO early\r\n" || err != nil {
		t.Errorf("ReadLine = %q, %v: what Await saw must not be lost", line, err)
	}
}

func TestReadBlock(t *testing.T) {
	c, peer := pair(t, ConnOptions{})
	send(t, peer, "a1 APPEND {10}\r\n0123456789rest")
	peer.CloseWrite()
	if _, err := c.ReadLine(100); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 10)
	if n, err := c.ReadBlock(p); n != 10 || err != nil || string(p) != "0123456789" {
		t.Errorf("ReadBlock = %q, %v", p[:n], err)
	}
	if n, err := c.ReadBlock(p); n != 4 || err != io.ErrUnexpectedEOF {
		t.Errorf("ReadBlock of a cut block = %d, %v, want 4 and ErrUnexpectedEOF", n, err)
	}
}

func BenchmarkLineAndAnswer(b *testing.B) {
	c, peer := pair(b, ConnOptions{})
	go func() {
		p := make([]byte, 64)
		for {
			if _, err := peer.Write([]byte("NOOP\r\n")); err != nil {
				return
			}
			if _, err := peer.Read(p); err != nil {
				return
			}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.ReadLine(512); err != nil {
			b.Fatal(err)
		}
		c.WriteString("250 2.0.0 Ok\r\n")
	}
}
