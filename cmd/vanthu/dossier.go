package main

import (
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
)

func (c *cli) dossierCmd() *cobra.Command {
	return parent("dossier", "Dossiers: the documents of one matter (hồ sơ)",
		c.dossierCreate(), c.dossierAdd(), c.dossierRemove(), c.dossierClose(), c.dossierList(), c.dossierShow())
}

func dossierFlags(cmd *cobra.Command, req *control.DossierNamed, changes bool) {
	f := cmd.Flags()
	f.StringVar(&req.Unit, "unit", "", "`unit` whose dossier it is")
	f.IntVar(&req.Year, "year", 0, "`year` of the dossier; the present one when not given")
	must(cmd.MarkFlagRequired("unit"))
	if changes {
		f.StringVar(&req.As, "as", "", "`login` of the clerk or leader who acts, or of who opened the dossier")
		must(cmd.MarkFlagRequired("as"))
		return
	}
	f.StringVar(&req.As, "as", "", "`login` of who asks; yours at this machine when not given")
}

func (c *cli) dossierCreate() *cobra.Command {
	var req control.DossierCreate
	var start string
	cmd := &cobra.Command{
		Use: "create NOTATION", Short: "Open a dossier", Args: cobra.ExactArgs(1),
		Example: `  vanthu dossier create 01/VX --unit SYT --title 'Hồ sơ tiêm chủng mở rộng năm 2026' --maintenance '10 năm' --as cv1.syt@dienbien.test`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) (err error) {
			req.Notation = args[0]
			if req.Start, err = startOf(start); err != nil {
				return err
			}
			return answer(cmd, c, control.CallDossierCreate, req, func(w io.Writer, d control.Dossier) error {
				return line("dossier %s: %s", d.Code, d.Title)(w)
			})
		}),
	}
	dossierFlags(cmd, &req.DossierNamed, true)
	f := cmd.Flags()
	f.StringVar(&req.Title, "title", "", "what it is about")
	f.StringVar(&req.Maintenance, "maintenance", "", "how long it is kept: 'Vĩnh viễn', '10 năm'")
	f.StringVar(&req.Rights, "rights", "", "who may use it")
	f.StringVar(&req.Description, "description", "", "more about it")
	f.StringVar(&start, "start", "", "first `day` (2026-01-01); today when not given")
	must(cmd.MarkFlagRequired("title"))
	return cmd
}

func (c *cli) dossierAct(act, use, short string, args int) (*cobra.Command, *control.DossierAct) {
	req := &control.DossierAct{Act: act}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(args),
		Example: "  vanthu dossier " + use + " --unit SYT --as vt.syt@dienbien.test",
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Notation = args[0]
			if len(args) > 1 {
				req.Document.Code = args[1]
			}
			return answer(cmd, c, control.CallDossierAct, *req, func(w io.Writer, d control.Dossier) error {
				would := ""
				if req.DryRun {
					would = "would be: "
				}
				return line("%sdossier %s, %d documents%s", would, d.Code, d.Documents, map[bool]string{true: ", closed"}[d.End != ""])(w)
			})
		}),
	}
	dossierFlags(cmd, &req.DossierNamed, true)
	if args > 1 {
		cmd.Flags().StringVar(&req.Document.Issuer, "issuer", "", "issuing `unit`, when several have the code")
	}
	return cmd, req
}

func (c *cli) dossierAdd() *cobra.Command {
	cmd, req := c.dossierAct("add", "add NOTATION CODE", "Put a document into a dossier; it may lie in several", 2)
	cmd.Flags().IntVar(&req.Pages, "pages", 0, "how many pages it has")
	cmd.Flags().StringVar(&req.Remark, "remark", "", "a remark for the dossier's list")
	return cmd
}

func (c *cli) dossierRemove() *cobra.Command {
	cmd, req := c.dossierAct("remove", "remove NOTATION CODE", "Take a document out of a dossier; the document itself stays", 2)
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "only say what would be left")
	return cmd
}

func (c *cli) dossierClose() *cobra.Command {
	cmd, req := c.dossierAct("close", "close NOTATION", "Close a dossier: nothing is put in or taken out any more", 1)
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "only try")
	return cmd
}

func (c *cli) dossierList() *cobra.Command {
	var req control.DossierList
	cmd := &cobra.Command{
		Use: "list --unit UNIT", Short: "List a unit's dossiers", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallDossierList, req, func(w io.Writer, list []control.Dossier) error {
				rows := make([][]string, len(list))
				for i, d := range list {
					rows[i] = []string{d.Code, d.Title, d.Start, d.End, strconv.Itoa(d.Documents), d.Creator}
				}
				return table(w, []string{"CODE", "TITLE", "FROM", "UNTIL", "DOCUMENTS", "CREATOR"}, rows)
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Unit, "unit", "", "`unit` whose dossiers")
	f.IntVar(&req.Year, "year", 0, "only of this `year`")
	f.StringVar(&req.As, "as", "", "`login` of who asks; yours at this machine when not given")
	must(cmd.MarkFlagRequired("unit"))
	return cmd
}

func (c *cli) dossierShow() *cobra.Command {
	var req control.DossierNamed
	cmd := &cobra.Command{
		Use: "show NOTATION", Short: "Show a dossier and its documents", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Notation = args[0]
			return answer(cmd, c, control.CallDossierShow, req, func(w io.Writer, d control.Dossier) error {
				if err := line("%s  %s\n%s  %s – %s", d.Code, d.Title, d.Maintenance, d.Start, d.End)(w); err != nil {
					return err
				}
				rows := make([][]string, len(d.Items))
				for i, x := range d.Items {
					rows[i] = []string{strconv.Itoa(x.Ordinal), x.Code, x.Issued, x.Issuer, x.Subject}
				}
				return table(w, []string{"NO", "CODE", "ISSUED", "ISSUER", "SUBJECT"}, rows)
			})
		}),
	}
	dossierFlags(cmd, &req, false)
	return cmd
}
