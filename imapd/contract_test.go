package imapd

import (
	"bufio"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// The assumptions on imapserver that imapd stands on (imap-engine.md, section 3.6), each tested on the real module: an update that
// breaks one fails here.

// probe is a connection that records every Write of imapserver and which goroutine calls Read.
type probe struct {
	net.Conn
	mu      sync.Mutex
	writes  []string
	readers map[string]bool
	reading bool
	overlap bool // a Write came while a Read was waiting
}

func (p *probe) Read(b []byte) (int, error) {
	p.mu.Lock()
	p.readers[goroutine()] = true
	p.reading = true
	p.mu.Unlock()
	n, err := p.Conn.Read(b)
	p.mu.Lock()
	p.reading = false
	p.mu.Unlock()
	return n, err
}

func (p *probe) Write(b []byte) (int, error) {
	p.mu.Lock()
	p.writes = append(p.writes, string(b))
	p.overlap = p.overlap || p.reading
	p.mu.Unlock()
	return p.Conn.Write(b)
}

func goroutine() string {
	b := make([]byte, 64)
	head, _, _ := strings.Cut(string(b[:runtime.Stack(b, false)]), "[")
	return head
}

// probeSession answers every command with as little as it can.
type probeSession struct {
	calls []string
	err   error
}

func (s *probeSession) note(call string) error { s.calls = append(s.calls, call); return s.err }

func (s *probeSession) Close() error                                     { s.calls = append(s.calls, "Close"); return nil }
func (s *probeSession) Login(_, _ string) error                          { return s.note("Login") }
func (s *probeSession) Unselect() error                                  { return s.note("Unselect") }
func (s *probeSession) Delete(string) error                              { return s.note("Delete") }
func (s *probeSession) Subscribe(string) error                           { return s.note("Subscribe") }
func (s *probeSession) Unsubscribe(string) error                         { return s.note("Unsubscribe") }
func (s *probeSession) Create(string, *imap.CreateOptions) error         { return s.note("Create") }
func (s *probeSession) Rename(string, string, *imap.RenameOptions) error { return s.note("Rename") }
func (s *probeSession) Poll(_ *imapserver.UpdateWriter, expunge bool) error {
	if expunge {
		return s.note("Poll+")
	}
	return s.note("Poll-")
}
func (s *probeSession) Select(string, *imap.SelectOptions) (*imap.SelectData, error) {
	return &imap.SelectData{UIDValidity: 1, UIDNext: 1}, s.note("Select")
}
func (s *probeSession) Namespace() (*imap.NamespaceData, error) { return nil, s.note("Namespace") }
func (s *probeSession) Expunge(*imapserver.ExpungeWriter, *imap.UIDSet) error {
	return s.note("Expunge")
}
func (s *probeSession) Fetch(*imapserver.FetchWriter, imap.NumSet, *imap.FetchOptions) error {
	return s.note("Fetch")
}
func (s *probeSession) Store(*imapserver.FetchWriter, imap.NumSet, *imap.StoreFlags, *imap.StoreOptions) error {
	return s.note("Store")
}
func (s *probeSession) Copy(imap.NumSet, string) (*imap.CopyData, error)       { return nil, s.note("Copy") }
func (s *probeSession) Move(*imapserver.MoveWriter, imap.NumSet, string) error { return s.note("Move") }
func (s *probeSession) Idle(*imapserver.UpdateWriter, <-chan struct{}) error   { return s.note("Idle") }
func (s *probeSession) List(*imapserver.ListWriter, string, []string, *imap.ListOptions) error {
	return s.note("List")
}
func (s *probeSession) Status(string, *imap.StatusOptions) (*imap.StatusData, error) {
	return nil, s.note("Status")
}
func (s *probeSession) Append(string, imap.LiteralReader, *imap.AppendOptions) (*imap.AppendData, error) {
	return nil, s.note("Append")
}
func (s *probeSession) Search(imapserver.NumKind, *imap.SearchCriteria, *imap.SearchOptions) (*imap.SearchData, error) {
	return nil, s.note("Search")
}

// contract runs imapserver on a pipe and gives the client's end.
func contract(t *testing.T, sess *probeSession) (*probe, net.Conn, *bufio.Reader) {
	t.Helper()
	a, b := net.Pipe()
	p := &probe{Conn: b, readers: map[string]bool{}}
	lib := imapserver.New(&imapserver.Options{
		Caps: libraryCaps(), InsecureAuth: true, Logger: libraryLog{discard},
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			if c.NetConn() != net.Conn(p) {
				t.Error("NetConn is not the connection that the listener gave")
			}
			return sess, nil, nil
		},
	})
	l := &oneConn{c: p, closed: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := lib.Serve(l); err != nil {
			t.Errorf("Serve: %v", err)
		}
	}()
	t.Cleanup(func() { a.Close(); l.Close(); <-done })
	r := bufio.NewReader(a)
	return p, a, r
}

// oneConn is a listener with one connection.
type oneConn struct {
	c      net.Conn
	once   bool
	closed chan struct{}
	stop   sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	if !l.once {
		l.once = true
		return l.c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { l.stop.Do(func() { close(l.closed) }); return nil }
func (l *oneConn) Addr() net.Addr { return l.c.LocalAddr() }

// talk sends a command and reads up to its tagged answer.
func talk(t *testing.T, c net.Conn, r *bufio.Reader, cmd string) []string {
	t.Helper()
	if cmd != "" {
		if _, err := io.WriteString(c, cmd+"\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	tag, _, _ := strings.Cut(cmd, " ")
	var lines []string
	for {
		s, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v after %q", cmd, err, lines)
		}
		lines = append(lines, strings.TrimRight(s, "\r\n"))
		if tag == "" || strings.HasPrefix(s, tag+" ") {
			return lines
		}
	}
}

func TestContract(t *testing.T) {
	sess := &probeSession{}
	p, c, r := contract(t, sess)
	greeting := talk(t, c, r, "")
	login := talk(t, c, r, "a1 LOGIN x x")
	caps := talk(t, c, r, "a2 CAPABILITY")
	enabled := talk(t, c, r, "a3 ENABLE IMAP4rev2 UTF8=ACCEPT")
	for _, cmd := range []string{
		"b1 NAMESPACE", "b2 CREATE x", "b3 DELETE x", "b4 RENAME x y", "b5 SUBSCRIBE x", "b6 UNSUBSCRIBE x", "b7 SELECT x", "b8 NOOP",
		"b9 CHECK", "c1 FETCH 1 UID", "c2 UID FETCH 1 UID", "c3 STORE 1 +FLAGS ()", "c4 UID STORE 1 +FLAGS ()", "c5 COPY 1 x",
		"c6 UID COPY 1 x", "c7 MOVE 1 x", "c8 UID MOVE 1 x", "c9 EXPUNGE", "d1 UID EXPUNGE 1", "d2 CLOSE", "d3 EXAMINE x", "d4 UNSELECT",
	} {
		tag, verb, _ := strings.Cut(cmd, " ")
		if tag == "b1" { // our Namespace always answers by an error of type OK
			sess.err = ok("NAMESPACE completed").asError()
		} else {
			sess.err = nil
		}
		lines := talk(t, c, r, cmd)
		if got := lines[len(lines)-1]; !strings.HasPrefix(got, tag+" OK") {
			t.Errorf("%s: %q", verb, got)
		}
	}
	talk(t, c, r, "e1 LOGOUT")
	if _, err := r.ReadString('\n'); !errors.Is(err, io.EOF) {
		t.Errorf("after LOGOUT: %v, want EOF", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()

	t.Run("1 no reading ahead, nothing is written while Read waits", func(t *testing.T) {
		if p.overlap {
			t.Error("a Write came while a Read was waiting")
		}
	})
	t.Run("2 each line is one Write that ends in CRLF", func(t *testing.T) {
		for _, w := range p.writes {
			if strings.Count(w, "\r\n") != 1 || !strings.HasSuffix(w, "\r\n") {
				t.Errorf("write %q", w)
			}
		}
	})
	t.Run("3 the tagged answer begins with the tag", func(t *testing.T) {
		if got := login[len(login)-1]; !strings.HasPrefix(got, "a1 OK ") {
			t.Errorf("answer %q", got)
		}
	})
	t.Run("5 the shapes of capability lists", func(t *testing.T) {
		if !strings.HasPrefix(greeting[0], "* OK [CAPABILITY ") || !strings.HasPrefix(login[0], "a1 OK [CAPABILITY ") || !strings.HasPrefix(caps[0], "* CAPABILITY ") {
			t.Errorf("got %q, %q, %q", greeting[0], login[0], caps[0])
		}
		if enabled[0] != "* ENABLED IMAP4rev2 UTF8=ACCEPT" {
			t.Errorf("got %q", enabled[0])
		}
	})
	t.Run("6 the callbacks are the state changes", func(t *testing.T) {
		got := strings.Join(sess.calls, " ")
		want := "Login Poll+ Poll+ Namespace Create Poll+ Delete Poll+ Rename Poll+ Subscribe Poll+ Unsubscribe Poll+ Select Poll+ Poll+ " +
			"Fetch Poll- Fetch Poll+ Store Poll- Store Poll+ Copy Poll+ Copy Poll+ Move Poll+ Move Poll+ Expunge Poll+ Expunge Poll+ " +
			"Expunge Unselect Poll+ Select Unselect Poll+ Close"
		if got != want {
			t.Errorf("calls\n got %s\nwant %s", got, want)
		}
	})
	t.Run("7 one goroutine reads", func(t *testing.T) {
		if len(p.readers) != 1 {
			t.Errorf("readers: %v", p.readers)
		}
	})
}

// Assumption 4: an *imap.Error is written as it is, one of type OK too, and skips the poll.
func TestContractErrorsAreWritten(t *testing.T) {
	sess := &probeSession{}
	_, c, r := contract(t, sess)
	talk(t, c, r, "")
	talk(t, c, r, "a1 LOGIN x x")
	talk(t, c, r, "a2 SELECT x")
	for _, st := range []status{okCode("COPYUID 7 2,1 5,9", "done"), no("CANNOT", "không được"), bad("wrong")} {
		sess.err, sess.calls = st.asError(), nil
		want := strings.TrimSuffix(string(st.line("a3")), "\r\n")
		if got := talk(t, c, r, "a3 COPY 1 x"); len(got) != 1 || got[0] != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if strings.Contains(strings.Join(sess.calls, " "), "Poll") {
			t.Errorf("calls %q: polled after an error", sess.calls)
		}
	}
}
