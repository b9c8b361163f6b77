package workflow_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/receipt"
	"vanthu/internal/sqldb"
	"vanthu/internal/workflow"
)

func newReceipts(t *testing.T) (workflow.Receipts, []string) {
	t.Helper()
	dir := t.TempDir()
	key := journal.KeyIn(dir)
	if err := journal.Init(dir, key, "mail.dienbien.test", morning()); err != nil {
		t.Fatal(err)
	}
	signer, err := key.Signer()
	if err != nil {
		t.Fatal(err)
	}
	pub, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	return workflow.Receipts{Key: signer, Server: "mail.dienbien.test"}, pub
}

func (p *province) makeReceipts() {
	p.t.Helper()
	for more := true; more; {
		var err error
		if more, err = p.flow.MakeReceipts(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
	}
}

// certified is a receipt as its reader finds it.
type certified struct {
	letter
	receipt.Receipt
	code  receipt.Code
	text  string
	edxml *edoc.StatusMessage
}

// receipts opens and checks everything in a unit's folder of receipts.
func (p *province) receipts(unit string, keys []string) (list []certified) {
	p.t.Helper()
	for _, l := range p.mails(p.folder(unit, mailstore.RoleReceipts)) {
		scan := mail.NewScanner(mail.Limits{})
		if _, err := scan.Write([]byte(l.raw)); err != nil {
			p.t.Fatal(err)
		}
		m := scan.Finish()
		part := func(x *mail.Part) []byte {
			b, err := io.ReadAll(x.Decoder(strings.NewReader(l.raw)))
			if err != nil {
				p.t.Fatal(err)
			}
			return b
		}
		c := certified{letter: l, text: string(part(m.Root.Children[0]))}
		for _, a := range m.Attachments() {
			var err error
			switch a.Name {
			case receipt.File:
				c.Receipt, c.code, err = receipt.Open(part(a.Part), keys)
			case "trang-thai.edxml":
				c.edxml, err = edoc.ParseStatus(bytes.NewReader(part(a.Part)), edoc.Limits{})
			}
			if err != nil {
				p.t.Fatalf("%s in %s: %v", a.Name, l.subject, err)
			}
		}
		if !strings.Contains(c.text, c.code.String()) || strings.Count(c.text, "\n") > 12 {
			p.t.Errorf("text with code %s:\n%s", c.code, c.text)
		}
		for _, want := range []string{"Auto-Submitted: auto-replied", "Return-Path: <>", "References: <"} {
			if !strings.Contains(l.raw, want) {
				p.t.Errorf("%s has not %q", l.subject, want)
			}
		}
		list = append(list, c)
	}
	return list
}

func kinds(list []certified) (s string) {
	for _, c := range list {
		s += " " + string(c.Kind)
	}
	return strings.TrimSpace(s)
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	opt, keys := newReceipts(t)
	p := newProvince(t, 4, morning, workflow.Options{Receipts: opt})
	res := p.send("xa01", "xa02", "xa03")
	p.do("xa01", res.Dispatches[0].ID, workflow.Act{Event: docstore.EventRegister})
	p.do("xa01", res.Dispatches[0].ID, workflow.Act{Event: docstore.EventStart})
	p.do("xa02", res.Dispatches[1].ID, workflow.Act{Event: docstore.EventRefuse, Reason: edoc.ReasonNoSignature})
	p.makeReceipts()
	list := p.receipts("ubnd", keys)
	if got, want := kinds(list), "GUI_CHAP_NHAN DA_TIEP_NHAN TU_CHOI"; got != want {
		t.Fatalf("receipts %s, want %s", got, want)
	}
	whole, registered, refused := list[0], list[1], list[2]
	if len(whole.To) != 3 || whole.To[2].Status != "01" || whole.To[2].Dispatch != string(res.Dispatches[2].ULID) {
		t.Errorf("of the whole document: %+v", whole.To)
	}
	if registered.Number != 1 || registered.Status != "03" || registered.Dispatch != string(res.Dispatches[0].ULID) || registered.Journal == 0 || registered.Chain.Seq < registered.Journal {
		t.Errorf("registered: %+v", registered.Receipt)
	}
	if registered.edxml == nil || registered.edxml.Code != edoc.StatusRegistered || registered.edxml.RecipientID() != "H18.1" {
		t.Errorf("status message %+v", registered.edxml)
	}
	if !strings.Contains(refused.text, "ký số và gửi lại; giữ nguyên số, ký hiệu") || refused.Reason != string(edoc.ReasonNoSignature) {
		t.Errorf("refused: %+v\n%s", refused.Receipt, refused.text)
	}
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		content, err := workflow.ReceiptFile(ctx, r, registered.code)
		if err != nil {
			return err
		}
		_, code, err := receipt.Open(content, keys)
		if code != registered.code {
			t.Errorf("kept under %s, it has the code %s", registered.code, code)
		}
		_, none := workflow.ReceiptFile(ctx, r, "000000000000")
		if none != workflow.ErrNoReceipt {
			t.Errorf("an unknown code: %v", none)
		}
		return err
	})

	// A unit says which kinds it wants.
	p.update(func(ctx context.Context, tx *sqldb.Tx) error {
		return p.docs.SetTimeRules(ctx, tx, system(), docstore.TimeRules{Unit: p.unit("ubnd").ID, Receipts: []string{"DA_DEN", "-GUI_CHAP_NHAN"}})
	})
	p.sendCode("124/QĐ-UBND", p.unit("ubnd").ID, "xa04")
	p.makeReceipts()
	if got, want := kinds(p.receipts("ubnd", keys)[3:]), "DA_DEN"; got != want {
		t.Errorf("receipts %s, want %s", got, want)
	}

	// A recall: who asked, who agreed, and that the content is gone. Oracle 8.
	p.act(p.clerk("ubnd"), res.Dispatches[2].ID, workflow.Act{Event: docstore.EventRecall, Note: "Sai phụ lục"})
	p.makeReceipts()
	last := p.receipts("ubnd", keys)[4:]
	if got, want := kinds(last), "YEU_CAU_THU_HOI DONG_Y DA_TIEU_HUY"; got != want {
		t.Fatalf("receipts %s, want %s", got, want)
	}
	if gone := last[2]; !strings.Contains(gone.text, gone.Document.Message) || gone.Document.Message == "" {
		t.Errorf("proof of destruction:\n%s", gone.text)
	}
	p.verify()
}

// However often making receipts is broken off, each is made once, and a hundred
// cost a few transactions.
func TestReceiptsOnce(t *testing.T) {
	t.Parallel()
	opt, keys := newReceipts(t)
	p := newProvince(t, 100, morning, workflow.Options{})
	res := p.send(communes(100)...)
	for i, name := range communes(100) {
		p.do(name, res.Dispatches[i].ID, workflow.Act{Event: docstore.EventRegister})
	}
	transactions := 0
	for stop := 1; ; stop += 7 { // ends at the stop-th look at the clock
		ctx, cancel := context.WithCancel(t.Context())
		looks := 0
		flow, err := workflow.New(p.db, p.dir, p.boxes, p.docs, workflow.Options{Receipts: opt, Now: func() time.Time {
			if looks++; looks == stop {
				cancel()
			}
			return morning()
		}})
		if err != nil {
			t.Fatal(err)
		}
		more, err := flow.MakeReceipts(ctx)
		cancel()
		if err == nil {
			transactions++
		}
		if err == nil && !more && looks < stop {
			break
		}
	}
	list := p.receipts("ubnd", keys)
	seen := map[string]int{}
	for _, c := range list {
		seen[fmt.Sprint(c.Kind, c.Dispatch)]++
	}
	if len(list) != 101 || len(seen) != 101 {
		t.Errorf("%d receipts of %d matters, want 101 each", len(list), len(seen))
	}
	if transactions > 4 {
		t.Errorf("%d transactions", transactions)
	}
	if n := len(p.mails(p.inbox(p.account(directory.RoleClerk, "ubnd")))); n != 0 {
		t.Errorf("%d messages in the INBOX, want none", n)
	}
}
