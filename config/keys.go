package config

import (
	"encoding"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
)

// key is one setting or section of Config, found by reflection.
type key struct {
	path   string        // "smtp.relay"; "route[2].host"
	env    string        // "VANTHU_SMTP_RELAY"; "" when the environment cannot set it
	sample string        // TOML value for the sample file, or ""
	owner  reflect.Type  // the struct it is a field of
	field  string        // its Go name there
	value  reflect.Value // settable
}

const envPrefix = "VANTHU_"

// section tells whether the key holds further keys.
func (k key) section() bool {
	return k.value.Kind() == reflect.Struct && !textual(k.value.Type())
}

// keys returns all keys of c in the order of its fields, sections before what
// they hold. Routes appear one by one, under "route[1]", "route[2]" and so on.
func (c *Config) keys() []key {
	return structKeys(reflect.ValueOf(c).Elem(), "", envPrefix)
}

func structKeys(v reflect.Value, path, env string) []key {
	var keys []key
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		k := key{
			path: path + field.Tag.Get("toml"), sample: field.Tag.Get("sample"),
			owner: v.Type(), field: field.Name, value: v.Field(i),
		}
		if name := field.Tag.Get("env"); name != "" {
			k.env = env + name
		}
		if routes, ok := k.value.Interface().([]Route); ok {
			for i := range routes {
				at := routePath(i)
				keys = append(keys, key{path: at, owner: k.owner, field: k.field, value: k.value.Index(i)})
				keys = append(keys, structKeys(k.value.Index(i), at+".", "")...)
			}
			continue
		}
		keys = append(keys, k)
		if k.section() {
			keys = append(keys, structKeys(k.value, k.path+".", env+field.Tag.Get("envPrefix"))...)
		}
	}
	return keys
}

// textual tells whether values of t are written as one string.
func textual(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// wanted says what a value of type t looks like, for problems.
func wanted(t reflect.Type) (what, hint string) {
	switch t {
	case reflect.TypeFor[Duration]():
		return "a duration", `write a number and a unit in quotes, such as "90s", "5m", "4h" or "5d"`
	case reflect.TypeFor[Size]():
		return "a size", `write a whole number and a unit in quotes, such as "512MiB" or "2GiB"`
	case reflect.TypeFor[Listen]():
		return "an address to listen on", `write "127.0.0.1:587" for one interface, ":587" for all, or "off"`
	case reflect.TypeFor[Domain]():
		return "a domain name", `write it in quotes without "@", such as "tinh.example"`
	case reflect.TypeFor[RoleSize]():
		return "a role with a size", `write it in quotes, such as "chuyenvien=25MiB"`
	case reflect.TypeFor[Milter]():
		return "a filter program", `write it in quotes, such as "clamav unix:/run/clamav/milter.ctl timeout=30s failure=later from=relay"`
	case reflect.TypeFor[Organ]():
		return "an organisation", `write code, address and name in quotes, such as "H49.12 h49.12@truc.tinh.example Sở Y tế Quảng Ninh"`
	case reflect.TypeFor[Host]():
		return "a host name", `write it in quotes without port, such as "mail.tinh.example"`
	}
	switch t {
	case reflect.TypeFor[slog.Level]():
		return "a log level", `write "debug", "info", "warn" or "error"`
	case reflect.TypeFor[netip.Prefix]():
		return "a network", `write it in quotes, such as "10.0.0.0/8"`
	case reflect.TypeFor[[]Route]():
		return "a list of routes", "begin each route with a line [[route]] and write its keys below"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text", `write it in quotes, such as "auto"`
	case reflect.Bool:
		return "true or false", "write true or false without quotes"
	case reflect.Int:
		return "a whole number", "write it without quotes and unit, such as 50"
	case reflect.Slice:
		what, hint := wanted(t.Elem())
		return "a list of which each item is " + what, "write the items in [ ], separated by commas; for each, " + hint
	}
	return "a section", "write its name in [ ] on a line of its own and its keys below"
}

// nearest returns the name among known that is closest to name, or "" when
// none is close enough to be what was meant.
func nearest(name string, known []string) string {
	best, bestDistance := "", len(name)/3+1
	for _, k := range known {
		if d := distance(name, k); d <= bestDistance && d < len(k) {
			best, bestDistance = k, d-1
		}
	}
	return best
}

// distance is the number of letters to insert, delete or change to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// indexless takes the numbers off a key path: "route[2].host" is "route.host".
func indexless(path string) string {
	for {
		open := strings.IndexByte(path, '[')
		if open < 0 {
			return path
		}
		end := strings.IndexByte(path[open:], ']')
		if end < 0 {
			return path
		}
		path = path[:open] + path[open+end+1:]
	}
}
