package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"vanthu/docstore"
	"vanthu/internal/edxdrop"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// Calls that give the content of documents; each is journaled.
const (
	CallDocumentFile   = "doc.file"   // DocumentFile → FileContent
	CallDocumentExport = "doc.export" // DocumentExport → []FileContent
)

// DocumentFile names one file of a document.
type DocumentFile struct {
	DocumentNamed
	Index   int  `json:"index"`             // from 0
	Content bool `json:"content,omitempty"` // the octets too
}

// FileContent is a file.
type FileContent struct {
	Name    string `json:"name"`
	Type    string `json:"type"` // media type, as its octets show it
	Size    int    `json:"size"`
	SHA256  string `json:"sha256"`
	Of      int    `json:"of"` // how many files there are
	Content []byte `json:"content,omitempty"`
}

// ExportFormat is in which form a document is exported.
type ExportFormat string

// The formats.
const (
	FormatEdXML  ExportFormat = "edxml"  // the document with its files
	FormatStatus ExportFormat = "status" // a status message for each dispatch
)

// DocumentExport asks for a document in a form that other systems read.
type DocumentExport struct {
	DocumentNamed
	Format  ExportFormat `json:"format"`
	Outside bool         `json:"outside,omitempty"` // only recipients outside of this server
}

func (s *Service) documentFile(ctx context.Context, req DocumentFile, _ Progress) (any, error) {
	doc, err := s.oneDocument(ctx, req.DocumentNamed)
	if err != nil {
		return nil, err
	}
	files, _, err := edxdrop.Files(ctx, s.Mail, doc)
	if err != nil {
		return nil, err
	}
	if req.Index < 0 || req.Index >= len(files) {
		return nil, fault.Newf(fault.NotFound, "the document has %d files", len(files))
	}
	f := files[req.Index]
	out := fileContent(f.Name, f.Data)
	out.Type, out.Of = f.Sniff(), len(files)
	if !req.Content {
		out.Content = nil
		return out, nil
	}
	return out, s.noteExport(ctx, doc, "file", out)
}

func (s *Service) documentExport(ctx context.Context, req DocumentExport, _ Progress) (any, error) {
	doc, err := s.oneDocument(ctx, req.DocumentNamed)
	if err != nil {
		return nil, err
	}
	list := []FileContent{}
	switch req.Format {
	case FormatEdXML:
		scope := edxdrop.ToAll
		if req.Outside {
			scope = edxdrop.ToOutside
		}
		text, err := s.EdXML.Export(ctx, doc, scope)
		if err != nil {
			return nil, err
		}
		list = append(list, fileContent(string(doc.ULID)+".edxml", text))
	case FormatStatus:
		if list, err = s.statuses(ctx, doc, req.Outside); err != nil {
			return nil, err
		}
	default:
		return nil, fault.Newf(fault.Invalid, "no such format: %q; there are edxml and status", req.Format)
	}
	for i := range list {
		list[i].Type, list[i].Of = "application/xml", len(list)
		if err := s.noteExport(ctx, doc, string(req.Format), list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// statuses gives the present status of each dispatch as a file.
func (s *Service) statuses(ctx context.Context, doc docstore.Document, outside bool) ([]FileContent, error) {
	var sent []docstore.Dispatch
	err := s.DB.View(ctx, func(r sqldb.Reader) (err error) {
		sent, err = docstore.Dispatches(ctx, r, doc.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	list := []FileContent{}
	for _, d := range sent {
		if outside && d.To != 0 {
			continue
		}
		text, err := s.EdXML.Status(doc, d, d.Updated)
		if err != nil {
			return nil, err
		}
		if text != nil {
			list = append(list, fileContent(fmt.Sprintf("%s-%s.edxml", d.ULID, d.Status), text))
		}
	}
	return list, nil
}

func fileContent(name string, content []byte) FileContent {
	sum := sha256.Sum256(content)
	return FileContent{Name: name, Size: len(content), SHA256: hex.EncodeToString(sum[:]), Content: content}
}

func (s *Service) oneDocument(ctx context.Context, req DocumentNamed) (doc docstore.Document, err error) {
	err = s.DB.View(ctx, func(r sqldb.Reader) (err error) {
		doc, err = s.document(ctx, r, req)
		return err
	})
	return doc, err
}

// noteExport journals that somebody took content out: administrators do not
// read documents unseen. edoc.md §4.4.
func (s *Service) noteExport(ctx context.Context, doc docstore.Document, what string, f FileContent) error {
	return s.DB.Update(ctx, func(tx *sqldb.Tx) error {
		_, err := journal.Append(ctx, tx, journal.Event{
			At: s.opt.Now(), Type: "doc.exported", Actor: actor(), Subject: string(doc.ULID),
			Data: map[string]any{"what": what, "sha256": f.SHA256, "size": f.Size},
		})
		return err
	})
}
