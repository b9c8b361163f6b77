package directory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

const (
	qInsertAccount = `INSERT INTO account (login, name, state, quota_mib, created_us) VALUES ($1, $2, $3, $4, $5) RETURNING id`
	qUpdateAccount = `UPDATE account SET name = $1, quota_mib = $2, quota_messages = $3 WHERE id = $4`
	qSetState      = `UPDATE account SET state = $1, successor = '', vacated_us = 0 WHERE id = $2`
	qVacate        = `UPDATE account SET state = 'disabled', successor = $1, vacated_us = $2 WHERE id = $3`
	qInsertRole    = `INSERT INTO account_role (account_id, unit_id, role) VALUES ($1, $2, $3)`
	qDeleteRoles   = `DELETE FROM account_role WHERE account_id = $1`
	qSetCredential = `INSERT INTO credential (account_id, scheme, secret, scram, changed_us) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account_id) DO UPDATE SET scheme = excluded.scheme, secret = excluded.secret, scram = excluded.scram, changed_us = excluded.changed_us`
)

// newAccount is an account on its way into the tables. One of the two is set:
// hash of a given password, made a new one.
type newAccount struct {
	Account
	hash string
	made Password

	keys    scramKeys // of either
	hasKeys bool
}

// CreateAccount adds an account and returns it with its id. An empty password
// lets one be made, which is returned, once. ID and State of a do not count.
// Errors are of kind fault.Invalid when a field is wrong, fault.Conflict when the
// login is taken as an address.
func (d *Directory) CreateAccount(ctx context.Context, actor journal.Actor, a Account, p Password) (Account, Password, error) {
	n := newAccount{Account: a}
	if p != "" {
		if err := d.checkPassword(p); err != nil {
			return Account{}, "", err
		}
	}
	if err := d.prepare(ctx, &n, p); err != nil {
		return Account{}, "", err
	}
	check := func(s *Snapshot) (err error) {
		n.Account, err = s.checkAccount(n.Account)
		return err
	}
	err := d.change(ctx, check, func(tx *sqldb.Tx) error { return d.insertAccount(ctx, tx, actor, &n) })
	if err != nil {
		return Account{}, "", err
	}
	return n.Account, n.made, nil
}

// prepare hashes the password of a new account, or makes one, before the transaction that writes it.
func (d *Directory) prepare(ctx context.Context, n *newAccount, p Password) (err error) {
	if p == "" {
		p = makePassword()
		n.made = p
	} else if n.hash, err = d.hash(ctx, p); err != nil {
		return err
	}
	if id, ok := Login(n.Login.String()).parse(); ok { // the form that checkAccount brings it to
		n.keys, n.hasKeys = d.seals.makeKeys(id, p)
	}
	return nil
}

// checkAccount returns a in canonical form, ready to be inserted.
func (s *Snapshot) checkAccount(a Account) (Account, error) {
	a.ID, a.State, a.Name, a.Roles = 0, Active, cleanText(a.Name), slices.Clone(a.Roles)
	login, err := s.localAddress(a.Login)
	if err != nil {
		return a, err
	}
	if id, ok := Login(login.String()).parse(); !ok || id != login {
		return a, invalid(fault.Text{
			EN: fmt.Sprintf("login %s may contain a-z, 0-9, dot, hyphen and underscore only", login),
			VI: fmt.Sprintf("tên đăng nhập %s chỉ được có a-z, 0-9, dấu chấm, gạch nối và gạch dưới", login),
		})
	}
	a.Login = login
	if err := s.free(login); err != nil {
		return a, err
	}
	if err := checkName(a.Name); err != nil {
		return a, err
	}
	if err := checkQuota(a.QuotaMiB); err != nil {
		return a, err
	}
	return a, s.checkRoles(a.Roles)
}

// hash computes Argon2id when its turn comes.
func (d *Directory) hash(ctx context.Context, p Password) (string, error) {
	select {
	case d.login.slots <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-d.login.slots }()
	return hashArgon2(p), nil
}

// sealed gives what is stored of the SCRAM keys; nothing when the password can have none.
func (d *Directory) sealed(n *newAccount) string {
	if !n.hasKeys {
		return ""
	}
	return d.seals.seal(n.ID, n.keys)
}

func (d *Directory) insertAccount(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, n *newAccount) error {
	now := d.now()
	row := tx.QueryRow(ctx, qInsertAccount, text(n.Login), n.Name, string(n.State), n.QuotaMiB, sqldb.Micros(now))
	if err := row.Scan(&n.ID); err != nil {
		return fmt.Errorf("insert account: %w", err)
	}
	if err := insertRoles(ctx, tx, n.ID, n.Roles); err != nil {
		return err
	}
	c := credential{scheme: schemeArgon2, secret: n.hash, changed: now}
	if n.made != "" {
		c = credential{scheme: schemeMade, secret: d.hashMade(n.ID, n.made), changed: now}
	}
	c.scram = d.sealed(n)
	if err := setCredential(ctx, tx, n.ID, c); err != nil {
		return err
	}
	return d.record(ctx, tx, journal.Event{
		Type: "account.created", Actor: actor, Subject: n.Login.String(), Unit: homeUnit(n.Roles),
		Data: struct {
			ID       AccountID    `json:"id"`
			Roles    []Assignment `json:"roles"`
			QuotaMiB int64        `json:"quota_mib"`
			Password string       `json:"password"`
		}{n.ID, append([]Assignment{}, n.Roles...), n.QuotaMiB, c.scheme},
	})
}

func insertRoles(ctx context.Context, tx *sqldb.Tx, id AccountID, roles []Assignment) error {
	for _, r := range roles {
		if _, err := tx.Exec(ctx, qInsertRole, id, r.Unit, string(r.Role)); err != nil {
			return fmt.Errorf("insert role: %w", err)
		}
	}
	return nil
}

func setCredential(ctx context.Context, tx *sqldb.Tx, id AccountID, c credential) error {
	if _, err := tx.Exec(ctx, qSetCredential, id, c.scheme, c.secret, []byte(c.scram), sqldb.Micros(c.changed)); err != nil {
		return fmt.Errorf("set credential: %w", err)
	}
	return nil
}

// homeUnit gives the unit under which the journal files an account's affairs.
func homeUnit(roles []Assignment) int64 {
	if len(roles) == 0 {
		return 0
	}
	return int64(roles[0].Unit)
}

// SetPassword gives the account another password; an empty one lets one be
// made, which is returned, once. Sessions that were opened before are no longer
// valid, see [Snapshot.StillValid]; app passwords stay. Errors are of kind
// fault.NotFound and fault.Invalid.
func (d *Directory) SetPassword(ctx context.Context, actor journal.Actor, id AccountID, p Password) (Password, error) {
	if p != "" {
		if err := d.checkPassword(p); err != nil {
			return "", err
		}
	}
	a, ok := d.Snapshot().Account(id)
	if !ok {
		return "", errNoAccount(id)
	}
	n := newAccount{Account: a} // a login never changes, and no account is ever deleted
	if err := d.prepare(ctx, &n, p); err != nil {
		return "", err
	}
	c := credential{scheme: schemeArgon2, secret: n.hash, scram: d.sealed(&n)}
	if n.made != "" {
		c.scheme, c.secret = schemeMade, d.hashMade(id, n.made)
	}
	d.writing.Lock()
	defer d.writing.Unlock()
	s := d.Snapshot()
	c.changed = d.now().UTC().Truncate(time.Microsecond)
	err := d.update(ctx, func(tx *sqldb.Tx) error {
		if err := setCredential(ctx, tx, id, c); err != nil {
			return err
		}
		return d.recordAccount(ctx, tx, actor, "account.password_set", a, struct {
			Password string `json:"password"`
		}{c.scheme})
	})
	if err != nil {
		return "", err
	}
	d.storeCredential(s, s.accountAt[id], c)
	return n.made, nil
}

// UpdateAccount changes the name and the quota of an account. Errors are of
// kind fault.NotFound and fault.Invalid.
func (d *Directory) UpdateAccount(ctx context.Context, actor journal.Actor, a Account) error {
	var was Account
	name := cleanText(a.Name)
	check := func(s *Snapshot) error {
		var ok bool
		if was, ok = s.Account(a.ID); !ok {
			return errNoAccount(a.ID)
		}
		if err := checkName(name); err != nil {
			return err
		}
		if a.QuotaMessages < 0 || a.QuotaMessages > maxQuotaMessages {
			return invalid(fault.Text{
				EN: "quota must be between 0 and 1000000000 messages", VI: "hạn mức phải từ 0 đến 1000000000 thư",
			})
		}
		return checkQuota(a.QuotaMiB)
	}
	return d.change(ctx, check, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qUpdateAccount, name, a.QuotaMiB, a.QuotaMessages, a.ID); err != nil {
			return fmt.Errorf("update account: %w", err)
		}
		return d.recordAccount(ctx, tx, actor, "account.updated", was, struct {
			QuotaMiB      int64 `json:"quota_mib"`
			QuotaMessages int64 `json:"quota_messages,omitempty"`
			Renamed       bool  `json:"renamed"`
		}{a.QuotaMiB, a.QuotaMessages, name != was.Name})
	})
}

// SetState locks, disables or enables an account. It counts at once, also for
// sessions that are open, see [Snapshot.StillValid]. A successor named by
// [Directory.Vacate] is one no longer. Errors are of kind fault.NotFound and
// fault.Invalid.
func (d *Directory) SetState(ctx context.Context, actor journal.Actor, id AccountID, state State) error {
	var a Account
	check := func(s *Snapshot) error {
		var ok bool
		if a, ok = s.Account(id); !ok {
			return errNoAccount(id)
		}
		if !state.known() {
			return invalid(fault.Text{
				EN: fmt.Sprintf("state must be active, locked or disabled, not %q", state),
				VI: fmt.Sprintf("trạng thái %q không hợp lệ", state),
			})
		}
		return nil
	}
	return d.change(ctx, check, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qSetState, string(state), id); err != nil {
			return fmt.Errorf("set state: %w", err)
		}
		return d.recordAccount(ctx, tx, actor, "account.state_set", a, struct {
			State State `json:"state"`
			Was   State `json:"was"`
		}{state, a.State})
	})
}

// SetRoles replaces the roles of an account. Errors are of kind fault.NotFound and
// fault.Invalid.
func (d *Directory) SetRoles(ctx context.Context, actor journal.Actor, id AccountID, roles []Assignment) error {
	var a Account
	check := func(s *Snapshot) error {
		var ok bool
		if a, ok = s.Account(id); !ok {
			return errNoAccount(id)
		}
		return s.checkRoles(roles)
	}
	return d.change(ctx, check, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qDeleteRoles, id); err != nil {
			return fmt.Errorf("delete roles: %w", err)
		}
		if err := insertRoles(ctx, tx, id, roles); err != nil {
			return err
		}
		return d.recordAccount(ctx, tx, actor, "account.roles_set", a, struct {
			Roles []Assignment `json:"roles"`
			Was   []Assignment `json:"was"`
		}{append([]Assignment{}, roles...), append([]Assignment{}, a.Roles...)})
	})
}

func (d *Directory) recordAccount(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, event string, a Account, data any) error {
	return d.record(ctx, tx, journal.Event{
		Type: event, Actor: actor, Subject: a.Login.String(), Unit: homeUnit(a.Roles), Data: data,
	})
}

func errNoAccount(id AccountID) error {
	return fault.New(fault.NotFound, fault.Text{EN: fmt.Sprintf("no account %d", id), VI: fmt.Sprintf("không có tài khoản %d", id)})
}
