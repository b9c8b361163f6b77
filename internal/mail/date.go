package mail

import (
	"strings"
	"time"
)

// ParseDate reads the date of RFC 5322, section 3.3 with the obsolete forms and
// what mailers make of them: no day name, two-digit years, no seconds, zone
// names, comments. ok is false when there is no date to be had.
func ParseDate(s string) (t time.Time, ok bool) {
	if len(s) > 256 {
		s = s[:256]
	}
	if i := strings.IndexByte(s, ','); i >= 0 && i < 16 {
		s = s[i+1:]
	}
	s, _, _ = strings.Cut(s, "(")
	f := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '-' })
	zoneSign := strings.LastIndexAny(s, "+-")
	if len(f) > 0 && !startsDigit(f[0]) {
		f = f[1:] // "Mon 2 Jan"
	}
	if len(f) < 4 {
		return time.Time{}, false
	}
	if monthNumber(f[1]) == 0 {
		return time.Time{}, false
	}
	day, dayOK := number(f[0], 2)
	month := monthNumber(f[1])
	year, yearOK := number(f[2], 4)
	if !dayOK || month == 0 || !yearOK || day < 1 || day > 31 {
		return time.Time{}, false
	}
	switch {
	case len(f[2]) <= 2 && year < 50:
		year += 2000
	case len(f[2]) <= 3:
		year += 1900
	}
	hour, minute, second, clockOK := clock(f[3])
	if !clockOK {
		return time.Time{}, false
	}
	offset := 0
	if len(f) > 4 {
		offset = zone(f[4], zoneSign >= 0 && s[zoneSign] == '-')
	}
	t = time.Date(year, month, day, hour, minute, second, 0, time.FixedZone("", offset))
	return t, t.Day() == day
}

func startsDigit(s string) bool { return s != "" && '0' <= s[0] && s[0] <= '9' }

// number reads up to most digits that are all of s.
func number(s string, most int) (int, bool) {
	if s == "" || len(s) > most {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

func monthNumber(s string) time.Month {
	if len(s) < 3 {
		return 0
	}
	i := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(s[:3]))
	if i < 0 || i%3 != 0 {
		return 0
	}
	return time.Month(i/3 + 1)
}

func clock(s string) (h, m, sec int, ok bool) {
	hs, rest, found := strings.Cut(s, ":")
	ms, ss, seconds := strings.Cut(rest, ":")
	h, hOK := number(hs, 2)
	m, mOK := number(ms, 2)
	ok = found && hOK && mOK
	if seconds {
		ss, _, _ = strings.Cut(ss, ".")
		var sOK bool
		sec, sOK = number(ss, 2)
		ok = ok && sOK
	}
	return h, m, min(sec, 59), ok && h < 24 && m < 60 && sec < 61
}

// zone gives the offset in seconds east of UTC; names but the North American
// ones of RFC 5322, section 4.3 mean UTC.
func zone(s string, minus bool) int {
	digits := strings.TrimLeft(s, "+")
	if n, ok := number(digits, 4); ok && len(digits) == 4 {
		if n/100 > 14 || n%100 > 59 {
			return 0
		}
		off := (n/100*60 + n%100) * 60
		if minus {
			return -off
		}
		return off
	}
	hours := 0
	switch strings.ToUpper(s) {
	case "EST", "CDT":
		hours = -5
	case "EDT":
		hours = -4
	case "CST", "MDT":
		hours = -6
	case "MST", "PDT":
		hours = -7
	case "PST":
		hours = -8
	case "ICT":
		hours = 7
	}
	return hours * 3600
}
