package imapd

import (
	"strings"

	"vanthu/internal/mailstore"
)

// systemFlag is a system flag's name and bit.
type systemFlag struct {
	name string
	bit  mailstore.FlagSet
}

// systemFlags are the five flags of RFC 9051, section 2.3.2, in the order in which they are written.
var systemFlags = [...]systemFlag{ //nolint:gochecknoglobals // constant
	{`\Answered`, mailstore.Answered},
	{`\Flagged`, mailstore.Flagged},
	{`\Deleted`, mailstore.Deleted},
	{`\Seen`, mailstore.Seen},
	{`\Draft`, mailstore.Draft},
}

// addFlag puts a flag by its name into f. Unknown system flags, \Recent among them, and what cannot be a keyword are refused: a bad
// keyword, once stored, would spoil every later FLAGS line.
func addFlag(f *mailstore.Flags, name string) bool {
	if strings.HasPrefix(name, `\`) {
		for _, sf := range systemFlags {
			if strings.EqualFold(sf.name, name) {
				f.System |= sf.bit
				return true
			}
		}
		return false
	}
	if !mailstore.ValidKeyword(name) || len(f.Keywords) >= mailstore.MaxKeywords {
		return false
	}
	f.Keywords = append(f.Keywords, name)
	return true
}

// parseFlagList reads a parenthesised list of flags.
func parseFlagList(l *lexer) (mailstore.Flags, bool) {
	var f mailstore.Flags
	valid := l.list(func() bool {
		name, isFlag := l.flag()
		return isFlag && addFlag(&f, name)
	})
	return f, valid
}

// appendFlags writes the names of f in parentheses; keywords are the mailbox's names by bit.
func appendFlags(dst []byte, f mailstore.FlagSet, keywords []string) []byte {
	dst = append(dst, '(')
	start := len(dst)
	for _, sf := range systemFlags {
		if f&sf.bit != 0 {
			dst = append(append(dst, sf.name...), ' ')
		}
	}
	if f&^mailstore.SystemFlags != 0 {
		for i, name := range keywords {
			if f&mailstore.Keyword(i) != 0 {
				dst = append(append(dst, name...), ' ')
			}
		}
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1]
	}
	return append(dst, ')')
}
