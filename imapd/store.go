package imapd

import (
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// storeArgs are the arguments of STORE behind the message set.
type storeArgs struct {
	op     mailstore.FlagOp
	flags  mailstore.Flags
	silent bool
}

// errBoxReadOnly answers changes of a mailbox that was opened by EXAMINE, or that the account may only read.
var errBoxReadOnly = refuse("READ-ONLY", "Mailbox is read-only")

// runStore parses STORE (RFC 9051, section 6.4.6).
func (s *session) runStore(cmd *command) result {
	l := &cmd.args
	a := &s.req.store
	wrong := syntax("Expected: STORE set [+-]FLAGS[.SILENT] (flags)")
	if !l.sp() {
		return wrong
	}
	var valid bool
	s.req.uid = strings.HasPrefix(cmd.verb, "UID ")
	if s.req.set, valid = l.numSet(); !valid {
		return syntax("Invalid message set")
	}
	if s.box.invalid(s.req.set, s.req.uid) {
		return syntax("No such message")
	}
	if !l.sp() {
		return wrong
	}
	item, _ := l.word()
	item, a.silent = strings.CutSuffix(item, ".SILENT")
	switch item {
	case "FLAGS":
		a.op = mailstore.ReplaceFlags
	case "+FLAGS":
		a.op = mailstore.AddFlags
	case "-FLAGS":
		a.op = mailstore.RemoveFlags
	default:
		return wrong
	}
	if !l.sp() {
		return wrong
	}
	if l.peek() == '(' {
		a.flags, valid = parseFlagList(l)
	} else {
		for valid = true; valid; {
			var name string
			if name, valid = l.flag(); valid {
				valid = addFlag(&a.flags, name)
			}
			if !l.sp() {
				break
			}
		}
	}
	if !valid {
		return syntax("Invalid flag")
	}
	if !l.end() {
		return wrong
	}
	return pass(strings.TrimSuffix(cmd.verb, "STORE") + "STORE 1 +FLAGS ()")
}

// Store implements imapserver.Session. The client is told the flags of every message of the set, or, with SILENT, only of those whose
// flags are not what the client must expect: a change by somebody else below ours is never swallowed.
func (s *session) Store(*imapserver.FetchWriter, imap.NumSet, *imap.StoreFlags, *imap.StoreOptions) (err error) {
	defer s.guard("STORE", &err)
	b, a := s.box, &s.req.store
	if b.readOnly {
		return s.fail(errBoxReadOnly, doingOther)
	}
	set := mailstore.UIDs(b.uids(s.req.set, s.req.uid)...)
	if len(set) == 0 {
		return nil
	}
	err = s.srv.be.Store.Update(s.ctx, func(tx *sqldb.Tx) error {
		_, err := s.srv.be.Store.SetFlags(s.ctx, tx, b.id, set, mailstore.FlagChange{Op: a.op, Flags: a.flags})
		return err
	})
	if err != nil {
		return s.fail(err, doingOther)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, now := b.known, b.hot.Version()
	bits := bitsOf(a.flags, now.Keywords)
	lines := b.update(nil, false, func(_ int, row mailstore.Row) bool {
		if !set.Contains(row.UID) {
			return false
		}
		if !a.silent {
			return true // it gets its line below
		}
		seq, known := before.Seq(row.UID)
		return known && expected(before.At(seq).Flags, a.op, bits) == row.Flags
	})
	if !a.silent {
		for seq, row := range b.known.InUIDs(set) {
			if _, there := now.Seq(row.UID); there {
				lines = appendFlagUpdate(lines, seq, row, b.known.Keywords)
			}
		}
	}
	return s.out(lines)
}

// bitsOf gives the bits of flags in a mailbox that has all of their keywords; unknown ones have none.
func bitsOf(f mailstore.Flags, keywords []string) mailstore.FlagSet {
	bits := f.System
	for _, k := range f.Keywords {
		for i, name := range keywords {
			if strings.EqualFold(k, name) {
				bits |= mailstore.Keyword(i)
			}
		}
	}
	return bits
}

// expected gives what a client that believes in flags before expects after its STORE.
func expected(before mailstore.FlagSet, op mailstore.FlagOp, bits mailstore.FlagSet) mailstore.FlagSet {
	switch op {
	case mailstore.AddFlags:
		return before | bits
	case mailstore.RemoveFlags:
		return before &^ bits
	}
	return bits
}
