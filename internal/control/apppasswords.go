package control

import (
	"context"
	"slices"
	"strconv"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
)

// Calls about app passwords.
const (
	CallAppPasswords   = "account.app_password.list"   // AppPasswordList → []directory.AppPassword
	CallAppPasswordAdd = "account.app_password.add"    // AppPasswordAdd → AppPasswordMade
	CallAppPasswordEnd = "account.app_password.revoke" // AppPasswordRevoke → directory.AppPassword
)

// AppPasswordList asks for those of an account.
type AppPasswordList struct {
	Login string `json:"login"`
}

// AppPasswordAdd describes a new one.
type AppPasswordAdd struct {
	Login     string   `json:"login"`
	Name      string   `json:"name"`
	Protocols []string `json:"protocols,omitempty"` // imap, smtp; none: both
}

// AppPasswordMade is a new one, with the password, which is shown this once.
type AppPasswordMade struct {
	directory.AppPassword
	Password string `json:"password"`
}

// AppPasswordRevoke names one by its name or id.
type AppPasswordRevoke struct {
	Login  string `json:"login"`
	Name   string `json:"name"`
	DryRun bool   `json:"dry_run,omitempty"` // only find it
}

func (s *Service) appPasswords(ctx context.Context, req AppPasswordList, _ Progress) (any, error) {
	a, err := s.account(req.Login)
	if err != nil {
		return nil, err
	}
	return s.Directory.AppPasswords(ctx, a.ID)
}

func (s *Service) appPasswordAdd(ctx context.Context, req AppPasswordAdd, _ Progress) (any, error) {
	a, err := s.account(req.Login)
	if err != nil {
		return nil, err
	}
	protocols := make([]directory.Protocol, len(req.Protocols))
	for i, p := range req.Protocols {
		protocols[i] = directory.Protocol(p)
	}
	p, made, err := s.Directory.AddAppPassword(ctx, actor(), a.ID, req.Name, protocols)
	if err != nil {
		return nil, err
	}
	return AppPasswordMade{p, made.Reveal()}, nil
}

func (s *Service) appPasswordRevoke(ctx context.Context, req AppPasswordRevoke, _ Progress) (any, error) {
	a, err := s.account(req.Login)
	if err != nil {
		return nil, err
	}
	list, err := s.Directory.AppPasswords(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(p directory.AppPassword) bool { return p.Name == req.Name })
	if i < 0 {
		i = slices.IndexFunc(list, func(p directory.AppPassword) bool { return strconv.FormatInt(int64(p.ID), 10) == req.Name })
	}
	if i < 0 {
		return nil, fault.New(fault.NotFound, fault.Text{
			EN: req.Login + " has no app password " + strconv.Quote(req.Name) + "; see vanthu account app-password list " + req.Login,
			VI: req.Login + " không có mật khẩu ứng dụng " + strconv.Quote(req.Name),
		})
	}
	if req.DryRun {
		return list[i], nil
	}
	return list[i], s.Directory.RevokeAppPassword(ctx, actor(), a.ID, list[i])
}
