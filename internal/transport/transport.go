// Package transport runs the queue: it takes what is due to other servers by
// SMTP, and tells senders what could not be delivered.
//
// Only routes that were configured, and peers, are used; by default nothing
// leaves. What goes to the same server shares connections; servers have their
// own share of the work, so that one that is dead or slow holds up no other.
// Each recipient's result is settled by itself, together with what follows
// from it (a delivery report, the state of an official document), in one
// transaction, before anything else is tried for that message.
package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"vanthu/docstore"
	"vanthu/internal/delivery"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/peer"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
)

// Source opens the octets of a queued message.
type Source interface {
	// OpenMessage gives the whole message, with our trace fields, and its size.
	OpenMessage(ctx context.Context, msg queue.MessageRef) (io.ReadCloser, int64, error)
}

// Reporter tells a sender what became of a message; internal/delivery does.
type Reporter interface {
	Report(ctx context.Context, tx *sqldb.Tx, r delivery.Report) error
}

// Documents learns how official documents get on on their way to other
// servers; docstore does.
type Documents interface {
	// Outgoing moves the dispatch that left here in a transfer to an address;
	// it does nothing when there is none.
	Outgoing(ctx context.Context, tx *sqldb.Tx, out docstore.Outgoing) error
}

// Options tunes a Runner; the zero value works but for Hostname.
type Options struct {
	Hostname string         // our name in EHLO and reports
	Routes   []Route        // where mail for other domains goes
	Peers    *peer.Registry // other vanthu servers; nil means none
	// Certificate gives our certificate, shown to peers; nil means none.
	Certificate func() (*tls.Certificate, error)
	Documents   Documents // nil means none are followed

	Workers        int           // connections at the same time; 0 means 20
	PerDestination int           // of these to one server; 0 means 4
	PerConnection  int           // messages on one connection; 0 means 50
	Poll           time.Duration // longest wait between looks at the queue; 0 means 30 s
	ConnectTimeout time.Duration // for a connection to be made; 0 means 30 s
	Timeout        time.Duration // for each step of an attempt; 0 means 2 minutes
	MessageTime    time.Duration // for one message as a whole, less than the lease; 0 means 14 minutes
	DelayNotice    time.Duration // after this a sender is told that its message still waits; 0 means 4 hours
	UrgentNotice   time.Duration // the same for urgent mail; 0 means 30 minutes

	Resolver *Resolver // for routes by MX records; nil means the system's, without DANE
	// Permit allows an address that MX records lead to. Nil allows what is not
	// loopback, private, link-local or multicast: names of strangers must not
	// make this server talk to its own network.
	Permit  func(netip.Addr) bool
	MXPort  int         // port of hosts found by MX records; 0 means 25
	Fetcher PolicyFetch // gets MTA-STS policies; nil means by HTTPS

	Now func() time.Time
	Log *slog.Logger
}

func (o *Options) defaults() {
	set := func(p *time.Duration, d time.Duration) {
		if *p <= 0 {
			*p = d
		}
	}
	count := func(p *int, n int) {
		if *p <= 0 {
			*p = n
		}
	}
	count(&o.Workers, 20)
	count(&o.PerDestination, 4)
	count(&o.PerConnection, 50)
	count(&o.MXPort, 25)
	set(&o.Poll, 30*time.Second)
	set(&o.ConnectTimeout, 30*time.Second)
	set(&o.Timeout, 2*time.Minute)
	set(&o.MessageTime, 14*time.Minute)
	set(&o.DelayNotice, 4*time.Hour)
	set(&o.UrgentNotice, 30*time.Minute)
	if o.Permit == nil {
		o.Permit = public
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Resolver == nil {
		o.Resolver = SystemResolver()
	}
}

// Runner takes queued mail to other servers. Run may be called once; the other
// methods may be called concurrently.
type Runner struct {
	db       *sqldb.DB
	queue    *queue.Queue
	source   Source
	reporter Reporter
	opt      Options
	sts      *stsCache
	state    scheduler
	stats    Stats
}

// Stats counts what happened since the start.
type Stats struct {
	Relayed     atomic.Int64 // recipients that a next server took
	Failed      atomic.Int64 // recipients given up
	Connections atomic.Int64
}

// New returns a Runner over the queue kept in db.
func New(db *sqldb.DB, q *queue.Queue, source Source, reporter Reporter, opt Options) *Runner {
	opt.defaults()
	return &Runner{
		db: db, queue: q, source: source, reporter: reporter, opt: opt, sts: newSTSCache(opt.Fetcher, opt.Now),
		state: newScheduler(),
	}
}

// Stats gives the counters.
func (r *Runner) Stats() *Stats { return &r.stats }

// settle records the results of one message at one server and reports what the
// sender is to know. A lease that was lost is not an error: somebody else
// settles it.
func (r *Runner) settle(
	ctx context.Context, tx *sqldb.Tx, w way, group []queue.Item, results []queue.Result, original []byte,
) error {
	var told []delivery.Reported
	for i, it := range group {
		state, err := r.queue.Settle(ctx, tx, it, results[i])
		if errors.Is(err, queue.ErrNotLeased) {
			continue
		}
		if err != nil {
			return err
		}
		if state == queue.Waiting {
			continue
		}
		typ := "mail.relayed"
		if state == queue.Failed {
			typ = "mail.failed"
			told = append(told, failedRecipient(it, results[i]))
		} else if x, ok := relayedRecipient(it, results[i]); ok {
			told = append(told, x)
		}
		if err := r.ended(ctx, tx, it, typ, journal.System("queue"), w.peer, results[i]); err != nil {
			return err
		}
	}
	return r.report(ctx, tx, group[0], told, original)
}

// ended writes down how it ended for one recipient: in the journal, and for
// the dispatch when the message was an official document.
func (r *Runner) ended(
	ctx context.Context, tx *sqldb.Tx, it queue.Item, typ string, actor journal.Actor, to peer.Name, res queue.Result,
) error {
	if _, err := journal.Append(ctx, tx, journal.Event{
		At: r.opt.Now(), Type: typ, Actor: actor, Subject: string(it.Queue),
		Data: map[string]any{"rcpt": it.Rcpt.String(), "code": res.Code, "attempts": it.Attempts},
	}); err != nil {
		return err
	}
	count := &r.stats.Failed
	if typ == "mail.relayed" {
		count = &r.stats.Relayed
	}
	tx.OnCommit(func() { count.Add(1) })
	if r.opt.Documents == nil {
		return nil
	}
	return r.opt.Documents.Outgoing(ctx, tx, docstore.Outgoing{
		Transfer: string(it.Queue), Address: it.Rcpt.String(), Peer: string(to),
		Taken: typ == "mail.relayed", Expired: res.Class() == queue.Waiting, Actor: actor, Note: res.Text,
	})
}

func (r *Runner) report(ctx context.Context, tx *sqldb.Tx, it queue.Item, told []delivery.Reported, original []byte) error {
	if len(told) == 0 || it.Sender.Null { // never a report about a report. RFC 5321, section 6.1.
		return nil
	}
	return r.reporter.Report(ctx, tx, delivery.Report{
		Queue: it.Queue, Env: it.Env, Arrived: it.Created, Original: original, Recipients: told,
	})
}

// original reads what a report may give back, when one may follow. It is done
// before the transaction, which must not wait for files; without it the report
// goes out all the same.
func (r *Runner) original(ctx context.Context, msg queue.MessageRef, results []queue.Result) []byte {
	if !slices.ContainsFunc(results, func(x queue.Result) bool { return x.Class() != queue.Done || x.Unreported }) {
		return nil
	}
	body, _, err := r.source.OpenMessage(ctx, msg)
	if err != nil {
		return nil
	}
	defer body.Close() //nolint:errcheck // it was only read
	b, err := io.ReadAll(io.LimitReader(body, delivery.MaxReturned+1))
	if err != nil {
		return nil
	}
	return b
}

// relayedRecipient tells of a recipient whose server will not report itself,
// when the sender asked for reports of success or for a trace.
func relayedRecipient(it queue.Item, res queue.Result) (delivery.Reported, bool) {
	x := delivery.Reported{
		To: it.To, Action: delivery.Relayed, Status: "2.0.0", Host: res.Host, Remote: replyText(res),
		Deadline: it.Env.By.Trace, // RFC 2852, section 4.1.5
		Text: fault.Text{
			EN: "the server " + res.Host + " took it and will not report further",
			VI: "máy chủ " + res.Host + " đã nhận; máy chủ này không báo tiếp",
		},
	}
	return x, res.Unreported && it.To.Notify&mail.NotifySuccess != 0 || it.Env.By.Trace
}

func replyText(res queue.Result) string {
	if res.Code == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", res.Code, res.Text)
}

func failedRecipient(it queue.Item, res queue.Result) delivery.Reported {
	f := delivery.Reported{To: it.To, Action: delivery.Failed, Status: "5.0.0", Remote: replyText(res), Text: fault.Text{
		EN: "the other server refused it: " + res.Text, VI: "máy chủ bên nhận từ chối: " + res.Text,
	}}
	if status, _, ok := strings.Cut(res.Text, " "); ok && enhancedCode.MatchString(status) {
		f.Status = status
	}
	if res.Class() == queue.Waiting {
		f.Status = "4.4.7" // RFC 3463: delivery time expired
		f.Text = fault.Text{
			EN: "it could not be delivered in time; the last attempt ended with: " + res.Text,
			VI: "đã hết thời hạn chuyển; lần thử cuối kết thúc với: " + res.Text,
		}
	}
	f.Deadline = it.Env.By.Mode == mail.ByReturn
	return f
}

var enhancedCode = regexp.MustCompile(`^5\.\d{1,3}\.\d{1,3}$`)

// sweep does what does not wait for a destination: leases that were lost,
// items whose time is over.
func (r *Runner) sweep(ctx context.Context) error {
	const atOnce = 100
	for n := atOnce; n == atOnce; {
		var items []queue.Item
		if err := r.db.Update(ctx, func(tx *sqldb.Tx) (err error) {
			if err := r.queue.TakeBack(ctx, tx); err != nil {
				return err
			}
			items, err = r.queue.LeaseExpired(ctx, tx, atOnce)
			return err
		}); err != nil {
			return err
		}
		n = len(items)
		for _, it := range items {
			results := []queue.Result{r.expired(it)}
			if _, err := r.conclude(ctx, way{}, []queue.Item{it}, results, nil); err != nil {
				return err
			}
		}
	}
	return r.tellLate(ctx)
}

// expired is the result of an item whose time is over.
func (r *Runner) expired(it queue.Item) queue.Result {
	if it.Env.By.Mode == mail.ByReturn && !r.opt.Now().Before(it.Env.By.Deadline) {
		return tooLate()
	}
	res := queue.Result{Code: it.LastCode, Text: it.LastText}
	if res.Class() != queue.Waiting || res.Text == "" {
		res = queue.Result{Text: r.state.lastError(r.laneOf(it), "no attempt could be made")}
	}
	return res
}

// urgent is the priority from which mail counts as urgent: that of documents
// marked "khẩn" or more.
const urgent mail.Priority = 2

// tellLate tells senders, once, that a message still waits.
func (r *Runner) tellLate(ctx context.Context) error {
	const atOnce = 100
	for n := atOnce; n == atOnce; {
		if err := r.db.Update(ctx, func(tx *sqldb.Tx) error {
			now := r.opt.Now()
			items, err := r.queue.Late(ctx, tx, queue.Lateness{
				Since: now.Add(-r.opt.DelayNotice), Urgent: urgent, UrgentSince: now.Add(-r.opt.UrgentNotice),
			}, atOnce)
			if err != nil {
				return err
			}
			n = len(items)
			for _, it := range items {
				if err := r.report(ctx, tx, it, []delivery.Reported{r.delayed(it)}, nil); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) delayed(it queue.Item) delivery.Reported {
	last := it.LastText
	if last == "" {
		last = r.state.lastError(r.laneOf(it), "the next server has not been reached yet")
	}
	return delivery.Reported{
		To: it.To, Action: delivery.Delayed, Status: "4.4.1", Remote: replyText(queue.Result{Code: it.LastCode, Text: it.LastText}),
		Until: it.Expires, Deadline: it.Env.By.Mode == mail.ByNotify,
		Text: fault.Text{EN: "it still waits; the last attempt ended with: " + last, VI: "thư vẫn đang chờ; lần thử cuối kết thúc với: " + last},
	}
}

func (r *Runner) laneOf(it queue.Item) string {
	l := queue.Lane(it.Rcpt.Domain)
	if it.Route != "" {
		l = queue.Lane(">" + it.Route)
	}
	w, ok := r.way(l)
	if !ok {
		return noWay(l).key
	}
	return w.key
}

// Drop takes a selection out of the queue for good. With tell, the senders get
// a delivery report, as if the next server had refused. What is under way just
// now stays. It tells how many items it took out.
func (r *Runner) Drop(ctx context.Context, actor journal.Actor, sel queue.Selection, tell bool) (total int, err error) {
	const atOnce = 200
	for {
		n := 0
		err := r.db.Update(ctx, func(tx *sqldb.Tx) error {
			items, err := r.queue.Take(ctx, tx, sel, atOnce)
			if err != nil {
				return err
			}
			n = len(items)
			return r.drop(ctx, tx, actor, items, tell)
		})
		if err != nil {
			return total, err
		}
		if total += n; n < atOnce {
			break
		}
	}
	if total == 0 && sel.Item != 0 {
		return 0, fault.Newf(fault.Conflict, "queue item %d is not in a state that allows this", sel.Item)
	}
	return total, nil
}

func (r *Runner) drop(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, items []queue.Item, tell bool) error {
	as, res := queue.Dropped, queue.Result{Code: 550, Text: "5.7.0 taken out of the queue by an administrator"}
	if tell {
		as = queue.Failed
	}
	failed := map[queue.ID][]delivery.Reported{}
	first := map[queue.ID]queue.Item{}
	var order []queue.ID
	for _, it := range items {
		if err := r.queue.End(ctx, tx, it, as, res); err != nil {
			return err
		}
		if err := r.ended(ctx, tx, it, "mail.dropped", actor, "", res); err != nil {
			return err
		}
		if _, ok := first[it.Queue]; !ok {
			first[it.Queue] = it
			order = append(order, it.Queue)
		}
		f := failedRecipient(it, res)
		f.Remote, f.Status = "", "5.7.0"
		f.Text = fault.Text{EN: "an administrator took it out of the queue", VI: "quản trị viên đã lấy thư ra khỏi hàng đợi"}
		failed[it.Queue] = append(failed[it.Queue], f)
	}
	if !tell {
		return nil
	}
	for _, id := range order {
		if err := r.report(ctx, tx, first[id], failed[id], nil); err != nil {
			return err
		}
	}
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func anyUTF8(group []queue.Item) bool {
	for _, it := range group {
		if !isASCII(it.Rcpt.String()) {
			return true
		}
	}
	return false
}

func senderText(p mail.Path) string {
	if p.Null {
		return ""
	}
	return p.Address.String()
}
