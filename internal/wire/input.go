package wire

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// Buffered returns the input received and not yet taken. It is valid until the next call that reads.
func (c *Conn) Buffered() []byte { return c.buf[c.r:c.w] }

// Discard takes n octets of Buffered.
func (c *Conn) Discard(n int) {
	c.r += n
	if c.r > c.w {
		panic("wire: discard of more than is buffered")
	}
}

// Fill waits for more input and adds it to Buffered. It flushes the output first. It returns ErrLineTooLong when the buffer (64 KiB)
// is full and nothing of it has been taken, otherwise the errors of Read. Slices from Buffered and ReadLine are void afterwards.
func (c *Conn) Fill() error {
	if c.w-c.r == 0 && len(c.buf) == idleSize || c.bulk {
		c.grow() // a body is coming: do not wait for it with the small buffer
	}
	return c.fill()
}

// fill makes room, flushes, and reads once.
func (c *Conn) fill() error {
	switch {
	case c.r == c.w:
		c.r, c.w = 0, 0
	case c.w == len(c.buf) && c.r > 0:
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		if len(c.buf) == bulkSize {
			return ErrLineTooLong
		}
		c.grow()
	}
	if err := c.Flush(); err != nil {
		return err
	}
	n, err := c.src.Read(c.buf[c.w:])
	c.w += n
	c.bulk = c.w == len(c.buf) && len(c.buf) == inSize
	if n > 0 {
		return nil // an error that came with the octets comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// grow moves the input to the next larger buffer.
func (c *Conn) grow() {
	var b []byte
	switch len(c.buf) {
	case idleSize:
		b = inPool.Get().(*[inSize]byte)[:]
	case inSize:
		b = bulkPool.Get().(*[bulkSize]byte)[:]
	default:
		return
	}
	n := copy(b, c.buf[c.r:c.w])
	release(c.buf)
	c.buf, c.r, c.w, c.bulk = b, 0, n, false
}

// shrink gives a pooled buffer back when nothing is in it.
func (c *Conn) shrink() {
	if c.r == c.w && len(c.buf) != idleSize {
		release(c.buf)
		c.buf, c.r, c.w, c.bulk = c.idle[:], 0, 0, false
	}
}

// ReadLine returns the next line with its LF, waiting for it if it must; the line is valid until the next call that reads.
// It returns ErrLineTooLong, with nothing taken, when there is no LF among the first max octets (max ≤ 64 KiB), and io.ErrUnexpectedEOF
// when the input ends within a line. What stands before the LF, and whether that includes a CR, is the caller's to judge.
func (c *Conn) ReadLine(max int) ([]byte, error) {
	c.shrink()
	seen := 0
	for {
		have := c.buf[c.r:c.w]
		if i := bytes.IndexByte(have[seen:], '\n'); i >= 0 {
			if n := seen + i + 1; n <= max {
				c.r += n
				return have[:n], nil
			}
			return nil, ErrLineTooLong
		}
		if seen = len(have); seen >= max {
			return nil, ErrLineTooLong
		}
		if err := c.fill(); err != nil {
			if seen > 0 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// SkipLine drops input up to and including the next LF. When there is none among the next max octets it returns ErrLineTooLong.
func (c *Conn) SkipLine(max int64) error {
	for {
		have := c.buf[c.r:c.w]
		if i := bytes.IndexByte(have, '\n'); i >= 0 {
			c.r += i + 1
			return nil
		}
		c.r = c.w
		if max -= int64(len(have)); max <= 0 {
			return ErrLineTooLong
		}
		if err := c.Fill(); err != nil {
			return err
		}
	}
}

// Read implements net.Conn for whoever reads without framing: what is buffered, else, after a flush, what comes next, straight into p.
// It returns io.EOF when the peer has closed, ErrTimeout when the Pace is not kept, ErrInterrupted after Interrupt.
func (c *Conn) Read(p []byte) (int, error) {
	if c.r != c.w {
		n := copy(p, c.buf[c.r:c.w])
		c.r += n
		return n, nil
	}
	c.shrink()
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.Flush(); err != nil {
		return 0, err
	}
	return c.src.Read(p)
}

// ReadBlock fills p, waiting as long as it must: literals and chunks of known size. It returns how much came; less than len(p) only
// together with an error, io.ErrUnexpectedEOF when the peer closed.
func (c *Conn) ReadBlock(p []byte) (int, error) {
	n, err := io.ReadFull(c, p)
	if errors.Is(err, io.EOF) && len(p) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Await waits at most d for input, without flushing output, and tells whether some is there. It is for catching peers that talk before
// they are greeted. Any error but the passing of d is returned.
func (c *Conn) Await(d time.Duration) (bool, error) {
	if c.r != c.w {
		return true, nil
	}
	c.Phase(Pace{Total: d})
	n, err := c.src.Read(c.buf)
	c.r, c.w = 0, n
	if err != nil && !errors.Is(err, ErrTimeout) {
		return n > 0, err
	}
	return n > 0, nil
}
