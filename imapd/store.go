package imapd

import (
	"slices"
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

	conditional bool // UNCHANGEDSINCE, RFC 7162
	unchanged   mailstore.ModSeq
}

// errBoxReadOnly answers changes of a mailbox that was opened by EXAMINE, or that the account may only read.
var errBoxReadOnly = refuse("READ-ONLY", "Mailbox is read-only")

// runStore parses STORE (RFC 9051, section 6.4.6).
func (s *session) runStore(cmd *command) result {
	l := &cmd.args
	a := &s.req.store
	wrong := syntax("Expected: STORE set [(UNCHANGEDSINCE modseq)] [+-]FLAGS[.SILENT] (flags)")
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
	if l.peek() == '(' {
		if !l.list(func() bool { return a.modifier(l) }) || !a.conditional || !l.sp() {
			return syntax("Invalid STORE modifier")
		}
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
	if a.conditional {
		s.raise(syncCondStore)
	}
	return pass(strings.TrimSuffix(cmd.verb, "STORE") + "STORE 1 +FLAGS ()")
}

// modifier reads UNCHANGEDSINCE (RFC 7162, section 3.1.3); 0 is a value of its own, older than every message.
func (a *storeArgs) modifier(l *lexer) bool {
	if a.conditional || !l.keyword("UNCHANGEDSINCE") || !l.special(' ') {
		return false
	}
	n, valid := l.number(maxModSeq)
	a.conditional, a.unchanged = true, mailstore.ModSeq(n)
	return valid
}

// Store implements imapserver.Session. The client is told the flags of every message of the set, or, with SILENT, only of those whose
// flags are not what the client must expect: a change by somebody else below ours is never swallowed. Clients that understand
// mod-sequences are told those of all that changed, SILENT or not. Which messages are protected by UNCHANGEDSINCE is decided in the
// transaction, never from the view.
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
	may := b.changeable()
	named := asked(a)
	if may == 0 || named&may == 0 && named != 0 && a.op != mailstore.ReplaceFlags { // to add or remove nothing needs no particular right
		return s.fail(errNoRight, doingOther)
	}
	if may&mailstore.Keyword(0) == 0 {
		a.flags.Keywords = nil
	}
	if named&^may != 0 || a.op == mailstore.ReplaceFlags && ^may != 0 {
		a.silent = false // the client must learn what was left out
	}
	if guarded := b.guarded(); guarded != 0 || b.role.Keeps() {
		kept := slices.DeleteFunc(slices.Clone(a.flags.Keywords), serverKeyword)
		if len(kept) < len(a.flags.Keywords) || a.op == mailstore.ReplaceFlags && guarded != 0 {
			a.silent = false // the client must learn that these are as they were
		}
		a.flags.Keywords = kept
		may &^= guarded
	}
	used := rightsFor(named & may)
	if a.op == mailstore.ReplaceFlags {
		used = rightsFor(may)
	}
	var done mailstore.FlagResult
	err = s.change(func(tx *sqldb.Tx) (err error) {
		if _, err = s.recheck(tx, b.mailbox(), used); err != nil {
			return err
		}
		done, err = s.srv.be.Store.SetFlags(s.ctx, tx, b.id, set, mailstore.FlagChange{
			Op: a.op, Flags: a.flags, Conditional: a.conditional, UnchangedSince: a.unchanged, Protect: ^may, By: s.user.ID,
		})
		return err
	})
	if err != nil {
		return s.fail(err, doingOther)
	}
	if err := s.out(s.stored(set, done.Failed)); err != nil || len(done.Failed) == 0 {
		return err
	}
	code := string(b.appendModified([]byte("MODIFIED "), done.Failed, s.req.uid))
	s.poll(s.req.uid)
	return okCode(code, "Conditional STORE failed").asError()
}

// serverKeyword tells keywords that the server alone sets in the folders of documents (edoc.md, section 4.8).
func serverKeyword(name string) bool {
	return len(name) > len(serverPrefix) && strings.EqualFold(name[:len(serverPrefix)], serverPrefix)
}

const serverPrefix = "$vb-"

// guarded gives the bits of the keywords that no client changes here.
func (b *box) guarded() (f mailstore.FlagSet) {
	if !b.role.Keeps() {
		return 0
	}
	for i, name := range b.hot.Version().Keywords {
		if serverKeyword(name) {
			f |= mailstore.Keyword(i)
		}
	}
	return f
}

// stored moves the view past a STORE and gives what the client must be told of it. failed are messages that UNCHANGEDSINCE protected:
// the client may not know why, so it is told their flags.
func (s *session) stored(set, failed mailstore.UIDSet) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, a := s.box, &s.req.store
	before, now := b.known, b.newest()
	bits := bitsOf(a.flags, now.Keywords)
	var quiet []mailstore.UID // changed as the client must expect
	lines := b.update(nil, false, func(_ int, row mailstore.Row) bool {
		if !set.Contains(row.UID) {
			return false
		}
		if !a.silent || failed.Contains(row.UID) {
			return true // it gets its line below
		}
		seq, known := before.Seq(row.UID)
		if !known || expected(before.At(seq).Flags, a.op, bits) != row.Flags {
			return false
		}
		quiet = append(quiet, row.UID)
		return true
	})
	tell := set
	if a.silent {
		tell = failed
		if s.sync >= syncCondStore {
			for seq, row := range b.known.InUIDs(mailstore.UIDs(quiet...)) {
				lines = appendUint(append(lines, "* "...), seq)
				lines = appendUint(append(lines, " FETCH (UID "...), row.UID)
				lines = append(appendModSeq(append(lines, ' '), row.ModSeq), ")\r\n"...)
			}
		}
	}
	for seq, row := range b.known.InUIDs(tell) {
		if _, there := now.Seq(row.UID); there {
			lines = b.appendFlagUpdate(lines, seq, row, b.known.Keywords)
		}
	}
	return lines
}

// appendModified writes the set of a MODIFIED code, in the numbers of the command.
func (b *box) appendModified(dst []byte, failed mailstore.UIDSet, uid bool) []byte {
	var rs []numRange
	for seq, row := range b.known.InUIDs(failed) {
		n := uint32(seq)
		if uid {
			n = uint32(row.UID)
		}
		rs = append(rs, numRange{n, n})
	}
	return appendRanges(dst, mergeRanges(rs))
}

// asked gives the flags that a STORE names; some keyword's bit stands for all keywords.
func asked(a *storeArgs) mailstore.FlagSet {
	if len(a.flags.Keywords) > 0 {
		return a.flags.System | mailstore.Keyword(0)
	}
	return a.flags.System
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
