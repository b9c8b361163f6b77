package search_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/blob"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/search"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

// world is a small province that can be searched.
type world struct {
	t      testing.TB
	db     *sqldb.DB
	dir    *directory.Directory
	boxes  *mailstore.Store
	docs   *docstore.Store
	engine *search.Engine
	now    time.Time
	units  map[string]directory.UnitID
	ids    map[string]directory.AccountID
	sent   int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		t: t, db: sqldbtest.Open(t), now: time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC),
		units: map[string]directory.UnitID{}, ids: map[string]directory.AccountID{},
	}
	ctx, clock, sys := t.Context(), func() time.Time { return w.now }, journal.System("test")
	var err error
	if w.dir, err = directory.Open(ctx, w.db, directory.Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	if err := w.dir.AddDomain(ctx, sys, "p.test"); err != nil {
		t.Fatal(err)
	}
	for i, u := range []struct{ short, name string }{{"soyte", "Sở Y tế"}, {"sotc", "Sở Tài chính"}, {"xa01", "UBND xã Mường Phăng"}, {"xa02", "UBND xã Nà Tấu"}} {
		made, err := w.dir.CreateUnit(ctx, sys, directory.Unit{
			Code: fmt.Sprintf("H18.%d", i+1), Name: u.name, ShortName: strings.ToUpper(u.short), Kind: "xã",
			Address: mail.Address{Local: u.short, Domain: "p.test"}, From: w.now.Add(-time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		w.units[u.short] = made.ID
		w.account("vanthu."+u.short, directory.Assignment{Unit: made.ID, Role: directory.RoleClerk})
	}
	w.account("kiemtra", directory.Assignment{Role: directory.RoleAuditor})
	w.account("quantri", directory.Assignment{Role: directory.RoleAdmin})
	w.account("kiemtra.xa01", directory.Assignment{Unit: w.units["xa01"], Role: directory.RoleAuditor})
	w.account("khongviec")
	blobs, err := blob.Open(blob.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if w.boxes, err = mailstore.Open(ctx, w.db, blobs, mailstore.Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	w.docs = docstore.New(docstore.Options{Now: clock})
	if w.engine, err = search.New(w.db, w.dir, w.boxes, search.Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) account(name string, roles ...directory.Assignment) {
	w.t.Helper()
	a, _, err := w.dir.CreateAccount(w.t.Context(), journal.System("test"), directory.Account{
		Login: mail.Address{Local: name, Domain: "p.test"}, Name: name, Roles: roles, State: directory.Active,
	}, "")
	if err != nil {
		w.t.Fatal(err)
	}
	w.ids[name] = a.ID
}

// letter is a document to be sent.
type letter struct {
	code, abstract, issuer, signer, position, file, body string
	issued                                               string // 2026-01-31
	due                                                  string
	urgency                                              edoc.Urgency
	to                                                   []string
	files                                                string // text of its files, as kept
}

func (w *world) send(l letter) docstore.Result {
	w.t.Helper()
	ctx := w.t.Context()
	w.sent++
	w.now = w.now.Add(time.Minute)
	rec := edoc.Recognition{Level: edoc.L1, Abstract: l.abstract, Urgency: l.urgency, Signer: edoc.Signer{FullName: l.signer, Position: l.position}}
	if l.code != "" {
		c, err := edoc.ParseCode(l.code)
		if err != nil {
			w.t.Fatal(err)
		}
		rec.Code, rec.Type = &c, edoc.TypeForCode(c)
	}
	vietnam := time.FixedZone("+07", 7*60*60)
	day := func(s string) (at time.Time) {
		if s == "" {
			return at
		}
		at, err := time.ParseInLocation(time.DateOnly, s, vietnam)
		if err != nil {
			w.t.Fatal(err)
		}
		return at
	}
	rec.Issued, rec.Due = day(l.issued), day(l.due)
	unit, _ := w.dir.Snapshot().Unit(w.units[l.issuer])
	name := unit.Name
	if unit.ID == 0 {
		name = l.issuer
	}
	b := mail.Builder{
		From: mail.Mailbox{Addr: mail.Address{Local: "v", Domain: "p.test"}}, To: []mail.Mailbox{{Addr: mail.Address{Local: "x", Domain: "p.test"}}},
		Subject: "s", Date: w.now, MessageID: fmt.Sprintf("<%d@p.test>", w.sent), Text: l.body,
	}
	body := w.boxes.NewBody()
	if _, err := body.Write(b.Bytes()); err != nil {
		w.t.Fatal(err)
	}
	fin, err := body.Finish()
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		if err := fin.Release(); err != nil {
			w.t.Fatal(err)
		}
	}()
	var res docstore.Result
	packed := docstore.PackText(l.files)
	err = w.db.Update(ctx, func(tx *sqldb.Tx) error {
		msg, err := w.boxes.Store(ctx, tx, fin, []byte("Return-Path: <>\r\n"), w.now)
		if err != nil {
			return err
		}
		in := docstore.In{
			Recognition: rec, Issuer: unit.ID, IssuerName: name, MailID: docstore.MailID(b.MessageID), Message: docstore.MessageRef(msg),
			BodySHA256: fin.SHA256, QueueID: fmt.Sprint(w.sent), Actor: journal.System("test"), Source: docstore.SourceSMTP,
		}
		if l.file != "" {
			in.Files = []docstore.File{{Role: docstore.FileMain, Name: l.file, MediaType: "application/pdf"}}
		}
		for _, to := range l.to {
			u, _ := w.dir.Snapshot().Unit(w.units[to])
			in.Recipients = append(in.Recipients, docstore.Recipient{Unit: u.ID, Address: u.Address})
		}
		if res, err = w.docs.Intake(ctx, tx, in); err != nil {
			return err
		}
		return w.docs.KeepText(ctx, tx, res.Document.ID, packed)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

func (w *world) do(id docstore.DispatchID, e docstore.Event) {
	w.t.Helper()
	ctx := w.t.Context()
	err := w.db.Update(ctx, func(tx *sqldb.Tx) error {
		_, _, err := w.docs.Transition(ctx, tx, journal.System("test"), id, docstore.Act{Event: e, Note: "gửi nhầm nơi nhận", Source: docstore.SourceCLI})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) search(req search.Request) search.Result {
	w.t.Helper()
	res, err := w.engine.Search(w.t.Context(), req)
	if err != nil {
		w.t.Fatalf("Search(%q): %v", req.Query, err)
	}
	return res
}

func codes(res search.Result) string {
	var out []string
	for _, h := range res.Hits {
		out = append(out, h.Code)
	}
	return strings.Join(out, " ")
}

// sample is a province with five documents.
func sample(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.send(letter{
		code: "15/KH-SYT", abstract: "Kế hoạch phòng chống sốt xuất huyết", issuer: "soyte", signer: "Lò Văn An", position: "Giám đốc",
		issued: "2026-01-15", to: []string{"xa01", "xa02"}, body: "Các xã báo cáo trước ngày 30.", file: "ke-hoach.pdf",
		files: "KẾ HOẠCH\nThực hiện Luật Ngân sách, đẩy nhanh tiến độ giải ngân\nvốn đầu tư công năm 2026.",
	})
	a := w.send(letter{
		code: "123/QĐ-STC", abstract: "Giao vốn đầu tư công năm 2026", issuer: "sotc", signer: "Quàng Thị Bình", position: "Phó Giám đốc",
		issued: "2026-03-02", due: "2026-12-01", urgency: edoc.UrgencyFlash, to: []string{"xa01"}, body: "Đề nghị các đơn vị giải\r\nngân đúng hạn, hoả tốc.",
	})
	w.send(letter{code: "05/BC-STC", abstract: "Báo cáo giải ngân vốn", issuer: "sotc", issued: "2026-06-30", to: []string{"soyte"}, body: "Báo cáo kèm theo."})
	w.send(letter{code: "124/QĐ-STC", abstract: "Giao dự toán", issuer: "sotc", to: []string{"xa02", "xa01"}, body: "Ma tuý, ma túy."})
	w.send(letter{code: "07/CV-BNV", abstract: "Tổ chức tập huấn", issuer: "Bộ Nội vụ", to: []string{"soyte"}, body: "Giải thưởng; ngân hàng."})
	w.do(a.Dispatches[0].ID, docstore.EventRegister)
	if _, err := w.boxes.Index(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestSearch(t *testing.T) {
	w := sample(t)
	tests := []struct{ name, query, want string }{
		{"word of the abstract", "giao", "124/QĐ-STC 123/QĐ-STC"},
		{"columns before content", "giai ngan", "05/BC-STC 07/CV-BNV 123/QĐ-STC"},
		{"phrase over a line end", `"giải ngân"`, "05/BC-STC 123/QĐ-STC"},
		{"content alone", `noidung:"giai ngan"`, "123/QĐ-STC"},
		{"decomposed", "đầu tư công", "123/QĐ-STC"},
		{"đ as d", "dau tu cong", "123/QĐ-STC"},
		{"tone on the other letter", `"hỏa tốc"`, "123/QĐ-STC"},
		{"the same the other way", "tuý", "124/QĐ-STC"},
		{"exact diacritics first", `"giao"`, "124/QĐ-STC 123/QĐ-STC"},
		{"the very document first", "123/qd-stc", "123/QĐ-STC"},
		{"leading zero", "5/BC-STC", "05/BC-STC"},
		{"symbol", "kyhieu:QĐ-STC", "124/QĐ-STC 123/QĐ-STC"},
		{"symbol in part", "kyhieu:BNV", "07/CV-BNV"},
		{"number", "so:123", "123/QĐ-STC"},
		{"numbers", "so:5..15", "07/CV-BNV 05/BC-STC 15/KH-SYT"},
		{"issuer by unit", "cq:soyte", "15/KH-SYT"},
		{"issuer by name", `cq:"Sở Tài chính"`, "124/QĐ-STC 05/BC-STC 123/QĐ-STC"},
		{"issuer outside", `cq:"nội vụ"`, "07/CV-BNV"},
		{"type", `loai:"quyet dinh"`, "124/QĐ-STC 123/QĐ-STC"},
		{"signer", `nguoiky:"quang thi"`, "123/QĐ-STC"},
		{"position", `nguoiky:"giám đốc"`, "123/QĐ-STC 15/KH-SYT"},
		{"issued", "ngay:2026-01..2026-03", "123/QĐ-STC 15/KH-SYT"},
		{"not known is in no period", "ngay:>=2000", "05/BC-STC 123/QĐ-STC 15/KH-SYT"},
		{"due", "hạn:<2026-12-02", "123/QĐ-STC"},
		{"urgency", "khẩn:>=1", "123/QĐ-STC"},
		{"recipient", "den:xa02", "124/QĐ-STC 15/KH-SYT"},
		{"state", "trangthai:registered", "123/QĐ-STC"},
		{"state of one recipient", "den:xa02 trangthai:registered", ""},
		{"arrival number", "soden:1", "123/QĐ-STC"},
		{"no such recipient state", "-trangthai:arrived", "123/QĐ-STC"},
		{"file", "file:ke-hoach", "15/KH-SYT"},
		{"file prefix", "file:ke-ho*", "15/KH-SYT"},
		{"prefix", "hu*", "07/CV-BNV 15/KH-SYT"},
		{"whole words", "hu", ""},
		{"without", "cq:sotc -giao", "05/BC-STC"},
		{"without in the content", "cq:sotc -hoa", "124/QĐ-STC 05/BC-STC"},
		{"or", "cq:sotc (huyết OR toán)", "124/QĐ-STC"},
		{"or with a condition", "so:7 OR huyet", "15/KH-SYT 07/CV-BNV"},
		{"words of columns and content", "giao hoa", "123/QĐ-STC"},
		{"nothing", "khongcogi", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := w.search(search.Request{Query: tt.query})
			if got := codes(res); got != tt.want || !res.Complete {
				t.Errorf("Search(%q) = %q (complete: %v), want %q", tt.query, got, res.Complete, tt.want)
			}
		})
	}
	w.send(letter{code: "9/CV-SYT", abstract: "Việc khác", issuer: "soyte", to: []string{"xa01"}, body: "mới tinh"})
	if got := codes(w.search(search.Request{Query: `"mới tinh"`})); got != "09/CV-SYT" {
		t.Errorf("what is not indexed yet is found as %q", got)
	}
}

func TestSearchWrong(t *testing.T) {
	w := sample(t)
	for _, req := range []search.Request{
		{Query: ""}, {Query: "den:khongco"}, {Query: "a", Sort: "x"}, {Query: "a", Limit: -1}, {Query: "a", Offset: 1 << 30},
	} {
		if _, err := w.engine.Search(t.Context(), req); err == nil || fault.KindOf(err) != fault.Invalid {
			t.Errorf("Search(%+v) = %v, want an error of kind Invalid", req, err)
		}
	}
}

func TestSortAndPages(t *testing.T) {
	w := sample(t)
	for _, tt := range []struct {
		sort docstore.Sort
		want string
	}{
		{docstore.SortDate, "05/BC-STC 123/QĐ-STC 15/KH-SYT 07/CV-BNV 124/QĐ-STC"},
		{docstore.SortNumber, "124/QĐ-STC 123/QĐ-STC 15/KH-SYT 07/CV-BNV 05/BC-STC"},
		{docstore.SortDue, "123/QĐ-STC 07/CV-BNV 124/QĐ-STC 05/BC-STC 15/KH-SYT"},
	} {
		for _, q := range []string{"ngay:>=2000 OR -ngay:>=2000", "s OR -s"} { // all: by conditions alone, by words too
			if got := codes(w.search(search.Request{Query: q, Sort: tt.sort})); got != tt.want {
				t.Errorf("%s of %q: %q, want %q", tt.sort, q, got, tt.want)
			}
			var pages []string
			for offset := 0; ; offset += 2 {
				res := w.search(search.Request{Query: q, Sort: tt.sort, Limit: 2, Offset: offset})
				pages = append(pages, codes(res))
				if !res.More {
					break
				}
			}
			if got := strings.Join(pages, " "); got != tt.want {
				t.Errorf("%s of %q in pages: %q, want %q", tt.sort, q, got, tt.want)
			}
		}
	}
}

func TestRights(t *testing.T) {
	w := sample(t)
	tests := []struct{ as, query, want string }{
		{"vanthu.xa02", "cq:sotc", "124/QĐ-STC"},
		{"vanthu.sotc", "cq:sotc", "124/QĐ-STC 05/BC-STC 123/QĐ-STC"},
		{"vanthu.soyte", "giai ngan", "05/BC-STC 07/CV-BNV"},
		{"khongviec", "giai ngan", ""},
		{"kiemtra", "giai ngan", "05/BC-STC"}, // not by content
		{"kiemtra", `noidung:"giai ngan"`, ""},
		{"kiemtra", "cq:sotc -hoa", "124/QĐ-STC 05/BC-STC 123/QĐ-STC"}, // nor by what the content has not
		{"quantri", "giao", "124/QĐ-STC 123/QĐ-STC"},
		{"kiemtra.xa01", "giao", "124/QĐ-STC 123/QĐ-STC"},
		{"kiemtra.xa01", "cq:bnv OR cq:sotc", "124/QĐ-STC 123/QĐ-STC"},
		{"vanthu.xa02", "trangthai:registered", ""}, // how it fares with others is for the issuer
		{"vanthu.sotc", "trangthai:registered", "123/QĐ-STC"},
		{"vanthu.xa01", "den:xa01 trangthai:registered", "123/QĐ-STC"},
		{"vanthu.xa01", "den:xa02", ""},
	}
	for _, tt := range tests {
		t.Run(tt.as+" "+tt.query, func(t *testing.T) {
			res := w.search(search.Request{Query: tt.query, As: w.ids[tt.as]})
			if got := codes(res); got != tt.want {
				t.Errorf("%s finds %q by %q, want %q", tt.as, got, tt.query, tt.want)
			}
			for _, h := range res.Hits {
				if s := h.Snippet.Source; strings.HasPrefix(tt.as, "kiemtra") && (s == "file" || s == "message") {
					t.Errorf("an auditor is shown content: %q", h.Snippet.Text)
				}
				for _, d := range h.Sent {
					if tt.as == "vanthu.xa02" && d.To != w.units["xa02"] {
						t.Errorf("%s sees the dispatch to %s", tt.as, d.Address)
					}
				}
			}
		})
	}
	n := 0
	err := w.db.View(t.Context(), func(r sqldb.Reader) error {
		return r.QueryRow(t.Context(), `SELECT count(*) FROM journal WHERE type = 'doc.searched'`).Scan(&n)
	})
	if err != nil || n != 6 {
		t.Errorf("%d searches are in the journal (%v), want the 6 of auditors and administrators", n, err)
	}
	if _, err := w.engine.Search(t.Context(), search.Request{Query: "a", As: 12345}); err == nil || fault.KindOf(err) != fault.Denied {
		t.Errorf("Search as nobody = %v, want Denied", err)
	}
}

// TestRecalled: the content of what was taken back is found no more, and of a
// document from outside not even kept.
func TestRecalled(t *testing.T) {
	w := newWorld(t)
	for i, issuer := range []string{"sotc", "Bộ Nội vụ"} {
		l := letter{abstract: "Giao vốn", issuer: issuer, to: []string{"xa01"}, body: "nội dung riêng", files: "trong tệp riêng"}
		l.code = fmt.Sprintf("%d/CV-A", i+1)
		made := w.send(l)
		clerk := search.Request{As: w.ids["vanthu.xa01"], Query: "riêng so:" + fmt.Sprint(i+1)}
		if got := codes(w.search(clerk)); got != made.Document.Code {
			t.Errorf("%s is not found by its content but %q", made.Document.Code, got)
		}
		for _, e := range []docstore.Event{docstore.EventRecall, docstore.EventAccept} {
			w.do(made.Dispatches[0].ID, e)
		}
		if got := codes(w.search(clerk)); got != "" {
			t.Errorf("what was recalled is found by its content: %q", got)
		}
		clerk.Query = "so:" + fmt.Sprint(i+1)
		if got := codes(w.search(clerk)); got != made.Document.Code {
			t.Errorf("what was recalled is not found by its number: %q", got)
		}
		err := w.db.View(t.Context(), func(r sqldb.Reader) error {
			text, err := docstore.KeptText(t.Context(), r, made.Document.ID)
			if (text != "") != (issuer == "sotc") {
				t.Errorf("of the document of %s there is kept %q", issuer, text)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSnippets(t *testing.T) {
	w := sample(t)
	tests := []struct{ query, code, source, want string }{
		{"giai ngan", "05/BC-STC", "abstract", "Báo cáo «giải» «ngân» vốn"},
		{`"giai ngan"`, "123/QĐ-STC", "message", "Đề nghị các đơn vị «giải ngân» đúng hạn, hoả tốc."},
		{"nguoiky:binh", "123/QĐ-STC", "signer", "Phó Giám đốc Quàng Thị «Bình»"},
		{`"dau tu"`, "123/QĐ-STC", "abstract", "Giao vốn «đầu tư» công năm 2026"},
		{"so:123", "123/QĐ-STC", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			for _, h := range w.search(search.Request{Query: tt.query}).Hits {
				if h.Code == tt.code {
					if got := h.Snippet.Marked(); got != tt.want || h.Snippet.Source != tt.source {
						t.Errorf("snippet is %s %q, want %s %q", h.Snippet.Source, got, tt.source, tt.want)
					}
					return
				}
			}
			t.Errorf("%q does not find %s", tt.query, tt.code)
		})
	}
}
