package mailstore

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/mail"
)

// MaxPreview is the most characters of a preview. RFC 8970, section 3.1.
const MaxPreview = 200

const (
	previewRead  = 64 << 10 // decoded octets of the text part that are looked at
	previewCache = 8 << 20  // octets of previews kept in memory
)

// Previews gives for each of ids what a reader sees first of its text: one
// line of at most [MaxPreview] characters, without quoted lines, "" when there
// is no text. Previews are made when they are first asked for and then kept.
// Unless wait is set, those of large bodies that are not at hand are left out.
// Ids that do not exist are passed over; those that are damaged too, told by
// [ErrDamaged] with all others given.
func (s *Store) Previews(ctx context.Context, ids []MessageID, wait bool, fn func(MessageID, string)) error {
	missing := s.previews.get(ids, nil, fn)
	if !wait {
		var quick []MessageID
		err := s.Metas(ctx, missing, func(m *Meta) error {
			if !m.Large {
				quick = append(quick, m.Message)
			}
			return nil
		})
		if err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
		missing = quick
	}
	return s.Contents(ctx, missing, func(c *Content) error {
		text, err := preview(c)
		if err != nil {
			return err
		}
		s.previews.put(c.Message, text)
		fn(c.Message, text)
		return nil
	})
}

// preview makes the preview of a message.
func preview(c *Content) (string, error) {
	text, err := readText(readablePart(c.Structure.Root(), 0), c.Body())
	return firstLine(text), err
}

// readText gives the beginning of what a part says, "" for none.
func readText(p *mail.Part, body io.ReaderAt) (string, error) {
	if p == nil {
		return "", nil
	}
	raw, err := io.ReadAll(io.LimitReader(p.Decoder(body), previewRead))
	if err != nil {
		return "", err
	}
	text := mail.DecodeText(raw, p.Charset())
	if p.Subtype == "html" {
		text = htmlText(text)
	}
	return text, nil
}

// OwnText gives the beginning of the text that the author of a message wrote:
// of alternatives the plain one, nothing of what is attached or forwarded. body
// are the octets to which the part's offsets refer.
func OwnText(root *mail.Part, body io.ReaderAt) (string, error) {
	p := readablePart(root, 0)
	if p != nil && withinMessage(root, p) {
		return "", nil
	}
	return readText(p, body)
}

// withinMessage reports whether p lies in a message that is part of root.
func withinMessage(root, p *mail.Part) bool {
	return root.Message != nil && holds(root.Message.Root, p) ||
		slices.ContainsFunc(root.Children, func(c *mail.Part) bool { return withinMessage(c, p) })
}

func holds(root, p *mail.Part) bool {
	return root == p || slices.ContainsFunc(root.Children, func(c *mail.Part) bool { return holds(c, p) }) ||
		root.Message != nil && holds(root.Message.Root, p)
}

// maxPreviewDepth is how deep the text may lie.
const maxPreviewDepth = 100

// readablePart finds the text that a reader sees first; of alternatives the
// plain one.
func readablePart(p *mail.Part, depth int) *mail.Part {
	switch {
	case p == nil || depth > maxPreviewDepth:
		return nil
	case p.Message != nil:
		return readablePart(p.Message.Root, depth+1)
	case p.IsMultipart():
		var found *mail.Part
		for _, c := range p.Children {
			t := readablePart(c, depth+1)
			if t == nil {
				continue
			}
			if p.Subtype != "alternative" || t.Subtype != "html" {
				return t
			}
			if found == nil {
				found = t
			}
		}
		return found
	case p.Type != "text" || p.Disposition == "attachment":
		return nil
	case p.Subtype == "html" || p.Subtype == "plain" || p.Subtype == "":
		return p
	}
	return nil
}

// firstLine brings text into one line of at most MaxPreview characters.
func firstLine(text string) string {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, ">") {
			continue
		}
		for word := range strings.FieldsFuncSeq(line, blank) {
			if n > 0 && n < MaxPreview {
				b.WriteByte(' ')
				n++
			}
			for _, r := range norm.NFC.String(word) {
				if r == utf8.RuneError || unicode.IsControl(r) {
					continue
				}
				if n++; n > MaxPreview {
					return strings.TrimRight(b.String(), " ")
				}
				b.WriteRune(r)
			}
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// blank tells whether r parts words or cannot be seen.
func blank(r rune) bool {
	switch r {
	case '\u00ad', '\u034f', '\u200b', '\u200c', '\u2060', '\ufeff': // what mailers fill previews with
		return true
	}
	return unicode.IsSpace(r)
}
