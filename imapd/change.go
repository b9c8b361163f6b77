package imapd

import (
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// change runs a change of mailboxes in a transaction. Whether the account may is looked at before, for the best answer, and by recheck
// inside, for good: rights that are taken away while the command waits for its turn are gone.
func (s *session) change(fn func(tx *sqldb.Tx) error) error {
	if s.srv.opt.beforeChange != nil {
		s.srv.opt.beforeChange()
	}
	return s.srv.be.Store.Update(s.ctx, fn)
}

// recheck gives the rights on a mailbox inside a transaction; it fails when one of want is not among them any more, or the log-in does
// not hold.
func (s *session) recheck(tx *sqldb.Tx, m *mailstore.Mailbox, want mailstore.Rights) (mailstore.Rights, error) {
	snap := s.srv.be.Directory.Snapshot()
	if !snap.StillValid(s.grant) {
		return 0, errNoRight
	}
	may, err := s.srv.be.Store.RightsIn(s.ctx, tx, snap, s.user.ID, m)
	if err == nil && !may.Has(want) {
		err = errNoRight
	}
	return may, err
}

// mailbox gives as much of the selected mailbox as rights depend on.
func (b *box) mailbox() *mailstore.Mailbox {
	return &mailstore.Mailbox{ID: b.id, Owner: b.owner, Role: b.role, PerUser: b.hot.Version().PerUser}
}

// rightsFor gives the rights that changing flags needs.
func rightsFor(f mailstore.FlagSet) (r mailstore.Rights) {
	if f&mailstore.Seen != 0 {
		r |= mailstore.RightSeen
	}
	if f&mailstore.Deleted != 0 {
		r |= mailstore.RightMark
	}
	if f&^(mailstore.Seen|mailstore.Deleted) != 0 {
		r |= mailstore.RightWrite
	}
	return r
}
