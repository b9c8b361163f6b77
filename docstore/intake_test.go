package docstore_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// Oracle 1: one document, 45 dispatches, 45 events 01, each in the journal.
func TestOracle01OneDispatchPerUnit(t *testing.T) {
	w := newWorld(t)
	res := w.intake(decision(t, 45))
	if got := len(res.Dispatches); got != 45 {
		t.Fatalf("dispatches = %d, want 45", got)
	}
	for i, d := range res.Dispatches {
		if d.To != directory.UnitID(i+1) || d.State != docstore.StateArrived || d.Status != edoc.StatusArrived {
			t.Fatalf("dispatch %d = unit %d %s %s, want unit %d arrived 01", i, d.To, d.State, d.Status, i+1)
		}
	}
	for _, c := range []struct {
		query string
		want  int
	}{
		{`SELECT count(*) FROM document`, 1},
		{`SELECT count(*) FROM document_file`, 1},
		{`SELECT count(*) FROM dispatch`, 45},
		{`SELECT count(*) FROM status_event WHERE status = '01'`, 45},
		{`SELECT count(DISTINCT seq) FROM journal WHERE type = 'doc.arrived'`, 45},
		{`SELECT count(*) FROM tracking WHERE dirty = 1`, 1},
	} {
		if got := w.count(c.query); got != c.want {
			t.Errorf("%s = %d, want %d", c.query, got, c.want)
		}
	}
	w.verify()
}

// Oracle 2: the same message again makes nothing new and gives the same ids.
func TestOracle02SameMessageIDAgain(t *testing.T) {
	w := newWorld(t)
	first := w.intake(decision(t, 3))
	w.now = w.now.Add(time.Hour)
	again := w.intake(decision(t, 3))
	if !again.Resubmitted {
		t.Error("Resubmitted = false, want true")
	}
	if again.Document != first.Document {
		t.Errorf("document = %+v, want the first: %+v", again.Document, first.Document)
	}
	for i := range first.Dispatches {
		if again.Dispatches[i] != first.Dispatches[i] {
			t.Errorf("dispatch %d = %+v, want the first: %+v", i, again.Dispatches[i], first.Dispatches[i])
		}
	}
	if got := w.count(`SELECT count(*) FROM status_event`); got != 3 {
		t.Errorf("events = %d, want 3", got)
	}
	w.verify()
}

// A mailer that splits one message over several transactions sends it with the
// same Message-ID to different units: none of them may go without.
func TestIntakeAddsFurtherUnits(t *testing.T) {
	w := newWorld(t)
	first := w.intake(decision(t, 2))
	res := w.intake(decision(t, 3))
	if res.Resubmitted || res.Document.ID != first.Document.ID || len(res.Dispatches) != 3 {
		t.Fatalf("result = %+v, want the first document with 3 dispatches", res)
	}
	if got := w.count(`SELECT count(*) FROM dispatch`); got != 3 {
		t.Errorf("dispatches = %d, want 3", got)
	}
	w.verify()
}

func TestIntakeRefusesReusedMessageID(t *testing.T) {
	w := newWorld(t)
	w.intake(decision(t, 2))
	in := decision(t, 2)
	in.BodySHA256 = [32]byte{9}
	_, err := w.tryIntake(in)
	wantKind(t, err, fault.Conflict)
	if got := w.count(`SELECT count(*) FROM document`); got != 1 {
		t.Errorf("documents = %d, want 1", got)
	}
	in.Issuer = sender + 1 // another issuer's ids are its own
	w.intake(in)
}

// Oracle 3: another message with the same number, symbol and issuer is
// accepted with a warning.
func TestOracle03DuplicateWarning(t *testing.T) {
	tests := []struct {
		name   string
		change func(*docstore.In)
		want   bool
	}{
		{"same code", func(*docstore.In) {}, true},
		{"written otherwise", func(in *docstore.In) { *in = document(t, "123 / qd-ubnd", 2) }, true},
		{"other suffix", func(in *docstore.In) { *in = document(t, "123a/QĐ-UBND", 2) }, false},
		{"other symbol", func(in *docstore.In) { *in = document(t, "123/CT-UBND", 2) }, false},
		{"other year", func(in *docstore.In) { in.Recognition.Year = 2025 }, false},
		{"other issuer", func(in *docstore.In) { in.Issuer++ }, false},
		{"other outside issuer", func(in *docstore.In) { in.Issuer, in.IssuerName = 0, "Bộ Y tế" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			first := w.intake(decision(t, 2))
			in := decision(t, 2)
			tt.change(&in)
			in.MailID, in.BodySHA256 = "<2@ubnd.dienbien.test>", [32]byte{3}
			res := w.intake(in)
			if len(res.Dispatches) != 2 || res.Resubmitted {
				t.Fatalf("result = %+v, want two new dispatches", res)
			}
			if got := res.Duplicate != nil; got != tt.want {
				t.Fatalf("duplicate = %v, want %v", got, tt.want)
			}
			if !tt.want {
				return
			}
			if res.Document.DuplicateOf != first.Document.ID || res.Duplicate.ID != first.Document.ID {
				t.Errorf("duplicate of %d, want %d", res.Document.DuplicateOf, first.Document.ID)
			}
			if len(res.Warnings) != 1 || res.Warnings[0].Code != docstore.WarnDuplicate || res.Warnings[0].Text.VI == "" {
				t.Errorf("warnings = %+v, want one", res.Warnings)
			}
			w.verify()
		})
	}
}

func TestDuplicateOfOutsideIssuerByName(t *testing.T) {
	w := newWorld(t)
	for i, name := range []string{"Bộ Y tế", "Bộ Nội vụ", "Bộ Y tế"} {
		in := decision(t, 1)
		in.Issuer, in.From, in.IssuerName = 0, 0, name
		in.MailID, in.BodySHA256 = docstore.MailID(name+string(rune('0'+i))), [32]byte{byte(i)}
		if got, want := w.intake(in).Duplicate != nil, i == 2; got != want {
			t.Errorf("document %d of %s: duplicate = %v, want %v", i, name, got, want)
		}
	}
	if got := w.count(`SELECT count(*) FROM tracking`); got != 0 {
		t.Errorf("tracking messages = %d, want none for issuers outside", got)
	}
}

// Oracle 14: a decomposed subject, as macOS writes it, names the same document.
func TestOracle14DecomposedSubject(t *testing.T) {
	subject := "[123/QĐ-UBND] V/v giao chỉ tiêu kế hoạch"
	w := newWorld(t)
	var first docstore.Document
	for i, s := range []string{norm.NFC.String(subject), norm.NFD.String(subject)} {
		rec := edoc.Recognize(edoc.Input{Subject: s, Now: monday()})
		if rec.Level != edoc.L1 {
			t.Fatalf("level of %q = %v, want L1", s, rec.Level)
		}
		in := decision(t, 1)
		in.Recognition, in.MailID, in.BodySHA256 = rec, docstore.MailID(s), [32]byte{byte(i)}
		res := w.intake(in)
		if i == 0 {
			first = res.Document
			continue
		}
		if res.Duplicate == nil || res.Document.Code != first.Code || res.Document.Abstract != first.Abstract {
			t.Errorf("decomposed: %q %q duplicate %v, want %q %q as a duplicate", res.Document.Code,
				res.Document.Abstract, res.Duplicate != nil, first.Code, first.Abstract)
		}
	}
}

func TestIntakeNeedsRecipients(t *testing.T) {
	w := newWorld(t)
	_, err := w.tryIntake(decision(t, 0))
	wantKind(t, err, fault.Invalid)
}

func TestIntakeKeepsPlaceAndKind(t *testing.T) {
	w := newWorld(t)
	in := decision(t, 2)
	in.Recipients[0].Place = docstore.Place{Mailbox: 7, UID: 3}
	in.Recipients[1].Kind = docstore.KindInfo
	res := w.intake(in)
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		d, err := docstore.DispatchByPlace(ctx, r, docstore.Place{Mailbox: 7, UID: 3})
		if err != nil {
			return err
		}
		if d != res.Dispatches[0] || d.Due != in.Recognition.Due {
			t.Errorf("dispatch by place = %+v, want %+v", d, res.Dispatches[0])
		}
		info, err := docstore.DispatchByULID(ctx, r, res.Dispatches[1].ULID)
		if err != nil {
			return err
		}
		if info.Kind != docstore.KindInfo || !info.Due.IsZero() {
			t.Errorf("for information: %+v, want no due date", info)
		}
		_, err = docstore.DispatchByPlace(ctx, r, docstore.Place{})
		wantKind(t, err, fault.NotFound)
		return nil
	})
}

func TestDocumentsByCode(t *testing.T) {
	w := newWorld(t)
	first := w.intake(decision(t, 1)).Document
	other := decision(t, 1)
	other.Issuer++
	second := w.intake(other).Document
	for _, typed := range []string{"123/QĐ-UBND", "123/qd-ubnd", norm.NFD.String("123/QĐ-UBND")} {
		code, err := edoc.ParseCode(typed)
		if err != nil {
			t.Fatal(err)
		}
		w.view(func(ctx context.Context, r sqldb.Reader) error {
			docs, err := docstore.DocumentsByCode(ctx, r, code)
			if err != nil {
				return err
			}
			if len(docs) != 2 || docs[0] != first || docs[1] != second {
				t.Errorf("%q: %+v, want both documents", typed, docs)
			}
			return nil
		})
	}
}

func TestDocumentsFilter(t *testing.T) {
	w := newWorld(t)
	a := w.intake(decision(t, 2))
	w.now = w.now.Add(24 * time.Hour)
	in := document(t, "5/TB-SYT", 3)
	in.Issuer, in.MailID, in.BodySHA256 = 2, "<5@soyte>", [32]byte{5}
	b := w.intake(in)
	w.mustDo(b.Dispatches[2].ID, docstore.Act{Event: docstore.EventRegister})

	tests := []struct {
		name   string
		filter docstore.Filter
		page   docstore.Page
		want   []docstore.DocumentID
	}{
		{"all, newest first", docstore.Filter{}, docstore.Page{}, []docstore.DocumentID{b.Document.ID, a.Document.ID}},
		{"first page", docstore.Filter{}, docstore.Page{Limit: 1}, []docstore.DocumentID{b.Document.ID}},
		{"next page", docstore.Filter{}, docstore.Page{Before: b.Document.ID}, []docstore.DocumentID{a.Document.ID}},
		{"issuer", docstore.Filter{Issuer: sender}, docstore.Page{}, []docstore.DocumentID{a.Document.ID}},
		{"recipient", docstore.Filter{To: 3}, docstore.Page{}, []docstore.DocumentID{b.Document.ID}},
		{"either", docstore.Filter{Party: 2}, docstore.Page{}, []docstore.DocumentID{b.Document.ID, a.Document.ID}},
		{"state", docstore.Filter{State: docstore.StateRegistered}, docstore.Page{}, []docstore.DocumentID{b.Document.ID}},
		{"state at one unit", docstore.Filter{State: docstore.StateRegistered, To: 1}, docstore.Page{}, nil},
		{"since", docstore.Filter{Since: w.now}, docstore.Page{}, []docstore.DocumentID{b.Document.ID}},
		{"before", docstore.Filter{Before: w.now}, docstore.Page{}, []docstore.DocumentID{a.Document.ID}},
		{
			"all at once",
			docstore.Filter{Party: 1, Issuer: sender, To: 1, State: docstore.StateArrived, Before: w.now},
			docstore.Page{Before: 99, Limit: 5},
			[]docstore.DocumentID{a.Document.ID},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.view(func(ctx context.Context, r sqldb.Reader) error {
				docs, err := docstore.Documents(ctx, r, tt.filter, tt.page)
				if err != nil {
					return err
				}
				var got []docstore.DocumentID
				for _, d := range docs {
					got = append(got, d.ID)
				}
				if len(got) != len(tt.want) {
					t.Fatalf("documents = %v, want %v", got, tt.want)
				}
				for i := range got {
					if got[i] != tt.want[i] {
						t.Fatalf("documents = %v, want %v", got, tt.want)
					}
				}
				return nil
			})
		})
	}
}

// The JSON of `vanthu doc show` is a fixed surface.
func TestShowJSON(t *testing.T) {
	w := newWorld(t)
	res := w.intake(decision(t, 2))
	w.now = w.now.Add(time.Minute)
	w.mustDo(res.Dispatches[0].ID, docstore.Act{Event: docstore.EventRegister, Source: docstore.SourceIMAP})
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		v, err := docstore.Show(ctx, r, new(directory.Snapshot), res.Document)
		if err != nil {
			return err
		}
		v.ID, v.Dispatches[0].ID, v.Dispatches[1].ID = "D", "A", "B"
		got, err := json.Marshal(v)
		if err != nil {
			return err
		}
		const want = `{"id":"D","code":"123/QĐ-UBND","issuer":"UBND tỉnh Điện Biên",` +
			`"subject":"V/v giao chỉ tiêu kế hoạch","type":"Quyết định","issued":"2026-11-23",` +
			`"accepted":"2026-11-23T02:14:05Z","state":"issued","due":"2026-11-30T10:00:00Z","files":[{"name":"QD123.pdf",` +
			`"sha256":"0200000000000000000000000000000000000000000000000000000000000000","size":9}],"dispatches":[` +
			`{"id":"A","unit":"xa01@dienbien.test","state":"registered","status":"03","arrival_number":1,"due":"2026-11-30T10:00:00Z","events":[` +
			`{"status":"01","at":"2026-11-23T02:14:05Z","actor":"vanthu@ubnd.dienbien.test","source":"smtp","reason":""},` +
			`{"status":"03","at":"2026-11-23T02:15:05Z","actor":"vanthu1@dienbien.test","source":"imap","reason":""}]},` +
			`{"id":"B","unit":"xa02@dienbien.test","state":"arrived","status":"01","arrival_number":0,"due":"2026-11-30T10:00:00Z","events":[` +
			`{"status":"01","at":"2026-11-23T02:14:05Z","actor":"vanthu@ubnd.dienbien.test","source":"smtp","reason":""}]}]}`
		if string(got) != want {
			t.Errorf("view =\n%s\nwant\n%s", got, want)
		}
		return nil
	})
}

func BenchmarkIntake45(b *testing.B) {
	w := newWorld(b)
	in := decision(b, 45)
	err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
		for b.Loop() {
			in.MailID = docstore.MailID(mail.NewMessageID("bench.test"))
			if _, err := w.doc.Intake(ctx, tx, in); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func TestUses(t *testing.T) {
	w := newWorld(t)
	in := decision(t, 1)
	w.intake(in)
	for _, tt := range []struct {
		msg  docstore.MessageRef
		want bool
	}{{in.Message, true}, {in.Message + 1, false}} {
		w.view(func(ctx context.Context, r sqldb.Reader) error {
			got, err := docstore.Uses(ctx, r, tt.msg)
			if got != tt.want {
				t.Errorf("Uses(%d) = %v, want %v", tt.msg, got, tt.want)
			}
			return err
		})
	}
}

// A unit that is named twice, by its address and by an alias, gets one dispatch.
func TestIntakeOneDispatchForAUnitNamedTwice(t *testing.T) {
	w := newWorld(t)
	in := decision(t, 2)
	in.Recipients = append(in.Recipients, docstore.Recipient{
		Unit: 1, Address: mail.Address{Local: "vanthu.xa01", Domain: "dienbien.test"},
	})
	res := w.intake(in)
	if len(res.Dispatches) != 3 || res.Dispatches[2] != res.Dispatches[0] {
		t.Errorf("dispatches = %+v, want the first one again as the third", res.Dispatches)
	}
	if got := w.count(`SELECT count(*) FROM dispatch`); got != 2 {
		t.Errorf("dispatches = %d, want 2", got)
	}
}
