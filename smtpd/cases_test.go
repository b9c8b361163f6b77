package smtpd

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"
)

// Cases of the security programme that have no other test; see docs/SMTP.md for the rest.

// T003: octet by octet over the wire, stuffed dots and all.
func TestMessageOctetByOctet(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO a", "250")
	c.mailTo("a@tinh.example")
	c.want("DATA", "354")
	for _, b := range []byte("Subject: x\r\n\r\n..\r\n..x\r\nx.\r\n.\r\n") {
		c.send(string(b))
	}
	c.want("", "250")
	if got := m.got(); len(got) != 1 || got[0].body != "Subject: x\r\n\r\n.\r\n.x\r\nx.\r\n" {
		t.Errorf("delivered %+v", got)
	}
}

// T007: a last chunk that is cut inside TLS, with close_notify, is not a message.
func TestCutChunkInsideTLS(t *testing.T) {
	serverTLS, clientTLS := testConfigs(t)
	for _, notify := range []bool{true, false} {
		m := new(memory)
		_, addr := serve(t, m, Relay, Options{TLS: serverTLS})
		c := dial(t, addr)
		c.want("", "220")
		c.want("EHLO a", "250")
		c.want("STARTTLS", "220")
		raw := c.conn
		tc := tls.Client(raw, clientTLS)
		if err := tc.Handshake(); err != nil {
			t.Fatal(err)
		}
		c.conn, c.in = tc, &lineReader{r: tc}
		c.want("EHLO a", "250")
		c.mailTo("a@tinh.example")
		c.send("BDAT 100 LAST\r\nSubject: half\r\n\r\n")
		if notify {
			if err := tc.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got := c.reply(); strings.HasPrefix(got, "250") {
				t.Errorf("cut chunk answered %q", got)
			}
		} else {
			raw.Close()
		}
		for range 100 { // the server notices in its own time
			if m.open() == 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if got := m.got(); len(got) != 0 || m.open() != 0 {
			t.Errorf("delivered %+v, open %d, want nothing", got, m.open())
		}
	}
}

// T016, T018, T019, T025, T026: forms of commands and addresses that are refused by the letter.
func TestRefusedForms(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	tests := []struct {
		name, line, code string
	}{
		{"NUL in a command", "MAIL FROM:<a\x00@out.example>", "501 5.5.2"},
		{"CR in a command", "MAIL FROM:<a\r@out.example>", "501 5.5.2"},
		{"local part of 300", "MAIL FROM:<" + long(300) + "@out.example>", "501 5.1.7"},
		{"label of 70", "MAIL FROM:<a@" + long(70) + ".example>", "501 5.1.7"},
		{"domain of 800", "MAIL FROM:<a@" + strings.Repeat(long(60)+".", 13) + "example>", "501 5.1.7"},
		{"two @", "MAIL FROM:<a@b@out.example>", "501 5.1.7"},
		{"empty label", "MAIL FROM:<a@out..example>", "501 5.1.7"},
		{"no >", "MAIL FROM:<a@out.example", "501 5.1.7"},
		{"blank inside", "MAIL FROM:<a b@out.example>", "501 5.1.7"},
		{"field in quotes", "MAIL FROM:<\"a>\r\n X: y <b\"@out.example>", "501 5.5.2"},
		{"hello of 400", "EHLO " + long(400), "501 5.5.4"},
		{"hello with NUL", "EHLO a\x00b", "501 5.5.2"},
	}
	_, addr := serve(t, new(memory), Relay, Options{MaxBadCommands: 100})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, addr)
			c.want("", "220")
			c.want("EHLO a", "250")
			if strings.Contains(tt.line, "\r\n") || strings.Contains(tt.line, "\r") {
				c.send(tt.line + "\r\n")
				if got := c.reply(); !strings.HasPrefix(got, "501") {
					t.Errorf("got %q, want 501", got)
				}
				return
			}
			c.want(tt.line, tt.code)
		})
	}
}
