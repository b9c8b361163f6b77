package main

import (
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
)

// mailboxFlags adds the flags that name whose mailbox is meant.
func mailboxFlags(cmd *cobra.Command, m *control.MailboxNamed) *cobra.Command {
	cmd.Flags().StringVar(&m.Account, "account", "", "`login` of the mailbox's owner")
	cmd.Flags().StringVar(&m.Unit, "unit", "", "`unit` that the mailbox belongs to")
	return cmd
}

func (c *cli) mailboxACLCmd() *cobra.Command {
	var m control.MailboxNamed
	return mailboxFlags(&cobra.Command{
		Use: "acl MAILBOX", Short: "Show who has which rights on a mailbox", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			m.Name = args[0]
			return answer(cmd, c, control.CallMailboxRights, m, func(w io.Writer, acl control.MailboxRights) error {
				rows := make([][]string, len(acl.Grants))
				for i, g := range acl.Grants {
					rows[i] = []string{g.To, g.Rights, g.First, g.Last}
				}
				if !slices.ContainsFunc(acl.Grants, func(g control.MailboxRight) bool { return g.Last != "" }) {
					for i := range rows {
						rows[i] = rows[i][:2]
					}
					return table(w, []string{"WHO", "RIGHTS"}, rows)
				}
				return table(w, []string{"WHO", "RIGHTS", "FROM", "UNTIL"}, rows)
			})
		}),
	}, &m)
}

func (c *cli) mailboxGrantCmd() *cobra.Command {
	var req control.MailboxGrant
	cmd := mailboxFlags(&cobra.Command{
		Use: "grant MAILBOX WHO RIGHTS", Short: "Give an account, a role in a unit, or anyone rights on a mailbox",
		Long: `Adds rights on a mailbox to those that WHO has. WHO is a login, "anyone", or a role in a unit: '$vanthu@SYT'.
RIGHTS are letters of RFC 4314: l see, r read, s mark as read, w set other flags, i put messages in, k make mailboxes
below, x delete or rename, t mark as deleted, e expunge, a see and change the rights.
With --until they hold for whole days at +07:00, the first and the last included, beside what WHO has without end.`,
		Args: cobra.ExactArgs(3),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Name, req.To, req.Rights, req.Op = args[0], args[1], args[2], "add"
			return c.changeRights(cmd, req)
		}),
	}, &req.MailboxNamed)
	cmd.Flags().StringVar(&req.First, "from", "", "first `date`, such as 2026-12-01; none is today")
	cmd.Flags().StringVar(&req.Last, "until", "", "last `date`; none is without end")
	return cmd
}

func (c *cli) mailboxRevokeCmd() *cobra.Command {
	var req control.MailboxGrant
	return mailboxFlags(&cobra.Command{
		Use: "revoke MAILBOX WHO [RIGHTS]", Short: "Take rights on a mailbox away, all of them when none are named", Args: cobra.RangeArgs(2, 3),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Name, req.To = args[0], args[1]
			if len(args) > 2 {
				req.Rights, req.Op = args[2], "remove"
			}
			return c.changeRights(cmd, req)
		}),
	}, &req.MailboxNamed)
}

func (c *cli) mailboxSetCmd() *cobra.Command {
	var req control.MailboxSet
	cmd := mailboxFlags(&cobra.Command{
		Use: "set [MAILBOX]", Short: "Change settings of a mailbox and of those below it, of all without a name",
		Long: `With --seen per-user everybody who may read the mailbox has read marks of his own: what a leader has looked at stays new to
the clerk. All begin with the common marks. With --seen shared the marks are common again, and what anybody has read is read.`,
		Example: `  vanthu mailbox set --unit SYT --seen per-user
  vanthu mailbox set 'Thư đến' --unit SYT --seen shared`,
		Args: cobra.MaximumNArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				req.Name = args[0]
			}
			return answer(cmd, c, control.CallMailboxSet, req, func(w io.Writer, list []control.MailboxChanged) error {
				if len(list) == 0 {
					return line("nothing to change")(w)
				}
				rows := make([][]string, len(list))
				for i, m := range list {
					rows[i] = []string{m.Name, m.Seen}
				}
				return table(w, []string{"NAME", "SEEN"}, rows)
			})
		}),
	}, &req.MailboxNamed)
	cmd.Flags().StringVar(&req.Seen, "seen", "", "whose read marks: `shared` or per-user")
	must(cmd.MarkFlagRequired("seen"))
	return cmd
}

func (c *cli) mailboxQuotaCmd() *cobra.Command {
	var req control.MailboxList
	cmd := &cobra.Command{
		Use: "quota", Short: "Show what the mailboxes of an account or a unit hold and may hold", Args: cobra.NoArgs,
		Long: "Shows usage and limits; 'vanthu account set --quota MIB --quota-messages N' sets them.",
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallMailboxQuota, req, func(w io.Writer, q control.MailboxQuota) error {
				limit := func(n int64) string {
					if n == 0 {
						return "none"
					}
					return strconv.FormatInt(n, 10)
				}
				return table(w, []string{"RESOURCE", "USED", "LIMIT"}, [][]string{
					{"octets", strconv.FormatInt(q.Octets, 10), limit(q.QuotaOctets)},
					{"messages", strconv.FormatInt(q.Messages, 10), limit(q.QuotaMessages)},
				})
			})
		}),
	}
	cmd.Flags().StringVar(&req.Account, "account", "", "`login`")
	cmd.Flags().StringVar(&req.Unit, "unit", "", "`unit`")
	return cmd
}

func (c *cli) changeRights(cmd *cobra.Command, req control.MailboxGrant) error {
	return answer(cmd, c, control.CallMailboxGrant, req, func(w io.Writer, g control.MailboxGranted) error {
		if g.After == "" {
			return line("%s has no rights on %s", g.To, req.Name)(w)
		}
		return line("%s has the rights %s on %s", g.To, g.After, req.Name)(w)
	})
}
