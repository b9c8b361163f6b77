package config

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"vanthu/internal/worktime"
)

// digestOff is documents.digest when nobody gets a mail in the morning.
const digestOff = "off"

// Calendar gives the working time of the configuration. After [Load] it fails
// only when a file of holidays has changed since.
func (d Documents) Calendar() (*worktime.Calendar, error) {
	week, err := worktime.ParseWeek(d.Hours)
	if err != nil {
		return nil, err
	}
	days := worktime.Holidays{}
	for _, file := range d.Holidays {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		more, wrong := worktime.ParseHolidays(text)
		if len(wrong) > 0 {
			return nil, fmt.Errorf("%s: %w", file, wrong[0])
		}
		if day, ok := days.Add(more); !ok {
			return nil, fmt.Errorf("%s gives %s another meaning than a file named before it", file, day)
		}
	}
	return worktime.New(week, days), nil
}

// DigestAt gives the time of day of the mail of the morning, false for none.
func (d Documents) DigestAt() (clock time.Duration, ok bool) {
	if d.Digest == digestOff {
		return 0, false
	}
	return worktime.ParseClock(d.Digest)
}

// The meanings of a unit's silence, see [Documents].
const (
	silenceNone  = "khong_tra_loi"
	silenceAgree = "coi_nhu_dong_y"
)

func (c *Config) validateWorktime(report report) {
	d := c.Documents
	if d.ConsultSilence != silenceNone && d.ConsultSilence != silenceAgree {
		report("documents.consult_silence", fmt.Sprintf("%q is no meaning of silence", d.ConsultSilence), `write "`+silenceNone+`" or "`+silenceAgree+`"`)
	}
	if _, err := worktime.ParseWeek(d.Hours); err != nil {
		report("documents.hours", err.Error(), "")
	}
	if _, ok := d.DigestAt(); !ok && d.Digest != digestOff {
		report("documents.digest", fmt.Sprintf("%q is no time of day", d.Digest), `write "07:30", or "off"`)
	}
	days := worktime.Holidays{}
	for _, file := range d.Holidays {
		text, err := os.ReadFile(file)
		if err != nil {
			report("documents.holidays", file+" cannot be read: "+reason(err), `"vanthu init --holidays" prints a file to begin with`)
			continue
		}
		more, wrong := worktime.ParseHolidays(text)
		for _, w := range wrong {
			report("documents.holidays", filepath.Base(file)+": "+w.Error(), "")
		}
		if day, ok := days.Add(more); !ok {
			report("documents.holidays", fmt.Sprintf("%s gives %s another meaning than a file named before it", filepath.Base(file), day), "")
		}
	}
	const most = 30 * 24 * time.Hour
	for _, x := range []struct {
		path string
		got  Duration
		more time.Duration // it must be longer than this
	}{
		{"documents.urgent_limit", d.UrgentLimit, 0},
		{"documents.news_warning", d.NewsWarning, 0},
		{"documents.news_expiry", d.NewsExpiry, d.NewsWarning.Std()},
		{"documents.urgent_news_warning", d.UrgentNewsWarning, 0},
		{"documents.urgent_news_expiry", d.UrgentNewsExpiry, d.UrgentNewsWarning.Std()},
	} {
		if got := x.got.Std(); got <= x.more || got > most {
			report(x.path, fmt.Sprintf("%s is not more than %s and at most %s", x.got, Duration(x.more), Duration(most)), "")
		}
	}
}
