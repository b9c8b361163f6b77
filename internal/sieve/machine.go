package sieve

import (
	"slices"
	"strconv"
	"strings"

	"vanthu/internal/mail"
)

// machine is one run.
type machine struct {
	in       Input
	left     int // steps
	stopped  bool
	implicit bool // nothing has cancelled the implicit keep. RFC 5228, section 2.10.2
	flags    []string
	vars     map[string]string
	matched  []string
	actions  []Action
	vacation *Vacation
	sent     int // redirects
	words    *string
}

func itoa(n int) string { return strconv.Itoa(n) }

// step takes one step and more from the budget.
func (m *machine) step(line, more int) *Error {
	if m.left -= 1 + more; m.left < 0 {
		m.left = 0
		return wrong(line, "the script has too much to do with this message", "kịch bản xử lý quá lâu với thư này")
	}
	return nil
}

func (m *machine) block(list []statement) *Error {
	for _, s := range list {
		if e := s(m); e != nil || m.stopped {
			return e
		}
	}
	return nil
}

// add notes an action; the same place or address counts once.
func (m *machine) add(line int, a Action) *Error {
	for i := range m.actions {
		b := &m.actions[i]
		if b.Kind != a.Kind || b.Mailbox != a.Mailbox || b.Use != a.Use || !strings.EqualFold(b.To.Local, a.To.Local) || b.To.Domain != a.To.Domain {
			continue
		}
		b.Create = b.Create || a.Create
		b.Flags = addFlags(b.Flags, a.Flags)
		return nil
	}
	if a.Kind == Redirect {
		if m.sent++; m.sent > MaxRedirects {
			return wrong(line, "the message would be sent on to more than %d addresses", "thư bị chuyển tiếp tới quá %d địa chỉ", MaxRedirects)
		}
	}
	if len(m.actions) >= MaxActions {
		return wrong(line, "more than %d actions for one message", "quá %d thao tác cho một thư", MaxActions)
	}
	m.actions = append(m.actions, a)
	return nil
}

// keep notes a keep, for which there is always room.
func (m *machine) keep(flags []string) {
	for i := range m.actions {
		if m.actions[i].Kind == Keep {
			m.actions[i].Flags = addFlags(m.actions[i].Flags, flags)
			return
		}
	}
	m.actions = append(m.actions, Action{Kind: Keep, Flags: slices.Clone(flags)})
}

func (m *machine) set(line int, name, value string) *Error {
	if m.vars == nil {
		m.vars = map[string]string{}
	}
	if _, ok := m.vars[name]; !ok && len(m.vars) >= maxVariables {
		return wrong(line, "more than %d variables", "quá %d biến", maxVariables)
	}
	m.vars[name] = clip(value, maxValue)
	return nil
}

// header gives the decoded values of all fields of a name.
func (m *machine) header(line int, name string) ([]string, *Error) {
	name = strings.TrimSpace(name)
	var out []string
	for i := range m.in.Header {
		f := &m.in.Header[i]
		if !strings.EqualFold(f.Name, name) {
			continue
		}
		if e := m.step(line, len(f.Value)/stepOctets); e != nil {
			return nil, e
		}
		out = append(out, strings.TrimSpace(mail.DecodeHeader(f.Value)))
	}
	return out, m.step(line, len(m.in.Header)/8)
}

// body gives the text of the message, looked for once.
func (m *machine) body(line int) (string, *Error) {
	if m.words == nil {
		s := ""
		if m.in.Text != nil {
			s = m.in.Text()
		}
		m.words = &s
		return s, m.step(line, len(s)/stepOctets)
	}
	return *m.words, nil
}

// splitFlags gives the flags of a list, each of whose strings may hold
// several; unknown system flags are left out. RFC 5232, section 2.
func splitFlags(list []string) []string {
	var out []string
	for _, s := range list {
		for _, f := range strings.Fields(s) {
			if validFlag(f) {
				out = addFlags(out, []string{f})
			}
		}
	}
	return out
}

func validFlag(f string) bool {
	if name, system := strings.CutPrefix(f, `\`); system {
		switch strings.ToLower(name) {
		case "seen", "answered", "flagged", "deleted", "draft":
			return true
		}
		return false
	}
	return len(f) <= 64 && !strings.ContainsFunc(f, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r)
	})
}

func hasFlag(list []string, f string) bool {
	return slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, f) })
}

// addFlags gives list with more, each flag once.
func addFlags(list, more []string) []string {
	for _, f := range more {
		if !hasFlag(list, f) && len(list) < maxFlags {
			list = append(slices.Clip(list), f)
		}
	}
	return list
}
