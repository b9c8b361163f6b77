package docstore

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/docstore/query"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// A SavedSearch is a query that somebody keeps under a name.
type SavedSearch struct {
	Name    string
	Query   string
	Sort    Sort     // "" is the usual one
	Columns []string // none are the usual ones
	Saved   time.Time
}

// Limits of saved searches.
const (
	maxSavedName = 60  // characters
	maxSaved     = 200 // of one account
)

// ErrNoSaved: no query is kept under that name.
var ErrNoSaved = fault.New(fault.NotFound, fault.Text{
	EN: "there is no saved search of this name; see vanthu doc saved list",
	VI: "không có tra cứu đã lưu với tên này; xem vanthu doc saved list",
})

// SaveSearch keeps a query for an account, 0 for the administrator at the
// machine. The same name again replaces what it stood for; names are compared
// folded.
func (s *Store) SaveSearch(ctx context.Context, tx *sqldb.Tx, who directory.AccountID, q SavedSearch) error {
	q.Name = strings.Join(strings.Fields(norm.NFC.String(q.Name)), " ")
	if n := utf8.RuneCountInString(q.Name); n == 0 || n > maxSavedName || nameKey(q.Name) == "" {
		return fault.New(fault.Invalid, fault.Text{
			EN: fmt.Sprintf("the name of a search has letters or digits and at most %d characters", maxSavedName),
			VI: fmt.Sprintf("tên tra cứu phải có chữ hoặc số và dài không quá %d ký tự", maxSavedName),
		})
	}
	have, err := SavedSearches(ctx, tx, who)
	if err != nil {
		return err
	}
	if len(have) >= maxSaved {
		return fault.New(fault.Exhausted, fault.Text{
			EN: fmt.Sprintf("%d searches are saved already; remove one first", maxSaved),
			VI: fmt.Sprintf("đã lưu %d tra cứu; hãy xóa bớt", maxSaved),
		})
	}
	if _, err := tx.Exec(ctx, qSaveSearch, int64(who), q.Name, nameKey(q.Name), q.Query, string(q.Sort),
		strings.Join(q.Columns, ","), sqldb.Micros(s.time())); err != nil {
		return fmt.Errorf("save a search: %w", err)
	}
	return nil
}

func nameKey(name string) string { return strings.Join(query.Words(name), " ") }

// SavedSearches returns what an account has saved, by name.
func SavedSearches(ctx context.Context, r sqldb.Reader, who directory.AccountID) ([]SavedSearch, error) {
	return collect(ctx, r, scanSaved, qSavedSearches, int64(who))
}

// SavedByName returns one of them, or [ErrNoSaved].
func SavedByName(ctx context.Context, r sqldb.Reader, who directory.AccountID, name string) (SavedSearch, error) {
	q, err := scanSaved(r.QueryRow(ctx, qSavedByName, int64(who), nameKey(name)))
	if sqldb.NoRows(err) {
		return SavedSearch{}, ErrNoSaved
	}
	return q, err
}

// ForgetSearch removes one of them; [ErrNoSaved] when it is not there.
func (s *Store) ForgetSearch(ctx context.Context, tx *sqldb.Tx, who directory.AccountID, name string) error {
	n, err := tx.Exec(ctx, qForgetSearch, int64(who), nameKey(name))
	if err != nil {
		return fmt.Errorf("forget a search: %w", err)
	}
	if n == 0 {
		return ErrNoSaved
	}
	return nil
}

func scanSaved(r row) (SavedSearch, error) {
	var q SavedSearch
	var columns string
	var saved int64
	if err := r.Scan(&q.Name, &q.Query, &q.Sort, &columns, &saved); err != nil {
		return SavedSearch{}, err
	}
	if columns != "" {
		q.Columns = strings.Split(columns, ",")
	}
	q.Saved = sqldb.Time(saved)
	return q, nil
}

const (
	qSaveSearch = `
INSERT INTO saved_search (account_id, name, name_key, query, sort, columns, saved_us) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (account_id, name_key) DO UPDATE SET name = excluded.name, query = excluded.query, sort = excluded.sort,
  columns = excluded.columns, saved_us = excluded.saved_us`
	qSavedSearches = `SELECT name, query, sort, columns, saved_us FROM saved_search WHERE account_id = $1 ORDER BY name_key`
	qSavedByName   = `SELECT name, query, sort, columns, saved_us FROM saved_search WHERE account_id = $1 AND name_key = $2`
	qForgetSearch  = `DELETE FROM saved_search WHERE account_id = $1 AND name_key = $2`
)
