package imapd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"vanthu/internal/mailstore"
)

func TestParseQResync(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"short", "(7 1)", "7 1 false []"},
		{"most", "(4294967295 9223372036854775807)", "4294967295 9223372036854775807 false []"},
		{"zero mod-sequence", "(7 0)", "7 0 false []"},
		{"known", "(7 20 1:3,9)", "7 20 true [{1 3} {9 9}]"},
		{"known backwards", "(7 20 9:1)", "7 20 true [{9 1}]"},
		{"match data", "(7 20 1:3 (1,3 1,7))", "7 20 true [{1 3}]"},
		{"match data alone", "(7 20 (1 1))", "7 20 false []"},
		{"no validity", "(0 1)", "-"},
		{"validity of 33 bits", "(4294967296 1)", "-"},
		{"mod-sequence of 64 bits", "(7 9223372036854775808)", "-"},
		{"star", "(7 1 1:*)", "-"},
		{"star in match data", "(7 1 1 (1:* 1:2))", "-"},
		{"saved set", "(7 1 $)", "-"},
		{"one set of match data", "(7 1 1 (1))", "-"},
		{"three sets of match data", "(7 1 1 (1 1 1))", "-"},
		{"open", "(7 1", "-"},
		{"open match data", "(7 1 1 (1 1)", "-"},
		{"more", "(7 1 1 (1 1) 1)", "-"},
		{"nothing", "()", "-"},
		{"blank at the end", "(7 1 )", "-"},
		{"blank behind match data", "(7 1 (1 1 ))", "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := lexer{b: []byte(tt.in)}
			q, ok := parseQResync(&l)
			got := fmt.Sprint(q.validity, q.modseq, q.listed, q.known.ranges)
			if !ok || !l.end() {
				got = "-"
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// T088: a hundred thousand UIDs, none next to another, go out in lines of bearable length, each UID once.
func TestVanishedLinesAreBounded(t *testing.T) {
	uids := make([]mailstore.UID, 100_000)
	for i := range uids {
		uids[i] = mailstore.UID(2*i + 1)
	}
	n := 0
	for line := range strings.Lines(string(appendVanished(nil, true, mailstore.UIDs(uids...)))) {
		set, found := strings.CutPrefix(strings.TrimSuffix(line, "\r\n"), "* VANISHED (EARLIER) ")
		if !found || len(line) > maxUIDsLine+30 {
			t.Fatalf("%d octets: %.60q", len(line), line)
		}
		n += strings.Count(set, ",") + 1
	}
	if n != len(uids) {
		t.Errorf("%d UIDs, want %d", n, len(uids))
	}
	if got := appendVanished(nil, false, nil); len(got) != 0 {
		t.Errorf("the empty set gives %q", got)
	}
}

// T088: the longest set of known UIDs that fits into a command, when every message has vanished and come again.
func TestResyncWithLongKnownSet(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 4000)
	c := w.login("canbo")
	c.ok("ENABLE QRESYNC")
	c.ok("SELECT INBOX")
	c.ok(`STORE 1:3000 +FLAGS.SILENT (\Deleted)`)
	c.ok("EXPUNGE")
	var known []string
	for uid := 1; uid <= 20_000; uid += 2 {
		known = append(known, fmt.Sprint(uid))
	}
	validity := w.box("canbo", "INBOX").UIDValidity
	lines := c.ok(fmt.Sprintf("SELECT INBOX (QRESYNC (%d 1 %s))", validity, strings.Join(known, ",")))
	vanished, fetched := 0, 0
	for _, s := range lines {
		if set, found := strings.CutPrefix(s, "* VANISHED (EARLIER) "); found {
			vanished += strings.Count(set, ",") + 1
		}
		if strings.Contains(s, " FETCH (UID ") {
			fetched++
		}
	}
	if vanished != 1500 || fetched != 500 {
		t.Errorf("%d vanished, %d fetched, want 1500 and 500", vanished, fetched)
	}
	c.alive()
}

// A removal that the client's view does not show yet is left out of what happened earlier: the client is told by a VANISHED that counts.
func TestVanishedEarlierLeavesOutTheView(t *testing.T) {
	w := plain(t)
	id := w.box("canbo", "INBOX").ID
	w.fill(id, 3)
	hot, err := w.store.Hot(t.Context(), id)
	check(t, err)
	defer hot.Release()
	b := &box{id: id, hot: hot, known: hot.Version()}
	other := w.login("canbo")
	other.ok("SELECT INBOX")
	other.ok(`STORE 2 +FLAGS.SILENT (\Deleted)`)
	other.ok("EXPUNGE")
	s := &session{srv: w.Server, ctx: t.Context()}
	for _, want := range []string{"[]", "[{2 2}]"} { // the old view, then the new one
		gone, err := s.goneFrom(b, mailstore.AllUIDs(), 1)
		check(t, err)
		if got := fmt.Sprint(gone); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		b.known = hot.Version()
	}
}

// Mistake 1 of imap-engine.md 5.4, with mod-sequences: what changed just as the client asked gets a mod-sequence, what somebody else
// changed below gets its flags too.
func TestSilentStoreTellsModSeqs(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 2)
	a, b := w.login("canbo"), w.login("canbo")
	a.ok("SELECT INBOX (CONDSTORE)")
	b.ok("SELECT INBOX (CONDSTORE)")
	b.ok(`STORE 1 +FLAGS.SILENT (\Flagged)`)
	got := a.ok(`STORE 1:2 +FLAGS.SILENT (\Seen)`)
	want := []string{`* 1 FETCH (UID 1 FLAGS (\Flagged \Seen) MODSEQ (4))`, `* 2 FETCH (UID 2 MODSEQ (4))`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Mistake 2: a STORE without effect uses up no mod-sequence and hides nobody's change; a conditional one that fails for all messages
// leaves not even its keyword behind.
func TestStoreWithoutEffectKeepsModSeq(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 1)
	a, b := w.login("canbo"), w.login("canbo")
	a.ok("SELECT INBOX (CONDSTORE)")
	b.ok("SELECT INBOX (CONDSTORE)")
	before := w.box("canbo", "INBOX").ModSeq
	a.ok(`STORE 1 -FLAGS.SILENT (\Seen)`)
	a.ok(`STORE 1 (UNCHANGEDSINCE 1) +FLAGS.SILENT ($never)`)
	if got := w.box("canbo", "INBOX").ModSeq; got != before {
		t.Errorf("mod-sequence %d, want %d still", got, before)
	}
	b.ok(`STORE 1 +FLAGS.SILENT (\Answered)`)
	want := []string{fmt.Sprintf(`* 1 FETCH (UID 1 FLAGS (\Answered) MODSEQ (%d))`, before+1)}
	if got := a.ok("NOOP"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// UNCHANGEDSINCE is decided in the transaction: of many clients that test and set at once, exactly one wins each round.
func TestConditionalStoreIsAtomic(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 1)
	const clients = 8
	list := make([]*client, clients)
	for i := range list {
		list[i] = w.login("canbo")
		list[i].ok("SELECT INBOX (CONDSTORE)")
	}
	for round := range 20 {
		since := w.box("canbo", "INBOX").ModSeq
		won := make(chan bool, clients)
		for i, c := range list {
			go func() {
				_, tagged := c.do(fmt.Sprintf("STORE 1 (UNCHANGEDSINCE %d) FLAGS.SILENT ($c%d $r%d)", since, i, round%2))
				won <- tagged == "OK STORE completed"
			}()
		}
		winners := 0
		for range clients {
			if <-won {
				winners++
			}
		}
		if winners != 1 {
			t.Fatalf("round %d: %d winners, want 1", round, winners)
		}
	}
}

// The server that has been put back from a backup is behind its clients: they are told all there is.
func TestResyncFromTheFuture(t *testing.T) {
	w := plain(t)
	w.fill(w.box("canbo", "INBOX").ID, 2)
	c := w.login("canbo")
	c.ok("ENABLE QRESYNC")
	validity := w.box("canbo", "INBOX").UIDValidity
	lines := c.ok(fmt.Sprintf("SELECT INBOX (QRESYNC (%d 1000 1:9))", validity))
	want := []string{"* VANISHED (EARLIER) 3:9", "* 1 FETCH (UID 1 FLAGS () MODSEQ (2))", "* 2 FETCH (UID 2 FLAGS () MODSEQ (2))"}
	if got := lines[len(lines)-3:]; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
