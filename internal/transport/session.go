package transport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
)

// session takes messages to one destination, one after another on the same
// connection. reached tells that a server took part; failure is why it could
// not be reached.
func (r *Runner) session(ctx context.Context, d *destination, w way, lanes []queue.Lane) (reached bool, failure string) {
	group, err := r.queue.Lease(ctx, lanes...)
	if err != nil {
		if ctx.Err() == nil {
			r.opt.Log.Error("cannot lease queue items", "err", err)
		}
		return false, ""
	}
	r.state.signal() // there may be work for a second session
	if len(group) == 0 {
		return false, ""
	}
	var c *conn
	defer func() {
		if c != nil {
			r.quit(c)
		}
	}()
	for n := 1; ; n++ {
		results := make([]queue.Result, len(group))
		fresh := false
		if c == nil {
			if c, err = r.reach(ctx, w); err != nil {
				if ctx.Err() != nil {
					return reached, "" // the leases are taken back at the next start
				}
				res := connectResult(err)
				for i := range results {
					results[i] = res
				}
				if _, err := r.conclude(ctx, w, group, results, nil); err != nil {
					r.opt.Log.Error("cannot settle an attempt", "queue_id", string(group[0].Queue), "err", err)
				}
				if res.Class() == queue.Failed { // it says no to this message's domain, and was asked
					return true, ""
				}
				return reached, res.Text
			}
			fresh, reached = true, true
		}
		broken, early := r.send(ctx, w, c, group, results)
		if broken && early && !fresh && ctx.Err() == nil {
			// The server closed a connection that was used before: that is no
			// attempt. The same message again on a new one.
			r.discard(c)
			c = nil
			continue
		}
		if ctx.Err() != nil && results[0].Code == 0 {
			return reached, ""
		}
		closing := leaving(results)
		if broken || closing {
			r.discard(c)
			c = nil
		}
		more := lanes
		if n >= r.opt.PerConnection || ctx.Err() != nil || closing || r.crowded(d) {
			more = nil
		}
		if group, err = r.conclude(context.WithoutCancel(ctx), w, group, results, more); err != nil {
			// The lease runs out and the items come back: at worst a duplicate.
			r.opt.Log.Error("cannot settle an attempt", "err", err)
			return reached, ""
		}
		if closing && fresh {
			return reached, results[0].Text
		}
		if len(group) == 0 {
			return reached, ""
		}
	}
}

// leaving tells that the server wants to be left alone for now: RFC 5321,
// section 3.8.
func leaving(results []queue.Result) bool {
	for _, res := range results {
		if res.Code == 421 {
			return true
		}
	}
	return false
}

// conclude settles a group and leases the next one in the same transaction.
func (r *Runner) conclude(
	ctx context.Context, w way, group []queue.Item, results []queue.Result, lanes []queue.Lane,
) (next []queue.Item, err error) {
	original := r.original(ctx, group[0].Message, results)
	err = r.db.Update(ctx, func(tx *sqldb.Tx) (err error) {
		if err := r.settle(ctx, tx, w, group, results, original); err != nil {
			return err
		}
		next = nil
		if len(lanes) > 0 {
			next, err = r.queue.LeaseIn(ctx, tx, lanes...)
		}
		return err
	})
	return next, err
}

// reach opens a connection.
func (r *Runner) reach(ctx context.Context, w way) (*conn, error) {
	if len(w.hosts) == 0 && w.mx == "" {
		return nil, errPermanent{550, "5.4.4 there is no route to this domain any more"}
	}
	r.stats.Connections.Add(1)
	return r.open(ctx, w)
}

// connectResult turns a failure to reach a server into a result. What the
// server itself said for good before any mail was named is not about the mail:
// it is tried again (RFC 5321, section 4.2.4.2 lets a server be shut for a while).
func connectResult(err error) queue.Result {
	var p errPermanent
	if errors.As(err, &p) {
		return queue.Result{Code: p.code, Text: p.text}
	}
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	var se *smtp.SMTPError
	if errors.As(err, &se) {
		return queue.Result{Code: 421, Text: fmt.Sprintf("%s (%d)", text, se.Code)}
	}
	return queue.Result{Text: text}
}

// quit ends a connection politely.
func (r *Runner) quit(c *conn) {
	c.raw.pace(min(r.opt.Timeout, 10*time.Second), time.Now().Add(10*time.Second))
	if err := c.Quit(); err != nil {
		r.opt.Log.Debug("server hung up before the farewell", "remote", c.host.addr(), "err", err)
	}
	c.raw.unwatch()
}

// discard ends a connection that is of no use any more.
func (r *Runner) discard(c *conn) {
	if err := c.Close(); err != nil {
		r.opt.Log.Debug("close a connection", "remote", c.host.addr(), "err", err)
	}
}
