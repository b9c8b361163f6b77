package mailstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vanthu/internal/directory"
	"vanthu/internal/sqldb"
)

// PersonFolder gives the folder of a unit that holds the documents which an
// account is in charge of, and makes it when there is none: "3 Phân công/" and
// the person's name, of two with the same name the second one with the login.
// The level above must be there ([Store.EnsureUnit]).
func (s *Store) PersonFolder(ctx context.Context, tx *sqldb.Tx, u directory.UnitID, a directory.Account) (MailboxID, error) {
	id, err := s.Role(ctx, tx, u, RoleAssignedTo(a.ID))
	if !errors.Is(err, ErrNoMailbox) {
		return id, err
	}
	for _, name := range personNames(a) {
		id, err = s.insertBelow(ctx, s.pending(tx), Owner{Unit: u}, folder{name: name, role: RoleAssignedTo(a.ID)})
		if !errors.Is(err, ErrExists) {
			return id, err
		}
	}
	return 0, ErrExists
}

// personNames gives the names that a person's folder may have, the best first.
func personNames(a directory.Account) (list []string) {
	for _, name := range []string{a.Name, a.Name + " (" + a.Login.Local + ")", a.Login.String()} {
		full, err := Name(assignedFolder + "/" + strings.TrimSpace(strings.ReplaceAll(name, "/", "-")))
		if err == nil {
			list = append(list, full)
		}
	}
	return list
}

// FitUnit gives a unit the folders that it lacks, among them one for each of
// people under "3 Phân công", by the name that the person has now. The folder of
// somebody else goes when it is empty; while it holds documents it stays. It
// reports whether anything was changed, and writes nothing when not.
func (s *Store) FitUnit(ctx context.Context, u directory.UnitID, people []directory.Account) (changed bool, err error) {
	o := Owner{Unit: u}
	var have []Mailbox
	if have, err = s.List(ctx, o); err != nil {
		return false, err
	}
	if !lacks(have, unitFolders()) && planPeople(have, people).empty() {
		return false, nil
	}
	return true, s.db.Update(ctx, func(tx *sqldb.Tx) error {
		if err := s.EnsureUnit(ctx, tx, u); err != nil {
			return err
		}
		have, err := mailboxes(ctx, tx, o)
		if err != nil {
			return err
		}
		plan := planPeople(have, people)
		p := s.pending(tx)
		for _, m := range plan.drop {
			if err := s.drop(ctx, p, m); err != nil {
				return err
			}
		}
		for _, r := range plan.rename {
			if _, err := tx.Exec(ctx, qRename, r.name, int64(r.id)); err != nil {
				return fmt.Errorf("rename mailbox %d: %w", r.id, err)
			}
			p.trees[o] = true
		}
		for _, a := range plan.add {
			if _, err := s.PersonFolder(ctx, tx, u, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// lacks reports whether an owner has not all of the default folders.
func lacks(have []Mailbox, want []folder) bool {
	return slices.ContainsFunc(want, func(f folder) bool {
		return !slices.ContainsFunc(have, func(m Mailbox) bool {
			return m.Name == f.name || f.use != UseNone && m.Use == f.use || f.role != RoleNone && f.role != RoleGroup && m.Role == f.role
		})
	})
}

// peoplePlan is what has to be done with the folders of people.
type peoplePlan struct {
	drop   []Mailbox
	rename []renaming
	add    []directory.Account
}

type renaming struct {
	id   MailboxID
	name string
}

func (p peoplePlan) empty() bool { return len(p.drop)+len(p.rename)+len(p.add) == 0 }

func planPeople(have []Mailbox, people []directory.Account) (plan peoplePlan) {
	byID := map[directory.AccountID]directory.Account{}
	for _, a := range people {
		byID[a.ID] = a
	}
	taken := map[string]bool{}
	for _, m := range have {
		taken[m.Name] = true
	}
	for _, m := range have {
		id, isPerson := m.Role.Assignee()
		if !isPerson {
			continue
		}
		a, works := byID[id]
		delete(byID, id)
		if !works {
			if m.Messages == 0 {
				plan.drop = append(plan.drop, m)
			}
			continue
		}
		for _, name := range personNames(a) {
			if name == m.Name {
				break
			}
			if !taken[name] {
				taken[name] = true
				plan.rename = append(plan.rename, renaming{m.ID, name})
				break
			}
		}
	}
	for _, a := range people {
		if _, missing := byID[a.ID]; missing {
			delete(byID, a.ID) // somebody may be named twice
			plan.add = append(plan.add, a)
		}
	}
	return plan
}

const qWithoutHandOver = `
SELECT account_id FROM mailbox WHERE account_id > 0 AND name = 'INBOX' AND account_id > $1 AND account_id NOT IN (
  SELECT account_id FROM mailbox WHERE account_id > 0 AND (role = 'chuyenvanthu' OR name = $2)) ORDER BY account_id LIMIT $3`

// fitAtOnce is how many accounts get a folder in one transaction.
const fitAtOnce = 100

// FitAccounts gives the accounts that have mailboxes, but not that one, their
// folder to hand mail over to the clerks: those that are older than it.
func (s *Store) FitAccounts(ctx context.Context) error {
	last := int64(0)
	for {
		var list []int64
		err := s.db.View(ctx, func(r sqldb.Reader) error {
			list = nil
			rows, err := r.Query(ctx, qWithoutHandOver, last, handOver().name, fitAtOnce)
			if err != nil {
				return err
			}
			return scanAll(rows, func(scan func(...any) error) error {
				err := scan(&last)
				list = append(list, last)
				return err
			})
		})
		if err != nil || len(list) == 0 {
			return err
		}
		if err := s.db.Update(ctx, func(tx *sqldb.Tx) error {
			for _, a := range list {
				if err := s.ensure(ctx, tx, Owner{Account: directory.AccountID(a)}, []folder{handOver()}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
}

// TaskFolder gives one of the folders in which an account sees what it works
// on, and makes them when there are none.
func (s *Store) TaskFolder(ctx context.Context, tx *sqldb.Tx, a directory.AccountID, role FolderRole) (MailboxID, error) {
	o := Owner{Account: a}
	id, err := s.RoleOf(ctx, tx, o, role)
	if !errors.Is(err, ErrNoMailbox) {
		return id, err
	}
	if err := s.ensure(ctx, tx, o, taskFolders()); err != nil {
		return 0, err
	}
	return s.RoleOf(ctx, tx, o, role)
}

// BookFolder gives the folder that shows a unit's register of a year, and makes
// it when there is none: "Sổ/2026/Đến". direction is "den" or "di".
func (s *Store) BookFolder(ctx context.Context, tx *sqldb.Tx, u directory.UnitID, direction string, year int) (MailboxID, error) {
	role := RoleBook(direction, year)
	id, err := s.Role(ctx, tx, u, role)
	if !errors.Is(err, ErrNoMailbox) {
		return id, err
	}
	name := "Đến"
	if direction == "di" {
		name = "Đi"
	}
	level := fmt.Sprintf("Sổ/%d", year)
	if err := s.ensure(ctx, tx, Owner{Unit: u}, []folder{
		{name: "Sổ", role: RoleBooks}, {name: level, role: RoleBooks}, {name: level + "/" + name, role: role},
	}); err != nil {
		return 0, err
	}
	return s.Role(ctx, tx, u, role)
}
