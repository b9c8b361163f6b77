package control

import (
	"context"
	"fmt"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// Calls about the rights on mailboxes.
const (
	CallMailboxRights = "mailbox.acl"   // MailboxNamed → MailboxRights
	CallMailboxGrant  = "mailbox.grant" // MailboxGrant → MailboxGranted
	CallMailboxSet    = "mailbox.set"   // MailboxSet → []MailboxChanged
	CallMailboxQuota  = "mailbox.quota" // MailboxList → MailboxQuota
)

// MailboxSet changes settings of a mailbox and of all below it; without a name
// of all mailboxes of the owner.
type MailboxSet struct {
	MailboxNamed
	Seen string `json:"seen"` // shared, per-user
}

// MailboxChanged is a mailbox that the change made a difference to.
type MailboxChanged struct {
	Name string `json:"name"`
	Seen string `json:"seen"`
}

func (s *Service) mailboxSet(ctx context.Context, req MailboxSet, _ Progress) (any, error) {
	o, err := s.owner(req.Account, req.Unit)
	if err != nil {
		return nil, err
	}
	mode := mailstore.SeenShared
	switch req.Seen {
	case mailstore.SeenShared.String():
	case mailstore.SeenPerUser.String():
		mode = mailstore.SeenPerUser
	default:
		return nil, fault.New(fault.Invalid, fault.Text{
			EN: fmt.Sprintf("--seen must be shared or per-user, not %q", req.Seen),
			VI: fmt.Sprintf("--seen phải là shared hoặc per-user, không phải %q", req.Seen),
		})
	}
	changed, err := s.Mail.SetSeenMode(ctx, actor(), o, req.Name, mode)
	if err != nil {
		return nil, err
	}
	out := make([]MailboxChanged, len(changed))
	for i, m := range changed {
		out[i] = MailboxChanged{m.Name, mode.String()}
	}
	return out, nil
}

// MailboxNamed names a mailbox by whose it is.
type MailboxNamed struct {
	Account string `json:"account,omitempty"` // a login
	Unit    string `json:"unit,omitempty"`
	Name    string `json:"name"` // in the owner's tree, without a namespace
}

// MailboxRights is who may do what with a mailbox. Rights are letters of
// RFC 4314; the owner, who has all, is not among them.
type MailboxRights struct {
	Name   string         `json:"name"`
	Grants []MailboxRight `json:"grants"`
}

// MailboxRight is what one grantee may do.
type MailboxRight struct {
	To     string `json:"to"`
	Rights string `json:"rights"`
	First  string `json:"first,omitempty"` // of rights for a time
	Last   string `json:"last,omitempty"`
}

// MailboxGrant changes what somebody may do with a mailbox.
type MailboxGrant struct {
	MailboxNamed
	To     string `json:"to"` // a login, "anyone", "$vanthu@SYT"
	Rights string `json:"rights"`
	Op     string `json:"op,omitempty"` // "" sets, "add" adds, "remove" takes away
	// First and Last are the days on which the rights hold, such as 2026-12-31,
	// beside those without end; "" for both: without end. Only with "add".
	First string `json:"first,omitempty"`
	Last  string `json:"last,omitempty"`
}

// MailboxGranted is what the change made of the rights.
type MailboxGranted struct {
	To     string `json:"to"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// owner finds whose mailboxes are meant.
func (s *Service) owner(account, unit string) (mailstore.Owner, error) {
	switch {
	case account != "" && unit == "":
		a, err := s.account(account)
		return mailstore.Owner{Account: a.ID}, err
	case unit != "" && account == "":
		u, err := s.unit(unit)
		return mailstore.Owner{Unit: u.ID}, err
	}
	return mailstore.Owner{}, fault.Newf(fault.Invalid, "name either an account or a unit")
}

func (s *Service) mailbox(ctx context.Context, req MailboxNamed) (m mailstore.Mailbox, err error) {
	o, err := s.owner(req.Account, req.Unit)
	if err != nil {
		return m, err
	}
	err = s.DB.View(ctx, func(r sqldb.Reader) error {
		id, err := s.Mail.Named(ctx, r, o, req.Name)
		if err != nil {
			return err
		}
		m, err = s.Mail.MailboxIn(ctx, r, id)
		return err
	})
	return m, err
}

func (s *Service) mailboxRights(ctx context.Context, req MailboxNamed, _ Progress) (any, error) {
	m, err := s.mailbox(ctx, req)
	if err != nil {
		return nil, err
	}
	snap := s.Directory.Snapshot()
	out := MailboxRights{Name: m.Name, Grants: []MailboxRight{}}
	for _, g := range s.Mail.ACL().Given(&m) {
		out.Grants = append(out.Grants, MailboxRight{To: g.Identifier(snap), Rights: g.Rights.Letters()})
	}
	for _, g := range s.Mail.ACL().Dated(m.ID) {
		out.Grants = append(out.Grants, MailboxRight{
			g.Identifier(snap), g.Rights.Letters(), g.Start.In(vietnam).Format(time.DateOnly), g.End.In(vietnam).AddDate(0, 0, -1).Format(time.DateOnly),
		})
	}
	return out, nil
}

func (s *Service) mailboxGrant(ctx context.Context, req MailboxGrant, _ Progress) (any, error) {
	m, err := s.mailbox(ctx, req.MailboxNamed)
	if err != nil {
		return nil, err
	}
	var ch mailstore.RightsChange
	switch req.Op {
	case "":
	case "add":
		ch.Op = mailstore.AddRights
	case "remove":
		ch.Op = mailstore.RemoveRights
	default:
		return nil, fault.Newf(fault.Invalid, "unknown change of rights %q", req.Op)
	}
	snap := s.Directory.Snapshot()
	var ok bool
	if ch.Grantee, ok = mailstore.ParseGrantee(snap, req.To); !ok {
		return nil, fault.New(fault.NotFound, fault.Text{
			EN: fmt.Sprintf("there is nobody called %q; name a login, anyone, or a role in a unit such as $vanthu@SYT", req.To),
			VI: fmt.Sprintf("không có %q; hãy ghi tên đăng nhập, anyone, hoặc vai trò trong đơn vị như $vanthu@SYT", req.To),
		})
	}
	if ch.Rights, ok = mailstore.ParseRights(req.Rights); !ok {
		return nil, fault.New(fault.Invalid, fault.Text{
			EN: fmt.Sprintf("%q are no rights: use letters of lrswipkxtea", req.Rights),
			VI: fmt.Sprintf("quyền %q không hợp lệ: chỉ dùng các chữ lrswipkxtea", req.Rights),
		})
	}
	if req.First != "" || req.Last != "" {
		return s.grantFor(ctx, m.ID, req, ch)
	}
	before, after, err := s.Mail.ChangeRights(ctx, actor(), snap, m.ID, ch)
	if err != nil {
		return nil, err
	}
	return MailboxGranted{To: ch.Identifier(snap), Before: before.Letters(), After: after.Letters()}, nil
}

// grantFor gives rights for some days.
func (s *Service) grantFor(ctx context.Context, id mailstore.MailboxID, req MailboxGrant, ch mailstore.RightsChange) (any, error) {
	if ch.Op != mailstore.AddRights || req.Last == "" {
		return nil, fault.Newf(fault.Invalid, "rights for a time are added, and need their last day")
	}
	start, end, err := s.days(req.First, req.Last)
	if err != nil {
		return nil, err
	}
	snap := s.Directory.Snapshot()
	g := mailstore.DatedGrant{Grant: mailstore.Grant{Grantee: ch.Grantee, Rights: ch.Rights}, Start: start, End: end}
	if err := s.Mail.GrantFor(ctx, actor(), snap, id, g); err != nil {
		return nil, err
	}
	return MailboxGranted{To: ch.Identifier(snap), After: ch.Rights.Letters()}, nil
}

// MailboxQuota is what an owner's mailboxes hold and may hold; a limit of 0 is
// none.
type MailboxQuota struct {
	Octets        int64 `json:"octets"`
	QuotaOctets   int64 `json:"quota_octets"`
	Messages      int64 `json:"messages"`
	QuotaMessages int64 `json:"quota_messages"`
}

func (s *Service) mailboxQuota(ctx context.Context, req MailboxList, _ Progress) (any, error) {
	o, err := s.owner(req.Account, req.Unit)
	if err != nil {
		return nil, err
	}
	u, err := s.Mail.Usage(ctx, o)
	return MailboxQuota{u.Octets, u.Quota, u.Messages, u.QuotaMessages}, err
}
