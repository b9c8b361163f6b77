package mailstore

import (
	"context"
	"errors"
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
	for _, name := range []string{a.Name, a.Name + " (" + a.Login.Local + ")", a.Login.String()} {
		full, err := Name(assignedFolder + "/" + strings.TrimSpace(strings.ReplaceAll(name, "/", "-")))
		if err != nil {
			continue
		}
		id, err = s.insertBelow(ctx, s.pending(tx), Owner{Unit: u}, folder{name: full, role: RoleAssignedTo(a.ID)})
		if !errors.Is(err, ErrExists) {
			return id, err
		}
	}
	return 0, ErrExists
}
