package mailstore

import (
	"slices"

	"vanthu/internal/directory"
)

// change is what one transaction did to one mailbox, in order.
type change struct {
	mailbox  MailboxID
	modseq   ModSeq
	uidNext  UID
	dropped  bool
	keywords []string // new ones
	acts     []act

	perUser bool // the mailbox has an own \Seen for each account after the change
}

type actKind uint8

const (
	actAdd    actKind = iota // row: a new entry
	actReflag                // row.UID has row.Flags now
	actRemove                // row.UID is gone
	actOwn                   // account has the set own from here on
	actSeen                  // account has seen row.UID, if row.Flags say so
)

type act struct {
	kind    actKind
	row     Row
	account directory.AccountID
	own     *seenSet
}

func (c *change) add(r Row) { c.acts = append(c.acts, act{kind: actAdd, row: r}) }
func (c *change) reflag(u UID, f FlagSet) {
	c.acts = append(c.acts, act{kind: actReflag, row: Row{UID: u, Flags: f}})
}
func (c *change) remove(u UID) {
	c.acts = append(c.acts, act{kind: actRemove, row: Row{UID: u}})
}

func (c *change) own(a directory.AccountID, set *seenSet) {
	c.acts = append(c.acts, act{kind: actOwn, account: a, own: set})
}
func (c *change) see(a directory.AccountID, u UID, on bool) {
	r := Row{UID: u}
	if on {
		r.Flags = Seen
	}
	c.acts = append(c.acts, act{kind: actSeen, account: a, row: r})
}

// with gives the version after a change. Only one goroutine at a time may make
// versions of a mailbox, always from the newest one: it appends to columns that
// older versions share, beyond their length.
func (v *Version) with(c *change) *Version {
	n := &Version{
		Mailbox: v.Mailbox, UIDValidity: v.UIDValidity, UIDNext: v.UIDNext, ModSeq: v.ModSeq,
		Keywords: v.Keywords, Unseen: v.Unseen, Deleted: v.Deleted, Octets: v.Octets,
		PerUser: c.perUser,
	}
	if c.dropped {
		n.Dropped, n.Unseen, n.Deleted, n.Octets, n.ModSeq = true, 0, 0, 0, v.ModSeq+1
		return n
	}
	n.UIDNext, n.ModSeq = max(v.UIDNext, c.uidNext), c.modseq
	if len(c.keywords) > 0 {
		n.Keywords = append(slices.Clip(v.Keywords), c.keywords...)
	}
	e := newEditor(n, v.chunks, c.modseq)
	e.sets.of = v.seen
	for i := range c.acts {
		e.apply(&c.acts[i])
	}
	n.chunks = e.compact()
	if c.perUser {
		n.seen = e.sets.done()
	}
	n.index()
	return n
}

// columns tells what of a chunk the editor may write.
type columns uint8

const (
	ownChunk columns = 1 << iota // the chunk itself is new, its columns are shared
	ownFlags                     // flags and mod-sequences are copies
	ownAll                       // the other columns are copies too
	shrunk                       // rows were removed
)

// editor makes the chunks of the next version.
type editor struct {
	v      *Version
	chunks []*chunk
	own    []columns
	ends   []UID // no UID of a chunk is above its end; ascending, also when chunks are emptied
	modseq ModSeq
	shrank bool
	sets   sets
}

func newEditor(v *Version, chunks []*chunk, modseq ModSeq) *editor {
	e := &editor{v: v, chunks: slices.Clone(chunks), own: make([]columns, len(chunks)), ends: make([]UID, len(chunks)), modseq: modseq}
	for i, c := range chunks {
		e.ends[i] = c.uid[c.len()-1]
	}
	return e
}

func (e *editor) apply(a *act) {
	switch a.kind {
	case actAdd:
		e.push(a.row)
		if a.row.Flags&Seen != 0 {
			e.sets.putAll(a.row.UID, true)
		}
		return
	case actOwn:
		e.sets.make(a.account, a.own)
		return
	case actRemove:
		e.sets.putAll(a.row.UID, false)
	case actReflag, actSeen:
	}
	c, _ := slices.BinarySearch(e.ends, a.row.UID)
	if c == len(e.chunks) {
		return
	}
	i, ok := slices.BinarySearch(e.chunks[c].uid, a.row.UID)
	if !ok {
		return
	}
	if a.kind == actSeen {
		ch := e.writableFlags(c)
		ch.modseq[i], ch.top = e.modseq, e.modseq
		e.sets.edit(a.account).put(a.row.UID, a.row.Flags&Seen != 0)
		return
	}
	if a.kind == actReflag {
		ch := e.writableFlags(c)
		e.count(-1, ch.row(i))
		ch.flags[i], ch.modseq[i], ch.top = a.row.Flags, e.modseq, e.modseq
		e.count(1, ch.row(i))
		return
	}
	ch := e.writable(c)
	e.count(-1, ch.row(i))
	ch.uid = slices.Delete(ch.uid, i, i+1)
	ch.flags = slices.Delete(ch.flags, i, i+1)
	ch.modseq = slices.Delete(ch.modseq, i, i+1)
	ch.msg = slices.Delete(ch.msg, i, i+1)
	ch.size = slices.Delete(ch.size, i, i+1)
	ch.date = slices.Delete(ch.date, i, i+1)
	e.own[c] |= shrunk
	e.shrank = true
}

func (e *editor) count(n int64, r Row) {
	var d delta
	d.count(n, r.Flags, r.Size)
	e.v.Unseen += d.unseen
	e.v.Deleted += d.deleted
	e.v.Octets += d.octets
}

// push appends a row to the last chunk, in place when there is room.
func (e *editor) push(r Row) {
	e.count(1, r)
	last := len(e.chunks) - 1
	if last < 0 || e.chunks[last].len() == chunkLen {
		e.chunks = append(e.chunks, newChunk())
		e.own = append(e.own, ownChunk|ownFlags|ownAll)
		e.ends = append(e.ends, 0)
		last++
	}
	e.copyChunk(last)
	e.chunks[last].push(r)
	e.ends[last] = r.UID
}

func (e *editor) copyChunk(c int) {
	if e.own[c]&ownChunk == 0 {
		ch := *e.chunks[c]
		e.chunks[c] = &ch
		e.own[c] |= ownChunk
	}
}

func (e *editor) writableFlags(c int) *chunk {
	e.copyChunk(c)
	ch := e.chunks[c]
	if e.own[c]&ownFlags == 0 {
		ch.flags, ch.modseq = copyColumn(ch.flags), copyColumn(ch.modseq)
		e.own[c] |= ownFlags
	}
	return ch
}

func (e *editor) writable(c int) *chunk {
	ch := e.writableFlags(c)
	if e.own[c]&ownAll == 0 {
		ch.uid, ch.msg, ch.size, ch.date = copyColumn(ch.uid), copyColumn(ch.msg), copyColumn(ch.size), copyColumn(ch.date)
		e.own[c] |= ownAll
	}
	return ch
}

// copyColumn copies a column and leaves room for a full chunk.
func copyColumn[T any](col []T) []T { return append(make([]T, 0, chunkLen), col...) }

// compact drops chunks that were emptied and joins small neighbours, so that
// the number of chunks follows the number of rows.
func (e *editor) compact() []*chunk {
	if !e.shrank {
		return e.chunks
	}
	out := make([]*chunk, 0, len(e.chunks))
	before := columns(0)
	for i, c := range e.chunks {
		n := len(out)
		switch {
		case c.len() == 0:
		case n > 0 && (before|e.own[i])&shrunk != 0 && out[n-1].len()+c.len() <= chunkLen/2:
			joined := newChunk()
			for _, part := range []*chunk{out[n-1], c} {
				for j := range part.len() {
					joined.push(part.row(j))
				}
			}
			out[n-1] = joined
			before = shrunk
		default:
			out = append(out, c)
			before = e.own[i]
		}
	}
	return out
}
