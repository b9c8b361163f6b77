package extract

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What parent and child say to each other: frames of a length (4 octets, big
// endian) and as many octets. A question is a request as JSON, then the file
// in pieces, then an empty frame; an answer is one reply as JSON.
const (
	maxFrame = 32 << 20 // of an answer: texts in JSON
	maxPiece = 64 << 10
)

// A request asks for one file.
type request struct {
	File File `json:"file"`
	Want Want `json:"want"`
}

// A reply answers it. Of an error only its name goes over.
type reply struct {
	Document Document `json:"document"`
	Err      string   `json:"err,omitempty"`
	Detail   string   `json:"detail,omitempty"` // for the log
}

// errorNames are the errors that a child can say.
var errorNames = map[string]error{
	"unknown": ErrUnknown, "large": ErrTooLarge, "damaged": ErrDamaged, "protected": ErrProtected, "hard": ErrTooHard,
}

func writeFrame(w io.Writer, b []byte) error {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(b)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

// readFrame gives one frame of at most limit octets; io.EOF when there is none.
func readFrame(r io.Reader, limit uint32) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > limit {
		return nil, fmt.Errorf("a frame of %d octets, more than %d", n, limit)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("in a frame: %w", io.ErrUnexpectedEOF)
	}
	return b, nil
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFrame(w, b)
}

func readJSON(r io.Reader, limit uint32, v any) error {
	b, err := readFrame(r, limit)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// pieces reads the frames of a file up to the empty one.
type pieces struct {
	r    io.Reader
	left []byte
	err  error
}

func (p *pieces) Read(b []byte) (int, error) {
	for len(p.left) == 0 && p.err == nil {
		p.left, p.err = readFrame(p.r, maxPiece)
		if errors.Is(p.err, io.EOF) {
			p.err = io.ErrUnexpectedEOF
		}
		if p.err == nil && len(p.left) == 0 {
			p.err = io.EOF
		}
	}
	if len(p.left) == 0 {
		return 0, p.err
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

// writePieces sends a file and its end. The errors of the two sides are apart:
// body's is the caller's.
func writePieces(w io.Writer, body io.Reader) (bodyErr, err error) {
	buf := make([]byte, maxPiece)
	for {
		n, readErr := io.ReadFull(body, buf)
		if n > 0 {
			if err := writeFrame(w, buf[:n]); err != nil {
				return nil, err
			}
		}
		switch readErr {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return nil, writeFrame(w, nil)
		default:
			return readErr, nil
		}
	}
}
