package testkit

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"strings"
	"time"

	"vanthu/internal/mail"
)

// Sender submits mail with STARTTLS and AUTH as an ordinary client does, on a
// new connection each time.
type Sender struct {
	Addr            string // host:port of the submission service
	TLS             *tls.Config
	Login, Password string // no Login: a stranger, who does not log in
	From            string // reverse-path; "" is the Login
	Wishes          string // further parameters of MAIL
}

// Send submits a message and gives the text of the final reply. A refusal is a
// *textproto.Error.
func (s *Sender) Send(message []byte, to ...string) (reply string, err error) {
	conn, err := s.Dial()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return conn.Send(message, to...)
}

// SMTP is a session of a [Sender] for several messages.
type SMTP struct {
	c    *smtp.Client
	conn net.Conn
	from string
	want string // parameters of MAIL
}

// smtpTime bounds one message: a server that hangs fails the test.
const smtpTime = time.Minute

// Dial connects and logs in.
func (s *Sender) Dial() (*SMTP, error) {
	conn, err := net.DialTimeout("tcp", s.Addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(smtpTime)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	for _, step := range []func() error{
		func() error { return c.Hello("client.test") },
		func() error { return c.StartTLS(s.TLS) },
		func() error {
			if s.Login == "" {
				return nil
			}
			return c.Auth(smtp.PlainAuth("", s.Login, s.Password, "127.0.0.1"))
		},
	} {
		if err := step(); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return &SMTP{c: c, conn: conn, from: cmp.Or(s.From, s.Login), want: s.Wishes}, nil
}

// Close ends the connection without a word.
func (s *SMTP) Close() error { return s.c.Close() }

// Send submits one message.
func (s *SMTP) Send(message []byte, to ...string) (reply string, err error) {
	if err := s.conn.SetDeadline(time.Now().Add(smtpTime)); err != nil {
		return "", err
	}
	if err := s.begin(); err != nil {
		return "", err
	}
	for _, r := range to {
		if err := s.c.Rcpt(r); err != nil {
			return "", err
		}
	}
	if err := s.c.Text.PrintfLine("DATA"); err != nil {
		return "", err
	}
	if _, _, err := s.c.Text.ReadResponse(354); err != nil {
		return "", err
	}
	w := s.c.Text.DotWriter()
	if _, err := w.Write(message); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	_, reply, err = s.c.Text.ReadResponse(250)
	return reply, err
}

func (s *SMTP) begin() error {
	if s.want == "" {
		return s.c.Mail(s.from)
	}
	if err := s.c.Text.PrintfLine("MAIL FROM:<%s> BODY=8BITMIME SMTPUTF8 %s", s.from, s.want); err != nil {
		return err
	}
	_, _, err := s.c.Text.ReadResponse(250)
	return err
}

// QueueID takes the queue id out of a final reply.
func QueueID(reply string) string {
	f := strings.Fields(reply)
	if len(f) == 0 {
		return ""
	}
	return f[len(f)-1]
}

// Message begins a mail of an account. mailID is the local part of its
// Message-ID, so that a test can send the same one again.
func Message(login, subject, mailID string, to ...string) mail.Builder {
	b := mail.Builder{
		From: mail.Mailbox{Addr: address(login)}, Subject: subject,
		Date: time.Date(2026, 11, 24, 8, 0, 0, 0, time.FixedZone("+07:00", 7*60*60)), MessageID: fmt.Sprintf("<%s@client.test>", mailID),
		Text: "Kính gửi các đơn vị.\n",
	}
	for _, a := range to {
		b.To = append(b.To, mail.Mailbox{Addr: address(a)})
	}
	return b
}

func address(s string) mail.Address {
	local, domain, _ := strings.Cut(s, "@")
	return mail.Address{Local: local, Domain: domain}
}
