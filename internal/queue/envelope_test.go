package queue_test

import (
	"reflect"
	"testing"
	"time"

	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// What the sender asked for must be there for every attempt, also after a restart.
func TestEnvelopeIsKept(t *testing.T) {
	db, q, c := setup(t)
	env := mail.Envelope{
		From: mail.Path{Address: address(t, "van.thu@x.test")}, UTF8: true, Body: mail.BodyBinaryMIME, ID: "QQ+1 =", Ret: mail.ReturnFull,
		RequireTLS: true, TLSOptional: true, Priority: -4,
		By: mail.DeliverBy{Deadline: c.Now().Add(time.Hour).UTC(), Mode: mail.ByNotify, Trace: true},
	}
	to := mail.Recipient{
		Addr: address(t, "a@y.test"), Notify: mail.NotifySuccess | mail.NotifyDelay, Original: "Phòng@x.test", OriginalType: mail.AddressUTF8,
	}
	if err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
		return q.Enqueue(t.Context(), tx, "Q1", 7, env, []mail.Recipient{to})
	}); err != nil {
		t.Fatal(err)
	}
	items := lease(t, q)
	if len(items) != 1 {
		t.Fatalf("leased %d items, want 1", len(items))
	}
	items[0].Env.By.Deadline = items[0].Env.By.Deadline.UTC()
	if !reflect.DeepEqual(items[0].Env, env) || items[0].To != to {
		t.Errorf("got %+v\n and %+v\nwant %+v\n and %+v", items[0].Env, items[0].To, env, to)
	}
}
