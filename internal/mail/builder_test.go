package mail

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

func mailbox(t *testing.T, name, addr string) Mailbox {
	t.Helper()
	a, err := ParseAddress(addr, true)
	if err != nil {
		t.Fatal(err)
	}
	return Mailbox{Name: name, Addr: a}
}

// readPart gives the decoded body of p.
func readPart(t *testing.T, raw []byte, p *Part) string {
	t.Helper()
	b, err := io.ReadAll(p.Decoder(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestBuilderRoundTrip(t *testing.T) {
	date := time.Date(2026, 11, 24, 8, 0, 0, 0, time.FixedZone("", 7*3600))
	base := Builder{
		From:      mailbox(t, "Văn thư, xã A", "vanthu@xa-a.tinh.example"),
		To:        []Mailbox{mailbox(t, "", "sonoivu@tinh.example"), mailbox(t, `Sở "Nội vụ"`, "a.b@tinh.example")},
		Subject:   "123/QĐ-UBND về việc phê duyệt kế hoạch chuyển đổi số năm 2026 của Ủy ban nhân dân xã A, gửi các đơn vị trực thuộc để thực hiện",
		Date:      date,
		MessageID: "<abc@tinh.example>",
		Text:      "Kính gửi: Sở Nội vụ\n\n.chấm đầu dòng\nFrom đầu dòng\n" + strings.Repeat("dài ", 100) + "\n",
	}
	long := "Báo cáo kết quả thực hiện nhiệm vụ phát triển kinh tế - xã hội, quốc phòng - an ninh năm 2026 và phương hướng nhiệm vụ năm 2027.pdf"
	tests := []struct {
		name  string
		edit  func(*Builder)
		tree  string
		files []string
	}{
		{"text", func(*Builder) {}, "text/plain", nil},
		{"ascii", func(b *Builder) { b.Subject, b.Text = "plain subject", "plain\ntext" }, "text/plain", nil},
		{"empty", func(b *Builder) { b.Subject, b.Text, b.To = "", "", nil }, "text/plain", nil},
		{"hostile", func(b *Builder) {
			b.Subject = "a\r\nBcc: x@y\r\n\r\n=?utf-8?q?b?="
			b.From.Name = "a\r\nb: \x00\"\\"
			b.Extra = []ExtraField{{"X-VB-\r\nSo: ", "1\r\nY: 2"}, {"X-VB-Trich-Yeu", strings.Repeat("x", 2000)}}
			b.Text = "a\x00b\r\n\r\n.\r\n--=_x"
		}, "text/plain", nil},
		{"files", func(b *Builder) {
			b.Files = []File{{Name: "Công văn.pdf", Type: "application/pdf", Content: bytes.Repeat([]byte{0, 1, 255}, 1000)}, {Name: long, Content: []byte("x")}, {Name: "a.txt", Type: "text/plain"}}
		}, "multipart/mixed(text/plain application/pdf application/octet-stream text/plain)", []string{"Công văn.pdf", long, "a.txt"}},
		{"message file", func(b *Builder) {
			b.Files = []File{{Name: "a.eml", Type: "message/rfc822", Content: []byte("Subject: é\n\nx\n")}}
		}, "multipart/mixed(text/plain message/rfc822(text/plain))", []string{"a.eml"}},
		{"report", func(b *Builder) {
			b.Report = &Report{Type: "delivery-status", Status: []byte("Reporting-MTA: dns; x\n\nAction: failed\n"), Original: []byte("Subject: a\r\n\r\nx\r\n")}
		}, "multipart/report(text/plain message/delivery-status message/rfc822(text/plain))", []string{"", ""}},
		{"report with headers", func(b *Builder) {
			b.Report = &Report{Type: "disposition-notification", Status: []byte("Disposition: x\n"), Original: []byte("Subject: a\r\n"), Headers: true}
		}, "multipart/report(text/plain message/disposition-notification text/rfc822-headers)", []string{"", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := base
			tt.edit(&b)
			raw := b.Bytes()
			m := scan(raw)
			if got := tree(m.Root); got != tt.tree {
				t.Errorf("tree = %s, want %s\n%s", got, tt.tree, raw)
			}
			if m.Defects != 0 && (tt.name != "message file" || m.Defects != DefectBody8Bit|DefectHeader8Bit) {
				t.Errorf("defects = %b\n%s", m.Defects, raw)
			}
			if got, want := m.Envelope.Subject, strings.Join(strings.Fields(cleanText(b.Subject)), " "); strings.Join(strings.Fields(got), " ") != want {
				t.Errorf("subject = %q, want %q", got, want)
			}
			if got, want := m.Envelope.From, []HeaderAddress{{Name: cleanText(b.From.Name), Addr: b.From.Addr.String()}}; !reflect.DeepEqual(got, want) {
				t.Errorf("from = %q, want %q", got, want)
			}
			if !m.Envelope.Date.Equal(date) || m.Envelope.MessageID != b.MessageID {
				t.Errorf("date, id = %v, %q", m.Envelope.Date, m.Envelope.MessageID)
			}
			if len(b.To) > 0 {
				want := []HeaderAddress{{Addr: "sonoivu@tinh.example"}, {Name: `Sở "Nội vụ"`, Addr: "a.b@tinh.example"}}
				if got := m.Envelope.To; !reflect.DeepEqual(got, want) {
					t.Errorf("to = %q, want %q", got, want)
				}
			}
			text := m.Root
			if text.IsMultipart() {
				text = text.Children[0]
			}
			if got, want := readPart(t, raw, text), normalizeText(b.Text); got != want {
				t.Errorf("text = %q, want %q", got, want)
			}
			var files []string
			for i, a := range m.Attachments() {
				files = append(files, a.Name)
				if i < len(b.Files) && a.Part.Message == nil {
					if got := readPart(t, raw, a.Part); got != string(b.Files[i].Content) {
						t.Errorf("file %d differs", i)
					}
				}
			}
			if !reflect.DeepEqual(files, tt.files) {
				t.Errorf("files = %q, want %q", files, tt.files)
			}
			for line := range strings.SplitSeq(string(raw), "\r\n") {
				if len(line) > maxFolded && tt.name != "message file" {
					t.Errorf("line of %d octets: %q", len(line), line)
				}
			}
			checkMessage(t, raw, m)
			if !bytes.Equal(raw, b.Bytes()) {
				t.Error("second build differs")
			}
		})
	}
}

func TestBuilderHeader(t *testing.T) {
	b := Builder{
		From: mailbox(t, "Van thu xa A", "vanthu@x.example"), To: []Mailbox{mailbox(t, "A, B", "b@x.example")},
		Subject: "Hello", Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), MessageID: "<a@b>", InReplyTo: "<c@d>",
		References: []string{"<c@d>", "<e@f>"}, AutoSubmitted: "auto-generated", Language: "vi", Text: "Hi\n",
		Extra: []ExtraField{{"X-VB-So", "123/QD-UBND"}},
	}
	want := crlf(`From: Van thu xa A <vanthu@x.example>
To: "A, B" <b@x.example>
Date: Fri, 02 Jan 2026 03:04:05 +0000
Message-ID: <a@b>
In-Reply-To: <c@d>
References: <c@d> <e@f>
Subject: Hello
Auto-Submitted: auto-generated
Content-Language: vi
X-VB-So: 123/QD-UBND
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

Hi
`)
	if got := string(b.Bytes()); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestNewMessageID(t *testing.T) {
	a, b := NewMessageID("x.example"), NewMessageID("x.example")
	if a == b || firstID(a) != a || !strings.HasSuffix(a, "@x.example>") {
		t.Errorf("ids %q, %q", a, b)
	}
}
