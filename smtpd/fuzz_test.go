package smtpd

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// FuzzServer gives a server any octets after a login, and counts its replies against an oracle that frames the input by itself: one
// reply for each line, one for each body and chunk. A server that loses its place runs message text as commands, which shows in the
// count.
func FuzzServer(f *testing.F) {
	const tx = "MAIL FROM:<vanthu@tinh.example>\r\nRCPT TO:<a@tinh.example>\r\n"
	for _, s := range []string{
		tx + "DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nNOOP\r\nQUIT\r\nNOOP\r\n",
		tx + "BDAT 5\r\nNOOP\rBDAT 8 LAST\r\n\n.\r\nQUIT\r\n" + tx + "DATA\r\n.\r\n",
		tx + "DATA\r\na\n.\nMAIL FROM:<x@y.example>\r\n.\r\nRSET\r\n",
		tx + "DATA\r\na\r\r\n.\r\n" + tx + "DATA\r\n.\r\r\n.\r\n",
		"BDAT 10\r\nQUIT\r\nQUITRSET\r\n" + tx + "BDAT 0\r\nMAIL FROM:<>\r\nDATA\r\nRSET\r\nBDAT 3 LAST\r\nabcNOOP\r\n",
		tx + "BDAT 200000\r\n" + strings.Repeat("NOOP\r\n", 40),
		tx + "BDAT 99999999999 LAST\r\nNOOP\r\n",
		tx + "BDAT -1\r\nNOOP\r\n",
		"AUTH PLAIN AHgAeA==\r\nAUTH LOGIN\r\nSTARTTLS\r\nEHLO again\r\nHELO x\r\nLHLO x\r\nNOOP\nVRFY\r\n\r\nHELP x\r\nEXPN\r\nFOO\r\n",
		"MAIL FROM:<vanthu@tinh.example> SIZE=5 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<postmaster>\r\nRCPT TO:<\"a b\"@tinh.example>\r\nDATA\r\nx\r\n",
		strings.Repeat("x", 5000) + "\r\nNOOP\r\n" + strings.Repeat("y", 20000) + "\r\nNOOP\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"MAIL FROM:<vanthu@tinh.example> BODY=BINARYMIME RET=HDRS ENVID=a+2Bb BY=60;RT MT-PRIORITY=-3\r\nRCPT TO:<a@tinh.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb\r\nDATA\r\nBDAT 4\r\n\x00\r\n.BDAT 5 LAST\r\n\n.\r\nQ",
		"MAIL FROM:<vanthu@tinh.example> BY=0;R REQUIRETLS HOLDFOR=1\r\nPROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\nNOOP\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01" + tx + "DATA\r\n.\r\n",
	} {
		f.Add([]byte(s))
	}
	check := sessionCheck(f)
	f.Fuzz(check)
}

// FuzzGrammar is FuzzServer with octets that stand for commands and pieces of text, so that it gets deep into transactions.
func FuzzGrammar(f *testing.F) {
	words := []string{
		"MAIL FROM:<vanthu@tinh.example>\r\n", "RCPT TO:<a@tinh.example>\r\n", "DATA\r\n", ".\r\n", "\r\n", "\r", "\n", ".", "..", "x", "\x00",
		"BDAT 2\r\n", "BDAT 7 LAST\r\n", "BDAT 0 LAST\r\n", "BDAT 40\r\n", "BDAT 2 FIRST\r\n", "BDAT 150000\r\n", "RSET\r\n", "NOOP\r\n",
		"EHLO x\r\n", "QUIT\r\n", "AUTH LOGIN\r\n", "STARTTLS\r\n", "RCPT TO:<>\r\n", "MAIL FROM:<b@tinh.example>\r\n", "\r\n.\r\n",
		"MAIL FROM:<vanthu@tinh.example> BODY=BINARYMIME\r\n", "RCPT TO:<a@tinh.example> NOTIFY=NEVER\r\n",
		strings.Repeat("z", 3000), "Subject: y\r\n\r\n", "BDAT", " 1", " LAST", "\t",
	}
	f.Add([]byte{0, 1, 2, 27, 9, 25, 0, 1, 11, 9, 9, 12, 18, 3, 17, 20})
	f.Add([]byte{0, 1, 2, 8, 4, 6, 3, 25, 0, 1, 13, 0, 1, 14, 2, 3, 25, 18})
	f.Add([]byte{0, 1, 16, 18, 18, 26, 26, 4, 18, 15})
	check := sessionCheck(f)
	f.Fuzz(func(t *testing.T, picks []byte) {
		var in []byte
		for _, p := range picks[:min(len(picks), 200)] {
			in = append(in, words[int(p)%len(words)]...)
		}
		check(t, in)
	})
}

// sessionCheck starts a server and returns a function that compares one session with the oracle.
func sessionCheck(f *testing.F) func(*testing.T, []byte) {
	m := new(memory)
	_, addr := serve(f, m, Submission, Options{
		AllowInsecureAuthOnLoopback: true, MaxBadCommands: 1 << 30, MaxIdleCommands: 1 << 30, MaxMessage: 100_000,
	})
	hello := "EHLO fuzz\r\nAUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+ourLogin+"\x00"+ourPassword)) + "\r\n"

	return func(t *testing.T, in []byte) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		go func() {
			_, _ = conn.Write(append([]byte(hello), in...)) // fails when the server has had enough
			_ = conn.(*net.TCPConn).CloseWrite()
		}()
		out, err := io.ReadAll(conn)
		if errors.Is(err, syscall.ECONNRESET) {
			return // the server closed while input was under way, which may cost replies that were not read yet
		}
		if err != nil {
			t.Fatalf("no end: %v, after %q", err, out)
		}
		replies := splitReplies(t, out)
		if len(replies) < 3 || !strings.HasPrefix(replies[2], "235") {
			t.Fatalf("no login: %q", replies)
		}
		m.mu.Lock()
		got := m.messages
		m.messages = nil
		m.mu.Unlock()
		want, bodies := oracle(in, replies[3:])
		if want != "" {
			t.Fatalf("%s\ninput %q\nreplies %q", want, in, replies[3:])
		}
		if len(bodies) != len(got) {
			t.Fatalf("delivered %d messages, want %d", len(got), len(bodies))
		}
		for i := range got {
			if got[i].body != bodies[i] {
				t.Fatalf("delivered %q, want %q", got[i].body, bodies[i])
			}
		}
	}
}

var replyForm = regexp.MustCompile(`^[2-5]\d\d[ -][^\r\n]*$`)

// splitReplies cuts the server's output into replies.
func splitReplies(t *testing.T, out []byte) []string {
	var all []string
	more := false
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\r\n"), "\r\n") {
		if !replyForm.MatchString(line) {
			t.Fatalf("not a reply: %q", line)
		}
		if more {
			all[len(all)-1] += "\n" + line
		} else {
			all = append(all, line)
		}
		more = line[3] == '-'
	}
	return all
}

// oracle walks through a client's octets with the server's replies in hand. It says what does not fit, and which bodies must have been
// delivered.
func oracle(in []byte, replies []string) (wrong string, bodies []string) {
	chunks := ""
	take := func(what string) (string, bool) {
		if len(replies) == 0 {
			wrong = "no reply to " + what
			return "", false
		}
		r := replies[0]
		replies = replies[1:]
		return r, true
	}
	defer func() {
		if wrong == "" && len(replies) > 0 {
			wrong = fmt.Sprintf("%d replies too many", len(replies))
		}
	}()
	for {
		i := bytes.IndexByte(in, '\n')
		if i < 0 {
			if len(in) >= 12288 { // above the limit without an end: refused in any case
				take("an endless line")
			}
			return
		}
		cmd := in[:i]
		in = in[i+1:]
		verb, arg, _ := bytes.Cut(bytes.TrimSuffix(cmd, []byte("\r")), []byte(" "))
		if f := bytes.Fields(arg); strings.EqualFold(string(verb), "BDAT") && len(f) > 0 && len(replies) == 0 {
			if n, err := strconv.Atoi(string(f[0])); err == nil && n > len(in) {
				return // a chunk that was cut has no reply
			}
		}
		r, ok := take(fmt.Sprintf("%.40q", cmd))
		if !ok {
			return
		}
		if last := r[:3] == "421" || r[:3] == "221" || strings.Contains(r, "closing connection") || r[:9] == "500 5.5.6"; last {
			return
		}
		switch strings.ToUpper(string(verb)) {
		case "RSET", "EHLO", "HELO":
			if r[:3] == "250" {
				chunks = ""
			}
		case "DATA":
			if r[:3] != "354" {
				continue
			}
			text, flaws, used, end := reference(in, 100_000, 1<<20)
			if !end {
				return // the client hung up in the middle: no reply
			}
			in = in[used:]
			r, ok := take("a body")
			if !ok {
				return
			}
			if (r[:3] == "250") != (flaws == 0) {
				wrong = fmt.Sprintf("flaws %b, reply %s", flaws, r)
				return
			}
			if flaws == 0 {
				bodies = append(bodies, text)
			}
		case "BDAT":
			if r[0] == '5' && r[:3] != "503" && r[:3] != "550" && r[:3] != "552" && r[:3] != "554" {
				continue // not taken for a command: bare LF, control characters
			}
			n := -1
			if f := bytes.Fields(arg); len(f) > 0 {
				n, _ = strconv.Atoi(string(f[0]))
			}
			if n < 0 {
				wrong = "took a chunk without size: " + string(cmd)
				return
			}
			if n > len(in) {
				// cut, or too large to be skipped: whoever says 552 and leaves has not answered too much
				if r[:3] != "552" {
					wrong = "answered a chunk that was cut: " + r
				}
				return
			}
			chunk := string(in[:n])
			in = in[n:]
			if r[:3] != "250" {
				chunks = ""
				continue
			}
			chunks += chunk
			if strings.Contains(r, "queued as") {
				bodies = append(bodies, chunks)
				chunks = ""
			}
		}
	}
}
