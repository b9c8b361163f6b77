package testkit_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vanthu/config"
	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/edoc"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
	"vanthu/internal/testkit"
)

const organDomain = "truc.test"

// organ is the address of a unit of the second province on the axis.
func organ(n int) string { return fmt.Sprintf("h35.%d@%s", n, organDomain) }

// folders are two drop folders.
type folders struct{ in, out string }

func newFolders(t *testing.T) folders {
	return folders{t.TempDir(), t.TempDir()}
}

func (f folders) configure(organs ...config.Organ) func(*config.Config) {
	return func(c *config.Config) {
		c.EdXML = config.EdXML{Inbox: f.in, Outbox: f.out, Organs: organs, Poll: config.Duration(20 * time.Millisecond)}
	}
}

// files gives the names of the files in a folder, but for temporary ones.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// axisOrgans are the second province's units.
var axisOrgans = []config.Organ{
	{Codes: []string{"H35.1", "000.00.01.H35"}, Address: organ(1), Name: "Ủy ban nhân dân xa01"},
	{Codes: []string{"H35.2"}, Address: organ(2), Name: "Ủy ban nhân dân xa02"},
}

// Two servers whose drop folders are wired crosswise: a document goes over, its
// statuses come back, what goes wrong is told beside the file.
func TestDocumentOverTheAxis(t *testing.T) {
	f := newFolders(t)
	here := testkit.Start(t, testkit.Options{Change: f.configure(axisOrgans...)})
	there := here.StartStranger(t, folders{f.out, f.in}.configure(config.Organ{Codes: []string{"H18"}, Address: "h18@" + organDomain, Name: "UBND tỉnh"}))

	const code = "91/QĐ-UBND"
	pdf := []byte("%PDF-1.7\nquyết định liên tỉnh\n%%EOF\n")
	letter := testkit.Message(issuer, "["+code+"][KHẨN] V/v phối hợp qua trục", "axis-1", organ(1), organ(2), xa01)
	letter.Files = []mail.File{{Name: "quyết định.pdf", Type: "application/pdf", Content: pdf}}
	send(t, here, letter.Bytes(), organ(1), organ(2), xa01)

	state := func(n int) docstore.DispatchView {
		for _, d := range viewOf(t, here, code).Dispatches {
			if d.Unit == organ(n) {
				return d
			}
		}
		t.Fatalf("no dispatch to %s", organ(n))
		return docstore.DispatchView{}
	}
	eventually(t, "status 01 of both units comes back", func() bool { return state(1).Status == "01" && state(2).Status == "01" })
	done := files(t, filepath.Join(f.out, "done"))
	if n := len(slices.DeleteFunc(slices.Clone(done), func(s string) bool { return !strings.HasSuffix(s, "-vb.edxml") })); n != 1 {
		t.Errorf("%d packages were written for one document: %v", n, done)
	}
	v := viewOf(t, there, code)
	if len(v.Dispatches) != 2 || v.Issuer != "Ủy ban nhân dân tỉnh" || v.Subject != "V/v phối hợp qua trục" && v.Subject != "phối hợp qua trục" || len(v.Warnings) != 0 {
		t.Errorf("the document there is %+v", v)
	}
	if v.Files[0].Name != "quyết định.pdf" || v.Files[0].SHA256 != viewOf(t, here, code).Files[0].SHA256 {
		t.Errorf("files there are %+v", v.Files)
	}
	move(t, there, testkit.Waiting, testkit.Registered)
	eventually(t, "status 03 comes back", func() bool { return state(1).State == docstore.StateRegistered })
	move(t, there, testkit.Registered, testkit.Completed)
	eventually(t, "status 06 comes back", func() bool { return state(1).State == docstore.StateCompleted })
	if state(2).State != docstore.StateArrived {
		t.Errorf("the other unit's state is %s", state(2).State)
	}

	// The same mail again sends nothing again.
	send(t, here, letter.Bytes(), organ(1), organ(2), xa01)
	if n := here.Count(t, `SELECT count(*) FROM edxml_out WHERE kind = 'document'`); n != 1 {
		t.Errorf("%d packages after the same mail again", n)
	}
	// Ordinary mail has no way there, nor has an organisation that nobody knows.
	ordinary := testkit.Message(issuer, "Chào", "axis-2", organ(1))
	if _, err := here.Sender(issuer).Send(ordinary.Bytes(), organ(1)); err == nil || !strings.Contains(err.Error(), "official documents") {
		t.Errorf("ordinary mail to the axis: %v", err)
	}
	if _, err := here.Sender(issuer).Send(document("[92/QĐ-UBND] V/v lạ", "axis-3", "h99@"+organDomain), "h99@"+organDomain); err == nil || !strings.Contains(err.Error(), "document axis") {
		t.Errorf("an unknown organisation: %v", err)
	}
}

// drop puts a file into an inbox as a good adapter does.
func drop(t *testing.T, dir, name, text string) {
	t.Helper()
	tmp := filepath.Join(dir, ".tmp-"+name)
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// incoming is a package to units of ours by present and older codes.
func incoming(t *testing.T, number string, to ...string) *edoc.Package {
	t.Helper()
	c, err := edoc.ParseCode(number + "/SYT-VP")
	if err != nil {
		t.Fatal(err)
	}
	p := &edoc.Package{Header: edoc.MessageHeader{
		From:    edoc.Organization{OrganID: "H49.12", Name: "Sở Y tế Quảng Ninh", Email: "vanthu@syt.quangninh.test"},
		Subject: "V/v phối hợp tiêm chủng", Issued: time.Now().Add(-48 * time.Hour), Signer: edoc.Signer{Position: "Giám đốc"},
		Other: edoc.OtherInfo{Urgency: edoc.UrgencyUrgent}, ToPlaces: []string{"Như trên"},
	}, Files: []edoc.PackageFile{{Name: "vb.pdf", Data: []byte("%PDF-1.7 " + number)}, {Name: "phụ lục.txt", Type: "text/plain", Data: []byte("bảng")}}}
	p.Header.SetCode(c)
	p.Header.SetDocType(edoc.TypeForCode(c))
	p.Header.DocumentID = edoc.NewDocumentID(p.Header.From, p.Header.Issued, c)
	for _, o := range to {
		p.Header.To = append(p.Header.To, edoc.Organization{OrganID: o, Name: "Đơn vị " + o})
	}
	return p
}

func encode(t *testing.T, p interface{ Encode() ([]byte, error) }) string {
	t.Helper()
	text, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A package from the inbox is mail to the units that it names, once, whatever
// happens to the file.
func TestInboxPackage(t *testing.T) {
	f := newFolders(t)
	s := testkit.Start(t, testkit.Options{Change: f.configure()})
	p := incoming(t, "15", "H18.101", "H18.21", "H99.1")
	p.Trace = []edoc.TraceHeader{{OrganID: "H49.12", At: time.Now()}}
	text := encode(t, p)
	drop(t, f.in, "goi 15.edxml", text)
	eventually(t, "it is taken", func() bool { return len(files(t, filepath.Join(f.in, "done"))) == 1 })
	v := viewOf(t, s, "15/SYT-VP")
	if len(v.Dispatches) != 2 || v.Issuer != "Sở Y tế Quảng Ninh" || len(v.Files) != 3 || len(v.Warnings) != 0 {
		t.Errorf("the document is %+v", v)
	}
	// Its message has the files for any mail program, and the package as it came.
	c := s.IMAP(t, clerk1)
	uids, err := c.In(testkit.Shared("xa01", testkit.Waiting))
	if err != nil || len(uids) != 1 {
		t.Fatal(uids, err)
	}
	body, err := c.Body(uids[0])
	if err != nil {
		t.Fatal(err)
	}
	sc := mail.NewScanner(mail.Limits{})
	if _, err := sc.Write(body); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range sc.Finish().Attachments() {
		var b bytes.Buffer
		if _, err := b.ReadFrom(a.Part.Decoder(bytes.NewReader(body))); err != nil {
			t.Fatal(err)
		}
		got = append(got, a.Name)
		if a.Name == "goi 15.edxml" && b.String() != text {
			t.Error("the package was changed")
		}
		if a.Name == "vb.pdf" && b.String() != "%PDF-1.7 15" {
			t.Errorf("the file is %q", b.String())
		}
	}
	if !slices.Equal(got, []string{"vb.pdf", "phụ lục.txt", "goi 15.edxml"}) {
		t.Errorf("attachments are %q", got)
	}

	// The same once more, after a crash in the middle, and over another hop: no second document.
	if err := os.WriteFile(filepath.Join(f.in, "work", "goi 15.edxml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Trace = append(p.Trace, edoc.TraceHeader{OrganID: "H49", At: time.Now()})
	drop(t, f.in, "lai.edxml", encode(t, p))
	s.Restart(t)
	eventually(t, "both are taken", func() bool { return len(files(t, filepath.Join(f.in, "done"))) == 3 })
	// To one more unit: the same document, one more dispatch.
	p.Header.To = append(p.Header.To, edoc.Organization{OrganID: "H18.102", Name: "Xã 2"})
	drop(t, f.in, "them.edxml", encode(t, p))
	eventually(t, "it is taken", func() bool { return len(files(t, filepath.Join(f.in, "done"))) == 4 })
	if n := len(viewOf(t, s, "15/SYT-VP").Dispatches); n != 3 || s.Count(t, qDocuments) != 1 {
		t.Errorf("%d dispatches of %d documents", n, s.Count(t, qDocuments))
	}
	eventually(t, "each unit's 01 is written once", func() bool { return len(files(t, f.out)) == 3 })

	// What is wrong is told beside the file.
	for name, text := range map[string]string{
		"hong.edxml":  text[:len(text)/2],
		"khac.edxml":  encode(t, incoming(t, "16", "H99.1", "H99.2")),
		"thieu.edxml": strings.Replace(text, "<edXML:CodeNumber>15<", "<edXML:CodeNumber><", 1),
		"mat.edxml":   strings.Replace(encode(t, incoming(t, "17", "H18.101")), "V/v phối hợp", "[MẬT] phối hợp", 1),
		"la.edxml": encode(t, edoc.NewStatusMessage(edoc.StatusRegistered, edoc.Dispatch{
			Sender: edoc.Organization{OrganID: "H18"}, Recipient: edoc.Organization{OrganID: "H49.12", Name: "x"}, Document: edoc.DocumentRef{Code: "1/QĐ-UBND"},
		}, time.Now())),
	} {
		drop(t, f.in, name, text)
	}
	eventually(t, "all are refused", func() bool { return len(files(t, filepath.Join(f.in, "error"))) == 10 })
	for name, want := range map[string]string{
		"hong": "sai cấu trúc", "khac": "H99.1, H99.2", "thieu": "N.MessageHeader/Code/CodeNumber", "mat": "độ mật", "la": "chưa từng được gửi",
	} {
		why, err := os.ReadFile(filepath.Join(f.in, "error", name+".edxml.txt"))
		if err != nil || !strings.Contains(string(why), want) || !strings.Contains(string(why), "-- English --") {
			t.Errorf("%s: %q, %v", name, why, err)
		}
	}
	if n := s.Count(t, qDocuments); n != 1 {
		t.Errorf("%d documents", n)
	}
}

// TestOracle11 is acceptance oracle 11: statuses 06, 03, 05 in this order leave
// the dispatch completed, with three events; a file twice counts once.
func TestOracle11StatusesOutOfOrder(t *testing.T) {
	f := newFolders(t)
	s := testkit.Start(t, testkit.Options{Change: f.configure(axisOrgans...)})
	send(t, s, document("[93/QĐ-UBND] V/v thử thứ tự", "axis-9", organ(1)), organ(1))
	eventually(t, "the package is written", func() bool { return len(files(t, f.out)) == 1 })
	text, err := os.ReadFile(filepath.Join(f.out, files(t, f.out)[0]))
	if err != nil {
		t.Fatal(err)
	}
	p, err := edoc.ParseEdXML(bytes.NewReader(text), edoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if problems := p.Validate(time.Now()); len(problems) > 0 || p.Header.From.OrganID != "H18" || p.Header.To[0].OrganID != "H35.1" || len(p.Files) != 1 {
		t.Errorf("what was written: %v %+v", problems, p.Header)
	}
	report := func(code edoc.Status, organ string) string {
		return encode(t, edoc.NewStatusMessage(code, edoc.Dispatch{
			Sender: p.Header.From, Recipient: edoc.Organization{OrganID: organ, Name: "UBND xa01"},
			Document: edoc.DocumentRef{Code: "93/QĐ-UBND", Issued: p.Header.Issued, DocumentID: p.Header.DocumentID},
		}, time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)))
	}
	for i, text := range []string{
		report(edoc.StatusCompleted, "H35.1"), report(edoc.StatusRegistered, "000.00.01.H35"), report(edoc.StatusProcessing, "h35.1"), report(edoc.StatusCompleted, "H35.1"),
	} {
		drop(t, f.in, fmt.Sprintf("tt%d.edxml", i), text)
		eventually(t, "it is taken", func() bool { return len(files(t, filepath.Join(f.in, "done"))) == i+1 })
	}
	d := viewOf(t, s, "93/QĐ-UBND").Dispatches[0]
	var codes []edoc.Status
	for _, e := range d.Events {
		codes = append(codes, e.Status)
	}
	if d.State != docstore.StateCompleted || d.Status != "06" || !slices.Equal(codes, []edoc.Status{"sent", "06", "03", "05"}) {
		t.Errorf("state %s, status %s, events %v", d.State, d.Status, codes)
	}
}

// A file that a crash left under its temporary name gets its name when the
// database says that it was written, and is written anew when it does not.
func TestOutboxAfterCrash(t *testing.T) {
	f := newFolders(t)
	s := testkit.Start(t, testkit.Options{Change: f.configure(axisOrgans...)})
	send(t, s, document("[94/QĐ-UBND] V/v một", "axis-11", organ(1)), organ(1))
	eventually(t, "the package is written", func() bool { return len(files(t, f.out)) == 1 })
	name := files(t, f.out)[0]
	path, tmp := filepath.Join(f.out, name), filepath.Join(f.out, "."+name+".tmp")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// As after a crash between the commit and the renaming.
	s.Stop(t)
	if err := os.Rename(path, tmp); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	eventually(t, "it gets its name", func() bool { got, err := os.ReadFile(path); return err == nil && bytes.Equal(got, whole) })
	// As after a crash before the commit, in the middle of the file; the other
	// side takes files away meanwhile.
	s.Stop(t)
	if err := os.Rename(path, tmp); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(tmp, 100); err != nil {
		t.Fatal(err)
	}
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: s.Config.DataDir})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(t.Context(), `UPDATE edxml_out SET written_us = 0`); err != nil {
			return err
		}
		if _, err := tx.Exec(t.Context(), `DELETE FROM status_event`); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `UPDATE dispatch SET state = 'queued'`)
		return err
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	eventually(t, "it is written whole", func() bool { got, err := os.ReadFile(path); return err == nil && bytes.Equal(got, whole) })
	if _, err := os.Stat(tmp); !os.IsNotExist(err) {
		t.Errorf("the temporary file: %v", err)
	}
}

// TestOracle13RoundTrip is acceptance oracle 13: a package as the SDK writes it,
// with every header field that is known, becomes a document and leaves as a
// package that means the same; the zipped attachments are unwrapped.
func TestOracle13RoundTrip(t *testing.T) {
	f := newFolders(t)
	s := testkit.Start(t, testkit.Options{Change: f.configure()})
	day := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, hanoi) }
	p := incoming(t, "06a", "H18.101", "000.00.99.H18")
	p.Files[0] = edoc.PackageFile{ContentID: "cid:1", Name: "06a.pdf", Description: "Văn bản chính", Data: []byte("%PDF-1.7 toàn văn")}
	p.Files = p.Files[:1]
	h := &p.Header
	h.From = edoc.Organization{
		OrganID: "000.00.12.H49", InCharge: "UBND tỉnh Quảng Ninh", Name: "Sở Y tế Quảng Ninh", Address: "Hạ Long", Email: "vt@syt.test",
		Phone: "0203", Fax: "0204", Website: "https://syt.test",
	}
	h.DocumentID = "000.00.12.H49-2025-06a/SYT-VP" // as another vendor writes it
	h.To[0] = edoc.Organization{OrganID: "H18.101", InCharge: "UBND huyện cũ", Name: "Xã Một (tên cũ)", Address: "Điện Biên", Email: "x@x.test"}
	h.Place, h.Issued, h.Due = "Quảng Ninh", day(2025, 3, 4), day(2025, 4, 5).Add(24*time.Hour-time.Second)
	h.Class, h.TypeDetail, h.TypeName, h.Subject, h.Content = edoc.ClassAdministrative, 18, "Công văn", `V/v "tiêm chủng" & <khác>`, "Nội dung chính"
	h.Signer = edoc.Signer{Competence: "KT. GIÁM ĐỐC", Position: "Phó Giám đốc", FullName: "(họ tên)"}
	h.ToPlaces, h.Steering, h.TaskCodes, h.Application = []string{"Như trên", "Lưu: VT"}, 2, []string{"NV-1", "NV-2"}, "QLVB"
	h.Other = edoc.OtherInfo{
		Urgency: edoc.UrgencyFlash, Sphere: "Nội bộ", TyperNotation: "abc", Copies: 2, Pages: 3, Direction: true,
		ReplyFors: []string{"1/A-B"}, ReferenceCodes: []string{"2/A-B"}, Appendixes: []string{"Phụ lục 1"},
	}
	h.ResponseFor = []edoc.DocumentRef{{OrganID: "H18", Code: "45/UBND-KGVX", Issued: day(2025, 2, 1), DocumentID: "H18,2025/02/01,45/UBND-KGVX"}}
	p.Trace = []edoc.TraceHeader{{OrganID: "H49.12", At: time.Date(2025, 3, 4, 9, 14, 5, 0, hanoi)}}
	p.Business = edoc.Business{Reason: "Văn bản điện tử mới", Paper: true, Staff: edoc.StaffInfo{
		Department: "Văn phòng", DepartmentID: "1", Staff: "Văn thư", StaffID: "2", Email: "v@x.test", Mobile: "09",
	}}
	// The SDK zips what it attaches.
	zipped := *p
	zipped.Files = []edoc.PackageFile{{
		ContentID: "cid:1", Name: "06a.pdf", Description: "Văn bản chính", Type: "application/zip", Data: zipOf(t, map[string]string{"0f8c.edxml": "%PDF-1.7 toàn văn"}),
	}}
	drop(t, f.in, "sdk.edxml", encode(t, &zipped))
	eventually(t, "it is taken", func() bool {
		return len(files(t, filepath.Join(f.in, "done")))+len(files(t, filepath.Join(f.in, "error"))) > 0
	})
	v := viewOf(t, s, "06a/SYT-VP")
	if v.Files[0].Name != "06a.pdf" || v.Files[0].Size != int64(len(p.Files[0].Data)) {
		t.Errorf("files are %+v", v.Files)
	}
	var list []control.FileContent
	if err := s.Rooms.Control().Call(t.Context(), control.CallDocumentExport, control.DocumentExport{
		DocumentNamed: control.DocumentNamed{Code: "06a/SYT-VP"}, Format: control.FormatEdXML,
	}, &list, nil); err != nil {
		t.Fatal(err)
	}
	got, err := edoc.ParseEdXML(bytes.NewReader(list[0].Content), edoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := edoc.ParseEdXML(strings.NewReader(encode(t, p)), edoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// Every exported field of the header was put to the test.
	for name, value := range map[string]reflect.Value{"header": reflect.ValueOf(*h), "other": reflect.ValueOf(h.Other), "from": reflect.ValueOf(h.From)} {
		for i := range value.NumField() {
			if value.Field(i).IsZero() {
				t.Errorf("%s: the test leaves %s empty", name, value.Type().Field(i).Name)
			}
		}
	}
}

// What a sender wants back, or replaces, is asked of the other side over the
// axis, and the answer comes back.
func TestRecallAndReplaceOverTheAxis(t *testing.T) {
	f := newFolders(t)
	here := testkit.Start(t, testkit.Options{Change: f.configure(axisOrgans...)})
	there := here.StartStranger(t, folders{f.out, f.in}.configure(config.Organ{Codes: []string{"H18"}, Address: "h18@" + organDomain, Name: "UBND tỉnh"}))
	state := func(code string) docstore.State { return viewOf(t, here, code).Dispatches[0].State }
	recall := func(code string) {
		if err := here.Rooms.Control().Call(t.Context(), control.CallDocumentRecall, control.DocumentRecall{
			DocumentNamed: control.DocumentNamed{Code: code}, As: issuer, Reason: "gửi nhầm bản chưa hoàn chỉnh",
		}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	// No clerk has acted on it: it is given back at once.
	send(t, here, document("[81/QĐ-UBND] V/v gửi nhầm", "ax-81", organ(1)), organ(1))
	eventually(t, "it arrives", func() bool { return state("81/QĐ-UBND") == docstore.StateArrived })
	recall("81/QĐ-UBND")
	eventually(t, "it is given back", func() bool { return state("81/QĐ-UBND") == docstore.StateRecalled })
	if got := viewOf(t, there, "81/QĐ-UBND").Dispatches[0].State; got != docstore.StateRecalled {
		t.Errorf("there it is %s", got)
	}
	// Registered: the clerk there says no.
	send(t, here, document("[82/QĐ-UBND] V/v gửi nhầm nữa", "ax-82", organ(1)), organ(1))
	eventually(t, "it arrives", func() bool { return state("82/QĐ-UBND") == docstore.StateArrived })
	move(t, there, testkit.Waiting, testkit.Registered)
	eventually(t, "it is registered", func() bool { return state("82/QĐ-UBND") == docstore.StateRegistered })
	recall("82/QĐ-UBND")
	if d := viewOf(t, here, "82/QĐ-UBND").Dispatches[0]; d.Status != "03" && d.Status != "13" {
		t.Errorf("after the request: %+v", d)
	}
	asked := func() bool { return there.Count(t, `SELECT count(*) FROM dispatch WHERE overlay <> ''`) == 1 }
	eventually(t, "the clerk there is asked", asked)
	if err := there.Rooms.Control().Call(t.Context(), control.CallDocumentAct, control.DocumentAct{
		DocumentNamed: control.DocumentNamed{Code: "82/QĐ-UBND"}, As: testkit.NeighbourLogin("xa01"), Act: docstore.EventDecline, Note: "đã triển khai thực hiện",
	}, nil, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the answer comes back", func() bool {
		e := viewOf(t, here, "82/QĐ-UBND").Dispatches[0].Events
		return e[len(e)-1].Status == "16"
	})
	if got := state("82/QĐ-UBND"); got != docstore.StateRegistered {
		t.Errorf("after the refusal it is %s", got)
	}
	// A new document in its place: type 3 with the old one's DocumentId; accepted there.
	send(t, here, document("[83/QĐ-UBND][THAY THẾ 82/QĐ-UBND] V/v bản đúng", "ax-83", organ(1)), organ(1))
	eventually(t, "the clerk there is asked", asked)
	if err := there.Rooms.Control().Call(t.Context(), control.CallDocumentAct, control.DocumentAct{
		DocumentNamed: control.DocumentNamed{Code: "82/QĐ-UBND"}, As: testkit.NeighbourLogin("xa01"), Act: docstore.EventAccept,
	}, nil, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old one is replaced", func() bool { return state("82/QĐ-UBND") == docstore.StateReplaced })
	eventually(t, "the new one is where the old one was", func() bool { return state("83/QĐ-UBND") == docstore.StateRegistered })
	// Type 1 by a package, as other systems ask.
	p := incoming(t, "19", "H18.101")
	drop(t, f.in, "x19.edxml", encode(t, p))
	eventually(t, "it is taken", func() bool { return here.Count(t, `SELECT count(*) FROM document WHERE code = '19/SYT-VP'`) == 1 })
	p.Business = edoc.Business{Op: edoc.OpRecall, Reason: "nhầm"}
	p.Files = nil
	drop(t, f.in, "x19-thu-hoi.edxml", encode(t, p))
	eventually(t, "it is given back", func() bool { return state("19/SYT-VP") == docstore.StateRecalled })
}
