package worktime

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Span is a part of a day, counted from midnight.
type Span struct{ Begin, End time.Duration }

// Week holds the working hours of each day, by time.Weekday.
type Week [7][]Span

// Office is the usual week: Monday to Friday, 07:30–11:30 and 13:30–17:00.
func Office() (w Week) {
	for d := time.Monday; d <= time.Friday; d++ {
		w[d] = []Span{{7*time.Hour + 30*time.Minute, 11*time.Hour + 30*time.Minute}, {13*time.Hour + 30*time.Minute, 17 * time.Hour}}
	}
	return w
}

func (w Week) empty() bool {
	return !slices.ContainsFunc(w[:], func(s []Span) bool { return len(s) > 0 })
}

// madeUp gives the hours of a day on which work is made up for: those of the
// first working day of the week.
func (w Week) madeUp() []Span {
	for d := range w {
		if s := w[(d+1)%7]; len(s) > 0 {
			return s
		}
	}
	return nil
}

func dayNames() [7]string { return [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// ParseWeek reads the hours of a week, one group of days a line:
// "mon-fri 07:30-11:30 13:30-17:00", "sat 07:30-11:30". Days that are not named
// are free.
func ParseWeek(lines []string) (w Week, err error) {
	for _, line := range lines {
		words := strings.Fields(strings.ToLower(line))
		if len(words) < 2 {
			return Week{}, errHours(line)
		}
		days, ok := parseDays(words[0])
		if !ok {
			return Week{}, fmt.Errorf("%q: %q is no day or row of days: write mon, tue, wed, thu, fri, sat, sun or mon-fri", line, words[0])
		}
		var spans []Span
		for _, word := range words[1:] {
			s, ok := parseSpan(word)
			if !ok || len(spans) > 0 && s.Begin < spans[len(spans)-1].End {
				return Week{}, errHours(line)
			}
			spans = append(spans, s)
		}
		for _, d := range days {
			if len(w[d]) > 0 {
				return Week{}, fmt.Errorf("%q: the hours of %s are given twice", line, dayNames()[d])
			}
			w[d] = spans
		}
	}
	if w.empty() {
		return Week{}, fmt.Errorf("there are no working hours: write such as %q", "mon-fri 07:30-11:30 13:30-17:00")
	}
	return w, nil
}

func errHours(line string) error {
	return fmt.Errorf("%q: write days and hours such as %q", line, "mon-fri 07:30-11:30 13:30-17:00")
}

func parseDays(word string) (days []time.Weekday, ok bool) {
	names := dayNames()
	first, last, row := strings.Cut(word, "-")
	if !row {
		last = first
	}
	from, to := slices.Index(names[:], first), slices.Index(names[:], last)
	if from < 0 || to < 0 {
		return nil, false
	}
	for d := from; ; d = (d + 1) % 7 {
		days = append(days, time.Weekday(d))
		if d == to {
			return days, true
		}
	}
}

func parseSpan(word string) (s Span, ok bool) {
	begin, end, two := strings.Cut(word, "-")
	b, ok1 := ParseClock(begin)
	e, ok2 := ParseClock(end)
	return Span{b, e}, two && ok1 && ok2 && b < e
}

// ParseClock reads a time of day, "07:30"; 24:00 is the end of the day.
func ParseClock(text string) (clock time.Duration, ok bool) {
	if text == "24:00" {
		return 24 * time.Hour, true
	}
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, false
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, true
}

// Lines writes the week as ParseWeek reads it, Monday first.
func (w Week) Lines() (lines []string) {
	names := dayNames()
	for i := 1; i <= 7; {
		d := i % 7
		last := i
		for last < 7 && slices.Equal(w[(last+1)%7], w[d]) {
			last++
		}
		if len(w[d]) > 0 {
			line := names[d]
			if last > i {
				line += "-" + names[last%7]
			}
			for _, s := range w[d] {
				line += " " + clockText(s.Begin) + "-" + clockText(s.End)
			}
			lines = append(lines, line)
		}
		i = last + 1
	}
	return lines
}

func clockText(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
}
