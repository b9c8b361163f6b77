package mailstore

// Ref is a message with its place in a version.
type Ref struct {
	Seq int // sequence number
	UID UID
}

// Difference is what a client that believes in one version must be told to
// believe in a newer one.
type Difference struct {
	Gone    []Ref // not there any more; Seq counts in the old version, ascending
	Added   []Ref // new; Seq counts in the new version
	Changed []Ref // flags may differ: another mod-sequence; Seq counts in the new version
}

// Empty reports whether nothing is different.
func (d *Difference) Empty() bool {
	return len(d.Gone) == 0 && len(d.Added) == 0 && len(d.Changed) == 0
}

// Compare gives the difference from known to current, which must be versions
// of the same mailbox. Chunks that both share cost one comparison. known may be
// nil: then all is added.
func Compare(known, current *Version) Difference {
	var d Difference
	if known == current {
		return d
	}
	if known == nil {
		known = &Version{}
	}
	walk(known, current, func(old, now cursor) {
		switch {
		case now.ch == nil:
			d.Gone = append(d.Gone, Ref{Seq: old.seq(), UID: old.uid()})
		case old.ch == nil:
			d.Added = append(d.Added, Ref{Seq: now.seq(), UID: now.uid()})
		case old.ch.modseq[old.i] != now.ch.modseq[now.i]:
			d.Changed = append(d.Changed, Ref{Seq: now.seq(), UID: now.uid()})
		}
	}, nil)
	return d
}

// Hold gives the version to believe in while a client must not be told that
// messages are gone (RFC 9051, section 7.5.1: during FETCH, STORE and SEARCH):
// the messages of known, still there or not, with their newest flags, and the
// new ones. Comparing it with current later shows what is gone.
func Hold(known, current *Version) *Version {
	if known == current {
		return current
	}
	v := &Version{
		Mailbox: current.Mailbox, UIDValidity: current.UIDValidity, UIDNext: current.UIDNext, ModSeq: current.ModSeq,
		Keywords: current.Keywords, Dropped: current.Dropped, PerUser: current.PerUser,
		seen: current.seen, mine: current.mine,
	}
	var kept *seenEditor // of what is gone but was seen
	var last *chunk      // the chunk being filled, nil when the last one is shared
	var d delta
	walk(known, current, func(old, now cursor) {
		from := now
		if now.ch == nil {
			from = old
		}
		if last == nil || last.len() == chunkLen {
			last = newChunk()
			v.chunks = append(v.chunks, last)
		}
		r := from.ch.row(from.i)
		last.push(r)
		if now.ch == nil && v.mine != nil && known.row(from.ch, from.i).Flags&Seen != 0 {
			if kept == nil {
				kept = v.mine.edit()
			}
			kept.put(r.UID, true)
		}
		d.count(1, r.Flags, r.Size)
	}, func(shared *chunk) {
		v.chunks = append(v.chunks, shared)
		last = nil
		for i := range shared.len() {
			d.count(1, shared.flags[i], int64(shared.size[i]))
		}
	})
	v.Unseen, v.Deleted, v.Octets = d.unseen, d.deleted, d.octets
	v.index()
	if kept != nil {
		v.mine = kept.done()
	}
	if v.mine != nil {
		v.Unseen = int64(v.length) - v.mine.count()
	}
	return v
}

// cursor is a row of a version; ch is nil for "not there".
type cursor struct {
	v  *Version
	c  int
	ch *chunk
	i  int
}

func (c *cursor) seq() int { return c.v.starts[c.c] + c.i + 1 }
func (c *cursor) uid() UID { return c.ch.uid[c.i] }

func (c *cursor) set(n int) {
	c.c, c.i, c.ch = n, 0, nil
	if n < len(c.v.chunks) {
		c.ch = c.v.chunks[n]
	}
}

func (c *cursor) next() {
	if c.i++; c.i == c.ch.len() {
		c.set(c.c + 1)
	}
}

// walk goes through two versions in the order of UIDs and calls row for every
// message in either; a message that one of them lacks has a nil chunk there.
// Chunks that both share are given to shared instead, if that is not nil.
func walk(old, now *Version, row func(old, now cursor), shared func(*chunk)) {
	a, b := cursor{v: old}, cursor{v: now}
	a.set(0)
	b.set(0)
	for a.ch != nil || b.ch != nil {
		switch {
		case a.ch == b.ch && a.i == 0 && b.i == 0:
			if shared != nil {
				shared(a.ch)
			}
			a.set(a.c + 1)
			b.set(b.c + 1)
		case b.ch == nil || (a.ch != nil && a.uid() < b.uid()):
			row(a, cursor{v: now})
			a.next()
		case a.ch == nil || b.uid() < a.uid():
			row(cursor{v: old}, b)
			b.next()
		default:
			row(a, b)
			a.next()
			b.next()
		}
	}
}
