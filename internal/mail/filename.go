package mail

import (
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxFileName is the longest cleaned file name, in octets.
const maxFileName = 200

// FileName gives the name the sender gave a part, decoded and cleaned so that
// it can be shown and put into a file system: base name only, no controls, no
// characters that reorder or hide text, NFC, at most 200 octets with its
// extension kept. It is "" when there is none.
func (p *Part) FileName() string {
	name := decodedParam(p.DispParams, "filename")
	if name == "" {
		name = decodedParam(p.Params, "name")
	}
	return CleanFileName(name)
}

// Charset gives the declared charset of a text part in lower case, "" when there is none.
func (p *Part) Charset() string { return strings.ToLower(decodedParam(p.Params, "charset")) }

// CleanFileName makes a file name safe as FileName says.
func CleanFileName(name string) string {
	name = norm.NFC.String(strings.ToValidUTF8(name, "_"))
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || unicode.Is(unicode.Zs, r):
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029':
			return -1
		case strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		default:
			return r
		}
	}, name)
	name = strings.Trim(strings.TrimRight(name, ". "), " ")
	if len(name) <= maxFileName {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > 20 || ext == name {
		ext = ""
	}
	return strings.TrimRight(cutRunes(name, maxFileName-len(ext)), ". ") + ext
}

// cutRunes gives the longest prefix of s of at most n octets that ends between letters.
func cutRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// decodedParam gives a parameter decoded: RFC 2231 forms first, then the plain
// one with encoded words or raw octets.
func decodedParam(params []Param, name string) string {
	if v, ok := extendedParam(params, name); ok {
		return v
	}
	v := param(params, name)
	if v == "" || isASCII(v) && !strings.Contains(v, "=?") {
		return v
	}
	return DecodeHeader(v)
}

// extendedParam joins and decodes the pieces "name*0*", "name*1" … or "name*".
// RFC 2231, sections 3 and 4.
func extendedParam(params []Param, name string) (string, bool) {
	var pieces [maxParams]*Param
	found := false
	for i := range params {
		p := &params[i]
		base, rest, starred := strings.Cut(p.Name, "*")
		if !starred || !strings.EqualFold(base, name) {
			continue
		}
		rest = strings.TrimSuffix(rest, "*")
		n := 0
		if rest != "" {
			var err error
			if n, err = strconv.Atoi(rest); err != nil {
				continue
			}
		}
		if n < 0 || n >= maxParams || pieces[n] != nil {
			continue
		}
		pieces[n], found = p, true
	}
	if !found {
		return "", false
	}
	charset := ""
	var text []byte
	for n, p := range pieces {
		if p == nil {
			if n == 0 {
				continue // some mailers count from one
			}
			if n > 1 || text != nil {
				break
			}
			continue
		}
		v := p.Value
		if !strings.HasSuffix(p.Name, "*") {
			text = append(text, v...)
			continue
		}
		if text == nil {
			if cs, rest, ok := strings.Cut(v, "'"); ok {
				if _, value, ok := strings.Cut(rest, "'"); ok {
					charset, v = cs, value
				}
			}
		}
		text = appendPercentDecoded(text, v)
	}
	s := DecodeText(text, charset)
	if charset == "" && strings.Contains(s, "=?") {
		s = DecodeHeader(s)
	}
	return s, true
}

func appendPercentDecoded(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0 {
			b = append(b, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return b
}

// Attachment is a leaf of the MIME tree that is a file rather than text to read.
type Attachment struct {
	Name   string // cleaned, may be ""
	Type   string // "application/pdf", lower case
	Inline bool   // shown within a text (an image with a Content-ID, or disposition inline)
	Path   []int  // part number as IMAP counts
	Part   *Part
}

// Attachments gives the attachments of m in their order; those inside of
// embedded messages belong to these and are not listed.
func (m *Message) Attachments() []Attachment { return m.Root.Attachments() }

// Attachments gives the attachments in the tree under p, the root of a message.
func (p *Part) Attachments() []Attachment {
	var out []Attachment
	var walk func(p *Part, at []int)
	walk = func(p *Part, at []int) {
		for i, c := range p.Children {
			walk(c, append(at[:len(at):len(at)], i+1))
		}
		if p.IsMultipart() {
			return
		}
		name := p.FileName()
		readable := p.Type == "text" && (p.Subtype == "plain" || p.Subtype == "html")
		if p.Disposition != "attachment" && name == "" && readable {
			return
		}
		if len(at) == 0 {
			at = []int{1}
		}
		out = append(out, Attachment{
			Name: name, Type: p.Type + "/" + p.Subtype, Path: at, Part: p,
			Inline: p.Disposition != "attachment" && (p.Disposition == "inline" || p.ID != ""),
		})
	}
	walk(p, nil)
	return out
}
