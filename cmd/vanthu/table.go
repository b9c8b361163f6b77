package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"vanthu/internal/worktime"
)

// hanoi is how times are shown to people.
var hanoi = worktime.Zone

// shownTime gives a time as people read it.
func shownTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(hanoi).Format("02/01/2006 15:04:05")
}

// table prints rows with aligned columns below a header.
func table(w io.Writer, header []string, rows [][]string) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, "(none)")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, r := range append([][]string{header}, rows...) {
		for i := range r {
			r[i] = strings.ReplaceAll(r[i], "\t", " ")
		}
		if _, err := fmt.Fprintln(tw, strings.Join(r, "\t")); err != nil {
			return err
		}
	}
	return tw.Flush()
}

// line prints one sentence.
func line(format string, args ...any) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := fmt.Fprintf(w, format+"\n", args...)
		return err
	}
}
