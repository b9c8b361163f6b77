package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/report"
)

func (c *cli) reportCmd() *cobra.Command {
	children := []*cobra.Command{
		c.reportMake("register-in", "Register of incoming documents (sổ đăng ký văn bản đến)", report.Info{Unit: true}),
		c.reportMake("register-out", "Register of outgoing documents (sổ đăng ký văn bản đi)", report.Info{Unit: true}),
		c.reportMake(report.DossierList, "List of a unit's dossiers (mục lục hồ sơ)", report.Info{Unit: true}),
		c.reportMake(report.DossierDocuments, "List of the documents in a dossier (mục lục văn bản trong hồ sơ)", report.Info{Unit: true}),
	}
	for _, i := range report.Reports() {
		children = append(children, c.reportMake(i.Name, i.Title.EN+" ("+strings.ToLower(i.Title.VI)+")", i))
	}
	return parent("report", "Reports about documents, as table or file", children...)
}

func (c *cli) reportMake(name, short string, info report.Info) *cobra.Command {
	req := control.ReportMake{Name: name}
	var since, until, asOf, by string
	out := output{fallback: report.FormatText}
	use := name + " [--unit UNIT]"
	if info.Unit {
		use = name + " --unit UNIT"
	}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		Example: "  vanthu report " + name + " --unit SYT --year 2026 --as-of 2026-06-30 -o " + name + ".pdf",
		RunE: c.runs(func(cmd *cobra.Command, _ []string) (err error) {
			if req.Since, err = startOf(since); err != nil {
				return err
			}
			if req.Before, err = endOf(until); err != nil {
				return err
			}
			if !req.Before.IsZero() {
				req.Before = req.Before.Add(time.Microsecond)
			}
			if req.AsOf, err = endOf(asOf); err != nil {
				return err
			}
			if c.json && out.toStdout() && out.format == "" {
				out.format = string(report.FormatJSON)
			}
			f, err := out.choose(c)
			if err != nil {
				return err
			}
			if req.By = report.Group(by); !out.toStdout() || f.Binary() {
				req.Format = f
			}
			var sheet report.Sheet
			if err := c.call(cmd.Context(), control.CallReport, req, &sheet, nil); err != nil {
				return err
			}
			return out.deliver(c, f, len(sheet.Rows), printed(sheet, c, f))
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Unit, "unit", "", "`unit`: code, short name or address; the whole province when not given")
	f.IntVar(&req.Year, "year", 0, "`year`; the present one when not given")
	if info.Name != "" {
		f.StringVar(&since, "from", "", "instead of a year: documents from this `day` on (2026-01-01)")
		f.StringVar(&until, "until", "", "to this `day`, included")
	}
	if info.Group {
		f.StringVar(&by, "by", "unit", "what a line sums up: unit, type or month")
	}
	if name == report.DossierDocuments {
		f.StringVar(&req.Dossier, "dossier", "", "`notation` of the dossier")
		must(cmd.MarkFlagRequired("dossier"))
	}
	f.StringVar(&asOf, "as-of", "", "as things stood at the end of this `day`")
	f.StringVar(&req.As, "as", "", "`login` of the clerk, leader, auditor or administrator who asks; yours at this machine when not given")
	out.flags(cmd)
	return cmd
}
