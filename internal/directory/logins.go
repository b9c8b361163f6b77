package directory

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// How log-ins reach the journal: soon, but summarised, since neither a client that
// connects every minute nor somebody who guesses may swell it.
const (
	recordEvery    = 10 * time.Second
	repeatAfter    = time.Hour   // the same log-in once more: counted, written after so long
	refusedEvery   = time.Minute // refusals are written so often
	maxRefusedKeys = 50          // logins at addresses told of one by one each time; the rest as one number
	maxGrantedKeys = 50_000
)

// grantKey is what makes log-ins the same.
type grantKey struct {
	account  AccountID
	remote   netip.Addr
	protocol Protocol
	by       Means
	app      AppPasswordID
}

type granted struct {
	account Account
	count   int // since it was written last
	last    time.Time
	written time.Time // zero when never
}

type refusals struct {
	count       int
	first, last time.Time
}

// logins collects what is to be recorded.
type logins struct {
	mu      sync.Mutex
	granted map[grantKey]*granted
	refused map[pair]*refusals
	others  refusals // beyond maxRefusedKeys
	since   time.Time
}

func (l *logins) grant(g Grant) {
	k := grantKey{g.ID, g.Remote, g.Protocol, g.By, g.App}
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.granted[k]
	if !ok {
		if len(l.granted) >= maxGrantedKeys {
			return
		}
		e = &granted{}
		l.granted[k] = e
	}
	e.account, e.last = g.Account, g.At
	e.count++
}

func (l *logins) refuse(who pair, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.refused[who]
	if !ok {
		if r = &l.others; len(l.refused) < maxRefusedKeys {
			r = &refusals{}
			l.refused[who] = r
		}
	}
	if r.count == 0 {
		r.first = now
	}
	r.count++
	r.last = now
}

// due takes what is to be written at now; all takes what would wait as well.
func (l *logins) due(now time.Time, all bool) []journal.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []journal.Event
	for k, e := range l.granted {
		fresh := now.Sub(e.written) >= repeatAfter
		switch {
		case e.count > 0 && (fresh || all):
			out = append(out, e.event(k))
			e.count, e.written = 0, now
		case e.count == 0 && fresh:
			delete(l.granted, k)
		}
	}
	if len(l.refused) > 0 && (all || now.Sub(l.since) >= refusedEvery) {
		for who, r := range l.refused {
			out = append(out, r.event(who, 0))
		}
		if l.others.count > 0 {
			out = append(out, l.others.event(pair{}, l.others.count))
		}
		clear(l.refused)
		l.others, l.since = refusals{}, now
	}
	slices.SortStableFunc(out, func(a, b journal.Event) int { return a.At.Compare(b.At) })
	return out
}

func (e *granted) event(k grantKey) journal.Event {
	a := e.account
	return journal.Event{
		At: e.last, Type: "login.granted", Actor: journal.Actor{Kind: journal.ActorAccount, ID: int64(a.ID), Name: a.Login.String()},
		Subject: a.Login.String(), Unit: homeUnit(a.Roles),
		Data: struct {
			Remote   string        `json:"remote"`
			Protocol Protocol      `json:"protocol"`
			By       Means         `json:"by"`
			App      AppPasswordID `json:"app_password,omitempty"`
			Count    int           `json:"count"`
		}{remoteText(k.remote), k.protocol, k.by, k.app, e.count},
	}
}

func (r *refusals) event(who pair, others int) journal.Event {
	remote := remoteText(who.addr)
	if others > 0 {
		remote = ""
	}
	return journal.Event{
		At: r.last, Type: "login.refused", Actor: journal.Actor{Kind: journal.ActorExternal, Name: remote}, Subject: who.login,
		Data: struct {
			Remote string    `json:"remote"`
			Count  int       `json:"count"`
			Since  time.Time `json:"since"`
			Others bool      `json:"others,omitempty"` // many logins and addresses, not told one by one
		}{remote, r.count, r.first.UTC(), others > 0},
	}
}

// remoteText writes an address; "" for a peer without one.
func remoteText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// Run records log-ins in the journal until ctx ends; call
// [Directory.RecordLogins] after it for the last ones.
func (d *Directory) Run(ctx context.Context) error {
	t := time.NewTicker(recordEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if err := d.recordLogins(ctx, false); err != nil && ctx.Err() == nil {
			d.log.Error("cannot record log-ins", "err", err)
		}
	}
}

// RecordLogins writes at once what has not been recorded yet.
func (d *Directory) RecordLogins(ctx context.Context) error { return d.recordLogins(ctx, true) }

func (d *Directory) recordLogins(ctx context.Context, all bool) error {
	events := d.login.record.due(d.now(), all)
	if len(events) == 0 {
		return nil
	}
	err := d.db.Update(ctx, func(tx *sqldb.Tx) error {
		for _, ev := range events {
			if _, err := journal.Append(ctx, tx, ev); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record %d log-ins: %w", len(events), err)
	}
	return nil
}
