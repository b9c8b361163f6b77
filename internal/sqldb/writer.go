package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"vanthu/internal/fault"
)

// maxGroup bounds how many functions share one commit, so that the first of
// them does not wait for ever under load.
const maxGroup = 256

// writer is the one goroutine that changes the database.
type writer struct {
	db    *DB
	pool  *sql.DB
	conn  *statements
	work  chan *job
	quit  chan struct{}
	done  chan struct{}
	close func() error
}

type job struct {
	ctx   context.Context //nolint:containedctx // a queue entry, read once before the job begins
	fn    func(*Tx) error
	tx    Tx
	err   error
	reply chan error
}

func openWriter(ctx context.Context, path string, d *DB) (*writer, error) {
	pool := openWritable(path)
	pool.SetMaxOpenConns(1)
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s for writing: %w", path, err), pool.Close())
	}
	if err := verifyConn(ctx, c, true); err != nil {
		return nil, errors.Join(err, c.Close(), pool.Close())
	}
	if _, err := c.ExecContext(ctx, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", checkpointPages)); err != nil {
		return nil, errors.Join(err, c.Close(), pool.Close())
	}
	w := &writer{
		db: d, pool: pool, conn: &statements{conn: c, cache: map[string]*sql.Stmt{}},
		work: make(chan *job, maxGroup), quit: make(chan struct{}), done: make(chan struct{}),
	}
	w.close = sync.OnceValue(w.stop)
	go w.run()
	return w, nil
}

// Update runs fn in a transaction and returns nil once that is durable.
//
// All functions that wait at the same time run one after another in one
// transaction, each as if behind a savepoint, and are committed by one flush: fn
// that fails is undone alone, and its error returned as it is. fn sees what
// earlier ones did. It must do nothing but database work, and be short: every
// other writer waits for it. It must not call Update or View.
//
// ctx counts only until fn begins; after that the outcome is awaited, so that
// nobody is told "failed" about something that was kept. Errors of the disk
// are [ErrFull] and [ErrBroken]; then nothing of fn was kept.
func (d *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	if d.writer == nil {
		return fault.New(fault.Denied, fault.Text{EN: "the data was opened for reading only"})
	}
	if err := d.Err(); err != nil {
		return err
	}
	j := &job{ctx: ctx, fn: fn, reply: make(chan error, 1)}
	select {
	case d.writer.work <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-d.writer.quit:
		return ErrBroken
	}
	select {
	case err := <-j.reply:
		return err
	case <-d.writer.done:
		select {
		case err := <-j.reply:
			return err
		default:
			return ErrBroken
		}
	}
}

func (w *writer) stop() error {
	close(w.quit)
	<-w.done
	return errors.Join(w.conn.conn.Close(), w.pool.Close())
}

func (w *writer) run() {
	defer close(w.done)
	group := make([]*job, 0, maxGroup)
	for {
		group = group[:0]
		select {
		case j := <-w.work:
			group = append(group, j)
		case <-w.quit:
			return
		}
	gather:
		for len(group) < maxGroup {
			select {
			case j := <-w.work:
				group = append(group, j)
			default:
				break gather
			}
		}
		w.commit(group)
		clear(group)
	}
}

// commit runs the jobs of one group in one transaction and answers them all.
func (w *writer) commit(group []*job) {
	err := w.db.Err()
	if err == nil {
		err = w.perform(group)
	}
	if err != nil {
		switch {
		case isFull(err):
			err = fmt.Errorf("%w: %w", ErrFull, err)
		case isIOError(err):
			w.db.breakDown(err)
			err = w.db.Err()
		}
	}
	for _, j := range group {
		if j.err == nil {
			j.err = err
		}
		if j.err == nil {
			for _, fn := range j.tx.onCommit {
				fn()
			}
		}
		j.reply <- j.err
	}
}

// perform returns an error when nothing of the group was kept; a job's own
// error is in the job. As long as nothing was kept the whole transaction is as
// good as a savepoint, and cheaper: a job alone in its group, the usual case,
// needs none.
func (w *writer) perform(group []*job) error {
	begun, kept := false, 0
	for _, j := range group {
		if j.err = j.ctx.Err(); j.err != nil {
			continue
		}
		if !begun {
			if err := w.conn.exec("BEGIN IMMEDIATE"); err != nil {
				return fmt.Errorf("begin transaction: %w", err)
			}
			begun = true
		}
		guarded := kept > 0
		if guarded {
			if err := w.conn.exec("SAVEPOINT one"); err != nil {
				return w.rollback(fmt.Errorf("set savepoint: %w", err))
			}
		}
		j.tx.conn = w.conn
		j.err = protect(j)
		switch cause := j.err; {
		case cause == nil:
			kept++
		case isFull(cause) || isIOError(cause):
			j.err = nil
			return w.rollback(cause) // SQLite may have ended the transaction by itself
		case !guarded:
			if err := w.rollback(nil); err != nil {
				return err
			}
			begun = false
			continue
		default:
			if err := w.conn.exec("ROLLBACK TO one"); err != nil {
				return w.rollback(fmt.Errorf("roll back to savepoint: %w", err))
			}
		}
		if guarded {
			if err := w.conn.exec("RELEASE one"); err != nil {
				return w.rollback(fmt.Errorf("release savepoint: %w", err))
			}
		}
	}
	if kept == 0 {
		return nil
	}
	if err := w.conn.exec("COMMIT"); err != nil {
		return w.rollback(fmt.Errorf("commit: %w", err))
	}
	return nil
}

// rollback undoes the transaction and returns cause. That a transaction is
// already gone is no error: SQLite ends it by itself after some failures.
func (w *writer) rollback(cause error) error {
	if err := w.conn.exec("ROLLBACK"); err != nil && cause == nil {
		return fmt.Errorf("roll back: %w", err)
	}
	return cause
}

// protect turns a panic in fn into an error, so that one bad request does not
// end the writer of all others.
func protect(j *job) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in transaction: %v\n%s", r, debug.Stack())
		}
	}()
	return j.fn(&j.tx)
}
