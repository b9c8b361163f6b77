package imapd

import (
	"slices"
	"strings"

	"vanthu/internal/mailstore"
)

// listRequest is a parsed LIST or LSUB.
type listRequest struct {
	ref      string
	patterns []string
	lsub     bool

	onlySubscribed, onlyUse, recursive bool // selection options, RFC 5258 and 6154
	showSubscribed, showRights         bool // return options, the second of RFC 8440
	status                             []statusItem
	metadata                           *metadataRequest // RFC 9590
}

// node is a name in the account's tree.
type node struct {
	name       string
	box        *mailstore.Mailbox // nil for a mere level or a name that is only subscribed
	exists     bool
	rights     mailstore.Rights // on box
	subscribed bool
	children   bool
	below      bool // a subscribed name lies below it
}

// runList answers LIST with its extensions (RFC 9051, section 6.3.9; RFC 5258, 5819, 6154).
func (s *session) runList(cmd *command) result {
	l := &cmd.args
	var r listRequest
	if !l.sp() {
		return syntax("Expected: LIST reference pattern")
	}
	if l.peek() == '(' {
		if !l.list(func() bool { return r.selectOption(l) }) || !l.sp() {
			return syntax("Unknown LIST selection option")
		}
		if r.recursive && !r.onlySubscribed {
			return syntax("RECURSIVEMATCH needs SUBSCRIBED")
		}
	}
	if st := s.listNames(l, &r); st != nil {
		return answer(*st)
	}
	if l.sp() {
		if !l.keyword("RETURN") || !l.sp() || !l.list(func() bool { return r.returnOption(l) }) {
			return syntax("Unknown LIST return option")
		}
	}
	if !l.end() {
		return syntax("Expected: LIST reference pattern")
	}
	return s.list(&r, "LIST")
}

// runLSub answers LSUB (RFC 3501, section 6.3.9).
func (s *session) runLSub(cmd *command) result {
	l := &cmd.args
	r := listRequest{lsub: true, onlySubscribed: true}
	if !l.sp() {
		return syntax("Expected: LSUB reference pattern")
	}
	if st := s.listNames(l, &r); st != nil {
		return answer(*st)
	}
	if !l.end() {
		return syntax("Expected: LSUB reference pattern")
	}
	return s.list(&r, "LSUB")
}

func (r *listRequest) selectOption(l *lexer) bool {
	word, _ := l.word()
	switch word {
	case "SUBSCRIBED":
		r.onlySubscribed, r.showSubscribed = true, true
	case "SPECIAL-USE":
		r.onlyUse = true
	case "RECURSIVEMATCH":
		r.recursive = true
	case "REMOTE": // there are none
	default:
		return false
	}
	return true
}

func (r *listRequest) returnOption(l *lexer) bool {
	word, _ := l.word()
	switch word {
	case "SUBSCRIBED":
		r.showSubscribed = true
	case "MYRIGHTS":
		r.showRights = true
	case "METADATA":
		if r.metadata != nil || !l.sp() || l.peek() != '(' {
			return false
		}
		r.metadata = &metadataRequest{maxSize: -1}
		return r.metadata.parseEntries(l)
	case "CHILDREN", "SPECIAL-USE": // always shown
	case "STATUS":
		var valid bool
		if !l.sp() {
			return false
		}
		r.status, valid = parseStatusItems(l)
		return valid
	default:
		return false
	}
	return true
}

// listNames reads the reference and the pattern, or list of patterns.
func (s *session) listNames(l *lexer, r *listRequest) *status {
	wrong := bad("Expected: reference and pattern")
	ref, refused := s.nameArg(l)
	if refused != nil {
		return refused
	}
	r.ref = ref
	if !l.sp() {
		return &wrong
	}
	one := func() bool {
		raw, isString := l.listMailbox()
		if !isString {
			return false
		}
		name, err := s.decodeName(raw)
		if err != nil {
			name = raw // it matches nothing we have
		}
		r.patterns = append(r.patterns, name)
		return len(r.patterns) <= maxWildcards
	}
	if l.peek() == '(' {
		if !l.list(one) || len(r.patterns) == 0 {
			return &wrong
		}
	} else if !one() {
		return &wrong
	}
	return nil
}

// list writes the lines of a LIST or LSUB.
func (s *session) list(r *listRequest, verb string) result {
	if len(r.patterns) == 1 && r.patterns[0] == "" && !r.onlySubscribed {
		if err := s.out([]byte("* " + verb + ` (\Noselect) "/" ""` + "\r\n")); err != nil {
			return s.lost(err)
		}
		return answer(ok(verb + " completed"))
	}
	var patterns []*pattern
	for _, p := range r.patterns {
		compiled, valid := newPattern(r.ref + p)
		if !valid {
			return syntax("Pattern too long or too many wildcards")
		}
		patterns = append(patterns, compiled)
	}
	tree, err := s.tree(r)
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	s.raiseFor(r.status)
	var out []byte
	for i := range tree {
		n := &tree[i]
		if !r.selects(n) || !slices.ContainsFunc(patterns, func(p *pattern) bool { return p.match(n.name) }) {
			continue
		}
		out = s.appendList(out, n, r, verb)
		if r.showRights && n.box != nil {
			out = appendMyRights(out, n.name, n.rights, s.wide)
		}
		if r.metadata != nil && n.box != nil && n.rights.Has(mailstore.RightRead) {
			notes, err := s.notesOf(n.box)
			if err != nil {
				return answer(s.failure(err, doingOther))
			}
			out, _ = r.metadata.appendMetadata(out, n.name, notes, s.wide)
		}
		if len(r.status) > 0 && n.readable() {
			if out, err = s.appendStatus(out, n.name, n.box, r.status); err != nil {
				return answer(s.failure(err, doingOther))
			}
		}
		if len(out) >= 16<<10 {
			if err := s.out(out); err != nil {
				return s.lost(err)
			}
			out = out[:0]
		}
	}
	if err := s.out(out); err != nil {
		return s.lost(err)
	}
	return answer(ok(verb + " completed"))
}

// selects tells whether a name is asked for, patterns apart.
func (r *listRequest) selects(n *node) bool {
	if r.onlyUse && (n.box == nil || n.box.Use == mailstore.UseNone) {
		return false
	}
	if !r.onlySubscribed {
		return n.exists
	}
	return n.subscribed || r.recursive && n.below || r.lsub && n.below && slices.ContainsFunc(r.patterns, func(p string) bool {
		return strings.HasSuffix(p, "%") // RFC 3501, section 6.3.9: the level is shown in place of what lies below
	})
}

// tree gives all names of the account with what LIST tells about them, in order.
func (s *session) tree(r *listRequest) ([]node, error) {
	var tree []node
	add := func(prefix string, owner mailstore.Owner) error {
		boxes, err := s.srv.be.Store.ListFor(s.ctx, owner, s.user.ID)
		for i := range boxes {
			if may := s.rightsOn(&boxes[i]); may.Has(mailstore.RightLookup) {
				tree = append(tree, node{name: prefix + boxes[i].Name, box: &boxes[i], exists: true, rights: may})
			}
		}
		return err
	}
	if err := add("", mailstore.Owner{Account: s.user.ID}); err != nil {
		return nil, err
	}
	snap := s.srv.be.Directory.Snapshot()
	for _, u := range s.units(snap) {
		if err := add(sharedPrefix+u.ShortName+"/", mailstore.Owner{Unit: u.ID}); err != nil {
			return nil, err
		}
	}
	for _, o := range s.srv.be.Store.ACL().Sharers(snap, s.user.ID) {
		if a, known := snap.Account(o.Account); known {
			if err := add(othersPrefix+a.Login.String()+"/", o); err != nil {
				return nil, err
			}
		}
	}
	tree = addLevels(tree)
	if r.onlySubscribed || r.showSubscribed {
		names, err := s.subscriptions(tree)
		if err != nil {
			return nil, err
		}
		tree = markSubscribed(tree, names, r.lsub || r.recursive)
	}
	slices.SortStableFunc(tree, func(a, b node) int { return strings.Compare(a.name, b.name) })
	markChildren(tree)
	return tree, nil
}

// subscriptions gives the names that the account is subscribed to: those that it named, and the folders of its units that it has not
// declined. Thunderbird and other clients show what is subscribed to and no more; a clerk who had to subscribe to the unit's folders
// first would not know that there are any.
func (s *session) subscriptions(tree []node) ([]string, error) {
	names, err := s.srv.be.Store.Subscriptions(s.ctx, s.user.ID)
	if err != nil {
		return nil, err
	}
	declined, err := s.srv.be.Store.Declined(s.ctx, s.user.ID)
	if err != nil {
		return nil, err
	}
	for i := range tree {
		if n := &tree[i]; n.box != nil && n.box.Owner.Unit != 0 && n.readable() && !slices.Contains(declined, n.name) && !slices.Contains(names, n.name) {
			names = append(names, n.name)
		}
	}
	return names, nil
}

// addLevels adds the levels above the names that are there: those of namespaces, and mailboxes that only what lies below is known of.
func addLevels(tree []node) []node {
	have := make(map[string]bool, len(tree))
	for i := range tree {
		have[tree[i].name] = true
	}
	for i := range tree {
		name := tree[i].name
		for at := range name {
			if name[at] == '/' && !have[name[:at]] {
				have[name[:at]] = true
				tree = append(tree, node{name: name[:at], exists: true})
			}
		}
	}
	return tree
}

// readable tells whether a name is a mailbox that the account may open.
func (n *node) readable() bool {
	return n.box != nil && n.box.Selectable && n.rights.Has(mailstore.RightRead)
}

// markSubscribed notes subscriptions in the tree and adds those without a mailbox. With levels, the names above are marked, and added
// when they are missing.
func markSubscribed(tree []node, names []string, levels bool) []node {
	at := make(map[string]int, len(tree))
	for i := range tree {
		at[tree[i].name] = i
	}
	find := func(name string) *node {
		i, found := at[name]
		if !found {
			i = len(tree)
			at[name] = i
			tree = append(tree, node{name: name})
		}
		return &tree[i]
	}
	for _, name := range names {
		find(name).subscribed = true
		for i := range name {
			if levels && name[i] == '/' {
				find(name[:i]).below = true
			}
		}
	}
	return tree
}

// markChildren notes who has children.
func markChildren(tree []node) {
	at := make(map[string]int, len(tree))
	for i := range tree {
		at[tree[i].name] = i
	}
	for i := range tree {
		cut := strings.LastIndexByte(tree[i].name, '/')
		if !tree[i].exists || cut < 0 {
			continue
		}
		if up, found := at[tree[i].name[:cut]]; found {
			tree[up].children = true
		}
	}
}

// appendList writes one LIST or LSUB line.
func (s *session) appendList(dst []byte, n *node, r *listRequest, verb string) []byte {
	dst = append(append(append(dst, "* "...), verb...), " ("...)
	attrs := make([]string, 0, 4)
	switch {
	case r.lsub:
		if !n.subscribed || n.exists && !n.readable() {
			attrs = append(attrs, `\Noselect`)
		}
	case !n.exists:
		attrs = append(attrs, `\NonExistent`)
	default:
		if !n.readable() {
			attrs = append(attrs, `\Noselect`)
		}
		if n.children {
			attrs = append(attrs, `\HasChildren`)
		} else {
			attrs = append(attrs, `\HasNoChildren`)
		}
		if n.box != nil && n.box.Use != mailstore.UseNone {
			attrs = append(attrs, string(n.box.Use))
		}
	}
	if r.showSubscribed && n.subscribed && !r.lsub {
		attrs = append(attrs, `\Subscribed`)
	}
	dst = append(dst, strings.Join(attrs, " ")...)
	dst = append(dst, `) "/" `...)
	dst = appendMailbox(dst, n.name, s.wide)
	if r.recursive && n.below {
		dst = append(dst, ` ("CHILDINFO" ("SUBSCRIBED"))`...)
	}
	return append(dst, "\r\n"...)
}
