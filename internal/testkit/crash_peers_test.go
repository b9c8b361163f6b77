package testkit_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vanthu/internal/control"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
	"vanthu/internal/testkit"
)

// remote is one message of the crash test between two servers.
type remote struct {
	acked int
	tries int
	ids   []queue.ID // under which it was accepted, as far as the client heard
}

// crashPeers is the ledger of the test.
type crashPeers struct {
	here, there *testkit.Province

	mu      sync.Mutex
	sent    map[string]*remote // by Message-ID
	dropped map[queue.ID]bool
}

// TestCrashPeers kills two servers, each at random moments and for random
// times, while one sends to the other and an administrator uses the queue
// tools. Then each message must have arrived exactly once, or its sender has
// exactly one delivery report. make crash runs it with 20,000 messages.
func TestCrashPeers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the real program")
	}
	total := 150
	if s := os.Getenv("VANTHU_TEST_CRASH_REMOTE"); s != "" {
		var err error
		if total, err = strconv.Atoi(s); err != nil || total < 1 {
			t.Fatalf("VANTHU_TEST_CRASH_REMOTE is %q, not a number of messages", s)
		}
	}
	c := &crashPeers{here: testkit.MakeProvince(t, 1), sent: map[string]*remote{}, dropped: map[queue.ID]bool{}}
	c.there = c.here.MakeNeighbour(t)
	here, there := c.start(t, c.here), c.start(t, c.there)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	const senders = 4
	for i := range senders {
		clients.Go(func() { c.sender(t, i, total/senders) })
	}
	tools := make(chan struct{})
	go func() {
		defer close(tools)
		c.tools(stop)
	}()
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	kills := 0
	for working := true; working; {
		select {
		case <-done:
			working = false
		case <-time.After(300*time.Millisecond + rand.N(900*time.Millisecond)):
		}
		kills++
		if rand.IntN(2) == 0 {
			here.Kill()
			here = c.start(t, c.here)
		} else {
			there.Kill()
			time.Sleep(rand.N(500 * time.Millisecond)) // an outage
			there = c.start(t, c.there)
		}
	}
	close(stop)
	<-tools
	c.drain(t)
	here.Stop(t)
	there.Stop(t)
	for _, p := range []*testkit.Province{c.here, c.there} {
		if out, errs, code := binary.Run(t, "--config", p.File, "audit", "verify"); code != 0 {
			t.Errorf("audit verify: exit code %d\n%s%s", code, out, errs)
		}
	}
	c.settle(t, kills)
}

func (c *crashPeers) start(t *testing.T, p *testkit.Province) *testkit.Process {
	t.Helper()
	proc := binary.Start(t, "--config", p.File, "serve")
	proc.WaitServing(t, p.Config.DataDir)
	return proc
}

// sender hands messages over until each is acknowledged.
func (c *crashPeers) sender(t *testing.T, who, n int) {
	login := testkit.Login("chuyenvien", "soyte")
	conf, err := c.here.TLS()
	if err != nil {
		t.Error(err)
		return
	}
	s := &testkit.Sender{Addr: string(c.here.Config.SMTP.Submission), TLS: conf, Login: login, Password: c.here.Passwords[login]}
	var conn *testkit.SMTP
	for i := 0; i < n; {
		if conn == nil {
			if conn, err = s.Dial(); err != nil { // killed just now
				conn = nil
				time.Sleep(50 * time.Millisecond)
				continue
			}
		}
		id := fmt.Sprintf("remote-%d-%d", who, i)
		b := testkit.Message(login, "Thư liên tỉnh", id, outside)
		b.Text = strings.Repeat("Nội dung thư.\n", 1+rand.IntN(200))
		reply, err := conn.Send(b.Bytes(), outside)
		c.mu.Lock()
		m := c.sent[id]
		if m == nil {
			m = &remote{}
			c.sent[id] = m
		}
		m.tries++
		if err == nil {
			m.acked++
			m.ids = append(m.ids, queue.ID(testkit.QueueID(reply)))
			i++
		}
		c.mu.Unlock()
		if err != nil {
			_ = conn.Close()
			conn = nil
		}
		time.Sleep(rand.N(100 * time.Millisecond)) // so that kills fall between messages too
	}
	if conn != nil {
		_ = conn.Close()
	}
}

// call reaches the running server, if there is one just now.
func (c *crashPeers) call(name string, req, resp any) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	client, ok, err := control.Dial(ctx, c.here.Config.DataDir)
	return err == nil && ok && client.Call(ctx, name, req, resp, nil) == nil
}

// tools does what an administrator does with a queue.
func (c *crashPeers) tools(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(rand.N(200 * time.Millisecond)):
		}
		all := queue.Selection{All: true}
		switch rand.IntN(6) {
		case 0:
			c.call(control.CallQueueAct, control.QueueAct{Selection: all, Act: "hold"}, nil)
		case 1:
			c.call(control.CallQueueAct, control.QueueAct{Selection: all, Act: "release"}, nil)
		case 2:
			c.call(control.CallQueueAct, control.QueueAct{Selection: all, Act: "route", Route: "mail." + testkit.NeighbourDomain}, nil)
		case 3:
			c.call(control.CallQueueSummary, control.None{}, nil)
		case 4:
			c.drop()
		default:
			c.call(control.CallQueueAct, control.QueueAct{Selection: all, Act: "retry"}, nil)
		}
	}
}

// drop takes one message out that was never tried. It is noted first: whether
// it happened when the server dies meanwhile is known only afterwards.
func (c *crashPeers) drop() {
	if !c.call(control.CallQueueAct, control.QueueAct{Selection: queue.Selection{All: true}, Act: "hold"}, nil) {
		return
	}
	var list []control.QueueItem
	if !c.call(control.CallQueueList, control.QueueList{State: queue.Held, Sender: testkit.Login("chuyenvien", "soyte")}, &list) {
		return
	}
	for _, it := range list {
		if it.Attempts == 0 {
			c.mu.Lock()
			c.dropped[it.Queue] = true
			c.mu.Unlock()
			c.call(control.CallQueueAct, control.QueueAct{Selection: queue.Selection{Item: it.ID}, Act: "drop", Tell: true}, nil)
			break
		}
	}
	c.call(control.CallQueueAct, control.QueueAct{Selection: queue.Selection{All: true}, Act: "release"}, nil)
}

// drain lets everything go, and waits until nothing is left on either side.
func (c *crashPeers) drain(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		c.call(control.CallQueueAct, control.QueueAct{Selection: queue.Selection{All: true}, Act: "release"}, nil)
		c.call(control.CallQueueAct, control.QueueAct{Selection: queue.Selection{All: true}, Act: "retry"}, nil)
		var list []control.QueueItem
		if c.call(control.CallQueueList, control.QueueList{Limit: 10}, &list) && len(list) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the queue does not empty: %+v", list)
		}
	}
}

const (
	qArrivedThere = `
SELECT cast(m.header AS TEXT) FROM entry AS e JOIN message AS m ON m.id = e.message_id JOIN mailbox AS b ON b.id = e.mailbox_id
WHERE b.unit_id <> 0`
	qEnded    = `SELECT queue_id, state FROM queue_item`
	qReported = `SELECT count(*) FROM journal WHERE type = 'mail.reported'`
)

var (
	mailIDField   = regexp.MustCompile(`(?im)^Message-ID: <([^@>]+)@`)
	transferField = regexp.MustCompile(`(?im)^X-VB-Chuyen: (\S+)`)
)

// settle compares the ledger with what both sides have.
func (c *crashPeers) settle(t *testing.T, kills int) {
	t.Helper()
	arrived, transfers := map[string]int{}, map[string]int{}
	c.there.View(t, func(ctx context.Context, r sqldb.Reader) error {
		rows, err := r.Query(ctx, qArrivedThere)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var header string
			if err := rows.Scan(&header); err != nil {
				return err
			}
			id, tr := mailIDField.FindStringSubmatch(header), transferField.FindStringSubmatch(header)
			if id == nil || tr == nil {
				return fmt.Errorf("a message without Message-ID or transfer: %q", header)
			}
			arrived[id[1]]++
			transfers[tr[1]]++
		}
		return rows.Err()
	})
	ended := map[queue.ID]queue.State{}
	reports := 0
	c.here.View(t, func(ctx context.Context, r sqldb.Reader) error {
		rows, err := r.Query(ctx, qEnded)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id queue.ID
			var s queue.State
			if err := rows.Scan(&id, &s); err != nil {
				return err
			}
			ended[id] = s
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return r.QueryRow(ctx, qReported).Scan(&reports)
	})
	failed := 0
	for id, s := range ended {
		switch n := transfers[string(id)]; {
		case s == queue.Done && n != 1:
			t.Errorf("%s was handed over, and arrived %d times", id, n)
		case s == queue.Failed:
			failed++
			if n != 0 || !c.dropped[id] {
				t.Errorf("%s failed; arrived %d times, dropped %v", id, n, c.dropped[id])
			}
		case s != queue.Done && s != queue.Failed:
			t.Errorf("%s is %s at the end", id, s)
		}
	}
	if reports != failed {
		t.Errorf("%d delivery reports, want one for each of %d that failed", reports, failed)
	}
	// What got its 250 is one item here; a message that was handed in again
	// without an answer may be two, each of which arrived once.
	for _, id := range slices.Sorted(maps.Keys(c.sent)) {
		m := c.sent[id]
		for _, q := range m.ids {
			if _, ok := ended[q]; !ok {
				t.Errorf("%s was acknowledged as %s, which is not in the queue", id, q)
			}
		}
		lost := 0
		for _, q := range m.ids {
			if ended[q] == queue.Failed {
				lost++
			}
		}
		if arrived[id] > m.tries || arrived[id]+lost < 1 {
			t.Errorf("%s arrived %d times after %d tries, %d reports", id, arrived[id], m.tries, lost)
		}
		if m.tries == 1 && arrived[id]+lost != 1 {
			t.Errorf("%s: sent once, arrived %d times, %d reports", id, arrived[id], lost)
		}
	}
	t.Logf("%d messages, %d kills, %d arrived, %d dropped with a report", len(c.sent), kills, len(transfers), failed)
}
