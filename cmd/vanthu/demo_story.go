package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"vanthu/config"
	"vanthu/internal/app"
)

// demo is a running training province.
type demo struct {
	cli      *cli
	opt      demoOptions
	cfg      *config.Config
	rooms    *app.Rooms
	addr     app.Addresses
	say      story
	accounts []demoAccount
	tls      *tls.Config
	pdf      []byte
	// neighbour is the second province, nil without --peer.
	neighbour *neighbour
}

const (
	storyCode    = "123/QĐ-UBND"
	storySubject = "[123/QĐ-UBND] V/v ban hành kế hoạch tập huấn gửi, nhận văn bản điện tử"
	storyGroup   = "cac-xa@" + demoDomain
	storyFile    = "QĐ 123 - Kế hoạch tập huấn.pdf"

	folderWaiting    = "Văn bản đến/1 Chờ tiếp nhận"
	folderRegistered = "Văn bản đến/2 Đã vào sổ"
	folderCompleted  = "Văn bản đến/5 Hoàn thành"
	folderRefused    = "Văn bản đến/0 Từ chối/Thiếu chữ ký"
	folderTracking   = "Theo dõi"
)

// text is a sentence of the story in both languages.
type text struct{ vi, en string }

// story prints what happens.
type story struct {
	out io.Writer
	en  bool
}

func (s story) in(t text) string {
	if s.en {
		return t.en
	}
	return t.vi
}

func (s story) print(t text, args ...any) { fmt.Fprintf(s.out, s.in(t)+"\n", args...) }

// step is one chapter: what it tells, and what it does; do returns what came true.
type step struct {
	tells text
	do    func(ctx context.Context) (text, error)
}

// play makes the province, tells the story and, unless once, serves until ctx
// ends. It fails when a step of the story did not come true.
func (d *demo) play(ctx context.Context) error {
	d.say.print(text{
		"Đang tạo tỉnh đào tạo %s (51 đơn vị, 206 tài khoản) …",
		"Making the training province %s (51 units, 206 accounts) …",
	}, demoDomain)
	if err := d.prepare(ctx); err != nil {
		return err
	}
	steps := d.steps()
	if d.neighbour != nil {
		if err := d.neighbour.prepare(ctx, d); err != nil {
			return fmt.Errorf("make the second province: %w", err)
		}
		last := len(steps) - 1 // the auditor comes last
		steps = append(append(steps[:last:last], d.peerSteps()...), steps[last])
	}
	var failed error
	for i, s := range steps {
		d.say.print(text{"\n%d/%d  %s", "\n%d/%d  %s"}, i+1, len(steps), d.say.in(s.tells))
		begun := time.Now()
		came, err := s.do(ctx)
		if err != nil {
			failed = fmt.Errorf("step %d of the story did not come true: %w", i+1, err)
			d.say.print(text{"      ✗ %v", "      ✗ %v"}, err)
			break
		}
		d.say.print(text{"      ✓ %s  (%d ms)", "      ✓ %s  (%d ms)"}, d.say.in(came), time.Since(begun).Milliseconds())
	}
	if err := d.file().write(d.opt.dir); err != nil {
		return errors.Join(failed, err)
	}
	d.howToConnect()
	if d.opt.once || failed != nil {
		return failed
	}
	<-ctx.Done()
	return nil
}

func (d *demo) prepare(ctx context.Context) (err error) {
	if err := d.makeProvince(ctx); err != nil {
		return err
	}
	ca, err := os.ReadFile(app.AuthorityFile(d.cfg))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return errors.New("the certificate of the demo's authority cannot be read")
	}
	d.tls = &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
	d.pdf, err = trainingDecision(storyCode, "V/v ban hành kế hoạch tập huấn gửi, nhận văn bản điện tử", time.Now().In(hanoi))
	return err
}

func (d *demo) steps() []step {
	return []step{
		{text{
			"Văn thư UBND tỉnh gửi thư kèm PDF, tiêu đề\n      \"" + storySubject + "\",\n      tới " + storyGroup + " (45 xã), bằng SMTP như mọi chương trình thư.",
			"The clerk of the province sends a mail with a PDF, subject\n      \"" + storySubject + "\",\n      to " + storyGroup + " (45 communes), by SMTP as any mail client does.",
		}, d.send},
		{text{
			"Văn thư của 45 xã mở hộp thư chung của đơn vị bằng IMAP.",
			"The clerks of all 45 communes open their unit's shared mailbox by IMAP.",
		}, d.allSee},
		{text{
			"Máy chủ đã nhận ra văn bản và theo dõi từng xã: vanthu doc show " + storyCode,
			"The server has recognised the document and follows it per commune: vanthu doc show " + storyCode,
		}, d.allArrived},
		{text{
			"Văn thư xã 01 và xã 02 kéo thư vào thư mục \"2 Đã vào sổ\".",
			"The clerks of communes 01 and 02 drag the mail to the folder \"2 Đã vào sổ\" (registered).",
		}, d.register},
		{text{
			"Văn thư xã 03 kéo thư vào \"0 Từ chối/Thiếu chữ ký\".",
			"The clerk of commune 03 drags the mail to \"0 Từ chối/Thiếu chữ ký\" (refused: no signature).",
		}, d.refuse},
		{text{
			"Văn thư xã 04 làm việc bằng dòng lệnh: vanthu doc register " + storyCode + " --as vanthu@xa04." + demoDomain,
			"The clerk of commune 04 uses the command line: vanthu doc register " + storyCode + " --as vanthu@xa04." + demoDomain,
		}, d.registerByCommand},
		{text{
			"Chuyên viên xã 05, không phải văn thư, thử vào sổ.",
			"A staff member of commune 05, who is no clerk, tries to register.",
		}, d.refusedToStaff},
		{text{
			"Xã 01 giải quyết xong, kéo thư vào \"5 Hoàn thành\".",
			"Commune 01 has done the work and drags the mail to \"5 Hoàn thành\" (completed).",
		}, d.complete},
		{text{
			"Văn thư UBND tỉnh mở thư theo dõi, luôn chỉ một thư cho mỗi văn bản.",
			"The province's clerk opens the tracking message: always one for each document.",
		}, d.tracked},
		{text{
			"Những gì hệ thống không nhận: gửi ẩn (Bcc) một văn bản, và dấu chỉ độ mật.",
			"What the system refuses: blind copies (Bcc) of a document, and secrecy marks.",
		}, d.guards},
		{text{
			"Sổ đăng ký văn bản đến của xã 01: vanthu register show --unit xa01",
			"The register of incoming documents of commune 01: vanthu register show --unit xa01",
		}, d.showRegister},
		{text{
			"Văn bản để tập làm, ở mọi trạng thái, tại các xã 40 đến 45: vanthu doc list",
			"Documents to practise on, in every state, at communes 40 to 45: vanthu doc list",
		}, d.train},
		{text{
			"Kiểm tra viên xác minh nhật ký, sổ và mọi thư: vanthu audit verify",
			"The auditor verifies journal, registers and all mail: vanthu audit verify",
		}, d.audit},
	}
}

func (d *demo) howToConnect() {
	u := demoUnitNamed("xa06")
	d.say.print(text{`
Kết nối chương trình thư (Thunderbird, Outlook, điện thoại …):
  tài khoản   %s   mật khẩu  %s
  IMAP        127.0.0.1 cổng %d (SSL/TLS)   SMTP  127.0.0.1 cổng %d (SSL/TLS)
  chứng thư   %s  (cài làm CA tin cậy)
  hướng dẫn   http://%s/
Mọi tài khoản và mật khẩu: %s/demo.json
Lệnh:  vanthu --config %s/vanthu.toml doc show %s`, `
Connect a mail client (Thunderbird, Outlook, a phone …):
  account      %s   password  %s
  IMAP         127.0.0.1 port %d (SSL/TLS)   SMTP  127.0.0.1 port %d (SSL/TLS)
  certificate  %s  (install it as a trusted authority)
  guide        http://%s/
All accounts and passwords: %s/demo.json
Commands:  vanthu --config %s/vanthu.toml doc show %s`},
		u.login("vanthu"), d.password(u.login("vanthu")), d.opt.base+portIMAPS, d.opt.base+portSubmissions,
		app.AuthorityFile(d.cfg), d.addr.HTTP, d.opt.dir, d.opt.dir, storyCode)
	if !d.opt.once {
		d.say.print(text{"\nĐang phục vụ. Nhấn Ctrl-C để dừng.", "\nServing. Press Ctrl-C to stop."})
	}
}
