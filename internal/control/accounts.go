package control

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// Calls about accounts.
const (
	CallAccountList   = "account.list"   // AccountList → []directory.Account
	CallAccountAdd    = "account.add"    // AccountAdd → AccountMade
	CallAccountSet    = "account.set"    // AccountSet → AccountMade
	CallAccountImport = "account.import" // AccountImport → AccountImported, with progress
	CallAccountVacate = "account.vacate" // AccountVacate → directory.Account
)

// AccountList narrows a listing.
type AccountList struct {
	Unit string `json:"unit,omitempty"` // only accounts with a role in it
}

// AccountAdd describes a new account.
type AccountAdd struct {
	Login    string   `json:"login"`
	Name     string   `json:"name"`
	Unit     string   `json:"unit,omitempty"` // "" for the whole province
	Roles    []string `json:"roles"`
	Password string   `json:"password,omitempty"` // "" lets one be made
	QuotaMiB int64    `json:"quota_mib,omitempty"`
}

// AccountSet changes an account; what is nil or empty stays.
type AccountSet struct {
	Login         string   `json:"login"`
	Name          string   `json:"name,omitempty"`
	QuotaMiB      *int64   `json:"quota_mib,omitempty"`
	QuotaMessages *int64   `json:"quota_messages,omitempty"` // 0: no limit
	State         string   `json:"state,omitempty"`          // active, locked, disabled
	Unit          string   `json:"unit,omitempty"`           // with Roles: replaces the roles in this unit
	Roles         []string `json:"roles,omitempty"`
	Password      string   `json:"password,omitempty"`
	MakePassword  bool     `json:"make_password,omitempty"`
}

// AccountMade is an account with the password that was made for it, which is
// shown this once.
type AccountMade struct {
	Account  directory.Account `json:"account"`
	Password string            `json:"password,omitempty"`
}

// AccountVacate disables an account and names who gets its mail.
type AccountVacate struct {
	Login     string `json:"login"`
	Successor string `json:"successor"` // an address here
}

// AccountImport is a CSV file with columns login,name,unit,roles,password,quota_mib.
type AccountImport struct {
	CSV    string `json:"csv"`
	DryRun bool   `json:"dry_run,omitempty"`
}

// AccountImported is what became of the rows.
type AccountImported struct {
	Total    int             `json:"total"`
	Created  []ImportedLogin `json:"created"`
	Problems []ImportProblem `json:"problems,omitempty"`
	DryRun   bool            `json:"dry_run,omitempty"`
}

// ImportedLogin is a new account, with the password that was made, if one was.
type ImportedLogin struct {
	Login    string `json:"login"`
	Password string `json:"password,omitempty"`
}

// ImportProblem is what is wrong with one line of the file.
type ImportProblem struct {
	Line int        `json:"line"`
	Text fault.Text `json:"text"`
}

func (s *Service) accountList(_ context.Context, req AccountList, _ Progress) (any, error) {
	all := s.Directory.Snapshot().Accounts()
	if req.Unit == "" {
		return listed(all), nil
	}
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	var some []directory.Account
	for _, a := range all {
		if slices.ContainsFunc(a.Roles, func(r directory.Assignment) bool { return r.Unit == u.ID }) {
			some = append(some, a)
		}
	}
	return listed(some), nil
}

func (s *Service) assignments(unit string, roles []string) ([]directory.Assignment, error) {
	var id directory.UnitID
	if unit != "" {
		u, err := s.unit(unit)
		if err != nil {
			return nil, err
		}
		id = u.ID
	}
	out := make([]directory.Assignment, len(roles))
	for i, r := range roles {
		out[i] = directory.Assignment{Unit: id, Role: directory.Role(r)}
	}
	return out, nil
}

func (s *Service) accountAdd(ctx context.Context, req AccountAdd, _ Progress) (any, error) {
	login, err := mail.ParseAddress(req.Login, false)
	if err != nil {
		return nil, err
	}
	roles, err := s.assignments(req.Unit, req.Roles)
	if err != nil {
		return nil, err
	}
	a, made, err := s.Directory.CreateAccount(ctx, actor(), directory.Account{
		Login: login, Name: req.Name, Roles: roles, QuotaMiB: req.QuotaMiB,
	}, directory.Password(req.Password))
	if err != nil {
		return nil, err
	}
	return AccountMade{a, string(made)}, s.DB.Update(ctx, func(tx *sqldb.Tx) error { return s.Mail.EnsureAccount(ctx, tx, a.ID) })
}

func (s *Service) accountSet(ctx context.Context, req AccountSet, _ Progress) (any, error) {
	a, err := s.account(req.Login)
	if err != nil {
		return nil, err
	}
	if req.Name != "" || req.QuotaMiB != nil || req.QuotaMessages != nil {
		next := a
		if req.Name != "" {
			next.Name = req.Name
		}
		if req.QuotaMiB != nil {
			next.QuotaMiB = *req.QuotaMiB
		}
		if req.QuotaMessages != nil {
			next.QuotaMessages = *req.QuotaMessages
		}
		if err := s.Directory.UpdateAccount(ctx, actor(), next); err != nil {
			return nil, err
		}
	}
	if req.State != "" {
		if err := s.Directory.SetState(ctx, actor(), a.ID, directory.State(req.State)); err != nil {
			return nil, err
		}
	}
	if len(req.Roles) > 0 {
		added, err := s.assignments(req.Unit, req.Roles)
		if err != nil {
			return nil, err
		}
		kept := slices.DeleteFunc(slices.Clone(a.Roles), func(r directory.Assignment) bool { return r.Unit == added[0].Unit })
		if err := s.Directory.SetRoles(ctx, actor(), a.ID, append(kept, added...)); err != nil {
			return nil, err
		}
	}
	var made directory.Password
	if req.Password != "" || req.MakePassword {
		if made, err = s.Directory.SetPassword(ctx, actor(), a.ID, directory.Password(req.Password)); err != nil {
			return nil, err
		}
	}
	a, _ = s.Directory.Snapshot().Account(a.ID)
	return AccountMade{a, string(made)}, nil
}

func (s *Service) accountVacate(ctx context.Context, req AccountVacate, _ Progress) (any, error) {
	a, err := s.account(req.Login)
	if err != nil {
		return nil, err
	}
	next, err := mail.ParseAddress(req.Successor, true)
	if err != nil {
		return nil, err
	}
	if err := s.Directory.Vacate(ctx, actor(), a.ID, next); err != nil {
		return nil, err
	}
	a, _ = s.Directory.Snapshot().Account(a.ID)
	return a, nil
}

// accountImport answers with the problems instead of failing with them, so
// that all of them reach the person who has to mend the file.
func (s *Service) accountImport(ctx context.Context, req AccountImport, p Progress) (any, error) {
	res, err := s.Directory.ImportAccounts(ctx, actor(), directory.ReadAccounts(strings.NewReader(req.CSV)),
		directory.ImportOptions{DryRun: req.DryRun, Progress: p})
	if err != nil && len(res.Problems) == 0 {
		return nil, err
	}
	out := AccountImported{Total: res.Total, DryRun: req.DryRun, Created: make([]ImportedLogin, len(res.Created))}
	for i, c := range res.Created {
		out.Created[i] = ImportedLogin{Login: c.Account.Login.String(), Password: string(c.Made)}
	}
	for _, pr := range res.Problems {
		out.Problems = append(out.Problems, ImportProblem{pr.Line, pr.Text})
	}
	return out, s.makeMailboxes(ctx, res.Created)
}

// makeMailboxes gives new accounts their folders, many in one transaction.
func (s *Service) makeMailboxes(ctx context.Context, created []directory.Imported) error {
	for batch := range slices.Chunk(created, 200) {
		err := s.DB.Update(ctx, func(tx *sqldb.Tx) error {
			for _, c := range batch {
				if err := s.Mail.EnsureAccount(ctx, tx, c.Account.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("make the mailboxes of new accounts: %w", err)
		}
	}
	return nil
}
