package workflow_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
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
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
	"vanthu/internal/workflow"
)

// province is a small training province on one store.
type province struct {
	t     testing.TB
	db    *sqldb.DB
	dir   *directory.Directory
	boxes *mailstore.Store
	docs  *docstore.Store
	flow  *workflow.Workflow
	now   func() time.Time
	sent  int
	alter func(*docstore.In) // changes what sendCode sends, nil for not
	quota atomic.Int64       // octets of every account, 0 for no limit
}

const domain = "dienbien.test"

// newProvince makes the sender ubnd and n communes xa01, xa02, …, each with a
// clerk and a staff member.
func newProvince(t testing.TB, n int, now func() time.Time, opt workflow.Options) *province {
	t.Helper()
	ctx := t.Context()
	p := &province{t: t, db: sqldbtest.Open(t), now: now}
	var err error
	if p.dir, err = directory.Open(ctx, p.db, directory.Options{Now: now}); err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(blob.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if p.boxes, err = mailstore.Open(ctx, p.db, blobs, mailstore.Options{
		Now: now, Quota: func(o mailstore.Owner) int64 { return p.quota.Load() * min(1, int64(o.Account)) },
	}); err != nil {
		t.Fatal(err)
	}
	p.docs = docstore.New(docstore.Options{Now: now})
	opt.Now = now
	if p.flow, err = workflow.New(p.db, p.dir, p.boxes, p.docs, opt); err != nil {
		t.Fatal(err)
	}
	if err := p.dir.AddDomain(ctx, system(), domain); err != nil {
		t.Fatal(err)
	}
	p.addUnit("ubnd", "UBND tỉnh Điện Biên", 0)
	for i := range n {
		p.addUnit(fmt.Sprintf("xa%02d", i+1), fmt.Sprintf("UBND xã số %d", i+1), i+1)
	}
	return p
}

func system() journal.Actor { return journal.System("test") }

func address(local string) mail.Address { return mail.Address{Local: local, Domain: domain} }

func (p *province) addUnit(name, title string, number int) {
	p.t.Helper()
	ctx := p.t.Context()
	if err := p.dir.AddDomain(ctx, system(), directory.Domain(name+"."+domain)); err != nil {
		p.t.Fatal(err)
	}
	u, err := p.dir.CreateUnit(ctx, system(), directory.Unit{
		Code: fmt.Sprintf("H18.%d", number), Name: title, ShortName: strings.ToUpper(name), Kind: "xã",
		From: p.now().Add(-time.Hour), Address: address(name),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	var accounts []directory.AccountID
	for _, r := range []directory.Role{directory.RoleClerk, directory.RoleStaff, directory.RoleLeader} {
		a, _, err := p.dir.CreateAccount(ctx, system(), directory.Account{
			Login: mail.Address{Local: string(r), Domain: name + "." + domain}, Name: string(r) + " " + title,
			Roles: []directory.Assignment{{Unit: u.ID, Role: r}}, State: directory.Active,
		}, "")
		if err != nil {
			p.t.Fatal(err)
		}
		accounts = append(accounts, a.ID)
	}
	p.update(func(ctx context.Context, tx *sqldb.Tx) error {
		if err := p.boxes.EnsureUnit(ctx, tx, u.ID); err != nil {
			return err
		}
		for _, a := range accounts {
			if err := p.boxes.EnsureAccount(ctx, tx, a); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *province) update(fn func(ctx context.Context, tx *sqldb.Tx) error) {
	p.t.Helper()
	ctx := p.t.Context()
	if err := p.db.Update(ctx, func(tx *sqldb.Tx) error { return fn(ctx, tx) }); err != nil {
		p.t.Fatal(err)
	}
}

func (p *province) view(fn func(ctx context.Context, r sqldb.Reader) error) {
	p.t.Helper()
	ctx := p.t.Context()
	if err := p.db.View(ctx, func(r sqldb.Reader) error { return fn(ctx, r) }); err != nil {
		p.t.Fatal(err)
	}
}

func (p *province) unit(name string) directory.Unit {
	p.t.Helper()
	u, ok := p.dir.Snapshot().UnitByAddress(address(name))
	if !ok {
		p.t.Fatalf("no unit %s", name)
	}
	return u
}

// account gives the account with that role in a unit.
func (p *province) account(role directory.Role, unit string) directory.AccountID {
	p.t.Helper()
	a, ok := p.dir.Snapshot().AccountByLogin(mail.Address{Local: string(role), Domain: unit + "." + domain})
	if !ok {
		p.t.Fatalf("no account %s of %s", role, unit)
	}
	return a.ID
}

func (p *province) clerk(unit string) directory.AccountID {
	p.t.Helper()
	return p.account(directory.RoleClerk, unit)
}

func (p *province) folder(unit string, role mailstore.FolderRole) (id mailstore.MailboxID) {
	p.t.Helper()
	p.view(func(ctx context.Context, r sqldb.Reader) (err error) {
		id, err = p.boxes.Role(ctx, r, p.unit(unit).ID, role)
		return err
	})
	return id
}

func (p *province) inbox(a directory.AccountID) (id mailstore.MailboxID) {
	p.t.Helper()
	p.view(func(ctx context.Context, r sqldb.Reader) (err error) {
		id, err = p.boxes.Inbox(ctx, r, mailstore.Owner{Account: a})
		return err
	})
	return id
}

// send has the clerk of ubnd send 123/QĐ-UBND to units, as delivery does.
func (p *province) send(units ...string) docstore.Result {
	p.t.Helper()
	return p.sendCode("123/QĐ-UBND", p.unit("ubnd").ID, units...)
}

func (p *province) sendCode(code string, issuer directory.UnitID, units ...string) (res docstore.Result) {
	p.t.Helper()
	p.sent++
	c, err := edoc.ParseCode(code)
	if err != nil {
		p.t.Fatal(err)
	}
	id := fmt.Sprintf("<%d@ubnd.%s>", p.sent, domain)
	body := p.boxes.NewBody()
	if _, err := fmt.Fprintf(body, "Message-ID: %s\r\nSubject: test\r\n\r\nKinh gui.\r\n", id); err != nil {
		p.t.Fatal(err)
	}
	fin, err := body.Finish()
	if err != nil {
		p.t.Fatal(err)
	}
	in := docstore.In{
		Recognition: edoc.Recognition{
			Level: edoc.L1, Code: &c, Type: edoc.TypeForCode(c), Abstract: "V/v giao chỉ tiêu kế hoạch",
			Issued: time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC), Year: 2026,
		},
		Issuer: issuer, IssuerName: "UBND tỉnh Điện Biên", From: p.clerk("ubnd"), MailID: docstore.MailID(id),
		BodySHA256: fin.SHA256, QueueID: "q", Source: docstore.SourceSMTP,
		Actor: journal.Actor{Kind: journal.ActorAccount, ID: int64(p.clerk("ubnd")), Name: "vanthu@ubnd." + domain},
	}
	p.update(func(ctx context.Context, tx *sqldb.Tx) error {
		msg, err := p.boxes.Store(ctx, tx, fin, nil, p.now())
		if err != nil {
			return err
		}
		in.Message = docstore.MessageRef(msg)
		for _, name := range units {
			u := p.unit(name)
			box, err := p.boxes.Role(ctx, tx, u.ID, mailstore.RoleIncoming)
			if err != nil {
				return err
			}
			uid, err := p.boxes.Deliver(ctx, tx, box, msg, 0, p.now())
			if err != nil {
				return err
			}
			in.Recipients = append(in.Recipients, docstore.Recipient{
				Unit: u.ID, Address: u.Address, Place: docstore.Place{Mailbox: int64(box), UID: int64(uid)},
			})
		}
		if p.alter != nil {
			p.alter(&in)
		}
		res, err = p.docs.Intake(ctx, tx, in)
		return err
	})
	return res
}

// communes names the first n communes.
func communes(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("xa%02d", i+1))
	}
	return names
}

func (p *province) dispatch(id docstore.DispatchID) (d docstore.Dispatch) {
	p.t.Helper()
	p.view(func(ctx context.Context, r sqldb.Reader) (err error) {
		d, err = docstore.DispatchByID(ctx, r, id)
		return err
	})
	return d
}

// mails gives the messages of a mailbox.
func (p *province) mails(box mailstore.MailboxID) (out []letter) {
	p.t.Helper()
	const q = `SELECT e.uid, e.message_id FROM entry e WHERE e.mailbox_id = $1 ORDER BY e.uid`
	type row struct{ uid, msg int64 }
	var rows []row
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		rs, err := r.Query(ctx, q, int64(box))
		if err != nil {
			return err
		}
		for rs.Next() {
			var x row
			if err := rs.Scan(&x.uid, &x.msg); err != nil {
				return err
			}
			rows = append(rows, x)
		}
		return rs.Close()
	})
	for _, x := range rows {
		out = append(out, p.letter(mailstore.UID(x.uid), mailstore.MessageID(x.msg)))
	}
	return out
}

// letter is a message read back.
type letter struct {
	uid     mailstore.UID
	raw     string // as a client sees it
	subject string
	text    string
	inReply string
}

func (p *province) letter(uid mailstore.UID, id mailstore.MessageID) letter {
	p.t.Helper()
	c, err := p.boxes.Content(p.t.Context(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	raw, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		p.t.Fatal(err)
	}
	scan := mail.NewScanner(mail.Limits{})
	if _, err := scan.Write(raw); err != nil {
		p.t.Fatal(err)
	}
	m := scan.Finish()
	text, err := io.ReadAll(m.Root.Decoder(strings.NewReader(string(raw))))
	if err != nil {
		p.t.Fatal(err)
	}
	return letter{
		uid: uid, raw: string(raw), subject: m.Envelope.Subject, text: string(text), inReply: m.Envelope.InReplyTo,
	}
}

// state is everything that an act may change, to see that a refused one
// changed nothing.
func (p *province) state() string {
	p.t.Helper()
	var out string
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		return r.QueryRow(ctx, `
SELECT (SELECT count(*) || '/' || coalesce(max(seq), 0) FROM journal) || ' ' ||
  (SELECT count(*) FROM status_event) || ' ' || (SELECT count(*) FROM register_entry) || ' ' ||
  (SELECT coalesce(sum(last_number), 0) FROM register_book) || ' ' ||
  (SELECT group_concat(id || state || status || mailbox_id || ':' || uid, ',') FROM dispatch) || ' ' ||
  (SELECT group_concat(mailbox_id || ':' || uid, ',') FROM entry) || ' ' ||
  (SELECT group_concat(document_id || ':' || dirty || ':' || made_us, ',') FROM tracking)`).Scan(&out)
	})
	return out
}

// verify fails the test when documents or registers are not intact, or a
// dispatch's message is not in the folder of its state.
func (p *province) verify() {
	p.t.Helper()
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		rep, err := docstore.Verify(ctx, r)
		if rep.First != nil {
			p.t.Errorf("Verify: %v", rep.First)
		}
		return err
	})
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		rows, err := r.Query(ctx, `
SELECT d.id, d.state, m.role, m.unit_id = d.to_unit, e.uid IS NOT NULL FROM dispatch d
LEFT JOIN mailbox m ON m.id = d.mailbox_id
LEFT JOIN entry e ON e.mailbox_id = d.mailbox_id AND e.uid = d.uid
WHERE d.mailbox_id <> 0`)
		if err != nil {
			return err
		}
		for rows.Next() {
			var id int64
			var state, role string
			var own, there bool
			if err := rows.Scan(&id, &state, &role, &own, &there); err != nil {
				return err
			}
			want := map[string]string{
				"arrived": "den.cho", "registered": "den.so", "processing": "den.xuly", "completed": "den.xong",
				"refused": "den.tuchoi.",
			}[state]
			if !own || !there || !strings.HasPrefix(role, want) {
				p.t.Errorf("dispatch %d in state %s lies in %s (own %v, there %v)", id, state, role, own, there)
			}
		}
		return rows.Close()
	})
}

func wantKind(t testing.TB, err error, want fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != want {
		t.Fatalf("error = %v, want one of kind %v", err, want)
	}
	if s := fault.Sentence(err); s.EN == "" || s.VI == "" {
		t.Errorf("sentence = %+v, want both languages", s)
	}
}

// morning is a clock that stands still.
func morning() time.Time { return time.Date(2026, 11, 23, 2, 14, 5, 0, time.UTC) }

func (p *province) remove(box mailstore.MailboxID, uid mailstore.UID) {
	p.t.Helper()
	p.update(func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := p.boxes.Remove(ctx, tx, box, mailstore.UIDs(uid))
		return err
	})
}
