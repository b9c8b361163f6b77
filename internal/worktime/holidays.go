package worktime

import (
	_ "embed" // the sample
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Special is a day that is not what its weekday says.
type Special struct {
	Work bool   // work is made up for (làm bù); else a holiday
	Name string // "Quốc khánh"
}

// Holidays are the special days of some years.
type Holidays map[Date]Special

// LineError is what is wrong with one line of a file of holidays.
type LineError struct {
	Line int // from 1
	Text string
}

// Error names the line and what is wrong with it.
func (e LineError) Error() string { return fmt.Sprintf("line %d %s", e.Line, e.Text) }

// maxHolidays bounds the octets of a file and the days of a row.
const (
	maxHolidayFile = 1 << 20
	maxHolidayRow  = 31
)

//go:embed holidays.sample
var sample []byte

// Sample gives a file of holidays to begin with: those with a fixed date.
func Sample() []byte { return append([]byte(nil), sample...) }

// ParseHolidays reads a file of holidays: a line for each day or row of days,
// with what it is and a name. "#" begins a remark.
//
//	2026-09-02               nghỉ    Quốc khánh
//	2026-02-16..2026-02-20   nghỉ    Tết Nguyên đán
//	2026-08-22               làm bù  cho 31/8
//
// All that is wrong is told at once; then the days are not to be used.
func ParseHolidays(text []byte) (Holidays, []LineError) {
	if len(text) > maxHolidayFile {
		return nil, []LineError{{1, "begins a file of more than 1 MiB"}}
	}
	days := Holidays{}
	var wrong []LineError
	for i, line := range strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if problem := days.read(line); problem != "" {
			wrong = append(wrong, LineError{i + 1, problem})
		}
	}
	return days, wrong
}

// read takes one line, and says what is wrong with it.
func (h Holidays) read(line string) (problem string) {
	if !utf8.ValidString(line) {
		return "is not UTF-8"
	}
	when, what, _ := strings.Cut(line, " ")
	if w, _, ok := strings.Cut(line, "\t"); ok && len(w) < len(when) {
		when, what = w, line[len(w):]
	}
	what = strings.Join(strings.Fields(what), " ")
	var special Special
	for _, kind := range []struct {
		word string
		work bool
	}{{"nghỉ", false}, {"off", false}, {"làm bù", true}, {"work", true}} {
		if rest, ok := strings.CutPrefix(what, kind.word); ok && (rest == "" || rest[0] == ' ') {
			special, problem = Special{Work: kind.work, Name: strings.TrimSpace(rest)}, "found"
			break
		}
	}
	if problem == "" {
		return fmt.Sprintf(`says neither "nghỉ" (off) nor "làm bù" (work) after the day: %q`, line)
	}
	first, last, row := strings.Cut(when, "..")
	if !row {
		last = first
	}
	from, err1 := time.ParseInLocation(time.DateOnly, first, Zone)
	to, err2 := time.ParseInLocation(time.DateOnly, last, Zone)
	switch {
	case err1 != nil || err2 != nil:
		return fmt.Sprintf("does not begin with a day or row of days such as 2026-09-02 or 2026-02-16..2026-02-20: %q", when)
	case to.Before(from) || to.Sub(from) > maxHolidayRow*24*time.Hour:
		return fmt.Sprintf("has a row of days that ends before it begins, or is longer than %d days: %q", maxHolidayRow, when)
	}
	for d := from; !d.After(to); d = d.AddDate(0, 0, 1) {
		if old, twice := h[DateOf(d)]; twice && old != special {
			return fmt.Sprintf("gives %s another meaning than a line above", DateOf(d))
		}
		h[DateOf(d)] = special
	}
	return ""
}

// Add takes the days of another file over; it says which day both name
// differently, if any.
func (h Holidays) Add(more Holidays) (conflict Date, ok bool) {
	for d, s := range more {
		if old, twice := h[d]; twice && old.Work != s.Work {
			return d, false
		}
		h[d] = s
	}
	return Date{}, true
}

// Knows reports whether there is any day of that year.
func (h Holidays) Knows(year int) bool {
	for d := range h {
		if d.Year == year {
			return true
		}
	}
	return false
}
