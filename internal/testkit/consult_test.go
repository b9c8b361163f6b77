package testkit_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/fault"
	"vanthu/internal/testkit"
)

// Ten units are asked for their opinion: some answer by mail, some by command,
// some not at all; when time is up, who asked gets the summary.
func TestConsultation(t *testing.T) {
	t.Parallel()
	const units = 10
	var at clock
	s := testkit.Start(t, testkit.Options{Communes: units, Now: at.now})
	// A number is not needed; the deadline is the usual one.
	send(t, s, document("[LẤY Ý KIẾN] V/v dự thảo quy chế làm việc", "ykien", testkit.Communes), testkit.Communes)
	call := func(what string, req, resp any) error {
		return s.Rooms.Control().Call(t.Context(), what, req, resp, nil)
	}
	var list []control.Consultation
	if err := call(control.CallConsultList, control.ConsultList{Unit: testkit.Address("ubnd"), Open: true}, &list); err != nil || len(list) != 1 {
		t.Fatalf("consultations: %+v, %v; want one", list, err)
	}
	named := control.DocumentNamed{Code: string(list[0].ID)}
	answer := func(unit, text, role string, to string) {
		t.Helper()
		from := testkit.Login(role, unit)
		m := testkit.Message(from, "Re: [LẤY Ý KIẾN] V/v dự thảo quy chế làm việc", "tl-"+unit+role+text[:4], to)
		m.Text, m.InReplyTo = text+"\n\nOn Tue, 24 Nov 2026, UBND wrote:\n> đồng ý\n", "<ykien@client.test>"
		if reply, err := s.Sender(from).Send(m.Bytes(), to); err != nil {
			t.Fatalf("%s answers: %s, %v", unit, reply, err)
		}
	}
	ubnd := testkit.Address("ubnd")
	for _, x := range []struct{ unit, text, role, to string }{
		{"xa01", "Đồng ý.", "vanthu", issuer},
		{"xa02", "dong y", "lanhdao", ubnd},
		{"xa03", "Không đồng ý: thiếu kinh phí", "vanthu", ubnd},
		{"xa04", "Đồng ý", "vanthu", ubnd},
		{"xa04", "Ý kiến khác: sửa Điều 3\nvà Điều 4", "lanhdao", ubnd}, // replaces it
		{"xa05", "Đồng ý", "chuyenvien", ubnd},                          // does not speak for the unit
	} {
		answer(x.unit, x.text, x.role, x.to)
	}
	for unit, vote := range map[string]docstore.Vote{"xa06": docstore.VoteAgree, "xa07": docstore.VoteAgree, "xa08": docstore.VoteDisagree} {
		if err := call(control.CallConsultAnswer, control.ConsultAnswer{
			ConsultNamed: control.ConsultNamed{DocumentNamed: named, As: testkit.Login("vanthu", unit)}, Vote: vote, Text: "ghi bằng lệnh",
		}, nil); err != nil {
			t.Fatal(err)
		}
	}
	err := call(control.CallConsultAnswer, control.ConsultAnswer{
		ConsultNamed: control.ConsultNamed{DocumentNamed: named, As: testkit.Login("chuyenvien", "xa09")}, Vote: docstore.VoteAgree,
	}, nil)
	if fault.KindOf(err) != fault.Denied {
		t.Errorf("staff answers by command: %v, want denied", err)
	}
	show := func() (c control.Consultation) {
		t.Helper()
		if err := call(control.CallConsultShow, control.ConsultNamed{DocumentNamed: named}, &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	score := func(c control.Consultation) string {
		return fmt.Sprintf("%d asked, %d agree, %d disagree, %d other, %d overdue", c.Asked, c.Agree, c.Disagree, c.Other, c.Overdue)
	}
	if got := score(show()); got != "10 asked, 4 agree, 2 disagree, 1 other, 0 overdue" {
		text, _ := json.Marshal(show())
		t.Errorf("%s\n%s", got, text)
	}
	tracked := func(score string) {
		t.Helper()
		c := s.IMAP(t, issuer)
		waitFor(t, "tracking message with "+score, func() bool {
			if err := c.Select(testkit.Shared("ubnd", testkit.Tracking)); err != nil {
				return false
			}
			found, err := c.Search(`SUBJECT "` + score + `"`)
			return err == nil && len(found) == 1
		})
	}
	tracked("7/10 đã trả lời · 4 đồng ý · 2 không đồng ý · 1 ý kiến khác")

	// Who answered is told; the summary comes when time is up, whatever runs it.
	awaitMail(t, s, testkit.Login("vanthu", "xa01"), "[Kết quả", 1)
	at.move(time.Until(show().Due) + time.Minute)
	if err := s.Rooms.Workflow.Consultations(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := score(show()); got != "10 asked, 4 agree, 2 disagree, 1 other, 3 overdue" {
		t.Error(got)
	}
	tracked("7/10 đã trả lời · 4 đồng ý · 2 không đồng ý · 1 ý kiến khác · 3 quá hạn")
	body := awaitMail(t, s, issuer, "[Tổng hợp ý kiến", 1)[0]
	for _, want := range []string{"tong-hop-y-kien.xlsx", "tong-hop-y-kien.csv"} {
		if !strings.Contains(body, want) {
			t.Errorf("the summary has no %s", want)
		}
	}
	m := read(t, []byte(body))
	for _, want := range []string{"BẢNG TỔNG HỢP Ý KIẾN", "hết hạn trả lời", "sửa Điều 3 và Điều 4", "7/10 đã trả lời", "Asked 10, agree 4"} {
		if !strings.Contains(m.text, want) {
			t.Errorf("no %q in\n%s", want, m.text)
		}
	}
	answer("xa09", "Đồng ý", "vanthu", ubnd) // too late, and told so
	late := read(t, []byte(awaitMail(t, s, testkit.Login("vanthu", "xa09"), "[Kết quả", 1)[0]))
	if !strings.Contains(late.text, "việc lấy ý kiến đã kết thúc") {
		t.Errorf("a late answer is told\n%s", late.text)
	}
}
