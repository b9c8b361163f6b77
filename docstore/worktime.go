package docstore

import "time"

// AddWork gives the time when so much working time has passed after from. The
// hours are those of Options; nil means Monday to Friday, 07:30–11:30 and
// 13:30–17:00 Vietnam time, holidays not counted out.
type AddWork func(from time.Time, work time.Duration) time.Time

// addOfficeHours is the AddWork of an office that knows no holidays.
func addOfficeHours(from time.Time, work time.Duration) time.Time {
	spans := [...]struct{ begin, end time.Duration }{
		{7*time.Hour + 30*time.Minute, 11*time.Hour + 30*time.Minute},
		{13*time.Hour + 30*time.Minute, 17 * time.Hour},
	}
	local := from.In(vietnam)
	midnight := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, vietnam)
	for ; ; midnight = midnight.AddDate(0, 0, 1) {
		if d := midnight.Weekday(); d == time.Saturday || d == time.Sunday {
			continue
		}
		for _, s := range spans {
			begin, end := midnight.Add(s.begin), midnight.Add(s.end)
			if begin.Before(local) {
				begin = local
			}
			have := end.Sub(begin)
			switch {
			case have <= 0:
			case have >= work:
				return begin.Add(work).UTC()
			default:
				work -= have
			}
		}
	}
}
