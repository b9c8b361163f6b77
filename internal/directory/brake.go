package directory

import (
	"net/netip"
	"sync"
	"time"
)

// Limits of wrong guesses, reliability.md section 3. Beyond them one more
// attempt is let through after 2 s, then 4 s … 32 s since the last failure.
const (
	failWindow     = 15 * time.Minute
	failPerAddress = 10
	failPerNet     = 50 // per /24 or /64: against one guess on each of many accounts
	failPerAccount = 20 // from addresses that the account has not logged in from
	delayFirst     = 2 * time.Second
	delayMost      = 32 * time.Second

	friendFor = 14 * 24 * time.Hour // an address counts as the owner's for so long after a log-in

	maxBuckets = 20_000
	maxFriends = 100_000
)

// bucket counts failures of one address, net or account.
type bucket struct {
	count       int
	first, last time.Time
}

// open tells whether another attempt may be made.
func (b *bucket) open(now time.Time, limit int) bool {
	if b.expired(now, limit) || b.count < limit {
		return true
	}
	delay := delayMost
	if over := b.count - limit; over < 4 {
		delay = delayFirst << over
	}
	return now.Sub(b.last) >= delay
}

// expired tells whether the failures are forgotten: the window is over, and,
// beyond the limit, there has been rest since the last one.
func (b *bucket) expired(now time.Time, limit int) bool {
	if b.count < limit {
		return now.Sub(b.first) >= failWindow
	}
	return now.Sub(b.last) >= failWindow
}

// buckets is a bounded set of counters with one limit.
type buckets[K comparable] struct {
	limit int
	m     map[K]*bucket
}

func newBuckets[K comparable](limit int) buckets[K] {
	return buckets[K]{limit: limit, m: map[K]*bucket{}}
}

func (b *buckets[K]) open(k K, now time.Time) bool {
	c, ok := b.m[k]
	return !ok || c.open(now, b.limit)
}

// fail counts a failure and tells whether the limit has just been reached.
func (b *buckets[K]) fail(k K, now time.Time) bool {
	c, ok := b.m[k]
	if !ok {
		if len(b.m) >= maxBuckets {
			b.shrink(now)
		}
		c = &bucket{}
		b.m[k] = c
	}
	if c.count == 0 || c.expired(now, b.limit) {
		*c = bucket{first: now}
	}
	c.count++
	c.last = now
	return c.count == b.limit
}

// shrink drops what has expired and, when that is not enough, any tenth.
func (b *buckets[K]) shrink(now time.Time) {
	for k, c := range b.m {
		if c.expired(now, b.limit) {
			delete(b.m, k)
		}
	}
	for k := range b.m {
		if len(b.m) <= maxBuckets*9/10 {
			return
		}
		delete(b.m, k)
	}
}

// pair is a login at an address.
type pair struct {
	login string
	addr  netip.Addr
}

// brake slows guessing down. It takes unknown logins like known ones, so that
// it does not tell them apart.
type brake struct {
	mu      sync.Mutex
	address buckets[netip.Addr]
	net     buckets[netip.Prefix]
	account buckets[string]
	own     buckets[pair] // of logins at addresses they have used before
	friends map[pair]time.Time
}

func newBrake() *brake {
	return &brake{
		address: newBuckets[netip.Addr](failPerAddress), net: newBuckets[netip.Prefix](failPerNet),
		account: newBuckets[string](failPerAccount), own: newBuckets[pair](failPerAddress),
		friends: map[pair]time.Time{},
	}
}

// network gives the net that an address belongs to.
func network(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil { // only the zero address
		return netip.Prefix{}
	}
	return p
}

// admits tells whether an attempt may be made now. An owner at an address where
// he has succeeded before is stopped only by failures of his own login
// there: neither neighbours behind the same address nor strangers elsewhere
// can lock him out.
func (b *brake) admits(p pair, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.isFriend(p, now) {
		return b.own.open(p, now)
	}
	return b.address.open(p.addr, now) && b.net.open(network(p.addr), now) && (p.login == "" || b.account.open(p.login, now))
}

func (b *brake) isFriend(p pair, now time.Time) bool {
	t, ok := b.friends[p]
	return ok && now.Sub(t) < friendFor
}

// failed counts a wrong guess and tells whether a limit has just been reached by it.
func (b *brake) failed(p pair, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	address, net := b.address.fail(p.addr, now), b.net.fail(network(p.addr), now)
	if b.isFriend(p, now) {
		return b.own.fail(p, now) || address || net
	}
	if p.login == "" { // no account: such guesses from everywhere must not stop those of anybody else
		return address || net
	}
	return b.account.fail(p.login, now) || address || net
}

// succeeded remembers where an owner has come from.
func (b *brake) succeeded(p pair, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.friends[p]; !ok && len(b.friends) >= maxFriends {
		for k, t := range b.friends {
			if now.Sub(t) >= friendFor || len(b.friends) > maxFriends*9/10 {
				delete(b.friends, k)
			}
		}
	}
	b.friends[p] = now
	delete(b.own.m, p)
}
