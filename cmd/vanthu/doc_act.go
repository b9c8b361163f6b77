package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
)

// docAct is the command for one act on a document that a unit received.
func (c *cli) docAct(name, short string, event docstore.Event) *cobra.Command {
	req := control.DocumentAct{Act: event}
	var reason, due, lead string
	var assist, notice []string
	cmd := &cobra.Command{
		Use: name + " CODE", Short: short, Args: cobra.ExactArgs(1),
		Example: "  vanthu doc " + name + " 123/QĐ-UBND --as vanthu@xa01.dienbien.test",
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Code, req.Reason = args[0], edoc.RefuseReason(reason)
			req.Assign = append(people(docstore.RoleLead, lead), append(people(docstore.RoleAssist, assist...), people(docstore.RoleNotice, notice...)...)...)
			var err error
			if req.Due, err = dueTime(due); err != nil {
				return err
			}
			return answer(cmd, c, control.CallDocumentAct, req, func(w io.Writer, d docstore.DispatchView) error {
				return printAct(w, req.Code, d)
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.As, "as", "", "`login` of the account that acts")
	f.StringVar(&req.Unit, "unit", "", "recipient `unit`; the actor's own when not given")
	f.StringVar(&req.Issuer, "issuer", "", "issuing `unit`, when several have the code")
	f.StringVar(&req.Note, "note", "", "a note, or the reason where one is needed")
	must(cmd.MarkFlagRequired("as"))
	switch event {
	case docstore.EventRefuse, docstore.EventDrop, docstore.EventQuarantine:
		f.StringVar(&reason, "reason", "", "reason `code`: SAI_NOI_NHAN, THIEU_CHU_KY, SAI_THE_THUC, THIEU_TEP, TRUNG, NOI_DUNG_MAT, KHAC (with --note)")
		must(cmd.MarkFlagRequired("reason"))
	case docstore.EventAssign, docstore.EventReassign:
		f.StringVar(&lead, "to", "", "`login` of the person in charge (chủ trì)")
		f.StringArrayVar(&assist, "with", nil, "`login` of somebody who works with them (phối hợp); may be repeated")
		f.StringArrayVar(&notice, "fyi", nil, "`login` of somebody who takes notice (để biết); may be repeated")
		f.StringVar(&due, "due", "", "until `YYYY-MM-DD` or \"YYYY-MM-DD HH:MM\", Vietnam time")
		must(cmd.MarkFlagRequired("to"))
	case docstore.EventExtend:
		f.StringVar(&due, "due", "", "until `YYYY-MM-DD` or \"YYYY-MM-DD HH:MM\", Vietnam time")
		must(cmd.MarkFlagRequired("due"))
		must(cmd.MarkFlagRequired("note"))
	case docstore.EventReturn, docstore.EventReopen, docstore.EventDecline:
		must(cmd.MarkFlagRequired("note"))
	}
	return cmd
}

// docRecall is the command by which a sender asks for a document back.
func (c *cli) docRecall() *cobra.Command {
	var req control.DocumentRecall
	cmd := &cobra.Command{
		Use: "recall CODE", Short: "Ask for a document back that the unit has sent (13)", Args: cobra.ExactArgs(1),
		Long: "Ask the units that received a document to give it back: where no clerk has acted on it yet it is destroyed at once (15),\n" +
			"elsewhere the clerk answers (15 or 16). What has not left the queue is withdrawn. The document goes to no further unit.",
		Example: "  vanthu doc recall 123/QĐ-UBND --as vanthu@ubnd.dienbien.test --note 'Sai phụ lục'",
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Code = args[0]
			return answer(cmd, c, control.CallDocumentRecall, req, func(w io.Writer, list []docstore.DispatchView) error {
				for _, d := range list {
					if err := printAct(w, req.Code, d); err != nil {
						return err
					}
				}
				return nil
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.As, "as", "", "`login` of a clerk of the issuing unit")
	f.StringVar(&req.Reason, "note", "", "the reason")
	f.StringArrayVar(&req.Units, "unit", nil, "only from this `unit`; may be repeated")
	f.StringVar(&req.Issuer, "issuer", "", "issuing `unit`, when several have the code")
	must(cmd.MarkFlagRequired("as"))
	must(cmd.MarkFlagRequired("note"))
	return cmd
}

func printAct(w io.Writer, code string, d docstore.DispatchView) error {
	text := fmt.Sprintf("%s at %s: %s", code, d.Unit, d.State.Name())
	if d.Request != "" {
		text += ", " + d.Request.Name()
	}
	if d.ArrivalNumber > 0 {
		text += fmt.Sprintf(", số đến %d", d.ArrivalNumber)
	}
	var who []string
	for _, a := range d.Assignees {
		who = append(who, a.Login)
	}
	if len(who) > 0 {
		text += ", " + strings.Join(who, ", ")
	}
	return line("%s", text)(w)
}

func people(role docstore.AssigneeRole, logins ...string) (list []control.Assignee) {
	for _, l := range logins {
		if l != "" {
			list = append(list, control.Assignee{Login: l, Role: role})
		}
	}
	return list
}

// dueTime reads a day, which ends with the working day at 17:00, or a time.
func dueTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, hanoi); err == nil {
		return t.Add(17 * time.Hour), nil
	}
	t, err := time.ParseInLocation("2006-01-02 15:04", s, hanoi)
	if err != nil {
		return time.Time{}, fault.Newf(fault.Invalid, "%q is no time: write YYYY-MM-DD or \"YYYY-MM-DD HH:MM\"", s)
	}
	return t, nil
}
