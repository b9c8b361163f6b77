package smtpd

import (
	"bytes"
	"errors"
	"log/slog"
	"strconv"

	"vanthu/internal/mail"
	"vanthu/internal/wire"
)

// data takes a message by DATA. RFC 5321, section 4.1.1.4.
func (c *conn) data(cmd command) {
	s := &c.session
	switch {
	case len(cmd.arg) > 0:
		c.badCommand(replyNoArgument)
		return
	case !s.tx.open || s.tx.chunks || len(s.tx.env.To) == 0:
		c.badCommand(replySequence)
		return
	case s.tx.env.Body == mail.BodyBinaryMIME: // RFC 3030, section 3
		c.badCommand(replyBinaryByDATA)
		return
	}
	if !c.begin(1) {
		return
	}
	c.sayString(replyGoAhead)
	c.Phase(c.dataPace())
	var raw int64
	for end := false; !end; {
		in := c.Buffered()
		used := 0
		if len(in) > 0 {
			used, end = s.tx.body.data(in)
			c.Discard(used)
			raw += int64(used)
			c.checkFlaws()
		}
		if raw > 2*c.server.opt.MaxMessage+maxSkip {
			c.server.stats.MessagesRefused.Add(1)
			s.drop()
			c.bye(replyTooBig)
			return
		}
		if !end {
			if err := c.Fill(); err != nil {
				c.bodyFailed(err)
				return
			}
		}
	}
	c.finish(c.finalReplies())
}

// bdat takes a chunk of a message. Its octets follow whatever we think of the command, so they are taken in every case; when their number
// cannot be known, the session must end. RFC 3030, section 2.
func (c *conn) bdat(cmd command) {
	size, last, ok := chunkSize(cmd.arg)
	if !ok {
		c.server.stats.BadCommands.Add(1)
		c.bye(replyBadChunk)
		return
	}
	s := &c.session
	if !s.tx.open || len(s.tx.env.To) == 0 {
		if c.skipChunk(size) {
			c.badCommand(replySequence)
		}
		return
	}
	replies := 1
	if last {
		replies = c.finalReplies()
	}
	if s.tx.body.size+size > c.server.opt.MaxMessage {
		if c.skipChunk(size) {
			c.refuseMessage(replyTooBig, replies)
			c.endTransaction()
		}
		return
	}
	if !s.tx.chunks {
		if !c.begin(replies) { // has answered
			c.skipChunk(size)
			return
		}
		s.tx.chunks = true
	}
	c.Phase(c.dataPace())
	for size > 0 {
		in := c.Buffered()
		if len(in) == 0 {
			if err := c.Fill(); err != nil {
				c.bodyFailed(err)
				return
			}
			continue
		}
		if int64(len(in)) > size {
			in = in[:size]
		}
		s.tx.body.text(in)
		c.Discard(len(in))
		size -= int64(len(in))
		c.checkFlaws()
	}
	switch {
	case last:
		s.tx.body.finish()
		c.finish(replies)
	case s.tx.body.flaws != 0 || s.tx.writeErr != nil:
		c.finish(replies) // refuses it now; chunks that were sent along find no transaction
	default:
		c.sayString(replyOK)
	}
}

// chunkSize reads the argument of BDAT.
func chunkSize(arg []byte) (size int64, last, ok bool) {
	f := bytes.Fields(arg)
	if len(f) == 0 || len(f) > 2 {
		return 0, false, false
	}
	for _, b := range f[0] {
		if b < '0' || b > '9' {
			return 0, false, false
		}
	}
	size, err := strconv.ParseInt(string(f[0]), 10, 64)
	if err != nil {
		return 0, false, false
	}
	if len(f) == 2 {
		if !bytes.EqualFold(f[1], []byte("LAST")) {
			return 0, false, false
		}
		last = true
	}
	return size, last, true
}

// skipChunk drops a chunk that is not wanted. When it is too large to be worth it, or does not come, it ends the session and returns
// false.
func (c *conn) skipChunk(size int64) bool {
	if size > c.server.opt.MaxMessage+maxSkip {
		c.session.drop()
		c.bye(replyTooBig)
		return false
	}
	c.Phase(c.dataPace())
	for size > 0 {
		if len(c.Buffered()) == 0 {
			if err := c.Fill(); err != nil {
				c.bodyFailed(err)
				return false
			}
		}
		n := int(min(size, int64(len(c.Buffered()))))
		c.Discard(n)
		size -= int64(n)
	}
	return true
}

// dataPace is how fast a message must come in. A shutdown lets it finish.
func (c *conn) dataPace() wire.Pace {
	opt := &c.server.opt
	return wire.Pace{Idle: opt.DataIdle, Total: opt.DataTime, MinRate: opt.DataRate, Grace: opt.DataIdle, Busy: true}
}

// begin opens the message at the backend. When it returns false the refusal has been said, as many times as replies says.
func (c *conn) begin(replies int) bool {
	s := &c.session
	in, err := c.server.backend.Begin(s.ctx, s.tx.origin, s.tx.env)
	if err != nil {
		c.refuseMessage(line(s.refuse(phaseData, err, s.tx.env.UTF8)), replies)
		c.endTransaction()
		return false
	}
	s.tx.incoming = in
	s.tx.body = body{
		maxSize: c.server.opt.MaxMessage, maxLine: c.server.opt.MaxTextLine, sink: s.write, binary: s.tx.env.Body == mail.BodyBinaryMIME,
	}
	return true
}

// write passes octets on to the backend; after an error the rest of the message is only counted.
func (s *session) write(p []byte) {
	if s.tx.writeErr == nil && s.tx.incoming != nil {
		_, s.tx.writeErr = s.tx.incoming.Write(p)
	}
}

// checkFlaws forgets a message that will be refused as soon as that is known; the client is told at its end.
func (c *conn) checkFlaws() {
	s := &c.session
	if (s.tx.body.flaws != 0 || s.tx.writeErr != nil) && s.tx.incoming != nil {
		in := s.tx.incoming
		s.tx.incoming = nil
		in.Abort()
	}
}

// bodyFailed ends a session whose message did not come in whole. It must end: what might still come is no command.
func (c *conn) bodyFailed(err error) {
	c.session.drop()
	if errors.Is(err, wire.ErrTimeout) {
		c.server.stats.Timeouts.Add(1)
		c.byeNow(replyTimeout)
		return
	}
	c.hangUp()
}

// finish commits the message, or says replies times why not, and ends the transaction.
func (c *conn) finish(replies int) {
	s := &c.session
	defer c.endTransaction()
	if why := s.tx.body.reply(); why != "" {
		c.refuseMessage(why, replies)
		return
	}
	err := s.tx.writeErr
	var id QueueID
	var results []error
	if err == nil {
		in := s.tx.incoming
		s.tx.incoming = nil
		id, err = in.Commit(s.ctx)
		if each, ok := in.(PerRecipient); ok && err == nil {
			results = each.Results()
		}
	}
	if err != nil {
		c.refuseMessage(line(s.refuse(phaseData, err, s.tx.env.UTF8)), replies)
		return
	}
	st := &c.server.stats
	st.Messages.Add(1)
	st.Octets.Add(s.tx.body.size)
	st.Recipients.Add(int64(len(s.tx.env.To)))
	c.idle = 0
	c.log.Info("message accepted", slog.String("queue_id", string(id)), slog.Int64("size", s.tx.body.size),
		slog.Int("recipients", len(s.tx.env.To)))
	if c.service != LMTP {
		c.sayString("250 2.0.0 Ok: queued as ")
		c.sayString(string(id))
		c.sayString("\r\n")
		return
	}
	for i, to := range s.tx.env.To {
		if i < len(results) && results[i] != nil { // RFC 2033, section 4.2
			c.sayString(line(s.refuse(phaseData, results[i], s.tx.env.UTF8)))
			continue
		}
		c.sayString("250 2.1.5 <" + to.Addr.String() + "> Ok: queued as " + string(id) + "\r\n")
	}
}

// finalReplies is how many replies the end of a message gets: in LMTP one for each recipient. RFC 2033, sections 4.2 and 4.3.
func (c *conn) finalReplies() int {
	if c.service == LMTP {
		return len(c.session.tx.env.To)
	}
	return 1
}

// refuseMessage gives a reply that refuses the message.
func (c *conn) refuseMessage(reply string, replies int) {
	c.server.stats.MessagesRefused.Add(1)
	for range replies {
		c.sayString(reply)
	}
}

// endTransaction resets the library, which resets the session.
func (c *conn) endTransaction() {
	if !c.over {
		c.pass(fedSilent, "RSET", "")
	}
}
