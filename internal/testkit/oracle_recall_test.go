package testkit_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/report"
	"vanthu/internal/sqldb"
	"vanthu/internal/testkit"
)

const canary = "chim-hoang-yen-trong-tep-thu-hoi"

// recallable is a document with a file large enough to lie in the blob store,
// which holds a text that can be looked for.
func recallable(code, mailID string, to ...string) []byte {
	b := testkit.Message(issuer, "["+code+"] V/v phân bổ kinh phí", mailID, to...)
	b.Files = []mail.File{{
		Name: "phu-luc.txt", Type: "text/plain; charset=utf-8", Content: []byte(strings.Repeat(canary+"\r\n", 200<<10/len(canary))),
	}}
	return b.Bytes()
}

func recall(t *testing.T, s *testkit.Server, code string) (list []docstore.DispatchView) {
	t.Helper()
	if err := s.Rooms.Control().Call(t.Context(), control.CallDocumentRecall, control.DocumentRecall{
		DocumentNamed: control.DocumentNamed{Code: code}, As: issuer, Reason: "Sai phụ lục",
	}, &list, nil); err != nil {
		t.Fatalf("recall: %v", err)
	}
	return list
}

func actBy(t *testing.T, s *testkit.Server, who string, act control.DocumentAct) {
	t.Helper()
	act.As = who
	if err := s.Rooms.Control().Call(t.Context(), control.CallDocumentAct, act, nil, nil); err != nil {
		t.Fatalf("%s: %v", act.Act, err)
	}
}

// folders lists every mailbox of an account, shared ones included, that has the
// text in some message.
func foldersWith(t *testing.T, s *testkit.Server, login, text string) (list []string) {
	t.Helper()
	c := s.IMAP(t, login)
	lines, _, err := c.Cmd(`LIST "" "*"`)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		_, name, ok := strings.Cut(l.Text, `"/" `)
		if !ok || strings.Contains(l.Text, `\Noselect`) || strings.Contains(l.Text, `\NonExistent`) {
			continue
		}
		if _, _, err := c.Cmd("EXAMINE %s", name); err != nil {
			continue // rights to look only
		}
		found, err := c.Search(`TEXT "` + text + `"`)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			list = append(list, name)
		}
	}
	return list
}

// Recall of a document that no clerk has acted on: 13, 15, a message in its
// place; nobody in the unit can read it any more; the book is untouched.
func TestOracle07_RecallOfUnregistered(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	octets := recallable("41/QĐ-UBND", "o7", xa01, testkit.Address("xa02"))
	send(t, s, octets, xa01)
	if got := foldersWith(t, s, clerk1, canary); len(got) != 1 {
		t.Fatalf("before: found in %v, want one folder", got)
	}
	list := recall(t, s, "41/QĐ-UBND")
	if len(list) != 1 || list[0].State != docstore.StateRecalled || list[0].Status != "15" {
		t.Fatalf("recalled: %+v", list)
	}
	var codes []string
	for _, e := range show(t, s, "41/QĐ-UBND").Dispatches[0].Events {
		codes = append(codes, string(e.Status))
	}
	if got := strings.Join(codes, " "); got != "01 13 15" {
		t.Errorf("codes %s, want 01 13 15", got)
	}
	if got := foldersWith(t, s, clerk1, canary); len(got) != 0 {
		t.Errorf("still found in %v", got)
	}
	c := s.IMAP(t, clerk1)
	holds(t, c, "xa01", testkit.Waiting, 0)
	uids := holds(t, c, "xa01", "Thu hồi/Đồng ý", 1)
	body, err := c.Body(uids[0])
	if err != nil {
		t.Fatal(err)
	}
	m := read(t, body)
	if !strings.Contains(m.subject, "Đã thu hồi 41/QĐ-UBND") || !strings.Contains(m.text, "VĂN BẢN ĐÃ THU HỒI") || strings.Contains(m.text, canary) {
		t.Errorf("in its place: %q\n%s", m.subject, m.text)
	}
	counts(t, s, map[string]int{qEntries: 0})
	if v := show(t, s, "41/QĐ-UBND"); v.State != docstore.DocumentRecalled {
		t.Errorf("document %s, want recalled", v.State)
	}
	// The same document goes to nobody any more.
	refused(t, s, 554, octets, testkit.Address("xa02"))
}

// Recall of a registered one: its content is gone after the clerk agrees, its
// entry is kept, the journal proves what was destroyed.
func TestOracle08_RecallOfRegistered(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	send(t, s, recallable("42/QĐ-UBND", "o8", xa01), xa01)
	c := s.IMAP(t, clerk1)
	uids := holds(t, c, "xa01", testkit.Waiting, 1)
	if err := c.Move(uids[0], testkit.Shared("xa01", testkit.Registered)); err != nil {
		t.Fatal(err)
	}
	list := recall(t, s, "42/QĐ-UBND")
	if len(list) != 1 || list[0].State != docstore.StateRegistered || list[0].Request != docstore.OverlayRecall {
		t.Fatalf("asked: %+v", list)
	}
	if got := foldersWith(t, s, clerk1, canary); len(got) != 1 {
		t.Fatalf("before the answer: found in %v, want one folder", got)
	}
	uids = holds(t, c, "xa01", "Thu hồi", 1)
	if err := c.Move(uids[0], testkit.Shared("xa01", "Thu hồi/Đồng ý")); err != nil {
		t.Fatal(err)
	}
	if got := foldersWith(t, s, clerk1, canary); len(got) != 0 {
		t.Errorf("still found in %v", got)
	}
	v := show(t, s, "42/QĐ-UBND")
	if d := v.Dispatches[0]; d.State != docstore.StateRecalled || d.ArrivalNumber != 1 {
		t.Errorf("dispatch %+v", d)
	}
	counts(t, s, map[string]int{qEntries: 1, `SELECT count(*) FROM register_entry WHERE state = 'valid' AND dispatch_id <> 0`: 1})
	var book report.Register
	if err := s.Rooms.Control().Call(t.Context(), control.CallRegisterShow, control.RegisterShow{Unit: "xa01"}, &book, nil); err != nil {
		t.Fatal(err)
	}
	if len(book.Rows) != 1 || !strings.HasPrefix(book.Rows[0].Cells[9], "Đã thu hồi ngày ") || book.Rows[0].Voided {
		t.Errorf("register %+v", book.Rows)
	}
	s.View(t, func(ctx context.Context, r sqldb.Reader) error {
		docs, err := docstore.Documents(ctx, r, docstore.Filter{}, docstore.Page{})
		if err != nil {
			return err
		}
		var proof int
		want := `%"destroyed_sha256":"` + hex.EncodeToString(docs[0].BodySHA256[:]) + `"%`
		err = r.QueryRow(ctx, `SELECT count(*) FROM journal WHERE type = 'doc.change_accepted' AND body LIKE $1`, want).Scan(&proof)
		if proof != 1 {
			t.Errorf("%d entries of the journal prove what was destroyed, want 1", proof)
		}
		return err
	})
	waitFor(t, "the sender is told", func() bool {
		c := s.IMAP(t, issuer)
		uids, err := c.In("INBOX")
		return err == nil && len(uids) == 1
	})
}

// A recall crosses to the other server; there the file itself is deleted, since
// no unit may keep it.
func TestRecallAcrossPeers(t *testing.T) {
	t.Parallel()
	here := testkit.Start(t, testkit.Options{})
	there := here.StartNeighbour(t)
	for _, tt := range []struct {
		code       string
		registered bool
	}{{"43/QĐ-UBND", false}, {"44/QĐ-UBND", true}} {
		if _, err := here.Sender(issuer).Send(recallable(tt.code, tt.code[:2], outside), outside); err != nil {
			t.Fatal(err)
		}
		eventually(t, "status 01 comes back", func() bool { return stateThere(t, here, tt.code).Status == "01" })
		if tt.registered {
			move(t, there, testkit.Waiting, testkit.Registered)
			eventually(t, "status 03 comes back", func() bool { return stateThere(t, here, tt.code).Status == "03" })
		}
		recall(t, here, tt.code)
		if tt.registered {
			eventually(t, "the request is there", func() bool {
				return viewOf(t, there, tt.code).Dispatches[0].Request == docstore.OverlayRecall
			})
			actBy(t, there, testkit.NeighbourLogin("xa01"), control.DocumentAct{
				DocumentNamed: control.DocumentNamed{Code: tt.code}, Act: docstore.EventAccept,
			})
		}
		eventually(t, "status 15 comes back", func() bool { return stateThere(t, here, tt.code).State == docstore.StateRecalled })
	}
	eventually(t, "the files are deleted there", func() bool {
		n := 0
		err := filepath.WalkDir(filepath.Join(there.Config.DataDir, "blobs"), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				n++
			}
			return err
		})
		return err == nil && n == 0
	})
}

// One octet changed in the journal: the verifier names the very entry.
func TestOracle12_JournalEdit(t *testing.T) {
	t.Parallel()
	p := testkit.MakeProvince(t, 1)
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: p.Config.DataDir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	const changed = 7
	if err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
		var body []byte
		if err := tx.QueryRow(t.Context(), `SELECT body FROM journal WHERE seq = $1`, changed).Scan(&body); err != nil {
			return err
		}
		i := bytes.IndexFunc(body, func(r rune) bool { return r >= 'a' && r < 'z' })
		body[i]++
		_, err := tx.Exec(t.Context(), `UPDATE journal SET body = $1 WHERE seq = $2`, body, changed)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.View(t.Context(), func(r sqldb.Reader) error {
		rep, err := journal.Verify(t.Context(), r, journal.VerifyOptions{})
		if rep.First == nil || rep.First.Key != changed {
			t.Errorf("found %+v, want entry %d", rep.First, changed)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// The symbol's part for the agency does not fit the unit that sends: a warning,
// no refusal.
func TestOracle19_ForeignSymbol(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	send(t, s, document("[45/QĐ-SYT] V/v phân công", "o19", xa01), xa01)
	v := show(t, s, "45/QĐ-SYT")
	if len(v.Dispatches) != 1 || v.Dispatches[0].State != docstore.StateArrived {
		t.Errorf("dispatches %+v, want one that arrived", v.Dispatches)
	}
	found := false
	for _, w := range v.Warnings {
		found = found || w.Code == "SAI_CO_QUAN"
	}
	if !found {
		t.Errorf("warnings %+v, want SAI_CO_QUAN", v.Warnings)
	}
}

// letterRead is a message taken apart.
type letterRead struct{ subject, text string }

func read(t *testing.T, body []byte) letterRead {
	t.Helper()
	s := mail.NewScanner(mail.Limits{})
	if _, err := s.Write(body); err != nil {
		t.Fatal(err)
	}
	m := s.Finish()
	part := m.Root
	for part.IsMultipart() && len(part.Children) > 0 { // its text comes first
		part = part.Children[0]
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(part.Decoder(bytes.NewReader(body))); err != nil {
		t.Fatal(err)
	}
	return letterRead{m.Envelope.Subject, text.String()}
}
