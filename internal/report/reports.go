package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// The reports that [Make] makes. edoc.md §4.14; NĐ 30/2020/NĐ-CP, Phụ lục VI, V.
const (
	HandlingIn  = "handling-in"  // báo cáo tình hình giải quyết văn bản đến
	HandlingOut = "handling-out" // báo cáo tình hình giải quyết văn bản đi
	FollowUp    = "follow-up"    // sổ theo dõi giải quyết văn bản đến
	Times       = "times"        // thời gian tiếp nhận và giải quyết
	Refusals    = "refusals"     // lý do từ chối tiếp nhận
	Silent      = "silent"       // đơn vị chưa tiếp nhận
	CrossCheck  = "cross-check"  // đối chiếu bên gửi, bên nhận
)

// Info tells what a report is.
type Info struct {
	Name  string
	Title fault.Text
	Group bool // may be grouped
	Unit  bool // is of one unit only
}

// Reports returns the reports that [Make] makes.
func Reports() []Info {
	return []Info{
		{HandlingIn, fault.Text{EN: "How incoming documents are dealt with: in time, late, open, overdue", VI: "Báo cáo tình hình giải quyết văn bản đến"}, true, false},
		{HandlingOut, fault.Text{EN: "What became of outgoing documents", VI: "Báo cáo tình hình giải quyết văn bản đi"}, true, false},
		{FollowUp, fault.Text{EN: "Follow-up book of incoming documents, seven columns", VI: "Sổ theo dõi giải quyết văn bản đến"}, false, true},
		{Times, fault.Text{EN: "Median times from arrival to registration and on to completion", VI: "Thời gian tiếp nhận và giải quyết văn bản đến"}, false, false},
		{Refusals, fault.Text{EN: "Reasons of refusals, most frequent first", VI: "Thống kê lý do từ chối tiếp nhận"}, false, false},
		{Silent, fault.Text{EN: "Documents that nobody registered within a working day", VI: "Văn bản chưa tiếp nhận quá một ngày làm việc"}, false, false},
		{CrossCheck, fault.Text{EN: "Senders' and recipients' books side by side", VI: "Đối chiếu bên gửi và bên nhận"}, false, false},
	}
}

// Group says what a line of a report sums up.
type Group string

// The groups.
const (
	ByUnit  Group = "unit"
	ByType  Group = "type"
	ByMonth Group = "month"
)

// Params say what a report is about.
type Params struct {
	Unit   directory.Unit // zero: the whole province
	Parent string         // name of the agency above it
	Units  *directory.Snapshot
	Since  time.Time // documents accepted at this time or later
	Before time.Time // and before this one
	// AsOf is the time at which the documents stand as the report tells. Steps after it do not
	// count, so that the report is the same whenever it is made; due times and people
	// are those of the present.
	AsOf time.Time
	By   Group              // "" is ByUnit
	Time docstore.Calendars // working time of the units
}

// Make makes a report. It returns fault.Invalid for one that there is not, or
// that needs a unit.
func Make(ctx context.Context, r sqldb.Reader, name string, p Params) (Sheet, error) {
	i := slices.IndexFunc(Reports(), func(i Info) bool { return i.Name == name })
	if i < 0 {
		return Sheet{}, fault.Newf(fault.Invalid, "there is no report %q: see vanthu report --help", name)
	}
	info := Reports()[i]
	if info.Unit && p.Unit.ID == 0 {
		return Sheet{}, fault.New(fault.Invalid, fault.Text{
			EN: "this report is of one unit: name it with --unit UNIT", VI: "báo cáo này là của một đơn vị: hãy ghi --unit ĐƠN-VỊ",
		})
	}
	if p.By == "" {
		p.By = ByUnit
	}
	if p.By != ByUnit && !(info.Group && (p.By == ByType || p.By == ByMonth)) {
		return Sheet{}, fault.Newf(fault.Invalid, "%s cannot be grouped by %q", name, string(p.By))
	}
	m := maker{ctx: ctx, r: r, p: p, sheet: p.sheet(info)}
	var err error
	switch name {
	case HandlingIn:
		err = m.handlingIn()
	case HandlingOut:
		err = m.handlingOut()
	case FollowUp:
		err = m.followUp()
	case Times:
		err = m.times()
	case Refusals:
		err = m.refusals()
	case Silent:
		err = m.silent()
	case CrossCheck:
		err = m.crossCheck()
	}
	return m.sheet, err
}

// sheet is the report's heading.
func (p Params) sheet(info Info) Sheet {
	s := Sheet{
		Name: info.Name, Title: strings.ToUpper(info.Title.VI), Parent: p.Parent, Unit: p.Unit.Name, Code: p.Unit.Code, AsOf: p.AsOf,
		Signers: []string{"Người lập", "Thủ trưởng cơ quan"},
	}
	of := p.Unit.Name
	if p.Unit.ID == 0 {
		of = "toàn tỉnh"
		s.Unit, s.Lines = "", []string{"Toàn tỉnh"}
	}
	period := "Văn bản từ " + date(localDay(p.Since)) + " đến hết " + date(localDay(p.Before.Add(-time.Microsecond)))
	s.Lines = append(s.Lines, period)
	s.Footer = info.Title.VI + " – " + of + " – " + date(localDay(p.Since)) + " đến " + date(localDay(p.Before.Add(-time.Microsecond))) +
		" – tính đến " + date(localDay(p.AsOf))
	return s
}

// A maker is a report on its way.
type maker struct {
	ctx   context.Context //nolint:containedctx // lives as long as one call of Make
	r     sqldb.Reader
	p     Params
	sheet Sheet
}

// A dispatch as the reports look at it.
type followed struct {
	docstore.Followed
	docstore.Standing
}

// dispatches calls fn for each dispatch, to the unit of the report or issued by it, that was there at AsOf.
func (m *maker) dispatches(issued bool, fn func(followed)) error {
	f := docstore.FollowFilter{Since: m.p.Since, Before: m.p.Before, To: m.p.Unit.ID}
	if issued {
		f.To, f.Issuer = 0, m.p.Unit.ID
	}
	all, err := docstore.Follow(m.ctx, m.r, f)
	for _, d := range all {
		if s, ok := d.At(m.p.AsOf); ok {
			fn(followed{d, s})
		}
	}
	return err
}

// unit names a unit; the address or name of one outside.
func (m *maker) unit(id directory.UnitID, outside string) string {
	if u, ok := m.p.Units.Unit(id); ok {
		return u.Name
	}
	return outside
}

func (f followed) due() time.Time {
	if f.Dispatch.Due.IsZero() && f.Dispatch.Kind == docstore.KindMain {
		return f.Document.Due
	}
	return f.Dispatch.Due
}

// late reports whether the work ended, or is still not done at a time, after its due time.
func (f followed) late(at time.Time) bool {
	if !f.Completed.IsZero() {
		at = f.Completed
	}
	return !f.due().IsZero() && at.After(f.due())
}

func (f followed) arrived() time.Time {
	if f.Standing.Arrived.IsZero() {
		return f.Document.Created
	}
	return f.Standing.Arrived
}

// group is the line of a report that a dispatch belongs to.
func (m *maker) group(f followed, issued bool) string {
	switch m.p.By {
	case ByType:
		return cmp.Or(f.Document.Type.Name, "Công văn")
	case ByMonth:
		return f.Document.Created.In(vietnam).Format("01/2006")
	case ByUnit:
	}
	if issued {
		return m.unit(f.Document.Issuer, f.Document.IssuerName)
	}
	return m.unit(f.Dispatch.To, f.Dispatch.Address)
}

func (m *maker) groupColumn() Column {
	switch m.p.By {
	case ByType:
		return Column{"type", "Tên loại văn bản", KindText, 50}
	case ByMonth:
		return Column{"month", "Tháng", KindText, 25}
	case ByUnit:
	}
	return Column{"unit", "Đơn vị", KindText, 60}
}

// sortedGroups gives the names of groups: months by time.
func (m *maker) sortedGroups(names []string) []string {
	if m.p.By == ByMonth {
		slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(a[3:], b[3:]), cmp.Compare(a, b)) })
		return names
	}
	return sorted(names)
}

// counts writes a report that counts: a line for each group and their sum.
// rate gives the share of a line from its counts.
func (m *maker) counts(columns []Column, table map[string][]int, rate func(n []int) string) {
	m.sheet.Columns = append([]Column{m.groupColumn()}, columns...)
	sum := make([]int, len(columns)-1)
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	add := func(name string, n []int, strong bool) {
		l := Line{Cells: []string{name}, Strong: strong}
		for _, v := range n {
			l.Cells = append(l.Cells, strconv.Itoa(v))
		}
		l.Cells = append(l.Cells, rate(n))
		m.sheet.Rows = append(m.sheet.Rows, l)
	}
	for _, name := range m.sortedGroups(names) {
		add(name, table[name], false)
		for i, v := range table[name] {
			sum[i] += v
		}
	}
	add("Tổng cộng", sum, true)
}

func numbers(width int, headings ...[2]string) []Column {
	out := make([]Column, len(headings))
	for i, h := range headings {
		out[i] = Column{h[0], h[1], KindNumber, width}
	}
	return out
}

func (m *maker) handlingIn() error {
	columns := append(numbers(22,
		[2]string{"total", "Tổng số văn bản đến"}, [2]string{"information", "Để biết"}, [2]string{"waiting", "Chưa vào sổ"},
		[2]string{"done_in_time", "Đã giải quyết đúng hạn"}, [2]string{"done_late", "Đã giải quyết trễ hạn"},
		[2]string{"open_in_time", "Đang giải quyết, còn hạn"}, [2]string{"open_overdue", "Đang giải quyết, quá hạn"},
		[2]string{"refused", "Từ chối tiếp nhận"}, [2]string{"other", "Đã thu hồi, thay thế, tạm giữ"}), Column{"rate", "Tỷ lệ đúng hạn", KindShare, 20})
	table := map[string][]int{}
	err := m.dispatches(false, func(f followed) {
		if f.Dispatch.To == 0 || f.State == docstore.StateWithdrawn {
			return
		}
		name := m.group(f, false)
		if table[name] == nil {
			table[name] = make([]int, len(columns)-1)
		}
		n := table[name]
		n[0]++
		switch f.State {
		case docstore.StateRefused:
			n[7]++
		case docstore.StateRegistered, docstore.StateAssigned, docstore.StateProcessing, docstore.StateCompleted:
			switch done, late := f.State == docstore.StateCompleted, f.late(m.p.AsOf); {
			case f.Dispatch.Kind == docstore.KindInfo:
				n[1]++
			case done && !late:
				n[3]++
			case done:
				n[4]++
			case !late:
				n[5]++
			default:
				n[6]++
			}
		case docstore.StateArrived:
			n[2]++
		default:
			n[8]++
		}
	})
	m.counts(columns, table, func(n []int) string { return shareOf(n[3], n[3]+n[4]+n[6]) })
	m.sheet.Notes = []string{
		"Tỷ lệ đúng hạn = đã giải quyết đúng hạn / (đã giải quyết đúng hạn + trễ hạn + đang giải quyết quá hạn); văn bản không có thời hạn coi là còn hạn, đúng hạn.",
	}
	return err
}

func (m *maker) handlingOut() error {
	columns := append(numbers(20,
		[2]string{"documents", "Số văn bản phát hành"}, [2]string{"dispatches", "Số lượt gửi"}, [2]string{"on_way", "Đang chuyển"},
		[2]string{"waiting", "Chờ tiếp nhận"}, [2]string{"in_work", "Đã tiếp nhận, đang giải quyết"}, [2]string{"completed", "Đã hoàn thành"},
		[2]string{"refused", "Từ chối tiếp nhận"}, [2]string{"recalled", "Đã thu hồi, thay thế"}, [2]string{"failed", "Không chuyển được"},
		[2]string{"sent_late", "Văn bản gửi chậm"}), Column{"rate", "Tỷ lệ tiếp nhận", KindShare, 20})
	table, seen := map[string][]int{}, map[docstore.DocumentID]bool{}
	err := m.dispatches(true, func(f followed) {
		if f.Document.Issuer == 0 || f.State == docstore.StateWithdrawn {
			return
		}
		name := m.group(f, true)
		if table[name] == nil {
			table[name] = make([]int, len(columns)-1)
		}
		n := table[name]
		if !seen[f.Document.ID] {
			seen[f.Document.ID] = true
			n[0]++
			if d := f.Document; !d.Issued.IsZero() && d.Created.After(m.nextWorkingDay(d)) {
				n[9]++
			}
		}
		n[1]++
		switch f.State {
		case docstore.StateQueued, docstore.StateSent, docstore.StateQuarantined:
			n[2]++
		case docstore.StateArrived:
			n[3]++
		case docstore.StateRegistered, docstore.StateAssigned, docstore.StateProcessing:
			n[4]++
		case docstore.StateCompleted:
			n[5]++
		case docstore.StateRefused:
			n[6]++
		case docstore.StateRecalled, docstore.StateReplaced:
			n[7]++
		case docstore.StateFailed, docstore.StateExpired:
			n[8]++
		case docstore.StateWithdrawn:
		}
	})
	m.counts(columns, table, func(n []int) string { return shareOf(n[4]+n[5], n[1]-n[7]) })
	m.sheet.Notes = []string{
		"Gửi chậm: sau ngày làm việc tiếp theo ngày ký (Nghị định 30/2020/NĐ-CP, Điều 18). Tỷ lệ tiếp nhận = đã tiếp nhận / số lượt gửi, không kể đã thu hồi, thay thế.",
	}
	return err
}

// nextWorkingDay is the end of the working day after the one that a document
// bears.
func (m *maker) nextWorkingDay(d docstore.Document) time.Time {
	next := m.p.Time.Of(d.Issuer).AddDays(d.Issued, 1)
	return time.Date(next.Year(), next.Month(), next.Day()+1, 0, 0, 0, 0, vietnam)
}

func (m *maker) refusals() error {
	m.sheet.Columns = []Column{
		{"reason", "Mã lý do", KindText, 35}, {"text", "Lý do từ chối", KindText, 70}, {"count", "Số lượt", KindNumber, 20},
		{"share", "Tỷ lệ", KindShare, 20}, {"units", "Đơn vị từ chối", KindText, 120},
	}
	count, total, by := map[string]int{}, 0, map[string]map[string]int{}
	text := map[string]string{}
	err := m.dispatches(false, func(f followed) {
		if f.State != docstore.StateRefused {
			return
		}
		code := string(f.Reason)
		if by[code] == nil {
			by[code] = map[string]int{}
		}
		total++
		count[code]++
		by[code][m.unit(f.Dispatch.To, f.Dispatch.Address)]++
		text[code] = f.Reason.Vi()
	})
	for _, code := range most(count) {
		m.sheet.Rows = append(m.sheet.Rows, Line{Cells: []string{code, text[code], strconv.Itoa(count[code]), shareOf(count[code], total), tally(by[code])}})
	}
	m.sheet.Rows = append(m.sheet.Rows, Line{Strong: true, Cells: []string{"", "Tổng cộng", strconv.Itoa(total), shareOf(total, total), ""}})
	return err
}

// tally writes counts: "Sở Y tế (3), Sở Tài chính (1)".
func tally(n map[string]int) string {
	out := ""
	for _, name := range most(n) {
		if out != "" {
			out += ", "
		}
		out += fmt.Sprintf("%s (%d)", name, n[name])
	}
	return out
}

// most gives the keys, the highest count first.
func most(n map[string]int) []string {
	names := make([]string, 0, len(n))
	for name := range n {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a, b)) })
	return names
}
