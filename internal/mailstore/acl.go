package mailstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// MaxGrants is how many may be given rights on one mailbox.
const MaxGrants = 200

var (
	// ErrOwner: the owner of a mailbox has all rights, always.
	ErrOwner = fault.New(fault.Conflict, fault.Text{
		EN: "the owner of a mailbox always has all rights", VI: "chủ hộp thư luôn có mọi quyền, không thể thay đổi",
	})
	// ErrTooManyGrants: the mailbox has as many different grants as it can.
	ErrTooManyGrants = fault.New(fault.Exhausted, fault.Text{
		EN: "rights on this mailbox have been given to too many", VI: "thư mục đã được chia sẻ cho quá nhiều đối tượng",
	})
)

// shared is what was given on one mailbox, by grantee.
type shared struct {
	owner  Owner
	grants []Grant
}

// ACL is the rights on all mailboxes at one moment. It never changes; any
// number of goroutines may ask it. Another pointer means that rights may be
// other ones.
type ACL struct {
	now    func() time.Time
	given  map[MailboxID]shared
	dated  map[MailboxID]timed
	owners map[Owner]map[Grantee]struct{} // who was given anything by whom
}

// ACL gives the rights as they are now.
func (s *Store) ACL() *ACL { return s.acl.Load() }

func newACL(now func() time.Time, given map[MailboxID]shared, dated map[MailboxID]timed) *ACL {
	a := &ACL{now: now, given: given, dated: dated, owners: map[Owner]map[Grantee]struct{}{}}
	for _, sh := range given {
		for _, g := range sh.grants {
			if g.Rights == NoRights {
				continue
			}
			if a.owners[sh.owner] == nil {
				a.owners[sh.owner] = map[Grantee]struct{}{}
			}
			a.owners[sh.owner][g.Grantee] = struct{}{}
		}
	}
	return a
}

// Grants gives who has which rights on a mailbox, besides the account that
// owns it: what was given, and the defaults of a unit that nobody has changed.
// Nobody in it has no rights.
func (a *ACL) Grants(m *Mailbox) []Grant {
	list := a.Given(m)
	for _, g := range a.dated[m.ID].holding(a.now()) {
		if i := slices.IndexFunc(list, func(o Grant) bool { return o.Grantee == g.Grantee }); i >= 0 {
			list[i].Rights |= g.Rights
		} else {
			list = append(list, g.Grant)
		}
	}
	return list
}

// Given is [ACL.Grants] without what is given for a time.
func (a *ACL) Given(m *Mailbox) []Grant {
	list := slices.Clone(a.given[m.ID].grants)
	for _, d := range defaults(m) {
		if !slices.ContainsFunc(list, func(g Grant) bool { return g.Grantee == d.Grantee }) {
			list = append(list, d)
		}
	}
	return slices.DeleteFunc(list, func(g Grant) bool { return g.Rights == NoRights })
}

// Rights gives what an account may do with a mailbox: all when it is the
// owner, else the sum of what is given to it, to its roles and to anyone.
func (a *ACL) Rights(snap *directory.Snapshot, account directory.AccountID, m *Mailbox) Rights {
	if account != 0 && m.Owner.Account == account {
		return AllRights
	}
	r := NoRights
	given := a.given[m.ID].grants
	for _, g := range given {
		if g.Covers(snap, account) {
			r |= g.Rights
		}
	}
	for _, d := range defaults(m) {
		if d.Covers(snap, account) && !slices.ContainsFunc(given, func(g Grant) bool { return g.Grantee == d.Grantee }) {
			r |= d.Rights
		}
	}
	for _, g := range a.dated[m.ID].holding(a.now()) {
		if g.Covers(snap, account) {
			r |= g.Rights
		}
	}
	return r
}

// Shares tells whether an owner has given the account any right on any of its
// mailboxes, the defaults of units apart.
func (a *ACL) Shares(snap *directory.Snapshot, o Owner, account directory.AccountID) bool {
	for g := range a.owners[o] {
		if g.Covers(snap, account) {
			return true
		}
	}
	for _, t := range a.dated {
		if t.owner == o && slices.ContainsFunc(t.holding(a.now()), func(g DatedGrant) bool { return g.Covers(snap, account) }) {
			return true
		}
	}
	return false
}

// Sharers gives the owners for which Shares holds, units first.
func (a *ACL) Sharers(snap *directory.Snapshot, account directory.AccountID) []Owner {
	var list []Owner
	all := map[Owner]bool{}
	for o := range a.owners {
		all[o] = true
	}
	for _, t := range a.dated {
		all[t.owner] = true
	}
	for o := range all {
		if o.Account != account && a.Shares(snap, o, account) {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(x, y Owner) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Unit, y.Unit))
	})
	return list
}

const qAllRights = `
SELECT r.mailbox_id, m.account_id, m.unit_id, r.account_id, r.unit_id, r.role, r.rights
FROM mailbox_right r JOIN mailbox m ON m.id = r.mailbox_id
ORDER BY r.mailbox_id, r.account_id, r.unit_id, r.role`

// loadACL reads all rights when the store is opened.
func (s *Store) loadACL(ctx context.Context) error {
	given := map[MailboxID]shared{}
	err := s.db.View(ctx, func(r sqldb.Reader) error {
		rows, err := r.Query(ctx, qAllRights)
		if err != nil {
			return err
		}
		return scanAll(rows, func(scan func(...any) error) error {
			var box, account, unit int64
			g, err := scanGrant(scan, &box, &account, &unit)
			if err != nil {
				return err
			}
			sh := given[MailboxID(box)]
			sh.owner = Owner{Account: directory.AccountID(account), Unit: directory.UnitID(unit)}
			sh.grants = append(sh.grants, g)
			given[MailboxID(box)] = sh
			return nil
		})
	})
	var dated map[MailboxID]timed
	if err == nil {
		dated, err = s.loadDated(ctx)
	}
	if err != nil {
		return fmt.Errorf("read the rights on mailboxes: %w", err)
	}
	s.acl.Store(newACL(s.opt.Now, given, dated))
	return nil
}

// publishRights shows rights changed by a transaction, or that defaults are
// other ones; it runs on the writer's goroutine.
func (s *Store) publishRights(changed map[MailboxID]shared, dated map[MailboxID]timed, defaults bool) {
	if len(changed) == 0 && len(dated) == 0 && !defaults {
		return
	}
	old := s.acl.Load()
	given, times := maps.Clone(old.given), maps.Clone(old.dated)
	for id, t := range dated {
		if len(t.grants) == 0 {
			delete(times, id)
		} else {
			times[id] = t
		}
	}
	for id, sh := range changed {
		if len(sh.grants) == 0 {
			delete(given, id)
		} else {
			given[id] = sh
		}
	}
	s.acl.Store(newACL(s.opt.Now, given, times))
}

const qRightsOn = `
SELECT account_id, unit_id, role, rights FROM mailbox_right WHERE mailbox_id = $1 ORDER BY account_id, unit_id, role`

// given gives what was given on a mailbox as this transaction sees it. What is
// in memory would not do: transactions that are committed together do not show
// each other there.
func given(ctx context.Context, p *pending, id MailboxID) (list []Grant, err error) {
	rows, err := p.tx.Query(ctx, qRightsOn, int64(id))
	if err != nil {
		return nil, fmt.Errorf("read the rights on mailbox %d: %w", id, err)
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		g, err := scanGrant(scan)
		list = append(list, g)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the rights on mailbox %d: %w", id, err)
	}
	return list, nil
}

// scanGrant reads the columns of a grant; before are those in front of them.
func scanGrant(scan func(...any) error, before ...any) (Grant, error) {
	var account, unit int64
	var role, letters string
	if err := scan(append(before, &account, &unit, &role, &letters)...); err != nil {
		return Grant{}, err
	}
	r, ok := ParseRights(letters)
	if !ok {
		return Grant{}, fmt.Errorf("stored rights %q", letters)
	}
	return Grant{Grantee{directory.AccountID(account), directory.UnitID(unit), directory.Role(role)}, r}, nil
}

// RightsOp says what rights do to those that are there.
type RightsOp uint8

// The three forms of SETACL. RFC 4314, section 3.1.
const (
	SetRights RightsOp = iota
	AddRights
	RemoveRights
)

// RightsChange is one change of what somebody may do.
type RightsChange struct {
	Grantee
	Op     RightsOp
	Rights Rights
}

// rightsData is what the journal keeps of a change of rights.
type rightsData struct {
	Mailbox int64  `json:"mailbox"`
	Name    string `json:"name"`
	Account int64  `json:"owner_account,omitempty"`
	Unit    int64  `json:"owner_unit,omitempty"`
	To      string `json:"to"` // identifier at that time
	ToID    int64  `json:"to_account,omitempty"`
	ToUnit  int64  `json:"to_unit,omitempty"`
	ToRole  string `json:"to_role,omitempty"`
	Before  string `json:"before"`
	After   string `json:"after"`
	Why     string `json:"why,omitempty"`   // "" when somebody changed it
	From    int64  `json:"from,omitempty"`  // microseconds, of rights for a time
	Until   int64  `json:"until,omitempty"` // first moment without them
}

// ChangeRights changes what somebody may do with a mailbox, in one transaction
// with its journal entry, and gives the rights before and after. Whether actor
// may is for the caller to check. It fails with [ErrNoMailbox], [ErrOwner] or
// [ErrTooManyGrants].
func (s *Store) ChangeRights(
	ctx context.Context, actor journal.Actor, snap *directory.Snapshot, id MailboxID, ch RightsChange,
) (before, after Rights, err error) {
	err = s.db.Update(ctx, func(tx *sqldb.Tx) (err error) {
		before, after, err = s.ChangeRightsIn(ctx, tx, actor, snap, id, ch)
		return err
	})
	return before, after, err
}

// ChangeRightsIn is [Store.ChangeRights] as part of a transaction.
func (s *Store) ChangeRightsIn(
	ctx context.Context, tx *sqldb.Tx, actor journal.Actor, snap *directory.Snapshot, id MailboxID, ch RightsChange,
) (before, after Rights, err error) {
	m, err := mailboxByID(ctx, tx, id)
	if err != nil {
		return 0, 0, err
	}
	if ch.Account != 0 && ch.Account == m.Owner.Account {
		return 0, 0, ErrOwner
	}
	p := s.pending(tx)
	have, err := given(ctx, p, id)
	if err != nil {
		return 0, 0, err
	}
	before = rightsOf(have, &m, ch.Grantee)
	switch after = ch.Rights; ch.Op {
	case SetRights:
	case AddRights:
		after |= before
	case RemoveRights:
		after = before &^ ch.Rights
	}
	if ch.Op != AddRights {
		if err := s.cutDated(ctx, p, &m, ch, rightsEntry{actor, snap, 0, "revoked"}); err != nil {
			return 0, 0, err
		}
	}
	if before == after {
		return before, after, nil
	}
	return before, after, s.setRights(ctx, p, &m, have, Grant{ch.Grantee, after}, rightsEntry{actor, snap, before, ""})
}

// RightsIn is [ACL.Rights] as a transaction sees it, so that nothing can come
// between a check and what it allows: transactions committed together do not
// show each other's changes of rights in memory. Of m it asks the id, and
// unless rights are just being changed trusts the rest.
func (s *Store) RightsIn(ctx context.Context, tx *sqldb.Tx, snap *directory.Snapshot, account directory.AccountID, m *Mailbox) (Rights, error) {
	if !s.changing {
		return s.ACL().Rights(snap, account, m), nil
	}
	now, err := mailboxByID(ctx, tx, m.ID)
	if err != nil {
		return NoRights, err
	}
	list, err := given(ctx, s.pending(tx), m.ID)
	if err != nil {
		return NoRights, err
	}
	dated, err := datedOn(ctx, tx, m.ID)
	if err != nil {
		return NoRights, err
	}
	return newACL(s.opt.Now, map[MailboxID]shared{m.ID: {now.Owner, list}}, map[MailboxID]timed{m.ID: {now.Owner, dated}}).Rights(snap, account, &now), nil
}

// rightsOf gives what a grantee itself has, by gift or by default.
func rightsOf(given []Grant, m *Mailbox, who Grantee) Rights {
	for _, g := range append(slices.Clone(given), defaults(m)...) {
		if g.Grantee == who {
			return g.Rights
		}
	}
	return NoRights
}

// rightsEntry is what a journal entry needs besides the grant.
type rightsEntry struct {
	actor  journal.Actor
	snap   *directory.Snapshot // nil: name grantees by their ids only
	before Rights
	why    string
}

const (
	qSetRight = `
INSERT INTO mailbox_right (mailbox_id, account_id, unit_id, role, rights) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (mailbox_id, account_id, unit_id, role) DO UPDATE SET rights = excluded.rights`
	qDropRight  = `DELETE FROM mailbox_right WHERE mailbox_id = $1 AND account_id = $2 AND unit_id = $3 AND role = $4`
	qDropRights = `DELETE FROM mailbox_right WHERE mailbox_id = $1`
)

// setRights writes a grant besides those that have been given, and its journal
// entry. No rights are only kept where they stand in place of a default.
func (s *Store) setRights(ctx context.Context, p *pending, m *Mailbox, have []Grant, g Grant, e rightsEntry) (err error) {
	isDefault := slices.ContainsFunc(defaults(m), func(d Grant) bool { return d.Grantee == g.Grantee })
	list := slices.DeleteFunc(slices.Clone(have), func(o Grant) bool { return o.Grantee == g.Grantee })
	if g.Rights == NoRights && !isDefault {
		_, err = p.tx.Exec(ctx, qDropRight, int64(m.ID), int64(g.Account), int64(g.Unit), string(g.Role))
	} else {
		if len(list) >= MaxGrants {
			return ErrTooManyGrants
		}
		list = append(list, g)
		_, err = p.tx.Exec(ctx, qSetRight, int64(m.ID), int64(g.Account), int64(g.Unit), string(g.Role), g.Rights.Letters())
	}
	s.changing = true
	if err != nil {
		return fmt.Errorf("set rights on mailbox %d: %w", m.ID, err)
	}
	slices.SortFunc(list, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Role, b.Role))
	})
	p.rights[m.ID] = shared{m.Owner, list}
	return s.recordRights(ctx, p, m, g, e)
}

func (s *Store) recordRights(ctx context.Context, p *pending, m *Mailbox, g Grant, e rightsEntry) error {
	d := rightsData{
		Mailbox: int64(m.ID), Name: m.Name, Account: int64(m.Owner.Account), Unit: int64(m.Owner.Unit),
		ToID: int64(g.Account), ToUnit: int64(g.Unit), ToRole: string(g.Role),
		Before: e.before.Letters(), After: g.Rights.Letters(), Why: e.why,
	}
	if e.snap != nil {
		d.To = g.Identifier(e.snap)
	}
	return s.appendRights(ctx, p, m, e.actor, d)
}

func (s *Store) appendRights(ctx context.Context, p *pending, m *Mailbox, actor journal.Actor, d rightsData) error {
	_, err := journal.Append(ctx, p.tx, journal.Event{
		At: s.opt.Now(), Type: "mailbox.rights", Actor: actor, Subject: fmt.Sprintf("mailbox:%d", m.ID), Unit: int64(m.Owner.Unit), Data: d,
	})
	if err != nil {
		return fmt.Errorf("record a change of rights: %w", err)
	}
	return nil
}

// inherit gives a new mailbox what was given on the one above it (RFC 4314,
// section 4, CREATE).
func (s *Store) inherit(ctx context.Context, p *pending, o Owner, id MailboxID, name string) error {
	levels := parents(name)
	if len(levels) == 0 {
		return nil
	}
	above, err := mailboxByName(ctx, p.tx, o, levels[len(levels)-1])
	if errors.Is(err, ErrNoMailbox) {
		return nil
	}
	if err != nil {
		return err
	}
	m := Mailbox{ID: id, Owner: o, Name: name}
	list, err := given(ctx, p, above.ID)
	if err != nil {
		return err
	}
	for i, g := range list {
		before := rightsOf(nil, &m, g.Grantee)
		if before == g.Rights {
			continue
		}
		if err := s.setRights(ctx, p, &m, list[:i], g, rightsEntry{journal.System("mailstore"), nil, before, "inherited"}); err != nil {
			return err
		}
	}
	return nil
}

// dropRights takes away what was given on a mailbox that is being deleted.
func (s *Store) dropRights(ctx context.Context, p *pending, m *Mailbox) error {
	if err := s.dropDated(ctx, p, m); err != nil {
		return err
	}
	gone, err := given(ctx, p, m.ID)
	if err != nil || len(gone) == 0 {
		return err
	}
	if _, err := p.tx.Exec(ctx, qDropRights, int64(m.ID)); err != nil {
		return fmt.Errorf("drop rights on mailbox %d: %w", m.ID, err)
	}
	s.changing = true
	p.rights[m.ID] = shared{owner: m.Owner}
	for _, g := range gone {
		e := rightsEntry{journal.System("mailstore"), nil, g.Rights, "mailbox deleted"}
		if err := s.recordRights(ctx, p, m, Grant{g.Grantee, NoRights}, e); err != nil {
			return err
		}
	}
	return nil
}
