package edxdrop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/worktime"
)

// Folders inside the inbox.
const (
	workFolder  = "work"  // taken, being worked on
	doneFolder  = "done"  // accepted
	errorFolder = "error" // refused, each with a .txt that says why
)

// fileState is by what a file is known to be complete: nothing has changed
// between two looks.
type fileState struct {
	size int64
	mod  time.Time
}

// take takes what lies in the inbox. A file is first moved to work: whatever
// becomes of this server, it is worked on from there again.
func (d *Drop) take(ctx context.Context, in Inlet) error {
	if d.opt.Inbox == "" {
		return nil
	}
	for _, f := range []string{workFolder, doneFolder, errorFolder} {
		if err := os.MkdirAll(filepath.Join(d.opt.Inbox, f), 0o750); err != nil {
			return err
		}
	}
	if err := d.claim(); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(d.opt.Inbox, workFolder))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ctx.Err() != nil || !e.Type().IsRegular() {
			continue
		}
		if err := d.one(ctx, in, e.Name()); err != nil {
			return fmt.Errorf("file %s: %w", e.Name(), err)
		}
	}
	return nil
}

// claim moves complete files from the inbox to work.
func (d *Drop) claim() error {
	entries, err := os.ReadDir(d.opt.Inbox)
	if err != nil {
		return err
	}
	now := make(map[string]fileState, len(entries))
	moved := false
	for _, e := range entries {
		if !e.Type().IsRegular() || !takes(e.Name()) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // renamed meanwhile
		}
		if err != nil {
			return err
		}
		state := fileState{info.Size(), info.ModTime()}
		if before, known := d.seen[e.Name()]; !known || before != state {
			now[e.Name()] = state
			continue
		}
		if err := moveTo(filepath.Join(d.opt.Inbox, e.Name()), filepath.Join(d.opt.Inbox, workFolder)); err != nil {
			return err
		}
		moved = true
	}
	d.seen = now
	if !moved {
		return nil
	}
	return errors.Join(syncDir(filepath.Join(d.opt.Inbox, workFolder)), syncDir(d.opt.Inbox))
}

// takes tells whether a file is one for us: an edXML file under its final name.
func takes(name string) bool {
	return !strings.HasPrefix(name, ".") && (edoc.IsEdXMLName(name) || strings.EqualFold(filepath.Ext(name), ".xml"))
}

// moveTo moves a file into a folder, under another name when its own is taken.
func moveTo(path, dir string) error {
	name := filepath.Base(path)
	ext := filepath.Ext(name)
	target := filepath.Join(dir, name)
	for n := 2; ; n++ {
		if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(path, target)
		} else if err != nil {
			return err
		}
		target = filepath.Join(dir, fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext))
	}
}

// one works on a file in work. What is wrong with the file is told beside it;
// an error is trouble of our own, and the file stays for another try.
func (d *Drop) one(ctx context.Context, in Inlet, name string) error {
	path := filepath.Join(d.opt.Inbox, workFolder, name)
	err := d.deal(ctx, in, path, name)
	if err != nil && (!permanent(err) || ctx.Err() != nil) {
		return err
	}
	to := doneFolder
	if err != nil {
		to = errorFolder
		d.opt.Log.WarnContext(ctx, "edXML file refused", "file", name, "err", err)
		if err := d.explain(name, err); err != nil {
			return err
		}
	}
	dir := filepath.Join(d.opt.Inbox, to)
	if err := moveTo(path, dir); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Join(d.opt.Inbox, workFolder)))
}

// explain writes why a file is refused.
func (d *Drop) explain(name string, cause error) error {
	why := fault.Sentence(cause)
	text := fmt.Sprintf("Tệp %s không được nhận lúc %s.\nLý do: %s\n\n-- English --\nThe file %s was refused.\nReason: %s\n",
		name, d.opt.Now().In(vietnam).Format("15:04:05 02/01/2006 (-07:00)"), firstOf(why.VI, why.EN), name, why.EN)
	dir := filepath.Join(d.opt.Inbox, errorFolder)
	tmp := filepath.Join(dir, "."+name+".txt.tmp")
	if err := writeSynced(tmp, []byte(text)); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, name+".txt"))
}

// vietnam is the zone of what people read.
var vietnam = worktime.Zone

// deal takes one file in. Its errors of a permanent kind are the file's fault.
func (d *Drop) deal(ctx context.Context, in Inlet, path, name string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	if info.Size() > d.opt.MaxBytes {
		return edoc.ErrTooLarge
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	p, s, err := edoc.ReadEdXML(bytes.NewReader(raw), edoc.Limits{MaxBytes: d.opt.MaxBytes})
	switch {
	case err != nil:
		return err
	case s != nil:
		return d.takeStatus(ctx, in, s)
	}
	return d.takePackage(ctx, in, parcel{p, raw, name})
}
