package filter

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"vanthu/internal/mail"
)

// program is a milter made of functions; it sees what it is sent.
type program struct {
	milter.NoOpMilter
	connect func() (*milter.Response, error)
	rcpt    func(to string) (*milter.Response, error)
	end     func(m milter.Modifier) (*milter.Response, error)
	seen    *notes
}

// notes are written by the goroutines of several sessions.
type notes struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notes) add(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.text.Len() < 1<<10 {
		n.text.WriteString(s)
	}
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

func (p *program) Connect(host, family string, port uint16, addr string, m milter.Modifier) (*milter.Response, error) {
	p.seen.add("connect " + addr + " j=" + m.Get(milter.MacroMTAFQDN) + "\n")
	if p.connect != nil {
		return p.connect()
	}
	return milter.RespContinue, nil
}

func (p *program) MailFrom(from, _ string, m milter.Modifier) (*milter.Response, error) {
	p.seen.add("mail " + from + " auth=" + m.Get(milter.MacroAuthAuthen) + "\n")
	return milter.RespContinue, nil
}

func (p *program) RcptTo(to, _ string, _ milter.Modifier) (*milter.Response, error) {
	p.seen.add("rcpt " + to + "\n")
	if p.rcpt != nil {
		return p.rcpt(to)
	}
	return milter.RespContinue, nil
}

func (p *program) Header(name, value string, _ milter.Modifier) (*milter.Response, error) {
	p.seen.add(name + ":" + value + "\n")
	return milter.RespContinue, nil
}

func (p *program) BodyChunk(chunk []byte, _ milter.Modifier) (*milter.Response, error) {
	p.seen.add(string(chunk))
	return milter.RespContinue, nil
}

func (p *program) EndOfMessage(m milter.Modifier) (*milter.Response, error) {
	p.seen.add("end i=" + m.Get(milter.MacroQueueId) + "\n")
	if p.end != nil {
		return p.end(m)
	}
	return milter.RespAccept, nil
}

// start runs a milter and gives its address.
func start(t *testing.T, p *program, opts ...milter.Option) string {
	t.Helper()
	if p.seen == nil {
		p.seen = new(notes)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	all := milter.OptAddHeader | milter.OptChangeBody | milter.OptAddRcpt | milter.OptChangeHeader | milter.OptQuarantine | milter.OptChangeFrom
	srv := milter.NewServer(append([]milter.Option{milter.WithMilter(func() milter.Milter { return p }), milter.WithActions(all)}, opts...)...)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return l.Addr().String()
}

func message(body string) *Mail {
	return &Mail{
		Service: Submission, Hostname: "mail.p.test", QueueID: "01ABC", Client: netip.MustParseAddrPort("192.0.2.1:4711"), Helo: "pc",
		TLS: "TLS1.3 TLS_AES_128_GCM_SHA256", Login: "a@p.test",
		From: mail.Path{Address: mail.Address{Local: "a", Domain: "p.test"}},
		To:   []mail.Address{{Local: "b", Domain: "p.test"}, {Local: "c", Domain: "p.test"}},
		Fields: []Field{
			{"From", " a@p.test"}, {"Subject", " one\r\n two"}, {"X-Note", " first"}, {"x-note", " second"},
		},
		Body: func() io.Reader { return strings.NewReader(body) }, Size: int64(len(body)),
	}
}

func ask(t *testing.T, p *program, opt MilterOptions, msg *Mail) Answer {
	t.Helper()
	opt.Name, opt.Network, opt.Address = "test", "tcp", start(t, p)
	if opt.Timeout == 0 {
		opt.Timeout = 5 * time.Second
	}
	return NewMilter(opt).Ask(t.Context(), msg)
}

func TestMilterSeesTheMessage(t *testing.T) {
	p := &program{seen: new(notes)}
	a := ask(t, p, MilterOptions{}, message("hello\r\n"))
	if a.Failed != nil || a.Decision.Action != Pass || !a.Changes.None() {
		t.Fatalf("got %+v", a)
	}
	want := "connect 192.0.2.1 j=mail.p.test\nmail a@p.test auth=a@p.test\nrcpt b@p.test\nrcpt c@p.test\n" +
		"From:a@p.test\nSubject:one\n two\nX-Note:first\nx-note:second\nhello\r\nend i=01ABC\n"
	if got := p.seen.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMilterDecisions(t *testing.T) {
	virus, err := milter.RejectWithCodeAndReason(550, "5.7.1 Virus found: Eicar")
	if err != nil {
		t.Fatal(err)
	}
	busy, err := milter.RejectWithCodeAndReason(451, "4.7.1 greylisted")
	if err != nil {
		t.Fatal(err)
	}
	end := func(r *milter.Response) func(milter.Modifier) (*milter.Response, error) {
		return func(m milter.Modifier) (*milter.Response, error) { // the changes must not count when it refuses
			return r, m.AddHeader("X-Virus", "yes")
		}
	}
	tests := []struct {
		name   string
		p      *program
		action Action
		text   string
	}{
		{name: "accept", p: &program{}, action: Pass},
		{name: "accept at once", p: &program{connect: func() (*milter.Response, error) { return milter.RespAccept, nil }}, action: Pass},
		{name: "reject", p: &program{end: end(milter.RespReject)}, action: Refuse, text: "the filter test refuses the message"},
		{name: "reject with words", p: &program{end: end(virus)}, action: Refuse, text: "the filter test refuses the message: Virus found: Eicar"},
		{name: "later", p: &program{end: end(milter.RespTempFail)}, action: Later, text: "the filter test refuses the message"},
		{name: "later with words", p: &program{end: end(busy)}, action: Later, text: "the filter test refuses the message: greylisted"},
		{name: "throw away", p: &program{end: end(milter.RespDiscard)}, action: Hold, text: "the filter test wants it thrown away"},
		{name: "reject a recipient", p: &program{rcpt: func(to string) (*milter.Response, error) {
			if strings.HasPrefix(to, "c@") {
				return milter.RespReject, nil
			}
			return milter.RespContinue, nil
		}}, action: Refuse, text: "the filter test refuses the message"},
		{name: "quarantine", p: &program{end: func(m milter.Modifier) (*milter.Response, error) {
			return milter.RespAccept, m.Quarantine("odd\r\nlooks")
		}}, action: Hold, text: "the filter test asks for a look at it: odd looks"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := ask(t, tt.p, MilterOptions{}, message("x\r\n"))
			if a.Failed != nil {
				t.Fatal(a.Failed)
			}
			if a.Decision.Action != tt.action || a.Decision.Text.EN != tt.text {
				t.Errorf("got %v %q, want %v %q", a.Decision.Action, a.Decision.Text.EN, tt.action, tt.text)
			}
			if !a.Changes.None() {
				t.Errorf("changes %+v", a.Changes)
			}
		})
	}
}

func TestMilterChanges(t *testing.T) {
	p := &program{end: func(m milter.Modifier) (*milter.Response, error) {
		for _, err := range []error{
			m.AddHeader("X-Virus-Status", "Clean\n (checked)"), m.InsertHeader(0, "X-First", "1"),
			m.ChangeHeader(2, "X-Note", "changed"), m.ChangeHeader(1, "Subject", ""), m.ChangeHeader(1, "X-New", "new"),
			m.ReplaceBodyRawChunk([]byte("new ")), m.ReplaceBodyRawChunk([]byte("body\r\n")),
		} {
			if err != nil {
				return nil, err
			}
		}
		return milter.RespAccept, nil
	}}
	a := ask(t, p, MilterOptions{}, message("old\r\n"))
	if a.Failed != nil {
		t.Fatal(a.Failed)
	}
	want := []Field{{"X-Virus-Status", " Clean\r\n (checked)"}, {"X-First", " 1"}, {"X-New", " new"}}
	if len(a.Changes.Add) != len(want) {
		t.Fatalf("added %q", a.Changes.Add)
	}
	for i, f := range want {
		if a.Changes.Add[i] != f {
			t.Errorf("added %q, want %q", a.Changes.Add[i], f)
		}
	}
	if got := a.Changes.Change; len(got) != 2 || got[0] != (Change{1, ""}) || got[1] != (Change{3, " changed"}) {
		t.Errorf("changed %+v", got)
	}
	if !a.Changes.Replace || string(a.Changes.Body) != "new body\r\n" {
		t.Errorf("body %q", a.Changes.Body)
	}
}

// TestMilterFails: each way of failing under each policy.
func TestMilterFails(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := dead.Addr().String()
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	slow := make(chan struct{})
	t.Cleanup(func() { close(slow) })
	ways := map[string]string{
		"not there": nobody,
		"slow": start(t, &program{end: func(milter.Modifier) (*milter.Response, error) {
			<-slow
			return milter.RespAccept, nil
		}}),
		"dies": start(t, &program{end: func(milter.Modifier) (*milter.Response, error) { return nil, io.ErrUnexpectedEOF }}),
		"hangs up": listener(t, func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 4))
		}),
		"talks without end": listener(t, func(c net.Conn) {
			for {
				if _, err := c.Write([]byte{0, 0, 0, 1, 'p'}); err != nil {
					return
				}
			}
		}),
		"rubbish": listener(t, func(c net.Conn) { _, _ = c.Write([]byte("220 this is not a milter\r\n")) }),
		"changes the recipients": start(t, &program{end: func(m milter.Modifier) (*milter.Response, error) {
			return milter.RespAccept, m.AddRecipient("<evil@x.test>", "")
		}}),
	}
	policies := []struct {
		policy   FailurePolicy
		official bool
		action   Action
		marked   bool
	}{
		{FailAuto, false, Pass, true},
		{FailAuto, true, Later, false},
		{FailMark, true, Pass, true},
		{FailLater, false, Later, false},
		{FailHold, false, Hold, false},
	}
	for way, addr := range ways {
		for _, p := range policies {
			if way != "not there" && p.policy != FailAuto {
				continue
			}
			m := NewMilter(MilterOptions{Name: "test", Network: "tcp", Address: addr, Timeout: 100 * time.Millisecond, Failure: p.policy})
			msg := message("x\r\n")
			msg.Official = p.official
			a := m.Ask(t.Context(), msg)
			if a.Failed == nil || a.Decision.Action != p.action {
				t.Errorf("%s, %s, official %v: %v, %v", way, p.policy, p.official, a.Decision.Action, a.Failed)
			}
			if marked := len(a.Changes.Add) == 1 && a.Changes.Add[0] == (Field{MarkField, " test"}); marked != p.marked {
				t.Errorf("%s, %s: marked %v with %q", way, p.policy, marked, a.Changes.Add)
			}
		}
	}
}

// listener answers each connection with fn.
func listener(t *testing.T, fn func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fn(c)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// TestMilterLargeBody: it goes out in pieces; nothing of it is kept.
func TestMilterLargeBody(t *testing.T) {
	p := &program{}
	const size = 20 << 20
	msg := message("")
	msg.Size = size
	msg.Body = func() io.Reader { return io.LimitReader(zeros{}, size) }
	if a := ask(t, p, MilterOptions{}, msg); a.Failed != nil || a.Decision.Action != Pass {
		t.Errorf("got %+v", a)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestReplyText(t *testing.T) {
	tests := []struct{ reply, want string }{
		{"550 5.7.1 Virus", "Virus"},
		{"550-5.7.1 one\r\n550 5.7.1 two", "one two"},
		{"550 no code", "no code"},
		{"550", ""},
	}
	for _, tt := range tests {
		if got := replyText(tt.reply); got != tt.want {
			t.Errorf("replyText(%q) = %q, want %q", tt.reply, got, tt.want)
		}
	}
}

func FuzzFieldValue(f *testing.F) {
	f.Add("X-A", "b\n c", true)
	f.Add("X A", "\r\n\r\nBody", false)
	f.Fuzz(func(t *testing.T, name, v string, spaced bool) {
		got, err := fieldValue(name, v, spaced)
		if err != nil {
			return
		}
		fields := mail.ParseHeader([]byte(name + ":" + got + "\r\n\r\n"))
		if len(fields) != 1 || fields[0].Name != name {
			t.Errorf("%q %q makes %d fields", name, got, len(fields))
		}
	})
}
