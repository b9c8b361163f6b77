package edoc

import (
	"regexp"
	"strconv"
	"time"
)

// A day without an hour is due at its end: the whole day is within the limit.
const (
	dueHour   = 23
	dueMinute = 59
	dueSecond = 59
)

// maxDueBytes bounds the text in which a due date is looked for.
const maxDueBytes = 64 << 10

const dueCore = `(?:([0-9]{1,2})\s*(?:gio|h|:)\s*([0-9]{2})?\s*(?:phut)?,?\s*)?(?:ngay\s*)?` +
	`([0-9]{1,2})\s*[/.-]\s*([0-9]{1,2})\s*[/.-]\s*(20[0-9]{2})(?:[^0-9]|$)`

// All run on folded text, where \b, which knows only ASCII, is right.
var (
	reDue     = regexp.MustCompile(`\b(?:truoc|han|cham nhat)\b[^0-9\n]{0,30}?` + dueCore)
	reDueTag  = regexp.MustCompile(`^han\s*:?\s*` + dueCore)
	reDueOnly = regexp.MustCompile(`^` + dueCore)
)

// ParseDue finds the first due date in free text: "trước 15 giờ 00 ngày
// 25/11/2026", "hạn 17h00 01-12-2026", "chậm nhất ngày 5/3/2026". The time is
// Vietnam's; without an hour the last second of the day is meant.
func ParseDue(text string) (time.Time, bool) {
	if len(text) > maxDueBytes {
		text = text[:maxDueBytes]
	}
	return dueMatch(reDue, Fold(clean(text)))
}

// dueMatch gives the time of the match of re, a pattern that ends in dueCore,
// in folded text.
func dueMatch(re *regexp.Regexp, folded string) (time.Time, bool) {
	m := re.FindStringSubmatch(folded)
	if m == nil {
		return time.Time{}, false
	}
	hour, minute, second := dueHour, dueMinute, dueSecond
	if m[1] != "" {
		hour, _ = strconv.Atoi(m[1]) // digits by the pattern, as below
		minute, _ = strconv.Atoi("0" + m[2])
		second = 0
	}
	day, _ := strconv.Atoi(m[3])
	month, _ := strconv.Atoi(m[4])
	year, _ := strconv.Atoi(m[5])
	if hour > 23 || minute > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, vietnam)
	if t.Day() != day || int(t.Month()) != month {
		return time.Time{}, false // 31/02, 5/13
	}
	return t, true
}
