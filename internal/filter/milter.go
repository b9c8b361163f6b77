package filter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/d--j/go-milter"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// Service is by what way a message comes in.
type Service string

// The services.
const (
	Submission Service = "submission" // a person's program, on either port
	Relay      Service = "relay"
	LMTP       Service = "lmtp"
)

// FailurePolicy is what happens to mail when a program does not answer, or
// answers what makes no sense.
type FailurePolicy string

// The policies.
const (
	// FailAuto is FailLater for official documents, whose senders need to know
	// that they were checked, and FailMark for ordinary mail.
	FailAuto  FailurePolicy = "auto"
	FailLater FailurePolicy = "later"
	FailMark  FailurePolicy = "mark" // accepted, with a field that says so
	FailHold  FailurePolicy = "hold"
)

// MilterOptions describes one program.
type MilterOptions struct {
	Name     string
	Network  string        // "tcp" or "unix"
	Address  string        // "127.0.0.1:7357", "/run/clamav/milter.ctl"
	Services []Service     // empty means all
	Timeout  time.Duration // for each answer; 0 means 30 s. All of them together get ten times that
	Failure  FailurePolicy // "" means FailAuto
}

// Milter asks one program about messages. It may be used concurrently.
type Milter struct{ opt MilterOptions }

// NewMilter returns a client of the program that opt describes. Nothing is
// asked before the first message.
func NewMilter(opt MilterOptions) *Milter {
	if opt.Timeout <= 0 {
		opt.Timeout = 30 * time.Second
	}
	if opt.Failure == "" {
		opt.Failure = FailAuto
	}
	return &Milter{opt: opt}
}

// Name gives the program's name.
func (m *Milter) Name() string { return m.opt.Name }

// Serves tells whether mail that comes in by s is to be asked about.
func (m *Milter) Serves(s Service) bool {
	return len(m.opt.Services) == 0 || slices.Contains(m.opt.Services, s)
}

// Mail is one message as a program sees it.
type Mail struct {
	Service  Service
	Hostname string // ours
	QueueID  string
	Client   netip.AddrPort
	Helo     string
	TLS      string // "" in clear
	Login    string // of the account, "" for nobody
	From     mail.Path
	To       []mail.Address
	Official bool // to the address of a unit

	Fields []Field
	Body   func() io.Reader // without the header
	Size   int64            // octets of the body
}

// Field is a header field: its name, and its value as it stands in the message
// from the octet after the colon on, with folds, without its last line end.
type Field struct{ Name, Value string }

// Changes is what a program wants done with a message that is taken.
type Changes struct {
	Add    []Field  // new fields, in the order they shall stand, before all others
	Change []Change // of fields that are there
	Body   []byte   // replaces the body when Replace is set
	// Replace is whether Body counts; a program may want an empty body.
	Replace bool
}

// None tells whether nothing is to be changed.
func (c *Changes) None() bool { return len(c.Add) == 0 && len(c.Change) == 0 && !c.Replace }

// Change gives the field with an index in Mail.Fields another value; "" removes it.
type Change struct {
	Index int
	Value string
}

// Answer is what a program says about a message.
type Answer struct {
	Decision Decision
	Changes  Changes
	// Failed is why the program could not be asked; the decision then follows
	// from the failure policy. Only for the log.
	Failed error
}

// maxAnswer bounds what a program may send, beside a body as long as ours.
const maxAnswer = 1 << 20

// Ask puts one message to the program. The body is sent in pieces and never
// held as a whole.
func (m *Milter) Ask(ctx context.Context, msg *Mail) Answer {
	ctx, cancel := context.WithTimeout(ctx, 10*m.opt.Timeout)
	defer cancel()
	a, err := m.ask(ctx, msg)
	if err != nil {
		return Answer{Decision: m.failed(msg), Failed: fmt.Errorf("filter %s: %w", m.opt.Name, err), Changes: m.mark(msg)}
	}
	return a
}

// policy is the failure policy for one message.
func (m *Milter) policy(msg *Mail) FailurePolicy {
	if m.opt.Failure != FailAuto {
		return m.opt.Failure
	}
	if msg.Official {
		return FailLater
	}
	return FailMark
}

func (m *Milter) failed(msg *Mail) Decision {
	text := fault.Text{
		EN: "the filter " + m.opt.Name + " does not answer; please send it again later",
		VI: "bộ lọc thư " + m.opt.Name + " chưa trả lời; xin gửi lại sau",
	}
	switch m.policy(msg) {
	case FailLater:
		return Decision{Action: Later, Code: CodeMilter, Text: text}
	case FailHold:
		text.EN, text.VI = "the filter "+m.opt.Name+" did not answer", "bộ lọc thư "+m.opt.Name+" không trả lời"
		return Decision{Action: Hold, Code: CodeMilter, Text: text}
	}
	return Decision{}
}

// MarkField is the field of mail that a program should have seen and did not.
const MarkField = "X-Vanthu-Unfiltered"

func (m *Milter) mark(msg *Mail) Changes {
	if m.policy(msg) != FailMark {
		return Changes{}
	}
	return Changes{Add: []Field{{Name: MarkField, Value: " " + m.opt.Name}}}
}

func (m *Milter) ask(ctx context.Context, msg *Mail) (a Answer, err error) {
	link := &dialer{ctx: ctx, most: 2*msg.Size + maxAnswer}
	client := milter.NewClient(m.opt.Network, m.opt.Address,
		milter.WithDialer(link), milter.WithReadTimeout(m.opt.Timeout), milter.WithWriteTimeout(m.opt.Timeout))
	s, err := client.Session(macros(msg))
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = s.Close() }() // the answer is known; a program that closed first is no failure
	act, err := envelope(s, msg)
	if err == nil && act.Type == milter.ActionContinue {
		act, err = header(s, msg)
	}
	var mods []milter.ModifyAction
	if err == nil && act.Type == milter.ActionContinue {
		mods, act, err = s.BodyReadFrom(msg.Body())
	}
	if err != nil {
		return Answer{}, err
	}
	return m.answer(s, msg, act, mods)
}

// envelope tells the program about client, sender and recipients. All of this
// happens after the message has come in: a recipient it refuses refuses the
// message.
func envelope(s *milter.ClientSession, msg *Mail) (*milter.Action, error) {
	family, port, addr := milter.FamilyUnknown, uint16(0), ""
	if ip := msg.Client.Addr().Unmap(); ip.IsValid() {
		family, port, addr = milter.FamilyInet, msg.Client.Port(), ip.String()
		if ip.Is6() {
			family = milter.FamilyInet6
		}
	}
	name := "[" + addr + "]" // no reverse name is looked up
	if addr == "" {
		name = "localhost"
	}
	act, err := s.Conn(name, family, port, addr)
	for _, step := range []func() (*milter.Action, error){
		func() (*milter.Action, error) { return s.Helo(msg.Helo) },
		func() (*milter.Action, error) { return s.Mail(msg.From.Address.String(), "") },
	} {
		if err != nil || act.Type != milter.ActionContinue {
			return act, err
		}
		act, err = step()
	}
	for _, to := range msg.To {
		if err != nil || act.Type != milter.ActionContinue {
			return act, err
		}
		act, err = s.Rcpt(to.String(), "")
	}
	if err != nil || act.Type != milter.ActionContinue {
		return act, err
	}
	return s.DataStart()
}

func header(s *milter.ClientSession, msg *Mail) (*milter.Action, error) {
	for _, f := range msg.Fields {
		v := f.Value
		if !s.ProtocolOption(milter.OptHeaderLeadingSpace) && v != "" && (v[0] == ' ' || v[0] == '\t') {
			v = v[1:]
		}
		act, err := s.HeaderField(f.Name, strings.ReplaceAll(v, "\r\n", "\n"), nil)
		if err != nil || act.Type != milter.ActionContinue {
			return act, err
		}
	}
	return s.HeaderEnd()
}

// macros gives what Postfix gives, as far as there is something to say.
func macros(msg *Mail) *milter.MacroBag {
	b := milter.NewMacroBag()
	set := func(name, value string) {
		if value != "" {
			b.Set(name, value)
		}
	}
	set(milter.MacroMTAFQDN, msg.Hostname)
	set(milter.MacroMTAVersion, "vanthu")
	set(milter.MacroDaemonName, string(msg.Service))
	set(milter.MacroQueueId, msg.QueueID)
	if msg.Client.IsValid() {
		set(milter.MacroClientAddr, msg.Client.Addr().Unmap().String())
		set(milter.MacroClientPort, strconv.Itoa(int(msg.Client.Port())))
	}
	set(milter.MacroClientName, "unknown")
	if version, cipher, ok := strings.Cut(msg.TLS, " "); ok {
		set(milter.MacroTlsVersion, version)
		set(milter.MacroCipher, cipher)
	}
	set(milter.MacroAuthAuthen, msg.Login)
	if msg.Login != "" {
		set(milter.MacroAuthType, "PLAIN")
	}
	set(milter.MacroMailAddr, msg.From.Address.String())
	set(milter.MacroMailHost, msg.From.Address.Domain)
	set(milter.MacroMailMailer, "esmtp")
	if len(msg.To) > 0 {
		set(milter.MacroRcptAddr, msg.To[0].String())
		set(milter.MacroRcptHost, msg.To[0].Domain)
		set(milter.MacroRcptMailer, "local")
	}
	return b
}

// answer turns the program's last word into ours. What it wants changed counts
// only when it takes the message; it still sends it when it does not.
func (m *Milter) answer(s *milter.ClientSession, msg *Mail, act *milter.Action, mods []milter.ModifyAction) (Answer, error) {
	said := fault.Text{EN: "the filter " + m.opt.Name + " refuses the message", VI: "bộ lọc thư " + m.opt.Name + " không nhận thư này"}
	if act.Type == milter.ActionRejectWithCode {
		if why := replyText(act.SMTPReply); why != "" {
			said.EN, said.VI = said.EN+": "+why, said.VI+": "+why
		}
	}
	switch act.Type {
	case milter.ActionAccept, milter.ActionContinue, milter.ActionSkip:
	case milter.ActionReject:
		return Answer{Decision: Decision{Action: Refuse, Code: CodeMilter, Text: said}}, nil
	case milter.ActionTempFail:
		return Answer{Decision: Decision{Action: Later, Code: CodeMilter, Text: said}}, nil
	case milter.ActionRejectWithCode:
		d := Decision{Action: Refuse, Code: CodeMilter, Text: said}
		if act.SMTPCode < 500 {
			d.Action = Later
		}
		return Answer{Decision: d}, nil
	case milter.ActionDiscard:
		// The sender is told that it was taken; so nothing may vanish.
		return Answer{Decision: Decision{Action: Hold, Code: CodeMilter, Text: fault.Text{
			EN: "the filter " + m.opt.Name + " wants it thrown away", VI: "bộ lọc thư " + m.opt.Name + " yêu cầu loại bỏ",
		}}}, nil
	default:
		return Answer{}, fmt.Errorf("it gave the unknown answer %v", act)
	}
	return m.changes(msg, mods, s.ProtocolOption(milter.OptHeaderLeadingSpace))
}

func (m *Milter) changes(msg *Mail, mods []milter.ModifyAction, spaced bool) (a Answer, err error) {
	changed := map[int]string{}
	var inserted []Field // later ones of the same place stand before
	for _, mod := range mods {
		switch mod.Type {
		case milter.ActionAddHeader, milter.ActionInsertHeader:
			v, err := fieldValue(mod.HeaderName, mod.HeaderValue, spaced)
			if err != nil {
				return Answer{}, err
			}
			inserted = append(inserted, Field{mod.HeaderName, v})
		case milter.ActionChangeHeader:
			v := ""
			if mod.HeaderValue != "" {
				if v, err = fieldValue(mod.HeaderName, mod.HeaderValue, spaced); err != nil {
					return Answer{}, err
				}
			}
			i := nth(msg.Fields, mod.HeaderName, int(mod.HeaderIndex))
			switch {
			case i >= 0:
				changed[i] = v
			case v != "": // as Postfix and Sendmail do: what is not there is added
				inserted = append(inserted, Field{mod.HeaderName, v})
			}
		case milter.ActionReplaceBody:
			a.Changes.Body, a.Changes.Replace = append(a.Changes.Body, mod.Body...), true
		case milter.ActionQuarantine:
			why := oneLine(mod.Reason)
			a.Decision = worse(a.Decision, Decision{Action: Hold, Code: CodeMilter, Text: fault.Text{
				EN: "the filter " + m.opt.Name + " asks for a look at it: " + why,
				VI: "bộ lọc thư " + m.opt.Name + " đề nghị kiểm tra: " + why,
			}})
		default:
			// To whom a message goes was settled before; half obeying would be wrong either way.
			return Answer{}, fmt.Errorf("it wants to change the envelope: %v", mod)
		}
	}
	a.Changes.Add = inserted
	for i := range msg.Fields {
		if v, ok := changed[i]; ok {
			a.Changes.Change = append(a.Changes.Change, Change{Index: i, Value: v})
		}
	}
	return a, nil
}

// nth finds the n-th field of a name, from 1; -1 when there are fewer.
func nth(fields []Field, name string, n int) int {
	for i, f := range fields {
		if strings.EqualFold(f.Name, name) {
			if n--; n == 0 {
				return i
			}
		}
	}
	return -1
}

// fieldValue makes a value fit for a header: the protocol has folds as LF.
func fieldValue(name, v string, spaced bool) (string, error) {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
		return "", fmt.Errorf("it wants a field with the name %q", name)
	}
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(v, "\r", ""), "\n"), "\n")
	for i, l := range lines {
		if strings.ContainsRune(l, 0) || i > 0 && strings.TrimSpace(l) == "" {
			return "", errors.New("it wants a field that is none")
		}
		if i > 0 && l[0] != ' ' && l[0] != '\t' || i == 0 && (!spaced || l == "") {
			lines[i] = " " + l
		}
	}
	return strings.Join(lines, "\r\n"), nil
}

// replyText gives the words of an SMTP reply without its codes.
func replyText(reply string) string {
	var words []string
	for l := range strings.Lines(reply) {
		l = strings.TrimSpace(l)
		if len(l) < 4 {
			continue
		}
		l = l[4:]
		if code, rest, ok := strings.Cut(l, " "); ok && strings.Count(code, ".") == 2 && strings.Trim(code, "0123456789.") == "" {
			l = rest
		}
		words = append(words, oneLine(l))
	}
	return strings.Join(words, " ")
}

func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
}

// dialer connects the library to the program, with limits it does not have: an
// end of all patience, and of what is read.
type dialer struct {
	ctx  context.Context //nolint:containedctx // the library's dialer gets none
	most int64
}

func (d *dialer) Dial(network, addr string) (net.Conn, error) {
	var nd net.Dialer
	c, err := nd.DialContext(d.ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l := &limited{Conn: c, left: d.most}
	l.stop = context.AfterFunc(d.ctx, func() { _ = c.Close() }) // wakes whoever waits
	return l, nil
}

type limited struct {
	net.Conn
	left int64
	stop func() bool
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errors.New("it says more than a message can need")
	}
	n, err := l.Conn.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

func (l *limited) Close() error {
	l.stop()
	return l.Conn.Close()
}
