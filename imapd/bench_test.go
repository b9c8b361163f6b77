package imapd

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// exchange sends a command and drops its answer up to the tagged line; it costs the client as little as it can.
func (c *client) exchange(b *testing.B, tag, cmd string) int64 {
	if _, err := io.WriteString(c.c, tag+" "+cmd+"\r\n"); err != nil {
		b.Fatal(err)
	}
	var n int64
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		n += int64(len(line))
		if len(line) > len(tag) && string(line[:len(tag)]) == tag && line[len(tag)] == ' ' {
			if !strings.HasPrefix(string(line[len(tag):]), " OK") {
				b.Fatalf("%s: %s", cmd, line)
			}
			return n
		}
	}
}

// benchWorld has 10,000 messages in canbo's INBOX, which is selected.
func benchWorld(b *testing.B) (*world, *client) {
	w := plain(b)
	w.fill(w.box("canbo", "INBOX").ID, 10_000)
	c := w.login("canbo")
	check(b, c.c.SetDeadline(time.Now().Add(10*time.Minute)))
	c.ok("SELECT INBOX")
	return w, c
}

func BenchmarkFetch(b *testing.B) {
	_, c := benchWorld(b)
	for _, items := range []string{
		"(UID FLAGS)", "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
		"(BODY.PEEK[HEADER.FIELDS (From To Cc Subject Date Message-ID References)])", "(BODY.PEEK[])",
	} {
		b.Run(strings.NewReplacer(" ", "_", "/", "_").Replace(items), func(b *testing.B) {
			b.ReportAllocs()
			var n int64
			for b.Loop() {
				n = c.exchange(b, "f", "FETCH 1:* "+items)
			}
			b.SetBytes(n)
		})
	}
}

func BenchmarkSearch(b *testing.B) {
	w, c := benchWorld(b)
	if _, err := w.store.Index(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, keys := range []string{"UNSEEN", `SUBJECT "9999"`, `BODY "9999"`, `HEADER Message-ID "<9999@"`} {
		b.Run(strings.ReplaceAll(keys, " ", "_"), func(b *testing.B) {
			for b.Loop() {
				c.exchange(b, "s", "SEARCH "+keys)
			}
		})
	}
}

func BenchmarkNoop(b *testing.B) {
	_, c := benchWorld(b)
	for b.Loop() {
		c.exchange(b, "n", "NOOP")
	}
}

func BenchmarkPipelinedUIDFetch(b *testing.B) {
	_, c := benchWorld(b)
	var all strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&all, "p UID FETCH %d FLAGS\r\n", i+1)
	}
	cmds := all.String() + "last NOOP"
	for b.Loop() {
		if _, err := io.WriteString(c.c, cmds+"\r\n"); err != nil {
			b.Fatal(err)
		}
		for {
			line, err := c.r.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if strings.HasPrefix(string(line), "last ") {
				break
			}
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "cmds/s")
}

func BenchmarkStore(b *testing.B) {
	_, c := benchWorld(b)
	i := 0
	for b.Loop() {
		i++
		c.exchange(b, "s", fmt.Sprintf("STORE %d %cFLAGS.SILENT (\\Flagged)", i%10_000+1, "+-"[i/10_000%2]))
	}
}

func BenchmarkAppend(b *testing.B) {
	w := plain(b)
	c := w.login("canbo")
	check(b, c.c.SetDeadline(time.Now().Add(10*time.Minute)))
	text := "From: a@x.test\r\nSubject: x\r\n\r\n" + strings.Repeat("dong\r\n", 600)
	for b.Loop() {
		c.exchange(b, "a", fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text), text))
	}
}

func BenchmarkLoginSelect(b *testing.B) {
	w, _ := benchWorld(b)
	for b.Loop() {
		c := w.login("canbo")
		c.exchange(b, "s", "SELECT INBOX")
		c.exchange(b, "l", "LOGOUT")
		c.c.Close()
	}
}

// BenchmarkIdlePush is the time from a STORE's answer to the last of 100 idle sessions having been told.
func BenchmarkIdlePush(b *testing.B) {
	w, c := benchWorld(b)
	idle := make([]*client, 100)
	for i := range idle {
		idle[i] = w.login("canbo")
		check(b, idle[i].c.SetDeadline(time.Now().Add(10*time.Minute)))
		idle[i].ok("SELECT INBOX")
		idle[i].do("IDLE")
	}
	i := 0
	for b.Loop() {
		i++
		c.exchange(b, "s", fmt.Sprintf("STORE 1 %cFLAGS.SILENT (\\Flagged)", "-+"[i%2]))
		for _, cl := range idle {
			if s := cl.line(); !strings.HasPrefix(s, "* 1 FETCH") {
				b.Fatal(s)
			}
		}
	}
}

// An idle, selected connection costs little; the limit has room for what differs between machines.
func TestIdleConnectionIsCheap(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 100)
	before := heap()
	const n = 200
	for range n {
		c := w.login("canbo")
		c.ok("SELECT INBOX")
		c.r = nil // the client's own buffer does not count
	}
	if per := (heap() - before) / n; per > 40<<10 {
		t.Errorf("%d octets of heap for an idle connection", per)
	} else {
		t.Logf("%d octets of heap for an idle connection, the client's socket included", per)
	}
}

// BenchmarkResync is a client that comes back to 100,000 messages of which some have changed and one in ten of those has vanished.
func BenchmarkResync(b *testing.B) {
	w := plain(b)
	w.fill(w.box("canbo", "INBOX").ID, 100_000)
	c := w.login("canbo")
	check(b, c.c.SetDeadline(time.Now().Add(10*time.Minute)))
	c.ok("ENABLE QRESYNC")
	c.ok("SELECT INBOX")
	for _, changes := range []int{0, 10, 1000} {
		before := w.box("canbo", "INBOX")
		var uids []string
		for i := range changes {
			uids = append(uids, fmt.Sprint(1+i*(50_000/changes)+changes))
		}
		if changes > 0 {
			c.ok("UID STORE " + strings.Join(uids, ",") + fmt.Sprintf(" +FLAGS.SILENT ($c%d)", changes))
			gone := strings.Join(uids[:changes/10], ",")
			c.ok("UID STORE " + gone + ` +FLAGS.SILENT (\Deleted)`)
			c.ok("EXPUNGE")
		}
		cmd := fmt.Sprintf("SELECT INBOX (QRESYNC (%d %d))", before.UIDValidity, before.ModSeq)
		b.Run(fmt.Sprintf("%d_changes", changes), func(b *testing.B) {
			b.ReportAllocs()
			var n int64
			for b.Loop() {
				n = c.exchange(b, "r", cmd)
			}
			b.ReportMetric(float64(n), "octets")
		})
		b.Run(fmt.Sprintf("%d_changes_UID_FETCH", changes), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.exchange(b, "r", fmt.Sprintf("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d VANISHED)", before.ModSeq))
			}
		})
	}
	b.Run("all_flags", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.exchange(b, "r", "UID FETCH 1:* (FLAGS)")
		}
	})
}
