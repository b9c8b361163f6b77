package edoc

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"vanthu/internal/fault"
)

func sample(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func parsePackage(t *testing.T, text string) *Package {
	t.Helper()
	p, err := ParseEdXML(strings.NewReader(text), Limits{})
	if err != nil {
		t.Fatalf("ParseEdXML: %v", err)
	}
	return p
}

func TestParseEdXML(t *testing.T) {
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, vietnam)
	want := &Package{
		Header: MessageHeader{
			From: Organization{OrganID: "H18.26", InCharge: "UBND tỉnh Điện Biên", Name: "Sở Nội vụ", Email: "vanthu.snv@example.gov.vn"},
			To: []Organization{
				{OrganID: "H18.101", Name: "UBND xã A"},
				{OrganID: "000.00.02.H18", Name: "UBND xã B"},
			},
			DocumentID: "H18.26,2026/11/23,123/SNV-VP",
			CodeNumber: "123", CodeNotation: "SNV-VP",
			Place: "Điện Biên", Issued: day,
			Class: ClassAdministrative, TypeDetail: 18, TypeName: "Công văn",
			Subject:  "V/v rà soát nhân sự",
			Signer:   Signer{"KT. GIÁM ĐỐC", "Phó Giám đốc", "(họ tên người ký)"},
			Due:      at("2026-11-30 23:59:59"),
			ToPlaces: []string{"UBND các xã, phường", "Lưu: VT"},
			Other:    OtherInfo{Urgency: UrgencyUrgent, Copies: 1, Pages: 2},
			Steering: 1,
		},
		Trace:    []TraceHeader{{"H18.26", at("2026-11-23 09:14:05")}},
		Business: Business{Reason: "Văn bản điện tử mới"},
		Files:    []PackageFile{{"cid:1", "123.pdf", "Văn bản chính", "application/pdf", []byte("%PDF-1.4\n%%EOF\n")}},
	}
	got := parsePackage(t, sample(t, "congvan.edxml"))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if problems := got.Validate(at("2026-11-23 12:00:00")); len(problems) > 0 {
		t.Errorf("problems %v, want none", problems)
	}
	if c, ok := got.Header.Code(); !ok || c != *code("123/SNV-VP") {
		t.Errorf("code is %v, want 123/SNV-VP", c)
	}
	if dt := got.Header.DocType(); dt.Num != 18 {
		t.Errorf("type is %+v, want Công văn", dt)
	}
}

func TestParseEdXMLOldAndDisordered(t *testing.T) {
	got := parsePackage(t, sample(t, "thaythe-cu.edxml"))
	h := got.Header
	if h.From.OrganID != "000.00.26.H18" || len(h.To) != 1 || h.To[0].Name != "UBND xã A" {
		t.Errorf("parties are %+v, %+v", h.From, h.To)
	}
	if c, ok := h.Code(); !ok || c.String() != "06a/QĐ-SNV" {
		t.Errorf("code is %v", c)
	}
	if h.Subject != "Ban hành quy chế làm việc" {
		t.Errorf("subject is %q", h.Subject)
	}
	if edxmlDay(h.Issued) != "2026/11/23" || !h.Other.Direction || h.Other.Urgency != UrgencyFlash || len(h.Other.Appendixes) != 2 {
		t.Errorf("header is %+v", h)
	}
	if len(got.Trace) != 1 || !got.Trace[0].At.Equal(at("2026-11-23 09:14:05")) {
		t.Errorf("trace is %v", got.Trace)
	}
	b := got.Business
	if b.Op != OpReplace || !b.Paper || b.Reason != "Sai số liệu" || b.Staff.Mobile != "0215000000" ||
		len(b.Replaces) != 1 || len(b.Replaces[0].OrganIDs) != 2 {
		t.Errorf("business is %+v", b)
	}
	if len(got.Files) != 1 || string(got.Files[0].Data) != "%PDF-1.4" || got.Files[0].Name != "06a.pdf" || got.Files[0].Sniff() != "application/pdf" {
		t.Errorf("files are %+v", got.Files)
	}
	if problems := got.Validate(time.Time{}); len(problems) > 0 {
		t.Errorf("problems %v, want none", problems)
	}
}

// The oracle: what we read, we write so that it reads the same.
func TestEdXMLRoundTrip(t *testing.T) {
	for _, name := range []string{"congvan.edxml", "thaythe-cu.edxml"} {
		first := parsePackage(t, sample(t, name))
		text, err := first.Encode()
		if err != nil {
			t.Fatalf("%s: Encode: %v", name, err)
		}
		second := parsePackage(t, string(text))
		for i := range first.Files {
			first.Files[i].Type = first.Files[i].Sniff() // wrong types are not written again
		}
		if !reflect.DeepEqual(first, second) {
			t.Errorf("%s: got %+v, want %+v", name, second, first)
		}
		again, err := second.Encode()
		if err != nil || !bytes.Equal(text, again) {
			t.Errorf("%s: the second encoding differs from the first (%v)", name, err)
		}
	}
}

func TestEdXMLUpdateRoundTrip(t *testing.T) {
	p := parsePackage(t, sample(t, "congvan.edxml"))
	p.Header.SetCode(*code("09/2025/QĐ-UBND"))
	p.Header.SetDocType(TypeForCode(*code("09/2025/QĐ-UBND")))
	p.Header.Subject = `Thay "A" & <B>`
	p.Business = Business{
		Op: OpUpdate, Reason: "Thêm nơi nhận", DocumentID: p.Header.DocumentID, ReceiversChanged: true,
		Receivers: []ReceiverChange{{"H18.102", true}, {"H18.101", false}},
		Staff:     StaffInfo{Department: "Văn phòng", DepartmentID: "1", Staff: "Văn thư", StaffID: "2", Email: "a@example.gov.vn", Mobile: "1"},
	}
	p.Header.Other = OtherInfo{
		Urgency: UrgencyTimed, Sphere: "x", TyperNotation: "y", Copies: 3, Pages: 4, Direction: true,
		ReplyFors: []string{"a", "b"}, ReferenceCodes: []string{"c"}, Appendixes: []string{"d"},
	}
	text, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got := parsePackage(t, string(text)); !reflect.DeepEqual(got, p) {
		t.Errorf("got %+v, want %+v", got, p)
	}
	if c, ok := p.Header.Code(); !ok || c != *code("09/2025/QĐ-UBND") {
		t.Errorf("code is %v", c)
	}
	if dt := p.Header.DocType(); dt.Name != "Quyết định" || dt.Class != ClassLegal {
		t.Errorf("type is %+v", dt)
	}
	p.Header.SetCode(*code("12-CV/TU"))
	if c, ok := p.Header.Code(); !ok || c != *code("12-CV/TU") {
		t.Errorf("Party code is %v", c)
	}
}

func zipOf(t testing.TB, entries map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range entries {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func withAttachment(name string, content []byte) string {
	return `<edXML><MessageHeader/><AttachmentEncoded><Attachment><AttachmentName>` + name +
		`</AttachmentName><ContentType>application/zip</ContentType><ContentTransferEncoded>` +
		base64.StdEncoding.EncodeToString(content) + `</ContentTransferEncoded></Attachment></AttachmentEncoded></edXML>`
}

func TestAttachmentUnwrap(t *testing.T) {
	const uuid = "5f0c2c66-6d1a-4a8e-9d0e-6b1f2a3c4d5e.edxml"
	sdk := zipOf(t, map[string]string{uuid: "%PDF-1.4"})
	ownZip := zipOf(t, map[string]string{"a.txt": "a"})
	wrappedZip := zipOf(t, map[string]string{uuid: string(ownZip)})
	two := zipOf(t, map[string]string{"a": "1", "b": "2"})
	tests := []struct {
		name, file string
		in, want   []byte
	}{
		{"SDK's ZIP", "123.pdf", sdk, []byte("%PDF-1.4")},
		{"plain", "123.pdf", []byte("%PDF-1.4"), []byte("%PDF-1.4")},
		{"own ZIP of one file", "tep.zip", ownZip, ownZip},
		{"own ZIP wrapped by the SDK", "tep.ZIP", wrappedZip, ownZip},
		{"entry has the attachment's name", "a.txt", ownZip, ownZip},
		{"several entries", "a.docx", two, two},
		{"broken ZIP", "a.pdf", sdk[:20], sdk[:20]},
		{"empty", "a.pdf", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := parsePackage(t, withAttachment(tt.file, tt.in))
			if got := p.Files[0].Data; !bytes.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBase64Tolerance(t *testing.T) {
	tests := []struct {
		in, want string
		whole    bool
	}{
		{"QUJD", "ABC", true},
		{"QUI=", "AB", true},
		{"QUI", "AB", true},
		{"QQ==", "A", true},
		{"Q\r\nU JD\t", "ABC", true},
		{"-_-_", "\xfb\xff\xbf", true},
		{"QUI=QUJD", "AB", true},
		{"QU&#13;\n&#xA;JD", "ABC", true},
		{"QU&#65;JD", "ABC", false},
		{"QUJD&#13", "ABC", false},
		{"Q", "", false},
		{"QU*JD", "ABC", false},
		{"", "", true},
	}
	for _, tt := range tests {
		room := int64(100)
		b := base64Reader{room: &room}
		for i := range len(tt.in) {
			b.write([]byte(tt.in[i : i+1]))
		}
		got, whole := b.finish()
		if string(got) != tt.want || whole != tt.whole {
			t.Errorf("%q: got %q, %v, want %q, %v", tt.in, got, whole, tt.want, tt.whole)
		}
	}
}

// Whatever stands around and inside the content, each attachment gets its own.
func TestContentIsFound(t *testing.T) {
	const c = "ContentTransferEncoded"
	one := func(content string) string { return "<Attachment>" + content + "</Attachment>" }
	tests := []struct {
		name, in string
		want     []string
	}{
		{"plain", one("<" + c + ">QUJD</" + c + ">"), []string{"ABC"}},
		{"prefix, attributes, blanks", one("<x:" + c + "\n a='>' b=\"/>\" >QUJD</x:" + c + " >"), []string{"ABC"}},
		{"small letters", one("<contenttransferencoded>QUJD</contenttransferencoded>"), []string{"ABC"}},
		{"empty elements", one("<"+c+"/>") + one("<"+c+" />") + one("<"+c+">QUJD</"+c+">"), []string{"", "", "ABC"}},
		{"comment inside", one("<" + c + ">QU<!-- <" + c + ">eA== -->JD</" + c + ">"), []string{"ABC"}},
		{"CDATA inside", one("<" + c + "><![CDATA[QU]]>JD</" + c + ">"), []string{"ABC"}},
		{"tag in a comment", "<!-- <" + c + ">eA==</" + c + "> - -> -->" + one("<"+c+">QUJD</"+c+">"), []string{"ABC"}},
		{"tag in CDATA", "<![CDATA[ <" + c + ">eA== ]] ]>]]>" + one("<"+c+">QUJD</"+c+">"), []string{"ABC"}},
		{"tag in an instruction", "<?x <" + c + ">eA== ? > ?>" + one("<"+c+">QUJD</"+c+">"), []string{"ABC"}},
		{"tag in an attribute", "<y a='&lt;" + c + ">'/>" + one("<"+c+">QUJD</"+c+">"), []string{"ABC"}},
		{"longer name", "<" + c + "X>eA==</" + c + "X>" + one("<"+c+">QUJD</"+c+">"), []string{"ABC"}},
		{"order", one("<"+c+">QQ==</"+c+">") + one("<"+c+">Qg==</"+c+">"), []string{"A", "B"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := "<e><MessageHeader/><AttachmentEncoded>" + tt.in + "</AttachmentEncoded></e>"
			for name, r := range map[string]io.Reader{
				"whole": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text)),
			} {
				p, err := ParseEdXML(r, Limits{})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				var got []string
				for _, f := range p.Files {
					got = append(got, string(f.Data))
				}
				if !slices.Equal(got, tt.want) || len(p.problems) > 0 {
					t.Errorf("%s: got %q, problems %v, want %q", name, got, p.problems, tt.want)
				}
			}
		})
	}
}

func TestEdXMLLimits(t *testing.T) {
	bomb := zipOf(t, map[string]string{"x.edxml": strings.Repeat("\x00", 5000)})
	deep := strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40)
	attrs := "<a"
	for i := range 100 {
		attrs += ` a` + string(rune('a'+i%26)) + strings.Repeat("x", i/26) + `="1"`
	}
	tests := []struct {
		name, in string
		lim      Limits
		want     error
	}{
		{"not XML", "hello", Limits{}, ErrNotEdXML},
		{"empty", "", Limits{}, ErrNotEdXML},
		{"no header", "<edXML/>", Limits{}, ErrNotEdXML},
		{"cut", sample(t, "congvan.edxml")[:2000], Limits{}, ErrNotEdXML},
		{"two headers", "<edXML><MessageHeader/><MessageHeader/></edXML>", Limits{}, ErrNotEdXML},
		{"two roots", "<a><MessageHeader/></a><b/>", Limits{}, ErrNotEdXML},
		{"wrong nesting", "<a><MessageHeader></a></MessageHeader>", Limits{}, ErrNotEdXML},
		{"DTD", `<!DOCTYPE a [<!ENTITY x "y">]><a><MessageHeader/></a>`, Limits{}, ErrDTD},
		{"entity", "<a><MessageHeader>&x;</MessageHeader></a>", Limits{}, ErrNotEdXML},
		{"other encoding", `<?xml version="1.0" encoding="utf-16"?><a/>`, Limits{}, ErrNotEdXML},
		{"deep", deep, Limits{}, ErrTooLarge},
		{"attributes", attrs + "/>", Limits{}, ErrTooLarge},
		{"bytes", sample(t, "congvan.edxml"), Limits{MaxBytes: 100}, ErrTooLarge},
		{"elements", sample(t, "congvan.edxml"), Limits{MaxElements: 10}, ErrTooLarge},
		{"text", sample(t, "congvan.edxml"), Limits{MaxText: 10}, ErrTooLarge},
		{"content", sample(t, "congvan.edxml"), Limits{MaxContent: 5}, ErrTooLarge},
		{"ZIP bomb", withAttachment("a.pdf", bomb), Limits{MaxContent: 1000}, ErrTooLarge},
		{"files", strings.ReplaceAll(withAttachment("a", nil), "<Attachment>", "<Attachment/><Attachment>"), Limits{MaxFiles: 1}, ErrTooLarge},
		{"status", sample(t, "trangthai.edxml"), Limits{}, ErrKind},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseEdXML(strings.NewReader(tt.in), tt.lim)
			if !errors.Is(err, tt.want) || fault.KindOf(err) != fault.Invalid {
				t.Errorf("error is %v, want %v", err, tt.want)
			}
		})
	}
}

func TestEdXMLReadError(t *testing.T) {
	_, err := ParseEdXML(iotest.ErrReader(io.ErrUnexpectedEOF), Limits{})
	if !errors.Is(err, io.ErrUnexpectedEOF) || fault.KindOf(err) != fault.Temporary {
		t.Errorf("error is %v, want the reader's", err)
	}
}

func TestValidate(t *testing.T) {
	base := sample(t, "congvan.edxml")
	tests := []struct {
		name, old, new string
		want           []string
	}{
		{"number missing", "<edXML:CodeNumber>123<", "<edXML:CodeNumber><", []string{"N.MessageHeader/Code/CodeNumber"}},
		{"date malformed, not missing too", "<edXML:PromulgationDate>2026/11/23", "<edXML:PromulgationDate>hôm nay", []string{"M.MessageHeader/PromulgationInfo/PromulgationDate"}},
		{"date to come", "<edXML:PromulgationDate>2026/11/23", "<edXML:PromulgationDate>2027/01/01", []string{"R.MessageHeader/PromulgationInfo/PromulgationDate"}},
		{"urgency", "<edXML:Priority>1", "<edXML:Priority>9", []string{"R.MessageHeader/OtherInfo/Priority"}},
		{"page amount", "<edXML:PageAmount>2", "<edXML:PageAmount>hai", []string{"T.MessageHeader/OtherInfo/PageAmount"}},
		{"long subject", "V/v rà soát", strings.Repeat("â", 501), []string{"R.MessageHeader/Subject"}},
		{"receiver twice", "000.00.02.H18", "H18.101", []string{"R.MessageHeader/To/OrganId"}},
		{"act", "<edXML:BussinessDocType>0", "<edXML:BussinessDocType>7", []string{"R.Bussiness/BussinessDocType"}},
		{"replaces nothing", "<edXML:BussinessDocType>0", "<edXML:BussinessDocType>3", []string{"N.Bussiness/ReplacementInfoList"}},
		{"base64", "JVBERi0x", "JVBE!i0x", []string{"M.AttachmentEncoded/Attachment/ContentTransferEncoded"}},
		{"symbol", "<edXML:CodeNotation>SNV-VP", "<edXML:CodeNotation>???", []string{"M.MessageHeader/Code/CodeNumber"}},
		{"two identifiers", "<edXML:DocumentId>", "<edXML:DocumentId>x</edXML:DocumentId><edXML:DocumentId>", []string{"M.MessageHeader/documentid"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(base, tt.old, tt.new, 1)
			if text == base {
				t.Fatal("the test changes nothing")
			}
			var got []string
			for _, p := range parsePackage(t, text).Validate(at("2026-11-23 12:00:00")) {
				got = append(got, p.Code)
				if p.Text.EN == "" || p.Text.VI == "" {
					t.Errorf("%s has no text", p.Code)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if _, err := (&Package{}).Encode(); fault.KindOf(err) != fault.Invalid {
		t.Errorf("encoding an empty package: error %v, want an invalid one", err)
	}
}

func TestStatusMessage(t *testing.T) {
	got, err := ParseStatus(strings.NewReader(sample(t, "trangthai.edxml")), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	sender := Organization{OrganID: "H18.26", Name: "Sở Nội vụ"}
	recipient := Organization{OrganID: "H18.101", Name: "UBND xã A"}
	doc, ok := ParseDocumentID("H18.26,2026/11/23,123/SNV-VP")
	if !ok {
		t.Fatal("the document's id does not parse")
	}
	want := NewStatusMessage(StatusRegistered, Dispatch{sender, recipient, doc}, at("2026-11-23 10:00:00"))
	want.Description = "Số đến 1287"
	want.Staff = StaffInfo{Department: "Văn phòng", Staff: "Văn thư"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}

	for _, s := range Statuses() {
		m := NewStatusMessage(s, Dispatch{sender, recipient, doc}, at("2026-11-23 10:00:00"))
		text, err := m.Encode()
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		again, err := ParseStatus(bytes.NewReader(text), Limits{})
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%s: got %+v, %v, want %+v", s, again, err, m)
		}
		from := recipient.OrganID
		if s == StatusRecallRequested {
			from = sender.OrganID
		}
		if m.From.OrganID != from || m.SenderID() != sender.OrganID || m.RecipientID() != recipient.OrganID {
			t.Errorf("%s goes from %s; sender %s, recipient %s", s, m.From.OrganID, m.SenderID(), m.RecipientID())
		}
	}
}

func TestStatusMessageRejects(t *testing.T) {
	base := sample(t, "trangthai.edxml")
	for name, text := range map[string]string{
		"private code": strings.Replace(base, ">03<", ">44<", 1),
		"no document":  strings.NewReplacer(">123/SNV-VP<", "><", ">H18.26,2026/11/23,123/SNV-VP<", "><").Replace(base),
		"no sender":    strings.Replace(base, ">H18.101<", "><", 1),
		"a document":   sample(t, "congvan.edxml"),
	} {
		if _, err := ParseStatus(strings.NewReader(text), Limits{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: error is %v, want an invalid one", name, err)
		}
	}
	got, err := ParseStatus(strings.NewReader(strings.Replace(base, ">03<", ">3<", 1)), Limits{})
	if err != nil || got.Code != StatusRegistered {
		t.Errorf("code 3: got %v, %v, want 03", got, err)
	}
	if _, err := (&StatusMessage{Code: "44"}).Encode(); fault.KindOf(err) != fault.Invalid {
		t.Errorf("encoding a private code: error %v, want an invalid one", err)
	}
}

func TestParseDocumentID(t *testing.T) {
	got, ok := ParseDocumentID("000.00.00.G22,2015/09/30,7816/VPCP-TTĐT")
	if !ok || got.OrganID != "000.00.00.G22" || edxmlDay(got.Issued) != "2015/09/30" || got.Code != "7816/VPCP-TTĐT" {
		t.Errorf("got %+v, %v", got, ok)
	}
	if id := NewDocumentID(Organization{OrganID: "H18.26"}, at("2026-01-05 08:00:00"), *code("1/SNV-VP")); id != "H18.26,2026/01/05,01/SNV-VP" {
		t.Errorf("new id is %q", id)
	}
	for _, id := range []string{"", "a", "H18,2026/13/01,1/A-B", "H18.26-2026-1/A-B", "h18,2026/01/01,1/A-B", "H18,2026/01/01,"} {
		if got, ok := ParseDocumentID(id); ok {
			t.Errorf("%q gives %+v, want nothing", id, got)
		}
	}
}

func TestSniff(t *testing.T) {
	tests := []struct {
		file PackageFile
		want string
	}{
		{PackageFile{Name: "a.docx", Type: "application/doc", Data: []byte("PK\x03\x04")}, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		{PackageFile{Name: "a.xls", Type: "application/xsl", Data: []byte("\xD0\xCF\x11\xE0")}, "application/vnd.ms-excel"},
		{PackageFile{Name: "a", Data: []byte("\x89PNG")}, "image/png"},
		{PackageFile{Name: "a.txt", Type: "text/plain", Data: []byte("x")}, "text/plain"},
		{PackageFile{}, "application/octet-stream"},
	}
	for _, tt := range tests {
		if got := tt.file.Sniff(); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.file.Name, got, tt.want)
		}
	}
}

func FuzzReadEdXML(f *testing.F) {
	for _, name := range []string{"congvan.edxml", "thaythe-cu.edxml", "trangthai.edxml"} {
		f.Add(sample(f, name))
	}
	f.Add(withAttachment("a.pdf", zipOf(f, map[string]string{"x.edxml": "y"})))
	f.Add(soapPackage("Content-Type: multipart/related; boundary=b; start=\"<root>\"\r\n\r\n"))
	f.Add(soapPackage(""))
	f.Add(signedPackage("http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#sha1"))
	lim := Limits{MaxBytes: 64 << 10, MaxContent: 32 << 10, MaxElements: 500}
	f.Fuzz(func(t *testing.T, text string) {
		p, s, err := ReadEdXML(strings.NewReader(text), lim)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("error of kind %v: %v", fault.KindOf(err), err)
			}
			return
		}
		if (p == nil) == (s == nil) {
			t.Fatal("not exactly one of package and status")
		}
		if s != nil {
			out, err := s.Encode()
			if err != nil {
				t.Fatalf("a status that was read is not written: %v", err)
			}
			if _, err := ParseStatus(bytes.NewReader(out), Limits{}); err != nil {
				t.Fatalf("a status that was written is not read: %v", err)
			}
			return
		}
		p.Validate(time.Unix(0, 0))
		out, err := p.Encode()
		if err != nil {
			return // something compulsory is missing
		}
		again, err := ParseEdXML(bytes.NewReader(out), Limits{})
		if err != nil {
			t.Fatalf("a package that was written is not read: %v\n%s", err, out)
		}
		if again.Header.Subject != p.Header.Subject || len(again.Files) != len(p.Files) {
			t.Fatalf("got %+v, want %+v", again, p)
		}
	})
}
