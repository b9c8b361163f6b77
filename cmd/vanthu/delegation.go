package main

import (
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/fault"
)

func (c *cli) accountDelegate() *cobra.Command {
	var req control.DelegationAdd
	cmd := &cobra.Command{
		Use: "delegate LOGIN", Short: "Let another account exercise a role of LOGIN for some days (ủy quyền)",
		Long: `While the days last, --to sees and does in the unit what the role allows; the journal names both persons for each act.
LOGIN keeps the role. Days are whole days at +07:00, the first and the last included.`,
		Example: `  vanthu account delegate vt.syt@dienbien.test --to cv1.syt@dienbien.test --role vanthu --unit SYT --from 2026-12-01 --until 2026-12-05`,
		Args:    cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.From = args[0]
			return answer(cmd, c, control.CallDelegationAdd, req, func(w io.Writer, d control.Delegation) error {
				return line("delegation %d: %s acts for %s as %s of %s from %s until %s", d.ID, d.To, d.From, d.Role, d.Unit, d.First, d.Last)(w)
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.To, "to", "", "`login` of who acts")
	f.StringVar(&req.Role, "role", "", "`role`: vanthu, lanhdao, chuyenvien")
	f.StringVar(&req.Unit, "unit", "", "`unit`")
	f.StringVar(&req.First, "from", "", "first `date`, such as 2026-12-01; none is today")
	f.StringVar(&req.Last, "until", "", "last `date`")
	for _, name := range []string{"to", "role", "unit", "until"} {
		must(cmd.MarkFlagRequired(name))
	}
	return cmd
}

func (c *cli) accountDelegations() *cobra.Command {
	var req control.DelegationList
	cmd := &cobra.Command{
		Use: "delegations", Short: "List delegations that hold or are to come", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallDelegationList, req, func(w io.Writer, list []control.Delegation) error {
				rows := make([][]string, len(list))
				for i, d := range list {
					rows[i] = []string{strconv.FormatInt(d.ID, 10), d.From, d.To, d.Unit, d.Role, d.First, d.Last, d.State}
				}
				return table(w, []string{"ID", "FOR", "ACTS", "UNIT", "ROLE", "FROM", "UNTIL", "STATE"}, rows)
			})
		}),
	}
	cmd.Flags().BoolVar(&req.All, "all", false, "also those that are over")
	return cmd
}

func (c *cli) accountUndelegate() *cobra.Command {
	var req control.DelegationRevoke
	cmd := &cobra.Command{
		Use: "undelegate ID", Short: "Revoke a delegation, at once also for open sessions", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) (err error) {
			if req.ID, err = strconv.ParseInt(args[0], 10, 64); err != nil {
				return fault.Newf(fault.Invalid, "%q is no number of a delegation", args[0])
			}
			return answer(cmd, c, control.CallDelegationEnd, req, func(w io.Writer, d control.Delegation) error {
				if req.DryRun {
					return line("delegation %d of %s to %s would be revoked", d.ID, d.From, d.To)(w)
				}
				return line("delegation %d of %s to %s is revoked", d.ID, d.From, d.To)(w)
			})
		}),
	}
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "only say what would be revoked")
	return cmd
}
