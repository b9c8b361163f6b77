package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vanthu/internal/fault"
)

// Options of a [Pool]. Only Command is needed.
type Options struct {
	// Command starts a child that calls [Worker.Serve]; with engine it must be
	// one for PDF files.
	Command func(engine bool) *exec.Cmd
	Timeout time.Duration // for one file, 20 s
	Start   time.Duration // for a child to be ready, 2 min: the first one ever compiles its engine
	Idle    time.Duration // after which a child is ended, 1 min
	Log     *slog.Logger
}

// A Pool reads files in a child process, one after the other. The child is
// started when there is something to read, and ended when there has been
// nothing for a while. It is safe for concurrent use.
type Pool struct {
	opt   Options
	log   *slog.Logger
	turn  chan struct{} // holds one token: who has it may use child
	child *child
	idle  *time.Timer

	closed chan struct{}
	mu     sync.Mutex
	cancel context.CancelFunc // ends what is being read, nil when nothing is
}

// New makes a pool without starting anything.
func New(opt Options) *Pool {
	if opt.Timeout <= 0 {
		opt.Timeout = 20 * time.Second
	}
	if opt.Start <= 0 {
		opt.Start = 2 * time.Minute
	}
	if opt.Idle <= 0 {
		opt.Idle = time.Minute
	}
	p := &Pool{opt: opt, log: opt.Log, turn: make(chan struct{}, 1), closed: make(chan struct{})}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.turn <- struct{}{}
	return p
}

// errClosed: the server stops.
var errClosed = fault.Newf(fault.Temporary, "extraction has been closed")

// Close ends the child. Reads under way and later ones return an error. It is
// called once.
func (p *Pool) Close() error {
	p.mu.Lock()
	close(p.closed)
	if p.cancel != nil {
		p.cancel()
	}
	p.mu.Unlock()
	<-p.turn // never given back: nobody starts a child any more
	if p.idle != nil {
		p.idle.Stop()
	}
	p.end()
	return nil
}

// Read reads the file that body has, in a child. It waits for its turn.
//
// It returns the errors about the file ([ErrUnknown], [ErrTooLarge],
// [ErrDamaged], [ErrProtected], [ErrTooHard]), those of ctx and of body, and
// one of kind Temporary when no child can be started.
func (p *Pool) Read(ctx context.Context, f File, body io.Reader, want Want) (Document, error) {
	if !f.Reads() {
		return Document{}, ErrUnknown
	}
	select {
	case <-p.closed:
		return Document{}, errClosed
	case <-ctx.Done():
		return Document{}, ctx.Err()
	case <-p.turn:
	}
	defer func() { p.turn <- struct{}{} }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !p.begin(cancel) {
		return Document{}, errClosed
	}
	defer p.begin(nil)
	if p.idle != nil {
		p.idle.Stop()
	}
	if p.child != nil && (f.isPDF() && !p.child.engine || p.child.gone()) {
		p.end() // it has closed itself off from what the engine needs to start, or died of what it did before
	}
	if p.child == nil {
		c, err := startChild(ctx, p.opt.Command(f.isPDF()), f.isPDF(), p.opt.Start)
		if err != nil {
			return Document{}, fmt.Errorf("start a reader of files: %w", err)
		}
		p.child = c
		p.log.Debug("a reader of files has been started", "pid", c.cmd.Process.Pid, "pdf", c.engine)
	}
	doc, err := p.ask(ctx, f, body, want)
	if p.child != nil {
		idle := p.child
		idle.used = time.Now()
		p.idle = time.AfterFunc(p.opt.Idle, func() { p.endIdle(idle) })
	}
	return doc, err
}

// begin lets Close end what is being read by cancel. It reports false when the
// pool has been closed.
func (p *Pool) begin(cancel context.CancelFunc) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closed:
		return false
	default:
		p.cancel = cancel
		return true
	}
}

// ask has the turn.
func (p *Pool) ask(ctx context.Context, f File, body io.Reader, want Want) (Document, error) {
	limit, cancel := context.WithTimeout(ctx, p.opt.Timeout)
	defer cancel()
	a, bodyErr, err := p.child.ask(limit, request{f, want}, body)
	if bodyErr == nil && err == nil {
		if a.Err == "" {
			return a.Document, nil
		}
		p.log.Debug("a file cannot be read", "why", a.Err, "err", a.Detail)
		if known := errorNames[a.Err]; known != nil {
			return Document{}, known
		}
		return Document{}, fmt.Errorf("%w: %q", ErrDamaged, a.Err)
	}
	said := p.end() // it is in the middle of something, or dead
	switch {
	case bodyErr != nil:
		return Document{}, bodyErr
	case ctx.Err() != nil:
		return Document{}, ctx.Err()
	}
	p.log.Warn("a file has broken its reader, which is started anew for the next one", "err", err, "stderr", said)
	return Document{}, ErrTooHard
}

// endIdle ends a child unless it has been used again since its timer was set.
func (p *Pool) endIdle(c *child) {
	select {
	case <-p.closed:
		return
	case <-p.turn:
	}
	if p.child == c && !c.busySince(p.opt.Idle) {
		p.end()
	}
	p.turn <- struct{}{}
}

// end ends the child and gives what it said last. It has the turn.
func (p *Pool) end() string {
	if p.child == nil {
		return ""
	}
	said := p.child.end()
	p.child = nil
	return said
}

// A child is a running reader of files.
type child struct {
	cmd     *exec.Cmd
	engine  bool
	in, out *os.File // our ends of the two pipes
	stderr  tail
	used    time.Time // when it answered last
}

// busySince reports whether c has answered within d.
func (c *child) busySince(d time.Duration) bool { return time.Since(c.used) < d }

// startChild starts a child and waits until it is ready.
func startChild(ctx context.Context, cmd *exec.Cmd, engine bool, limit time.Duration) (*child, error) {
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), ourOut.Close())
	}
	c := &child{cmd: cmd, engine: engine, in: ourIn, out: ourOut}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirIn, theirOut, &c.stderr
	cmd.WaitDelay = time.Second
	err = cmd.Start()
	err = errors.Join(err, theirIn.Close(), theirOut.Close())
	if err != nil {
		return nil, errors.Join(err, ourIn.Close(), ourOut.Close())
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var ready reply
	if err := c.until(limited, func() error { return readJSON(c.in, maxPiece, &ready) }); err != nil {
		return nil, fmt.Errorf("%w; it said: %s", err, c.end())
	}
	if ready.Err != "" {
		c.end()
		return nil, errors.New(ready.Detail)
	}
	return c, nil
}

// until runs do, whose reads and writes of the pipes fail when ctx ends.
func (c *child) until(ctx context.Context, do func() error) error {
	stop := context.AfterFunc(ctx, func() {
		past := time.Unix(1, 0)
		_ = c.in.SetDeadline(past) // an error means that it is closed, which ends the reading too
		_ = c.out.SetDeadline(past)
	})
	defer stop()
	err := do()
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// gone reports whether a child that has nothing to say can be read from: then
// it has ended, and the file that comes next is not to blame.
func (c *child) gone() bool {
	readable := false
	raw, err := c.in.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(fds, 0)
			readable = n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
	}
	return readable || err != nil
}

// ask puts one question.
func (c *child) ask(ctx context.Context, q request, body io.Reader) (a reply, bodyErr, err error) {
	err = c.until(ctx, func() error {
		if err := writeJSON(c.out, q); err != nil {
			return err
		}
		var err error
		if bodyErr, err = writePieces(c.out, body); bodyErr != nil || err != nil {
			return err
		}
		return readJSON(c.in, maxFrame, &a)
	})
	return a, bodyErr, err
}

// end kills the child, which has nothing to lose, and gives what it said last.
func (c *child) end() string {
	_ = c.out.Close()
	_ = c.in.Close()
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait() // it was killed: that is no news
	return c.stderr.String()
}

// A tail keeps the first octets that a child says on stderr: the cause of a
// crash stands before its stacks.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(b []byte) (int, error) {
	const most = 2 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(b[:min(len(b), max(0, most-t.b.Len()))])
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
