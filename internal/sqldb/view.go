package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// readPool keeps read-only connections, each with its prepared statements.
type readPool struct {
	db   *sql.DB
	idle chan *statements // nil element: a connection not opened yet
	size int
	path string
}

func openReaders(ctx context.Context, path string, n int, untouched bool) (*readPool, error) {
	p := &readPool{db: openReadable(path, untouched), idle: make(chan *statements, n), size: n, path: path}
	p.db.SetMaxOpenConns(n)
	p.db.SetMaxIdleConns(n)
	first, err := p.open(ctx)
	if err != nil {
		return nil, errors.Join(err, p.db.Close())
	}
	for range n - 1 {
		p.idle <- nil
	}
	p.idle <- first
	return p, nil
}

func (p *readPool) open(ctx context.Context) (*statements, error) {
	c, err := p.db.Conn(context.WithoutCancel(ctx))
	if err != nil {
		return nil, fmt.Errorf("open %s for reading: %w", p.path, err)
	}
	if err := verifyConn(ctx, c, false); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &statements{conn: c, cache: map[string]*sql.Stmt{}}, nil
}

func (p *readPool) close() error {
	for range p.size {
		if s := <-p.idle; s != nil {
			if err := s.conn.Close(); err != nil {
				return err
			}
		}
	}
	return p.db.Close()
}

// snapshot is the Reader that View hands out.
type snapshot struct{ s *statements }

func (v snapshot) Query(_ context.Context, q string, args ...any) (*sql.Rows, error) {
	return v.s.query(q, args)
}

func (v snapshot) QueryRow(_ context.Context, q string, args ...any) *sql.Row {
	return v.s.queryRow(q, args)
}

// View runs fn on one snapshot of the data: whatever is committed meanwhile,
// fn sees the state of its first query. It waits for a free connection, and
// returns ctx's error when ctx ends first. fn should be short: a snapshot kept
// open keeps the write-ahead log from being reused.
func (d *DB) View(ctx context.Context, fn func(r Reader) error) (err error) {
	var s *statements
	select {
	case s = <-d.readers.idle:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s == nil {
		if s, err = d.readers.open(ctx); err != nil {
			d.readers.idle <- nil
			return err
		}
	}
	defer func() { d.readers.idle <- s }()
	if err := s.exec("BEGIN"); err != nil {
		return fmt.Errorf("begin snapshot: %w", err)
	}
	defer func() { err = errors.Join(err, s.exec("COMMIT")) }()
	return fn(snapshot{s})
}
