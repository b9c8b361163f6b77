package mail

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"testing"
)

// TestSection walks the example of RFC 9051, section 6.4.5.1.
func TestSection(t *testing.T) {
	inner := "Subject: in 3\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nthree one\n--c\nContent-Type: application/octet-stream\n\nthree two\n--c--"
	deep := "Subject: in 4.2\nContent-Type: multipart/mixed; boundary=e\n\n--e\n\nfour two one\n--e\nContent-Type: multipart/alternative; boundary=f\n\n--f\n\nA\n--f\nContent-Type: text/richtext\n\nB\n--f--\n--e--"
	four := "--d\nContent-Type: image/gif\n\nGIF\n--d\nContent-Type: message/rfc822\n\n" + deep + "\n--d--"
	raw := crlf("Subject: top\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: application/octet-stream\n\ntwo\n" +
		"--b\nContent-Type: message/rfc822\n\n" + inner + "\n--b\nContent-Type: multipart/mixed; boundary=d\n\n" + four + "\n--b--\n")
	plain := crlf("Subject: plain\n\nbody\n")
	whole := crlf("Content-Type: message/rfc822\n\nSubject: x\n\nbody\n")
	const none = "\x00none"
	tests := []struct{ raw, section, want string }{
		{raw, "", raw},
		{raw, "HEADER", crlf("Subject: top\nContent-Type: multipart/mixed; boundary=b\n\n")},
		{raw, "MIME", none},
		{raw, "1", "one"},
		{raw, "1.MIME", "\r\n"},
		{raw, "1.HEADER", none},
		{raw, "1.TEXT", none},
		{raw, "1.1", none},
		{raw, "2", "two"},
		{raw, "3", crlf(inner)},
		{raw, "3.MIME", crlf("Content-Type: message/rfc822\n\n")},
		{raw, "3.HEADER", crlf("Subject: in 3\nContent-Type: multipart/mixed; boundary=c\n\n")},
		{raw, "3.TEXT", crlf(inner[strings.Index(inner, "\n\n")+2:])},
		{raw, "3.1", "three one"},
		{raw, "3.2", "three two"},
		{raw, "3.3", none},
		{raw, "4", crlf(four)},
		{raw, "4.HEADER", none},
		{raw, "4.1", "GIF"},
		{raw, "4.1.MIME", crlf("Content-Type: image/gif\n\n")},
		{raw, "4.2.HEADER", crlf("Subject: in 4.2\nContent-Type: multipart/mixed; boundary=e\n\n")},
		{raw, "4.2.1", "four two one"},
		{raw, "4.2.2.1", "A"},
		{raw, "4.2.2.2", "B"},
		{raw, "4.2.2.MIME", crlf("Content-Type: multipart/alternative; boundary=f\n\n")},
		{raw, "5", none},
		{raw, "0", none},
		{plain, "TEXT", "body\r\n"},
		{plain, "1", "body\r\n"},
		{plain, "1.MIME", crlf("Subject: plain\n\n")},
		{plain, "1.1", none},
		{plain, "2", none},
		{whole, "1", crlf("Subject: x\n\nbody\n")},
		{whole, "1.HEADER", crlf("Subject: x\n\n")},
		{whole, "1.1", crlf("body\n")},
		{whole, "1.1.1", none},
	}
	for _, tt := range tests {
		s, err := DecodeStructure(EncodeStructure(scan([]byte(tt.raw))))
		if err != nil {
			t.Fatal(err)
		}
		what := SectionWhole
		var path []int
		for word := range strings.SplitSeq(tt.section, ".") {
			switch n, err := strconv.Atoi(word); {
			case err == nil:
				path = append(path, n)
			case word == "HEADER":
				what = SectionHeader
			case word == "TEXT":
				what = SectionText
			case word == "MIME":
				what = SectionMIME
			}
		}
		got := none
		if off, n, ok := s.Section(path, what); ok {
			got = tt.raw[off : off+n]
		}
		if got != tt.want {
			t.Errorf("BODY[%s] = %q, want %q", tt.section, got, tt.want)
		}
		if p := s.Part(path); p != nil && what == SectionWhole && len(path) > 0 {
			b, err := io.ReadAll(p.Decoder(bytes.NewReader([]byte(tt.raw))))
			if err != nil || string(b) != tt.want {
				t.Errorf("part %s = %q, %v, want %q", tt.section, b, err, tt.want)
			}
		}
	}
}

// TestDecodeStructureDamaged cuts and bends a stored structure.
func TestDecodeStructureDamaged(t *testing.T) {
	good := EncodeStructure(scan([]byte(nasty()[6])))
	if _, err := DecodeStructure(good); err != nil {
		t.Fatal(err)
	}
	for n := range len(good) {
		if _, err := DecodeStructure(good[:n]); err == nil {
			t.Errorf("cut at %d of %d: no error", n, len(good))
		}
	}
	if _, err := DecodeStructure(append([]byte{structureVersion + 1}, good[1:]...)); err == nil {
		t.Error("unknown version: no error")
	}
	if _, err := DecodeStructure(append(bytes.Clone(good), 0)); err == nil {
		t.Error("trailing octet: no error")
	}
}
