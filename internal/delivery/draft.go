package delivery

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// A Draft is a message in a unit's folder of documents that wait for a number.
type Draft struct {
	Unit    directory.UnitID
	Mailbox mailstore.MailboxID
	UID     mailstore.UID
	Message mailstore.MessageID
	By      directory.AccountID // the clerk who numbers and issues it
	Source  docstore.Source
}

// NumberDraft gives a draft the number that its subject asks for by
// [?/QĐ-UBND], without sending it: asking again gives the same number. A
// subject with a number of its own gives that. Whether the clerk may is the
// caller's to check.
func (d *Delivery) NumberDraft(ctx context.Context, dr Draft) (code string, err error) {
	c, err := d.stores.Mail.Content(ctx, dr.Message)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	v, err := d.numberDraft(ctx, dr, c)
	return v.Code, err
}

func (d *Delivery) numberDraft(ctx context.Context, dr Draft, c *mailstore.Content) (v docstore.Reservation, err error) {
	f := c.Structure.Fields()
	s := edoc.ParseSubject(f.Subject)
	if s.Code == nil {
		return v, fault.New(fault.Invalid, fault.Text{
			EN: "the subject must begin with [?/SYMBOL], such as [?/QĐ-UBND], or with the document's own number",
			VI: "tiêu đề phải bắt đầu bằng [?/KÝ-HIỆU], ví dụ [?/QĐ-UBND], hoặc bằng số của văn bản",
		})
	}
	if !s.Code.Ask {
		return docstore.Reservation{Code: s.Code.String()}, nil
	}
	name := f.MessageID
	if name == "" {
		name = hex.EncodeToString(c.SHA256[:])
	}
	err = d.stores.DB.Update(ctx, func(tx *sqldb.Tx) error {
		v, err = d.stores.Documents.Reserve(ctx, tx, d.accountActor(dr.By), docstore.NumberRequest{
			Unit: dr.Unit, Symbol: s.Code.Symbol, Legal: s.Code.Year != 0, Abstract: s.Abstract, Draft: "draft:" + name, Source: dr.Source,
		})
		return err
	})
	return v, err
}

// IssueDraft numbers a draft and sends it to those in To and Cc, as if the
// clerk had sent it with the number in its subject; the draft goes in the same
// transaction. It returns where the unit's own copy lies. When it fails after
// the number was given, that stays reserved for this draft. Whether the clerk
// may issue for the unit is the caller's to check.
func (d *Delivery) IssueDraft(ctx context.Context, dr Draft) (own docstore.Place, code string, err error) {
	c, err := d.stores.Mail.Content(ctx, dr.Message)
	if err != nil {
		return own, "", err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	env, err := draftEnvelope(c)
	if err != nil {
		return own, "", err
	}
	o := Origin{
		Session: "draft", Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), Helo: "localhost", Protocol: "IMAP", Account: dr.By,
	}
	if err := d.CheckSender(ctx, o, env.From); err != nil {
		return own, "", err
	}
	for _, r := range env.To {
		if err := d.CheckRecipient(ctx, o, env.From, r.Addr); err != nil {
			return own, "", err
		}
	}
	v, err := d.numberDraft(ctx, dr, c)
	if err != nil {
		return own, "", err
	}
	in, err := d.Begin(ctx, o, env)
	if err != nil {
		return own, "", err
	}
	defer in.Abort()
	in.draft = &dr
	if err := writeDraft(in, c, v, d.opt.Hostname); err != nil {
		return own, "", err
	}
	acc, err := in.Commit(ctx)
	switch {
	case err != nil:
		return own, "", err
	case acc.Repeated:
		return own, "", fault.New(fault.Conflict, fault.Text{
			EN: "this document has been issued already", VI: "văn bản này đã được phát hành",
		})
	case in.own == docstore.Place{}:
		return own, "", fault.New(fault.Conflict, fault.Text{
			EN: "the document is held for inspection, or to be sent later", VI: "văn bản đang được tạm giữ để kiểm tra, hoặc chờ đến giờ gửi",
		})
	}
	return in.own, v.Code, nil
}

// draftEnvelope says from whom and to whom a draft goes.
func draftEnvelope(c *mailstore.Content) (env mail.Envelope, err error) {
	f := c.Structure.Fields()
	bad := func(en, vi string) error { return fault.New(fault.Invalid, fault.Text{EN: en, VI: vi}) }
	if len(f.From) != 1 {
		return env, bad("the document must be from one sender: the unit's address", "văn bản phải có một người gửi (From): địa chỉ của đơn vị")
	}
	if env.From.Address, err = f.From[0].Address(); err != nil {
		return env, err
	}
	seen := map[string]bool{}
	for _, h := range append(slices.Clone(f.To), f.Cc...) {
		if h.Group != mail.GroupNone {
			continue
		}
		a, err := h.Address()
		if err != nil {
			return env, err
		}
		if !seen[a.Key()] {
			seen[a.Key()] = true
			env.To = append(env.To, mail.Recipient{Addr: a})
		}
	}
	if len(env.To) == 0 {
		return env, bad("the document has no recipients: name them in To and Cc", "văn bản chưa có nơi nhận: hãy ghi ở To và Cc")
	}
	env.UTF8 = true
	return env, nil
}

// writeDraft writes the message as it goes out: with the number in the subject,
// and what a message cannot be without. The same draft gives the same octets.
func writeDraft(w io.Writer, c *mailstore.Content, v docstore.Reservation, host string) error {
	body := c.Body()
	header := make([]byte, c.Structure.HeaderLen)
	if _, err := io.ReadFull(body, header); err != nil {
		return fmt.Errorf("read a draft: %w", err)
	}
	f := c.Structure.Fields()
	head, err := editHeader(header, numbered(f.Subject, v.Code))
	if err != nil {
		return err
	}
	var more bytes.Buffer
	if f.MessageID == "" {
		fmt.Fprintf(&more, "Message-ID: <draft.%x@%s>\r\n", c.SHA256[:12], host)
	}
	if f.Date.IsZero() {
		at := v.Made
		if at.IsZero() {
			at = c.Received
		}
		fmt.Fprintf(&more, "Date: %s\r\n", at.In(vietnam).Format(time.RFC1123Z))
	}
	if _, err := w.Write(append(more.Bytes(), head...)); err != nil {
		return err
	}
	_, err = io.Copy(w, body)
	return err
}

// numbered puts the number in place of the tag that asks for it.
func numbered(subject, code string) string {
	for at := 0; ; {
		open := strings.IndexByte(subject[at:], '[')
		if open < 0 {
			return subject
		}
		open += at
		end := strings.IndexByte(subject[open:], ']')
		if end < 0 {
			return subject
		}
		end += open
		if c, err := edoc.ParseCode(subject[open+1 : end]); err == nil && c.Ask {
			return subject[:open+1] + code + subject[end:]
		}
		at = end
	}
}

// editHeader puts another Subject into a header, and takes away what only a
// mail program wrote for itself.
func editHeader(header []byte, subject string) ([]byte, error) {
	var out bytes.Buffer
	skipping, done := false, false
	for line := range bytes.Lines(header) {
		if line[0] == ' ' || line[0] == '\t' {
			if !skipping {
				out.Write(line)
			}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch strings.ToLower(strings.TrimSpace(string(name))) {
		case "subject":
			if skipping = true; !done {
				done = true
				text := strings.ReplaceAll(mail.EncodeText(strings.Join(strings.Fields(subject), " ")), "?= =?", "?=\r\n =?")
				out.WriteString("Subject: " + text + "\r\n")
			}
		case "bcc":
			if skipping = true; len(bytes.TrimSpace(value)) > 0 {
				return nil, fault.New(fault.Denied, fault.Text{
					EN: "an official document has no blind recipients (Bcc)", VI: "văn bản không được gửi ẩn (Bcc)",
				})
			}
		case "x-unsent", "x-mozilla-draft-info", "x-mozilla-status", "x-mozilla-status2", "x-identity-key", "x-account-key", "fcc":
			skipping = true
		default:
			skipping = false
			out.Write(line)
		}
	}
	return out.Bytes(), nil
}

// endDraft removes the draft that the message was made of. When it is not there
// any more, somebody else was quicker, and nothing may happen.
func (in *Incoming) endDraft(ctx context.Context, tx *sqldb.Tx) error {
	if in.draft == nil {
		return nil
	}
	gone, err := in.d.stores.Mail.Remove(ctx, tx, in.draft.Mailbox, mailstore.UIDs(in.draft.UID))
	if err != nil {
		return err
	}
	if len(gone.UIDs) == 0 {
		return fault.New(fault.NotFound, fault.Text{
			EN: "the draft is no longer in the folder; somebody else may have dealt with it",
			VI: "dự thảo không còn trong thư mục này, có thể người khác đã xử lý",
		})
	}
	return nil
}

func errNoUnit() error {
	return fault.New(fault.Invalid, fault.Text{
		EN: "none of the recipients in To and Cc is another unit", VI: "không có đơn vị nào khác ở To và Cc",
	})
}
