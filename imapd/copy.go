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
		if werr := s.out(okCode(copyUID(target, pairs), "Moved").append(nil, "")); werr != nil {
			return werr
		}
	}
	s.poll(true)
	return s.fail(err, doingTarget)
}

// transfer copies or moves the messages of the request. Whatever touches a workflow folder is the workflow's to decide.
func (s *session) transfer(move bool) (mailstore.Mailbox, mailstore.Copied, error) {
	var none mailstore.Copied
	b := s.box
	target, p, err := s.lookup(s.req.name)
	switch {
	case err != nil:
		return target, none, err
	case !target.Selectable:
		return target, none, mailstore.ErrNoMailbox
	case !p.rights.write && !workflowOnly(target.Role):
		return target, none, errReadOnly
	}
	uids := b.uids(s.req.set, s.req.uid)
	if len(uids) == 0 {
		return target, none, nil
	}
	if workflowOnly(target.Role) || move && workflowOnly(b.role) {
		return s.workflowMove(target, uids)
	}
	if move && b.readOnly {
		return target, none, errBoxReadOnly
	}
	var pairs mailstore.Copied
	err = s.srv.be.Store.Update(s.ctx, func(tx *sqldb.Tx) (err error) {
		act := s.srv.be.Store.Copy
		if move {
			act = s.srv.be.Store.Move
		}
		pairs, err = act(s.ctx, tx, b.id, mailstore.UIDs(uids...), target.ID)
		return err
	})
	if err != nil {
		pairs = none
	}
	return target, pairs, err
}

// workflowMove lets the workflow move the messages. Those of a mailbox opened by EXAMINE stay where they are.
func (s *session) workflowMove(target mailstore.Mailbox, uids []mailstore.UID) (mailstore.Mailbox, mailstore.Copied, error) {
	var pairs mailstore.Copied
	w := s.srv.be.Workflow
	if w == nil {
		return target, pairs, errWorkflowFolder
	}
	if s.box.readOnly && s.box.owner.Account != 0 {
		return target, pairs, errBoxReadOnly
	}
	if s.box.readOnly && s.rights(s.srv.be.Directory.Snapshot(), s.box.owner.Unit).write {
		return target, pairs, errBoxReadOnly // EXAMINE by a clerk; without rights the workflow says why not
	}
	moved, handled, err := w.MoveMessages(s.ctx, s.user.ID, s.box.id, uids, target.ID)
	if err == nil && !handled {
		err = errWorkflowFolder
	}
	for _, from := range slices.Sorted(maps.Keys(moved)) {
		pairs.From = append(pairs.From, from)
		pairs.To = append(pairs.To, moved[from])
	}
	return target, pairs, err
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
