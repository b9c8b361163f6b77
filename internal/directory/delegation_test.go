package directory

import (
	"slices"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

// office is a unit with a clerk who is away and a staff member who acts.
func office(t *testing.T, now func() time.Time) (d *Directory, db *sqldb.DB, del Delegation) {
	t.Helper()
	db = sqldbtest.Open(t)
	d, err := Open(t.Context(), db, Options{Now: now})
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(err)
	by := journal.System("test")
	ok(d.AddDomain(t.Context(), by, "x.test"))
	u, err := d.CreateUnit(t.Context(), by, Unit{
		Code: "H18.26", Name: "Sở Y tế", ShortName: "SYT", Kind: "sở", Address: mail.Address{Local: "soyte", Domain: "x.test"},
	})
	ok(err)
	add := func(login string, role Role) AccountID {
		a, _, err := d.CreateAccount(t.Context(), by, Account{
			Login: mail.Address{Local: login, Domain: "x.test"}, Name: login, Roles: []Assignment{{u.ID, role}},
		}, "")
		ok(err)
		return a.ID
	}
	return d, db, Delegation{From: add("vanthu", RoleClerk), To: add("chuyenvien", RoleStaff), Unit: u.ID, Role: RoleClerk}
}

// events gives the types of the journal entries about delegations.
func events(t *testing.T, db *sqldb.DB) (types []string) {
	t.Helper()
	err := db.View(t.Context(), func(r sqldb.Reader) error {
		return each(t.Context(), r, `SELECT type FROM journal WHERE type LIKE 'delegation.%' ORDER BY seq`, func(scan func(...any) error) error {
			var s string
			err := scan(&s)
			types = append(types, s)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return types
}

func TestDelegationHoldsWithinItsDays(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	d, db, del := office(t, func() time.Time { return now })
	zone := time.FixedZone("", 7*3600)
	del.Start, del.End = time.Date(2026, 12, 1, 0, 0, 0, 0, zone), time.Date(2026, 12, 3, 0, 0, 0, 0, zone)
	told := 0
	d.OnTurn(func() { told++ })
	if _, err := d.Delegate(t.Context(), journal.System("test"), del); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		at   time.Time
		want bool
		log  []string
	}{
		{"a moment before", del.Start.Add(-time.Microsecond), false, []string{"delegation.granted"}},
		{"the first moment", del.Start, true, []string{"delegation.granted", "delegation.started"}},
		{"the last moment", del.End.Add(-time.Microsecond), true, []string{"delegation.granted", "delegation.started"}},
		{"over", del.End, false, []string{"delegation.granted", "delegation.started", "delegation.ended"}},
	} {
		now = tt.at
		for range 2 { // before and after the journal is told
			s := d.Snapshot()
			if got := s.HasRole(del.To, del.Unit, RoleClerk); got != tt.want {
				t.Errorf("%s: has the role: %v, want %v", tt.name, got, tt.want)
			}
			if _, got := s.Acting(del.To, del.Unit, RoleClerk); got != tt.want {
				t.Errorf("%s: acting: %v, want %v", tt.name, got, tt.want)
			}
			if got := slices.Contains(s.ClerksOf(del.Unit), del.To); got != tt.want {
				t.Errorf("%s: among the clerks: %v, want %v", tt.name, got, tt.want)
			}
			if got := s.MaySendAs(del.To, mail.Address{Local: "soyte", Domain: "x.test"}); got != tt.want {
				t.Errorf("%s: may send as the unit: %v, want %v", tt.name, got, tt.want)
			}
			if !s.HasRole(del.From, del.Unit, RoleClerk) {
				t.Errorf("%s: who is away has lost the role", tt.name)
			}
			if err := d.Turn(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := events(t, db); !slices.Equal(got, tt.log) {
			t.Errorf("%s: journal %v, want %v", tt.name, got, tt.log)
		}
	}
	if told != 2 {
		t.Errorf("told %d times, want 2", told)
	}
}

func TestDelegationEndsWithTheRole(t *testing.T) {
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	d, db, del := office(t, func() time.Time { return now })
	del.Start, del.End = now.Add(-time.Hour), now.Add(time.Hour)
	by := journal.System("test")
	made, err := d.Delegate(t.Context(), by, del)
	if err != nil {
		t.Fatal(err)
	}
	if !d.Snapshot().HasRole(del.To, del.Unit, RoleClerk) {
		t.Fatal("the delegation does not hold")
	}
	if err := d.SetRoles(t.Context(), by, del.From, nil); err != nil {
		t.Fatal(err)
	}
	if d.Snapshot().HasRole(del.To, del.Unit, RoleClerk) {
		t.Error("a role is exercised for somebody who does not have it any more")
	}
	if err := d.SetRoles(t.Context(), by, del.From, []Assignment{{del.Unit, RoleClerk}}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Undelegate(t.Context(), by, made.ID); err != nil {
		t.Fatal(err)
	}
	if d.Snapshot().HasRole(del.To, del.Unit, RoleClerk) {
		t.Error("the delegation holds though it was revoked")
	}
	if _, err := d.Undelegate(t.Context(), by, made.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("revoked twice: %v, want a conflict", err)
	}
	if got, want := events(t, db), []string{"delegation.granted", "delegation.started", "delegation.revoked"}; !slices.Equal(got, want) {
		t.Errorf("journal %v, want %v", got, want)
	}
}

func TestDelegationRefused(t *testing.T) {
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	d, _, good := office(t, func() time.Time { return now })
	good.Start, good.End = now, now.Add(time.Hour)
	for _, tt := range []struct {
		name string
		bad  func(*Delegation)
	}{
		{"to oneself", func(d *Delegation) { d.To = d.From }},
		{"of a role one does not have", func(d *Delegation) { d.Role = RoleLeader }},
		{"of administration", func(d *Delegation) { d.Role = RoleAdmin }},
		{"in the past", func(d *Delegation) { d.Start, d.End = now.Add(-2*time.Hour), now }},
		{"backwards", func(d *Delegation) { d.Start, d.End = d.End, d.Start }},
		{"for ever", func(d *Delegation) { d.End = now.AddDate(10, 0, 0) }},
	} {
		del := good
		tt.bad(&del)
		if _, err := d.Delegate(t.Context(), journal.System("test"), del); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want it refused as invalid", tt.name, err)
		}
	}
}

func TestNextTurn(t *testing.T) {
	base := time.Now()
	var offset time.Duration
	d, db, del := office(t, func() time.Time { return base.Add(offset) })
	del.Start, del.End = base.Add(-time.Hour), base.Add(time.Hour)
	if _, err := d.Delegate(t.Context(), journal.System("test"), del); err != nil {
		t.Fatal(err)
	}
	if got := d.Snapshot().NextTurn(); !got.Equal(sqldb.Time(sqldb.Micros(del.End))) {
		t.Errorf("next turn %v, want %v", got, del.End)
	}
	offset = 2 * time.Hour
	if err := d.Turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := events(t, db); len(got) != 3 || got[2] != "delegation.ended" {
		t.Errorf("journal %v", got)
	}
	if wait := d.Snapshot().NextTurn(); !wait.IsZero() {
		t.Errorf("next turn %v, want none", wait)
	}
}
