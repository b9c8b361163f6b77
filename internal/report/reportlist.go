package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
)

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// followUp is the book with seven columns of NĐ 30/2020/NĐ-CP, Phụ lục IV.
func (m *maker) followUp() error {
	m.sheet.Columns = []Column{
		{"so_den", "Số đến", KindNumber, 14}, {"van_ban", "Tên loại, số và ký hiệu, ngày tháng và tác giả văn bản", KindText, 80},
		{"don_vi_hoac_nguoi_nhan", "Đơn vị hoặc người nhận", KindText, 50}, {"thoi_han", "Thời hạn giải quyết", KindDate, 22},
		{"tien_do", "Tiến độ giải quyết", KindText, 45}, {"tra_loi", "Số, ký hiệu văn bản trả lời", KindText, 36}, {"ghi_chu", "Ghi chú", KindText, 40},
	}
	replies, err := docstore.Replies(m.ctx, m.r, m.p.AsOf)
	if err != nil {
		return err
	}
	var rows []followed
	err = m.dispatches(false, func(f followed) {
		if !f.Standing.Registered.IsZero() {
			rows = append(rows, f)
		}
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(rows, func(a, b followed) int {
		return cmp.Or(cmp.Compare(a.Dispatch.ArrivalYear, b.Dispatch.ArrivalYear), cmp.Compare(a.Dispatch.ArrivalNumber, b.Dispatch.ArrivalNumber))
	})
	for _, f := range rows {
		people, err := m.people(f)
		if err != nil {
			return err
		}
		d := f.Document
		what := cmp.Or(d.Type.Name, "Công văn") + prefixed(" số ", d.Code) + prefixed(", ngày ", date(localDay(d.Issued))) + prefixed(", ", d.IssuerName)
		remark := ""
		if f.late(m.p.AsOf) {
			remark = "Quá hạn"
			if f.State == docstore.StateCompleted {
				remark = "Trễ hạn"
			}
		}
		progress := f.State.Name()
		if f.State == docstore.StateCompleted {
			progress += " ngày " + date(localDay(f.Standing.Completed))
		}
		m.sheet.Rows = append(m.sheet.Rows, Line{Cells: []string{
			strconv.Itoa(f.Dispatch.ArrivalNumber), what, people, localDay(f.due()), progress, strings.Join(replies[d.ID], "; "), remark,
		}})
	}
	m.sheet.Notes = []string{fmt.Sprintf("Tổng số: %d văn bản.", len(rows))}
	m.sheet.Footer = strings.Replace(m.sheet.Footer, " – tính", " – "+m.p.Unit.Code+" – tính", 1)
	return nil
}

// people says who has a dispatch: its assignees, the one in charge first, else the unit.
func (m *maker) people(f followed) (string, error) {
	list, err := docstore.Assignees(m.ctx, m.r, f.Dispatch.ID)
	if err != nil {
		return "", err
	}
	var names []string
	for _, a := range list {
		if a.Since.After(m.p.AsOf) {
			continue
		}
		who, _ := m.p.Units.Account(a.Account)
		names = append(names, map[docstore.AssigneeRole]string{
			docstore.RoleLead: "chủ trì: ", docstore.RoleAssist: "phối hợp: ", docstore.RoleNotice: "để biết: ",
		}[a.Role]+cmp.Or(who.Name, who.Login.String()))
	}
	if len(names) == 0 {
		return m.unit(f.Dispatch.To, f.Dispatch.Address), nil
	}
	return strings.Join(names, "; "), nil
}

func (m *maker) times() error {
	m.sheet.Columns = []Column{
		{"unit", "Đơn vị", KindText, 80}, {"registered", "Số văn bản đã vào sổ", KindNumber, 25},
		{"median_register", "Trung vị từ khi đến đến khi vào sổ (giờ:phút)", KindMinutes, 35}, {"slowest_register", "Lâu nhất (giờ:phút)", KindMinutes, 25},
		{"completed", "Số văn bản hoàn thành", KindNumber, 25},
		{"median_complete", "Trung vị từ khi vào sổ đến khi hoàn thành (giờ:phút)", KindMinutes, 35}, {"slowest_complete", "Lâu nhất (giờ:phút)", KindMinutes, 25},
	}
	type lengths struct{ register, complete []time.Duration }
	units := map[string]*lengths{}
	var all lengths
	err := m.dispatches(false, func(f followed) {
		if f.Dispatch.To == 0 || f.Standing.Registered.IsZero() {
			return
		}
		name := m.unit(f.Dispatch.To, f.Dispatch.Address)
		if units[name] == nil {
			units[name] = &lengths{}
		}
		for _, l := range []*lengths{units[name], &all} {
			l.register = append(l.register, f.Standing.Registered.Sub(f.arrived()))
			if !f.Standing.Completed.IsZero() && f.Dispatch.Kind != docstore.KindInfo {
				l.complete = append(l.complete, f.Standing.Completed.Sub(f.Standing.Registered))
			}
		}
	})
	names := make([]string, 0, len(units))
	for name := range units {
		names = append(names, name)
	}
	add := func(name string, l *lengths, strong bool) {
		m.sheet.Rows = append(m.sheet.Rows, Line{Strong: strong, Cells: []string{
			name, strconv.Itoa(len(l.register)), median(l.register), longest(l.register), strconv.Itoa(len(l.complete)), median(l.complete), longest(l.complete),
		}})
	}
	for _, name := range sorted(names) {
		add(name, units[name], false)
	}
	add("Tất cả", &all, true)
	m.sheet.Notes = []string{"Thời gian tính cả ngoài giờ làm việc và ngày nghỉ."}
	return err
}

// median sorts d.
func median(d []time.Duration) string {
	if len(d) == 0 {
		return ""
	}
	slices.Sort(d)
	half := len(d) / 2
	m := d[half]
	if len(d)%2 == 0 {
		m = (d[half-1] + d[half]) / 2
	}
	return strconv.Itoa(int(m / time.Minute))
}

func longest(d []time.Duration) string {
	if len(d) == 0 {
		return ""
	}
	return strconv.Itoa(int(slices.Max(d) / time.Minute))
}

func (m *maker) silent() error {
	m.sheet.Columns = []Column{
		{"unit", "Đơn vị nhận", KindText, 60}, {"code", "Số, ký hiệu", KindText, 36}, {"issuer", "Cơ quan ban hành", KindText, 50},
		{"title", "Trích yếu", KindText, 80}, {"arrived", "Đến lúc", KindTime, 32}, {"days", "Số ngày làm việc đã qua", KindNumber, 22},
	}
	type waiting struct {
		unit string
		at   time.Time
		line Line
	}
	var list []waiting
	units := map[directory.UnitID]bool{}
	err := m.dispatches(false, func(f followed) {
		if f.State != docstore.StateArrived {
			return
		}
		cal := m.p.Time.Of(f.Dispatch.To)
		if !m.p.AsOf.After(cal.RegisterBy(f.arrived())) {
			return
		}
		days := cal.DaysUntil(f.arrived(), m.p.AsOf)
		units[f.Dispatch.To] = true
		name := m.unit(f.Dispatch.To, f.Dispatch.Address)
		list = append(list, waiting{name, f.arrived(), Line{Cells: []string{
			name, f.Document.Code, f.Document.IssuerName, f.Document.Abstract, moment(f.arrived()), strconv.Itoa(days),
		}}})
	})
	slices.SortStableFunc(list, func(a, b waiting) int { return cmp.Or(cmp.Compare(a.unit, b.unit), a.at.Compare(b.at)) })
	for _, w := range list {
		m.sheet.Rows = append(m.sheet.Rows, w.line)
	}
	m.sheet.Notes = []string{fmt.Sprintf("Tổng số: %d văn bản ở %d đơn vị đến quá một ngày làm việc mà chưa vào sổ hoặc từ chối.", len(list), len(units))}
	return err
}

// A pair is a sender and a recipient whose books are compared.
type pair struct{ from, to string }

func (m *maker) crossCheck() error {
	m.sheet.Columns = append([]Column{{"from", "Bên gửi", KindText, 50}, {"to", "Bên nhận", KindText, 50}},
		append(numbers(20, [2]string{"sent", "Bên gửi đã gửi"}, [2]string{"arrived", "Đã đến bên nhận"}, [2]string{"registered", "Bên nhận đã vào sổ"},
			[2]string{"refused", "Từ chối"}, [2]string{"waiting", "Chờ tiếp nhận"}, [2]string{"lost", "Chưa đến, không đến"}, [2]string{"differs", "Sai lệch"}),
			Column{"codes", "Văn bản sai lệch", KindText, 60})...)
	counts, wrong, seen := map[pair][]int{}, map[pair][]string{}, map[docstore.DispatchID]bool{}
	var failed error
	count := func(f followed) {
		if f.State == docstore.StateWithdrawn || failed != nil || seen[f.Dispatch.ID] {
			return
		}
		seen[f.Dispatch.ID] = true
		p := pair{m.unit(f.Document.Issuer, f.Document.IssuerName), m.unit(f.Dispatch.To, f.Dispatch.Address)}
		if counts[p] == nil {
			counts[p] = make([]int, 7)
		}
		n := counts[p]
		n[0]++
		switch f.State {
		case docstore.StateQueued, docstore.StateSent, docstore.StateFailed, docstore.StateExpired:
			n[5]++
		default:
			n[1]++
		}
		switch f.State {
		case docstore.StateRefused:
			n[3]++
		case docstore.StateArrived, docstore.StateQuarantined:
			n[4]++
		}
		if !f.Standing.Registered.IsZero() {
			n[2]++
		}
		differs, err := m.differs(f)
		if failed = err; differs {
			n[6]++
			wrong[p] = append(wrong[p], cmp.Or(f.Document.Code, string(f.Document.ULID)))
		}
	}
	err := m.dispatches(true, count)
	if err == nil && m.p.Unit.ID != 0 { // what others sent to the unit
		err = m.dispatches(false, count)
	}
	if err = cmp.Or(err, failed); err != nil {
		return err
	}
	pairs := make([]pair, 0, len(counts))
	for p := range counts {
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	sum := make([]int, 7)
	add := func(p pair, n []int, codes string, strong bool) {
		l := Line{Cells: []string{p.from, p.to}, Strong: strong}
		for _, v := range n {
			l.Cells = append(l.Cells, strconv.Itoa(v))
		}
		l.Cells = append(l.Cells, codes)
		m.sheet.Rows = append(m.sheet.Rows, l)
	}
	for _, p := range pairs {
		add(p, counts[p], strings.Join(wrong[p], ", "), false)
		for i, v := range counts[p] {
			sum[i] += v
		}
	}
	add(pair{"Tổng cộng", ""}, sum, "", true)
	m.sheet.Notes = []string{
		"Sai lệch: trạng thái mà bên gửi thấy là đã vào sổ nhưng sổ của bên nhận không có dòng còn hiệu lực, hoặc ngược lại.",
	}
	return nil
}

// differs compares what the sender is told of a dispatch with the book of a
// recipient of ours, as both stand now.
func (m *maker) differs(f followed) (bool, error) {
	if f.Dispatch.To == 0 || f.Dispatch.Peer != "" && f.Document.Issuer != 0 {
		return false, nil
	}
	n, err := docstore.ValidEntries(m.ctx, m.r, f.Dispatch.ID)
	if err != nil {
		return false, err
	}
	want := 0
	if f.Dispatch.ArrivalNumber != 0 {
		want = 1
	}
	return n != want, nil
}
