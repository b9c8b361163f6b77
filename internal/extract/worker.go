package extract

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
)

// A Worker is the child's side of a [Pool].
type Worker struct {
	Engine bool   // PDF files are to be read
	Cache  string // folder for the compiled PDF engine, "" for none
}

// workerMemory is what the Go side of a child tries to stay under; the hard
// bound is lockDown's.
const workerMemory = 384 << 20

// Serve answers questions from in on out until in ends. The first frame on out
// says that it is ready, or why not. From then on the process can open no file,
// no socket and no program.
func (w Worker) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	debug.SetMemoryLimit(workerMemory)
	limitResources()
	var e *engine
	if w.Engine {
		var err error
		if e, err = startEngine(ctx, w.Cache); err != nil {
			return errors.Join(err, writeJSON(out, reply{Err: "start", Detail: err.Error()}))
		}
		defer e.close(ctx)   //nolint:errcheck // the process ends
		debug.FreeOSMemory() // of compiling
	}
	yield() // not before: people wait for the first engine
	if err := lockDown(); err != nil {
		err = fmt.Errorf("lock the process down: %w", err)
		return errors.Join(err, writeJSON(out, reply{Err: "start", Detail: err.Error()}))
	}
	if err := writeJSON(out, reply{}); err != nil {
		return err
	}
	r := bufio.NewReaderSize(in, maxPiece)
	for {
		var q request
		switch err := readJSON(r, maxPiece, &q); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read a question: %w", err)
		}
		body := &pieces{r: r}
		doc, err := read(e, q.File, body, q.Want)
		if _, rest := io.Copy(io.Discard, body); rest != nil {
			return fmt.Errorf("read a file: %w", rest)
		}
		if err := writeJSON(out, answer(doc, err)); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

func answer(doc Document, err error) reply {
	if err == nil {
		return reply{Document: doc}
	}
	for name, known := range errorNames {
		if errors.Is(err, known) {
			return reply{Err: name, Detail: err.Error()}
		}
	}
	return reply{Err: "hard", Detail: err.Error()}
}

// read reads a file of either kind. What breaks inside the libraries is the
// file's fault.
func read(e *engine, f File, body io.Reader, want Want) (doc Document, err error) {
	defer func() {
		if p := recover(); p != nil {
			doc, err = Document{}, fmt.Errorf("%w: panic: %v", ErrDamaged, p)
		}
	}()
	if !f.isPDF() {
		return ReadOffice(f, body, want)
	}
	if e == nil {
		return Document{}, ErrUnknown
	}
	raw, err := io.ReadAll(io.LimitReader(body, MaxFile+1))
	if err != nil {
		return Document{}, err
	}
	if len(raw) > MaxFile {
		return Document{}, ErrTooLarge
	}
	return e.read(raw, want)
}
