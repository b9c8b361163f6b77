package edxdrop

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// A kind is what a file in the outbox is.
type kind string

const (
	kindDocument kind = "document"
	kindStatus   kind = "status"
)

// outgoing is a file that is to be written.
type outgoing struct {
	id       int64
	kind     kind
	document docstore.DocumentID
	transfer string
	payload  []byte
	made     time.Time
}

// name is the file's name: sorted by time, the same whenever it is asked for.
func (o outgoing) name() string {
	short := "vb"
	if o.kind == kindStatus {
		short = "tt"
	}
	return fmt.Sprintf("%s-%06d-%s.edxml", o.made.UTC().Format("20060102T150405Z"), o.id, short)
}

// A file is written under its temporary name, its row is marked in the
// database, and only then it gets its name. So one that has a temporary name
// after a crash is either named now or written anew, and nothing is written
// twice however fast the other side takes it away.
func temporary(name string) string { return "." + name + ".tmp" }

// Send has a document written to the outbox for the organisations among its
// dispatches that belong to the transfer, within tx.
func (d *Drop) Send(ctx context.Context, tx *sqldb.Tx, doc docstore.Document, transfer string) error {
	if err := d.insert(ctx, tx, outgoing{kind: kindDocument, document: doc.ID, transfer: transfer}, d.DocumentID(doc)); err != nil {
		return err
	}
	tx.OnCommit(d.signal)
	return nil
}

// Report has a status written to the outbox, within tx.
func (d *Drop) Report(ctx context.Context, tx *sqldb.Tx, s edoc.StatusMessage) error {
	if d.opt.Outbox == "" {
		return nil // nobody wants to know
	}
	text, err := s.Encode()
	if err != nil {
		return fmt.Errorf("write a status: %w", err)
	}
	if err := d.insert(ctx, tx, outgoing{kind: kindStatus, payload: text}, s.ResponseFor.DocumentID); err != nil {
		return err
	}
	tx.OnCommit(d.signal)
	return nil
}

func (d *Drop) insert(ctx context.Context, tx *sqldb.Tx, o outgoing, edxmlID string) error {
	if o.payload == nil {
		o.payload = []byte{}
	}
	if _, err := tx.Exec(ctx, qInsert, string(o.kind), int64(o.document), o.transfer, edxmlID, o.payload, sqldb.Micros(d.opt.Now())); err != nil {
		return fmt.Errorf("remember an edXML file: %w", err)
	}
	return nil
}

// DocumentID gives the DocumentId under which a document of ours leaves.
func (d *Drop) DocumentID(doc docstore.Document) string {
	if doc.EdXMLID != "" {
		return doc.EdXMLID
	}
	unit, _ := d.stores.Directory.Snapshot().Unit(doc.Issuer)
	return edoc.NewDocumentID(edoc.Organization{OrganID: unit.Code}, issued(doc), codeOf(doc))
}

func issued(doc docstore.Document) time.Time {
	if doc.Issued.IsZero() {
		return doc.Created
	}
	return doc.Issued
}

func codeOf(doc docstore.Document) edoc.Code {
	c, err := edoc.ParseCode(doc.Code)
	if err != nil {
		return edoc.Code{Number: doc.Number, Suffix: doc.Suffix, Symbol: doc.Symbol}
	}
	return c
}

const writeBatch = 100

// write writes what waits.
func (d *Drop) write(ctx context.Context, in Inlet) error {
	if d.opt.Outbox == "" {
		return nil
	}
	if err := d.settle(ctx); err != nil {
		return err
	}
	for {
		var list []outgoing
		err := d.stores.DB.View(ctx, func(r sqldb.Reader) (err error) {
			list, err = waiting(ctx, r)
			return err
		})
		if err != nil {
			return err
		}
		for _, o := range list {
			if err := d.writeOne(ctx, in, o); err != nil {
				return fmt.Errorf("file %s: %w", o.name(), err)
			}
		}
		if len(list) < writeBatch {
			return nil
		}
	}
}

// settle gives the files their names that a crash, or an error, left without.
func (d *Drop) settle(ctx context.Context) error {
	if !d.unsure {
		return nil
	}
	entries, err := os.ReadDir(d.opt.Outbox)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ours := ownTemporary(e.Name())
		if !ours {
			continue
		}
		var written bool
		err := d.stores.DB.View(ctx, func(r sqldb.Reader) (err error) {
			written, err = isWritten(ctx, r, name)
			return err
		})
		if err != nil {
			return err
		}
		path := filepath.Join(d.opt.Outbox, e.Name())
		if written {
			err = os.Rename(path, filepath.Join(d.opt.Outbox, name))
		} else {
			err = os.Remove(path)
		}
		if err != nil {
			return err
		}
	}
	if err := syncDir(d.opt.Outbox); err != nil {
		return err
	}
	d.unsure = false
	return nil
}

// ownTemporary gives the final name of a file with a temporary name of ours.
func ownTemporary(name string) (final string, ok bool) {
	final, ok = strings.CutPrefix(name, ".")
	if !ok {
		return "", false
	}
	final, ok = strings.CutSuffix(final, ".tmp")
	_, known := idOf(final)
	return final, ok && known
}

// idOf gives the row that a file name of ours belongs to.
func idOf(name string) (int64, bool) {
	parts := strings.Split(strings.TrimSuffix(name, ".edxml"), "-")
	if len(parts) != 3 || parts[2] != "vb" && parts[2] != "tt" {
		return 0, false
	}
	id, err := strconv.ParseInt(parts[1], 10, 64)
	return id, err == nil
}

// writeOne writes one file and marks it written. A document that cannot be
// made a package of is given up, and its dispatches fail.
func (d *Drop) writeOne(ctx context.Context, in Inlet, o outgoing) error {
	var sent []docstore.Dispatch
	text := o.payload
	if o.kind == kindDocument {
		var err error
		text, sent, err = d.packageFor(ctx, o)
		switch {
		case err == nil && len(sent) == 0: // taken back before it left
			return d.stores.DB.Update(ctx, func(tx *sqldb.Tx) error { return d.mark(ctx, tx, o, "withdrawn") })
		case err != nil && permanent(err):
			d.opt.Log.WarnContext(ctx, "a document cannot be sent by edXML", "doc_id", int64(o.document), "err", err)
			return d.giveUp(ctx, in, o, sent, err)
		case err != nil:
			return err
		}
	}
	name := o.name()
	tmp := filepath.Join(d.opt.Outbox, temporary(name))
	d.unsure = true
	if err := writeSynced(tmp, text); err != nil {
		return err
	}
	if err := syncDir(d.opt.Outbox); err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	err := d.stores.DB.Update(ctx, func(tx *sqldb.Tx) error {
		if err := d.mark(ctx, tx, o, ""); err != nil {
			return err
		}
		for _, x := range sent {
			now, err := docstore.DispatchByID(ctx, tx, x.ID)
			if err != nil {
				return err
			}
			if now.State != docstore.StateQueued {
				return errTakenBack
			}
			if err := in.Documents.Outgoing(ctx, tx, docstore.Outgoing{
				Transfer: x.Transfer, Address: x.Address, Peer: x.Peer, Taken: true, Actor: journal.System("edxml"),
			}); err != nil {
				return err
			}
		}
		_, err := journal.Append(ctx, tx, journal.Event{
			At: d.opt.Now(), Type: "edxml.written", Actor: journal.System("edxml"), Subject: name,
			Data: map[string]any{"kind": string(o.kind), "document": int64(o.document), "transfer": o.transfer, "sha256": hex.EncodeToString(sum[:])},
		})
		return err
	})
	if errors.Is(err, errTakenBack) {
		return os.Remove(tmp) // the rest of the recipients get it at the next look
	}
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(d.opt.Outbox, name)); err != nil {
		return err
	}
	if err := syncDir(d.opt.Outbox); err != nil {
		return err
	}
	d.unsure = false
	return nil
}

// errTakenBack: the sender took a dispatch back while its file was made.
var errTakenBack = errors.New("a dispatch was taken back meanwhile")

// permanent tells whether trying again is of no use.
func permanent(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Denied, fault.Conflict:
		return true
	case fault.Temporary, fault.Exhausted:
	}
	return false
}

func (d *Drop) giveUp(ctx context.Context, in Inlet, o outgoing, sent []docstore.Dispatch, cause error) error {
	why := fault.Sentence(cause)
	return d.stores.DB.Update(ctx, func(tx *sqldb.Tx) error {
		for _, x := range sent {
			if err := in.Documents.Outgoing(ctx, tx, docstore.Outgoing{
				Transfer: x.Transfer, Address: x.Address, Peer: x.Peer, Actor: journal.System("edxml"), Note: why.VI,
			}); err != nil {
				return err
			}
		}
		return d.mark(ctx, tx, o, why.EN)
	})
}

func (d *Drop) mark(ctx context.Context, tx *sqldb.Tx, o outgoing, trouble string) error {
	if _, err := tx.Exec(ctx, qMark, []byte{}, sqldb.Micros(d.opt.Now()), trouble, o.id); err != nil {
		return fmt.Errorf("mark an edXML file: %w", err)
	}
	return nil
}

// writeSynced writes a file that is on disk when it returns.
func writeSynced(path string, text []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func waiting(ctx context.Context, r sqldb.Reader) (list []outgoing, err error) {
	rows, err := r.Query(ctx, qWaiting, writeBatch)
	if err != nil {
		return nil, fmt.Errorf("read which edXML files are to be written: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var o outgoing
		var made int64
		if err := rows.Scan(&o.id, &o.kind, &o.document, &o.transfer, &o.payload, &made); err != nil {
			return nil, err
		}
		o.made = sqldb.Time(made)
		list = append(list, o)
	}
	return list, rows.Err()
}

// isWritten tells whether the row of a file is marked.
func isWritten(ctx context.Context, r sqldb.Reader, name string) (bool, error) {
	id, _ := idOf(name)
	var at int64
	err := r.QueryRow(ctx, qWritten, id).Scan(&at)
	if sqldb.NoRows(err) {
		return false, nil
	}
	return at != 0, err
}

const (
	qInsert = `
INSERT INTO edxml_out (kind, document_id, transfer, edxml_id, payload, made_us, written_us, trouble)
VALUES ($1, $2, $3, $4, $5, $6, 0, '')`
	qWaiting = `
SELECT id, kind, document_id, transfer, payload, made_us FROM edxml_out WHERE written_us = 0 ORDER BY id LIMIT $1`
	qWritten = `SELECT written_us FROM edxml_out WHERE id = $1`
	qMark    = `UPDATE edxml_out SET payload = $1, written_us = $2, trouble = $3 WHERE id = $4`
	qSentAs  = `SELECT document_id FROM edxml_out WHERE kind = 'document' AND edxml_id = $1 ORDER BY id`
)
