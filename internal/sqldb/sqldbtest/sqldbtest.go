// Package sqldbtest opens throw-away databases for the tests of the stores.
package sqldbtest

import (
	"testing"

	"vanthu/internal/sqldb"
)

// Open returns a migrated database in a folder of its own, closed when the
// test ends.
func Open(t testing.TB) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return db
}
