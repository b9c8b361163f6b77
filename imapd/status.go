package imapd

import (
	"slices"

	"vanthu/internal/mailstore"
)

// statusItem is a data item of STATUS.
type statusItem string

// parseStatusItems reads a parenthesised list of STATUS items.
func parseStatusItems(l *lexer) ([]statusItem, bool) {
	var items []statusItem
	valid := l.list(func() bool {
		word, isAtom := l.word()
		if !isAtom {
			return false
		}
		switch word {
		case "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "DELETED-STORAGE", "SIZE", "APPENDLIMIT", "HIGHESTMODSEQ",
			"MAILBOXID":
			if !slices.Contains(items, statusItem(word)) {
				items = append(items, statusItem(word))
			}
			return true
		}
		return false
	})
	return items, valid && len(items) > 0
}

// runStatus answers STATUS (RFC 9051, section 6.3.11).
func (s *session) runStatus(cmd *command) result {
	l := &cmd.args
	if !l.sp() {
		return syntax("Expected: STATUS mailbox (items)")
	}
	name, refused := s.nameArg(l)
	if refused != nil {
		return answer(*refused)
	}
	if !l.sp() {
		return syntax("Expected: STATUS mailbox (items)")
	}
	items, valid := parseStatusItems(l)
	if !valid || !l.end() {
		return syntax("Unknown STATUS item")
	}
	m, p, err := s.need(name, mailstore.RightRead)
	if err == nil && !m.Selectable {
		err = mailstore.ErrNoMailbox
	}
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	s.raiseFor(items)
	line, err := s.appendStatus(nil, p.full, &m, items)
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	if err := s.out(line); err != nil {
		return s.lost(err)
	}
	return answer(ok("STATUS completed"))
}

// raiseFor notes that the client understands mod-sequences when it asks for one.
func (s *session) raiseFor(items []statusItem) {
	if slices.Contains(items, "HIGHESTMODSEQ") {
		s.raise(syncCondStore)
	}
}

// appendStatus writes a STATUS line.
func (s *session) appendStatus(dst []byte, name string, m *mailstore.Mailbox, items []statusItem) ([]byte, error) {
	dst = append(dst, "* STATUS "...)
	dst = appendMailbox(dst, name, s.wide)
	dst = append(dst, " ("...)
	for i, it := range items {
		if i > 0 {
			dst = append(dst, ' ')
		}
		if it == "MAILBOXID" {
			dst = appendMailboxID(dst, m.ID)
			continue
		}
		dst = append(append(dst, it...), ' ')
		var n int64
		switch it {
		case "MESSAGES":
			n = m.Messages
		case "UIDNEXT":
			n = int64(m.UIDNext)
		case "UIDVALIDITY":
			n = int64(m.UIDValidity)
		case "UNSEEN":
			n = m.Unseen
		case "DELETED":
			n = m.Deleted
		case "DELETED-STORAGE": // in the unit of STORAGE, RFC 9208, section 4.1.4
			if m.Deleted > 0 {
				octets, err := s.srv.be.Store.Reclaimable(s.ctx, m.ID)
				if err != nil {
					return dst, err
				}
				n = kib(octets)
			}
		case "SIZE":
			n = m.Octets
		case "APPENDLIMIT":
			n = s.srv.opt.AppendLimit
		case "HIGHESTMODSEQ":
			n = int64(m.ModSeq)
		case "RECENT": // always 0
		}
		dst = appendUint(dst, n)
	}
	return append(dst, ")\r\n"...), nil
}
