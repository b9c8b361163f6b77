package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/workflow"
)

func (c *cli) docDrafts() *cobra.Command {
	var req control.NumberList
	return &cobra.Command{
		Use: "drafts UNIT", Short: "List what waits for its number in the folder Văn bản đi/1 Chờ cấp số", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Unit = args[0]
			return answer(cmd, c, control.CallDraftList, req, func(w io.Writer, list []workflow.Waiting) error {
				rows := make([][]string, len(list))
				for i, d := range list {
					rows[i] = []string{fmt.Sprint(d.UID), d.Code, d.From, d.Subject, shownTime(d.Since)}
				}
				return table(w, []string{"UID", "CODE", "FROM", "SUBJECT", "SINCE"}, rows)
			})
		}),
	}
}

func (c *cli) docNumber() *cobra.Command {
	return c.draftAct("number", "Give a waiting draft its number, without sending it yet", false)
}

func (c *cli) docIssue() *cobra.Command {
	return c.draftAct("issue", "Give a waiting draft its number and send it to those in To and Cc", true)
}

func (c *cli) draftAct(name, short string, issue bool) *cobra.Command {
	req := control.DraftAct{Issue: issue}
	cmd := &cobra.Command{
		Use: name + " UNIT UID", Short: short, Args: cobra.ExactArgs(2),
		Example: "  vanthu doc drafts SYT\n  vanthu doc " + name + " SYT 3 --as vanthu@syt.dienbien.test",
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			uid, err := strconv.ParseUint(args[1], 10, 32)
			if err != nil {
				return fault.Newf(fault.Invalid, "%q is no UID; see vanthu doc drafts", args[1])
			}
			req.Unit, req.UID = args[0], mailstore.UID(uid)
			return answer(cmd, c, control.CallDraftAct, req, func(w io.Writer, d control.DraftDone) error {
				if d.Issued {
					return line("%s is issued", d.Code)(w)
				}
				return line("the number is %s", d.Code)(w)
			})
		}),
	}
	cmd.Flags().StringVar(&req.As, "as", "", "`login` of the clerk who acts")
	must(cmd.MarkFlagRequired("as"))
	return cmd
}
