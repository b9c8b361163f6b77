package imapd

import (
	"strings"
	"time"
)

// Layouts of RFC 9051, section 9 (date, date-time).
const (
	dateLayout     = "2-Jan-2006"
	dateTimeLayout = "_2-Jan-2006 15:04:05 -0700"
)

// parseDate reads a date without quotes, such as 1-Feb-1994, as midnight UTC.
func parseDate(s string) (time.Time, bool) {
	if len(s) != 10 && len(s) != 11 {
		return time.Time{}, false
	}
	t, err := time.Parse(dateLayout, s)
	return t, err == nil
}

// parseDateTime reads a date-time without its quotes, such as " 7-Feb-1994 21:52:25 -0800".
func parseDateTime(s string) (time.Time, bool) {
	if len(s) != len(dateTimeLayout) { // both have fixed length: the day is padded
		return time.Time{}, false
	}
	t, err := time.Parse("2-Jan-2006 15:04:05 -0700", strings.TrimPrefix(s, " "))
	if err != nil || t.Year() < 1 {
		return time.Time{}, false
	}
	return t, true
}

// appendDateTime writes a quoted date-time in zone.
func appendDateTime(dst []byte, t time.Time, zone *time.Location) []byte {
	dst = append(dst, '"')
	dst = t.In(zone).AppendFormat(dst, dateTimeLayout)
	return append(dst, '"')
}
