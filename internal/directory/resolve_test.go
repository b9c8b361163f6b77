package directory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// addr reads an address that the test knows to be right.
func addr(t testing.TB, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s, true)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func addrs(t testing.TB, list ...string) []mail.Address {
	t.Helper()
	out := make([]mail.Address, len(list))
	for i, s := range list {
		out[i] = addr(t, s)
	}
	return out
}

// clock is a fixed time.
func clock() time.Time { return time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC) }

// build makes a snapshot without a database, and so without its checks.
func build(units []Unit, accounts []Account, groups []Group, aliases []Alias) *Snapshot {
	s := &Snapshot{
		now: clock, units: units, accounts: accounts, creds: make([]credential, len(accounts)), groups: groups, aliases: aliases,
		domains: []Domain{"x.test"}, unitAt: map[UnitID]int{}, accountAt: map[AccountID]int{}, groupAt: map[GroupID]int{},
	}
	for i := range units {
		s.unitAt[units[i].ID] = i
	}
	for i := range accounts {
		s.accountAt[accounts[i].ID] = i
	}
	for i := range groups {
		s.groupAt[groups[i].ID] = i
	}
	s.index()
	return s
}

// province is a small one with everything in it.
func province(t testing.TB) *Snapshot {
	t.Helper()
	closed := time.Date(2025, 6, 30, 17, 0, 0, 0, time.UTC)
	return build(
		[]Unit{
			{ID: 1, Code: "H18", Address: addr(t, "ubnd@x.test")},
			{ID: 2, Code: "H18.26", LegacyCodes: []string{"000.00.26.H18"}, Parent: 1, Address: addr(t, "soyte@x.test")},
			{ID: 3, Code: "H18.01", Parent: 1, Address: addr(t, "huyen01@x.test"), To: closed, Successors: []UnitID{4, 6}},
			{ID: 4, Code: "H18.02", Parent: 1, Address: addr(t, "xa01@x.test"), To: closed, Successors: []UnitID{5}},
			{ID: 5, Code: "H18.03", Parent: 1, Address: addr(t, "xa02@x.test")},
			{ID: 6, Code: "H18.04", Parent: 1, Address: addr(t, "xa03@x.test")},
			{ID: 7, Code: "H18.05", Parent: 1, Address: addr(t, "huyen02@x.test"), To: closed},
			{ID: 8, Code: "H18.06", Parent: 1, Address: addr(t, "moi@x.test"), From: clock().Add(time.Hour)},
		},
		[]Account{
			{ID: 1, Login: addr(t, "cv1@x.test"), State: Active, Roles: []Assignment{{2, RoleStaff}}},
			{ID: 2, Login: addr(t, "cv2@x.test"), State: Disabled, Roles: []Assignment{{2, RoleStaff}}},
			{ID: 3, Login: addr(t, "cv3@x.test"), State: Locked},
			{ID: 4, Login: addr(t, "quantri@x.test"), State: Active, Roles: []Assignment{{0, RoleAdmin}}},
			{ID: 5, Login: addr(t, "quantri2@x.test"), State: Active, Roles: []Assignment{{2, RoleAdmin}}},
			{ID: 6, Login: addr(t, "vt@x.test"), State: Active, Roles: []Assignment{{2, RoleClerk}, {2, RoleStaff}}},
		},
		[]Group{
			{ID: 1, Address: addr(t, "cac-so@x.test"), Members: addrs(t, "soyte@x.test", "cv1@x.test", "cv2@x.test", "a@ngoai.test", "y.te@x.test", "gone@x.test")},
			{ID: 2, Address: addr(t, "toan-tinh@x.test"), Members: addrs(t, "ubnd@x.test", "cac-so@x.test", "huyen01@x.test", "xa03@x.test")},
			{ID: 3, Address: addr(t, "trong@x.test")},
		},
		[]Alias{
			{Address: addr(t, "y.te@x.test"), Target: addr(t, "soyte@x.test")},
			{Address: addr(t, "vb.soyte@x.test"), Target: addr(t, "soyte+vb@x.test")},
			{Address: addr(t, "ra@x.test"), Target: addr(t, "b+c@ngoai.test")},
			{Address: addr(t, "vong1@x.test"), Target: addr(t, "vong2@x.test")},
			{Address: addr(t, "vong2@x.test"), Target: addr(t, "vong1@x.test")},
		},
	)
}

func TestResolve(t *testing.T) {
	s := province(t)
	soyte := addr(t, "soyte@x.test")
	tests := []struct {
		name string
		in   string
		want Target
		err  bool
	}{
		{name: "unit", in: "soyte@x.test", want: Target{Kind: TargetUnit, Unit: 2, Addr: soyte}},
		{name: "any case", in: "SoYTe@X.test", want: Target{Kind: TargetUnit, Unit: 2, Addr: soyte}},
		{name: "detail", in: "soyte+vb@x.test", want: Target{Kind: TargetUnit, Unit: 2, Addr: soyte, Detail: "vb"}},
		{name: "detail in detail", in: "soyte+xinso.qd+x@x.test", want: Target{Kind: TargetUnit, Unit: 2, Addr: soyte, Detail: "xinso.qd+x"}},
		{name: "alias", in: "y.te@x.test", want: Target{Kind: TargetUnit, Unit: 2, Addr: soyte}},
		{name: "alias with detail", in: "vb.soyte@x.test", want: Target{Kind: TargetUnit, Unit: 2, Addr: soyte, Detail: "vb"}},
		{name: "outer detail counts", in: "vb.soyte+duthao@x.test", want: Target{Kind: TargetUnit, Unit: 2, Addr: soyte, Detail: "duthao"}},
		{name: "account", in: "cv1@x.test", want: Target{Kind: TargetAccount, Account: 1, Addr: addr(t, "cv1@x.test")}},
		{name: "locked account gets mail", in: "cv3@x.test", want: Target{Kind: TargetAccount, Account: 3, Addr: addr(t, "cv3@x.test")}},
		{name: "disabled account is unknown", in: "cv2@x.test", want: Target{Kind: TargetUnknown, Addr: addr(t, "cv2@x.test")}, err: true},
		{name: "group", in: "cac-so@x.test", want: Target{Kind: TargetGroup, Group: 1, Addr: addr(t, "cac-so@x.test")}},
		{name: "external", in: "A+b@ngoai.test", want: Target{Kind: TargetExternal, Addr: addr(t, "A+b@ngoai.test")}},
		{name: "alias of an external", in: "ra@x.test", want: Target{Kind: TargetAlias, Addr: addr(t, "b+c@ngoai.test")}},
		{name: "postmaster", in: "Postmaster@x.test", want: Target{Kind: TargetPostmaster, Addr: addr(t, "postmaster@x.test")}},
		{name: "closed unit", in: "huyen01@x.test", want: Target{Kind: TargetUnit, Unit: 3, Closed: true, Addr: addr(t, "huyen01@x.test")}},
		{name: "closed without successor", in: "huyen02@x.test", want: Target{Kind: TargetUnit, Unit: 7, Closed: true, Addr: addr(t, "huyen02@x.test")}, err: true},
		{name: "not yet there", in: "moi@x.test", want: Target{Kind: TargetUnknown, Addr: addr(t, "moi@x.test")}, err: true},
		{name: "unknown", in: "ai@x.test", want: Target{Kind: TargetUnknown, Addr: addr(t, "ai@x.test")}, err: true},
		{name: "aliases in a loop", in: "vong1@x.test", want: Target{Kind: TargetUnknown, Addr: addr(t, "vong1@x.test")}, err: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Resolve(addr(t, tt.in))
			if got != tt.want || (err != nil) != tt.err {
				t.Errorf("Resolve = %+v, %v\nwant %+v, error %v", got, err, tt.want, tt.err)
			}
			if err != nil && fault.KindOf(err) != fault.NotFound {
				t.Errorf("kind = %v, want not found", fault.KindOf(err))
			}
		})
	}
	if got, err := s.Resolve(mail.Address{Local: "Postmaster"}); err != nil || got.Kind != TargetPostmaster {
		t.Errorf("Resolve(bare postmaster) = %+v, %v", got, err)
	}
}

func TestExpand(t *testing.T) {
	s := province(t)
	tests := []struct {
		name string
		in   string
		want []string // kind id address detail via former
		err  bool
	}{
		{name: "unit with detail", in: "soyte+vb@x.test", want: []string{"unit 2 soyte@x.test vb  0"}},
		{name: "closed unit goes to the successors, through closed ones", in: "huyen01+vb@x.test", want: []string{
			"unit 5 xa02@x.test vb  3", "unit 6 xa03@x.test vb  3",
		}},
		{name: "group: once each, in order, without those that have left", in: "cac-so@x.test", want: []string{
			"unit 2 soyte@x.test  cac-so@x.test 0", "account 1 cv1@x.test  cac-so@x.test 0", "external 0 a@ngoai.test  cac-so@x.test 0",
		}},
		{name: "nested, with detail", in: "toan-tinh+vb@x.test", want: []string{
			"unit 1 ubnd@x.test vb toan-tinh@x.test 0", "unit 2 soyte@x.test vb cac-so@x.test 0", "account 1 cv1@x.test vb cac-so@x.test 0",
			"external 0 a@ngoai.test  cac-so@x.test 0", "unit 5 xa02@x.test vb toan-tinh@x.test 3", "unit 6 xa03@x.test vb toan-tinh@x.test 3",
		}},
		{name: "postmaster is the administrator of the province", in: "postmaster@x.test", want: []string{"account 4 quantri@x.test   0"}},
		{name: "alias of an external", in: "ra+x@x.test", want: []string{"external 0 b+c@ngoai.test   0"}},
		{name: "empty group", in: "trong@x.test", err: true},
		{name: "unknown", in: "ai@x.test", err: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := s.Expand(addr(t, tt.in))
			if (err != nil) != tt.err {
				t.Fatalf("Expand: %v", err)
			}
			var got []string
			for _, r := range list {
				kind := [...]string{ToAccount: "account", ToUnit: "unit", ToExternal: "external"}[r.Kind]
				got = append(got, fmt.Sprintf("%s %d %v %s %v %d", kind, int64(r.Account)+int64(r.Unit), r.Addr, r.Detail, r.Via, r.Former))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("Expand = %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestExpandAnyGraph: whatever groups hold each other, nobody comes twice, the
// order does not change, everybody within reach comes, and it ends.
func TestExpandAnyGraph(t *testing.T) {
	rounds := 2000
	if testing.Short() {
		rounds = 200
	}
	for round := range rounds {
		rnd := rand.New(rand.NewPCG(uint64(round), 1))
		nAcct, nGroup := 1+rnd.IntN(20), 1+rnd.IntN(15)
		var accounts []Account
		var groups []Group
		var all []mail.Address
		for i := range nAcct {
			a := mail.Address{Local: fmt.Sprintf("a%02d", i), Domain: "x.test"}
			accounts, all = append(accounts, Account{ID: AccountID(i + 1), Login: a, State: Active}), append(all, a)
		}
		for i := range nGroup {
			a := mail.Address{Local: fmt.Sprintf("g%02d", i), Domain: "x.test"}
			groups, all = append(groups, Group{ID: GroupID(i + 1), Address: a}), append(all, a)
		}
		for i := range groups {
			for range rnd.IntN(8) {
				groups[i].Members = append(groups[i].Members, all[rnd.IntN(len(all))])
			}
		}
		s := build(nil, accounts, groups, nil)
		start := groups[rnd.IntN(nGroup)]
		got, err := s.Expand(start.Address)
		want := reach(s, start)
		if (err != nil) != (len(want) == 0) {
			t.Fatalf("round %d: Expand: %v, want %d recipients", round, err, len(want))
		}
		for _, r := range got {
			if !want[r.Account] {
				t.Fatalf("round %d: %v comes twice or is out of reach", round, r.Addr)
			}
			delete(want, r.Account)
		}
		if len(want) > 0 {
			t.Fatalf("round %d: %v are missing", round, want)
		}
		if again, _ := s.Expand(start.Address); !slices.Equal(again, got) {
			t.Fatalf("round %d: order changes", round)
		}
	}
}

// reach is who is within 8 levels, found level by level.
func reach(s *Snapshot, start Group) map[AccountID]bool {
	out := map[AccountID]bool{}
	seen := map[GroupID]bool{start.ID: true}
	level := []Group{start}
	for range maxNesting {
		var next []Group
		for _, g := range level {
			for _, m := range g.Members {
				if a, ok := s.AccountByLogin(m); ok {
					out[a.ID] = true
				} else if h, _ := s.GroupByAddress(m); !seen[h.ID] {
					seen[h.ID] = true
					next = append(next, h)
				}
			}
		}
		level = next
	}
	return out
}

func TestMaySendAs(t *testing.T) {
	s := province(t)
	tests := []struct {
		name    string
		account AccountID
		from    string
		want    bool
	}{
		{"own login", 1, "cv1@x.test", true},
		{"own login with detail", 1, "CV1+ghi-chu@x.test", true},
		{"another's login", 1, "cv3@x.test", false},
		{"unit as staff", 1, "soyte@x.test", false},
		{"unit as clerk", 6, "soyte+vb@x.test", true},
		{"alias of the unit as clerk", 6, "vb.soyte@x.test", true},
		{"another unit as clerk", 6, "ubnd@x.test", false},
		{"group", 6, "cac-so@x.test", false},
		{"external", 6, "a@ngoai.test", false},
		{"alias of an external", 6, "ra@x.test", false},
		{"unknown", 6, "ai@x.test", false},
		{"postmaster as administrator", 4, "postmaster@x.test", true},
		{"postmaster as administrator of a unit", 5, "postmaster@x.test", false},
		{"locked", 3, "cv3@x.test", false},
		{"no such account", 99, "cv1@x.test", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.MaySendAs(tt.account, addr(t, tt.from)); got != tt.want {
				t.Errorf("MaySendAs = %v", got)
			}
		})
	}
}

func TestLookups(t *testing.T) {
	s := province(t)
	for _, code := range []string{"H18.26", "h18.26", " 000.00.26.h18 "} {
		if u, ok := s.UnitByCode(code); !ok || u.ID != 2 {
			t.Errorf("UnitByCode(%q) = %+v, %v", code, u, ok)
		}
	}
	if u, ok := s.UnitByCode(""); ok {
		t.Errorf("UnitByCode of nothing = %+v", u)
	}
	if u, _ := s.UnitByAddress(addr(t, "y.te+vb@x.test")); u.ID != 2 {
		t.Errorf("UnitByAddress = %+v", u)
	}
	if got := s.AccountsOf(2); !slices.Equal(got, []AccountID{1, 5, 6}) {
		t.Errorf("AccountsOf = %v, want without the disabled, each once", got)
	}
	if got := s.ClerksOf(2); !slices.Equal(got, []AccountID{6}) {
		t.Errorf("ClerksOf = %v", got)
	}
	if u, _ := s.Unit(2); len(u.Aliases) != 1 || u.Aliases[0] != addr(t, "y.te@x.test") {
		t.Errorf("Aliases = %v, want the one without detail", u.Aliases)
	}
	if !s.HasRole(4, 2, RoleAdmin) || s.HasRole(5, 1, RoleAdmin) || s.HasRole(2, 2, RoleStaff) {
		t.Error("HasRole: province-wide counts everywhere, a unit's only there, a disabled account's nowhere")
	}
}

func BenchmarkExpandGroupOf45(b *testing.B) {
	var units []Unit
	g := Group{ID: 1, Address: addr(b, "cac-xa@x.test")}
	for i := range 45 {
		u := Unit{ID: UnitID(i + 1), Code: fmt.Sprintf("H18.%d", i), Address: addr(b, fmt.Sprintf("xa%02d@x.test", i))}
		units, g.Members = append(units, u), append(g.Members, u.Address)
	}
	s := build(units, nil, []Group{g}, nil)
	a := addr(b, "cac-xa+vb@x.test")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Resolve(a); err != nil {
			b.Fatal(err)
		}
		if list, err := s.Expand(a); err != nil || len(list) != 45 {
			b.Fatal(len(list), err)
		}
	}
}
