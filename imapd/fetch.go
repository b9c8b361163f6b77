package imapd

import (
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// Sizes of FETCH, in octets and messages.
const (
	fetchBuffer = 32 << 10 // lines are handed to the connection in pieces of about this size
	fetchDirect = 8 << 10  // longer literals are not copied into the buffer
	fetchBatch  = 32       // messages read from the store at once
)

// runFetch parses FETCH (RFC 9051, section 6.4.5).
func (s *session) runFetch(cmd *command) result {
	l := &cmd.args
	s.req.uid = strings.HasPrefix(cmd.verb, "UID ")
	var valid bool
	if l.sp() {
		s.req.set, valid = l.numSet()
	}
	if !valid {
		return syntax("Invalid message set")
	}
	if s.box.invalid(s.req.set, s.req.uid) {
		return syntax("No such message")
	}
	if !l.sp() {
		return syntax("Expected: FETCH set items")
	}
	if s.req.fetch, valid = parseFetchItems(l); !valid {
		return syntax("Invalid FETCH items")
	}
	if l.sp() && (!l.list(func() bool { return s.fetchModifier(l) }) || s.req.since == nil && (s.req.gone || s.req.partial == nil)) || !l.end() {
		return syntax("Invalid FETCH modifier")
	}
	if s.req.gone && s.sync < syncQResync {
		return syntax("ENABLE QRESYNC first")
	}
	if s.req.since != nil && !s.req.asks(fetchModSeq) {
		s.req.fetch = append(s.req.fetch, fetchItem{kind: fetchModSeq})
	}
	if s.req.asks(fetchModSeq) {
		s.raise(syncCondStore)
	}
	if s.req.uid && !s.req.asks(fetchUID) {
		s.req.fetch = append([]fetchItem{{kind: fetchUID}}, s.req.fetch...)
	}
	return pass(strings.TrimSuffix(cmd.verb, "FETCH") + "FETCH 1 UID")
}

// asks tells whether a FETCH names an item.
func (r *request) asks(kind fetchKind) bool {
	return slices.ContainsFunc(r.fetch, func(it fetchItem) bool { return it.kind == kind })
}

// fetchModifier reads a modifier of FETCH: CHANGEDSINCE, and with UID FETCH only VANISHED (RFC 7162, sections 3.1.4.1 and 3.2.6) and
// PARTIAL (RFC 9394, section 3.2).
func (s *session) fetchModifier(l *lexer) bool {
	word, _ := l.word()
	switch {
	case word == "CHANGEDSINCE" && s.req.since == nil && l.special(' '):
		n, valid := l.number(maxModSeq)
		since := mailstore.ModSeq(n)
		s.req.since = &since
		return valid
	case word == "PARTIAL" && s.req.uid && s.req.partial == nil:
		w, valid := parseWindow(l)
		s.req.partial = &w
		return valid
	case word == "VANISHED" && s.req.uid && !s.req.gone:
		s.req.gone = true
		return true
	}
	return false
}

// Fetch implements imapserver.Session. Every message of the set gets exactly one line.
func (s *session) Fetch(*imapserver.FetchWriter, imap.NumSet, *imap.FetchOptions) (err error) {
	defer s.guard("FETCH", &err)
	buf, isBuf := bufPool.Get().(*[]byte)
	if !isBuf {
		return errNotPassed
	}
	f := fetcher{s: s, b: s.box, items: s.req.fetch, buf: (*buf)[:0]}
	defer func() {
		*buf = f.buf[:0]
		if cap(*buf) <= 2*fetchBuffer {
			bufPool.Put(buf)
		}
	}()
	if s.req.gone {
		if err := f.tellGone(); err != nil {
			return s.fail(err, doingOther)
		}
	}
	f.markSeen()
	if err := f.run(); err != nil {
		return err
	}
	switch {
	case f.failed:
		s.poll(false)
		return no("UNAVAILABLE", "Some messages could not be read").asError()
	case f.unknownCTE:
		s.poll(false)
		return no("UNKNOWN-CTE", "Some parts could not be decoded").asError()
	case f.missing:
		s.poll(s.req.uid)
		return okCode("EXPUNGEISSUED", "Some messages do not exist any more").asError()
	}
	return nil
}

// bufPool holds output buffers of commands under way.
var bufPool = sync.Pool{New: func() any { b := make([]byte, 0, fetchBuffer+fetchBuffer/4); return &b }} //nolint:gochecknoglobals // a pool

// fetcher writes the answers of one FETCH.
type fetcher struct {
	s     *session
	b     *box
	items []fetchItem
	buf   []byte
	head  []byte // header of the present message
	about description

	nowSeen                     mailstore.UIDSet // messages that this FETCH made \Seen
	failed, missing, unknownCTE bool
}

// target is a message to be answered.
type target struct {
	seq int
	row mailstore.Row
}

// rows gives the messages to be answered.
func (f *fetcher) rows() iter.Seq2[int, mailstore.Row] {
	req := &f.s.req
	rows := f.b.rows(req.set, req.uid)
	if req.since != nil {
		rows = f.b.changed(req.set, req.uid, *req.since)
	}
	if req.partial != nil {
		return req.partial.rows(rows)
	}
	return rows
}

// tellGone writes which messages of the set have vanished since the mod-sequence given, before any FETCH line. What left the mailbox
// while this client had it open is told first, as what counts.
func (f *fetcher) tellGone() error {
	f.s.mu.Lock()
	f.buf = f.b.update(f.buf, true, nil)
	f.s.mu.Unlock()
	gone, err := f.s.goneFrom(f.b, f.b.everUIDs(f.s.req.set), *f.s.req.since)
	f.buf = appendVanished(f.buf, true, gone)
	return errors.Join(err, f.flush())
}

// markSeen sets \Seen where the items ask for it, before anything is said. When that is not possible, reading goes on all the same
// (P9 of reliability.md).
func (f *fetcher) markSeen() {
	if f.b.changeable()&mailstore.Seen == 0 || !slices.ContainsFunc(f.items, func(it fetchItem) bool { return it.sets }) {
		return
	}
	var unseen []mailstore.UID
	for _, row := range f.rows() {
		if row.Flags&mailstore.Seen == 0 {
			unseen = append(unseen, row.UID)
		}
	}
	if len(unseen) == 0 {
		return
	}
	set := mailstore.UIDs(unseen...)
	err := f.s.change(func(tx *sqldb.Tx) error {
		if _, err := f.s.recheck(tx, f.b.mailbox(), mailstore.RightSeen); err != nil {
			return err
		}
		_, err := f.s.srv.be.Store.SetFlags(f.s.ctx, tx, f.b.id, set,
			mailstore.FlagChange{Op: mailstore.AddFlags, Flags: mailstore.Flags{System: mailstore.Seen}, By: f.s.user.ID})
		return err
	})
	if err != nil {
		f.s.log.Warn("mark as seen", "err", err)
		return
	}
	f.nowSeen = set
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.buf = f.b.update(f.buf, false, func(_ int, row mailstore.Row) bool { return set.Contains(row.UID) })
}

// run answers all messages. Its errors are the connection's.
func (f *fetcher) run() error {
	meta, content := false, false
	for i := range f.items {
		it := &f.items[i]
		meta = meta || it.kind >= fetchSaveDate
		content = content || it.content() && !it.onlyHeader()
	}
	var batch []target
	for seq, row := range f.rows() {
		if !meta {
			if err := f.line(target{seq, row}, nil, nil); err != nil {
				return err
			}
			continue
		}
		if batch = append(batch, target{seq, row}); len(batch) == fetchBatch {
			if err := f.batch(batch, content); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if err := f.batch(batch, content); err != nil {
		return err
	}
	return f.flush()
}

// errOutput marks errors of the connection among those of the store.
type errOutput struct{ error }

// batch answers messages of which more than the index is needed. Those that are damaged, or have been removed from the store while this
// client still believes in them, are passed over. Its errors are the connection's.
func (f *fetcher) batch(list []target, content bool) error {
	ids := make([]mailstore.MessageID, len(list))
	for i := range list {
		ids[i] = list[i].row.Message
	}
	f.describe(list)
	next := func(id mailstore.MessageID) target {
		for ; list[0].row.Message != id; list = list[1:] {
			f.missing = true
		}
		t := list[0]
		list = list[1:]
		return t
	}
	var err error
	if content {
		err = f.s.srv.be.Store.Contents(f.s.ctx, ids, func(c *mailstore.Content) error {
			return f.line(next(c.Message), c.Meta, c)
		})
	} else {
		err = f.s.srv.be.Store.Metas(f.s.ctx, ids, func(m *mailstore.Meta) error {
			return f.line(next(m.Message), m, nil)
		})
	}
	f.missing = f.missing || len(list) > 0
	var broken errOutput
	if errors.As(err, &broken) {
		return broken.error
	}
	f.note(err)
	return nil
}

// line writes the FETCH line of one message.
func (f *fetcher) line(t target, m *mailstore.Meta, c *mailstore.Content) error {
	f.buf = appendUint(append(f.buf, "* "...), t.seq)
	f.buf = append(f.buf, " FETCH ("...)
	flags, modseq := false, false
	for i := range f.items {
		if i > 0 {
			f.buf = append(f.buf, ' ')
		}
		it := &f.items[i]
		switch it.kind {
		case fetchUID:
			f.buf = appendUint(append(f.buf, "UID "...), t.row.UID)
		case fetchFlags:
			f.buf = appendFlags(append(f.buf, "FLAGS "...), t.row.Flags, f.b.known.Keywords)
			flags = true
		case fetchInternalDate:
			f.buf = appendDateTime(append(f.buf, "INTERNALDATE "...), t.row.Date(), f.s.srv.opt.Zone)
		case fetchSize:
			f.buf = appendUint(append(f.buf, "RFC822.SIZE "...), t.row.Size)
		case fetchModSeq:
			f.buf = appendModSeq(f.buf, t.row.ModSeq)
			modseq = true
		case fetchEmailID:
			f.buf = appendEmailID(f.buf, t.row.Message)
		case fetchThreadID:
			f.buf = append(f.buf, "THREADID NIL"...)
		case fetchSaveDate:
			f.saveDate(t)
		case fetchPreview:
			f.preview(t)
		case fetchEnvelope:
			f.buf = append(append(f.buf, "ENVELOPE "...), m.Structure.Envelope...)
		case fetchBodyStructure:
			f.buf = append(append(f.buf, "BODYSTRUCTURE "...), m.Structure.BodyStructure...)
		case fetchBody:
			f.buf = append(append(f.buf, "BODY "...), m.Structure.Body...)
		case fetchSection:
			if err := f.section(it, m, c); err != nil {
				return err
			}
		case fetchBinary, fetchBinarySize:
			if err := f.binary(it, c); err != nil {
				return err
			}
		}
	}
	if len(f.nowSeen) > 0 && f.nowSeen.Contains(t.row.UID) {
		if f.s.sync == syncQResync && !f.s.req.asks(fetchUID) {
			f.buf = appendUint(append(f.buf, " UID "...), t.row.UID)
		}
		if !flags {
			f.buf = appendFlags(append(f.buf, " FLAGS "...), t.row.Flags, f.b.known.Keywords)
		}
		if !modseq && f.s.sync >= syncCondStore {
			f.buf = appendModSeq(append(f.buf, ' '), t.row.ModSeq)
		}
	}
	f.buf = append(f.buf, ")\r\n"...)
	if len(f.buf) >= fetchBuffer {
		return f.flush()
	}
	return nil
}

// flush hands the lines collected to the connection.
func (f *fetcher) flush() error {
	if err := f.s.out(f.buf); err != nil {
		return errOutput{err}
	}
	f.buf = f.buf[:0]
	return nil
}

// place gives where a section lies in the message as clients see it: trace fields, then the received octets.
func (it *fetchItem) place(m *mailstore.Meta) (off, n int64, exists bool) {
	prefix := int64(len(m.Prefix))
	if len(it.path) == 0 {
		head := prefix + m.Structure.HeaderLen
		switch it.what {
		case sectionAll:
			return 0, m.Size, true
		case sectionText:
			return head, m.Size - head, true
		}
		return 0, head, true
	}
	what := mail.SectionHeader
	switch it.what {
	case sectionAll:
		what = mail.SectionWhole
	case sectionText:
		what = mail.SectionText
	case sectionMIME:
		what = mail.SectionMIME
	}
	off, n, exists = m.Structure.Section(it.path, what)
	return off + prefix, n, exists
}

// header writes a BODY[HEADER...] item of the whole message from what is kept apart from its body.
func (f *fetcher) header(it *fetchItem, m *mailstore.Meta) {
	f.buf = append(f.buf, it.label...)
	f.head = f.head[:0]
	if it.filter != nil {
		f.head = it.filter.Append(it.filter.Append(f.head, m.Prefix), m.Header)
	} else {
		f.head = append(append(f.head, m.Prefix...), m.Header...)
	}
	raw := f.head
	from, count := it.clip(int64(len(raw)))
	f.literal("{", count)
	f.buf = append(f.buf, raw[from:from+count]...)
}

// section writes a BODY[...] item. Without c only the header is asked for.
func (f *fetcher) section(it *fetchItem, m *mailstore.Meta, c *mailstore.Content) (err error) {
	if it.onlyHeader() && m.HasHeader() {
		f.header(it, m)
		return nil
	}
	if c == nil { // a header too long to be kept apart
		if c, err = f.s.srv.be.Store.Content(f.s.ctx, m.Message); err != nil {
			return f.torn(err)
		}
		defer func() { err = errors.Join(err, c.Close()) }()
	}
	f.buf = append(f.buf, it.label...)
	off, n, exists := it.place(m)
	if !exists {
		f.buf = append(f.buf, "NIL"...)
		return nil
	}
	if it.what == sectionFields || it.what == sectionFieldsNot {
		var raw []byte
		if whole, inMemory := c.Bytes(); inMemory {
			raw = whole[off : off+n]
		} else {
			raw = make([]byte, n)
			if _, err := c.ReadAt(raw, off); err != nil && !errors.Is(err, io.EOF) {
				return f.torn(err)
			}
		}
		raw = it.filter.Append(nil, raw)
		from, count := it.clip(int64(len(raw)))
		f.literal("{", count)
		f.buf = append(f.buf, raw[from:from+count]...)
		return nil
	}
	from, count := it.clip(n)
	f.literal("{", count)
	return f.copy(c, off+from, count)
}

// literal writes a literal's announcement.
func (f *fetcher) literal(open string, n int64) {
	f.s.srv.stats.FetchedOctets.Add(n)
	f.buf = append(appendUint(append(f.buf, open...), n), "}\r\n"...)
}

// copy writes n octets of the message from off.
func (f *fetcher) copy(c *mailstore.Content, off, n int64) error {
	if whole, inMemory := c.Bytes(); inMemory {
		part := whole[off : off+n]
		if n <= fetchDirect {
			f.buf = append(f.buf, part...)
			return nil
		}
		if err := f.flush(); err != nil {
			return err
		}
		if err := f.s.out(part); err != nil {
			return errOutput{err}
		}
		return nil
	}
	return f.stream(io.NewSectionReader(c, off, n), n)
}

// stream writes exactly n octets of r.
func (f *fetcher) stream(r io.Reader, n int64) error {
	for n > 0 {
		if err := f.flush(); err != nil {
			return err
		}
		f.buf = f.buf[:min(int64(fetchBuffer), n)]
		if _, err := io.ReadFull(r, f.buf); err != nil {
			f.buf = f.buf[:0]
			return f.torn(err)
		}
		n -= int64(len(f.buf))
	}
	return nil
}

// torn ends the connection: octets were announced that cannot be read. Nothing else may stand in their place.
func (f *fetcher) torn(err error) error {
	f.s.log.Error("message unreadable while it was sent", "err", err)
	f.s.c.Kill()
	return errOutput{err}
}
