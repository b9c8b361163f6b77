package extract

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/go-fonts/liberation/liberationserifregular"
	"codeberg.org/go-pdf/fpdf"
)

// childEnv makes this test binary play a child: the value says which.
const childEnv = "VANTHU_TEST_READER"

func TestMain(m *testing.M) {
	if kind := os.Getenv(childEnv); kind != "" {
		if err := playChild(kind); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// playChild is a real child for office documents, or one that misbehaves in
// its first answer.
func playChild(kind string) error {
	if kind == "office" {
		return Worker{}.Serve(context.Background(), os.Stdin, os.Stdout)
	}
	if kind == "locked" {
		return tryEscape()
	}
	if kind == "start fails" {
		return writeJSON(os.Stdout, reply{Err: "start", Detail: "no engine"})
	}
	if err := writeJSON(os.Stdout, reply{}); err != nil {
		return err
	}
	var q request
	r := bufio.NewReader(os.Stdin)
	if err := readJSON(r, maxPiece, &q); err != nil {
		return err
	}
	switch kind {
	case "hangs":
		time.Sleep(time.Hour)
	case "dies":
		if _, err := io.Copy(io.Discard, &pieces{r: r}); err != nil {
			return err
		}
		return errors.New("out of memory")
	case "babbles":
		_, err := os.Stdout.WriteString("this is no frame at all, and goes on")
		return errors.Join(err, os.Stdin.Close())
	}
	return nil
}

// tryEscape locks the process down and reports what still works.
func tryEscape() error {
	limitResources()
	if err := lockDown(); err != nil {
		return writeJSON(os.Stdout, reply{Err: "start", Detail: err.Error()})
	}
	var open []string
	try := func(what string, err error) {
		if !errors.Is(err, os.ErrPermission) {
			open = append(open, fmt.Sprintf("%s: %v", what, err))
		}
	}
	_, err := os.Open("/etc/passwd")
	try("open a file", err)
	try("write a file", os.WriteFile("escaped", []byte("x"), 0o600))
	_, err = net.Dial("tcp", "127.0.0.1:1")
	try("connect", err)
	_, err = net.Listen("tcp", "127.0.0.1:0")
	try("listen", err)
	try("run a program", exec.Command("/bin/true").Run())
	try("remove a file", os.Remove("/tmp/none"))
	p, err := os.FindProcess(os.Getppid())
	if err == nil {
		err = p.Kill()
	}
	if err == nil {
		open = append(open, "kill the parent")
	}
	if err := writeJSON(os.Stdout, reply{}); err != nil {
		return err
	}
	if err := readJSON(os.Stdin, maxPiece, &request{}); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, &pieces{r: os.Stdin}); err != nil {
		return err
	}
	return writeJSON(os.Stdout, reply{Document: Document{Pages: []string{strings.Join(open, "; ")}}})
}

// played starts this test binary as a child of a kind; later ones are kinds[1]
// and so on, the last one again and again.
func played(t *testing.T, started *int, kinds ...string) func(bool) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return func(bool) *exec.Cmd {
		kind := kinds[min(*started, len(kinds)-1)]
		*started++
		cmd := exec.Command(self)
		cmd.Env = []string{childEnv + "=" + kind}
		cmd.Dir = t.TempDir()
		return cmd
	}
}

func pool(t *testing.T, opt Options) *Pool {
	t.Helper()
	p := New(opt)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func word(t testing.TB, text string) []byte {
	return pack(t, func(z *zip.Writer) error {
		err := entry(z, "word/document.xml", strings.NewReader("<w:document><w:p><w:t>"+text+"</w:t></w:p></w:document>"))
		core := `<cp:coreProperties><dc:title>Quyết định 12/QĐ-UBND</dc:title><cp:keywords>so=12; kyhieu=QĐ-UBND</cp:keywords><dc:subject> </dc:subject></cp:coreProperties>`
		err = errors.Join(err, entry(z, "docProps/core.xml", strings.NewReader(core)))
		custom := `<Properties><property fmtid="{D5CDD505-2E9C-101B-9397-08002B2CF9AE}" pid="2" name="X-VB-So"><vt:lpwstr>12</vt:lpwstr></property></Properties>`
		return errors.Join(err, entry(z, "docProps/custom.xml", strings.NewReader(custom)))
	})
}

var docx = File{Name: "van-ban.docx"}

func TestPoolReadsOffice(t *testing.T) {
	started := 0
	p := pool(t, Options{Command: played(t, &started, "office")})
	for range 3 {
		doc, err := p.Read(t.Context(), docx, bytes.NewReader(word(t, "Điện Biên")), Want{Octets: 100})
		if err != nil {
			t.Fatal(err)
		}
		if got := doc.Text(); got != "Điện Biên\n" {
			t.Errorf("text %q", got)
		}
		for name, want := range map[string]string{"title": "Quyết định 12/QĐ-UBND", "keywords": "so=12; kyhieu=QĐ-UBND", "x-vb-so": "12", "subject": ""} {
			if got := doc.Property(name); got != want {
				t.Errorf("property %s = %q, want %q", name, got, want)
			}
		}
	}
	if started != 1 {
		t.Errorf("%d children were started, want 1", started)
	}
}

func TestPoolRefusals(t *testing.T) {
	started := 0
	p := pool(t, Options{Command: played(t, &started, "office"), Timeout: 5 * time.Minute}) // 64 MiB go through a slow machine's pipe
	if _, err := p.Read(t.Context(), File{Media: "image/png", Name: "a.png"}, nil, Want{Octets: 1}); !errors.Is(err, ErrUnknown) || started != 0 {
		t.Errorf("a picture: %v, children started: %d", err, started)
	}
	if _, err := p.Read(t.Context(), File{Name: "a.pdf"}, strings.NewReader("%PDF-1.4"), Want{Octets: 1}); !errors.Is(err, ErrUnknown) {
		t.Errorf("PDF without an engine: %v", err)
	}
	if _, err := p.Read(t.Context(), docx, repeat("x", MaxFile+1), Want{Octets: 1}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	// The caller's own trouble is handed back, and the next file is read.
	broken := errors.New("disk")
	body := io.MultiReader(strings.NewReader("PK"), failing{broken})
	if _, err := p.Read(t.Context(), docx, body, Want{Octets: 1}); !errors.Is(err, broken) {
		t.Errorf("a body that fails: %v", err)
	}
	if doc, err := p.Read(t.Context(), docx, bytes.NewReader(word(t, "sau")), Want{Octets: 9}); err != nil || doc.Text() != "sau\n" {
		t.Errorf("after it: %q, %v", doc.Text(), err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// T112: whatever a child does, the caller gets an answer in time, and the next
// file gets a fresh child.
func TestPoolSurvivesItsChild(t *testing.T) {
	for _, kind := range []string{"hangs", "dies", "babbles"} {
		t.Run(kind, func(t *testing.T) {
			started := 0
			p := pool(t, Options{Command: played(t, &started, kind, "office"), Timeout: 3 * time.Second})
			begin := time.Now()
			_, err := p.Read(t.Context(), docx, bytes.NewReader(word(t, "đầu")), Want{Octets: 9})
			if !errors.Is(err, ErrTooHard) {
				t.Errorf("error %v, want %v", err, ErrTooHard)
			}
			if d := time.Since(begin); d > 30*time.Second {
				t.Errorf("it took %v", d)
			}
			doc, err := p.Read(t.Context(), docx, bytes.NewReader(word(t, "sau")), Want{Octets: 9})
			if err != nil || doc.Text() != "sau\n" || started != 2 {
				t.Errorf("next: %q, %v, children started: %d", doc.Text(), err, started)
			}
		})
	}
}

// A child that has died while it had nothing to do costs no file its text.
func TestPoolChildDiesIdle(t *testing.T) {
	started := 0
	p := pool(t, Options{Command: played(t, &started, "office")})
	for range 2 {
		doc, err := p.Read(t.Context(), docx, bytes.NewReader(word(t, "sau")), Want{Octets: 9})
		if err != nil || doc.Text() != "sau\n" {
			t.Fatalf("%q, %v", doc.Text(), err)
		}
		<-p.turn
		if err := p.child.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(30 * time.Second); !p.child.gone() && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		p.turn <- struct{}{}
	}
	if started != 2 {
		t.Errorf("%d children were started, want 2", started)
	}
}

func TestPoolStartFails(t *testing.T) {
	started := 0
	p := pool(t, Options{Command: played(t, &started, "start fails", "office")})
	_, err := p.Read(t.Context(), docx, bytes.NewReader(word(t, "x")), Want{Octets: 9})
	if err == nil || !strings.Contains(err.Error(), "no engine") {
		t.Errorf("error %v", err)
	}
	if _, err := p.Read(t.Context(), docx, bytes.NewReader(word(t, "x")), Want{Octets: 9}); err != nil {
		t.Errorf("the next one: %v", err)
	}
	none := pool(t, Options{Command: func(bool) *exec.Cmd { return exec.Command("/nonexistent") }})
	if _, err := none.Read(t.Context(), docx, bytes.NewReader(word(t, "x")), Want{Octets: 9}); err == nil {
		t.Error("a program that does not exist starts")
	}
}

func TestPoolCancelAndClose(t *testing.T) {
	started := 0
	p := New(Options{Command: played(t, &started, "hangs")})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := p.Read(ctx, docx, bytes.NewReader(word(t, "x")), Want{Octets: 9}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
	ended := make(chan error, 1)
	reading := &signalReader{Reader: bytes.NewReader(word(t, "x")), began: make(chan struct{})}
	go func() {
		_, err := p.Read(context.WithoutCancel(t.Context()), docx, reading, Want{Octets: 9})
		ended <- err
	}()
	<-reading.began
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("a read that Close ends succeeds")
	}
	if _, err := p.Read(t.Context(), docx, bytes.NewReader(nil), Want{}); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// A signalReader tells when it is first read.
type signalReader struct {
	io.Reader
	began chan struct{}
	told  bool
}

func (r *signalReader) Read(b []byte) (int, error) {
	if !r.told {
		r.told = true
		close(r.began)
	}
	return r.Reader.Read(b)
}

func TestPoolEndsIdleChild(t *testing.T) {
	started := 0
	p := pool(t, Options{Command: played(t, &started, "office"), Idle: time.Millisecond})
	for range 2 {
		if _, err := p.Read(t.Context(), docx, bytes.NewReader(word(t, "x")), Want{Octets: 9}); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(30 * time.Second)
		for running := true; running; {
			<-p.turn
			running = p.child != nil
			p.turn <- struct{}{}
			if time.Now().After(deadline) {
				t.Fatal("the child goes on")
			}
		}
	}
	if started != 2 {
		t.Errorf("%d children, want 2", started)
	}
}

// T113: what runs inside a reader finds all doors shut.
func TestLockDown(t *testing.T) {
	if auditArch == 0 {
		t.Skip("no table of system calls for this processor")
	}
	started := 0
	p := pool(t, Options{Command: played(t, &started, "locked")})
	doc, err := p.Read(t.Context(), docx, bytes.NewReader(nil), Want{Octets: 9})
	if err != nil {
		t.Fatal(err)
	}
	if got := doc.Text(); got != "" {
		t.Errorf("still possible: %s", got)
	}
}

// built is the real program, built once: a child of this test binary would
// compile the PDF engine with the race detector in it, which takes minutes.
var built struct{ dir, err string }

func program(t *testing.T) string {
	t.Helper()
	if built.dir == "" && built.err == "" {
		dir, err := os.MkdirTemp("", "vanthu-extract-")
		if err != nil {
			t.Fatal(err)
		}
		built.dir = dir
		out, err := exec.Command("go", "build", "-buildvcs=false", "-tags=sqlite_fts5", "-o", filepath.Join(dir, "vanthu"), "vanthu/cmd/vanthu").CombinedOutput()
		if err != nil {
			built.err = fmt.Sprintf("build the program: %v\n%s", err, out)
		}
	}
	if built.err != "" {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "vanthu")
}

func engineCommand(t *testing.T) func(bool) *exec.Cmd {
	bin := program(t)
	return func(engine bool) *exec.Cmd {
		cmd := exec.Command(bin, "file-reader", fmt.Sprintf("--pdf=%v", engine), "--cache", filepath.Join(built.dir, "engine"))
		cmd.Env = []string{}
		return cmd
	}
}

// letterPDF makes a PDF with a text layer, a page per text.
func letterPDF(t *testing.T, password string, pages ...string) []byte {
	t.Helper()
	p := fpdf.New("P", "mm", "A4", "")
	p.SetTitle("Quyết định 12/QĐ-UBND", true)
	p.SetKeywords("so=12; kyhieu=QĐ-UBND", true)
	p.SetXmpMetadata([]byte(`<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description>` +
		`<dc:subject><rdf:Bag><rdf:li>giải ngân</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`))
	p.AddUTF8FontFromBytes("serif", "", liberationserifregular.TTF)
	if password != "" {
		p.SetProtection(fpdf.CnProtectPrint, password, "owner")
	}
	for _, text := range pages {
		p.AddPage()
		p.SetFont("serif", "", 13)
		p.MultiCell(0, 7, text, "", "L", false)
	}
	var b bytes.Buffer
	if err := p.Output(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPoolReadsPDF(t *testing.T) {
	p := pool(t, Options{Command: engineCommand(t)})
	whole := letterPDF(t, "", "Số: 12/QĐ-UBND\nĐiện Biên, ngày 24 tháng 11 năm 2026", "trang hai", "trang ba", "trang bốn")
	pdf := File{Media: "application/pdf", Name: "12.pdf"}

	// An office document first: the child that read it must make room for one with the engine.
	if doc, err := p.Read(t.Context(), docx, bytes.NewReader(word(t, "trước")), Want{Octets: 99}); err != nil || doc.Text() != "trước\n" {
		t.Fatalf("office: %q, %v", doc.Text(), err)
	}
	doc, err := p.Read(t.Context(), pdf, bytes.NewReader(whole), Want{Octets: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.Pages) != 4 || doc.Count != 4 || !strings.Contains(doc.Pages[0], "Số: 12/QĐ-UBND\nĐiện Biên, ngày 24 tháng 11 năm 2026") || !strings.Contains(doc.Pages[3], "trang bốn") {
		t.Errorf("pages %q of %d", doc.Pages, doc.Count)
	}
	if doc.Property("title") != "Quyết định 12/QĐ-UBND" || doc.Property("keywords") != "so=12; kyhieu=QĐ-UBND" || doc.Property("subject") != "giải ngân" {
		t.Errorf("properties %q", doc.Properties)
	}
	first := p.child
	for _, tt := range []struct {
		name string
		file []byte
		want Want
		text string
		err  error
	}{
		{"ends of it", whole, Want{Octets: 1000, First: 1, Last: 1}, "Số: 12/QĐ-UBND\nĐiện Biên, ngày 24 tháng 11 năm 2026\ntrang bốn", nil},
		{"few octets", whole, Want{Octets: 10}, "Số: 12/Q", nil},
		{"protected", letterPDF(t, "mật khẩu", "a"), Want{Octets: 10}, "", ErrProtected},
		{"half of it", whole[:len(whole)/2], Want{Octets: 10}, "", ErrDamaged},
		{"nothing", nil, Want{Octets: 10}, "", ErrDamaged},
		{"no PDF", []byte("%PDF-1.7\nand nothing else"), Want{Octets: 10}, "", ErrDamaged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := p.Read(t.Context(), pdf, bytes.NewReader(tt.file), tt.want)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if got := strings.TrimSpace(doc.Text()); got != tt.text {
				t.Errorf("text %q, want %q", got, tt.text)
			}
		})
	}
	if p.child != first {
		t.Error("a file has ended the child")
	}
}
