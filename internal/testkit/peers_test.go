package testkit_test

import (
	"bytes"

	"io"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/mail"
	"vanthu/internal/peer"
	"vanthu/internal/queue"
	"vanthu/internal/testkit"
)

const outside = "xa01@" + testkit.NeighbourDomain

// eventually waits until check says it is so.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !check(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

func viewOf(t *testing.T, s *testkit.Server, code string) (v docstore.View) {
	t.Helper()
	if err := s.Rooms.Control().Call(t.Context(), control.CallDocumentShow, control.DocumentNamed{Code: code}, &v, nil); err != nil {
		t.Fatal(err)
	}
	return v
}

// stateThere gives how far the document got at the neighbour, as seen here.
func stateThere(t *testing.T, s *testkit.Server, code string) docstore.DispatchView {
	t.Helper()
	for _, d := range viewOf(t, s, code).Dispatches {
		if d.Unit == outside {
			return d
		}
	}
	t.Fatalf("no dispatch of %s to %s", code, outside)
	return docstore.DispatchView{}
}

func move(t *testing.T, s *testkit.Server, from, to string) {
	t.Helper()
	c := s.IMAP(t, testkit.NeighbourLogin("xa01"))
	uids, err := c.In(testkit.Shared("xa01", from))
	if err != nil || len(uids) != 1 {
		t.Fatalf("in %s: %v, %v; want one message", from, uids, err)
	}
	if err := c.Move(uids[0], testkit.Shared("xa01", to)); err != nil {
		t.Fatal(err)
	}
}

// A document goes to a unit of another server; what its clerk does there moves
// the dispatch here, and the sender's tracking message tells of it.
func TestDocumentAcrossPeers(t *testing.T) {
	here := testkit.Start(t, testkit.Options{})
	there := here.StartNeighbour(t)
	const code = "77/QĐ-UBND"
	letter := testkit.Message(issuer, "["+code+"] V/v phối hợp liên tỉnh", "peer-1", outside, testkit.Address("xa01"))
	letter.Files = []mail.File{{Name: "van-ban.pdf", Type: "application/pdf", Content: []byte("%PDF-1.7 nội dung")}}
	octets := letter.Bytes()
	if _, err := here.Sender(issuer).Send(octets, outside, testkit.Address("xa01")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "status 01 comes back", func() bool { return stateThere(t, here, code).Status == "01" })
	if n := len(viewOf(t, there, code).Dispatches); n != 1 {
		t.Errorf("%d dispatches there, want 1", n)
	}
	move(t, there, testkit.Waiting, testkit.Registered)
	eventually(t, "status 03 comes back", func() bool {
		d := stateThere(t, here, code)
		return d.State == docstore.StateRegistered && d.ArrivalNumber == 1
	})
	move(t, there, testkit.Registered, testkit.Completed)
	eventually(t, "status 06 comes back", func() bool { return stateThere(t, here, code).State == docstore.StateCompleted })
	eventually(t, "the tracking message tells of it", func() bool {
		c := here.IMAP(t, issuer)
		uids, err := c.In(testkit.Shared("ubnd", testkit.Tracking))
		if err != nil || len(uids) != 1 {
			return false
		}
		body, err := c.Body(uids[0])
		if err != nil {
			t.Fatal(err)
		}
		s := mail.NewScanner(mail.Limits{})
		if _, err := s.Write(body); err != nil {
			t.Fatal(err)
		}
		m := s.Finish()
		text, err := io.ReadAll(m.Root.Decoder(bytes.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(m.Envelope.Subject, "1/2 đã vào sổ") && strings.Contains(string(text), outside) && strings.Contains(string(text), "hoàn thành")
	})
	// What the sender gets sent to it there are the very octets, behind the trace.
	c := there.IMAP(t, testkit.NeighbourLogin("xa01"))
	uids, err := c.In(testkit.Shared("xa01", testkit.Completed))
	if err != nil || len(uids) != 1 {
		t.Fatal(uids, err)
	}
	body, err := c.Body(uids[0])
	if err != nil || !bytes.HasSuffix(body, octets) {
		t.Errorf("the message there does not end with the octets that were sent: %v", err)
	}
	// The same document again, by a client that did not hear the 250, goes out once.
	if _, err := here.Sender(issuer).Send(octets, outside, testkit.Address("xa01")); err != nil {
		t.Fatal(err)
	}
	if n := here.Count(t, `SELECT count(*) FROM queue_item WHERE rcpt = $1`, outside); n != 1 {
		t.Errorf("%d queue items, want 1", n)
	}
}

func TestRefusalAcrossPeers(t *testing.T) {
	here := testkit.Start(t, testkit.Options{})
	there := here.StartNeighbour(t)
	const code = "78/QĐ-UBND"
	b := testkit.Message(issuer, "["+code+"] V/v thiếu chữ ký", "peer-2", outside)
	if _, err := here.Sender(issuer).Send(b.Bytes(), outside); err != nil {
		t.Fatal(err)
	}
	eventually(t, "status 01", func() bool { return stateThere(t, here, code).Status == "01" })
	move(t, there, testkit.Waiting, testkit.Refused)
	eventually(t, "status 02", func() bool { return stateThere(t, here, code).State == docstore.StateRefused })
	events := stateThere(t, here, code).Events
	if last := events[len(events)-1]; last.Reason != "THIEU_CHU_KY" || last.Source != docstore.SourcePeer || last.Actor != "mail."+testkit.NeighbourDomain {
		t.Errorf("last event %+v", last)
	}
	c := here.IMAP(t, issuer)
	eventually(t, "the refusal is told", func() bool {
		uids, err := c.In("INBOX")
		return err == nil && len(uids) == 1
	})
}

// statusOf makes the message by which the neighbour would report a status, so
// that a test can spoil it.
func statusOf(t *testing.T, n *testkit.Server, key peer.Signer, s peer.Status, edxml string) []byte {
	t.Helper()
	reg, err := peer.Open(t.Context(), n.Rooms.DB, peer.Options{Self: n.Rooms.Peers.OwnCard(), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := reg.Report(s, []byte("<edxml/>"))
	if err != nil {
		t.Fatal(err)
	}
	b := testkit.Message("postmaster@"+testkit.NeighbourDomain, "trạng thái", "s-"+s.ID, "postmaster@"+testkit.Domain)
	b.Files = []mail.File{
		{Name: peer.StatusFile, Type: peer.StatusType, Content: signed},
		{Name: peer.EdXMLFile, Type: "application/xml", Content: []byte(edxml)},
	}
	return b.Bytes()
}

// Statuses that are forged, repeated, about somebody else's documents, or for
// another server are refused and journaled; those out of order are kept.
func TestStatusesThatAreNotTaken(t *testing.T) {
	here := testkit.Start(t, testkit.Options{})
	there := here.StartNeighbour(t)
	const code = "79/QĐ-UBND"
	b := testkit.Message(issuer, "["+code+"] V/v thử", "peer-3", outside)
	if _, err := here.Sender(issuer).Send(b.Bytes(), outside); err != nil {
		t.Fatal(err)
	}
	eventually(t, "status 01", func() bool { return stateThere(t, here, code).Status == "01" })
	items, err := here.Rooms.Queue.List(t.Context(), queue.Filter{All: true})
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	genuine, err := there.PeerKey()
	if err != nil {
		t.Fatal(err)
	}
	pem, err := peer.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := peer.ParseSigner(pem)
	if err != nil {
		t.Fatal(err)
	}
	good := peer.Status{
		To: here.Rooms.Peers.Self(), Transfer: string(items[0].Queue), Recipient: outside, Unit: outside, Code: "06",
		At: time.Now().Truncate(time.Microsecond),
	}
	relay := &testkit.Sender{Addr: here.Addr.Relay, TLS: here.TLS}
	refused := func() int {
		return here.Count(t, `SELECT count(*) FROM journal WHERE type = 'peer.status_refused'`)
	}
	send := func(t *testing.T, id string, key peer.Signer, edxml string, change func(*peer.Status)) error {
		t.Helper()
		s := good
		s.ID = id
		if change != nil {
			change(&s)
		}
		conn, err := relay.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = conn.Send(statusOf(t, there, key, s, edxml), "postmaster@"+testkit.Domain)
		return err
	}
	for i, tt := range []struct {
		name   string
		key    peer.Signer
		edxml  string
		change func(*peer.Status)
	}{
		{"forged", stranger, "<edxml/>", nil},
		{"for another server", genuine, "<edxml/>", func(s *peer.Status) { s.To = "mail.khac.test" }},
		{"about a unit of ours", genuine, "<edxml/>", func(s *peer.Status) { s.Recipient = testkit.Address("xa01") }},
		{"about what was never sent", genuine, "<edxml/>", func(s *peer.Status) { s.Transfer = "01ARZ3NDEKTSV4RRFFQ69G5FAV" }},
		{"another edXML", genuine, "<other/>", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := refused()
			if err := send(t, "bad"+string(rune('a'+i)), tt.key, tt.edxml, tt.change); err == nil || !strings.Contains(err.Error(), "status") {
				t.Errorf("the server says %v, want a refusal of the status", err)
			}
			if got := refused(); got != before+1 {
				t.Errorf("%d refusals in the journal, want one more than %d", got, before)
			}
		})
	}
	if got := stateThere(t, here, code).State; got != docstore.StateArrived {
		t.Fatalf("state %s, want arrived", got)
	}
	if err := send(t, "good1", genuine, "<edxml/>", nil); err != nil {
		t.Fatal(err)
	}
	if got := stateThere(t, here, code).State; got != docstore.StateCompleted {
		t.Errorf("state %s after 06, want completed", got)
	}
	if err := send(t, "good1", genuine, "<edxml/>", func(s *peer.Status) { s.Note = "again" }); err == nil {
		t.Error("a replayed status was taken")
	}
	// 03 after 06: kept, but nothing moves back.
	if err := send(t, "good2", genuine, "<edxml/>", func(s *peer.Status) { s.Code, s.Number = "03", 5 }); err != nil {
		t.Fatal(err)
	}
	d := stateThere(t, here, code)
	if last := d.Events[len(d.Events)-1]; d.State != docstore.StateCompleted || last.Status != "03" {
		t.Errorf("state %s, last event %s; want completed, with 03 kept", d.State, last.Status)
	}
}

// Mail in a peer's name from anybody else is refused; a peer's own mail passes.
func TestOnlyThePeerSendsForItsDomains(t *testing.T) {
	here := testkit.Start(t, testkit.Options{})
	there := here.StartNeighbour(t)
	relay := &testkit.Sender{Addr: here.Addr.Relay, TLS: here.TLS, From: "ai.do@" + testkit.NeighbourDomain}
	b := testkit.Message(relay.From, "giả mạo", "spoof-1", testkit.Address("xa01"))
	if _, err := relay.Send(b.Bytes(), testkit.Address("xa01")); err == nil {
		t.Error("mail in the name of a peer was taken from a stranger")
	}
	from := testkit.NeighbourLogin("xa01")
	b = testkit.Message(from, "thư thường", "spoof-2", testkit.Address("xa01"))
	if _, err := there.Sender(from).Send(b.Bytes(), testkit.Address("xa01")); err != nil {
		t.Fatal(err)
	}
	c := here.IMAP(t, testkit.Login("vanthu", "xa01"))
	eventually(t, "the peer's own mail arrives", func() bool {
		uids, err := c.In(testkit.Shared("xa01", testkit.Mail))
		return err == nil && len(uids) == 1
	})
	if n := here.Count(t, `SELECT count(*) FROM peer_transfer`); n != 1 {
		t.Errorf("%d transfers noted, want 1", n)
	}
}
