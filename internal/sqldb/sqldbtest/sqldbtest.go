// Package sqldbtest opens throw-away databases for the tests of the stores.
package sqldbtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"vanthu/internal/sqldb"
)

// made is the file of a migrated, empty database. Making it costs many times
// what copying it does, and a package opens hundreds.
var made = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "sqldbtest")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := sqldb.Open(context.Background(), sqldb.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil { // moves the log into the file
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, sqldb.File))
})

// Fill puts a migrated, empty database into a folder, which is made when it is
// not there.
func Fill(t testing.TB, dir string) {
	t.Helper()
	content, err := made()
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, sqldb.File), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Open returns a migrated database in a folder of its own, closed when the
// test ends.
func Open(t testing.TB) *sqldb.DB {
	t.Helper()
	dir := t.TempDir()
	Fill(t, dir)
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir})
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
