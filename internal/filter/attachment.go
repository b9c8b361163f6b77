package filter

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// Rules say which attachments may come in.
type Rules struct {
	Allow []string // extensions, lower case, without the dot
	Hold  []string // extensions that an administrator looks at first
	// Risky is what happens to office documents with macros, to encrypted
	// files and to archives in archives.
	Risky Action
}

// Attachments checks the files in messages. It may be used concurrently.
type Attachments struct {
	rules Rules
	scrap scrap
}

// NewAttachments returns a check of rules. dir is where large archives are
// unpacked into a file without a name; "" means the system's folder.
func NewAttachments(rules Rules, dir string) *Attachments {
	return &Attachments{rules: rules, scrap: scrap{dir: dir}}
}

// maxEmbedded is how deep messages within messages are looked into.
const maxEmbedded = 10

// Check gives the gravest thing that is wrong with an attachment of m, whose
// octets r holds. Only a failure to read is an error.
func (a *Attachments) Check(m *mail.Message, r io.ReaderAt) (Decision, error) {
	return a.tree(m.Root, r, 0)
}

func (a *Attachments) tree(root *mail.Part, r io.ReaderAt, depth int) (d Decision, err error) {
	for _, att := range root.Attachments() {
		one, err := a.file(&att, r)
		if err != nil {
			return Decision{}, err
		}
		if d = worse(d, one); d.Action == Refuse {
			return d, nil
		}
		if att.Part.Message != nil && depth < maxEmbedded {
			inner, err := a.tree(att.Part.Message.Root, r, depth+1)
			if err != nil {
				return Decision{}, err
			}
			d = worse(d, inner)
		}
	}
	return d, nil
}

// programTypes are declared media types that no client should be handed
// whatever the file's name. Never changed.
var programTypes = []string{
	"application/x-msdownload", "application/x-dosexec", "application/x-msdos-program", "application/vnd.microsoft.portable-executable",
	"application/hta", "application/x-sh", "application/x-executable", "application/java-archive", "application/x-ms-shortcut",
	"application/javascript", "text/javascript", "text/vbscript", "application/x-msi",
}

// file checks one attachment.
func (a *Attachments) file(att *mail.Attachment, r io.ReaderAt) (Decision, error) {
	name := att.Name
	if strings.HasPrefix(att.Type, "message/") && (name == "" || att.Part.Message != nil) || att.Type == "text/rfc822-headers" {
		return Decision{}, nil // parts of reports, and messages: these are looked into
	}
	names := []string{name}
	if bare := *att.Part; bare.DispParams != nil { // the other of the two names: some programs take that one
		bare.DispParams = nil
		if other := bare.FileName(); other != "" && other != name {
			names = append(names, other)
		}
	}
	return a.octets(names, att.Type, att.Part.Decoder(r))
}

// File checks a file that came in an attachment as part of a package.
func (a *Attachments) File(name, mediaType string, r io.Reader) (Decision, error) {
	return a.octets([]string{name}, mediaType, r)
}

// octets checks a file by its names, the first of which is shown, by its
// declared type and by what it holds.
func (a *Attachments) octets(names []string, mediaType string, whole io.Reader) (Decision, error) {
	name := names[0]
	head := make([]byte, sniffLen)
	n, err := io.ReadFull(whole, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF { //nolint:errorlint // ReadFull wraps neither
		return Decision{}, fmt.Errorf("read an attachment: %w", err)
	}
	head = head[:n]
	is := sniff(head)
	shown := name
	if shown == "" {
		shown = mediaType
	}
	var d Decision
	for _, n := range names {
		ext := extension(n)
		if ext == "" {
			ext = usual(mediaType, is)
		}
		d = worse(d, a.byName(shown, ext, is))
	}
	if slices.Contains(programTypes, mediaType) {
		d = worse(d, refuseProgram(shown))
	}
	if d.Action == Refuse || is != kindZip && is != kindOLE {
		return d, nil
	}
	inside, err := a.inside(shown, extension(name), is, io.MultiReader(bytes.NewReader(head), whole))
	return worse(d, inside), err
}

// byName compares a file's extension with the rules and with its octets.
func (a *Attachments) byName(name, ext string, is kind) Decision {
	switch {
	case is == kindProgram:
		return refuseProgram(name)
	case riskyExtension(ext):
		return a.risky(name, CodeMacro, "may hold macros, which are programs", "có thể chứa macro (chương trình)")
	case slices.Contains(a.rules.Hold, ext):
		return Decision{Action: Hold, Code: CodeType, File: name, Text: fault.Text{
			EN: fmt.Sprintf("the attachment %q is of a kind that an administrator looks at first", name),
			VI: fmt.Sprintf("tệp đính kèm “%s” thuộc loại phải được quản trị viên kiểm tra trước", name),
		}}
	case !slices.Contains(a.rules.Allow, ext):
		return Decision{Action: Refuse, Code: CodeType, File: name, Text: fault.Text{
			EN: fmt.Sprintf("the attachment %q is of a kind that is not taken here; send it as PDF, or in a .zip", name),
			VI: fmt.Sprintf("không nhận loại tệp đính kèm “%s”; hãy gửi dạng PDF hoặc nén thành .zip", name),
		}}
	}
	if want := fits(ext); is != "" && is != kindText && (want != nil && !slices.Contains(want, is) || want == nil && is == kindScript) {
		return Decision{Action: Refuse, Code: CodeDisguise, File: name, Text: fault.Text{
			EN: fmt.Sprintf("the attachment %q is not what its name says (it is %s); give it its true extension, or save it anew", name, is),
			VI: fmt.Sprintf("nội dung tệp “%s” không đúng với phần mở rộng (thực ra là %s); hãy đặt lại tên hoặc lưu lại tệp", name, is),
		}}
	}
	return Decision{}
}

func refuseProgram(name string) Decision {
	return Decision{Action: Refuse, Code: CodeDisguise, File: name, Text: fault.Text{
		EN: fmt.Sprintf("the attachment %q is a program; programs are never sent by mail", name),
		VI: fmt.Sprintf("tệp đính kèm “%s” là chương trình máy tính; không gửi chương trình qua thư", name),
	}}
}

// risky is the decision about a file that may be harmless.
func (a *Attachments) risky(name string, code Code, en, vi string) Decision {
	if a.rules.Risky == Pass {
		return Decision{}
	}
	return Decision{Action: a.rules.Risky, Code: code, File: name, Text: fault.Text{
		EN: fmt.Sprintf("the attachment %q %s; send it without, best as PDF", name, en),
		VI: fmt.Sprintf("tệp đính kèm “%s” %s; hãy gửi bản không có, tốt nhất là PDF", name, vi),
	}}
}

func riskyExtension(ext string) bool {
	switch ext {
	case "docm", "dotm", "xlsm", "xltm", "xlam", "pptm", "potm", "ppam", "ppsm", "sldm":
		return true
	}
	return false
}

// extension gives the last part of a name, lower case, without the dot.
func extension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 || i == len(name)-1 {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(name[i+1:]))
}

// usual gives the extension of a file whose name has none: by its declared
// type, else by its octets.
func usual(mediaType string, is kind) string {
	switch mediaType {
	case "application/pdf":
		return "pdf"
	case "application/pkcs7-signature", "application/x-pkcs7-signature":
		return "p7s"
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return "p7m"
	case "application/pgp-signature", "application/pgp-encrypted", "application/pgp-keys":
		return "asc"
	case "text/calendar":
		return "ics"
	case "text/vcard", "text/x-vcard":
		return "vcf"
	case "application/xml", "text/xml", "application/edxml+xml":
		return "xml"
	case "text/csv":
		return "csv"
	case "text/html":
		return "html"
	}
	switch {
	case strings.HasPrefix(mediaType, "text/"):
		return "txt"
	case is == kindImage:
		return "png"
	case is == kindText:
		return "txt"
	}
	return string(is)
}
