package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vanthu/docstore"
	"vanthu/internal/control"
)

func (c *cli) docCmd() *cobra.Command {
	return parent("doc", "Official documents",
		c.docList(), c.docDue(), c.docSearch(), c.docSaved(), c.docShow(), c.docDrafts(), c.docNumber(), c.docIssue(), c.docFiles(), c.docExport(), c.docConsult(), c.docDraft(),
		c.docAct("register", "Enter a received document in the unit's register (03)", docstore.EventRegister),
		c.docAct("refuse", "Refuse a received document, with a reason (02)", docstore.EventRefuse),
		c.docAct("start", "Begin to work on a registered document (05)", docstore.EventStart),
		c.docAct("complete", "Finish a document (06)", docstore.EventComplete),
		c.docAct("undo", "Take a registration back, within ten minutes", docstore.EventUndo),
		c.docAct("assign", "Give a registered document to people of the unit (04)", docstore.EventAssign),
		c.docAct("reassign", "Give an assigned document to others (04)", docstore.EventReassign),
		c.docAct("return", "Hand an assigned document back, with a reason (chuyển lại)", docstore.EventReturn),
		c.docAct("reopen", "Take a completed document up again, with a reason (05)", docstore.EventReopen),
		c.docAct("extend", "Set another due time, with a reason (gia hạn)", docstore.EventExtend),
		c.docRecall(),
		c.docAct("accept", "Agree to what the sender asks: recall, update, replacement (15)", docstore.EventAccept),
		c.docAct("decline", "Do not agree to what the sender asks, with a reason (16)", docstore.EventDecline),
		c.docAct("hold", "Put a document that waits into quarantine", docstore.EventQuarantine),
		c.docAct("release", "Let a document out of quarantine; one with a secrecy mark needs two people", docstore.EventRelease),
		c.docAct("drop", "Refuse a document in quarantine (02)", docstore.EventDrop),
		c.docAct("dismiss", "Say that mail which was taken for a document is none", docstore.EventDismiss),
	)
}

func (c *cli) docList() *cobra.Command {
	var req control.DocumentList
	cmd := &cobra.Command{
		Use: "list", Short: "List documents, newest first", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallDocumentList, req, func(w io.Writer, list []control.DocumentRow) error {
				rows := make([][]string, len(list))
				for i, d := range list {
					rows[i] = []string{shownTime(d.Accepted), d.Code, d.Issuer, d.Subject, states(d)}
				}
				return table(w, []string{"ACCEPTED", "CODE", "ISSUER", "SUBJECT", "UNITS"}, rows)
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Unit, "unit", "", "only documents that this `unit` sent or received")
	f.StringVar(&req.State, "state", "", "only with a dispatch in this `state`: arrived, registered, refused, …")
	f.StringVar(&req.Due, "due", "", "only with a dispatch that is `overdue` or \"soon\" due (within a working day)")
	cmd.MarkFlagsMutuallyExclusive("state", "due")
	f.IntVar(&req.Limit, "limit", 100, "at most so many")
	return cmd
}

// states sums up how far a document got: "45: 41 đã vào sổ, 4 chờ tiếp nhận".
func states(d control.DocumentRow) string {
	var parts []string
	for _, s := range docstore.States() {
		if n := d.States[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s.Name()))
		}
	}
	return fmt.Sprintf("%d: %s", d.Dispatches, strings.Join(parts, ", "))
}

func (c *cli) docShow() *cobra.Command {
	var req control.DocumentNamed
	cmd := &cobra.Command{
		Use: "show CODE", Short: "Show a document and how far it got at each unit", Args: cobra.ExactArgs(1),
		Example: `  vanthu doc show 123/QĐ-UBND --json`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Code = args[0]
			return answer(cmd, c, control.CallDocumentShow, req, printDocument)
		}),
	}
	cmd.Flags().StringVar(&req.Issuer, "issuer", "", "issuing `unit`, when several have the code")
	return cmd
}

func printDocument(w io.Writer, v docstore.View) error {
	if err := line("%s  %s\n%s, %s, %s", v.Code, v.Subject, v.Type, v.Issuer, shownTime(v.Accepted))(w); err != nil {
		return err
	}
	for _, f := range v.Files {
		if err := line("  %s  %d bytes  sha256 %s", f.Name, f.Size, f.SHA256)(w); err != nil {
			return err
		}
	}
	rows := make([][]string, len(v.Dispatches))
	for i, d := range v.Dispatches {
		number, last := "-", "-"
		if d.ArrivalNumber > 0 {
			number = strconv.Itoa(d.ArrivalNumber)
		}
		if n := len(d.Events); n > 0 {
			e := d.Events[n-1]
			last = shownTime(e.At) + " " + e.Actor
			if e.Reason != "" {
				last += " " + e.Reason.Vi()
			}
		}
		state := d.State.Name()
		if d.Request != "" {
			state += ", " + d.Request.Name()
		}
		rows[i] = []string{d.Unit, string(d.Status), state, number, dueText(d), last}
	}
	return table(w, []string{"UNIT", "STATUS", "STATE", "SỐ ĐẾN", "DUE", "LAST EVENT"}, rows)
}

// dueText says until when a unit has to act, and how it stands with that.
func dueText(d docstore.DispatchView) string {
	switch {
	case d.DueState != "":
		return shownTime(d.Due) + " " + d.DueState.Name()
	case !d.RegisterBy.IsZero():
		return "vào sổ trước " + shownTime(d.RegisterBy)
	}
	return "-"
}
