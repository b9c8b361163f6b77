package docstore

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"vanthu/internal/worktime"
)

// vietnam is the one time zone of the legal rules: UTC+7, without summer time.
var vietnam = worktime.Zone

// Options of a Store.
type Options struct {
	Now func() time.Time // nil means time.Now
	// Calendar is the working time of units that have none of their own; nil
	// means [worktime.Office] without holidays.
	Calendar *worktime.Calendar
	News     NewsLimits // zero means [UsualNewsLimits]
}

// Store changes documents. Its methods run inside a transaction and may be
// called from any goroutine.
type Store struct {
	now      func() time.Time
	calendar *worktime.Calendar
	news     NewsLimits
	ulids    *ulid.LockedMonotonicReader
	tracking chan struct{} // holds one signal
	checks   chan struct{} // the same
	timers   chan struct{} // the same
}

// New returns a Store.
func New(opt Options) *Store {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Calendar == nil {
		opt.Calendar = worktime.New(worktime.Week{}, nil)
	}
	if opt.News == (NewsLimits{}) {
		opt.News = UsualNewsLimits()
	}
	return &Store{
		now:      opt.Now,
		calendar: opt.Calendar,
		news:     opt.News,
		ulids:    &ulid.LockedMonotonicReader{MonotonicReader: ulid.Monotonic(rand.Reader, 0)},
		tracking: make(chan struct{}, 1),
		checks:   make(chan struct{}, 1),
		timers:   make(chan struct{}, 1),
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
