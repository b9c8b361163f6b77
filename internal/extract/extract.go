// Package extract takes text and properties out of files that strangers sent:
// PDF and office documents.
//
// [Read] does it in this process; it is what the child runs. Servers use a
// [Pool], which runs it in a child process of the same program, without
// network, files and further programs, with bounds on memory, time and
// processor time: a broken file can end the child, never the server.
package extract

import (
	"io"
	"path"
	"slices"
	"strings"

	"vanthu/internal/fault"
)

// MaxFile is the most octets of a file that are looked at.
const MaxFile = 64 << 20

// A File names a kind of file.
type File struct {
	Media string `json:"media"` // type/subtype in lower case
	Name  string `json:"name"`  // cleaned file name, may be ""
}

// ext is the ending of the name in lower case, with its dot.
func (f File) ext() string { return strings.ToLower(path.Ext(f.Name)) }

// isPDF goes by the name too: mail programs send much as plain octets.
func (f File) isPDF() bool { return f.Media == "application/pdf" || f.ext() == ".pdf" }

// Reads reports whether files of this kind can be read.
func (f File) Reads() bool { return f.isPDF() || officeKind(f) != nil }

// Want says how much of a file is wanted.
type Want struct {
	Octets int `json:"octets"` // at most so many octets of text in all
	// First and Last bound the pages of a PDF: so many from the beginning and
	// so many from the end. Both 0 means all.
	First int `json:"first,omitempty"`
	Last  int `json:"last,omitempty"`
}

// A Document is what was taken out of a file.
type Document struct {
	// Pages are the texts of pages of a PDF in their order; of an office
	// document, which has none, it is one text. Lines end with "\n".
	Pages []string `json:"pages,omitempty"`
	Count int      `json:"count,omitempty"` // pages that the PDF has, 0 when that is not known
	// Properties are the file's own: of a PDF those of the information
	// dictionary and of XMP, of an office document the core and custom ones.
	Properties []Property `json:"properties,omitempty"`
}

// A Property is a named value that a file says of itself.
type Property struct {
	Name  string `json:"name"` // title, subject, keywords … in lower case; custom ones as written
	Value string `json:"value"`
}

// Property gives the first property called name, "" when there is none. Names
// are compared without case.
func (d *Document) Property(name string) string {
	i := slices.IndexFunc(d.Properties, func(p Property) bool { return strings.EqualFold(p.Name, name) })
	if i < 0 {
		return ""
	}
	return d.Properties[i].Value
}

// Text gives all pages, with a line end between them.
func (d *Document) Text() string { return strings.Join(d.Pages, "\n") }

// add appends a property when there is something in it.
func (d *Document) add(name, value string) {
	const most = 4096
	value = strings.TrimSpace(strings.ToValidUTF8(value, "\uFFFD"))
	if len(value) > most {
		value = strings.ToValidUTF8(value[:most], "")
	}
	if value != "" && !slices.Contains(d.Properties, Property{name, value}) {
		d.Properties = append(d.Properties, Property{name, value})
	}
}

// Errors about a file. All are of kind Invalid: the same file gives the same
// error again.
var (
	ErrUnknown   = fault.New(fault.Invalid, fault.Text{EN: "files of this kind cannot be read", VI: "không đọc được loại tệp này"})
	ErrTooLarge  = fault.New(fault.Invalid, fault.Text{EN: "the file is too large to be read", VI: "tệp quá lớn nên không đọc được nội dung"})
	ErrDamaged   = fault.New(fault.Invalid, fault.Text{EN: "the file is damaged", VI: "tệp bị hỏng"})
	ErrProtected = fault.New(fault.Invalid, fault.Text{EN: "the file is protected by a password", VI: "tệp được bảo vệ bằng mật khẩu"})
	// ErrTooHard: reading it took more time or memory than one file may take.
	ErrTooHard = fault.New(fault.Invalid, fault.Text{EN: "the file takes too much time or memory to be read", VI: "tệp cần quá nhiều thời gian hoặc bộ nhớ để đọc"})
)

// ReadOffice takes the text out of an office document in this process. It is
// for one that is at most MaxFile long; of one that is damaged it gives what
// stands before the damage.
//
// It returns [ErrUnknown] when f is no office document, [ErrTooLarge], and
// what body returns.
func ReadOffice(f File, body io.Reader, want Want) (Document, error) {
	kind := officeKind(f)
	if kind == nil {
		return Document{}, ErrUnknown
	}
	raw, err := io.ReadAll(io.LimitReader(body, MaxFile+1))
	if err != nil {
		return Document{}, err
	}
	if len(raw) > MaxFile {
		return Document{}, ErrTooLarge
	}
	return kind.read(raw, want.Octets), nil
}

// clip cuts s to at most n octets, never inside a letter.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
