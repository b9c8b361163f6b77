package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"vanthu/docstore"
)

// Opinions is the fixed name of the summary of opinions.
const Opinions = "opinions" // bảng tổng hợp ý kiến

// ListOpinions makes the summary of what the units said that a document asks;
// name gives the unit of a dispatch.
func ListOpinions(doc docstore.Document, t docstore.Tally, name func(docstore.Dispatch) string) Sheet {
	c := t.Consultation
	s := Sheet{
		Name: Opinions, Title: "BẢNG TỔNG HỢP Ý KIẾN", Unit: doc.IssuerName, Signers: []string{"Người lập", "Thủ trưởng cơ quan"},
		Footer: "Bảng tổng hợp ý kiến – " + joinFilled(doc.Code, doc.IssuerName),
		Columns: []Column{
			{"ordinal", "Số TT", KindNumber, 12}, {"unit", "Đơn vị", KindText, 60}, {"vote", "Ý kiến", KindText, 28},
			{"text", "Nội dung ý kiến", KindText, 100}, {"at", "Thời điểm", KindTime, 32}, {"by", "Người trả lời", KindText, 40},
			{"files", "Số tệp kèm theo", KindNumber, 16},
		},
	}
	if doc.Code != "" {
		s.Lines = append(s.Lines, "Văn bản số "+doc.Code)
	}
	if doc.Abstract != "" {
		s.Lines = append(s.Lines, doc.Abstract)
	}
	s.Lines = append(s.Lines, "Hạn trả lời: "+c.Due.In(vietnam).Format("15:04 02/01/2006"))
	s.dated(c.Opened)
	s.dated(c.Closed)
	for _, u := range t.Units {
		cells := []string{strconv.Itoa(len(s.Rows) + 1), name(u.Dispatch), "chưa trả lời", "", "", "", ""}
		if o := u.Opinion; o != nil {
			s.dated(o.At)
			cells[2], cells[3], cells[4] = o.Vote.Name(), strings.Join(strings.Fields(o.Text), " "), o.At.Format(time.RFC3339)
			switch {
			case o.Vote != docstore.VoteOverdue:
				cells[5], cells[6] = o.ByName, strconv.Itoa(o.Files)
			case c.Silence == docstore.SilenceAgree:
				cells[2] = "quá hạn, coi như đồng ý"
			}
		}
		s.Rows = append(s.Rows, Line{Cells: cells})
	}
	s.Notes = []string{fmt.Sprintf("Tổng số: %d đơn vị; đồng ý %d, không đồng ý %d, ý kiến khác %d, không trả lời %d.",
		t.Asked, t.Agree, t.Disagree, t.Other, t.Asked-t.Answered())}
	return s
}
