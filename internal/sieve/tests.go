package sieve

import (
	"slices"
	"strings"

	"vanthu/internal/mail"
)

// testTable is every test.
func testTable() map[string]func(*compiler, *command) (test, *Error) {
	return map[string]func(*compiler, *command) (test, *Error){
		"true":              (*compiler).constant,
		"false":             (*compiler).constant,
		"not":               (*compiler).not,
		"allof":             (*compiler).several,
		"anyof":             (*compiler).several,
		"header":            (*compiler).headerTest,
		"address":           (*compiler).addressTest,
		"envelope":          (*compiler).envelopeTest,
		"exists":            (*compiler).exists,
		"size":              (*compiler).size,
		"string":            (*compiler).stringTest,
		"hasflag":           (*compiler).hasFlagTest,
		"body":              (*compiler).bodyTest,
		"mailboxexists":     (*compiler).mailboxExists,
		"specialuse_exists": (*compiler).useExists,
		"document":          (*compiler).documentTest,
	}
}

// plain reads a test that takes no tests.
func (c *compiler) plain(cmd *command, tags tagTable, kinds ...argKind) (*args, *Error) {
	if len(cmd.tests) > 0 {
		return nil, wrong(cmd.line, "%s takes no test", "%s không nhận phép thử", cmd.name)
	}
	return c.read(cmd, tags, kinds...)
}

func (c *compiler) constant(cmd *command) (test, *Error) {
	_, e := c.plain(cmd, nil)
	value := cmd.name == "true"
	return func(*machine) (bool, *Error) { return value, nil }, e
}

func (c *compiler) not(cmd *command) (test, *Error) {
	if len(cmd.tests) != 1 || len(cmd.args) > 0 {
		return nil, wrong(cmd.line, "not needs one test", "not cần đúng một phép thử")
	}
	t, e := c.test(&cmd.tests[0])
	return func(m *machine) (bool, *Error) {
		ok, e := t(m)
		return !ok, e
	}, e
}

func (c *compiler) several(cmd *command) (test, *Error) {
	if len(cmd.tests) == 0 || len(cmd.args) > 0 {
		return nil, wrong(cmd.line, "%s needs tests in ( )", "%s cần các phép thử trong ( )", cmd.name)
	}
	tests := make([]test, len(cmd.tests))
	for i := range cmd.tests {
		var e *Error
		if tests[i], e = c.test(&cmd.tests[i]); e != nil {
			return nil, e
		}
	}
	ends := cmd.name == "anyof" // what settles it; the rest is not looked at
	return func(m *machine) (bool, *Error) {
		for _, t := range tests {
			if ok, e := t(m); e != nil || ok == ends {
				return ok, e
			}
		}
		return !ends, nil
	}, nil
}

// pair compiles what most tests have: a matcher, and two lists of strings.
func (c *compiler) pair(cmd *command, more tagTable) (a *args, mt matcher, left, keys []text, e *Error) {
	if a, e = c.plain(cmd, merge(matchTags(), more), argList, argList); e != nil {
		return
	}
	if mt, e = c.matcher(a, casemap); e != nil {
		return
	}
	if left, e = c.texts(a.pos[0]); e != nil {
		return
	}
	keys, e = c.texts(a.pos[1])
	return
}

func (c *compiler) headerTest(cmd *command) (test, *Error) {
	a, mt, names, keys, e := c.pair(cmd, nil)
	if e != nil {
		return nil, e
	}
	if e := checkNames(cmd.line, names); e != nil {
		return nil, e
	}
	return func(m *machine) (bool, *Error) {
		var values []string
		for _, n := range m.expandAll(names) {
			list, e := m.header(a.line, n)
			if e != nil {
				return false, e
			}
			values = append(values, list...)
		}
		return m.any(mt, values, m.expandAll(keys))
	}, nil
}

// checkNames refuses what cannot be the name of a field.
func checkNames(line int, names []text) *Error {
	for _, n := range names {
		s, ok := n.constant()
		if ok && (s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' })) {
			return wrong(line, "%q is no name of a header field", "%q không phải tên trường đầu thư", s)
		}
	}
	return nil
}

// partTags choose a part of an address. RFC 5228, section 2.7.4; RFC 5233.
func partTags() tagTable {
	return tagTable{"all": 0, "localpart": 0, "domain": 0, "user": 0, "detail": 0}
}

func (c *compiler) part(a *args) (func(mail.Address) (string, bool), *Error) {
	which, e := a.one("all", "localpart", "domain", "user", "detail")
	if e != nil {
		return nil, e
	}
	if which == "user" || which == "detail" {
		if e := c.need(a.line, ":"+which, "subaddress"); e != nil {
			return nil, e
		}
	}
	return func(x mail.Address) (string, bool) {
		switch which {
		case "localpart":
			return x.Local, true
		case "domain":
			return x.Domain, true
		case "user":
			base, _ := x.Split()
			return base.Local, true
		case "detail":
			_, d := x.Split()
			return d, strings.IndexByte(x.Local, '+') > 0
		}
		if x.IsZero() {
			return "", true
		}
		return x.Local + "@" + x.Domain, true
	}, nil
}

func (c *compiler) addressTest(cmd *command) (test, *Error) {
	a, mt, names, keys, e := c.pair(cmd, partTags())
	if e != nil {
		return nil, e
	}
	if e := checkNames(cmd.line, names); e != nil {
		return nil, e
	}
	part, e := c.part(a)
	if e != nil {
		return nil, e
	}
	return func(m *machine) (bool, *Error) {
		var values []string
		for _, n := range m.expandAll(names) {
			if _, e := m.header(a.line, n); e != nil { // for its cost
				return false, e
			}
			for _, raw := range m.in.Header.Values(strings.TrimSpace(n)) {
				for _, h := range mail.ParseAddressList(raw) {
					if h.Group != mail.GroupNone {
						continue
					}
					if v, ok := part(looseAddress(h.Addr)); ok {
						values = append(values, v)
					}
				}
			}
		}
		return m.any(mt, values, m.expandAll(keys))
	}, nil
}

// looseAddress reads an address of a header as well as it can be: filters
// look at addresses that nobody could write to as well.
func looseAddress(s string) mail.Address {
	if a, err := mail.ParseAddress(s, true); err == nil {
		return a
	}
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		return mail.Address{Local: s[:at], Domain: strings.ToLower(s[at+1:])}
	}
	return mail.Address{Local: s}
}

func (c *compiler) envelopeTest(cmd *command) (test, *Error) {
	a, mt, names, keys, e := c.pair(cmd, partTags())
	if e != nil {
		return nil, e
	}
	if e := c.need(cmd.line, "envelope", "envelope"); e != nil {
		return nil, e
	}
	for _, n := range names {
		if s, ok := n.constant(); ok && !strings.EqualFold(s, "from") && !strings.EqualFold(s, "to") {
			return nil, wrong(cmd.line, `the envelope has "from" and "to", not %q`, `phong bì chỉ có "from" và "to", không có %q`, s)
		}
	}
	part, e := c.part(a)
	if e != nil {
		return nil, e
	}
	return func(m *machine) (bool, *Error) {
		var values []string
		for _, n := range m.expandAll(names) {
			x := m.in.To
			if strings.EqualFold(n, "from") {
				x = m.in.From.Address
			} else if !strings.EqualFold(n, "to") {
				continue
			}
			if v, ok := part(x); ok {
				values = append(values, v)
			}
		}
		return m.any(mt, values, m.expandAll(keys))
	}, nil
}

func (c *compiler) exists(cmd *command) (test, *Error) {
	a, e := c.plain(cmd, nil, argList)
	if e != nil {
		return nil, e
	}
	names, e := c.texts(a.pos[0])
	if e != nil {
		return nil, e
	}
	return func(m *machine) (bool, *Error) {
		for _, n := range m.expandAll(names) {
			if e := m.step(a.line, len(m.in.Header)/8); e != nil || !m.in.Header.Has(strings.TrimSpace(n)) {
				return false, e
			}
		}
		return true, nil
	}, checkNames(cmd.line, names)
}

func (c *compiler) size(cmd *command) (test, *Error) {
	a, e := c.plain(cmd, tagTable{"over": argNumber, "under": argNumber})
	if e != nil {
		return nil, e
	}
	which, e := a.one("over", "under")
	if e != nil {
		return nil, e
	}
	if which == "" {
		return nil, wrong(cmd.line, "size needs :over or :under", "size cần :over hoặc :under")
	}
	n := a.tags[which].number
	return func(m *machine) (bool, *Error) {
		if which == "over" {
			return m.in.Size > n, nil
		}
		return m.in.Size < n, nil
	}, nil
}

func (c *compiler) stringTest(cmd *command) (test, *Error) {
	_, mt, source, keys, e := c.pair(cmd, nil)
	if e != nil {
		return nil, e
	}
	if e := c.need(cmd.line, "string", "variables"); e != nil {
		return nil, e
	}
	return func(m *machine) (bool, *Error) {
		values := m.expandAll(source)
		if mt.kind == "count" { // RFC 5229, section 5
			values = slices.DeleteFunc(values, func(s string) bool { return s == "" })
		}
		return m.any(mt, values, m.expandAll(keys))
	}, nil
}

func (c *compiler) hasFlagTest(cmd *command) (test, *Error) {
	kinds := []argKind{argList}
	if n := len(cmd.args); n >= 2 && fits(cmd.args[n-2], argList) && !isValueOf(cmd.args, n-2) {
		kinds = []argKind{argList, argList}
	}
	a, e := c.plain(cmd, matchTags(), kinds...)
	if e != nil {
		return nil, e
	}
	if e := c.need(cmd.line, "hasflag", "imap4flags"); e != nil {
		return nil, e
	}
	mt, e := c.matcher(a, casemap)
	if e != nil {
		return nil, e
	}
	var names []string
	if len(a.pos) == 2 {
		for _, n := range a.pos[0].list {
			name, e := c.flagVariable(a, n)
			if e != nil {
				return nil, e
			}
			names = append(names, name)
		}
	}
	list, e := c.texts(a.pos[len(a.pos)-1])
	if e != nil {
		return nil, e
	}
	return func(m *machine) (bool, *Error) {
		values := m.flags
		if names != nil {
			values = nil
			for _, n := range names {
				values = append(values, splitFlags([]string{m.vars[n]})...)
			}
		}
		keys := m.expandAll(list)
		if mt.kind == "is" {
			keys = strings.Fields(strings.Join(keys, " "))
		}
		return m.any(mt, values, keys)
	}, nil
}

// isValueOf tells whether argument i belongs to a tag before it.
func isValueOf(list []argument, i int) bool {
	return i > 0 && list[i-1].kind == argTag && matchTags()[list[i-1].text] != 0
}

// bodyTest: RFC 5173, of the text only. It sets no match variables.
func (c *compiler) bodyTest(cmd *command) (test, *Error) {
	a, e := c.plain(cmd, merge(matchTags(), tagTable{"text": 0}), argList)
	if e != nil {
		return nil, e
	}
	if e := c.need(cmd.line, "body", "body"); e != nil {
		return nil, e
	}
	mt, e := c.matcher(a, casemap)
	if e != nil {
		return nil, e
	}
	mt.capture = false
	keys, e := c.texts(a.pos[0])
	if e != nil {
		return nil, e
	}
	return func(m *machine) (bool, *Error) {
		s, e := m.body(a.line)
		if e != nil {
			return false, e
		}
		return m.any(mt, []string{s}, m.expandAll(keys))
	}, nil
}

func (c *compiler) mailboxExists(cmd *command) (test, *Error) {
	a, e := c.plain(cmd, nil, argList)
	if e != nil {
		return nil, e
	}
	if e := c.need(cmd.line, "mailboxexists", "mailbox"); e != nil {
		return nil, e
	}
	names, e := c.texts(a.pos[0])
	return func(m *machine) (bool, *Error) {
		return m.all(a.line, m.in.Mailbox, m.expandAll(names))
	}, e
}

func (c *compiler) useExists(cmd *command) (test, *Error) {
	a, e := c.plain(cmd, nil, argList)
	if e != nil {
		return nil, e
	}
	if e := c.need(cmd.line, "specialuse_exists", "special-use"); e != nil {
		return nil, e
	}
	names, e := c.texts(a.pos[0])
	return func(m *machine) (bool, *Error) {
		return m.all(a.line, m.in.Use, m.expandAll(names))
	}, e
}

// all tells whether there is every one of some mailboxes; asking is dear.
func (m *machine) all(line int, there func(string) bool, names []string) (bool, *Error) {
	for _, n := range names {
		if e := m.step(line, 500); e != nil || there == nil || !there(n) {
			return false, e
		}
	}
	return true, nil
}

// documentTest asks what is known of an official document. Without an
// attribute it tells whether the message is one. Comparison is by folded text,
// so that "quyet dinh" finds "Quyết định".
func (c *compiler) documentTest(cmd *command) (test, *Error) {
	attributes := []string{"state", "type", "urgency", "op", "code", "issuer"}
	tags := matchTags()
	for _, t := range attributes {
		tags[t] = 0
	}
	var kinds []argKind
	for i := range cmd.args {
		if slices.Contains(attributes, cmd.args[i].text) {
			kinds = []argKind{argList}
		}
	}
	a, e := c.plain(cmd, tags, kinds...)
	if e != nil {
		return nil, e
	}
	if e := c.need(cmd.line, "document", "vnd.vanthu.document"); e != nil {
		return nil, e
	}
	which, e := a.one(attributes...)
	if e != nil {
		return nil, e
	}
	if which == "" {
		return func(m *machine) (bool, *Error) { return m.in.Document != nil, nil }, nil
	}
	mt, e := c.matcher(a, folded)
	if e != nil {
		return nil, e
	}
	keys, e := c.texts(a.pos[0])
	if e != nil {
		return nil, e
	}
	return func(m *machine) (bool, *Error) {
		d := m.in.Document
		if d == nil {
			return false, nil
		}
		values := map[string][]string{
			"state": d.State, "type": d.Type, "urgency": d.Urgency, "op": d.Op, "code": d.Code, "issuer": d.Issuer,
		}[which]
		return m.any(mt, values, m.expandAll(keys))
	}, nil
}
