package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sieve"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

var admin = journal.System("test")

func replace(list ...Rule) func([]Rule) ([]Rule, error) {
	return func([]Rule) ([]Rule, error) { return list, nil }
}

func TestKept(t *testing.T) {
	db, ctx := sqldbtest.Open(t), t.Context()
	now := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	s, err := Open(ctx, db, Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	me, unit := Owner{Account: 3}, Owner{Unit: 3}
	yes := true
	list := []Rule{
		{Name: "một", From: []string{"so noi vu"}, Folder: "Việc", Flags: []string{`\Flagged`, "viec"}},
		{Document: &Document{Is: &yes, Urgency: []string{"hoa toc"}}, Forward: []string{"a@x.test"}, Keep: true, Continue: true},
	}
	if err := s.SetRules(ctx, admin, me, replace(list...)); err != nil {
		t.Fatal(err)
	}
	if err := s.SetScript(ctx, admin, unit, "keep;"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetAbsence(ctx, admin, 3, &Absence{Until: now.Add(48 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	again, err := Open(ctx, db, Options{}) // as after a restart
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Store{s, again} {
		set := s.Of(me)
		if set == nil || fmt.Sprintf("%+v", set.Rules[0]) != fmt.Sprintf("%+v", list[0]) || len(set.Rules) != 2 || !*set.Rules[1].Document.Is {
			t.Fatalf("rules %+v", set)
		}
		if a := set.Absence; a == nil || a.Days != DefaultDays || !a.At(now) || a.At(now.Add(48*time.Hour)) || !strings.Contains(a.Text, "26/11/2026") {
			t.Errorf("absence %+v", a)
		}
		if scripts, err := set.Scripts(); err != nil || len(scripts) != 1 {
			t.Errorf("%d scripts, %v", len(scripts), err)
		}
		if set := s.Of(unit); set == nil || set.Script != "keep;" || set.Rules != nil {
			t.Errorf("the unit has %+v", set)
		}
	}
	if err := s.SetAbsence(ctx, admin, 3, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.SetRules(ctx, admin, me, replace()); err != nil {
		t.Fatal(err)
	}
	if s.Of(me) != nil {
		t.Error("an owner without anything is kept in memory")
	}
}

func TestRefused(t *testing.T) {
	s, err := Open(t.Context(), sqldbtest.Open(t), Options{MayForward: func(_ Owner, to mail.Address) error {
		if to.Domain == "y.test" {
			return fault.New(fault.Denied, fault.Text{EN: "no route"})
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	me := Owner{Account: 1}
	long := strings.Repeat("a", 300)
	tests := []struct {
		name string
		rule Rule
		want fault.Kind
	}{
		{"does nothing", Rule{From: []string{"a"}}, fault.Invalid},
		{"empty text", Rule{From: []string{" "}, Keep: true}, fault.Invalid},
		{"long text", Rule{Subject: []string{long}, Keep: true}, fault.Invalid},
		{"control character", Rule{Subject: []string{"a\nb"}, Keep: true}, fault.Invalid},
		{"many texts", Rule{To: slices.Repeat([]string{"a"}, 60), Keep: true}, fault.Invalid},
		{"long name", Rule{Name: long, Keep: true}, fault.Invalid},
		{"no address", Rule{Forward: []string{"a"}}, fault.Invalid},
		{"no route", Rule{Forward: []string{"a@y.test"}}, fault.Denied},
		{"many addresses", Rule{Forward: slices.Repeat([]string{"a@x.test"}, 6)}, fault.Invalid},
		{"flag with a blank", Rule{Flags: []string{"a b"}}, fault.Invalid},
		{"unknown system flag", Rule{Flags: []string{`\Recent`}}, fault.Invalid},
		{"flag with diacritics", Rule{Flags: []string{"việc"}}, fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := s.SetRules(t.Context(), admin, me, replace(tt.rule))
			if err == nil || fault.KindOf(err) != tt.want {
				t.Errorf("SetRules: %v, want kind %v", err, tt.want)
			}
		})
	}
	if err := s.SetRules(t.Context(), admin, me, replace(slices.Repeat([]Rule{{Keep: true}}, 300)...)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("300 rules: %v", err)
	}
	err = s.SetScript(t.Context(), admin, me, "keep;\nnonsense;")
	var e *sieve.Error
	if !errors.As(err, &e) || e.Line != 2 || fault.KindOf(err) != fault.Invalid {
		t.Errorf("a wrong script: %v", err)
	}
	for _, a := range []Absence{{Days: 99}, {From: time.Unix(100, 0), Until: time.Unix(50, 0)}, {Text: strings.Repeat("a", 9000)}, {Subject: "a\r\nBcc: x"}} {
		if err := s.SetAbsence(t.Context(), admin, 1, &a); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("absence %+v: %v", a, err)
		}
	}
	if s.Of(me) != nil {
		t.Error("something of what was refused is kept")
	}
	if err := s.SetScript(t.Context(), admin, Owner{}, "keep;"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("rules of nobody: %v", err)
	}
}

// TestTable: what the Sieve of a table does with a message.
func TestTable(t *testing.T) {
	yes, no := true, false
	head := mail.ParseHeader([]byte("From: =?utf-8?q?S=E1=BB=9F_N=E1=BB=99i_v=E1=BB=A5?= <snv@x.test>\r\nTo: a@x.test, B <b@x.test>\r\nSubject: Bao cao \"quy\" \\ III\r\n\r\n"))
	in := sieve.Input{Header: head, To: mail.Address{Local: "nhom", Domain: "x.test"}}
	doc := in
	doc.Document = &sieve.Document{State: []string{"arrived"}, Type: []string{"Quyết định", "QĐ"}, Urgency: []string{"Hỏa tốc"}}
	a := Rule{Folder: "A"}
	with := func(edit func(r *Rule)) Rule {
		r := a
		edit(&r)
		return r
	}
	tests := []struct {
		name string
		in   sieve.Input
		list []Rule
		want string
	}{
		{"every message", in, []Rule{a}, "file A"},
		{"from without diacritics", in, []Rule{with(func(r *Rule) { r.From = []string{"so noi vu"} })}, "file A"},
		{"from by address", in, []Rule{with(func(r *Rule) { r.From = []string{"x", "snv@"} })}, "file A"},
		{"from somebody else", in, []Rule{with(func(r *Rule) { r.From = []string{"so y te"} })}, "keep"},
		{"to", in, []Rule{with(func(r *Rule) { r.To = []string{"b@x.test"} })}, "file A"},
		{"to by the envelope", in, []Rule{with(func(r *Rule) { r.To = []string{"nhom@x.test"} })}, "file A"},
		{"subject with marks of ours", in, []Rule{with(func(r *Rule) { r.Subject = []string{`"quy" \ iii`} })}, "file A"},
		{"all conditions", in, []Rule{with(func(r *Rule) { r.From, r.Subject = []string{"snv"}, []string{"khac"} })}, "keep"},
		{"a document", doc, []Rule{with(func(r *Rule) { r.Document = &Document{Is: &yes} })}, "file A"},
		{"no document", in, []Rule{with(func(r *Rule) { r.Document = &Document{Is: &yes} })}, "keep"},
		{"not a document", in, []Rule{with(func(r *Rule) { r.Document = &Document{Is: &no} })}, "file A"},
		{"urgency and type", doc, []Rule{with(func(r *Rule) { r.Document = &Document{Urgency: []string{"hoa toc"}, Type: []string{"qd"}} })}, "file A"},
		{"state", doc, []Rule{with(func(r *Rule) { r.Document = &Document{State: []string{"refused"}} })}, "keep"},
		{"first one decides", in, []Rule{{Folder: "A"}, {Folder: "B"}}, "file A"},
		{"and goes on", in, []Rule{{Folder: "A", Continue: true}, {Folder: "B"}}, "file A, file B"},
		{"forward", in, []Rule{{Forward: []string{"z@x.test"}}}, "to z@x.test"},
		{"forward and keep", in, []Rule{{Forward: []string{"z@x.test"}, Keep: true}}, "to z@x.test, keep"},
		{"flags", in, []Rule{{Flags: []string{`\Flagged`}}}, `keep \Flagged`},
		{"flags go on", in, []Rule{{Flags: []string{`\Flagged`}, Continue: true}, {Folder: "A"}}, `file A \Flagged`},
		{"name with a line end", in, []Rule{{Name: "x\rdiscard;", Folder: `A"; discard; #`}}, `file A"; discard; #`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := sieve.Compile(Sieve(tt.list))
			if err != nil {
				t.Fatalf("%v in\n%s", err, Sieve(tt.list))
			}
			var out []string
			res := sieve.Run(tt.in, s)
			for _, a := range res.Actions {
				text := map[sieve.Kind]string{sieve.Keep: "keep", sieve.File: "file " + a.Mailbox, sieve.Redirect: "to " + a.To.String()}[a.Kind]
				out = append(out, strings.Join(append([]string{text}, a.Flags...), " "))
			}
			if got := strings.Join(out, ", "); got != tt.want || res.Err != nil {
				t.Errorf("does %q, %v; want %q", got, res.Err, tt.want)
			}
		})
	}
}

func TestAnswerAndTrouble(t *testing.T) {
	db, ctx := sqldbtest.Open(t), t.Context()
	now := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	s, err := Open(ctx, db, Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	me, sender := Owner{Account: 1}, mail.Address{Local: "Ai", Domain: "x.test"}
	ask := func(h Handle, from mail.Address) (ok bool) {
		t.Helper()
		if err := db.Update(ctx, func(tx *sqldb.Tx) error {
			ok, err = s.Answer(ctx, tx, me, h, from, 24*time.Hour)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return ok
	}
	one, two := HandleOf("a", "bc"), HandleOf("ab", "c")
	if one == two {
		t.Error("different answers have one handle")
	}
	lower := mail.Address{Local: "ai", Domain: "x.test"}
	for i, step := range []struct {
		after time.Duration
		h     Handle
		from  mail.Address
		want  bool
	}{{0, one, sender, true}, {0, one, lower, false}, {0, two, sender, true}, {24*time.Hour - 1, one, sender, false}, {time.Hour, one, sender, true}} {
		now = now.Add(step.after)
		if got := ask(step.h, step.from); got != step.want {
			t.Errorf("step %d: answered %v, want %v", i, got, step.want)
		}
	}
	trouble := func() (first bool) {
		t.Helper()
		if err := db.Update(ctx, func(tx *sqldb.Tx) error {
			first, err = s.Trouble(ctx, tx, me, "x")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return first
	}
	if !trouble() || trouble() {
		t.Error("trouble is not told once")
	}
	if err := s.SetScript(ctx, admin, me, "keep;"); err != nil {
		t.Fatal(err)
	}
	if !trouble() {
		t.Error("trouble with changed rules is not told")
	}
}
