package wire

import "sync"

// Sizes of the buffers, in octets.
const (
	idleSize  = 256      // held by every connection: one pipelined MAIL, RCPT and DATA, or an IMAP command
	inSize    = 16 << 10 // while a command or a body comes in
	bulkSize  = 64 << 10 // after a read that filled inSize; also the longest line that can be read
	flushSize = 32 << 10 // output is written when this much has been collected
)

// The pools hold pointers to arrays, so that neither Get nor Put allocates.
var (
	inPool   = sync.Pool{New: func() any { return new([inSize]byte) }}
	bulkPool = sync.Pool{New: func() any { return new([bulkSize]byte) }}
	outPool  = sync.Pool{New: func() any { return new([flushSize]byte) }}
)

// release gives b back to the pool it came from; other slices are left alone.
func release(b []byte) {
	switch cap(b) {
	case inSize:
		inPool.Put((*[inSize]byte)(b[:inSize]))
	case bulkSize:
		bulkPool.Put((*[bulkSize]byte)(b[:bulkSize]))
	case flushSize:
		outPool.Put((*[flushSize]byte)(b[:flushSize]))
	}
}
