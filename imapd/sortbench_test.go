package imapd

import (
	"bufio"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"vanthu/internal/mailstore"
)

// fillThreads puts n messages of threads of ten into a mailbox, not quite in the order in which they were sent.
func (w *world) fillThreads(id mailstore.MailboxID, n int) {
	w.t.Helper()
	for from := 0; from < n; from += 1000 {
		var items []mailstore.Item
		for i := from; i < min(n, from+1000); i++ {
			b := w.store.NewBody()
			sent := start.Add(time.Duration(i+(i*7919)%100) * time.Minute)
			fmt.Fprintf(b, "From: =?UTF-8?Q?V=C4=83n_th=C6=B0?= %d <u%d@x.test>\r\nTo: canbo@x.test\r\nSubject: %s=?UTF-8?Q?C=C3=B4ng_v=C4=83n?= %d\r\nDate: %s\r\nMessage-ID: <%d@x.test>\r\n",
				i%997, i%997, strings.Repeat("Re: ", min(i%10, 1)), i/10, sent.Format(time.RFC1123Z), i)
			if i%10 > 0 {
				fmt.Fprintf(b, "References: <%d@x.test> <%d@x.test>\r\n", i/10*10, i-1)
			}
			fmt.Fprint(b, "\r\nx\r\n")
			done, err := b.Finish()
			check(w.t, err)
			defer done.Release()
			items = append(items, mailstore.Item{Body: done})
		}
		_, err := w.store.Append(w.t.Context(), id, items...)
		check(w.t, err)
	}
}

// BenchmarkSort sorts and threads 100,000 messages whose digests are in memory, but for the first time ("cold").
func BenchmarkSort(b *testing.B) {
	w := plain(b)
	w.fillThreads(w.box("canbo", "INBOX").ID, 100_000)
	c := w.login("canbo")
	check(b, c.c.SetDeadline(time.Now().Add(10*time.Minute)))
	c.ok("SELECT INBOX")
	c.r = bufio.NewReaderSize(c.c, 4<<20) // one line holds all numbers
	began := time.Now()
	c.exchange(b, "c", "SORT (DATE) UTF-8 ALL")
	b.Logf("cold: %v", time.Since(began))
	for _, cmd := range []string{
		"SORT (REVERSE DATE) UTF-8 ALL", "SORT (ARRIVAL) UTF-8 ALL", "SORT (SUBJECT DATE) UTF-8 ALL", "SORT (FROM) UTF-8 ALL",
		"SORT RETURN (PARTIAL 1:50 COUNT) (REVERSE DATE) UTF-8 ALL",
		"THREAD REFERENCES UTF-8 ALL", "THREAD REFS UTF-8 ALL", "THREAD ORDEREDSUBJECT UTF-8 ALL",
	} {
		b.Run(strings.NewReplacer(" ", "_").Replace(cmd), func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				c.exchange(b, "f", cmd)
			}
			b.ReportMetric((cpuTime(b)-before).Seconds()*1000/float64(b.N), "cpu-ms/op") // the client's included
		})
	}
}

// cpuTime is what this process has used of the processors: it tells more than a clock on a busy machine.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
