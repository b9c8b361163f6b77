package imapd

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"vanthu/internal/wire"
)

// squeeze gives s as DEFLATE, ended by a sync flush.
func squeeze(t testing.TB, level int, parts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	check(t, err)
	for _, p := range parts {
		_, err = io.WriteString(w, p)
		check(t, err)
		check(t, w.Flush())
	}
	return out.Bytes()
}

// partialFlush is "a NOOP\r\n" as zlib gives it with Z_PARTIAL_FLUSH: a block of the fixed code, an empty one, and no more.
func partialFlush(text string) []byte {
	var out []byte
	var acc, n uint
	put := func(v, bits uint) {
		acc |= v << n
		for n += bits; n >= 8; n -= 8 {
			out = append(out, byte(acc))
			acc >>= 8
		}
	}
	code := func(v, bits uint) { // Huffman codes come with their first bit first
		for i := range bits {
			put(v>>(bits-1-i)&1, 1)
		}
	}
	put(0b010, 3)
	for _, ch := range []byte(text) {
		code(0x30+uint(ch), 8)
	}
	code(0, 7)
	put(0b010, 3)
	code(0, 7)
	return out // up to 7 bits stay behind, as with zlib
}

func TestInflateGivesOutAPartialFlush(t *testing.T) {
	const text = "a NOOP\r\nb NOOP\r\n"
	r, w := io.Pipe()
	defer w.Close()
	go w.Write(partialFlush(text))
	got := make([]byte, len(text))
	done := make(chan error, 1)
	go func() { _, err := io.ReadFull(newInflater(r), got); done <- err }()
	select {
	case err := <-done:
		if err != nil || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the text stays in the decoder")
	}
}

func TestInflate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 100<<10)
	for i := range random {
		random[i] = byte(rnd.Uint32())
	}
	text := strings.Repeat("Kính gửi Sở Y tế, ", 3000)
	for name, parts := range map[string][]string{
		"empty": {""}, "short": {"a"}, "text": {text}, "zeros": {strings.Repeat("\x00", 300<<10)},
		"random": {string(random)}, "mixed": {text, string(random), text[:70], "", text}, "runs": {strings.Repeat("ab", 40000) + "c", "abc"},
	} {
		for level := flate.HuffmanOnly; level <= 9; level++ {
			raw := squeeze(t, level, parts...)
			for _, src := range []io.Reader{bytes.NewReader(raw), iotest.OneByteReader(bytes.NewReader(raw))} {
				got, err := io.ReadAll(io.LimitReader(newInflater(src), int64(len(strings.Join(parts, "")))))
				if err != nil || string(got) != strings.Join(parts, "") {
					t.Fatalf("%s, level %d: %d octets, %v", name, level, len(got), err)
				}
			}
		}
	}
}

// FuzzInflate compares with the standard library: what that decodes, and what it refuses.
func FuzzInflate(f *testing.F) {
	f.Add(squeeze(f, 9, "hello hello hello", "hello"))
	f.Add(squeeze(f, 0, "stored"))
	f.Add(partialFlush("fixed"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		const most = 1 << 20
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(raw)), most))
		got, err := io.ReadAll(io.LimitReader(newInflater(iotest.HalfReader(bytes.NewReader(raw))), most))
		if len(got) < len(want) || !bytes.HasPrefix(got, want) {
			t.Fatalf("got %d octets (%v), want %d (%v)", len(got), err, len(want), wantErr)
		}
		if wantErr == nil && err != nil {
			t.Errorf("got %v, want none", err)
		}
	})
}

// zip is a client's side of COMPRESS.
type zip struct {
	net.Conn
	w *flate.Writer
}

func (z zip) Write(p []byte) (int, error) {
	n, err := z.w.Write(p)
	return n, errors.Join(err, z.w.Flush())
}

func (c *client) compress() {
	c.t.Helper()
	c.ok("COMPRESS DEFLATE")
	w, err := flate.NewWriter(c.c, 6)
	check(c.t, err)
	c.r = bufio.NewReader(flate.NewReader(c.c))
	c.c = zip{c.c, w}
}

func TestCompress(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	big := "Subject: big\r\n\r\n" + strings.Repeat("0123456789\r\n", 20<<10)
	c.compress()
	c.refused("COMPRESS DEFLATE", "NO [COMPRESSIONACTIVE]")
	if got := c.ok("CAPABILITY"); strings.Contains(got[0], "COMPRESS") {
		t.Errorf("got %q", got)
	}
	if got := c.appendAll("APPEND INBOX", big, small); !strings.HasPrefix(got, "OK ") {
		t.Fatalf("got %q", got)
	}
	c.ok("SELECT INBOX")
	if got := c.ok("FETCH 1 BODY.PEEK[]"); len(got) != 1 || !strings.Contains(got[0], big) {
		t.Error("the message is not what was sent")
	}
	if got := w.compressedOutput(); got > int64(len(big)) {
		t.Errorf("%d octets sent", got)
	}
	c.send("p1 NOOP\r\np2 NOOP\r\n")
	c.answer("p1")
	c.answer("p2")
	c.ok("LOGOUT")
}

// compressedOutput gives how many octets the server has sent so far.
func (w *world) compressedOutput() (n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.listeners {
		l.Each(func(c *wire.Conn) { n += c.BytesWritten() })
	}
	return n
}

func TestCompressCanBeSwitchedOff(t *testing.T) {
	w := newWorld(t, Options{AllowInsecureAuthOnLoopback: true, NoCompress: true}, nil)
	c := w.login("canbo")
	if got := c.ok("CAPABILITY"); strings.Contains(got[0], "COMPRESS") {
		t.Errorf("got %q", got)
	}
	c.refused("COMPRESS DEFLATE", "NO [CANNOT]")
}

// T087: what expands to a gigabyte ends the connection with BYE, and takes no memory.
func TestDefect_T087_CompressBomb(t *testing.T) {
	w := plain(t)
	var bomb bytes.Buffer
	z, err := flate.NewWriter(&bomb, 9)
	check(t, err)
	_, err = io.CopyN(z, zeros{}, 1<<30)
	check(t, err)
	check(t, z.Flush())
	for _, before := range []string{"", "a IDLE\r\n", "a APPEND INBOX {14+}\r\n" + small} {
		c := w.login("canbo")
		c.compress()
		c.send(before)
		if strings.HasPrefix(before, "a IDLE") {
			c.line()
		}
		var m0, m1 runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m0)
		_, _ = c.c.(zip).Conn.Write(bomb.Bytes()) // the server may close first
		last := ""
		for s := c.line(); s != ""; s = c.line() {
			last = s
		}
		if !strings.HasPrefix(last, "* BYE") {
			t.Errorf("%q: the last line is %q, want BYE", before, last)
		}
		runtime.ReadMemStats(&m1)
		if grown := int64(m1.HeapInuse) - int64(m0.HeapInuse); grown > 64<<20 {
			t.Errorf("%q: %d MiB more in use", before, grown>>20)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

func TestProgressOfLongCommands(t *testing.T) {
	w := newWorld(t, Options{AllowInsecureAuthOnLoopback: true, progressEvery: time.Millisecond}, nil)
	c := w.login("canbo")
	w.fill(w.box("canbo", "INBOX").ID, 2000)
	c.ok("SELECT INBOX")
	seen := false
	for range 50 {
		got := c.ok(`COPY 1:2000 Archive`)
		seen = seen || len(got) > 0 && strings.HasPrefix(got[0], `* OK [INPROGRESS ("t`)
		if seen {
			break
		}
	}
	if !seen {
		t.Error("nothing is told about progress")
	}
	c.alive()
}
