package docstore

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"vanthu/internal/mail"
)

// Describe hashes the decoded attachments of a message, whose received octets
// body has: their hash is their identity, whatever mail carried them. The
// first that is no edXML package is the main file. QCVN 12:2026/BCA,
// 3.5.2.1.10. It reads them all, so it belongs in no transaction.
func Describe(atts []mail.Attachment, body io.ReaderAt) ([]File, error) {
	var files []File
	role := FileMain
	for _, a := range atts {
		h := sha256.New()
		n, err := io.Copy(h, a.Part.Decoder(body))
		if err != nil {
			return nil, fmt.Errorf("read an attachment: %w", err)
		}
		f := File{Role: role, Name: a.Name, MediaType: a.Type, Size: n}
		h.Sum(f.SHA256[:0])
		if strings.HasSuffix(strings.ToLower(a.Name), ".edxml") {
			f.Role = FileEdXML
		} else {
			role = FileAnnex
		}
		files = append(files, f)
	}
	return files, nil
}
