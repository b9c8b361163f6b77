package imapd

import (
	"slices"
	"strings"
	"sync/atomic"

	"vanthu/internal/mailstore"
)

// events is a set of events of NOTIFY (RFC 5465, section 5).
type events uint8

const (
	messageNew events = 1 << iota
	messageExpunge
	flagChange
	mailboxName
	subscriptionChange

	messageEvents = messageNew | messageExpunge | flagChange
)

// notifyEvents are the events that we tell about, as BADEVENT lists them.
const notifyEvents = "(MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange)"

// Limits of NOTIFY.
const (
	maxGroups  = 50
	maxWatched = 3000 // mailboxes
)

// eventGroup says which events are told about some mailboxes.
type eventGroup struct {
	filter string   // upper case
	names  []string // of SUBTREE and MAILBOXES, as clients see them
	events events
	fetch  []fetchItem // of MessageNew in the selected mailbox
}

// notification is what a client has asked for by NOTIFY SET, and what it has been told so far. But for the atomics it is guarded by
// the session's mu: it is used by the connection's goroutine while a command is carried out, and by pushes while none is.
type notification struct {
	groups   []eventGroup
	selected *eventGroup // SELECTED or SELECTED-DELAYED

	open    bool        // no command is under way: changes may be told
	waiting atomic.Bool // a push has been started and has not looked yet

	listMoved atomic.Bool // mailboxes, subscriptions, or what is in mailboxes
	boxMoved  atomic.Bool // the selected mailbox
	boxID     mailstore.MailboxID
	stopBox   func()

	known  map[mailstore.MailboxID]watched
	subs   map[string]bool
	stops  map[mailstore.MailboxID]func()
	owners map[mailstore.Owner]func()
}

// watched is what the client knows about a mailbox.
type watched struct {
	name     string
	messages int64
	uidNext  mailstore.UID
	modseq   mailstore.ModSeq // of what the account can see
	wants    events
}

// runNotify answers NOTIFY (RFC 5465).
func (s *session) runNotify(cmd *command) result {
	l := &cmd.args
	wrong := syntax("Expected: NOTIFY NONE, or NOTIFY SET [STATUS] (filter (events)) ...")
	if !l.sp() {
		return wrong
	}
	what, _ := l.word()
	switch {
	case what == "NONE" && l.end():
		s.endNotify()
		return answer(ok("NOTIFY completed"))
	case what != "SET" || !l.sp():
		return wrong
	}
	status := l.keyword("STATUS")
	if status && !l.sp() {
		return wrong
	}
	n := &notification{
		known: map[mailstore.MailboxID]watched{}, stops: map[mailstore.MailboxID]func(){}, owners: map[mailstore.Owner]func(){},
	}
	unsupported := false
	for {
		g, known, st := s.parseGroup(l)
		if st != nil {
			return answer(*st)
		}
		unsupported = unsupported || !known
		if strings.HasPrefix(g.filter, "SELECTED") {
			if n.selected != nil {
				return wrong
			}
			n.selected = &g
		} else {
			n.groups = append(n.groups, g)
		}
		if l.end() {
			break
		}
		if !l.special(' ') || len(n.groups) > maxGroups {
			return wrong
		}
	}
	if unsupported {
		return answer(no("BADEVENT "+notifyEvents, "Event not supported"))
	}
	return s.setNotify(n, status)
}

// setNotify takes the place of what was asked for before.
func (s *session) setNotify(n *notification, status bool) result {
	s.endNotify()
	s.mu.Lock()
	defer s.mu.Unlock()
	lines, err := s.news(n, !status)
	if err != nil {
		n.stop()
		return answer(s.failure(err, doingOther))
	}
	s.notify = n
	if err := s.out(lines); err != nil {
		return s.lost(err)
	}
	return answer(ok("NOTIFY completed"))
}

// endNotify is NOTIFY NONE.
func (s *session) endNotify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notify != nil {
		s.notify.stop()
		s.notify = nil
	}
}

// stop ends all listening.
func (n *notification) stop() {
	for _, stop := range n.stops {
		stop()
	}
	for _, stop := range n.owners {
		stop()
	}
	if n.stopBox != nil {
		n.stopBox()
		n.stopBox = nil
	}
}

// parseGroup reads an event group. known is false when an event is not one of ours.
func (s *session) parseGroup(l *lexer) (g eventGroup, known bool, refused *status) {
	wrong := bad("Invalid event group")
	if !l.special('(') {
		return g, false, &wrong
	}
	g.filter, _ = l.word()
	switch g.filter {
	case "SELECTED", "SELECTED-DELAYED", "INBOXES", "PERSONAL", "SUBSCRIBED":
	case "SUBTREE", "MAILBOXES":
		if !l.special(' ') {
			return g, false, &wrong
		}
		var st *status
		one := func() bool {
			var name string
			name, st = s.nameArg(l)
			if st != nil {
				return false
			}
			if p, err := s.locate(name); err == nil {
				name = p.full
			}
			g.names = append(g.names, name)
			return len(g.names) <= maxWatched
		}
		if l.peek() == '(' && !l.list(one) || l.peek() != ' ' && !one() || len(g.names) == 0 {
			if st == nil {
				st = &wrong
			}
			return g, false, st
		}
	default:
		return g, false, &wrong
	}
	if !l.special(' ') {
		return g, false, &wrong
	}
	known = true
	if !l.keyword("NONE") && (l.peek() != '(' || !l.list(func() bool { return g.parseEvent(l, &known) }) || g.events == 0 && known) {
		return g, false, &wrong
	}
	if !l.special(')') {
		return g, false, &wrong
	}
	const both = messageNew | messageExpunge
	if m := g.events & messageEvents; m != 0 && m&both != both {
		needs := bad("MessageNew and MessageExpunge come together, FlagChange with both")
		return g, false, &needs
	}
	if strings.HasPrefix(g.filter, "SELECTED") && g.events&^messageEvents != 0 {
		return g, false, &wrong
	}
	return g, known, nil
}

func (g *eventGroup) parseEvent(l *lexer, known *bool) bool {
	word, isAtom := l.word()
	switch word {
	case "MESSAGENEW":
		g.events |= messageNew
		if at := l.i; l.special(' ') {
			if l.peek() != '(' {
				l.i = at
				return true
			}
			var valid bool
			g.fetch, valid = parseFetchItems(l)
			g.fetch = slices.DeleteFunc(g.fetch, func(it fetchItem) bool { return it.kind == fetchUID }) // it is sent in any case
			return valid && strings.HasPrefix(g.filter, "SELECTED")
		}
	case "MESSAGEEXPUNGE":
		g.events |= messageExpunge
	case "FLAGCHANGE":
		g.events |= flagChange
	case "MAILBOXNAME":
		g.events |= mailboxName
	case "SUBSCRIPTIONCHANGE":
		g.events |= subscriptionChange
	default:
		*known = false
	}
	return isAtom
}

// wants gives the events that are told about a mailbox: those of the first group that it belongs to (RFC 5465, section 6).
func (n *notification) wants(s *session, name string, box *mailstore.Mailbox, subscribed bool) events {
	for i := range n.groups {
		if g := &n.groups[i]; g.covers(s, name, box, subscribed) {
			return g.events
		}
	}
	return 0
}

func (g *eventGroup) covers(s *session, name string, box *mailstore.Mailbox, subscribed bool) bool {
	switch g.filter {
	case "INBOXES": // what mail is delivered to
		return name == "INBOX" || box != nil && (box.Role == mailstore.RoleIncoming || box.Role == mailstore.RoleUnitInbox)
	case "PERSONAL":
		return box != nil && box.Owner.Account == s.user.ID || box == nil && !strings.HasPrefix(name, sharedPrefix) && !strings.HasPrefix(name, othersPrefix)
	case "SUBSCRIBED":
		return subscribed
	case "SUBTREE":
		return slices.ContainsFunc(g.names, func(top string) bool { return name == top || strings.HasPrefix(name, top+"/") })
	}
	return slices.Contains(g.names, name)
}
