package smtpd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"vanthu/internal/mail"
)

// discard is a Backend that takes everything and keeps nothing.
type discard struct {
	memory
	octets atomic.Int64
}

func (d *discard) Begin(context.Context, Origin, mail.Envelope) (Incoming, error) { return d, nil }
func (d *discard) Write(p []byte) (int, error)                                    { d.octets.Add(int64(len(p))); return len(p), nil }
func (d *discard) Commit(context.Context) (QueueID, error)                        { return "01JDISCARD", nil }
func (d *discard) Abort()                                                         {}

// BenchmarkMessages sends messages on 8 connections, client and server in one process: half of the time is the client's.
func BenchmarkMessages(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		for _, pipelined := range []bool{true, false} {
			b.Run(fmt.Sprintf("%dKiB/pipelined=%v", size>>10, pipelined), func(b *testing.B) { benchmarkMessages(b, size, pipelined) })
		}
	}
}

func benchmarkMessages(b *testing.B, size int, pipelined bool) {
	back := new(discard)
	s, err := New(back, Options{GreetDelay: -1, MaxIdleCommands: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l, Relay) }()

	line := []byte("0123456789012345678901234567890123456789012345678901234567890123456789012345\r\n")
	body := []byte("From: a@out.example\r\nSubject: benchmark\r\n\r\n")
	for len(body) < size {
		body = append(body, line...)
	}
	body = append(body, ".\r\n"...)
	envelope := [][]byte{[]byte("MAIL FROM:<a@out.example>\r\n"), []byte("RCPT TO:<b@tinh.example>\r\n"), []byte("DATA\r\n")}
	if pipelined {
		envelope = [][]byte{bytes.Join(envelope, nil)}
	}
	b.SetBytes(int64(len(body)))
	b.SetParallelism(4) // 8 connections on two processors
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		reply := func(code string) bool {
			for {
				got, err := r.ReadSlice('\n')
				if err != nil || !bytes.HasPrefix(got, []byte(code)) {
					b.Errorf("got %q, %v, want %s", got, err, code)
					return false
				}
				if got[3] == ' ' {
					return true
				}
			}
		}
		if _, err := c.Write([]byte("EHLO out.example\r\n")); err != nil || !reply("220") || !reply("250") {
			return
		}
		for pb.Next() {
			for i, cmd := range envelope {
				_, _ = c.Write(cmd)
				switch {
				case pipelined:
					_ = reply("250") && reply("250") && reply("354")
				case i < 2:
					reply("250")
				default:
					reply("354")
				}
			}
			_, _ = c.Write(body)
			if !reply("250") {
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	cancel()
	if err := <-served; err != nil {
		b.Error(err)
	}
}
