package mailstore

import (
	"iter"
	"slices"
	"sort"
	"time"

	"vanthu/internal/directory"
)

// chunkLen is the most rows of a chunk. A change copies the touched columns of
// one chunk, so it should be small; a Version copies one pointer per chunk, so
// it should not be tiny.
const chunkLen = 256

// Row is one message of a mailbox.
type Row struct {
	UID     UID
	Flags   FlagSet
	ModSeq  ModSeq
	Message MessageID
	Size    int64 // octets a client sees
	date    int64
}

// Date is the INTERNALDATE.
func (r Row) Date() time.Time { return time.UnixMicro(r.date).UTC() }

// Version is the index of a mailbox at one moment. It never changes; any
// number of goroutines may read it.
type Version struct {
	Mailbox     MailboxID
	UIDValidity uint32
	UIDNext     UID
	ModSeq      ModSeq   // highest used, RFC 7162
	Keywords    []string // names by bit: flag Keyword(i) is Keywords[i]
	Unseen      int64    // entries without \Seen
	Deleted     int64    // entries with \Deleted
	Octets      int64    // sum of the sizes
	Dropped     bool     // the mailbox does not exist any more; there are no entries
	PerUser     bool     // \Seen is each account's own, see [Version.As]

	seen map[directory.AccountID]*seenSet // of accounts that have changed their own \Seen
	mine *seenSet                         // of who looks; nil: the bits of the rows

	chunks []*chunk
	starts []int // rows before each chunk
	length int
}

// chunk is up to chunkLen rows in columns. A later chunk may share columns
// with an earlier one, and may have appended to them beyond the earlier one's
// length: columns are written only by the one goroutine that makes versions.
type chunk struct {
	uid    []UID
	flags  []FlagSet
	modseq []ModSeq
	msg    []MessageID
	size   []uint32
	date   []int64
	top    ModSeq // highest of modseq
}

func (c *chunk) len() int { return len(c.uid) }

func (c *chunk) row(i int) Row {
	return Row{UID: c.uid[i], Flags: c.flags[i], ModSeq: c.modseq[i], Message: c.msg[i], Size: int64(c.size[i]), date: c.date[i]}
}

// Len is the number of messages (EXISTS).
func (v *Version) Len() int { return v.length }

// At gives the message with sequence number seq, 1 ≤ seq ≤ Len.
func (v *Version) At(seq int) Row {
	c := v.chunkOf(seq - 1)
	return v.row(v.chunks[c], seq-1-v.starts[c])
}

// chunkOf gives the chunk that holds row i, counted from 0.
func (v *Version) chunkOf(i int) int {
	return sort.Search(len(v.starts), func(c int) bool { return v.starts[c] > i }) - 1
}

// Seq gives the sequence number of uid, and false when it is not here.
func (v *Version) Seq(uid UID) (int, bool) {
	seq := v.SeqFrom(uid)
	if seq > v.length || v.At(seq).UID != uid {
		return 0, false
	}
	return seq, true
}

// SeqFrom gives the sequence number of the first message whose UID is not
// below uid; Len()+1 when there is none.
func (v *Version) SeqFrom(uid UID) int {
	c := sort.Search(len(v.chunks), func(c int) bool { ch := v.chunks[c]; return ch.uid[ch.len()-1] >= uid })
	if c == len(v.chunks) {
		return v.length + 1
	}
	i, _ := slices.BinarySearch(v.chunks[c].uid, uid)
	return v.starts[c] + i + 1
}

// Last gives the highest UID in the mailbox, 0 when it is empty ("*").
func (v *Version) Last() UID {
	if v.length == 0 {
		return 0
	}
	c := v.chunks[len(v.chunks)-1]
	return c.uid[c.len()-1]
}

// Rows gives the messages with sequence numbers first to last, which may lie
// beyond the ends.
func (v *Version) Rows(first, last int) iter.Seq2[int, Row] {
	return func(yield func(int, Row) bool) {
		first, last := max(first, 1), min(last, v.length)
		if first > last {
			return
		}
		c := v.chunkOf(first - 1)
		i := first - 1 - v.starts[c]
		for seq := first; seq <= last; c++ {
			for ch := v.chunks[c]; i < ch.len() && seq <= last; i++ {
				r := ch.row(i)
				if v.mine != nil {
					r.Flags = v.mine.flags(r.UID, r.Flags)
				}
				if !yield(seq, r) {
					return
				}
				seq++
			}
			i = 0
		}
	}
}

// InUIDs gives the messages of a UID set with their sequence numbers.
func (v *Version) InUIDs(set UIDSet) iter.Seq2[int, Row] {
	return func(yield func(int, Row) bool) {
		for _, r := range set {
			for seq, row := range v.Rows(v.SeqFrom(r.First), v.length) {
				if row.UID > r.Last {
					break
				}
				if !yield(seq, row) {
					return
				}
			}
		}
	}
}

// ChangedSince gives the messages whose mod-sequence is above since, in order.
// Chunks without any are passed over.
func (v *Version) ChangedSince(since ModSeq) iter.Seq2[int, Row] {
	return func(yield func(int, Row) bool) {
		for c, ch := range v.chunks {
			if ch.top <= since {
				continue
			}
			for i, m := range ch.modseq {
				if m > since && !yield(v.starts[c]+i+1, v.row(ch, i)) {
					return
				}
			}
		}
	}
}

// FirstWithout gives the sequence number of the first message without flag f,
// 0 when there is none: the UNSEEN of RFC 3501.
func (v *Version) FirstWithout(f FlagSet) int {
	if v.mine != nil && f&Seen != 0 {
		for seq, r := range v.Rows(1, v.length) {
			if r.Flags&f == 0 {
				return seq
			}
		}
		return 0
	}
	for c, ch := range v.chunks {
		for i, have := range ch.flags {
			if have&f == 0 {
				return v.starts[c] + i + 1
			}
		}
	}
	return 0
}

// Names gives the keywords of f by name.
func (v *Version) Names(f FlagSet) []string {
	var list []string
	for i, name := range v.Keywords {
		if f&Keyword(i) != 0 {
			list = append(list, name)
		}
	}
	return list
}

// index computes starts and length from chunks.
func (v *Version) index() {
	v.starts = make([]int, len(v.chunks))
	v.length = 0
	for i, c := range v.chunks {
		v.starts[i] = v.length
		v.length += c.len()
	}
}

// newChunk makes an empty chunk with room for chunkLen rows.
func newChunk() *chunk {
	return &chunk{
		uid: make([]UID, 0, chunkLen), flags: make([]FlagSet, 0, chunkLen), modseq: make([]ModSeq, 0, chunkLen),
		msg: make([]MessageID, 0, chunkLen), size: make([]uint32, 0, chunkLen), date: make([]int64, 0, chunkLen),
	}
}

// push appends a row to a chunk that has room and that nobody else sees yet.
func (c *chunk) push(r Row) {
	c.uid = append(c.uid, r.UID)
	c.flags = append(c.flags, r.Flags)
	c.modseq = append(c.modseq, r.ModSeq)
	c.msg = append(c.msg, r.Message)
	c.size = append(c.size, uint32(min(r.Size, 1<<32-1)))
	c.date = append(c.date, r.date)
	c.top = max(c.top, r.ModSeq)
}
