package directory

import (
	"testing"
	"time"

	"vanthu/internal/fault"
)

func TestMayPost(t *testing.T) {
	w := open(t, Options{})
	ctx := t.Context()
	in := func(u Unit, r Role) Assignment { return Assignment{Unit: u.ID, Role: r} }
	clerk, _ := w.account(t, "vt@x.test", "", in(w.soyte, RoleClerk))
	staff, _ := w.account(t, "cv@x.test", "", in(w.soyte, RoleStaff))
	other, _ := w.account(t, "khac@x.test", "", in(w.ubnd, RoleClerk))
	gone, _ := w.account(t, "cu@x.test", "", in(w.soyte, RoleClerk))
	if err := w.SetState(ctx, admin, gone.ID, Disabled); err != nil {
		t.Fatal(err)
	}
	inner, err := w.CreateGroup(ctx, admin, Group{Address: addr(t, "trong@x.test"), Name: "Trong", Members: addrs(t, "soyte@x.test")})
	if err != nil {
		t.Fatal(err)
	}
	if inner.Post != PostInside {
		t.Errorf("a new group lets %q post, want inside", inner.Post)
	}
	g, err := w.CreateGroup(ctx, admin, Group{Address: addr(t, "ngoai@x.test"), Name: "Ngoài", Members: addrs(t, "trong@x.test", "khac@x.test")})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		post    PostPolicy
		posters []Poster
		may     map[AccountID]bool
	}{
		{"anyone", PostAnyone, nil, map[AccountID]bool{0: true, clerk.ID: true, gone.ID: true}},
		{"inside", PostInside, nil, map[AccountID]bool{0: false, clerk.ID: true, staff.ID: true, gone.ID: false}},
		{
			"members, a unit's clerk through a nested group", PostMembers, nil,
			map[AccountID]bool{0: false, clerk.ID: true, staff.ID: false, other.ID: true, gone.ID: false},
		},
		{"one account", PostListed, []Poster{{Account: staff.ID}}, map[AccountID]bool{0: false, staff.ID: true, clerk.ID: false}},
		{
			"a unit's clerks", PostListed, []Poster{{Unit: w.soyte.ID, Role: RoleClerk}},
			map[AccountID]bool{0: false, clerk.ID: true, staff.ID: false, other.ID: false, gone.ID: false},
		},
		{"all clerks", PostListed, []Poster{{Role: RoleClerk}}, map[AccountID]bool{clerk.ID: true, other.ID: true, staff.ID: false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := w.SetGroupPosting(ctx, admin, g.ID, tt.post, tt.posters); err != nil {
				t.Fatal(err)
			}
			if err := w.Reload(ctx); err != nil { // as after a restart
				t.Fatal(err)
			}
			for id, want := range tt.may {
				if got := w.Snapshot().MayPost(g.ID, id); got != want {
					t.Errorf("MayPost(account %d) = %v, want %v", id, got, want)
				}
			}
		})
	}
	for _, tt := range []struct {
		name    string
		post    PostPolicy
		posters []Poster
	}{
		{"unknown policy", "all", nil},
		{"nobody listed", PostListed, nil},
		{"posters without a list", PostInside, []Poster{{Account: staff.ID}}},
		{"no such account", PostListed, []Poster{{Account: 999}}},
		{"account and role at once", PostListed, []Poster{{Account: staff.ID, Role: RoleClerk}}},
		{"no such role", PostListed, []Poster{{Unit: w.soyte.ID, Role: "sep"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := w.SetGroupPosting(ctx, admin, g.ID, tt.post, tt.posters); fault.KindOf(err) != fault.Invalid || err == nil {
				t.Errorf("SetGroupPosting: %v, want an invalid one", err)
			}
		})
	}
	if err := w.DeleteGroup(ctx, admin, g.ID); err != nil {
		t.Errorf("delete a group with posters: %v", err)
	}
}

func TestParsePoster(t *testing.T) {
	w := open(t, Options{})
	a, _ := w.account(t, "vt@x.test", "")
	snap := w.Snapshot()
	for text, want := range map[string]Poster{
		"VT@x.test": {Account: a.ID}, "$vanthu@SYT": {Unit: w.soyte.ID, Role: RoleClerk},
		"$lanhdao@h18.26": {Unit: w.soyte.ID, Role: RoleLeader}, "$quantri": {Role: RoleAdmin},
	} {
		got, err := snap.ParsePoster(text)
		if err != nil || got != want {
			t.Errorf("ParsePoster(%q) = %+v, %v; want %+v", text, got, err, want)
			continue
		}
		if again, err := snap.ParsePoster(snap.PosterName(got)); err != nil || again != want {
			t.Errorf("PosterName(%+v) = %q, which reads as %+v, %v", got, snap.PosterName(got), again, err)
		}
	}
	for _, text := range []string{"", "$", "$sep", "$vanthu@KHONG", "ai@x.test", "khong phai"} {
		if p, err := snap.ParsePoster(text); fault.KindOf(err) != fault.NotFound || err == nil {
			t.Errorf("ParsePoster(%q) = %+v, %v; want not found", text, p, err)
		}
	}
}

func TestCatchAll(t *testing.T) {
	w := open(t, Options{})
	ctx := t.Context()
	if err := w.AddDomain(ctx, admin, "syt.x.test"); err != nil {
		t.Fatal(err)
	}
	clerk, _ := w.account(t, "vt@syt.x.test", "", Assignment{Unit: w.soyte.ID, Role: RoleClerk})
	lost := addr(t, "go-nham+vb@syt.x.test")
	if _, err := w.Snapshot().Resolve(lost); fault.KindOf(err) != fault.NotFound {
		t.Errorf("Resolve without a catch-all: %v, want not found", err)
	}
	u := w.soyte
	u.CatchAll = "SYT.x.test"
	u, err := w.UpdateUnit(ctx, admin, u)
	if err != nil {
		t.Fatal(err)
	}
	snap := w.Snapshot()
	got, err := snap.Resolve(lost)
	if err != nil || got.Kind != TargetUnit || got.Unit != u.ID || got.Detail != "vb" {
		t.Errorf("Resolve = %+v, %v; want the unit, detail vb", got, err)
	}
	if got, err := snap.Resolve(addr(t, "vt@syt.x.test")); err != nil || got.Account != clerk.ID {
		t.Errorf("a known address resolves to %+v, %v", got, err)
	}
	if _, err := snap.Resolve(addr(t, "go-nham@x.test")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown address of another domain: %v, want not found", err)
	}
	if snap.MaySendAs(clerk.ID, lost) {
		t.Error("the clerk may send as an address that is nobody's")
	}
	if _, ok := snap.UnitByAddress(lost); ok {
		t.Error("an address that is nobody's is taken for the unit's own")
	}
	other := w.ubnd
	other.CatchAll = "syt.x.test"
	if _, err := w.UpdateUnit(ctx, admin, other); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second unit for the domain: %v, want a conflict", err)
	}
	other.CatchAll = "y.test"
	if _, err := w.UpdateUnit(ctx, admin, other); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a foreign domain: %v, want invalid", err)
	}
	u.CatchAll = ""
	if _, err := w.UpdateUnit(ctx, admin, u); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Snapshot().Resolve(lost); fault.KindOf(err) != fault.NotFound {
		t.Errorf("Resolve with the catch-all off again: %v, want not found", err)
	}
}

// TestRoleMailboxes: RFC 5321, section 4.5.1; RFC 2142.
func TestRoleMailboxes(t *testing.T) {
	w := open(t, Options{})
	boss, _ := w.account(t, "qt@x.test", "", Assignment{Role: RoleAdmin})
	a, _ := w.account(t, "vt@x.test", "")
	for _, text := range []string{"postmaster@x.test", "PostMaster@x.test", "abuse@x.test", "Abuse+x@x.test"} {
		all, err := w.Snapshot().Expand(addr(t, text))
		if err != nil || len(all) != 1 || all[0].Account != boss.ID {
			t.Errorf("Expand(%s) = %+v, %v; want the administrator", text, all, err)
		}
	}
	bare := addr(t, "postmaster@x.test")
	bare.Domain = ""
	if all, err := w.Snapshot().Expand(bare); err != nil || len(all) != 1 || all[0].Account != boss.ID {
		t.Errorf("Expand(postmaster) = %+v, %v; want the administrator", all, err)
	}
	if err := w.AddAlias(t.Context(), admin, Alias{Address: addr(t, "abuse@x.test"), Target: a.Login}); err != nil {
		t.Fatal(err)
	}
	if all, err := w.Snapshot().Expand(addr(t, "abuse@x.test")); err != nil || all[0].Account != a.ID {
		t.Errorf("Expand(abuse) = %+v, %v; want whom the alias names", all, err)
	}
}

func TestVacate(t *testing.T) {
	w := open(t, Options{})
	ctx := t.Context()
	old, _ := w.account(t, "cu@x.test", "")
	next, _ := w.account(t, "moi@x.test", "")
	third, _ := w.account(t, "ba@x.test", "")
	for _, bad := range []string{"cu@x.test", "khong-co@x.test", "ai@y.test"} {
		if err := w.Vacate(ctx, admin, old.ID, addr(t, bad)); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("successor %s: %v, want invalid", bad, err)
		}
	}
	if err := w.Vacate(ctx, admin, old.ID, next.Login); err != nil {
		t.Fatal(err)
	}
	all, err := w.Snapshot().Expand(addr(t, "cu+viec@x.test"))
	if err != nil || len(all) != 1 || all[0].Account != next.ID || all[0].FormerAccount != old.ID {
		t.Fatalf("Expand = %+v, %v; want the successor, and whom it follows", all, err)
	}
	if w.Snapshot().MaySendAs(next.ID, old.Login) || w.Snapshot().MaySendAs(old.ID, old.Login) {
		t.Error("somebody may still send as the vacated account")
	}
	if err := w.Vacate(ctx, admin, next.ID, third.Login); err != nil {
		t.Fatal(err)
	}
	if all, err := w.Snapshot().Expand(old.Login); err != nil || len(all) != 1 || all[0].Account != third.ID {
		t.Errorf("Expand over two vacated accounts = %+v, %v", all, err)
	}
	if err := w.Vacate(ctx, admin, third.ID, old.Login); fault.KindOf(err) != fault.Invalid || err == nil {
		t.Errorf("a circle of successors: %v, want invalid", err)
	}
	a, _ := w.Snapshot().Account(old.ID)
	if a.State != Disabled || a.Successor != next.Login || !a.Vacated.Equal(w.clock.now().Truncate(time.Microsecond)) {
		t.Errorf("the account is %+v", a)
	}
	if err := w.SetState(ctx, admin, old.ID, Active); err != nil {
		t.Fatal(err)
	}
	if all, err := w.Snapshot().Expand(old.Login); err != nil || all[0].Account != old.ID {
		t.Errorf("Expand after the holder came back = %+v, %v", all, err)
	}
}
