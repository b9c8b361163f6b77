package workflow

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/extract"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// FileReader takes text out of foreign files.
type FileReader interface {
	Read(ctx context.Context, f extract.File, body io.Reader, want extract.Want) (extract.Document, error)
}

// What is read of a file: edoc.md §4.7.
const (
	firstPages   = 2
	lastPages    = 2
	maxFileText  = 200 << 10 // octets of text
	maxFilesRead = 20        // of one message
)

const filesTick = 30 * time.Second // how often RunFiles looks without being told

// KeywordMaybe marks ordinary mail that may be a document.
const KeywordMaybe = "$vb-co-the"

// RunFiles reads the files of messages that have been accepted, until ctx ends,
// and returns nil then. What is still to be read lies in the database.
//
// A document gets the fields that its own text shows, its relations, and
// warnings where sources disagree. Mail to a unit that turns out to be a
// document becomes one, in the unit's folder of those that wait; mail that
// may be one gets a keyword. edoc.md §4.6.
func (w *Workflow) RunFiles(ctx context.Context, files FileReader) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.docs.ChecksWanted():
		case <-timer.C:
		}
		for {
			more, err := w.readNext(ctx, files)
			if err != nil && ctx.Err() == nil {
				w.opt.Log.ErrorContext(ctx, "the files of a message have not been read", "err", err)
			}
			if !more || err != nil {
				break
			}
		}
		timer.Reset(filesTick)
	}
}

// readNext deals with one message, and reports whether there was one.
func (w *Workflow) readNext(ctx context.Context, files FileReader) (more bool, err error) {
	var c docstore.Check
	err = w.db.View(ctx, func(r sqldb.Reader) (err error) {
		c, more, err = docstore.NextCheck(ctx, r)
		return err
	})
	if err != nil || !more {
		return false, err
	}
	err = w.readFiles(ctx, files, c)
	if err == nil || ctx.Err() != nil {
		return err == nil, err
	}
	putOff := w.db.Update(ctx, func(tx *sqldb.Tx) error { return w.docs.PutOffCheck(ctx, tx, c) })
	return false, errors.Join(fmt.Errorf("message %d: %w", c.Message, err), putOff)
}

// readFiles reads the files of one message and records what they say.
func (w *Workflow) readFiles(ctx context.Context, files FileReader, c docstore.Check) (err error) {
	content, err := w.boxes.Content(ctx, mailstore.MessageID(c.Message))
	if errors.Is(err, mailstore.ErrNoMessage) || errors.Is(err, mailstore.ErrDamaged) {
		return w.db.Update(ctx, func(tx *sqldb.Tx) error { return w.docs.EndCheck(ctx, tx, c.Message) })
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	atts, err := attached(content)
	if err != nil {
		return err
	}
	texts, err := w.fileTexts(ctx, files, c, atts)
	if err != nil {
		return err
	}
	names := make([]string, len(atts))
	for i, a := range atts {
		names[i] = a.Name
	}
	// All that takes time is done before the transaction: the writer is for SQL.
	record, err := w.learn(ctx, c, content, found{texts, names})
	if err != nil {
		return err
	}
	return w.db.Update(ctx, func(tx *sqldb.Tx) error {
		if err := record(tx); err != nil {
			return err
		}
		return w.docs.EndCheck(ctx, tx, c.Message)
	})
}

// found is what was read of the files of a message.
type found struct {
	texts []edoc.FileText
	names []string // of all attached files
}

// packed gives the texts of all files in the form in which they are kept for
// searching.
func (f found) packed() []byte {
	var b strings.Builder
	for _, t := range f.texts {
		for _, p := range t.Pages {
			b.WriteString(p)
			b.WriteByte('\n')
		}
	}
	return docstore.PackText(b.String())
}

// learn decides what the files mean for the message, and gives what records it.
func (w *Workflow) learn(
	ctx context.Context, c docstore.Check, content *mailstore.Content, f found,
) (record func(*sqldb.Tx) error, err error) {
	var doc docstore.Document
	var rec edoc.Recognition
	var sent []docstore.Dispatch
	err = w.db.View(ctx, func(r sqldb.Reader) (err error) {
		if doc, err = docstore.DocumentByMessage(ctx, r, c.Message); err != nil {
			return err
		}
		if rec, err = docstore.RecognitionOf(ctx, r, doc); err != nil {
			return err
		}
		sent, err = docstore.Dispatches(ctx, r, doc.ID)
		return err
	})
	switch {
	case err == nil:
		rec.AddTexts(f.texts, f.names, doc.Created)
		warnings, text := w.warnings(rec, doc, sent), f.packed()
		return func(tx *sqldb.Tx) error {
			if err := w.docs.Improve(ctx, tx, reader(), doc, rec, warnings); err != nil {
				return err
			}
			if err := w.needLook(ctx, tx, sent, warnings); err != nil {
				return err
			}
			if err := w.docs.KeepText(ctx, tx, doc.ID, text); err != nil {
				return err
			}
			return w.holdSecret(ctx, tx, doc, rec.Secret)
		}, nil
	case !errors.Is(err, docstore.ErrNoDocument):
		return nil, err
	}
	rec.AddTexts(f.texts, f.names, c.Accepted)
	switch rec.Level {
	case edoc.L2:
		files, err := docstore.Describe(content.Structure.Root().Attachments(), content.Body())
		p := proposal{rec, files, f.packed()}
		return func(tx *sqldb.Tx) error { return w.adopt(ctx, tx, c, content, p) }, err
	case edoc.L3:
		return func(tx *sqldb.Tx) error { return w.mark(ctx, tx, c) }, nil
	}
	return func(*sqldb.Tx) error { return nil }, nil
}

// attachedFile is a file in a message: attached, or packed in an edXML package.
type attachedFile struct {
	extract.File
	open func() io.Reader
}

func attached(c *mailstore.Content) (list []attachedFile, err error) {
	for _, a := range c.Structure.Root().Attachments() {
		list = append(list, attachedFile{
			extract.File{Media: a.Type, Name: a.Name}, func() io.Reader { return a.Part.Decoder(c.Body()) },
		})
		if !edoc.IsEdXMLName(a.Name) {
			continue
		}
		packed, err := docstore.Unpack(a, c.Body())
		if err != nil {
			return nil, err
		}
		for _, p := range packed {
			list = append(list, attachedFile{
				extract.File{Media: p.Sniff(), Name: p.Name}, func() io.Reader { return bytes.NewReader(p.Data) },
			})
		}
	}
	return list, nil
}

// fileTexts reads the attached files that can be read. One that is damaged or
// too hard counts as one without a text.
func (w *Workflow) fileTexts(ctx context.Context, files FileReader, c docstore.Check, atts []attachedFile) ([]edoc.FileText, error) {
	var texts []edoc.FileText
	for _, a := range atts {
		if !a.Reads() || len(texts) == maxFilesRead {
			continue
		}
		doc, err := files.Read(ctx, a.File, a.open(), extract.Want{Octets: maxFileText, First: firstPages, Last: lastPages})
		if err != nil && (fault.KindOf(err) != fault.Invalid || ctx.Err() != nil) {
			return nil, err
		}
		if err != nil {
			w.opt.Log.InfoContext(ctx, "a file cannot be read", "msg_id", int64(c.Message), "err", err)
		}
		texts = append(texts, edoc.FileText{Name: a.Name, Pages: doc.Pages, Property: doc.Property})
	}
	return texts, nil
}

// reader is who the journal names when the server has read files.
func reader() journal.Actor { return journal.System("file-reader") }

// warnings gives what the files of a document give rise to.
func (w *Workflow) warnings(rec edoc.Recognition, doc docstore.Document, sent []docstore.Dispatch) []docstore.Warning {
	list := conflicts(rec)
	if rec.Secret != edoc.SecretNone {
		list = append(list, warnSecret(rec.Secret))
	}
	if rec.Layout != nil {
		list = append(list, w.missingRecipients(rec.Layout, doc, sent)...)
	}
	return list
}

// holdSecret puts a document whose file turned out to bear the mark of a state
// secret into quarantine at every unit whose clerk has not acted on it yet, and
// journals the incident; elsewhere only the warning tells of it. edoc.md §1.7
// and §4.3, row 9.
func (w *Workflow) holdSecret(ctx context.Context, tx *sqldb.Tx, doc docstore.Document, mark edoc.SecretLevel) error {
	if mark == edoc.SecretNone {
		return nil
	}
	if _, err := journal.Append(ctx, tx, journal.Event{
		At: w.opt.Now(), Type: "incident.secrecy", Actor: reader(), Subject: string(doc.ULID), Unit: int64(doc.Issuer),
		Data: map[string]any{"sha256": hex.EncodeToString(doc.BodySHA256[:]), "queue_id": doc.QueueID},
	}); err != nil {
		return fmt.Errorf("journal a secrecy mark: %w", err)
	}
	sent, err := docstore.Dispatches(ctx, tx, doc.ID)
	if err != nil {
		return err
	}
	units := w.dir.Snapshot()
	for _, d := range sent {
		if d.To == 0 || !docstore.May(d.State, d.Overlay, docstore.EventQuarantine) {
			continue
		}
		if _, err := w.carry(ctx, tx, units, d, docstore.Act{
			Event: docstore.EventQuarantine, Reason: edoc.ReasonSecret, Note: "tệp đính kèm có dấu chỉ độ mật", Source: docstore.SourceSystem,
		}, reader()); err != nil {
			return err
		}
	}
	return nil
}

// conflicts gives a warning for each field about which strong sources disagree.
func conflicts(rec edoc.Recognition) []docstore.Warning {
	var list []docstore.Warning
	for _, p := range rec.Problems {
		if p.Warning() {
			list = append(list, docstore.Warning{Code: p.Code, Text: p.Text})
		}
	}
	return list
}

// Codes of warnings that files give rise to.
const (
	WarnSecret     = "NOI_DUNG_MAT"
	WarnRecipients = "THIEU_NOI_NHAN"
)

func warnSecret(level edoc.SecretLevel) docstore.Warning {
	return docstore.Warning{Code: WarnSecret, Text: fault.Text{
		EN: "a file carries the state-secret mark " + level.String() + "; tell the officer for the protection of state secrets at once",
		VI: "tệp đính kèm có dấu chỉ độ mật “" + level.String() + "”; báo ngay cán bộ bảo vệ bí mật nhà nước",
	}}
}

// missingRecipients warns when the document names units of ours, under Kính
// gửi or Nơi nhận, to which it was not sent. Names that are no unit's, such as
// "các xã", are passed over.
func (w *Workflow) missingRecipients(l *edoc.Layout, doc docstore.Document, sent []docstore.Dispatch) []docstore.Warning {
	got := map[directory.UnitID]bool{doc.Issuer: true}
	for _, d := range sent {
		got[d.To] = true
	}
	units := map[string]directory.Unit{}
	for _, u := range w.dir.Snapshot().Units() {
		units[edoc.Fold(u.Name)] = u
	}
	var missing []string
	for _, name := range append(l.Addressee[:len(l.Addressee):len(l.Addressee)], l.Copies...) {
		u, ok := units[edoc.Fold(name)]
		if ok && !got[u.ID] {
			got[u.ID] = true
			missing = append(missing, u.Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	list := strings.Join(missing, ", ")
	return []docstore.Warning{{Code: WarnRecipients, Text: fault.Text{
		EN: "the document names recipients to whom it was not sent: " + list,
		VI: "văn bản ghi nơi nhận nhưng chưa được gửi tới: " + list,
	}}}
}

// mark sets the keyword on the copies of the message that are still where they
// were put.
func (w *Workflow) mark(ctx context.Context, tx *sqldb.Tx, c docstore.Check) error {
	for _, to := range c.Units {
		_, err := w.boxes.SetFlags(ctx, tx, mailstore.MailboxID(to.Place.Mailbox), mailstore.UIDs(mailstore.UID(to.Place.UID)), mailstore.FlagChange{
			Op: mailstore.AddFlags, Flags: mailstore.Flags{Keywords: []string{KeywordMaybe}},
		})
		if err != nil && !errors.Is(err, mailstore.ErrNoMailbox) {
			return err
		}
	}
	return nil
}

// proposal is mail that turned out to be a document.
type proposal struct {
	rec   edoc.Recognition
	files []docstore.File
	text  []byte // of the files, packed
}

// adopt makes a document of mail whose file leaves no doubt (level L2): each
// unit's copy goes to the folder of documents that wait. Units whose clerks
// have put their copy elsewhere meanwhile are left alone.
func (w *Workflow) adopt(ctx context.Context, tx *sqldb.Tx, c docstore.Check, content *mailstore.Content, p proposal) error {
	in := docstore.In{
		Recognition: p.rec, Files: p.files, From: c.From, MailID: docstore.MailID(content.Structure.Fields().MessageID), Message: c.Message,
		BodySHA256: content.SHA256, QueueID: c.QueueID, Actor: reader(), Source: docstore.SourceSystem,
	}
	in.Issuer, in.IssuerName = w.sendingUnit(c.From, content)
	for _, to := range c.Units {
		if to.Unit == in.Issuer {
			continue
		}
		waiting, err := w.boxes.Role(ctx, tx, to.Unit, mailstore.RoleIncoming)
		if err != nil {
			return err
		}
		uid, err := w.boxes.MoveEntry(ctx, tx, mailstore.MailboxID(to.Place.Mailbox), mailstore.UID(to.Place.UID), waiting)
		if errors.Is(err, mailstore.ErrNoMessage) || errors.Is(err, mailstore.ErrNoMailbox) {
			continue
		}
		if err != nil {
			return err
		}
		to.Place = place(waiting, uid)
		in.Recipients = append(in.Recipients, to)
	}
	if len(in.Recipients) == 0 {
		return nil
	}
	made, err := w.docs.Intake(ctx, tx, in)
	if err != nil || made.Resubmitted {
		return err
	}
	if err := w.docs.Improve(ctx, tx, reader(), made.Document, p.rec, conflicts(p.rec)); err != nil {
		return err
	}
	for _, d := range made.Dispatches {
		if err := w.arrived(ctx, tx, made.Document, d); err != nil {
			return err
		}
	}
	if err := w.docs.KeepText(ctx, tx, made.Document.ID, p.text); err != nil {
		return err
	}
	return w.holdSecret(ctx, tx, made.Document, p.rec.Secret)
}

// needLook marks the messages of a document about which there are warnings.
func (w *Workflow) needLook(ctx context.Context, tx *sqldb.Tx, sent []docstore.Dispatch, warnings []docstore.Warning) error {
	if len(warnings) == 0 {
		return nil
	}
	for _, d := range sent {
		d, err := docstore.DispatchByID(ctx, tx, d.ID) // it may have moved while its files were read
		if err != nil {
			return err
		}
		if d.To == 0 || d.Place == (docstore.Place{}) {
			continue
		}
		if err := w.keywords(ctx, tx, d.Place, marks{add: []string{docstore.LabelLook}}); err != nil {
			return err
		}
	}
	return nil
}

// sendingUnit gives the unit that a message comes from: where its author is a
// clerk, else where he has any role; from outside only a name.
func (w *Workflow) sendingUnit(from directory.AccountID, content *mailstore.Content) (directory.UnitID, string) {
	units := w.dir.Snapshot()
	name := ""
	if f := content.Structure.Fields().From; len(f) > 0 {
		if name = f[0].Name; name == "" {
			name = f[0].Addr
		}
	}
	a, ok := units.Account(from)
	if !ok {
		return 0, name
	}
	var found directory.Unit
	for _, r := range a.Roles {
		u, ok := units.Unit(r.Unit)
		if ok && u.Exists(w.opt.Now()) && (found.ID == 0 || r.Role == directory.RoleClerk) {
			found = u
			if r.Role == directory.RoleClerk {
				break
			}
		}
	}
	if found.ID == 0 {
		return 0, name
	}
	return found.ID, found.Name
}
