package query

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"vanthu/internal/edoc"
	"vanthu/internal/mail"
)

// A key is a field name that can be typed.
type key struct {
	names []string // folded; the first two are shown: Vietnamese and English
	scope Scope    // of a text field
	field Field    // of a condition, 0 for a text field
	read  func(f Field, value string, now time.Time) (*Cond, problem)
}

// problem says what is wrong with a value, in Vietnamese and English; the zero
// one says nothing is.
type problem struct{ vi, en string }

func (p problem) is() bool { return p != problem{} }

// keys is the table of all fields.
func keys() []key {
	return []key{
		{names: []string{"so", "number"}, field: FieldNumber, read: readNumber},
		{names: []string{"kyhieu", "symbol", "sokyhieu", "code"}, scope: ScopeCode},
		{names: []string{"nam", "year"}, field: FieldYear, read: readNumber},
		{names: []string{"cq", "issuer", "coquan", "from", "tacgia"}, field: FieldIssuer, read: readName},
		{names: []string{"loai", "type", "tenloai"}, scope: ScopeType},
		{names: []string{"trichyeu", "abstract", "subject", "ve"}, scope: ScopeAbstract},
		{names: []string{"nguoiky", "signer", "ky"}, scope: ScopeSigner},
		{names: []string{"file", "tep", "filename"}, scope: ScopeFile},
		{names: []string{"noidung", "content", "text"}, scope: ScopeContent},
		{names: []string{"ngay", "date", "issued"}, field: FieldIssued, read: readDate},
		{names: []string{"nhan", "accepted", "ngaynhan"}, field: FieldAccepted, read: readDate},
		{names: []string{"khan", "urgency", "dokhan"}, field: FieldUrgency, read: readUrgency},
		{names: []string{"den", "to", "noinhan"}, field: FieldTo, read: readName},
		{names: []string{"trangthai", "state", "status"}, field: FieldState, read: readState},
		{names: []string{"soden", "arrival"}, field: FieldArrival, read: readNumber},
		{names: []string{"ngayden", "arrived"}, field: FieldArrived, read: readDate},
		{names: []string{"han", "due"}, field: FieldDue, read: readDate},
		{names: []string{"vaitro", "kind"}, field: FieldKind, read: readKind},
	}
}

// findKey finds a field by one of its names.
func findKey(name string) (key, bool) {
	name = mail.Fold(name)
	for _, k := range keys() {
		if slices.Contains(k.names, name) {
			return k, true
		}
	}
	return key{}, false
}

// Names lists the fields as they can be typed, the Vietnamese ones first.
func Names() []string {
	var vi, en []string
	for _, k := range keys() {
		vi = append(vi, k.names[0])
		if k.names[1] != k.names[0] {
			en = append(en, k.names[1])
		}
	}
	return append(vi, en...)
}

func readName(f Field, value string, _ time.Time) (*Cond, problem) {
	if strings.TrimSpace(value) == "" {
		return nil, problem{"thiếu tên đơn vị", "the name of a unit is missing"}
	}
	return &Cond{Field: f, Name: strings.TrimSpace(value)}, problem{}
}

// split parts a range into its ends: "a..b", ">=a", ">a", "<=b", "<b", "a".
// above and below say that an end itself does not belong to it.
func split(value string) (from, to string, above, below bool) {
	if a, b, ok := strings.Cut(value, ".."); ok {
		return strings.TrimSpace(a), strings.TrimSpace(b), false, false
	}
	for _, op := range []string{">=", "<=", ">", "<", "="} {
		rest, ok := strings.CutPrefix(value, op)
		if !ok {
			continue
		}
		rest = strings.TrimSpace(rest)
		switch op {
		case ">=", ">":
			return rest, "", op == ">", false
		case "<=", "<":
			return "", rest, false, op == "<"
		}
		return rest, rest, false, false
	}
	return value, value, false, false
}

const maxNumber = 1 << 40

func readNumber(f Field, value string, _ time.Time) (*Cond, problem) {
	bad := problem{"phải là số, ví dụ 12, 12..20, >=12", "must be a number, such as 12, 12..20, >=12"}
	return readInt(f, value, bad, func(s string) (int64, bool) {
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil && n >= 0 && n < maxNumber
	})
}

// readInt reads a number or a range of numbers.
func readInt(f Field, value string, bad problem, one func(string) (int64, bool)) (*Cond, problem) {
	from, to, above, below := split(value)
	if from == "" && to == "" {
		return nil, bad
	}
	c := &Cond{Field: f, From: 0, To: maxNumber}
	var ok bool
	if from != "" {
		if c.From, ok = one(from); !ok {
			return nil, bad
		}
		if above {
			c.From++
		}
	}
	if to != "" {
		if c.To, ok = one(to); !ok {
			return nil, bad
		}
		if below {
			c.To--
		}
	}
	return c, problem{}
}

func readUrgency(f Field, value string, _ time.Time) (*Cond, problem) {
	bad := problem{
		"phải là 0–4 hoặc thường, khẩn, thượng khẩn, hỏa tốc, hỏa tốc hẹn giờ",
		"must be 0–4 or normal, urgent, “very urgent”, flash, “flash at a fixed time”",
	}
	return readInt(f, value, bad, func(s string) (int64, bool) {
		for u := edoc.UrgencyNormal; u.Valid(); u++ {
			if s == strconv.Itoa(int(u)) || squeeze(s) == squeeze(u.Name()) || squeeze(s) == squeeze(u.NameEN()) {
				return int64(u), true
			}
		}
		return 0, false
	})
}

// squeeze folds and leaves out all but letters and digits: "Đã vào sổ" and
// "davaoso" are one name.
func squeeze(s string) string { return strings.Join(Words(s), "") }

// states is how each state of a dispatch can be typed besides its own name.
func states() [][]string {
	return [][]string{
		{"queued", "chogui"},
		{"sent", "dagui"},
		{"arrived", "chotiepnhan", "daden", "01"},
		{"registered", "davaoso", "datiepnhan", "03"},
		{"assigned", "daphancong", "phancong", "04"},
		{"processing", "dangxuly", "05"},
		{"completed", "hoanthanh", "06"},
		{"refused", "tuchoi", "tuchoitiepnhan", "02"},
		{"recalled", "dathuhoi", "thuhoi", "15"},
		{"failed", "khongchuyenduoc"},
		{"expired", "hethanchuyen"},
		{"withdrawn", "darutlai"},
		{"quarantined", "tamgiu"},
	}
}

func readState(f Field, value string, _ time.Time) (*Cond, problem) {
	want := squeeze(value)
	var names []string
	for _, s := range states() {
		if slices.Contains(s, want) {
			return &Cond{Field: f, Name: s[0]}, problem{}
		}
		names = append(names, s[0]+" ("+s[1]+")")
	}
	list := strings.Join(names, ", ")
	return nil, problem{"phải là một trong: " + list, "must be one of: " + list}
}

func readKind(f Field, value string, _ time.Time) (*Cond, problem) {
	switch squeeze(value) {
	case "chinh", "main":
		return &Cond{Field: f, Name: "chinh"}, problem{}
	case "debiet", "info":
		return &Cond{Field: f, Name: "de_biet"}, problem{}
	}
	return nil, problem{"phải là chính hoặc để biết", "must be main or info"}
}

// readDate reads a day, month, year or a range of them by Vietnam local date.
func readDate(f Field, value string, now time.Time) (*Cond, problem) {
	bad := problem{
		"phải là ngày, tháng, năm hoặc khoảng, ví dụ 2026-01-31, 31/01/2026, 2026-01..2026-06, >=2026, homnay",
		"must be a day, month, year or range, such as 2026-01-31, 31/01/2026, 2026-01..2026-06, >=2026, today",
	}
	from, to, above, below := split(value)
	if from == "" && to == "" {
		return nil, bad
	}
	c := &Cond{Field: f}
	if from != "" {
		begin, end, ok := period(from, now)
		if !ok {
			return nil, bad
		}
		if c.Begin = begin; above {
			c.Begin = end
		}
	}
	if to != "" {
		begin, end, ok := period(to, now)
		if !ok {
			return nil, bad
		}
		if c.End = end; below {
			c.End = begin
		}
	}
	return c, problem{}
}

// period gives the begin of a day, month or year, and of what follows it.
func period(s string, now time.Time) (begin, end time.Time, ok bool) {
	y, m, d := now.In(vietnam).Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, vietnam)
	switch squeeze(s) {
	case "homnay", "today":
		return today, today.AddDate(0, 0, 1), true
	case "homqua", "yesterday":
		return today.AddDate(0, 0, -1), today, true
	case "ngaymai", "tomorrow":
		return today.AddDate(0, 0, 1), today.AddDate(0, 0, 2), true
	}
	for _, layout := range []string{"2006-1-2", "2/1/2006"} {
		if t, err := time.ParseInLocation(layout, s, vietnam); err == nil {
			return t, t.AddDate(0, 0, 1), sensible(t)
		}
	}
	for _, layout := range []string{"2006-1", "1/2006"} {
		if t, err := time.ParseInLocation(layout, s, vietnam); err == nil {
			return t, t.AddDate(0, 1, 0), sensible(t)
		}
	}
	if t, err := time.ParseInLocation("2006", s, vietnam); err == nil {
		return t, t.AddDate(1, 0, 0), sensible(t)
	}
	return time.Time{}, time.Time{}, false
}

// sensible keeps times within what the database can hold.
func sensible(t time.Time) bool { return t.Year() >= 1900 && t.Year() < 3000 }
