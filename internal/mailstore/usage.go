package mailstore

import (
	"context"
	"fmt"
	"math"
	"sync"

	"vanthu/internal/directory"
	"vanthu/internal/sqldb"
)

// Usage is what an owner's mailboxes hold, and its limit.
type Usage struct {
	Octets   int64
	Messages int64
	Quota    int64 // octets; 0 for no limit

	QuotaMessages int64 // 0 for no limit
}

const qUsage = `SELECT octets, messages FROM usage WHERE account_id = $1 AND unit_id = $2`

// Usage tells how much an owner has stored. An owner without mailboxes uses
// nothing.
func (s *Store) Usage(ctx context.Context, o Owner) (u Usage, err error) {
	if q := s.quota(o); q != math.MaxInt64 {
		u.Quota = q
	}
	if q := s.quotaMessages(o); q != math.MaxInt64 {
		u.QuotaMessages = q
	}
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		err := r.QueryRow(ctx, qUsage, int64(o.Account), int64(o.Unit)).Scan(&u.Octets, &u.Messages)
		if sqldb.NoRows(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	return u, nil
}

const qUse = `
UPDATE usage SET octets = octets + $1, messages = messages + $2
WHERE account_id = $3 AND unit_id = $4 AND octets + $1 <= $5 AND messages + $2 <= $6`

// use adds to what o uses; [ErrOverQuota] leaves it as it was.
func (s *Store) use(ctx context.Context, tx *sqldb.Tx, o Owner, octets, messages int64) error {
	limit := int64(math.MaxInt64)
	if octets > 0 {
		limit = s.quota(o)
	}
	most := int64(math.MaxInt64)
	if messages > 0 {
		most = s.quotaMessages(o)
	}
	n, err := tx.Exec(ctx, qUse, octets, messages, int64(o.Account), int64(o.Unit), limit, most)
	if err != nil {
		return fmt.Errorf("count usage: %w", err)
	}
	if n == 0 {
		return ErrOverQuota
	}
	return nil
}

// unuse gives back what o used.
func (s *Store) unuse(ctx context.Context, tx *sqldb.Tx, o Owner, octets, messages int64) error {
	return s.use(ctx, tx, o, -octets, -messages)
}

// ownerCache remembers whose a mailbox is. That never changes and ids are
// never given twice, so nothing ever has to be forgotten; about 100 octets per
// mailbox that was ever written to.
type ownerCache struct {
	mu sync.RWMutex
	m  map[MailboxID]Owner
}

func (c *ownerCache) get(id MailboxID) (Owner, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	o, ok := c.m[id]
	return o, ok
}

func (c *ownerCache) add(list map[MailboxID]Owner) {
	if len(list) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[MailboxID]Owner{}
	}
	for id, o := range list {
		c.m[id] = o
	}
}

const qOwner = `SELECT account_id, unit_id FROM mailbox WHERE id = $1`

// owner tells whose a mailbox is. What an unfinished transaction says is
// remembered only once that is committed.
func (s *Store) owner(ctx context.Context, p *pending, id MailboxID) (Owner, error) {
	if o, ok := s.owners.get(id); ok {
		return o, nil
	}
	if o, ok := p.owners[id]; ok {
		return o, nil
	}
	var account, unit int64
	err := p.tx.QueryRow(ctx, qOwner, int64(id)).Scan(&account, &unit)
	if sqldb.NoRows(err) {
		return Owner{}, ErrNoMailbox
	}
	if err != nil {
		return Owner{}, fmt.Errorf("read owner of mailbox %d: %w", id, err)
	}
	o := Owner{Account: directory.AccountID(account), Unit: directory.UnitID(unit)}
	p.owners[id] = o
	return o, nil
}
