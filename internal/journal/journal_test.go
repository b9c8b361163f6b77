package journal_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

// at is a fixed moment, so that bodies can be compared.
var at = time.Date(2026, 3, 2, 1, 2, 3, 4000, time.UTC)

func appendEvents(t testing.TB, db *sqldb.DB, evs ...journal.Event) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
		for _, ev := range evs {
			if _, err := journal.Append(t.Context(), tx, ev); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func readBody(t testing.TB, db *sqldb.DB, seq int64) string {
	t.Helper()
	var body []byte
	err := db.View(t.Context(), func(r sqldb.Reader) error {
		return r.QueryRow(t.Context(), `SELECT body FROM journal WHERE seq = $1`, seq).Scan(&body)
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestAppendWritesCanonicalBody(t *testing.T) {
	actor := journal.Actor{Kind: journal.ActorAccount, ID: 7, Name: "vanthu@soyte.dienbien.test"}
	tests := []struct {
		name string
		ev   journal.Event
		want string
	}{
		{
			"all fields, map sorted",
			journal.Event{At: at, Type: "doc.registered", Actor: actor, Subject: "01J", Unit: 3, Data: map[string]any{"so": 12, "don_vi": "Sở Y tế", "a": true}},
			`{"v":1,"seq":1,"at":1772413323000004,"type":"doc.registered","ref":"01J","unit":3,` +
				`"actor":{"kind":"account","id":7,"name":"vanthu@soyte.dienbien.test"},"data":{"a":true,"don_vi":"Sở Y tế","so":12}}`,
		},
		{
			"least",
			journal.Event{At: at, Type: "server.started", Actor: journal.System("serve")},
			`{"v":1,"seq":1,"at":1772413323000004,"type":"server.started","ref":"","unit":0,` +
				`"actor":{"kind":"system","id":0,"name":"serve"},"data":{}}`,
		},
		{
			"controls escaped, HTML not",
			journal.Event{At: at, Type: "a.b", Actor: journal.Actor{Kind: journal.ActorExternal, Name: "x\r\n<y>\x1b[31m\x00"}, Subject: `"\` + "\n"},
			`{"v":1,"seq":1,"at":1772413323000004,"type":"a.b","ref":"\"\\\n","unit":0,` +
				`"actor":{"kind":"external","id":0,"name":"x\r\n<y>\u001b[31m�"},"data":{}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db := sqldbtest.Open(t)
			appendEvents(t, db, tt.ev)
			got := readBody(t, db, 1)
			if got != tt.want {
				t.Errorf("body = %s\nwant   %s", got, tt.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("body is no JSON")
			}
		})
	}
}

func TestAppendCutsLongTexts(t *testing.T) {
	db := sqldbtest.Open(t)
	long := strings.Repeat("ế", 10_000)
	appendEvents(t, db, journal.Event{
		Type: "a.b", Subject: long, Actor: journal.Actor{Kind: journal.ActorExternal, Name: long},
		Data: map[string]string{"agent": strings.Repeat("\x01", 1<<20)},
	})
	got := readBody(t, db, 1)
	if len(got) > 64<<10 {
		t.Errorf("body has %d octets", len(got))
	}
	if !json.Valid([]byte(got)) || strings.Contains(got, "\uFFFD") {
		t.Errorf("body is no clean JSON: %.100s", got)
	}
	if strings.Count(got, "sha256") != 3 {
		t.Errorf("body lacks the hashes of what was cut: %.300s", got)
	}
}

func TestAppendRefuses(t *testing.T) {
	db := sqldbtest.Open(t)
	tests := []struct {
		name string
		ev   journal.Event
	}{
		{"no type", journal.Event{}},
		{"type with blank", journal.Event{Type: "mail accepted"}},
		{"type with empty word", journal.Event{Type: "mail..accepted"}},
		{"data that is no object", journal.Event{Type: "a", Data: []int{1}}},
		{"data that does not marshal", journal.Event{Type: "a", Data: map[string]any{"f": func() {}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
				_, err := journal.Append(t.Context(), tx, tt.ev)
				return err
			})
			if got := fault.KindOf(err); err == nil || got != fault.Invalid {
				t.Errorf("Append = %v (%v), want invalid", err, got)
			}
		})
	}
}

func TestHead(t *testing.T) {
	db := sqldbtest.Open(t)
	read := func() (seq int64, hash journal.Hash) {
		t.Helper()
		err := db.View(t.Context(), func(r sqldb.Reader) (err error) {
			seq, hash, err = journal.Head(t.Context(), r)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return seq, hash
	}
	if seq, hash := read(); seq != 0 || hash != journal.Genesis() {
		t.Errorf("Head of an empty journal = %d %v", seq, hash)
	}
	appendEvents(t, db, journal.Event{Type: "a"}, journal.Event{Type: "b"})
	if seq, hash := read(); seq != 2 || hash == journal.Genesis() {
		t.Errorf("Head = %d %v, want entry 2", seq, hash)
	}
}

func BenchmarkAppend(b *testing.B) {
	db := sqldbtest.Open(b)
	ev := journal.Event{
		Type: "mail.accepted", Actor: journal.Actor{Kind: journal.ActorAccount, ID: 7, Name: "vanthu@soyte.dienbien.test"}, Subject: "01JABCDEF", Unit: 3,
		Data: struct {
			From string   `json:"from"`
			To   []string `json:"to"`
			Size int64    `json:"size"`
		}{"vanthu@soyte.dienbien.test", []string{"a@x.test", "b@x.test"}, 4096},
	}
	b.ReportAllocs()
	const group = 500
	for n := 0; n < b.N; n += group {
		err := db.Update(b.Context(), func(tx *sqldb.Tx) error {
			for range min(group, b.N-n) {
				if _, err := journal.Append(b.Context(), tx, ev); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
