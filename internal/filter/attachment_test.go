package filter

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"vanthu/internal/mail"
)

var rules = Rules{
	Allow: []string{"pdf", "docx", "xlsx", "doc", "zip", "txt", "csv", "png", "jpg", "xml", "edxml", "eml", "p7s", "ics"},
	Hold:  []string{"rar", "7z", "html"}, Risky: Hold,
}

type file struct{ disposition, mediaType, content string }

func named(name, mediaType, content string) file {
	return file{`attachment; filename="` + name + `"`, mediaType, content}
}

// mailWith makes a message with attachments and scans it.
func mailWith(t testing.TB, files ...file) (*mail.Message, io.ReaderAt) {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("From: a@p.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=xx\r\n\r\n--xx\r\n\r\ntext\r\n")
	for _, f := range files {
		fmt.Fprintf(&b, "--xx\r\nContent-Type: %s\r\n", f.mediaType)
		if f.disposition != "" {
			fmt.Fprintf(&b, "Content-Disposition: %s\r\n", f.disposition)
		}
		if strings.HasPrefix(f.mediaType, "message/") {
			b.WriteString("\r\n" + f.content + "\r\n")
			continue
		}
		fmt.Fprintf(&b, "Content-Transfer-Encoding: base64\r\n\r\n%s\r\n", base64.StdEncoding.EncodeToString([]byte(f.content)))
	}
	b.WriteString("--xx--\r\n")
	return scanned(t, b.Bytes())
}

func scanned(t testing.TB, raw []byte) (*mail.Message, io.ReaderAt) {
	t.Helper()
	s := mail.NewScanner(mail.Limits{})
	if _, err := s.Write(raw); err != nil {
		t.Fatal(err)
	}
	return s.Finish(), bytes.NewReader(raw)
}

func archive(t testing.TB, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const (
	pdf     = "%PDF-1.7\n…"
	windows = "MZ\x90\x00\x03\x00\x00\x00program"
	elf     = "\x7fELF\x02\x01\x01"
	ole     = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
	octets  = "application/octet-stream"
)

func TestAttachments(t *testing.T) {
	locked := []byte(archive(t, "a.pdf", pdf))
	locked[6] |= 1                                               // the flag in the file's header
	locked[bytes.LastIndex(locked, []byte("PK\x01\x02"))+8] |= 1 // and in the list
	office := archive(t, "[Content_Types].xml", "<?xml?>", "word/document.xml", "<?xml?>")
	tests := []struct {
		name   string
		file   file
		action Action
		code   Code
		about  string // Decision.File, when not the file's name
	}{
		{name: "pdf", file: named("công văn.pdf", "application/pdf", pdf)},
		{name: "pdf as octets", file: named("a.PDF", octets, pdf)},
		{name: "damaged pdf", file: named("a.pdf", "application/pdf", "\x00\x01\x02")},
		{name: "edxml", file: named("g.edxml", "application/xml", "<?xml version=\"1.0\"?><a/>")},
		{name: "zipped edxml", file: named("g.edxml", "application/zip", archive(t, "x.edxml", "<?xml?>"))},
		{name: "text", file: named("a.txt", "text/plain", "MZ are two letters")},
		{name: "word", file: named("a.docx", octets, office)},
		{name: "zip", file: named("a.zip", "application/zip", archive(t, "dir/", "", "dir/a.pdf", pdf, "b.txt", "x"))},
		{name: "empty zip", file: named("a.zip", "application/zip", archive(t))},
		{name: "old word", file: named("a.doc", "application/msword", ole+"…")},
		{name: "no name", file: file{"attachment", "application/pdf", pdf}},
		{name: "inline image without name", file: file{"inline", "image/png", "\x89PNG\r\n\x1a\n…"}},
		{name: "calendar", file: file{"", "text/calendar", "BEGIN:VCALENDAR"}},
		{name: "signature", file: named("smime.p7s", "application/pkcs7-signature", "\x30\x82")},

		{name: "program", file: named("a.exe", octets, windows), action: Refuse, code: CodeDisguise},
		{name: "program as pdf", file: named("cong-van.pdf", "application/pdf", windows), action: Refuse, code: CodeDisguise},
		{name: "program for another system", file: named("a.pdf", "application/pdf", elf), action: Refuse, code: CodeDisguise},
		{name: "program in words", file: named("a.txt", "application/x-msdownload", "hello"), action: Refuse, code: CodeDisguise},
		{name: "two extensions", file: named("cong-van.pdf.scr", octets, "x"), action: Refuse, code: CodeType},
		{name: "turned letters", file: named("cong-van\u202efdp.exe", octets, "x"), action: Refuse, code: CodeType, about: "cong-vanfdp.exe"},
		{name: "two names", file: file{`attachment; filename="a.pdf"`, octets + `; name="a.exe"`, "x"}, action: Refuse, code: CodeType, about: "a.pdf"},
		{name: "page as pdf", file: named("a.pdf", "application/pdf", "<!DOCTYPE html><script>"), action: Refuse, code: CodeDisguise},
		{name: "zip as pdf", file: named("a.pdf", "application/pdf", archive(t, "a.txt", "x")), action: Refuse, code: CodeDisguise},
		{name: "not allowed", file: named("a.iso", octets, "x"), action: Refuse, code: CodeType},
		{name: "no name, unknown", file: file{"attachment", octets, "\x00\x01"}, action: Refuse, code: CodeType, about: octets},
		{name: "shortcut", file: named("a.lnk", octets, "L\x00\x00\x00\x01\x14\x02\x00"), action: Refuse, code: CodeDisguise},

		{name: "looked at first", file: named("a.rar", octets, "Rar!\x1a\x07\x00"), action: Hold, code: CodeType},
		{name: "macro by name", file: named("a.docm", octets, office), action: Hold, code: CodeMacro},
		{name: "macro inside", file: named("a.docx", octets, archive(t, "[Content_Types].xml", "", "word/vbaProject.bin", ole)), action: Hold, code: CodeMacro},
		{name: "macro in old word", file: named("a.doc", octets, ole+strings.Repeat("x", 200_000)+string(utf16("_VBA_PROJECT"))), action: Hold, code: CodeMacro},
		{name: "encrypted office", file: named("a.docx", octets, ole+string(utf16("EncryptedPackage"))), action: Hold, code: CodeArchive},
		{name: "encrypted zip", file: named("a.zip", octets, string(locked)), action: Hold, code: CodeArchive},
		{name: "zip in zip", file: named("a.zip", octets, archive(t, "b.zip", archive(t, "a.pdf", pdf))), action: Hold, code: CodeArchive},
		{name: "damaged zip", file: named("a.zip", octets, "PK\x03\x04 not a zip"), action: Hold, code: CodeArchive},

		{name: "program in zip", file: named("a.zip", octets, archive(t, "a.pdf", pdf, "x/b.exe", windows)), action: Refuse, code: CodeDisguise, about: "a.zip → b.exe"},
		{name: "disguised in zip", file: named("a.zip", octets, archive(t, "b.pdf", windows)), action: Refuse, code: CodeDisguise, about: "a.zip → b.pdf"},
		{name: "program in word", file: named("a.docx", octets, archive(t, "[Content_Types].xml", "", "word/embeddings/x.bin", windows)), action: Refuse, code: CodeDisguise, about: "a.docx → x.bin"},
		{name: "out of its folder", file: named("a.zip", octets, archive(t, "../../etc/a.txt", "x")), action: Refuse, code: CodeArchive},
		{name: "another disk", file: named("a.zip", octets, archive(t, `C:\a.txt`, "x")), action: Refuse, code: CodeArchive},
		{name: "bomb", file: named("a.zip", octets, archive(t, "a.txt", strings.Repeat("0", 12<<20))), action: Refuse, code: CodeArchive},
		{
			name: "in a message in a message", action: Refuse, code: CodeType, about: "b.exe",
			file: file{"", "message/rfc822", "Content-Type: message/rfc822\r\n\r\nContent-Type: application/octet-stream\r\n" +
				"Content-Disposition: attachment; filename=b.exe\r\n\r\nx"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, r := mailWith(t, tt.file)
			d, err := NewAttachments(rules, t.TempDir()).Check(m, r)
			if err != nil {
				t.Fatal(err)
			}
			if d.Action != tt.action || d.Code != tt.code {
				t.Errorf("got %v %s %q, want %v %s", d.Action, d.Code, d.Text.EN, tt.action, tt.code)
			}
			if d.Action == Pass {
				return
			}
			about := tt.about
			if about == "" {
				about = m.Attachments()[0].Name
			}
			if d.File != about || !strings.Contains(d.Text.EN, about) || !strings.Contains(d.Text.VI, about) {
				t.Errorf("it is about %q and says %q, want %q", d.File, d.Text, about)
			}
		})
	}
}

// TestManyEntries: a list of files is not even read when it is too long. T116.
func TestManyEntries(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range maxEntries + 1 {
		if _, err := w.Create(fmt.Sprintf("%d.txt", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	lying := bytes.Clone(b.Bytes())
	end := bytes.LastIndex(lying, []byte("PK\x05\x06"))
	lying[end+8], lying[end+9], lying[end+10], lying[end+11] = 1, 0, 1, 0
	for name, z := range map[string][]byte{"honest": b.Bytes(), "says 1": lying} {
		m, r := mailWith(t, named("a.zip", octets, string(z)))
		d, err := NewAttachments(rules, t.TempDir()).Check(m, r)
		if err != nil {
			t.Fatal(err)
		}
		if d.Action == Pass || d.Code != CodeArchive {
			t.Errorf("%s: %v %q", name, d.Action, d.Text.EN)
		}
	}
}

// TestLargeArchive: it goes through a file that leaves nothing behind.
func TestLargeArchive(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateHeader(&zip.FileHeader{Name: "a.txt", Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, strings.Repeat("text ", 600_000)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Create("b.exe"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	m, r := mailWith(t, named("a.zip", octets, b.String()))
	d, err := NewAttachments(rules, t.TempDir()).Check(m, r)
	if err != nil || d.Action != Refuse || d.File != "a.zip → b.exe" {
		t.Errorf("got %v %q, %v", d.Action, d.File, err)
	}
}

func FuzzAttachment(f *testing.F) {
	f.Add("a.zip", []byte(archive(f, "a.pdf", pdf)))
	f.Add("a.doc", []byte(ole))
	f.Add("a.pdf", []byte(windows))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		m, r := mailWith(t, file{fmt.Sprintf("attachment; filename=%q", name), octets, string(content)})
		d, err := NewAttachments(rules, t.TempDir()).Check(m, r)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(content, []byte(elf)) && len(m.Attachments()) > 0 && d.Action != Refuse {
			t.Errorf("a program got through as %q", name)
		}
	})
}
