package imapd

import (
	"io"

	"vanthu/internal/mailstore"
)

// binary writes a BINARY or BINARY.SIZE item (RFC 3516): the part without its transfer encoding.
func (f *fetcher) binary(it *fetchItem, c *mailstore.Content) error {
	f.buf = append(f.buf, it.label...)
	decoded := func() io.Reader { return io.NewSectionReader(c, 0, c.Size) }
	if len(it.path) > 0 {
		p := c.Structure.Part(it.path)
		switch {
		case p == nil:
			f.absent(it)
			return nil
		case !decodable(p.Encoding):
			f.unknownCTE = true
			f.absent(it)
			return nil
		}
		decoded = func() io.Reader { return p.Decoder(c.Body()) }
	}
	n, err := io.Copy(io.Discard, decoded())
	if err != nil {
		return f.torn(err)
	}
	if it.kind == fetchBinarySize {
		f.buf = appendUint(f.buf, n)
		return nil
	}
	from, count := it.clip(n)
	f.literal("~{", count)
	r := decoded()
	if _, err := io.CopyN(io.Discard, r, from); err != nil {
		return f.torn(err)
	}
	return f.stream(r, count)
}

// absent answers for a part that is not there, or not to be had.
func (f *fetcher) absent(it *fetchItem) {
	if it.kind == fetchBinarySize {
		f.buf = append(f.buf, '0')
		return
	}
	f.buf = append(f.buf, "NIL"...)
}

func decodable(encoding string) bool {
	switch encoding {
	case "", "7bit", "8bit", "binary", "base64", "quoted-printable":
		return true
	}
	return false
}
