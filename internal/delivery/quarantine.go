package delivery

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/filter"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
)

// HeldID names one message in quarantine.
type HeldID int64

// HeldState is what became of a message in quarantine.
type HeldState string

// The states; all but the first are final.
const (
	StateHeld     HeldState = "held"
	StateReleased HeldState = "released"
	StateDropped  HeldState = "dropped"
	StateExpired  HeldState = "expired"
)

// Held is a message that was accepted and waits for an administrator's
// decision, or has had it.
type Held struct {
	ID        HeldID      `json:"id"`
	Queue     queue.ID    `json:"queue_id"` // as its sender was told
	State     HeldState   `json:"state"`
	Reason    filter.Code `json:"reason"`
	Text      string      `json:"text"`    // the reason for people, in English
	TextVI    string      `json:"text_vi"` // and in Vietnamese
	From      string      `json:"from"`    // "" for the null path
	To        []string    `json:"to"`
	Subject   string      `json:"subject"`
	Size      int64       `json:"size"`
	Created   time.Time   `json:"created"`
	Expires   time.Time   `json:"expires"`
	Decided   time.Time   `json:"decided,omitzero"`
	DecidedBy string      `json:"decided_by,omitempty"`

	// Files and Results are known of a single message only.
	Files   []HeldFile `json:"files,omitempty"`
	Results string     `json:"results,omitempty"` // of authentication

	message  mailstore.MessageID
	envelope heldEnvelope
}

// HeldFile is an attachment of a message in quarantine.
type HeldFile struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"` // octets as sent, before decoding
}

// heldEnvelope is all that must be known to deliver the message later as if it
// had just come. docs/formats/quarantine.md
type heldEnvelope struct {
	Origin   Origin        `json:"origin"`
	Envelope mail.Envelope `json:"envelope"`
}

const (
	qHold = `INSERT INTO quarantine
 (queue_id, message_id, state, reason, text_en, text_vi, envelope, sender, subject, size, created_us, expires_us, decided_us, decided_by)
 VALUES ($1, $2, 'held', $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, '') RETURNING id`
	heldColumns = `id, queue_id, message_id, state, reason, text_en, text_vi, envelope, sender, subject, size, created_us, expires_us, decided_us, decided_by`
	qHeldList   = `SELECT ` + heldColumns + ` FROM quarantine WHERE $1 = 1 OR state = 'held' ORDER BY id LIMIT $2`
	qHeldOne    = `SELECT ` + heldColumns + ` FROM quarantine WHERE id = $1`
	qHeldDue    = `SELECT ` + heldColumns + ` FROM quarantine WHERE state = 'held' AND expires_us <= $1 ORDER BY expires_us LIMIT 100`
	qHeldEnd    = `UPDATE quarantine SET state = $1, decided_us = $2, decided_by = $3 WHERE id = $4 AND state = 'held'`
	qHeldUses   = `SELECT count(*) FROM quarantine WHERE message_id = $1 AND state = 'held'`
)

// hold accepts the message into quarantine instead of mailboxes.
func (in *Incoming) hold(ctx context.Context, tx *sqldb.Tx, why filter.Decision) (Accepted, error) {
	d, now := in.d, in.d.opt.Now()
	msg, err := d.stores.Mail.Store(ctx, tx, in.fin, in.trace(now, nil), now)
	if err != nil {
		return Accepted{}, err
	}
	env, err := json.Marshal(heldEnvelope{Origin: in.origin, Envelope: in.env})
	if err != nil {
		return Accepted{}, err
	}
	sender := ""
	if !in.env.From.Null {
		sender = in.env.From.Address.String()
	}
	var id int64
	if err := tx.QueryRow(ctx, qHold, string(in.id), int64(msg), string(why.Code), why.Text.EN, why.Text.VI, env, sender,
		in.fin.Scan.Envelope.Subject, in.fin.Size, sqldb.Micros(now), sqldb.Micros(now.Add(d.opt.Screen.HoldTime))).Scan(&id); err != nil {
		return Accepted{}, fmt.Errorf("put a message into quarantine: %w", err)
	}
	data := in.acceptedData(in.fin, 0)
	if _, err := journal.Append(ctx, tx, journal.Event{
		At: now, Type: "mail.held", Actor: in.actor(), Subject: string(in.id),
		Data: map[string]any{"quarantine": id, "reason": string(why.Code), "message": data},
	}); err != nil {
		return Accepted{}, err
	}
	h := Held{Queue: in.id, Text: why.Text.EN, TextVI: why.Text.VI, Created: now, envelope: heldEnvelope{in.origin, in.env}}
	if err := d.tellHeld(ctx, tx, h, noticeHeld); err != nil {
		return Accepted{}, err
	}
	tx.OnCommit(func() { d.stats.Held.Add(1) })
	return Accepted{QueueID: in.id}, nil
}

// heldNotice is one of the messages that the sender of a held message gets.
type heldNotice struct{ subject, vi, en string }

// The notices; %s are time, queue id and reason, in this order. NĐ 30/2020
// wants a sender to know where a document stands; edoc.md §4.3, TẠM GIỮ.
var (
	noticeHeld = heldNotice{
		subject: "TẠM GIỮ: thư của bạn đang chờ kiểm tra (held for review)",
		vi:      "Thư bạn gửi lúc %s (số %s) đã được nhận nhưng tạm giữ để quản trị viên kiểm tra, vì:\n\n%s\n\nBạn sẽ được báo khi có quyết định; không cần gửi lại.\n",
		en:      "Your message of %s (queued as %s) was accepted but is held for an administrator's review, because:\n\n%s\n\nYou will be told of the decision; there is no need to send it again.\n",
	}
	noticeReleased = heldNotice{
		subject: "Thư tạm giữ của bạn đã được chuyển (held message released)",
		vi:      "Thư bạn gửi lúc %s (số %s) từng bị tạm giữ đã được kiểm tra và chuyển tới người nhận. Lý do tạm giữ:\n\n%s\n",
		en:      "Your message of %s (queued as %s), which was held, has been looked at and delivered. It was held because:\n\n%s\n",
	}
	noticeDropped = heldNotice{
		subject: "Thư tạm giữ của bạn KHÔNG được chuyển (held message dropped)",
		vi:      "Thư bạn gửi lúc %s (số %s) bị tạm giữ và KHÔNG được chuyển tới người nhận. Lý do:\n\n%s\n\nHãy sửa rồi gửi lại, hoặc hỏi quản trị viên.\n",
		en:      "Your message of %s (queued as %s) was held and has NOT been delivered. The reason:\n\n%s\n\nCorrect it and send it again, or ask your administrator.\n",
	}
	noticeExpired = heldNotice{
		subject: "Thư tạm giữ của bạn đã hết hạn và KHÔNG được chuyển (held message expired)",
		vi:      "Thư bạn gửi lúc %s (số %s) bị tạm giữ, không có quyết định trong thời hạn và KHÔNG được chuyển tới người nhận. Lý do tạm giữ:\n\n%s\n\nHãy gửi lại, hoặc hỏi quản trị viên.\n",
		en:      "Your message of %s (queued as %s) was held, nobody decided in time, and it has NOT been delivered. It was held because:\n\n%s\n\nSend it again, or ask your administrator.\n",
	}
)

// tellHeld tells the sender of a held message what became of it, when it is one
// of our people: whoever else claims to have sent it most likely has not, and
// would be bothered about mail of a stranger's.
func (d *Delivery) tellHeld(ctx context.Context, tx *sqldb.Tx, h Held, n heldNotice) error {
	from := h.envelope.Envelope.From
	if h.envelope.Origin.Account == 0 || from.Null {
		return nil
	}
	at := localTime(h.Created)
	b := mail.Builder{
		From:          mail.Mailbox{Name: "Máy chủ thư", Addr: mail.Address{Local: "postmaster", Domain: from.Address.Domain}},
		To:            []mail.Mailbox{{Addr: from.Address}},
		Subject:       n.subject,
		Date:          d.opt.Now(),
		MessageID:     mail.NewMessageID(d.opt.Hostname),
		AutoSubmitted: "auto-replied",
		Text: fmt.Sprintf(n.vi, at, h.Queue, firstOf(h.TextVI, h.Text)) + "\n-- English --\n" +
			fmt.Sprintf(n.en, at, h.Queue, h.Text),
	}
	to := mail.Envelope{From: mail.Path{Null: true}, To: []mail.Recipient{{Addr: from.Address}}}
	return d.inject(ctx, tx, to, b.Bytes())
}

// HeldFilter narrows a listing of the quarantine.
type HeldFilter struct {
	All   bool // also what was decided
	Limit int  // 0 means 1,000
}

// Quarantine lists held messages, oldest first.
func (d *Delivery) Quarantine(ctx context.Context, f HeldFilter) (list []Held, err error) {
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	all := 0
	if f.All {
		all = 1
	}
	err = d.stores.DB.View(ctx, func(r sqldb.Reader) (err error) {
		list, err = readHeld(ctx, r, qHeldList, all, f.Limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the quarantine: %w", err)
	}
	return list, nil
}

func readHeld(ctx context.Context, r sqldb.Reader, query string, args ...any) (list []Held, err error) {
	rows, err := r.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		h, err := scanHeld(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	return list, rows.Err()
}

func scanHeld(rows *sql.Rows) (h Held, err error) {
	var env []byte
	var created, expires, decided int64
	if err := rows.Scan(&h.ID, &h.Queue, &h.message, &h.State, &h.Reason, &h.Text, &h.TextVI, &env, &h.From, &h.Subject, &h.Size,
		&created, &expires, &decided, &h.DecidedBy); err != nil {
		return h, err
	}
	if err := json.Unmarshal(env, &h.envelope); err != nil {
		return h, fmt.Errorf("envelope of quarantined message %d: %w", h.ID, err)
	}
	for _, to := range h.envelope.Envelope.To {
		h.To = append(h.To, to.Addr.String())
	}
	h.Created, h.Expires = sqldb.Time(created), sqldb.Time(expires)
	if decided != 0 {
		h.Decided = sqldb.Time(decided)
	}
	return h, nil
}

// heldOne finds one message of the quarantine; kind NotFound when there is none.
func (d *Delivery) heldOne(ctx context.Context, id HeldID) (Held, error) {
	var list []Held
	err := d.stores.DB.View(ctx, func(r sqldb.Reader) (err error) {
		list, err = readHeld(ctx, r, qHeldOne, int64(id))
		return err
	})
	if err != nil {
		return Held{}, fmt.Errorf("read the quarantine: %w", err)
	}
	if len(list) == 0 {
		return Held{}, fault.New(fault.NotFound, fault.Text{
			EN: fmt.Sprintf("there is no message %d in quarantine", id), VI: fmt.Sprintf("không có thư tạm giữ số %d", id),
		})
	}
	return list[0], nil
}

// ShowHeld gives one held message with its attachments and results. That its
// content is not shown is deliberate: reading is what recipients do.
func (d *Delivery) ShowHeld(ctx context.Context, id HeldID) (h Held, err error) {
	if h, err = d.heldOne(ctx, id); err != nil || h.State != StateHeld {
		return h, err
	}
	c, err := d.stores.Mail.Content(ctx, h.message)
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for _, a := range c.Structure.Root().Attachments() {
		h.Files = append(h.Files, HeldFile{Name: a.Name, Type: a.Type, Size: a.Part.BodyLen})
	}
	h.Results = mail.ParseHeader(c.Prefix).Get("Authentication-Results")
	return h, nil
}

// ReleaseHeld delivers a held message as if it had just been accepted: into
// mailboxes, as a document where it is one, to other servers. It fails with
// kind Conflict when it was decided before.
func (d *Delivery) ReleaseHeld(ctx context.Context, by journal.Actor, id HeldID) (acc Accepted, err error) {
	h, err := d.heldOne(ctx, id)
	if err != nil {
		return Accepted{}, err
	}
	if err := d.Undecided(h); err != nil {
		return Accepted{}, err
	}
	in := &Incoming{d: d, origin: h.envelope.Origin, env: h.envelope.Envelope, id: h.Queue, ended: true}
	if err := in.expand(d.stores.Directory.Snapshot()); err != nil {
		return Accepted{}, err
	}
	if err := in.restore(ctx, h.message); err != nil {
		return Accepted{}, err
	}
	defer func() { err = errors.Join(err, in.fin.Release()) }()
	in.settleEnvelope(in.fin.Scan)
	doc, err := in.recognize(ctx, in.fin)
	if err != nil {
		return Accepted{}, err
	}
	in.plan(ctx, in.fin)
	if err = in.readText(ctx); err != nil {
		return Accepted{}, err
	}
	err = in.update(ctx, func(tx *sqldb.Tx) (err error) {
		if err := d.decide(ctx, tx, by, h, StateReleased); err != nil {
			return err
		}
		if in.defers() {
			acc, err = in.later(ctx, tx)
		} else {
			acc, err = in.store(ctx, tx, in.fin, doc)
		}
		if err != nil {
			return err
		}
		return d.tellHeld(ctx, tx, h, noticeReleased)
	})
	return acc, err
}

// restore makes in.fin of a message that was stored for the time being, and keeps the trace fields that it
// got when it came.
func (in *Incoming) restore(ctx context.Context, msg mailstore.MessageID) (err error) {
	c, err := in.d.stores.Mail.Content(ctx, msg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	body := in.d.stores.Mail.NewBody()
	defer body.Abort()
	if _, err := io.Copy(body, c.Body()); err != nil {
		return fmt.Errorf("read a held message: %w", err)
	}
	in.prefix = append([]byte{}, c.Prefix...)
	in.fin, err = body.Finish()
	return err
}

// DropHeld decides against a held message. Its sender is told, when it is one
// of our people.
func (d *Delivery) DropHeld(ctx context.Context, by journal.Actor, id HeldID) error {
	h, err := d.heldOne(ctx, id)
	if err != nil {
		return err
	}
	if err := d.Undecided(h); err != nil {
		return err
	}
	return d.endHeld(ctx, by, h, StateDropped, noticeDropped)
}

func (d *Delivery) endHeld(ctx context.Context, by journal.Actor, h Held, state HeldState, n heldNotice) error {
	return d.stores.DB.Update(ctx, func(tx *sqldb.Tx) error {
		if err := d.decide(ctx, tx, by, h, state); err != nil {
			return err
		}
		return d.tellHeld(ctx, tx, h, n)
	})
}

// decide ends the waiting of h within tx and lets the collector have the copy
// that waited.
func (d *Delivery) decide(ctx context.Context, tx *sqldb.Tx, by journal.Actor, h Held, state HeldState) error {
	now := d.opt.Now()
	n, err := tx.Exec(ctx, qHeldEnd, string(state), sqldb.Micros(now), by.Name, int64(h.ID))
	if err != nil {
		return fmt.Errorf("decide about quarantined message %d: %w", h.ID, err)
	}
	if n == 0 {
		return errDecided(h)
	}
	if err := d.stores.Mail.Orphan(ctx, tx, h.message); err != nil {
		return err
	}
	_, err = journal.Append(ctx, tx, journal.Event{
		At: now, Type: "mail." + string(state), Actor: by, Subject: string(h.Queue),
		Data: map[string]any{"quarantine": int64(h.ID), "reason": string(h.Reason)},
	})
	return err
}

// Undecided says why nothing can be decided about h any more, nil when it can.
func (d *Delivery) Undecided(h Held) error {
	if h.State != StateHeld {
		return errDecided(h)
	}
	return nil
}

func errDecided(h Held) error {
	return fault.New(fault.Conflict, fault.Text{
		EN: fmt.Sprintf("message %d has been decided already: see it with \"quarantine list --all\"", h.ID),
		VI: fmt.Sprintf("thư tạm giữ số %d đã được quyết định", h.ID),
	})
}

// ExpireHeld ends what has waited too long, and tells how many messages it was.
func (d *Delivery) ExpireHeld(ctx context.Context) (expired int, err error) {
	for {
		var due []Held
		err := d.stores.DB.View(ctx, func(r sqldb.Reader) (err error) {
			due, err = readHeld(ctx, r, qHeldDue, sqldb.Micros(d.opt.Now()))
			return err
		})
		if err != nil || len(due) == 0 {
			return expired, err
		}
		for _, h := range due {
			if err := d.endHeld(ctx, journal.System("delivery"), h, StateExpired, noticeExpired); err != nil {
				return expired, err
			}
			expired++
		}
	}
}

// HoldsMessage tells whether a message waits in quarantine, so that it must
// not be collected.
func HoldsMessage(ctx context.Context, r sqldb.Reader, id mailstore.MessageID) (bool, error) {
	var n int
	err := r.QueryRow(ctx, qHeldUses, int64(id)).Scan(&n)
	return n > 0, err
}
