package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Verdict is what is done with a message that something is wrong with.
type Verdict string

// The verdicts.
const (
	Refuse Verdict = "refuse"
	Hold   Verdict = "hold"
	Accept Verdict = "accept"
)

// RoleSize is the largest message of a role, written "chuyenvien=25MiB".
type RoleSize struct {
	Role string
	Size Size
}

// String writes it as it is read.
func (r RoleSize) String() string { return r.Role + "=" + r.Size.String() }

// UnmarshalText reads a role and a size.
func (r *RoleSize) UnmarshalText(text []byte) error {
	role, size, ok := strings.Cut(string(text), "=")
	if !ok || role == "" {
		return errNotRoleSize
	}
	r.Role = strings.TrimSpace(role)
	return r.Size.UnmarshalText([]byte(strings.TrimSpace(size)))
}

// Milter is a filter program, written "NAME ADDRESS" and options.
type Milter struct {
	Name    string
	Network string // "tcp" or "unix"
	Address string
	Timeout Duration
	Failure string   // "auto", "later", "mark" or "hold"
	From    []string // "submission", "relay", "lmtp"; empty means all
}

// String writes it as it is read.
func (m Milter) String() string {
	s := m.Name + " " + m.Network + ":" + m.Address
	if m.Timeout != 0 {
		s += " timeout=" + m.Timeout.String()
	}
	if m.Failure != "" {
		s += " failure=" + m.Failure
	}
	if len(m.From) > 0 {
		s += " from=" + strings.Join(m.From, "+")
	}
	return s
}

// UnmarshalText reads a filter program.
func (m *Milter) UnmarshalText(text []byte) error {
	words := strings.Fields(string(text))
	if len(words) < 2 {
		return errNotMilter
	}
	*m = Milter{Name: words[0]}
	if strings.ContainsFunc(m.Name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(":=,;()<>", r) }) {
		return errNotMilter
	}
	var ok bool
	if m.Network, m.Address, ok = strings.Cut(words[1], ":"); !ok || m.Address == "" {
		return errNotMilter
	}
	switch m.Network {
	case "unix":
		if !strings.HasPrefix(m.Address, "/") {
			return errNotMilter
		}
	case "tcp":
		if _, _, err := net.SplitHostPort(m.Address); err != nil {
			return errNotMilter
		}
	default:
		return errNotMilter
	}
	for _, w := range words[2:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "timeout":
			if err := m.Timeout.UnmarshalText([]byte(value)); err != nil || m.Timeout.Std() < time.Second || m.Timeout.Std() > 10*time.Minute {
				return errNotMilter
			}
		case "failure":
			if m.Failure = value; !slices.Contains([]string{"auto", "later", "mark", "hold"}, value) {
				return errNotMilter
			}
		case "from":
			m.From = strings.Split(value, "+")
			for _, f := range m.From {
				if !slices.Contains([]string{"submission", "relay", "lmtp"}, f) {
					return errNotMilter
				}
			}
		default:
			return errNotMilter
		}
	}
	return nil
}

var (
	errNotRoleSize = errors.New("is not a role with a size")
	errNotMilter   = errors.New("is not a filter program")
)

func (c *Config) validateTrust(report report) {
	verdicts := []string{string(Refuse), string(Hold), string(Accept)}
	oneOf(report, "trust.forged", string(c.Trust.Forged), verdicts...)
	oneOf(report, "trust.authorless", string(c.Trust.Authorless), verdicts...)
	oneOf(report, "filters.risky", string(c.Filters.Risky), verdicts...)
	if d := c.Trust.DNS; d != "off" && d != "system" {
		if _, err := netip.ParseAddrPort(d); err != nil {
			report("trust.dns", fmt.Sprintf("%q is neither \"off\", \"system\" nor an address with a port", d), `such as "10.0.0.53:53"`)
		}
	}
	for _, list := range []struct {
		path string
		ext  []string
	}{{"filters.allow", c.Filters.Allow}, {"filters.hold", c.Filters.Hold}} {
		for _, e := range list.ext {
			if e == "" || e != strings.ToLower(e) || strings.ContainsAny(e, ". /") {
				report(list.path, fmt.Sprintf("%q is not an extension", e), `write it in lower case without the dot, such as "pdf"`)
			}
		}
	}
	roles := []string{"vanthu", "lanhdao", "chuyenvien", "quantri", "kiemtra"}
	for i, r := range c.Filters.SizeByRole {
		if !slices.Contains(roles, r.Role) {
			report("filters.size_by_role", fmt.Sprintf("%q is not a role", r.Role), "roles are "+strings.Join(roles, ", "))
		}
		if r.Size < 64<<10 {
			report("filters.size_by_role", fmt.Sprintf("%s is too little for any mail", r.Size), "give at least 64KiB")
		}
		if slices.ContainsFunc(c.Filters.SizeByRole[:i], func(o RoleSize) bool { return o.Role == r.Role }) {
			report("filters.size_by_role", fmt.Sprintf("names %q twice", r.Role), "remove one of the two")
		}
	}
	for i, m := range c.Filters.Milters {
		if slices.ContainsFunc(c.Filters.Milters[:i], func(o Milter) bool { return o.Name == m.Name }) {
			report("filters.milters", fmt.Sprintf("names %q twice", m.Name), "give each program a name of its own")
		}
	}
	if day := 24 * time.Hour; c.Filters.HoldTime.Std() < time.Hour || c.Filters.HoldTime.Std() > 365*day {
		report("filters.hold_time", fmt.Sprintf("%s is not between 1h and 365d", c.Filters.HoldTime), "")
	}
}
