package delivery

import (
	"context"
	"slices"
	"strings"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// detailSearch is the sub-address of a unit that answers queries. edoc.md §4.5.
const detailSearch = "tracuu"

// maxLookUp is the longest query by mail that is looked at, in octets.
const maxLookUp = 4 << 10

// A LookUp is a query that one of our own people sent to a unit of theirs.
type LookUp struct {
	Account directory.AccountID // who has logged in to send it
	Unit    directory.UnitID
	Query   string
}

// lookUp answers a query that came to a unit's +tracuu: by somebody who logged
// in and has work in the unit, and never what a program sent (RFC 3834). What is
// answered lies in no mailbox but the sender's. It runs before the
// transaction; anything else stays ordinary mail.
func (in *Incoming) lookUp(ctx context.Context) error {
	d := in.d
	if d.opt.LookUp == nil || in.origin.Account == 0 || !in.mayAnswer(in.fin.Scan, nil) {
		return nil
	}
	snap := d.stores.Directory.Snapshot()
	for i, r := range in.local {
		if r.Kind != directory.ToUnit || edoc.Fold(r.Detail) != detailSearch || !hasWork(snap, in.origin.Account, r.Unit) {
			continue
		}
		u, _ := snap.Unit(r.Unit)
		text, err := d.opt.LookUp(ctx, LookUp{Account: in.origin.Account, Unit: r.Unit, Query: in.queryText()})
		if err != nil {
			return err
		}
		b := in.reply(mail.Mailbox{Name: u.Name, Addr: u.Address})
		b.Subject, b.Text = "Tra cứu (search): "+in.queryText(), text
		in.answers = append(in.answers, b.Bytes())
		in.local = slices.Delete(slices.Clone(in.local), i, i+1)
		return nil // one answer to one message
	}
	return nil
}

// hasWork tells whether an account has any role in a unit.
func hasWork(snap *directory.Snapshot, id directory.AccountID, unit directory.UnitID) bool {
	return slices.ContainsFunc(directory.Roles(), func(r directory.Role) bool { return snap.HasRole(id, unit, r) })
}

// queryText is the subject, or when that is empty the first line that says
// something.
func (in *Incoming) queryText() string {
	p := planner{in: in, fin: in.fin}
	text := strings.TrimSpace(in.fin.Scan.Envelope.Subject)
	if text == "" {
		for line := range strings.Lines(p.bodyText()) {
			if text = strings.TrimSpace(line); text != "" {
				break
			}
		}
	}
	if len(text) > maxLookUp {
		text = text[:maxLookUp]
	}
	return strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
}

// sendAnswers puts the answers to queries on their way within tx. They have the
// null reverse-path: nothing answers them.
func (in *Incoming) sendAnswers(ctx context.Context, tx *sqldb.Tx) error {
	for _, a := range in.answers {
		env := mail.Envelope{From: mail.Path{Null: true}, To: []mail.Recipient{{Addr: in.env.From.Address}}}
		if err := in.d.inject(ctx, tx, env, a); err != nil {
			return err
		}
	}
	return nil
}

// reply begins an automatic answer to the message. RFC 3834, section 3.
func (in *Incoming) reply(from mail.Mailbox) mail.Builder {
	m := in.fin.Scan
	refs := slices.Clone(m.Envelope.Reference)
	if id := m.Envelope.MessageID; id != "" {
		refs = append(refs, id)
	}
	return mail.Builder{
		From: from, To: []mail.Mailbox{{Addr: in.env.From.Address}}, Date: in.d.opt.Now(), MessageID: mail.NewMessageID(in.d.opt.Hostname),
		InReplyTo: m.Envelope.MessageID, References: refs, AutoSubmitted: "auto-replied", Language: "vi",
		Extra: []mail.ExtraField{{Name: "X-Auto-Response-Suppress", Value: "All"}},
	}
}
