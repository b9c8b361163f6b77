package mail

// SectionWhat is the part specifier of a section, RFC 9051, section 6.4.5.1.
type SectionWhat uint8

// The part specifiers. SectionMIME needs a path; SectionHeader and SectionText
// with a path need a message/rfc822 part there.
const (
	SectionWhole  SectionWhat = iota // BODY[] or BODY[1.2]
	SectionHeader                    // HEADER, with the empty line
	SectionText                      // TEXT
	SectionMIME                      // MIME, with the empty line
)

// Section gives where a section of the received message lies: offset and length
// in octets. ok is false when the message has no such section.
func (s *Structure) Section(path []int, what SectionWhat) (off, n int64, ok bool) {
	if len(path) == 0 {
		switch what {
		case SectionWhole:
			return 0, s.Size, true
		case SectionHeader:
			return 0, s.HeaderLen, true
		case SectionText:
			return s.HeaderLen, s.Size - s.HeaderLen, true
		default:
			return 0, 0, false
		}
	}
	p, inner := s.find(path)
	if p == nil {
		return 0, 0, false
	}
	switch what {
	case SectionWhole:
		return p.BodyOffset, p.BodyLen, true
	case SectionMIME:
		return p.Offset, p.HeaderLen, true
	}
	if inner == nil {
		return 0, 0, false
	}
	if what == SectionHeader {
		return inner.Offset, inner.HeaderLen, true
	}
	return inner.BodyOffset, inner.BodyLen, true
}

// Part gives the part of that path, as Root gives it but without those below
// it; nil when there is none. An empty path is the root.
func (s *Structure) Part(path []int) *Part {
	p, _ := s.find(path)
	return p
}

// find follows a part number. inner is the root of the message in p when p is a
// message/rfc822.
//
// A number counts the children of a multipart; in a message that is none, 1 is
// its only body. RFC 9051, section 6.4.5.1.
func (s *Structure) find(path []int) (p, inner *Part) {
	kind, nested, ok := enter(newStructReader(s.parts))
	if !ok {
		return nil, nil
	}
	if len(path) > 0 && kind != kindMultipart {
		if path[0] != 1 {
			return nil, nil
		}
		path = path[1:]
	}
	for _, n := range path {
		if kind == kindMessage {
			if kind, nested, ok = s.descend(nested, 1); !ok {
				return nil, nil
			}
			if kind != kindMultipart {
				if n != 1 {
					return nil, nil
				}
				continue
			}
		} else if kind != kindMultipart {
			return nil, nil
		}
		if kind, nested, ok = s.descend(nested, n); !ok {
			return nil, nil
		}
	}
	own := *nested
	p = s.readOwn(&own)
	if own.bad {
		return nil, nil
	}
	if kind == kindMessage {
		_, root, ok := s.descend(nested, 1)
		if !ok {
			return nil, nil
		}
		if inner = s.readOwn(root); root.bad {
			return nil, nil
		}
	}
	return p, inner
}

// enter reads the entry at r as far as its kind and gives a reader that stands
// at its columns.
func enter(r *structReader) (kind byte, entry *structReader, ok bool) {
	entry = newStructReader(r.bytes())
	kind = entry.octet()
	return kind, entry, !r.bad && !entry.bad
}

// descend gives the nth entry below the one whose columns entry stands at.
func (s *Structure) descend(entry *structReader, n int) (kind byte, nested *structReader, ok bool) {
	below := *entry
	for range 4 {
		below.number()
	}
	for range 7 {
		below.bytes()
	}
	for ; n > 1 && !below.bad; n-- {
		below.bytes()
	}
	if n < 1 || below.bad || len(below.b) == 0 {
		return 0, nil, false
	}
	return enter(&below)
}
