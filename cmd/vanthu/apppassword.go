package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/directory"
)

func (c *cli) appPasswordCmd() *cobra.Command {
	return parent("app-password", "Passwords for one program each, which can be revoked alone",
		c.appPasswordAdd(), c.appPasswordList(), c.appPasswordRevoke())
}

func (c *cli) appPasswordAdd() *cobra.Command {
	var req control.AppPasswordAdd
	cmd := &cobra.Command{
		Use: "add LOGIN NAME", Short: "Make an app password; it is shown only now", Args: cobra.ExactArgs(2),
		Example: `  vanthu account app-password add vanthu@soyte.dienbien.test "máy quét" --protocol smtp`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Login, req.Name = args[0], args[1]
			return answer(cmd, c, control.CallAppPasswordAdd, req, func(w io.Writer, p control.AppPasswordMade) error {
				if err := line("app password %d, %s, for %s", p.ID, p.Name, protocols(p.AppPassword))(w); err != nil {
					return err
				}
				return line("password (shown only now): %s", p.Password)(w)
			})
		}),
	}
	cmd.Flags().StringSliceVar(&req.Protocols, "protocol", nil, "`protocols` it may be used for: imap, smtp; both unless given")
	return cmd
}

func protocols(p directory.AppPassword) string {
	words := make([]string, len(p.Protocols))
	for i, w := range p.Protocols {
		words[i] = string(w)
	}
	return strings.Join(words, " ")
}

func (c *cli) appPasswordList() *cobra.Command {
	return &cobra.Command{
		Use: "list LOGIN", Short: "List an account's app passwords and when they were used last", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			return answer(cmd, c, control.CallAppPasswords, control.AppPasswordList{Login: args[0]}, func(w io.Writer, list []directory.AppPassword) error {
				rows := make([][]string, len(list))
				for i, p := range list {
					rows[i] = []string{fmt.Sprint(p.ID), p.Name, protocols(p), shownTime(p.Created), shownTime(p.Used)}
				}
				return table(w, []string{"ID", "NAME", "PROTOCOLS", "MADE", "USED"}, rows)
			})
		}),
	}
}

func (c *cli) appPasswordRevoke() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "revoke LOGIN NAME", Short: "Take an app password back, by its name or id; its sessions end", Args: cobra.ExactArgs(2),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			return answer(cmd, c, control.CallAppPasswordEnd, control.AppPasswordRevoke{Login: args[0], Name: args[1], DryRun: dryRun},
				func(w io.Writer, p directory.AppPassword) error {
					if dryRun {
						return line("would revoke app password %d, %s", p.ID, p.Name)(w)
					}
					return line("app password %d, %s, revoked", p.ID, p.Name)(w)
				})
		}),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be revoked")
	return cmd
}
