package imapd

import (
	"github.com/emersion/go-imap/v2"

	"vanthu/internal/mailstore"
)

// runSelect parses SELECT and EXAMINE. imapserver says READ-ONLY for EXAMINE only, so a SELECT of a mailbox that may only be read goes
// on as EXAMINE.
func (s *session) runSelect(cmd *command) result {
	l := &cmd.args
	if !l.sp() {
		return syntax("Expected: " + cmd.verb + " mailbox")
	}
	name, refused := s.nameArg(l)
	if refused != nil {
		return answer(*refused)
	}
	if l.sp() && (!l.list(func() bool { return s.selectParam(l) }) || s.req.qresync == nil && !s.req.condstore) || !l.end() {
		return syntax("Invalid " + cmd.verb + " parameter")
	}
	if s.req.qresync != nil && s.sync < syncQResync {
		return syntax("ENABLE QRESYNC first")
	}
	s.req.name = name
	f := &s.req.found
	f.box, f.place, f.err = s.need(name, mailstore.RightRead)
	if cmd.verb == "EXAMINE" || f.err == nil && f.place.rights&mailstore.ChangeRights == 0 {
		return pass("EXAMINE x")
	}
	return pass("SELECT x")
}

// selectParam reads a parameter of SELECT (RFC 7162, sections 3.1.8 and 3.2.5), each at most once.
func (s *session) selectParam(l *lexer) bool {
	word, _ := l.word()
	switch {
	case word == "CONDSTORE" && !s.req.condstore:
		s.req.condstore = true
		return true
	case word == "QRESYNC" && s.req.qresync == nil && l.special(' '):
		q, valid := parseQResync(l)
		s.req.qresync = &q
		return valid
	}
	return false
}

// Select implements imapserver.Session. imapserver writes the counters, validity and flags; HIGHESTMODSEQ and what a client that was
// here before must be told come behind them.
func (s *session) Select(_ string, opt *imap.SelectOptions) (data *imap.SelectData, err error) {
	defer s.guard("SELECT", &err)
	m, p, err := s.req.found.box, s.req.found.place, s.req.found.err
	if err == nil && !m.Selectable {
		err = mailstore.ErrNoMailbox
	}
	if err != nil {
		return nil, s.fail(err, doingOther)
	}
	hot, err := s.srv.be.Store.Hot(s.ctx, m.ID)
	if err != nil {
		return nil, s.fail(err, doingOther)
	}
	b := &box{
		id: m.ID, owner: m.Owner, role: m.Role, rights: p.rights, examined: s.req.verb == "EXAMINE", readOnly: opt.ReadOnly,
		hot: hot, viewer: s.user.ID, sync: &s.sync,
	}
	b.known = b.newest()
	b.safe = b.known.ModSeq
	resync := s.req.qresync
	var gone mailstore.UIDSet
	var since mailstore.ModSeq
	if resync != nil && resync.validity != b.known.UIDValidity {
		resync = nil // nothing that the client knows holds any more
	}
	if resync != nil {
		if gone, since, err = s.resync(b, *resync); err != nil {
			hot.Release()
			return nil, s.fail(err, doingOther)
		}
	}
	if s.req.condstore {
		s.raise(syncCondStore)
	}
	s.req.atEnd = func() {
		_ = s.out(b.appendHighest(nil)) // a broken connection shows at the next read
		if resync != nil {
			s.tellResync(b, *resync, gone, since)
		}
	}
	s.mu.Lock()
	s.box = b
	s.mu.Unlock()
	line := appendMailboxID([]byte("* OK ["), m.ID)
	if err := s.out(append(line, "] Mailbox id\r\n"...)); err != nil {
		return nil, err
	}
	if s.rev2 { // RFC 9051, section 6.3.2
		line := appendMailbox([]byte(`* LIST () "/" `), p.full, s.wide)
		if err := s.out(append(line, "\r\n"...)); err != nil {
			return nil, err
		}
	}
	v := b.known
	data = &imap.SelectData{
		NumMessages: uint32(v.Len()), UIDValidity: v.UIDValidity, UIDNext: imap.UID(v.UIDNext),
		FirstUnseenSeqNum: uint32(v.FirstWithout(mailstore.Seen)),
	}
	may := b.changeable()
	for _, f := range systemFlags {
		data.Flags = append(data.Flags, imap.Flag(f.name))
		if may&f.bit != 0 {
			data.PermanentFlags = append(data.PermanentFlags, imap.Flag(f.name))
		}
	}
	for _, k := range v.Keywords {
		data.Flags = append(data.Flags, imap.Flag(k))
	}
	if may&mailstore.Keyword(0) != 0 {
		data.PermanentFlags = append(data.PermanentFlags, data.Flags[len(systemFlags):]...)
		if len(v.Keywords) < mailstore.MaxKeywords {
			data.PermanentFlags = append(data.PermanentFlags, imap.FlagWildcard)
		}
	}
	return data, nil
}

// Unselect implements imapserver.Session.
func (s *session) Unselect() error {
	s.closeBox()
	return nil
}

// closeBox forgets the selected mailbox.
func (s *session) closeBox() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.box != nil {
		s.box.hot.Release()
		s.box = nil
	}
}
