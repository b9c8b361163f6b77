package main

import (
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"vanthu/config"
	"vanthu/internal/control"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

func (c *cli) checkCmd() *cobra.Command {
	var probe bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration; all problems are told at once",
		Long: `Checks the configuration; all problems are told at once.

With --probe every peer and every server of a route is also connected to, as if a
message were to go there: greeting, TLS, certificate, log-in. No mail is sent.`,
		Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			var problems config.Problems
			if errors.As(err, &problems); err != nil && (problems == nil || !c.json) {
				return err
			}
			var probed []control.Probed
			if probe && err == nil {
				if made, err := sqldb.Exists(cfg.DataDir); err != nil || !made {
					return errors.Join(err, fault.Newf(fault.NotFound, "there is no data in %s yet, so no peers or keys: see vanthu init", cfg.DataDir))
				}
				if err := c.call(cmd.Context(), control.CallProbe, control.None{}, &probed, nil); err != nil {
					return err
				}
			}
			ok := err == nil && !slices.ContainsFunc(probed, func(p control.Probed) bool { return p.Asked && !p.OK })
			if err := c.printCheck(ok, problems, probed); err != nil || ok {
				return err
			}
			return errSilent
		}),
	}
	cmd.Flags().BoolVar(&probe, "probe", false, "also connect to every peer and route")
	return cmd
}

func (c *cli) printCheck(ok bool, problems config.Problems, probed []control.Probed) error {
	if c.json {
		if problems == nil {
			problems = config.Problems{}
		}
		out := map[string]any{"ok": ok, "problems": problems}
		if probed != nil {
			out["probed"] = probed
		}
		return c.printJSON(out)
	}
	if err := line("the configuration is good")(c.out); err != nil || probed == nil {
		return err
	}
	return printProbed(c.out, probed)
}

func printProbed(w io.Writer, list []control.Probed) error {
	rows := make([][]string, len(list))
	for i, p := range list {
		answer := "ok, " + strconv.FormatInt(p.Millis, 10) + " ms"
		switch {
		case !p.Asked:
			answer = "not asked: its servers depend on the recipient"
		case !p.OK:
			answer = p.Problem
		case p.TLS:
			answer += ", TLS checked"
		}
		rows[i] = []string{p.Name, p.Host, answer}
	}
	return table(w, []string{"NAME", "SERVER", "ANSWER"}, rows)
}
