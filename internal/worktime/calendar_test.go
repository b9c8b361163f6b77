package worktime

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// at reads a local time.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04", text, Zone)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// years is a file of test data: where the days lie is what matters.
const years = `
2026-01-01              nghỉ    Tết Dương lịch
2026-02-16..2026-02-20  nghỉ    Tết Nguyên đán
2026-08-22              làm bù  cho 31/8
2026-08-31..2026-09-02  nghỉ    Quốc khánh
2027-01-01              nghỉ    Tết Dương lịch
`

func calendar(t *testing.T, hours ...string) *Calendar {
	t.Helper()
	h, wrong := ParseHolidays([]byte(years))
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	var w Week
	if len(hours) > 0 {
		var err error
		if w, err = ParseWeek(hours); err != nil {
			t.Fatal(err)
		}
	}
	return New(w, h)
}

func TestCalendar(t *testing.T) {
	office := calendar(t)
	saturdays := calendar(t, "mon-fri 07:30-11:30 13:30-17:00", "sat 07:30-11:30")
	for _, tt := range []struct {
		name string
		got  time.Time
		want string
	}{
		{"hours within a morning", office.Add(at(t, "2026-11-24 08:00"), time.Hour), "2026-11-24 09:00"},
		{"hours over noon", office.Add(at(t, "2026-11-24 11:00"), time.Hour), "2026-11-24 14:00"},
		{"hours over a night", office.Add(at(t, "2026-11-24 16:30"), time.Hour), "2026-11-25 08:00"},
		{"hours over a weekend", office.Add(at(t, "2026-11-27 16:00"), 2*time.Hour), "2026-11-30 08:30"},
		{"hours from a Saturday", office.Add(at(t, "2026-11-28 09:00"), 4*time.Hour), "2026-11-30 11:30"},
		{"hours on a Saturday of a commune", saturdays.Add(at(t, "2026-11-28 09:00"), 4*time.Hour), "2026-11-30 09:00"},
		{"24 hours", office.Add(at(t, "2026-11-24 07:30"), 24*time.Hour), "2026-11-27 09:00"},
		{"hours over Tết", office.Add(at(t, "2026-02-13 16:00"), 2*time.Hour), "2026-02-23 08:30"},
		{"no time at night is the next morning", office.Add(at(t, "2026-11-24 20:00"), 0), "2026-11-25 07:30"},

		{"a day", office.AddDays(at(t, "2026-11-24 09:00"), 1), "2026-11-25 17:00"},
		{"seven days", office.AddDays(at(t, "2026-11-24 09:00"), 7), "2026-12-03 17:00"},
		{"a day from Friday night", office.AddDays(at(t, "2026-11-27 20:00"), 1), "2026-11-30 17:00"},
		{"a day from Saturday", office.AddDays(at(t, "2026-11-28 10:00"), 1), "2026-11-30 17:00"},
		{"a day of a commune from Friday", saturdays.AddDays(at(t, "2026-11-27 10:00"), 1), "2026-11-28 11:30"},
		{"days over Tết", office.AddDays(at(t, "2026-02-12 09:00"), 3), "2026-02-24 17:00"},
		{"days over the turn of the year", office.AddDays(at(t, "2026-12-31 09:00"), 1), "2027-01-04 17:00"},
		{"made up on Saturday", office.AddDays(at(t, "2026-08-21 09:00"), 1), "2026-08-22 17:00"},
		{"the Monday for which it was made up", office.AddDays(at(t, "2026-08-28 09:00"), 1), "2026-09-03 17:00"},

		{"end of the day", office.DayEnd(at(t, "2026-11-24 09:00")), "2026-11-24 17:00"},
		{"end of the day after work", office.DayEnd(at(t, "2026-11-24 17:00")), "2026-11-25 17:00"},
		{"end of the day on Sunday", office.DayEnd(at(t, "2026-11-29 09:00")), "2026-11-30 17:00"},
		{"end of a commune's Saturday", saturdays.DayEnd(at(t, "2026-11-28 09:00")), "2026-11-28 11:30"},
		{"morning of the next day", office.NextMorningEnd(at(t, "2026-11-24 16:00")), "2026-11-25 11:30"},
		{"morning after Tết", office.NextMorningEnd(at(t, "2026-02-14 16:00")), "2026-02-23 11:30"},
		{"register by, Friday 20:00", office.RegisterBy(at(t, "2026-11-27 20:00")), "2026-11-30 17:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if want := at(t, tt.want); !tt.got.Equal(want) {
				t.Errorf("%s, want %s", tt.got, want)
			}
		})
	}
}

func TestWorking(t *testing.T) {
	office, saturdays := calendar(t), calendar(t, "mon-fri 07:30-11:30 13:30-17:00", "sat 07:30-11:30")
	for _, tt := range []struct {
		name          string
		at            string
		office, other bool // within working hours
	}{
		{"morning", "2026-11-24 07:30", true, true},
		{"before", "2026-11-24 07:29", false, false},
		{"noon", "2026-11-24 12:00", false, false},
		{"end", "2026-11-24 17:00", false, false},
		{"Saturday morning", "2026-11-28 08:00", false, true},
		{"Tết", "2026-02-17 08:00", false, false},
		{"made up", "2026-08-22 16:00", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := office.IsWorking(at(t, tt.at)); got != tt.office {
				t.Errorf("office %t, want %t", got, tt.office)
			}
			if got := saturdays.IsWorking(at(t, tt.at)); got != tt.other {
				t.Errorf("with Saturdays %t, want %t", got, tt.other)
			}
		})
	}
}

func TestBetween(t *testing.T) {
	c := calendar(t)
	for _, tt := range []struct {
		name     string
		from, to string
		work     time.Duration
		days     int
		soon     bool
	}{
		{"same morning", "2026-11-24 08:00", "2026-11-24 09:00", time.Hour, 0, true},
		{"a whole day", "2026-11-24 00:00", "2026-11-25 00:00", 7*time.Hour + 30*time.Minute, 1, true},
		{"next day, late", "2026-11-24 08:00", "2026-11-25 23:59", 14*time.Hour + 30*time.Minute, 1, true},
		{"two days", "2026-11-24 08:00", "2026-11-26 17:00", 22 * time.Hour, 2, false},
		{"over a weekend", "2026-11-27 16:00", "2026-11-30 08:00", 90 * time.Minute, 1, true},
		{"to a Sunday", "2026-11-27 16:00", "2026-11-29 08:00", time.Hour, 0, true},
		{"over Tết", "2026-02-13 16:00", "2026-02-23 08:30", 2 * time.Hour, 1, true},
		{"backwards", "2026-11-24 09:00", "2026-11-24 08:00", 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from, to := at(t, tt.from), at(t, tt.to)
			if got := c.Between(from, to); got != tt.work {
				t.Errorf("working time %v, want %v", got, tt.work)
			}
			if got := c.DaysUntil(from, to); got != tt.days {
				t.Errorf("%d days, want %d", got, tt.days)
			}
			if got := !from.Before(c.SoonFrom(to)); got != tt.soon && !to.Before(from) {
				t.Errorf("soon from %v, want soon %t", c.SoonFrom(to), tt.soon)
			}
			if got := c.Soon(from, to); got != tt.soon {
				t.Errorf("soon %t, want %t", got, tt.soon)
			}
		})
	}
}

// What Add adds is what Between finds.
func TestAddAgreesWithBetween(t *testing.T) {
	c := calendar(t)
	from := at(t, "2026-02-10 03:17")
	for work := time.Minute; work < 400*time.Hour; work += 97 * time.Minute {
		if got := c.Between(from, c.Add(from, work)); got != work {
			t.Fatalf("%v of work end at %v, where there are %v", work, c.Add(from, work), got)
		}
	}
}

func TestParseWeek(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string // nil: refused
	}{
		{"office", []string{"mon-fri 07:30-11:30 13:30-17:00"}, []string{"mon-fri 07:30-11:30 13:30-17:00"}},
		{"with Saturday", []string{"MON-FRI 07:30-11:30 13:30-17:00", "sat  07:30-11:30"}, []string{"mon-fri 07:30-11:30 13:30-17:00", "sat 07:30-11:30"}},
		{"night", []string{"sun 00:00-24:00"}, []string{"sun 00:00-24:00"}},
		{"over Sunday", []string{"sat-mon 08:00-12:00"}, []string{"mon 08:00-12:00", "sat-sun 08:00-12:00"}},
		{"nothing", nil, nil},
		{"no hours", []string{"mon"}, nil},
		{"no day", []string{"t2 07:30-11:30"}, nil},
		{"backwards", []string{"mon 11:30-07:30"}, nil},
		{"overlapping", []string{"mon 07:30-11:30 11:00-12:00"}, nil},
		{"twice", []string{"mon-fri 07:30-11:30", "fri 13:30-17:00"}, nil},
		{"no clock", []string{"mon 7h30-11h30"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := ParseWeek(tt.lines)
			if (err == nil) != (tt.want != nil) || err == nil && !slices.Equal(w.Lines(), tt.want) {
				t.Errorf("%q, %v; want %q", w.Lines(), err, tt.want)
			}
		})
	}
	if got, want := Office().Lines(), "mon-fri 07:30-11:30 13:30-17:00"; len(got) != 1 || got[0] != want {
		t.Errorf("office %q, want %q", got, want)
	}
}

func TestParseHolidays(t *testing.T) {
	h, wrong := ParseHolidays(Sample())
	if len(wrong) > 0 || len(h) != 8 || !h.Knows(2026) || !h.Knows(2027) || h.Knows(2028) {
		t.Errorf("sample: %d days, %v", len(h), wrong)
	}
	for _, tt := range []struct {
		name, text string
		days       int
		lines      []int // that are wrong
	}{
		{"remarks", "\ufeff# năm 2026\n\n2026-09-02\tnghỉ\tQuốc khánh # thứ Tư\r\n", 1, nil},
		{"row", "2026-02-16..2026-02-20 nghỉ Tết", 5, nil},
		{"English", "2026-08-22 work\n2026-09-02 off", 2, nil},
		{"same twice", "2026-09-02 nghỉ x\n2026-09-02 nghỉ x", 1, nil},
		{"no day", "02/09/2026 nghỉ\n2026-02-30 nghỉ\n2026-09-02 nghỉ", 1, []int{1, 2}},
		{"no meaning", "2026-09-02 Quốc khánh\n2026-09-02", 0, []int{1, 2}},
		{"contradiction", "2026-09-02 nghỉ\n2026-09-02 làm bù", 1, []int{2}},
		{"long row", "2026-01-01..2026-12-31 nghỉ\n2026-02-20..2026-02-16 nghỉ", 0, []int{1, 2}},
		{"not UTF-8", "2026-09-02 nghỉ \xff", 0, []int{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, wrong := ParseHolidays([]byte(tt.text))
			var lines []int
			for _, w := range wrong {
				lines = append(lines, w.Line)
			}
			if len(h) != tt.days || !slices.Equal(lines, tt.lines) {
				t.Errorf("%d days, wrong %v; want %d, %v", len(h), wrong, tt.days, tt.lines)
			}
		})
	}
}

func FuzzParseHolidays(f *testing.F) {
	f.Add(years)
	f.Add("2026-09-02 nghỉ")
	f.Fuzz(func(t *testing.T, text string) {
		h, _ := ParseHolidays([]byte(text))
		if len(h) > maxHolidayRow*(1+strings.Count(text, "\n"))+1+strings.Count(text, "\n") {
			t.Errorf("%d days", len(h))
		}
		c := New(Week{}, h)
		from := time.Date(2026, 2, 13, 9, 0, 0, 0, Zone)
		if got := c.AddDays(from, 3); !got.After(from) {
			t.Errorf("three days after %v is %v", from, got)
		}
	})
}
