package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/filter"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
)

// maxReceived is how many Received fields a message may have before it is
// taken to run in a circle. RFC 5321, section 6.3.
const maxReceived = 100

// Incoming is one message on its way in. It belongs to one goroutine. It must
// be ended by Commit or Abort.
type Incoming struct {
	d      *Delivery
	origin Origin
	env    mail.Envelope
	local  []directory.Recipient
	remote []mail.Recipient
	named  map[mail.Address]mail.Address // a local recipient's own address → what the sender wrote
	from   string                        // queue id at the peer that hands it over, "" for none
	body   *mailstore.Body
	id     queue.ID
	ended  bool

	arrived time.Time // when it came, when that is not now

	rec      edoc.Recognition             // what the message is as a document
	request  *numberRequest               // the number that it asks for, nil for none
	replied  *docstore.Replied            // what it asks for by its text, nil for nothing
	draft    *Draft                       // that it was made of, nil for none
	own      docstore.Place               // where the issuer's copy of a document lies
	drafts   *drafting                    // what it has to do with drafts for comment, nil for nothing
	verdicts map[mailstore.Owner]*verdict // what rules make of it
	asked    []*verdict                   // the same, those it is sent on to before who sends

	answers [][]byte // messages that answer queries, see lookUp

	results []error // for each of env.To, when the client is told by itself; see Results

	fin       *mailstore.Finished // the message as it is to be stored
	authentic []byte              // Authentication-Results, when it was checked
	signature []byte              // DKIM-Signature fields of ours
	added     []filter.Field      // what filters have added, to stand before the header
	prefix    []byte              // trace fields made before the message was held
}

// Accepted is what the sender is told.
type Accepted struct {
	QueueID queue.ID
	// Repeated: the same message had been accepted before; nothing was done.
	Repeated bool
}

// Begin starts to take a message in. Every recipient has passed
// CheckRecipient; each mailbox gets the message once, whatever ways lead there.
func (d *Delivery) Begin(_ context.Context, o Origin, env mail.Envelope) (*Incoming, error) {
	if err := d.opt.Room(); err != nil {
		return nil, err
	}
	in := &Incoming{d: d, origin: o, env: env, id: newQueueID(d.opt.Now())}
	if err := in.expand(d.stores.Directory.Snapshot()); err != nil {
		return nil, err
	}
	for _, r := range in.remote {
		if d.serves(r.Addr.Domain) { // a group may name an organisation that is gone
			if err := d.checkOrgan(r.Addr); err != nil {
				return nil, err
			}
		}
	}
	if o.Account != 0 {
		if err := d.rates.take(o.Account, d.rateOf(o.Account), len(env.To), d.opt.Now()); err != nil {
			return nil, err
		}
	}
	in.body = d.stores.Mail.NewBody()
	return in, nil
}

// newQueueID makes a name that sorts by time and that nobody can guess.
func newQueueID(at time.Time) queue.ID {
	return queue.ID(ulid.MustNew(ulid.Timestamp(at), ulid.DefaultEntropy()).String())
}

func (in *Incoming) expand(snap *directory.Snapshot) error {
	type box struct {
		account directory.AccountID
		unit    directory.UnitID
	}
	seen := map[box]bool{}
	out := map[mail.Address]bool{}
	for _, r := range in.env.To {
		all, err := snap.Expand(r.Addr)
		if err != nil {
			return err
		}
		for _, x := range all {
			if x.Kind == directory.ToExternal {
				if !out[x.Addr] {
					out[x.Addr] = true
					in.remote = append(in.remote, forwarded(r, x.Addr, len(all) > 1))
				}
				continue
			}
			if k := (box{x.Account, x.Unit}); !seen[k] {
				seen[k] = true
				in.local = append(in.local, x)
				if in.named == nil {
					in.named = map[mail.Address]mail.Address{}
				}
				in.named[x.Addr] = r.Addr
			}
		}
	}
	return nil
}

// Write takes the next octets of the body. Its errors are those of the disk
// and of limits; the message is then lost and must be aborted.
func (in *Incoming) Write(p []byte) (int, error) { return in.body.Write(p) }

// Abort forgets the message.
func (in *Incoming) Abort() {
	if !in.ended {
		in.ended = true
		in.uncount()
		in.body.Abort()
	}
}

// uncount takes the message out of its account's rate.
func (in *Incoming) uncount() {
	if in.origin.Account != 0 {
		in.d.rates.giveBack(in.origin.Account, len(in.env.To), in.d.opt.Now())
	}
}

// Commit accepts the message: it returns nil only after everything is on
// disk. What the sender did wrong is of kind Invalid or Denied; then the
// journal has the refusal where the rules want one, and nothing else is kept.
func (in *Incoming) Commit(ctx context.Context) (acc Accepted, err error) {
	if in.ended {
		return Accepted{}, errors.New("delivery: message committed twice")
	}
	in.ended = true
	defer func() {
		if err != nil {
			in.uncount()
		}
	}()
	d := in.d
	if in.fin, err = in.body.Finish(); err != nil {
		return Accepted{}, err
	}
	defer func() { err = errors.Join(err, in.fin.Release()) }()

	if acc, done, err := in.fromPeer(ctx); done || err != nil {
		return acc, d.refused(err)
	}
	key := in.dedupeKey(in.fin.SHA256) // of what came in: a repeated message is repeated whole
	doc, held, err := in.screen(ctx)
	if err != nil {
		return Accepted{}, d.refused(err)
	}
	id, before, err := d.recent.begin(ctx, key, d.opt.Now())
	if err != nil {
		return Accepted{}, err
	}
	if before {
		return Accepted{QueueID: id, Repeated: true}, nil
	}
	defer d.recent.end(key)
	later := held.Action != filter.Hold && in.defers()
	if !later {
		if held.Action != filter.Hold {
			if err := in.lookUp(ctx); err != nil {
				return Accepted{}, err
			}
		}
		in.plan(ctx, in.fin)
		if err = in.readText(ctx); err != nil {
			return Accepted{}, err
		}
	}
	if err := in.update(ctx, func(tx *sqldb.Tx) (err error) {
		switch {
		case held.Action == filter.Hold:
			acc, err = in.hold(ctx, tx, held)
		case later:
			acc, err = in.later(ctx, tx)
		default:
			acc, err = in.store(ctx, tx, in.fin, doc)
		}
		if err != nil || acc.Repeated {
			return err
		}
		return in.endDraft(ctx, tx)
	}); err != nil {
		if twice, ok := errors.AsType[errTwice](err); ok {
			return Accepted{QueueID: twice.first, Repeated: true}, nil
		}
		return Accepted{}, err
	}
	d.recent.add(key, acc.QueueID, d.opt.Now())
	return acc, nil
}

func (d *Delivery) refused(err error) error {
	if k := fault.KindOf(err); k == fault.Invalid || k == fault.Denied || k == fault.Conflict {
		d.stats.Refused.Add(1)
	}
	return err
}

// checkMessage refuses what no recipient should get.
func (in *Incoming) checkMessage(m *mail.Message) error {
	if m.Defects&(mail.DefectBareCR|mail.DefectBareLF|mail.DefectNUL) != 0 && in.env.Body != mail.BodyBinaryMIME {
		return fault.New(fault.Invalid, fault.Text{
			EN: "the message has line ends other than CR LF, or zero octets",
			VI: "thư có ký tự xuống dòng sai chuẩn hoặc ký tự rỗng",
		})
	}
	if n := m.Header.Count("Received"); n > maxReceived {
		return fault.New(fault.Conflict, fault.Text{
			EN: "the message has passed too many servers: it runs in a circle",
			VI: "thư đã qua quá nhiều máy chủ, có thể đang chạy vòng",
		})
	}
	if err := in.checkUTF8(m); err != nil {
		return err
	}
	if m.HeaderLen > maxHeaderLen || len(m.Header) >= maxFields ||
		slices.ContainsFunc(m.Header, func(f mail.Field) bool { return f.Len > maxFieldLen }) {
		return fault.WithStatus(fault.New(fault.Invalid, fault.Text{EN: "the message's header is too large", VI: "phần đầu thư quá lớn"}), "5.3.4")
	}
	if in.origin.Account == 0 {
		return nil
	}
	if !m.Header.Has("From") {
		return fault.New(fault.Invalid, fault.Text{
			EN: "the message does not say whom it is from: it has no From field", VI: "thư thiếu trường From (người gửi)",
		})
	}
	// What our own people send must say truly who they are. RFC 6409, section
	// 6.1; two From fields let one be checked and another be shown.
	for _, name := range []string{"From", "Sender"} {
		if m.Header.Count(name) > 1 {
			return fault.New(fault.Invalid, fault.Text{
				EN: "the message has more than one " + name + " field", VI: "thư có nhiều hơn một trường " + name,
			})
		}
	}
	snap := in.d.stores.Directory.Snapshot()
	for _, a := range append(m.Envelope.From[:len(m.Envelope.From):len(m.Envelope.From)], m.Envelope.Sender...) {
		if a.Group != mail.GroupNone {
			continue
		}
		addr, err := mail.ParseAddress(a.Addr, true)
		if err != nil || !snap.MaySendAs(in.origin.Account, addr) {
			return fault.New(fault.Denied, fault.Text{
				EN: "the From field names an address that you may not send as",
				VI: "trường From ghi địa chỉ mà bạn không được dùng để gửi",
			})
		}
	}
	return nil
}

// store writes everything into tx.
func (in *Incoming) store(ctx context.Context, tx *sqldb.Tx, fin *mailstore.Finished, doc *document) (Accepted, error) {
	d := in.d
	now := d.opt.Now()
	local := in.local
	if in.from != "" {
		first, fresh, err := in.takeTransfers(ctx, tx)
		if err != nil {
			return Accepted{}, err
		}
		if fresh < len(in.env.To) {
			return Accepted{}, errTwice{first}
		}
	}
	if doc != nil {
		first, rest, err := in.notYetSent(ctx, tx, fin, doc)
		if err != nil {
			return Accepted{}, err
		}
		if first != "" && len(rest) == 0 && len(in.remote) == 0 {
			return Accepted{QueueID: first, Repeated: true}, nil
		}
		local = rest
	}
	if in.draft != nil && doc == nil {
		return Accepted{}, errNoUnit()
	}
	if doc.asks() {
		if err := in.number(ctx, tx, fin, doc); err != nil {
			return Accepted{}, err
		}
	}
	if in.request != nil {
		if err := in.reserve(ctx, tx, fin); err != nil {
			return Accepted{}, err
		}
	}
	all := local
	local = in.keepers(all, doc)
	msg, err := d.stores.Mail.Store(ctx, tx, fin, in.trace(now, doc), now)
	if err != nil {
		return Accepted{}, err
	}
	drops, err := in.drops(ctx, tx, local, doc)
	if err != nil {
		return Accepted{}, err
	}
	extra, err := in.more(ctx, tx, local, drops, doc)
	if err != nil {
		return Accepted{}, err
	}
	drops = append(drops, extra...)
	got, err := d.stores.Mail.DeliverMany(ctx, tx, drops, msg)
	if err != nil {
		return Accepted{}, err
	}
	failed, err := undelivered(local, got)
	if err != nil {
		return Accepted{}, err
	}
	if n := len(local); doc != nil && doc.issuer.ID != 0 && !doc.again {
		in.own = docstore.Place{Mailbox: int64(drops[n].Mailbox), UID: int64(got[n].UID)}
	}
	if doc != nil {
		if err := in.intake(ctx, tx, fin, doc, msg, local, drops, got); err != nil {
			return Accepted{}, err
		}
	}
	if err := in.wantCheck(ctx, tx, fin, wanted{msg: msg, local: local, drops: drops, got: got, doc: doc, at: now}); err != nil {
		return Accepted{}, err
	}
	queued := in.queued()
	if len(queued) > 0 {
		if err := d.stores.Queue.Enqueue(ctx, tx, in.id, queue.MessageRef(msg), in.env, queued); err != nil {
			return Accepted{}, err
		}
	}
	copies := len(drops) - len(failed)
	if _, err := journal.Append(ctx, tx, journal.Event{
		At: now, Type: "mail.accepted", Actor: in.actor(), Subject: string(in.id), Data: in.acceptedData(fin, copies),
	}); err != nil {
		return Accepted{}, err
	}
	if err := in.report(ctx, tx, fin, doc, failed); err != nil {
		return Accepted{}, err
	}
	if err := in.obey(ctx, tx, msg); err != nil {
		return Accepted{}, err
	}
	if err := in.keepDraft(ctx, tx, msg); err != nil {
		return Accepted{}, err
	}
	if err := in.follow(ctx, tx, fin, doc, all); err != nil {
		return Accepted{}, err
	}
	if err := in.sendAnswers(ctx, tx); err != nil {
		return Accepted{}, err
	}
	tx.OnCommit(func() {
		d.stats.Accepted.Add(1)
		d.stats.Copies.Add(int64(copies))
		d.stats.Queued.Add(int64(len(queued)))
		if doc != nil {
			d.stats.Documents.Add(1)
			d.stats.Dispatches.Add(int64(doc.units))
		}
	})
	return Accepted{QueueID: in.id}, nil
}

// notYetSent leaves out the units that have this very document already: a
// client that did not hear our 250 sends it again, one that names further
// units sends it to these. first is the name under which it was accepted.
func (in *Incoming) notYetSent(
	ctx context.Context, tx *sqldb.Tx, fin *mailstore.Finished, doc *document,
) (first queue.ID, rest []directory.Recipient, err error) {
	before, sent, again, err := docstore.FindSubmission(ctx, tx, docstore.Submission{
		Issuer: doc.issuer.ID, MailID: docstore.MailID(fin.Scan.Envelope.MessageID), BodySHA256: doc.hash,
	})
	if err != nil || !again {
		return "", in.local, err
	}
	doc.again = true
	has := map[directory.UnitID]bool{}
	out := map[string]bool{}
	for _, s := range sent {
		if s.To != 0 {
			has[s.To] = true
		} else {
			out[s.Address] = true
		}
	}
	in.remote = slices.DeleteFunc(in.remote, func(r mail.Recipient) bool { return out[r.Addr.String()] })
	for _, r := range in.local {
		if r.Kind == directory.ToUnit && !has[r.Unit] && r.Unit != doc.issuer.ID {
			rest = append(rest, r)
		}
	}
	return queue.ID(before.QueueID), rest, nil
}

// undelivered gives the recipients without room. When there is no other, the
// message as a whole fails with the first one's error.
func undelivered(local []directory.Recipient, got []mailstore.Dropped) (failed []Reported, err error) {
	for i, g := range got {
		if g.Err != nil && i < len(local) {
			failed = append(failed, Reported{
				To: mail.Recipient{Addr: local[i].Addr}, Action: Failed, Status: "5.2.2", Text: fault.Sentence(g.Err),
			})
			err = g.Err
		}
	}
	if len(failed) < len(local) {
		err = nil
	}
	return failed, err
}

// drops gives the mailboxes that the message goes to: the INBOX of accounts,
// the folder for ordinary mail of units, or their folder of documents that
// wait to be registered. The issuer's own copy comes last.
func (in *Incoming) drops(ctx context.Context, tx *sqldb.Tx, local []directory.Recipient, doc *document) ([]mailstore.Drop, error) {
	drops := make([]mailstore.Drop, 0, len(local)+1)
	for _, r := range local {
		owner, role := mailstore.Owner{Account: r.Account}, mailstore.RoleNone
		if r.Kind == directory.ToUnit {
			owner, role = mailstore.Owner{Unit: r.Unit}, mailstore.RoleUnitInbox
			if doc != nil && r.Unit != doc.issuer.ID {
				role = mailstore.RoleIncoming
			}
		}
		box, err := in.d.mailbox(ctx, tx, owner, role)
		if err != nil {
			return nil, err
		}
		drop, err := in.place(ctx, tx, r, box, doc)
		if err != nil {
			return nil, err
		}
		drops = append(drops, drop)
	}
	if doc != nil && doc.issuer.ID != 0 && !doc.again {
		box, err := in.d.mailbox(ctx, tx, mailstore.Owner{Unit: doc.issuer.ID}, mailstore.RoleIssued)
		if err != nil {
			return nil, err
		}
		flags, err := in.d.stores.Mail.Bits(ctx, tx, box, mailstore.Flags{System: mailstore.Seen, Keywords: []string{docstore.KeywordOutgoing}})
		if errors.Is(err, mailstore.ErrTooManyKeywords) {
			flags, err = mailstore.Seen, nil
		}
		if err != nil {
			return nil, err
		}
		drops = append(drops, mailstore.Drop{Mailbox: box, Flags: flags})
	}
	return drops, nil
}

// mailbox gives the INBOX of an account or the folder of a unit. The folders
// of one that gets its first mail are made here.
func (d *Delivery) mailbox(
	ctx context.Context, tx *sqldb.Tx, o mailstore.Owner, role mailstore.FolderRole,
) (id mailstore.MailboxID, err error) {
	ms := d.stores.Mail
	find := func() (mailstore.MailboxID, error) {
		if o.Unit != 0 {
			return ms.Role(ctx, tx, o.Unit, role)
		}
		return ms.Inbox(ctx, tx, o)
	}
	if id, err = find(); !errors.Is(err, mailstore.ErrNoMailbox) {
		return id, err
	}
	if o.Unit != 0 {
		err = ms.EnsureUnit(ctx, tx, o.Unit)
	} else {
		err = ms.EnsureAccount(ctx, tx, o.Account)
	}
	if err != nil {
		return 0, fmt.Errorf("make the folders of a recipient: %w", err)
	}
	return find()
}

func (in *Incoming) actor() journal.Actor {
	if p := in.origin.Package; p != nil {
		return journal.Actor{Kind: journal.ActorExternal, Name: docstore.AxisPeer(p.Organ)}
	}
	if in.origin.Account == 0 {
		return journal.Actor{Kind: journal.ActorExternal, Name: in.env.From.String()}
	}
	return in.d.accountActor(in.origin.Account)
}

func (d *Delivery) accountActor(id directory.AccountID) journal.Actor {
	by := journal.Actor{Kind: journal.ActorAccount, ID: int64(id)}
	if a, ok := d.stores.Directory.Snapshot().Account(id); ok {
		by.Name = a.Login.String()
	}
	return by
}

// acceptedData is what the journal keeps of an acceptance: who, to whom, which
// octets; never the subject or the content.
type acceptedData struct {
	From       string   `json:"from"`
	To         []string `json:"to"`
	Recipients int      `json:"recipients"` // as the sender named them; To holds the first ones only
	Copies     int      `json:"copies"`
	Remote     int      `json:"remote"`
	Size       int64    `json:"size"`
	SHA256     string   `json:"sha256"`
	MessageID  string   `json:"message_id"`
	Client     string   `json:"client"`
}

func (in *Incoming) acceptedData(fin *mailstore.Finished, copies int) acceptedData {
	const most = 100 // a circular to more names its groups; each dispatch has its own entry
	data := acceptedData{
		From: in.env.From.String(), Recipients: len(in.env.To), Copies: copies, Remote: len(in.remote),
		Size: fin.Size, SHA256: fmt.Sprintf("%x", fin.SHA256), MessageID: fin.Scan.Envelope.MessageID,
		Client: in.origin.Remote.String(),
	}
	data.To = make([]string, 0, min(len(in.env.To), most))
	for _, r := range in.env.To[:min(len(in.env.To), most)] {
		data.To = append(data.To, r.Addr.String())
	}
	return data
}
