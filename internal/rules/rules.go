// Package rules keeps what people want done with their mail: rule tables,
// Sieve scripts and notices of absence, of accounts and of units.
//
// It owns the tables sieve_script, mail_rule, absence, auto_reply and
// rule_trouble. Whoever accepts a message asks [Store.Of], which is a look-up in
// memory: most owners have nothing. docs/formats/rules.md has the formats.
package rules

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sieve"
	"vanthu/internal/sqldb"
)

// Owner is whose mail it is: exactly one of the two is set.
type Owner struct {
	Account directory.AccountID
	Unit    directory.UnitID
}

// Options tunes a Store; the zero value works.
type Options struct {
	// MayForward says why an owner's mail may not be sent on to an address; nil
	// lets everything pass. It is asked again for each message.
	MayForward func(o Owner, to mail.Address) error
	Now        func() time.Time // nil means time.Now
}

// Store holds the rules. Its methods may be called concurrently.
type Store struct {
	db      *sqldb.DB
	opt     Options
	sets    atomic.Pointer[map[Owner]*Set]
	writing sync.Mutex // from reading what is there until the change is seen
}

// Open reads the rules kept in db.
func Open(ctx context.Context, db *sqldb.DB, opt Options) (*Store, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Store{db: db, opt: opt}
	sets := map[Owner]*Set{}
	if err := s.load(ctx, sets); err != nil {
		return nil, fmt.Errorf("load the rules: %w", err)
	}
	s.sets.Store(&sets)
	return s, nil
}

// Set is all that an owner has. It never changes, nor may what it gives out.
type Set struct {
	Rules   []Rule
	Script  string   // written by hand, "" for none
	Absence *Absence // nil for none
	compile func() ([]*sieve.Script, error)
}

// Scripts gives what is to be run, in order. It is compiled when first asked for.
func (s *Set) Scripts() ([]*sieve.Script, error) { return s.compile() }

func newSet(list []Rule, script string, absence *Absence) *Set {
	s := &Set{Rules: list, Script: script, Absence: absence}
	s.compile = sync.OnceValues(func() (out []*sieve.Script, err error) {
		for _, text := range []string{Sieve(list), script} {
			if text == "" {
				continue
			}
			c, err := sieve.Compile(text)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
		return out, nil
	})
	return s
}

func (s *Set) empty() bool { return len(s.Rules) == 0 && s.Script == "" && s.Absence == nil }

// Of gives what an owner has, nil for nothing.
func (s *Store) Of(o Owner) *Set { return (*s.sets.Load())[o] }

// of is Of that never gives nil.
func (s *Store) of(o Owner) *Set {
	if set := s.Of(o); set != nil {
		return set
	}
	return newSet(nil, "", nil)
}

const (
	qScripts  = `SELECT account_id, unit_id, text FROM sieve_script`
	qRules    = `SELECT account_id, unit_id, rule FROM mail_rule ORDER BY account_id, unit_id, ordinal`
	qAbsences = `SELECT account_id, from_us, until_us, days, subject, text FROM absence`

	qPutScript   = `INSERT INTO sieve_script (account_id, unit_id, text, changed_us) VALUES ($1, $2, $3, $4)`
	qDropScript  = `DELETE FROM sieve_script WHERE account_id = $1 AND unit_id = $2`
	qPutRule     = `INSERT INTO mail_rule (account_id, unit_id, ordinal, rule) VALUES ($1, $2, $3, $4)`
	qDropRules   = `DELETE FROM mail_rule WHERE account_id = $1 AND unit_id = $2`
	qPutAbsence  = `INSERT INTO absence (account_id, from_us, until_us, days, subject, text, changed_us) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	qDropAbsence = `DELETE FROM absence WHERE account_id = $1`
	qDropTrouble = `DELETE FROM rule_trouble WHERE account_id = $1 AND unit_id = $2`
	qDropReplies = `DELETE FROM auto_reply WHERE account_id = $1 AND unit_id = $2`
)

func (s *Store) load(ctx context.Context, sets map[Owner]*Set) error {
	at := func(o Owner) *Set {
		if sets[o] == nil {
			sets[o] = &Set{}
		}
		return sets[o]
	}
	err := s.db.View(ctx, func(r sqldb.Reader) error {
		clear(sets)
		if err := each(ctx, r, qScripts, func(scan func(...any) error) error {
			var o Owner
			var text string
			if err := scan(&o.Account, &o.Unit, &text); err != nil {
				return err
			}
			at(o).Script = text
			return nil
		}); err != nil {
			return err
		}
		if err := each(ctx, r, qRules, func(scan func(...any) error) error {
			var o Owner
			var text string
			if err := scan(&o.Account, &o.Unit, &text); err != nil {
				return err
			}
			var rule Rule
			if err := json.Unmarshal([]byte(text), &rule); err != nil {
				return fmt.Errorf("a rule of account %d, unit %d: %w", o.Account, o.Unit, err)
			}
			at(o).Rules = append(at(o).Rules, rule)
			return nil
		}); err != nil {
			return err
		}
		return each(ctx, r, qAbsences, func(scan func(...any) error) error {
			var o Owner
			var a Absence
			var from, until int64
			if err := scan(&o.Account, &from, &until, &a.Days, &a.Subject, &a.Text); err != nil {
				return err
			}
			a.From, a.Until = sqldb.Time(from), sqldb.Time(until)
			at(o).Absence = &a
			return nil
		})
	})
	for o, set := range sets {
		sets[o] = newSet(set.Rules, set.Script, set.Absence)
	}
	return err
}

func each(ctx context.Context, r sqldb.Reader, q string, one func(scan func(...any) error) error) error {
	rows, err := r.Query(ctx, q)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells what went wrong
	for rows.Next() {
		if err := one(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// change replaces what an owner has. write makes the rows of it and tells what
// the journal keeps.
func (s *Store) change(ctx context.Context, actor journal.Actor, o Owner, event string,
	next func(now *Set) (*Set, error), write func(tx *sqldb.Tx, set *Set) (data any, err error),
) error {
	if (o.Account == 0) == (o.Unit == 0) {
		return fault.New(fault.Invalid, fault.Text{EN: "rules need exactly one owner", VI: "quy tắc phải thuộc đúng một tài khoản hoặc đơn vị"})
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	set, err := next(s.of(o))
	if err != nil {
		return err
	}
	if _, err := set.Scripts(); err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx *sqldb.Tx) error {
		data, err := write(tx, set)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, qDropTrouble, o.Account, o.Unit); err != nil {
			return fmt.Errorf("forget former trouble: %w", err)
		}
		_, err = journal.Append(ctx, tx, journal.Event{
			At: s.opt.Now(), Type: event, Actor: actor, Subject: o.String(), Unit: int64(o.Unit), Data: data,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("change the rules of %s: %w", o, err)
	}
	old := *s.sets.Load()
	sets := make(map[Owner]*Set, len(old)+1)
	for k, v := range old {
		sets[k] = v
	}
	sets[o] = set
	if set.empty() {
		delete(sets, o)
	}
	s.sets.Store(&sets)
	return nil
}

// String names the owner as the journal does.
func (o Owner) String() string {
	if o.Unit != 0 {
		return fmt.Sprintf("unit/%d", o.Unit)
	}
	return fmt.Sprintf("account/%d", o.Account)
}

// SetScript replaces the script of an owner; "" takes it away. Errors are of kind
// fault.Invalid, with a [sieve.Error] when the script does not compile.
func (s *Store) SetScript(ctx context.Context, actor journal.Actor, o Owner, text string) error {
	return s.change(ctx, actor, o, "rules.script_set",
		func(now *Set) (*Set, error) { return newSet(now.Rules, text, now.Absence), nil },
		func(tx *sqldb.Tx, set *Set) (any, error) {
			if _, err := tx.Exec(ctx, qDropScript, o.Account, o.Unit); err != nil {
				return nil, err
			}
			if text != "" {
				if _, err := tx.Exec(ctx, qPutScript, o.Account, o.Unit, text, sqldb.Micros(s.opt.Now())); err != nil {
					return nil, err
				}
			}
			sum := sha256.Sum256([]byte(text))
			return struct {
				SHA256 string `json:"sha256"`
				Octets int    `json:"octets"`
			}{hex.EncodeToString(sum[:]), len(text)}, nil
		})
}

// SetRules replaces the rule table of an owner by what edit makes of it; edit
// gets a copy. Errors are of kind fault.Invalid or fault.Denied, or edit's.
func (s *Store) SetRules(ctx context.Context, actor journal.Actor, o Owner, edit func(now []Rule) ([]Rule, error)) error {
	return s.change(ctx, actor, o, "rules.table_set",
		func(now *Set) (*Set, error) {
			list, err := edit(append([]Rule{}, now.Rules...))
			if err != nil {
				return nil, err
			}
			if list, err = s.check(o, list); err != nil {
				return nil, err
			}
			return newSet(list, now.Script, now.Absence), nil
		},
		func(tx *sqldb.Tx, set *Set) (any, error) {
			if _, err := tx.Exec(ctx, qDropRules, o.Account, o.Unit); err != nil {
				return nil, err
			}
			forwards := []string{} // who gets mail of somebody else's is worth knowing
			for i, r := range set.Rules {
				text, err := json.Marshal(r)
				if err != nil {
					return nil, err
				}
				if _, err := tx.Exec(ctx, qPutRule, o.Account, o.Unit, i+1, string(text)); err != nil {
					return nil, err
				}
				forwards = append(forwards, r.Forward...)
			}
			return struct {
				Rules    int      `json:"rules"`
				Forwards []string `json:"forwards"`
			}{len(set.Rules), forwards}, nil
		})
}
