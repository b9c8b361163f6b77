package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/mattn/go-sqlite3"
)

// checkpointPages is how many pages of 4 KiB the write-ahead log may gather
// before a commit copies them into the database. 16 MiB keeps the two extra
// flushes of a checkpoint rare and the log short enough to recover at once.
const checkpointPages = 4096

// connector opens connections of one kind with the driver, without the
// driver's global registry.
type connector struct {
	dsn    string
	driver *sqlite3.SQLiteDriver
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }

func dsn(path string, extra url.Values) string {
	v := url.Values{
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"on"},
		"_busy_timeout": {"5000"},
		// database/sql lets one goroutine at a time use a connection.
		"_mutex": {"no"},
	}
	for k, x := range extra {
		v[k] = x
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: v.Encode()}).String()
}

func openWritable(path string) *sql.DB {
	return sql.OpenDB(connector{
		dsn:    dsn(path, url.Values{"_journal_mode": {"WAL"}, "_txlock": {"immediate"}, "_cache_size": {"-32000"}}),
		driver: &sqlite3.SQLiteDriver{},
	})
}

func openReadable(path string, untouched bool) *sql.DB {
	v := url.Values{"mode": {"ro"}, "_query_only": {"on"}, "_cache_size": {"-4000"}}
	if untouched {
		// Without a write-ahead log nothing is pending, and with "immutable"
		// SQLite makes no -shm file either: a verifier leaves no trace.
		if st, err := os.Stat(path + "-wal"); err != nil || st.Size() == 0 {
			v.Set("immutable", "1")
		}
	}
	return sql.OpenDB(connector{dsn: dsn(path, v), driver: &sqlite3.SQLiteDriver{}})
}

// verifyConn reads the settings back that every promise rests on.
func verifyConn(ctx context.Context, c *sql.Conn, writable bool) error {
	want := []struct{ pragma, value string }{{"PRAGMA foreign_keys", "1"}, {"PRAGMA synchronous", "2"}}
	if writable {
		want = append(want, struct{ pragma, value string }{"PRAGMA journal_mode", "wal"})
	}
	for _, w := range want {
		var got string
		if err := c.QueryRowContext(ctx, w.pragma).Scan(&got); err != nil {
			return fmt.Errorf("read %s: %w", w.pragma, err)
		}
		if got != w.value {
			return fmt.Errorf("%s is %s, not %s: this file system cannot keep mail safely", w.pragma, got, w.value)
		}
	}
	return nil
}

// isFull and isIOError tell the two kinds of trouble with a disk apart:
// a full one heals by itself, a failing one must not be trusted again, since
// the kernel may have thrown unsynced pages away.
func isFull(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == sqlite3.ErrFull
}

func isIOError(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrIoErr || e.Code == sqlite3.ErrCorrupt ||
		e.Code == sqlite3.ErrNotADB || e.Code == sqlite3.ErrReadonly)
}

// IsUnique reports whether err is a broken UNIQUE or PRIMARY KEY constraint.
func IsUnique(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == sqlite3.ErrConstraint &&
		(e.ExtendedCode == sqlite3.ErrConstraintUnique || e.ExtendedCode == sqlite3.ErrConstraintPrimaryKey)
}
