package imapd

import (
	"math"
	"strings"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
)

// Every account is one quota root, called by its login (RFC 9208). Units have none: official mail is never refused for want of room.
// An account sees its own root; those of others are seen and set by the administrators of the whole province, and to everybody else
// they are as if they were not there (P7).

// errNoRoot answers for a quota root that is not there, and for one that is none of the account's business.
var errNoRoot = fault.New(fault.NotFound, fault.Text{EN: "there is no such quota root", VI: "không có hạn mức này"})

// errQuotaKeeper answers SETQUOTA of those who may not.
var errQuotaKeeper = fault.New(fault.Denied, fault.Text{
	EN: "only administrators may set quotas", VI: "chỉ quản trị viên được đặt hạn mức",
})

// quotaUnit is the octets of one unit of STORAGE.
const quotaUnit = 1024

// maxQuotaMessages is the highest limit of messages that the directory takes.
const maxQuotaMessages = 1_000_000_000

// maxQuotaKiB keeps limits within what the directory can hold.
const maxQuotaKiB = math.MaxInt64 / quotaUnit / 1024

// runGetQuota answers GETQUOTA (RFC 9208, section 4.1.1).
func (s *session) runGetQuota(cmd *command) result {
	l := &cmd.args
	root, isString := "", false
	if l.sp() {
		root, isString = l.astring()
	}
	if !isString || !l.end() {
		return syntax("Expected: GETQUOTA root")
	}
	a, err := s.quotaRoot(root)
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	return s.tellQuota(nil, a, "GETQUOTA completed")
}

// runGetQuotaRoot answers GETQUOTAROOT (RFC 9208, section 4.1.2).
func (s *session) runGetQuotaRoot(cmd *command) result {
	l := &cmd.args
	if !l.sp() {
		return syntax("Expected: GETQUOTAROOT mailbox")
	}
	name, refused := s.nameArg(l)
	if refused != nil {
		return answer(*refused)
	}
	if !l.end() {
		return syntax("Expected: GETQUOTAROOT mailbox")
	}
	m, p, err := s.need(name, mailstore.RightLookup)
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	line := appendMailbox([]byte("* QUOTAROOT "), p.full, s.wide)
	a, known := s.srv.be.Directory.Snapshot().Account(m.Owner.Account)
	if !known || !s.seesQuota(a.ID) {
		if err := s.out(append(line, "\r\n"...)); err != nil {
			return s.lost(err)
		}
		return answer(ok("GETQUOTAROOT completed"))
	}
	line = appendAString(append(line, ' '), a.Login.String(), s.wide)
	return s.tellQuota(append(line, "\r\n"...), a, "GETQUOTAROOT completed")
}

// runSetQuota answers SETQUOTA (RFC 9208, section 4.1.3). An empty list gives the account back the default of the configuration. The
// directory counts in MiB, so a limit is rounded up; the answer tells what it has become.
func (s *session) runSetQuota(cmd *command) result {
	l := &cmd.args
	wrong := syntax("Expected: SETQUOTA root (STORAGE limit MESSAGE limit)")
	if !l.sp() {
		return wrong
	}
	root, isString := l.astring()
	if !isString || !l.sp() {
		return wrong
	}
	var limit, messages *uint64
	other := false
	valid := l.list(func() bool {
		name, isAtom := l.word()
		if !isAtom || !l.sp() {
			return false
		}
		n, isNumber := l.number(math.MaxInt64)
		switch {
		case name == "STORAGE" && limit == nil:
			limit = &n
		case name == "MESSAGE" && messages == nil:
			messages = &n
		default:
			other = true
		}
		return isNumber
	})
	if !valid || !l.end() {
		return wrong
	}
	a, err := s.quotaRoot(root)
	switch {
	case err != nil:
	case !s.keepsQuotas():
		err = errQuotaKeeper
	case other:
		err = refuse("CANNOT", "Only STORAGE and MESSAGE can be limited")
	case limit != nil && (*limit == 0 || *limit > maxQuotaKiB) || messages != nil && (*messages == 0 || *messages > maxQuotaMessages):
		err = refuse("CANNOT", "Limit out of range")
	}
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	a.QuotaMiB, a.QuotaMessages = 0, 0 // resources that are not named lose their limits
	if limit != nil {
		a.QuotaMiB = int64((*limit + 1023) / 1024)
	}
	if messages != nil {
		a.QuotaMessages = int64(*messages)
	}
	if err := s.srv.be.Directory.UpdateAccount(s.ctx, s.actor(), a); err != nil {
		return answer(s.failure(err, doingOther))
	}
	return s.tellQuota(nil, a, "SETQUOTA completed")
}

// keepsQuotas tells whether the account administers the whole province.
func (s *session) keepsQuotas() bool {
	return s.srv.be.Directory.Snapshot().HasRole(s.user.ID, 0, directory.RoleAdmin)
}

// seesQuota tells whether the session may know how much an account has stored.
func (s *session) seesQuota(a directory.AccountID) bool { return a == s.user.ID || s.keepsQuotas() }

// quotaRoot finds the account of a quota root.
func (s *session) quotaRoot(name string) (directory.Account, error) {
	login, err := mail.ParseAddress(strings.ToLower(name), false)
	if err != nil {
		return directory.Account{}, errNoRoot
	}
	a, known := s.srv.be.Directory.Snapshot().AccountByLogin(login)
	if !known || !s.seesQuota(a.ID) {
		return directory.Account{}, errNoRoot
	}
	return a, nil
}

// tellQuota writes the QUOTA line of an account behind those in dst. A root without a limit has an empty list.
func (s *session) tellQuota(dst []byte, a directory.Account, done string) result {
	u, err := s.srv.be.Store.Usage(s.ctx, mailstore.Owner{Account: a.ID})
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	dst = appendAString(append(dst, "* QUOTA "...), a.Login.String(), s.wide)
	dst = append(dst, " ("...)
	if u.Quota > 0 {
		dst = appendUint(append(dst, "STORAGE "...), kib(u.Octets))
		dst = appendUint(append(dst, ' '), kib(u.Quota))
	}
	if u.QuotaMessages > 0 {
		if u.Quota > 0 {
			dst = append(dst, ' ')
		}
		dst = appendUint(append(dst, "MESSAGE "...), u.Messages)
		dst = appendUint(append(dst, ' '), u.QuotaMessages)
	}
	if err := s.out(append(dst, ")\r\n"...)); err != nil {
		return s.lost(err)
	}
	return answer(ok(done))
}

// kib gives octets in units of STORAGE, rounded up.
func kib(octets int64) int64 { return (octets + quotaUnit - 1) / quotaUnit }

// actor names the account in the journal.
func (s *session) actor() journal.Actor {
	return journal.Actor{Kind: journal.ActorAccount, ID: int64(s.user.ID), Name: s.user.Login.String()}
}
