package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// AppPasswordID is the key of an app password; 0 is none.
type AppPasswordID int64

// AppPassword is a password of 128 random bits for one program of its owner's,
// beside the account's own: it can be revoked alone, and stays when the account's
// password changes.
type AppPassword struct {
	ID        AppPasswordID `json:"id"`
	Name      string        `json:"name"`      // what it is for
	Protocols []Protocol    `json:"protocols"` // where it may be used
	Created   time.Time     `json:"created"`
	Used      time.Time     `json:"used,omitzero"` // last log-in, within 10 minutes; zero when there was none
}

// appPassword is what the snapshot has of one.
type appPassword struct {
	id     AppPasswordID
	imap   bool
	smtp   bool
	secret string
	scram  string
}

func (p appPassword) fits(at Protocol) bool { return at == IMAP && p.imap || at == SMTP && p.smtp }

const (
	maxAppPasswords   = 25 // of one account: SCRAM tries them all
	maxAppName        = 64 // characters
	appPasswordUsedBy = 10 * time.Minute
)

const (
	qAppPasswords   = `SELECT account_id, id, protocols, secret, scram FROM app_password ORDER BY account_id, id`
	qAppPasswordsOf = `SELECT id, name, protocols, created_us, used_us FROM app_password WHERE account_id = $1 ORDER BY id`
	qInsertApp      = `INSERT INTO app_password (account_id, name, protocols, secret, scram, created_us) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`
	qDeleteApp      = `DELETE FROM app_password WHERE id = $1`
	qUseApp         = `UPDATE app_password SET used_us = $1 WHERE id = $2`
)

func (s *Snapshot) loadAppPasswords(ctx context.Context, r sqldb.Reader) error {
	s.apps = map[AccountID][]appPassword{}
	return each(ctx, r, qAppPasswords, func(scan func(...any) error) error {
		var id AccountID
		var p appPassword
		var protocols string
		if err := scan(&id, &p.id, &protocols, &p.secret, &p.scram); err != nil {
			return err
		}
		for _, name := range strings.Fields(protocols) {
			p.imap = p.imap || Protocol(name) == IMAP
			p.smtp = p.smtp || Protocol(name) == SMTP
		}
		s.apps[id] = append(s.apps[id], p)
		return nil
	})
}

// hashApp is hashMade for app passwords: neither is worth anything as the other.
func (d *Directory) hashApp(id AccountID, p Password) string {
	h := hmac.New(sha256.New, d.secret)
	h.Write([]byte("vanthu app password\x00" + strconv.FormatInt(int64(id), 10) + "\x00" + madeForm(p)))
	return base64.RawStdEncoding.EncodeToString(h.Sum(nil))
}

// appPasswordOf gives the app password of the account that at brings; 0 when it is none, or not for this protocol.
func (d *Directory) appPasswordOf(s *Snapshot, id AccountID, at Attempt) AppPasswordID {
	list := s.apps[id]
	if len(list) == 0 || len(madeForm(at.Password)) != madeLength {
		return 0
	}
	got := []byte(d.hashApp(id, at.Password))
	for _, p := range list {
		if subtle.ConstantTimeCompare(got, []byte(p.secret)) == 1 && p.fits(at.Protocol) {
			return p.id
		}
	}
	return 0
}

// noteUse writes down when an app password was used, not more often than every ten minutes. A failure costs nothing but the note.
func (d *Directory) noteUse(ctx context.Context, id AppPasswordID, now time.Time) {
	if !d.login.noteUse(id, now) {
		return
	}
	err := d.db.Update(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, qUseApp, sqldb.Micros(now), id)
		return err
	})
	if err != nil {
		d.log.Warn("cannot note the use of an app password", "app_password", int64(id), "err", err)
	}
}

// AppPasswords returns the app passwords of an account, oldest first.
func (d *Directory) AppPasswords(ctx context.Context, id AccountID) ([]AppPassword, error) {
	if _, ok := d.Snapshot().Account(id); !ok {
		return nil, errNoAccount(id)
	}
	list := []AppPassword{}
	err := d.db.View(ctx, func(r sqldb.Reader) error {
		rows, err := r.Query(ctx, qAppPasswordsOf, id)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // Err tells what went wrong
		for rows.Next() {
			var p AppPassword
			var protocols string
			var created, used int64
			if err := rows.Scan(&p.ID, &p.Name, &protocols, &created, &used); err != nil {
				return err
			}
			for _, name := range strings.Fields(protocols) {
				p.Protocols = append(p.Protocols, Protocol(name))
			}
			p.Created = sqldb.Time(created)
			p.Used = sqldb.Time(used)
			list = append(list, p)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read app passwords: %w", err)
	}
	return list, nil
}

// AddAppPassword makes an app password for an account and returns it, once.
// Without protocols it is for all. Errors are of kind fault.NotFound,
// fault.Invalid, fault.Conflict when the account has one of this name, and
// fault.Exhausted when it has too many.
func (d *Directory) AddAppPassword(ctx context.Context, actor journal.Actor, id AccountID, name string, protocols []Protocol) (AppPassword, Password, error) {
	p := AppPassword{Name: cleanText(name), Created: d.now().UTC().Truncate(time.Microsecond)}
	var err error
	if p.Protocols, err = checkAppPassword(p.Name, protocols); err != nil {
		return AppPassword{}, "", err
	}
	a, ok := d.Snapshot().Account(id)
	if !ok {
		return AppPassword{}, "", errNoAccount(id)
	}
	made := makePassword()
	keys, _ := d.seals.makeKeys(a.Login, made) // letters and digits pass SASLprep
	check := func(s *Snapshot) error {
		if len(s.apps[id]) >= maxAppPasswords {
			return fault.New(fault.Exhausted, fault.Text{
				EN: fmt.Sprintf("%s has %d app passwords already: revoke one first", a.Login, maxAppPasswords),
				VI: fmt.Sprintf("%s đã có %d mật khẩu ứng dụng, hãy thu hồi bớt", a.Login, maxAppPasswords),
			})
		}
		return nil
	}
	words := make([]string, len(p.Protocols))
	for i, w := range p.Protocols {
		words[i] = string(w)
	}
	err = d.change(ctx, check, func(tx *sqldb.Tx) error {
		row := tx.QueryRow(ctx, qInsertApp, id, p.Name, strings.Join(words, " "), d.hashApp(id, made), []byte(d.seals.seal(id, keys)), sqldb.Micros(p.Created))
		if err := row.Scan(&p.ID); err != nil {
			return fmt.Errorf("insert app password: %w", err)
		}
		return d.recordAccount(ctx, tx, actor, "account.app_password_added", a, struct {
			ID        AppPasswordID `json:"id"`
			Name      string        `json:"name"`
			Protocols []Protocol    `json:"protocols"`
		}{p.ID, p.Name, p.Protocols})
	})
	if sqldb.IsUnique(err) {
		err = fault.Wrap(fault.Conflict, err, fault.Text{
			EN: fmt.Sprintf("%s has an app password named %q already", a.Login, p.Name),
			VI: fmt.Sprintf("%s đã có mật khẩu ứng dụng tên %q", a.Login, p.Name),
		})
	}
	if err != nil {
		return AppPassword{}, "", err
	}
	return p, made, nil
}

// checkAppPassword returns the protocols in order, each once.
func checkAppPassword(name string, protocols []Protocol) ([]Protocol, error) {
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		return nil, invalid(fault.Text{EN: "name of the app password is missing", VI: "thiếu tên mật khẩu ứng dụng"})
	case n > maxAppName || unfit(name):
		return nil, invalid(fault.Text{
			EN: fmt.Sprintf("name of an app password has up to %d characters and no control characters", maxAppName),
			VI: fmt.Sprintf("tên mật khẩu ứng dụng có tối đa %d ký tự và không có ký tự điều khiển", maxAppName),
		})
	}
	all := []Protocol{IMAP, SMTP}
	if len(protocols) == 0 {
		return all, nil
	}
	for _, p := range protocols {
		if !slices.Contains(all, p) {
			return nil, invalid(fault.Text{
				EN: fmt.Sprintf("protocol %q is not one of imap, smtp", p), VI: fmt.Sprintf("giao thức %q phải là imap hoặc smtp", p),
			})
		}
	}
	return slices.DeleteFunc(all, func(p Protocol) bool { return !slices.Contains(protocols, p) }), nil
}

// RevokeAppPassword takes an app password, named by its id, from an account. Sessions that it has
// opened are no longer valid, see [Snapshot.StillValid]. Errors are of kind
// fault.NotFound.
func (d *Directory) RevokeAppPassword(ctx context.Context, actor journal.Actor, id AccountID, app AppPassword) error {
	a, ok := d.Snapshot().Account(id)
	if !ok {
		return errNoAccount(id)
	}
	check := func(s *Snapshot) error {
		if slices.ContainsFunc(s.apps[id], func(p appPassword) bool { return p.id == app.ID }) {
			return nil
		}
		return fault.New(fault.NotFound, fault.Text{
			EN: fmt.Sprintf("%s has no app password %d", a.Login, app.ID), VI: fmt.Sprintf("%s không có mật khẩu ứng dụng %d", a.Login, app.ID),
		})
	}
	return d.change(ctx, check, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qDeleteApp, app.ID); err != nil {
			return fmt.Errorf("delete app password: %w", err)
		}
		return d.recordAccount(ctx, tx, actor, "account.app_password_revoked", a, struct {
			ID   AppPasswordID `json:"id"`
			Name string        `json:"name"`
		}{app.ID, app.Name})
	})
}
