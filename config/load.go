package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"

	"vanthu/internal/fault"
)

const (
	fileName   = "vanthu.toml"
	systemFile = "/etc/vanthu/vanthu.toml"
	fileEnv    = envPrefix + "CONFIG"
)

// Find returns the configuration file to use: flag (the value of --config)
// when given, else $VANTHU_CONFIG, else vanthu.toml in the current folder,
// else /etc/vanthu/vanthu.toml. A file that was named must exist; the error
// is of kind fault.NotFound.
func Find(flag string) (string, error) {
	for _, named := range []struct{ by, file string }{{"--config", flag}, {"$" + fileEnv, os.Getenv(fileEnv)}} {
		if named.file == "" {
			continue
		}
		if _, err := os.Stat(named.file); err != nil {
			return "", fault.Newf(fault.NotFound, "%s names %s, which cannot be read: %w", named.by, named.file, err)
		}
		return named.file, nil
	}
	for _, file := range []string{fileName, systemFile} {
		_, err := os.Stat(file)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fault.Newf(fault.NotFound, "the configuration file cannot be read: %w", err)
		}
	}
	return "", fault.Newf(fault.NotFound,
		"there is no configuration: neither %s in the current folder nor %s; name one with --config or make one with \"vanthu init\"",
		fileName, systemFile)
}

// Load reads file, lets environ (as [os.Environ] gives it) override its keys,
// and checks everything. When something is wrong the error is [Problems] and
// holds all of it; a file that cannot be read at all is one problem.
//
// A key such as smtp.submission is overridden by $VANTHU_SMTP_SUBMISSION;
// routes are not. Names in VANTHU_ that mean nothing are problems too, but
// for VANTHU_CONFIG and VANTHU_TEST_….
func Load(file string, environ []string) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, Problems{{File: file, Text: "cannot be read: " + reason(err)}}
	}
	return Parse(file, text, environ)
}

// Parse is [Load] for a text that was already read from file.
func Parse(file string, text []byte, environ []string) (*Config, error) {
	c, lines, problems := decode(file, text)
	if c == nil {
		return nil, problems
	}
	c.origins = make(map[string]origin)
	for path, line := range lines {
		c.origins[path] = origin{file: file, line: line}
	}
	problems = append(problems, c.override(environ)...)

	bad := make(map[string]bool)
	for _, p := range problems {
		bad[indexless(p.Key)] = true
	}
	if err := c.complete(filepath.Dir(file)); err != nil {
		return nil, Problems{{File: file, Text: "the current folder cannot be found: " + err.Error()}}
	}
	c.validate(func(path, text, hint string) {
		if bad[indexless(path)] {
			return // its value is not the one that was written
		}
		o, ok := c.origins[path]
		if !ok { // what is missing is missing in its section
			o = c.origins[path[:max(0, strings.LastIndexByte(path, '.'))]]
		}
		problems = append(problems, Problem{File: file, Line: o.line, Env: o.env, Key: path, Text: text, Hint: hint})
	})
	if len(problems) > 0 {
		return nil, problems.sorted()
	}
	return c, nil
}

// origin is where a value came from; the zero value means the default.
type origin struct {
	file string
	line int
	env  string
}

// Origin tells where the value of the key at path, such as "smtp.relay", came
// from: "file:line", "$VARIABLE" or "default".
func (c *Config) Origin(path string) string {
	switch o := c.origins[path]; {
	case o.env != "":
		return "$" + o.env
	case o.line > 0:
		return fmt.Sprintf("%s:%d", o.file, o.line)
	}
	return "default"
}

// override sets keys from environ, one variable at a time so that each bad
// one is reported.
func (c *Config) override(environ []string) Problems {
	keys := make(map[string]key)
	var names []string
	for _, k := range c.keys() {
		if k.env != "" {
			keys[k.env] = k
			names = append(names, k.env)
		}
	}
	environ = slices.Sorted(slices.Values(environ))
	var problems Problems
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) || name == fileEnv || strings.HasPrefix(name, envPrefix+"TEST_") {
			continue
		}
		k, ok := keys[name]
		if !ok {
			p := Problem{Env: name, Text: "does not name a key of the configuration"}
			if near := nearest(name, names); near != "" {
				p.Hint = "did you mean " + near + "?"
			}
			problems = append(problems, p)
			continue
		}
		what, hint := wanted(k.value.Type())
		if k.value.Kind() == reflect.Slice {
			hint = "separate the items by commas, without brackets and quotes"
		}
		if value == "" {
			problems = append(problems, Problem{
				Env: name, Key: k.path, Text: "is set but empty",
				Hint: `remove the variable to use the file's value; write "off" to turn an address off`,
			})
			continue
		}
		err := env.ParseWithOptions(c, env.Options{Prefix: envPrefix, Environment: map[string]string{name: value}})
		if err != nil {
			problems = append(problems, Problem{
				Env: name, Key: k.path, Text: fmt.Sprintf("%q is not %s", value, what),
				Hint: strings.ReplaceAll(hint, "in quotes", "as it is"),
			})
			continue
		}
		c.origins[k.path] = origin{env: name}
	}
	return problems
}

// complete fills in what follows from other keys, and makes names of files
// absolute, counted from dir.
func (c *Config) complete(dir string) error {
	if c.Server.Hostname == "" && len(c.Domains) > 0 {
		c.Server.Hostname = Host("mail." + string(c.Domains[0]))
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	files := []*string{&c.DataDir, &c.TLS.CertFile, &c.TLS.KeyFile, &c.TLS.ClientCAFile, &c.Journal.KeyFile,
		&c.LDAP.CAFile, &c.LDAP.SearchPasswordFile, &c.OIDC.CAFile, &c.EdXML.Inbox, &c.EdXML.Outbox}
	for i := range c.Documents.Holidays {
		files = append(files, &c.Documents.Holidays[i])
	}
	for i := range c.Routes {
		r, fresh := &c.Routes[i], defaultRoute()
		if _, given := c.origins[routePath(i)+".port"]; !given && r.Port == 0 {
			r.Port = fresh.Port
		}
		if r.TLS == "" {
			r.TLS = fresh.TLS
		}
		r.Fingerprint = strings.ToLower(strings.ReplaceAll(r.Fingerprint, ":", ""))
		files = append(files, &r.PasswordFile)
	}
	for _, file := range files {
		if *file != "" && !filepath.IsAbs(*file) {
			*file = filepath.Join(dir, *file)
		}
	}
	return nil
}

// reason gives the bare cause of a file error, without operation and name.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
