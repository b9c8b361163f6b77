package mailauth

import (
	"strings"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

var by = journal.System("test")

func openKeys(t *testing.T, db *sqldb.DB, secret string) *Keys {
	t.Helper()
	k, err := Open(t.Context(), db, Options{
		Secret: []byte(secret), Now: func() time.Time { return time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func states(k *Keys) string {
	var out []string
	for _, key := range k.List() {
		out = append(out, string(key.Selector)+"="+string(key.State))
	}
	return strings.Join(out, " ")
}

func TestKeysRotate(t *testing.T) {
	db := sqldbtest.Open(t)
	k := openKeys(t, db, "one secret")
	ctx := t.Context()
	if err := k.Activate(ctx, by, "p.test"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("activate without keys: %v", err)
	}
	if err := k.Next(ctx, by, "p.test"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("next without keys: %v", err)
	}
	for range 2 { // the second finds them
		if err := k.Ensure(ctx, by, "p.test"); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := states(k), "vt20261124e=active vt20261124r=active"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if err := k.Next(ctx, by, "p.test"); err != nil {
		t.Fatal(err)
	}
	if err := k.Next(ctx, by, "p.test"); fault.KindOf(err) != fault.Conflict {
		t.Errorf("next twice: %v", err)
	}
	if err := k.Remove(ctx, by, "p.test", "vt20261124e"); fault.KindOf(err) != fault.Conflict {
		t.Errorf("remove the active key: %v", err)
	}
	if err := k.Activate(ctx, by, "p.test"); err != nil {
		t.Fatal(err)
	}
	want := "vt20261124-1e=active vt20261124-1r=active vt20261124e=retired vt20261124r=retired"
	if got := states(k); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if err := k.Remove(ctx, by, "p.test", "vt20261124e"); err != nil {
		t.Fatal(err)
	}
	again := openKeys(t, db, "one secret")
	if got, want := states(again), "vt20261124-1e=active vt20261124-1r=active vt20261124r=retired"; got != want {
		t.Errorf("after opening again: got %s\nwant %s", got, want)
	}
	if _, err := Open(ctx, db, Options{Secret: []byte("another")}); err == nil {
		t.Error("keys open with another secret")
	}
}

func TestTrust(t *testing.T) {
	k := openKeys(t, sqldbtest.Open(t), "")
	if err := k.Ensure(t.Context(), by, "p.test"); err != nil {
		t.Fatal(err)
	}
	good := k.List()[0].Record
	tests := []struct {
		name   string
		domain Domain
		record Record
		want   fault.Kind
		ok     bool
	}{
		{name: "good", domain: "peer.test", record: good, ok: true},
		{name: "the same again", domain: "peer.test", record: good, want: fault.Conflict},
		{name: "no record", domain: "x.test", record: "hello", want: fault.Invalid},
		{name: "revoked", domain: "x.test", record: "v=DKIM1; p=", want: fault.Invalid},
		{name: "512 bits", domain: "x.test", want: fault.Invalid, record: "v=DKIM1; k=rsa; p=" +
			"MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANtMqf3mGwUhBqQr2QvcgqMEBGrkK9XOKMQ7u0mfDWRYKxWj0D8gzBk1jAZBnkvVwbiYbdsH9pYjz8Wq2aYlL2sCAwEAAQ=="},
		{name: "short Ed25519", domain: "x.test", record: "k=ed25519; p=AAAA", want: fault.Invalid},
		{name: "other kind", domain: "x.test", record: "k=dsa; p=AAAA", want: fault.Invalid},
		{name: "no name", domain: "x test", record: good, want: fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := k.Trust(t.Context(), by, tt.domain, "s1", tt.record)
			if tt.ok != (err == nil) || err != nil && fault.KindOf(err) != tt.want {
				t.Errorf("got %v", err)
			}
		})
	}
	if k.Signs("peer.test") {
		t.Error("a trusted key signs")
	}
}
