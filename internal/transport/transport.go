// Package transport runs the queue: it takes what is due to other servers by
// SMTP, and tells senders what could not be delivered.
//
// Only routes that were configured are used; by default nothing leaves. An
// attempt carries one message to all its recipients behind the same route.
// Each recipient's result is settled by itself, together with the delivery
// report that follows from a failure, in one transaction.
package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"vanthu/internal/delivery"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
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

// Options tunes a Runner; the zero value works but for Hostname.
type Options struct {
	Hostname string        // our name in EHLO and reports
	Routes   []Route       // where mail for other domains goes
	Workers  int           // attempts at the same time; 0 means 8
	Poll     time.Duration // longest wait between looks at the queue; 0 means 30 s
	Timeout  time.Duration // for each step of an attempt; 0 means 2 minutes
	Now      func() time.Time
	Log      *slog.Logger
}

// Runner takes queued mail to other servers.
type Runner struct {
	db       *sqldb.DB
	queue    *queue.Queue
	source   Source
	reporter Reporter
	opt      Options
}

// New returns a Runner over the queue kept in db.
func New(db *sqldb.DB, q *queue.Queue, source Source, reporter Reporter, opt Options) *Runner {
	if opt.Workers <= 0 {
		opt.Workers = 8
	}
	if opt.Poll <= 0 {
		opt.Poll = 30 * time.Second
	}
	if opt.Timeout <= 0 {
		opt.Timeout = 2 * time.Minute
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Runner{db: db, queue: q, source: source, reporter: reporter, opt: opt}
}

// HasRoute tells whether mail for a domain has a way out.
func (r *Runner) HasRoute(domain string) bool {
	_, ok := r.route(domain)
	return ok
}

// Run attempts due items until ctx ends, then waits for the attempts under
// way. It returns nil after a clean stop; an error of the database is logged
// and tried again, since mail that waits is safe.
func (r *Runner) Run(ctx context.Context) error {
	work := make(chan []queue.Item)
	var wg sync.WaitGroup
	for range r.opt.Workers {
		wg.Go(func() {
			for group := range work {
				r.attempt(context.WithoutCancel(ctx), group)
			}
		})
	}
	defer wg.Wait()
	defer close(work)
	for {
		items, err := r.queue.Lease(ctx, r.opt.Workers*10)
		if err != nil && ctx.Err() == nil {
			r.opt.Log.Error("cannot read the queue", "err", err)
		}
		for _, group := range byRoute(items, r.route) {
			work <- group
		}
		if len(items) > 0 {
			continue
		}
		timer := time.NewTimer(r.wait(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-r.queue.Wake():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// wait is how long nothing will be due.
func (r *Runner) wait(ctx context.Context) time.Duration {
	at, ok, err := r.queue.NextDue(ctx)
	if err != nil || !ok {
		return r.opt.Poll
	}
	return min(max(at.Sub(r.opt.Now()), 100*time.Millisecond), r.opt.Poll)
}

// byRoute groups leased items that can go in one SMTP transaction.
func byRoute(items []queue.Item, route func(string) (Route, bool)) [][]queue.Item {
	type key struct {
		id   queue.ID
		addr string
	}
	at := map[key]int{}
	var groups [][]queue.Item
	for _, it := range items {
		k := key{id: it.Queue}
		if rt, ok := route(it.Rcpt.Domain); ok {
			k.addr = rt.addr()
		}
		i, ok := at[k]
		if !ok {
			i = len(groups)
			at[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], it)
	}
	return groups
}

// attempt makes one SMTP transaction for a group and settles each recipient.
func (r *Runner) attempt(ctx context.Context, group []queue.Item) {
	results := make([]queue.Result, len(group))
	rt, ok := r.route(group[0].Rcpt.Domain)
	if !ok {
		for i := range results {
			results[i] = queue.Result{Code: 550, Text: "5.4.4 there is no route to this domain any more"}
		}
	} else {
		r.send(ctx, rt, group, results)
	}
	original := r.original(ctx, group[0].Message, results)
	err := r.db.Update(ctx, func(tx *sqldb.Tx) error { return r.settle(ctx, tx, group, results, original) })
	if err != nil {
		// The lease runs out and the items come back: at worst a duplicate.
		r.opt.Log.Error("cannot settle an attempt", "queue_id", string(group[0].Queue), "err", err)
	}
}

// settle records the results and reports what the sender is to know.
func (r *Runner) settle(ctx context.Context, tx *sqldb.Tx, group []queue.Item, results []queue.Result, original []byte) error {
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
		if _, err := journal.Append(ctx, tx, journal.Event{
			At: r.opt.Now(), Type: typ, Actor: journal.System("queue"), Subject: string(it.Queue),
			Data: map[string]any{"rcpt": it.Rcpt.String(), "code": results[i].Code, "attempts": it.Attempts},
		}); err != nil {
			return err
		}
	}
	if len(told) == 0 || group[0].Sender.Null { // never a report about a report. RFC 5321, section 6.1.
		return nil
	}
	return r.reporter.Report(ctx, tx, delivery.Report{
		Queue: group[0].Queue, Env: group[0].Env, Arrived: group[0].Created, Original: original, Recipients: told,
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

// route finds the most specific route for a domain: its own, that of a parent
// (".peer.test"), or the one for all ("*").
func (r *Runner) route(domain string) (Route, bool) {
	best, length := -1, -1
	for i, rt := range r.opt.Routes {
		n := -1
		switch {
		case rt.Domain == domain:
			n = len(domain) + 1
		case strings.HasPrefix(rt.Domain, ".") && strings.HasSuffix(domain, rt.Domain):
			n = len(rt.Domain)
		case rt.Domain == "*":
			n = 0
		}
		if n > length {
			best, length = i, n
		}
	}
	if best < 0 {
		return Route{}, false
	}
	return r.opt.Routes[best], true
}
