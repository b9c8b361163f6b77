package rules

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/directory"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
	"vanthu/internal/worktime"
)

// Absence is a person's notice of absence: what senders are answered, and when.
type Absence struct {
	From    time.Time `json:"from,omitzero"`
	Until   time.Time `json:"until,omitzero"` // zero: until it is taken back
	Days    int       `json:"days,omitempty"` // between two answers to one sender
	Subject string    `json:"subject,omitempty"`
	Text    string    `json:"text,omitempty"`
}

// At tells whether the notice holds at t.
func (a *Absence) At(t time.Time) bool {
	return a != nil && !t.Before(a.From) && (a.Until.IsZero() || t.Before(a.Until))
}

// DefaultDays is how long a sender is not answered again when nothing else is
// said. RFC 5230, section 4.1.
const DefaultDays = 7

// vietnam is the zone of the product.
var vietnam = worktime.Zone

// Words are what an absence says whose holder wrote nothing.
func (a *Absence) words() string {
	if a.Until.IsZero() {
		return "Hiện tôi đang vắng mặt. Tôi đã nhận được thư và sẽ trả lời khi trở lại làm việc."
	}
	last := a.Until.Add(-time.Second).In(vietnam).Format("02/01/2006")
	return "Tôi vắng mặt đến hết ngày " + last + ". Tôi đã nhận được thư và sẽ trả lời khi trở lại làm việc."
}

// SetAbsence says that an account's holder is away, or with nil that they are
// back. An empty text becomes a usual one in Vietnamese. Senders who have been
// answered before are answered anew. Errors are of kind fault.Invalid.
func (s *Store) SetAbsence(ctx context.Context, actor journal.Actor, account directory.AccountID, a *Absence) error {
	if a != nil {
		c := *a
		if c.Days == 0 {
			c.Days = DefaultDays
		}
		if c.From.IsZero() {
			c.From = s.opt.Now()
		}
		if c.Text = norm.NFC.String(strings.TrimSpace(c.Text)); c.Text == "" {
			c.Text = c.words()
		}
		c.Subject = norm.NFC.String(strings.TrimSpace(c.Subject))
		switch {
		case !c.Until.IsZero() && !c.Until.After(c.From):
			return invalid("the end must come after the beginning", "ngày kết thúc phải sau ngày bắt đầu")
		case c.Days < 1 || c.Days > 30:
			return invalid("days must be between 1 and 30", "số ngày phải từ 1 đến 30")
		case !utf8.ValidString(c.Text) || len(c.Text) > 8000 || strings.IndexByte(c.Text, 0) >= 0:
			return invalid("the text is longer than 8000 octets, or no text", "nội dung dài quá 8000 byte hoặc không hợp lệ")
		case c.Subject != "" && !fit(c.Subject):
			return invalid("the subject is too long or has control characters", "tiêu đề quá dài hoặc có ký tự điều khiển")
		}
		a = &c
	}
	o := Owner{Account: account}
	return s.change(ctx, actor, o, "rules.absence_set",
		func(now *Set) (*Set, error) { return newSet(now.Rules, now.Script, a), nil },
		func(tx *sqldb.Tx, _ *Set) (any, error) {
			if _, err := tx.Exec(ctx, qDropAbsence, account); err != nil {
				return nil, err
			}
			if _, err := tx.Exec(ctx, qDropReplies, account, 0); err != nil {
				return nil, err
			}
			data := struct {
				Away  bool  `json:"away"`
				From  int64 `json:"from,omitempty"`
				Until int64 `json:"until,omitempty"`
			}{Away: a != nil}
			if a == nil {
				return data, nil
			}
			data.From, data.Until = sqldb.Micros(a.From), 0
			if !a.Until.IsZero() {
				data.Until = sqldb.Micros(a.Until)
			}
			_, err := tx.Exec(ctx, qPutAbsence, account, data.From, data.Until, a.Days, a.Subject, a.Text, sqldb.Micros(s.opt.Now()))
			return data, err
		})
}

// Handle names an answer, so that a changed one is sent again.
type Handle [16]byte

// HandleOf makes the handle of an answer from its content, or from the name
// that its writer gave it.
func HandleOf(parts ...string) Handle {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return Handle(h.Sum(nil)[:16])
}

const (
	qAnswer = `INSERT INTO auto_reply (account_id, unit_id, handle, sender, sent_us, next_us) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (account_id, unit_id, handle, sender) DO UPDATE SET sent_us = excluded.sent_us, next_us = excluded.next_us
		WHERE auto_reply.next_us <= excluded.sent_us`
	qForgetAnswers = `DELETE FROM auto_reply WHERE next_us <= $1`
	qTrouble       = `INSERT INTO rule_trouble (account_id, unit_id, at_us, text) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`
)

// Answer notes within tx that a sender is answered on behalf of o, and tells
// whether that may be done: not again within the time.
func (s *Store) Answer(ctx context.Context, tx *sqldb.Tx, o Owner, h Handle, sender mail.Address, within time.Duration) (bool, error) {
	now := s.opt.Now()
	n, err := tx.Exec(ctx, qAnswer, o.Account, o.Unit, h[:], sender.Key(), sqldb.Micros(now), sqldb.Micros(now.Add(within)))
	if err != nil {
		return false, fmt.Errorf("note an answer: %w", err)
	}
	if n > 0 {
		if _, err := tx.Exec(ctx, qForgetAnswers, sqldb.Micros(now)); err != nil {
			return false, fmt.Errorf("forget old answers: %w", err)
		}
	}
	return n > 0, nil
}

// Trouble notes within tx that the rules of o could not be run, and tells
// whether o is to be told: once, until the rules change.
func (s *Store) Trouble(ctx context.Context, tx *sqldb.Tx, o Owner, text string) (bool, error) {
	n, err := tx.Exec(ctx, qTrouble, o.Account, o.Unit, sqldb.Micros(s.opt.Now()), text)
	if err != nil {
		return false, fmt.Errorf("note trouble with rules: %w", err)
	}
	return n > 0, nil
}
