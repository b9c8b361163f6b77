package mailstore

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
)

// A gram is a short piece of folded text by which the index finds the messages
// that may hold a longer one:
//
//   - any three octets of the text: their value;
//   - the three octets before a blank, the blank, and the three after it: a
//     hash with the top bit set. Syllables repeat in every Vietnamese text,
//     neighbours do not: this is what makes a search selective;
//   - both again for each field of the envelope: a hash with the field in it.
//
// A message that holds a text holds all its grams, so nothing is missed; what
// holds them all is then looked into.
type gram uint32

const jointGram gram = 1 << 31

// anyField as the field of appendGrams stands for the whole text.
const anyField = FieldText

// appendGrams appends the grams of t, with repetitions.
func appendGrams(dst []gram, t []byte, field TextField) []gram {
	for i := 2; i < len(t); i++ {
		a, b, c := t[i-2], t[i-1], t[i]
		if max(a, b, c) >= endSection {
			continue
		}
		g := gram(a)<<16 | gram(b)<<8 | gram(c)
		if field != anyField {
			g = hashGram(uint64(g), field)
		}
		dst = append(dst, g)
	}
	return dst
}

// appendJoints appends the grams around blanks.
func appendJoints(dst []gram, t []byte, field TextField) []gram {
	for i := 3; i+3 < len(t); i++ {
		if t[i] != ' ' || slices.Max(t[i-3:i+4]) >= endSection {
			continue
		}
		v := uint64(t[i-3])<<40 | uint64(t[i-2])<<32 | uint64(t[i-1])<<24 | uint64(t[i+1])<<16 | uint64(t[i+2])<<8 | uint64(t[i+3])
		dst = append(dst, hashGram(v|1<<48, field))
	}
	return dst
}

func hashGram(v uint64, field TextField) gram {
	hi, lo := bits.Mul64(v^uint64(field)<<56^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return gram(hi^lo)&(jointGram-1) | jointGram
}

// messageGrams appends all grams of a message.
func messageGrams(dst []gram, t searchText) []gram {
	dst = appendGrams(dst, t, anyField)
	dst = appendJoints(dst, t, anyField)
	for f := FieldSubject; f <= FieldCc; f++ {
		s := t.section(int(f))
		dst = appendGrams(dst, s, f)
		dst = appendJoints(dst, s, f)
	}
	return dst
}

// maxQueryGrams bounds how many lists one search reads: the more grams, the
// less each further one tells.
const maxQueryGrams = 24

// needleGrams gives the grams that a message with the needle in the field
// must have, the most telling first; none for a needle below three octets.
func needleGrams(needle []byte, field TextField) []gram {
	if field > FieldCc {
		field = anyField
	}
	var gs []gram
	add := func(list []gram) {
		for _, g := range list {
			if len(gs) < maxQueryGrams && !slices.Contains(gs, g) {
				gs = append(gs, g)
			}
		}
	}
	add(appendJoints(nil, needle, field))
	add(appendGrams(nil, needle, field))
	return gs
}

// postings is the messages of a segment that hold a gram: ascending distances
// of their ids from the segment's first. Stored it is the shorter one of two
// forms: distances as varints, each minus the one before; or a bit for each.
type postings []uint32

// appendPostings appends gram, form and length, then the postings.
func appendPostings(dst []byte, step uint64, p postings, scratch []byte) (_, _ []byte) {
	scratch = scratch[:0]
	last := uint32(0)
	for _, n := range p {
		scratch = binary.AppendUvarint(scratch, uint64(n-last))
		last = n
	}
	form := uint64(0)
	if size := int(last)/8 + 1; size < len(scratch) {
		form = 1
		scratch = slices.Grow(scratch[:0], size)[:size]
		clear(scratch)
		for _, n := range p {
			scratch[n/8] |= 1 << (n % 8)
		}
	}
	dst = binary.AppendUvarint(dst, step)
	dst = binary.AppendUvarint(dst, uint64(len(scratch))<<1|form)
	return append(dst, scratch...), scratch
}

var errBlock = errors.New("damaged block of the search index")

// blockReader walks through the grams of a block.
type blockReader struct {
	rest []byte
	gram gram
	form uint64
	data []byte
}

// next goes to the next gram; it gives false at the end.
func (b *blockReader) next() (bool, error) {
	if len(b.rest) == 0 {
		return false, nil
	}
	step, n := binary.Uvarint(b.rest)
	if n <= 0 {
		return false, errBlock
	}
	head, m := binary.Uvarint(b.rest[n:])
	b.rest = b.rest[n+max(m, 0):]
	if m <= 0 || head>>1 > uint64(len(b.rest)) {
		return false, errBlock
	}
	b.gram += gram(step)
	b.form = head & 1
	b.data, b.rest = b.rest[:head>>1], b.rest[head>>1:]
	return true, nil
}

// postings appends the postings of the current gram, each plus shift.
func (b *blockReader) postings(dst postings, shift uint32) (postings, error) {
	if b.form == 1 {
		for i, x := range b.data {
			for ; x != 0; x &= x - 1 {
				dst = append(dst, shift+uint32(i*8+bits.TrailingZeros8(x)))
			}
		}
		return dst, nil
	}
	at := shift
	for data := b.data; len(data) > 0; {
		step, n := binary.Uvarint(data)
		if n <= 0 {
			return nil, errBlock
		}
		at += uint32(step)
		dst = append(dst, at)
		data = data[n:]
	}
	return dst, nil
}

// find looks for the postings of g in a block that begins with first.
func findPostings(block []byte, first, g gram, dst postings) (postings, error) {
	b := blockReader{rest: block, gram: first}
	for {
		ok, err := b.next()
		if err != nil || !ok || b.gram > g {
			return dst[:0], err
		}
		if b.gram == g {
			return b.postings(dst[:0], 0)
		}
	}
}
