package testkit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/mail"
	"vanthu/internal/testkit"
)

// BenchmarkBroadcast sends one document with a PDF of 20 MB to 100 units whose
// clerks idle in their unit's folder of documents that wait, and tells when the
// last of them has heard of it: from the first octet that the sender writes
// (visible-ms/op), and from its 250 (told-ms/op).
func BenchmarkBroadcast(b *testing.B) {
	const communes = 100
	s := testkit.Start(b, testkit.Options{Communes: communes, TrackingInterval: time.Hour})
	idle := make([]*testkit.IMAP, communes)
	var g errgroup.Group
	g.SetLimit(8)
	for i := range communes {
		c := s.IMAP(b, testkit.Login("vanthu", testkit.Commune(i+1)))
		idle[i] = c
		g.Go(func() error { return c.Select(testkit.Shared(testkit.Commune(i+1), testkit.Waiting)) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	pdf := make([]byte, 20<<20)
	fill := rand.NewChaCha8([32]byte{20})
	if _, err := fill.Read(pdf); err != nil {
		b.Fatal(err)
	}
	copy(pdf, "%PDF-1.7\n")
	n := 0
	var visible, told []time.Duration
	for b.Loop() {
		n++
		m := testkit.Message(issuer, fmt.Sprintf("[%d/QĐ-UBND] V/v quy hoạch", n), fmt.Sprint("rong-", n), testkit.Communes)
		m.Files = []mail.File{{Name: "quy-hoach.pdf", Type: "application/pdf", Content: pdf}}
		octets := m.Bytes()
		heard := make([]time.Time, communes)
		var all errgroup.Group
		for i, c := range idle {
			all.Go(func() (err error) {
				heard[i], err = c.IdleUntil(func(line string) bool { return strings.HasSuffix(line, " EXISTS") })
				return err
			})
		}
		begun := time.Now()
		if _, err := s.Sender(issuer).Send(octets, testkit.Communes); err != nil {
			b.Fatal(err)
		}
		accepted := time.Now()
		if err := all.Wait(); err != nil {
			b.Fatal(err)
		}
		last := slices.MaxFunc(heard, time.Time.Compare)
		visible, told = append(visible, last.Sub(begun)), append(told, last.Sub(accepted))
	}
	slices.Sort(visible)
	slices.Sort(told)
	b.ReportMetric(float64(visible[len(visible)/2].Microseconds())/1000, "visible-ms/op")
	b.ReportMetric(float64(visible[len(visible)-1].Microseconds())/1000, "slowest-ms/op")
	b.ReportMetric(float64(told[len(told)/2].Microseconds())/1000, "told-ms/op")
}

// BenchmarkRegisterAct measures one registration at the server, by a drag over
// IMAP and by a command, with the document sent beforehand.
func BenchmarkRegisterAct(b *testing.B) {
	for _, way := range []string{"drag", "command"} {
		b.Run(way, func(b *testing.B) {
			s := testkit.Start(b, testkit.Options{Communes: 2, TrackingInterval: time.Hour})
			c := s.IMAP(b, clerk1)
			n := 0
			var took []time.Duration
			for b.Loop() {
				b.StopTimer()
				n++
				code := fmt.Sprintf("%d/QĐ-UBND", n)
				if _, err := s.Sender(issuer).Send(document("["+code+"] V/v thử", fmt.Sprint("vs-", n), xa01), xa01); err != nil {
					b.Fatal(err)
				}
				uids, err := c.In(testkit.Shared("xa01", testkit.Waiting))
				if err != nil || len(uids) != 1 {
					b.Fatal(uids, err)
				}
				b.StartTimer()
				begun := time.Now()
				if way == "drag" {
					err = c.Move(uids[0], testkit.Shared("xa01", testkit.Registered))
				} else {
					err = s.Rooms.Control().Call(b.Context(), control.CallDocumentAct, control.DocumentAct{
						DocumentNamed: control.DocumentNamed{Code: code}, As: clerk1, Act: docstore.EventRegister,
					}, nil, nil)
				}
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms/op")
		})
	}
}
