package imapd

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"vanthu/internal/directory"
	"vanthu/internal/mailstore"
)

// A client that is told of removals at any time must come to the same mailbox as everybody else, while its own commands go on.
func TestNotifySelectedBelieves(t *testing.T) {
	w := plain(t)
	box := w.box("canbo", "INBOX").ID
	w.fill(box, 20)
	c, other := w.login("canbo"), w.login("canbo")
	c.ok("SELECT INBOX")
	other.ok("SELECT INBOX")
	var uids []string
	for _, line := range c.ok("UID FETCH 1:* UID") {
		uids = append(uids, uidOf(line))
	}
	believe := func(line string) {
		var n int
		switch {
		case strings.HasSuffix(line, " EXPUNGE"):
			_, err := fmt.Sscanf(line, "* %d EXPUNGE", &n)
			check(t, err)
			if n < 1 || n > len(uids) {
				t.Fatalf("%q with %d messages", line, len(uids))
			}
			uids = append(uids[:n-1], uids[n:]...)
		case strings.HasSuffix(line, " EXISTS"):
			_, err := fmt.Sscanf(line, "* %d EXISTS", &n)
			check(t, err)
			for len(uids) < n {
				uids = append(uids, "")
			}
		case strings.Contains(line, " FETCH ("):
			_, err := fmt.Sscanf(line, "* %d FETCH", &n)
			check(t, err)
			if uid := uidOf(line); uids[n-1] != "" && uids[n-1] != uid {
				t.Fatalf("%q, but message %d has UID %s", line, n, uids[n-1])
			} else {
				uids[n-1] = uid
			}
		}
	}
	c.ok("NOTIFY SET (selected (MessageNew (FLAGS) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge))")
	done := make(chan struct{})
	go func() {
		defer close(done)
		rnd := rand.New(rand.NewPCG(3, 4))
		for range 150 {
			switch rnd.IntN(3) {
			case 0:
				w.put(box, small, mailstore.Flags{})
			case 1:
				other.do("STORE " + strconv.Itoa(1+rnd.IntN(5)) + " +FLAGS.SILENT (\\Deleted)")
			default:
				other.do("EXPUNGE")
			}
		}
	}()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		untagged, _ := c.do("NOOP")
		for _, line := range untagged {
			believe(line)
		}
	}
	var want []string
	for _, line := range c.ok("UID FETCH 1:* UID") {
		believe(line)
		want = append(want, uidOf(line))
	}
	if got, want := strings.Join(uids, " "), strings.Join(want, " "); got != want {
		t.Errorf("the client believes in\n%s\nthere is\n%s", got, want)
	}
}

func uidOf(line string) string {
	_, rest, _ := strings.Cut(line, "(UID ")
	return strings.TrimRight(strings.Fields(rest + " ")[0], ")")
}

func TestNotifyOfUnits(t *testing.T) {
	w := plain(t)
	clerk, stranger := w.login("vanthu"), w.login("canbo")
	clerk.ok("ENABLE UTF8=ACCEPT")
	if got := clerk.ok("NOTIFY SET STATUS (inboxes (MessageNew MessageExpunge))"); len(got) != 3 {
		t.Errorf("got %q", got)
	}
	stranger.ok("NOTIFY SET (inboxes (MessageNew MessageExpunge)) (subtree \"&AREBoQ-n v&Hss-\" (MessageNew MessageExpunge MailboxName))")
	w.put(w.unitBox(mailstore.RoleIncoming).ID, small, mailstore.Flags{})
	if got := clerk.line(); !strings.HasPrefix(got, `* STATUS "Đơn vị/SYT/`) || !strings.Contains(got, "MESSAGES 1 ") {
		t.Errorf("got %q", got)
	}
	stranger.alive()
	// Who may not look any more is not told anything.
	check(t, w.dir.SetRoles(t.Context(), testActor(), w.ids["vanthu"], []directory.Assignment(nil)))
	w.put(w.unitBox(mailstore.RoleIncoming).ID, small, mailstore.Flags{})
	untagged, _ := clerk.do("NOOP")
	for _, line := range untagged {
		if strings.Contains(line, "MESSAGES 2 ") {
			t.Errorf("got %q", line)
		}
	}
}

func TestNotifyEndsWithTheLogin(t *testing.T) {
	w := plain(t)
	c := w.login("canbo")
	c.ok("NOTIFY SET (personal (MessageNew MessageExpunge MailboxName))")
	c.ok("UNAUTHENTICATE")
	w.put(w.box("canbo", "INBOX").ID, small, mailstore.Flags{})
	c.ok("LOGIN khac@x.test " + w.pass["khac"])
	c.alive()
}

// A client that does not read holds up nobody else.
func TestNotifySlowClient(t *testing.T) {
	w := plain(t)
	slow, quick := w.login("canbo"), w.login("canbo")
	for _, c := range []*client{slow, quick} {
		c.ok("SELECT INBOX")
		c.ok("NOTIFY SET (selected (MessageNew (BODY.PEEK[]) MessageExpunge))")
	}
	big := "Subject: big\r\n\r\n" + strings.Repeat("0123456789abcde\r\n", 60<<10)
	for i := range 12 { // far more than the kernel buffers
		w.put(w.box("canbo", "INBOX").ID, big, mailstore.Flags{})
		for {
			if got := quick.whole(); strings.HasPrefix(got, fmt.Sprintf("* %d FETCH", i+1)) {
				break
			}
		}
	}
}

func FuzzNotify(f *testing.F) {
	f.Add(`(selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (FROM)]) MessageExpunge FlagChange))`)
	f.Add(`(mailboxes (a "b c") NONE)`)
	f.Add(`(subtree INBOX (MailboxName SubscriptionChange))`)
	w := plain(f)
	s := &session{srv: w.Server, user: &directory.Account{ID: w.ids["canbo"]}}
	f.Fuzz(func(t *testing.T, text string) {
		l := lexer{b: []byte(text)}
		g, known, refused := s.parseGroup(&l)
		if refused == nil && known && (g.filter == "" || g.events&flagChange != 0 && g.events&messageEvents != messageEvents) {
			t.Errorf("%q: %+v", text, g)
		}
	})
}
