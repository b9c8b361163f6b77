package workflow

import (
	"crypto/sha256"
	"fmt"
	"io"

	"vanthu/docstore"
	"vanthu/internal/mailstore"
)

// describe hashes the decoded attachments of a stored message: their hash is
// their identity, whatever mail carried them. QCVN 12:2026/BCA, 3.5.2.1.10.
func describe(c *mailstore.Content) ([]docstore.File, error) {
	var files []docstore.File
	role := docstore.FileMain
	for _, a := range c.Structure.Root().Attachments() {
		h := sha256.New()
		n, err := io.Copy(h, a.Part.Decoder(c.Body()))
		if err != nil {
			return nil, fmt.Errorf("read an attachment: %w", err)
		}
		f := docstore.File{Role: role, Name: a.Name, MediaType: a.Type, Size: n}
		h.Sum(f.SHA256[:0])
		files = append(files, f)
		role = docstore.FileAnnex
	}
	return files, nil
}
