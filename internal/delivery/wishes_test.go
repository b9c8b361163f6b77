package delivery_test

import (
	"io"
	"strings"
	"testing"

	"vanthu/internal/delivery"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// submit sends message with a whole envelope.
func (w *world) submit(o delivery.Origin, env mail.Envelope, message string) (*delivery.Incoming, error) {
	w.t.Helper()
	in, err := w.delivery.Begin(w.t.Context(), o, env)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(in, message); err != nil {
		w.t.Fatal(err)
	}
	_, err = in.Commit(w.t.Context())
	return in, err
}

// inbox gives all messages in an account's INBOX, oldest first.
func (w *world) inbox(login string) (all []string) {
	w.t.Helper()
	box, err := w.mail.Lookup(w.t.Context(), mailstore.Owner{Account: w.ids[login]}, "INBOX")
	if err != nil {
		return nil // nothing ever came
	}
	var ids []int64
	if err := w.db.View(w.t.Context(), func(r sqldb.Reader) error {
		rows, err := r.Query(w.t.Context(), `SELECT message_id FROM entry WHERE mailbox_id = $1 ORDER BY uid`, int64(box.ID))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	}); err != nil {
		w.t.Fatal(err)
	}
	for _, id := range ids {
		c, err := w.mail.Content(w.t.Context(), mailstore.MessageID(id))
		if err != nil {
			w.t.Fatal(err)
		}
		text, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}

func (w *world) rcpt(addr string, n mail.Notify) mail.Recipient {
	return mail.Recipient{Addr: address(w.t, addr), Notify: n}
}

func wantAll(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("lacks %q:\n%s", p, text)
		}
	}
}

// RFC 3461, section 5.2.
func TestSuccessIsReportedWhenAskedFor(t *testing.T) {
	const user = "chuyenvien@snv.p.test"
	w := newWorld(t)
	orcpt := w.rcpt("xa2@p.test", mail.NotifySuccess)
	orcpt.Original, orcpt.OriginalType = "Phòng@xa2.test", mail.AddressUTF8
	env := mail.Envelope{
		From: mail.Path{Address: address(t, user)}, ID: "QQ 1", Ret: mail.ReturnFull,
		To: []mail.Recipient{w.rcpt("xa1@p.test", 0), orcpt, w.rcpt("cac-xa@p.test", mail.NotifySuccess), w.rcpt("a@peer.test", mail.NotifySuccess)},
	}
	if _, err := w.submit(w.origin(user), env, letter(user, "xa1@p.test", "x", "s1", "secret text")); err != nil {
		t.Fatal(err)
	}
	got := w.inbox(user)
	if len(got) != 1 {
		t.Fatalf("%d reports, want 1", len(got))
	}
	wantAll(t, got[0], "Return-Path: <>", "Original-Envelope-Id: QQ 1\r\n", `Original-Recipient: utf-8; Ph\x{F2}ng@xa2.test`,
		"Final-Recipient: rfc822; xa2@p.test\r\nAction: delivered\r\nStatus: 2.0.0", "Final-Recipient: rfc822; cac-xa@p.test\r\nAction: expanded",
		"text/rfc822-headers", "Message-ID: <s1@p.test>")
	for _, not := range []string{"secret text", "xa1@p.test\r\nAction", "a@peer.test\r\nAction"} {
		if strings.Contains(got[0], not) {
			t.Errorf("report has %q, which nobody asked for:\n%s", not, got[0])
		}
	}
	items, err := w.queue.Lease(t.Context(), "peer.test")
	if err != nil || len(items) != 1 || items[0].To.Notify != mail.NotifySuccess || items[0].Env.ID != "QQ 1" || items[0].Env.Ret != mail.ReturnFull {
		t.Errorf("queued %+v, %v, want the wishes of the sender with it", items, err)
	}
}

func TestFailureIsReportedAsAskedFor(t *testing.T) {
	big := func(id string) string {
		return letter(clerk, "xa1@p.test", "lon", id, strings.Repeat("0123456789\r\n", 200))
	}
	tests := []struct {
		name    string
		notify  mail.Notify
		ret     mail.Return
		want    []string
		reports int
	}{
		{"not said", 0, 0, []string{"text/rfc822-headers", "Action: failed"}, 1},
		{"full", mail.NotifyFailure, mail.ReturnFull, []string{"Content-Type: message/rfc822", "0123456789\r\n0123456789"}, 1},
		{"headers", mail.NotifyFailure, mail.ReturnHeaders, []string{"text/rfc822-headers"}, 1},
		{"never", mail.NotifyNever, 0, nil, 0},
		{"delay only", mail.NotifyDelay, 0, nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			env := mail.Envelope{
				From: mail.Path{Address: address(t, clerk)}, Ret: tt.ret,
				To: []mail.Recipient{w.rcpt("xa1@p.test", 0), w.rcpt("nhonho@p.test", tt.notify)},
			}
			if _, err := w.submit(w.origin(clerk), env, big("f1")); err != nil {
				t.Fatal(err)
			}
			got := w.inbox(clerk)
			if len(got) != tt.reports {
				t.Fatalf("%d reports, want %d", len(got), tt.reports)
			}
			if tt.reports > 0 {
				wantAll(t, got[0], tt.want...)
			}
		})
	}
}

// RFC 2033: LMTP has a reply for each recipient, so no report goes out.
func TestEachRecipientIsToldByLMTP(t *testing.T) {
	w := newWorld(t)
	o := w.origin("")
	o.Protocol = "LMTP"
	env := mail.Envelope{
		From: mail.Path{Address: address(t, clerk)},
		To:   []mail.Recipient{w.rcpt("xa1@p.test", 0), w.rcpt("nhonho@p.test", 0)},
	}
	in, err := w.submit(o, env, letter(clerk, "xa1@p.test", "lon", "l1", strings.Repeat("0123456789\r\n", 200)))
	if err != nil {
		t.Fatal(err)
	}
	got := in.Results()
	if len(got) != 2 || got[0] != nil || fault.KindOf(got[1]) != fault.Exhausted || fault.StatusOf(got[1]) != "4.2.2" {
		t.Errorf("results = %v, want the second full", got)
	}
	if n := len(w.inbox(clerk)); n != 0 {
		t.Errorf("%d reports besides the replies", n)
	}
}

// RFC 6531, section 3.6; T018.
func TestHeadersBeyondASCII(t *testing.T) {
	tests := []struct {
		name     string
		utf8     bool
		protocol string
		subject  string
		refused  bool
	}{
		{"without SMTPUTF8", false, "ESMTPSA", "Họp", true},
		{"with SMTPUTF8", true, "UTF8SMTPSA", "Họp", false},
		{"from a filter of ours", false, "LMTP", "Họp", false},
		{"encoded", false, "ESMTPSA", "=?utf-8?Q?H=E1=BB=8Dp?=", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			o := w.origin(clerk)
			o.Protocol = tt.protocol
			env := mail.Envelope{From: mail.Path{Address: address(t, clerk)}, UTF8: tt.utf8, To: []mail.Recipient{w.rcpt("a@peer.test", 0)}}
			_, err := w.submit(o, env, letter(clerk, "a@peer.test", tt.subject, "u1", "x"))
			if (err != nil) != tt.refused || tt.refused && fault.StatusOf(err) != "5.6.7" {
				t.Fatalf("Commit = %v, want refused %v", err, tt.refused)
			}
			if items, _ := w.queue.Lease(t.Context(), "peer.test"); !tt.refused && (len(items) != 1 || items[0].Env.UTF8 != (tt.subject == "Họp")) {
				t.Errorf("queued %+v: the next hop must know what the header needs", items)
			}
		})
	}
}

// A binary message is stored octet by octet and marked for what it is, whatever was declared. RFC 3030.
func TestBinaryMessages(t *testing.T) {
	binary := letter(clerk, "xa1@p.test", "x", "b1", "a\x00b\nc\rd")
	w := newWorld(t)
	env := mail.Envelope{From: mail.Path{Address: address(t, clerk)}, To: []mail.Recipient{w.rcpt("chuyenvien@xa1.p.test", 0), w.rcpt("a@peer.test", 0)}}
	if _, err := w.submit(w.origin(clerk), env, binary); fault.KindOf(err) != fault.Invalid {
		t.Errorf("as text: %v, want a refusal", err)
	}
	env.Body = mail.BodyBinaryMIME
	if _, err := w.submit(w.origin(clerk), env, binary); err != nil {
		t.Fatal(err)
	}
	if got := w.inbox("chuyenvien@xa1.p.test"); len(got) != 1 || !strings.HasSuffix(got[0], binary) {
		t.Errorf("stored %q", got)
	}
	if items, _ := w.queue.Lease(t.Context(), "peer.test"); len(items) != 1 || items[0].Env.Body != mail.BodyBinaryMIME {
		t.Errorf("queued %+v, want it binary", items)
	}
	if _, err := w.submit(w.origin(clerk), env, letter(clerk, "xa1@p.test", "x", "b2", "plain")); err != nil {
		t.Fatal(err)
	}
	if items, _ := w.queue.Lease(t.Context(), "peer.test"); len(items) != 1 || items[0].Env.Body != mail.Body7Bit {
		t.Errorf("queued %+v, want it 7-bit: any server takes that", items)
	}
}

// RFC 6710; NĐ 30/2020: what is urgent goes first, when the sender may say so.
func TestPriority(t *testing.T) {
	const staff = "nhonho@p.test"
	tests := []struct {
		name, login, urgency string
		asked, want          mail.Priority
	}{
		{"clerk asks", clerk, "", 5, 5},
		{"staff asks", staff, "", 5, 0},
		{"staff asks for less", staff, "", -3, -3},
		{"clerk's hỏa tốc", clerk, "3", 0, 6},
		{"clerk's khẩn, asked for more", clerk, "1", 8, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			env := mail.Envelope{From: mail.Path{Address: address(t, tt.login)}, Priority: tt.asked, To: []mail.Recipient{w.rcpt("a@peer.test", 0)}}
			msg := letter(tt.login, "a@peer.test", "[12/QD-UBND] V/v x", "p1", "x")
			if tt.urgency != "" {
				msg = letter(tt.login, "a@peer.test", "=?utf-8?Q?[12/Q=C4=90-UBND]_V/v_x?=", "p1", "x", "X-VB-So: 12", "X-VB-Ky-Hieu: =?utf-8?Q?Q=C4=90-UBND?=", "X-VB-Do-Khan: "+tt.urgency)
			}
			if _, err := w.submit(w.origin(tt.login), env, msg); err != nil {
				t.Fatal(err)
			}
			if items, _ := w.queue.Lease(t.Context(), "peer.test"); len(items) != 1 || items[0].Env.Priority != tt.want {
				t.Errorf("queued %+v, want priority %d", items, tt.want)
			}
		})
	}
}

// RFC 8689, section 3: the field alone; with REQUIRETLS it says nothing.
func TestTLSRequiredNo(t *testing.T) {
	for _, require := range []bool{false, true} {
		w := newWorld(t)
		env := mail.Envelope{From: mail.Path{Address: address(t, clerk)}, RequireTLS: require, To: []mail.Recipient{w.rcpt("a@peer.test", 0)}}
		if _, err := w.submit(w.origin(clerk), env, letter(clerk, "a@peer.test", "x", "t1", "x", "TLS-Required: No")); err != nil {
			t.Fatal(err)
		}
		if items, _ := w.queue.Lease(t.Context(), "peer.test"); len(items) != 1 || items[0].Env.TLSOptional == require || items[0].Env.RequireTLS != require {
			t.Errorf("queued %+v with REQUIRETLS %v", items, require)
		}
	}
}

// The null reverse-path never gets a report. RFC 5321, section 6.1; T038.
func TestNoReportAboutReports(t *testing.T) {
	w := newWorld(t)
	env := mail.Envelope{From: mail.Path{Null: true}, To: []mail.Recipient{w.rcpt("xa1@p.test", mail.NotifySuccess), w.rcpt("nhonho@p.test", mail.NotifyFailure)}}
	if _, err := w.submit(w.origin(""), env, letter("x@out.test", "xa1@p.test", "x", "n1", strings.Repeat("0123456789\r\n", 200))); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM message`); n != 1 {
		t.Errorf("%d messages, want the one without a report", n)
	}
}

// A sender elsewhere gets its report through the queue, marked and protected like its message. RFC 8689, section 5.
func TestReportToElsewhere(t *testing.T) {
	w := newWorld(t)
	env := mail.Envelope{
		From: mail.Path{Address: address(t, "a@peer.test")}, RequireTLS: true, Ret: mail.ReturnFull,
		To: []mail.Recipient{w.rcpt("xa1@p.test", 0), w.rcpt("nhonho@p.test", 0)},
	}
	if _, err := w.submit(w.origin(""), env, letter("a@peer.test", "xa1@p.test", "x", "r1", strings.Repeat("0123456789\r\n", 200))); err != nil {
		t.Fatal(err)
	}
	items, err := w.queue.Lease(t.Context(), "peer.test")
	if err != nil || len(items) != 1 || !items[0].Sender.Null || !items[0].Env.RequireTLS || items[0].Rcpt.String() != "a@peer.test" {
		t.Fatalf("queued %+v, %v, want one report that requires TLS", items, err)
	}
	c, err := w.mail.Content(t.Context(), mailstore.MessageID(items[0].Message))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, string(text), "text/rfc822-headers", "<postmaster@mail.p.test>")
}
