package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-smtp"

	"vanthu/internal/mail"
	"vanthu/internal/peer"
	"vanthu/internal/queue"
)

// send makes one transaction for all items of group and fills in results,
// which have the same length. broken tells that the connection is of no more
// use, early that it was so before the server had taken anything.
func (r *Runner) send(ctx context.Context, w way, c *conn, group []queue.Item, results []queue.Result) (broken, early bool) {
	all := func(err error) {
		for i := range results {
			results[i] = resultOf(err)
		}
	}
	c.raw.pace(r.opt.Timeout, time.Now().Add(r.opt.MessageTime))
	c.sent++
	message, size, err := r.source.OpenMessage(ctx, group[0].Message)
	if err != nil {
		all(fmt.Errorf("the message cannot be read here: %w", err))
		return false, false
	}
	defer message.Close() //nolint:errcheck // it was only read
	body, size, err := forWire(message, size, w, group[0].Queue)
	if err != nil {
		all(fmt.Errorf("the message cannot be read here: %w", err))
		return false, false
	}
	if !c.clean {
		if err := c.Reset(); err != nil {
			all(err)
			return true, true
		}
	}
	c.clean = false
	env := group[0].Env
	now := r.opt.Now()
	h := hop{offers: c.Extension, tls: c.tls}
	if no := h.refuse(env, group, now); no.Code != 0 {
		for i := range results {
			results[i] = no
		}
		c.clean = true
		return false, false
	}
	c.link.mail = h.mailParams(env, group, size, now)
	if err := c.Mail(senderText(env.From), nil); err != nil {
		all(err)
		return !isReply(err), true
	}
	taken := 0
	for i, it := range group {
		if err := c.Rcpt(it.Rcpt.String(), rcptOptions(it.To)); err != nil {
			results[i] = resultOf(err)
			if !isReply(err) {
				all(err)
				return true, i == 0
			}
			continue
		}
		results[i] = queue.Result{Code: 250}
		taken++
	}
	if taken == 0 {
		return false, false
	}
	final, err := r.data(c, body, size, env.Body == mail.BodyBinaryMIME)
	final.Host, final.Unreported = c.host.Host, !h.has("DSN")
	for i := range results {
		if results[i].Code == 250 {
			results[i] = final
		}
	}
	c.clean = final.Code == 250
	return err != nil && !isReply(err), false
}

// data sends the body. Nothing but the server's own final reply counts as
// delivered.
func (r *Runner) data(c *conn, body io.Reader, size int64, binary bool) (queue.Result, error) {
	if binary {
		reply, err := c.link.bdat(c.underWay(body), size)
		c.raw.body.Store(false)
		if err != nil {
			return resultOf(err), err
		}
		return queue.Result{Code: 250, Text: reply}, nil
	}
	w, err := c.Data()
	if err != nil {
		return resultOf(err), err
	}
	defer c.raw.body.Store(false)
	if _, err := io.Copy(w, c.underWay(body)); err != nil {
		err = fmt.Errorf("send the message: %w", err)
		return resultOf(err), err
	}
	// A server may work for long on what it has got. RFC 5321, section 4.5.3.2.6.
	c.raw.step.Store(int64(5 * r.opt.Timeout))
	resp, err := w.CloseWithResponse()
	if err != nil {
		return resultOf(err), err
	}
	return queue.Result{Code: 250, Text: resp.StatusText}, nil
}

// underWay marks that a body is under way from now on.
func (c *conn) underWay(body io.Reader) io.Reader {
	c.raw.body.Store(true)
	return body
}

// forWire gives a stored message as it leaves: without the Return-Path, which
// only the last server adds (RFC 5321, section 4.4), and for a peer with the
// queue id under which it drops what it has got already.
func forWire(stored io.Reader, size int64, w way, id queue.ID) (io.Reader, int64, error) {
	br := bufio.NewReaderSize(stored, 4096)
	for {
		line, err := br.Peek(12)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		if !bytes.EqualFold(line, []byte("Return-Path:")) {
			break
		}
		n, err := skipLine(br)
		if err != nil {
			return nil, 0, err
		}
		size -= n
	}
	if w.peer == "" {
		return br, size, nil
	}
	prefix := fmt.Sprintf("%s: %s\r\n", peer.TransferField, id)
	return io.MultiReader(bytes.NewReader([]byte(prefix)), br), size + int64(len(prefix)), nil
}

// skipLine reads on to the end of a line; our own fields are not folded here.
func skipLine(br *bufio.Reader) (n int64, err error) {
	for {
		part, err := br.ReadSlice('\n')
		n += int64(len(part))
		if !errors.Is(err, bufio.ErrBufferFull) {
			return n, err
		}
	}
}

// isReply tells the server's own answer from a connection that broke.
func isReply(err error) bool {
	var se *smtp.SMTPError
	return errors.As(err, &se)
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
	var p errPermanent
	if errors.As(err, &p) {
		return queue.Result{Code: p.code, Text: p.text}
	}
	return queue.Result{Text: err.Error()}
}
