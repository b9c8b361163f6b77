package sieve

// command is a command or a test as it stands in the text. RFC 5228, section 8.2.
type command struct {
	line     int
	name     string
	args     []argument
	tests    []command
	block    []command
	hasBlock bool
}

// argument is a tag, a number, a string or a list of strings.
type argument struct {
	kind   argKind
	line   int
	text   string // of a tag
	number int64
	list   []string // of strings, one for a string
}

type argKind uint8

const (
	argTag argKind = iota + 1
	argNumber
	argString
	argList
)

// parse reads a whole script.
func parse(text string) ([]command, *Error) {
	p := parser{lexer: lexer{s: text, line: 1}}
	if e := p.advance(); e != nil {
		return nil, e
	}
	list, e := p.commands(0)
	if e != nil {
		return nil, e
	}
	if p.tok.kind != tokenEnd {
		return nil, wrong(p.tok.line, "%s does not belong here", "%s không đúng chỗ", p.tok.shown())
	}
	return list, nil
}

type parser struct {
	lexer
	tok token
}

func (p *parser) advance() (e *Error) {
	p.tok, e = p.next()
	return e
}

func (p *parser) is(mark string) bool { return p.tok.kind == tokenMark && p.tok.text == mark }

// take goes on over a mark that must stand here.
func (p *parser) take(mark string) *Error {
	if !p.is(mark) {
		return wrong(p.tok.line, "%q is expected before %s", "cần %q trước %s", mark, p.tok.shown())
	}
	return p.advance()
}

func (p *parser) commands(depth int) (list []command, e *Error) {
	for p.tok.kind == tokenWord {
		c, e := p.command(depth)
		if e != nil {
			return nil, e
		}
		list = append(list, c)
	}
	return list, nil
}

func (p *parser) command(depth int) (command, *Error) {
	c, e := p.head(depth)
	if e != nil {
		return c, e
	}
	if !p.is("{") {
		return c, p.take(";")
	}
	if e := p.advance(); e != nil {
		return c, e
	}
	c.hasBlock = true
	if c.block, e = p.commands(depth + 1); e != nil {
		return c, e
	}
	return c, p.take("}")
}

// head reads a name with arguments and tests: a test, or a command up to its
// block.
func (p *parser) head(depth int) (c command, e *Error) {
	if depth > maxDepth {
		return c, wrong(p.tok.line, "nested more than %d levels deep", "lồng nhau quá %d cấp", maxDepth)
	}
	c = command{line: p.tok.line, name: p.tok.text}
	if e = p.advance(); e != nil {
		return c, e
	}
	for {
		a, more, e := p.argument()
		if e != nil {
			return c, e
		}
		if !more {
			break
		}
		if len(c.args) >= maxList {
			return c, wrong(c.line, "too many arguments", "quá nhiều tham số")
		}
		c.args = append(c.args, a)
	}
	switch {
	case p.tok.kind == tokenWord:
		t, e := p.head(depth + 1)
		if e != nil {
			return c, e
		}
		c.tests = []command{t}
	case p.is("("):
		for first := true; first || p.is(","); first = false {
			if e := p.advance(); e != nil {
				return c, e
			}
			if p.tok.kind != tokenWord {
				return c, wrong(p.tok.line, "a test is expected before %s", "cần một phép thử trước %s", p.tok.shown())
			}
			t, e := p.head(depth + 1)
			if e != nil {
				return c, e
			}
			c.tests = append(c.tests, t)
		}
		return c, p.take(")")
	}
	return c, nil
}

func (p *parser) argument() (a argument, ok bool, e *Error) {
	a.line = p.tok.line
	switch {
	case p.tok.kind == tokenTag:
		a.kind, a.text = argTag, p.tok.text
	case p.tok.kind == tokenNumber:
		a.kind, a.number = argNumber, p.tok.number
	case p.tok.kind == tokenString:
		a.kind, a.list = argString, []string{p.tok.text}
	case p.is("["):
		a.kind = argList
		a.list, e = p.list()
		return a, true, e
	default:
		return a, false, nil
	}
	return a, true, p.advance()
}

func (p *parser) list() (list []string, e *Error) {
	for first := true; first || p.is(","); first = false {
		if e := p.advance(); e != nil {
			return nil, e
		}
		if p.tok.kind != tokenString {
			return nil, wrong(p.tok.line, "a string is expected before %s", "cần một chuỗi trước %s", p.tok.shown())
		}
		if len(list) >= maxList {
			return nil, wrong(p.tok.line, "a list has at most %d strings", "danh sách có tối đa %d chuỗi", maxList)
		}
		list = append(list, p.tok.text)
		if e := p.advance(); e != nil {
			return nil, e
		}
	}
	return list, p.take("]")
}
