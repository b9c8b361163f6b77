package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/delivery"
)

func (c *cli) quarantineCmd() *cobra.Command {
	return parent("quarantine", "Accepted messages that wait for a decision", c.heldList(), c.heldShow(),
		c.heldAct("release", "Deliver a held message as if it had just come", "released"),
		c.heldAct("drop", "Decide against a held message; its sender is told", "dropped"))
}

func (c *cli) heldList() *cobra.Command {
	var req control.HeldList
	cmd := &cobra.Command{
		Use: "list", Short: "List what is held, and why", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallHeldList, req, func(w io.Writer, list []delivery.Held) error {
				rows := make([][]string, len(list))
				for i, h := range list {
					rows[i] = []string{
						strconv.FormatInt(int64(h.ID), 10), shownTime(h.Created), string(h.State), "<" + h.From + ">", strings.Join(h.To, " "),
						h.Subject, string(h.Reason), shownTime(h.Expires),
					}
				}
				return table(w, []string{"ID", "CAME", "STATE", "FROM", "TO", "SUBJECT", "REASON", "EXPIRES"}, rows)
			})
		}),
	}
	cmd.Flags().BoolVar(&req.All, "all", false, "also what was decided")
	return cmd
}

// heldID reads the number of a held message.
func heldID(s string) (delivery.HeldID, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not the number of a held message: see \"vanthu quarantine list\"", s)
	}
	return delivery.HeldID(id), nil
}

func (c *cli) heldShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a held message: who, to whom, why, which files; never its content", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			id, err := heldID(args[0])
			if err != nil {
				return err
			}
			return answer(cmd, c, control.CallHeldShow, control.HeldShow{ID: id}, showHeld)
		}),
	}
}

func showHeld(w io.Writer, h delivery.Held) error {
	lines := []string{
		fmt.Sprintf("message   %d, queued as %s", h.ID, h.Queue), "state     " + string(h.State), "from      <" + h.From + ">",
		"to        " + strings.Join(h.To, " "), "subject   " + h.Subject, fmt.Sprintf("size      %d", h.Size),
		"came      " + shownTime(h.Created), "expires   " + shownTime(h.Expires), "reason    " + string(h.Reason) + ": " + h.Text,
		"          " + h.TextVI,
	}
	if !h.Decided.IsZero() {
		lines = append(lines, "decided   "+shownTime(h.Decided)+" by "+h.DecidedBy)
	}
	if h.Results != "" {
		lines = append(lines, "results   "+h.Results)
	}
	for _, f := range h.Files {
		lines = append(lines, fmt.Sprintf("file      %s (%s, %d)", f.Name, f.Type, f.Size))
	}
	return line("%s", strings.Join(lines, "\n"))(w)
}

func (c *cli) heldAct(act, short, done string) *cobra.Command {
	req := control.HeldAct{Act: act}
	cmd := &cobra.Command{
		Use: act + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) (err error) {
			if req.ID, err = heldID(args[0]); err != nil {
				return err
			}
			return answer(cmd, c, control.CallHeldAct, req, func(w io.Writer, a control.HeldActed) error {
				if a.DryRun {
					return line("message %d (%s) would be %s; nothing was changed", a.Held.ID, a.QueueID, done)(w)
				}
				return line("message %d (%s) %s", a.Held.ID, a.QueueID, done)(w)
			})
		}),
	}
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "only say what would happen")
	return cmd
}
