package mailstore_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"vanthu/internal/directory"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

func TestParseRights(t *testing.T) {
	tests := []struct {
		name, in, letters, shown string
		ok                       bool
	}{
		{"none", "", "", "", true},
		{"any order", "rl", "lr", "lr", true},
		{"twice", "llr", "lr", "lr", true},
		{"all", "lrswipkxtea", "lrswipkxtea", "lrswipkxteacd", true},
		{"obsolete c", "c", "kx", "kxc", true},
		{"obsolete d", "d", "te", "ted", true},
		{"capital", "L", "", "", false},
		{"unknown", "lq", "", "", false},
		{"digit", "0", "", "", false},
		{"not ASCII", "lđ", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, ok := mailstore.ParseRights(tt.in)
			if ok != tt.ok || r.Letters() != tt.letters || r.String() != tt.shown {
				t.Errorf("ParseRights(%q) = %q, shown %q, %v; want %q, %q, %v", tt.in, r.Letters(), r, ok, tt.letters, tt.shown, tt.ok)
			}
		})
	}
}

// openDirectory makes a directory with a unit and an account in it.
func openDirectory(t *testing.T, opt directory.Options) (*directory.Directory, directory.Unit, directory.Account) {
	t.Helper()
	rig := open(t, mailstore.Options{})
	d, err := directory.Open(t.Context(), rig.DB, opt)
	if err != nil {
		t.Fatal(err)
	}
	by := journal.System("test")
	if err := d.AddDomain(t.Context(), by, "x.test"); err != nil {
		t.Fatal(err)
	}
	u, err := d.CreateUnit(t.Context(), by, directory.Unit{
		Code: "H18.26", Name: "Sở Y tế", ShortName: "SYT", Kind: "sở", Address: mail.Address{Local: "soyte", Domain: "x.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	a, _, err := d.CreateAccount(t.Context(), by, directory.Account{
		Login: mail.Address{Local: "canbo", Domain: "x.test"}, Name: "Cán bộ", Roles: []directory.Assignment{{Unit: u.ID, Role: directory.RoleStaff}},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	return d, u, a
}

func TestParseGrantee(t *testing.T) {
	d, u, a := openDirectory(t, directory.Options{})
	snap := d.Snapshot()
	tests := []struct {
		in, shown string
		want      mailstore.Grantee
		ok        bool
	}{
		{"anyone", "anyone", mailstore.Grantee{}, true},
		{"canbo@x.test", "canbo@x.test", mailstore.Grantee{Account: a.ID}, true},
		{"CANBO@X.TEST", "canbo@x.test", mailstore.Grantee{Account: a.ID}, true},
		{"$vanthu@SYT", "$vanthu@SYT", mailstore.Grantee{Unit: u.ID, Role: directory.RoleClerk}, true},
		{"$vanthu@h18.26", "$vanthu@SYT", mailstore.Grantee{Unit: u.ID, Role: directory.RoleClerk}, true},
		{"$vanthu@soyte", "$vanthu@SYT", mailstore.Grantee{Unit: u.ID, Role: directory.RoleClerk}, true},
		{"$vanthu@soyte@x.test", "$vanthu@SYT", mailstore.Grantee{Unit: u.ID, Role: directory.RoleClerk}, true},
		{"$quantri", "$quantri", mailstore.Grantee{Role: directory.RoleAdmin}, true},
		{in: "$quantri@"}, {in: "$nobody@SYT"}, {in: "$@SYT"}, {in: "$"}, {in: "nobody@x.test"}, {in: "canbo"}, {in: ""}, {in: "-canbo@x.test"},
		{in: "$vanthu@XYZ"}, {in: "soyte@x.test"}, {in: "Anyone"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, ok := mailstore.ParseGrantee(snap, tt.in)
			if ok != tt.ok || ok && (got != tt.want || got.Identifier(snap) != tt.shown) {
				t.Errorf("got %+v %v, want %+v %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// Changes of rights by several at once are all kept, and each has its entry.
func TestChangeRightsAtOnce(t *testing.T) {
	rig := open(t, mailstore.Options{})
	inbox := ensure(t, rig, 1)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, _, err := rig.Store.ChangeRights(t.Context(), journal.System("test"), nil, inbox, mailstore.RightsChange{
				Grantee: mailstore.Grantee{Account: directory.AccountID(2 + i%10)}, Op: mailstore.AddRights, Rights: 1 << (i / 10),
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	m := mailstore.Mailbox{ID: inbox, Owner: mailstore.Owner{Account: 1}}
	grants := rig.Store.ACL().Grants(&m)
	if len(grants) != 10 {
		t.Fatalf("%d grants, want 10", len(grants))
	}
	for _, g := range grants {
		if g.Rights.Letters() != "lr" {
			t.Errorf("account %d has %q, want lr", g.Account, g.Rights.Letters())
		}
	}
}

func TestChangeRightsRefuses(t *testing.T) {
	rig := open(t, mailstore.Options{})
	inbox := ensure(t, rig, 1)
	change := func(id mailstore.MailboxID, to directory.AccountID) error {
		_, _, err := rig.Store.ChangeRights(t.Context(), journal.System("test"), nil, id, mailstore.RightsChange{
			Grantee: mailstore.Grantee{Account: to}, Rights: mailstore.RightLookup,
		})
		return err
	}
	if err := change(inbox, 1); !errors.Is(err, mailstore.ErrOwner) {
		t.Errorf("rights of the owner: %v, want ErrOwner", err)
	}
	if err := change(inbox+1000, 2); !errors.Is(err, mailstore.ErrNoMailbox) {
		t.Errorf("no mailbox: %v, want ErrNoMailbox", err)
	}
	for i := range mailstore.MaxGrants {
		if err := change(inbox, directory.AccountID(2+i)); err != nil {
			t.Fatal(fmt.Errorf("grant %d: %w", i, err))
		}
	}
	if err := change(inbox, 5000); !errors.Is(err, mailstore.ErrTooManyGrants) {
		t.Errorf("one grant too many: %v, want ErrTooManyGrants", err)
	}
}

// A transaction that is committed together with one that takes rights away sees that, though memory does not show it yet; and one that
// was undone leaves no trace.
func TestRightsInATransaction(t *testing.T) {
	rig := open(t, mailstore.Options{})
	d, err := directory.Open(t.Context(), rig.DB, directory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := rig.Store.CreateMailbox(t.Context(), mailstore.Owner{Account: 1}, "A", mailstore.UseNone)
	if err != nil {
		t.Fatal(err)
	}
	lr := mailstore.RightLookup | mailstore.RightRead
	to := mailstore.Grantee{Account: 2}
	by, snap := journal.System("test"), d.Snapshot()
	if _, _, err := rig.Store.ChangeRights(t.Context(), by, snap, m.ID, mailstore.RightsChange{Grantee: to, Rights: lr}); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("undo")
	for _, undo := range []error{refused, nil} {
		err := rig.Store.Update(t.Context(), func(tx *sqldb.Tx) error {
			if _, _, err := rig.Store.ChangeRightsIn(t.Context(), tx, by, snap, m.ID, mailstore.RightsChange{Grantee: to}); err != nil {
				return err
			}
			if got := rig.Store.ACL().Rights(snap, 2, &m); got != lr {
				t.Errorf("in memory: %q, want lr until the commit", got)
			}
			if got, err := rig.Store.RightsIn(t.Context(), tx, snap, 2, &m); err != nil || got != 0 {
				t.Errorf("in the transaction: %q, %v, want none", got, err)
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
		want := mailstore.NoRights
		if undo != nil {
			want = lr
		}
		err = rig.Store.Update(t.Context(), func(tx *sqldb.Tx) error {
			if got, err := rig.Store.RightsIn(t.Context(), tx, snap, 2, &m); err != nil || got != want {
				t.Errorf("afterwards: %q, %v, want %q", got, err, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
