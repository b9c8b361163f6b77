package mailstore_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"vanthu/internal/mailstore"
	"vanthu/internal/mailstore/storetest"
	"vanthu/internal/sqldb"
)

// benchLetters fills a mailbox with n letters of about size octets; "giải ngân"
// is in every fifteenth, its two words in nearly all.
func benchLetters(b *testing.B, rig storetest.Rig, n, size int) ([]mailstore.MessageID, int64) {
	b.Helper()
	box := testInbox(b, rig)
	r := rand.New(rand.NewPCG(1, 1))
	var ids []mailstore.MessageID
	total := int64(0)
	for len(ids) < n {
		var msgs [][]byte
		for range min(n-len(ids), 500) {
			l := randomLetter(r)
			var body strings.Builder
			for body.Len() < size {
				body.WriteString(strings.ReplaceAll(strings.ReplaceAll(phrase(r, 1000)[:min(400, size)], "giải ngân", "giải, ngân"), "\uFFFD", "") + "\r\n")
			}
			l.body = strings.ToValidUTF8(body.String(), "")
			if (len(ids)+len(msgs))%15 == 0 {
				l.body += "tiến độ giải ngân vốn\r\n"
			}
			if (len(ids)+len(msgs))%1000 == 0 {
				l.body += "số 4711/QĐ-UBND\r\n"
			}
			msgs = append(msgs, l.bytes())
			total += int64(len(l.body))
		}
		ids = append(ids, store(b, rig, box, msgs...)...)
	}
	return ids, total
}

func dbSize(b *testing.B, rig storetest.Rig) (size int64) {
	b.Helper()
	err := rig.DB.View(b.Context(), func(r sqldb.Reader) error {
		return r.QueryRow(b.Context(), `SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size`).Scan(&size)
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}

// BenchmarkSearch indexes 10,000 messages of 4 KiB and searches them.
func BenchmarkSearch(b *testing.B) {
	rig := open(b, mailstore.Options{})
	n := 10_000
	ids, total := benchLetters(b, rig, n, 3600)
	before := dbSize(b, rig)
	begin := time.Now()
	index(b, rig.Store)
	sec := time.Since(begin).Seconds()
	size := dbSize(b, rig) - before
	b.Run("index", func(b *testing.B) {
		for b.Loop() { // it was done above, once
		}
		b.ReportMetric(float64(n)/sec, "msg/s")
		b.ReportMetric(float64(size)/float64(n), "octets/msg")
		b.ReportMetric(float64(size)/float64(total), "of_text")
		b.ReportMetric(float64(count(b, rig.DB, `SELECT sum(length(text)) FROM search_text`))/float64(n), "text/msg")
		b.ReportMetric(float64(count(b, rig.DB, `SELECT sum(length(data)) FROM search_block`))/float64(n), "grams/msg")
	})
	for _, q := range []mailstore.TextQuery{
		{Field: mailstore.FieldBody, Needle: "giai ngan"},
		{Field: mailstore.FieldText, Needle: "4711/QĐ-UBND"},
		{Field: mailstore.FieldSubject, Needle: "cong van"},
		{Field: mailstore.FieldFrom, Needle: "a17@"},
		{Field: mailstore.FieldBody, Needle: "van"},
		{Field: mailstore.FieldBody, Needle: "không có ở đâu"},
		{Field: mailstore.FieldHeader, Header: "Reply-To", Needle: ""},
	} {
		search := func(b *testing.B, s *mailstore.Store) {
			b.Helper()
			hits, err := s.SearchText(b.Context(), ids, q)
			if err != nil {
				b.Fatal(err)
			}
			found := 0
			for _, h := range hits {
				if h {
					found++
				}
			}
			b.ReportMetric(float64(found), "hits")
		}
		name := fmt.Sprintf("%d %s", q.Field, strings.ReplaceAll(q.Needle, "/", "|"))
		b.Run(name+" first", func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := fresh(b, rig, mailstore.Options{})
				b.StartTimer()
				search(b, s)
			}
		})
		b.Run(name+" warm", func(b *testing.B) {
			for b.Loop() {
				search(b, rig.Store)
			}
		})
	}
}
