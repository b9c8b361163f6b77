package report

import (
	"strconv"

	"vanthu/docstore"
)

// Headings gives the ten legal headings of a register in their order: NĐ
// 30/2020/NĐ-CP, Phụ lục IV. The empty direction is that of incoming documents.
func Headings(dir docstore.Direction) []string {
	if dir == docstore.DirectionOut {
		return []string{
			"Số, ký hiệu", "Ngày tháng văn bản", "Tên loại và trích yếu", "Người ký", "Nơi nhận",
			"Đơn vị, người nhận bản lưu", "Số lượng bản", "Ngày chuyển", "Ký nhận", "Ghi chú",
		}
	}
	return []string{
		"Ngày đến", "Số đến", "Tác giả", "Số, ký hiệu", "Ngày tháng văn bản", "Tên loại và trích yếu",
		"Đơn vị hoặc người nhận", "Ngày chuyển", "Ký nhận", "Ghi chú",
	}
}

// form is how the columns of a register are laid out as text.
type form struct {
	title    string  // of the register
	counted  string  // what its sum counts
	right    int     // the column whose cells stand to the right
	unbroken [10]int // up to which width a column's cells are not broken
	share    [10]int // how much more of the width than others a column deserves
}

func formOf(dir docstore.Direction) form {
	if dir == docstore.DirectionOut {
		return form{
			title: "SỔ ĐĂNG KÝ VĂN BẢN ĐI", counted: "dòng", right: 6,
			unbroken: [10]int{0: 16, 1: 10, 6: 6, 7: 10},
			share:    [10]int{1, 1, 2, 1, 2, 1, 1, 1, 1, 1},
		}
	}
	return form{
		title: "SỔ ĐĂNG KÝ VĂN BẢN ĐẾN", counted: "số đến", right: 1,
		unbroken: [10]int{0: 10, 1: 10, 3: 16, 4: 10, 7: 10},
		share:    [10]int{1, 1, 1, 1, 1, 2, 1, 1, 1, 1},
	}
}

// inCells gives the columns of a line as people read them.
func inCells(c docstore.Columns) []string {
	return []string{
		date(c.Arrived), strconv.Itoa(c.Number), c.Issuer, c.Code, date(c.Issued), c.Title,
		c.Recipient, date(c.Handed), c.Signed, c.Remark,
	}
}

// outCells is inCells for a register of outgoing documents.
func outCells(c docstore.OutColumns) []string {
	copies := ""
	if c.Copies > 0 {
		copies = strconv.Itoa(c.Copies)
	}
	return []string{
		c.Code, date(c.Issued), c.Title, c.Signer, c.Recipients, c.Keeper, copies, date(c.Handed), c.Signed, c.Remark,
	}
}
