package imapd

import (
	"errors"
	"slices"
	"strings"

	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
)

// Annotations of mailboxes (RFC 5464) are kept by the store. Those of the server, under the empty name, are few and the server's own.
// To read needs the right r, to set a shared one w besides; a mailbox without the right to look at it does not exist.

const (
	privatePrefix = "/private"
	sharedEntries = "/shared"
	specialUse    = "/private/specialuse" // RFC 6154, section 4; follows the mailbox's special use
	serverAdmin   = "/shared/admin"

	maxEntriesAsked = 50 // entries in one command
	anyDepth        = -1
)

// metadataRequest is a parsed GETMETADATA, or the METADATA option of LIST.
type metadataRequest struct {
	entries []string // lower case
	depth   int
	maxSize int // of values; -1 for any
}

// entryName reads an entry name and gives it in lower case (RFC 5464, section 3.2).
func entryName(l *lexer) (string, bool) {
	raw, isString := l.astring()
	name := strings.ToLower(raw)
	if !isString || len(name) > mailstore.MaxEntry || strings.Contains(name, "//") || strings.HasSuffix(name, "/") {
		return "", false
	}
	for i := range len(name) {
		if ch := name[i]; ch <= ' ' || ch >= 0x7f || ch == '*' || ch == '%' {
			return "", false
		}
	}
	top, _, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	return name, name[:min(1, len(name))] == "/" && (top == "private" || top == "shared")
}

// parseEntries reads one entry name or a list of them.
func (r *metadataRequest) parseEntries(l *lexer) bool {
	one := func() bool {
		name, valid := entryName(l)
		if !slices.Contains(r.entries, name) {
			r.entries = append(r.entries, name)
		}
		return valid && len(r.entries) <= maxEntriesAsked
	}
	if l.peek() == '(' {
		return l.list(one) && len(r.entries) > 0
	}
	return one()
}

// parseOptions reads the options of GETMETADATA.
func (r *metadataRequest) parseOptions(l *lexer) bool {
	return l.list(func() bool {
		word, _ := l.word()
		if !l.sp() {
			return false
		}
		switch word {
		case "MAXSIZE":
			n, valid := l.number(1<<32 - 1)
			r.maxSize = int(n)
			return valid
		case "DEPTH":
			depth, _ := l.word()
			switch depth {
			case "0":
				r.depth = 0
			case "1":
				r.depth = 1
			case "INFINITY":
				r.depth = anyDepth
			default:
				return false
			}
			return true
		}
		return false
	})
}

// runGetMetadata answers GETMETADATA (RFC 5464, section 4.2). Options may stand before the mailbox, as in its grammar, or behind it, as
// in its examples.
func (s *session) runGetMetadata(cmd *command) result {
	wrong := syntax("Expected: GETMETADATA [(options)] mailbox (entries)")
	l := &cmd.args
	r := metadataRequest{maxSize: -1}
	options := false
	if !l.sp() {
		return wrong
	}
	if options = l.peek() == '('; options && (!r.parseOptions(l) || !l.sp()) {
		return wrong
	}
	name, refused := s.nameArg(l)
	if refused != nil {
		return answer(*refused)
	}
	if !l.sp() {
		return wrong
	}
	if at := l.i; !options && l.peek() == '(' {
		if !r.parseOptions(l) || !l.sp() { // then it is the entries
			l.i, r = at, metadataRequest{maxSize: -1}
		}
	}
	if !r.parseEntries(l) || !l.end() {
		return wrong
	}
	notes, full, err := s.notes(name)
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	line, longest := r.appendMetadata(nil, full, notes, s.wide)
	if err := s.out(line); err != nil {
		return s.lost(err)
	}
	if longest > 0 {
		code := appendUint([]byte("METADATA LONGENTRIES "), longest)
		return answer(okCode(string(code), "GETMETADATA completed"))
	}
	return answer(ok("GETMETADATA completed"))
}

// note is an annotation with its whole name.
type note struct {
	name  string
	value []byte
}

// notes gives what is noted about a mailbox, or about the server when the name is empty.
func (s *session) notes(name string) (list []note, full string, err error) {
	if name == "" {
		if domains := s.srv.be.Directory.Snapshot().Domains(); len(domains) > 0 {
			list = append(list, note{serverAdmin, []byte("mailto:postmaster@" + domains[0])})
		}
		return list, "", nil
	}
	m, p, err := s.need(name, mailstore.RightRead)
	if err != nil {
		return nil, "", err
	}
	list, err = s.notesOf(&m)
	return list, p.full, err
}

func (s *session) notesOf(m *mailstore.Mailbox) ([]note, error) {
	kept, err := s.srv.be.Store.Annotations(s.ctx, m.ID, s.user.ID)
	if err != nil {
		return nil, err
	}
	list := make([]note, 0, len(kept)+1)
	for _, a := range kept {
		prefix := privatePrefix
		if a.Shared {
			prefix = sharedEntries
		}
		list = append(list, note{prefix + a.Entry, a.Value})
	}
	if m.Use != mailstore.UseNone && m.Owner.Account == s.user.ID {
		list = append(list, note{specialUse, []byte(m.Use)})
	}
	return list, nil
}

// appendMetadata writes the METADATA line. What was asked for by name and is not there is NIL; longest is the size of the longest value
// that was too long to be shown, 0 for none.
func (r *metadataRequest) appendMetadata(dst []byte, name string, notes []note, wide bool) (_ []byte, longest int) {
	start := len(dst)
	dst = appendMailbox(append(dst, "* METADATA "...), name, wide)
	dst = append(dst, ' ')
	open := byte('(')
	var told []string
	tell := func(entry string, value []byte) {
		if slices.Contains(told, entry) {
			return
		}
		told = append(told, entry)
		if r.maxSize >= 0 && len(value) > r.maxSize {
			longest = max(longest, len(value))
			return
		}
		dst = appendAString(append(dst, open), entry, wide)
		open = ' '
		switch {
		case value == nil:
			dst = append(dst, " NIL"...)
		case strings.IndexByte(string(value), 0) >= 0:
			dst = append(appendUint(append(dst, " ~{"...), len(value)), "}\r\n"...)
			dst = append(dst, value...)
		default:
			dst = appendString(append(dst, ' '), string(value), wide)
		}
	}
	for _, entry := range r.entries {
		found := false
		for _, n := range notes {
			if r.reaches(entry, n.name) {
				tell(n.name, n.value)
				found = true
			}
		}
		if !found && r.depth == 0 {
			tell(entry, nil)
		}
	}
	if open == '(' {
		return dst[:start], longest
	}
	return append(dst, ")\r\n"...), longest
}

// reaches tells whether an entry asked for, with the depth, means another one.
func (r *metadataRequest) reaches(asked, name string) bool {
	if asked == name {
		return true
	}
	rest, below := strings.CutPrefix(name, asked+"/")
	return below && (r.depth == anyDepth || r.depth == 1 && !strings.Contains(rest, "/"))
}

var (
	errServerNote  = fault.New(fault.Denied, fault.Text{EN: "the server's own notes cannot be changed", VI: "không được sửa ghi chú của máy chủ"})
	errNoPrivate   = refuse("METADATA NOPRIVATE", "Private annotations of the server are not supported")
	errNoteTooLong = refuse("METADATA MAXSIZE 4096", "Annotation too long")
	errNoteEntry   = refuse("CANNOT", "This entry cannot be set")
)

// runSetMetadata answers SETMETADATA (RFC 5464, section 4.3).
func (s *session) runSetMetadata(cmd *command) result {
	wrong := syntax("Expected: SETMETADATA mailbox (entry value ...)")
	l := &cmd.args
	if !l.sp() {
		return wrong
	}
	name, refused := s.nameArg(l)
	if refused != nil {
		return answer(*refused)
	}
	if !l.sp() {
		return wrong
	}
	var list []mailstore.Annotation
	var err error // of the first entry that is well-formed but cannot be set
	valid := l.list(func() bool {
		entry, isEntry := entryName(l)
		if !isEntry || !l.sp() {
			return false
		}
		a := mailstore.Annotation{}
		if !l.keyword("NIL") {
			l.special('~')
			text, isString := l.quoted()
			if !isString {
				return false
			}
			a.Value = []byte(text)
		}
		if a.Entry, a.Shared = strings.CutPrefix(entry, sharedEntries); !a.Shared {
			a.Entry = strings.TrimPrefix(entry, privatePrefix)
		}
		err = errors.Join(err, settable(&a))
		list = append(list, a)
		return len(list) <= maxEntriesAsked
	})
	if !valid || len(list) == 0 || !l.end() {
		return wrong
	}
	if err == nil || name == "" {
		err = s.setNotes(name, list)
	}
	if errors.Is(err, mailstore.ErrTooManyAnnotations) {
		err = refuse("METADATA TOOMANY", "Too many annotations")
	}
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	return answer(ok("SETMETADATA completed"))
}

// settable tells why an entry cannot be set: only comments and entries of vendors can.
func settable(a *mailstore.Annotation) error {
	vendor := strings.HasPrefix(a.Entry, "/vendor/") && strings.Count(a.Entry, "/") >= 3
	if a.Entry != "/comment" && !vendor {
		return errNoteEntry
	}
	if len(a.Value) > mailstore.MaxAnnotation {
		return errNoteTooLong
	}
	return nil
}

func (s *session) setNotes(name string, list []mailstore.Annotation) error {
	shared := slices.ContainsFunc(list, func(a mailstore.Annotation) bool { return a.Shared })
	if name == "" {
		if shared {
			return errServerNote
		}
		return errNoPrivate
	}
	want := mailstore.RightRead
	if shared {
		want |= mailstore.RightWrite
	}
	m, _, err := s.need(name, want)
	if err != nil {
		return err
	}
	return s.srv.be.Store.Annotate(s.ctx, m.ID, s.user.ID, list)
}
