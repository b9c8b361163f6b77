package mailstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"vanthu/internal/blob"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// VerifyOptions tunes [Verify].
type VerifyOptions struct {
	Each     func(Wrong)          // called for every wrong thing; nil means none
	Progress func(messages int64) // called now and then; nil means never
}

// Wrong is one thing that is not as it must be.
type Wrong struct {
	Kind     string // what is wrong, such as "body hash" or "mailbox counters"
	Key      string // of the row or file, such as "message 12" or "mailbox 3 uid 9"
	Expected string
	Found    string
}

// Report is what [Verify] looked at and found.
type Report struct {
	Mailboxes int64
	Entries   int64
	Messages  int64
	Octets    int64 // of the messages
	Blobs     int64 // files hashed
	Wrongs    int64
	First     *Wrong // nil when everything is right
}

const (
	qAllMessages = `SELECT id, size, sha256, in_blob, prefix, structure, header, body FROM message WHERE id > $1 ORDER BY id LIMIT 256`

	// Each of these gives rows of something wrong: two numbers that name it,
	// what was expected and what was found.
	qNoMessage = `
SELECT e.mailbox_id, e.uid, 'message ' || e.message_id, 'none' FROM entry AS e
WHERE NOT EXISTS (SELECT 1 FROM message AS m WHERE m.id = e.message_id) ORDER BY e.mailbox_id, e.uid`
	qEntrySize = `
SELECT e.mailbox_id, e.uid, CAST(m.size AS TEXT), CAST(e.size AS TEXT) FROM entry AS e
JOIN message AS m ON m.id = e.message_id WHERE m.size <> e.size ORDER BY e.mailbox_id, e.uid`
	qEntryRange = `
SELECT e.mailbox_id, e.uid, 'below ' || b.uid_next || ', at most ' || b.modseq, e.uid || ', ' || e.modseq FROM entry AS e
JOIN mailbox AS b ON b.id = e.mailbox_id WHERE e.uid >= b.uid_next OR e.uid < 1 OR e.modseq > b.modseq ORDER BY e.mailbox_id, e.uid`
	qNoMailbox = `
SELECT e.mailbox_id, e.uid, 'a mailbox', 'none' FROM entry AS e
WHERE NOT EXISTS (SELECT 1 FROM mailbox AS b WHERE b.id = e.mailbox_id AND b.selectable = 1) ORDER BY e.mailbox_id, e.uid`
	qResurrected = `
SELECT x.mailbox_id, x.uid, 'gone', 'there' FROM expunged AS x
WHERE EXISTS (SELECT 1 FROM entry AS e WHERE e.mailbox_id = x.mailbox_id AND e.uid = x.uid) ORDER BY x.mailbox_id, x.uid`
	qCounters = `
SELECT b.id, 0, coalesce(e.n, 0) || ' ' || coalesce(e.unseen, 0) || ' ' || coalesce(e.deleted, 0) || ' ' || coalesce(e.octets, 0),
  b.messages || ' ' || b.unseen || ' ' || b.deleted || ' ' || b.octets
FROM mailbox AS b LEFT JOIN (
  SELECT mailbox_id, count(*) AS n, sum(CASE WHEN flags & 1 = 0 THEN 1 ELSE 0 END) AS unseen,
    sum(CASE WHEN flags & 8 <> 0 THEN 1 ELSE 0 END) AS deleted, sum(size) AS octets
  FROM entry GROUP BY mailbox_id) AS e ON e.mailbox_id = b.id
WHERE b.messages <> coalesce(e.n, 0) OR b.unseen <> coalesce(e.unseen, 0)
  OR b.deleted <> coalesce(e.deleted, 0) OR b.octets <> coalesce(e.octets, 0) ORDER BY b.id`
	qUsages = `
SELECT u.account_id, u.unit_id, coalesce(b.n, 0) || ' ' || coalesce(b.octets, 0), u.messages || ' ' || u.octets
FROM usage AS u LEFT JOIN (
  SELECT account_id, unit_id, sum(messages) AS n, sum(octets) AS octets FROM mailbox GROUP BY account_id, unit_id) AS b
  ON b.account_id = u.account_id AND b.unit_id = u.unit_id
WHERE u.messages <> coalesce(b.n, 0) OR u.octets <> coalesce(b.octets, 0) ORDER BY u.account_id, u.unit_id`

	qCountMailboxes = `SELECT count(*) FROM mailbox`
	qCountEntries   = `SELECT count(*) FROM entry`
)

// Verify reads everything and compares: bodies with their hashes, sizes and
// structures, entries with messages and mailboxes, counters with what they
// count. It changes nothing and needs no running server. The error is for
// trouble with reading; what is wrong is in the report. On a store that is in
// use a message deleted meanwhile may be reported with its file missing.
func Verify(ctx context.Context, r sqldb.Reader, blobs *blob.Store, opt VerifyOptions) (Report, error) {
	v := verifier{r: r, blobs: blobs, opt: opt}
	for _, c := range []struct {
		q string
		n *int64
	}{{qCountMailboxes, &v.rep.Mailboxes}, {qCountEntries, &v.rep.Entries}} {
		if err := r.QueryRow(ctx, c.q).Scan(c.n); err != nil {
			return v.rep, fmt.Errorf("verify mail store: %w", err)
		}
	}
	for _, c := range []struct{ q, kind, key string }{
		{qNoMailbox, "entry without mailbox", "mailbox %d uid %d"},
		{qNoMessage, "entry without message", "mailbox %d uid %d"},
		{qEntrySize, "size of entry", "mailbox %d uid %d"},
		{qEntryRange, "uid and mod-sequence of entry", "mailbox %d uid %d"},
		{qResurrected, "expunged entry", "mailbox %d uid %d"},
		{qCounters, "mailbox counters (messages unseen deleted octets)", "mailbox %d%.0d"},
		{qUsages, "usage (messages octets)", "account %d unit %d"},
	} {
		if err := v.rows(ctx, c.q, c.kind, c.key); err != nil {
			return v.rep, fmt.Errorf("verify mail store: %w", err)
		}
	}
	if err := v.seen(ctx); err != nil {
		return v.rep, fmt.Errorf("verify mail store: %w", err)
	}
	if err := v.messages(ctx); err != nil {
		return v.rep, fmt.Errorf("verify mail store: %w", err)
	}
	return v.rep, nil
}

type verifier struct {
	r     sqldb.Reader
	blobs *blob.Store
	opt   VerifyOptions
	rep   Report
}

func (v *verifier) wrong(w Wrong) {
	v.rep.Wrongs++
	if v.rep.First == nil {
		v.rep.First = &w
	}
	if v.opt.Each != nil {
		v.opt.Each(w)
	}
}

// rows reports every row of a query that gives wrong things.
func (v *verifier) rows(ctx context.Context, q, kind, key string) error {
	rows, err := v.r.Query(ctx, q)
	if err != nil {
		return err
	}
	return scanAll(rows, func(scan func(...any) error) error {
		var a, b int64
		w := Wrong{Kind: kind}
		if err := scan(&a, &b, &w.Expected, &w.Found); err != nil {
			return err
		}
		w.Key = fmt.Sprintf(key, a, b)
		v.wrong(w)
		return nil
	})
}

// record is a message's row.
type record struct {
	id, size, inBlob                     int64
	sum, prefix, structure, header, body []byte
}

func (v *verifier) messages(ctx context.Context) error {
	for last := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var list []record
		rows, err := v.r.Query(ctx, qAllMessages, last)
		if err != nil {
			return err
		}
		err = scanAll(rows, func(scan func(...any) error) error {
			var m record
			err := scan(&m.id, &m.size, &m.sum, &m.inBlob, &m.prefix, &m.structure, &m.header, &m.body)
			list = append(list, m)
			return err
		})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return nil
		}
		for _, m := range list {
			if err := v.message(ctx, m); err != nil {
				return err
			}
		}
		last = list[len(list)-1].id
		if v.opt.Progress != nil {
			v.opt.Progress(v.rep.Messages)
		}
	}
}

func (v *verifier) message(ctx context.Context, m record) error {
	v.rep.Messages++
	v.rep.Octets += m.size
	key := fmt.Sprintf("message %d", m.id)
	if len(m.sum) != sha256.Size {
		v.wrong(Wrong{Kind: "hash", Key: key, Expected: "32 octets", Found: fmt.Sprint(len(m.sum))})
		return nil
	}
	want := m.size - int64(len(m.prefix))
	if st, err := mail.DecodeStructure(m.structure); err != nil {
		v.wrong(Wrong{Kind: "structure", Key: key, Expected: "readable", Found: err.Error()})
	} else if st.Size != want {
		v.wrong(Wrong{Kind: "size of structure", Key: key, Expected: fmt.Sprint(want), Found: fmt.Sprint(st.Size)})
	}
	h := blob.Hash(m.sum)
	if m.inBlob == 0 {
		received := slices.Concat(m.header, m.body)
		if int64(len(received)) != want {
			v.wrong(Wrong{Kind: "size of body", Key: key, Expected: fmt.Sprint(want), Found: fmt.Sprint(len(received))})
		}
		if got := blob.Hash(sha256.Sum256(received)); got != h {
			v.wrong(Wrong{Kind: "body hash", Key: key, Expected: h.String(), Found: got.String()})
		}
		return nil
	}
	return v.file(ctx, m, key, h, want)
}

// file checks the file of a large body.
func (v *verifier) file(ctx context.Context, m record, key string, h blob.Hash, want int64) error {
	key += " blob " + h.String()
	f, err := v.blobs.Open(h)
	if errors.Is(err, blob.ErrNotFound) {
		v.wrong(Wrong{Kind: "file", Key: key, Expected: "there", Found: "missing"})
		return nil
	}
	if err != nil {
		return err
	}
	size := f.Size()
	head := make([]byte, len(m.header))
	_, err = f.ReadAt(head, 0)
	if err := f.Close(); err != nil {
		return err
	}
	if (err != nil && !errors.Is(err, io.EOF)) || !bytes.Equal(head, m.header) {
		v.wrong(Wrong{Kind: "header", Key: key, Expected: "the first octets of the file", Found: "others"})
	}
	if size != want {
		v.wrong(Wrong{Kind: "size of file", Key: key, Expected: fmt.Sprint(want), Found: fmt.Sprint(size)})
	}
	v.rep.Blobs++
	err = v.blobs.Verify(ctx, h)
	if errors.Is(err, blob.ErrCorrupt) {
		v.wrong(Wrong{Kind: "file hash", Key: key, Expected: h.String(), Found: "another"})
		return nil
	}
	return err
}
