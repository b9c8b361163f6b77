package control_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/blob"
	"vanthu/internal/control"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mailstore"
	"vanthu/internal/queue"
	"vanthu/internal/report"
	"vanthu/internal/sqldb/sqldbtest"
	"vanthu/internal/workflow"
)

func newService(t *testing.T) *control.Service {
	t.Helper()
	ctx, db := t.Context(), sqldbtest.Open(t)
	dir, err := directory.Open(ctx, db, directory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.AddDomain(ctx, journal.System("test"), "p.test"); err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(blob.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	boxes, err := mailstore.Open(ctx, db, blobs, mailstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	docs := docstore.New(docstore.Options{})
	flow, err := workflow.New(db, dir, boxes, docs, workflow.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return control.NewService(control.Rooms{
		DB: db, Directory: dir, Mail: boxes, Documents: docs, Workflow: flow, Queue: queue.New(db, queue.Options{}),
	}, control.Options{Version: "test"})
}

// bothWays runs a test on a Service itself and through the socket: a call must
// not be able to tell.
func bothWays(t *testing.T, test func(t *testing.T, c control.Caller)) {
	t.Run("in process", func(t *testing.T) { test(t, newService(t)) })
	t.Run("socket", func(t *testing.T) {
		dir, err := os.MkdirTemp("", "ctl") // a socket's path has at most 107 octets
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
		srv, err := control.Listen(t.Context(), dir, newService(t), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- srv.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		st, err := os.Stat(filepath.Join(dir, control.Socket))
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("socket: %v %v, want mode 0600", st.Mode(), err)
		}
		c, ok, err := control.Dial(t.Context(), dir)
		if err != nil || !ok {
			t.Fatalf("Dial = %v, %v", ok, err)
		}
		test(t, c)
	})
}

func call[Resp any](t *testing.T, c control.Caller, name string, req any) (r Resp) {
	t.Helper()
	if err := c.Call(t.Context(), name, req, &r, nil); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

func fails(t *testing.T, c control.Caller, name string, req any, want fault.Kind) {
	t.Helper()
	err := c.Call(t.Context(), name, req, nil, nil)
	if err == nil || fault.KindOf(err) != want {
		t.Errorf("%s = %v, want kind %v", name, err, want)
	}
	if err != nil && fault.Sentence(err).EN == "" {
		t.Errorf("%s: no sentence for people", name)
	}
}

func TestUnitsAccountsGroupsAliases(t *testing.T) {
	bothWays(t, func(t *testing.T, c control.Caller) {
		u := call[directory.Unit](t, c, control.CallUnitAdd, control.UnitAdd{
			Code: "H18.1", Name: "Sở Y tế", ShortName: "SYT", Kind: "sở", Address: "soyte@p.test",
		})
		if u.ID == 0 || u.ShortName != "SYT" {
			t.Errorf("unit = %+v", u)
		}
		fails(t, c, control.CallUnitAdd, control.UnitAdd{Code: "H18.1", Name: "x", ShortName: "Y", Kind: "sở", Address: "y@p.test"}, fault.Conflict)
		fails(t, c, control.CallUnitAdd, control.UnitAdd{Code: "x y", Name: "x", ShortName: "Y", Kind: "sở", Address: "y@p.test"}, fault.Invalid)
		for _, name := range []string{"H18.1", "SYT", "syt", "soyte", "soyte@p.test"} {
			got := call[directory.Unit](t, c, control.CallUnitSet, control.UnitSet{Unit: name, UnitAdd: control.UnitAdd{Kind: "ngành"}})
			if got.ID != u.ID || got.Kind != "ngành" || got.Name != "Sở Y tế" {
				t.Errorf("unit named %q = %+v", name, got)
			}
		}
		fails(t, c, control.CallUnitSet, control.UnitSet{Unit: "nobody"}, fault.NotFound)

		a := call[control.AccountMade](t, c, control.CallAccountAdd, control.AccountAdd{
			Login: "vanthu@p.test", Name: "Văn thư", Unit: "SYT", Roles: []string{"vanthu"},
		})
		if a.Password == "" || len(a.Account.Roles) != 1 || a.Account.Roles[0].Unit != u.ID {
			t.Errorf("account = %+v", a)
		}
		locked := call[control.AccountMade](t, c, control.CallAccountSet, control.AccountSet{
			Login: "vanthu@p.test", State: "locked", Unit: "SYT", Roles: []string{"lanhdao"},
		})
		if locked.Account.State != directory.Locked || locked.Account.Roles[0].Role != directory.RoleLeader || locked.Password != "" {
			t.Errorf("after set = %+v", locked)
		}
		if again := call[control.AccountMade](t, c, control.CallAccountSet, control.AccountSet{Login: "vanthu@p.test", MakePassword: true}); again.Password == "" || again.Password == a.Password {
			t.Error("no new password was made")
		}
		fails(t, c, control.CallAccountSet, control.AccountSet{Login: "nobody@p.test"}, fault.NotFound)
		if got := call[[]directory.Account](t, c, control.CallAccountList, control.AccountList{Unit: "SYT"}); len(got) != 1 {
			t.Errorf("%d accounts of the unit, want 1", len(got))
		}
		if got := call[[]control.Mailbox](t, c, control.CallMailboxList, control.MailboxList{Account: "vanthu@p.test"}); len(got) < 5 || got[0].Name == "" {
			t.Errorf("mailboxes = %+v", got)
		}
		fails(t, c, control.CallMailboxList, control.MailboxList{}, fault.Invalid)

		call[directory.Group](t, c, control.CallGroupAdd, control.GroupAdd{Address: "g@p.test", Name: "Nhóm", Members: []string{"soyte@p.test"}})
		g := call[directory.Group](t, c, control.CallGroupSet, control.GroupSet{Address: "g@p.test", Add: []string{"vanthu@p.test"}, Remove: []string{"soyte@p.test"}})
		if len(g.Members) != 1 || g.Members[0].String() != "vanthu@p.test" {
			t.Errorf("members = %v", g.Members)
		}
		call[control.None](t, c, control.CallGroupRemove, control.Named{Name: "g@p.test"})
		fails(t, c, control.CallGroupRemove, control.Named{Name: "g@p.test"}, fault.NotFound)

		call[directory.Alias](t, c, control.CallAliasAdd, control.AliasAdd{Address: "vt@p.test", Target: "vanthu@p.test"})
		fails(t, c, control.CallAliasAdd, control.AliasAdd{Address: "vt@p.test", Target: "soyte@p.test"}, fault.Conflict)
		if got := call[[]directory.Alias](t, c, control.CallAliasList, control.None{}); len(got) != 1 {
			t.Errorf("aliases = %v", got)
		}
		call[control.None](t, c, control.CallAliasRemove, control.Named{Name: "vt@p.test"})

		st := call[control.Status](t, c, control.CallStatus, control.None{})
		if st.Units != 1 || st.Accounts != 1 || st.Version != "test" || st.Journal == 0 {
			t.Errorf("status = %+v", st)
		}
		if got := call[[]map[string]any](t, c, control.CallJournalEntries, control.JournalList{Limit: 3}); len(got) != 3 {
			t.Errorf("%d journal entries, want 3", len(got))
		}
	})
}

func TestImportTellsAllProblemsAndProgress(t *testing.T) {
	bothWays(t, func(t *testing.T, c control.Caller) {
		bad := call[control.AccountImported](t, c, control.CallAccountImport, control.AccountImport{
			CSV: "login,name\na@p.test,A\nno address,B\na@p.test,C\n",
		})
		if len(bad.Problems) != 2 || bad.Problems[0].Line != 3 || bad.Problems[1].Line != 4 || len(bad.Created) != 0 {
			t.Errorf("problems = %+v", bad.Problems)
		}
		var csv strings.Builder
		csv.WriteString("login,name,password\n")
		for i := range 600 {
			fmt.Fprintf(&csv, "u%d@p.test,U,\n", i)
		}
		dry := call[control.AccountImported](t, c, control.CallAccountImport, control.AccountImport{CSV: csv.String(), DryRun: true})
		if dry.Total != 600 || len(dry.Created) != 0 || len(call[[]directory.Account](t, c, control.CallAccountList, control.AccountList{})) != 0 {
			t.Errorf("dry run: %d rows, %d created", dry.Total, len(dry.Created))
		}
		last := 0
		var res control.AccountImported
		if err := c.Call(t.Context(), control.CallAccountImport, control.AccountImport{CSV: csv.String()}, &res, func(done, total int) {
			if done < last || total != 600 {
				t.Errorf("progress %d of %d after %d", done, total, last)
			}
			last = done
		}); err != nil {
			t.Fatal(err)
		}
		if len(res.Created) != 600 || res.Created[599].Password == "" || last != 600 {
			t.Errorf("%d created, progress ended at %d", len(res.Created), last)
		}
		if got := call[[]control.Mailbox](t, c, control.CallMailboxList, control.MailboxList{Account: "u599@p.test"}); len(got) == 0 {
			t.Error("an imported account has no mailboxes")
		}
	})
}

func TestErrorsAndEmptyThings(t *testing.T) {
	bothWays(t, func(t *testing.T, c control.Caller) {
		fails(t, c, "no.such.call", control.None{}, fault.NotFound)
		fails(t, c, control.CallDocumentShow, control.DocumentNamed{Code: "1/QĐ-UBND"}, fault.NotFound)
		fails(t, c, control.CallDocumentShow, control.DocumentNamed{Code: "rubbish"}, fault.Invalid)
		fails(t, c, control.CallDocumentList, control.DocumentList{State: "flying"}, fault.Invalid)
		fails(t, c, control.CallQueueAct, control.QueueAct{Selection: queue.Selection{Item: 1}, Act: "hold"}, fault.Conflict)
		fails(t, c, control.CallQueueAct, control.QueueAct{Selection: queue.Selection{Item: 1}, Act: "eat"}, fault.Invalid)
		fails(t, c, control.CallRegisterShow, control.RegisterShow{Unit: "nobody"}, fault.NotFound)
		fails(t, c, control.CallAccountAdd, "no object", fault.Invalid)
		call[directory.Unit](t, c, control.CallUnitAdd, control.UnitAdd{Code: "H18.1", Name: "Sở", ShortName: "SO", Kind: "sở", Address: "so@p.test"})
		book := call[report.Register](t, c, control.CallRegisterShow, control.RegisterShow{Unit: "SO", Year: 2026, AsOf: time.Now()})
		if len(book.Rows) != 0 || book.Unit != "Sở" {
			t.Errorf("an empty register = %+v", book)
		}
		if got := call[[]control.QueueItem](t, c, control.CallQueueList, control.QueueList{All: true}); got == nil || len(got) != 0 {
			t.Errorf("queue = %v, want an empty list", got)
		}
	})
}

func TestNoServer(t *testing.T) {
	if _, ok, err := control.Dial(t.Context(), t.TempDir()); ok || err != nil {
		t.Errorf("Dial without a socket = %v, %v", ok, err)
	}
}

// A server that was killed leaves its socket behind.
func TestDeadServersSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "ctl")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, control.Socket)})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := control.Dial(t.Context(), dir); ok || err != nil {
		t.Errorf("Dial to a dead socket = %v, %v; want none", ok, err)
	}
	again, err := control.Listen(t.Context(), dir, newService(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Listen over a dead socket: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := again.Run(ctx); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, control.Socket)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket of a stopped server: %v, want it gone", err)
	}
}
