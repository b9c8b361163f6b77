package mailstore_test

import (
	"slices"
	"testing"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/journal"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

func TestDatedRights(t *testing.T) {
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	rig := open(t, mailstore.Options{Now: func() time.Time { return now }})
	d, err := directory.Open(t.Context(), rig.DB, directory.Options{})
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(err)
	m, err := rig.Store.CreateMailbox(t.Context(), mailstore.Owner{Account: 1}, "A", mailstore.UseNone)
	ok(err)
	by, snap := journal.System("test"), d.Snapshot()
	lr, lrs := mailstore.RightLookup|mailstore.RightRead, mailstore.RightLookup|mailstore.RightRead|mailstore.RightSeen
	to := mailstore.Grantee{Account: 2}
	_, _, err = rig.Store.ChangeRights(t.Context(), by, snap, m.ID, mailstore.RightsChange{Grantee: to, Rights: mailstore.RightLookup})
	ok(err)
	g := mailstore.DatedGrant{Grant: mailstore.Grant{Grantee: to, Rights: lrs}, Start: now.Add(time.Hour), End: now.Add(2 * time.Hour)}
	ok(rig.Store.GrantFor(t.Context(), by, snap, m.ID, g))
	third := mailstore.DatedGrant{Grant: mailstore.Grant{Grantee: mailstore.Grantee{Account: 3}, Rights: lr}, Start: g.Start, End: g.End}
	ok(rig.Store.GrantFor(t.Context(), by, snap, m.ID, third))
	woken := make(chan struct{}, 10)
	defer rig.Store.Listen(m.ID, func() { woken <- struct{}{} })()
	for _, tt := range []struct {
		name   string
		at     time.Time
		want   mailstore.Rights
		shared bool
	}{
		{"before", g.Start.Add(-1000), mailstore.RightLookup, false},
		{"first moment", g.Start, lrs, true},
		{"last moment", g.End.Add(-1000), lrs, true},
		{"over", g.End, mailstore.RightLookup, false},
	} {
		now = tt.at
		for range 2 { // before and after the journal is told
			acl := rig.Store.ACL()
			if got := acl.Rights(snap, 2, &m); got != tt.want {
				t.Errorf("%s: rights %q, want %q", tt.name, got, tt.want)
			}
			if got := acl.Shares(snap, m.Owner, 3); got != tt.shared {
				t.Errorf("%s: shared: %v, want %v", tt.name, got, tt.shared)
			}
			if got := slices.Contains(acl.Sharers(snap, 3), m.Owner); got != tt.shared {
				t.Errorf("%s: among the sharers: %v, want %v", tt.name, got, tt.shared)
			}
			ok(rig.Store.TurnRights(t.Context()))
		}
	}
	<-woken // at the beginning or the end
	ok(rig.Store.GrantFor(t.Context(), by, snap, m.ID, mailstore.DatedGrant{Grant: mailstore.Grant{Grantee: to, Rights: lrs}, Start: now, End: now.Add(time.Hour)}))
	_, _, err = rig.Store.ChangeRights(t.Context(), by, snap, m.ID, mailstore.RightsChange{Grantee: to, Op: mailstore.RemoveRights, Rights: mailstore.AllRights})
	ok(err)
	if got := rig.Store.ACL().Rights(snap, 2, &m); got != 0 {
		t.Errorf("after all was taken away: %q", got)
	}
	if err := rig.Store.GrantFor(t.Context(), by, snap, m.ID, g); err == nil {
		t.Error("rights in the past were given")
	}
	var n int
	ok(rig.DB.View(t.Context(), func(r sqldb.Reader) error {
		return r.QueryRow(t.Context(), `SELECT count(*) FROM journal WHERE type = 'mailbox.rights'`).Scan(&n)
	}))
	if n != 11 { // one without end given and taken; two for a time given, begun, ended; one given, begun, taken
		t.Errorf("%d journal entries, want 11", n)
	}
	fresh, err := mailstore.Open(t.Context(), rig.DB, rig.Blobs, mailstore.Options{})
	ok(err)
	if got := fresh.ACL().Dated(m.ID); len(got) != 0 {
		t.Errorf("opened again: %v", got)
	}
}
