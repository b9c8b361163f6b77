package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vanthu/internal/delivery"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

func TestRates(t *testing.T) {
	const staff = "chuyenvien@snv.p.test"
	w := newWorld(t)
	w.limit(delivery.Rate{MessagesPerHour: 3, RecipientsPerHour: 5, RecipientsPerDay: 8}, delivery.Rate{})
	n := 0
	send := func(login string, rcpts int) error {
		t.Helper()
		n++
		to := []string{"xa1@p.test", "xa2@p.test", "snv@p.test", "nhonho@p.test", "a@peer.test"}[:rcpts]
		_, err := w.send(login, login, letter(login, "xa1@p.test", "x", fmt.Sprint("r", n), "x"), to...)
		return err
	}
	refused := func(err error, want string) {
		t.Helper()
		if fault.KindOf(err) != fault.Exhausted || fault.StatusOf(err) != "4.7.1" || !strings.Contains(err.Error(), want) ||
			!strings.Contains(fault.Sentence(err).VI, "quản trị viên") {
			t.Errorf("got %v, want a refusal about %s", err, want)
		}
	}
	accepted := func(err error) {
		t.Helper()
		if err != nil {
			t.Errorf("refused: %v", err)
		}
	}
	accepted(send(staff, 4))
	refused(send(staff, 2), "5 recipients in one hour; send the rest after 10:00 24/11/2026")
	accepted(send(staff, 1))
	w.now = w.now.Add(time.Hour)
	refused(send(staff, 4), "8 recipients in one day; send the rest after 00:00 25/11/2026")
	for range 3 {
		accepted(send(staff, 1))
	}
	refused(w.delivery.CheckSender(t.Context(), w.origin(staff), mail.Path{Address: address(t, staff)}), "3 messages in one hour")
	for range 9 {
		accepted(send(clerk, 5)) // no limit for clerks here
	}
	w.now = w.now.Add(24 * time.Hour)
	accepted(w.delivery.CheckSender(t.Context(), w.origin(staff), mail.Path{Address: address(t, staff)}))
}

// What was not accepted does not count.
func TestRefusedMailIsNotCounted(t *testing.T) {
	w := newWorld(t)
	w.limit(delivery.Rate{}, delivery.Rate{MessagesPerHour: 1})
	env := mail.Envelope{From: mail.Path{Address: address(t, clerk)}, To: []mail.Recipient{w.rcpt("xa1@p.test", 0)}}
	in, err := w.delivery.Begin(t.Context(), w.origin(clerk), env)
	if err != nil {
		t.Fatal(err)
	}
	in.Abort()
	if _, err := w.submit(w.origin(clerk), env, "From: <giamao@p.test>\r\n\r\n"); fault.KindOf(err) != fault.Denied {
		t.Fatalf("forged: %v", err)
	}
	if _, err := w.submit(w.origin(clerk), env, letter(clerk, "xa1@p.test", "x", "c1", "x")); err != nil {
		t.Errorf("the first accepted one: %v", err)
	}
	if _, err := w.submit(w.origin(clerk), env, letter(clerk, "xa1@p.test", "x", "c2", "x")); fault.KindOf(err) != fault.Exhausted {
		t.Errorf("the second: %v, want it refused", err)
	}
}
