package config

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
)

// Sample returns an annotated sample configuration that loads as it is: the
// keys a site must choose are filled in with examples, all others stand there
// with their defaults, commented out.
func Sample() []byte {
	c := Default()
	return c.render(true)
}

// Format returns c as an annotated configuration file: keys that differ from
// their defaults are set, all others stand there commented out.
func Format(c *Config) []byte { return c.render(false) }

const preamble = `# Configuration of vanthu. Lines that begin with "#" and a key show its default;
# remove the "#" to change it. "vanthu check" tells what is wrong with this file.
# Files and folders count from the folder this file lies in.
# Any key but those of routes can be overridden by the environment, such as
# smtp.submission by VANTHU_SMTP_SUBMISSION.
`

func (c *Config) render(sample bool) []byte {
	comments := fieldComments()
	defaults := make(map[string]string)
	for _, k := range Default().keys() {
		if !k.section() {
			defaults[k.path] = literal(k.value)
		}
	}
	var b strings.Builder
	b.WriteString(preamble)
	comment := func(k key) {
		b.WriteByte('\n')
		for line := range strings.Lines(comments[k.owner.Name()+"."+k.field]) {
			b.WriteString("# " + line)
		}
	}
	routeDefaults := make(map[string]string)
	for _, k := range structKeys(reflect.ValueOf(new(defaultRoute())).Elem(), "route.", "") {
		routeDefaults[k.path] = literal(k.value)
	}
	exampleRoute := len(c.Routes) == 0
	routes := *c
	if exampleRoute {
		routes.Routes = []Route{defaultRoute()}
	}
	for _, k := range routes.keys() {
		name := k.path[strings.LastIndexByte(k.path, '.')+1:]
		inRoute := strings.HasPrefix(k.path, "route[")
		switch {
		case inRoute && !strings.Contains(k.path, "."):
			comment(k)
			b.WriteString(off(exampleRoute) + "[[route]]\n")
		case k.section():
			comment(k)
			b.WriteString("[" + k.path + "]\n")
		default:
			value := literal(k.value)
			standard := defaults[k.path]
			if inRoute {
				standard = routeDefaults[indexless(k.path)]
			}
			if k.sample != "" && (sample || inRoute && exampleRoute) {
				value = k.sample
			}
			comment(k)
			fmt.Fprintf(&b, "%s%s = %s\n", off(value == standard || inRoute && exampleRoute), name, value)
		}
	}
	return []byte(b.String())
}

func off(yes bool) string {
	if yes {
		return "#"
	}
	return ""
}

// literal writes a value as TOML.
func literal(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case slog.Level:
		return strconv.Quote(strings.ToLower(value.String()))
	case fmt.Stringer:
		return strconv.Quote(value.String())
	}
	switch v.Kind() {
	case reflect.String:
		return quote(v.String())
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = literal(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return fmt.Sprint(v.Interface()) // bool, int
}

// quote writes a TOML basic string. TOML 1.0, section String.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// fieldComments returns the doc comment of every field in this package's
// configuration structs, as "SMTP.Relay" -> text.
func fieldComments() map[string]string {
	comments := make(map[string]string)
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", source, parser.ParseComments)
	if err != nil {
		panic("config: its own source does not parse: " + err.Error()) // it compiled
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		fields, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, f := range fields.Fields.List {
			for _, name := range f.Names {
				comments[spec.Name.Name+"."+name.Name] = f.Doc.Text()
			}
		}
		return true
	})
	return comments
}
