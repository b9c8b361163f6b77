//go:build !sqlite_fts5

package sqldb

// SQLite's full-text search is a build tag of the driver. Without it every
// search would fail at run time, so the build fails here instead.
var _ = build_vanthu_with__tags_sqlite_fts5__or_run_make_build
