package edoc

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"
)

func TestParseReply(t *testing.T) {
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, vietnam)
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 23, 59, 59, 0, vietnam) }
	tests := []struct {
		name, text string
		want       []Command
		rest       string
	}{
		{"assign", "@Nguyễn Thị Lan chủ trì\n@Phòng KH-TC phối hợp\n@hung để biết\nhạn 30/11", []Command{
			{Verb: VerbAssign, Who: "Nguyễn Thị Lan", Part: PartLead}, {Verb: VerbAssign, Who: "Phòng KH-TC", Part: PartAssist},
			{Verb: VerbAssign, Who: "hung", Part: PartFYI}, {Verb: VerbDue, Due: day(2026, 11, 30), Text: "hạn 30/11"},
		}, ""},
		{"without diacritics", "@nguyen thi lan: chu tri.\nHAN 5/1", []Command{
			{Verb: VerbAssign, Who: "nguyen thi lan", Part: PartLead}, {Verb: VerbDue, Due: day(2027, 1, 5), Text: "HAN 5/1"},
		}, ""},
		{"login", "@lan@xa01.dienbien.test chủ trì", []Command{{Verb: VerbAssign, Who: "lan@xa01.dienbien.test", Part: PartLead}}, ""},
		{"hour and year", "hạn: 15h30 ngày 01/12/2026", []Command{
			{Verb: VerbDue, Due: time.Date(2026, 12, 1, 15, 30, 0, 0, vietnam), Text: "hạn: 15h30 ngày 01/12/2026"},
		}, ""},
		{"no such day", "hạn 31/02", []Command{{Verb: VerbDue, Text: "hạn 31/02"}}, ""},
		{"with a reason", "Từ chối: sai nơi nhận\nGia hạn 02/12: chờ số liệu\nMở lại: còn thiếu", []Command{
			{Verb: VerbRefuse, Text: "sai nơi nhận"}, {Verb: VerbExtend, Due: day(2026, 12, 2), Text: "chờ số liệu"}, {Verb: VerbReopen, Text: "còn thiếu"},
		}, ""},
		{"plain", "vào sổ\nbắt đầu.\nhoàn thành\nđồng ý\nkhông đồng ý: đã triển khai\ntrả lại - không thuộc chức năng\ný kiến khác: xem lại", []Command{
			{Verb: VerbRegister}, {Verb: VerbStart}, {Verb: VerbComplete}, {Verb: VerbAgree}, {Verb: VerbDisagree, Text: "đã triển khai"},
			{Verb: VerbReturn, Text: "không thuộc chức năng"}, {Verb: VerbOther, Text: "xem lại"},
		}, ""},
		{"text is kept", "Chào các đồng chí,\n@Lan chủ trì\nLàm kỹ phần số liệu nhé.", []Command{{Verb: VerbAssign, Who: "Lan", Part: PartLead}},
			"Chào các đồng chí,\nLàm kỹ phần số liệu nhé."},
		{"only whole lines", "hoàn thành sớm nhé\nđồng ý với đề xuất của anh\nhạn chế dùng giấy", nil,
			"hoàn thành sớm nhé\nđồng ý với đề xuất của anh\nhạn chế dùng giấy"},
		{"quoted", "bắt đầu\n> hoàn thành", []Command{{Verb: VerbStart}}, ""},
		{"below a quotation", "bắt đầu\n\nOn Tue, 24 Nov 2026 at 08:00, Văn thư wrote:\nhoàn thành", []Command{{Verb: VerbStart}}, ""},
		{"below a Vietnamese quotation", "bắt đầu\nVào Th 3, 24 thg 11, 2026 lúc 08:00 Văn thư đã viết:\nhoàn thành", []Command{{Verb: VerbStart}}, ""},
		{"below Outlook's head", "bắt đầu\nFrom: Văn thư\nhoàn thành", []Command{{Verb: VerbStart}}, ""},
		{"below the signature", "bắt đầu\n-- \nhoàn thành", []Command{{Verb: VerbStart}}, ""},
		{"nobody", "@ chủ trì\n@Lan", nil, "@ chủ trì\n@Lan"},
	}
	for _, tt := range tests {
		for _, form := range []norm.Form{norm.NFC, norm.NFD} {
			t.Run(tt.name, func(t *testing.T) {
				got := ParseReply(form.String(strings.ReplaceAll(tt.text, "\n", "\r\n")), now)
				for i := range got.Commands {
					if got.Commands[i].Line == "" {
						t.Errorf("command %d has no line", i)
					}
					got.Commands[i].Line = ""
				}
				if !slices.EqualFunc(got.Commands, tt.want, func(a, b Command) bool { return a.Due.Equal(b.Due) && sameCommand(a, b) }) {
					t.Errorf("got %+v\nwant %+v", got.Commands, tt.want)
				}
				if got.Rest != tt.rest {
					t.Errorf("rest %q, want %q", got.Rest, tt.rest)
				}
			})
		}
	}
}

func sameCommand(a, b Command) bool {
	a.Due, b.Due = time.Time{}, time.Time{}
	return a == b
}

// Opinions are single lines, with diacritics or not, in both Unicode forms.
func TestParseReplyOpinions(t *testing.T) {
	for _, tt := range []struct {
		text string
		verb Verb
		says string
		own  string
	}{
		{"Đồng ý.", VerbAgree, "", "Đồng ý."},
		{"dong y", VerbAgree, "", "dong y"},
		{"ĐỒNG Ý: nhất trí dự thảo", VerbAgree, "nhất trí dự thảo", "ĐỒNG Ý: nhất trí dự thảo"},
		{"Không đồng ý: thiếu kinh phí\nĐề nghị xem lại.\n> đồng ý", VerbDisagree, "thiếu kinh phí", "Không đồng ý: thiếu kinh phí\nĐề nghị xem lại."},
		{"khong dong y - thieu tien", VerbDisagree, "thieu tien", "khong dong y - thieu tien"},
		{"Kính gửi Sở,\nÝ kiến khác: sửa Điều 3\n-- \nVăn thư", VerbOther, "sửa Điều 3", "Kính gửi Sở,\nÝ kiến khác: sửa Điều 3"},
		{"chúng tôi đồng ý", "", "", "chúng tôi đồng ý"},
		{"> đồng ý", "", "", ""},
	} {
		for _, form := range []norm.Form{norm.NFC, norm.NFD} {
			text := form.String(tt.text)
			got := ParseReply(text, time.Now())
			var c Command
			if len(got.Commands) == 1 {
				c = got.Commands[0]
			}
			if len(got.Commands) > 1 || c.Verb != tt.verb || c.Text != tt.says {
				t.Errorf("%q: %+v, want %q, %q", tt.text, got.Commands, tt.verb, tt.says)
			}
			if own := OwnLines(text); own != tt.own {
				t.Errorf("%q: own lines %q, want %q", tt.text, own, tt.own)
			}
		}
	}
}

func TestFindNamed(t *testing.T) {
	list := []Named{
		{Name: "Nguyễn Thị Lan", Login: "lan@xa01.test"}, {Name: "Trần Lan", Login: "tranlan@xa01.test"},
		{Name: "Lê Văn Hùng", Login: "hung@xa01.test", Also: []string{"Phòng Nội vụ", "PNV"}}, {Name: "Lê Văn Hưng", Login: "hung2@xa01.test"},
	}
	for words, want := range map[string][]int{
		"lan": {0}, "Nguyễn Thị Lan": {0}, "thi lan": {0}, "Lan ": {0}, "tranlan@xa01.test": {1}, "pnv": {2}, "phong noi vu": {2},
		"Lê Văn Hùng": {2}, "le van hung": {2, 3}, "van hung": {2, 3}, "Hoa": nil, "": nil, "an": nil,
	} {
		if got := FindNamed(words, list); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", words, got, want)
		}
	}
}

func FuzzParseReply(f *testing.F) {
	f.Add("@Lan chủ trì\r\nhạn 30/11\r\n> x")
	f.Add("gia hạn 15h00 ngày 1/12/2026: vì\n-- \n")
	f.Add("\xff@ \u0301 chu tri\nOn x wrote:")
	f.Add(strings.Repeat("ọ", 20000))
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, vietnam)
	f.Fuzz(func(t *testing.T, text string) {
		got := ParseReply(text, now)
		if len(got.Commands) > maxCommands {
			t.Fatalf("%d commands", len(got.Commands))
		}
		for _, c := range got.Commands {
			if c.Line == "" || c.Verb == "" || c.Verb == VerbAssign && (c.Who == "" || c.Part == "") {
				t.Fatalf("half a command: %+v", c)
			}
			if !c.Due.IsZero() && (c.Due.Year() < 2000 || c.Due.Year() > 2099) {
				t.Fatalf("due %v", c.Due)
			}
			again := ParseReply(c.Line, now)
			if len(again.Commands) != 1 || !sameCommand(again.Commands[0], c) || !again.Commands[0].Due.Equal(c.Due) {
				t.Fatalf("line %q: %+v is %+v by itself", c.Line, c, again.Commands)
			}
		}
		if own := OwnLines(text); !norm.NFC.IsNormalString(own) || OwnLines(own) != own {
			t.Fatalf("own lines %q are %q by themselves", own, OwnLines(own))
		}
		if !norm.NFC.IsNormalString(got.Rest) {
			t.Fatalf("rest %q is not NFC", got.Rest)
		}
		FindNamed(text, []Named{{Name: text, Login: text, Also: []string{text}}})
	})
}
