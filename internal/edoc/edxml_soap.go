package edoc

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
)

// maxSOAPHead is where the header of a SOAP message with attachments must have
// ended, in octets.
const maxSOAPHead = 16 << 10

// A soapPart is a part beside the XML of a SOAP message with attachments.
type soapPart struct {
	id, name, mediaType string
	data                []byte
	malformed           bool // not in the transfer encoding that it declares
}

// splitSOAP tells whether an edXML file is a SOAP message with attachments, as
// systems of the first national axis write it: a MIME multipart/related whose
// root is the XML and whose other parts are the attached files. It gives the
// XML, and the parts of such a message.
func splitSOAP(r io.Reader, lim Limits) (xml io.Reader, parts []soapPart, err error) {
	src := &source{r: r, left: lim.MaxBytes}
	end := &tail{r: src}
	br := bufio.NewReaderSize(end, maxSOAPHead)
	head, _ := br.Peek(maxSOAPHead) // a shorter file; other errors are in src
	if src.err != nil {
		return nil, nil, src.err
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	if len(text) == 0 || text[0] == '<' {
		return br, nil, nil
	}
	boundary, start, ok := soapHead(br, head)
	if !ok {
		return nil, nil, ErrNotEdXML
	}
	var root []byte
	found := false
	room := lim.MaxContent
	mp := multipart.NewReader(br, boundary)
	for {
		part, err := mp.NextRawPart()
		if err == io.EOF && found && end.has("--"+boundary+"--") { //nolint:errorlint // as documented
			return bytes.NewReader(root), parts, nil
		}
		if src.err != nil {
			return nil, nil, src.err
		}
		if err != nil {
			return nil, nil, ErrNotEdXML
		}
		p := soapPart{id: bareID(part.Header.Get("Content-Id")), name: part.FileName()}
		p.mediaType, _, _ = mime.ParseMediaType(part.Header.Get("Content-Type")) // sniffed anyway
		isRoot := !found && (start == "" || start == p.id)
		limit := room
		if isRoot {
			limit = lim.MaxBytes
		}
		p.data, p.malformed, err = decodePart(part, limit)
		switch {
		case src.err != nil:
			return nil, nil, src.err
		case err != nil:
			return nil, nil, err
		case isRoot:
			root, found = p.data, true
			continue
		case len(parts) == lim.MaxFiles:
			return nil, nil, ErrTooLarge
		}
		room -= int64(len(p.data))
		parts = append(parts, p)
	}
}

// soapHead reads what stands before the first part: a MIME header, or nothing
// but the first boundary when only the body of an HTTP message was kept.
func soapHead(br *bufio.Reader, head []byte) (boundary, start string, ok bool) {
	if line, _, _ := bytes.Cut(head, []byte("\n")); bytes.HasPrefix(line, []byte("--")) {
		boundary = strings.TrimRight(string(line[2:]), " \t\r")
		return boundary, "", boundary != ""
	}
	n := bytes.Index(head, []byte("\r\n\r\n")) + 4
	if n < 4 {
		if n = bytes.Index(head, []byte("\n\n")) + 2; n < 2 {
			return "", "", false
		}
	}
	fields, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(head[:n]))).ReadMIMEHeader()
	if err != nil {
		return "", "", false
	}
	mediaType, params, err := mime.ParseMediaType(fields.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(mediaType, "multipart/") || params["boundary"] == "" {
		return "", "", false
	}
	if _, err := br.Discard(n); err != nil {
		return "", "", false
	}
	return params["boundary"], bareID(params["start"]), true
}

// decodePart reads a part in its transfer encoding, at most limit octets.
func decodePart(part *multipart.Part, limit int64) (data []byte, malformed bool, err error) {
	whole := &partEnd{r: part}
	var r io.Reader = whole
	switch strings.ToLower(strings.TrimSpace(part.Header.Get("Content-Transfer-Encoding"))) {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	}
	data, err = io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(data)) > limit {
		return nil, false, ErrTooLarge
	}
	if whole.err != nil {
		return nil, false, ErrNotEdXML // cut off before the boundary
	}
	return data, err != nil, nil
}

// tail keeps the last octets of what is read: the multipart reader takes a
// file that was cut off within the header of a part for a whole one.
type tail struct {
	r    io.Reader
	last []byte
}

const tailLen = 512

func (t *tail) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.last = append(t.last, b[max(0, n-tailLen):n]...)
	t.last = t.last[max(0, len(t.last)-tailLen):]
	return n, err
}

func (t *tail) has(s string) bool { return bytes.Contains(t.last, []byte(s)) }

// partEnd remembers when a part does not end as it should.
type partEnd struct {
	r   io.Reader
	err error
}

func (p *partEnd) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		p.err = err
	}
	return n, err
}

// bareID gives a Content-ID or a reference to it without what stands around.
func bareID(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 4 && strings.EqualFold(s[:4], "cid:") {
		s = s[4:]
	}
	return strings.Trim(s, "<>")
}

// soapFiles makes files of the parts, in the order of the manifest; those that
// it does not name come last, so that nothing is lost.
func (in scanner) soapFiles(root *node, parts []soapPart, lim Limits) ([]PackageFile, error) {
	var files []PackageFile
	room := lim.MaxContent
	used := make([]bool, len(parts))
	add := func(i int, f PackageFile) error {
		p := parts[i]
		used[i] = true
		if p.malformed {
			in.add(placeContent.malformed())
		}
		f.Name, f.Type = first(f.Name, p.name), first(f.Type, p.mediaType)
		var err error
		if f.Data, err = unwrap(p.data, f.Name, room); err != nil {
			return err
		}
		if room -= int64(len(f.Data)); room < 0 {
			return ErrTooLarge
		}
		files = append(files, f)
		return nil
	}
	for _, ref := range manifestReferences(root) {
		id := first(ref.str("contentid"), ref.href)
		for i := range parts {
			if used[i] || bareID(id) != parts[i].id {
				continue
			}
			if err := add(i, PackageFile{
				ContentID: id, Name: ref.str("attachmentname"), Description: ref.str("description"), Type: ref.str("contenttype"),
			}); err != nil {
				return nil, err
			}
			break
		}
	}
	for i := range parts {
		if used[i] {
			continue
		}
		if err := add(i, PackageFile{ContentID: "cid:" + parts[i].id}); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// manifestReferences gives what the manifest lists; the older standard calls
// it Manifest.
func manifestReferences(root *node) (refs []*node) {
	lists := root.find("edxmlmanifest")
	if len(lists) == 0 {
		for _, body := range root.find("body") {
			lists = append(lists, body.find("manifest")...)
		}
	}
	for _, list := range lists {
		refs = append(refs, list.all("reference")...)
	}
	return refs
}
