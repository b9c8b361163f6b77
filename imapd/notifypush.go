package imapd

import (
	"runtime/debug"

	"vanthu/internal/mailstore"
)

var errTooMuchToWatch = refuse("NOTIFICATIONOVERFLOW", "Too many mailboxes")

// openPush lets changes be told from now on: no command is under way.
func (s *session) openPush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.notify
	if n == nil {
		return
	}
	n.open = true
	n.follow(s)
	if n.listMoved.Load() || n.boxMoved.Load() {
		n.kick(s)
	}
}

// closePush ends that, when a push under way has said all.
func (s *session) closePush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notify != nil {
		s.notify.open = false
	}
}

// kick starts a push unless one is about to look. It never waits: stores call it.
func (n *notification) kick(s *session) {
	if !n.waiting.Swap(true) {
		go s.push(n)
	}
}

// follow listens to the mailbox that is selected now, if the client wants to be told about it.
func (n *notification) follow(s *session) {
	id := mailstore.MailboxID(0)
	if s.box != nil && n.selected != nil && n.selected.events != 0 {
		id = s.box.id
	}
	if id == n.boxID {
		return
	}
	if n.stopBox != nil {
		n.stopBox()
		n.stopBox = nil
	}
	if n.boxID = id; id == 0 {
		return
	}
	n.stopBox = s.srv.be.Store.Listen(id, func() {
		n.boxMoved.Store(true)
		n.kick(s)
	})
	n.boxMoved.Store(true) // since the last poll something may have come
}

// push tells what has changed. It runs on a goroutine of its own; a slow client holds up nobody else.
func (s *session) push(n *notification) {
	n.waiting.Store(false) // a change from here on needs another push
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if v := recover(); v != nil {
			s.log.Error("panic in a notification", "panic", v, "stack", string(debug.Stack()))
			s.c.Kill()
		}
	}()
	if s.notify != n || !n.open {
		return // openPush comes back to it
	}
	if !s.stillAllowed() {
		s.c.Kill()
		return
	}
	if n.boxMoved.Swap(false) && !s.pushSelected(n.selected) {
		s.c.Kill() // wakes the reader as well
		return
	}
	var lines []byte
	if n.listMoved.Swap(false) {
		var err error
		if lines, err = s.news(n, false); err != nil {
			s.log.Warn("notifications end", "err", err)
			n.stop()
			s.notify = nil
			lines = okCode("NOTIFICATIONOVERFLOW", "Notifications have ended, ask for the state").line("")
		}
	}
	if s.out(lines) != nil || s.c.Flush() != nil {
		s.c.Kill()
	}
	if len(lines) > 0 {
		s.srv.stats.Pushes.Add(1)
	}
}

// pushSelected tells what has changed in the selected mailbox, with the items asked for of new messages. It returns false when the
// connection is broken.
func (s *session) pushSelected(g *eventGroup) bool {
	if s.box == nil || g == nil {
		return true
	}
	before := s.box.known
	if s.box.othersOnly() {
		return true
	}
	lines := s.tellBox(g.filter == "SELECTED")
	if len(lines) == 0 {
		return true
	}
	s.srv.stats.Pushes.Add(1)
	if s.out(lines) != nil {
		return false
	}
	last, now := before.Last(), s.box.known.Last()
	if len(g.fetch) == 0 || now == last {
		return true
	}
	s.req = request{uid: true, set: numSet{ranges: []numRange{{uint32(last) + 1, uint32(now)}}}}
	defer func() { s.req = request{} }()
	buf, isBuf := bufPool.Get().(*[]byte)
	if !isBuf {
		return false
	}
	defer bufPool.Put(buf)
	f := fetcher{s: s, b: s.box, items: append([]fetchItem{{kind: fetchUID}}, g.fetch...), buf: (*buf)[:0]}
	return f.run() == nil
}

// news looks at the account's mailboxes, gives the lines about what has changed since the last time, and listens to those that are
// new. With quiet it only looks.
func (s *session) news(n *notification, quiet bool) ([]byte, error) {
	first := n.subs == nil
	moved := func() {
		n.listMoved.Store(true)
		n.kick(s)
	}
	watchOwner := func(o mailstore.Owner) {
		if n.owners[o] == nil {
			n.owners[o] = s.srv.be.Store.ListenTree(o, moved)
		}
	}
	watchOwner(mailstore.Owner{Account: s.user.ID})
	r := listRequest{showSubscribed: true}
	tree, err := s.tree(&r)
	if err != nil {
		return nil, err
	}
	// What happens after the mailboxes were read must not be missed: listen to new ones, then read again.
	fresh := false
	for i := range tree {
		b := tree[i].box
		if b == nil {
			continue
		}
		if n.owners[b.Owner] == nil {
			watchOwner(b.Owner)
			fresh = true
		}
		if n.stops[b.ID] == nil && b.Selectable && n.wants(s, tree[i].name, b, tree[i].subscribed)&messageEvents != 0 {
			if len(n.stops) == s.srv.opt.maxWatched {
				return nil, errTooMuchToWatch
			}
			n.stops[b.ID] = s.srv.be.Store.Listen(b.ID, moved)
			fresh = true
		}
	}
	if fresh {
		if tree, err = s.tree(&r); err != nil {
			return nil, err
		}
	}
	lines, known, subs, err := n.compare(s, tree, &r, first)
	if err != nil {
		return nil, err
	}
	for id, stop := range n.stops {
		if _, there := known[id]; !there {
			stop()
			delete(n.stops, id)
		}
	}
	n.known, n.subs = known, subs
	if quiet {
		return nil, nil
	}
	return lines, nil
}

// compare gives the lines for the difference between what the client knows and the tree, and what it knows then. The first time they
// are the STATUS lines of all that it watches.
func (n *notification) compare(s *session, tree []node, r *listRequest, first bool) (
	lines []byte, known map[mailstore.MailboxID]watched, subs map[string]bool, err error,
) {
	known, subs = make(map[mailstore.MailboxID]watched, len(tree)), make(map[string]bool)
	names := make(map[string]bool, len(tree))
	selected := mailstore.MailboxID(0)
	if s.box != nil {
		selected = s.box.id
	}
	for i := range tree {
		nd := &tree[i]
		if nd.subscribed {
			subs[nd.name] = true
		}
		names[nd.name] = nd.exists
		wants := n.wants(s, nd.name, nd.box, nd.subscribed || n.subs[nd.name])
		listed := !first && wants&subscriptionChange != 0 && nd.subscribed != n.subs[nd.name]
		if b := nd.box; b != nil {
			old, had := n.known[b.ID]
			if !nd.rights.Has(mailstore.RightRead) {
				wants &^= messageEvents
			}
			now := watched{nd.name, b.Messages, b.UIDNext, b.Visible, wants}
			known[b.ID] = now
			renamed := had && old.name != now.name
			if !first && wants&mailboxName != 0 && (!had || renamed) {
				listed = false
				lines = s.appendNews(lines, nd, r, old.name)
			}
			if b.Selectable && b.ID != selected && (first || had) && old.differs(now) {
				if lines, err = s.appendStatus(lines, nd.name, b, notifyStatus); err != nil {
					return nil, nil, nil, err
				}
			}
		}
		if listed {
			lines = s.appendList(lines, nd, r, "LIST")
		}
	}
	for id, old := range n.known {
		if _, there := known[id]; !there && !names[old.name] && old.wants&mailboxName != 0 {
			lines = s.appendList(lines, &node{name: old.name, subscribed: subs[old.name]}, r, "LIST")
		}
	}
	for name := range n.subs { // subscriptions to nothing are in the tree only as long as they last
		if _, there := names[name]; !there && !subs[name] && n.wants(s, name, nil, true)&subscriptionChange != 0 {
			lines = s.appendList(lines, &node{name: name}, r, "LIST")
		}
	}
	return lines, known, subs, nil
}

// notifyStatus is what is told about a mailbox: all that RFC 5465, section 5.1 to 5.3, asks for, and what clients show.
var notifyStatus = []statusItem{"MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ"} //nolint:gochecknoglobals // never changed

// differs tells whether the client is to hear about a mailbox.
func (w watched) differs(now watched) bool {
	switch {
	case now.wants&messageEvents == 0 || w.modseq == now.modseq:
		return false
	case w.messages != now.messages || w.uidNext != now.uidNext:
		return true
	}
	return now.wants&flagChange != 0
}

// appendNews writes the LIST line of a mailbox that is new or has another name now (RFC 5465, section 5.4; RFC 9051, section 6.3.9.7).
func (s *session) appendNews(dst []byte, nd *node, r *listRequest, old string) []byte {
	dst = s.appendList(dst, nd, r, "LIST")
	if old == "" {
		return dst
	}
	dst = append(dst[:len(dst)-len(lineBreak)], ` ("OLDNAME" (`...)
	dst = appendMailbox(dst, old, s.wide)
	return append(dst, "))\r\n"...)
}
