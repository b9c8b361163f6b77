package smtpd

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"vanthu/internal/mail"
)

// A command is one line of the client, checked: ASCII letters, and an argument without control characters. arg is valid until the
// conn reads again.
type command struct {
	verb string // upper case
	arg  []byte
}

// verbs are the commands we know, so that looking one up does not allocate.
var verbs = [...]string{
	"EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "AUTH", "STARTTLS", "VRFY", "EXPN", "HELP",
	"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE", "PRI", "PROXY",
}

// parseCommand splits line, which ends in LF; the reply says why it is no command. Lines must end in CRLF: an LF alone is how mail is
// smuggled past servers that disagree about line ends (RFC 5321, section 2.3.8).
func parseCommand(line []byte) (command, string) {
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return command{}, replyBareLF
	}
	for _, b := range line {
		if b < ' ' && b != '\t' || b == 0x7f {
			return command{}, replyControl
		}
	}
	word, arg, _ := bytes.Cut(line, []byte(" "))
	cmd := command{arg: bytes.TrimRight(arg, " \t")}
	for _, v := range verbs {
		if len(word) == len(v) && bytes.EqualFold(word, []byte(v)) {
			cmd.verb = v
			return cmd, ""
		}
	}
	return command{}, replyUnknown
}

// dispatch carries out a command.
func (c *conn) dispatch(cmd command) {
	switch cmd.verb {
	case "EHLO", "HELO", "LHLO":
		c.hello(cmd)
	case "MAIL":
		c.mail(cmd)
	case "RCPT":
		c.rcpt(cmd)
	case "DATA":
		c.data(cmd)
	case "BDAT":
		c.bdat(cmd)
	case "AUTH":
		c.auth(cmd)
	case "STARTTLS":
		c.starttls(cmd)
	case "RSET":
		c.rset(cmd)
	case "NOOP":
		if c.idleCommand() {
			c.sayString(replyOK)
		}
	case "VRFY", "EXPN":
		// The same answer whether the name exists or not. RFC 5321, section 7.3.
		if c.idleCommand() {
			c.sayString(replyVerify)
		}
	case "HELP":
		if c.idleCommand() {
			c.sayString(replyHelp)
		}
	case "QUIT":
		c.sayString(replyBye)
		c.over, c.linger = true, len(c.Buffered()) > 0
	case "PROXY": // wire takes the headers of listed proxies before we see anything
		c.bye(replyProxy)
	default:
		c.bye(replyHTTP) // a browser, or a page that makes one attack us
	}
}

// hello handles EHLO, HELO and LHLO, which also end a transaction. RFC 5321, section 4.1.1.1; RFC 2033, section 4.1.
func (c *conn) hello(cmd command) {
	if lmtp := cmd.verb == "LHLO"; lmtp != (c.service == LMTP) {
		c.badCommand(replyWrongHello)
		return
	}
	name, _, _ := bytes.Cut(cmd.arg, []byte(" "))
	helo, ok := safeHelo(name)
	if !ok {
		c.badCommand(replyBadHello)
		return
	}
	if !c.idleCommand() {
		return
	}
	c.helo, c.esmtp = helo, cmd.verb != "HELO"
	c.pass(fedHello, cmd.verb, " client") // the name stays with us: it may hold anything printable
}

// sayHello lists our extensions.
func (c *conn) sayHello() {
	opt := &c.server.opt
	if !c.esmtp {
		c.sayString("250 " + opt.Hostname + "\r\n")
		return
	}
	var b strings.Builder
	b.WriteString("250-" + opt.Hostname + "\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250-ENHANCEDSTATUSCODES\r\n" +
		"250-CHUNKING\r\n250-SMTPUTF8\r\n250-DSN\r\n250-DELIVERBY\r\n250-MT-PRIORITY\r\n")
	of := c.offer()
	if of.requireTLS {
		b.WriteString("250-REQUIRETLS\r\n")
	}
	if of.hold > 0 {
		b.WriteString("250-FUTURERELEASE " + strconv.FormatInt(int64(of.hold/time.Second), 10) + " " +
			of.now.Add(of.hold).UTC().Format("2006-01-02T15:04:05Z") + "\r\n")
	}
	if c.server.tls != nil && !c.IsTLS() && c.session.account == 0 {
		b.WriteString("250-STARTTLS\r\n")
	}
	if c.service.authenticates() && c.mayAuth() {
		b.WriteString("250-AUTH " + strings.Join(c.mechanisms(), " ") + "\r\n")
	}
	b.WriteString("250-LIMITS RCPTMAX=" + strconv.Itoa(opt.MaxRecipients) + "\r\n")
	b.WriteString("250 SIZE " + strconv.FormatInt(opt.MaxMessage, 10) + "\r\n")
	c.sayString(b.String())
}

// rset forgets the transaction. RFC 5321, section 4.1.1.5.
func (c *conn) rset(cmd command) {
	switch {
	case len(cmd.arg) > 0:
		c.badCommand(replyNoArgument)
	case c.idleCommand():
		c.pass(fedReset, "RSET", "")
	}
}

// starttls handles STARTTLS. What was said before is forgotten. RFC 3207, section 4.2.
func (c *conn) starttls(cmd command) {
	switch {
	case len(cmd.arg) > 0:
		c.badCommand(replyNoArgument)
		return
	case c.server.tls == nil:
		c.badCommand(replyNoTLS)
		return
	case c.IsTLS() || c.session.account != 0:
		c.badCommand(replySequence)
		return
	case len(c.Buffered()) > 0:
		// Commands sent along in the clear could be anybody's. RFC 3207, section 6.
		c.bye(replyEarlyTLS)
		return
	}
	c.sayString(replyStartTLS)
	if !c.startTLS() {
		return
	}
	c.helo = ""
	c.pass(fedSilent, "RSET", "")
}

// mail begins a transaction. RFC 5321, section 4.1.1.2.
func (c *conn) mail(cmd command) {
	s := &c.session
	switch {
	case c.helo == "" || s.tx.open:
		c.badCommand(replySequence)
		return
	case c.service.authenticates() && s.account == 0:
		if c.mayAuth() {
			c.badCommand(replyAuthRequired)
		} else {
			c.badCommand(replyTLSRequired)
		}
		return
	}
	if s.holds != nil && !s.holds() {
		c.byeNow(replyAccessChanged)
		return
	}
	path, params, ok := cutPath(cmd.arg, "FROM:")
	if !ok {
		c.badCommand(replySenderSyntax)
		return
	}
	env, why := mailParams(params, c.offer())
	if why != "" {
		c.badCommand(why)
		return
	}
	from, err := mail.ParsePath(path, env.UTF8)
	if err != nil {
		if !env.UTF8 && !isASCII(path) {
			c.badCommand(replySenderUTF8)
		} else {
			c.badCommand(replySenderSyntax)
		}
		return
	}
	env.From = from
	s.next.env = env
	c.pass(fedMail, "MAIL FROM:", from.String())
}

// rcpt adds a recipient. RFC 5321, section 4.1.1.3.
func (c *conn) rcpt(cmd command) {
	s := &c.session
	if !s.tx.open || s.tx.chunks {
		c.badCommand(replySequence)
		return
	}
	path, params, ok := cutPath(cmd.arg, "TO:")
	if !ok {
		c.badCommand(replyRcptSyntax)
		return
	}
	rcpt, why := rcptParams(params, s.tx.env.UTF8)
	if why != "" {
		c.badCommand(why)
		return
	}
	var to mail.Path
	if strings.EqualFold(path, "<postmaster>") {
		// The only name without a domain, and every server has it. RFC 5321, section 4.5.1.
		to.Address = mail.Address{Local: "postmaster", Domain: c.server.opt.Domain}
	} else {
		var err error
		to, err = mail.ParsePath(path, s.tx.env.UTF8)
		if err != nil || to.Null {
			if !s.tx.env.UTF8 && !isASCII(path) {
				c.badCommand(replyRcptUTF8)
			} else {
				c.badCommand(replyRcptSyntax)
			}
			return
		}
	}
	rcpt.Addr = to.Address
	s.next.to = rcpt
	c.pass(fedRcpt, "RCPT TO:", to.String())
}

// cutPath takes the keyword and the path in angle brackets from arg; params is what follows. The brackets end where the path does: a
// ">" may stand in a quoted local part.
func cutPath(arg []byte, keyword string) (path string, params []byte, ok bool) {
	if len(arg) < len(keyword) || !bytes.EqualFold(arg[:len(keyword)], []byte(keyword)) {
		return "", nil, false
	}
	arg = bytes.TrimLeft(arg[len(keyword):], " ") // common, if wrong
	if len(arg) == 0 || arg[0] != '<' {
		return "", nil, false
	}
	quoted := false
	for i := 1; i < len(arg); i++ {
		switch {
		case quoted && arg[i] == '\\':
			i++
		case arg[i] == '"':
			quoted = !quoted
		case arg[i] == '>' && !quoted:
			rest := arg[i+1:]
			if len(rest) > 0 && rest[0] != ' ' {
				return "", nil, false
			}
			return string(arg[:i+1]), bytes.TrimLeft(rest, " "), true
		}
	}
	return "", nil, false
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] > 0x7f {
			return false
		}
	}
	return true
}
