package config

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// expression is one "key = value", "[table]" or "[[table]]" of the file.
type expression struct {
	path       string // full key path, lower case; routes numbered from 1
	start, end int    // octets it covers in the text
	line       int    // of its key, from 1
	table      bool
	number     bool // its value is a number, or a list with one in it
}

func routePath(i int) string { return fmt.Sprintf("route[%d]", i+1) }

// decode reads text into a fresh Config. go-toml stops at the first value
// that does not fit, so whatever it objects to is noted, blanked out, and the
// rest tried again, until all problems are known.
func decode(file string, text []byte) (*Config, map[string]int, Problems) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	exprs, problems := scan(file, text)
	if problems != nil {
		return nil, nil, problems
	}
	text = bytes.Clone(text)
	lines := make(map[string]int)
	for i, e := range exprs {
		if blanked(text, e) {
			continue // in a section that is given twice
		}
		if first, ok := lines[e.path]; ok {
			problems = append(problems, Problem{
				File: file, Line: e.line, Key: e.path,
				Text: fmt.Sprintf("is given twice, first on line %d", first),
				Hint: "remove one of the two",
			})
			blank(text, exprs, i)
			continue
		}
		lines[e.path] = e.line
		// go-toml would take 35 for a duration of 35 ns.
		if t := typeOf(e.path); e.number && t != nil && (textual(t) || t.Kind() == reflect.Slice && textual(t.Elem())) {
			problems = append(problems, misfit(file, text, e))
			blank(text, exprs, i)
		}
	}
	for {
		c := Default()
		err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(c)
		var strict *toml.StrictMissingError
		var bad *toml.DecodeError
		switch {
		case err == nil:
			return c, lines, append(problems, settle(c, file, lines)...)
		case errors.As(err, &strict):
			for i := range strict.Errors {
				problems = append(problems, unknown(file, &strict.Errors[i]))
			}
			return c, lines, append(problems, settle(c, file, lines)...)
		}
		var i int
		if errors.As(err, &bad) {
			line, _ := bad.Position()
			i = expressionAt(text, exprs, line)
		} else {
			i = culprit(text, exprs)
		}
		if i < 0 {
			return nil, nil, append(problems, Problem{File: file, Text: "cannot be read: " + err.Error()})
		}
		problems = append(problems, misfit(file, text, exprs[i]))
		blank(text, exprs, i)
	}
}

// settle brings names and addresses into canonical form, which go-toml leaves
// out for types whose kind is string, and tells which are none.
func settle(c *Config, file string, lines map[string]int) Problems {
	var problems Problems
	check := func(k key, v reflect.Value) {
		text, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
		if !ok || v.Kind() != reflect.String {
			return
		}
		if err := text.UnmarshalText([]byte(v.String())); err != nil {
			what, hint := wanted(v.Type())
			line := lines[k.path]
			if line == 0 { // in an inline table
				line = lines[strings.Split(indexless(k.path), ".")[0]]
			}
			problems = append(problems, Problem{
				File: file, Line: line, Key: k.path,
				Text: fmt.Sprintf("%q is not %s", v.String(), what), Hint: hint,
			})
		}
	}
	for _, k := range c.keys() {
		if k.value.Kind() != reflect.Slice {
			check(k, k.value)
			continue
		}
		for i := range k.value.Len() {
			check(k, k.value.Index(i))
		}
	}
	return problems
}

// scan splits text into its expressions, or tells where it is not TOML.
func scan(file string, text []byte) ([]expression, Problems) {
	// The decoder's own errors know their line, the parser's do not.
	var document map[string]any
	var bad *toml.DecodeError
	if err := toml.Unmarshal(text, &document); errors.As(err, &bad) && !strings.Contains(bad.Error(), "already") {
		return nil, Problems{syntaxProblem(file, bad)}
	}
	var (
		exprs  []expression
		parser unstable.Parser
		table  string
		routes int
	)
	parser.Reset(text)
	for parser.NextExpression() {
		node := parser.Expression()
		var names []string
		start, end := -1, 0
		for it := node.Key(); it.Next(); {
			names = append(names, strings.ToLower(string(it.Node().Data)))
			raw := it.Node().Raw
			if start < 0 {
				start = int(raw.Offset)
			}
			end = int(raw.Offset + raw.Length)
		}
		e := expression{path: strings.Join(names, "."), start: start, end: end}
		switch node.Kind {
		case unstable.ArrayTable:
			if e.path == "route" {
				e.path = routePath(routes)
				routes++
			}
			e.table, table = true, e.path+"."
		case unstable.Table:
			e.table, table = true, e.path+"."
		default:
			e.path = table + e.path
			e.end = int(node.Raw.Offset + node.Raw.Length)
			e.number = hasNumber(node.Value())
		}
		e.line = 1 + bytes.Count(text[:start], []byte("\n"))
		exprs = append(exprs, e)
	}
	if err := parser.Error(); err != nil {
		return nil, Problems{{File: file, Text: "cannot be read: " + err.Error()}}
	}
	return exprs, nil
}

func hasNumber(value *unstable.Node) bool {
	switch value.Kind {
	case unstable.Integer, unstable.Float:
		return true
	case unstable.Array:
		for it := value.Children(); it.Next(); {
			if hasNumber(it.Node()) {
				return true
			}
		}
	}
	return false
}

func syntaxProblem(file string, bad *toml.DecodeError) Problem {
	line, column := bad.Position()
	return Problem{
		File: file, Line: line,
		Text: fmt.Sprintf("is not TOML at column %d: %s", column, strings.TrimPrefix(bad.Error(), "toml: ")),
		Hint: `texts stand in "quotes", lists in [brackets], each key on a line of its own`,
	}
}

// unknown words the problem of a key that does not exist.
func unknown(file string, bad *toml.DecodeError) Problem {
	line, _ := bad.Position()
	names := bad.Key()
	path := strings.Join(names, ".")
	parent := strings.TrimSuffix(path, names[len(names)-1])
	known := Default()
	known.Routes = []Route{{}}
	var siblings []string
	for _, k := range known.keys() {
		name, ok := strings.CutPrefix(indexless(k.path), parent)
		if ok && !strings.Contains(name, ".") {
			siblings = append(siblings, name)
		}
	}
	p := Problem{File: file, Line: line, Key: path, Text: "is not a key of this configuration"}
	switch near := nearest(strings.ToLower(names[len(names)-1]), siblings); {
	case near != "":
		p.Hint = fmt.Sprintf("did you mean %q?", parent+near)
	case parent == "":
		p.Hint = "keys and sections here are " + strings.Join(siblings, ", ")
	case len(siblings) > 0:
		p.Hint = "keys here are " + strings.Join(siblings, ", ")
	}
	return p
}

// misfit words the problem of a value of the wrong type or form.
func misfit(file string, text []byte, e expression) Problem {
	p := Problem{File: file, Line: e.line, Key: e.path}
	t := typeOf(e.path)
	if t == nil {
		p.Text = "holds further keys where a value belongs"
		return p
	}
	what, hint := wanted(t)
	p.Hint = hint
	value := string(text[e.start:e.end])
	if _, after, ok := strings.Cut(value, "="); ok && !e.table {
		value = strings.TrimSpace(after)
	} else {
		value = "a section"
	}
	value = strings.Join(strings.Fields(value), " ")
	if short := []rune(value); len(short) > 60 {
		value = string(short[:57]) + "…"
	}
	p.Text = value + " is not " + what
	return p
}

// typeOf returns the type of the key at path, or nil when there is none.
func typeOf(path string) reflect.Type {
	if path == "route" {
		return reflect.TypeFor[[]Route]()
	}
	known := Default()
	known.Routes = []Route{{}}
	for _, k := range known.keys() {
		if indexless(k.path) == indexless(path) {
			return k.value.Type()
		}
	}
	return nil
}

// expressionAt returns the index of the expression that covers line, or -1.
func expressionAt(text []byte, exprs []expression, line int) int {
	for i, e := range exprs {
		last := e.line + bytes.Count(text[e.start:e.end], []byte("\n"))
		if e.line <= line && line <= last && !blanked(text, e) {
			return i
		}
	}
	return -1
}

// culprit returns the index of the first value that does not decode when it
// stands alone, or -1: the errors of encoding.TextUnmarshaler have no line.
func culprit(text []byte, exprs []expression) int {
	bare := bytes.Clone(text)
	for i, e := range exprs {
		if !e.table {
			blank(bare, exprs, i)
		}
	}
	for i, e := range exprs {
		if e.table {
			continue
		}
		alone := bytes.Clone(bare)
		copy(alone[e.start:e.end], text[e.start:e.end])
		if toml.Unmarshal(alone, Default()) != nil {
			return i
		}
	}
	return -1
}

// blanked tells whether blank has taken e out of text.
func blanked(text []byte, e expression) bool {
	return len(bytes.TrimSpace(text[e.start:e.end])) == 0
}

// blank writes spaces over expression i, and over all that belongs to it when
// it opens a table, so that the lines of the rest stay what they are.
func blank(text []byte, exprs []expression, i int) {
	start, end := exprs[i].start, exprs[i].end
	if exprs[i].table {
		start = bytes.LastIndexByte(text[:start], '\n') + 1
		end += bytes.IndexByte(append(text[end:len(text):len(text)], '\n'), '\n')
		for j := i + 1; j < len(exprs) && !exprs[j].table; j++ {
			end = max(end, exprs[j].end)
		}
	}
	for j := start; j < end; j++ {
		if text[j] != '\n' {
			text[j] = ' '
		}
	}
}
