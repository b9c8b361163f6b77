package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got\n%s\nwant\n%s", name, got, want)
	}
}

// sample holds what clerks see in a week, and what an enemy might send them.
func sample() Register {
	return Register{
		Unit: "Sở Y tế", Code: "H18.26", Year: 2026, Headings: Headings(docstore.DirectionIn), Head: [32]byte{0xab, 0xcd},
		AsOf: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC),
		Rows: []Row{
			InRow(docstore.Columns{
				Arrived: "2026-11-23", Number: 1, Issuer: "Ủy ban nhân dân tỉnh Điện Biên", Code: "123/QĐ-UBND", Issued: "2026-11-20",
				Title:     "Quyết định; về việc giao chỉ tiêu kế hoạch phát triển kinh tế – xã hội năm 2027 cho các sở, ban, ngành",
				Recipient: "Phòng Kế hoạch – Tài chính", Handed: "2026-11-23", Signed: "chuyenvien1, 09:30 23/11/2026",
			}),
			InRow(docstore.Columns{
				Arrived: "2026-11-23", Number: 2, Issuer: "Sở Tài chính", Code: "45/STC-NS", Title: "V/v quyết toán", Remark: "Trùng số, ký hiệu với văn bản đã gửi trước",
			}).struck("vào nhầm sổ"),
			// NFD, a formula, a terminal escape, a line break, text that turns round, and a word without end.
			InRow(docstore.Columns{
				Arrived: "2026-11-24", Number: 10, Issuer: "=cmd|' /C calc'!A0", Code: "7/\x1b[31mTB\n-X", Issued: "không rõ",
				Title: "Tie\u0302\u0301ng Vie\u0323\u0302t \u202egnort\u202c " + strings.Repeat("x", 70), Recipient: "＠SUM(1;2)", Signed: "\t-1+2", Remark: "漢字 文書",
			}),
		},
	}
}

// outgoing is sample for the other direction.
func outgoing() Register {
	g := Empty(Query{Unit: directory.Unit{Name: "Sở Y tế", Code: "H18.26"}, Direction: docstore.DirectionOut, Year: 2026})
	g.Head = [32]byte{0xab, 0xcd}
	g.Rows = []Row{
		OutRow(1, docstore.OutColumns{
			Code: "01/QĐ-SYT", Issued: "2026-01-05", Title: "Quyết định; ban hành quy chế làm việc", Signer: "Giám đốc",
			Recipients: "UBND xã 01; UBND xã 02; UBND xã 03", Keeper: "Văn thư", Copies: 3, Handed: "2026-01-05",
		}),
		OutRow(2, docstore.OutColumns{Code: "02/SYT-VP", Remark: "Số dự trữ"}).struck("số dự trữ không dùng"),
	}
	return g
}

func TestOutgoingRegister(t *testing.T) {
	var text, csv, js bytes.Buffer
	for _, err := range []error{outgoing().WriteText(&text, TextOptions{}), outgoing().WriteCSV(&csv), outgoing().WriteJSON(&js)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "outgoing.txt", text.Bytes())
	golden(t, "outgoing.csv", csv.Bytes())
	golden(t, "outgoing.json", js.Bytes())
}

func TestWriteText(t *testing.T) {
	for name, opt := range map[string]TextOptions{"register.txt": {}, "register-narrow.txt": {Width: 120}} {
		var b bytes.Buffer
		if err := sample().WriteText(&b, opt); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
		limit := opt.Width
		if limit == 0 {
			limit = defaultWidth
		}
		for line := range strings.Lines(b.String()) {
			if w := displayWidth(strings.TrimSuffix(line, "\n")); w > limit {
				t.Errorf("%s: a line is %d columns wide: %s", name, w, line)
			}
		}
		if strings.ContainsFunc(b.String(), func(r rune) bool { return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf) }) {
			t.Errorf("%s holds control characters: %q", name, b.String())
		}
	}
}

func TestWriteCSV(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "register.csv", b.Bytes())
	text, ok := strings.CutPrefix(b.String(), "\ufeff")
	if !ok {
		t.Error("the byte order mark is missing")
	}
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(records) != 4 {
		t.Fatalf("read back %d records: %v", len(records), err)
	}
}

// T101: no cell becomes a formula, and harmless text stays as it is.
func TestInert(t *testing.T) {
	for _, s := range []string{"=1+1", "+1", "-1", "@SUM(A1)", " =1", "\"=1", "'=1", "＝1", "－1", "=cmd|' /C calc'!A0"} {
		if got := inert(s); got != "'"+s {
			t.Errorf("inert(%q) = %q", s, got)
		}
	}
	for _, s := range []string{"", "123/QĐ-UBND", "V/v = và +", "a@b", "– gạch", "1-2"} {
		if got := inert(s); got != s {
			t.Errorf("inert(%q) = %q, want no change", s, got)
		}
	}
	for _, s := range []string{"\t=1", "\r=1", "\n=1", "\x00=1", "\u200b=1", "\u202e=1"} {
		if got := inert(clean(s)); !strings.HasPrefix(got, "'") {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "register.json", b.Bytes())
	var empty bytes.Buffer
	if err := Empty(Query{Year: 2026}).WriteJSON(&empty); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Rows []any
		Head *string
	}
	if err := json.Unmarshal(empty.Bytes(), &got); err != nil || got.Rows == nil || got.Head == nil || *got.Head != "" {
		t.Errorf("an empty register is %s: %v", empty.Bytes(), err)
	}
}

func TestEmptyRegister(t *testing.T) {
	var b bytes.Buffer
	if err := Empty(Query{Unit: directory.Unit{Name: "Xã 01"}, Year: 2026}).WriteText(&b, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); !strings.Contains(s, "Tổng số: 0 số đến.") || !strings.Contains(s, "Số, ký hiệu") || strings.Contains(s, "Mã băm") {
		t.Errorf("got\n%s", s)
	}
}

type broken struct{}

var errBroken = errors.New("broken pipe")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrorsAreReported(t *testing.T) {
	g := sample()
	for name, err := range map[string]error{
		"text": g.WriteText(broken{}, TextOptions{}), "csv": g.WriteCSV(broken{}), "json": g.WriteJSON(broken{}),
	} {
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		name, text string
		limit      int
		want       []string
	}{
		{"empty", "", 5, []string{""}},
		{"fits", "số đến", 6, []string{"số đến"}},
		{"between words", "số đến một", 6, []string{"số đến", "một"}},
		{"long word", "abcdefgh i", 3, []string{"abc", "def", "gh", "i"}},
		{"wide", "漢字文", 4, []string{"漢字", "文"}},
		{"marks stay with their letter", "a\u0323b\u0323c\u0323", 2, []string{"a\u0323b\u0323", "c\u0323"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := wrap(tt.text, tt.limit); strings.Join(got, "|") != strings.Join(tt.want, "|") {
				t.Errorf("wrap = %q, want %q", got, tt.want)
			}
		})
	}
}

// A register is read as the store keeps it, also as of a past time.
func TestRead(t *testing.T) {
	db := sqldbtest.Open(t)
	start := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	now := start
	store := docstore.New(docstore.Options{Now: func() time.Time { return now }})
	clerk := journal.Actor{Kind: journal.ActorAccount, ID: 7, Name: "vanthu@soyte.dienbien.test"}
	var dispatches []docstore.DispatchID
	for i, symbol := range []string{"1/QĐ-UBND", "2/UBND-VX", "3/TB-UBND"} {
		code, err := edoc.ParseCode(symbol)
		if err != nil {
			t.Fatal(err)
		}
		in := docstore.In{
			Recognition: edoc.Recognition{Level: edoc.L1, Code: &code, Type: edoc.TypeForCode(code), Abstract: "V/v thử", Issued: start, Year: 2026},
			Issuer:      100, IssuerName: "UBND tỉnh", From: 900, MailID: docstore.MailID("<" + symbol + ">"), Message: 1,
			BodySHA256: [32]byte{byte(i + 1)}, QueueID: "q", Actor: clerk, Source: docstore.SourceSMTP,
			Recipients: []docstore.Recipient{{Unit: 26, Address: mail.Address{Local: "soyte", Domain: "dienbien.test"}}},
		}
		err = db.Update(t.Context(), func(tx *sqldb.Tx) error {
			result, err := store.Intake(t.Context(), tx, in)
			for _, d := range result.Dispatches {
				dispatches = append(dispatches, d.ID)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	act := func(id docstore.DispatchID, event docstore.Event, recipient string) {
		t.Helper()
		now = now.Add(time.Minute)
		err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
			_, _, err := store.Transition(t.Context(), tx, clerk, id, docstore.Act{Event: event, Recipient: recipient, Source: docstore.SourceCLI})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	act(dispatches[0], docstore.EventRegister, "Phòng Nghiệp vụ Y") // 02:01
	act(dispatches[1], docstore.EventRegister, "")                  // 02:02
	act(dispatches[1], docstore.EventUndo, "")                      // 02:03
	act(dispatches[2], docstore.EventRegister, "")                  // 02:04

	unit := directory.Unit{ID: 26, Code: "H18.26", Name: "Sở Y tế"}
	read := func(q Query) (g Register, err error) {
		t.Helper()
		q.Unit, q.Year = unit, max(q.Year, 2026)
		err = db.View(t.Context(), func(r sqldb.Reader) error {
			g, err = Read(t.Context(), r, q)
			return err
		})
		return g, err
	}
	tests := []struct {
		name   string
		q      Query
		number []int
		voided []bool
	}{
		{"all", Query{}, []int{1, 2, 3}, []bool{false, true, false}},
		{"range", Query{From: 2, To: 2}, []int{2}, []bool{true}},
		{"before the second was taken back", Query{AsOf: start.Add(2 * time.Minute)}, []int{1, 2}, []bool{false, false}},
		{"after it", Query{AsOf: start.Add(3 * time.Minute)}, []int{1, 2}, []bool{false, true}},
		{"before the first", Query{AsOf: start}, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := read(tt.q)
			if err != nil {
				t.Fatal(err)
			}
			if len(g.Rows) != len(tt.number) {
				t.Fatalf("rows %+v, want numbers %v", g.Rows, tt.number)
			}
			for i, row := range g.Rows {
				if row.Number != tt.number[i] || row.Voided != tt.voided[i] {
					t.Errorf("row %d is number %d, voided %v", i, row.Number, row.Voided)
				}
			}
			if empty := g.Head == [32]byte{}; empty != (len(g.Rows) == 0) {
				t.Errorf("head %x with %d rows", g.Head, len(g.Rows))
			}
		})
	}
	g, err := read(Query{To: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"23/11/2026", "1", "UBND tỉnh", "01/QĐ-UBND", "23/11/2026", "Quyết định; V/v thử", "Phòng Nghiệp vụ Y", "23/11/2026", "", ""}
	if got := g.Rows[0].Cells; !slices.Equal(got, want) {
		t.Errorf("cells %q, want %q", got, want)
	}
	if _, err := read(Query{Year: 2027}); !errors.Is(err, docstore.ErrNoBook) {
		t.Errorf("a year without entries gives %v", err)
	}
}

func FuzzWriteText(f *testing.F) {
	f.Add("V/v", "漢字", 80)
	f.Add(strings.Repeat("a\u0323", 300), "\x1b]0;x\a\u202e", 1)
	f.Fuzz(func(t *testing.T, title, issuer string, limit int) {
		g := Empty(Query{Unit: directory.Unit{Name: issuer}})
		g.Rows = []Row{InRow(docstore.Columns{Title: title, Issuer: issuer, Signed: title}).struck(issuer)}
		var b bytes.Buffer
		if err := g.WriteText(&b, TextOptions{Width: limit % 500}); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(b.String(), func(r rune) bool { return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf) }) {
			t.Errorf("control characters in %q", b.String())
		}
		b.Reset()
		if err := g.WriteCSV(&b); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(records) != 2 {
			t.Fatalf("%d records: %v", len(records), err)
		}
		for _, cell := range records[1] {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("cell %q is a formula", cell)
			}
		}
	})
}
