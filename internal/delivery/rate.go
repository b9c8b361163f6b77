package delivery

import (
	"fmt"
	"sync"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
)

// Rate is how much one account may send; 0 means without limit. What a stolen
// password or a program gone wild can do is bounded by it.
type Rate struct {
	MessagesPerHour   int // hours of the clock
	RecipientsPerHour int
	RecipientsPerDay  int // days in Việt Nam; as the sender names them, a group counts once
}

// rates counts what accounts have sent. It is a memory only: a restart
// forgives.
type rates struct {
	mu    sync.Mutex
	hour  time.Time
	day   time.Time
	hours map[directory.AccountID]sent
	days  map[directory.AccountID]sent
}

type sent struct{ messages, recipients int }

func newRates() *rates {
	return &rates{hours: map[directory.AccountID]sent{}, days: map[directory.AccountID]sent{}}
}

// turn forgets what was before the present hour and day; the caller holds mu.
func (r *rates) turn(now time.Time) {
	now = now.In(vietnam)
	if h := now.Truncate(time.Hour); !h.Equal(r.hour) {
		r.hour = h
		clear(r.hours)
	}
	if d := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, vietnam); !d.Equal(r.day) {
		r.day = d
		clear(r.days)
	}
}

// take counts a message to n recipients, unless that would be too much. With
// n = 0 it only looks whether one more message may come.
func (r *rates) take(id directory.AccountID, limit Rate, n int, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	h, d := r.hours[id], r.days[id]
	switch {
	case limit.MessagesPerHour > 0 && h.messages >= limit.MessagesPerHour:
		return errRate(limit.MessagesPerHour, fault.Text{EN: "messages in one hour", VI: "thư trong một giờ"}, r.hour.Add(time.Hour))
	case limit.RecipientsPerHour > 0 && h.recipients+max(n, 1) > limit.RecipientsPerHour:
		return errRate(limit.RecipientsPerHour, fault.Text{EN: "recipients in one hour", VI: "người nhận trong một giờ"}, r.hour.Add(time.Hour))
	case limit.RecipientsPerDay > 0 && d.recipients+max(n, 1) > limit.RecipientsPerDay:
		return errRate(limit.RecipientsPerDay, fault.Text{EN: "recipients in one day", VI: "người nhận trong một ngày"}, r.day.AddDate(0, 0, 1))
	}
	if n > 0 {
		r.hours[id], r.days[id] = sent{h.messages + 1, h.recipients + n}, sent{d.messages + 1, d.recipients + n}
	}
	return nil
}

// giveBack uncounts a message that was not accepted after all.
func (r *rates) giveBack(id directory.AccountID, n int, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	for _, m := range []map[directory.AccountID]sent{r.hours, r.days} {
		if s := m[id]; s.messages > 0 && s.recipients >= n {
			m[id] = sent{s.messages - 1, s.recipients - n}
		}
	}
}

func errRate(limit int, what fault.Text, until time.Time) error {
	at := until.In(vietnam).Format("15:04 02/01/2006")
	return fault.WithStatus(fault.New(fault.Exhausted, fault.Text{
		EN: fmt.Sprintf("you have reached the limit of %d %s; send the rest after %s, or ask your administrator to raise it", limit, what.EN, at),
		VI: fmt.Sprintf("bạn đã đạt giới hạn %d %s; hãy gửi tiếp sau %s hoặc đề nghị quản trị viên nâng giới hạn", limit, what.VI, at),
	}), "4.7.1")
}

// rateOf gives the limits of an account: clerks send to the whole province.
func (d *Delivery) rateOf(id directory.AccountID) Rate {
	if acct, ok := d.stores.Directory.Snapshot().Account(id); ok {
		for _, r := range acct.Roles {
			if r.Role == directory.RoleClerk {
				return d.opt.ClerkRate
			}
		}
	}
	return d.opt.Rate
}
