package search

import (
	"context"
	"fmt"
	"strings"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
)

// Answer gives the text of the answer to a query that came by mail: the first
// documents, or what is wrong with the query. Errors are those of the server.
func (e *Engine) Answer(ctx context.Context, as directory.AccountID, unit directory.UnitID, query string) (string, error) {
	res, err := e.Search(ctx, Request{Query: query, As: as})
	if k := fault.KindOf(err); err != nil && (k == fault.Invalid || k == fault.Denied) {
		t := fault.Sentence(err)
		return "Không tra cứu được: " + query + "\n\n" + t.VI + "\n\n" + help + "\n-- English --\nThe query could not be understood: " + t.EN + "\n", nil
	}
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Kết quả tra cứu (results): %s\n\n", query)
	if len(res.Hits) == 0 {
		b.WriteString("Không tìm thấy văn bản nào. (Nothing was found.)\n\n" + help)
		return b.String(), nil
	}
	for i, h := range res.Hits {
		code := h.Code
		if code == "" {
			code = "(chưa có số, ký hiệu)"
		}
		fmt.Fprintf(&b, "%d. %s", i+1, code)
		if !h.Issued.IsZero() {
			fmt.Fprintf(&b, " ngày %s", h.Issued.In(vietnam).Format("02/01/2006"))
		}
		fmt.Fprintf(&b, " — %s\n   %s\n", h.IssuerName, h.Abstract)
		if s := h.Snippet; s.Source != "" && s.Source != "abstract" {
			fmt.Fprintf(&b, "   %s\n", s.Marked())
		}
		fmt.Fprintf(&b, "   %s\n\n", fares(h, unit))
	}
	if res.More {
		fmt.Fprintf(&b, "Còn nữa; đây là %d kết quả đầu. Hãy thêm từ hoặc điều kiện để thu hẹp. (There are more: narrow the query.)\n", len(res.Hits))
	}
	if !res.Complete {
		b.WriteString("Chưa xem hết nội dung các văn bản cũ. (Not every old text was looked into.)\n")
	}
	return b.String(), nil
}

const help = `Có thể gõ: từ cần tìm (có dấu hoặc không dấu), "cụm từ", -từ_loại_trừ, so:123, kyhieu:QĐ-UBND, cq:soyte,
ngay:2026-01..2026-06, trangthai:davaoso, han:<2026-12-01, soden:12, noidung:"giải ngân".
`

// fares tells how a document fares: at the unit that asked, else in sum.
func fares(h Hit, unit directory.UnitID) string {
	counts := map[docstore.State]int{}
	for _, d := range h.Sent {
		if d.To != unit {
			counts[d.State]++
			continue
		}
		s := d.State.Name()
		if d.ArrivalNumber > 0 {
			s += fmt.Sprintf(", số đến %d/%d", d.ArrivalNumber, d.ArrivalYear)
		}
		return s
	}
	var parts []string
	for _, s := range docstore.States() {
		if n := counts[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s.Name()))
		}
	}
	return fmt.Sprintf("gửi %d nơi: %s", len(h.Sent), strings.Join(parts, ", "))
}
