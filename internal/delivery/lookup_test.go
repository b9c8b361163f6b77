package delivery_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/delivery"
	"vanthu/internal/mailstore"
)

// TestLookUp: who asks their unit's +tracuu is answered; nobody else is, and no
// program.
func TestLookUp(t *testing.T) {
	const query = "cq:soyte giai ngan"
	tests := []struct {
		name, login, from, to, subject, body string
		fields                               []string
		asked                                string // what is looked up, "" for nothing
	}{
		{"clerk", clerk, clerk, "snv+tracuu@p.test", query, "", nil, query},
		{"in other letters", clerk, clerk, "snv+TraCuu@p.test", "  so:1 ", "", nil, "so:1"},
		{"encoded subject", clerk, clerk, "snv+tracuu@p.test", "=?utf-8?B?xJHhuqd1IHTGsA==?=", "", nil, "đầu tư"},
		{"first line", clerk, clerk, "snv+tracuu@p.test", "", "\r\n  giai ngan \r\nabc", nil, "giai ngan"},
		{"staff", "chuyenvien@snv.p.test", "chuyenvien@snv.p.test", "snv+tracuu@p.test", query, "", nil, query},
		{"another unit's", clerk, clerk, "xa1+tracuu@p.test", query, "", nil, ""},
		{"a stranger", "", "a@world.test", "snv+tracuu@p.test", query, "", nil, ""},
		{"without the detail", clerk, clerk, "snv@p.test", query, "", nil, ""},
		{"a program", clerk, clerk, "snv+tracuu@p.test", query, "", []string{"Auto-Submitted: auto-replied"}, ""},
		{"a list", clerk, clerk, "snv+tracuu@p.test", query, "", []string{"List-Id: <x.test>"}, ""},
		{"nobody to answer", clerk, "", "snv+tracuu@p.test", query, "", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			var asked []delivery.LookUp
			w.delivery = w.answering(func(_ context.Context, q delivery.LookUp) (string, error) {
				asked = append(asked, q)
				return "1. 123/QĐ-UBND", nil
			})
			from := tt.from
			if from == "" {
				from = clerk
			}
			if _, err := w.send(tt.login, tt.from, letter(from, tt.to, tt.subject, "q1", tt.body, tt.fields...), tt.to); err != nil {
				t.Fatal(err)
			}
			answers := w.count(`SELECT count(*) FROM entry e JOIN mailbox m ON m.id = e.mailbox_id WHERE m.account_id = $1 AND m.name = 'INBOX'`, int64(w.ids[from]))
			inUnits := w.in("snv", mailstore.RoleUnitInbox) + w.in("xa1", mailstore.RoleUnitInbox)
			if tt.asked == "" {
				if len(asked) != 0 || answers != 0 || inUnits != 1 {
					t.Errorf("asked %v, %d answers, %d in the unit's folder; want ordinary mail", asked, answers, inUnits)
				}
				return
			}
			if len(asked) != 1 || asked[0].Query != tt.asked || asked[0].Account != w.ids[tt.login] || asked[0].Unit != w.units["snv"] {
				t.Errorf("asked %+v, want %q", asked, tt.asked)
			}
			if answers != 1 || inUnits != 0 {
				t.Errorf("%d answers, %d in the unit's folder; want one answer only", answers, inUnits)
			}
			c, err := w.mail.Content(t.Context(), mailstore.MessageID(w.count(`SELECT max(id) FROM message`)))
			if err != nil {
				t.Fatal(err)
			}
			whole, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"Return-Path: <>\r\n", "Auto-Submitted: auto-replied\r\n", "In-Reply-To: <q1@p.test>\r\n", "snv@p.test"} {
				if !strings.Contains(string(whole), want) {
					t.Errorf("the answer has no %q:\n%s", want, whole)
				}
			}
		})
	}

	w := newWorld(t)
	w.delivery = w.answering(func(context.Context, delivery.LookUp) (string, error) { return "", errors.New("disk") })
	if _, err := w.send(clerk, clerk, letter(clerk, "snv+tracuu@p.test", query, "q1", ""), "snv+tracuu@p.test"); err == nil {
		t.Error("a query that could not be answered was accepted")
	}
}

// answering makes a Delivery that answers queries.
func (w *world) answering(lookUp func(context.Context, delivery.LookUp) (string, error)) *delivery.Delivery {
	clock := func() time.Time { return w.now }
	return delivery.New(delivery.Stores{
		DB: w.db, Directory: w.dir, Mail: w.mail, Documents: docstore.New(docstore.Options{Now: clock}), Queue: w.queue, Rules: w.rules,
	}, delivery.Options{Hostname: "mail.p.test", Now: clock, LookUp: lookUp})
}
