package control_test

import (
	"slices"
	"testing"

	"vanthu/internal/control"
	"vanthu/internal/fault"
)

func TestMailboxRights(t *testing.T) {
	bothWays(t, func(t *testing.T, c control.Caller) {
		call[control.AccountMade](t, c, control.CallAccountAdd, control.AccountAdd{Login: "canbo@p.test", Name: "Cán bộ", Roles: []string{"quantri"}})
		call[control.AccountMade](t, c, control.CallAccountAdd, control.AccountAdd{Login: "khac@p.test", Name: "Khác", Roles: []string{"quantri"}})
		inbox := control.MailboxNamed{Account: "canbo@p.test", Name: "inbox"}
		acl := func() []control.MailboxRight {
			t.Helper()
			return call[control.MailboxRights](t, c, control.CallMailboxRights, inbox).Grants
		}
		if got := acl(); len(got) != 0 {
			t.Errorf("rights on a new mailbox: %v, want none", got)
		}
		grant := control.MailboxGrant{MailboxNamed: inbox, To: "khac@p.test", Rights: "rl"}
		if got, want := call[control.MailboxGranted](t, c, control.CallMailboxGrant, grant), (control.MailboxGranted{To: "khac@p.test", After: "lr"}); got != want {
			t.Errorf("grant: %v, want %v", got, want)
		}
		grant.Op, grant.Rights = "add", "d"
		if got := call[control.MailboxGranted](t, c, control.CallMailboxGrant, grant); got.Before != "lr" || got.After != "lrte" {
			t.Errorf("add: %v, want lr and then lrte", got)
		}
		if got, want := acl(), []control.MailboxRight{{To: "khac@p.test", Rights: "lrte"}}; !slices.Equal(got, want) {
			t.Errorf("acl: %v, want %v", got, want)
		}
		grant.Op, grant.Rights = "remove", "lrswipkxtea"
		call[control.MailboxGranted](t, c, control.CallMailboxGrant, grant)
		if got := acl(); len(got) != 0 {
			t.Errorf("after all was taken away: %v, want none", got)
		}
		for _, bad := range []struct {
			req  control.MailboxGrant
			kind fault.Kind
		}{
			{control.MailboxGrant{MailboxNamed: inbox, To: "nobody@p.test", Rights: "l"}, fault.NotFound},
			{control.MailboxGrant{MailboxNamed: inbox, To: "khac@p.test", Rights: "q"}, fault.Invalid},
			{control.MailboxGrant{MailboxNamed: inbox, To: "khac@p.test", Rights: "l", Op: "x"}, fault.Invalid},
			{control.MailboxGrant{MailboxNamed: inbox, To: "canbo@p.test", Rights: "l"}, fault.Conflict},
			{control.MailboxGrant{MailboxNamed: control.MailboxNamed{Account: "canbo@p.test", Name: "x"}, To: "khac@p.test", Rights: "l"}, fault.NotFound},
			{control.MailboxGrant{MailboxNamed: control.MailboxNamed{Name: "x"}, To: "khac@p.test", Rights: "l"}, fault.Invalid},
		} {
			fails(t, c, control.CallMailboxGrant, bad.req, bad.kind)
		}
		fails(t, c, control.CallMailboxRights, control.MailboxNamed{Account: "canbo@p.test", Name: "x"}, fault.NotFound)
	})
}
