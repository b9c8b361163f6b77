package transport_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"vanthu/internal/delivery"
	"vanthu/internal/queue"
	"vanthu/internal/transport"
)

// badNetwork passes connections on to a server as a bad network does: in small
// pieces, late, and for some connections not to the end.
type badNetwork struct {
	to    *net.TCPAddr
	conns atomic.Int64
	lost  atomic.Int64 // connections that were cut after the server may have had a whole message
}

// fate is what happens to the n-th connection: after how many octets to the
// server (from it, when negative) it ends, and whether it ends or falls silent.
// 0 lets it live.
func fate(n int64) (after int, silent bool) {
	switch n % 6 {
	case 1:
		return 30, false // within the greeting
	case 2:
		return 120, false // within the message
	case 3:
		return 130, true // a black hole within the message
	case 4:
		return -260, false // before the reply to the message, perhaps
	}
	return 0, false
}

func (b *badNetwork) serve(t *testing.T) *net.TCPAddr {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { b.carry(c.(*net.TCPConn), b.conns.Add(1)) })
		}
	}()
	return l.Addr().(*net.TCPAddr)
}

func (b *badNetwork) carry(c *net.TCPConn, n int64) {
	s, err := net.DialTCP("tcp", nil, b.to)
	if err != nil {
		_ = c.Close()
		return
	}
	end := sync.OnceFunc(func() {
		_ = c.SetLinger(0) // a reset, not a farewell
		_ = c.Close()
		_ = s.Close()
	})
	defer end()
	after, silent := fate(n)
	var upstream atomic.Int64
	one := func(from, to net.Conn, limit int, count *atomic.Int64) {
		buf := make([]byte, 37)
		for passed := 0; ; {
			k, err := from.Read(buf)
			if err != nil {
				return
			}
			if passed += k; limit > 0 && passed >= limit {
				if silent {
					time.Sleep(400 * time.Millisecond) // the sender gives up first
				}
				return
			}
			if count != nil {
				count.Add(int64(k))
			}
			time.Sleep(time.Duration(k%3) * time.Millisecond)
			if _, err := to.Write(buf[:k]); err != nil {
				return
			}
		}
	}
	done := make(chan struct{}, 2)
	go func() { one(c, s, max(after, 0), &upstream); done <- struct{}{} }()
	go func() { one(s, c, max(-after, 0), nil); done <- struct{}{} }()
	<-done
	if after < 0 {
		b.lost.Add(1)
	}
	end()
	<-done
}

// T156, as far as one machine shows it: whatever the network does, every message
// arrives whole, and twice only when the reply to it was lost.
func TestT156BadNetwork(t *testing.T) {
	const messages = 20
	p := startPeer(t)
	weather := &badNetwork{to: p.addr}
	at := weather.serve(t)
	w := runWith(t, transport.Options{
		Routes:  []transport.Route{{Domain: "peer.test", Host: "127.0.0.1", Port: at.Port, Mode: transport.TLSNone}},
		Timeout: 300 * time.Millisecond, MessageTime: 5 * time.Second, PerConnection: 2, Poll: 20 * time.Millisecond,
	}, queue.Options{Schedule: []time.Duration{20 * time.Millisecond}, Lifetime: time.Minute})
	for i := range messages {
		w.enqueueAs(t, queue.ID(fmt.Sprint("W", i)), "vanthu@p.test", fmt.Sprintf("u%d@peer.test", i))
	}
	for rcpt, it := range w.settled(t) {
		if it.State != queue.Done {
			t.Errorf("%s: %s after %d attempts: %q", rcpt, it.State, it.Attempts, it.LastText)
		}
	}
	times := map[string]int{}
	for _, got := range p.messages() {
		rcpt, body, _ := strings.Cut(got, ": ")
		if body != message {
			t.Errorf("%s got %q, want all of the message", rcpt, body)
		}
		times[rcpt]++
	}
	twice := 0
	for rcpt, n := range times {
		if twice += n - 1; n > 1 {
			t.Logf("%s: %d copies", rcpt, n)
		}
	}
	if len(times) != messages {
		t.Errorf("%d of %d messages arrived", len(times), messages)
	}
	if twice > int(weather.lost.Load()) {
		t.Errorf("%d copies too many, and only %d replies can have been lost", twice, weather.lost.Load())
	}
	t.Logf("%d connections, %d copies too many, %d lost replies at most", weather.conns.Load(), twice, weather.lost.Load())
}

// T158: a server that says "later" for five days. Attempts come at the intervals of the
// schedule, the sender is told once after four hours, and once when it is over.
func TestT158FourDaysOfLater(t *testing.T) {
	p := startPeer(t)
	p.data = func() error {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "not now"}
	}
	var ahead atomic.Int64
	start := time.Now().Truncate(time.Microsecond) // as the database keeps it
	now := func() time.Time { return start.Add(time.Duration(ahead.Load())) }
	w := runWith(t, transport.Options{Routes: []transport.Route{p.route()}, Poll: 5 * time.Millisecond, Now: now}, queue.Options{Now: now})
	w.enqueueAs(t, "L", "vanthu@p.test", "a@peer.test")

	item := func() queue.Item {
		t.Helper()
		items, err := w.queue.List(t.Context(), queue.Filter{All: true})
		if err != nil || len(items) != 1 {
			t.Fatalf("%d items, %v", len(items), err)
		}
		return items[0]
	}
	settled := func() queue.Item { // waits until the runner has done all that is due
		t.Helper()
		for range 2000 {
			if it := item(); it.State == queue.Failed || it.State == queue.Waiting && it.Attempts > 0 && it.Next.After(now()) {
				return it
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Fatalf("the runner does not get on: %+v", item())
		return queue.Item{}
	}
	var gaps []time.Duration
	var delayed time.Duration
	for it := settled(); it.State == queue.Waiting; it = settled() {
		gaps = append(gaps, it.Next.Sub(now()))
		if len(gaps) > 200 {
			t.Fatal("it is never given up")
		}
		ahead.Store(int64(it.Next.Sub(start)))
		if delayed == 0 && len(w.reports.list()) > 0 {
			delayed = now().Sub(start)
		}
	}
	want := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, time.Hour}
	for i, d := range want {
		if i >= len(gaps) || gaps[i] != d {
			t.Fatalf("waits of %v, want them to begin %v", gaps, want)
		}
	}
	if took := now().Sub(start); took < 4*24*time.Hour-time.Hour || took > 5*24*time.Hour {
		t.Errorf("given up after %v", took)
	}
	var actions []delivery.Action
	for _, r := range w.reports.list() {
		actions = append(actions, r.Recipients[0].Action)
	}
	if len(actions) != 2 || actions[0] != delivery.Delayed || actions[1] != delivery.Failed {
		t.Errorf("reports %v, want one of the delay and one of the end", actions)
	}
	if delayed < 4*time.Hour || delayed > 7*time.Hour {
		t.Errorf("the sender was told of the delay after %v, want four hours", delayed)
	}
}
