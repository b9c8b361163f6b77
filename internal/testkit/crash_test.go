package testkit_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
	"vanthu/internal/testkit"
)

const (
	crashCommunes = 3
	crashSenders  = 20
	crashBurst    = 40 // messages of one sender in one round, at most
)

// sent is one message that a client of the crash test handed over.
type sent struct {
	mailID   string // without angle brackets
	octets   []byte
	hash     string // SHA-256 of octets, hexadecimal
	document bool
	from     string
	to       []string // addresses, each with a mailbox of its own
	acked    int      // how often it got 250
	tries    int
}

// moved is a registration that got its OK.
type moved struct {
	unit string
	uid  int64 // in the folder of registered documents
}

// crash is the ledger of a crash test: what the server has promised.
type crash struct {
	p   *testkit.Province
	tls *tls.Config

	mu       sync.Mutex
	all      []*sent
	again    []*sent // not acknowledged, to be sent again
	moves    []moved
	appended []string         // messages that got an OK to APPEND
	numbers  map[int64]string // dispatch → unit, year and number
}

// TestCrash kills the server again and again while it works, and then holds it
// to everything that it had acknowledged. make crash runs it for longer.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the real program")
	}
	rounds := 5
	if s := os.Getenv("VANTHU_TEST_CRASH_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil || rounds < 1 {
			t.Fatalf("VANTHU_TEST_CRASH_ROUNDS is %q, not a number of rounds", s)
		}
	}
	c := newCrash(t)
	for round := range rounds {
		server := c.serve(t)
		c.verify(t, fmt.Sprintf("after start %d", round+1))
		stop := c.load(round)
		time.Sleep(200*time.Millisecond + rand.N(1300*time.Millisecond))
		server.Kill()
		stop()
		c.verify(t, fmt.Sprintf("after kill %d", round+1)) // without a server, as an auditor finds it
		c.registers(t)
	}
	server := c.serve(t)
	c.verify(t, "at the end")
	server.Stop(t)
	c.registers(t)
	c.settle(t)
}

// TestStopUnderLoad asks a busy server to stop: it must end in time, in order,
// and keep what it has acknowledged.
func TestStopUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the real program")
	}
	t.Parallel()
	c := newCrash(t)
	server := c.serve(t)
	stop := c.load(0)
	time.Sleep(time.Second)
	begun := time.Now()
	server.Stop(t)
	if took := time.Since(begun); took > 15*time.Second { // sessions are told; nobody has to be waited for
		t.Errorf("the server took %v to stop", took)
	}
	stop()
	c.verify(t, "after the stop")
	c.registers(t)
	c.settle(t)
}

func newCrash(t *testing.T) *crash {
	t.Helper()
	return &crash{p: testkit.MakeProvince(t, crashCommunes), numbers: map[int64]string{}}
}

// verify has the program itself verify the data.
func (c *crash) verify(t *testing.T, when string) {
	t.Helper()
	if out, errs, code := binary.Run(t, "--config", c.p.File, "audit", "verify"); code != 0 {
		t.Fatalf("audit verify %s: exit code %d\n%s%s", when, code, out, errs)
	}
}

// load begins all clients and gives what ends them.
func (c *crash) load(round int) (wait func()) {
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range crashSenders {
		clients.Go(func() { c.sender(round, i, stop) })
	}
	for i := range crashCommunes {
		clients.Go(func() { c.clerk(testkit.Commune(i+1), stop) })
	}
	clients.Go(func() { c.appender(round, stop) })
	return func() {
		close(stop)
		clients.Wait()
	}
}

func (c *crash) serve(t *testing.T) *testkit.Process {
	t.Helper()
	p := binary.Start(t, "--config", c.p.File, "serve")
	p.WaitServing(t, c.p.Config.DataDir)
	if c.tls == nil {
		var err error
		if c.tls, err = c.p.TLS(); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// sender submits messages on one connection until the server is gone. The
// first are those of earlier rounds that got no answer.
func (c *crash) sender(round, who int, stop <-chan struct{}) {
	s := &testkit.Sender{Addr: string(c.p.Config.SMTP.Submission), TLS: c.tls, Login: issuer}
	if who%2 == 1 {
		s.Login = testkit.Login("chuyenvien", "soyte")
	}
	s.Password = c.p.Passwords[s.Login]
	conn, err := s.Dial()
	if err != nil {
		return // killed before it greeted
	}
	defer conn.Close()
	for n := range crashBurst {
		m := c.next(round, who, n, s.Login)
		_, err := conn.Send(m.octets, m.to...)
		c.mu.Lock()
		m.tries++
		if err == nil {
			m.acked++
		} else {
			c.again = append(c.again, m)
		}
		c.mu.Unlock()
		select {
		case <-stop:
			return
		default:
		}
		if err != nil {
			return
		}
	}
}

// next gives a message to send: one of an earlier round, or a new one.
func (c *crash) next(round, who, n int, from string) *sent {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, m := range c.again {
		if m.from == from {
			c.again = append(c.again[:i], c.again[i+1:]...)
			return m
		}
	}
	units := make([]string, crashCommunes)
	for i := range units {
		units[i] = testkit.Address(testkit.Commune(i + 1))
	}
	rand.Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
	m := &sent{
		mailID: fmt.Sprintf("crash-%d-%d-%d@client.test", round, who, n), from: from,
		document: from == issuer && n%4 != 0,
		to:       units[:1+rand.IntN(len(units))],
	}
	subject := "Thư thường"
	if m.document {
		subject = fmt.Sprintf("[%d/QĐ-UBND] V/v thử tắt máy đột ngột", 1+round*crashSenders*crashBurst+who*crashBurst+n)
	} else {
		m.to = append(m.to, testkit.Login("lanhdao", "soyte"))
	}
	size := 4 << 10
	if n%10 == 3 {
		size = 150 << 10 // goes to a file
	}
	b := testkit.Message(from, subject, strings.TrimSuffix(m.mailID, "@client.test"), m.to...)
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(rand.Uint32())
	}
	b.Files = []mail.File{{Name: "van-ban.pdf", Type: "application/pdf", Content: content}}
	m.octets = b.Bytes()
	m.hash = hexSum(m.octets)
	c.all = append(c.all, m)
	return m
}

func (c *crash) imap(login string) (*testkit.IMAP, error) {
	conn, err := testkit.DialIMAPS(string(c.p.Config.IMAP.IMAPS), c.tls)
	if err != nil {
		return nil, err
	}
	return conn, conn.Login(login, c.p.Passwords[login])
}

var copyUID = regexp.MustCompile(`\[COPYUID \d+ (\d+) (\d+)\]`)

// clerk registers documents of one unit, one after another.
func (c *crash) clerk(unit string, stop <-chan struct{}) {
	conn, err := c.imap(testkit.Login("vanthu", unit))
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		select {
		case <-stop:
			return
		default:
		}
		uids, err := conn.In(testkit.Shared(unit, testkit.Waiting))
		if err != nil {
			return
		}
		for _, uid := range uids {
			lines, ok, err := conn.Cmd(`UID MOVE %s "%s"`, uid, testkit.ModifiedUTF7(testkit.Shared(unit, testkit.Registered)))
			if err != nil {
				return
			}
			for _, l := range lines { // RFC 6851: in an untagged OK before the EXPUNGE
				ok += l.Text
			}
			if m := copyUID.FindStringSubmatch(ok); m != nil {
				to, _ := strconv.ParseInt(m[2], 10, 64)
				c.mu.Lock()
				c.moves = append(c.moves, moved{unit, to})
				c.mu.Unlock()
			}
		}
	}
}

// appender saves copies of sent mail, as a client does.
func (c *crash) appender(round int, stop <-chan struct{}) {
	conn, err := c.imap(testkit.Login("chuyenvien", "soyte"))
	if err != nil {
		return
	}
	defer conn.Close()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		id := fmt.Sprintf("crash-append-%d-%d@client.test", round, n)
		message := fmt.Sprintf("From: a@client.test\r\nMessage-ID: <%s>\r\n\r\nđã gửi\r\n", id)
		if _, _, err := conn.Cmd("APPEND Sent (\\Seen) {%d+}\r\n%s", len(message), message); err != nil {
			return
		}
		c.mu.Lock()
		c.appended = append(c.appended, message)
		c.mu.Unlock()
	}
}

const (
	qNumbers = `
SELECT d.id, d.to_address || ' ' || d.arrival_year, d.arrival_number FROM dispatch AS d WHERE d.arrival_number <> 0`
	qBooks = `
SELECT b.id, b.last_number, coalesce(min(e.number), 0), coalesce(max(e.number), 0), count(e.number)
FROM register_book AS b LEFT JOIN register_entry AS e ON e.book_id = b.id WHERE b.direction = 'den' GROUP BY b.id, b.last_number`
	qStored = `SELECT hex(sha256), '', count(*) FROM message GROUP BY sha256`
	qHeld   = `
SELECT hex(m.sha256), coalesce(u.address, a.login), count(*)
FROM entry AS e JOIN message AS m ON m.id = e.message_id JOIN mailbox AS b ON b.id = e.mailbox_id
LEFT JOIN unit AS u ON u.id = b.unit_id LEFT JOIN account AS a ON a.id = b.account_id
WHERE b.role <> 'di.phathanh' GROUP BY m.sha256, coalesce(u.address, a.login)`
	qDocumentsOf  = `SELECT mail_id, '', count(*) FROM document GROUP BY mail_id`
	qDispatchesOf = `
SELECT o.mail_id, d.to_address, count(*) FROM dispatch AS d JOIN document AS o ON o.id = d.document_id GROUP BY o.mail_id, d.to_address`
	qRegisteredHere = `
SELECT d.arrival_number FROM dispatch AS d JOIN mailbox AS b ON b.id = d.mailbox_id
WHERE d.to_address = $1 AND d.uid = $2 AND b.role = 'den.so'`
)

// registers checks that numbers are consecutive, and that none that was given
// has changed or been given again.
func (c *crash) registers(t *testing.T) {
	t.Helper()
	now := map[int64]string{}
	c.p.View(t, func(ctx context.Context, r sqldb.Reader) error {
		rows, err := r.Query(ctx, qNumbers)
		if err != nil {
			return err
		}
		defer rows.Close()
		taken := map[string]int64{}
		for rows.Next() {
			var id, number int64
			var book string
			if err := rows.Scan(&id, &book, &number); err != nil {
				return err
			}
			now[id] = fmt.Sprintf("%s: %d", book, number)
			if other, ok := taken[now[id]]; ok {
				t.Errorf("%s was given to dispatches %d and %d", now[id], other, id)
			}
			taken[now[id]] = id
		}
		return rows.Err()
	})
	for id, number := range c.numbers {
		if now[id] != number {
			t.Errorf("dispatch %d had %s, now %q", id, number, now[id])
		}
	}
	c.numbers = maps.Clone(now)
	c.p.View(t, func(ctx context.Context, r sqldb.Reader) error {
		rows, err := r.Query(ctx, qBooks)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var book, last, first, highest, n int64
			if err := rows.Scan(&book, &last, &first, &highest, &n); err != nil {
				return err
			}
			if first != 1 || highest != n || last != n {
				t.Errorf("register %d: %d entries from %d to %d, last number %d", book, n, first, highest, last)
			}
		}
		return rows.Err()
	})
}

// tally counts by two keys.
type tally map[[2]string]int

// count runs a query that gives two keys and a number in each row.
func count(ctx context.Context, r sqldb.Reader, query string) (tally, error) {
	rows, err := r.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := tally{}
	for rows.Next() {
		var a, b string
		var n int
		if err := rows.Scan(&a, &b, &n); err != nil {
			return nil, err
		}
		all[[2]string{a, b}] = n
	}
	return all, rows.Err()
}

// settle compares the whole ledger with what is stored.
func (c *crash) settle(t *testing.T) {
	t.Helper()
	c.p.View(t, func(ctx context.Context, r sqldb.Reader) error {
		var all [4]tally
		for i, q := range []string{qStored, qHeld, qDocumentsOf, qDispatchesOf} {
			var err error
			if all[i], err = count(ctx, r, q); err != nil {
				return err
			}
		}
		c.compare(t, all[0], all[1], all[2], all[3])
		for _, m := range c.moves {
			n := 0
			if err := r.QueryRow(ctx, qRegisteredHere, testkit.Address(m.unit), m.uid).Scan(&n); err != nil || n < 1 {
				t.Errorf("registration of uid %d in %s was acknowledged, but it has no number: %d, %v", m.uid, m.unit, n, err)
			}
		}
		for _, message := range c.appended {
			if n := all[0][[2]string{hexSum([]byte(message)), ""}]; n != 1 {
				t.Errorf("an appended message is stored %d times, want 1", n)
			}
		}
		return nil
	})
}

func hexSum(b []byte) string { return fmt.Sprintf("%X", sha256.Sum256(b)) }

// compare holds every message of the ledger against what is stored, held by
// recipients, and recorded as documents and dispatches.
func (c *crash) compare(t *testing.T, stored, held, documents, dispatches tally) {
	t.Helper()
	acked, docs := 0, 0
	for _, m := range c.all {
		n := stored[[2]string{m.hash, ""}]
		if m.acked > 0 {
			acked++
		}
		// What was acknowledged at once is there once. After an attempt
		// without an answer there may be one more ordinary mail, never a
		// second document.
		most := m.tries
		if m.document {
			most = 1
		}
		if n < min(m.acked, 1) || n > most {
			t.Errorf("%s: stored %d times; acknowledged %d of %d times", m.mailID, n, m.acked, m.tries)
			continue
		}
		for _, to := range m.to {
			if got := held[[2]string{m.hash, to}]; got != n {
				t.Errorf("%s: %s has it %d times, stored %d times", m.mailID, to, got, n)
			}
		}
		if !m.document || n == 0 {
			continue
		}
		docs++
		id := "<" + m.mailID + ">"
		if got := documents[[2]string{id, ""}]; got != 1 {
			t.Errorf("%s: %d documents, want 1", m.mailID, got)
		}
		for _, to := range m.to {
			if got := dispatches[[2]string{id, to}]; got != 1 {
				t.Errorf("%s: %d dispatches to %s, want 1", m.mailID, got, to)
			}
		}
	}
	t.Logf("%d messages acknowledged of %d sent, %d documents, %d registrations, %d appended",
		acked, len(c.all), docs, len(c.moves), len(c.appended))
	if acked == 0 || docs == 0 || len(c.moves) == 0 || len(c.appended) == 0 {
		t.Error("the load did too little to show anything")
	}
}
