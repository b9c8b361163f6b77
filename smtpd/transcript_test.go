package smtpd

import (
	"crypto/tls"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the replies in testdata/*.smtp")

// TestTranscripts plays testdata/*.smtp against a server. Lines:
//
//	@ words     first line: service, and "tls", "loopback-auth", "hold"; later "starttls" (the client's handshake), "half-close"
//	C: text     a command, sent with CRLF
//	C| text     a line of data, sent with CRLF; in double quotes: a Go string sent as it is
//	S: text     the exact line the server sends; "<closed>" when it closes
//	# text      a comment, with the section of the RFC
//
// Lines between two S: go out in one segment. go test -update rewrites the S: lines.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.smtp")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".smtp"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"))
			if *update {
				if err := os.WriteFile(file, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// play runs one transcript and returns it with the replies that came.
func play(t *testing.T, script []string) []string {
	words := strings.Fields(strings.TrimPrefix(script[0], "@"))
	services := map[string]Service{"submission": Submission, "submissions": Submissions, "relay": Relay, "lmtp": LMTP}
	svc, ok := services[words[0]]
	if !ok {
		t.Fatalf("first line %q has no service", script[0])
	}
	serverTLS, clientTLS := testConfigs(t)
	var opt Options
	for _, w := range words[1:] {
		switch w {
		case "tls":
			opt.TLS = serverTLS
		case "loopback-auth":
			opt.AllowInsecureAuthOnLoopback = true
		case "hold":
			opt.MaxHold = 24 * time.Hour
			opt.Now = func() time.Time { return time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC) }
		default:
			t.Fatalf("unknown word %q", w)
		}
	}
	_, addr := serve(t, new(memory), svc, opt)
	c := dial(t, addr)
	startTLS := func() {
		tc := tls.Client(c.conn, clientTLS)
		if err := tc.Handshake(); err != nil {
			t.Fatal(err)
		}
		c.conn, c.in = tc, &lineReader{r: tc}
	}
	if svc == Submissions {
		startTLS()
	}

	out := script[:1:1]
	segment := ""
	flush := func() {
		if segment != "" {
			c.send(segment)
			segment = ""
		}
	}
	for n, line := range script[1:] {
		kind, text, _ := strings.Cut(line, " ")
		switch kind {
		case "C:":
			segment += text + "\r\n"
		case "C|":
			if raw, err := strconv.Unquote(text); err == nil {
				segment += raw
			} else {
				segment += text + "\r\n"
			}
		case "@":
			flush()
			switch text {
			case "starttls":
				startTLS()
			case "half-close":
				if err := c.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			default:
				t.Fatalf("line %d: unknown word %q", n+2, text)
			}
		case "S:":
			flush()
			if *update {
				if !strings.HasPrefix(script[n], "S:") { // the first of a group stands for all that comes
					out = append(out, quiet(c)...)
				}
				continue
			}
			got, open := c.in.next()
			if !open && c.in.slow() {
				t.Fatalf("line %d: no reply, want %s", n+2, text)
			}
			if !open {
				got = "<closed>"
			}
			if got != text {
				t.Fatalf("line %d:\n got %s\nwant %s", n+2, got, text)
			}
		case "#", "":
		default:
			t.Fatalf("line %d: %q", n+2, line)
		}
		out = append(out, line)
	}
	flush()
	return out
}

// quiet returns what the server says until it is silent for a moment.
func quiet(c *client) []string {
	var out []string
	defer c.conn.SetDeadline(time.Now().Add(20 * time.Second))
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
		line, open := c.in.next()
		if !open {
			if !c.in.slow() {
				out = append(out, "S: <closed>")
			}
			return out
		}
		out = append(out, "S: "+line)
	}
}
