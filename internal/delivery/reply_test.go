package delivery_test

import (
	"context"
	"strings"
	"testing"

	"vanthu/docstore"
	"vanthu/internal/delivery"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// obeying makes a Delivery that shows what messages ask for to fn.
func (w *world) obeying(fn func(m docstore.Replied) error) {
	w.delivery = delivery.New(delivery.Stores{
		DB: w.db, Directory: w.dir, Mail: w.mail, Documents: docstore.New(docstore.Options{}), Queue: w.queue, Rules: w.rules,
	}, delivery.Options{
		Hostname: "mail.p.test",
		Replied:  func(_ context.Context, _ *sqldb.Tx, m docstore.Replied) error { return fn(m) },
	})
}

func TestWhatAMessageAsksFor(t *testing.T) {
	const clerk = "vanthu@xa1.p.test"
	typed := func(kind, body string) string {
		return strings.Replace(letter(clerk, "xa1@p.test", "Re: x", "<7@c>", body, "In-Reply-To: <d@x>"), "text/plain; charset=utf-8", kind, 1)
	}
	tests := []struct {
		name, to, message string
		want              string // verbs, "recall 5/QĐ-UBND: reason", "" for nothing
	}{
		{"reply to the unit", "xa1@p.test", letter(clerk, "xa1@p.test", "Re: x", "<1@c>", "vao so\r\nbat dau\r\n", "In-Reply-To: <d@x>"), "register start"},
		{"reply to the server", "postmaster@p.test", letter(clerk, "postmaster@p.test", "Re: x", "<2@c>", "hoan thanh\r\n> x\r\n", "References: <a@x> <d@x>"), "complete"},
		{"reply to a colleague", "chuyenvien@xa1.p.test", letter(clerk, "chuyenvien@xa1.p.test", "Re: x", "<3@c>", "vao so\r\n", "In-Reply-To: <d@x>"), ""},
		{"no reply", "xa1@p.test", letter(clerk, "xa1@p.test", "x", "<4@c>", "vao so\r\n"), ""},
		{"text only", "xa1@p.test", letter(clerk, "xa1@p.test", "Re: x", "<5@c>", "cam on\r\n", "In-Reply-To: <d@x>"), ""},
		{"automatic", "xa1@p.test", letter(clerk, "xa1@p.test", "Re: x", "<6@c>", "vao so\r\n", "In-Reply-To: <d@x>", "Auto-Submitted: auto-replied"), ""},
		{"HTML", "xa1@p.test", typed("text/html; charset=utf-8", "<div>@Lan ch&#7911; tr&#236;</div><div>v&#224;o s&#7893;</div>"), "assign register"},
		{"forwarded", "xa1@p.test", typed("multipart/mixed; boundary=b", "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nvao so\r\n--b--\r\n"), ""},
		{"recall by subject", "xa2@p.test", letter(clerk, "xa2@p.test", "[THU HOI 05/QD-UBND] gui nham", "<9@c>", "x\r\n"), "recall 05/QD-UBND: gui nham"},
		{"recall by address", "xa1+thuhoi@p.test", letter(clerk, "xa1+thuhoi@p.test", "[05/QD-UBND]", "<10@c>", "gui nham\r\n"), "recall 05/QD-UBND: gui nham"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.account("quantri@p.test", 0, directory.Assignment{Role: directory.RoleAdmin})
			got := ""
			w.obeying(func(m docstore.Replied) error {
				var words []string
				for _, c := range m.Reply.Commands {
					words = append(words, string(c.Verb))
				}
				if got = strings.Join(words, " "); m.Recalls {
					got = "recall " + m.Code.String() + ": " + m.Reason
				}
				if m.By != w.ids[clerk] {
					t.Errorf("by account %d", m.By)
				}
				return nil
			})
			if _, err := w.send(clerk, clerk, tt.message, tt.to); err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("asks for %q, want %q", got, tt.want)
			}
		})
	}
}

// Whatever becomes of what it asks for, the message is taken in, once.
func TestFailedRequestIsDelivered(t *testing.T) {
	const clerk = "vanthu@xa1.p.test"
	for name, always := range map[string]bool{"the act fails": false, "the answer too": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			asked := 0
			w.obeying(func(m docstore.Replied) error {
				asked++
				if always || m.Failed == nil {
					return fault.New(fault.Conflict, fault.Text{EN: "not now"})
				}
				if asked != 2 || fault.KindOf(m.Failed) != fault.Conflict {
					t.Errorf("call %d with %v", asked, m.Failed)
				}
				return nil
			})
			_, err := w.send(clerk, clerk, letter(clerk, "xa1@p.test", "Re: x", "<1@c>", "vao so\r\n", "In-Reply-To: <d@x>"), "xa1@p.test")
			if err != nil {
				t.Fatal(err)
			}
			if n := w.in("xa1", mailstore.RoleUnitInbox); n != 1 || asked != 2 {
				t.Errorf("%d messages delivered, asked %d times", n, asked)
			}
		})
	}
}
