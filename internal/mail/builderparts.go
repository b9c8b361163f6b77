package mail

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// textPart writes the fields and the body of a text/plain part.
func (w *messageWriter) textPart(text string) {
	text = normalizeText(text)
	charset, encoding := "utf-8", "7bit"
	high, long := 0, false
	for line := range strings.SplitSeq(text, "\r\n") {
		long = long || len(line) > maxFolded || strings.HasSuffix(line, " ")
	}
	for i := 0; i < len(text); i++ {
		if text[i] >= utf8.RuneSelf || text[i] < ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n' {
			high++
		}
	}
	switch {
	case high*6 > len(text):
		encoding = "base64"
	case high > 0 || long:
		encoding = "quoted-printable"
	}
	w.structured("Content-Type", "text/plain; charset="+charset)
	w.structured("Content-Transfer-Encoding", encoding)
	w.eol()
	switch encoding {
	case "base64":
		w.base64([]byte(text))
	case "quoted-printable":
		w.quotedPrintable(text)
	default:
		w.buf.WriteString(text)
	}
}

// normalizeText gives valid NFC text with CR LF line ends, the last line ended.
func normalizeText(s string) string {
	s = norm.NFC.String(strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.ReplaceAll(s, "\x00", "")
	s = string(normalizeEOL([]byte(s)))
	if s != "" && !strings.HasSuffix(s, "\r\n") {
		s += "\r\n"
	}
	return s
}

// normalizeEOL makes every CR, LF and CR LF a CR LF.
func normalizeEOL(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/32+2)
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\r':
			if i+1 < len(b) && b[i+1] == '\n' {
				i++
			}
			out = append(out, '\r', '\n')
		case '\n':
			out = append(out, '\r', '\n')
		default:
			out = append(out, b[i])
		}
	}
	return out
}

// base64 writes b in lines of 76 letters, the last one ended.
func (w *messageWriter) base64(b []byte) {
	const perLine = 57
	var line [76]byte
	for len(b) > 0 {
		n := min(perLine, len(b))
		base64.StdEncoding.Encode(line[:], b[:n])
		w.buf.Write(line[:base64.StdEncoding.EncodedLen(n)])
		w.eol()
		b = b[n:]
	}
}

// quotedPrintable writes text, whose line ends are CR LF. RFC 2045, section 6.7.
func (w *messageWriter) quotedPrintable(text string) {
	const hex = "0123456789ABCDEF"
	for len(text) > 0 {
		line, rest, ended := strings.Cut(text, "\r\n")
		length := 0
		for i := 0; i < len(line); i++ {
			c := line[i]
			plain := c == '\t' || c >= ' ' && c < 0x7f && c != '='
			if (c == ' ' || c == '\t') && i == len(line)-1 {
				plain = false
			}
			if i == 0 && c == '.' || i == 0 && strings.HasPrefix(line, "From ") {
				plain = false // dot-stuffing and mbox handling then never touch the line
			}
			n := 1
			if !plain {
				n = 3
			}
			if length+n > 75 {
				w.buf.WriteString("=\r\n")
				length = 0
			}
			if plain {
				w.buf.WriteByte(c)
			} else {
				w.buf.Write([]byte{'=', hex[c>>4], hex[c&15]})
			}
			length += n
		}
		if ended {
			w.eol()
		}
		text = rest
	}
}

// report writes the second and third part of a multipart/report.
func (w *messageWriter) report(r *Report, boundary string) {
	w.structured("Content-Type", "message/"+paramName(r.Type))
	w.eol()
	w.buf.Write(asciiOnly(normalizeEOL(r.Status)))
	if r.Original == nil {
		return
	}
	w.delimiter(boundary, "")
	typ := "message/rfc822"
	if r.Headers {
		typ = "text/rfc822-headers"
	}
	w.structured("Content-Type", typ)
	if hasHigh(r.Original) {
		w.structured("Content-Transfer-Encoding", "8bit")
	}
	w.eol()
	w.buf.Write(normalizeEOL(r.Original))
}

// asciiOnly replaces octets above ASCII, which report fields cannot hold.
func asciiOnly(b []byte) []byte {
	for i, c := range b {
		if c >= utf8.RuneSelf || c == 0 {
			b[i] = '?'
		}
	}
	return b
}

// isMessageType tells media types that must not be encoded, RFC 2046, section 5.2.
func isMessageType(typ string) bool { return strings.HasPrefix(strings.ToLower(typ), "message/") }

// file writes an attachment. The name goes out in the form of RFC 2231, and as
// encoded word in Content-Type for the mailers that know only that.
func (w *messageWriter) file(f File) {
	typ := mediaType(f.Type)
	name := CleanFileName(f.Name)
	content := []string{typ}
	disposition := []string{"attachment"}
	if f.Inline {
		disposition[0] = "inline"
	}
	if name != "" {
		content[0] += ";"
		disposition[0] += ";"
		if isASCII(name) && len(name) < 60 {
			content = append(content, "name="+quote(name))
			disposition = append(disposition, "filename="+quote(name))
		} else {
			words := encodedWords(name, len(` name="`))
			words[0] = `name="` + words[0]
			words[len(words)-1] += `"`
			content = append(content, words...)
			disposition = append(disposition, extendedPieces("filename", name)...)
		}
	}
	w.fields("Content-Type", content)
	if isMessageType(typ) {
		if hasHigh(f.Content) {
			w.structured("Content-Transfer-Encoding", "8bit")
		}
	} else {
		w.structured("Content-Transfer-Encoding", "base64")
	}
	w.fields("Content-Disposition", disposition)
	w.eol()
	if isMessageType(typ) {
		w.buf.Write(normalizeEOL(f.Content))
		return
	}
	w.base64(f.Content)
}

// mediaType gives a clean "type/subtype".
func mediaType(s string) string {
	typ, sub, ok := strings.Cut(s, "/")
	typ, sub = paramName(typ), paramName(sub)
	if !ok || typ == "" || sub == "" || strings.EqualFold(typ, "multipart") {
		return "application/octet-stream"
	}
	return strings.ToLower(typ + "/" + sub)
}

// extendedPieces gives a parameter in pieces that each fit on a line. RFC 2231,
// section 4.1.
func extendedPieces(name, value string) []string {
	const room = 60
	enc := "utf-8''" + percentEncode(value, true)
	if len(enc) <= room {
		return []string{name + "*=" + enc}
	}
	var out []string
	for enc != "" {
		n := min(room, len(enc))
		for n < len(enc) && n > room-3 && (enc[n-1] == '%' || enc[n-2] == '%') {
			n-- // never cut an escape
		}
		piece := name + "*" + strconv.Itoa(len(out)) + "*=" + enc[:n]
		if enc = enc[n:]; enc != "" {
			piece += ";"
		}
		out = append(out, piece)
	}
	return out
}
