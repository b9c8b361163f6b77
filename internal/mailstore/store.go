package mailstore

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"vanthu/internal/blob"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// Options tunes a Store; the zero value works.
type Options struct {
	InlineLimit  int               // bodies of up to this many octets lie in the row; 0 means 96 KiB
	DefaultQuota int64             // octets of an account; 0 means no limit; units have none
	Quota        func(Owner) int64 // octets of one owner, 0 for no limit; nil means DefaultQuota; called on the writer's goroutine
	// QuotaMessages gives how many messages an owner may have, 0 for no limit;
	// nil means none; called on the writer's goroutine.
	QuotaMessages func(Owner) int64
	HotMessages   int              // entries of mailboxes kept in memory though nobody has them open; 0 means 2,000,000 (about 90 MB)
	CacheOctets   int64            // stored structures kept in memory; 0 means 64 MiB
	SearchOctets  int64            // texts kept in memory for SEARCH; 0 means 64 MiB
	Extract       Extractor        // of the text of attachments such as PDF; nil means none: they are found by name
	Limits        mail.Limits      // of the scan of incoming messages
	Now           func() time.Time // nil means time.Now
	Log           *slog.Logger     // nil discards
}

// Store is the open mail store. All methods may be called concurrently; those
// with a *sqldb.Tx only inside its function.
type Store struct {
	db    *sqldb.DB
	blobs *blob.Store
	opt   Options
	log   *slog.Logger

	// cur is the bookkeeping of the transaction that runs now. Only the
	// writer's goroutine touches it.
	cur *pending
	// changing: rights were changed by a transaction that is not shown in acl,
	// be it that it was undone. Only the writer's goroutine touches it.
	changing bool

	owners   ownerCache
	folders  folderCache
	hot      hotSet
	structs  messageCache[*Meta]
	previews messageCache[string]
	intact   verifiedBlobs
	claims   claims
	index    index
	acl      atomic.Pointer[ACL]
	anyOwn   atomic.Bool // some mailbox has or may have an own \Seen for each account
	buffers  sync.Pool   // of *[]byte, for incoming bodies
}

// Open makes a Store on an open database and blob store. It fails with
// [blob.ErrNotFound] when large bodies are named and the folder has none of
// them: then this is the wrong folder, or it is not mounted.
func Open(ctx context.Context, db *sqldb.DB, blobs *blob.Store, opt Options) (*Store, error) {
	if opt.InlineLimit <= 0 {
		opt.InlineLimit = 96 << 10
	}
	if opt.HotMessages <= 0 {
		opt.HotMessages = 2_000_000
	}
	if opt.CacheOctets <= 0 {
		opt.CacheOctets = 64 << 20
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{db: db, blobs: blobs, opt: opt, log: opt.Log}
	s.hot.init(opt.HotMessages)
	s.structs.init(opt.CacheOctets, (*Meta).cost)
	s.previews.init(previewCache, func(text string) int64 { return int64(150 + len(text)) })
	if err := s.index.init(opt); err != nil {
		return nil, err
	}
	if err := s.checkBlobs(ctx); err != nil {
		return nil, err
	}
	if err := s.loadACL(ctx); err != nil {
		return nil, err
	}
	if err := s.loadModes(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Update runs fn in a transaction; see [sqldb.DB.Update].
func (s *Store) Update(ctx context.Context, fn func(tx *sqldb.Tx) error) error {
	return s.db.Update(ctx, fn)
}

// View runs fn on a snapshot; see [sqldb.DB.View].
func (s *Store) View(ctx context.Context, fn func(r sqldb.Reader) error) error {
	return s.db.View(ctx, fn)
}

const qSomeBlobs = `SELECT sha256 FROM message WHERE in_blob = 1 ORDER BY sha256 LIMIT 64`

// checkBlobs: an empty folder in place of the blob store must not look like
// a store whose bodies are gone (reliability.md, T132). One file that is there
// is enough: single losses are the verifier's.
func (s *Store) checkBlobs(ctx context.Context) error {
	var some []blob.Hash
	err := s.db.View(ctx, func(r sqldb.Reader) error {
		rows, err := r.Query(ctx, qSomeBlobs)
		if err != nil {
			return err
		}
		return scanAll(rows, func(scan func(...any) error) error {
			var sum []byte
			err := scan(&sum)
			if err == nil && len(sum) == len(blob.Hash{}) {
				some = append(some, blob.Hash(sum))
			}
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("look for large bodies: %w", err)
	}
	var missing error
	for _, h := range some {
		f, err := s.blobs.Open(h)
		if err == nil {
			return f.Close()
		}
		missing = err
	}
	if missing != nil {
		return fmt.Errorf("is this the right blob folder? none of %d bodies is there: %w", len(some), missing)
	}
	return nil
}

// quota gives the octets that o may use.
func (s *Store) quota(o Owner) int64 {
	n := int64(0)
	switch {
	case s.opt.Quota != nil:
		n = s.opt.Quota(o)
	case o.Account != 0:
		n = s.opt.DefaultQuota
	}
	if n <= 0 {
		return math.MaxInt64
	}
	return n
}

// quotaMessages gives how many messages o may have.
func (s *Store) quotaMessages(o Owner) int64 {
	if s.opt.QuotaMessages != nil {
		if n := s.opt.QuotaMessages(o); n > 0 {
			return n
		}
	}
	return math.MaxInt64
}

// pending is what one transaction has done so far, to be shown to the rest of
// the process once it is committed.
type pending struct {
	tx     *sqldb.Tx
	boxes  map[MailboxID]*change
	sizes  map[MessageID]int64
	metas  []*Meta // of the messages stored
	owners map[MailboxID]Owner
	trees  map[Owner]bool // whose list of mailboxes or subscriptions changed
	rights map[MailboxID]shared
	dated  map[MailboxID]timed // rights for a time, where they changed
	modes  map[MailboxID]bool  // mailboxes whose \Seen has become each account's own, or not any more
	seen   map[MailboxID]map[directory.AccountID]*seenTx
}

// pending gives the bookkeeping of tx. A transaction that was undone leaves
// its own behind until the next begins; keeping the *Tx there keeps its address
// from being used again.
func (s *Store) pending(tx *sqldb.Tx) *pending {
	if s.cur == nil || s.cur.tx != tx {
		p := &pending{
			tx: tx, boxes: map[MailboxID]*change{}, sizes: map[MessageID]int64{},
			owners: map[MailboxID]Owner{}, trees: map[Owner]bool{}, rights: map[MailboxID]shared{}, dated: map[MailboxID]timed{}, modes: map[MailboxID]bool{},
		}
		s.cur = p
		tx.OnCommit(func() { s.publish(p) })
	}
	return s.cur
}

// publish runs on the writer's goroutine after each commit, in their order.
func (s *Store) publish(p *pending) {
	s.owners.add(p.owners)
	for _, m := range p.metas {
		s.structs.put(m.Message, m)
	}
	s.index.others.Add(1)
	s.index.arrived(len(p.metas))
	for o := range p.trees {
		s.folders.forget(o)
	}
	s.changing = false                                   // hooks run when no function does
	s.publishRights(p.rights, p.dated, len(p.modes) > 0) // before anybody is told of the changes
	for _, c := range p.boxes {
		s.hot.apply(c)
	}
	s.hot.wake(p)
}

// delta is what a change adds to the counters of a mailbox.
type delta struct {
	uids                              int64
	messages, unseen, deleted, octets int64
	private                           bool // nothing but some account's own \Seen
}

// count adds n entries (1 or -1) with flags f and the given size.
func (d *delta) count(n int64, f FlagSet, size int64) {
	d.messages += n
	d.octets += n * size
	if f&Seen == 0 {
		d.unseen += n
	}
	if f&Deleted != 0 {
		d.deleted += n
	}
}

// reflag replaces flags before by after.
func (d *delta) reflag(before, after FlagSet) {
	if before&Seen == 0 {
		d.unseen--
	}
	if after&Seen == 0 {
		d.unseen++
	}
	if before&Deleted != 0 {
		d.deleted--
	}
	if after&Deleted != 0 {
		d.deleted++
	}
}

const qBump = `
UPDATE mailbox SET uid_next = uid_next + $1, modseq = modseq + $2, messages = messages + $3,
  unseen = unseen + $4, deleted = deleted + $5, octets = octets + $6,
  public_modseq = CASE WHEN $7 = 1 THEN public_modseq ELSE modseq + $2 END
WHERE id = $8 AND selectable = 1 AND uid_next <= $9`

// The row is read after it was changed, and so locked, rather than by
// RETURNING: for that SQLite makes a temporary table each time, which costs
// more than both statements.
const qNumbers = `SELECT uid_next, modseq, seen_mode FROM mailbox WHERE id = $1`

// bump applies d to the mailbox and gives the record of its changes in this
// transaction, with the mod-sequence taken. first is the first of d.uids new
// UIDs.
func (s *Store) bump(ctx context.Context, p *pending, id MailboxID, d delta) (c *change, first UID, err error) {
	c = p.boxes[id]
	step := int64(0)
	if c == nil {
		step = 1
	}
	private := int64(0)
	if d.private {
		private = 1
	}
	n, err := p.tx.Exec(ctx, qBump, d.uids, step, d.messages, d.unseen, d.deleted, d.octets, private, int64(id), math.MaxUint32-d.uids)
	if err != nil {
		return nil, 0, fmt.Errorf("change mailbox %d: %w", id, err)
	}
	if n == 0 {
		return nil, 0, s.whyNotBumped(ctx, p.tx, id)
	}
	var next, modseq, mode int64
	if err := p.tx.QueryRow(ctx, qNumbers, int64(id)).Scan(&next, &modseq, &mode); err != nil {
		return nil, 0, fmt.Errorf("read mailbox %d: %w", id, err)
	}
	if c == nil {
		c = &change{mailbox: id}
		p.boxes[id] = c
	}
	c.modseq, c.uidNext, c.perUser = ModSeq(modseq), UID(next), mode != 0
	return c, UID(next - d.uids), nil
}

func (s *Store) whyNotBumped(ctx context.Context, r sqldb.Reader, id MailboxID) error {
	m, err := mailboxByID(ctx, r, id)
	if err != nil {
		return err
	}
	if !m.Selectable {
		return ErrNoMailbox
	}
	return fault.New(fault.Exhausted, fault.Text{
		EN: "the mailbox has used all message numbers", VI: "thư mục đã dùng hết số hiệu thư",
	})
}
