package directory

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"hash"
	"net/netip"
	"strings"
	"sync"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
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
	keep  time.Duration
	macs  sync.Pool // of hash.Hash, keyed for this process

	mu       sync.RWMutex
	verified map[[sha256.Size]byte]verified
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
		brake: newBrake(), slots: make(chan struct{}, 2), keep: keep,
		macs:     sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
		verified: map[[sha256.Size]byte]verified{},
	}
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
	if l.keep <= 0 {
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
	l.verified[k] = verified{secret: secret, until: now.Add(l.keep)}
}

// Authenticate returns the account of login when the password is its own and
// the account is active. It fails with fault.Denied otherwise, by the same
// words and after the same work for logins that do not exist, and with
// fault.Exhausted, without looking at the password, when there were too many
// failures from this address or for this login. The zero remote is an address
// like others.
//
// A right password is remembered for some time, so that clients that connect
// again and again do not cost an Argon2id each. A change of the password or of the state
// counts at once. It waits for its turn to compute; ctx ends the wait.
func (d *Directory) Authenticate(ctx context.Context, login Login, password Password, remote netip.Addr) (Account, error) {
	now := d.now()
	id, ok := login.parse()
	who := pair{addr: remote.Unmap().WithZone("")}
	if ok {
		who.login = id.Local + "@" + id.Domain
	}
	if !d.login.brake.admits(who, now) {
		return Account{}, errBraked
	}
	if !ok || len(password) > maxPassword || password == "" {
		// No such account can exist, whatever the time it takes to say so.
		return Account{}, d.refuse(who)
	}
	a, c := d.lookup(id)
	right, err := d.verify(ctx, who, a, c, password)
	if err != nil {
		return Account{}, err
	}
	if !right || a.State != Active {
		return Account{}, d.refuse(who)
	}
	d.login.brake.succeeded(who, now)
	return a, nil
}

// refuse counts a failure. It logs one line when that slows guessing down, not
// one for each guess.
func (d *Directory) refuse(who pair) error {
	if d.login.brake.failed(who, d.now()) {
		d.log.Warn("too many failed log-ins, slowing down", "remote", who.addr, "account", who.login)
	}
	return errDenied
}

// lookup gives the account of a login and its credential; zero when there is none.
func (d *Directory) lookup(id mail.Address) (Account, credential) {
	s := d.Snapshot()
	p, ok := s.byAddress[id]
	if !ok || p.kind != TargetAccount {
		return Account{}, credential{}
	}
	return s.accounts[p.index], s.creds[p.index]
}

// verify checks the password: at once when it is a made one or was right a
// moment ago, otherwise at the cost of one Argon2id, whether there is such an
// account or not.
func (d *Directory) verify(ctx context.Context, who pair, a Account, c credential, p Password) (bool, error) {
	if c.scheme == schemeMade {
		want := d.hashMade(a.ID, p)
		if subtle.ConstantTimeCompare([]byte(want), []byte(c.secret)) == 1 {
			return true, nil
		}
	}
	k := d.login.key(a.Login, p)
	if c.scheme == schemeArgon2 && d.login.knows(k, c.secret, d.now()) {
		return true, nil
	}
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
	if right {
		d.login.remember(k, c.secret, d.now())
	}
	return right, nil
}
