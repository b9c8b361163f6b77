package delivery

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// carrier is who brought a message, by what way, and the mark that its subject
// bears.
type carrier struct {
	actor   journal.Actor
	ref     string // queue id, "" when it has none
	client  netip.AddrPort
	session string
	mark    edoc.SecretLevel
}

// CheckUpload refuses what must not lie in this system when a client puts a
// message into a mailbox itself, as IMAP APPEND does. A refused message is
// discarded and the incident journaled.
func (d *Delivery) CheckUpload(ctx context.Context, account directory.AccountID, client netip.AddrPort, fin *mailstore.Finished) error {
	if err := d.opt.Room(); err != nil {
		return err
	}
	return d.guardSecrets(ctx, fin, carrier{
		actor: d.accountActor(account), client: client, mark: edoc.CheckSecret(fin.Scan.Envelope.Subject),
	})
}

// guardSecrets refuses a message with a secrecy mark in its subject or text. It
// writes the incident without keeping anything of the content but its hash:
// state secrets must not lie in this system (Luật BVBMNN 117/2025/QH15;
// QĐ 28/2018/QĐ-TTg, article 1).
func (d *Delivery) guardSecrets(ctx context.Context, fin *mailstore.Finished, c carrier) error {
	mark, err := secretText(fin.Scan.Root, fin)
	if err != nil {
		return err
	}
	if max(mark, c.mark) == edoc.SecretNone {
		return nil
	}
	err = d.stores.DB.Update(ctx, func(tx *sqldb.Tx) error {
		_, err := journal.Append(ctx, tx, journal.Event{
			At: d.opt.Now(), Type: "incident.secrecy", Actor: c.actor, Subject: c.ref,
			Data: map[string]any{
				"sha256": hex.EncodeToString(fin.SHA256[:]), "size": fin.Size, "client": c.client.String(),
			},
		})
		return err
	})
	if err := errors.Join(err, d.stores.Mail.Discard(ctx, fin)); err != nil {
		return err
	}
	d.opt.Log.Warn("message with a secrecy mark refused", "queue_id", c.ref, "session", c.session)
	return fault.New(fault.Denied, fault.Text{
		EN: "the message bears a state secrecy mark; this system neither keeps nor passes it on: see your secrecy officer",
		VI: "nội dung có dấu chỉ độ mật; hệ thống không lưu và không chuyển; hãy liên hệ cán bộ bảo vệ bí mật nhà nước",
	})
}

// maxSecretText is how much of a text part is searched for a secrecy mark, in
// octets before decoding: marks stand on the first page.
const maxSecretText = 200 << 10

// secretText looks for a line that is a secrecy mark in every text part, also
// in attached ones and in those of attached messages.
func secretText(p *mail.Part, r io.ReaderAt) (edoc.SecretLevel, error) {
	if p.Message != nil {
		return secretText(p.Message.Root, r)
	}
	level := edoc.SecretNone
	for _, c := range p.Children {
		l, err := secretText(c, r)
		if err != nil {
			return level, err
		}
		level = max(level, l)
	}
	if p.Type != "text" || p.IsMultipart() {
		return level, nil
	}
	text, err := io.ReadAll(io.LimitReader(p.Decoder(r), maxSecretText))
	if err != nil {
		return level, fmt.Errorf("read a text part: %w", err)
	}
	return max(level, edoc.CheckSecret("", string(text))), nil
}
