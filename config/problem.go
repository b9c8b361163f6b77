package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File string `json:"file,omitempty"` // the configuration file; "" when the value came from the environment
	Line int    `json:"line,omitempty"` // line in File, from 1; 0 when the key does not stand in it
	Env  string `json:"env,omitempty"`  // the environment variable at fault, or ""
	Key  string `json:"key"`            // key path such as "smtp.relay" or "route[2].host"; "" for the file as a whole
	Text string `json:"text"`           // what is wrong, one sentence
	Hint string `json:"hint,omitempty"` // what to do about it; may be ""
}

// String gives place, key and sentence on one line, and the hint on a second.
func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.Env != "":
		b.WriteString("$" + p.Env)
	case p.Line > 0:
		fmt.Fprintf(&b, "%s:%d", p.File, p.Line)
	default:
		b.WriteString(p.File)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	if p.Hint != "" {
		b.WriteString("\n\thint: " + p.Hint)
	}
	return b.String()
}

// Problems is everything that is wrong with a configuration, in the order of
// the file. It is the error [Load] and [Parse] return for a bad one.
type Problems []Problem

// Error lists the problems, one or two lines each.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sorted puts problems in the order of the file; those without a line follow,
// those of the environment come last.
func (ps Problems) sorted() Problems {
	rank := func(p Problem) int {
		switch {
		case p.Env != "":
			return 1 << 31
		case p.Line == 0:
			return 1 << 30
		}
		return p.Line
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { return rank(a) - rank(b) })
	return ps
}
