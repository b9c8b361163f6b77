package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

const (
	qInsertUnit = `INSERT INTO unit (code, name, short_name, kind, parent_id, from_us, address, catch_all)
		VALUES ($1, $2, $3, $4, nullif($5, 0), $6, $7, $8) RETURNING id`
	qUpdateUnit = `UPDATE unit SET code = $1, name = $2, short_name = $3, kind = $4, parent_id = nullif($5, 0), from_us = $6, address = $7, catch_all = $8
		WHERE id = $9`
	qCloseUnit       = `UPDATE unit SET to_us = $1 WHERE id = $2`
	qInsertSuccessor = `INSERT INTO unit_successor (unit_id, successor_id, ordinal) VALUES ($1, $2, $3)`
	qInsertLegacy    = `INSERT INTO unit_code_legacy (code, unit_id) VALUES ($1, $2)`
	qDeleteLegacy    = `DELETE FROM unit_code_legacy WHERE unit_id = $1`
)

// unitData is what the journal keeps of a unit.
type unitData struct {
	ID          UnitID   `json:"id"`
	Code        string   `json:"code"`
	LegacyCodes []string `json:"legacy_codes,omitempty"`
	Name        string   `json:"name"`
	ShortName   string   `json:"short_name"`
	Kind        string   `json:"kind"`
	Parent      UnitID   `json:"parent"`
	Address     string   `json:"address"`
	CatchAll    Domain   `json:"catch_all,omitempty"`
}

// CreateUnit adds a unit and returns it with its id. ID, To and Successors
// of u do not count; From may be zero: since ever. Errors are of kind
// fault.Invalid when a field is wrong, fault.Conflict when code, short name or
// address are taken.
func (d *Directory) CreateUnit(ctx context.Context, actor journal.Actor, u Unit) (Unit, error) {
	u.ID, u.To, u.Successors = 0, time.Time{}, nil
	check := func(s *Snapshot) (err error) {
		if u, err = s.checkUnit(u); err != nil {
			return err
		}
		u.Aliases = slices.Clone(u.Aliases)
		for i, a := range u.Aliases {
			if u.Aliases[i], err = s.localAddress(a); err != nil {
				return err
			}
			if err := s.free(u.Aliases[i]); err != nil {
				return err
			}
		}
		return nil
	}
	err := d.change(ctx, check, func(tx *sqldb.Tx) error {
		row := tx.QueryRow(ctx, qInsertUnit, u.Code, u.Name, u.ShortName, u.Kind, u.Parent, sqldb.Micros(u.From), text(u.Address), string(u.CatchAll))
		if err := row.Scan(&u.ID); err != nil {
			return fmt.Errorf("insert unit: %w", err)
		}
		if err := insertLegacy(ctx, tx, u); err != nil {
			return err
		}
		for _, a := range u.Aliases {
			if err := d.insertAlias(ctx, tx, actor, Alias{Address: a, Target: u.Address}); err != nil {
				return err
			}
		}
		return d.recordUnit(ctx, tx, actor, "unit.created", u)
	})
	if err != nil {
		return Unit{}, err
	}
	u, _ = d.Snapshot().Unit(u.ID)
	return u, nil
}

// UpdateUnit changes a unit that exists. To, Successors and Aliases of u do
// not count: see [Directory.CloseUnit] and [Directory.AddAlias]. A former address stays
// as an alias. Errors are as in CreateUnit, and fault.NotFound.
func (d *Directory) UpdateUnit(ctx context.Context, actor journal.Actor, u Unit) (Unit, error) {
	var was Unit
	check := func(s *Snapshot) (err error) {
		var ok bool
		if was, ok = s.Unit(u.ID); !ok {
			return errNoUnit(u.ID)
		}
		if !was.To.IsZero() {
			return errClosedAlready(&was)
		}
		u.To, u.Successors = time.Time{}, nil
		u, err = s.checkUnit(u)
		return err
	}
	err := d.change(ctx, check, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, qUpdateUnit, u.Code, u.Name, u.ShortName, u.Kind, u.Parent, sqldb.Micros(u.From), text(u.Address), string(u.CatchAll), u.ID)
		if err != nil {
			return fmt.Errorf("update unit: %w", err)
		}
		if _, err := tx.Exec(ctx, qDeleteLegacy, u.ID); err != nil {
			return fmt.Errorf("delete former codes: %w", err)
		}
		if err := insertLegacy(ctx, tx, u); err != nil {
			return err
		}
		if u.Address != was.Address {
			if _, err := tx.Exec(ctx, qDeleteAlias, text(u.Address)); err != nil { // its own, as checked
				return fmt.Errorf("delete alias: %w", err)
			}
			if err := d.insertAlias(ctx, tx, actor, Alias{Address: was.Address, Target: u.Address}); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, qRetargetAliases, text(u.Address), text(was.Address)); err != nil {
				return fmt.Errorf("point aliases to the new address: %w", err)
			}
		}
		return d.recordUnit(ctx, tx, actor, "unit.updated", u)
	})
	if err != nil {
		return Unit{}, err
	}
	u, _ = d.Snapshot().Unit(u.ID)
	return u, nil
}

// CloseUnit ends a unit at a moment, which may lie ahead, and names who takes over: mail
// for it goes to them from then on. A closed unit stays in the directory and cannot be opened
// again. Errors are of kind fault.NotFound, fault.Invalid for impossible
// successors or dates, fault.Conflict when it is closed already or units below it still
// exist.
func (d *Directory) CloseUnit(ctx context.Context, actor journal.Actor, id UnitID, at time.Time, successors []UnitID) error {
	var u Unit
	check := func(s *Snapshot) error {
		var ok bool
		if u, ok = s.Unit(id); !ok {
			return errNoUnit(id)
		}
		if !u.To.IsZero() {
			return errClosedAlready(&u)
		}
		if at.IsZero() || !at.After(u.From) {
			return invalid(fault.Text{
				EN: "the end must come after the beginning", VI: "ngày kết thúc phải sau ngày thành lập",
			})
		}
		for i := range s.units {
			if c := &s.units[i]; c.Parent == id && c.Exists(at) {
				return conflict(fault.Text{
					EN: fmt.Sprintf("unit %s below it still exists", c.Code),
					VI: fmt.Sprintf("đơn vị trực thuộc %s vẫn còn hoạt động", c.Code),
				})
			}
		}
		for i, next := range successors {
			n, ok := s.Unit(next)
			if !ok || next == id || !n.Exists(at) || slices.Contains(successors[:i], next) {
				return invalid(fault.Text{
					EN: fmt.Sprintf("unit %d cannot be the successor: it must be another one that exists then, named once", next),
					VI: fmt.Sprintf("đơn vị %d không thể kế thừa: phải là đơn vị khác đang hoạt động tại thời điểm đó", next),
				})
			}
		}
		return nil
	}
	return d.change(ctx, check, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qCloseUnit, sqldb.Micros(at), id); err != nil {
			return fmt.Errorf("close unit: %w", err)
		}
		for i, next := range successors {
			if _, err := tx.Exec(ctx, qInsertSuccessor, id, next, i); err != nil {
				return fmt.Errorf("insert successor: %w", err)
			}
		}
		return d.record(ctx, tx, journal.Event{
			Type: "unit.closed", Actor: actor, Subject: u.Code, Unit: int64(id),
			Data: struct {
				At         int64    `json:"at"`
				Successors []UnitID `json:"successors"`
			}{sqldb.Micros(at), append([]UnitID{}, successors...)},
		})
	})
}

// checkUnit returns u in canonical form; u.ID is 0 for a new one.
func (s *Snapshot) checkUnit(u Unit) (Unit, error) {
	u.Code, u.Name, u.ShortName, u.Kind = foldCode(u.Code), cleanText(u.Name), cleanText(u.ShortName), cleanText(u.Kind)
	u.LegacyCodes = slices.Clone(u.LegacyCodes)
	if err := checkCode(u.Code); err != nil {
		return u, err
	}
	if err := checkName(u.Name); err != nil {
		return u, err
	}
	if err := checkShortName(u.ShortName); err != nil {
		return u, err
	}
	if unfit(u.Kind) || len(u.Kind) > maxName {
		return u, invalid(fault.Text{EN: "kind of unit is too long or has control characters", VI: "loại đơn vị không hợp lệ"})
	}
	if err := s.checkParent(u); err != nil {
		return u, err
	}
	if err := s.checkUnique(u); err != nil {
		return u, err
	}
	if err := s.checkCatchAll(&u); err != nil {
		return u, err
	}
	for i, c := range u.LegacyCodes {
		c = foldCode(c)
		if err := checkLegacyCode(c); err != nil {
			return u, err
		}
		if other, ok := s.UnitByCode(c); ok && other.ID != u.ID || slices.Contains(u.LegacyCodes[:i], c) {
			return u, errTaken(fault.Text{EN: "former unit code " + c, VI: "mã định danh cũ " + c})
		}
		u.LegacyCodes[i] = c
	}
	a, err := s.localAddress(u.Address)
	if err != nil {
		return u, err
	}
	u.Address = a
	if p, _, ok := s.follow(a); u.ID != 0 && ok && p.kind == TargetUnit && s.units[p.index].ID == u.ID {
		return u, nil // its own, or an alias of its own
	}
	return u, s.free(a)
}

func (s *Snapshot) checkParent(u Unit) error {
	for id, n := u.Parent, 0; id != 0; n++ {
		p, ok := s.Unit(id)
		if !ok || id == u.ID || n > len(s.units) {
			return invalid(fault.Text{
				EN: fmt.Sprintf("unit %d cannot be the one above: it must be another unit that is not below this one", u.Parent),
				VI: fmt.Sprintf("đơn vị %d không thể là đơn vị cấp trên", u.Parent),
			})
		}
		id = p.Parent
	}
	return nil
}

func (s *Snapshot) checkUnique(u Unit) error {
	for i := range s.units {
		o := &s.units[i]
		if o.ID == u.ID || !o.To.IsZero() {
			continue
		}
		if o.Code == u.Code {
			return errTaken(fault.Text{EN: "unit code " + u.Code, VI: "mã định danh " + u.Code})
		}
		if strings.EqualFold(o.ShortName, u.ShortName) {
			return errTaken(fault.Text{EN: "short name " + u.ShortName, VI: "tên viết tắt " + u.ShortName})
		}
	}
	return nil
}

// checkCatchAll wants a domain of ours that no other unit catches.
func (s *Snapshot) checkCatchAll(u *Unit) error {
	u.CatchAll = Domain(strings.ToLower(string(u.CatchAll)))
	if u.CatchAll == "" {
		return nil
	}
	if !s.isLocal[u.CatchAll] {
		return invalid(fault.Text{
			EN: fmt.Sprintf("domain %s is not ours; add it first", u.CatchAll),
			VI: fmt.Sprintf("tên miền %s không thuộc máy chủ này; cần thêm tên miền trước", u.CatchAll),
		})
	}
	for i := range s.units {
		if o := &s.units[i]; o.ID != u.ID && o.CatchAll == u.CatchAll && o.To.IsZero() {
			return conflict(fault.Text{
				EN: fmt.Sprintf("unit %s gets the unknown addresses of %s already", o.Code, u.CatchAll),
				VI: fmt.Sprintf("đơn vị %s đã nhận các địa chỉ chưa biết của %s", o.Code, u.CatchAll),
			})
		}
	}
	return nil
}

func insertLegacy(ctx context.Context, tx *sqldb.Tx, u Unit) error {
	for _, c := range u.LegacyCodes {
		if _, err := tx.Exec(ctx, qInsertLegacy, c, u.ID); err != nil {
			return fmt.Errorf("insert former code: %w", err)
		}
	}
	return nil
}

func (d *Directory) recordUnit(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, event string, u Unit) error {
	return d.record(ctx, tx, journal.Event{
		Type: event, Actor: actor, Subject: u.Code, Unit: int64(u.ID),
		Data: unitData{u.ID, u.Code, u.LegacyCodes, u.Name, u.ShortName, u.Kind, u.Parent, u.Address.String(), u.CatchAll},
	})
}

func errNoUnit(id UnitID) error {
	return fault.New(fault.NotFound, fault.Text{EN: fmt.Sprintf("no unit %d", id), VI: fmt.Sprintf("không có đơn vị %d", id)})
}

func errClosedAlready(u *Unit) error {
	return conflict(fault.Text{EN: "unit " + u.Code + " is closed", VI: "đơn vị " + u.Code + " đã kết thúc hoạt động"})
}

func errTaken(what fault.Text) error {
	return conflict(fault.Text{EN: what.EN + " is taken already", VI: what.VI + " đã được sử dụng"})
}
