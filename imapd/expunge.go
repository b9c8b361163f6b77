package imapd

import (
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// errKeepDocuments answers EXPUNGE in a workflow folder: documents leave it by the workflow only (edoc.md, section 4.8).
var errKeepDocuments = fault.New(fault.Conflict, fault.Text{
	EN: "documents in this folder cannot be deleted", VI: "không được xoá văn bản trong thư mục này",
})

// runUIDExpunge parses UID EXPUNGE (RFC 4315).
func (s *session) runUIDExpunge(cmd *command) result {
	l := &cmd.args
	var valid bool
	if l.sp() {
		s.req.set, valid = l.numSet()
	}
	if !valid || !l.end() {
		return syntax("Expected: UID EXPUNGE set")
	}
	s.req.uid = true
	return pass("UID EXPUNGE 1")
}

// Expunge implements imapserver.Session: EXPUNGE, UID EXPUNGE, and the first half of CLOSE, which says nothing and must not touch a
// mailbox opened by EXAMINE.
func (s *session) Expunge(*imapserver.ExpungeWriter, *imap.UIDSet) (err error) {
	defer s.guard("EXPUNGE", &err)
	b := s.box
	closing := s.req.verb == "CLOSE"
	switch {
	case closing && (b.readOnly || b.role.Keeps() || !b.rights.Has(mailstore.RightExpunge)):
		return nil
	case b.readOnly:
		return s.fail(errBoxReadOnly, doingOther)
	case b.role.Keeps():
		return s.fail(errKeepDocuments, doingOther)
	case !b.rights.Has(mailstore.RightExpunge):
		return s.fail(errNoRight, doingOther)
	}
	set := mailstore.AllUIDs()
	switch {
	case s.req.set.saved:
		set = b.result
	case s.req.uid:
		set = toUIDs(b.ranges(s.req.set, true))
	}
	var gone mailstore.Expunged
	err = s.change(func(tx *sqldb.Tx) (err error) {
		if _, err = s.recheck(tx, b.mailbox(), mailstore.RightExpunge); err != nil {
			return err
		}
		gone, err = s.srv.be.Store.Expunge(s.ctx, tx, b.id, set)
		return err
	})
	if err != nil || closing || s.sync < syncQResync || len(gone.UIDs) == 0 {
		return s.fail(err, doingOther) // the poll that follows says what is gone
	}
	s.poll(true)
	return okCode(s.highestCode(), s.req.verb+" completed").asError()
}
