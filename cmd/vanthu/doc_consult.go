package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/fault"
)

// docConsult is the group of commands about opinions that units are asked for.
func (c *cli) docConsult() *cobra.Command {
	return parent("consult", "What units are asked for their opinion about (lấy ý kiến)",
		c.consultList(), c.consultShow(), c.consultAnswer(), c.consultExtend(), c.consultClose())
}

func (c *cli) consultList() *cobra.Command {
	var req control.ConsultList
	cmd := &cobra.Command{
		Use: "list", Short: "List consultations, newest first", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallConsultList, req, func(w io.Writer, list []control.Consultation) error {
				rows := make([][]string, len(list))
				for i, x := range list {
					rows[i] = []string{consultCode(x), x.Issuer, x.Subject, shownTime(x.Due), consultScore(x), consultState(x)}
				}
				return table(w, []string{"DOCUMENT", "ISSUER", "SUBJECT", "DUE", "OPINIONS", "STATE"}, rows)
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Unit, "unit", "", "only what this `unit` asks or is asked")
	f.BoolVar(&req.Open, "open", false, "only what units may still answer")
	f.IntVar(&req.Limit, "limit", 100, "at most so many")
	f.StringVar(&req.As, "as", "", "`login` of who asks; yours at this machine when not given")
	return cmd
}

// consultCode names a consultation: one without a number by its identifier.
func consultCode(x control.Consultation) string {
	if x.Code != "" {
		return x.Code
	}
	return string(x.ID)
}

func consultScore(x control.Consultation) string {
	s := fmt.Sprintf("%d/%d đã trả lời", x.Answered, x.Asked)
	for _, n := range []struct {
		count int
		name  string
	}{{x.Agree, "đồng ý"}, {x.Disagree, "không đồng ý"}, {x.Other, "ý kiến khác"}, {x.Overdue, "quá hạn"}} {
		if n.count > 0 {
			s += fmt.Sprintf(" · %d %s", n.count, n.name)
		}
	}
	return s
}

func consultState(x control.Consultation) string {
	if x.Closed.IsZero() {
		return "open"
	}
	return "closed: " + string(x.Ended)
}

// consultCommand is a command about one consultation.
func (c *cli) consultCommand(req *control.ConsultNamed, name, short, example string, acts bool, call func() (string, any)) *cobra.Command {
	cmd := &cobra.Command{
		Use: name + " DOCUMENT", Short: short, Args: cobra.ExactArgs(1),
		Long:    short + ".\n\nDOCUMENT is its number and symbol, or its identifier (see \"vanthu doc consult list\").",
		Example: "  vanthu doc consult " + name + " 12/UBND-VX" + example,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Code = args[0]
			what, body := call()
			return answer(cmd, c, what, body, printConsult)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Issuer, "issuer", "", "issuing `unit`, when several have the code")
	if !acts {
		f.StringVar(&req.As, "as", "", "`login` of who asks; yours at this machine when not given")
		return cmd
	}
	f.StringVar(&req.As, "as", "", "`login` of the clerk or leader who acts")
	must(cmd.MarkFlagRequired("as"))
	return cmd
}

func (c *cli) consultShow() *cobra.Command {
	var req control.ConsultNamed
	return c.consultCommand(&req, "show", "Show what the units say that were asked", "", false,
		func() (string, any) { return control.CallConsultShow, req })
}

func (c *cli) consultClose() *cobra.Command {
	var req control.ConsultNamed
	cmd := c.consultCommand(&req, "close", "End a consultation: nobody may answer any more, and the summary is sent", " --as vanthu@ubnd.dienbien.test", true,
		func() (string, any) { return control.CallConsultClose, req })
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "only show how it stands")
	return cmd
}

func (c *cli) consultExtend() *cobra.Command {
	var req control.ConsultExtend
	var due string
	cmd := c.consultCommand(&req.ConsultNamed, "extend", "Give units more time; one that is closed is opened again",
		" --due 2026-12-04 --as vanthu@ubnd.dienbien.test", true, func() (string, any) { return control.CallConsultExtend, req })
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if req.Due, err = dueTime(due); err != nil {
			return err
		}
		return run(cmd, args)
	}
	cmd.Flags().StringVar(&due, "due", "", "until `YYYY-MM-DD` or \"YYYY-MM-DD HH:MM\", Vietnam time")
	must(cmd.MarkFlagRequired("due"))
	return cmd
}

func (c *cli) consultAnswer() *cobra.Command {
	var req control.ConsultAnswer
	var vote string
	cmd := c.consultCommand(&req.ConsultNamed, "answer", "Say the opinion of a unit, as a reply by mail does",
		" --vote khong-dong-y --text 'Chưa có kinh phí' --as vanthu@xa01.dienbien.test", true, func() (string, any) { return control.CallConsultAnswer, req })
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req.Vote = docstore.Vote(strings.ReplaceAll(vote, "-", "_"))
		if !req.Vote.Valid() {
			return fault.Newf(fault.Invalid, "%q is no opinion: write dong-y, khong-dong-y or y-kien-khac", vote)
		}
		return run(cmd, args)
	}
	f := cmd.Flags()
	f.StringVar(&vote, "vote", "", "`opinion`: dong-y, khong-dong-y or y-kien-khac (with --text)")
	f.StringVar(&req.Text, "text", "", "the reason, or the other opinion")
	f.StringVar(&req.Unit, "unit", "", "`unit` for which you speak; your own when not given. Of a unit outside its address: the unit that asks records its answer")
	must(cmd.MarkFlagRequired("vote"))
	return cmd
}

func printConsult(w io.Writer, x control.Consultation) error {
	if err := line("%s  %s\n%s, due %s, %s\n%s", consultCode(x), x.Subject, x.Issuer, shownTime(x.Due), consultState(x), consultScore(x))(w); err != nil {
		return err
	}
	rows := make([][]string, len(x.Units))
	for i, u := range x.Units {
		rows[i] = []string{u.Unit, "-", "-", "-", ""}
		if o := u.Opinion; o != nil {
			rows[i] = []string{u.Unit, o.Vote.Name(), shownTime(o.At), o.By, strings.Join(strings.Fields(o.Text), " ")}
		}
	}
	return table(w, []string{"UNIT", "OPINION", "AT", "BY", "TEXT"}, rows)
}

// docDraft is the group of commands about drafts that were sent for comment.
func (c *cli) docDraft() *cobra.Command {
	return parent("draft", "Drafts that were sent for comment (dự thảo)", c.commentsList(), c.commentsShow())
}

func (c *cli) commentsList() *cobra.Command {
	var req control.DraftList
	cmd := &cobra.Command{
		Use: "list", Short: "List drafts, newest first", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallCommentsList, req, func(w io.Writer, list []control.Draft) error {
				rows := make([][]string, len(list))
				for i, d := range list {
					rows[i] = []string{string(d.ID), shownTime(d.Sent), d.Author, d.Subject, strconv.Itoa(d.Count)}
				}
				return table(w, []string{"ID", "SENT", "AUTHOR", "SUBJECT", "COMMENTS"}, rows)
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Unit, "unit", "", "drafts of the people of this `unit`")
	f.IntVar(&req.Limit, "limit", 100, "at most so many")
	f.StringVar(&req.As, "as", "", "`login`: without --unit only this person's drafts; all when not given")
	return cmd
}

func (c *cli) commentsShow() *cobra.Command {
	var req control.DraftNamed
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show a draft and the comments on it", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.ID = docstore.ULID(args[0])
			return answer(cmd, c, control.CallCommentsShow, req, func(w io.Writer, d control.Draft) error {
				if err := line("%s\n%s, %s, %s", d.Subject, d.Author, d.Unit, shownTime(d.Sent))(w); err != nil {
					return err
				}
				rows := make([][]string, len(d.Comments))
				for i, x := range d.Comments {
					rows[i] = []string{strconv.Itoa(x.Ordinal), shownTime(x.At), x.Author, x.Unit, x.Vote.Name(), strings.Join(strings.Fields(x.Text), " ")}
				}
				return table(w, []string{"NO", "AT", "AUTHOR", "UNIT", "OPINION", "TEXT"}, rows)
			})
		}),
	}
	cmd.Flags().StringVar(&req.As, "as", "", "`login` of who asks; yours at this machine when not given")
	return cmd
}
