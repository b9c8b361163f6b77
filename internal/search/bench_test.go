package search_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/search"
	"vanthu/internal/sqldb"
)

// syllables are drawn so that the first ones are in most texts, the last ones
// in few, as in any language.
func syllables() []string {
	common := strings.Fields(`của và các công về việc thực hiện năm số tỉnh định ban nhân dân kế hoạch quản lý đầu tư báo cáo
	giải ngân vốn xây dựng phát triển kinh tế xã hội đường cao tốc y giáo dục đất đai môi trường nông thôn mới an toàn giao thông phòng
	chống dịch bệnh sốt xuất huyết cải cách hành chính chuyển đổi điện tử tập huấn cán bộ viên chức`)
	for _, a := range strings.Fields("b c ch d đ g h kh l m n nh ph qu r s t th tr v x") {
		for _, b := range strings.Fields("ăng ấp uyên oan iêm ượng ứt ỏi ùng ệch ảo âu") {
			common = append(common, a+b)
		}
	}
	return common
}

func benchWorld(b *testing.B, n int) *world {
	b.Helper()
	w := newWorld(b)
	r := rand.New(rand.NewPCG(7, 7))
	words := syllables()
	text := func(n int) string {
		var s strings.Builder
		for range n {
			at := min(int(r.ExpFloat64()*60), len(words)-1)
			s.WriteString(words[at])
			s.WriteByte(" \n"[min(r.IntN(12)/11, 1)])
		}
		return strings.ReplaceAll(strings.TrimSpace(s.String()), "\n", "\r\n")
	}
	units := []directory.UnitID{w.units["soyte"], w.units["sotc"], w.units["xa01"], w.units["xa02"]}
	ctx := b.Context()
	for at := 0; at < n; at += 500 {
		err := w.db.Update(ctx, func(tx *sqldb.Tx) error {
			for i := at; i < min(at+500, n); i++ {
				w.now = w.now.Add(time.Minute)
				code := edoc.Code{Number: i%3000 + 1, Symbol: []string{"QĐ-UBND", "BC-SYT", "KH-STC", "SYT-VP"}[i%4]}
				body := text(250)
				if i%10_000 == 77 {
					body += "\r\nsân bay Mường Thanh kéo dài đường băng\r\n"
				}
				m := mail.Builder{
					From: mail.Mailbox{Addr: mail.Address{Local: "v", Domain: "p.test"}}, To: []mail.Mailbox{{Addr: mail.Address{Local: "x", Domain: "p.test"}}},
					Subject: code.String(), Date: w.now, MessageID: fmt.Sprintf("<%d@p.test>", i), Text: body,
				}
				f := w.boxes.NewBody()
				if _, err := f.Write(m.Bytes()); err != nil {
					return err
				}
				fin, err := f.Finish()
				if err != nil {
					return err
				}
				msg, err := w.boxes.Store(ctx, tx, fin, nil, w.now)
				if err != nil {
					return err
				}
				if err := fin.Release(); err != nil {
					return err
				}
				from := i % 2
				in := docstore.In{
					Recognition: edoc.Recognition{
						Level: edoc.L1, Code: &code, Type: edoc.TypeForCode(code), Abstract: strings.ReplaceAll(text(12), "\r\n", " "), Issued: w.now, Year: w.now.Year(),
						Due: w.now.AddDate(0, 0, 10), Signer: edoc.Signer{FullName: strings.ReplaceAll(text(3), "\r\n", " "), Position: "Giám đốc"},
					},
					Issuer: units[from], IssuerName: "Sở", MailID: docstore.MailID(m.MessageID), Message: docstore.MessageRef(msg), BodySHA256: fin.SHA256,
					QueueID: "q", Actor: journal.System("test"), Source: docstore.SourceSMTP,
					Files: []docstore.File{{Role: docstore.FileMain, Name: fmt.Sprintf("van-ban-%d.pdf", i)}},
				}
				for _, u := range units {
					if u != units[from] {
						in.Recipients = append(in.Recipients, docstore.Recipient{Unit: u, Address: mail.Address{Local: fmt.Sprint(u), Domain: "p.test"}})
					}
				}
				if _, err := w.docs.Intake(ctx, tx, in); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if _, err := w.boxes.Index(ctx); err != nil {
		b.Fatal(err)
	}
	return w
}

// cpu is how much time of processors the process has used: unlike the clock it
// means the same on a busy machine.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSearch searches 100,000 documents with 3 dispatches each.
func BenchmarkSearch(b *testing.B) {
	n := 100_000
	if testing.Short() {
		n = 5_000
	}
	w := benchWorld(b, n)
	for _, q := range []search.Request{
		{Query: "121/QĐ-UBND"},
		{Query: "so:121 kyhieu:QĐ-UBND"},
		{Query: "giai ngan"},
		{Query: "giai ngan von dau tu cong"},
		{Query: `"giải ngân vốn"`},
		{Query: "huấn dịch viên chức"},
		{Query: `"đường băng"`},
		{Query: `noidung:"sân bay Mường Thanh"`},
		{Query: "muong thanh"},
		{Query: "khongcogi"},
		{Query: `den:xa01 trangthai:arrived ngay:2026-12 giai ngan`},
		{Query: `cq:soyte ngay:2026-12 "cao tốc" -an`},
		{Query: "trangthai:arrived", Sort: docstore.SortDue},
		{Query: "giai ngan", Sort: docstore.SortDate},
		{Query: "giai ngan", As: w.ids["vanthu.xa01"]},
		{Query: "nguoiky:ngân file:van-ban-99*"},
		{Query: "giai ngan", Thorough: true},
		{Query: `"kinh giáo mới"`},
	} {
		name := strings.ReplaceAll(fmt.Sprintf("%s_%s_as%d_%v", q.Query, q.Sort, q.As, q.Thorough), "/", "|")
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			found, complete := 0, true
			used := cpu(b)
			for b.Loop() {
				begin := time.Now()
				res, err := w.engine.Search(b.Context(), q)
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begin))
				found, complete = len(res.Hits), res.Complete
			}
			b.ReportMetric(float64((cpu(b)-used).Microseconds())/1000/float64(len(took)), "cpu-ms")
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
			b.ReportMetric(float64(found), "hits")
			if !complete {
				b.ReportMetric(1, "cut-short")
			}
		})
	}
}
