package delivery_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/delivery"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/filter"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// packed is a package of the unit snv to xa1 with some files.
func packed(t *testing.T, files ...edoc.PackageFile) *edoc.Package {
	t.Helper()
	c, err := edoc.ParseCode("123/SNV-VP")
	if err != nil {
		t.Fatal(err)
	}
	p := &edoc.Package{Files: files, Header: edoc.MessageHeader{
		From: edoc.Organization{OrganID: "H18.1", Name: "Sở Nội vụ"}, To: []edoc.Organization{{OrganID: "H18.2", Name: "Xã 1"}},
		DocumentID: "H18.1,2026/11/23,123/SNV-VP", Issued: time.Date(2026, 11, 23, 0, 0, 0, 0, time.FixedZone("", 7*3600)),
		Subject: "V/v rà soát nhân sự", Signer: edoc.Signer{Position: "Phó Giám đốc"}, Place: "Điện Biên",
		Other: edoc.OtherInfo{Urgency: edoc.UrgencyUrgent},
	}}
	p.Header.SetCode(c)
	p.Header.SetDocType(edoc.TypeForCode(c))
	return p
}

func encoded(t *testing.T, p *edoc.Package) []byte {
	t.Helper()
	text, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// packageLetter is a message with an edXML file and perhaps others.
func packageLetter(t *testing.T, id string, files ...mail.File) string {
	t.Helper()
	return string((&mail.Builder{
		From: mail.Mailbox{Addr: address(t, clerk)}, To: []mail.Mailbox{{Addr: address(t, "xa1@p.test")}}, Subject: "Gửi văn bản",
		Date: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), MessageID: "<" + id + "@p.test>", Text: "Kính gửi văn bản đính kèm.", Files: files,
	}).Bytes())
}

// The files of a document that comes as edXML are those in the package, and
// the message stays as it is.
func TestPackageByMail(t *testing.T) {
	w := newWorld(t)
	pdf, annex := []byte("%PDF-1.7 chính"), []byte("%PDF-1.7 phụ lục")
	text := encoded(t, packed(t,
		edoc.PackageFile{Name: "123.pdf", Type: "application/octet-stream", Data: pdf}, edoc.PackageFile{Name: "phụ lục.pdf", Data: annex}))
	msg := packageLetter(t, "pk1",
		mail.File{Name: "goi.edxml", Type: "application/xml", Content: text}, mail.File{Name: "phu-luc.pdf", Type: "application/pdf", Content: annex})
	if _, err := w.send(clerk, clerk, msg, "xa1@p.test"); err != nil {
		t.Fatal(err)
	}
	if _, got := w.newest(); got != msg {
		t.Error("the message was changed")
	}
	doc := w.document("123/SNV-VP")
	if doc.EdXMLID != "H18.1,2026/11/23,123/SNV-VP" || doc.Abstract != "rà soát nhân sự" && doc.Abstract != "V/v rà soát nhân sự" ||
		doc.Type.Name != "Công văn" || doc.Urgency != edoc.UrgencyUrgent || doc.Issued.IsZero() || doc.Level != edoc.L0 {
		t.Errorf("the document is %+v", doc)
	}
	var files []docstore.File
	err := w.db.View(t.Context(), func(r sqldb.Reader) (err error) {
		files, err = docstore.Files(t.Context(), r, doc.ID)
		return err
	})
	want := []docstore.File{
		{Role: docstore.FileEdXML, Name: "goi.edxml", MediaType: "application/xml", Size: int64(len(text)), SHA256: sha256.Sum256(text)},
		{Role: docstore.FileMain, Name: "phu-luc.pdf", MediaType: "application/pdf", Size: int64(len(annex)), SHA256: sha256.Sum256(annex)},
		{Role: docstore.FileAnnex, Name: "123.pdf", MediaType: "application/pdf", Size: int64(len(pdf)), SHA256: sha256.Sum256(pdf)},
	}
	if err != nil || len(files) != len(want) {
		t.Fatalf("files are %+v, %v", files, err)
	}
	for i := range want {
		if files[i] != want[i] {
			t.Errorf("file %d is %+v, want %+v", i, files[i], want[i])
		}
	}
}

func (w *world) document(code string) (doc docstore.Document) {
	w.t.Helper()
	c, err := edoc.ParseCode(code)
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.db.View(w.t.Context(), func(r sqldb.Reader) error {
		docs, err := docstore.DocumentsByCode(w.t.Context(), r, c)
		if err == nil && len(docs) != 1 {
			err = errors.New("not one document")
		}
		if err == nil {
			doc = docs[0]
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return doc
}

// What is packed is no way around the rules.
func TestPackedFilesAreLookedAt(t *testing.T) {
	tests := []struct {
		name string
		file edoc.PackageFile
		say  string
	}{
		{"secret text", edoc.PackageFile{Name: "ghi chu.txt", Data: []byte("Phần I\nTỐI MẬT\nNội dung")}, "state secrecy mark"},
		{"program", edoc.PackageFile{Name: "a.pdf", Data: []byte("MZ\x90\x00" + strings.Repeat("\x00", 80) + "PE\x00\x00")}, "program"},
		{"kind not allowed", edoc.PackageFile{Name: "a.exe", Data: []byte("x")}, "not taken here"},
	}
	for _, tt := range tests {
		w := newWorld(t)
		w.screened(delivery.Screen{Attachments: filter.NewAttachments(filter.Rules{Allow: []string{"pdf", "edxml", "txt"}}, t.TempDir())})
		msg := packageLetter(t, "pk2", mail.File{Name: "goi.edxml", Type: "application/xml", Content: encoded(t, packed(t, tt.file))})
		_, err := w.send(clerk, clerk, msg, "xa1@p.test")
		if fault.KindOf(err) != fault.Denied || err == nil || !strings.Contains(fault.Sentence(err).EN, tt.say) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if n := w.count(`SELECT count(*) FROM document`); n != 0 {
			t.Errorf("%s: %d documents", tt.name, n)
		}
	}
}

// A weak signature is told, a wrong declaration refused with its codes.
func TestPackageWarnings(t *testing.T) {
	w := newWorld(t)
	text := string(encoded(t, packed(t, edoc.PackageFile{Name: "a.pdf", Data: []byte("%PDF-1.7")})))
	signed := strings.Replace(text, "</edXML:edXMLHeader>", `<Signature><SignedInfo><SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"/></SignedInfo></Signature></edXML:edXMLHeader>`, 1)
	if _, err := w.send(clerk, clerk, packageLetter(t, "pk3", mail.File{Name: "goi.edxml", Type: "application/xml", Content: []byte(signed)}), "xa1@p.test"); err != nil {
		t.Fatal(err)
	}
	doc := w.document("123/SNV-VP")
	err := w.db.View(t.Context(), func(r sqldb.Reader) error {
		list, err := docstore.Warnings(t.Context(), r, doc.ID)
		if len(list) == 0 || list[0].Code != delivery.WarnSignature {
			t.Errorf("warnings are %+v", list)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace(text, "<edXML:CodeNumber>123<", "<edXML:CodeNumber><", 1)
	_, err = w.send(clerk, clerk, packageLetter(t, "pk4", mail.File{Name: "goi.edxml", Type: "application/xml", Content: []byte(wrong)}), "xa1@p.test")
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.Sentence(err).VI, "N.MessageHeader/Code/CodeNumber") {
		t.Errorf("a package without number: %v", err)
	}
}
