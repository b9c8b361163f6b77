package main

import (
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"vanthu/internal/extract"
)

const readerName = "file-reader"

// readerCmd is the child process that reads files of strangers. It is started
// by the server, never by people.
func (c *cli) readerCmd() *cobra.Command {
	var w extract.Worker
	cmd := &cobra.Command{
		Use:    readerName,
		Short:  "Read files for the server (internal)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   c.runs(func(cmd *cobra.Command, _ []string) error { return w.Serve(cmd.Context(), c.in, c.out) }),
	}
	cmd.Flags().BoolVar(&w.Engine, "pdf", false, "be able to read PDF files")
	cmd.Flags().StringVar(&w.Cache, "cache", "", "`folder` of the compiled PDF engine")
	return cmd
}

// readerCommand starts this program anew as a reader of files. It gets nothing
// of our environment.
func readerCommand(w extract.Worker) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	args := []string{readerName, "--cache", w.Cache}
	if w.Engine {
		args = append(args, "--pdf")
	}
	cmd := exec.Command(self, args...)
	cmd.Env = []string{"GOMAXPROCS=2"}
	return cmd
}
