package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/smtp"
	"slices"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/mail"
	"vanthu/internal/report"
)

func (d *demo) password(login string) string {
	for _, a := range d.accounts {
		if a.Login == login {
			return a.Password
		}
	}
	return ""
}

// mailTo builds a mail of the province's clerk with the PDF.
func (d *demo) mailTo(subject, to string) []byte {
	b := mail.Builder{
		From:    mail.Mailbox{Name: "Văn thư UBND tỉnh", Addr: mail.Address{Local: "vanthu", Domain: "ubnd." + demoDomain}},
		Subject: subject, Date: time.Now().In(hanoi), MessageID: mail.NewMessageID("ubnd." + demoDomain), Language: "vi",
		Text:  "Kính gửi: UBND các xã, phường.\n\nỦy ban nhân dân tỉnh gửi văn bản kèm theo để các đơn vị tổ chức thực hiện.\n",
		Files: []mail.File{{Name: storyFile, Type: "application/pdf", Content: d.pdf}},
	}
	local, domain, _ := strings.Cut(to, "@")
	b.To = []mail.Mailbox{{Name: "Các xã", Addr: mail.Address{Local: local, Domain: domain}}}
	return b.Bytes()
}

// submit sends a mail as the province's clerk and returns the server's final
// reply.
func (d *demo) submit(message []byte, rcpts ...string) (reply string, err error) {
	return d.submitAs("vanthu@ubnd."+demoDomain, message, rcpts...)
}

func (d *demo) submitAs(from string, message []byte, rcpts ...string) (reply string, err error) {
	c, err := smtp.Dial(d.addr.Submission)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.Hello("localhost"); err != nil {
		return "", err
	}
	if err := c.StartTLS(d.tls); err != nil {
		return "", err
	}
	if err := c.Auth(smtp.PlainAuth("", from, d.password(from), "127.0.0.1")); err != nil {
		return "", err
	}
	if err := c.Mail(from); err != nil {
		return "", err
	}
	for _, r := range rcpts {
		if err := c.Rcpt(r); err != nil {
			return "", err
		}
	}
	if err := c.Text.PrintfLine("DATA"); err != nil {
		return "", err
	}
	if _, _, err := c.Text.ReadResponse(354); err != nil {
		return "", err
	}
	w := c.Text.DotWriter()
	if _, err := w.Write(message); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	code, msg, err := c.Text.ReadResponse(250)
	return fmt.Sprintf("%d %s", code, msg), err
}

func (d *demo) send(context.Context) (text, error) {
	reply, err := d.submit(d.mailTo(storySubject, storyGroup), storyGroup)
	return text{"máy chủ đã nhận và ghi xuống đĩa: " + reply, "accepted and on disk: " + reply}, err
}

// open logs an account in by IMAP.
func (d *demo) open(login string) (*imapClient, error) {
	c, err := dialIMAPS(d.addr.IMAPS, d.tls)
	if err != nil {
		return nil, err
	}
	if err := c.login(login, d.password(login)); err != nil {
		return nil, errors.Join(fmt.Errorf("log in as %s: %w", login, err), c.close())
	}
	return c, nil
}

// shared gives the name of a unit's folder as its people see it.
func shared(u demoUnit, folder string) string { return "Đơn vị/" + u.short + "/" + folder }

func demoUnitNamed(name string) demoUnit {
	units := demoUnits()
	return units[slices.IndexFunc(units, func(u demoUnit) bool { return u.name == name })]
}

// allSee checks that every commune's clerk finds the mail with the very PDF.
func (d *demo) allSee(context.Context) (text, error) {
	want := sha256.Sum256(d.pdf)
	n := 0
	for _, u := range demoUnits() {
		if u.kind != "xã" {
			continue
		}
		if err := d.sees(u, want); err != nil {
			return text{}, fmt.Errorf("%s: %w", u.title, err)
		}
		n++
	}
	return text{
		fmt.Sprintf("%d hộp thư đều có thư, tệp PDF giống từng byte", n),
		fmt.Sprintf("all %d mailboxes have it, the PDF is the same to the byte", n),
	}, nil
}

func (d *demo) sees(u demoUnit, want [sha256.Size]byte) (err error) {
	c, err := d.open(u.login("vanthu"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	uids, err := c.uids(shared(u, folderWaiting))
	if err != nil {
		return err
	}
	if len(uids) != 1 {
		return fmt.Errorf("%d messages wait in the shared mailbox, want 1", len(uids))
	}
	body, err := c.body(uids[0])
	if err != nil {
		return err
	}
	s := mail.NewScanner(mail.Limits{})
	if _, err := s.Write(body); err != nil {
		return err
	}
	for _, a := range s.Finish().Attachments() {
		pdf, err := io.ReadAll(a.Part.Decoder(bytes.NewReader(body)))
		if err != nil {
			return err
		}
		if sha256.Sum256(pdf) == want && a.Name == storyFile {
			return nil
		}
	}
	return errors.New("the mail does not hold the PDF that was sent")
}

func (d *demo) document(ctx context.Context) (v docstore.View, err error) {
	err = d.rooms.Control().Call(ctx, control.CallDocumentShow, control.DocumentNamed{Code: storyCode}, &v, nil)
	return v, err
}

func (d *demo) allArrived(ctx context.Context) (text, error) {
	v, err := d.document(ctx)
	if err != nil {
		return text{}, err
	}
	arrived := 0
	for _, x := range v.Dispatches {
		if x.Status == "01" {
			arrived++
		}
	}
	if arrived != 45 || len(v.Dispatches) != 45 || len(v.Files) != 1 {
		return text{}, fmt.Errorf("%d dispatches, %d of them arrived, %d files; want 45, 45, 1", len(v.Dispatches), arrived, len(v.Files))
	}
	if n := d.rooms.Delivery.Stats().Accepted.Load(); n != 1 {
		return text{}, fmt.Errorf("%d messages were stored, want 1", n)
	}
	return text{
		"một văn bản, 45 lượt gửi, 45 × mã 01 (đã đến); thư chỉ lưu một lần",
		"one document, 45 dispatches, 45 × code 01 (arrived); the message is stored once",
	}, nil
}

// drag moves the story's mail of a unit from one of its folders to another.
func (d *demo) drag(login string, u demoUnit, from, to string) (err error) {
	c, err := d.open(login)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	uids, err := c.uids(shared(u, from))
	if err != nil {
		return err
	}
	if len(uids) != 1 {
		return fmt.Errorf("%d messages in %s, want 1", len(uids), from)
	}
	return c.move(uids[0], shared(u, to))
}

// state checks how far the document got at a unit.
func (d *demo) state(ctx context.Context, u demoUnit, want docstore.State, number int) error {
	v, err := d.document(ctx)
	if err != nil {
		return err
	}
	for _, x := range v.Dispatches {
		if x.Unit != u.address() {
			continue
		}
		if x.State != want || x.ArrivalNumber != number {
			return fmt.Errorf("%s: state %s, số đến %d; want %s, %d", u.name, x.State, x.ArrivalNumber, want, number)
		}
		return nil
	}
	return fmt.Errorf("%s did not receive the document", u.name)
}

func (d *demo) register(ctx context.Context) (text, error) {
	for _, name := range []string{"xa01", "xa02"} {
		u := demoUnitNamed(name)
		if err := d.drag(u.login("vanthu"), u, folderWaiting, folderRegistered); err != nil {
			return text{}, err
		}
		if err := d.state(ctx, u, docstore.StateRegistered, 1); err != nil {
			return text{}, err
		}
	}
	return text{
		"mỗi xã cấp số đến 1 trong sổ của mình, mã 03 (đã tiếp nhận)",
		"each commune gives arrival number 1 in its own register, code 03 (registered)",
	}, nil
}

func (d *demo) refuse(ctx context.Context) (text, error) {
	u := demoUnitNamed("xa03")
	if err := d.drag(u.login("vanthu"), u, folderWaiting, folderRefused); err != nil {
		return text{}, err
	}
	return text{"mã 02 (từ chối tiếp nhận), lý do: thiếu chữ ký", "code 02 (refused), reason: no signature"},
		d.state(ctx, u, docstore.StateRefused, 0)
}

func (d *demo) registerByCommand(ctx context.Context) (text, error) {
	u := demoUnitNamed("xa04")
	client, ok, err := control.Dial(ctx, d.cfg.DataDir)
	if err != nil || !ok {
		return text{}, errors.Join(err, errors.New("the control socket does not answer"))
	}
	if err := client.Call(ctx, control.CallDocumentAct, control.DocumentAct{
		DocumentNamed: control.DocumentNamed{Code: storyCode}, As: u.login("vanthu"), Act: docstore.EventRegister,
	}, nil, nil); err != nil {
		return text{}, err
	}
	return text{"cùng kết quả như kéo thư: số đến 1, mã 03", "the same result as dragging the mail: arrival number 1, code 03"},
		d.state(ctx, u, docstore.StateRegistered, 1)
}

func (d *demo) refusedToStaff(ctx context.Context) (text, error) {
	u := demoUnitNamed("xa05")
	err := d.drag(u.login("chuyenvien1"), u, folderWaiting, folderRegistered)
	if !errors.Is(err, errIMAP) {
		return text{}, fmt.Errorf("want a refusal, got %w", errors.Join(err, errors.New("no refusal")))
	}
	return text{"máy chủ từ chối, không có gì thay đổi", "the server refuses, nothing has changed"},
		d.state(ctx, u, docstore.StateArrived, 0)
}

func (d *demo) complete(ctx context.Context) (text, error) {
	u := demoUnitNamed("xa01")
	if err := d.drag(u.login("vanthu"), u, folderRegistered, folderCompleted); err != nil {
		return text{}, err
	}
	return text{"mã 06 (hoàn thành)", "code 06 (completed)"}, d.state(ctx, u, docstore.StateCompleted, 1)
}

// tracked waits until the tracking message has caught up.
func (d *demo) tracked(ctx context.Context) (text, error) {
	subject, err := d.tracking(ctx, "[Theo dõi "+storyCode+"]", "3/45")
	return text{"\"" + subject + "\"", "\"" + subject + "\""}, err
}

func (d *demo) guards(context.Context) (text, error) {
	visible := "soyte@" + demoDomain
	if _, err := d.submit(d.mailTo("[124/QĐ-UBND] V/v gửi ẩn", visible), visible, "sonoivu@"+demoDomain); err == nil {
		return text{}, errors.New("a document with a blind recipient was accepted")
	}
	if _, err := d.submit(d.mailTo("[MẬT] V/v nội dung mật", visible), visible); err == nil {
		return text{}, errors.New("a message with a secrecy mark was accepted")
	}
	return text{"cả hai bị từ chối ngay khi gửi (550), không lưu nội dung", "both are refused while sending (550), no content is kept"}, nil
}

func (d *demo) showRegister(ctx context.Context) (text, error) {
	var book report.Register
	if err := d.rooms.Control().Call(ctx, control.CallRegisterShow, control.RegisterShow{Unit: "xa01"}, &book, nil); err != nil {
		return text{}, err
	}
	if len(book.Rows) != 1 || !slices.Contains(book.Rows[0].Cells, storyCode) {
		return text{}, fmt.Errorf("the register has %d entries, want one of %s", len(book.Rows), storyCode)
	}
	fmt.Fprintln(d.say.out)
	if err := book.WriteText(d.say.out, report.TextOptions{Width: 150}); err != nil {
		return text{}, err
	}
	return text{"đủ mười cột theo Phụ lục IV, Nghị định 30/2020/NĐ-CP", "the ten columns of Nghị định 30/2020/NĐ-CP, Phụ lục IV"}, nil
}

func (d *demo) audit(ctx context.Context) (text, error) {
	res, err := verifyData(ctx, d.cfg, nil)
	if err != nil {
		return text{}, err
	}
	if w := res.First; w != nil {
		return text{}, fmt.Errorf("%s %s: expected %s, found %s", w.Kind, w.Key, w.Expected, w.Found)
	}
	return text{
		fmt.Sprintf("nguyên vẹn: %d mục nhật ký, %d sổ, %d lượt gửi, %d thư", res.Entries, res.Registers, res.Dispatches, res.Messages),
		fmt.Sprintf("all intact: %d journal entries, %d registers, %d dispatches, %d messages", res.Entries, res.Registers, res.Dispatches, res.Messages),
	}, nil
}
