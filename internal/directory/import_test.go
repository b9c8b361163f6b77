package directory

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"vanthu/internal/fault"
)

func TestImportAccounts(t *testing.T) {
	tests := []struct {
		name string
		file string
	}{
		{"plain", "login,name,unit,roles,password,quota_mib\n" +
			"vt@x.test,\"Văn thư, Sở Y tế\",H18.26,vanthu chuyenvien,,100\ncv@x.test,Chuyên viên,syt,chuyenvien,mat khau dai,\nqt@x.test,Quản trị,,quantri,,\n"},
		{"byte order mark, semicolons, CR LF, another order", "\ufeffName;Login;quota_mib;Roles;Unit;Password\r\n" +
			"Văn thư, Sở Y tế;VT@x.test;100;\"vanthu;chuyenvien\";soyte@x.test;\r\nChuyên viên;cv@x.test;;chuyenvien;000.00.26.H18;mat khau dai\r\nQuản trị;qt@x.test;;quantri;;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := open(t, Options{})
			before := int64(len(w.entries(t, 1)))
			res, err := w.ImportAccounts(t.Context(), admin, ReadAccounts(strings.NewReader(tt.file)), ImportOptions{DryRun: true})
			if err != nil || res.Total != 3 || len(res.Created) != 0 || len(w.Snapshot().Accounts()) != 0 {
				t.Fatalf("dry run = %+v, %v", res, err)
			}
			var steps []int
			res, err = w.ImportAccounts(t.Context(), admin, ReadAccounts(strings.NewReader(tt.file)), ImportOptions{
				Progress: func(n, total int) { steps = append(steps, n, total) },
			})
			if err != nil || len(res.Created) != 3 || !slices.Equal(steps, []int{3, 3}) {
				t.Fatalf("ImportAccounts = %+v, %v, %v", res, err, steps)
			}
			vt, cv, qt := res.Created[0], res.Created[1], res.Created[2]
			if vt.Account.QuotaMiB != 100 || len(vt.Account.Roles) != 2 || vt.Account.Roles[0] != (Assignment{w.soyte.ID, RoleClerk}) {
				t.Errorf("clerk = %+v", vt.Account)
			}
			if !w.Snapshot().HasRole(qt.Account.ID, w.soyte.ID, RoleAdmin) || cv.Made != "" {
				t.Errorf("others = %+v %+v", cv, qt)
			}
			for login, p := range map[Login]Password{"vt@x.test": vt.Made, "cv@x.test": "mat khau dai", "qt@x.test": qt.Made} {
				if _, err := w.Authenticate(t.Context(), Attempt{Login: login, Password: p, Remote: ip("10.0.0.1"), Protocol: IMAP}); err != nil {
					t.Errorf("log in as %s: %v", login, err)
				}
			}
			if got := w.entries(t, before+1); !slices.Equal(got, []string{"account.created", "account.created", "account.created"}) {
				t.Errorf("journal = %v", got)
			}
		})
	}
}

func TestImportRefusesTheWhole(t *testing.T) {
	w := open(t, Options{})
	w.account(t, "co@x.test", "")
	const head = "login,name,unit,roles,password,quota_mib\n"
	tests := []struct {
		name  string
		file  string
		lines []int
	}{
		{"every kind of mistake, each with its line", head +
			"ok@x.test,OK,SYT,vanthu,,\n" + // 2
			"khong,A,SYT,vanthu,,\n" +
			"a@ngoai.test,A,SYT,vanthu,,\n" +
			"b@x.test,,SYT,vanthu,,\n" +
			"c@x.test,C,KHONGCO,vanthu,,\n" +
			"d@x.test,D,SYT,giamdoc,,\n" +
			"e@x.test,E,SYT,,,\n" +
			"f@x.test,F,,vanthu,,\n" +
			"g@x.test,G,SYT,vanthu,ngan,\n" +
			"h@x.test,H,SYT,vanthu,,nhieu\n" +
			"\"i@x.test\",\"I\nI\",SYT,vanthu,,\n" + // 12 and 13
			"OK@x.test,Again,SYT,vanthu,,\n" +
			"co@x.test,There,SYT,vanthu,,\n" +
			"j@x.test,J,SYT\n" +
			"k@x.test,K,SYT,vanthu,,-1\n", []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17}},
		{"no header", "vt@x.test,Văn thư,SYT,vanthu,,\n", []int{1}},
		{"empty", "", []int{1}},
		{"no login", "name,unit\n", []int{1}},
		{"column twice", "login,name,login\n", []int{1}},
		{"binary", "PK\x03\x04\x00\x00", []int{1}},
		{"quotes", head + "a@x.test,\"A\"B,SYT,vanthu,,\nkhong,A,SYT,vanthu,,\n", []int{2, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, err := w.ImportAccounts(t.Context(), admin, ReadAccounts(strings.NewReader(tt.file)), ImportOptions{})
			wantKind(t, err, fault.Invalid)
			var lines []int
			for _, p := range res.Problems {
				lines = append(lines, p.Line)
				if p.Text.EN == "" {
					t.Errorf("line %d has no text", p.Line)
				}
			}
			if !slices.Equal(lines, tt.lines) {
				t.Errorf("problems = %+v\nwant lines %v", res.Problems, tt.lines)
			}
			if n := len(w.Snapshot().Accounts()); n != 1 || len(res.Created) != 0 {
				t.Errorf("%d accounts, want nothing changed", n)
			}
		})
	}
}

func FuzzReadAccounts(f *testing.F) {
	f.Add("login,name\na@x.test,A\n")
	f.Add("\ufefflogin;name\r\n\"a\";\"b\n\"")
	f.Fuzz(func(t *testing.T, file string) {
		n, last := 0, 0
		for row, err := range ReadAccounts(strings.NewReader(file)) {
			if err == nil && row.Line < last {
				t.Fatalf("line %d after %d", row.Line, last)
			}
			last = max(last, row.Line)
			if n++; n > len(file)+1 {
				t.Fatal("more rows than octets")
			}
		}
	})
}

// many makes a list of n accounts with made passwords.
func many(n int) string {
	var b strings.Builder
	b.WriteString("login,name,unit,roles,password,quota_mib\n")
	for i := range n {
		fmt.Fprintf(&b, "cv%05d@x.test,Chuyên viên %d,SYT,chuyenvien,,\n", i, i)
	}
	return b.String()
}

func TestImportTenThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	w := open(t, Options{})
	start := time.Now()
	res, err := w.ImportAccounts(t.Context(), admin, ReadAccounts(strings.NewReader(many(10_000))), ImportOptions{})
	if err != nil || len(res.Created) != 10_000 {
		t.Fatal(len(res.Created), err)
	}
	t.Logf("import took %v", time.Since(start))
	var before, after runtime.MemStats
	runtime.GC() // twice: pools give up in two steps
	runtime.GC()
	runtime.ReadMemStats(&before)
	s, err := load(t.Context(), w.db, w.clock.now)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	size := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("snapshot of %d accounts has %d KiB", len(s.Accounts()), size>>10)
	if size > 10<<20 {
		t.Errorf("snapshot has %d octets", size)
	}
	runtime.KeepAlive(s)
	runtime.KeepAlive(res)
	runtime.KeepAlive(w)
}

func BenchmarkReload(b *testing.B) {
	w := open(b, Options{})
	if _, err := w.ImportAccounts(b.Context(), admin, ReadAccounts(strings.NewReader(many(10_000))), ImportOptions{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Reload(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
