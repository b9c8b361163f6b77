package main

import (
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
)

func (c *cli) groupCmd() *cobra.Command {
	return parent("group", "Addresses for several recipients", c.groupList(), c.groupShow(), c.groupAdd(), c.groupSet(), c.groupRemove())
}

func (c *cli) groupList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List groups", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallGroupList, control.None{}, func(w io.Writer, list []directory.Group) error {
				rows := make([][]string, len(list))
				for i, g := range list {
					rows[i] = []string{g.Address.String(), g.Name, strconv.Itoa(len(g.Members)), string(g.Post)}
				}
				return table(w, []string{"ADDRESS", "NAME", "MEMBERS", "MAY POST"}, rows)
			})
		}),
	}
}

func (c *cli) groupShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ADDRESS", Short: "Show a group, who may post to it and everybody it reaches", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			return answer(cmd, c, control.CallGroupShow, control.Named{Name: args[0]}, func(w io.Writer, g control.GroupShown) error {
				if err := printGroup(w, g.Group); err != nil {
					return err
				}
				may := string(g.Group.Post)
				if len(g.Posters) > 0 {
					may += ": " + strings.Join(g.Posters, ", ")
				}
				return line("may post: %s\nreaches %d: %s", may, len(g.Reaches), strings.Join(g.Reaches, ", "))(w)
			})
		}),
	}
}

// postFlags are who may post to a group.
func postFlags(cmd *cobra.Command, post *string, posters *[]string) {
	cmd.Flags().StringVar(post, "post", "", "`who` may post: anyone, inside (accounts here), members, listed")
	cmd.Flags().StringSliceVar(posters, "poster", nil, "`logins`, or roles such as '$vanthu@SYT', that may post")
}

func printGroup(w io.Writer, g directory.Group) error {
	members := make([]string, len(g.Members))
	for i, m := range g.Members {
		members[i] = m.String()
	}
	return line("group %s (%s): %s", g.Address, g.Name, strings.Join(members, ", "))(w)
}

func (c *cli) groupAdd() *cobra.Command {
	var req control.GroupAdd
	cmd := &cobra.Command{
		Use: "add ADDRESS", Short: "Add a group", Args: cobra.ExactArgs(1),
		Example: `  vanthu group add cac-so@dienbien.test --name "Các sở" --member soyte@dienbien.test,sonoivu@dienbien.test`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Address = args[0]
			return answer(cmd, c, control.CallGroupAdd, req, printGroup)
		}),
	}
	cmd.Flags().StringVar(&req.Name, "name", "", "`name` as shown to others")
	cmd.Flags().StringSliceVar(&req.Members, "member", nil, "`addresses` of the members")
	postFlags(cmd, &req.Post, &req.Posters)
	must(cmd.MarkFlagRequired("name"))
	return cmd
}

func (c *cli) groupSet() *cobra.Command {
	var req control.GroupSet
	cmd := &cobra.Command{
		Use: "set ADDRESS", Short: "Change the members of a group, or who may post to it", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Address = args[0]
			return answer(cmd, c, control.CallGroupSet, req, printGroup)
		}),
	}
	f := cmd.Flags()
	f.StringSliceVar(&req.Members, "member", nil, "`addresses`: the whole new list")
	f.StringSliceVar(&req.Add, "add", nil, "`addresses` to add")
	f.StringSliceVar(&req.Remove, "remove", nil, "`addresses` to take out")
	postFlags(cmd, &req.Post, &req.Posters)
	return cmd
}

func (c *cli) groupRemove() *cobra.Command {
	return c.remover("remove ADDRESS", "Remove a group; its members stay", control.CallGroupRemove, control.CallGroupList)
}

// remover removes what a call names, or only says what it would remove.
func (c *cli) remover(use, short, call, list string) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			if dryRun {
				return c.wouldRemove(cmd, list, args[0])
			}
			return answer(cmd, c, call, control.Named{Name: args[0]}, func(w io.Writer, _ control.None) error {
				return line("%s removed", args[0])(w)
			})
		}),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	return cmd
}

// wouldRemove says that something would be removed, if it is there at all.
func (c *cli) wouldRemove(cmd *cobra.Command, list, address string) error {
	var there []struct{ Address string }
	if err := c.call(cmd.Context(), list, control.None{}, &there, nil); err != nil {
		return err
	}
	for _, x := range there {
		if strings.EqualFold(x.Address, address) {
			return line("%s would be removed", address)(c.out)
		}
	}
	return fault.Newf(fault.NotFound, "there is no %s", address)
}

func (c *cli) aliasCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List aliases", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallAliasList, control.None{}, func(w io.Writer, list []directory.Alias) error {
				rows := make([][]string, len(list))
				for i, a := range list {
					rows[i] = []string{a.Address.String(), a.Target.String()}
				}
				return table(w, []string{"ADDRESS", "LEADS TO"}, rows)
			})
		}),
	}
	add := &cobra.Command{
		Use: "add ADDRESS TARGET", Short: "Add another address for somebody", Args: cobra.ExactArgs(2),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			return answer(cmd, c, control.CallAliasAdd, control.AliasAdd{Address: args[0], Target: args[1]},
				func(w io.Writer, a directory.Alias) error { return line("%s leads to %s", a.Address, a.Target)(w) })
		}),
	}
	return parent("alias", "Further addresses", list, add,
		c.remover("remove ADDRESS", "Remove an alias; who it led to stays", control.CallAliasRemove, control.CallAliasList))
}

func (c *cli) mailboxCmd() *cobra.Command {
	var req control.MailboxList
	list := &cobra.Command{
		Use: "list", Short: "List the mailboxes of an account or a unit", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallMailboxList, req, func(w io.Writer, list []control.Mailbox) error {
				rows := make([][]string, len(list))
				for i, m := range list {
					rows[i] = []string{m.Name, m.Use, strconv.FormatInt(m.Messages, 10), strconv.FormatInt(m.Unseen, 10), strconv.FormatInt(m.Octets>>10, 10)}
				}
				return table(w, []string{"NAME", "USE", "MESSAGES", "UNSEEN", "KIB"}, rows)
			})
		}),
	}
	list.Flags().StringVar(&req.Account, "account", "", "`login`")
	list.Flags().StringVar(&req.Unit, "unit", "", "`unit`")
	return parent("mailbox", "Mailboxes", list, c.mailboxACLCmd(), c.mailboxGrantCmd(), c.mailboxRevokeCmd(), c.mailboxSetCmd(), c.mailboxQuotaCmd(),
		c.mailboxRuleCmd(), c.mailboxSieveCmd())
}
