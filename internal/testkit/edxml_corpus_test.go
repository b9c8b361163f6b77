package testkit_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"vanthu/internal/edoc"
)

// edxmlSamples are packages as they are met: whole ones, one for each trap of
// edoc.md §1.4, and broken ones, which must be refused.
func edxmlSamples(t testing.TB) (list []sample) {
	made := func(number string, change func(*edoc.Package)) (string, truth) {
		c, err := edoc.ParseCode(number)
		if err != nil {
			t.Fatal(err)
		}
		day := time.Date(2026, 11, 2, 0, 0, 0, 0, hanoi)
		p := &edoc.Package{Header: edoc.MessageHeader{
			From: edoc.Organization{OrganID: "H18.26", Name: "Sở Nội vụ"}, To: []edoc.Organization{{OrganID: "H18.101", Name: "UBND xã A"}},
			DocumentID: "H18.26,2026/11/02," + number, Issued: day, Subject: "V/v rà soát hồ sơ năm 2026",
			Signer: edoc.Signer{Competence: "KT. GIÁM ĐỐC", Position: "Phó Giám đốc", FullName: signerName},
		}, Files: []edoc.PackageFile{{ContentID: "cid:1", Name: "vb.pdf", Data: []byte("%PDF-1.7 nội dung")}}}
		p.Header.SetCode(c)
		p.Header.SetDocType(edoc.TypeForCode(c))
		if change != nil {
			change(p)
		}
		text, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(text), truth{c.String(), day.Format(time.DateOnly), edoc.TypeForCode(c).Name, "rà soát hồ sơ năm 2026", signerName}
	}
	add := func(name, number string, change func(*edoc.Package), pairs ...string) {
		text, says := made(number, change)
		out := strings.NewReplacer(pairs...).Replace(text)
		if len(pairs) > 0 && out == text {
			t.Fatalf("%s: nothing was changed", name)
		}
		list = append(list, sample{name: "edXML " + name, file: "goi.edxml", content: []byte(out), subject: "Gửi các đơn vị", declared: true, truth: says})
	}
	add("as we write it", "123/SNV-VP", nil)
	add("decision", "45/QĐ-SNV", nil)
	add("legal norm", "09/2026/QĐ-UBND", nil)
	add("a: zipped attachment", "124/SNV-VP", func(p *edoc.Package) {
		p.Files[0].Data = zipOf(t, map[string]string{"0f8c.edxml": "%PDF-1.7 nội dung"})
	})
	add("b: other order", "125/SNV-VP", nil,
		"<edXML:CodeNumber>125</edXML:CodeNumber><edXML:CodeNotation>SNV-VP</edXML:CodeNotation>", "<edXML:CodeNotation>SNV-VP</edXML:CodeNotation><edXML:CodeNumber>125</edXML:CodeNumber>")
	add("c: no prefix", "126/SNV-VP", nil, "<edXML:", "<", "</edXML:", "</", "xmlns:edXML", "xmlns:x")
	add("c: undeclared prefix", "127/SNV-VP", nil, ` xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"`, "")
	add("c: older namespace", "128/SNV-VP", nil, "http://www.mic.gov.vn/TBT/QCVN_102_2016", "http://www.e-doc.vn/Schema/")
	add("d: letters in the number", "06a/QĐ-SNV", nil)
	add("d: all in one element", "129/SNV-VP", nil,
		"<edXML:CodeNumber>129</edXML:CodeNumber><edXML:CodeNotation>SNV-VP</edXML:CodeNotation>", "<edXML:CodeNumber>129/SNV-VP</edXML:CodeNumber><edXML:CodeNotation>SNV-VP</edXML:CodeNotation>")
	add("e: old and new identifiers", "130/SNV-VP", func(p *edoc.Package) {
		p.Header.From.OrganID = "000.00.26.H18"
		p.Header.To = append(p.Header.To, edoc.Organization{OrganID: "000.00.02.H18", Name: "UBND xã B"})
	})
	add("f: wrong media type", "131/SNV-VP", nil, "application/pdf", "application/xsl")
	add("g: SHA-1 signature", "132/SNV-VP", nil, "</edXML:edXMLHeader>",
		`<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo><SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"/></SignedInfo></Signature></edXML:edXMLHeader>`)
	add("h: comments and instructions", "133/SNV-VP", nil, "<edXML:MessageHeader>", "<!-- <edXML:Subject>khác</edXML:Subject> --><?x y?><edXML:MessageHeader>")
	add("Vietnamese dates", "134/SNV-VP", nil, "<edXML:PromulgationDate>2026/11/02", "<edXML:PromulgationDate>02/11/2026")
	add("number of the type as its class", "135/SNV-VP", nil, "<edXML:Type>2<", "<edXML:Type>18<")
	add("replacement", "136/SNV-VP", func(p *edoc.Package) {
		p.Business = edoc.Business{Op: edoc.OpReplace, Reason: "Sai số liệu", Replaces: []edoc.Replacement{{DocumentID: "H18.26,2026/10/01,100/SNV-VP"}}}
	})

	// SOAP with attachments, as MIME.
	text, says := made("137/SNV-VP", func(p *edoc.Package) { p.Files = nil })
	soap := "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b; type=\"text/xml\"\r\n\r\n--b\r\nContent-Type: text/xml\r\n\r\n" + text +
		"\r\n--b\r\nContent-Type: application/pdf; name=vb.pdf\r\nContent-ID: <1>\r\n\r\n%PDF-1.7\r\n--b--\r\n"
	list = append(list, sample{name: "edXML c: SOAP with attachments", file: "goi.edxml", content: []byte(soap), subject: "Gửi các đơn vị", declared: true, truth: says})

	whole, _ := made("138/SNV-VP", nil)
	for name, text := range map[string]string{
		"cut":         whole[:len(whole)*2/3],
		"DTD":         strings.Replace(whole, "<edXML ", `<!DOCTYPE e [<!ENTITY a "b">]><edXML `, 1),
		"two headers": strings.Replace(whole, "</edXML:MessageHeader>", "</edXML:MessageHeader><edXML:MessageHeader/>", 1),
		"no number":   strings.Replace(whole, ">138<", "><", 1),
		"no XML":      "PK\x03\x04 not a package",
		"too deep":    strings.Repeat("<a>", 100),
		"day to come": strings.Replace(whole, "<edXML:PromulgationDate>2026", "<edXML:PromulgationDate>2036", 1),
	} {
		if bytes.Equal([]byte(text), []byte(whole)) {
			t.Fatalf("%s: nothing was changed", name)
		}
		list = append(list, sample{name: "edXML broken: " + name, file: "goi.edxml", content: []byte(text), subject: "Gửi các đơn vị", declared: true, refused: true})
	}
	return list
}
