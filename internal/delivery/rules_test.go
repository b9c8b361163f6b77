package delivery_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/journal"
	"vanthu/internal/mailstore"
	"vanthu/internal/rules"
	"vanthu/internal/sqldb"
)

const staff = "chuyenvien@snv.p.test"

// script gives an account a script.
func (w *world) script(login, text string) {
	w.t.Helper()
	text = `require ["fileinto","copy","imap4flags","vacation","mailbox","envelope","vnd.vanthu.document","special-use","body"];` + text
	if err := w.rules.SetScript(w.t.Context(), journal.System("test"), rules.Owner{Account: w.ids[login]}, text); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) folder(login, name string) {
	w.t.Helper()
	if _, err := w.mail.CreateMailbox(w.t.Context(), mailstore.Owner{Account: w.ids[login]}, name, mailstore.UseNone); err != nil {
		w.t.Fatal(err)
	}
}

// boxes gives the folders of an owner that hold messages: "INBOX 1".
func (w *world) boxes(o mailstore.Owner) string {
	w.t.Helper()
	list, err := w.mail.List(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, m := range list {
		if m.Messages > 0 {
			out = append(out, fmt.Sprintf("%s %d", m.Name, m.Messages))
		}
	}
	return strings.Join(out, ", ")
}

func (w *world) of(login string) string { return w.boxes(mailstore.Owner{Account: w.ids[login]}) }

// last gives the newest message in a folder, as stored.
func (w *world) last(o mailstore.Owner, name string) string {
	w.t.Helper()
	m, err := w.mail.Lookup(w.t.Context(), o, name)
	if err != nil {
		w.t.Fatal(err)
	}
	var id int64
	if err := w.db.View(w.t.Context(), func(r sqldb.Reader) error {
		return r.QueryRow(w.t.Context(), `SELECT message_id FROM entry WHERE mailbox_id = $1 ORDER BY uid DESC LIMIT 1`, int64(m.ID)).Scan(&id)
	}); err != nil {
		w.t.Fatal(err)
	}
	c, err := w.mail.Content(w.t.Context(), mailstore.MessageID(id))
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

var serial int

// to sends a letter from the clerk, and fails the test when it is refused.
func (w *world) to(subject string, rcpt ...string) {
	w.t.Helper()
	serial++
	if _, err := w.send(clerk, clerk, letter(clerk, strings.Join(rcpt, ">, <"), mime.QEncoding.Encode("utf-8", subject), fmt.Sprintf("r%d", serial), "Nội dung"), rcpt...); err != nil {
		w.t.Fatal(err)
	}
}

func TestFiling(t *testing.T) {
	tests := []struct {
		name, script, subject, rcpt, want string
	}{
		{"nothing", ``, "a", "", "INBOX 1"},
		{"into a folder", `fileinto "Việc";`, "a", "", "Việc 1"},
		{"into a folder that is missing", `fileinto "Không có";`, "a", "", "INBOX 1"},
		{"into a folder that is made", `fileinto :create "Mới/Hơn";`, "a", "", "Mới/Hơn 1"},
		{"a name that no folder can have", `fileinto :create "a//b";`, "a", "", "INBOX 1"},
		{"by use", `fileinto :specialuse "\\Junk" "Rác";`, "a", "", "Junk 1"},
		{"two copies", `fileinto "Việc"; keep;`, "a", "", "INBOX 1, Việc 1"},
		{"three copies, one missing", `fileinto "Việc"; fileinto "Không có"; fileinto "bao cao";`, "a", "", "INBOX 1, Việc 1, bao cao 1"},
		{"thrown away", `discard;`, "a", "", ""},
		{"by subject", `if header :contains "subject" "gấp" { fileinto "Việc"; }`, "Rất gấp", "", "Việc 1"},
		{"by body", `if body :contains "nội dung" { fileinto "Việc"; }`, "a", "", "Việc 1"},
		{"by body as written", `if body :contains "Nội dung" { fileinto "Việc"; }`, "a", "", "Việc 1"},
		{"by envelope", `if envelope :domain "to" "p.test" { fileinto "Việc"; }`, "a", "", "Việc 1"},
		{"sub-address", ``, "a", "+viec", "Việc 1"},
		{"sub-address loosely", ``, "a", "+bao-cao", "bao cao 1"},
		{"sub-address without folder", ``, "a", "+khac", "INBOX 1"},
		{"sub-address of a special folder", ``, "a", "+trash", "INBOX 1"},
		{"sub-address that is an act", ``, "a", "+vb", "INBOX 1"},
		{"keep with a sub-address", `keep;`, "a", "+bao-cao", "bao cao 1"},
		{"a run that fails", `require "variables"; redirect "${x}";`, "a", "", "INBOX 2"}, // and a note
	}
	w := newWorld(t)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			local := fmt.Sprintf("ca%d", i)
			login := local + "@p.test"
			w.account(login, 0)
			if err := w.db.Update(t.Context(), func(tx *sqldb.Tx) error { return w.mail.EnsureAccount(t.Context(), tx, w.ids[login]) }); err != nil {
				t.Fatal(err)
			}
			w.folder(login, "Việc")
			w.folder(login, "bao cao")
			w.folder(login, "vb")
			if tt.script != "" {
				w.scriptWith(login, tt.script)
			}
			w.to(tt.subject, local+tt.rcpt+"@p.test")
			if got := w.of(login); got != tt.want {
				t.Errorf("folders hold %q, want %q", got, tt.want)
			}
		})
	}
}

// scriptWith is script for one that may want variables.
func (w *world) scriptWith(login, text string) {
	w.t.Helper()
	if rest, ok := strings.CutPrefix(text, `require "variables";`); ok {
		text = `require "variables";` + rest
		if err := w.rules.SetScript(w.t.Context(), journal.System("test"), rules.Owner{Account: w.ids[login]}, text); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	w.script(login, text)
}

func TestFlags(t *testing.T) {
	w := newWorld(t)
	w.script(staff, `addflag ["\\Flagged", "viec"];`)
	w.to("a", staff)
	m, err := w.mail.Lookup(t.Context(), mailstore.Owner{Account: w.ids[staff]}, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	flags := w.count(`SELECT flags FROM entry WHERE mailbox_id = $1`, int64(m.ID))
	if want := int(mailstore.Flagged | mailstore.Keyword(0)); flags != want {
		t.Errorf("flags %b, want %b", flags, want)
	}
}

// TestRulesFailOnce: the owner is told of rules that fail once, until they change.
func TestRulesFailOnce(t *testing.T) {
	w := newWorld(t)
	const bad = `require "variables"; redirect "${x}";`
	w.scriptWith(staff, bad)
	w.to("a", staff)
	w.to("b", staff)
	if got := w.of(staff); got != "INBOX 3" {
		t.Errorf("folders hold %q, want two letters and one note", got)
	}
	w.scriptWith(staff, bad+" ")
	w.to("c", staff)
	if got := w.of(staff); got != "INBOX 5" {
		t.Errorf("folders hold %q, want one more note after a change", got)
	}
}

func TestForward(t *testing.T) {
	const a, b, c = "a@p.test", "b@p.test", "c@p.test" // each case has its own
	tests := []struct {
		name    string
		scripts map[string]string
		to      []string
		want    map[string]string
		queued  int
	}{
		{"to a colleague", map[string]string{a: `redirect "` + b + `";`}, []string{a}, map[string]string{a: "", b: "INBOX 1"}, 0},
		{"with a copy", map[string]string{a: `redirect :copy "` + b + `";`}, []string{a}, map[string]string{a: "INBOX 1", b: "INBOX 1"}, 0},
		{"outside by a route", map[string]string{a: `redirect "x@peer.test";`}, []string{a}, map[string]string{a: ""}, 1},
		{"outside without a route", map[string]string{a: `redirect "x@world.test";`}, []string{a}, map[string]string{a: "INBOX 2"}, 0},
		{"to nobody", map[string]string{a: `redirect "khong-co@p.test";`}, []string{a}, map[string]string{a: "INBOX 2"}, 0},
		{"to oneself", map[string]string{a: `redirect "` + a + `";`}, []string{a}, map[string]string{a: "INBOX 1"}, 0},
		{"to each other", map[string]string{a: `redirect "` + b + `";`, b: `redirect "` + a + `";`}, []string{a}, map[string]string{a: "INBOX 1", b: ""}, 0},
		{"to each other, both written to", map[string]string{a: `redirect "` + b + `";`, b: `redirect "` + a + `";`}, []string{a, b}, map[string]string{a: "", b: "INBOX 1"}, 0},
		{"in a circle of three", map[string]string{a: `redirect "` + b + `";`, b: `redirect "` + c + `";`, c: `redirect "` + a + `";`}, []string{a}, map[string]string{a: "INBOX 1", b: "", c: ""}, 0},
		{"to each other with copies", map[string]string{a: `redirect :copy "` + b + `";`, b: `redirect :copy "` + a + `";`}, []string{a}, map[string]string{a: "INBOX 1", b: "INBOX 1"}, 0},
		{"on and on", map[string]string{a: `redirect "` + b + `";`, b: `redirect "` + c + `";`}, []string{a}, map[string]string{a: "", b: "", c: "INBOX 1"}, 0},
		{"to one who has it already", map[string]string{a: `redirect "` + b + `";`}, []string{a, b}, map[string]string{a: "", b: "INBOX 1"}, 0},
		{"to one who throws it away", map[string]string{a: `redirect "` + b + `";`, b: `discard;`}, []string{a}, map[string]string{a: "", b: ""}, 0},
		{"to a full mailbox", map[string]string{a: `redirect "nhonho@p.test";`}, []string{a}, map[string]string{a: "INBOX 1", "nhonho@p.test": ""}, 0},
		{"their folder", map[string]string{a: `redirect "` + b + `";`, b: `fileinto :create "Từ bạn";`}, []string{a}, map[string]string{a: "", b: "Từ bạn 1"}, 0},
	}
	w := newWorld(t)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			own := func(text string) string {
				n := strconv.Itoa(i)
				return strings.NewReplacer(a, "a"+n+"@p.test", b, "b"+n+"@p.test", c, "c"+n+"@p.test").Replace(text)
			}
			for _, login := range []string{a, b, c} {
				w.account(own(login), 0)
			}
			for login, s := range tt.scripts {
				w.script(own(login), own(s))
			}
			before := w.count(`SELECT count(*) FROM queue_item`)
			var to []string
			for _, r := range tt.to {
				to = append(to, own(r))
			}
			serial++
			if _, err := w.send(clerk, clerk, letter(clerk, strings.Join(to, ">, <"), "a", fmt.Sprintf("r%d", serial), strings.Repeat("x", 3000)), to...); err != nil {
				t.Fatal(err)
			}
			for login, want := range tt.want {
				if got := w.of(own(login)); got != want {
					t.Errorf("%s has %q, want %q", login, got, want)
				}
			}
			if n := w.count(`SELECT count(*) FROM queue_item`) - before; n != tt.queued {
				t.Errorf("%d queued, want %d", n, tt.queued)
			}
		})
	}
}

// TestForwardTrace: what is sent on says by whom, and does not come round
// again; the journal has it.
func TestForwardTrace(t *testing.T) {
	w := newWorld(t)
	w.script(staff, `redirect "chuyenvien@xa1.p.test";`)
	w.to("a", staff)
	got := w.last(mailstore.Owner{Account: w.ids["chuyenvien@xa1.p.test"]}, "INBOX")
	if !strings.HasPrefix(got, "Return-Path: <"+clerk+">\r\nDelivered-To: "+staff+"\r\n") {
		t.Errorf("it begins with %.120q", got)
	}
	if n := w.count(`SELECT count(*) FROM journal WHERE type = 'mail.redirected'`); n != 1 {
		t.Errorf("%d entries in the journal, want 1", n)
	}
	// Another server has sent it back to us.
	serial++
	if _, err := w.send("", "a@world.test", letter("a@world.test", staff, "a", "back", "x", "Delivered-To: ChuyenVien@snv.p.test"), staff); err != nil {
		t.Fatal(err)
	}
	if got := w.of(staff); got != "INBOX 1" {
		t.Errorf("what came round is in %q, want it kept", got)
	}
	if got := w.of("chuyenvien@xa1.p.test"); got != "INBOX 1" {
		t.Errorf("what came round was sent on again: %q", got)
	}
}

// TestLongChain: a message is sent on a bounded number of times.
func TestLongChain(t *testing.T) {
	w := newWorld(t)
	name := func(i int) string { return fmt.Sprintf("nguoi%d@p.test", i) }
	for i := range 9 {
		w.account(name(i), 0)
	}
	for i := range 8 {
		w.script(name(i), `redirect "`+name(i+1)+`";`)
	}
	w.to("a", name(0))
	for i := range 9 {
		want := ""
		if i == 5 {
			want = "INBOX 1"
		}
		if got := w.of(name(i)); got != want {
			t.Errorf("%s has %q, want %q", name(i), got, want)
		}
	}
}

// TestDocumentStays: rules never take a document from the clerk's folder, and a
// person's rules touch that person's copy only.
func TestDocumentStays(t *testing.T) {
	w := newWorld(t)
	unit := rules.Owner{Unit: w.units["xa1"]}
	if err := w.rules.SetScript(t.Context(), journal.System("test"), unit,
		`require ["fileinto","imap4flags"]; addflag "\\Flagged"; fileinto "Lưu"; redirect "chuyenvien@xa1.p.test";`); err != nil {
		t.Fatal(err)
	}
	if err := w.db.Update(t.Context(), func(tx *sqldb.Tx) error { return w.mail.EnsureUnit(t.Context(), tx, unit.Unit) }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.mail.CreateMailbox(t.Context(), mailstore.Owner{Unit: unit.Unit}, "Lưu", mailstore.UseNone); err != nil {
		t.Fatal(err)
	}
	w.script("vanthu@xa1.p.test", `discard;`)
	w.script("chuyenvien@xa1.p.test", `if document :type "QĐ" { if document :state "arrived" { fileinto :create "Quyết định"; } }`)
	msg := letter(clerk, "xa1@p.test>, <vanthu@xa1.p.test", mime.QEncoding.Encode("utf-8", "[12/QĐ-UBND] V/v thử"), "doc1", "Kính gửi")
	if _, err := w.send(clerk, clerk, msg, "xa1@p.test", "vanthu@xa1.p.test"); err != nil {
		t.Fatal(err)
	}
	if got := w.in("xa1", mailstore.RoleIncoming); got != 1 {
		t.Errorf("%d documents wait for the clerk, want 1", got)
	}
	if n := w.count(`SELECT count(*) FROM dispatch`); n != 1 {
		t.Errorf("%d dispatches, want 1", n)
	}
	if got := w.boxes(mailstore.Owner{Unit: unit.Unit}); got != "Lưu 1, Văn bản đến/1 Chờ tiếp nhận 1" {
		t.Errorf("the unit has %q", got)
	}
	if got := w.of("vanthu@xa1.p.test"); got != "" {
		t.Errorf("the clerk's own copy is in %q, want it thrown away", got)
	}
	if got := w.of("chuyenvien@xa1.p.test"); got != "Quyết định 1" {
		t.Errorf("what the unit sends on is in %q", got)
	}
	// Ordinary mail of the unit is filed.
	w.to("thư thường", "xa1@p.test")
	if got := w.boxes(mailstore.Owner{Unit: unit.Unit}); got != "Lưu 2, Văn bản đến/1 Chờ tiếp nhận 1" {
		t.Errorf("the unit has %q after a letter", got)
	}
}

func (w *world) away(login string, a *rules.Absence) {
	w.t.Helper()
	if err := w.rules.SetAbsence(w.t.Context(), journal.System("test"), w.ids[login], a); err != nil {
		w.t.Fatal(err)
	}
}

// TestAbsence: RFC 3834 and RFC 5230, section 4.5 and 4.6.
func TestAbsence(t *testing.T) {
	to := func(addr string) string { return addr }
	tests := []struct {
		name, from, header string // reverse-path, To field
		fields             []string
		answered           bool
	}{
		{"a person", clerk, to(staff), nil, true},
		{"in Cc", clerk, "khac@p.test", []string{"Cc: <" + staff + ">"}, true},
		{"resent", clerk, "khac@p.test", []string{"Resent-To: <" + staff + ">"}, true},
		{"by an alias", clerk, "cv.noi.vu@p.test", nil, true},
		{"with a detail", clerk, "chuyenvien+x@snv.p.test", nil, true},
		{"said not to be automatic", clerk, to(staff), []string{"Auto-Submitted: no"}, true},
		{"null reverse-path", "", to(staff), nil, false},
		{"oneself", staff, to(staff), nil, false},
		{"not named", clerk, "cac-xa@p.test", nil, false},
		{"automatic", clerk, to(staff), []string{"Auto-Submitted: auto-generated"}, false},
		{"an answer", clerk, to(staff), []string{"Auto-Submitted: auto-replied; x=y"}, false},
		{"a list", clerk, to(staff), []string{"List-Id: <a.p.test>"}, false},
		{"a list by another field", clerk, to(staff), []string{"List-Unsubscribe: <mailto:a@b.test>"}, false},
		{"bulk", clerk, to(staff), []string{"Precedence: Bulk"}, false},
		{"junk", clerk, to(staff), []string{"Precedence: junk"}, false},
		{"suppressed", clerk, to(staff), []string{"X-Auto-Response-Suppress: DR, OOF"}, false},
		{"suppressing something else", clerk, to(staff), []string{"X-Auto-Response-Suppress: DR, RN"}, true},
		{"mailer-daemon", "mailer-daemon@peer.test", to(staff), nil, false},
		{"postmaster", "postmaster@peer.test", to(staff), nil, false},
		{"owner", "owner-x@peer.test", to(staff), nil, false},
		{"request", "x-request@peer.test", to(staff), nil, false},
		{"elsewhere with a route", "a@peer.test", to(staff), nil, true},
		{"elsewhere without a route", "a@world.test", to(staff), nil, false},
	}
	w := newWorld(t)
	if err := w.dir.AddAlias(t.Context(), journal.System("test"), directory.Alias{
		Address: address(t, "cv.noi.vu@p.test"), Target: address(t, staff),
	}); err != nil {
		t.Fatal(err)
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.away(staff, &rules.Absence{}) // forgets whom it has answered
			login := ""
			if tt.from == clerk || tt.from == staff {
				login = tt.from
			}
			header := tt.from
			if header == "" {
				header = "a@world.test"
			}
			if _, err := w.send(login, tt.from, letter(header, tt.header, "Hoi", fmt.Sprintf("v%d", i), "x", tt.fields...), staff); err != nil {
				t.Fatal(err)
			}
			if got := w.of(staff); got != fmt.Sprintf("INBOX %d", i+1) {
				t.Errorf("the letters themselves are in %q", got)
			}
			n := w.count(`SELECT count(*) FROM auto_reply`)
			if (n == 1) != tt.answered {
				t.Fatalf("answered %d times, want %v", n, tt.answered)
			}
			if tt.from != clerk || !tt.answered {
				return
			}
			got := w.last(mailstore.Owner{Account: w.ids[clerk]}, "INBOX")
			for _, want := range []string{
				"Return-Path: <>\r\n", "Auto-Submitted: auto-replied\r\n", fmt.Sprintf("In-Reply-To: <v%d@p.test>\r\n", i), fmt.Sprintf("References: <v%d@p.test>\r\n", i),
				"To: " + clerk + "\r\n", "X-Auto-Response-Suppress: All\r\n",
			} {
				if !strings.Contains(got, want) {
					t.Errorf("the answer lacks %q:\n%s", want, got)
				}
			}
		})
	}
}

// TestAbsenceTimes: once in so many days for each sender, between the dates
// only, and an answer is never answered.
func TestAbsenceTimes(t *testing.T) {
	w := newWorld(t)
	start := w.now
	w.away(staff, &rules.Absence{From: start.Add(24 * time.Hour), Until: start.Add(20 * 24 * time.Hour), Days: 3})
	w.away(clerk, &rules.Absence{}) // who is answered is away too
	answers := func() string { return w.of(clerk) }
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{0, ""},                     // not away yet
		{25 * time.Hour, "INBOX 1"}, // first
		{26 * time.Hour, "INBOX 1"}, // again, too soon
		{4 * 24 * time.Hour, "INBOX 1"},
		{4*24*time.Hour + 2*time.Hour, "INBOX 2"}, // three days later
		{21 * 24 * time.Hour, "INBOX 2"},          // back
	} {
		w.now = start.Add(step.after)
		w.to("a", staff)
		if got := answers(); got != step.want {
			t.Errorf("after %v the clerk has %q, want %q", step.after, got, step.want)
		}
	}
	w.now = start.Add(5 * 24 * time.Hour)
	w.away(staff, &rules.Absence{From: start, Days: 3, Text: "Lời khác"})
	w.to("a", staff)
	if got := answers(); got != "INBOX 3" {
		t.Errorf("after a new notice the clerk has %q, want it answered anew", got)
	}
	w.away(staff, nil)
	w.to("a", staff)
	if got := answers(); got != "INBOX 3" {
		t.Errorf("after the return the clerk has %q", got)
	}
}

func TestVacationOfScript(t *testing.T) {
	w := newWorld(t)
	w.script(staff, `vacation :days 2 :subject "Vắng" "Tôi đi công tác"; fileinto :create "Việc";`)
	w.to("a", staff)
	w.to("b", staff)
	if got := w.of(staff); got != "Việc 2" {
		t.Errorf("the letters are in %q", got)
	}
	if got := w.of(clerk); got != "INBOX 1" {
		t.Errorf("the sender has %q, want one answer", got)
	}
}

// TestClosedUnit: its mail goes to the successor, and the sender is told once a
// day (edoc.md, section 1.10).
func TestClosedUnit(t *testing.T) {
	w := newWorld(t)
	if err := w.dir.CloseUnit(t.Context(), journal.System("test"), w.units["xa1"], w.now, []directory.UnitID{w.units["xa2"]}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"INBOX 1", "INBOX 1", "INBOX 2"} {
		w.to("a", "xa1@p.test")
		if got := w.of(clerk); got != want {
			t.Errorf("after letter %d the sender has %q, want %q", i+1, got, want)
		}
		if i == 1 {
			w.now = w.now.Add(25 * time.Hour)
		}
	}
	if got := w.in("xa2", mailstore.RoleUnitInbox); got != 3 {
		t.Errorf("the successor has %d letters, want 3", got)
	}
	note := w.last(mailstore.Owner{Account: w.ids[clerk]}, "INBOX")
	_, body, _ := strings.Cut(note, "\r\n\r\n")
	text, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(body, "\r\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	if want := "Đơn vị xa1 <xa1@p.test> đã kết thúc hoạt động từ 24/11/2026, kế thừa bởi Đơn vị xa2 <xa2@p.test>."; !strings.Contains(string(text), want) {
		t.Errorf("the notice says\n%s", text)
	}
	if !strings.HasPrefix(note, "Return-Path: <>\r\n") {
		t.Errorf("the notice is\n%s", note)
	}
	w.to("a", "cac-xa@p.test") // a group names no unit
	if got := w.of(clerk); got != "INBOX 2" {
		t.Errorf("who wrote to a group has %q", got)
	}
	if _, err := w.send("", "", letter("a@world.test", "xa1@p.test", "bounce", "b1", "x"), "xa1@p.test"); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM auto_reply`); n != 1 {
		t.Errorf("%d senders have been told, want the clerk only", n)
	}
}

func TestVacatedAccount(t *testing.T) {
	w := newWorld(t)
	const next = "chuyenvien@xa1.p.test"
	if err := w.dir.Vacate(t.Context(), journal.System("test"), w.ids[staff], address(t, next)); err != nil {
		t.Fatal(err)
	}
	w.to("a", staff)
	w.to("b", staff, next)
	if got := w.of(next); got != "INBOX 2" {
		t.Errorf("the successor has %q, want each letter once", got)
	}
	if got := w.of(staff); got != "" {
		t.Errorf("the vacated account has %q", got)
	}
	if got := w.of(clerk); got != "INBOX 1" {
		t.Errorf("the sender has %q, want one notice", got)
	}
}

// TestAliasLoop is T039: aliases that lead to each other and lists in lists reach
// everybody once, or are refused at once.
func TestAliasLoop(t *testing.T) {
	w := newWorld(t)
	ctx, sys := t.Context(), journal.System("test")
	add := func(a, target string) {
		t.Helper()
		if err := w.dir.AddAlias(ctx, sys, directory.Alias{Address: address(t, a), Target: address(t, target)}); err != nil {
			t.Fatal(err)
		}
	}
	add("b@p.test", staff)
	add("a@p.test", "b@p.test")
	if err := w.dir.RemoveAlias(ctx, sys, address(t, "b@p.test")); err != nil {
		t.Fatal(err)
	}
	if err := w.dir.AddAlias(ctx, sys, directory.Alias{Address: address(t, "b@p.test"), Target: address(t, "a@p.test")}); err == nil {
		if _, err := w.dir.Snapshot().Resolve(address(t, "a@p.test")); err == nil {
			t.Error("a loop of aliases resolves")
		}
	}
	for i := range 3 {
		members := []string{staff, "cac-xa@p.test"}
		if i > 0 {
			members = append(members, fmt.Sprintf("nhom%d@p.test", i-1))
		}
		g := directory.Group{Address: address(t, fmt.Sprintf("nhom%d@p.test", i)), Name: "Nhóm"}
		for _, m := range members {
			g.Members = append(g.Members, address(t, m))
		}
		if _, err := w.dir.CreateGroup(ctx, sys, g); err != nil {
			t.Fatal(err)
		}
	}
	w.to("a", "nhom2@p.test", "nhom1@p.test", staff)
	if got := w.of(staff); got != "INBOX 1" {
		t.Errorf("a member by many ways has %q, want one copy", got)
	}
	if got := w.in("xa1", mailstore.RoleUnitInbox); got != 1 {
		t.Errorf("a unit by many ways has %d copies, want 1", got)
	}
}

// TestReceivedLimit is a part of T027: what has passed too many servers is
// refused, and automatic mail is not answered.
func TestReceivedLimit(t *testing.T) {
	w := newWorld(t)
	hops := slices.Repeat([]string{"Received: from a by b; Tue, 24 Nov 2026 09:00:00 +0700"}, 120)
	if _, err := w.send("", "a@world.test", letter("a@world.test", staff, "a", "h1", "x", hops...), staff); err == nil {
		t.Error("a message with 120 Received fields is taken")
	}
	if got := w.of(staff); got != "" {
		t.Errorf("the recipient has %q", got)
	}
}

// TestNoSecondBounce is T038: a message with the null reverse-path never makes
// another one, whatever fails.
func TestNoSecondBounce(t *testing.T) {
	w := newWorld(t)
	w.away(staff, &rules.Absence{})
	w.script(clerk, `redirect "khong-co@p.test"; vacation "a";`)
	before := w.count(`SELECT count(*) FROM message`)
	if _, err := w.send("", "", letter("a@world.test", staff+">, <nhonho@p.test", "a", "n1", strings.Repeat("x", 3000), "Return-Path: <victim@peer.test>"),
		staff, "nhonho@p.test"); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM message`); n != before+1 {
		t.Errorf("%d messages came of it, want the one", n-before)
	}
	if n := w.count(`SELECT count(*) FROM queue_item`); n != 0 {
		t.Errorf("%d items are queued", n)
	}
}
