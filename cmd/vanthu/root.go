package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vanthu/config"
	"vanthu/internal/app"
	"vanthu/internal/control"
	"vanthu/internal/fault"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// cli is what all subcommands share.
type cli struct {
	streams
	configFile string
	json       bool
	started    bool // a command has begun: errors from then on are not about usage
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	c := &cli{streams: s}
	root := c.root()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errSilent):
		return exitFailed
	}
	fmt.Fprintln(s.err, "vanthu: "+explain(err))
	if !c.started {
		fmt.Fprintln(s.err, `Try "vanthu --help", or "vanthu COMMAND --help".`)
		return exitUsage
	}
	return exitFailed
}

// errSilent fails a command that has said everything itself.
var errSilent = errors.New("failed")

// explain gives the sentence of a fault in the reader's language, and the
// whole text of any other error: the reader is an administrator.
func explain(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err.Error()
	}
	t := fault.Sentence(err)
	if t.VI != "" && strings.HasPrefix(os.Getenv("LANG"), "vi") {
		return t.VI
	}
	if cause := errors.Unwrap(f); cause != nil && f.Kind == fault.Temporary {
		return err.Error()
	}
	return t.EN
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "vanthu",
		Short: "Internal e-mail and tracked official e-documents for the units of a province",
		Long: `vanthu gives the units of a province internal e-mail (SMTP and IMAP, any client)
and tracked exchange of official e-documents (văn bản điện tử).

  vanthu demo --dir DIR      a training province on this machine, with a story to watch
  vanthu init                the configuration of a real one
  vanthu serve               run it`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&c.configFile, "config", "",
		"configuration `file` (else $VANTHU_CONFIG, ./vanthu.toml, /etc/vanthu/vanthu.toml)")
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print JSON instead of text")
	root.AddCommand(
		c.serveCmd(), c.demoCmd(), c.initCmd(), c.checkCmd(), c.statusCmd(),
		c.unitCmd(), c.accountCmd(), c.groupCmd(), c.aliasCmd(), c.mailboxCmd(),
		c.docCmd(), c.registerCmd(), c.reportCmd(), c.dossierCmd(), c.queueCmd(), c.peerCmd(), c.quarantineCmd(), c.domainCmd(),
		c.auditCmd(), c.receiptCmd(), c.versionCmd(), c.readerCmd(),
	)
	return root
}

// runs wraps the work of a command, so that usage errors can be told apart.
func (c *cli) runs(fn func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c.started = true
		return fn(cmd, args)
	}
}

// parent is a command that only has subcommands.
func parent(use, short string, children ...*cobra.Command) *cobra.Command {
	p := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("%q needs a subcommand", cmd.CommandPath())
		},
	}
	p.AddCommand(children...)
	return p
}

// load reads the configuration.
func (c *cli) load() (*config.Config, error) {
	file, err := config.Find(c.configFile)
	if err != nil {
		return nil, err
	}
	return config.Load(file, os.Environ())
}

// call carries one call out: through the running server if there is one,
// else on the data itself, which is opened for this one call.
func (c *cli) call(ctx context.Context, name string, req, resp any, progress control.Progress) (err error) {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	client, running, err := control.Dial(ctx, cfg.DataDir)
	if err != nil {
		return err
	}
	if running {
		return client.Call(ctx, name, req, resp, progress)
	}
	rooms, err := app.Open(ctx, cfg, app.Options{Version: version, Reader: fileReader, Log: c.logger(slog.LevelWarn, "text")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rooms.Close()) }()
	return rooms.Control().Call(ctx, name, req, resp, progress)
}

// answer makes a call and prints its result: as JSON, or by text.
func answer[Resp any](cmd *cobra.Command, c *cli, name string, req any, text func(w io.Writer, r Resp) error) error {
	var resp Resp
	if err := c.call(cmd.Context(), name, req, &resp, nil); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(resp)
	}
	return text(c.out, resp)
}

func (c *cli) printJSON(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// logger writes the log to standard error: as text on a terminal, as JSON
// for a collector.
func (c *cli) logger(level slog.Level, format string) *slog.Logger {
	opt := &slog.HandlerOptions{Level: level}
	if format == "json" || format == "auto" && !c.terminal() {
		return slog.New(slog.NewJSONHandler(c.err, opt))
	}
	return slog.New(slog.NewTextHandler(c.err, opt))
}

// terminal reports whether standard error is one: only then are progress bars
// of use.
func (c *cli) terminal() bool {
	f, ok := c.err.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
