package edoc

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The traps of real packages, edoc.md §1.4 (a) to (h), each by its name.

// (a) The national SDK zips each attachment and keeps its real name.
func TestTrapZippedAttachment(t *testing.T) {
	pdf := []byte("%PDF-1.7 văn bản")
	p := parsePackage(t, withAttachment("123.pdf", zipOf(t, map[string]string{"0f8c.edxml": string(pdf)})))
	f := p.Files[0]
	if f.Name != "123.pdf" || !bytes.Equal(f.Data, pdf) || f.Sniff() != "application/pdf" {
		t.Errorf("got %s, %q, %s", f.Name, f.Data, f.Sniff())
	}
	out, err := (&Package{Header: minimalHeader(), Files: p.Files}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if again := parsePackage(t, string(out)); !bytes.Equal(again.Files[0].Data, pdf) || bytes.Contains(out, []byte("application/zip")) {
		t.Error("what we write is not the plain file")
	}
}

// minimalHeader is what Encode cannot do without.
func minimalHeader() MessageHeader {
	h := MessageHeader{
		From: Organization{OrganID: "H18.26", Name: "Sở Nội vụ"}, To: []Organization{{OrganID: "H18.101"}},
		DocumentID: "H18.26,2026/11/23,123/SNV-VP", Issued: time.Date(2026, 11, 23, 0, 0, 0, 0, vietnam), Subject: "V/v rà soát",
	}
	c, err := ParseCode("123/SNV-VP")
	if err == nil {
		h.SetCode(c)
		h.SetDocType(TypeForCode(c))
	}
	return h
}

// (b) Elements come in any order.
func TestTrapElementOrder(t *testing.T) {
	want := parsePackage(t, sample(t, "congvan.edxml"))
	text := sample(t, "congvan.edxml")
	move := func(element, before string) {
		from := strings.Index(text, "<edXML:"+element+">")
		end := strings.Index(text, "</edXML:"+element+">") + len("</edXML:"+element+">")
		cut := text[from:end]
		text = text[:from] + text[end:]
		at := strings.Index(text, "<edXML:"+before+">")
		text = text[:at] + cut + text[at:]
	}
	move("OtherInfo", "Subject")
	move("ToPlaces", "From")
	move("DocumentId", "DueDate")
	move("PromulgationInfo", "ToPlaces")
	move("CodeNotation", "CodeNumber")
	if got := parsePackage(t, text); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// (c) No prefix, a prefix that nothing declares, the older namespace.
func TestTrapNamespaces(t *testing.T) {
	want := parsePackage(t, sample(t, "congvan.edxml"))
	base := sample(t, "congvan.edxml")
	for name, text := range map[string]string{
		"no prefix":         strings.NewReplacer("<edXML:", "<", "</edXML:", "</", "xmlns:edXML", "xmlns:x").Replace(base),
		"undeclared prefix": strings.ReplaceAll(base, ` xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"`, ""),
		"other prefix":      strings.NewReplacer("<edXML:", "<ns0:", "</edXML:", "</ns0:", "xmlns:edXML", "xmlns:ns0").Replace(base),
		"older namespace":   strings.ReplaceAll(base, "http://www.mic.gov.vn/TBT/QCVN_102_2016", "http://www.e-doc.vn/Schema/"),
		"byte order mark":   "\ufeff" + base,
	} {
		if got := parsePackage(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// soapPackage is a SOAP message with attachments as systems of the first axis
// write it; head is what stands before the first boundary.
func soapPackage(head string) string {
	root := `<?xml version="1.0"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:edXML="http://www.e-doc.vn/Schema/" xmlns:xlink="http://www.w3.org/1999/xlink">
<SOAP-ENV:Header><edXML:MessageHeader>
<edXML:From><edXML:OrganId>000.00.26.H18</edXML:OrganId><edXML:OrganName>Sở Nội vụ</edXML:OrganName></edXML:From>
<edXML:To><edXML:OrganId>H18.101</edXML:OrganId><edXML:OrganName>UBND xã A</edXML:OrganName></edXML:To>
<edXML:DocumentId>000.00.26.H18,2026/11/23,7/SNV-VP</edXML:DocumentId>
<edXML:Code><edXML:CodeNumber>7</edXML:CodeNumber><edXML:CodeNotation>SNV-VP</edXML:CodeNotation></edXML:Code>
<edXML:PromulgationInfo><edXML:PromulgationDate>2026/11/23</edXML:PromulgationDate></edXML:PromulgationInfo>
<edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
<edXML:Subject>V/v rà soát</edXML:Subject></edXML:MessageHeader></SOAP-ENV:Header>
<SOAP-ENV:Body><edXML:Manifest><edXML:Reference xlink:href="cid:two@x"><edXML:AttachmentName>phu luc.docx</edXML:AttachmentName></edXML:Reference><edXML:Reference xlink:href="cid:one@x"><edXML:AttachmentName>7.pdf</edXML:AttachmentName><edXML:Description>Văn bản chính</edXML:Description></edXML:Reference></edXML:Manifest></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	return head + "--b\r\nContent-Type: text/xml; charset=UTF-8\r\nContent-ID: <root>\r\n\r\n" + root +
		"\r\n--b\r\nContent-Type: application/pdf\r\nContent-ID: <one@x>\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQ=\r\n" +
		"--b\r\nContent-Type: application/doc\r\nContent-ID: <two@x>\r\nContent-Transfer-Encoding: binary\r\n\r\nPK\x03\x04 x\r\n" +
		"--b\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=\"dau.png\"\r\nContent-ID: <three@x>\r\n\r\n\x89PNG\r\n--b--\r\n"
}

// (c) The body is SOAP with attachments.
func TestTrapSOAPWithAttachments(t *testing.T) {
	for name, head := range map[string]string{
		"MIME header":   "MIME-Version: 1.0\r\nContent-Type: Multipart/Related; boundary=\"b\"; type=\"text/xml\"; start=\"<root>\"\r\n\r\n",
		"only the body": "",
	} {
		t.Run(name, func(t *testing.T) {
			p := parsePackage(t, soapPackage(head))
			if problems := p.Validate(time.Time{}); len(problems) > 0 {
				t.Errorf("problems: %v", problems)
			}
			want := []PackageFile{
				{"cid:two@x", "phu luc.docx", "", "application/doc", []byte("PK\x03\x04 x")},
				{"cid:one@x", "7.pdf", "Văn bản chính", "application/pdf", []byte("%PDF-1.4")},
				{"cid:three@x", "dau.png", "", "image/png", []byte("\x89PNG")},
			}
			if !reflect.DeepEqual(p.Files, want) {
				t.Errorf("files are %q, want %q", p.Files, want)
			}
			if p.Header.From.OrganID != "000.00.26.H18" || p.Header.Subject != "V/v rà soát" {
				t.Errorf("header is %+v", p.Header)
			}
		})
	}
	for name, text := range map[string]string{
		"no root":        "--b\r\n--b--\r\n",
		"no multipart":   "Content-Type: text/plain\r\n\r\n<a/>",
		"start is wrong": soapPackage("Content-Type: multipart/related; boundary=b; start=\"<none>\"\r\n\r\n"),
		"cut":            soapPackage("")[:1500],
		"endless head":   strings.Repeat("X: y\r\n", 10_000),
	} {
		if _, err := ParseEdXML(strings.NewReader(text), Limits{}); !errors.Is(err, ErrNotEdXML) {
			t.Errorf("%s: error is %v, want %v", name, err, ErrNotEdXML)
		}
	}
	for name, lim := range map[string]Limits{
		"files": {MaxFiles: 2}, "content": {MaxContent: 12}, "octets": {MaxBytes: 1000},
	} {
		if _, err := ParseEdXML(strings.NewReader(soapPackage("")), lim); !errors.Is(err, ErrTooLarge) {
			t.Errorf("limit of %s: error is %v, want %v", name, err, ErrTooLarge)
		}
	}
}

// (d) The number has letters, or stands with the symbol in one element.
func TestTrapLettersInNumber(t *testing.T) {
	base := sample(t, "congvan.edxml")
	for number, want := range map[string]string{"06a": "06a/SNV-VP", "123b": "123b/SNV-VP", "0123": "123/SNV-VP"} {
		h := parsePackage(t, strings.Replace(base, "<edXML:CodeNumber>123<", "<edXML:CodeNumber>"+number+"<", 1)).Header
		if c, ok := h.Code(); !ok || c.String() != want || h.CodeNumber != number {
			t.Errorf("number %s: code is %v, want %s", number, c, want)
		}
	}
}

// (d) The whole code in one element, in both, or split in the ways of others.
func TestTrapCodeInOneElement(t *testing.T) {
	tests := []struct{ number, notation, want string }{
		{"129/SNV-VP", "SNV-VP", "129/SNV-VP"}, {"129", "129/SNV-VP", "129/SNV-VP"}, {"129/SNV-VP", "", "129/SNV-VP"},
		{"", "129/SNV-VP", "129/SNV-VP"}, {"12", "CV/TU", "12-CV/TU"}, {"09", "2025/QĐ-UBND", "09/2025/QĐ-UBND"},
		{"2025", "2025/QĐ-UBND", "2025/2025/QĐ-UBND"},
	}
	for _, tt := range tests {
		h := MessageHeader{CodeNumber: tt.number, CodeNotation: tt.notation}
		if c, ok := h.Code(); !ok || c.String() != tt.want {
			t.Errorf("%q and %q: code is %v, want %s", tt.number, tt.notation, c, tt.want)
		}
	}
}

// (e) Old and new identifiers of organisations stand side by side.
func TestTrapOldAndNewOrganID(t *testing.T) {
	p := parsePackage(t, sample(t, "congvan.edxml"))
	if p.Header.To[0].OrganID != "H18.101" || p.Header.To[1].OrganID != "000.00.02.H18" {
		t.Errorf("recipients are %+v", p.Header.To)
	}
	if problems := p.Validate(time.Time{}); len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
}

// (f) The declared media type is wrong: the content tells.
func TestTrapWrongContentType(t *testing.T) {
	for _, declared := range []string{"application/doc", "application/xsl", "application/pdf", ""} {
		text := strings.Replace(withAttachment("a.docx", []byte("PK\x03\x04")), "application/zip", declared, 1)
		if got := parsePackage(t, text).Files[0].Sniff(); got != "application/vnd.openxmlformats-officedocument.wordprocessingml.document" {
			t.Errorf("declared as %q: %s", declared, got)
		}
	}
}

func signedPackage(method, digest string) string {
	return `<edXML><MessageHeader/><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo><SignatureMethod Algorithm="` + method +
		`"/><Reference URI=""><DigestMethod Algorithm="` + digest + `"/><DigestValue>x</DigestValue></Reference></SignedInfo><SignatureValue>y</SignatureValue></Signature></edXML>`
}

// (g) Signatures stand on SHA-1: they are called weak, and none is ever written.
func TestTrapWeakSignature(t *testing.T) {
	const sha1, rsa1 = "http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
	const sha2, rsa2 = "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	tests := []struct {
		name, method, digest string
		weak                 bool
	}{
		{"both", rsa1, sha1, true}, {"digest", rsa2, sha1, true}, {"method", rsa1, sha2, true}, {"none", rsa2, sha2, false},
		{"MD5", "http://www.w3.org/2001/04/xmldsig-more#rsa-md5", sha2, true},
	}
	for _, tt := range tests {
		p := parsePackage(t, signedPackage(tt.method, tt.digest))
		if len(p.Signatures) != 1 || p.Signatures[0] != (PackageSignature{tt.method, tt.digest}) || p.Signatures[0].Weak() != tt.weak {
			t.Errorf("%s: %+v", tt.name, p.Signatures)
		}
		p.Header = minimalHeader()
		out, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(out, []byte("Signature")) || bytes.Contains(out, []byte("sha1")) {
			t.Errorf("%s: a signature was written", tt.name)
		}
	}
}

// (h) No DTD, no entity, nothing fetched; size and depth have bounds.
func TestTrapDTDAndBounds(t *testing.T) {
	laughs := `<!DOCTYPE e [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><edXML><MessageHeader><Subject>&b;</Subject></MessageHeader></edXML>`
	file := `<!DOCTYPE e [<!ENTITY f SYSTEM "file:///etc/passwd">]><edXML><MessageHeader><Subject>&f;</Subject></MessageHeader></edXML>`
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"entities":        {laughs, ErrDTD},
		"outside entity":  {file, ErrDTD},
		"DTD inside SOAP": {strings.Replace(soapPackage(""), `<?xml version="1.0"?>`, `<!DOCTYPE e>`, 1), ErrDTD},
		"depth":           {strings.Repeat("<a>", 100), ErrTooLarge},
		"elements":        {"<edXML><MessageHeader/>" + strings.Repeat("<a/>", 60_000) + "</edXML>", ErrTooLarge},
		"one long text":   {"<edXML><MessageHeader><Subject>" + strings.Repeat("a", 100_000) + "</Subject></MessageHeader></edXML>", ErrTooLarge},
	} {
		if _, err := ParseEdXML(strings.NewReader(tt.text), Limits{}); !errors.Is(err, tt.want) {
			t.Errorf("%s: error is %v, want %v", name, err, tt.want)
		}
	}
}
