package smtpd

import (
	"bytes"
	"strings"
	"testing"
)

// follow gives all of in to a body in blocks of the sizes given, as the conn does, and returns what came out.
func follow(in []byte, maxSize int64, maxLine int, blocks func() int) (content string, flaws flaw, size int64, used int, end bool) {
	var out bytes.Buffer
	b := body{maxSize: maxSize, maxLine: maxLine, sink: func(p []byte) { out.Write(p) }}
	have := 0 // octets of in that have arrived
	for !end && have < len(in) {
		have = min(have+blocks(), len(in))
		var n int
		n, end = b.data(in[used:have])
		used += n
	}
	return out.String(), b.flaws, b.size, used, end
}

// reference does the same on the whole text, one octet after the other.
func reference(in []byte, maxSize int64, maxLine int) (content string, flaws flaw, used int, end bool) {
	text := "\r\n" + string(in)
	i := strings.Index(text, "\r\n.\r\n")
	if i < 0 {
		return "", 0, 0, false
	}
	used = i + 5 - 2
	text = strings.ReplaceAll(text[:i+2], "\r\n.", "\r\n")[2:]
	for j := range len(text) {
		switch text[j] {
		case '\r':
			if j+1 == len(text) || text[j+1] != '\n' {
				flaws |= flawBareCR
			}
		case '\n':
			if j == 0 || text[j-1] != '\r' {
				flaws |= flawBareLF
			}
		case 0:
			flaws |= flawNUL
		}
	}
	for line := range strings.SplitAfterSeq(text, "\n") {
		if len(line) > maxLine {
			flaws |= flawLongLine
		}
	}
	if int64(len(text)) > maxSize {
		flaws |= flawTooBig
	}
	return text, flaws, used, true
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{
		".\r\n", "a\r\n.\r\nrest", "..\r\n.\r\n", ".a\r\n..b\r\n.\r\n", "a\r\r\n.\r\n", ".\r\r\n.\r\n", "a\n.\n.\r\n\r\n.\r\n", "\r\n.\n\r\n.\r\n",
		"x\x00y\r\n.\r\n", "\r\r\r\n\r\n.\r\n.\r\n", "\n\n\r\n.\r\n", ".\n.\r\n.\r\n", "aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n.\r\n",
		"\u0110\u1ea7y \u0111\u1ee7\r\n.\r\nQUIT\r\n",
	} {
		f.Add([]byte(s), uint8(1))
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint8) {
		const maxSize, maxLine = 40, 12
		wantText, wantFlaws, wantUsed, wantEnd := reference(in, maxSize, maxLine)
		step := int(seed)%7 + 1
		text, flaws, size, used, end := follow(in, maxSize, maxLine, func() int {
			step = step*5%11 + 1
			return step
		})
		if end != wantEnd || end && used != wantUsed {
			t.Fatalf("end = %v after %d, want %v after %d", end, used, wantEnd, wantUsed)
		}
		if !end {
			return
		}
		if flaws != wantFlaws || size != int64(len(wantText)) {
			t.Errorf("flaws = %b, size = %d, want %b, %d", flaws, size, wantFlaws, len(wantText))
		}
		if flaws == 0 && text != wantText {
			t.Errorf("content = %q, want %q", text, wantText)
		}
	})
}

func TestBodyByteByByte(t *testing.T) {
	in := "Subject: x\r\n\r\n..one\r\n.two\r\n...\r\n\r\n.\r\n"
	text, flaws, _, used, end := follow([]byte(in), 1000, 1000, func() int { return 1 })
	if want := "Subject: x\r\n\r\n.one\r\ntwo\r\n..\r\n\r\n"; text != want || flaws != 0 || used != len(in) || !end {
		t.Errorf("got %q, %b, %d, %v, want %q", text, flaws, used, end, want)
	}
}

func TestBodyOfChunks(t *testing.T) {
	tests := []struct {
		name   string
		chunks []string
		flaws  flaw
	}{
		{"dots stay", []string{".\r\n", "..\r\n.\r\n"}, 0},
		{"CRLF cut in two", []string{"a\r", "\nb\r\n"}, 0},
		{"CR at the end", []string{"a\r"}, flawBareCR},
		{"CR before another chunk", []string{"a\r", "b\r\n"}, flawBareCR},
		{"LF at the beginning", []string{"a", "\n"}, flawBareLF},
		{"no line end at the end", []string{"a\r\nb"}, 0},
		{"NUL", []string{"a", "\x00"}, flawNUL},
		{"line over two chunks", []string{"123456", "7890\r\n"}, flawLongLine},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			b := body{maxSize: 100, maxLine: 10, sink: func(p []byte) { out.Write(p) }}
			for _, c := range tt.chunks {
				b.text([]byte(c))
			}
			b.finish()
			if b.flaws != tt.flaws {
				t.Errorf("flaws = %b, want %b", b.flaws, tt.flaws)
			}
			if want := strings.Join(tt.chunks, ""); b.flaws == 0 && out.String() != want {
				t.Errorf("content = %q, want %q", out.String(), want)
			}
		})
	}
}

func BenchmarkBody(b *testing.B) {
	p := bytes.Repeat([]byte("0123456789012345678901234567890123456789012345678901234567890123456789012345\r\n"), 64<<10/78)
	s := body{maxSize: 1 << 62, maxLine: 1 << 20, sink: func([]byte) {}}
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		s.data(p)
	}
	if s.flaws != 0 {
		b.Fatal(s.flaws)
	}
}
