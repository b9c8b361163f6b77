package testkit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/text/unicode/norm"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/delivery"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
	"vanthu/internal/testkit"
	"vanthu/internal/workflow"
)

// The numbers of these tests are those of the acceptance oracles that the
// whole server must pass.

const (
	// Registers and receipts are messages that come a little later; these are not counted.
	qMessages = `SELECT count(*) FROM message WHERE id NOT IN (
  SELECT e.message_id FROM entry e JOIN mailbox b ON b.id = e.mailbox_id WHERE b.role LIKE 'so.%' OR b.role = 'biennhan')`
	qCopies     = `SELECT count(*) FROM entry e JOIN mailbox b ON b.id = e.mailbox_id WHERE b.role NOT LIKE 'so.%' AND b.role <> 'biennhan'`
	qDocuments  = `SELECT count(*) FROM document`
	qDispatches = `SELECT count(*) FROM dispatch`
	qEvents     = `SELECT count(*) FROM status_event`
	qEntries    = `SELECT count(*) FROM register_entry WHERE dispatch_id <> 0`
)

var (
	issuer = testkit.Login("vanthu", "ubnd")
	clerk1 = testkit.Login("vanthu", "xa01")
	xa01   = testkit.Address("xa01")
)

// document is the mail of a document with a file.
func document(subject, mailID string, to ...string) []byte {
	b := testkit.Message(issuer, subject, mailID, to...)
	b.Files = []mail.File{{Name: "quyet-dinh.pdf", Type: "application/pdf", Content: []byte("%PDF-1.7\n% thử nghiệm\n%%EOF\n")}}
	return b.Bytes()
}

func send(t *testing.T, s *testkit.Server, message []byte, to ...string) (reply string) {
	t.Helper()
	reply, err := s.Sender(issuer).Send(message, to...)
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	return reply
}

// refused sends a message that must get a 5xx reply after its data.
func refused(t *testing.T, s *testkit.Server, code int, message []byte, to ...string) {
	t.Helper()
	reply, err := s.Sender(issuer).Send(message, to...)
	var e *textproto.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("reply %q, error %v; want %d", reply, err, code)
	}
}

func show(t *testing.T, s *testkit.Server, code string) (v docstore.View) {
	t.Helper()
	if err := s.Rooms.Control().Call(t.Context(), control.CallDocumentShow, control.DocumentNamed{Code: code}, &v, nil); err != nil {
		t.Fatalf("show %s: %v", code, err)
	}
	return v
}

// holds checks how many messages a folder of a unit has.
func holds(t *testing.T, c *testkit.IMAP, unit, folder string, want int) (uids []string) {
	t.Helper()
	uids, err := c.In(testkit.Shared(unit, folder))
	if err != nil {
		t.Fatal(err)
	}
	if len(uids) != want {
		t.Fatalf("%s of %s has %d messages, want %d", folder, unit, len(uids), want)
	}
	return uids
}

// counts checks numbers of rows by their queries.
func counts(t *testing.T, s *testkit.Server, want map[string]int) {
	t.Helper()
	for q, n := range want {
		if got := s.Count(t, q); got != n {
			t.Errorf("%s: %d, want %d", q, got, n)
		}
	}
}

// waitFor waits for what the server does in the background.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestOracle01_45DispatchesOneMessage(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{Communes: 45, TrackingInterval: time.Hour})
	send(t, s, document("[123/QĐ-UBND] V/v tập huấn", "o1", testkit.Communes), testkit.Communes)

	v := show(t, s, "123/QĐ-UBND")
	if len(v.Dispatches) != 45 {
		t.Fatalf("%d dispatches, want 45", len(v.Dispatches))
	}
	seen := map[string]bool{}
	for _, d := range v.Dispatches {
		if d.Status != "01" || d.State != docstore.StateArrived || len(d.Events) != 1 {
			t.Errorf("%s: state %s, code %s, %d events; want arrived, 01, 1", d.Unit, d.State, d.Status, len(d.Events))
		}
		seen[d.Unit] = true
	}
	for i := 1; i <= 45; i++ {
		if a := testkit.Address(testkit.Commune(i)); !seen[a] {
			t.Errorf("no dispatch to %s", a)
		}
	}
	// The tracking message is one further message; until it is made there is one.
	waitFor(t, "tracking message", func() bool { return s.Count(t, `SELECT count(*) FROM tracking WHERE dirty = 0`) == 1 })
	counts(t, s, map[string]int{
		qDocuments: 1, qMessages: 2,
		`SELECT count(*) FROM message WHERE id IN (SELECT message_id FROM document)`:      1,
		`SELECT count(*) FROM entry WHERE message_id = (SELECT message_id FROM document)`: 46, // 45 and the issuer's own
		`SELECT count(DISTINCT to_unit) FROM dispatch`:                                    45,
	})
}

func TestOracle02_SameMessageIDAgain(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{TrackingInterval: time.Hour})
	message := document("[12/QĐ-UBND] V/v gửi lại", "o2", testkit.Communes)
	first := send(t, s, message, testkit.Communes)
	waitFor(t, "tracking message", func() bool { return s.Count(t, `SELECT count(*) FROM tracking WHERE dirty = 0`) == 1 })
	want := map[string]int{qDocuments: 1, qDispatches: 2, qEvents: 2, qMessages: 2, qCopies: 4}
	counts(t, s, want)
	id := show(t, s, "12/QĐ-UBND").ID

	again := func(what string) {
		t.Helper()
		if got := send(t, s, message, testkit.Communes); testkit.QueueID(got) != testkit.QueueID(first) {
			t.Errorf("%s: reply %q, want the queue id of %q", what, got, first)
		}
		counts(t, s, want)
		if got := show(t, s, "12/QĐ-UBND").ID; got != id {
			t.Errorf("%s: document %s, want %s", what, got, id)
		}
	}
	again("at once")
	s.Restart(t) // what the server had in memory is gone
	again("after a restart")

	refused(t, s, 554, document("[12/QĐ-UBND] V/v nội dung khác", "o2", testkit.Communes), testkit.Communes)
	counts(t, s, want)
}

func TestOracle03_Duplicate(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	send(t, s, document("[13/QĐ-UBND] V/v lần một", "o3a", xa01), xa01)
	first := show(t, s, "13/QĐ-UBND")
	send(t, s, document("[13/QĐ-UBND] V/v lần hai", "o3b", xa01), xa01)
	second := show(t, s, "13/QĐ-UBND")
	if second.ID == first.ID {
		t.Fatal("the second mail made no document of its own")
	}
	if first.DuplicateOf != "" || second.DuplicateOf != first.ID {
		t.Errorf("duplicate_of = %q, %q; want none, %q", first.DuplicateOf, second.DuplicateOf, first.ID)
	}
	counts(t, s, map[string]int{qDocuments: 2, qDispatches: 2})
	holds(t, s.IMAP(t, clerk1), "xa01", testkit.Waiting, 2)

	c := s.IMAP(t, issuer)
	waitFor(t, "both tracking messages", func() bool {
		uids, err := c.In(testkit.Shared("ubnd", testkit.Tracking))
		return err == nil && len(uids) == 2
	})
	warned := 0
	for _, uid := range []string{"1", "2"} {
		body, err := c.Body(uid)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text(t, body), "trùng số, ký hiệu") {
			warned++
		}
	}
	if warned != 1 {
		t.Errorf("%d tracking messages warn of the duplicate, want 1", warned)
	}
}

// text gives the decoded first text part of a message.
func text(t *testing.T, message []byte) string {
	t.Helper()
	sc := mail.NewScanner(mail.Limits{})
	if _, err := sc.Write(message); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(sc.Finish().Root.Decoder(bytes.NewReader(message))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestOracle04_NotTheClerk(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	send(t, s, document("[14/QĐ-UBND] V/v vào sổ", "o4", xa01), xa01)
	for _, tt := range []struct{ name, login string }{
		{"staff", testkit.Login("chuyenvien", "xa01")},
		{"leader", testkit.Login("lanhdao", "xa01")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := s.IMAP(t, tt.login)
			uid := holds(t, c, "xa01", testkit.Waiting, 1)[0]
			if err := c.Move(uid, testkit.Shared("xa01", testkit.Registered)); !errors.Is(err, testkit.ErrNo) {
				t.Errorf("MOVE = %v, want NO", err)
			}
			if _, _, err := c.Cmd(`UID COPY %s "%s"`, uid, testkit.ModifiedUTF7(testkit.Shared("xa01", testkit.Registered))); !errors.Is(err, testkit.ErrNo) {
				t.Errorf("COPY = %v, want NO", err)
			}
			holds(t, c, "xa01", testkit.Waiting, 1)
			holds(t, c, "xa01", testkit.Registered, 0)
			counts(t, s, map[string]int{qEntries: 0, qEvents: 1, `SELECT count(*) FROM dispatch WHERE state = 'arrived'`: 1})
		})
	}
	t.Run("clerk of another unit", func(t *testing.T) {
		c := s.IMAP(t, testkit.Login("vanthu", "xa02"))
		lines, _, err := c.Cmd(`LIST "" "*"`)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if strings.Contains(l.Text, "XA01") {
				t.Errorf("the list of mailboxes has one of another unit: %s", l.Text)
			}
		}
		if err := c.Select(testkit.Shared("xa01", testkit.Waiting)); !errors.Is(err, testkit.ErrNo) {
			t.Errorf("SELECT = %v, want NO", err)
		}
	})
}

func TestOracle05_1000ParallelRegistrations(t *testing.T) {
	t.Parallel()
	const all, byMail, sessions = 1000, 100, 10
	s := testkit.Start(t, testkit.Options{TrackingInterval: time.Hour})
	ctx := t.Context()
	snap := s.Rooms.Directory.Snapshot()
	sender, _ := snap.AccountByLogin(mail.Address{Local: "vanthu", Domain: "ubnd." + testkit.Domain})
	clerk, ok := snap.AccountByLogin(mail.Address{Local: "vanthu", Domain: "xa01." + testkit.Domain})
	if !ok {
		t.Fatal("no clerk")
	}
	var g errgroup.Group
	g.SetLimit(50)
	for i := range all {
		g.Go(func() error {
			return submit(ctx, s.Rooms.Delivery, sender, document(fmt.Sprintf("[%d/QĐ-UBND] V/v song song", i+1), fmt.Sprintf("o5-%d", i), xa01))
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	var dispatches []docstore.DispatchID
	s.View(t, func(ctx context.Context, r sqldb.Reader) error {
		dispatches = dispatches[:0]
		rows, err := r.Query(ctx, `SELECT id FROM dispatch ORDER BY uid`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id docstore.DispatchID
			if err := rows.Scan(&id); err != nil {
				return err
			}
			dispatches = append(dispatches, id)
		}
		return rows.Err()
	})
	if len(dispatches) != all {
		t.Fatalf("%d dispatches, want %d", len(dispatches), all)
	}
	// The first hundred are dragged in ten sessions, ten at a time, while the
	// others are registered on the command line's way.
	uids := holds(t, s.IMAP(t, clerk1), "xa01", testkit.Waiting, all)
	var acts errgroup.Group
	for i := range sessions {
		c := s.IMAP(t, clerk1)
		if err := c.Select(testkit.Shared("xa01", testkit.Waiting)); err != nil {
			t.Fatal(err)
		}
		part := uids[i*byMail/sessions : (i+1)*byMail/sessions]
		acts.Go(func() error { return c.Move(strings.Join(part, ","), testkit.Shared("xa01", testkit.Registered)) })
	}
	numbers := make([]int, all-byMail)
	for i, id := range dispatches[byMail:] {
		acts.Go(func() error {
			d, err := s.Rooms.Workflow.Do(ctx, clerk.ID, docstore.SourceCLI, id, workflow.Act{Event: docstore.EventRegister})
			numbers[i] = d.ArrivalNumber
			return err
		})
	}
	if err := acts.Wait(); err != nil {
		t.Fatal(err)
	}
	given := map[int]bool{}
	for _, n := range numbers {
		if given[n] {
			t.Errorf("số đến %d was given twice", n)
		}
		given[n] = true
	}
	counts(t, s, map[string]int{
		qEntries: all,
		`SELECT count(DISTINCT arrival_number) FROM dispatch WHERE state = 'registered'`: all,
		`SELECT min(number) FROM register_entry WHERE dispatch_id <> 0`:                  1,
		`SELECT max(number) FROM register_entry WHERE dispatch_id <> 0`:                  all,
		`SELECT last_number FROM register_book WHERE direction = 'den'`:                  all,
	})
}

// submit hands a document over below SMTP.
func submit(ctx context.Context, d *delivery.Delivery, from directory.Account, message []byte) error {
	in, err := d.Begin(ctx, delivery.Origin{Account: from.ID, Protocol: "ESMTPSA"}, mail.Envelope{
		From: mail.Path{Address: from.Login}, To: []mail.Recipient{{Addr: mail.Address{Local: "xa01", Domain: testkit.Domain}}},
	})
	if err != nil {
		return err
	}
	defer in.Abort()
	if _, err := in.Write(message); err != nil {
		return err
	}
	_, err = in.Commit(ctx)
	return err
}

func TestOracle09_SecrecyMark(t *testing.T) {
	t.Parallel()
	const canary = "chim-hoang-yen-trong-mo-than"
	for _, tt := range []struct {
		name string
		size int // of the attachment; a body above 96 KiB goes to a file
	}{{"small", 1 << 10}, {"large", 150 << 10}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := testkit.Start(t, testkit.Options{})
			b := testkit.Message(issuer, "[15/QĐ-UBND] V/v tài liệu", "o9", xa01)
			b.Files = []mail.File{{
				Name: "phu-luc.txt", Type: "text/plain; charset=utf-8",
				Content: []byte("Phụ lục\r\nTỐI MẬT\r\n" + strings.Repeat(canary+"\r\n", tt.size/len(canary))),
			}}
			refused(t, s, 550, b.Bytes(), xa01)
			counts(t, s, map[string]int{
				qMessages: 0, qDocuments: 0,
				`SELECT count(*) FROM journal WHERE type = 'incident.secrecy'`: 1,
			})
			noBlobs(t, s)
			s.Stop(t)
			for _, needle := range []string{canary, "Y2hpbS1ob2FuZy15ZW4"} { // plain and in base64
				if file := fileWith(t, s.Config.DataDir, needle); file != "" {
					t.Errorf("%s still holds the content", file)
				}
			}
		})
	}
}

// APPEND is no way round the guard, in the person's folders or the unit's.
func TestSecrecyMarkByAppend(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	c := s.IMAP(t, issuer)
	for _, size := range []int{100, 150 << 10} {
		b := testkit.Message(issuer, "ban nhap", fmt.Sprint("ap", size), xa01)
		b.Text = "TUYỆT MẬT\n" + strings.Repeat("noi dung dai\n", size/13)
		for _, box := range []string{"Drafts", "INBOX"} {
			if _, _, err := c.Cmd("APPEND %s {%d}\r\n%s", box, len(b.Bytes()), b.Bytes()); err == nil {
				t.Errorf("%d octets were put into %s", size, box)
			}
		}
	}
	counts(t, s, map[string]int{qMessages: 0, `SELECT count(*) FROM journal WHERE type = 'incident.secrecy'`: 4})
	noBlobs(t, s)
}

func noBlobs(t *testing.T, s *testkit.Server) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(s.Config.DataDir, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("the blob folder has %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// fileWith gives a file below dir that contains the text, "" for none.
func fileWith(t *testing.T, dir, text string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			found = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestOracle10_SecurityIsNotSecrecy(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	send(t, s, document("[16/QĐ-UBND] V/v bảo mật thông tin", "o10", xa01), xa01)
	to := testkit.Login("chuyenvien", "soyte")
	b := testkit.Message(issuer, "Tập huấn bảo mật thông tin", "o10b", to)
	b.Text = "Nội dung: bảo mật thông tin.\nTài liệu MẬT không gửi qua hệ thống này.\n"
	send(t, s, b.Bytes(), to)
	holds(t, s.IMAP(t, clerk1), "xa01", testkit.Waiting, 1)
	if uids, err := s.IMAP(t, to).In("INBOX"); err != nil || len(uids) != 1 {
		t.Errorf("INBOX has %d messages, %v; want 1", len(uids), err)
	}
}

func TestOracle14_NFD(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	const subject = "[17/QĐ-UBND] [HỎA TỐC] V/v ứng phó bão, lũ ở huyện Điện Biên Đông"
	nfd := norm.NFD.String(subject)
	if nfd == subject {
		t.Fatal("the subject has no decomposed form")
	}
	message := bytes.Replace(document("SUBJECT", "o14", xa01), []byte("Subject: SUBJECT"), []byte("Subject: "+nfd), 1)
	if !bytes.Contains(message, []byte(nfd)) {
		t.Fatal("the subject is not in the message")
	}
	send(t, s, message, xa01)
	send(t, s, document(subject, "o14b", xa01), xa01)

	var docs []docstore.Document
	s.View(t, func(ctx context.Context, r sqldb.Reader) (err error) {
		docs, err = docstore.Documents(ctx, r, docstore.Filter{}, docstore.Page{})
		return err
	})
	if len(docs) != 2 {
		t.Fatalf("%d documents, want 2", len(docs))
	}
	a, b := docs[0], docs[1]
	if a.Code != b.Code || a.Abstract != b.Abstract || a.Urgency != b.Urgency || a.Urgency != edoc.UrgencyFlash {
		t.Errorf("NFD: %q %q %v; NFC: %q %q %v", b.Code, b.Abstract, b.Urgency, a.Code, a.Abstract, a.Urgency)
	}
	if a.DuplicateOf == 0 && b.DuplicateOf == 0 {
		t.Error("the two are not taken for the same document")
	}
	c := s.IMAP(t, clerk1)
	if err := c.Select(testkit.Shared("xa01", testkit.Waiting)); err != nil {
		t.Fatal(err)
	}
	for _, form := range []norm.Form{norm.NFC, norm.NFD} {
		key := form.String("huyện Điện Biên Đông")
		if uids, err := c.Search(fmt.Sprintf("CHARSET UTF-8 SUBJECT {%d+}\r\n%s", len(key), key)); err != nil || len(uids) != 2 {
			t.Errorf("search %+q finds %v, %v; want both", key, uids, err)
		}
	}
}

func TestOracle18_Bcc(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	soyte := testkit.Address("soyte")
	refused(t, s, 550, document("[18/QĐ-UBND] V/v gửi ẩn", "o18", xa01), xa01, soyte)
	counts(t, s, map[string]int{qMessages: 0, qDocuments: 0, qDispatches: 0})

	ordinary := testkit.Message(issuer, "Mời họp", "o18b", xa01)
	send(t, s, ordinary.Bytes(), xa01, soyte) // ordinary mail may go to blind recipients
	holds(t, s.IMAP(t, testkit.Login("vanthu", "soyte")), "soyte", testkit.Mail, 1)
}

func TestOracle20_CopyAndDelete(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	send(t, s, document("[20/QĐ-UBND] V/v kéo thư kiểu cũ", "o20", xa01), xa01)
	c := s.IMAP(t, clerk1)
	uid := holds(t, c, "xa01", testkit.Waiting, 1)[0]
	original, err := c.Body(uid)
	if err != nil {
		t.Fatal(err)
	}
	// A client without MOVE copies, marks the source, and never expunges.
	if _, ok, err := c.Cmd(`UID COPY %s "%s"`, uid, testkit.ModifiedUTF7(testkit.Shared("xa01", testkit.Registered))); err != nil || !strings.Contains(ok, "COPYUID") {
		t.Fatalf("COPY = %q, %v; want OK [COPYUID …]", ok, err)
	}
	if _, _, err := c.Cmd(`UID STORE %s +FLAGS.SILENT (\Deleted)`, uid); err != nil {
		t.Errorf("STORE on the vanished message = %v, want OK", err)
	}
	holds(t, c, "xa01", testkit.Waiting, 0)
	moved := holds(t, c, "xa01", testkit.Registered, 1)[0]
	if body, err := c.Body(moved); err != nil || !bytes.Equal(body, original) {
		t.Errorf("the registered message differs from the one that came (%d and %d octets), %v", len(body), len(original), err)
	}
	if d := show(t, s, "20/QĐ-UBND").Dispatches[0]; d.State != docstore.StateRegistered || d.ArrivalNumber != 1 {
		t.Errorf("state %s, số đến %d; want registered, 1", d.State, d.ArrivalNumber)
	}
	counts(t, s, map[string]int{`SELECT count(*) FROM entry WHERE message_id = (SELECT message_id FROM document)`: 2}) // the issuer's and this one
}

// TestEveryStepHasItsEvent shows that what a person sees has its event.
func TestEveryStepHasItsEvent(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	send(t, s, document("[21/QĐ-UBND] V/v từng bước", "o21", xa01), xa01)
	c := s.IMAP(t, clerk1)
	var once sync.Once
	for _, step := range []struct{ from, to, code string }{
		{testkit.Waiting, testkit.Registered, "03"},
		{testkit.Registered, testkit.Processing, "05"},
		{testkit.Processing, testkit.Completed, "06"},
	} {
		uid := holds(t, c, "xa01", step.from, 1)[0]
		if err := c.Move(uid, testkit.Shared("xa01", step.to)); err != nil {
			t.Fatalf("to %s: %v", step.to, err)
		}
		d := show(t, s, "21/QĐ-UBND").Dispatches[0]
		if last := d.Events[len(d.Events)-1]; string(d.Status) != step.code || string(last.Status) != step.code || last.Source != docstore.SourceIMAP {
			t.Errorf("after %s: status %s, last event %+v; want %s by imap", step.to, d.Status, last, step.code)
		}
		once.Do(func() { s.Restart(t); c = s.IMAP(t, clerk1) })
	}
	waitFor(t, "tracking message", func() bool {
		c := s.IMAP(t, issuer)
		uids, err := c.In(testkit.Shared("ubnd", testkit.Tracking))
		if err != nil || len(uids) != 1 {
			return false
		}
		body, err := c.Body(uids[0])
		return err == nil && strings.Contains(text(t, body), "1/1 đã vào sổ")
	})
	counts(t, s, map[string]int{
		`SELECT count(*) FROM status_event AS e JOIN journal AS j ON j.seq = e.journal_seq`: 4,
		qEvents: 4,
	})
}
