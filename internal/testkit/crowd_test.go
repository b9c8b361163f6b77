package testkit_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vanthu/config"
	"vanthu/internal/testkit"
)

// TestCrowd holds thousands of connections open that say nothing, and hundreds that say one octet a second, while a few clients go about
// their work: each of their messages is taken, and as quickly as before. VANTHU_TEST_CROWD=1 runs it in full size (5,000 and 500, a
// minute); else it is small. It logs resident memory and latencies.
func TestCrowd(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the real program")
	}
	idle, slow, work := 300, 40, 2*time.Second
	if os.Getenv("VANTHU_TEST_CROWD") != "" {
		idle, slow, work = 5000, 500, 30*time.Second
	}
	p := testkit.MakeProvince(t, 2)
	p.Config.SMTP.RelayConnectionsPerAddress = 10_000
	p.Config.Limits.ConnectionsPerAddress = 10_000
	if err := os.WriteFile(p.File, config.Format(p.Config), 0o600); err != nil {
		t.Fatal(err)
	}
	proc := binary.Start(t, "serve", "--config", p.File)
	relay := string(p.Config.SMTP.Relay)
	for n := 0; ; n++ { // until it listens
		c, err := net.Dial("tcp", relay)
		if err == nil {
			c.Close()
			break
		}
		if n == 200 {
			t.Fatal("the server does not listen: ", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	users := make([]string, 8)
	for i := range users {
		users[i] = testkit.Login("vanthu", "xa0"+strconv.Itoa(1+i%2))
	}
	before, quiet := resident(t, proc.PID()), clientsAtWork(t, relay, users, work)

	var wg sync.WaitGroup
	stop := make(chan struct{})
	var held atomic.Int64
	hold := func(n int, live func(net.Conn)) {
		for i := range n {
			// Addresses of their own, as the limits by address expect of a crowd.
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+i%100), 1)}, Timeout: 10 * time.Second}
			c, err := d.Dial("tcp", relay)
			if err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
			held.Add(1)
			wg.Go(func() {
				defer c.Close()
				live(c)
			})
		}
	}
	began := time.Now()
	hold(idle, func(c net.Conn) { <-stop })
	drip := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			go io.Copy(io.Discard, c) // ends with the connection
			if _, err := io.WriteString(c, "EHLO slow.test\r\n"); err != nil {
				return
			}
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
				}
				if _, err := io.WriteString(c, text[i%len(text):i%len(text)+1]); err != nil {
					return // cut off, as it should be in time
				}
			}
		}
	}
	hold(slow/2, drip("NOOP"))
	hold(slow-slow/2, func(c net.Conn) {
		if _, err := io.WriteString(c, "EHLO slow.test\r\nMAIL FROM:<a@out.test>\r\nRCPT TO:<"+users[0]+">\r\nDATA\r\n"); err != nil {
			return
		}
		drip("x")(c)
	})
	opened := time.Since(began)
	full := resident(t, proc.PID())
	crowded := clientsAtWork(t, relay, users, work)
	close(stop)
	wg.Wait()
	t.Logf("%d idle and %d slow connections opened in %v: resident memory %d MiB before, %d MiB with them (%.1f KiB each)",
		idle, slow, opened.Round(time.Millisecond), before>>20, full>>20, float64(full-before)/1024/float64(held.Load()))
	t.Logf("clients alone:   %s", quiet)
	t.Logf("with the crowd:  %s", crowded)
	if crowded.failed > 0 || quiet.failed > 0 {
		t.Errorf("%d and %d messages failed", quiet.failed, crowded.failed)
	}
	if crowded.p(99) > max(10*quiet.p(99), 2*time.Second) {
		t.Errorf("p99 rose from %v to %v", quiet.p(99), crowded.p(99))
	}
	if each := (full - before) / held.Load(); each > 64<<10 {
		t.Errorf("%d octets for each connection that does nothing", each)
	}
	proc.Stop(t)
}

// resident gives a process's resident memory in octets.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("no /proc here")
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// work is what clients did: how long each message took.
type work struct {
	took   []time.Duration // sorted
	failed int
	during time.Duration
}

func (w work) p(percent int) time.Duration {
	if len(w.took) == 0 {
		return 0
	}
	return w.took[min(len(w.took)*percent/100, len(w.took)-1)]
}

func (w work) String() string {
	return fmt.Sprintf("%d messages, %.0f/s, p50 %v, p99 %v, longest %v, failed %d", len(w.took), float64(len(w.took))/w.during.Seconds(),
		w.p(50).Round(10*time.Microsecond), w.p(99).Round(10*time.Microsecond), w.p(100).Round(10*time.Microsecond), w.failed)
}

// clientsAtWork lets one client for each user send 4 KiB messages for a while, each on a new connection.
func clientsAtWork(t *testing.T, relay string, users []string, during time.Duration) work {
	t.Helper()
	w := work{during: during}
	var mu sync.Mutex
	var wg sync.WaitGroup
	end := time.Now().Add(during)
	text := strings.Repeat(strings.Repeat("x", 70)+"\r\n", 56)
	for who, to := range users {
		wg.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				id := time.Now().UnixNano()
				took, err := sendOne(relay, to, fmt.Sprintf("From: a@out.test\r\nSubject: x\r\nMessage-ID: <%d.%d.%d@out.test>\r\n\r\n%s", id, who, n, text))
				mu.Lock()
				w.took = append(w.took, took)
				if err != nil {
					w.failed++
					t.Log(err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(w.took)
	return w
}

// sendOne sends a message on a connection of its own and gives the time from the greeting, which waits for early talkers, to the goodbye.
func sendOne(relay, to, message string) (took time.Duration, err error) {
	c, err := net.DialTimeout("tcp", relay, 10*time.Second)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, err
	}
	var start time.Time
	in := bufio.NewReader(c)
	step := func(say, code string) error {
		if say != "" {
			if _, err := io.WriteString(c, say); err != nil {
				return err
			}
		}
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return err
			}
			if !strings.HasPrefix(line, code) {
				return errors.New("got " + strings.TrimSpace(line))
			}
			if line[3] == ' ' {
				return nil
			}
		}
	}
	for _, s := range [][2]string{
		{"", "220"}, {"EHLO out.test\r\n", "250"}, {"MAIL FROM:<a@out.test>\r\nRCPT TO:<" + to + ">\r\nDATA\r\n", "250"}, {"", "250"}, {"", "354"},
		{message + ".\r\n", "250"}, {"QUIT\r\n", "221"},
	} {
		if err := step(s[0], s[1]); err != nil {
			return 0, err
		}
		if start.IsZero() {
			start = time.Now()
		}
	}
	return time.Since(start), nil
}
