package delivery

import (
	"context"
	"errors"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sieve"
)

// Try tells what scripts would do with a message at an owner's, without doing
// it. env needs one recipient.
func (d *Delivery) Try(
	ctx context.Context, o mailstore.Owner, env mail.Envelope, message []byte, scripts ...*sieve.Script,
) (res sieve.Result, err error) {
	body := d.stores.Mail.NewBody()
	defer body.Abort()
	if _, err := body.Write(message); err != nil {
		return res, err
	}
	fin, err := body.Finish()
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, fin.Release()) }()
	to := env.To[0].Addr
	_, detail := to.Split()
	in := &Incoming{d: d, env: env, fin: fin, rec: edoc.Recognize(edoc.Input{
		Subject: fin.Scan.Envelope.Subject, Header: fin.Scan.Header.Text, Details: []string{detail}, Now: d.opt.Now(),
	})}
	p := planner{in: in, fin: fin, snap: d.stores.Directory.Snapshot()}
	return sieve.Run(p.input(ctx, directory.Recipient{Named: to}, o), scripts...), nil
}
