package workflow_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/workflow"
)

func (p *province) manage(unit string) {
	p.t.Helper()
	p.update(func(ctx context.Context, tx *sqldb.Tx) error {
		return p.docs.SetNumbering(ctx, tx, system(), docstore.Numbering{Unit: p.unit(unit).ID, Mode: docstore.ModeManaged})
	})
}

func TestWhoMayAskForNumbers(t *testing.T) {
	p := newProvince(t, 1, time.Now, workflow.Options{})
	p.manage("xa01")
	unit := p.unit("xa01").ID
	for _, tt := range []struct {
		name, of string
		role     directory.Role
		want     bool
	}{
		{"clerk", "xa01", directory.RoleClerk, true},
		{"staff", "xa01", directory.RoleStaff, true},
		{"clerk of another unit", "ubnd", directory.RoleClerk, false},
	} {
		v, err := p.flow.ReserveNumber(t.Context(), p.account(tt.role, tt.of), docstore.NumberRequest{
			Unit: unit, Symbol: "QĐ-XA01", Source: docstore.SourceCLI,
		})
		if (err == nil) != tt.want || err != nil && fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: %+v, %v", tt.name, v, err)
		}
	}
	key := docstore.EntryKey{Unit: unit, Direction: docstore.DirectionOut, Year: time.Now().In(time.FixedZone("", 7*3600)).Year(), Number: 1}
	if err := p.flow.VoidEntry(t.Context(), p.account(directory.RoleStaff, "xa01"), docstore.SourceCLI, key, "không dùng"); fault.KindOf(err) != fault.Denied {
		t.Errorf("staff voids: %v", err)
	}
	if err := p.flow.VoidEntry(t.Context(), p.account(directory.RoleClerk, "xa01"), docstore.SourceCLI, key, "không dùng"); err != nil {
		t.Error(err)
	}
	if _, err := p.flow.CorrectEntry(t.Context(), p.account(directory.RoleStaff, "xa01"), key, docstore.Correction{
		Set: map[string]string{"nguoi_ky": "x"}, Reason: "thiếu",
	}); fault.KindOf(err) != fault.Denied {
		t.Errorf("staff corrects: %v", err)
	}
}

// A voided line of incoming documents brings its document back, however late.
func TestVoidIncoming(t *testing.T) {
	now := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	p := newProvince(t, 1, func() time.Time { return now }, workflow.Options{})
	d := p.send("xa01").Dispatches[0]
	clerk := p.account(directory.RoleClerk, "xa01")
	if _, err := p.flow.Do(t.Context(), clerk, docstore.SourceCLI, d.ID, workflow.Act{Event: docstore.EventRegister}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(30 * 24 * time.Hour)
	key := docstore.EntryKey{Unit: d.To, Direction: docstore.DirectionIn, Year: 2026, Number: 1}
	if err := p.flow.VoidEntry(t.Context(), clerk, docstore.SourceCLI, key, "vào nhầm sổ"); err != nil {
		t.Fatal(err)
	}
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		got, err := docstore.DispatchByID(ctx, r, d.ID)
		if err != nil {
			return err
		}
		box, err := p.boxes.Role(ctx, r, d.To, mailstore.RoleIncoming)
		if got.State != docstore.StateArrived || got.Place.Mailbox != int64(box) {
			t.Errorf("state %s in mailbox %d, want arrived in %d", got.State, got.Place.Mailbox, box)
		}
		return err
	})
	if err := p.flow.VoidEntry(t.Context(), clerk, docstore.SourceCLI, key, "vào nhầm sổ"); fault.KindOf(err) != fault.Conflict {
		t.Errorf("void of a voided line: %v", err)
	}
}

// Numbers that nobody used are voided by the clock.
func TestRunNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvince(t, 1, time.Now, workflow.Options{})
		p.manage("xa01")
		unit := p.unit("xa01").ID
		if _, err := p.flow.ReserveNumber(t.Context(), p.account(directory.RoleStaff, "xa01"), docstore.NumberRequest{Unit: unit, Symbol: "QĐ-XA01"}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.flow.RunNumbers(ctx) }()
		time.Sleep(10 * 24 * time.Hour)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		p.view(func(ctx context.Context, r sqldb.Reader) error {
			list, err := docstore.Reservations(ctx, r, unit, true)
			if len(list) != 1 || list[0].State != docstore.ReservationVoided {
				t.Errorf("reservations = %+v", list)
			}
			return err
		})
	})
}
