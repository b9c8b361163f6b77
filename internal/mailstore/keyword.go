package mailstore

import (
	"context"
	"fmt"
	"strings"

	"vanthu/internal/sqldb"
)

const (
	qKeywords      = `SELECT bit, name FROM keyword WHERE mailbox_id = $1 ORDER BY bit`
	qInsertKeyword = `INSERT INTO keyword (mailbox_id, bit, name) VALUES ($1, $2, $3)`
)

// keywords gives the names of a mailbox's keywords by their bit. They are only
// ever added.
func keywords(ctx context.Context, r sqldb.Reader, id MailboxID) (names []string, err error) {
	rows, err := r.Query(ctx, qKeywords, int64(id))
	if err != nil {
		return nil, fmt.Errorf("read keywords of mailbox %d: %w", id, err)
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		var bit int
		var name string
		if err := scan(&bit, &name); err != nil {
			return err
		}
		if bit != len(names) || bit >= MaxKeywords {
			return fmt.Errorf("keyword %d where %d was expected", bit, len(names))
		}
		names = append(names, name)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read keywords of mailbox %d: %w", id, err)
	}
	return names, nil
}

// ValidKeyword reports whether k can be a keyword: an atom of RFC 9051 without
// a backslash and without ']', of at most 64 characters. Anything else, once
// stored, would make the mailbox's FLAGS line unreadable for ever.
func ValidKeyword(k string) bool {
	if k == "" || len(k) > MaxKeywordLen {
		return false
	}
	for i := range len(k) {
		if c := k[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return true
}

// indexFold gives the place of k in names without regard to ASCII case, or -1.
func indexFold(names []string, k string) int {
	for i, n := range names {
		if len(n) == len(k) && strings.EqualFold(n, k) {
			return i
		}
	}
	return -1
}

// Bits turns flags into the bits of one mailbox and gives new keywords a bit.
// It fails with [ErrBadKeyword], [ErrTooManyKeywords] or [ErrNoMailbox].
func (s *Store) Bits(ctx context.Context, tx *sqldb.Tx, mailbox MailboxID, f Flags) (FlagSet, error) {
	return s.bits(ctx, s.pending(tx), mailbox, f, true)
}

func (s *Store) bits(ctx context.Context, p *pending, mailbox MailboxID, f Flags, add bool) (FlagSet, error) {
	set := f.System & SystemFlags
	if len(f.Keywords) == 0 {
		return set, nil
	}
	for _, k := range f.Keywords {
		if !ValidKeyword(k) {
			return 0, ErrBadKeyword
		}
	}
	have, err := keywords(ctx, p.tx, mailbox)
	if err != nil {
		return 0, err
	}
	for _, k := range f.Keywords {
		i := indexFold(have, k)
		if i < 0 && !add {
			continue
		}
		if i < 0 {
			if i, err = s.addKeyword(ctx, p, mailbox, len(have), k); err != nil {
				return 0, err
			}
			have = append(have, k)
		}
		set |= Keyword(i)
	}
	return set, nil
}

func (s *Store) addKeyword(ctx context.Context, p *pending, mailbox MailboxID, bit int, name string) (int, error) {
	if bit >= MaxKeywords {
		return 0, ErrTooManyKeywords
	}
	c, _, err := s.bump(ctx, p, mailbox, delta{})
	if err != nil {
		return 0, err
	}
	if _, err := p.tx.Exec(ctx, qInsertKeyword, int64(mailbox), int64(bit), name); err != nil {
		return 0, fmt.Errorf("add keyword to mailbox %d: %w", mailbox, err)
	}
	c.keywords = append(c.keywords, name)
	return bit, nil
}

// translation turns the keyword bits of one mailbox into those of another.
type translation struct {
	s        *Store
	p        *pending
	from, to MailboxID
	names    []string
	done     map[FlagSet]FlagSet
}

func (t *translation) flags(ctx context.Context, f FlagSet) (FlagSet, error) {
	if t.from == t.to || f&^SystemFlags == 0 {
		return f, nil
	}
	if out, ok := t.done[f]; ok {
		return out, nil
	}
	if t.names == nil {
		names, err := keywords(ctx, t.p.tx, t.from)
		if err != nil {
			return 0, err
		}
		t.names, t.done = names, map[FlagSet]FlagSet{}
	}
	want := Flags{System: f}
	for i, name := range t.names {
		if f&Keyword(i) != 0 {
			want.Keywords = append(want.Keywords, name)
		}
	}
	out, err := t.s.bits(ctx, t.p, t.to, want, true)
	if err != nil {
		return 0, err
	}
	t.done[f] = out
	return out, nil
}
