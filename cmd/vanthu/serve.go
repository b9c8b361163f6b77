package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"vanthu/config"
	"vanthu/internal/app"
	"vanthu/internal/control"
)

func (c *cli) serveCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the server until SIGTERM; SIGHUP takes a renewed certificate",
		Args:  cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			log := c.logger(cfg.Log.Level, cfg.Log.Format)
			return serve(cmd.Context(), cfg, app.Options{Version: version, Reader: fileReader, Log: log}, func(ctx context.Context, s *app.Server, _ *app.Rooms) error {
				log.Info("serving", "version", version, "addresses", fmt.Sprintf("%+v", s.Addresses()))
				<-ctx.Done()
				return nil
			})
		}),
	}
}

// serve opens the data, starts all services and calls body once they answer.
// When body returns, or ctx ends, it stops them in order.
func serve(ctx context.Context, cfg *config.Config, opt app.Options, body func(context.Context, *app.Server, *app.Rooms) error) (err error) {
	rooms, err := app.Open(ctx, cfg, opt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rooms.Close()) }()
	if err := rooms.EnsureDomains(ctx); err != nil {
		return err
	}
	s, err := app.NewServer(ctx, rooms)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		defer stop()
		ended <- s.Run(running)
	}()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	go reloadOn(running, hup, s, opt.Log)
	if err := notify("READY=1"); err != nil {
		opt.Log.Warn("cannot tell systemd", "err", err)
	}
	bodyErr := body(running, s, rooms)
	if err := notify("STOPPING=1"); err != nil {
		opt.Log.Warn("cannot tell systemd", "err", err)
	}
	stop()
	return errors.Join(bodyErr, <-ended)
}

func reloadOn(ctx context.Context, hup <-chan os.Signal, s *app.Server, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		if err := s.Reload(); err != nil {
			log.Error("the renewed certificate is not usable; the old one stays", "err", err)
			continue
		}
		log.Info("certificate reloaded")
	}
}

// notify tells systemd how the service is (sd_notify(3)); without systemd it
// does nothing.
func notify(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return errors.Join(err, conn.Close())
}

func (c *cli) statusCmd() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "How the server is", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallStatus, control.None{}, func(w io.Writer, s control.Status) error {
				state := "no server runs on this data"
				if s.Running {
					state = "serving since " + shownTime(s.Started)
				}
				rows := [][]string{
					{"version", s.Version}, {"state", state}, {"units", strconv.Itoa(s.Units)}, {"accounts", strconv.Itoa(s.Accounts)},
					{"groups", strconv.Itoa(s.Groups)}, {"journal entries", strconv.FormatInt(s.Journal, 10)}, {"queue items", strconv.Itoa(s.Queue)},
				}
				names := make([]string, 0, len(s.Counters))
				for n := range s.Counters {
					names = append(names, n)
				}
				sort.Strings(names)
				for _, n := range names {
					rows = append(rows, []string{n, strconv.FormatInt(s.Counters[n], 10)})
				}
				return table(w, []string{"WHAT", "VALUE"}, rows)
			})
		}),
	}
}

func (c *cli) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: c.runs(func(*cobra.Command, []string) error {
			if c.json {
				return c.printJSON(map[string]string{"version": version})
			}
			return line("vanthu %s", version)(c.out)
		}),
	}
}
