package imapd

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// runCompress answers COMPRESS (RFC 4978). From the end of its answer on, both directions are compressed.
func (s *session) runCompress(cmd *command) result {
	l := &cmd.args
	var mechanism string
	if l.sp() {
		mechanism, _ = l.word()
	}
	switch {
	case mechanism == "" || !l.end():
		return syntax("Expected: COMPRESS DEFLATE")
	case mechanism != "DEFLATE" || s.srv.opt.NoCompress:
		return answer(no("CANNOT", "Compression not supported"))
	case s.c.compressed:
		return answer(no("COMPRESSIONACTIVE", "Compression is active already"))
	}
	s.c.reply(cmd.tag, ok("DEFLATE active"))
	s.c.compressed = true
	err := s.c.Switch(
		func(r io.Reader) io.Reader { return newInflater(r) },
		func(w io.Writer) io.Writer { return deflater{w} },
	)
	if err != nil {
		return s.lost(err)
	}
	return result{done: true}
}

// deflateLevel is cheap, and still halves what text takes.
const deflateLevel = 3

// deflating is what one flush needs: a compressor is far too big to be kept by every connection.
type deflating struct {
	w   *flate.Writer
	out bytes.Buffer
}

var deflatePool = sync.Pool{New: func() any { //nolint:gochecknoglobals // a pool
	w, err := flate.NewWriter(io.Discard, deflateLevel)
	if err != nil {
		panic(err) // the level is a constant
	}
	return &deflating{w: w}
}}

// deflater compresses what is flushed to a client, each time afresh, and ends it with a sync flush: the client can read all of it.
type deflater struct{ dst io.Writer }

func (d deflater) Write(p []byte) (int, error) {
	z, isOurs := deflatePool.Get().(*deflating)
	if !isOurs {
		return 0, errInflate
	}
	defer deflatePool.Put(z)
	z.out.Reset()
	z.w.Reset(&z.out)
	if _, err := z.w.Write(p); err != nil {
		return 0, err
	}
	if err := z.w.Flush(); err != nil {
		return 0, err
	}
	if _, err := d.dst.Write(z.out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}
