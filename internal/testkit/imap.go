package testkit

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// ErrNo is the error of a command that the server answered with NO or BAD.
var ErrNo = errors.New("the IMAP server refused")

// IMAP is a bare IMAP client. It shows what the server says, line by line.
type IMAP struct {
	conn net.Conn
	in   *bufio.Reader
	tag  int
}

// Line is one response line with the literals that stood in it.
type Line struct {
	Text     string
	Literals [][]byte
}

// imapTime bounds one command: a server that hangs fails the test.
const imapTime = time.Minute

// DialIMAPS connects with TLS from the first byte and reads the greeting.
func DialIMAPS(addr string, conf *tls.Config) (*IMAP, error) {
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: conf}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &IMAP{conn: conn, in: bufio.NewReader(conn)}
	err = conn.SetDeadline(time.Now().Add(imapTime))
	if err == nil {
		_, err = c.Read()
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// Close ends the connection without a word.
func (c *IMAP) Close() error { return c.conn.Close() }

// Cmd sends one command and returns its untagged lines and the text of its
// tagged OK; another answer is [ErrNo] with its text.
func (c *IMAP) Cmd(format string, args ...any) (lines []Line, ok string, err error) {
	c.tag++
	tag := fmt.Sprintf("t%d", c.tag)
	if err := c.conn.SetDeadline(time.Now().Add(imapTime)); err != nil {
		return nil, "", err
	}
	if _, err := fmt.Fprintf(c.conn, "%s %s\r\n", tag, fmt.Sprintf(format, args...)); err != nil {
		return nil, "", err
	}
	for {
		l, err := c.Read()
		if err != nil {
			return nil, "", err
		}
		rest, done := strings.CutPrefix(l.Text, tag+" ")
		if !done {
			lines = append(lines, l)
			continue
		}
		if text, isOK := strings.CutPrefix(rest, "OK "); isOK {
			return lines, text, nil
		}
		return lines, "", fmt.Errorf("%w: %s", ErrNo, rest)
	}
}

// Read reads one response line.
func (c *IMAP) Read() (Line, error) {
	var l Line
	for {
		s, err := c.in.ReadString('\n')
		if err != nil {
			return l, err
		}
		s = strings.TrimRight(s, "\r\n")
		l.Text += s
		open := strings.LastIndexByte(s, '{')
		if open < 0 || !strings.HasSuffix(s, "}") {
			return l, nil
		}
		n, err := strconv.Atoi(strings.TrimSuffix(s[open+1:], "}"))
		if err != nil {
			return l, nil //nolint:nilerr // braces that are no literal are just text
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(c.in, b); err != nil {
			return l, err
		}
		l.Literals = append(l.Literals, b)
	}
}

// Login logs in.
func (c *IMAP) Login(login, password string) error {
	_, _, err := c.Cmd(`LOGIN "%s" "%s"`, login, password)
	return err
}

// Select opens a mailbox.
func (c *IMAP) Select(mailbox string) error {
	_, _, err := c.Cmd(`SELECT "%s"`, ModifiedUTF7(mailbox))
	return err
}

// Search gives the UIDs that a search finds in the selected mailbox.
func (c *IMAP) Search(keys string) ([]string, error) {
	lines, _, err := c.Cmd("UID SEARCH %s", keys)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if rest, ok := strings.CutPrefix(l.Text, "* SEARCH"); ok {
			return strings.Fields(rest), nil
		}
	}
	return nil, nil
}

// In selects a mailbox and gives the UIDs of all messages in it.
func (c *IMAP) In(mailbox string) ([]string, error) {
	if err := c.Select(mailbox); err != nil {
		return nil, err
	}
	return c.Search("ALL")
}

// Body fetches a whole message of the selected mailbox.
func (c *IMAP) Body(uid string) ([]byte, error) {
	lines, _, err := c.Cmd("UID FETCH %s (BODY.PEEK[])", uid)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if len(l.Literals) == 1 {
			return l.Literals[0], nil
		}
	}
	return nil, fmt.Errorf("no message with UID %s", uid)
}

// Move moves messages of the selected mailbox.
func (c *IMAP) Move(uids, mailbox string) error {
	_, _, err := c.Cmd(`UID MOVE %s "%s"`, uids, ModifiedUTF7(mailbox))
	return err
}

// ModifiedUTF7 writes a mailbox name as IMAP4rev1 wants it. RFC 3501, section 5.1.3.
func ModifiedUTF7(s string) string {
	var out, run bytes.Buffer
	flush := func() {
		if run.Len() > 0 {
			enc := base64.RawStdEncoding.EncodeToString(run.Bytes())
			out.WriteString("&" + strings.ReplaceAll(enc, "/", ",") + "-")
			run.Reset()
		}
	}
	for _, r := range s {
		switch {
		case r == '&':
			flush()
			out.WriteString("&-")
		case r >= ' ' && r <= '~':
			flush()
			out.WriteRune(r)
		default:
			for _, u := range utf16.Encode([]rune{r}) {
				run.WriteByte(byte(u >> 8))
				run.WriteByte(byte(u))
			}
		}
	}
	flush()
	return out.String()
}

// IdleUntil idles until a line comes that is waited for, and tells when it came.
func (c *IMAP) IdleUntil(want func(line string) bool) (at time.Time, err error) {
	c.tag++
	tag := fmt.Sprintf("t%d", c.tag)
	if err := c.conn.SetDeadline(time.Now().Add(imapTime)); err != nil {
		return at, err
	}
	if _, err := fmt.Fprintf(c.conn, "%s IDLE\r\n", tag); err != nil {
		return at, err
	}
	for at.IsZero() {
		l, err := c.Read()
		if err != nil {
			return at, err
		}
		if want(l.Text) {
			at = time.Now()
		}
	}
	if _, err := io.WriteString(c.conn, "DONE\r\n"); err != nil {
		return at, err
	}
	for {
		l, err := c.Read()
		if err != nil {
			return at, err
		}
		if rest, done := strings.CutPrefix(l.Text, tag+" "); done {
			if !strings.HasPrefix(rest, "OK ") {
				return at, fmt.Errorf("%w: %s", ErrNo, rest)
			}
			return at, nil
		}
	}
}
