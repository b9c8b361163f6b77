package docstore

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"vanthu/docstore/query"
	"vanthu/internal/edoc"
	"vanthu/internal/sqldb"
)

// wordColumns are the columns of document_words, in the order of the lines of
// document_text.words.
func wordColumns() []query.Scope {
	return []query.Scope{
		query.ScopeCode, query.ScopeAbstract, query.ScopeType, query.ScopeIssuer, query.ScopeSigner, query.ScopeFile,
	}
}

// documentWords gives the folded words of each column of a document.
func documentWords(doc Document, signer edoc.Signer, files []string) []string {
	code := query.Words(doc.Code)
	if doc.Number > 0 {
		code = append(query.CodeWords(edoc.Code{Number: doc.Number, Suffix: doc.Suffix, Symbol: doc.Symbol}), code...)
	}
	columns := [][]string{
		code, query.Words(doc.Abstract), query.Words(doc.Type.Name + " " + doc.Type.Abbr), query.Words(doc.IssuerName),
		query.Words(signer.Competence + " " + signer.Position + " " + signer.FullName), query.Words(strings.Join(files, " ")),
	}
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = strings.Join(c, " ")
	}
	return out
}

// index makes a document findable by its fields as they are now. It belongs
// into every transaction that changes one of them.
func (s *Store) index(ctx context.Context, tx *sqldb.Tx, id DocumentID) error {
	doc, err := DocumentByID(ctx, tx, id)
	if err != nil {
		return err
	}
	rec, err := RecognitionOf(ctx, tx, doc)
	if err != nil {
		return err
	}
	files, err := Files(ctx, tx, id)
	if err != nil {
		return err
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	if _, err := tx.Exec(ctx, qDropWords, int64(id)); err != nil {
		return fmt.Errorf("index a document: %w", err)
	}
	return addWords(ctx, tx, id, documentWords(doc, rec.Signer, names))
}

// addWords enters the words of a document that has none in the index.
func addWords(ctx context.Context, tx *sqldb.Tx, id DocumentID, words []string) error {
	if _, err := tx.Exec(ctx, qSetWords, int64(id), strings.Join(words, "\n")); err != nil {
		return fmt.Errorf("index a document: %w", err)
	}
	if _, err := tx.Exec(ctx, qAddWords, int64(id), words[0], words[1], words[2], words[3], words[4], words[5]); err != nil {
		return fmt.Errorf("index a document: %w", err)
	}
	return nil
}

// MaxKeptText is how many octets of the text of a document's files are kept
// for showing where something was found.
const MaxKeptText = 64 << 10

// PackText makes the form in which the text of files is kept. It takes time,
// so it belongs in no transaction.
func PackText(text string) []byte {
	if len(text) > MaxKeptText {
		text = strings.ToValidUTF8(text[:MaxKeptText], "")
	}
	if strings.TrimSpace(text) == "" {
		return nil
	}
	return packer().EncodeAll([]byte(text), nil)
}

var packer = sync.OnceValue(func() *zstd.Encoder {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(128<<10))
	if err != nil {
		panic(err) // its options are good
	}
	return w
})

var unpacker = sync.OnceValue(func() *zstd.Decoder {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(1<<20))
	if err != nil {
		panic(err) // its options are good
	}
	return r
})

// KeepText keeps the text of a document's files, made by [PackText]; nil
// forgets it, as for a document whose content is destroyed.
func (s *Store) KeepText(ctx context.Context, tx *sqldb.Tx, id DocumentID, packed []byte) error {
	var text any // NULL
	if packed != nil {
		text = packed
	}
	if _, err := tx.Exec(ctx, qKeepText, text, int64(id)); err != nil {
		return fmt.Errorf("keep the text of a document's files: %w", err)
	}
	return nil
}

// KeptText gives the text of a document's files as it was read, "" for none.
func KeptText(ctx context.Context, r sqldb.Reader, id DocumentID) (string, error) {
	var packed []byte
	err := r.QueryRow(ctx, qKeptText, int64(id)).Scan(&packed)
	if sqldb.NoRows(err) || err == nil && len(packed) == 0 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the text of a document's files: %w", err)
	}
	text, err := unpacker().DecodeAll(packed, nil)
	if err != nil {
		return "", fmt.Errorf("read the text of a document's files: %w", err)
	}
	return string(text), nil
}

// indexAtOnce is how many documents one transaction of IndexOld takes.
const indexAtOnce = 128

// IndexOld makes the documents findable that were there before the search. It
// gives their number; there is nothing to do but once.
func (s *Store) IndexOld(ctx context.Context, db *sqldb.DB) (n int, err error) {
	for {
		var ids []DocumentID
		err := db.View(ctx, func(r sqldb.Reader) (err error) {
			ids, err = collect(ctx, r, func(r row) (id DocumentID, err error) {
				err = r.Scan(&id)
				return id, err
			}, qNotIndexed, indexAtOnce)
			return err
		})
		if err != nil || len(ids) == 0 {
			return n, err
		}
		err = db.Update(ctx, func(tx *sqldb.Tx) error {
			for _, id := range ids {
				if err := s.index(ctx, tx, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		n += len(ids)
	}
}

const (
	qSetWords = `
INSERT INTO document_text (document_id, words) VALUES ($1, $2) ON CONFLICT (document_id) DO UPDATE SET words = excluded.words`
	qDropWords = `DELETE FROM document_words WHERE rowid = $1`
	qAddWords  = `
INSERT INTO document_words (rowid, code, abstract, type, issuer, signer, files) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	qKeepText = `UPDATE document_text SET content = $1 WHERE document_id = $2`
	qKeptText = `SELECT content FROM document_text WHERE document_id = $1`
	// Documents are indexed with their intake, so those that are not are the oldest.
	qNotIndexed = `
SELECT id FROM document WHERE id < COALESCE((SELECT min(document_id) FROM document_text), 9223372036854775807)
ORDER BY id DESC LIMIT $1`
)
