package imapd

import (
	"errors"
	"slices"
	"strings"

	"vanthu/internal/mailstore"
)

// maxSources bounds the names in the sources of one ESEARCH.
const maxSources = 100

// sources is which mailboxes ESEARCH looks into (RFC 7377, section 2.2).
type sources struct {
	selected, personal, inboxes, subscribed bool
	mailboxes, subtrees, levels             []string
}

func (o *sources) others() bool {
	return o.personal || o.inboxes || o.subscribed || len(o.mailboxes)+len(o.subtrees)+len(o.levels) > 0
}

// runMultiSearch answers ESEARCH, the SEARCH of many mailboxes (RFC 7377). Every mailbox with hits has one line.
func (s *session) runMultiSearch(cmd *command) result {
	l := &cmd.args
	r := searchRequest{uid: true, extended: true, name: "ESEARCH"}
	from := sources{selected: true}
	if at := l.i; l.sp() && l.keyword("IN") {
		from = sources{}
		if !l.sp() || !l.list(func() bool { return s.source(l, &from) }) || !from.selected && !from.others() {
			return syntax("Invalid ESEARCH sources")
		}
	} else {
		l.i = at
	}
	if st := r.parse(l); st != nil {
		return s.searchFailed(&r, *st)
	}
	switch {
	case from.selected && s.box == nil:
		return syntax("Select a mailbox first")
	case from.others() && (r.save || r.program.ofSelected()):
		return syntax("Message numbers and SAVE belong to the selected mailbox")
	}
	if r.modseq {
		s.raise(syncCondStore)
	}
	list, err := s.searched(&from)
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	stop := s.working()
	out, err := s.searchEach(&r, cmd.tag, &from, list)
	stop()
	if err != nil {
		return s.searchFailed(&r, s.failure(err, doingOther))
	}
	if err := s.out(out); err != nil {
		return s.lost(err)
	}
	return answer(ok("ESEARCH completed"))
}

// source reads one of the sources.
func (s *session) source(l *lexer, o *sources) bool {
	word, _ := l.word()
	var names *[]string
	switch word {
	case "SELECTED", "SELECTED-DELAYED":
		o.selected = true
		return true
	case "PERSONAL":
		o.personal = true
		return true
	case "INBOXES":
		o.inboxes = true
		return true
	case "SUBSCRIBED":
		o.subscribed = true
		return true
	case "MAILBOXES":
		names = &o.mailboxes
	case "SUBTREE":
		names = &o.subtrees
	case "SUBTREE-ONE":
		names = &o.levels
	default:
		return false
	}
	if !l.sp() {
		return false
	}
	one := func() bool {
		name, refused := s.nameArg(l)
		if refused == nil && strings.EqualFold(name, "INBOX") {
			name = "INBOX"
		}
		*names = append(*names, name)
		return refused == nil && len(*names) <= maxSources
	}
	if l.peek() == '(' {
		return l.list(one) && len(*names) > 0
	}
	return one()
}

// has tells whether a mailbox, the account's own or not, is among the sources, the selected one apart.
func (o *sources) has(n *node, own bool) bool {
	if o.personal && own || o.inboxes && own && n.name == "INBOX" || o.subscribed && n.subscribed || slices.Contains(o.mailboxes, n.name) {
		return true
	}
	under := func(names []string, deep bool) bool {
		return slices.ContainsFunc(names, func(top string) bool {
			rest, below := strings.CutPrefix(n.name, top+"/")
			return n.name == top || below && (deep || !strings.Contains(rest, "/"))
		})
	}
	return under(o.subtrees, true) || under(o.levels, false)
}

// searched gives the mailboxes of the sources that the account may read, by name.
func (s *session) searched(o *sources) ([]node, error) {
	tree, err := s.tree(&listRequest{showSubscribed: true})
	return slices.DeleteFunc(tree, func(n node) bool {
		return !n.readable() || !(o.has(&n, n.box.Owner.Account == s.user.ID) || o.selected && s.box != nil && n.box.ID == s.box.id)
	}), err
}

// ofSelected tells whether a program names messages by what only the selected mailbox gives meaning to.
func (k *searchKey) ofSelected() bool {
	return k.op == opSeq || k.op == opUID && k.set.saved || slices.ContainsFunc(k.kids, (*searchKey).ofSelected)
}

// searchEach searches one mailbox after another. The selected one is looked at as the client knows it; one that goes away meanwhile is
// passed over.
func (s *session) searchEach(r *searchRequest, tag string, from *sources, list []node) (out []byte, err error) {
	for i := range list {
		n := &list[i]
		b := s.box
		if b == nil || b.id != n.box.ID {
			hot, err := s.srv.be.Store.Hot(s.ctx, n.box.ID)
			if errors.Is(err, mailstore.ErrNoMailbox) {
				continue
			}
			if err != nil {
				return out, err
			}
			b = &box{id: n.box.ID, owner: n.box.Owner, hot: hot, viewer: s.user.ID}
			b.known = b.newest()
		}
		hits, err := s.searchBox(b, r.program)
		if b != s.box {
			b.hot.Release()
		}
		if err != nil {
			return out, err
		}
		if r.save && b == s.box && !from.others() {
			b.result = r.saved(hits)
		}
		if len(hits) == 0 || !r.returns() {
			continue
		}
		out = appendQuoted(append(out, "* ESEARCH (TAG "...), tag)
		out = appendMailbox(append(out, " MAILBOX "...), n.name, s.wide)
		out = appendUint(append(out, " UIDVALIDITY "...), b.known.UIDValidity)
		out = append(r.appendData(append(out, ") UID"...), hits), "\r\n"...)
	}
	return out, nil
}

func (s *session) searchBox(b *box, program *searchKey) ([]target, error) {
	if !s.prepare(b, program) {
		return nil, &replyError{bad("No such message")}
	}
	return s.find(b, program)
}
