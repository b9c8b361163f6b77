package extract

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/klippa-app/go-pdfium"
	pdferr "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// An engine reads PDF files: PDFium as WebAssembly, which is a sandbox of its
// own. Its code is compiled once and kept in a folder: that takes 4 s and
// 350 MB, while to start from the folder takes 0.3 s and 50 MB.
type engine struct {
	pool  pdfium.Pool
	cache wazero.CompilationCache // nil when the folder cannot be used
}

// engineMemory bounds what one PDF may take inside the sandbox, in pages of
// 64 KiB: 256 MiB.
const engineMemory = 4096

// startEngine compiles the engine, or loads it from the folder, "" for none.
func startEngine(ctx context.Context, folder string) (*engine, error) {
	conf := wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
		WithMemoryLimitPages(engineMemory)
	e := &engine{}
	if folder != "" {
		// A folder that cannot be written costs time, no more.
		if cache, err := wazero.NewCompilationCacheWithDir(folder); err == nil {
			e.cache = cache
			conf = conf.WithCompilationCache(cache)
		}
	}
	pool, err := webassembly.Init(webassembly.Config{
		Context: ctx, MaxIdle: 1, MaxTotal: 1, RuntimeConfig: conf,
		FSConfig: wazero.NewFSConfig(), Stdout: io.Discard, Stderr: io.Discard, // it sees no file and says nothing
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the PDF engine: %w", err), e.close(ctx))
	}
	e.pool = pool
	return e, nil
}

func (e *engine) close(ctx context.Context) error {
	var err error
	if e.pool != nil {
		err = e.pool.Close()
	}
	if e.cache != nil {
		err = errors.Join(err, e.cache.Close(ctx))
	}
	return err
}

// read takes a PDF apart. Each gets a fresh sandbox.
func (e *engine) read(raw []byte, want Want) (doc Document, err error) {
	in, err := e.pool.GetInstance(10 * time.Second)
	if err != nil {
		return Document{}, fmt.Errorf("a sandbox for the PDF: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	open, err := in.OpenDocument(&requests.OpenDocument{File: &raw})
	switch {
	case errors.Is(err, pdferr.ErrPassword), errors.Is(err, pdferr.ErrSecurity):
		return Document{}, ErrProtected
	case err != nil:
		return Document{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	count, err := in.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: open.Document})
	if err != nil {
		return Document{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	doc.Count = count.PageCount
	pdfProperties(in, open.Document, raw, &doc)
	room := want.Octets
	for i := range doc.Count {
		if room <= 0 {
			break
		}
		if (want.First > 0 || want.Last > 0) && i >= want.First && i < doc.Count-want.Last {
			continue
		}
		page, err := in.GetPageText(&requests.GetPageText{Page: requests.Page{ByIndex: &requests.PageByIndex{Document: open.Document, Index: i}}})
		if err != nil {
			continue // the other pages may be whole
		}
		text := clip(strings.ReplaceAll(strings.ToValidUTF8(page.Text, "\uFFFD"), "\r\n", "\n"), room)
		room -= len(text)
		doc.Pages = append(doc.Pages, text)
	}
	return doc, nil
}

// pdfProperties adds the information dictionary and XMP (ISO 32000-1 §14.3).
func pdfProperties(in pdfium.Pdfium, open references.FPDF_DOCUMENT, raw []byte, doc *Document) {
	if meta, err := in.GetMetaData(&requests.GetMetaData{Document: open}); err == nil {
		for _, tag := range meta.Tags {
			switch tag.Tag {
			case "Title", "Author", "Subject", "Keywords":
				doc.add(strings.ToLower(tag.Tag), tag.Value)
			}
		}
	}
	xmp(raw, doc)
}

// xmp adds what the XMP packet says, which PDF writers leave unpacked so that
// programs find it without reading the file's structure (XMP part 3 §3.1).
func xmp(raw []byte, doc *Document) {
	const most = 256 << 10
	_, packet, found := bytes.Cut(raw, []byte("<x:xmpmeta"))
	if !found {
		return
	}
	packet = packet[:min(len(packet), most)]
	d := tolerant(io.MultiReader(strings.NewReader("<x:xmpmeta"), bytes.NewReader(packet)))
	name, value := "", strings.Builder{}
	for {
		tok, err := d.RawToken()
		if err != nil {
			return
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			switch tok.Name.Local {
			case "title", "subject", "description", "Keywords":
				name = strings.ToLower(tok.Name.Local)
				value.Reset()
			}
		case xml.CharData:
			if name != "" {
				value.Write(tok)
			}
		case xml.EndElement:
			switch tok.Name.Local {
			case "title", "subject", "description", "Keywords":
				doc.add(name, strings.Join(strings.Fields(value.String()), " "))
				name = ""
			case "xmpmeta":
				return
			}
		}
	}
}
