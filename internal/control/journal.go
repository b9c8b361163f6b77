package control

import (
	"context"
	"encoding/json"

	"vanthu/internal/sqldb"
)

// CallJournalEntries lists entries of the journal.
const CallJournalEntries = "journal.entries" // JournalList → []json.RawMessage, as docs/formats/journal.md has them

// JournalList chooses entries.
type JournalList struct {
	Ref   string `json:"ref,omitempty"`   // about this queue id, document, login …
	Limit int    `json:"limit,omitempty"` // the newest so many; 0 means 50
}

const qEntries = `SELECT body FROM journal WHERE ($1 = '' OR ref = $1) ORDER BY seq DESC LIMIT $2`

func (s *Service) journalEntries(ctx context.Context, req JournalList, _ Progress) (any, error) {
	if req.Limit <= 0 {
		req.Limit = 50
	}
	out := []json.RawMessage{}
	err := s.DB.View(ctx, func(r sqldb.Reader) error {
		rows, err := r.Query(ctx, qEntries, req.Ref, req.Limit)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err below has what counts
		for rows.Next() {
			var body []byte
			if err := rows.Scan(&body); err != nil {
				return err
			}
			out = append(out, body)
		}
		return rows.Err()
	})
	return out, err
}
