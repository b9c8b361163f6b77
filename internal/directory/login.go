package directory

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"hash"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// Login is a login name as a client has sent it.
type Login string

// parse gives the account's address, and whether the name is within the
// alphabet of logins at all: it is checked before anything else looks at it.
func (l Login) parse() (mail.Address, bool) {
	if len(l) > 254 {
		return mail.Address{}, false
	}
	at := strings.IndexByte(string(l), '@')
	if at <= 0 || at == len(l)-1 {
		return mail.Address{}, false
	}
	upper := false
	for i := 0; i < len(l); i++ {
		switch c := l[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.', c == '-':
		case 'A' <= c && c <= 'Z':
			upper = true
		case c == '_' && i < at, c == '@' && i == at:
		default:
			return mail.Address{}, false
		}
	}
	s := string(l)
	if upper {
		s = strings.ToLower(s)
	}
	return mail.Address{Local: s[:at], Domain: s[at+1:]}, true
}

var (
	errDenied = fault.New(fault.Denied, fault.Text{
		EN: "wrong login name or password", VI: "sai tên đăng nhập hoặc mật khẩu",
	})
	errBraked = fault.New(fault.Exhausted, fault.Text{
		EN: "too many failed log-ins, please try again later", VI: "đăng nhập sai quá nhiều lần, xin thử lại sau ít phút",
	})
)

// maxVerified bounds the cache of verified logins.
const maxVerified = 50_000

// login is the memory of Authenticate.
type login struct {
	brake *brake
	slots chan struct{} // who holds one may compute Argon2id: bounds memory
	asks  chan struct{} // who holds one may ask the verifier
	keep  time.Duration
	macs  sync.Pool // of hash.Hash, keyed for this process

	mu       sync.RWMutex
	verified map[[sha256.Size]byte]verified
	record   logins
	used     map[AppPasswordID]time.Time // when the use of an app password was last written down
}

// verified is a password that was right: for this stored secret, until then.
// A changed password has another secret, so that nothing needs to be dropped.
type verified struct {
	secret string
	until  time.Time
}

func newLogin(keep time.Duration) *login {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // see makePassword
	return &login{
		brake: newBrake(), slots: make(chan struct{}, 2), asks: make(chan struct{}, 8), keep: keep,
		macs:     sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
		verified: map[[sha256.Size]byte]verified{},
		used:     map[AppPasswordID]time.Time{},
		record:   logins{granted: map[grantKey]*granted{}, refused: map[pair]*refusals{}},
	}
}

// noteUse tells whether a use is to be written down, which it is at most every ten minutes.
func (l *login) noteUse(id AppPasswordID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.used[id]) < appPasswordUsedBy {
		return false
	}
	l.used[id] = now
	return true
}

// key names a login with a password in the cache.
func (l *login) key(id mail.Address, p Password) (out [sha256.Size]byte) {
	h := l.macs.Get().(hash.Hash) //nolint:forcetypeassert // nothing else is in the pool
	h.Reset()
	buf := make([]byte, 0, 512)
	buf = append(buf, id.Local...)
	buf = append(buf, '@')
	buf = append(buf, id.Domain...)
	buf = append(buf, 0)
	buf = append(buf, p...)
	h.Write(buf)
	h.Sum(out[:0])
	l.macs.Put(h)
	return out
}

func (l *login) knows(k [sha256.Size]byte, secret string, now time.Time) bool {
	l.mu.RLock()
	v, ok := l.verified[k]
	l.mu.RUnlock()
	return ok && now.Before(v.until) && v.secret == secret
}

func (l *login) remember(k [sha256.Size]byte, secret string, now time.Time) {
	l.rememberFor(k, secret, now, l.keep)
}

// rememberFor is remember for at most keep.
func (l *login) rememberFor(k [sha256.Size]byte, secret string, now time.Time, keep time.Duration) {
	keep = min(keep, l.keep)
	if keep <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.verified) >= maxVerified {
		for k, v := range l.verified {
			if !now.Before(v.until) {
				delete(l.verified, k)
			}
		}
		if len(l.verified) >= maxVerified {
			clear(l.verified)
		}
	}
	l.verified[k] = verified{secret: secret, until: now.Add(keep)}
}

// Protocol says where somebody logs in.
type Protocol string

// The protocols that people log in to.
const (
	IMAP Protocol = "imap"
	SMTP Protocol = "smtp"
)

// Attempt is a log-in with a password.
type Attempt struct {
	Login    Login
	Password Password
	Remote   netip.Addr // the zero address is one like others
	Protocol Protocol   // what an app password may be limited to
}

// Means says by what somebody has proved who he is.
type Means string

// What proves an account.
const (
	ByPassword    Means = "password"
	ByAppPassword Means = "app_password"
	ByVerifier    Means = "directory"   // a password that another directory knows
	ByCertificate Means = "certificate" // of a TLS client
	ByToken       Means = "token"       // of an identity provider
)

// Grant is a log-in that was allowed.
type Grant struct {
	Account
	By  Means
	App AppPasswordID // with ByAppPassword
	At  time.Time     // when it was asked for

	Remote   netip.Addr
	Protocol Protocol
}

// Authenticate checks a password: the account's own, or one of its app
// passwords. It fails with fault.Denied when it is neither or the account is
// not active, by the same words and after the same work for logins that do not exist,
// and with fault.Exhausted, without looking at the password, when there were too many
// failures from this address or for this login.
//
// A right password is remembered for some time, so that clients that connect
// again and again do not cost an Argon2id each. A change of the password or of the state
// counts at once. It waits for its turn to compute; ctx ends the wait.
func (d *Directory) Authenticate(ctx context.Context, at Attempt) (Grant, error) {
	now := d.now()
	id, ok := at.Login.parse()
	who := newPair(at.Remote, id, ok)
	if !d.login.brake.admits(who, now) {
		return Grant{}, errBraked
	}
	if !ok || len(at.Password) > maxPassword || at.Password == "" {
		// No such account can exist, whatever the time it takes to say so.
		return Grant{}, d.refuse(who)
	}
	s := d.Snapshot()
	a, c := s.lookup(id)
	g := Grant{Account: a, At: now, Remote: who.addr, Protocol: at.Protocol}
	if app := d.appPasswordOf(s, a.ID, at); app != 0 {
		g.By, g.App = ByAppPassword, app
	} else {
		check := d.verify
		if g.By = ByPassword; d.covers(id) {
			g.By, check = ByVerifier, d.verifyElsewhere
			a.Login = id // whether there is such an account or not
		}
		right, err := check(ctx, who, a, c, at.Password)
		if err != nil {
			return Grant{}, err
		}
		if !right {
			return Grant{}, d.refuse(who)
		}
	}
	if a.State != Active {
		return Grant{}, d.refuse(who)
	}
	d.allow(ctx, who, g)
	return g, nil
}

// newPair gives whom the brake counts for; a login outside the alphabet of logins counts for its address alone.
func newPair(remote netip.Addr, id mail.Address, valid bool) pair {
	p := pair{addr: remote.Unmap().WithZone("")}
	if valid {
		p.login = id.Local + "@" + id.Domain
	}
	return p
}

// allow notes a success.
func (d *Directory) allow(ctx context.Context, who pair, g Grant) {
	d.login.brake.succeeded(who, g.At)
	d.login.record.grant(g)
	if g.App != 0 {
		d.noteUse(ctx, g.App, g.At)
	}
}

// refuse counts a failure. It logs one line when that slows guessing down, not
// one for each guess.
func (d *Directory) refuse(who pair) error {
	now := d.now()
	d.login.record.refuse(who, now)
	if d.login.brake.failed(who, now) {
		d.log.Warn("too many failed log-ins, slowing down", "remote", who.addr, "account", who.login)
	}
	return errDenied
}

// lookup gives the account of a login and its credential; zero when there is none.
func (s *Snapshot) lookup(id mail.Address) (Account, credential) {
	p, ok := s.byAddress[id]
	if !ok || p.kind != TargetAccount {
		return Account{}, credential{}
	}
	return s.accounts[p.index], s.creds[p.index]
}

// verify checks the account's own password: at once when it is a made one or was right a
// moment ago, otherwise at the cost of one Argon2id, whether there is such an
// account or not.
func (d *Directory) verify(ctx context.Context, who pair, a Account, c credential, p Password) (bool, error) {
	if c.scheme == schemeMade {
		want := d.hashMade(a.ID, p)
		if subtle.ConstantTimeCompare([]byte(want), []byte(c.secret)) == 1 {
			d.learnKeys(ctx, a, c, groupMade(madeForm(p)))
			return true, nil
		}
	}
	k := d.login.key(a.Login, p)
	if c.scheme == schemeArgon2 && d.login.knows(k, c.secret, d.now()) {
		return true, nil
	}
	right, err := d.verifyCostly(ctx, who, a, c, p)
	if right {
		d.login.remember(k, c.secret, d.now())
		d.learnKeys(ctx, a, c, p)
	}
	return right, err
}

func (d *Directory) covers(id mail.Address) bool { return d.verifier != nil && d.verifier.Covers(id) }

// keepElsewhere is how long a password that the verifier has found right is not asked for again: a change there is not told here.
const keepElsewhere = 5 * time.Minute

// verifyElsewhere asks the verifier, for logins without an account as well: the time it takes must not tell them apart.
func (d *Directory) verifyElsewhere(ctx context.Context, who pair, a Account, _ credential, p Password) (bool, error) {
	const secret = "verifier" // no credential of ours has it
	k := d.login.key(a.Login, p)
	if d.login.knows(k, secret, d.now()) {
		return a.ID != 0, nil
	}
	select {
	case d.login.asks <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-d.login.asks }()
	if !d.login.brake.admits(who, d.now()) { // see verifyCostly
		return false, errBraked
	}
	right, err := d.verifier.Verify(ctx, a.Login, p)
	if err != nil {
		return false, fmt.Errorf("ask the verifier: %w", err)
	}
	if right && a.ID != 0 {
		d.login.rememberFor(k, secret, d.now(), keepElsewhere)
	}
	return right && a.ID != 0, nil
}

// verifyCostly computes one Argon2id when its turn comes.
func (d *Directory) verifyCostly(ctx context.Context, who pair, a Account, c credential, p Password) (bool, error) {
	select {
	case d.login.slots <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-d.login.slots }()
	// Guesses on many connections at once have all passed the brake before
	// the first of them failed: ask it again.
	if !d.login.brake.admits(who, d.now()) {
		return false, errBraked
	}
	if c.scheme != schemeArgon2 {
		burnArgon2(p)
		return false, nil
	}
	right, err := verifyArgon2(p, c.secret)
	if err != nil {
		d.log.Error("cannot verify a password", "account", a.ID, "err", err)
		return false, nil
	}
	return right, nil
}

// learnKeys makes the SCRAM keys of a password that has just proved right, when there are none yet: of accounts from before there was
// SCRAM. When the directory is being written it leaves that to the next log-in.
func (d *Directory) learnKeys(ctx context.Context, a Account, c credential, p Password) {
	if len(c.scram) > 0 || !d.writing.TryLock() {
		return
	}
	defer d.writing.Unlock()
	s := d.Snapshot()
	i, ok := s.accountAt[a.ID]
	if !ok || s.creds[i].secret != c.secret || len(s.creds[i].scram) > 0 {
		return
	}
	k, ok := d.seals.makeKeys(a.Login, p)
	if !ok {
		return
	}
	c.scram = d.seals.seal(a.ID, k)
	if err := d.update(ctx, func(tx *sqldb.Tx) error { return setCredential(ctx, tx, a.ID, c) }); err != nil {
		d.log.Error("cannot keep the keys of a password", "account", a.ID, "err", err)
		return
	}
	d.storeCredential(s, i, c)
}

// storeCredential shows a changed credential of the account at index i, and nothing else new: on the morning when all get passwords of
// their own, 10,000 accounts need not be read 10,000 times.
func (d *Directory) storeCredential(s *Snapshot, i int, c credential) {
	next := *s
	next.creds = slices.Clone(s.creds)
	next.creds[i] = c
	d.snapshot.Store(&next)
}
