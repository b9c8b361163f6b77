package mail

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDecoder(t *testing.T) {
	tests := []struct{ name, encoding, in, want string }{
		{"7bit", "7bit", "a=20\r\n", "a=20\r\n"},
		{"unknown", "x-uuencode", "abc", "abc"},
		{"base64", "base64", "VsSDbg==\r\n", "Văn"},
		{"base64 broken lines", "base64", "Vs\r\nSD\n bg=\r=", "Văn"},
		{"base64 junk", "base64", "Vs!S*D\x00bg==", "Văn"},
		{"base64 without padding", "base64", "VsSDbg", "Văn"},
		{"base64 end to end", "base64", "YQ==YmM=ZA", "abcd"},
		{"base64 url", "base64", "-_-_", "\xfb\xff\xbf"},
		{"base64 rest of one letter", "base64", "YWJjY", "abc"},
		{"qp", "quoted-printable", "V=C4=83n=\r\n th=c6=b0\r\n", "Văn thư\r\n"},
		{"qp soft break with blanks", "quoted-printable", "a= \t\r\nb=\nc", "abc"},
		{"qp blanks at the end", "quoted-printable", "a  \t\r\nb \nc ", "a\r\nb\nc"},
		{"qp broken escapes", "quoted-printable", "a=b=Z1==3D=", "a=b=Z1=="},
		{"qp escape at the end", "quoted-printable", "a=3", "a=3"},
		{"qp lone CR", "quoted-printable", "a \rb=\rc", "a \rb=\rc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &Part{BodyOffset: 1, BodyLen: int64(len(tt.in)), Encoding: tt.encoding}
			r := strings.NewReader("x" + tt.in + "y")
			got, err := io.ReadAll(p.Decoder(r))
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
			var slow io.Reader
			switch tt.encoding {
			case "base64":
				slow = &base64Reader{src: iotest.OneByteReader(strings.NewReader(tt.in))}
			case "quoted-printable":
				slow = &qpReader{src: iotest.OneByteReader(strings.NewReader(tt.in))}
			default:
				return
			}
			if got, err := io.ReadAll(slow); err != nil || string(got) != tt.want {
				t.Errorf("by single octets: got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestDecoderLongBlanks(t *testing.T) {
	in := strings.Repeat(" ", 100_000) + "x"
	for _, src := range []io.Reader{strings.NewReader(in), iotest.HalfReader(strings.NewReader(in))} {
		got, err := io.ReadAll(&qpReader{src: src})
		if err != nil || string(got) != in {
			t.Errorf("%d octets, %v, want %d", len(got), err, len(in))
		}
	}
}

func BenchmarkDecoder(b *testing.B) {
	raw := base64Body(1 << 20)
	p := &Part{BodyLen: int64(len(raw)), Encoding: "base64"}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		_, _ = io.Copy(io.Discard, p.Decoder(bytes.NewReader(raw)))
	}
}

// FuzzDecoder tests that how the input arrives makes no difference.
func FuzzDecoder(f *testing.F) {
	for _, s := range []string{"YQ==YmM=ZA", "a= \t\r\nb =\r", "=3D=4", "a \r\n \r"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, encoding := range []string{"base64", "quoted-printable"} {
			p := &Part{BodyLen: int64(len(in)), Encoding: encoding}
			whole, err := io.ReadAll(p.Decoder(bytes.NewReader(in)))
			if err != nil || len(whole) > len(in) {
				t.Fatalf("%s: %d octets of %d, %v", encoding, len(whole), len(in), err)
			}
			var slow io.Reader = &base64Reader{src: iotest.OneByteReader(bytes.NewReader(in))}
			if encoding != "base64" {
				slow = &qpReader{src: iotest.OneByteReader(bytes.NewReader(in))}
			}
			if got, err := io.ReadAll(slow); err != nil || !bytes.Equal(got, whole) {
				t.Fatalf("%s: %q by single octets, %q at once", encoding, got, whole)
			}
		}
	})
}
