package delivery_test

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/blob"
	"vanthu/internal/delivery"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/queue"
	"vanthu/internal/rules"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

// world is a small province with everything that delivery works on.
type world struct {
	t        *testing.T
	db       *sqldb.DB
	dir      *directory.Directory
	mail     *mailstore.Store
	queue    *queue.Queue
	rules    *rules.Store
	delivery *delivery.Delivery
	now      time.Time
	ids      map[string]directory.AccountID
	units    map[string]directory.UnitID
	blobs    *blob.Store
}

func address(t testing.TB, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s, true)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, db: sqldbtest.Open(t), now: time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC),
		ids: map[string]directory.AccountID{}, units: map[string]directory.UnitID{},
	}
	ctx, clock, sys := t.Context(), func() time.Time { return w.now }, journal.System("test")
	var err error
	if w.dir, err = directory.Open(ctx, w.db, directory.Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	for _, d := range []directory.Domain{"p.test", "snv.p.test", "xa1.p.test", "xa2.p.test"} {
		if err := w.dir.AddDomain(ctx, sys, d); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"snv", "xa1", "xa2"} {
		u, err := w.dir.CreateUnit(ctx, sys, directory.Unit{
			Code: fmt.Sprintf("H18.%d", i+1), Name: "Đơn vị " + name, ShortName: strings.ToUpper(name), Kind: "xã",
			Address: address(t, name+"@p.test"), From: w.now.Add(-time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		w.units[name] = u.ID
		for _, role := range []directory.Role{directory.RoleClerk, directory.RoleStaff} {
			w.account(string(role)+"@"+name+".p.test", 0, directory.Assignment{Unit: u.ID, Role: role})
		}
	}
	w.account("nhonho@p.test", 1, directory.Assignment{Unit: w.units["xa1"], Role: directory.RoleStaff})
	if _, err := w.dir.CreateGroup(ctx, sys, directory.Group{
		Address: address(t, "cac-xa@p.test"), Name: "Các xã", Members: []mail.Address{address(t, "xa1@p.test"), address(t, "xa2@p.test")},
	}); err != nil {
		t.Fatal(err)
	}
	if w.blobs, err = blob.Open(blob.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	quota := func(o mailstore.Owner) int64 {
		if o.Account != 0 && o.Account == w.ids["nhonho@p.test"] {
			return 2000
		}
		return 0
	}
	if w.mail, err = mailstore.Open(ctx, w.db, w.blobs, mailstore.Options{Now: clock, Quota: quota}); err != nil {
		t.Fatal(err)
	}
	w.queue = queue.New(w.db, queue.Options{Now: clock})
	if w.rules, err = rules.Open(ctx, w.db, rules.Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	w.limit(delivery.Rate{}, delivery.Rate{})
	return w
}

// limit makes a Delivery with these rates.
func (w *world) limit(rate, clerks delivery.Rate) {
	clock := func() time.Time { return w.now }
	w.delivery = delivery.New(delivery.Stores{
		DB: w.db, Directory: w.dir, Mail: w.mail, Documents: docstore.New(docstore.Options{Now: clock}), Queue: w.queue,
		Rules: w.rules,
	}, delivery.Options{
		Hostname: "mail.p.test", Now: clock, HasRoute: func(d string) bool { return d == "peer.test" }, Rate: rate, ClerkRate: clerks,
	})
}

func (w *world) account(login string, quota int64, roles ...directory.Assignment) {
	w.t.Helper()
	a, _, err := w.dir.CreateAccount(w.t.Context(), journal.System("test"), directory.Account{
		Login: address(w.t, login), Name: login, Roles: roles, QuotaMiB: quota,
	}, "")
	if err != nil {
		w.t.Fatal(err)
	}
	w.ids[login] = a.ID
}

// origin is a session in which login has logged in; "" for a stranger's.
func (w *world) origin(login string) delivery.Origin {
	o := delivery.Origin{Session: "s", Remote: netip.MustParseAddrPort("192.0.2.1:5555"), Helo: "client.test", Protocol: "ESMTPSA"}
	if login != "" {
		o.Account = w.ids[login]
	}
	return o
}

// letter makes a message; fields are further header lines.
func letter(from, to, subject, id, body string, fields ...string) string {
	h := []string{
		"From: <" + from + ">", "To: <" + to + ">", "Subject: " + subject, "Date: Tue, 24 Nov 2026 09:00:00 +0700",
		"Message-ID: <" + id + "@p.test>", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit",
	}
	return strings.Join(append(h, fields...), "\r\n") + "\r\n\r\n" + body + "\r\n"
}

func (w *world) send(login, from, message string, to ...string) (delivery.Accepted, error) {
	w.t.Helper()
	env := mail.Envelope{From: mail.Path{Null: from == ""}}
	if from != "" {
		env.From.Address = address(w.t, from)
	}
	for _, r := range to {
		env.To = append(env.To, mail.Recipient{Addr: address(w.t, r)})
	}
	in, err := w.delivery.Begin(w.t.Context(), w.origin(login), env)
	if err != nil {
		return delivery.Accepted{}, err
	}
	if _, err := io.WriteString(in, message); err != nil {
		w.t.Fatal(err)
	}
	return in.Commit(w.t.Context())
}

func (w *world) count(q string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.View(w.t.Context(), func(r sqldb.Reader) error { return r.QueryRow(w.t.Context(), q, args...).Scan(&n) }); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// in gives the messages in a unit's folder.
func (w *world) in(unit string, role mailstore.FolderRole) int {
	w.t.Helper()
	return w.count(`SELECT coalesce(sum(messages), 0) FROM mailbox WHERE unit_id = $1 AND role = $2`, int64(w.units[unit]), string(role))
}

const clerk = "vanthu@snv.p.test"

func TestCheckSenderAndRecipient(t *testing.T) {
	w := newWorld(t)
	path := func(s string) mail.Path {
		if s == "" {
			return mail.Path{Null: true}
		}
		return mail.Path{Address: address(t, s)}
	}
	const ok = fault.Kind(255)
	tests := []struct {
		name, login, from, to string
		sender, recipient     fault.Kind
	}{
		{"own address to account", clerk, clerk, "chuyenvien@xa1.p.test", ok, ok},
		{"unit's address by its clerk", clerk, "snv@p.test", "xa1@p.test", ok, ok},
		{"unit's address by staff", "chuyenvien@snv.p.test", "snv@p.test", "xa1@p.test", fault.Denied, ok},
		{"somebody else's address", clerk, "vanthu@xa1.p.test", "xa1@p.test", fault.Denied, ok},
		{"in other case, with detail", clerk, "VanThu+x@snv.p.test", "xa1+vb@p.test", ok, ok},
		{"unknown recipient", clerk, clerk, "khong-co@p.test", ok, fault.NotFound},
		{"outside with a route", clerk, clerk, "a@peer.test", ok, ok},
		{"outside without a route", clerk, clerk, "a@world.test", ok, fault.Denied},
		{"stranger to us", "", "a@world.test", "xa1@p.test", ok, ok},
		{"stranger as one of us", "", clerk, "xa1@p.test", fault.Denied, ok},
		{"stranger relaying", "", "a@world.test", "b@peer.test", ok, fault.Denied},
		{"bounce", "", "", "vanthu@snv.p.test", ok, ok},
	}
	lmtp := w.origin("")
	lmtp.Protocol = "LMTP"
	if err := w.delivery.CheckSender(t.Context(), lmtp, path(clerk)); err != nil {
		t.Errorf("a filter on our site may not hand on our own mail: %v", err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check := func(what string, err error, want fault.Kind) {
				got := ok
				if err != nil {
					got = fault.KindOf(err)
				}
				if got != want {
					t.Errorf("%s: %v, want kind %v", what, err, want)
				}
			}
			o := w.origin(tt.login)
			check("sender", w.delivery.CheckSender(t.Context(), o, path(tt.from)), tt.sender)
			check("recipient", w.delivery.CheckRecipient(t.Context(), o, path(tt.from), address(t, tt.to)), tt.recipient)
		})
	}
}

func TestOrdinaryMailIsStoredOnceAndByteForByte(t *testing.T) {
	w := newWorld(t)
	msg := letter(clerk, "cac-xa@p.test", "=?utf-8?Q?H=E1=BB=8Dp?= giao ban", "a1", "Kính gửi các xã.")
	acc, err := w.send(clerk, clerk, msg, "cac-xa@p.test", "xa1@p.test", "chuyenvien@xa2.p.test")
	if err != nil {
		t.Fatal(err)
	}
	if acc.QueueID == "" || acc.Repeated {
		t.Errorf("accepted = %+v", acc)
	}
	if got := w.count(`SELECT count(*) FROM message`); got != 1 {
		t.Errorf("%d messages stored, want 1", got)
	}
	if got := w.count(`SELECT count(*) FROM entry`); got != 3 {
		t.Errorf("%d entries, want 3: each mailbox once", got)
	}
	if got := w.in("xa1", mailstore.RoleUnitInbox); got != 1 {
		t.Errorf("%d messages in the unit's folder for ordinary mail, want 1", got)
	}
	if got := w.count(`SELECT count(*) FROM document`); got != 0 {
		t.Errorf("ordinary mail made %d documents", got)
	}
	c, err := w.mail.Content(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
	if err != nil {
		t.Fatal(err)
	}
	trace, ok := strings.CutSuffix(string(whole), msg)
	want := "Return-Path: <" + clerk + ">\r\n" +
		"Received: from client.test ([192.0.2.1])\r\n\tby mail.p.test with ESMTPSA id " + string(acc.QueueID) +
		";\r\n\tTue, 24 Nov 2026 09:00:00 +0700\r\n"
	if !ok || trace != want {
		t.Errorf("stored message is\n%s\nwant the received octets behind\n%s", whole, want)
	}
}

func TestDocumentGoesToTheClerksFolder(t *testing.T) {
	w := newWorld(t)
	msg := letter(clerk, "cac-xa@p.test", "=?utf-8?B?WzEyMy9RxJAtVUJORF0gVi92IGvhur8gaG/huqFjaA==?=", "d1", "Kính gửi.", "Cc: <nhonho@p.test>")
	if _, err := w.send(clerk, clerk, msg, "cac-xa@p.test", "nhonho@p.test"); err != nil {
		t.Fatal(err)
	}
	for _, xa := range []string{"xa1", "xa2"} {
		if got := w.in(xa, mailstore.RoleIncoming); got != 1 {
			t.Errorf("%s: %d documents wait, want 1", xa, got)
		}
	}
	if got := w.in("snv", mailstore.RoleIssued); got != 1 {
		t.Errorf("%d documents among the issuer's issued ones, want 1", got)
	}
	for q, want := range map[string]int{
		`SELECT count(*) FROM message`:                                                                  1,
		`SELECT count(*) FROM document WHERE code_key <> '' AND number = 123`:                           1,
		`SELECT count(*) FROM dispatch WHERE state = 'arrived' AND status = '01'`:                       2,
		`SELECT count(*) FROM dispatch WHERE kind = 'chinh'`:                                            2,
		`SELECT count(*) FROM journal WHERE type = 'doc.arrived'`:                                       2,
		`SELECT count(*) FROM journal WHERE type = 'mail.accepted'`:                                     1,
		`SELECT count(*) FROM tracking WHERE dirty = 1`:                                                 1,
		`SELECT count(*) FROM dispatch d JOIN entry e ON e.mailbox_id = d.mailbox_id AND e.uid = d.uid`: 2,
	} {
		if got := w.count(q); got != want {
			t.Errorf("%s = %d, want %d", q, got, want)
		}
	}
	if s := w.delivery.Stats(); s.Documents.Load() != 1 || s.Dispatches.Load() != 2 || s.Copies.Load() != 4 {
		t.Errorf("stats: %d documents, %d dispatches, %d copies", s.Documents.Load(), s.Dispatches.Load(), s.Copies.Load())
	}
}

func TestWhatIsRefusedLeavesNothing(t *testing.T) {
	const tagged = "=?utf-8?B?WzEyMy9RxJAtVUJORF0gVi92IGvhur8gaG/huqFjaA==?=" // [123/QĐ-UBND] V/v kế hoạch
	tests := []struct {
		name, login, message string
		to                   []string
		kind                 fault.Kind
		incident             bool
	}{
		{"document with a blind recipient", clerk, letter(clerk, "xa1@p.test", tagged, "r1", "x"), []string{"xa1@p.test", "xa2@p.test"}, fault.Denied, false},
		{"document by staff", "chuyenvien@snv.p.test", letter("chuyenvien@snv.p.test", "xa1@p.test", tagged, "r2", "x"), []string{"xa1@p.test"}, fault.Denied, false},
		{"secrecy mark in the subject", clerk, letter(clerk, "xa1@p.test", "=?utf-8?B?W03huqxUXSBLw6ogaG/huqFjaA==?=", "r3", "x"), []string{"xa1@p.test"}, fault.Denied, true},
		{"secrecy mark in the text", clerk, letter(clerk, "xa1@p.test", "thu", "r4", "dòng đầu\r\nTỐI MẬT\r\ndòng cuối"), []string{"xa1@p.test"}, fault.Denied, true},
		{"large one with a secrecy mark", clerk, letter(clerk, "xa1@p.test", "thu", "r9", "TUYỆT MẬT\r\n"+strings.Repeat("điền vào cho dài\r\n", 10_000)), []string{"xa1@p.test"}, fault.Denied, true},
		{"two From fields", clerk, letter(clerk, "xa1@p.test", "x", "r5", "x", "From: <vanthu@xa1.p.test>"), []string{"xa1@p.test"}, fault.Invalid, false},
		{"From of somebody else", clerk, letter("vanthu@xa1.p.test", "xa1@p.test", "x", "r6", "x"), []string{"xa1@p.test"}, fault.Denied, false},
		{"bare LF", clerk, letter(clerk, "xa1@p.test", "x", "r7", "a\nb"), []string{"xa1@p.test"}, fault.Invalid, false},
		{"running in a circle", "", letter("a@world.test", "xa1@p.test", "x", "r8", "x", strings.Repeat("Received: from a by b; Tue, 24 Nov 2026 09:00:00 +0700\r\n", 101)+"X: y"), []string{"xa1@p.test"}, fault.Conflict, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			before := w.count(`SELECT count(*) FROM journal`)
			from := tt.login
			if from == "" {
				from = "a@world.test"
			}
			if _, err := w.send(tt.login, from, tt.message, tt.to...); err == nil || fault.KindOf(err) != tt.kind {
				t.Errorf("Commit = %v, want kind %v", err, tt.kind)
			}
			for _, q := range []string{`SELECT count(*) FROM message`, `SELECT count(*) FROM entry`, `SELECT count(*) FROM document`} {
				if got := w.count(q); got != 0 {
					t.Errorf("%s = %d, want 0", q, got)
				}
			}
			if err := w.blobs.Walk(t.Context(), func(h blob.Hash, _ int64, _ time.Time) error {
				t.Errorf("blob %s was kept", h)
				return nil
			}); err != nil {
				t.Error(err)
			}
			want := 0
			if tt.incident {
				want = 1
			}
			if got := w.count(`SELECT count(*) FROM journal`) - before; got != want {
				t.Errorf("%d journal entries, want %d", got, want)
			}
			if got := w.count(`SELECT count(*) FROM journal WHERE type = 'incident.secrecy'`); got != want {
				t.Errorf("%d incidents, want %d", got, want)
			}
		})
	}
}

// IMAP APPEND is another door for messages.
func TestUploadsAreGuarded(t *testing.T) {
	w := newWorld(t)
	upload := func(message string) error {
		b := w.mail.NewBody()
		if _, err := io.WriteString(b, message); err != nil {
			t.Fatal(err)
		}
		fin, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := fin.Release(); err != nil {
				t.Error(err)
			}
		}()
		return w.delivery.CheckUpload(t.Context(), w.ids[clerk], netip.MustParseAddrPort("192.0.2.1:5"), fin)
	}
	if err := upload(letter(clerk, "xa1@p.test", "ban nhap", "u1", "bí mật nghề nghiệp")); err != nil {
		t.Errorf("an ordinary draft: %v", err)
	}
	if err := upload(letter(clerk, "xa1@p.test", "ban nhap", "u2", "TỐI MẬT")); fault.KindOf(err) != fault.Denied {
		t.Errorf("a draft with a secrecy mark = %v, want denied", err)
	}
	if got := w.count(`SELECT count(*) FROM journal WHERE type = 'incident.secrecy'`); got != 1 {
		t.Errorf("%d incidents, want 1", got)
	}
}

func TestFullDiskTakesNothingNew(t *testing.T) {
	w := newWorld(t)
	full := fault.New(fault.Exhausted, fault.Text{EN: "full"})
	d := delivery.New(delivery.Stores{
		DB: w.db, Directory: w.dir, Mail: w.mail, Documents: docstore.New(docstore.Options{}), Queue: w.queue,
	}, delivery.Options{Hostname: "mail.p.test", Room: func() error { return full }})
	_, err := d.Begin(t.Context(), w.origin(clerk), mail.Envelope{To: []mail.Recipient{{Addr: address(t, "xa1@p.test")}}})
	if fault.KindOf(err) != fault.Exhausted {
		t.Errorf("Begin = %v, want exhausted", err)
	}
}

func TestSameMessageAgain(t *testing.T) {
	w := newWorld(t)
	doc := letter(clerk, "cac-xa@p.test", "[12/BC-SNV] bao cao", "s1", "x")
	first, err := w.send(clerk, clerk, doc, "cac-xa@p.test")
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(30 * time.Hour) // beyond the memory of recent ones: the document itself is known
	again, err := w.send(clerk, clerk, doc, "cac-xa@p.test")
	if err != nil || !again.Repeated || again.QueueID != first.QueueID {
		t.Errorf("again = %+v, %v; want the first queue id %s", again, err, first.QueueID)
	}
	if got := w.count(`SELECT count(*) FROM dispatch`); got != 2 {
		t.Errorf("%d dispatches, want 2", got)
	}
	other := strings.Replace(doc, "\r\n\r\nx", "\r\n\r\ny", 1)
	if _, err := w.send(clerk, clerk, other, "cac-xa@p.test"); fault.KindOf(err) != fault.Conflict {
		t.Errorf("other content under the same Message-ID = %v, want a conflict", err)
	}

	plain := letter(clerk, "xa1@p.test", "hop", "s2", "x")
	a, err := w.send(clerk, clerk, plain, "xa1@p.test")
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.send(clerk, clerk, plain, "xa1@p.test")
	if err != nil || b.QueueID != a.QueueID {
		t.Errorf("ordinary mail again = %+v, %v", b, err)
	}
	if _, err := w.send(clerk, clerk, plain, "xa2@p.test"); err != nil {
		t.Fatal(err)
	}
	if got1, got2 := w.in("xa1", mailstore.RoleUnitInbox), w.in("xa2", mailstore.RoleUnitInbox); got1 != 1 || got2 != 1 {
		t.Errorf("xa1 has it %d times, xa2 %d times; want once each", got1, got2)
	}
}

// A client may split the recipients of one message over several transactions.
func TestFurtherUnitsOfTheSameDocument(t *testing.T) {
	w := newWorld(t)
	doc := letter(clerk, "xa1@p.test", "[12/BC-SNV] bao cao", "s1", "x", "Cc: <xa2@p.test>")
	for _, to := range []string{"xa1@p.test", "xa2@p.test"} {
		if _, err := w.send(clerk, clerk, doc, to); err != nil {
			t.Fatal(err)
		}
	}
	for q, want := range map[string]int{
		`SELECT count(*) FROM document`:                                            1,
		`SELECT count(*) FROM dispatch`:                                            2,
		`SELECT count(*) FROM dispatch WHERE kind = 'de_biet'`:                     1,
		`SELECT count(*) FROM mailbox WHERE role = 'di.phathanh' AND messages = 1`: 1,
	} {
		if got := w.count(q); got != want {
			t.Errorf("%s = %d, want %d", q, got, want)
		}
	}
}

func TestFullMailboxIsReported(t *testing.T) {
	w := newWorld(t)
	big := letter(clerk, "xa1@p.test", "lon", "q1", strings.Repeat("0123456789\r\n", 200))
	if _, err := w.send(clerk, clerk, big, "xa1@p.test", "nhonho@p.test"); err != nil {
		t.Fatalf("one of two has room: %v", err)
	}
	inbox, err := w.mail.Lookup(t.Context(), mailstore.Owner{Account: w.ids[clerk]}, "INBOX")
	if err != nil || inbox.Messages != 1 {
		t.Fatalf("the sender has %d reports (%v), want 1", inbox.Messages, err)
	}
	id := w.count(`SELECT message_id FROM entry WHERE mailbox_id = $1`, int64(inbox.ID))
	c, err := w.mail.Content(t.Context(), mailstore.MessageID(id))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Return-Path: <>", "multipart/report", "Final-Recipient: rfc822; nhonho@p.test", "Status: 5.2.2", "Auto-Submitted: auto-replied"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	_, err = w.send(clerk, clerk, letter(clerk, "nhonho@p.test", "lon", "q2", strings.Repeat("0123456789\r\n", 200)), "nhonho@p.test")
	if fault.KindOf(err) != fault.Exhausted {
		t.Errorf("to the full mailbox alone = %v, want exhausted", err)
	}
}

func TestRemoteRecipientsAreQueuedInTheSameTransaction(t *testing.T) {
	w := newWorld(t)
	acc, err := w.send(clerk, clerk, letter(clerk, "a@peer.test", "ra ngoai", "o1", "x"), "a@peer.test", "xa1@p.test", "b@peer.test")
	if err != nil {
		t.Fatal(err)
	}
	items, err := w.queue.Lease(t.Context(), "peer.test")
	if err != nil || len(items) != 2 || items[0].Queue != acc.QueueID {
		t.Fatalf("queue = %+v, %v; want two items of %s", items, err, acc.QueueID)
	}
	if got := w.in("xa1", mailstore.RoleUnitInbox); got != 1 {
		t.Errorf("%d local copies, want 1", got)
	}
}

func TestAbortAndSecondCommit(t *testing.T) {
	w := newWorld(t)
	env := mail.Envelope{From: mail.Path{Address: address(t, clerk)}, To: []mail.Recipient{{Addr: address(t, "xa1@p.test")}}}
	in, err := w.delivery.Begin(t.Context(), w.origin(clerk), env)
	if err != nil {
		t.Fatal(err)
	}
	in.Abort()
	in.Abort()
	if _, err := in.Commit(t.Context()); err == nil {
		t.Error("an aborted message was committed")
	}
	if got := w.count(`SELECT count(*) FROM message`); got != 0 {
		t.Errorf("%d messages, want 0", got)
	}
}
