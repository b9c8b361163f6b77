package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

func keeper(id mailstore.MessageID) func(context.Context, sqldb.Reader, mailstore.MessageID) (bool, error) {
	return func(_ context.Context, _ sqldb.Reader, asked mailstore.MessageID) (bool, error) {
		return asked == id, nil
	}
}

func names(t testing.TB, rig Rig, o mailstore.Owner) []string {
	t.Helper()
	var list []string
	for _, m := range must(rig.Store.List(t.Context(), o))(t) {
		list = append(list, m.Name)
	}
	return list
}

func testFolders(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{})
	uses := map[string]mailstore.Use{}
	for _, m := range must(rig.Store.List(t.Context(), first))(t) {
		uses[m.Name] = m.Use
	}
	want := map[string]mailstore.Use{
		"INBOX": "", "Drafts": `\Drafts`, "Sent": `\Sent`, "Junk": `\Junk`, "Trash": `\Trash`, "Archive": `\Archive`,
		"Chuyển văn thư": "",
	}
	if fmt.Sprint(uses) != fmt.Sprint(want) {
		t.Errorf("mailboxes of an account = %v, want %v", uses, want)
	}
	if subs := must(rig.Store.Subscriptions(t.Context(), first.Account))(t); len(subs) != len(want) {
		t.Errorf("subscriptions = %v, want all seven", subs)
	}
	roles := []mailstore.FolderRole{
		mailstore.RoleUnitInbox, mailstore.RoleIncoming, mailstore.RoleRegistered, mailstore.RoleProcessing, mailstore.RoleCompleted,
		mailstore.RoleRefused, mailstore.RoleNumbering, mailstore.RoleIssued, mailstore.RoleTracking, mailstore.RoleReceipts,
		mailstore.RoleRefusedFor(edoc.ReasonDuplicate),
	}
	for _, role := range roles {
		for _, from := range []string{"first", "from memory"} {
			err := rig.Store.View(t.Context(), func(r sqldb.Reader) error {
				id, err := rig.Store.Role(t.Context(), r, office.Unit, role)
				if err != nil {
					return err
				}
				m, err := rig.Store.MailboxIn(t.Context(), r, id)
				if m.Role != role || m.Owner != office {
					t.Errorf("%s look-up of %s = %+v", from, role, m)
				}
				return err
			})
			if err != nil {
				t.Errorf("%s look-up of %s: %v", from, role, err)
			}
		}
	}
	m := must(rig.Store.Lookup(t.Context(), office, "Văn bản đến/0 Từ chối/Trùng"))(t)
	if reason, ok := m.Role.Reason(); !ok || reason != edoc.ReasonDuplicate {
		t.Errorf("reason of %s = %v, %v; want %v", m.Role, reason, ok, edoc.ReasonDuplicate)
	}
	before := names(t, rig, office)
	update(t, rig, func(tx *sqldb.Tx) error { return rig.Store.EnsureUnit(t.Context(), tx, office.Unit) })
	if after := names(t, rig, office); !slices.Equal(before, after) {
		t.Errorf("EnsureUnit again changed %v to %v", before, after)
	}
	for _, m := range must(rig.Store.List(t.Context(), office))(t) {
		if err := rig.Store.DeleteMailbox(t.Context(), m.ID); fault.KindOf(err) != fault.Denied {
			t.Errorf("delete %s = %v, want fault.Denied", m.Name, err)
		}
		if err := rig.Store.RenameMailbox(t.Context(), m.ID, "Khác"); fault.KindOf(err) != fault.Denied {
			t.Errorf("rename %s = %v, want fault.Denied", m.Name, err)
		}
	}
	err := rig.Store.Update(t.Context(), func(tx *sqldb.Tx) error {
		if err := rig.Store.EnsureUnit(t.Context(), tx, 99); err != nil {
			return err
		}
		id, err := rig.Store.Role(t.Context(), tx, 99, mailstore.RoleIncoming)
		if id == 0 {
			t.Error("a folder made in this transaction is not found in it")
		}
		return errors.Join(err, errors.New("undo"))
	})
	if err == nil {
		t.Error("Update kept what failed")
	}
	err = rig.Store.View(t.Context(), func(r sqldb.Reader) error {
		_, err := rig.Store.Role(t.Context(), r, 99, mailstore.RoleIncoming)
		return err
	})
	if !errors.Is(err, mailstore.ErrNoMailbox) {
		t.Errorf("folder of an undone transaction = %v, want ErrNoMailbox", err)
	}
}

func testTree(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{})
	ctx := t.Context()
	create := func(name string) mailstore.Mailbox {
		t.Helper()
		return must(rig.Store.CreateMailbox(ctx, first, name, mailstore.UseNone))(t)
	}
	m := create("Dự án/2026/Cầu/")
	if m.Name != "Dự án/2026/Cầu" {
		t.Errorf("created %q", m.Name)
	}
	for _, name := range []string{"Dự án/2026/Cầu", "Dự án", "inbox", "InBoX"} {
		if _, err := rig.Store.CreateMailbox(ctx, first, name, mailstore.UseNone); !errors.Is(err, mailstore.ErrExists) {
			t.Errorf("create %q again = %v, want ErrExists", name, err)
		}
	}
	for _, name := range []string{"", "/", "a//b", "/a", "a/../b", "a\x00", "a\r\nb", "a*", "50%", "#news", "a\u202eb", "\xff", strings.Repeat("x", 256), strings.Repeat("a/", 20) + "b"} {
		if _, err := rig.Store.CreateMailbox(ctx, first, name, mailstore.UseNone); !errors.Is(err, mailstore.ErrBadName) {
			t.Errorf("create %q = %v, want ErrBadName", name, err)
		}
	}
	if n := must(rig.Store.Lookup(ctx, first, "Du\u031b\u0323 án"))(t).Name; n != "Dự án" {
		t.Errorf("look-up by decomposed name found %q", n)
	}
	if _, err := rig.Store.Lookup(ctx, second, "Dự án"); !errors.Is(err, mailstore.ErrNoMailbox) {
		t.Errorf("another account's look-up = %v, want ErrNoMailbox", err)
	}

	// Rename takes what is below along, into levels that did not exist.
	put(t, rig, m.ID, text("bridge", 500))
	if err := rig.Store.RenameMailbox(ctx, box(t, rig, first, "Dự án"), "Kho/Dự án cũ"); err != nil {
		t.Fatal(err)
	}
	moved := must(rig.Store.Lookup(ctx, first, "Kho/Dự án cũ/2026/Cầu"))(t)
	if moved.ID != m.ID || moved.UIDValidity != m.UIDValidity || moved.Messages != 1 {
		t.Errorf("renamed mailbox = %+v, was %+v", moved, m)
	}
	for name, want := range map[string]error{
		"Sent": mailstore.ErrExists, "Kho/Dự án cũ/2026": mailstore.ErrExists, "Kho/Dự án cũ/2026/Cầu/x": mailstore.ErrBadName, "a*": mailstore.ErrBadName,
	} {
		id := m.ID
		if err := rig.Store.RenameMailbox(ctx, id, name); !errors.Is(err, want) {
			t.Errorf("rename to %q = %v, want %v", name, err, want)
		}
	}

	// A mailbox with others below stays as a level; made anew, it has another UIDVALIDITY.
	upper := box(t, rig, first, "Kho/Dự án cũ/2026")
	was := must(rig.Store.Mailbox(ctx, upper))(t)
	if err := rig.Store.DeleteMailbox(ctx, upper); err != nil {
		t.Fatal(err)
	}
	level := must(rig.Store.Lookup(ctx, first, "Kho/Dự án cũ/2026"))(t)
	if level.Selectable || level.ID == upper {
		t.Errorf("deleted mailbox with children = %+v", level)
	}
	if err := rig.Store.DeleteMailbox(ctx, level.ID); !errors.Is(err, mailstore.ErrHasChildren) {
		t.Errorf("delete a level = %v, want ErrHasChildren", err)
	}
	if again := create("Kho/Dự án cũ/2026"); again.UIDValidity <= was.UIDValidity || !again.Selectable {
		t.Errorf("made anew: %+v, want UIDVALIDITY above %d", again, was.UIDValidity)
	}
	last := uint32(0)
	for range 3 {
		m := create("Tạm")
		if m.UIDValidity <= last {
			t.Errorf("UIDVALIDITY %d after %d", m.UIDValidity, last)
		}
		last = m.UIDValidity
		if err := rig.Store.DeleteMailbox(ctx, m.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := rig.Store.Mailbox(ctx, m.ID); !errors.Is(err, mailstore.ErrNoMailbox) {
			t.Errorf("deleted mailbox = %v, want ErrNoMailbox", err)
		}
	}
	if err := rig.Store.DeleteMailbox(ctx, box(t, rig, first, "INBOX")); !errors.Is(err, mailstore.ErrProtected) {
		t.Errorf("delete INBOX = %v, want ErrProtected", err)
	}
	if err := rig.Store.DeleteMailbox(ctx, box(t, rig, first, "Sent")); err != nil {
		t.Fatal(err)
	}
	if m := create("Sent"); m.Use != mailstore.UseSent {
		t.Errorf("Sent made anew has use %q", m.Use)
	}

	// Who has a deleted mailbox open is told.
	doomed := create("Bỏ")
	put(t, rig, doomed.ID, text("doomed", 500))
	h, err := rig.Store.Hot(ctx, doomed.ID)
	if err != nil {
		t.Fatal(err)
	}
	known := h.Version()
	if err := rig.Store.DeleteMailbox(ctx, doomed.ID); err != nil {
		t.Fatal(err)
	}
	if v := h.Version(); !v.Dropped || v.Len() != 0 || len(mailstore.Compare(known, v).Gone) != 1 {
		t.Errorf("open version of a deleted mailbox: dropped %v, %d messages", v.Dropped, v.Len())
	}
	h.Release()
	if _, err := rig.Store.Hot(ctx, doomed.ID); !errors.Is(err, mailstore.ErrNoMailbox) {
		t.Errorf("Hot of a deleted mailbox = %v, want ErrNoMailbox", err)
	}

	if err := errors.Join(rig.Store.Subscribe(ctx, first.Account, "Đơn vị/SNV/Thư đến", true), rig.Store.Subscribe(ctx, first.Account, "sent", false)); err != nil {
		t.Fatal(err)
	}
	if subs := must(rig.Store.Subscriptions(ctx, first.Account))(t); !slices.Contains(subs, "Đơn vị/SNV/Thư đến") {
		t.Errorf("subscriptions = %v", subs)
	}
	const theirs = "Đơn vị/SNV/Thư đến"
	for _, step := range []struct {
		do        func() error
		want, off bool
	}{
		{func() error { return rig.Store.Decline(ctx, first.Account, theirs) }, false, true},
		{func() error { return rig.Store.Decline(ctx, first.Account, theirs) }, false, true},
		{func() error { return rig.Store.Subscribe(ctx, first.Account, theirs, true) }, true, false},
		{func() error { return rig.Store.Decline(ctx, first.Account, theirs) }, false, true},
		{func() error { return rig.Store.Subscribe(ctx, first.Account, theirs, false) }, false, false},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		subs, declined := must(rig.Store.Subscriptions(ctx, first.Account))(t), must(rig.Store.Declined(ctx, first.Account))(t)
		if slices.Contains(subs, theirs) != step.want || slices.Contains(declined, theirs) != step.off || len(declined) > 1 {
			t.Errorf("subscriptions %q, declined %q", subs, declined)
		}
	}
	if err := rig.Store.Decline(ctx, first.Account, "a*"); !errors.Is(err, mailstore.ErrBadName) {
		t.Errorf("Decline of no name = %v, want ErrBadName", err)
	}
	var wg sync.WaitGroup
	for i := len(names(t, rig, first)); i < mailstore.MaxMailboxes-2; i++ {
		wg.Go(func() {
			if _, err := rig.Store.CreateMailbox(ctx, first, fmt.Sprintf("n%d", i), mailstore.UseNone); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := rig.Store.CreateMailbox(ctx, first, "one/level/too many", mailstore.UseNone); !errors.Is(err, mailstore.ErrTooMany) {
		t.Errorf("create with its levels beyond the limit = %v, want ErrTooMany", err)
	}
	create("one/level")
	if _, err := rig.Store.CreateMailbox(ctx, first, "one too many", mailstore.UseNone); !errors.Is(err, mailstore.ErrTooMany) {
		t.Errorf("create beyond the limit = %v, want ErrTooMany", err)
	}
	clean(t, rig)
}

func testRenameInbox(t *testing.T, open Open) {
	rig := start(t, open, mailstore.Options{})
	inbox := box(t, rig, first, "INBOX")
	put(t, rig, inbox, text("one", 500))
	put(t, rig, inbox, text("two", 500))
	if err := rig.Store.RenameMailbox(t.Context(), inbox, "Cũ/Năm 2025"); err != nil {
		t.Fatal(err)
	}
	if id := box(t, rig, first, "inbox"); id != inbox || version(t, rig, inbox).Len() != 0 {
		t.Errorf("INBOX after its renaming: id %d, %d messages; want %d and none", id, version(t, rig, inbox).Len(), inbox)
	}
	if n := version(t, rig, box(t, rig, first, "Cũ/Năm 2025")).Len(); n != 2 {
		t.Errorf("%d messages moved, want 2", n)
	}
	clean(t, rig)
}
