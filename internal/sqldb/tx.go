package sqldb

import (
	"context"
	"database/sql"
	"fmt"
)

// A Tx is the inside of one [DB.Update]. It lives on the writer's goroutine:
// use it only there, and only until the function returns. The contexts given
// to its methods are not watched: a statement that has begun always ends, so
// that the outcome of a commit is never in doubt.
type Tx struct {
	conn     *statements
	onCommit []func()
}

var _ Reader = (*Tx)(nil)

// Query runs a query. Close the rows before the next statement.
func (t *Tx) Query(_ context.Context, q string, args ...any) (*sql.Rows, error) {
	return t.conn.query(q, args)
}

// QueryRow runs a query of at most one row; a statement with RETURNING too,
// where speed does not matter: SQLite opens a temporary table for each.
func (t *Tx) QueryRow(_ context.Context, q string, args ...any) *sql.Row {
	return t.conn.queryRow(q, args)
}

// Exec runs a statement and returns how many rows it changed.
func (t *Tx) Exec(_ context.Context, q string, args ...any) (int64, error) {
	s, err := t.conn.prepare(q)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Insert runs an INSERT of one row and returns the integer primary key, called
// id, that the row was given. q has no RETURNING clause of its own.
func (t *Tx) Insert(_ context.Context, q string, args ...any) (id int64, err error) {
	s, err := t.conn.prepare(q)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// OnCommit has fn run once the transaction is durable, before Update returns,
// in the order of commits, on the writer's goroutine. It does not run when the
// function or the commit fails. fn must be quick and must not use the database.
func (t *Tx) OnCommit(fn func()) { t.onCommit = append(t.onCommit, fn) }

// statements is one connection with its prepared statements by their text.
type statements struct {
	conn  *sql.Conn
	cache map[string]*sql.Stmt
}

func (s *statements) prepare(q string) (*sql.Stmt, error) {
	if st, ok := s.cache[q]; ok {
		return st, nil
	}
	st, err := s.conn.PrepareContext(context.Background(), q)
	if err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	s.cache[q] = st
	return st, nil
}

func (s *statements) query(q string, args []any) (*sql.Rows, error) {
	st, err := s.prepare(q)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(context.Background(), args...)
}

func (s *statements) queryRow(q string, args []any) *sql.Row {
	st, err := s.prepare(q)
	if err != nil {
		// sql.Row has no other way to carry an error: let the connection
		// meet it again.
		return s.conn.QueryRowContext(context.Background(), q, args...)
	}
	return st.QueryRowContext(context.Background(), args...)
}

func (s *statements) exec(q string) error {
	st, err := s.prepare(q)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(context.Background())
	return err
}
