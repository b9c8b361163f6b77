package extract

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"io"
	"path"
	"slices"
	"strings"
)

// Limits of an office document, which is a zip archive of XML files. What is
// counted is what is really unpacked; declared sizes are not believed.
const (
	maxOfficeEntries  = 5_000
	maxOfficeUnpacked = 32 << 20 // octets in all
	maxOfficeRatio    = 200      // unpacked to packed octets of a file …
	minOfficeRatio    = 1 << 20  // … that has more octets than this
)

// office is a family of office documents: which files hold its text.
type office struct {
	media []string // beginnings of media types
	ext   []string // of file names, for attachments sent as plain octets
	files []string // patterns of path.Match, in the order they are read
	holds []string // elements whose character data is text
}

// officeKinds is never changed. ECMA-376 (Word, Excel, PowerPoint), ISO/IEC 26300.
var officeKinds = []office{
	{
		media: []string{"application/vnd.openxmlformats-officedocument.wordprocessingml.", "application/vnd.ms-word.document.macroenabled."},
		ext:   []string{".docx", ".docm", ".dotx"},
		files: []string{"word/document.xml", "word/header*.xml", "word/footer*.xml", "word/footnotes.xml", "word/endnotes.xml", "word/comments.xml"},
		holds: []string{"t", "v"},
	},
	{
		media: []string{"application/vnd.openxmlformats-officedocument.spreadsheetml.", "application/vnd.ms-excel.sheet.macroenabled."},
		ext:   []string{".xlsx", ".xlsm", ".xltx"},
		files: []string{"xl/workbook.xml", "xl/sharedStrings.xml", "xl/worksheets/*.xml", "xl/comments*.xml"},
		holds: []string{"t", "v"},
	},
	{
		media: []string{"application/vnd.openxmlformats-officedocument.presentationml.", "application/vnd.ms-powerpoint.presentation.macroenabled."},
		ext:   []string{".pptx", ".pptm", ".ppsx"},
		files: []string{"ppt/slides/*.xml", "ppt/notesSlides/*.xml"},
		holds: []string{"t", "v"},
	},
	{
		media: []string{"application/vnd.oasis.opendocument."},
		ext:   []string{".odt", ".ods", ".odp"},
		files: []string{"content.xml", "styles.xml"},
		holds: []string{"p", "h"},
	},
}

// officeKind tells by media type or file name which kind a file is, nil for none.
func officeKind(f File) *office {
	ext := f.ext()
	for i := range officeKinds {
		k := &officeKinds[i]
		if slices.Contains(k.ext, ext) || slices.ContainsFunc(k.media, func(m string) bool { return strings.HasPrefix(f.Media, m) }) {
			return k
		}
	}
	return nil
}

// read gives the text, about limit octets at most, and the properties of a
// document. Of one that is damaged or beyond the limits it gives what was read
// until then. Nothing outside the archive is ever opened; entities of a
// document type are not expanded.
func (k *office) read(raw []byte, limit int) Document {
	if bytes.Count(raw, []byte("PK\x01\x02")) > maxOfficeEntries { // heads of the directory, before any memory is spent on them
		return Document{}
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil || len(z.File) > maxOfficeEntries {
		return Document{}
	}
	t := officeText{kind: k, room: limit, unpacked: maxOfficeUnpacked}
	for _, f := range z.File {
		if slices.Contains(propertyFiles, f.Name) {
			t.file(f, t.properties)
		}
	}
	for _, pattern := range k.files {
		for _, f := range z.File {
			if t.room <= 0 || t.unpacked <= 0 {
				break
			}
			if ok, err := path.Match(pattern, f.Name); err == nil && ok {
				t.file(f, t.xml)
			}
		}
	}
	if t.b.Len() > 0 {
		t.doc.Pages = []string{t.b.String()}
	}
	return t.doc
}

// officeText gathers the text of the files of one document.
type officeText struct {
	kind     *office
	doc      Document // gets the properties
	b        strings.Builder
	room     int   // octets of text
	unpacked int64 // octets that may still be unpacked
}

// file gives one file of the archive to read, as much of it as may be unpacked.
func (t *officeText) file(f *zip.File, read func(io.Reader)) {
	r, err := f.Open()
	if err != nil {
		return
	}
	defer r.Close() //nolint:errcheck // nothing was written
	limit := min(t.unpacked, max(minOfficeRatio, maxOfficeRatio*int64(min(f.CompressedSize64, MaxFile))))
	counted := &io.LimitedReader{R: r, N: limit}
	read(counted)
	t.unpacked -= limit - counted.N
}

// lineEnds are the elements after which text goes on in another line or cell.
var lineEnds = map[string]bool{
	"p": true, "h": true, "br": true, "cr": true, "tab": true, "line-break": true, "list-item": true,
	"si": true, "c": true, "row": true, "tc": true, "tr": true, "table-cell": true, "table-row": true,
}

// xml writes the text of one file. A damaged one gives what stands before the
// damage. Tokens are taken raw: no stack grows with the depth of elements.
func (t *officeText) xml(r io.Reader) {
	d := tolerant(r)
	inside, shared := 0, false
	for t.room > 0 {
		tok, err := d.RawToken()
		if err != nil {
			return
		}
		switch tok := tok.(type) {
		case xml.CharData:
			if inside > 0 && !shared {
				t.write(strings.ToValidUTF8(string(tok), "\uFFFD"))
			}
		case xml.StartElement:
			switch name := tok.Name.Local; {
			case name == "c": // the <v> of this cell may be the number of a shared string, which is no text
				shared = slices.Contains(tok.Attr, xml.Attr{Name: xml.Name{Local: "t"}, Value: "s"})
			case name == "s" && inside > 0: // blanks of OpenDocument
				t.write(" ")
			case slices.Contains(t.kind.holds, name):
				inside++
			}
		case xml.EndElement:
			if slices.Contains(t.kind.holds, tok.Name.Local) {
				inside = max(inside-1, 0)
			}
			if tok.Name.Local == "c" {
				shared = false
			}
			if lineEnds[tok.Name.Local] {
				t.write("\n")
			}
		}
	}
}

func (t *officeText) write(s string) {
	if len(s) > t.room {
		s = strings.ToValidUTF8(s[:t.room], "")
		t.room = 0
	} else {
		t.room -= len(s)
	}
	t.b.WriteString(s)
}

// tolerant gives a decoder that reads what it can. These files are UTF-8.
func tolerant(r io.Reader) *xml.Decoder {
	d := xml.NewDecoder(r)
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	return d
}

// propertyFiles hold what a document says of itself: ECMA-376 part 2 §11 (core
// properties), part 1 §22.3 (custom ones), ISO/IEC 26300 part 3 §2.
var propertyFiles = []string{"docProps/core.xml", "docProps/custom.xml", "meta.xml"}

// properties reads one of the propertyFiles. In core.xml and meta.xml the
// element's name tells what its text is; in custom.xml and in user-defined
// elements of meta.xml the attribute "name" does.
func (t *officeText) properties(r io.Reader) {
	const most = 64
	d := tolerant(r)
	name, value := "", strings.Builder{}
	for len(t.doc.Properties) < most {
		tok, err := d.RawToken()
		if err != nil {
			return
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			switch tok.Name.Local {
			case "title", "subject", "description", "creator", "category", "language", "keywords", "keyword":
				if name = tok.Name.Local; name == "keyword" {
					name = "keywords"
				}
				value.Reset()
			case "property", "user-defined":
				value.Reset()
				for _, a := range tok.Attr {
					if a.Name.Local == "name" {
						name = a.Value
					}
				}
			}
		case xml.CharData:
			if name != "" && value.Len() < 8<<10 {
				value.Write(tok)
			}
		case xml.EndElement:
			switch tok.Name.Local {
			case "title", "subject", "description", "creator", "category", "language", "keywords", "keyword", "property", "user-defined":
				t.doc.add(name, value.String())
				name = ""
			}
		}
	}
}
