package docstore

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
)

// vietnam is the one time zone of the legal rules: UTC+7, without summer time.
var vietnam = time.FixedZone("+07", 7*60*60)

// Options of a Store.
type Options struct {
	Now func() time.Time // nil means time.Now
	// AddWork tells when a reserved number expires; see [AddWork].
	AddWork AddWork
}

// Store changes documents. Its methods run inside a transaction and may be
// called from any goroutine.
type Store struct {
	now      func() time.Time
	addWork  AddWork
	ulids    *ulid.LockedMonotonicReader
	tracking chan struct{} // holds one signal
	checks   chan struct{} // the same
}

// New returns a Store.
func New(opt Options) *Store {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.AddWork == nil {
		opt.AddWork = addOfficeHours
	}
	return &Store{
		now:      opt.Now,
		addWork:  opt.AddWork,
		ulids:    &ulid.LockedMonotonicReader{MonotonicReader: ulid.Monotonic(rand.Reader, 0)},
		tracking: make(chan struct{}, 1),
		checks:   make(chan struct{}, 1),
	}
}

// time gives the present as the database keeps it.
func (s *Store) time() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

func (s *Store) ulid(at time.Time) (ULID, error) {
	id, err := ulid.New(ulid.Timestamp(at), s.ulids)
	if err != nil {
		return "", fmt.Errorf("make identifier: %w", err)
	}
	return ULID(id.String()), nil
}
