package filter

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// kind is what octets are, by their beginning. "" is unknown.
type kind string

const (
	kindProgram kind = "program" // something that a computer runs
	kindScript  kind = "script"  // "#!"
	kindPDF     kind = "pdf"
	kindZip     kind = "zip" // also OOXML and OpenDocument
	kindOLE     kind = "ole" // old office documents, Outlook messages, installers
	kindRTF     kind = "rtf"
	kindXML     kind = "xml"
	kindHTML    kind = "html"
	kindRAR     kind = "rar"
	kind7z      kind = "7z"
	kindPacked  kind = "gz" // gzip, bzip2, xz, cab, zstd
	kindImage   kind = "image"
	kindText    kind = "text"
)

// sniffLen is how much of a file is looked at, in octets.
const sniffLen = 4 << 10

// magics is never changed. The longest beginnings that matter come first.
var magics = []struct {
	begins string
	kind   kind
}{
	{"\x7fELF", kindProgram},
	{"\xfe\xed\xfa\xce", kindProgram}, {"\xfe\xed\xfa\xcf", kindProgram}, // Mach-O
	{"\xce\xfa\xed\xfe", kindProgram}, {"\xcf\xfa\xed\xfe", kindProgram},
	{"\xca\xfe\xba\xbe", kindProgram},                    // Mach-O for several processors, Java class
	{"L\x00\x00\x00\x01\x14\x02\x00", kindProgram},       // Windows shortcut
	{"dex\n", kindProgram}, {"\x00asm\x01", kindProgram}, // Android, WebAssembly
	{"#!", kindScript},
	{"PK\x03\x04", kindZip}, {"PK\x05\x06", kindZip},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", kindOLE},
	{"{\\rt", kindRTF},
	{"Rar!\x1a\x07", kindRAR},
	{"7z\xbc\xaf\x27\x1c", kind7z},
	{"\x1f\x8b", kindPacked}, {"BZh", kindPacked}, {"\xfd7zXZ\x00", kindPacked}, {"MSCF\x00", kindPacked}, {"\x28\xb5\x2f\xfd", kindPacked},
	{"\x89PNG\r\n\x1a\n", kindImage}, {"\xff\xd8\xff", kindImage}, {"GIF87a", kindImage}, {"GIF89a", kindImage},
	{"II*\x00", kindImage}, {"MM\x00*", kindImage},
}

// sniff tells what the beginning of a file is.
func sniff(head []byte) kind {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.begins)) {
			return m.kind
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("MZ")) && bytes.IndexByte(head[:min(len(head), 512)], 0) >= 0:
		return kindProgram
	case len(head) > 14 && bytes.HasPrefix(head, []byte("BM")) && bytes.Equal(head[6:10], []byte{0, 0, 0, 0}),
		len(head) > 12 && bytes.HasPrefix(head, []byte("RIFF")) && string(head[8:12]) == "WEBP":
		return kindImage
	case bytes.Contains(head[:min(len(head), 1024)], []byte("%PDF-")): // readers search the first KiB
		return kindPDF
	}
	text := strings.ToLower(strings.TrimLeft(strings.TrimPrefix(string(head[:min(len(head), 1024)]), "\ufeff"), " \t\r\n"))
	switch {
	case strings.HasPrefix(text, "<?xml") && !strings.Contains(text, "<html"):
		return kindXML
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"), strings.HasPrefix(text, "<script"),
		strings.HasPrefix(text, "<?xml"):
		return kindHTML
	case isText(head):
		return kindText
	}
	return ""
}

// isText tells whether octets are readable text in UTF-8, or in an old 8-bit
// charset.
func isText(b []byte) bool {
	if len(b) == 0 || bytes.IndexByte(b, 0) >= 0 {
		return false
	}
	odd := 0
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\r' && c != '\n' && c != '\f' {
			odd++
		}
	}
	return odd == 0 || utf8.Valid(b) && odd*100 < len(b)
}

// fits gives what octets a file of an extension may be; one that is not named
// here may be anything but a program. Unknown octets and plain text always fit:
// a damaged file is for its reader to complain about.
func fits(ext string) []kind {
	switch ext {
	case "pdf":
		return []kind{kindPDF}
	case "docx", "xlsx", "pptx", "docm", "xlsm", "pptm", "dotx", "xltx", "potx", "ppsx":
		return []kind{kindZip, kindOLE} // OLE when it is encrypted
	case "odt", "ods", "odp", "zip":
		return []kind{kindZip}
	case "doc", "xls", "ppt", "dot", "xlt", "pps":
		return []kind{kindOLE, kindRTF, kindXML, kindHTML, kindText, kindZip}
	case "msg":
		return []kind{kindOLE}
	case "rtf":
		return []kind{kindRTF}
	case "jpg", "jpeg", "png", "gif", "tif", "tiff", "bmp", "webp":
		return []kind{kindImage}
	case "rar":
		return []kind{kindRAR}
	case "7z":
		return []kind{kind7z}
	case "xml", "edxml":
		return []kind{kindXML, kindText, kindZip} // some systems zip each attachment of an edXML package
	case "txt", "csv", "asc", "eml", "ics", "vcf":
		return []kind{kindText, kindXML, kindHTML, kindRTF, kindScript, kindPDF} // text that speaks of such files
	case "html", "htm":
		return []kind{kindHTML, kindXML, kindText}
	}
	return nil
}
