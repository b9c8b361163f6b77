package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"vanthu/internal/mail"
	"vanthu/internal/queue"
)

// TLSMode says how a route is protected.
type TLSMode string

// The modes. TLSNone is for loopback and test networks only.
const (
	TLSStart    TLSMode = "starttls" // STARTTLS, and no mail without it
	TLSImplicit TLSMode = "implicit" // TLS from the first octet
	TLSNone     TLSMode = "none"
)

// Route is the way to the mail of a domain.
type Route struct {
	Domain   string      // "peer.test", ".peer.test" for what is below it, or "*"
	Host     string      // name or address of the next server
	Port     int         // 0 means 25, or 465 with TLSImplicit
	Mode     TLSMode     // "" means TLSStart
	TLS      *tls.Config // trust roots or pinned certificate; nil means the system's roots
	Username string      // log in with PLAIN when not empty
	Password string
}

func (rt Route) addr() string {
	port := rt.Port
	switch {
	case port != 0:
	case rt.Mode == TLSImplicit:
		port = 465
	default:
		port = 25
	}
	return net.JoinHostPort(rt.Host, strconv.Itoa(port))
}

func (rt Route) tls() *tls.Config {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if rt.TLS != nil {
		conf = rt.TLS.Clone()
	}
	if conf.ServerName == "" {
		conf.ServerName = rt.Host
	}
	return conf
}

// send makes one transaction for all items of group and fills in results,
// which have the same length.
func (r *Runner) send(ctx context.Context, rt Route, group []queue.Item, results []queue.Result) {
	all := func(err error) {
		for i := range results {
			results[i] = resultOf(err)
		}
	}
	body, size, err := r.source.OpenMessage(ctx, group[0].Message)
	if err != nil {
		all(err)
		return
	}
	defer body.Close() //nolint:errcheck // it was only read
	c, err := r.dial(ctx, rt)
	if err != nil {
		all(err)
		return
	}
	defer c.Close() //nolint:errcheck // the results are known by then
	env := group[0].Env
	now := r.opt.Now()
	h := hop{offers: c.Extension, tls: rt.Mode != TLSNone}
	if no := h.refuse(env, group, now); no.Code != 0 {
		for i := range results {
			results[i] = no
		}
		return
	}
	from := ""
	if !env.From.Null {
		from = env.From.Address.String()
	}
	c.link.mail = h.mailParams(env, group, size, now)
	if err := c.Mail(from, nil); err != nil {
		all(err)
		return
	}
	taken := 0
	for i, it := range group {
		if err := c.Rcpt(it.Rcpt.String(), rcptOptions(it.To)); err != nil {
			results[i] = resultOf(err)
			continue
		}
		results[i] = queue.Result{Code: 250}
		taken++
	}
	if taken == 0 {
		return
	}
	final := r.data(c, body, size, env.Body == mail.BodyBinaryMIME)
	final.Host, final.Unreported = rt.Host, !h.has("DSN")
	for i := range results {
		if results[i].Code == 250 {
			results[i] = final
		}
	}
	if final.Code == 250 {
		if err := c.Quit(); err != nil {
			r.opt.Log.Debug("server hung up after taking the message", "remote", rt.addr(), "err", err)
		}
	}
}

// data sends the body. Nothing but the server's own final reply counts as
// delivered.
func (r *Runner) data(c *client, body io.Reader, size int64, binary bool) queue.Result {
	if binary {
		reply, err := c.link.bdat(body, size)
		if err != nil {
			return resultOf(err)
		}
		return queue.Result{Code: 250, Text: reply}
	}
	w, err := c.Data()
	if err != nil {
		return resultOf(err)
	}
	if _, err := io.Copy(w, body); err != nil {
		return resultOf(fmt.Errorf("send the message: %w", err))
	}
	resp, err := w.CloseWithResponse()
	if err != nil {
		return resultOf(err)
	}
	return queue.Result{Code: 250, Text: resp.StatusText}
}

// client is the library's client with the link that it talks through.
type client struct {
	*smtp.Client
	link *link
}

func (r *Runner) dial(ctx context.Context, rt Route) (_ *client, err error) {
	d := net.Dialer{Timeout: r.opt.Timeout}
	raw, err := d.DialContext(ctx, "tcp", rt.addr())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, raw.Close())
		}
	}()
	conn := net.Conn(&paced{Conn: raw, timeout: r.opt.Timeout})
	l := newLink(conn, false)
	switch rt.Mode {
	case TLSImplicit:
		l = newLink(tls.Client(conn, rt.tls()), false)
	case TLSNone:
	default:
		if err := raw.SetDeadline(time.Now().Add(r.opt.Timeout)); err != nil {
			return nil, err
		}
		tc, err := startTLS(conn, r.opt.Hostname, rt.tls())
		if err != nil {
			return nil, fmt.Errorf("start TLS: %w", err)
		}
		l = newLink(tc, true)
	}
	c := &client{smtp.NewClient(l), l}
	c.CommandTimeout, c.SubmissionTimeout = r.opt.Timeout, 5*r.opt.Timeout
	if err := c.Hello(r.opt.Hostname); err != nil {
		return nil, err
	}
	if rt.Username != "" {
		if err := c.Auth(sasl.NewPlainClient("", rt.Username, rt.Password)); err != nil {
			return nil, fmt.Errorf("log in to the next server: %w", err)
		}
	}
	return c, nil
}

// paced bounds each single write: the library sets no deadline while it sends
// a body, so a peer that stops reading would hold a worker for ever.
type paced struct {
	net.Conn
	timeout time.Duration
}

func (p *paced) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(p.timeout)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// resultOf turns an error of the client into a result: the server's own reply
// when it gave one, else a temporary failure.
func resultOf(err error) queue.Result {
	var se *smtp.SMTPError
	if errors.As(err, &se) {
		e := se.EnhancedCode
		text := se.Message
		if e[0] > 0 {
			text = fmt.Sprintf("%d.%d.%d %s", e[0], e[1], e[2], text)
		}
		return queue.Result{Code: se.Code, Text: text}
	}
	return queue.Result{Text: err.Error()}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func anyUTF8(group []queue.Item) bool {
	for _, it := range group {
		if !isASCII(it.Rcpt.String()) {
			return true
		}
	}
	return false
}
