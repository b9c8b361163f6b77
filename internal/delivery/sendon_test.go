package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"vanthu/internal/directory"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/queue"
)

// Wishes about reports go along when a recipient has mail sent on: all of them to
// the one address of an alias, none of success to several. RFC 3461, section 5.2.7.
func TestWishesOfMailThatIsSentOn(t *testing.T) {
	const (
		a, b   = "chuyenvien@xa1.p.test", "chuyenvien@xa2.p.test"
		sender = "chuyenvien@snv.p.test"
		all    = mail.NotifySuccess | mail.NotifyFailure
	)
	tests := []struct {
		name    string
		scripts map[string]string
		to      string
		notify  mail.Notify
		queued  []string // "address NOTIFY original"
		report  string   // what is reported at once about to; "" nothing
	}{
		{"alias to another server", nil, "bi-danh@p.test", all, []string{"x@peer.test SUCCESS,FAILURE bi-danh@p.test"}, ""},
		{"alias to a mailbox", nil, "bi-danh-trong@p.test", all, nil, "delivered"},
		{"group", nil, "nhom@p.test", all, []string{"x@peer.test FAILURE nhom@p.test"}, "expanded"},
		{"group, success only", nil, "nhom@p.test", mail.NotifySuccess, []string{"x@peer.test NEVER nhom@p.test"}, "expanded"},
		{"sent on to one address", map[string]string{a: `redirect "x@peer.test";`}, a, all, []string{"x@peer.test SUCCESS,FAILURE " + a}, ""},
		{"sent on, never reported", map[string]string{a: `redirect "x@peer.test";`}, a, mail.NotifyNever, []string{"x@peer.test NEVER " + a}, ""},
		{"sent on, nothing said", map[string]string{a: `redirect "x@peer.test";`}, a, 0, []string{"x@peer.test  " + a}, ""},
		{"sent on with a copy", map[string]string{a: `redirect :copy "x@peer.test";`}, a, all, []string{"x@peer.test FAILURE " + a}, "delivered"},
		{"sent on to two", map[string]string{a: `redirect "x@peer.test"; redirect "y@peer.test";`}, a, all,
			[]string{"x@peer.test FAILURE " + a, "y@peer.test FAILURE " + a}, "expanded"},
		{"sent on to a colleague", map[string]string{a: `redirect "` + b + `";`}, a, all, nil, "delivered"},
		{"sent on by way of a colleague", map[string]string{a: `redirect "` + b + `";`, b: `redirect "x@peer.test";`}, a, all,
			[]string{"x@peer.test SUCCESS,FAILURE " + a}, ""},
		{"sent on by a colleague who keeps it", map[string]string{a: `redirect "` + b + `";`, b: `redirect :copy "x@peer.test";`}, a, all,
			[]string{"x@peer.test FAILURE " + a}, "delivered"},
		{"sent on by a member of a group", map[string]string{a: `redirect "y@peer.test";`}, "nhom@p.test", all,
			[]string{"x@peer.test FAILURE nhom@p.test", "y@peer.test FAILURE nhom@p.test"}, "expanded"},
		{"thrown away", map[string]string{a: `discard;`}, a, all, nil, "delivered"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, sys := newWorld(t), journal.System("test")
			for alias, target := range map[string]string{"bi-danh@p.test": "x@peer.test", "bi-danh-trong@p.test": a} {
				if err := w.dir.AddAlias(t.Context(), sys, directory.Alias{Address: address(t, alias), Target: address(t, target)}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.dir.CreateGroup(t.Context(), sys, directory.Group{
				Address: address(t, "nhom@p.test"), Name: "Nhóm", Members: []mail.Address{address(t, a), address(t, b), address(t, "x@peer.test")},
			}); err != nil {
				t.Fatal(err)
			}
			for login, text := range tt.scripts {
				w.script(login, text)
			}
			env := mail.Envelope{From: mail.Path{Address: address(t, sender)}, ID: "e-1", Ret: mail.ReturnHeaders, To: []mail.Recipient{w.rcpt(tt.to, tt.notify)}}
			if _, err := w.submit(w.origin(sender), env, letter(sender, tt.to, "x", "dsn", "x")); err != nil {
				t.Fatal(err)
			}
			items, err := w.queue.List(t.Context(), queue.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, it := range items {
				got = append(got, fmt.Sprintf("%s %s %s", it.Rcpt, it.To.Notify, it.To.Original))
				if it.Env.ID != "e-1" || it.Env.Ret != mail.ReturnHeaders {
					t.Errorf("%s: ENVID %q, RET %v are lost", it.Rcpt, it.Env.ID, it.Env.Ret)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.queued) {
				t.Errorf("queued %q, want %q", got, tt.queued)
			}
			reports := w.inbox(sender)
			if tt.report == "" {
				if len(reports) != 0 {
					t.Errorf("reported %q, want nothing", reports)
				}
				return
			}
			if len(reports) != 1 {
				t.Fatalf("%d reports, want 1", len(reports))
			}
			wantAll(t, reports[0], "Final-Recipient: rfc822; "+tt.to+"\r\nAction: "+tt.report+"\r\n")
			if strings.Contains(reports[0], "peer.test\r\nAction") || tt.to != b && strings.Contains(reports[0], b+"\r\nAction") {
				t.Errorf("the report names where it was sent on to:\n%s", reports[0])
			}
		})
	}
}
