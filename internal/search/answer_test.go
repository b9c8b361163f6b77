package search_test

import (
	"strings"
	"testing"
)

func TestAnswer(t *testing.T) {
	w := sample(t)
	tests := []struct {
		name, as, unit, query string
		want                  []string
	}{
		{"found", "vanthu.xa01", "xa01", "vốn", []string{
			"1. 123/QĐ-STC ngày 02/03/2026 — Sở Tài chính\n   Giao vốn đầu tư công năm 2026\n   đã vào sổ, số đến 1/2026\n",
		}},
		{"by the issuer", "vanthu.sotc", "sotc", "so:124", []string{"gửi 2 nơi: 2 chờ tiếp nhận"}},
		{"in the content", "vanthu.xa01", "xa01", `"giai ngan"`, []string{"đơn vị «giải ngân» đúng hạn"}},
		{"nothing", "vanthu.xa01", "xa01", "khongcogi", []string{"Không tìm thấy văn bản nào", "so:123"}},
		{"not understood", "vanthu.xa01", "xa01", "sô:x abc:1", []string{"Không tra cứu được", "tại ký tự", "-- English --"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := w.engine.Answer(t.Context(), w.ids[tt.as], w.units[tt.unit], tt.query)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("the answer has no %q:\n%s", want, got)
				}
			}
		})
	}
}
