package sqldb

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"vanthu/internal/fault"
)

// Forward-only, one file per owning package and change, each applied in one
// transaction, never edited after a release.
//
//go:embed migrations/sqlite/*.sql
var migrations embed.FS

// migrate brings the schema at path up to date. A schema newer than this
// program is left untouched.
func migrate(ctx context.Context, path string) (err error) {
	db := openWritable(path)
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()

	files, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	var there int
	if err := db.QueryRowContext(ctx, qHasVersions).Scan(&there); err != nil {
		return fmt.Errorf("look for the schema's version: %w", err)
	}
	if there > 0 {
		have, err := p.GetDBVersion(ctx)
		if err != nil {
			return fmt.Errorf("read the schema's version: %w", err)
		}
		if err := tooNew(have); err != nil {
			return err
		}
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

const (
	qHasVersions = `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`
	qVersion     = `SELECT max(version_id) FROM goose_db_version WHERE is_applied = 1`
)

// Version is the schema version that this program knows.
func Version() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/sqlite/*.sql")
	if err != nil {
		return 0, err
	}
	var last int64
	for _, n := range names {
		v, err := goose.NumericComponent(n)
		if err != nil {
			return 0, err
		}
		last = max(last, v)
	}
	return last, nil
}

func tooNew(have int64) error {
	know, err := Version()
	if err != nil {
		return err
	}
	if have > know {
		return fault.Newf(fault.Conflict,
			"the data has schema version %d, this program knows only %d: use the vanthu that wrote it, or a newer one", have, know)
	}
	return nil
}

// checkVersion refuses to read a schema that is newer or older than ours.
func (d *DB) checkVersion(ctx context.Context) error {
	var have int64
	err := d.View(ctx, func(r Reader) error { return r.QueryRow(ctx, qVersion).Scan(&have) })
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if err := tooNew(have); err != nil {
		return err
	}
	know, err := Version()
	if err != nil {
		return err
	}
	if have < know {
		return fault.Newf(fault.Conflict,
			"the data has schema version %d, this program needs %d: start the server once to migrate it", have, know)
	}
	return nil
}
