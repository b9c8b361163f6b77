package delivery

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/filter"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailauth"
	"vanthu/internal/sqldb"
)

// Screen is what a message goes through before it is accepted. The zero value
// lets everything through and signs nothing.
type Screen struct {
	Keys     *mailauth.Keys     // sign what our people send; nil: nothing is signed
	Verifier *mailauth.Verifier // checks what other servers bring; nil: nothing is checked
	// Forged is the most that is done with mail whose author's domain asks to
	// hold or refuse what it did not send. Pass only writes the result down.
	Forged filter.Action
	// Authorless is what is done with mail from other servers that has not
	// exactly one From field.
	Authorless filter.Action

	Attachments *filter.Attachments // nil: any may come
	Milters     []*filter.Milter    // asked in this order
	// SizeByRole is the most octets of a message that an account may send; of
	// several roles the largest counts. A role that is not named has no limit.
	SizeByRole map[directory.Role]int64

	// HoldTime is how long a held message waits for a decision; 0 means 30 days.
	HoldTime time.Duration
}

const defaultHoldTime = 30 * 24 * time.Hour

// Limits of the header. RFC 5321 sets none; reliability of everything that
// looks for a field depends on them.
const (
	maxHeaderLen = 1 << 20
	maxFieldLen  = 256 << 10
	maxFields    = 5000
)

// screen checks the message in in.fin, takes out of it what must not be in it,
// and signs it. It returns the document that was recognised, or a decision to
// hold the message. A refusal is an error; the journal has it.
func (in *Incoming) screen(ctx context.Context) (*document, filter.Decision, error) {
	var held filter.Decision
	decide := func(d filter.Decision) error {
		if d.Action > held.Action {
			held = d
		}
		return in.refuse(ctx, d)
	}
	if err := in.checkMessage(in.fin.Scan); err != nil {
		return nil, held, err
	}
	if err := in.checkSize(); err != nil {
		return nil, held, err
	}
	d, err := in.verify(ctx)
	if err != nil {
		return nil, held, err
	}
	if err := decide(d); err != nil {
		return nil, held, err
	}
	if err := in.clean(ctx); err != nil {
		return nil, held, err
	}
	in.settleEnvelope(in.fin.Scan)
	doc, err := in.recognize(ctx, in.fin) // first of all no secret goes on to anybody
	if err != nil {
		return nil, held, err
	}
	if a := in.d.opt.Screen.Attachments; a != nil {
		if d, err = a.Check(in.fin.Scan, in.fin); err != nil {
			return nil, held, err
		}
		if err := decide(d); err != nil {
			return nil, held, err
		}
		if d, err = in.checkPacked(); err != nil {
			return nil, held, err
		}
		if err := decide(d); err != nil {
			return nil, held, err
		}
	}
	before := in.fin
	for _, m := range in.d.opt.Screen.Milters {
		if !m.Serves(in.service()) {
			continue
		}
		if d, err = in.ask(ctx, m); err != nil {
			return nil, held, err
		}
		if err := decide(d); err != nil {
			return nil, held, err
		}
	}
	if in.fin != before { // a filter has written something of its own
		in.settleEnvelope(in.fin.Scan)
		if doc, err = in.recognize(ctx, in.fin); err != nil {
			return nil, held, err
		}
	}
	return doc, held, in.sign()
}

// service is by what way the message comes in.
func (in *Incoming) service() filter.Service {
	switch {
	case in.origin.trusted():
		return filter.LMTP
	case in.origin.Account != 0:
		return filter.Submission
	}
	return filter.Relay
}

// refuse makes an error of a decision that refuses, and notes it in the
// journal: what was refused, for what, and of whom.
func (in *Incoming) refuse(ctx context.Context, d filter.Decision) error {
	switch d.Action {
	case filter.Refuse:
	case filter.Later:
		return fault.New(fault.Temporary, d.Text)
	case filter.Pass, filter.Hold:
		return nil
	}
	err := in.d.stores.DB.Update(ctx, func(tx *sqldb.Tx) error {
		_, err := journal.Append(ctx, tx, journal.Event{
			At: in.d.opt.Now(), Type: "mail.refused", Actor: in.actor(), Subject: string(in.id),
			Data: map[string]any{
				"reason": string(d.Code), "from": in.env.From.String(), "client": in.origin.Remote.String(),
				"sha256": hex.EncodeToString(in.fin.SHA256[:]), "size": in.fin.Size,
			},
		})
		return err
	})
	if err != nil {
		return err
	}
	return fault.New(fault.Denied, d.Text)
}

// checkSize holds a submission against the limit of its account's roles.
func (in *Incoming) checkSize() error {
	limits := in.d.opt.Screen.SizeByRole
	a, ok := in.d.stores.Directory.Snapshot().Account(in.origin.Account)
	if len(limits) == 0 || !ok || len(a.Roles) == 0 {
		return nil
	}
	most := int64(0)
	for _, r := range a.Roles {
		n, limited := limits[r.Role]
		if !limited {
			return nil
		}
		most = max(most, n)
	}
	if in.fin.Size <= most {
		return nil
	}
	return fault.WithStatus(fault.New(fault.Denied, fault.Text{
		EN: fmt.Sprintf("the message has %d MiB, you may send %d MiB; share large files in another way or ask the clerk", in.fin.Size>>20, most>>20),
		VI: fmt.Sprintf("thư nặng %d MiB, bạn chỉ được gửi tối đa %d MiB; hãy chia nhỏ hoặc nhờ văn thư gửi", in.fin.Size>>20, most>>20),
	}), "5.3.4")
}

// verify asks whom a message from another server is from.
func (in *Incoming) verify(ctx context.Context) (filter.Decision, error) {
	s, m := &in.d.opt.Screen, in.fin.Scan
	if s.Verifier == nil || in.service() != filter.Relay || in.origin.Package != nil { // we wrote that message ourselves
		return filter.Decision{}, nil
	}
	v, err := s.Verifier.Check(ctx, mailauth.Session{
		Client: in.origin.Remote.Addr(), Helo: in.origin.Helo, From: in.env.From,
	}, m, in.fin)
	if err != nil {
		return filter.Decision{}, err
	}
	in.authentic = v.AppendResults(nil, in.d.opt.Hostname)
	if n := m.Header.Count("From"); n != 1 {
		return filter.Decision{Action: s.Authorless, Code: "from", Text: fault.Text{
			EN: fmt.Sprintf("the message has %d From fields instead of one", n), VI: fmt.Sprintf("thư có %d trường From, phải có đúng một", n),
		}}, nil
	}
	if v.DMARC == mailauth.ResultTempError && v.Policy != mailauth.PolicyNone && s.Forged == filter.Refuse {
		return filter.Decision{Action: filter.Later, Code: "dmarc", Text: fault.Text{
			EN: "it cannot be found out now whether the message is from " + string(v.Author) + "; please send it again later",
			VI: "tạm thời chưa xác minh được thư có phải từ " + string(v.Author) + "; xin gửi lại sau",
		}}, nil
	}
	if v.DMARC != mailauth.ResultFail {
		return filter.Decision{}, nil
	}
	d := filter.Decision{Code: "dmarc", Text: fault.Text{
		EN: "the message says that it is from " + string(v.Author) + ", but nothing proves it (DMARC)",
		VI: "thư ghi người gửi thuộc " + string(v.Author) + " nhưng không có gì chứng minh (DMARC)",
	}}
	switch v.Policy {
	case mailauth.PolicyReject:
		d.Action = min(filter.Refuse, s.Forged)
	case mailauth.PolicyQuarantine:
		d.Action = min(filter.Hold, s.Forged)
	case mailauth.PolicyNone:
	}
	return d, nil
}

// clean takes fields out that only we may write, or that nobody may see. Only
// a message that has such a field is changed: what is stored is then what was
// received without these fields.
func (in *Incoming) clean(ctx context.Context) error {
	var edits []edit
	for _, f := range in.fin.Scan.Header {
		if in.unwanted(f) {
			edits = append(edits, edit{off: f.Offset, n: f.Len})
		}
	}
	return in.rewrite(ctx, edits, nil)
}

func (in *Incoming) unwanted(f mail.Field) bool {
	switch strings.ToLower(f.Name) {
	case "return-path": // final delivery writes it. RFC 5321, section 4.4
		return true
	case "bcc", "resent-bcc": // RFC 5322, section 3.6.3
		return in.service() == filter.Submission
	case "authentication-results": // RFC 8601, section 5
		name, ok := mailauth.Authority(f.Value)
		return in.service() != filter.LMTP &&
			(!ok || strings.EqualFold(name, in.d.opt.Hostname) || in.d.stores.Directory.Snapshot().IsLocal(name))
	case strings.ToLower(filter.MarkField):
		return true
	}
	return false
}

// edit replaces octets of a message.
type edit struct {
	off, n int64
	with   string
}

// rewrite makes in.fin anew with edits in ascending order, and the octets from
// the end of its header on replaced by body unless that is nil. Without any
// change nothing happens.
func (in *Incoming) rewrite(ctx context.Context, edits []edit, body io.Reader) (err error) {
	if len(edits) == 0 && body == nil {
		return nil
	}
	old := in.fin
	b := in.d.stores.Mail.NewBody()
	defer b.Abort()
	end := old.Size
	if body != nil {
		end = old.Scan.HeaderLen
	}
	at := int64(0)
	for _, e := range append(edits, edit{off: end}) {
		if _, err := io.Copy(b, io.NewSectionReader(old, at, e.off-at)); err != nil {
			return fmt.Errorf("copy a message: %w", err)
		}
		if _, err := io.WriteString(b, e.with); err != nil {
			return err
		}
		at = e.off + e.n
	}
	if body != nil {
		if old.Scan.Root.BodyLen == 0 { // perhaps there was no empty line either
			body = io.MultiReader(strings.NewReader("\r\n"), body)
		}
		if _, err := io.Copy(b, body); err != nil {
			return err
		}
	}
	next, err := b.Finish()
	if err != nil {
		return err
	}
	in.fin = next
	return in.d.stores.Mail.Discard(ctx, old)
}

// ask puts the message to a milter and carries out what it wants.
func (in *Incoming) ask(ctx context.Context, m *filter.Milter) (filter.Decision, error) {
	msg, err := in.forMilter()
	if err != nil {
		return filter.Decision{}, err
	}
	a := m.Ask(ctx, msg)
	if a.Failed != nil {
		in.d.opt.Log.Error("filter failed", "filter", m.Name(), "queue_id", string(in.id), "action", a.Decision.Action.String(), "err", a.Failed)
	}
	if a.Decision.Action > filter.Hold || a.Changes.None() {
		return a.Decision, nil
	}
	var edits []edit
	old := len(in.added)
	removed := map[int]bool{}
	for _, c := range a.Changes.Change {
		switch {
		case c.Index >= old:
			f := in.fin.Scan.Header[c.Index-old]
			e := edit{off: f.Offset, n: f.Len}
			if c.Value != "" {
				e.with = f.Name + ":" + c.Value + "\r\n"
			}
			edits = append(edits, e)
		case c.Value == "":
			removed[c.Index] = true
		default:
			in.added[c.Index].Value = c.Value
		}
	}
	added := a.Changes.Add
	for i, f := range in.added {
		if !removed[i] {
			added = append(added, f)
		}
	}
	in.added = added
	var body io.Reader
	if a.Changes.Replace {
		body = strings.NewReader(crlfText(string(a.Changes.Body)))
	}
	return a.Decision, in.rewrite(ctx, edits, body)
}

// crlfText gives text whose lines all end in CRLF, without zero octets.
func crlfText(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(s)
	return strings.ReplaceAll(s, "\n", "\r\n")
}

func (in *Incoming) forMilter() (*filter.Mail, error) {
	header, err := in.header()
	if err != nil {
		return nil, err
	}
	msg := &filter.Mail{
		Service: in.service(), Hostname: in.d.opt.Hostname, QueueID: string(in.id), Client: in.origin.Remote,
		Helo: in.origin.Helo, TLS: in.origin.TLS, From: in.env.From, Fields: slices.Clone(in.added),
		Size: in.fin.Size - in.fin.Scan.HeaderLen,
	}
	msg.Body = func() io.Reader { return io.NewSectionReader(in.fin, in.fin.Scan.HeaderLen, msg.Size) }
	if a, ok := in.d.stores.Directory.Snapshot().Account(in.origin.Account); ok {
		msg.Login = a.Login.String()
	}
	for _, r := range in.env.To {
		msg.To = append(msg.To, r.Addr)
	}
	for _, r := range in.local {
		msg.Official = msg.Official || r.Kind == directory.ToUnit
	}
	for _, f := range in.fin.Scan.Header {
		raw := string(header[f.Offset : f.Offset+f.Len])
		_, value, _ := strings.Cut(raw, ":")
		msg.Fields = append(msg.Fields, filter.Field{Name: f.Name, Value: strings.TrimSuffix(value, "\r\n")})
	}
	return msg, nil
}

// header reads the header with its empty line.
func (in *Incoming) header() ([]byte, error) {
	b := make([]byte, in.fin.Scan.HeaderLen)
	if _, err := in.fin.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the header of a message: %w", err)
	}
	return b, nil
}

// sign signs what one of our people sends.
func (in *Incoming) sign() error {
	if in.service() != filter.Submission {
		return nil
	}
	return in.signFor(mailauth.Author(in.fin.Scan))
}

// signFor puts our signatures before the message when it is of a domain that
// we have keys for. What leaves is signed so that anybody can check it.
func (in *Incoming) signFor(author mailauth.Domain) error {
	keys := in.d.opt.Screen.Keys
	if keys == nil || !keys.Signs(author) {
		return nil
	}
	header, err := in.header()
	if err != nil {
		return err
	}
	algs := mailauth.Ed25519Only
	if len(in.remote) > 0 {
		algs = mailauth.AllAlgorithms
	}
	body := io.NewSectionReader(in.fin, in.fin.Scan.HeaderLen, in.fin.Size-in.fin.Scan.HeaderLen)
	in.signature, err = keys.Sign(author, header, body, algs)
	return err
}
