package imapd

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/workflow"
)

// The real workflow fits.
var _ Workflow = (*workflow.Workflow)(nil)

// office is a world with the real workflow. canbo and khac are staff of the unit.
type office struct {
	*world
	docs *docstore.Store
	flow *workflow.Workflow
	sent int
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{}
	newWorld(t, Options{AllowInsecureAuthOnLoopback: true, SessionsPerUser: 100}, func(w *world) Workflow {
		o.world = w
		now := func() time.Time { return start.Add(time.Duration(w.later.Load())) }
		o.docs = docstore.New(docstore.Options{Now: now})
		var err error
		o.flow, err = workflow.New(w.db, w.dir, w.store, o.docs, workflow.Options{Now: now})
		check(t, err)
		for _, name := range []string{"canbo", "khac"} {
			check(t, w.dir.SetRoles(t.Context(), testActor(), w.ids[name], []directory.Assignment{{Unit: w.unit.ID, Role: directory.RoleStaff}}))
		}
		return o.flow
	})
	o.fit()
	return o
}

// fit has the folders follow the directory once.
func (o *office) fit() {
	o.t.Helper()
	var people []directory.Account
	for _, m := range o.dir.Snapshot().MembersOf(o.unit.ID) {
		a, _ := o.dir.Snapshot().Account(m.Account)
		if m.Role == directory.RoleLeader || m.Role == directory.RoleStaff {
			people = append(people, a)
		}
	}
	_, err := o.store.FitUnit(o.t.Context(), o.unit.ID, people)
	check(o.t, err)
}

// receive puts a document into "1 Chờ tiếp nhận".
func (o *office) receive() docstore.Dispatch {
	o.t.Helper()
	o.sent++
	code, err := edoc.ParseCode(fmt.Sprintf("%d/QĐ-UBND", o.sent))
	check(o.t, err)
	id := fmt.Sprintf("<d%d@y.test>", o.sent)
	b := o.store.NewBody()
	_, err = io.WriteString(b, "From: UBND <ubnd@y.test>\r\nMessage-ID: "+id+"\r\nSubject: van ban\r\n\r\nKinh gui\r\n")
	check(o.t, err)
	fin, err := b.Finish()
	check(o.t, err)
	defer fin.Release()
	var made docstore.Result
	check(o.t, o.db.Update(o.t.Context(), func(tx *sqldb.Tx) error {
		msg, err := o.store.Store(o.t.Context(), tx, fin, nil, start)
		if err != nil {
			return err
		}
		box, err := o.store.Role(o.t.Context(), tx, o.unit.ID, mailstore.RoleIncoming)
		if err != nil {
			return err
		}
		uid, err := o.store.Deliver(o.t.Context(), tx, box, msg, 0, start)
		if err != nil {
			return err
		}
		made, err = o.docs.Intake(o.t.Context(), tx, docstore.In{
			Recognition: edoc.Recognition{Level: edoc.L1, Code: &code, Type: edoc.TypeForCode(code), Abstract: "V/v kế hoạch", Year: 2026},
			IssuerName:  "UBND tỉnh", MailID: docstore.MailID(id), Message: docstore.MessageRef(msg), BodySHA256: fin.SHA256,
			QueueID: "q", Peer: "tinh", Transfer: id, Source: docstore.SourceSMTP, Actor: testActor(),
			Recipients: []docstore.Recipient{{Unit: o.unit.ID, Address: o.unit.Address, Place: docstore.Place{Mailbox: int64(box), UID: int64(uid)}}},
		})
		return err
	}))
	return made.Dispatches[0]
}

// ask has the sender's server ask for a document back.
func (o *office) ask(d docstore.Dispatch) {
	o.t.Helper()
	check(o.t, o.db.Update(o.t.Context(), func(tx *sqldb.Tx) error {
		return o.flow.Reported(o.t.Context(), tx, docstore.Reported{
			Peer: "tinh", Transfer: d.Transfer, Recipient: d.Address, Status: edoc.StatusRecallRequested, Note: "gửi nhầm",
		})
	}))
}

func (o *office) dispatch(id docstore.DispatchID) (d docstore.Dispatch) {
	o.t.Helper()
	check(o.t, o.db.View(o.t.Context(), func(r sqldb.Reader) (err error) {
		d, err = docstore.DispatchByID(o.t.Context(), r, id)
		return err
	}))
	return d
}

func (o *office) wantState(d docstore.Dispatch, want docstore.State) {
	o.t.Helper()
	if got := o.dispatch(d.ID).State; got != want {
		o.t.Errorf("dispatch is %s, want %s", got, want)
	}
}

const (
	waiting    = "Văn bản đến/1 Chờ tiếp nhận"
	registered = "Văn bản đến/2 Đã vào sổ"
	toCanbo    = "Văn bản đến/3 Phân công/canbo"
	toKhac     = "Văn bản đến/3 Phân công/khac"
	working    = "Văn bản đến/4 Đang xử lý"
	finished   = "Văn bản đến/5 Hoàn thành"
)

// drag is a move in a client: of all messages of one folder to another.
func (c *client) drag(verb, from, to string) (tagged string) {
	c.t.Helper()
	c.ok("SELECT " + folder(from))
	_, tagged = c.do(verb + " 1:* " + folder(to))
	return tagged
}

// What leaders, staff and clerks may drag where is what the table of the workflow says, and nothing else.
func TestDragsByRole(t *testing.T) {
	for _, verb := range []string{"MOVE", "COPY"} {
		t.Run(verb, func(t *testing.T) {
			o := newOffice(t)
			d := o.receive()
			clerk, leader, canbo, khac := o.login("vanthu"), o.login("lanhdao"), o.login("canbo"), o.login("khac")
			steps := []struct {
				who      *client
				name     string
				from, to string
				want     string // the tagged answer begins so
				state    docstore.State
			}{
				{canbo, "canbo", waiting, registered, "NO [NOPERM] chi van thu", docstore.StateArrived},
				{leader, "lanhdao", waiting, toCanbo, "NO [NOPERM]", docstore.StateArrived},
				{clerk, "vanthu", waiting, registered, "OK", docstore.StateRegistered},
				{canbo, "canbo", registered, toKhac, "NO [NOPERM] chi lanh dao", docstore.StateRegistered},
				{leader, "lanhdao", registered, working, "NO [NOPERM]", docstore.StateRegistered},
				{leader, "lanhdao", registered, toCanbo, "OK", docstore.StateAssigned},
				{khac, "khac", toCanbo, working, "NO [NOPERM]", docstore.StateAssigned},
				{canbo, "canbo", toCanbo, registered, "NO [CANNOT] phai ghi ro ly do", docstore.StateAssigned},
				{clerk, "vanthu", toCanbo, toKhac, "NO [NOPERM]", docstore.StateAssigned},
				{leader, "lanhdao", toCanbo, toKhac, "OK", docstore.StateAssigned},
				{canbo, "canbo", toKhac, working, "NO [NOPERM]", docstore.StateAssigned},
				{khac, "khac", toKhac, working, "OK", docstore.StateProcessing},
				{canbo, "canbo", working, finished, "NO [NOPERM]", docstore.StateProcessing},
				{khac, "khac", working, finished, "OK", docstore.StateCompleted},
				{khac, "khac", finished, working, "NO [NOPERM]", docstore.StateCompleted},
				{leader, "lanhdao", finished, working, "OK", docstore.StateProcessing},
				{clerk, "vanthu", working, finished, "OK", docstore.StateCompleted},
			}
			for _, s := range steps {
				got := s.who.drag(verb, s.from, s.to)
				if s.want == "NO [NOPERM]" && strings.HasPrefix(got, "NO [CANNOT]") { // the state says no before the role does
					s.want = "NO [CANNOT]"
				}
				if !strings.HasPrefix(got, s.want) {
					t.Errorf("%s, %s to %s: %q, want %q", s.name, s.from, s.to, got, s.want)
				}
				o.wantState(d, s.state)
				if strings.HasPrefix(got, "OK") && verb == "COPY" {
					// What clients without MOVE do next: nothing is left to be marked, and that is no error.
					s.who.ok(`UID STORE 1:* +FLAGS.SILENT (\Deleted)`)
				}
			}
		})
	}
}

// Several documents in one command: each for itself, in the order of their arrival.
func TestDragOfSeveral(t *testing.T) {
	o := newOffice(t)
	var all []docstore.Dispatch
	for range 4 {
		all = append(all, o.receive())
	}
	clerk, leader := o.login("vanthu"), o.login("lanhdao")
	clerk.ok("SELECT " + folder(waiting))
	clerk.ok("UID MOVE 4,2,1 " + folder(registered))
	for i, want := range []int{1, 2, 0, 3} {
		if got := o.dispatch(all[i].ID).ArrivalNumber; got != want {
			t.Errorf("document %d has arrival number %d, want %d", i+1, got, want)
		}
	}
	leader.ok("SELECT " + folder(registered))
	leader.ok("MOVE 1:* " + folder(toCanbo))
	for i, want := range []docstore.State{docstore.StateAssigned, docstore.StateAssigned, docstore.StateArrived, docstore.StateAssigned} {
		if got := o.dispatch(all[i].ID).State; got != want {
			t.Errorf("document %d is %s, want %s", i+1, got, want)
		}
	}
	// One of several is refused: the rest is moved, and the answer says how many were not.
	canbo := o.login("canbo")
	canbo.ok("SELECT " + folder(toCanbo))
	canbo.ok("UID MOVE 1 " + folder(working))
	clerk.drag("MOVE", waiting, registered)
	leader.ok("SELECT " + folder(registered))
	leader.ok("MOVE 1 " + folder(toCanbo))
	o.ask(all[1])
	canbo.ok("SELECT " + folder(toCanbo))
	untagged, tagged := canbo.do("MOVE 1:* " + folder(working))
	if !strings.HasPrefix(tagged, "NO [CANNOT] 1 tren 3 thu khong chuyen duoc") || !strings.Contains(untagged[0], "COPYUID") {
		t.Errorf("got %q %q", untagged, tagged)
	}
	o.wantState(all[0], docstore.StateProcessing)
	o.wantState(all[1], docstore.StateAssigned)
	o.wantState(all[2], docstore.StateProcessing)
}

// A registration can be taken back by who made it, for ten minutes.
func TestDragBack(t *testing.T) {
	o := newOffice(t)
	d := o.receive()
	clerk := o.login("vanthu")
	if got := clerk.drag("MOVE", waiting, registered); !strings.HasPrefix(got, "OK") {
		t.Fatal(got)
	}
	if got := clerk.drag("MOVE", registered, waiting); !strings.HasPrefix(got, "OK") {
		t.Fatal(got)
	}
	o.wantState(d, docstore.StateArrived)
	if got := clerk.drag("MOVE", waiting, registered); !strings.HasPrefix(got, "OK") {
		t.Fatal(got)
	}
	if got := o.dispatch(d.ID).ArrivalNumber; got != 1 {
		t.Errorf("arrival number %d after undo and again, want 1", got)
	}
	o.later.Add(int64(11 * time.Minute))
	if got := clerk.drag("MOVE", registered, waiting); !strings.HasPrefix(got, "NO [CANNOT]") {
		t.Errorf("after the undo window: %q", got)
	}
	o.wantState(d, docstore.StateRegistered)
}

// A request to give a document back is answered by dragging the request, or the document itself.
func TestAnswerByDrag(t *testing.T) {
	for _, tt := range []struct {
		what, from, to string
		state          docstore.State
		overlay        docstore.Overlay
	}{
		{"request", "Thu hồi", "Thu hồi/Đồng ý", docstore.StateRecalled, docstore.OverlayNone},
		{"request", "Thu hồi", "Thu hồi/Không đồng ý", docstore.StateRegistered, docstore.OverlayNone},
		{"document", registered, "Thu hồi/Đồng ý", docstore.StateRecalled, docstore.OverlayNone},
		{"document", registered, "Thu hồi/Không đồng ý", docstore.StateRegistered, docstore.OverlayNone},
	} {
		t.Run(tt.what+" to "+tt.to, func(t *testing.T) {
			o := newOffice(t)
			d := o.receive()
			clerk, leader := o.login("vanthu"), o.login("lanhdao")
			clerk.drag("MOVE", waiting, registered)
			o.ask(d)
			leader.ok("SELECT " + folder(tt.from))
			leader.refused("MOVE 1 "+folder(tt.to), "NO [NOPERM]")
			if got := clerk.drag("MOVE", tt.from, tt.to); !strings.HasPrefix(got, "OK") {
				t.Errorf("got %q", got)
			}
			now := o.dispatch(d.ID)
			if now.State != tt.state || now.Overlay != tt.overlay {
				t.Errorf("dispatch is %s %q, want %s %q", now.State, now.Overlay, tt.state, tt.overlay)
			}
			for _, to := range []string{"Thu hồi", "Thu hồi/Đồng ý", "Thu hồi/Không đồng ý", "Thu hồi/Đã thay thế", waiting, registered, toCanbo, working, finished} {
				_, tagged := clerk.do("APPEND " + folder(to) + " {5+}\r\nx: y\n")
				if !strings.HasPrefix(tagged, "NO [NOPERM]") {
					t.Errorf("APPEND to %s: %q", to, tagged)
				}
			}
		})
	}
}

// The keywords of the server survive what clients do, and clients see that they do.
func TestServerKeywords(t *testing.T) {
	o := newOffice(t)
	o.receive()
	clerk := o.login("vanthu")
	clerk.drag("MOVE", waiting, registered)
	clerk.ok("SELECT " + folder(registered))
	for _, cmd := range []string{
		"STORE 1 -FLAGS.SILENT ($vb-den)", "STORE 1 FLAGS.SILENT (\\Flagged)", "STORE 1 FLAGS (mine)", "STORE 1 +FLAGS.SILENT ($VB-qua-han $vb-khac)",
	} {
		got := strings.Join(clerk.ok(cmd), "\n")
		if !strings.Contains(got, "$vb-den") || strings.Contains(strings.ToLower(got), "qua-han") || strings.Contains(got, "khac") {
			t.Errorf("%s: %q", cmd, got)
		}
	}
	if got := strings.Join(clerk.ok("FETCH 1 FLAGS"), ""); !strings.Contains(got, "mine") || !strings.Contains(got, "$vb-den") {
		t.Errorf("flags %q", got)
	}
	clerk.ok("COPY 1 INBOX") // in a mailbox of one's own they are keywords like any other
	clerk.ok("SELECT INBOX")
	if got := strings.Join(clerk.ok("STORE 1 -FLAGS ($vb-den)"), ""); strings.Contains(got, "FLAGS (\\Flagged $vb-den") || strings.Contains(got, "(mine $vb-den") {
		t.Errorf("in INBOX: %q", got)
	}
}

// Registers are read, by those who answer for them, and cannot be changed.
func TestBookFolders(t *testing.T) {
	o := newOffice(t)
	o.receive()
	clerk, leader, staff := o.login("vanthu"), o.login("lanhdao"), o.login("canbo")
	clerk.drag("MOVE", waiting, registered)
	check(t, o.flow.ShowBooks(t.Context()))
	const book = "Sổ/2026/Đến"
	for _, c := range []*client{clerk, leader} {
		c.ok("SELECT " + folder(book))
		if got := strings.Join(c.ok("FETCH 1 ENVELOPE"), ""); !strings.Contains(got, "ENVELOPE") {
			t.Errorf("got %q", got)
		}
		for _, cmd := range []string{`STORE 1 +FLAGS (\Deleted)`, "EXPUNGE", "MOVE 1 INBOX"} {
			c.refused(cmd, "NO [READ-ONLY]")
		}
		c.refused("MOVE 1 "+folder(registered), "NO")
		c.refused("APPEND "+folder(book)+" {5+}\r\nx: y\n", "NO [NOPERM]")
		c.ok("COPY 1 INBOX")
		c.ok("SELECT INBOX")
		c.refused("COPY 1 "+folder(book), "NO [NOPERM]")
	}
	staff.refused("SELECT "+folder(book), "NO [NONEXISTENT]")
	check(t, o.dir.SetRoles(t.Context(), testActor(), o.ids["khac"], []directory.Assignment{{Role: directory.RoleAuditor}}))
	auditor := o.login("khac")
	auditor.ok("SELECT " + folder(book))
	auditor.refused("SELECT "+folder(registered), "NO [NONEXISTENT]")
}

// The entries under "Việc của tôi" and "Chuyển văn thư" are their reader's own: they may be deleted.
func TestOwnEntriesMayBeDeleted(t *testing.T) {
	o := newOffice(t)
	d := o.receive()
	clerk, leader, canbo := o.login("vanthu"), o.login("lanhdao"), o.login("canbo")
	clerk.drag("MOVE", waiting, registered)
	leader.drag("MOVE", registered, toCanbo)
	tasks := string(appendMailbox(nil, "Việc của tôi/Chờ", false))
	canbo.ok("SELECT " + tasks)
	canbo.refused("APPEND "+tasks+" {5+}\r\nx: y\n", "NO [NOPERM]")
	canbo.ok(`STORE 1 +FLAGS (\Deleted)`)
	if got := canbo.ok("EXPUNGE"); len(got) != 1 || got[0] != "* 1 EXPUNGE" {
		t.Errorf("EXPUNGE: %q", got)
	}
	o.wantState(d, docstore.StateAssigned)
	if got := canbo.drag("MOVE", toCanbo, working); !strings.HasPrefix(got, "OK") {
		t.Errorf("the document itself: %q", got)
	}
}
