package docstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"vanthu/internal/edoc"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// DocumentByMessage returns the document that came with a message, or
// [ErrNoDocument].
func DocumentByMessage(ctx context.Context, r sqldb.Reader, m MessageRef) (Document, error) {
	return oneDocument(r.QueryRow(ctx, qDocumentByMessage, int64(m)))
}

// RecognitionOf gives what was recognised of a document, with the evidence of
// each field, so that more can be added to it.
func RecognitionOf(ctx context.Context, r sqldb.Reader, doc Document) (edoc.Recognition, error) {
	var evidence, signer string
	if err := r.QueryRow(ctx, qEvidence, int64(doc.ID)).Scan(&evidence, &signer); err != nil {
		return edoc.Recognition{}, fmt.Errorf("read the evidence of a document: %w", err)
	}
	rec := edoc.Recognition{
		Level: doc.Level, DocID: doc.EdXMLID, Type: doc.Type, Abstract: doc.Abstract, Issued: doc.Issued, Year: doc.Year,
		Urgency: doc.Urgency, Due: doc.Due,
	}
	if err := json.Unmarshal([]byte(evidence), &rec.Evidence); err != nil {
		return edoc.Recognition{}, fmt.Errorf("read the evidence of a document: %w", err)
	}
	if signer != "" {
		if err := json.Unmarshal([]byte(signer), &rec.Signer); err != nil {
			return edoc.Recognition{}, fmt.Errorf("read the signer of a document: %w", err)
		}
	}
	if doc.Code != "" {
		code, err := edoc.ParseCode(doc.Code)
		if err != nil {
			return edoc.Recognition{}, fmt.Errorf("read the code of a document: %w", err)
		}
		rec.Code = &code
	}
	return rec, nil
}

// Improve records what the document's files say beside what was declared:
// fields that were not known, evidence, relations and warnings. What makes the
// document's identity, its number and symbol, stays; where a file says
// something else, that is evidence with a conflict, and a warning. actor is who
// read the files: the server.
func (s *Store) Improve(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, doc Document, rec edoc.Recognition, warnings []Warning) error {
	evidence, err := json.Marshal(rec.Evidence)
	if err != nil {
		return fmt.Errorf("encode evidence: %w", err)
	}
	signer, err := signerText(rec.Signer)
	if err != nil {
		return err
	}
	if rec.Year != 0 {
		doc.Year = rec.Year
	}
	if _, err := tx.Exec(ctx, qImprove, doc.Year, sqldb.Micros(rec.Issued), rec.Type.Abbr, rec.Type.Name, rec.Abstract, signer,
		int(rec.Urgency), sqldb.Micros(rec.Due), string(evidence), int64(doc.ID)); err != nil {
		return fmt.Errorf("improve a document: %w", err)
	}
	if err := s.index(ctx, tx, doc.ID); err != nil {
		return err
	}
	if doc.Due.IsZero() && !rec.Due.IsZero() {
		if _, err := tx.Exec(ctx, qDispatchesDue, sqldb.Micros(rec.Due), int64(doc.ID)); err != nil {
			return fmt.Errorf("set the due time of dispatches: %w", err)
		}
	}
	for _, w := range warnings {
		if err := s.AddWarning(ctx, tx, doc.ID, w); err != nil {
			return err
		}
	}
	if rec.Layout != nil {
		if err := s.addRelations(ctx, tx, doc, rec.Layout.Relations); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(evidence)
	if _, err := journal.Append(ctx, tx, journal.Event{
		At: s.time(), Type: "doc.files_read", Actor: actor, Subject: string(doc.ULID), Unit: int64(doc.Issuer),
		Data: filesReadData{doc.ULID, hex.EncodeToString(sum[:]), len(warnings)},
	}); err != nil {
		return errJournal(err)
	}
	return s.touchTracking(ctx, tx, doc)
}

type filesReadData struct {
	Document ULID   `json:"document"`
	Evidence string `json:"evidence_sha256"`
	Warnings int    `json:"warnings"`
}

// addRelations records what a document's text says of others, and finds those
// that are known here: of one issuer's year the newest.
func (s *Store) addRelations(ctx context.Context, tx *sqldb.Tx, doc Document, list []edoc.Relation) error {
	for _, rel := range list {
		known, err := DocumentsByCode(ctx, tx, rel.Code)
		if err != nil {
			return err
		}
		var target DocumentID
		for _, k := range known {
			if k.ID < doc.ID {
				target = k.ID
			}
		}
		if _, err := tx.Exec(ctx, qInsertRelation, int64(doc.ID), string(rel.Kind), rel.Code.String(), rel.Code.Key(), int64(target)); err != nil {
			return fmt.Errorf("record a relation: %w", err)
		}
	}
	return nil
}

// Answers records that one document answers another.
func (s *Store) Answers(ctx context.Context, tx *sqldb.Tx, doc DocumentID, answered Document) error {
	if answered.Code == "" {
		return nil // a relation names its document by its code
	}
	key := edoc.Code{Number: answered.Number, Suffix: answered.Suffix, Symbol: answered.Symbol}.Key()
	if _, err := tx.Exec(ctx, qInsertRelation, int64(doc), string(edoc.RelationReplies), answered.Code, key, int64(answered.ID)); err != nil {
		return fmt.Errorf("record what a document answers: %w", err)
	}
	return nil
}

// A RelationView is a relation as it is shown.
type RelationView struct {
	Kind     edoc.RelationKind `json:"kind"`
	Code     string            `json:"code"`
	Document ULID              `json:"document,omitempty"` // when it is known here
}

// Relations returns what a document's text says of others.
func Relations(ctx context.Context, r sqldb.Reader, doc DocumentID) ([]RelationView, error) {
	return collect(ctx, r, func(r row) (v RelationView, err error) {
		err = r.Scan(&v.Kind, &v.Code, &v.Document)
		return v, err
	}, qRelations, int64(doc))
}

const (
	qDocumentByMessage = `SELECT ` + documentColumns + ` FROM document WHERE message_id = $1 ORDER BY id LIMIT 1`
	qEvidence          = `SELECT evidence, signer FROM document WHERE id = $1`
	qImprove           = `
UPDATE document SET year = $1, issued_us = $2, type_abbr = $3, type_name = $4, abstract = $5, signer = $6, urgency = $7, due_us = $8, evidence = $9
WHERE id = $10`
	qDispatchesDue  = `UPDATE dispatch SET due_us = $1, due_tier = 'issuer' WHERE document_id = $2 AND kind = 'chinh' AND due_us = 0`
	qInsertRelation = `
INSERT INTO document_relation (document_id, kind, code, code_key, target_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (document_id, kind, code) DO UPDATE SET target_id = excluded.target_id`
	qRelations = `
SELECT r.kind, r.code, COALESCE(d.ulid, '') FROM document_relation r LEFT JOIN document d ON d.id = r.target_id
WHERE r.document_id = $1 ORDER BY r.kind, r.code`
)
