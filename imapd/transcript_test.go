package imapd

import (
	"encoding/base64"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"vanthu/internal/mailstore"
)

var update = flag.Bool("update", false, "write the server's replies into testdata/*.imap")

// volatile is what differs from run to run; capCode is what every extension changes, and what login.imap alone shows in full.
var (
	volatile = regexp.MustCompile(`\b(UIDVALIDITY|APPENDUID|COPYUID) (\d+)`)
	boxID    = regexp.MustCompile(`\bMAILBOXID \(F\d+\)`)
	capCode  = regexp.MustCompile(`^(\S+ OK) \[CAPABILITY [^\]]*\]`)
	capLine  = regexp.MustCompile(`^\* CAPABILITY .*`)
)

// player plays a transcript: lines "C:" are commands, "C|" data lines behind a command, "S:" the exact replies, "#" comments. Numbers
// after the letter tell sessions apart. "C&" is sent in one segment with the next command. {pass:login} stands for a password,
// {plain:login} and {b64:login} and {b64pass:login} for what AUTHENTICATE PLAIN and LOGIN send, {uidvalidity} for any UIDVALIDITY, "{#" in
// a command for a literal of the size of its data lines.
type player struct {
	w        *world
	name     string // of the transcript
	sessions map[string]*client
	validity string // the last UIDVALIDITY heard
	segment  string // to be sent with the next command
	out      []string
}

func (p *player) session(n string) *client {
	c := p.sessions[n]
	if c == nil {
		c = p.w.dial()
		p.sessions[n] = c
	}
	return c
}

// fillIn puts passwords and UIDVALIDITY in.
func (p *player) fillIn(s string) string {
	s = strings.ReplaceAll(s, "{uidvalidity}", p.validity)
	for who, password := range p.w.pass {
		for name, value := range map[string]string{
			"pass": password, "plain": b64("\x00" + who + "@x.test\x00" + password), "b64": b64(who + "@x.test"), "b64pass": b64(password),
		} {
			s = strings.ReplaceAll(s, "{"+name+":"+who+"}", value)
		}
	}
	return s
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// reply reads one line as transcripts show it.
func (p *player) reply(c *client) string {
	s := boxID.ReplaceAllString(c.line(), "MAILBOXID ({id})")
	if g := volatile.FindStringSubmatch(s); g != nil {
		p.validity = g[2]
	}
	if strings.HasPrefix(p.name, "client_") {
		s = capLine.ReplaceAllString(s, "* CAPABILITY ...")
	}
	return capCode.ReplaceAllString(volatile.ReplaceAllString(s, "$1 {uidvalidity}"), "$1 [CAPABILITY ...]")
}

// act does what a line "#!" says, as an administrator would by the command line.
func (p *player) act(t *testing.T, words []string) {
	t.Helper()
	switch words[0] {
	case "seen": // of which owner, mode
		o := mailstore.Owner{Unit: p.w.unit.ID}
		if words[1] != "unit" {
			o = mailstore.Owner{Account: p.w.ids[words[1]]}
		}
		_, err := p.w.store.SetSeenMode(t.Context(), testActor(), o, "", mailstore.SeenMode(words[2] == "per-user"))
		check(t, err)
	default:
		t.Fatalf("unknown act %q", words)
	}
}

func (p *player) play(t *testing.T, lines []string) {
	for i := 0; i < len(lines); {
		line := lines[i]
		kind, n, text := split(line)
		if kind != 'C' {
			p.out = append(p.out, line)
			i++
			if what, is := strings.CutPrefix(line, "#! "); is {
				p.act(t, strings.Fields(what))
			}
			if kind == 'S' { // not behind a command: something pushed
				got := p.reply(p.session(n))
				p.out[len(p.out)-1] = head('S', n) + got
				p.compare(t, i, got, text)
			}
			continue
		}
		c := p.session(n)
		if strings.HasPrefix(line, "C"+n+"&") {
			p.segment += p.fillIn(text) + "\r\n"
			p.out = append(p.out, line)
			i++
			continue
		}
		if !strings.HasPrefix(line, "C"+n+"|") {
			if tag, _, isCommand := strings.Cut(text, " "); isCommand {
				c.last = tag
			}
			size := 0 // "{#" stands for the octets of the data lines that follow
			for _, l := range lines[i+1:] {
				if data, isData := strings.CutPrefix(l, "C"+n+"|"); isData {
					size += len(strings.TrimPrefix(data, " ")) + 2
				} else if !strings.HasPrefix(l, "S"+n+": +") {
					break
				}
			}
			c.send(p.segment + strings.ReplaceAll(p.fillIn(text), "{#", "{"+strconv.Itoa(size)) + "\r\n")
			p.segment = ""
			p.out = append(p.out, line)
			i++
		}
		counted := strings.Contains(line, "{#+")
		for ; i < len(lines) && strings.HasPrefix(lines[i], "C"+n+"|"); i++ {
			c.send(strings.TrimPrefix(strings.TrimPrefix(lines[i], "C"+n+"|"), " ") + "\r\n")
			p.out = append(p.out, lines[i])
			counted = (counted || strings.HasPrefix(line, "C"+n+"|")) && lines[i] != "C"+n+"| )" // that ends the command itself
		}
		if counted {
			c.send("\r\n") // the end of the command behind the literal
		}
		var want, got []string
		for ; i < len(lines) && strings.HasPrefix(lines[i], "S"+n+":"); i++ {
			_, _, text := split(lines[i])
			want = append(want, text)
		}
		for {
			s := p.reply(c)
			if c.ended {
				break
			}
			got = append(got, s)
			if strings.HasPrefix(s, c.last+" ") || strings.HasPrefix(s, "+ ") {
				break
			}
		}
		for _, s := range got {
			p.out = append(p.out, head('S', n)+s)
		}
		p.compare(t, i, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (p *player) compare(t *testing.T, at int, got, want string) {
	if got != want && !*update {
		t.Errorf("before line %d\n got %s\nwant %s", at+1, got, want)
	}
}

func head(kind byte, n string) string { return string(kind) + n + ": " }

// split takes "C1: text" apart; kind is 0 for anything else.
func split(line string) (kind byte, n, text string) {
	if line == "" || line[0] != 'C' && line[0] != 'S' {
		return 0, "", ""
	}
	at := strings.IndexAny(line, ":|&")
	if at < 0 || strings.Trim(line[1:at], "0123456789") != "" {
		return 0, "", ""
	}
	return line[0], line[1:at], strings.TrimPrefix(line[at+1:], " ")
}

func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.imap")
	check(t, err)
	if len(files) == 0 {
		t.Fatal("no transcripts")
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".imap"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			check(t, err)
			w := newWorld(t, Options{AllowInsecureAuthOnLoopback: true}, func(w *world) Workflow { return &fakeFlow{w: w} })
			if strings.Contains(string(text), "AUTHENTICATE SCRAM") { // its proofs are of a password that does not change
				w.setPassword("canbo", scramPassword)
			}
			p := &player{w: w, name: filepath.Base(name), sessions: map[string]*client{}}
			p.play(t, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"))
			if *update {
				check(t, os.WriteFile(name, []byte(strings.Join(p.out, "\n")+"\n"), 0o644))
			}
		})
	}
}

// Every command of the table is in a transcript.
func TestTranscriptsCoverTheTable(t *testing.T) {
	files, err := filepath.Glob("testdata/*.imap")
	check(t, err)
	all := ""
	for _, name := range files {
		text, err := os.ReadFile(name)
		check(t, err)
		all += string(text)
	}
	for _, verb := range verbs() {
		if _, found := lookup(verb); !found {
			t.Errorf("%s is not in the table", verb)
		}
		if !regexp.MustCompile(`(?m)^C\d*: \w+ ` + verb + `\b`).MatchString(all) {
			t.Errorf("no transcript has %s", verb)
		}
	}
}

// verbs lists the commands; TestTable compares it with the table.
func verbs() []string {
	return []string{
		"CAPABILITY", "NOOP", "LOGOUT", "ID", "STARTTLS", "LOGIN", "AUTHENTICATE", "ENABLE", "NAMESPACE", "SELECT", "EXAMINE", "CREATE", "DELETE",
		"SUBSCRIBE", "UNSUBSCRIBE", "RENAME", "LIST", "LSUB", "STATUS", "APPEND", "IDLE", "CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "UID EXPUNGE",
		"GETQUOTA", "GETQUOTAROOT", "SETQUOTA", "SEARCH", "UID SEARCH", "FETCH", "UID FETCH", "STORE", "UID STORE", "COPY", "UID COPY", "MOVE", "UID MOVE",
		"SORT", "UID SORT", "THREAD", "UID THREAD", "ESEARCH",
		"REPLACE", "UID REPLACE",
		"UNAUTHENTICATE", "COMPRESS", "NOTIFY",
		"SETACL", "DELETEACL", "GETACL", "LISTRIGHTS", "MYRIGHTS", "GETMETADATA", "SETMETADATA",
	}
}
