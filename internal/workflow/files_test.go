package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/edoc"
	"vanthu/internal/extract"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/workflow"
)

// pages reads a file as its own text.
type pages struct{ err error }

func (p pages) Read(_ context.Context, _ extract.File, body io.Reader, _ extract.Want) (extract.Document, error) {
	if p.err != nil {
		return extract.Document{}, p.err
	}
	raw, err := io.ReadAll(body)
	return extract.Document{Pages: []string{string(raw)}}, err
}

const decision = `UBND TỈNH ĐIỆN BIÊN CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM
Số: 123/QĐ-UBND Điện Biên, ngày 20 tháng 11 năm 2026
QUYẾT ĐỊNH
Về việc giao chỉ tiêu
Căn cứ Nghị quyết số 9/NQ-HĐND;
Thay thế Quyết định số 100/QĐ-UBND.
TM. ỦY BAN NHÂN DÂN
CHỦ TỊCH
Người Ký Mẫu
Nơi nhận:
- UBND xã số 1;
- UBND xã số 2;
- Lưu: VT.
`

// mailFile delivers ordinary mail with a file to the unit inbox of units, and
// asks for its files to be read.
func (p *province) mailFile(name, text string, units ...string) docstore.Check {
	p.t.Helper()
	p.sent++
	body := p.boxes.NewBody()
	fmt.Fprintf(body, "Message-ID: <%d@x>\r\nFrom: Van thu <vanthu@ubnd.%s>\r\nSubject: gui\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=zz\r\n\r\n"+
		"--zz\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"%s\"\r\n\r\n%s\r\n--zz--\r\n", p.sent, domain, name, strings.ReplaceAll(text, "\n", "\r\n"))
	fin, err := body.Finish()
	if err != nil {
		p.t.Fatal(err)
	}
	c := docstore.Check{From: p.clerk("ubnd"), QueueID: "q", Accepted: p.now()}
	p.update(func(ctx context.Context, tx *sqldb.Tx) error {
		msg, err := p.boxes.Store(ctx, tx, fin, nil, p.now())
		if err != nil {
			return err
		}
		c.Message = docstore.MessageRef(msg)
		for _, name := range units {
			u := p.unit(name)
			box, err := p.boxes.Role(ctx, tx, u.ID, mailstore.RoleUnitInbox)
			if err != nil {
				return err
			}
			uid, err := p.boxes.Deliver(ctx, tx, box, msg, 0, p.now())
			if err != nil {
				return err
			}
			c.Units = append(c.Units, docstore.Recipient{Unit: u.ID, Address: u.Address, Place: docstore.Place{Mailbox: int64(box), UID: int64(uid)}})
		}
		return p.docs.WantCheck(ctx, tx, c)
	})
	return c
}

// readAll runs RunFiles until nothing waits any more.
func (p *province) readAll(files workflow.FileReader) {
	p.t.Helper()
	ctx, stop := context.WithCancel(p.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.flow.RunFiles(ctx, files) }()
	deadline := time.Now().Add(30 * time.Second)
	for more := true; more; {
		p.view(func(ctx context.Context, r sqldb.Reader) (err error) {
			_, more, err = docstore.NextCheck(ctx, r)
			return err
		})
		if time.Now().After(deadline) {
			p.t.Fatal("files are still waiting to be read")
		}
	}
	stop()
	if err := <-ended; err != nil {
		p.t.Fatal(err)
	}
}

func (p *province) documentOf(c docstore.Check) (doc docstore.Document, v docstore.View, found bool) {
	p.t.Helper()
	p.view(func(ctx context.Context, r sqldb.Reader) (err error) {
		doc, err = docstore.DocumentByMessage(ctx, r, c.Message)
		if errors.Is(err, docstore.ErrNoDocument) {
			return nil
		}
		if found = err == nil; found {
			v, err = docstore.Show(ctx, r, p.dir.Snapshot(), doc)
		}
		return err
	})
	return doc, v, found
}

func warningCodes(v docstore.View) string {
	var codes []string
	for _, w := range v.Warnings {
		codes = append(codes, w.Code)
	}
	return strings.Join(codes, " ")
}

func now() time.Time { return time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC) }

// Mail whose file is a document beyond doubt becomes one at each unit.
func TestFilesAdopt(t *testing.T) {
	p := newProvince(t, 2, now, workflow.Options{})
	c := p.mailFile("scan.pdf", decision, "xa01", "xa02", "ubnd")
	p.readAll(pages{})
	doc, v, found := p.documentOf(c)
	if !found || doc.Level != edoc.L2 || doc.Code != "123/QĐ-UBND" || doc.Issuer != p.unit("ubnd").ID || len(v.Dispatches) != 2 {
		t.Fatalf("document %+v, dispatches %d", doc, len(v.Dispatches))
	}
	if v.Issued != "2026-11-20" || v.Signer == nil || v.Signer.FullName != "Người Ký Mẫu" || v.Evidence[edoc.FieldCode].Source != edoc.SourceText || len(v.Files) != 1 {
		t.Errorf("view %+v", v)
	}
	if len(v.Relations) != 2 || v.Relations[1].Kind != edoc.RelationReplaces || v.Relations[1].Code != "100/QĐ-UBND" {
		t.Errorf("relations %+v", v.Relations)
	}
	for _, unit := range []string{"xa01", "xa02"} {
		if n, left := len(p.mails(p.folder(unit, mailstore.RoleIncoming))), len(p.mails(p.folder(unit, mailstore.RoleUnitInbox))); n != 1 || left != 0 {
			t.Errorf("%s: %d waiting, %d as ordinary mail", unit, n, left)
		}
	}
	if n := len(p.mails(p.folder("ubnd", mailstore.RoleUnitInbox))); n != 1 {
		t.Errorf("the issuer's own copy: %d", n)
	}
	p.verify()
}

// A clerk may say that it is ordinary mail after all, but not of what was
// declared.
func TestFilesDismiss(t *testing.T) {
	p := newProvince(t, 2, now, workflow.Options{})
	c := p.mailFile("scan.pdf", decision, "xa01")
	p.readAll(pages{})
	waiting, inbox := p.folder("xa01", mailstore.RoleIncoming), p.folder("xa01", mailstore.RoleUnitInbox)
	uids := func(box mailstore.MailboxID) (list []mailstore.UID) {
		for _, m := range p.mails(box) {
			list = append(list, m.uid)
		}
		return list
	}
	if _, _, err := p.flow.MoveMessages(t.Context(), p.account("chuyenvien", "xa01"), waiting, uids(waiting), inbox); fault.KindOf(err) != fault.Denied {
		t.Errorf("by staff: %v", err)
	}
	moved, handled, err := p.flow.MoveMessages(t.Context(), p.clerk("xa01"), waiting, uids(waiting), inbox)
	if err != nil || !handled || len(moved) != 1 {
		t.Fatalf("moved %v, handled %v: %v", moved, handled, err)
	}
	_, v, _ := p.documentOf(c)
	if got := v.Dispatches[0]; got.State != docstore.StateWithdrawn || len(p.mails(inbox)) != 1 || len(p.mails(waiting)) != 0 {
		t.Errorf("dispatch %+v", got)
	}
	// From now on it moves like any mail.
	if _, handled, err := p.flow.MoveMessages(t.Context(), p.clerk("xa01"), inbox, uids(inbox), p.inbox(p.clerk("xa01"))); handled || err != nil {
		t.Errorf("as ordinary mail: handled %v, %v", handled, err)
	}
	p.send("xa02")
	waiting, inbox = p.folder("xa02", mailstore.RoleIncoming), p.folder("xa02", mailstore.RoleUnitInbox)
	if _, _, err := p.flow.MoveMessages(t.Context(), p.clerk("xa02"), waiting, uids(waiting), inbox); fault.KindOf(err) != fault.Denied {
		t.Errorf("of a declared one: %v", err)
	}
	p.verify()
}

// What a declared document's own file says is added, and contradictions are
// shown, never chosen silently.
func TestFilesImprove(t *testing.T) {
	p := newProvince(t, 3, now, workflow.Options{})
	sent := p.send("xa01", "xa03")
	c := docstore.Check{Message: sent.Document.Message, Units: []docstore.Recipient{{Unit: p.unit("xa01").ID, Address: p.unit("xa01").Address}}}
	rec := func() (v docstore.View) {
		_, v, _ = p.documentOf(c)
		return v
	}
	if warningCodes(rec()) != "" {
		t.Fatalf("warnings before: %v", rec().Warnings)
	}
	// The message has no attachment: the document's text comes from the reader's stub through another message of the same content.
	p.update(func(ctx context.Context, tx *sqldb.Tx) error {
		r, err := docstore.RecognitionOf(ctx, tx, sent.Document)
		if err != nil {
			return err
		}
		r.AddTexts([]edoc.FileText{{Pages: []string{strings.Replace(decision, "123/QĐ-UBND", "132/QĐ-UBND", 1)}}}, nil, now())
		return p.docs.Improve(ctx, tx, system(), sent.Document, r, []docstore.Warning{{Code: "x", Text: fault.Text{EN: "x", VI: "x"}}})
	})
	v := rec()
	if v.Code != "123/QĐ-UBND" || v.Signer == nil || warningCodes(v) != "x" {
		t.Errorf("view %+v", v)
	}
	p.verify()
}

// Units that the document names but that did not get it are told to its sender.
func TestFilesWarnOfRecipients(t *testing.T) {
	p := newProvince(t, 3, now, workflow.Options{TrackingInterval: time.Nanosecond})
	c := p.mailFile("123.pdf", decision, "xa01", "xa03")
	p.readAll(pages{})
	_, before, _ := p.documentOf(c)
	// The same check again, now of a document: as for one that was declared.
	p.update(func(ctx context.Context, tx *sqldb.Tx) error { return p.docs.WantCheck(ctx, tx, c) })
	p.readAll(pages{})
	_, v, _ := p.documentOf(c)
	if warningCodes(before) != "" || warningCodes(v) != workflow.WarnRecipients || !strings.Contains(v.Warnings[0].VI, "UBND xã số 2") || strings.Contains(v.Warnings[0].VI, "UBND xã số 1") {
		t.Errorf("before %q, after %+v", warningCodes(before), v.Warnings)
	}
}

func TestFilesMark(t *testing.T) {
	p := newProvince(t, 1, now, workflow.Options{})
	c := p.mailFile("123_QD-UBND_20261123.pdf", "ảnh quét", "xa01")
	ordinary := p.mailFile("anh.pdf", "liên hoan", "xa01")
	p.readAll(pages{})
	for name, check := range map[string]docstore.Check{"possible": c, "ordinary": ordinary} {
		if _, _, found := p.documentOf(check); found {
			t.Errorf("%s became a document", name)
		}
	}
	var marked string
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		return r.QueryRow(ctx, `SELECT group_concat(name) FROM keyword WHERE mailbox_id = $1`, int64(p.folder("xa01", mailstore.RoleUnitInbox))).Scan(&marked)
	})
	if marked != workflow.KeywordMaybe {
		t.Errorf("keywords %q", marked)
	}
}

// A reader that fails for a reason of ours puts the message off, and gives up
// in the end; a file that cannot be read is no document.
func TestFilesFail(t *testing.T) {
	p := newProvince(t, 1, now, workflow.Options{})
	c := p.mailFile("a.pdf", decision, "xa01")
	var tries int
	for more := true; more; tries++ {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.flow.RunFiles(ctx, pages{err: errors.New("no child")}) }()
		before := tries
		for more {
			var next docstore.Check
			p.view(func(ctx context.Context, r sqldb.Reader) (err error) {
				next, more, err = docstore.NextCheck(ctx, r)
				return err
			})
			if more && next.Tries > before {
				break
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	if _, _, found := p.documentOf(c); found || tries != 5 {
		t.Errorf("found %v after %d tries", found, tries)
	}
	damaged := p.mailFile("b.pdf", decision, "xa01")
	p.readAll(pages{err: extract.ErrDamaged})
	if _, _, found := p.documentOf(damaged); found {
		t.Error("a damaged file became a document")
	}
}

// A secrecy mark that only the file shows: the document is taken away from the
// units whose clerks have not acted on it, and only two people let it go.
func TestSecretFileIsHeld(t *testing.T) {
	p := newProvince(t, 2, morning, workflow.Options{})
	c := p.mailFile("123.pdf", strings.Replace(decision, "QUYẾT ĐỊNH\n", "TỐI MẬT\nQUYẾT ĐỊNH\n", 1), "xa01", "xa02")
	p.readAll(pages{})
	doc, v, found := p.documentOf(c)
	if !found || len(v.Dispatches) != 2 {
		t.Fatalf("document %v: %+v", found, v)
	}
	for _, d := range v.Dispatches {
		if d.State != docstore.StateQuarantined {
			t.Errorf("%s: %s, want quarantined", d.Unit, d.State)
		}
	}
	if n := len(p.mails(p.folder("xa01", mailstore.RoleIncoming))); n != 0 {
		t.Errorf("%d messages still wait at the unit", n)
	}
	if n := len(p.mails(p.folder("xa01", mailstore.RoleHeld))); n != 1 {
		t.Errorf("%d messages are held, want 1", n)
	}
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		var n int
		err := r.QueryRow(ctx, `SELECT count(*) FROM journal WHERE type = 'incident.secrecy' AND ref = $1`, string(doc.ULID)).Scan(&n)
		if n != 1 {
			t.Errorf("%d incidents, want 1", n)
		}
		return err
	})
	p.verify()
}
