package imapd

import (
	"errors"
	"io"
)

// inflater undoes DEFLATE (RFC 1951). Unlike compress/flate it gives out all that can be decoded before it waits for more input:
// iOS ends what it sends by a partial flush only, and would wait for an answer to a command that lies in the decoder. Its memory is
// fixed, whatever the input expands to.
type inflater struct {
	src  io.Reader
	in   [4 << 10]byte
	r, w int // of in

	bits uint64 // taken from in; the next bit is the lowest
	n    uint   // how many

	state inflateState
	final bool // the block is the last
	left  int  // octets of a stored block; code lengths to read
	have  int  // code lengths read
	nlit  int
	ndist int
	lens  [maxLitCodes + maxDistCodes]uint8
	lit   huffman
	dist  huffman // of the code lengths, too

	window  [windowSize]byte
	at      int // where the next octet goes
	filled  int // octets written so far, at most windowSize
	pending int // of them, not given out
	err     error
}

const (
	windowSize   = 32 << 10
	maxMatch     = 258
	maxCodeLen   = 15
	maxLitCodes  = 288
	maxDistCodes = 32
	fastBits     = 9
)

type inflateState uint8

const (
	atHeader inflateState = iota
	atStored
	inStored
	atCounts
	atMetaLens
	atLens
	inBlock
)

var (
	errInflate = errors.New("imapd: invalid compressed data")
	errStarved = errors.New("imapd: more input needed")
)

func newInflater(src io.Reader) *inflater { return &inflater{src: src} }

// Read implements io.Reader.
func (f *inflater) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for f.pending == 0 && f.err == nil {
		switch err := f.decode(); {
		case f.pending > 0 && errors.Is(err, errStarved), err == nil:
		case errors.Is(err, errStarved):
			f.refill()
		default:
			f.err = err
		}
	}
	if f.pending == 0 {
		return 0, f.err
	}
	from := (f.at - f.pending + windowSize) % windowSize
	n := copy(p, f.window[from:min(from+f.pending, windowSize)])
	f.pending -= n
	return n, nil
}

// refill waits for input. The one before has been taken to the last octet.
func (f *inflater) refill() {
	n, err := f.src.Read(f.in[:])
	f.r, f.w = 0, n
	if n == 0 {
		if err == nil {
			err = io.ErrNoProgress
		}
		f.err = err
	}
}

// want has at least n bits ready, if the input has them.
func (f *inflater) want(n uint) bool {
	for f.n <= 56 && f.r < f.w {
		f.bits |= uint64(f.in[f.r]) << f.n
		f.r++
		f.n += 8
	}
	return f.n >= n
}

func (f *inflater) drop(n uint) {
	f.bits >>= n
	f.n -= n
}

// take gives the next n bits, which are ready.
func (f *inflater) take(n uint) int {
	v := int(f.bits & (1<<n - 1)) //nolint:gosec // n is small
	f.drop(n)
	return v
}

// decode goes on until the window holds as much as it may or the input ends. Every step is done as a whole or not at all.
func (f *inflater) decode() (err error) {
	for f.pending <= windowSize-maxMatch && err == nil {
		switch f.state {
		case atHeader:
			err = f.header()
		case atStored:
			err = f.storedLen()
		case inStored:
			err = f.stored()
		case atCounts:
			err = f.counts()
		case atMetaLens:
			err = f.metaLen()
		case atLens:
			err = f.codeLen()
		case inBlock:
			err = f.symbols()
		}
	}
	return err
}

func (f *inflater) header() error {
	if f.final {
		return io.EOF
	}
	if !f.want(3) {
		return errStarved
	}
	f.final = f.take(1) == 1
	switch f.take(2) {
	case 0:
		f.drop(f.n % 8)
		f.state = atStored
	case 1:
		f.fixed()
		f.state = inBlock
	case 2:
		f.state = atCounts
	default:
		return errInflate
	}
	return nil
}

func (f *inflater) storedLen() error {
	if !f.want(32) {
		return errStarved
	}
	n, check := f.take(16), f.take(16)
	if n != ^check&0xffff {
		return errInflate
	}
	f.left, f.state = n, inStored
	return nil
}

func (f *inflater) stored() error {
	for ; f.left > 0 && f.pending <= windowSize-maxMatch; f.left-- {
		if !f.want(8) {
			return errStarved
		}
		f.put(byte(f.take(8))) //nolint:gosec // eight bits
	}
	if f.left == 0 {
		f.state = atHeader
	}
	return nil
}

func (f *inflater) put(b byte) {
	f.window[f.at] = b
	f.at = (f.at + 1) % windowSize
	f.filled = min(f.filled+1, windowSize)
	f.pending++
}

func (f *inflater) counts() error {
	if !f.want(14) {
		return errStarved
	}
	f.nlit, f.ndist, f.left = f.take(5)+257, f.take(5)+1, f.take(4)+4
	if f.nlit > 286 || f.ndist > 30 {
		return errInflate
	}
	f.have = 0
	clear(f.lens[:])
	f.state = atMetaLens
	return nil
}

// metaOrder is the order in which the lengths of the code of code lengths come.
var metaOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15} //nolint:gochecknoglobals // never changed

func (f *inflater) metaLen() error {
	if !f.want(3) {
		return errStarved
	}
	f.lens[metaOrder[f.have]] = uint8(f.take(3)) //nolint:gosec // three bits
	if f.have++; f.have < f.left {
		return nil
	}
	if !f.dist.build(f.lens[:len(metaOrder)]) {
		return errInflate
	}
	clear(f.lens[:])
	f.have, f.state = 0, atLens
	return nil
}

func (f *inflater) codeLen() error {
	f.want(maxCodeLen + 7)
	sym, n, err := f.peek(&f.dist, 0)
	if err != nil {
		return err
	}
	value, extra, repeat := uint8(0), uint(0), 0
	switch {
	case sym < 16:
		value, repeat = uint8(sym), 1 //nolint:gosec // below 16
	case sym == 16:
		if f.have == 0 {
			return errInflate
		}
		value, extra, repeat = f.lens[f.have-1], 2, 3
	case sym == 17:
		extra, repeat = 3, 3
	default:
		extra, repeat = 7, 11
	}
	if f.n < n+extra {
		return errStarved
	}
	f.drop(n)
	repeat += f.take(extra)
	if f.have+repeat > f.nlit+f.ndist {
		return errInflate
	}
	for range repeat {
		f.lens[f.have] = value
		f.have++
	}
	if f.have < f.nlit+f.ndist {
		return nil
	}
	if f.lens[256] == 0 || !f.lit.build(f.lens[:f.nlit]) || !f.dist.build(f.lens[f.nlit:f.have]) {
		return errInflate
	}
	f.state = inBlock
	return nil
}

// fixed makes the codes of RFC 1951, section 3.2.6.
func (f *inflater) fixed() {
	for i := range maxLitCodes {
		switch {
		case i < 144:
			f.lens[i] = 8
		case i < 256:
			f.lens[i] = 9
		case i < 280:
			f.lens[i] = 7
		default:
			f.lens[i] = 8
		}
	}
	f.lit.build(f.lens[:maxLitCodes])
	for i := range maxDistCodes {
		f.lens[i] = 5
	}
	f.dist.build(f.lens[:maxDistCodes])
}

// Lengths and distances, RFC 1951, section 3.2.5. Never assigned to.
var (
	lengthBase  = [...]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [...]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [...]uint16{
		1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073,
		4097, 6145, 8193, 12289, 16385, 24577,
	}
)

// symbols decodes literals and matches up to the end of the block.
func (f *inflater) symbols() error {
	for f.pending <= windowSize-maxMatch {
		f.want(48) // the most that a match takes
		sym, n, err := f.peek(&f.lit, 0)
		switch {
		case err != nil:
			return err
		case sym < 256:
			f.drop(n)
			f.put(byte(sym)) //nolint:gosec // checked
			continue
		case sym == 256:
			f.drop(n)
			f.state = atHeader
			return nil
		}
		if err := f.match(sym-257, n); err != nil {
			return err
		}
	}
	return nil
}

// match copies from the window; n bits of the length symbol have been looked at.
func (f *inflater) match(sym int, n uint) error {
	if sym >= len(lengthBase) {
		return errInflate
	}
	extra := uint(lengthExtra[sym])
	if f.n < n+extra {
		return errStarved
	}
	length := int(lengthBase[sym]) + int(f.bits>>n&(1<<extra-1)) //nolint:gosec // few bits
	n += extra
	code, m, err := f.peek(&f.dist, n)
	if err != nil {
		return err
	}
	if code >= len(distBase) {
		return errInflate
	}
	n += m
	extra = uint(max(code/2-1, 0)) //nolint:gosec // small
	if f.n < n+extra {
		return errStarved
	}
	distance := int(distBase[code]) + int(f.bits>>n&(1<<extra-1)) //nolint:gosec // few bits
	if distance > f.filled {
		return errInflate
	}
	f.drop(n + extra)
	for range length {
		f.put(f.window[(f.at-distance+windowSize)%windowSize])
	}
	return nil
}

// huffman is a canonical prefix code.
type huffman struct {
	count   [maxCodeLen + 1]uint16 // codes of each length
	symbols [maxLitCodes]uint16    // in the order of their codes
	fast    [1 << fastBits]uint16  // symbol and length of codes of up to fastBits bits, by the bits as they come; 0 for none
}

// build makes the code of symbols from their lengths. A code that is not complete is valid when it is of a single symbol or none.
func (h *huffman) build(lens []uint8) bool {
	*h = huffman{}
	for _, n := range lens {
		h.count[n]++
	}
	used := len(lens) - int(h.count[0])
	h.count[0] = 0
	free := 1
	var next, code [maxCodeLen + 2]uint16
	for n := 1; n <= maxCodeLen; n++ {
		if free = free<<1 - int(h.count[n]); free < 0 {
			return false
		}
		next[n+1] = next[n] + h.count[n]
		code[n+1] = (code[n] + h.count[n]) << 1
	}
	if free > 0 && used > 1 {
		return false
	}
	for sym, n := range lens {
		if n == 0 {
			continue
		}
		h.symbols[next[n]] = uint16(sym) //nolint:gosec // below 288
		next[n]++
		if n <= fastBits {
			reversed := 0
			for i := range n {
				reversed |= int(code[n]>>i&1) << (n - 1 - i)
			}
			for ; reversed < 1<<fastBits; reversed += 1 << n {
				h.fast[reversed] = uint16(sym)<<4 | uint16(n) //nolint:gosec // below 288
			}
		}
		code[n]++
	}
	return true
}

// peek decodes the symbol whose code begins skip bits ahead, without taking it.
func (f *inflater) peek(h *huffman, skip uint) (sym int, n uint, err error) {
	if f.n < skip {
		return 0, 0, errStarved
	}
	bits, left := f.bits>>skip, f.n-skip
	if e := h.fast[bits&(1<<fastBits-1)]; e != 0 && uint(e&15) <= left {
		return int(e >> 4), uint(e & 15), nil
	}
	code, first, index := 0, 0, 0
	for n = 1; n <= maxCodeLen; n++ {
		if n > left {
			return 0, 0, errStarved
		}
		code |= int(bits & 1) //nolint:gosec // one bit
		bits >>= 1
		count := int(h.count[n])
		if code-count < first {
			return int(h.symbols[index+code-first]), n, nil
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, 0, errInflate
}
