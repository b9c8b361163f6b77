package sieve

import "slices"

// statement is a compiled command, test a compiled test. They only read
// themselves, so that a script may be run concurrently.
type (
	statement func(m *machine) *Error
	test      func(m *machine) (bool, *Error)
)

// compiler checks commands against what has been required.
type compiler struct{ has map[string]bool }

// top compiles a script: require comes first. RFC 5228, section 3.2.
func (c *compiler) top(list []command) ([]statement, *Error) {
	for len(list) > 0 && list[0].name == "require" {
		if e := c.require(&list[0]); e != nil {
			return nil, e
		}
		list = list[1:]
	}
	return c.block(list)
}

func (c *compiler) require(cmd *command) *Error {
	a, e := c.read(cmd, nil, argList)
	if e != nil {
		return e
	}
	for _, name := range a.pos[0].list {
		if !slices.Contains(Capabilities(), name) {
			return wrong(cmd.line, "the extension %q is not known here", "không hỗ trợ phần mở rộng %q", name)
		}
		c.has[name] = true
	}
	return nil
}

// need wants an extension to be required. RFC 5228, section 3.2.
func (c *compiler) need(line int, what, extension string) *Error {
	if c.has[extension] {
		return nil
	}
	return wrong(line, `%s needs require "%s"; at the beginning`, `%s cần có require "%s"; ở đầu kịch bản`, what, extension)
}

func (c *compiler) block(list []command) ([]statement, *Error) {
	out := make([]statement, 0, len(list))
	for len(list) > 0 {
		var s statement
		var e *Error
		if list[0].name == "if" {
			n := 1
			for n < len(list) && (list[n].name == "elsif" || list[n].name == "else") {
				n++
				if list[n-1].name == "else" {
					break
				}
			}
			s, e = c.choice(list[:n])
			list = list[n:]
		} else {
			s, e = c.command(&list[0])
			list = list[1:]
		}
		if e != nil {
			return nil, e
		}
		out = append(out, s)
	}
	return out, nil
}

// choice compiles if, elsif and else.
func (c *compiler) choice(list []command) (statement, *Error) {
	type branch struct {
		test  test
		block []statement
	}
	branches := make([]branch, len(list))
	for i := range list {
		cmd := &list[i]
		if !cmd.hasBlock || len(cmd.args) > 0 {
			return nil, wrong(cmd.line, "%s needs a block in { }", "%s cần một khối trong { }", cmd.name)
		}
		var e *Error
		if cmd.name != "else" {
			if len(cmd.tests) != 1 {
				return nil, wrong(cmd.line, "%s needs one test", "%s cần đúng một phép thử", cmd.name)
			}
			if branches[i].test, e = c.test(&cmd.tests[0]); e != nil {
				return nil, e
			}
		} else if len(cmd.tests) > 0 {
			return nil, wrong(cmd.line, "else has no test", "else không có phép thử")
		}
		if branches[i].block, e = c.block(cmd.block); e != nil {
			return nil, e
		}
	}
	return func(m *machine) *Error {
		for i := range branches {
			b := &branches[i]
			if b.test != nil {
				ok, e := b.test(m)
				if e != nil {
					return e
				}
				if !ok {
					continue
				}
			}
			return m.block(b.block)
		}
		return nil
	}, nil
}

func (c *compiler) command(cmd *command) (statement, *Error) {
	compile, ok := commandTable()[cmd.name]
	switch {
	case cmd.name == "require":
		return nil, wrong(cmd.line, "require must come before all other commands", "require phải đứng trước mọi lệnh khác")
	case cmd.name == "elsif" || cmd.name == "else":
		return nil, wrong(cmd.line, "%s without if", "%s không có if", cmd.name)
	case !ok:
		return nil, wrong(cmd.line, "there is no command %q here", "không có lệnh %q", cmd.name)
	case cmd.hasBlock:
		return nil, wrong(cmd.line, "%s has no block", "%s không có khối", cmd.name)
	case len(cmd.tests) > 0:
		return nil, wrong(cmd.line, "%s takes no test", "%s không nhận phép thử", cmd.name)
	}
	s, e := compile(c, cmd)
	if e != nil {
		return nil, e
	}
	line := cmd.line
	return func(m *machine) *Error {
		if e := m.step(line, 0); e != nil {
			return e
		}
		return s(m)
	}, nil
}

func (c *compiler) test(cmd *command) (test, *Error) {
	compile, ok := testTable()[cmd.name]
	if !ok {
		return nil, wrong(cmd.line, "there is no test %q here", "không có phép thử %q", cmd.name)
	}
	t, e := compile(c, cmd)
	if e != nil {
		return nil, e
	}
	line := cmd.line
	return func(m *machine) (bool, *Error) {
		if e := m.step(line, 0); e != nil {
			return false, e
		}
		return t(m)
	}, nil
}

// args are the arguments of one command, sorted.
type args struct {
	line int
	name string
	tags map[string]argument // by name; with its value, if it takes one
	pos  []argument
}

func (a *args) has(tag string) bool { _, ok := a.tags[tag]; return ok }

// tagTable says of each tag that a command knows what value follows it; 0 for
// none.
type tagTable map[string]argKind

// read sorts the arguments of cmd: tags first, then the positional ones, of
// which there must be as many as kinds. A list may be given as one string.
func (c *compiler) read(cmd *command, tags tagTable, kinds ...argKind) (*args, *Error) {
	a := &args{line: cmd.line, name: cmd.name, tags: map[string]argument{}}
	list := cmd.args
	for len(list) > 0 && list[0].kind == argTag {
		tag := list[0]
		kind, ok := tags[tag.text]
		switch {
		case !ok:
			return nil, wrong(tag.line, "%s does not know :%s", "%s không có :%s", cmd.name, tag.text)
		case a.has(tag.text):
			return nil, wrong(tag.line, ":%s is given twice", ":%s bị lặp", tag.text)
		}
		list = list[1:]
		value := argument{kind: argTag, line: tag.line}
		if kind != 0 {
			if len(list) == 0 || !fits(list[0], kind) {
				return nil, wrong(tag.line, ":%s needs %s behind it", "sau :%s cần %s", tag.text, kind)
			}
			value, list = list[0], list[1:]
		}
		a.tags[tag.text] = value
	}
	if len(list) != len(kinds) {
		return nil, wrong(cmd.line, "%s needs %d arguments besides tags, not %d", "%s cần %d tham số ngoài thẻ, không phải %d",
			cmd.name, len(kinds), len(list))
	}
	for i, k := range kinds {
		if !fits(list[i], k) {
			return nil, wrong(list[i].line, "argument %d of %s must be %s", "tham số %d của %s phải là %s", i+1, cmd.name, k)
		}
	}
	a.pos = list
	return a, nil
}

func fits(a argument, want argKind) bool {
	return a.kind == want || want == argList && a.kind == argString
}

// String names the kind in errors.
func (k argKind) String() string {
	switch k {
	case argTag:
		return "a tag"
	case argNumber:
		return "a number"
	case argString:
		return "a string"
	}
	return "a list of strings"
}

// one chooses among tags that exclude one another; "" for none.
func (a *args) one(tags ...string) (string, *Error) {
	found := ""
	for _, t := range tags {
		if !a.has(t) {
			continue
		}
		if found != "" {
			return "", wrong(a.line, ":%s and :%s exclude each other", ":%s và :%s không đi cùng nhau", found, t)
		}
		found = t
	}
	return found, nil
}

// merge gives all entries of several tables.
func merge(tables ...tagTable) tagTable {
	out := tagTable{}
	for _, t := range tables {
		for k, v := range t {
			out[k] = v
		}
	}
	return out
}
