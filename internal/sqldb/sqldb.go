// Package sqldb is the database under every store: SQLite in WAL mode with
// synchronous=FULL, one writer that commits in groups, and a pool of
// read-only connections.
//
// It is the only package that knows a SQL driver. SQL itself lies in the
// packages that own the tables; it is written for two engines at once: $1…$n
// in ascending order of first use, integers in microseconds UTC, ON CONFLICT,
// RETURNING.
//
// Durability: Update returns nil only after COMMIT has been synced to disk.
// The driver would open WAL with synchronous=NORMAL, which may lose the last
// commits when the power fails, so the setting is in the DSN and is read back
// from every connection (../../docs/adr/0002-one-writer-group-commit.md).
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"vanthu/internal/fault"
)

// File is the name of the database inside the data folder.
const File = "vanthu.db"

// Options says where the data lies and how it is opened.
type Options struct {
	Dir      string       // data folder; it must exist
	ReadOnly bool         // look at the data without a lock and without writing anything
	Readers  int          // read connections at the same time; 0 means 4 + number of processors
	Log      *slog.Logger // nil discards
}

// DB is an open database. All methods may be called concurrently.
type DB struct {
	readers *readPool
	writer  *writer // nil when read-only
	lock    *os.File
	broken  atomic.Pointer[error]
	log     *slog.Logger
}

// Reader runs queries inside one snapshot. Both a [Tx] and the argument of
// [DB.View] are Readers. Rows must be closed before the next query.
type Reader interface {
	Query(ctx context.Context, q string, args ...any) (*sql.Rows, error)
	QueryRow(ctx context.Context, q string, args ...any) *sql.Row
}

// ErrLocked: another process works on this data folder.
var ErrLocked = errors.New("data folder is in use")

// ErrFull: the disk, or the database's limit, is full. Nothing was changed.
var ErrFull = fault.New(fault.Exhausted, fault.Text{
	EN: "the server's storage is full", VI: "máy chủ đã hết chỗ lưu trữ",
})

// ErrBroken: the disk reported an error that makes further writes unsafe.
// Reading goes on; writing needs a restart after the disk has been mended.
var ErrBroken = fault.New(fault.Temporary, fault.Text{
	EN: "the server's storage is not working, please try again later",
	VI: "hệ thống lưu trữ của máy chủ đang gặp sự cố, xin thử lại sau",
})

// Open opens the database in opt.Dir, makes it when it is not there, brings
// its schema up to date and verifies its settings. It fails with [ErrLocked]
// when another process holds the folder, and refuses a schema that is newer
// than this program without writing anything.
func Open(ctx context.Context, opt Options) (_ *DB, err error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Readers <= 0 {
		opt.Readers = 4 + runtime.NumCPU()
	}
	d := &DB{log: opt.Log}
	path := filepath.Join(opt.Dir, File)
	if opt.ReadOnly {
		if _, err := os.Stat(path); err != nil {
			return nil, fault.Wrap(fault.NotFound, err, fault.Text{EN: fmt.Sprintf("no vanthu data in %s", opt.Dir)})
		}
		d.readers, err = openReaders(ctx, path, opt.Readers, true)
		if err != nil {
			return nil, err
		}
		if err := d.checkVersion(ctx); err != nil {
			return nil, errors.Join(err, d.Close())
		}
		return d, nil
	}
	if d.lock, err = lockFolder(opt.Dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if err := migrate(ctx, path); err != nil {
		return nil, err
	}
	if d.writer, err = openWriter(ctx, path, d); err != nil {
		return nil, err
	}
	if d.readers, err = openReaders(ctx, path, opt.Readers, false); err != nil {
		return nil, err
	}
	return d, nil
}

// Close waits for the updates that have begun, then closes everything and
// gives the folder free. Updates that wait fail with [ErrBroken].
func (d *DB) Close() error {
	var errs []error
	if d.readers != nil {
		errs = append(errs, d.readers.close())
	}
	if d.writer != nil {
		errs = append(errs, d.writer.close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}

// Err returns [ErrBroken] wrapped around its cause when writing has stopped
// for good, and nil otherwise.
func (d *DB) Err() error {
	if p := d.broken.Load(); p != nil {
		return *p
	}
	return nil
}

func (d *DB) breakDown(cause error) {
	err := fmt.Errorf("%w: %w", ErrBroken, cause)
	if d.broken.CompareAndSwap(nil, &err) {
		d.log.Error("database stopped writing", "err", cause)
	}
}

// Micros converts a time to how the database keeps it: microseconds UTC.
// The zero time becomes 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time converts microseconds back to a time in UTC; 0 becomes the zero time.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// NoRows reports whether err says that a query found nothing.
func NoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// Exists reports whether dir holds a database already.
func Exists(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, File))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
