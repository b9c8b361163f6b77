package report

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"vanthu/docstore"
)

// inColumns are the columns of the register of incoming documents, with the
// widths they have on paper. NĐ 30/2020/NĐ-CP, Phụ lục IV.
func inColumns() []Column {
	return []Column{
		{"ngay_den", "Ngày đến", KindDate, 20}, {"so_den", "Số đến", KindNumber, 13}, {"tac_gia", "Tác giả", KindText, 36},
		{"so_ky_hieu", "Số, ký hiệu", KindText, 28}, {"ngay_thang_van_ban", "Ngày tháng văn bản", KindDate, 20},
		{"ten_loai_va_trich_yeu", "Tên loại và trích yếu", KindText, 70}, {"don_vi_hoac_nguoi_nhan", "Đơn vị hoặc người nhận", KindText, 30},
		{"ngay_chuyen", "Ngày chuyển", KindDate, 20}, {"ky_nhan", "Ký nhận", KindText, 25}, {"ghi_chu", "Ghi chú", KindText, 26},
	}
}

// outColumns are those of the register of outgoing documents.
func outColumns() []Column {
	return []Column{
		{"so_ky_hieu", "Số, ký hiệu", KindText, 30}, {"ngay_thang_van_ban", "Ngày tháng văn bản", KindDate, 20},
		{"ten_loai_va_trich_yeu", "Tên loại và trích yếu", KindText, 66}, {"nguoi_ky", "Người ký", KindText, 26}, {"noi_nhan", "Nơi nhận", KindText, 46},
		{"don_vi_nguoi_nhan_ban_luu", "Đơn vị, người nhận bản lưu", KindText, 24}, {"so_luong_ban", "Số lượng bản", KindNumber, 14},
		{"ngay_chuyen", "Ngày chuyển", KindDate, 20}, {"ky_nhan", "Ký nhận", KindText, 22}, {"ghi_chu", "Ghi chú", KindText, 26},
	}
}

// Sheet lays the register out for print and office programs; the numbers from
// and to are those of its lines.
func (g Register) Sheet() (Sheet, error) {
	s := Sheet{
		Name: "register-in", Title: formOf(g.Direction).title, Parent: g.Parent, Unit: g.Unit, Code: g.Code, AsOf: g.AsOf,
		Columns: inColumns(), Signers: []string{"Người lập sổ", "Thủ trưởng cơ quan"}, Head: hash(g.Head),
	}
	if g.Direction == docstore.DirectionOut {
		s.Name, s.Columns = "register-out", outColumns()
	}
	own, voided, first, last := 0, 0, 0, 0
	for _, r := range g.Rows {
		l, day, err := r.line(g.Direction)
		if err != nil {
			return Sheet{}, err
		}
		if day.After(s.Dated) {
			s.Dated = day
		}
		if r.Corrects == 0 {
			own++
		}
		if r.Voided {
			voided++
		}
		if n := r.Number; n > 0 {
			if first == 0 || n < first {
				first = n
			}
			last = max(last, n)
		}
		s.Rows = append(s.Rows, l)
	}
	year := fmt.Sprintf("năm %d", g.Year)
	if g.Series != "" && g.Series != docstore.SeriesDefault {
		year += fmt.Sprintf(" – số theo %s", g.Series)
	}
	s.Lines = []string{"N" + year[1:]}
	s.Footer = registerName(g.Direction) + " " + year + " – " + g.Unit
	if g.Code != "" {
		s.Footer += " (" + g.Code + ")"
	}
	if last > 0 {
		numbers := fmt.Sprintf("ừ số %d đến số %d", first, last)
		s.Lines = append(s.Lines, "T"+numbers)
		s.Footer += " – t" + numbers
	}
	if !g.AsOf.IsZero() {
		s.Footer += " – tính đến " + date(localDay(g.AsOf))
	}
	sum := fmt.Sprintf("Tổng số: %d %s", own, formOf(g.Direction).counted)
	if voided > 0 {
		sum += fmt.Sprintf(", trong đó %d số đã hủy", voided)
	}
	s.Notes = []string{sum + "."}
	return s, nil
}

func registerName(dir docstore.Direction) string {
	if dir == docstore.DirectionOut {
		return "Sổ đăng ký văn bản đi"
	}
	return "Sổ đăng ký văn bản đến"
}

// line gives a line of the register and the day that it was entered by.
func (r Row) line(dir docstore.Direction) (Line, time.Time, error) {
	l := Line{Struck: r.Voided, Under: r.Corrects != 0, Hash: hash(r.Hash)}
	var day string
	if dir == docstore.DirectionOut {
		var c docstore.OutColumns
		if err := json.Unmarshal(r.Columns, &c); err != nil {
			return l, time.Time{}, fmt.Errorf("lay out a line of a register: %w", err)
		}
		copies := ""
		if c.Copies > 0 {
			copies = strconv.Itoa(c.Copies)
		}
		l.Cells = []string{c.Code, c.Issued, c.Title, c.Signer, c.Recipients, c.Keeper, copies, c.Handed, c.Signed, c.Remark}
		day = c.Issued
	} else {
		var c docstore.Columns
		if err := json.Unmarshal(r.Columns, &c); err != nil {
			return l, time.Time{}, fmt.Errorf("lay out a line of a register: %w", err)
		}
		l.Cells = []string{c.Arrived, strconv.Itoa(c.Number), c.Issuer, c.Code, c.Issued, c.Title, c.Recipient, c.Handed, c.Signed, c.Remark}
		day = c.Arrived
	}
	if len(r.Cells) == len(l.Cells) { // the remark says more than was entered
		l.Cells[len(l.Cells)-1] = r.Cells[len(r.Cells)-1]
	}
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		at = time.Time{} // not known; the date of the file is that of another line
	}
	return l, at, nil
}
