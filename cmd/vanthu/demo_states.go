package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/edoc"
	"vanthu/internal/mail"
)

// training is a document that the demo leaves for people to practise on, in one
// state. They all go to the last communes, so that the others are as the story
// left them.
type training struct {
	code  string // of UBND tỉnh
	tags  string // of the subject, before the code's text
	about string
	to    string // unit
	do    func(ctx context.Context, d *demo, t training) error
	state docstore.State
	asked docstore.Overlay
}

func trainings() []training {
	return []training{
		{code: "131/UBND-VX", tags: "[KHẨN] ", about: "V/v chuẩn bị hội nghị trực tuyến", to: "xa40", state: docstore.StateArrived},
		{code: "132/UBND-VX", about: "V/v rà soát cơ sở vật chất trường học", to: "xa41", do: steps(registered), state: docstore.StateRegistered},
		{
			code: "133/UBND-NL", tags: "[HẠN " + inDays(5) + "] ", about: "V/v báo cáo sản xuất vụ đông xuân", to: "xa42",
			do: steps(registered, assigned), state: docstore.StateAssigned,
		},
		{
			code: "134/UBND-TH", tags: "[HẠN " + inDays(3) + "] ", about: "V/v giải ngân vốn đầu tư công", to: "xa43",
			do: steps(registered, assigned, started), state: docstore.StateProcessing,
		},
		{
			code: "135/UBND-NC", about: "V/v cung cấp số liệu cải cách hành chính", to: "xa44",
			do: steps(registered, replied), state: docstore.StateCompleted,
		},
		{code: "136/UBND-KT", about: "V/v dự toán năm sau", to: "xa45", do: steps(refused), state: docstore.StateRefused},
		{code: "137/UBND-KT", about: "V/v phân bổ kinh phí (gửi nhầm phụ lục)", to: "xa40", do: steps(recalled), state: docstore.StateRecalled},
		{
			code: "138/UBND-KT", about: "V/v tạm ứng kinh phí", to: "xa41", do: steps(registered, recalled),
			state: docstore.StateRegistered, asked: docstore.OverlayRecall,
		},
		{code: "139/KH-UBND", about: "Kế hoạch chuyển đổi số", to: "xa42", do: steps(registered, replaced), state: docstore.StateReplaced},
		{code: "141/UBND-NC", about: "V/v đề nghị kiểm tra tệp đính kèm", to: "xa43", do: steps(held), state: docstore.StateQuarantined},
	}
}

func inDays(n int) string { return time.Now().In(hanoi).AddDate(0, 0, n).Format("02/01/2006") }

// steps carries out acts one after the other.
func steps(list ...func(ctx context.Context, d *demo, t training) error) func(ctx context.Context, d *demo, t training) error {
	return func(ctx context.Context, d *demo, t training) error {
		for _, do := range list {
			if err := do(ctx, d, t); err != nil {
				return err
			}
		}
		return nil
	}
}

// train leaves documents in every state of a dispatch inside one server, acted
// on by mail, by drag and by command.
func (d *demo) train(ctx context.Context) (text, error) {
	list := trainings()
	for _, t := range list {
		u := demoUnitNamed(t.to)
		if _, err := d.submit(d.mailTo(t.tags+"["+t.code+"] "+t.about, u.address()), u.address()); err != nil {
			return text{}, fmt.Errorf("%s: %w", t.code, err)
		}
		if t.do != nil {
			if err := t.do(ctx, d, t); err != nil {
				return text{}, fmt.Errorf("%s: %w", t.code, err)
			}
		}
		if err := d.came(ctx, t); err != nil {
			return text{}, err
		}
	}
	return text{
		fmt.Sprintf("%d văn bản, mỗi văn bản ở một trạng thái: từ chờ tiếp nhận đến hoàn thành, thu hồi, thay thế, tạm giữ", len(list)),
		fmt.Sprintf("%d documents, each in another state: from waiting to completed, recalled, replaced, quarantined", len(list)),
	}, nil
}

// came checks that a training document is where it should be.
func (d *demo) came(ctx context.Context, t training) error {
	var v docstore.View
	if err := d.rooms.Control().Call(ctx, control.CallDocumentShow, control.DocumentNamed{Code: t.code}, &v, nil); err != nil {
		return err
	}
	if len(v.Dispatches) != 1 || v.Dispatches[0].State != t.state || v.Dispatches[0].Request != t.asked {
		return fmt.Errorf("%s: %d dispatches, want one in state %s (request %q): %+v", t.code, len(v.Dispatches), t.state, t.asked, v.Dispatches)
	}
	return nil
}

// command acts on a training document as the command line does.
func (d *demo) command(ctx context.Context, t training, who string, act control.DocumentAct) error {
	act.Code, act.As = t.code, who
	if act.Unit == "" {
		act.Unit = demoUnitNamed(t.to).address()
	}
	return d.rooms.Control().Call(ctx, control.CallDocumentAct, act, nil, nil)
}

// registered drags the document that waits to the folder of registered ones.
func registered(_ context.Context, d *demo, t training) (err error) {
	u := demoUnitNamed(t.to)
	c, err := d.open(u.login("vanthu"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	uids, err := c.uids(shared(u, folderWaiting))
	if err != nil {
		return err
	}
	if len(uids) == 0 {
		return errors.New("nothing waits to be registered")
	}
	return c.move(uids[len(uids)-1], shared(u, folderRegistered)) // the newest
}

func assigned(ctx context.Context, d *demo, t training) error {
	u := demoUnitNamed(t.to)
	return d.command(ctx, t, u.login("lanhdao"), control.DocumentAct{
		Act: docstore.EventAssign, Note: "Giải quyết đúng hạn, báo cáo lãnh đạo",
		Assign: []control.Assignee{
			{Login: u.login("chuyenvien1"), Role: docstore.RoleLead}, {Login: u.login("chuyenvien2"), Role: docstore.RoleAssist},
		},
	})
}

func started(ctx context.Context, d *demo, t training) error {
	return d.command(ctx, t, demoUnitNamed(t.to).login("chuyenvien1"), control.DocumentAct{Act: docstore.EventStart})
}

func refused(ctx context.Context, d *demo, t training) error {
	return d.command(ctx, t, demoUnitNamed(t.to).login("vanthu"), control.DocumentAct{
		Act: docstore.EventRefuse, Reason: edoc.ReasonWrongAddressee, Note: "Không thuộc địa bàn xã",
	})
}

func held(ctx context.Context, d *demo, t training) error {
	return d.command(ctx, t, "quantri@"+demoDomain, control.DocumentAct{
		Act: docstore.EventQuarantine, Reason: edoc.ReasonMissingFile, Note: "Chờ kiểm tra tệp đính kèm",
	})
}

func recalled(ctx context.Context, d *demo, t training) error {
	return d.rooms.Control().Call(ctx, control.CallDocumentRecall, control.DocumentRecall{
		DocumentNamed: control.DocumentNamed{Code: t.code}, As: demoUnitNamed("ubnd").login("vanthu"), Reason: "Sai phụ lục kèm theo",
	}, nil, nil)
}

// replied has the commune answer with a document of its own, which completes
// the one that it answers.
func replied(_ context.Context, d *demo, t training) error {
	u, to := demoUnitNamed(t.to), demoUnitNamed("ubnd")
	b := mail.Builder{
		From: mail.Mailbox{Name: u.title, Addr: d.addressOf(u.login("vanthu"))}, To: []mail.Mailbox{{Name: to.title, Addr: d.addressOf(to.address())}},
		Subject: "[7/UBND-VP] [TRẢ LỜI " + t.code + "] V/v số liệu cải cách hành chính", Date: time.Now().In(hanoi),
		MessageID: mail.NewMessageID(demoDomain), Language: "vi",
		Text: "Kính gửi: UBND tỉnh.\n\nUBND xã gửi số liệu kèm theo.\n", Files: []mail.File{{Name: "CV 7.pdf", Type: "application/pdf", Content: d.pdf}},
	}
	_, err := d.submitAs(u.login("vanthu"), b.Bytes(), to.address())
	return err
}

// replaced has another plan come in the place of one, to which the clerk agrees.
func replaced(ctx context.Context, d *demo, t training) error {
	u := demoUnitNamed(t.to)
	if _, err := d.submit(d.mailTo("[140/KH-UBND] [THAY THẾ "+t.code+"] Kế hoạch chuyển đổi số", u.address()), u.address()); err != nil {
		return err
	}
	return d.command(ctx, t, u.login("vanthu"), control.DocumentAct{Act: docstore.EventAccept})
}

func (d *demo) addressOf(login string) mail.Address {
	local, domain, _ := strings.Cut(login, "@")
	return mail.Address{Local: local, Domain: domain}
}
