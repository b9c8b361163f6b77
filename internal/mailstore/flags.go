package mailstore

import (
	"context"
	"fmt"
	"math"

	"vanthu/internal/directory"
	"vanthu/internal/sqldb"
)

// FlagOp is what STORE does with the flags it names.
type FlagOp uint8

// The three forms of STORE. RFC 9051, section 6.4.6.
const (
	AddFlags FlagOp = iota
	RemoveFlags
	ReplaceFlags
)

// FlagChange is one STORE.
type FlagChange struct {
	Op    FlagOp
	Flags Flags
	// Protect are the flags that stay as they are, whatever Op says.
	Protect FlagSet
	// Conditional: change only what has not changed after UnchangedSince
	// (RFC 7162, section 3.1.3; 0 is a value of its own there).
	Conditional    bool
	UnchangedSince ModSeq
	// By is whose \Seen is meant where each account has its own; 0 is that of
	// all who have never changed theirs.
	By directory.AccountID
}

// Reflagged is an entry with its new flags.
type Reflagged struct {
	UID   UID
	Flags FlagSet
}

// FlagResult is what a FlagChange did.
type FlagResult struct {
	Changed []Reflagged // entries whose flags are different now, by UID
	Failed  UIDSet      // entries that UnchangedSince protected
	ModSeq  ModSeq      // the mod-sequence of Changed; 0 when nothing changed
}

const (
	qFlags = `SELECT uid, flags, modseq FROM entry WHERE mailbox_id = $1 AND uid >= $2 AND uid <= $3 ORDER BY uid`
	qStore = `
UPDATE entry SET flags = (flags & $1) | $2, modseq = $3
WHERE mailbox_id = $4 AND uid >= $5 AND uid <= $6 AND modseq <= $7 AND ((flags & $1) | $2) <> flags`
)

const qUnchanged = `SELECT count(*) FROM entry WHERE mailbox_id = $1 AND uid >= $2 AND uid <= $3 AND modseq <= $4`

// anyUnchanged tells whether a conditional change may touch anything, so that one that touches nothing does not use up a keyword.
func anyUnchanged(ctx context.Context, r sqldb.Reader, mailbox MailboxID, set UIDSet, limit int64) (bool, error) {
	for _, span := range set {
		var n int64
		if err := r.QueryRow(ctx, qUnchanged, int64(mailbox), int64(span.First), int64(span.Last), limit).Scan(&n); err != nil {
			return false, fmt.Errorf("read mod-sequences in mailbox %d: %w", mailbox, err)
		}
		if n > 0 {
			return true, nil
		}
	}
	return false, nil
}

// masks gives the bits that stay and those that are set.
func (ch *FlagChange) masks(bits FlagSet) (keep, on FlagSet) {
	keep, on = ^FlagSet(0), bits
	switch ch.Op {
	case AddFlags:
	case RemoveFlags:
		keep, on = ^bits, 0
	case ReplaceFlags:
		keep = 0
	}
	return keep | ch.Protect, on &^ ch.Protect
}

// SetFlags changes the flags of the entries in set. Whether an entry is
// protected is decided here, inside the transaction. It fails with
// [ErrNoMailbox], [ErrBadKeyword] or [ErrTooManyKeywords]; removing a keyword
// that the mailbox does not have is no error.
func (s *Store) SetFlags(ctx context.Context, tx *sqldb.Tx, mailbox MailboxID, set UIDSet, ch FlagChange) (FlagResult, error) {
	p := s.pending(tx)
	limit := int64(math.MaxInt64)
	if ch.Conditional {
		limit = int64(min(ch.UnchangedSince, math.MaxInt64))
	}
	add := ch.Op != RemoveFlags
	if add && ch.Conditional && len(ch.Flags.Keywords) > 0 {
		var err error
		if add, err = anyUnchanged(ctx, tx, mailbox, set, limit); err != nil {
			return FlagResult{}, err
		}
	}
	bits, err := s.bits(ctx, p, mailbox, ch.Flags, add)
	if err != nil {
		return FlagResult{}, err
	}
	keep, on := ch.masks(bits)
	if own, err := s.perUser(ctx, p, mailbox); err != nil {
		return FlagResult{}, err
	} else if own && ch.By != 0 {
		return s.setOwnFlags(ctx, p, mailbox, set, ownChange{by: ch.By, keep: keep, on: on, limit: limit})
	}
	var res FlagResult
	var d delta
	counts := make([]int, len(set))
	for i, r := range set {
		before := len(res.Changed)
		rows, err := tx.Query(ctx, qFlags, int64(mailbox), int64(r.First), int64(r.Last))
		if err != nil {
			return FlagResult{}, fmt.Errorf("read flags in mailbox %d: %w", mailbox, err)
		}
		err = scanAll(rows, func(scan func(...any) error) error {
			var uid, flags, modseq int64
			if err := scan(&uid, &flags, &modseq); err != nil {
				return err
			}
			old := FlagSet(flags)
			now := old&keep | on
			switch {
			case modseq > limit:
				res.Failed = res.Failed.add(UID(uid))
			case now != old:
				d.reflag(old, now)
				res.Changed = append(res.Changed, Reflagged{UID: UID(uid), Flags: now})
			}
			return nil
		})
		if err != nil {
			return FlagResult{}, fmt.Errorf("read flags in mailbox %d: %w", mailbox, err)
		}
		counts[i] = len(res.Changed) - before
	}
	if len(res.Changed) == 0 {
		return res, nil
	}
	c, _, err := s.bump(ctx, p, mailbox, d)
	if err != nil {
		return FlagResult{}, err
	}
	res.ModSeq = c.modseq
	for i, r := range set {
		if counts[i] == 0 {
			continue
		}
		n, err := tx.Exec(ctx, qStore, int64(keep), int64(on), int64(c.modseq), int64(mailbox), int64(r.First), int64(r.Last), limit)
		if err != nil {
			return FlagResult{}, fmt.Errorf("change flags in mailbox %d: %w", mailbox, err)
		}
		if n != int64(counts[i]) {
			return FlagResult{}, fmt.Errorf("change flags in mailbox %d: %d entries instead of %d", mailbox, n, counts[i])
		}
	}
	for _, f := range res.Changed {
		c.reflag(f.UID, f.Flags)
	}
	return res, nil
}
