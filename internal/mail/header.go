package mail

import "strings"

// Field is one header field.
type Field struct {
	Name   string // as written, without the colon
	Value  string // raw, unfolded, blanks around it trimmed; not decoded
	Offset int64  // of the field's first octet in the message
	Len    int64  // octets with all folds and the last line end
}

// Header is the fields of a header in their order.
type Header []Field

// Get gives the raw value of the first field of that name, "" if there is none.
func (h Header) Get(name string) string {
	for i := range h {
		if strings.EqualFold(h[i].Name, name) {
			return h[i].Value
		}
	}
	return ""
}

// Has tells whether there is a field of that name.
func (h Header) Has(name string) bool { return h.Count(name) > 0 }

// Text gives the decoded value (see DecodeHeader) of the first field of that name.
func (h Header) Text(name string) string { return DecodeHeader(h.Get(name)) }

// Values gives the raw values of all fields of that name, in order.
func (h Header) Values(name string) []string {
	var out []string
	for i := range h {
		if strings.EqualFold(h[i].Name, name) {
			out = append(out, h[i].Value)
		}
	}
	return out
}

// Count gives the number of fields of that name.
func (h Header) Count(name string) int {
	n := 0
	for i := range h {
		if strings.EqualFold(h[i].Name, name) {
			n++
		}
	}
	return n
}
