package docstore

import (
	"crypto/sha256"
	"fmt"
	"io"

	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// Describe hashes the decoded attachments of a message, whose received octets
// body has: their hash is their identity, whatever mail carried them. The
// files packed in an edXML package follow, as they are once unpacked, but for
// those that are attached by themselves too. The first that is no package is
// the main file. QCVN 12:2026/BCA, 3.5.2.1.10. It reads them all, so it belongs
// in no transaction.
func Describe(atts []mail.Attachment, body io.ReaderAt) ([]File, error) {
	var files, packed []File
	known := map[[sha256.Size]byte]bool{}
	for _, a := range atts {
		h := sha256.New()
		n, err := io.Copy(h, a.Part.Decoder(body))
		if err != nil {
			return nil, fmt.Errorf("read an attachment: %w", err)
		}
		f := File{Name: a.Name, MediaType: a.Type, Size: n}
		h.Sum(f.SHA256[:0])
		if edoc.IsEdXMLName(a.Name) {
			f.Role = FileEdXML
			inside, err := Unpack(a, body)
			if err != nil {
				return nil, err
			}
			for _, p := range inside {
				packed = append(packed, File{Name: p.Name, MediaType: p.Sniff(), Size: int64(len(p.Data)), SHA256: sha256.Sum256(p.Data)})
			}
		}
		known[f.SHA256] = true
		files = append(files, f)
	}
	for _, f := range packed {
		if !known[f.SHA256] {
			known[f.SHA256] = true
			files = append(files, f)
		}
	}
	role := FileMain
	for i := range files {
		if files[i].Role == "" {
			files[i].Role, role = role, FileAnnex
		}
	}
	return files, nil
}

// Unpack gives the files in an attached edXML package, none when it is not one
// that can be read: that is told where it is accepted.
func Unpack(a mail.Attachment, body io.ReaderAt) ([]edoc.PackageFile, error) {
	p, _, err := edoc.ReadEdXML(a.Part.Decoder(body), edoc.Limits{})
	switch {
	case err != nil && fault.KindOf(err) == fault.Invalid:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read an edXML package: %w", err)
	case p == nil:
		return nil, nil // a status
	}
	return p.Files, nil
}
