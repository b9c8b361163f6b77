package mailstore_test

import (
	"slices"
	"testing"

	"vanthu/internal/directory"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// The folders of people follow who works in a unit and what they are called.
func TestFitUnit(t *testing.T) {
	rig := open(t, mailstore.Options{})
	const unit = directory.UnitID(7)
	person := func(id directory.AccountID, login, name string) directory.Account {
		return directory.Account{ID: id, Login: mail.Address{Local: login, Domain: "x.test"}, Name: name}
	}
	below := func() (list []string) {
		t.Helper()
		all, err := rig.Store.List(t.Context(), mailstore.Owner{Unit: unit})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			if _, ok := m.Role.Assignee(); ok {
				list = append(list, m.Name[len("Văn bản đến/3 Phân công/"):])
			}
		}
		return list
	}
	fit := func(want []string, people ...directory.Account) {
		t.Helper()
		if _, err := rig.Store.FitUnit(t.Context(), unit, people); err != nil {
			t.Fatal(err)
		}
		if got := below(); !slices.Equal(got, want) {
			t.Errorf("folders %q, want %q", got, want)
		}
		if changed, err := rig.Store.FitUnit(t.Context(), unit, people); err != nil || changed {
			t.Errorf("again: changed %v, %v", changed, err)
		}
	}
	chief, lan, other := person(1, "truongphong", "Trưởng phòng"), person(2, "lan", "Chuyên viên Lan"), person(3, "lan2", "Chuyên viên Lan")
	fit([]string{"Chuyên viên Lan", "Chuyên viên Lan (lan2)", "Trưởng phòng"}, chief, lan, other)

	var full mailstore.MailboxID
	if err := rig.Store.View(t.Context(), func(r sqldb.Reader) (err error) {
		full, err = rig.Store.Role(t.Context(), r, unit, mailstore.RoleAssignedTo(lan.ID))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := appendMessage(t, rig.Store, full, message(100)); err != nil {
		t.Fatal(err)
	}
	chief.Name = "Phó giám đốc / phụ trách"
	// The one who has left keeps what lies there; the empty folder of the other goes, and a new name is taken on.
	fit([]string{"Chuyên viên Lan", "Phó giám đốc - phụ trách"}, chief)
	m, err := rig.Store.Mailbox(t.Context(), full)
	if err != nil || m.Messages != 1 {
		t.Errorf("folder of who has left: %d messages, %v", m.Messages, err)
	}
}

// Accounts that are older than the folder for the clerks get it, and only it.
func TestFitAccounts(t *testing.T) {
	rig := open(t, mailstore.Options{})
	ensure(t, rig, 5)
	if err := rig.DB.Update(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), `DELETE FROM mailbox WHERE role = 'chuyenvanthu' OR name = 'Junk'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := rig.Store.FitAccounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m, err := rig.Store.Lookup(t.Context(), mailstore.Owner{Account: 5}, "Chuyển văn thư"); err != nil || m.Role != mailstore.RoleHandOver {
		t.Errorf("folder %+v, %v", m, err)
	}
	if _, err := rig.Store.Lookup(t.Context(), mailstore.Owner{Account: 5}, "Junk"); err == nil {
		t.Error("a folder that its owner has deleted came back")
	}
}
