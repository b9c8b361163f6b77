package delivery_test

import (
	"testing"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
)

// TestWhoMayPost: a group refuses at RCPT whoever may not post to it.
func TestWhoMayPost(t *testing.T) {
	w := newWorld(t)
	g, _ := w.dir.Snapshot().GroupByAddress(address(t, "cac-xa@p.test"))
	if err := w.dir.SetGroupPosting(t.Context(), journal.System("test"), g.ID, directory.PostListed,
		[]directory.Poster{{Unit: w.units["snv"], Role: directory.RoleClerk}}); err != nil {
		t.Fatal(err)
	}
	if err := w.dir.AddAlias(t.Context(), journal.System("test"), directory.Alias{
		Address: address(t, "xa-phuong@p.test"), Target: g.Address,
	}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, login, from, protocol, to string
		may                             bool
	}{
		{"a listed clerk", clerk, clerk, "ESMTPSA", "cac-xa@p.test", true},
		{"as the unit", clerk, "snv@p.test", "ESMTPSA", "cac-xa@p.test", true},
		{"by an alias", clerk, clerk, "ESMTPSA", "xa-phuong+vb@p.test", true},
		{"staff", "chuyenvien@snv.p.test", "chuyenvien@snv.p.test", "ESMTPSA", "cac-xa@p.test", false},
		{"staff by an alias", "chuyenvien@snv.p.test", "chuyenvien@snv.p.test", "ESMTPSA", "xa-phuong@p.test", false},
		{"a member unit's clerk", "vanthu@xa1.p.test", "vanthu@xa1.p.test", "ESMTPSA", "cac-xa@p.test", false},
		{"a stranger", "", "a@world.test", "ESMTP", "cac-xa@p.test", false},
		{"a stranger who forges", "", clerk, "ESMTP", "cac-xa@p.test", false},
		{"a bounce", "", "", "ESMTP", "cac-xa@p.test", false},
		{"the clerk through a filter of ours", "", "vanthu+x@snv.p.test", "LMTP", "cac-xa@p.test", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := w.origin(tt.login)
			o.Protocol = tt.protocol
			from := mail.Path{Null: tt.from == ""}
			if tt.from != "" {
				from.Address = address(t, tt.from)
			}
			err := w.delivery.CheckRecipient(t.Context(), o, from, address(t, tt.to))
			if tt.may && err != nil || !tt.may && fault.KindOf(err) != fault.Denied {
				t.Errorf("CheckRecipient: %v, want allowed: %v", err, tt.may)
			}
			if !tt.may && err == nil {
				t.Error("CheckRecipient allows it")
			}
		})
	}
}
