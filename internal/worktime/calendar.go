// Package worktime counts working time as offices in Việt Nam keep it: hours of
// a week, public holidays, and days on which work is made up for (làm bù). All
// its functions are pure; local days are those of UTC+7.
//
// The law counts deadlines in working days: NĐ 30/2020, articles 4, 15, 23;
// QĐ 28/2018/QĐ-TTg, article 6. Which days are holidays is announced every year
// (Bộ luật Lao động 2019, article 112), so they are data.
package worktime

import (
	"time"
)

// Zone is Việt Nam's time, UTC+7 without summer time: the one of all legal rules
// and of what people read. It is never changed.
var Zone = time.FixedZone("+07", 7*60*60)

// Date is a local day.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf gives the local day of a time.
func DateOf(t time.Time) Date {
	y, m, d := t.In(Zone).Date()
	return Date{y, m, d}
}

// String gives YYYY-MM-DD.
func (d Date) String() string { return d.at(0).Format(time.DateOnly) }

// at gives the time of a clock of that day.
func (d Date) at(clock time.Duration) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, Zone).Add(clock)
}

func (d Date) next() Date { return DateOf(d.at(24 * time.Hour)) }

// At gives the time of a clock, counted from midnight, on the local day of t.
func At(t time.Time, clock time.Duration) time.Time { return DateOf(t).at(clock) }

// Calendar knows the working hours of one office. Its methods may be called
// concurrently. Times they return are in UTC+7.
type Calendar struct {
	week     Week
	holidays Holidays
}

// New returns a calendar; an empty week stands for [Office].
func New(week Week, holidays Holidays) *Calendar {
	if week.empty() {
		week = Office()
	}
	return &Calendar{week: week, holidays: holidays}
}

// WithWeek returns the calendar of an office with other hours and the same
// holidays.
func (c *Calendar) WithWeek(week Week) *Calendar { return New(week, c.holidays) }

// Week gives the hours of the calendar.
func (c *Calendar) Week() Week { return c.week }

// spans gives the working hours of a day. A day on which work is made up for
// has Monday's.
func (c *Calendar) spans(d Date) []Span {
	special, ok := c.holidays[d]
	switch {
	case ok && special.Work:
		return c.week.madeUp()
	case ok:
		return nil
	}
	return c.week[d.at(0).Weekday()]
}

// horizon bounds every search for a working day: no row of holidays is longer.
const horizon = 400

// workday gives the first working day at or after d.
func (c *Calendar) workday(d Date) Date {
	for range horizon {
		if len(c.spans(d)) > 0 {
			return d
		}
		d = d.next()
	}
	return d
}

// IsWorkday reports whether there is work at all on the day of t.
func (c *Calendar) IsWorkday(t time.Time) bool { return len(c.spans(DateOf(t))) > 0 }

// IsWorking reports whether t lies in working hours.
func (c *Calendar) IsWorking(t time.Time) bool {
	d := DateOf(t)
	for _, s := range c.spans(d) {
		if !t.Before(d.at(s.Begin)) && t.Before(d.at(s.End)) {
			return true
		}
	}
	return false
}

// Add gives the time when so much working time has passed after from.
func (c *Calendar) Add(from time.Time, work time.Duration) time.Time {
	d := DateOf(from)
	for {
		for _, s := range c.spans(d) {
			begin, end := d.at(s.Begin), d.at(s.End)
			if begin.Before(from) {
				begin = from.In(Zone)
			}
			have := end.Sub(begin)
			switch {
			case have <= 0:
			case have >= work:
				return begin.Add(work)
			default:
				work -= have
			}
		}
		d = c.workday(d.next())
		if len(c.spans(d)) == 0 {
			return from.Add(work)
		}
	}
}

// AddDays gives the end of the n-th working day after the day of from: the day
// on which something comes does not count. With n < 1 it is [Calendar.DayEnd].
func (c *Calendar) AddDays(from time.Time, n int) time.Time {
	if n < 1 {
		return c.DayEnd(from)
	}
	d := DateOf(from)
	for range n {
		d = c.workday(d.next())
	}
	return c.end(d)
}

func (c *Calendar) end(d Date) time.Time {
	spans := c.spans(d)
	if len(spans) == 0 {
		return d.at(17 * time.Hour)
	}
	return d.at(spans[len(spans)-1].End)
}

// DayEnd gives the end of work on the day of t; on a day without work, or after
// it, that of the next working day.
func (c *Calendar) DayEnd(t time.Time) time.Time {
	d := c.workday(DateOf(t))
	if end := c.end(d); end.After(t) {
		return end
	}
	return c.end(c.workday(d.next()))
}

// NextMorningEnd gives the end of the morning of the next working day after the
// day of t; QĐ 28/2018/QĐ-TTg, article 6.
func (c *Calendar) NextMorningEnd(t time.Time) time.Time {
	d := c.workday(DateOf(t).next())
	if spans := c.spans(d); len(spans) > 0 {
		return d.at(spans[0].End)
	}
	return c.end(d)
}

// Between gives the working time from a to b, 0 when b is not after a.
func (c *Calendar) Between(a, b time.Time) (work time.Duration) {
	last := DateOf(b)
	for d := DateOf(a); a.Before(b); d = d.next() {
		for _, s := range c.spans(d) {
			begin, end := d.at(s.Begin), d.at(s.End)
			if begin.Before(a) {
				begin = a
			}
			if end.After(b) {
				end = b
			}
			work += max(0, end.Sub(begin))
		}
		if d == last {
			break
		}
	}
	return work
}

// DaysUntil counts the working days after the day of a, up to and with the day of
// b; 0 when b is on the same day or earlier.
func (c *Calendar) DaysUntil(a, b time.Time) (n int) {
	last := DateOf(b).at(0)
	for d := DateOf(a).next(); !d.at(0).After(last); d = d.next() {
		if len(c.spans(d)) > 0 {
			n++
		}
	}
	return n
}

// Soon reports whether due is at most one working day away: today, or on the
// next working day. What is over is not soon.
func (c *Calendar) Soon(now, due time.Time) bool {
	return !due.Before(now) && !due.After(now.AddDate(1, 0, 0)) && c.DaysUntil(now, due) <= 1
}

// SoonFrom gives since when something due at that time is [Calendar.Soon]: from
// the beginning of the working day before the last one that it leaves.
func (c *Calendar) SoonFrom(due time.Time) time.Time {
	d, left := DateOf(due), 0
	for range horizon {
		if len(c.spans(d)) > 0 {
			if left++; left == 2 {
				break
			}
		}
		d = DateOf(d.at(-12 * time.Hour))
	}
	return d.at(0)
}

// RegisterBy gives until when a document that arrives at that time must be in
// the register: the same day, at the latest the next working day. NĐ 30/2020,
// article 4.
func (c *Calendar) RegisterBy(arrived time.Time) time.Time { return c.AddDays(arrived, 1) }
