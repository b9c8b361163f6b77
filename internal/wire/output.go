package wire

// Write collects p; it goes out when 32 KiB are there, on Flush, or when the reader is about to wait. An error means that an earlier
// or this write failed; nothing is written any more after the first.
func (c *Conn) Write(p []byte) (int, error) { return write(c, p) }

// WriteString is Write for a string.
func (c *Conn) WriteString(s string) (int, error) { return write(c, s) }

func write[T string | []byte](c *Conn, p T) (int, error) {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	done := 0
	for c.outErr == nil && done < len(p) {
		if c.out == nil {
			c.out = outPool.Get().(*[flushSize]byte)[:0]
		}
		n := copy(c.out[len(c.out):flushSize], p[done:])
		c.out = c.out[:len(c.out)+n]
		done += n
		if len(c.out) == flushSize {
			c.flush()
		}
	}
	return done, c.outErr
}

// Flush writes what has been collected.
func (c *Conn) Flush() error {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	c.flush()
	return c.outErr
}

// Pending returns how many octets wait for a flush.
func (c *Conn) Pending() int {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	return len(c.out)
}

// flush writes the collected output; the caller holds outMu.
func (c *Conn) flush() {
	if c.out == nil {
		return
	}
	out := c.out
	c.out = nil
	if c.outErr == nil {
		if _, err := c.dst.Write(out); err != nil {
			c.outErr = err
		}
	}
	release(out)
}
