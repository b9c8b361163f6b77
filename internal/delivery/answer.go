package delivery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/rules"
	"vanthu/internal/sieve"
	"vanthu/internal/sqldb"
)

// answer is a message that the sender gets automatically, unless they have
// had it lately.
type answer struct {
	owner  mailstore.Owner
	handle rules.Handle
	within time.Duration
	from   mail.Mailbox
	title  string
	text   string
}

// answer decides whether the owner's notice, or what a script says, is sent.
func (p *planner) answer(v *verdict, set *rules.Set, said *sieve.Vacation) {
	if said == nil && set.Absence.At(p.in.d.opt.Now()) {
		a := set.Absence
		said = &sieve.Vacation{Days: a.Days, Subject: a.Subject, Text: a.Text}
	}
	if said == nil || len(v.senders) > 0 {
		return
	}
	own := p.ownAddresses(v.owner)
	from := mail.Mailbox{Name: p.name(v.owner), Addr: p.address(v.owner)}
	for _, s := range said.Addresses {
		if a, err := mail.ParseAddress(s, true); err == nil {
			own = append(own, a)
		}
	}
	if list := mail.ParseAddressList(said.From); len(list) == 1 {
		if a, err := list[0].Address(); err == nil && slices.Contains(p.ownAddresses(v.owner), a) {
			from.Addr = a
			from.Name = firstOf(list[0].Name, from.Name)
		}
	}
	if !p.in.mayAnswer(p.fin.Scan, own) || !namesOne(p.fin.Scan, own) {
		return
	}
	days := said.Days
	if days == 0 {
		days = rules.DefaultDays
	}
	v.answer = &answer{
		owner: v.owner, handle: rules.HandleOf(said.Text, said.Subject, said.From), within: time.Duration(days) * 24 * time.Hour,
		from: from, title: said.Subject, text: said.Text,
	}
	if said.Handle != "" {
		v.answer.handle = rules.HandleOf(said.Handle)
	}
}

// ownAddresses gives all addresses that lead to an owner.
func (p *planner) ownAddresses(o mailstore.Owner) []mail.Address {
	out := []mail.Address{p.address(o)}
	for _, al := range p.snap.Aliases() {
		t, err := p.snap.Resolve(al.Address)
		if err != nil {
			continue
		}
		if t.Kind == directory.TargetAccount && t.Account == o.Account && o.Account != 0 ||
			t.Kind == directory.TargetUnit && t.Unit == o.Unit && o.Unit != 0 {
			out = append(out, al.Address)
		}
	}
	return out
}

func (p *planner) name(o mailstore.Owner) string {
	if o.Unit != 0 {
		u, _ := p.snap.Unit(o.Unit)
		return u.Name
	}
	a, _ := p.snap.Account(o.Account)
	return a.Name
}

// sameMailbox compares without detail and case.
func sameMailbox(a, b mail.Address) bool {
	a, _ = a.Split()
	b, _ = b.Split()
	return a.Key() == b.Key()
}

// mayAnswer tells whether a message may be answered by a program at all. RFC
// 3834, section 2; RFC 5230, section 4.5 and 4.6.
func (in *Incoming) mayAnswer(m *mail.Message, own []mail.Address) bool {
	from := in.env.From
	if from.Null || from.Address.IsZero() || m.Root != nil && m.Root.Type == "multipart" && m.Root.Subtype == "report" {
		return false
	}
	local := strings.ToLower(from.Local)
	switch local {
	case "mailer-daemon", "postmaster", "listserv", "majordomo", "noreply", "no-reply", "nobody":
		return false
	}
	if strings.HasPrefix(local, "owner-") || strings.HasSuffix(local, "-owner") || strings.HasSuffix(local, "-request") ||
		strings.Contains(local, "-bounces") || slices.ContainsFunc(own, func(a mail.Address) bool { return sameMailbox(a, from.Address) }) {
		return false
	}
	if strings.HasPrefix(local, "bounce") {
		return false
	}
	for i := range m.Header {
		name, value := strings.ToLower(m.Header[i].Name), strings.ToLower(m.Header[i].Value)
		switch {
		case name == "auto-submitted":
			word, _, _ := strings.Cut(value, ";")
			if strings.TrimSpace(word) != "no" {
				return false
			}
		case name == "precedence" && (value == "bulk" || value == "list" || value == "junk"),
			name == "x-auto-response-suppress" && (strings.Contains(value, "oof") || strings.Contains(value, "autoreply") || strings.Contains(value, "all")),
			name == "feedback-id", name == "x-loop", strings.HasPrefix(name, "list-"):
			return false
		}
	}
	return true
}

// namesOne tells whether one of the addresses stands in a field that names
// recipients. RFC 3834, section 2; RFC 5230, section 4.5.
func namesOne(m *mail.Message, own []mail.Address) bool {
	for _, field := range []string{"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"} {
		for _, raw := range m.Header.Values(field) {
			for _, h := range mail.ParseAddressList(raw) {
				a, err := h.Address()
				if err == nil && slices.ContainsFunc(own, func(o mail.Address) bool { return sameMailbox(a, o) }) {
					return true
				}
			}
		}
	}
	return false
}

// notices gives what the sender is told about units that do not exist any more and
// accounts that were vacated: once a day each (edoc.md, section 1.10). Who
// wrote to a group did not name them, and is not told.
func (in *Incoming) notices(m *mail.Message, local []directory.Recipient) []*answer {
	if in.d.stores.Rules == nil {
		return nil
	}
	var out []*answer
	snap := in.d.stores.Directory.Snapshot()
	told := map[mailstore.Owner]bool{}
	for _, r := range local {
		former := mailstore.Owner{Unit: r.Former}
		if r.FormerAccount != 0 {
			former = mailstore.Owner{Account: r.FormerAccount}
		}
		if !former.Valid() || !r.Via.IsZero() || told[former] || !in.mayAnswer(m, nil) {
			continue
		}
		told[former] = true
		var heirs []string
		for _, x := range local {
			if x.Former == r.Former && x.FormerAccount == r.FormerAccount {
				heirs = append(heirs, in.heir(snap, x))
			}
		}
		out = append(out, in.notice(snap, former, strings.Join(heirs, ", ")))
	}
	return out
}

// heir names a successor.
func (in *Incoming) heir(snap *directory.Snapshot, r directory.Recipient) string {
	name := ""
	if r.Kind == directory.ToUnit {
		u, _ := snap.Unit(r.Unit)
		name = u.Name
	} else {
		a, _ := snap.Account(r.Account)
		name = a.Name
	}
	return name + " <" + r.Addr.String() + ">"
}

func (in *Incoming) notice(snap *directory.Snapshot, former mailstore.Owner, heirs string) *answer {
	a := &answer{owner: former, handle: rules.HandleOf("closed"), within: 24 * time.Hour}
	if former.Unit != 0 {
		u, _ := snap.Unit(former.Unit)
		day := u.To.In(vietnam).Format("02/01/2006")
		a.from = mail.Mailbox{Name: u.Name, Addr: mail.Address{Local: "postmaster", Domain: u.Address.Domain}}
		a.title = u.Name + " đã kết thúc hoạt động (unit closed)"
		a.text = fmt.Sprintf("%s <%s> đã kết thúc hoạt động từ %s, kế thừa bởi %s.\n\n"+
			"Thư của bạn đã được chuyển tới đơn vị kế thừa; bạn không cần gửi lại. Từ nay xin gửi theo địa chỉ mới.\n\n"+
			"-- English --\n%[1]s <%[2]s> ceased to exist on %[3]s; its successor is %[4]s.\n"+
			"Your message has been passed on, you need not send it again. Please use the new address from now on.\n",
			u.Name, u.Address, day, heirs)
		return a
	}
	acct, _ := snap.Account(former.Account)
	day := acct.Vacated.In(vietnam).Format("02/01/2006")
	a.from = mail.Mailbox{Name: "Máy chủ thư", Addr: mail.Address{Local: "postmaster", Domain: acct.Login.Domain}}
	a.title = acct.Login.String() + " không còn sử dụng (address no longer in use)"
	a.text = fmt.Sprintf("Địa chỉ %s không còn sử dụng từ %s; thư được chuyển tới %s.\n\n"+
		"Bạn không cần gửi lại. Từ nay xin gửi theo địa chỉ mới.\n\n"+
		"-- English --\nThe address %[1]s is no longer in use since %[2]s; mail for it goes to %[3]s.\n"+
		"You need not send your message again. Please use the new address from now on.\n",
		acct.Login, day, heirs)
	return a
}

// send puts an answer on its way within tx, unless the sender has had it
// lately. Answers have the null reverse-path: nothing answers them. RFC 3834.
func (in *Incoming) send(ctx context.Context, tx *sqldb.Tx, a *answer, m *mail.Message) error {
	d := in.d
	to := in.env.From.Address
	if !d.stores.Directory.Snapshot().IsLocal(to.Domain) && d.checkRoute(to.Domain) != nil {
		return nil
	}
	first, err := d.stores.Rules.Answer(ctx, tx, rules.Owner(a.owner), a.handle, to, a.within)
	if err != nil || !first {
		return err
	}
	title := a.title
	if title == "" {
		title = "Trả lời tự động: " + m.Envelope.Subject
	}
	refs := slices.Clone(m.Envelope.Reference)
	if id := m.Envelope.MessageID; id != "" {
		refs = append(refs, id)
	}
	b := mail.Builder{
		From: a.from, To: []mail.Mailbox{{Addr: to}}, Subject: title, Date: d.opt.Now(), MessageID: mail.NewMessageID(d.opt.Hostname),
		InReplyTo: m.Envelope.MessageID, References: refs, AutoSubmitted: "auto-replied",
		Extra: []mail.ExtraField{{Name: "X-Auto-Response-Suppress", Value: "All"}}, Text: a.text,
	}
	return d.inject(ctx, tx, mail.Envelope{From: mail.Path{Null: true}, To: []mail.Recipient{{Addr: to}}}, b.Bytes())
}

// tell puts a note about rules that failed into the owner's own mailbox, once.
func (in *Incoming) tell(ctx context.Context, tx *sqldb.Tx, v *verdict) error {
	d := in.d
	first, err := d.stores.Rules.Trouble(ctx, tx, rules.Owner(v.owner), v.trouble)
	if err != nil || !first {
		return err
	}
	to := v.to.Addr
	b := mail.Builder{
		From: mail.Mailbox{Name: "Máy chủ thư", Addr: mail.Address{Local: "postmaster", Domain: to.Domain}}, To: []mail.Mailbox{{Addr: to}},
		Subject: "Quy tắc thư của bạn gặp lỗi (mail rules failed)", Date: d.opt.Now(), MessageID: mail.NewMessageID(d.opt.Hostname),
		AutoSubmitted: "auto-generated",
		Text: "Khi nhận thư số " + string(in.id) + ", quy tắc của bạn không chạy được:\n\n  " + v.trouble +
			"\n\nThư vẫn được giữ trong hộp thư đến. Hãy sửa quy tắc; thông báo này chỉ gửi một lần cho tới khi quy tắc được sửa.\n\n" +
			"-- English --\nYour mail rules could not be applied to message " + string(in.id) + " (reason above).\n" +
			"The message has been kept in your inbox. You are told only once until the rules are changed.\n",
	}
	d.opt.Log.Warn("rules failed", "queue_id", string(in.id), "account", int64(v.owner.Account), "unit", int64(v.owner.Unit))
	err = d.inject(ctx, tx, mail.Envelope{From: mail.Path{Null: true}, To: []mail.Recipient{{Addr: to}}}, b.Bytes())
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}
