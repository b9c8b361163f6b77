package transport

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"

	"github.com/emersion/go-smtp"
)

// A link is the connection as the library sees it, above TLS: it adds to MAIL
// what the library cannot say (go-smtp sends BY and MT-PRIORITY with RCPT,
// where no server takes them, and always BODY=8BITMIME), and lets a body go by
// BDAT, which the library does not speak.
type link struct {
	net.Conn
	greeting []byte // what the library is still to read as the server's greeting
	mail     string // replaces the parameters of the next MAIL; "" leaves them
}

// newLink puts a link on conn. After STARTTLS the server does not greet again,
// so the library is given a greeting to read.
func newLink(conn net.Conn, greeted bool) *link {
	l := &link{Conn: conn}
	if greeted {
		l.greeting = []byte("220 ready\r\n")
	}
	return l
}

func (l *link) Read(p []byte) (int, error) {
	if len(l.greeting) > 0 {
		n := copy(p, l.greeting)
		l.greeting = l.greeting[n:]
		return n, nil
	}
	return l.Conn.Read(p)
}

// Write passes on what the library sends: a command in one piece.
func (l *link) Write(p []byte) (int, error) {
	if l.mail == "" || !bytes.HasPrefix(p, []byte("MAIL FROM:<")) {
		return l.Conn.Write(p)
	}
	path := p[:len(p)-len("\r\n")]
	if i := bytes.LastIndexByte(path, '>'); i >= 0 {
		path = path[:i+1]
	}
	line := string(path) + l.mail + "\r\n"
	l.mail = ""
	if _, err := io.WriteString(l.Conn, line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// startTLS greets and switches to TLS by hand, for the library would put its
// TLS above the link. Whatever the server sent in the clear behind its consent
// could be anybody's and ends the attempt. RFC 3207, section 6.
func startTLS(raw net.Conn, name string, conf *tls.Config) (*tls.Conn, error) {
	in := bufio.NewReader(&io.LimitedReader{R: raw, N: 64 << 10})
	text := textproto.NewReader(in)
	ask := func(command string, code int) (string, error) {
		if command != "" {
			if _, err := io.WriteString(raw, command+"\r\n"); err != nil {
				return "", err
			}
		}
		_, msg, err := text.ReadResponse(code)
		var pe *textproto.Error
		if errors.As(err, &pe) {
			return "", &smtp.SMTPError{Code: pe.Code, Message: pe.Msg}
		}
		return msg, err
	}
	if _, err := ask("", 220); err != nil {
		return nil, err
	}
	offers, err := ask("EHLO "+name, 250)
	if err != nil {
		return nil, err
	}
	offered := false
	for line := range strings.SplitSeq(offers, "\n") {
		offered = offered || strings.EqualFold(strings.TrimSpace(line), "STARTTLS")
	}
	if !offered {
		return nil, errNoTLS
	}
	if _, err := ask("STARTTLS", 220); err != nil {
		return nil, err
	}
	if in.Buffered() > 0 {
		return nil, errors.New("the server spoke in the clear after STARTTLS")
	}
	conn := tls.Client(raw, conf)
	if err := conn.Handshake(); err != nil {
		return nil, fmt.Errorf("tls handshake: %w", err)
	}
	return conn, nil
}

var errNoTLS = errors.New("the server does not offer STARTTLS")

// bdat sends a body of size octets as one chunk, which needs no stuffing and
// holds any octets, and returns the server's reply. RFC 3030, section 2.
func (l *link) bdat(body io.Reader, size int64) (reply string, err error) {
	if _, err := fmt.Fprintf(l.Conn, "BDAT %d LAST\r\n", size); err != nil {
		return "", err
	}
	if n, err := io.Copy(l.Conn, io.LimitReader(body, size)); err != nil || n != size {
		return "", fmt.Errorf("send the message: %d of %d octets: %w", n, size, errors.Join(err, io.ErrUnexpectedEOF))
	}
	_, msg, err := textproto.NewReader(bufio.NewReader(io.LimitReader(l.Conn, 64<<10))).ReadResponse(250)
	var pe *textproto.Error
	if errors.As(err, &pe) {
		return "", &smtp.SMTPError{Code: pe.Code, Message: pe.Msg}
	}
	return msg, err
}
