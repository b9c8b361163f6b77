package directory

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// ImportRow is one line of a list of accounts, as it is written there.
type ImportRow struct {
	Line     int    // line in the file, from 1; for messages
	Login    string // address
	Name     string
	Unit     string // code, short name or address of a unit; empty for the whole province
	Roles    string // roles in that unit, parted by blanks or ";"
	Password string // empty: make one
	QuotaMiB string // empty: the default
}

// ImportOptions tunes [Directory.ImportAccounts]; the zero value works.
type ImportOptions struct {
	DryRun   bool                  // only check
	Progress func(done, total int) // called now and then while accounts are written; nil: not
}

// Imported is one new account.
type Imported struct {
	Account Account
	Made    Password // the password that was made, to be shown once; empty when the list gave one
}

// ImportProblem is what is wrong with one line.
type ImportProblem struct {
	Line int
	Text fault.Text
}

// ImportResult tells what an import did, or what keeps it from being done.
type ImportResult struct {
	Total    int             // lines with accounts
	Created  []Imported      // in the order of the list; of a dry run none
	Problems []ImportProblem // when there are any, nothing was changed
}

const (
	importBatch    = 500 // accounts in one transaction
	importHashes   = 50  // given passwords among them: about a second's work
	maxImportRows  = 100_000
	maxImportBytes = 64 << 20
)

// importColumns are the columns of the file; the order is free, login and name must be
// there.
func importColumns() []string {
	return []string{"login", "name", "unit", "roles", "password", "quota_mib"}
}

// ReadAccounts reads a CSV file of accounts (RFC 4180, UTF-8) with the header
// "login,name,unit,roles,password,quota_mib". A byte order mark and ";" in
// place of "," are taken, as spreadsheets write them. An error of kind
// fault.Invalid names its line; the lines after it may still be read.
func ReadAccounts(r io.Reader) iter.Seq2[ImportRow, error] {
	return func(yield func(ImportRow, error) bool) {
		br := bufio.NewReaderSize(io.LimitReader(r, maxImportBytes), 64<<10)
		first, err := br.Peek(3)
		if bytes.Equal(first, []byte("\xef\xbb\xbf")) {
			_, _ = br.Discard(3) // has been peeked at
		}
		if err != nil && !errors.Is(err, io.EOF) {
			yield(ImportRow{}, fmt.Errorf("read list of accounts: %w", err))
			return
		}
		head, _ := br.Peek(1 << 10) // shorter at the end of the file
		line, _, _ := bytes.Cut(head, []byte("\n"))
		c := csv.NewReader(br)
		if bytes.Count(line, []byte(";")) > bytes.Count(line, []byte(",")) {
			c.Comma = ';'
		}
		at, err := readHeader(c)
		if err != nil {
			yield(ImportRow{Line: 1}, err)
			return
		}
		for {
			fields, err := c.Read()
			var syntax *csv.ParseError
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.As(err, &syntax):
				if !yield(ImportRow{Line: syntax.StartLine}, fault.Newf(fault.Invalid, "not CSV: %w", syntax.Err)) {
					return
				}
				continue
			case err != nil:
				yield(ImportRow{}, fmt.Errorf("read list of accounts: %w", err))
				return
			}
			n, _ := c.FieldPos(0)
			get := func(i int) string {
				if at[i] < 0 {
					return ""
				}
				return fields[at[i]]
			}
			if !yield(ImportRow{n, get(0), get(1), get(2), get(3), get(4), get(5)}, nil) {
				return
			}
		}
	}
}

// readHeader gives where each of importColumns stands, -1 for one that is missing.
func readHeader(c *csv.Reader) ([]int, error) {
	want := importColumns()
	header, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, fault.Newf(fault.Invalid, "the file is empty; the first line must be %s", strings.Join(want, ","))
	}
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "not CSV: %w", err)
	}
	at := slices.Repeat([]int{-1}, len(want))
	for i, h := range header {
		j := slices.Index(want, strings.ToLower(strings.TrimSpace(h)))
		if j < 0 || at[j] >= 0 {
			return nil, fault.Newf(fault.Invalid, "column %q is unknown or there twice; the first line must be %s", h, strings.Join(want, ","))
		}
		at[j] = i
	}
	if at[0] < 0 || at[1] < 0 {
		return nil, fault.Newf(fault.Invalid, "column login or name is missing; the first line must be %s", strings.Join(want, ","))
	}
	return at, nil
}

// ImportAccounts adds all accounts of a list, or, when any line is wrong, none:
// then it fails with fault.Invalid and the result names every wrong line.
// Accounts are written in batches; when the disk fails between two, the result
// has those that are there, with their passwords, beside the error.
func (d *Directory) ImportAccounts(
	ctx context.Context, actor journal.Actor, rows iter.Seq2[ImportRow, error], opt ImportOptions,
) (ImportResult, error) {
	var res ImportResult
	var list []ImportRow
	for row, err := range rows {
		switch {
		case err != nil && fault.KindOf(err) != fault.Invalid:
			return res, err
		case err != nil:
			res.Problems = append(res.Problems, ImportProblem{row.Line, fault.Sentence(err)})
		case len(list) == maxImportRows:
			return res, fault.Newf(fault.Invalid, "more than %d accounts in one list", maxImportRows)
		default:
			list = append(list, row)
		}
	}
	res.Total = len(list)
	d.writing.Lock()
	defer d.writing.Unlock()
	accounts := d.checkImport(list, &res)
	if len(res.Problems) > 0 {
		slices.SortStableFunc(res.Problems, func(a, b ImportProblem) int { return a.Line - b.Line })
		return res, fault.New(fault.Invalid, fault.Text{
			EN: fmt.Sprintf("%d lines are wrong, nothing was changed", len(res.Problems)),
			VI: fmt.Sprintf("%d dòng có lỗi, chưa thay đổi gì", len(res.Problems)),
		})
	}
	if opt.DryRun {
		return res, nil
	}
	err := d.writeImport(ctx, actor, list, accounts, opt, &res)
	return res, errors.Join(err, d.reload(context.WithoutCancel(ctx)))
}

// checkImport makes an account of each line and notes what is wrong.
func (d *Directory) checkImport(list []ImportRow, res *ImportResult) []newAccount {
	s := d.Snapshot()
	short := map[string]UnitID{}
	for i := range s.units {
		if u := &s.units[i]; u.To.IsZero() {
			short[strings.ToLower(u.ShortName)] = u.ID
		}
	}
	accounts := make([]newAccount, len(list))
	first := make(map[mail.Address]int, len(list))
	for i, row := range list {
		a, err := s.parseRow(row, short)
		if err == nil {
			a, err = s.checkAccount(a)
		}
		if err == nil && row.Password != "" {
			err = d.checkPassword(Password(row.Password))
		}
		if line, twice := first[a.Login]; err == nil && twice {
			err = invalid(fault.Text{
				EN: fmt.Sprintf("login %s is on line %d already", a.Login, line),
				VI: fmt.Sprintf("tên đăng nhập %s đã có ở dòng %d", a.Login, line),
			})
		}
		if err != nil {
			res.Problems = append(res.Problems, ImportProblem{row.Line, fault.Sentence(err)})
			continue
		}
		first[a.Login] = row.Line
		accounts[i].Account = a
	}
	return accounts
}

// parseRow reads the fields of a line; short has the units by short name in lower case.
func (s *Snapshot) parseRow(row ImportRow, short map[string]UnitID) (Account, error) {
	login, err := mail.ParseAddress(strings.TrimSpace(row.Login), false)
	if err != nil {
		return Account{}, fault.Wrap(fault.Invalid, err, fault.Text{
			EN: fmt.Sprintf("login %q is no address", row.Login), VI: fmt.Sprintf("tên đăng nhập %q không phải là địa chỉ thư", row.Login),
		})
	}
	a := Account{Login: login, Name: row.Name}
	unit, err := s.parseUnit(cleanText(row.Unit), short)
	if err != nil {
		return Account{}, err
	}
	for _, r := range strings.FieldsFunc(row.Roles, func(r rune) bool { return r == ' ' || r == ';' || r == ',' || r == '\t' }) {
		a.Roles = append(a.Roles, Assignment{Unit: unit, Role: Role(strings.ToLower(r))})
	}
	if unit != 0 && len(a.Roles) == 0 {
		return Account{}, invalid(fault.Text{
			EN: "a unit is given but no role; known roles are " + joinRoles(), VI: "có đơn vị nhưng thiếu vai trò; các vai trò: " + joinRoles(),
		})
	}
	if q := strings.TrimSpace(row.QuotaMiB); q != "" {
		if a.QuotaMiB, err = strconv.ParseInt(q, 10, 64); err != nil {
			return Account{}, invalid(fault.Text{EN: fmt.Sprintf("quota %q is no number", q), VI: fmt.Sprintf("hạn mức %q không phải là số", q)})
		}
	}
	return a, nil
}

func (s *Snapshot) parseUnit(name string, short map[string]UnitID) (UnitID, error) {
	if name == "" {
		return 0, nil
	}
	if u, ok := s.UnitByCode(name); ok && u.To.IsZero() {
		return u.ID, nil
	}
	if id, ok := short[strings.ToLower(name)]; ok {
		return id, nil
	}
	if a, err := mail.ParseAddress(name, true); err == nil {
		if u, ok := s.UnitByAddress(a); ok && u.To.IsZero() {
			return u.ID, nil
		}
	}
	return 0, invalid(fault.Text{
		EN: fmt.Sprintf("no unit with code, short name or address %q", name),
		VI: fmt.Sprintf("không có đơn vị với mã, tên viết tắt hoặc địa chỉ %q", name),
	})
}

func (d *Directory) writeImport(
	ctx context.Context, actor journal.Actor, list []ImportRow, accounts []newAccount, opt ImportOptions, res *ImportResult,
) error {
	res.Created = make([]Imported, 0, len(accounts))
	for start, stop := 0, 0; start < len(accounts); start = stop {
		if err := ctx.Err(); err != nil {
			return err
		}
		for given := 0; stop < len(accounts) && stop-start < importBatch && given < importHashes; stop++ {
			if list[stop].Password != "" {
				given++
			}
		}
		batch := accounts[start:stop]
		if err := d.makeHashes(ctx, list[start:stop], batch); err != nil {
			return err
		}
		err := d.update(ctx, func(tx *sqldb.Tx) error {
			for i := range batch {
				if err := d.insertAccount(ctx, tx, actor, &batch[i]); err != nil {
					return fmt.Errorf("line %d: %w", list[start+i].Line, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i := range batch {
			res.Created = append(res.Created, Imported{batch[i].Account, batch[i].made})
		}
		if opt.Progress != nil {
			opt.Progress(stop, len(accounts))
		}
	}
	return nil
}

// makeHashes makes the passwords that are missing and hashes all, side by
// side, before the transaction that writes them.
func (d *Directory) makeHashes(ctx context.Context, rows []ImportRow, batch []newAccount) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cap(d.login.slots))
	for i := range batch {
		g.Go(func() error { return d.prepare(ctx, &batch[i], Password(rows[i].Password)) })
	}
	return g.Wait()
}
