package mailstore_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/extract"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/mailstore/storetest"
	"vanthu/internal/sqldb"
)

// letter is a message whose texts are known.
type letter struct {
	id                      mailstore.MessageID
	subject, from, to, body string
}

func (l letter) bytes() []byte {
	return fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <x@so.example>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s",
		l.from, l.to, l.subject, l.body)
}

// has is what a search must find, from the texts alone.
func (l letter) has(f mailstore.TextField, needle string) bool {
	in := func(texts ...string) bool {
		return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(mail.Fold(t), mail.Fold(needle)) })
	}
	switch f {
	case mailstore.FieldSubject:
		return in(l.subject)
	case mailstore.FieldFrom:
		return in(l.from)
	case mailstore.FieldTo:
		return in(l.to)
	case mailstore.FieldHeader: // "Subject" in these tests
		return in(l.subject)
	case mailstore.FieldBody:
		return in(l.body)
	case mailstore.FieldText:
		return in(l.body, "Subject: "+l.subject, "From: "+l.from, "To: "+l.to, "Message-ID: <x@so.example>",
			"MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit")
	}
	return false
}

var syllables = strings.Fields(`giải ngân vốn đầu tư công văn thư Điện Biên Đà Nẵng Thừa Thiên Huế Ủy ban nhân dân tỉnh số
 123/QĐ-UBND 45/BC-SNV ngày tháng năm về việc triển khai kế hoạch đường bộ phường xã thuộc nghị định ơ ả 2026 % _ ' " * ( )
 hòa hoà thuỷ thủy người được phép AND OR NOT NEAR ữ ợ ệ ß Ω straße`)

func phrase(r *rand.Rand, n int) string {
	var b strings.Builder
	for i := range n {
		w := syllables[r.IntN(len(syllables))]
		switch r.IntN(6) {
		case 0:
			w = norm.NFD.String(w)
		case 1:
			w = strings.ToUpper(w)
		case 2:
			w = strings.ToLower(w)
		}
		if i > 0 {
			b.WriteString([]string{" ", " ", " ", " ", ", ", "-", "  ", "."}[r.IntN(8)])
		}
		b.WriteString(w)
	}
	return b.String()
}

func randomLetter(r *rand.Rand) letter {
	l := letter{
		subject: strings.TrimSpace(phrase(r, 1+r.IntN(8))), from: fmt.Sprintf("a%d@so.example", r.IntN(50)),
		to: fmt.Sprintf("vanthu.%d@xa%d.example", r.IntN(9), r.IntN(50)),
	}
	for range 1 + r.IntN(12) {
		l.body += phrase(r, 1+r.IntN(10)) + "\r\n"
	}
	return l
}

// needles: parts of what is there, changed in ways that folding must not see,
// and things that are not there.
func needle(r *rand.Rand, l letter) string {
	text := []rune([]string{l.body, l.subject, l.from, l.to}[r.IntN(4)])
	at := r.IntN(len(text))
	s := string(text[at:min(len(text), at+1+r.IntN(20))])
	switch r.IntN(8) {
	case 0:
		s = mail.Fold(s)
	case 1:
		s = strings.ToUpper(s)
	case 2:
		s = norm.NFD.String(s)
	case 3:
		s = norm.NFC.String(s)
	case 4:
		s += "q" // hardly anywhere
	}
	return s
}

func store(t testing.TB, rig storetest.Rig, box mailstore.MailboxID, msgs ...[]byte) []mailstore.MessageID {
	t.Helper()
	var ids []mailstore.MessageID
	err := rig.Store.Update(t.Context(), func(tx *sqldb.Tx) error {
		for _, msg := range msgs {
			body := rig.Store.NewBody()
			if _, err := body.Write(msg); err != nil {
				return err
			}
			f, err := body.Finish()
			if err != nil {
				return err
			}
			id, err := rig.Store.Store(t.Context(), tx, f, nil, time.Now())
			if err == nil {
				_, err = rig.Store.Deliver(t.Context(), tx, box, id, 0, time.Now())
			}
			if err := errors.Join(err, f.Release()); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func storeLetters(t testing.TB, rig storetest.Rig, box mailstore.MailboxID, letters []letter) {
	t.Helper()
	msgs := make([][]byte, len(letters))
	for i, l := range letters {
		msgs[i] = l.bytes()
	}
	for i, id := range store(t, rig, box, msgs...) {
		letters[i].id = id
	}
}

func testInbox(t testing.TB, rig storetest.Rig) mailstore.MailboxID {
	t.Helper()
	var id mailstore.MailboxID
	err := rig.Store.Update(t.Context(), func(tx *sqldb.Tx) (err error) {
		if err := rig.Store.EnsureAccount(t.Context(), tx, 1); err != nil {
			return err
		}
		id, err = rig.Store.Inbox(t.Context(), tx, mailstore.Owner{Account: 1})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

var allFields = []mailstore.TextField{
	mailstore.FieldSubject, mailstore.FieldFrom, mailstore.FieldTo, mailstore.FieldHeader, mailstore.FieldBody, mailstore.FieldText,
}

// compare searches the letters, in an order that is not theirs, and compares
// each answer with what the texts say.
func compare(t *testing.T, s *mailstore.Store, r *rand.Rand, letters []letter, n int) {
	t.Helper()
	order := slices.Clone(letters)
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	ids := make([]mailstore.MessageID, len(order))
	for i, l := range order {
		ids[i] = l.id
	}
	found := 0
	for range n {
		q := mailstore.TextQuery{Field: allFields[r.IntN(len(allFields))], Header: "SUBJECT", Needle: needle(r, order[r.IntN(len(order))])}
		hits, err := s.SearchText(t.Context(), ids, q)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range order {
			if want := l.has(q.Field, q.Needle); hits[i] != want {
				t.Fatalf("field %d, needle %q: message %d hit = %v, want %v\nsubject %q\nbody %q", q.Field, q.Needle, l.id, hits[i], want, l.subject, l.body)
			}
			if hits[i] {
				found++
			}
		}
	}
	if found < n/2 {
		t.Errorf("%d hits in %d searches: the needles say little", found, n)
	}
}

// fresh opens the store anew: nothing of it is in memory.
func fresh(t testing.TB, rig storetest.Rig, opt mailstore.Options) *mailstore.Store {
	t.Helper()
	s, err := mailstore.Open(t.Context(), rig.DB, rig.Blobs, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func index(t testing.TB, s *mailstore.Store) int {
	t.Helper()
	n, err := s.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A search is exact without the index, with a part of it, with all of it,
// after merges, and after messages were deleted.
func TestSearchIsExact(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			rig := open(t, mailstore.Options{InlineLimit: 1500})
			box := testInbox(t, rig)
			var letters []letter
			indexed := 0
			for round := range 24 {
				more := make([]letter, 1+r.IntN(30))
				for i := range more {
					more[i] = randomLetter(r)
				}
				storeLetters(t, rig, box, more)
				letters = append(letters, more...)
				if round%4 != 3 {
					indexed += index(t, fresh(t, rig, mailstore.Options{}))
				}
				compare(t, fresh(t, rig, mailstore.Options{SearchOctets: int64(r.IntN(2) * 10_000)}), r, letters, 12)
			}
			indexed += index(t, rig.Store)
			if indexed != len(letters) {
				t.Errorf("%d messages were indexed, want each of %d once", indexed, len(letters))
			}
			compare(t, rig.Store, r, letters, 80)
			compare(t, rig.Store, r, letters[:3], 20)
		})
	}
}

func count(t testing.TB, db *sqldb.DB, q string) (n int) {
	t.Helper()
	err := db.View(t.Context(), func(r sqldb.Reader) error { return r.QueryRow(t.Context(), q).Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSearchAfterDeletion(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	now := time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC)
	rig := open(t, mailstore.Options{Now: func() time.Time { return now }})
	box := testInbox(t, rig)
	letters := make([]letter, 300)
	for i := range letters {
		letters[i] = randomLetter(r)
	}
	storeLetters(t, rig, box, letters[:200])
	index(t, rig.Store)
	err := rig.Store.Update(t.Context(), func(tx *sqldb.Tx) error {
		_, err := rig.Store.Remove(t.Context(), tx, box, mailstore.UIDSet{{First: 50, Last: 150}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(3 * time.Hour)
	done, err := rig.Store.Collect(t.Context(), mailstore.CollectOptions{})
	if err != nil || done.Messages != 101 {
		t.Fatalf("collected %+v, %v; want 101 messages", done, err)
	}
	if n := count(t, rig.DB, `SELECT count(*) FROM search_text`); n != 99 {
		t.Errorf("%d texts are left, want 99", n)
	}
	var gone []mailstore.MessageID
	for _, l := range letters[49:150] {
		gone = append(gone, l.id)
	}
	hits, err := rig.Store.SearchText(t.Context(), gone, mailstore.TextQuery{Field: mailstore.FieldText, Needle: "e"})
	if err != nil || slices.Contains(hits, true) {
		t.Errorf("deleted messages are found: %v, %v", hits, err)
	}
	letters = slices.Delete(letters, 49, 150)
	compare(t, fresh(t, rig, mailstore.Options{}), r, letters[:99], 50)
	const octets = `SELECT sum(length(data)) FROM search_block`
	before := count(t, rig.DB, octets)
	for _, want := range []int{1, 0} { // half of the messages are gone, then none
		if n, err := rig.Store.CompactIndex(t.Context()); err != nil || n != want {
			t.Errorf("made %d segments anew, %v, want %d", n, err, want)
		}
	}
	if after := count(t, rig.DB, octets); after*4 > before*3 {
		t.Errorf("the index has %d octets, had %d", after, before)
	}
	compare(t, fresh(t, rig, mailstore.Options{}), r, letters[:99], 50)
	for i := 99; i < len(letters); i += 25 {
		storeLetters(t, rig, box, letters[i:i+25])
		index(t, rig.Store) // small segments, so that they are merged with the first
	}
	compare(t, fresh(t, rig, mailstore.Options{}), r, letters, 50)
}

// The strings of T077: no character means anything.
func TestSearchPlainText(t *testing.T) {
	rig := open(t, mailstore.Options{})
	box := testInbox(t, rig)
	strange := []string{
		`' OR 1=1 --`, `'; DROP TABLE message; --`, `" OR "a"="a`, `\' OR 1=1`, `%`, `%%%`, `_`, `a_c`, `*`, `abc*`, `^abc`, `"abc"`,
		`abc AND def`, `abc OR def`, `NOT abc`, `NEAR(abc def, 5)`, `abc NEAR/2 def`, `subject:abc`, `{abc def}: x`, `(abc`, `abc)`, `-abc`,
		`+abc`, `abc + def`, `col : abc`, `[a-z]`, `?`, `\`, `\\`, `$1`, `:name`, `@x`, `/* x */`, `--`, "\t", `' UNION SELECT body FROM message`,
		strings.Repeat("*", 10_000), strings.Repeat("(", 3000),
	}
	msgs := [][]byte{letter{subject: "nothing", from: "a@b.example", to: "c@d.example", body: "nothing to see\r\n"}.bytes()}
	for _, s := range strange {
		msgs = append(msgs, letter{subject: "x", from: "a@b.example", to: "c@d.example", body: "[[[" + s + "]]]\r\n"}.bytes())
	}
	ids := store(t, rig, box, msgs...)
	for _, indexed := range []bool{false, true} {
		for i, s := range strange {
			hits, err := rig.Store.SearchText(t.Context(), ids, mailstore.TextQuery{Field: mailstore.FieldBody, Needle: s})
			if err != nil {
				t.Fatalf("needle %.40q: %v", s, err)
			}
			if !hits[i+1] || hits[0] {
				t.Errorf("indexed %v, needle %.40q: found where it is: %v, where it is not: %v", indexed, s, hits[i+1], hits[0])
			}
		}
		index(t, rig.Store)
	}
}

func attached(media, name string, content []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: a@b.example\r\nSubject: attached\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=zz\r\n\r\n"+
		"--zz\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nxem\r\n--zz\r\nContent-Type: %s\r\n"+
		"Content-Disposition: attachment; filename*=utf-8''%s\r\nContent-Transfer-Encoding: base64\r\n\r\n", media, name)
	enc := base64.StdEncoding.EncodeToString(content)
	for ; len(enc) > 76; enc = enc[76:] {
		b.WriteString(enc[:76] + "\r\n")
	}
	b.WriteString(enc + "\r\n--zz--\r\n")
	return b.Bytes()
}

// officeText reads office documents in this process.
type officeText struct{}

func (officeText) Reads(a mailstore.Attachment) bool { return extract.File(a).Reads() }

func (officeText) Text(_ context.Context, a mailstore.Attachment, body io.Reader, limit int) (string, error) {
	doc, err := extract.ReadOffice(extract.File(a), body, extract.Want{Octets: limit})
	return doc.Text(), err
}

func TestSearchParts(t *testing.T) {
	html := "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><head><title>An</title><style>p { color: red }</style></head>" +
		"<body><p>Gi<b>ải</b>&nbsp;ng&acirc;n<p>v&#7889;n<script>var tim = 'an';</script></body></html>\r\n"
	nested := "Subject: outer\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?b?xJDDoCBO4bq1bmc=?=\r\n\r\nthư trong thư\r\n"
	docx := zipped(t, map[string]string{
		"word/document.xml": `<w:document><w:body><w:p><w:r><w:t>Quyết </w:t></w:r><w:r><w:t>định số 12</w:t></w:r></w:p><w:p><w:r><w:t>Nơi nhận</w:t></w:r></w:p></w:body></w:document>`,
		"word/footer1.xml":  `<w:ftr><w:p><w:t>Trang cuối</w:t></w:p></w:ftr>`, "word/styles.xml": `<w:t>Không tìm</w:t>`,
	})
	xlsx := zipped(t, map[string]string{
		"xl/sharedStrings.xml":     `<sst><si><t>Tổng cộng</t></si></sst>`,
		"xl/worksheets/sheet1.xml": `<row><c t="s"><v>777</v></c><c><v>4321.5</v></c></row>`,
	})
	odt := zipped(t, map[string]string{"content.xml": `<office:text>vô<text:p>Tờ<text:s/>trình <text:span>số 9</text:span></text:p></office:text>`})
	for _, tt := range []struct {
		name   string
		msg    []byte
		found  []string
		absent []string
	}{
		{"html", []byte(html), []string{"giai ngan", "GIẢI NGÂN", "von"}, []string{"color", "var tim", "<b>", "nbsp", "nganvon"}},
		{"message", []byte(nested), []string{"da nang", "subject: da", "thu trong"}, []string{"outer", "nang\r\n"}},
		{"text file", attached("text/csv; charset=utf-8", "so%20lieu.csv", []byte("cột,Xã Bình Hải\n")), []string{"binh hai", "so lieu.csv", "xem"}, nil},
		{"docx", attached("application/octet-stream", "q%C4%91.docx", docx), []string{"quyet dinh so 12", "noi nhan", "trang cuoi", "qd.docx"}, []string{"khong tim", "12noi"}},
		{"xlsx", attached("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "bang", xlsx), []string{"tong cong", "4321.5"}, []string{"777"}},
		{"odt", attached("application/vnd.oasis.opendocument.text", "totrinh", odt), []string{"to trinh so 9"}, []string{"vo"}},
		{"broken docx", attached("application/octet-stream", "hong.docx", docx[:len(docx)/2]), []string{"hong.docx", "xem"}, []string{"quyet"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rig := open(t, mailstore.Options{Extract: officeText{}})
			ids := store(t, rig, testInbox(t, rig), tt.msg)
			for range 2 {
				for i, list := range [][]string{tt.found, tt.absent} {
					for _, s := range list {
						hits, err := rig.Store.SearchText(t.Context(), ids, mailstore.TextQuery{Field: mailstore.FieldBody, Needle: s})
						if err != nil {
							t.Fatal(err)
						}
						if want := i == 0; hits[0] != want {
							t.Errorf("%q: found = %v, want %v", s, hits[0], want)
						}
					}
				}
				index(t, rig.Store)
			}
		})
	}
}

// A text that could not be read keeps its message among those that are read
// when somebody searches, and all others are found.
func TestSearchDamaged(t *testing.T) {
	rig := open(t, mailstore.Options{InlineLimit: 100})
	ids := store(t, rig, testInbox(t, rig),
		letter{subject: "one", body: strings.Repeat("giải ngân ", 50)}.bytes(),
		letter{subject: "two", body: strings.Repeat("giải ngân! ", 50)}.bytes())
	c, err := rig.Store.Content(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", c.SHA256)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	var file string
	err = filepath.WalkDir(rig.Dir, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(filepath.Base(path), sum[len(sum)-8:]) || filepath.Base(path) == sum {
			file = path
		}
		return err
	})
	if err != nil || file == "" {
		t.Fatalf("the file of the body: %q, %v", file, err)
	}
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	s := fresh(t, rig, mailstore.Options{})
	index(t, s)
	q := mailstore.TextQuery{Field: mailstore.FieldBody, Needle: "giai ngan"}
	hits, err := s.SearchText(t.Context(), ids, q)
	if !errors.Is(err, mailstore.ErrDamaged) || !slices.Equal(hits, []bool{false, true}) {
		t.Errorf("hits = %v, %v; want the second message and ErrDamaged", hits, err)
	}
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	hits, err = s.SearchText(t.Context(), ids, q)
	if err != nil || !slices.Equal(hits, []bool{true, true}) {
		t.Errorf("after it was mended: hits = %v, %v; want both", hits, err)
	}
}

// Indexing is stopped again and again at any point; nothing is lost or left over.
func TestIndexStopped(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	rig := open(t, mailstore.Options{})
	box := testInbox(t, rig)
	var letters []letter
	for round := range 30 {
		more := make([]letter, 20+r.IntN(100))
		for i := range more {
			more[i] = randomLetter(r)
		}
		storeLetters(t, rig, box, more)
		letters = append(letters, more...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(40))*time.Millisecond)
		s := fresh(t, rig, mailstore.Options{})
		if _, err := s.Index(ctx); err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		cancel()
		if round%10 == 9 {
			compare(t, fresh(t, rig, mailstore.Options{}), r, letters, 30)
		}
	}
	s := fresh(t, rig, mailstore.Options{})
	index(t, s)
	compare(t, s, r, letters, 100)
	if n := count(t, rig.DB, `SELECT count(*) FROM search_block AS b WHERE NOT EXISTS (SELECT 1 FROM search_segment AS s WHERE s.id = b.id >> 32)`); n != 0 {
		t.Errorf("%d blocks belong to no segment", n)
	}
	if got, want := count(t, rig.DB, `SELECT sum(messages) FROM search_segment`), len(letters); got != want {
		t.Errorf("%d messages in the index, want %d", got, want)
	}
}

// A damaged block costs time, not answers, and is made anew.
func TestIndexDamaged(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	rig := open(t, mailstore.Options{})
	box := testInbox(t, rig)
	letters := make([]letter, 40)
	for i := range letters {
		letters[i] = randomLetter(r)
	}
	storeLetters(t, rig, box, letters)
	index(t, rig.Store)
	err := rig.DB.Update(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE search_block SET data = $1`, []byte{0xff})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := fresh(t, rig, mailstore.Options{})
	compare(t, s, r, letters, 20)
	var failed int
	for i := 0; i < 12; i++ { // until segments are merged
		more := []letter{randomLetter(r)}
		storeLetters(t, rig, box, more)
		letters = append(letters, more...)
		if _, err := s.Index(t.Context()); err != nil {
			failed++
		}
	}
	for range 60 {
		more := []letter{randomLetter(r)}
		storeLetters(t, rig, box, more)
		letters = append(letters, more...)
		if _, err := s.Index(t.Context()); err != nil {
			failed++
		}
	}
	if failed != 1 {
		t.Errorf("indexing failed %d times, want once", failed)
	}
	compare(t, s, r, letters, 50)
}

// RunIndexer takes what was there and what arrives, and stops with its context.
func TestRunIndexer(t *testing.T) {
	rig := open(t, mailstore.Options{})
	box := testInbox(t, rig)
	r := rand.New(rand.NewPCG(9, 9))
	letters := []letter{randomLetter(r), randomLetter(r)}
	storeLetters(t, rig, box, letters[:1])
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- rig.Store.RunIndexer(ctx) }()
	for want := 1; want <= 2; want++ {
		for begin := time.Now(); count(t, rig.DB, `SELECT coalesce(sum(messages), 0) FROM search_segment`) < want; {
			if time.Since(begin) > time.Minute {
				t.Fatalf("message %d was not indexed", want)
			}
			time.Sleep(5 * time.Millisecond)
		}
		if want == 1 {
			storeLetters(t, rig, box, letters[1:])
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("RunIndexer = %v", err)
	}
}

func zipped(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSearchFuzzy(t *testing.T) {
	rig := open(t, mailstore.Options{})
	ids := store(t, rig, testInbox(t, rig),
		letter{subject: "Giải ngân", body: "giải ngân vốn\r\n"}.bytes(),
		letter{subject: "x", body: "tiến độ giải\r\nngân vốn\r\n"}.bytes(),
		letter{subject: "x", body: "ngân sách và giải thưởng; giải nhất, ngân hàng\r\n"}.bytes(),
		letter{subject: "x", body: "ngân sách, giải pháp\r\n"}.bytes(),
		letter{subject: "x", body: "ngân sách, hoàgiải\r\n"}.bytes(),
		letter{subject: "x", body: "ngân hàng\r\n"}.bytes(),
	)
	for range 2 {
		for _, tt := range []struct {
			field  mailstore.TextField
			needle string
			want   []mailstore.MessageID
		}{
			{mailstore.FieldBody, "giai NGÂN", ids[:4]},
			{mailstore.FieldBody, "NGAN, (giải)", []mailstore.MessageID{ids[0], ids[2], ids[3], ids[1]}},
			{mailstore.FieldSubject, "giai", ids[:1]},
			{mailstore.FieldText, "*", nil},
			{mailstore.FieldText, "", nil},
		} {
			got, err := rig.Store.SearchFuzzy(t.Context(), ids, mailstore.TextQuery{Field: tt.field, Needle: tt.needle})
			if err != nil {
				t.Fatal(err)
			}
			var found []mailstore.MessageID
			for i, r := range got {
				found = append(found, r.Message)
				if r.Score < 1 || r.Score > 100 || i > 0 && r.Score > got[i-1].Score {
					t.Errorf("scores of %q: %v", tt.needle, got)
				}
			}
			if tt.needle == "NGAN, (giải)" { // the order of equals is not the point here
				slices.Sort(found)
				slices.Sort(tt.want)
			}
			if !slices.Equal(found, tt.want) {
				t.Errorf("SearchFuzzy(%q) = %v, want messages %v", tt.needle, got, tt.want)
			}
		}
		index(t, rig.Store)
	}
}
