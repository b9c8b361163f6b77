package mailstore_test

import (
	"testing"

	"vanthu/internal/blob"
	"vanthu/internal/mailstore"
	"vanthu/internal/mailstore/storetest"
	"vanthu/internal/sqldb/sqldbtest"
)

// open opens a store on SQLite.
func open(t testing.TB, opt mailstore.Options) storetest.Rig {
	t.Helper()
	dir := t.TempDir()
	blobs, err := blob.Open(blob.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	db := sqldbtest.Open(t)
	s, err := mailstore.Open(t.Context(), db, blobs, opt)
	if err != nil {
		t.Fatal(err)
	}
	return storetest.Rig{Store: s, DB: db, Blobs: blobs, Dir: dir}
}

func TestSQLite(t *testing.T) { storetest.Run(t, open) }
