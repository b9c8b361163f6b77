package imapd

import (
	"maps"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// runCopy parses COPY and MOVE (RFC 9051, sections 6.4.7 and 6.4.8).
func (s *session) runCopy(cmd *command) result {
	l := &cmd.args
	s.req.uid = strings.HasPrefix(cmd.verb, "UID ")
	var valid bool
	if l.sp() {
		s.req.set, valid = l.numSet()
	}
	if !valid {
		return syntax("Invalid message set")
	}
	if s.box.invalid(s.req.set, s.req.uid) {
		return syntax("No such message")
	}
	if !l.sp() {
		return syntax("Expected: " + cmd.verb + " set mailbox")
	}
	var refused *status
	if s.req.name, refused = s.nameArg(l); refused != nil {
		return answer(*refused)
	}
	if !l.end() {
		return syntax("Expected: " + cmd.verb + " set mailbox")
	}
	return pass(cmd.verb + " 1 x")
}

// Copy implements imapserver.Session. A COPY into a workflow folder is an act of the workflow, which takes the source away itself.
func (s *session) Copy(imap.NumSet, string) (data *imap.CopyData, err error) {
	defer s.guard("COPY", &err)
	target, pairs, err := s.transfer(false)
	if err != nil && len(pairs.From) > 0 { // the workflow took some
		if werr := s.out(okCode(copyUID(target, pairs), "Copied").line("")); werr != nil {
			return nil, werr
		}
	}
	s.poll(true)
	if err != nil {
		return nil, s.fail(err, doingTarget)
	}
	if len(pairs.From) == 0 {
		return nil, ok("Nothing to copy").asError()
	}
	return nil, okCode(copyUID(target, pairs), "COPY completed").asError()
}

// Move implements imapserver.SessionMove.
func (s *session) Move(*imapserver.MoveWriter, imap.NumSet, string) (err error) {
	defer s.guard("MOVE", &err)
	target, pairs, err := s.transfer(true)
	if len(pairs.From) > 0 { // also when some could not be moved
		if werr := s.out(okCode(copyUID(target, pairs), "Moved").line("")); werr != nil {
			return werr
		}
	}
	s.poll(true)
	if err == nil && len(pairs.From) > 0 && s.sync == syncQResync {
		return okCode(s.highestCode(), s.req.verb+" completed").asError()
	}
	return s.fail(err, doingTarget)
}

// transfer copies or moves the messages of the request. The workflow decides about all that touches its folders.
func (s *session) transfer(move bool) (mailstore.Mailbox, mailstore.Copied, error) {
	var none mailstore.Copied
	defer s.working()()
	b := s.box
	target, p, err := s.lookup(s.req.name)
	if err == nil && (!target.Selectable || p.rights&(mailstore.RightLookup|mailstore.RightInsert) == 0) {
		err = mailstore.ErrNoMailbox
	}
	if err != nil {
		return target, none, err
	}
	uids := b.uids(s.req.set, s.req.uid)
	if len(uids) == 0 {
		return target, none, nil
	}
	if workflowOnly(target.Role) || workflowOnly(b.role) {
		if pairs, handled, err := s.askWorkflow(target, uids, move); handled || err != nil {
			return target, pairs, err
		}
	}
	switch {
	case !p.rights.Has(mailstore.RightInsert):
		return target, none, errReadOnly
	case move && b.readOnly:
		return target, none, errBoxReadOnly
	case move && !b.rights.Has(mailstore.RightMark|mailstore.RightExpunge): // RFC 6851, section 4.1
		return target, none, errNoRight
	}
	var pairs mailstore.Copied
	err = s.change(func(tx *sqldb.Tx) (err error) {
		need := mailstore.RightRead
		if move {
			need |= mailstore.RightMark | mailstore.RightExpunge
		}
		if _, err := s.recheck(tx, b.mailbox(), need); err != nil {
			return err
		}
		may, err := s.recheck(tx, &target, mailstore.RightInsert)
		if err != nil {
			return err
		}
		act := s.srv.be.Store.CopyAs
		if move {
			act = s.srv.be.Store.MoveAs
		}
		pairs, err = act(s.ctx, tx, b.id, mailstore.UIDs(uids...), target.ID, mailstore.Carry{Drop: ^mayFlag(may), By: s.user.ID})
		return err
	})
	if err != nil {
		pairs = none
	}
	return target, pairs, err
}

// askWorkflow lets the workflow act. A copy out of its folders means nothing to it; whatever would take messages out of a mailbox
// opened by EXAMINE is refused. An account that may only look on is let through: the workflow says best why it may not.
func (s *session) askWorkflow(target mailstore.Mailbox, uids []mailstore.UID, move bool) (pairs mailstore.Copied, handled bool, err error) {
	if !move && !workflowOnly(target.Role) {
		return pairs, false, nil
	}
	w := s.srv.be.Workflow
	if w == nil {
		return pairs, true, errWorkflowFolder
	}
	if b := s.box; b.examined || b.readOnly && b.owner.Unit == 0 {
		return pairs, true, errBoxReadOnly
	}
	act := w.CopyMessages
	if move {
		act = w.MoveMessages
	}
	moved, handled, err := act(s.ctx, s.user.ID, s.box.id, uids, target.ID)
	if err == nil && !handled && workflowOnly(target.Role) {
		err = errWorkflowFolder
	}
	for _, from := range slices.Sorted(maps.Keys(moved)) {
		pairs.From = append(pairs.From, from)
		pairs.To = append(pairs.To, moved[from])
	}
	return pairs, handled, err
}

// copyUID gives the COPYUID code of RFC 4315: the nth source became the nth target, so the order of the targets is kept.
func copyUID(target mailstore.Mailbox, pairs mailstore.Copied) string {
	b := appendUint([]byte("COPYUID "), target.UIDValidity)
	b = appendUIDList(append(b, ' '), pairs.From)
	b = appendUIDList(append(b, ' '), pairs.To)
	return string(b)
}

// appendUIDList writes UIDs in their order, runs as ranges.
func appendUIDList(dst []byte, uids []mailstore.UID) []byte {
	for i := 0; i < len(uids); {
		j := i
		for j+1 < len(uids) && uids[j+1] == uids[j]+1 {
			j++
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendUint(dst, uids[i])
		if j > i {
			dst = appendUint(append(dst, ':'), uids[j])
		}
		i = j + 1
	}
	return dst
}
