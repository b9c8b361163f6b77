package main

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

// imapClient is just enough of an IMAP client to play a clerk in the demo:
// the point of the demo is that an ordinary client, here one that knows
// nothing of us, does the whole job.
type imapClient struct {
	conn net.Conn
	in   *bufio.Reader
	tag  int
}

// imapLine is one response line with the literals that it carried in place.
type imapLine struct {
	text     string
	literals [][]byte
}

var errIMAP = errors.New("the IMAP server refused")

func dialIMAPS(addr string, conf *tls.Config) (*imapClient, error) {
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: conf}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &imapClient{conn: conn, in: bufio.NewReader(conn)}
	if _, err := c.read(); err != nil { // greeting
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

func (c *imapClient) close() error { return c.conn.Close() }

// cmd sends one command and returns its untagged lines.
func (c *imapClient) cmd(format string, args ...any) (lines []imapLine, err error) {
	c.tag++
	tag := fmt.Sprintf("d%d", c.tag)
	if err := c.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c.conn, "%s %s\r\n", tag, fmt.Sprintf(format, args...)); err != nil {
		return nil, err
	}
	for {
		l, err := c.read()
		if err != nil {
			return nil, err
		}
		rest, done := strings.CutPrefix(l.text, tag+" ")
		if !done {
			lines = append(lines, l)
			continue
		}
		if strings.HasPrefix(rest, "OK ") {
			return lines, nil
		}
		return nil, fmt.Errorf("%w: %s", errIMAP, rest)
	}
}

func (c *imapClient) read() (imapLine, error) {
	var l imapLine
	for {
		s, err := c.in.ReadString('\n')
		if err != nil {
			return l, err
		}
		s = strings.TrimRight(s, "\r\n")
		l.text += s
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
		l.literals = append(l.literals, b)
	}
}

func (c *imapClient) login(login, password string) error {
	_, err := c.cmd(`LOGIN "%s" "%s"`, login, password)
	return err
}

// uids selects a mailbox and returns the UIDs of all messages in it.
func (c *imapClient) uids(mailbox string) ([]string, error) {
	if _, err := c.cmd(`SELECT "%s"`, modifiedUTF7(mailbox)); err != nil {
		return nil, err
	}
	lines, err := c.cmd("UID SEARCH ALL")
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if rest, ok := strings.CutPrefix(l.text, "* SEARCH"); ok {
			return strings.Fields(rest), nil
		}
	}
	return nil, nil
}

// body fetches a whole message of the selected mailbox without marking it read.
func (c *imapClient) body(uid string) ([]byte, error) {
	lines, err := c.cmd("UID FETCH %s (BODY.PEEK[])", uid)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if len(l.literals) == 1 {
			return l.literals[0], nil
		}
	}
	return nil, fmt.Errorf("%w: no message with UID %s", errIMAP, uid)
}

// move drags a message of the selected mailbox into another one.
func (c *imapClient) move(uid, mailbox string) error {
	_, err := c.cmd(`UID MOVE %s "%s"`, uid, modifiedUTF7(mailbox))
	return err
}

// modifiedUTF7 writes a mailbox name as IMAP4rev1 wants it. RFC 3501, section 5.1.3.
func modifiedUTF7(s string) string {
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
