package edoc

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"vanthu/internal/fault"
)

// Limits bounds what the edXML reader accepts. A zero field means its default.
type Limits struct {
	MaxBytes    int64 // XML text; 0 means 72 MiB, room for 50 MiB of attachments
	MaxFiles    int   // attachments; 0 means 100
	MaxContent  int64 // bytes of all attachments, unwrapped; 0 means 64 MiB
	MaxElements int   // 0 means 50,000
	MaxDepth    int   // of nested elements; 0 means 32
	MaxText     int   // bytes of text in one element but an attachment; 0 means 64 KiB
}

// maxAttrs bounds the attributes of one element; the format knows two.
const maxAttrs = 64

func (l Limits) withDefaults() Limits {
	if l.MaxBytes == 0 {
		l.MaxBytes = 72 << 20
	}
	if l.MaxFiles == 0 {
		l.MaxFiles = 100
	}
	if l.MaxContent == 0 {
		l.MaxContent = 64 << 20
	}
	if l.MaxElements == 0 {
		l.MaxElements = 50_000
	}
	if l.MaxDepth == 0 {
		l.MaxDepth = 32
	}
	if l.MaxText == 0 {
		l.MaxText = 64 << 10
	}
	return l
}

var (
	// ErrNotEdXML is what the readers return for something that is no
	// well-formed edXML.
	ErrNotEdXML = fault.New(fault.Invalid, fault.Text{
		EN: "not a well-formed edXML file",
		VI: "tệp edXML sai cấu trúc",
	})
	// ErrTooLarge is what the readers return for a file beyond its Limits.
	ErrTooLarge = fault.New(fault.Invalid, fault.Text{
		EN: "the edXML file is too large or too complex",
		VI: "tệp edXML quá lớn hoặc quá phức tạp",
	})
	// ErrDTD is what the readers return for a document type declaration.
	ErrDTD = fault.New(fault.Invalid, fault.Text{
		EN: "an edXML file must not have a document type declaration",
		VI: "tệp edXML không được chứa khai báo DTD",
	})
)

// A node is an element without its namespace: real packages use the present
// one, an older one, or none.
type node struct {
	name    string // local name in lower case
	text    []byte
	kids    []*node
	content *base64Reader // of ContentTransferEncoded only

	href, algorithm string // the two attributes that mean something
}

// readTree reads a whole XML file. Entities other than the five of XML, DTDs
// and encodings other than UTF-8 are refused; there is nothing to expand and
// nothing to fetch.
func readTree(r io.Reader, lim Limits) (*node, error) {
	src := &source{r: r, left: lim.MaxBytes}
	div := &diverter{r: src, room: lim.MaxContent}
	d := xml.NewDecoder(bufio.NewReaderSize(div, 32<<10))
	root := &node{}
	stack := []*node{root}
	elements, contents := 0, 0
	for {
		tok, err := d.Token()
		if err != nil {
			switch {
			case div.room < 0:
				return nil, ErrTooLarge
			case src.err != nil:
				return nil, src.err
			case !errors.Is(err, io.EOF):
				return nil, fmt.Errorf("%w: %w", ErrNotEdXML, err)
			case len(root.kids) != 1 || contents != len(div.contents):
				return nil, ErrNotEdXML
			}
			return root.kids[0], nil
		}
		top := stack[len(stack)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			elements++
			if elements > lim.MaxElements || len(stack) > lim.MaxDepth || len(tok.Attr) > maxAttrs {
				return nil, ErrTooLarge
			}
			n := &node{name: strings.ToLower(tok.Name.Local)}
			for _, a := range tok.Attr {
				switch a.Name.Local {
				case "href":
					n.href = a.Value
				case "Algorithm":
					n.algorithm = a.Value
				}
			}
			if n.name == contentElement {
				// The diverter saw this tag before the decoder did.
				if contents == len(div.contents) {
					return nil, ErrNotEdXML
				}
				n.content = div.contents[contents]
				contents++
			}
			top.kids = append(top.kids, n)
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) == 1 {
				continue // blanks and a byte-order mark around the root
			}
			if top.content != nil {
				// What follows a comment or CDATA section inside the content.
				if top.content.write(tok); div.room < 0 {
					return nil, ErrTooLarge
				}
				continue
			}
			if len(top.text)+len(tok) > lim.MaxText {
				return nil, ErrTooLarge
			}
			top.text = append(top.text, tok...)
		case xml.Directive:
			return nil, ErrDTD
		}
	}
}

// A source counts what is read and remembers its error, to tell a failing
// reader from bad XML.
type source struct {
	r    io.Reader
	left int64
	err  error // ErrTooLarge, or the reader's own but io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if s.left -= int64(n); s.left < 0 {
		s.err = ErrTooLarge
		return 0, s.err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = fmt.Errorf("read edXML: %w", err)
		return n, s.err
	}
	return n, err
}

// kid returns the first child of that name, given in lower case. It and the
// other methods work on a nil node, which has no children.
func (n *node) kid(name string) *node {
	if n == nil {
		return nil
	}
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// all returns the children of that name.
func (n *node) all(name string) []*node {
	if n == nil {
		return nil
	}
	var found []*node
	for _, k := range n.kids {
		if k.name == name {
			found = append(found, k)
		}
	}
	return found
}

// find returns every descendant of that name, outermost first and without
// those inside another found one.
func (n *node) find(name string) []*node {
	if n == nil {
		return nil
	}
	if n.name == name {
		return []*node{n}
	}
	var found []*node
	for _, k := range n.kids {
		found = append(found, k.find(name)...)
	}
	return found
}

// line gives the text of n on one line.
func (n *node) line() string {
	if n == nil {
		return ""
	}
	return oneLine(string(n.text))
}

// str gives the text of the first child of that name.
func (n *node) str(name string) string { return n.kid(name).line() }

// leaves gives the texts of the elements without children under the children
// of that name: "a" and "b" of <X><Y>a</Y><Y>b</Y></X> or <X>a</X><X>b</X>.
func (n *node) leaves(name string) []string {
	var texts []string
	var walk func(*node)
	walk = func(n *node) {
		if s := n.line(); s != "" && len(n.kids) == 0 {
			texts = append(texts, s)
		}
		for _, k := range n.kids {
			walk(k)
		}
	}
	for _, k := range n.all(name) {
		walk(k)
	}
	return texts
}

// algo gives the Algorithm attribute of n.
func (n *node) algo() string {
	if n == nil {
		return ""
	}
	return n.algorithm
}
