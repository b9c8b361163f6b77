package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"vanthu/config"
	"vanthu/internal/app"
	"vanthu/internal/control"
	"vanthu/internal/fault"
	"vanthu/internal/worktime"
)

// initAnswers are what a new province needs to be told.
type initAnswers struct {
	domain, hostname, organisation, dir, admin string
}

func (c *cli) initCmd() *cobra.Command {
	var a initAnswers
	var file string
	var sample, holidays bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a configuration and an empty province with its first administrator",
		Long: `Asks a few questions (or takes the answers as flags), writes the configuration,
makes the data folder with its own certification authority, and the first
administrator with a made password, which is printed once. Then "vanthu serve"
serves. Nothing that exists is ever overwritten.`,
		Example: `  vanthu init --domain dienbien.example --organisation "UBND tỉnh Điện Biên" --dir /var/lib/vanthu
  vanthu init --sample > vanthu.toml      the annotated configuration only`,
		Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			if sample {
				_, err := c.out.Write(config.Sample())
				return err
			}
			if holidays {
				_, err := c.out.Write(worktime.Sample())
				return err
			}
			if err := c.ask(&a); err != nil {
				return err
			}
			return c.initProvince(cmd, file, a)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&file, "file", "vanthu.toml", "configuration `file` to write")
	f.StringVar(&a.domain, "domain", "", "main mail `domain`")
	f.StringVar(&a.hostname, "hostname", "", "`name` of this machine as clients reach it; else mail.DOMAIN")
	f.StringVar(&a.organisation, "organisation", "", "`name` that people are shown; else the domain")
	f.StringVar(&a.dir, "dir", "", "data `folder`; else /var/lib/vanthu")
	f.StringVar(&a.admin, "admin", "", "`login` of the administrator; else quantri@DOMAIN")
	f.BoolVar(&sample, "sample", false, "only print an annotated sample configuration")
	f.BoolVar(&holidays, "holidays", false, "only print a file of public holidays to begin with, for documents.holidays")
	return cmd
}

// ask fills in from standard input what flags did not give. The domain alone
// is needed; an empty line takes what stands in brackets.
func (c *cli) ask(a *initAnswers) error {
	in := bufio.NewScanner(c.in)
	question := func(to *string, text, usual string) error {
		if *to != "" || usual != "" && a.domain != "" && !c.terminal() {
			if *to == "" {
				*to = usual
			}
			return nil
		}
		fmt.Fprintf(c.err, "%s [%s]: ", text, usual)
		if !in.Scan() {
			fmt.Fprintln(c.err)
			if err := in.Err(); err != nil {
				return err
			}
		}
		if *to = strings.TrimSpace(in.Text()); *to == "" {
			*to = usual
		}
		return nil
	}
	if err := question(&a.domain, "Main mail domain (tên miền thư)", ""); err != nil {
		return err
	}
	if a.domain == "" {
		return fault.Newf(fault.Invalid, "a mail domain is needed: --domain")
	}
	return errors.Join(
		question(&a.hostname, "Name of this machine (tên máy chủ)", "mail."+a.domain),
		question(&a.organisation, "Organisation (tên cơ quan)", a.domain),
		question(&a.dir, "Data folder (thư mục dữ liệu)", config.Default().DataDir),
		question(&a.admin, "Administrator's login (quản trị viên)", "quantri@"+a.domain),
	)
}

func (c *cli) initProvince(cmd *cobra.Command, file string, a initAnswers) (err error) {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return fault.Newf(fault.Conflict, "%s is there already: nothing was changed", file)
	}
	dir, err := filepath.Abs(a.dir)
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fault.Newf(fault.Conflict, "the data folder %s is not empty: nothing was changed", dir)
	}
	cfg := config.Default()
	cfg.DataDir, cfg.Domains = dir, []config.Domain{config.Domain(a.domain)}
	cfg.Server = config.Server{Hostname: config.Host(a.hostname), Organisation: a.organisation}
	text := config.Format(cfg)
	if cfg, err = config.Parse(file, text, nil); err != nil { // what was answered may be no domain at all
		return err
	}
	rooms, err := app.Open(cmd.Context(), cfg, app.Options{Version: version, Reader: fileReader, Log: c.logger(slog.LevelWarn, "text")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rooms.Close()) }()
	if err := rooms.EnsureDomains(cmd.Context()); err != nil {
		return err
	}
	var made control.AccountMade
	if err := rooms.Control().Call(cmd.Context(), control.CallAccountAdd, control.AccountAdd{
		Login: a.admin, Name: "Quản trị hệ thống", Roles: []string{"quantri"},
	}, &made, nil); err != nil {
		return err
	}
	if err := os.WriteFile(file, text, 0o640); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(map[string]string{
			"config": file, "data_dir": dir, "login": made.Account.Login.String(), "password": made.Password,
		})
	}
	return line(`configuration: %s
data folder:   %s
administrator: %s
password (shown only now): %s

Next:  vanthu --config %s serve
Then:  vanthu --config %s unit add --help
       vanthu --config %s account import --help`, file, dir, made.Account.Login, made.Password, file, file, file)(c.out)
}
