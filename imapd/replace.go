package imapd

import (
	"context"
	"strings"

	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

var (
	errNoSource   = refuse("NONEXISTENT", "No such message")
	errSourceGone = refuse("EXPUNGEISSUED", "The message has been expunged")
)

// runReplace answers REPLACE and UID REPLACE (RFC 8508): the message of APPEND takes the place of another one, in one transaction, so
// that neither both nor none of them are ever there.
func (s *session) runReplace(cmd *command) result {
	a := newAppender(s, cmd)
	defer a.close()
	source, err := a.source()
	var uids []mailstore.UID
	if err == nil {
		uids, err = a.replace(source)
	}
	if err != nil {
		return a.refuse(err, cmd.tag)
	}
	// The code must come before EXPUNGE, hence in a line of its own.
	if err := s.out(okCode(a.uidCode(uids), "Replacement message ready").line("")); err != nil {
		return s.lost(err)
	}
	if s.sync < syncQResync {
		return answer(ok("REPLACE completed"))
	}
	s.poll(true)
	return answer(okCode(s.highestCode(), "REPLACE completed"))
}

// source reads which message is to be replaced. It is looked for before anything is sent.
func (a *appender) source() (mailstore.UID, error) {
	b := a.s.box
	var set numSet
	valid := false
	if a.l.sp() {
		if set, valid = a.l.numSet(); valid {
			valid = set.single()
		}
	}
	uid := strings.HasPrefix(a.s.req.verb, "UID ")
	switch {
	case !valid:
		return 0, errSyntax("Expected: REPLACE number mailbox [(flags)] [date] literal")
	case b.invalid(set, uid):
		return 0, errSyntax("No such message")
	case b.readOnly:
		return 0, errBoxReadOnly
	case b.role.Keeps():
		return 0, errKeepDocuments
	case !b.rights.Has(mailstore.RightMark | mailstore.RightExpunge): // RFC 8508, section 4.1
		return 0, errNoRight
	}
	list := b.uids(set, uid)
	if len(list) == 0 {
		return 0, errNoSource
	}
	return list[0], nil
}

func (a *appender) replace(source mailstore.UID) (uids []mailstore.UID, err error) {
	if err := a.mailbox(); err != nil {
		return nil, err
	}
	if err := a.message(); err != nil {
		return nil, err
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	defer a.s.working()()
	err = a.s.change(func(tx *sqldb.Tx) error {
		uids, err = a.swap(a.s.ctx, tx, source)
		return err
	})
	return uids, err
}

// swap removes first, so that the room of the old message counts for the new one.
func (a *appender) swap(ctx context.Context, tx *sqldb.Tx, source mailstore.UID) ([]mailstore.UID, error) {
	store := a.s.srv.be.Store
	if _, err := a.s.recheck(tx, a.s.box.mailbox(), mailstore.RightMark|mailstore.RightExpunge); err != nil {
		return nil, err
	}
	gone, err := store.Remove(ctx, tx, a.s.box.id, mailstore.UIDs(source))
	if err != nil {
		return nil, err
	}
	if len(gone.UIDs) == 0 {
		return nil, errSourceGone
	}
	return a.put(tx)
}
