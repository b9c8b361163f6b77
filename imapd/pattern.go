package imapd

import (
	"bytes"
	"strings"
)

// Limits of LIST patterns (design, reliability.md section 3).
const (
	maxPattern   = 1 << 10 // octets
	maxWildcards = 20
)

// pattern matches mailbox names against a LIST pattern in time linear in the name for a given pattern: it runs all alternatives side
// by side instead of trying one after the other.
type pattern struct {
	steps []byte // the pattern, runs of wildcards collapsed
	min   int    // octets a name needs at least
	inbox *pattern
}

// newPattern compiles a pattern in which "*" matches anything and "%" anything without '/'. It reports false beyond the limits.
func newPattern(s string) (*pattern, bool) {
	p, ok := compilePattern(s)
	if !ok {
		return nil, false
	}
	p.inbox, _ = compilePattern(strings.ToUpper(s)) // INBOX is the one name without case (RFC 9051, section 5.1)
	return p, true
}

func compilePattern(s string) (*pattern, bool) {
	if len(s) > maxPattern {
		return nil, false
	}
	p := &pattern{steps: make([]byte, 0, len(s))}
	wild := 0
	for i := range len(s) {
		ch := s[i]
		if ch != '*' && ch != '%' {
			p.min++
			p.steps = append(p.steps, ch)
			continue
		}
		wild++
		if n := len(p.steps); n > 0 && (p.steps[n-1] == '*' || p.steps[n-1] == ch) {
			continue // "**", "%%" and "*%" say no more than their first
		} else if n > 0 && p.steps[n-1] == '%' {
			p.steps[n-1] = '*'
			continue
		}
		p.steps = append(p.steps, ch)
	}
	return p, wild <= maxWildcards
}

// match tells whether the pattern matches the whole name.
func (p *pattern) match(name string) bool {
	if name == "INBOX" && p.inbox != nil {
		return p.inbox.run(name)
	}
	return p.run(name)
}

func (p *pattern) run(name string) bool {
	if len(name) < p.min {
		return false
	}
	if bytes.IndexByte(p.steps, '*') < 0 && bytes.IndexByte(p.steps, '%') < 0 {
		return name == string(p.steps)
	}
	// at[i]: the first i steps match what was read so far.
	at := make([]bool, len(p.steps)+1)
	next := make([]bool, len(p.steps)+1)
	p.enter(at, 0)
	for i := range len(name) {
		ch := name[i]
		clear(next)
		alive := false
		for j, on := range at[:len(p.steps)] {
			if !on {
				continue
			}
			switch step := p.steps[j]; {
			case step == '*' || step == '%' && ch != '/':
				p.enter(next, j)
				alive = true
			case step == ch && step != '%':
				p.enter(next, j+1)
				alive = true
			}
		}
		if !alive {
			return false
		}
		at, next = next, at
	}
	return at[len(p.steps)]
}

// enter marks step i, and the steps behind wildcards that may match nothing.
func (p *pattern) enter(set []bool, i int) {
	for ; !set[i]; i++ {
		set[i] = true
		if i == len(p.steps) || p.steps[i] != '*' && p.steps[i] != '%' {
			return
		}
	}
}
