package testkit_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/report"
	"vanthu/internal/testkit"
)

// A day at the office: units send each other documents over SMTP; clerks,
// leaders and staff deal with them by drag (MOVE, or COPY and \Deleted), by
// a line in a reply, by command and by answers, some of them from two places at once; senders recall
// some. In the end the registers and the state of every dispatch are those of
// the model, which only counts what was answered with OK.
//
// VANTHU_TEST_OFFICE gives "UNITS,DOCUMENTS"; without it the day is short.

// office is the model.
type office struct {
	s     *testkit.Server
	t     *testing.T
	desks map[string]*desk

	mu   sync.Mutex
	docs []*paper
}

// desk is one unit: its people's sessions and its register.
type desk struct {
	unit string
	// mu is held while something is done at the unit, so that the order of its
	// register is known.
	mu     sync.Mutex
	clerk  *testkit.IMAP
	book   []*sheet // by arrival number
	issued int      // numbers given
	// replies is how many commands were sent by reply.
	replies int
	sent    []string // codes, in the order of their sending
}

// paper is a document.
type paper struct {
	code, mailID, issuer string
	sheets               []*sheet
}

// sheet is a paper at one unit.
type sheet struct {
	paper  *paper
	unit   string
	state  docstore.State
	asked  bool
	number int // bound for ever once given
	voided bool
	lead   string
}

func newOffice(t *testing.T, units int) *office {
	o := &office{s: testkit.Start(t, testkit.Options{Communes: units - 2, TrackingInterval: time.Second}), t: t, desks: map[string]*desk{}}
	names := []string{"ubnd", "soyte"}
	for i := range units - 2 {
		names = append(names, testkit.Commune(i+1))
	}
	for _, n := range names {
		o.desks[n] = &desk{unit: n, clerk: o.s.IMAP(t, testkit.Login("vanthu", n))}
	}
	return o
}

// nextCode gives a desk's next number and symbol.
func (d *desk) nextCode() string {
	d.issued++
	switch d.unit {
	case "ubnd":
		return fmt.Sprintf("%02d/QĐ-UBND", d.issued) // NĐ 30/2020, Phụ lục I: below 10 with a zero
	case "soyte":
		return fmt.Sprintf("%02d/SYT-VP", d.issued)
	}
	return fmt.Sprintf("%02d/UBND-VP", d.issued)
}

// send issues a document to units and enters it in the model.
func (o *office) send(from string, to []string, tags string) (*paper, error) {
	d := o.desks[from]
	d.mu.Lock()
	defer d.mu.Unlock()
	p := &paper{code: d.nextCode(), issuer: from}
	p.mailID = fmt.Sprintf("ngay-%s-%d", from, d.issued)
	var rcpts []string
	for _, u := range to {
		rcpts = append(rcpts, testkit.Address(u))
		p.sheets = append(p.sheets, &sheet{paper: p, unit: u, state: docstore.StateArrived})
	}
	login := testkit.Login("vanthu", from)
	b := testkit.Message(login, "["+p.code+"] "+tags+"V/v công việc trong ngày", p.mailID, rcpts...)
	b.Files = []mail.File{{Name: "van-ban.txt", Type: "text/plain", Content: []byte("Văn bản số " + p.code + "\n")}}
	if _, err := o.s.Sender(login).Send(b.Bytes(), rcpts...); err != nil {
		return nil, fmt.Errorf("send %s: %w", p.code, err)
	}
	d.sent = append(d.sent, p.code)
	o.mu.Lock()
	o.docs = append(o.docs, p)
	o.mu.Unlock()
	return p, nil
}

// find selects a folder of a unit with its clerk's session and gives the UID of
// a message in it.
func (d *desk) find(folder string, p *paper) (string, error) {
	if err := d.clerk.Select(testkit.Shared(d.unit, folder)); err != nil {
		return "", err
	}
	uids, err := d.clerk.Search(`HEADER Message-ID "<` + p.mailID + `@client.test>"`)
	if err != nil || len(uids) != 1 {
		return "", fmt.Errorf("%s in %s of %s: %v, %w", p.code, folder, d.unit, uids, errors.Join(err, errors.New("want one message")))
	}
	return uids[0], nil
}

func (d *desk) drag(from, to string, p *paper) error {
	uid, err := d.find(from, p)
	if err != nil {
		return err
	}
	return d.clerk.Move(uid, testkit.Shared(d.unit, to))
}

// copyAndDelete is what clients without MOVE do.
func (d *desk) copyAndDelete(from, to string, p *paper) error {
	uid, err := d.find(from, p)
	if err != nil {
		return err
	}
	if _, _, err := d.clerk.Cmd(`UID COPY %s "%s"`, uid, testkit.ModifiedUTF7(testkit.Shared(d.unit, to))); err != nil {
		return err
	}
	_, _, err = d.clerk.Cmd(`UID STORE %s +FLAGS.SILENT (\Deleted)`, uid)
	return err
}

// command does an act as the command line does.
func (o *office) command(x *sheet, role string, act control.DocumentAct) error {
	act.Code, act.Issuer, act.As = x.paper.code, testkit.Address(x.paper.issuer), testkit.Login(role, x.unit)
	act.Unit = testkit.Address(x.unit)
	return o.s.Rooms.Control().Call(o.t.Context(), control.CallDocumentAct, act, nil, nil)
}

// reply acts by a line in a reply to the document, sent by SMTP to the unit's own
// address, and waits for the answer that tells what was done.
func (o *office) reply(x *sheet, role, line string) error {
	d := o.desks[x.unit]
	login := testkit.Login(role, x.unit)
	d.replies++
	b := testkit.Message(login, "Re: "+x.paper.code, fmt.Sprintf("tl-%s-%d", x.unit, d.replies), testkit.Address(x.unit))
	b.InReplyTo = "<" + x.paper.mailID + "@client.test>"
	b.Text = line + "\n\n> Kính gửi các đơn vị.\n"
	_, err := o.s.Sender(login).Send(b.Bytes(), testkit.Address(x.unit))
	return err
}

// registered notes that the unit has given its next number.
func (d *desk) registered(x *sheet) {
	x.state = docstore.StateRegistered
	if x.number == 0 {
		d.book = append(d.book, x)
		x.number = len(d.book)
	}
	x.voided = false
}

// live leads a sheet some steps on its way, as chance will have it.
func (o *office) live(rnd *rand.Rand, x *sheet) error {
	d := o.desks[x.unit]
	d.mu.Lock()
	defer d.mu.Unlock()
	if x.state != docstore.StateArrived {
		return nil
	}
	switch n := rnd.IntN(100); {
	case n < 12:
		return nil // nobody gets round to it
	case n < 18:
		x.state = docstore.StateRefused
		return d.drag(testkit.Waiting, testkit.Refused, x.paper)
	case n < 22:
		x.state = docstore.StateRefused
		return o.command(x, "vanthu", control.DocumentAct{Act: docstore.EventRefuse, Reason: edoc.ReasonOther, Note: "không thuộc chức năng của đơn vị"})
	}
	if err := o.register(rnd, d, x); err != nil {
		return err
	}
	for x.state.Open() && x.state != docstore.StateCompleted && rnd.IntN(100) < 80 {
		if err := o.step(rnd, d, x); err != nil {
			return err
		}
	}
	return nil
}

// register enters a sheet from one of four places, or from two at once.
func (o *office) register(rnd *rand.Rand, d *desk, x *sheet) error {
	var err error
	switch rnd.IntN(5) {
	case 0:
		err = d.copyAndDelete(testkit.Waiting, testkit.Registered, x.paper)
	case 1:
		err = o.command(x, "vanthu", control.DocumentAct{Act: docstore.EventRegister})
	case 2:
		err = o.atOnce(d, x)
	default:
		err = d.drag(testkit.Waiting, testkit.Registered, x.paper)
	}
	if err != nil {
		return fmt.Errorf("register %s at %s: %w", x.paper.code, x.unit, err)
	}
	d.registered(x)
	if rnd.IntN(12) > 0 {
		return nil
	}
	// Taken back at once, and perhaps entered again under the same number.
	if err := d.drag(testkit.Registered, testkit.Waiting, x.paper); err != nil {
		return fmt.Errorf("take %s back at %s: %w", x.paper.code, x.unit, err)
	}
	x.state, x.voided = docstore.StateArrived, true
	if rnd.IntN(2) == 0 {
		return errStays
	}
	if err := d.drag(testkit.Waiting, testkit.Registered, x.paper); err != nil {
		return err
	}
	d.registered(x)
	return nil
}

// errStays: nothing more happens to the sheet.
var errStays = errors.New("stays")

// atOnce registers from the mail program and by command in the same moment: one
// wins, the other is told so.
func (o *office) atOnce(d *desk, x *sheet) error {
	uid, err := d.find(testkit.Waiting, x.paper)
	if err != nil {
		return err
	}
	var byDrag, byCommand error
	var both sync.WaitGroup
	both.Go(func() { byDrag = d.clerk.Move(uid, testkit.Shared(d.unit, testkit.Registered)) })
	both.Go(func() { byCommand = o.command(x, "vanthu", control.DocumentAct{Act: docstore.EventRegister}) })
	both.Wait()
	switch {
	case byDrag == nil && byCommand == nil:
		// The client that finds its message gone gets an OK that moved nothing
		// (RFC 6851: UIDs that are not there are passed over); the number was
		// given once, which the book shows.
		return nil
	case byDrag == nil && fault.KindOf(byCommand) == fault.Conflict, byCommand == nil && errors.Is(byDrag, testkit.ErrNo):
		return nil
	}
	return fmt.Errorf("at once: by drag %w, by command %w", byDrag, byCommand)
}

// step does the next thing to a sheet that is registered.
func (o *office) step(rnd *rand.Rand, d *desk, x *sheet) error {
	staff := "chuyenvien"
	switch x.state {
	case docstore.StateRegistered:
		switch rnd.IntN(4) {
		case 0:
			x.state = docstore.StateProcessing
			return d.drag(testkit.Registered, testkit.Processing, x.paper)
		case 1:
			x.state = docstore.StateCompleted
			return d.drag(testkit.Registered, testkit.Completed, x.paper)
		case 2:
			x.state, x.lead = docstore.StateAssigned, staff
			return o.reply(x, "lanhdao", "@"+testkit.Login(staff, x.unit)+" chủ trì")
		}
		x.state, x.lead = docstore.StateAssigned, staff
		return o.command(x, "lanhdao", control.DocumentAct{
			Act: docstore.EventAssign, Assign: []control.Assignee{{Login: testkit.Login(staff, x.unit), Role: docstore.RoleLead}},
		})
	case docstore.StateAssigned:
		switch rnd.IntN(4) {
		case 0:
			x.state, x.lead = docstore.StateRegistered, ""
			return o.command(x, staff, control.DocumentAct{Act: docstore.EventReturn, Note: "không thuộc lĩnh vực được giao"})
		case 1: // who may not is told so, and nothing changes
			err := o.command(x, "lanhdao", control.DocumentAct{Act: docstore.EventStart})
			if fault.KindOf(err) != fault.Denied {
				return fmt.Errorf("a leader starts what is assigned to staff: %v, want it denied", err)
			}
			return nil
		}
		x.state = docstore.StateProcessing
		if rnd.IntN(2) == 0 {
			return o.reply(x, staff, "Bắt đầu")
		}
		return o.command(x, staff, control.DocumentAct{Act: docstore.EventStart})
	case docstore.StateProcessing:
		if rnd.IntN(3) == 0 {
			return o.answer(x)
		}
		x.state = docstore.StateCompleted
		return d.drag(testkit.Processing, testkit.Completed, x.paper)
	}
	return nil
}

// answer issues a document that answers a sheet, which completes it. The desk
// of the unit is held.
func (o *office) answer(x *sheet) error {
	d := o.desks[x.unit]
	d.mu.Unlock()
	_, err := o.send(x.unit, []string{x.paper.issuer}, "[TRẢ LỜI "+x.paper.code+"] ")
	d.mu.Lock()
	x.state = docstore.StateCompleted
	return err
}

// recall asks for a paper back; each unit answers as chance will have it.
func (o *office) recall(rnd *rand.Rand, p *paper) error {
	open := 0
	for _, x := range p.sheets {
		o.desks[x.unit].mu.Lock()
		defer o.desks[x.unit].mu.Unlock()
		if x.state.Open() {
			open++
		}
	}
	err := o.s.Rooms.Control().Call(o.t.Context(), control.CallDocumentRecall, control.DocumentRecall{
		DocumentNamed: control.DocumentNamed{Code: p.code, Issuer: testkit.Address(p.issuer)},
		As:            testkit.Login("vanthu", p.issuer), Reason: "Sai phụ lục",
	}, nil, nil)
	if open == 0 {
		if fault.KindOf(err) != fault.Conflict {
			return fmt.Errorf("recall %s, which nobody has: %v, want a conflict", p.code, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("recall %s: %w", p.code, err)
	}
	for _, x := range p.sheets {
		switch {
		case !x.state.Open():
			continue
		case x.state == docstore.StateArrived:
			x.state = docstore.StateRecalled
			continue
		}
		x.asked = true
		switch rnd.IntN(4) {
		case 0: // nobody answers today
		case 1:
			x.asked = false
			err = o.command(x, "vanthu", control.DocumentAct{Act: docstore.EventDecline, Note: "đã triển khai thực hiện"})
		case 2:
			x.asked, x.state = false, docstore.StateRecalled
			err = o.command(x, "vanthu", control.DocumentAct{Act: docstore.EventAccept})
		case 3:
			x.asked, x.state = false, docstore.StateRecalled
			err = o.agree(x)
		}
		if err != nil {
			return fmt.Errorf("answer to the recall of %s at %s: %w", p.code, x.unit, err)
		}
	}
	return nil
}

// agree drags the message of the request to its answer.
func (o *office) agree(x *sheet) error {
	d := o.desks[x.unit]
	if err := d.clerk.Select(testkit.Shared(d.unit, "Thu hồi")); err != nil {
		return err
	}
	uids, err := d.clerk.Search(`HEADER In-Reply-To "<` + x.paper.mailID + `@client.test>"`)
	if err != nil || len(uids) != 1 {
		return fmt.Errorf("the request: %v, %w", uids, errors.Join(err, errors.New("want one message")))
	}
	return d.clerk.Move(uids[0], testkit.Shared(d.unit, "Thu hồi/Đồng ý"))
}

func TestOfficeDay(t *testing.T) {
	units, documents, workers := 8, 40, 4
	if v := os.Getenv("VANTHU_TEST_OFFICE"); v != "" {
		if _, err := fmt.Sscanf(v, "%d,%d", &units, &documents); err != nil {
			t.Fatalf("VANTHU_TEST_OFFICE=%q: %v", v, err)
		}
		workers = 8
	}
	const seed = 20261124
	begun := time.Now()
	o := newOffice(t, units)
	names := make([]string, 0, units)
	for n := range o.desks {
		names = append(names, n)
	}
	slices.Sort(names)
	var g errgroup.Group
	for w := range workers {
		g.Go(func() error {
			rnd := rand.New(rand.NewPCG(seed, uint64(w)))
			for range documents / workers {
				if err := o.oneDocument(rnd, names); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	o.compare(t)
	sheets, events := 0, 0
	for _, p := range o.docs {
		sheets += len(p.sheets)
	}
	events = o.s.Count(t, qEvents)
	t.Logf("%d units, %d documents, %d dispatches, %d status events, %d registrations in %v",
		units, len(o.docs), sheets, events, o.s.Count(t, qEntries), time.Since(begun).Round(time.Millisecond))
}

// oneDocument is the life of a document, with its dispatches in turn.
func (o *office) oneDocument(rnd *rand.Rand, names []string) error {
	from := names[rnd.IntN(len(names))]
	to := slices.Clone(names)
	rnd.Shuffle(len(to), func(i, j int) { to[i], to[j] = to[j], to[i] })
	to = slices.DeleteFunc(to, func(n string) bool { return n == from })
	n := 1 + rnd.IntN(6)
	if rnd.IntN(50) == 0 {
		n = len(to) // to everybody
	}
	slices.Sort(to[:min(n, len(to))])
	p, err := o.send(from, to[:min(n, len(to))], []string{"", "", "[KHẨN] ", "[HẠN 30/12/2026] "}[rnd.IntN(4)])
	if err != nil {
		return err
	}
	for _, x := range p.sheets {
		if err := o.live(rnd, x); err != nil && !errors.Is(err, errStays) {
			return err
		}
	}
	if rnd.IntN(8) == 0 {
		return o.recall(rnd, p)
	}
	return nil
}

// compare holds the whole province against the model.
func (o *office) compare(t *testing.T) {
	for _, p := range o.docs {
		var v docstore.View
		if err := o.s.Rooms.Control().Call(t.Context(), control.CallDocumentShow,
			control.DocumentNamed{Code: p.code, Issuer: testkit.Address(p.issuer)}, &v, nil); err != nil {
			t.Errorf("%s: %v", p.code, err)
			continue
		}
		got := map[string]docstore.DispatchView{}
		for _, d := range v.Dispatches {
			got[d.Unit] = d
		}
		if len(got) != len(p.sheets) {
			t.Errorf("%s: %d dispatches, want %d", p.code, len(got), len(p.sheets))
		}
		for _, x := range p.sheets {
			d := got[testkit.Address(x.unit)]
			number := x.number
			if x.voided {
				number = 0
			}
			if d.State != x.state || d.ArrivalNumber != number || (d.Request != "") != x.asked {
				t.Errorf("%s at %s: %s, số đến %d, request %q; want %s, %d, asked %v",
					p.code, x.unit, d.State, d.ArrivalNumber, d.Request, x.state, number, x.asked)
			}
		}
	}
	for _, d := range o.desks {
		o.compareBooks(t, d)
	}
}

// compareBooks holds both registers of a unit against the model.
func (o *office) compareBooks(t *testing.T, d *desk) {
	book := func(dir docstore.Direction) (b report.Register) {
		if err := o.s.Rooms.Control().Call(t.Context(), control.CallRegisterShow, control.RegisterShow{Unit: testkit.Address(d.unit), Direction: dir}, &b, nil); err != nil {
			t.Errorf("the registers of %s: %v", d.unit, err)
		}
		return b
	}
	in := book(docstore.DirectionIn)
	if len(in.Rows) != len(d.book) {
		t.Errorf("%s has %d entries, want %d", d.unit, len(in.Rows), len(d.book))
		return
	}
	for i, x := range d.book {
		row := in.Rows[i]
		if row.Cells[1] != strconv.Itoa(i+1) || row.Cells[3] != x.paper.code || row.Voided != x.voided {
			t.Errorf("%s, entry %d: number %s, %s, voided %v; want %d, %s, %v", d.unit, i+1, row.Cells[1], row.Cells[3], row.Voided, i+1, x.paper.code, x.voided)
		}
	}
	out := book(docstore.DirectionOut)
	var codes []string
	for _, row := range out.Rows {
		codes = append(codes, row.Cells[0])
	}
	if !slices.Equal(codes, d.sent) {
		t.Errorf("%s has sent %v, its register has %v", d.unit, d.sent, codes)
	}
}
