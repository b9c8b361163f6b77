package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// CheckpointOptions tunes a Checkpointer.
type CheckpointOptions struct {
	Dir     string           // the journal folder; required
	Key     Key              // zero: KeyIn(Dir)
	Every   time.Duration    // longest time without a checkpoint when there are new entries; 0 means 60 s
	Entries int64            // most entries without one; 0 means 1,000
	Now     func() time.Time // nil means time.Now
	Log     *slog.Logger     // nil discards
}

// ErrRewound: the journal does not go on from what was signed. The database was
// put back to an earlier state, or rewritten.
var ErrRewound = fault.New(fault.Conflict, fault.Text{
	EN: "the journal does not agree with its newest signed checkpoint: the database was put back to an earlier state or rewritten",
	VI: "nhật ký không khớp với mốc đã ký gần nhất: cơ sở dữ liệu đã bị đưa về trạng thái cũ hoặc bị sửa",
})

// Checkpointer signs the journal's head from time to time.
type Checkpointer struct {
	db      *sqldb.DB
	every   time.Duration
	entries int64
	now     func() time.Time
	log     *slog.Logger
	signer  note.Signer

	mu   sync.Mutex
	file *os.File
	size int64 // of the whole records in file
	last Checkpoint
}

// lookEvery is how often the head is looked at.
const lookEvery = time.Second

// NewCheckpointer opens the file of checkpoints, removes the half-written one
// that a crash may have left at its end, and compares the last one with the
// journal. It fails with [ErrRewound] when they do not agree, and with fault.Conflict
// when the file itself is not genuine: better not to start than to sign
// what was tampered with.
func NewCheckpointer(ctx context.Context, db *sqldb.DB, opt CheckpointOptions) (*Checkpointer, error) {
	if opt.Key.File == "" {
		opt.Key = KeyIn(opt.Dir)
	}
	if opt.Every == 0 {
		opt.Every = time.Minute
	}
	if opt.Entries == 0 {
		opt.Entries = 1000
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	c := &Checkpointer{db: db, every: opt.Every, entries: opt.Entries, now: opt.Now, log: opt.Log}
	var err error
	if c.signer, err = opt.Key.signer(); err != nil {
		return nil, err
	}
	keys, err := opt.Key.Public()
	if err != nil {
		return nil, err
	}
	rep, err := VerifyCheckpoints(opt.Dir, keys)
	if err != nil {
		return nil, err
	}
	if rep.First != nil {
		return nil, fault.New(fault.Conflict, fault.Text{EN: "the journal's checkpoints are not genuine: " + rep.First.String()})
	}
	c.last = rep.Checkpoints[len(rep.Checkpoints)-1]
	if err := c.agree(ctx); err != nil {
		return nil, err
	}
	if c.file, err = os.OpenFile(filepath.Join(opt.Dir, CheckpointFile), os.O_RDWR, 0); err != nil {
		return nil, fmt.Errorf("open checkpoints: %w", err)
	}
	if err := c.mend(int64(rep.Torn)); err != nil {
		return nil, errors.Join(err, c.file.Close())
	}
	return c, nil
}

// mend takes off the torn octets at the end of the file.
func (c *Checkpointer) mend(torn int64) error {
	st, err := c.file.Stat()
	if err != nil {
		return fmt.Errorf("open checkpoints: %w", err)
	}
	c.size = st.Size() - torn
	if torn == 0 {
		return nil
	}
	c.log.Warn("removing a half-written checkpoint", "size", torn)
	if err := errors.Join(c.file.Truncate(c.size), c.file.Sync()); err != nil {
		return fmt.Errorf("mend checkpoints: %w", err)
	}
	return nil
}

const qHash = `SELECT hash FROM journal WHERE seq = $1`

// agree compares the last checkpoint with the journal.
func (c *Checkpointer) agree(ctx context.Context) error {
	return c.db.View(ctx, func(r sqldb.Reader) error {
		if c.last.Seq == 0 {
			if c.last.Hash != Genesis() {
				return ErrRewound
			}
			return nil
		}
		var got []byte
		err := r.QueryRow(ctx, qHash, c.last.Seq).Scan(&got)
		switch {
		case sqldb.NoRows(err):
			return ErrRewound
		case err != nil:
			return fmt.Errorf("compare the journal with its checkpoint: %w", err)
		case string(got) != string(c.last.Hash[:]):
			return ErrRewound
		}
		return nil
	})
}

// Last returns the newest checkpoint.
func (c *Checkpointer) Last() Checkpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Sign makes a checkpoint now when there are new entries. Commands that work
// without a running server call it before they end. Errors are those of the
// disk, and [ErrRewound]; what is in the file stays whole.
func (c *Checkpointer) Sign(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	seq, hash, err := c.head(ctx)
	if err != nil || seq == c.last.Seq {
		return err
	}
	if seq < c.last.Seq {
		return ErrRewound
	}
	return c.append(Checkpoint{Seq: seq, Hash: hash, At: c.now().UTC().Truncate(time.Second), prev: c.last.ID()})
}

func (c *Checkpointer) head(ctx context.Context) (seq int64, hash Hash, err error) {
	err = c.db.View(ctx, func(r sqldb.Reader) (err error) {
		seq, hash, err = Head(ctx, r)
		return err
	})
	return seq, hash, err
}

// append writes a checkpoint durably. What a failed write has left is written
// over by the next one, at the same place.
func (c *Checkpointer) append(p Checkpoint) error {
	record, err := sign(c.signer, p)
	if err != nil {
		return err
	}
	if _, err := c.file.WriteAt(record, c.size); err != nil {
		return fmt.Errorf("write checkpoint: %w", errors.Join(err, c.file.Truncate(c.size)))
	}
	if err := c.file.Sync(); err != nil {
		return fmt.Errorf("sync checkpoint: %w", err)
	}
	c.size += int64(len(record))
	p.id = noteID(record)
	c.last = p
	return nil
}

// Run signs the head until ctx ends, and once more then. It returns nil after
// a clean stop, and the error of the last checkpoint otherwise. That one
// cannot be written meanwhile is logged and tried again: the journal itself does not
// depend on it.
func (c *Checkpointer) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return errors.Join(c.Sign(context.WithoutCancel(ctx)), c.file.Close())
		case <-tick.C:
		}
		err := c.signDue(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			c.log.Error("cannot sign a checkpoint of the journal", "err", err)
		}
		failing = err != nil
	}
}

// signDue signs when it is time or there is enough.
func (c *Checkpointer) signDue(ctx context.Context) error {
	seq, _, err := c.head(ctx)
	if err != nil {
		return err
	}
	last := c.Last()
	if seq-last.Seq < c.entries && c.now().Sub(last.At) < c.every {
		return nil
	}
	return c.Sign(ctx)
}

// Close closes the file of a Checkpointer whose Run is not used.
func (c *Checkpointer) Close() error { return c.file.Close() }
