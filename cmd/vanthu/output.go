package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vanthu/internal/fault"
	"vanthu/internal/report"
)

// output is where a register or report goes, and in which format.
type output struct {
	file, format string
	force        bool
	fallback     report.Format // when neither format nor file name say one
}

func (o *output) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "", "pdf, xlsx, docx, csv, json or text; else by the name of the file, else "+string(o.fallback))
	f.StringVarP(&o.file, "output", "o", "", "`file` to write; - is standard output")
	f.BoolVar(&o.force, "force", false, "replace the file when it is there already")
}

// choose settles the format and looks whether the file may be written, so that nothing is
// asked for in vain.
func (o *output) choose(c *cli) (report.Format, error) {
	f := report.Format(o.format)
	if ext := report.Format(strings.ToLower(strings.TrimPrefix(filepath.Ext(o.file), "."))); f == "" {
		switch f = ext; ext {
		case "txt":
			f = report.FormatText
		case "":
			f = o.fallback
		}
	}
	if err := f.Check(); err != nil {
		return "", err
	}
	if o.toStdout() {
		if out, ok := c.out.(*os.File); ok && f.Binary() && term.IsTerminal(int(out.Fd())) {
			return "", fault.Newf(fault.Invalid, "%s is not for a terminal: name a file with -o FILE", f)
		}
		return f, nil
	}
	if _, err := os.Lstat(o.file); err == nil && !o.force {
		return "", o.exists()
	}
	return f, nil
}

func (o *output) toStdout() bool { return o.file == "" || o.file == "-" }

func (o *output) exists() error {
	return fault.Newf(fault.Conflict, "%s is there already: choose another name, or replace it with --force", o.file)
}

// written is what is said of a file.
type written struct {
	File   string        `json:"file"`
	Format report.Format `json:"format"`
	Rows   int           `json:"rows"`
	Octets int64         `json:"octets"`
	SHA256 string        `json:"sha256"`
}

// deliver writes the output and says what was written where. A file appears
// whole or not at all.
func (o *output) deliver(c *cli, f report.Format, rows int, write func(io.Writer) error) error {
	if o.toStdout() {
		return write(c.out)
	}
	w := written{File: o.file, Format: f, Rows: rows}
	if err := o.save(&w, write); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(w)
	}
	return line("%s: %d rows, %d bytes, SHA-256 %s", w.File, w.Rows, w.Octets, w.SHA256)(c.out)
}

func (o *output) save(w *written, write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(o.file), ".vanthu-*")
	if err != nil {
		return err
	}
	defer func() {
		if rerr := os.Remove(tmp.Name()); !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}()
	sum := sha256.New()
	if err := write(io.MultiWriter(tmp, sum)); err != nil {
		return errors.Join(err, tmp.Close())
	}
	st, err := tmp.Stat()
	if err = errors.Join(err, tmp.Chmod(0o640), tmp.Close()); err != nil {
		return err
	}
	w.Octets, w.SHA256 = st.Size(), hex.EncodeToString(sum.Sum(nil))
	if o.force {
		return os.Rename(tmp.Name(), o.file)
	}
	if err := os.Link(tmp.Name(), o.file); errors.Is(err, fs.ErrExist) { // unlike Rename it never replaces
		return o.exists()
	} else if err != nil {
		return err
	}
	return nil
}

// endOf gives the last moment of a day (2026-06-30) at +07:00; the zero time
// for "".
func endOf(day string) (time.Time, error) {
	if day == "" {
		return time.Time{}, nil
	}
	at, err := time.ParseInLocation(time.DateOnly, day, hanoi)
	if err != nil {
		return time.Time{}, fault.Newf(fault.Invalid, "%q is no date: write it as 2026-06-30", day)
	}
	return at.AddDate(0, 0, 1).Add(-time.Microsecond), nil
}

// startOf gives the first moment of a day at +07:00; the zero time for "".
func startOf(day string) (time.Time, error) {
	at, err := endOf(day)
	if err != nil || at.IsZero() {
		return time.Time{}, err
	}
	return at.Add(time.Microsecond).AddDate(0, 0, -1), nil
}

// printed writes a sheet in a format.
func printed(s report.Sheet, c *cli, f report.Format) func(io.Writer) error {
	return func(w io.Writer) error {
		if f == report.FormatText {
			return s.WriteText(w, report.TextOptions{Width: c.width()})
		}
		if err := s.Write(w, f); err != nil {
			return fmt.Errorf("make %s: %w", f, err)
		}
		return nil
	}
}
