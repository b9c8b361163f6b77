package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

// fakeClock is a time that the test moves.
type fakeClock struct{ us atomic.Int64 }

func (c *fakeClock) now() time.Time          { return sqldb.Time(c.us.Load()) }
func (c *fakeClock) advance(d time.Duration) { c.us.Add(d.Microseconds()) }

func newClock() *fakeClock {
	var c fakeClock
	c.us.Store(sqldb.Micros(clock()))
	return &c
}

var admin = journal.System("test")

type world struct {
	*Directory
	db    *sqldb.DB
	clock *fakeClock
	ubnd  Unit
	soyte Unit
}

// open makes a directory with a domain and two units in it.
func open(t testing.TB, opt Options) *world {
	t.Helper()
	w := &world{db: sqldbtest.Open(t), clock: newClock()}
	opt.Now = w.clock.now
	if opt.Secret == nil {
		opt.Secret = []byte("secret of the server")
	}
	var err error
	if w.Directory, err = Open(t.Context(), w.db, opt); err != nil {
		t.Fatal(err)
	}
	if err := w.AddDomain(t.Context(), admin, "X.Test"); err != nil {
		t.Fatal(err)
	}
	w.ubnd = w.unit(t, Unit{Code: "H18", Name: "UBND tỉnh", ShortName: "UBND", Kind: "tỉnh", Address: addr(t, "ubnd@x.test")})
	w.soyte = w.unit(t, Unit{
		Code: "H18.26", LegacyCodes: []string{"000.00.26.H18"}, Name: "Sở Y tế", ShortName: "SYT", Kind: "sở",
		Parent: w.ubnd.ID, Address: addr(t, "soyte@x.test"), Aliases: addrs(t, "y.te@x.test"),
	})
	return w
}

func (w *world) unit(t testing.TB, u Unit) Unit {
	t.Helper()
	u, err := w.CreateUnit(t.Context(), admin, u)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (w *world) account(t testing.TB, login string, p Password, roles ...Assignment) (Account, Password) {
	t.Helper()
	a, made, err := w.CreateAccount(t.Context(), admin, Account{Login: addr(t, login), Name: "Văn thư", Roles: roles}, p)
	if err != nil {
		t.Fatal(err)
	}
	return a, made
}

// entries gives the types of the journal's entries from the n-th on.
func (w *world) entries(t testing.TB, from int64) []string {
	t.Helper()
	var out []string
	err := w.db.View(t.Context(), func(r sqldb.Reader) error {
		rows, err := r.Query(t.Context(), `SELECT type FROM journal WHERE seq >= $1 ORDER BY seq`, from)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			out = append(out, s)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantKind(t testing.TB, err error, want fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != want {
		t.Errorf("error = %v (%v), want %v", err, fault.KindOf(err), want)
	}
}

func TestUnitFields(t *testing.T) {
	w := open(t, Options{})
	good := Unit{Code: "H18.27", Name: "Sở Nội vụ", ShortName: "SNV", Kind: "sở", Parent: w.ubnd.ID, Address: addr(t, "sonoivu@x.test")}
	tests := []struct {
		name string
		edit func(*Unit)
		want fault.Kind
	}{
		{"code in the former form", func(u *Unit) { u.Code = "000.00.27.H18" }, fault.Invalid},
		{"code of 36 characters", func(u *Unit) { u.Code = "H18." + strings.Repeat("1", 32) }, fault.Invalid},
		{"code with Z", func(u *Unit) { u.Code = "Z18" }, fault.Invalid},
		{"code with empty group", func(u *Unit) { u.Code = "H18..1" }, fault.Invalid},
		{"code ending in a dot", func(u *Unit) { u.Code = "H18." }, fault.Invalid},
		{"code with other letters", func(u *Unit) { u.Code = "H18.Đ" }, fault.Invalid},
		{"no code", func(u *Unit) { u.Code = "" }, fault.Invalid},
		{"code taken", func(u *Unit) { u.Code = "h18.26" }, fault.Conflict},
		{"former code wrong", func(u *Unit) { u.LegacyCodes = []string{"H18.1"} }, fault.Invalid},
		{"former code taken", func(u *Unit) { u.LegacyCodes = []string{"000.00.26.H18"} }, fault.Conflict},
		{"no name", func(u *Unit) { u.Name = "  " }, fault.Invalid},
		{"name with line end", func(u *Unit) { u.Name = "a\nb" }, fault.Invalid},
		{"name with direction mark", func(u *Unit) { u.Name = "a\u202eb" }, fault.Invalid},
		{"long name", func(u *Unit) { u.Name = strings.Repeat("ế", 201) }, fault.Invalid},
		{"short name with slash", func(u *Unit) { u.ShortName = "S/NV" }, fault.Invalid},
		{"short name with wild card", func(u *Unit) { u.ShortName = "S*" }, fault.Invalid},
		{"short name with NUL", func(u *Unit) { u.ShortName = "S\x00" }, fault.Invalid},
		{"short name is a dot", func(u *Unit) { u.ShortName = ".." }, fault.Invalid},
		{"short name taken in another case", func(u *Unit) { u.ShortName = "syt" }, fault.Conflict},
		{"no such parent", func(u *Unit) { u.Parent = 99 }, fault.Invalid},
		{"foreign address", func(u *Unit) { u.Address = addr(t, "a@ngoai.test") }, fault.Invalid},
		{"no address", func(u *Unit) { u.Address.Local = "" }, fault.Invalid},
		{"address with detail", func(u *Unit) { u.Address = addr(t, "a+b@x.test") }, fault.Invalid},
		{"address taken", func(u *Unit) { u.Address = addr(t, "SoYTe@x.test") }, fault.Conflict},
		{"address taken by an alias", func(u *Unit) { u.Address = addr(t, "y.te@x.test") }, fault.Conflict},
		{"alias taken", func(u *Unit) { u.Aliases = addrs(t, "y.te@x.test") }, fault.Conflict},
	}
	before := len(w.entries(t, 1))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := good
			tt.edit(&u)
			_, err := w.CreateUnit(t.Context(), admin, u)
			wantKind(t, err, tt.want)
			if s := fault.Sentence(err); s.EN == "" || s.VI == "" {
				t.Errorf("sentence = %+v, want both languages", s)
			}
		})
	}
	if got := len(w.entries(t, 1)); got != before {
		t.Errorf("refused changes made %d journal entries", got-before)
	}
	u := w.unit(t, good)
	if u.ID == 0 || u.Code != "H18.27" {
		t.Errorf("CreateUnit = %+v", u)
	}
}

func TestUpdateUnitKeepsFormerAddress(t *testing.T) {
	w := open(t, Options{})
	u := w.soyte
	u.Name, u.Address = "Sở Y tế tỉnh", addr(t, "syt@x.test")
	u, err := w.UpdateUnit(t.Context(), admin, u)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"syt@x.test", "soyte+vb@x.test", "y.te@x.test"} {
		if got, err := w.Snapshot().Resolve(addr(t, a)); err != nil || got.Unit != u.ID {
			t.Errorf("Resolve(%s) = %+v, %v", a, got, err)
		}
	}
	// And back: the address is its own alias by now.
	u.Address = addr(t, "soyte@x.test")
	if _, err := w.UpdateUnit(t.Context(), admin, u); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Snapshot().Resolve(addr(t, "syt@x.test")); err != nil || got.Unit != u.ID || got.Addr != u.Address {
		t.Errorf("Resolve = %+v, %v", got, err)
	}
	u.Parent = u.ID
	_, err = w.UpdateUnit(t.Context(), admin, u)
	wantKind(t, err, fault.Invalid)
	top := w.ubnd
	top.Parent = u.ID
	_, err = w.UpdateUnit(t.Context(), admin, top)
	wantKind(t, err, fault.Invalid)
	_, err = w.UpdateUnit(t.Context(), admin, Unit{ID: 99})
	wantKind(t, err, fault.NotFound)
}

func TestCloseUnit(t *testing.T) {
	w := open(t, Options{})
	next := w.unit(t, Unit{Code: "H18.30", Name: "Sở mới", ShortName: "SM", Parent: w.ubnd.ID, Address: addr(t, "somoi@x.test")})
	end := w.clock.now().Add(24 * time.Hour)
	wantKind(t, w.CloseUnit(t.Context(), admin, w.ubnd.ID, end, nil), fault.Conflict) // units below
	wantKind(t, w.CloseUnit(t.Context(), admin, w.soyte.ID, end, []UnitID{w.soyte.ID}), fault.Invalid)
	wantKind(t, w.CloseUnit(t.Context(), admin, w.soyte.ID, time.Time{}, nil), fault.Invalid)
	wantKind(t, w.CloseUnit(t.Context(), admin, 99, end, nil), fault.NotFound)
	if err := w.CloseUnit(t.Context(), admin, w.soyte.ID, end, []UnitID{next.ID, w.ubnd.ID}); err != nil {
		t.Fatal(err)
	}
	wantKind(t, w.CloseUnit(t.Context(), admin, w.soyte.ID, end, nil), fault.Conflict)

	s := w.Snapshot() // one and the same: only time goes on
	if got, err := s.Resolve(addr(t, "soyte@x.test")); err != nil || got.Closed {
		t.Errorf("before its end: %+v, %v", got, err)
	}
	w.clock.advance(24 * time.Hour)
	got, err := s.Expand(addr(t, "y.te+vb@x.test"))
	if err != nil || len(got) != 2 || got[0].Unit != next.ID || got[1].Unit != w.ubnd.ID || got[0].Former != w.soyte.ID || got[0].Detail != "vb" {
		t.Errorf("after its end: %+v, %v", got, err)
	}
	// Its code, short name and address may be used again; the old identifier still finds something.
	again := w.unit(t, Unit{Code: "H18.26", Name: "Sở Y tế mới", ShortName: "SYT", Parent: w.ubnd.ID, Address: addr(t, "soyte@x.test")})
	if u, _ := w.Snapshot().UnitByCode("H18.26"); u.ID != again.ID {
		t.Errorf("UnitByCode = %d, want the one that exists", u.ID)
	}
	if u, _ := w.Snapshot().UnitByAddress(addr(t, "soyte@x.test")); u.ID != again.ID {
		t.Errorf("UnitByAddress = %d, want the one that exists", u.ID)
	}
	if u, _ := w.Snapshot().UnitByCode("000.00.26.H18"); u.ID != w.soyte.ID {
		t.Errorf("UnitByCode of the former code = %d", u.ID)
	}
}

// TestSuccessorPreparedAhead: a unit may be entered before the day on which it
// takes over the code of another one.
func TestSuccessorPreparedAhead(t *testing.T) {
	w := open(t, Options{})
	day := w.clock.now().Add(24 * time.Hour)
	if err := w.CloseUnit(t.Context(), admin, w.soyte.ID, day, []UnitID{w.ubnd.ID}); err != nil {
		t.Fatal(err)
	}
	next := w.unit(t, Unit{Code: "H18.26", Name: "Sở mới", ShortName: "SM", From: day, Address: addr(t, "somoi@x.test")})
	if u, _ := w.Snapshot().UnitByCode("H18.26"); u.ID != w.soyte.ID {
		t.Errorf("before the day: unit %d", u.ID)
	}
	w.clock.advance(24 * time.Hour)
	if err := w.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u, _ := w.Snapshot().UnitByCode("H18.26"); u.ID != next.ID {
		t.Errorf("from the day on: unit %d, want %d", u.ID, next.ID)
	}
}

func TestAccountFields(t *testing.T) {
	w := open(t, Options{})
	good := Account{Login: addr(t, "cv@x.test"), Name: "Chuyên viên", Roles: []Assignment{{w.soyte.ID, RoleStaff}}}
	tests := []struct {
		name string
		edit func(*Account)
		pass Password
		want fault.Kind
	}{
		{"foreign login", func(a *Account) { a.Login = addr(t, "a@ngoai.test") }, "", fault.Invalid},
		{"login with letters beyond ASCII", func(a *Account) { a.Login = addr(t, "vănthư@x.test") }, "", fault.Invalid},
		{"login with quote", func(a *Account) { a.Login.Local = "a'b" }, "", fault.Invalid},
		{"login with detail", func(a *Account) { a.Login.Local = "a+b" }, "", fault.Invalid},
		{"login taken by a unit", func(a *Account) { a.Login = addr(t, "soyte@x.test") }, "", fault.Conflict},
		{"no name", func(a *Account) { a.Name = "" }, "", fault.Invalid},
		{"unknown role", func(a *Account) { a.Roles[0].Role = "giamdoc" }, "", fault.Invalid},
		{"role without unit", func(a *Account) { a.Roles[0].Unit = 0 }, "", fault.Invalid},
		{"role in no unit", func(a *Account) { a.Roles[0].Unit = 99 }, "", fault.Invalid},
		{"role twice", func(a *Account) { a.Roles = append(a.Roles, a.Roles[0]) }, "", fault.Invalid},
		{"negative quota", func(a *Account) { a.QuotaMiB = -1 }, "", fault.Invalid},
		{"short password", func(*Account) {}, "1234567", fault.Invalid},
		{"long password", func(*Account) {}, Password(strings.Repeat("x", 1025)), fault.Invalid},
		{"password with NUL", func(*Account) {}, "12345678\x00", fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := good
			a.Roles = slices.Clone(good.Roles)
			tt.edit(&a)
			_, _, err := w.CreateAccount(t.Context(), admin, a, tt.pass)
			wantKind(t, err, tt.want)
		})
	}
	a, _ := w.account(t, "CV@x.test", "")
	if a.Login != addr(t, "cv@x.test") || a.State != Active {
		t.Errorf("CreateAccount = %+v", a)
	}
	_, _, err := w.CreateAccount(t.Context(), admin, good, "")
	wantKind(t, err, fault.Conflict)
}

func TestChangesAreJournaled(t *testing.T) {
	w := open(t, Options{})
	before := int64(len(w.entries(t, 1)))
	a, _ := w.account(t, "cv@x.test", "")
	ctx := t.Context()
	g, err := w.CreateGroup(ctx, admin, Group{Address: addr(t, "nhom@x.test"), Name: "Nhóm", Members: addrs(t, "cv@x.test", "soyte@x.test", "CV@x.test")})
	if err != nil || len(g.Members) != 2 {
		t.Fatal(g, err)
	}
	made, errPassword := w.SetPassword(ctx, admin, a.ID, "")
	if err := errors.Join(
		errPassword,
		w.SetState(ctx, admin, a.ID, Locked),
		w.SetRoles(ctx, admin, a.ID, []Assignment{{w.soyte.ID, RoleClerk}, {0, RoleAdmin}}),
		w.UpdateAccount(ctx, admin, Account{ID: a.ID, Name: "Khác", QuotaMiB: 5}),
		w.SetGroupMembers(ctx, admin, g.ID, addrs(t, "a@ngoai.test", "cv@x.test")),
		w.AddAlias(ctx, admin, Alias{addr(t, "vb.soyte@x.test"), addr(t, "soyte+vb@x.test")}),
		w.RemoveAlias(ctx, admin, addr(t, "VB.soyte@x.test")),
		w.DeleteGroup(ctx, admin, g.ID),
		w.AddDomain(ctx, admin, "x.test"), // again: nothing
	); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"account.created", "group.created", "account.password_set", "account.state_set", "account.roles_set", "account.updated",
		"group.members_set", "alias.added", "alias.removed", "group.deleted",
	}
	if got := w.entries(t, before+1); !slices.Equal(got, want) {
		t.Errorf("journal = %v\nwant %v", got, want)
	}
	// T168: neither passwords nor what could be tried against them.
	secret := w.Snapshot().creds[w.Snapshot().accountAt[a.ID]].secret
	var leaks int
	err = w.db.View(ctx, func(r sqldb.Reader) error {
		return r.QueryRow(ctx, `SELECT count(*) FROM journal WHERE instr(body, $1) > 0 OR instr(body, $2) > 0`,
			[]byte(made.Reveal()), []byte(secret)).Scan(&leaks)
	})
	if err != nil || leaks != 0 {
		t.Errorf("%d journal entries have the password or its hash, %v", leaks, err)
	}
	got, _ := w.Snapshot().Account(a.ID)
	if got.Name != "Khác" || got.QuotaMiB != 5 || got.State != Locked || !slices.Equal(got.Roles, []Assignment{{0, RoleAdmin}, {w.soyte.ID, RoleClerk}}) {
		t.Errorf("account = %+v", got)
	}
	// What memory shows is what the tables have.
	again, err := Open(ctx, w.db, Options{Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	a1, _ := json.Marshal([]any{w.Snapshot().Units(), w.Snapshot().Accounts(), w.Snapshot().Groups(), w.Snapshot().Aliases()})
	a2, _ := json.Marshal([]any{again.Snapshot().Units(), again.Snapshot().Accounts(), again.Snapshot().Groups(), again.Snapshot().Aliases()})
	if string(a1) != string(a2) {
		t.Errorf("memory  %s\ntables %s", a1, a2)
	}
	if i := w.Snapshot().accountAt[a.ID]; w.Snapshot().creds[i] != again.Snapshot().creds[i] {
		t.Error("credential in memory differs from the table")
	}
}

func TestGroupsAndAliasesRefuse(t *testing.T) {
	w := open(t, Options{})
	ctx := t.Context()
	group := func(local string, members ...string) Group {
		t.Helper()
		g, err := w.CreateGroup(ctx, admin, Group{Address: addr(t, local+"@x.test"), Name: local, Members: addrs(t, members...)})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	first := group("g1", "soyte@x.test")
	for i := 2; i <= 7; i++ {
		group(fmt.Sprintf("g%d", i), fmt.Sprintf("g%d@x.test", i-1))
	}
	below := group("duoi", "ubnd@x.test")
	if err := w.SetGroupMembers(ctx, admin, first.ID, addrs(t, "duoi@x.test")); err != nil {
		t.Errorf("8 levels: %v", err)
	}
	if got, err := w.Snapshot().Expand(addr(t, "g7@x.test")); err != nil || len(got) != 1 || got[0].Unit != w.ubnd.ID {
		t.Errorf("Expand over 8 levels = %+v, %v", got, err)
	}
	_, err := w.CreateGroup(ctx, admin, Group{Address: addr(t, "g9@x.test"), Name: "9", Members: addrs(t, "g7@x.test")})
	wantKind(t, err, fault.Invalid) // 9 levels from above
	group("sau", "soyte@x.test")
	wantKind(t, w.SetGroupMembers(ctx, admin, below.ID, addrs(t, "sau@x.test")), fault.Invalid) // 9 levels from below
	wantKind(t, w.SetGroupMembers(ctx, admin, first.ID, addrs(t, "g3@x.test")), fault.Invalid)  // loop
	wantKind(t, w.SetGroupMembers(ctx, admin, first.ID, addrs(t, "g1@x.test")), fault.Invalid)  // itself
	wantKind(t, w.SetGroupMembers(ctx, admin, first.ID, addrs(t, "ai@x.test")), fault.Invalid)  // nobody
	wantKind(t, w.SetGroupMembers(ctx, admin, 99, nil), fault.NotFound)
	wantKind(t, w.DeleteGroup(ctx, admin, 99), fault.NotFound)
	wantKind(t, w.AddAlias(ctx, admin, Alias{addr(t, "b@x.test"), addr(t, "ai@x.test")}), fault.Invalid)
	wantKind(t, w.AddAlias(ctx, admin, Alias{addr(t, "g1@x.test"), addr(t, "soyte@x.test")}), fault.Conflict)
	wantKind(t, w.AddAlias(ctx, admin, Alias{addr(t, "b@ngoai.test"), addr(t, "soyte@x.test")}), fault.Invalid)
	wantKind(t, w.RemoveAlias(ctx, admin, addr(t, "g1@x.test")), fault.NotFound)
	wantKind(t, w.AddDomain(ctx, admin, "a b"), fault.Invalid)
	wantKind(t, w.SetState(ctx, admin, 99, Locked), fault.NotFound)
}

func TestSnapshotShowsOwnWrites(t *testing.T) {
	w := open(t, Options{})
	ctx, stop := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				s := w.Snapshot()
				for i := range s.Accounts() {
					if a, ok := s.AccountByLogin(s.Accounts()[i].Login); !ok || a.ID != s.Accounts()[i].ID {
						t.Errorf("snapshot does not fit together: %+v", a)
					}
				}
				_, _ = s.Expand(addr(t, "soyte@x.test"))
				_, _ = w.Authenticate(ctx, Attempt{Login: "khong@x.test", Password: "", Remote: netip.Addr{}, Protocol: IMAP})
			}
		})
	}
	for g := range 3 {
		writers.Go(func() {
			for i := range 8 {
				login := fmt.Sprintf("a%d.%d@x.test", g, i)
				a, made, err := w.CreateAccount(ctx, admin, Account{Login: addr(t, login), Name: "x"}, "")
				if err != nil {
					t.Error(err)
					return
				}
				if _, ok := w.Snapshot().Account(a.ID); !ok {
					t.Errorf("%s is not seen after its creation", login)
				}
				remote := netip.AddrFrom4([4]byte{10, byte(g), byte(i), 1})
				if _, err := w.Authenticate(ctx, Attempt{Login: Login(login), Password: made, Remote: remote, Protocol: IMAP}); err != nil {
					t.Errorf("log in as %s: %v", login, err)
				}
				if made, err = w.SetPassword(ctx, admin, a.ID, ""); err != nil {
					t.Error(err)
				}
				if _, err := w.Authenticate(ctx, Attempt{Login: Login(login), Password: made, Remote: remote, Protocol: IMAP}); err != nil {
					t.Errorf("log in as %s with the new password: %v", login, err)
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
	if got := len(w.Snapshot().Accounts()); got != 24 {
		t.Errorf("%d accounts, want 24", got)
	}
}

func TestJSON(t *testing.T) {
	u := Unit{
		ID: 2, Code: "H18.26", LegacyCodes: []string{"000.00.26.H18"}, Name: "Sở Y tế", ShortName: "SYT", Kind: "sở", Parent: 1,
		To: clock(), Successors: []UnitID{3}, Address: addr(t, "soyte@x.test"), Aliases: addrs(t, "y.te@x.test"),
	}
	a := Account{ID: 1, Login: addr(t, "cv@x.test"), Name: "CV", Roles: []Assignment{{2, RoleStaff}}, State: Active}
	g := Group{ID: 1, Address: addr(t, "g@x.test"), Name: "G", Members: addrs(t, "cv@x.test")}
	al := Alias{addr(t, "y.te@x.test"), addr(t, "soyte+vb@x.test")}
	got, err := json.Marshal([]any{u, a, g, al})
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"id":2,"code":"H18.26","legacy_codes":["000.00.26.H18"],"name":"Sở Y tế","short_name":"SYT","kind":"sở","parent":1,` +
		`"to":"2026-03-02T08:00:00Z","successors":[3],"address":"soyte@x.test","aliases":["y.te@x.test"]},` +
		`{"id":1,"login":"cv@x.test","name":"CV","roles":[{"unit":2,"role":"chuyenvien"}],"quota_mib":0,"state":"active"},` +
		`{"id":1,"address":"g@x.test","name":"G","members":["cv@x.test"]},{"address":"y.te@x.test","target":"soyte+vb@x.test"}]`
	if string(got) != want {
		t.Errorf("JSON = %s\nwant   %s", got, want)
	}
	var u2 Unit
	var a2 Account
	var g2 Group
	var al2 Alias
	parts := []any{&u2, &a2, &g2, &al2}
	if err := json.Unmarshal(got, &parts); err != nil {
		t.Fatal(err)
	}
	again, _ := json.Marshal([]any{u2, a2, g2, al2})
	if string(again) != want {
		t.Errorf("read back and written again = %s", again)
	}
}
