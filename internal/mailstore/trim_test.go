package mailstore_test

import (
	"slices"
	"testing"
	"time"

	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

func TestTrimTombstones(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	rig := open(t, mailstore.Options{Now: func() time.Time { return now }})
	m := &seenModel{t: t, rig: rig}
	box, err := rig.Store.CreateMailbox(t.Context(), mailstore.Owner{Unit: 1}, "A", mailstore.UseNone)
	if err != nil {
		t.Fatal(err)
	}
	deliver := func(n int) {
		m.update(func(tx *sqldb.Tx) error {
			msg, err := rig.Store.Store(t.Context(), tx, m.body(), nil, now)
			for i := 0; err == nil && i < n; i++ {
				_, err = rig.Store.Deliver(t.Context(), tx, box.ID, msg, 0, now)
			}
			return err
		})
	}
	remove := func(first, last mailstore.UID) {
		m.update(func(tx *sqldb.Tx) error {
			_, err := rig.Store.Remove(t.Context(), tx, box.ID, mailstore.MakeUIDSet(mailstore.UIDRange{First: first, Last: last}))
			return err
		})
	}
	trim := func(want int64) {
		t.Helper()
		if n, err := rig.Store.TrimTombstones(t.Context()); err != nil || n != want {
			t.Errorf("trimmed %d, %v, want %d", n, err, want)
		}
	}
	deliver(3000)
	for i := range mailstore.UID(15) { // mod-sequences 3 to 17
		remove(1+100*i, 100+100*i)
	}
	trim(0) // young
	now = now.AddDate(0, 0, 90)
	remove(1501, 1600)
	trim(600) // 1,000 stay however old: UIDs from 601 on
	trim(0)
	b, err := rig.Store.Mailbox(t.Context(), box.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		since    mailstore.ModSeq
		complete bool
		want     mailstore.UIDSet
	}{
		{1, false, mailstore.UIDSet{{First: 601, Last: 1600}}},
		{b.ModSeq - 11, false, mailstore.UIDSet{{First: 601, Last: 1600}}},
		{b.ModSeq - 10, true, mailstore.UIDSet{{First: 601, Last: 1600}}},
		{b.ModSeq - 1, true, mailstore.UIDSet{{First: 1501, Last: 1600}}},
		{b.ModSeq, true, nil},
	} {
		gone, complete, err := rig.Store.VanishedSince(t.Context(), box.ID, tt.since, mailstore.AllUIDs())
		if err != nil || complete != tt.complete || !slices.Equal(gone, tt.want) {
			t.Errorf("since %d: %v, complete %v, %v; want %v, %v", tt.since, gone, complete, err, tt.want, tt.complete)
		}
	}
}
