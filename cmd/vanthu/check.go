package main

import (
	"errors"

	"github.com/spf13/cobra"

	"vanthu/config"
)

func (c *cli) checkCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the configuration; all problems are told at once",
		Args:  cobra.NoArgs,
		RunE: c.runs(func(*cobra.Command, []string) error {
			_, err := c.load()
			var problems config.Problems
			if c.json {
				ok := err == nil
				if errors.As(err, &problems); !ok && problems == nil {
					return err
				}
				if problems == nil {
					problems = config.Problems{}
				}
				if err := c.printJSON(map[string]any{"ok": ok, "problems": problems}); err != nil || ok {
					return err
				}
				return errSilent
			}
			if err != nil {
				return err
			}
			return line("the configuration is good")(c.out)
		}),
	}
}
