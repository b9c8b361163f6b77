package mailstore_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/mailstore"
	"vanthu/internal/mailstore/storetest"
	"vanthu/internal/sqldb"
)

func message(n int) []byte {
	head := "From: =?utf-8?q?V=C4=83n_th=C6=B0?= <van.thu@so.example>\r\nTo: a@so.example, b@so.example\r\n" +
		"Subject: =?utf-8?b?TOG7i2NoIGjhu41wIHR14bqnbg==?=\r\nDate: Tue, 24 Nov 2026 07:00:00 +0700\r\n" +
		"Message-ID: <1@so.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	line := []byte("0123456789012345678901234567890123456789012345678901234567890123456789\r\n")
	return append([]byte(head), bytes.Repeat(line, max(n-len(head), 0)/len(line))...)
}

// inboxes gives the INBOX of accounts 1 to n.
func inboxes(b *testing.B, rig storetest.Rig, n int) []mailstore.MailboxID {
	b.Helper()
	list := make([]mailstore.MailboxID, n)
	for i := range list {
		err := rig.Store.Update(b.Context(), func(tx *sqldb.Tx) error {
			a := directory.AccountID(i + 1)
			if err := rig.Store.EnsureAccount(b.Context(), tx, a); err != nil {
				return err
			}
			id, err := rig.Store.Inbox(b.Context(), tx, mailstore.Owner{Account: a})
			list[i] = id
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return list
}

func accept(ctx context.Context, rig storetest.Rig, msg []byte, drops []mailstore.Drop) error {
	body := rig.Store.NewBody()
	defer body.Abort()
	if _, err := body.Write(msg); err != nil {
		return err
	}
	f, err := body.Finish()
	if err != nil {
		return err
	}
	err = rig.Store.Update(ctx, func(tx *sqldb.Tx) error {
		now := time.Now()
		id, err := rig.Store.Store(ctx, tx, f, []byte("Received: from a by b; Tue, 24 Nov 2026 07:00:00 +0700\r\n"), now)
		if err != nil {
			return err
		}
		_, err = rig.Store.DeliverMany(ctx, tx, drops, id)
		return err
	})
	if err != nil {
		return err
	}
	return f.Release()
}

func BenchmarkDeliver(b *testing.B) {
	for _, bm := range []struct {
		name            string
		size, recipient int
	}{{"4KiB to 1", 4 << 10, 1}, {"64KiB to 20", 64 << 10, 20}, {"4KiB to 200", 4 << 10, 200}, {"1MiB to 1", 1 << 20, 1}} {
		b.Run(bm.name, func(b *testing.B) {
			rig := open(b, mailstore.Options{})
			boxes := inboxes(b, rig, 200)
			msg := message(bm.size)
			b.SetParallelism(10) // 20 clients on two processors
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				own := bytes.Clone(msg)
				drops := make([]mailstore.Drop, bm.recipient)
				for pb.Next() {
					copy(own[len(own)-20:], fmt.Sprintf("%018d", rand.Int64())) // no two bodies are the same
					for i := range drops {
						drops[i].Mailbox = boxes[(i+int(own[len(own)-5]))%len(boxes)]
					}
					if err := accept(b.Context(), rig, own, drops); err != nil {
						b.Error(err)
						return
					}
				}
			})
			sec := b.Elapsed().Seconds()
			b.ReportMetric(float64(b.N)/sec, "msg/s")
			b.ReportMetric(float64(b.N*bm.recipient)/sec, "copies/s")
		})
	}
}

// BenchmarkBody is what a message costs before its transaction.
func BenchmarkBody(b *testing.B) {
	rig := open(b, mailstore.Options{})
	msg := message(4 << 10)
	b.ReportAllocs()
	for b.Loop() {
		body := rig.Store.NewBody()
		if _, err := body.Write(msg); err != nil {
			b.Fatal(err)
		}
		f, err := body.Finish()
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Release(); err != nil {
			b.Fatal(err)
		}
	}
}

// filled gives a mailbox with n entries of one message each 100.
func filled(b *testing.B, rig storetest.Rig, n int) mailstore.MailboxID {
	b.Helper()
	id := inboxes(b, rig, 1)[0]
	for left := n; left > 0; left -= 1000 {
		body := rig.Store.NewBody()
		if _, err := body.Write(message(1 << 10)); err != nil {
			b.Fatal(err)
		}
		f, err := body.Finish()
		if err != nil {
			b.Fatal(err)
		}
		err = rig.Store.Update(b.Context(), func(tx *sqldb.Tx) error {
			var msg mailstore.MessageID
			for i := range min(left, 1000) {
				if i%100 == 0 {
					if msg, err = rig.Store.Store(b.Context(), tx, f, nil, time.Now()); err != nil {
						return err
					}
				}
				if _, err := rig.Store.Deliver(b.Context(), tx, id, msg, 0, time.Now()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return id
}

func BenchmarkLoad100k(b *testing.B) {
	rig := open(b, mailstore.Options{HotMessages: 1}) // forgotten at once
	id := filled(b, rig, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		h, err := rig.Store.Hot(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		if h.Version().Len() != 100_000 {
			b.Fatalf("%d rows", h.Version().Len())
		}
		h.Release()
	}
}

func BenchmarkCompare100k(b *testing.B) {
	rig := open(b, mailstore.Options{})
	id := filled(b, rig, 100_000)
	h, err := rig.Store.Hot(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	defer h.Release()
	for _, n := range []int{0, 10, 1000} {
		known := h.Version()
		var uids []mailstore.UID
		for range n {
			uids = append(uids, mailstore.UID(1+rand.IntN(100_000)))
		}
		err := rig.Store.Update(b.Context(), func(tx *sqldb.Tx) error {
			_, err := rig.Store.SetFlags(b.Context(), tx, id, mailstore.UIDs(uids...), mailstore.FlagChange{
				Flags: mailstore.Flags{Keywords: []string{fmt.Sprintf("k%d", n)}},
			})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		now := h.Version()
		b.Run(fmt.Sprintf("%d changes", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mailstore.Compare(known, now)
			}
		})
	}
}

// BenchmarkThousand is one command over 1,000 messages, durable.
func BenchmarkThousand(b *testing.B) {
	rig := open(b, mailstore.Options{})
	boxes := inboxes(b, rig, 2)
	from, to := boxes[0], boxes[1]
	id := filled(b, rig, 1000)
	if id != from {
		b.Fatal("another mailbox was filled")
	}
	h, err := rig.Store.Hot(b.Context(), from)
	if err != nil {
		b.Fatal(err)
	}
	defer h.Release()
	run := func(name string, fn func(tx *sqldb.Tx, i int) error) {
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				i++
				if err := rig.Store.Update(b.Context(), func(tx *sqldb.Tx) error { return fn(tx, i) }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	all := mailstore.AllUIDs()
	run("flag", func(tx *sqldb.Tx, i int) error {
		_, err := rig.Store.SetFlags(b.Context(), tx, from, all, mailstore.FlagChange{
			Op: mailstore.FlagOp(i % 2), Flags: mailstore.Flags{System: mailstore.Flagged},
		})
		return err
	})
	run("copy", func(tx *sqldb.Tx, _ int) error {
		_, err := rig.Store.Copy(b.Context(), tx, from, all, to)
		return err
	})
	run("move", func(tx *sqldb.Tx, _ int) error {
		_, err := rig.Store.Move(b.Context(), tx, from, all, from)
		return err
	})
	run("copy and expunge", func(tx *sqldb.Tx, _ int) error {
		res, err := rig.Store.Copy(b.Context(), tx, from, all, from)
		if err != nil {
			return err
		}
		_, err = rig.Store.Remove(b.Context(), tx, from, mailstore.UIDs(res.From...))
		return err
	})
}

// BenchmarkRead reads 10,000 messages of 4 KiB as FETCH does.
func BenchmarkRead(b *testing.B) {
	rig := open(b, mailstore.Options{})
	box := inboxes(b, rig, 1)[0]
	var ids []mailstore.MessageID
	for range 10 {
		err := rig.Store.Update(b.Context(), func(tx *sqldb.Tx) error {
			for range 1000 {
				body := rig.Store.NewBody()
				if _, err := body.Write(message(4 << 10)); err != nil {
					return err
				}
				f, err := body.Finish()
				if err != nil {
					return err
				}
				id, err := rig.Store.Store(b.Context(), tx, f, []byte("Received: x\r\n"), time.Now())
				if err != nil {
					return err
				}
				if _, err := rig.Store.Deliver(b.Context(), tx, box, id, 0, time.Now()); err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("structures, first time", func(b *testing.B) {
		for b.Loop() {
			s, err := mailstore.Open(b.Context(), rig.DB, rig.Blobs, mailstore.Options{})
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Metas(b.Context(), ids, func(*mailstore.Meta) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("structures, again", func(b *testing.B) {
		for b.Loop() {
			if err := rig.Store.Metas(b.Context(), ids, func(*mailstore.Meta) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bodies", func(b *testing.B) {
		n := int64(0)
		for b.Loop() {
			n = 0
			err := rig.Store.Contents(b.Context(), ids, func(c *mailstore.Content) error { n += c.Size; return nil })
			if err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(n)
	})
}
