package sieve

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"vanthu/internal/mail"
)

// commandTable is every command but if and require.
func commandTable() map[string]func(*compiler, *command) (statement, *Error) {
	return map[string]func(*compiler, *command) (statement, *Error){
		"stop":       (*compiler).stop,
		"keep":       (*compiler).keep,
		"discard":    (*compiler).discard,
		"fileinto":   (*compiler).fileInto,
		"redirect":   (*compiler).redirect,
		"set":        (*compiler).set,
		"setflag":    (*compiler).changeFlags,
		"addflag":    (*compiler).changeFlags,
		"removeflag": (*compiler).changeFlags,
		"vacation":   (*compiler).vacation,
	}
}

func (c *compiler) stop(cmd *command) (statement, *Error) {
	if _, e := c.read(cmd, nil); e != nil {
		return nil, e
	}
	return func(m *machine) *Error {
		m.stopped = true
		return nil
	}, nil
}

func (c *compiler) discard(cmd *command) (statement, *Error) {
	if _, e := c.read(cmd, nil); e != nil {
		return nil, e
	}
	return func(m *machine) *Error {
		m.implicit = false
		return nil
	}, nil
}

// flagged compiles :flags; without it the flags are those of the variable.
func (c *compiler) flagged(a *args) (func(m *machine) []string, *Error) {
	v, ok := a.tags["flags"]
	if !ok {
		return func(m *machine) []string { return slices.Clone(m.flags) }, nil
	}
	if e := c.need(a.line, ":flags", "imap4flags"); e != nil {
		return nil, e
	}
	list, e := c.texts(v)
	return func(m *machine) []string { return splitFlags(m.expandAll(list)) }, e
}

func (c *compiler) keep(cmd *command) (statement, *Error) {
	a, e := c.read(cmd, tagTable{"flags": argList})
	if e != nil {
		return nil, e
	}
	flags, e := c.flagged(a)
	if e != nil {
		return nil, e
	}
	return func(m *machine) *Error {
		m.implicit = false
		return m.add(a.line, Action{Kind: Keep, Flags: flags(m)})
	}, nil
}

// fileInto: RFC 5228, section 4.1; RFC 3894, RFC 5232, RFC 5490, RFC 8579.
func (c *compiler) fileInto(cmd *command) (statement, *Error) {
	a, e := c.read(cmd, tagTable{"copy": 0, "create": 0, "flags": argList, "specialuse": argString}, argString)
	if e != nil {
		return nil, e
	}
	if e := c.need(cmd.line, "fileinto", "fileinto"); e != nil {
		return nil, e
	}
	for tag, extension := range map[string]string{"copy": "copy", "create": "mailbox", "specialuse": "special-use"} {
		if a.has(tag) {
			if e := c.need(cmd.line, ":"+tag, extension); e != nil {
				return nil, e
			}
		}
	}
	flags, e := c.flagged(a)
	if e != nil {
		return nil, e
	}
	box, e := c.text(a.pos[0].line, a.pos[0].list[0])
	if e != nil {
		return nil, e
	}
	var use text
	if v, ok := a.tags["specialuse"]; ok {
		if use, e = c.text(v.line, v.list[0]); e != nil {
			return nil, e
		}
	}
	return func(m *machine) *Error {
		act := Action{Kind: File, Mailbox: strings.TrimSpace(m.expand(box)), Use: m.expand(use), Create: a.has("create"), Flags: flags(m)}
		if act.Mailbox == "" {
			return wrong(a.line, "the name of the mailbox is empty", "tên thư mục rỗng")
		}
		if strings.EqualFold(act.Mailbox, "INBOX") {
			act = Action{Kind: Keep, Flags: act.Flags}
		}
		m.implicit = m.implicit && a.has("copy")
		return m.add(a.line, act)
	}, nil
}

func (c *compiler) redirect(cmd *command) (statement, *Error) {
	a, e := c.read(cmd, tagTable{"copy": 0}, argString)
	if e != nil {
		return nil, e
	}
	if a.has("copy") {
		if e := c.need(cmd.line, ":copy", "copy"); e != nil {
			return nil, e
		}
	}
	to, e := c.text(a.pos[0].line, a.pos[0].list[0])
	if e != nil {
		return nil, e
	}
	if s, ok := to.constant(); ok {
		if _, err := oneAddress(s); err != nil {
			return nil, notAddress(cmd.line, s)
		}
	}
	return func(m *machine) *Error {
		s := m.expand(to)
		addr, err := oneAddress(s)
		if err != nil {
			return notAddress(a.line, s)
		}
		m.implicit = m.implicit && a.has("copy")
		return m.add(a.line, Action{Kind: Redirect, To: addr})
	}, nil
}

// oneAddress reads "a@b" or "Name <a@b>".
func oneAddress(s string) (mail.Address, error) {
	if list := mail.ParseAddressList(s); len(list) == 1 {
		return list[0].Address()
	}
	return mail.ParseAddress(s, true)
}

func notAddress(line int, s string) *Error {
	return wrong(line, "%q is not a mail address", "%q không phải địa chỉ thư", clip(s, 100))
}

// set: RFC 5229, section 4.
func (c *compiler) set(cmd *command) (statement, *Error) {
	// The modifiers by precedence, section 4.1; of one rank there may be one.
	ranks := [][]string{{"lower", "upper"}, {"lowerfirst", "upperfirst"}, {"quotewildcard"}, {"length"}}
	tags := tagTable{}
	for _, r := range ranks {
		for _, t := range r {
			tags[t] = 0
		}
	}
	a, e := c.read(cmd, tags, argString, argString)
	if e != nil {
		return nil, e
	}
	if e := c.need(cmd.line, "set", "variables"); e != nil {
		return nil, e
	}
	name := strings.ToLower(a.pos[0].list[0])
	if !isVariable(name) || isDigit(name[0]) {
		return nil, wrong(cmd.line, "%q is no name of a variable", "%q không phải tên biến", name)
	}
	var change []string
	for _, r := range ranks {
		t, e := a.one(r...)
		if e != nil {
			return nil, e
		}
		if t != "" {
			change = append(change, t)
		}
	}
	value, e := c.text(a.pos[1].line, a.pos[1].list[0])
	if e != nil {
		return nil, e
	}
	return func(m *machine) *Error {
		s := m.expand(value)
		if e := m.step(a.line, len(s)/stepOctets); e != nil {
			return e
		}
		for _, t := range change {
			s = modify(t, s)
		}
		return m.set(a.line, name, s)
	}, nil
}

func modify(how, s string) string {
	first := func(f func(rune) rune) string {
		r, n := utf8.DecodeRuneInString(s)
		if n == 0 || r == utf8.RuneError {
			return s
		}
		return string(f(r)) + s[n:]
	}
	switch how {
	case "lower":
		return strings.ToLower(s)
	case "upper":
		return strings.ToUpper(s)
	case "lowerfirst":
		return first(unicode.ToLower)
	case "upperfirst":
		return first(unicode.ToUpper)
	case "quotewildcard":
		return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(s)
	}
	return itoa(utf8.RuneCountInString(s))
}

// changeFlags: RFC 5232, section 3. A variable may be named first.
func (c *compiler) changeFlags(cmd *command) (statement, *Error) {
	kinds := []argKind{argList}
	if len(cmd.args) == 2 {
		kinds = []argKind{argString, argList}
	}
	a, e := c.read(cmd, nil, kinds...)
	if e != nil {
		return nil, e
	}
	if e := c.need(cmd.line, cmd.name, "imap4flags"); e != nil {
		return nil, e
	}
	name := ""
	if len(a.pos) == 2 {
		if name, e = c.flagVariable(a, a.pos[0].list[0]); e != nil {
			return nil, e
		}
	}
	list, e := c.texts(a.pos[len(a.pos)-1])
	if e != nil {
		return nil, e
	}
	how := cmd.name
	return func(m *machine) *Error {
		flags := splitFlags(m.expandAll(list))
		now := m.flags
		if name != "" {
			now = splitFlags([]string{m.vars[name]})
		}
		switch how {
		case "setflag":
			now = flags
		case "addflag":
			now = addFlags(now, flags)
		default:
			now = slices.DeleteFunc(slices.Clone(now), func(f string) bool { return hasFlag(flags, f) })
		}
		if name != "" {
			return m.set(a.line, name, strings.Join(now, " "))
		}
		m.flags = now
		return nil
	}, nil
}

func (c *compiler) flagVariable(a *args, name string) (string, *Error) {
	if e := c.need(a.line, "naming a variable", "variables"); e != nil {
		return "", e
	}
	name = strings.ToLower(name)
	if !isVariable(name) || isDigit(name[0]) {
		return "", wrong(a.line, "%q is no name of a variable", "%q không phải tên biến", name)
	}
	return name, nil
}

// vacation: RFC 5230, without :mime, which would let a script write any
// message in the server's name.
func (c *compiler) vacation(cmd *command) (statement, *Error) {
	a, e := c.read(cmd, tagTable{
		"days": argNumber, "subject": argString, "from": argString, "addresses": argList, "handle": argString,
	}, argString)
	if e != nil {
		return nil, e
	}
	if e := c.need(cmd.line, "vacation", "vacation"); e != nil {
		return nil, e
	}
	days := 0
	if v, ok := a.tags["days"]; ok {
		days = int(min(max(v.number, 1), 30)) // section 4.1: at least 1; the bounds are the server's
	}
	fields := map[string]text{}
	for _, t := range []string{"subject", "from", "handle"} {
		if v, ok := a.tags[t]; ok {
			if fields[t], e = c.text(v.line, v.list[0]); e != nil {
				return nil, e
			}
		}
	}
	if s, ok := fields["from"].constant(); ok && s != "" {
		if _, err := oneAddress(s); err != nil {
			return nil, notAddress(cmd.line, s)
		}
	}
	own, e := c.texts(a.tags["addresses"])
	if e != nil {
		return nil, e
	}
	reason, e := c.text(a.pos[0].line, a.pos[0].list[0])
	if e != nil {
		return nil, e
	}
	return func(m *machine) *Error {
		if m.vacation != nil {
			return wrong(a.line, "a message is answered once only", "mỗi thư chỉ được trả lời một lần")
		}
		m.vacation = &Vacation{
			Days: days, Subject: m.expand(fields["subject"]), From: m.expand(fields["from"]), Handle: m.expand(fields["handle"]),
			Addresses: m.expandAll(own), Text: m.expand(reason),
		}
		return nil
	}, nil
}
