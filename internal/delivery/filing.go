package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/queue"
	"vanthu/internal/sieve"
	"vanthu/internal/sqldb"
)

// keepers leaves out the recipients whose rules want no copy of their own. A
// unit's copy of a document is never one of these.
func (in *Incoming) keepers(local []directory.Recipient, doc *document) []directory.Recipient {
	if len(in.verdicts) == 0 {
		return local
	}
	return slices.DeleteFunc(slices.Clone(local), func(r directory.Recipient) bool {
		v := in.verdicts[ownerOf(r)]
		return v != nil && len(v.copies) == 0 && !doc.waits(r)
	})
}

// waits tells whether a recipient's copy waits for the clerk as a document.
func (doc *document) waits(r directory.Recipient) bool {
	return doc != nil && r.Kind == directory.ToUnit && r.Unit != doc.issuer.ID
}

// place gives where a recipient's first copy goes: usual, the folder that its
// address names, or what its rules say. Whatever is wrong with a folder, the
// message goes to usual.
func (in *Incoming) place(ctx context.Context, tx *sqldb.Tx, r directory.Recipient, usual mailstore.MailboxID, doc *document) (mailstore.Drop, error) {
	v := in.verdicts[ownerOf(r)]
	if doc.waits(r) {
		flags := []string{}
		if v != nil {
			for _, a := range v.copies {
				flags = append(flags, a.Flags...)
			}
		}
		return in.flagged(ctx, tx, usual, flags)
	}
	usual, err := in.detailFolder(ctx, tx, r, usual)
	if err != nil || v == nil || len(v.copies) == 0 {
		return mailstore.Drop{Mailbox: usual}, err
	}
	return in.drop(ctx, tx, r, usual, v.copies[0])
}

// more gives the drops beyond the first one.
func (in *Incoming) more(ctx context.Context, tx *sqldb.Tx, local []directory.Recipient, drops []mailstore.Drop, doc *document) (extra []mailstore.Drop, err error) {
	for i, r := range local {
		v := in.verdicts[ownerOf(r)]
		if v == nil {
			continue
		}
		waits := doc.waits(r)
		if len(v.copies) < 2 && !waits {
			continue
		}
		usual, err := in.usual(ctx, tx, r)
		if err != nil {
			return nil, err
		}
		used := []mailstore.MailboxID{drops[i].Mailbox}
		if waits {
			used = append(used, usual) // where a folder that is missing would lead
		}
		for n, a := range v.copies {
			if n == 0 && !waits || waits && a.Kind != sieve.File {
				continue
			}
			x, err := in.drop(ctx, tx, r, usual, a)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(used, x.Mailbox) {
				used = append(used, x.Mailbox)
				extra = append(extra, x)
			}
		}
	}
	return extra, nil
}

// usual gives the folder that a recipient's ordinary mail goes to.
func (in *Incoming) usual(ctx context.Context, tx *sqldb.Tx, r directory.Recipient) (mailstore.MailboxID, error) {
	box, err := in.d.mailbox(ctx, tx, ownerOf(r), usualRole(r))
	if err != nil {
		return 0, err
	}
	return in.detailFolder(ctx, tx, r, box)
}

func usualRole(r directory.Recipient) mailstore.FolderRole {
	if r.Kind == directory.ToUnit {
		return mailstore.RoleUnitInbox
	}
	return mailstore.RoleNone
}

// drop turns an action into a drop.
func (in *Incoming) drop(ctx context.Context, tx *sqldb.Tx, r directory.Recipient, usual mailstore.MailboxID, a sieve.Action) (mailstore.Drop, error) {
	box := usual
	if a.Kind == sieve.File {
		found, err := in.folder(ctx, tx, ownerOf(r), a)
		if err != nil {
			return mailstore.Drop{}, err
		}
		if found != 0 {
			box = found
		}
	}
	return in.flagged(ctx, tx, box, a.Flags)
}

// folder finds, or makes, the mailbox that an action names; 0 when that cannot
// be. Folders of the document workflow are none: being there means something.
func (in *Incoming) folder(ctx context.Context, tx *sqldb.Tx, o mailstore.Owner, a sieve.Action) (mailstore.MailboxID, error) {
	ms := in.d.stores.Mail
	list, err := ms.ListIn(ctx, tx, o)
	if err != nil {
		return 0, err
	}
	name, nameErr := mailstore.Name(a.Mailbox)
	fits := func(m mailstore.Mailbox) bool {
		return m.Selectable && (m.Role == mailstore.RoleNone || m.Role == mailstore.RoleUnitInbox)
	}
	for _, m := range list {
		if a.Use != "" && strings.EqualFold(string(m.Use), a.Use) && fits(m) {
			return m.ID, nil
		}
	}
	if nameErr != nil {
		return 0, nil
	}
	for _, m := range list {
		if m.Name == name && fits(m) {
			return m.ID, nil
		}
	}
	if !a.Create || slices.ContainsFunc(list, func(m mailstore.Mailbox) bool { return m.Name == name }) {
		return 0, nil
	}
	id, err := ms.CreateIn(ctx, tx, o, name)
	if errors.Is(err, mailstore.ErrTooMany) || errors.Is(err, mailstore.ErrBadName) || errors.Is(err, mailstore.ErrExists) {
		return 0, nil
	}
	return id, err
}

// flagged makes a drop with flags; keywords that the mailbox cannot take any more
// are left out.
func (in *Incoming) flagged(ctx context.Context, tx *sqldb.Tx, box mailstore.MailboxID, names []string) (mailstore.Drop, error) {
	drop := mailstore.Drop{Mailbox: box}
	if len(names) == 0 {
		return drop, nil
	}
	var f mailstore.Flags
	system := map[string]mailstore.FlagSet{
		`\seen`: mailstore.Seen, `\answered`: mailstore.Answered, `\flagged`: mailstore.Flagged, `\deleted`: mailstore.Deleted, `\draft`: mailstore.Draft,
	}
	for _, n := range names {
		if bit, ok := system[strings.ToLower(n)]; ok {
			f.System |= bit
		} else if mailstore.ValidKeyword(n) {
			f.Keywords = append(f.Keywords, n)
		}
	}
	bits, err := in.d.stores.Mail.Bits(ctx, tx, box, f)
	if errors.Is(err, mailstore.ErrTooManyKeywords) || errors.Is(err, mailstore.ErrNoMailbox) {
		bits, err = f.System, nil
	}
	drop.Flags = bits
	return drop, err
}

// detailFolder gives the folder that a sub-address names, if the recipient has
// one, else usual. "+bao-cao" finds "Báo cáo" too: addresses seldom have
// diacritics or blanks. Folders of a special use are not for senders to
// choose, and details that say what to do with a document are no folders.
func (in *Incoming) detailFolder(ctx context.Context, tx *sqldb.Tx, r directory.Recipient, usual mailstore.MailboxID) (mailstore.MailboxID, error) {
	if r.Detail == "" || edoc.IsDetail(r.Detail) {
		return usual, nil
	}
	list, err := in.d.stores.Mail.ListIn(ctx, tx, ownerOf(r))
	if err != nil {
		return 0, err
	}
	exact, loose := mailstore.MailboxID(0), mailstore.MailboxID(0)
	for _, m := range list {
		if !m.Selectable || m.Use != mailstore.UseNone || m.Role != mailstore.RoleNone {
			continue
		}
		switch {
		case strings.EqualFold(m.Name, r.Detail):
			exact = m.ID
		case loose == 0 && looseName(m.Name) == looseName(r.Detail):
			loose = m.ID
		}
	}
	for _, id := range []mailstore.MailboxID{exact, loose} {
		if id != 0 {
			return id, nil
		}
	}
	return usual, nil
}

func looseName(s string) string {
	return strings.NewReplacer(" ", "-", "_", "-", ".", "/").Replace(mail.Fold(s))
}

// follow does within tx what the rules want beyond copies: it sends on, answers,
// and tells owners of failures. local is who gets the message now.
func (in *Incoming) follow(ctx context.Context, tx *sqldb.Tx, fin *mailstore.Finished, doc *document, local []directory.Recipient) error {
	for _, r := range local { // those who were sent it on come with who sends it
		if v := in.verdicts[ownerOf(r)]; v != nil {
			if err := in.sendOn(ctx, tx, fin, doc, sending{v, in.wishesFor(v.to)}); err != nil {
				return err
			}
		}
	}
	for _, v := range in.asked {
		if v.trouble != "" {
			if err := in.tell(ctx, tx, v); err != nil {
				return err
			}
		}
		if v.answer != nil {
			if err := in.send(ctx, tx, v.answer, fin.Scan); err != nil {
				return err
			}
		}
	}
	for _, a := range in.notices(fin.Scan, local) {
		if err := in.send(ctx, tx, a, fin.Scan); err != nil {
			return err
		}
	}
	return nil
}

// redirectedData is what the journal keeps of a message that was sent on.
type redirectedData struct {
	QueueID string   `json:"queue_id"`
	By      string   `json:"by"`
	To      []string `json:"to"`
}

// sending is a verdict that sends on, with what the sender asked for the
// recipient whose verdict it is.
type sending struct {
	*verdict
	asked mail.Recipient
}

// on is what is asked for somebody it is sent on to. Who sends on all of it to
// one address is an alias, for which the wishes hold unchanged; else whoever asked
// for a report of success has it from here. RFC 3461, sections 5.2.7.2 and 5.2.7.3 (c).
func (s sending) on(to mail.Address, doc *document) mail.Recipient {
	return forwarded(s.asked, to, !s.alias(doc))
}

// alias tells whether the message goes on to one address and is not kept.
func (v *verdict) alias(doc *document) bool {
	return !v.keeps(doc) && len(v.outside)+len(v.inside)+len(v.others) == 1
}

// keeps tells whether a copy stays with the recipient.
func (v *verdict) keeps(doc *document) bool { return len(v.copies) > 0 || doc.waits(v.to) }

// sendOn stores a message anew for those it is sent on to, with a field that
// says who did, and goes on with what their rules say.
func (in *Incoming) sendOn(ctx context.Context, tx *sqldb.Tx, fin *mailstore.Finished, doc *document, v sending) error {
	if len(v.outside)+len(v.inside) == 0 {
		return nil
	}
	d := in.d
	own := in.ownerAddress(v.owner)
	data := redirectedData{QueueID: string(in.id), By: own.String()}
	msg, err := d.stores.Mail.Store(ctx, tx, fin, deliveredTo(in.trace(d.opt.Now(), doc), append(slices.Clone(v.senders), own)), d.opt.Now())
	if err != nil {
		return err
	}
	if len(v.outside) > 0 {
		rcpts := make([]mail.Recipient, len(v.outside))
		for i, a := range v.outside {
			rcpts[i] = v.on(a, doc)
			data.To = append(data.To, a.String())
		}
		env := in.env
		env.To = nil
		if err := d.stores.Queue.Enqueue(ctx, tx, newQueueID(d.opt.Now()), queue.MessageRef(msg), env, rcpts); err != nil {
			return err
		}
	}
	for _, c := range v.inside {
		data.To = append(data.To, c.to.Addr.String())
		if err := in.deliverOn(ctx, tx, v.verdict, c, msg); err != nil {
			return err
		}
	}
	by := in.d.accountActor(v.owner.Account)
	if v.owner.Unit != 0 {
		by = journal.System("rules")
	}
	if _, err := journal.Append(ctx, tx, journal.Event{
		At: d.opt.Now(), Type: "mail.redirected", Actor: by, Subject: string(in.id), Unit: int64(v.owner.Unit), Data: data,
	}); err != nil {
		return err
	}
	for _, c := range v.inside {
		if err := in.sendOn(ctx, tx, fin, doc, sending{c, v.on(c.to.Addr, doc)}); err != nil {
			return err
		}
	}
	return nil
}

// deliverOn puts a message into the mailboxes of one it was sent on to. When
// there is no room, whoever sent it on keeps it.
func (in *Incoming) deliverOn(ctx context.Context, tx *sqldb.Tx, from, to *verdict, msg mailstore.MessageID) error {
	local := in.keepers([]directory.Recipient{to.to}, nil)
	if len(local) == 0 {
		return nil
	}
	drops, err := in.drops(ctx, tx, local, nil)
	if err != nil {
		return err
	}
	more, err := in.more(ctx, tx, local, drops, nil)
	if err != nil {
		return err
	}
	got, err := in.d.stores.Mail.DeliverMany(ctx, tx, append(drops, more...), msg)
	if err != nil || got[0].Err == nil {
		return err
	}
	box, err := in.d.mailbox(ctx, tx, from.owner, usualRole(from.to))
	if err != nil {
		return err
	}
	if _, err := in.d.stores.Mail.Deliver(ctx, tx, box, msg, 0, in.d.opt.Now()); err != nil {
		return fmt.Errorf("keep a message that nobody has room for: %w", err)
	}
	return nil
}

func (in *Incoming) ownerAddress(o mailstore.Owner) mail.Address {
	p := planner{snap: in.d.stores.Directory.Snapshot()}
	return p.address(o)
}

// deliveredTo adds to the trace fields by whom a message has been sent on, the
// last one first, behind the Return-Path that must come first of all.
func deliveredTo(trace []byte, by []mail.Address) []byte {
	at := bytes.IndexByte(trace, '\n') + 1
	out := bytes.Clone(trace[:at])
	for i := len(by) - 1; i >= 0; i-- {
		out = append(out, "Delivered-To: "+by[i].String()+"\r\n"...)
	}
	return append(out, trace[at:]...)
}
