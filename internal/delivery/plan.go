package delivery

import (
	"context"
	"io"
	"slices"
	"strings"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/rules"
	"vanthu/internal/sieve"
)

// A verdict is what becomes of a message at one recipient of ours, once its
// rules have been asked. A recipient without one gets the message into its usual
// folder.
type verdict struct {
	to      directory.Recipient
	owner   mailstore.Owner
	copies  []sieve.Action // Keep and File; none: no copy
	outside []mail.Address // sent on to other servers
	inside  []*verdict     // sent on to recipients who get it by this way only
	others  []mailstore.Owner
	answer  *answer
	trouble string         // what the owner is told once
	senders []mail.Address // who has sent it on before, the first one first
}

// maxSendersOn is how many recipients one after another send a message on
// before it is kept. RFC 5228, section 10, wants a bound.
const maxSendersOn = 5

// maxBodyText is how much text of a body filters look at, in octets.
const maxBodyText = 64 << 10

// plan asks the rules of everybody of ours who gets the message. It runs
// before the transaction: nothing is changed yet.
func (in *Incoming) plan(ctx context.Context, fin *mailstore.Finished) {
	if in.d.stores.Rules == nil {
		return
	}
	p := planner{in: in, fin: fin, snap: in.d.stores.Directory.Snapshot(), seen: map[mailstore.Owner]*verdict{}}
	for _, r := range in.local {
		p.seen[ownerOf(r)] = nil // gets it by itself
	}
	for _, r := range in.local {
		o := ownerOf(r)
		if v := p.judge(ctx, r, nil); v != nil {
			p.seen[o] = v
			p.all = append(p.all, v)
		}
	}
	p.ground()
	if len(p.all) == 0 {
		return
	}
	in.asked, in.verdicts = p.all, make(map[mailstore.Owner]*verdict, len(p.all))
	for _, v := range p.all {
		in.verdicts[v.owner] = v
	}
}

func ownerOf(r directory.Recipient) mailstore.Owner {
	return mailstore.Owner{Account: r.Account, Unit: r.Unit}
}

// planner makes the verdicts about one message.
type planner struct {
	in   *Incoming
	fin  *mailstore.Finished
	snap *directory.Snapshot
	// seen is everybody who gets the message, with their verdict; nil: into
	// the usual folder.
	seen     map[mailstore.Owner]*verdict
	all      []*verdict
	doc      *sieve.Document
	docKnown bool
	text     *string
}

// judge runs the rules of a recipient; nil when it has none.
func (p *planner) judge(ctx context.Context, r directory.Recipient, senders []mail.Address) *verdict {
	d := p.in.d
	o := ownerOf(r)
	set := d.stores.Rules.Of(rules.Owner(o))
	if set == nil {
		return nil
	}
	v := &verdict{to: r, owner: o, senders: senders}
	keep := []sieve.Action{{Kind: sieve.Keep}}
	scripts, err := set.Scripts()
	if err != nil { // it was compiled when it was set: an older version took it
		v.copies, v.trouble = keep, why(err)
		return v
	}
	if len(scripts) == 0 {
		v.copies = keep
		p.answer(v, set, nil)
		return v
	}
	res := sieve.Run(p.input(ctx, r, o), scripts...)
	if res.Err != nil {
		v.copies, v.trouble = keep, why(res.Err)
		return v
	}
	for _, a := range res.Actions {
		if a.Kind != sieve.Redirect {
			v.copies = append(v.copies, a)
		}
	}
	p.seen[o] = v
	for _, a := range res.Actions {
		if a.Kind == sieve.Redirect {
			if no := p.sendOn(ctx, v, a.To); no != "" {
				v.trouble = firstOf(v.trouble, "không chuyển tiếp được tới "+a.To.String()+": "+no)
				v.keep()
			}
		}
	}
	p.answer(v, set, res.Vacation)
	return v
}

// why gives the sentence about an error for its reader.
func why(err error) string {
	t := fault.Sentence(err)
	return firstOf(t.VI, t.EN)
}

// keep makes sure of a copy.
func (v *verdict) keep() {
	if len(v.copies) == 0 {
		v.copies = []sieve.Action{{Kind: sieve.Keep}}
	}
}

// address is by which address an owner is known when it sends on.
func (p *planner) address(o mailstore.Owner) mail.Address {
	if o.Unit != 0 {
		u, _ := p.snap.Unit(o.Unit)
		return u.Address
	}
	a, _ := p.snap.Account(o.Account)
	return a.Login
}

// sendOn follows a redirect. It gives why that cannot be done, in Vietnamese;
// "" with nothing done for a loop, in which the message is kept quietly.
func (p *planner) sendOn(ctx context.Context, v *verdict, to mail.Address) string {
	own := p.address(v.owner)
	for _, f := range p.fin.Scan.Header.Values("Delivered-To") {
		if a, err := mail.ParseAddress(strings.Trim(f, "<> \t"), true); err == nil && a.Key() == own.Key() {
			v.keep() // it has been here before
			return ""
		}
	}
	if len(v.senders) >= maxSendersOn {
		v.keep()
		return ""
	}
	t, err := p.snap.Resolve(to)
	if err != nil {
		return why(err)
	}
	if err := p.in.d.MayForward(v.owner, to); err != nil {
		return why(err)
	}
	if t.Kind == directory.TargetExternal || t.Kind == directory.TargetAlias {
		v.outside = append(v.outside, t.Addr)
		return ""
	}
	all, err := p.snap.Expand(to)
	if err != nil {
		return why(err)
	}
	senders := append(slices.Clip(v.senders), own)
	for _, r := range all {
		if r.Kind == directory.ToExternal {
			if p.in.d.checkRoute(r.Addr.Domain) == nil {
				v.outside = append(v.outside, r.Addr)
			}
			continue
		}
		o := ownerOf(r)
		if _, ok := p.seen[o]; ok {
			v.others = append(v.others, o)
			continue
		}
		next := &verdict{to: r, owner: o, copies: []sieve.Action{{Kind: sieve.Keep}}}
		p.seen[o] = next
		if j := p.judge(ctx, r, senders); j != nil {
			next = j
		}
		next.senders = senders
		p.seen[o] = next
		p.all = append(p.all, next)
		v.inside = append(v.inside, next)
	}
	return ""
}

// MayForward says why mail of an owner may not be sent on to an address: there is
// no way there, or it is a group that the owner may not post to.
func (d *Delivery) MayForward(o mailstore.Owner, to mail.Address) error {
	snap := d.stores.Directory.Snapshot()
	t, err := snap.Resolve(to)
	if err != nil {
		return err
	}
	switch t.Kind {
	case directory.TargetExternal, directory.TargetAlias:
		return d.checkRoute(t.Addr.Domain)
	case directory.TargetGroup:
		if !snap.MayPost(t.Group, o.Account) {
			return fault.New(fault.Denied, fault.Text{
				EN: "its owner may not send to the group " + to.String(), VI: "không được gửi thư tới nhóm " + to.String(),
			})
		}
	}
	return nil
}

// ground makes sure that a message which only goes round among recipients
// stays somewhere: a redirect counts when it ends in a copy, in another server,
// or with somebody who throws it away.
func (p *planner) ground() {
	stays := map[mailstore.Owner]bool{}
	for o, v := range p.seen {
		stays[o] = v == nil || len(v.copies)+len(v.outside) > 0 || len(v.inside)+len(v.others) == 0
	}
	for {
		var loose *verdict
		changed := false
		for _, v := range p.all {
			if stays[v.owner] {
				continue
			}
			if slices.ContainsFunc(v.others, func(o mailstore.Owner) bool { return stays[o] }) ||
				slices.ContainsFunc(v.inside, func(c *verdict) bool { return stays[c.owner] }) {
				stays[v.owner], changed = true, true
			} else {
				loose = v // the last: children come before whom they come from
			}
		}
		switch {
		case changed:
		case loose == nil:
			return
		default:
			loose.keep()
			stays[loose.owner] = true
		}
	}
}

// input is the message as the rules of one recipient see it.
func (p *planner) input(ctx context.Context, r directory.Recipient, o mailstore.Owner) sieve.Input {
	ms := p.in.d.stores.Mail
	return sieve.Input{
		Header: p.fin.Scan.Header, From: p.in.env.From, To: r.Named, Size: p.fin.Size,
		Text: p.bodyText, Document: p.document(),
		Mailbox: func(name string) bool {
			m, err := ms.Lookup(ctx, o, name)
			return err == nil && m.Selectable
		},
		Use: func(use string) bool {
			list, err := ms.List(ctx, o)
			return err == nil && slices.ContainsFunc(list, func(m mailstore.Mailbox) bool {
				return m.Selectable && m.Use != mailstore.UseNone && strings.EqualFold(string(m.Use), use)
			})
		},
	}
}

// bodyText gives the text of the message's text parts, up to a bound. A part
// that cannot be read counts as empty.
func (p *planner) bodyText() string {
	if p.text != nil {
		return *p.text
	}
	var b strings.Builder
	var walk func(part *mail.Part)
	walk = func(part *mail.Part) {
		for _, c := range part.Children {
			walk(c)
		}
		if part.Type != "text" || part.IsMultipart() || b.Len() >= maxBodyText {
			return
		}
		raw, err := io.ReadAll(io.LimitReader(part.Decoder(p.fin), int64(maxBodyText-b.Len())))
		if err == nil {
			b.WriteString(mail.DecodeText(raw, part.Charset()) + "\n")
		}
	}
	walk(p.fin.Scan.Root)
	s := b.String()
	p.text = &s
	return s
}

// document is what was recognised, for the document test.
func (p *planner) document() *sieve.Document {
	if !p.docKnown {
		p.doc, p.docKnown = DocumentOf(&p.in.rec), true
		if p.doc != nil {
			for _, f := range p.fin.Scan.Envelope.From {
				p.doc.Issuer = append(p.doc.Issuer, f.Name, f.Addr)
			}
		}
	}
	return p.doc
}

// DocumentOf gives what rules may ask of a message that was recognised as an
// official document or as a status of one; nil for others.
func DocumentOf(rec *edoc.Recognition) *sieve.Document {
	if !rec.IsDocument() && rec.Status == nil {
		return nil
	}
	d := &sieve.Document{
		State: []string{string(docstore.StateArrived)}, Op: []string{rec.Op.String()},
		Urgency: []string{rec.Urgency.Name(), rec.Urgency.NameEN()},
	}
	if rec.Status != nil {
		d.State = []string{string(docstore.StateOf(rec.Status.Code)), string(rec.Status.Code)}
	}
	if rec.Type.Name != "" {
		d.Type = []string{rec.Type.Name, rec.Type.Abbr}
	}
	if rec.Code != nil {
		d.Code = []string{rec.Code.String()}
	}
	return d
}
