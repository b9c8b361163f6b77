package mailauth

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// Domain is a mail domain, lower case.
type Domain string

// Selector tells the keys of one domain apart. RFC 6376, section 3.1.
type Selector string

// Record is the text of a key as DNS would have it: "v=DKIM1; k=ed25519; p=…".
// RFC 6376, section 3.6.1.
type Record string

// KeyState is what a key is for.
type KeyState string

// The states. A pair of keys begins as next, so that its records can be
// published before anything is signed with it; a retired one must stay
// published until what it signed has arrived, a week at most.
const (
	KeyNext    KeyState = "next"
	KeyActive  KeyState = "active"
	KeyRetired KeyState = "retired"
	KeyTrusted KeyState = "trusted" // of another domain; it only verifies
)

// Key is one key without its private half.
type Key struct {
	Domain   Domain    `json:"domain"`
	Selector Selector  `json:"selector"`
	State    KeyState  `json:"state"`
	Record   Record    `json:"record"`
	Created  time.Time `json:"created"`
	Changed  time.Time `json:"changed"` // when the state was entered

	private crypto.Signer // nil for a trusted one
}

// Name is where DNS has the key.
func (k Key) Name() string { return nameOf(k.Domain, k.Selector) }

func nameOf(d Domain, s Selector) string { return string(s) + "._domainkey." + string(d) }

// Options tunes Keys; the zero value works for tests.
type Options struct {
	Secret []byte           // seals private keys; never stored beside them
	Now    func() time.Time // nil means time.Now
}

// Keys holds all keys. Its methods may be called concurrently; looking up and
// signing never wait for the database.
type Keys struct {
	db   *sqldb.DB
	opt  Options
	seal sealer
	edit sync.Mutex // one change at a time, from reading to publishing
	now  atomic.Pointer[keySet]
}

// keySet is never changed once it is published.
type keySet struct {
	all     []Key
	byName  map[string]Key
	active  map[Domain][]Key // Ed25519 first
	domains map[Domain]bool  // that have any key
}

const (
	qKeys   = `SELECT domain, selector, state, record, sealed, created_us, changed_us FROM dkim_key ORDER BY domain, created_us, selector`
	qAddKey = `INSERT INTO dkim_key (domain, selector, state, record, sealed, created_us, changed_us) VALUES ($1, $2, $3, $4, $5, $6, $7)
 ON CONFLICT (domain, selector) DO NOTHING`
	qSetKey  = `UPDATE dkim_key SET state = $1, changed_us = $2 WHERE domain = $3 AND state = $4`
	qDropKey = `DELETE FROM dkim_key WHERE domain = $1 AND selector = $2`
)

// Open reads the keys kept in db. A private key that the secret does not open
// is an error: signing silently with less would be noticed by others first.
func Open(ctx context.Context, db *sqldb.DB, opt Options) (*Keys, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	seal, err := newSealer(opt.Secret)
	if err != nil {
		return nil, err
	}
	k := &Keys{db: db, opt: opt, seal: seal}
	return k, k.load(ctx)
}

func (k *Keys) load(ctx context.Context) error {
	var all []Key
	err := k.db.View(ctx, func(r sqldb.Reader) (err error) {
		all = nil
		rows, err := r.Query(ctx, qKeys)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var key Key
			var sealed []byte
			var created, changed int64
			if err := rows.Scan(&key.Domain, &key.Selector, &key.State, &key.Record, &sealed, &created, &changed); err != nil {
				return err
			}
			key.Created, key.Changed = sqldb.Time(created), sqldb.Time(changed)
			if key.State != KeyTrusted {
				if key.private, err = k.seal.open(key.Name(), sealed); err != nil {
					return fmt.Errorf("key %s: %w", key.Name(), err)
				}
			}
			all = append(all, key)
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("read the DKIM keys: %w", err)
	}
	k.now.Store(newKeySet(all))
	return nil
}

func newKeySet(all []Key) *keySet {
	s := &keySet{all: all, byName: map[string]Key{}, active: map[Domain][]Key{}, domains: map[Domain]bool{}}
	for _, key := range all {
		s.byName[key.Name()] = key
		s.domains[key.Domain] = true
		if key.State == KeyActive {
			s.active[key.Domain] = append(s.active[key.Domain], key)
		}
	}
	for _, pair := range s.active {
		slices.SortStableFunc(pair, func(a, b Key) int { return rankOf(a) - rankOf(b) })
	}
	return s
}

func rankOf(k Key) int {
	if _, ok := k.private.(ed25519.PrivateKey); ok {
		return 0
	}
	return 1
}

// List gives all keys, by domain and age.
func (k *Keys) List() []Key { return slices.Clone(k.now.Load().all) }

// Signs tells whether there is a key to sign for a domain: its own, or that of
// a domain above it, which counts for it by the relaxed alignment of DMARC. A
// province with a domain for each unit has one pair of keys.
func (k *Keys) Signs(d Domain) bool { return len(k.now.Load().signers(d)) > 0 }

// Own tells whether d has keys of its own.
func (k *Keys) Own(d Domain) bool { return len(k.now.Load().active[d]) > 0 }

func (s *keySet) signers(d Domain) []Key {
	for ; d != ""; d = above(d) {
		if keys := s.active[d]; len(keys) > 0 {
			return keys
		}
	}
	return nil
}

// above gives the domain that d lies in, "" when there is none.
func above(d Domain) Domain {
	_, parent, _ := strings.Cut(string(d), ".")
	return Domain(parent)
}

// lookup gives the record under a DNS name, when we hold it ourselves.
func (k *Keys) lookup(name string) (Record, bool) {
	key, ok := k.now.Load().byName[strings.ToLower(name)]
	return key.Record, ok
}

// Ensure makes an active pair of keys for a domain of ours that nothing signs for.
func (k *Keys) Ensure(ctx context.Context, by journal.Actor, d Domain) error {
	k.edit.Lock()
	defer k.edit.Unlock()
	if k.Signs(d) {
		return nil
	}
	return k.addPair(ctx, by, d, KeyActive)
}

// Make makes keys for a domain that so far is signed for by the one above it.
func (k *Keys) Make(ctx context.Context, by journal.Actor, d Domain) error {
	k.edit.Lock()
	defer k.edit.Unlock()
	if k.Own(d) {
		return nil
	}
	return k.addPair(ctx, by, d, KeyActive)
}

// Next makes the pair of keys that will follow the active one. Publish its
// records, wait as long as the old ones may be cached, then call Activate. It
// fails with kind Conflict when there is such a pair already.
func (k *Keys) Next(ctx context.Context, by journal.Actor, d Domain) error {
	k.edit.Lock()
	defer k.edit.Unlock()
	if !k.Own(d) {
		return errNoKeys(d)
	}
	for _, key := range k.now.Load().all {
		if key.Domain == d && key.State == KeyNext {
			return fault.New(fault.Conflict, fault.Text{
				EN: "the next keys of " + string(d) + " are there already: publish their records, then activate them",
				VI: "khóa kế tiếp của " + string(d) + " đã có: hãy công bố bản ghi rồi kích hoạt",
			})
		}
	}
	return k.addPair(ctx, by, d, KeyNext)
}

func errNoKeys(d Domain) error {
	return fault.New(fault.NotFound, fault.Text{
		EN: "there are no DKIM keys for " + string(d), VI: "không có khóa DKIM cho tên miền " + string(d),
	})
}

// addPair makes an Ed25519 key and an RSA one: not every receiver can check the
// first kind (RFC 8463, section 1), and no receiver need believe less than 2,048 bits.
func (k *Keys) addPair(ctx context.Context, by journal.Actor, d Domain, state KeyState) error {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	now := k.opt.Now()
	day := k.freeDay(d, now)
	var added []Key
	for _, x := range []struct {
		suffix string
		key    crypto.Signer
	}{{"e", ed}, {"r", rs}} {
		rec, err := recordOf(x.key.Public())
		if err != nil {
			return err
		}
		added = append(added, Key{
			Domain: d, Selector: Selector(day + x.suffix), State: state, Record: rec, Created: now, Changed: now, private: x.key,
		})
	}
	return k.change(ctx, by, d, "dkim.made", added, func(tx *sqldb.Tx) error {
		for _, key := range added {
			sealed, err := k.seal.close(key.Name(), key.private)
			if err != nil {
				return err
			}
			if err := addKey(ctx, tx, key, sealed); err != nil {
				return err
			}
		}
		return nil
	})
}

// freeDay gives the beginning of selectors for keys made now, "vt20261124" or
// with a letter when that day has keys already.
func (k *Keys) freeDay(d Domain, now time.Time) string {
	day := now.UTC().Format("vt20060102")
	for n := 0; ; n++ {
		name := day
		if n > 0 {
			name += fmt.Sprintf("-%d", n)
		}
		if _, taken := k.now.Load().byName[name+"e._domainkey."+string(d)]; !taken {
			return name
		}
	}
}

func addKey(ctx context.Context, tx *sqldb.Tx, key Key, sealed []byte) error {
	n, err := tx.Exec(ctx, qAddKey, string(key.Domain), string(key.Selector), string(key.State), string(key.Record),
		sealed, sqldb.Micros(key.Created), sqldb.Micros(key.Changed))
	if err == nil && n == 0 {
		err = fault.New(fault.Conflict, fault.Text{
			EN: "there is a key " + key.Name() + " already: remove it first", VI: "đã có khóa " + key.Name() + ": hãy xóa trước",
		})
	}
	return err
}

// Activate lets the next pair sign from now on and retires the active one. It
// fails with kind NotFound when there is no next pair.
func (k *Keys) Activate(ctx context.Context, by journal.Actor, d Domain) error {
	k.edit.Lock()
	defer k.edit.Unlock()
	return k.change(ctx, by, d, "dkim.activated", nil, func(tx *sqldb.Tx) error {
		at := sqldb.Micros(k.opt.Now())
		if _, err := tx.Exec(ctx, qSetKey, string(KeyRetired), at, string(d), string(KeyActive)); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, qSetKey, string(KeyActive), at, string(d), string(KeyNext))
		if err == nil && n == 0 {
			err = fault.New(fault.NotFound, fault.Text{
				EN: "there are no next keys for " + string(d) + ": make them first",
				VI: "chưa có khóa kế tiếp cho tên miền " + string(d) + ": hãy tạo trước",
			})
		}
		return err
	})
}

// Trust takes a key of another domain, for networks without DNS. The record
// must be one that can verify something: Ed25519, or RSA of at least 1,024 bits.
func (k *Keys) Trust(ctx context.Context, by journal.Actor, d Domain, s Selector, rec Record) error {
	if err := checkRecord(rec); err != nil {
		return err
	}
	if !validName(string(d)) || !validName(string(s)) {
		return fault.New(fault.Invalid, fault.Text{
			EN: "domain and selector are names of letters, digits, hyphens and dots", VI: "tên miền hoặc selector không hợp lệ",
		})
	}
	now := k.opt.Now()
	key := Key{Domain: d, Selector: s, State: KeyTrusted, Record: rec, Created: now, Changed: now}
	k.edit.Lock()
	defer k.edit.Unlock()
	return k.change(ctx, by, d, "dkim.trusted", []Key{key}, func(tx *sqldb.Tx) error { return addKey(ctx, tx, key, []byte{}) })
}

// Remove forgets a key that is not active. What it signed verifies here no more.
func (k *Keys) Remove(ctx context.Context, by journal.Actor, d Domain, s Selector) error {
	k.edit.Lock()
	defer k.edit.Unlock()
	if err := k.Removable(d, s); err != nil {
		return err
	}
	key := k.now.Load().byName[nameOf(d, s)]
	return k.change(ctx, by, d, "dkim.removed", []Key{key}, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, qDropKey, string(d), string(s))
		return err
	})
}

// Removable says why a key cannot be removed, nil when it can.
func (k *Keys) Removable(d Domain, s Selector) error {
	switch key, ok := k.now.Load().byName[nameOf(d, s)]; {
	case !ok:
		return fault.New(fault.NotFound, fault.Text{
			EN: fmt.Sprintf("there is no key %s of %s", s, d), VI: fmt.Sprintf("không có khóa %s của %s", s, d),
		})
	case key.State == KeyActive:
		return fault.New(fault.Conflict, fault.Text{
			EN: "the key signs now: make and activate the next one first", VI: "khóa đang dùng để ký: hãy tạo và kích hoạt khóa kế tiếp trước",
		})
	}
	return nil
}

// change runs fn with its journal entry in one transaction, then publishes.
func (k *Keys) change(ctx context.Context, by journal.Actor, d Domain, event string, keys []Key, fn func(*sqldb.Tx) error) error {
	selectors := map[string]string{}
	for _, key := range keys {
		selectors[string(key.Selector)] = string(key.Record)
	}
	err := k.db.Update(ctx, func(tx *sqldb.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		_, err := journal.Append(ctx, tx, journal.Event{
			At: k.opt.Now(), Type: event, Actor: by, Subject: "domain/" + string(d),
			Data: map[string]any{"selectors": slices.Sorted(maps.Keys(selectors)), "records": selectors},
		})
		return err
	})
	if err != nil {
		return err
	}
	return k.load(ctx)
}

// recordOf writes a public key as DNS has it. RFC 6376, section 3.6.1; RFC 8463, section 4.2.
func recordOf(pub crypto.PublicKey) (Record, error) {
	switch p := pub.(type) {
	case ed25519.PublicKey:
		return Record("v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(p)), nil
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(p)
		if err != nil {
			return "", err
		}
		return Record("v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)), nil
	}
	return "", fmt.Errorf("a DKIM key of type %T", pub)
}

func validName(s string) bool {
	if s == "" || len(s) > 253 || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c >= 0x80:
		default:
			return false
		}
	}
	return s[0] != '.' && s[len(s)-1] != '.'
}
