package mailstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// DatedGrant is rights given for a time, beside what is given without end.
type DatedGrant struct {
	Grant
	Start time.Time
	End   time.Time // first moment without them

	id    int64
	begun bool // the journal has told that they hold
}

// Holds tells whether they hold at a moment.
func (g *DatedGrant) Holds(at time.Time) bool { return !at.Before(g.Start) && at.Before(g.End) }

// timed is the rights for a time on one mailbox.
type timed struct {
	owner  Owner
	grants []DatedGrant
}

func (t timed) holding(at time.Time) []DatedGrant {
	if len(t.grants) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(t.grants), func(g DatedGrant) bool { return !g.Holds(at) })
}

// Dated gives the rights for a time on a mailbox, those to come too.
func (a *ACL) Dated(id MailboxID) []DatedGrant { return a.dated[id].grants }

// NextTurn gives the next moment at which rights begin or end by themselves;
// zero when there is none, as in a nil ACL.
func (a *ACL) NextTurn() (next time.Time) {
	if a == nil || len(a.dated) == 0 {
		return next
	}
	now := a.now()
	for _, t := range a.dated {
		for i := range t.grants {
			for _, at := range []time.Time{t.grants[i].Start, t.grants[i].End} {
				if at.After(now) && (next.IsZero() || at.Before(next)) {
					next = at
				}
			}
		}
	}
	return next
}

const (
	qAllDated = `
SELECT r.mailbox_id, m.account_id, m.unit_id, r.id, r.from_us, r.until_us, r.begun, r.account_id, r.unit_id, r.role, r.rights
FROM mailbox_right_dated r JOIN mailbox m ON m.id = r.mailbox_id ORDER BY r.id`
	qDatedOn = `
SELECT id, from_us, until_us, begun, account_id, unit_id, role, rights FROM mailbox_right_dated WHERE mailbox_id = $1 ORDER BY id`
	qInsertDated = `
INSERT INTO mailbox_right_dated (mailbox_id, account_id, unit_id, role, rights, from_us, until_us, begun)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0) RETURNING id`
	qSetDated  = `UPDATE mailbox_right_dated SET rights = $1, begun = $2 WHERE id = $3`
	qDropDated = `DELETE FROM mailbox_right_dated WHERE id = $1`
)

func scanDated(scan func(...any) error, before ...any) (g DatedGrant, err error) {
	var start, end, begun int64
	g.Grant, err = scanGrant(scan, append(before, &g.id, &start, &end, &begun)...)
	g.Start, g.End, g.begun = sqldb.Time(start), sqldb.Time(end), begun != 0
	return g, err
}

func (s *Store) loadDated(ctx context.Context) (map[MailboxID]timed, error) {
	all := map[MailboxID]timed{}
	err := s.db.View(ctx, func(r sqldb.Reader) error {
		clear(all)
		rows, err := r.Query(ctx, qAllDated)
		if err != nil {
			return err
		}
		return scanAll(rows, func(scan func(...any) error) error {
			var box, account, unit int64
			g, err := scanDated(scan, &box, &account, &unit)
			t := all[MailboxID(box)]
			t.owner = Owner{Account: directory.AccountID(account), Unit: directory.UnitID(unit)}
			t.grants = append(t.grants, g)
			all[MailboxID(box)] = t
			return err
		})
	})
	return all, err
}

// datedOn gives the rights for a time on a mailbox as a transaction sees them.
func datedOn(ctx context.Context, r sqldb.Reader, id MailboxID) (list []DatedGrant, err error) {
	rows, err := r.Query(ctx, qDatedOn, int64(id))
	if err != nil {
		return nil, fmt.Errorf("read the dated rights on mailbox %d: %w", id, err)
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		g, err := scanDated(scan)
		list = append(list, g)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the dated rights on mailbox %d: %w", id, err)
	}
	return list, nil
}

// GrantFor gives somebody rights on a mailbox for a time, beside what it has
// without end, in one transaction with the journal entry. Whether actor may is
// for the caller to check. It fails with [ErrNoMailbox], [ErrOwner],
// [ErrTooManyGrants], or as fault.Invalid when the time is none or over.
func (s *Store) GrantFor(ctx context.Context, actor journal.Actor, snap *directory.Snapshot, id MailboxID, g DatedGrant) error {
	if !g.Start.Before(g.End) || !s.opt.Now().Before(g.End) || g.Rights == NoRights {
		return fault.New(fault.Invalid, fault.Text{
			EN: "rights for a time must end after they begin, and not in the past",
			VI: "thời hạn quyền phải kết thúc sau khi bắt đầu và chưa qua",
		})
	}
	err := s.db.Update(ctx, func(tx *sqldb.Tx) error {
		m, err := mailboxByID(ctx, tx, id)
		if err != nil {
			return err
		}
		if g.Account != 0 && g.Account == m.Owner.Account {
			return ErrOwner
		}
		p := s.pending(tx)
		have, err := datedOn(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(have) >= MaxGrants {
			return ErrTooManyGrants
		}
		err = tx.QueryRow(ctx, qInsertDated, int64(id), int64(g.Account), int64(g.Unit), string(g.Role), g.Rights.Letters(),
			sqldb.Micros(g.Start), sqldb.Micros(g.End)).Scan(&g.id)
		if err != nil {
			return fmt.Errorf("give dated rights on mailbox %d: %w", id, err)
		}
		s.noteDated(p, &m, append(have, g))
		return s.recordDated(ctx, p, &m, g, NoRights, g.Rights, rightsEntry{actor: actor, snap: snap, why: "granted"})
	})
	if err != nil {
		return err
	}
	return s.TurnRights(ctx)
}

func (s *Store) noteDated(p *pending, m *Mailbox, list []DatedGrant) {
	s.changing = true
	p.dated[m.ID] = timed{m.Owner, list}
}

func (s *Store) recordDated(ctx context.Context, p *pending, m *Mailbox, g DatedGrant, before, after Rights, e rightsEntry) error {
	d := rightsData{
		Mailbox: int64(m.ID), Name: m.Name, Account: int64(m.Owner.Account), Unit: int64(m.Owner.Unit),
		ToID: int64(g.Account), ToUnit: int64(g.Unit), ToRole: string(g.Role),
		Before: before.Letters(), After: after.Letters(), Why: e.why, From: sqldb.Micros(g.Start), Until: sqldb.Micros(g.End),
	}
	if e.snap != nil {
		d.To = g.Identifier(e.snap)
	}
	return s.appendRights(ctx, p, m, e.actor, d)
}

// cutDated takes rights for a time away with those without end.
func (s *Store) cutDated(ctx context.Context, p *pending, m *Mailbox, ch RightsChange, e rightsEntry) error {
	have, err := datedOn(ctx, p.tx, m.ID)
	if err != nil {
		return err
	}
	var kept []DatedGrant
	for _, g := range have {
		left := NoRights
		if ch.Op == RemoveRights {
			left = g.Rights &^ ch.Rights
		}
		if g.Grantee != ch.Grantee || left == g.Rights {
			kept = append(kept, g)
			continue
		}
		if err := s.recordDated(ctx, p, m, g, g.Rights, left, e); err != nil {
			return err
		}
		begun := int64(0)
		if g.begun {
			begun = 1
		}
		if g.Rights = left; left != NoRights {
			kept = append(kept, g)
			_, err = p.tx.Exec(ctx, qSetDated, left.Letters(), begun, g.id)
		} else {
			_, err = p.tx.Exec(ctx, qDropDated, g.id)
		}
		if err != nil {
			return fmt.Errorf("take dated rights on mailbox %d: %w", m.ID, err)
		}
	}
	if len(have) > 0 {
		s.noteDated(p, m, kept)
	}
	return nil
}

// dropDated takes all rights for a time away with the mailbox.
func (s *Store) dropDated(ctx context.Context, p *pending, m *Mailbox) error {
	have, err := datedOn(ctx, p.tx, m.ID)
	for _, g := range have {
		if err != nil {
			break
		}
		if _, err = p.tx.Exec(ctx, qDropDated, g.id); err == nil {
			e := rightsEntry{actor: journal.System("mailstore"), why: "mailbox deleted"}
			err = s.recordDated(ctx, p, m, g, g.Rights, NoRights, e)
		}
	}
	if err != nil {
		return fmt.Errorf("drop dated rights on mailbox %d: %w", m.ID, err)
	}
	if len(have) > 0 {
		s.noteDated(p, m, nil)
	}
	return nil
}

// TurnRights writes into the journal which rights for a time have begun and
// ended, and wakes those that look at the mailboxes. That they count or not
// does not wait for it.
func (s *Store) TurnRights(ctx context.Context) error {
	now := s.opt.Now()
	due := func(g DatedGrant) bool { return !now.Before(g.End) || !g.begun && !now.Before(g.Start) }
	for id, t := range s.ACL().dated {
		if !slices.ContainsFunc(t.grants, due) {
			continue
		}
		err := s.db.Update(ctx, func(tx *sqldb.Tx) error {
			m, err := mailboxByID(ctx, tx, id)
			if err != nil {
				return err
			}
			p := s.pending(tx)
			have, err := datedOn(ctx, tx, id)
			if err != nil {
				return err
			}
			var kept []DatedGrant
			for _, g := range have {
				if due(g) {
					if g, err = s.turnDated(ctx, p, &m, g, now); err != nil {
						return err
					}
				}
				if now.Before(g.End) {
					kept = append(kept, g)
				}
			}
			s.noteDated(p, &m, kept)
			return nil
		})
		if err != nil {
			return fmt.Errorf("turn dated rights: %w", err)
		}
	}
	return nil
}

func (s *Store) turnDated(ctx context.Context, p *pending, m *Mailbox, g DatedGrant, now time.Time) (DatedGrant, error) {
	by := journal.System("mailstore")
	if !g.begun {
		g.begun = true
		if _, err := p.tx.Exec(ctx, qSetDated, g.Rights.Letters(), 1, g.id); err != nil {
			return g, fmt.Errorf("begin dated rights on mailbox %d: %w", m.ID, err)
		}
		if err := s.recordDated(ctx, p, m, g, NoRights, g.Rights, rightsEntry{actor: by, why: "begun"}); err != nil {
			return g, err
		}
	}
	if now.Before(g.End) {
		return g, nil
	}
	if _, err := p.tx.Exec(ctx, qDropDated, g.id); err != nil {
		return g, fmt.Errorf("end dated rights on mailbox %d: %w", m.ID, err)
	}
	return g, s.recordDated(ctx, p, m, g, g.Rights, NoRights, rightsEntry{actor: by, why: "ended"})
}

// RunRights turns rights when it is time, until ctx ends.
func (s *Store) RunRights(ctx context.Context) error {
	for {
		if err := s.TurnRights(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("cannot turn dated rights", "err", err)
		}
		wait := time.Minute // at most: clocks are set
		if next := s.ACL().NextTurn(); !next.IsZero() {
			wait = min(wait, max(next.Sub(s.opt.Now()), time.Millisecond))
		}
		if !sleep(ctx, wait) {
			return nil
		}
	}
}
