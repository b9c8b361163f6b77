package smtpd

import (
	"bytes"
	"net/smtp"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	smtplib "github.com/emersion/go-smtp"
)

// Clients that were not written for us.

func TestStandardLibraryClient(t *testing.T) {
	serverTLS, clientTLS := testConfigs(t)
	m := new(memory)
	_, addr := serve(t, m, Submission, Options{TLS: serverTLS})
	c, err := smtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(clientTLS); err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", ourLogin, ourPassword, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail(ourLogin); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("a@tinh.example"); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	body := "Subject: xin chào\r\n\r\n.một\r\n..hai\r\n"
	if _, err := w.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	if got := m.got(); len(got) != 1 || got[0].body != body || got[0].origin.Protocol != "UTF8SMTPSA" {
		t.Errorf("delivered %+v", got)
	}
}

func TestLibraryClient(t *testing.T) {
	serverTLS, clientTLS := testConfigs(t)
	m := new(memory)
	_, addr := serve(t, m, Submissions, Options{TLS: serverTLS})
	c, err := smtplib.DialTLS(addr, clientTLS)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(sasl.NewLoginClient(ourLogin, ourPassword)); err != nil {
		t.Fatal(err)
	}
	if n, ok := c.MaxMessageSize(); !ok || n != 50<<20 {
		t.Errorf("SIZE = %d", n)
	}
	large := bytes.Repeat([]byte(strings.Repeat("x", 70)+"\r\n"), 40_000) // 2.8 MB
	for range 2 {
		if err := c.SendMail(ourLogin, []string{"a@tinh.example", "b@tinh.example"}, bytes.NewReader(large)); err != nil {
			t.Fatal(err)
		}
	}
	err = c.SendMail(ourLogin, []string{"khongco@tinh.example"}, strings.NewReader("x\r\n"))
	if e, ok := err.(*smtplib.SMTPError); !ok || e.Code != 550 || e.EnhancedCode != (smtplib.EnhancedCode{5, 1, 1}) {
		t.Errorf("unknown recipient: %v", err)
	}
	if got := m.got(); len(got) != 2 || got[1].body != string(large) || len(got[1].env.To) != 2 {
		t.Errorf("delivered %d", len(got))
	}
}

func TestLibraryClientLMTP(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, LMTP, Options{})
	under := dial(t, addr)
	c := smtplib.NewClientLMTP(under.conn)
	defer c.Close()
	if err := c.Mail("a@out.example", nil); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"a@tinh.example", "b@tinh.example"} {
		if err := c.Rcpt(to, nil); err != nil {
			t.Fatal(err)
		}
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x\r\n")); err != nil {
		t.Fatal(err)
	}
	answers, err := w.CloseWithLMTPResponse()
	if err != nil || len(answers) != 2 || answers["b@tinh.example"] == nil || len(m.got()) != 1 {
		t.Errorf("answers = %v, %v, delivered %d", answers, err, len(m.got()))
	}
}
